//! The losses of the protocol in libtorch's operations; autograd makes them objectives of the training loop.

use super::backend::Backend;
use super::parameters::{to_device, to_host, Parameters};
use super::{flow, map, mlp};
use crate::model::{Flow, Mlp, Parameter, Real};
use crate::objective::{Batch, Gan, Goal, Matching, Objective, Separation, Vae};
use crate::{room, Result};
use std::ops::Range;
use tch::{kind::Element, Reduction, Tensor};

/// A goal with its parameters on a device.
pub(crate) struct TorchObjective<'a> {
    goal: Goal<'a>,
    backend: Backend,
    parameters: Parameters,
    /// The tensors of every part.
    parts: Vec<Range<usize>>,
    /// Those of a GAN's prior.
    prior: Option<Parameters>,
}

impl<'a> TorchObjective<'a> {
    /// Parameters are set with every gradient.
    pub fn new(goal: Goal<'a>, backend: Backend) -> Result<Self> {
        let shapes = goal.parts();
        let parts = shapes.iter().scan(0, |end, part: &Vec<Parameter>| {
            *end += part.len();
            Some(*end - part.len()..*end)
        });
        let prior = match goal {
            Goal::Gan(Gan {
                prior: Some(prior), ..
            }) => {
                let shapes = prior.maps.iter().flat_map(|map| map.parameters(""));
                let shapes: Vec<Parameter> = shapes.collect();
                let mut parameters = Parameters::new(backend, &shapes, false)?;
                parameters.set(prior.parameters)?;
                Some(parameters)
            }
            _ => None,
        };
        Ok(TorchObjective {
            goal,
            backend,
            prior,
            parts: parts.collect(),
            parameters: Parameters::new(backend, &shapes.concat(), true)?,
        })
    }

    /// The scalar that part `part` minimises.
    fn evaluate<T: Element>(&self, part: usize, batch: &Batch<T>) -> Result<Tensor> {
        let (backend, tensors) = (self.backend, &self.parameters.tensors[..]);
        match self.goal {
            Goal::Likelihood(flow) => likelihood(backend, flow, tensors, batch),
            Goal::Separation(network, loss) => separation(backend, network, loss, tensors, batch),
            Goal::Gan(gan) => {
                let prior = self.prior.as_ref().map(|p| &p.tensors[..]);
                play(backend, gan, (tensors, prior), part, batch)
            }
            Goal::Vae(vae) => bound(backend, vae, tensors, batch),
            Goal::Matching(matching) => velocity(backend, matching, tensors, batch),
        }
    }
}

impl<T: Real + Element> Objective<T> for TorchObjective<'_> {
    fn parts(&self) -> Vec<usize> {
        self.goal.part_lengths()
    }

    fn due(&self, part: usize, step: u64) -> bool {
        self.goal.due(part, step)
    }

    fn gradient(
        &mut self,
        part: usize,
        parameters: &[T],
        batch: &Batch<T>,
        gradient: &mut [T],
    ) -> Result<f64> {
        self.parameters.set(parameters)?;
        let own = &self.parameters.tensors[self.parts[part].clone()];
        self.backend.with_gradient(|| {
            let loss = self.evaluate(part, batch)?;
            let gradients = Tensor::f_run_backward(&[&loss], own, false, false)?;
            let flat = gradients.iter().map(|g| Ok(g.f_reshape([-1i64])?));
            to_host(
                &Tensor::f_cat(&flat.collect::<Result<Vec<_>>>()?, 0)?,
                gradient,
            )?;
            Ok(loss.f_double_value(&[])?)
        })
    }

    fn loss(&mut self, parameters: &[T], batch: &Batch<T>) -> Result<f64> {
        self.parameters.set(parameters)?;
        self.backend
            .without_gradient(|| Ok(self.evaluate(0, batch)?.f_double_value(&[])?))
    }
}

