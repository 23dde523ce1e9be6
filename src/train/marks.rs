//! Where a training stands, but for its parameters and their moments.

use crate::room::Grow;
use crate::Result;
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
    /// Whether it is over.
    pub over: bool,
    pub best: Option<Best>,
    /// Looks since the last that came near the best.
    pub away: u64,
    /// The held-out loss at the first look.
    #[serde(with = "exact::option")]
    pub first: Option<f64>,
    /// Of the looks at the held-out loss: that, and the mean loss of the updates since the look before.
    #[serde(with = "exact::list", default)]
    pub held_out: Vec<f64>,
    #[serde(with = "exact::list", default)]
    pub own: Vec<f64>,
    /// By how much chance moves the held-out loss, as it has few events.
    #[serde(with = "exact", default)]
    pub error: f64,
    /// Updates of this epoch at the last look, and the sum of their losses.
    #[serde(default)]
    pub looked_done: u64,
    #[serde(with = "exact", default)]
    pub looked_sum: f64,
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

/// The mean of losses, and by how much they leap about it: from one to the next, which a steady change does not widen.
fn mean(losses: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut n, mut sum, mut leaps, mut last) = (0.0, 0.0, 0.0, None);
    for loss in losses {
        let leap = loss - last.unwrap_or(loss);
        (n, sum, leaps, last) = (n + 1.0, sum + loss, leaps + leap * leap, Some(loss));
    }
    let variance = 0.5 * leaps / f64::max(n - 1.0, 1.0);
    (sum / n, (variance / n).sqrt())
}

/// How far the mean of the last `looks` losses is above that of as many before, in standard errors; 0 where there are too few.
fn rise(losses: &[f64], looks: usize) -> f64 {
    let looks = looks.min(losses.len() / 2);
    if looks < 2 {
        return 0.0;
    }
    let (before, last) = losses[losses.len() - 2 * looks..].split_at(looks);
    let ((before, _), (last, error)) = (mean(before.iter().copied()), mean(last.iter().copied()));
    (last - before) / (std::f64::consts::SQRT_2 * error)
}

/// Looks that are enough to tell from, where patience does not say how many.
const LOOKS: u64 = 10;

/// The looks that are told from, by the patience.
fn window(patience: u64) -> usize {
    match patience {
        0 => LOOKS as usize,
        looks => looks.max(2) as usize,
    }
}

impl Marks {
    /// Takes down a look at the held-out loss, after `done` updates of this epoch.
    pub fn look(&mut self, (loss, error): (f64, f64), done: u64) -> Result<()> {
        let updates = done.saturating_sub(self.looked_done);
        self.own
            .put((self.sum - self.looked_sum) / updates.max(1) as f64)?;
        self.held_out.put(loss)?;
        self.error = error;
        (self.looked_done, self.looked_sum) = (done, self.sum);
        Ok(())
    }

    /// At the beginning of an epoch.
    pub fn begin(&mut self) {
        (self.sum, self.looked_sum, self.looked_done) = (0.0, 0.0, 0);
    }

    /// Whether the events of the training are known better than those held out, over as many looks as there is patience: they are learned by
    /// heart. Large steps move the gap from look to look.
    pub fn by_heart(&self, patience: u64) -> bool {
        let pairs = self.held_out.iter().zip(&self.own).rev();
        let gaps = pairs.take(window(patience)).map(|(held, own)| held - own);
        let (gap, leaps) = mean(gaps);
        gap > SURE * libm::hypot(self.error, leaps)
    }

    /// Whether the loss of the training has fallen over as many looks as there is patience, and that of the events held out has not risen: these
    /// leap about their best by more than it falls.
    pub fn learns(&self, patience: u64) -> bool {
        let looks = window(patience);
        rise(&self.own, looks) < -SURE && rise(&self.held_out, looks) <= SURE
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

    /// After `looks`, of which each has a loss of the training and one held out, which chance moves by `error`.
    fn after(
        looks: usize,
        own: impl Fn(f64) -> f64,
        held_out: impl Fn(f64) -> f64,
        error: f64,
    ) -> Marks {
        let each = |loss: &dyn Fn(f64) -> f64| (0..looks).map(|e| loss(e as f64)).collect();
        Marks {
            own: each(&own),
            held_out: each(&held_out),
            error,
            ..Marks::default()
        }
    }

    #[test]
    fn what_a_training_does_is_told_from_what_leaps() {
        // About 1: leaps of one set of parameters are larger than those of the mean of many.
        let leap = |e: f64| (17.0 * e * e).sin();
        let own = |e: f64| 0.002 * leap(e + 0.5);
        let held_out = |e: f64| 0.02 * leap(e);
        let does = |marks: &Marks| (marks.learns(10), marks.by_heart(10));
        for looks in [20, 33, 60] {
            let slow = |e: f64| 2.3 - 0.002 * e;
            let both = |e: f64| slow(e) + own(e);
            let learning = after(looks, both, |e| slow(e) + held_out(e), 0.002);
            assert_eq!(does(&learning), (true, false));
            let done = after(looks, |e| 2.3 + own(e), |e| 2.3 + held_out(e), 0.002);
            assert_eq!(does(&done), (false, false));
            // Few events are held out, and all their losses are too large.
            let unlucky = after(looks, |e| 2.3 + own(e), |e| 2.33 + held_out(e), 0.02);
            assert_eq!(does(&unlucky), (false, false));
            let by_heart = after(looks, both, |e| 2.3 + 0.005 * e + held_out(e), 0.002);
            assert_eq!(does(&by_heart), (false, true));
            let sudden = after(looks, |e| 2.3 / (1.0 + e), |e| 2.3 + 0.3 * e * e, 0.1);
            assert!(does(&sudden).1);
        }
        // With little patience as well.
        let falling = after(
            8,
            |e| 2.0 / (1.0 + e),
            |e| 2.0 / (1.0 + e) + held_out(e),
            0.01,
        );
        for patience in 1..4 {
            assert!(falling.learns(patience) && !falling.by_heart(patience));
        }
        // Of so little nothing is said.
        for looks in [0, 1, 2, 3] {
            assert!(!after(looks, |e| -e, |e| -e, 0.1).learns(10));
        }
        assert!(!Marks::default().by_heart(10));
        assert!(after(1, |_| 1.0, |_| 2.0, 0.1).by_heart(10));
    }

    #[test]
    fn looks_are_of_the_updates_since_the_last() {
        let mut marks = Marks::default();
        for (sum, done) in [(6.0, 2), (7.0, 3)] {
            marks.sum = sum;
            marks.look((0.5, 0.1), done).unwrap();
        }
        marks.begin();
        marks.sum = 8.0;
        marks.look((0.4, 0.1), 4).unwrap();
        assert_eq!(marks.own, [3.0, 1.0, 2.0]);
        assert_eq!(marks.held_out, [0.5, 0.5, 0.4]);
    }
}
