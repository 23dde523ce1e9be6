//! The target's events as batches of a training.

use super::source::{Events, Source, CHUNK};
use crate::metrics::Sum;
use crate::model::{Real, Scaling};
use crate::objective::Batch;
use crate::options::{keys, Options};
use crate::room::{self, Gather, Grow};
use crate::train::Feed;
use crate::{Error, Result};

/// Training events of a source, scaled to what the networks see.
pub(crate) struct SourceFeed<'s, 'a> {
    pub source: &'s mut Source<'a>,
    pub scalings: &'s [Scaling],
    pub options: &'s Options,
    /// Unit of the weights: losses see w / unit.
    pub weight_unit: f64,
    /// Totals over the events served.
    pub rows: f64,
    pub weight: Sum,
}

impl<'s, 'a> SourceFeed<'s, 'a> {
    pub fn new(
        source: &'s mut Source<'a>,
        scalings: &'s [Scaling],
        options: &'s Options,
    ) -> Result<Self> {
        source.bound(scalings)?;
        let weight_unit = match source.held_out(options)? {
            held_out if held_out.len() > 0 => mean_weight(&held_out.w)?,
            _ => 1.0,
        };
        Ok(SourceFeed {
            source,
            scalings,
            options,
            weight_unit,
            rows: 0.0,
            weight: Sum::default(),
        })
    }

    fn append<T: Real>(
        scalings: &[Scaling],
        unit: f64,
        rows: &Events,
        batch: &mut Batch<T>,
    ) -> Result<()> {
        batch.x.put_all(
            rows.x
                .iter()
                .enumerate()
                .map(|(i, &x)| T::from_f64(scalings[i % rows.dim].forward(x))),
        )?;
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

impl<T: Real> Feed<T> for SourceFeed<'_, '_> {
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()> {
        let seed = self.options.get(keys::SEED) as u64;
        self.source.next(rows, seed)?;
        *batch = Batch {
            step: batch.step,
            ..Batch::default()
        };
        let buffer = self.source.buffer();
        self.rows += buffer.len() as f64;
        self.weight.merge(&buffer.w.iter().copied().collect());
        Self::append(self.scalings, self.weight_unit, buffer, batch)
    }

    fn pass(&self) -> Option<usize> {
        self.source.pass()
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        let (scalings, unit) = (self.scalings, self.weight_unit);
        let rows = self.source.held_out(self.options)?;
        let chunks = rows.w.chunks(CHUNK).zip(rows.x.chunks(CHUNK * rows.dim));
        chunks
            .map(|(w, x)| {
                let mut batch = Batch::default();
                let rows = Events {
                    dim: rows.dim,
                    x: room::copied(x)?,
                    w: room::copied(w)?,
                };
                Self::append(scalings, unit, &rows, &mut batch)?;
                Ok(batch)
            })
            .gather_all()
    }
}
