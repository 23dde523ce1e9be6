//! Rejection from a mixture of the prior and a flow of the weighted latents.

use super::block::Maker;
use super::flow::FlowRefiner;
use super::home::{missing, refinement, Home, Preparation};
use super::proposals::{Independent, Looks, Proposals};
use super::statistics::Statistics;
use crate::compute::{Instance, Session};
use crate::model::{Dims, Evaluator, Method, Mixture, Model};
use crate::noise::places;
use crate::options::{keys, Options};
use crate::protocol::conditions::Conditions;
use crate::protocol::pullback::{Budget, Weighed};
use crate::room::{self, Grow};
use crate::train::Level;
use crate::{Error, Result};

/// Proposals of q(z) = α p(z) + (1 − α) p_Φ(z), accepted with probability v / v_max, v = w(z) p(z) / q(z), so that the events follow
/// p(z) w(z) whatever Φ has learned: exact as rejection is, with fewer calls of the generator. No v exceeds w / α (a defensive mixture:
/// Hesterberg, Technometrics 37 (1995) 185; Φ as a proposal: Müller et al., arXiv:1808.03856).
pub(super) struct Mixed;

/// Where rejection accepts as much, there is nothing to gain: a mixture's proposals cost two passes of a flow more.
const NEARLY_FREE: f64 = 0.5;

/// Values of α that the pilot run tries.
const SHARES: [f64; 7] = [0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01];

impl Home for Mixed {
    fn method(&self) -> Method {
        Method::Mixture
    }

    fn check(&self, dims: Dims, options: &Options) -> Result<()> {
        FlowRefiner.check(dims, options)
    }

    fn record(&self) -> Option<&'static str> {
        Some("mixture")
    }

    fn prepare(&self, preparation: Preparation) -> Result<bool> {
        let Preparation {
            session,
            model,
            conditions,
            effective_fraction,
            auto,
            refinement,
            record,
        } = preparation;
        FlowRefiner.prepare(Preparation {
            session,
            model,
            conditions,
            effective_fraction,
            auto,
            refinement: &mut *refinement,
            record: &mut *record,
        })?;
        // The pilot run needs one that is whole.
        refinement.mixture = Some(Mixture {
            prior: SHARES[0],
            log_w_max: refinement.log_w_max,
            acceptance: 1.0,
        });
        let with_flow = Model {
            refinement: Some(refinement.clone()),
            ..(**model).clone()
        };
        let (share, found) = pilot(session, &model.with_model(with_flow), conditions)?;
        let alone = refinement.pilot.as_ref().map_or(0.0, |p| p.acceptance);
        let message = format!(
            "mixture: {:.2} % of its proposals are accepted, of which {:.0} % are of the prior and the others of the flow; of the prior alone {:.2} %",
            100.0 * found.acceptance,
            100.0 * share,
            100.0 * alone
        );
        session.hooks.log(Level::Info, &message)?;
        if alone > NEARLY_FREE {
            let message = format!(
                "rejection accepts {:.0} % of its proposals, and a mixture saves little: take `rejection`",
                100.0 * alone
            );
            session.hooks.log(Level::Info, &message)?;
        } else if found.acceptance < 1.1 * alone {
            let message = format!(
                "the mixture accepts {:.2} % of its proposals, rejection {:.2} % of cheaper ones: the flow has learned too little of the weights. Take `rejection`, or train it longer (`refiner_flow.epochs`, `refiner_flow.pool`)",
                100.0 * found.acceptance,
                100.0 * alone
            );
            session.hooks.warn("refiner", &message)?;
        }
        record.insert(
            "mixture".into(),
            serde_json::json!({"prior": share, "proposals": found}),
        );
        refinement.mixture = Some(Mixture {
            prior: share,
            log_w_max: libm::log(found.w_max),
            acceptance: found.acceptance,
        });
        Ok(true)
    }

    fn maker(&self, model: &Model) -> Result<Box<dyn Maker>> {
        let refinement = refinement(model, self.method())?;
        let mixture = refinement
            .mixture
            .as_ref()
            .filter(|_| refinement.learned(self.method()).is_some());
        let mixture = mixture.ok_or_else(|| {
            missing(
                self.method(),
                "a flow trained for it (`refiner.method` = `mixture`), which this model lacks",
            )
        })?;
        let dims = model.generator.dims();
        let drawn = (mixture.prior, mixture.log_w_max);
        let proposals = Drawn::new(dims, drawn, refinement.max_tries);
        // The last number chooses between prior and flow.
        Ok(Box::new(Independent::new(proposals, dims.latent + 1)))
    }
}

