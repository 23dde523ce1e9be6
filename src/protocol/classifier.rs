//! Training the classifier f: target events against generated ones (paper, Sec. 2 and 4.1).

use super::generator::initial_mlp;
use super::source::{Source, SourceFeed};
use crate::engine::noise::{domain, Noise};
use crate::model::{Classifier, Dtype, Evaluator, Generator, Mlp, Real, Scaling};
use crate::options::{keys, Options};
use crate::train::{Batch, Feed, Goal, Hooks, Record, Separation, Settings};
use crate::{Error, Result};

/// Streams of the generator's noise that training uses.
const TRAINING_STREAM: u64 = 0;
const HELD_OUT_STREAM: u64 = 1;

/// Target events (label 1) and as many freshly generated ones (label 0); no generated event is used twice.
struct ClassifierFeed<'f, 's, 'a> {
    target: SourceFeed<'s, 'a>,
    evaluator: &'f mut dyn Evaluator,
    scalings: &'f [Scaling],
    latent_dim: usize,
    seed: u64,
    generated: u64,
}

impl ClassifierFeed<'_, '_, '_> {
    fn append_generated<T: Real>(
        &mut self,
        stream: u64,
        first: u64,
        batch: &mut Batch<T>,
    ) -> Result<()> {
        let rows = batch.rows;
        let mut z = vec![0.0; rows * self.latent_dim];
        Noise::new(self.seed, stream, domain::TRAINING).fill_normals(
            first,
            rows,
            self.latent_dim,
            &mut z,
        );
        let mut x = vec![0.0; batch.x.len()];
        self.evaluator.generate(&z, rows, &mut x, None)?;
        let scalings = self.scalings.iter().cycle();
        batch.x.extend(
            x.iter()
                .zip(scalings)
                .map(|(&x, s)| T::from_f64(s.forward(x))),
        );
        batch.weights.resize(2 * rows, T::from_f64(1.0));
        batch.labels = vec![T::from_f64(1.0); rows];
        batch.labels.resize(2 * rows, T::from_f64(0.0));
        batch.rows = 2 * rows;
        Ok(())
    }
}

impl<T: Real> Feed<T> for ClassifierFeed<'_, '_, '_> {
    fn fill(&mut self, rows: usize, batch: &mut Batch<T>) -> Result<bool> {
        if !self.target.fill(rows, batch)? {
            return Ok(false);
        }
        self.append_generated(TRAINING_STREAM, self.generated, batch)?;
        self.generated += rows as u64;
        Ok(true)
    }

    fn held_out(&mut self) -> Result<Vec<Batch<T>>> {
        let mut batches: Vec<Batch<T>> = self.target.held_out()?;
        let mut first = 0;
        for batch in &mut batches {
            let rows = batch.rows as u64;
            self.append_generated(HELD_OUT_STREAM, first, batch)?;
            first += rows;
        }
        Ok(batches)
    }
}

/// Trains f between the target's events and those of `generator`.
pub(super) fn train_classifier(
    generator: &Generator,
    dtype: Dtype,
    evaluator: &mut dyn Evaluator,
    target: &mut Source,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<(Classifier, Record)> {
    let seed = options.get(keys::SEED) as u64;
    let network = Mlp::new(
        generator.event_dim(),
        options.get(keys::CLASSIFIER_LAYERS) as usize,
        options.get(keys::CLASSIFIER_UNITS) as usize,
        1,
        options.get(keys::CLASSIFIER_SLOPE),
    );
    network.validate()?;
    // What standardises the target does so for events that resemble it.
    let scalings = generator.scalings.clone();
    let mut parameters = initial_mlp(
        &network,
        Noise::new(seed, 0, domain::CLASSIFIER_INITIAL),
        true,
    );
    let mut feed = ClassifierFeed {
        target: SourceFeed::new(target, &scalings, options)?,
        evaluator,
        scalings: &scalings,
        latent_dim: generator.latent_dim(),
        seed,
        generated: 0,
    };
    let loss = match options.get(keys::CLASSIFIER_LOSS) {
        "mse" => Separation::SquaredError,
        "mlc" => Separation::MaximumLikelihood,
        _ => Separation::CrossEntropy,
    };
    let settings = Settings::from_options("classifier", options, &keys::CLASSIFIER_TRAINING)?;
    let goal = Goal::Separation(&network, loss);
    let record = super::fit(
        goal,
        &settings,
        dtype,
        &mut feed,
        &mut parameters,
        options,
        hooks,
    )?;
    // Both classes had equal numbers of events; the target's had total weight rows · mean w / unit. f/(1−f) is high by that.
    let mean = feed.target.weight / feed.target.rows;
    let log_ratio_offset = -(mean / feed.target.weight_unit).ln();
    if !log_ratio_offset.is_finite() {
        return Err(Error::Data(format!(
            "the mean weight of the target's events is {mean}; the total weight of a sample must be positive"
        )));
    }
    Ok((
        Classifier {
            network,
            scalings,
            log_ratio_offset,
            parameters,
        },
        record,
    ))
}
