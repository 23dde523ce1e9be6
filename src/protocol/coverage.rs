//! Whether generated events stay where the target's are.

use super::judgement::Subject;
use super::source::Events;
use crate::model::called;
use crate::order::falling;
use crate::train::Hooks;
use crate::Result;
use serde::Serialize;

/// A feature whose generated events go further than this many times what chance explains, and than [`FEWEST`], is told.
const BEYOND_CHANCE: f64 = 10.0;
const FEWEST: f64 = 0.001;

/// Ranges of the target beyond it that are far, and events there that are no chance.
const FAR: f64 = 10.0;
const SEVERAL: u64 = 5;

/// So many ends of features are named, the worst.
const NAMED: usize = 3;

/// How far the target's held-out events reach, and what the generated ones, counted by their weights, have beyond.
pub(super) struct Coverage {
    target: usize,
    /// Values per row, conditions included.
    columns: usize,
    features: Vec<FeatureRange>,
    /// Generated events of positive weight that lie many ranges outside, feature by feature.
    far: Vec<u64>,
    total: f64,
}

/// One feature.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FeatureRange {
    /// Smallest value of the held-out target events.
    pub low: f64,
    /// Largest value of the held-out target events.
    pub high: f64,
    /// Share of the generated events' weight below `low`.
    pub below: f64,
    /// Share of the generated events' weight above `high`.
    pub above: f64,
}

impl Coverage {
    /// Of the first `dim` values of rows. Nothing is held out: no features.
    pub fn new(held_out: &Events, dim: usize) -> Self {
        let columns = held_out.x.len() / held_out.len().max(1);
        let column = |j: usize| held_out.x.iter().skip(j).step_by(columns).copied();
        let dim = if held_out.len() == 0 { 0 } else { dim };
        let features = (0..dim).map(|j| FeatureRange {
            low: column(j).fold(f64::INFINITY, f64::min),
            high: column(j).fold(f64::NEG_INFINITY, f64::max),
            below: 0.0,
            above: 0.0,
        });
        Coverage {
            target: held_out.len(),
            columns,
            features: features.collect(),
            far: (0..dim).map(|_| 0).collect(),
            total: 0.0,
        }
    }

    /// Counts generated events with their weights; those that are not finite, or whose weight is not, count for nothing.
    pub fn add(&mut self, x: &[f64], weights: &[f64]) {
        if self.features.is_empty() {
            return;
        }
        for (row, &w) in x.chunks(self.columns).zip(weights) {
            if !w.is_finite() {
                continue;
            }
            self.total += w;
            for ((feature, far), &value) in self.features.iter_mut().zip(&mut self.far).zip(row) {
                let reach = FAR * (feature.high - feature.low);
                let out = value > feature.high + reach || value < feature.low - reach;
                *far += u64::from(out && w > 0.0);
                feature.below += if value < feature.low { w } else { 0.0 };
                feature.above += if value > feature.high { w } else { 0.0 };
            }
        }
    }

    /// The shares, by feature.
    pub fn features(&self) -> Vec<FeatureRange> {
        let shares = self.features.iter().map(|feature| FeatureRange {
            below: feature.below / self.total,
            above: feature.above / self.total,
            ..*feature
        });
        shares.collect()
    }

    /// Tells the host of features with events so far out that they are none of the target's tails.
    fn warn_of_far(&self, hooks: &dyn Hooks, names: &[String], subject: Subject) -> Result<()> {
        let features = (0..).zip(&self.far).filter(|(_, far)| **far >= SEVERAL);
        let far: Vec<String> = features
            .map(|(j, far)| format!("{far} have {}", called(names, j)))
            .collect();
        if far.is_empty() {
            return Ok(());
        }
        hooks.warn(
            "range",
            &format!(
                "of the {}, {} more than {FAR} times the range of the {} held-out {} beyond it: a few outliers, or values that stand for missing ones, have spoilt the scaling; look for them in the events",
                subject.choose("generated events", "events of `from`"),
                far.join(", "),
                self.target,
                subject.choose("target events", "events of `to`"),
            ),
        )
    }

