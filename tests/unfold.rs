//! Unfolding, judged by truths that are known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::{
    unfold, EventSource, Reweighter, Source, Unfolded, Weights, PAIR_GENERATED, PAIR_RECONSTRUCTED,
};
use laser::train::{Hooks, Level, Progress};
use laser::{Error, Result, Rows, RowsMut};
use std::cell::{Cell, RefCell};

const BOTH: i32 = PAIR_GENERATED | PAIR_RECONSTRUCTED;

fn options(settings: &[(&str, f64)]) -> Options {
    let json = r#"{"preset": "fast", "validation.fraction": 0.2, "unfold": {"epochs": 2},
        "classifier": {"layers": 2, "units": 32, "epochs": 4, "steps": 100, "batch": 1000, "lr": 0.005}}"#;
    let mut options = Options::from_json(json).unwrap();
    for &(key, value) in settings {
        match value.fract() == 0.0 {
            true => options.set_i64(key, value as i64).unwrap(),
            false => options.set_f64(key, value).unwrap(),
        }
    }
    options
}

fn array<'a>(x: &'a [f64], dim: usize, w: Option<&'a [f64]>) -> Source<'a> {
    Source::from_rows(Rows::packed(x, dim).unwrap(), w).unwrap()
}

fn normals(stream: u64, rows: usize, dim: usize) -> Vec<f64> {
    let mut x = vec![0.0; rows * dim];
    Noise::new(77, stream, domain::LATENT).fill_normals(0, rows, dim, &mut x);
    x
}

fn uniforms(stream: u64, rows: usize, dim: usize) -> Vec<f64> {
    let mut x = vec![0.0; rows * dim];
    Noise::new(77, stream, domain::ACCEPT).fill_uniforms(0, rows, dim, &mut x);
    x
}

#[derive(Default)]
struct Log(RefCell<Vec<(String, String)>>);

impl Log {
    fn warnings(&self, about: &str) -> Vec<String> {
        let all = self.0.borrow();
        let those = all.iter().filter(|(of, _)| of == about);
        those.map(|(_, message)| message.clone()).collect()
    }
}

impl Hooks for Log {
    fn warn(&self, about: &'static str, message: &str) -> Result<()> {
        println!("{about}: {message}");
        self.0.borrow_mut().push((about.into(), message.into()));
        Ok(())
    }

    fn log(&self, _: Level, message: &str) -> Result<()> {
        println!("{message}");
        self.0.borrow_mut().push(("log".into(), message.into()));
        Ok(())
    }
}

fn number(unfolded: &Unfolded, key: &str) -> f64 {
    let record = &unfolded.reweighter.record["unfolding"];
    record
        .pointer(&format!("/{key}"))
        .unwrap()
        .as_f64()
        .unwrap()
}

fn verdict(unfolded: &Unfolded) -> &str {
    let judgement = &unfolded.reweighter.record["judgement"];
    judgement["verdict"].as_str().unwrap()
}

/// Weighted mean and standard deviation of one of the columns.
fn moments(x: &[f64], (column, dim): (usize, usize), w: &[f64]) -> (f64, f64) {
    let values = || x.iter().skip(column).step_by(dim).zip(w);
    let total: f64 = w.iter().sum();
    let mean = values().map(|(x, w)| x * w).sum::<f64>() / total;
    let square = values().map(|(x, w)| w * (x - mean).powi(2)).sum::<f64>() / total;
    (mean, square.sqrt())
}

/// The Gaussian example of the package `omnifold`: the truth is N(0.2, 0.8), the simulation N(0, 1), the detector adds N(0, 0.5).
struct Gaussian {
    t: Vec<f64>,
    x: Vec<f64>,
    truth: Vec<f64>,
    data: Vec<f64>,
}

impl Gaussian {
    fn new(rows: usize, stream: u64) -> Self {
        let smear = |t: &[f64], stream| -> Vec<f64> {
            let noise = normals(stream, t.len(), 1);
            t.iter().zip(noise).map(|(t, z)| t + 0.5 * z).collect()
        };
        let t = normals(stream, rows, 1);
        let truth: Vec<f64> = normals(stream + 1, rows, 1)
            .iter()
            .map(|z| 0.2 + 0.8 * z)
            .collect();
        Gaussian {
            x: smear(&t, stream + 2),
            data: smear(&truth, stream + 3),
            t,
            truth,
        }
    }

    fn unfold(&self, options: &Options, hooks: &dyn Hooks) -> Result<Unfolded> {
        unfold(
            &array(&self.t, 1, None),
            &array(&self.x, 1, None),
            &array(&self.data, 1, None),
            None,
            options,
            hooks,
        )
    }
}

