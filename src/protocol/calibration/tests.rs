use super::*;
use crate::noise::{domain, Noise};
use crate::train::Level;

fn normals(n: usize, stream: u64) -> Vec<f64> {
    let mut x = vec![0.0; n];
    Noise::new(6, stream, domain::LATENT).fill_normals(0, n, 1, &mut x);
    x
}

/// Target N(½, 1) against generated N(0, 1), by `predict`.
fn calibration(predict: impl Fn(f64) -> f64) -> Calibration {
    let log_w = normals(20_000, 1)
        .iter()
        .map(|z| predict(z + 0.5))
        .collect();
    let held_out = HeldOut {
        weights: vec![3.0; 20_000],
        log_w,
        spread: 0.0,
    };
    let generated: Vec<f64> = normals(100_000, 2).into_iter().map(predict).collect();
    Calibration::new(&held_out, &generated, None, Samples::Apart).unwrap()
}

#[test]
fn the_true_ratio_is_calibrated_and_others_are_not() {
    let good = calibration(|x| 0.5 * x - 0.125);
    assert!(good.events == 20_000 && (18..=20).contains(&good.bins.len()));
    assert!(good.chi_square > 0.3 && good.chi_square < 2.0, "{good:?}");
    assert!(good.largest_pull.abs() < 4.0);
    // Φ(d / √2) for two normals a distance d apart.
    assert!((good.auc - 0.63816).abs() < 0.006, "{}", good.auc);
    for bin in &good.bins {
        assert!(
            bin.from <= bin.to && bin.predicted >= bin.from.exp() && bin.predicted <= bin.to.exp()
        );
        assert!((bin.observed - bin.predicted).abs() <= 4.0 * bin.error);
    }
    // Too steep by a fifth; too large everywhere by 10 %: the same order, the same AUC, but not the ratio.
    for bad in [
        calibration(|x| 0.6 * x - 0.18),
        calibration(|x| 0.5 * x - 0.025),
    ] {
        assert!(
            bad.chi_square > Calibration::BAD && bad.auc == good.auc,
            "{bad:?}"
        );
    }
}

#[test]
fn few_negative_and_broken_events_make_no_nonsense() {
    // Three target events, of which a negative one cancels one of the others, and generated ones of weight 1, 0 and NaN.
    let held_out = HeldOut {
        weights: vec![1.0, -1.0, 2.0],
        log_w: vec![0.0, 0.0, 0.0],
        spread: 0.0,
    };
    let c = Calibration::new(
        &held_out,
        &[0.0, f64::NEG_INFINITY, f64::NAN, f64::INFINITY],
        None,
        Samples::Apart,
    )
    .unwrap();
    assert_eq!(c.bins.len(), 1, "too few events for two bins");
    // A quarter of the generated events have the ratio 1.
    assert_eq!((c.bins[0].observed, c.bins[0].predicted), (1.0, 0.25));
    assert!(c.chi_square.is_finite() && c.auc == 0.75 + 0.25 * 0.5);
    // All w = 1: exactly right, with no error at all.
    let held_out = HeldOut {
        weights: vec![1.0; 2],
        log_w: vec![0.0; 2],
        spread: 0.0,
    };
    let c = Calibration::new(&held_out, &[0.0; 4], None, Samples::Apart).unwrap();
    assert_eq!((c.chi_square, c.auc), (0.0, 0.5));
}

#[test]
fn only_a_bad_ratio_is_warned_of() {
    struct Messages(std::cell::RefCell<Vec<String>>);
    impl Hooks for Messages {
        fn log(&self, level: Level, message: &str) -> Result<()> {
            assert_eq!(level, Level::Warning);
            self.0.borrow_mut().push(message.into());
            Ok(())
        }
    }
    let messages = Messages(Default::default());
    calibration(|x| 0.5 * x - 0.125)
        .warn(&messages, Subject::Generator)
        .unwrap();
    assert!(messages.0.borrow().is_empty());
    calibration(|x| 0.7 * x - 0.245)
        .warn(&messages, Subject::Generator)
        .unwrap();
    let messages = messages.0.borrow();
    assert!(
        messages.len() == 1 && messages[0].contains("`classifier.ensemble`"),
        "{messages:?}"
    );
}

/// The same events with weights of both signs, and with their mean: its scatter is that of the signs, and not that of where events lie.
#[test]
fn the_same_events_are_judged_by_the_scatter_of_their_weights() {
    let of = |steepness: f64| {
        let (x, mut u) = (normals(40_000, 3), vec![0.0; 40_000]);
        Noise::new(6, 4, domain::ACCEPT).fill_uniforms(0, 40_000, 1, &mut u);
        // Negative with a probability that falls with x: ⟨w⟩ is between 0.2 and 1, and 0.6 on average.
        let mean = |x: f64| 0.2 + 0.8 / (1.0 + (-x).exp());
        let sign = |(x, u): (&f64, &f64)| 2.0 * f64::from(*u < 0.5 * (1.0 + mean(*x))) - 1.0;
        let weights: Vec<f64> = x.iter().zip(&u).map(sign).collect();
        let log_w: Vec<f64> = x
            .iter()
            .map(|x| steepness * (mean(*x) / 0.6).ln())
            .collect();
        let held_out = HeldOut {
            weights,
            log_w: log_w.clone(),
            spread: 0.0,
        };
        let own = vec![1.0; 40_000];
        Calibration::new(&held_out, &log_w, Some(&own), Samples::Same).unwrap()
    };
    let good = of(1.0);
    assert!((18..=20).contains(&good.bins.len()) && good.events == 40_000);
    assert!((0.3..2.0).contains(&good.chi_square), "{}", good.chi_square);
    // A fifth too steep or too flat, which independent samples of this size would hardly show.
    for bad in [of(1.2), of(0.8)] {
        assert!(bad.chi_square > 3.0, "{}", bad.chi_square);
    }
}
