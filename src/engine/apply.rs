//! A fully connected network by itself.

use super::cpu::Cpu;
use super::lanes::Element;
use super::mlp::Mlp;
use super::worker::{blocks, load, store};
use crate::model;

/// The outputs of `network`, in double precision on the calling thread. `x`: rows × inputs, `out`: rows × outputs.
pub(crate) fn apply(network: &model::Mlp, mut parameters: &[f64], x: &[f64], out: &mut [f64]) {
    let mut packed = Mlp::<f64>::new(network);
    packed.pack(&mut parameters);
    let (inputs, outputs) = (packed.inputs(), packed.outputs());
    let mut tape = vec![Default::default(); packed.tape()];
    let cpu = Cpu::detect();
    for (start, rows) in blocks(out.len() / outputs, f64::ROWS) {
        let x = &x[start * inputs..][..rows * inputs];
        load::<f64>(x, inputs, &mut tape[..inputs], |_, x| x);
        packed.forward(cpu, rows, &mut tape);
        let out = &mut out[start * outputs..][..rows * outputs];
        store::<f64>(packed.output(&mut tape), outputs, out, |_, y| y);
    }
}
