//! Flow matching: velocities along straight ways.

use super::blocks::{Block, Group, Loss};
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::{own_mut, Element};
use crate::engine::mlp::Mlp;
use crate::objective::Matching;
use crate::{room, Result};

pub(super) struct Velocity<'a, T> {
    matching: Matching<'a>,
    network: Mlp<T>,
}

pub(super) struct Buffers<T: Element> {
    /// Where the rows end, and then their way z − y.
    way: Vec<T::Feature>,
    times: Vec<f64>,
    tape: Vec<T::Feature>,
    sums: MlpGradient<T>,
}

impl<'a, T: Element> Velocity<'a, T> {
    pub fn new(matching: Matching<'a>) -> Result<Self> {
        Ok(Velocity {
            network: Mlp::new(matching.network)?,
            matching,
        })
    }

    /// Point, time and condition of a block to `inputs`, z − y to `way`.
    fn depart(
        &self,
        block: Block<T>,
        times: &mut [f64],
        inputs: &mut [T::Feature],
        way: &mut [T::Feature],
    ) {
        let n = self.matching.dim();
        let times = &mut times[..block.rows];
        let number = block.batch.number(block.first);
        self.matching.times(block.batch.step, number, times);
        let (point, rest) = inputs.split_at_mut(n);
        let (time, conditions) = rest.split_at_mut(1);
        block.load(0, point);
        block.load(n, way);
        block.load(2 * n, conditions);
        let time = time[0].as_mut();
        time.fill(T::default());
        for (to, &t) in time.iter_mut().zip(&*times) {
            *to = T::from_f64(t);
        }
        for (y, way) in point.iter_mut().zip(way) {
            let lanes = y.as_mut().iter_mut().zip(way.as_mut()).zip(&*time);
            for ((y, way), &t) in lanes {
                *way = *way - *y;
                *y = *y + t * *way;
            }
        }
    }

    /// The losses; leaves their derivatives in the place of the velocities.
    fn forward(&self, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        let (n, blocks) = (self.matching.dim(), group.len());
        let Buffers {
            way, times, tape, ..
        } = buffers;
        let tape = &mut tape[..blocks * self.network.tape()];
        for (number, block) in group.blocks() {
            let inputs = own_mut(tape, self.network.inputs(), number);
            self.depart(block, times, inputs, own_mut(way, n, number));
        }
        self.network.forward(group.cpu, group.lanes(), tape);
        let velocities = self.network.output(blocks, tape);
        for ((number, block), sum) in group.blocks().zip(losses) {
            let weights = block.weights();
            let ways = own_mut(way, n, number);
            for (velocity, way) in own_mut(velocities, n, number).iter_mut().zip(ways) {
                let velocity = velocity.as_mut();
                for lane in block.lanes() {
                    let w = weights.as_ref()[lane].to_f64();
                    let error = velocity[lane].to_f64() - way.as_ref()[lane].to_f64();
                    *sum += w * error * error;
                    velocity[lane] = T::from_f64(2.0 * w * error);
                }
                velocity[block.rows..].fill(T::default());
            }
        }
    }
}

impl<T: Element> Loss<T> for Velocity<'_, T> {
    type Buffers = Buffers<T>;

    fn pack(&mut self, mut parameters: &[T]) {
        self.network.pack(&mut parameters);
    }

    fn together(&self) -> usize {
        self.network.size().blocks::<T>()
    }

    fn buffers(&self) -> Result<Buffers<T>> {
        let blocks = self.together();
        let features = |each: usize| room::filled(blocks * each, T::Feature::default());
        Ok(Buffers {
            way: features(self.matching.dim())?,
            times: room::filled(T::ROWS, 0.0)?,
            tape: features(self.network.tape())?,
            sums: self.network.sums(blocks)?,
        })
    }

    fn add(&self, _: usize, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        self.forward(group, buffers, losses);
        let Buffers { tape, sums, .. } = buffers;
        self.network
            .backward(group.cpu, group.lanes(), tape, Some(sums));
    }

    fn loss(&self, _: usize, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        self.forward(group, buffers, losses);
    }

    fn collect(&self, _: usize, buffers: &mut Buffers<T>, mut gradient: &mut [T]) {
        buffers.sums.add_to(&mut gradient);
        buffers.sums.clear();
    }
}
