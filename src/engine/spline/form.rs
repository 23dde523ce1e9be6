//! What splines have in common.

use super::super::lanes::Element;
use crate::model::{Knots, Transform};

/// What the splines of a block have in common.
#[derive(Clone, Copy)]
pub(in super::super) struct Form<T> {
    pub bins: usize,
    pub bound: T,
    pub knots: Knots,
    /// Least width and height of a bin.
    pub least: T,
    /// What is left to share among the bins.
    pub shared: T,
    /// The output that makes the slope 1, which it is at both ends.
    pub outer: T,
}

impl<T: Element> Form<T> {
    pub fn new(bins: usize, bound: f64, knots: Knots) -> Self {
        let least = match knots {
            Knots::Tanh | Knots::Softplus => 2.0 * bound * Transform::SMALLEST,
            Knots::Softsign => 0.0,
        };
        let outer = match knots {
            Knots::Tanh | Knots::Softsign => 0.0,
            Knots::Softplus => libm::log(libm::expm1(1.0 - Transform::SMALLEST)),
        };
        Form {
            bins,
            bound: T::from_f64(bound),
            knots,
            least: T::from_f64(least),
            shared: T::from_f64(2.0 * bound - bins as f64 * least),
            outer: T::from_f64(outer),
        }
    }

    /// Features that the gradient needs beside what is left of the outputs, for each coordinate.
    pub fn aside(bins: usize, knots: Knots) -> usize {
        match knots {
            Knots::Tanh | Knots::Softplus => 0,
            Knots::Softsign => 2 * bins,
        }
    }

    pub fn outputs(&self) -> usize {
        3 * self.bins - 1
    }

    /// Of coordinate `i`, its part of what is aside.
    pub fn own_aside(&self, i: usize) -> std::ops::Range<usize> {
        let n = Self::aside(self.bins, self.knots);
        i * n..(i + 1) * n
    }
}
