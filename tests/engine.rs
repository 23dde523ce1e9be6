//! The CPU engine against libtorch, against finite differences and against itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::engine::Engine;
use laser::model::{
    Activation, Classifier, Coupling, Dtype, Evaluator, Flow, Generator, GeneratorKind,
    HmcSettings, Knots, Limits, Map, Matching, Method, Mixture, Mlp, Model, Refinement, Refiner,
    Scaling, SoftClamp, Start, Surrogate, Transform,
};
use laser::noise;
use laser::options::Options;
use laser::protocol::{Instance, Outputs, Sampler};
use laser::RowsMut;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

fn random(n: usize, scale: f64, stream: u64) -> Vec<f64> {
    let mut out = vec![0.0; n];
    noise::Noise::new(1, stream, noise::domain::INITIAL).normals(0, 0, &mut out);
    out.iter_mut().for_each(|v| *v *= scale);
    out
}

/// Random parameters of about the size that training starts from: sums stay near 1 in networks of any width.
fn parameters(networks: &[&Mlp], stream: u64) -> Vec<f64> {
    let layers = networks.iter().flat_map(|n| n.layers());
    layers
        .enumerate()
        .flat_map(|(i, (inputs, outputs))| {
            let scale = (inputs as f64 + 1.0).powf(-0.5);
            random(outputs * (inputs + 1), scale, 100 * stream + i as u64)
        })
        .collect()
}

/// What differs from network to network.
#[derive(Clone, Debug)]
struct Shape {
    dim: usize,
    blocks: usize,
    hidden: &'static [usize],
    activation: Activation,
    transforms: Transforms,
}

impl Shape {
    fn splines(&self) -> bool {
        matches!(self.transforms[0].0, Transform::Spline { .. })
    }
}

/// The transforms of a flow's blocks, in turn, and whether inverse.
type Transforms = &'static [(Transform, bool)];

const AFFINE: Transforms = &[(Transform::affine(1.5), false)];
/// So narrow that some latents are outside, and wide.
const SPLINES: [Transforms; 2] = [
    &[(Transform::spline(2, 1.5), false)],
    &[(Transform::spline(9, 4.0), false)],
];
const CLAMPS: Transforms = &[
    (clamped(SoftClamp::Atan), false),
    (clamped(SoftClamp::Softsign), true),
    (clamped(SoftClamp::Sigmoid), true),
    (clamped(SoftClamp::Tanh), true),
    (clamped(SoftClamp::Sigmoid), false),
    (clamped(SoftClamp::Softplus), false),
];
const KNOTS: Transforms = &[
    (knotted(Knots::Softplus), true),
    (knotted(Knots::Softsign), false),
    (knotted(Knots::Softplus), false),
    (knotted(Knots::Softsign), true),
    (knotted(Knots::Tanh), true),
];

const fn clamped(soft_clamp: SoftClamp) -> Transform {
    let clamp = 1.5;
    Transform::Affine { clamp, soft_clamp }
}

const fn knotted(knots: Knots) -> Transform {
    let (bins, bound) = (6, 3.0);
    Transform::Spline { bins, bound, knots }
}

#[cfg(feature = "torch")]
impl Shape {
    /// Roundings that engine and libtorch may differ by: steep splines magnify them.
    fn roundings(&self) -> f64 {
        if self.splines() {
            5000.0
        } else {
            200.0
        }
    }
}

const LEAKY: Activation = Activation::LeakyRelu { slope: 0.01 };
const SHAPES: [Shape; 12] = [
    Shape {
        dim: 2,
        blocks: 12,
        hidden: &[48, 48, 48],
        activation: LEAKY,
        transforms: AFFINE,
    },
    Shape {
        dim: 2,
        blocks: 1,
        hidden: &[],
        activation: LEAKY,
        transforms: AFFINE,
    },
    Shape {
        dim: 2,
        blocks: 3,
        hidden: &[1],
        activation: Activation::Tanh,
        transforms: AFFINE,
    },
    Shape {
        dim: 3,
        blocks: 5,
        hidden: &[7, 16],
        activation: Activation::Tanh,
        transforms: AFFINE,
    },
    Shape {
        dim: 5,
        blocks: 7,
        hidden: &[13, 1, 6],
        activation: Activation::LeakyRelu { slope: 0.2 },
        transforms: AFFINE,
    },
    Shape {
        dim: 7,
        blocks: 2,
        hidden: &[100, 11],
        activation: Activation::LeakyRelu { slope: 0.0 },
        transforms: AFFINE,
    },
    Shape {
        dim: 17,
        blocks: 4,
        hidden: &[33],
        activation: Activation::Tanh,
        transforms: AFFINE,
    },
    Shape {
        dim: 64,
        blocks: 4,
        hidden: &[65, 64, 31, 8, 8, 8, 8, 8],
        activation: LEAKY,
        transforms: AFFINE,
    },
    Shape {
        dim: 2,
        blocks: 6,
        hidden: &[16, 9],
        activation: LEAKY,
        transforms: SPLINES[0],
    },
    Shape {
        dim: 5,
        blocks: 4,
        hidden: &[13],
        activation: Activation::Tanh,
        transforms: SPLINES[1],
    },
    Shape {
        dim: 3,
        blocks: 6,
        hidden: &[16, 9],
        activation: Activation::Tanh,
        transforms: CLAMPS,
    },
    Shape {
        dim: 3,
        blocks: 5,
        hidden: &[13],
        activation: Activation::Tanh,
        transforms: KNOTS,
    },
];

