//! [`Flow`](crate::model::Flow) on a block: both directions with log |det|, and their gradients.

use super::gradient::MlpGradient;
use super::lanes::{Cpu, Element, Task};
use super::math;
use super::mlp::Mlp;
use super::spline::{Sizes, Spline, SplineGradient};
use super::vector::Vector;
use crate::model::{self, Real, Transform};

/// A coupling flow with its weights packed. Immutable.
///
/// It transforms a state of `dim` features in place, given the features of the condition. The tape holds for every block the active
/// coordinates on its latent side, and the tape of the subnet.
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
    /// The flow with its parameters 0 until they are packed.
    pub(super) fn new(flow: &model::Flow) -> Self {
        let blocks = flow.blocks.iter().map(|block| Coupling {
            active: block.active.clone(),
            passive: block.passive.clone(),
            transform: block.transform,
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
        self.active.len() + self.subnet.tape()
    }

    fn apply<const INVERSE: bool>(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        conditions: &[T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        let (latent, tape) = tape[..self.tape()].split_at_mut(self.active.len());
        let keep = |latent: &mut [T::Feature], state: &[T::Feature]| {
            for (to, &k) in latent.iter_mut().zip(&self.active) {
                *to = state[k];
            }
        };
        if !INVERSE {
            keep(latent, state);
        }
        let (passive, given) = tape.split_at_mut(self.passive.len());
        for (to, &k) in passive.iter_mut().zip(&self.passive) {
            *to = state[k];
        }
        given[..conditions.len()].copy_from_slice(conditions);
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
            Transform::Spline { bins, bound } => cpu.run(Spline::<T, INVERSE> {
                sizes: Sizes::new(bins, bound),
                active: &self.active,
                outputs,
                state,
                log_det,
            }),
        }
        if INVERSE {
            keep(latent, state);
        }
    }

    fn backward<const INVERSE: bool>(
        &self,
        cpu: Cpu,
        rows: usize,
        gradient: &mut [T::Feature],
        log_det_gradient: &T::Feature,
        tape: &mut [T::Feature],
        sums: Option<&mut MlpGradient<T>>,
    ) {
        let (latent, tape) = tape.split_at_mut(self.active.len());
        let outputs = self.subnet.output(tape);
        match self.transform {
            Transform::Affine { clamp } => cpu.run(AffineGradient::<T, INVERSE> {
                clamp: T::from_f64(clamp),
                active: &self.active,
                latent,
                outputs,
                gradient,
                log_det_gradient,
            }),
            Transform::Spline { bins, bound } => cpu.run(SplineGradient::<T, INVERSE> {
                sizes: Sizes::new(bins, bound),
                active: &self.active,
                latent,
                outputs,
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

/// Of the active coordinates, the gradients with respect to what [`Affine`] made of them, their latents z and (s, exp(±s)) become the
/// gradients with respect to what came in and (s̃, t).
struct AffineGradient<'a, T: Element, const INVERSE: bool> {
    clamp: T,
    active: &'a [usize],
    latent: &'a [T::Feature],
    outputs: &'a mut [T::Feature],
    gradient: &'a mut [T::Feature],
    log_det_gradient: &'a T::Feature,
}

impl<T: Element, const INVERSE: bool> Task<T> for AffineGradient<'_, T, INVERSE> {
    #[inline(always)]
    fn run<V: Vector<T>>(self) {
        let one = T::from_f64(1.0);
        let (s, t) = self.outputs.split_at_mut(self.active.len());
        for (((s, t), latent), &k) in s.iter_mut().zip(t).zip(self.latent).zip(self.active) {
            let outputs = s.as_mut().iter_mut().zip(t.as_mut());
            let gradient = self.gradient[k].as_mut().iter_mut();
            let given = latent.as_ref().iter().zip(self.log_det_gradient.as_ref());
            for (((s, t), g), (&z, &log_det)) in outputs.zip(gradient).zip(given) {
                let (tanh, scale) = (*s / self.clamp, *t);
                let through = *g * scale;
                // x = z · exp(s) + t, log |det| = Σ s; z = (x − t) · exp(−s), log |det| = −Σ s.
                let (by_s, by_t) = if INVERSE {
                    (-(*g * z + log_det), -through)
                } else {
                    (through * z + log_det, *g)
                };
                *t = by_t;
                *s = by_s * (one - tanh * tanh);
                *g = through;
            }
        }
    }
}
