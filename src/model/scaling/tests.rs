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
