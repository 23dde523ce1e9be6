//! Positive weights in the place of those of both signs, judged by a local mean that is known in closed form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::{
    refine, resample, train_generator, train_reweighter, EventSource, Instance, Reweighter, Source,
    Weights,
};
use laser::train::{Checkpoint, Hooks, Level};
use laser::{Error, Result, Rows, RowsMut};
use std::cell::{Cell, RefCell};

/// A share of the events that is subtracted, and lies around `CENTRE` with the width `WIDTH` in the first feature; the others are of the
/// standard normal law, as the second feature of all. What is added has the weight LIGHT or HEAVY, what is subtracted −1.
const SUBTRACTED: f64 = 0.2;
const CENTRE: f64 = 0.5;
const WIDTH: f64 = 0.8;
const LIGHT: f64 = 0.2;
const HEAVY: f64 = 1.8;

/// Densities of the first feature.
fn added(x: f64) -> f64 {
    (-0.5 * x * x).exp()
}

fn subtracted(x: f64) -> f64 {
    (-0.5 * ((x - CENTRE) / WIDTH).powi(2)).exp() / WIDTH
}

/// ⟨w | x⟩.
fn mean(x: f64) -> f64 {
    let (plus, minus) = ((1.0 - SUBTRACTED) * added(x), SUBTRACTED * subtracted(x));
    (plus - minus) / (plus + minus)
}

/// ⟨w² | x⟩.
fn mean_square(x: f64) -> f64 {
    let (plus, minus) = ((1.0 - SUBTRACTED) * added(x), SUBTRACTED * subtracted(x));
    (plus * (LIGHT * LIGHT + HEAVY * HEAVY) / 2.0 + minus) / (plus + minus)
}

/// What classifiers see, an observable that they do not see but which depends on it, and the weights.
struct Toy {
    x: Vec<f64>,
    unseen: Vec<f64>,
    w: Vec<f64>,
}

impl Toy {
    fn new(rows: usize, stream: u64) -> Self {
        let (mut u, mut z) = (vec![0.0; 2 * rows], vec![0.0; 3 * rows]);
        Noise::new(7, stream, domain::ACCEPT).fill_uniforms(0, rows, 2, &mut u);
        Noise::new(7, stream, domain::LATENT).fill_normals(0, rows, 3, &mut z);
        let mut toy = Toy {
            x: Vec::new(),
            unseen: Vec::new(),
            w: Vec::new(),
        };
        for (u, z) in u.chunks_exact(2).zip(z.chunks_exact(3)) {
            let minus = u[0] < SUBTRACTED;
            let x = if minus { CENTRE + WIDTH * z[0] } else { z[0] };
            toy.x.extend([x, z[1]]);
            toy.unseen.push(x + 0.3 * z[1] + 0.3 * z[2]);
            toy.w.push(match minus {
                true => -1.0,
                false if u[1] < 0.5 => LIGHT,
                false => HEAVY,
            });
        }
        toy
    }

    /// Twenty thousandths of the total are missing where nothing else is.
    fn with_region(rows: usize, stream: u64) -> Self {
        let mut toy = Toy::new(rows, stream);
        toy.w.fill(1.0);
        let mut u = vec![0.0; 2 * rows];
        Noise::new(9, 0, domain::ACCEPT).fill_uniforms(0, rows, 2, &mut u);
        for ((x, w), u) in toy
            .x
            .chunks_exact_mut(2)
            .zip(&mut toy.w)
            .zip(u.chunks_exact(2))
        {
            if u[0] < 0.06 {
                (x[0], x[1]) = (5.0 + 0.3 * x[0], 5.0 + 0.3 * x[1]);
                *w = if u[1] < 2.0 / 3.0 { -1.0 } else { 1.0 };
            }
        }
        toy
    }

    fn source(&self) -> Source<'_> {
        array(&self.x, Some(&self.w))
    }
}

fn array<'a>(x: &'a [f64], w: Option<&'a [f64]>) -> Source<'a> {
    Source::from_rows(Rows::packed(x, 2).unwrap(), w).unwrap()
}

