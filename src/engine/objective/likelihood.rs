//! Weighted maximum likelihood of a flow.

use super::blocks::{Group, Loss};
use crate::engine::chain::Chain;
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::{own_mut, Element};
use crate::engine::map::{Pass, Point};
use crate::engine::rows::log_normal;
use crate::model::{self, Map};
use crate::{room, Result};

pub(super) struct Likelihood<T> {
    flow: Chain<T>,
    conditions: usize,
}

pub(super) struct Buffers<T: Element> {
    states: Vec<T::Feature>,
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

    /// Events to latents; Σ −w log p / rows of every block, and w / rows.
    fn forward(
        &self,
        group: Group<T>,
        pass: &Pass<T>,
        point: &mut Point<T>,
        tape: &mut [T::Feature],
        losses: &mut [f64],
    ) {
        self.flow.apply(pass, point, tape);
        for ((number, block), loss) in group.blocks().zip(losses) {
            let (z, log_det) = point.both(number);
            let weights = block.weights();
            let rows = block.lanes().map(|lane| {
                let log_p = log_normal::<T>(z, lane) + log_det.as_ref()[lane].to_f64();
                -weights.as_ref()[lane].to_f64() * log_p
            });
            *loss += rows.sum::<f64>();
        }
    }

    /// The events, and how they become latents.
    fn enter<'a>(
        &self,
        group: Group<T>,
        states: &'a mut [T::Feature],
        conditions: &'a mut [T::Feature],
    ) -> (Pass<'a, T>, Point<'a, T>) {
        let width = self.flow.widest();
        let conditions = &mut conditions[..group.len() * self.conditions];
        for (number, block) in group.blocks() {
            block.load(0, own_mut(states, width, number));
            block.load(width, own_mut(conditions, self.conditions, number));
        }
        let pass = Pass {
            cpu: group.cpu,
            rows: group.lanes(),
            conditions,
            inverse: true,
            keep: true,
        };
        (pass, Point::new(states, width))
    }
}

impl<T: Element> Loss<T> for Likelihood<T> {
    type Buffers = Buffers<T>;

    fn pack(&mut self, mut parameters: &[T]) {
        self.flow.pack(&mut parameters);
    }

    fn together(&self) -> usize {
        self.flow.size().blocks::<T>()
    }

    fn buffers(&self) -> Result<Buffers<T>> {
        let blocks = self.together();
        let features = |each: usize| room::filled(blocks * each, T::Feature::default());
        Ok(Buffers {
            states: features(self.flow.widest())?,
            conditions: features(self.conditions)?,
            tape: features(self.flow.tape(true))?,
            sums: self.flow.sums(blocks)?,
        })
    }

    fn add(&self, _: usize, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        let Buffers {
            states,
            conditions,
            tape,
            sums,
        } = buffers;
        let (pass, mut point) = self.enter(group, states, conditions);
        self.forward(group, &pass, &mut point, tape, losses);
        // −w log p = w (½ |z|² − log |det| + …).
        for (number, block) in group.blocks() {
            let weights = block.weights();
            let (z, log_det) = point.both(number);
            for z in z {
                let lanes = z.as_mut().iter_mut().zip(weights.as_ref());
                lanes.for_each(|(z, &w)| *z = *z * w);
            }
            *log_det = weights;
            log_det.as_mut().iter_mut().for_each(|w| *w = -*w);
        }
        self.flow.backward(&pass, &mut point, tape, Some(sums));
    }

    fn loss(&self, _: usize, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        let (pass, mut point) = self.enter(group, &mut buffers.states, &mut buffers.conditions);
        self.forward(group, &pass, &mut point, &mut buffers.tape, losses);
    }

    fn collect(&self, _: usize, buffers: &mut Buffers<T>, mut gradient: &mut [T]) {
        for sums in &mut buffers.sums {
            sums.add_to(&mut gradient);
            sums.clear();
        }
    }
}
