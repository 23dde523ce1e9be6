//! What is remarkable about columns, on samples that are made to have it.

use super::edges::{abrupt, edges, orders, MANY};
use super::*;
use crate::noise::{domain, Noise};
use std::f64::consts::PI;

const ROWS: usize = 10_000;

fn uniforms(columns: usize) -> Vec<f64> {
    let mut u = vec![0.0; columns * ROWS];
    Noise::new(3, 0, domain::PILOT).fill_uniforms(0, ROWS, columns, &mut u);
    u
}

fn traits(x: &[f64], columns: usize) -> Vec<Trait> {
    inspect(x, columns, &vec![Scaling::None; columns]).unwrap()
}

#[test]
fn independent_features_have_nothing_remarkable() {
    for columns in [1, 2, 6, 20] {
        assert_eq!(traits(&uniforms(columns), columns), []);
    }
    // Strongly correlated, but not a function.
    let x: Vec<f64> = uniforms(3)
        .chunks_exact(3)
        .flat_map(|u| [u[0], u[0] + 0.2 * u[1], u[2]])
        .collect();
    assert_eq!(traits(&x, 3), []);
}

/// One event in 200 exactly at 1: far from all others in logits, and too few to pile up.
#[test]
fn events_on_the_bound_of_a_logit_are_seen() {
    let logit = |high: f64| Scaling::Logit {
        low: 0.0,
        high,
        mean: 0.0,
        std: 1.0,
    };
    let mut x = uniforms(1);
    assert_eq!(inspect(&x, 1, &[logit(1.0)]).unwrap(), []);
    x.iter_mut().step_by(200).for_each(|x| *x = 1.0);
    let on = Trait::OnBound {
        column: 0,
        value: 1.0,
        share: 0.005,
    };
    assert_eq!(inspect(&x, 1, &[logit(1.0)]).unwrap(), [on]);
    assert_eq!(inspect(&x, 1, &[logit(1.001)]).unwrap(), []);
    // It is a spike elsewhere.
    assert!(matches!(traits(&x, 1)[..], [Trait::PileUp { .. }]));
}

