//! What a file of particles says, before any use is made of it.

use super::Particle;

/// What was read: the beginning of a file, or an event.
#[derive(Default)]
pub struct Raw {
    pub text: String,
    /// Where in the text of an event the line with its weight is, or could be.
    pub head: usize,
    pub particles: Vec<Particle>,
    pub weight: f64,
    /// Those that have names, with them.
    pub weights: Vec<(String, f64)>,
    /// Of the weights, as the beginning declares them.
    pub names: Vec<String>,
}

impl Raw {
    pub fn clear(&mut self) {
        self.text.clear();
        self.particles.clear();
        self.weights.clear();
        (self.head, self.weight) = (0, 1.0);
    }
}
