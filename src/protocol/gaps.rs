//! Whether the generator reaches everywhere the target does: what it never makes, no weight can bring back.

use super::coverage::value;
use super::judgement::Subject;
use crate::metrics::Normal;
use crate::model::{called, Scaling};
use crate::order::{falling, sort_by_value};
use crate::room::{Gather, Grow};
use crate::train::Hooks;
use crate::{Error, Result};
use serde::Serialize;

/// A tail of the target that the generator does not reach.
#[derive(Clone, Debug, Serialize)]
pub struct Gap {
    /// What the feature is called, as `feature J` without a name, or `principal axis K` of the scaled features, both from 0.
    pub direction: String,
    /// `below` or `above`.
    pub side: &'static str,
    /// Where the tail begins: a value of the feature, or a place along the axis, in standard deviations of the target from its mean.
    pub from: f64,
    /// Share of the target's weight in the tail.
    pub target: f64,
    /// Share of the generated events there.
    pub generated: f64,
}

impl Gap {
    /// In words.
    pub(super) fn describe(&self, subject: Subject) -> String {
        let has = subject.choose("the generator makes", "`from` has");
        let generated = match self.generated {
            0.0 => format!("{has} none"),
            share => format!("{has} {:.2} %", 100.0 * share),
        };
        format!(
            "{:.2} % of {} lie {} {} = {}, where {generated}",
            100.0 * self.target,
            subject.target(),
            self.side,
            self.direction,
            value(self.from)
        )
    }
}

/// The largest share of the target that is a tail.
const TAIL: f64 = 0.05;
/// A tail counts as not reached if so many times fewer events are generated there than the target has.
const FEWER: f64 = 10.0;
/// The same of events of the host, whose weights are meant to make up for such differences.
const FEWER_GIVEN: f64 = 100.0;
/// And if equal laws make that with a smaller probability: hundreds of tails are looked at.
const CHANCE: f64 = 1e-6;

/// Tells the host of the largest of the gaps.
pub(super) fn warn(gaps: &[Gap], hooks: &dyn Hooks, subject: Subject) -> Result<()> {
    const NAMED: usize = 3;
    let named = gaps.iter().take(NAMED).map(|gap| gap.describe(subject));
    let named: Vec<String> = named.collect();
    if named.is_empty() {
        return Ok(());
    }
    let more = match gaps.len() - named.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let message = format!(
        "{} does not reach all of {}, and no weight can bring back what it never {}: {}{more}. {}",
        subject.choose("the generator", "`from`"),
        subject.target(),
        subject.choose("makes", "has"),
        named.join("; "),
        subject.choose(
            "Train it longer, or on features with `features.scaling` that draws tails in (`asinh`, `log(low)`, `zeros(low, log)`)",
            "Where a region is empty the weights cannot be right: take events that reach it, or leave it out of both by cuts",
        ),
    );
    hooks.warn("coverage", &message)
}

/// The tails of the target, feature by feature and along the principal axes of its scaled features, in both directions, that hold at least
/// ten times the share of the generator's own events, a hundred times that of events of the host; these are not weighted. `target` and `generated` are rows of M features and what
/// stands behind them, `weights` the target's.
pub(super) fn gaps(
    target: &[f64],
    weights: &[f64],
    generated: &[f64],
    (scalings, names): (&[Scaling], &[String]),
    columns: usize,
    subject: Subject,
) -> Result<Vec<Gap>> {
    let m = scalings.len();
    let fewer = match subject {
        Subject::Generator => FEWER,
        Subject::Events => FEWER_GIVEN,
    };
    let finite = |row: &&[f64]| row.iter().all(|v| v.is_finite());
    let scaled = |rows: &[f64]| {
        let mut scaled = Vec::new();
        for row in rows.chunks_exact(columns).filter(finite) {
            let pairs = row.iter().zip(scalings);
            scaled.put_all(pairs.map(|(&x, s)| s.forward(x)))?;
        }
        Ok::<_, Error>(scaled)
    };
    let (target, generated) = (scaled(target)?, scaled(generated)?);
    if target.is_empty() || generated.is_empty() || target.len() / m != weights.len() {
        return Ok(Vec::new());
    }
    let mut gaps = Vec::new();
    let mut look = |direction: String, of: &dyn Fn(&[f64]) -> f64, back: &dyn Fn(f64) -> f64| {
        let t = target.chunks_exact(m).map(of).gather()?;
        let g = generated.chunks_exact(m).map(of).gather()?;
        for (side, sign) in [("below", -1.0), ("above", 1.0)] {
            if let Some(gap) = tail(&t, weights, &g, sign, fewer)? {
                gaps.push(Gap {
                    direction: direction.clone(),
                    side,
                    from: back(gap.0),
                    target: gap.1,
                    generated: gap.2,
                });
            }
        }
        Ok::<_, Error>(())
    };
    for (j, scaling) in scalings.iter().enumerate() {
        // A circle has no tails, nor have classes.
        let tails = match scaling {
            Scaling::Periodic { .. } => false,
            Scaling::Cells { classes, .. } => !classes,
            _ => true,
        };
        if tails {
            look(called(names, j), &|row| row[j], &|u| scaling.inverse(u))?;
        }
    }
    let normal = match Normal::new(&target, weights, m) {
        Ok(normal) => Some(normal).filter(|_| m > 1),
        // Weights without a positive total have no axes.
        Err(Error::Data(_)) => None,
        Err(other) => return Err(other),
    };
    if let Some(normal) = normal {
        for (k, variance) in normal.variances().iter().enumerate() {
            let std = variance.max(0.0).sqrt();
            if std > 0.0 {
                let along = |row: &[f64]| normal.along(k, row) / std;
                look(format!("principal axis {k}"), &along, &|u| u)?;
            }
        }
    }
    Ok(falling(gaps, &|gap| gap.target))
}

