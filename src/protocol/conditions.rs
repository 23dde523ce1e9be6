//! Conditions to make events for when nobody has given any: those of the target's events.

use super::columns::sorted;
use super::coverage::value;
use super::source::Source;
use crate::model::{Model, Real, Scaling};
use crate::noise::{places, Noise};
use crate::options::{keys, Options};
use crate::room::{self, Gather, Grow};
use crate::{Error, Result};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Conditions of target events, in their own distribution.
pub(super) struct Conditions {
    dim: usize,
    values: Vec<f64>,
}

impl Conditions {
    /// The last `dim` columns of a sample of the target's events; in the shares that their weights give them.
    ///
    /// # Errors
    /// Those of the source; [`Error::Data`] if no weight is positive.
    pub fn of(target: &mut Source, dim: usize, options: &Options) -> Result<Self> {
        if dim == 0 {
            return Ok(Self::none());
        }
        let sample = target.measured(options)?;
        let (width, rows) = (sample.dim, sample.len());
        let total: f64 = sample.w.iter().map(|w| w.max(0.0)).sum();
        if total <= 0.0 {
            return Err(Error::Data(format!(
                "none of {rows} target events has a positive weight"
            )));
        }
        // Systematic resampling: a row of weight w comes rows · w / total times, rounded up or down.
        let mut values = room::empty(rows * dim)?;
        let (mut reached, mut row) = (sample.w[0].max(0.0), 0);
        for i in 0..rows {
            let wanted = (i as f64 + 0.5) / rows as f64 * total;
            while reached < wanted && row + 1 < rows {
                row += 1;
                reached += sample.w[row].max(0.0);
            }
            values.extend_from_slice(&sample.x[(row + 1) * width - dim..(row + 1) * width]);
        }
        // The source may be ordered, and so were the copies of a row.
        let seed = options.get(keys::SEED) as u64;
        let mut order = (0..rows).gather()?;
        order.shuffle(&mut places::CONDITIONS.rng(seed));
        let shuffled = order.iter().flat_map(|&i| &values[i * dim..(i + 1) * dim]);
        Ok(Conditions {
            dim,
            values: shuffled.copied().gather()?,
        })
    }

    /// Of events without conditions.
    pub fn none() -> Self {
        Conditions {
            dim: 0,
            values: Vec::new(),
        }
    }

    /// The condition of event `event`: they come one after the other, and again.
    pub fn get(&self, event: u64) -> &[f64] {
        if self.dim == 0 {
            return &[];
        }
        let count = (self.values.len() / self.dim) as u64;
        let at = (event % count) as usize * self.dim;
        &self.values[at..at + self.dim]
    }

    /// Latent rows of the events from `first` on: `n` normal numbers and a condition in each.
    pub fn latents(&self, noise: Noise, first: u64, n: usize, rows: &mut [f64]) {
        for (row, event) in rows.chunks_exact_mut(n + self.dim).zip(first..) {
            let (z, c) = row.split_at_mut(n);
            noise.normals(event, 0, z);
            c.copy_from_slice(self.get(event));
        }
    }
}

/// Where the conditions of a training are.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reach {
    /// Events that they were measured on.
    events: u64,
    /// Smallest value of every condition.
    low: Vec<f64>,
    /// Largest value of every condition.
    high: Vec<f64>,
    /// Of every condition the stretches that have events enough, each by its first and its last value; files of earlier versions have none.
    #[serde(default)]
    stretches: Vec<Vec<f64>>,
    /// How many values of the events lie in none of them.
    #[serde(default)]
    sparse: u64,
    /// Conditions asked for so far, and how many of them lie in none.
    #[serde(skip)]
    asked: [u64; 2],
}

/// Where a condition lies, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Beyond,
    Sparse,
    Known,
}

/// Share of the range, as networks see it, that a condition may lie beyond it: so far they go on as they did.
const MARGIN: f64 = 0.05;

/// Events within that distance by which networks know what happens there: so many, or a hundredth of few.
const NEAR: usize = 100;

/// Of a source that does not know how many events it has: so many times those that are measured.
const STREAM: usize = 10;

/// What conditions are where the training had none.
pub(super) const UNKNOWN: &str = "the networks know nothing of events there. Are the units right?";

/// Where records hold the reach.
const RECORD: &str = "conditions";

