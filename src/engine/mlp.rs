//! [`Mlp`](crate::model::Mlp) on a block, forward and backward.

use super::dense::{Dense, Finish};
use super::lanes::{Cpu, Element, Task};
use super::math;
use super::vector::Vector;
use crate::model::{self, Activation};

/// A fully connected network with its weights packed, for both directions. Immutable.
///
/// It computes on a tape of [`Mlp::tape`] features: the input, the activations of every hidden layer, the output.
pub(super) struct Mlp<T> {
    layers: Vec<Layer<T>>,
    activation: Activation,
}

struct Layer<T> {
    forward: Dense<T>,
    /// The transpose of `forward`, without bias.
    backward: Dense<T>,
}

impl<T: Element> Mlp<T> {
    /// Takes the network's parameters, as many as it has, from the front of `parameters`.
    pub(super) fn new(network: &model::Mlp, parameters: &mut &[f64]) -> Self {
        let layers = network.layers().map(|(inputs, outputs)| {
            let (weight, rest) = parameters.split_at(inputs * outputs);
            let (bias, rest) = rest.split_at(outputs);
            *parameters = rest;
            let weight = |output, input| T::from_f64(weight[output * inputs + input]);
            let bias = bias.iter().map(|&b| T::from_f64(b)).collect();
            Layer {
                forward: Dense::new(inputs, bias, weight),
                backward: Dense::new(outputs, vec![T::default(); inputs], |i, o| weight(o, i)),
            }
        });
        Mlp {
            layers: layers.collect(),
            activation: network.activation,
        }
    }

    /// Features of the input.
    pub(super) fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |l| l.forward.inputs())
    }

    /// Features of the output.
    pub(super) fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |l| l.forward.outputs())
    }

    /// Features of the tape.
    pub(super) fn tape(&self) -> usize {
        let widths = self.layers.iter().map(|l| l.forward.outputs());
        self.inputs() + widths.sum::<usize>()
    }

    /// Where the output lies in a tape that ends with this network's.
    pub(super) fn output<'a, F>(&self, tape: &'a mut [F]) -> &'a mut [F] {
        let start = tape.len() - self.outputs();
        &mut tape[start..]
    }

    /// From the input at the front of the tape to the output at its end.
    pub(super) fn forward(&self, cpu: Cpu, rows: usize, mut tape: &mut [T::Feature]) {
        let last = self.layers.len() - 1;
        for (i, Layer { forward, .. }) in self.layers.iter().enumerate() {
            let (x, y) = tape.split_at_mut(forward.inputs());
            let slope = match self.activation {
                Activation::LeakyRelu { slope } if i < last => slope,
                _ => 1.0,
            };
            let finish = Finish::Rectify(T::from_f64(slope));
            forward.apply(cpu, rows, x, y, finish);
            if i < last && self.activation == Activation::Tanh {
                cpu.run(math::Tanh::<T>(&mut y[..forward.outputs()]));
            }
            tape = y;
        }
    }

    /// Back through what [`Mlp::forward`] left on the tape, the output replaced by the gradient with respect to it. Every layer's place then
    /// holds the gradient with respect to its sums, before the activation; the front, that with respect to the input.
    pub(super) fn backward(&self, cpu: Cpu, rows: usize, tape: &mut [T::Feature]) {
        let mut end = self.tape();
        for (i, Layer { backward, .. }) in self.layers.iter().enumerate().rev() {
            let (rest, gradient) = tape[..end].split_at_mut(end - backward.inputs());
            end = rest.len();
            let inputs = &mut rest[end - backward.outputs()..];
            let finish = if i > 0 {
                cpu.run(Derivative::<T> {
                    activation: self.activation,
                    values: inputs,
                });
                Finish::Scale
            } else {
                Finish::Rectify(T::from_f64(1.0))
            };
            backward.apply(cpu, rows, gradient, inputs, finish);
        }
    }
}

/// The activation's derivative in place of its value.
struct Derivative<'a, T: Element> {
    activation: Activation,
    values: &'a mut [T::Feature],
}

impl<T: Element> Task<T> for Derivative<'_, T> {
    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        let one = T::from_f64(1.0);
        let values = self.values.iter_mut().flat_map(|f| f.as_mut());
        match self.activation {
            Activation::LeakyRelu { slope } => {
                let slope = T::from_f64(slope);
                values.for_each(|h| *h = if *h > T::default() { one } else { slope });
            }
            Activation::Tanh => values.for_each(|h| *h = one - *h * *h),
        }
    }
}
