//! What options with a choice of words mean. `None` leaves the choice to the library or the model.

use super::key::Choice;
use crate::model::{Dtype, Method, Start};
use crate::objective::Separation;

/// Who computes networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The library's own, on the CPU ([`crate::engine`]).
    Engine,
    /// libtorch.
    Torch,
}

/// How a generator is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    /// A coupling flow, by maximum likelihood.
    Flow,
    /// As a GAN's generator.
    Gan,
    /// As a VAE's decoder.
    Vae,
}

/// What a coupling does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coupling {
    /// Scale and shift.
    Affine,
    /// A rational-quadratic spline.
    Spline,
}

/// How weights come to the latent space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pullback {
    /// Through the generator, w(g(z)).
    Direct,
    /// Learned as a function of z.
    OmniFold,
}

/// What new weights keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The local mean of the weights.
    Mean,
    /// That of their squares as well.
    Variance,
}

/// What the classifier sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// The event.
    Events,
    /// The event and its latent.
    Both,
}

/// Masses of the dimensions of chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mass {
    /// 1.
    Unit,
    /// The inverse of the variance that the pilot run finds.
    Diagonal,
}

/// How the learning rate falls; [`Decay`](crate::train::Decay) has the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// By a factor after each epoch.
    Exponential,
    /// As half a cosine.
    Cosine,
    /// Not at all.
    Constant,
    /// After it has risen.
    OneCycle,
}

impl Choice for Backend {}
impl Choice for Coupling {}
impl Choice for Dtype {}
impl Choice for Generator {}
impl Choice for Inputs {}
impl Choice for Kept {}
impl Choice for Mass {}
impl Choice for Method {}
impl Choice for Pullback {}
impl Choice for Schedule {}
impl Choice for Separation {}
impl Choice for Start {}
impl<T: Choice> Choice for Option<T> {}

/// The words of every method, after one for none; what the baseline is called depends on the option.
pub(super) const fn methods(
    none: &'static str,
    baseline: &'static str,
) -> [(&'static str, Option<Method>); Method::ALL.len() + 1] {
    let mut words = [(none, None); Method::ALL.len() + 1];
    let mut i = 0;
    while i < Method::ALL.len() {
        let word = match Method::ALL[i] {
            Method::Baseline => baseline,
            method => method.name(),
        };
        words[i + 1] = (word, Some(Method::ALL[i]));
        i += 1;
    }
    words
}
