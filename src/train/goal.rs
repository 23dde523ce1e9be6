//! What a training minimises, as data: the engine and libtorch each make an [`Objective`](super::Objective) of it.

use crate::engine::noise::{domain, Noise};
use crate::model::{Flow, Mlp, Parameter};

/// A loss and the networks whose parameters it is minimised over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal<'a> {
    /// Weighted maximum likelihood of a flow: mean of −w log p(u), in nats per event, u the scaled features; rows are u and the scaled condition.
    Likelihood(&'a Flow),
    /// Telling labels 1 and 0 apart by a logit ℓ, f = sigmoid(ℓ): mean of w · loss(ℓ, y).
    Separation(&'a Mlp, Separation),
    /// The weighted GAN of the paper (ref. 98).
    Gan(Gan<'a>),
    /// Flow matching (Lipman et al., arXiv:2210.02747).
    Matching(Matching<'a>),
}

impl Goal<'_> {
    /// The tensors of every part, in the order of the flat buffer.
    pub fn parts(&self) -> Vec<Vec<Parameter>> {
        match self {
            Goal::Likelihood(flow) => vec![flow.parameters("")],
            Goal::Separation(network, _) => vec![network.parameters("")],
            Goal::Gan(gan) => vec![gan.discriminator.parameters(""), gan.refiner.parameters("")],
            Goal::Matching(matching) => vec![matching.network.parameters("")],
        }
    }

    /// Numbers of parameters of the parts.
    pub fn part_lengths(&self) -> Vec<usize> {
        let parts = self.parts();
        let lengths = parts
            .iter()
            .map(|part| part.iter().map(Parameter::len).sum());
        lengths.collect()
    }

    /// Whether part `part` is updated at `step`.
    pub fn due(&self, part: usize, step: u64) -> bool {
        match self {
            Goal::Gan(gan) => part == 0 || (step + 1).is_multiple_of(gan.discriminator_steps),
            _ => true,
        }
    }
}

/// Losses whose minimum over ℓ is the log ratio of the classes' densities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separation {
    /// −y log f − (1 − y) log(1 − f); log 2 for an ignorant classifier of two classes of unit mean weight.
    CrossEntropy,
    /// (f − y)²; ¼ for an ignorant one.
    SquaredError,
}

/// Batches are points z (a refiner's latents or a generator's scaled events) followed by scaled conditions, with weights; the network that is
/// called the refiner maps noise y and the condition to z, the discriminator judges z and the condition. Part 0, the discriminator:
/// ½ [mean w softplus(−D(z)) + mean softplus(D(Φ(y)))]. Part 1, the refiner: mean softplus(−D(Φ(y))). The flat buffer holds the
/// discriminator, then the refiner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gan<'a> {
    pub discriminator: &'a Mlp,
    pub refiner: &'a Mlp,
    /// C.
    pub conditions: usize,
    /// Discriminator updates per refiner update.
    pub discriminator_steps: u64,
    pub seed: u64,
}

/// Stream of the GAN's noise; the classifier's generated events have those below.
const NOISE_STREAM: u64 = 2;

impl Gan<'_> {
    /// L, the numbers of a y.
    pub fn auxiliary_dim(&self) -> usize {
        self.refiner.inputs - self.conditions
    }

    /// The noise y of the rows from `first` on, of `rows` in all, of part `part`'s update at `step`: rows × auxiliary.
    pub fn noise(&self, part: usize, step: u64, rows: usize, first: usize, y: &mut [f64]) {
        // One event of the noise per update; the two parts draw from it one after the other.
        let row = part * rows + first;
        let noise = Noise::new(self.seed, NOISE_STREAM, domain::TRAINING);
        noise.normals(step, (row * self.auxiliary_dim()) as u64, y);
    }
}

/// Batches are pairs: where a point starts, y, where it ends, z, and the scaled condition c, with weights. On the straight way between them,
/// at a time t that is uniform in (0, 1), the network's velocity is to be z − y: mean of w |v(y + t (z − y), t, c) − (z − y)|².
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matching<'a> {
    /// N + 1 + C → N.
    pub network: &'a Mlp,
    pub seed: u64,
}

/// Stream of the times.
const TIME_STREAM: u64 = 3;

impl Matching<'_> {
    /// N.
    pub fn dim(&self) -> usize {
        self.network.outputs
    }

    /// The times of the rows from `first` on, at `step`.
    pub fn times(&self, step: u64, first: usize, t: &mut [f64]) {
        let noise = Noise::new(self.seed, TIME_STREAM, domain::TRAINING);
        noise.uniforms(step, first as u64, t);
    }
}
