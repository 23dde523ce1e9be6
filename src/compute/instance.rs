//! A model in use.

use super::attached::Same;
use super::foreign::ForeignEvaluator;
use super::weighing::WeighingEvaluator;
use super::{backend, region, threads};
use crate::engine::Engine;
use crate::model::{Evaluator, GeneratorKind, HostGenerator, Model, Region, Support};
use crate::nn;
use crate::options::{choices::Backend, Options};
use crate::{Error, Result};
use once_cell::sync::OnceCell;
use std::ops::Deref;
use std::sync::Arc;

/// A model in use: its networks are packed for the engine once, when first needed, for all calls and samplers together. Immutable; share it
/// by reference.
pub struct Instance {
    model: Model,
    /// What makes the events of a generator that is a callback.
    host: Option<Arc<dyn HostGenerator>>,
    /// What is asked of that first.
    same: Option<Same>,
    /// What tells the support: a callback once it is attached, a formula when first needed.
    region: OnceCell<Arc<dyn Region>>,
    engine: OnceCell<Engine>,
}

impl Instance {
    /// Of a model that is complete: an instance does not change.
    pub fn new(model: Model) -> Self {
        Instance {
            model,
            host: None,
            same: None,
            region: OnceCell::new(),
            engine: OnceCell::new(),
        }
    }

    /// The same with what makes the events of its generator, which is a callback.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is none.
    pub fn with_host(mut self, host: Arc<dyn HostGenerator>) -> Result<Self> {
        if !matches!(self.model.generator.kind, GeneratorKind::Host { .. }) {
            return Err(Error::InvalidArgument(
                "the model has a generator of its own; a callback can be attached only where it was made for one".into(),
            ));
        }
        self.host = Some(host);
        self.same = Same::of(&self.model);
        Ok(self)
    }

    /// The same with what tells its support, which is a callback.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is none.
    pub fn with_region(mut self, region: Arc<dyn Region>) -> Result<Self> {
        if self.model.support != Some(Support::Host) {
            return Err(Error::InvalidArgument(
                "the model's support is no callback; one can be attached only where it was made for one".into(),
            ));
        }
        self.region = OnceCell::with_value(region);
        Ok(self)
    }

    /// Another instance whose events can be where `region` says, whatever its own support is.
    pub fn with_support(&self, region: Arc<dyn Region>) -> Self {
        let model = Model {
            support: Some(Support::Host),
            ..self.model.clone()
        };
        Instance {
            region: OnceCell::with_value(region),
            ..self.with_model(model)
        }
    }

    /// Another model of the same generator and, if that is a callback, of the same support.
    pub(crate) fn with_model(&self, model: Model) -> Self {
        let kept = model.support == Some(Support::Host) && self.model.support == model.support;
        let same = self.same.clone().filter(|same| same.is_of(&model));
        Instance {
            host: self.host.clone(),
            same,
            region: match kept {
                true => self.region.clone(),
                false => OnceCell::new(),
            },
            ..Self::new(model)
        }
    }

    /// What tells the support, if there is one and it is known.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a formula that is none.
    pub(crate) fn region(&self) -> Result<Option<Arc<dyn Region>>> {
        if let Some(region) = self.region.get() {
            return Ok(Some(region.clone()));
        }
        let found = region(&self.model)?;
        Ok(found.map(|found| self.region.get_or_init(|| found).clone()))
    }

    /// The model made ready to compute, as [`evaluator`](super::evaluator); but the engine works on up to `threads` threads, whatever the
    /// option says.
    ///
    /// # Errors
    /// Those of [`evaluator`](super::evaluator).
    pub fn evaluator(&self, options: &Options, threads: usize) -> Result<Box<dyn Evaluator>> {
        let networks = match backend(options)? {
            Backend::Torch => nn::evaluator(&self.model, options)?,
            Backend::Engine => {
                let engine = self.engine.get_or_try_init(|| Engine::new(&self.model))?;
                engine.evaluator(threads)
            }
        };
        let host = match self.model.generator.kind {
            GeneratorKind::Networks { .. } | GeneratorKind::Events => {
                return Ok(WeighingEvaluator::around(
                    &self.model,
                    self.region()?,
                    networks,
                ))
            }
            GeneratorKind::Host { .. } => self.host.clone(),
            GeneratorKind::Script { .. } => Some(nn::script(&self.model, options)?),
        };
        let host = (host, self.same.clone());
        let whole = Box::new(ForeignEvaluator::new(&self.model, host, networks));
        Ok(WeighingEvaluator::around(
            &self.model,
            self.region()?,
            whole,
        ))
    }

    /// The same on as many threads as the option `threads` allows.
    pub(crate) fn training_evaluator(&self, options: &Options) -> Result<Box<dyn Evaluator>> {
        self.evaluator(options, threads(options))
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl Deref for Instance {
    type Target = Model;

    fn deref(&self) -> &Model {
        &self.model
    }
}
