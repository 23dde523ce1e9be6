//! Rows that trainings draw from again and again.

use super::GoOn;
use crate::noise::Noise;
use crate::{room, Result};
use rand::seq::SliceRandom;
use std::ops::Range;

/// The order in which rows are drawn, without end: all of them in every pass, shuffled anew for each. The rows before `held_out` are left
/// out of the passes.
#[derive(Clone, Debug)]
pub(crate) struct Passes {
    order: Vec<usize>,
    held_out: usize,
    next: usize,
    pass: u64,
    /// Rows drawn since it was made.
    drawn: u64,
}

impl Passes {
    /// Of the rows `order`, of which the first `held_out` are not drawn.
    pub fn new(order: Vec<usize>, held_out: usize) -> Self {
        Passes {
            next: order.len(),
            order,
            held_out,
            pass: 0,
            drawn: 0,
        }
    }

    /// The same, to be drawn from as if nothing had been since.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory).
    pub fn copied(&self) -> Result<Self> {
        Ok(Passes {
            order: room::copied(&self.order)?,
            ..*self
        })
    }

    /// Rows of one pass.
    pub fn rows(&self) -> usize {
        self.order.len() - self.held_out
    }

    /// The rows that are left out.
    pub fn held_out(&self) -> &[usize] {
        &self.order[..self.held_out]
    }

    /// All rows, those that are left out first.
    pub fn all(&self) -> &[usize] {
        &self.order
    }

    /// Forgets the rows that are not to be kept, of both kinds; a pass begins anew.
    pub fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        if self.order.iter().all(|&row| keep(row)) {
            return;
        }
        self.held_out = self.held_out().iter().filter(|&&row| keep(row)).count();
        self.order.retain(|&row| keep(row));
        self.next = self.order.len();
    }

    /// The first `rows` rows, those that are left out before the others.
    pub fn first(&self, rows: usize) -> &[usize] {
        &self.order[..rows]
    }

    /// The next `rows` rows; where a pass ends, the next begins. None if there is none to draw.
    pub fn draw(&mut self, rows: usize, noise: Noise) -> Result<Vec<usize>> {
        let mut drawn = room::empty(rows)?;
        while drawn.len() < rows && self.rows() > 0 {
            let next = self.advance(rows - drawn.len(), noise);
            drawn.extend_from_slice(&self.order[next]);
        }
        Ok(drawn)
    }

    /// Where the next rows lie in the order: `most`, or fewer where a pass ends.
    fn advance(&mut self, most: usize, noise: Noise) -> Range<usize> {
        if self.next == self.order.len() {
            self.order[self.held_out..].shuffle(&mut noise.rng(self.pass));
            self.pass += 1;
            self.next = self.held_out;
        }
        let end = self.order.len().min(self.next + most);
        let rows = self.next..end;
        self.next = end;
        self.drawn += rows.len() as u64;
        rows
    }

    /// Rows drawn since it was made: its position.
    pub fn drawn(&self) -> u64 {
        self.drawn
    }

    /// Draws, and forgets, until it is at position `drawn`.
    ///
    /// # Errors
    /// Those of `go_on`.
    pub fn resume(&mut self, drawn: u64, noise: Noise, go_on: GoOn) -> Result<()> {
        const BLOCK: u64 = 1 << 16;
        let mut asked = self.drawn;
        while self.drawn < drawn && self.rows() > 0 {
            if self.drawn - asked >= BLOCK {
                asked = self.drawn;
                go_on()?;
            }
            let most = usize::try_from(drawn - self.drawn).unwrap_or(usize::MAX);
            self.advance(most.min(self.order.len()), noise);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::domain;

    #[test]
    fn every_pass_has_every_row_once_whatever_is_drawn_at_a_time() {
        let noise = Noise::new(1, 0, domain::SHUFFLE);
        let mut all = Passes::new((0..10).collect(), 3);
        let whole = all.draw(21, noise).unwrap();
        for pass in whole.chunks(7) {
            let mut sorted = pass.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (3..10).collect::<Vec<_>>());
        }
        assert_ne!(whole[..7], whole[7..14]);
        let mut parts = Passes::new((0..10).collect(), 3);
        let drawn: Vec<usize> = [5, 1, 9, 6]
            .into_iter()
            .flat_map(|n| parts.draw(n, noise).unwrap())
            .collect();
        assert_eq!(drawn, whole);
        // Whoever goes on from a position draws what would have come.
        let mut on = Passes::new((0..10).collect(), 3);
        on.draw(2, noise).unwrap();
        on.resume(15, noise, &|| Ok(())).unwrap();
        assert_eq!(
            (on.drawn(), on.draw(6, noise).unwrap()),
            (15, whole[15..].to_vec())
        );
        // Far away, it asks whether to go on.
        let stop = || Err(crate::Error::Cancelled("far"));
        assert!(on.resume(u64::MAX, noise, &stop).is_err());
        assert!(Passes::new(vec![0, 1], 2)
            .draw(3, noise)
            .unwrap()
            .is_empty());
    }
}
