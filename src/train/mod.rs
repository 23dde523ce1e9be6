//! One loop trains every network: source → batch → gradient → step → schedule → held-out loss → progress.
//!
//! It sees a network through one trait, [`Objective`]: flat parameters and a batch in, loss and flat gradient out. The optimiser works on
//! the flat buffer here; the trait's implementations, in `engine` and on libtorch in `nn`, keep no state of the training.

mod adam;
mod hooks;
mod initial;
mod schedule;
mod shuffle;

use adam::Adam;
pub use adam::AdamSettings;
pub use hooks::{Hooks, Level, Progress};
pub(crate) use initial::{initial_classifier, initial_flow, initial_mlp};
pub use schedule::{Decay, Schedule};
pub(crate) use shuffle::Passes;

use crate::engine::Element;
use crate::model::Real;
use crate::objective::{Batch, Objective};
use crate::options::{keys::StageKeys, Options};
use crate::room::{self, Grow};
use crate::{Error, Result};
use std::ops::Range;
use std::time::Instant;

/// Where a training's batches come from.
pub trait Feed<T: Real> {
    /// Fills `batch` for update `batch.step`: so many rows of every class. Where the events end they begin again.
    ///
    /// # Errors
    /// Those of the source.
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<()>;

    /// Rows until the events begin again, if that is known.
    fn pass(&self) -> Option<usize>;

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
    /// Epochs, each of so many updates: the length of a training is a setting, whatever the number of events.
    pub epochs: u64,
    /// Updates per epoch.
    pub steps: u64,
    /// Rows per update.
    pub batch: usize,
    /// Learning rate.
    pub schedule: Schedule,
    /// Optimiser.
    pub adam: AdamSettings,
    /// Looks at the held-out loss that do not come near the best before stopping, whose parameters are kept; 0 = never stop, keep the last.
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
    /// How many times each event was seen, where their number is known.
    pub passes: Option<f64>,
    /// Mean training loss of every epoch.
    pub losses: Vec<f64>,
    /// Held-out loss after every epoch; empty if nothing was held out.
    pub validation_losses: Vec<f64>,
    /// Epoch (from 1) whose parameters were kept: the last, or with early stopping the one of the best held-out loss.
    pub kept_epoch: u64,
    /// Updates after which the kept parameters were reached.
    pub kept_step: u64,
    /// Training loss of the kept epoch.
    pub loss: f64,
    /// Held-out loss of the kept parameters, if any.
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
        .collect::<Result<_>>()?;
    if let Some(rows) = feed.pass().filter(|rows| *rows < settings.batch) {
        return Err(Error::Data(format!(
            "the {stage} training has {rows} events, fewer than a batch of {}; deliver more or lower `{group}.batch`",
            settings.batch
        )));
    }
    let longest = parts.iter().map(Range::len).max();
    let mut gradient = room::filled(longest.unwrap_or(0), T::default())?;
    let held_out = feed.held_out()?;
    let look = look_every(settings, feed.pass());
    let rows: usize = held_out.iter().map(|batch| batch.rows).sum();
    let mut best = Best::of(rows);
    let mut batch = Batch::default();
    let steps = settings.epochs.saturating_mul(settings.steps);
    let mut record = Record {
        steps: 0,
        rows: 0,
        passes: None,
        losses: Vec::new(),
        validation_losses: Vec::new(),
        kept_epoch: 0,
        kept_step: 0,
        loss: f64::NAN,
        validation_loss: None,
        stopped_early: false,
    };
    'training: for epoch in 0..settings.epochs {
        let mut sum = 0.0;
        for done in 1..=settings.steps {
            hooks.check(stage)?;
            batch.step = record.steps;
            feed.fill(settings.batch, &mut batch)?;
            let rate = settings.schedule.at(record.steps, steps, epoch);
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
            record.steps += 1;
            record.rows += batch.rows as u64;
            let elapsed = start.elapsed().as_secs_f64();
            hooks.progress(&Progress {
                stage,
                epoch: epoch + 1,
                epochs: settings.epochs,
                step: record.steps,
                steps,
                loss: sum / done as f64,
                validation_loss: record.validation_losses.last().copied().unwrap_or(f64::NAN),
                seconds_left: elapsed / record.steps as f64
                    * steps.saturating_sub(record.steps) as f64,
            })?;
            let epoch_ends = done == settings.steps;
            if epoch_ends {
                record.losses.put(sum / done as f64)?;
                record.kept_epoch = epoch + 1;
                record.kept_step = record.steps;
            }
            let looks = epoch_ends || settings.patience > 0 && done % look == 0;
            if held_out.is_empty() || !looks {
                continue;
            }
            hooks.check(stage)?;
            let loss = mean_loss(objective, parameters, &held_out)?;
            if epoch_ends {
                record.validation_losses.put(loss)?;
                record.validation_loss = Some(loss);
            }
            if settings.patience == 0 {
                continue;
            }
            best.look(loss, (epoch + 1, record.steps), parameters)?;
            if best.away == settings.patience && record.steps < steps {
                if !epoch_ends {
                    record.losses.put(sum / done as f64)?;
                    record.validation_losses.put(loss)?;
                }
                record.stopped_early = true;
                hooks.log(
                    Level::Info,
                    &format!("{stage}: stopped after update {}, the held-out loss was best after update {}", record.steps, best.at.1),
                )?;
                break 'training;
            }
        }
    }
    if let Some((loss, kept)) = best.kept {
        parameters.copy_from_slice(&kept);
        (record.kept_epoch, record.kept_step) = best.at;
        record.validation_loss = Some(loss);
    }
    let kept = record.kept_epoch as usize - 1;
    record.loss = record.losses.get(kept).copied().unwrap_or(f64::NAN);
    let seen = record.steps as f64 * settings.batch as f64;
    record.passes = feed.pass().map(|rows| seen / rows.max(1) as f64);
    let (steps, seconds) = (record.steps, start.elapsed().as_secs_f64());
    let seen = record.passes.map_or(String::new(), |passes| {
        format!(", every event {passes:.1} times")
    });
    hooks.log(
        Level::Info,
        &format!("{stage}: {steps} updates in {seconds:.1} s{seen}"),
    )?;
    Ok(record)
}

