//! `laser refine`: a training, described by a file.

use crate::config::Config;
use crate::events::Events;
use crate::failure::{Failure, Result};
use crate::names;
use crate::output::apart;
use crate::source::Given;
use crate::watch::{log_of, unwritable, Keep, Watch};
use laser::aside::Aside;
use laser::model::{Generator, Model};
use laser::options::Options;
use laser::protocol::{self, Instance, Source};
use laser::train::Hooks;
use std::path::{Path, PathBuf};

/// Train and refine a model of the events in a file
///
/// Trains a generator on the events, unless the configuration names one, refines it, and writes the model and, beside it as MODEL.log, the
/// training log; both when all is done. Then tells what `laser info` does. Ctrl-C stops within a training step and leaves nothing, or with
/// --checkpoint FILE a file from which the same command goes on, and its log so far, FILE.log; a second one ends at once. Paths are
/// relative to the folder that the command runs in.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  laser refine train.json

where train.json is
  {
    \"events\": \"truth.npy\",            .npy, .npz, .csv or .parquet, one event in a row; conditions, if any, are the last columns; or .lhe or .hepmc
    \"weights_column\": false,          true: the last column is the events' weight; or the name or number of the column that is
    \"features\": null,                 of particles (.lhe, .hepmc): what of them counts, as \"pt(13), eta(13), m(13+-13)\"
    \"generator\": null,                a model file whose generator to refine; null trains one
    \"model\": \"model.laser\",           the file to write
    \"options\": {\"preset\": \"fast\"}     liblaser's options, see docs/options.md; without a preset, the paper's long trainings
  }
without the explanations.")]
pub struct Arguments {
    /// What to do, a JSON file
    config: PathBuf,
    #[command(flatten)]
    keep: Keep,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    let config = Config::read(&arguments.config)?;
    let options = config.options(&arguments.config)?;
    // Without a name at its end it would be found out only when the training is done.
    if matches!(config.model.as_os_str().as_encoded_bytes(), [] | [.., b'/']) {
        return Err(Failure::of(
            &arguments.config,
            format!(
                "`model` is {:?}; it must name the file to write, as \"model.laser\"",
                config.model
            ),
        ));
    }
    let log = log_of(&config.model);
    let mut inputs = vec![arguments.config.as_path(), &config.events];
    inputs.extend(config.generator.as_deref());
    let outputs = [&config.model, &log];
    let kept = arguments.keep.files();
    for output in outputs.into_iter().chain(&kept) {
        apart(output, &inputs)?;
        // Found out now, not when the training is done.
        Aside::new(output).map_err(|e| unwritable(output, e))?;
    }
    let mut given = Given::read(
        &config.events,
        &config.weights_column,
        config.features.as_ref(),
        &options,
    )?;
    let events = &mut given.events;
    let generator = match &config.generator {
        Some(path) => {
            let generator = protocol::load_generator(path, &options)?;
            names::match_to(events, (&path.display().to_string(), &generator.names))?;
            same_columns(events, path, &generator.generator)?;
            Some(generator)
        }
        None => None,
    };
    let mut options = options;
    if generator.as_ref().is_none_or(|g| g.names.is_empty()) {
        names::call(&mut options, &events.path, events.names())?;
    }
    let watch = arguments.keep.watch(&outputs.map(PathBuf::as_path))?;
    given.note(&watch);
    let mut target = given.source(&options)?;
    let trained = train(generator, &mut target, &options, &watch);
    let command = format!("laser refine {}", arguments.config.display());
    let model = trained.map_err(|error| arguments.keep.failed(&watch, error, &command))?;
    let path = &config.model;
    arguments.keep.finish(watch, &model, Some(path), path)
}

/// A generator, unless there is one, and its refinement.
fn train(
    generator: Option<Model>,
    target: &mut Source,
    options: &Options,
    watch: &Watch,
) -> laser::Result<Instance> {
    let generator = match generator {
        Some(generator) => generator,
        None => {
            protocol::check(target, options)?;
            protocol::train_generator(target, options, watch)?
        }
    };
    let model = protocol::refine(&Instance::new(generator), target, options, watch)?;
    watch.check("saving")?;
    Ok(model)
}

/// Checks that the events are those of the generator with their conditions.
fn same_columns(events: &Events, path: &Path, generator: &Generator) -> Result<()> {
    let (features, conditions) = (generator.event_dim(), generator.condition_dim());
    if events.columns == features + conditions {
        return Ok(());
    }
    let given = match conditions {
        0 => String::new(),
        _ => format!(" and {conditions} conditions"),
    };
    let what = format!(
        "the events have {} columns, but those of the generator {} have {features} features{given}",
        events.columns,
        path.display()
    );
    Err(Failure::of(&events.path, what))
}
