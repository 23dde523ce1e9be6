//! The networks on libtorch against mathematics: densities, inverses, gradients.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::model::{
    Activation, Classifier, Coupling, Dtype, Evaluator, Flow, Generator, GeneratorKind, Knots, Mlp,
    Model, Scaling, SoftClamp, Transform,
};
use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::evaluator;

fn random(n: usize, scale: f64, stream: u64) -> Vec<f64> {
    let mut out = vec![0.0; n];
    Noise::new(1, stream, domain::INITIAL).normals(0, 0, &mut out);
    out.iter_mut().for_each(|v| *v *= scale);
    out
}

/// A flow with random parameters: nothing about it is special. Transforms that no training makes come with blocks that are inverse.
fn flow(dim: usize, blocks: usize, activation: Activation, transform: Transform) -> Flow {
    let mut order: Vec<usize> = (0..dim).collect();
    let blocks = (0..blocks)
        .map(|i| {
            order.rotate_left(1 + i % dim.max(2));
            let (active, passive) = order.split_at(1 + i % (dim - 1));
            Coupling {
                active: active.to_vec(),
                passive: passive.to_vec(),
                transform,
                inverse: i % 2 == 1 && transform != AFFINE && transform != SPLINE,
                subnet: Mlp {
                    inputs: passive.len(),
                    hidden: vec![7, 16],
                    outputs: transform.outputs_per_coordinate() * active.len(),
                    activation,
                },
            }
        })
        .collect();
    Flow {
        dim,
        conditions: 0,
        blocks,
    }
}

fn model(dim: usize, blocks: usize, activation: Activation, transform: Transform) -> Model {
    let flow = flow(dim, blocks, activation, transform);
    flow.validate().unwrap();
    // Larger ones make splines with cliffs, on which roundings count.
    let scale = match transform {
        Transform::Affine { .. } => 0.5,
        Transform::Spline { .. } => 0.25,
    };
    let scalings: Vec<Scaling> = (0..dim)
        .map(|i| match i {
            1 => Scaling::None,
            _ => Scaling::Standardise {
                mean: 3.0 - i as f64,
                std: 0.5 + i as f64,
            },
        })
        .collect();
    let network = Mlp {
        inputs: dim,
        hidden: vec![9, 5],
        outputs: 1,
        activation,
    };
    Model {
        dtype: Dtype::Float64,
        generator: Generator {
            parameters: random(flow.parameter_count().unwrap(), scale, 1).into(),
            kind: GeneratorKind::flow(flow),
            conditions: Vec::new(),
            module: Vec::new().into(),
            scalings,
        },
        classifier: Some(Classifier {
            parameters: random(network.parameter_count().unwrap(), 0.7, 2).into(),
            network,
            // Not the generator's: the pulled-back gradient must go through both.
            scalings: vec![
                Scaling::Standardise {
                    mean: 0.3,
                    std: 1.7
                };
                dim
            ],
            log_ratio_offset: 0.25,
            limits: None,
            members: 1,
            latents: 0,
        }),
        latent_classifier: None,
        refinement: None,
        names: Vec::new(),
        support: None,
        record: serde_json::Map::new(),
    }
}

const AFFINE: Transform = Transform::affine(1.5);
const SPLINE: Transform = Transform::spline(6, 2.5);

const fn clamped(soft_clamp: SoftClamp) -> Transform {
    let clamp = 1.5;
    Transform::Affine { clamp, soft_clamp }
}

const fn knotted(knots: Knots) -> Transform {
    let (bins, bound) = (6, 2.5);
    Transform::Spline { bins, bound, knots }
}

const SHAPES: [(usize, usize, Activation, Transform); 13] = [
    (2, 6, Activation::LeakyRelu { slope: 0.01 }, AFFINE),
    (2, 1, Activation::LeakyRelu { slope: 0.2 }, AFFINE),
    (3, 5, Activation::Tanh, AFFINE),
    (5, 7, Activation::LeakyRelu { slope: 0.1 }, AFFINE),
    (17, 4, Activation::Tanh, AFFINE),
    (2, 4, Activation::LeakyRelu { slope: 0.01 }, SPLINE),
    (5, 3, Activation::Tanh, SPLINE),
    (3, 4, Activation::Tanh, clamped(SoftClamp::Atan)),
    (3, 4, Activation::Tanh, clamped(SoftClamp::Softsign)),
    (3, 4, Activation::Tanh, clamped(SoftClamp::Sigmoid)),
    (3, 4, Activation::Tanh, clamped(SoftClamp::Softplus)),
    (4, 4, Activation::Tanh, knotted(Knots::Softplus)),
    (4, 4, Activation::Tanh, knotted(Knots::Softsign)),
];

fn open(model: &Model) -> Box<dyn Evaluator> {
    let mut options = Options::new();
    options.set_str("backend", "torch").unwrap();
    evaluator(model, &options).unwrap()
}

