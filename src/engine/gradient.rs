//! Gradients with respect to parameters, summed over rows.
//!
//! That of a weight is Σ over the rows of (gradient at the output) · (input). Rows lie in the lanes, so one of the two is transposed: then
//! a vector holds several inputs of one row, and every sum runs over the rows in their order, the same bits for vectors of any width.

use super::cpu::{Cpu, Task};
use super::lanes::{own, Element};
use super::simd::Simd;
use crate::{room, Result};

/// The sums of one network.
pub(super) struct MlpGradient<T: Element> {
    layers: Vec<LayerGradient<T>>,
    /// The input of a layer, in columns of [`column`] inputs: of every row after the other.
    transposed: Vec<T>,
}

struct LayerGradient<T: Element> {
    inputs: usize,
    outputs: usize,
    /// Lane by lane: of the bias and, of a narrow layer, the weights input by input. outputs × (1 or 1 + inputs).
    lanes: Vec<T::Feature>,
    /// Of the weights of a layer that is not narrow: outputs × padded inputs.
    matrix: Vec<T>,
}

/// Up to so many inputs, sums in lanes are faster than a vector of inputs that is mostly padding.
const NARROW: usize = 4;

/// Outputs of a tile of the matrix.
const OUTPUTS: usize = 6;

/// Inputs of a vector of the widest kind.
const fn column<T: Element>() -> usize {
    T::ROWS / 2
}

/// Inputs padded to whole vectors of the widest kind.
fn padded<T: Element>(inputs: usize) -> usize {
    inputs.next_multiple_of(column::<T>())
}

impl<T: Element> MlpGradient<T> {
    /// Sums of 0 of a network with layers of so many (inputs, outputs), for up to `blocks` blocks at once.
    pub fn new(blocks: usize, layers: impl Iterator<Item = (usize, usize)>) -> Result<Self> {
        let mut widest = 0;
        let layers = layers.map(|(inputs, outputs)| {
            let (per_output, row) = if inputs <= NARROW {
                (1 + inputs, 0)
            } else {
                (1, padded::<T>(inputs))
            };
            widest = widest.max(row);
            Ok(LayerGradient {
                inputs,
                outputs,
                lanes: room::filled(outputs * per_output, T::Feature::default())?,
                matrix: room::filled(outputs * row, T::default())?,
            })
        });
        Ok(MlpGradient {
            layers: layers.collect::<Result<_>>()?,
            transposed: room::filled(blocks * T::ROWS * widest, T::default())?,
        })
    }

    /// Back to 0.
    pub fn clear(&mut self) {
        for layer in &mut self.layers {
            layer.lanes.fill(T::Feature::default());
            layer.matrix.fill(T::default());
        }
    }

    /// Adds `blocks` blocks: the gradients at the outputs of layer `layer`, blocks × outputs, and its inputs, blocks × inputs, all lanes.
    pub fn add(
        &mut self,
        cpu: Cpu,
        layer: usize,
        blocks: usize,
        gradient: &[T::Feature],
        inputs: &[T::Feature],
    ) {
        let layer = &mut self.layers[layer];
        let narrow = layer.inputs <= NARROW;
        for block in 0..blocks {
            cpu.run(AddLanes::<T> {
                sums: &mut layer.lanes,
                gradient: own(gradient, layer.outputs, block),
                inputs: own(inputs, if narrow { layer.inputs } else { 0 }, block),
            });
        }
        if narrow {
            return;
        }
        let rows = blocks * T::ROWS;
        for block in 0..blocks {
            cpu.run(Transpose::<T> {
                features: own(inputs, layer.inputs, block),
                first: block * T::ROWS,
                rows,
                to: &mut self.transposed,
            });
        }
        cpu.run(AddMatrix::<T> {
            sums: &mut layer.matrix,
            stride: padded::<T>(layer.inputs),
            outputs: layer.outputs,
            gradient: &gradient[..blocks * layer.outputs],
            rows,
            inputs: &self.transposed,
        });
    }

    /// Adds the sums to the front of `out`, in the order of the network's parameters, and moves on by as many.
    pub fn add_to(&self, out: &mut &mut [T]) {
        for layer in &self.layers {
            let (weight, rest) = std::mem::take(out).split_at_mut(layer.inputs * layer.outputs);
            let (bias, rest) = rest.split_at_mut(layer.outputs);
            *out = rest;
            let (of_bias, of_weight) = layer.lanes.split_at(layer.outputs);
            for (to, lanes) in bias.iter_mut().zip(of_bias) {
                *to = *to + sum::<T>(lanes);
            }
            if layer.inputs == 0 {
                continue;
            }
            let rows = weight.chunks_exact_mut(layer.inputs);
            if layer.inputs <= NARROW {
                for (to, lanes) in rows.zip(of_weight.chunks_exact(layer.inputs)) {
                    for (to, lanes) in to.iter_mut().zip(lanes) {
                        *to = *to + sum::<T>(lanes);
                    }
                }
            } else {
                for (to, row) in rows.zip(layer.matrix.chunks_exact(padded::<T>(layer.inputs))) {
                    for (to, &row) in to.iter_mut().zip(row) {
                        *to = *to + row;
                    }
                }
            }
        }
    }
}