impl Reach {
    /// Puts the reach of the last columns of a source, which are a model's conditions, into its record. `between` says that the model is made to
    /// interpolate between their values.
    ///
    /// # Errors
    /// Those of the source.
    pub fn record(
        model: &mut Model,
        source: &mut Source,
        options: &Options,
        between: bool,
    ) -> Result<()> {
        let scalings = &model.generator.conditions;
        if scalings.is_empty() {
            return Ok(());
        }
        let sample = source.measured(options)?;
        let rows = sample.len();
        let all = source.size().unwrap_or(STREAM * rows).max(rows);
        let least = (NEAR * rows / all).min(rows / 100).max(3);
        let mut reach = Reach {
            events: rows as u64,
            low: Vec::new(),
            high: Vec::new(),
            stretches: Vec::new(),
            sparse: 0,
            asked: [0; 2],
        };
        for (j, scaling) in scalings.iter().enumerate() {
            let column = sample.dim - scalings.len() + j;
            let values = sorted(&sample.x, column, sample.dim)?;
            reach.low.push(values[0]);
            reach.high.push(values[rows - 1]);
            let mut stretches = stretches(&values, scaling, reach.margin(scaling, j), least)?;
            if between && stretches.len() > 2 {
                stretches.drain(1..stretches.len() - 1);
            }
            reach.stretches.push(stretches);
            let sparse = |v: &&f64| reach.place(scaling, j, **v) == Place::Sparse;
            reach.sparse += values.iter().filter(sparse).count() as u64;
        }
        model.record.insert(RECORD.into(), json!(reach));
        Ok(())
    }

    /// That in a model's record; files of earlier versions have none.
    pub fn of(model: &Model) -> Option<Self> {
        let mut reach: Reach = Deserialize::deserialize(model.record.get(RECORD)?).ok()?;
        let dim = model.generator.condition_dim();
        reach.stretches.sized(dim, Vec::new()).ok()?;
        (reach.low.len() == dim && reach.high.len() == dim).then_some(reach)
    }

    /// What is strange about the conditions of so many events: that more of them lie beyond than chance puts beyond as many as were measured;
    /// or, of all that were asked for so far, where the training had next to none.
    pub fn strange<'c, T: Real>(
        &mut self,
        model: &Model,
        rows: usize,
        c: impl Iterator<Item = &'c [T]>,
    ) -> Option<String> {
        let scalings = &model.generator.conditions;
        let mut found = [(0, (0, 0.0)); 2];
        for given in c.take(rows) {
            let values = given.iter().map(|v| v.to_f64()).enumerate();
            let places = values.map(|(j, v)| (self.place(&scalings[j], j, v), (j, v)));
            let worst = places.min_by_key(|(place, _)| *place);
            let Some((place, which)) = worst.filter(|(place, _)| *place != Place::Known) else {
                continue;
            };
            let (times, first) = &mut found[place as usize];
            if *times == 0 {
                *first = which;
            }
            *times += 1;
        }
        self.judge(model, rows as u64, found)
    }

    /// Of so many beyond, and so many where events are few, each with the first of them.
    fn judge(
        &mut self,
        model: &Model,
        rows: u64,
        [(beyond, first), (sparse, thin)]: [(u64, (usize, f64)); 2],
    ) -> Option<String> {
        let named = |j: usize| {
            let name = model.names.get(model.generator.event_dim() + j);
            name.map_or(format!("condition {j}"), |name| format!("`{name}`"))
        };
        // Of events like those of the training.
        let expected = |of: u64, rows: u64| of as f64 * rows as f64 / self.events as f64;
        let ends = 2 * self.low.len() as u64;
        if beyond as f64 > expected(ends, rows) {
            let (j, v) = first;
            return Some(format!(
                "{beyond} of {rows} conditions lie beyond those of the training, as {} = {}, which had {} to {}: {UNKNOWN}",
                named(j),
                value(v),
                value(self.low[j]),
                value(self.high[j])
            ));
        }
        let asked = [self.asked[0] + rows, self.asked[1] + sparse];
        let chance = expected(self.sparse + ends, asked[0]);
        self.asked = asked;
        // Errors are many, as it is looked at after every call.
        if sparse == 0 || asked[1] as f64 <= chance + 10.0 * chance.sqrt() {
            return None;
        }
        let (j, v) = thin;
        let stretches = &self.stretches[j];
        let place = stretches.partition_point(|end| *end < v);
        let below = place.checked_sub(1).map(|at| value(stretches[at]));
        let above = stretches.get(place).map(|end| value(*end));
        let around = match (below, above) {
            (Some(below), Some(above)) => format!("between {below} and {above}"),
            (Some(below), None) => format!("above {below}"),
            (None, above) => format!("below {}", above.unwrap_or_default()),
        };
        Some(format!(
            "{sparse} of {rows} conditions lie where the training had next to no events, as {} = {}, of which it had hardly any {around}: the networks guess there from what is around. Train on events of such conditions",
            named(j),
            value(v)
        ))
    }

    /// How far beyond an end of condition `j` networks go on as they did.
    fn margin(&self, scaling: &Scaling, j: usize) -> f64 {
        let [low, high] = [self.low[j], self.high[j]].map(|x| scaling.forward(x));
        // Ends are rounded, too, where conditions are given in single precision.
        let rounding = f64::from(f32::EPSILON) * low.abs().max(high.abs());
        (MARGIN * (high - low)).max(rounding)
    }

    /// Where a value of condition `j` lies.
    fn place(&self, scaling: &Scaling, j: usize, value: f64) -> Place {
        let (u, margin) = (scaling.forward(value), self.margin(scaling, j));
        let within = |low: f64, high: f64| {
            u >= scaling.forward(low) - margin && u <= scaling.forward(high) + margin
        };
        let stretches = &self.stretches[j];
        if !within(self.low[j], self.high[j]) {
            Place::Beyond
        } else if stretches.is_empty() || stretches.chunks_exact(2).any(|s| within(s[0], s[1])) {
            Place::Known
        } else {
            Place::Sparse
        }
    }
}