    /// Tells the host, at once, of the features whose events go where none of the target's are.
    pub fn warn(&self, hooks: &dyn Hooks, names: &[String], subject: Subject) -> Result<()> {
        let limit = FEWEST.max(BEYOND_CHANCE / self.target as f64);
        let features = self.features();
        let sides = features
            .iter()
            .enumerate()
            .flat_map(|(j, f)| [(f.below, j, "below", f.low), (f.above, j, "above", f.high)]);
        let beyond: Vec<_> = sides.filter(|(share, ..)| *share > limit).collect();
        let beyond = falling(beyond, &|(share, ..)| *share);
        let (named, others) = beyond.split_at(beyond.len().min(NAMED));
        let mut list: Vec<String> = named
            .iter()
            .map(|(share, j, side, end)| {
                let name = called(names, *j);
                format!("{:.2} % have {name} {side} {}", 100.0 * share, value(*end))
            })
            .collect();
        self.warn_of_far(hooks, names, subject)?;
        if list.is_empty() {
            return Ok(());
        }
        if !others.is_empty() {
            list.push(format!("and {} more", others.len()));
        }
        hooks.warn("range", &format!(
                "of {}, {}, where none of {} held-out {} is. If that is a bound of the feature itself, {}; an edge that several features make together is cut as sharply as the classifier has learned it: train that longer",
                subject.refined(),
                list.join(", "),
                self.target,
                subject.choose("target events", "events of `to`"),
                subject.choose(
                    "train the generator with `features.scaling`, as `logit(low:high)` or `log(low)`, of whole numbers `integer(low:high)`, of exact zeros `zeros(low)`, which keeps events within",
                    "leave out what is beyond it (`support`)",
                ),
            ),
        )
    }
}

/// A value of a feature, in whatever unit, for a message.
pub(super) fn value(x: f64) -> String {
    match x == 0.0 || (1e-3..1e7).contains(&x.abs()) {
        true => format!("{x:.6}"),
        false => format!("{x:.6e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Level;
    use std::cell::RefCell;

    struct Log(RefCell<Vec<String>>);

    impl Hooks for Log {
        fn log(&self, _: Level, message: &str) -> Result<()> {
            self.0.borrow_mut().push(message.into());
            Ok(())
        }
    }

    /// 2000 target events from 0 to 1 with a condition behind them; generated ones of the given values.
    fn told(generated: &[(f64, f64)]) -> (Vec<FeatureRange>, Vec<String>) {
        let mut rows = Events::new(2);
        for i in 0..2000 {
            rows.x.extend([i as f64 / 1999.0, 7.0]);
            rows.w.push(1.0);
        }
        let mut coverage = Coverage::new(&rows, 1);
        for &(x, w) in generated {
            coverage.add(&[x, -9.0], &[w]);
        }
        let log = Log(RefCell::new(Vec::new()));
        coverage.warn(&log, &[], Subject::Generator).unwrap();
        (coverage.features(), log.0.into_inner())
    }

    #[test]
    fn weight_beyond_the_target_is_told() {
        let (features, log) = told(&[(0.5, 97.0), (1.5, 2.0), (-0.5, 1.0), (f64::NAN, f64::NAN)]);
        assert_eq!(features.len(), 1);
        assert_eq!((features[0].below, features[0].above), (0.01, 0.02));
        assert_eq!(log.len(), 1);
        let list = "2.00 % have feature 0 above 1.000000, 1.00 % have feature 0 below 0.000000, where none of 2000 held-out";
        assert!(log[0].contains(list), "{log:?}");
    }

    #[test]
    fn many_features_are_one_warning() {
        let share = |j: usize| 0.01 * j as f64;
        let features = (0..8).map(|j| FeatureRange {
            low: 0.0,
            high: 1.0,
            below: 0.0,
            above: share(j),
        });
        let coverage = Coverage {
            target: 20_000,
            columns: 8,
            features: features.collect(),
            far: Vec::new(),
            total: 1.0,
        };
        let log = Log(RefCell::new(Vec::new()));
        coverage.warn(&log, &[], Subject::Generator).unwrap();
        let log = log.0.into_inner();
        let list = "7.00 % have feature 7 above 1.000000, 6.00 % have feature 6 above 1.000000, 5.00 % have feature 5 above 1.000000, and 4 more, where";
        assert!(log.len() == 1 && log[0].contains(list), "{log:?}");
    }

    #[test]
    fn what_chance_explains_is_not() {
        let (features, log) = told(&[(0.5, 1000.0), (1.5, 4.0), (1.0, 0.0), (0.0, 1.0)]);
        assert!(features[0].above > 0.0);
        assert!(log.is_empty(), "{log:?}");
    }

    #[test]
    fn nothing_held_out_tells_nothing() {
        let mut coverage = Coverage::new(&Events::new(2), 1);
        coverage.add(&[1.0, 2.0], &[1.0]);
        assert!(coverage.features().is_empty());
    }
}