/// A model with random parameters: nothing about it is special.
fn model(shape: &Shape, dtype: Dtype) -> Model {
    let Shape {
        dim,
        blocks,
        hidden,
        activation,
        transforms,
    } = *shape;
    let network = |inputs, outputs| Mlp {
        inputs,
        hidden: hidden.to_vec(),
        outputs,
        activation,
    };
    let mut order: Vec<usize> = (0..dim).collect();
    let blocks: Vec<Coupling> = (0..blocks)
        .map(|i| {
            let (transform, inverse) = transforms[i % transforms.len()];
            order.rotate_left(1 + i % dim);
            let (active, passive) = order.split_at(1 + i % (dim - 1));
            Coupling {
                active: active.to_vec(),
                passive: passive.to_vec(),
                transform,
                inverse,
                subnet: network(
                    passive.len(),
                    transform.outputs_per_coordinate() * active.len(),
                ),
            }
        })
        .collect();
    let scaling = |k: usize| match k {
        1 => Scaling::None,
        // Each with bounds within those of the next, which is the classifier's.
        3 => Scaling::Periodic {
            low: -3.0,
            period: 6.0,
            cut: 2.5,
            mean: 0.2,
            std: 0.7,
        },
        4 => Scaling::Logit {
            low: -4.0,
            high: 4.0,
            mean: -0.1,
            std: 0.8,
        },
        2 => Scaling::Asinh {
            centre: 0.5,
            width: 2.0,
            mean: 0.1,
            std: 0.4,
        },
        5 => Scaling::Log {
            low: -5.0,
            mean: 1.0,
            std: 0.8,
        },
        _ => Scaling::Standardise {
            mean: 3.0 - k as f64,
            std: 0.5 + k as f64,
        },
    };
    let subnets: Vec<&Mlp> = blocks.iter().map(|b| &b.subnet).collect();
    // Not the generator's: the pulled-back gradient must go through both. Angles as circles.
    let mut seen: Vec<Scaling> = (1..=dim).map(|k| scaling(k).of_classifier()).collect();
    // Of some the latents behind the events.
    let latents = if blocks.len() % 2 == 1 { dim } else { 0 };
    seen.extend(vec![Scaling::None; latents]);
    let inputs = seen.iter().map(Scaling::inputs).sum();
    let (classifier, refiner) = (network(inputs, 1), network(dim + 2, dim));
    let mut flow_parameters = parameters(&subnets, 1);
    if shape.splines() {
        // Larger ones make cliffs, on which roundings count.
        flow_parameters.iter_mut().for_each(|p| *p *= 0.5);
    }
    let model = Model {
        dtype,
        generator: Generator {
            parameters: flow_parameters.into(),
            kind: GeneratorKind::flow(Flow {
                dim,
                conditions: 0,
                blocks,
            }),
            conditions: Vec::new(),
            module: Arc::default(),
            scalings: (0..dim).map(scaling).collect(),
        },
        classifier: Some(Classifier {
            parameters: parameters(&[&classifier, &classifier], 2).into(),
            network: classifier,
            scalings: seen,
            log_ratio_offset: 0.25,
            limits: None,
            members: 2,
            latents,
        }),
        latent_classifier: None,
        refinement: Some(Refinement {
            method: Method::Gan,
            log_w_max: 1.0,
            log_mean_weight: 0.0,
            max_tries: 10,
            pool: 16,
            hmc: HmcSettings {
                chains: 1,
                start: Start::Resampled,
                step_size: 0.1,
                jitter: 0.1,
                scales: Vec::new(),
                leapfrog: 1,
                burn_in: 0,
                thin: 1,
            },
            refiner: Some(Refiner {
                parameters: parameters(&[&refiner], 3).into(),
                map: Map::Network(refiner),
            }),
            log_inside: 0.0,
            mixture: None,
            surrogate: None,
            pilot: None,
        }),
        names: Vec::new(),
        support: None,
        record: serde_json::Map::new(),
    };
    model.validate().unwrap();
    model
}

