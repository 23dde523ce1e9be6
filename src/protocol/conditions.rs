//! Conditions to make events for when nobody has given any: those of the target's events.

use super::coverage::value;
use super::source::{Events, Source};
use crate::model::{Model, Real, Scaling};
use crate::noise::{places, Noise};
use crate::options::{keys, Options};
use crate::room::{self, Gather};
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

/// From where to where the conditions of a training reach.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reach {
    /// Events that they were measured on.
    events: u64,
    /// Smallest value of every condition.
    low: Vec<f64>,
    /// Largest value of every condition.
    high: Vec<f64>,
}

/// Share of the range, as networks see it, that a condition may lie beyond it: so far they go on as they did.
const MARGIN: f64 = 0.05;

/// What conditions are where the training had none.
pub(super) const UNKNOWN: &str = "the networks know nothing of events there. Are the units right?";

/// Where records hold the reach.
const RECORD: &str = "conditions";

impl Reach {
    /// Puts the reach of the last `dim` columns of the events that `measured` gives into a model's record.
    ///
    /// # Errors
    /// Those of `measured`.
    pub fn record(
        dim: usize,
        measured: impl FnOnce() -> Result<Events>,
        record: &mut serde_json::Map<String, serde_json::Value>,
    ) -> Result<()> {
        if dim == 0 {
            return Ok(());
        }
        let sample = measured()?;
        let column = |j: usize| sample.x.iter().skip(j).step_by(sample.dim).copied();
        let columns = sample.dim - dim..sample.dim;
        let reach = Reach {
            events: sample.len() as u64,
            low: columns
                .clone()
                .map(|j| column(j).fold(f64::INFINITY, f64::min))
                .gather()?,
            high: columns
                .map(|j| column(j).fold(f64::NEG_INFINITY, f64::max))
                .gather()?,
        };
        record.insert(RECORD.into(), json!(reach));
        Ok(())
    }

    /// That in a model's record; files of earlier versions have none.
    pub fn of(model: &Model) -> Option<Self> {
        let reach: Reach = Deserialize::deserialize(model.record.get(RECORD)?).ok()?;
        let dim = model.generator.condition_dim();
        (reach.low.len() == dim && reach.high.len() == dim).then_some(reach)
    }

    /// What is strange about the conditions of so many events: that more of them lie beyond than chance puts beyond as many as were measured.
    pub fn strange<'c, T: Real>(
        &self,
        model: &Model,
        rows: usize,
        c: impl Iterator<Item = &'c [T]>,
    ) -> Option<String> {
        let mut beyond = c.take(rows).filter_map(|given| {
            let mut values = given.iter().map(|v| v.to_f64()).enumerate();
            values.find(|(j, v)| self.beyond(&model.generator.conditions[*j], *j, *v))
        });
        let (j, first) = beyond.next()?;
        let strange = 1 + beyond.count();
        let chance = 2.0 * self.low.len() as f64 * rows as f64 / self.events as f64;
        (strange as f64 > chance).then(|| {
            let name = model.names.get(model.generator.event_dim() + j);
            let name = name.map_or(format!("condition {j}"), |name| format!("`{name}`"));
            format!(
                "{strange} of {rows} conditions lie beyond those of the training, as {name} = {}, which had {} to {}: {UNKNOWN}",
                value(first),
                value(self.low[j]),
                value(self.high[j])
            )
        })
    }

    /// Whether a value of condition `j` is beyond.
    fn beyond(&self, scaling: &Scaling, j: usize, value: f64) -> bool {
        let [u, low, high] = [value, self.low[j], self.high[j]].map(|x| scaling.forward(x));
        // Ends are rounded, too, where conditions are given in single precision.
        let rounding = f64::from(f32::EPSILON) * low.abs().max(high.abs());
        let margin = (MARGIN * (high - low)).max(rounding);
        !(u >= low - margin && u <= high + margin)
    }
}
