//! Calls that are stopped and made again with a checkpoint, and calls of many ranks: the whole protocol, of every network and stage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::{
    refine, refine_again, train_generator, train_reweighter, two_sample_auc, unfold, EventSource,
    Instance, Source,
};
use laser::train::{AllReduce, Checkpoint, Hooks, Ranks};
use laser::{Error, Result, Rows};
use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};

/// Events of two features, `z` and `z² + ½ z'`, by their number: another ask, or another process, gets the same.
fn event(number: u64, x: &mut [f64]) {
    Noise::new(5, 0, domain::LATENT).fill_normals(number, 1, 2, x);
    x[1] = x[0] * x[0] + 0.5 * x[1];
}

#[derive(Default)]
struct Stream {
    next: u64,
    /// How far the numbers of its events lie apart, less one.
    between: u64,
    /// Whether it tells where it stands.
    tells: bool,
    /// Events that were made.
    made: Arc<AtomicU64>,
}

impl EventSource for Stream {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        false
    }

    fn fill(&mut self, x: &mut [f64], _: &mut [f64]) -> Result<usize> {
        for row in x.chunks_exact_mut(2) {
            event(self.next, row);
            self.next += self.between + 1;
        }
        self.made.fetch_add(x.len() as u64 / 2, Ordering::Relaxed);
        Ok(x.len() / 2)
    }

    fn position(&mut self) -> Result<Option<u64>> {
        Ok(self.tells.then_some(self.next))
    }

    fn go_to(&mut self, position: u64) -> Result<()> {
        self.next = position;
        Ok(())
    }
}

fn stream() -> Source<'static> {
    stream_from(0)
}

fn stream_from(next: u64) -> Source<'static> {
    let stream = Stream {
        next,
        ..Stream::default()
    };
    Source::from_events(Box::new(stream)).unwrap()
}

fn array() -> Vec<f64> {
    let mut x = vec![0.0; 12_000];
    let rows = x.chunks_exact_mut(2).enumerate();
    rows.for_each(|(number, row)| event(number as u64, row));
    x
}

fn options(settings: &str) -> Options {
    let json = r#"{"preset": "fast",
        "flow": {"blocks": 2, "layers": 1, "units": 8, "epochs": 2, "steps": 20, "batch": 100},
        "gan_generator": {"layers": 1, "units": 8, "epochs": 2, "steps": 20, "batch": 100},
        "vae": {"layers": 1, "units": 8, "epochs": 2, "steps": 20, "batch": 100},
        "classifier": {"layers": 1, "units": 8, "epochs": 2, "steps": 20, "batch": 100},
        "gan": {"layers": 1, "units": 8, "epochs": 2, "steps": 20, "batch": 100, "pool": 2000},
        "refiner_flow": {"blocks": 2, "layers": 1, "units": 8, "epochs": 2, "steps": 20, "batch": 100, "pool": 2000},
        "matching": {"layers": 1, "units": 8, "epochs": 2, "steps": 20, "batch": 100, "pool": 2000},
        "surrogate": {"layers": 1, "units": 8, "epochs": 2, "steps": 20, "batch": 100, "pool": 2000},
        "pullback": {"iterations": 2, "events": 2000, "epochs": 1},
        "hmc": {"chains": 50, "burn_in": 5, "leapfrog": 3},
        "validation.events": 500, "weights.events": 2000, "#;
    Options::from_json(&format!("{json}{settings}}}")).unwrap()
}

/// Stops at its `left`-th question; keeps a checkpoint; is one of ranks.
#[derive(Default)]
struct Host<'c> {
    left: Cell<u64>,
    checkpoint: Option<&'c Checkpoint>,
    ranks: Option<Arc<Ranks>>,
}

impl Hooks for Host<'_> {
    fn check(&self, stage: &'static str) -> Result<()> {
        match self.left.get() {
            1 => Err(Error::Cancelled(stage)),
            left => {
                self.left.set(left.saturating_sub(1));
                Ok(())
            }
        }
    }

    fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint
    }

    fn ranks(&self) -> Option<&Arc<Ranks>> {
        self.ranks.as_ref()
    }
}

/// A generator and its refinement, as one job.
fn job(source: &mut Source, options: &Options, hooks: &dyn Hooks) -> Result<Vec<u8>> {
    let generator = Instance::new(train_generator(source, options, hooks)?);
    refine(&generator, source, options, hooks)?.to_bytes()
}

