//! Events of two sources as batches of a classifier's training.

use crate::model::{Real, Region, Scaling};
use crate::noise::places;
use crate::objective::Batch;
use crate::options::{keys, Options};
use crate::protocol::feed::{seen, SourceFeed};
use crate::protocol::source::{Events, Source, CHUNK};
use crate::room::{self, Gather, Grow};
use crate::train::{Feed, Resume, Words};
use crate::{Error, Result};
use std::sync::Arc;

/// As many events of `to` (label 1) as of `from` (label 0), each source at its own pace. Arrays are drawn from in the same order, so that of
/// samples whose events belong together in pairs, pairs are held out.
///
/// Where `from` has no conditions, those of a batch of `to` are given to its events, turned by a random number of rows, so that an event meets
/// all of them; with the weights that they had, so that they have one distribution in both classes.
pub(in crate::protocol) struct PairFeed<'s, 'a, 'b> {
    from: SourceFeed<'s, 'a>,
    to: SourceFeed<'s, 'b>,
    /// Of the columns of `to`.
    scalings: &'s [Scaling],
    region: Option<Arc<dyn Region>>,
    seed: u64,
}

/// Rows with one weight each.
#[derive(Clone, Copy)]
struct Part<'p> {
    x: &'p [f64],
    w: &'p [f64],
}

impl<'p> Part<'p> {
    fn of(events: &'p Events) -> Self {
        Part {
            x: &events.x,
            w: &events.w,
        }
    }

    fn rows(events: &'p Events, rows: std::ops::Range<usize>) -> Self {
        Part {
            x: &events.x[rows.start * events.dim..rows.end * events.dim],
            w: &events.w[rows],
        }
    }
}

impl<'s, 'a, 'b> PairFeed<'s, 'a, 'b> {
    /// # Errors
    /// [`Error::Data`] if the total weight of either is not positive; those of the host.
    pub fn new(
        from: &'s mut Source<'a>,
        to: &'s mut Source<'b>,
        scalings: &'s [Scaling],
        region: Option<Arc<dyn Region>>,
        options: &'s Options,
    ) -> Result<Self> {
        let own = &scalings[..from.dim()];
        Ok(PairFeed {
            from: of("from", SourceFeed::new(from, own, options))?,
            to: of("to", SourceFeed::new(to, scalings, options))?,
            scalings,
            region,
            seed: options.get(keys::SEED) as u64,
        })
    }

    /// Whether `from` has no conditions, but `to` has.
    fn given(&self) -> bool {
        self.from.source.dim() < self.scalings.len()
    }

    /// Fills a batch with as many rows of both.
    fn pair<T: Real>(
        &self,
        from: Part,
        to: Part,
        turned: usize,
        batch: &mut Batch<T>,
    ) -> Result<()> {
        let (rows, columns, own) = (to.w.len(), self.scalings.len(), self.from.source.dim());
        let partner = |row: usize| (row + turned) % rows;
        let mut x = room::empty(rows * columns)?;
        for (row, event) in from.x.chunks_exact(own).enumerate() {
            x.extend_from_slice(event);
            x.extend_from_slice(&to.x[partner(row) * columns..][own..columns]);
        }
        // What cannot be has no ratio: it counts, and teaches nothing.
        let mut inside = room::filled(rows, true)?;
        if let Some(region) = &self.region {
            region.inside(&x, &mut inside)?;
        }
        let of_to = to.w.iter().map(|w| w / self.to.weight_unit);
        let of_from = from.w.iter().zip(&inside).enumerate();
        let of_from = of_from.map(|(row, (w, inside))| {
            let w = w / self.from.weight_unit;
            let given = match self.given() {
                true => to.w[partner(row)] / self.to.weight_unit,
                false => 1.0,
            };
            if *inside {
                w * given
            } else {
                0.0
            }
        });
        *batch = Batch {
            step: batch.step,
            ..Batch::default()
        };
        batch
            .weights
            .put_all(of_to.chain(of_from).map(T::from_f64))?;
        for rows in [to.x, &x] {
            let seen = seen(rows, self.scalings)?;
            batch.x.put_all(seen.into_iter().map(T::from_f64))?;
        }
        batch.two_classes(rows)
    }

    /// Corrects the ratio f / (1 − f) for the total weights that the classes had, to that of densities that are normalised to 1.
    ///
    /// # Errors
    /// [`Error::Data`] if the mean weight of either source is not positive.
    pub fn log_ratio_offset(&self) -> Result<f64> {
        let (from, to) = (log_mean("from", &self.from)?, log_mean("to", &self.to)?);
        // Given the conditions of `to`, the events of `from` had its weights as well.
        Ok(if self.given() { from } else { from - to })
    }
}

/// The logarithm of the mean weight of the events served, in the unit that the loss saw.
fn log_mean(name: &str, feed: &SourceFeed) -> Result<f64> {
    let log = libm::log(feed.weight.plain() / feed.rows / feed.weight_unit);
    if feed.weight.value() > 0.0 && log.is_finite() {
        return Ok(log);
    }
    Err(Error::Data(format!(
        "`{name}`: the mean weight of its events is {}; the total weight of a sample must be positive",
        feed.weight.value() / feed.rows
    )))
}

impl Resume for PairFeed<'_, '_, '_> {
    fn position(&self, words: &mut Vec<u64>) -> Result<()> {
        self.from.position(words)?;
        self.to.position(words)
    }

    fn resume(&mut self, words: &mut Words) -> Result<()> {
        self.from.resume(words)?;
        self.to.resume(words)
    }
}

impl<T: Real> Feed<T> for PairFeed<'_, '_, '_> {
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()> {
        let mut turn = [0.0];
        let drawn = self.to.rows as u64;
        let noise = places::REWEIGHT_CONDITIONS.noise(self.seed);
        noise.uniforms(drawn, 0, &mut turn);
        of("from", self.from.draw(rows))?;
        of("to", self.to.draw(rows))?;
        let from = Part::of(self.from.source.buffer());
        let to = Part::of(self.to.source.buffer());
        self.pair(from, to, (turn[0] * rows as f64) as usize, batch)
    }

    fn pass(&self) -> Option<usize> {
        let passes = [self.from.source.pass(), self.to.source.pass()];
        passes.into_iter().flatten().min()
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        let from = self.from.source.held_out(self.from.options)?.copied()?;
        let to = self.to.source.held_out(self.to.options)?.copied()?;
        let rows = from.len().min(to.len());
        let chunks = (0..rows).step_by(CHUNK).map(|first| {
            let chunk = first..rows.min(first + CHUNK);
            let mut batch = Batch::default();
            let (from, to) = (
                Part::rows(&from, chunk.clone()),
                Part::rows(&to, chunk.clone()),
            );
            self.pair(from, to, chunk.len() / 2, &mut batch)?;
            Ok(batch)
        });
        chunks.gather_all()
    }
}

/// Says which of the sources an error is about.
pub(in crate::protocol) fn of<T>(source: &str, result: Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::Data(what) => Error::Data(format!("`{source}`: {what}")),
        Error::InvalidArgument(what) => Error::InvalidArgument(format!("`{source}`: {what}")),
        Error::NotFinite {
            row,
            column,
            message,
        } => Error::NotFinite {
            row,
            column,
            message: format!("`{source}`: {message}"),
        },
        other => other,
    })
}
