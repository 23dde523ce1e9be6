//! A trained model on libtorch.

use super::parameters::{to_device, to_host, Parameters};
use super::{flow, mlp, scaling, Backend};
use crate::model::{
    Classifier, Evaluator, Flow, GanRefiner, Generator, GeneratorKind, Mlp, Model, Parameter,
    Scaling,
};
use crate::{Error, Result};
use std::sync::Arc;
use tch::Tensor;

/// Rows that go through the networks at once: larger activations would be mapped and unmapped by the allocator at every operation.
const CHUNK: usize = 4096;

/// The networks of a model on a device. Owned by one sampler or one call; nothing in it is shared but the description.
pub(crate) struct TorchEvaluator {
    backend: Backend,
    generator: Arc<Generator>,
    generator_parameters: Parameters,
    classifier: Option<(Classifier, Parameters)>,
    refiner: Option<(Mlp, Parameters)>,
}

impl TorchEvaluator {
    pub fn new(model: &Model, backend: Backend) -> Result<Self> {
        let refiner = model.refinement.as_ref().and_then(|r| r.gan.as_ref());
        Self::from_parts(
            &model.generator,
            model.classifier.as_ref(),
            refiner,
            backend,
        )
    }

    pub fn from_parts(
        generator: &Generator,
        classifier: Option<&Classifier>,
        refiner: Option<&GanRefiner>,
        backend: Backend,
    ) -> Result<Self> {
        let load = |shapes: Vec<Parameter>, values: &[f64]| -> Result<Parameters> {
            let mut parameters = Parameters::new(backend, &shapes, false)?;
            parameters.set(values)?;
            Ok(parameters)
        };
        Ok(TorchEvaluator {
            backend,
            generator_parameters: load(generator.tensors(""), &generator.parameters)?,
            generator: Arc::new(generator.clone()),
            classifier: match classifier {
                Some(c) => Some((c.clone(), load(c.tensors(""), &c.parameters)?)),
                None => None,
            },
            refiner: match refiner {
                Some(r) => Some((
                    r.network.clone(),
                    load(r.network.parameters(""), &r.parameters)?,
                )),
                None => None,
            },
        })
    }

    fn flow(&self) -> (&Flow, &[Tensor]) {
        let GeneratorKind::Flow(flow) = &self.generator.kind;
        (flow, &self.generator_parameters.tensors)
    }

    fn classifier(&self) -> Result<&(Classifier, Parameters)> {
        self.classifier.as_ref().ok_or_else(|| {
            Error::Unsupported(
                "the model has no classifier, so its events have no weights; refine it first"
                    .into(),
            )
        })
    }
}

/// The mean of the members' logits.
fn mean_logit(classifier: &Classifier, parameters: &Parameters, u: &Tensor) -> Result<Tensor> {
    let network = &classifier.network;
    let members = parameters.tensors.chunks_exact(mlp::tensor_count(network));
    let logits = members.map(|tensors| mlp::forward(network, tensors, u));
    let logits = Tensor::f_cat(&logits.collect::<Result<Vec<_>>>()?, 1)?;
    Ok(logits.f_mean_dim(1, true, None)?)
}

fn scale(x: &[f64], scalings: &[Scaling]) -> Vec<f64> {
    let map = scalings.iter().cycle();
    x.iter().zip(map).map(|(&x, s)| s.forward(x)).collect()
}

/// Σ log |du/dx| of every row.
fn log_scale(x: &[f64], scalings: &[Scaling]) -> impl Iterator<Item = f64> {
    let rows = x.chunks_exact(scalings.len());
    rows.map(|row| {
        row.iter()
            .zip(scalings)
            .map(|(&x, s)| s.log_derivative(x))
            .sum()
    })
    .collect::<Vec<f64>>()
    .into_iter()
}

impl Evaluator for TorchEvaluator {
    fn generate(
        &mut self,
        z: &[f64],
        rows: usize,
        x: &mut [f64],
        mut log_prob: Option<&mut [f64]>,
    ) -> Result<()> {
        let (n, m) = (self.generator.latent_dim(), self.generator.event_dim());
        for start in (0..rows).step_by(CHUNK) {
            let end = rows.min(start + CHUNK);
            let x = &mut x[start * m..end * m];
            let mut log_p = vec![0.0; if log_prob.is_some() { end - start } else { 0 }];
            self.backend.without_gradient(|| {
                let (flow, parameters) = self.flow();
                let z = to_device(self.backend, &z[start * n..end * n], n)?;
                let (u, log_det) = flow::generate(flow, parameters, &z)?;
                to_host(&u, x)?;
                if !log_p.is_empty() {
                    to_host(&flow::log_normal(&z, n)?.f_sub(&log_det)?, &mut log_p)?;
                }
                Ok(())
            })?;
            for (u, s) in x.iter_mut().zip(self.generator.scalings.iter().cycle()) {
                *u = s.inverse(*u);
            }
            if let Some(out) = &mut log_prob {
                let scaled = log_p.iter().zip(log_scale(x, &self.generator.scalings));
                for (out, (log_p, log_s)) in out[start..end].iter_mut().zip(scaled) {
                    *out = log_p + log_s;
                }
            }
        }
        Ok(())
    }

