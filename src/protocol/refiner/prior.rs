//! The methods that draw z from the prior: no refinement, reweighting (DCTR, paper ref. 74) and rejection.

use super::block::Maker;
use super::home::{refinement, Case, Home};
use super::proposals::{Independent, Looks, Proposals};
use super::statistics::Statistics;
use crate::model::{Method, Model};
use crate::Result;

/// Events of the unrefined generator.
pub(super) struct Baseline;

impl Proposals for Baseline {}

impl Home for Baseline {
    fn method(&self) -> Method {
        Method::Baseline
    }

    fn maker(&self, model: &Model) -> Result<Box<dyn Maker>> {
        let dim = model.generator.latent_dim();
        Ok(Box::new(Independent::new(Baseline, dim)))
    }
}

/// Events of the unrefined generator with the weight w(z).
pub(super) struct Reweight;

impl Proposals for Reweight {
    fn looks(&self) -> Looks {
        Looks::WEIGHTED
    }

    fn judge(&mut self, _: usize, log_w: f64, _: f64, _: &mut Statistics) -> Option<f64> {
        let w = libm::exp(log_w);
        w.is_finite().then_some(w)
    }
}

impl Home for Reweight {
    fn method(&self) -> Method {
        Method::Reweight
    }

    fn maker(&self, model: &Model) -> Result<Box<dyn Maker>> {
        let dim = model.generator.latent_dim();
        Ok(Box::new(Independent::new(Reweight, dim)))
    }
}

/// Events accepted with probability w(z) / w_max: exact and independent, so `auto` asks for it first. An event then costs as many proposals
/// as the acceptance says.
pub(super) struct Rejection;

/// Fewest accepted proposals, as a fraction, with which rejection is the method of choice: an event then costs twenty proposals, about as
/// much as one of a chain.
const ACCEPTABLE: f64 = 0.05;
/// Fewest with which it is where chains are not sound: resampling is cheaper below, though its events repeat.
const BEARABLE: f64 = 0.005;

impl Home for Rejection {
    fn method(&self) -> Method {
        Method::Rejection
    }

    fn suits(&self, case: &Case) -> Option<String> {
        let accepts = case.rejection();
        let enough = if case.unsound { BEARABLE } else { ACCEPTABLE };
        if case.acceptance >= enough {
            return Some(accepts);
        }
        let why = "the only exact method that gives every event its own condition";
        (case.generator.condition_dim() > 0).then(|| format!("{accepts}, but is {why}"))
    }

    fn maker(&self, model: &Model) -> Result<Box<dyn Maker>> {
        let refinement = refinement(model, self.method())?;
        let accepted = Accepted {
            log_w_max: refinement.log_w_max,
            max_tries: refinement.max_tries,
        };
        let dim = model.generator.latent_dim();
        Ok(Box::new(Independent::new(accepted, dim)))
    }
}

/// The proposals of [`Rejection`]. One with w > w_max is always accepted and carries the weight w / w_max, so nothing is clipped: with the
/// weights the sample is exact, and the fraction of weight above w_max is counted.
pub(super) struct Accepted {
    pub log_w_max: f64,
    pub max_tries: u64,
}

impl Proposals for Accepted {
    fn looks(&self) -> Looks {
        Looks::REJECTING
    }

    fn max_tries(&self) -> u64 {
        self.max_tries
    }

    fn judge(&mut self, _: usize, log_w: f64, u: f64, statistics: &mut Statistics) -> Option<f64> {
        statistics.rejection(libm::exp(log_w - self.log_w_max), u)
    }

    fn count(&self, weight: f64, statistics: &mut Statistics) {
        statistics.overweight_events += u64::from(weight > 1.0);
    }
}
