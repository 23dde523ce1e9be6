use super::super::cpu::Cpu;
use super::super::lanes::Element;
use super::*;
use crate::model::{Knots, Transform};
use crate::noise::{domain, Noise};

const BOUND: f64 = 3.0;
const ALL: [Knots; 3] = [Knots::Tanh, Knots::Softplus, Knots::Softsign];

/// What splines of so many outputs have in common, and room for what they keep aside.
fn form<T: Element>(knots: Knots, outputs: &[f64]) -> (Form<T>, Vec<T::Feature>) {
    let bins = (outputs.len() + 1) / 3;
    let aside = vec![T::Feature::default(); Form::<T>::aside(bins, knots)];
    (Form::new(bins, BOUND, knots), aside)
}

/// The splines of outputs that are the same in every lane: where `x` goes, and log |dy/dx|.
fn apply<T: Element, const INVERSE: bool>(
    cpu: Cpu,
    knots: Knots,
    outputs: &[f64],
    x: &[f64],
) -> Vec<(f64, f64)> {
    let (form, mut aside) = form::<T>(knots, outputs);
    let blocks = x.chunks(T::ROWS).flat_map(|x| {
        let mut features = vec![T::Feature::default(); outputs.len()];
        for (feature, &output) in features.iter_mut().zip(outputs) {
            feature.as_mut().fill(T::from_f64(output));
        }
        let (mut state, mut log_det) = ([T::Feature::default()], T::Feature::default());
        for (to, &x) in state[0].as_mut().iter_mut().zip(x) {
            *to = T::from_f64(x);
        }
        cpu.run(Spline::<T, INVERSE> {
            form,
            active: &[0],
            outputs: &mut features,
            aside: &mut aside,
            state: &mut state,
            log_det: &mut log_det,
        });
        let lanes = state[0].as_ref().iter().zip(log_det.as_ref());
        let lanes = lanes.map(|(y, l)| (y.to_f64(), l.to_f64()));
        lanes.take(x.len()).collect::<Vec<_>>()
    });
    blocks.collect()
}

fn outputs(bins: usize, scale: f64, stream: u64) -> Vec<f64> {
    let mut out = vec![0.0; 3 * bins - 1];
    Noise::new(8, stream, domain::INITIAL).normals(0, 0, &mut out);
    out.iter_mut().for_each(|v| *v *= scale);
    out
}

/// Where the knots are on the latents' or the events' side, from the definition.
fn places(knots: Knots, outputs: &[f64]) -> Vec<f64> {
    let (least, logits): (f64, Vec<f64>) = match knots {
        Knots::Softsign => {
            let c = -Transform::SMALLEST.ln();
            let clamped = outputs.iter().map(|w| w / (1.0 + 2.0 * w.abs() / c));
            (0.0, clamped.collect())
        }
        _ => (Transform::SMALLEST, outputs.to_vec()),
    };
    let sum: f64 = logits.iter().map(|l| l.exp()).sum();
    let shared = 1.0 - logits.len() as f64 * least;
    let mut at = -BOUND;
    let shares = logits.iter().map(|l| least + shared * l.exp() / sum);
    let ends = shares.map(|share| {
        at += 2.0 * BOUND * share;
        at
    });
    std::iter::once(-BOUND).chain(ends).collect()
}

/// Points across the interval and beyond, the bounds and `knots`, and the neighbours of all these.
fn points<T: Element>(knots: &[f64], epsilon: f64) -> Vec<f64> {
    let grid = (-80..=80).map(|i| f64::from(i) * 0.05 * BOUND / 3.0);
    let special = knots.iter().copied().chain([-BOUND, BOUND, 0.0, -0.0]);
    let near = special.flat_map(|x| [-2.0, -1.0, 0.0, 1.0, 2.0].map(|n| x + n * epsilon * BOUND));
    let far = [1e30, -1e30, f64::INFINITY, f64::NEG_INFINITY];
    // As they are in this precision.
    let all = grid.chain(near).chain(far).map(|x| T::from_f64(x).to_f64());
    all.collect()
}

