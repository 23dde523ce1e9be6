//! The networks of a model, packed for the CPU.

use super::chain::Chain;
use super::lanes::Element;
use super::mlp::Mlp;
use crate::model::{
    self, Classifier, Generator, GeneratorKind, Model, Parameter, Refiner, Scaling,
};
use crate::model::{NO_DENSITY, NO_REFINED_DENSITY, NO_REFINER};
use crate::{Error, Result};

/// A model's networks.
pub(super) struct Packed<T> {
    /// None if the generator is foreign.
    generator: Option<Chain<T>>,
    /// Of the generator's events.
    pub scalings: Vec<Scaling>,
    /// Of its conditions.
    pub conditions: Vec<Scaling>,
    pub latent_dim: usize,
    classifier: Option<PackedClassifier<T>>,
    /// log w as a function of the latent, if it has been learned as such.
    latent_classifier: Option<PackedClassifier<T>>,
    refiner: Option<Chain<T>>,
}

pub(super) struct PackedClassifier<T> {
    /// The members of the ensemble, all of one shape.
    pub networks: Vec<Mlp<T>>,
    pub scalings: Vec<Scaling>,
    pub log_ratio_offset: f64,
}

impl<T: Element> Packed<T> {
    pub(super) fn new(model: &Model) -> Result<Self> {
        model.validate()?;
        let Generator {
            kind,
            scalings,
            conditions,
            parameters,
            ..
        } = &model.generator;
        fits("generator", &model.generator.tensors(""), parameters)?;
        let chain = match kind {
            GeneratorKind::Networks { maps } => {
                Some(Chain::new(maps, conditions.len(), parameters))
            }
            _ => None,
        };
        let refiner = model.refinement.as_ref().and_then(|r| r.refiner.as_ref());
        let refiner = refiner.map(|refiner| {
            let Refiner { map, parameters } = refiner;
            fits("refiner", &refiner.tensors(""), parameters)?;
            let map = std::slice::from_ref(map);
            Ok::<_, Error>(Chain::new(map, conditions.len(), parameters))
        });
        let classifier = |c: &Option<Classifier>| c.as_ref().map(PackedClassifier::new).transpose();
        Ok(Packed {
            generator: chain,
            scalings: scalings.clone(),
            conditions: conditions.clone(),
            latent_dim: model.generator.latent_dim(),
            classifier: classifier(&model.classifier)?,
            latent_classifier: classifier(&model.latent_classifier)?,
            refiner: refiner.transpose()?,
        })
    }

    /// M.
    pub fn event_dim(&self) -> usize {
        self.scalings.len()
    }

    /// N + C.
    pub fn latent_row(&self) -> usize {
        self.latent_dim + self.conditions.len()
    }

    /// M + C.
    pub fn event_row(&self) -> usize {
        self.scalings.len() + self.conditions.len()
    }

    pub fn generator(&self) -> Result<&Chain<T>> {
        self.generator.as_ref().ok_or_else(|| {
            Error::Unsupported(
                "the generator is no network of this library, so the library does not compute this"
                    .into(),
            )
        })
    }

    /// The generator, if it has a density.
    pub fn flow(&self) -> Result<&Chain<T>> {
        match &self.generator {
            Some(chain) if chain.invertible() => Ok(chain),
            _ => Err(Error::Unsupported(NO_DENSITY.into())),
        }
    }

    pub fn latent_classifier(&self) -> Option<&PackedClassifier<T>> {
        self.latent_classifier.as_ref()
    }

    pub fn classifier(&self) -> Result<&PackedClassifier<T>> {
        self.classifier.as_ref().ok_or_else(|| {
            Error::Unsupported(
                "the model has no classifier, so its events have no weights; refine it first"
                    .into(),
            )
        })
    }

    pub fn refiner(&self) -> Result<&Chain<T>> {
        self.refiner
            .as_ref()
            .ok_or_else(|| Error::Unsupported(NO_REFINER.into()))
    }

    /// The refiner, if it has a density.
    pub fn refiner_flow(&self) -> Result<&Chain<T>> {
        let refiner = self.refiner()?;
        if refiner.invertible() {
            return Ok(refiner);
        }
        Err(Error::Unsupported(NO_REFINED_DENSITY.into()))
    }
}

impl<T: Element> PackedClassifier<T> {
    fn new(classifier: &Classifier) -> Result<Self> {
        let Classifier {
            network,
            members,
            scalings,
            log_ratio_offset,
            parameters,
        } = classifier;
        fits("classifier", &classifier.tensors(""), parameters)?;
        let each = parameters.chunks_exact(parameters.len() / members);
        Ok(PackedClassifier {
            networks: each.map(|parameters| mlp(network, parameters)).collect(),
            scalings: scalings.clone(),
            log_ratio_offset: *log_ratio_offset,
        })
    }
}

fn mlp<T: Element>(network: &model::Mlp, mut parameters: &[f64]) -> Mlp<T> {
    let mut packed = Mlp::new(network);
    packed.pack(&mut parameters);
    packed
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