/// log p_Φ(z) − log p(z) of latent rows.
fn log_excess(
    evaluator: &mut dyn Evaluator,
    dims: Dims,
    z: &[f64],
    rows: usize,
    out: &mut [f64],
) -> Result<()> {
    evaluator.refined_log_prob(z, rows, out)?;
    let normalisation = dims.latent as f64 * libm::log(2.0 * std::f64::consts::PI);
    for (out, z) in out.iter_mut().zip(z.chunks_exact(dims.latent_row())) {
        let squares: f64 = z[..dims.latent].iter().map(|z| z * z).sum();
        *out += 0.5 * (squares + normalisation);
    }
    Ok(())
}

/// log p(z) / q(z) where log p_Φ(z) − log p(z) is `excess`.
fn log_ratio(prior: f64, excess: f64) -> f64 {
    // The larger of the two in front, so that none leaves the floating-point range.
    let (a, b) = (libm::log(prior), libm::log(1.0 - prior) + excess);
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    -(high + libm::log1p(libm::exp(low - high)))
}

/// Half of the pilot run's latents of the prior and half of the flow: the share of the prior that accepts most, and what rejection does.
fn pilot(session: Session, model: &Instance, conditions: &Conditions) -> Result<(f64, Budget)> {
    const BLOCK: usize = 4096;
    let rows = (session.get(keys::WEIGHTS_EVENTS) as usize).div_ceil(2);
    let dims = model.generator.dims();
    let stage = session.stage("pilot", 2 * rows.div_ceil(BLOCK));
    let mut evaluator = session.evaluator(model)?;
    let latents_alone = evaluator.weighs_latents();
    let asked = |e: Error| e.for_what("the latents of the pilot run (`weights.events`)");
    let mut log_w = room::filled(2 * rows, 0.0).map_err(asked)?;
    let mut excess = room::filled(2 * rows, 0.0).map_err(asked)?;
    let mut y = room::filled(BLOCK * dims.latent_row(), 0.0)?;
    let mut z = room::filled(BLOCK * dims.latent_row(), 0.0)?;
    let mut x = room::filled(BLOCK * dims.event_row(), 0.0)?;
    let mut done = 0;
    for (place, half) in [(places::MIXTURE_PRIOR, 0), (places::MIXTURE_FLOW, 1)] {
        let noise = place.noise(session.seed);
        for first in (0..rows).step_by(BLOCK) {
            stage.check()?;
            let n = BLOCK.min(rows - first);
            let (y, z) = (
                &mut y[..n * dims.latent_row()],
                &mut z[..n * dims.latent_row()],
            );
            conditions.latents(noise, first as u64, dims.latent, y);
            match half {
                0 => z.copy_from_slice(y),
                _ => evaluator.refine(y, n, z)?,
            }
            let x = &mut x[..if latents_alone {
                0
            } else {
                n * dims.event_row()
            }];
            if !latents_alone {
                evaluator.generate(z, n, x, None)?;
            }
            let at = half * rows + first;
            evaluator.pull_back(z, x, n, &mut log_w[at..][..n])?;
            log_excess(evaluator.as_mut(), dims, z, n, &mut excess[at..][..n])?;
            done += 1;
            stage.done(done)?;
        }
    }
    let overweight = session.get(keys::REJECTION_OVERWEIGHT);
    let mut best: Option<(f64, Budget)> = None;
    for prior in SHARES {
        let weights = log_w.iter().zip(&excess).enumerate();
        let weighed = weights.map(|(i, (log_w, excess))| Weighed {
            w: libm::exp(log_w + log_ratio(prior, *excess)),
            // As a sample of the mixture would have it.
            times: 2.0 * if i < rows { prior } else { 1.0 - prior },
        });
        let Some(found) = Budget::of(overweight, weighed)? else {
            continue;
        };
        let better = |best: &(f64, Budget)| found.acceptance > best.1.acceptance;
        if best.as_ref().is_none_or(better) {
            best = Some((prior, found));
        }
    }
    best.ok_or_else(|| {
        Error::Numerical(
            "none of the mixture's proposals has a weight that is positive and finite".into(),
        )
    })
}

