//! Telling two classes apart by one logit.

use super::blocks::{Block, Loss};
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::Element;
use crate::engine::mlp::Mlp;
use crate::model;
use crate::objective::Separation;
use crate::{room, Result};

pub(super) struct Classes<T> {
    network: Mlp<T>,
    loss: Separation,
}

pub(super) struct Buffers<T: Element> {
    tape: Vec<T::Feature>,
    sums: MlpGradient<T>,
}

impl<T: Element> Classes<T> {
    pub fn new(network: &model::Mlp, loss: Separation) -> Result<Self> {
        Ok(Classes {
            network: Mlp::new(network)?,
            loss,
        })
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

    fn buffers(&self) -> Result<Buffers<T>> {
        Ok(Buffers {
            tape: room::filled(self.network.tape(), T::Feature::default())?,
            sums: self.network.sums()?,
        })
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