#[test]
fn the_gaussian_example_closes() {
    let example = Gaussian::new(50_000, 1);
    let log = Log::default();
    let unfolded = example.unfold(&options(&[]), &log).unwrap();
    let (mean, width) = moments(&example.t, (0, 1), &unfolded.w);
    println!("mean {mean:.4}, width {width:.4}");
    assert!((mean - 0.2).abs() < 0.02 && (width - 0.8).abs() < 0.03);
    // In events of the data, all of them.
    let total: f64 = unfolded.w.iter().sum();
    assert!((total - 50_000.0).abs() < 1e-6 * total, "{total}");
    assert!((number(&unfolded, "total") - total).abs() < 1e-9 * total);
    assert_eq!(number(&unfolded, "data"), 50_000.0);
    assert_eq!(number(&unfolded, "fakes"), 0.0);
    assert!((number(&unfolded, "efficiency") - 1.0).abs() < 1e-12);
    assert_eq!(number(&unfolded, "iterations"), 5.0);
    let chi = ["before", ""].map(|when| {
        number(
            &unfolded,
            &format!(
                "detector/chi_square{}{when}",
                if when.is_empty() { "" } else { "_" }
            ),
        )
    });
    println!(
        "χ² per bin {chi:?}, {}",
        number(&unfolded, "mean_chi_square")
    );
    assert!(chi[0] > 5.0 && chi[1] < 2.0);
    assert!(number(&unfolded, "mean_chi_square") < 0.5);
    assert_eq!(verdict(&unfolded), "usable");
    let truth = moments(&example.truth, (0, 1), &vec![1.0; 50_000]);
    println!("truth {truth:?}");
}

/// A toy with everything: events are reconstructed by an efficiency that rises with t, some reconstructed ones have no particle level, the
/// data have a background, and the weights of the simulation are in another unit than events.
struct Toy {
    t: Vec<f64>,
    x: Vec<f64>,
    v: Vec<f64>,
    u: Vec<f64>,
    flags: Vec<i32>,
    truth: Vec<f64>,
    data: Vec<f64>,
    d: Vec<f64>,
}

/// What stands where an event has no such level.
const MISSING: f64 = -999.0;

impl Toy {
    fn new(events: usize, simulated: usize) -> Self {
        const SCALE: f64 = 1.1;
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        let efficiency = |t: f64| 0.2 + 0.6 * logistic(2.0 * (t - 0.5));
        let fake = |x: f64| 0.3 * logistic(x);
        let detect =
            |t: &[f64],
             stream: u64,
             scale: f64,
             mut take: Box<dyn FnMut(usize, Option<f64>, bool) + '_>| {
                let (z, u) = (normals(stream, t.len(), 2), uniforms(stream, t.len(), 2));
                for (row, &t) in t.iter().enumerate() {
                    let x = t + 0.4 * z[2 * row];
                    let seen = u[2 * row] < efficiency(t) / scale;
                    take(row, seen.then_some(x), false);
                    // Something else that looks the same, by a share that depends on what is seen alone.
                    if seen && u[2 * row + 1] < fake(x) {
                        take(row, Some(x + 0.01 * z[2 * row + 1]), true);
                    }
                }
            };
        let truth: Vec<f64> = normals(11, events, 1)
            .iter()
            .map(|z| 0.8 + 0.8 * z)
            .collect();
        let mut data = Vec::new();
        detect(&truth, 12, 1.0, Box::new(|_, x, _| data.extend(x)));
        // 5 000 events of background, known by five times as many.
        let background =
            |stream, rows: usize| normals(stream, rows, 1).into_iter().map(|z| -0.5 + 0.7 * z);
        data.extend(background(13, 5_000));
        let mut d = vec![1.0; data.len()];
        data.extend(background(14, 25_000));
        d.resize(data.len(), -0.2);

        let own = normals(15, simulated, 1);
        let units = uniforms(16, simulated, 1);
        let mut toy = Toy {
            t: Vec::new(),
            x: Vec::new(),
            v: Vec::new(),
            u: Vec::new(),
            flags: Vec::new(),
            truth,
            data,
            d,
        };
        let mut rows = Vec::new();
        detect(
            &own,
            17,
            SCALE,
            Box::new(|row, x, fake| rows.push((row, x, fake))),
        );
        for (row, x, fake) in rows {
            let v = 1e-3 * (0.5 + units[row]);
            toy.t.push(if fake { MISSING } else { own[row] });
            toy.x.push(x.unwrap_or(MISSING));
            toy.v.push(v);
            toy.u.push(SCALE * v);
            toy.flags.push(match (fake, x) {
                (true, _) => PAIR_RECONSTRUCTED,
                (_, None) => PAIR_GENERATED,
                _ => BOTH,
            });
        }
        toy
    }

    fn unfold(&self, options: &Options, hooks: &dyn Hooks) -> Result<Unfolded> {
        unfold(
            &array(&self.t, 1, Some(&self.v)),
            &array(&self.x, 1, Some(&self.u)),
            &array(&self.data, 1, Some(&self.d)),
            Some(&self.flags),
            options,
            hooks,
        )
    }
}

