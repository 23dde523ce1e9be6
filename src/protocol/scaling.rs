//! The scalings that the option `features.scaling` asks for, measured on a sample.

use crate::metrics::width;
use crate::model::{above_zero, normal_quantile, Scaling, MAX_CELLS};
use crate::room::{self, Gather};
use crate::{Error, Result};
use std::f64::consts::PI;

/// What may be asked for, for messages.
const CHOICES: &str =
    "`auto`, `none`, `standardise`, `asinh`, `log(low)`, `logit(low:high)`, `periodic(low:high)`, `integer`, `integer(low:)`, `integer(low:high)`, `category(classes)`, `zeros(low)`, `zeros(low, log)`";

const STANDARDISE: Scaling = Scaling::Standardise {
    mean: 0.0,
    std: 1.0,
};

const ASINH: Scaling = Scaling::Asinh {
    centre: 0.0,
    width: 1.0,
    mean: 0.0,
    std: 1.0,
};

/// What is asked for: a scaling with moments 0 and 1 until it is [`measure`]d, or none for `auto`.
pub(super) type Asked = Option<Scaling>;

/// The scalings of `text`, one for each of `columns`.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the place in the list, what is wrong with it and what would be right.
pub(super) fn parse(text: &str, columns: usize, names: &[String]) -> Result<Vec<Asked>> {
    if text.contains('=') {
        return by_name(text, columns, names);
    }
    let items = items(text).gather()?;
    let scalings = items.iter().enumerate().map(|(i, item)| {
        parse_one(item).map_err(|what| {
            Error::InvalidArgument(format!(
                "option `features.scaling`, item {i} (counted from 0), is {}: {what}",
                quoted(item)
            ))
        })
    });
    let scalings = scalings.gather_all()?;
    match &scalings[..] {
        [one] => room::filled(columns, one.clone()),
        _ if scalings.len() == columns => Ok(scalings),
        _ => Err(Error::InvalidArgument(format!(
            "option `features.scaling` lists {} scalings, but there are {columns} features; it takes one for all or one for each",
            scalings.len()
        ))),
    }
}

/// The items of a list, whose commas are those outside of parentheses.
fn items(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    let between = move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(between).map(str::trim)
}

/// The scalings of a list of names: `m_ll = log(40), phi = periodic(-pi:pi)`. The others are `auto`.
fn by_name(text: &str, columns: usize, names: &[String]) -> Result<Vec<Asked>> {
    let wrong = |item: &str, what: String| {
        let item = quoted(item);
        Error::InvalidArgument(format!("option `features.scaling`, {item}: {what}"))
    };
    let mut asked = room::filled(columns, None)?;
    let mut given = room::filled(columns, false)?;
    for item in items(text) {
        let (name, word) = item
            .split_once('=')
            .ok_or_else(|| wrong(item, "either all items have a name or none".into()))?;
        let name = name.trim();
        let column = names.iter().position(|n| n == name).ok_or_else(|| {
            let known = match names {
                [] => "none; `features.names` gives them".into(),
                names => names.join(", "),
            };
            wrong(
                item,
                format!("there is no feature `{name}`; their names are {known}"),
            )
        })?;
        if std::mem::replace(&mut given[column], true) {
            return Err(wrong(item, format!("`{name}` is given twice")));
        }
        asked[column] = parse_one(word.trim()).map_err(|what| wrong(item, what))?;
    }
    Ok(asked)
}

