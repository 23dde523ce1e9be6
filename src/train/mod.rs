//! One loop trains every network: source → batch → gradient → step → schedule → held-out loss → progress.
//!
//! It sees a network through one trait, [`Objective`]: flat parameters and a batch in, loss and flat gradient out. The optimiser works on
//! the flat buffer here; the trait's implementations, in `engine` and on libtorch in `nn`, keep no state of the training.

mod adam;
mod hooks;
mod initial;
mod schedule;

use adam::Adam;
pub use adam::AdamSettings;
pub use hooks::{Hooks, Level, Progress};
pub(crate) use initial::{initial_flow, initial_mlp};
pub use schedule::{Decay, Schedule};

use crate::engine::Element;
use crate::model::Real;
use crate::objective::{Batch, Objective};
use crate::options::{keys::StageKeys, Options};
use crate::{Error, Result};
use std::ops::Range;
use std::time::Instant;

/// Where a training's batches come from.
pub trait Feed<T: Real> {
    /// Fills `batch` for update `batch.step`. Returns false when the epoch has ended before a full batch: the batch is then not to be used.
    ///
    /// # Errors
    /// Those of the source.
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<bool>;

    /// The held-out batches; empty if nothing is held out.
    ///
    /// # Errors
    /// Those of the source.
    fn held_out(&mut self) -> Result<Vec<Batch<T>>>;
}

/// The settings of one stage of training.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Name for progress and errors.
    pub stage: &'static str,
    /// Group of the options that it is set by.
    pub group: &'static str,
    /// Passes over the data.
    pub epochs: u64,
    /// Updates per epoch, unless the source ends it sooner.
    pub steps: u64,
    /// Rows per update.
    pub batch: usize,
    /// Learning rate.
    pub schedule: Schedule,
    /// Optimiser.
    pub adam: AdamSettings,
    /// Epochs without a better held-out loss before stopping; 0 = never stop.
    pub patience: u64,
    /// Largest norm of a gradient; 0 = unbounded.
    pub clip: f64,
}

impl Settings {
    /// From the options of one stage, whose name is that of their group.
    pub fn from_options(stage: &'static str, options: &Options, keys: &StageKeys) -> Self {
        Settings {
            stage,
            group: stage,
            epochs: options.get(keys.epochs) as u64,
            steps: options.get(keys.steps) as u64,
            batch: options.get(keys.batch) as usize,
            schedule: Schedule::from_options(options, keys),
            adam: AdamSettings {
                beta1: options.get(keys.beta1),
                beta2: options.get(keys.beta2),
                epsilon: options.get(keys.epsilon),
                weight_decay: options.get(keys.weight_decay),
            },
            patience: options.get(keys.patience) as u64,
            clip: options.get(keys.clip),
        }
    }
}

/// What a training did, for the model's record: the same whenever it is done again. How long it took is told to the host.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Record {
    /// Updates made.
    pub steps: u64,
    /// Rows seen, repetitions included.
    pub rows: u64,
    /// Mean training loss of every epoch.
    pub losses: Vec<f64>,
    /// Held-out loss after every epoch; empty if nothing was held out.
    pub validation_losses: Vec<f64>,
    /// Epoch (from 1) whose parameters were kept: the last, or with early stopping the one of the best held-out loss.
    pub kept_epoch: u64,
    /// Training loss of the kept epoch.
    pub loss: f64,
    /// Held-out loss of the kept epoch, if any.
    pub validation_loss: Option<f64>,
    /// Whether early stopping ended the training before its last planned epoch.
    pub stopped_early: bool,
}

