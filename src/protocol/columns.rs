//! What a smooth map cannot make of the target's columns: values that repeat, and features that are functions of others.

use super::judgement::Subject;
use crate::model::{called, Scaling, MAX_CELLS};
use crate::order::sort_numbers;
use crate::room::Gather;
use crate::table::is_weight;
use crate::train::Hooks;
use crate::Result;
use serde::Serialize;

mod dependent;
pub(super) mod edges;

use dependent::{dependent, names_of};

/// Something about columns of the target that a generator smears.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trait {
    /// One value is taken by many events.
    PileUp {
        /// From 0.
        column: usize,
        /// The value.
        value: f64,
        /// Share of the events.
        share: f64,
        /// Whether no event is below it.
        lowest: bool,
    },
    /// The smallest or the largest value is repeated, and further from all others than these are from each other.
    Mark {
        /// From 0.
        column: usize,
        /// The value.
        value: f64,
        /// Share of the events.
        share: f64,
    },
    /// Values lie exactly on a bound of a `logit`.
    OnBound {
        /// From 0.
        column: usize,
        /// The bound.
        value: f64,
        /// Share of the events.
        share: f64,
    },
    /// Between the value of a scaling `zeros` or `spike` and all others there is a wide gap.
    Gap {
        /// From 0.
        column: usize,
        /// The value.
        low: f64,
        /// The least of the others.
        next: f64,
    },
    /// Few values are taken at all.
    Discrete {
        /// From 0.
        column: usize,
        /// How many.
        values: usize,
        /// Whether they are whole numbers.
        whole: bool,
        /// The smallest and the largest.
        range: (f64, f64),
    },
    /// Many values are taken, all of them whole, and most more than once.
    Whole {
        /// From 0.
        column: usize,
        /// How many.
        values: usize,
        /// The smallest.
        low: f64,
    },
    /// Features that are, all but `spread` of their width, a function of the others.
    Dependent {
        /// From 0.
        column: usize,
        /// What is left of its standard deviation where the others are known.
        spread: f64,
    },
}

impl Trait {
    /// Which column it is about, from 0.
    pub(super) fn column(&self) -> usize {
        match self {
            Trait::PileUp { column, .. }
            | Trait::Mark { column, .. }
            | Trait::OnBound { column, .. }
            | Trait::Gap { column, .. }
            | Trait::Discrete { column, .. }
            | Trait::Whole { column, .. }
            | Trait::Dependent { column, .. } => *column,
        }
    }

    /// Whether it is no harm to a classifier: a feature that others determine, a gap, steps or a spike that are small.
    pub(super) fn of_generators(&self) -> bool {
        match self {
            Trait::Dependent { .. } | Trait::Gap { .. } | Trait::Whole { .. } => true,
            Trait::PileUp { share, .. } => *share < PILE,
            _ => false,
        }
    }

