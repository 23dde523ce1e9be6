//! Evaluating models whose generator is foreign: a callback of the host or a module of libtorch.

use super::attached::Same;
use crate::model::{Dims, Evaluator, HostGenerator, Model, NO_DENSITY};
use crate::room::{self, Grow};
use crate::{Error, Result};
use std::sync::Arc;

const NOT_ATTACHED: &str =
    "the model's generator is a callback of the host, which a file does not hold: attach it first (`laser_model_attach`)";

/// Everything but g by `inner`.
pub(super) struct ForeignEvaluator {
    inner: Box<dyn Evaluator>,
    /// None until the host has attached its callback.
    host: Option<Arc<dyn HostGenerator>>,
    /// What it is asked before anything else.
    same: Option<Same>,
    dims: Dims,
    z: Vec<f64>,
    c: Vec<f64>,
    x: Vec<f64>,
}

impl ForeignEvaluator {
    pub fn new(
        model: &Model,
        (host, same): (Option<Arc<dyn HostGenerator>>, Option<Same>),
        inner: Box<dyn Evaluator>,
    ) -> Self {
        ForeignEvaluator {
            inner,
            host,
            same,
            dims: model.generator.dims(),
            z: Vec::new(),
            c: Vec::new(),
            x: Vec::new(),
        }
    }
}

impl Evaluator for ForeignEvaluator {
    fn rows_are_independent(&self) -> bool {
        self.inner.rows_are_independent()
    }

    fn weighs_latents(&self) -> bool {
        self.inner.weighs_latents()
    }

    fn inside(&mut self, x: &[f64], rows: usize, inside: &mut [bool]) -> Result<()> {
        self.inner.inside(x, rows, inside)
    }

    fn generate(
        &mut self,
        z: &[f64],
        rows: usize,
        x: &mut [f64],
        log_prob: Option<&mut [f64]>,
    ) -> Result<()> {
        if log_prob.is_some() {
            return Err(Error::Unsupported(NO_DENSITY.into()));
        }
        let host = self
            .host
            .as_ref()
            .ok_or_else(|| Error::Unsupported(NOT_ATTACHED.into()))?;
        if let Some(same) = &self.same {
            same.require(host.as_ref(), self.dims)?;
        }
        let (n, m) = (self.dims.latent, self.dims.features);
        self.z.clear();
        self.c.clear();
        self.z.room(rows * n)?;
        self.c.room(rows * self.dims.conditions)?;
        for row in z.chunks_exact(self.dims.latent_row()).take(rows) {
            self.z.extend_from_slice(&row[..n]);
            self.c.extend_from_slice(&row[n..]);
        }
        self.x.clear();
        // What the host forgets to write must not pass for an event.
        self.x.sized(rows * m, f64::NAN)?;
        host.generate(rows, &self.z, &self.c, &mut self.x)?;
        let rows = x.chunks_exact_mut(self.dims.event_row());
        let rows = rows.zip(self.x.chunks_exact(m));
        for ((to, x), z) in rows.zip(z.chunks_exact(self.dims.latent_row())) {
            to[..m].copy_from_slice(x);
            to[m..].copy_from_slice(&z[n..]);
        }
        Ok(())
    }

    fn log_prob(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.inner.log_prob(x, rows, out)
    }

    fn latent(&mut self, x: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        self.inner.latent(x, rows, z)
    }

    fn log_weight(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.inner.log_weight(x, rows, out)
    }

    fn pull_back(&mut self, z: &[f64], x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.inner.pull_back(z, x, rows, out)
    }

    fn event_weight_gradient(
        &mut self,
        x: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        self.inner.event_weight_gradient(x, rows, log_w, gradient)
    }

    fn log_weight_gradient(
        &mut self,
        z: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        // Of weights learned as a function of the latent there is a gradient.
        if self.weighs_latents() {
            return self.inner.log_weight_gradient(z, rows, log_w, gradient);
        }
        let mut x = room::filled(rows * self.dims.event_row(), 0.0)?;
        let mut of_x = room::filled(rows * self.dims.features, 0.0)?;
        self.generate(z, rows, &mut x, None)?;
        self.inner
            .event_weight_gradient(&x, rows, log_w, &mut of_x)?;
        let host = self.host.as_ref();
        let host = host.ok_or_else(|| Error::Unsupported(NOT_ATTACHED.into()))?;
        host.pull_gradient(rows, &self.z, &self.c, &of_x, gradient)
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
