//! The loop itself.

use super::adam::Adam;
use super::checkpoint::{Journal, Kept};
use super::marks::{Best, Marks};
use super::{Decay, Feed, Hooks, Level, Progress, Record, Schedule, Settings, Words};
use crate::engine::Element;
use crate::model::Real;
use crate::objective::{Batch, Objective};
use crate::room::{self, Grow};
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::time::Instant;

/// Minimises the objective, starting from and ending in `parameters`. With a journal it is kept there, and goes on from what that has.
///
/// # Errors
/// [`Error::Numerical`] if loss or gradient leave the finite numbers once more than it may fall back, [`Error::Data`] if the feed delivers
/// no full batch, those of the journal, and whatever feed, objective and hooks return. `parameters` are then those of the last good update,
/// of a training that has diverged the best.
pub(crate) fn train<T: Element>(
    settings: &Settings,
    objective: &mut dyn Objective<T>,
    feed: &mut dyn Feed<T>,
    parameters: &mut [T],
    hooks: &dyn Hooks,
    journal: Option<&Journal>,
) -> Result<Record> {
    let Settings { stage, group, .. } = *settings;
    if let Some(rows) = feed.pass().filter(|rows| *rows < settings.batch) {
        return Err(Error::Data(format!(
            "the {stage} training has {rows} events, fewer than a batch of {}; deliver more or lower `{group}.batch`",
            settings.batch
        )));
    }
    let mut run = Run::new(settings, objective, feed, parameters, hooks)?;
    let Some(journal) = journal else {
        run.go(None)?;
        return run.end();
    };
    let fingerprint = run.fingerprint();
    run.keeps = true;
    run.feed.position(&mut run.marks.feed)?;
    if let Some(kept) = journal.begin(stage, &fingerprint)? {
        run.resume(&kept, journal)?;
    }
    let outcome = run.go(Some((journal, &fingerprint)));
    match outcome {
        // Its parameters are not those of one update.
        Err(_) if run.torn => {}
        Err(_) => run.keep(journal, &fingerprint)?,
        Ok(()) => {}
    }
    outcome?;
    run.end()
}

/// A training under way.
struct Run<'a, T> {
    settings: &'a Settings,
    objective: &'a mut dyn Objective<T>,
    feed: &'a mut dyn Feed<T>,
    parameters: &'a mut [T],
    hooks: &'a dyn Hooks,
    parts: Vec<Range<usize>>,
    optimisers: Vec<Adam<T>>,
    held_out: Vec<Batch<T>>,
    /// Updates from one look at the held-out loss to the next.
    look: u64,
    /// How near to the best a held-out loss is no worse: on a plateau, losses differ by less from look to look; what is above it by more has
    /// been learned by heart.
    near: f64,
    marks: Marks,
    /// Parameters of the best held-out loss.
    best: Vec<T>,
    /// Those to fall back to: of the last end of an epoch.
    good: Vec<T>,
    /// The average, if there is one.
    average: Vec<T>,
    gradient: Vec<T>,
    batch: Batch<T>,
    /// Whether it is kept, so that it matters where the feed stands.
    keeps: bool,
    /// Whether an update has been left in its middle.
    torn: bool,
    start: Instant,
}

/// Why an update cannot be used: its loss.
struct Diverged(f64);

