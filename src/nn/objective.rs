//! The losses of the protocol, as objectives of the training loop.

use super::parameters::{to_device, to_host, Parameters};
use super::{flow, mlp, Backend};
use crate::engine::noise::{domain, Noise};
use crate::model::{Flow, Mlp, Parameter, Real};
use crate::train::{Batch, Objective};
use crate::Result;
use std::ops::Range;
use tch::{kind::Element, Reduction, Tensor};

/// A loss in libtorch's operations.
pub(crate) trait Loss {
    /// The scalar that part `part` minimises. `parameters` are the tensors of all parts.
    fn evaluate<T: Element>(
        &self,
        backend: Backend,
        parameters: &[Tensor],
        part: usize,
        batch: &Batch<T>,
    ) -> Result<Tensor>;

    /// As [`Objective::due`].
    fn due(&self, _part: usize, _step: u64) -> bool {
        true
    }
}

/// A [`Loss`] with its parameters on a device: autograd makes it an [`Objective`].
pub(crate) struct TorchObjective<L> {
    loss: L,
    backend: Backend,
    parameters: Parameters,
    /// Number of parameters, and tensors, of every part.
    parts: Vec<(usize, Range<usize>)>,
}

impl<L: Loss> TorchObjective<L> {
    fn new(loss: L, backend: Backend, shapes: &[Vec<Parameter>]) -> Result<Self> {
        let mut parts = Vec::new();
        let mut tensors = 0;
        for part in shapes {
            let parameters = part.iter().map(Parameter::len).sum();
            parts.push((parameters, tensors..tensors + part.len()));
            tensors += part.len();
        }
        Ok(TorchObjective {
            loss,
            backend,
            parameters: Parameters::new(backend, &shapes.concat(), true)?,
            parts,
        })
    }

    fn evaluate<T: Element>(&self, part: usize, batch: &Batch<T>) -> Result<Tensor> {
        let tensors = &self.parameters.tensors;
        self.loss.evaluate(self.backend, tensors, part, batch)
    }
}

impl<T: Real + Element, L: Loss> Objective<T> for TorchObjective<L> {
    fn parts(&self) -> Vec<usize> {
        self.parts
            .iter()
            .map(|(parameters, _)| *parameters)
            .collect()
    }

    fn due(&self, part: usize, step: u64) -> bool {
        self.loss.due(part, step)
    }

    fn gradient(
        &mut self,
        part: usize,
        parameters: &[T],
        batch: &Batch<T>,
        gradient: &mut [T],
    ) -> Result<f64> {
        self.parameters.set(parameters)?;
        let own = &self.parameters.tensors[self.parts[part].1.clone()];
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

/// Negative log-likelihood of a flow, weighted: mean of −w log p(u), in nats per event, u the scaled features.
pub(crate) struct Nll<'a>(&'a Flow);

impl<'a> TorchObjective<Nll<'a>> {
    /// The maximum-likelihood objective of a flow.
    pub fn nll(flow: &'a Flow, backend: Backend) -> Result<Self> {
        Self::new(Nll(flow), backend, &[flow.parameters("")])
    }
}

impl Loss for Nll<'_> {
    fn evaluate<T: Element>(
        &self,
        backend: Backend,
        parameters: &[Tensor],
        _part: usize,
        batch: &Batch<T>,
    ) -> Result<Tensor> {
        let dim = self.0.dim;
        let u = to_device(backend, &batch.x, dim)?;
        let w = to_device(backend, &batch.weights, 1)?.f_squeeze_dim(1)?;
        let (z, log_det) = flow::normalise(self.0, parameters, &u)?;
        let log_p = flow::log_normal(&z, dim)?.f_add(&log_det)?;
        Ok(log_p.f_mul(&w)?.f_mean(backend.kind)?.f_neg()?)
    }
}

/// Binary cross-entropy on the logit ℓ, weighted: mean of w · [−y log f − (1 − y) log(1 − f)], f = sigmoid(ℓ); log 2 for an ignorant
/// classifier of two classes of unit mean weight.
pub(crate) struct Bce<'a>(&'a Mlp);

