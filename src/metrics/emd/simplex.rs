//! The network simplex for transport from sources to sinks.
//!
//! The basis is a spanning tree of sources, sinks and a root. At first the root is joined to every node by an
//! artificial arc, from sources and to sinks, so long that two of them are dearer than any true arc. A pivot brings in an arc of
//! negative reduced cost and takes out the one that blocks the cycle it closes. The tree is kept *strongly feasible*, every
//! arc without flow pointing to the root (Cunningham, Math. Program. 11 (1976) 105), and all numbers are
//! integers: so no basis can recur, and the pivots come to an end.

use super::node::{distance, Node};
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::room::{Gather, Grow};

/// A way from a source to a sink, by their numbers in the lists of nodes.
#[derive(Clone, Copy)]
pub(super) struct Arc {
    source: u32,
    sink: u32,
}

impl Arc {
    pub fn new(source: usize, sink: usize) -> Self {
        Arc {
            source: source as u32,
            sink: sink as u32,
        }
    }

    pub fn source(self) -> usize {
        self.source as usize
    }

    pub fn sink(self) -> usize {
        self.sink as usize
    }
}

/// An arc between nodes of the tree with its length as an integer.
#[derive(Clone, Copy)]
struct CostedArc {
    source: u32,
    sink: u32,
    cost: i64,
}

pub(super) struct Simplex {
    /// The sources, then the sinks, then the root. The arc to the parent leads up from a source and down to a sink.
    tree: Tree,
    sources: u32,
    positions: Vec<[f64; 2]>,
    arcs: Vec<CostedArc>,
    /// Where in `arcs` the search for the next one to enter goes on.
    next: usize,
    /// Integers per unit of distance, which is the histogram's diagonal.
    scale: f64,
    pivots_left: usize,
}

/// So many integers per unit that their rounding does not matter, so few that potentials are exact as `f64`.
const SCALE: f64 = (1u64 << 46) as f64;
/// No potential exceeds this, not even on a path through all nodes.
const LARGEST: f64 = (1u64 << 60) as f64;
/// About ten are usual.
const MAX_PIVOTS_PER_NODE: usize = 10_000;

impl Simplex {
    /// The problem without arcs. Masses of sources and of sinks have the same sum, below 2⁶³.
    pub fn new(sources: &[Node], sinks: &[Node]) -> Result<Self> {
        let count = sources.len() + sinks.len();
        if count >= u32::MAX as usize {
            return Err(Error::InvalidArgument(format!(
                "{count} bins differ between the histograms; the earth mover's distance takes fewer than 2³²"
            )));
        }
        let scale = SCALE.min(LARGEST / (count + 1) as f64);
        let artificial = scale as i64;
        let leaf = |(i, node): (usize, &Node)| {
            (
                node.mass,
                if i < sources.len() {
                    artificial
                } else {
                    -artificial
                },
            )
        };
        let nodes = sources.iter().chain(sinks).gather()?;
        Ok(Simplex {
            tree: Tree::star(nodes.iter().copied().enumerate().map(leaf))?,
            sources: sources.len() as u32,
            positions: nodes.iter().map(|node| node.position).gather()?,
            arcs: Vec::new(),
            next: 0,
            scale,
            pivots_left: count * MAX_PIVOTS_PER_NODE,
        })
    }

    /// The distance that one integer stands for.
    pub fn resolution(&self) -> f64 {
        1.0 / self.scale
    }

    /// Add those of the arcs that lower the cost at the present potentials; returns whether there were any.
    pub fn add(&mut self, arcs: &[Arc]) -> Result<bool> {
        let before = self.arcs.len();
        for arc in arcs {
            let (source, sink) = (arc.source, arc.sink + self.sources);
            let cost = (self.length(source, sink) * self.scale).round() as i64;
            let arc = CostedArc { source, sink, cost };
            if self.reduced_cost(&arc) < 0 {
                self.arcs.put(arc)?;
            }
        }
        Ok(self.arcs.len() > before)
    }

    /// Find the optimum on the arcs added so far.
    pub fn optimise(&mut self) -> Result<()> {
        while let Some(arc) = self.entering() {
            if self.pivots_left == 0 {
                return Err(Error::Numerical(format!(
                    "no optimal transport within {MAX_PIVOTS_PER_NODE} pivots for each of {} bins",
                    self.positions.len()
                )));
            }
            self.pivots_left -= 1;
            self.pivot(&arc);
        }
        Ok(())
    }

