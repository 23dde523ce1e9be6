//! What is noticed of events as they are drawn, where they cannot be looked at as a whole: of a callback, and of a large file.

use super::events::Events;
use crate::metrics::{effective_size, kolmogorov_smirnov_chance};
use crate::model::called;
use crate::order::{sort_by_value, sort_rows};
use crate::protocol::worth::Worth;
use crate::room::{self, Gather, Grow};
use crate::train::{Hooks, Words};
use crate::Result;
use std::cmp::Ordering;

/// Of the training events of a call.
pub(super) struct Watch {
    /// Of those of one pass, as `later` is.
    worth: Worth,
    later: Option<Later>,
    again: Option<Again>,
}

impl Watch {
    /// Of events that are drawn beside these; `first` says that these came first, and were not drawn at random.
    pub fn new(held_out: &Events, first: bool) -> Result<Self> {
        let later = match first {
            true => Later::new(held_out)?,
            false => None,
        };
        Ok(Watch {
            worth: Worth::default(),
            later,
            again: Again::new(held_out)?,
        })
    }

    /// Takes note of events that were drawn, of a source that has `pass` from beginning to end, if that is known.
    pub fn see(&mut self, events: &Events, pass: Option<usize>) {
        let left = pass.map_or(u64::MAX, |pass| {
            (pass as u64).saturating_sub(self.worth.rows())
        });
        let rows = events.x.chunks_exact(events.dim).zip(&events.w);
        for (row, (x, &w)) in (0..).zip(rows) {
            if row < left {
                let chosen = scattered(self.worth.rows()) < SOME;
                self.worth.add(None, w);
                if let Some(later) = self.later.as_mut().filter(|_| chosen) {
                    later.see(x, w);
                }
            }
            if let Some(again) = &mut self.again {
                again.see(x);
            }
        }
    }

    /// Warns of what is strange about the events, `whose` they are.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn warn(&self, hooks: &dyn Hooks, whose: &str, names: &[String]) -> Result<()> {
        self.worth
            .warn(hooks, &format!("{whose} that were drawn"))?;
        let found = self.later.as_ref().map(|later| later.found(names));
        if let Some(found) = found.filter(|found| !found.is_empty()) {
            let message = format!(
                "{whose} that came later are not distributed as the first, which are held out (`validation.events`) and by which all is judged, in the largest distance of their distribution functions: {}. The callback has to deliver them in random order from the first on; `source.shuffle` mixes only those that come after them. Mend this first: what else is warned of may come of it",
                found.join(", ")
            );
            hooks.warn("events", &message)?;
        }
        let Some(share) = self.again.as_ref().and_then(Again::share) else {
            return Ok(());
        };
        let message = format!(
            "{:.1} % of the held-out events of {whose} came again among those that are trained on: they do not tell what is learned by heart. A callback that has come to the end of its events says so by fewer rows than asked for (or none), or `source.events` says how many there are; it then begins again in the order that they had, or with fresh ones. Give each event once, with its weight. Mend this first: what else is warned of may come of it",
            100.0 * share
        );
        hooks.warn("events", &message)
    }

    /// Adds its bits.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory).
    pub fn position(&self, words: &mut Vec<u64>) -> Result<()> {
        self.worth.position(words);
        if let Some(later) = &self.later {
            later.worth.position(words);
            for column in &later.columns {
                words.put_all(column.sums.iter().map(|sum| sum.to_bits()))?;
            }
        }
        let Some(again) = &self.again else {
            return Ok(());
        };
        words.extend([again.alike, again.again]);
        let bits = |met: &[bool]| {
            let bits = met.iter().rev();
            bits.fold(0, |word, met| (word << 1) | u64::from(*met))
        };
        words.put_all(again.met.chunks(64).map(bits))
    }

    /// As it was at a position.
    ///
    /// # Errors
    /// Those of [`Words`].
    pub fn resume(&mut self, words: &mut Words) -> Result<()> {
        self.worth = Worth::resumed(words)?;
        if let Some(later) = &mut self.later {
            later.worth = Worth::resumed(words)?;
            for sum in later.columns.iter_mut().flat_map(|c| &mut c.sums) {
                *sum = f64::from_bits(words.next_word()?);
            }
        }
        if let Some(again) = &mut self.again {
            (again.alike, again.again) = (words.next_word()?, words.next_word()?);
            for met in again.met.chunks_mut(64) {
                let word = words.next_word()?;
                (0..)
                    .zip(met)
                    .for_each(|(bit, met)| *met = (word >> bit) & 1 > 0);
            }
        }
        Ok(())
    }
}