#[test]
fn an_angle_between_two_others_is_seen_though_it_is_wrapped() {
    // Six features: four of their own, the angle between the second and the third, and one more.
    let x: Vec<f64> = uniforms(5)
        .chunks_exact(5)
        .flat_map(|u| {
            let (a, b) = (2.0 * PI * u[1], 2.0 * PI * u[2]);
            let between = (a - b + PI).rem_euclid(2.0 * PI) - PI;
            [u[0], a, b, u[3], between, u[4]]
        })
        .collect();
    let found = traits(&x, 6);
    let columns: Vec<usize> = found
        .iter()
        .map(|t| match t {
            Trait::Dependent { column, spread } if *spread < 0.001 => *column,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        columns,
        [1, 2, 4],
        "each of the three is a function of the others"
    );
}

/// Momenta of two particles, normal with long tails, from uniforms.
fn momenta(u: &[f64]) -> Vec<[f64; 3]> {
    let normal = |a: f64, b: f64| (-2.0 * (1.0 - a).ln()).sqrt() * (2.0 * PI * b).cos();
    let of = |u: &[f64]| {
        let size = 40.0 / (1.05 - u[6]);
        [0, 2, 4].map(|i| size * normal(u[i], u[i + 1]))
    };
    u.chunks_exact(7).map(of).collect()
}

#[test]
fn energies_of_momenta_and_sums_are_seen_among_many_columns() {
    let masses = [0.14, 1.3];
    // E, p and m of the first of two particles, E and p of the other, and a feature of neither.
    let energy = |p: &[f64; 3], m: f64| (p.iter().map(|p| p * p).sum::<f64>() + m * m).sqrt();
    let x: Vec<f64> = uniforms(16)
        .chunks_exact(16)
        .flat_map(|u| {
            let p = momenta(&u[..14]);
            let m = masses[0] + 5.0 * u[14];
            let first = [energy(&p[0], m), p[0][0], p[0][1], p[0][2], m];
            let second = [energy(&p[1], masses[1]), p[1][0], p[1][1], p[1][2]];
            [&first[..], &second, &[u[15]]].concat()
        })
        .collect();
    let found = traits(&x, 10);
    let columns: Vec<usize> = found.iter().map(Trait::column).collect();
    // Momenta of either sign are known but for that.
    assert!(columns.contains(&0) && columns.contains(&5), "{found:?}");
    assert!(
        ![1, 2, 3, 6, 7, 8, 9].iter().any(|c| columns.contains(c)),
        "{found:?}"
    );

    // Six transverse momenta and their sum.
    let sum = |x: &mut Vec<f64>| x.push(x.iter().sum());
    let x: Vec<f64> = uniforms(6)
        .chunks_exact(6)
        .flat_map(|u| {
            let mut x: Vec<f64> = u.iter().map(|u| -30.0 * (1.0 - u).ln()).collect();
            sum(&mut x);
            x
        })
        .collect();
    let found = traits(&x, 7);
    assert!(
        found
            .iter()
            .any(|t| matches!(t, Trait::Dependent { column: 6, spread } if *spread < 1e-6)),
        "{found:?}"
    );
}

/// Momenta, angles and masses that have tails and correlations, but no relation.
#[test]
fn independent_momenta_are_functions_of_nothing() {
    for particles in [1, 2, 5, 9] {
        let x: Vec<f64> = uniforms(7 * particles)
            .chunks_exact(7 * particles)
            .flat_map(|u| momenta(u).concat())
            .collect();
        assert_eq!(traits(&x, 3 * particles), []);
        // Transverse momenta in falling order.
        let falling: Vec<f64> = uniforms(2 * particles)
            .chunks_exact(2 * particles)
            .flat_map(|u| {
                let mut pt: Vec<f64> = u[..particles].iter().map(|u| 20.0 / (1.02 - u)).collect();
                pt.sort_by(|a, b| b.total_cmp(a));
                pt.extend(u[particles..].iter().map(|u| 2.0 * PI * u - PI));
                pt
            })
            .collect();
        assert_eq!(traits(&falling, 2 * particles), []);
    }
}

#[test]
fn functions_that_bend_are_seen_too() {
    let x: Vec<f64> = uniforms(2)
        .chunks_exact(2)
        .flat_map(|u| [u[0], u[1], (3.0 * u[0]).sin() * (1.0 + u[1])])
        .collect();
    let found = traits(&x, 3);
    assert!(
        found
            .iter()
            .any(|t| matches!(t, Trait::Dependent { column: 2, .. })),
        "{found:?}"
    );
}

#[test]
fn a_discrete_column_that_another_tells_is_named() {
    let x: Vec<f64> = uniforms(3)
        .chunks_exact(3)
        .flat_map(|u| {
            let count = (9.0 * u[0]).floor();
            let other = (3.0 * u[1]).floor();
            [
                count,
                2.0 * count + 1.0,
                other,
                f64::from(count > 4.0),
                u[2],
            ]
        })
        .collect();
    let integer = Scaling::Integer {
        low: None,
        mean: 0.0,
        std: 1.0,
    };
    let mut scalings = vec![integer; 4];
    scalings.push(Scaling::None);
    let found = inspect(&x, 5, &scalings).unwrap();
    // Two cells that are nearly always empty, and one without the other.
    let cells: Vec<f64> = uniforms(2)
        .chunks_exact(2)
        .flat_map(|u| [0.0f64.max(u[0] - 0.95), 0.0f64.max(u[0] - 0.97) * u[1]])
        .collect();
    let zeros = Scaling::Zeros {
        low: 0.0,
        width: Some(1.0),
        edge: 0.0,
        mean: 0.0,
        std: 1.0,
    };
    assert_eq!(inspect(&cells, 2, &[zeros.clone(), zeros]).unwrap(), []);
    let columns: Vec<usize> = found
        .iter()
        .map(|t| match t {
            Trait::Dependent { column, .. } => *column,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(columns, [1, 3]);
}

#[test]
fn hints_fit_the_values() {
    let x: Vec<f64> = uniforms(2)
        .chunks_exact(2)
        .flat_map(|u| {
            [
                if u[0] < 0.5 { -1.0 } else { 1.0 },
                (80.0 * u[1]).floor() + 2.0,
            ]
        })
        .collect();
    let found = traits(&x, 2);
    let words: Vec<String> = found
        .iter()
        .map(|f| f.describe(&[], Subject::Generator))
        .collect();
    assert!(words[0].contains("`integer(-1:1)`"), "{}", words[0]);
    assert!(words[1].contains("`integer(2:)`"), "{}", words[1]);
}

#[test]
fn marks_of_missing_values_are_seen() {
    let feature = |mark: f64, every: usize, times: usize| -> Vec<f64> {
        let normals = uniforms(1).into_iter().enumerate();
        let marked = |row: usize| row.is_multiple_of(every) && row / every < times;
        normals
            .map(|(row, u)| {
                if marked(row) {
                    mark
                } else {
                    -(1.0 - u).ln() * 30.0 + 20.0
                }
            })
            .collect()
    };
    for (mark, every, times) in [(-999.0, 500, 20), (9999.0, 100, 3), (-1000.0, 3, ROWS)] {
        let x = feature(mark, every, times);
        let found = traits(&x, 1);
        let share = x.iter().filter(|x| **x == mark).count() as f64 / ROWS as f64;
        let known = Trait::Mark {
            column: 0,
            value: mark,
            share,
        };
        assert_eq!(found, [known]);
        let text = found[0].describe(&["pt".into()], Subject::Events);
        assert!(text.starts_with(&format!("`pt` is {mark} in ")), "{text}");
    }
    // Several marks, and one beside outliers at either end.
    let told = |others: &[f64]| {
        let mut x = feature(-999.0, 500, 20);
        x.iter_mut().zip(others).for_each(|(x, other)| *x = *other);
        let marks = traits(&x, 1).into_iter().map(|found| match found {
            Trait::Mark { value, .. } => value,
            other => panic!("{other:?}"),
        });
        marks.collect::<Vec<_>>()
    };
    assert_eq!(told(&[-9999.0; 4]), [-9999.0, -999.0]);
    assert_eq!(told(&[9999.0; 4]), [-999.0, 9999.0]);
    assert_eq!(told(&[-2000.0, 5000.0, 1e30]), [-999.0]);
    // Single outliers are no marks, nor is what lies no further out than others do: it piles up, if it is met often enough.
    assert_eq!(traits(&feature(-999.0, 500, 2), 1), []);
    let pile = |value: f64, lowest: bool| Trait::PileUp {
        column: 0,
        value,
        share: 0.002,
        lowest,
    };
    assert_eq!(traits(&feature(0.0, 500, 20), 1), [pile(0.0, true)]);
    assert_eq!(traits(&feature(50.0, 500, 20), 1), [pile(50.0, false)]);
    assert_eq!(traits(&feature(0.0, 500, 9), 1), []);
    let narrow: Vec<f64> = uniforms(1)
        .iter()
        .map(|u| (u * 4.0).floor() - 2.0)
        .collect();
    assert!(matches!(traits(&narrow, 1)[..], [Trait::Discrete { .. }]));
}

/// Of 10 000 events, by which a value is met a few times by chance alone.
#[test]
fn spikes_are_told_from_copies_and_rounding() {
    // One event, thirty times.
    let mut x = uniforms(2);
    for row in 0..30 {
        x.copy_within(0..2, 200 * row);
    }
    assert_eq!(traits(&x, 2), []);
    // As many values of one feature.
    for row in 0..30 {
        x[200 * row + 1] = 0.001 * row as f64;
    }
    let found = traits(&x, 2);
    assert!(
        matches!(found[..], [Trait::PileUp { column: 0, share, lowest: false, .. }] if share == 0.003),
        "{found:?}"
    );
    assert!(found[0].of_generators());
    // Steep spectra that were written with two and with three decimals, and a jagged one with three digits.
    let normal = crate::model::normal_quantile;
    let digits: [&dyn Fn(f64) -> f64; 3] = [
        &|u| (-3000.0 * u.ln()).round() / 100.0,
        &|u| (1000.0 * normal(u).exp()).round() / 1000.0,
        &|u| {
            let pt = 20.0 - 30.0 * u.ln();
            if pt < 100.0 {
                (10.0 * pt).round() / 10.0
            } else {
                pt.round()
            }
        },
    ];
    for rounded in digits {
        let x: Vec<f64> = uniforms(1).into_iter().map(rounded).collect();
        assert_eq!(traits(&x, 1), []);
    }
}

#[test]
fn whole_numbers_are_seen_however_many_there_are() {
    let of = |feature: &dyn Fn(f64) -> f64| -> Vec<Trait> {
        let x: Vec<f64> = uniforms(1).into_iter().map(feature).collect();
        traits(&x, 1)
    };
    let counts: [(&dyn Fn(f64) -> f64, f64); 4] = [
        (&|u| (500.0 * u).floor(), 0.0),
        (&|u| (20_000.0 * u).floor() - 70.0, -70.0),
        // The most common are met more often than others.
        (&|u| (-70.0 * u.ln()).floor(), 0.0),
        (&|u| (20.0 * u.powf(-0.5)).floor(), 20.0),
    ];
    for (count, lowest) in counts {
        let found = of(count);
        let [Trait::Whole { low, .. }] = found[..] else {
            panic!("{found:?}");
        };
        assert!((lowest..lowest + 5.0).contains(&low), "{low}");
        let told = found[0].describe(&["n".into()], Subject::Generator);
        assert!(told.contains(&format!("`integer({low}:)`")), "{told}");
        assert!(found[0].of_generators());
    }
    // Numbers of events, numbers without fractions, and a rest of others.
    let mut numbers = 0..ROWS;
    let numbers: Vec<f64> = numbers.by_ref().map(|n| n as f64).collect();
    assert_eq!(traits(&numbers, 1), []);
    assert_eq!(of(&|u| f64::from(1e12 * u as f32)), []);
    assert_eq!(
        of(&|u| if u < 0.001 { u } else { (5000.0 * u).floor() }),
        []
    );
    // Often zero besides.
    let found = of(&|u| (9000.0 * u - 3000.0).max(0.0).floor());
    assert!(
        matches!(
            found[..],
            [Trait::PileUp { lowest: true, .. }, Trait::Whole { .. }]
        ),
        "{found:?}"
    );
}

/// What is told of orders, of four columns that are functions of four uniform ones; the last is a condition.
fn orders_of(features: impl Fn(&[f64]) -> [f64; 4]) -> Option<String> {
    let u = uniforms(4);
    let x: Vec<f64> = u.chunks_exact(4).flat_map(features).collect();
    let names = ["pt1", "pt 2", "x0", "E"].map(String::from);
    orders(&x, 4, 3, &names).unwrap()
}

#[test]
fn orders_are_told_with_the_support_that_keeps_them() {
    let spectrum = |u: f64| 25.0 - 30.0 * u.ln();
    let sorted = |u: &[f64], n: usize| {
        let mut x = [u[0], u[1], u[2], u[3]].map(spectrum);
        x[..n].sort_unstable_by(|a, b| b.total_cmp(a));
        x
    };
    let told = orders_of(|u| sorted(u, 3)).unwrap();
    let formula = "pt1 >= {pt 2} and {pt 2} >= {x0}";
    assert!(told.contains(&format!("\"{formula}\" keeps it")), "{told}");
    let names = ["pt1", "pt 2", "x0", "E"].map(String::from);
    assert!(crate::formula::Formula::condition(formula, 4, &names).is_ok());
    // The third is often missing; with a condition.
    let missing = |u: &[f64]| {
        let [a, b, c, e] = sorted(u, 3);
        [a, b, if u[3] < 0.4 { 0.0 } else { c }, a + e - 25.0]
    };
    let told = orders_of(missing).unwrap();
    assert!(told.contains("{pt 2} >= {x0} and E >= pt1\""), "{told}");
    let part = orders_of(|u| [u[0] * u[3], 2.0 + u[1], -1.0 + 3.0 * u[2], u[3]]).unwrap();
    assert!(part.contains("\"E >= pt1\""), "{part}");
}

#[test]
fn what_is_never_near_or_only_by_chance_in_order_is_none() {
    let normal = crate::model::normal_quantile;
    type Features<'a> = &'a dyn Fn(&[f64]) -> [f64; 4];
    let none: [Features; 5] = [
        &|u| [u[0], u[1], u[2], u[3]],
        // Ranges apart, or hardly not.
        &|u| [u[0], 1.0 + u[1], 1.999 + u[2], 5.0],
        // Correlated, five standard deviations apart.
        &|u| {
            [
                3.0 * normal(u[0]),
                3.0 * normal(u[0]) + 5.0 + normal(u[1]),
                u[2],
                -1.0,
            ]
        },
        // The same twice, and nearly in order.
        &|u| [u[0], u[0], u[2], u[3]],
        &|u| [u[0].max(u[1]), u[0].min(u[1]) + 0.001 * u[2], u[2], u[3]],
    ];
    for features in none {
        assert_eq!(orders_of(features), None);
    }
}

#[test]
fn repeated_values_are_counted() {
    let x: Vec<f64> = uniforms(3)
        .chunks_exact(3)
        .flat_map(|u| {
            [
                if u[0] < 0.37 { 0.0 } else { u[0] },
                (60.0 * u[1]).floor(),
                u[2],
            ]
        })
        .collect();
    let found = traits(&x, 3);
    assert_eq!(
        found[1],
        Trait::Discrete {
            column: 1,
            values: 60,
            whole: true,
            range: (0.0, 59.0),
        }
    );
    let Trait::PileUp {
        column: 0,
        value,
        share,
        lowest: true,
    } = found[0]
    else {
        panic!("{found:?}")
    };
    assert!(value == 0.0 && (share - 0.37).abs() < 0.02);
    assert!(found[0]
        .describe(&[], Subject::Generator)
        .contains("exactly 0 in 3"));
    assert_eq!(found.len(), 2);
    assert_eq!(traits(&x[..300], 3), [], "too few to tell");
}

/// What is told of a feature that is a function of a uniform one.
fn edges_of(feature: impl Fn(f64) -> f64) -> Option<String> {
    let x: Vec<f64> = uniforms(1).into_iter().map(feature).collect();
    edges(&x, 1, &[Scaling::None], &["pt".into()]).unwrap()
}

#[test]
fn abrupt_edges_are_told_with_the_number_they_are_at() {
    for (low, width) in [
        (20.0, 35.0),
        (-3.5, 0.2),
        (0.0, 1e-4),
        (1234.0, 5000.0),
        (0.25, 90.0),
    ] {
        let told = edges_of(|u| low - width * u.ln()).unwrap();
        let hint = format!("`pt` ends at {low} (a cut? `log({low})`)");
        assert!(told.contains(&hint), "{told}");
    }
    let told = edges_of(|u| 2.4 + 3.0 * u.ln()).unwrap();
    assert!(
        told.contains("`pt` ends at 2.4 (a cut? `log(-2.4)` for its negative)"),
        "{told}"
    );
    let told = edges_of(|u| 5.0 * u - 2.5).unwrap();
    assert!(
        told.contains("`pt` ends at -2.5 and 2.5 (`logit(-2.5:2.5)`)"),
        "{told}"
    );
    for (word, from) in [("-pi:pi", -PI), ("0:2pi", 0.0)] {
        let told = edges_of(|u| from + 2.0 * PI * u).unwrap();
        assert!(told.contains(&format!("`periodic({word})`")), "{told}");
    }
    // |η| of a normal one, and a density with a pole.
    assert!(edges_of(|u| crate::model::normal_quantile(u).abs()).is_some());
    assert!(edges_of(|u| u * u).is_some());
}

#[test]
fn zeros_of_both_signs_are_one_value() {
    let told = edges_of(|u| 35.0 * u.ln()).unwrap();
    assert!(told.contains("ends at 0 (a cut? `log(0)`"), "{told}");
    // A pile at 0, half of it negative.
    let x: Vec<f64> = uniforms(1)
        .iter()
        .enumerate()
        .map(|(i, u)| [-0.0, 0.0, u - 0.5, u - 0.5][i % 4])
        .collect();
    let found = traits(&x, 1);
    let told = found.iter().map(|t| t.describe(&[], Subject::Generator));
    let told: Vec<String> = told.collect();
    assert!(
        told.len() == 1 && told[0].contains("is exactly 0 in 50.0 %"),
        "{told:?}"
    );
    // A column that is not known by another, whatever the order of its zeros.
    let rows = [
        [-0.0, 5.0],
        [-0.0, 6.0],
        [-0.0, 6.0],
        [0.0, 0.0],
        [0.0, 5.0],
        [1.0, 5.0],
    ];
    let x = rows.concat().repeat(ROWS / 6);
    assert!(traits(&x, 2)
        .iter()
        .all(|t| matches!(t, Trait::Discrete { .. })));
}

#[test]
fn smooth_tails_and_bounded_scalings_have_no_edges() {
    let normal = crate::model::normal_quantile;
    let tails: [(&str, &dyn Fn(f64) -> f64); 7] = [
        ("normal", &normal),
        ("log-normal", &|u| normal(u).exp()),
        ("Cauchy", &|u| (PI * (u - 0.5)).tan()),
        ("Student, two degrees", &|u| {
            (2.0 * u - 1.0) / (2.0 * u * (1.0 - u)).sqrt()
        }),
        ("logistic", &|u| (u / (1.0 - u)).ln()),
        ("Gumbel", &|u| -(-u.ln()).ln()),
        ("linear at its ends", &|u| {
            if u < 0.5 {
                (2.0 * u).sqrt()
            } else {
                2.0 - (2.0 - 2.0 * u).sqrt()
            }
        }),
    ];
    for (name, feature) in tails {
        assert_eq!(edges_of(feature), None, "{name}");
    }
    let x = uniforms(1);
    let log = Scaling::Log {
        low: 0.0,
        mean: 0.0,
        std: 1.0,
    };
    assert_eq!(abrupt(&x, 1, &[log]).unwrap(), []);
    assert_eq!(abrupt(&x[..MANY - 1], 1, &[Scaling::None]).unwrap(), []);
    // One value of many events is a pile.
    assert_eq!(edges_of(|u| (normal(u) + 1.0).max(0.0)), None);
}

#[test]
fn codes_that_lie_far_out_are_no_marks() {
    let of = |values: &[f64]| -> Vec<f64> {
        let place = |u: &f64| values[(u * values.len() as f64) as usize];
        uniforms(1).iter().map(place).collect()
    };
    for codes in [&[-1.0, -2.0, 1.0, 2.0, 5.0, 21.0][..], &[0.0, 1.0, 3.0]] {
        let found = traits(&of(codes), 1);
        assert!(matches!(found[..], [Trait::Discrete { .. }]), "{found:?}");
    }
    // Counts with a mark.
    let found = traits(&of(&[0.0, 1.0, 2.0, 3.0, -999.0]), 1);
    assert!(
        matches!(found[..], [Trait::Mark { value: -999.0, .. }]),
        "{found:?}"
    );
}

#[test]
fn gaps_above_zeros_are_told_with_the_support_that_closes_them() {
    let scaling = |low| Scaling::Zeros {
        low,
        width: None,
        edge: 0.0,
        mean: 0.0,
        std: 1.0,
    };
    // Half of them are `low`, the others fall exponentially from `next` on.
    let found = |low: f64, next: f64| {
        let value = |u: &f64| match *u < 0.5 {
            true => low,
            false => next - 30.0 * (2.0 * (1.0 - u)).ln(),
        };
        let x: Vec<f64> = uniforms(1).iter().map(value).collect();
        inspect(&x, 1, &[scaling(low)]).unwrap()
    };
    for low in [0.0, -999.0] {
        let [Trait::Gap {
            column: 0,
            low: told,
            next,
        }] = found(low, 20.0)[..]
        else {
            panic!("{low}");
        };
        assert!(told == low && (20.0..20.1).contains(&next), "{told} {next}");
        let text = found(low, 20.0)[0].describe(&["pt".into()], Subject::Generator);
        assert!(
            text.contains(&format!("\"pt == {low} or pt >= {next}\"")),
            "{text}"
        );
    }
    assert_eq!(found(0.0, 0.5), []);
}

#[test]
fn features_that_are_called_as_weights_are_told() {
    #[derive(Default)]
    struct Told(std::cell::RefCell<Vec<String>>);
    impl Hooks for Told {
        fn warn(&self, _: &'static str, message: &str) -> Result<()> {
            self.0.borrow_mut().push(message.into());
            Ok(())
        }
    }
    let told = Told::default();
    let names = ["pt", "Event_Weight", "height"].map(String::from);
    weights_among(&names, &told).unwrap();
    let told = told.0.take();
    assert!(
        told.len() == 1 && told[0].contains("`Event_Weight` is trained as a feature"),
        "{told:?}"
    );
}