/// One scaling, or what is wrong.
fn parse_one(item: &str) -> std::result::Result<Asked, String> {
    if item.contains('(') && !item.ends_with(')') {
        return Err(match item.rsplit_once(')') {
            Some((_, rest)) => format!(
                "{} stands behind the parenthesis; between scalings there is a comma",
                quoted(rest.trim())
            ),
            None => "the parenthesis is not closed".into(),
        });
    }
    let (name, arguments) = match item.strip_suffix(')').and_then(|s| s.split_once('(')) {
        Some((name, arguments)) => (name.trim_end(), Some(arguments)),
        None => (item, None),
    };
    let bounds = || {
        let (low, high) = arguments
            .and_then(|a| a.split_once(':'))
            .ok_or_else(|| format!("it needs two bounds, as in `{name}(0:1)`"))?;
        let (low, high) = (number(low)?, number(high)?);
        if low < high && (high - low).is_finite() {
            return Ok((low, high));
        }
        Err(format!(
            "the lower bound {low} must lie below the upper one {high}"
        ))
    };
    let (mean, std) = (0.0, 1.0);
    Ok(Some(match (name, arguments) {
        ("auto", None) => return Ok(None),
        ("none", None) => Scaling::None,
        ("standardise", None) => STANDARDISE,
        ("asinh", None) => ASINH,
        ("log", Some(low)) => {
            let low = number(low)?;
            Scaling::Log { low, mean, std }
        }
        ("log", None) => return Err("it needs the lower bound, as in `log(0)`".into()),
        ("logit", _) => {
            let (low, high) = bounds()?;
            Scaling::Logit {
                low,
                high,
                mean,
                std,
            }
        }
        ("periodic", _) => {
            let (low, high) = bounds()?;
            Scaling::Periodic {
                low,
                period: high - low,
                cut: low,
                mean,
                std,
            }
        }
        ("integer", None) => Scaling::Integer {
            low: None,
            mean,
            std,
        },
        ("integer", Some(high)) if high.trim_start().starts_with(':') => {
            return Err("without a lower bound there is `integer`; both are `integer(0:60)`".into())
        }
        ("integer", Some(low)) if low.trim_end().ends_with(':') => {
            let low = number(low.trim_end().trim_end_matches(':'))?;
            if low.fract() != 0.0 || low.abs() > 1e15 {
                return Err("its bound must be a whole number, as in `integer(0:)`".into());
            }
            Scaling::Integer {
                low: Some(low),
                mean,
                std,
            }
        }
        ("integer", _) => {
            let (low, high) = bounds()?;
            if low.fract() != 0.0 || high.fract() != 0.0 || low.abs().max(high.abs()) > 1e15 {
                return Err("its bounds must be whole numbers, as in `integer(0:60)`".into());
            }
            cells(low, high - low + 1.0, false)?
        }
        ("category", classes) => {
            let classes = number(classes.unwrap_or_default())
                .ok()
                .filter(|k| k.fract() == 0.0 && *k >= 2.0)
                .ok_or("it needs the number of classes, at least 2, as in `category(3)`")?;
            cells(0.0, classes, true)?
        }
        ("zeros", Some(arguments)) => {
            let (low, word) = match arguments.split_once(',') {
                Some((low, word)) => (low, Some(word.trim())),
                None => (arguments, None),
            };
            let width = match word {
                Some("log") => None,
                None => Some(1.0),
                Some(_) => {
                    return Err("beside the value it takes `log`, as in `zeros(0, log)`".into())
                }
            };
            Scaling::Zeros {
                low: number(low)?,
                width,
                edge: 0.0,
                mean,
                std,
            }
        }
        ("zeros", None) => {
            return Err("it needs the value that has a probability, as in `zeros(0)`".into())
        }
        _ => return Err(format!("there are {CHOICES}")),
    }))
}

/// Cells for the whole numbers from `first` on, of no width yet.
fn cells(first: f64, count: f64, classes: bool) -> std::result::Result<Scaling, String> {
    if count > MAX_CELLS as f64 {
        return Err(format!(
            "these are {count} values, and {MAX_CELLS} are the most; `integer` has no bounds"
        ));
    }
    Ok(Scaling::Cells {
        first,
        // Of equal width until they are measured.
        edges: (1..count as usize).map(|i| i as f64 / count).collect(),
        classes,
    })
}

/// The beginning of `text`, for a message.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}

/// A finite number, or a multiple of π: `pi`, `-pi`, `2pi`.
fn number(text: &str) -> std::result::Result<f64, String> {
    let text = text.trim();
    let value = match text.strip_suffix("pi").map(str::trim_end) {
        Some("" | "+") => Ok(PI),
        Some("-") => Ok(-PI),
        Some(factor) => factor.parse().map(|f: f64| f * PI),
        None => text.parse(),
    };
    // A bound at the end of the number range leaves nothing beyond it.
    value
        .ok()
        .filter(|v| v.abs() <= f64::MAX / 4.0)
        .ok_or_else(|| {
            format!(
                "{} is not a finite number (`pi` and `2pi` are)",
                quoted(text)
            )
        })
}

