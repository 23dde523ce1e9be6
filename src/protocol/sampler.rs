//! A stream of events from a model.

mod single;

use super::conditions::{Reach, UNKNOWN};
use super::draws::{Draws, Uniforms};
use super::refiner::{self, Block, Blocks, Maker, Statistics, Watch};
use crate::compute::{backend, Instance, Stage};
use crate::model::{Density, Evaluator, Method, Model, Needs, Real, Scaling, Surrogate};
use crate::options::{choices::Backend, keys, Options};
use crate::room::Grow;
use crate::train::Hooks;
use crate::{Error, Result, Rows, RowsMut};
use std::cell::OnceCell;
use std::sync::Arc;

/// Event i of stream s with seed k is a function of (model, k, s, i) alone: the same bits whatever the requests. Events
/// are made in blocks, and the last block is kept.
pub struct Sampler {
    model: Arc<Instance>,
    evaluator: Box<dyn Evaluator>,
    threads: usize,
    method: Method,
    maker: Box<dyn Maker>,
    seed: u64,
    stream: u64,
    draws: Draws,
    next: u64,
    block: Block,
    /// Whether `block` holds the events of its numbers.
    filled: bool,
    /// log p of the block's events; empty until asked for.
    log_prob: Vec<f64>,
    /// Events that log p is computed with.
    scratch: Vec<f64>,
    statistics: Statistics,
    watch: Watch,
    hooks: Option<Arc<dyn Hooks + Send + Sync>>,
    /// Whether the hooks have been told of conditions that the training had not.
    strange: bool,
    /// Of features that single precision is too coarse for.
    coarse: single::Coarse,
    /// Where those that it had are.
    reach: Option<Reach>,
}

/// Where nothing says how far the training's conditions reach: standard deviations from their mean that are far off, and the share of
/// conditions that may be as far.
const STRANGE: f64 = 4.0;
const STRANGERS: f64 = 1e-3;

/// What runs, to the hooks.
const STAGE: &str = "sampling";

/// Where [`Sampler::generate`] writes; every output is optional, and has at least the rows asked for.
pub struct Outputs<'a, T> {
    /// Events: rows × M. Of the method `reweight` with their weights alone.
    pub x: Option<RowsMut<'a, T>>,
    /// The latents they came from: rows × N.
    pub z: Option<RowsMut<'a, T>>,
    /// Weights: rows × 1. w(z) for the method `reweight`; otherwise 1, but w / w_max for the events of `rejection`, `surrogate` and `mixture` above w_max.
    pub w: Option<RowsMut<'a, T>>,
    /// log density of the events: rows × 1. `baseline`, `reweight`: log p_g(x). `flow`: log q_Φ(z) − log |det ∂x/∂z|, exact. `gan`,
    /// `matching`: not tractable. All others: the density that they aim at, log p_g(x) + log w − log of the mean weight in the pilot run.
    pub log_prob: Option<RowsMut<'a, T>>,
}

impl<T> Default for Outputs<'_, T> {
    fn default() -> Self {
        Outputs {
            x: None,
            z: None,
            w: None,
            log_prob: None,
        }
    }
}

