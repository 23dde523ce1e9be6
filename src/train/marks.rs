//! Where a training stands, but for its parameters and their moments.

use serde::{Deserialize, Serialize};

/// Of a loop between two updates.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Marks {
    /// Updates made.
    pub steps: u64,
    pub rows: u64,
    /// Sum of the losses of this epoch.
    #[serde(with = "exact")]
    pub sum: f64,
    #[serde(with = "exact::list")]
    pub losses: Vec<f64>,
    #[serde(with = "exact::list")]
    pub validation_losses: Vec<f64>,
    pub kept_epoch: u64,
    pub kept_step: u64,
    /// Whether what follows an update, the ends of epochs and looks at the held-out loss, has been done after the last.
    pub settled: bool,
    pub stopped_early: bool,
    /// Whether it then knew its events better than those held out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_heart: bool,
    /// Whether it is over.
    pub over: bool,
    pub best: Option<Best>,
    /// Looks since the last that came near the best.
    pub away: u64,
    /// The held-out loss at the first look.
    #[serde(with = "exact::option")]
    pub first: Option<f64>,
    /// Updates that the average has seen.
    pub averaged: u64,
    /// Updates of every optimiser.
    pub optimised: Vec<i32>,
    /// Updates that diverged; each halves the learning rate of what follows.
    pub fallbacks: Vec<u64>,
    /// Whether it was over with the last of them.
    pub failed: bool,
    /// Those of the feed.
    pub feed: Vec<u64>,
    /// That it has taken so far.
    #[serde(with = "exact")]
    pub seconds: f64,
}

/// So many standard errors are no chance.
const SURE: f64 = 3.0;

/// The mean of losses of epochs, and by how much they leap about it: from one to the next, which a steady change does not widen.
fn mean(losses: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut n, mut sum, mut leaps, mut last) = (0.0, 0.0, 0.0, None);
    for loss in losses {
        let leap = loss - last.unwrap_or(loss);
        (n, sum, leaps, last) = (n + 1.0, sum + loss, leaps + leap * leap, Some(loss));
    }
    let variance = 0.5 * leaps / f64::max(n - 1.0, 1.0);
    (sum / n, (variance / n).sqrt())
}

/// How far the mean of the last `epochs` losses is above that of as many before, in standard errors; as for chance, where there are too few.
fn rise(losses: &[f64], epochs: usize) -> f64 {
    let epochs = epochs.min(losses.len() / 2);
    if epochs < 2 {
        return 0.0;
    }
    let (before, last) = losses[losses.len() - 2 * epochs..].split_at(epochs);
    let ((before, _), (last, error)) = (mean(before.iter().copied()), mean(last.iter().copied()));
    (last - before) / (std::f64::consts::SQRT_2 * error)
}

impl Marks {
    /// Whether the events of the training are known better, over the last `epochs` and a `present` one that has not ended (its held-out and its
    /// training loss), than those held out: they are learned by heart. Chance moves the held-out loss by `error`, as it has few events, and
    /// large steps move the gap from epoch to epoch.
    pub fn by_heart(&self, epochs: u64, present: Option<(f64, f64)>, error: f64) -> bool {
        let pairs = self.validation_losses.iter().zip(&self.losses).rev();
        let recent = pairs.take(epochs as usize).map(|(held, own)| (*held, *own));
        let gaps = recent.chain(present).map(|(held, own)| held - own);
        let (gap, leaps) = mean(gaps);
        gap > SURE * libm::hypot(error, leaps)
    }

    /// Whether the loss of the training has fallen over the last `epochs`, and that of the events held out has not risen: these leap about their
    /// best by more than it falls.
    pub fn learns(&self, epochs: u64) -> bool {
        let epochs = epochs as usize;
        rise(&self.losses, epochs) < -SURE && rise(&self.validation_losses, epochs) <= SURE
    }
}

/// The best held-out loss so far, with the epoch and the update that reached it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Best {
    #[serde(with = "exact")]
    pub loss: f64,
    pub at: (u64, u64),
}

/// Numbers by their bits: JSON has none that are not finite.
mod exact {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(x: &f64, s: S) -> Result<S::Ok, S::Error> {
        x.to_bits().serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        u64::deserialize(d).map(f64::from_bits)
    }

    pub mod list {
        use serde::{Deserialize, Deserializer, Serializer};

        pub fn serialize<S: Serializer>(xs: &[f64], s: S) -> Result<S::Ok, S::Error> {
            s.collect_seq(xs.iter().map(|x| x.to_bits()))
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
            let bits = Vec::<u64>::deserialize(d)?;
            Ok(bits.into_iter().map(f64::from_bits).collect())
        }
    }

    pub mod option {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        pub fn serialize<S: Serializer>(x: &Option<f64>, s: S) -> Result<S::Ok, S::Error> {
            x.map(f64::to_bits).serialize(s)
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<f64>, D::Error> {
            Ok(Option::<u64>::deserialize(d)?.map(f64::from_bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After `epochs`, of which each has a loss of its own and one held out.
    fn after(epochs: usize, own: impl Fn(f64) -> f64, held_out: impl Fn(f64) -> f64) -> Marks {
        let each = |loss: &dyn Fn(f64) -> f64| (0..epochs).map(|e| loss(e as f64)).collect();
        Marks {
            losses: each(&own),
            validation_losses: each(&held_out),
            ..Marks::default()
        }
    }

    #[test]
    fn what_a_training_does_is_told_from_what_leaps() {
        // About 1: leaps of an epoch's end are larger than those of its mean.
        let leap = |e: f64| (17.0 * e * e).sin();
        let own = |e: f64| 0.002 * leap(e + 0.5);
        let held_out = |e: f64| 0.02 * leap(e);
        let does = |marks: &Marks, error| (marks.learns(10), marks.by_heart(10, None, error));
        for epochs in [20, 33, 60] {
            let slow = |e: f64| 2.3 - 0.002 * e;
            let learning = after(epochs, |e| slow(e) + own(e), |e| slow(e) + held_out(e));
            assert_eq!(does(&learning, 0.002), (true, false));
            let done = after(epochs, |e| 2.3 + own(e), |e| 2.3 + held_out(e));
            assert_eq!(does(&done, 0.002), (false, false));
            // Few events are held out, and all their losses are too large.
            let unlucky = after(epochs, |e| 2.3 + own(e), |e| 2.33 + held_out(e));
            assert_eq!(does(&unlucky, 0.02), (false, false));
            let by_heart = after(
                epochs,
                |e| slow(e) + own(e),
                |e| 2.3 + 0.005 * e + held_out(e),
            );
            assert_eq!(does(&by_heart, 0.002), (false, true));
            let sudden = after(epochs, |e| 2.3 / (1.0 + e), |e| 2.3 + 0.3 * e * e);
            assert!(does(&sudden, 0.1).1);
        }
        // Of so little nothing is said.
        for epochs in [0, 1, 2, 3] {
            assert!(!after(epochs, |e| -e, |e| -e).learns(10));
        }
        let first = Marks::default();
        assert!(!first.by_heart(10, None, 0.1) && first.by_heart(10, Some((2.0, 1.0)), 0.1));
    }
}