    fn log_prob(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        let m = self.generator.event_dim();
        for start in (0..rows).step_by(CHUNK) {
            let end = rows.min(start + CHUNK);
            let x = &x[start * m..end * m];
            let out = &mut out[start..end];
            self.backend.without_gradient(|| {
                let (flow, parameters) = self.flow();
                let u = to_device(self.backend, &scale(x, &self.generator.scalings), m)?;
                let (z, log_det) = flow::normalise(flow, parameters, &u)?;
                to_host(&flow::log_normal(&z, m)?.f_add(&log_det)?, out)
            })?;
            for (out, log_s) in out.iter_mut().zip(log_scale(x, &self.generator.scalings)) {
                *out += log_s;
            }
        }
        Ok(())
    }

    fn log_prob_gradient(
        &mut self,
        x: &[f64],
        rows: usize,
        log_prob: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        self.log_prob(x, rows, log_prob)?;
        let m = self.generator.event_dim();
        let scalings = &self.generator.scalings;
        for start in (0..rows).step_by(CHUNK) {
            let end = rows.min(start + CHUNK);
            let x = &x[start * m..end * m];
            let gradient = &mut gradient[start * m..end * m];
            self.backend.with_gradient(|| {
                let u =
                    to_device(self.backend, &scale(x, scalings), m)?.f_set_requires_grad(true)?;
                let (flow, parameters) = self.flow();
                let (z, log_det) = flow::normalise(flow, parameters, &u)?;
                let log_p = flow::log_normal(&z, m)?.f_add(&log_det)?;
                let sum = log_p.f_sum(self.backend.kind)?;
                let gradients = Tensor::f_run_backward(&[sum], &[&u], false, false)?;
                to_host(&gradients[0], gradient)
            })?;
            for (g, (&x, s)) in gradient
                .iter_mut()
                .zip(x.iter().zip(scalings.iter().cycle()))
            {
                *g = *g * s.log_derivative(x).exp() + s.log_derivative_slope(x);
            }
        }
        Ok(())
    }

    fn latent(&mut self, x: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        let m = self.generator.event_dim();
        for start in (0..rows).step_by(CHUNK) {
            let end = rows.min(start + CHUNK);
            let u = scale(&x[start * m..end * m], &self.generator.scalings);
            let z = &mut z[start * m..end * m];
            self.backend.without_gradient(|| {
                let (flow, parameters) = self.flow();
                let u = to_device(self.backend, &u, m)?;
                to_host(&flow::normalise(flow, parameters, &u)?.0, z)
            })?;
        }
        Ok(())
    }

    fn log_weight(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        let m = self.generator.event_dim();
        let (classifier, parameters) = self.classifier()?;
        for start in (0..rows).step_by(CHUNK) {
            let end = rows.min(start + CHUNK);
            let u = scale(&x[start * m..end * m], &classifier.scalings);
            let out = &mut out[start..end];
            self.backend.without_gradient(|| {
                let u = to_device(self.backend, &u, m)?;
                to_host(&mean_logit(classifier, parameters, &u)?, out)
            })?;
            for l in out {
                *l += classifier.log_ratio_offset;
            }
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
        let n = self.generator.latent_dim();
        let (classifier, parameters) = self.classifier()?;
        for start in (0..rows).step_by(CHUNK) {
            let end = rows.min(start + CHUNK);
            self.backend.with_gradient(|| {
                let z = to_device(self.backend, &z[start * n..end * n], n)?
                    .f_set_requires_grad(true)?;
                let (flow, flow_parameters) = self.flow();
                let (u, _) = flow::generate(flow, flow_parameters, &z)?;
                let u = scaling::rescale(&u, &self.generator.scalings, &classifier.scalings)?;
                let logit = mean_logit(classifier, parameters, &u)?;
                // Rows are independent: the gradient of the sum holds every row's own.
                let gradients = Tensor::f_run_backward(
                    &[logit.f_sum(self.backend.kind)?],
                    &[&z],
                    false,
                    false,
                )?;
                to_host(&logit.f_detach()?, &mut log_w[start..end])?;
                to_host(&gradients[0], &mut gradient[start * n..end * n])
            })?;
            for l in &mut log_w[start..end] {
                *l += classifier.log_ratio_offset;
            }
        }
        Ok(())
    }

    fn refine(&mut self, y: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        let (network, parameters) = self.refiner.as_ref().ok_or_else(|| {
            Error::Unsupported(
                "the model has no learned refiner; refine it with `refiner.method` = `gan`".into(),
            )
        })?;
        let (l, n) = (network.inputs, network.outputs);
        for start in (0..rows).step_by(CHUNK) {
            let end = rows.min(start + CHUNK);
            let z = &mut z[start * n..end * n];
            self.backend.without_gradient(|| {
                let y = to_device(self.backend, &y[start * l..end * l], l)?;
                to_host(&mlp::forward(network, &parameters.tensors, &y)?, z)
            })?;
        }
        Ok(())
    }
}
