//! Statistics of 10^8 uniform and 10^8 normal numbers, addressed in four ways. The seeds are fixed, so that a test either
//! always passes or always fails.

use rand::seq::SliceRandom;

use super::*;

/// How seldom right noise would fail one of the statistics below, for some other seeds; there are 105. All are
/// two-sided: half of this is for too bad a fit, half for too good a one.
const FALSE_ALARM: f64 = 1e-6;

/// A way addresses its numbers piece by piece.
const PIECE: usize = 10_000;
const PIECES: u64 = 2_500;

/// What is drawn, for its main purpose: for one event, and for a matrix of events.
struct Draw {
    domain: Domain,
    event: fn(&Noise, u64, u64, &mut [f64]),
    matrix: fn(&Noise, u64, usize, usize, &mut [f64]),
}

impl Draw {
    fn noise(&self, seed: u64, stream: u64) -> Noise {
        Noise::new(seed, stream, self.domain)
    }
}

const UNIFORMS: Draw = Draw {
    domain: domain::ACCEPT,
    event: Noise::uniforms,
    matrix: Noise::fill_uniforms,
};

const NORMALS: Draw = Draw {
    domain: domain::LATENT,
    event: Noise::normals,
    matrix: Noise::fill_normals,
};

/// Draws piece `i`.
type Way = fn(&Draw, i: u64, &mut [f64]);

/// The ways: no two have a number in common.
const WAYS: [(&str, Way); 4] = [
    ("many events of two draws", |draw, i, out| {
        let rows = PIECE / 2;
        (draw.matrix)(&draw.noise(1, 0), i * rows as u64, rows, 2, out);
    }),
    ("one event of many draws", |draw, i, out| {
        (draw.event)(&draw.noise(1, 1), 7, i * PIECE as u64, out);
    }),
    ("many streams, events of five draws", |draw, i, out| {
        (draw.matrix)(&draw.noise(2, i), 0, PIECE / 5, 5, out);
    }),
    ("many seeds, events of one draw", |draw, i, out| {
        (draw.matrix)(&draw.noise(3 + i, 0), 0, PIECE, 1, out);
    }),
];

/// Counts each number of 10^8 in the `bins` that `places` says, and has the counts of each way checked, then their sums.
fn count<const N: usize>(
    draw: &Draw,
    bins: usize,
    places: impl Fn(f64) -> [usize; N],
    check: impl Fn(&str, &[Vec<u32>; N]),
) {
    let mut numbers = vec![0.0; PIECE];
    let empty = [(); N].map(|()| vec![0; bins]);
    let mut all = empty.clone();
    for (name, way) in WAYS {
        let mut counts = empty.clone();
        for i in 0..PIECES {
            way(draw, i, &mut numbers);
            for x in &numbers {
                for (counts, place) in counts.iter_mut().zip(places(*x)) {
                    counts[place] += 1;
                }
            }
        }
        check(name, &counts);
        for (all, counts) in all.iter_mut().zip(counts) {
            all.iter_mut().zip(counts).for_each(|(all, n)| *all += n);
        }
    }
    check("all ways", &all);
}

fn total(counts: &[u32]) -> f64 {
    counts.iter().map(|&c| f64::from(c)).sum()
}

/// Counts of `by` bins each.
fn wider(counts: &[u32], by: usize) -> Vec<u32> {
    counts.chunks(by).map(|c| c.iter().sum()).collect()
}

/// The probability below each edge of `n` equal bins.
fn equal(n: usize) -> Vec<f64> {
    (0..=n).map(|i| i as f64 / n as f64).collect()
}

/// Deviation of a chi-square with `k` degrees of freedom from its mean, in standard deviations (Wilson and Hilferty).
fn sigma_of(chi2: f64, k: f64) -> f64 {
    let v = 2.0 / (9.0 * k);
    ((chi2 / k).cbrt() - (1.0 - v)) / v.sqrt()
}

