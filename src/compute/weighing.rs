//! Weights as a model has them: 0 outside its support, and within its limits.

use crate::model::{join, Dims, Evaluator, Limits, Model, Region};
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
    /// How many values of the latent the classifier sees behind those of an event.
    beside: usize,
    /// Whether there is a support, and what tells it once it is attached.
    supported: bool,
    region: Option<Arc<dyn Region>>,
    inside: Vec<bool>,
    /// Of rows that are inside, where not all are.
    z: Vec<f64>,
    x: Vec<f64>,
    log_w: Vec<f64>,
    /// Of given events, and rows of all that the classifier sees.
    latents_of: Vec<f64>,
    seen: Vec<f64>,
}

impl WeighingEvaluator {
    /// `inner` itself if the model neither limits its weights nor says where events can be, and its classifier sees these alone.
    pub fn around(
        model: &Model,
        region: Option<Arc<dyn Region>>,
        inner: Box<dyn Evaluator>,
    ) -> Box<dyn Evaluator> {
        let events = model.classifier.as_ref().and_then(|c| c.limits);
        let latents = model.latent_limits();
        let supported = model.support.is_some();
        let beside = model.classifier.as_ref().map_or(0, |c| c.latents);
        if events.is_none() && latents.is_none() && !supported && beside == 0 {
            return inner;
        }
        Box::new(WeighingEvaluator {
            inner,
            dims: model.generator.dims(),
            events,
            latents,
            beside,
            supported,
            region,
            inside: Vec::new(),
            z: Vec::new(),
            x: Vec::new(),
            log_w: Vec::new(),
            latents_of: Vec::new(),
            seen: Vec::new(),
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

    /// log w of rows, −∞ of those outside.
    fn weigh(&mut self, of: Of, z: &[f64], x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        if !self.supported || self.mark(x, rows)? {
            return self.judge(of, z, x, rows, out);
        }
        let keep = |rows: &[f64], width: usize, to: &mut Vec<f64>| {
            to.clear();
            to.room(rows.len())?;
            // A reweighter has no latents.
            let rows = rows.chunks_exact(width.max(1)).zip(&self.inside);
            rows.filter(|(_, inside)| **inside)
                .for_each(|(row, _)| to.extend_from_slice(row));
            Ok::<_, Error>(())
        };
        let [mut z_inside, mut x_inside, mut log_w] =
            [&mut self.z, &mut self.x, &mut self.log_w].map(std::mem::take);
        keep(z, self.dims.latent_row(), &mut z_inside)?;
        keep(x, self.dims.event_row(), &mut x_inside)?;
        let few = x_inside.len() / self.dims.event_row();
        log_w.clear();
        log_w.sized(few, 0.0)?;
        self.judge(of, &z_inside, &x_inside, few, &mut log_w)?;
        let mut weights = log_w.iter();
        for (out, inside) in out.iter_mut().zip(&self.inside) {
            *out = match inside {
                true => weights.next().copied().unwrap_or(f64::NAN),
                false => f64::NEG_INFINITY,
            };
        }
        (self.z, self.x, self.log_w) = (z_inside, x_inside, log_w);
        Ok(())
    }

    /// log w of rows, all of which are inside.
    fn judge(&mut self, of: Of, z: &[f64], x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        match of {
            Of::Events => self.inner.log_weight(x, rows, out),
            Of::Latents => self.inner.pull_back(z, x, rows, out),
            Of::Both => {
                self.seen.clear();
                let (x, z) = ((x, self.dims.event_row()), (z, self.dims.latent_row()));
                join(x, z, self.beside, &mut self.seen)?;
                self.inner.log_weight(&self.seen, rows, out)
            }
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

/// What a weight is computed of.
#[derive(Clone, Copy)]
enum Of {
    Events,
    Latents,
    Both,
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
        if self.beside == 0 {
            self.weigh(Of::Events, &[], x, rows, out)?;
        } else {
            let mut z = std::mem::take(&mut self.latents_of);
            z.sized(rows * self.dims.latent_row(), 0.0)?;
            self.inner.latent(x, rows, &mut z)?;
            self.weigh(Of::Both, &z, x, rows, out)?;
            self.latents_of = z;
        }
        limit(self.events, out);
        Ok(())
    }

    fn pull_back(&mut self, z: &[f64], x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        let of = match self.beside > 0 && !self.inner.weighs_latents() {
            true => Of::Both,
            false => Of::Latents,
        };
        self.weigh(of, z, x, rows, out)?;
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

    fn surrogate(&mut self, z: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.inner.surrogate(z, rows, out)
    }
}
