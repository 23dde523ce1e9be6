//! What OmniFold's two classifiers are trained on.

use crate::model::Real;
use crate::noise::Noise;
use crate::objective::Batch;
use crate::protocol::feed::SourceFeed;
use crate::room::{Gather, Grow};
use crate::train::{Feed, Passes, Resume, Words};
use crate::Result;

/// Rows that training draws from again and again; the first `held_out` of them are kept for the held-out loss.
pub(in crate::protocol) struct Shuffled {
    values: Vec<f64>,
    dim: usize,
    order: Passes,
    shuffle: Noise,
}

impl Shuffled {
    pub fn new(values: Vec<f64>, dim: usize, held_out: usize, shuffle: Noise) -> Result<Self> {
        Ok(Shuffled {
            order: Passes::new((0..values.len() / dim).gather()?, held_out),
            values,
            dim,
            shuffle,
        })
    }

    fn draw(&mut self, rows: usize) -> Result<Vec<usize>> {
        self.order.draw(rows, self.shuffle)
    }

    fn resume(&mut self, words: &mut Words) -> Result<()> {
        let to = words.next_drawn(self.order.drawn())?;
        self.order.resume(to, self.shuffle, words.go_on)
    }

    fn held_out(&self) -> usize {
        self.order.held_out().len()
    }

    fn append<T: Real>(&self, chosen: &[usize], batch: &mut Batch<T>) -> Result<()> {
        batch.x.room(chosen.len() * self.dim)?;
        for &row in chosen {
            let values = &self.values[row * self.dim..][..self.dim];
            batch.x.extend(values.iter().map(|&v| T::from_f64(v)));
        }
        Ok(())
    }
}

/// Step 1: target events (label 1) against generated ones with their weights ν (label 0).
pub(super) struct EventFeed<'f, 's, 'a> {
    pub target: SourceFeed<'s, 'a>,
    pub generated: &'f mut Shuffled,
    pub nu: &'f [f64],
}

impl EventFeed<'_, '_, '_> {
    fn append<T: Real>(&self, chosen: &[usize], batch: &mut Batch<T>) -> Result<()> {
        let rows = batch.rows;
        self.generated.append(chosen, batch)?;
        let weights = chosen.iter().map(|&row| T::from_f64(self.nu[row]));
        batch.weights.put_all(weights)?;
        batch.two_classes(rows)
    }
}

impl Resume for EventFeed<'_, '_, '_> {
    fn position(&self, words: &mut Vec<u64>) -> Result<()> {
        self.target.position(words)?;
        words.push(self.generated.order.drawn());
        Ok(())
    }

    fn resume(&mut self, words: &mut Words) -> Result<()> {
        self.target.resume(words)?;
        self.generated.resume(words)
    }
}

impl<T: Real> Feed<T> for EventFeed<'_, '_, '_> {
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()> {
        self.target.fill(rows, batch)?;
        let chosen = self.generated.draw(rows)?;
        self.append(&chosen, batch)
    }

    fn pass(&self) -> Option<usize> {
        self.target.source.pass()
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        let mut batches: Vec<Batch<T>> = self.target.held_out()?;
        let mut first = 0;
        for batch in &mut batches {
            let rows = first..first + batch.rows;
            first = rows.end;
            let chosen = rows
                .map(|row| row % self.generated.held_out().max(1))
                .gather()?;
            self.append(&chosen, batch)?;
        }
        Ok(batches)
    }
}

/// Step 2: the same latents, with the weights ω (label 1) and with 1 (label 0).
pub(in crate::protocol) struct LatentFeed<'f> {
    pub latents: &'f mut Shuffled,
    pub omega: &'f [f64],
    /// In place of 1 where ω is 0.
    pub impossible: f64,
}

impl LatentFeed<'_> {
    fn batch<T: Real>(&self, chosen: &[usize], batch: &mut Batch<T>) -> Result<()> {
        batch.x.clear();
        batch.x.room(2 * chosen.len() * self.latents.dim)?;
        self.latents.append(chosen, batch)?;
        batch.x.extend_from_within(..);
        batch.weights.clear();
        let weights = chosen.iter().map(|&row| T::from_f64(self.omega[row]));
        batch.weights.put_all(weights)?;
        let others = chosen.iter().map(|&row| match self.omega[row] {
            0.0 => T::from_f64(self.impossible),
            _ => T::from_f64(1.0),
        });
        batch.weights.put_all(others)?;
        batch.two_classes(chosen.len())
    }
}

impl Resume for LatentFeed<'_> {
    fn position(&self, words: &mut Vec<u64>) -> Result<()> {
        words.push(self.latents.order.drawn());
        Ok(())
    }

    fn resume(&mut self, words: &mut Words) -> Result<()> {
        self.latents.resume(words)
    }
}

impl<T: Real> Feed<T> for LatentFeed<'_> {
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()> {
        let chosen = self.latents.draw(rows)?;
        self.batch(&chosen, batch)
    }

    fn pass(&self) -> Option<usize> {
        Some(self.latents.order.rows())
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        const CHUNK: usize = 4096;
        let rows = (0..self.latents.held_out()).gather()?;
        let batches = rows.chunks(CHUNK).map(|rows| {
            let mut batch = Batch::default();
            self.batch(rows, &mut batch)?;
            Ok(batch)
        });
        batches.gather_all()
    }
}
