//! Where target events come from: an array, a file, or a host callback that is pulled batch by batch.

mod array;
mod callback;
mod events;
mod file;
mod restriction;

use super::scaling::{self, Asked};
use crate::metrics::Sample;
use crate::model::{listed_names, Region, Scaling, MAX_WIDTH};
use crate::options::{keys, Options};
use crate::room::{self, Gather};
use crate::table::Table;
use crate::train::{Ranks, Settings, Words};
use crate::{Error, Result, Rows};
use array::{Array, Stored};
use callback::Callback;
pub(crate) use events::Events;
use restriction::Restriction;
use std::path::Path;
use std::sync::Arc;

/// A stream of events of one host. Implemented for host callbacks; arrays need none.
pub trait EventSource: Send {
    /// M, features per event.
    fn dim(&self) -> usize;

    /// Whether events carry weights.
    fn weighted(&self) -> bool;

    /// Fills up to `w.len()` rows (`x` has `w.len() · dim` elements) and returns how many. Fewer than asked for end the events; the next
    /// call begins them again. An unweighted source leaves `w` alone.
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

/// No network takes more features.
fn check_dim(dim: usize) -> Result<()> {
    if (1..=MAX_WIDTH).contains(&dim) {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "`dim` is {dim}; events have between 1 and {MAX_WIDTH} features"
    )))
}

/// What is known of the events, whatever they come from.
struct Known {
    dim: usize,
    held_out: Option<Events>,
    /// What the events are to be scaled by: their values must be possible. Empty until it is known.
    scalings: Vec<Scaling>,
    /// Where events must be, once it is known, and the share of them that need not.
    restriction: Option<Restriction>,
}

/// Where events come from, and in which order: what differs between arrays, files and callbacks.
trait Origin: Send + Sync {
    /// A call begins, of all `ranks` if there are any.
    fn join(&mut self, _: Option<&Arc<Ranks>>) {}

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
    /// As [`Origin::hold_out`].
    fn skip(&mut self, known: &mut Known, rows: u64, seed: u64, words: &mut Words) -> Result<()>;

    /// Where it stands between two calls, as a number of training events.
    fn place(&self) -> u64;

    /// As it was before anything was held out.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a callback.
    fn reset(&mut self) -> Result<()>;

    /// As it stood at a place, what is held out being the same.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a callback that has gone on from there; as [`Origin::hold_out`].
    fn go_to(&mut self, known: &mut Known, place: u64, seed: u64) -> Result<()>;

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

    /// What it is, for a checkpoint.
    ///
    /// # Errors
    /// Those of the file.
    fn identity(&self, known: &Known, weighted: &str) -> Result<String>;
}

/// Passes over events by drawing them.
fn draw_and_forget(
    origin: &mut (impl Origin + ?Sized),
    known: &mut Known,
    mut rows: u64,
    seed: u64,
) -> Result<()> {
    while rows > 0 {
        let drawn = rows.min(CHUNK as u64);
        origin.next(known, drawn as usize, 1, seed)?;
        rows -= drawn;
    }
    Ok(())
}

/// Target events, with the part of them that is held out of every training. One source can serve several trainings in turn: its held-out
/// events stay the same.
pub struct Source<'a> {
    origin: Box<dyn Origin + 'a>,
    known: Known,
    weighted: bool,
    names: Vec<String>,
    /// Training events that were delivered: its position.
    drawn: u64,
    buffer: Events,
}

/// Rows pulled at once when a source is measured.
pub(super) const CHUNK: usize = 4096;
/// Fewest events that means and standard deviations are measured on, if the source has them.
const MEASURE: usize = 10_000;