fn sum<T: Element>(lanes: &T::Feature) -> T {
    let lanes = lanes.as_ref().iter();
    lanes.fold(T::default(), |sum, &x| sum + x)
}

/// Lane by lane, the gradients to the sums of the biases, and their products with the inputs to those of the weights.
struct AddLanes<'a, T: Element> {
    sums: &'a mut [T::Feature],
    gradient: &'a [T::Feature],
    inputs: &'a [T::Feature],
}

impl<T: Element> Task<T> for AddLanes<'_, T> {
    // In vectors of one feature: loops over its elements would be vectorised across features.
    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let one = simd.splat(T::from_f64(1.0));
        let (biases, weights) = self.sums.split_at_mut(self.gradient.len());
        for (sum, gradient) in biases.iter_mut().zip(self.gradient) {
            for at in (0..T::ROWS).step_by(S::LANES) {
                let (sum, gradient) = (&mut sum.as_mut()[at..], &gradient.as_ref()[at..]);
                simd.store(
                    simd.add_product(simd.load(sum), simd.load(gradient), one),
                    sum,
                );
            }
        }
        if self.inputs.is_empty() {
            return;
        }
        let rows = weights.chunks_exact_mut(self.inputs.len());
        for (sums, gradient) in rows.zip(self.gradient) {
            for (sum, input) in sums.iter_mut().zip(self.inputs) {
                for at in (0..T::ROWS).step_by(S::LANES) {
                    let (g, x) = (&gradient.as_ref()[at..], &input.as_ref()[at..]);
                    let sum = &mut sum.as_mut()[at..];
                    let more = simd.add_product(simd.load(sum), simd.load(g), simd.load(x));
                    simd.store(more, sum);
                }
            }
        }
    }
}

/// Features in lanes to rows `first` and the following of columns of `rows` rows. What fills the last column up is anything.
struct Transpose<'a, T: Element> {
    features: &'a [T::Feature],
    first: usize,
    rows: usize,
    to: &'a mut [T],
}

impl<T: Element> Task<T> for Transpose<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let (edge, wide) = (S::SQUARE, column::<T>());
        let squares = self.features.len() / edge * edge;
        let column = |feature: usize| feature / wide * self.rows * wide + feature % wide;
        for feature in (0..squares).step_by(edge) {
            let features = &self.features[feature..feature + edge];
            for row in (0..T::ROWS).step_by(edge) {
                let to = &mut self.to[column(feature) + (self.first + row) * wide..];
                simd.transpose(features, row, to, wide);
            }
        }
        for (i, feature) in self.features.iter().enumerate().skip(squares) {
            let to = self.to[column(i) + self.first * wide..].iter_mut();
            for (to, &x) in to.step_by(wide).zip(feature.as_ref()) {
                *to = x;
            }
        }
    }
}

/// The products of all gradients with all inputs, row after row, to the sums.
struct AddMatrix<'a, T: Element> {
    sums: &'a mut [T],
    stride: usize,
    outputs: usize,
    gradient: &'a [T::Feature],
    rows: usize,
    inputs: &'a [T],
}

impl<T: Element> Task<T> for AddMatrix<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let mut first = 0;
        while first < self.outputs {
            match self.outputs - first {
                OUTPUTS.. => {
                    self.panel::<OUTPUTS, _>(simd, first);
                    first += OUTPUTS;
                }
                4.. => {
                    self.panel::<4, _>(simd, first);
                    first += 4;
                }
                2.. => {
                    self.panel::<2, _>(simd, first);
                    first += 2;
                }
                _ => {
                    self.panel::<1, _>(simd, first);
                    first += 1;
                }
            }
        }
    }
}

