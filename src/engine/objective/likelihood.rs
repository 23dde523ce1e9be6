//! Weighted maximum likelihood of a flow.

use super::{Block, Loss};
use crate::engine::flow::Flow;
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::Element;
use crate::engine::worker::log_normal;
use crate::model;

pub(super) struct Likelihood<T> {
    flow: Flow<T>,
    conditions: usize,
}

pub(super) struct Buffers<T: Element> {
    state: Vec<T::Feature>,
    conditions: Vec<T::Feature>,
    tape: Vec<T::Feature>,
    sums: Vec<MlpGradient<T>>,
}

impl<T: Element> Likelihood<T> {
    pub fn new(flow: &model::Flow) -> Self {
        Likelihood {
            flow: Flow::new(flow),
            conditions: flow.conditions,
        }
    }

    /// Events to latents on the tape; Σ −w log p / rows, and w / rows.
    fn forward(&self, block: Block<T>, buffers: &mut Buffers<T>) -> (f64, T::Feature) {
        let Buffers {
            state,
            conditions,
            tape,
            ..
        } = buffers;
        block.load(0, state);
        block.load(state.len(), conditions);
        let mut log_det = T::Feature::default();
        self.flow
            .record::<true>(block.cpu, T::ROWS, state, conditions, &mut log_det, tape);
        let weights = block.weights();
        let rows = block.lanes().map(|lane| {
            let log_p = log_normal::<T>(state, lane) + log_det.as_ref()[lane].to_f64();
            -weights.as_ref()[lane].to_f64() * log_p
        });
        (rows.sum(), weights)
    }
}

impl<T: Element> Loss<T> for Likelihood<T> {
    type Buffers = Buffers<T>;

    fn pack(&mut self, mut parameters: &[T]) {
        self.flow.pack(&mut parameters);
    }

    fn buffers(&self) -> Buffers<T> {
        Buffers {
            state: vec![T::Feature::default(); self.flow.dim()],
            conditions: vec![T::Feature::default(); self.conditions],
            tape: vec![T::Feature::default(); self.flow.tape()],
            sums: self.flow.sums(),
        }
    }

    fn add(&self, _: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        let (loss, weights) = self.forward(block, buffers);
        let Buffers {
            state, tape, sums, ..
        } = buffers;
        // −w log p = w (½ |z|² − log |det| + …).
        for z in &mut *state {
            let lanes = z.as_mut().iter_mut().zip(weights.as_ref());
            lanes.for_each(|(z, &w)| *z = *z * w);
        }
        let mut log_det = weights;
        log_det.as_mut().iter_mut().for_each(|w| *w = -*w);
        self.flow
            .backward::<true>(block.cpu, T::ROWS, state, &log_det, tape, Some(sums));
        loss
    }

    fn loss(&self, _: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        self.forward(block, buffers).0
    }

    fn collect(&self, _: usize, buffers: &mut Buffers<T>, mut gradient: &mut [T]) {
        for sums in &mut buffers.sums {
            sums.add_to(&mut gradient);
            sums.clear();
        }
    }
}
