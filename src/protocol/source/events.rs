//! Rows of events with their weights.

use crate::model::Scaling;
use crate::room::{self, Grow};
use crate::Result;

/// Rows of events with their weights, row-major.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    pub dim: usize,
    pub x: Vec<f64>,
    pub w: Vec<f64>,
}

impl Events {
    pub fn new(dim: usize) -> Self {
        Events {
            dim,
            x: Vec::new(),
            w: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.w.len()
    }

    /// The features of event `row`.
    pub fn event(&self, row: usize) -> &[f64] {
        &self.x[row * self.dim..][..self.dim]
    }

    /// The same events.
    pub fn copied(&self) -> Result<Self> {
        Ok(Events {
            dim: self.dim,
            x: room::copied(&self.x)?,
            w: room::copied(&self.w)?,
        })
    }

    /// Room for so many more.
    pub fn room(&mut self, rows: usize) -> Result<()> {
        self.x.room(rows * self.dim)?;
        self.w.room(rows)
    }

    /// So many rows that a host has yet to write. What it forgets to write must not pass for an event, nor for a weight of 1.
    pub fn unwritten(&mut self, rows: usize, weighted: bool) -> Result<()> {
        self.x.clear();
        self.x.sized(rows * self.dim, f64::NAN)?;
        self.w.clear();
        self.w.sized(rows, unwritten_weight(weighted))
    }

    /// Puts the events of another behind its own.
    pub fn put(&mut self, other: &Events) -> Result<()> {
        self.x.put_all(other.x.iter().copied())?;
        self.w.put_all(other.w.iter().copied())
    }

    /// Exchanges an event with one of another.
    pub fn swap(&mut self, row: usize, other: &mut Events, its: usize) {
        let dim = self.dim;
        self.x[row * dim..][..dim].swap_with_slice(&mut other.x[its * dim..][..dim]);
        std::mem::swap(&mut self.w[row], &mut other.w[its]);
    }

    /// Keeps the rows that are marked.
    pub fn retain(&mut self, keep: &[bool]) {
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
    pub fn defect(&self, scalings: &[Scaling]) -> Option<String> {
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

/// The weight of a row that a host has yet to write: that of an unweighted source is known.
pub(super) fn unwritten_weight(weighted: bool) -> f64 {
    if weighted {
        f64::NAN
    } else {
        1.0
    }
}

/// The first value of an event that its scaling cannot take, in words.
pub(super) fn objection(row: usize, event: &[f64], scalings: &[Scaling]) -> Option<String> {
    let mut columns = event.iter().zip(scalings).enumerate();
    columns.find_map(|(column, (&x, scaling))| {
        let what = scaling.objection(x)?;
        Some(format!("column {column} of row {row} is {x}, {what}"))
    })
}
