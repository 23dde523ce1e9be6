//! The networks of a model, made ready by whoever computes.

use super::evaluator::{
    NO_CLASSIFIER, NO_DENSITY, NO_NETWORKS, NO_REFINED_DENSITY, NO_REFINER, NO_SURROGATE,
};
use super::{Classifier, GeneratorKind, Map, Model, Parameter, Scaling};
use crate::{room, Error, Result};

/// What is made of a model's maps (`M`) and of its classifiers (`C`), and what is said where there is none.
pub(crate) struct Parts<M, C> {
    /// None if the generator is foreign.
    generator: Option<M>,
    classifier: Option<C>,
    /// log w as a function of the latent, if it has been learned as such.
    latent_classifier: Option<C>,
    refiner: Option<M>,
    surrogate: Option<C>,
    /// Whether generator and refiner have a density.
    invertible: [bool; 2],
    /// M.
    pub event_dim: usize,
    /// N.
    pub latent_dim: usize,
}

impl<M, C> Parts<M, C> {
    /// Makes the parts: maps of their description, their flat parameters and the scalings of what comes out of them; classifiers.
    ///
    /// # Errors
    /// [`Error::Format`] if the description or the number of parameters does not fit; those of `maps` and `classifier`.
    pub fn new(
        model: &Model,
        maps: impl Fn(&[Map], &[f64], &[Scaling]) -> Result<M>,
        classifier: impl Fn(&Classifier) -> Result<C>,
    ) -> Result<Self> {
        model.validate()?;
        let generator = &model.generator;
        fits("generator", &generator.tensors(""), &generator.parameters)?;
        let classifier = |c: Option<&Classifier>| {
            let make = |c: &Classifier| {
                fits("classifier", &c.tensors(""), &c.parameters)?;
                classifier(c)
            };
            c.map(make).transpose()
        };
        let refiner = model.refinement.as_ref().and_then(|r| r.refiner.as_ref());
        let latents = room::filled(generator.latent_dim(), Scaling::None)?;
        Ok(Parts {
            generator: match &generator.kind {
                GeneratorKind::Networks { maps: of } => {
                    Some(maps(of, &generator.parameters, &generator.scalings)?)
                }
                _ => None,
            },
            classifier: classifier(model.classifier.as_ref())?,
            latent_classifier: classifier(model.latent_classifier.as_ref())?,
            surrogate: classifier(model.surrogate().map(|s| &s.classifier))?,
            refiner: match refiner {
                Some(r) => {
                    fits("refiner", &r.tensors(""), &r.parameters)?;
                    Some(maps(std::slice::from_ref(&r.map), &r.parameters, &latents)?)
                }
                None => None,
            },
            invertible: [
                generator.invertible(),
                refiner.is_some_and(|r| r.map.invertible()),
            ],
            event_dim: generator.event_dim(),
            latent_dim: generator.latent_dim(),
        })
    }

    /// g.
    pub fn generator(&self) -> Result<&M> {
        or(self.generator.as_ref(), NO_NETWORKS)
    }

    /// g, if it has a density.
    pub fn flow(&self) -> Result<&M> {
        or(
            self.generator.as_ref().filter(|_| self.invertible[0]),
            NO_DENSITY,
        )
    }

    /// f.
    pub fn classifier(&self) -> Result<&C> {
        or(self.classifier.as_ref(), NO_CLASSIFIER)
    }

    /// What log w(z) has been learned by as a function of the latent.
    pub fn latent_classifier(&self) -> Option<&C> {
        self.latent_classifier.as_ref()
    }

    /// What log w is computed by where latents and their events are known, and of which of the two.
    pub fn judge<'a>(&self, z: &'a [f64], x: &'a [f64]) -> Result<(&C, &'a [f64])> {
        match self.latent_classifier() {
            Some(classifier) => Ok((classifier, z)),
            None => Ok((self.classifier()?, x)),
        }
    }

    /// s.
    pub fn surrogate(&self) -> Result<&C> {
        or(self.surrogate.as_ref(), NO_SURROGATE)
    }

    /// Φ.
    pub fn refiner(&self) -> Result<&M> {
        or(self.refiner.as_ref(), NO_REFINER)
    }

    /// Φ, if it has a density.
    pub fn refiner_flow(&self) -> Result<&M> {
        let refiner = self.refiner()?;
        or(self.invertible[1].then_some(refiner), NO_REFINED_DENSITY)
    }
}

fn or<T>(part: Option<T>, absent: &str) -> Result<T> {
    part.ok_or_else(|| Error::Unsupported(absent.into()))
}

fn fits(what: &str, tensors: &[Parameter], parameters: &[f64]) -> Result<()> {
    let needed: usize = tensors.iter().map(Parameter::len).sum();
    if parameters.len() == needed {
        return Ok(());
    }
    Err(Error::Format(format!(
        "the {what} has {} parameters where its network has {needed}",
        parameters.len()
    )))
}
