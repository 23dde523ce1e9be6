//! Where target events come from: an array, a file, or a host callback that is pulled batch by batch.

mod array;
mod callback;
mod circles;
mod events;
mod file;
mod origin;
mod restriction;
mod watch;

use super::scaling;
use super::worth::Worth;
use crate::metrics::Sample;
use crate::model::{check_names, Region, Scaling, MAX_WIDTH};
use crate::options::{keys, Options};
use crate::room::{self, Gather};
use crate::table::Table;
use crate::train::{GoOn, Hooks, Ranks, Settings, Words};
use crate::{Error, Result, Rows};
use array::{Array, Stored};
use callback::Callback;
pub(crate) use events::Events;
pub use origin::EventSource;
pub(super) use origin::CHUNK;
use origin::{Known, Origin};
use restriction::Restriction;
use std::path::Path;
use std::sync::Arc;
use watch::Watch;

/// No network takes more features.
fn check_dim(dim: usize) -> Result<()> {
    if (1..=MAX_WIDTH).contains(&dim) {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "`dim` is {dim}; events have between 1 and {MAX_WIDTH} features"
    )))
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
    /// The held-out events, where there are circles.
    wrapped: Option<Events>,
    /// Of the call, as soon as events are held out.
    watch: Option<Watch>,
}

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

    /// Calls the columns of an array.
    ///
    /// # Errors
    /// Those of [`check_names`].
    pub fn named(mut self, names: &[String]) -> Result<Self> {
        check_names(names, self.dim())?;
        self.names = room::copied(names)?;
        Ok(self)
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
            .filter_map(|&c| names.get(c).map(|name| name.trim().to_owned()))
            .gather()?;
        check_names(&names, dim).map_err(|what| wrong(&format!("{what}: rename the column")))?;
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
            wrapped: None,
            watch: None,
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
        self.wrapped = None;
        self.watch = None;
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

    /// What has to be told of failures of a host since the call began that were borne: no part of the result.
    pub(super) fn failures(&self) -> Option<String> {
        self.origin.failures()
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

    /// What the features are called in a file that names them, or by [`Source::named`]; empty otherwise.
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

    /// The same events of an array, in the same order, with other weights or none.
    ///
    /// # Errors
    /// As [`Source::sample`] and [`Source::from_rows`].
    pub(super) fn weighing<'s>(&'s self, w: Option<&'s [f64]>) -> Result<Source<'s>> {
        let mut other = Source::from_rows(self.sample()?.events(), w)?;
        other.names = room::copied(&self.names)?;
        Ok(other)
    }

    /// Sets the held-out events aside, once for the life of the source.
    fn prepare(&mut self, options: &Options) -> Result<()> {
        self.origin.begin(options);
        if self.known.held_out.is_none() {
            self.known.held_out = Some(self.origin.hold_out(&mut self.known, options)?);
        }
        if let Some(held_out) = self
            .known
            .held_out
            .as_ref()
            .filter(|_| self.watch.is_none())
        {
            self.watch = self.origin.watch(held_out)?;
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
        let mut words = vec![self.drawn, prepared];
        self.origin.place(&mut words);
        words
    }

    /// As it stood at a place, so that a call can go on that began there.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it cannot be brought there, as a callback; those of the host or the file, and of `go_on`.
    pub(super) fn go_to(&mut self, place: &[u64], options: &Options, go_on: GoOn) -> Result<()> {
        if self.place() == place {
            return Ok(());
        }
        let &[drawn, prepared, of_origin, ..] = place else {
            return Err(Error::Format("the checkpoint has no beginning".into()));
        };
        if prepared == 0 {
            self.origin.reset()?;
            self.known.held_out = None;
        } else {
            self.prepare(options)?;
            let seed = options.get(keys::SEED) as u64;
            self.origin.go_to(of_origin, seed, go_on)?;
        }
        self.drawn = drawn;
        if self.place() == place {
            return Ok(());
        }
        Err(Error::InvalidArgument(
            "the source does not stand where it stood when the call of the checkpoint began: make all calls of the job again, in their order and with the options that they had".into(),
        ))
    }

    /// Adds where it stands.
    ///
    /// # Errors
    /// Those of the host.
    pub(super) fn position(&self, words: &mut Vec<u64>) -> Result<()> {
        words.push(self.drawn);
        self.origin.position(&self.known, words)?;
        let watch = self.watch.as_ref();
        watch.map_or(Ok(()), |watch| watch.position(words))
    }

    /// Goes on from a position: the events of an array or a file are passed over, those of a callback that has no positions asked for once
    /// more.
    ///
    /// # Errors
    /// Those of the host and of [`Words`].
    pub(super) fn resume(&mut self, words: &mut Words, options: &Options) -> Result<()> {
        let rows = words.next_drawn(self.drawn)? - self.drawn;
        let seed = options.get(keys::SEED) as u64;
        self.origin.skip(&mut self.known, rows, seed, words)?;
        self.drawn += rows;
        let watch = self.watch.as_mut();
        watch.map_or(Ok(()), |watch| watch.resume(words))
    }

    /// Fills the buffer with `rows` training events. Where they end they begin again: those of an array or a file in another order.
    pub(super) fn next(&mut self, rows: usize, seed: u64) -> Result<()> {
        self.buffer = self.origin.next(&mut self.known, rows, rows, seed)?;
        self.drawn += rows as u64;
        if let Some(watch) = &mut self.watch {
            watch.see(&self.buffer, self.origin.pass());
        }
        Ok(())
    }

    /// Tells the host before a training what is strange about the weights of events in memory, `whose` they are.
    ///
    /// # Errors
    /// Those of the hooks.
    pub(super) fn weigh(&self, hooks: &dyn Hooks, whose: &str) -> Result<()> {
        let worth = self.weighted.then(|| self.origin.worth()).flatten();
        worth.map_or(Ok(()), |worth: Worth| worth.warn(hooks, whose))
    }

    /// Tells the host after a training what was strange about the events that were drawn, which could not be looked at before.
    ///
    /// # Errors
    /// Those of the hooks.
    pub(super) fn look_back(&self, hooks: &dyn Hooks, whose: &str, names: &[String]) -> Result<()> {
        let watch = self.watch.as_ref();
        watch.map_or(Ok(()), |watch| watch.warn(hooks, whose, names))
    }

    /// Training events from their beginning to their end; none for a callback that has not ended yet.
    pub(super) fn pass(&self) -> Option<usize> {
        self.origin.pass()
    }

    /// How many events there are; none for a callback.
    pub(super) fn size(&self) -> Option<usize> {
        self.origin.size().map(|(_, events)| events)
    }

    /// From here on, events with values that a scaling cannot take are errors. Those that can be looked at before a training are.
    ///
    /// # Errors
    /// [`Error::Data`] naming row, column, value and bounds.
    pub(super) fn bound(&mut self, scalings: &[Scaling]) -> Result<()> {
        self.known.scalings = room::copied(scalings)?;
        self.wrapped = None;
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
        let mut sample = self.origin.measured(&mut self.known)?;
        if sample.len() < 2 {
            return Err(Error::Data(format!(
                "the source delivered {} events; at least two are needed to measure them",
                sample.len()
            )));
        }
        self.wrap(&mut sample.x);
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
        let mut events = self.origin.to_look_at(&self.known)?;
        self.wrap(&mut events.x);
        Ok(events)
    }

    /// What the events are scaled by, once it is known.
    pub(super) fn scalings(&self) -> &[Scaling] {
        &self.known.scalings
    }

    /// The held-out events.
    pub(crate) fn held_out(&mut self, options: &Options) -> Result<&Events> {
        self.prepare(options)?;
        let held_out = self.known.held_out.as_ref();
        let held_out = held_out
            .ok_or_else(|| Error::Internal("a prepared source has held-out rows".into()))?;
        if self.wrapped.is_none() && self.wraps() {
            let mut wrapped = held_out.copied()?;
            self.wrap(&mut wrapped.x);
            self.wrapped = Some(wrapped);
        }
        Ok(self.wrapped.as_ref().unwrap_or(held_out))
    }
}

#[cfg(test)]
mod tests;
