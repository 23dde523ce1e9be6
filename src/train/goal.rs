//! What a training minimises, as data: the engine and libtorch each make an [`Objective`](super::Objective) of it.

use crate::engine::noise::{domain, Noise};
use crate::model::{Flow, Map, Mlp, Parameter};

/// A loss and the networks whose parameters it is minimised over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal<'a> {
    /// Weighted maximum likelihood of a flow: mean of −w log p(u), in nats per event, u the scaled features; rows are u and the scaled condition.
    Likelihood(&'a Flow),
    /// Telling labels 1 and 0 apart by a logit ℓ, f = sigmoid(ℓ): mean of w · loss(ℓ, y).
    Separation(&'a Mlp, Separation),
    /// The weighted GAN of the paper (ref. 98).
    Gan(Gan<'a>),
    /// The weighted variational autoencoder (Kingma, Welling, arXiv:1312.6114).
    Vae(Vae<'a>),
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
            // One part: encoder and decoder minimise the same loss.
            Goal::Vae(vae) => {
                vec![[vae.encoder.parameters(""), vae.decoder.parameters("")].concat()]
            }
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

/// Losses whose minimum over ℓ is, for equal numbers of rows of both labels, the log of (W₁ p₁) / (W₀ p₀): W the mean weights, p the
/// normalised weighted densities of the labels.
///
/// Weights may be negative. The minimum is the same wherever the weights of a label still sum to a positive density. Where those of label 1
/// sum to 0 it lies at ℓ = −∞, and where they sum to less it does not exist: there the squared error alone is bounded, and the other two
/// fall as long as the network lets them. Single rows of negative weight are such places to a network that can tell them apart; it must not
/// be trained until it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separation {
    /// −y log f − (1 − y) log(1 − f); log 2 for an ignorant classifier of two classes of unit mean weight.
    CrossEntropy,
    /// (f − y)²; ¼ for an ignorant one.
    SquaredError,
    /// The maximum-likelihood classifier (Nachman and Thaler, arXiv:2101.07263; the paper's refs. 94, 95): −y ℓ + (1 − y)(e^ℓ − 1); 0 for an
    /// ignorant one. Above [`Separation::LINEAR`] e^ℓ continues along its tangent, so that loss and gradient stay finite in single precision.
    MaximumLikelihood,
}

/// Batches are points z (a refiner's latents or a generator's scaled events) followed by scaled conditions, with weights; the network that is
/// called the refiner maps noise y, perhaps through a prior, and the condition to z, the discriminator judges z and the condition. Part 0, the discriminator:
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
    /// Of the noise, one of [`stream`].
    pub stream: u64,
    /// What the network's latents come from, if they are not the noise itself.
    pub prior: Option<Prior<'a>>,
}

/// Maps that are not trained, from noise y and the condition to a network's latents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prior<'a> {
    pub maps: &'a [Map],
    /// Their flat parameters.
    pub parameters: &'a [f64],
}

/// Streams of noise in training; the classifier's generated events have those below.
pub(crate) mod stream {
    pub const GAN_REFINER: u64 = 2;
    pub const GAN_GENERATOR: u64 = 3;
    pub const VAE: u64 = 4;
    pub const MATCHING: u64 = 5;
}

impl Gan<'_> {
    /// L, the numbers of a y.
    pub fn auxiliary_dim(&self) -> usize {
        let first = self.prior.and_then(|prior| prior.maps.first());
        first.map_or(self.refiner.inputs - self.conditions, |map| {
            map.inputs(self.conditions)
        })
    }

    /// The noise y of the rows from `first` on, of `rows` in all, of part `part`'s update at `step`: rows × auxiliary.
    pub fn noise(&self, part: usize, step: u64, rows: usize, first: usize, y: &mut [f64]) {
        // One event of the noise per update; the two parts draw from it one after the other.
        let row = part * rows + first;
        let noise = Noise::new(self.seed, self.stream, domain::TRAINING);
        noise.normals(step, (row * self.auxiliary_dim()) as u64, y);
    }
}

/// Batches are scaled events u (M) followed by scaled conditions c (C), with weights w. The encoder maps (u, c) to the mean μ and the log
/// standard deviation log s of a latent, z = μ + s ε with normal ε, which the decoder maps with c to û. Minimised is the mean of w · L,
/// L = Σ ½ (u − û)² / σ² + M log(σ √2π) + β Σ [½ (μ² + s² − 1) − log s], the first sums over features, the last over latent dimensions. For
/// β = 1, L is on average an upper bound of −log p(u), in nats, under the decoder with normal noise σ on every feature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vae<'a> {
    /// M + C → 2N: μ, then log s.
    pub encoder: &'a Mlp,
    /// N + C → M.
    pub decoder: &'a Mlp,
    /// C.
    pub conditions: usize,
    /// σ, in the units of the scaled features.
    pub sigma: f64,
    /// β, the weight of the divergence from the prior.
    pub beta: f64,
    pub seed: u64,
}

impl Vae<'_> {
    /// N.
    pub fn latent_dim(&self) -> usize {
        self.decoder.inputs - self.conditions
    }

    /// M log(σ √2π), the part of the loss that the networks cannot change.
    pub fn constant(&self) -> f64 {
        self.decoder.outputs as f64 * (self.sigma.ln() + 0.5 * std::f64::consts::TAU.ln())
    }

    /// The noise ε of the rows from `first` on at `step`: rows × N.
    pub fn noise(&self, step: u64, first: usize, epsilon: &mut [f64]) {
        let noise = Noise::new(self.seed, stream::VAE, domain::TRAINING);
        noise.normals(step, (first * self.latent_dim()) as u64, epsilon);
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

impl Matching<'_> {
    /// N.
    pub fn dim(&self) -> usize {
        self.network.outputs
    }

    /// The times of the rows from `first` on, at `step`.
    pub fn times(&self, step: u64, first: usize, t: &mut [f64]) {
        let noise = Noise::new(self.seed, stream::MATCHING, domain::TRAINING);
        noise.uniforms(step, first as u64, t);
    }
}
