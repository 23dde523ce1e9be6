use super::run::{clip, train as run};
use super::*;
use crate::objective::Objective;
use crate::{Error, Result};
use std::cell::RefCell;

/// ½ mean (p − x)² with one parameter per column.
struct Bowl;

impl Objective<f64> for Bowl {
    fn parts(&self) -> Vec<usize> {
        vec![2]
    }

    fn gradient(
        &mut self,
        _: usize,
        p: &[f64],
        batch: &Batch<f64>,
        gradient: &mut [f64],
    ) -> Result<f64> {
        gradient.fill(0.0);
        for row in batch.x.chunks_exact(2) {
            for k in 0..2 {
                gradient[k] += (p[k] - row[k]) / batch.rows as f64;
            }
        }
        self.loss(p, batch)
    }

    fn loss(&mut self, p: &[f64], batch: &Batch<f64>) -> Result<f64> {
        let square = |row: &[f64]| (0..2).map(|k| 0.5 * (p[k] - row[k]).powi(2)).sum::<f64>();
        Ok(batch.x.chunks_exact(2).map(square).sum::<f64>() / batch.rows as f64)
    }
}

fn train(
    settings: &Settings,
    objective: &mut dyn Objective<f64>,
    feed: &mut dyn Feed<f64>,
    parameters: &mut [f64],
    hooks: &dyn Hooks,
) -> Result<Record> {
    run(settings, objective, feed, parameters, hooks, None)
}

/// The same rows for ever, or with `drift` others at every update.
struct Rows {
    x: Vec<f64>,
    held_out: Vec<f64>,
    pass: Option<usize>,
    drift: f64,
    drawn: u64,
}

fn rows(x: [f64; 4], held_out: &[f64]) -> Rows {
    Rows {
        x: x.to_vec(),
        held_out: held_out.to_vec(),
        pass: None,
        drift: 0.0,
        drawn: 0,
    }
}

fn batch(x: &[f64], step: u64) -> Batch<f64> {
    Batch {
        rows: x.len() / 2,
        x: x.to_vec(),
        weights: vec![1.0; x.len() / 2],
        labels: Vec::new(),
        step,
        part: (0, 0),
    }
}

impl Resume for Rows {
    fn position(&self, words: &mut Vec<u64>) -> Result<()> {
        words.push(self.drawn);
        Ok(())
    }

    fn resume(&mut self, words: &mut Words) -> Result<()> {
        self.drawn = words.next_drawn(0)?;
        Ok(())
    }
}

impl Feed<f64> for Rows {
    fn fill(&mut self, _: usize, out: &mut Batch<f64>) -> Result<()> {
        *out = batch(&self.x, out.step);
        let shift = self.drift * (self.drawn as f64).sin();
        out.x.iter_mut().for_each(|x| *x += shift);
        self.drawn += 1;
        Ok(())
    }

    fn pass(&self) -> Option<usize> {
        self.pass
    }

    fn held_out(&mut self) -> Result<Vec<Batch<f64>>> {
        Ok(self.held_out.chunks(2).map(|x| batch(x, 0)).collect())
    }
}

fn settings() -> Settings {
    Settings {
        stage: "bowl",
        group: "bowl",
        epochs: 20,
        steps: 50,
        batch: 2,
        schedule: Schedule {
            rate: 0.1,
            warmup: 0,
            decay: Decay::Cosine,
        },
        adam: AdamSettings {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        },
        patience: 0,
        enough: f64::NEG_INFINITY,
        clip: 0.0,
        ema: 0.0,
        fallbacks: 0,
    }
}

/// Remembers progress; stops with a callback's error at `stop_at`, is cancelled at `cancel_at`.
#[derive(Default)]
struct Watch {
    seen: RefCell<Vec<Progress>>,
    checks: RefCell<u64>,
    warnings: RefCell<Vec<String>>,
    stop_at: u64,
    cancel_at: u64,
}

