//! A stream of events from a model.

use super::evaluate::evaluator;
use super::refiner::{Baseline, Block, Gan, Hmc, Refiner, Rejection, Reweight, Statistics};
use crate::model::{Evaluator, Method, Model, Real, Refinement};
use crate::options::{keys, Options};
use crate::{Error, Result};
use std::sync::Arc;

/// Event i of stream s with seed k is a function of (model, k, s, i) alone: the same bits whatever the requests, on one type of CPU. Events
/// are made in blocks that are aligned to their number, and the last block is kept.
pub struct Sampler {
    model: Arc<Model>,
    evaluator: Box<dyn Evaluator>,
    method: Method,
    refiner: Box<dyn Refiner>,
    next: u64,
    block: Block,
    /// Whether `block` holds the events of its index.
    filled: bool,
    /// log p of the block's events, if asked for.
    log_prob: Vec<f64>,
    statistics: Statistics,
}

/// Where [`Sampler::generate`] writes; every output is optional. Matrices are row-major with a stride in elements.
pub struct Outputs<'a, T> {
    /// Events: rows × M, stride.
    pub x: Option<(&'a mut [T], usize)>,
    /// The latents they came from: rows × N, stride.
    pub z: Option<(&'a mut [T], usize)>,
    /// Weights: rows. w(z) for the method `reweight`; otherwise 1, but w / w_max for the events of `rejection` above w_max.
    pub w: Option<&'a mut [T]>,
    /// log density of the events: rows. `baseline`, `reweight`: log p_g(x). `rejection`, `hmc`: log p_g(x) + log w − log of the mean weight
    /// in the pilot run. `gan`: not tractable.
    pub log_prob: Option<&'a mut [T]>,
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
    /// A sampler of stream `stream` with seed `seed`, at event 0. The option `sampler.method` chooses among the methods that the model has.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the model lacks what the method needs, [`Error::Device`].
    pub fn new(model: Arc<Model>, seed: u64, stream: u64, options: &Options) -> Result<Self> {
        let method = match options.get(keys::SAMPLER_METHOD) {
            "model" => model
                .refinement
                .as_ref()
                .map_or(Method::Baseline, |r| r.method),
            name => Method::parse(name)?,
        };
        let refiner = Self::refiner(&model, method, seed, stream)?;
        let rows = refiner.block_rows();
        // One thread each: how libtorch shares a block among threads would show in the last bits. Hosts use one sampler per thread.
        let mut single = options.clone();
        single.set_i64(keys::THREADS.name(), 1)?;
        let evaluator = evaluator(&model, &single)?;
        Ok(Sampler {
            block: Block {
                index: 0,
                rows,
                z: vec![0.0; rows * model.generator.latent_dim()],
                x: vec![0.0; rows * model.generator.event_dim()],
                w: vec![0.0; rows],
                log_w: Vec::new(),
            },
            model,
            evaluator,
            method,
            refiner,
            next: 0,
            filled: false,
            log_prob: Vec::new(),
            statistics: Statistics::default(),
        })
    }

    fn refiner(model: &Model, method: Method, seed: u64, stream: u64) -> Result<Box<dyn Refiner>> {
        let dim = model.generator.latent_dim();
        let baseline = Baseline::new(seed, stream, dim);
        if method == Method::Baseline {
            return Ok(Box::new(baseline));
        }
        let missing = |what: &str| {
            Error::Unsupported(format!(
                "the method `{}` needs {what}; refine the generator first",
                method.name()
            ))
        };
        if model.classifier.is_none() {
            return Err(missing("a classifier, which this model lacks"));
        }
        let refinement = model
            .refinement
            .as_ref()
            .ok_or_else(|| missing("a refined model"));
        Ok(match method {
            Method::Baseline => Box::new(baseline),
            Method::Reweight => Box::new(Reweight(baseline)),
            Method::Rejection => {
                let &Refinement {
                    log_w_max,
                    max_tries,
                    ..
                } = refinement?;
                Box::new(Rejection::new(seed, stream, dim, log_w_max, max_tries))
            }
            Method::Gan => {
                let gan = refinement?.gan.as_ref();
                let gan = gan.ok_or_else(|| {
                    missing(
                        "a trained GAN refiner (`refiner.method` = `gan`), which this model lacks",
                    )
                })?;
                Box::new(Gan::new(seed, stream, gan.auxiliary_dim()))
            }
            Method::Hmc => Box::new(Hmc::new(seed, stream, dim, refinement?.hmc)),
        })
    }

    /// M, features per event.
    pub fn event_dim(&self) -> usize {
        self.model.generator.event_dim()
    }

    /// N, dimensions of the latent space.
    pub fn latent_dim(&self) -> usize {
        self.model.generator.latent_dim()
    }

    /// The next event will be number `event`. Free for all methods but `hmc`, whose chains must be run up to there.
    pub fn seek(&mut self, event: u64) {
        self.next = event;
    }

    /// Number of the next event.
    pub fn tell(&self) -> u64 {
        self.next
    }

    /// The next `rows` events.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if an output is too short, [`Error::Unsupported`] for the log density of a method that has none,
    /// [`Error::Numerical`] if the method gives up. The position is then as before, and the outputs may be written in part.
    pub fn generate<T: Real>(&mut self, rows: usize, mut out: Outputs<'_, T>) -> Result<()> {
        self.check(rows, &out)?;
        let (n, m) = (self.latent_dim(), self.event_dim());
        let first = self.next;
        let mut done = 0;
        while done < rows {
            let event = first.wrapping_add(done as u64);
            let offset = (event % self.block.rows as u64) as usize;
            self.make(event / self.block.rows as u64, out.log_prob.is_some())?;
            let count = (self.block.rows - offset).min(rows - done);
            let copy = |from: &[f64], dim: usize, to: &mut Option<(&mut [T], usize)>| {
                let Some((to, stride)) = to else { return };
                for (row, from) in from[offset * dim..(offset + count) * dim]
                    .chunks_exact(dim)
                    .enumerate()
                {
                    let to = &mut to[(done + row) * *stride..][..dim];
                    to.iter_mut()
                        .zip(from)
                        .for_each(|(to, &v)| *to = T::from_f64(v));
                }
            };
            copy(&self.block.x, m, &mut out.x);
            copy(&self.block.z, n, &mut out.z);
            copy(&self.block.w, 1, &mut out.w.as_deref_mut().map(|w| (w, 1)));
            copy(
                &self.log_prob,
                1,
                &mut out.log_prob.as_deref_mut().map(|l| (l, 1)),
            );
            done += count;
        }
        self.next = first.wrapping_add(rows as u64);
        Ok(())
    }

    fn check<T>(&self, rows: usize, out: &Outputs<'_, T>) -> Result<()> {
        let fits = |name: &str, length: usize, stride: usize, dim: usize| {
            let needed = rows
                .checked_sub(1)
                .map_or(Some(0), |n| n.checked_mul(stride)?.checked_add(dim));
            match needed {
                Some(needed) if stride >= dim && needed <= length => Ok(()),
                _ => Err(Error::InvalidArgument(format!(
                    "output {name} of {length} elements does not hold {rows} rows of {dim} with stride {stride}"
                ))),
            }
        };
        if let Some((x, stride)) = &out.x {
            fits("x", x.len(), *stride, self.event_dim())?;
        }
        if let Some((z, stride)) = &out.z {
            fits("z", z.len(), *stride, self.latent_dim())?;
        }
        if let Some(w) = &out.w {
            fits("w", w.len(), 1, 1)?;
        }
        if let Some(log_prob) = &out.log_prob {
            fits("log_prob", log_prob.len(), 1, 1)?;
            if self.method == Method::Gan {
                return Err(Error::Unsupported(
                    "events of the GAN refiner have no tractable density; use `rejection` or `hmc` for log p".into(),
                ));
            }
        }
        Ok(())
    }

    /// Makes `block` hold the events of block `index`.
    fn make(&mut self, index: u64, log_prob: bool) -> Result<()> {
        if !self.filled || self.block.index != index {
            self.filled = false;
            self.log_prob.clear();
            self.block.index = index;
            self.refiner.fill(
                self.evaluator.as_mut(),
                &mut self.block,
                &mut self.statistics,
            )?;
            self.filled = true;
        }
        if log_prob && self.log_prob.is_empty() {
            let mut values = vec![0.0; self.block.rows];
            let mut x = vec![0.0; self.block.x.len()];
            self.evaluator
                .generate(&self.block.z, self.block.rows, &mut x, Some(&mut values))?;
            if matches!(self.method, Method::Rejection | Method::Hmc) {
                let log_z = self
                    .model
                    .refinement
                    .as_ref()
                    .map_or(0.0, |r| r.log_mean_weight);
                values
                    .iter_mut()
                    .zip(&self.block.log_w)
                    .for_each(|(p, l)| *p += l - log_z);
            }
            self.log_prob = values;
        }
        Ok(())
    }

    /// A diagnostic since the sampler was made: `events` and `proposals` (made, which blocks round up), `acceptance` (their accepted fraction),
    /// `overweight_fraction` (Σ max(0, w − w_max) / Σ w of the rejection method), `overweight_events` (fraction of its events with w > w_max), `non_finite` and `divergences` (proposals). Fractions of
    /// nothing are NaN.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another key.
    pub fn diagnostic(&self, key: &str) -> Result<f64> {
        let s = &self.statistics;
        Ok(match key {
            "events" => s.events as f64,
            "proposals" => s.proposals as f64,
            "acceptance" => s.accepted as f64 / s.proposals as f64,
            "overweight_fraction" if s.weight > 0.0 => s.overweight / s.weight,
            "overweight_fraction" if s.proposals > 0 => 0.0,
            "overweight_fraction" => f64::NAN,
            "overweight_events" => s.overweight_events as f64 / s.accepted as f64,
            "non_finite" => s.non_finite as f64,
            "divergences" => s.divergences as f64,
            _ => {
                return Err(Error::InvalidArgument(format!(
                    "there is no diagnostic `{key}`; there are events, proposals, acceptance, overweight_fraction, overweight_events, non_finite, divergences"
                )))
            }
        })
    }
}