/// The rows of a batch: the first `dim` columns, and the rest, conditions.
fn columns<T: Element>(backend: Backend, batch: &Batch<T>, dim: usize) -> Result<(Tensor, Tensor)> {
    let columns = batch.x.len() / batch.rows;
    let x = to_device(backend, &batch.x, columns)?;
    let rest = columns.saturating_sub(dim) as i64;
    Ok((
        x.f_narrow(1, 0, dim as i64)?,
        x.f_narrow(1, dim as i64, rest)?,
    ))
}

/// [`Goal::Likelihood`].
fn likelihood<T: Element>(
    backend: Backend,
    flow: &Flow,
    parameters: &[Tensor],
    batch: &Batch<T>,
) -> Result<Tensor> {
    let (u, c) = columns(backend, batch, flow.dim)?;
    let w = to_device(backend, &batch.weights, 1)?.f_squeeze_dim(1)?;
    let (z, log_det) = flow::apply(flow, parameters, (&u, &c), true)?;
    let log_p = flow::log_normal(&z, flow.dim)?.f_add(&log_det)?;
    Ok(log_p.f_mul(&w)?.f_mean(backend.kind)?.f_neg()?)
}

/// [`Goal::Separation`].
fn separation<T: Element>(
    backend: Backend,
    network: &Mlp,
    loss: Separation,
    parameters: &[Tensor],
    batch: &Batch<T>,
) -> Result<Tensor> {
    let u = to_device(backend, &batch.x, network.inputs)?;
    let w = to_device(backend, &batch.weights, 1)?;
    let y = to_device(backend, &batch.labels, 1)?;
    let logit = mlp::forward(network, parameters, &u)?;
    Ok(match loss {
        Separation::CrossEntropy => {
            logit.f_binary_cross_entropy_with_logits(&y, Some(&w), None, Reduction::Mean)?
        }
        Separation::SquaredError => {
            let difference = logit.f_sigmoid()?.f_sub(&y)?;
            difference.f_square()?.f_mul(&w)?.f_mean(backend.kind)?
        }
        Separation::MaximumLikelihood => {
            let beyond = logit.f_sub_scalar(Separation::LINEAR)?.f_relu()?;
            let tangent = logit.f_clamp_max(Separation::LINEAR)?.f_exp()?;
            let ratio = tangent.f_mul(&beyond.f_add_scalar(1.0)?)?;
            let generated = y.f_neg()?.f_add_scalar(1.0)?;
            let loss = ratio.f_sub_scalar(1.0)?.f_mul(&generated)?;
            let loss = loss.f_sub(&logit.f_mul(&y)?)?;
            loss.f_mul(&w)?.f_mean(backend.kind)?
        }
    })
}

/// [`Goal::Gan`].
fn play<T: Element>(
    backend: Backend,
    gan: Gan,
    (parameters, prior): (&[Tensor], Option<&[Tensor]>),
    part: usize,
    batch: &Batch<T>,
) -> Result<Tensor> {
    let (d, g) = parameters.split_at(mlp::tensor_count(gan.discriminator));
    let auxiliary = gan.auxiliary_dim();
    let (real, c) = columns(backend, batch, gan.refiner.outputs)?;
    let mut y = room::filled(batch.rows * auxiliary, 0.0)?;
    gan.noise(part, batch.step, batch.whole(), batch.number(0), &mut y);
    let y = to_device(backend, &y, auxiliary)?;
    let y = match (gan.prior, prior) {
        (Some(maps), Some(tensors)) => {
            backend.without_gradient(|| Ok(map::apply(maps.maps, tensors, (&y, &c), false)?.0))?
        }
        _ => y,
    };
    let judge = |z: &Tensor| mlp::forward(gan.discriminator, d, &mlp::beside(z, &c)?);
    let refine = || mlp::forward(gan.refiner, g, &mlp::beside(&y, &c)?);
    if part == 1 {
        let logit = judge(&refine()?)?;
        return Ok(logit.f_neg()?.f_softplus()?.f_mean(backend.kind)?);
    }
    let fake = backend.without_gradient(refine)?;
    let w = to_device(backend, &batch.weights, 1)?;
    let on_real = judge(&real)?
        .f_neg()?
        .f_softplus()?
        .f_mul(&w)?
        .f_mean(backend.kind)?;
    let on_fake = judge(&fake)?.f_softplus()?.f_mean(backend.kind)?;
    Ok(on_real.f_add(&on_fake)?.f_mul_scalar(0.5)?)
}

