//! A trained model on libtorch.

use super::backend::Backend;
use super::parameters::{to_device, to_host, Parameters};
use super::{flow, map, mlp, scaling};
use crate::model::{
    optional, Arrays, Classifier, Evaluator, Map, Model, Parameter, Parts, Scaling,
};
use crate::{room, Result};
use tch::Tensor;

/// Rows that go through the networks at once: larger activations would be mapped and unmapped by the allocator at every operation.
const CHUNK: usize = 4096;

/// The networks of a model on a device. Owned by one sampler or one call.
pub(crate) struct TorchEvaluator {
    backend: Backend,
    networks: Parts<Maps, (Classifier, Parameters)>,
    /// Of the generator.
    conditions: Vec<Scaling>,
}

/// Maps from normal numbers to rows: the generator, or the learned refiner, whose rows are latents.
struct Maps {
    maps: Vec<Map>,
    parameters: Parameters,
    /// Of what comes out.
    scalings: Vec<Scaling>,
    conditions: Vec<Scaling>,
}

/// Does `task` chunk by chunk.
fn each<const I: usize, const O: usize>(
    arrays: Arrays<I, O>,
    mut task: impl FnMut([&[f64]; I], [&mut [f64]; O]) -> Result<()>,
) -> Result<()> {
    arrays.blocks(CHUNK).try_for_each(|chunk| {
        let (inputs, outputs) = chunk.slices();
        task(inputs, outputs)
    })
}

/// Rows of `dim` values, scaled, and of the condition, scaled: two tensors.
fn enter(
    backend: Backend,
    rows: &[f64],
    dim: usize,
    conditions: &[Scaling],
    scale: impl Fn(usize, f64) -> f64,
) -> Result<(Tensor, Tensor)> {
    let columns = dim + conditions.len();
    let scaled: Vec<f64> = rows
        .iter()
        .enumerate()
        .map(|(i, &v)| match i % columns {
            k if k < dim => scale(k, v),
            k => conditions[k - dim].forward(v),
        })
        .collect();
    let all = to_device(backend, &scaled, columns)?;
    Ok((
        all.f_narrow(1, 0, dim as i64)?,
        all.f_narrow(1, dim as i64, conditions.len() as i64)?,
    ))
}

impl Maps {
    /// Values that come in, that come out, and of the condition.
    fn dims(&self) -> (usize, usize, usize) {
        let c = self.conditions.len();
        let n = self.maps.first().map_or(0, |map| map.inputs(c));
        (n, self.scalings.len(), c)
    }

    /// Rows at the entrance of the maps, scaled where what comes out of them goes in.
    fn enter(&self, backend: Backend, rows: &[f64], inverse: bool) -> Result<(Tensor, Tensor)> {
        let (n, m, _) = self.dims();
        if inverse {
            let scale = |k: usize, x| self.scalings[k].forward(x);
            return enter(backend, rows, m, &self.conditions, scale);
        }
        enter(backend, rows, n, &self.conditions, |_, z| z)
    }

    /// The maps: z ↦ x or x ↦ z.
    fn apply(&self, entered: (&Tensor, &Tensor), inverse: bool) -> Result<(Tensor, Tensor)> {
        map::apply(&self.maps, &self.parameters.tensors, entered, inverse)
    }

