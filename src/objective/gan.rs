//! The weighted GAN: a discriminator and the refiner, each with its own loss.

use crate::model::{Map, Mlp};
use crate::noise::places::Place;

/// Batches are points z (a refiner's latents or a generator's scaled events) followed by scaled conditions, with weights; the network that
/// is called the refiner maps noise y, perhaps through a prior, and the condition to z, the discriminator judges z and the condition. Part
/// 0, the discriminator: ½ [mean w softplus(−D(z)) + mean softplus(D(Φ(y)))]. Part 1, the refiner: mean softplus(−D(Φ(y))). The flat buffer
/// holds the discriminator, then the refiner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gan<'a> {
    pub discriminator: &'a Mlp,
    pub refiner: &'a Mlp,
    /// C.
    pub conditions: usize,
    /// Discriminator updates per refiner update.
    pub discriminator_steps: u64,
    pub seed: u64,
    /// Of the noise.
    pub place: Place,
    /// What the network's latents come from, if they are not the noise itself.
    pub prior: Option<Prior<'a>>,
}

/// Maps that are not trained, from noise y and the condition to a network's latents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prior<'a> {
    pub maps: &'a [Map],
    /// Their flat parameters.
    pub parameters: &'a [f64],
}

impl Gan<'_> {
    /// L, the numbers of a y.
    pub fn auxiliary_dim(&self) -> usize {
        let first = self.prior.and_then(|prior| prior.maps.first());
        first.map_or(self.refiner.inputs - self.conditions, |map| {
            map.inputs(self.conditions)
        })
    }

    /// The noise y of the rows from `first` on, of `rows` in all, of part `part`'s update at `step`: rows × auxiliary.
    pub fn noise(&self, part: usize, step: u64, rows: usize, first: usize, y: &mut [f64]) {
        // One event of the noise per update; the two parts draw from it one after the other.
        let row = part * rows + first;
        let noise = self.place.noise(self.seed);
        noise.normals(step, (row * self.auxiliary_dim()) as u64, y);
    }
}
