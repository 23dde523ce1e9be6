use super::*;
use std::f64::consts::PI;

const LOG: Scaling = Scaling::Log {
    low: -1.5,
    mean: 0.3,
    std: 0.7,
};
const LOGIT: Scaling = Scaling::Logit {
    low: 2.0,
    high: 5.0,
    mean: -0.2,
    std: 1.5,
};
const PERIODIC: Scaling = Scaling::Periodic {
    low: -PI,
    period: 2.0 * PI,
    cut: 1.0,
    mean: 0.1,
    std: 2.0,
};
const ASINH: Scaling = Scaling::Asinh {
    centre: 1.0,
    width: 0.5,
    mean: 0.2,
    std: 1.5,
};
const STANDARDISE: Scaling = Scaling::Standardise {
    mean: 3.0,
    std: 0.5,
};

/// Values that each can take.
fn cases() -> Vec<(Scaling, [f64; 4])> {
    vec![
        (Scaling::None, [-1.0, 0.0, 2.5, 7.0]),
        (STANDARDISE, [-1.0, 0.0, 2.5, 7.0]),
        (ASINH, [-70.0, 0.9, 1.2, 7.0]),
        (LOG, [-1.499, -1.0, 2.5, 700.0]),
        (LOGIT, [2.001, 2.5, 4.0, 4.999]),
        (PERIODIC, [-3.1, 0.9, 1.1, 3.1]),
    ]
}

/// Cells of shares ½, ¼, ¼.
fn cells(classes: bool) -> Scaling {
    let edges = [0.5, 0.75].map(steps::quantile);
    Scaling::Cells {
        first: if classes { 0.0 } else { -1.0 },
        edges: edges.into(),
        classes,
    }
}

fn zeros(width: Option<f64>) -> Scaling {
    Scaling::Zeros {
        low: 2.0,
        width,
        edge: steps::quantile(0.3),
        mean: 0.4,
        std: 0.8,
    }
}

const INTEGER: Scaling = Scaling::Integer {
    low: Some(-2.0),
    mean: 1.0,
    std: 3.0,
};

#[test]
fn values_with_a_probability_have_cells_and_come_back_from_all_of_these() {
    let places = [1e-9, 0.01, 0.3, 0.5, 0.9, 1.0 - 1e-9];
    for (s, values) in [
        (INTEGER, &[-2.0, -1.0, 0.0, 7.0, 1e6][..]),
        (cells(false), &[-1.0, 0.0, 1.0]),
        (cells(true), &[0.0, 1.0, 2.0]),
        (zeros(None), &[2.0, 2.05, 3.0, 50.0]),
        (zeros(Some(3.0)), &[2.0, 2.05, 3.0, 50.0]),
    ] {
        s.validate().unwrap();
        assert!(s.stepped());
        for &x in values {
            assert!(s.objection(x).is_none());
            assert_eq!(s.forward(x), s.spread(x, 0.5));
            for r in places {
                let back = s.inverse(s.spread(x, r));
                let off = (back - x).abs();
                assert!(
                    off < 1e-9 * (1.0 + x.abs()),
                    "{s:?}: {x} at {r} gives {back}"
                );
                assert!(x == 2.0 || !matches!(s, Scaling::Zeros { .. }) || back > 2.0);
            }
        }
        for x in [2.5, -3.0, 1.5] {
            let continuous = matches!(s, Scaling::Zeros { .. }) && x > 2.0;
            assert_eq!(s.objection(x).is_some(), !continuous, "{s:?}: {x}");
        }
        assert!(s.inverse(f64::NAN).is_nan());
        for u in (-400..=400).map(|i| 0.1 * f64::from(i)) {
            let x = s.inverse(u);
            assert!(s.objection(x).is_none(), "{s:?}: {u} gives {x}");
            assert!(s.log_derivative_at(u, x).is_finite() || u.abs() > 37.0);
        }
    }
    // A value just above the one with a probability stays above in float32.
    let s = zeros(None);
    assert!(s.round::<f32>(2.0 + 1e-12) > 2.0 && s.round::<f32>(2.0) == 2.0);
}

#[test]
fn a_density_that_is_finite_down_to_the_value_with_a_probability_stays_so() {
    // Exponential above it: u is normal, so that a flow need pile up nothing at the edge.
    let s = zeros(Some(3.0)).with_moments(0.0, 1.0);
    for q in [1e-9f64, 1e-4, 0.2, 0.6, 0.9, 1.0 - 1e-6] {
        let u = s.forward(2.0 - 3.0 * (-q).ln_1p());
        let expected = steps::quantile(0.3 + 0.7 * q);
        assert!((u - expected).abs() < 1e-8, "{q}: {u}, {expected}");
    }
}

