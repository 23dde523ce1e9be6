//! [`Flow`](crate::model::Flow) on a block: both directions with log |det|, and their gradients.

use super::affine::{Affine, AffineGradient};
use super::cpu::Cpu;
use super::gradient::MlpGradient;
use super::lanes::Element;
use super::mlp::Mlp;
use super::spline::{Form, Spline, SplineGradient};
use crate::model::{self, Real, Transform};

/// A coupling flow with its weights packed. Immutable.
///
/// It transforms a state of `dim` features in place, given the features of the condition. The tape holds for every block the active
/// coordinates where its formula begins, what the transform keeps aside, and the tape of the subnet.
pub(super) struct Flow<T> {
    dim: usize,
    blocks: Vec<Coupling<T>>,
}

struct Coupling<T> {
    active: Vec<usize>,
    passive: Vec<usize>,
    transform: Transform,
    inverse: bool,
    subnet: Mlp<T>,
}

impl<T: Element> Flow<T> {
    /// The flow with its parameters 0 until they are packed.
    pub(super) fn new(flow: &model::Flow) -> Self {
        let blocks = flow.blocks.iter().map(|block| Coupling {
            active: block.active.clone(),
            passive: block.passive.clone(),
            transform: block.transform,
            inverse: block.inverse,
            subnet: Mlp::new(&block.subnet),
        });
        Flow {
            dim: flow.dim,
            blocks: blocks.collect(),
        }
    }

    /// Takes the flow's parameters, as many as it has, from the front of `parameters`.
    pub(super) fn pack<P: Real>(&mut self, parameters: &mut &[P]) {
        for block in &mut self.blocks {
            block.subnet.pack(parameters);
        }
    }

