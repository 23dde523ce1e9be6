//! Chains on densities that are known.

use super::super::bias::Expectations;
use super::super::chains::Chains;
use super::super::history::History;
use super::super::pilot::{pilot, ChainReport, DualAveraging};
use super::super::transition::Dynamics;
use super::*;
use crate::compute::Session;
use crate::model::{HmcSettings, Start};
use crate::noise::places;
use crate::options::Options;
use crate::train::{Hooks, Level};

use std::cell::RefCell;

pub(super) fn chains(dynamics: Dynamics, settings: HmcSettings) -> Chains {
    Chains::new(dynamics, DIMS, settings, 16).unwrap()
}

pub(super) fn settings() -> HmcSettings {
    HmcSettings {
        chains: 200,
        start: Start::Prior,
        // A quarter of the period of z₀: successive states are nearly independent.
        step_size: 0.2,
        jitter: 0.1,
        scales: Vec::new(),
        leapfrog: 4,
        burn_in: 30,
        thin: 1,
    }
}

#[test]
fn hmc_samples_the_refined_density() {
    let mut exact = Exact::new(3.0, 2.0);
    let (z, w, s) = run(&mut chains(HMC, settings()), &mut exact, 500);
    assert_moments(&z, &w, exact.moments(), 0.012);
    let acceptance = s.accepted as f64 / s.proposals as f64;
    assert!(acceptance > 0.95 && acceptance < 1.0, "{acceptance}");
    assert_eq!(s.proposals, 530 * 200);
    assert_eq!(s.divergences, 0);
}

#[test]
fn hmc_corrects_a_coarse_integrator() {
    // A step near the limit of stability: without the Metropolis test the moments would be far off.
    let mut exact = Exact::new(3.0, 2.0);
    let coarse = HmcSettings {
        step_size: 0.85,
        leapfrog: 3,
        ..settings()
    };
    let (z, w, s) = run(&mut chains(HMC, coarse), &mut exact, 1000);
    assert!((s.accepted as f64) < 0.95 * s.proposals as f64);
    assert_moments(&z, &w, exact.moments(), 0.012);
    // Beyond it, trajectories explode and are refused, and said to be divergent.
    for method in [HMC, LANGEVIN] {
        let unstable = HmcSettings {
            step_size: 300.0,
            leapfrog: 20,
            ..settings()
        };
        let (z, _, s) = run(&mut chains(method, unstable), &mut exact, 2);
        assert!(s.divergences > 0 && z.iter().all(|z| z.is_finite()));
    }
}

#[test]
fn scales_stretch_the_steps_and_leave_the_density() {
    // σ = 0.1 and 1: with equal masses the step that the first allows takes the second nowhere.
    let mut exact = Exact::new(99.0, 20.0);
    let stretched = HmcSettings {
        step_size: 0.4,
        scales: vec![0.1, 1.0],
        burn_in: 10,
        ..settings()
    };
    let (z, w, s) = run(&mut chains(HMC, stretched), &mut exact, 500);
    assert!(s.accepted as f64 > 0.9 * s.proposals as f64);
    assert_moments(&z, &w, exact.moments(), 0.012);
}

#[test]
fn langevin_has_the_bias_of_its_step_and_mala_none() {
    let mut exact = Exact::new(3.0, 2.0);
    let step = HmcSettings {
        step_size: 0.5,
        jitter: 0.0,
        ..settings()
    };
    let (z, w, s) = run(&mut chains(LANGEVIN, step.clone()), &mut exact, 1500);
    assert_eq!(s.accepted, s.proposals);
    // z ← (1 − ½ ε² λ) z + ε p for a density of variance 1 / λ: the variance becomes 1 / (λ (1 − ¼ ε² λ)).
    for (k, precision) in [(0, 4.0), (1, 1.0)] {
        let expected = 1.0 / (precision * (1.0 - 0.0625 * precision));
        let (mean, variance) = moments(&z, &w, k);
        assert!(
            (variance - expected).abs() < 0.02 * expected,
            "{variance}, not {expected}"
        );
        assert!(
            (mean - if k == 0 { 0.5 } else { 0.0 }).abs() < 0.02,
            "{mean}"
        );
    }
    let (z, w, s) = run(&mut chains(MALA, step), &mut exact, 1500);
    assert!(s.accepted < s.proposals);
    assert_moments(&z, &w, exact.moments(), 0.015);
}

