//! What every implementation of an [`Objective`] is tested with.

use super::{Batch, Gan, Goal, Matching, Objective, Prior, Separation, Vae};
use crate::model::{Activation, Coupling, Flow, Knots, Map, Mlp, Real, SoftClamp, Transform};
use crate::noise::{domain, places, Noise};

pub(crate) fn numbers(n: usize, scale: f64, stream: u64) -> Vec<f64> {
    let mut out = vec![0.0; n];
    Noise::new(4, stream, domain::INITIAL).normals(0, 0, &mut out);
    out.iter_mut().for_each(|v| *v *= scale);
    out
}

/// Networks of every kind.
#[derive(Debug)]
pub(crate) struct Networks {
    pub flow: Flow,
    pub spline: Flow,
    /// Of other soft clamps, and of other knots, some inverse.
    clamps: Flow,
    knots: Flow,
    pub classifier: Mlp,
    pub discriminator: Mlp,
    pub refiner: Mlp,
    pub encoder: Mlp,
    pub decoder: Mlp,
    pub velocity: Mlp,
    pub conditions: usize,
    prior: Vec<Map>,
    prior_parameters: Vec<f64>,
}

impl Networks {
    /// `hidden` layers for all, for events of `dim` features.
    pub fn new(dim: usize, hidden: &[usize], activation: Activation, blocks: usize) -> Self {
        Self::conditional(dim, 0, hidden, activation, blocks)
    }

    /// As [`Networks::new`], given `conditions` numbers.
    pub fn conditional(
        dim: usize,
        conditions: usize,
        hidden: &[usize],
        activation: Activation,
        blocks: usize,
    ) -> Self {
        let network = |inputs, outputs| Mlp {
            inputs,
            hidden: hidden.to_vec(),
            outputs,
            activation,
        };
        let block = |i, transform: Transform| {
            let (a, b): (Vec<usize>, Vec<usize>) = (0..dim).partition(|k| (k + i) % 3 == 0);
            let (active, passive) = if i % 2 == 0 { (a, b) } else { (b, a) };
            let (active, passive) = if active.is_empty() {
                (passive, active)
            } else {
                (active, passive)
            };
            Coupling {
                subnet: network(
                    passive.len() + conditions,
                    transform.outputs_per_coordinate() * active.len(),
                ),
                transform,
                inverse: false,
                active,
                passive,
            }
        };
        let flow = |transform| Flow {
            dim,
            conditions,
            blocks: (0..blocks).map(|i| block(i, transform)).collect(),
        };
        let of = |transforms: &[(Transform, bool)]| {
            let blocks = transforms
                .iter()
                .enumerate()
                .map(|(i, &(transform, inverse))| Coupling {
                    inverse,
                    ..block(i, transform)
                });
            Flow {
                dim,
                conditions,
                blocks: blocks.collect(),
            }
        };
        let clamp = |soft_clamp| Transform::Affine {
            clamp: 1.5,
            soft_clamp,
        };
        let knots = |knots| Transform::Spline {
            bins: 5,
            bound: 2.0,
            knots,
        };
        let prior = network(dim + 2 + conditions, dim + 1);
        Networks {
            flow: flow(Transform::affine(2.0)),
            // So narrow that some coordinates are outside.
            spline: flow(Transform::spline(5, 2.0)),
            clamps: of(&[
                (clamp(SoftClamp::Sigmoid), true),
                (clamp(SoftClamp::Atan), true),
                (clamp(SoftClamp::Tanh), true),
                (clamp(SoftClamp::Softsign), false),
                (clamp(SoftClamp::Softplus), false),
            ]),
            knots: of(&[
                (knots(Knots::Softplus), true),
                (knots(Knots::Softsign), false),
                (knots(Knots::Softsign), true),
                (knots(Knots::Softplus), false),
            ]),
            classifier: network(dim + conditions, 1),
            discriminator: network(dim + conditions, 1),
            refiner: network(dim + 1 + conditions, dim),
            encoder: network(dim + conditions, 4),
            decoder: network(2 + conditions, dim),
            velocity: network(dim + 1 + conditions, dim),
            prior_parameters: {
                let count = prior.parameter_count().unwrap();
                numbers(count, 0.4, 99)
            },
            prior: vec![Map::Network(prior)],
            conditions,
        }
    }

    pub fn small() -> Self {
        Self::new(3, &[5, 6], Activation::LeakyRelu { slope: 0.1 }, 3)
    }

