//! Regions of the target that trees find.

use super::{tails, Along, Gap, Search, FEWER, NAMED, WITHIN};
use crate::compute::{threads, Session};
use crate::metrics::{Sample, Trees};
use crate::model::called;
use crate::options::keys;
use crate::order::falling;
use crate::protocol::coverage::value;
use crate::protocol::source::Events;
use crate::room::{self, Gather, Grow};
use crate::{Error, Result, Rows};

/// The largest share of the target that is a region, which may be where most is, and the smallest.
const MOST: f64 = 0.5;
const LEAST: f64 = 0.005;
/// Shares of weight that differ by so many standard errors, and by so much of the target's, are different: two are looked at.
const ERRORS: f64 = 4.0;
const OFF: f64 = 0.5;

/// The regions, anywhere within the features, that trees find in one half of the events, generated ones with their weights and those of the
/// target, and that are in the other half, for both halves: those where next to nothing is made and no weight makes up for it, or else the
/// largest of those where the weights leave too little or too much. Events are in a random order.
///
/// # Errors
/// Those of the hooks.
pub(in crate::protocol) fn regions(
    session: Session,
    samples: [&Sample; 2],
    names: &[String],
) -> Result<Vec<Gap>> {
    let options = session.options;
    let columns = samples[0].dim();
    let scores = samples.map(|sample| room::filled(sample.rows(), 0.0));
    let [generated, target] = scores;
    let mut scores = [generated?, target?];
    for shown in [0, 1] {
        let half = |sample: &Sample| {
            let mut half = Events::new(columns);
            for row in (shown..sample.rows()).step_by(2) {
                half.x.put_all(sample.event(row).iter().copied())?;
                half.w.put(sample.weight(row))?;
            }
            Ok::<_, Error>(half)
        };
        let halves = [half(samples[0])?, half(samples[1])?];
        if halves.iter().any(|half| half.w.iter().sum::<f64>() <= 0.0) {
            return Ok(Vec::new());
        }
        let of = |half: usize| {
            let Events { x, w, .. } = &halves[half];
            Sample::new(Rows::packed(x, columns)?, Some(w))
        };
        let fraction = options.get(keys::VALIDATION_FRACTION);
        let held_out = [0, 1].map(|half| (halves[half].len() as f64 * fraction) as usize);
        let classes = [&of(0)?, &of(1)?];
        let trees = Trees::train(classes, held_out, threads(options), session.hooks)?;
        for (sample, scores) in samples.iter().zip(&mut scores) {
            let others = (1 - shown..sample.rows()).step_by(2);
            others.for_each(|row| scores[row] = trees.score(sample.event(row)));
        }
    }
    let weights = samples.map(|s| (0..s.rows()).map(|row| s.weight(row)).gather());
    let [of_generated, of_target] = weights;
    let (of_generated, of_target) = (of_generated?, of_target?);
    let along = [(&scores[1], &of_target), (&scores[0], &of_generated)];
    let along = along.map(|(at, weights)| Along { at, weights });
    for sign in [1.0, -1.0] {
        let found = tails(
            &along,
            Search {
                sign,
                most: MOST,
                least: LEAST,
                fewer: FEWER,
                errors: ERRORS,
                mended: 0.5,
                off: OFF,
            },
        )?;
        if let Some(shares) = found.missing.or(found.wrong) {
            let inside = |row: usize| sign * scores[1][row] >= sign * shares.from;
            let x = (0..samples[1].rows()).map(|row| samples[1].event(row));
            let direction = place(&x.gather()?, names, &inside)?;
            return Ok(vec![shares.gap(direction, WITHIN, found.missing.is_some())]);
        }
    }
    Ok(Vec::new())
}

/// Where the events of a region are: the features of which all but a tenth of them take a small part.
fn place(x: &[&[f64]], names: &[String], inside: &dyn Fn(usize) -> bool) -> Result<String> {
    const SMALL: f64 = 0.6;
    let mut narrow = Vec::new();
    for column in 0..x.first().map_or(0, |x| x.len()) {
        let ends = |of: &dyn Fn(usize) -> bool| {
            let inside = x.iter().enumerate().filter(|(row, _)| of(*row));
            let mut values = inside.map(|(_, x)| x[column]).gather()?;
            values.sort_unstable_by(f64::total_cmp);
            let last = values.len().saturating_sub(1);
            let at = |part: usize| values.get(last * part / 20).copied().unwrap_or(f64::NAN);
            Ok::<_, Error>((at(1), at(19)))
        };
        let (all, there) = (ends(&|_| true)?, ends(inside)?);
        let part = (there.1 - there.0) / (all.1 - all.0);
        if part < SMALL {
            narrow.push((part, column, there));
        }
    }
    let named = falling(narrow, &|(part, ..)| -*part);
    let named: Vec<String> = named
        .iter()
        .take(NAMED)
        .map(|(_, column, (low, high))| {
            format!(
                "{} from {} to {}",
                called(names, *column),
                value(*low),
                value(*high)
            )
        })
        .collect();
    Ok(match named.is_empty() {
        true => "in a region that boosted trees find".into(),
        false => format!("in a region that boosted trees find ({})", named.join(", ")),
    })
}
