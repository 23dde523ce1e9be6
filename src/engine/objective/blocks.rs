//! What a loss is, and its sum over the blocks of a batch.

use crate::engine::cpu::Cpu;
use crate::engine::lanes::{self, Element};
use crate::engine::size::{pass, MOST_BLOCKS};
use crate::engine::threads::Team;
use crate::objective::{Batch, Goal, Objective};
use crate::Result;

/// A mean over the rows of a batch, with its gradient with respect to the parameters of networks.
pub(super) trait Loss<T: Element>: Sync {
    /// One thread's buffers: tapes, and sums of gradients.
    type Buffers: Send;

    /// Takes over the parameters of all parts.
    fn pack(&mut self, parameters: &[T]);

    /// How many blocks should pass its networks together: the most that it is given at once.
    fn together(&self) -> usize;

    /// Buffers, their sums 0.
    fn buffers(&self) -> Result<Self::Buffers>;

    /// Adds the share of every block of the group in the loss of part `part` to its own of `losses`. Their shares in the gradient are added
    /// to the buffers' sums, in the order of the blocks.
    fn add(&self, part: usize, group: Group<T>, buffers: &mut Self::Buffers, losses: &mut [f64]);

    /// As [`Loss::add`], without the gradient.
    fn loss(&self, part: usize, group: Group<T>, buffers: &mut Self::Buffers, losses: &mut [f64]);

    /// Adds the sums to the gradient of part `part` and makes them 0.
    fn collect(&self, part: usize, buffers: &mut Self::Buffers, gradient: &mut [T]);
}

/// Rows `first` to `first + rows` of a batch, in blocks that pass together.
#[derive(Clone, Copy)]
pub(super) struct Group<'a, T> {
    pub batch: &'a Batch<T>,
    pub first: usize,
    pub rows: usize,
    pub cpu: Cpu,
}

impl<'a, T: Element> Group<'a, T> {
    /// How many blocks there are.
    pub fn len(&self) -> usize {
        lanes::blocks::<T>(self.rows)
    }

    /// All rows of the blocks, those that do not count too.
    pub fn lanes(&self) -> usize {
        self.len() * T::ROWS
    }

    /// The blocks with their numbers.
    pub fn blocks(self) -> impl Iterator<Item = (usize, Block<'a, T>)> {
        let starts = (0..self.rows).step_by(T::ROWS).enumerate();
        starts.map(move |(block, start)| {
            let own = Block {
                batch: self.batch,
                first: self.first + start,
                rows: T::ROWS.min(self.rows - start),
            };
            (block, own)
        })
    }
}

/// Rows `first` to `first + rows` of a batch, at most a block of them.
#[derive(Clone, Copy)]
pub(super) struct Block<'a, T> {
    pub batch: &'a Batch<T>,
    pub first: usize,
    pub rows: usize,
}

impl<T: Element> Block<'_, T> {
    /// The values of every row from column `at` on into the lanes; 0 into lanes without a row.
    pub fn load(&self, at: usize, features: &mut [T::Feature]) {
        let columns = self.batch.x.len() / self.batch.rows;
        let rows = &self.batch.x[self.first * columns..][..self.rows * columns];
        load(rows, (at, columns), features);
    }

    /// Weights, divided by the number of rows of the batch; 0 in lanes without a row.
    pub fn weights(&self) -> T::Feature {
        let mut weights = T::Feature::default();
        let mean = T::from_f64(1.0 / self.batch.rows as f64);
        let rows = &self.batch.weights[self.first..][..self.rows];
        for (to, &w) in weights.as_mut().iter_mut().zip(rows) {
            *to = w * mean;
        }
        weights
    }

    /// Lanes with a row.
    pub fn lanes(&self) -> std::ops::Range<usize> {
        0..self.rows
    }
}