fn zero_outputs_are_the_identity<T: Element>(epsilon: f64) {
    for cpu in Cpu::all() {
        let knots = [Knots::Tanh, Knots::Softsign];
        let bins = [2, 8, Transform::MAX_BINS];
        for (knots, bins) in knots.iter().flat_map(|&k| bins.map(|bins| (k, bins))) {
            let outputs = vec![0.0; 3 * bins - 1];
            let x = points::<T>(&places(knots, &outputs[..bins]), epsilon);
            let there = apply::<T, false>(cpu, knots, &outputs, &x);
            let back = apply::<T, true>(cpu, knots, &outputs, &x);
            for (&x, (y, log)) in x.iter().zip(there).chain(x.iter().zip(back)) {
                assert_eq!(x, y);
                assert!(log.abs() < 8.0 * epsilon, "{log}");
            }
        }
    }
}

#[test]
fn outputs_of_zero_are_the_identity_to_the_bit() {
    zero_outputs_are_the_identity::<f32>(f64::from(f32::EPSILON));
    zero_outputs_are_the_identity::<f64>(f64::EPSILON);
}

fn splines_are_undone<T: Element>(knots: Knots, epsilon: f64) {
    for cpu in Cpu::all() {
        for (bins, scale) in [
            (2, 1.0),
            (8, 0.3),
            (8, 1.0),
            (5, 4.0),
            (Transform::MAX_BINS, 1.0),
        ] {
            let outputs = outputs(bins, scale, bins as u64);
            let x = points::<T>(&places(knots, &outputs[..bins]), epsilon);
            let there = apply::<T, false>(cpu, knots, &outputs, &x);
            let y: Vec<f64> = there.iter().map(|(y, _)| *y).collect();
            let back = apply::<T, true>(cpu, knots, &outputs, &y);
            for ((x, (y, log)), (back, minus_log)) in x.iter().zip(&there).zip(&back) {
                assert!(!y.is_nan() && log.is_finite() && minus_log.is_finite());
                if x.abs() >= BOUND {
                    assert_eq!((x, x, 0.0), (y, back, *log));
                    continue;
                }
                // Where the spline is flat, a rounding of y is a large step of x.
                let limit = 40.0 * epsilon * BOUND * (1.0 + (-log).exp());
                assert!(
                    (x - back).abs() < limit,
                    "{knots:?}, {bins}, {scale}: {x}, {back}, {log}"
                );
                assert!((y - x).abs() <= 2.0 * BOUND);
            }
            // Monotonic: up to roundings, and at every bound.
            let mut order: Vec<(f64, f64)> = x.iter().copied().zip(y).collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0));
            for pair in order.windows(2) {
                assert!(pair[1].1 >= pair[0].1 - 8.0 * epsilon * BOUND, "{pair:?}");
            }
        }
    }
}

#[test]
fn splines_are_undone_and_rise() {
    for knots in ALL {
        splines_are_undone::<f32>(knots, f64::from(f32::EPSILON));
        splines_are_undone::<f64>(knots, f64::EPSILON);
    }
}

#[test]
fn log_slopes_are_those_of_central_differences_also_across_knots() {
    let cpu = Cpu::detect();
    let h = 1e-7;
    for (bins, knots) in [2, 8].into_iter().flat_map(|b| ALL.map(|k| (b, k))) {
        let outputs = outputs(bins, 1.0, 3);
        for inverse in [false, true] {
            let run = |x: &[f64]| match inverse {
                false => apply::<f64, false>(cpu, knots, &outputs, x),
                true => apply::<f64, true>(cpu, knots, &outputs, x),
            };
            let logits = if inverse {
                &outputs[bins..2 * bins]
            } else {
                &outputs[..bins]
            };
            let x = points::<f64>(&places(knots, logits), f64::EPSILON);
            let x: Vec<f64> = x.into_iter().filter(|x| x.abs() < 2.0 * BOUND).collect();
            let at = |delta: f64| run(&x.iter().map(|x| x + delta).collect::<Vec<_>>());
            for ((x, (_, log)), (up, down)) in x.iter().zip(run(&x)).zip(at(h).iter().zip(at(-h))) {
                let expected = ((up.0 - down.0) / (2.0 * h)).ln();
                // At a knot, half the jump of the second derivative times h.
                assert!((log - expected).abs() < 2e-4, "{x}: {log}, not {expected}");
            }
        }
    }
}