/// Every kind of generator, pull-back and refiner.
const JOBS: [&str; 9] = [
    r#""refiner.method": "flow""#,
    r#""refiner.method": "gan", "classifier.ensemble": 2"#,
    r#""refiner.method": "matching", "flow.coupling": "spline""#,
    r#""refiner.method": "mixture", "classifier.inputs": "events""#,
    r#""refiner.method": "surrogate", "classifier.inputs": "events""#,
    r#""generator.type": "gan", "refiner.method": "hmc""#,
    r#""generator.type": "vae", "refiner.method": "resampling", "flow.ema": 0.9"#,
    r#""pullback.method": "omnifold", "refiner.method": "rejection""#,
    r#""refiner.method": "flow", "iteration.rounds": 2, "dtype": "float64""#,
];

#[test]
fn a_job_that_is_stopped_again_and_again_ends_in_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let x = array();
    let (mut points, mut calls) = (0, 0);
    for (number, settings) in JOBS.into_iter().enumerate() {
        let options = options(settings);
        let mut whole = Vec::new();
        // Of an array and of a callback, each against itself uninterrupted.
        for is_stream in [false, true] {
            let source = || match is_stream {
                true => stream(),
                false => Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap(),
            };
            whole.push(job(&mut source(), &options, &()).unwrap());
            // Each call comes a little further than the last, which had written its checkpoint when it was stopped or some time before.
            for every in [0, 7] {
                let checkpoint = Checkpoint::new(&path, 1e6, every).unwrap();
                let mut patience = 5 + number as u64;
                loop {
                    let host = Host {
                        left: Cell::new(patience),
                        checkpoint: Some(&checkpoint),
                        ranks: None,
                    };
                    calls += 1;
                    match job(&mut source(), &options, &host) {
                        Ok(model) => {
                            assert!(model == whole[usize::from(is_stream)], "{settings}");
                            break;
                        }
                        Err(Error::Cancelled(_)) => points += 1,
                        Err(other) => panic!("{settings}: {other}"),
                    }
                    patience += 23;
                    assert!(calls < 10_000, "{settings}: it does not come on");
                }
                std::fs::remove_file(&path).unwrap();
            }
        }
        assert!(whole[0] != whole[1]);
    }
    println!("stopped at {points} points");
    assert!(points >= 100, "{points}");
}