/// Minimises the objective, starting from and ending in `parameters`.
///
/// # Errors
/// [`Error::Numerical`] if loss or gradient leave the finite numbers, [`Error::Data`] if the feed delivers no full batch, and
/// whatever feed, objective and hooks return. `parameters` are then those of the last good update.
pub(crate) fn train<T: Element>(
    settings: &Settings,
    objective: &mut dyn Objective<T>,
    feed: &mut dyn Feed<T>,
    parameters: &mut [T],
    hooks: &dyn Hooks,
) -> Result<Record> {
    let Settings { stage, group, .. } = *settings;
    let start = Instant::now();
    let parts: Vec<Range<usize>> = objective
        .parts()
        .iter()
        .scan(0, |end, length| {
            *end += length;
            Some(*end - length..*end)
        })
        .collect();
    let mut optimisers: Vec<Adam<T>> = parts
        .iter()
        .map(|part| Adam::new(part.len(), settings.adam))
        .collect();
    let longest = parts.iter().map(Range::len).max();
    let mut gradient = vec![T::default(); longest.unwrap_or(0)];
    let held_out = feed.held_out()?;
    let mut best: Option<(f64, Vec<T>)> = None;
    let mut batch = Batch::default();
    let steps = settings.epochs.saturating_mul(settings.steps);
    let mut record = Record {
        steps: 0,
        rows: 0,
        losses: Vec::new(),
        validation_losses: Vec::new(),
        kept_epoch: 0,
        loss: f64::NAN,
        validation_loss: None,
        stopped_early: false,
    };
    // Steps a full epoch has turned out to have: sources may end theirs early.
    let mut planned = steps;
    for epoch in 0..settings.epochs {
        let mut sum = 0.0;
        let mut done = 0;
        for _ in 0..settings.steps {
            hooks.check(stage)?;
            batch.step = record.steps;
            // A pass over the data may have ended exactly with the last epoch: its end is then met here, and the next pass begins.
            let full = feed.fill(settings.batch, &mut batch)?
                || done == 0 && feed.fill(settings.batch, &mut batch)?;
            if !full {
                break;
            }
            let rate = settings.schedule.at(record.steps, planned, epoch);
            for (i, part) in parts.iter().enumerate() {
                if !objective.due(i, record.steps) {
                    continue;
                }
                let gradient = &mut gradient[..part.len()];
                let loss = objective.gradient(i, parameters, &batch, gradient)?;
                clip(gradient, settings.clip, loss).ok_or_else(|| {
                    Error::Numerical(format!(
                        "{stage} training diverged in epoch {} (update {}): loss {loss}; lower `{group}.lr`, set `{group}.clip`, or look for outliers in the events",
                        epoch + 1,
                        record.steps + 1
                    ))
                })?;
                optimisers[i].step(rate, &mut parameters[part.clone()], gradient);
                if i == 0 {
                    sum += loss;
                }
            }
            done += 1;
            record.steps += 1;
            record.rows += batch.rows as u64;
            let elapsed = start.elapsed().as_secs_f64();
            hooks.progress(&Progress {
                stage,
                epoch: epoch + 1,
                epochs: settings.epochs,
                step: record.steps,
                steps: planned,
                loss: sum / done as f64,
                validation_loss: record.validation_losses.last().copied().unwrap_or(f64::NAN),
                seconds_left: elapsed / record.steps as f64
                    * planned.saturating_sub(record.steps) as f64,
            })?;
        }
        if done == 0 {
            return Err(Error::Data(format!(
                "the source ended epoch {} of the {stage} training before one batch of {} events was full; deliver more events or lower `{group}.batch`",
                epoch + 1,
                settings.batch
            )));
        }
        if done < settings.steps {
            planned = record.steps + done * (settings.epochs - epoch - 1);
        }
        record.losses.push(sum / done as f64);
        record.kept_epoch = epoch + 1;
        if held_out.is_empty() {
            continue;
        }
        hooks.check(stage)?;
        let loss = mean_loss(objective, parameters, &held_out)?;
        record.validation_losses.push(loss);
        if settings.patience == 0 {
            continue;
        }
        if best.as_ref().is_none_or(|(b, _)| loss < *b) {
            best = Some((loss, parameters.to_vec()));
        } else {
            let best_epoch = best_epoch(&record.validation_losses);
            if epoch + 1 - best_epoch >= settings.patience && epoch + 1 < settings.epochs {
                record.stopped_early = true;
                hooks.log(
                    Level::Info,
                    &format!("{stage}: stopped after epoch {}, the held-out loss was best after epoch {best_epoch}", epoch + 1),
                )?;
                break;
            }
        }
    }
    if let Some((_, kept)) = best {
        parameters.copy_from_slice(&kept);
        record.kept_epoch = best_epoch(&record.validation_losses);
    }
    let kept = record.kept_epoch as usize - 1;
    record.loss = record.losses.get(kept).copied().unwrap_or(f64::NAN);
    record.validation_loss = record.validation_losses.get(kept).copied();
    let (steps, seconds) = (record.steps, start.elapsed().as_secs_f64());
    hooks.log(
        Level::Info,
        &format!("{stage}: {steps} updates in {seconds:.1} s"),
    )?;
    Ok(record)
}

/// Scales the gradient to norm `limit` if it is longer and `limit` is positive. None if loss or gradient are not finite.
fn clip<T: Real>(gradient: &mut [T], limit: f64, loss: f64) -> Option<()> {
    // Eight sums side by side: one alone would wait for itself.
    let mut squares = [0.0; 8];
    for gradient in gradient.chunks(squares.len()) {
        for (sum, g) in squares.iter_mut().zip(gradient) {
            *sum += g.to_f64() * g.to_f64();
        }
    }
    let norm = squares.iter().sum::<f64>().sqrt();
    if !norm.is_finite() || !loss.is_finite() {
        return None;
    }
    if limit > 0.0 && norm > limit {
        for g in gradient {
            *g = T::from_f64(g.to_f64() * (limit / norm));
        }
    }
    Some(())
}

/// Epoch (from 1) of the smallest held-out loss.
fn best_epoch(losses: &[f64]) -> u64 {
    let best = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(1, |(i, _)| i as u64 + 1)
}

fn mean_loss<T: Real>(
    objective: &mut dyn Objective<T>,
    parameters: &[T],
    batches: &[Batch<T>],
) -> Result<f64> {
    let mut sum = 0.0;
    let mut rows = 0;
    for batch in batches {
        sum += objective.loss(parameters, batch)? * batch.rows as f64;
        rows += batch.rows;
    }
    Ok(sum / rows as f64)
}

#[cfg(test)]
mod tests;
