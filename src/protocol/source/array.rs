//! Events in memory: an array of the host, or what a file of moderate size holds.

use super::events::{objection, Events};
use super::origin::{Known, Origin, CHUNK, MEASURE};
use super::restriction::Restriction;
use crate::metrics::Sample;
use crate::model::Scaling;
use crate::noise::places;
use crate::options::{keys, Options};
use crate::protocol::scaling::{self, Asked};
use crate::protocol::worth::Worth;
use crate::room::{self, Gather, Grow};
use crate::train::{GoOn, Passes, Words};
use crate::{Error, Result, Rows};
use rand::seq::SliceRandom;

/// Most events of an array that generated ones are compared with, feature by feature.
const LOOK: usize = 200_000;

/// Finite events.
pub(super) enum Stored<'a> {
    /// Of the host.
    Borrowed(Sample<'a>),
    /// At least one.
    Owned { events: Events, weighted: bool },
}

impl Stored<'_> {
    fn rows(&self) -> usize {
        match self {
            Stored::Borrowed(sample) => sample.rows(),
            Stored::Owned { events, .. } => events.len(),
        }
    }

    fn event(&self, row: usize) -> &[f64] {
        match self {
            Stored::Borrowed(sample) => sample.event(row),
            Stored::Owned { events, .. } => events.event(row),
        }
    }

    fn weight(&self, row: usize) -> f64 {
        match self {
            Stored::Borrowed(sample) => sample.weight(row),
            Stored::Owned { events, .. } => events.w[row],
        }
    }
}

pub(super) struct Array<'a> {
    events: Stored<'a>,
    rows: Passes,
    /// By which rows were held out.
    seed: u64,
    /// What there was before events were left out, if any were: the rows, and the events held out.
    before: Option<(Passes, Option<Events>)>,
}

impl<'a> Array<'a> {
    pub fn new(events: Stored<'a>) -> Result<Self> {
        Ok(Array {
            rows: Passes::new((0..events.rows()).gather()?, 0),
            events,
            seed: 0,
            before: None,
        })
    }

    /// Passes over rows, so many of which are held out.
    fn arrange(&self, mut order: Vec<usize>, held_out: usize) -> Passes {
        order.shuffle(&mut places::HELD_OUT.rng(self.seed));
        Passes::new(order, held_out)
    }

    fn copy(&self, order: &[usize], dim: usize) -> Result<Events> {
        let mut rows = Events::new(dim);
        rows.room(order.len())?;
        for &row in order {
            rows.x.extend_from_slice(self.events.event(row));
            rows.w.push(self.events.weight(row));
        }
        Ok(rows)
    }
}

/// A number that differs where orders do, but for chance (FNV-1a, of whole rows).
pub(super) fn checksum(order: &[usize]) -> u64 {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let add = |hash: u64, row: &usize| (hash ^ *row as u64).wrapping_mul(PRIME);
    order.iter().fold(START, add)
}