fn options(settings: &str) -> Options {
    let json = r#"{"preset": "fast", "validation.fraction": 0.2, "classifier": {"layers": 2, "units": 32, "epochs": 4, "steps": 150,
        "batch": 1000, "lr": 0.003}}"#;
    let mut options = Options::from_json(json).unwrap();
    let more: serde_json::Value = serde_json::from_str(&format!("{{{settings}}}")).unwrap();
    for (key, value) in more.as_object().unwrap() {
        match value.as_i64() {
            Some(number) => options.set_i64(key, number).unwrap(),
            None => options.set_str(key, value.as_str().unwrap()).unwrap(),
        }
    }
    options
}

/// The new weights, with what is said of them.
fn run(
    events: &Source,
    rows: usize,
    options: &Options,
    log: &Log,
) -> Result<(Vec<f64>, Reweighter)> {
    let mut w = vec![f64::NAN; rows];
    let trained = resample(events, options, log, Some(RowsMut::column(&mut w)))?;
    Ok((w, trained))
}

fn number(trained: &Reweighter, key: &str) -> f64 {
    let found = key
        .split('.')
        .fold(&serde_json::json!(trained.record), |at, k| &at[k])
        .clone();
    found.as_f64().unwrap_or_else(|| panic!("{key}: {found}"))
}

#[derive(Default)]
struct Log(RefCell<Vec<(String, String)>>);

impl Log {
    fn warnings(&self, about: &str) -> String {
        let all = self.0.borrow();
        let those = all.iter().filter(|(of, _)| of == about);
        those.map(|(_, message)| message.as_str()).collect()
    }
}

impl Hooks for Log {
    fn warn(&self, about: &'static str, message: &str) -> Result<()> {
        self.0.borrow_mut().push((about.into(), message.into()));
        Ok(())
    }

    fn log(&self, _: Level, message: &str) -> Result<()> {
        self.0.borrow_mut().push(("log".into(), message.into()));
        Ok(())
    }
}

const ROWS: usize = 60_000;
const BINS: usize = 25;

/// Contents and squared errors of a histogram of 25 bins from −2.5 to 2.5.
fn histogram(x: impl Iterator<Item = f64>, w: &[f64]) -> Vec<[f64; 2]> {
    let mut bins = vec![[0.0; 2]; BINS];
    for (x, w) in x.zip(w) {
        let bin = (x + 2.5) * BINS as f64 / 5.0;
        if (0.0..BINS as f64).contains(&bin) {
            bins[bin as usize][0] += w;
            bins[bin as usize][1] += w * w;
        }
    }
    bins
}

/// Root mean square of differences in their errors.
fn pulls(a: &[[f64; 2]], b: &[[f64; 2]], error: impl Fn(usize) -> f64) -> f64 {
    let squares = (0..BINS).map(|i| ((a[i][0] - b[i][0]) / error(i)).powi(2));
    (squares.sum::<f64>() / BINS as f64).sqrt()
}