/// log |det| by LU with partial pivoting.
fn log_det(mut a: Vec<Vec<f64>>) -> f64 {
    let n = a.len();
    let mut sum = 0.0;
    for k in 0..n {
        let pivot = (k..n)
            .max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs()))
            .unwrap();
        a.swap(k, pivot);
        sum += a[k][k].abs().ln();
        let pivot_row = a[k].clone();
        for row in &mut a[k + 1..] {
            let factor = row[k] / pivot_row[k];
            row.iter_mut()
                .zip(&pivot_row)
                .skip(k)
                .for_each(|(r, p)| *r -= factor * p);
        }
    }
    sum
}

#[test]
fn the_density_is_the_numerical_jacobians() {
    for (dim, blocks, activation, transform) in SHAPES {
        let model = model(dim, blocks, activation, transform);
        let mut g = open(&model);
        for trial in 0..5 {
            let z = random(dim, 0.8, 10 + trial);
            let (mut x, mut log_p) = (vec![0.0; dim], [0.0]);
            g.generate(&z, 1, &mut x, Some(&mut log_p)).unwrap();
            // ∂x_j/∂z_i by central differences.
            let h = 1e-6;
            let jacobian = (0..dim)
                .map(|i| {
                    let at = |delta: f64| {
                        let (mut z, mut x) = (z.clone(), vec![0.0; dim]);
                        z[i] += delta;
                        open(&model).generate(&z, 1, &mut x, None).unwrap();
                        x
                    };
                    at(h)
                        .iter()
                        .zip(at(-h))
                        .map(|(a, b)| (a - b) / (2.0 * h))
                        .collect()
                })
                .collect();
            let log_normal = z
                .iter()
                .map(|z| -0.5 * (z * z + (2.0 * std::f64::consts::PI).ln()))
                .sum::<f64>();
            let expected = log_normal - log_det(jacobian);
            assert!(
                (log_p[0] - expected).abs() < 1e-6,
                "{dim} {activation:?}: {} is not {expected}",
                log_p[0]
            );
            let mut direct = [0.0];
            g.log_prob(&x, 1, &mut direct).unwrap();
            assert!(
                (direct[0] - log_p[0]).abs() < 1e-9,
                "log p of the event, and with the event, agree"
            );
        }
    }
}

#[test]
fn the_inverse_undoes_the_flow() {
    for (dim, blocks, activation, transform) in SHAPES {
        for (dtype, tolerance) in [(Dtype::Float64, 1e-10), (Dtype::Float32, 2e-3)] {
            let model = Model {
                dtype,
                ..model(dim, blocks, activation, transform)
            };
            let mut g = open(&model);
            let rows = 4096 + 77;
            let z = random(rows * dim, 1.0, 3);
            let (mut x, mut back) = (vec![0.0; rows * dim], vec![0.0; rows * dim]);
            g.generate(&z, rows, &mut x, None).unwrap();
            g.latent(&x, rows, &mut back).unwrap();
            let worst = z
                .iter()
                .zip(&back)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f64::max);
            assert!(worst < tolerance, "{dim} {dtype:?}: {worst}");
        }
    }
}

