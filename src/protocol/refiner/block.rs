//! How events are made: block by block.

use super::history::History;
use super::statistics::Statistics;
use crate::compute::Stage;
use crate::model::{Dims, Evaluator};
use crate::protocol::draws::Draws;
use crate::room::Grow;
use crate::Result;

/// Successive events, row-major.
#[derive(Clone, Debug, Default)]
pub(in crate::protocol) struct Block {
    /// Number of the first event.
    pub first: u64,
    pub rows: usize,
    /// Latent rows and event rows, both with their conditions.
    pub z: Vec<f64>,
    pub x: Vec<f64>,
    /// The conditions alone.
    pub c: Vec<f64>,
    pub w: Vec<f64>,
    /// log w(z) of every event, if the method computes it.
    pub log_w: Vec<f64>,
}

impl Block {
    /// Room for events `first` and the `rows` − 1 after it, with their conditions.
    pub fn place(&mut self, first: u64, rows: usize, dims: Dims) -> Result<()> {
        self.first = first;
        self.rows = rows;
        self.z.sized(rows * dims.latent_row(), 0.0)?;
        self.x.sized(rows * dims.event_row(), 0.0)?;
        self.c.sized(rows * dims.conditions, 0.0)?;
        self.w.sized(rows, 0.0)
    }

    /// Where in the block an event is.
    pub fn row(&self, event: u64) -> Option<usize> {
        let row = event.wrapping_sub(self.first);
        (row < self.rows as u64).then_some(row as usize)
    }
}

/// What blocks a method can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Blocks {
    /// Any events; so many at once for the best speed.
    Any(usize),
    /// Exactly so many, the first a multiple of that.
    Aligned(usize),
}

/// A method's own way to fill blocks. With random numbers by their place, an event is a function of model, seed, stream and its number
/// alone.
pub(in crate::protocol) trait Maker: Send {
    /// The blocks that it fills.
    fn blocks(&self) -> Blocks;

    /// Fills `block`, whose vectors have their sizes, but for `log_w`. Asks `stage` whether to go on before all that takes long.
    ///
    /// # Errors Those of the evaluator, of the draws and of the stage; [`crate::Error::Numerical`] if the method cannot go on. The maker
    /// stays usable.
    fn fill(
        &mut self,
        evaluator: &mut dyn Evaluator,
        draws: &mut Draws,
        block: &mut Block,
        statistics: &mut Statistics,
        stage: &Stage,
    ) -> Result<()>;

    /// Recent states, if the method runs chains and has begun.
    fn history(&self) -> Option<&History> {
        None
    }
}