/// The proposals of [`Mixed`], whose weights above v_max are carried as those of rejection are.
pub(super) struct Drawn {
    dims: Dims,
    /// α.
    prior: f64,
    log_w_max: f64,
    max_tries: u64,
    /// log p(z) / q(z) of the proposals.
    log_ratio: Vec<f64>,
    /// Rows that go through the flow, and which proposals they are.
    y: Vec<f64>,
    made: Vec<f64>,
    of_flow: Vec<usize>,
}

impl Drawn {
    /// With α and log v_max.
    pub fn new(dims: Dims, (prior, log_w_max): (f64, f64), max_tries: u64) -> Self {
        Drawn {
            dims,
            prior,
            log_w_max,
            max_tries,
            log_ratio: Vec::new(),
            y: Vec::new(),
            made: Vec::new(),
            of_flow: Vec::new(),
        }
    }
}

impl Proposals for Drawn {
    fn looks(&self) -> Looks {
        Looks::REJECTING
    }

    fn max_tries(&self) -> u64 {
        self.max_tries
    }

    fn propose(
        &mut self,
        evaluator: &mut dyn Evaluator,
        drawn: &[f64],
        rows: usize,
        z: &mut [f64],
    ) -> Result<()> {
        let (n, row) = (self.dims.latent, self.dims.latent_row());
        let edge = crate::model::normal_quantile(self.prior);
        self.y.clear();
        self.y.room(rows * row)?;
        self.of_flow.clear();
        for (i, (drawn, z)) in drawn
            .chunks_exact(row + 1)
            .zip(z.chunks_exact_mut(row))
            .enumerate()
        {
            z[..n].copy_from_slice(&drawn[..n]);
            z[n..].copy_from_slice(&drawn[n + 1..]);
            if drawn[n] >= edge {
                self.y.extend_from_slice(z);
                self.of_flow.put(i)?;
            }
        }
        self.log_ratio.clear();
        self.log_ratio.sized(rows, 0.0)?;
        let flowing = self.of_flow.len();
        if flowing > 0 {
            self.made.sized(flowing * row, 0.0)?;
            evaluator.refine(&self.y, flowing, &mut self.made)?;
            for (&i, made) in self.of_flow.iter().zip(self.made.chunks_exact(row)) {
                z[i * row..][..row].copy_from_slice(made);
            }
        }
        log_excess(evaluator, self.dims, z, rows, &mut self.log_ratio)?;
        let prior = self.prior;
        let ratios = self.log_ratio.iter_mut();
        ratios.for_each(|r| *r = log_ratio(prior, *r));
        Ok(())
    }

    fn judge(
        &mut self,
        proposal: usize,
        log_w: f64,
        u: f64,
        statistics: &mut Statistics,
    ) -> Option<f64> {
        let ratio = libm::exp(log_w + self.log_ratio[proposal] - self.log_w_max);
        statistics.rejection(ratio, u)
    }

    fn count(&self, weight: f64, statistics: &mut Statistics) {
        statistics.overweight_events += u64::from(weight > 1.0);
    }
}
