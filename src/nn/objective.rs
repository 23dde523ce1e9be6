//! The losses of the protocol, as objectives of the training loop.

use super::parameters::{to_device, to_host, Parameters};
use super::{flow, mlp, Backend};
use crate::engine::noise::{domain, Noise};
use crate::model::{Flow, Mlp, Parameter};
use crate::train::{Batch, Objective, Real};
use crate::Result;
use tch::{kind::Element, Reduction, Tensor};

/// ∂loss/∂parameters, flat, into `out`.
fn gradient_of<T: Element>(loss: &Tensor, parameters: &[Tensor], out: &mut [T]) -> Result<f64> {
    let gradients = Tensor::f_run_backward(&[loss], parameters, false, false)?;
    let flat = gradients
        .iter()
        .map(|g| g.f_reshape([-1i64]))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    to_host(&Tensor::f_cat(&flat, 0)?, out)?;
    Ok(loss.f_double_value(&[])?)
}

/// Negative log-likelihood of a flow, weighted: mean of −w log p(u), in nats per event, u the scaled features.
pub(crate) struct NllObjective<'a> {
    flow: &'a Flow,
    backend: Backend,
    parameters: Parameters,
}

impl<'a> NllObjective<'a> {
    pub fn new(flow: &'a Flow, backend: Backend) -> Result<Self> {
        let parameters = Parameters::new(backend, &flow.parameters(""), true)?;
        Ok(NllObjective {
            flow,
            backend,
            parameters,
        })
    }

    fn evaluate<T: Element>(&self, batch: &Batch<T>) -> Result<Tensor> {
        let u = to_device(self.backend, &batch.x, self.flow.dim)?;
        let w = to_device(self.backend, &batch.weights, 1)?.f_squeeze_dim(1)?;
        let (z, log_det) = flow::normalise(self.flow, &self.parameters.tensors, &u)?;
        let log_p = flow::log_normal(&z, self.flow.dim)?.f_add(&log_det)?;
        Ok(log_p.f_mul(&w)?.f_mean(self.backend.kind)?.f_neg()?)
    }
}

impl<T: Real + Element> Objective<T> for NllObjective<'_> {
    fn parts(&self) -> Vec<usize> {
        vec![self.parameters.len()]
    }

    fn gradient(
        &mut self,
        _part: usize,
        parameters: &[T],
        batch: &Batch<T>,
        gradient: &mut [T],
    ) -> Result<f64> {
        self.parameters.set(parameters)?;
        self.backend.with_gradient(|| {
            gradient_of(&self.evaluate(batch)?, &self.parameters.tensors, gradient)
        })
    }

    fn loss(&mut self, parameters: &[T], batch: &Batch<T>) -> Result<f64> {
        self.parameters.set(parameters)?;
        self.backend
            .without_gradient(|| Ok(self.evaluate(batch)?.f_double_value(&[])?))
    }
}

/// Binary cross-entropy on the logit ℓ, weighted: mean of w · [−y log f − (1 − y) log(1 − f)], f = sigmoid(ℓ); log 2 for an ignorant
/// classifier of two classes of unit mean weight.
pub(crate) struct BceObjective<'a> {
    network: &'a Mlp,
    backend: Backend,
    parameters: Parameters,
}

impl<'a> BceObjective<'a> {
    pub fn new(network: &'a Mlp, backend: Backend) -> Result<Self> {
        let parameters = Parameters::new(backend, &network.parameters(""), true)?;
        Ok(BceObjective {
            network,
            backend,
            parameters,
        })
    }

    fn evaluate<T: Element>(&self, batch: &Batch<T>) -> Result<Tensor> {
        let u = to_device(self.backend, &batch.x, self.network.inputs)?;
        let w = to_device(self.backend, &batch.weights, 1)?;
        let y = to_device(self.backend, &batch.labels, 1)?;
        let logit = mlp::forward(self.network, &self.parameters.tensors, &u)?;
        Ok(logit.f_binary_cross_entropy_with_logits(&y, Some(&w), None, Reduction::Mean)?)
    }
}

impl<T: Real + Element> Objective<T> for BceObjective<'_> {
    fn parts(&self) -> Vec<usize> {
        vec![self.parameters.len()]
    }

    fn gradient(
        &mut self,
        _part: usize,
        parameters: &[T],
        batch: &Batch<T>,
        gradient: &mut [T],
    ) -> Result<f64> {
        self.parameters.set(parameters)?;
        self.backend.with_gradient(|| {
            gradient_of(&self.evaluate(batch)?, &self.parameters.tensors, gradient)
        })
    }

    fn loss(&mut self, parameters: &[T], batch: &Batch<T>) -> Result<f64> {
        self.parameters.set(parameters)?;
        self.backend
            .without_gradient(|| Ok(self.evaluate(batch)?.f_double_value(&[])?))
    }
}

