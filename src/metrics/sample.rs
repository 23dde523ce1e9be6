//! Weighted events of any dimension, as scores take them.

use super::spread::width;
use super::sum::{Squares, Sum};
use crate::room::Gather;
use crate::{Error, Result, Rows};
use sha2::{Digest, Sha256};

/// Borrowed events, finite all of them: rows of M features with one weight each, or weights of 1. Weights may be negative where their total
/// is positive.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    x: Rows<'a, f64>,
    w: Option<&'a [f64]>,
}

impl<'a> Sample<'a> {
    /// `w` has one weight per row.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no rows or features, or too few weights; [`Error::NotFinite`] for the first number that is not
    /// finite.
    pub fn new(x: Rows<'a, f64>, w: Option<&'a [f64]>) -> Result<Self> {
        let (rows, dim) = (x.rows(), x.dim());
        if rows == 0 || dim == 0 {
            return Err(Error::InvalidArgument(format!(
                "a sample of {rows} rows of {dim} features; at least one of each is required"
            )));
        }
        if let Some(w) = w.filter(|w| w.len() < rows) {
            return Err(Error::InvalidArgument(format!(
                "there are {} weights; one for each of {rows} rows is required",
                w.len()
            )));
        }
        let sample = Sample { x, w };
        for row in 0..rows {
            let event = sample.event(row);
            if let Some(column) = event.iter().position(|v| !v.is_finite()) {
                return Err(Error::not_finite(
                    "the events",
                    row,
                    Some(column),
                    event[column],
                ));
            }
            let weight = sample.weight(row);
            if !weight.is_finite() {
                return Err(Error::not_finite("the events", row, None, weight));
            }
        }
        Ok(sample)
    }

    /// Events.
    pub fn rows(&self) -> usize {
        self.x.rows()
    }

    /// Features of an event.
    pub fn dim(&self) -> usize {
        self.x.dim()
    }

    /// All events.
    pub fn events(&self) -> Rows<'a, f64> {
        self.x
    }

    /// The features of event `row`, which is below [`Sample::rows`].
    pub fn event(&self, row: usize) -> &'a [f64] {
        self.x.row(row)
    }

    /// The weight of event `row`.
    pub fn weight(&self, row: usize) -> f64 {
        self.w.map_or(1.0, |w| w[row])
    }

    /// Of all events and their weights, in lowercase hexadecimal digits.
    pub(crate) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for row in 0..self.rows() {
            let values = self.event(row).iter();
            values.for_each(|x| hash.update(x.to_le_bytes()));
            hash.update(self.weight(row).to_le_bytes());
        }
        format!("{:x}", hash.finalize())
    }

    /// The addresses of the weights, if there are any.
    pub(crate) fn weight_span(&self) -> Option<std::ops::Range<usize>> {
        self.w.map(|w| {
            let addresses = w.as_ptr_range();
            addresses.start.addr()..addresses.end.addr()
        })
    }

    pub(super) fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.rows()).map(|row| self.weight(row))
    }

    /// The values of one feature.
    pub(super) fn column(&self, feature: usize) -> impl Iterator<Item = f64> + '_ {
        self.x.iter().map(move |event| event[feature])
    }

    /// Weighted mean and standard deviation of every feature, of a sample that is a reference.
    ///
    /// # Errors
    /// [`Error::Data`] if the weights have no positive total, a feature is constant but for rounding, or its variance is beyond the
    /// floating-point range.
    pub(crate) fn moments(&self) -> Result<Vec<(f64, f64)>> {
        let total = Size::of(self.weights(), "the sample")?.total;
        let mean = |values: &mut dyn Iterator<Item = f64>| -> f64 {
            let terms = values.zip(self.weights()).map(|(x, w)| w / total * x);
            terms.collect::<Sum>().value()
        };
        let moments = |feature: usize| {
            let column = || self.column(feature);
            let centre = mean(&mut column());
            let variance = mean(&mut column().map(|x| (x - centre).powi(2)));
            let size = column().zip(self.weights());
            let size: f64 = size.map(|(x, w)| (w / total * x).abs()).sum();
            let rounding = self.rows() as f64 * f64::EPSILON * size;
            let std = width(variance, rounding, column(), self.event(0)[feature]);
            let what = |what| Error::Data(format!("feature {feature} of the reference {what}"));
            Ok((centre, std.map_err(what)?))
        };
        (0..self.dim()).map(moments).gather_all()
    }
}

/// What a sample's weights amount to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Σw.
    pub total: f64,
    /// (Σw)² / Σw².
    pub effective: f64,
}

impl Size {
    /// `whose` begins the message.
    pub fn of(weights: impl Iterator<Item = f64>, whose: &str) -> Result<Self> {
        let (mut total, mut squares) = (Sum::default(), Squares::default());
        for w in weights {
            total.add(w);
            squares.add(w);
        }
        let total = total.value();
        let effective = squares.effective(total);
        if total > 0.0 && total.is_finite() && effective > 0.0 && effective.is_finite() {
            return Ok(Size { total, effective });
        }
        Err(Error::Data(format!(
            "the weights of {whose} sum to {total}, but a positive, finite total is required"
        )))
    }
}

/// How many unweighted events are worth as much as events of these weights: (Σw)² / Σw².
///
/// # Errors
/// [`Error::Data`] for weights whose sum is not positive and finite.
pub fn effective_size(weights: &[f64]) -> Result<f64> {
    Ok(Size::of(weights.iter().copied(), "the sample")?.effective)
}
