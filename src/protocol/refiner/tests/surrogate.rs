//! Rejection by a surrogate first.

use super::*;
use crate::model::Limits;
use crate::protocol::refiner::surrogate::Screened;

fn screened(low: f64, high: f64, largest: f64) -> Independent {
    let limits = Limits { low, high };
    let screened = Screened::new(limits, Some(largest.ln()), 100_000);
    Independent::new(screened, DIMS.latent)
}

/// log s of [`Exact`] within limits.
fn log_s(exact: &Exact, z: f64, low: f64, high: f64) -> f64 {
    (0.5 * exact.log_w(&[z])).clamp(low, high)
}

/// The largest v = w / s on a grid, and of one proposal: E[w] / v_max, the events accepted in units of s_max; E[s], those made.
fn expected(exact: &Exact, low: f64, high: f64) -> (f64, f64, f64) {
    let (mut largest, mut mean, mut made) = (0.0f64, 0.0, 0.0);
    for z in (-4000..4000).map(|k| 2e-3 * f64::from(k)) {
        let p = 2e-3 * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let (log_w, log_s) = (exact.log_w(&[z]), log_s(exact, z, low, high));
        largest = largest.max((log_w - log_s).exp());
        mean += p * log_w.exp();
        made += p * log_s.exp();
    }
    (largest, mean / largest, made)
}

#[test]
fn events_follow_the_weights_whatever_the_surrogate_knows() {
    // The surrogate knows the root of the weight; its limits cut it on one side, on both, or leave nothing of it: then it is rejection.
    for (low, high) in [(-4.0, 1.5), (-1.0, 0.5), (0.0, 0.0)] {
        for (mut exact, moments) in [
            (Exact::modes(0.7, 3.0, 0.5), None),
            (Exact::new(0.5, 1.5), Some(Exact::new(0.5, 1.5).moments())),
        ] {
            let (largest, accepted, made) = expected(&exact, low, high);
            let (z, w, s) = run(&mut screened(low, high, largest), &mut exact, 60);
            assert!(w.iter().all(|&w| w <= 1.0 + 1e-5));
            match moments {
                Some(moments) => assert_moments(&z, &w, moments, 0.03),
                None => {
                    let right = z.chunks_exact(2).filter(|z| z[0] > 0.0);
                    let share = right.count() as f64 / w.len() as f64;
                    assert!((share - 0.7).abs() < 0.01, "{share}");
                }
            }
            let of = |count: u64| count as f64 / s.proposals as f64 * high.exp();
            let close = |a: f64, b: f64| (a / b - 1.0).abs() < 0.03;
            assert!(
                close(of(s.accepted), accepted),
                "{} {accepted}",
                of(s.accepted)
            );
            assert!(close(of(s.calls), made), "{} {made}", of(s.calls));
            // No event is made in vain of what the surrogate refuses.
            assert_eq!((exact.made, s.non_finite), (s.calls, 0));
        }
    }
}

/// Alone the surrogate is the weight: neither is the classifier asked, nor an event made in vain.
#[test]
fn distilled_events_follow_the_surrogate() {
    let mut exact = Exact::new(0.5, 1.5);
    let limits = Limits {
        low: -20.0,
        high: 1.2,
    };
    let alone = Screened::new(limits, None, 100_000);
    let (z, w, s) = run(&mut Independent::new(alone, DIMS.latent), &mut exact, 60);
    // Half of log w, as the surrogate has it.
    assert_moments(&z, &w, Exact::new(0.25, 0.75).moments(), 0.03);
    assert!(w.iter().all(|w| *w == 1.0));
    assert_eq!(
        (exact.made, s.calls, s.overweight_events),
        (s.calls, s.events, 0)
    );
    let (_, _, made) = expected(&exact, limits.low, limits.high);
    let off = s.accepted as f64 / s.proposals as f64 * limits.high.exp() / made;
    assert!((off - 1.0).abs() < 0.02, "{off}");
}

#[test]
fn what_lies_above_is_carried() {
    let mut exact = Exact::new(0.5, 1.5);
    let (largest, _, _) = expected(&exact, -4.0, 1.0);
    let (z, w, s) = run(&mut screened(-4.0, 1.0, 0.5 * largest), &mut exact, 60);
    assert!(s.overweight_events > 1000 && w.iter().all(|&w| w < 2.0 + 1e-5));
    assert_moments(&z, &w, exact.moments(), 0.03);
    let without = moments(&z, &vec![1.0; w.len()], 0).0;
    assert!(without < exact.moments().0 - 0.02, "{without}");
}

/// An event is the same whatever is made with it, and one that fails is proposed again.
#[test]
fn failures_are_proposed_again() {
    let broken = || Exact {
        broken: 0.5,
        ..Exact::new(0.5, 1.0)
    };
    let (largest, _, _) = expected(&broken(), -3.0, 1.0);
    let (z, w, s) = run(&mut screened(-3.0, 1.0, largest), &mut broken(), 20);
    assert!(s.non_finite > 1000 && z.chunks_exact(2).all(|z| z[1] <= 0.5));
    let again = run(&mut screened(-3.0, 1.0, largest), &mut broken(), 20);
    assert_eq!((z, w), (again.0, again.1));
}
