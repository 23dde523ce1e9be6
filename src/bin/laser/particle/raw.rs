//! What a file of particles says, before any use is made of it.

use super::Particle;
use std::ops::Range;

/// What was read: the beginning of a file, or an event.
#[derive(Default)]
pub struct Raw {
    pub text: String,
    /// Where in the text of an event its weights are, the nominal one first, with their values: those that can be multiplied.
    pub spans: Vec<(Range<usize>, f64)>,
    /// Where a further weight is to be put in.
    pub end: usize,
    /// Whether there is a block of named weights that it is put into.
    pub block: bool,
    pub particles: Vec<Particle>,
    pub weight: f64,
    /// Those that have names, with them.
    pub weights: Vec<(String, f64)>,
    /// Of the weights, as the beginning declares them.
    pub names: Vec<String>,
    /// What the weights mean, as the beginning of a Les Houches file says (IDWTUP).
    pub strategy: Option<i64>,
}

impl Raw {
    pub fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
        self.particles.clear();
        self.weights.clear();
        (self.end, self.block, self.weight) = (0, false, 1.0);
    }

    /// The text with all weights multiplied, all else letter by letter.
    pub fn multiplied(&self, factor: f64) -> String {
        let mut out = String::with_capacity(self.text.len() + 16);
        let mut at = 0;
        for (span, value) in &self.spans {
            out.push_str(&self.text[at..span.start]);
            out.push_str(&format!("{:e}", value * factor));
            at = span.end;
        }
        out.push_str(&self.text[at..]);
        out
    }

    /// The text with something put in where a further weight belongs.
    pub fn with(&self, more: &str) -> String {
        [&self.text[..self.end], more, &self.text[self.end..]].concat()
    }
}
