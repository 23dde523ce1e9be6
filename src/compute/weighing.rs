//! Weights as a model has them: 0 outside its support, and within its limits.

use crate::model::{Dims, Evaluator, Limits, Model, Region};
use crate::room::Grow;
use crate::{Error, Result};
use std::sync::Arc;

pub(crate) const NO_REGION: &str =
    "the model's support is a callback of the host, which a file does not hold: attach it first (`laser_model_attach_support`, to a generator `laser_generator_with_support`)";

/// All by `inner`, with log w within the limits of the classifier that it comes from, beyond which it is constant and its gradient 0, and
/// −∞ for events outside the support, on which no classifier is asked.
pub(super) struct WeighingEvaluator {
    inner: Box<dyn Evaluator>,
    dims: Dims,
    /// Of log w(x), and of log w(z).
    events: Option<Limits>,
    latents: Option<Limits>,
    /// Whether there is a support, and what tells it once it is attached.
    supported: bool,
    region: Option<Arc<dyn Region>>,
    inside: Vec<bool>,
    /// Of rows that are inside, where not all are.
    z: Vec<f64>,
    x: Vec<f64>,
    log_w: Vec<f64>,
}

impl WeighingEvaluator {
    /// `inner` itself if the model neither limits its weights nor says where events can be.
    pub fn around(
        model: &Model,
        region: Option<Arc<dyn Region>>,
        inner: Box<dyn Evaluator>,
    ) -> Box<dyn Evaluator> {
        let events = model.classifier.as_ref().and_then(|c| c.limits);
        let latents = model.latent_limits();
        let supported = model.support.is_some();
        if events.is_none() && latents.is_none() && !supported {
            return inner;
        }
        Box::new(WeighingEvaluator {
            inner,
            dims: model.generator.dims(),
            events,
            latents,
            supported,
            region,
            inside: Vec::new(),
            z: Vec::new(),
            x: Vec::new(),
            log_w: Vec::new(),
        })
    }

    /// Marks the rows inside; returns whether all are.
    fn mark(&mut self, x: &[f64], rows: usize) -> Result<bool> {
        self.inside.clear();
        self.inside.sized(rows, true)?;
        if self.supported {
            let region = self.region.as_ref();
            let region = region.ok_or_else(|| Error::Unsupported(NO_REGION.into()))?;
            region.inside(&x[..rows * self.dims.event_row()], &mut self.inside)?;
        }
        Ok(self.inside.iter().all(|inside| *inside))
    }

    /// Copies the rows that are inside, latents if there are any; returns how many.
    fn gather(&mut self, z: &[f64], x: &[f64]) -> Result<usize> {
        let keep = |rows: &[f64], width: usize, to: &mut Vec<f64>| {
            to.clear();
            to.room(rows.len())?;
            let rows = rows.chunks_exact(width).zip(&self.inside);
            rows.filter(|(_, inside)| **inside)
                .for_each(|(row, _)| to.extend_from_slice(row));
            Ok::<_, Error>(())
        };
        keep(z, self.dims.latent_row(), &mut self.z)?;
        keep(x, self.dims.event_row(), &mut self.x)?;
        let rows = self.x.len() / self.dims.event_row();
        self.log_w.clear();
        self.log_w.sized(rows, 0.0)?;
        Ok(rows)
    }

    /// Gives the rows that are inside their log w, and the others none.
    fn scatter(&self, out: &mut [f64]) {
        let mut weights = self.log_w.iter();
        for (out, inside) in out.iter_mut().zip(&self.inside) {
            *out = match inside {
                true => weights.next().copied().unwrap_or(f64::NAN),
                false => f64::NEG_INFINITY,
            };
        }
    }

