//! A trained model on libtorch.

use super::parameters::{to_device, to_host, Parameters};
use super::{flow, mlp, scaling, Backend};
use crate::model::{
    Classifier, Evaluator, Generator, GeneratorKind, Map, Matching, Model, Parameter, Scaling,
    NO_DENSITY, NO_REFINED_DENSITY, NO_REFINER,
};
use crate::{Error, Result};
use tch::Tensor;

/// Rows that go through the networks at once: larger activations would be mapped and unmapped by the allocator at every operation.
const CHUNK: usize = 4096;

/// The networks of a model on a device. Owned by one sampler or one call.
pub(crate) struct TorchEvaluator {
    backend: Backend,
    generator: Generator,
    generator_parameters: Parameters,
    classifier: Option<(Classifier, Parameters)>,
    latent_classifier: Option<(Classifier, Parameters)>,
    refiner: Option<([Map; 1], Parameters)>,
}

impl TorchEvaluator {
    pub fn new(model: &Model, backend: Backend) -> Result<Self> {
        let load = |shapes: Vec<Parameter>, values: &[f64]| -> Result<Parameters> {
            let mut parameters = Parameters::new(backend, &shapes, false)?;
            parameters.set(values)?;
            Ok(parameters)
        };
        let classifier = |c: &Option<Classifier>| match c {
            Some(c) => {
                let parameters = load(c.tensors(""), &c.parameters)?;
                Ok::<_, Error>(Some((c.clone(), parameters)))
            }
            None => Ok(None),
        };
        let generator = &model.generator;
        let refiner = model.refinement.as_ref().and_then(|r| r.refiner.as_ref());
        Ok(TorchEvaluator {
            backend,
            generator_parameters: load(generator.tensors(""), &generator.parameters)?,
            generator: generator.clone(),
            classifier: classifier(&model.classifier)?,
            latent_classifier: classifier(&model.latent_classifier)?,
            refiner: match refiner {
                Some(r) => Some(([r.map.clone()], load(r.tensors(""), &r.parameters)?)),
                None => None,
            },
        })
    }

    /// N, M, C.
    fn dims(&self) -> (usize, usize, usize) {
        let g = &self.generator;
        (g.latent_dim(), g.event_dim(), g.condition_dim())
    }

    /// The generator's networks, if it has a density.
    fn flow(&self) -> Result<(&[Map], &[Tensor])> {
        if self.generator.invertible() {
            return self.maps();
        }
        Err(Error::Unsupported(NO_DENSITY.into()))
    }

    fn maps(&self) -> Result<(&[Map], &[Tensor])> {
        match &self.generator.kind {
            GeneratorKind::Networks { maps } => Ok((maps, &self.generator_parameters.tensors)),
            _ => Err(Error::Unsupported(
                "the generator is no network of this library, so the library does not compute this"
                    .into(),
            )),
        }
    }

    fn refiner(&self) -> Result<&([Map; 1], Parameters)> {
        let refiner = self.refiner.as_ref();
        refiner.ok_or_else(|| Error::Unsupported(NO_REFINER.into()))
    }

    /// Rows of `dim` values, scaled, and of the condition, scaled: two tensors.
    fn to_device(
        &self,
        rows: &[f64],
        dim: usize,
        scale: impl Fn(usize, f64) -> f64,
    ) -> Result<(Tensor, Tensor)> {
        let conditions = &self.generator.conditions;
        let columns = dim + conditions.len();
        let scaled: Vec<f64> = rows
            .iter()
            .enumerate()
            .map(|(i, &v)| match i % columns {
                k if k < dim => scale(k, v),
                k => conditions[k - dim].forward(v),
            })
            .collect();
        let all = to_device(self.backend, &scaled, columns)?;
        Ok((
            all.f_narrow(1, 0, dim as i64)?,
            all.f_narrow(1, dim as i64, conditions.len() as i64)?,
        ))
    }

    /// Rows of a tensor into the front of rows that end with a condition, which is copied from `from`, rows of `dim` values and the
    /// condition.
    fn to_host(
        &self,
        tensor: &Tensor,
        out: &mut [f64],
        (from, dim): (&[f64], usize),
        unscale: impl Fn(usize, f64) -> f64,
    ) -> Result<()> {
        let c = self.generator.condition_dim();
        let columns = tensor.size()[1] as usize;
        let mut values = vec![0.0; out.len() / (columns + c) * columns];
        to_host(tensor, &mut values)?;
        let rows = out.chunks_exact_mut(columns + c);
        let from = from.chunks_exact(dim + c);
        for ((to, values), from) in rows.zip(values.chunks_exact(columns)).zip(from) {
            for (k, (to, &value)) in to.iter_mut().zip(values).enumerate() {
                *to = unscale(k, value);
            }
            to[columns..].copy_from_slice(&from[dim..]);
        }
        Ok(())
    }