/// A number that is another for every other, and has no period: Knuth's multiplicative hash.
fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Of later events one in sixteen is compared: more tell no more than those held out, and cost time.
const SOME: u64 = 1 << 60;

/// Whether the events that come later are distributed as those that came first, column by column.
struct Later {
    /// How many events of weight 1 those are worth that came first.
    effective: f64,
    /// Of those that came later.
    worth: Worth,
    columns: Vec<Column>,
}

/// The distribution functions of both at some values.
struct Column {
    /// Rising.
    values: Vec<f64>,
    /// Of the weight of the first events up to each value.
    shares: Vec<f64>,
    /// Weight of later events between each value and the one before; behind them that beyond the last.
    sums: Vec<f64>,
}

/// So many values, between which as many of the first events lie.
const VALUES: usize = 50;
/// Distances of the distribution functions that are nothing to speak of, and chances that are none.
const SMALL: f64 = 0.01;
const CHANCE: f64 = 1e-6;

impl Later {
    /// None of weights that have no positive sum, which are told of elsewhere.
    fn new(first: &Events) -> Result<Option<Self>> {
        let Ok(effective) = effective_size(&first.w) else {
            return Ok(None);
        };
        let columns = (0..first.dim).map(|column| Column::new(first, column));
        Ok(Some(Later {
            effective,
            worth: Worth::default(),
            columns: columns.gather_all()?,
        }))
    }

    fn see(&mut self, x: &[f64], w: f64) {
        self.worth.add(None, w);
        for (column, &x) in self.columns.iter_mut().zip(x) {
            let between = column.values.partition_point(|value| *value < x);
            column.sums[between] += w;
        }
    }

    /// The columns that differ, in words.
    fn found(&self, names: &[String]) -> Vec<String> {
        let sizes = [self.effective, self.worth.effective()];
        let columns = self.columns.iter().enumerate();
        let distances =
            columns.map(|(number, column)| (number, column.distance(self.worth.total())));
        let differ = distances.filter(|&(_, distance)| {
            distance > SMALL && kolmogorov_smirnov_chance(distance, sizes) < CHANCE
        });
        differ
            .map(|(number, distance)| format!("{} by {distance:.3}", called(names, number)))
            .collect()
    }
}

impl Column {
    fn new(first: &Events, column: usize) -> Result<Self> {
        let rows = first.len();
        let at = |row: usize| first.x[row * first.dim + column];
        let mut order = (0..rows).gather()?;
        sort_by_value(&mut order, &at);
        let total: f64 = first.w.iter().sum();
        let (mut values, mut shares, mut sum) = (Vec::new(), Vec::new(), 0.0);
        for (i, &row) in (1..).zip(&order) {
            sum += first.w[row];
            let last = order.get(i).is_none_or(|&next| at(next) > at(row));
            if last && i * VALUES >= (values.len() + 1) * rows {
                values.put(at(row))?;
                shares.put(sum / total)?;
            }
        }
        let sums = room::filled(values.len() + 1, 0.0)?;
        Ok(Column {
            values,
            shares,
            sums,
        })
    }

    /// The largest of the distribution functions, of which that of later events ends with `total`.
    fn distance(&self, total: f64) -> f64 {
        let mut sum = 0.0;
        let both = self.shares.iter().zip(&self.sums);
        both.fold(0.0, |most: f64, (share, between)| {
            sum += between;
            most.max((share - sum / total).abs())
        })
    }
}

/// Whether held-out events come again among those that are drawn.
struct Again {
    dim: usize,
    /// The column that tells most of them apart, and the packed rows, by its rising values and then by those of all columns.
    column: usize,
    values: Vec<f64>,
    rows: Vec<f64>,
    /// A bit for each of `PLACES` that such a value may have: nearly all others are told by it at once.
    places: Vec<u64>,
    /// How probable it is that two events agree in the column that tells next most apart.
    agree: f64,
    /// Events that were drawn which agree with one that is held out in the first of these columns, and in all.
    alike: u64,
    again: u64,
    /// Which rows came again.
    met: Vec<bool>,
}

