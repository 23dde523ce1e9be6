//! Refiners that are networks Φ, y → z, trained on weighted latents of the prior; and the events that they make.

use super::block::Maker;
use super::home::{missing, refinement, Home, Preparation};
use super::pool::{unit_weights, Pool};
use super::proposals::{Independent, Looks, Proposals};
use crate::compute::Session;
use crate::model::{Dims, Evaluator, Method, Model, Refiner};
use crate::objective::Goal;
use crate::options::{keys::StageKeys, Key, Options};
use crate::protocol::pullback::{weighted_latents, Run, Weighted};
use crate::train::{Record, Settings};
use crate::{Error, Result};
use serde_json::json;

/// A method whose Φ is learned.
pub(super) trait Learned: Sync {
    const METHOD: Method;
    /// Its training, in records and to the host.
    const STAGE: &'static str;
    const TRAINING: StageKeys;
    /// How many weighted latents it learns from.
    const POOL: Key<i64>;
    /// What is trained.
    type Networks;

    /// The networks that the options ask for.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] and [`Error::Unsupported`] if they cannot be made for these dimensions.
    fn networks(dims: Dims, options: &Options) -> Result<Self::Networks>;

    /// Trains Φ.
    ///
    /// # Errors
    /// [`Error::Numerical`] if the training diverges; those of the hooks.
    fn train(networks: Self::Networks, lesson: Lesson) -> Result<(Refiner, Record)>;
}

/// What a refiner is trained with.
pub(super) struct Lesson<'a> {
    pub session: Session<'a>,
    pub dims: Dims,
    pub settings: Settings,
    /// Latents of the prior, each with its scaled condition.
    pub rows: Vec<f64>,
    /// Their weights, of mean 1.
    pub weights: Vec<f64>,
}

impl Lesson<'_> {
    /// Minimises the goal over the latents.
    ///
    /// # Errors
    /// Those of the training.
    pub fn fit(self, goal: Goal, parameters: &mut [f64]) -> Result<Record> {
        let mut pool = Pool::new(self.rows, self.weights, self.session.seed)?;
        self.session
            .fit(goal, &self.settings, &mut pool, parameters)
    }
}

/// Trains the refiner of a method on `rows` of the prior, each a latent (N) and a scaled condition (C), with weights exp(`log_w`).
///
/// # Errors
/// [`Error::Numerical`] if no weight is usable; those of [`Learned`].
pub(super) fn learn<L: Learned>(
    session: Session,
    dims: Dims,
    rows: Vec<f64>,
    log_w: &[f64],
) -> Result<(Refiner, Record)> {
    let lesson = Lesson {
        session,
        dims,
        settings: Settings::from_options(L::STAGE, session.options, &L::TRAINING),
        rows,
        weights: unit_weights(log_w)?,
    };
    L::train(L::networks(dims, session.options)?, lesson)
}

/// Latents of the prior with scaled conditions, as many as an option says, and their log w.
fn pool(preparation: &Preparation, rows: Key<i64>) -> Result<(Vec<f64>, Vec<f64>)> {
    let Preparation { session, model, .. } = *preparation;
    let run = Run::pool(session.get(rows) as usize);
    let drawn = weighted_latents(session, model, preparation.conditions, run, None)?;
    let Weighted { mut z, log_w, .. } = drawn;
    model.generator.scale_conditions(&mut z);
    Ok((z, log_w))
}

impl<L: Learned> Home for L {
    fn method(&self) -> Method {
        L::METHOD
    }

    fn check(&self, dims: Dims, options: &Options) -> Result<()> {
        L::networks(dims, options)?;
        let (batch, rows) = (options.get(L::TRAINING.batch), options.get(L::POOL));
        if batch > rows {
            return Err(Error::InvalidArgument(format!(
                "`{}` is {batch}, but `{}`, the latents to learn from, is {rows}; lower the one or raise the other",
                L::TRAINING.batch.name(),
                L::POOL.name()
            )));
        }
        Ok(())
    }

    fn record(&self) -> Option<&'static str> {
        Some(L::STAGE)
    }

    fn prepare(&self, preparation: Preparation) -> Result<bool> {
        let Preparation { session, model, .. } = preparation;
        let (z, log_w) = pool(&preparation, L::POOL)?;
        let dims = model.generator.dims();
        let (refiner, record) = learn::<L>(session, dims, z, &log_w)?;
        preparation.record.insert(L::STAGE.into(), json!(record));
        preparation.refinement.refiner = Some(refiner);
        Ok(true)
    }

    fn maker(&self, model: &Model) -> Result<Box<dyn Maker>> {
        let name = L::METHOD.name();
        let refiner = refinement(model, L::METHOD)?.learned(L::METHOD).ok_or_else(|| {
            let what = format!("a refiner trained for it (`refiner.method` = `{name}`), which this model lacks");
            missing(L::METHOD, &what)
        })?;
        let auxiliary_dim = refiner.auxiliary_dim(model.generator.condition_dim());
        Ok(Box::new(Independent::new(Refined, auxiliary_dim)))
    }
}

/// Refined events x = g(Φ(y)).
pub(super) struct Refined;

impl Proposals for Refined {
    fn looks(&self) -> Looks {
        Looks {
            within: true,
            ..Looks::default()
        }
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
}
