//! What two samples do at the edges of the region where events can be.

use super::sample::Size;
use super::Sample;
use crate::formula::Formula;
use crate::order::sort_by_value;
use crate::room::{self, Gather};
use crate::{Error, Result};

/// A number with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

/// What two samples do at the edge that one inequality makes.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The inequality, as it is written.
    pub inequality: String,
    /// The shares of the reference's and of the sample's weight beyond the edge.
    pub beyond: [Measured; 2],
    /// How far from the edge, in the inequality's own numbers, the nearest per cent of the reference within it reaches.
    pub depth: f64,
    /// Density reference / sample in that layer, with its error: 1 where the edge is as sharp in the sample. Infinite if the sample has nothing
    /// there.
    pub ratio: Measured,
}

/// The layer within an edge, as a share of the reference.
const LAYER: f64 = 0.01;

/// The edges of a condition in the features, one for each of its inequalities.
#[derive(Clone, Debug)]
pub struct Edges(Formula);

impl Edges {
    /// Of a condition in `features` values, as the option `support` has it; they are called by `names`, if there are any.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a formula that is none.
    pub fn new(support: &str, features: usize, names: &[String]) -> Result<Self> {
        Ok(Edges(Formula::condition(support, features, names)?))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.margins().len()
    }

    /// The inequality of an edge, counted from 0, as it is written.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there is no such edge.
    pub fn inequality(&self, edge: usize) -> Result<&str> {
        self.margin(edge).map(Formula::text)
    }

    /// The equalities of the condition, as they are written: they have no edge to look at.
    pub fn equalities(&self) -> &[String] {
        self.0.equalities()
    }

    /// What two samples do at the edge of one inequality, counted from 0. An edge that is smeared has events of the sample beyond it, and
    /// a ratio above 1 just within it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there is no such edge, or for samples of other features; [`Error::Data`] for weights without a positive
    /// total.
    pub fn measure(&self, edge: usize, reference: &Sample, sample: &Sample) -> Result<Edge> {
        measure(self.margin(edge)?, reference, sample)
    }

    fn margin(&self, edge: usize) -> Result<&Formula> {
        self.0.margins().get(edge).ok_or_else(|| {
            Error::InvalidArgument(format!(
                "there is no edge {edge} (from 0): the support has {} inequalities",
                self.count()
            ))
        })
    }
}

/// All edges of a condition, as [`Edges`] has them.
///
/// # Errors
/// Those of [`Edges`].
pub fn edges(
    support: &str,
    names: &[String],
    reference: &Sample,
    sample: &Sample,
) -> Result<Vec<Edge>> {
    let edges = Edges::new(support, reference.dim(), names)?;
    let margins = edges.0.margins().iter();
    margins
        .map(|margin| measure(margin, reference, sample))
        .collect()
}

fn measure(margin: &Formula, reference: &Sample, sample: &Sample) -> Result<Edge> {
    if reference.dim() != sample.dim() {
        return Err(Error::InvalidArgument(format!(
            "the reference has {} features, the sample {}",
            reference.dim(),
            sample.dim()
        )));
    }
    Size::of(reference.weights(), "the reference")?;
    Size::of(sample.weights(), "the sample")?;
    let distances = |sample: &Sample| -> Result<Vec<f64>> {
        let mut out = room::filled(sample.rows(), 0.0)?;
        margin.evaluate(sample.events(), &mut out)?;
        Ok(out)
    };
    let (p, q) = (distances(reference)?, distances(sample)?);
    let mut within = (0..p.len()).filter(|&row| p[row] >= 0.0).gather()?;
    sort_by_value(&mut within, &|i| p[i]);
    let all: f64 = within.iter().map(|&row| reference.weight(row)).sum();
    let (mut sum, mut depth) = (0.0, 0.0);
    for &row in &within {
        if sum >= LAYER * all {
            break;
        }
        sum += reference.weight(row);
        depth = p[row];
    }
    let layer = |d: f64| (0.0..=depth).contains(&d);
    let (of_p, of_q) = (share(reference, &p, layer), share(sample, &q, layer));
    let value = of_p.value / of_q.value;
    let relative = libm::hypot(of_p.error / of_p.value, of_q.error / of_q.value);
    Ok(Edge {
        inequality: margin.text().into(),
        // NaN is beyond every edge.
        beyond: [
            share(reference, &p, |d| d < 0.0 || d.is_nan()),
            share(sample, &q, |d| d < 0.0 || d.is_nan()),
        ],
        depth,
        ratio: Measured {
            value,
            error: value * relative,
        },
    })
}

/// The share of the weight of events with such distances.
fn share(sample: &Sample, distances: &[f64], of: impl Fn(f64) -> bool) -> Measured {
    let (mut part, mut squares, mut total, mut total_squares) = (0.0, 0.0, 0.0, 0.0);
    for (row, &d) in distances.iter().enumerate() {
        let w = sample.weight(row);
        total += w;
        total_squares += w * w;
        if of(d) {
            part += w;
            squares += w * w;
        }
    }
    let value = part / total;
    // Of a ratio whose parts share events.
    let variance = squares * (1.0 - 2.0 * value) + value * value * total_squares;
    Measured {
        value,
        error: variance.max(0.0).sqrt() / total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};
    use crate::Rows;

    const ROWS: usize = 100_000;

    fn uniforms(stream: u64, x: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut u = vec![0.0; 2 * ROWS];
        let noise = Noise::new(8, stream, domain::SCORES);
        noise.uniforms(0, 0, &mut u);
        u.chunks(2).flat_map(|u| [x(u[0]), u[1]]).collect()
    }

    #[test]
    fn a_smeared_edge_has_events_beyond_and_fewer_within() {
        // A tenth of the events is spread from −0.05 to 0.05; within 0.01 the others are nine tenths, and these a tenth.
        let smear = |u| if u < 0.1 { u - 0.05 } else { (u - 0.1) / 0.9 };
        let x = [uniforms(1, |u| u), uniforms(2, |u| u), uniforms(3, smear)];
        let sample = |x| Sample::new(Rows::packed(x, 2).unwrap(), None).unwrap();
        let [sharp, other_sharp, smeared] = [&x[0], &x[1], &x[2]].map(|x| sample(x));
        let names = ["mass".to_owned(), "other".to_owned()];
        let found = edges("mass > 0 and not (other >= 1)", &names, &sharp, &smeared).unwrap();
        let [edge, other] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(edge.inequality, "mass > 0");
        assert_eq!(edge.beyond[0].value, 0.0);
        assert!((edge.beyond[1].value - 0.05).abs() < 4.0 * edge.beyond[1].error);
        assert!((edge.beyond[1].error / (0.05f64 * 0.95 / ROWS as f64).sqrt() - 1.0).abs() < 0.03);
        assert!((edge.depth - 0.01).abs() < 0.001);
        let expected = 0.01 / (0.9 * 0.01 + 0.01);
        assert!(
            (edge.ratio.value - expected).abs() < 4.0 * edge.ratio.error,
            "{edge:?}"
        );
        assert!(edge.ratio.error < 0.05);
        assert!(
            other.beyond[1].value == 0.0
                && (other.ratio.value - 1.0).abs() < 4.0 * other.ratio.error
        );
        let same = edges("mass > 0", &names, &sharp, &other_sharp).unwrap();
        assert!((same[0].ratio.value - 1.0).abs() < 4.0 * same[0].ratio.error);
        for wrong in ["mass", "mass > nothing"] {
            assert!(edges(wrong, &names, &sharp, &smeared).is_err());
        }
    }
}
