//! The area under the receiver operating characteristic.

use super::sample::Size;
use super::sum::Sum;
use crate::error::{Error, Result};
use crate::order::sort_by_value;
use crate::room::{self, Gather};

/// An area under the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Auc {
    /// The probability that an event of label 1 scores higher than one of label 0, ties counting half: 0.5 for a useless score, 1 for a
    /// perfect one. Negative weights can take it out of the range from 0 to 1.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

/// The area under the receiver operating characteristic of scores, each with a label 1 or 0 and a weight (1 without `weights`). Weights may
/// be negative where the total of each class is positive.
///
/// The error is that of E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988) 837, as the jackknife that it is: by what the area
/// would be without each of the events. So one that has most of the weight, and with it the area near its own place, makes the error large.
/// Where the scores part the classes completely, or are all equal, that is 0, however few the events: then it is the error of useless scores
/// of classes of these effective sizes (H. B. Mann, D. R. Whitney, Ann. Math. Stat. 18 (1947) 50).
///
/// # Errors
/// [`Error::InvalidArgument`] for slices of different length, [`Error::Data`] for scores or weights that are not finite, other labels, a
/// class whose weights have no positive total or an effective size of one or less.
pub fn auc(scores: &[f64], labels: &[i32], weights: Option<&[f64]>) -> Result<Auc> {
    check(scores, labels, weights)?;
    let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
    let size = |label: i32| -> Result<Size> {
        let of_class = (0..labels.len()).filter(|&i| labels[i] == label);
        let whose = format!("the events of label {label}");
        let size = Size::of(of_class.map(weight), &whose)?;
        if size.effective > 1.0 {
            return Ok(size);
        }
        Err(Error::Data(format!(
            "{whose} have the effective size {}; more than one event is required",
            size.effective
        )))
    };
    let sizes = [size(0)?, size(1)?];
    let mut order = (0..scores.len()).gather()?;
    sort_by_value(&mut order, &|i| scores[i]);
    // Of every event, the share of the other class that scores lower.
    let mut lower = room::filled(scores.len(), 0.0)?;
    let mut below = [Sum::default(); 2];
    for equal in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let before = below.map(|sum| sum.value());
        equal
            .iter()
            .for_each(|&i| below[labels[i] as usize].add(weight(i)));
        let half = |class: usize| 0.5 * before[class] + 0.5 * below[class].value();
        let shares = [0, 1].map(|class| half(class) / sizes[class].total);
        equal
            .iter()
            .for_each(|&i| lower[i] = shares[1 - labels[i] as usize]);
    }
    let sum = |label: i32, term: &dyn Fn(usize) -> f64| -> f64 {
        let of_class = (0..labels.len()).filter(|&i| labels[i] == label);
        of_class.map(term).collect::<Sum>().value()
    };
    let value = sum(1, &|i| weight(i) * lower[i]) / sizes[1].total;
    let variance = |label: i32, centre: f64| {
        let Size { total, .. } = sizes[label as usize];
        let count = labels.iter().filter(|l| **l == label).count() as f64;
        let squares = sum(label, &|i| {
            let share = weight(i) / total;
            // That of the others, in units of what it is for equal weights.
            let others = weights.map_or(1.0, |_| {
                (1.0 - share).abs().max(f64::EPSILON) * count / (count - 1.0)
            });
            (share / others * (lower[i] - centre)).powi(2)
        });
        squares * count / (count - 1.0)
    };
    let error = (variance(1, value) + variance(0, 1.0 - value)).sqrt();
    let [zeros, ones] = sizes.map(|size| size.effective);
    let useless = || ((ones + zeros + 1.0) / (12.0 * ones * zeros)).sqrt();
    Ok(Auc {
        value,
        error: if error > ROUNDING { error } else { useless() },
    })
}

/// An error that is no more than the rounding of the area.
const ROUNDING: f64 = 1e-12;

fn check(scores: &[f64], labels: &[i32], weights: Option<&[f64]>) -> Result<()> {
    let n = scores.len();
    if labels.len() != n || weights.is_some_and(|w| w.len() != n) {
        return Err(Error::InvalidArgument(format!(
            "{n} scores with {} labels and {} weights; one of each is required for every event",
            labels.len(),
            weights.map_or(n, <[f64]>::len)
        )));
    }
    if let Some(i) = labels.iter().position(|label| !(0..=1).contains(label)) {
        return Err(Error::Data(format!(
            "label {i} is {}; 0 or 1 is required",
            labels[i]
        )));
    }
    for (what, values) in [("score", scores), ("weight", weights.unwrap_or_default())] {
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::Data(format!(
                "{what} {i} is {}; finite numbers are required",
                values[i]
            )));
        }
    }
    Ok(())
}
