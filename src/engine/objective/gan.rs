//! The weighted GAN: a discriminator and the refiner, each with its own loss.

use super::blocks::{load, Block, Group, Loss};
use crate::engine::chain::Chain;
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::{own, own_mut, Element};
use crate::engine::map::{Pass, Point};
use crate::engine::mlp::Mlp;
use crate::objective::{sigmoid, softplus, Gan};
use crate::{room, Result};

pub(super) struct Players<'a, T> {
    gan: Gan<'a>,
    discriminator: Mlp<T>,
    refiner: Mlp<T>,
    prior: Option<Chain<T>>,
}

pub(super) struct Buffers<T: Element> {
    /// What is on its way through the prior, with its conditions and its tape.
    prior_states: Vec<T::Feature>,
    prior_conditions: Vec<T::Feature>,
    prior_tape: Vec<T::Feature>,
    discriminator_tape: Vec<T::Feature>,
    refiner_tape: Vec<T::Feature>,
    discriminator_sums: MlpGradient<T>,
    refiner_sums: MlpGradient<T>,
    noise: Vec<f64>,
    noise_rows: Vec<T>,
}

/// Whom the discriminator is to take the rows for.
#[derive(Clone, Copy)]
enum Target {
    Real,
    Fake,
}

impl<'a, T: Element> Players<'a, T> {
    pub fn new(gan: Gan<'a>) -> Result<Self> {
        let prior = gan
            .prior
            .map(|prior| Chain::new(prior.maps, gan.conditions)?.with_parameters(prior.parameters));
        Ok(Players {
            discriminator: Mlp::new(gan.discriminator)?,
            refiner: Mlp::new(gan.refiner)?,
            prior: prior.transpose()?,
            gan,
        })
    }

    /// z = Φ(y) and the condition to the front of the discriminator's tape, of every block to the place of block `place` of its number.
    fn refine(
        &self,
        part: usize,
        group: Group<T>,
        buffers: &mut Buffers<T>,
        place: impl Fn(usize) -> usize,
    ) {
        let Buffers {
            prior_states,
            prior_conditions,
            prior_tape,
            discriminator_tape,
            noise,
            noise_rows,
            ..
        } = buffers;
        let (cpu, blocks, conditions) = (group.cpu, group.len(), self.gan.conditions);
        let (latents, auxiliary) = (self.refiner.outputs(), self.gan.auxiliary_dim());
        let tape = &mut buffers.refiner_tape[..blocks * self.refiner.tape()];
        let width = self.prior.as_ref().map_or(0, Chain::widest);
        for (number, block) in group.blocks() {
            let Block {
                batch, first, rows, ..
            } = block;
            let noise = &mut noise[..rows * auxiliary];
            let (whole, row) = (batch.whole(), batch.number(first));
            self.gan.noise(part, batch.step, whole, row, noise);
            noise_rows.clear();
            noise_rows.extend(noise.iter().map(|&y| T::from_f64(y)));
            let inputs = own_mut(tape, self.refiner.inputs(), number);
            let (inputs, given) = inputs.split_at_mut(inputs.len() - conditions);
            block.load(latents, given);
            if self.prior.is_none() {
                load(noise_rows, (0, auxiliary), inputs);
                continue;
            }
            let state = own_mut(prior_states, width, number);
            load(noise_rows, (0, auxiliary), &mut state[..auxiliary]);
            block.load(latents, own_mut(prior_conditions, conditions, number));
        }
        if let Some(prior) = &self.prior {
            let pass = Pass {
                cpu,
                rows: group.lanes(),
                conditions: &prior_conditions[..blocks * conditions],
                inverse: false,
                keep: false,
            };
            let mut point = Point::new(prior_states, width);
            prior.apply(&pass, &mut point, prior_tape);
            for block in 0..blocks {
                let inputs = own_mut(tape, self.refiner.inputs(), block);
                let inputs = &mut inputs[..self.refiner.inputs() - conditions];
                inputs.copy_from_slice(&point.state(block)[..inputs.len()]);
            }
        }
        self.refiner.forward(cpu, group.lanes(), tape);
        let refined = self.refiner.output(blocks, tape);
        for (number, block) in group.blocks() {
            let inputs = self.discriminator.inputs();
            let inputs = own_mut(discriminator_tape, inputs, place(number));
            let (z, conditions) = inputs.split_at_mut(latents);
            z.copy_from_slice(own(refined, latents, number));
            block.load(latents, conditions);
        }
    }

    /// Σ weight · softplus(∓D) of a block; leaves its derivatives in the place of the logits.
    fn judge(
        block: Block<T>,
        target: Target,
        weight: impl Fn(usize) -> f64,
        logits: &mut T::Feature,
    ) -> f64 {
        let logits = logits.as_mut();
        let sign = match target {
            Target::Real => -1.0,
            Target::Fake => 1.0,
        };
        let mut sum = 0.0;
        for lane in block.lanes() {
            let (w, logit) = (weight(lane), sign * logits[lane].to_f64());
            sum += w * softplus(logit);
            logits[lane] = T::from_f64(sign * w * sigmoid(logit));
        }
        logits[block.rows..].fill(T::default());
        sum
    }

