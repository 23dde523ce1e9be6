//! A model in use.

use super::foreign::ForeignEvaluator;
use super::limited::LimitedEvaluator;
use super::{backend, threads};
use crate::engine::Engine;
use crate::model::{Evaluator, GeneratorKind, HostGenerator, Model};
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
    engine: OnceCell<Engine>,
}

impl Instance {
    /// Of a model that is complete: an instance does not change.
    pub fn new(model: Model) -> Self {
        Instance {
            model,
            host: None,
            engine: OnceCell::new(),
        }
    }

    /// Of a model whose generator is a callback, with what it calls.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the model's generator is no callback.
    pub fn with_host(model: Model, host: Arc<dyn HostGenerator>) -> Result<Self> {
        if !matches!(model.generator.kind, GeneratorKind::Host { .. }) {
            return Err(Error::InvalidArgument(
                "the model has a generator of its own; a callback can be attached only where it was made for one".into(),
            ));
        }
        let mut instance = Self::new(model);
        instance.host = Some(host);
        Ok(instance)
    }

    /// Another model of the same generator.
    pub(crate) fn with_model(&self, model: Model) -> Self {
        Instance {
            host: self.host.clone(),
            ..Self::new(model)
        }
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
            GeneratorKind::Networks { .. } => {
                return Ok(LimitedEvaluator::around(&self.model, networks))
            }
            GeneratorKind::Host { .. } => self.host.clone(),
            GeneratorKind::Script { .. } => Some(nn::script(&self.model, options)?),
        };
        let whole = Box::new(ForeignEvaluator::new(&self.model, host, networks));
        Ok(LimitedEvaluator::around(&self.model, whole))
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
