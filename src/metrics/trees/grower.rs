//! Trees of bounded size, the leaf first whose split gains most.

use super::tree::{Node, Tree};
use crate::engine;
use crate::room::{self, Gather, Grow};
use crate::train::Hooks;
use crate::Result;
use std::ops::{Add, Range, Sub};

/// For progress and errors.
pub(super) const STAGE: &str = "trees";
/// η, by which the step of every tree is shortened.
const RATE: f64 = 0.1;
/// Most leaves of a tree.
const LEAVES: usize = 31;
/// Fewest events of a leaf, where there are enough for several.
const LEAF_ROWS: usize = 20;
/// Least Σh of a leaf.
const LEAF_CURVATURE: f64 = 1e-3;
/// Longest step of a leaf, before η: Newton's has no bound where events turn out to be of the other class, or weights are negative.
const LONGEST_STEP: f64 = 10.0;
/// Most bins of a feature.
const BINS: usize = 255;
/// Room for them: all that a `u8` counts.
const SLOTS: usize = 256;

/// Values to count that are worth a thread.
pub(super) const THREAD_WORK: usize = 100_000;

/// Sums over the events of a bin, a side of a split or a leaf.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    gradient: f64,
    curvature: f64,
    rows: usize,
}

impl Sums {
    /// What a leaf is worth.
    fn worth(self) -> f64 {
        self.gradient * self.gradient / self.curvature
    }

    fn step(self) -> f64 {
        RATE * (-self.gradient / self.curvature).clamp(-LONGEST_STEP, LONGEST_STEP)
    }
}

impl Add for Sums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Sums {
            gradient: self.gradient + other.gradient,
            curvature: self.curvature + other.curvature,
            rows: self.rows + other.rows,
        }
    }
}

impl Sub for Sums {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Sums {
            gradient: self.gradient - other.gradient,
            curvature: self.curvature - other.curvature,
            rows: self.rows - other.rows,
        }
    }
}

/// Of all features.
type Histogram = Vec<[Sums; SLOTS]>;

/// A leaf of a tree that grows.
struct Leaf {
    /// Its place in the tree.
    node: usize,
    /// Its events, as a range of [`Grower::order`].
    rows: Range<usize>,
    sums: Sums,
    histogram: Histogram,
    split: Option<Split>,
}

/// The best split of a leaf.
#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    feature: usize,
    /// The last bin of the first side.
    bin: u8,
    /// Of the first side.
    sums: Sums,
}

/// What trees are grown from.
pub(super) struct Grower {
    /// The upper edges of the bins of every feature but the last; they belong to the bin.
    edges: Vec<Vec<f64>>,
    /// The bins of all events, feature by feature.
    bins: Vec<Vec<u8>>,
    /// The events, sorted by leaf.
    order: Vec<usize>,
    /// Fewest events of a leaf.
    fewest: usize,
    threads: usize,
}

impl Grower {
    /// Of the values of every feature of the events, and at least one feature.
    pub fn new(features: impl Iterator<Item = Result<Vec<f64>>>, threads: usize) -> Result<Self> {
        let binned = features.map(|values| binned(values?)).gather_all()?;
        let (edges, bins): (Vec<_>, Vec<_>) = binned.into_iter().unzip();
        let rows = bins.first().map_or(0, Vec::len);
        Ok(Grower {
            edges,
            bins,
            order: (0..rows).gather()?,
            fewest: (rows / 8).clamp(1, LEAF_ROWS),
            threads,
        })
    }

    /// With no fewer events in a leaf than so many.
    pub fn with_leaves_of(self, fewest: usize) -> Self {
        Grower {
            fewest: self.fewest.max(fewest),
            ..self
        }
    }

    /// A tree for events of these derivatives, g and h, which is added to their scores; none if no split gains anything.
    pub fn grow(
        &mut self,
        derivatives: &[[f64; 2]],
        scores: &mut [f64],
        hooks: &dyn Hooks,
    ) -> Result<Option<Tree>> {
        let mut tree = Tree(vec![Node::Leaf(0.0)]);
        let all = 0..self.order.len();
        self.order.clear();
        self.order.extend(all.clone());
        let histogram = self.histogram(derivatives, all.clone())?;
        let sums = histogram[0]
            .iter()
            .copied()
            .reduce(Sums::add)
            .unwrap_or_default();
        let mut leaves = vec![self.leaf(0, all, sums, histogram)];
        while leaves.len() < LEAVES {
            hooks.check(STAGE)?;
            let gains = leaves
                .iter()
                .enumerate()
                .filter_map(|(i, leaf)| Some((i, leaf.split?)));
            // Of equal gains the first.
            let best = gains.reduce(|best, next| {
                if next.1.gain > best.1.gain {
                    next
                } else {
                    best
                }
            });
            let Some((parent, split)) = best else {
                break;
            };
            let children =
                self.divide(leaves.swap_remove(parent), split, &mut tree, derivatives)?;
            leaves.extend(children);
        }
        if tree.0.len() == 1 {
            return Ok(None);
        }
        for leaf in leaves {
            let step = leaf.sums.step();
            tree.0[leaf.node] = Node::Leaf(step);
            self.order[leaf.rows]
                .iter()
                .for_each(|&row| scores[row] += step);
        }
        Ok(Some(tree))
    }

