//! The blocks of a [`Flow`](model::Flow): both directions with log |det|, and their gradients.

use super::affine::{Affine, AffineGradient};
use super::gradient::MlpGradient;
use super::lanes::{own, own_mut, Element};
use super::map::{Map, Pass, Point};
use super::mlp::Mlp;
use super::size::Size;
use super::spline::{Form, Spline, SplineGradient};
use crate::model::{self, Transform};
use crate::{room, Result};

/// The tape holds, of all blocks, the active coordinates where the formula begins, what the transform keeps aside, and the tape of the
/// subnet.
pub(super) struct Coupling<T> {
    active: Vec<usize>,
    passive: Vec<usize>,
    transform: Transform,
    inverse: bool,
    subnet: Mlp<T>,
}

impl<T: Element> Map<T> for Coupling<T> {
    fn pack(&mut self, parameters: &mut &[T]) {
        self.subnet.pack(parameters);
    }

    fn size(&self) -> Size {
        self.subnet.size()
    }

    fn sums(&self, blocks: usize) -> Result<MlpGradient<T>> {
        self.subnet.sums(blocks)
    }

    fn tape(&self, _: bool) -> usize {
        self.active.len() + self.aside() + self.subnet.tape()
    }

    fn apply(&self, pass: &Pass<T>, point: &mut Point<T>, tape: &mut [T::Feature]) {
        if self.inverse == pass.inverse {
            self.transform::<false>(pass, point, tape);
        } else {
            self.transform::<true>(pass, point, tape);
        }
    }

    fn backward(
        &self,
        pass: &Pass<T>,
        gradient: &mut Point<T>,
        tape: &mut [T::Feature],
        sums: Option<&mut MlpGradient<T>>,
    ) {
        if self.inverse == pass.inverse {
            self.transform_back::<false>(pass, gradient, tape);
        } else {
            self.transform_back::<true>(pass, gradient, tape);
        }
        let (_, _, tape) = self.parts(pass.blocks(), tape);
        self.subnet.backward(pass.cpu, pass.rows, tape, sums);
        for block in 0..pass.blocks() {
            let state = gradient.state(block);
            let inputs = own(tape, self.subnet.inputs(), block);
            for (add, &k) in inputs.iter().zip(&self.passive) {
                let lanes = state[k].as_mut().iter_mut().zip(add.as_ref());
                lanes.for_each(|(g, &add)| *g = *g + add);
            }
        }
    }
}

impl<T: Element> Coupling<T> {
    /// The block with its parameters 0 until they are packed.
    pub fn new(block: &model::Coupling) -> Result<Self> {
        Ok(Coupling {
            active: room::copied(&block.active)?,
            passive: room::copied(&block.passive)?,
            transform: block.transform,
            inverse: block.inverse,
            subnet: Mlp::new(&block.subnet)?,
        })
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

    /// The parts of the tape: where the formula begins, aside, the subnet's.
    #[allow(clippy::type_complexity)]
    fn parts<'a>(
        &self,
        blocks: usize,
        tape: &'a mut [T::Feature],
    ) -> (
        &'a mut [T::Feature],
        &'a mut [T::Feature],
        &'a mut [T::Feature],
    ) {
        let (start, tape) = tape.split_at_mut(blocks * self.active.len());
        let (aside, tape) = tape.split_at_mut(blocks * self.aside());
        (start, aside, tape)
    }

    /// Along the transform's formula or, for `BACK`, against it.
    fn transform<const BACK: bool>(
        &self,
        pass: &Pass<T>,
        point: &mut Point<T>,
        tape: &mut [T::Feature],
    ) {
        let (blocks, active) = (pass.blocks(), &self.active);
        let (start, aside, tape) = self.parts(blocks, tape);
        let keep = |start: &mut [T::Feature], state: &[T::Feature]| {
            for (to, &k) in start.iter_mut().zip(active) {
                *to = state[k];
            }
        };
        for block in 0..blocks {
            let state = point.state(block);
            if !BACK {
                keep(own_mut(start, active.len(), block), state);
            }
            let inputs = own_mut(tape, self.subnet.inputs(), block);
            let (passive, given) = inputs.split_at_mut(self.passive.len());
            for (to, &k) in passive.iter_mut().zip(&self.passive) {
                *to = state[k];
            }
            given.copy_from_slice(pass.condition(block));
        }
        self.subnet.forward(pass.cpu, pass.rows, tape);
        let outputs = self.subnet.output(blocks, tape);
        for block in 0..blocks {
            let (state, log_det) = point.both(block);
            let outputs = own_mut(outputs, self.subnet.outputs(), block);
            match self.transform {
                Transform::Affine { clamp, soft_clamp } => pass.cpu.run(Affine::<T, BACK> {
                    clamp,
                    soft_clamp,
                    active,
                    outputs,
                    state,
                    log_det,
                }),
                Transform::Spline { bins, bound, knots } => pass.cpu.run(Spline::<T, BACK> {
                    form: Form::new(bins, bound, knots),
                    active,
                    outputs,
                    aside: own_mut(aside, self.aside(), block),
                    state,
                    log_det,
                }),
            }
            if BACK {
                keep(own_mut(start, active.len(), block), point.state(block));
            }
        }
    }

    /// The gradient back through [`Coupling::transform`], with respect to the state and the subnet's outputs.
    fn transform_back<const BACK: bool>(
        &self,
        pass: &Pass<T>,
        gradient: &mut Point<T>,
        tape: &mut [T::Feature],
    ) {
        let (blocks, active) = (pass.blocks(), &self.active);
        let (start, aside, tape) = self.parts(blocks, tape);
        let outputs = self.subnet.output(blocks, tape);
        for block in 0..blocks {
            let (gradient, log_det_gradient) = gradient.both(block);
            let start = own(start, active.len(), block);
            let outputs = own_mut(outputs, self.subnet.outputs(), block);
            match self.transform {
                Transform::Affine { .. } => pass.cpu.run(AffineGradient::<T, BACK> {
                    active,
                    start,
                    outputs,
                    gradient,
                    log_det_gradient,
                }),
                Transform::Spline { bins, bound, knots } => {
                    pass.cpu.run(SplineGradient::<T, BACK> {
                        form: Form::new(bins, bound, knots),
                        active,
                        start,
                        outputs,
                        aside: own(aside, self.aside(), block),
                        gradient,
                        log_det_gradient,
                    });
                }
            }
        }
    }
}
