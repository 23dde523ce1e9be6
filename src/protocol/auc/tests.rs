//! The two-sample test on samples whose difference is known.

use super::*;
use crate::metrics::toys::{calorimeter, resonance};
use crate::noise::domain;
use crate::train::Progress;

const ROWS: usize = 3000;

fn options() -> Options {
    Options::from_json(
        r#"{"preset": "fast", "classifier": {"layers": 2, "units": 24, "epochs": 12, "batch": 250, "lr": 3e-3}}"#,
    )
    .unwrap()
}

/// Normal numbers in three dimensions.
fn normal(stream: u64, rows: usize) -> Vec<f64> {
    let mut x = vec![0.0; rows * 3];
    Noise::new(5, stream, domain::LATENT).fill_normals(0, rows, 3, &mut x);
    x
}

fn sample<'a>(x: &'a [f64], w: Option<&'a [f64]>) -> Sample<'a> {
    Sample::new(Rows::packed(x, 3).unwrap(), w).unwrap()
}

fn auc(p: &Sample, q: &Sample) -> Auc {
    two_sample_auc(p, q, &options(), &()).unwrap().larger()
}

#[test]
fn equal_samples_cannot_be_told_apart() {
    let (p, q) = (normal(0, ROWS), normal(1, 2 * ROWS));
    let Auc { value, error } = auc(&sample(&p, None), &sample(&q, None));
    assert!((value - 0.5).abs() < 4.0 * error, "{value} ± {error}");
    assert!((0.005..0.02).contains(&error), "{error}");
}

#[test]
fn an_event_with_most_of_the_weight_is_told_of() {
    #[derive(Default)]
    struct Warned(std::cell::RefCell<Vec<String>>);
    impl Hooks for Warned {
        fn warn(&self, about: &'static str, message: &str) -> Result<()> {
            assert_eq!(about, "weights");
            self.0.borrow_mut().push(message.into());
            Ok(())
        }
    }
    let (p, q) = (normal(0, ROWS), normal(1, ROWS));
    for (much, told) in [(1e3, true), (-50.0, true), (5.0, false)] {
        let mut w = vec![1.0; ROWS];
        w[7] = much;
        let warned = Warned::default();
        let (reference, weighted) = (sample(&p, None), sample(&q, Some(&w)));
        two_sample_auc(&reference, &weighted, &options(), &warned).unwrap();
        let messages = warned.0.take();
        assert_eq!(messages.len(), usize::from(told), "{much}: {messages:?}");
        let names = |m: &String| m.contains("row 7 (from 0) of the sample has the weight");
        assert!(messages.iter().all(names), "{messages:?}");
    }
}

