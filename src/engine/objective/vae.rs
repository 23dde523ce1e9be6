//! The weighted variational autoencoder: encoder and decoder, one loss.

use super::blocks::{load, Block, Group, Loss};
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::{own, own_mut, Element};
use crate::engine::mlp::Mlp;
use crate::objective::Vae;
use crate::{room, Result};

pub(super) struct Coders<'a, T> {
    vae: Vae<'a>,
    encoder: Mlp<T>,
    decoder: Mlp<T>,
}

pub(super) struct Buffers<T: Element> {
    encoder_tape: Vec<T::Feature>,
    decoder_tape: Vec<T::Feature>,
    encoder_sums: MlpGradient<T>,
    decoder_sums: MlpGradient<T>,
    noise: Vec<f64>,
    noise_rows: Vec<T>,
    /// s ε, the latents' distances from their means.
    shifts: Vec<T::Feature>,
}

impl<'a, T: Element> Coders<'a, T> {
    pub fn new(vae: Vae<'a>) -> Result<Self> {
        Ok(Coders {
            encoder: Mlp::new(vae.encoder)?,
            decoder: Mlp::new(vae.decoder)?,
            vae,
        })
    }

    /// The losses; the events stay at the front of the encoder's tape, μ and log s at its end, û at the end of the decoder's.
    fn forward(&self, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        let (latent, blocks) = (self.vae.latent_dim(), group.len());
        let Buffers {
            noise,
            noise_rows,
            shifts,
            ..
        } = buffers;
        let encoder_tape = &mut buffers.encoder_tape[..blocks * self.encoder.tape()];
        let decoder_tape = &mut buffers.decoder_tape[..blocks * self.decoder.tape()];
        for (number, block) in group.blocks() {
            let noise = &mut noise[..block.rows * latent];
            let row = block.batch.number(block.first);
            self.vae.noise(block.batch.step, row, noise);
            noise_rows.clear();
            noise_rows.extend(noise.iter().map(|&e| T::from_f64(e)));
            load(noise_rows, (0, latent), own_mut(shifts, latent, number));
            block.load(0, own_mut(encoder_tape, self.encoder.inputs(), number));
        }
        self.encoder.forward(group.cpu, group.lanes(), encoder_tape);
        let posteriors = self.encoder.output(blocks, encoder_tape);
        for (number, block) in group.blocks() {
            let (mu, log_s) = own(posteriors, 2 * latent, number).split_at(latent);
            let inputs = own_mut(decoder_tape, self.decoder.inputs(), number);
            let (z, conditions) = inputs.split_at_mut(latent);
            let shifts = own_mut(shifts, latent, number);
            for k in 0..latent {
                let shift = shifts[k].as_mut();
                let (z, mu, log_s) = (z[k].as_mut(), mu[k].as_ref(), log_s[k].as_ref());
                for lane in block.lanes() {
                    shift[lane] = shift[lane] * T::from_f64(libm::exp(log_s[lane].to_f64()));
                    z[lane] = mu[lane] + shift[lane];
                }
                z[block.rows..].fill(T::default());
            }
            block.load(self.decoder.outputs(), conditions);
        }
        self.decoder.forward(group.cpu, group.lanes(), decoder_tape);
        let (u, rest) = encoder_tape.split_at_mut(blocks * self.encoder.inputs());
        let posteriors = self.encoder.output(blocks, rest);
        let reconstructions = self.decoder.output(blocks, decoder_tape);
        for ((number, block), loss) in group.blocks().zip(losses) {
            let reconstruction = own(reconstructions, self.decoder.outputs(), number);
            let u = own(u, self.encoder.inputs(), number);
            *loss += self.bound(
                block,
                u,
                own(posteriors, 2 * latent, number),
                reconstruction,
            );
        }
    }

    /// Σ weight · L of a block.
    fn bound(
        &self,
        block: Block<T>,
        u: &[T::Feature],
        posterior: &[T::Feature],
        reconstruction: &[T::Feature],
    ) -> f64 {
        let weights = block.weights();
        let precision = 1.0 / (self.vae.sigma * self.vae.sigma);
        let (mu, log_s) = posterior.split_at(self.vae.latent_dim());
        let mut sum = 0.0;
        for lane in block.lanes() {
            let at = |feature: &T::Feature| feature.as_ref()[lane].to_f64();
            let pulls = u.iter().zip(reconstruction).map(|(u, v)| at(u) - at(v));
            let squares: f64 = pulls.map(|pull| pull * pull).sum();
            let posteriors = mu.iter().zip(log_s).map(|(m, l)| (at(m), at(l)));
            let divergence: f64 = posteriors
                .map(|(m, l)| 0.5 * (m * m + libm::exp(2.0 * l) - 1.0) - l)
                .sum();
            let loss = 0.5 * precision * squares + self.vae.constant();
            sum += at(&weights) * (loss + self.vae.beta * divergence);
        }
        sum
    }