    /// The potentials u of the sources and v of the sinks: the optimum has u_i − v_j ≤ distance, equal where mass flows.
    pub fn potentials(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        let potential = |node: u32| self.tree.potential(node) as f64 / self.scale;
        let (sources, root) = (self.sources, self.tree.root());
        Ok((
            (0..sources).map(potential).gather()?,
            (sources..root).map(potential).gather()?,
        ))
    }

    /// The arcs of the basis.
    pub fn flows(&self) -> impl Iterator<Item = Arc> + '_ {
        self.basis().map(|(node, parent)| {
            let (source, sink) = if node < self.sources {
                (node, parent)
            } else {
                (parent, node)
            };
            Arc {
                source,
                sink: sink - self.sources,
            }
        })
    }

    /// Σ flow × distance, with the distances as they are and not as integers.
    pub fn cost(&self) -> f64 {
        self.basis()
            .map(|(node, parent)| self.tree.flow(node) as f64 * self.length(node, parent))
            .sum()
    }

    /// The nodes with their parents, without those that are still on artificial arcs.
    fn basis(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let root = self.tree.root();
        (0..root)
            .map(|node| (node, self.tree.parent(node)))
            .filter(move |&(_, parent)| parent != root)
    }

    fn length(&self, a: u32, b: u32) -> f64 {
        distance(self.positions[a as usize], self.positions[b as usize])
    }

    fn reduced_cost(&self, arc: &CostedArc) -> i64 {
        arc.cost - self.tree.potential(arc.source) + self.tree.potential(arc.sink)
    }

    /// The arc of least reduced cost in the next block of arcs that has a negative one.
    fn entering(&mut self) -> Option<CostedArc> {
        let block = self.arcs.len().isqrt().max(16);
        let mut searched = 0;
        while searched < self.arcs.len() {
            if self.next >= self.arcs.len() {
                self.next = 0;
            }
            let end = self.arcs.len().min(self.next + block);
            let candidates = &self.arcs[self.next..end];
            let best = candidates
                .iter()
                .map(|arc| (self.reduced_cost(arc), arc))
                .min_by_key(|c| c.0);
            searched += candidates.len();
            self.next = end;
            match best {
                Some((reduced_cost, arc)) if reduced_cost < 0 => return Some(*arc),
                _ => {}
            }
        }
        None
    }

    /// Send as much flow as possible round the cycle that the arc closes, which takes an arc out of the basis.
    fn pivot(&mut self, arc: &CostedArc) {
        let reduced_cost = self.reduced_cost(arc);
        let join = self.tree.join(arc.source, arc.sink);
        // In the direction of the cycle (down from the join to the source, over the arc, up to the join) the last
        // arc to run dry leaves: this is what keeps the tree strongly feasible.
        let on_source_side = self.first_to_empty(arc.source, join, true);
        let on_sink_side = self.first_to_empty(arc.sink, join, false);
        let (source_side, sink_side) = (on_source_side.0, on_sink_side.0);
        let flow = source_side.min(sink_side);
        self.send(arc.source, join, true, flow);
        self.send(arc.sink, join, false, flow);
        if sink_side <= source_side {
            self.tree.exchange(
                on_sink_side.1,
                arc.sink,
                arc.source,
                join,
                flow,
                -reduced_cost,
            );
        } else {
            self.tree.exchange(
                on_source_side.1,
                arc.source,
                arc.sink,
                join,
                flow,
                reduced_cost,
            );
        }
    }

    fn is_source(&self, node: u32) -> bool {
        node < self.sources
    }

    /// The least flow on the arcs from `node` up to `join` that lose flow, and the node below it. Flow is lost on the
    /// arcs of sources on the side of the source that the new arc relieves, and on those of sinks on the other
    /// side. Of equals, the nearest to the new arc is taken on the source's side, the farthest on the sink's.
    fn first_to_empty(&self, mut node: u32, join: u32, source_side: bool) -> (i64, u32) {
        let mut least = (i64::MAX, node);
        while node != join {
            let flow = self.tree.flow(node);
            if self.is_source(node) == source_side
                && (flow < least.0 || (flow == least.0 && !source_side))
            {
                least = (flow, node);
            }
            node = self.tree.parent(node);
        }
        least
    }

    /// Send flow round the part of the cycle between `node` and `join`.
    fn send(&mut self, mut node: u32, join: u32, source_side: bool, flow: i64) {
        while flow > 0 && node != join {
            let loses = self.is_source(node) == source_side;
            self.tree.add_flow(node, if loses { -flow } else { flow });
            node = self.tree.parent(node);
        }
    }
}
