//! How many blocks of rows pass through networks together.
//!
//! A block goes through all layers while it stays in cache, and so do the weights of networks that are small enough. Those of others come
//! from memory for every block, and the sums of their gradients go there and back: so several blocks pass every layer together, each panel
//! of weights serving all of them. That changes no bit: every sum runs in the same order.

use super::lanes::{blocks, Element};
use std::iter::Sum;

/// The size of networks that blocks pass one after the other.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    /// All their weights.
    pub weights: usize,
    /// Features of the widest layer.
    pub widest: usize,
}

/// Weights of so many bytes stay in cache, with what else a training needs.
const KEPT: usize = 384 << 10;

/// The inputs of a layer should stay in cache while its weights pass: so many bytes.
const PASSING: usize = 512 << 10;

/// Fewest blocks that pass together where weights do not stay.
const FEWEST_BLOCKS: usize = 4;

/// The most blocks that pass together.
pub(super) const MOST_BLOCKS: usize = 16;

impl Size {
    /// Blocks that pass together.
    pub fn blocks<T: Element>(self) -> usize {
        if self.weights * size_of::<T>() <= KEPT {
            return 1;
        }
        let layer = self.widest.max(1) * size_of::<T::Feature>();
        (PASSING / layer).clamp(FEWEST_BLOCKS, MOST_BLOCKS)
    }
}

/// Rows that pass together where `rows` are divided evenly into passes of at most `most` blocks.
pub(super) fn pass<T: Element>(rows: usize, most: usize) -> usize {
    let blocks = blocks::<T>(rows).max(1);
    blocks.div_ceil(blocks.div_ceil(most)) * T::ROWS
}

impl Sum for Size {
    fn sum<I: Iterator<Item = Size>>(sizes: I) -> Size {
        sizes.fold(Size::default(), |sum, size| Size {
            weights: sum.weights + size.weights,
            widest: sum.widest.max(size.widest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_pass_together_where_weights_do_not_stay() {
        let blocks = |weights, widest| Size { weights, widest }.blocks::<f32>();
        // The paper's flow and classifier.
        assert_eq!(blocks(12 * 4752, 48), 1);
        assert_eq!(blocks(64_800, 96), 1);
        assert_eq!(blocks(1 << 20, 128), MOST_BLOCKS);
        assert_eq!(blocks(8 << 20, 1 << 20), FEWEST_BLOCKS);
    }

    #[test]
    fn passes_are_even() {
        for (rows, most, expected) in [
            (1, 8, 1),
            (256, 8, 8),
            (257, 8, 5),
            (2000, 8, 8),
            (2000, 1, 1),
        ] {
            assert_eq!(pass::<f32>(rows, most), expected * f32::ROWS);
        }
    }
}
