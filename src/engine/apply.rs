//! A fully connected network by itself.

use super::cpu::Cpu;
use super::lanes::Element;
use super::mlp::Mlp;
use super::rows::{load, store};
use crate::model::{self, Arrays};
use crate::{room, Result};

/// The outputs of `network`, in double precision on the calling thread. `x`: rows × inputs, `out`: rows × outputs.
pub(crate) fn apply(
    network: &model::Mlp,
    mut parameters: &[f64],
    x: &[f64],
    out: &mut [f64],
) -> Result<()> {
    let mut packed = Mlp::<f64>::new(network)?;
    packed.pack(&mut parameters);
    let (inputs, outputs) = (packed.inputs(), packed.outputs());
    let mut tape = room::filled(packed.tape(), Default::default())?;
    let cpu = Cpu::detect();
    let arrays = Arrays {
        rows: out.len() / outputs,
        inputs: [(x, inputs)],
        outputs: [(out, outputs)],
    };
    for block in arrays.blocks(f64::ROWS) {
        let (rows, ([x], [out])) = (block.rows, block.slices());
        load::<f64>(x, inputs, &mut tape[..inputs], |_, x| x);
        packed.forward(cpu, rows, &mut tape);
        store::<f64>(packed.output(1, &mut tape), outputs, out, |_, y| y);
    }
    Ok(())
}