/// Everything that an evaluator computes, for latents from `first` on.
#[derive(Debug, PartialEq)]
struct Results {
    events: Vec<f64>,
    log_prob: Vec<f64>,
    /// Of the same events, given.
    log_prob_given: Vec<f64>,
    latents: Vec<f64>,
    log_weight: Vec<f64>,
    log_weight_pulled_back: Vec<f64>,
    gradient: Vec<f64>,
    refined: Vec<f64>,
}

/// `events`: where to evaluate what is a function of x, by default the events generated.
fn evaluate(
    e: &mut dyn Evaluator,
    z: &[f64],
    y: &[f64],
    rows: usize,
    events: Option<&[f64]>,
) -> Results {
    let zeros = |n| vec![0.0; n];
    let mut r = Results {
        events: zeros(z.len()),
        log_prob: zeros(rows),
        log_prob_given: zeros(rows),
        latents: zeros(z.len()),
        log_weight: zeros(rows),
        log_weight_pulled_back: zeros(rows),
        gradient: zeros(z.len()),
        refined: zeros(z.len()),
    };
    e.generate(z, rows, &mut r.events, Some(&mut r.log_prob))
        .unwrap();
    let events = events.unwrap_or(&r.events);
    e.log_prob(events, rows, &mut r.log_prob_given).unwrap();
    e.latent(events, rows, &mut r.latents).unwrap();
    e.log_weight(events, rows, &mut r.log_weight).unwrap();
    e.log_weight_gradient(z, rows, &mut r.log_weight_pulled_back, &mut r.gradient)
        .unwrap();
    e.refine(y, rows, &mut r.refined).unwrap();
    r
}

fn inputs(dim: usize, rows: usize) -> (Vec<f64>, Vec<f64>) {
    (random(rows * dim, 1.0, 7), random(rows * (dim + 2), 1.0, 8))
}

/// Largest |a − b|, in units of the largest |b|.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let error = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    let size = b.iter().map(|b| b.abs()).fold(0.0, f64::max);
    assert!(a.iter().chain(b).all(|v| v.is_finite()) && size > 0.0);
    error.fold(0.0, f64::max) / size
}

fn evaluator(model: &Model) -> Box<dyn Evaluator> {
    laser::protocol::evaluator(model, &Options::new()).unwrap()
}

#[cfg(feature = "torch")]
#[test]
fn libtorch_agrees() {
    let mut options = laser::options::Options::new();
    options.set_str("backend", "torch").unwrap();
    // Both round at every operation, in another order: some hundred roundings at most remain.
    for (dtype, epsilon) in [
        (Dtype::Float32, f64::from(f32::EPSILON)),
        (Dtype::Float64, f64::EPSILON),
    ] {
        for shape in &SHAPES {
            let model = model(shape, dtype);
            let rows = 75;
            let (z, y) = inputs(shape.dim, rows);
            let mut torch = laser::protocol::evaluator(&model, &options).unwrap();
            let expected = evaluate(&mut *torch, &z, &y, rows, None);
            let got = evaluate(
                &mut *evaluator(&model),
                &z,
                &y,
                rows,
                Some(&expected.events),
            );
            for (what, got, expected) in [
                ("events", &got.events, &expected.events),
                ("log p", &got.log_prob, &expected.log_prob),
                ("log p of x", &got.log_prob_given, &expected.log_prob_given),
                ("latents", &got.latents, &expected.latents),
                ("log w(x)", &got.log_weight, &expected.log_weight),
                (
                    "log w(z)",
                    &got.log_weight_pulled_back,
                    &expected.log_weight_pulled_back,
                ),
                ("gradient", &got.gradient, &expected.gradient),
                ("refined", &got.refined, &expected.refined),
            ] {
                let d = distance(got, expected);
                println!("{dtype:?} {} {what}: {:.1}", shape.dim, d / epsilon);
                assert!(
                    d < shape.roundings() * epsilon,
                    "{dtype:?}, {shape:?}, {what}: {d}"
                );
            }
        }
    }
}

