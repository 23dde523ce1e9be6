//! [`Matching`](crate::model::Matching) on a block: transport along learned velocities, forward and backward.

use super::cpu::Cpu;
use super::lanes::Element;
use super::mlp::Mlp;
use crate::model;

/// The field with its weights packed. Immutable.
pub(super) struct Matching<T> {
    network: Mlp<T>,
    steps: usize,
}

impl<T: Element> Matching<T> {
    /// The field with its parameters 0 until they are packed.
    pub fn new(matching: &model::Matching) -> Self {
        Matching {
            network: Mlp::new(&matching.network),
            steps: matching.steps,
        }
    }

    /// Takes the network's parameters from the front of `parameters`.
    pub fn pack(&mut self, parameters: &mut &[f64]) {
        self.network.pack(parameters);
    }

    /// N.
    pub fn dim(&self) -> usize {
        self.network.outputs()
    }

    /// Features of the tape of [`Matching::generate`].
    pub fn shared_tape(&self) -> usize {
        self.network.tape()
    }

    /// Features of the tape of [`Matching::record`]: both evaluations of every step.
    pub fn tape(&self) -> usize {
        2 * self.steps * self.network.tape()
    }

    /// y ↦ z in `state`.
    pub fn generate(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        conditions: &[T::Feature],
        tape: &mut [T::Feature],
    ) {
        self.transport(cpu, rows, state, conditions, tape, 0);
    }

    /// As [`Matching::generate`], keeping on the tape what [`Matching::backward`] needs.
    pub fn record(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        conditions: &[T::Feature],
        tape: &mut [T::Feature],
    ) {
        self.transport(cpu, rows, state, conditions, tape, self.network.tape());
    }

    /// The steps, their evaluations so many features apart on the tape.
    fn transport(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        conditions: &[T::Feature],
        tape: &mut [T::Feature],
        apart: usize,
    ) {
        let (n, length) = (self.dim(), self.network.tape());
        let (whole, half) = self.step();
        for evaluation in 0..2 * self.steps {
            let start = evaluation * apart;
            let middle = evaluation % 2 == 1;
            for (k, &z) in state[..n].iter().enumerate() {
                tape[start + k] = if middle {
                    along::<T>(z, half, tape[start - apart + length - n + k])
                } else {
                    z
                };
            }
            let tape = &mut tape[start..][..length];
            let time = 0.5 * evaluation as f64 / self.steps as f64;
            tape[n].as_mut().fill(T::from_f64(time));
            tape[n + 1..][..conditions.len()].copy_from_slice(conditions);
            self.network.forward(cpu, rows, tape);
            if middle {
                for (z, &v) in state.iter_mut().zip(&*self.network.output(tape)) {
                    *z = along::<T>(*z, whole, v);
                }
            }
        }
    }

    /// Back through what [`Matching::record`] left on the tape: the gradient with respect to z becomes in place that with respect to y.
    pub fn backward(
        &self,
        cpu: Cpu,
        rows: usize,
        gradient: &mut [T::Feature],
        tape: &mut [T::Feature],
    ) {
        let (n, length) = (self.dim(), self.network.tape());
        let (whole, half) = self.step();
        let zero = T::Feature::default();
        let back = |tape: &mut [T::Feature], scale: T, gradient: &[T::Feature]| {
            for (v, &g) in self.network.output(tape).iter_mut().zip(gradient) {
                *v = along::<T>(zero, scale, g);
            }
            self.network.backward(cpu, rows, tape, None);
        };
        let one = T::from_f64(1.0);
        for step in tape[..self.tape()].chunks_exact_mut(2 * length).rev() {
            let (start, middle) = step.split_at_mut(length);
            back(middle, whole, &gradient[..n]);
            back(start, half, &middle[..n]);
            for (g, (&a, &b)) in gradient.iter_mut().zip(start[..n].iter().zip(&*middle)) {
                *g = along::<T>(along::<T>(*g, one, a), one, b);
            }
        }
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
