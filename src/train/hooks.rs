//! How a host watches and stops a training.

use super::{Checkpoint, Ranks};
use crate::Result;
use std::sync::Arc;

/// Where a long computation stands. Losses are NaN until they are known.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is running: `flow`, `gan_generator`, `vae`, `classifier`, `trees`, `omnifold_events`, `omnifold_latents`, `pilot`, `pool`,
    /// `gan`, `refiner_flow`, `pairs`, `matching`, `chains`, `sampling`, `unfold_fakes`, `unfold_detector`, `unfold_particles`.
    pub stage: &'static str,
    /// Current epoch, from 1.
    pub epoch: u64,
    /// Epochs planned.
    pub epochs: u64,
    /// Updates (or blocks of events; of `sampling` events, of `chains` trajectories) done in this stage.
    pub step: u64,
    /// Updates planned in this stage.
    pub steps: u64,
    /// Mean loss of the current epoch so far.
    pub loss: f64,
    /// Held-out loss after the last finished epoch.
    pub validation_loss: f64,
    /// Estimated seconds until the stage ends.
    pub seconds_left: f64,
}

/// How much a log message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What the library decided, and why.
    Info,
    /// The result may not be what the host wants; the message says what to do.
    Warning,
}

/// The host's side of a long computation. Called on the thread that started it, never concurrently. An error returned from here ends the
/// computation with that error.
pub trait Hooks {
    /// Called after every update.
    ///
    /// # Errors
    /// Whatever the host wants to stop with.
    fn progress(&self, _progress: &Progress) -> Result<()> {
        Ok(())
    }

    /// Called with a message for the user.
    ///
    /// # Errors
    /// Whatever the host wants to stop with.
    fn log(&self, _level: Level, _message: &str) -> Result<()> {
        Ok(())
    }

    /// Called with a warning: the result may not be what the host wants; the message says what to do. `about` is what it concerns, in a
    /// word or two. Unless it is overridden, the same as [`Hooks::log`].
    ///
    /// # Errors
    /// Whatever the host wants to stop with.
    fn warn(&self, _about: &'static str, message: &str) -> Result<()> {
        self.log(Level::Warning, message)
    }

    /// Called before every update; the place to look at a cancel token.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`] to stop.
    fn check(&self, _stage: &'static str) -> Result<()> {
        Ok(())
    }

    /// Where trainings are kept, and go on from; none unless it is overridden.
    fn checkpoint(&self) -> Option<&Checkpoint> {
        None
    }

    /// The other processes that make the same call; none unless it is overridden.
    fn ranks(&self) -> Option<&Arc<Ranks>> {
        None
    }
}

/// No progress, no messages, no cancel.
impl Hooks for () {}
