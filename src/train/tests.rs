use super::*;
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

/// The same rows for ever.
struct Rows {
    x: Vec<f64>,
    held_out: Vec<f64>,
    pass: Option<usize>,
}

fn rows(x: [f64; 4], held_out: &[f64]) -> Rows {
    Rows {
        x: x.to_vec(),
        held_out: held_out.to_vec(),
        pass: None,
    }
}

fn batch(x: &[f64], step: u64) -> Batch<f64> {
    Batch {
        rows: x.len() / 2,
        x: x.to_vec(),
        weights: vec![1.0; x.len() / 2],
        labels: Vec::new(),
        step,
    }
}

impl Feed<f64> for Rows {
    fn fill(&mut self, _: usize, out: &mut Batch<f64>) -> Result<()> {
        *out = batch(&self.x, out.step);
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
        clip: 0.0,
    }
}

/// Remembers progress; stops with a callback's error at `stop_at`, is cancelled at `cancel_at`.
#[derive(Default)]
struct Watch {
    seen: RefCell<Vec<Progress>>,
    checks: RefCell<u64>,
    stop_at: u64,
    cancel_at: u64,
}

impl Hooks for Watch {
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
    assert_eq!(record.losses.len() as u64, record.kept_epoch + 2);
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
