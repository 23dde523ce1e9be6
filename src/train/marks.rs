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

impl Marks {
    /// Whether the events of the training are known better, over the last `epochs` and a `present` one that has not ended (its held-out and its
    /// training loss), than those held out: they are learned by heart. Chance moves the held-out loss by `error`, as it has few events, and
    /// large steps move the gap from epoch to epoch.
    pub fn by_heart(&self, epochs: u64, present: Option<(f64, f64)>, error: f64) -> bool {
        let pairs = self.validation_losses.iter().zip(&self.losses).rev();
        let recent = pairs.take(epochs as usize).map(|(held, own)| (*held, *own));
        let gaps = recent.chain(present).map(|(held, own)| held - own);
        // By the leaps from one to the next, which a steady rise does not widen.
        let (mut n, mut sum, mut leaps, mut last) = (0.0, 0.0, 0.0, None);
        for gap in gaps {
            let leap = gap - last.unwrap_or(gap);
            (n, sum, leaps, last) = (n + 1.0, sum + gap, leaps + leap * leap, Some(gap));
        }
        let variance = 0.5 * leaps / f64::max(n - 1.0, 1.0);
        sum / n > SURE * error.hypot((variance / n).sqrt())
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
