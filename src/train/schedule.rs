//! The learning rate over the course of a training.

use crate::options::{choices, keys::StageKeys, Options};

/// Shape of the decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// α_n = α₀ γⁿ with n the epoch (paper, Sec. 4.1).
    Exponential {
        /// γ.
        gamma: f64,
    },
    /// α₀ ½ (1 + cos(π t)) with t the fraction of all updates done: short trainings end at small steps.
    Cosine,
    /// α₀ throughout.
    Constant,
    /// From α₀ / 25 to α₀ over the first three tenths of the updates, and on to α₀ / 250 000, by half a cosine each (L. N. Smith,
    /// N. Topin, arXiv:1708.07120, as PyTorch has it).
    OneCycle,
}

/// Learning rate against update.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// α₀.
    pub rate: f64,
    /// Updates of linear warm-up from 0 before it.
    pub warmup: u64,
    /// What follows.
    pub decay: Decay,
}

impl Schedule {
    /// From the options of one stage.
    pub fn from_options(options: &Options, stage: &StageKeys) -> Self {
        let decay = match options.get(stage.schedule) {
            choices::Schedule::Exponential => Decay::Exponential {
                gamma: options.get(stage.gamma),
            },
            choices::Schedule::Cosine => Decay::Cosine,
            choices::Schedule::Constant => Decay::Constant,
            choices::Schedule::OneCycle => Decay::OneCycle,
        };
        Schedule {
            rate: options.get(stage.lr),
            warmup: options.get(stage.warmup) as u64,
            decay,
        }
    }

    /// The rate for update `step` (from 0) of `steps`, in epoch `epoch` (from 0).
    pub fn at(&self, step: u64, steps: u64, epoch: u64) -> f64 {
        let warm = if step < self.warmup && self.decay != Decay::OneCycle {
            (step + 1) as f64 / self.warmup as f64
        } else {
            1.0
        };
        let decay = match self.decay {
            // libm's: the compiler may call the intrinsic speculatively, on what other decays leave unset, and valgrind then complains.
            Decay::Exponential { gamma } => libm::pow(gamma, epoch as f64),
            Decay::Cosine => {
                0.5 * (1.0 + libm::cos(std::f64::consts::PI * step as f64 / steps.max(1) as f64))
            }
            Decay::Constant => 1.0,
            Decay::OneCycle => one_cycle(step, steps),
        };
        self.rate * warm * decay
    }
}

/// As a fraction of α₀, of update `step` of `steps`.
fn one_cycle(step: u64, steps: u64) -> f64 {
    const RISE: f64 = 0.3;
    const FIRST: f64 = 1.0 / 25.0;
    const LAST: f64 = FIRST / 1e4;
    let last = steps.saturating_sub(1) as f64;
    let top = (RISE * steps as f64 - 1.0).max(0.0);
    let step = step as f64;
    let (from, to, share) = if step < top {
        (FIRST, 1.0, step / top)
    } else {
        (1.0, LAST, (step - top) / (last - top).max(1.0))
    };
    to + 0.5 * (from - to) * (1.0 + libm::cos(std::f64::consts::PI * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let mut s = Schedule {
            rate: 2.0,
            warmup: 0,
            decay: Decay::Exponential { gamma: 0.5 },
        };
        assert_eq!(s.at(500, 1000, 3), 0.25);
        s.decay = Decay::Cosine;
        assert_eq!(s.at(0, 1000, 0), 2.0);
        assert!((s.at(500, 1000, 0) - 1.0).abs() < 1e-12);
        assert!(s.at(999, 1000, 0) < 1e-5);
        s.warmup = 10;
        s.decay = Decay::Constant;
        assert!((s.at(4, 1000, 0) - 1.0).abs() < 1e-12);
        assert_eq!(s.at(10, 1000, 0), 2.0);
    }

    #[test]
    fn one_cycle_rises_and_falls() {
        let s = Schedule {
            rate: 2.0,
            warmup: 50,
            decay: Decay::OneCycle,
        };
        // The formula of torch.optim.lr_scheduler.OneCycleLR(max_lr=2, total_steps=100), at some steps.
        for (step, rate) in [
            (0, 0.08),
            (10, 0.590327896928),
            (29, 2.0),
            (50, 1.587786901151),
            (99, 8e-6),
        ] {
            let found = s.at(step, 100, 0);
            assert!((found / rate - 1.0).abs() < 1e-9, "{step}: {found}");
        }
    }
}