    /// Sums for the gradient with respect to the parameters: one per block.
    pub(super) fn sums(&self) -> Vec<MlpGradient<T>> {
        let blocks = self.blocks.iter();
        blocks.map(|b| MlpGradient::new(&b.subnet)).collect()
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
        conditions: &[T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        for block in &self.blocks {
            block.apply::<false>(cpu, rows, state, conditions, log_det, tape);
        }
    }

    /// x ↦ z in `state`; adds log |det ∂z/∂x| to `log_det`. All blocks write to the front of the tape.
    pub(super) fn normalise(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        conditions: &[T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        for block in self.blocks.iter().rev() {
            block.apply::<true>(cpu, rows, state, conditions, log_det, tape);
        }
    }

    /// As [`Flow::generate`] or, for `INVERSE`, [`Flow::normalise`], keeping on the tape what [`Flow::backward`] needs.
    pub(super) fn record<const INVERSE: bool>(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        conditions: &[T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        self.along::<INVERSE>(tape, |_, block, tape| {
            block.apply::<INVERSE>(cpu, rows, state, conditions, log_det, tape);
        });
    }

    /// Back through what [`Flow::record`] left on the tape: the gradient with respect to its results, the state and log |det|, becomes in
    /// place that with respect to the state that came in. That with respect to the parameters is added to `sums`, one per block, if given;
    /// then as for [`Mlp::backward`].
    pub(super) fn backward<const INVERSE: bool>(
        &self,
        cpu: Cpu,
        rows: usize,
        gradient: &mut [T::Feature],
        log_det_gradient: &T::Feature,
        tape: &mut [T::Feature],
        mut sums: Option<&mut [MlpGradient<T>]>,
    ) {
        let back = |i: usize, block: &Coupling<T>, tape: &mut [T::Feature]| {
            let sums = sums.as_deref_mut().map(|sums| &mut sums[i]);
            block.backward::<INVERSE>(cpu, rows, gradient, log_det_gradient, tape, sums);
        };
        // Last applied, first undone.
        if INVERSE {
            self.along::<false>(tape, back);
        } else {
            self.along::<true>(tape, back);
        }
    }

    /// Calls `f` with every block, its number and its part of the tape; from the last to the first if `REVERSE`.
    fn along<const REVERSE: bool>(
        &self,
        mut tape: &mut [T::Feature],
        mut f: impl FnMut(usize, &Coupling<T>, &mut [T::Feature]),
    ) {
        let mut next = |i: usize| {
            let block = &self.blocks[i];
            let rest = std::mem::take(&mut tape);
            let own;
            (own, tape) = if REVERSE {
                let (rest, own) = rest.split_at_mut(rest.len() - block.tape());
                (own, rest)
            } else {
                rest.split_at_mut(block.tape())
            };
            f(i, block, own);
        };
        if REVERSE {
            (0..self.blocks.len()).rev().for_each(&mut next);
        } else {
            (0..self.blocks.len()).for_each(&mut next);
        }
    }
}

impl<T: Element> Coupling<T> {
    fn tape(&self) -> usize {
        self.active.len() + self.aside() + self.subnet.tape()
    }

    /// Features that the transform keeps for its gradient beside the subnet's outputs.
    fn aside(&self) -> usize {
        match self.transform {
            Transform::Affine { .. } => 0,
            Transform::Spline { bins, knots, .. } => {
                Form::<T>::aside(bins, knots) * self.active.len()
            }
        }
    }

    /// To the event's side or, for `INVERSE`, to the latent's. Adds log |det| of what it does.
    fn apply<const INVERSE: bool>(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        conditions: &[T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        if self.inverse == INVERSE {
            self.transform::<false>(cpu, rows, state, conditions, log_det, tape);
        } else {
            self.transform::<true>(cpu, rows, state, conditions, log_det, tape);
        }
    }

    /// Back through [`Coupling::apply`].
    fn backward<const INVERSE: bool>(
        &self,
        cpu: Cpu,
        rows: usize,
        gradient: &mut [T::Feature],
        log_det_gradient: &T::Feature,
        tape: &mut [T::Feature],
        sums: Option<&mut MlpGradient<T>>,
    ) {
        if self.inverse == INVERSE {
            self.transform_back::<false>(cpu, rows, gradient, log_det_gradient, tape, sums);
        } else {
            self.transform_back::<true>(cpu, rows, gradient, log_det_gradient, tape, sums);
        }
    }

    /// The parts of the tape: where the formula begins, aside, the subnet's.
    #[allow(clippy::type_complexity)]
    fn parts<'a>(
        &self,
        tape: &'a mut [T::Feature],
    ) -> (
        &'a mut [T::Feature],
        &'a mut [T::Feature],
        &'a mut [T::Feature],
    ) {
        let (start, tape) = tape[..self.tape()].split_at_mut(self.active.len());
        let (aside, tape) = tape.split_at_mut(self.aside());
        (start, aside, tape)
    }

    /// Along the transform's formula or, for `BACK`, against it.
    fn transform<const BACK: bool>(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        conditions: &[T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        let (start, aside, tape) = self.parts(tape);
        let keep = |start: &mut [T::Feature], state: &[T::Feature]| {
            for (to, &k) in start.iter_mut().zip(&self.active) {
                *to = state[k];
            }
        };
        if !BACK {
            keep(start, state);
        }
        let (passive, given) = tape.split_at_mut(self.passive.len());
        for (to, &k) in passive.iter_mut().zip(&self.passive) {
            *to = state[k];
        }
        given[..conditions.len()].copy_from_slice(conditions);
        self.subnet.forward(cpu, rows, tape);
        let outputs = self.subnet.output(tape);
        match self.transform {
            Transform::Affine { clamp, soft_clamp } => cpu.run(Affine::<T, BACK> {
                clamp,
                soft_clamp,
                active: &self.active,
                outputs,
                state,
                log_det,
            }),
            Transform::Spline { bins, bound, knots } => cpu.run(Spline::<T, BACK> {
                form: Form::new(bins, bound, knots),
                active: &self.active,
                outputs,
                aside,
                state,
                log_det,
            }),
        }
        if BACK {
            keep(start, state);
        }
    }

    fn transform_back<const BACK: bool>(
        &self,
        cpu: Cpu,
        rows: usize,
        gradient: &mut [T::Feature],
        log_det_gradient: &T::Feature,
        tape: &mut [T::Feature],
        sums: Option<&mut MlpGradient<T>>,
    ) {
        let (start, aside, tape) = self.parts(tape);
        let outputs = self.subnet.output(tape);
        match self.transform {
            Transform::Affine { .. } => cpu.run(AffineGradient::<T, BACK> {
                active: &self.active,
                start,
                outputs,
                gradient,
                log_det_gradient,
            }),
            Transform::Spline { bins, bound, knots } => cpu.run(SplineGradient::<T, BACK> {
                form: Form::new(bins, bound, knots),
                active: &self.active,
                start,
                outputs,
                aside,
                gradient,
                log_det_gradient,
            }),
        }
        self.subnet.backward(cpu, rows, tape, sums);
        for (add, &k) in tape.iter().zip(&self.passive) {
            let lanes = gradient[k].as_mut().iter_mut().zip(add.as_ref());
            lanes.for_each(|(g, &add)| *g = *g + add);
        }
    }
}