/// Updates from one look at the held-out loss to the next, within an epoch: where that goes through the events several times, about a pass,
/// so that few events that are learned by heart are noticed in time; but a look costs as much as some updates.
fn look_every(settings: &Settings, pass: Option<usize>) -> u64 {
    const FEWEST: u64 = 16;
    let updates = pass.map_or(u64::MAX, |rows| rows as u64 / settings.batch.max(1) as u64);
    let most = (settings.steps / FEWEST).max(1);
    let looks = (settings.steps / updates.max(1)).clamp(1, most);
    settings.steps.div_ceil(looks)
}

/// The best held-out loss so far.
struct Best<T> {
    /// With the parameters it was reached by.
    kept: Option<(f64, Vec<T>)>,
    /// Epoch and update.
    at: (u64, u64),
    /// Looks since the last that came near it.
    away: u64,
    /// How near: on a plateau, losses differ by less from look to look; what is above it by more has been learned by heart.
    near: f64,
}

impl<T: Copy> Best<T> {
    /// Of the loss of so many rows.
    fn of(rows: usize) -> Self {
        Best {
            kept: None,
            at: (0, 0),
            away: 0,
            near: 0.2 / (rows.max(1) as f64).sqrt(),
        }
    }

    fn look(&mut self, loss: f64, at: (u64, u64), parameters: &[T]) -> Result<()> {
        let best = self.kept.as_ref().map_or(f64::INFINITY, |(best, _)| *best);
        self.away = if loss < best + self.near {
            0
        } else {
            self.away + 1
        };
        if loss < best {
            self.kept = Some((loss, room::copied(parameters)?));
            self.at = at;
        }
        Ok(())
    }
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