/// The same for features that have values with a probability, of which there is no gradient, and given events have no one latent.
#[cfg(feature = "torch")]
#[test]
fn libtorch_makes_the_same_discrete_events() {
    let mut options = laser::options::Options::new();
    options.set_str("backend", "torch").unwrap();
    let shape = &SHAPES[4];
    let mut model = model(shape, Dtype::Float64);
    let (mean, std) = (0.5, 1.5);
    let cells = |first, edges: &[f64], classes| Scaling::Cells {
        first,
        edges: edges.into(),
        classes,
    };
    let zeros = |width| Scaling::Zeros {
        low: 0.0,
        width,
        edge: 0.4,
        mean,
        std,
    };
    let low = Some(0.0);
    model.generator.scalings = vec![
        Scaling::Integer { low, mean, std },
        cells(-1.0, &[-0.5, 0.6], false),
        cells(0.0, &[-0.5, 0.1, 0.6], true),
        zeros(None),
        zeros(Some(2.0)),
    ];
    let seen = model.generator.scalings.iter();
    let seen: Vec<Scaling> = seen.map(Scaling::of_classifier).collect();
    let mut classifier = model.classifier.take().unwrap();
    classifier.network.inputs = seen.iter().map(Scaling::inputs).sum();
    let both = [&classifier.network, &classifier.network];
    classifier.parameters = parameters(&both, 2).into();
    // Values with a probability have many latents.
    (classifier.scalings, classifier.latents) = (seen, 0);
    model.classifier = Some(classifier);
    let rows = 200;
    let (z, _) = inputs(shape.dim, rows);
    let mut made = [0, 1].map(|torch| {
        let mut e = match torch {
            1 => laser::protocol::evaluator(&model, &options).unwrap(),
            _ => evaluator(&model),
        };
        let (mut x, mut p, mut w) = (vec![0.0; z.len()], vec![0.0; rows], vec![0.0; rows]);
        e.generate(&z, rows, &mut x, Some(&mut p)).unwrap();
        e.log_weight(&x, rows, &mut w).unwrap();
        let mut gradient = vec![0.0; z.len()];
        let refused = e.log_weight_gradient(&z, rows, &mut vec![0.0; rows], &mut gradient);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("steps"), "{refused}");
        [x, p, w]
    });
    let [got, expected] = &mut made;
    for (got, expected) in got.iter().zip(expected) {
        assert!(distance(got, expected) < 1e-12);
    }
    for (column, values) in [(1, 3), (2, 4)] {
        let made = got[0].iter().skip(column).step_by(shape.dim);
        let mut made: Vec<i64> = made.map(|&x| x as i64).collect();
        made.sort_unstable();
        made.dedup();
        assert_eq!(made.len(), values);
    }
    let rows = || got[0].chunks_exact(shape.dim);
    let zeros = rows().filter(|x| x[3] == 0.0 || x[4] == 0.0).count();
    assert!(zeros > 0 && zeros < 200, "{zeros}");
}