#[test]
fn cells_have_the_probabilities_and_densities_that_they_say() {
    // Of normal u: the integral over a cell is its share, that of exp(−log |du/dr|) φ(u) over u as well.
    let normal = |u: f64| (-0.5 * u * u).exp() / (2.0 * PI).sqrt();
    for (s, shares) in [
        (cells(true), [(0.0, 0.5), (2.0, 0.25)]),
        (cells(false), [(-1.0, 0.5), (1.0, 0.25)]),
        (zeros(None), [(2.0, 0.3), (f64::NAN, 0.7)]),
        (zeros(Some(3.0)), [(2.0, 0.3), (f64::NAN, 0.7)]),
    ] {
        let h = 1e-3;
        let grid: Vec<f64> = (-8000..8000).map(|i| (f64::from(i) + 0.5) * h).collect();
        for (value, share) in shares {
            let is = |u: f64| match value.is_nan() {
                true => s.inverse(u) > 2.0,
                false => s.inverse(u) == value,
            };
            let got: f64 = grid
                .iter()
                .filter(|u| is(**u))
                .map(|&u| h * normal(u))
                .sum();
            assert!((got - share).abs() < 1e-3, "{s:?}: {got}, {share}");
        }
        // What is continuous, or the place in a cell, by differences.
        for (x, r) in [(0.0, 0.2), (1.0, 0.7), (2.0, 0.4), (4.0, 0.5)] {
            if s.excludes(x) {
                continue;
            }
            let continuous = x > 2.0;
            let at = |d: f64| match continuous {
                true => s.spread(x + d, r),
                false => s.spread(x, r + d),
            };
            let (h, u) = (1e-6, at(0.0));
            let slope = (at(h) - at(-h)) / (2.0 * h);
            let got = s.log_derivative_at(u, x);
            assert!((got - slope.ln()).abs() < 1e-6, "{s:?} at {x}: {got}");
        }
    }
    for (x, r) in [(-2.0, 0.3), (5.0, 0.6)] {
        let slope = (INTEGER.spread(x, r + 1e-6) - INTEGER.spread(x, r - 1e-6)) / 2e-6;
        let got = INTEGER.log_derivative_at(INTEGER.spread(x, r), x);
        assert!((got - slope.ln()).abs() < 1e-6);
    }
}

#[test]
fn classifiers_see_circles_classes_and_zeros() {
    let seen = |s: &Scaling, x: f64| {
        let mut seen = Vec::new();
        s.each_input(x, 0.5, |u| seen.push(u));
        assert_eq!(seen.len(), s.inputs());
        assert_eq!(s.forward(x), seen[0]);
        seen
    };
    let circle = PERIODIC.of_classifier();
    for (a, b) in seen(&circle, -PI).iter().zip(seen(&circle, PI)) {
        assert!((a - b).abs() < 1e-12, "both ends of the circle are one");
    }
    assert!((seen(&circle, -0.5 * PI)[0] - 2f64.sqrt()).abs() < 1e-12);
    assert_eq!(seen(&cells(true).of_classifier(), 2.0), [0.0, 0.0, 1.0]);
    // −1, 0 and 1 with ½, ¼, ¼.
    let number = cells(false).of_classifier();
    let (mean, std) = number.moments();
    assert!((mean + 0.25).abs() < 1e-12 && (std * std - 0.6875).abs() < 1e-12);
    assert_eq!(seen(&zeros(None).of_classifier(), 2.0), [1.0, 0.0]);
    let above = seen(&zeros(None).of_classifier(), 3.0);
    assert_eq!(above[0], 0.0);
    assert!((above[1] + 0.5).abs() < 1e-12);
    assert_eq!(LOG.of_classifier(), LOG);
    for (s, x) in [
        (circle, 0.3),
        (LOGIT.of_classifier(), 3.0),
        (zeros(Some(2.0)).of_classifier(), 3.0),
    ] {
        let mut slopes = Vec::new();
        s.each_slope(x, |slope| slopes.push(slope));
        let (up, down) = (seen(&s, x + 1e-6), seen(&s, x - 1e-6));
        for (slope, (up, down)) in slopes.iter().zip(up.iter().zip(down)) {
            assert!((slope - (up - down) / 2e-6).abs() < 1e-6, "{s:?}");
        }
    }
}

#[test]
fn maps_are_what_they_say() {
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-14, "{a}, {b}");
    close(STANDARDISE.forward(4.0), 2.0);
    close(LOG.forward(1.5), (3f64.ln() - 0.3) / 0.7);
    close(LOGIT.forward(4.0), (2f64.ln() + 0.2) / 1.5);
    close(ASINH.forward(1.0 + 0.5 * 1f64.sinh()), (1.0 - 0.2) / 1.5);
    // A quarter of the circle beyond the cut: logit(¼) = −ln 3.
    close(PERIODIC.forward(1.0 + 0.5 * PI), (-(3f64.ln()) - 0.1) / 2.0);
    close(PERIODIC.forward(1.0 + 2.5 * PI), (-(3f64.ln()) - 0.1) / 2.0);
    close(
        PERIODIC.inverse(-0.05 + 0.5 * 3f64.ln()),
        1.0 + 1.5 * PI - 2.0 * PI,
    );
}

