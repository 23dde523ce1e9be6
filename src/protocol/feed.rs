//! The target's events as batches of a training.

use super::source::{Events, Source, CHUNK};
use crate::metrics::Sum;
use crate::model::{Real, Scaling};
use crate::noise::{places, Noise};
use crate::objective::Batch;
use crate::options::{keys, Options};
use crate::room::{self, Gather, Grow};
use crate::train::{Feed, Resume, Words};
use crate::{Error, Result};

/// What a classifier sees of rows, one after the other.
pub(super) fn seen(rows: &[f64], scalings: &[Scaling]) -> Result<Vec<f64>> {
    let inputs: usize = scalings.iter().map(Scaling::inputs).sum();
    let mut seen = room::empty(rows.len() / scalings.len().max(1) * inputs)?;
    for (&x, scaling) in rows.iter().zip(scalings.iter().cycle()) {
        scaling.each_input(x, MIDDLE, |u| seen.push(u));
    }
    Ok(seen)
}

/// Rows as a generator learns them: the first `features` values that have cells are spread over these by `noise`, of which the first row
/// has the number `first`.
pub(super) fn spread(
    rows: &[f64],
    scalings: &[Scaling],
    features: usize,
    (noise, first): (Noise, u64),
    mut take: impl FnMut(f64),
) -> Result<()> {
    let stepped = scalings[..features].iter().any(Scaling::stepped);
    let mut places = room::filled(if stepped { features } else { 0 }, MIDDLE)?;
    for (number, row) in (first..).zip(rows.chunks_exact(scalings.len())) {
        noise.uniforms(number, 0, &mut places);
        for (column, (&x, scaling)) in row.iter().zip(scalings).enumerate() {
            let r = places.get(column).copied().unwrap_or(MIDDLE);
            scaling.each_input(x, r, &mut take);
        }
    }
    Ok(())
}

/// Of a cell.
const MIDDLE: f64 = 0.5;

/// Training events of a source, scaled to what the networks see.
pub(crate) struct SourceFeed<'s, 'a> {
    pub source: &'s mut Source<'a>,
    pub scalings: &'s [Scaling],
    /// How many of the first columns a generator learns: values that have cells are spread over them.
    spread: usize,
    pub options: &'s Options,
    /// Unit of the weights: losses see w / unit.
    pub weight_unit: f64,
    /// Totals over the events served.
    pub rows: f64,
    pub weight: Sum,
}

impl<'s, 'a> SourceFeed<'s, 'a> {
    /// For a classifier; what values there can be has been said by [`Source::bound`].
    ///
    /// # Errors
    /// [`Error::Data`] if the total weight is not positive; those of the host.
    pub fn new(
        source: &'s mut Source<'a>,
        scalings: &'s [Scaling],
        options: &'s Options,
    ) -> Result<Self> {
        let weight_unit = match source.held_out(options)? {
            held_out if held_out.len() > 0 => mean_weight(&held_out.w)?,
            _ => 1.0,
        };
        Ok(SourceFeed {
            source,
            scalings,
            spread: 0,
            options,
            weight_unit,
            rows: 0.0,
            weight: Sum::default(),
        })
    }

    /// For a generator, which makes the first `features` columns.
    ///
    /// # Errors
    /// As [`SourceFeed::new`]; [`Error::Data`] for events that a scaling cannot take.
    pub fn of_generator(
        source: &'s mut Source<'a>,
        scalings: &'s [Scaling],
        features: usize,
        options: &'s Options,
    ) -> Result<Self> {
        source.bound(scalings)?;
        let mut feed = Self::new(source, scalings, options)?;
        feed.spread = features;
        Ok(feed)
    }

    /// Draws so many events into the source's buffer, and counts them.
    ///
    /// # Errors
    /// Those of the source.
    pub fn draw(&mut self, rows: usize) -> Result<()> {
        let seed = self.options.get(keys::SEED) as u64;
        self.source.next(rows, seed)?;
        let buffer = self.source.buffer();
        self.rows += buffer.len() as f64;
        self.weight.merge(&buffer.w.iter().copied().collect());
        Ok(())
    }

    fn append<T: Real>(
        (scalings, features): (&[Scaling], usize),
        noise: (Noise, u64),
        unit: f64,
        rows: &Events,
        batch: &mut Batch<T>,
    ) -> Result<()> {
        let inputs: usize = scalings.iter().map(Scaling::inputs).sum();
        batch.x.room(rows.len() * inputs)?;
        spread(&rows.x, scalings, features, noise, |u| {
            batch.x.push(T::from_f64(u));
        })?;
        batch
            .weights
            .put_all(rows.w.iter().map(|&w| T::from_f64(w / unit)))?;
        batch.rows += rows.len();
        Ok(())
    }
}

/// Of the held-out events.
fn mean_weight(weights: &[f64]) -> Result<f64> {
    let rows = weights.len() as f64;
    let sum: Sum = weights.iter().copied().collect();
    let mean = sum.plain() / rows;
    if sum.value() > 0.0 && mean > 0.0 && mean.is_finite() {
        return Ok(mean);
    }
    Err(Error::Data(format!(
        "the mean weight of the held-out events is {}; the total weight of a sample must be positive and finite",
        sum.value() / rows
    )))
}

impl Resume for SourceFeed<'_, '_> {
    fn position(&self, words: &mut Vec<u64>) -> Result<()> {
        self.source.position(words)?;
        words.push(self.rows.to_bits());
        words.extend(self.weight.words());
        Ok(())
    }

    fn resume(&mut self, words: &mut Words) -> Result<()> {
        self.source.resume(words, self.options)?;
        self.rows = f64::from_bits(words.next_word()?);
        let mut word = || words.next_word();
        self.weight = Sum::from_words([word()?, word()?, word()?]);
        Ok(())
    }
}

impl<T: Real> Feed<T> for SourceFeed<'_, '_> {
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()> {
        let seed = self.options.get(keys::SEED) as u64;
        let noise = (places::SPREAD_TRAINING.noise(seed), self.rows as u64);
        self.draw(rows)?;
        *batch = Batch {
            step: batch.step,
            ..Batch::default()
        };
        let columns = (self.scalings, self.spread);
        let buffer = self.source.buffer();
        Self::append(columns, noise, self.weight_unit, buffer, batch)
    }

    fn pass(&self) -> Option<usize> {
        self.source.pass()
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        let (columns, unit) = ((self.scalings, self.spread), self.weight_unit);
        let noise = places::SPREAD_HELD_OUT.noise(self.options.get(keys::SEED) as u64);
        let rows = self.source.held_out(self.options)?;
        let chunks = rows.w.chunks(CHUNK).zip(rows.x.chunks(CHUNK * rows.dim));
        (0u64..)
            .step_by(CHUNK)
            .zip(chunks)
            .map(|(first, (w, x))| {
                let mut batch = Batch::default();
                let rows = Events {
                    dim: rows.dim,
                    x: room::copied(x)?,
                    w: room::copied(w)?,
                };
                Self::append(columns, (noise, first), unit, &rows, &mut batch)?;
                Ok(batch)
            })
            .gather_all()
    }
}
