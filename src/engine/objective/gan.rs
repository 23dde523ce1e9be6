//! The weighted GAN: a discriminator and the refiner, each with its own loss.

use super::blocks::{load, Block, Loss};
use crate::engine::chain::Chain;
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::Element;
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
    /// What is on its way through the prior, with its condition and its tape.
    prior_state: Vec<T::Feature>,
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

    /// z = Φ(y) and the condition to the front of the discriminator's tape.
    fn refine(&self, part: usize, block: Block<T>, buffers: &mut Buffers<T>) {
        let Block {
            batch,
            first,
            rows,
            cpu,
        } = block;
        let auxiliary = self.gan.auxiliary_dim();
        let noise = &mut buffers.noise[..rows * auxiliary];
        let (whole, number) = (batch.whole(), batch.number(first));
        self.gan.noise(part, batch.step, whole, number, noise);
        buffers.noise_rows.clear();
        buffers
            .noise_rows
            .extend(noise.iter().map(|&y| T::from_f64(y)));
        let tape = &mut buffers.refiner_tape;
        let latents = self.refiner.outputs();
        let inputs = self.refiner.inputs() - self.gan.conditions;
        block.load(latents, &mut tape[inputs..self.refiner.inputs()]);
        match &self.prior {
            None => load(&buffers.noise_rows, (0, auxiliary), &mut tape[..inputs]),
            Some(prior) => {
                let state = &mut buffers.prior_state[..];
                load(&buffers.noise_rows, (0, auxiliary), &mut state[..auxiliary]);
                block.load(latents, &mut buffers.prior_conditions);
                let pass = Pass {
                    cpu,
                    rows: T::ROWS,
                    conditions: &buffers.prior_conditions,
                    inverse: false,
                    keep: false,
                };
                prior.apply(&pass, &mut Point::new(state), &mut buffers.prior_tape);
                tape[..inputs].copy_from_slice(&state[..inputs]);
            }
        }
        self.refiner.forward(cpu, T::ROWS, tape);
        let inputs = self.discriminator.inputs();
        let (z, conditions) = buffers.discriminator_tape[..inputs].split_at_mut(latents);
        z.copy_from_slice(self.refiner.output(tape));
        block.load(latents, conditions);
    }

    /// Σ weight · softplus(∓D) over the latents at the front of the tape; leaves its derivatives in the place of the logits.
    fn judge(
        &self,
        block: Block<T>,
        target: Target,
        weight: impl Fn(usize) -> f64,
        tape: &mut [T::Feature],
    ) -> f64 {
        self.discriminator.forward(block.cpu, T::ROWS, tape);
        let logits = self.discriminator.output(tape)[0].as_mut();
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

    /// The discriminator's loss; calls `then` after the real and after the refined latents, when the tape holds its derivatives.
    fn discriminate(
        &self,
        block: Block<T>,
        buffers: &mut Buffers<T>,
        then: impl Fn(&mut Buffers<T>),
    ) -> f64 {
        let weights = block.weights();
        let inputs = self.discriminator.inputs();
        block.load(0, &mut buffers.discriminator_tape[..inputs]);
        let real = |lane: usize| 0.5 * weights.as_ref()[lane].to_f64();
        let on_real = self.judge(block, Target::Real, real, &mut buffers.discriminator_tape);
        then(buffers);
        self.refine(0, block, buffers);
        let mean = 0.5 / block.batch.rows as f64;
        let tape = &mut buffers.discriminator_tape;
        let on_fake = self.judge(block, Target::Fake, |_| mean, tape);
        then(buffers);
        on_real + on_fake
    }

    /// The refiner's loss: the discriminator is to take its latents for real.
    fn deceive(&self, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        self.refine(1, block, buffers);
        let mean = 1.0 / block.batch.rows as f64;
        self.judge(
            block,
            Target::Real,
            |_| mean,
            &mut buffers.discriminator_tape,
        )
    }
}

impl<T: Element> Loss<T> for Players<'_, T> {
    type Buffers = Buffers<T>;

    fn pack(&mut self, mut parameters: &[T]) {
        self.discriminator.pack(&mut parameters);
        self.refiner.pack(&mut parameters);
    }

    fn buffers(&self) -> Result<Buffers<T>> {
        let numbers = T::ROWS * self.gan.auxiliary_dim();
        let prior = self.prior.as_ref();
        Ok(Buffers {
            prior_state: room::filled(prior.map_or(0, Chain::widest), T::Feature::default())?,
            prior_conditions: room::filled(self.gan.conditions, T::Feature::default())?,
            prior_tape: room::filled(
                prior.map_or(0, |prior| prior.tape(false)),
                T::Feature::default(),
            )?,
            discriminator_tape: room::filled(self.discriminator.tape(), T::Feature::default())?,
            refiner_tape: room::filled(self.refiner.tape(), T::Feature::default())?,
            discriminator_sums: self.discriminator.sums()?,
            refiner_sums: self.refiner.sums()?,
            noise: room::filled(numbers, 0.0)?,
            noise_rows: room::empty(numbers)?,
        })
    }

    fn add(&self, part: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        let cpu = block.cpu;
        if part == 0 {
            return self.discriminate(block, buffers, |buffers| {
                let sums = Some(&mut buffers.discriminator_sums);
                let tape = &mut buffers.discriminator_tape;
                self.discriminator.backward(cpu, T::ROWS, tape, sums);
            });
        }
        let loss = self.deceive(block, buffers);
        let tape = &mut buffers.discriminator_tape;
        self.discriminator.backward(cpu, T::ROWS, tape, None);
        let z = self.refiner.output(&mut buffers.refiner_tape);
        z.copy_from_slice(&tape[..z.len()]);
        let sums = Some(&mut buffers.refiner_sums);
        self.refiner
            .backward(cpu, T::ROWS, &mut buffers.refiner_tape, sums);
        loss
    }

    fn loss(&self, part: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        match part {
            0 => self.discriminate(block, buffers, |_| ()),
            _ => self.deceive(block, buffers),
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