/// The largest tail in the direction of `sign` that is not reached: where it begins, and the shares of both there.
fn tail(
    target: &[f64],
    weights: &[f64],
    generated: &[f64],
    sign: f64,
    fewer: f64,
) -> Result<Option<(f64, f64, f64)>> {
    let mut order = (0..target.len()).gather()?;
    sort_by_value(&mut order, &|i| -(sign * target[i]));
    let mut generated = generated.iter().map(|g| sign * g).gather()?;
    generated.sort_unstable_by(f64::total_cmp);
    generated.reverse();
    let total: f64 = weights.iter().sum();
    let mut found = None;
    let mut share = 0.0;
    for (count, &row) in (1..).zip(&order) {
        share += weights[row] / total;
        if share > TAIL {
            break;
        }
        let from = sign * target[row];
        let beyond = generated.partition_point(|&g| g >= from);
        let made = beyond as f64 / generated.len() as f64;
        if made * fewer <= share && chance(count, beyond, target.len(), generated.len()) < CHANCE {
            found = Some((sign * from, share, made));
        }
    }
    Ok(found)
}

/// The probability that of `a` + `b` events of one law, drawn by samples of `n` and `m` events, at most `b` fall to the second.
fn chance(a: usize, b: usize, n: usize, m: usize) -> f64 {
    let (sum, second) = ((a + b) as f64, m as f64 / (n + m) as f64);
    let log_choose =
        |k: f64| libm::lgamma(sum + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(sum - k + 1.0);
    let term = |k: f64| log_choose(k) + k * libm::log(second) + (sum - k) * libm::log(1.0 - second);
    (0..=b).map(|k| libm::exp(term(k as f64))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};

    const ROWS: usize = 50_000;
    const UNSCALED: [Scaling; 2] = [const { Scaling::None }; 2];

    fn normals(stream: u64) -> Vec<f64> {
        let mut x = vec![0.0; 2 * ROWS];
        Noise::new(5, stream, domain::PILOT).fill_normals(0, ROWS, 2, &mut x);
        x
    }

    fn found(target: &[f64], generated: &[f64]) -> Vec<Gap> {
        let weights = vec![1.0; target.len() / 2];
        gaps(
            target,
            &weights,
            generated,
            (&UNSCALED, &[]),
            2,
            Subject::Generator,
        )
        .unwrap()
    }

    #[test]
    fn equal_samples_have_no_gap() {
        for pair in 0..10 {
            let gaps = found(&normals(2 * pair), &normals(2 * pair + 1));
            assert!(gaps.is_empty(), "{gaps:?}");
        }
    }

    #[test]
    fn chances_are_those_of_the_binomial_law() {
        // Three coins: none of the second kind, at most one.
        assert!((chance(3, 0, 1, 1) - 0.125).abs() < 1e-12);
        assert!((chance(2, 1, 1, 1) - 0.5).abs() < 1e-12);
        assert!((chance(5, 0, 1, 10) - (1.0f64 / 11.0).powi(5)).abs() < 1e-15);
    }

    #[test]
    fn a_tail_that_is_missing_is_named_with_its_share() {
        // 0.5 % of the target lie around 20.
        let mut target = normals(1);
        target
            .chunks_exact_mut(2)
            .take(ROWS / 200)
            .for_each(|x| x[0] += 20.0);
        let gaps = found(&target, &normals(2));
        let gap = gaps.iter().find(|g| g.direction == "feature 0").unwrap();
        assert!(gap.side == "above" && gap.from < 18.0, "{gap:?}");
        assert!((0.005..0.0056).contains(&gap.target) && gap.generated <= gap.target / 10.0);
        assert!(gap
            .describe(Subject::Generator)
            .contains("of the target lie above feature 0 ="));
        assert!(!gaps.iter().any(|g| g.direction == "feature 1"));
        // A generator that has it too.
        assert!(found(&target, &target).is_empty());
    }

    #[test]
    fn a_direction_across_the_features_is_seen() {
        // Strongly correlated features: what is missing lies within the reach of each.
        let correlated = |mut x: Vec<f64>| {
            x.chunks_exact_mut(2)
                .for_each(|x| x[1] = x[0] + 0.05 * x[1]);
            x
        };
        let mut target = correlated(normals(1));
        target
            .chunks_exact_mut(2)
            .take(ROWS / 100)
            .for_each(|x| (x[0], x[1]) = (0.9, -0.9));
        let gaps = found(&target, &correlated(normals(2)));
        assert!(
            gaps.iter().any(|g| g.direction == "principal axis 1"),
            "{gaps:?}"
        );
        assert!(
            !gaps.iter().any(|g| g.direction.starts_with("feature")),
            "{gaps:?}"
        );
    }

    #[test]
    fn events_that_are_not_finite_and_conditions_do_not_count() {
        let mut generated = normals(2);
        generated[0] = f64::NAN;
        assert!(found(&normals(1), &generated).is_empty());
        let with = |x: Vec<f64>, c: f64| -> Vec<f64> {
            x.chunks_exact(2).flat_map(|x| [x[0], x[1], c]).collect()
        };
        let (target, generated) = (with(normals(1), 0.0), with(normals(2), 9.0));
        let of = |target: &[f64], weights: &[f64]| {
            gaps(
                target,
                weights,
                &generated,
                (&UNSCALED, &[]),
                3,
                Subject::Generator,
            )
        };
        assert!(of(&target, &[1.0; ROWS]).unwrap().is_empty());
        assert!(of(&[], &[]).unwrap().is_empty());
    }
}
