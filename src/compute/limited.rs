//! Weights within the limits that a model sets them.

use crate::model::{Dims, Evaluator, Limits, Model};
use crate::Result;

/// All by `inner`, with log w within the limits of the classifier that it comes from; beyond them it is constant, and its gradient 0.
pub(super) struct LimitedEvaluator {
    inner: Box<dyn Evaluator>,
    dims: Dims,
    /// Of log w(x), and of log w(z).
    events: Option<Limits>,
    latents: Option<Limits>,
}

impl LimitedEvaluator {
    /// `inner` itself if the model sets no limits.
    pub fn around(model: &Model, inner: Box<dyn Evaluator>) -> Box<dyn Evaluator> {
        let events = model.classifier.as_ref().and_then(|c| c.limits);
        let latents = model.latent_limits();
        if events.is_none() && latents.is_none() {
            return inner;
        }
        Box::new(LimitedEvaluator {
            inner,
            dims: model.generator.dims(),
            events,
            latents,
        })
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

impl Evaluator for LimitedEvaluator {
    fn rows_are_independent(&self) -> bool {
        self.inner.rows_are_independent()
    }

    fn weighs_latents(&self) -> bool {
        self.inner.weighs_latents()
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
        self.inner.log_weight(x, rows, out)?;
        limit(self.events, out);
        Ok(())
    }

    fn pull_back(&mut self, z: &[f64], x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.inner.pull_back(z, x, rows, out)?;
        limit(self.latents, out);
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
        Ok(())
    }

    fn refine(&mut self, y: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        self.inner.refine(y, rows, z)
    }

    fn refined_log_prob(&mut self, z: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.inner.refined_log_prob(z, rows, out)
    }
}
