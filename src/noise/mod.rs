//! Noise without state: every random number is a function of where it is used.
//!
//! Draw `d` of event `i` is word `d % 4` of Philox 4x64-10 at the counter (d / 4, i, stream, 0) under the key
//! (seed, domain). Different places therefore never share a number, and any number can be had alone: whatever the
//! batches, threads and order of calls, the bits are the same. All places of the library are in one table, `places`.

mod normal;
mod permutation;
mod philox;
pub(crate) mod places;

pub(crate) use permutation::Permutation;
use rand::RngCore;

/// What a random number is for; each purpose of [`domain`] has numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain(u64);

/// The purposes. Their values enter the noise and are therefore never changed.
pub mod domain {
    use super::Domain;

    /// Latents of generated events: z, or y where a refiner maps y to z.
    pub const LATENT: Domain = Domain(1);
    /// The uniforms that accept or reject.
    pub const ACCEPT: Domain = Domain(2);
    /// Latents proposed by rejection sampling, and the first states of chains.
    pub const PROPOSAL: Domain = Domain(3);
    /// Momenta of HMC.
    pub const MOMENTUM: Domain = Domain(4);
    /// Initial weights of the generator.
    pub const INITIAL: Domain = Domain(5);
    /// Initial weights of the classifier.
    pub const CLASSIFIER_INITIAL: Domain = Domain(6);
    /// Initial weights of the learned refiners.
    pub const GAN_INITIAL: Domain = Domain(7);
    /// The order of events in training.
    pub const SHUFFLE: Domain = Domain(8);
    /// Latents drawn during training.
    pub const TRAINING: Domain = Domain(9);
    /// The pool of weighted latents that refiners learn from.
    pub const POOL: Domain = Domain(10);
    /// The pilot run that measures the weights.
    pub const PILOT: Domain = Domain(11);
    /// Which of given events are kept.
    pub const KEPT: Domain = Domain(15);
    /// Initial weights of the classifiers of unfolding.
    pub const UNFOLDING: Domain = Domain(13);
    /// How often an event is drawn, of a replica.
    pub const REPLICA: Domain = Domain(14);
    /// Resampling and directions of scores.
    pub const SCORES: Domain = Domain(40);
    /// The classifier two-sample test: its halves, its network and the order of its events.
    pub const TWO_SAMPLE: Domain = Domain(41);
    /// Angles of particles that no feature of an event tells, of the program.
    pub const PARTICLES: Domain = Domain(42);
}

/// Angles of particles that no feature tells, of the events of a sampler's stream.
pub fn angles(seed: u64, stream: u64) -> Noise {
    places::ANGLES.at(stream).noise(seed)
}

/// The noise of one seed, stream and domain. A few words without state: copy it, and use it from any thread.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    key: [u64; 2],
    stream: u64,
}

impl Noise {
    /// The noise of `seed` and `stream` for the purpose `domain`.
    pub fn new(seed: u64, stream: u64, domain: Domain) -> Self {
        Noise {
            key: [seed, domain.0],
            stream,
        }
    }

    /// Uniform numbers of the open interval (0, 1), multiples of 2^-53: draws `first_draw`, `first_draw + 1`, …
    /// of `event`.
    pub fn uniforms(&self, event: u64, first_draw: u64, out: &mut [f64]) {
        // The draws up to the next block boundary, then whole blocks.
        let phase = (first_draw % WORDS as u64) as usize;
        let (head, blocks) = out.split_at_mut(out.len().min((WORDS - phase) % WORDS));
        let block = first_draw / WORDS as u64;
        if !head.is_empty() {
            fill(head, &self.block(event, block)[phase..]);
        }
        let next = block + u64::from(phase > 0);
        for (out, block) in blocks.chunks_mut(WORDS).zip(next..) {
            fill(out, &self.block(event, block));
        }
    }

    /// Standard normal numbers: the quantiles of [`Noise::uniforms`], one for one; none is beyond ±8.21.
    pub fn normals(&self, event: u64, first_draw: u64, out: &mut [f64]) {
        self.uniforms(event, first_draw, out);
        normal::quantiles(out);
    }

    /// Fills a row-major matrix of shape `rows` x `dim`: row r holds the first `dim` uniforms of event
    /// `first_event + r`. Of an `out` that is longer or shorter, the rows that both have are filled.
    pub fn fill_uniforms(&self, first_event: u64, rows: usize, dim: usize, out: &mut [f64]) {
        if dim == 0 {
            return;
        }
        for (r, row) in out.chunks_exact_mut(dim).take(rows).enumerate() {
            self.uniforms(first_event.wrapping_add(r as u64), 0, row);
        }
    }

    /// Like [`Noise::fill_uniforms`], with standard normal numbers.
    pub fn fill_normals(&self, first_event: u64, rows: usize, dim: usize, out: &mut [f64]) {
        let filled = rows.min(out.len().checked_div(dim).unwrap_or(0)) * dim;
        let out = &mut out[..filled];
        self.fill_uniforms(first_event, rows, dim, out);
        normal::quantiles(out);
    }

    /// The draws of `event` as a generator for the `rand` crate, for shuffles. They are the words that
    /// [`Noise::uniforms`] is made of: use one or the other for an event.
    pub fn rng(&self, event: u64) -> PhiloxRng {
        PhiloxRng {
            noise: *self,
            event,
            draw: 0,
            words: [0; WORDS],
        }
    }

    #[inline(always)]
    fn block(&self, event: u64, block: u64) -> [u64; WORDS] {
        philox::philox4x64([block, event, self.stream, 0], self.key)
    }
}

/// Replaces uniform numbers of (0, 1) by the standard normal numbers that are their quantiles.
pub fn normal_quantiles(u: &mut [f64]) {
    normal::quantiles(u);
}

/// Words of one block.
const WORDS: usize = 4;

/// The middles of 2^52 equal bins of (0, 1): neither 0 nor 1, and symmetric about 1/2, all without rounding.
#[inline(always)]
fn fill(out: &mut [f64], words: &[u64]) {
    const BIN: f64 = 1.0 / (1u64 << 52) as f64;
    for (out, word) in out.iter_mut().zip(words) {
        *out = ((word >> 12) as f64 + 0.5) * BIN;
    }
}

/// Successive draws of one event: see [`Noise::rng`]. Not for cryptography.
#[derive(Clone, Debug)]
pub struct PhiloxRng {
    noise: Noise,
    event: u64,
    draw: u64,
    words: [u64; WORDS],
}

impl RngCore for PhiloxRng {
    fn next_u64(&mut self) -> u64 {
        let phase = (self.draw % WORDS as u64) as usize;
        if phase == 0 {
            self.words = self.noise.block(self.event, self.draw / WORDS as u64);
        }
        self.draw = self.draw.wrapping_add(1);
        self.words[phase]
    }

    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        for bytes in out.chunks_mut(size_of::<u64>()) {
            let word = self.next_u64().to_le_bytes();
            bytes.copy_from_slice(&word[..bytes.len()]);
        }
    }
}

#[cfg(test)]
mod statistics;
#[cfg(test)]
mod tests;
