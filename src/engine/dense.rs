//! The linear layer y = W x + b on blocks.

use super::cpu::{Cpu, Task};
use super::lanes::{blocks, own, own_mut, Element};
use super::simd::Simd;
use crate::{room, Result};
use std::array::from_fn;

/// Outputs that are summed at once, for two vectors of rows: twelve sums hide the latency of the multiply-add and fit sixteen registers.
const OUTPUTS: usize = 6;

/// W and b in the order of their use: outputs in panels of [`OUTPUTS`] and, of the rest, 4, 2 and 1; in a panel, the weights of all its
/// outputs for the first input, for the second, ….
pub(super) struct Dense<T> {
    inputs: usize,
    weights: Vec<T>,
    bias: Vec<T>,
}

/// What becomes of the sums.
#[derive(Clone, Copy)]
pub(super) enum Finish<T> {
    /// y = sum, or slope · sum where that is larger; slope 1 leaves the sum as it is.
    Rectify(T),
    /// y = sum · f′, where y is the value of LeakyReLU f with this slope.
    RectifyBack(T),
    /// y = sum · f′, where y is the value of f = tanh.
    TanhBack,
}

/// How a weight matrix lies in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Outputs × inputs, as in a [`Parameter`](crate::model::Parameter).
    Rows,
    /// The transpose of that.
    Columns,
}

impl<T: Element> Dense<T> {
    /// A layer whose weights are 0 until they are packed.
    pub(super) fn new(inputs: usize, outputs: usize) -> Result<Self> {
        Ok(Dense {
            inputs,
            weights: room::filled(inputs * outputs, T::default())?,
            bias: room::filled(outputs, T::default())?,
        })
    }

    /// Takes over W; and b, unless that is empty.
    pub(super) fn pack(&mut self, weight: &[T], order: Order, bias: &[T]) {
        let (inputs, outputs) = (self.inputs, self.bias.len());
        self.bias[..bias.len()].copy_from_slice(bias);
        let mut packed = &mut self.weights[..];
        let mut first = 0;
        while first < outputs {
            let width = panel(outputs - first);
            let own;
            (own, packed) = packed.split_at_mut(width * inputs);
            match (order, width) {
                (Order::Rows, OUTPUTS) => pack_rows::<OUTPUTS, T>(&weight[first * inputs..], own),
                (Order::Rows, 4) => pack_rows::<4, T>(&weight[first * inputs..], own),
                (Order::Rows, 2) => pack_rows::<2, T>(&weight[first * inputs..], own),
                (Order::Rows, _) => pack_rows::<1, T>(&weight[first * inputs..], own),
                (Order::Columns, _) => {
                    let rows = weight.chunks_exact(outputs);
                    for (to, from) in own.chunks_exact_mut(width).zip(rows) {
                        // A call that copies would take longer than these few.
                        to.iter_mut()
                            .zip(&from[first..])
                            .for_each(|(to, &w)| *to = w);
                    }
                }
            }
            first += width;
        }
    }

    /// Features of x.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Features of y.
    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Applies the layer to the first `rows` rows of the blocks that these fill; the others hold anything afterwards. `x`: blocks × inputs,
    /// `y`: blocks × outputs.
    pub(super) fn apply(
        &self,
        cpu: Cpu,
        rows: usize,
        x: &[T::Feature],
        y: &mut [T::Feature],
        finish: Finish<T>,
    ) {
        let blocks = blocks::<T>(rows);
        let sums = Sums {
            layer: self,
            rows,
            x: &x[..blocks * self.inputs],
            y: &mut y[..blocks * self.bias.len()],
        };
        match finish {
            Finish::Rectify(slope) => cpu.run(Apply::<T, RECTIFY> { sums, slope }),
            Finish::RectifyBack(slope) => cpu.run(Apply::<T, RECTIFY_BACK> { sums, slope }),
            Finish::TanhBack => cpu.run(Apply::<T, TANH_BACK> {
                sums,
                slope: T::default(),
            }),
        }
    }
}

/// The first `M` rows of `weight` into a panel.
fn pack_rows<const M: usize, T: Element>(weight: &[T], panel: &mut [T]) {
    let inputs = panel.len() / M;
    let rows: [&[T]; M] = from_fn(|m| &weight[m * inputs..][..inputs]);
    for (i, to) in panel.chunks_exact_mut(M).enumerate() {
        for (to, row) in to.iter_mut().zip(rows) {
            *to = row[i];
        }
    }
}

/// Width of the next panel when so many outputs are left.
#[inline(always)]
fn panel(left: usize) -> usize {
    match left {
        OUTPUTS.. => OUTPUTS,
        4.. => 4,
        2.. => 2,
        _ => 1,
    }
}

struct Sums<'a, T: Element> {
    layer: &'a Dense<T>,
    rows: usize,
    x: &'a [T::Feature],
    y: &'a mut [T::Feature],
}

