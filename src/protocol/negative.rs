//! How much weight lies where the weights of a region sum to less than 0: there is no density there, and no ratio of densities.

use crate::compute::{threads, Session};
use crate::metrics::{Sample, Sum, Trees};
use crate::options::keys;
use crate::protocol::source::{Events, Source};
use crate::room::Grow;
use crate::{Result, Rows};
use serde::Serialize;

/// Fewest events to find a region by.
const FEWEST: usize = 1000;
/// A sum of weights so many errors below 0 is no chance.
const ERRORS: f64 = 4.0;

/// Where trees that were shown half of the events expect a negative mean of the weights: what the weights of the other half sum to there, for
/// both halves.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Negative {
    /// Share of the events that lie there.
    events: f64,
    /// What their weights sum to, in units of the total weight: negative, but for chance, if the region is what it seems.
    weight: f64,
    /// Standard error of that.
    error: f64,
}

impl Negative {
    /// Of events in a random order, whose weights have a positive total. None of too few.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn find(session: Session, events: &Events) -> Result<Option<Self>> {
        if events.len() < FEWEST {
            return Ok(None);
        }
        let largest = events.w.iter().fold(0.0_f64, |most, w| most.max(w.abs()));
        let mut halves = [Events::new(events.dim), Events::new(events.dim)];
        for row in 0..events.len() {
            let half = &mut halves[row % 2];
            half.x.put_all(events.event(row).iter().copied())?;
            // Their squares have no unit.
            half.w.put(events.w[row] / largest)?;
        }
        let (mut count, mut sum, mut squares) = (0, Sum::default(), 0.0);
        for (shown, other) in [(0, 1), (1, 0)] {
            let (shown, other) = (&halves[shown], &halves[other]);
            let sample = Sample::new(Rows::packed(&shown.x, shown.dim)?, Some(&shown.w))?;
            let fraction = session.get(keys::VALIDATION_FRACTION);
            let held_out = (shown.len() as f64 * fraction) as usize;
            let threads = threads(session.options);
            let trees = Trees::of_mean_weight(&sample, held_out, threads, session.hooks)?;
            for (row, w) in other.w.iter().enumerate() {
                if trees.score(other.event(row)) < 0.0 {
                    count += 1;
                    sum.add(*w);
                    squares += w * w;
                }
            }
        }
        let total: Sum = halves.iter().flat_map(|half| &half.w).copied().collect();
        Ok(Some(Negative {
            events: f64::from(count) / events.len() as f64,
            weight: sum.value() / total.value(),
            error: squares.sqrt() / total.value(),
        }))
    }

    /// Tells the host if there is such a region: what that means to positive weights.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn warn(&self, session: Session) -> Result<()> {
        let Some(region) = self.described("the events") else {
            return Ok(());
        };
        let message = format!(
            "{region}. There is no density there, and no positive weight has that mean: it gets next to none, and what is missing is taken from all others, so that the total stays. If it is chance, more events show it"
        );
        session.hooks.warn("negative", &message)
    }

    /// The region in words, if it is no chance; `whose` the events are.
    fn described(&self, whose: &str) -> Option<String> {
        let Negative {
            events,
            weight,
            error,
        } = self;
        (weight + ERRORS * error < 0.0).then(|| {
            format!(
                "the weights of a region, of {:.1} % of {whose}, sum to less than 0: to ({:.2} ± {:.2}) % of the total",
                100.0 * events,
                100.0 * weight,
                100.0 * error
            )
        })
    }
}

/// Such a region of the events to be trained on, in words; `whose` they are.
///
/// # Errors
/// Those of the source and of the hooks.
#[inline(never)]
pub(super) fn region(session: Session, source: &mut Source, whose: &str) -> Result<Option<String>> {
    if !source.weighted() {
        return Ok(None);
    }
    let events = source.events_to_look_at(session.options)?;
    let total: Sum = events.w.iter().copied().collect();
    if total.value() <= 0.0 || events.w.iter().all(|w| *w >= 0.0) {
        return Ok(None);
    }
    Ok(Negative::find(session, &events)?.and_then(|region| region.described(whose)))
}

/// Tells the host of it before a training: no loss has an end there.
///
/// # Errors
/// As [`region`].
pub(super) fn look(session: Session, source: &mut Source, whose: &str) -> Result<()> {
    region(session, source, whose)?.map_or(Ok(()), |region| {
        session.hooks.warn("negative", &format!(
            "{region}. No density is like that, and a training falls without end there: make the weights positive first (`laser resample`), or leave the region out (`support`)"
        ))
    })
}