impl Hooks for Watch {
    fn warn(&self, _: &'static str, message: &str) -> Result<()> {
        self.warnings.borrow_mut().push(message.into());
        Ok(())
    }

    fn progress(&self, p: &Progress) -> Result<()> {
        self.seen.borrow_mut().push(*p);
        if p.step == self.stop_at {
            return Err(Error::Callback {
                callback: "progress",
                code: 7,
            });
        }
        Ok(())
    }

    fn check(&self, stage: &'static str) -> Result<()> {
        *self.checks.borrow_mut() += 1;
        if *self.checks.borrow() == self.cancel_at {
            return Err(Error::Cancelled(stage));
        }
        Ok(())
    }
}

#[test]
fn the_minimum_is_found_and_recorded() {
    let mut p = [5.0, -5.0];
    let mut feed = rows([0.0, 1.0, 2.0, 3.0], &[1.0, 2.0]);
    let watch = Watch::default();
    let record = train(&settings(), &mut Bowl, &mut feed, &mut p, &watch).unwrap();
    assert!(
        (p[0] - 1.0).abs() < 1e-3 && (p[1] - 2.0).abs() < 1e-3,
        "{p:?}"
    );
    assert_eq!(
        (record.steps, record.rows, record.kept_epoch),
        (1000, 2000, 20)
    );
    assert_eq!(
        (record.losses.len(), record.validation_losses.len()),
        (20, 20)
    );
    assert!(
        (record.loss - 1.0).abs() < 1e-4,
        "½ (1 + 1) is the data's own spread, not {}",
        record.loss
    );
    assert!(record.validation_loss.unwrap() < 1e-5);
    let seen = watch.seen.borrow();
    assert_eq!(seen.len(), 1000);
    assert!(seen[0].validation_loss.is_nan() && !seen[60].validation_loss.is_nan());
    assert_eq!(
        (seen[999].epoch, seen[999].step, seen[999].steps),
        (20, 1000, 1000)
    );
    assert_eq!(seen[999].seconds_left, 0.0);
}

#[test]
fn early_stopping_keeps_the_best_parameters() {
    // The held-out event lies on the way to the training events: its loss falls, then rises.
    let mut p = [0.0, 0.0];
    let mut feed = rows([10.0, 0.0, 10.0, 0.0], &[5.0, 0.0]);
    let settings = Settings {
        patience: 2,
        schedule: Schedule {
            decay: Decay::Constant,
            rate: 0.02,
            warmup: 0,
        },
        ..settings()
    };
    let record = train(&settings, &mut Bowl, &mut feed, &mut p, &()).unwrap();
    assert!(record.stopped_early);
    assert!(record.losses.len() as u64 >= record.kept_epoch + 2);
    assert!((p[0] - 5.0).abs() < 1.5, "{p:?}");
    let best = record
        .validation_losses
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min);
    assert_eq!(record.validation_loss, Some(best));
    let kept = Bowl.loss(&p, &batch(&[5.0, 0.0], 0)).unwrap();
    assert!(
        (kept - best).abs() < 1e-15,
        "the parameters are those of the best epoch"
    );
}

#[test]
fn nothing_left_to_learn_ends_a_training() {
    let steps = |enough| {
        let mut p = [0.0, 0.0];
        let mut feed = rows([10.0, 0.0, 10.0, 0.0], &[10.0, 0.0]);
        let settings = Settings {
            patience: 2,
            enough,
            schedule: Schedule {
                decay: Decay::Constant,
                rate: 0.02,
                warmup: 0,
            },
            ..settings()
        };
        let record = train(&settings, &mut Bowl, &mut feed, &mut p, &()).unwrap();
        (record.steps, record.validation_loss.unwrap())
    };
    let (whole, least) = steps(f64::NEG_INFINITY);
    let (some, loss) = steps(5.0);
    assert!(
        some < whole && least < loss && loss <= 5.0,
        "{some} of {whole}, {loss}"
    );
}

