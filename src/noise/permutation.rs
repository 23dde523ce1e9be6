//! Random orders of any length, without a list.

use super::PhiloxRng;
use rand::RngCore;

/// A random order of the numbers below `n`: the place of every one by itself, in no memory. A Feistel network over the pairs (l, r) with
/// l < a and r < b for a · b just above n, walked on from where it leaves the numbers below n (J. Black, P. Rogaway, *Ciphers with Arbitrary Finite
/// Domains*, CT-RSA 2002).
#[derive(Clone, Debug)]
pub(crate) struct Permutation {
    n: u64,
    a: u64,
    b: u64,
    keys: [u64; ROUNDS],
}

/// An even number.
const ROUNDS: usize = 8;

impl Permutation {
    /// Of the numbers below `n`, at least 1.
    pub fn new(n: usize, rng: &mut PhiloxRng) -> Self {
        let n = (n as u64).max(1);
        let root = n.isqrt();
        let a = root + u64::from(root * root < n);
        Permutation {
            n,
            a,
            b: n.div_ceil(a),
            keys: std::array::from_fn(|_| rng.next_u64()),
        }
    }

    /// What is at place `i`, below `n`.
    pub fn at(&self, i: usize) -> usize {
        let mut i = i as u64;
        loop {
            i = self.step(i);
            if i < self.n {
                return i as usize;
            }
        }
    }

    fn step(&self, i: u64) -> u64 {
        let (mut l, mut r) = (i % self.a, i / self.a);
        for (round, key) in self.keys.iter().enumerate() {
            let below = if round % 2 == 0 { self.a } else { self.b };
            (l, r) = (r, (l + mix(r ^ key) % below) % below);
        }
        self.a * r + l
    }
}

/// Every bit of the result depends on every bit (the finaliser of MurmurHash3).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};

    fn order(n: usize, event: u64) -> Vec<usize> {
        let mut rng = Noise::new(1, 0, domain::SHUFFLE).rng(event);
        let permutation = Permutation::new(n, &mut rng);
        (0..n).map(|i| permutation.at(i)).collect()
    }

    #[test]
    fn every_number_has_one_place() {
        for n in [1, 2, 3, 5, 10, 99, 100, 101, 4097] {
            let mut all = order(n, 0);
            all.sort_unstable();
            assert_eq!(all, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn all_orders_are_as_probable_and_neighbours_go_apart() {
        // χ² of the 24 orders of four numbers, 23 degrees of freedom: 60 is a chance of 3·10⁻⁵.
        let mut counts = std::collections::HashMap::new();
        let draws = 24_000;
        (0..draws).for_each(|event| *counts.entry(order(4, event)).or_insert(0.0) += 1.0);
        let expected = draws as f64 / 24.0;
        let chi2: f64 = counts
            .values()
            .map(|n: &f64| (n - expected).powi(2) / expected)
            .sum();
        assert!(counts.len() == 24 && chi2 < 60.0, "{chi2}");
        // The rank correlation of places and numbers, and of neighbours.
        let n = 100_000;
        let all = order(n, 7);
        let middle = (n as f64 - 1.0) / 2.0;
        let product = |a: f64, b: f64| (a - middle) * (b - middle) * 12.0 / (n as f64).powi(2);
        let of_places: f64 = (0..n).map(|i| product(i as f64, all[i] as f64)).sum();
        let of_neighbours: f64 = all
            .windows(2)
            .map(|w| product(w[0] as f64, w[1] as f64))
            .sum();
        for correlation in [of_places, of_neighbours] {
            assert!(correlation.abs() < 4.0 * (n as f64).sqrt(), "{correlation}");
        }
    }
}