/// [`Goal::Vae`].
fn bound<T: Element>(
    backend: Backend,
    vae: Vae,
    parameters: &[Tensor],
    batch: &Batch<T>,
) -> Result<Tensor> {
    let (encoder, decoder) = parameters.split_at(mlp::tensor_count(vae.encoder));
    let latent = vae.latent_dim();
    let (u, c) = columns(backend, batch, vae.decoder.outputs)?;
    let mut epsilon = room::filled(batch.rows * latent, 0.0)?;
    vae.noise(batch.step, batch.number(0), &mut epsilon);
    let epsilon = to_device(backend, &epsilon, latent)?;
    let posterior = mlp::forward(vae.encoder, encoder, &mlp::beside(&u, &c)?)?;
    let mu = posterior.f_narrow(1, 0, latent as i64)?;
    let log_s = posterior.f_narrow(1, latent as i64, latent as i64)?;
    let z = epsilon.f_mul(&log_s.f_exp()?)?.f_add(&mu)?;
    let pull = mlp::forward(vae.decoder, decoder, &mlp::beside(&z, &c)?)?.f_sub(&u)?;
    let sum = |t: Tensor| t.f_sum_dim_intlist(1i64, true, backend.kind);
    let squares = sum(pull.f_square()?)?.f_mul_scalar(0.5 / (vae.sigma * vae.sigma))?;
    let variance = log_s.f_mul_scalar(2.0)?.f_exp()?;
    let divergence = mu.f_square()?.f_add(&variance)?.f_add_scalar(-1.0)?;
    let divergence = sum(divergence.f_mul_scalar(0.5)?.f_sub(&log_s)?)?;
    let loss = squares.f_add(&divergence.f_mul_scalar(vae.beta)?)?;
    let w = to_device(backend, &batch.weights, 1)?;
    let loss = loss.f_add_scalar(vae.constant())?.f_mul(&w)?;
    Ok(loss.f_mean(backend.kind)?)
}

/// [`Goal::Matching`].
fn velocity<T: Element>(
    backend: Backend,
    matching: Matching,
    parameters: &[Tensor],
    batch: &Batch<T>,
) -> Result<Tensor> {
    let n = matching.dim();
    let (y, rest) = columns(backend, batch, n)?;
    let z = rest.f_narrow(1, 0, n as i64)?;
    let c = rest.f_narrow(1, n as i64, rest.size()[1] - n as i64)?;
    let mut t = room::filled(batch.rows, 0.0)?;
    matching.times(batch.step, batch.number(0), &mut t);
    let t = to_device(backend, &t, 1)?;
    let w = to_device(backend, &batch.weights, 1)?;
    let way = z.f_sub(&y)?;
    let point = y.f_add(&way.f_mul(&t)?)?;
    let input = mlp::beside(&Tensor::f_cat(&[&point, &t], 1)?, &c)?;
    let error = mlp::forward(matching.network, parameters, &input)?.f_sub(&way)?;
    let squares = error.f_square()?.f_mul(&w)?.f_sum(backend.kind)?;
    Ok(squares.f_div_scalar(batch.rows as f64)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Dtype;
    use crate::objective::checks;
    use crate::options::Options;

    fn backend() -> Backend {
        Backend::open(&Options::new(), Dtype::Float64).unwrap()
    }

    #[test]
    fn gradients_are_those_of_central_differences() {
        let networks = checks::Networks::small();
        for goal in networks.goals() {
            let mut objective = TorchObjective::new(goal, backend()).unwrap();
            checks::central_differences(&mut objective, &goal, 12);
        }
    }

    #[test]
    fn losses_have_their_known_values() {
        checks::known_values(|goal| Box::new(TorchObjective::new(goal, backend()).unwrap()));
        checks::known_bound(|goal| Box::new(TorchObjective::new(goal, backend()).unwrap()));
    }
}