    /// The two leaves that `leaf` is split into.
    fn divide(
        &mut self,
        leaf: Leaf,
        split: Split,
        tree: &mut Tree,
        derivatives: &[[f64; 2]],
    ) -> Result<[Leaf; 2]> {
        let next = tree.0.len();
        tree.0[leaf.node] = Node::Split {
            feature: split.feature,
            threshold: self.edges[split.feature][split.bin as usize],
            next,
        };
        tree.0.extend([Node::Leaf(0.0), Node::Leaf(0.0)]);
        let bins = &self.bins[split.feature];
        let (mut below, mut above) = (Vec::new(), Vec::new());
        for &row in &self.order[leaf.rows.clone()] {
            let side = if bins[row] <= split.bin {
                &mut below
            } else {
                &mut above
            };
            side.put(row)?;
        }
        let middle = leaf.rows.start + below.len();
        self.order[leaf.rows.start..middle].copy_from_slice(&below);
        self.order[middle..leaf.rows.end].copy_from_slice(&above);
        let sides = [leaf.rows.start..middle, middle..leaf.rows.end];
        // Of the smaller side; the other's is the difference.
        let smaller = usize::from(above.len() < below.len());
        let counted = self.histogram(derivatives, sides[smaller].clone())?;
        let mut rest = leaf.histogram;
        for (rest, counted) in rest
            .as_flattened_mut()
            .iter_mut()
            .zip(counted.as_flattened())
        {
            *rest = *rest - *counted;
        }
        let histograms = if smaller == 0 {
            [counted, rest]
        } else {
            [rest, counted]
        };
        let [below, above] = histograms;
        let [first, second] = sides;
        Ok([
            self.leaf(next, first, split.sums, below),
            self.leaf(next + 1, second, leaf.sums - split.sums, above),
        ])
    }

    fn leaf(&self, node: usize, rows: Range<usize>, sums: Sums, histogram: Histogram) -> Leaf {
        let split = self.split(sums, &histogram);
        Leaf {
            node,
            rows,
            sums,
            histogram,
            split,
        }
    }

    fn histogram(&self, derivatives: &[[f64; 2]], rows: Range<usize>) -> Result<Histogram> {
        let order = &self.order[rows];
        let derivatives = order.iter().map(|&row| derivatives[row]).gather()?;
        let count = |histogram: &mut [Sums; SLOTS], bins: &[u8]| {
            for (&row, &[gradient, curvature]) in order.iter().zip(&derivatives) {
                let sums = &mut histogram[bins[row] as usize];
                sums.gradient += gradient;
                sums.curvature += curvature;
                sums.rows += 1;
            }
        };
        let features = self.bins.len();
        let mut histogram = room::filled(features, [Sums::default(); SLOTS])?;
        let threads = (order.len() * features / THREAD_WORK).clamp(1, self.threads);
        let each = features.div_ceil(threads);
        let parts = histogram.chunks_mut(each).zip(self.bins.chunks(each));
        engine::on_threads(parts.map(|(histograms, bins)| {
            let features = histograms.iter_mut().zip(bins);
            || {
                features.for_each(|(histogram, bins)| count(histogram, bins));
                Ok(())
            }
        }))?;
        Ok(histogram)
    }

    /// The best split, if one gains anything.
    fn split(&self, all: Sums, histogram: &Histogram) -> Option<Split> {
        let enough = |side: Sums| side.rows >= self.fewest && side.curvature >= LEAF_CURVATURE;
        let mut best: Option<Split> = None;
        for (feature, (bins, edges)) in histogram.iter().zip(&self.edges).enumerate() {
            let mut sums = Sums::default();
            for (bin, &content) in bins.iter().enumerate().take(edges.len()) {
                sums = sums + content;
                let rest = all - sums;
                if !enough(sums) || !enough(rest) {
                    continue;
                }
                let gain = sums.worth() + rest.worth() - all.worth();
                if gain > best.map_or(0.0, |best| best.gain) {
                    best = Some(Split {
                        gain,
                        feature,
                        bin: bin as u8,
                        sums,
                    });
                }
            }
        }
        best
    }
}

/// The edges of a feature's bins, and the bin of every event.
fn binned(values: Vec<f64>) -> Result<(Vec<f64>, Vec<u8>)> {
    let mut sorted = room::copied(&values)?;
    sorted.sort_unstable_by(f64::total_cmp);
    let edges = edges(&sorted)?;
    let bin = |x: f64| edges.partition_point(|&edge| edge < x) as u8;
    let bins = values.into_iter().map(bin).gather()?;
    Ok((edges, bins))
}

/// The upper edges of at most [`BINS`] bins of sorted values, but the last bin's: between neighbours where there are few different values,
/// otherwise at quantiles.
pub(super) fn edges(values: &[f64]) -> Result<Vec<f64>> {
    let mut different = room::copied(values)?;
    different.dedup();
    if different.len() <= BINS {
        let pairs = different.windows(2);
        return pairs.map(|pair| pair[0].midpoint(pair[1])).gather();
    }
    let quantile = |k: usize| {
        let place = k * values.len() / BINS;
        match (k * values.len()).is_multiple_of(BINS) {
            true => values[place - 1].midpoint(values[place]),
            false => values[place],
        }
    };
    let mut edges = (1..BINS).map(quantile).gather()?;
    edges.dedup();
    Ok(edges)
}
