//! The cheapest arcs of a node among all of them, found without looking at most.

use super::node::{distance, Node};
use crate::room::{self, Gather};
use crate::Result;
use std::ops::Range;

/// The possible far ends of a node's arcs, gathered in tiles so that whole tiles can be passed over.
pub(super) struct Pool {
    tiles: Vec<Tile>,
    ends: Vec<End>,
}

struct End {
    position: [f64; 2],
    offset: f64,
    node: usize,
}

/// A few ends close to each other.
struct Tile {
    low: [f64; 2],
    high: [f64; 2],
    least_offset: f64,
    range: Range<usize>,
}

/// Few enough to pass over precisely, many enough to pass over much.
const ENDS_PER_TILE: usize = 32;

impl Pool {
    /// A pool of `nodes` with the offset that each adds to the distance of its arcs.
    pub fn new(nodes: &[Node], offsets: impl Iterator<Item = f64>) -> Result<Self> {
        let end = |(node, (n, offset)): (usize, (&Node, f64))| End {
            position: n.position,
            offset,
            node,
        };
        let mut ends = nodes.iter().zip(offsets).enumerate().map(end).gather()?;
        // No tile is less than half full.
        let mut tiles = room::empty(1 + 2 * ends.len() / ENDS_PER_TILE)?;
        tile(&mut ends, 0, &mut tiles);
        Ok(Pool { tiles, ends })
    }

    /// The `count` nodes of least distance + offset below `limit`, best first, with that sum, into `found`.
    pub fn cheapest(
        &self,
        position: [f64; 2],
        count: usize,
        mut limit: f64,
        found: &mut Vec<(f64, usize)>,
    ) {
        found.clear();
        for tile in &self.tiles {
            if tile.least_cost(position) >= limit {
                continue;
            }
            for end in &self.ends[tile.range.clone()] {
                let cost = distance(end.position, position) + end.offset;
                if cost < limit {
                    found.insert(found.partition_point(|f| f.0 <= cost), (cost, end.node));
                    found.truncate(count);
                    if found.len() == count {
                        limit = found[count - 1].0;
                    }
                }
            }
        }
    }
}

impl Tile {
    fn new(ends: &[End], start: usize) -> Self {
        let mut tile = Tile {
            low: [f64::INFINITY; 2],
            high: [f64::NEG_INFINITY; 2],
            least_offset: f64::INFINITY,
            range: start..start + ends.len(),
        };
        for end in ends {
            for axis in 0..2 {
                tile.low[axis] = tile.low[axis].min(end.position[axis]);
                tile.high[axis] = tile.high[axis].max(end.position[axis]);
            }
            tile.least_offset = tile.least_offset.min(end.offset);
        }
        tile
    }

    /// No end of the tile has distance + offset below this.
    fn least_cost(&self, position: [f64; 2]) -> f64 {
        let gap = [0, 1].map(|k| {
            (self.low[k] - position[k])
                .max(position[k] - self.high[k])
                .max(0.0)
        });
        distance(gap, [0.0; 2]) + self.least_offset
    }
}

/// Cut the ends, the first of which has the index `start`, across their longer side until the parts are small enough.
fn tile(ends: &mut [End], start: usize, tiles: &mut Vec<Tile>) {
    let bounds = Tile::new(ends, start);
    if ends.len() <= ENDS_PER_TILE {
        tiles.push(bounds);
        return;
    }
    let side = |axis: usize| bounds.high[axis] - bounds.low[axis];
    let axis = usize::from(side(1) > side(0));
    let middle = ends.len() / 2;
    ends.select_nth_unstable_by(middle, |a, b| a.position[axis].total_cmp(&b.position[axis]));
    let (lower, upper) = ends.split_at_mut(middle);
    tile(lower, start, tiles);
    tile(upper, start + middle, tiles);
}