#[test]
fn the_local_mean_is_learned_and_histograms_keep_what_they_hold() {
    let toy = Toy::new(ROWS, 1);
    let log = Log::default();
    let (w, trained) = run(&toy.source(), ROWS, &options(""), &log).unwrap();
    let first = || toy.x.iter().step_by(2).copied();
    let squares = first().zip(&w).map(|(x, w)| (w - mean(x)).powi(2));
    let off = (squares.sum::<f64>() / ROWS as f64).sqrt();
    let width = first().map(|x| (mean(x) - 0.6).powi(2)).sum::<f64>() / ROWS as f64;
    println!(
        "W off by {off:.4} of {:.4}; {}",
        width.sqrt(),
        trained.record["resample"]
    );
    assert!(off < 0.2 * width.sqrt(), "{off}");
    assert!(w.iter().all(|w| *w > 0.0));
    let total: f64 = toy.w.iter().sum();
    assert!((w.iter().sum::<f64>() / total - 1.0).abs() < 1e-12);
    assert!((number(&trained, "resample.correction") - 1.0).abs() < 0.02);
    assert!((number(&trained, "resample.negative_events") - SUBTRACTED).abs() < 0.01);
    // Of what was held out, and of what no classifier saw.
    assert!(number(&trained, "weights.calibration.chi_square") < 2.5);
    assert!(number(&trained, "resample.closure.chi_square") < 1.5);
    assert!(number(&trained, "resample.closure.regions.pull").abs() < 4.0);
    for observable in [first().collect::<Vec<_>>(), toy.unseen.clone()] {
        let of = |w: &[f64]| histogram(observable.iter().copied(), w);
        let (old, new) = (of(&toy.w), of(&w));
        let differences: Vec<f64> = toy.w.iter().zip(&w).map(|(a, b)| a - b).collect();
        let scatter = of(&differences);
        let pulls = pulls(&new, &old, |i| scatter[i][1].sqrt());
        println!("pulls {pulls:.2}");
        assert!((0.6..1.4).contains(&pulls), "{pulls}");
    }
    assert_eq!(
        trained.record["judgement"]["verdict"], "usable",
        "{}",
        trained.record["judgement"]
    );
    // The reweighter gives others of the kind the same: here the same events.
    let mut ratios = vec![0.0; ROWS];
    let out = Weights {
        w: Some(RowsMut::column(&mut ratios)),
        ..Weights::default()
    };
    trained
        .weights(&options(""), Rows::packed(&toy.x, 2).unwrap(), out)
        .unwrap();
    let factor = number(&trained, "resample.factor");
    assert!(ratios
        .iter()
        .zip(&w)
        .all(|(r, w)| (r * factor / w - 1.0).abs() < 1e-9));
}

