//! Whether the callback that is attached to a model is the generator that the model was refined with: files hold no callbacks, but some of the
//! events that theirs made.

use crate::model::{Dims, GeneratorKind, HostGenerator, Model};
use crate::room;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// In records.
const RECORD: &str = "generator_events";

/// Events kept.
const EVENTS: usize = 8;

/// Of these may be others: those in which the rounding of another machine decided what an event became.
const OTHERS: usize = 1;

/// Events of a generator without randomness of its own, with the latent rows that they are of.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Kept {
    latents: Vec<Vec<f64>>,
    events: Vec<Vec<f64>>,
}

/// Puts the first of a host's events, packed rows, into a model's record; what an earlier generator left there goes.
pub(crate) fn keep(record: &mut Map<String, Value>, dims: Dims, z: &[f64], x: &[f64]) {
    let rows = |values: &[f64], columns: usize| -> Vec<Vec<f64>> {
        let rows = values.chunks_exact(columns).take(EVENTS);
        rows.map(<[f64]>::to_vec).collect()
    };
    // JSON has no NaN, which a host gives for what it cannot make.
    if !x.iter().all(|x| x.is_finite()) {
        return;
    }
    let kept = Kept {
        latents: rows(z, dims.latent_row()),
        events: rows(x, dims.event_row()),
    };
    record.insert(RECORD.into(), json!(kept));
}

/// Removes them.
pub(crate) fn forget(record: &mut Map<String, Value>) {
    record.shift_remove(RECORD);
}

/// What is asked of a callback before the first events that it makes for a model.
#[derive(Clone)]
pub(super) struct Same {
    kept: Arc<Kept>,
    /// Whether it has answered, to anybody who uses the model.
    answered: Arc<AtomicBool>,
}

impl Same {
    /// Of a model whose generator is a callback; none where it keeps nothing.
    pub fn of(model: &Model) -> Option<Self> {
        if !matches!(model.generator.kind, GeneratorKind::Host { .. }) {
            return None;
        }
        let kept: Kept = Deserialize::deserialize(model.record.get(RECORD)?).ok()?;
        let dims = model.generator.dims();
        let fit = |rows: &[Vec<f64>], columns| rows.iter().all(|row| row.len() == columns);
        let fit = kept.latents.len() == kept.events.len()
            && fit(&kept.latents, dims.latent_row())
            && fit(&kept.events, dims.event_row());
        fit.then(|| Same {
            kept: Arc::new(kept),
            answered: Arc::new(AtomicBool::new(false)),
        })
    }

    /// Whether these are the events that a model was refined with, too.
    pub fn is_of(&self, model: &Model) -> bool {
        Same::of(model).is_some_and(|same| same.kept == self.kept)
    }

    /// Asks the callback for the kept events, once.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it makes others; those of the callback.
    pub fn require(&self, host: &dyn HostGenerator, dims: Dims) -> Result<()> {
        if self.answered.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Kept { latents, events } = &*self.kept;
        let rows = latents.len();
        let part = |of: std::ops::Range<usize>| {
            let values = latents.iter().flat_map(|row| &row[of.clone()]);
            values.copied().collect::<Vec<f64>>()
        };
        let (z, c) = (part(0..dims.latent), part(dims.latent..dims.latent_row()));
        let mut x = room::filled(rows * dims.features, f64::NAN)?;
        host.generate(rows, &z, &c, &mut x)?;
        let made = x.chunks_exact(dims.features);
        let mut others = Vec::new();
        for (row, (made, kept)) in made.zip(events).enumerate() {
            let other = (0..dims.features).find(|&j| {
                let column = || events.iter().map(move |event| event[j]);
                let width = column().fold(f64::MIN, f64::max) - column().fold(f64::MAX, f64::min);
                // Wide enough for a generator in single precision on another machine.
                let off = (made[j] - kept[j]).abs();
                off.is_nan() || off > 1e-3 * width + 1e-5 * kept[j].abs()
            });
            others.extend(other.map(|j| (row, j)));
        }
        if others.len() > OTHERS {
            let (row, j) = others[0];
            return Err(Error::InvalidArgument(format!(
                "the generator that is attached is another than the one that the model was refined with: of {rows} latents in the model's record it makes other events of {}; of z = {:?} feature {j} is {} and was {}. Attach that generator, as it was then, or refine the model with this one",
                others.len(),
                &latents[row],
                x[row * dims.features + j],
                events[row][j]
            )));
        }
        self.answered.store(true, Ordering::Relaxed);
        Ok(())
    }
}
