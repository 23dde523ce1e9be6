//! Telling two classes apart by one logit.

use super::blocks::{Group, Loss};
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::{own_mut, Element};
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

    /// The losses; leaves their derivatives in the place of the logits on the tape.
    fn forward<'a>(
        &self,
        group: Group<T>,
        tape: &'a mut [T::Feature],
        losses: &mut [f64],
    ) -> &'a mut [T::Feature] {
        let tape = &mut tape[..group.len() * self.network.tape()];
        for (number, block) in group.blocks() {
            block.load(0, own_mut(tape, self.network.inputs(), number));
        }
        self.network.forward(group.cpu, group.lanes(), tape);
        let logits = self.network.output(group.len(), tape);
        for (((_, block), logits), sum) in group.blocks().zip(logits).zip(losses) {
            let labels = &block.batch.labels[block.first..];
            let weights = block.weights();
            let logits = logits.as_mut();
            for lane in block.lanes() {
                let w = weights.as_ref()[lane].to_f64();
                let (logit, y) = (logits[lane].to_f64(), labels[lane].to_f64());
                let (loss, slope) = self.loss.pointwise(logit, y);
                *sum += w * loss;
                logits[lane] = T::from_f64(w * slope);
            }
            logits[block.rows..].fill(T::default());
        }
        tape
    }
}

impl<T: Element> Loss<T> for Classes<T> {
    type Buffers = Buffers<T>;

    fn pack(&mut self, mut parameters: &[T]) {
        self.network.pack(&mut parameters);
    }

    fn together(&self) -> usize {
        self.network.size().blocks::<T>()
    }

    fn buffers(&self) -> Result<Buffers<T>> {
        let blocks = self.together();
        Ok(Buffers {
            tape: room::filled(blocks * self.network.tape(), T::Feature::default())?,
            sums: self.network.sums(blocks)?,
        })
    }

    fn add(&self, _: usize, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        let Buffers { tape, sums } = buffers;
        let tape = self.forward(group, tape, losses);
        self.network
            .backward(group.cpu, group.lanes(), tape, Some(sums));
    }

    fn loss(&self, _: usize, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        self.forward(group, &mut buffers.tape, losses);
    }

    fn collect(&self, _: usize, buffers: &mut Buffers<T>, mut gradient: &mut [T]) {
        buffers.sums.add_to(&mut gradient);
        buffers.sums.clear();
    }
}
