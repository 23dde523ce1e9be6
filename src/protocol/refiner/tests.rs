use super::chains::{HMC, LANGEVIN, MALA};
use super::learned::Refined;
use super::prior::{Accepted, Baseline, Reweight};
use super::proposals::Independent;
use super::registry::REFINERS;
use super::*;
use crate::compute::Stage;
use crate::model::{Dims, Evaluator, Method};
use crate::protocol::draws::{Draws, Uniforms};
use crate::{Error, Result};

mod chains;
mod judged_first;
mod learned;
mod mixture;
mod resampling;
mod surrogate;
mod watch;

/// g(z) = z and a weight that is known: w(z) = exp(b·z₀ − ½ a z₀²), so q(z) ∝ p(z) w(z) is normal in z₀ with mean b/(1+a) and variance
/// 1/(1+a), and standard normal in z₁. With `modes` (r, m, s) it is that of two clumps instead, w = r N(z₀; m, s) + (1 − r) N(z₀; −m, s):
/// in q they have the shares r and 1 − r, means ± m / (1 + s²) and variance s² / (1 + s²). Events with z₁ beyond `broken` are NaN, and
/// those beyond `steep` weigh e²⁰ times as much.
struct Exact {
    a: f64,
    b: f64,
    modes: Option<(f64, f64, f64)>,
    broken: f64,
    steep: f64,
    has_gradient: bool,
    /// Whether w is known without events.
    of_latents: bool,
    /// Events made.
    made: u64,
}

impl Exact {
    fn new(a: f64, b: f64) -> Self {
        Exact {
            a,
            b,
            modes: None,
            broken: f64::INFINITY,
            steep: f64::INFINITY,
            has_gradient: true,
            of_latents: false,
            made: 0,
        }
    }

    fn modes(share: f64, mean: f64, width: f64) -> Self {
        Exact {
            modes: Some((share, mean, width)),
            ..Exact::new(0.0, 0.0)
        }
    }

    fn log_w(&self, z: &[f64]) -> f64 {
        let beyond = if z.get(1) > Some(&self.steep) {
            20.0
        } else {
            0.0
        };
        self.log_w_slope(z).0 + beyond
    }

    /// log w and ∂ log w / ∂z₀.
    fn log_w_slope(&self, z: &[f64]) -> (f64, f64) {
        let Some((share, m, s)) = self.modes else {
            return (
                self.b * z[0] - 0.5 * self.a * z[0] * z[0],
                self.b - self.a * z[0],
            );
        };
        let log = |share: f64, m: f64| share.ln() - 0.5 * ((z[0] - m) / s).powi(2);
        let (right, left) = (log(share, m), log(1.0 - share, -m));
        let log_w = right.max(left) + (-(right - left).abs()).exp().ln_1p();
        let mean = m * ((right - log_w).exp() - (left - log_w).exp());
        (log_w, (mean - z[0]) / (s * s))
    }

    fn moments(&self) -> (f64, f64) {
        (self.b / (1.0 + self.a), 1.0 / (1.0 + self.a))
    }
}

impl Evaluator for Exact {
    fn rows_are_independent(&self) -> bool {
        false
    }

    fn weighs_latents(&self) -> bool {
        self.of_latents
    }

    fn inside(&mut self, _: &[f64], _: usize, inside: &mut [bool]) -> Result<()> {
        inside.fill(true);
        Ok(())
    }

    fn generate(
        &mut self,
        z: &[f64],
        rows: usize,
        x: &mut [f64],
        _: Option<&mut [f64]>,
    ) -> Result<()> {
        assert!(rows > 0);
        self.made += rows as u64;
        x.copy_from_slice(z);
        for x in x.chunks_exact_mut(2).filter(|x| x[1] > self.broken) {
            x[0] = f64::NAN;
        }
        Ok(())
    }

    fn log_prob(&mut self, _: &[f64], _: usize, _: &mut [f64]) -> Result<()> {
        unreachable!()
    }

    fn latent(&mut self, _: &[f64], _: usize, _: &mut [f64]) -> Result<()> {
        unreachable!()
    }

    fn log_weight(&mut self, x: &[f64], _: usize, out: &mut [f64]) -> Result<()> {
        x.chunks_exact(2)
            .zip(out)
            .for_each(|(x, out)| *out = self.log_w(x));
        Ok(())
    }