    /// Points to rows that end with a condition, which is copied from `from`, rows of `dim` values and the condition.
    fn leave(
        &self,
        points: &Tensor,
        out: &mut [f64],
        (from, dim): (&[f64], usize),
        unscale: impl Fn(usize, f64) -> f64,
    ) -> Result<()> {
        let (columns, c) = (points.size()[1] as usize, self.conditions.len());
        let mut values = room::filled(out.len() / (columns + c) * columns, 0.0)?;
        to_host(points, &mut values)?;
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

    /// Adds Σ log |du/dx| of every row.
    fn add_log_scale(&self, x: &[f64], out: &mut [f64]) {
        let rows = x.chunks_exact(self.scalings.len() + self.conditions.len());
        for (out, row) in out.iter_mut().zip(rows) {
            let columns = row.iter().zip(&self.scalings);
            *out += columns.map(|(&x, s)| s.log_derivative(x)).sum::<f64>();
        }
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

/// What a classifier sees of rows.
fn scale(x: &[f64], scalings: &[Scaling]) -> Vec<f64> {
    let mut seen = Vec::new();
    for (&x, scaling) in x.iter().zip(scalings.iter().cycle()) {
        scaling.each_input(x, 0.5, |u| seen.push(u));
    }
    seen
}

impl TorchEvaluator {
    pub fn new(model: &Model, backend: Backend) -> Result<Self> {
        let load = |shapes: Vec<Parameter>, values: &[f64]| -> Result<Parameters> {
            let mut parameters = Parameters::new(backend, &shapes, false)?;
            parameters.set(values)?;
            Ok(parameters)
        };
        let networks = Parts::new(
            model,
            |maps, parameters, scalings| {
                let shapes = maps.iter().flat_map(|map| map.parameters(""));
                Ok(Maps {
                    parameters: load(shapes.collect(), parameters)?,
                    maps: maps.to_vec(),
                    scalings: room::copied(scalings)?,
                    conditions: model.generator.conditions.clone(),
                })
            },
            |c| Ok((c.clone(), load(c.tensors(""), &c.parameters)?)),
        )?;
        Ok(TorchEvaluator {
            backend,
            networks,
            conditions: model.generator.conditions.clone(),
        })
    }

    /// Rows of what comes out of maps, and log of their density on request.
    fn transform(
        &self,
        maps: &Maps,
        rows: usize,
        z: &[f64],
        x: &mut [f64],
        log_prob: Option<&mut [f64]>,
    ) -> Result<()> {
        let (n, m, c) = maps.dims();
        let arrays = Arrays {
            rows,
            inputs: [(z, n + c)],
            outputs: [(x, m + c), optional(log_prob)],
        };
        each(arrays, |[z], [x, log_prob]| {
            self.backend.without_gradient(|| {
                let (point, given) = maps.enter(self.backend, z, false)?;
                let (u, log_det) = maps.apply((&point, &given), false)?;
                maps.leave(&u, x, (z, n), |k, u| maps.scalings[k].inverse(u))?;
                if !log_prob.is_empty() {
                    to_host(&flow::log_normal(&point, n)?.f_sub(&log_det)?, log_prob)?;
                    let mut made = room::filled(log_prob.len() * m, 0.0)?;
                    to_host(&u, &mut made)?;
                    let rows = x.chunks_exact(m + c).zip(made.chunks_exact(m));
                    for (out, (x, u)) in log_prob.iter_mut().zip(rows) {
                        let columns = x.iter().zip(u).zip(&maps.scalings);
                        *out += columns
                            .map(|((&x, &u), s)| s.log_derivative_at(u, x))
                            .sum::<f64>();
                    }
                }
                Ok(())
            })
        })
    }

    /// log of the density of rows of what comes out of maps.
    fn density(&self, maps: &Maps, rows: usize, x: &[f64], out: &mut [f64]) -> Result<()> {
        let (_, m, c) = maps.dims();
        let arrays = Arrays {
            rows,
            inputs: [(x, m + c)],
            outputs: [(out, 1)],
        };
        each(arrays, |[x], [out]| {
            self.backend.without_gradient(|| {
                let (u, given) = maps.enter(self.backend, x, true)?;
                let (z, log_det) = maps.apply((&u, &given), true)?;
                to_host(&flow::log_normal(&z, m)?.f_add(&log_det)?, out)
            })?;
            maps.add_log_scale(x, out);
            Ok(())
        })
    }

    /// log of the density ratio of rows of what a classifier classifies.
    fn classify(
        &self,
        (classifier, parameters): &(Classifier, Parameters),
        rows: usize,
        x: &[f64],
        out: &mut [f64],
    ) -> Result<()> {
        let width = classifier.scalings.len();
        let arrays = Arrays {
            rows,
            inputs: [(x, width)],
            outputs: [(out, 1)],
        };
        each(arrays, |[x], [out]| {
            let u = scale(x, &classifier.scalings);
            self.backend.without_gradient(|| {
                let u = to_device(self.backend, &u, classifier.network.inputs)?;
                to_host(&mean_logit(classifier, parameters, &u)?, out)
            })?;
            out.iter_mut()
                .for_each(|l| *l += classifier.log_ratio_offset);
            Ok(())
        })
    }
}

impl Evaluator for TorchEvaluator {
    fn rows_are_independent(&self) -> bool {
        false
    }

    fn weighs_latents(&self) -> bool {
        self.networks.latent_classifier().is_some()
    }

    fn inside(&mut self, _: &[f64], _: usize, inside: &mut [bool]) -> Result<()> {
        inside.fill(true);
        Ok(())
    }

    fn generate(
        &mut self,
        z: &[f64],
        rows: usize,
        x: &mut [f64],
        log_prob: Option<&mut [f64]>,
    ) -> Result<()> {
        let generator = match log_prob {
            Some(_) => self.networks.flow()?,
            None => self.networks.generator()?,
        };
        self.transform(generator, rows, z, x, log_prob)
    }

    fn log_prob(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.density(self.networks.flow()?, rows, x, out)
    }

    fn latent(&mut self, x: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        let flow = self.networks.flow()?;
        let (n, m, c) = flow.dims();
        let arrays = Arrays {
            rows,
            inputs: [(x, m + c)],
            outputs: [(z, n + c)],
        };
        each(arrays, |[x], [z]| {
            self.backend.without_gradient(|| {
                let (u, given) = flow.enter(self.backend, x, true)?;
                let (point, _) = flow.apply((&u, &given), true)?;
                flow.leave(&point, z, (x, m), |_, z| z)
            })
        })
    }

    fn log_weight(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.classify(self.networks.classifier()?, rows, x, out)
    }

    fn pull_back(&mut self, z: &[f64], x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        let (classifier, of) = self.networks.judge(z, x)?;
        self.classify(classifier, rows, of, out)
    }

    fn event_weight_gradient(
        &mut self,
        x: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        let m = self.networks.event_dim;
        let (classifier, parameters) = self.networks.classifier()?;
        let width = classifier.scalings.len();
        let arrays = Arrays {
            rows,
            inputs: [(x, width)],
            outputs: [(log_w, 1), (gradient, m)],
        };
        each(arrays, |[x], [log_w, gradient]| {
            let inputs = classifier.network.inputs;
            let mut all = room::filled(log_w.len() * inputs, 0.0)?;
            self.backend.with_gradient(|| {
                let u = to_device(self.backend, &scale(x, &classifier.scalings), inputs)?;
                let u = u.f_set_requires_grad(true)?;
                let logit = mean_logit(classifier, parameters, &u)?;
                let sum = logit.f_sum(self.backend.kind)?;
                let gradients = Tensor::f_run_backward(&[sum], &[&u], false, false)?;
                to_host(&logit.f_detach()?, log_w)?;
                to_host(&gradients[0], &mut all)
            })?;
            let offset = classifier.log_ratio_offset;
            log_w.iter_mut().for_each(|l| *l += offset);
            let rows = all.chunks_exact(inputs).zip(x.chunks_exact(width));
            for (to, (g, x)) in gradient.chunks_exact_mut(m).zip(rows) {
                let mut g = g.iter();
                for ((to, &x), scaling) in to.iter_mut().zip(x).zip(&classifier.scalings) {
                    *to = 0.0;
                    scaling.each_slope(x, |slope| *to += g.next().unwrap_or(&0.0) * slope);
                }
            }
            Ok(())
        })
    }

    fn log_weight_gradient(
        &mut self,
        z: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        let n = self.networks.latent_dim;
        let arrays = Arrays {
            rows,
            inputs: [(z, n + self.conditions.len())],
            outputs: [(log_w, 1), (gradient, n)],
        };
        each(arrays, |[z], [log_w, gradient]| {
            let offset = self.backend.with_gradient(|| {
                let (point, given) = enter(self.backend, z, n, &self.conditions, |_, z| z)?;
                let point = point.f_detach()?.f_set_requires_grad(true)?;
                let ((classifier, parameters), u, from) = match self.networks.latent_classifier() {
                    Some(latent) => (
                        latent,
                        point.shallow_clone(),
                        room::filled(n, Scaling::None)?,
                    ),
                    None => {
                        let maps = self.networks.generator()?;
                        let (u, _) = maps.apply((&point, &given), false)?;
                        (self.networks.classifier()?, u, maps.scalings.clone())
                    }
                };
                let from = room::joined(&from, &self.conditions)?;
                let u = mlp::beside(&u, &given)?;
                let u = scaling::rescale(&u, &from, &classifier.scalings[..from.len()])?;
                let u = match classifier.latents {
                    0 => u,
                    _ => mlp::beside(&u, &point)?,
                };
                let logit = mean_logit(classifier, parameters, &u)?;
                // Rows are independent: the gradient of the sum holds every row's own.
                let sum = logit.f_sum(self.backend.kind)?;
                let gradients = Tensor::f_run_backward(&[sum], &[&point], false, false)?;
                to_host(&logit.f_detach()?, log_w)?;
                to_host(&gradients[0], gradient)?;
                Ok(classifier.log_ratio_offset)
            })?;
            log_w.iter_mut().for_each(|l| *l += offset);
            Ok(())
        })
    }

    fn refine(&mut self, y: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        self.transform(self.networks.refiner()?, rows, y, z, None)
    }

    fn refined_log_prob(&mut self, z: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.density(self.networks.refiner_flow()?, rows, z, out)
    }

    fn surrogate(&mut self, z: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.classify(self.networks.surrogate()?, rows, z, out)
    }
}