/// Six events and six that lie elsewhere: whatever the area of the three judged ones of each, its error is that of three.
#[test]
fn few_events_have_a_large_error_and_are_told_of() {
    #[derive(Default)]
    struct Warned(std::cell::RefCell<Vec<(&'static str, String)>>);
    impl Hooks for Warned {
        fn warn(&self, about: &'static str, message: &str) -> Result<()> {
            self.0.borrow_mut().push((about, message.into()));
            Ok(())
        }
    }
    let (p, mut q) = (normal(14, 400), normal(15, 400));
    q.iter_mut().for_each(|x| *x += 100.0);
    for (rows, told) in [(6, 2), (150, 2), (400, 0)] {
        let warned = Warned::default();
        let [p, q] = [&p, &q].map(|x| sample(&x[..3 * rows], None));
        let both = two_sample_auc(&p, &q, &options(), &warned).unwrap();
        for Auc { error, .. } in [both.network, both.trees] {
            let judged = (rows / 2) as f64;
            let least = ((2.0 * judged + 1.0) / (12.0 * judged * judged)).sqrt();
            assert!(rows > 6 || error >= 0.2, "{both:?}");
            assert!(error > 0.5 * least, "{rows}: {both:?}");
        }
        let messages = warned.0.take();
        assert_eq!(messages.len(), told, "{rows}: {messages:?}");
        for ((about, message), which) in messages.iter().zip(["reference", "sample"]) {
            let says = format!(
                "the half of the {which} that the area is judged by has {} ",
                rows / 2
            );
            assert!(*about == "events" && message.contains(&says), "{message}");
        }
    }
}

/// Normal numbers shifted by 1 have the area Φ(1/√2); the scale of a feature does not matter.
#[test]
fn a_shift_has_the_area_of_its_likelihood_ratio() {
    let scaled = |stream, shift: f64| {
        let mut x = normal(stream, ROWS);
        x.chunks_exact_mut(3)
            .for_each(|x| x[2] = 1e4 * (x[2] + shift));
        x
    };
    let (p, q) = (scaled(2, 0.0), scaled(3, 1.0));
    let Auc { value, error } = auc(&sample(&p, None), &sample(&q, None));
    assert!(
        (value - 0.7602).abs() < 0.01 + 3.0 * error,
        "{value} ± {error}"
    );
}

/// A correlation, which no feature by itself shows: |x₀ − x₁| alone tells them apart.
#[test]
fn correlations_are_found() {
    let p = normal(4, ROWS);
    let mut q = normal(5, ROWS);
    q.chunks_exact_mut(3)
        .for_each(|x| x[1] = 0.9 * x[0] + 0.19f64.sqrt() * x[1]);
    let Auc { value, .. } = auc(&sample(&p, None), &sample(&q, None));
    // The likelihood ratio has 0.83; this is a short training.
    assert!(value > 0.65, "{value}");
}

/// Tests with sharp structures: boosted trees of another library find as much. Theirs are areas after 60 trees.
#[test]
fn areas_agree_with_scikit_learn() {
    const ROWS: usize = 12_004;
    let reference: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/reference/trees.json")).unwrap();
    let test = |name: &str, zeros: &[f64], ones: &[f64]| {
        let dim = ones.len() / ROWS;
        let [p, q] =
            [ones, zeros].map(|x| Sample::new(Rows::packed(x, dim).unwrap(), None).unwrap());
        let both = two_sample_auc(&p, &q, &options(), &()).unwrap();
        let Auc { value, error } = both.larger();
        let expected = reference["areas"][name].as_f64().unwrap();
        // Both have their errors, of halves of the same events.
        assert!(
            (value - expected).abs() < 3.0 * error,
            "{name}: {both:?}, not {expected}"
        );
        both
    };
    let seen = resonance(4, ROWS, 0.0);
    test("equal", &resonance(8, ROWS, 0.0), &seen);
    let both = test("resonance", &resonance(5, ROWS, 4.0), &seen);
    // Trained long enough, the network sees it too.
    assert!(
        both.network.value > 0.5 + 5.0 * both.network.error,
        "{both:?}"
    );
    let (wide, narrow) = (calorimeter(7, ROWS, 1.1), calorimeter(6, ROWS, 1.0));
    test("calorimeter", &wide, &narrow);
    let [wide, narrow] =
        [wide, narrow].map(|x| -> Vec<f64> { x.iter().map(|x| (x + 0.01).ln()).collect() });
    test("logarithms", &wide, &narrow);
}

/// Copies within a sample are no difference: the score is that of the sample without them.
#[test]
fn copies_do_not_give_themselves_away() {
    let (p, q) = (normal(10, ROWS), normal(11, 400));
    let copies = q.repeat(20);
    let once = two_sample_auc(&sample(&p, None), &sample(&q, None), &options(), &()).unwrap();
    let often = two_sample_auc(&sample(&p, None), &sample(&copies, None), &options(), &()).unwrap();
    for (once, often) in [(once.network, often.network), (once.trees, often.trees)] {
        assert!(
            (once.value - often.value).abs() < 1e-12,
            "{once:?} {often:?}"
        );
        assert!(
            (once.error - often.error).abs() < 1e-12,
            "{once:?} {often:?}"
        );
    }
    let Auc { value, error } = often.larger();
    assert!((value - 0.5).abs() < 4.0 * error, "{value} ± {error}");
}

/// A feature that is 0 or 1 with probability ½ has the area ½ + ½ (0.65 − 0.5) against one that is 1 with 0.65: values that both samples
/// have are events of their own.
#[test]
fn frequent_values_are_no_copies() {
    let coins = |stream, probability: f64| -> Vec<f64> {
        let x = normal(stream, ROWS);
        x.iter()
            .map(|&x| if x < probability { 1.0 } else { 0.0 })
            .collect()
    };
    // Φ(0.3853) = 0.65.
    let (p, q) = (coins(12, 0.3853), coins(13, 0.0));
    let [p, q] = [&p, &q].map(|x| Sample::new(Rows::column(x), None).unwrap());
    let Auc { value, error } = auc(&p, &q);
    assert!((value - 0.575).abs() < 4.0 * error, "{value} ± {error}");
}

/// The weights that turn the one distribution into the other, some of them negative: every third event is doubled, and one that
/// is nearly its copy subtracted.
#[test]
fn weights_count() {
    let p = normal(6, ROWS);
    let mut q = normal(7, ROWS);
    let mut w: Vec<f64> = q.chunks_exact(3).map(|x| (0.7 * x[0]).exp()).collect();
    for row in (0..ROWS).step_by(3) {
        q.extend_from_within(3 * row..3 * row + 2);
        q.push(q[3 * row + 2] + 1e-3);
        w.push(-0.5 * w[row]);
        w[row] *= 1.5;
    }
    let shifted: Vec<f64> = p
        .chunks_exact(3)
        .flat_map(|x| [x[0] + 0.7, x[1], x[2]])
        .collect();
    let plain = auc(&sample(&shifted, None), &sample(&q, None));
    let weighted = auc(&sample(&shifted, None), &sample(&q, Some(&w)));
    assert!(plain.value > 0.6, "{plain:?}");
    assert!(
        (weighted.value - 0.5).abs() < 4.0 * weighted.error,
        "{weighted:?}"
    );
}

#[test]
fn samples_that_share_events_are_told_of() {
    #[derive(Default)]
    struct Warned(std::cell::RefCell<Vec<(&'static str, String)>>);
    impl Hooks for Warned {
        fn warn(&self, about: &'static str, message: &str) -> Result<()> {
            self.0.borrow_mut().push((about, message.into()));
            Ok(())
        }
    }
    let (p, q) = (normal(16, ROWS), normal(17, ROWS));
    for (other, told) in [(&p, true), (&q, false)] {
        let warned = Warned::default();
        two_sample_auc(&sample(&p, None), &sample(other, None), &options(), &warned).unwrap();
        let messages = warned.0.take();
        assert_eq!(messages.len(), usize::from(told), "{messages:?}");
        let says = |(about, message): &(&str, String)| {
            *about == "events" && message.contains("the samples share events")
        };
        assert!(messages.iter().all(says), "{messages:?}");
    }
}

#[test]
fn samples_that_cannot_be_tested_are_refused() {
    let x = normal(8, 40);
    let good = sample(&x, None);
    let flat = Sample::new(Rows::new(&x, 40, 2, 3).unwrap(), None).unwrap();
    let refusal = |p: &Sample, q: &Sample| {
        let error = two_sample_auc(p, q, &options(), &()).unwrap_err();
        error.to_string()
    };
    assert!(refusal(&good, &flat).contains("3 features, the sample 2"));
    let few = Sample::new(Rows::packed(&x[..9], 3).unwrap(), None).unwrap();
    assert!(refusal(&few, &good).contains("reference has 3 events"));
    let copies = [1.0, 2.0, 3.0].repeat(40);
    assert!(
        refusal(&good, &sample(&copies, None)).contains("sample has 1 events, copies counted once")
    );
    let w = [-1.0; 40];
    assert!(refusal(&good, &sample(&x, Some(&w))).contains("half of the sample"));
    // Twenty events to train on are a batch of their own, whatever `classifier.batch` says.
    let both = two_sample_auc(&good, &good, &options(), &()).unwrap();
    for auc in [both.network, both.trees] {
        assert!((0.0..=1.0).contains(&auc.value) && auc.error > 0.0);
    }
    let with = |x: &[f64], value: f64| -> Vec<f64> {
        x.chunks_exact(3)
            .flat_map(|x| [x[0], value, x[2]])
            .collect()
    };
    assert!(refusal(&sample(&with(&x, 1.0), None), &good).contains("feature 1"));
    // A width in the rounding of the mean is none.
    let muons = with(&normal(8, ROWS), 0.10566);
    let refused = refusal(&sample(&muons, None), &sample(&normal(9, ROWS), None));
    let expected = "feature 1 of the reference is constant (0.10566)";
    assert!(refused.contains(expected), "{refused}");
}

#[test]
fn hooks_are_served() {
    struct Stop(&'static str);
    impl Hooks for Stop {
        fn progress(&self, progress: &Progress) -> Result<()> {
            match progress.stage == self.0 {
                true => Err(Error::Cancelled(self.0)),
                false => Ok(()),
            }
        }
    }
    let x = normal(9, ROWS);
    let same = sample(&x, None);
    for stage in ["trees", "classifier"] {
        let error = two_sample_auc(&same, &same, &options(), &Stop(stage)).unwrap_err();
        assert!(
            matches!(error, Error::Cancelled(s) if s == stage),
            "{error}"
        );
    }
}

/// Trees learn from what is not held out, and are judged by what is.
#[test]
fn what_was_learned_by_heart_is_no_judge() {
    let (zeros, mut ones) = (normal(0, 2 * ROWS), normal(1, 2 * ROWS));
    let firsts = ones.iter_mut().step_by(3).enumerate();
    firsts.for_each(|(row, x)| *x += if row < ROWS { -2.0 } else { 2.0 });
    let options = options();
    let session = Session::new(&options, &());
    let auc = |held_out| {
        let (ones, zeros) = (sample(&ones, None), sample(&zeros, None));
        let auc = told_by_trees(session, &ones, &zeros, [held_out, 0]);
        auc.unwrap().auc.value
    };
    assert!(auc(0) > 0.8, "{}", auc(0));
    assert!(auc(ROWS) < 0.2, "{}", auc(ROWS));
    // Nothing is left to learn from.
    assert!(auc(2 * ROWS) > 0.8, "{}", auc(2 * ROWS));
}

/// Some events are in both samples, in another order; of rounded and counted values equal ones are chance, also where the laws differ.
#[test]
fn events_of_both_samples_are_counted() {
    let (p, q) = (normal(0, ROWS), normal(1, 2 * ROWS));
    let shared = |p: &[f64], q: &[f64]| {
        let different = Different::of(&sample(p, None), &sample(q, None));
        different.unwrap().shared()
    };
    assert_eq!(shared(&p, &q), None);
    let some: Vec<f64> = p.chunks(3).rev().step_by(5).flatten().copied().collect();
    let both = [&q[..], &some].concat();
    assert_eq!(shared(&p, &both), Some(0.2));
    assert_eq!(shared(&both, &p), Some(0.2));
    assert_eq!(shared(&p, &[&q[..], &some[..9]].concat()), None);
    for steps in [1.0, 3.0, 10.0, 30.0] {
        let rounded = |x: &[f64], more: f64| -> Vec<f64> {
            let x = x.iter().map(|x| (steps * (x + more)).round() / steps);
            x.collect()
        };
        for more in [0.0, 0.4, 1.0] {
            let found = shared(&rounded(&p, 0.0), &rounded(&q, more));
            assert_eq!(found, None, "{steps}, {more}");
        }
    }
}