    fn pull_back(&mut self, z: &[f64], x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        let of = if self.of_latents { z } else { x };
        self.log_weight(of, rows, out)
    }

    fn event_weight_gradient(
        &mut self,
        _: &[f64],
        _: usize,
        _: &mut [f64],
        _: &mut [f64],
    ) -> Result<()> {
        unreachable!()
    }

    fn log_weight_gradient(
        &mut self,
        z: &[f64],
        _: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        if !self.has_gradient {
            return Err(Error::Unsupported("a black box".into()));
        }
        for ((z, log_w), g) in z
            .chunks_exact(2)
            .zip(log_w)
            .zip(gradient.chunks_exact_mut(2))
        {
            (*log_w, g[0]) = self.log_w_slope(z);
            g[1] = 0.0;
        }
        Ok(())
    }

    fn refine(&mut self, y: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        let auxiliary = y.len() / rows;
        for (y, z) in y.chunks_exact(auxiliary).zip(z.chunks_exact_mut(2)) {
            z.copy_from_slice(&[2.0 * y[0], y[auxiliary - 1]]);
        }
        Ok(())
    }

    fn refined_log_prob(&mut self, z: &[f64], _: usize, out: &mut [f64]) -> Result<()> {
        for (z, out) in z.chunks_exact(2).zip(out) {
            let squares = (0.5 * z[0]).powi(2) + z[1] * z[1];
            *out = -0.5 * squares - (4.0 * std::f64::consts::PI).ln();
        }
        Ok(())
    }

    /// Knows half of what it should.
    fn surrogate(&mut self, z: &[f64], _: usize, out: &mut [f64]) -> Result<()> {
        let rows = z.chunks_exact(2).zip(out);
        rows.for_each(|(z, out)| *out = 0.5 * self.log_w(z));
        Ok(())
    }
}

/// Of [`Exact`].
const DIMS: Dims = Dims {
    latent: 2,
    conditions: 0,
    features: 2,
};

/// Rows that a block of tests has.
fn rows_of(refiner: &dyn Maker) -> usize {
    match refiner.blocks() {
        Blocks::Any(rows) | Blocks::Aligned(rows) => rows,
    }
}

fn block(refiner: &dyn Maker, index: u64) -> Block {
    let rows = rows_of(refiner);
    let mut block = Block::default();
    block.place(index * rows as u64, rows, DIMS).unwrap();
    block
}

fn stage() -> Stage<'static> {
    Stage::new(&(), "sampling", 1)
}

fn draws() -> Draws {
    Draws::Counter { seed: 5, stream: 6 }
}

/// The first `blocks` blocks, end to end: z, w and the statistics.
fn run(
    refiner: &mut dyn Maker,
    evaluator: &mut dyn Evaluator,
    blocks: u64,
) -> (Vec<f64>, Vec<f64>, Statistics) {
    let (mut z, mut w, mut statistics) = (Vec::new(), Vec::new(), Statistics::default());
    for index in 0..blocks {
        let mut block = block(refiner, index);
        refiner
            .fill(
                evaluator,
                &mut draws(),
                &mut block,
                &mut statistics,
                &stage(),
            )
            .unwrap();
        assert_eq!(block.x, block.z);
        z.extend(block.z);
        w.extend(block.w);
    }
    (z, w, statistics)
}

fn baseline() -> Independent {
    Independent::new(Baseline, 2)
}

fn rejection(log_w_max: f64, max_tries: u64) -> Independent {
    let accepted = Accepted {
        log_w_max,
        max_tries,
    };
    Independent::new(accepted, 2)
}

fn learned() -> Independent {
    Independent::new(Refined, 4)
}

/// Weighted mean and variance of column `k`.
fn moments(z: &[f64], w: &[f64], k: usize) -> (f64, f64) {
    let sum: f64 = w.iter().sum();
    let column = || z.iter().skip(k).step_by(2).zip(w);
    let mean = column().map(|(z, w)| z * w).sum::<f64>() / sum;
    (
        mean,
        column().map(|(z, w)| w * (z - mean).powi(2)).sum::<f64>() / sum,
    )
}

