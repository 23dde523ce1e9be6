//! What all parts of a task share: its settings, whom it tells, and the precision that it computes in.

use super::ranks::RankedEvaluator;
use super::{backend, threads, Instance};
use crate::engine;
use crate::model::{Dtype, Evaluator};
use crate::nn::{self, Number};
use crate::objective::{Goal, Objective};
use crate::options::{choices::Backend, keys, Key, Kind, Options};
use crate::room::Gather;
use crate::train::{checksum, train, Shared};
use crate::train::{AnyFeed, Hooks, Identity, Journal, Progress, Record, Settings};
use crate::{Error, Result};
use std::time::Instant;

/// One call of the host: a training, a refinement, a check of what they would be.
#[derive(Clone, Copy)]
pub(crate) struct Session<'a> {
    pub options: &'a Options,
    pub hooks: &'a dyn Hooks,
    pub seed: u64,
    pub dtype: Dtype,
    /// Where its trainings are kept.
    pub journal: Option<&'a Journal<'a>>,
}

impl<'a> Session<'a> {
    pub fn new(options: &'a Options, hooks: &'a dyn Hooks) -> Self {
        Session {
            options,
            hooks,
            seed: options.get(keys::SEED) as u64,
            dtype: options.get(keys::DTYPE),
            journal: None,
        }
    }