impl Sampler {
    /// A sampler of stream `stream` with seed `seed`, at event 0. The option `sampler.method` chooses among the methods that the model has,
    /// `sampler.threads` how many threads the engine works on; one is the calling thread.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the model lacks what the method needs, [`Error::InvalidArgument`] for more than one thread with libtorch,
    /// [`Error::Device`].
    pub fn new(model: Arc<Instance>, seed: u64, stream: u64, options: &Options) -> Result<Self> {
        model.generator.makes_events()?;
        let own = model.refinement.as_ref().map(|r| r.method);
        let method = options.get(keys::SAMPLER_METHOD).or(own);
        let method = method.unwrap_or(Method::Baseline);
        let pilot = model.refinement.as_ref().and_then(|r| r.expected(method));
        let threads = options.get(keys::SAMPLER_THREADS) as usize;
        if threads > 1 && backend(options)? == Backend::Torch {
            return Err(Error::InvalidArgument(
                "`sampler.threads` above 1 with libtorch: how it shares a block among threads would show in the last bits; use one sampler per thread, or `backend` = `engine`".into(),
            ));
        }
        let mut single = options.clone();
        single.set_i64(keys::THREADS.name(), 1)?;
        let maker = maker(&model, method)?;
        if model.generator.condition_dim() > 0 && method.in_common() {
            return Err(refiner::in_common(method));
        }
        Ok(Sampler {
            maker,
            evaluator: model.evaluator(&single, threads)?,
            watch: Watch::new(
                method,
                pilot,
                refiner::judged(&model, method),
                model.generator.condition_dim() > 0,
            ),
            hooks: None,
            strange: false,
            coarse: single::Coarse::default(),
            reach: Reach::of(&model),
            model,
            threads,
            method,
            seed,
            stream,
            draws: Draws::Counter { seed, stream },
            next: 0,
            block: Block::default(),
            filled: false,
            log_prob: Vec::new(),
            scratch: Vec::new(),
            statistics: Statistics::default(),
        })
    }

    /// Draws from the host instead of the sampler's own noise, or, with `None`, from its own again. Events that were made ahead are
    /// dropped.
    ///
    /// With a host's numbers an event is a function of the model and the numbers drawn for it: the calls that ask for events draw for just
    /// these, nothing is made ahead (but a state of every chain, which begin anew, or a whole block of
    /// `resampling`), and there is no `seek`.
    ///
    /// # Errors
    /// As [`Sampler::new`].
    pub fn set_uniforms(&mut self, source: Option<Box<dyn Uniforms>>) -> Result<()> {
        self.maker = maker(&self.model, self.method)?;
        let (seed, stream) = (self.seed, self.stream);
        self.draws = source.map_or(Draws::Counter { seed, stream }, Draws::host);
        self.filled = false;
        Ok(())
    }

    /// Has the calls that ask for events watched and stopped by `hooks`, or, with `None`, no more.
    ///
    /// Blocks of events are the stage `sampling` of so many events, the trajectories that chains make for a block the stage `chains`. All
    /// that takes long looks at a cancel between blocks of proposals and steps of trajectories. An error of the hooks ends the call with
    /// that error, and the position is as before; chains then begin anew.
    ///
    /// Warnings come by [`Hooks::log`], each once, when what is met contradicts the pilot run of the model or deserves no trust: a weight
    /// above ten times the largest of the pilot run; more than twice the share of the weight above w_max that it was to leave there; an
    /// acceptance of `rejection`, `surrogate` or `mixture` off by a factor of two; ten events that carry more than 1 % of the weight (and ten times as much as ten
    /// others); more than 1 % of the weight at the classifier's limit; more than a tenth of the events of `resampling` copies of others;
    /// conditions of a call that lie beyond the training's by more than a twentieth of their range, more than by chance (of models of earlier
    /// versions, more than 0.1 % beyond 4 standard deviations); 1 % of the proposals that are not finite; a feature that single precision,
    /// where it is asked for, rounds by more than a thousandth of its standard deviation; chains of which 1 % of the
    /// trajectories diverge, less than 1 % is accepted, or R̂ is above 1.1 (more for fewer than 64 events of each, and from 20 on); `langevin`
    /// with a step that no pilot run of it has judged, and that the Metropolis test would refuse in 0.5 % of the cases. All count
    /// since the sampler was made; to hooks that are set again, they come again.
    pub fn set_hooks(&mut self, hooks: Option<Arc<dyn Hooks + Send + Sync>>) {
        self.hooks = hooks;
        self.watch.forget();
        self.strange = false;
        self.coarse = single::Coarse::default();
    }

    /// M, features per event.
    pub fn event_dim(&self) -> usize {
        self.model.generator.event_dim()
    }

    /// N, dimensions of the latent space.
    pub fn latent_dim(&self) -> usize {
        self.model.generator.latent_dim()
    }