/// `gradient` (rows × dim) against central differences of `f` around `at`.
fn check_differences(
    at: &[f64],
    dim: usize,
    gradient: &[f64],
    mut f: impl FnMut(&[f64]) -> Vec<f64>,
    tolerance: f64,
) {
    let h = 1e-6;
    for k in 0..dim {
        let shifted = |delta: f64| -> Vec<f64> {
            let columns = at.iter().enumerate();
            columns
                .map(|(i, x)| if i % dim == k { x + delta } else { *x })
                .collect()
        };
        let (up, down) = (f(&shifted(h)), f(&shifted(-h)));
        for (row, (up, down)) in up.iter().zip(down).enumerate() {
            let expected = (up - down) / (2.0 * h);
            let got = gradient[row * dim + k];
            assert!(
                (got - expected).abs() < tolerance * (1.0 + expected.abs()),
                "{got} is not {expected}"
            );
        }
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    for shape in &SHAPES {
        let model = model(shape, Dtype::Float64);
        let (dim, rows) = (shape.dim, 5);
        let (z, _) = inputs(dim, rows);
        let mut e = evaluator(&model);
        let (mut log_w, mut gradient) = (vec![0.0; rows], vec![0.0; rows * dim]);
        e.log_weight_gradient(&z, rows, &mut log_w, &mut gradient)
            .unwrap();
        let mut weigh = |z: &[f64]| {
            let (mut x, mut l) = (vec![0.0; rows * dim], vec![0.0; rows]);
            e.generate(z, rows, &mut x, None).unwrap();
            e.pull_back(z, &x, rows, &mut l).unwrap();
            // Of the event alone, whose latent is found again.
            let mut of_x = vec![0.0; rows];
            e.log_weight(&x, rows, &mut of_x).unwrap();
            let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9;
            assert!(l.iter().zip(&of_x).all(close));
            l
        };
        assert_eq!(log_w, weigh(&z), "log w(z) = log w(g(z)), to the bit");
        check_differences(&z, dim, &gradient, weigh, 1e-7);
    }
}

#[test]
fn densities_and_inverses_belong_to_the_map() {
    for shape in &SHAPES {
        for (dtype, tolerance) in [(Dtype::Float64, 1e-11), (Dtype::Float32, 5e-3)] {
            let model = model(shape, dtype);
            let rows = 40;
            let (z, y) = inputs(shape.dim, rows);
            let r = evaluate(&mut *evaluator(&model), &z, &y, rows, None);
            let d = distance(&r.latents, &z);
            assert!(d < tolerance, "{shape:?} {dtype:?}: inverse off by {d}");
            let d = distance(&r.log_prob_given, &r.log_prob);
            assert!(d < tolerance, "{shape:?} {dtype:?}: log p off by {d}");
        }
    }
    // The volume of two dimensions, by central differences.
    let model = model(&SHAPES[0], Dtype::Float64);
    let mut e = evaluator(&model);
    let h = 1e-6;
    for z in random(40, 1.0, 9).chunks(2) {
        let mut at = |dz: [f64; 2]| {
            let (mut x, mut log_p) = ([0.0; 2], [0.0]);
            e.generate(&[z[0] + dz[0], z[1] + dz[1]], 1, &mut x, Some(&mut log_p))
                .unwrap();
            (x, log_p[0])
        };
        let mut column = |dz: [f64; 2]| {
            let (up, down) = (at(dz).0, at([-dz[0], -dz[1]]).0);
            [0, 1].map(|k| (up[k] - down[k]) / (2.0 * h))
        };
        let (a, b) = (column([h, 0.0]), column([0.0, h]));
        let volume = (a[0] * b[1] - a[1] * b[0]).abs();
        let log_normal = -0.5 * (z[0] * z[0] + z[1] * z[1]) - (2.0 * std::f64::consts::PI).ln();
        let log_p = at([0.0; 2]).1;
        assert!((log_p - (log_normal - volume.ln())).abs() < 1e-7, "{log_p}");
    }
}

#[test]
fn a_row_has_the_same_bits_in_any_company() {
    for shape in &SHAPES {
        for dtype in [Dtype::Float32, Dtype::Float64] {
            let engine = Instance::new(model(shape, dtype));
            let (dim, rows) = (shape.dim, 101);
            let (z, y) = inputs(dim, rows);
            let together = evaluate(
                &mut *engine.evaluator(&Options::new(), 1).unwrap(),
                &z,
                &y,
                rows,
                None,
            );
            let mut e = engine.evaluator(&Options::new(), 1).unwrap();
            for size in [1, 3, 8, 15, 16, 17, 32, 33, 100] {
                let mut apart: Option<Results> = None;
                for start in (0..rows).step_by(size) {
                    let n = size.min(rows - start);
                    let part = evaluate(
                        &mut *e,
                        &z[start * dim..(start + n) * dim],
                        &y[start * (dim + 2)..(start + n) * (dim + 2)],
                        n,
                        None,
                    );
                    match &mut apart {
                        None => apart = Some(part),
                        Some(all) => {
                            all.events.extend(part.events);
                            all.log_prob.extend(part.log_prob);
                            all.log_prob_given.extend(part.log_prob_given);
                            all.latents.extend(part.latents);
                            all.log_weight.extend(part.log_weight);
                            all.log_weight_pulled_back
                                .extend(part.log_weight_pulled_back);
                            all.gradient.extend(part.gradient);
                            all.refined.extend(part.refined);
                        }
                    }
                }
                assert!(apart.unwrap() == together, "{shape:?} {dtype:?} by {size}");
            }
        }
    }
}

#[test]
fn helpers_change_no_bit() {
    for shape in &SHAPES {
        for dtype in [Dtype::Float32, Dtype::Float64] {
            let engine = Instance::new(model(shape, dtype));
            for rows in [1, 64, 65, 1000] {
                let (z, y) = inputs(shape.dim, rows);
                let alone = evaluate(
                    &mut *engine.evaluator(&Options::new(), 1).unwrap(),
                    &z,
                    &y,
                    rows,
                    None,
                );
                for threads in [2, 3, 16] {
                    let together = evaluate(
                        &mut *engine.evaluator(&Options::new(), threads).unwrap(),
                        &z,
                        &y,
                        rows,
                        None,
                    );
                    assert!(
                        together == alone,
                        "{shape:?}, {rows} rows, {threads} threads"
                    );
                }
            }
        }
    }
}

#[test]
fn threads_share_one_engine() {
    let engine = Instance::new(model(&SHAPES[0], Dtype::Float32));
    let (z, y) = inputs(2, 500);
    let expected = evaluate(
        &mut *engine.evaluator(&Options::new(), 1).unwrap(),
        &z,
        &y,
        500,
        None,
    );
    std::thread::scope(|scope| {
        let threads = [(); 64].map(|()| {
            scope.spawn(|| {
                assert!(
                    evaluate(
                        &mut *engine.evaluator(&Options::new(), 1).unwrap(),
                        &z,
                        &y,
                        500,
                        None
                    ) == expected
                );
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does the work; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn nothing_is_allocated_after_the_first_calls() {
    let rows = 70;
    let (z, y) = inputs(2, rows);
    let mut e = evaluator(&model(&SHAPES[0], Dtype::Float32));
    let (mut x, mut out, mut gradient) = (vec![0.0; 2 * rows], vec![0.0; rows], z.clone());
    let mut calls = |rows: usize| {
        e.refine(&y, rows, &mut gradient).unwrap();
        e.generate(&z, rows, &mut x, Some(&mut out)).unwrap();
        e.log_prob(&x, rows, &mut out).unwrap();
        e.latent(&x, rows, &mut gradient).unwrap();
        e.log_weight(&x, rows, &mut out).unwrap();
        e.log_weight_gradient(&z, rows, &mut out, &mut gradient)
            .unwrap();
    };
    calls(1);
    let before = ALLOCATIONS.get();
    calls(rows);
    assert_eq!(ALLOCATIONS.get(), before);
}

#[test]
fn samplers_allocate_nothing_after_their_first_blocks() {
    let mut model = model(&SHAPES[0], Dtype::Float32);
    // The weights of random networks: acceptance in a few proposals on average.
    let refinement = model.refinement.as_mut().unwrap();
    (refinement.max_tries, refinement.log_w_max) = (100_000, 0.0);
    let [flow, matching] = refiners(&SHAPES[0], Dtype::Float32);
    let mut mixture = flow.clone();
    let refinement = mixture.refinement.as_mut().unwrap();
    (refinement.method, refinement.max_tries) = (Method::Mixture, 100_000);
    refinement.mixture = Some(Mixture {
        prior: 0.5,
        log_w_max: 0.0,
        acceptance: 0.5,
    });
    let surrogate = with_surrogate(model.clone());
    let models = [model, flow, matching, mixture, surrogate];
    let [gan, flow, matching, mixture, surrogate] = models.map(|m| Arc::new(Instance::new(m)));
    for method in [
        "baseline",
        "reweight",
        "rejection",
        "resampling",
        "gan",
        "flow",
        "matching",
        "mixture",
        "surrogate",
        "distilled",
        "langevin",
        "mala",
        "hmc",
    ] {
        let model = match method {
            "flow" => &flow,
            "matching" => &matching,
            "mixture" => &mixture,
            "surrogate" | "distilled" => &surrogate,
            _ => &gan,
        };
        let dense = !["gan", "matching"].contains(&method);
        let mut options = Options::new();
        options.set_str("sampler.method", method).unwrap();
        let mut sampler = Sampler::new(model.clone(), 1, 0, &options).unwrap();
        let dim = sampler.event_dim();
        let (mut x, mut w, mut log_p) = (vec![0.0; 5000 * dim], vec![0.0; 5000], vec![0.0; 5000]);
        let mut generate = |sampler: &mut Sampler, rows: usize| {
            let out = Outputs {
                x: Some(RowsMut::packed(&mut x, dim).unwrap()),
                w: Some(RowsMut::column(&mut w)),
                log_prob: dense.then(|| RowsMut::column(&mut log_p)),
                ..Outputs::default()
            };
            sampler.generate(rows, out).unwrap();
        };
        generate(&mut sampler, 5000);
        let before = ALLOCATIONS.get();
        for rows in [1, 1, 700, 1, 5000] {
            generate(&mut sampler, rows);
        }
        if !["langevin", "mala", "hmc"].contains(&method) {
            sampler.seek(12).unwrap();
            generate(&mut sampler, 3);
        }
        assert_eq!(ALLOCATIONS.get(), before, "{method}");
    }
}

/// The model with a network that stands for its weights.
fn with_surrogate(mut model: Model) -> Model {
    let network = Mlp::new(model.generator.latent_dim(), 2, 16, 1, 0.01);
    let refinement = model.refinement.as_mut().unwrap();
    refinement.surrogate = Some(Surrogate {
        classifier: Classifier {
            limits: Some(Limits {
                low: -1.0,
                high: 0.5,
            }),
            parameters: parameters(&[&network], 5).into(),
            scalings: vec![Scaling::None; network.inputs],
            network,
            members: 1,
            latents: 0,
            log_ratio_offset: 0.1,
        },
        first: None,
        log_w_max: 0.5,
        acceptance: 0.5,
        distilled: Some(0.6),
        calls: 1.5,
    });
    model
}

/// The model with another learned refiner.
fn refined_by(mut model: Model, map: Map) -> Model {
    let refinement = model.refinement.as_mut().unwrap();
    let tensors = map.parameters("");
    let inputs = |t: &laser::model::Parameter| t.shape.get(1).copied().unwrap_or(9);
    let random = tensors.iter().enumerate().flat_map(|(i, t)| {
        let scale = (inputs(t) as f64 + 1.0).powf(-0.5);
        random(t.len(), scale, 900 + i as u64)
    });
    let parameters = random.collect::<Vec<_>>().into();
    let refiner = Refiner { map, parameters };
    let learns = |method: &&Method| method.learns(&refiner.map);
    refinement.method = *Method::ALL.iter().find(learns).unwrap();
    refinement.refiner = Some(refiner);
    model.validate().unwrap();
    model
}

/// A flow and a transport, as refiners of the model of a shape.
fn refiners(shape: &Shape, dtype: Dtype) -> [Model; 2] {
    let model = model(shape, dtype);
    let network = Mlp {
        inputs: shape.dim + 1,
        hidden: shape.hidden.to_vec(),
        outputs: shape.dim,
        activation: shape.activation,
    };
    let matching = Map::Matching(Matching { network, steps: 3 });
    let flow = model.generator.maps()[0].clone();
    [flow, matching].map(|map| refined_by(model.clone(), map))
}

#[cfg(feature = "torch")]
#[test]
fn libtorch_refines_alike() {
    let mut options = Options::new();
    options.set_str("backend", "torch").unwrap();
    for (dtype, epsilon) in [
        (Dtype::Float32, f64::from(f32::EPSILON)),
        (Dtype::Float64, f64::EPSILON),
    ] {
        for shape in &SHAPES {
            let rows = 75;
            let y = random(rows * shape.dim, 1.0, 8);
            let model = with_surrogate(model(shape, dtype));
            let (mut log_s, mut expected) = (vec![0.0; rows], vec![0.0; rows]);
            evaluator(&model).surrogate(&y, rows, &mut log_s).unwrap();
            let mut torch = laser::protocol::evaluator(&model, &options).unwrap();
            torch.surrogate(&y, rows, &mut expected).unwrap();
            let d = distance(&log_s, &expected);
            let within = expected.iter().filter(|l| **l > -1.0 && **l < 0.5).count();
            assert!(
                d < shape.roundings() * epsilon && within > 10,
                "{dtype:?}, {shape:?}, log s: {d}, {within}"
            );
            for model in refiners(shape, dtype) {
                let mut torch = laser::protocol::evaluator(&model, &options).unwrap();
                let mut engine = evaluator(&model);
                let (mut z, mut expected) = (y.clone(), y.clone());
                engine.refine(&y, rows, &mut z).unwrap();
                torch.refine(&y, rows, &mut expected).unwrap();
                let d = distance(&z, &expected);
                assert!(d < shape.roundings() * epsilon, "{dtype:?}, {shape:?}: {d}");
                let (mut log_q, mut log_q_torch) = (vec![0.0; rows], vec![0.0; rows]);
                let computed = engine.refined_log_prob(&expected, rows, &mut log_q);
                let by_torch = torch.refined_log_prob(&expected, rows, &mut log_q_torch);
                if model.refinement.as_ref().unwrap().method == Method::Flow {
                    computed.and(by_torch).unwrap();
                    let d = distance(&log_q, &log_q_torch);
                    assert!(
                        d < shape.roundings() * epsilon,
                        "{dtype:?}, {shape:?}, log q: {d}"
                    );
                } else {
                    for refused in [computed, by_torch] {
                        let error = refused.unwrap_err().to_string();
                        assert!(error.contains("no tractable density"), "{error}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_flow_refiner_has_the_density_of_its_map() {
    for shape in &SHAPES {
        let [mut model, _] = refiners(shape, Dtype::Float64);
        let rows = 40;
        let y = random(rows * shape.dim, 1.0, 8);
        let (mut z, mut log_q) = (y.clone(), vec![0.0; rows]);
        let mut e = evaluator(&model);
        e.refine(&y, rows, &mut z).unwrap();
        e.refined_log_prob(&z, rows, &mut log_q).unwrap();
        // The same flow as a generator of unscaled features.
        let refiner = model.refinement.take().unwrap().refiner.unwrap();
        model.generator.parameters = refiner.parameters;
        model.generator.scalings = vec![Scaling::None; shape.dim];
        let (mut x, mut log_p) = (y.clone(), vec![0.0; rows]);
        evaluator(&model)
            .generate(&y, rows, &mut x, Some(&mut log_p))
            .unwrap();
        assert_eq!(x, z);
        assert!(distance(&log_q, &log_p) < 1e-11);
    }
}

#[test]
fn refiners_of_host_generators_have_their_densities() {
    let rows = 40;
    let z = random(rows * SHAPES[0].dim, 1.0, 8);
    let log_q = |e: &mut dyn Evaluator| {
        let mut log_q = vec![0.0; rows];
        e.refined_log_prob(&z, rows, &mut log_q).map(|()| log_q)
    };
    let hosted = |model: &Model| {
        let mut model = model.clone();
        model.generator = Generator {
            kind: GeneratorKind::Host {
                latent_dim: SHAPES[0].dim,
                stochastic: false,
            },
            parameters: Arc::default(),
            ..model.generator
        };
        let instance = Instance::new(model);
        log_q(&mut *instance.evaluator(&Options::new(), 1).unwrap())
    };
    let [flow, matching] = refiners(&SHAPES[0], Dtype::Float64);
    let expected = log_q(&mut *evaluator(&flow)).unwrap();
    assert_eq!(hosted(&flow).unwrap(), expected);
    let error = hosted(&matching).unwrap_err().to_string();
    assert!(error.contains("no tractable density"), "{error}");
    let bare = Model {
        refinement: None,
        ..flow
    };
    let error = hosted(&bare).unwrap_err().to_string();
    assert!(error.contains("no learned refiner"), "{error}");
}

/// The transport alone, as a generator: v = A (z, t) + b.
fn linear_transport(a: [f64; 6], b: [f64; 2], steps: usize) -> Model {
    let network = Mlp::new(3, 0, 1, 2, 0.0);
    Model {
        dtype: Dtype::Float64,
        generator: Generator {
            kind: GeneratorKind::Networks {
                maps: vec![Map::Matching(Matching { network, steps })],
            },
            scalings: vec![Scaling::None; 2],
            conditions: Vec::new(),
            module: Arc::default(),
            parameters: [&a[..], &b].concat().into(),
        },
        classifier: None,
        latent_classifier: None,
        refinement: None,
        names: Vec::new(),
        support: None,
        record: serde_json::Map::new(),
    }
}

#[test]
fn transport_follows_known_velocities() {
    // v = (½ z₀, 2 t): growth, by the midpoint rule, and exactly 1.
    let model = linear_transport([0.5, 0.0, 0.0, 0.0, 0.0, 2.0], [0.0, 0.0], 4);
    let mut x = [0.0; 2];
    let mut e = evaluator(&model);
    e.generate(&[2.0, 3.0], 1, &mut x, None).unwrap();
    let growth = (1.0f64 + 0.125 + 0.125 * 0.125 / 2.0).powi(4);
    assert!((x[0] - 2.0 * growth).abs() < 1e-14 && (x[1] - 4.0).abs() < 1e-14);
    assert!((x[0] - 2.0 * 0.5f64.exp()).abs() < 1e-2);
    let error = e.log_prob(&x, 1, &mut [0.0]).unwrap_err();
    assert!(
        error.to_string().contains("no tractable density"),
        "{error}"
    );
}

#[test]
fn weights_pull_back_through_a_transport() {
    for shape in &SHAPES[..6] {
        let [_, mut model] = refiners(shape, Dtype::Float64);
        let refiner = model.refinement.take().unwrap().refiner.unwrap();
        let (dim, rows) = (shape.dim, 5);
        model.generator.kind = GeneratorKind::Networks {
            maps: vec![refiner.map],
        };
        model.generator.parameters = refiner.parameters;
        // It has no inverse: its classifier sees events alone.
        let classifier = model.classifier.as_mut().unwrap();
        classifier.scalings.truncate(shape.dim);
        let inputs = classifier.scalings.iter().map(Scaling::inputs).sum();
        (classifier.latents, classifier.network.inputs) = (0, inputs);
        let network = &classifier.network;
        classifier.parameters = parameters(&[network, network], 2).into();
        let z = random(rows * dim, 1.0, 7);
        let mut e = evaluator(&model);
        let (mut log_w, mut gradient) = (vec![0.0; rows], vec![0.0; rows * dim]);
        e.log_weight_gradient(&z, rows, &mut log_w, &mut gradient)
            .unwrap();
        let mut weigh = |z: &[f64]| {
            let (mut x, mut l) = (vec![0.0; rows * dim], vec![0.0; rows]);
            e.generate(z, rows, &mut x, None).unwrap();
            e.log_weight(&x, rows, &mut l).unwrap();
            l
        };
        assert_eq!(log_w, weigh(&z), "log w(z) = log w(g(z)), to the bit");
        check_differences(&z, dim, &gradient, weigh, 1e-7);
    }
}

#[test]
fn what_a_model_lacks_is_said() {
    let bare = model(&SHAPES[1], Dtype::Float32).into_baseline();
    let mut e = evaluator(&bare);
    let mut out = [0.0; 2];
    let error = e.log_weight(&[0.0; 2], 1, &mut out).unwrap_err();
    assert!(error.to_string().contains("no classifier"), "{error}");
    let error = e.refine(&[0.0; 4], 1, &mut out).unwrap_err();
    assert!(error.to_string().contains("no learned refiner"), "{error}");
    let mut short = bare;
    Arc::make_mut(&mut short.generator.parameters).pop();
    let error = Engine::new(&short).err().unwrap();
    assert!(error.to_string().contains("generator has"), "{error}");
}
