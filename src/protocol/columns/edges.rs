//! Where events end abruptly, and the orders that columns keep.

use super::{in_formula, sorted};
use crate::model::{called, Scaling};
use crate::room::{Gather, Grow};
use crate::Result;
use std::f64::consts::PI;

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

/// Fewest events to tell an edge by: several lie within the outermost thousandth of them.
pub(super) const MANY: usize = 5000;
/// Where a density is finite up to an edge, the outermost thousandth of the events takes a tenth of the width of the outermost hundredth, and
/// that one a tenth of the outermost tenth's; more than 0.21 if it vanishes there as a square root or faster, as in every smooth tail.
const ABRUPT: f64 = 0.18;

/// Where events of columns with a scaling that has no bounds end abruptly, in words; none if nowhere.
pub(in crate::protocol) fn edges(
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
pub(in crate::protocol) fn orders(
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

pub(super) fn abrupt(x: &[f64], columns: usize, scalings: &[Scaling]) -> Result<Vec<Edges>> {
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