fn assert_moments(z: &[f64], w: &[f64], expected: (f64, f64), tolerance: f64) {
    let (mean, variance) = moments(z, w, 0);
    assert!(
        (mean - expected.0).abs() < tolerance,
        "mean {mean}, not {}",
        expected.0
    );
    assert!(
        (variance - expected.1).abs() < tolerance,
        "variance {variance}, not {}",
        expected.1
    );
    let (mean, variance) = moments(z, w, 1);
    assert!(
        mean.abs() < tolerance && (variance - 1.0).abs() < 1.5 * tolerance,
        "{mean}, {variance}"
    );
}

#[test]
fn every_method_has_one_home() {
    for method in Method::ALL {
        let homes = REFINERS.iter().filter(|home| home.method() == method);
        assert_eq!(homes.count(), 1, "{method:?}");
    }
}

#[test]
fn rejection_samples_the_refined_density() {
    let mut exact = Exact::new(1.0, 1.0);
    // log w is largest, ½, at z₀ = 1.
    let mut refiner = rejection(0.5, 1000);
    let (z, w, s) = run(&mut refiner, &mut exact, 100);
    assert_moments(&z, &w, exact.moments(), 0.012);
    assert!(w.iter().all(|&w| w == 1.0));
    // Mean weight: 1/√2 · exp(b²/(2(1+a))) = exp(¼)/√2, over w_max = exp(½).
    let expected = (0.25f64 - 0.5).exp() / 2f64.sqrt();
    let acceptance = s.accepted as f64 / s.proposals as f64;
    assert!(
        (acceptance - expected).abs() < 0.005,
        "{acceptance}, not {expected}"
    );
    assert_eq!(
        (s.events, s.accepted, s.overweight),
        (100 * 1024, 100 * 1024, 0.0)
    );
}

#[test]
fn overweight_events_keep_their_weight_and_the_sample_stays_exact() {
    let mut exact = Exact::new(0.0, 0.5);
    // w is unbounded: a tenth of the total weight lies above 1.5.
    let (z, w, s) = run(&mut rejection(1.5f64.ln(), 1000), &mut exact, 25);
    assert!(w.iter().any(|&w| w > 1.0) && w.iter().all(|&w| w >= 1.0));
    assert_moments(&z, &w, exact.moments(), 0.02);
    let unweighted = moments(&z, &vec![1.0; w.len()], 0).0;
    assert!(
        unweighted < 0.47,
        "without the weights the tail is missing: {unweighted}"
    );
    // E[(w − c)+] / E[w] = P(Z > d − b) − c e^{−b²/2} P(Z > d), d = (ln c + b²/2) / b.
    assert_eq!(
        s.overweight_events,
        w.iter().filter(|w| **w > 1.0).count() as u64
    );
    let fraction = s.overweight / s.weight;
    assert!((fraction - 0.1017).abs() < 0.005, "{fraction}");
}

#[test]
fn hopeless_rejection_is_an_error_and_names_the_event() {
    let mut refiner = rejection(100.0, 3);
    let mut block = block(&refiner, 2);
    let error = refiner
        .fill(
            &mut Exact::new(0.0, 0.0),
            &mut draws(),
            &mut block,
            &mut Statistics::default(),
            &stage(),
        )
        .unwrap_err();
    assert!(error.to_string().contains("event 2048"), "{error}");
}

#[test]
fn reweighting_carries_the_weights() {
    let mut exact = Exact::new(1.0, 1.0);
    let (z, w, s) = run(&mut Independent::new(Reweight, 2), &mut exact, 100);
    for (z, w) in z.chunks_exact(2).zip(&w) {
        assert!((w - exact.log_w(z).exp()).abs() < 1e-14);
    }
    assert_moments(&z, &w, exact.moments(), 0.015);
    assert_eq!(s.proposals, s.accepted);
}

#[test]
fn broken_events_are_drawn_again_and_counted() {
    let mut exact = Exact::new(0.0, 0.0);
    exact.broken = 1.0;
    let (z, _, s) = run(&mut baseline(), &mut exact, 20);
    assert!(z.chunks_exact(2).all(|z| z[1] <= 1.0));
    let fraction = s.non_finite as f64 / s.proposals as f64;
    assert!((fraction - 0.1587).abs() < 0.01, "P(z > 1), not {fraction}");
    exact.broken = f64::NEG_INFINITY;
    let mut refiner = baseline();
    let mut block = block(&refiner, 0);
    assert!(refiner
        .fill(
            &mut exact,
            &mut draws(),
            &mut block,
            &mut Statistics::default(),
            &stage(),
        )
        .is_err());
}