/// Tails are long if more than this share of a sample is further from the mean than so many standard deviations: a normal feature has
/// 6·10⁻⁷ there, an exponential one 2·10⁻³. Splines are the identity there.
const TAILS: (f64, f64) = (5e-4, 5.0);
/// Or if any event is as far off as this.
const OUTLIER: f64 = 20.0;

/// The scaling asked for, with the moments of the sample `values` of column `column`; a circle is cut first. `auto` is `standardise`, or
/// `asinh` if the tails are long.
///
/// # Errors
/// Those of [`moments`].
pub(super) fn measure(asked: &Asked, values: &[f64], column: usize) -> Result<Scaling> {
    let Some(scaling) = asked else {
        let plain = moments(&STANDARDISE, values, column)?;
        let far = |bound: f64| {
            values
                .iter()
                .filter(|&&x| plain.forward(x).abs() > bound)
                .count()
        };
        let long = far(TAILS.1) as f64 > TAILS.0 * values.len() as f64 || far(OUTLIER) > 0;
        return if long {
            moments(&ASINH, values, column)
        } else {
            Ok(plain)
        };
    };
    moments(scaling, values, column)
}

/// The scaling asked for if it has cells, of all values that there are, none without events: what has none is never made.
///
/// # Errors
/// As [`measure`].
pub(super) fn measure_all(
    asked: &Asked,
    values: impl Iterator<Item = f64> + Clone,
    column: usize,
) -> Result<Option<Scaling>> {
    let Some(Scaling::Cells {
        first,
        edges,
        classes,
    }) = asked
    else {
        return Ok(None);
    };
    let counts = count(values.clone(), *first, room::filled(edges.len() + 1, 0.0)?);
    if counts.iter().filter(|n| **n > 0.0).count() < 2 {
        let what = constant(&values.gather()?);
        return Err(Error::Data(format!("column {column} of the events {what}")));
    }
    Ok(Some(Scaling::Cells {
        first: *first,
        edges: quantiles(&counts)?.into(),
        classes: *classes,
    }))
}

/// Adds to `counts` how often each whole number from `first` on occurs. What is beyond has been refused.
fn count(values: impl Iterator<Item = f64>, first: f64, counts: Vec<f64>) -> Vec<f64> {
    values.fold(counts, |mut counts, x| {
        if let Some(count) = counts.get_mut((x - first) as usize) {
            *count += 1.0;
        }
        counts
    })
}

/// # Errors
/// [`Error::Data`] if the feature is constant but for rounding, or its variance is beyond the floating-point range.
fn moments(scaling: &Scaling, values: &[f64], column: usize) -> Result<Scaling> {
    let mut scaling = scaling.clone();
    let what = |what| Error::Data(format!("column {column} of the events {what}"));
    match &mut scaling {
        Scaling::Cells { first, edges, .. } => {
            // Half an event more in every cell, so that none is without width: those of a stream may come yet.
            let counts = count(
                values.iter().copied(),
                *first,
                room::filled(edges.len() + 1, 0.5)?,
            );
            if counts.iter().filter(|n| **n > 0.5).count() < 2 {
                return Err(what(constant(values)));
            }
            *edges = quantiles(&counts)?.into();
            return Ok(scaling);
        }
        Scaling::Integer { .. } => {
            let Scaling::Standardise { mean, std } = moments(&STANDARDISE, values, column)? else {
                return Err(Error::Internal("another scaling than asked for".into()));
            };
            // Those of x and of the place in its cell.
            return Ok(scaling.with_moments(mean + 0.5, (std * std + 1.0 / 12.0).sqrt()));
        }
        Scaling::Zeros {
            low, width, edge, ..
        } => {
            let above = values.iter().copied().filter(|x| x > low).gather()?;
            if above.len() < 2 {
                return Err(what(constant(values)));
            }
            if above.iter().all(|x| *x == above[0]) {
                return Err(what(format!(
                    "is {} in all events above {low}, where `zeros` takes a continuous feature; take `integer` or `category`",
                    above[0]
                )));
            }
            let counts = [
                (values.len() - above.len()) as f64 + 0.5,
                above.len() as f64 + 0.5,
            ];
            *edge = quantiles(&counts)?[0];
            if let Some(width) = width {
                *width = above.iter().map(|x| x - *low).sum::<f64>() / above.len() as f64;
            }
            // Of what is above, on its line, which has no cells.
            let (low, width) = (*low, *width);
            let v = above.iter().map(|&x| above_zero(x - low, width)).gather()?;
            let Scaling::Standardise { mean, std } = moments(&STANDARDISE, &v, column)? else {
                return Err(Error::Internal("another scaling than asked for".into()));
            };
            return Ok(scaling.with_moments(mean, std));
        }
        Scaling::Periodic {
            low, period, cut, ..
        } => *cut = emptiest(values, *low, *period)?,
        Scaling::Asinh { centre, width, .. } => (*centre, *width) = middle(values)?,
        _ => {}
    }
    let n = values.len() as f64;
    let scaled = || values.iter().map(|&x| scaling.forward(x));
    let mean = scaled().sum::<f64>() / n;
    let variance = scaled().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let example = values.first().copied().unwrap_or(f64::NAN);
    let std = width(variance, rounding(&scaling, values), scaled(), example);
    Ok(scaling.with_moments(mean, std.map_err(what)?))
}

