//! What a smooth map cannot make of the target's columns: values that repeat, and features that are functions of others.

use super::judgement::Subject;
use crate::model::{called, Scaling, MAX_CELLS};
use crate::order::{sort_numbers, sort_rows};
use crate::room::{Gather, Grow};
use crate::table::is_weight;
use crate::train::Hooks;
use crate::Result;
use serde::Serialize;
use std::f64::consts::PI;

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

/// Values at which the events of a column end abruptly, as a cut makes them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edges {
    /// From 0.
    column: usize,
    /// Below all values, if they end there.
    low: Option<f64>,
    /// Above all values.
    high: Option<f64>,
}

impl Edges {
    /// Where they are, and the remedy.
    fn describe(&self, names: &[String]) -> String {
        let name = called(names, self.column);
        match (self.low, self.high) {
            (Some(low), Some(high)) => match turn(low, high) {
                Some(turn) => {
                    format!("{name} ends at {low} and {high} (an angle? `periodic({turn})`)")
                }
                None => format!("{name} ends at {low} and {high} (`logit({low}:{high})`)"),
            },
            (Some(low), None) => format!("{name} ends at {low} (a cut? `log({low})`)"),
            (None, Some(high)) => format!(
                "{name} ends at {high} (a cut? `log({})` for its negative)",
                0.0 - high
            ),
            (None, None) => name,
        }
    }
}

/// A whole turn between these values, as `periodic` is told it.
fn turn(low: f64, high: f64) -> Option<&'static str> {
    const NEAR: f64 = 0.01;
    let turns = [("-pi:pi", -PI, PI), ("0:2pi", 0.0, 2.0 * PI)];
    let is =
        |(_, from, to): &(&str, f64, f64)| (low - from).abs() < NEAR && (high - to).abs() < NEAR;
    turns.into_iter().find(is).map(|(word, ..)| word)
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
                "{} is a function of the others but for {:.2} % of its width: leave it out and compute it afterwards",
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
/// A feature whose spread given the others is a smaller part of its width depends on them.
const DEPENDENT: f64 = 0.02;
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
    found.extend(dependent(x, columns, scalings, &continuous)?);
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

/// Fewest events to tell an edge by: several lie within the outermost thousandth of them.
const MANY: usize = 5000;
/// Where a density is finite up to an edge, the outermost thousandth of the events takes a tenth of the width of the outermost hundredth, and
/// that one a tenth of the outermost tenth's; more than 0.21 if it vanishes there as a square root or faster, as in every smooth tail.
const ABRUPT: f64 = 0.18;

/// Where events of columns with a scaling that has no bounds end abruptly, in words; none if nowhere.
pub(super) fn edges(
    x: &[f64],
    columns: usize,
    scalings: &[Scaling],
    names: &[String],
) -> Result<Option<String>> {
    const NAMED: usize = 5;
    let found = abrupt(x, columns, scalings)?;
    let named: Vec<String> = found
        .iter()
        .take(NAMED)
        .map(|e| e.describe(names))
        .collect();
    let more = match found.len() - named.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Ok((!found.is_empty()).then(|| {
        format!(
            "events end abruptly, which a smooth generator smears: {}{more}. A scaling with this bound (`features.scaling`) or a `support` keeps the edge",
            named.join("; ")
        )
    }))
}

/// Columns of which orders are looked for.
const ORDERED: usize = 256;

/// Pairs of columns, a feature among them, of which one is never below the other, though it often were if they knew nothing of each other, and
/// they come near: in words; none if there are none.
pub(super) fn orders(
    x: &[f64],
    columns: usize,
    features: usize,
    names: &[String],
) -> Result<Option<String>> {
    const NAMED: usize = 12;
    let rows = x.len() / columns.max(1);
    if rows < MANY || columns > ORDERED {
        return Ok(None);
    }
    let mut ordered = Vec::new();
    for pair in 0..columns * columns {
        let (above, below) = (pair / columns, pair % columns);
        let looked_at = above != below && above.min(below) < features;
        ordered.put(looked_at && keeps(x, columns, above, below)?)?;
    }
    // Those that others imply go without saying.
    let between = |pair: usize, by: usize| {
        ordered[pair / columns * columns + by] && ordered[by * columns + pair % columns]
    };
    let pairs = (0..ordered.len()).filter(|&pair| ordered[pair]);
    let pairs = pairs.filter(|&pair| !(0..columns).any(|by| between(pair, by)));
    let (named, all) = (pairs.clone().take(NAMED), pairs.count());
    let named = named.map(|pair| {
        let [above, below] = [pair / columns, pair % columns].map(|j| in_formula(names, j));
        format!("{above} >= {below}")
    });
    let formula = named.collect::<Vec<_>>().join(" and ");
    let more = match all.saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let formula = format!("\"{formula}\"{more}");
    Ok((all > 0).then(|| {
        format!("all of {rows} events keep an order, which a smooth generator breaks in some: the `support` {formula} keeps it")
    }))
}