    /// The next event will be number `event`. Free for all methods but chains, which must be run up to there.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the host's random numbers, which are not found by their place.
    pub fn seek(&mut self, event: u64) -> Result<()> {
        if !self.draws.have_places() {
            return Err(Error::Unsupported(
                "events made of the host's own random numbers cannot be sought: set the host's generator back instead".into(),
            ));
        }
        self.next = event;
        Ok(())
    }

    /// C, values of a condition.
    pub fn condition_dim(&self) -> usize {
        self.model.generator.condition_dim()
    }

    /// Number of the next event.
    pub fn tell(&self) -> u64 {
        self.next
    }

    /// Whether the next `rows` events are made already, and handed out as elements of this type without rounding.
    pub(crate) fn keeps<T: Real>(&self, rows: usize) -> bool {
        let kept = self.block.row(self.next).filter(|_| self.filled);
        T::EXACT && kept.is_some_and(|row| rows <= self.block.rows - row)
    }

    /// The next `rows` events.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if an output has too few rows or other columns, or events of `reweight` are asked for without their weights,
    /// [`Error::Unsupported`] for the log density of a method
    /// that has none, [`Error::Numerical`] if the method gives up, if a log density is not finite, or for a value beyond `T`. The position is
    /// then as before, and the outputs may be written in part.
    pub fn generate<T: Real>(&mut self, rows: usize, out: Outputs<'_, T>) -> Result<()> {
        if self.condition_dim() > 0 && rows > 0 {
            return Err(Error::InvalidArgument(format!(
                "the model's events are made given conditions, {} values per event; give them (`laser_sampler_generate_given`)",
                self.condition_dim()
            )));
        }
        self.deliver(rows, Rows::column(&[]), out)
    }

    /// The next `rows` events, given their conditions, `c`: rows × C. Event i is then a function of (model, k, s, i) and of its condition
    /// alone (with libtorch, to rounding). Nothing is made ahead.
    ///
    /// # Errors
    /// As [`Sampler::generate`]; [`Error::InvalidArgument`] if there are no conditions, or `c` has another shape, [`Error::NotFinite`].
    pub fn generate_given<T: Real>(
        &mut self,
        rows: usize,
        c: Rows<'_, T>,
        out: Outputs<'_, T>,
    ) -> Result<()> {
        let dim = self.condition_dim();
        if dim == 0 {
            return Err(Error::InvalidArgument(
                "the model's events have no conditions".into(),
            ));
        }
        fits("c", (c.rows(), c.dim()), (rows, dim))?;
        for (row, given) in c.iter().take(rows).enumerate() {
            if let Some(k) = given.iter().position(|v| !v.to_f64().is_finite()) {
                return Err(Error::not_finite(
                    "the conditions",
                    row,
                    Some(k),
                    given[k].to_f64(),
                ));
            }
            // A class that there is not would be taken for another.
            let pairs = given.iter().zip(&self.model.generator.conditions);
            for (column, (value, scaling)) in pairs.enumerate() {
                let objection = scaling.objection(value.to_f64());
                if let Some(what) = objection.filter(|_| scaling.stepped()) {
                    return Err(Error::InvalidArgument(format!(
                        "condition {column} of row {row} is {}, {what}",
                        value.to_f64()
                    )));
                }
            }
        }
        self.look_at(rows, &c)?;
        self.filled = false;
        let result = self.deliver(rows, c, out);
        self.filled = false;
        result
    }

    /// Warns the hooks, once, of conditions where the training had none.
    fn look_at<T: Real>(&mut self, rows: usize, c: &Rows<'_, T>) -> Result<()> {
        let Some(hooks) = self.hooks.as_ref().filter(|_| !self.strange) else {
            return Ok(());
        };
        let told = match &mut self.reach {
            Some(reach) => reach.strange(&self.model, rows, c.iter()),
            None => deviating(&self.model.generator.conditions, rows, c),
        };
        let Some(told) = told else {
            return Ok(());
        };
        self.strange = true;
        hooks.warn("sampling", &told)
    }

