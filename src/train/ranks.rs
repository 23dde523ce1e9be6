//! Many processes at one call: the host's own sum over ranks.
//!
//! All ranks make the same call with the same options, and do the same; where work is large each does its part of the rows, and the host sums
//! what they found. So they hold the same numbers, take the same decisions, and end in the same bits. No rank is told anything but by sums:
//! before each, a short one of heads says whether all are well and at the same place, so that one that must end takes the others with it.

use crate::model::Real;
use crate::objective::{Batch, Objective};
use crate::room::{self, Gather, Grow};
use crate::{Error, Result};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// The sum over ranks, of the host: MPI's allreduce, or another.
pub trait AllReduce: Send + Sync {
    /// Replaces every value by its sum over all ranks, which call it alike. All must get the same bits.
    ///
    /// # Errors
    /// Whatever the host stops with, as [`Error::Host`].
    fn sum(&self, values: &mut [f64]) -> Result<()>;
}

/// Numbers of so many bits have squares whose sum over the most ranks a double holds.
const COUNTED: u32 = (1 << 18) - 1;

/// This process among those that make a call together.
pub struct Ranks {
    rank: usize,
    ranks: usize,
    host: Box<dyn AllReduce>,
    /// Whether a sum has failed, or a rank has ended: no other sum is asked for in this call.
    apart: AtomicBool,
}

impl std::fmt::Debug for Ranks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank, self.ranks)
    }
}

impl Ranks {
    /// Rank `rank`, from 0, of `ranks`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is none of them, or they are more than sums of whole numbers can count.
    pub fn new(rank: usize, ranks: usize, host: Box<dyn AllReduce>) -> Result<Self> {
        const MOST: usize = 1 << 16;
        if ranks == 0 || ranks > MOST || rank >= ranks {
            return Err(Error::InvalidArgument(format!(
                "rank {rank} of {ranks}: ranks count from 0, and are at most {MOST}"
            )));
        }
        Ok(Ranks {
            rank,
            ranks,
            host,
            apart: AtomicBool::new(false),
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.ranks
    }

    /// The number of this one.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// The words of every rank, in the order of ranks; each has as many.
    ///
    /// # Errors
    /// Those of [`Ranks::sum`].
    pub(crate) fn gather(&self, words: &[u64]) -> Result<Vec<u64>> {
        // Halves: a double holds 53 bits.
        let mut halves = room::filled(2 * words.len() * self.ranks, 0.0)?;
        let own = halves.chunks_exact_mut(2 * words.len()).nth(self.rank);
        for (pair, word) in own
            .into_iter()
            .flat_map(|h| h.chunks_exact_mut(2))
            .zip(words)
        {
            pair.copy_from_slice(&[(word >> 32) as f64, (word & 0xffff_ffff) as f64]);
        }
        self.sum(&mut halves)?;
        let whole = |pair: &[f64]| (pair[0] as u64) << 32 | pair[1] as u64;
        halves.chunks_exact(2).map(whole).gather()
    }

    /// Whether this is the one that writes what one has to write.
    pub(crate) fn first(&self) -> bool {
        self.rank == 0
    }

    /// The part of `rows` rows that is this rank's.
    pub(crate) fn part(&self, rows: usize) -> Range<usize> {
        self.part_of(self.rank, rows)
    }

    /// That of another.
    pub(crate) fn part_of(&self, rank: usize, rows: usize) -> Range<usize> {
        let share = |rank: usize| rows * rank / self.ranks;
        share(rank)..share(rank + 1)
    }

    /// Sums over ranks.
    ///
    /// # Errors
    /// Those of the host; [`Error::Host`] if another rank has ended, or asks for another sum.
    pub(crate) fn sum(&self, values: &mut [f64]) -> Result<()> {
        self.meet(false, values.len())?;
        self.host.sum(values).inspect_err(|_| self.part_ways())
    }

    fn part_ways(&self) {
        self.apart.store(true, Ordering::Relaxed);
    }

    /// The head of a sum of `length` values, or of none.
    fn meet(&self, ended: bool, length: usize) -> Result<()> {
        if self.apart.load(Ordering::Relaxed) {
            return Err(Error::Internal("ranks that are apart do not sum".into()));
        }
        // Mixed, so that no two lengths are near each other.
        let length = (length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let length = (length as u32 & COUNTED) as f64;
        let mut head = [f64::from(u8::from(ended)), length, length * length];
        let met = self.host.sum(&mut head);
        let ranks = self.ranks as f64;
        let why = match met {
            Err(error) => Some(error),
            // A rank that ends does so on its own account.
            Ok(()) if ended => None,
            Ok(()) if head[0] > 0.0 => {
                Some(Error::Host("another rank has ended the call".into()))
            }
            // Sums of squares are exact; where numbers are equal, so are these products.
            Ok(()) if head[1] * head[1] != ranks * head[2] => Some(Error::Host(
                "the ranks do not do the same: they must make the same call with the same options, array or file".into(),
            )),
            Ok(()) => None,
        };
        why.map_or(Ok(()), |error| {
            self.part_ways();
            Err(error)
        })
    }

    /// Checks that a checksum is the same on all ranks.
    ///
    /// # Errors
    /// [`Error::Host`] if it is not; those of [`Ranks::sum`].
    pub(crate) fn agree(&self, number: u32, what: &str) -> Result<()> {
        let number = f64::from(number & COUNTED);
        let mut sums = [number, number * number];
        self.sum(&mut sums)?;
        if sums[0] * sums[0] == self.ranks as f64 * sums[1] {
            return Ok(());
        }
        Err(Error::Host(
            format!("the ranks have not the same {what}").into(),
        ))
    }

    /// A call of all ranks.
    ///
    /// # Errors
    /// Its own; [`Error::Host`] if another rank has ended it.
    pub(crate) fn all<R>(&self, call: impl FnOnce() -> Result<R>) -> Result<R> {
        self.apart.store(false, Ordering::Relaxed);
        let end = End(self);
        let result = call();
        std::mem::forget(end);
        if self.apart.load(Ordering::Relaxed) {
            return result;
        }
        let others = self.meet(result.is_err(), 0);
        let result = result?;
        others.map(|()| result)
    }
}

/// Tells the other ranks of a panic.
struct End<'a>(&'a Ranks);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if !self.0.apart.load(Ordering::Relaxed) {
            // It ends as it is, whatever they answer.
            let _ = self.0.meet(true, 0);
        }
    }
}

