//! Where events come from: what arrays, files and callbacks have in common.

use super::events::Events;
use super::restriction::Restriction;
use super::watch::Watch;
use crate::metrics::Sample;
use crate::model::Scaling;
use crate::options::Options;
use crate::protocol::scaling::Asked;
use crate::protocol::worth::Worth;
use crate::train::{GoOn, Ranks, Words};
use crate::{Error, Result};
use std::sync::Arc;

/// A stream of events of one host. Implemented for host callbacks; arrays need none.
pub trait EventSource: Send {
    /// M, features per event.
    fn dim(&self) -> usize;

    /// Whether events carry weights.
    fn weighted(&self) -> bool;

    /// Fills up to `w.len()` rows (`x` has `w.len() · dim` elements) and returns how many. Fewer than asked for end the events; the next
    /// call begins them again, in the order that they had, or with fresh ones. An unweighted source leaves `w` alone; all else is NaN until it is
    /// written.
    ///
    /// # Errors
    /// Whatever the host stops with, as [`Error::Host`].
    fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize>;

    /// Where it stands, so that it can be brought there again: asked after every update of a training that a checkpoint keeps. None, unless it
    /// is overridden: events that were used are asked for once more then.
    ///
    /// # Errors
    /// Whatever the host stops with, as [`Error::Host`].
    fn position(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Goes to a position that it has told, in this process or another.
    ///
    /// # Errors
    /// Whatever the host stops with, as [`Error::Host`].
    fn go_to(&mut self, _position: u64) -> Result<()> {
        Err(Error::Unsupported("the source has no positions".into()))
    }
}

/// What is known of the events, whatever they come from.
pub(super) struct Known {
    pub dim: usize,
    pub held_out: Option<Events>,
    /// What the events are to be scaled by: their values must be possible. Empty until it is known.
    pub scalings: Vec<Scaling>,
    /// Where events must be, once it is known, and the share of them that need not.
    pub restriction: Option<Restriction>,
}

/// Where events come from, and in which order: what differs between arrays, files and callbacks.
pub(super) trait Origin: Send + Sync {
    /// A call begins, of all `ranks` if there are any.
    fn join(&mut self, _: Option<&Arc<Ranks>>) {}

    /// What has to be told of failures of the host since the call began that were borne.
    fn failures(&self) -> Option<String> {
        None
    }

    /// What follows is of a call that has these options.
    fn begin(&mut self, _: &Options) {}

    /// Sets aside the events that are held out of every training, once for the life of the source.
    ///
    /// # Errors
    /// Those of the host or the file; [`Error::Data`] for too few events, and those that cannot be used.
    fn hold_out(&mut self, known: &mut Known, options: &Options) -> Result<Events>;

    /// The next `rows` training events. Where they end they begin again, in another order if they can. A callback must have `least` of them
    /// from beginning to end.
    ///
    /// # Errors
    /// As [`Origin::hold_out`].
    fn next(&mut self, known: &mut Known, rows: usize, least: usize, seed: u64) -> Result<Events>;

    /// Adds what is to be known of where it stands, besides how many events were drawn.
    ///
    /// # Errors
    /// Those of the host.
    fn position(&self, _known: &Known, _words: &mut Vec<u64>) -> Result<()> {
        Ok(())
    }

    /// Passes over the next `rows` training events, to where it stood as `words` says.
    ///
    /// # Errors
    /// As [`Origin::hold_out`]; [`Error::Format`] for a place where it cannot have stood; those of [`Words::go_on`].
    fn skip(&mut self, known: &mut Known, rows: u64, seed: u64, words: &mut Words) -> Result<()>;

    /// Adds where it stands between two calls: all that the next call depends on, as a number of training events and checksums of the rest.
    fn place(&self, words: &mut Vec<u64>);

    /// As it was before anything was held out.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a callback.
    fn reset(&mut self) -> Result<()>;

    /// Nearer to where it stood when so many training events had been drawn, with this seed and what is held out now.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a callback; as [`Origin::hold_out`]; those of `go_on`.
    fn go_to(&mut self, drawn: u64, seed: u64, go_on: GoOn) -> Result<()>;

    /// Training events from their beginning to their end; none if that is not known yet.
    fn pass(&self) -> Option<usize>;

    /// The held-out events and, if they are few, more.
    ///
    /// # Errors
    /// As [`Origin::hold_out`].
    fn measured(&mut self, known: &mut Known) -> Result<Events>;

    /// Events to compare with.
    ///
    /// # Errors
    /// [`Error::Memory`].
    fn to_look_at(&self, known: &Known) -> Result<Events> {
        match &known.held_out {
            Some(held_out) => held_out.copied(),
            None => Ok(Events::new(known.dim)),
        }
    }

    /// Leaves out those events that are outside, of those that can be looked at now.
    ///
    /// # Errors
    /// [`Error::Data`] if they are too many.
    fn restrict(&mut self, known: &mut Known, restriction: &mut Restriction) -> Result<()>;

    /// Takes in again what was left out.
    fn release(&mut self, known: &mut Known);

    /// Refuses values that the scalings cannot take, of those events that can be looked at now.
    ///
    /// # Errors
    /// [`Error::Data`] naming row, column, value and bounds.
    fn bound(&self, known: &Known) -> Result<()>;

    /// The scaling of a column that has cells, measured on all events; none if it has no cells, or not all events can be looked at.
    ///
    /// # Errors
    /// [`Error::Data`] for a constant column.
    fn cells(&self, _asked: &Asked, _column: usize) -> Result<Option<Scaling>> {
        Ok(None)
    }

    /// How many events there are, and what they are in; none for those without end.
    fn size(&self) -> Option<(&'static str, usize)> {
        None
    }

    /// All events, for a score.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if they are not in memory.
    fn sample(&self) -> Result<Sample<'_>> {
        Err(Error::Unsupported(match self.size() {
            None => "the source delivers events by a callback; a score needs a source made from an array".into(),
            Some(_) => "the source is a file larger than `source.memory`; a score needs events in memory".into(),
        }))
    }

    /// What the weights of all events within the support are like, of those in memory.
    fn worth(&self) -> Option<Worth> {
        None
    }

    /// What is to be noticed of the training events as they are drawn beside the held-out ones; nothing, where all can be looked at.
    ///
    /// # Errors
    /// [`Error::Memory`].
    fn watch(&self, _held_out: &Events) -> Result<Option<Watch>> {
        Ok(None)
    }

    /// What it is, for a checkpoint.
    ///
    /// # Errors
    /// Those of the file.
    fn identity(&self, known: &Known, weighted: &str) -> Result<String>;
}

/// Passes over events by drawing them, as they were drawn: what ranks ask their hosts for depends on how many are drawn at a time.
pub(super) fn draw_and_forget(
    origin: &mut (impl Origin + ?Sized),
    known: &mut Known,
    mut rows: u64,
    seed: u64,
    words: &Words,
) -> Result<()> {
    while rows > 0 {
        (words.go_on)()?;
        let drawn = rows.min(words.batch as u64);
        origin.next(known, drawn as usize, 1, seed)?;
        rows -= drawn;
    }
    Ok(())
}

/// Rows pulled at once when a source is measured.
pub(crate) const CHUNK: usize = 4096;
/// Fewest events that means and standard deviations are measured on, if the source has them.
pub(super) const MEASURE: usize = 10_000;
