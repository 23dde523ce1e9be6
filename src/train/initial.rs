//! The parameters that trainings start from.

use crate::model::{Activation, Flow, Mlp};
use crate::noise::{places::Places, Noise};

/// Initial parameters of an MLP: weights normal with the variance that keeps activations' size through the layers (He et al.,
/// arXiv:1502.01852), biases uniform within ±1/√inputs so that the kinks of narrow inputs lie apart. With `zero_output` the last layer
/// is 0.
pub(crate) fn initial_mlp(mlp: &Mlp, noise: Noise, zero_output: bool) -> Vec<f64> {
    let gain: f64 = match mlp.activation {
        Activation::LeakyRelu { slope } => (2.0 / (1.0 + slope * slope)).sqrt(),
        Activation::Tanh => 5.0 / 3.0,
    };
    let last = mlp.hidden.len();
    let mut parameters = Vec::new();
    for (i, (inputs, outputs)) in mlp.layers().enumerate() {
        let mut weight = vec![0.0; inputs * outputs];
        let mut bias = vec![0.0; outputs];
        if i < last || !zero_output {
            // The last layer is linear: its gain is 1.
            let width = if i < last { gain } else { 1.0 } / (inputs.max(1) as f64).sqrt();
            let bound = 1.0 / (inputs.max(1) as f64).sqrt();
            noise.normals(2 * i as u64, 0, &mut weight);
            noise.uniforms(2 * i as u64 + 1, 0, &mut bias);
            weight.iter_mut().for_each(|w| *w *= width);
            bias.iter_mut().for_each(|b| *b = bound * (2.0 * *b - 1.0));
        }
        parameters.append(&mut weight);
        parameters.append(&mut bias);
    }
    parameters
}

/// Initial parameters of a flow, the blocks' at the places after the first, which is that of their halves: every block starts as the
/// identity.
pub(crate) fn initial_flow(flow: &Flow, places: Places, seed: u64) -> Vec<f64> {
    let mut parameters = Vec::new();
    for (i, block) in flow.blocks.iter().enumerate() {
        let noise = places.at(1 + i as u64).noise(seed);
        parameters.extend(initial_mlp(&block.subnet, noise, true));
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::places;

    #[test]
    fn initial_activations_keep_their_size() {
        let mlp = Mlp::new(96, 1, 96, 96, 0.01);
        let p = initial_mlp(&mlp, places::GENERATOR.at(1).noise(1), false);
        assert_eq!(Some(p.len()), mlp.parameter_count());
        let variance = p[..96 * 96].iter().map(|w| w * w).sum::<f64>() / 96.0;
        assert!(
            (variance / 96.0 - 2.0 / 96.0).abs() < 0.1 / 96.0,
            "{variance}"
        );
    }
}