    /// What keeps the trainings of a call, if the hooks say so. `of` names what else than options and library the result depends on.
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`](crate::train::Checkpoint) and of `of`.
    pub fn journal(
        &self,
        call: &'static str,
        of: impl FnOnce() -> Result<Vec<(String, String)>>,
    ) -> Result<Option<Journal<'a>>> {
        let (checkpoint, ranks) = (self.hooks.checkpoint(), self.hooks.ranks());
        if let Some(ranks) = ranks {
            let set = u32::from(checkpoint.is_some());
            ranks.agree(
                set,
                "checkpoint: it must be set on all of them, with the same file, or on none",
            )?;
        }
        let Some(checkpoint) = checkpoint else {
            return Ok(None);
        };
        // Sums over other numbers of ranks have other bits.
        let number = ranks.map_or(1, |ranks| ranks.count());
        let mut of = of()?;
        of.push(("number of ranks".into(), number.to_string()));
        let identity = Identity {
            library: env!("CARGO_PKG_VERSION").into(),
            options: self.options.to_json(),
            of,
        };
        checkpoint.open(call, identity, ranks).map(Some)
    }

    /// Checks that all ranks make the same call, of what `of` names.
    ///
    /// # Errors
    /// [`Error::Host`] if they do not; those of [`Ranks`](crate::train::Ranks) and of `of`.
    pub fn agree(&self, of: impl FnOnce() -> Result<Vec<(String, String)>>) -> Result<()> {
        let Some(ranks) = self.hooks.ranks() else {
            return Ok(());
        };
        let text = format!("{}{:?}", self.options.to_json(), of()?);
        let text: Vec<f64> = text.bytes().map(f64::from).collect();
        ranks.agree(checksum(&text), "options, array, file, generator or model")
    }

    /// The same call, with what keeps its trainings.
    pub fn kept_in(self, journal: &'a Option<Journal<'a>>) -> Self {
        Session {
            journal: journal.as_ref(),
            ..self
        }
    }

    /// The option `key`.
    pub fn get<T: Kind>(&self, key: Key<T>) -> T::Read<'a> {
        self.options.get(key)
    }

    /// The options as they are, for a model's record.
    ///
    /// # Errors
    /// [`Error::Internal`] if they are no JSON.
    pub fn options_record(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.options.to_json())
            .map_err(|e| Error::Internal(format!("options are no JSON: {e}")))
    }

    /// The model made ready to compute, on as many threads as the option `threads` allows.
    ///
    /// # Errors
    /// Those of [`evaluator`](super::evaluator).
    pub fn evaluator(&self, model: &Instance) -> Result<Box<dyn Evaluator>> {
        let own = model.evaluator(self.options, threads(self.options))?;
        Ok(self.shared(own))
    }

    /// Who computes, with the other ranks if there are any.
    pub fn shared(&self, own: Box<dyn Evaluator>) -> Box<dyn Evaluator> {
        match self.hooks.ranks() {
            Some(ranks) => Box::new(RankedEvaluator::new(own, ranks.clone())),
            None => own,
        }
    }

    /// Trains in the session's precision, from and to parameters in double precision.
    ///
    /// # Errors
    /// Those of the training, of its feed and of the hooks; those of [`evaluator`](super::evaluator).
    pub fn fit(
        &self,
        goal: Goal,
        settings: &Settings,
        feed: &mut dyn AnyFeed,
        parameters: &mut [f64],
    ) -> Result<Record> {
        let record = self.fit_here(goal, settings, feed, parameters)?;
        if let Some(ranks) = self.hooks.ranks() {
            ranks.agree(checksum(parameters), "trained parameters")?;
        }
        Ok(record)
    }

    fn fit_here(
        &self,
        goal: Goal,
        settings: &Settings,
        feed: &mut dyn AnyFeed,
        parameters: &mut [f64],
    ) -> Result<Record> {
        match self.dtype {
            Dtype::Float64 => {
                let mut objective = self.objective::<f64>(goal)?;
                train(
                    settings,
                    &mut *objective,
                    feed,
                    parameters,
                    self.hooks,
                    self.journal,
                )
            }
            Dtype::Float32 => {
                let mut objective = self.objective::<f32>(goal)?;
                let mut single = parameters.iter().map(|&p| p as f32).gather()?;
                let record = train(
                    settings,
                    &mut *objective,
                    feed,
                    &mut single,
                    self.hooks,
                    self.journal,
                )?;
                let trained = parameters.iter_mut().zip(single);
                trained.for_each(|(p, s)| *p = f64::from(s));
                Ok(record)
            }
        }
    }

    /// Who makes the gradients: the engine or libtorch, as for [`evaluator`](super::evaluator).
    fn objective<'g, T: Number>(&self, goal: Goal<'g>) -> Result<Box<dyn Objective<T> + 'g>> {
        let own = match backend(self.options)? {
            Backend::Engine => engine::objective(goal, threads(self.options)),
            Backend::Torch => nn::objective(goal, self.dtype, self.options),
        };
        Ok(match self.hooks.ranks() {
            Some(ranks) => Box::new(Shared::new(own?, ranks.clone())),
            None => own?,
        })
    }

    /// Begins a stage of `steps` steps that is no training.
    pub fn stage(&self, name: &'static str, steps: usize) -> Stage<'a> {
        Stage::new(self.hooks, name, steps)
    }
}

/// A stage under way, of which the host is told.
pub(crate) struct Stage<'a> {
    hooks: &'a dyn Hooks,
    name: &'static str,
    steps: u64,
    begun: Instant,
}

impl<'a> Stage<'a> {
    /// A stage that begins now.
    pub fn new(hooks: &'a dyn Hooks, name: &'static str, steps: usize) -> Self {
        Stage {
            hooks,
            name,
            steps: steps as u64,
            begun: Instant::now(),
        }
    }

    /// A stage within this one, which begins now and is told to the same host.
    pub fn part(&self, name: &'static str, steps: usize) -> Self {
        Stage::new(self.hooks, name, steps)
    }

    /// Before a step: whether to go on.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn check(&self) -> Result<()> {
        self.hooks.check(self.name)
    }

    /// So many steps are done.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn done(&self, done: usize) -> Result<()> {
        let done = done as u64;
        let each = self.begun.elapsed().as_secs_f64() / done as f64;
        self.hooks.progress(&Progress {
            stage: self.name,
            epoch: 1,
            epochs: 1,
            step: done,
            steps: self.steps,
            loss: f64::NAN,
            validation_loss: f64::NAN,
            seconds_left: match done {
                0 => f64::NAN,
                _ => each * (self.steps - done) as f64,
            },
        })
    }
}
