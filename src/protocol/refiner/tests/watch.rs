//! Hooks of samplers: what stops them, and what they are warned of.

use super::super::history::History;
use super::super::transition::Dynamics;
use super::*;
use crate::model::{HmcSettings, Pilot};
use crate::train::{Hooks, Level, Progress};
use std::cell::{Cell, RefCell};

/// Stops at the check after so many.
struct Stopping(Cell<u32>);

impl Hooks for Stopping {
    fn check(&self, stage: &'static str) -> Result<()> {
        match self.0.get() {
            0 => Err(Error::Cancelled(stage)),
            left => {
                self.0.set(left - 1);
                Ok(())
            }
        }
    }
}

/// Chains with more to do than anyone waits for.
fn endless(change: impl Fn(&mut HmcSettings)) -> Box<dyn Maker> {
    let mut settings = chains::settings();
    change(&mut settings);
    Box::new(chains::chains(HMC, settings))
}

#[test]
fn every_loop_of_a_method_can_be_stopped() {
    let makers: [Box<dyn Maker>; 6] = [
        Box::new(rejection(100.0, u64::MAX)),
        Box::new(resampling::resampling(1000)),
        endless(|s| s.burn_in = u64::MAX >> 1),
        endless(|s| (s.burn_in, s.thin) = (0, u64::MAX)),
        endless(|s| s.leapfrog = usize::MAX),
        endless(|s| s.start = crate::model::Start::Resampled),
    ];
    for (i, mut maker) in makers.into_iter().enumerate() {
        let hooks = Stopping(Cell::new(12));
        let stage = Stage::new(&hooks, "sampling", 1);
        let mut block = block(maker.as_ref(), 0);
        let error = maker.fill(
            &mut Exact::new(1.0, 1.0),
            &mut draws(),
            &mut block,
            &mut Statistics::default(),
            &stage,
        );
        assert!(matches!(error, Err(Error::Cancelled(_))), "{i}: {error:?}");
    }
}

#[test]
fn what_was_stopped_is_made_again() {
    let makers: [fn() -> Box<dyn Maker>; 3] = [
        || Box::new(rejection(0.5, 1000)),
        || Box::new(resampling::resampling(16)),
        || endless(|_| ()),
    ];
    for make in makers {
        let mut exact = Exact::new(1.0, 1.0);
        let (expected, ..) = run(make().as_mut(), &mut exact, 3);
        let mut maker = make();
        let (first, ..) = run(maker.as_mut(), &mut exact, 1);
        let hooks = Stopping(Cell::new(2));
        let mut block = block(maker.as_ref(), 1);
        let mut again = |stage: &Stage| {
            let mut statistics = Statistics::default();
            maker.fill(&mut exact, &mut draws(), &mut block, &mut statistics, stage)
        };
        again(&Stage::new(&hooks, "sampling", 1)).unwrap_err();
        again(&stage()).unwrap();
        let (from, to) = (first.len(), first.len() + block.z.len());
        assert_eq!(block.z, expected[from..to]);
    }
}

