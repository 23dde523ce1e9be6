//! [`Mlp`](crate::model::Mlp) on blocks, forward and backward.

use super::cpu::Cpu;
use super::dense::{Dense, Finish, Order};
use super::gradient::MlpGradient;
use super::lanes::{blocks, own, own_mut, Element};
use super::map::{Map, Pass, Point};
use super::math;
use super::size::Size;
use crate::model::{self, Activation};
use crate::Result;

/// A fully connected network with its weights packed, for both directions. Immutable but for [`Mlp::pack`]. As a map, it is given the point
/// followed by the condition.
///
/// It computes on a tape of [`Mlp::tape`] features of every block: the inputs of all blocks, their activations of every hidden layer, their
/// outputs.
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

    /// How large it is.
    pub(super) fn size(&self) -> Size {
        let layers = self.layers.iter().map(|layer| &layer.forward);
        let layers = layers.map(|layer| Size {
            weights: layer.inputs() * layer.outputs(),
            widest: layer.inputs().max(layer.outputs()),
        });
        layers.sum()
    }

    /// Sums for the gradient with respect to the parameters, 0, of up to `blocks` blocks at once.
    pub(super) fn sums(&self, blocks: usize) -> Result<MlpGradient<T>> {
        let layers = self.layers.iter();
        MlpGradient::new(
            blocks,
            layers.map(|l| (l.forward.inputs(), l.forward.outputs())),
        )
    }

    /// Features of the input.
    pub(super) fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |l| l.forward.inputs())
    }

    /// Features of the output.
    pub(super) fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |l| l.forward.outputs())
    }

    /// Features of the tape, of every block.
    pub(super) fn tape(&self) -> usize {
        self.tape
    }

    /// Where the outputs of `blocks` blocks lie in a tape that ends with this network's.
    pub(super) fn output<'a, F>(&self, blocks: usize, tape: &'a mut [F]) -> &'a mut [F] {
        let start = tape.len() - blocks * self.outputs();
        &mut tape[start..]
    }

    /// From the input at the front of the tape to the output at its end, of `rows` rows and the blocks that these fill.
    pub(super) fn forward(&self, cpu: Cpu, rows: usize, mut tape: &mut [T::Feature]) {
        let blocks = blocks::<T>(rows);
        let last = self.layers.len() - 1;
        for (i, Layer { forward, .. }) in self.layers.iter().enumerate() {
            let (x, y) = tape.split_at_mut(blocks * forward.inputs());
            let slope = match self.activation {
                Activation::LeakyRelu { slope } if i < last => slope,
                _ => 1.0,
            };
            let finish = Finish::Rectify(T::from_f64(slope));
            forward.apply(cpu, rows, x, y, finish);
            if i < last && self.activation == Activation::Tanh {
                cpu.run(math::Tanh::<T>(&mut y[..blocks * forward.outputs()]));
            }
            tape = y;
        }
    }

    /// Back through what [`Mlp::forward`] left on the tape, the output replaced by the gradient with respect to it. Every layer's place
    /// then holds the gradient with respect to its sums, before the activation; the front, that with respect to the input. The gradient
    /// with respect to the parameters is added to `sums`, if given; that takes whole blocks, so rows that do not count must have the
    /// output gradient 0 and finite activations.
    pub(super) fn backward(
        &self,
        cpu: Cpu,
        rows: usize,
        tape: &mut [T::Feature],
        mut sums: Option<&mut MlpGradient<T>>,
    ) {
        let blocks = blocks::<T>(rows);
        let mut end = blocks * self.tape();
        for (i, Layer { backward, .. }) in self.layers.iter().enumerate().rev() {
            let (rest, gradient) = tape[..end].split_at_mut(end - blocks * backward.inputs());
            end = rest.len();
            let inputs = &mut rest[end - blocks * backward.outputs()..];
            if let Some(sums) = &mut sums {
                sums.add(cpu, i, blocks, gradient, inputs);
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

    fn size(&self) -> Size {
        self.size()
    }

    fn sums(&self, blocks: usize) -> Result<MlpGradient<T>> {
        self.sums(blocks)
    }

    fn tape(&self, _: bool) -> usize {
        self.tape()
    }

    fn apply(&self, pass: &Pass<T>, point: &mut Point<T>, tape: &mut [T::Feature]) {
        let blocks = pass.blocks();
        for block in 0..blocks {
            let condition = pass.condition(block);
            let input = own_mut(tape, self.inputs(), block);
            let (point_in, given) = input.split_at_mut(self.inputs() - condition.len());
            point_in.copy_from_slice(&point.state(block)[..point_in.len()]);
            given.copy_from_slice(condition);
        }
        self.forward(pass.cpu, pass.rows, tape);
        let outputs = self.output(blocks, tape);
        for block in 0..blocks {
            point.state(block)[..self.outputs()].copy_from_slice(own(
                outputs,
                self.outputs(),
                block,
            ));
        }
    }

    fn backward(
        &self,
        pass: &Pass<T>,
        gradient: &mut Point<T>,
        tape: &mut [T::Feature],
        sums: Option<&mut MlpGradient<T>>,
    ) {
        let blocks = pass.blocks();
        let outputs = self.output(blocks, tape);
        for block in 0..blocks {
            let output = own_mut(outputs, self.outputs(), block);
            output.copy_from_slice(&gradient.state(block)[..self.outputs()]);
        }
        self.backward(pass.cpu, pass.rows, tape, sums);
        for block in 0..blocks {
            let inputs = self.inputs() - pass.condition(block).len();
            gradient.state(block)[..inputs]
                .copy_from_slice(&own(tape, self.inputs(), block)[..inputs]);
        }
    }
}