impl<'a> Source<'a> {
    /// Events in an array: rows of M features, with one weight each if `w` is given. The arrays are borrowed, not copied.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no rows, no or too many features, too few weights; [`Error::NotFinite`] for the first number that is
    /// not finite.
    pub fn from_rows(x: Rows<'a, f64>, w: Option<&'a [f64]>) -> Result<Self> {
        check_dim(x.dim())?;
        let events = Sample::new(x, w)?;
        let array = Array::new(Stored::Borrowed(events))?;
        Ok(Self::new(Box::new(array), events.dim(), w.is_some()))
    }

    /// Events in a file that [`Table::open`] takes, one in a row, whose weight is in the column that the option `source.weight` names; without
    /// it they have none. A file that takes no more than `source.memory` is read now, and is then what an array of its rows is; of a larger
    /// one, parts of this size are read as they are needed.
    ///
    /// # Errors
    /// Those of [`Table::open`]; [`Error::InvalidArgument`] for a weight that is in none of the columns, no or too many features;
    /// [`Error::NotFinite`] as [`Source::from_rows`], of a large file when the row is drawn.
    pub fn from_file(path: &Path, options: &Options) -> Result<Self> {
        let table = Table::open(path)?;
        let weight = match options.get(keys::SOURCE_WEIGHT).trim() {
            "" => None,
            name => Some(table.column(name)?),
        };
        Self::from_table(table, weight, options)
    }

    /// As [`Source::from_file`], with the weight in a column of this number.
    ///
    /// # Errors
    /// As [`Source::from_file`].
    pub fn from_table(mut table: Table, weight: Option<usize>, options: &Options) -> Result<Self> {
        let path = table.path().display().to_string();
        let wrong = |what: &str| Error::InvalidArgument(format!("{path}: {what}"));
        let (rows, columns) = (table.layout().rows(), table.layout().columns());
        if weight.is_some_and(|column| column >= columns) {
            return Err(wrong("there is no such column for the weight"));
        }
        let mut order = (0..columns).gather()?;
        order.retain(|column| Some(*column) != weight);
        let dim = order.len();
        if rows == 0 || dim == 0 {
            return Err(wrong("there are no events in it"));
        }
        check_dim(dim)?;
        let names = table.layout().names();
        let names = order
            .iter()
            .filter_map(|&c| names.get(c).cloned())
            .gather()?;
        let names = listed_names(&names.join(","), dim).map_err(|what| wrong(&what.to_string()))?;
        order.extend(weight);
        table.select(&order);
        let memory = (options.get(keys::SOURCE_MEMORY) as usize) << 20;
        let weighted = weight.is_some();
        let bytes = rows.saturating_mul(order.len() * size_of::<f64>());
        let origin: Box<dyn Origin> = match bytes <= memory {
            true => {
                let events = file::whole(&table, weighted)?;
                Box::new(Array::new(Stored::Owned { events, weighted })?)
            }
            false => Box::new(file::Rows::new(table, weighted, memory)),
        };
        let mut source = Self::new(origin, dim, weighted);
        source.names = names;
        Ok(source)
    }

    /// Events from a host, pulled as they are needed. Memory does not grow with their number.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the source has no features.
    pub fn from_events(events: Box<dyn EventSource + 'a>) -> Result<Self> {
        let (dim, weighted) = (events.dim(), events.weighted());
        check_dim(dim)?;
        Ok(Self::new(Box::new(Callback::new(events)), dim, weighted))
    }

    fn new(origin: Box<dyn Origin + 'a>, dim: usize, weighted: bool) -> Self {
        Source {
            origin,
            known: Known {
                dim,
                held_out: None,
                scalings: Vec::new(),
                restriction: None,
            },
            weighted,
            names: Vec::new(),
            drawn: 0,
            buffer: Events::new(dim),
        }
    }

    /// A call begins, of all `ranks` if there are any.
    pub(super) fn begin(&mut self, ranks: Option<&Arc<Ranks>>) {
        self.release();
        self.origin.join(ranks);
    }

    /// Ends what [`Source::restrict`] began: what told the region belongs to a call that is done. Events that were left out come back.
    pub(super) fn release(&mut self) {
        self.known.restriction = None;
        self.origin.release(&mut self.known);
    }