#[test]
fn another_refiner_goes_on_too() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::new(&folder.path().join("checkpoint"), 1e6, 0).unwrap();
    let x = array();
    let mut source = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let first = options(r#""refiner.method": "rejection""#);
    let model = Instance::new(train_generator(&mut source, &first, &()).unwrap());
    let model = refine(&model, &mut source, &first, &()).unwrap();
    let flow = options(r#""refiner.method": "flow""#);
    let whole = refine_again(&model, None, &flow, &()).unwrap();
    let again = |patience| {
        let host = Host {
            left: Cell::new(patience),
            checkpoint: Some(&checkpoint),
            ranks: None,
        };
        refine_again(&model, None, &flow, &host)
    };
    assert!(matches!(again(30), Err(Error::Cancelled("refiner_flow"))));
    let on = again(0).unwrap();
    assert!(on.to_bytes().unwrap() == whole.to_bytes().unwrap());
}

#[test]
fn jobs_of_other_options_events_or_generators_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::new(&folder.path().join("checkpoint"), 1e6, 0).unwrap();
    let host = Host {
        checkpoint: Some(&checkpoint),
        ..Host::default()
    };
    let x = array();
    let mut source = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let asked = options(r#""refiner.method": "rejection""#);
    let generator = Instance::new(train_generator(&mut source, &asked, &host).unwrap());
    refine(&generator, &mut source, &asked, &host).unwrap();
    let refused = |outcome: Result<Instance>, why: &str| {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    let other = options(r#""refiner.method": "resampling""#);
    refused(
        refine(&generator, &mut source, &other, &host),
        r#"its `refiner.method` is "rejection", not "resampling""#,
    );
    let mut moved = x.clone();
    moved[7_777] += 1e-9;
    let mut moved = Source::from_rows(Rows::packed(&moved, 2).unwrap(), None).unwrap();
    refused(
        refine(&generator, &mut moved, &asked, &host),
        "its target is 6000 events of 2 values with the SHA-256",
    );
    let seed = options(r#""refiner.method": "rejection", "seed": 2"#);
    let stranger = Instance::new(train_generator(&mut source, &seed, &()).unwrap());
    refused(
        refine(&stranger, &mut source, &asked, &host),
        "its generator is one with the SHA-256",
    );
    // Two processes with one file: who finds another's there ends.
    let other = Checkpoint::new(checkpoint.path(), 1e6, 0).unwrap();
    let model = refine(&generator, &mut source, &asked, &()).unwrap();
    let again = options(r#""refiner.method": "flow""#);
    struct Between<'c>(&'c Checkpoint, Cell<bool>);
    impl Hooks for Between<'_> {
        fn check(&self, _: &'static str) -> Result<()> {
            if !self.1.replace(true) {
                let path = self.0.path();
                let bytes = std::fs::read(path).unwrap();
                std::fs::remove_file(path).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
            Ok(())
        }
        fn checkpoint(&self) -> Option<&Checkpoint> {
            Some(self.0)
        }
    }
    let intruded = Between(&other, Cell::new(false));
    refused(
        refine_again(&model, None, &again, &intruded),
        "has been written by another process",
    );
    // A stream has no checksum: its first events tell.
    let path = folder.path().join("stream");
    let checkpoint = Checkpoint::new(&path, 1e6, 0).unwrap();
    let host = Host {
        checkpoint: Some(&checkpoint),
        ..Host::default()
    };
    let from = |next| {
        let stream = Stream {
            next,
            ..Stream::default()
        };
        Source::from_events(Box::new(stream)).unwrap()
    };
    train_generator(&mut from(0), &asked, &host).unwrap();
    let error = train_generator(&mut from(1), &asked, &host).unwrap_err();
    assert!(
        error.to_string().contains("it was given other events"),
        "{error}"
    );
    // The file is what it was.
    train_generator(&mut from(0), &asked, &host).unwrap();
}

#[test]
fn a_source_that_has_gone_on_is_brought_back_to_where_the_call_began() {
    let folder = tempfile::tempdir().unwrap();
    let x = array();
    let options =
        options(r#""refiner.method": "flow", "support": "x1 > -1.5", "target.outside": 0.2"#);
    let fresh = || Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let whole = job(&mut fresh(), &options, &()).unwrap();
    let checkpoint = Checkpoint::new(&folder.path().join("checkpoint"), 1e6, 0).unwrap();
    // One source for all attempts, and for something else between.
    let mut source = fresh();
    let mut patience = 10;
    loop {
        let host = Host {
            left: Cell::new(patience),
            checkpoint: Some(&checkpoint),
            ranks: None,
        };
        match job(&mut source, &options, &host) {
            Ok(model) => break assert!(model == whole),
            Err(Error::Cancelled(_)) => patience += 31,
            Err(other) => panic!("{other}"),
        }
        train_generator(&mut source, &options, &()).unwrap();
        assert!(patience < 1000);
    }
    // A callback cannot take its events back.
    let checkpoint = Checkpoint::new(&folder.path().join("stream"), 1e6, 0).unwrap();
    let host = |left| Host {
        left: Cell::new(left),
        checkpoint: Some(&checkpoint),
        ranks: None,
    };
    let mut source = stream();
    assert!(job(&mut source, &options, &host(30)).is_err());
    let error = job(&mut source, &options, &host(0))
        .unwrap_err()
        .to_string();
    assert!(error.contains("make a new source"), "{error}");
    assert!(job(&mut stream(), &options, &host(0)).is_ok());
}

#[test]
fn a_stream_that_tells_its_position_is_not_asked_again_for_what_was_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut options =
        options(r#""refiner.method": "rejection", "support": "x1 > -1.5", "target.outside": 0.2"#);
    options.set_i64("flow.steps", 400).unwrap();
    let whole = job(&mut stream(), &options, &()).unwrap();
    for tells in [false, true] {
        let path = folder.path().join(format!("{tells}"));
        let checkpoint = Checkpoint::new(&path, 1e6, 0).unwrap();
        let made = Arc::new(AtomicU64::new(0));
        let run = |left| {
            let stream = Stream {
                tells,
                made: made.clone(),
                ..Stream::default()
            };
            let host = Host {
                left: Cell::new(left),
                checkpoint: Some(&checkpoint),
                ranks: None,
            };
            job(
                &mut Source::from_events(Box::new(stream)).unwrap(),
                &options,
                &host,
            )
        };
        assert!(run(790).is_err());
        let first = made.swap(0, Ordering::Relaxed);
        assert!(run(0).unwrap() == whole, "{tells}");
        let again = made.load(Ordering::Relaxed);
        // Ten thousand or so to measure by are asked for again, and what was left to train on.
        assert_eq!(again < first / 2, tells, "{first}, {again}");
    }
}

#[test]
fn another_refiner_of_other_conditions_is_another_call() {
    let folder = tempfile::tempdir().unwrap();
    let x = array();
    let y: Vec<f64> = x.chunks(2).flat_map(|r| [r[0], 0.3 * r[1] + 5.0]).collect();
    fn source(x: &[f64]) -> Source<'_> {
        Source::from_rows(Rows::packed(x, 2).unwrap(), None).unwrap()
    }
    let gan = r#""generator.type": "gan", "generator.latent": 2, "conditions": 1"#;
    let first = options(&format!(r#"{gan}, "refiner.method": "rejection""#));
    let flow = options(&format!(r#"{gan}, "refiner.method": "flow""#));
    let mut target = source(&x);
    let model = Instance::new(train_generator(&mut target, &first, &()).unwrap());
    let model = refine(&model, &mut target, &first, &()).unwrap();
    let checkpoint = Checkpoint::new(&folder.path().join("c"), 1e6, 0).unwrap();
    let again = |x: &[f64], left| {
        let host = Host {
            left: Cell::new(left),
            checkpoint: Some(&checkpoint),
            ranks: None,
        };
        refine_again(&model, Some(&mut source(x)), &flow, &host)
    };
    assert!(matches!(again(&x, 30), Err(Error::Cancelled(_))));
    let error = again(&y, 0).unwrap_err().to_string();
    assert!(error.contains("its target is 6000 events"), "{error}");
    let whole = refine_again(&model, Some(&mut source(&x)), &flow, &()).unwrap();
    assert!(again(&x, 0).unwrap().to_bytes().unwrap() == whole.to_bytes().unwrap());
}

#[test]
fn the_way_back_can_be_cancelled_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(r#""refiner.method": "rejection""#);
    options.set_i64("flow.steps", 400).unwrap();
    for shuffle in [0, 300] {
        options.set_i64("source.shuffle", shuffle).unwrap();
        let whole = job(&mut stream(), &options, &()).unwrap();
        let path = folder.path().join(format!("{shuffle}"));
        let checkpoint = Checkpoint::new(&path, 1e6, 0).unwrap();
        let made = Arc::new(AtomicU64::new(0));
        let run = |left| {
            let stream = Stream {
                made: made.clone(),
                ..Stream::default()
            };
            let host = Host {
                left: Cell::new(left),
                checkpoint: Some(&checkpoint),
                ranks: None,
            };
            let mut source = Source::from_events(Box::new(stream)).unwrap();
            job(&mut source, &options, &host)
        };
        assert!(matches!(run(790), Err(Error::Cancelled("flow"))));
        let (first, kept) = (
            made.swap(0, Ordering::Relaxed),
            std::fs::read(&path).unwrap(),
        );
        assert!(first > 70_000, "{first}");
        // Some batches after those that it is measured by.
        assert!(matches!(run(10), Err(Error::Cancelled("flow"))));
        let again = made.swap(0, Ordering::Relaxed);
        assert!(again < 16_000, "{again}");
        assert!(std::fs::read(&path).unwrap() == kept);
        assert!(run(0).unwrap() == whole);
    }
}

#[test]
fn a_position_that_cannot_be_told_once_loses_nothing() {
    struct Once(Stream, u64);
    impl EventSource for Once {
        fn dim(&self) -> usize {
            2
        }
        fn weighted(&self) -> bool {
            false
        }
        fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
            self.0.fill(x, w)
        }
        fn position(&mut self) -> Result<Option<u64>> {
            self.1 = self.1.saturating_sub(1);
            match self.1 {
                1 => Err(Error::Host("the disk is full".into())),
                _ => self.0.position(),
            }
        }
        fn go_to(&mut self, position: u64) -> Result<()> {
            self.0.go_to(position)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(r#""refiner.method": "rejection""#);
    options.set_i64("flow.steps", 200).unwrap();
    let checkpoint = Checkpoint::new(&folder.path().join("c"), 1e6, 50).unwrap();
    let run = |fails| {
        let told = Stream {
            tells: true,
            ..Stream::default()
        };
        let source = Source::from_events(Box::new(Once(told, fails)));
        let host = Host {
            checkpoint: Some(&checkpoint),
            ..Host::default()
        };
        job(&mut source.unwrap(), &options, &host)
    };
    assert!(matches!(run(40), Err(Error::Host(_))));
    assert!(run(0).unwrap() == job(&mut stream(), &options, &()).unwrap());
}

/// A sum over threads, in the order of their ranks.
struct Threads {
    /// Whether the sums of many numbers differ in their last bit on rank 1.
    unlike: bool,
    rank: usize,
    slots: Arc<Mutex<Vec<Vec<f64>>>>,
    barrier: Arc<Barrier>,
}

impl AllReduce for Threads {
    fn sum(&self, values: &mut [f64]) -> Result<()> {
        self.slots.lock()[self.rank] = values.to_vec();
        self.barrier.wait();
        let slots = self.slots.lock().clone();
        assert!(slots.iter().all(|slot| slot.len() == values.len()));
        for (k, value) in values.iter_mut().enumerate() {
            *value = slots.iter().map(|slot| slot[k]).sum();
            if self.unlike && self.rank == 1 && slots[0].len() > 1500 && *value != 0.0 {
                *value = f64::from_bits(value.to_bits() ^ 1);
            }
        }
        self.barrier.wait();
        Ok(())
    }
}

/// What `call` comes to on every rank.
fn on_ranks<R: Send>(ranks: usize, call: impl Fn(usize, Arc<Ranks>) -> R + Sync) -> Vec<R> {
    on_unlike_ranks(ranks, false, call)
}

fn on_unlike_ranks<R: Send>(
    ranks: usize,
    unlike: bool,
    call: impl Fn(usize, Arc<Ranks>) -> R + Sync,
) -> Vec<R> {
    let slots = Arc::new(Mutex::new(vec![Vec::new(); ranks]));
    let barrier = Arc::new(Barrier::new(ranks));
    let call = &call;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..ranks)
            .map(|rank| {
                let host = Threads {
                    unlike,
                    rank,
                    slots: slots.clone(),
                    barrier: barrier.clone(),
                };
                let own = Arc::new(Ranks::new(rank, ranks, Box::new(host)).unwrap());
                scope.spawn(move || call(rank, own))
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

/// Weights of the events of an array, as a file.
fn reweighting(
    one: &[f64],
    to: &mut Source,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Vec<u8>> {
    let mut from = Source::from_rows(Rows::packed(one, to.dim()).unwrap(), None).unwrap();
    train_reweighter(&mut from, to, options, hooks)?.to_bytes()
}

#[test]
fn a_reweighter_that_is_stopped_again_and_again_ends_in_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let x = array();
    let moved: Vec<f64> = x.iter().map(|x| x + 0.3).collect();
    for (is_stream, settings) in [
        (false, r#""classifier.ensemble": 2"#),
        (true, r#""classifier.ema": 0.9"#),
        (true, r#""conditions": 1"#),
    ] {
        let options = options(settings);
        let first: Vec<f64> = moved.chunks_exact(2).map(|x| x[0]).collect();
        let given = settings.contains("conditions");
        let call_from = |next: u64, hooks: &dyn Hooks| {
            let mut to = match is_stream {
                true => stream_from(next),
                false => Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap(),
            };
            match given {
                true => {
                    let rows = Rows::packed(&first, 1).unwrap();
                    let mut from = Source::from_rows(rows, None).unwrap();
                    train_reweighter(&mut from, &mut to, &options, hooks)?.to_bytes()
                }
                false => reweighting(&moved, &mut to, &options, hooks),
            }
        };
        let call = |hooks: &dyn Hooks| call_from(0, hooks);
        let whole = call(&()).unwrap();
        let checkpoint = Checkpoint::new(&path, 1e6, 7).unwrap();
        let (mut patience, mut stopped) = (5, 0);
        loop {
            let host = Host {
                left: Cell::new(patience),
                checkpoint: Some(&checkpoint),
                ranks: None,
            };
            match call(&host) {
                Ok(model) => break assert!(model == whole, "{settings}"),
                Err(Error::Cancelled(_)) => stopped += 1,
                Err(other) => panic!("{settings}: {other}"),
            }
            patience += 5;
        }
        assert!(stopped >= 3, "{settings}: stopped at {stopped} points");
        std::fs::remove_file(&path).unwrap();
        // What a checkpoint is of, the other events are not.
        let host = Host {
            left: Cell::new(30),
            checkpoint: Some(&checkpoint),
            ranks: None,
        };
        assert!(call(&host).is_err());
        let other = reweighting(&x, &mut stream(), &options, &host).unwrap_err();
        assert!(other.to_string().contains("from") || given, "{other}");
        std::fs::remove_file(&path).unwrap();
        let models = on_ranks(2, |rank, ranks| {
            let host = Host {
                ranks: Some(ranks),
                ..Host::default()
            };
            // Every rank has a simulator of its own.
            call_from(1_000_000 * rank as u64, &host).unwrap()
        });
        assert!(models[0] == models[1], "{settings}");
        for (a, b) in losses(&models[0]).iter().zip(losses(&whole)) {
            assert!((a - b).abs() < 2e-3, "{settings}: {a}, {b}");
        }
    }
}

#[test]
fn an_unfolding_that_is_stopped_again_and_again_ends_in_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let t = array();
    let moved: Vec<f64> = t.iter().map(|x| 1.1 * x + 0.2).collect();
    let flags: Vec<i32> = (0..t.len() / 2).map(|i| [3, 3, 1, 3, 2][i % 5]).collect();
    let call_with = |settings: &str, data: &[f64], hooks: &dyn Hooks| {
        let [generated, reconstructed, data] = [&t[..], &t, data]
            .map(|rows| Source::from_rows(Rows::packed(rows, 2).unwrap(), None).unwrap());
        let flags = Some(&flags[..]);
        let options = options(settings);
        unfold(&generated, &reconstructed, &data, flags, &options, hooks)
            .map(|unfolded| (unfolded.reweighter.to_bytes().unwrap(), unfolded.w))
    };
    const SETTINGS: &str = r#""unfold.iterations": 2, "unfold.epochs": 1, "classifier.ensemble": 2, "unfold.replica": 1"#;
    let call = |hooks: &dyn Hooks| call_with(SETTINGS, &moved, hooks);
    let whole = call(&()).unwrap();
    let checkpoint = Checkpoint::new(&path, 1e6, 7).unwrap();
    let (mut patience, mut stopped) = (20, 0);
    loop {
        let host = Host {
            left: Cell::new(patience),
            checkpoint: Some(&checkpoint),
            ranks: None,
        };
        match call(&host) {
            Ok(result) => break assert!(result == whole),
            Err(Error::Cancelled(_)) => stopped += 1,
            Err(other) => panic!("{other}"),
        }
        patience += 30;
    }
    assert!(stopped >= 3, "stopped at {stopped} points");
    // A checkpoint is of its data and its replica.
    let host = || Host {
        left: Cell::new(30),
        checkpoint: Some(&checkpoint),
        ranks: None,
    };
    let refused = call_with(SETTINGS, &t, &host()).unwrap_err().to_string();
    assert!(refused.contains("its data is"), "{refused}");
    let other = SETTINGS.replace("replica\": 1", "replica\": 2");
    let refused = call_with(&other, &moved, &host()).unwrap_err().to_string();
    assert!(
        refused.contains("`unfold.replica` is 1, not 2"),
        "{refused}"
    );
    let models = on_ranks(2, |_, ranks| {
        let host = Host {
            ranks: Some(ranks),
            ..Host::default()
        };
        call(&host).unwrap()
    });
    assert!(models[0] == models[1]);
    for (w, one) in models[0].1.iter().zip(&whole.1) {
        assert!((w - one).abs() < 0.02 * (1.0 + one.abs()), "{w}, {one}");
    }
}

fn losses(model: &[u8]) -> Vec<f64> {
    let model = laser::model::Model::from_bytes(model).unwrap();
    let stage = |name: &str| model.record.get(name)?["validation_loss"].as_f64();
    ["flow", "vae", "classifier"]
        .into_iter()
        .filter_map(stage)
        .collect()
}

#[test]
fn ranks_end_in_the_same_bits_near_those_of_one_process() {
    let x = array();
    for settings in JOBS {
        let options = options(settings);
        let source = || Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
        let alone = job(&mut source(), &options, &()).unwrap();
        for ranks in [2, 3] {
            let models = on_ranks(ranks, |_, ranks| {
                let host = Host {
                    ranks: Some(ranks),
                    ..Host::default()
                };
                job(&mut source(), &options, &host).unwrap()
            });
            assert!(models.iter().all(|m| *m == models[0]), "{settings}");
            let (together, alone) = (losses(&models[0]), losses(&alone));
            assert!(!alone.is_empty() || settings.contains("gan_generator"));
            for (a, b) in together.iter().zip(&alone) {
                assert!((a - b).abs() < 2e-3, "{settings}: {together:?}, {alone:?}");
            }
        }
    }
}

#[test]
fn in_double_precision_two_ranks_agree_with_one_process_to_rounding() {
    let x = array();
    let options = options(r#""refiner.method": "rejection", "dtype": "float64""#);
    let train = |hooks: &dyn Hooks| {
        let mut source = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
        let generator = train_generator(&mut source, &options, hooks).unwrap();
        generator.generator.parameters.to_vec()
    };
    let alone = train(&());
    let models = on_ranks(2, |_, ranks| {
        train(&Host {
            ranks: Some(ranks),
            ..Host::default()
        })
    });
    let pairs = models[0].iter().zip(&alone);
    let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart > 0.0 && apart < 1e-9, "{apart}");
}

#[test]
fn every_rank_asks_its_own_simulator() {
    let options = options(r#""refiner.method": "rejection""#);
    let models = on_ranks(3, |rank, ranks| {
        let stream = Stream {
            next: rank as u64,
            between: 2,
            ..Stream::default()
        };
        let mut source = Source::from_events(Box::new(stream)).unwrap();
        let host = Host {
            ranks: Some(ranks),
            ..Host::default()
        };
        job(&mut source, &options, &host).unwrap()
    });
    assert!(models.iter().all(|m| *m == models[0]));
}

#[test]
fn a_rank_that_ends_takes_the_others_with_it() {
    let x = array();
    let options = options(r#""refiner.method": "flow""#);
    let mut places = Vec::new();
    for patience in [1, 9, 40, 50, 70, 90, 110, 130] {
        let outcomes = on_ranks(3, |rank, ranks| {
            let mut source = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
            let host = Host {
                left: Cell::new(if rank == 1 { patience } else { 0 }),
                ranks: Some(ranks),
                ..Host::default()
            };
            job(&mut source, &options, &host)
        });
        for (rank, outcome) in outcomes.iter().enumerate() {
            match (rank, outcome) {
                (1, Err(Error::Cancelled(stage))) => places.push(*stage),
                (0 | 2, Err(Error::Host(why))) if why.to_string().contains("another rank") => {}
                (_, other) => panic!("{rank}, {patience}: {:?}", other.as_ref().map(Vec::len)),
            }
        }
    }
    places.dedup();
    assert!(places.len() >= 3, "{places:?}");
}

#[test]
fn ranks_that_do_not_do_the_same_are_told() {
    let x = array();
    for what in ["options", "events", "samples"] {
        let outcomes = on_ranks(2, |rank, ranks| {
            let mut own = x.clone();
            let seed = match (what, rank) {
                ("options", 1) => 2,
                _ => 1,
            };
            if what == "events" && rank == 1 {
                own[3] = 0.5;
            }
            let options = options(&format!(r#""seed": {seed}"#));
            let host = Host {
                ranks: Some(ranks),
                ..Host::default()
            };
            if what == "samples" {
                own.truncate(6000 - 100 * rank);
                let rows = |x| laser::metrics::Sample::new(Rows::packed(x, 2).unwrap(), None);
                let (a, b) = (rows(&own).unwrap(), rows(&x).unwrap());
                return two_sample_auc(&a, &b, &options, &host).map(drop);
            }
            let mut source = Source::from_rows(Rows::packed(&own, 2).unwrap(), None).unwrap();
            train_generator(&mut source, &options, &host).map(drop)
        });
        for outcome in outcomes {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("the ranks"), "{what}: {error}");
        }
    }
    assert!(Ranks::new(2, 2, Box::new(Nobody)).is_err());
    assert!(Ranks::new(0, 0, Box::new(Nobody)).is_err());
}

struct Nobody;

impl AllReduce for Nobody {
    fn sum(&self, _: &mut [f64]) -> Result<()> {
        Err(Error::Host("the network is down".into()))
    }
}

#[test]
fn a_checkpoint_of_one_rank_alone_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::new(&folder.path().join("c"), 1e6, 0).unwrap();
    let x = array();
    for of_rank in [0, 1] {
        let outcomes = on_ranks(2, |rank, ranks| {
            let host = Host {
                checkpoint: (rank == of_rank).then_some(&checkpoint),
                ranks: Some(ranks),
                ..Host::default()
            };
            let mut source = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
            train_generator(&mut source, &options(r#""seed": 1"#), &host).map(drop)
        });
        for outcome in outcomes {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("it must be set on all of them"), "{error}");
        }
    }
    assert!(!checkpoint.path().exists());
}

#[test]
fn ranks_whose_simulators_have_one_seed_are_told() {
    let options = options(r#""refiner.method": "rejection""#);
    let outcomes = on_ranks(3, |rank, ranks| {
        // Of the ranks 0 and 2 the same numbers.
        let stream = Stream {
            next: [0, 1_000_000, 0][rank],
            ..Stream::default()
        };
        let mut source = Source::from_events(Box::new(stream)).unwrap();
        let host = Host {
            ranks: Some(ranks),
            ..Host::default()
        };
        train_generator(&mut source, &options, &host).map(drop)
    });
    for outcome in outcomes {
        let error = outcome.unwrap_err().to_string();
        let said = "the event callbacks of the ranks 0 and 2 deliver the same events";
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn streams_that_end_do_not_go_with_ranks() {
    for declared in [0, 3000] {
        let mut options = options(r#""refiner.method": "rejection""#);
        options.set_i64("source.events", declared).unwrap();
        let outcomes = on_ranks(2, |rank, ranks| {
            let stream = Stream {
                next: 1_000_000 * rank as u64,
                ..Stream::default()
            };
            let stream = Ending(stream, if rank == 1 { 1_002_000 } else { u64::MAX });
            let mut source = Source::from_events(Box::new(stream)).unwrap();
            let host = Host {
                ranks: Some(ranks),
                ..Host::default()
            };
            train_generator(&mut source, &options, &host).map(drop)
        });
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            let said = error.to_string();
            assert!(matches!(error, Error::Unsupported(_)), "{said}");
            assert!(said.contains("deliver events without end"), "{said}");
            assert_eq!(said.contains("`source.events`"), declared > 0, "{said}");
        }
    }
}

/// Ends after so many events.
struct Ending(Stream, u64);

impl EventSource for Ending {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        false
    }

    fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
        let rows = w.len().min((self.1 - self.0.next) as usize);
        self.0.fill(&mut x[..2 * rows], w)?;
        Ok(rows)
    }
}

#[test]
fn a_sum_that_fails_ends_the_call() {
    let x = array();
    let mut source = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let host = Host {
        ranks: Some(Arc::new(Ranks::new(0, 2, Box::new(Nobody)).unwrap())),
        ..Host::default()
    };
    let error = train_generator(&mut source, &options(r#""seed": 1"#), &host).unwrap_err();
    assert!(error.to_string().contains("the network is down"), "{error}");
}

#[test]
fn sums_that_differ_in_their_last_bit_are_noticed() {
    let x = array();
    let options = options(r#""refiner.method": "hmc""#);
    let outcomes = on_unlike_ranks(2, true, |_, ranks| {
        let mut source = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
        let host = Host {
            ranks: Some(ranks),
            ..Host::default()
        };
        job(&mut source, &options, &host).map(drop)
    });
    for outcome in outcomes {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("the ranks have not the same"), "{error}");
    }
}

#[test]
fn ranks_with_simulators_go_on_and_leave_their_sources_to_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(r#""refiner.method": "rejection""#);
    options.set_i64("flow.steps", 150).unwrap();
    for (ranks, tells, shuffle) in [(2, true, 0), (3, false, 0), (3, true, 0), (3, false, 700)] {
        options.set_i64("source.shuffle", shuffle).unwrap();
        let path = folder.path().join(format!("{ranks}-{tells}-{shuffle}"));
        let run = |patience: u64, path: &std::path::Path| {
            on_ranks(ranks, |rank, ranks| {
                let checkpoint = Checkpoint::new(path, 1e6, 0).unwrap();
                // Every host counts for itself.
                let stream = Stream {
                    next: 1_000_000 * rank as u64,
                    tells,
                    ..Stream::default()
                };
                let mut source = Source::from_events(Box::new(stream)).unwrap();
                let host = Host {
                    left: Cell::new(if rank == 1 { patience } else { 0 }),
                    checkpoint: Some(&checkpoint),
                    ranks: Some(ranks),
                };
                let done = job(&mut source, &options, &host).ok();
                // By itself: a call without ranks does not wait for them.
                if rank == 0 {
                    laser::protocol::check(&mut source, &options).unwrap();
                }
                done
            })
        };
        assert!(run(250, &path).iter().all(Option::is_none));
        let on = run(0, &path);
        let whole = run(
            0,
            &folder
                .path()
                .join(format!("{ranks}-{tells}-{shuffle}-whole")),
        );
        assert!(
            on == whole && on[0].is_some() && on[0] == on[1],
            "{ranks}, {tells}, {shuffle}"
        );
    }
}

#[test]
fn ranks_go_on_from_the_checkpoint_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let x = array();
    let options = options(r#""refiner.method": "rejection""#);
    let run = |patience: u64| {
        on_ranks(2, |rank, ranks| {
            let checkpoint = Checkpoint::new(&path, 1e6, 0).unwrap();
            let mut source = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
            let host = Host {
                left: Cell::new(if rank == 1 { patience } else { 0 }),
                checkpoint: Some(&checkpoint),
                ranks: Some(ranks),
            };
            job(&mut source, &options, &host).ok()
        })
    };
    assert!(run(60).iter().all(Option::is_none));
    let on = run(0);
    std::fs::remove_file(&path).unwrap();
    let whole = run(0);
    assert!(on == whole && on[0].is_some() && on[0] == on[1]);
}