#[test]
fn states_without_a_finite_event_have_no_density() {
    // Of z₁ there remains a normal number below ½: of density φ(½) / Φ(½) at its end.
    let mut exact = Exact::new(3.0, 2.0);
    exact.broken = 0.5;
    let mills = 0.352_065_326_764_299_5 / 0.691_462_461_274_013_1;
    let expected = (-mills, 1.0 - 0.5 * mills - mills * mills);
    for (dynamics, step_size) in [(HMC, 0.2), (MALA, 0.5), (LANGEVIN, 0.2)] {
        let settings = HmcSettings {
            step_size,
            thin: 3,
            ..settings()
        };
        let (z, w, s) = run(&mut chains(dynamics, settings), &mut exact, 1500);
        assert!(z.iter().skip(1).step_by(2).all(|z| *z <= 0.5));
        let (mean, variance) = moments(&z, &w, 1);
        let near = |a: f64, b: f64| (a - b).abs() < 0.02;
        assert!(
            near(mean, expected.0) && near(variance, expected.1),
            "{mean} ± {variance}, not {expected:?}"
        );
        assert!(s.non_finite > 1000 && s.events == 1500 * 200);
    }
    // Whatever the way to a block.
    let draw = |blocks: &[u64]| {
        let mut chains = chains(HMC, settings());
        let mut exact = Exact::new(3.0, 2.0);
        exact.broken = 0.5;
        let mut last = Vec::new();
        for &index in blocks {
            let mut block = block(&chains, index);
            let mut statistics = Statistics::default();
            chains
                .fill(
                    &mut exact,
                    &mut draws(),
                    &mut block,
                    &mut statistics,
                    &stage(),
                )
                .unwrap();
            last = block.x;
        }
        last
    };
    assert_eq!(draw(&[0, 1, 2, 3, 4]), draw(&[7, 4]));
}

fn right(z: &[f64]) -> f64 {
    z.chunks_exact(2).filter(|z| z[0] > 0.0).count() as f64 / (z.len() / 2) as f64
}

fn worst(of_each: Result<Vec<f64>>) -> f64 {
    of_each.unwrap().into_iter().fold(0.0, f64::max)
}

#[test]
fn a_resampled_start_gives_separated_modes_their_shares() {
    let from = |start, exact: &mut Exact| {
        let mut refiner = chains(
            HMC,
            HmcSettings {
                chains: 2000,
                start,
                step_size: 0.1,
                leapfrog: 10,
                burn_in: 60,
                ..settings()
            },
        );
        let (z, ..) = run(&mut refiner, exact, 50);
        (right(&z), worst(refiner.history().unwrap().r_hat()))
    };
    // Chains never cross between these. The prior has the same share of both, and those that start in it keep that.
    let mut separated = Exact::modes(0.8, 2.0, 0.2);
    let (share, r_hat) = from(Start::Resampled, &mut separated);
    assert!((share - 0.8).abs() < 0.02, "{share}");
    assert!(r_hat > 1.3, "stuck chains: {r_hat}");
    let (share, _) = from(Start::Prior, &mut separated);
    assert!((share - 0.5).abs() < 0.03, "{share}");
    // Between these they do, and the start is forgotten.
    let mut joined = Exact::modes(0.8, 1.0, 0.6);
    for start in [Start::Prior, Start::Resampled] {
        let (share, r_hat) = from(start, &mut joined);
        assert!(
            (share - expected_right(0.8, 1.0, 0.6)).abs() < 0.02,
            "{share}"
        );
        assert!(r_hat < 1.1, "{r_hat}");
    }
}

/// Probability of z₀ > 0 for these modes, by the sum over a fine grid.
fn expected_right(share: f64, mean: f64, width: f64) -> f64 {
    let exact = Exact::modes(share, mean, width);
    let density = |z: f64| (exact.log_w(&[z]) - 0.5 * z * z).exp();
    let half = |sign: f64| {
        (0..8000)
            .map(|i| density(sign * (f64::from(i) + 0.5) / 1000.0))
            .sum::<f64>()
    };
    half(1.0) / (half(1.0) + half(-1.0))
}

#[test]
fn dual_averaging_finds_the_step() {
    // Acceptance exp(−ε): the target 0.8 is reached at ε = −ln 0.8, from afar on either side.
    for start in [1e-3, 10.0] {
        let mut averaging = DualAveraging::new(start, 0.8);
        let mut step = start;
        for _ in 0..300 {
            step = averaging.update((-step).exp());
        }
        let acceptance = (-averaging.mean()).exp();
        assert!((acceptance - 0.8).abs() < 0.025, "{acceptance}");
    }
}

/// Keeps what it is told.
#[derive(Default)]
struct Log(RefCell<Vec<(Level, String)>>);

impl Hooks for Log {
    fn log(&self, level: Level, message: &str) -> Result<()> {
        self.0.borrow_mut().push((level, message.into()));
        Ok(())
    }
}

impl Log {
    fn warnings(&self) -> String {
        let all = self.0.borrow();
        let warnings = all.iter().filter(|(level, _)| *level == Level::Warning);
        warnings.map(|(_, message)| message.as_str()).collect()
    }
}