impl<'a> TorchObjective<Bce<'a>> {
    /// The classifier's objective.
    pub fn bce(network: &'a Mlp, backend: Backend) -> Result<Self> {
        Self::new(Bce(network), backend, &[network.parameters("")])
    }
}

impl Loss for Bce<'_> {
    fn evaluate<T: Element>(
        &self,
        backend: Backend,
        parameters: &[Tensor],
        _part: usize,
        batch: &Batch<T>,
    ) -> Result<Tensor> {
        let u = to_device(backend, &batch.x, self.0.inputs)?;
        let w = to_device(backend, &batch.weights, 1)?;
        let y = to_device(backend, &batch.labels, 1)?;
        let logit = mlp::forward(self.0, parameters, &u)?;
        Ok(logit.f_binary_cross_entropy_with_logits(&y, Some(&w), None, Reduction::Mean)?)
    }
}

/// Stream of the GAN's noise; the classifier's generated events have those below.
const NOISE_STREAM: u64 = 2;

/// The weighted GAN of the paper (ref. 98): batches are latents z with weights w(z), the refiner maps noise y to z.
/// Part 0, the discriminator: ½ [mean w softplus(−D(z)) + mean softplus(D(Φ(y)))]. Part 1, the refiner: mean softplus(−D(Φ(y))).
pub(crate) struct Gan<'a> {
    discriminator: &'a Mlp,
    refiner: &'a Mlp,
    /// Discriminator updates per refiner update.
    discriminator_steps: u64,
    noise: Noise,
}

impl<'a> TorchObjective<Gan<'a>> {
    /// The objective of the GAN refiner. The flat buffer holds the discriminator, then the refiner.
    pub fn gan(
        discriminator: &'a Mlp,
        refiner: &'a Mlp,
        backend: Backend,
        discriminator_steps: u64,
        seed: u64,
    ) -> Result<Self> {
        let shapes = [discriminator.parameters(""), refiner.parameters("")];
        let loss = Gan {
            discriminator,
            refiner,
            discriminator_steps,
            noise: Noise::new(seed, NOISE_STREAM, domain::TRAINING),
        };
        Self::new(loss, backend, &shapes)
    }
}

