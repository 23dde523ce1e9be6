//! Whether the generator reaches everywhere the target does: what it never makes, no weight can bring back. And whether, where it makes little,
//! the weights bring back as much as is missing.

use super::coverage::value;
use super::judgement::Subject;
use super::source::Events;
use crate::metrics::Normal;
use crate::model::{called, Scaling};
use crate::order::{falling, sort_by_value};
use crate::room::{Gather, Grow};
use crate::train::Hooks;
use crate::{Error, Result};
use serde::Serialize;

pub(super) mod regions;

/// A tail or a region of the target that the generator does not reach, or not with its weights.
#[derive(Clone, Debug, Serialize)]
pub struct Gap {
    /// What the feature is called, as `feature J` without a name, or `principal axis K` of the scaled features, both from 0; of a region that
    /// trees have found, where it is.
    pub direction: String,
    /// `below` or `above`; `within` a region.
    pub side: &'static str,
    /// Where the tail begins: a value of the feature, or a place along the axis, in standard deviations of the target from its mean; of a
    /// region, the score of the trees.
    pub from: f64,
    /// Share of the target's weight in the tail.
    pub target: f64,
    /// Share of the generated events there.
    pub generated: f64,
    /// Share of their weight.
    pub refined: f64,
    /// Whether next to none are made there: else it is the weights that are wrong.
    #[serde(skip)]
    missing: bool,
}

impl Gap {
    /// In words.
    pub(super) fn describe(&self, subject: Subject) -> String {
        let (whose, share) = match self.missing {
            true => (
                subject.choose("the generator makes", "`from` has"),
                self.generated,
            ),
            false => (
                subject.choose(
                    "the refined events have",
                    "the weighted events of `from` have",
                ),
                self.refined,
            ),
        };
        let share = match share {
            0.0 => "none".into(),
            share => format!("{:.2} %", 100.0 * share),
        };
        let place = match self.side {
            WITHIN => self.direction.clone(),
            side => format!("{side} {} = {}", self.direction, value(self.from)),
        };
        format!(
            "{:.2} % of {} lie {place}, where {whose} {share}",
            100.0 * self.target,
            subject.target(),
        )
    }
}

/// The side of a region.
const WITHIN: &str = "within";
/// The largest share of the target that is a tail, and the smallest that is missed.
const TAIL: f64 = 0.05;
const LEAST: f64 = 0.001;
/// A tail counts as not reached if so many times fewer events are generated there than the target has.
const FEWER: f64 = 10.0;
/// The same of events of the host, whose weights are meant to make up for such differences.
const FEWER_GIVEN: f64 = 100.0;
/// And if equal laws make that with a smaller probability: hundreds of tails are looked at.
const CHANCE: f64 = 1e-6;
/// Shares of weight that differ by so many standard errors, and by so much of the target's in a tail, are different.
const ERRORS: f64 = 5.0;
const OFF: f64 = 0.25;
/// Sizes that are looked at, in each unit of the logarithm.
const STEPS: usize = 64;
/// Places that are named.
const NAMED: usize = 3;

/// The first of the gaps in words; none of none.
fn listed<'g>(gaps: impl Iterator<Item = &'g Gap>, subject: Subject) -> Option<String> {
    let mut all: Vec<String> = gaps.map(|gap| gap.describe(subject)).collect();
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    (!all.is_empty()).then(|| all.join("; "))
}

/// Tells the host of the largest of the gaps.
pub(super) fn warn(gaps: &[Gap], hooks: &dyn Hooks, subject: Subject) -> Result<()> {
    let of = |missing: bool| listed(gaps.iter().filter(|g| g.missing == missing), subject);
    if let Some(named) = of(true) {
        let message = format!(
            "{} does not reach all of {}, and no weight can bring back what it never {}: {named}. {}",
            subject.choose("the generator", "`from`"),
            subject.target(),
            subject.choose("makes", "has"),
            subject.choose(
                "Train it longer, or on features with `features.scaling` that draws tails in (`asinh`, `log(low)`, `zeros(low, log)`)",
                "Where a region is empty the weights cannot be right: take events that reach it, or leave it out of both by cuts",
            ),
        );
        hooks.warn("coverage", &message)?;
    }
    let Some(named) = of(false) else {
        return Ok(());
    };
    let message = format!(
        "the weights are not right where there are few events: {named}. Train the {} longer, give features with tails a `features.scaling` that draws them in (`asinh`, `log(low)`), or deliver more events there; a limit of the weights (`weights.tail`, `weights.margin`) may be too low",
        subject.choose("generator and the classifier", "classifier"),
    );
    hooks.warn("tails", &message)
}