    /// What it is, and the remedy.
    pub(super) fn describe(&self, names: &[String], subject: Subject) -> String {
        match self {
            Trait::PileUp { column, value, share, lowest } => format!(
                "{} is exactly {value} in {:.1} % of the events, which {}: {}",
                called(names, *column),
                100.0 * share,
                subject.choose("a smooth generator smears", "a smooth classifier hardly tells from what is near"),
                match lowest {
                    false if subject == Subject::Events => "let a further feature say where it is".into(),
                    true => format!("`features.scaling` = `zeros({value})` or `zeros({value}, log)` for it"),
                    false => "treat these events apart, or spread the value by noise below its resolution before the training and put it back after".into(),
                }
            ),
            Trait::Mark { column, value, share } => format!(
                "{} is {value} in {:.2} % of the events, further from all others than these are from each other: if it marks a missing value, leave such events out, or give the feature a value of its kind there and let a further one say where",
                called(names, *column),
                100.0 * share
            ),
            Trait::OnBound { column, value, share } => format!(
                "{} is exactly {value}, its bound, in {:.2} % of the events, which `logit` puts far away from all others: let the bounds lie a little beyond, or, if such events are of a kind of their own, treat them apart",
                called(names, *column),
                100.0 * share
            ),
            Trait::Gap { column, low, next } => {
                let name = called(names, *column);
                let plain = in_formula(names, *column);
                format!("{name} is {low} or at least {next}, and a smooth generator makes some events between: the `support` \"{plain} == {low} or {plain} >= {next}\" leaves none")
            }
            Trait::Discrete {
                column,
                values,
                whole: true,
                range: (low, high),
            } => {
                let count = match *values < 50 && high - low < MAX_CELLS as f64 {
                    true => format!("integer({low}:{high})"),
                    false => format!("integer({low}:)"),
                };
                let name = match *low == 0.0 {
                    true => format!("category({})", high + 1.0),
                    false => "category(classes)`, numbered from 0 on".into(),
                };
                let end = if *low == 0.0 { "`" } else { "" };
                format!(
                    "{} takes only {values} different values, all whole numbers: does it count something (`features.scaling` = `{count}` for it) or name something (`{name}{end})?",
                    called(names, *column)
                )
            }
            Trait::Discrete { column, values, whole: false, .. } => format!(
                "{} takes only {values} different values: number them and take `features.scaling` = `integer` or `category(classes)`, or add uniform noise of one step before the training and round down after",
                called(names, *column)
            ),
            Trait::Whole { column, values, low } => format!(
                "{} takes whole numbers alone, {values} different ones, and a smooth generator makes what is between: `features.scaling` = `integer({low}:)` for it leaves none",
                called(names, *column)
            ),
            Trait::Dependent { column, spread } => format!(
                "{} is a function of the others but for {:.2} % of its width: leave it, or one of those that it follows from, out and compute it afterwards",
                called(names, *column),
                100.0 * spread
            ),
        }
    }
}

