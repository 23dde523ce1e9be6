//! Whether the callback that is attached to a model is the generator that the model was refined with: files hold no callbacks, but some of the
//! events that theirs made.

use crate::model::{Dims, GeneratorKind, HostGenerator, Model};
use crate::room::{self, Gather, Grow};
use crate::{Error, Result};
use serde_json::{json, Map, Value};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// In records.
const RECORD: &str = "generator_events";

/// Events kept.
const EVENTS: usize = 8;

/// Latents of one that a message shows.
const SHOWN: usize = 4;

/// Of these may be others: those in which the rounding of another machine decided what an event became.
const OTHERS: usize = 1;

/// By this part latents are moved to see what rounding decides: some last digits of single precision.
const NUDGE: f64 = 1.0 / (1 << 21) as f64;

/// Puts the first of a host's events, packed rows, into a model's record, with the latent rows that they are of.
pub(crate) fn keep(record: &mut Map<String, Value>, dims: Dims, z: &[f64], x: &[f64]) {
    // JSON has no NaN, which a host gives for what it cannot make.
    if x.iter().all(|x| x.is_finite()) {
        let first = |values: &[f64], columns: usize| {
            let values = values.iter().take(EVENTS * columns);
            Value::Array(values.map(|v| json!(*v)).collect())
        };
        let latents = first(z, dims.latent_row());
        let events = first(x, dims.event_row());
        record.insert(RECORD.into(), json!({"latents": latents, "events": events}));
    }
}

/// Removes them.
pub(crate) fn forget(record: &mut Map<String, Value>) {
    record.shift_remove(RECORD);
}

/// One column of packed rows.
fn column(x: &[f64], row: usize, column: usize) -> impl Iterator<Item = f64> + '_ {
    x.iter().skip(column).step_by(row).copied()
}

/// From the least of values to the largest.
fn width(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), x| {
        (x.min(low), x.max(high))
    });
    high - low
}

/// What is asked of a callback before the first events that it makes for a model.
#[derive(Clone)]
pub(super) struct Same {
    latents: Arc<[f64]>,
    events: Arc<[f64]>,
    /// Whether it has answered, to anybody who uses the model.
    answered: Arc<AtomicBool>,
}

impl Same {
    /// Of a model whose generator is a callback; none where it keeps nothing.
    pub fn of(model: &Model) -> Option<Self> {
        if !matches!(model.generator.kind, GeneratorKind::Host { .. }) {
            return None;
        }
        let dims = model.generator.dims();
        let kept = model.record.get(RECORD)?;
        let numbers = |key: &str, columns: usize| -> Option<Arc<[f64]>> {
            let values = kept[key].as_array()?;
            let few = values.len() <= EVENTS * columns && values.len().is_multiple_of(columns);
            let values = values.iter().map(|v| v.as_f64().filter(|v| v.is_finite()));
            values.collect::<Option<_>>().filter(|_| few)
        };
        let (latents, events) = (
            numbers("latents", dims.latent_row())?,
            numbers("events", dims.event_row())?,
        );
        let fit = latents.len() / dims.latent_row() == events.len() / dims.event_row();
        (fit && !latents.is_empty()).then(|| Same {
            latents,
            events,
            answered: Arc::default(),
        })
    }

    /// Whether these are the events that a model was refined with, too.
    pub fn is_of(&self, model: &Model) -> bool {
        Same::of(model).is_some_and(|s| s.latents == self.latents && s.events == self.events)
    }

    /// Events that are others, and the first such feature of each, where features may also be off by their `rests`.
    fn others(&self, made: &[f64], rests: &[f64], dims: Dims) -> Result<Vec<(usize, usize)>> {
        let events = self.events.chunks_exact(dims.event_row());
        let mut others = Vec::new();
        for (row, (made, kept)) in made.chunks_exact(dims.features).zip(events).enumerate() {
            let other = (0..dims.features).find(|&j| {
                let width = width(column(&self.events, dims.event_row(), j));
                // Wide enough for a generator in single precision on another machine, and not for a narrow feature far from 0.
                let rounding = (1e-5 * kept[j].abs()).min(0.1 * width);
                let off = (made[j] - kept[j]).abs();
                off.is_nan() || off > 1e-3 * width + rounding + rests[j]
            });
            others.extend(other.map(|j| (row, j)));
        }
        Ok(others)
    }

    /// How far every feature may be off as what rounding leaves of larger numbers, like the mass of a massless particle: nothing else is
    /// another where the latents differ in their last digits. So small a feature that is always the same may be all that is left of one.
    fn rests(&self, made: &[f64], nudged: &[f64], dims: Dims) -> Result<Vec<f64>> {
        let events = self.events.chunks_exact(dims.event_row());
        let features = events.flat_map(|event| &event[..dims.features]);
        let largest = features.fold(0.0, |most, x| x.abs().max(most));
        let rest = |j: usize| {
            let of = |x| column(x, dims.features, j);
            let width = width(of(made));
            let pairs = of(made).zip(of(nudged));
            let moved = pairs.filter(|(a, b)| (a - b).abs() > 0.1 * width).count();
            match width {
                0.0 => 1e-6 * largest,
                _ if moved > OTHERS => 1e-3 * largest,
                _ => 0.0,
            }
        };
        (0..dims.features).map(rest).gather()
    }

    /// Asks the callback for the kept events, once.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it makes others; those of the callback.
    pub fn require(&self, host: &dyn HostGenerator, dims: Dims) -> Result<()> {
        if self.answered.load(Ordering::Relaxed) {
            return Ok(());
        }
        let latents = self.latents.chunks_exact(dims.latent_row());
        let rows = latents.len();
        let (mut z, mut c) = (Vec::new(), Vec::new());
        for latent in latents {
            z.put_all(latent[..dims.latent].iter().copied())?;
            c.put_all(latent[dims.latent..].iter().copied())?;
        }
        let make = |z: &[f64]| -> Result<Vec<f64>> {
            let mut x = room::filled(rows * dims.features, f64::NAN)?;
            host.generate(rows, z, &c, &mut x)?;
            Ok(x)
        };
        let made = make(&z)?;
        let mut rests = room::filled(dims.features, 0.0)?;
        let mut others = self.others(&made, &rests, dims)?;
        if others.len() > OTHERS {
            let nudged = z.iter().map(|z| z * (1.0 + NUDGE)).gather()?;
            rests = self.rests(&made, &make(&nudged)?, dims)?;
            others = self.others(&made, &rests, dims)?;
        }
        if others.len() > OTHERS {
            let (row, j) = others[0];
            let at = |x: &[f64], columns: usize| x[row * columns + j];
            let (made, kept) = (at(&made, dims.features), at(&self.events, dims.event_row()));
            let z = &z[row * dims.latent..][..dims.latent.min(SHOWN)];
            return Err(Error::InvalidArgument(format!(
                "the generator that is attached is another than the one that the model was refined with: of {rows} latents in the model's record it makes other events of {}; of z = {z:?}{} feature {j} is {made} and was {kept}. Attach that generator, as it was then, or refine the model with this one",
                others.len(),
                if dims.latent > SHOWN { " …" } else { "" }
            )));
        }
        self.answered.store(true, Ordering::Relaxed);
        Ok(())
    }
}