/// Chi-square of the counts, in standard deviations. `below` is the probability below each edge; bins are put together
/// until 25 are expected.
fn chi_square_sigma(counts: &[u32], below: &[f64]) -> f64 {
    let n = total(counts);
    let (mut cells, mut chi2) = (0.0, 0.0);
    let (mut seen, mut from) = (0.0, 0.0);
    for (count, to) in counts.iter().zip(&below[1..]) {
        seen += f64::from(*count);
        let expected = n * (to - from);
        // What is left at the end joins the last cell that has enough.
        if expected >= 25.0 && n * (1.0 - to) >= 25.0 || *to == 1.0 {
            chi2 += (seen - expected).powi(2) / expected;
            cells += 1.0;
            (seen, from) = (0.0, *to);
        }
    }
    sigma_of(chi2, cells - 1.0)
}

/// Chi-square of the single bits of the bins' numbers, in standard deviations: one bit is lost among so many bins.
fn bits_sigma(counts: &[u32]) -> f64 {
    let n = total(counts);
    let bits = counts.len().ilog2();
    let chi2 = |bit: u32| {
        let set: u32 = (0u32..).zip(counts).map(|(i, &c)| (i >> bit & 1) * c).sum();
        (2.0 * f64::from(set) - n).powi(2) / n
    };
    sigma_of((0..bits).map(chi2).sum(), f64::from(bits))
}

/// Bounds of sqrt(n) times Kolmogorov's distance: the largest distance at an edge of the bins, and that plus the largest
/// bin, since both distributions only grow from edge to edge. (Sorting 10^8 numbers for the distance itself takes longer
/// than all else here.)
fn kolmogorov(counts: &[u32], below: &[f64]) -> (f64, f64) {
    let n = total(counts);
    let (mut seen, mut distance, mut bin) = (0.0, 0f64, 0f64);
    for (count, edges) in counts.iter().zip(below.windows(2)) {
        seen += f64::from(*count);
        distance = distance.max((seen / n - edges[1]).abs());
        bin = bin.max(edges[1] - edges[0]);
    }
    (n.sqrt() * distance, n.sqrt() * (distance + bin))
}

#[track_caller]
fn assert_sigma(name: &str, sigma: f64) {
    let chance = libm::erfc(sigma.abs() / std::f64::consts::SQRT_2);
    assert!(
        chance > FALSE_ALARM,
        "{name}: {sigma} standard deviations, whose chance is {chance:e}"
    );
}

/// The leading terms of the limiting distribution's two series: all that counts at these chances.
#[track_caller]
fn assert_kolmogorov(name: &str, (at_least, at_most): (f64, f64)) {
    use std::f64::consts::PI;
    let above = 2.0 * (-2.0 * at_least.powi(2)).exp();
    let below = (2.0 * PI).sqrt() / at_most * (-(PI / at_most).powi(2) / 8.0).exp();
    assert!(
        above.min(below) > FALSE_ALARM / 2.0,
        "{name}: between {at_least} and {at_most}, the chance of as much is {above:e}, of as little {below:e}"
    );
}

#[test]
fn uniforms_are_uniform() {
    // The 52 bits of a number in three parts: all are seen.
    const BITS: u32 = 18;
    let parts = |u: f64| {
        let bits = (u * (1u64 << 52) as f64) as u64;
        [52 - BITS, 52 - 2 * BITS, 0].map(|shift| (bits >> shift) as usize % (1 << BITS))
    };
    const WIDE: usize = 256;
    let (fine, wide) = (equal(1 << BITS), equal((1 << BITS) / WIDE));
    count(&UNIFORMS, 1 << BITS, parts, |way, parts| {
        for (part, counts) in ["high", "middle", "low"].iter().zip(parts) {
            let name = format!("{way}, {part} bits");
            assert_sigma(&name, chi_square_sigma(counts, &fine));
            assert_sigma(&format!("{name}, singly"), bits_sigma(counts));
            assert_sigma(&name, chi_square_sigma(&wider(counts, WIDE), &wide));
        }
        assert_kolmogorov(way, kolmogorov(&parts[0], &fine));
    });
}