    /// log of the density ratio of rows of what a classifier classifies.
    fn classify(
        &self,
        (classifier, parameters): &(Classifier, Parameters),
        rows: &[f64],
        out: &mut [f64],
    ) -> Result<()> {
        let width = classifier.scalings.len();
        for (rows, out) in rows.chunks(CHUNK * width).zip(out.chunks_mut(CHUNK)) {
            let u = scale(rows, &classifier.scalings);
            self.backend.without_gradient(|| {
                let u = to_device(self.backend, &u, width)?;
                to_host(&mean_logit(classifier, parameters, &u)?, out)
            })?;
            for l in out {
                *l += classifier.log_ratio_offset;
            }
        }
        Ok(())
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

/// Points through maps, given the scaled condition: (points, log |det| if all are invertible).
pub(super) fn generate(
    maps: &[Map],
    mut parameters: &[Tensor],
    z: &Tensor,
    c: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let mut point = z.shallow_clone();
    let mut log_det = z.f_new_zeros([z.size()[0]], (z.kind(), z.device()))?;
    for map in maps {
        let (own, rest) = parameters.split_at(map.parameters("").len());
        parameters = rest;
        point = match map {
            Map::Flow(flow) => {
                let (x, more) = flow::generate(flow, own, &point, c)?;
                log_det = log_det.f_add(&more)?;
                x
            }
            Map::Network(network) => mlp::forward(network, own, &mlp::beside(&point, c)?)?,
            Map::Matching(matching) => transport(matching, own, &point, c)?,
        };
    }
    Ok((point, log_det))
}

/// Points along the velocities.
fn transport(matching: &Matching, parameters: &[Tensor], y: &Tensor, c: &Tensor) -> Result<Tensor> {
    let h = 1.0 / matching.steps as f64;
    let velocity = |z: &Tensor, t: f64| {
        let t = z.f_new_full([z.size()[0], 1], t, (z.kind(), z.device()))?;
        let input = mlp::beside(&Tensor::f_cat(&[z, &t], 1)?, c)?;
        mlp::forward(&matching.network, parameters, &input)
    };
    let mut z = y.shallow_clone();
    for step in 0..matching.steps {
        let t = step as f64 * h;
        let middle = z.f_add(&velocity(&z, t)?.f_mul_scalar(0.5 * h)?)?;
        z = z.f_add(&velocity(&middle, t + 0.5 * h)?.f_mul_scalar(h)?)?;
    }
    Ok(z)
}

/// Points back through flows: (points, log |det|).
fn normalise(
    maps: &[Map],
    mut parameters: &[Tensor],
    u: &Tensor,
    c: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let mut point = u.shallow_clone();
    let mut log_det = u.f_new_zeros([u.size()[0]], (u.kind(), u.device()))?;
    for map in maps.iter().rev() {
        let (rest, own) = parameters.split_at(parameters.len() - map.parameters("").len());
        parameters = rest;
        if let Map::Flow(flow) = map {
            let (z, more) = flow::normalise(flow, own, &point, c)?;
            log_det = log_det.f_add(&more)?;
            point = z;
        }
    }
    Ok((point, log_det))
}

/// Σ log |du/dx| of every event row with `conditions` conditions.
fn log_scale(x: &[f64], scalings: &[Scaling], conditions: usize) -> Vec<f64> {
    let rows = x.chunks_exact(scalings.len() + conditions);
    rows.map(|row| {
        row.iter()
            .zip(scalings)
            .map(|(&x, s)| s.log_derivative(x))
            .sum()
    })
    .collect()
}

impl Evaluator for TorchEvaluator {
    fn generate(
        &mut self,
        z: &[f64],
        _rows: usize,
        x: &mut [f64],
        mut log_prob: Option<&mut [f64]>,
    ) -> Result<()> {
        let (n, m, c) = self.dims();
        let (maps, parameters) = if log_prob.is_some() {
            self.flow()?
        } else {
            self.maps()?
        };
        let chunks = z.chunks(CHUNK * (n + c)).zip(x.chunks_mut(CHUNK * (m + c)));
        for (i, (z, x)) in chunks.enumerate() {
            let rows = z.len() / (n + c);
            let mut log_p = vec![0.0; if log_prob.is_some() { rows } else { 0 }];
            let scalings = &self.generator.scalings;
            self.backend.without_gradient(|| {
                let (point, given) = self.to_device(z, n, |_, z| z)?;
                let (u, log_det) = generate(maps, parameters, &point, &given)?;
                self.to_host(&u, x, (z, n), |k, u| scalings[k].inverse(u))?;
                if !log_p.is_empty() {
                    to_host(&flow::log_normal(&point, n)?.f_sub(&log_det)?, &mut log_p)?;
                }
                Ok(())
            })?;
            if let Some(out) = &mut log_prob {
                let out = out[i * CHUNK..].iter_mut();
                for ((out, log_p), log_s) in out.zip(log_p).zip(log_scale(x, scalings, c)) {
                    *out = log_p + log_s;
                }
            }
        }
        Ok(())
    }

    fn log_prob(&mut self, x: &[f64], _rows: usize, out: &mut [f64]) -> Result<()> {
        let (_, m, c) = self.dims();
        let (maps, parameters) = self.flow()?;
        let scalings = &self.generator.scalings;
        for (x, out) in x.chunks(CHUNK * (m + c)).zip(out.chunks_mut(CHUNK)) {
            self.backend.without_gradient(|| {
                let (u, given) = self.to_device(x, m, |k, x| scalings[k].forward(x))?;
                let (z, log_det) = normalise(maps, parameters, &u, &given)?;
                to_host(&flow::log_normal(&z, m)?.f_add(&log_det)?, out)
            })?;
            for (out, log_s) in out.iter_mut().zip(log_scale(x, scalings, c)) {
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
        let (_, m, c) = self.dims();
        let (maps, parameters) = self.flow()?;
        let scalings = &self.generator.scalings;
        let chunks = x.chunks(CHUNK * (m + c));
        for (x, gradient) in chunks.zip(gradient.chunks_mut(CHUNK * m)) {
            self.backend.with_gradient(|| {
                let (u, given) = self.to_device(x, m, |k, x| scalings[k].forward(x))?;
                let u = u.f_detach()?.f_set_requires_grad(true)?;
                let (z, log_det) = normalise(maps, parameters, &u, &given)?;
                let log_p = flow::log_normal(&z, m)?.f_add(&log_det)?;
                let sum = log_p.f_sum(self.backend.kind)?;
                let gradients = Tensor::f_run_backward(&[sum], &[&u], false, false)?;
                to_host(&gradients[0], gradient)
            })?;
            for (g, x) in gradient.chunks_exact_mut(m).zip(x.chunks_exact(m + c)) {
                for ((g, &x), s) in g.iter_mut().zip(x).zip(scalings) {
                    *g = *g * s.log_derivative(x).exp() + s.log_derivative_slope(x);
                }
            }
        }
        Ok(())
    }

    fn latent(&mut self, x: &[f64], _rows: usize, z: &mut [f64]) -> Result<()> {
        let (n, m, c) = self.dims();
        let (maps, parameters) = self.flow()?;
        let scalings = &self.generator.scalings;
        for (x, z) in x.chunks(CHUNK * (m + c)).zip(z.chunks_mut(CHUNK * (n + c))) {
            self.backend.without_gradient(|| {
                let (u, given) = self.to_device(x, m, |k, x| scalings[k].forward(x))?;
                let (point, _) = normalise(maps, parameters, &u, &given)?;
                self.to_host(&point, z, (x, m), |_, z| z)
            })?;
        }
        Ok(())
    }

    fn log_weight(&mut self, x: &[f64], _rows: usize, out: &mut [f64]) -> Result<()> {
        self.classify(self.classifier()?, x, out)
    }

    fn pull_back(&mut self, z: &[f64], x: &[f64], _rows: usize, out: &mut [f64]) -> Result<()> {
        match &self.latent_classifier {
            Some(classifier) => self.classify(classifier, z, out),
            None => self.classify(self.classifier()?, x, out),
        }
    }

    fn event_weight_gradient(
        &mut self,
        x: &[f64],
        _rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        let (_, m, c) = self.dims();
        let (classifier, parameters) = self.classifier()?;
        let width = m + c;
        let rows = x.chunks(CHUNK * width).zip(log_w.chunks_mut(CHUNK));
        for ((x, log_w), gradient) in rows.zip(gradient.chunks_mut(CHUNK * m)) {
            let mut all = vec![0.0; x.len()];
            self.backend.with_gradient(|| {
                let u = to_device(self.backend, &scale(x, &classifier.scalings), width)?;
                let u = u.f_set_requires_grad(true)?;
                let logit = mean_logit(classifier, parameters, &u)?;
                let sum = logit.f_sum(self.backend.kind)?;
                let gradients = Tensor::f_run_backward(&[sum], &[&u], false, false)?;
                to_host(&logit.f_detach()?, log_w)?;
                to_host(&gradients[0], &mut all)
            })?;
            log_w
                .iter_mut()
                .for_each(|l| *l += classifier.log_ratio_offset);
            let rows = all.chunks_exact(width).zip(x.chunks_exact(width));
            for (to, (g, x)) in gradient.chunks_exact_mut(m).zip(rows) {
                for (k, to) in to.iter_mut().enumerate() {
                    *to = g[k] * classifier.scalings[k].log_derivative(x[k]).exp();
                }
            }
        }
        Ok(())
    }

    fn log_weight_gradient(
        &mut self,
        z: &[f64],
        _rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        let (n, _, c) = self.dims();
        let kind = self.backend.kind;
        let rows = z.chunks(CHUNK * (n + c)).zip(log_w.chunks_mut(CHUNK));
        for ((z, log_w), gradient) in rows.zip(gradient.chunks_mut(CHUNK * n)) {
            let offset = self.backend.with_gradient(|| {
                let (point, given) = self.to_device(z, n, |_, z| z)?;
                let point = point.f_detach()?.f_set_requires_grad(true)?;
                let ((classifier, parameters), u, from) = match &self.latent_classifier {
                    Some(latent) => (latent, point.shallow_clone(), vec![Scaling::None; n]),
                    None => {
                        let (maps, parameters) = self.maps()?;
                        let (u, _) = generate(maps, parameters, &point, &given)?;
                        (self.classifier()?, u, self.generator.scalings.clone())
                    }
                };
                let from = [from, self.generator.conditions.clone()].concat();
                let u = mlp::beside(&u, &given)?;
                let u = scaling::rescale(&u, &from, &classifier.scalings)?;
                let logit = mean_logit(classifier, parameters, &u)?;
                // Rows are independent: the gradient of the sum holds every row's own.
                let sum = logit.f_sum(kind)?;
                let gradients = Tensor::f_run_backward(&[sum], &[&point], false, false)?;
                to_host(&logit.f_detach()?, log_w)?;
                to_host(&gradients[0], gradient)?;
                Ok(classifier.log_ratio_offset)
            })?;
            log_w.iter_mut().for_each(|l| *l += offset);
        }
        Ok(())
    }

    fn refine(&mut self, y: &[f64], _rows: usize, z: &mut [f64]) -> Result<()> {
        let (maps, parameters) = self.refiner()?;
        let (n, _, c) = self.dims();
        let l = maps[0].inputs(c);
        for (y, z) in y.chunks(CHUNK * (l + c)).zip(z.chunks_mut(CHUNK * (n + c))) {
            self.backend.without_gradient(|| {
                let (point, given) = self.to_device(y, l, |_, y| y)?;
                let (out, _) = generate(maps, &parameters.tensors, &point, &given)?;
                self.to_host(&out, z, (y, l), |_, z| z)
            })?;
        }
        Ok(())
    }

    fn refined_log_prob(&mut self, z: &[f64], _rows: usize, out: &mut [f64]) -> Result<()> {
        let (maps, parameters) = self.refiner()?;
        if !maps[0].invertible() {
            return Err(Error::Unsupported(NO_REFINED_DENSITY.into()));
        }
        let (n, _, c) = self.dims();
        for (z, out) in z.chunks(CHUNK * (n + c)).zip(out.chunks_mut(CHUNK)) {
            self.backend.without_gradient(|| {
                let (point, given) = self.to_device(z, n, |_, z| z)?;
                let (y, log_det) = normalise(maps, &parameters.tensors, &point, &given)?;
                to_host(&flow::log_normal(&y, n)?.f_add(&log_det)?, out)
            })?;
        }
        Ok(())
    }
}
