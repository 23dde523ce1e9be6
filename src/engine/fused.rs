//! a b + c rounded once, as every instruction for it does, out of additions and products: for processors that lack it.

/// The exact sum, as its nearest number and the rest (Knuth, The Art of Computer Programming 2, 4.2.2).
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// a + b, where it is not exact rounded to that neighbour whose last bit is 1: rounding that once more, to nearest, is as if it were the
/// first time, for up to 51 bits.
#[inline(always)]
fn sum_to_odd(a: f64, b: f64) -> f64 {
    let (sum, rest) = two_sum(a, b);
    let bits = sum.to_bits();
    // Away from 0 if the rest has the sum's sign, which is the highest bit; false of a sum that is not finite, whose rest is NaN.
    let away = 1 - 2 * ((bits ^ rest.to_bits()) >> 63) as i64;
    let step = if rest.abs() > 0.0 { away } else { 0 };
    let even = 1 - (bits & 1) as i64;
    f64::from_bits(bits.wrapping_add_signed(step * even))
}

/// a b is exact in double precision.
#[inline(always)]
pub(super) fn mul_add32(a: f32, b: f32, c: f32) -> f32 {
    sum_to_odd(f64::from(a) * f64::from(b), f64::from(c)) as f32
}

/// S. Boldo, G. Melquiond, IEEE Transactions on Computers 57 (2008) 462, on Dekker's product; by integers where that leaves the range.
#[inline(always)]
pub(super) fn mul_add64(a: f64, b: f64, c: f64) -> f64 {
    // 2^990 and 2^-900.
    const LARGE: f64 = f64::from_bits((1023 + 990) << 52);
    const SMALL: f64 = f64::from_bits((1023 - 900) << 52);
    let high = a * b;
    // A sum of zeros has a sign.
    let zero = ((a == 0.0) | (b == 0.0)) & (c != 0.0);
    let inner = (a.abs() < LARGE) & (b.abs() < LARGE) & (c.abs() < LARGE);
    if !(inner & (high.abs() < LARGE) & ((high.abs() > SMALL) | zero)) {
        return libm::fma(a, b, c);
    }
    let ((a, a_low), (b, b_low)) = (halves(a), halves(b));
    let low = ((a * b - high) + a * b_low + a_low * b) + a_low * b_low;
    let (sum, first) = two_sum(c, low);
    let (sum, second) = two_sum(high, sum);
    sum + sum_to_odd(first, second)
}

/// The upper and the lower half of the bits of x, as numbers (Veltkamp).
#[inline(always)]
fn halves(x: f64) -> (f64, f64) {
    let t = f64::from((1 << 27) + 1) * x;
    let high = t - (t - x);
    (high, x - high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};
    use rand::RngCore;

    #[test]
    fn one_rounding_of_everything() {
        let mut rng = Noise::new(9, 0, domain::INITIAL).rng(0);
        let special = [
            0.0,
            -0.0,
            1.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            -1.5,
        ];
        for n in 0..3_000_000 {
            // Any bits at all; of like sizes, so that sums cancel; and what is special.
            let mut number = || {
                let bits = rng.next_u64();
                match (n + bits % 5) % 4 {
                    0 => f64::from_bits(bits),
                    1 if n % 64 == 0 => special[(bits >> 8) as usize % special.len()],
                    _ => f64::from_bits(bits & !(0x7F8 << 52) | (0x3F8 << 52)),
                }
            };
            let (a, b) = (number(), number());
            let c = match n % 3 {
                0 => -a * b,
                1 => number() * (a * b),
                _ => number(),
            };
            let (is, right) = (mul_add64(a, b, c), a.mul_add(b, c));
            let same = is.to_bits() == right.to_bits() || is.is_nan() && right.is_nan();
            assert!(same, "{a:e} {b:e} {c:e}: {is:e}, {right:e}");

            let any = |x: f64, to: u64| {
                if to & 1 == 0 {
                    x as f32
                } else {
                    f32::from_bits(x.to_bits() as u32)
                }
            };
            let (a, b, c) = (any(a, n), any(b, n / 2), any(c, n / 4));
            let (is, right) = (mul_add32(a, b, c), a.mul_add(b, c));
            let same = is.to_bits() == right.to_bits() || is.is_nan() && right.is_nan();
            assert!(same, "{a:e} {b:e} {c:e}: {is:e}, {right:e}");
        }
    }
}
