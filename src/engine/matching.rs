//! [`Matching`](model::Matching) on a block: transport along learned velocities, forward and backward.

use super::gradient::MlpGradient;
use super::lanes::Element;
use super::map::{Map, Pass, Point};
use super::mlp::Mlp;
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

    fn sums(&self) -> Result<MlpGradient<T>> {
        self.network.sums()
    }

    fn tape(&self, keep: bool) -> usize {
        self.network.tape() * if keep { 2 * self.steps } else { 1 }
    }

    fn apply(&self, pass: &Pass<T>, point: &mut Point<T>, tape: &mut [T::Feature]) {
        let (n, length) = (self.network.outputs(), self.network.tape());
        let apart = if pass.keep { length } else { 0 };
        let (whole, half) = self.step();
        for evaluation in 0..2 * self.steps {
            let start = evaluation * apart;
            let middle = evaluation % 2 == 1;
            for (k, &z) in point.state[..n].iter().enumerate() {
                tape[start + k] = if middle {
                    along::<T>(z, half, tape[start - apart + length - n + k])
                } else {
                    z
                };
            }
            let tape = &mut tape[start..][..length];
            let time = 0.5 * evaluation as f64 / self.steps as f64;
            tape[n].as_mut().fill(T::from_f64(time));
            tape[n + 1..][..pass.conditions.len()].copy_from_slice(pass.conditions);
            self.network.forward(pass.cpu, pass.rows, tape);
            if middle {
                for (z, &v) in point.state.iter_mut().zip(&*self.network.output(tape)) {
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
        let (n, length) = (self.network.outputs(), self.network.tape());
        let (whole, half) = self.step();
        let zero = T::Feature::default();
        let mut back = |tape: &mut [T::Feature], scale: T, gradient: &[T::Feature]| {
            for (v, &g) in self.network.output(tape).iter_mut().zip(gradient) {
                *v = along::<T>(zero, scale, g);
            }
            self.network
                .backward(pass.cpu, pass.rows, tape, sums.as_deref_mut());
        };
        let one = T::from_f64(1.0);
        for step in tape.chunks_exact_mut(2 * length).rev() {
            let (start, middle) = step.split_at_mut(length);
            back(middle, whole, &gradient.state[..n]);
            back(start, half, &middle[..n]);
            for (g, (&a, &b)) in gradient
                .state
                .iter_mut()
                .zip(start[..n].iter().zip(&*middle))
            {
                *g = along::<T>(along::<T>(*g, one, a), one, b);
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