    /// Takes weight and gradient, of `dim` values, from the rows outside.
    fn cut(&self, log_w: &mut [f64], gradient: &mut [f64], dim: usize) {
        let rows = log_w.iter_mut().zip(gradient.chunks_exact_mut(dim));
        for ((log_w, gradient), inside) in rows.zip(&self.inside) {
            if !inside {
                *log_w = f64::NEG_INFINITY;
                gradient.fill(0.0);
            }
        }
    }
}

/// Takes log w into the limits.
fn limit(limits: Option<Limits>, log_w: &mut [f64]) {
    if let Some(limits) = limits {
        log_w.iter_mut().for_each(|l| *l = limits.apply(*l));
    }
}

/// The same, with gradients of `dim` values.
fn limit_gradient(limits: Option<Limits>, log_w: &mut [f64], gradient: &mut [f64], dim: usize) {
    let Some(limits) = limits else {
        return;
    };
    for (l, gradient) in log_w.iter_mut().zip(gradient.chunks_exact_mut(dim)) {
        let within = limits.apply(*l);
        if within != *l && !l.is_nan() {
            gradient.fill(0.0);
            *l = within;
        }
    }
}

impl Evaluator for WeighingEvaluator {
    fn rows_are_independent(&self) -> bool {
        self.inner.rows_are_independent()
    }

    fn weighs_latents(&self) -> bool {
        // Whether an event can be is known of events alone.
        self.inner.weighs_latents() && !self.supported
    }

    fn inside(&mut self, x: &[f64], rows: usize, inside: &mut [bool]) -> Result<()> {
        self.mark(x, rows)?;
        inside.copy_from_slice(&self.inside);
        Ok(())
    }

    fn generate(
        &mut self,
        z: &[f64],
        rows: usize,
        x: &mut [f64],
        log_prob: Option<&mut [f64]>,
    ) -> Result<()> {
        self.inner.generate(z, rows, x, log_prob)
    }

    fn log_prob(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.inner.log_prob(x, rows, out)
    }

    fn latent(&mut self, x: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        self.inner.latent(x, rows, z)
    }

    fn log_weight(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        if self.mark(x, rows)? {
            self.inner.log_weight(x, rows, out)?;
            limit(self.events, out);
            return Ok(());
        }
        let few = self.gather(&[], x)?;
        self.inner.log_weight(&self.x, few, &mut self.log_w)?;
        limit(self.events, &mut self.log_w);
        self.scatter(out);
        Ok(())
    }

    fn pull_back(&mut self, z: &[f64], x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        if !self.supported || self.mark(x, rows)? {
            self.inner.pull_back(z, x, rows, out)?;
            limit(self.latents, out);
            return Ok(());
        }
        let few = self.gather(z, x)?;
        self.inner
            .pull_back(&self.z, &self.x, few, &mut self.log_w)?;
        limit(self.latents, &mut self.log_w);
        self.scatter(out);
        Ok(())
    }

    fn event_weight_gradient(
        &mut self,
        x: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        self.inner.event_weight_gradient(x, rows, log_w, gradient)?;
        limit_gradient(self.events, log_w, gradient, self.dims.features);
        if !self.mark(x, rows)? {
            self.cut(log_w, gradient, self.dims.features);
        }
        Ok(())
    }

    fn log_weight_gradient(
        &mut self,
        z: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        self.inner.log_weight_gradient(z, rows, log_w, gradient)?;
        limit_gradient(self.latents, log_w, gradient, self.dims.latent);
        if !self.supported {
            return Ok(());
        }
        let mut x = std::mem::take(&mut self.x);
        x.sized(rows * self.dims.event_row(), 0.0)?;
        let made = self.inner.generate(z, rows, &mut x, None);
        let all = made.and_then(|()| self.mark(&x, rows));
        self.x = x;
        if !all? {
            self.cut(log_w, gradient, self.dims.latent);
        }
        Ok(())
    }

    fn refine(&mut self, y: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        self.inner.refine(y, rows, z)
    }

    fn refined_log_prob(&mut self, z: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.inner.refined_log_prob(z, rows, out)
    }
}
