//! [`Mlp`](crate::model::Mlp) on a block, forward and backward.

use super::cpu::Cpu;
use super::dense::{Dense, Finish, Order};
use super::gradient::MlpGradient;
use super::lanes::Element;
use super::map::{Map, Pass, Point};
use super::math;
use crate::model::{self, Activation};
use crate::Result;

/// A fully connected network with its weights packed, for both directions. Immutable but for [`Mlp::pack`]. As a map, it is given the point
/// followed by the condition.
///
/// It computes on a tape of [`Mlp::tape`] features: the input, the activations of every hidden layer, the output.
pub(super) struct Mlp<T> {
    layers: Vec<Layer<T>>,
    activation: Activation,
    tape: usize,
}

struct Layer<T> {
    forward: Dense<T>,
    /// The transpose of `forward`, without bias.
    backward: Dense<T>,
}

impl<T: Element> Mlp<T> {
    /// The network with its parameters 0 until they are packed.
    pub(super) fn new(network: &model::Mlp) -> Result<Self> {
        let layers = network.layers().map(|(inputs, outputs)| {
            Ok(Layer {
                forward: Dense::new(inputs, outputs)?,
                backward: Dense::new(outputs, inputs)?,
            })
        });
        Ok(Mlp {
            layers: layers.collect::<Result<_>>()?,
            activation: network.activation,
            tape: network.inputs + network.layers().map(|(_, outputs)| outputs).sum::<usize>(),
        })
    }

    /// Takes the network's parameters, as many as it has, from the front of `parameters`.
    pub(super) fn pack(&mut self, parameters: &mut &[T]) {
        for Layer { forward, backward } in &mut self.layers {
            let (inputs, outputs) = (forward.inputs(), forward.outputs());
            let (weight, rest) = parameters.split_at(inputs * outputs);
            let (bias, rest) = rest.split_at(outputs);
            *parameters = rest;
            forward.pack(weight, Order::Rows, bias);
            backward.pack(weight, Order::Columns, &[]);
        }
    }

    /// Sums for the gradient with respect to the parameters, 0.
    pub(super) fn sums(&self) -> Result<MlpGradient<T>> {
        let layers = self.layers.iter();
        MlpGradient::new(layers.map(|l| (l.forward.inputs(), l.forward.outputs())))
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
        self.tape
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

    /// Back through what [`Mlp::forward`] left on the tape, the output replaced by the gradient with respect to it. Every layer's place
    /// then holds the gradient with respect to its sums, before the activation; the front, that with respect to the input. The gradient
    /// with respect to the parameters is added to `sums`, if given; that takes the whole block, so rows that do not count must have the
    /// output gradient 0 and finite activations.
    pub(super) fn backward(
        &self,
        cpu: Cpu,
        rows: usize,
        tape: &mut [T::Feature],
        mut sums: Option<&mut MlpGradient<T>>,
    ) {
        let mut end = self.tape();
        for (i, Layer { backward, .. }) in self.layers.iter().enumerate().rev() {
            let (rest, gradient) = tape[..end].split_at_mut(end - backward.inputs());
            end = rest.len();
            let inputs = &mut rest[end - backward.outputs()..];
            if let Some(sums) = &mut sums {
                sums.add(cpu, i, gradient, inputs);
            }
            let one = T::from_f64(1.0);
            let finish = match self.activation {
                _ if i == 0 => Finish::Rectify(one),
                Activation::LeakyRelu { slope } => Finish::RectifyBack(T::from_f64(slope)),
                Activation::Tanh => Finish::TanhBack,
            };
            backward.apply(cpu, rows, gradient, inputs, finish);
        }
    }
}

impl<T: Element> Map<T> for Mlp<T> {
    fn pack(&mut self, parameters: &mut &[T]) {
        self.pack(parameters);
    }

    fn sums(&self) -> Result<MlpGradient<T>> {
        self.sums()
    }

    fn tape(&self, _: bool) -> usize {
        self.tape()
    }

    fn apply(&self, pass: &Pass<T>, point: &mut Point<T>, tape: &mut [T::Feature]) {
        let (own, given) = tape.split_at_mut(self.inputs() - pass.conditions.len());
        own.copy_from_slice(&point.state[..own.len()]);
        given[..pass.conditions.len()].copy_from_slice(pass.conditions);
        self.forward(pass.cpu, pass.rows, tape);
        let output = self.output(tape);
        point.state[..output.len()].copy_from_slice(output);
    }

    fn backward(
        &self,
        pass: &Pass<T>,
        gradient: &mut Point<T>,
        tape: &mut [T::Feature],
        sums: Option<&mut MlpGradient<T>>,
    ) {
        let output = self.output(tape);
        output.copy_from_slice(&gradient.state[..output.len()]);
        self.backward(pass.cpu, pass.rows, tape, sums);
        let inputs = self.inputs() - pass.conditions.len();
        gradient.state[..inputs].copy_from_slice(&tape[..inputs]);
    }
}
