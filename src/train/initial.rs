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
