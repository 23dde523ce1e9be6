//! The assignment of least cost.

use crate::room::{self, Gather};
use crate::Result;

/// Which column every row is given, one each, so that the sum of the costs, none negative, is least: shortest augmenting paths with dual
/// prices (Jonker & Volgenant, Computing 38 (1987) 325). n² memory; time n² for every row that is not given a column of cost 0 at once.
pub(super) fn assign(n: usize, cost: impl Fn(usize, usize) -> f64) -> Result<Vec<usize>> {
    const NONE: usize = usize::MAX;
    let costs = (0..n * n).map(|i| cost(i / n, i % n)).gather()?;
    let (mut row_of, mut column_of) = (room::filled(n, NONE)?, room::filled(n, NONE)?);
    // Prices 0 are good for what costs nothing.
    for row in 0..n {
        let free = (0..n).find(|&c| costs[row * n + c] == 0.0 && row_of[c] == NONE);
        if let Some(column) = free {
            (row_of[column], column_of[row]) = (row, column);
        }
    }
    let (mut row_price, mut column_price) = (room::filled(n, 0.0)?, room::filled(n, 0.0)?);
    let (mut distance, mut before) = (room::filled(n, 0.0)?, room::filled(n, 0)?);
    let mut closed: Vec<(usize, f64)> = room::empty(n)?;
    let mut open = room::empty(n)?;
    for start in 0..n {
        if column_of[start] != NONE {
            continue;
        }
        // Dijkstra over the columns by reduced costs, until a free one is nearest.
        distance.fill(f64::INFINITY);
        before.fill(start);
        closed.clear();
        open.clear();
        open.extend(0..n);
        let (mut row, mut reached) = (start, 0.0);
        let end = loop {
            let base = reached - row_price[row];
            let (mut nearest, mut least) = (NONE, f64::INFINITY);
            for (i, &column) in open.iter().enumerate() {
                let through = base + costs[row * n + column] - column_price[column];
                if through < distance[column] {
                    (distance[column], before[column]) = (through, row);
                }
                if distance[column] < least {
                    (nearest, least) = (i, distance[column]);
                }
            }
            if nearest == NONE {
                // Costs that are no numbers: any column will do.
                break open.iter().copied().find(|&c| row_of[c] == NONE);
            }
            let column = open.swap_remove(nearest);
            reached = least;
            if row_of[column] == NONE {
                break Some(column);
            }
            closed.push((column, least));
            row = row_of[column];
        };
        let Some(end) = end else { break };
        row_price[start] += reached;
        for (column, distance) in closed.drain(..) {
            row_price[row_of[column]] += reached - distance;
            column_price[column] -= reached - distance;
        }
        let mut column = end;
        loop {
            let row = before[column];
            row_of[column] = row;
            let next = std::mem::replace(&mut column_of[row], column);
            if row == start {
                break;
            }
            column = next;
        }
    }
    Ok(column_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};

    /// The least cost over all permutations.
    fn least(
        n: usize,
        cost: &impl Fn(usize, usize) -> f64,
        row: usize,
        used: &mut Vec<bool>,
    ) -> f64 {
        if row == n {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        for column in 0..n {
            if !std::mem::replace(&mut used[column], true) {
                best = best.min(cost(row, column) + least(n, cost, row + 1, used));
                used[column] = false;
            }
        }
        best
    }

    #[test]
    fn no_permutation_costs_less() {
        for (case, n) in [1, 2, 5, 7, 7, 7, 8].into_iter().enumerate() {
            let mut costs = vec![0.0; n * n];
            Noise::new(1, case as u64, domain::POOL).uniforms(0, 0, &mut costs);
            // Some cost nothing.
            let cost = |row: usize, column: usize| (costs[row * n + column] - 0.3).max(0.0);
            let columns = assign(n, cost).unwrap();
            let mut sorted = columns.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..n), "{columns:?}");
            let total: f64 = columns.iter().enumerate().map(|(r, &c)| cost(r, c)).sum();
            let expected = least(n, &cost, 0, &mut vec![false; n]);
            assert!((total - expected).abs() < 1e-12, "{total}, not {expected}");
        }
        assert_eq!(assign(3, |_, _| f64::NAN).unwrap().len(), 3);
    }
}