impl<'a, T: Element> Run<'a, T> {
    fn new(
        settings: &'a Settings,
        objective: &'a mut dyn Objective<T>,
        feed: &'a mut dyn Feed<T>,
        parameters: &'a mut [T],
        hooks: &'a dyn Hooks,
    ) -> Result<Self> {
        let parts: Vec<Range<usize>> = objective
            .parts()
            .iter()
            .scan(0, |end, length| {
                *end += length;
                Some(*end - length..*end)
            })
            .collect();
        let optimisers: Vec<Adam<T>> = parts
            .iter()
            .map(|part| Adam::new(part.len(), settings.adam))
            .collect::<Result<_>>()?;
        let longest = parts.iter().map(Range::len).max();
        let held_out = feed.held_out()?;
        let rows: usize = held_out.iter().map(|batch| batch.rows).sum();
        let averaged = match settings.ema > 0.0 {
            true => parameters.len(),
            false => 0,
        };
        let marks = Marks {
            settled: true,
            ..Marks::default()
        };
        Ok(Run {
            look: look_every(settings, feed.pass()),
            near: 0.2 / (rows.max(1) as f64).sqrt(),
            good: room::copied(parameters)?,
            average: room::filled(averaged, T::default())?,
            gradient: room::filled(longest.unwrap_or(0), T::default())?,
            best: Vec::new(),
            batch: Batch::default(),
            keeps: false,
            torn: false,
            start: Instant::now(),
            settings,
            objective,
            feed,
            parameters,
            hooks,
            parts,
            optimisers,
            held_out,
            marks,
        })
    }