    /// Every goal, on these networks.
    pub fn goals(&self) -> [Goal<'_>; 11] {
        [
            Goal::Likelihood(&self.flow),
            Goal::Separation(&self.classifier, Separation::CrossEntropy),
            Goal::Separation(&self.classifier, Separation::SquaredError),
            Goal::Separation(&self.classifier, Separation::MaximumLikelihood),
            Goal::Gan(Gan {
                discriminator: &self.discriminator,
                refiner: &self.refiner,
                conditions: self.conditions,
                discriminator_steps: 4,
                seed: 1,
                place: places::GAN_REFINER_TRAINING,
                prior: None,
            }),
            Goal::Vae(Vae {
                encoder: &self.encoder,
                decoder: &self.decoder,
                conditions: self.conditions,
                sigma: 0.8,
                beta: 0.7,
                seed: 1,
            }),
            Goal::Likelihood(&self.spline),
            Goal::Likelihood(&self.clamps),
            Goal::Likelihood(&self.knots),
            Goal::Gan(Gan {
                discriminator: &self.discriminator,
                refiner: &self.refiner,
                conditions: self.conditions,
                discriminator_steps: 2,
                seed: 1,
                place: places::GAN_GENERATOR_TRAINING,
                prior: Some(Prior {
                    maps: &self.prior,
                    parameters: &self.prior_parameters,
                }),
            }),
            Goal::Matching(Matching {
                network: &self.velocity,
                seed: 1,
            }),
        ]
    }
}

/// Random rows with random weights, one of them negative, and alternating labels.
pub(crate) fn batch<T: Real>(goal: &Goal, rows: usize) -> Batch<T> {
    let dim = match goal {
        Goal::Likelihood(flow) => flow.dim + flow.conditions,
        Goal::Separation(network, _) => network.inputs,
        Goal::Gan(gan) => gan.discriminator.inputs,
        Goal::Vae(vae) => vae.encoder.inputs,
        Goal::Matching(matching) => matching.network.inputs - 1 + matching.dim(),
    };
    let real = |v: Vec<f64>| v.into_iter().map(T::from_f64).collect();
    let weights = (0..rows).map(|i| 0.2 + (i % 12) as f64 / 8.0 - f64::from(i == 3));
    Batch {
        rows,
        x: real(numbers(rows * dim, 1.0, 1)),
        weights: real(weights.collect()),
        labels: real((0..rows).map(|i| (i % 2) as f64).collect()),
        step: 7,
        part: (0, 0),
    }
}

/// Parameters of about the size that training starts from: sums stay near 1 in networks of any width.
pub(crate) fn parameters<T: Real>(goal: &Goal) -> Vec<T> {
    let parts = goal.parts();
    let tensors = parts.iter().flatten().enumerate().flat_map(|(i, tensor)| {
        let inputs = tensor.shape.get(1).copied().unwrap_or(9);
        numbers(tensor.len(), 1.0 / (inputs as f64).sqrt(), 2 + i as u64)
    });
    tensors.map(T::from_f64).collect()
}

/// The gradient of every part against central differences of the part's own loss, all parameters of small networks.
pub(crate) fn central_differences(objective: &mut dyn Objective<f64>, goal: &Goal, rows: usize) {
    let batch = batch(goal, rows);
    let p = parameters::<f64>(goal);
    let mut offset = 0;
    for (part, length) in goal.part_lengths().into_iter().enumerate() {
        let mut gradient = vec![0.0; length];
        objective.gradient(part, &p, &batch, &mut gradient).unwrap();
        let mut scratch = vec![0.0; length];
        for i in 0..length {
            let mut at = |delta: f64| {
                let mut p = p.clone();
                p[offset + i] += delta;
                objective.gradient(part, &p, &batch, &mut scratch).unwrap()
            };
            let expected = (at(1e-6) - at(-1e-6)) / 2e-6;
            let got = gradient[i];
            // Second derivatives of splines jump at knots: the difference's error grows with the gradient.
            assert!(
                (got - expected).abs() < 1e-7 * (1.0 + expected.abs()),
                "{goal:?}, part {part}, {i}: {got}, not {expected}"
            );
        }
        offset += length;
    }
    assert_eq!(offset, p.len());
}

fn find(networks: &Networks, which: impl Fn(&Goal) -> bool) -> Goal<'_> {
    networks.goals().into_iter().find(which).unwrap()
}