/// Rows of `columns` values, those from `at` on, into the lanes; 0 into lanes without a row.
pub(super) fn load<T: Element>(
    x: &[T],
    (at, columns): (usize, usize),
    features: &mut [T::Feature],
) {
    for (k, feature) in features.iter_mut().enumerate() {
        let (own, rest) = feature.as_mut().split_at_mut(x.len() / columns);
        for (to, row) in own.iter_mut().zip(x.chunks_exact(columns)) {
            *to = row[at + k];
        }
        rest.fill(T::default());
    }
}

/// A [`Loss`] over the blocks of a batch, divided among threads.
pub(super) struct Blocks<'a, T: Element, L: Loss<T>> {
    goal: Goal<'a>,
    loss: L,
    cpu: Cpu,
    /// One per thread, with the loss of its share.
    workers: Vec<(L::Buffers, f64)>,
    /// All but the caller's, for as long as the training lasts.
    team: Team,
}

/// Fewest blocks that are worth a thread.
const BLOCKS_PER_THREAD: usize = 2;

impl<'a, T: Element, L: Loss<T>> Blocks<'a, T, L> {
    pub fn new(goal: Goal<'a>, loss: L, threads: usize) -> Result<Self> {
        let workers = (0..threads.max(1)).map(|_| Ok((loss.buffers()?, 0.0)));
        Ok(Blocks {
            workers: workers.collect::<Result<_>>()?,
            goal,
            loss,
            cpu: Cpu::detect(),
            team: Team::default(),
        })
    }

    /// The sum of `f` over all blocks, and how many threads took part.
    fn sum(
        &mut self,
        batch: &Batch<T>,
        f: impl Fn(&L, Group<T>, &mut L::Buffers, &mut [f64]) + Sync,
    ) -> Result<(f64, usize)> {
        let (rows, cpu, loss, f) = (batch.rows, self.cpu, &self.loss, &f);
        let useful = rows.div_ceil(BLOCKS_PER_THREAD * T::ROWS);
        let threads = self.workers.len().min(useful).max(1);
        let share = rows.div_ceil(threads).next_multiple_of(T::ROWS);
        let workers = self.workers[..threads].iter_mut().enumerate();
        let work = workers.map(|(i, (buffers, sum))| {
            move || {
                let (begin, end) = (i * share, rows.min((i + 1) * share));
                let pass = pass::<T>(end.saturating_sub(begin), loss.together());
                *sum = 0.0;
                for first in (begin..end).step_by(pass) {
                    let group = Group {
                        batch,
                        first,
                        rows: pass.min(end - first),
                        cpu,
                    };
                    let mut losses = [0.0; MOST_BLOCKS];
                    let losses = &mut losses[..group.len()];
                    f(loss, group, buffers, losses);
                    losses.iter().for_each(|loss| *sum += loss);
                }
                Ok(())
            }
        });
        self.team.all(work)?;
        let sums = self.workers[..threads].iter();
        Ok((sums.map(|(_, sum)| sum).sum(), threads))
    }
}

impl<T: Element, L: Loss<T>> Objective<T> for Blocks<'_, T, L> {
    fn parts(&self) -> Vec<usize> {
        self.goal.part_lengths()
    }

    fn due(&self, part: usize, step: u64) -> bool {
        self.goal.due(part, step)
    }

    fn gradient(
        &mut self,
        part: usize,
        parameters: &[T],
        batch: &Batch<T>,
        gradient: &mut [T],
    ) -> Result<f64> {
        self.loss.pack(parameters);
        let (sum, threads) = self.sum(batch, |loss, group, buffers, losses| {
            loss.add(part, group, buffers, losses);
        })?;
        gradient.fill(T::default());
        for (buffers, _) in &mut self.workers[..threads] {
            self.loss.collect(part, buffers, gradient);
        }
        Ok(sum)
    }

    fn loss(&mut self, parameters: &[T], batch: &Batch<T>) -> Result<f64> {
        self.loss.pack(parameters);
        let (sum, _) = self.sum(batch, |loss, group, buffers, losses| {
            loss.loss(0, group, buffers, losses);
        })?;
        Ok(sum)
    }
}