/// Whether one column is never below the other, which it would be in a hundredth of the events if each were of another event, and comes near.
fn keeps(x: &[f64], columns: usize, above: usize, below: usize) -> Result<bool> {
    const OFTEN: usize = 100;
    const NEAR: f64 = 0.05;
    let rows = || x.chunks_exact(columns);
    let half = rows().len() / 2;
    let others = rows().zip(rows().skip(half));
    if rows().any(|x| x[above] < x[below])
        || OFTEN * others.filter(|(a, b)| a[above] < b[below]).count() < half
    {
        return Ok(false);
    }
    let mut apart = rows().map(|x| x[above] - x[below]).gather()?;
    apart.sort_unstable_by(f64::total_cmp);
    let [thousandth, most] = [apart.len() / 1000, apart.len() / 10 * 9].map(|at| apart[at]);
    Ok(thousandth < NEAR * most)
}

fn abrupt(x: &[f64], columns: usize, scalings: &[Scaling]) -> Result<Vec<Edges>> {
    let rows = x.len() / columns.max(1);
    let mut found = Vec::new();
    if rows < MANY {
        return Ok(found);
    }
    for (column, scaling) in scalings.iter().enumerate() {
        if !matches!(
            scaling,
            Scaling::None | Scaling::Standardise { .. } | Scaling::Asinh { .. }
        ) {
            continue;
        }
        let mut values = sorted(x, column, columns)?;
        let low = edge(&values);
        values.iter_mut().for_each(|x| *x = 0.0 - *x);
        values.reverse();
        let high = edge(&values).map(|edge| 0.0 - edge);
        if low.is_some() || high.is_some() {
            found.push(Edges { column, low, high });
        }
    }
    Ok(found)
}

/// Where sorted values begin, if they do so abruptly: the roundest number that the edge can be.
fn edge(values: &[f64]) -> Option<f64> {
    let least = *values.first()?;
    let width = |share: f64| values[(values.len() as f64 * share) as usize] - least;
    let [thousandth, hundredth, tenth] = [0.001, 0.01, 0.1].map(width);
    let abrupt = thousandth < ABRUPT * hundredth && hundredth < ABRUPT * tenth;
    // Values that repeat are told of elsewhere.
    if !abrupt || thousandth <= 0.0 {
        return None;
    }
    let digits = -(libm::log10(least.abs().max(tenth)).floor() as i32);
    let mut rounded = (digits..digits + 17).map(|d| {
        let unit = libm::exp10(f64::from(d.abs()));
        // 20 and 0.3 exactly: whole numbers, or quotients of them.
        match d < 0 {
            true => (least / unit).floor() * unit,
            false => (least * unit).floor() / unit,
        }
    });
    // It lies below the least value by about as much as the first values are apart.
    let near = 5.0 * thousandth / (values.len() as f64 * 0.001);
    rounded.find(|edge| least - edge <= near && *edge <= least)
}

