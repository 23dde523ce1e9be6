//! What a training minimises, as data: the engine and libtorch each make an [`Objective`] of a `Goal`. One file per loss, with its
//! formulas.

#[cfg(test)]
pub(crate) mod checks;
mod gan;
mod matching;
mod separation;
mod vae;

pub(crate) use gan::{Gan, Prior};
pub(crate) use matching::Matching;
pub use separation::Separation;
pub(crate) use separation::{sigmoid, softplus};
pub(crate) use vae::Vae;

use crate::model::{Flow, Mlp, Parameter, Real};
use crate::room::Grow;
use crate::Result;

/// A loss and the networks whose parameters it is minimised over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal<'a> {
    /// Weighted maximum likelihood of a flow: mean of −w log p(u), in nats per event, u the scaled features; rows are u and the scaled
    /// condition.
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

/// Rows for one update. Row-major, `x.len() = rows · dim`.
#[derive(Clone, Debug, Default)]
pub struct Batch<T> {
    /// Number of rows.
    pub rows: usize,
    /// Features.
    pub x: Vec<T>,
    /// One weight per row.
    pub weights: Vec<T>,
    /// One label per row (1 target, 0 generated) if the objective separates classes, else empty.
    pub labels: Vec<T>,
    /// Number of the update, from 0: an objective that needs noise derives it from this.
    pub step: u64,
    /// Of the part of a batch that is one rank's: the number of its first row, and the rows of the whole batch; 0 of a whole one.
    pub part: (usize, usize),
}

impl<T> Batch<T> {
    /// The number of row `row` within the whole batch.
    pub(crate) fn number(&self, row: usize) -> usize {
        self.part.0 + row
    }

    /// Rows of the whole batch.
    pub(crate) fn whole(&self) -> usize {
        self.part.1.max(self.rows)
    }
}

impl<T: Real> Batch<T> {
    /// Of two classes, `rows` rows of label 1 and then as many of label 0.
    pub(crate) fn two_classes(&mut self, rows: usize) -> Result<()> {
        self.rows = 2 * rows;
        self.labels.clear();
        self.labels.sized(rows, T::from_f64(1.0))?;
        self.labels.sized(2 * rows, T::from_f64(0.0))
    }
}

/// A loss of flat parameters on a batch, with its gradient.
pub trait Objective<T: Real> {
    /// Lengths of the consecutive parts of the flat buffer that are optimised each by itself; for one network, the whole.
    fn parts(&self) -> Vec<usize>;

    /// Whether part `part` is updated at `step`. (A GAN's generator is not at every one.)
    fn due(&self, _part: usize, _step: u64) -> bool {
        true
    }

    /// The loss that part `part` minimises, and its gradient with respect to that part: `gradient` has the part's length.
    ///
    /// # Errors
    /// Those of the backend.
    fn gradient(
        &mut self,
        part: usize,
        parameters: &[T],
        batch: &Batch<T>,
        gradient: &mut [T],
    ) -> Result<f64>;

    /// The loss of part 0 alone, for held-out data.
    ///
    /// # Errors
    /// Those of the backend.
    fn loss(&mut self, parameters: &[T], batch: &Batch<T>) -> Result<f64>;
}