    /// Of what it begins with, in hexadecimal digits.
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |values: &[T]| {
            hash.update((values.len() as u64).to_le_bytes());
            values
                .iter()
                .for_each(|v| hash.update(v.to_f64().to_le_bytes()));
        };
        add(self.parameters);
        for batch in &self.held_out {
            add(&batch.x);
            add(&batch.weights);
        }
        let rows = self.feed.pass().map_or(0, |rows| rows as u64);
        hash.update(rows.to_le_bytes());
        format!("{:x}", hash.finalize())
    }

    fn steps(&self) -> u64 {
        self.settings.epochs.saturating_mul(self.settings.steps)
    }

    /// To the end.
    fn go(&mut self, kept: Option<(&Journal, &str)>) -> Result<()> {
        let keep = |run: &mut Self| kept.map_or(Ok(()), |(journal, of)| run.keep(journal, of));
        while !self.marks.over {
            if !self.marks.settled {
                self.settle()?;
            } else if self.marks.steps >= self.steps() {
                self.marks.over = true;
            } else {
                if kept.is_some_and(|(journal, _)| journal.due(self.marks.steps)) {
                    keep(self)?;
                }
                self.update()?;
                continue;
            }
            if self.marks.over {
                keep(self)?;
            }
        }
        Ok(())
    }

    /// One update.
    fn update(&mut self) -> Result<()> {
        let Settings { stage, .. } = *self.settings;
        self.hooks.check(stage)?;
        self.batch.step = self.marks.steps;
        self.feed.fill(self.settings.batch, &mut self.batch)?;
        let steps = self.steps();
        let epoch = self.marks.steps / self.settings.steps;
        let whole = self.settings.schedule.at(self.marks.steps, steps, epoch);
        let rate = whole * libm::pow(0.5, self.marks.fallbacks.len() as f64);
        if let Err(Diverged(loss)) = self.descend(rate)? {
            self.torn = true;
            return self.fall_back(&format!("loss {loss}"));
        }
        // Until it is known where the feed stands.
        self.torn = true;
        let marks = &mut self.marks;
        marks.steps += 1;
        marks.rows += self.batch.rows as u64;
        marks.settled = false;
        if self.keeps {
            let mut feed = Vec::new();
            self.feed.position(&mut feed)?;
            marks.feed = feed;
        }
        self.torn = false;
        let done = (marks.steps - 1) % self.settings.steps + 1;
        let elapsed = marks.seconds + self.start.elapsed().as_secs_f64();
        self.hooks.progress(&Progress {
            stage,
            epoch: epoch + 1,
            epochs: self.settings.epochs,
            step: marks.steps,
            steps,
            loss: marks.sum / done as f64,
            validation_loss: marks.validation_losses.last().copied().unwrap_or(f64::NAN),
            seconds_left: elapsed / marks.steps as f64 * steps.saturating_sub(marks.steps) as f64,
        })
    }

    /// Every part that is due, by the batch.
    fn descend(&mut self, rate: f64) -> Result<std::result::Result<(), Diverged>> {
        for (i, part) in self.parts.iter().enumerate() {
            if !self.objective.due(i, self.marks.steps) {
                continue;
            }
            let gradient = &mut self.gradient[..part.len()];
            let loss = self
                .objective
                .gradient(i, self.parameters, &self.batch, gradient)?;
            if clip(gradient, self.settings.clip, loss).is_none() {
                return Ok(Err(Diverged(loss)));
            }
            self.torn = true;
            self.optimisers[i].step(rate, &mut self.parameters[part.clone()], gradient);
            if i == 0 {
                self.marks.sum += loss;
            }
        }
        if !self.average.is_empty() {
            // Weights fall by the decay from update to update. While there are too few updates for that, the first count for next to
            // nothing: they grow as the ninth power of an update's number.
            self.marks.averaged += 1;
            let share = YOUNG / (self.marks.averaged as f64 + YOUNG - 1.0);
            let share = T::from_f64(share.max(1.0 - self.settings.ema));
            let pairs = self.average.iter_mut().zip(&*self.parameters);
            pairs.for_each(|(mean, p)| *mean = *mean + share * (*p - *mean));
        }
        Ok(Ok(()))
    }

    /// What follows an update: the end of its epoch, a look at the held-out loss.
    fn settle(&mut self) -> Result<()> {
        let Settings {
            stage, patience, ..
        } = *self.settings;
        let each = self.settings.steps;
        let (epoch, done) = (
            (self.marks.steps - 1) / each,
            (self.marks.steps - 1) % each + 1,
        );
        let epoch_ends = done == each;
        let looks = epoch_ends || patience > 0 && done % self.look == 0;
        let mut loss = None;
        if looks && !self.held_out.is_empty() {
            self.hooks.check(stage)?;
            let parameters = kept(&self.marks, self.parameters, &self.average);
            let (found, error) = mean_loss(self.objective, parameters, &self.held_out)?;
            let first = self.marks.first.unwrap_or(found);
            if found.is_nan() || found > first + EXPLODED {
                return self.fall_back(&format!("held-out loss {found}"));
            }
            self.marks.first = Some(first);
            self.marks.look((found, error), done)?;
            loss = Some(found);
        }
        let marks = &mut self.marks;
        let mean = marks.sum / done as f64;
        if epoch_ends {
            marks.losses.put(mean)?;
            marks.kept_epoch = epoch + 1;
            marks.kept_step = marks.steps;
            marks.validation_losses.put_all(loss)?;
            marks.begin();
            self.good.copy_from_slice(self.parameters);
        }
        marks.settled = true;
        let Some(loss) = loss.filter(|_| patience > 0) else {
            return Ok(());
        };
        self.look(loss, (epoch + 1, self.marks.steps))?;
        let marks = &mut self.marks;
        let best = marks.best.map_or((0, 0), |best| best.at);
        let left = marks.steps < self.settings.epochs.saturating_mul(each);
        let learned = loss <= self.settings.enough;
        // While its steps are large, the loss leaps about its best: that of a schedule which ends at small ones is good at its end.
        let stays = match self.settings.schedule.decay {
            Decay::OneCycle => false,
            Decay::Cosine => marks.by_heart(patience),
            Decay::Constant | Decay::Exponential { .. } => {
                marks.by_heart(patience) || !marks.learns(patience)
            }
        };
        if left && (learned || marks.away >= patience && stays) {
            if !epoch_ends {
                marks.losses.put(mean)?;
                marks.validation_losses.put(loss)?;
            }
            marks.stopped_early = true;
            marks.over = true;
            let message = format!(
                "{stage}: stopped after update {}, the held-out loss was best after update {}",
                marks.steps, best.1
            );
            self.hooks.log(Level::Info, &message)?;
        }
        Ok(())
    }

    fn look(&mut self, loss: f64, at: (u64, u64)) -> Result<()> {
        let best = self.marks.best.map_or(f64::INFINITY, |best| best.loss);
        self.marks.away = if loss < best + self.near {
            0
        } else {
            self.marks.away + 1
        };
        if loss < best {
            let parameters = kept(&self.marks, self.parameters, &self.average);
            self.best = room::copied(parameters)?;
            self.marks.best = Some(Best { loss, at });
        }
        Ok(())
    }

    /// Back to the beginning of the epoch, with the best parameters so far, new moments and half the step; where that has been done often
    /// enough, the end of the training with these parameters.
    fn fall_back(&mut self, why: &str) -> Result<()> {
        let Settings { stage, group, .. } = *self.settings;
        let each = self.settings.steps;
        // An update that has diverged was not counted yet; one after which the loss has was.
        let update = self.marks.steps + u64::from(self.torn);
        let epoch = (update - 1) / each;
        let good = match self.best.is_empty() {
            true => &self.good,
            false => &self.best,
        };
        self.parameters.copy_from_slice(good);
        self.torn = true;
        for (part, optimiser) in self.parts.iter().zip(&mut self.optimisers) {
            *optimiser = Adam::new(part.len(), self.settings.adam)?;
        }
        let marks = &mut self.marks;
        marks.averaged = 0;
        marks.fallbacks.put(update)?;
        marks.steps = epoch * each;
        marks.begin();
        marks.own.clear();
        marks.held_out.clear();
        // From where the best parameters are now.
        if let Some(best) = marks.best.as_mut().filter(|best| best.at.1 > marks.steps) {
            best.at = (epoch.max(1), marks.steps);
        }
        marks.settled = true;
        if self.keeps {
            let mut feed = Vec::new();
            self.feed.position(&mut feed)?;
            marks.feed = feed;
        }
        self.torn = false;
        let times = marks.fallbacks.len() as u64;
        let told = format!(
            "{stage} training diverged in epoch {} (update {update}): {why}",
            epoch + 1
        );
        if times <= self.settings.fallbacks {
            let message = format!(
                "{told}; it goes on from update {} with {} of its step",
                marks.steps,
                libm::pow(0.5, times as f64)
            );
            return self.hooks.log(Level::Info, &message);
        }
        marks.failed = true;
        marks.over = true;
        let again = match times {
            1 => String::new(),
            times => format!(", after {} times from which it fell back", times - 1),
        };
        Err(Error::Numerical(format!(
            "{told}{again}; lower `{group}.lr`, set `{group}.clip`, or look for outliers in the events"
        )))
    }

    /// The record, and the parameters that are kept.
    fn end(self) -> Result<Record> {
        let Run {
            settings,
            parameters,
            marks,
            ..
        } = self;
        let Settings { stage, .. } = *settings;
        let validation_loss = match marks.best {
            Some(best) => Some(best.loss),
            None => marks.validation_losses.last().copied(),
        };
        if marks.best.is_some() {
            parameters.copy_from_slice(&self.best);
        } else if marks.averaged > 0 {
            parameters.copy_from_slice(&self.average);
        }
        let by_heart = marks.by_heart(settings.patience);
        let (kept_epoch, kept_step) = marks
            .best
            .map_or((marks.kept_epoch, marks.kept_step), |best| best.at);
        let loss = (kept_epoch as usize)
            .checked_sub(1)
            .and_then(|epoch| marks.losses.get(epoch));
        let passes = |updates: u64| {
            let rows = updates as f64 * settings.batch as f64;
            self.feed.pass().map(|pass| rows / pass.max(1) as f64)
        };
        let record = Record {
            steps: marks.steps,
            rows: marks.rows,
            passes: passes(marks.steps),
            loss: loss.copied().unwrap_or(f64::NAN),
            losses: marks.losses,
            validation_losses: marks.validation_losses,
            kept_epoch,
            kept_step,
            validation_loss,
            stopped_early: marks.stopped_early,
            by_heart,
            fallbacks: marks.fallbacks,
            failed: marks.failed,
        };
        if !record.fallbacks.is_empty() {
            let times = record.fallbacks.len();
            let end = match record.failed {
                true => {
                    format!("and failed; the best parameters, of update {kept_step}, were taken")
                }
                false => "and went on with half the step each time".into(),
            };
            self.hooks.warn(
                "training",
                &format!("the {stage} training diverged, {times} in all (at updates {:?}), {end}: lower `{}.lr`, or look for outliers in the events", record.fallbacks, settings.group),
            )?;
        }
        let Schedule { warmup, decay, .. } = settings.schedule;
        let planned = settings.epochs.saturating_mul(settings.steps);
        if planned < warmup && decay != Decay::OneCycle {
            let group = settings.group;
            self.hooks.warn(
                "training",
                &format!("the {stage} training is over, with {planned} updates, before its learning rate has risen to what was asked for, over {warmup} (`{group}.warmup`): train longer (`{group}.epochs`, `{group}.steps`), or warm up for less"),
            )?;
        }
        let seconds = marks.seconds + self.start.elapsed().as_secs_f64();
        let seen = record.passes.map_or(String::new(), |passes| {
            format!(", every event {passes:.1} times")
        });
        self.hooks.log(
            Level::Info,
            &format!("{stage}: {} updates in {seconds:.1} s{seen}", record.steps),
        )?;
        Ok(record)
    }

    /// Puts it down in the journal.
    fn keep(&mut self, journal: &Journal, fingerprint: &str) -> Result<()> {
        let mut marks = self.marks.clone();
        marks.seconds += self.start.elapsed().as_secs_f64();
        marks.optimised.clear();
        for optimiser in &self.optimisers {
            marks.optimised.put(optimiser.steps())?;
        }
        let json = serde_json::to_string(&marks)
            .map_err(|e| Error::Internal(format!("a training is no JSON: {e}")))?;
        let mut kept = Kept::new(self.settings.stage, fingerprint, json);
        kept.put("parameters".into(), self.parameters)?;
        for (name, values) in [("best", &self.best), ("average", &self.average)] {
            if !values.is_empty() {
                kept.put(name.into(), values)?;
            }
        }
        if !marks.over {
            kept.put("good".into(), &self.good)?;
            for (part, optimiser) in self.optimisers.iter().enumerate() {
                let [first, second] = optimiser.moments();
                kept.put(format!("first.{part}"), first)?;
                kept.put(format!("second.{part}"), second)?;
            }
        }
        let failure = journal.keep(kept)?;
        // Told, but no part of the model's judgement: the model is what it would be.
        failure.map_or(Ok(()), |why| self.hooks.log(Level::Warning, &why))
    }

    /// The most batches that a training at these marks can have drawn: one an update, and again those that a fall-back took back.
    ///
    /// # Errors
    /// What cannot be.
    fn most_updates(&self, marks: &Marks) -> std::result::Result<u64, String> {
        let (steps, each) = (self.steps(), self.settings.steps);
        let fallbacks = marks.fallbacks.len() as u64;
        if marks.steps > steps || fallbacks > self.settings.fallbacks.saturating_add(1) {
            return Err(format!(
                "{} updates of {steps}, after {fallbacks} fall-backs of {}",
                marks.steps, self.settings.fallbacks
            ));
        }
        Ok(marks.steps.saturating_add(fallbacks.saturating_mul(each)))
    }

    /// Goes on from what was kept.
    fn resume(&mut self, kept: &Kept, journal: &Journal) -> Result<()> {
        let broken = |why: String| Error::Format(format!("{}: {why}", journal.path().display()));
        let of_training = |why: String| {
            broken(format!(
                "its training `{}` cannot stand where it says: {why}",
                kept.stage
            ))
        };
        let marks: Marks = serde_json::from_str(&kept.marks)
            .map_err(|e| broken(format!("its training `{}`: {e}", kept.stage)))?;
        let need = |name: &str, values: &mut [T]| match kept.take(name, values)? {
            true => Ok(()),
            false => Err(broken(format!(
                "its training `{}` has no `{name}`",
                kept.stage
            ))),
        };
        need("parameters", self.parameters)?;
        if marks.best.is_some() {
            self.best = room::copied(self.parameters)?;
            need("best", &mut self.best)?;
        }
        if self.average.is_empty() && marks.averaged > 0 {
            return Err(broken(format!(
                "its training `{}` has an average that is not asked for",
                kept.stage
            )));
        }
        if !self.average.is_empty() {
            need("average", &mut self.average)?;
        }
        if !marks.over {
            need("good", &mut self.good)?;
            if marks.optimised.len() != self.optimisers.len() {
                return Err(broken(format!(
                    "its training `{}` has other parts",
                    kept.stage
                )));
            }
            for (part, optimiser) in self.optimisers.iter_mut().enumerate() {
                optimiser.set_steps(marks.optimised[part]);
                let [first, second] = optimiser.moments_mut();
                need(&format!("first.{part}"), first)?;
                need(&format!("second.{part}"), second)?;
            }
        }
        let updates = self.most_updates(&marks).map_err(of_training)?;
        let Settings { stage, batch, .. } = *self.settings;
        let go_on = || self.hooks.check(stage);
        let resumed = self
            .feed
            .resume(&mut Words::new(&marks.feed, updates, batch, &go_on));
        resumed.map_err(|error| match error {
            Error::Format(why) => of_training(why),
            other => other,
        })?;
        self.marks = marks;
        let (steps, path) = (self.marks.steps, journal.path().display());
        let message = match self.marks.over {
            true => format!("{stage}: done before, {steps} updates, from {path}"),
            false => format!(
                "{stage}: goes on after update {steps} of {}, from {path}",
                self.steps()
            ),
        };
        self.hooks.log(Level::Info, &message)
    }
}

