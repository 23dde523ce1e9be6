//! [`Flow`](crate::model::Flow) on a block: both directions with log |det|, and the gradient of the first.

use super::lanes::{Cpu, Element, Task};
use super::math;
use super::mlp::Mlp;
use super::vector::Vector;
use crate::model::{self, Transform};

/// A coupling flow with its weights packed. Immutable.
///
/// It transforms a state of `dim` features in place. The tape holds for every block the active coordinates that came in, and the tape of
/// the subnet.
pub(super) struct Flow<T> {
    dim: usize,
    blocks: Vec<Coupling<T>>,
}

struct Coupling<T> {
    active: Vec<usize>,
    passive: Vec<usize>,
    transform: Transform,
    subnet: Mlp<T>,
}

impl<T: Element> Flow<T> {
    /// Takes the flow's parameters, as many as it has, from the front of `parameters`.
    pub(super) fn new(flow: &model::Flow, parameters: &mut &[f64]) -> Self {
        let blocks = flow.blocks.iter().map(|block| Coupling {
            active: block.active.clone(),
            passive: block.passive.clone(),
            transform: block.transform,
            subnet: Mlp::new(&block.subnet, parameters),
        });
        Flow {
            dim: flow.dim,
            blocks: blocks.collect(),
        }
    }

    /// Features of the state.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Features of the tape that [`Flow::backward`] needs.
    pub(super) fn tape(&self) -> usize {
        self.blocks.iter().map(Coupling::tape).sum()
    }

    /// Features of a tape that one block after the other uses.
    pub(super) fn shared_tape(&self) -> usize {
        self.blocks.iter().map(Coupling::tape).max().unwrap_or(0)
    }

    /// z ↦ x in `state`; adds log |det ∂x/∂z| to `log_det`. All blocks write to the front of the tape.
    pub(super) fn generate(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        for block in &self.blocks {
            block.apply::<false>(cpu, rows, state, log_det, tape);
        }
    }

    /// x ↦ z in `state`; adds log |det ∂z/∂x| to `log_det`. All blocks write to the front of the tape.
    pub(super) fn normalise(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        for block in self.blocks.iter().rev() {
            block.apply::<true>(cpu, rows, state, log_det, tape);
        }
    }

    /// As [`Flow::generate`], keeping on the tape what [`Flow::backward`] needs.
    pub(super) fn record(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        log_det: &mut T::Feature,
        mut tape: &mut [T::Feature],
    ) {
        for block in &self.blocks {
            let own;
            (own, tape) = tape.split_at_mut(block.tape());
            block.apply::<false>(cpu, rows, state, log_det, own);
        }
    }

    /// Back through what [`Flow::record`] left on the tape: the gradient with respect to x becomes, in place, that with respect to z.
    pub(super) fn backward(
        &self,
        cpu: Cpu,
        rows: usize,
        gradient: &mut [T::Feature],
        mut tape: &mut [T::Feature],
    ) {
        for block in self.blocks.iter().rev() {
            let own;
            (tape, own) = tape.split_at_mut(tape.len() - block.tape());
            block.backward(cpu, rows, gradient, own);
        }
    }
}

impl<T: Element> Coupling<T> {
    fn tape(&self) -> usize {
        self.active.len() + self.subnet.tape()
    }

    fn apply<const INVERSE: bool>(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        let (before, tape) = tape[..self.tape()].split_at_mut(self.active.len());
        for (to, &k) in before.iter_mut().zip(&self.active) {
            *to = state[k];
        }
        for (to, &k) in tape.iter_mut().zip(&self.passive) {
            *to = state[k];
        }
        self.subnet.forward(cpu, rows, tape);
        let outputs = self.subnet.output(tape);
        match self.transform {
            Transform::Affine { clamp } => cpu.run(Affine::<T, INVERSE> {
                clamp: T::from_f64(clamp),
                active: &self.active,
                outputs,
                state,
                log_det,
            }),
        }
    }

    fn backward(
        &self,
        cpu: Cpu,
        rows: usize,
        gradient: &mut [T::Feature],
        tape: &mut [T::Feature],
    ) {
        let (before, tape) = tape.split_at_mut(self.active.len());
        let outputs = self.subnet.output(tape);
        match self.transform {
            Transform::Affine { clamp } => cpu.run(AffineGradient::<T> {
                clamp: T::from_f64(clamp),
                active: &self.active,
                before,
                outputs,
                gradient,
            }),
        }
        self.subnet.backward(cpu, rows, tape);
        for (add, &k) in tape.iter().zip(&self.passive) {
            let lanes = gradient[k].as_mut().iter_mut().zip(add.as_ref());
            lanes.for_each(|(g, &add)| *g = *g + add);
        }
    }
}

/// x = z · exp(s) + t with s = clamp · tanh(s̃ / clamp), or its inverse. The outputs (s̃, t) become (s, exp(±s)).
struct Affine<'a, T: Element, const INVERSE: bool> {
    clamp: T,
    active: &'a [usize],
    outputs: &'a mut [T::Feature],
    state: &'a mut [T::Feature],
    log_det: &'a mut T::Feature,
}

impl<T: Element, const INVERSE: bool> Task<T> for Affine<'_, T, INVERSE> {
    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        let (s, t) = self.outputs.split_at_mut(self.active.len());
        for ((s, t), &k) in s.iter_mut().zip(t).zip(self.active) {
            let outputs = s.as_mut().iter_mut().zip(t.as_mut());
            let state = self.state[k].as_mut().iter_mut();
            let log_det = self.log_det.as_mut().iter_mut();
            for (((s, t), x), log_det) in outputs.zip(state).zip(log_det) {
                *s = self.clamp * math::tanh::<T, V>(*s / self.clamp);
                let log_scale = if INVERSE { -*s } else { *s };
                let scale = math::exp::<T, V>(log_scale);
                *x = if INVERSE {
                    (*x - *t) * scale
                } else {
                    V::mul_add(*x, scale, *t)
                };
                *log_det = *log_det + log_scale;
                *t = scale;
            }
        }
    }
}

/// The gradients with respect to x, z of the active coordinates and (s, exp(s)) become those with respect to z and (s̃, t).
struct AffineGradient<'a, T: Element> {
    clamp: T,
    active: &'a [usize],
    before: &'a [T::Feature],
    outputs: &'a mut [T::Feature],
    gradient: &'a mut [T::Feature],
}

impl<T: Element> Task<T> for AffineGradient<'_, T> {
    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        let one = T::from_f64(1.0);
        let (s, t) = self.outputs.split_at_mut(self.active.len());
        for (((s, t), before), &k) in s.iter_mut().zip(t).zip(self.before).zip(self.active) {
            let outputs = s.as_mut().iter_mut().zip(t.as_mut());
            let gradient = self.gradient[k].as_mut().iter_mut();
            for (((s, t), g), &z) in outputs.zip(gradient).zip(before.as_ref()) {
                let (tanh, scale) = (*s / self.clamp, *t);
                *t = *g;
                *s = *g * z * scale * (one - tanh * tanh);
                *g = *g * scale;
            }
        }
    }
}
