//! The target's events as batches of a training.

use super::source::{Events, Source, CHUNK};
use crate::model::{Real, Scaling};
use crate::objective::Batch;
use crate::options::{keys, Options};
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
    pub weight: f64,
}

impl<'s, 'a> SourceFeed<'s, 'a> {
    pub fn new(
        source: &'s mut Source<'a>,
        scalings: &'s [Scaling],
        options: &'s Options,
    ) -> Result<Self> {
        source.bound(scalings)?;
        let weight_unit = match source.held_out(options)? {
            held_out if held_out.len() > 0 => {
                held_out.w.iter().sum::<f64>() / held_out.len() as f64
            }
            _ => 1.0,
        };
        if weight_unit <= 0.0 || !weight_unit.is_finite() {
            return Err(Error::Data(format!(
                "the mean weight of the held-out events is {weight_unit}; the total weight of a sample must be positive and finite"
            )));
        }
        Ok(SourceFeed {
            source,
            scalings,
            options,
            weight_unit,
            rows: 0.0,
            weight: 0.0,
        })
    }

    fn append<T: Real>(scalings: &[Scaling], unit: f64, rows: &Events, batch: &mut Batch<T>) {
        batch.x.extend(
            rows.x
                .iter()
                .enumerate()
                .map(|(i, &x)| T::from_f64(scalings[i % rows.dim].forward(x))),
        );
        batch
            .weights
            .extend(rows.w.iter().map(|&w| T::from_f64(w / unit)));
        batch.rows += rows.len();
    }
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
        self.weight += buffer.w.iter().sum::<f64>();
        Self::append(self.scalings, self.weight_unit, buffer, batch);
        Ok(())
    }

    fn pass(&self) -> Option<usize> {
        self.source.pass()
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        let (scalings, unit) = (self.scalings, self.weight_unit);
        let rows = self.source.held_out(self.options)?;
        let chunks = rows.w.chunks(CHUNK).zip(rows.x.chunks(CHUNK * rows.dim));
        Ok(chunks
            .map(|(w, x)| {
                let mut batch = Batch::default();
                let rows = Events {
                    dim: rows.dim,
                    x: x.to_vec(),
                    w: w.to_vec(),
                };
                Self::append(scalings, unit, &rows, &mut batch);
                batch
            })
            .collect())
    }
}