impl Origin for Array<'_> {
    fn hold_out(&mut self, known: &mut Known, options: &Options) -> Result<Events> {
        let wanted = options.get(keys::VALIDATION_EVENTS) as usize;
        let fraction = options.get(keys::VALIDATION_FRACTION);
        let rows = wanted.min((self.rows.all().len() as f64 * fraction) as usize);
        // The array may be ordered: what is held out is drawn at random.
        self.seed = options.get(keys::SEED) as u64;
        let order = room::copied(self.rows.all())?;
        self.rows = self.arrange(order, rows);
        self.copy(self.rows.held_out(), known.dim)
    }

    fn next(&mut self, known: &mut Known, rows: usize, _: usize, seed: u64) -> Result<Events> {
        let drawn = self.rows.draw(rows, places::TARGET_ROWS.noise(seed))?;
        self.copy(&drawn, known.dim)
    }

    fn skip(&mut self, _: &mut Known, rows: u64, seed: u64, words: &mut Words) -> Result<()> {
        let noise = places::TARGET_ROWS.noise(seed);
        let to = self.rows.drawn() + rows;
        self.rows.resume(to, noise, words.go_on)
    }

    fn place(&self, words: &mut Vec<u64>) {
        let order = checksum(self.rows.all());
        let held_out = self.rows.held_out().len() as u64;
        words.extend([self.rows.drawn(), order, held_out]);
    }

    fn reset(&mut self) -> Result<()> {
        self.rows = Passes::new((0..self.events.rows()).gather()?, 0);
        Ok(())
    }

    fn go_to(&mut self, drawn: u64, seed: u64, go_on: GoOn) -> Result<()> {
        if drawn < self.rows.drawn() {
            // Rows that were drawn from are all of them: what was left out has come back.
            let order = (0..self.events.rows()).gather()?;
            self.rows = self.arrange(order, self.rows.held_out().len());
        }
        self.rows
            .resume(drawn, places::TARGET_ROWS.noise(seed), go_on)
    }

    fn pass(&self) -> Option<usize> {
        Some(self.rows.rows())
    }

    fn measured(&mut self, known: &mut Known) -> Result<Events> {
        let held_out = known.held_out.as_ref().map_or(0, Events::len);
        let more = MEASURE.max(held_out).min(self.rows.all().len());
        self.copy(self.rows.first(more), known.dim)
    }

    fn to_look_at(&self, known: &Known) -> Result<Events> {
        let rows = self.rows.all();
        self.copy(&rows[..rows.len().min(LOOK)], known.dim)
    }

    fn restrict(&mut self, known: &mut Known, restriction: &mut Restriction) -> Result<()> {
        let (dim, rows) = (known.dim, self.events.rows());
        let mut inside = Vec::new();
        for first in (0..rows).step_by(CHUNK) {
            let rows = first..rows.min(first + CHUNK);
            let mut x = room::empty(rows.len() * dim)?;
            rows.for_each(|row| x.extend_from_slice(self.events.event(row)));
            let place = |row: usize| format!("row {} (from 0) is", first + row);
            inside.put_all(restriction.mark(&x, dim, place)?)?;
        }
        if restriction.outside > 0 {
            let held_out = known.held_out.as_ref().map(Events::copied).transpose()?;
            self.before = Some((self.rows.copied()?, held_out));
        }
        self.rows.retain(|row| inside[row]);
        if known.held_out.is_some() {
            known.held_out = Some(self.copy(self.rows.held_out(), dim)?);
        }
        Ok(())
    }

    fn release(&mut self, known: &mut Known) {
        if let Some((rows, held_out)) = self.before.take() {
            self.rows = rows;
            known.held_out = held_out;
        }
    }

    fn bound(&self, known: &Known) -> Result<()> {
        let events = (0..self.events.rows()).map(|row| (row, self.events.event(row)));
        let defect = events
            .filter_map(|(row, x)| objection(row, x, &known.scalings))
            .next();
        defect.map_or(Ok(()), |defect| {
            Err(Error::Data(format!(
                "the event array has an unusable event: {defect} (rows and columns count from 0); leave such events out, or set `features.scaling` to bounds that hold"
            )))
        })
    }

    fn cells(&self, asked: &Asked, column: usize) -> Result<Option<Scaling>> {
        let rows = self.rows.all().iter();
        let all = rows.map(|&row| self.events.event(row)[column]);
        scaling::measure_all(asked, all, column)
    }

    fn size(&self) -> Option<(&'static str, usize)> {
        Some(("array", self.events.rows()))
    }

    fn sample(&self) -> Result<Sample<'_>> {
        match &self.events {
            Stored::Borrowed(sample) => Ok(*sample),
            Stored::Owned { events, weighted } => {
                let x = Rows::packed(&events.x, events.dim)?;
                Sample::new(x, weighted.then_some(&events.w[..]))
            }
        }
    }

    fn worth(&self) -> Option<Worth> {
        let rows = self.rows.all().iter();
        Some(Worth::of(rows.map(|&row| (row, self.events.weight(row)))))
    }

    fn identity(&self, known: &Known, weighted: &str) -> Result<String> {
        let (rows, sha256) = (self.events.rows(), self.sample()?.sha256());
        Ok(format!(
            "{rows} {weighted}events of {} values with the SHA-256 {sha256}",
            known.dim
        ))
    }
}
