//! The weighted variational autoencoder: encoder and decoder, one loss.

use super::blocks::{load, Block, Loss};
use crate::engine::gradient::MlpGradient;
use crate::engine::lanes::Element;
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

    /// The block's loss; the events stay at the front of the encoder's tape, μ and log s at its end, û at the end of the decoder's.
    fn forward(&self, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        let latent = self.vae.latent_dim();
        let noise = &mut buffers.noise[..block.rows * latent];
        let batch = block.batch;
        self.vae.noise(batch.step, batch.number(block.first), noise);
        buffers.noise_rows.clear();
        buffers
            .noise_rows
            .extend(noise.iter().map(|&e| T::from_f64(e)));
        load(&buffers.noise_rows, (0, latent), &mut buffers.shifts);
        let tape = &mut buffers.encoder_tape;
        block.load(0, &mut tape[..self.encoder.inputs()]);
        self.encoder.forward(block.cpu, T::ROWS, tape);
        let (mu, log_s) = self.encoder.output(tape).split_at(latent);
        let inputs = self.decoder.inputs();
        let (z, conditions) = buffers.decoder_tape[..inputs].split_at_mut(latent);
        for k in 0..latent {
            let shift = buffers.shifts[k].as_mut();
            let (z, mu, log_s) = (z[k].as_mut(), mu[k].as_ref(), log_s[k].as_ref());
            for lane in block.lanes() {
                shift[lane] = shift[lane] * T::from_f64(libm::exp(log_s[lane].to_f64()));
                z[lane] = mu[lane] + shift[lane];
            }
            z[block.rows..].fill(T::default());
        }
        block.load(self.decoder.outputs(), conditions);
        self.decoder
            .forward(block.cpu, T::ROWS, &mut buffers.decoder_tape);
        self.bound(block, buffers)
    }

    /// Σ weight · L.
    fn bound(&self, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        let weights = block.weights();
        let precision = 1.0 / (self.vae.sigma * self.vae.sigma);
        let (u, rest) = buffers.encoder_tape.split_at_mut(self.decoder.outputs());
        let (mu, log_s) = self.encoder.output(rest).split_at(self.vae.latent_dim());
        let reconstruction = self.decoder.output(&mut buffers.decoder_tape);
        let mut sum = 0.0;
        for lane in block.lanes() {
            let at = |feature: &T::Feature| feature.as_ref()[lane].to_f64();
            let pulls = u.iter().zip(&*reconstruction).map(|(u, v)| at(u) - at(v));
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

    /// û at the end of the decoder's tape becomes the derivatives with respect to it.
    fn pull(&self, block: Block<T>, weights: &T::Feature, buffers: &mut Buffers<T>) {
        let precision = 1.0 / (self.vae.sigma * self.vae.sigma);
        let reconstruction = self.decoder.output(&mut buffers.decoder_tape);
        for (v, u) in reconstruction.iter_mut().zip(&buffers.encoder_tape) {
            let (v, u) = (v.as_mut(), u.as_ref());
            for lane in block.lanes() {
                let pull = v[lane].to_f64() - u[lane].to_f64();
                v[lane] = T::from_f64(precision * weights.as_ref()[lane].to_f64() * pull);
            }
            v[block.rows..].fill(T::default());
        }
    }

    /// μ and log s at the end of the encoder's tape become the derivatives with respect to them; those with respect to z are at the front
    /// of the decoder's.
    fn push(&self, block: Block<T>, weights: &T::Feature, buffers: &mut Buffers<T>) {
        let latent = self.vae.latent_dim();
        let output = self.encoder.output(&mut buffers.encoder_tape);
        let (mu, log_s) = output.split_at_mut(latent);
        let gradients = buffers.decoder_tape.iter().zip(&buffers.shifts);
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

    fn buffers(&self) -> Result<Buffers<T>> {
        let latent = self.vae.latent_dim();
        Ok(Buffers {
            encoder_tape: room::filled(self.encoder.tape(), T::Feature::default())?,
            decoder_tape: room::filled(self.decoder.tape(), T::Feature::default())?,
            encoder_sums: self.encoder.sums()?,
            decoder_sums: self.decoder.sums()?,
            noise: room::filled(T::ROWS * latent, 0.0)?,
            noise_rows: room::empty(T::ROWS * latent)?,
            shifts: room::filled(latent, T::Feature::default())?,
        })
    }

    fn add(&self, _: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        let loss = self.forward(block, buffers);
        let (cpu, weights) = (block.cpu, block.weights());
        self.pull(block, &weights, buffers);
        let sums = Some(&mut buffers.decoder_sums);
        let tape = &mut buffers.decoder_tape;
        self.decoder.backward(cpu, T::ROWS, tape, sums);
        self.push(block, &weights, buffers);
        let sums = Some(&mut buffers.encoder_sums);
        let tape = &mut buffers.encoder_tape;
        self.encoder.backward(cpu, T::ROWS, tape, sums);
        loss
    }

    fn loss(&self, _: usize, block: Block<T>, buffers: &mut Buffers<T>) -> f64 {
        self.forward(block, buffers)
    }

    fn collect(&self, _: usize, buffers: &mut Buffers<T>, mut gradient: &mut [T]) {
        for sums in [&mut buffers.encoder_sums, &mut buffers.decoder_sums] {
            sums.add_to(&mut gradient);
            sums.clear();
        }
    }
}