/// The kinds of [`Finish`], to compile each by itself.
const RECTIFY: u8 = 0;
const RECTIFY_BACK: u8 = 1;
const TANH_BACK: u8 = 2;

struct Apply<'a, T: Element, const FINISH: u8> {
    sums: Sums<'a, T>,
    slope: T,
}

impl<T: Element, const FINISH: u8> Task<T> for Apply<'_, T, FINISH> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Sums { layer, rows, x, y } = self.sums;
        let (mut weights, outputs, mut first) = (&layer.weights[..], layer.bias.len(), 0);
        while first < outputs {
            let width = panel(outputs - first);
            let own_weights;
            (own_weights, weights) = weights.split_at(width * layer.inputs);
            // A panel stays in the nearest cache while all blocks pass it.
            for block in 0..blocks::<T>(rows) {
                let tiles = Panel {
                    weights: own_weights,
                    bias: &layer.bias[first..first + width],
                    slope: self.slope,
                    x: own(x, layer.inputs, block),
                };
                let rows = T::ROWS.min(rows - block * T::ROWS);
                let y = &mut own_mut(y, outputs, block)[first..first + width];
                match width {
                    OUTPUTS => tiles.apply::<OUTPUTS, FINISH, _>(simd, rows, y),
                    4 => tiles.apply::<4, FINISH, _>(simd, rows, y),
                    2 => tiles.apply::<2, FINISH, _>(simd, rows, y),
                    _ => tiles.apply::<1, FINISH, _>(simd, rows, y),
                }
            }
            first += width;
        }
    }
}

struct Panel<'a, T: Element> {
    weights: &'a [T],
    bias: &'a [T],
    slope: T,
    x: &'a [T::Feature],
}

