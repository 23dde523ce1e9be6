//! The flow-matching refiner (not in the paper): y → z = Φ(y) by a few steps along learned velocities, L = N.

use super::assignment::assign;
use super::learned::{Learned, Lesson};
use crate::model::{self, Dims, Map, Method, Mlp, Refiner};
use crate::noise::places;
use crate::objective::{self, Goal};
use crate::options::{keys, Key, Options};
use crate::protocol::networks::{mlp, MlpKeys};
use crate::room::{self, Grow};
use crate::train::{initial_mlp, Level, Record};
use crate::Result;

/// The velocities of Φ start at 0.
pub(super) struct MatchingRefiner;

const KEYS: MlpKeys = MlpKeys {
    layers: keys::MATCHING_LAYERS,
    units: keys::MATCHING_UNITS,
    slope: keys::MATCHING_SLOPE,
};

impl Learned for MatchingRefiner {
    const METHOD: Method = Method::Matching;
    const STAGE: &'static str = "matching";
    const TRAINING: keys::StageKeys = keys::MATCHING_TRAINING;
    const POOL: Key<i64> = keys::MATCHING_POOL;
    /// The velocities.
    type Networks = Mlp;

    fn networks(dims: Dims, options: &Options) -> Result<Mlp> {
        mlp(
            &KEYS,
            dims.latent + 1 + dims.conditions,
            dims.latent,
            options,
        )
    }

    fn train(network: Mlp, mut lesson: Lesson) -> Result<(Refiner, Record)> {
        lesson.rows = pair(&lesson)?;
        lesson.weights.fill(1.0);
        let seed = lesson.session.seed;
        let hooks = lesson.session.hooks;
        let go_on = || hooks.check(Self::STAGE);
        let noise = places::REFINER.at(0).noise(seed);
        let mut parameters = initial_mlp(&network, noise, true, &go_on)?;
        let goal = Goal::Matching(objective::Matching {
            network: &network,
            seed,
        });
        let steps = lesson.session.get(keys::MATCHING_ODE_STEPS) as usize;
        let record = lesson.fit(goal, &mut parameters)?;
        let map = Map::Matching(model::Matching { network, steps });
        let parameters = parameters.into();
        Ok((Refiner { map, parameters }, record))
    }
}

/// Pairs of a point of the prior and one of the refined density, each followed by the condition of the latter: rows of 2 N + C.
///
/// Without conditions, the latents of a group are paired with those that resampling by weight makes of the same group, by least cost; that
/// the weights count relative to the group's own mean biases them by the order of their variance over the size of the group. Given
/// conditions, that would pair different ones; then the points of the prior are drawn by themselves, which is right for any condition, but
/// makes long ways that cross.
fn pair(lesson: &Lesson) -> Result<Vec<f64>> {
    let Lesson {
        session,
        dims,
        rows,
        weights,
        ..
    } = lesson;
    let (latent_dim, columns) = (dims.latent, dims.latent_row());
    let size = session.get(keys::MATCHING_GROUP) as usize;
    let offsets = places::MATCHING_ENDS.noise(session.seed);
    let starts = places::MATCHING_STARTS.noise(session.seed);
    let mut pairs = room::empty(rows.len() + weights.len() * latent_dim)?;
    let mut y = Vec::new();
    let groups = rows.chunks(size * columns).zip(weights.chunks(size));
    let stage = session.stage("pairs", groups.len());
    session.hooks.log(
        Level::Info,
        "matching: pairing latents of the prior with refined ones; `matching.pool` and `matching.group` say of how many, and how long it takes",
    )?;
    for (i, (rows, weights)) in groups.enumerate() {
        stage.check()?;
        stage.done(i)?;
        let mut offset = [0.0];
        offsets.uniforms(i as u64, 0, &mut offset);
        let ends = resample(weights, offset[0])?;
        if dims.conditions == 0 {
            transport(rows, latent_dim, &ends, &mut pairs)?;
            continue;
        }
        y.sized(ends.len() * latent_dim, 0.0)?;
        starts.fill_normals((i * size) as u64, ends.len(), latent_dim, &mut y);
        for (y, &end) in y.chunks_exact(latent_dim).zip(&ends) {
            pairs.extend_from_slice(y);
            pairs.extend_from_slice(&rows[end * columns..][..columns]);
        }
    }
    Ok(pairs)
}

/// As many rows as there are weights, each as often as it weighs: systematic resampling with one uniform number. In order.
fn resample(weights: &[f64], offset: f64) -> Result<Vec<usize>> {
    let scale = weights.len() as f64 / weights.iter().sum::<f64>();
    let mut chosen = room::empty(weights.len())?;
    let mut sum = 0.0;
    for (row, w) in weights.iter().enumerate() {
        sum += w * scale;
        while chosen.len() < weights.len() && chosen.len() as f64 + offset < sum {
            chosen.push(row);
        }
    }
    // Rounding, or weights that are all 0.
    chosen.sized(weights.len(), weights.len() - 1)?;
    Ok(chosen)
}

/// Pairs every row with one of the `ends` so that the sum of the squared distances is least: most mass stays where it is, the rest moves
/// little, and the ways do not cross, so that few steps follow them (optimal transport of small batches; Tong et al., arXiv:2302.00482).
fn transport(rows: &[f64], dim: usize, ends: &[usize], pairs: &mut Vec<f64>) -> Result<()> {
    let point = |row: usize| &rows[row * dim..][..dim];
    let distance = |row: usize, end: usize| {
        let differences = point(row).iter().zip(point(ends[end])).map(|(a, b)| a - b);
        differences.map(|d| d * d).sum::<f64>()
    };
    for (row, end) in assign(ends.len(), distance)?.into_iter().enumerate() {
        pairs.extend_from_slice(point(row));
        pairs.extend_from_slice(point(ends[end]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resampling_repeats_by_weight() {
        let chosen = resample(&[0.5, 2.0, 0.0, 1.5, 1.0, 1.0], 0.25).unwrap();
        assert_eq!(chosen, [0, 1, 1, 3, 4, 5]);
        assert_eq!(resample(&[1.0; 4], 0.999).unwrap(), [0, 1, 2, 3]);
        assert_eq!(resample(&[0.0; 3], 0.5).unwrap().len(), 3);
        // Every row comes as often as it weighs, on average over the offset.
        let weights = [0.3, 1.7, 0.9, 1.1];
        let mut counts = [0.0; 4];
        for k in 0..1000 {
            for row in resample(&weights, (k as f64 + 0.5) / 1000.0).unwrap() {
                counts[row] += 1e-3;
            }
        }
        for (count, weight) in counts.iter().zip(weights) {
            assert!((count - weight).abs() < 2e-3, "{count}, not {weight}");
        }
    }

    #[test]
    fn what_weighs_as_the_rest_stays_where_it_is() {
        let rows = [0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 5.0, 5.0];
        let mut pairs = Vec::new();
        // The first is dropped, the third doubled: the mass moves on step by step.
        transport(&rows, 2, &[1, 2, 2, 3], &mut pairs).unwrap();
        let moved = [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 2.0, 0.0];
        assert_eq!(pairs[..8], moved);
        assert_eq!(pairs[8..], [2.0, 0.0, 2.0, 0.0, 5.0, 5.0, 5.0, 5.0]);
    }
}