    /// û becomes the derivatives with respect to it.
    fn pull(&self, block: Block<T>, u: &[T::Feature], reconstruction: &mut [T::Feature]) {
        let weights = block.weights();
        let precision = 1.0 / (self.vae.sigma * self.vae.sigma);
        for (v, u) in reconstruction.iter_mut().zip(u) {
            let (v, u) = (v.as_mut(), u.as_ref());
            for lane in block.lanes() {
                let pull = v[lane].to_f64() - u[lane].to_f64();
                v[lane] = T::from_f64(precision * weights.as_ref()[lane].to_f64() * pull);
            }
            v[block.rows..].fill(T::default());
        }
    }

    /// μ and log s become the derivatives with respect to them, given those with respect to z.
    fn push(
        &self,
        block: Block<T>,
        posterior: &mut [T::Feature],
        z: &[T::Feature],
        shifts: &[T::Feature],
    ) {
        let weights = block.weights();
        let (mu, log_s) = posterior.split_at_mut(self.vae.latent_dim());
        let gradients = z.iter().zip(shifts);
        for ((mu, log_s), (z, shift)) in mu.iter_mut().zip(log_s).zip(gradients) {
            let (mu, log_s) = (mu.as_mut(), log_s.as_mut());
            let (z, shift) = (z.as_ref(), shift.as_ref());
            for lane in block.lanes() {
                let w = self.vae.beta * weights.as_ref()[lane].to_f64();
                let z = z[lane].to_f64();
                let variance = libm::exp(2.0 * log_s[lane].to_f64());
                mu[lane] = T::from_f64(z + w * mu[lane].to_f64());
                log_s[lane] = T::from_f64(z * shift[lane].to_f64() + w * (variance - 1.0));
            }
            mu[block.rows..].fill(T::default());
            log_s[block.rows..].fill(T::default());
        }
    }
}

impl<T: Element> Loss<T> for Coders<'_, T> {
    type Buffers = Buffers<T>;

    fn pack(&mut self, mut parameters: &[T]) {
        self.encoder.pack(&mut parameters);
        self.decoder.pack(&mut parameters);
    }

    fn together(&self) -> usize {
        let sizes = [self.encoder.size(), self.decoder.size()];
        sizes
            .map(|size| size.blocks::<T>())
            .into_iter()
            .fold(1, usize::max)
    }

    fn buffers(&self) -> Result<Buffers<T>> {
        let (latent, blocks) = (self.vae.latent_dim(), self.together());
        let features = |each: usize| room::filled(blocks * each, T::Feature::default());
        Ok(Buffers {
            encoder_tape: features(self.encoder.tape())?,
            decoder_tape: features(self.decoder.tape())?,
            encoder_sums: self.encoder.sums(blocks)?,
            decoder_sums: self.decoder.sums(blocks)?,
            noise: room::filled(T::ROWS * latent, 0.0)?,
            noise_rows: room::empty(T::ROWS * latent)?,
            shifts: features(latent)?,
        })
    }

    fn add(&self, _: usize, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        self.forward(group, buffers, losses);
        let (latent, blocks, rows) = (self.vae.latent_dim(), group.len(), group.lanes());
        let Buffers {
            encoder_sums,
            decoder_sums,
            shifts,
            ..
        } = buffers;
        let encoder_tape = &mut buffers.encoder_tape[..blocks * self.encoder.tape()];
        let decoder_tape = &mut buffers.decoder_tape[..blocks * self.decoder.tape()];
        let reconstructions = self.decoder.output(blocks, decoder_tape);
        for (number, block) in group.blocks() {
            let reconstruction = own_mut(reconstructions, self.decoder.outputs(), number);
            let u = own(encoder_tape, self.encoder.inputs(), number);
            self.pull(block, u, reconstruction);
        }
        let sums = Some(decoder_sums);
        self.decoder.backward(group.cpu, rows, decoder_tape, sums);
        let posteriors = self.encoder.output(blocks, encoder_tape);
        for (number, block) in group.blocks() {
            let z = own(decoder_tape, self.decoder.inputs(), number);
            let posterior = own_mut(posteriors, 2 * latent, number);
            self.push(block, posterior, z, own(shifts, latent, number));
        }
        let sums = Some(encoder_sums);
        self.encoder.backward(group.cpu, rows, encoder_tape, sums);
    }

    fn loss(&self, _: usize, group: Group<T>, buffers: &mut Buffers<T>, losses: &mut [f64]) {
        self.forward(group, buffers, losses);
    }

    fn collect(&self, _: usize, buffers: &mut Buffers<T>, mut gradient: &mut [T]) {
        for sums in [&mut buffers.encoder_sums, &mut buffers.decoder_sums] {
            sums.add_to(&mut gradient);
            sums.clear();
        }
    }
}