#[allow(clippy::needless_range_loop)]
impl<T: Element> AddMatrix<'_, T> {
    /// `M` outputs from output `first` on, of all inputs: their gradients stay in the nearest cache.
    #[inline(always)]
    fn panel<const M: usize, S: Simd<T>>(&mut self, simd: S, first: usize) {
        let mut at = 0;
        while at < self.stride {
            let vectors = (self.stride - at) / S::LANES;
            // Four are better done as two and two than as three and one.
            let n = match vectors {
                4 => 2,
                n => n.min(S::TILE),
            };
            match n {
                3 => self.tile::<M, 3, _>(simd, first, at),
                2 => self.tile::<M, 2, _>(simd, first, at),
                _ => self.tile::<M, 1, _>(simd, first, at),
            }
            at += n * S::LANES;
        }
    }

    /// The same, of `N` vectors of inputs from input `at` on.
    // Plain loops: closures here would not always be compiled for the caller's instructions.
    #[inline(always)]
    fn tile<const M: usize, const N: usize, S: Simd<T>>(
        &mut self,
        simd: S,
        first: usize,
        at: usize,
    ) {
        let wide = column::<T>();
        let mut sums = [[simd.splat(T::default()); N]; M];
        for m in 0..M {
            let from = &self.sums[(first + m) * self.stride + at..][..N * S::LANES];
            for n in 0..N {
                sums[m][n] = simd.load(&from[n * S::LANES..]);
            }
        }
        for block in 0..self.rows / T::ROWS {
            let gradient = &own(self.gradient, self.outputs, block)[first..first + M];
            let mut inputs = [&self.inputs[..0]; N];
            for n in 0..N {
                let at = at + n * S::LANES;
                let start = (at / wide * self.rows + block * T::ROWS) * wide + at % wide;
                inputs[n] = &self.inputs[start..][..(T::ROWS - 1) * wide + S::LANES];
            }
            for row in 0..T::ROWS {
                let mut x = [simd.splat(T::default()); N];
                for n in 0..N {
                    x[n] = simd.load(&inputs[n][row * wide..]);
                }
                for m in 0..M {
                    let g = simd.splat(gradient[m].as_ref()[row]);
                    for n in 0..N {
                        sums[m][n] = simd.add_product(sums[m][n], g, x[n]);
                    }
                }
            }
        }
        for m in 0..M {
            let to = &mut self.sums[(first + m) * self.stride + at..][..N * S::LANES];
            for n in 0..N {
                simd.store(sums[m][n], &mut to[n * S::LANES..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};

    fn features<T: Element>(n: usize, stream: u64) -> Vec<T::Feature> {
        let mut values = vec![0.0; n * T::ROWS];
        Noise::new(6, stream, domain::INITIAL).normals(0, 0, &mut values);
        let mut features = vec![T::Feature::default(); n];
        for (feature, values) in features.iter_mut().zip(values.chunks(T::ROWS)) {
            for (to, v) in feature.as_mut().iter_mut().zip(values) {
                *to = T::from_f64(*v);
            }
        }
        features
    }

    /// Two blocks against the triple loop; `epsilon` is the spacing of numbers at 1.
    fn agrees<T: Element>(epsilon: f64) {
        for (inputs, outputs) in [
            (1, 1),
            (4, 7),
            (5, 2),
            (13, 48),
            (48, 48),
            (64, 1),
            (100, 11),
            (130, 6),
        ] {
            let blocks = [0, 2].map(|s| (features::<T>(outputs, s), features::<T>(inputs, s + 1)));
            let mut results = Vec::new();
            for cpu in Cpu::all() {
                let mut sums = MlpGradient::<T>::new(2, [(inputs, outputs)].into_iter()).unwrap();
                sums.add(cpu, 0, 1, &blocks[0].0, &blocks[0].1);
                sums.clear();
                for (gradient, x) in &blocks {
                    sums.add(cpu, 0, 1, gradient, x);
                }
                let mut out = vec![T::from_f64(0.5); (inputs + 1) * outputs];
                sums.add_to(&mut &mut out[..]);
                for (i, got) in out.iter().enumerate() {
                    let (mut expected, mut size) = (0.5, 0.5);
                    for (gradient, x) in &blocks {
                        for row in 0..T::ROWS {
                            let g = |o: usize| gradient[o].as_ref()[row].to_f64();
                            let term = match i.checked_sub(inputs * outputs) {
                                Some(o) => g(o),
                                None => g(i / inputs) * x[i % inputs].as_ref()[row].to_f64(),
                            };
                            expected += term;
                            size += term.abs();
                        }
                    }
                    let error = (got.to_f64() - expected).abs();
                    let bound = (2 * T::ROWS + 2) as f64 * epsilon * size;
                    assert!(
                        error <= bound,
                        "{inputs}→{outputs}, {cpu:?}, {i}: {error} > {bound}"
                    );
                }
                results.push(out);
            }
            let [fused @ .., _portable] = &results[..] else {
                unreachable!()
            };
            assert!(fused.iter().all(|r| *r == fused[0]), "whatever the width");
        }
    }

    #[test]
    fn agrees_with_the_triple_loop() {
        agrees::<f32>(f64::from(f32::EPSILON));
        agrees::<f64>(f64::EPSILON);
    }
}