#[test]
fn efficiencies_fakes_backgrounds_and_units_are_accounted_for() {
    let toy = Toy::new(40_000, 80_000);
    let log = Log::default();
    let unfolded = toy
        .unfold(&options(&[("unfold.iterations", 6.0)]), &log)
        .unwrap();
    for (w, flag) in unfolded.w.iter().zip(&toy.flags) {
        assert_eq!(*w == 0.0, flag & PAIR_GENERATED == 0);
    }
    let weighted: Vec<f64> = unfolded.w.iter().zip(&toy.v).map(|(w, v)| w * v).collect();
    let total: f64 = weighted.iter().sum();
    let found = moments(&toy.t, (0, 1), &weighted);
    let exact = moments(&toy.truth, (0, 1), &vec![1.0; toy.truth.len()]);
    println!("{total} events, {found:?}, truth {exact:?}");
    assert!((total / 40_000.0 - 1.0).abs() < 0.03, "{total}");
    assert!((found.0 - exact.0).abs() < 0.03 && (found.1 - exact.1).abs() < 0.03);
    // What was put in comes out: Σ ε / n of the truth, and the share of fakes.
    let efficiency = number(&unfolded, "efficiency");
    let fakes = number(&unfolded, "fakes");
    println!("efficiency {efficiency}, fakes {fakes}");
    assert!((0.5..0.62).contains(&efficiency) && (0.13..0.2).contains(&fakes));
    assert!((number(&unfolded, "total") / total - 1.0).abs() < 1e-9);
    assert_eq!(verdict(&unfolded), "usable");

    // The reweighter and the factor give the same weights, in memory and from a file.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unfolded.laser");
    unfolded.reweighter.save(&path).unwrap();
    let factor = number(&unfolded, "factor");
    for reweighter in [&unfolded.reweighter, &Reweighter::load(&path).unwrap()] {
        let mut w = vec![0.0; toy.t.len()];
        let out = Weights {
            w: Some(RowsMut::column(&mut w)),
            ..Weights::default()
        };
        let rows = Rows::packed(&toy.t, 1).unwrap();
        reweighter.weights(&options(&[]), rows, out).unwrap();
        for ((w, own), flag) in w.iter().zip(&unfolded.w).zip(&toy.flags) {
            assert!(flag & PAIR_GENERATED == 0 || factor * w == *own);
        }
    }
    // What a level holds that an event has not does not matter.
    let other = Toy {
        t: toy
            .t
            .iter()
            .map(|t| if *t == MISSING { 1e30 } else { *t })
            .collect(),
        x: toy
            .x
            .iter()
            .map(|x| if *x == MISSING { 0.0 } else { *x })
            .collect(),
        ..Toy::new(40_000, 80_000)
    };
    let quick = options(&[("unfold.iterations", 1.0), ("classifier.epochs", 1.0)]);
    assert_eq!(
        toy.unfold(&quick, &()).unwrap().w,
        other.unfold(&quick, &()).unwrap().w
    );
}

#[test]
fn replicas_spread_as_other_experiments_do() {
    let quick = |replica: f64| {
        options(&[
            ("unfold.iterations", 2.0),
            ("unfold.epochs", 1.0),
            ("classifier.epochs", 2.0),
            ("classifier.units", 16.0),
            ("unfold.replica", replica),
        ])
    };
    const ROWS: usize = 8_000;
    const RUNS: usize = 10;
    let first = Gaussian::new(ROWS, 100);
    let found = |example: &Gaussian, replica: f64| {
        let unfolded = example.unfold(&quick(replica), &()).unwrap();
        let total: f64 = unfolded.w.iter().sum();
        [moments(&example.t, (0, 1), &unfolded.w).0, total]
    };
    let spread = |values: &[[f64; 2]], of: usize| {
        let mean = values.iter().map(|v| v[of]).sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|v| (v[of] - mean).powi(2)).sum();
        (squares / (values.len() - 1) as f64).sqrt()
    };
    let replicas: Vec<_> = (1..=RUNS).map(|k| found(&first, k as f64)).collect();
    let others: Vec<_> = (1..=RUNS as u64)
        .map(|k| found(&Gaussian::new(ROWS, 100 + 10 * k), 0.0))
        .collect();
    let means = [spread(&replicas, 0), spread(&others, 0)];
    println!(
        "mean: replicas {:.4}, experiments {:.4}",
        means[0], means[1]
    );
    // Each is known to a quarter of itself.
    assert!((0.4..2.5).contains(&(means[0] / means[1])), "{means:?}");
    // The total of a replica is a Poisson number; that of an experiment of so many events is none.
    let total = spread(&replicas, 1) / (ROWS as f64).sqrt();
    println!("total: {total:.3} of a Poisson number's");
    assert!((0.5..1.6).contains(&total) && spread(&others, 1) < 1e-6 * ROWS as f64);
    // By the seed and its number alone.
    let again = first.unfold(&quick(3.0), &()).unwrap();
    assert_eq!(again.w.iter().sum::<f64>(), replicas[2][1]);
    assert_eq!(number(&again, "replica"), 3.0);
}

