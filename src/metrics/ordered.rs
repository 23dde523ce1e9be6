//! Values in their order, and the difference of two cumulative distributions over them.

use super::sum::Sum;
use crate::room::Gather;
use crate::Result;

/// Values with the numbers of their events.
pub(super) struct Ordered(Vec<(f64, usize)>);

impl Ordered {
    pub fn new(values: impl Iterator<Item = f64>) -> Result<Self> {
        let mut sorted = values.enumerate().map(|(i, x)| (x, i)).gather()?;
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        Ok(Ordered(sorted))
    }

    /// ∫ |Σ masses of the values up to x| dx, of `N` sets of masses at once, in plain sums. `masses` gives those of an event.
    pub fn areas<const N: usize>(&self, masses: impl Fn(usize) -> [f64; N]) -> [f64; N] {
        let mut sums = [0.0_f64; N];
        let mut areas = [0.0; N];
        for pair in self.0.windows(2) {
            let [(x, event), (next, _)] = [pair[0], pair[1]];
            let masses = masses(event);
            for ((area, sum), mass) in areas.iter_mut().zip(&mut sums).zip(masses) {
                *sum += mass;
                *area += sum.abs() * (next - x);
            }
        }
        areas
    }

    /// The same of one set, where masses that cancel leave nothing.
    pub fn area(&self, mass: impl Fn(usize) -> f64) -> f64 {
        let (mut sum, mut area) = (Sum::default(), 0.0);
        for pair in self.0.windows(2) {
            let [(x, event), (next, _)] = [pair[0], pair[1]];
            sum.add(mass(event));
            area += sum.value().abs() * (next - x);
        }
        area
    }

    /// The greatest |Σ masses of the values up to x| over x.
    pub fn height(&self, mass: impl Fn(usize) -> f64) -> f64 {
        let (mut sum, mut height) = (Sum::default(), 0.0);
        for equal in self.0.chunk_by(|a, b| a.0 == b.0) {
            equal.iter().for_each(|&(_, event)| sum.add(mass(event)));
            height = f64::max(height, sum.value().abs());
        }
        height
    }

    /// The greatest variance over x of the difference of two cumulative distributions F: of each
    /// (1 − F)² Σ mass² of the values up to x + F² Σ mass² of those above. `event` gives the distribution, 0 or 1, and the mass in it.
    pub fn largest_variance(&self, event: impl Fn(usize) -> (usize, f64)) -> f64 {
        let (mut all, mut below, mut f) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        for &(_, i) in &self.0 {
            let (of, mass) = event(i);
            all[of] += mass * mass;
        }
        let mut largest = 0.0;
        for equal in self.0.chunk_by(|a, b| a.0 == b.0) {
            for &(_, i) in equal {
                let (of, mass) = event(i);
                below[of] += mass * mass;
                f[of] += mass;
            }
            let variance =
                |k: usize| below[k] * (1.0 - f[k]).powi(2) + (all[k] - below[k]) * f[k].powi(2);
            largest = f64::max(largest, variance(0) + variance(1));
        }
        largest
    }
}