impl<T: Element> Panel<'_, T> {
    #[inline(always)]
    fn apply<const M: usize, const FINISH: u8, S: Simd<T>>(
        &self,
        simd: S,
        rows: usize,
        y: &mut [T::Feature],
    ) {
        let mut at = 0;
        while at + S::LANES < rows {
            self.tile::<M, 2, FINISH, _>(simd, at, y);
            at += 2 * S::LANES;
        }
        if at < rows {
            self.tile::<M, 1, FINISH, _>(simd, at, y);
        }
    }

    /// `M` outputs of `N` vectors of rows from row `at` on, summed in registers in the order of the inputs.
    #[inline(always)]
    fn tile<const M: usize, const N: usize, const FINISH: u8, S: Simd<T>>(
        &self,
        simd: S,
        at: usize,
        y: &mut [T::Feature],
    ) {
        let mut sums: [[S::Vector; N]; M] = from_fn(|m| [simd.splat(self.bias[m]); N]);
        for (w, x) in self.weights.chunks_exact(M).zip(self.x) {
            let x = &x.as_ref()[at..at + N * S::LANES];
            let x: [S::Vector; N] = from_fn(|n| simd.load(&x[n * S::LANES..]));
            for (sums, &w) in sums.iter_mut().zip(w) {
                let w = simd.splat(w);
                for (sum, &x) in sums.iter_mut().zip(&x) {
                    *sum = simd.add_product(*sum, w, x);
                }
            }
        }
        let (slope, one) = (simd.splat(self.slope), T::from_f64(1.0));
        for (sums, y) in sums.iter().zip(y) {
            let y = y.as_mut()[at..].chunks_exact_mut(S::LANES);
            for (sum, y) in sums.iter().zip(y) {
                let result = match FINISH {
                    // max, as slopes are at most 1.
                    RECTIFY => simd.larger(simd.times(*sum, slope), *sum),
                    RECTIFY_BACK => {
                        let by = simd.if_positive(simd.load(y), simd.splat(one), slope);
                        simd.times(*sum, by)
                    }
                    _ => {
                        let tanh = simd.load(y);
                        let minus_tanh = simd.times(tanh, simd.splat(-one));
                        simd.times(*sum, simd.add_product(simd.splat(one), minus_tanh, tanh))
                    }
                };
                simd.store(result, y);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};

    const SHAPES: [(usize, usize); 8] = [
        (1, 1),
        (1, 48),
        (48, 1),
        (48, 48),
        (7, 13),
        (64, 64),
        (0, 5),
        (100, 11),
    ];

    fn random<T: Element>(n: usize, stream: u64) -> Vec<T> {
        let mut out = vec![0.0; n];
        Noise::new(3, stream, domain::INITIAL).normals(0, 0, &mut out);
        out.into_iter().map(T::from_f64).collect()
    }

    /// Blocks that pass together make the bits of each by itself.
    #[test]
    fn blocks_do_not_depend_on_others() {
        let (inputs, outputs, rows) = (37, 13, 3 * f32::ROWS - 5);
        let mut layer = Dense::new(inputs, outputs).unwrap();
        layer.pack(
            &random::<f32>(inputs * outputs, 1),
            Order::Rows,
            &random::<f32>(outputs, 2),
        );
        let x = block::<f32>(3 * inputs, 3);
        for cpu in Cpu::all() {
            let mut together = block::<f32>(3 * outputs, 4);
            layer.apply(cpu, rows, &x, &mut together, Finish::Rectify(0.25));
            for number in 0..3 {
                let rows = f32::ROWS.min(rows - number * f32::ROWS);
                let mut alone = block::<f32>(outputs, 4);
                let x = own(&x, inputs, number);
                layer.apply(cpu, rows, x, &mut alone, Finish::Rectify(0.25));
                for (a, b) in alone.iter().zip(own(&together, outputs, number)) {
                    assert_eq!(a.as_ref()[..rows], b.as_ref()[..rows]);
                }
            }
        }
    }

    fn block<T: Element>(features: usize, stream: u64) -> Vec<T::Feature> {
        let values = random::<T>(features * T::ROWS, stream);
        let mut block = vec![T::Feature::default(); features];
        for (feature, values) in block.iter_mut().zip(values.chunks(T::ROWS)) {
            feature.as_mut().copy_from_slice(values);
        }
        block
    }

    /// Against the double loop; `epsilon` is the spacing of numbers at 1.
    fn agrees<T: Element>(epsilon: f64) {
        for (inputs, outputs) in SHAPES {
            let (w, b) = (random::<T>(inputs * outputs, 1), random::<T>(outputs, 2));
            let mut layer = Dense::new(inputs, outputs).unwrap();
            layer.pack(&w, Order::Rows, &b);
            assert_eq!((layer.inputs(), layer.outputs()), (inputs, outputs));
            let mut same = Dense::new(inputs, outputs).unwrap();
            let columns: Vec<T> = (0..inputs * outputs)
                .map(|i| w[i % outputs * inputs + i / outputs])
                .collect();
            same.pack(&columns, Order::Columns, &b);
            assert!(layer.weights == same.weights && layer.bias == same.bias);
            let (x, before) = (block::<T>(inputs, 3), block::<T>(outputs, 4));
            for cpu in Cpu::all() {
                for rows in [1, 2, T::ROWS / 2 + 1, T::ROWS - 1, T::ROWS] {
                    for finish in [
                        Finish::Rectify(T::from_f64(1.0)),
                        Finish::Rectify(T::from_f64(0.25)),
                        Finish::RectifyBack(T::from_f64(0.25)),
                        Finish::TanhBack,
                    ] {
                        let mut y = before.clone();
                        layer.apply(cpu, rows, &x, &mut y, finish);
                        for row in 0..rows {
                            for o in 0..outputs {
                                let terms = (0..inputs).map(|i| {
                                    w[o * inputs + i].to_f64() * x[i].as_ref()[row].to_f64()
                                });
                                let bias = b[o].to_f64();
                                let sum = bias + terms.clone().sum::<f64>();
                                let size = bias.abs() + terms.map(f64::abs).sum::<f64>();
                                let old = before[o].as_ref()[row].to_f64();
                                let (expected, scale) = match finish {
                                    Finish::Rectify(slope) if sum < 0.0 => {
                                        (slope.to_f64() * sum, 1.0)
                                    }
                                    Finish::Rectify(_) => (sum, 1.0),
                                    Finish::RectifyBack(_) if old > 0.0 => (sum, 1.0),
                                    Finish::RectifyBack(slope) => (slope.to_f64() * sum, 1.0),
                                    Finish::TanhBack => {
                                        let derivative = 1.0 - old * old;
                                        (derivative * sum, 1.0 + old * old)
                                    }
                                };
                                let error = (y[o].as_ref()[row].to_f64() - expected).abs();
                                // A rounding per term.
                                let bound = (inputs + 2) as f64 * epsilon * size * scale;
                                assert!(
                                    error <= bound,
                                    "{inputs}→{outputs}, row {row} of {rows}, {cpu:?}: {error} > {bound}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn agrees_with_the_double_loop() {
        agrees::<f32>(f64::from(f32::EPSILON));
        agrees::<f64>(f64::EPSILON);
    }

    #[test]
    fn nan_and_infinity_pass() {
        let mut layer = Dense::<f32>::new(1, 7).unwrap();
        layer.pack(&[1.0; 7], Order::Rows, &[0.0; 7]);
        for cpu in Cpu::all() {
            let mut x = [<f32 as Element>::Feature::default()];
            x[0].as_mut()[..3].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
            let mut y = [<f32 as Element>::Feature::default(); 7];
            layer.apply(cpu, 3, &x, &mut y, Finish::Rectify(0.5));
            for y in y {
                let y = y.as_ref();
                assert!(y[0].is_nan());
                assert_eq!(y[1..3], [f32::INFINITY, f32::NEG_INFINITY]);
            }
        }
    }
}