#[test]
fn one_cycle_goes_to_its_end_and_keeps_the_best() {
    // As above: what is best comes before the end, and here may come again.
    let training = |decay, rate, held_out| {
        let mut p = [0.0, 0.0];
        let mut feed = rows([10.0, 0.0, 10.0, 0.0], &[held_out, 0.0]);
        let settings = Settings {
            patience: 2,
            schedule: Schedule {
                decay,
                rate,
                warmup: 0,
            },
            ..settings()
        };
        let record = train(&settings, &mut Bowl, &mut feed, &mut p, &()).unwrap();
        (record, p)
    };
    let stopped = training(Decay::Cosine, 0.1, 6.0).0;
    assert!(stopped.stopped_early && stopped.by_heart);
    let (record, p) = training(Decay::OneCycle, 0.02, 5.0);
    assert!(!record.stopped_early);
    assert_eq!((record.steps, record.losses.len()), (1000, 20));
    assert!(record.kept_step < 1000);
    let losses = record.validation_losses.iter().copied();
    assert_eq!(record.validation_loss, losses.reduce(f64::min));
    assert!((p[0] - 5.0).abs() < 1.5, "{p:?}");
}

#[test]
fn large_steps_of_a_cosine_are_no_reason_to_stop() {
    // The events go to and fro, and the parameters with them: the best is at the end, and nothing is learned by heart.
    let training = |decay| {
        let mut p = [5.0, -5.0];
        let mut feed = rows([0.0, 1.0, 2.0, 3.0], &[1.0, 2.0]);
        feed.drift = 3.0;
        let settings = Settings {
            patience: 2,
            epochs: 40,
            schedule: Schedule {
                decay,
                rate: 10.0,
                warmup: 0,
            },
            ..settings()
        };
        train(&settings, &mut Bowl, &mut feed, &mut p, &()).unwrap()
    };
    let stopped = training(Decay::Constant);
    assert!(stopped.stopped_early && !stopped.by_heart);
    let whole = training(Decay::Cosine);
    assert!(!whole.stopped_early && !whole.by_heart);
    assert!(whole.kept_epoch > 30 && whole.validation_loss < stopped.validation_loss);
}

#[test]
fn a_training_that_ends_within_its_warm_up_is_told() {
    let warned = |warmup, decay| {
        let mut p = [5.0, -5.0];
        let mut feed = rows([0.0, 1.0, 2.0, 3.0], &[1.0, 2.0]);
        let settings = Settings {
            schedule: Schedule {
                warmup,
                decay,
                rate: 0.1,
            },
            ..settings()
        };
        let watch = Watch::default();
        train(&settings, &mut Bowl, &mut feed, &mut p, &watch).unwrap();
        watch.warnings.take()
    };
    let told = warned(1001, Decay::Cosine);
    assert!(
        told.len() == 1 && told[0].contains("(`bowl.warmup`)") && told[0].contains("1000 updates"),
        "{told:?}"
    );
    assert!(warned(1000, Decay::Cosine).is_empty());
    assert!(warned(1001, Decay::OneCycle).is_empty(), "it has its own");
}