/// Makes a call, with other ranks if there are any.
///
/// # Errors
/// Those of [`Ranks::all`].
pub(crate) fn with_ranks<R>(
    ranks: Option<&Arc<Ranks>>,
    call: impl FnOnce() -> Result<R>,
) -> Result<R> {
    match ranks {
        Some(ranks) => ranks.all(call),
        None => call(),
    }
}

/// A loss whose batches are worked on by all ranks, each on its own rows.
pub(crate) struct Shared<'a, T: Real> {
    own: Box<dyn Objective<T> + 'a>,
    ranks: Arc<Ranks>,
    batch: Batch<T>,
    /// A gradient, the loss behind it, and whether there is one.
    sums: Vec<f64>,
}

impl<'a, T: Real> Shared<'a, T> {
    pub fn new(own: Box<dyn Objective<T> + 'a>, ranks: Arc<Ranks>) -> Self {
        Shared {
            own,
            ranks,
            batch: Batch::default(),
            sums: Vec::new(),
        }
    }

    /// The share of this rank's rows in all; they lie in `self.batch`.
    fn take(&mut self, batch: &Batch<T>) -> Result<f64> {
        let rows = self.ranks.part(batch.rows);
        let columns = batch.x.len() / batch.rows.max(1);
        let own = &mut self.batch;
        own.x.clear();
        own.weights.clear();
        own.labels.clear();
        let x = rows.start * columns..rows.end * columns;
        own.x.put_all(batch.x[x].iter().copied())?;
        own.weights
            .put_all(batch.weights[rows.clone()].iter().copied())?;
        if !batch.labels.is_empty() {
            own.labels
                .put_all(batch.labels[rows.clone()].iter().copied())?;
        }
        own.rows = rows.len();
        own.step = batch.step;
        own.part = (rows.start, batch.rows);
        Ok(rows.len() as f64 / batch.rows.max(1) as f64)
    }
}

impl<T: Real> Objective<T> for Shared<'_, T> {
    fn parts(&self) -> Vec<usize> {
        self.own.parts()
    }

    fn due(&self, part: usize, step: u64) -> bool {
        self.own.due(part, step)
    }

    fn gradient(
        &mut self,
        part: usize,
        parameters: &[T],
        batch: &Batch<T>,
        gradient: &mut [T],
    ) -> Result<f64> {
        let share = self.take(batch)?;
        let mut loss = 0.0;
        gradient.fill(T::default());
        if self.batch.rows > 0 {
            loss = self.own.gradient(part, parameters, &self.batch, gradient)?;
        }
        self.sums.clear();
        self.sums.room(gradient.len() + 1)?;
        let own = gradient.iter().map(|g| share * g.to_f64());
        self.sums.extend(own.chain([share * loss]));
        self.ranks.sum(&mut self.sums)?;
        let sums = gradient.iter_mut().zip(&self.sums);
        sums.for_each(|(g, sum)| *g = T::from_f64(*sum));
        Ok(self.sums[gradient.len()])
    }

    fn loss(&mut self, parameters: &[T], batch: &Batch<T>) -> Result<f64> {
        let share = self.take(batch)?;
        let mut sum = [0.0];
        if self.batch.rows > 0 {
            sum[0] = share * self.own.loss(parameters, &self.batch)?;
        }
        self.ranks.sum(&mut sum)?;
        Ok(sum[0])
    }
}

/// A number that differs where values do, but for chance.
pub(crate) fn checksum<T: Real>(values: &[T]) -> u32 {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    let values = values.iter().map(|v| v.to_f64().to_le_bytes());
    values.for_each(|bytes| hash.update(bytes));
    let hash = hash.finalize();
    u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if all ranks had the same values.
    struct Alike(f64);

    impl AllReduce for Alike {
        fn sum(&self, values: &mut [f64]) -> Result<()> {
            // One after the other, as a host may.
            for value in values {
                *value = (0..self.0 as u32).fold(0.0, |sum, _| sum + *value);
            }
            Ok(())
        }
    }

    #[test]
    fn any_number_of_ranks_that_have_the_same_agree() {
        for ranks in [2, 33, 64, 1000, 65_536] {
            let all = Ranks::new(0, ranks, Box::new(Alike(ranks as f64))).unwrap();
            for number in [0, 1, 0x0001_2345, 0x0003_ffff, 0xdead_beef, u32::MAX] {
                all.agree(number, "number").unwrap();
            }
            for length in [1, 3, 20_000_001] {
                all.meet(false, length).unwrap();
            }
        }
    }
}
