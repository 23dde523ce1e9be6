//! Rejection from prior and flow.

use super::*;
use crate::protocol::refiner::mixture::Drawn;

fn mixture(prior: f64, log_w_max: f64) -> Independent {
    let drawn = Drawn::new(DIMS, (prior, log_w_max), 1000);
    Independent::new(drawn, DIMS.latent + 1)
}

/// The largest v = w p / q, with q = α p + (1 − α) p_Φ, z₀ of p_Φ being twice as wide, on a grid; and E_p[w] over it.
fn expected(exact: &Exact, prior: f64) -> (f64, f64) {
    let grid = (-4000..4000).map(|k| 2e-3 * f64::from(k));
    let (mut largest, mut mean) = (0.0f64, 0.0);
    for z in grid {
        let density = |z: f64, s: f64| (-0.5 * (z / s).powi(2)).exp() / s;
        let (p, flow) = (density(z, 1.0), density(z, 2.0));
        let w = exact.log_w(&[z]).exp();
        largest = largest.max(w * p / (prior * p + (1.0 - prior) * flow));
        mean += 2e-3 * w * p / (2.0 * std::f64::consts::PI).sqrt();
    }
    (largest, mean / largest)
}

#[test]
fn events_follow_the_weights_whatever_the_flow_has_learned() {
    // Of two clumps at ± 2.4 the wide flow knows nothing but where they may be; of e^{1.5 z₀} the weight has no bound.
    for (mut exact, moments) in [
        (Exact::modes(0.7, 3.0, 0.5), None),
        (Exact::new(0.0, 1.5), Some((1.5, 1.0))),
    ] {
        for prior in [0.5, 0.1, 0.01] {
            let (largest, acceptance) = expected(&exact, prior);
            let (z, w, s) = run(&mut mixture(prior, largest.ln()), &mut exact, 60);
            assert!(w.iter().all(|&w| w <= 1.0 + 1e-5));
            match moments {
                Some(moments) => assert_moments(&z, &w, moments, 0.03),
                None => {
                    let right = z.chunks_exact(2).filter(|z| z[0] > 0.0);
                    let share = right.count() as f64 / w.len() as f64;
                    assert!((share - 0.7).abs() < 0.01, "{share}");
                }
            }
            let met = s.accepted as f64 / s.proposals as f64;
            assert!(
                (met / acceptance - 1.0).abs() < 0.03,
                "{met}, not {acceptance}"
            );
            assert_eq!((s.calls, s.non_finite), (s.proposals, 0));
        }
    }
}

#[test]
fn what_lies_above_is_carried() {
    let mut exact = Exact::new(0.0, 1.5);
    let (largest, _) = expected(&exact, 0.3);
    let (z, w, s) = run(&mut mixture(0.3, (0.6 * largest).ln()), &mut exact, 40);
    assert!(s.overweight_events > 1000 && w.iter().all(|&w| w < 1.0 / 0.6 + 1e-5));
    assert_moments(&z, &w, exact.moments(), 0.03);
    let without = moments(&z, &vec![1.0; w.len()], 0).0;
    assert!(without < 1.46, "{without}");
}

/// With known weights only what is accepted is made.
#[test]
fn proposals_are_judged_first_where_they_can_be() {
    let mut before = Exact::new(0.0, 1.0);
    let (largest, _) = expected(&before, 0.3);
    let mut first = Exact {
        of_latents: true,
        ..Exact::new(0.0, 1.0)
    };
    let (z, w, s) = run(&mut mixture(0.3, largest.ln()), &mut first, 10);
    assert_eq!((first.made, s.calls), (s.events, s.events));
    let (same_z, same_w, all) = run(&mut mixture(0.3, largest.ln()), &mut before, 10);
    assert_eq!((z, w), (same_z, same_w));
    assert_eq!((before.made, all.calls), (all.proposals, all.proposals));
}
