//! Optimal transport on a grid, from coarse to fine.
//!
//! The problem has one arc for each pair of source and sink, far too many to hold, but only few of them matter, and
//! the optimum on a grid of half the resolution shows which: those between the parts of two bins that exchange mass
//! there, and those within one bin. The simplex solves the problem on these arcs; its potentials then price all
//! others, and those that would lower the cost are added, until there are none. That is the optimum of the whole problem.

use super::node::Node;
use super::pricing::Pool;
use super::simplex::{Arc, Simplex};
use crate::error::{Error, Result};
use crate::order::sort_numbers;
use crate::room::{self, Gather, Grow};

/// The bins of a histogram; bin (ix, iy) has the number `ix * bins[1] + iy`.
pub(super) struct Grid {
    pub bins: [usize; 2],
    /// In units of the histogram's diagonal, so that no distance exceeds one.
    pub widths: [f64; 2],
}

/// The bins between which an optimal plan may move mass, and the cost of the plan.
struct Plan {
    flows: Vec<(usize, usize)>,
    cost: f64,
}

/// Up to this number, all pairs of source and sink are taken; a coarser grid would not help.
const FEW_ARCS: usize = 1 << 12;
/// How many arcs of a node one round of pricing adds at most.
const ARCS_PER_ROUND: usize = 4;
/// Fewer than twenty rounds are usual.
const MAX_ROUNDS: usize = 1000;

/// The least Σ mass × distance that brings the positive `masses` of the grid to the negative ones.
pub(super) fn cost(grid: &Grid, masses: &[i64]) -> Result<f64> {
    Ok(solve(grid, masses)?.cost)
}

fn solve(grid: &Grid, masses: &[i64]) -> Result<Plan> {
    let sources = grid.nodes(masses, 1)?;
    let sinks = grid.nodes(masses, -1)?;
    let mut arcs = if sources.len().saturating_mul(sinks.len()) <= FEW_ARCS {
        all_arcs(sources.len(), sinks.len())?
    } else {
        let (coarse, coarse_masses) = grid.halved(masses)?;
        let plan = solve(&coarse, &coarse_masses)?;
        arcs_along(
            &plan.flows,
            &grid.by_cell(&sources)?,
            &grid.by_cell(&sinks)?,
        )?
    };
    let mut simplex = Simplex::new(&sources, &sinks)?;
    for _ in 0..MAX_ROUNDS {
        if !simplex.add(&arcs)? {
            let flows = simplex
                .flows()
                .map(|arc| (sources[arc.source()].bin, sinks[arc.sink()].bin))
                .gather()?;
            return Ok(Plan {
                flows,
                cost: simplex.cost(),
            });
        }
        simplex.optimise()?;
        arcs = violated_arcs(&simplex, &sources, &sinks)?;
    }
    Err(Error::Numerical(format!(
        "no optimal transport within {MAX_ROUNDS} rounds of pricing"
    )))
}

impl Grid {
    fn nodes(&self, masses: &[i64], sign: i64) -> Result<Vec<Node>> {
        let of_sign = masses
            .iter()
            .enumerate()
            .filter(|(_, mass)| mass.signum() == sign);
        of_sign
            .map(|(bin, mass)| Node {
                bin,
                position: self.centre(bin),
                mass: mass.abs(),
            })
            .gather()
    }

    fn centre(&self, bin: usize) -> [f64; 2] {
        let index = [bin / self.bins[1], bin % self.bins[1]];
        [0, 1].map(|axis| (index[axis] as f64 + 0.5) * self.widths[axis])
    }

    /// The numbers of bins of the grid of half the resolution.
    fn cells(&self) -> [usize; 2] {
        self.bins.map(|n| n.div_ceil(2))
    }

    /// The bin of the grid of half the resolution that holds this one.
    fn cell(&self, bin: usize) -> usize {
        bin / self.bins[1] / 2 * self.cells()[1] + bin % self.bins[1] / 2
    }

    /// The grid of half the resolution and the masses on it.
    fn halved(&self, masses: &[i64]) -> Result<(Grid, Vec<i64>)> {
        let bins = self.cells();
        let mut coarse = room::filled(bins[0] * bins[1], 0)?;
        for (bin, mass) in masses.iter().enumerate() {
            coarse[self.cell(bin)] += mass;
        }
        let widths = self.widths.map(|w| 2.0 * w);
        Ok((Grid { bins, widths }, coarse))
    }

    /// The indices of the nodes in each cell.
    fn by_cell(&self, nodes: &[Node]) -> Result<Vec<Vec<usize>>> {
        let [nx, ny] = self.cells();
        let mut cells = room::filled(nx * ny, Vec::new())?;
        for (index, node) in nodes.iter().enumerate() {
            cells[self.cell(node.bin)].put(index)?;
        }
        Ok(cells)
    }
}

fn all_arcs(sources: usize, sinks: usize) -> Result<Vec<Arc>> {
    (0..sources)
        .flat_map(|source| (0..sinks).map(move |sink| Arc::new(source, sink)))
        .gather()
}

/// All arcs within each cell and between the cells of each flow. They suffice to move all mass: within the cells what
/// cancels there, and the rest along the flows.
fn arcs_along(
    flows: &[(usize, usize)],
    sources: &[Vec<usize>],
    sinks: &[Vec<usize>],
) -> Result<Vec<Arc>> {
    let within = (0..sources.len()).map(|cell| (cell, cell));
    let between = flows.iter().copied();
    let mut arcs = Vec::new();
    for (from, to) in within.chain(between) {
        for &source in &sources[from] {
            arcs.put_all(sinks[to].iter().map(|&sink| Arc::new(source, sink)))?;
        }
    }
    Ok(arcs)
}

/// For each source and each sink the arcs that would lower the cost most, without duplicates.
fn violated_arcs(simplex: &Simplex, sources: &[Node], sinks: &[Node]) -> Result<Vec<Arc>> {
    let (u, v) = simplex.potentials()?;
    // An arc is violated if distance < u_i − v_j, by more than the rounding of the integers.
    let from_sources = Pool::new(sinks, v.iter().copied())?;
    let from_sinks = Pool::new(sources, u.iter().map(|u| -u))?;
    let tolerance = simplex.resolution();
    let number = |source: usize, sink: usize| source * sinks.len() + sink;
    let mut arcs = Vec::new();
    let mut found = room::empty(ARCS_PER_ROUND + 1)?;
    for (source, node) in sources.iter().enumerate() {
        from_sources.cheapest(
            node.position,
            ARCS_PER_ROUND,
            u[source] - tolerance,
            &mut found,
        );
        arcs.put_all(found.iter().map(|&(_, sink)| number(source, sink)))?;
    }
    for (sink, node) in sinks.iter().enumerate() {
        from_sinks.cheapest(
            node.position,
            ARCS_PER_ROUND,
            -v[sink] - tolerance,
            &mut found,
        );
        arcs.put_all(found.iter().map(|&(_, source)| number(source, sink)))?;
    }
    sort_numbers(&mut arcs);
    arcs.dedup();
    let ends = |arc: &usize| Arc::new(arc / sinks.len(), arc % sinks.len());
    arcs.iter().map(ends).gather()
}