/// The first and the last of sorted values in every stretch in which at least `least` of them are within `margin` of each, as networks see
/// them, and the next is near enough for all between.
fn stretches(values: &[f64], scaling: &Scaling, margin: f64, least: usize) -> Result<Vec<f64>> {
    let scaled = values.iter().map(|v| scaling.forward(*v)).gather()?;
    let (mut ends, mut last): (Vec<f64>, f64) = (Vec::new(), f64::NEG_INFINITY);
    let (mut from, mut to) = (0, 0);
    for (&v, &u) in values.iter().zip(&scaled) {
        while scaled[from] < u - margin {
            from += 1;
        }
        while to < scaled.len() && scaled[to] <= u + margin {
            to += 1;
        }
        if to - from < least {
            continue;
        }
        match ends.last_mut() {
            Some(end) if u - last <= 2.0 * margin => *end = v,
            _ => ends.extend([v, v]),
        }
        last = u;
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reach of one condition, plain or as the networks see its logarithm.
    fn stretches_of(mut values: Vec<f64>, log: bool) -> Vec<f64> {
        let scaling = match log {
            true => Scaling::Log {
                low: 0.0,
                mean: 0.0,
                std: 1.0,
            },
            false => Scaling::None,
        };
        values.sort_unstable_by(f64::total_cmp);
        let ends = [values[0], values[values.len() - 1]].map(|v| scaling.forward(v));
        stretches(&values, &scaling, MARGIN * (ends[1] - ends[0]), NEAR).unwrap()
    }

    #[test]
    fn values_with_events_enough_are_in_stretches() {
        const ROWS: usize = 10_000;
        let share = |i: usize| (i as f64 + 0.5) / ROWS as f64;
        let even: Vec<f64> = (0..ROWS).map(share).collect();
        let (first, last) = (even[0], even[ROWS - 1]);
        assert_eq!(stretches_of(even.clone(), false), [first, last]);
        // A hole, and one that is too narrow.
        let holed = |width: f64| {
            let out = |v: &&f64| (**v - 0.5).abs() > 0.5 * width;
            stretches_of(even.iter().filter(out).copied().collect(), false)
        };
        assert_eq!(holed(0.05), [first, last]);
        let [a, b, c, d] = holed(0.3)[..] else {
            panic!("{:?}", holed(0.3));
        };
        assert!(a == first && d == last && (b - 0.35).abs() < 0.001 && (c - 0.65).abs() < 0.001);
        // A few values, one of them of few events.
        let few = |i: usize| match i % 200 {
            0 => 7.0,
            i if i < 10 => 100.0,
            i if i < 100 => 5.0,
            _ => 10.0,
        };
        let known = [5.0, 5.0, 10.0, 10.0, 100.0, 100.0];
        assert_eq!(stretches_of((0..ROWS).map(few).collect(), true), known);
        // A spectrum that falls: ΔN = 1.5 N Δ(ln E) at the end, which is where that is 100 within 5 % of its range on either side.
        let steep: Vec<f64> = even.iter().map(|u| (1.0 - u).powf(-1.0 / 1.5)).collect();
        let width = 2.0 * MARGIN * steep[ROWS - 1].ln();
        let end = (1.5 * width * ROWS as f64 / NEAR as f64).powf(1.0 / 1.5);
        let [_, last] = stretches_of(steep, true)[..] else {
            panic!("several");
        };
        assert!((last / end - 1.0).abs() < 0.1, "{last} {end}");
    }
}