/// Losses that are known in closed form.
pub(crate) fn known_values<'a>(make: impl for<'g> Fn(Goal<'g>) -> Box<dyn Objective<f64> + 'g>) {
    let network = Mlp::new(2, 0, 1, 1, 0.0);
    let batch = Batch {
        rows: 2,
        x: vec![1.0, 0.0, 0.0, 1.0],
        weights: vec![3.0, 1.0],
        labels: vec![1.0, 0.0],
        step: 0,
        part: (0, 0),
    };
    // Logits 2 + ½ and −1 + ½.
    let p = [2.0, -1.0, 0.5];
    let f = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    for (loss, expected) in [
        (
            Separation::CrossEntropy,
            0.5 * (3.0 * (-2.5f64).exp().ln_1p() + (-0.5f64).exp().ln_1p()),
        ),
        (
            Separation::SquaredError,
            0.5 * (3.0 * (1.0 - f(2.5)).powi(2) + f(-0.5).powi(2)),
        ),
        (
            Separation::MaximumLikelihood,
            0.5 * (-3.0 * 2.5 + (-0.5f64).exp() - 1.0),
        ),
    ] {
        let got = make(Goal::Separation(&network, loss))
            .loss(&p, &batch)
            .unwrap();
        assert!((got - expected).abs() < 1e-12, "{got}, not {expected}");
    }
    // e^ℓ continues along its tangent where it would overflow single precision.
    let goal = Goal::Separation(&network, Separation::MaximumLikelihood);
    let got = make(goal).loss(&[0.0, 100.0, 0.0], &batch).unwrap();
    let expected = 0.5 * (20f64.exp() * 81.0 - 1.0);
    assert!((got / expected - 1.0).abs() < 1e-12, "{got}");
    // An identity: both blocks have s = t = 0.
    let networks = Networks::new(2, &[], Activation::Tanh, 2);
    let goal = Goal::Likelihood(&networks.flow);
    let zeros = vec![0.0; goal.part_lengths()[0]];
    let got = make(goal).loss(&zeros, &batch).unwrap();
    let expected = 2.0 * (0.5 + (2.0 * std::f64::consts::PI).ln());
    assert!((got - expected).abs() < 1e-12, "{got}, not {expected}");
    // Discriminators that know nothing.
    let networks = Networks::small();
    let goal = find(&networks, |g| matches!(g, Goal::Gan(_)));
    let zeros = vec![0.0; goal.part_lengths().iter().sum()];
    let batch = self::batch::<f64>(&goal, 40);
    let mean_weight = batch.weights.iter().sum::<f64>() / 40.0;
    let got = make(goal).loss(&zeros, &batch).unwrap();
    let expected = 0.5 * (mean_weight + 1.0) * 2f64.ln();
    assert!((got - expected).abs() < 1e-12, "{got}, not {expected}");
    let due: Vec<u64> = (0..9).filter(|&step| goal.due(1, step)).collect();
    assert_eq!(due, [3, 7]);
    // At rest: the loss is the mean of w |z − y|².
    let goal = find(&networks, |g| matches!(g, Goal::Matching(_)));
    let zeros = vec![0.0; goal.part_lengths()[0]];
    let batch = self::batch::<f64>(&goal, 40);
    let got = make(goal).loss(&zeros, &batch).unwrap();
    let rows = batch.x.chunks(6).zip(&batch.weights);
    let squares = rows.map(|(row, w)| {
        let (y, z) = row.split_at(3);
        w * y.iter().zip(z).map(|(y, z)| (z - y).powi(2)).sum::<f64>()
    });
    let expected = squares.sum::<f64>() / 40.0;
    assert!((got - expected).abs() < 1e-12, "{got}, not {expected}");
}

/// An autoencoder without weights but with biases: the reconstruction is b, the posterior (μ, s) the same for every event.
pub(crate) fn known_bound(make: impl for<'g> Fn(Goal<'g>) -> Box<dyn Objective<f64> + 'g>) {
    let networks = Networks::conditional(3, 1, &[], Activation::Tanh, 1);
    let goal = find(&networks, |g| matches!(g, Goal::Vae(_)));
    let (mu, log_s, b) = ([0.5, -1.0], [0.25, -0.5], [1.0, 2.0, -1.0]);
    let parameters = [&[0.0; 16][..], &mu, &log_s, &[0.0; 9], &b].concat();
    let batch = batch::<f64>(&goal, 40);
    let mut expected = 0.0;
    for (row, w) in batch.x.chunks_exact(4).zip(&batch.weights) {
        let reconstruction = row.iter().zip(b).map(|(u, b)| {
            let pull = (u - b) / 0.8;
            0.5 * pull * pull + 0.8f64.ln() + 0.5 * (2.0 * std::f64::consts::PI).ln()
        });
        let divergence = mu
            .iter()
            .zip(log_s)
            .map(|(m, l)| 0.5 * (m * m + (2.0 * l).exp() - 1.0) - l);
        expected += w * (reconstruction.sum::<f64>() + 0.7 * divergence.sum::<f64>()) / 40.0;
    }
    let got = make(goal).loss(&parameters, &batch).unwrap();
    assert!((got - expected).abs() < 1e-12, "{got}, not {expected}");
}