    /// A diagnostic since the sampler was made: `events` and `proposals` (made, which blocks round up), `calls_per_event` (latents that the generator was asked to make events of,
    /// for gradients of their weights too, over events), `acceptance` (their accepted
    /// fraction), `overweight_fraction` (Σ max(0, w − w_max) / Σ w of the rejection method), `overweight_events` (fraction of its events
    /// with w > w_max), `largest_weight` and `weight_of_largest` (the share of the weight in the ten heaviest events), `events_at_limit` and `weight_at_limit`
    /// (the share of the events, and of their weight, whose log w is at the limit that the classifier has; 0 without one), `non_finite` and
    /// `divergences` (proposals); of latents resampled for `resampling` or for starts of chains, `effective_fraction` ((Σw)² / Σw² of their
    /// pools, as a fraction) and `distinct_fraction`. Fractions of nothing are NaN.
    ///
    /// Of chains, from the last 256 events of the first 64 of them (fewer in more than 1024 dimensions) since they were last begun:
    /// `r_hat.K`, split R̂ of dimension K of z (from 0), and `effective_sample_size.K`, that of all events made; without `.K`, of the worst
    /// dimension. NaN for other methods, and for fewer than four events of a chain (`effective_sample_size`: twenty).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another key.
    pub fn diagnostic(&self, key: &str) -> Result<f64> {
        let history = self.maker.history();
        self.statistics.diagnostic(key, history, self.latent_dim())
    }

    /// Whether so much of the weight of the events made is in the ten heaviest that all hangs on these: more than 1 %, and ten times as
    /// much as in ten others.
    pub fn concentrated(&self) -> bool {
        self.statistics.concentrated()
    }

    /// As [`Sampler::generate_given`], of checked conditions.
    fn deliver<T: Real>(
        &mut self,
        rows: usize,
        c: Rows<'_, T>,
        mut out: Outputs<'_, T>,
    ) -> Result<()> {
        self.check(rows, &out)?;
        if let Some(hooks) = &self.hooks {
            hooks.check(STAGE)?;
        }
        // Needed for new blocks alone, and not for every event out of one.
        let kept_hooks = OnceCell::new();
        let mut stage = None;
        let first = self.next;
        let mut done = 0;
        while done < rows {
            let event = first.wrapping_add(done as u64);
            let kept = self.block.row(event).filter(|_| self.filled);
            let offset = match kept {
                Some(row) => row,
                None => {
                    let hooks = kept_hooks.get_or_init(|| self.hooks.clone());
                    let hooks: Option<&dyn Hooks> = hooks.as_ref().map(|h| &**h as &dyn Hooks);
                    let stage =
                        stage.get_or_insert_with(|| Stage::new(hooks.unwrap_or(&()), STAGE, rows));
                    let row = self.make(event, rows - done, (c, done), stage)?;
                    // Nobody is warned, and nothing looked at, without hooks.
                    if let Some(hooks) = hooks {
                        let (block, history) = (&self.block, self.maker.history());
                        self.watch.look(block, &self.statistics, history, hooks)?;
                    }
                    row
                }
            };
            if out.log_prob.is_some() && self.log_prob.is_empty() {
                self.densities()?;
            }
            let count = (self.block.rows - offset).min(rows - done);
            if !T::EXACT && out.x.is_some() {
                self.rounded::<T>(offset, count)?;
            }
            let dims = self.model.generator.dims();
            let copy = |from: &[f64], width: usize, to: &mut Option<RowsMut<T>>| {
                let Some(to) = to else { return Ok(()) };
                for (row, from) in from.chunks_exact(width).take(count).enumerate() {
                    if let Some(value) =
                        from.iter().find(|v| !T::from_f64(**v).to_f64().is_finite())
                    {
                        return Err(beyond(event.wrapping_add(row as u64), *value));
                    }
                    to.set(done + row, from.iter().map(|v| T::from_f64(*v)));
                }
                Ok(())
            };
            let Block { x, z, w, .. } = &self.block;
            let x = match T::EXACT {
                true => &x[offset * dims.event_row()..],
                false => &self.scratch[..],
            };
            copy(x, dims.event_row(), &mut out.x)?;
            copy(
                &z[offset * dims.latent_row()..],
                dims.latent_row(),
                &mut out.z,
            )?;
            copy(&w[offset..], 1, &mut out.w)?;
            if out.log_prob.is_some() {
                copy(&self.log_prob[offset..], 1, &mut out.log_prob)?;
            }
            done += count;
            if let Some(stage) = stage.as_ref().filter(|_| kept.is_none()) {
                stage.done(done)?;
            }
        }
        self.next = first.wrapping_add(rows as u64);
        Ok(())
    }