/// Extreme outputs in every place, through both tasks.
fn extremes<T: Element>(knots: Knots) {
    let bins = 4;
    for cpu in Cpu::all() {
        for stream in 0..30 {
            let mut outputs = outputs(bins, 1.0, 50 + stream);
            let sizes = [1e30, -1e30, 100.0, -100.0, 1e3, 0.0];
            for (i, output) in outputs.iter_mut().enumerate() {
                *output *= sizes[(i * 7 + stream as usize * 5) % sizes.len()];
                if knots == Knots::Softplus && i >= 2 * bins {
                    // Nothing bounds these slopes; their squares must be numbers.
                    *output = output.clamp(-1e6, 1e6);
                }
            }
            let x = points::<T>(&[0.0], 1e-6);
            let there = apply::<T, false>(cpu, knots, &outputs, &x);
            let back = apply::<T, true>(cpu, knots, &outputs, &x);
            for (x, (y, log)) in x.iter().zip(there).chain(x.iter().zip(back)) {
                let inside = x.abs() < BOUND;
                assert!(!y.is_nan() && log.is_finite(), "{outputs:?} at {x}");
                assert!(
                    !inside || y.abs() < 1.001 * BOUND,
                    "{outputs:?} at {x}: {y}"
                );
            }
            finite_gradient::<T, false>(cpu, knots, &outputs, &x);
            finite_gradient::<T, true>(cpu, knots, &outputs, &x);
        }
    }
}

fn finite_gradient<T: Element, const INVERSE: bool>(
    cpu: Cpu,
    knots: Knots,
    outputs: &[f64],
    x: &[f64],
) {
    let (form, mut aside) = form::<T>(knots, outputs);
    for x in x.chunks(T::ROWS) {
        let mut features = vec![T::Feature::default(); outputs.len()];
        for (feature, &output) in features.iter_mut().zip(outputs) {
            feature.as_mut().fill(T::from_f64(output));
        }
        let mut state = [T::Feature::default()];
        for (to, &x) in state[0].as_mut().iter_mut().zip(x) {
            *to = T::from_f64(x);
        }
        let mut latent = state;
        let mut log_det = T::Feature::default();
        cpu.run(Spline::<T, INVERSE> {
            form,
            active: &[0],
            outputs: &mut features,
            aside: &mut aside,
            state: &mut state,
            log_det: &mut log_det,
        });
        if INVERSE {
            latent = state;
        }
        let mut gradient = [T::Feature::default()];
        gradient[0].as_mut().fill(T::from_f64(0.7));
        log_det.as_mut().fill(T::from_f64(-0.3));
        cpu.run(SplineGradient::<T, INVERSE> {
            form,
            active: &[0],
            start: &latent,
            outputs: &mut features,
            aside: &aside,
            gradient: &mut gradient,
            log_det_gradient: &log_det,
        });
        let all = features.iter().chain(&gradient).flat_map(|f| f.as_ref());
        assert!(
            all.into_iter().all(|g| g.to_f64().is_finite()),
            "{outputs:?}"
        );
    }
}

#[test]
fn extreme_outputs_give_numbers() {
    for knots in ALL {
        extremes::<f32>(knots);
        extremes::<f64>(knots);
    }
}

#[test]
fn what_is_no_number_stays_none_and_leaves_its_neighbours() {
    let cpu = Cpu::detect();
    let outputs = outputs(6, 1.0, 9);
    let clean = apply::<f32, false>(cpu, Knots::Tanh, &outputs, &[0.5, 1.0, 2.0]);
    let got = apply::<f32, false>(cpu, Knots::Tanh, &outputs, &[0.5, f64::NAN, 2.0]);
    assert!(got[1].0.is_nan() && got[0] == clean[0] && got[2] == clean[2]);
    let broken = vec![f64::NAN; outputs.len()];
    let got = apply::<f32, true>(cpu, Knots::Tanh, &broken, &[0.5])[0];
    assert!(got.0.is_nan() && got.1.is_nan());
}
