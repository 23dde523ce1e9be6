//! Models: what a generator, a classifier and a refiner are, as data, and the file that holds them.

mod chains;
mod classifier;
mod evaluator;
mod file;
mod generator;
mod host;
mod map;
mod method;
mod names;
mod network;
mod parts;
mod real;
mod refinement;
mod refiner;
mod scaling;
mod support;

pub use chains::{HmcSettings, Start};
pub use classifier::{Classifier, Limits};
pub use evaluator::Evaluator;
pub(crate) use evaluator::{join, optional, Arrays, NO_DENSITY};
pub use file::FORMAT_VERSION;
/// Files of tensors with a description that is sealed by a checksum.
pub(crate) mod container {
    pub(crate) use super::file::{invalid, read_file, StoredTensors, TensorWriter};
}
pub use generator::{Dims, Generator, GeneratorKind};
pub use host::HostGenerator;
pub(crate) use host::STEPS;
pub use map::{Map, Matching};
pub use method::{Correlation, Density, Facts, Method, Needs};
pub(crate) use names::called;
pub use names::{check_names, listed_names};
pub use network::{
    Activation, Coupling, Dtype, Flow, Knots, Mlp, Parameter, SoftClamp, Transform, MAX_DEPTH,
    MAX_PARAMETERS, MAX_WIDTH,
};
pub(crate) use parts::Parts;
pub use real::Real;
pub use refinement::{Mixture, Pilot, Refinement, Surrogate, MOST_TRIES};
pub use refiner::Refiner;
pub(crate) use scaling::{above_zero, normal_quantile};
pub use scaling::{Scaling, MAX_CELLS};
pub use support::{Region, Support};

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// g, f and the refiner with everything needed to sample: what one file holds. Immutable once made; share it by reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Precision the networks were trained in and are evaluated in.
    pub dtype: Dtype,
    /// g.
    pub generator: Generator,
    /// f, absent in a model that is a bare generator.
    pub classifier: Option<Classifier>,
    /// log w(z) as a network of latent and condition (N + C): learned by OmniFold where w(g(z)) is no function of z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent_classifier: Option<Classifier>,
    /// The refiner, absent in a model that is a bare generator.
    pub refinement: Option<Refinement>,
    /// What the values of an event row are called, features before conditions; empty if nothing is known of that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Where events can be; everywhere if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support: Option<Support>,
    /// Training record: settings, data size, losses, weight report, library version. Free-form; readers must not depend on it.
    pub record: serde_json::Map<String, serde_json::Value>,
}

impl Model {
    /// Where log w(z) ends.
    pub fn latent_limits(&self) -> Option<Limits> {
        let judge = self.latent_classifier.as_ref().or(self.classifier.as_ref());
        judge.and_then(|c| c.limits)
    }

    /// What value `column` of an event row is called: x0 … and, behind them, c0 … where the model has no names; none beyond the row.
    pub fn column_name(&self, column: usize) -> Option<String> {
        let dims = self.generator.dims();
        let own = self.names.get(column).cloned();
        let plain = || match column.checked_sub(dims.features) {
            None => format!("x{column}"),
            Some(condition) => format!("c{condition}"),
        };
        (column < dims.event_row()).then(|| own.unwrap_or_else(plain))
    }

    /// What the method `surrogate` judges proposals by, if it was trained.
    pub fn surrogate(&self) -> Option<&Surrogate> {
        let refinement = self.refinement.as_ref();
        refinement.and_then(|r| r.surrogate.as_ref())
    }

    /// Every classifier there is.
    pub(crate) fn classifiers(&self) -> impl Iterator<Item = &Classifier> {
        let surrogate = self.surrogate().map(|s| &s.classifier);
        let judges = self.classifier.iter().chain(&self.latent_classifier);
        judges.chain(surrogate)
    }

    /// The bare generator: without classifier and refiner.
    pub fn into_baseline(self) -> Self {
        Model {
            classifier: None,
            latent_classifier: None,
            refinement: None,
            ..self
        }
    }

    /// Checks the whole description: every part in itself and against the others.
    ///
    /// # Errors
    /// [`Error::Format`] naming what does not fit.
    pub fn validate(&self) -> Result<()> {
        self.generator.validate()?;
        check_names(&self.names, self.generator.dims().event_row())
            .map_err(|e| Error::Format(e.to_string()))?;
        if let Some(support) = &self.support {
            let region = support.region(self.generator.dims().event_row(), &self.names);
            region.map_err(|e| Error::Format(e.to_string()))?;
        }
        if let Some(classifier) = &self.classifier {
            classifier.validate(self.generator.event_dim() + self.generator.condition_dim())?;
            let latents = match self.generator.determines_latents() {
                true => self.generator.latent_dim(),
                false => 0,
            };
            if classifier.latents != 0 && classifier.latents != latents {
                return Err(Error::Format(format!(
                    "the classifier sees {} latents of events that have {latents}",
                    classifier.latents
                )));
            }
        }
        if let Some(classifier) = &self.latent_classifier {
            classifier.validate(self.generator.latent_dim() + self.generator.condition_dim())?;
            if self.classifier.is_none() || classifier.latents != 0 {
                return Err(Error::Format(
                    "a classifier of latents without one of events, or beside latents".into(),
                ));
            }
        }
        if let GeneratorKind::Events = self.generator.kind {
            let more = self.latent_classifier.is_some() || self.refinement.is_some();
            if more || self.classifier.is_none() {
                return Err(Error::Format(
                    "a reweighter has a classifier of events, and neither one of latents nor a refiner".into(),
                ));
            }
        }
        let Some(refinement) = &self.refinement else {
            return Ok(());
        };
        if self.classifier.is_none() {
            return Err(Error::Format("a refiner without a classifier".into()));
        }
        refinement.validate(self.generator.latent_dim())?;
        if let Some(refiner) = &refinement.refiner {
            refiner.validate(self.generator.latent_dim(), self.generator.condition_dim())?;
        }
        if let Some(surrogate) = &refinement.surrogate {
            surrogate.validate(self.generator.latent_dim(), self.generator.condition_dim())?;
        }
        let method = refinement.method;
        let lacks = match method {
            Method::Mixture => refinement.mixture.is_none(),
            Method::Surrogate | Method::Distilled => refinement.surrogate.is_none(),
            _ => false,
        };
        if lacks || method.learned() && refinement.learned(method).is_none() {
            return Err(Error::Format(format!(
                "the method is `{}`, but there is no such refiner",
                method.name()
            )));
        }
        Ok(())
    }
}
