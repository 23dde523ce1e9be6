//! Weighted maximum likelihood of a flow.

use super::blocks::{Block, Loss};
use crate::engine::chain::Chain;
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::Element;
use crate::engine::map::{Pass, Point};
use crate::engine::rows::log_normal;
use crate::model::{self, Map};
use crate::{room, Result};

pub(super) struct Likelihood<T> {
    flow: Chain<T>,
    conditions: usize,
}

pub(super) struct Buffers<T: Element> {
    state: Vec<T::Feature>,
    conditions: Vec<T::Feature>,
    tape: Vec<T::Feature>,
    sums: Vec<MlpGradient<T>>,
}

impl<T: Element> Likelihood<T> {
    pub fn new(flow: &model::Flow) -> Result<Self> {
        Ok(Likelihood {
            flow: Chain::new(&[Map::Flow(flow.clone())], flow.conditions)?,
            conditions: flow.conditions,
        })
    }

    /// Events to latents; Σ −w log p / rows, and w / rows.
    fn forward(
        &self,
        block: Block<T>,
        pass: &Pass<T>,
        point: &mut Point<T>,
        tape: &mut [T::Feature],
    ) -> (f64, T::Feature) {
        self.flow.apply(pass, point, tape);
        let weights = block.weights();
        let rows = block.lanes().map(|lane| {
            let log_p = log_normal::<T>(point.state, lane) + point.log_det.as_ref()[lane].to_f64();
            -weights.as_ref()[lane].to_f64() * log_p
        });
        (rows.sum(), weights)
    }
}

/// The block's events, and how they become latents.
fn enter<'a, T: Element>(
    block: Block<T>,
    state: &'a mut [T::Feature],
    conditions: &'a mut [T::Feature],
) -> (Pass<'a, T>, Point<'a, T>) {
    block.load(0, state);
    block.load(state.len(), conditions);
    let pass = Pass {
        cpu: block.cpu,
        rows: T::ROWS,
        conditions,
        inverse: true,
        keep: true,
    };
    (pass, Point::new(state))
}

impl<T: Element> Loss<T> for Likelihood<T> {
    type Buffers = Buffers<T>;

    fn pack(&mut self, mut parameters: &[T]) {
        self.flow.pack(&mut parameters);
    }

    fn buffers(&self) -> Result<Buffers<T>> {
        Ok(Buffers {
            state: room::filled(self.flow.widest(), T::Feature::default())?,
            conditions: room::filled(self.conditions, T::Feature::default())?,
            tape: room::filled(self.flow.tape(true), T::Feature::default())?,
            sums: self.flow.sums()?,
        })
    }

    fn add(&self, _: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        let Buffers {
            state,
            conditions,
            tape,
            sums,
        } = buffers;
        let (pass, mut point) = enter(block, state, conditions);
        let (loss, weights) = self.forward(block, &pass, &mut point, tape);
        // −w log p = w (½ |z|² − log |det| + …).
        for z in &mut *point.state {
            let lanes = z.as_mut().iter_mut().zip(weights.as_ref());
            lanes.for_each(|(z, &w)| *z = *z * w);
        }
        point.log_det = weights;
        point.log_det.as_mut().iter_mut().for_each(|w| *w = -*w);
        self.flow.backward(&pass, &mut point, tape, Some(sums));
        loss
    }

    fn loss(&self, _: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        let Buffers {
            state,
            conditions,
            tape,
            ..
        } = buffers;
        let (pass, mut point) = enter(block, state, conditions);
        self.forward(block, &pass, &mut point, tape).0
    }

    fn collect(&self, _: usize, buffers: &mut Buffers<T>, mut gradient: &mut [T]) {
        for sums in &mut buffers.sums {
            sums.add_to(&mut gradient);
            sums.clear();
        }
    }
}