#[test]
fn blocks_do_not_depend_on_history() {
    let mut exact = Exact::new(1.0, 1.0);
    let refiners: [fn() -> Box<dyn Maker>; 7] = [
        || Box::new(baseline()),
        || Box::new(rejection(0.5, 1000)),
        || Box::new(learned()),
        || Box::new(resampling::resampling(4)),
        || Box::new(chains::chains(LANGEVIN, chains::settings())),
        || Box::new(chains::chains(MALA, chains::settings())),
        || Box::new(chains::chains(HMC, chains::settings())),
    ];
    for make in refiners {
        let mut in_order = make();
        let rows = rows_of(in_order.as_ref());
        let (z, ..) = run(in_order.as_mut(), &mut exact, 4);
        let mut out_of_order = make();
        for index in [2, 0, 3, 1] {
            let mut block = block(out_of_order.as_ref(), index);
            out_of_order
                .fill(
                    &mut exact,
                    &mut draws(),
                    &mut block,
                    &mut Statistics::default(),
                    &stage(),
                )
                .unwrap();
            let at = index as usize * 2 * rows;
            assert_eq!(block.z, z[at..at + 2 * rows], "block {index}");
        }
    }
}

#[test]
fn the_learned_refiner_maps_its_noise() {
    let mut exact = Exact::new(0.0, 0.0);
    let (z, w, _) = run(&mut learned(), &mut exact, 100);
    assert_moments(&z, &w, (0.0, 4.0), 0.04);
}

/// Counts up from 0 in steps of 1/1000, or returns a number that is none.
struct Ramp {
    next: u32,
    calls: std::sync::Arc<std::sync::Mutex<Vec<usize>>>,
}

impl Uniforms for Ramp {
    fn fill(&mut self, u: &mut [f64]) -> Result<()> {
        self.calls.lock().unwrap().push(u.len());
        for u in u {
            *u = f64::from(self.next) / 1000.0;
            self.next += 1;
        }
        Ok(())
    }
}

#[test]
fn a_hosts_numbers_are_taken_event_by_event() {
    let calls = std::sync::Arc::default();
    let ramp = |next| {
        Draws::host(Box::new(Ramp {
            next,
            calls: std::sync::Arc::clone(&calls),
        }))
    };
    let quantile = |u: f64| {
        let mut z = [u];
        crate::noise::normal_quantiles(&mut z);
        z[0]
    };
    // w / w_max = ½ for all: u₂ = 0.102, 0.105, … accepts event after event, until 0.501.
    let fill = |draws: &mut Draws, rows| {
        let mut block = Block::default();
        block.place(7, rows, DIMS).unwrap();
        rejection(2f64.ln(), 10)
            .fill(
                &mut Exact::new(0.0, 0.0),
                draws,
                &mut block,
                &mut Statistics::default(),
                &stage(),
            )
            .map(|()| block)
    };
    let block = fill(&mut ramp(100), 3).unwrap();
    let expected = [0.1, 0.101, 0.103, 0.104, 0.106, 0.107].map(quantile);
    assert_eq!(block.z, expected);
    assert_eq!(*calls.lock().unwrap(), [9], "one call for all");
    // The second event's first proposal is refused (0.501); its second comes after those of all, but is refused too, and so on: no end.
    calls.lock().unwrap().clear();
    let error = fill(&mut ramp(496), 2).err().unwrap().to_string();
    assert!(error.contains("event 8 was not accepted"), "{error}");
    assert_eq!(calls.lock().unwrap()[..3], [6, 3, 3]);
    // 0 is moved into the open interval; beyond 1 is an error.
    let block = fill(&mut ramp(0), 1).unwrap();
    assert!(block.z[0] < -8.2 && block.z[0].is_finite());
    let error = fill(&mut ramp(999), 1).err().unwrap().to_string();
    assert!(error.contains("delivered 1.001 as number 2"), "{error}");
}