/// Most of the held-out events that are looked at, and fewest to tell by.
const LOOK: usize = 20_000;
const ENOUGH: usize = 500;
/// A share of them that is nothing to speak of.
const FEW: f64 = 0.01;
/// A power of two, many times what is looked at.
const PLACES: u32 = 20;
/// A column tells events apart if so many have values of their own.
const NEARLY: f64 = 0.9;
/// So many times what agrees by chance is none.
const TIMES: f64 = 10.0;

/// By the values of a column and those behind it, then by all.
fn compare(column: usize, a: &[f64], b: &[f64]) -> Ordering {
    let pairs = a[column..].iter().zip(&b[column..]);
    let mut orders = pairs.chain(a.iter().zip(b)).map(|(a, b)| a.total_cmp(b));
    orders
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The word and the bit of a value's place.
fn place(value: f64) -> (usize, u64) {
    // Zeros of both signs are one.
    let place = scattered((value + 0.0).to_bits()) >> (u64::BITS - PLACES);
    ((place / 64) as usize, 1 << (place % 64))
}

impl Again {
    /// None of few events, of one column, and of those which no column tells apart: counted and rounded values.
    fn new(held_out: &Events) -> Result<Option<Self>> {
        let step = held_out.len().div_ceil(LOOK).max(1);
        let mut chosen = (0..held_out.len()).step_by(step).gather()?;
        let (n, dim) = (chosen.len(), held_out.dim);
        if n < ENOUGH || dim < 2 {
            return Ok(None);
        }
        // How many values a column has, and how many pairs of events agree in it.
        let mut first = (0, 0.0, 0);
        let mut second = f64::INFINITY;
        for column in 0..dim {
            let at = |row: usize| held_out.event(row)[column];
            sort_by_value(&mut chosen, &at);
            let (mut different, mut pairs) = (0, 0.0);
            for run in chosen.chunk_by(|&a, &b| at(a) == at(b)) {
                different += 1;
                pairs += run.len() as f64 * (run.len() as f64 - 1.0);
            }
            if different > first.0 {
                if first.0 > 0 {
                    second = second.min(first.1);
                }
                first = (different, pairs, column);
            } else {
                second = second.min(pairs);
            }
        }
        let (different, _, column) = first;
        if (different as f64) < NEARLY * n as f64 {
            return Ok(None);
        }
        let by_column = |a, b| compare(column, held_out.event(a), held_out.event(b));
        sort_rows(&mut chosen, &by_column);
        let mut rows = room::empty(n * dim)?;
        for &row in &chosen {
            rows.extend_from_slice(held_out.event(row));
        }
        let values = chosen.iter().map(|&row| held_out.event(row)[column]);
        let mut places = room::filled(1 << (PLACES - 6), 0)?;
        for (word, bit) in values.clone().map(place) {
            places[word] |= bit;
        }
        Ok(Some(Again {
            dim,
            column,
            values: values.gather()?,
            rows,
            places,
            agree: second / (n as f64 * (n as f64 - 1.0)),
            alike: 0,
            again: 0,
            met: room::filled(n, false)?,
        }))
    }

    fn see(&mut self, x: &[f64]) {
        let value = x[self.column];
        let (word, bit) = place(value);
        if self.places[word] & bit == 0 {
            return;
        }
        let from = self.values.partition_point(|v| *v < value);
        if self.values.get(from).is_none_or(|v| *v > value) {
            return;
        }
        self.alike += 1;
        let alike = self.values[from..].partition_point(|v| *v == value);
        let (mut low, mut high) = (from, from + alike);
        while low < high {
            let middle = (low + high) / 2;
            match compare(self.column, self.row(middle), x) {
                Ordering::Less => low = middle + 1,
                _ => high = middle,
            }
        }
        let mut found = false;
        while low < self.met.len() && self.row(low) == x {
            (self.met[low], found) = (true, true);
            low += 1;
        }
        self.again += u64::from(found);
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.rows[row * self.dim..][..self.dim]
    }

    /// Of the held-out events, those that came again; none if they are few, or agree by chance.
    fn share(&self) -> Option<f64> {
        let met = self.met.iter().filter(|met| **met).count();
        let share = met as f64 / self.met.len() as f64;
        // Where events agree in one column by chance, as many of them agree in the next.
        let chance = self.alike.saturating_sub(self.again) as f64 * self.agree / (1.0 - self.agree);
        (share > FEW && self.again as f64 > TIMES * chance).then_some(share)
    }
}
