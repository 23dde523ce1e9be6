//! One loop trains every network: source → batch → gradient → step → schedule → held-out loss → progress.
//!
//! It sees a network through one trait, [`Objective`](crate::objective::Objective): flat parameters and a batch in, loss and flat gradient out. The optimiser works on
//! the flat buffer here; the trait's implementations, in `engine` and on libtorch in `nn`, keep no state of the training.

mod adam;
mod checkpoint;
mod hooks;
mod initial;
mod marks;
mod ranks;
mod resume;
mod run;
mod schedule;
mod shuffle;

pub use adam::AdamSettings;
pub use checkpoint::Checkpoint;
pub(crate) use checkpoint::{Identity, Journal};
pub use hooks::{Hooks, Level, Progress};
pub(crate) use initial::{initial_classifier, initial_flow, initial_mlp};
pub(crate) use ranks::{checksum, with_ranks, Shared};
pub use ranks::{AllReduce, Ranks};
pub use resume::{GoOn, Resume, Words};
pub(crate) use run::train;
pub use schedule::{Decay, Schedule};
pub(crate) use shuffle::Passes;

use crate::model::Real;
use crate::objective::Batch;
use crate::options::{keys, keys::StageKeys, Options};
use crate::Result;

/// Where a training's batches come from.
pub trait Feed<T: Real>: Resume {
    /// Fills `batch` for update `batch.step`: so many rows of every class. Where the events end they begin again.
    ///
    /// # Errors
    /// Those of the source.
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()>;

    /// Rows until the events begin again, if that is known.
    fn pass(&self) -> Option<usize>;

    /// The held-out batches; empty if nothing is held out.
    ///
    /// # Errors
    /// Those of the source.
    fn held_out(&mut self) -> Result<Vec<Batch<T>>>;
}

/// One of either precision.
pub trait AnyFeed: Feed<f32> + Feed<f64> {}

impl<F: Feed<f32> + Feed<f64>> AnyFeed for F {}

/// The settings of one stage of training.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Name for progress and errors.
    pub stage: &'static str,
    /// Group of the options that it is set by.
    pub group: &'static str,
    /// Epochs, each of so many updates: the length of a training is a setting, whatever the number of events.
    pub epochs: u64,
    /// Updates per epoch.
    pub steps: u64,
    /// Rows per update.
    pub batch: usize,
    /// Learning rate.
    pub schedule: Schedule,
    /// Optimiser.
    pub adam: AdamSettings,
    /// Looks at the held-out loss that do not come near the best before stopping, whose parameters are kept; 0 = never stop, keep the last.
    pub patience: u64,
    /// A held-out loss that leaves nothing to be learned: with patience, the training ends there.
    pub enough: f64,
    /// Largest norm of a gradient; 0 = unbounded.
    pub clip: f64,
    /// Decay, from update to update, of the average of the parameters that is held out and kept in their place; 0 = none.
    pub ema: f64,
    /// How often a training that diverges falls back before it fails.
    pub fallbacks: u64,
}

impl Settings {
    /// From the options of one stage, whose name is that of their group.
    pub fn from_options(stage: &'static str, options: &Options, keys: &StageKeys) -> Self {
        Settings {
            stage,
            group: stage,
            epochs: options.get(keys.epochs) as u64,
            steps: options.get(keys.steps) as u64,
            batch: options.get(keys.batch) as usize,
            schedule: Schedule::from_options(options, keys),
            adam: AdamSettings {
                beta1: options.get(keys.beta1),
                beta2: options.get(keys.beta2),
                epsilon: options.get(keys.epsilon),
                weight_decay: options.get(keys.weight_decay),
            },
            patience: options.get(keys.patience) as u64,
            enough: f64::NEG_INFINITY,
            clip: options.get(keys.clip),
            ema: options.get(keys.ema),
            fallbacks: options.get(keys::TRAINING_FALLBACKS) as u64,
        }
    }
}

/// What a training did, for the model's record: the same whenever it is done again. How long it took is told to the host.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Record {
    /// Updates made.
    pub steps: u64,
    /// Rows seen, repetitions included.
    pub rows: u64,
    /// How many times each event was seen, where their number is known.
    pub passes: Option<f64>,
    /// Mean training loss of every epoch.
    pub losses: Vec<f64>,
    /// Held-out loss after every epoch; empty if nothing was held out.
    pub validation_losses: Vec<f64>,
    /// Epoch (from 1) whose parameters were kept: the last, or with early stopping the one of the best held-out loss.
    pub kept_epoch: u64,
    /// Updates after which the kept parameters were reached.
    pub kept_step: u64,
    /// Training loss of the kept epoch.
    pub loss: f64,
    /// Held-out loss of the kept parameters, if any.
    pub validation_loss: Option<f64>,
    /// Whether early stopping ended the training before its last planned epoch.
    pub stopped_early: bool,
    /// Whether it knew its events better in the end, over as many looks as it had patience, than those held out.
    #[serde(skip)]
    pub by_heart: bool,
    /// The updates (from 1) that diverged and from which the training fell back to a good state and half its step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<u64>,
    /// Whether the training failed for good at the last of these, and the call was made again to go on with the best parameters.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

#[cfg(test)]
mod tests;