impl Loss for Gan<'_> {
    fn evaluate<T: Element>(
        &self,
        backend: Backend,
        parameters: &[Tensor],
        part: usize,
        batch: &Batch<T>,
    ) -> Result<Tensor> {
        let (d, g) = parameters.split_at(mlp::tensor_count(self.discriminator));
        let auxiliary = self.refiner.inputs;
        let mut y = vec![0.0f64; batch.rows * auxiliary];
        // One event of the noise per update; the two parts draw from it one after the other.
        self.noise
            .normals(batch.step, (part * y.len()) as u64, &mut y);
        let y = to_device(backend, &y, auxiliary)?;
        let judge = |z: &Tensor| mlp::forward(self.discriminator, d, z);
        if part == 1 {
            let logit = judge(&mlp::forward(self.refiner, g, &y)?)?;
            return Ok(logit.f_neg()?.f_softplus()?.f_mean(backend.kind)?);
        }
        let fake = backend.without_gradient(|| mlp::forward(self.refiner, g, &y))?;
        let real = to_device(backend, &batch.x, self.discriminator.inputs)?;
        let w = to_device(backend, &batch.weights, 1)?;
        let on_real = judge(&real)?
            .f_neg()?
            .f_softplus()?
            .f_mul(&w)?
            .f_mean(backend.kind)?;
        let on_fake = judge(&fake)?.f_softplus()?.f_mean(backend.kind)?;
        Ok(on_real.f_add(&on_fake)?.f_mul_scalar(0.5)?)
    }

    fn due(&self, part: usize, step: u64) -> bool {
        part == 0 || (step + 1).is_multiple_of(self.discriminator_steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Coupling, Dtype, Transform};
    use crate::options::Options;

    fn numbers(n: usize, stream: u64) -> Vec<f64> {
        let mut out = vec![0.0; n];
        Noise::new(4, stream, domain::INITIAL).normals(0, 0, &mut out);
        out
    }

    /// The flat gradient of every part against central differences of the part's own loss.
    fn check<L: Loss>(mut objective: TorchObjective<L>, dim: usize, labels: bool) {
        let rows = 12;
        let batch = Batch {
            rows,
            x: numbers(rows * dim, 1),
            weights: (0..rows)
                .map(|i| 0.2 + i as f64 / 8.0 - f64::from(i == 3))
                .collect(),
            labels: (0..rows * usize::from(labels))
                .map(|i| (i % 2) as f64)
                .collect(),
            step: 7,
        };
        let lengths = Objective::<f64>::parts(&objective);
        let mut p: Vec<f64> = numbers(lengths.iter().sum(), 2);
        p.iter_mut().for_each(|p| *p *= 0.5);
        let mut offset = 0;
        for (part, &length) in lengths.iter().enumerate() {
            let mut gradient = vec![0.0; length];
            objective.gradient(part, &p, &batch, &mut gradient).unwrap();
            let mut scratch = vec![0.0; length];
            for i in 0..length {
                let mut at = |delta: f64| {
                    let mut p = p.clone();
                    p[offset + i] += delta;
                    objective.gradient(part, &p, &batch, &mut scratch).unwrap()
                };
                let expected = (at(1e-6) - at(-1e-6)) / 2e-6;
                let got = gradient[i];
                assert!(
                    (got - expected).abs() < 1e-7,
                    "part {part}, {i}: {got}, not {expected}"
                );
            }
            offset += length;
        }
    }

    fn backend() -> Backend {
        Backend::open(&Options::new(), Dtype::Float64).unwrap()
    }

    #[test]
    fn the_gradient_of_the_likelihood() {
        let block = |active: Vec<usize>, passive: Vec<usize>| Coupling {
            subnet: Mlp::new(passive.len(), 1, 5, 2 * active.len(), 0.01),
            transform: Transform::Affine { clamp: 2.0 },
            active,
            passive,
        };
        let flow = Flow {
            dim: 3,
            conditions: 0,
            blocks: vec![block(vec![2], vec![0, 1]), block(vec![0, 1], vec![2])],
        };
        check(TorchObjective::nll(&flow, backend()).unwrap(), 3, false);
    }

    #[test]
    fn the_gradient_of_the_cross_entropy() {
        let network = Mlp::new(2, 2, 6, 1, 0.2);
        check(TorchObjective::bce(&network, backend()).unwrap(), 2, true);
    }

    #[test]
    fn the_gradients_of_the_gan() {
        let (d, g) = (Mlp::new(2, 1, 6, 1, 0.1), Mlp::new(3, 1, 5, 2, 0.1));
        let objective = TorchObjective::gan(&d, &g, backend(), 4, 1).unwrap();
        let due: Vec<u64> = (0..9).filter(|&s| objective.loss.due(1, s)).collect();
        assert_eq!(due, [3, 7]);
        check(objective, 2, false);
    }

    #[test]
    fn losses_have_their_known_values() {
        let network = Mlp::new(2, 0, 1, 1, 0.0);
        let mut objective = TorchObjective::bce(&network, backend()).unwrap();
        let batch = Batch {
            rows: 2,
            x: vec![1.0, 0.0, 0.0, 1.0],
            weights: vec![3.0, 1.0],
            labels: vec![1.0, 0.0],
            step: 0,
        };
        // Logits 2 + ½ and −1 + ½.
        let expected = 0.5 * (3.0 * (-2.5f64).exp().ln_1p() + (-0.5f64).exp().ln_1p());
        let got = Objective::<f64>::loss(&mut objective, &[2.0, -1.0, 0.5], &batch).unwrap();
        assert!((got - expected).abs() < 1e-12, "{got}, not {expected}");
    }
}