/// What the weights say, by latents of the prior.
fn expected(exact: &Exact) -> Expectations {
    let mut z = vec![0.0; 80_000];
    places::PILOT.noise(1).fill_normals(0, 40_000, 2, &mut z);
    let log_w: Vec<f64> = z.chunks_exact(2).map(|z| exact.log_w(z)).collect();
    Expectations::of_weights(&z, 2, 2, &log_w).unwrap()
}

fn run_pilot(
    dynamics: Dynamics,
    exact: &mut Exact,
    mass: &str,
    hooks: &Log,
) -> Result<(HmcSettings, ChainReport)> {
    let mut options = Options::preset("fast").unwrap();
    options.set_str("hmc.mass", mass).unwrap();
    let start = HmcSettings {
        chains: 1000,
        start: Start::Resampled,
        step_size: 0.01,
        leapfrog: 3,
        ..settings()
    };
    let session = Session::new(&options, hooks);
    let expected = expected(exact);
    pilot(session, dynamics, DIMS, 400, (&start, 16), exact, &expected)
}

#[test]
fn the_pilot_reaches_the_target_acceptance_and_the_frozen_chains_keep_it() {
    for (dynamics, target, tolerance) in [
        (HMC, 0.651, 0.03),
        (MALA, 0.574, 0.03),
        (LANGEVIN, 0.98, 0.01),
    ] {
        // Not normal: three leapfrog steps in such a valley return to their energy whenever they are a third or a sixth of its period.
        let (mut exact, log) = (Exact::modes(0.3, 1.0, 0.6), Log::default());
        let (found, report) = run_pilot(dynamics, &mut exact, "unit", &log).unwrap();
        assert!((report.acceptance - target).abs() < tolerance, "{report:?}");
        assert_eq!(
            (found.chains, report.chains, report.transitions),
            (1000, 256, 200)
        );
        assert_eq!(found.leapfrog, 3, "the option's, whatever the method");
        if dynamics.method == Method::Langevin {
            continue;
        }
        assert_eq!(log.warnings(), "", "{report:?}");
        let (_, _, s) = run(&mut chains(dynamics, found), &mut exact, 20);
        let acceptance = s.accepted as f64 / s.proposals as f64;
        assert!((acceptance - target).abs() < tolerance, "{acceptance}");
    }
}

#[test]
fn the_pilot_finds_the_widths() {
    let mut exact = Exact::new(99.0, 0.0);
    let (found, report) = run_pilot(HMC, &mut exact, "diagonal", &Log::default()).unwrap();
    let expected = [0.1, 1.0];
    for (scale, expected) in found.scales.iter().zip(expected) {
        assert!((scale / expected - 1.0).abs() < 0.1, "{:?}", found.scales);
    }
    assert!(found.step_size > 0.5, "for widths of 1: {found:?}");
    let r_hat = worst(Ok(report.r_hat));
    assert!(r_hat < 1.1, "{r_hat}");
    found.validate(2, 16).unwrap();
}

#[test]
fn the_pilot_warns_of_chains_that_do_not_mix_or_diverge() {
    let log = Log::default();
    let (_, mut report) = run_pilot(HMC, &mut Exact::modes(0.5, 2.0, 0.1), "unit", &log).unwrap();
    assert!(report.r_hat[0] > 1.5 && report.r_hat[1] < 1.2, "{report:?}");
    let warnings = log.warnings();
    assert!(
        warnings.contains("do not mix") && !warnings.contains("diverged"),
        "{warnings}"
    );
    report.divergences = 3;
    report.r_hat = vec![1.0; 2];
    let log = Log::default();
    report.tell(&log).unwrap();
    let warnings = log.warnings();
    assert!(
        !warnings.contains("do not mix") && warnings.contains("3 of 51200"),
        "{warnings}"
    );
}

#[test]
fn the_pilot_warns_of_chains_that_are_not_where_the_weights_are() {
    let (mut exact, options) = (Exact::new(3.0, 2.0), Options::preset("fast").unwrap());
    let expected = expected(&exact);
    let told = |dynamics: Dynamics, acceptance: f64, exact: &mut Exact| {
        let log = Log::default();
        let mut options = options.clone();
        options
            .set_f64("hmc.target_acceptance", acceptance)
            .unwrap();
        let session = Session::new(&options, &log);
        let start = HmcSettings {
            start: Start::Resampled,
            ..settings()
        };
        let start = (&start, 16);
        let run = pilot(session, dynamics, DIMS, 400, start, exact, &expected);
        let (_, report) = run.unwrap();
        (format!("{:?}", report.bias), report.sound(), log.warnings())
    };
    // Too wide, of variance 1 / (λ (1 − ¼ ε² λ)) and not 1 / λ: where log w is lower.
    let (bias, sound, warnings) = told(LANGEVIN, 0.7, &mut exact);
    assert!(!sound && bias.contains("\"log w\", shift: -"), "{bias}");
    assert!(warnings.contains("smaller steps"), "{warnings}");
    for (dynamics, acceptance) in [(MALA, 0.6), (HMC, 0.7)] {
        let (bias, _, warnings) = told(dynamics, acceptance, &mut exact);
        assert!(bias.starts_with("Some"), "{bias}");
        assert!(!warnings.contains("where the weights are"), "{bias}");
    }
    let (bias, sound, _) = told(HMC, 0.7, &mut exact);
    assert!(sound, "{bias}");
}

