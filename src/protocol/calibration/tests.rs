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