#[test]
fn few_events_are_looked_at_often_and_a_training_is_so_many_updates() {
    // The held-out event lies on the way: 2 rows are learned by heart within the first epoch.
    let stopped = |pass, steps| {
        let mut p = [0.0, 0.0];
        let mut feed = rows([10.0, 0.0, 10.0, 0.0], &[5.0, 0.0]);
        feed.pass = pass;
        let settings = Settings {
            patience: 2,
            steps,
            epochs: 3,
            schedule: Schedule {
                decay: Decay::Constant,
                rate: 0.1,
                warmup: 0,
            },
            ..settings()
        };
        let watch = Watch::default();
        let record = train(&settings, &mut Bowl, &mut feed, &mut p, &watch).unwrap();
        assert_eq!(
            watch.seen.borrow().last().unwrap().steps,
            3 * steps,
            "the plan is the settings'"
        );
        (record, p)
    };
    let (record, p) = stopped(Some(2), 320);
    assert!(record.stopped_early && record.steps < 320 && record.kept_epoch == 1);
    assert!(
        record.kept_step < record.steps && record.kept_step.is_multiple_of(16),
        "{record:?}"
    );
    assert_eq!(
        record.passes,
        Some(record.steps as f64),
        "a batch is a pass"
    );
    assert_eq!(
        (record.losses.len(), record.validation_losses.len()),
        (1, 1)
    );
    let kept = Bowl.loss(&p, &batch(&[5.0, 0.0], 0)).unwrap();
    assert!((kept - record.validation_loss.unwrap()).abs() < 1e-15);
    // Of many events, or an unknown number, the loss is looked at once an epoch.
    for pass in [Some(1_000_000), None] {
        let (record, _) = stopped(pass, 320);
        assert_eq!(
            (record.steps, record.kept_epoch),
            (960, 1),
            "two more looks: {record:?}"
        );
        assert_eq!(record.passes, pass.map(|rows| 1920.0 / rows as f64));
    }
}

#[test]
fn hooks_stop_within_one_update() {
    let mut feed = rows([0.0; 4], &[]);
    let watch = Watch {
        stop_at: 5,
        ..Watch::default()
    };
    let error = train(&settings(), &mut Bowl, &mut feed, &mut [1.0, 1.0], &watch).unwrap_err();
    assert!(matches!(error, Error::Callback { code: 7, .. }));
    assert_eq!(watch.seen.borrow().len(), 5);
    let watch = Watch {
        cancel_at: 8,
        ..Watch::default()
    };
    let error = train(&settings(), &mut Bowl, &mut feed, &mut [1.0, 1.0], &watch).unwrap_err();
    assert!(matches!(error, Error::Cancelled("bowl")));
    assert_eq!(watch.seen.borrow().len(), 7);
}

#[test]
fn divergence_is_an_error_and_parameters_stay_finite() {
    let mut feed = rows([0.0, f64::MAX, 0.0, 0.0], &[]);
    let mut p = [1.0, 1.0];
    let error = train(&settings(), &mut Bowl, &mut feed, &mut p, &()).unwrap_err();
    assert!(
        matches!(error, Error::Numerical(_)) && error.to_string().contains("bowl.lr"),
        "{error}"
    );
    assert_eq!(p, [1.0, 1.0]);
}

#[test]
fn clipping_bounds_the_norm() {
    let mut g = [3.0f32, 4.0];
    clip(&mut g, 1.0, 0.0).unwrap();
    assert!((g[0] - 0.6).abs() < 1e-6 && (g[1] - 0.8).abs() < 1e-6);
    clip(&mut g, 2.0, 0.0).unwrap();
    assert!((g[1] - 0.8).abs() < 1e-6, "a short gradient is left alone");
    assert!(
        clip(&mut [f32::NAN], 0.0, 0.0).is_none() && clip(&mut [0.0f32], 0.0, f64::NAN).is_none()
    );
}

/// An identity of no meaning.
fn identity() -> Identity {
    Identity {
        library: "0".into(),
        options: Options::new().to_json(),
        of: vec![("target".into(), "rows".into())],
    }
}

/// One training of few updates on rows that change, from a checkpoint if there is one; its parameters and record.
fn kept(
    settings: &Settings,
    hooks: &dyn Hooks,
    checkpoint: Option<&Checkpoint>,
) -> Result<([f64; 2], String)> {
    let mut p = [5.0, -5.0];
    let mut feed = Rows {
        drift: 3.0,
        pass: Some(4),
        ..rows([0.0, 1.0, 2.0, 3.0], &[1.0, 2.0, 0.5, 1.0])
    };
    let journal = checkpoint
        .map(|c| c.open("bowl", identity(), None))
        .transpose()?;
    let record = run(
        settings,
        &mut Bowl,
        &mut feed,
        &mut p,
        hooks,
        journal.as_ref(),
    )?;
    Ok((p, serde_json::to_string(&record).unwrap()))
}

