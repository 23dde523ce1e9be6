//! Telling two classes apart by one logit.

use super::{Block, Loss};
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::Element;
use crate::engine::mlp::Mlp;
use crate::model;
use crate::train::Separation;

pub(super) struct Classes<T> {
    network: Mlp<T>,
    loss: Separation,
}

pub(super) struct Buffers<T: Element> {
    tape: Vec<T::Feature>,
    sums: MlpGradient<T>,
}

impl Separation {
    /// Where [`Separation::MaximumLikelihood`] continues linearly. Ratios beyond e²⁰ = 5·10⁸ have no minimum: no sample shows them.
    pub const LINEAR: f64 = 20.0;

    /// The loss of an ignorant classifier, ℓ = 0, for two classes of unit mean weight.
    pub fn ignorant(self) -> f64 {
        self.pointwise(0.0, 1.0).0
    }

    /// The loss of a logit ℓ with label y, and its derivative with respect to ℓ.
    pub fn pointwise(self, logit: f64, y: f64) -> (f64, f64) {
        match self {
            Separation::CrossEntropy => (softplus(logit) - y * logit, sigmoid(logit) - y),
            Separation::SquaredError => {
                let f = sigmoid(logit);
                ((f - y).powi(2), 2.0 * (f - y) * f * (1.0 - f))
            }
            Separation::MaximumLikelihood => {
                let slope = logit.min(Self::LINEAR).exp();
                let ratio = slope * (1.0 + (logit - Self::LINEAR).max(0.0));
                ((1.0 - y) * (ratio - 1.0) - y * logit, (1.0 - y) * slope - y)
            }
        }
    }
}

/// log(1 + e^ℓ), without overflow.
pub(super) fn softplus(logit: f64) -> f64 {
    logit.max(0.0) + (-logit.abs()).exp().ln_1p()
}

/// 1 / (1 + e^−ℓ), without overflow.
pub(super) fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

impl<T: Element> Classes<T> {
    pub fn new(network: &model::Mlp, loss: Separation) -> Self {
        Classes {
            network: Mlp::new(network),
            loss,
        }
    }

    /// The loss; leaves its derivatives in the place of the logits.
    fn forward(&self, block: Block<T>, tape: &mut [T::Feature]) -> f64 {
        block.load(0, &mut tape[..self.network.inputs()]);
        self.network.forward(block.cpu, T::ROWS, tape);
        let labels = &block.batch.labels[block.first..];
        let weights = block.weights();
        let logits = self.network.output(tape)[0].as_mut();
        let mut sum = 0.0;
        for lane in block.lanes() {
            let w = weights.as_ref()[lane].to_f64();
            let (logit, y) = (logits[lane].to_f64(), labels[lane].to_f64());
            let (loss, slope) = self.loss.pointwise(logit, y);
            sum += w * loss;
            logits[lane] = T::from_f64(w * slope);
        }
        logits[block.rows..].fill(T::default());
        sum
    }
}

impl<T: Element> Loss<T> for Classes<T> {
    type Buffers = Buffers<T>;

    fn pack(&mut self, mut parameters: &[T]) {
        self.network.pack(&mut parameters);
    }

    fn buffers(&self) -> Buffers<T> {
        Buffers {
            tape: vec![T::Feature::default(); self.network.tape()],
            sums: MlpGradient::new(&self.network),
        }
    }

    fn add(&self, _: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        let Buffers { tape, sums } = buffers;
        let loss = self.forward(block, tape);
        self.network.backward(block.cpu, T::ROWS, tape, Some(sums));
        loss
    }

    fn loss(&self, _: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        self.forward(block, &mut buffers.tape)
    }

    fn collect(&self, _: usize, buffers: &mut Buffers<T>, mut gradient: &mut [T]) {
        buffers.sums.add_to(&mut gradient);
        buffers.sums.clear();
    }
}