#[test]
fn what_is_learned_badly_is_seen_by_all_events() {
    let toy = Toy::new(ROWS, 1);
    // Too short, and judged by a few held-out events, which see nothing.
    let short =
        options(r#""classifier.epochs": 1, "classifier.steps": 15, "validation.events": 500"#);
    let log = Log::default();
    let (w, trained) = run(&toy.source(), ROWS, &short, &log).unwrap();
    println!("{}", trained.record["resample"]["closure"]);
    assert!(number(&trained, "weights.calibration.chi_square") < 3.0);
    assert!(number(&trained, "resample.closure.chi_square") > 2.0);
    let told = log.warnings("closure");
    assert!(
        told.contains("in bins of") && told.contains("60000 events"),
        "{told}"
    );
    assert!(trained.record["judgement"]["verdict"]
        .to_string()
        .contains("closure"));
    // By hand: the bin that is named, and what is said of it.
    let closure = &trained.record["resample"]["closure"];
    let [from, to] = ["from", "to"].map(|key| closure[key].as_f64().unwrap());
    let place = |row: usize| match closure["quantity"].as_str().unwrap() {
        "feature 0" => toy.x[2 * row],
        "feature 1" => toy.x[2 * row + 1],
        _ => w[row],
    };
    let sum = |values: &[f64]| {
        let inside = (0..ROWS).filter(|&row| (from..=to).contains(&place(row)));
        inside.map(|row| values[row]).sum::<f64>()
    };
    let difference = closure["difference"].as_f64().unwrap();
    assert!((1.0 - sum(&toy.w) / sum(&w) - difference).abs() < 1e-9);
    // Trees that are shown half of the events find where it is, in the other half.
    let [pull, above, below] = ["pull", "above", "below"]
        .map(|key| number(&trained, &format!("resample.closure.regions.{key}")));
    assert!(
        pull > 10.0 && above > 0.05 && below < -0.05,
        "{pull} {above} {below}"
    );
    // In other units the same, and where nothing is to be learned nothing is told.
    let scaled: Vec<f64> = toy.w.iter().map(|w| w * 2.0_f64.powi(600)).collect();
    let (_, other) = run(&array(&toy.x, Some(&scaled)), ROWS, &short, &log).unwrap();
    let ones = vec![1.0; ROWS];
    let quiet = Log::default();
    run(&array(&toy.x, Some(&ones)), ROWS, &short, &quiet).unwrap();
    assert_eq!(quiet.warnings("closure"), "");
    let [here, there] = [&trained, &other].map(|of| number(of, "resample.closure.chi_square"));
    assert!((here / there - 1.0).abs() < 1e-3, "{here} {there}");
}

#[test]
fn squares_are_kept_in_fewer_events_and_errors_are_right() {
    let toy = Toy::new(ROWS, 2);
    let log = Log::default();
    let settings = options(r#""resample.method": "variance", "threads": 2"#);
    let (w, trained) = run(&toy.source(), ROWS, &settings, &log).unwrap();
    let first: Vec<f64> = toy.x.iter().step_by(2).copied().collect();
    let total: f64 = toy.w.iter().sum();
    assert!((w.iter().sum::<f64>() / total - 1.0).abs() < 1e-12);
    let square = |w: &[f64]| w.iter().map(|w| w * w).sum::<f64>();
    println!("{}", trained.record["resample"]);
    assert!(
        (square(&w) / square(&toy.w) - 1.0).abs() < 0.02,
        "{} of {}",
        square(&w),
        square(&toy.w)
    );
    let kept: f64 = first
        .iter()
        .map(|x| mean(*x).powi(2) / mean_square(*x))
        .sum();
    let found = w.iter().filter(|w| **w > 0.0).count() as f64;
    assert!((found / kept - 1.0).abs() < 0.05, "{found} of {kept}");
    assert_eq!(number(&trained, "resample.kept"), found);
    assert!((number(&trained, "resample.expected") - found).abs() < 4.0 * found.sqrt());
    for (x, w) in first
        .iter()
        .zip(&w)
        .filter(|(x, w)| **w > 0.0 && x.abs() < 2.5)
    {
        let exact = mean_square(*x) / mean(*x);
        assert!((w / exact - 1.0).abs() < 0.35, "{x}: {w}, {exact}");
    }
    // Against what is true: pulls of unit width by the errors that the new weights tell, as by those of the old ones.
    let density = |x: f64| {
        ((1.0 - SUBTRACTED) * added(x) - SUBTRACTED * subtracted(x)) / std::f64::consts::TAU.sqrt()
    };
    let step = 5.0 / BINS as f64;
    let truth: Vec<[f64; 2]> = (0..BINS)
        .map(|i| {
            let points =
                (0..100).map(|k| density(-2.5 + step * (i as f64 + (k as f64 + 0.5) / 100.0)));
            [ROWS as f64 * step * points.sum::<f64>() / 100.0, 0.0]
        })
        .collect();
    let (old, new) = (
        histogram(first.iter().copied(), &toy.w),
        histogram(first.iter().copied(), &w),
    );
    let widths = [&old, &new].map(|h| pulls(h, &truth, |i| h[i][1].sqrt()));
    println!("pulls {widths:?}");
    assert!(
        widths.iter().all(|width| (0.65..1.35).contains(width)),
        "{widths:?}"
    );
    let error = |h: &[[f64; 2]]| h.iter().map(|bin| bin[1]).collect::<Vec<_>>();
    for (old, new) in error(&old).iter().zip(error(&new)) {
        assert!((new / old - 1.0).abs() < 0.25, "{new} of {old}");
    }
    // The same again with the same number of threads.
    let (again, same) = run(&toy.source(), ROWS, &settings, &Log::default()).unwrap();
    assert!(again == w && same.record == trained.record);
}

#[test]
fn a_region_that_sums_to_less_than_nothing_is_told_with_its_size() {
    let toy = Toy::with_region(30_000, 3);
    let total: f64 = toy.w.iter().sum();
    let there: f64 = toy
        .x
        .chunks_exact(2)
        .zip(&toy.w)
        .filter(|(x, _)| x[0] > 3.5 && x[1] > 3.5)
        .map(|(_, w)| w)
        .sum();
    let log = Log::default();
    let (w, trained) = run(&toy.source(), 30_000, &options(""), &log).unwrap();
    let [weight, error, events] = ["weight", "error", "events"]
        .map(|key| number(&trained, &format!("resample.region.{key}")));
    println!(
        "{weight:.4} ± {error:.4} of {:.4}, in {events:.4}",
        there / total
    );
    assert!((weight - there / total).abs() < 4.0 * error && (0.05..0.07).contains(&events));
    assert!(error < 0.004);
    let told = log.warnings("negative");
    assert!(
        told.contains("sum to less than 0") && told.contains("% of the total"),
        "{told}"
    );
    assert!(trained.record["judgement"]["verdict"]
        .to_string()
        .contains("negative"));
    // Next to nothing there, and the rest as it was, but for what is missing.
    let rows = || toy.x.chunks_exact(2).zip(&w);
    let left: f64 = rows().filter(|(x, _)| x[0] > 3.5).map(|(_, w)| w).sum();
    println!(
        "left {left:.1} of {total}; {}",
        trained.record["resample"]["correction"]
    );
    assert!(left < 0.005 * total, "{left}");
    let correction = number(&trained, "resample.correction");
    assert!(
        (correction - 1.0 - there / total).abs() < 0.01,
        "{correction}"
    );
    // Where there is none, none is told.
    let toy = Toy::new(30_000, 4);
    let log = Log::default();
    let (_, trained) = run(&toy.source(), 30_000, &options(""), &log).unwrap();
    let [weight, error] =
        ["weight", "error"].map(|key| number(&trained, &format!("resample.region.{key}")));
    assert!(
        weight > -4.0 * error - 1e-9 && weight.abs() < 0.01,
        "{weight} ± {error}"
    );
    assert_eq!(log.warnings("negative"), "");
}

#[test]
fn every_training_tells_of_a_region_that_sums_to_less_than_nothing() {
    let quick = options(
        r#""classifier.epochs": 1, "classifier.steps": 20, "flow.epochs": 1, "flow.steps": 20, "flow.blocks": 2, "flow.layers": 1,
        "flow.units": 16, "weights.events": 5000"#,
    );
    let plain = normals_of(20_000);
    let generator = train_generator(&mut array(&plain, None), &quick, &()).unwrap();
    let generator = Instance::new(generator);
    // What becomes of the trainings is another matter.
    let told = |toy: &Toy| {
        let logs = [(); 4].map(|()| Log::default());
        let other = || array(&plain, None);
        let _ = train_generator(&mut toy.source(), &quick, &logs[0]);
        let _ = refine(&generator, &mut toy.source(), &quick, &logs[1]);
        let _ = train_reweighter(&mut toy.source(), &mut other(), &quick, &logs[2]);
        let _ = train_reweighter(&mut other(), &mut toy.source(), &quick, &logs[3]);
        logs.map(|log| log.warnings("negative"))
    };
    let whose = ["the target's", "the target's", "`from`", "`to`"];
    for (told, whose) in told(&Toy::with_region(20_000, 3)).iter().zip(whose) {
        for words in [
            whose,
            "sum to less than 0: to (-1.",
            "falls without end",
            "`laser resample`",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
    }
    // A fifth that is negative everywhere leaves a density.
    assert_eq!(told(&Toy::new(20_000, 4)), [""; 4].map(str::to_owned));
}

/// Events of two standard normal features.
fn normals_of(rows: usize) -> Vec<f64> {
    let mut x = vec![0.0; 2 * rows];
    Noise::new(8, 0, domain::LATENT).fill_normals(0, rows, 2, &mut x);
    x
}

#[test]
fn what_is_wrong_with_weights_is_said() {
    const FEW: usize = 10_000;
    let toy = Toy::new(FEW, 5);
    let quick = options(r#""classifier.epochs": 1, "classifier.steps": 20"#);
    let fails = |events: &Source, rows: usize, options: &Options, words: &str| {
        let log = Log::default();
        let error = run(events, rows, options, &log).unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        (error, log)
    };
    let (_, log) = fails(
        &toy.source(),
        FEW,
        &options(r#""features.names": "a,b,c""#),
        "there are 3 names for 2 values",
    );
    assert!(log.0.borrow().is_empty(), "before anything is trained");
    let (error, _) = fails(
        &array(&toy.x, None),
        FEW,
        &quick,
        "the events have no weights",
    );
    assert!(matches!(error, Error::InvalidArgument(_)));
    fails(
        &toy.source(),
        FEW - 1,
        &quick,
        "room for 9999 weights of 1, and there are 10000 events",
    );
    let bounded = options(r#""support": "x0 > 0""#);
    fails(&toy.source(), FEW, &bounded, "`support` is set");
    let of = |weight: &dyn Fn(usize) -> f64| (0..FEW).map(weight).collect::<Vec<f64>>();
    let turned = of(&|i| -toy.w[i].abs());
    let (error, _) = fails(
        &array(&toy.x, Some(&turned)),
        FEW,
        &quick,
        "all of them are negative: turn their signs",
    );
    assert!(matches!(error, Error::Data(_)));
    let mostly = of(&|i| -toy.w[i]);
    fails(
        &array(&toy.x, Some(&mostly)),
        FEW,
        &quick,
        "is this the column of the weights?",
    );
    fails(
        &array(&toy.x, Some(&of(&|_| 0.0))),
        FEW,
        &quick,
        "the weights sum to 0",
    );
    // A feature that was taken for the weight: as many above 0 as below.
    let feature = of(&|i| toy.x[2 * i + 1] + 0.01);
    fails(
        &array(&toy.x, Some(&feature)),
        FEW,
        &quick,
        "which may be nothing",
    );
    let signs = of(&|i| if i % 1000 < 499 { -1.0 } else { 1.0 });
    fails(
        &array(&toy.x, Some(&signs)),
        FEW,
        &quick,
        "which may be nothing",
    );
    // No number at all.
    let mut broken = toy.w.clone();
    broken[17] = f64::NAN;
    let x = Rows::packed(&toy.x, 2).unwrap();
    let error = Source::from_rows(x, Some(&broken)).map(drop).unwrap_err();
    assert!(
        error.to_string().contains("the weight of row 17"),
        "{error}"
    );
    // What is not in memory.
    struct Stream;
    impl EventSource for Stream {
        fn dim(&self) -> usize {
            2
        }
        fn weighted(&self) -> bool {
            true
        }
        fn fill(&mut self, _: &mut [f64], w: &mut [f64]) -> Result<usize> {
            Ok(w.len())
        }
    }
    let stream = Source::from_events(Box::new(Stream)).unwrap();
    let (error, _) = fails(
        &stream,
        FEW,
        &quick,
        "an array, or of a file no larger than `source.memory`",
    );
    assert!(matches!(error, Error::Unsupported(_)));

    // What is strange is told, and done.
    let warned = |weight: &dyn Fn(usize) -> f64, words: &str| {
        let (log, w) = (Log::default(), of(weight));
        let (new, trained) = run(&array(&toy.x, Some(&w)), FEW, &quick, &log).unwrap();
        let total: f64 = w.iter().sum();
        assert!((new.iter().sum::<f64>() / total - 1.0).abs() < 1e-9);
        let told = log.warnings("events");
        assert!(told.contains(words), "{words}: {told}");
        assert_ne!(trained.record["judgement"]["verdict"], "usable");
    };
    warned(
        &|i| toy.w[i].abs(),
        "no weight is negative: nothing is to be done",
    );
    warned(
        &|i| if i == 77 { 400.0 } else { toy.w[i] },
        "the event of row 77 (from 0) has the weight 400",
    );
    warned(
        &|i| if i % 20 < 9 { -1.0 } else { 1.0 },
        "are worth 100 of weight 1",
    );
    // Features that say nothing of the sign: the mean is the same everywhere.
    let signs = of(&|i| if i % 5 == 0 { -1.0 } else { 1.0 });
    let log = Log::default();
    let (new, _) = run(&array(&toy.x, Some(&signs)), FEW, &quick, &log).unwrap();
    let squares = new.iter().map(|w| (w - 0.6).powi(2)).sum::<f64>() / FEW as f64;
    assert!(squares.sqrt() < 0.06, "{squares}");
    // Cancelled, and nothing is written.
    struct Stop;
    impl Hooks for Stop {
        fn check(&self, stage: &'static str) -> Result<()> {
            Err(Error::Cancelled(stage))
        }
    }
    let mut w = vec![-7.0; FEW];
    let stopped =
        resample(&toy.source(), &quick, &Stop, Some(RowsMut::column(&mut w))).unwrap_err();
    assert!(matches!(stopped, Error::Cancelled(_)), "{stopped}");
    assert!(w.iter().all(|w| *w == -7.0));
}

/// In any unit, and from a file.
#[test]
fn units_and_files_change_nothing() {
    const FEW: usize = 6_000;
    let toy = Toy::new(FEW, 6);
    let quick =
        options(r#""classifier.epochs": 1, "classifier.steps": 20, "resample.method": "variance""#);
    let (w, trained) = run(&toy.source(), FEW, &quick, &Log::default()).unwrap();
    for unit in [2.0_f64.powi(-600), 2.0_f64.powi(500)] {
        let scaled: Vec<f64> = toy.w.iter().map(|w| w * unit).collect();
        let (new, _) = run(&array(&toy.x, Some(&scaled)), FEW, &quick, &Log::default()).unwrap();
        assert!(
            new.iter()
                .zip(&w)
                .all(|(a, b)| (a / unit - b).abs() < 1e-3 * b.abs() + 1e-12),
            "{unit:e}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.f64");
    let mut bytes = laser::table::MAGIC.to_vec();
    [3, FEW as u64]
        .iter()
        .for_each(|word| bytes.extend(word.to_le_bytes()));
    for (x, w) in toy.x.chunks_exact(2).zip(&toy.w) {
        [w, &x[0], &x[1]]
            .iter()
            .for_each(|v| bytes.extend(v.to_le_bytes()));
    }
    std::fs::write(&path, bytes).unwrap();
    let mut named = quick.clone();
    named.set_str("source.weight", "0").unwrap();
    let events = Source::from_file(&path, &named).unwrap();
    let (of_file, same) = run(&events, FEW, &quick, &Log::default()).unwrap();
    assert!(of_file == w);
    assert_eq!(same.classifier, trained.classifier);
}

/// Stops a call after so many looks within a training.
struct Stopping {
    left: Cell<usize>,
    checkpoint: Checkpoint,
}

impl Hooks for Stopping {
    fn check(&self, stage: &'static str) -> Result<()> {
        if stage != "classifier" {
            return Ok(());
        }
        match self.left.get() {
            0 => Err(Error::Cancelled(stage)),
            left => {
                self.left.set(left - 1);
                Ok(())
            }
        }
    }

    fn checkpoint(&self) -> Option<&Checkpoint> {
        Some(&self.checkpoint)
    }
}

#[test]
fn a_call_that_was_stopped_goes_on_to_the_same_bits() {
    const FEW: usize = 6_000;
    let toy = Toy::new(FEW, 8);
    let quick =
        options(r#""classifier.epochs": 2, "classifier.steps": 40, "resample.method": "variance""#);
    let (w, trained) = run(&toy.source(), FEW, &quick, &Log::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let mut stops = 0;
    loop {
        let hooks = Stopping {
            left: Cell::new(50),
            checkpoint: Checkpoint::new(&path, 1e6, 0).unwrap(),
        };
        let mut new = vec![0.0; FEW];
        let column = RowsMut::column(&mut new);
        match resample(&toy.source(), &quick, &hooks, Some(column)) {
            Ok(made) => {
                assert!(new == w && made.record == trained.record);
                break;
            }
            Err(Error::Cancelled(_)) => stops += 1,
            Err(other) => panic!("{other}"),
        }
        assert!(stops < 20, "it does not go on");
    }
    assert!(stops > 1, "{stops}");
    // Another call's.
    let other = Toy::new(FEW, 9);
    let hooks = Stopping {
        left: Cell::new(50),
        checkpoint: Checkpoint::new(&path, 1e6, 0).unwrap(),
    };
    let refused = resample(&other.source(), &quick, &hooks, None).unwrap_err();
    assert!(refused.to_string().contains("something else"), "{refused}");
}