/// What is wrong with a feature of one value.
fn constant(values: &[f64]) -> String {
    let (events, value) = (values.len(), values.first().copied().unwrap_or(f64::NAN));
    format!("is constant ({value}) in {events} events; leave it out")
}

/// The normal quantiles between cells that hold so much.
fn quantiles(counts: &[f64]) -> Result<Vec<f64>> {
    let total: f64 = counts.iter().sum();
    let mut below = 0.0;
    let inner = counts[..counts.len() - 1].iter();
    inner
        .map(|count| {
            below += count;
            // From the nearer end, for its precision.
            match 2.0 * below > total {
                true => -normal_quantile((total - below) / total),
                false => normal_quantile(below / total),
            }
        })
        .gather()
}

/// What rounding alone makes of a constant feature: that of the mean of its scaled values y, n ε |y|, and that of every x itself, by as
/// much as the scaling enlarges it.
fn rounding(scaling: &Scaling, values: &[f64]) -> f64 {
    let of_mean = values
        .iter()
        .map(|&x| f64::EPSILON * scaling.forward(x).abs());
    // By four units in the last place of x.
    let steps = values
        .iter()
        .map(|&x| (scaling.forward(x.next_up()) - scaling.forward(x.next_down())).abs());
    of_mean.sum::<f64>() + 2.0 * steps.sum::<f64>() / values.len() as f64
}

/// The median of the values and half the distance between their quartiles; if these are one value, half that between the nearest quantiles
/// that are not, and 1 of values that are all one.
fn middle(values: &[f64]) -> Result<(f64, f64)> {
    let mut sorted = room::copied(values)?;
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    let halves = [0.25, 0.1, 0.01, 0.0].map(|tail| 0.5 * at(1.0 - tail) - 0.5 * at(tail));
    let width = halves.into_iter().find(|&half| half > 0.0);
    Ok((at(0.5), width.unwrap_or(1.0)))
}

/// Where on the circle from `low` the values are sparsest: the middle of the widest arc that holds a fiftieth of them.
fn emptiest(values: &[f64], low: f64, period: f64) -> Result<f64> {
    let turns = values.iter().map(|x| ((x - low) / period).rem_euclid(1.0));
    let mut turns = turns.gather()?;
    turns.sort_unstable_by(f64::total_cmp);
    let (n, step) = (turns.len(), (turns.len() / 50).max(1));
    let arcs = turns.iter().enumerate().map(|(i, &from)| {
        let to = turns.get(i + step).copied();
        let to = to.unwrap_or_else(|| turns[(i + step) % n] + 1.0);
        (to - from, 0.5 * (from + to))
    });
    let widest = arcs.max_by(|a, b| a.0.total_cmp(&b.0));
    let middle = widest.map_or(0.0, |(_, middle)| middle.rem_euclid(1.0));
    Ok((low + period * middle).clamp(low, low + period))
}

#[cfg(test)]
mod tests;
