//! Whether the target's events are copies of each other: of an event that is trained on, one held out tells nothing.

use super::source::Source;
use crate::compute::Session;
use crate::order::sort_rows;
use crate::room::Gather;
use crate::Result;
use std::cmp::Ordering;

/// Fewest events to tell by.
const ENOUGH: usize = 500;
/// A share of copies that is nothing to speak of.
const FEW: f64 = 0.01;
/// How many of the values that repeat repeat with their events, and of the different events have values of their own, where events are copies.
const NEARLY: f64 = 0.9;

/// Warns of events that occur several times; `whose` they are.
pub(super) fn look(session: Session, target: &mut Source, whose: &str) -> Result<()> {
    let columns = target.dim();
    let events = target.events_to_look_at(session.options)?;
    let share = share(&events.x, columns)?;
    if share <= FEW {
        return Ok(());
    }
    let message = format!(
        "{:.1} % of {whose} are exact copies of others: so are those held out, which then do not tell what was learned by heart; give each event once, with its weight",
        100.0 * share
    );
    session.hooks.warn("events", &message)
}

/// The share of packed rows of at least two columns that an earlier row is equal to. 0 where rows are equal because all columns take few
/// values, or are rounded.
fn share(x: &[f64], columns: usize) -> Result<f64> {
    let n = x.len() / columns.max(1);
    if n < ENOUGH || columns < 2 {
        return Ok(0.0);
    }
    let row = |i: usize| &x[i * columns..][..columns];
    let whole = different(n, &|i, j| {
        let pairs = row(i).iter().zip(row(j));
        pairs.fold(Ordering::Equal, |order, (a, b)| {
            order.then_with(|| a.total_cmp(b))
        })
    })?;
    // The column that tells most events apart.
    let mut values = 0;
    for column in 0..columns {
        values = values.max(different(n, &|i, j| {
            row(i)[column].total_cmp(&row(j)[column])
        })?);
    }
    let [whole, values, n] = [whole, values, n].map(|count| count as f64);
    let copied = n - whole >= NEARLY * (n - values) && values >= NEARLY * whole;
    Ok(if copied { 1.0 - whole / n } else { 0.0 })
}

/// How many of `n` things differ.
fn different(n: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Result<usize> {
    let mut order = (0..n).gather()?;
    sort_rows(&mut order, compare);
    Ok(order
        .chunk_by(|&i, &j| compare(i, j) == Ordering::Equal)
        .count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};

    fn uniforms(rows: usize) -> Vec<f64> {
        let mut u = vec![0.0; 2 * rows];
        Noise::new(3, 0, domain::PILOT).fill_uniforms(0, rows, 2, &mut u);
        u
    }

    #[test]
    fn copies_are_counted() {
        let x = uniforms(2000);
        let of = |x: &[f64]| share(x, 2).unwrap();
        assert_eq!(of(&x), 0.0);
        assert_eq!(of(&x.repeat(20)), 0.95);
        // A few, somewhere.
        let some = [&x[..], &x[..200]].concat();
        assert!((of(&some) - 100.0 / 2100.0).abs() < 1e-12);
        // Beside a feature of few values, and in one column.
        let flagged: Vec<f64> = x.chunks(2).flat_map(|x| [x[0].round(), x[1]]).collect();
        assert_eq!(of(&flagged), 0.0);
        assert!((of(&flagged.repeat(3)) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(share(&x.repeat(20), 1).unwrap(), 0.0);
    }

    #[test]
    fn rounded_and_counted_values_are_no_copies() {
        for steps in [3.0, 30.0, 300.0, 3000.0] {
            let x: Vec<f64> = uniforms(20_000)
                .iter()
                .map(|u| (steps * u).floor())
                .collect();
            assert_eq!(share(&x, 2).unwrap(), 0.0, "{steps}");
        }
    }
}