/// Values of events along a direction, and their weights.
struct Along<'a> {
    at: &'a [f64],
    weights: &'a [f64],
}

/// What is looked for there.
#[derive(Clone, Copy)]
struct Search {
    /// Of the side.
    sign: f64,
    /// The largest share of the target, and the smallest to be missed.
    most: f64,
    least: f64,
    /// Missed are so many times fewer events.
    fewer: f64,
    /// By so many errors of what their weights make of them, or a hundred times.
    errors: f64,
    /// Unless their weights make this of the target's share of them.
    mended: f64,
    /// Shares of weight that differ by less of the target's are equal.
    off: f64,
}

/// The largest tail or region of either kind.
#[derive(Default)]
struct Tails {
    /// Where next to nothing is made.
    missing: Option<Shares>,
    /// Where the weights are wrong.
    wrong: Option<Shares>,
}

#[derive(Clone, Copy)]
struct Shares {
    from: f64,
    target: f64,
    generated: f64,
    refined: f64,
}

impl Shares {
    fn gap(self, direction: String, side: &'static str, missing: bool) -> Gap {
        Gap {
            direction,
            side,
            from: self.from,
            target: self.target,
            generated: self.generated,
            refined: self.refined,
            missing,
        }
    }
}

/// The tails of the target, feature by feature and along the principal axes of its scaled features, in both directions, that hold at least
/// ten times the share of the generator's own events, a hundred times that of events of the host; these are not weighted. And those whose
/// share of the weight, if `weights` are given, is not the target's. `generated` are rows of M features and what stands behind them.
pub(super) fn gaps(
    target: &Events,
    generated: &[f64],
    weights: Option<&[f64]>,
    (scalings, names): (&[Scaling], &[String]),
    subject: Subject,
) -> Result<Vec<Gap>> {
    let (m, columns) = (scalings.len(), target.dim);
    let search = Search {
        sign: 1.0,
        most: TAIL,
        least: LEAST,
        fewer: match subject {
            Subject::Generator => FEWER,
            Subject::Events => FEWER_GIVEN,
        },
        errors: 0.0,
        mended: f64::INFINITY,
        off: if weights.is_some() {
            OFF
        } else {
            f64::INFINITY
        },
    };
    let scaled = |rows: &[f64], weights: Option<&[f64]>| {
        let (mut scaled, mut kept) = (Vec::new(), Vec::new());
        for (i, row) in rows.chunks_exact(columns).enumerate() {
            let w = weights.map_or(1.0, |w| w[i]);
            if w.is_finite() && row.iter().all(|v| v.is_finite()) {
                let pairs = row.iter().zip(scalings);
                scaled.put_all(pairs.map(|(&x, s)| s.forward(x)))?;
                kept.put(w)?;
            }
        }
        Ok::<_, Error>((scaled, kept))
    };
    let (target, target_weights) = scaled(&target.x, Some(&target.w))?;
    let (generated, weights) = scaled(generated, weights)?;
    if target.is_empty() || generated.is_empty() {
        return Ok(Vec::new());
    }
    let mut gaps = Vec::new();
    let mut look = |direction: String, of: &dyn Fn(&[f64]) -> f64, back: &dyn Fn(f64) -> f64| {
        let t = target.chunks_exact(m).map(of).gather()?;
        let g = generated.chunks_exact(m).map(of).gather()?;
        let along = [(&t, &target_weights), (&g, &weights)];
        let along = along.map(|(at, weights)| Along { at, weights });
        for (side, sign) in [("below", -1.0), ("above", 1.0)] {
            let Tails { missing, wrong } = tails(&along, Search { sign, ..search })?;
            if let Some(shares) = missing.or(wrong) {
                let from = back(shares.from);
                let shares = Shares { from, ..shares };
                gaps.push(shares.gap(direction.clone(), side, missing.is_some()));
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
    let normal = match Normal::new(&target, &target_weights, m) {
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

/// The largest tails in a direction, of target and generated events.
fn tails([target, generated]: &[Along; 2], search: Search) -> Result<Tails> {
    let Search { sign, .. } = search;
    let outermost_first = |along: &Along| {
        let mut order = (0..along.at.len()).gather()?;
        sort_by_value(&mut order, &|i| -(sign * along.at[i]));
        Ok::<_, Error>(order)
    };
    let (order, made) = (outermost_first(target)?, outermost_first(generated)?);
    let totals = [target, generated].map(|along| along.weights.iter().sum::<f64>());
    // Σw² of weights that sum to 1.
    let squares = |total: f64| {
        target
            .weights
            .iter()
            .map(|w| (w / total).powi(2))
            .sum::<f64>()
    };
    let each = squares(totals[0]);
    let mut found = Tails::default();
    let (mut share, mut own, mut refined, mut of_refined) = (0.0, 0.0, 0.0, 0.0);
    let (mut beyond, mut next) = (0, 1);
    for (count, &row) in (1..).zip(&order) {
        let w = target.weights[row] / totals[0];
        share += w;
        own += w * w;
        if share > search.most {
            break;
        }
        if count < next {
            continue;
        }
        let from = target.at[row];
        while let Some(&row) = made
            .get(beyond)
            .filter(|&&i| sign * generated.at[i] >= sign * from)
        {
            let w = generated.weights[row] / totals[1];
            refined += w;
            of_refined += w * w;
            beyond += 1;
        }
        let shares = Shares {
            from,
            target: share,
            generated: beyond as f64 / made.len() as f64,
            refined,
        };
        // Of as many events as the weights say there should be; and of those that were made, with the weights that they should have.
        let expected = own.max(refined * each);
        let made_up = of_refined * (share / refined).max(1.0).powi(2);
        let (off, error) = ((share - refined).abs(), (expected + made_up).sqrt());
        let sure = search.errors == 0.0
            || off > search.errors * error
            || shares.generated * FEWER_GIVEN <= share;
        if share >= search.least
            && shares.generated * search.fewer <= share
            && refined.max(0.0) < search.mended * share
            && sure
            && chance(count, beyond, order.len(), made.len()) < CHANCE
        {
            found.missing = Some(shares);
        }
        // Of equal values all or none.
        if order
            .get(count)
            .is_some_and(|&next| target.at[next] == from)
        {
            continue;
        }
        next = count + count / STEPS + 1;
        if off > ERRORS * error && off > search.off * share {
            found.wrong = Some(shares);
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

    fn events(x: &[f64], dim: usize) -> Events {
        Events {
            dim,
            x: x.to_vec(),
            w: vec![1.0; x.len() / dim],
        }
    }

    fn found(target: &[f64], generated: &[f64]) -> Vec<Gap> {
        weighted(target, generated, |_| 1.0)
    }

    /// With a weight that depends on the first feature.
    fn weighted(target: &[f64], generated: &[f64], weight: impl Fn(f64) -> f64) -> Vec<Gap> {
        let w: Vec<f64> = generated.chunks_exact(2).map(|x| weight(x[0])).collect();
        let named = (&UNSCALED[..], &[][..]);
        let target = events(target, 2);
        gaps(&target, generated, Some(&w), named, Subject::Generator).unwrap()
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
        let of = |target: &[f64]| {
            let named = (&UNSCALED[..], &[][..]);
            let target = events(target, 3);
            gaps(&target, &generated, None, named, Subject::Generator).unwrap()
        };
        assert!(of(&target).is_empty());
        assert!(of(&[]).is_empty());
    }

    /// The weights of normal events of half the width in the tails: right ones, and such as end too soon.
    #[test]
    fn tails_whose_weights_are_too_small_are_named() {
        let target: Vec<f64> = normals(1);
        // Beyond 2 half of the events are left out, by a hash of the other feature.
        let thin: Vec<f64> = normals(2)
            .chunks_exact(2)
            .filter(|x| x[0] < 2.0 || (1e6 * x[1]).floor().rem_euclid(2.0) == 0.0)
            .flatten()
            .copied()
            .collect();
        let gaps = |much: f64| weighted(&target, &thin, |x| if x < 2.0 { 1.0 } else { much });
        for right in [2.0, 1.75, 2.3] {
            assert!(gaps(right).is_empty(), "{right}: {:?}", gaps(right));
        }
        for wrong in [1.0, 3.5, 0.3] {
            let gaps = gaps(wrong);
            let tail = gaps.iter().find(|g| g.direction == "feature 0");
            let tail = tail.unwrap_or_else(|| panic!("{wrong}: {gaps:?}"));
            assert!(tail.side == "above" && !tail.missing, "{tail:?}");
            let ratio = tail.refined / tail.target;
            assert!(!(0.75..=1.25).contains(&ratio) && (1.3..2.4).contains(&tail.from));
            let words = tail.describe(Subject::Events);
            assert!(
                words.contains("the weighted events of `from` have"),
                "{words}"
            );
        }
        // A few heavy events are chance: the tail is as it is in one of their samples in a few.
        let few = |x: f64| if x > 3.3 { 10.0 } else { 1.0 };
        assert!(weighted(&target, &thin[..20_000], few).is_empty());
    }
}