/// Stream of the GAN's noise; the classifier's generated events have those below.
const NOISE_STREAM: u64 = 2;

/// The weighted GAN of the paper (ref. 98): batches are latents z with weights w(z), the refiner maps noise y to z.
/// Part 0, the discriminator: ½ [mean w softplus(−D(z)) + mean softplus(D(Φ(y)))]. Part 1, the refiner: mean softplus(−D(Φ(y))).
/// The flat buffer holds the discriminator, then the refiner.
pub(crate) struct GanObjective<'a> {
    discriminator: &'a Mlp,
    refiner: &'a Mlp,
    backend: Backend,
    parameters: Parameters,
    /// Parameters and tensors that belong to the discriminator.
    split: (usize, usize),
    /// Discriminator updates per refiner update.
    discriminator_steps: u64,
    noise: Noise,
}

impl<'a> GanObjective<'a> {
    pub fn new(
        discriminator: &'a Mlp,
        refiner: &'a Mlp,
        backend: Backend,
        discriminator_steps: u64,
        seed: u64,
    ) -> Result<Self> {
        let mut shapes = discriminator.parameters("");
        let split = (shapes.iter().map(Parameter::len).sum(), shapes.len());
        shapes.extend(refiner.parameters(""));
        Ok(GanObjective {
            discriminator,
            refiner,
            backend,
            parameters: Parameters::new(backend, &shapes, true)?,
            split,
            discriminator_steps,
            noise: Noise::new(seed, NOISE_STREAM, domain::TRAINING),
        })
    }

    fn evaluate<T: Element>(&self, part: usize, batch: &Batch<T>) -> Result<Tensor> {
        let (d, g) = self.parameters.tensors.split_at(self.split.1);
        let auxiliary = self.refiner.inputs;
        let mut y = vec![0.0f64; batch.rows * auxiliary];
        // One event of the noise per update; the two parts draw from it one after the other.
        self.noise
            .normals(batch.step, (part * y.len()) as u64, &mut y);
        let y = to_device(self.backend, &y, auxiliary)?;
        if part == 1 {
            let logit = mlp::forward(self.discriminator, d, &mlp::forward(self.refiner, g, &y)?)?;
            return Ok(logit.f_neg()?.f_softplus()?.f_mean(self.backend.kind)?);
        }
        let fake = self
            .backend
            .without_gradient(|| mlp::forward(self.refiner, g, &y))?;
        let real = to_device(self.backend, &batch.x, self.discriminator.inputs)?;
        let w = to_device(self.backend, &batch.weights, 1)?;
        let on_real = mlp::forward(self.discriminator, d, &real)?
            .f_neg()?
            .f_softplus()?
            .f_mul(&w)?;
        let on_fake = mlp::forward(self.discriminator, d, &fake)?.f_softplus()?;
        Ok(on_real
            .f_mean(self.backend.kind)?
            .f_add(&on_fake.f_mean(self.backend.kind)?)?
            .f_mul_scalar(0.5)?)
    }
}

impl<T: Real + Element> Objective<T> for GanObjective<'_> {
    fn parts(&self) -> Vec<usize> {
        vec![self.split.0, self.parameters.len() - self.split.0]
    }

    fn due(&self, part: usize, step: u64) -> bool {
        part == 0 || (step + 1).is_multiple_of(self.discriminator_steps)
    }

    fn gradient(
        &mut self,
        part: usize,
        parameters: &[T],
        batch: &Batch<T>,
        gradient: &mut [T],
    ) -> Result<f64> {
        self.parameters.set(parameters)?;
        let own = if part == 0 {
            0..self.split.1
        } else {
            self.split.1..self.parameters.tensors.len()
        };
        self.backend.with_gradient(|| {
            gradient_of(
                &self.evaluate(part, batch)?,
                &self.parameters.tensors[own],
                gradient,
            )
        })
    }

    fn loss(&mut self, parameters: &[T], batch: &Batch<T>) -> Result<f64> {
        self.parameters.set(parameters)?;
        self.backend
            .without_gradient(|| Ok(self.evaluate(0, batch)?.f_double_value(&[])?))
    }
}