    /// The discriminator's losses: of every block, of the real latents and of as many refined ones, which pass it one after the other.
    fn discriminate(&self, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        let inputs = self.discriminator.inputs();
        for (number, block) in group.blocks() {
            block.load(
                0,
                own_mut(&mut buffers.discriminator_tape, inputs, 2 * number),
            );
        }
        self.refine(0, group, buffers, |number| 2 * number + 1);
        let blocks = 2 * group.len();
        let tape = &mut buffers.discriminator_tape[..blocks * self.discriminator.tape()];
        self.discriminator
            .forward(group.cpu, 2 * group.lanes(), tape);
        let mean = 0.5 / group.batch.rows as f64;
        let logits = self.discriminator.output(blocks, tape).chunks_exact_mut(2);
        for (((_, block), logits), loss) in group.blocks().zip(logits).zip(losses) {
            let weights = block.weights();
            let real = |lane: usize| 0.5 * weights.as_ref()[lane].to_f64();
            *loss += Self::judge(block, Target::Real, real, &mut logits[0]);
            *loss += Self::judge(block, Target::Fake, |_| mean, &mut logits[1]);
        }
    }

    /// The refiner's losses: the discriminator is to take its latents for real.
    fn deceive(&self, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        self.refine(1, group, buffers, |number| number);
        let blocks = group.len();
        let tape = &mut buffers.discriminator_tape[..blocks * self.discriminator.tape()];
        self.discriminator.forward(group.cpu, group.lanes(), tape);
        let mean = 1.0 / group.batch.rows as f64;
        let logits = self.discriminator.output(blocks, tape);
        for (((_, block), logits), loss) in group.blocks().zip(logits).zip(losses) {
            *loss += Self::judge(block, Target::Real, |_| mean, logits);
        }
    }
}

impl<T: Element> Loss<T> for Players<'_, T> {
    type Buffers = Buffers<T>;

    fn pack(&mut self, mut parameters: &[T]) {
        self.discriminator.pack(&mut parameters);
        self.refiner.pack(&mut parameters);
    }

    fn together(&self) -> usize {
        let prior = self.prior.as_ref().map(Chain::size);
        let sizes = [self.discriminator.size(), self.refiner.size()];
        let sizes = sizes.into_iter().chain(prior);
        sizes.map(|size| size.blocks::<T>()).fold(1, usize::max)
    }

    fn buffers(&self) -> Result<Buffers<T>> {
        let (blocks, numbers) = (self.together(), T::ROWS * self.gan.auxiliary_dim());
        let prior = self.prior.as_ref();
        let features = |each: usize| room::filled(blocks * each, T::Feature::default());
        Ok(Buffers {
            prior_states: features(prior.map_or(0, Chain::widest))?,
            prior_conditions: features(self.gan.conditions)?,
            prior_tape: features(prior.map_or(0, |prior| prior.tape(false)))?,
            discriminator_tape: features(2 * self.discriminator.tape())?,
            refiner_tape: features(self.refiner.tape())?,
            discriminator_sums: self.discriminator.sums(2 * blocks)?,
            refiner_sums: self.refiner.sums(blocks)?,
            noise: room::filled(numbers, 0.0)?,
            noise_rows: room::empty(numbers)?,
        })
    }

    fn add(&self, part: usize, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        let (cpu, blocks, rows) = (group.cpu, group.len(), group.lanes());
        if part == 0 {
            self.discriminate(group, buffers, losses);
            let sums = Some(&mut buffers.discriminator_sums);
            let tape = &mut buffers.discriminator_tape;
            self.discriminator.backward(cpu, 2 * rows, tape, sums);
            return;
        }
        self.deceive(group, buffers, losses);
        let by_latents = &mut buffers.discriminator_tape;
        self.discriminator.backward(cpu, rows, by_latents, None);
        let tape = &mut buffers.refiner_tape[..blocks * self.refiner.tape()];
        let (outputs, latents) = (self.refiner.output(blocks, tape), self.refiner.outputs());
        for block in 0..blocks {
            let by_latents = own(by_latents, self.discriminator.inputs(), block);
            own_mut(outputs, latents, block).copy_from_slice(&by_latents[..latents]);
        }
        let sums = Some(&mut buffers.refiner_sums);
        self.refiner.backward(cpu, rows, tape, sums);
    }

    fn loss(&self, part: usize, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        match part {
            0 => self.discriminate(group, buffers, losses),
            _ => self.deceive(group, buffers, losses),
        }
    }

    fn collect(&self, part: usize, buffers: &mut Buffers<T>, mut gradient: &mut [T]) {
        let sums = match part {
            0 => &mut buffers.discriminator_sums,
            _ => &mut buffers.refiner_sums,
        };
        sums.add_to(&mut gradient);
        sums.clear();
    }
}
