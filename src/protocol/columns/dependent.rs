//! Features that are functions of others.

use crate::model::Scaling;
use crate::order::sort_rows;
use crate::room::{Gather, Grow};
use crate::Result;

/// A feature whose spread given the others is a smaller part of its width depends on them.
const DEPENDENT: f64 = 0.02;
/// Whether the value of one discrete column is known from that of another: in many events, not by chance.
pub(super) fn names_of(x: &[f64], columns: usize, by: usize, column: usize) -> Result<bool> {
    let rows = x.chunks_exact(columns);
    // Zeros of both signs are one.
    let pairs = rows
        .map(|row| (row[by] + 0.0, row[column] + 0.0))
        .gather()?;
    let mut order = (0..pairs.len()).gather()?;
    sort_rows(&mut order, &|a, b| {
        let (a, b) = (pairs[a], pairs[b]);
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let groups = || order.chunk_by(|&a, &b| pairs[a].0 == pairs[b].0);
    let known = groups().all(|group| pairs[group[0]].1 == pairs[group[group.len() - 1]].1);
    if !known {
        return Ok(false);
    }
    let mut values = pairs.iter().map(|pair| pair.1).gather()?;
    values.sort_unstable_by(f64::total_cmp);
    let runs = values.chunk_by(|a, b| a == b);
    let most = runs
        .max_by_key(|run| run.len())
        .map(|run| (run[0], run.len()));
    let (common, often) = most.unwrap_or((0.0, 0));
    // A value of a single event knows anything, and the most common one is known where all else is rare.
    let told = groups().filter(|group| group.len() > 1 && pairs[group[0]].1 != common);
    let told: usize = told.map(<[_]>::len).sum();
    Ok(2 * told > pairs.len() - often)
}

/// Rows that fits look at.
const ROWS: usize = 10_000;

/// Features that the others determine, by [`nearby`] or by [`polynomial`], with what is left of each.
pub(super) fn dependent(
    x: &[f64],
    columns: usize,
    scalings: &[Scaling],
    among: &[usize],
) -> Result<Vec<(usize, f64)>> {
    const MOST: usize = 64;
    if !(2..=MOST).contains(&among.len()) {
        return Ok(Vec::new());
    }
    let near = nearby(x, columns, scalings, among)?;
    let everywhere = polynomial(x, columns, among)?;
    let spreads = near.into_iter().zip(everywhere).map(|(a, b)| a.min(b));
    let dependent = among.iter().copied().zip(spreads);
    Ok(dependent.filter(|(_, s)| *s < DEPENDENT).collect())
}

/// What is left of each where, around some events, it is fitted linearly in the others on the nearest ones. So dependences that are smooth
/// around a fifth of the events are seen, linear or not, as a wrapped angle between two others is: of few features, since events are near
/// each other in few alone.
fn nearby(x: &[f64], columns: usize, scalings: &[Scaling], among: &[usize]) -> Result<Vec<f64>> {
    const ANCHORS: usize = 64;
    let d = among.len();
    let rows = x
        .chunks_exact(columns)
        .take(ROWS)
        .map(|row| among.iter().map(|&j| scalings[j].forward(row[j])).gather())
        .gather_all()?;
    let widths: Vec<f64> = (0..d)
        .map(|j| moments(rows.iter().map(|r| r[j])).1)
        .collect();
    let neighbours = (3 * d + 12).min(rows.len() / 4);
    let step = (rows.len() / ANCHORS).max(1);
    let mut left: Vec<Vec<f64>> = (0..d).map(|_| Vec::new()).collect();
    let (mut squares, mut distances, mut order) = (Vec::new(), Vec::new(), Vec::new());
    for anchor in rows.iter().step_by(step).take(ANCHORS) {
        squares.clear();
        for row in &rows {
            let away = row.iter().zip(anchor).zip(&widths);
            squares.put_all(away.map(|((x, a), w)| ((x - a) / w).powi(2)))?;
        }
        distances.clear();
        distances.put_all(squares.chunks_exact(d).map(|s| s.iter().sum::<f64>()))?;
        for (j, left) in left.iter_mut().enumerate() {
            // Near in all features but this one.
            let others = distances.iter().zip(squares.iter().skip(j).step_by(d));
            let others = others.map(|(all, own)| all - own).enumerate();
            order.clear();
            order.put_all(others.map(|(i, distance)| (distance, i)))?;
            order.select_nth_unstable_by(neighbours, |a, b| a.0.total_cmp(&b.0));
            let near = order[..neighbours].iter();
            let near: Vec<&Vec<f64>> = near.map(|&(_, i)| &rows[i]).collect();
            let away = |k: usize| -> Vec<f64> {
                let of = |row: &&Vec<f64>| (row[k] - anchor[k]) / widths[k];
                near.iter().map(of).collect()
            };
            let others = (0..d).filter(|&k| k != j);
            let mut fit = Fit::new(near.len());
            others.for_each(|k| fit.add(away(k)));
            left.push(fit.left(away(j)));
        }
    }
    let spreads = left.iter_mut().map(|of| {
        of.sort_unstable_by(f64::total_cmp);
        of[of.len() / 5]
    });
    Ok(spreads.collect())
}

/// What is left of each, or of the square of one that has a single sign, where it is fitted by a polynomial of the second degree in all others: of
/// sums, as a scalar sum of momenta, and of quadratic relations of any number of features, as E² = p² + m².
fn polynomial(x: &[f64], columns: usize, among: &[usize]) -> Result<Vec<f64>> {
    /// Features with all products of two, and with all squares; of more, sums alone are looked for.
    const PRODUCTS: usize = 16;
    const SQUARES: usize = 32;
    /// Events for each coefficient, and of a fit.
    const EVENTS: usize = 6;
    const FEWEST: usize = 500;
    let d = among.len();
    let terms = match (d <= PRODUCTS, d <= SQUARES) {
        (true, _) => d * (d + 1) / 2,
        (_, true) => 2 * d,
        _ => d,
    };
    let rows = (x.len() / columns)
        .min(ROWS)
        .min((EVENTS * terms).max(FEWEST));
    let of = |j: usize| x.iter().skip(among[j]).step_by(columns).take(rows).copied();
    let scaled = |j: usize| -> Vec<f64> {
        let (mean, width) = moments(of(j));
        of(j).map(|x| (x - mean) / width).collect()
    };
    let scaled: Vec<Vec<f64>> = (0..d).map(scaled).collect();
    let spread = |j: usize| {
        let mut fit = Fit::new(rows);
        let others = || (0..d).filter(|&k| k != j);
        others().for_each(|k| fit.add(scaled[k].clone()));
        for k in others().filter(|_| d <= SQUARES) {
            for l in others().filter(|&l| l == k || l > k && d <= PRODUCTS) {
                let product = scaled[k].iter().zip(&scaled[l]).map(|(a, b)| a * b);
                fit.add(product.collect());
            }
        }
        let itself = fit.left(scaled[j].clone());
        if !(of(j).all(|x| x > 0.0) || of(j).all(|x| x < 0.0)) {
            return itself;
        }
        let (mean, width) = moments(of(j).map(|x| x * x));
        let square = fit.left(of(j).map(|x| (x * x - mean) / width).collect());
        itself.min(square)
    };
    Ok((0..d).map(spread).collect())
}

/// Mean and standard deviation.
fn moments(x: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = x.clone().count() as f64;
    let mean = x.clone().sum::<f64>() / n;
    let square = x.map(|x| (x - mean).powi(2)).sum::<f64>();
    (mean, (square / n).sqrt())
}

/// A linear fit with a constant.
struct Fit {
    /// Orthonormal, by Gram and Schmidt, twice for rounding.
    basis: Vec<Vec<f64>>,
}

impl Fit {
    fn new(rows: usize) -> Self {
        let mut fit = Fit { basis: Vec::new() };
        fit.add(std::iter::repeat_n(1.0, rows).collect());
        fit
    }

    /// One more term.
    fn add(&mut self, mut term: Vec<f64>) {
        let before = norm(&term);
        self.project(&mut term);
        let length = norm(&term);
        if length > 1e-9 * before && length > 0.0 {
            term.iter_mut().for_each(|v| *v /= length);
            self.basis.push(term);
        }
    }

    /// Root mean square of what the terms leave.
    fn left(&self, mut of: Vec<f64>) -> f64 {
        self.project(&mut of);
        norm(&of) / (of.len().saturating_sub(self.basis.len()).max(1) as f64).sqrt()
    }

    /// Leaves what is orthogonal to all terms.
    fn project(&self, v: &mut [f64]) {
        for _ in 0..2 {
            for b in &self.basis {
                let along: f64 = v.iter().zip(b).map(|(v, b)| v * b).sum();
                v.iter_mut().zip(b).for_each(|(v, b)| *v -= along * b);
            }
        }
    }
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}