#[test]
fn the_same_threads_give_the_same_bits_and_a_cancelled_call_leaves_nothing() {
    let example = Gaussian::new(12_000, 40);
    let quick = |threads: f64| {
        options(&[
            ("unfold.iterations", 2.0),
            ("unfold.epochs", 1.0),
            ("classifier.epochs", 1.0),
            ("classifier.ensemble", 2.0),
            ("threads", threads),
        ])
    };
    let bytes = |unfolded: &Unfolded| unfolded.reweighter.to_bytes().unwrap();
    // Trainings on so many threads end in the same bits; on others, sums have another order.
    let one = example.unfold(&quick(1.0), &()).unwrap();
    let three = [(); 2].map(|()| example.unfold(&quick(3.0), &()).unwrap());
    assert!(bytes(&three[0]) == bytes(&three[1]) && three[0].w == three[1].w);
    for (one, three) in one.w.iter().zip(&three[0].w) {
        assert!((one / three - 1.0).abs() < 0.02, "{one}, {three}");
    }

    struct Stop(Cell<u64>, RefCell<Vec<&'static str>>);
    impl Hooks for Stop {
        fn check(&self, stage: &'static str) -> Result<()> {
            self.0.set(self.0.get().wrapping_sub(1));
            match self.0.get() {
                0 => Err(Error::Cancelled(stage)),
                _ => Ok(()),
            }
        }
        fn progress(&self, p: &Progress) -> Result<()> {
            assert!(p.step <= p.steps && (p.seconds_left >= 0.0 || p.seconds_left.is_nan()));
            let mut stages = self.1.borrow_mut();
            if stages.last() != Some(&p.stage) {
                stages.push(p.stage);
            }
            Ok(())
        }
    }
    let host = Stop(Cell::new(0), RefCell::default());
    example.unfold(&quick(1.0), &host).unwrap();
    let stages = host.1.into_inner();
    let steps = ["unfold_detector", "unfold_particles"];
    assert_eq!(stages[..4], [steps, steps].concat(), "{stages:?}");
    for checks in [1, 20, 150, 250] {
        let stopped = example.unfold(&quick(1.0), &Stop(Cell::new(checks), RefCell::default()));
        assert!(matches!(stopped, Err(Error::Cancelled(_))), "{checks}");
    }
    assert_eq!(example.unfold(&quick(1.0), &()).unwrap().w, one.w);
}

#[test]
fn iterations_end_early_where_nothing_changes_any_more() {
    let example = Gaussian::new(10_000, 60);
    let unfolded = example
        .unfold(&options(&[("unfold.tolerance", 0.1)]), &())
        .unwrap();
    let changes = unfolded.reweighter.record["unfolding"]["changes"]
        .as_array()
        .unwrap();
    let changes: Vec<f64> = changes.iter().map(|c| c.as_f64().unwrap()).collect();
    assert!(
        changes.len() < 5 && *changes.last().unwrap() < 0.1,
        "{changes:?}"
    );
    assert_eq!(unfolded.reweighter.record["unfolding"]["converged"], true);
    assert_eq!(number(&unfolded, "iterations"), changes.len() as f64);
}

/// Two columns, the second twice as wide.
fn plane(stream: u64, rows: usize, mean: f64) -> (Vec<f64>, Vec<f64>) {
    let t: Vec<f64> = normals(stream, rows, 2)
        .chunks(2)
        .flat_map(|z| [mean + z[0], 5.0 + 2.0 * z[1]])
        .collect();
    let noise = normals(stream + 1, rows, 2);
    let x = t.iter().zip(noise).map(|(t, z)| t + 0.3 * z).collect();
    (t, x)
}

#[test]
fn what_is_not_what_it_should_be_is_told() {
    const ROWS: usize = 20_000;
    let (t, x) = plane(200, ROWS, 0.0);
    let (_, data) = plane(210, ROWS, 0.4);
    let run = |x: &[f64], data: &[f64], d: Option<&[f64]>, flags: Option<&[i32]>| {
        let log = Log::default();
        let (t, x, data) = (array(&t, 2, None), array(x, 2, None), array(data, 2, d));
        let settings = options(&[("unfold.iterations", 2.0), ("unfold.epochs", 1.0)]);
        let unfolded = unfold(&t, &x, &data, flags, &settings, &log).unwrap();
        (unfolded, log)
    };
    let (unfolded, _) = run(&x, &data, None, None);
    assert_eq!(verdict(&unfolded), "usable");

    println!("--- columns of the data exchanged");
    let swapped: Vec<f64> = data.chunks(2).flat_map(|x| [x[1], x[0]]).collect();
    let (_, log) = run(&x, &swapped, None, None);
    let told = log.warnings("coverage");
    assert!(
        told.len() == 1
            && told[0].contains("`reconstructed` does not reach all of `data`")
            && told[0].contains("r0"),
        "{told:?}"
    );

    println!("--- data in other units");
    let mev: Vec<f64> = data.iter().map(|x| 1000.0 * x).collect();
    let (unfolded, log) = run(&x, &mev, None, None);
    assert!(!log.warnings("coverage").is_empty());
    assert!(
        verdict(&unfolded).contains("detector level"),
        "{}",
        verdict(&unfolded)
    );

    println!("--- rows of other events");
    let mut other = x.clone();
    other.rotate_left(2 * 777);
    let (unfolded, log) = run(&other, &data, None, None);
    let told = log.warnings("response");
    assert!(
        told.len() == 1 && told[0].contains("are not of the same events"),
        "{told:?}"
    );
    assert!(verdict(&unfolded).contains("detector level"));

    println!("--- a region that is never seen");
    let blind: Vec<i32> = t
        .chunks(2)
        .map(|t| if t[1] > 7.0 { PAIR_GENERATED } else { BOTH })
        .collect();
    let (_, log) = run(&x, &data, None, Some(&blind));
    let told = log.warnings("efficiency");
    assert!(
        told.len() == 1 && told[0].contains("x1 from 7.") || told[0].contains("feature 1 from 7."),
        "{told:?}"
    );

    println!("--- more background than data");
    let mut with = data.clone();
    with.extend(x[..2 * ROWS / 2].iter().map(|x| 0.3 * x - 2.0));
    let mut d = vec![1.0; ROWS];
    d.resize(with.len() / 2, -1.5);
    let (_, log) = run(&x, &with, Some(&d), None);
    let told = log.warnings("background");
    assert!(
        told.len() == 2 && told[0].contains("75.0 %") && told[1].contains("`r0` from"),
        "{told:?}"
    );

    println!("--- flags the wrong way round");
    let flags: Vec<i32> = (0..ROWS)
        .map(|i| if i % 3 == 0 { PAIR_GENERATED } else { BOTH })
        .collect();
    let mut missing = x.clone();
    for (x, flag) in missing.chunks_mut(2).zip(&flags) {
        if *flag == PAIR_GENERATED {
            x.fill(MISSING);
        }
    }
    let exchanged: Vec<i32> = flags
        .iter()
        .map(|f| if *f == BOTH { PAIR_GENERATED } else { BOTH })
        .collect();
    for flags in [Some(&exchanged[..]), None] {
        let (unfolded, log) = run(&missing, &data, None, flags);
        let told = log.warnings("columns");
        assert!(told.len() == 2 && told[0].contains("-999"), "{told:?}");
        assert!(verdict(&unfolded).contains("columns"));
    }

    println!("--- few events");
    let few = 2 * 1_500;
    let (_, log) = run(&x, &data[..few], None, None);
    let told = log.warnings("events");
    assert!(
        told.len() == 1 && told[0].contains("the events of `data` that are held out are worth 300"),
        "{told:?}"
    );
}

#[test]
fn what_stands_for_a_level_that_is_missing_is_told_with_its_flags() {
    const ROWS: usize = 20_000;
    let example = Gaussian::new(ROWS, 420);
    let run = |t: &[f64], x: &[f64], data: &[f64]| {
        let log = Log::default();
        let settings = options(&[
            ("unfold.iterations", 1.0),
            ("unfold.epochs", 1.0),
            ("classifier.epochs", 1.0),
        ]);
        let [t, x, data] = [t, x, data].map(|x| array(x, 1, None));
        unfold(&t, &x, &data, None, &settings, &log).unwrap();
        log.warnings("columns")
    };
    let every = |x: &[f64], value: f64| -> Vec<f64> {
        let rows = x.iter().enumerate();
        rows.map(|(i, x)| if i % 4 == 0 { value } else { *x })
            .collect()
    };
    let Gaussian { t, x, data, .. } = &example;
    for value in [-10.0, -999.0] {
        let told = run(t, &every(x, value), data);
        let words = format!("`r0` is {value} in 25.0 % of the events of `reconstructed`, and in none of the data: if these were not reconstructed, say so by `flags` (`is_reconstructed`)");
        assert!(told.len() == 1 && told[0].contains(&words), "{told:?}");
        let told = run(&every(t, value), x, data);
        assert!(
            told.len() == 1 && told[0].ends_with("say so by `flags` (`is_generated`)"),
            "{told:?}"
        );
    }
    // What the data have as well is a value, with a scaling of this level.
    let told = run(t, &every(x, -10.0), &every(data, -10.0));
    assert!(
        told.len() == 2
            && told
                .iter()
                .all(|t| t.contains("`unfold.scaling` = `zeros(-10)`")),
        "{told:?}"
    );
}

#[test]
fn weights_that_are_no_scale_factors_times_those_of_the_simulation_are_told() {
    const ROWS: usize = 20_000;
    let example = Gaussian::new(ROWS, 400);
    let run = |v: Option<&[f64]>, u: Option<&[f64]>, d: Option<&[f64]>| {
        let log = Log::default();
        let settings = options(&[
            ("unfold.iterations", 1.0),
            ("unfold.epochs", 1.0),
            ("classifier.epochs", 1.0),
        ]);
        let (t, x) = (array(&example.t, 1, v), array(&example.x, 1, u));
        let data = array(&example.data, 1, d);
        let unfolded = unfold(&t, &x, &data, None, &settings, &log).unwrap();
        (verdict(&unfolded).to_owned(), log)
    };
    let (z, chance) = (normals(404, ROWS, 2), uniforms(405, ROWS, 1));
    let factors: Vec<f64> = z.iter().step_by(2).map(|z| 0.9 + 0.1 * z).collect();
    let broad: Vec<f64> = z.iter().skip(1).step_by(2).map(|z| z.exp()).collect();
    let signs: Vec<f64> = chance
        .iter()
        .map(|u| if *u < 0.2 { -1.0 } else { 1.0 })
        .collect();
    let narrow: Vec<f64> = z
        .iter()
        .skip(1)
        .step_by(2)
        .map(|z| 1.0 + 0.02 * z)
        .collect();
    let small: Vec<f64> = broad.iter().map(|v| 1e-3 * v).collect();
    let times = |v: &[f64]| -> Vec<f64> { v.iter().zip(&factors).map(|(v, f)| v * f).collect() };

    // As they should be, of every kind; scale factors alone are those times weights of 1.
    assert!(run(None, None, None).1.warnings("weights").is_empty());
    assert!(run(None, Some(&factors), None)
        .1
        .warnings("weights")
        .is_empty());
    for v in [&broad, &signs, &narrow, &small] {
        for u in [None, Some(&times(v)[..]), Some(&v[..])] {
            let (_, log) = run(Some(v), u, None);
            assert!(log.warnings("weights").is_empty() && log.warnings("efficiency").is_empty());
        }
    }
    // Events that a weight of 0 takes out.
    let few: Vec<f64> = times(&broad)
        .iter()
        .zip(&chance)
        .map(|(u, chance)| if *chance < 0.2 { *u } else { 0.0 })
        .collect();
    assert!(run(Some(&broad), Some(&few), None)
        .1
        .warnings("weights")
        .is_empty());
    // Scale factors alone.
    for (v, how) in [
        (&broad, "where those are larger by 10 %, they are by"),
        (&signs, "where those are larger by 10 %, they are by"),
        (&small, "they sum to 179"),
    ] {
        let (verdict, log) = run(Some(v), Some(&factors), None);
        let told = log.warnings("weights");
        assert!(
            told.len() == 1 && told[0].contains(how) && told[0].contains("Give v times"),
            "{told:?}"
        );
        assert!(verdict.contains("weights"), "{verdict}");
    }
    let (_, log) = run(Some(&small), Some(&factors), None);
    let told = log.warnings("efficiency");
    assert!(
        told.len() == 1 && told[0].contains("more than there are"),
        "{told:?}"
    );

    // Data that are a distribution, and no numbers of events.
    let (verdict, log) = run(None, None, Some(&[1.0 / ROWS as f64; ROWS]));
    let told = log.warnings("weights");
    assert!(
        told.len() == 1 && told[0].starts_with("Σ d is 1.000000 of 20000 events"),
        "{told:?}"
    );
    assert!(verdict.contains("weights"), "{verdict}");
}

/// An event whose weight at detector level is 0 was not reconstructed: as by the flag, whatever stands there.
#[test]
fn a_weight_of_0_at_detector_level_is_no_reconstruction() {
    const ROWS: usize = 20_000;
    let mut example = Gaussian::new(ROWS, 440);
    let lost: Vec<bool> = example.t.iter().map(|t| *t > 1.2).collect();
    let u: Vec<f64> = lost.iter().map(|lost| f64::from(!*lost)).collect();
    let flags: Vec<i32> = lost
        .iter()
        .map(|lost| if *lost { PAIR_GENERATED } else { BOTH })
        .collect();
    let places = example.x.iter_mut().zip(&lost);
    places
        .filter(|(_, lost)| **lost)
        .for_each(|(x, _)| *x = MISSING);
    let settings = options(&[("unfold.iterations", 1.0), ("classifier.epochs", 1.0)]);
    let run = |flags: Option<&[i32]>| {
        let log = Log::default();
        let (t, x) = (array(&example.t, 1, None), array(&example.x, 1, Some(&u)));
        let data = array(&example.data, 1, None);
        let unfolded = unfold(&t, &x, &data, flags, &settings, &log).unwrap();
        (unfolded, log)
    };
    let ((by_weight, log), (by_flag, _)) = (run(None), run(Some(&flags)));
    let told = log.warnings("efficiency");
    assert!(
        told.len() == 1 && told[0].contains("is reconstructed where") && told[0].contains("88."),
        "{told:?}"
    );
    assert!(verdict(&by_weight).contains("efficiency"));
    assert!(log.warnings("columns").is_empty());
    assert!(by_weight.w == by_flag.w);
}

/// Regions in which weights of both signs sum to less than 0 have no density.
#[test]
fn simulated_regions_that_sum_to_less_than_0_are_told_of() {
    const ROWS: usize = 20_000;
    let ((t, x), (_, data)) = (plane(460, ROWS, 0.0), plane(470, ROWS, 0.2));
    let chance = uniforms(462, ROWS, 1);
    let signs = |share: f64| -> Vec<f64> {
        let events = t.chunks(2).zip(&chance);
        events
            .map(|(t, chance)| t[0] > 0.3 && t[1] > 5.6 && *chance < share)
            .map(|negative| if negative { -1.0 } else { 1.0 })
            .collect()
    };
    let run = |v: Option<&[f64]>, u: Option<&[f64]>| {
        let log = Log::default();
        let settings = options(&[
            ("unfold.iterations", 1.0),
            ("unfold.epochs", 1.0),
            ("classifier.epochs", 1.0),
        ]);
        let (t, x, data) = (array(&t, 2, v), array(&x, 2, u), array(&data, 2, None));
        // A training may well fail by such weights: then their cause is known.
        if let Err(error) = unfold(&t, &x, &data, None, &settings, &log) {
            let error = error.to_string();
            assert!(error.contains("sum to less than 0"), "{error}");
        }
        log.warnings("negative")
    };
    let region = |told: &[String], whose: &str| {
        told.iter().any(|told| {
            told.starts_with("the weights of a region, of ")
                && told.contains(&format!(" of the events of `{whose}`, sum to less than 0"))
                && told.contains("(`flags`)")
        })
    };
    for share in [0.62, 0.75] {
        let told = run(Some(&signs(share)), None);
        assert!(
            told.len() == 2 && region(&told, "generated") && region(&told, "reconstructed"),
            "{told:?}"
        );
    }
    // At detector level alone.
    let told = run(None, Some(&signs(0.75)));
    assert!(
        told.len() == 1 && region(&told, "reconstructed"),
        "{told:?}"
    );
    // Of fewer nothing is told, of whatever sign.
    let told = run(Some(&signs(0.2)), None);
    assert!(told.is_empty(), "{told:?}");
}

/// Plain values of one angle may lie a turn apart.
#[test]
fn angles_of_two_conventions_are_the_same() {
    use std::f64::consts::{PI, TAU};
    const ROWS: usize = 20_000;
    let sample = |stream: u64, mean: f64| -> (Vec<f64>, Vec<f64>) {
        let (z, turns) = (normals(stream, 2 * ROWS, 2), uniforms(stream, ROWS, 1));
        let pairs = z.chunks(4).zip(turns).map(|(z, turn)| {
            let t = [mean + z[0], TAU * turn - PI];
            let x = (t[1] + 0.2 * z[2] + PI).rem_euclid(TAU) - PI;
            (t, [t[0] + 0.3 * z[1], x])
        });
        let (t, x): (Vec<_>, Vec<_>) = pairs.unzip();
        (t.concat(), x.concat())
    };
    let ((t, x), (_, data)) = (sample(480, 0.0), sample(490, 0.3));
    let turned: Vec<f64> = data
        .chunks(2)
        .flat_map(|x| [x[0], x[1].rem_euclid(TAU)])
        .collect();
    let run = |data: &[f64], scaling: &str| {
        let log = Log::default();
        let mut settings = options(&[("unfold.iterations", 2.0)]);
        settings.set_str("unfold.scaling", scaling).unwrap();
        let [t, x, data] = [&t, &x, data].map(|x| array(x, 2, None));
        let unfolded = unfold(&t, &x, &data, None, &settings, &log).unwrap();
        (unfolded, log)
    };
    let angle = "auto, periodic(-pi:pi)";
    let ((same, _), (other, log)) = (run(&data, angle), run(&turned, angle));
    assert_eq!(verdict(&same), "usable");
    assert_eq!(verdict(&other), "usable");
    let told = log.warnings("log");
    let beside = told
        .iter()
        .filter(|told| told.contains("lie beside its circle"));
    assert_eq!(beside.count(), 1, "{told:?}");
    // In degrees it would be a small part of the circle.
    let (_, log) = run(&data, "auto, periodic(-180:180)");
    let told = log.warnings("columns");
    assert!(
        told.len() == 2
            && told
                .iter()
                .all(|told| told.contains("is the unit of `periodic` right?")
                    && told.contains("`unfold.scaling`")),
        "{told:?}"
    );
}

/// Events that come from a host.
struct Told;

impl EventSource for Told {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        false
    }

    fn fill(&mut self, _: &mut [f64], _: &mut [f64]) -> Result<usize> {
        panic!("asked for events")
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    const ROWS: usize = 4_000;
    let ((t, x), (_, data)) = (plane(300, ROWS, 0.0), plane(310, ROWS, 0.4));
    let (t, x, data) = (&t[..], &x[..], &data[..]);
    let refused =
        |sources: [&Source; 3], flags: Option<&[i32]>, settings: &Options, words: &str| {
            let error = unfold(sources[0], sources[1], sources[2], flags, settings, &());
            let error = error.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
    let quick = options(&[("classifier.epochs", 1.0), ("classifier.steps", 5.0)]);
    let [of_t, of_x, of_data] = [t, x, data].map(|rows| array(rows, 2, None));
    let all = [&of_t, &of_x, &of_data];
    let short = array(&x[2..], 2, None);
    refused(
        [&of_t, &short, &of_data],
        None,
        &quick,
        "`generated` has 4000 rows, `reconstructed` 3999",
    );
    refused(all, Some(&[BOTH; 5]), &quick, "5 flags for 4000");
    let mut flags = vec![BOTH; ROWS];
    flags[7] = 0;
    refused(
        all,
        Some(&flags),
        &quick,
        "row 7 (counted from 0) of `flags` is 0",
    );
    flags[7] = 5;
    refused(
        all,
        Some(&flags),
        &quick,
        "row 7 (counted from 0) of `flags` is 5",
    );
    let apart: Vec<i32> = (0..ROWS).map(|i| 1 + (i % 2) as i32).collect();
    refused(
        all,
        Some(&apart),
        &quick,
        "none is both generated and reconstructed",
    );
    let one = array(data, 1, None);
    refused(
        [&of_t, &of_x, &one],
        None,
        &quick,
        "`reconstructed` have 2 columns, those of `data` 1",
    );
    let callback = || Source::from_events(Box::new(Told)).unwrap();
    refused(
        [&callback(), &of_x, &of_data],
        None,
        &quick,
        "`generated` is a callback",
    );
    refused(
        [&of_t, &of_x, &callback()],
        None,
        &quick,
        "`data` is a callback",
    );
    let negative = vec![-1.0; ROWS];
    refused(
        [&array(t, 2, Some(&negative)), &of_x, &of_data],
        None,
        &quick,
        "`generated`: the weights of its events sum to -4000",
    );
    refused(
        [&of_t, &array(x, 2, Some(&negative)), &of_data],
        None,
        &quick,
        "`reconstructed`: the weights of its events that are generated as well sum to -4000",
    );
    let zero: Vec<f64> = (0..ROWS)
        .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    refused(
        [&of_t, &of_x, &array(data, 2, Some(&zero))],
        None,
        &quick,
        "`data`: the weights of its events, backgrounds subtracted, sum to 0",
    );
    refused(
        [&of_t, &of_x, &array(&data[..400], 2, None)],
        None,
        &quick,
        "`data`: `classifier.batch` is 1000",
    );
    refused(
        all,
        None,
        &options(&[("conditions", 1.0)]),
        "unfolding has no conditions",
    );
    let mut bounded = quick.clone();
    bounded.set_str("support", "x0 > 0").unwrap();
    refused(
        all,
        None,
        &bounded,
        "`flags` say which events are in the fiducial space",
    );
    let mut bounded = quick.clone();
    bounded
        .set_str("unfold.scaling", "r0 = log(-1), r1 = auto")
        .unwrap();
    let below = x.chunks(2).position(|x| x[0] <= -1.0).unwrap();
    refused(
        all,
        None,
        &bounded,
        &format!("`reconstructed`: column 0 of row {below} (counted from 0)"),
    );
    bounded.set_str("unfold.scaling", "logg(0)").unwrap();
    refused(all, None, &bounded, "option `unfold.scaling`, item 0");
    // NaN is refused by the source, where it is.
    let mut hole = x.to_vec();
    hole[2 * 5 + 1] = f64::NAN;
    let error = Source::from_rows(Rows::packed(&hole, 2).unwrap(), None)
        .err()
        .unwrap();
    assert!(matches!(
        error,
        Error::NotFinite {
            row: 5,
            column: Some(1),
            ..
        }
    ));
    // Options of what there is not are told of.
    let log = Log::default();
    let mut idle = quick.clone();
    idle.set_i64("flow.epochs", 3).unwrap();
    idle.set_i64("unfold.iterations", 1).unwrap();
    unfold(&of_t, &of_x, &of_data, None, &idle, &log).unwrap();
    assert!(log
        .0
        .borrow()
        .iter()
        .any(|(_, m)| m.contains("without effect: `flow.epochs`")));
}
