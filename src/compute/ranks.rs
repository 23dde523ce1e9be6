//! Rows computed by all ranks, each its part.

use crate::model::Evaluator;
use crate::room::Grow;
use crate::train::Ranks;
use crate::Result;
use std::ops::Range;
use std::sync::Arc;

/// Fewer rows are computed by every rank: telling the others costs more.
const FEWEST: usize = 64;

/// Who computes on this rank, of whom the others hear.
pub(super) struct RankedEvaluator {
    own: Box<dyn Evaluator>,
    ranks: Arc<Ranks>,
    sums: Vec<f64>,
}

impl RankedEvaluator {
    pub fn new(own: Box<dyn Evaluator>, ranks: Arc<Ranks>) -> Self {
        RankedEvaluator {
            own,
            ranks,
            sums: Vec::new(),
        }
    }

    /// Fills the outputs: `call` those of the rows that it is given.
    fn share<const O: usize>(
        &mut self,
        fewest: usize,
        rows: usize,
        mut outputs: [&mut [f64]; O],
        call: impl FnOnce(&mut dyn Evaluator, Range<usize>, [&mut [f64]; O]) -> Result<()>,
    ) -> Result<()> {
        if rows < fewest {
            return call(self.own.as_mut(), 0..rows, outputs);
        }
        let part = self.ranks.part(rows);
        let own = outputs.each_mut().map(|out| {
            let columns = out.len() / rows;
            out.fill(0.0);
            &mut out[part.start * columns..part.end * columns]
        });
        if !part.is_empty() {
            call(self.own.as_mut(), part, own)?;
        }
        self.sums.clear();
        for out in &outputs {
            self.sums.put_all(out.iter().copied())?;
        }
        self.ranks.sum(&mut self.sums)?;
        let mut sums = &self.sums[..];
        for out in outputs {
            let of_out;
            (of_out, sums) = sums.split_at(out.len());
            out.copy_from_slice(of_out);
        }
        Ok(())
    }
}

/// The values of some of `rows` rows.
fn of<'x>(x: &'x [f64], rows: usize, part: &Range<usize>) -> &'x [f64] {
    let columns = x.len() / rows;
    &x[part.start * columns..part.end * columns]
}

impl Evaluator for RankedEvaluator {
    fn rows_are_independent(&self) -> bool {
        self.own.rows_are_independent()
    }

    fn weighs_latents(&self) -> bool {
        self.own.weighs_latents()
    }

    fn inside(&mut self, x: &[f64], rows: usize, inside: &mut [bool]) -> Result<()> {
        // As cheap as telling others.
        self.own.inside(x, rows, inside)
    }

    fn generate(
        &mut self,
        z: &[f64],
        rows: usize,
        x: &mut [f64],
        log_prob: Option<&mut [f64]>,
    ) -> Result<()> {
        // All of them: a generator may have random numbers of its own.
        match log_prob {
            Some(log_prob) => self.share(1, rows, [x, log_prob], |own, part, [x, log_prob]| {
                own.generate(of(z, rows, &part), part.len(), x, Some(log_prob))
            }),
            None => self.share(1, rows, [x], |own, part, [x]| {
                own.generate(of(z, rows, &part), part.len(), x, None)
            }),
        }
    }

    fn log_prob(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.share(FEWEST, rows, [out], |own, part, [out]| {
            own.log_prob(of(x, rows, &part), part.len(), out)
        })
    }

    fn latent(&mut self, x: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        self.share(FEWEST, rows, [z], |own, part, [z]| {
            own.latent(of(x, rows, &part), part.len(), z)
        })
    }

    fn log_weight(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.share(FEWEST, rows, [out], |own, part, [out]| {
            own.log_weight(of(x, rows, &part), part.len(), out)
        })
    }

    fn pull_back(&mut self, z: &[f64], x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.share(FEWEST, rows, [out], |own, part, [out]| {
            own.pull_back(of(z, rows, &part), of(x, rows, &part), part.len(), out)
        })
    }

    fn event_weight_gradient(
        &mut self,
        x: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        self.share(
            FEWEST,
            rows,
            [log_w, gradient],
            |own, part, [log_w, gradient]| {
                own.event_weight_gradient(of(x, rows, &part), part.len(), log_w, gradient)
            },
        )
    }

    fn log_weight_gradient(
        &mut self,
        z: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        self.share(
            FEWEST,
            rows,
            [log_w, gradient],
            |own, part, [log_w, gradient]| {
                own.log_weight_gradient(of(z, rows, &part), part.len(), log_w, gradient)
            },
        )
    }

    fn refine(&mut self, y: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        self.share(FEWEST, rows, [z], |own, part, [z]| {
            own.refine(of(y, rows, &part), part.len(), z)
        })
    }

    fn refined_log_prob(&mut self, z: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.share(FEWEST, rows, [out], |own, part, [out]| {
            own.refined_log_prob(of(z, rows, &part), part.len(), out)
        })
    }

    fn surrogate(&mut self, z: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.share(FEWEST, rows, [out], |own, part, [out]| {
            own.surrogate(of(z, rows, &part), part.len(), out)
        })
    }
}