#[test]
fn inverses_and_derivatives_are_exact() {
    for (s, values) in cases() {
        s.validate().unwrap();
        for x in values {
            assert!((s.inverse(s.forward(x)) - x).abs() < 1e-12 * (1.0 + x.abs()));
            let h = 1e-6;
            let slope = (s.forward(x + h) - s.forward(x - h)) / (2.0 * h);
            let got = s.log_derivative(x);
            assert!((got - slope.ln()).abs() < 1e-4, "{s:?} at {x}: {got}");
        }
    }
}

#[test]
fn no_network_output_leaves_the_bounds_in_either_precision() {
    let logit = |low, high| Scaling::Logit {
        low,
        high,
        mean: 0.0,
        std: 1.0,
    };
    let circle = Scaling::Periodic {
        low: 0.1,
        period: 0.7,
        cut: 0.3,
        mean: 0.0,
        std: 1.0,
    };
    for (s, low, high) in [
        (LOG, -1.5, f64::MAX),
        (ASINH, -f64::MAX, f64::MAX),
        (LOGIT, 2.0, 5.0),
        // Bounds that no float32 is equal to: rounding would cross them.
        (logit(0.1, 0.7), 0.1, 0.7),
        (logit(-PI, PI), -PI, PI),
        (PERIODIC, -PI, PI.next_down()),
        (circle, 0.1, (0.1f64 + 0.7).next_down()),
    ] {
        let steps = (-2000..=2000).map(|i| f64::from(i) * 0.05);
        for u in steps.chain([-1e30, 1e30, f64::INFINITY, -f64::INFINITY]) {
            let x = s.inverse(u);
            assert!((low..=high).contains(&x), "{s:?}: {u} gives {x}");
            assert!(s.log_derivative(x).is_finite());
            assert!(s.forward(x).is_finite() && s.objection(x).is_none());
            let single = f64::from(s.round::<f32>(x));
            assert!(
                (single >= low || s == ASINH) && (single <= high || s == LOG || s == ASINH),
                "{s:?}: {x} in float32"
            );
        }
        assert!(s.inverse(f64::NAN).is_nan() && s.forward(f64::NAN).is_nan());
    }
}

#[test]
fn beyond_the_bounds_there_is_no_density() {
    for (s, x) in [(LOG, -1.6), (LOGIT, 1.9), (LOGIT, 5.1)] {
        assert_eq!(s.log_derivative(x), f64::NEG_INFINITY);
        assert!(s.forward(x).is_finite());
    }
    for (s, x, what) in [
        (LOG, -1.5, "at or below the bound -1.5"),
        (LOGIT, 5.1, "outside the bounds 2 to 5"),
        (PERIODIC, 180.0, "is the unit right?"),
    ] {
        let objection = s.objection(x).unwrap();
        assert!(objection.contains(what), "{objection}");
    }
    // Bounds themselves, and the other convention for angles.
    for (s, x) in [
        (LOGIT, 2.0),
        (LOGIT, 5.0),
        (PERIODIC, 2.0 * PI),
        (PERIODIC, PI),
    ] {
        assert_eq!(s.objection(x), None);
        assert!(s.forward(x).is_finite());
    }
}

#[test]
fn wrong_constants_are_refused() {
    let (mean, std) = (0.0, 1.0);
    for wrong in [
        Scaling::Standardise { mean, std: 0.0 },
        Scaling::Log {
            low: f64::NAN,
            mean,
            std,
        },
        Scaling::Log {
            low: f64::MAX,
            mean,
            std,
        },
        Scaling::Logit {
            low: 1.0,
            high: 1.0,
            mean,
            std,
        },
        Scaling::Logit {
            low: -1e308,
            high: 1e308,
            mean,
            std,
        },
        Scaling::Periodic {
            low: 0.0,
            period: 0.0,
            cut: 0.0,
            mean,
            std,
        },
        Scaling::Periodic {
            low: 0.0,
            period: 1.0,
            cut: 1.5,
            mean,
            std,
        },
        Scaling::Periodic {
            low: 1e300,
            period: 1.0,
            cut: 1e300,
            mean,
            std,
        },
        LOGIT.with_moments(f64::INFINITY, 1.0),
        LOGIT.with_moments(0.0, -1.0),
    ] {
        assert!(
            matches!(wrong.validate(), Err(Error::Format(_))),
            "{wrong:?}"
        );
    }
}

#[test]
fn the_exponential_is_within_two_units() {
    for i in -7400..7097 {
        let y = f64::from(i) * 0.1 + 0.003;
        let right = libm::exp(y);
        let unit = (right.next_up() - right).max(f64::from_bits(1));
        assert!((exp(y) - right).abs() <= 2.0 * unit, "{y}");
    }
    assert_eq!(
        [exp(0.0), exp(-0.0), exp(-1e300), exp(f64::NEG_INFINITY)],
        [1.0, 1.0, 0.0, 0.0]
    );
    assert_eq!([exp(1e300), exp(f64::INFINITY)], [f64::INFINITY; 2]);
    assert!(exp(f64::NAN).is_nan());
}
