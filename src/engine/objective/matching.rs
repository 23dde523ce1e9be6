//! Flow matching: velocities along straight ways.

use super::blocks::{Block, Loss};
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::Element;
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

    /// Point, time and condition to the front of the tape, z − y to `way`.
    fn depart(&self, block: Block<T>, buffers: &mut Buffers<T>) {
        let n = self.matching.dim();
        let Buffers {
            way, times, tape, ..
        } = buffers;
        let times = &mut times[..block.rows];
        let batch = block.batch;
        self.matching
            .times(batch.step, batch.number(block.first), times);
        let (point, rest) = tape[..self.network.inputs()].split_at_mut(n);
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

    /// The loss; leaves its derivatives in the place of the velocities.
    fn forward(&self, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        self.depart(block, buffers);
        let Buffers { way, tape, .. } = buffers;
        self.network.forward(block.cpu, T::ROWS, tape);
        let weights = block.weights();
        let mut sum = 0.0;
        for (velocity, way) in self.network.output(tape).iter_mut().zip(way) {
            let velocity = velocity.as_mut();
            for lane in block.lanes() {
                let w = weights.as_ref()[lane].to_f64();
                let error = velocity[lane].to_f64() - way.as_ref()[lane].to_f64();
                sum += w * error * error;
                velocity[lane] = T::from_f64(2.0 * w * error);
            }
            velocity[block.rows..].fill(T::default());
        }
        sum
    }
}

impl<T: Element> Loss<T> for Velocity<'_, T> {
    type Buffers = Buffers<T>;

    fn pack(&mut self, mut parameters: &[T]) {
        self.network.pack(&mut parameters);
    }

    fn buffers(&self) -> Result<Buffers<T>> {
        Ok(Buffers {
            way: room::filled(self.matching.dim(), T::Feature::default())?,
            times: room::filled(T::ROWS, 0.0)?,
            tape: room::filled(self.network.tape(), T::Feature::default())?,
            sums: self.network.sums()?,
        })
    }

    fn add(&self, _: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        let loss = self.forward(block, buffers);
        let Buffers { tape, sums, .. } = buffers;
        self.network.backward(block.cpu, T::ROWS, tape, Some(sums));
        loss
    }

    fn loss(&self, _: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        self.forward(block, buffers)
    }

    fn collect(&self, _: usize, buffers: &mut Buffers<T>, mut gradient: &mut [T]) {
        buffers.sums.add_to(&mut gradient);
        buffers.sums.clear();
    }
}