#[test]
fn latent_gradients_are_those_of_central_differences() {
    for (dim, blocks, activation, transform) in SHAPES {
        let model = model(dim, blocks, activation, transform);
        let mut e = open(&model);
        let rows = 8;
        let z = random(rows * dim, 1.0, 4);
        let (mut log_w, mut gradient) = (vec![0.0; rows], vec![0.0; rows * dim]);
        e.log_weight_gradient(&z, rows, &mut log_w, &mut gradient)
            .unwrap();
        let mut weigh = |z: &[f64]| {
            let (mut x, mut l) = (vec![0.0; rows * dim], vec![0.0; rows]);
            e.generate(z, rows, &mut x, None).unwrap();
            e.log_weight(&x, rows, &mut l).unwrap();
            l
        };
        for (a, b) in log_w.iter().zip(weigh(&z)) {
            assert!(
                (a - b).abs() < 1e-9,
                "log w(z) = log w(g(z)): {a} is not {b}"
            );
        }
        let h = 1e-6;
        for k in 0..dim {
            let shifted = |delta: f64| -> Vec<f64> {
                z.iter()
                    .enumerate()
                    .map(|(i, z)| if i % dim == k { z + delta } else { *z })
                    .collect()
            };
            let (up, down) = (weigh(&shifted(h)), weigh(&shifted(-h)));
            for row in 0..rows {
                let expected = (up[row] - down[row]) / (2.0 * h);
                let got = gradient[row * dim + k];
                assert!(
                    (got - expected).abs() < 1e-5 * (1.0 + expected.abs()),
                    "{dim}: {got} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn samples_have_the_density_that_the_flow_claims() {
    // Events of a random flow, counted in cells, against its own density integrated over them.
    let model = model(2, 6, Activation::Tanh, AFFINE);
    let mut g = open(&model);
    let n = 400_000;
    let mut z = vec![0.0; 2 * n];
    Noise::new(5, 0, domain::LATENT).fill_normals(0, n, 2, &mut z);
    let mut x = vec![0.0; 2 * n];
    g.generate(&z, n, &mut x, None).unwrap();
    // Cells around the bulk of the events.
    let mut range = [[0.0; 2]; 2];
    for (k, range) in range.iter_mut().enumerate() {
        let mut column: Vec<f64> = x.iter().skip(k).step_by(2).copied().collect();
        column.sort_by(f64::total_cmp);
        *range = [column[n / 50], column[n - n / 50]];
    }
    const CELLS: usize = 20;
    const FINE: usize = 12;
    let width = |k: usize| (range[k][1] - range[k][0]) / CELLS as f64;
    let mut counts = vec![0.0; CELLS * CELLS];
    for x in x.chunks_exact(2) {
        let cell: Vec<i64> = (0..2)
            .map(|k| ((x[k] - range[k][0]) / width(k)).floor() as i64)
            .collect();
        if cell.iter().all(|&c| (0..CELLS as i64).contains(&c)) {
            counts[cell[0] as usize * CELLS + cell[1] as usize] += 1.0;
        }
    }
    let points = CELLS * FINE;
    let at = |k: usize, i: usize| range[k][0] + (i as f64 + 0.5) * width(k) / FINE as f64;
    let grid: Vec<f64> = (0..points * points)
        .flat_map(|i| [at(0, i / points), at(1, i % points)])
        .collect();
    let mut log_p = vec![0.0; points * points];
    g.log_prob(&grid, points * points, &mut log_p).unwrap();
    let area = width(0) * width(1) / (FINE * FINE) as f64;
    let mut expected = vec![0.0; CELLS * CELLS];
    for (i, l) in log_p.iter().enumerate() {
        expected[i / points / FINE * CELLS + i % points / FINE] += n as f64 * l.exp() * area;
    }
    let cells: Vec<f64> = counts
        .iter()
        .zip(&expected)
        .filter(|(_, e)| **e > 20.0)
        .map(|(c, e)| (c - e).powi(2) / e)
        .collect();
    assert!(cells.len() > 100, "{}", cells.len());
    let chi2 = cells.iter().sum::<f64>() / cells.len() as f64;
    // One per cell, within five standard deviations and the quadrature's error.
    assert!(
        (0.6..1.4).contains(&chi2),
        "χ² per cell is {chi2} over {} cells",
        cells.len()
    );
}

#[test]
fn precisions_agree() {
    let double = model(5, 7, Activation::LeakyRelu { slope: 0.01 }, AFFINE);
    let single = Model {
        dtype: Dtype::Float32,
        ..double.clone()
    };
    let z = random(5 * 100, 1.0, 6);
    let run = |model: &Model| {
        let (mut x, mut l) = (vec![0.0; 500], vec![0.0; 100]);
        open(model).generate(&z, 100, &mut x, None).unwrap();
        open(model).log_weight(&x, 100, &mut l).unwrap();
        (x, l)
    };
    let ((x64, l64), (x32, l32)) = (run(&double), run(&single));
    for (a, b) in x64.iter().zip(&x32).chain(l64.iter().zip(&l32)) {
        assert!((a - b).abs() < 1e-3 * (1.0 + a.abs()), "{a}, {b}");
    }
    assert_ne!(x64, x32);
}

#[test]
#[ignore = "needs a GPU: CUDA=1 make test"]
fn cuda_agrees_with_the_cpu() {
    for (dim, blocks, activation, transform) in SHAPES {
        let model = model(dim, blocks, activation, transform);
        let rows = 5000;
        let z = random(rows * dim, 0.8, 7);
        let run = |device: &str| {
            let mut options = Options::new();
            options.set_str("backend", "torch").unwrap();
            options.set_str("device", device).unwrap();
            let mut e = evaluator(&model, &options).unwrap();
            let (mut x, mut back, mut gradient) = (
                vec![0.0; rows * dim],
                vec![0.0; rows * dim],
                vec![0.0; rows * dim],
            );
            let (mut log_p, mut log_w) = (vec![0.0; rows], vec![0.0; rows]);
            e.generate(&z, rows, &mut x, Some(&mut log_p)).unwrap();
            e.latent(&x, rows, &mut back).unwrap();
            e.log_weight_gradient(&z, rows, &mut log_w, &mut gradient)
                .unwrap();
            [x, back, gradient, log_p, log_w].concat()
        };
        // Double precision: they differ by the order of sums alone.
        for (cpu, cuda) in run("cpu").iter().zip(run("cuda")) {
            assert!(
                (cpu - cuda).abs() < 1e-8 * (1.0 + cpu.abs()),
                "{dim}: {cpu}, {cuda}"
            );
        }
    }
}
