//! What every map does with a block.

use super::cpu::Cpu;
use super::gradient::MlpGradient;
use super::lanes::Element;
use crate::Result;

/// A link of a [`Chain`](super::chain::Chain): a map of points, given a condition, with its network's weights packed.
pub(super) trait Map<T: Element>: Send + Sync {
    /// Takes the parameters, as many as it has, from the front of `parameters`.
    fn pack(&mut self, parameters: &mut &[T]);

    /// Sums for the gradient with respect to the parameters, 0.
    fn sums(&self) -> Result<MlpGradient<T>>;

    /// Features of its tape; for [`Map::backward`], of one that keeps what that needs.
    fn tape(&self, keep: bool) -> usize;

    /// The image of the point, at the front of the state, in its place; adds log |det| of what it does. Maps that are not invertible know
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

/// How a block goes through maps.
pub(super) struct Pass<'a, T: Element> {
    pub cpu: Cpu,
    /// Rows that count: the first ones.
    pub rows: usize,
    pub conditions: &'a [T::Feature],
    /// Whether x ↦ z, and not z ↦ x.
    pub inverse: bool,
    /// Whether the tape is to keep what the way back needs.
    pub keep: bool,
}

/// A point under way and log |det| of the way so far; or the gradient with respect to both.
pub(super) struct Point<'a, T: Element> {
    pub state: &'a mut [T::Feature],
    pub log_det: T::Feature,
}

impl<'a, T: Element> Point<'a, T> {
    /// Before the first map.
    pub fn new(state: &'a mut [T::Feature]) -> Self {
        Point {
            state,
            log_det: T::Feature::default(),
        }
    }
}
