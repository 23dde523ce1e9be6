//! Weighted events of any dimension, as scores take them.

use crate::{Error, Result, Rows};

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
    /// [`Error::InvalidArgument`] for no rows or features, or too few weights; [`Error::NotFinite`] for the first number that is not finite.
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

    /// The features of event `row`, which is below [`Sample::rows`].
    pub fn event(&self, row: usize) -> &'a [f64] {
        self.x.row(row)
    }

    /// The weight of event `row`.
    pub fn weight(&self, row: usize) -> f64 {
        self.w.map_or(1.0, |w| w[row])
    }

    pub(super) fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.rows()).map(|row| self.weight(row))
    }

    /// The values of one feature.
    pub(super) fn column(&self, feature: usize) -> impl Iterator<Item = f64> + '_ {
        self.x.iter().map(move |event| event[feature])
    }

    /// Weighted mean and standard deviation of every feature.
    ///
    /// # Errors
    /// [`Error::Data`] if the weights have no positive total or a feature is constant.
    pub(crate) fn moments(&self) -> Result<Vec<(f64, f64)>> {
        let total = Size::of(self.weights(), "the sample")?.total;
        let mean = |values: &mut dyn Iterator<Item = f64>| -> f64 {
            values.zip(self.weights()).map(|(x, w)| x * w).sum::<f64>() / total
        };
        let moments = |feature: usize| {
            let centre = mean(&mut self.column(feature));
            let spread = mean(&mut self.column(feature).map(|x| (x - centre).powi(2))).sqrt();
            // The negation also catches NaN, of a negative variance.
            if !(spread > 0.0 && spread.is_finite()) {
                return Err(Error::Data(format!(
                    "feature {feature} of the sample has the standard deviation {spread}; leave out features that are constant"
                )));
            }
            Ok((centre, spread))
        };
        (0..self.dim()).map(moments).collect()
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
        let (mut total, mut squares) = (0.0, 0.0);
        for w in weights {
            total += w;
            squares += w * w;
        }
        let effective = total / squares * total;
        if total > 0.0 && total.is_finite() && effective > 0.0 && effective.is_finite() {
            return Ok(Size { total, effective });
        }
        Err(Error::Data(format!(
            "the weights of {whose} sum to {total}, their squares to {squares}; a positive, finite total is required"
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