#[test]
fn normals_are_normal() {
    // Bins of equal width; beyond them lies nothing.
    const END: f64 = 8.25;
    const PER_UNIT: f64 = 32768.0;
    const WIDE: usize = 512;
    let bins = (2.0 * END * PER_UNIT) as usize;
    let mut below: Vec<f64> = (0..=bins)
        .map(|i| 0.5 * libm::erfc((END - i as f64 / PER_UNIT) / std::f64::consts::SQRT_2))
        .collect();
    (below[0], below[bins]) = (0.0, 1.0);
    let wide: Vec<f64> = below.iter().step_by(WIDE).copied().collect();
    let place = |x: f64| [((x + END) * PER_UNIT) as usize];
    count(&NORMALS, bins, place, |way, [counts]| {
        assert_sigma(way, chi_square_sigma(counts, &below));
        assert_sigma(way, chi_square_sigma(&wider(counts, WIDE), &wide));
        assert_kolmogorov(way, kolmogorov(counts, &below));
        // As if all lay in the middles of their bins, which is far within the errors.
        let n = total(counts);
        let middles = (0..bins).map(|i| (i as f64 + 0.5) / PER_UNIT - END);
        let moment = |k: i32| {
            let sum = |(x, &c): (f64, &u32)| x.powi(k) * f64::from(c);
            middles.clone().zip(counts).map(sum).sum::<f64>() / n
        };
        // E x^k, and the variance of x^k.
        for (k, mean, variance) in [
            (1, 0.0, 1.0),
            (2, 1.0, 2.0),
            (3, 0.0, 15.0),
            (4, 3.0, 96.0),
            (6, 15.0, 10_170.0),
        ] {
            let sigma = (moment(k) - mean) / f64::sqrt(variance / n);
            assert_sigma(&format!("{way}, moment {k}"), sigma);
        }
    });
}

/// `n` numbers of successive events, four draws each.
fn uniforms(seed: u64, stream: u64, n: usize) -> Vec<f64> {
    let mut u = vec![0.0; n];
    Noise::new(seed, stream, domain::LATENT).fill_uniforms(0, n / 4, 4, &mut u);
    u
}

/// Correlation of two uniform sequences in standard deviations, and the chi-square of their pairs on a 64 x 64 grid,
/// which also sees dependence without correlation.
fn dependence(a: &[f64], b: &[f64]) -> (f64, f64) {
    const GRID: usize = 64;
    let mut counts = vec![0; GRID * GRID];
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        sum += (a - 0.5) * (b - 0.5);
        counts[(a * GRID as f64) as usize * GRID + (b * GRID as f64) as usize] += 1;
    }
    (
        12.0 * sum / (a.len() as f64).sqrt(),
        chi_square_sigma(&counts, &equal(GRID * GRID)),
    )
}

#[test]
fn neighbours_are_independent() {
    const N: usize = 4_000_000;
    let u = uniforms(1, 0, N + 8);
    let base = &u[..N];
    let mut accept = vec![0.0; N];
    Noise::new(1, 0, domain::ACCEPT).fill_uniforms(0, N / 4, 4, &mut accept);
    // The same draws of the next event are four further, the next draw one, the draw after it two.
    for (name, other) in [
        ("event", &u[4..N + 4]),
        ("draw", &u[1..N + 1]),
        ("draw after", &u[2..N + 2]),
        ("stream", &uniforms(1, 1, N)),
        ("seed", &uniforms(2, 0, N)),
        ("seed and stream exchanged", &uniforms(0, 1, N)),
        ("domain", &accept),
    ] {
        let (correlation, pairs) = dependence(base, other);
        assert_sigma(&format!("{name}, correlation"), correlation);
        assert_sigma(&format!("{name}, pairs"), pairs);
    }
}

#[test]
fn shuffles_are_fair() {
    // Where each of six ends up, and which of the 720 orders comes.
    const N: u32 = 72_000;
    let noise = Noise::new(3, 0, domain::SHUFFLE);
    let mut orders = std::collections::BTreeMap::new();
    for event in 0..u64::from(N) {
        let mut order = [0, 1, 2, 3, 4, 5];
        order.shuffle(&mut noise.rng(event));
        *orders.entry(order).or_insert(0) += 1;
    }
    assert_eq!(orders.len(), 720);
    let counts: Vec<u32> = orders.into_values().collect();
    assert_sigma("orders", chi_square_sigma(&counts, &equal(720)));
}
