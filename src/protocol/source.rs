//! Where target events come from: an array, or a host callback that is pulled batch by batch.

use super::scaling;
use crate::metrics::Sample;
use crate::model::{Region, Scaling, MAX_WIDTH};
use crate::noise::places;
use crate::options::{keys, Options};
use crate::room::{self, Gather, Grow};
use crate::train::{Passes, Ranks, Settings, Words};
use crate::{Error, Result, Rows};
use parking_lot::Mutex;
use rand::seq::SliceRandom;
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
}

/// Rows of events with their weights, row-major.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    pub dim: usize,
    pub x: Vec<f64>,
    pub w: Vec<f64>,
}

impl Events {
    pub(super) fn new(dim: usize) -> Self {
        Events {
            dim,
            x: Vec::new(),
            w: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.w.len()
    }

    /// The same events.
    fn copied(&self) -> Result<Self> {
        Ok(Events {
            dim: self.dim,
            x: room::copied(&self.x)?,
            w: room::copied(&self.w)?,
        })
    }

    fn sized(&mut self, rows: usize) -> Result<()> {
        self.x.sized(rows * self.dim, 0.0)?;
        self.w.clear();
        self.w.sized(rows, 1.0)
    }

    /// Puts the events of another behind its own.
    fn put(&mut self, other: &Events) -> Result<()> {
        self.x.put_all(other.x.iter().copied())?;
        self.w.put_all(other.w.iter().copied())
    }

    /// Keeps the rows that are marked.
    fn retain(&mut self, keep: &[bool]) {
        if keep.iter().all(|keep| *keep) {
            return;
        }
        let mut kept = 0;
        for row in (0..keep.len()).filter(|&row| keep[row]) {
            let from = row * self.dim;
            self.x.copy_within(from..from + self.dim, kept * self.dim);
            kept += 1;
        }
        self.x.truncate(kept * self.dim);
        let mut keep = keep.iter();
        self.w.retain(|_| keep.next().is_some_and(|keep| *keep));
    }

    /// The first event or weight that is not finite, or that its scaling cannot take, in words.
    fn defect(&self, scalings: &[Scaling]) -> Option<String> {
        let describe = |v: f64| if v.is_nan() { "NaN" } else { "infinite" };
        if let Some(i) = self.x.iter().position(|v| !v.is_finite()) {
            let (row, column) = (i / self.dim, i % self.dim);
            return Some(format!(
                "column {column} of row {row} is {}",
                describe(self.x[i])
            ));
        }
        if let Some(i) = self.w.iter().position(|w| !w.is_finite()) {
            return Some(format!("the weight of row {i} is {}", describe(self.w[i])));
        }
        let rows = self.x.chunks_exact(self.dim).enumerate();
        rows.filter_map(|(row, x)| objection(row, x, scalings))
            .next()
    }
}

/// The first value of an event that its scaling cannot take, in words.
fn objection(row: usize, event: &[f64], scalings: &[Scaling]) -> Option<String> {
    let mut columns = event.iter().zip(scalings).enumerate();
    columns.find_map(|(column, (&x, scaling))| {
        let what = scaling.objection(x)?;
        Some(format!("column {column} of row {row} is {x}, {what}"))
    })
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

/// Refuses rows of a callback, the first of which is event `first` of the stream, if one of them cannot be used.
fn unusable(rows: &Events, scalings: &[Scaling], first: u64) -> Result<()> {
    rows.defect(scalings).map_or(Ok(()), |defect| {
        Err(Error::Data(format!(
            "the event callback delivered an unusable event: {defect} (rows of a request count from 0; this one began at event {first} of the stream)"
        )))
    })
}

struct Array<'a> {
    events: Sample<'a>,
    rows: Passes,
}

enum Origin<'a> {
    Array(Array<'a>),
    /// The mutex is never locked: it lets threads share a source that none of them can pull.
    Callback(Mutex<Box<dyn EventSource + 'a>>),
}

/// Target events, with the part of them that is held out of every training. One source can serve several trainings in turn: its held-out
/// events stay the same.
pub struct Source<'a> {
    origin: Origin<'a>,
    dim: usize,
    weighted: bool,
    held_out: Option<Events>,
    /// Rows of a callback source that were pulled to measure the data and belong to the training.
    pending: Events,
    /// Rows to skip before a callback source goes on: its held-out ones, met again.
    skip: usize,
    /// Training events that a callback has delivered since it began, and how many those are from beginning to end, once it has ended.
    since: usize,
    pass: Option<usize>,
    served: u64,
    /// The processes that ask their hosts for a part of a callback's events each.
    ranks: Option<Arc<Ranks>>,
    /// Training events that were delivered: its position.
    drawn: u64,
    buffer: Events,
    /// What the events are to be scaled by: their values must be possible. Empty until it is known.
    scalings: Vec<Scaling>,
    /// Where events must be, once it is known, and the share of them that need not.
    restriction: Option<Restriction>,
}

struct Restriction {
    region: Arc<dyn Region>,
    allowed: f64,
    /// Events looked at, and those of them that were outside.
    seen: u64,
    outside: u64,
    /// What there was before events were left out, if any were: the rows of an array, and the events held out.
    before: Option<(Option<Passes>, Option<Events>)>,
}

/// Events outside above the allowed share by so many standard deviations are no chance.
const TOO_MANY: f64 = 5.0;

impl Restriction {
    /// Marks the rows that are inside, and counts the others.
    ///
    /// # Errors
    /// [`Error::Data`] if they are more than may be; `place` tells where the rows begin.
    fn mark(
        &mut self,
        x: &[f64],
        dim: usize,
        place: impl Fn(usize) -> String,
    ) -> Result<Vec<bool>> {
        let mut inside = room::filled(x.len() / dim, true)?;
        self.region.inside(x, &mut inside)?;
        self.seen += inside.len() as u64;
        let outside = inside.iter().filter(|inside| !**inside).count() as u64;
        self.outside += outside;
        let most = match self.allowed * self.seen as f64 {
            0.0 => 0.0,
            expected => expected + TOO_MANY * (1.0 + expected.sqrt()),
        };
        let first = inside.iter().position(|inside| !inside);
        let Some(row) = first.filter(|_| self.outside as f64 > most) else {
            return Ok(inside);
        };
        let values = x[row * dim..][..dim].iter().enumerate().take(8);
        let values: Vec<String> = values.map(|(i, x)| format!("x{i} = {x}")).collect();
        Err(Error::Data(format!(
            "{} of {} target events are outside the support, as {}: {}. Correct the support or the events; `target.outside` allows a share to be left out",
            self.outside,
            self.seen,
            place(row),
            values.join(", ")
        )))
    }
}

/// Most events of an array that generated ones are compared with, feature by feature.
const LOOK: usize = 200_000;
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
        Ok(Self::new(
            Origin::Array(Array {
                events,
                rows: Passes::new((0..events.rows()).gather()?, 0),
            }),
            events.dim(),
            w.is_some(),
        ))
    }

    /// Events from a host, pulled as they are needed. Memory does not grow with their number.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the source has no features.
    pub fn from_events(events: Box<dyn EventSource + 'a>) -> Result<Self> {
        let (dim, weighted) = (events.dim(), events.weighted());
        check_dim(dim)?;
        Ok(Self::new(
            Origin::Callback(Mutex::new(events)),
            dim,
            weighted,
        ))
    }

    fn new(origin: Origin<'a>, dim: usize, weighted: bool) -> Self {
        Source {
            origin,
            dim,
            weighted,
            held_out: None,
            pending: Events::new(dim),
            skip: 0,
            since: 0,
            pass: None,
            served: 0,
            drawn: 0,
            ranks: None,
            buffer: Events::new(dim),
            scalings: Vec::new(),
            restriction: None,
        }
    }

    /// A call begins, of all `ranks` if there are any.
    pub(super) fn begin(&mut self, ranks: Option<&Arc<Ranks>>) {
        self.release();
        self.ranks = ranks.cloned();
    }

    /// Ends what [`Source::restrict`] began: what told the region belongs to a call that is done. Events that were left out come back.
    pub(super) fn release(&mut self) {
        let Some((rows, held_out)) = self.restriction.take().and_then(|r| r.before) else {
            return;
        };
        match (&mut self.origin, rows) {
            (Origin::Array(array), Some(rows)) => {
                array.rows = rows;
                self.held_out = held_out;
            }
            // A stream has gone on: what it has held out since stays so.
            _ if held_out.is_some() => self.held_out = held_out,
            _ => {}
        }
    }

    /// Leaves out, from here on, events outside a region.
    ///
    /// # Errors
    /// [`Error::Data`] if these are more than the share `allowed`: of an array now, of a callback when it delivers them.
    pub(super) fn restrict(&mut self, region: Arc<dyn Region>, allowed: f64) -> Result<()> {
        // Of one that has not been ended.
        self.release();
        let mut restriction = Restriction {
            region,
            allowed,
            seen: 0,
            outside: 0,
            before: None,
        };
        let dim = self.dim;
        if let Origin::Array(array) = &mut self.origin {
            let events = array.events;
            let mut inside = Vec::new();
            for first in (0..events.rows()).step_by(CHUNK) {
                let rows = first..events.rows().min(first + CHUNK);
                let mut x = room::empty(rows.len() * dim)?;
                rows.for_each(|row| x.extend_from_slice(events.event(row)));
                let place = |row: usize| format!("row {} (from 0) is", first + row);
                inside.put_all(restriction.mark(&x, dim, place)?)?;
            }
            if restriction.outside > 0 {
                let held_out = self.held_out.as_ref().map(Events::copied).transpose()?;
                restriction.before = Some((Some(array.rows.copied()?), held_out));
            }
            array.rows.retain(|row| inside[row]);
            if self.held_out.is_some() {
                self.held_out = Some(array.copy(array.rows.held_out())?);
            }
        } else {
            let held_out = self.held_out.as_ref().map(Events::copied).transpose()?;
            restriction.before = Some((None, held_out));
            let of_stream = |row: usize| format!("row {row} (from 0) of those held out is");
            for rows in self.held_out.iter_mut().chain([&mut self.pending]) {
                let inside = restriction.mark(&rows.x, dim, of_stream)?;
                rows.retain(&inside);
            }
        }
        self.restriction = Some(restriction);
        Ok(())
    }

    /// Events looked at for being within the support, and those of them that were left out.
    pub(super) fn left_out(&self) -> Option<(u64, u64)> {
        self.restriction.as_ref().map(|r| (r.seen, r.outside))
    }

    /// M, features per event.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Whether events carry weights.
    pub fn weighted(&self) -> bool {
        self.weighted
    }

    /// All events of an array, for a score.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for events of a callback, which end nowhere.
    pub fn sample(&self) -> Result<Sample<'_>> {
        match &self.origin {
            Origin::Array(array) => Ok(array.events),
            Origin::Callback(_) => Err(Error::Unsupported(
                "the source delivers events by a callback; a score needs a source made from an array".into(),
            )),
        }
    }

    /// Sets the held-out events aside, once for the life of the source.
    fn prepare(&mut self, options: &Options) -> Result<()> {
        if self.held_out.is_some() {
            return Ok(());
        }
        let wanted = options.get(keys::VALIDATION_EVENTS) as usize;
        let rows = match &mut self.origin {
            Origin::Array(array) => {
                let fraction = options.get(keys::VALIDATION_FRACTION);
                let rows = wanted.min((array.rows.all().len() as f64 * fraction) as usize);
                // The array may be ordered: what is held out is drawn at random.
                let seed = options.get(keys::SEED) as u64;
                let mut order = room::copied(array.rows.all())?;
                order.shuffle(&mut places::HELD_OUT.rng(seed));
                array.rows = Passes::new(order, rows);
                self.held_out = Some(array.copy(array.rows.held_out())?);
                return Ok(());
            }
            Origin::Callback(_) => wanted,
        };
        let mut held_out = Events::new(self.dim);
        while held_out.len() < rows {
            let ended = !self.pull(CHUNK.min(rows - held_out.len()))?;
            held_out.put(&self.buffer)?;
            if ended {
                let hint = if held_out.len() == 0 {
                    " (did it set *got?)"
                } else {
                    ""
                };
                return Err(Error::Data(format!(
                    "the event callback ended its first epoch after {} events{hint}, but {rows} are held out of the training (`validation.events`); deliver more events or hold out fewer",
                    held_out.len()
                )));
            }
        }
        self.held_out = Some(held_out);
        Ok(())
    }

    /// Pulls up to `rows` rows of a callback source into the buffer. False if the epoch ended.
    fn pull(&mut self, rows: usize) -> Result<bool> {
        let Origin::Callback(events) = &mut self.origin else {
            return Err(Error::Internal("an array is not pulled".into()));
        };
        self.buffer.sized(rows)?;
        let got = match &self.ranks {
            None => fill(events.get_mut(), &mut self.buffer.x, &mut self.buffer.w)?,
            Some(ranks) => fill_together(ranks, events.get_mut(), &mut self.buffer)?,
        };
        self.buffer.x.truncate(got * self.dim);
        self.buffer.w.truncate(got);
        unusable(&self.buffer, &self.scalings, self.served)?;
        let began = self.served;
        self.served += got as u64;
        if let Some(restriction) = &mut self.restriction {
            let place = |row: usize| format!("event {} of the stream is", began + row as u64);
            let inside = restriction.mark(&self.buffer.x, self.dim, place)?;
            self.buffer.retain(&inside);
        }
        Ok(got == rows)
    }

    /// What it is, for a checkpoint: of an array every number counts.
    pub(super) fn identity(&self) -> Vec<(String, String)> {
        let weights = if self.weighted { "weighted " } else { "" };
        let what = match &self.origin {
            Origin::Array(array) => {
                let (rows, sha256) = (array.events.rows(), array.events.sha256());
                format!(
                    "{rows} {weights}events of {} values with the SHA-256 {sha256}",
                    self.dim
                )
            }
            Origin::Callback(_) => format!("a stream of {weights}events of {} values", self.dim),
        };
        vec![("target".into(), what)]
    }

    /// Adds where it stands.
    pub(super) fn position(&self, words: &mut Vec<u64>) {
        words.push(self.drawn);
    }

    /// Goes on from a position: the events of an array are passed over, those of a callback asked for once more.
    ///
    /// # Errors
    /// Those of the host.
    pub(super) fn resume(&mut self, words: &mut Words, options: &Options) -> Result<()> {
        let to = words.next_word()?;
        let seed = options.get(keys::SEED) as u64;
        if let Origin::Array(array) = &mut self.origin {
            let noise = places::TARGET_ROWS.noise(seed);
            let rows = to.saturating_sub(self.drawn);
            array.rows.resume(array.rows.drawn() + rows, noise);
            self.drawn = to.max(self.drawn);
        }
        while self.drawn < to {
            let rows = usize::try_from(to - self.drawn).unwrap_or(usize::MAX);
            self.deliver(rows.min(CHUNK), 1)?;
        }
        Ok(())
    }

    /// Fills the buffer with `rows` training events. Where they end they begin again: those of an array in another order.
    pub(super) fn next(&mut self, rows: usize, seed: u64) -> Result<()> {
        if let Origin::Array(array) = &mut self.origin {
            let drawn = array.rows.draw(rows, places::TARGET_ROWS.noise(seed))?;
            self.drawn += rows as u64;
            self.buffer = array.copy(&drawn)?;
            return Ok(());
        }
        self.deliver(rows, rows)
    }

    /// Fills the buffer with the next `rows` training events of a callback, of which there must be `least`.
    fn deliver(&mut self, rows: usize, least: usize) -> Result<()> {
        let mut batch = Events::new(self.dim);
        let pending = rows.min(self.pending.len());
        batch.x.room(rows * self.dim)?;
        batch.w.room(rows)?;
        batch.x.extend(self.pending.x.drain(..pending * self.dim));
        batch.w.extend(self.pending.w.drain(..pending));
        let held_out = self.held_out.as_ref().map_or(0, Events::len);
        while batch.len() < rows {
            while self.skip > 0 {
                if !self.pull(CHUNK.min(self.skip))? {
                    return Err(Error::Data(format!(
                        "the event callback ended within its first {held_out} events, which are held out; it must deliver the same events or more whenever it begins again"
                    )));
                }
                self.skip -= self.buffer.len();
            }
            let going_on = self.pull(rows - batch.len())?;
            self.since += self.buffer.len();
            batch.put(&self.buffer)?;
            if !going_on && self.end() < least {
                return Err(Error::Data(format!(
                    "the event callback ended after {} events to train on, besides {held_out} that are held out (`validation.events`), which do not fill a batch of {rows}; deliver more events or lower the batch",
                    self.pass.unwrap_or(0)
                )));
            }
        }
        self.drawn += rows as u64;
        self.buffer = batch;
        Ok(())
    }

    /// A callback's events are to begin again, the held-out ones first. Returns how many training events it has.
    fn end(&mut self) -> usize {
        let pass = std::mem::take(&mut self.since);
        self.pass = Some(pass);
        self.skip = self.held_out.as_ref().map_or(0, Events::len);
        pass
    }

    /// Training events from their beginning to their end; none for a callback that has not ended yet.
    pub(super) fn pass(&self) -> Option<usize> {
        match &self.origin {
            Origin::Array(array) => Some(array.rows.rows()),
            Origin::Callback(_) => self.pass,
        }
    }

    /// From here on, events with values that a scaling cannot take are errors. Those that can be looked at before a training are.
    ///
    /// # Errors
    /// [`Error::Data`] naming row, column, value and bounds.
    pub(super) fn bound(&mut self, scalings: &[Scaling]) -> Result<()> {
        self.scalings = room::copied(scalings)?;
        let Origin::Array(array) = &self.origin else {
            let held_out = self.held_out.as_ref();
            let before = held_out.map_or(0, Events::len) as u64;
            held_out.map_or(Ok(()), |rows| unusable(rows, scalings, 0))?;
            return unusable(&self.pending, scalings, before);
        };
        let events = (0..array.events.rows()).map(|row| (row, array.events.event(row)));
        let defect = events
            .filter_map(|(row, x)| objection(row, x, scalings))
            .next();
        defect.map_or(Ok(()), |defect| {
            Err(Error::Data(format!(
                "the event array has an unusable event: {defect} (rows and columns count from 0); leave such events out, or set `features.scaling` to bounds that hold"
            )))
        })
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
        let held_out = self.held_out.as_ref().map_or(0, Events::len);
        let mut sample = Events::new(self.dim);
        if let Origin::Array(array) = &self.origin {
            let more = MEASURE.max(held_out).min(array.rows.all().len());
            sample = array.copy(array.rows.first(more))?;
        } else {
            let mut going_on = self.skip == 0;
            while going_on && held_out + self.pending.len() < MEASURE {
                going_on = self.pull(CHUNK)?;
                self.since += self.buffer.len();
                self.pending.put(&self.buffer)?;
            }
            if self.skip == 0 && !going_on {
                self.end();
            }
            let held_out = self.held_out.iter();
            for events in held_out.chain([&self.pending]) {
                sample.put(events)?;
            }
        }
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
        let asked = scaling::parse(options.get(keys::FEATURES_SCALING), self.dim, names)?;
        // What `auto` chooses from has no bounds.
        let bounds = asked.iter().map(|s| s.clone().unwrap_or(Scaling::None));
        self.bound(&bounds.collect::<Vec<_>>())?;
        let sample = self.measured(options)?;
        let columns = asked.iter().enumerate();
        columns
            .map(|(column, s)| {
                if let Origin::Array(array) = &self.origin {
                    let rows = array.rows.all().iter();
                    let all = rows.map(|&row| array.events.event(row)[column]);
                    if let Some(scaling) = scaling::measure_all(s, all, column)? {
                        return Ok(scaling);
                    }
                }
                let values = sample.x.iter().skip(column).step_by(self.dim);
                scaling::measure(s, &values.copied().gather()?, column)
            })
            .gather_all()
    }

    /// Checks that the events of an array that are not held out fill a batch of a training. Callbacks tell when they have ended.
    ///
    /// # Errors
    /// [`Error::Data`] if they do not.
    pub(super) fn fills(&mut self, training: &Settings, options: &Options) -> Result<()> {
        let Origin::Array(array) = &self.origin else {
            return Ok(());
        };
        let events = array.events.rows();
        let held_out = self.held_out(options)?.len();
        let Settings { group, batch, .. } = *training;
        let rows = events - held_out;
        if rows >= batch {
            return Ok(());
        }
        Err(Error::Data(format!(
            "`{group}.batch` is {batch}, but the event array has {rows} events to train on, besides {held_out} that are held out (`validation.events`); lower the batch or deliver more events"
        )))
    }

    /// Events to compare with: up to [`LOOK`] of an array, within the support; those held out of a stream.
    ///
    /// # Errors
    /// Those of the host.
    pub(super) fn events_to_look_at(&mut self, options: &Options) -> Result<Events> {
        self.prepare(options)?;
        match &self.origin {
            Origin::Array(array) => {
                let rows = array.rows.all();
                array.copy(&rows[..rows.len().min(LOOK)])
            }
            Origin::Callback(_) => match &self.held_out {
                Some(held_out) => held_out.copied(),
                None => Ok(Events::new(self.dim)),
            },
        }
    }

    /// What the events are scaled by, once it is known.
    pub(super) fn scalings(&self) -> &[Scaling] {
        &self.scalings
    }

    /// The held-out events.
    pub(crate) fn held_out(&mut self, options: &Options) -> Result<&Events> {
        self.prepare(options)?;
        self.held_out
            .as_ref()
            .ok_or_else(|| Error::Internal("a prepared source has held-out rows".into()))
    }
}

