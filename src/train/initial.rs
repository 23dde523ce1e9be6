//! The parameters that trainings start from.

use crate::model::{Activation, Flow, Mlp};
use crate::noise::{places::Places, Noise};
use crate::room::{self, Grow};
use crate::Result;

/// Numbers that are made between two questions whether to go on: some milliseconds.
const AT_ONCE: usize = 1 << 18;

/// Initial parameters of an MLP: weights normal with the variance that keeps activations' size through the layers (He et al.,
/// arXiv:1502.01852), biases uniform within ±1/√inputs so that the kinks of narrow inputs lie apart. With `zero_output` the last layer
/// is 0. `go_on` is asked again and again, since large networks take seconds.
///
/// # Errors
/// Those of `go_on`; [`Error::Memory`](crate::Error::Memory).
pub(crate) fn initial_mlp(
    mlp: &Mlp,
    noise: Noise,
    zero_output: bool,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Vec<f64>> {
    let gain: f64 = match mlp.activation {
        Activation::LeakyRelu { slope } => (2.0 / (1.0 + slope * slope)).sqrt(),
        Activation::Tanh => 5.0 / 3.0,
    };
    let last = mlp.hidden.len();
    let mut parameters = Vec::new();
    for (i, (inputs, outputs)) in mlp.layers().enumerate() {
        let mut weight = room::filled(inputs * outputs, 0.0)?;
        let mut bias = room::filled(outputs, 0.0)?;
        if i < last || !zero_output {
            // The last layer is linear: its gain is 1.
            let width = if i < last { gain } else { 1.0 } / (inputs.max(1) as f64).sqrt();
            let bound = 1.0 / (inputs.max(1) as f64).sqrt();
            for (part, weight) in (0..).zip(weight.chunks_mut(AT_ONCE)) {
                go_on()?;
                noise.normals(2 * i as u64, part * AT_ONCE as u64, weight);
                weight.iter_mut().for_each(|w| *w *= width);
            }
            noise.uniforms(2 * i as u64 + 1, 0, &mut bias);
            bias.iter_mut().for_each(|b| *b = bound * (2.0 * *b - 1.0));
        }
        parameters.put_all(weight)?;
        parameters.put_all(bias)?;
    }
    Ok(parameters)
}

/// Initial parameters of a classifier, whose logit begins as 0. What it is to see is often small structure along single values: half of the
/// units of the first layer look at one value each, in turn, and the kinks of all lie within ±2 standard deviations of what they look at. With
/// small biases, as elsewhere, nearly all would lie near the middle, and the function only scale with the distance from there.
///
/// # Errors
/// As [`initial_mlp`].
pub(crate) fn initial_classifier(
    mlp: &Mlp,
    noise: Noise,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Vec<f64>> {
    const REACH: f64 = 2.0;
    let mut parameters = initial_mlp(mlp, noise, true, go_on)?;
    let (Some((inputs, outputs)), false) = (mlp.layers().next(), mlp.hidden.is_empty()) else {
        return Ok(parameters);
    };
    let (weight, rest) = parameters.split_at_mut(inputs * outputs);
    let units = weight.chunks_exact_mut(inputs).zip(rest);
    for (unit, (weight, bias)) in units.enumerate() {
        let length = weight.iter().map(|w| w * w).sum::<f64>().sqrt();
        // A number of (−1, 1) in units of its bound, 1/√inputs.
        *bias *= (inputs as f64).sqrt() * REACH * length;
        if 2 * unit < outputs {
            let alone = unit % inputs;
            let sign = weight[alone].signum();
            weight.fill(0.0);
            weight[alone] = sign * length;
        }
    }
    Ok(parameters)
}

/// Initial parameters of a flow, the blocks' at the places after the first, which is that of their halves: every block starts as the
/// identity.
///
/// # Errors
/// Those of `go_on`.
pub(crate) fn initial_flow(
    flow: &Flow,
    places: Places,
    seed: u64,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Vec<f64>> {
    let mut parameters = Vec::new();
    for (i, block) in flow.blocks.iter().enumerate() {
        let noise = places.at(1 + i as u64).noise(seed);
        parameters.put_all(initial_mlp(&block.subnet, noise, true, go_on)?)?;
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::places;
    use crate::Error;
    use std::cell::Cell;

    #[test]
    fn initial_activations_keep_their_size() {
        let mlp = Mlp::new(96, 1, 96, 96, 0.01);
        let p = initial_mlp(&mlp, places::GENERATOR.at(1).noise(1), false, &|| Ok(())).unwrap();
        assert_eq!(Some(p.len()), mlp.parameter_count());
        let variance = p[..96 * 96].iter().map(|w| w * w).sum::<f64>() / 96.0;
        assert!(
            (variance / 96.0 - 2.0 / 96.0).abs() < 0.1 / 96.0,
            "{variance}"
        );
    }

    #[test]
    fn kinks_of_classifiers_are_spread_along_single_values() {
        let mlp = Mlp::new(6, 1, 96, 2, 0.01);
        let noise = || places::CLASSIFIER.at(1).noise(1);
        let p = initial_classifier(&mlp, noise(), &|| Ok(())).unwrap();
        let plain = initial_mlp(&mlp, noise(), true, &|| Ok(())).unwrap();
        let length = |w: &[f64]| w.iter().map(|w| w * w).sum::<f64>().sqrt();
        let (weights, biases) = (&p[..6 * 96], &p[6 * 96..7 * 96]);
        let rows = weights.chunks(6).zip(plain.chunks(6)).zip(biases);
        let mut largest: f64 = 0.0;
        for (unit, ((w, before), bias)) in rows.enumerate() {
            assert!((length(w) / length(before) - 1.0).abs() < 1e-12);
            let alone = w.iter().filter(|w| **w != 0.0).count();
            assert_eq!(alone, if unit < 48 { 1 } else { 6 });
            assert!(unit >= 48 || w[unit % 6] != 0.0);
            largest = largest.max((bias / length(w)).abs());
        }
        assert!(largest > 1.8 && largest <= 2.0, "{largest}");
        assert_eq!(p[7 * 96..], plain[7 * 96..]);
        // Without hidden layers there are no kinks.
        let linear = Mlp::new(6, 0, 96, 1, 0.01);
        let p = initial_classifier(&linear, noise(), &|| Ok(())).unwrap();
        assert_eq!(p, [0.0; 7]);
    }

    #[test]
    fn large_networks_can_be_stopped_and_have_the_same_numbers() {
        let mlp = Mlp::new(700, 1, 1000, 1, 0.01);
        let noise = places::GENERATOR.at(1).noise(1);
        let asked = Cell::new(0);
        let stop_after = |most: u32| {
            asked.set(0);
            initial_mlp(&mlp, noise, false, &|| {
                asked.set(asked.get() + 1);
                match asked.get() > most {
                    true => Err(Error::Cancelled("flow")),
                    false => Ok(()),
                }
            })
        };
        let whole = stop_after(u32::MAX).unwrap();
        // 700 000 weights in three parts, and the last layer's.
        assert_eq!(asked.get(), 4);
        assert!(matches!(stop_after(2), Err(Error::Cancelled("flow"))));
        let mut weights = vec![0.0; 700_000];
        noise.normals(0, 0, &mut weights);
        let width = (2.0 / (1.0 + 0.01f64 * 0.01)).sqrt() / 700f64.sqrt();
        let expected = weights.iter().map(|w| w * width);
        assert!(whole[..700_000].iter().copied().eq(expected));
    }
}
