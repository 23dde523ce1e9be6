//! The paper's refiner network: a GAN that learns the weighted latents (paper, Sec. 4.1 and ref. 98), y → z = Φ(y) with L ≥ N.

use super::proposals::Proposals;
use super::Statistics;
use crate::engine::noise::{domain, Noise};
use crate::model::{Dtype, Evaluator, GanRefiner, Mlp, Real};
use crate::options::{keys, Options};
use crate::protocol::generator::initial_mlp;
use crate::train::{self, Batch, Feed, Goal, Hooks, Record, Settings};
use crate::{Error, Result};
use rand::seq::SliceRandom;

/// Refined events x = g(Φ(y)).
pub(in super::super) struct Gan {
    /// L.
    pub auxiliary_dim: usize,
}

impl Proposals for Gan {
    const WEIGHTED: bool = false;

    fn max_tries(&self) -> u64 {
        super::prior::FINITE_TRIES
    }

    fn prior_dim(&self) -> usize {
        self.auxiliary_dim
    }

    fn propose(
        &mut self,
        evaluator: &mut dyn Evaluator,
        y: &[f64],
        rows: usize,
        z: &mut [f64],
    ) -> Result<()> {
        evaluator.refine(y, rows, z)
    }

    fn judge(&mut self, _: f64, _: f64, _: &mut Statistics) -> Option<f64> {
        Some(1.0)
    }
}

/// The pool of weighted latents, shuffled anew every epoch. Weights have mean 1.
struct Pool {
    z: Vec<f64>,
    w: Vec<f64>,
    dim: usize,
    order: Vec<usize>,
    next: usize,
    epoch: u64,
    shuffle: Noise,
}

/// Stream of the pool's shuffles; sources have those below.
const SHUFFLE_STREAM: u64 = 2;
/// Streams of the initial weights.
const DISCRIMINATOR_STREAM: u64 = 0;
const REFINER_STREAM: u64 = 1;

impl<T: Real> Feed<T> for Pool {
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<bool> {
        if self.next == 0 {
            self.order.shuffle(&mut self.shuffle.rng(self.epoch));
            self.epoch += 1;
        }
        if self.order.len() - self.next < rows {
            self.next = 0;
            return Ok(false);
        }
        let chosen = &self.order[self.next..self.next + rows];
        self.next += rows;
        batch.rows = rows;
        batch.x.clear();
        batch.weights.clear();
        for &row in chosen {
            batch.x.extend(
                self.z[row * self.dim..(row + 1) * self.dim]
                    .iter()
                    .map(|&v| T::from_f64(v)),
            );
            batch.weights.push(T::from_f64(self.w[row]));
        }
        Ok(true)
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        Ok(Vec::new())
    }
}

/// Trains Φ on latents `z` (rows × `latent_dim`) of the prior with weights exp(`log_w`).
pub(in super::super) fn train_gan(
    z: Vec<f64>,
    log_w: &[f64],
    latent_dim: usize,
    dtype: Dtype,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<(GanRefiner, Record)> {
    let seed = options.get(keys::SEED) as u64;
    let mut w: Vec<f64> = log_w
        .iter()
        .map(|l| l.exp())
        .map(|w| if w.is_finite() { w } else { 0.0 })
        .collect();
    let mean = w.iter().sum::<f64>() / w.len() as f64;
    if !(mean > 0.0 && mean.is_finite()) {
        return Err(Error::Numerical(format!(
            "the mean weight of the latent pool is {mean}"
        )));
    }
    w.iter_mut().for_each(|w| *w /= mean);
    let (layers, units) = (
        options.get(keys::GAN_LAYERS) as usize,
        options.get(keys::GAN_UNITS) as usize,
    );
    let slope = options.get(keys::GAN_SLOPE);
    let auxiliary = options.get(keys::GAN_LATENT) as usize;
    if auxiliary < latent_dim {
        return Err(Error::InvalidArgument(format!(
            "`gan.latent` is {auxiliary}, but the refiner needs at least as many auxiliary dimensions as the latent space has: {latent_dim}"
        )));
    }
    let discriminator = Mlp::new(latent_dim, layers, units, 1, slope);
    let network = Mlp::new(auxiliary, layers, units, latent_dim, slope);
    discriminator.validate()?;
    network.validate()?;
    let init = |mlp, stream| initial_mlp(mlp, Noise::new(seed, stream, domain::GAN_INITIAL), false);
    let mut parameters = init(&discriminator, DISCRIMINATOR_STREAM);
    let split = parameters.len();
    parameters.append(&mut init(&network, REFINER_STREAM));
    let mut pool = Pool {
        order: (0..w.len()).collect(),
        z,
        w,
        dim: latent_dim,
        next: 0,
        epoch: 0,
        shuffle: Noise::new(seed, SHUFFLE_STREAM, domain::SHUFFLE),
    };
    let goal = Goal::Gan(train::Gan {
        discriminator: &discriminator,
        refiner: &network,
        conditions: 0,
        discriminator_steps: options.get(keys::GAN_DISCRIMINATOR_STEPS) as u64,
        seed,
        stream: train::stream::GAN_REFINER,
    });
    let settings = Settings::from_options("gan", options, &keys::GAN_TRAINING)?;
    let record = crate::protocol::fit(
        goal,
        &settings,
        dtype,
        &mut pool,
        &mut parameters,
        options,
        hooks,
    )?;
    let parameters = parameters.split_off(split);
    Ok((
        GanRefiner {
            network,
            parameters,
        },
        record,
    ))
}
