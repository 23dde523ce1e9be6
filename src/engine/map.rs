//! What every map does with blocks.

use super::cpu::Cpu;
use super::gradient::MlpGradient;
use super::lanes::{blocks, own, own_mut, Element};
use super::size::{Size, MOST_BLOCKS};
use crate::Result;

/// A link of a [`Chain`](super::chain::Chain): a map of points, given a condition, with its network's weights packed.
pub(super) trait Map<T: Element>: Send + Sync {
    /// Takes the parameters, as many as it has, from the front of `parameters`.
    fn pack(&mut self, parameters: &mut &[T]);

    /// How large its network is.
    fn size(&self) -> Size;

    /// Sums for the gradient with respect to the parameters, 0, of up to `blocks` blocks at once.
    fn sums(&self, blocks: usize) -> Result<MlpGradient<T>>;

    /// Features of its tape, of every block; for [`Map::backward`], of one that keeps what that needs.
    fn tape(&self, keep: bool) -> usize;

    /// The image of every block's point, at the front of its state, in its place; adds log |det| of what it does. Maps that are not invertible know
    /// one direction and leave log |det| alone.
    fn apply(&self, pass: &Pass<T>, point: &mut Point<T>, tape: &mut [T::Feature]);

    /// Back through what [`Map::apply`] left on a tape that keeps it: the gradient with respect to its results, the point and log |det|,
    /// becomes in place that with respect to the point that came in. That with respect to the parameters is added to `sums`, if given; then
    /// as for [`Mlp::backward`](super::mlp::Mlp::backward).
    fn backward(
        &self,
        pass: &Pass<T>,
        gradient: &mut Point<T>,
        tape: &mut [T::Feature],
        sums: Option<&mut MlpGradient<T>>,
    );
}

/// How blocks go through maps.
pub(super) struct Pass<'a, T: Element> {
    pub cpu: Cpu,
    /// Rows that count: the first ones of the blocks, which they fill.
    pub rows: usize,
    /// Block after block.
    pub conditions: &'a [T::Feature],
    /// Whether x ↦ z, and not z ↦ x.
    pub inverse: bool,
    /// Whether the tape is to keep what the way back needs.
    pub keep: bool,
}

impl<T: Element> Pass<'_, T> {
    /// How many blocks pass together.
    pub fn blocks(&self) -> usize {
        blocks::<T>(self.rows)
    }

    /// The condition of a block.
    pub fn condition(&self, block: usize) -> &[T::Feature] {
        own(
            self.conditions,
            self.conditions.len() / self.blocks(),
            block,
        )
    }
}

/// The blocks' points under way and their log |det| of the way so far; or the gradient with respect to both.
pub(super) struct Point<'a, T: Element> {
    states: &'a mut [T::Feature],
    width: usize,
    pub log_det: [T::Feature; MOST_BLOCKS],
}

impl<'a, T: Element> Point<'a, T> {
    /// Before the first map; `states`: blocks × `width` features.
    pub fn new(states: &'a mut [T::Feature], width: usize) -> Self {
        Point {
            states,
            width,
            log_det: [T::Feature::default(); MOST_BLOCKS],
        }
    }

    /// The gradient with respect to the same points, whose place it takes.
    pub fn gradient(self) -> Self {
        Point::new(self.states, self.width)
    }

    /// The state of a block.
    pub fn state(&mut self, block: usize) -> &mut [T::Feature] {
        own_mut(self.states, self.width, block)
    }

    /// The state of a block and its log |det|.
    pub fn both(&mut self, block: usize) -> (&mut [T::Feature], &mut T::Feature) {
        (
            own_mut(self.states, self.width, block),
            &mut self.log_det[block],
        )
    }
}
