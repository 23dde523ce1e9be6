//! Sums that may cancel, and sums of squares in any unit.

/// So many roundings of each term may be left of a sum that cancels: terms come rounded, as 0.1 does, most of them once or twice.
const ROUNDINGS: f64 = 4.0 * f64::EPSILON;

/// A sum by Neumaier's compensated summation, which adds no rounding to that of the terms, however many there are (A. Neumaier, Z. Angew.
/// Math. Mech. 54 (1974) 39).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    sum: f64,
    /// What the sum has lost by rounding.
    lost: f64,
    /// Σ |x|.
    magnitude: f64,
}

impl Sum {
    pub fn add(&mut self, x: f64) {
        self.magnitude += x.abs();
        self.accumulate(x);
    }

    /// Adds all that another sum has added.
    pub fn merge(&mut self, other: &Sum) {
        self.magnitude += other.magnitude;
        self.lost += other.lost;
        self.accumulate(other.sum);
    }

    /// Its bits.
    pub fn words(&self) -> [u64; 3] {
        [self.sum, self.lost, self.magnitude].map(f64::to_bits)
    }

    /// The sum of such bits.
    pub fn from_words(words: [u64; 3]) -> Self {
        let [sum, lost, magnitude] = words.map(f64::from_bits);
        Sum {
            sum,
            lost,
            magnitude,
        }
    }

    /// D. E. Knuth's sum with its rounding error, which needs no comparison.
    fn accumulate(&mut self, x: f64) {
        let sum = self.sum + x;
        let added = sum - self.sum;
        self.lost += (self.sum - (sum - added)) + (x - added);
        self.sum = sum;
    }

    /// The sum as plain addition has it, for what must keep its bits.
    pub fn plain(&self) -> f64 {
        self.sum
    }

    /// The sum: 0 if it is no more than the rounding of its terms.
    pub fn value(&self) -> f64 {
        if !self.sum.is_finite() {
            return self.sum;
        }
        let value = self.sum + self.lost;
        if self.magnitude.is_finite() && value.abs() <= ROUNDINGS * self.magnitude {
            return 0.0;
        }
        value
    }
}

impl FromIterator<f64> for Sum {
    fn from_iter<I: IntoIterator<Item = f64>>(terms: I) -> Self {
        let mut sum = Sum::default();
        terms.into_iter().for_each(|x| sum.add(x));
        sum
    }
}

/// Σ x² in units of the square of a power of two near the largest |x|: no exponent is too great or too small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Squares {
    /// The inverse of the unit.
    scale: f64,
    sum: f64,
}

impl Default for Squares {
    fn default() -> Self {
        Squares {
            scale: LARGEST,
            sum: 0.0,
        }
    }
}

/// Scales whose inverse exists, too: numbers beyond their units have squares in them.
const SMALLEST: f64 = f64::from_bits((1023 - 1000) << 52);
const LARGEST: f64 = f64::from_bits((1023 + 1000) << 52);

impl Squares {
    pub fn add(&mut self, x: f64) {
        if (x * self.scale).abs() >= 2.0 {
            // The sign and the fraction of x cleared.
            let unit = f64::from_bits(x.to_bits() & (0x7ff << 52));
            self.rescale((1.0 / unit).clamp(SMALLEST, LARGEST));
        }
        let x = x * self.scale;
        self.sum += x * x;
    }

    /// Adds all that another has added.
    pub fn merge(&mut self, mut other: Squares) {
        let scale = self.scale.min(other.scale);
        self.rescale(scale);
        other.rescale(scale);
        self.sum += other.sum;
    }

    fn rescale(&mut self, scale: f64) {
        let ratio = scale / self.scale;
        self.sum *= ratio * ratio;
        self.scale = scale;
    }

    /// Its bits.
    pub fn words(&self) -> [u64; 2] {
        [self.scale, self.sum].map(f64::to_bits)
    }

    /// The sum of such bits.
    pub fn from_words(words: [u64; 2]) -> Self {
        let [scale, sum] = words.map(f64::from_bits);
        Squares { scale, sum }
    }

    /// How many equal terms have this total and these squares: total² / Σ x². NaN without squares.
    pub fn effective(&self, total: f64) -> f64 {
        let total = total * self.scale;
        total * total / self.sum
    }
}

impl FromIterator<f64> for Squares {
    fn from_iter<I: IntoIterator<Item = f64>>(terms: I) -> Self {
        let mut squares = Squares::default();
        terms.into_iter().for_each(|x| squares.add(x));
        squares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(terms: &[f64]) -> f64 {
        terms.iter().copied().collect::<Sum>().value()
    }

    #[test]
    fn what_cancels_is_zero_and_what_does_not_is_exact() {
        assert_eq!(sum(&[0.1, 0.2, -0.3]), 0.0);
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 0.0);
        assert_eq!(sum(&[1e16, 1.0, 1.0, -1e16, 1.0, 100.0]), 103.0);
        assert_eq!(sum(&[]), 0.0);
        assert_eq!(sum(&[5e-324]), 5e-324);
        // Ten million tenths, of which plain addition makes 999999.9998.
        let tenths: Sum = std::iter::repeat_n(0.1, 10_000_000).collect();
        assert_eq!(tenths.value(), 1e6);
        let mut plain = 0.0;
        (0..10_000_000).for_each(|_| plain += 0.1);
        assert_eq!(tenths.plain(), plain);
        // Without an end, as plain addition has it.
        assert_eq!(sum(&[1e308, 1e308, -1e308]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum(&[1e308, -1e308, 1e308]), 1e308);
    }

    /// In parts as in whole.
    #[test]
    fn sums_merge() {
        let terms: Vec<f64> = (0..1000)
            .map(|i| (f64::from(i) * 0.7).sin() * 1e3)
            .collect();
        let mut merged = Sum::default();
        let mut squares = Squares::default();
        for part in terms.chunks(170) {
            merged.merge(&part.iter().copied().collect());
            squares.merge(part.iter().copied().collect());
        }
        assert_eq!(merged.value(), sum(&terms));
        let whole: Squares = terms.iter().copied().collect();
        let (merged, whole) = (squares.effective(1.0), whole.effective(1.0));
        assert!((merged / whole - 1.0).abs() < 1e-14);
    }

    #[test]
    fn squares_have_no_unit() {
        for unit in [1.0, 0.1, 1e-300, 1e-308, 1e160, 1e300] {
            for order in [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]] {
                let squares: Squares = order.iter().map(|x| x * unit).collect();
                let size = squares.effective(10.0 * unit);
                assert!(
                    (size / (100.0 / 30.0) - 1.0).abs() < 1e-14,
                    "{unit}: {size}"
                );
            }
        }
        assert!(Squares::default().effective(0.0).is_nan());
        // Plain numbers as plainly computed.
        let squares: Squares = [0.1, 0.7, -0.3].into_iter().collect();
        let plain = 0.1 * 0.1 + 0.7 * 0.7 + 0.3 * 0.3;
        assert_eq!(squares.effective(0.5), 0.5 * 0.5 / plain);
    }
}
