//! [`Matching`](model::Matching) on blocks: transport along learned velocities, forward and backward.

use super::gradient::MlpGradient;
use super::lanes::{own, own_mut, Element};
use super::map::{Map, Pass, Point};
use super::mlp::Mlp;
use super::size::Size;
use crate::{model, Result};

/// The field with its weights packed. The tape that is kept holds those of both evaluations of every step.
pub(super) struct Matching<T> {
    network: Mlp<T>,
    steps: usize,
}

impl<T: Element> Map<T> for Matching<T> {
    fn pack(&mut self, parameters: &mut &[T]) {
        self.network.pack(parameters);
    }

    fn size(&self) -> Size {
        self.network.size()
    }

    fn sums(&self, blocks: usize) -> Result<MlpGradient<T>> {
        self.network.sums(blocks)
    }

    fn tape(&self, keep: bool) -> usize {
        self.network.tape() * if keep { 2 * self.steps } else { 1 }
    }

    fn apply(&self, pass: &Pass<T>, point: &mut Point<T>, tape: &mut [T::Feature]) {
        let (n, inputs, blocks) = (self.network.outputs(), self.network.inputs(), pass.blocks());
        let length = blocks * self.network.tape();
        let apart = if pass.keep { length } else { 0 };
        let (whole, half) = self.step();
        for evaluation in 0..2 * self.steps {
            let start = evaluation * apart;
            let middle = evaluation % 2 == 1;
            let time = T::from_f64(0.5 * evaluation as f64 / self.steps as f64);
            for block in 0..blocks {
                // Where the evaluation before left its velocities; the first has none.
                let before = (start + length).saturating_sub(apart + (blocks - block) * n);
                let to = start + block * inputs;
                for (k, &z) in point.state(block)[..n].iter().enumerate() {
                    tape[to + k] = if middle {
                        along::<T>(z, half, tape[before + k])
                    } else {
                        z
                    };
                }
                tape[to + n].as_mut().fill(time);
                let condition = pass.condition(block);
                tape[to + n + 1..][..condition.len()].copy_from_slice(condition);
            }
            let tape = &mut tape[start..][..length];
            self.network.forward(pass.cpu, pass.rows, tape);
            if !middle {
                continue;
            }
            let velocities = self.network.output(blocks, tape);
            for block in 0..blocks {
                let state = point.state(block).iter_mut();
                for (z, &v) in state.zip(own(velocities, n, block)) {
                    *z = along::<T>(*z, whole, v);
                }
            }
        }
    }

    fn backward(
        &self,
        pass: &Pass<T>,
        gradient: &mut Point<T>,
        tape: &mut [T::Feature],
        mut sums: Option<&mut MlpGradient<T>>,
    ) {
        let (n, inputs, blocks) = (self.network.outputs(), self.network.inputs(), pass.blocks());
        let length = blocks * self.network.tape();
        let (whole, half) = self.step();
        let (zero, one) = (T::Feature::default(), T::from_f64(1.0));
        let mut back = |tape: &mut [T::Feature]| {
            let sums = sums.as_deref_mut();
            self.network.backward(pass.cpu, pass.rows, tape, sums);
        };
        // h times the gradient with respect to where the velocities led.
        let push = |velocities: &mut [T::Feature], h: T, gradient: &[T::Feature]| {
            for (v, &g) in velocities.iter_mut().zip(gradient) {
                *v = along::<T>(zero, h, g);
            }
        };
        for step in tape[..2 * self.steps * length]
            .chunks_exact_mut(2 * length)
            .rev()
        {
            let (start, middle) = step.split_at_mut(length);
            let velocities = self.network.output(blocks, middle);
            for block in 0..blocks {
                push(own_mut(velocities, n, block), whole, gradient.state(block));
            }
            back(middle);
            let velocities = self.network.output(blocks, start);
            for block in 0..blocks {
                push(
                    own_mut(velocities, n, block),
                    half,
                    own(middle, inputs, block),
                );
            }
            back(start);
            for block in 0..blocks {
                let (a, b) = (own(start, inputs, block), own(middle, inputs, block));
                let by_starts = gradient.state(block).iter_mut().zip(&a[..n]);
                for ((g, &a), &b) in by_starts.zip(b) {
                    *g = along::<T>(along::<T>(*g, one, a), one, b);
                }
            }
        }
    }
}

impl<T: Element> Matching<T> {
    /// The field with its parameters 0 until they are packed.
    pub fn new(matching: &model::Matching) -> Result<Self> {
        Ok(Matching {
            network: Mlp::new(&matching.network)?,
            steps: matching.steps,
        })
    }

    /// h and h/2.
    fn step(&self) -> (T, T) {
        let h = 1.0 / self.steps as f64;
        (T::from_f64(h), T::from_f64(0.5 * h))
    }
}

/// z + h v.
fn along<T: Element>(mut z: T::Feature, h: T, v: T::Feature) -> T::Feature {
    for (z, &v) in z.as_mut().iter_mut().zip(v.as_ref()) {
        *z = *z + h * v;
    }
    z
}
