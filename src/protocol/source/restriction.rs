//! Events outside the support, left out and counted.

use crate::model::Region;
use crate::room;
use crate::{Error, Result};
use std::sync::Arc;

pub(super) struct Restriction {
    region: Arc<dyn Region>,
    allowed: f64,
    /// Events looked at, and those of them that were outside.
    pub seen: u64,
    pub outside: u64,
}

/// Events outside above the allowed share by so many standard deviations are no chance.
const TOO_MANY: f64 = 5.0;

impl Restriction {
    pub fn new(region: Arc<dyn Region>, allowed: f64) -> Self {
        Restriction {
            region,
            allowed,
            seen: 0,
            outside: 0,
        }
    }

    /// Marks the rows that are inside, and counts the others.
    ///
    /// # Errors
    /// [`Error::Data`] if they are more than may be; `place` tells where a row is.
    pub fn mark(
        &mut self,
        x: &[f64],
        dim: usize,
        place: impl Fn(usize) -> String,
    ) -> Result<Vec<bool>> {
        let inside = self.count(x, dim)?;
        self.judge(&inside, x, dim, place)?;
        Ok(inside)
    }

    /// The same, of rows that lay beside each other: by their share nothing can be told, where a share is allowed.
    pub fn mark_neighbours(
        &mut self,
        x: &[f64],
        dim: usize,
        place: impl Fn(usize) -> String,
    ) -> Result<Vec<bool>> {
        let inside = self.count(x, dim)?;
        if self.allowed == 0.0 {
            self.judge(&inside, x, dim, place)?;
        }
        Ok(inside)
    }

    fn count(&mut self, x: &[f64], dim: usize) -> Result<Vec<bool>> {
        let mut inside = room::filled(x.len() / dim, true)?;
        self.region.inside(x, &mut inside)?;
        self.seen += inside.len() as u64;
        self.outside += inside.iter().filter(|inside| !**inside).count() as u64;
        Ok(inside)
    }

    fn judge(
        &self,
        inside: &[bool],
        x: &[f64],
        dim: usize,
        place: impl Fn(usize) -> String,
    ) -> Result<()> {
        let most = match self.allowed * self.seen as f64 {
            0.0 => 0.0,
            expected => expected + TOO_MANY * (1.0 + expected.sqrt()),
        };
        let first = inside.iter().position(|inside| !inside);
        let Some(row) = first.filter(|_| self.outside as f64 > most) else {
            return Ok(());
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
