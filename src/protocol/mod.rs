//! The LaSeR protocol (Winterhalder, Bellagente, Nachman, arXiv:2106.00792) in the paper's symbols: generator g, classifier f, pull-back of
//! its weights to the latent space, refiner Φ, refined events g(Φ(y)).

mod auc;
mod calibration;
mod checks;
mod classifier;
mod columns;
mod conditions;
mod copies;
mod coverage;
mod draws;
mod ensemble;
mod evaluate;
mod feed;
mod gaps;
mod generator;
mod import;
mod judgement;
mod limits;
mod marginals;
mod names;
mod networks;
mod omnifold;
mod opinion;
mod pullback;
mod refine;
mod refiner;
mod sampler;
mod scaling;
mod source;
mod support;

pub use crate::compute::{device_check, evaluator, Instance};
pub use crate::model::HostGenerator;
pub use auc::{two_sample_auc, TwoSampleAuc};
pub use calibration::{Calibration, CalibrationBin};
pub use checks::check;
pub use coverage::FeatureRange;
pub use draws::Uniforms;
pub use evaluate::{generate, latent, log_prob, log_weight};
pub use gaps::Gap;
pub use import::{host_generator, load_generator};
pub use limits::LimitReport;
pub use opinion::SecondOpinion;
pub use pullback::WeightReport;
pub use refine::{refine, refine_again, train_generator};
pub use sampler::{Outputs, Sampler};
pub use source::{EventSource, Source};