    /// Leaves out, from here on, events outside a region.
    ///
    /// # Errors
    /// [`Error::Data`] if these are more than the share `allowed`: of an array now, of a file or a callback when they come.
    pub(super) fn restrict(&mut self, region: Arc<dyn Region>, allowed: f64) -> Result<()> {
        // Of one that has not been ended.
        self.release();
        let mut restriction = Restriction::new(region, allowed);
        self.origin.restrict(&mut self.known, &mut restriction)?;
        self.known.restriction = Some(restriction);
        Ok(())
    }

    /// Events looked at for being within the support, and those of them that were left out.
    pub(super) fn left_out(&self) -> Option<(u64, u64)> {
        let restriction = self.known.restriction.as_ref();
        restriction.map(|r| (r.seen, r.outside))
    }

    /// M, features per event.
    pub fn dim(&self) -> usize {
        self.known.dim
    }

    /// Whether events carry weights.
    pub fn weighted(&self) -> bool {
        self.weighted
    }

    /// What the features are called in a file that names them; empty otherwise.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All events of an array, for a score.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for events of a callback, which end nowhere, and of a file larger than `source.memory`.
    pub fn sample(&self) -> Result<Sample<'_>> {
        self.origin.sample()
    }

    /// Sets the held-out events aside, once for the life of the source.
    fn prepare(&mut self, options: &Options) -> Result<()> {
        self.origin.begin(options);
        if self.known.held_out.is_none() {
            self.known.held_out = Some(self.origin.hold_out(&mut self.known, options)?);
        }
        Ok(())
    }

    /// What it is, for a checkpoint: of an array every number counts.
    ///
    /// # Errors
    /// Those of a file.
    pub(super) fn identity(&self) -> Result<Vec<(String, String)>> {
        let weighted = if self.weighted { "weighted " } else { "" };
        let what = self.origin.identity(&self.known, weighted)?;
        Ok(vec![("target".into(), what)])
    }

    /// Where it stands at the beginning of a call.
    pub(super) fn place(&self) -> Vec<u64> {
        let prepared = u64::from(self.known.held_out.is_some());
        vec![self.drawn, prepared, self.origin.place()]
    }

    /// As it stood at a place, so that a call can go on that began there.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a callback that has gone on from there; those of the host or the file.
    pub(super) fn go_to(&mut self, place: &[u64], options: &Options) -> Result<()> {
        let &[drawn, prepared, place] = place else {
            return Err(Error::Format("the checkpoint has no beginning".into()));
        };
        if prepared == 0 && self.known.held_out.is_some() {
            self.origin.reset()?;
            self.known.held_out = None;
        } else if prepared > 0 {
            self.prepare(options)?;
            let seed = options.get(keys::SEED) as u64;
            self.origin.go_to(&mut self.known, place, seed)?;
        }
        self.drawn = drawn;
        Ok(())
    }

    /// Adds where it stands.
    ///
    /// # Errors
    /// Those of the host.
    pub(super) fn position(&self, words: &mut Vec<u64>) -> Result<()> {
        words.push(self.drawn);
        self.origin.position(&self.known, words)
    }

    /// Goes on from a position: the events of an array or a file are passed over, those of a callback that has no positions asked for once
    /// more.
    ///
    /// # Errors
    /// Those of the host.
    pub(super) fn resume(&mut self, words: &mut Words, options: &Options) -> Result<()> {
        let to = words.next_word()?;
        let seed = options.get(keys::SEED) as u64;
        let rows = to.saturating_sub(self.drawn);
        self.origin.skip(&mut self.known, rows, seed, words)?;
        self.drawn += rows;
        Ok(())
    }

    /// Fills the buffer with `rows` training events. Where they end they begin again: those of an array or a file in another order.
    pub(super) fn next(&mut self, rows: usize, seed: u64) -> Result<()> {
        self.buffer = self.origin.next(&mut self.known, rows, rows, seed)?;
        self.drawn += rows as u64;
        Ok(())
    }

    /// Training events from their beginning to their end; none for a callback that has not ended yet.
    pub(super) fn pass(&self) -> Option<usize> {
        self.origin.pass()
    }

    /// From here on, events with values that a scaling cannot take are errors. Those that can be looked at before a training are.
    ///
    /// # Errors
    /// [`Error::Data`] naming row, column, value and bounds.
    pub(super) fn bound(&mut self, scalings: &[Scaling]) -> Result<()> {
        self.known.scalings = room::copied(scalings)?;
        self.origin.bound(&self.known)
    }

    /// The events that the last [`Source::next`] has filled in.
    pub(super) fn buffer(&self) -> &Events {
        &self.buffer
    }

    /// The held-out events and, if they are few, more: to measure the data by.
    ///
    /// # Errors
    /// Those of the host; [`Error::Data`] if there are no two events.
    pub(crate) fn measured(&mut self, options: &Options) -> Result<Events> {
        self.prepare(options)?;
        let sample = self.origin.measured(&mut self.known)?;
        if sample.len() < 2 {
            return Err(Error::Data(format!(
                "the source delivered {} events; at least two are needed to measure them",
                sample.len()
            )));
        }
        Ok(sample)
    }

    /// The scaling of every column that the option `features.scaling` names, measured on a sample.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for what is wrong with the option, [`Error::Data`] if a feature is constant or beyond its bounds; those
    /// of [`Source::measured`].
    pub(crate) fn standardisation(
        &mut self,
        names: &[String],
        options: &Options,
    ) -> Result<Vec<Scaling>> {
        let dim = self.dim();
        let asked = scaling::parse(options.get(keys::FEATURES_SCALING), dim, names)?;
        // What `auto` chooses from has no bounds.
        let bounds = asked.iter().map(|s| s.clone().unwrap_or(Scaling::None));
        self.bound(&bounds.collect::<Vec<_>>())?;
        let sample = self.measured(options)?;
        let columns = asked.iter().enumerate();
        columns
            .map(|(column, s)| {
                if let Some(scaling) = self.origin.cells(s, column)? {
                    return Ok(scaling);
                }
                let values = sample.x.iter().skip(column).step_by(dim);
                scaling::measure(s, &values.copied().gather()?, column)
            })
            .gather_all()
    }

    /// Checks that the events of an array or a file that are not held out fill a batch of a training. Callbacks tell when they have ended.
    ///
    /// # Errors
    /// [`Error::Data`] if they do not.
    pub(super) fn fills(&mut self, training: &Settings, options: &Options) -> Result<()> {
        let Some((what, events)) = self.origin.size() else {
            return Ok(());
        };
        let held_out = self.held_out(options)?.len();
        let Settings { group, batch, .. } = *training;
        let rows = events - held_out;
        if rows >= batch {
            return Ok(());
        }
        Err(Error::Data(format!(
            "`{group}.batch` is {batch}, but the event {what} has {rows} events to train on, besides {held_out} that are held out (`validation.events`); lower the batch or deliver more events"
        )))
    }

    /// Events to compare with: many of an array, within the support; those held out of a stream or a large file.
    ///
    /// # Errors
    /// Those of the host.
    pub(super) fn events_to_look_at(&mut self, options: &Options) -> Result<Events> {
        self.prepare(options)?;
        self.origin.to_look_at(&self.known)
    }

    /// What the events are scaled by, once it is known.
    pub(super) fn scalings(&self) -> &[Scaling] {
        &self.known.scalings
    }

    /// The held-out events.
    pub(crate) fn held_out(&mut self, options: &Options) -> Result<&Events> {
        self.prepare(options)?;
        let held_out = self.known.held_out.as_ref();
        held_out.ok_or_else(|| Error::Internal("a prepared source has held-out rows".into()))
    }
}

#[cfg(test)]
mod tests;