    fn check<T: Real>(&self, rows: usize, out: &Outputs<'_, T>) -> Result<()> {
        for (name, out, dim) in [
            ("x", &out.x, self.event_dim()),
            ("z", &out.z, self.latent_dim()),
            ("w", &out.w, 1),
            ("log_prob", &out.log_prob, 1),
        ] {
            if let Some(out) = out {
                fits(name, (out.rows(), out.dim()), (rows, dim))?;
            }
        }
        if self.method == Method::Reweight && rows > 0 && out.x.is_some() && out.w.is_none() {
            return Err(Error::InvalidArgument(
                "events of the method `reweight` are wrong without their weights: ask for their `w` too, or take another `sampler.method`, as rejection".into(),
            ));
        }
        if out.log_prob.is_some() && self.method.facts().density == Density::None {
            return Err(Error::Unsupported(format!(
                "events of the refiner `{}` have no tractable density; use `flow`, `rejection` or `hmc` for log p",
                self.method.name()
            )));
        }
        Ok(())
    }

    /// Makes a block with `event`, of which and its successors `wanted` are asked for; returns its row. Its conditions begin at row `given`
    /// of `c`.
    fn make<T: Real>(
        &mut self,
        event: u64,
        wanted: usize,
        (c, given): (Rows<'_, T>, usize),
        stage: &Stage,
    ) -> Result<usize> {
        let (first, rows) = self.plan(event, wanted);
        self.filled = false;
        self.log_prob.clear();
        let dims = self.model.generator.dims();
        self.block.place(first, rows, dims)?;
        for (row, to) in self
            .block
            .c
            .chunks_exact_mut(dims.conditions.max(1))
            .enumerate()
        {
            to.iter_mut()
                .zip(c.row(given + row))
                .for_each(|(to, c)| *to = c.to_f64());
        }
        self.maker.fill(
            self.evaluator.as_mut(),
            &mut self.draws,
            &mut self.block,
            &mut self.statistics,
            stage,
        )?;
        self.filled = true;
        self.statistics.heaviest.add(&self.block.w);
        if let Some(limits) = self.model.latent_limits() {
            let limited = &mut self.statistics.limited;
            limited.add(limits.high, &self.block.log_w, &self.block.w);
        }
        Ok(event.wrapping_sub(first) as usize)
    }

    /// The block to make for `event`: first event and rows.
    fn plan(&self, event: u64, wanted: usize) -> (u64, usize) {
        let aligned = |rows: usize| (event - event % rows as u64, rows);
        // What needs the caller's numbers or conditions is not made ahead.
        let ahead = self.draws.have_places() && self.condition_dim() == 0;
        let most = match (self.maker.blocks(), ahead) {
            (Blocks::Aligned(rows), true) => return aligned(rows),
            (Blocks::Aligned(rows), false) => return (event, rows),
            (Blocks::Any(rows), false) => return (event, wanted.min(rows)),
            (Blocks::Any(rows), true) => rows * self.threads,
        };
        if !self.evaluator.rows_are_independent() {
            return aligned(most);
        }
        // Made ahead the further, the longer events are asked for in their order: the first one after a seek comes soon.
        let before = self.block.rows;
        let in_order = self.filled && event == self.block.first.wrapping_add(before as u64);
        let ahead = if in_order { 2 * before } else { FIRST_ROWS };
        (event, ahead.max(wanted).min(most))
    }

    /// Fills `log_prob` for the block.
    fn densities(&mut self) -> Result<()> {
        let Block {
            rows, z, x, log_w, ..
        } = &self.block;
        let mut values = std::mem::take(&mut self.log_prob);
        values.sized(*rows, 0.0)?;
        self.scratch.sized(x.len(), 0.0)?;
        self.evaluator
            .generate(z, *rows, &mut self.scratch, Some(&mut values))?;
        match self.method.facts().density {
            Density::Generated | Density::None => (),
            Density::Refined => {
                let refinement = self.model.refinement.as_ref();
                let log_z = refinement.map_or(0.0, |r| r.log_mean_weight);
                let refined = values.iter_mut().zip(log_w);
                refined.for_each(|(p, l)| *p += l - log_z);
            }
            Density::Distilled => {
                self.scratch.sized(*rows, 0.0)?;
                self.evaluator.surrogate(z, *rows, &mut self.scratch)?;
                let surrogate = self.model.surrogate();
                if let Some((limits, log_z)) = surrogate.and_then(Surrogate::density) {
                    let refined = values.iter_mut().zip(&self.scratch);
                    refined.for_each(|(p, l)| *p += limits.apply(*l) - log_z);
                }
            }
            Density::Own => {
                // In p_g(x) = p(z) / |det ∂x/∂z|, q_Φ takes the place of p.
                let dims = self.model.generator.dims();
                self.scratch.sized(*rows, 0.0)?;
                self.evaluator
                    .refined_log_prob(z, *rows, &mut self.scratch)?;
                // Of its events those outside the support are made again.
                let refinement = self.model.refinement.as_ref();
                let log_inside = refinement.map_or(0.0, |r| r.log_inside);
                let refined = values.iter_mut().zip(&self.scratch);
                for ((value, log_q), z) in refined.zip(z.chunks_exact(dims.latent_row())) {
                    // The conditions are given, and have no density.
                    *value += log_q - log_normal(&z[..dims.latent]) - log_inside;
                }
            }
        }
        if let Some(row) = values.iter().position(|p| !p.is_finite()) {
            return Err(Error::Numerical(format!(
                "the log density of event {} is {}; take the events without it",
                self.block.first.wrapping_add(row as u64),
                values[row]
            )));
        }
        self.log_prob = values;
        Ok(())
    }
}

/// The error of a value of an event that its precision has no number for.
fn beyond(event: u64, value: f64) -> Error {
    Error::Numerical(format!(
        "event {event} has the value {value:e}, beyond single precision; take the events in double precision"
    ))
}

/// What is strange about conditions of which only the scalings are known.
fn deviating<T: Real>(scalings: &[Scaling], rows: usize, c: &Rows<'_, T>) -> Option<String> {
    let far = |given: &&[T]| {
        let pairs = given.iter().zip(scalings);
        let mut scaled = pairs.map(|(v, s)| (s, s.forward(v.to_f64())));
        scaled.any(|(s, u)| *s != Scaling::None && u.abs() > STRANGE)
    };
    let strange = c.iter().take(rows).filter(far).count();
    (strange as f64 > STRANGERS * rows as f64).then(|| {
        format!("{strange} of {rows} conditions are more than {STRANGE} standard deviations from those of the training: {UNKNOWN}")
    })
}

/// Checks that an array of (rows, columns) has as many as are needed.
fn fits(name: &str, has: (usize, usize), needed: (usize, usize)) -> Result<()> {
    if has.0 >= needed.0 && has.1 == needed.1 {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "array {name} has {} rows of {}; {} rows of {} are required",
        has.0, has.1, needed.0, needed.1
    )))
}

/// log of the standard normal density.
fn log_normal(z: &[f64]) -> f64 {
    let squares: f64 = z.iter().map(|z| z * z).sum();
    -0.5 * (squares + z.len() as f64 * libm::log(2.0 * std::f64::consts::PI))
}

/// Events made at first for a caller who may want only one.
const FIRST_ROWS: usize = 32;

/// What makes the events of a method.
fn maker(model: &Model, method: Method) -> Result<Box<dyn Maker>> {
    let alone = matches!(method.facts().needs, Needs::Generator);
    if !alone && model.classifier.is_none() {
        let what = "a classifier, which this model lacks";
        return Err(refiner::missing(method, what));
    }
    refiner::home(method)?.maker(model)
}