/// Remembers the steps that it is told of.
#[derive(Default)]
struct Steps(RefCell<Vec<(&'static str, u64, u64)>>);

impl Hooks for Steps {
    fn progress(&self, p: &Progress) -> Result<()> {
        self.0.borrow_mut().push((p.stage, p.step, p.steps));
        Ok(())
    }
}

#[test]
fn chains_tell_of_their_trajectories() {
    let mut maker = endless(|s| (s.burn_in, s.thin) = (3, 2));
    let steps_to = |index: u64, maker: &mut dyn Maker| {
        let hooks = Steps::default();
        let mut block = block(maker, index);
        let mut statistics = Statistics::default();
        let stage = Stage::new(&hooks, "sampling", 1);
        let mut exact = Exact::new(1.0, 1.0);
        maker
            .fill(
                &mut exact,
                &mut draws(),
                &mut block,
                &mut statistics,
                &stage,
            )
            .unwrap();
        hooks.0.into_inner()
    };
    let steps = |n: u64| -> Vec<_> { (1..=n).map(|i| ("chains", i, n)).collect() };
    assert_eq!(steps_to(1, maker.as_mut()), steps(3 + 2 * 2));
    assert_eq!(steps_to(2, maker.as_mut()), steps(2));
    assert_eq!(steps_to(0, maker.as_mut()), steps(3 + 2));
}

/// Collects warnings.
#[derive(Default)]
struct Warnings(RefCell<Vec<String>>);

impl Hooks for Warnings {
    fn log(&self, level: Level, message: &str) -> Result<()> {
        assert_eq!(level, Level::Warning);
        self.0.borrow_mut().push(message.into());
        Ok(())
    }
}

/// What so many blocks are warned of.
fn warnings(
    method: Method,
    maker: &mut dyn Maker,
    exact: &mut Exact,
    pilot: Option<Pilot>,
    blocks: u64,
) -> Vec<String> {
    judged_warnings(method, maker, exact, (pilot, true), blocks, f64::INFINITY)
}

/// The same where chains may not be judged, of weights whose logarithms end at `high`.
fn judged_warnings(
    method: Method,
    maker: &mut dyn Maker,
    exact: &mut Exact,
    (pilot, judged): (Option<Pilot>, bool),
    blocks: u64,
    high: f64,
) -> Vec<String> {
    let hooks = Warnings::default();
    let mut watch = Watch::new(method, pilot, judged, false);
    let mut statistics = Statistics::default();
    for index in 0..blocks {
        let mut block = block(maker, index);
        maker
            .fill(exact, &mut draws(), &mut block, &mut statistics, &stage())
            .unwrap();
        statistics.heaviest.add(&block.w);
        statistics.limited.add(high, &block.log_w, &block.w);
        let history: Option<&History> = maker.history();
        watch.look(&block, &statistics, history, &hooks).unwrap();
    }
    hooks.0.into_inner()
}

/// Checks that there is one warning of each of the kinds that these words tell.
fn assert_warned(warnings: &[String], of: &[&str]) {
    assert_eq!(warnings.len(), of.len(), "{warnings:#?}");
    for word in of {
        let found = warnings.iter().any(|w| w.contains(word));
        assert!(found, "{word}: {warnings:#?}");
    }
}

/// Of Exact(1, 1): the mean weight is exp(¼)/√2, the largest exp(½).
fn pilot() -> Option<Pilot> {
    Some(Pilot {
        acceptance: (0.25f64 - 0.5).exp() / 2f64.sqrt(),
        overweight: 0.001,
        log_largest: 0.5,
    })
}

#[test]
fn good_samples_are_warned_of_nothing() {
    let mut exact = Exact::new(1.0, 1.0);
    let chains: fn() -> Box<dyn Maker> = || endless(|_| ());
    let cases: [(Method, Box<dyn Maker>, u64); 4] = [
        (Method::Rejection, Box::new(rejection(0.5, 1000)), 1000),
        (
            Method::Reweight,
            Box::new(Independent::new(Reweight, 2)),
            1000,
        ),
        (Method::Resampling, Box::new(resampling::resampling(16)), 60),
        (Method::Hmc, chains(), 5000),
    ];
    for (method, mut maker, blocks) in cases {
        let warned = warnings(method, maker.as_mut(), &mut exact, pilot(), blocks);
        assert_warned(&warned, &[]);
    }
}

#[test]
fn the_pilot_is_contradicted_once_by_each_kind() {
    let rejected = |exact: &mut Exact, log_w_max: f64, pilot| {
        let mut maker = rejection(log_w_max, 1_000_000);
        warnings(Method::Rejection, &mut maker, exact, pilot, 100)
    };
    // A tenth of the weight lies above w_max = 1.5; the acceptance is (1 − 0.1017) e^⅛ / 1.5.
    let mut open = Exact::new(0.0, 0.5);
    let small = Pilot {
        acceptance: 0.679,
        overweight: 0.001,
        log_largest: 2.0,
    };
    let above = "% of the weight lies above w_max";
    assert_warned(&rejected(&mut open, 1.5f64.ln(), Some(small)), &[above]);
    let allowed = Pilot {
        overweight: 0.1,
        ..small
    };
    assert_warned(&rejected(&mut open, 1.5f64.ln(), Some(allowed)), &[]);
    assert_warned(&rejected(&mut open, 1.5f64.ln(), None), &[]);
    // All weights are a tenth of the pilot's, or ten times as large.
    let mut exact = Exact::new(1.0, 1.0);
    let accepts = "`rejection` accepts";
    let log_w_max = 0.5 + 10f64.ln();
    assert_warned(&rejected(&mut exact, log_w_max, pilot()), &[accepts]);
    let low = Pilot {
        acceptance: 0.05,
        ..pilot().unwrap()
    };
    assert_warned(&rejected(&mut exact, 0.5, Some(low)), &[accepts]);
    let far = Pilot {
        log_largest: -2.0,
        ..pilot().unwrap()
    };
    assert_warned(
        &rejected(&mut exact, 0.5, Some(far)),
        &["an event has the weight"],
    );
}

#[test]
fn weights_that_explode_are_told_from_the_first() {
    // One in 4300 latents weighs e²⁰ times as much as it should.
    let mut exact = Exact::new(1.0, 1.0);
    exact.steep = 3.5;
    let kinds = ["an event has the weight", "lies above w_max", "heaviest of"];
    let mut maker = rejection(0.5, 1000);
    let warned = warnings(Method::Rejection, &mut maker, &mut exact, pilot(), 100);
    assert_warned(&warned, &kinds);
    let mut maker = Independent::new(Reweight, 2);
    let warned = warnings(Method::Reweight, &mut maker, &mut exact, None, 100);
    assert_warned(&warned, &kinds[2..]);
}

#[test]
fn weight_at_the_limit_is_counted_and_told() {
    let mut exact = Exact::new(1.0, 1.0);
    let mut maker = rejection(0.5, 1000);
    let block = block(&maker, 0);
    let rows = block.rows as f64;
    let mut statistics = Statistics {
        events: 4 * block.rows as u64,
        ..Default::default()
    };
    statistics.heaviest.add(&vec![1.0; 4 * block.rows]);
    // A quarter of the events, of a quarter of the weight, and half of these at the limit.
    let log_w: Vec<f64> = (0..block.rows).map(|row| (row % 2) as f64).collect();
    statistics.limited.add(1.0, &log_w, &vec![1.0; block.rows]);
    assert_eq!(statistics.limited.events as f64, rows / 2.0);
    assert_eq!(statistics.limited_weight(), 0.125);
    for key in ["events_at_limit", "weight_at_limit"] {
        assert_eq!(statistics.diagnostic(key, None, 2).unwrap(), 0.125);
    }
    // Of Exact(1, 1) a good part of the weight is above 0, nothing at its largest.
    let mut told = |high| {
        judged_warnings(
            Method::Rejection,
            &mut maker,
            &mut exact,
            (pilot(), true),
            100,
            high,
        )
    };
    assert_warned(&told(0.0), &["is of events at the limit of the weights"]);
    assert_warned(&told(0.5), &[]);
}

#[test]
fn events_that_repeat_are_told() {
    // Log-normal weights that leave exp(−b²) = 6 % of a sample: of pools of 2, 46 % of the events are copies; of 100, 1 %.
    let mut exact = Exact::new(0.0, 1.677);
    for (pool, told) in [
        (2, &["resampled events are copies of others"][..]),
        (100, &[]),
    ] {
        let mut maker = resampling::resampling(pool);
        let warned = warnings(Method::Resampling, &mut maker, &mut exact, None, 3);
        assert_warned(&warned, told);
    }
    // Chains move on from where they start.
    let mut started = endless(|s| s.start = crate::model::Start::Resampled);
    let warned = warnings(Method::Hmc, started.as_mut(), &mut exact, None, 3);
    assert_warned(&warned, &[]);
}

#[test]
fn what_is_no_event_is_told() {
    let mut exact = Exact::new(1.0, 1.0);
    exact.broken = 1.5;
    let mut maker = Independent::new(Reweight, 2);
    let warned = warnings(Method::Reweight, &mut maker, &mut exact, pilot(), 10);
    assert_warned(&warned, &["NaN or infinite"]);
}

#[test]
fn chains_that_stay_or_part_are_told() {
    let mut exact = Exact::new(1.0, 1.0);
    let mut unstable = endless(|s| (s.step_size, s.leapfrog) = (300.0, 20));
    let warned = warnings(Method::Hmc, unstable.as_mut(), &mut exact, pilot(), 100);
    assert_warned(
        &warned,
        &[
            "the chains stay where they begin",
            "diverged: events",
            "the chains do not mix",
        ],
    );
    // One trajectory of few chains is enough where none is any good: all events are starting points.
    let mut few = endless(|s| (s.step_size, s.leapfrog, s.chains, s.burn_in) = (1e4, 20, 5, 0));
    let warned = warnings(Method::Hmc, few.as_mut(), &mut exact, pilot(), 1);
    assert_warned(&warned, &["the chains stay where they begin"]);
    let mut broken = Exact::new(1.0, 1.0);
    broken.broken = 1.5;
    let warned = warnings(Method::Hmc, endless(|_| ()).as_mut(), &mut broken, None, 3);
    assert_warned(&warned, &["NaN or infinite"]);
    let mut modes = Exact::modes(0.5, 4.0, 0.3);
    let mut parted = endless(|s| s.step_size = 0.05);
    let warned = warnings(Method::Hmc, parted.as_mut(), &mut modes, None, 20);
    assert_warned(&warned, &["the chains do not mix"]);
}

#[test]
fn langevin_with_a_long_step_is_told_if_nobody_has_judged_it() {
    let mut exact = Exact::new(1.0, 1.0);
    let mut told = |dynamics: Dynamics, step: f64, judged| {
        let settings = HmcSettings {
            step_size: step,
            ..chains::settings()
        };
        let mut maker = chains::chains(dynamics, settings);
        let method = dynamics.method;
        let high = f64::INFINITY;
        judged_warnings(method, &mut maker, &mut exact, (None, judged), 10, high)
    };
    let biased = "its step biases it";
    assert_warned(&told(LANGEVIN, 1.0, false), &[biased]);
    assert_warned(&told(LANGEVIN, 0.5, false), &[biased]);
    assert_warned(&told(LANGEVIN, 0.1, false), &[]);
    assert_warned(&told(LANGEVIN, 1.0, true), &[]);
    assert_warned(&told(MALA, 1.0, false), &[]);
}

#[test]
fn other_hooks_hear_it_all_again() {
    let mut exact = Exact::new(1.0, 1.0);
    exact.broken = 1.5;
    let mut maker = Independent::new(Reweight, 2);
    let mut watch = Watch::new(Method::Reweight, None, false, false);
    let mut statistics = Statistics::default();
    let mut block = block(&maker, 0);
    maker
        .fill(
            &mut exact,
            &mut draws(),
            &mut block,
            &mut statistics,
            &stage(),
        )
        .unwrap();
    let hooks = Warnings::default();
    for told in [1, 1, 2] {
        if told == 2 {
            watch.forget();
        }
        watch.look(&block, &statistics, None, &hooks).unwrap();
        assert_eq!(hooks.0.borrow().len(), told);
    }
}

#[test]
fn the_heaviest_are_found_in_any_order() {
    let mut heaviest = super::super::statistics::Heaviest::default();
    let weights: Vec<f64> = (0..1000).map(|i| f64::from(i * 7919 % 1000)).collect();
    weights.chunks(7).for_each(|w| heaviest.add(w));
    // 990 … 999 of 0 … 999.
    assert_eq!(heaviest.share(), 9945.0 / 499_500.0);
    heaviest.add(&[f64::MAX, f64::MAX]);
    assert_eq!(heaviest.share(), 1.0);
}