/// What a formula calls a column: by its name, if that is a word that means nothing else.
fn in_formula(names: &[String], column: usize) -> String {
    let Some(name) = names.get(column) else {
        return format!("x{column}");
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = name.starts_with(|c: char| word(c) && !c.is_ascii_digit());
    let other = ["and", "or", "not", "pi"].contains(&name.as_str());
    let place = name.strip_prefix('x').and_then(|at| at.parse().ok());
    match begins && name.chars().all(word) && !other && place.is_none_or(|at: usize| at == column) {
        true => name.clone(),
        false => format!("{{{name}}}"),
    }
}

/// Tells the host of features whose names are those of weights.
pub(super) fn weights_among(features: &[String], hooks: &dyn Hooks) -> Result<()> {
    features.iter().filter(|name| is_weight(name)).try_for_each(|name| {
        hooks.warn("columns", &format!(
            "`{name}` is trained as a feature, and is called as weights are: if it is one, give it beside the events and not among their features (`source.weight` names it in files; the program `laser` has --weights, --weight-column, --also and `weights_column`)"
        ))
    })
}

/// A bound of a `logit` that so large a share of the events is on is no chance.
const ON_BOUND: f64 = 5e-4;
/// A value that so large a share of the events takes piles up.
const PILE: f64 = 0.01;
/// One that a smaller share takes, and this one at least, is a spike, if its events are not copies of one.
const SPIKE: f64 = 1e-3;
/// What piles up is met so many times as often as other values are.
const TIMES: usize = 10;
/// Values of a column that are named as piling up.
const PILES: usize = 3;
/// A column of fewer different values than this share of its events is discrete.
const FEW: f64 = 0.02;
/// A value that marks something is met so often at least.
const MARKS: usize = 3;
/// Fewest events to tell any of this by.
const ENOUGH: usize = 500;

/// Values at the ends that are looked at for marks: few marks, and few outliers beside them.
const OUTER: usize = 3;

/// How many times further than all others of few values a mark is from them.
const FAR: f64 = 50.0;

/// A wider gap than this share of the range of nine in ten of the others is worth a word.
const WIDE: f64 = 0.1;

/// Where the others of a feature that is often `low` begin, if that is far away.
fn gap(column: usize, scaling: &Scaling, values: &[f64]) -> Option<Trait> {
    let (Scaling::Zeros { low, .. } | Scaling::Spike { low, .. }) = scaling else {
        return None;
    };
    let others = &values[values.partition_point(|value| value <= low)..];
    let next = *others.first()?;
    let most = others[others.len() * 9 / 10];
    (next - low > WIDE * (most - next)).then_some(Trait::Gap {
        column,
        low: *low,
        next,
    })
}

/// Values at the ends of sorted ones that are repeated and stand more than `times` further from all others than these from each other, as
/// −999, so that they are no values of the feature; with how many there are. Single ones may stand as far out. 0 is none.
fn marks(values: &[f64], times: f64) -> Vec<(f64, usize)> {
    let low: Vec<&[f64]> = values.chunk_by(|a, b| a == b).take(OUTER).collect();
    let high: Vec<&[f64]> = values.chunk_by(|a, b| a == b).rev().take(OUTER).collect();
    let count = |runs: &[&[f64]]| runs.iter().map(|run| run.len()).sum::<usize>();
    // As many as stand apart: one far out makes the others seem near.
    for outer in (1..=low.len() + high.len()).rev() {
        for lower in outer.saturating_sub(high.len())..=outer.min(low.len()) {
            let (below, above) = (&low[..lower], &high[..outer - lower]);
            let (first, last) = (count(below), count(above));
            if 2 * (first + last) >= values.len() {
                continue;
            }
            let rest = &values[first..values.len() - last];
            let (from, to) = (rest[0], rest[rest.len() - 1]);
            let far = |run: Option<&&[f64]>, gap: &dyn Fn(f64) -> f64| {
                run.is_none_or(|run| gap(run[0]) > times * (to - from))
            };
            if !(to > from && far(below.last(), &|v| from - v) && far(above.last(), &|v| v - to)) {
                continue;
            }
            let runs = below.iter().chain(above.iter().rev());
            let marks = runs.map(|run| (run[0], run.len()));
            let marks: Vec<_> = marks.filter(|(v, n)| *v != 0.0 && *n >= MARKS).collect();
            if !marks.is_empty() {
                return marks;
            }
        }
    }
    Vec::new()
}

/// The values of a column of packed rows; zeros of both signs are one.
#[inline(never)]
pub(super) fn values(x: &[f64], column: usize, columns: usize) -> Result<Vec<f64>> {
    let mut values = x.iter().skip(column).step_by(columns).copied().gather()?;
    values.iter_mut().for_each(|x| *x += 0.0);
    Ok(values)
}

#[inline(never)]
pub(super) fn sorted(x: &[f64], column: usize, columns: usize) -> Result<Vec<f64>> {
    let mut values = values(x, column, columns)?;
    values.sort_unstable_by(f64::total_cmp);
    Ok(values)
}

/// How often a value is met that is in no pile, given how often each is: of steps, which may all be met often, that which is met most often but
/// for one; else half of such events have one that is met less often.
fn usual(mut times: Vec<usize>, rows: usize, steps: bool) -> usize {
    sort_numbers(&mut times);
    if steps {
        return times[times.len().saturating_sub(2)];
    }
    let in_none = times.partition_point(|n| (*n as f64) < PILE * rows as f64);
    let of = match in_none {
        0 => &times[..],
        n => &times[..n],
    };
    let (half, mut seen) = (of.iter().sum::<usize>() / 2, 0);
    let passed = of.iter().find(|n| {
        seen += **n;
        seen > half
    });
    passed.copied().unwrap_or(1)
}

/// What is remarkable about the first `scalings.len()` columns of packed rows.
pub(super) fn inspect(x: &[f64], columns: usize, scalings: &[Scaling]) -> Result<Vec<Trait>> {
    let rows = x.len() / columns.max(1);
    if rows < ENOUGH {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let (mut continuous, mut discrete) = (Vec::new(), Vec::new());
    for (column, scaling) in scalings.iter().enumerate() {
        let values = sorted(x, column, columns)?;
        let runs = || values.chunk_by(|a, b| a == b);
        let (distinct, (most, value)) = runs().fold((0, (0, 0.0)), |(n, best), run| {
            let longer = run.len() > best.0;
            (n + 1, if longer { (run.len(), run[0]) } else { best })
        });
        if let Scaling::Logit { low, high, .. } = scaling {
            for value in [*low, *high] {
                let on = values.iter().filter(|x| **x == value).count();
                if on as f64 >= ON_BOUND * rows as f64 {
                    let share = on as f64 / rows as f64;
                    found.push(Trait::OnBound {
                        column,
                        value,
                        share,
                    });
                }
            }
            if found
                .iter()
                .any(|f| matches!(f, Trait::OnBound { column: c, .. } if *c == column))
            {
                continue;
            }
        }
        let lowest = values.first() == Some(&value);
        let told = match scaling {
            Scaling::Zeros { low, .. } | Scaling::Spike { low, .. } => lowest && value == *low,
            scaling => scaling.stepped(),
        };
        let few = (distinct as f64) < FEW * rows as f64;
        if told || few {
            discrete.push(column);
        }
        if told {
            // Its generator makes such values.
            found.extend(gap(column, scaling, &values));
            continue;
        }
        // Of few values one may well lie as far out as the others reach.
        let marks = marks(&values, if few { FAR } else { 1.0 });
        if !marks.is_empty() {
            found.extend(marks.into_iter().map(|(value, times)| Trait::Mark {
                column,
                value,
                share: times as f64 / rows as f64,
            }));
            continue;
        }
        let whole = values.iter().all(|x| x.fract() == 0.0);
        if few {
            found.push(Trait::Discrete {
                column,
                values: distinct,
                whole,
                range: (values[0], values[rows - 1]),
            });
            continue;
        }
        // Single events have numbers of their own, and large numbers no fractions.
        let steps = whole && TIMES * (distinct - 1) <= (TIMES - 1) * (rows - most);
        let often = TIMES * usual(runs().map(<[_]>::len).gather()?, rows, steps);
        // So much of a spike as bounds a little beyond leave is little.
        let bounded = matches!(scaling, Scaling::Logit { .. });
        let piles = runs().filter(|run| {
            let share = run.len() as f64 / rows as f64;
            let last = [values[0], values[rows - 1]].contains(&run[0]);
            let events = || x.chunks_exact(columns).filter(|x| x[column] == run[0]);
            let copies = || columns > 1 && events().skip(1).eq(events().take(run.len() - 1));
            let spike = || share >= SPIKE && !(bounded && last) && !copies();
            run.len() > often && (share >= PILE || spike())
        });
        let before = found.len();
        found.extend(piles.take(PILES).map(|run| Trait::PileUp {
            column,
            value: run[0],
            share: run.len() as f64 / rows as f64,
            lowest: run[0] == values[0],
        }));
        if steps {
            found.push(Trait::Whole {
                column,
                values: distinct,
                low: values[0],
            });
        }
        if found[before..].iter().all(Trait::of_generators) {
            continuous.push(column);
        }
    }
    let dependent = dependent(x, columns, scalings, &continuous)?;
    found.extend(
        dependent
            .into_iter()
            .map(|(column, spread)| Trait::Dependent { column, spread }),
    );
    for &column in &discrete {
        for &by in discrete.iter().filter(|by| **by != column) {
            // Of two that tell each other, the later one.
            let spared = by > column && names_of(x, columns, column, by)?;
            if !spared && names_of(x, columns, by, column)? {
                found.push(Trait::Dependent {
                    column,
                    spread: 0.0,
                });
                break;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