/// Fills as many rows as the host delivers, and says how many.
fn fill(events: &mut Box<dyn EventSource + '_>, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
    let got = events.fill(x, w)?;
    if got > w.len() {
        return Err(Error::Data(format!(
            "the event callback says it delivered {got} events, but {} were asked for",
            w.len()
        )));
    }
    Ok(got)
}

/// Every rank asks its host for its part of the rows, and all get all of them.
fn fill_together(
    ranks: &Ranks,
    events: &mut Box<dyn EventSource + '_>,
    rows: &mut Events,
) -> Result<usize> {
    let (asked, dim) = (rows.len(), rows.dim);
    let part = ranks.part(asked);
    let mut sums = room::filled(asked * (dim + 1) + 1, 0.0)?;
    let (x, rest) = sums.split_at_mut(asked * dim);
    let (w, missing) = rest.split_at_mut(asked);
    if !part.is_empty() {
        let own = part.start * dim..part.end * dim;
        w[part.clone()].fill(1.0);
        let got = fill(events, &mut x[own], &mut w[part.clone()])?;
        missing[0] = (part.len() - got) as f64;
    }
    ranks.sum(&mut sums)?;
    if sums[asked * (dim + 1)] > 0.0 {
        return Err(Error::Unsupported(
            "the event callback of a rank has ended its events: with ranks, callbacks deliver events without end; take an array or a file".into(),
        ));
    }
    rows.x.copy_from_slice(&sums[..asked * dim]);
    rows.w
        .copy_from_slice(&sums[asked * dim..asked * (dim + 1)]);
    Ok(asked)
}

impl Array<'_> {
    fn copy(&self, order: &[usize]) -> Result<Events> {
        let mut rows = Events::new(self.events.dim());
        rows.x.room(order.len() * self.events.dim())?;
        rows.w.room(order.len())?;
        for &row in order {
            rows.x.extend_from_slice(self.events.event(row));
            rows.w.push(self.events.weight(row));
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests;