/// Of an average of n updates, where n is small, the last weighs so many n-ths: what it lags behind is an eleventh of n.
const YOUNG: f64 = 10.0;

/// The parameters that are held out, and kept in the end: the average, if there is one.
fn kept<'p, T>(marks: &Marks, parameters: &'p [T], average: &'p [T]) -> &'p [T] {
    match marks.averaged {
        0 => parameters,
        _ => average,
    }
}

/// A held-out loss that is so many nats an event above the first look's is no chance of a training.
const EXPLODED: f64 = 10.0;

/// Updates from one look at the held-out loss to the next, within an epoch: where that goes through the events several times, about a pass,
/// so that few events that are learned by heart are noticed in time; but a look costs as much as some updates.
fn look_every(settings: &Settings, pass: Option<usize>) -> u64 {
    const FEWEST: u64 = 16;
    let updates = pass.map_or(u64::MAX, |rows| rows as u64 / settings.batch.max(1) as u64);
    let most = (settings.steps / FEWEST).max(1);
    let looks = (settings.steps / updates.max(1)).clamp(1, most);
    settings.steps.div_ceil(looks)
}

/// Scales the gradient to norm `limit` if it is longer and `limit` is positive. None if loss or gradient are not finite.
pub(super) fn clip<T: Real>(gradient: &mut [T], limit: f64, loss: f64) -> Option<()> {
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

/// The mean loss, and by how much chance moves it, as its batches tell (0 of one alone).
fn mean_loss<T: Real>(
    objective: &mut dyn Objective<T>,
    parameters: &[T],
    batches: &[Batch<T>],
) -> Result<(f64, f64)> {
    let mut sum = 0.0;
    let mut square = 0.0;
    let mut rows = 0;
    for batch in batches {
        let loss = objective.loss(parameters, batch)?;
        sum += loss * batch.rows as f64;
        square += loss * loss * batch.rows as f64;
        rows += batch.rows;
    }
    let mean = sum / rows as f64;
    let spread = (square / rows as f64 - mean * mean).max(0.0);
    Ok((mean, (spread / (batches.len().max(2) - 1) as f64).sqrt()))
}