#[test]
fn as_many_chains_are_judged_however_few_are_to_run() {
    let (mut exact, mut options) = (Exact::new(3.0, 2.0), Options::preset("fast").unwrap());
    options.set_f64("hmc.target_acceptance", 0.7).unwrap();
    let known = expected(&exact);
    // Log-normal weights that leave exp(−b²), a thousandth, of a sample.
    let unknown = expected(&Exact::new(0.0, 2.6));
    for (chains, expected, dynamics, said) in [
        (1, &known, LANGEVIN, "are not where the weights are"),
        (8, &known, LANGEVIN, "are not where the weights are"),
        (300, &known, LANGEVIN, "are not where the weights are"),
        (8, &known, HMC, ""),
        (8, &unknown, LANGEVIN, "may bias it by any amount"),
        (8, &unknown, HMC, ""),
    ] {
        let log = Log::default();
        let session = Session::new(&options, &log);
        let start = HmcSettings {
            chains,
            start: Start::Resampled,
            ..settings()
        };
        let start = (&start, 16);
        let run = pilot(session, dynamics, DIMS, 400, start, &mut exact, expected);
        let (found, report) = run.unwrap();
        assert_eq!(
            (found.chains, report.chains, report.transitions),
            (chains, 256, 200)
        );
        let warnings = log.warnings();
        assert!(warnings.contains(said), "{chains}: {warnings}");
        assert_eq!(
            warnings.contains("the weights are"),
            !said.is_empty(),
            "{chains}: {warnings}"
        );
    }
}

#[test]
fn the_history_is_that_of_the_last_states() {
    let (chains, dim) = (70, 2);
    let state = |draw: usize| -> Vec<f64> {
        let value = |i: usize| ((draw * 7919 + i * 104_729) % 1009) as f64 + draw as f64;
        (0..chains * dim).map(value).collect()
    };
    let mut history = History::new(chains, dim).unwrap();
    for draw in 0..3 {
        history.push(&state(draw));
    }
    assert!(history.r_hat().is_err());
    for draw in 3..700 {
        history.push(&state(draw));
    }
    let last = |draw: usize| state(draw)[..64 * dim].to_vec();
    let expected: Vec<f64> = (700 - 256..700).flat_map(last).collect();
    let r_hat = crate::metrics::chains::split_r_hat(&expected, 64, dim).unwrap();
    assert_eq!(history.r_hat().unwrap(), r_hat);
    let size = crate::metrics::chains::effective_sample_size(&expected, 64, dim).unwrap();
    let efficiency = history.efficiency().unwrap();
    for (efficiency, size) in efficiency.iter().zip(size) {
        assert!((efficiency * 64.0 * 256.0 / size - 1.0).abs() < 1e-12);
    }
}

#[test]
fn what_chains_cannot_start_from_is_said() {
    let error = |exact: &mut Exact, start| {
        let mut refiner = chains(
            MALA,
            HmcSettings {
                start,
                ..settings()
            },
        );
        let mut block = block(&refiner, 0);
        refiner
            .fill(
                exact,
                &mut draws(),
                &mut block,
                &mut Statistics::default(),
                &stage(),
            )
            .unwrap_err()
    };
    let mut black_box = Exact::new(0.0, 0.0);
    black_box.has_gradient = false;
    for start in [Start::Prior, Start::Resampled] {
        let error = error(&mut black_box, start);
        let text = error.to_string();
        assert!(matches!(error, Error::Unsupported(_)), "{text}");
        assert!(
            ["`mala`", "`rejection`", "black box"]
                .iter()
                .all(|part| text.contains(part)),
            "{text}"
        );
    }
    let mut broken = Exact::new(0.0, 0.0);
    broken.broken = f64::NEG_INFINITY;
    let text = error(&mut broken, Start::Prior).to_string();
    assert!(text.contains("chain 0 of `mala` has come to no finite event in 130 trajectories"));
    let text = error(&mut Exact::new(f64::NAN, 0.0), Start::Prior).to_string();
    assert!(
        text.contains("chain 0 of `mala`") && text.contains("`hmc.start` = `resampled`"),
        "{text}"
    );
    let text = error(&mut Exact::new(f64::NAN, 0.0), Start::Resampled).to_string();
    assert!(text.contains("nothing to resample"), "{text}");
}