/// Whether the value of one discrete column is known from that of another: in many events, not by chance.
fn names_of(x: &[f64], columns: usize, by: usize, column: usize) -> Result<bool> {
    let rows = x.chunks_exact(columns);
    // Zeros of both signs are one.
    let pairs = rows
        .map(|row| (row[by] + 0.0, row[column] + 0.0))
        .gather()?;
    let mut order = (0..pairs.len()).gather()?;
    sort_rows(&mut order, &|a, b| {
        let (a, b) = (pairs[a], pairs[b]);
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let groups = || order.chunk_by(|&a, &b| pairs[a].0 == pairs[b].0);
    let known = groups().all(|group| pairs[group[0]].1 == pairs[group[group.len() - 1]].1);
    if !known {
        return Ok(false);
    }
    let mut values = pairs.iter().map(|pair| pair.1).gather()?;
    values.sort_unstable_by(f64::total_cmp);
    let runs = values.chunk_by(|a, b| a == b);
    let most = runs
        .max_by_key(|run| run.len())
        .map(|run| (run[0], run.len()));
    let (common, often) = most.unwrap_or((0.0, 0));
    // A value of a single event knows anything, and the most common one is known where all else is rare.
    let told = groups().filter(|group| group.len() > 1 && pairs[group[0]].1 != common);
    let told: usize = told.map(<[_]>::len).sum();
    Ok(2 * told > pairs.len() - often)
}

/// Features that the others determine: around some events, each is fitted linearly in the others on the nearest ones, and what is left of
/// it is compared with its width. So dependences that are smooth around a fifth of the events are seen, linear or not, as a wrapped angle
/// between two others is.
fn dependent(
    x: &[f64],
    columns: usize,
    scalings: &[Scaling],
    among: &[usize],
) -> Result<Vec<Trait>> {
    const ROWS: usize = 10_000;
    const ANCHORS: usize = 64;
    const MOST: usize = 64;
    let d = among.len();
    if !(2..=MOST).contains(&d) {
        return Ok(Vec::new());
    }
    let rows = x
        .chunks_exact(columns)
        .take(ROWS)
        .map(|row| among.iter().map(|&j| scalings[j].forward(row[j])).gather())
        .gather_all()?;
    let widths: Vec<f64> = (0..d)
        .map(|j| {
            let mean = rows.iter().map(|r| r[j]).sum::<f64>() / rows.len() as f64;
            let square = rows.iter().map(|r| (r[j] - mean).powi(2)).sum::<f64>();
            (square / rows.len() as f64).sqrt()
        })
        .collect();
    let neighbours = (3 * d + 12).min(rows.len() / 4);
    let step = (rows.len() / ANCHORS).max(1);
    let mut left: Vec<Vec<f64>> = (0..d).map(|_| Vec::new()).collect();
    let (mut squares, mut distances, mut order) = (Vec::new(), Vec::new(), Vec::new());
    for anchor in rows.iter().step_by(step).take(ANCHORS) {
        squares.clear();
        for row in &rows {
            let away = row.iter().zip(anchor).zip(&widths);
            squares.put_all(away.map(|((x, a), w)| ((x - a) / w).powi(2)))?;
        }
        distances.clear();
        distances.put_all(squares.chunks_exact(d).map(|s| s.iter().sum::<f64>()))?;
        for (j, left) in left.iter_mut().enumerate() {
            // Near in all features but this one.
            let others = distances.iter().zip(squares.iter().skip(j).step_by(d));
            let others = others.map(|(all, own)| all - own).enumerate();
            order.clear();
            order.put_all(others.map(|(i, distance)| (distance, i)))?;
            order.select_nth_unstable_by(neighbours, |a, b| a.0.total_cmp(&b.0));
            let near = order[..neighbours].iter().map(|&(_, i)| &rows[i]);
            left.push(residual(near, anchor, j, &widths));
        }
    }
    let spreads = left.iter_mut().map(|of| {
        of.sort_unstable_by(f64::total_cmp);
        of[of.len() / 5]
    });
    let dependent = spreads
        .enumerate()
        .filter(|(_, spread)| *spread < DEPENDENT);
    let traits = dependent.map(|(j, spread)| Trait::Dependent {
        column: among[j],
        spread,
    });
    Ok(traits.collect())
}

/// Root mean square of what a linear fit in the other features leaves of feature `j`, in units of its width.
fn residual<'a>(
    near: impl ExactSizeIterator<Item = &'a Vec<f64>> + Clone,
    anchor: &[f64],
    j: usize,
    widths: &[f64],
) -> f64 {
    let d = anchor.len();
    let n = near.len();
    let design = |row: &Vec<f64>| -> Vec<f64> {
        let others = (0..d).filter(|&k| k != j);
        let away = others.map(|k| (row[k] - anchor[k]) / widths[k]);
        std::iter::once(1.0).chain(away).collect()
    };
    let response = |row: &Vec<f64>| (row[j] - anchor[j]) / widths[j];
    // Orthonormal columns by Gram and Schmidt, twice for rounding; what is left of the response is orthogonal to all.
    let rows: Vec<Vec<f64>> = near.clone().map(design).collect();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let project = |v: &mut Vec<f64>, basis: &[Vec<f64>]| {
        for _ in 0..2 {
            for b in basis {
                let along: f64 = v.iter().zip(b).map(|(v, b)| v * b).sum();
                v.iter_mut().zip(b).for_each(|(v, b)| *v -= along * b);
            }
        }
        v.iter().map(|v| v * v).sum::<f64>().sqrt()
    };
    for k in 0..d {
        let mut column: Vec<f64> = rows.iter().map(|row| row[k]).collect();
        let before = column.iter().map(|v| v * v).sum::<f64>().sqrt();
        let length = project(&mut column, &basis);
        if length > 1e-9 * before && length > 0.0 {
            column.iter_mut().for_each(|v| *v /= length);
            basis.push(column);
        }
    }
    let mut response: Vec<f64> = near.map(response).collect();
    let left = project(&mut response, &basis);
    left / (n.saturating_sub(basis.len()).max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests;