#[test]
fn a_training_stopped_anywhere_ends_in_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    for (number, settings) in [
        settings(),
        Settings {
            patience: 3,
            ..settings()
        },
        Settings {
            ema: 0.9,
            ..settings()
        },
    ]
    .into_iter()
    .enumerate()
    {
        let settings = Settings {
            epochs: 4,
            steps: 16,
            ..settings
        };
        let whole = kept(&settings, &(), None).unwrap();
        let path = folder.path().join(format!("{number}.checkpoint"));
        // Whether cancelled or stopped by the callback, after any number of updates, and whether the file is of that moment or older.
        for stop in (1..80).step_by(4) {
            for (cancel_at, stop_at, every) in [(stop, 0, 1), (0, stop, 1), (stop, 0, 7)] {
                let checkpoint = Checkpoint::new(&path, 1e6, every).unwrap();
                let first = Watch {
                    cancel_at,
                    stop_at,
                    ..Watch::default()
                };
                if let Ok(done) = kept(&settings, &first, Some(&checkpoint)) {
                    assert_eq!(done, whole);
                }
                let second = Watch {
                    cancel_at: 9,
                    ..Watch::default()
                };
                let _ = kept(&settings, &second, Some(&checkpoint));
                let on = Watch::default();
                assert_eq!(kept(&settings, &on, Some(&checkpoint)).unwrap(), whole);
                let updates = on.seen.borrow().len();
                assert!(updates < 64, "it went on, and did not begin again");
                // Done is done.
                let over = Watch::default();
                assert_eq!(kept(&settings, &over, Some(&checkpoint)).unwrap(), whole);
                assert!(over.seen.borrow().is_empty());
                std::fs::remove_file(&path).unwrap();
            }
        }
    }
}

#[test]
fn checkpoints_of_something_else_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoint = Checkpoint::new(&path, 60.0, 0).unwrap();
    kept(&settings(), &(), Some(&checkpoint)).unwrap();
    let refused = |identity: Identity| match checkpoint.open("bowl", identity, None) {
        Err(Error::InvalidArgument(why)) => why,
        other => panic!("{:?}", other.map(drop)),
    };
    let mut options = Options::new();
    options.set_f64("flow.lr", 0.25).unwrap();
    let why = refused(Identity {
        options: options.to_json(),
        ..identity()
    });
    assert!(why.contains("its `flow.lr` is 0.001, not 0.25"), "{why}");
    let why = refused(Identity {
        of: vec![("target".into(), "other rows".into())],
        ..identity()
    });
    assert!(why.contains("its target is rows, not other rows"), "{why}");
    let why = refused(Identity {
        library: "1".into(),
        ..identity()
    });
    assert!(why.contains("liblaser 0 wrote it, this is 1"), "{why}");
    // The same options, but other held-out events.
    let journal = checkpoint.open("bowl", identity(), None).unwrap();
    let mut feed = rows([0.0, 1.0, 2.0, 3.0], &[1.0, 2.5]);
    let began = run(
        &settings(),
        &mut Bowl,
        &mut feed,
        &mut [5.0, -5.0],
        &(),
        Some(&journal),
    );
    let why = began.unwrap_err().to_string();
    assert!(why.contains("other networks or held-out events"), "{why}");
    assert!(matches!(
        checkpoint.open("bowl", identity(), None),
        Err(Error::Busy("checkpoint"))
    ));
    drop(journal);
    let as_model = crate::model::Model::load(&path).unwrap_err().to_string();
    assert!(
        as_model.contains("it is the checkpoint of a training"),
        "{as_model}"
    );
    // Damage is found, and nothing is lost by it.
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let damaged = checkpoint.open("bowl", identity(), None);
    assert!(matches!(damaged, Err(Error::Format(why)) if why.contains("damaged")));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Checkpoint::new(&path, seconds, 0).is_err(), "{seconds}");
    }
}

#[test]
fn positions_that_cannot_be_are_no_way_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoint = Checkpoint::new(&path, 1e6, 0).unwrap();
    let training = |drawn: u64, cancel_at: u64| {
        let journal = checkpoint.open("bowl", identity(), None).unwrap();
        let mut feed = Rows {
            drawn,
            ..rows([0.0, 1.0, 2.0, 3.0], &[])
        };
        let watch = Watch {
            cancel_at,
            ..Watch::default()
        };
        let mut p = [5.0, -5.0];
        run(
            &settings(),
            &mut Bowl,
            &mut feed,
            &mut p,
            &watch,
            Some(&journal),
        )
    };
    // Ten updates of two rows.
    for (drawn, said) in [
        (1 << 60, "1152921504606846986 rows drawn"),
        (20, "30 rows drawn"),
    ] {
        assert!(training(drawn, 11).is_err());
        let before = std::fs::read(&path).unwrap();
        let why = training(0, 0).unwrap_err();
        assert!(matches!(why, Error::Format(_)), "{why}");
        let why = why.to_string();
        for words in [
            said,
            "training `bowl`",
            "at most 20",
            path.to_str().unwrap(),
        ] {
            assert!(why.contains(words), "{why}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::remove_file(&path).unwrap();
    }
    // Settings by which there are as many updates, and no more.
    assert!(training(10, 11).is_err());
    assert!(training(0, 0).is_ok());
}

#[test]
fn a_checkpoint_that_cannot_be_written_stops_nothing() {
    #[derive(Default)]
    struct Log(RefCell<Vec<String>>);
    impl Hooks for Log {
        fn log(&self, level: Level, message: &str) -> Result<()> {
            if level == Level::Warning {
                self.0.borrow_mut().push(message.into());
            }
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("missing/checkpoint");
    let checkpoint = Checkpoint::new(&nowhere, 60.0, 5).unwrap();
    let log = Log::default();
    let done = kept(&settings(), &log, Some(&checkpoint)).unwrap();
    assert_eq!(done, kept(&settings(), &(), None).unwrap());
    let told = log.0.into_inner();
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert!(told[0].contains("missing/checkpoint"), "{told:?}");
}

/// A bowl whose gradient is none for the first `bad` batches of update `at` or later.
struct Trap {
    at: u64,
    bad: u64,
}

impl Objective<f64> for Trap {
    fn parts(&self) -> Vec<usize> {
        Bowl.parts()
    }

    fn gradient(
        &mut self,
        part: usize,
        p: &[f64],
        batch: &Batch<f64>,
        gradient: &mut [f64],
    ) -> Result<f64> {
        let loss = Bowl.gradient(part, p, batch, gradient)?;
        if batch.step >= self.at && self.bad > 0 {
            self.bad -= 1;
            return Ok(f64::NAN);
        }
        Ok(loss)
    }

    fn loss(&mut self, p: &[f64], batch: &Batch<f64>) -> Result<f64> {
        Bowl.loss(p, batch)
    }
}

#[test]
fn a_training_that_diverges_falls_back_and_in_the_end_keeps_its_best() {
    let settings = Settings {
        fallbacks: 2,
        ..settings()
    };
    let begin = || rows([0.0, 1.0, 2.0, 3.0], &[1.0, 2.0]);
    let mut p = [5.0, -5.0];
    let mut trap = Trap { at: 130, bad: 2 };
    let record = train(&settings, &mut trap, &mut begin(), &mut p, &()).unwrap();
    assert_eq!(record.fallbacks, [131, 131]);
    assert_eq!((record.steps, record.losses.len()), (1000, 20));
    assert!(!record.failed && (p[0] - 1.0).abs() < 1e-3, "{p:?}");
    // Once more than it may: an error that names the update, and the parameters of the last good epoch.
    let mut p = [5.0, -5.0];
    let mut trap = Trap { at: 130, bad: 3 };
    let error = train(&settings, &mut trap, &mut begin(), &mut p, &()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("epoch 3 (update 131)") && error.contains("bowl.lr"),
        "{error}"
    );
    assert!(p.iter().all(|p| p.is_finite()) && p[0] < 4.0, "{p:?}");
    // With a checkpoint, the same call goes on with them, and says so.
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::new(&folder.path().join("c"), 60.0, 0).unwrap();
    let call = |trap: &mut Trap| {
        let journal = checkpoint.open("bowl", identity(), None).unwrap();
        let mut p = [5.0, -5.0];
        run(&settings, trap, &mut begin(), &mut p, &(), Some(&journal)).map(|record| (record, p))
    };
    assert!(call(&mut Trap { at: 130, bad: 3 }).is_err());
    let (record, kept) = call(&mut Trap { at: 0, bad: 9 }).unwrap();
    assert!(record.failed && record.fallbacks == [131, 131, 131]);
    assert_eq!(kept, p);
}

#[test]
fn a_held_out_loss_that_explodes_is_no_training() {
    struct Steep;
    impl Objective<f64> for Steep {
        fn parts(&self) -> Vec<usize> {
            vec![2]
        }
        fn gradient(&mut self, _: usize, p: &[f64], _: &Batch<f64>, g: &mut [f64]) -> Result<f64> {
            g.copy_from_slice(&[-1.0, -1.0]);
            Ok(p[0])
        }
        fn loss(&mut self, p: &[f64], _: &Batch<f64>) -> Result<f64> {
            Ok(p[0])
        }
    }
    let mut feed = rows([0.0; 4], &[1.0, 2.0]);
    let steep = Settings {
        schedule: Schedule {
            rate: 1.0,
            warmup: 0,
            decay: Decay::Constant,
        },
        ..settings()
    };
    let error = train(&steep, &mut Steep, &mut feed, &mut [0.0, 0.0], &()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("epoch 2 (update 100): held-out loss"),
        "{error}"
    );
}

#[test]
fn the_average_is_that_of_the_formula() {
    /// A gradient of one sign: Adam's steps have the length of the learning rate.
    struct Slope;
    impl Objective<f64> for Slope {
        fn parts(&self) -> Vec<usize> {
            vec![2]
        }
        fn gradient(&mut self, _: usize, _: &[f64], _: &Batch<f64>, g: &mut [f64]) -> Result<f64> {
            g.copy_from_slice(&[1.0, -1.0]);
            Ok(0.0)
        }
        fn loss(&mut self, p: &[f64], _: &Batch<f64>) -> Result<f64> {
            Ok(p[0])
        }
    }
    let settings = |ema| Settings {
        epochs: 1,
        steps: 30,
        ema,
        schedule: Schedule {
            rate: 0.1,
            warmup: 0,
            decay: Decay::Constant,
        },
        ..self::settings()
    };
    // θ_k = −0.1 k with weights k (k + 1) … (k + 8), whose mean is −0.1 (10 n + 1) / 11, up to n = 30; or up to n = 11, where each update
    // begins to count half: what the mean lags behind then goes from 0.1 (11 − 111 / 11) to 0.1 by halves.
    let halves = 0.1 + (0.1 * (11.0 - 111.0 / 11.0) - 0.1) * 0.5f64.powi(19);
    for (ema, mean) in [(0.8, -0.1 * 301.0 / 11.0), (0.5, -3.0 + halves)] {
        let mut p = [0.0, 0.0];
        let mut feed = rows([0.0; 4], &[1.0, 2.0]);
        let record = train(&settings(ema), &mut Slope, &mut feed, &mut p, &()).unwrap();
        assert!((p[0] - mean).abs() < 1e-7, "{p:?}, {mean}");
        assert!(
            (record.validation_loss.unwrap() - p[0]).abs() < 1e-15,
            "the average is held out"
        );
    }
}
