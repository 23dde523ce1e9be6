//! `laser info`: what a model is.

use crate::failure::{Failure, Result};
use crate::terminal::{number, percent};
use laser::model::{
    Classifier, Generator, GeneratorKind, Map, Method, Mlp, Model, Scaling, Support, Transform,
};
use laser::protocol::{Calibration, Mean};
use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Describe a model: dimensions, networks, trainings, weights, and what they mean
#[derive(clap::Args)]
#[command(after_help = "Example:\n  laser info model.laser")]
pub struct Arguments {
    /// The model file
    model: PathBuf,
    /// Print JSON, with everything that the file says about itself
    #[arg(long)]
    json: bool,
}

/// A model with what its file is.
pub struct File {
    /// The model.
    pub model: Model,
    /// Of the whole file, as `sha256sum` prints it.
    pub sha256: String,
    bytes: u64,
}

impl File {
    /// Reads a model file.
    pub fn load(path: &Path) -> Result<Self> {
        let model = Model::load(path)?;
        let mut file = std::fs::File::open(path).map_err(|e| Failure::of(path, e))?;
        let mut hash = Sha256::new();
        let bytes = std::io::copy(&mut file, &mut hash).map_err(|e| Failure::of(path, e))?;
        let digest = hash.finalize();
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(File {
            model,
            sha256,
            bytes,
        })
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    let path = &arguments.model;
    let file = File::load(path)?;
    let text = match arguments.json {
        true => {
            let generator = &file.model.generator;
            format!(
                "{:#}\n",
                json!({
                    "file": path.display().to_string(),
                    "bytes": file.bytes,
                    "sha256": file.sha256,
                    "event_dim": generator.event_dim(),
                    "latent_dim": generator.latent_dim(),
                    "condition_dim": generator.condition_dim(),
                    "method": match is_reweighter(&file.model) {
                        true => Value::Null,
                        false => method(&file.model).name().into(),
                    },
                    "model": &file.model,
                })
            )
        }
        false => format!("{}\n{}", head(path, &file), describe(&file.model)),
    };
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// The method by which samplers make events unless told otherwise.
pub fn method(model: &Model) -> Method {
    let refinement = model.refinement.as_ref();
    refinement.map_or(Method::Baseline, |r| r.method)
}

/// Whether it has weights for events that are there, and makes none.
fn is_reweighter(model: &Model) -> bool {
    matches!(model.generator.kind, GeneratorKind::Events)
}

fn head(path: &Path, file: &File) -> String {
    let kind = match file.model.refinement {
        Some(_) => "a refined model",
        None if is_reweighter(&file.model) => "a reweighter",
        None => "a generator, not refined",
    };
    format!(
        "{}: {kind}\n  sha256       {}\n  size         {} bytes",
        path.display(),
        file.sha256,
        file.bytes
    )
}

/// A model in words.
pub fn describe(model: &Model) -> String {
    let Model {
        generator, record, ..
    } = model;
    let mut lines = vec![(
        "events",
        format!(
            "{} features{}{}, {}",
            generator.event_dim(),
            match is_reweighter(model) {
                true => String::new(),
                false => format!(" from {} latents", generator.latent_dim()),
            },
            match generator.condition_dim() {
                0 => String::new(),
                c => format!(", given {c} conditions"),
            },
            model.dtype.name()
        ),
    )];
    if !is_reweighter(model) {
        lines.push(("generator", of_generator(generator)));
    }
    if !model.names.is_empty() {
        lines.push(("names", model.names.join(", ")));
    }
    let names = model.names.get(..generator.event_dim()).unwrap_or_default();
    lines.push(("scalings", scalings("x", names, &generator.scalings)));
    if !generator.conditions.is_empty() {
        let names = model.names.get(generator.event_dim()..).unwrap_or_default();
        lines.push(("", scalings("c", names, &generator.conditions)));
    }
    match &model.support {
        Some(Support::Formula { text }) => lines.push(("support", text.clone())),
        Some(Support::Host) => lines.push((
            "support",
            "a callback of the program that made the model".into(),
        )),
        None => {}
    }
    for (name, classifier) in [
        ("classifier", model.classifier.as_ref()),
        ("of latents", model.latent_classifier.as_ref()),
        ("surrogate", model.surrogate().map(|s| &s.classifier)),
    ] {
        if let Some(classifier) = classifier {
            lines.push((name, of_classifier(classifier)));
        }
    }
    if let Some(refiner) = model.refinement.as_ref().and_then(|r| r.refiner.as_ref()) {
        let text = format!(
            "{}, {} parameters",
            map(&refiner.map),
            refiner.parameters.len()
        );
        lines.push(("refiner", text));
    }
    if !is_reweighter(model) {
        lines.push(("method", method(model).name().into()));
    }
    if let Some(Value::String(version)) = record.get("library") {
        lines.push(("made by", format!("liblaser {version}")));
    }
    let mut text = String::new();
    for (name, value) in lines {
        // A String takes whatever it is given.
        let _ = writeln!(text, "  {name:<12} {value}");
    }
    trainings(model, &mut text);
    unfolding(model, &mut text);
    weights(model, &mut text);
    resampled(model, &mut text);
    judgement(model, &mut text);
    text
}

fn of_generator(generator: &Generator) -> String {
    let maps: Vec<String> = generator.maps().iter().map(map).collect();
    match &generator.kind {
        GeneratorKind::Networks { .. } => format!(
            "{}, {} parameters",
            maps.join(", then "),
            generator.parameters.len()
        ),
        GeneratorKind::Host { stochastic, .. } => format!(
            "a callback of the program that made the model{}",
            match stochastic {
                true => ", with randomness of its own",
                false => "",
            }
        ),
        GeneratorKind::Script { bytes, .. } => format!("a TorchScript module of {bytes} bytes"),
        GeneratorKind::Events => "none: weights for events that are there".into(),
    }
}

fn map(map: &Map) -> String {
    match map {
        Map::Flow(flow) => {
            let largest = flow.blocks.iter().map(|b| &b.subnet);
            let largest = largest.max_by_key(|s| s.parameter_count());
            let alike = flow
                .blocks
                .windows(2)
                .all(|b| b[0].subnet.hidden == b[1].subnet.hidden);
            let subnet = largest.map_or(String::new(), |subnet| {
                let up_to = if alike { "" } else { "up to " };
                format!(", subnets {up_to}{}", hidden(subnet))
            });
            let splines = flow.blocks.iter();
            let splines = splines.filter(|b| matches!(b.transform, Transform::Spline { .. }));
            let kind = match splines.count() {
                0 => "affine ".into(),
                n if n == flow.blocks.len() => "spline ".into(),
                n => format!("({n} spline) "),
            };
            format!("flow of {} {kind}couplings{subnet}", flow.blocks.len())
        }
        Map::Network(network) => format!("network {}", hidden(network)),
        Map::Matching(matching) => format!(
            "velocities {} in {} steps",
            hidden(&matching.network),
            matching.steps
        ),
    }
}

fn of_classifier(classifier: &Classifier) -> String {
    let members = match classifier.members {
        1 => String::new(),
        n => format!("{n} times "),
    };
    format!(
        "{members}{}, {} parameters",
        hidden(&classifier.network),
        classifier.parameters.len()
    )
}

/// Hidden layers by units.
fn hidden(network: &Mlp) -> String {
    match network.hidden[..] {
        [] => "without hidden layers".into(),
        [first, ..] if network.hidden.iter().all(|&h| h == first) => {
            format!("{} x {first}", network.hidden.len())
        }
        _ => format!("{:?}", network.hidden),
    }
}

fn scalings(letter: &str, names: &[String], scalings: &[Scaling]) -> String {
    let words = scalings.iter().enumerate().map(|(i, s)| {
        let word = match *s {
            Scaling::None => "none".into(),
            Scaling::Standardise { .. } => "standardise".into(),
            Scaling::Asinh { .. } => "asinh".into(),
            Scaling::Log { low, .. } => format!("log({low})"),
            Scaling::Logit { low, high, .. } => format!("logit({low}:{high})"),
            Scaling::Periodic { low, period, .. } => {
                format!("periodic({low}:{})", low + period)
            }
            Scaling::Integer { low: None, .. } => "integer".into(),
            Scaling::Integer { low: Some(low), .. } => format!("integer({low}:)"),
            Scaling::Cells {
                first,
                ref edges,
                classes,
            } => match classes {
                true => format!("category({})", edges.len() + 1),
                false => format!("integer({first}:{})", first + edges.len() as f64),
            },
            Scaling::Zeros { low, width, .. } => {
                let log = if width.is_none() { ", log" } else { "" };
                format!("zeros({low}{log})")
            }
            // Of classifiers alone.
            Scaling::Circle { .. } | Scaling::OneHot { .. } | Scaling::Spike { .. } => {
                "of a classifier".into()
            }
        };
        let name = names.get(i).cloned();
        (name.unwrap_or_else(|| format!("{letter}{i}")), word)
    });
    let words: Vec<(String, String)> = words.collect();
    // Features of one scaling, one after the other, in one word.
    let groups = words.chunk_by(|a, b| a.1 == b.1).map(|group| {
        let (first, last) = (&group[0], &group[group.len() - 1]);
        match group.len() {
            1 => format!("{} {}", first.0, first.1),
            _ => format!("{} to {} {}", first.0, last.0, first.1),
        }
    });
    groups.collect::<Vec<_>>().join(", ")
}

/// Every training of the record.
fn trainings(model: &Model, text: &mut String) {
    let is_training = |value: &Value| value["steps"].is_u64() && value["rows"].is_u64();
    let mut rows = Vec::new();
    for (stage, value) in &model.record {
        let of_stage = [value].into_iter();
        for training in of_stage.chain(value["trainings"].as_array().into_iter().flatten()) {
            if is_training(training) {
                let epochs = training["losses"].as_array().map(Vec::len);
                let cell = |key: &str| training[key].as_f64().map_or("".into(), number);
                rows.push([
                    stage.clone(),
                    epochs.map_or("".into(), |e| e.to_string()),
                    training["steps"].to_string(),
                    cell("loss"),
                    cell("validation_loss"),
                    training["passes"].as_f64().map_or("".into(), number),
                ]);
            }
        }
    }
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n  {:<14}{:>8}{:>9}{:>10}{:>10}{:>15}",
        "training", "epochs", "updates", "loss", "held out", "events seen"
    );
    for [stage, epochs, steps, loss, held_out, passes] in rows {
        let seen = match &passes[..] {
            "" => String::new(),
            passes => format!("{passes} times"),
        };
        let _ = writeln!(
            text,
            "  {stage:<14}{epochs:>8}{steps:>9}{loss:>10}{held_out:>10}{seen:>15}"
        );
    }
}

/// What an unfolding did.
fn unfolding(model: &Model, text: &mut String) {
    let Some(report) = model.record.get("unfolding") else {
        return;
    };
    let at = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64);
    let of = |pointer: &str| at(pointer).unwrap_or(f64::NAN);
    let list = |key: &str| report[key].as_array().into_iter().flatten();
    let changes: Vec<String> = list("changes")
        .filter_map(Value::as_f64)
        .map(number)
        .collect();
    let _ = writeln!(text, "\n  unfolding by {} iterations", of("/iterations"));
    let mut line = |name: &str, value: String, meaning: &str| {
        let _ = writeln!(text, "  {name:<22}{value:>9}   {meaning}");
    };
    let replica = of("/replica");
    if replica > 0.0 {
        line(
            "replica",
            number(replica),
            "a bootstrap sample of the events",
        );
    }
    let last = changes.last().cloned().unwrap_or_default();
    let meaning = format!(
        "of the weights, in the last iteration; in all: {}",
        changes.join(", ")
    );
    line("change", last, &meaning);
    line("unfolded", number(of("/total")), "events at particle level; w is this over the simulation's, the factor, times the reweighter's weight");
    line(
        "factor",
        number(of("/factor")),
        "unfolded events to generated ones",
    );
    line(
        "data",
        number(of("/data")),
        "events, backgrounds subtracted",
    );
    line(
        "fakes",
        percent(of("/fakes")),
        "of them, as the simulation has it",
    );
    line(
        "efficiency",
        percent(of("/efficiency")),
        "of the unfolded events are reconstructed",
    );
    let explained = list("explained").next().and_then(Value::as_f64);
    if let Some(explained) = explained {
        line(
            "response",
            percent(explained),
            "of the variance of the first weights is known at particle level",
        );
    }
    if let (Some(before), Some(chi_square)) = (
        at("/detector/chi_square_before"),
        at("/detector/chi_square"),
    ) {
        let meaning = match chi_square {
            c if c <= Calibration::BAD => {
                "near 1: smeared again, the unfolded events are distributed as the data"
            }
            _ => "far above 1: smeared again, the unfolded events are not the data",
        };
        line(
            "chi2 per bin",
            number(chi_square),
            &format!("{meaning} ({} before)", number(before)),
        );
    }
}

/// The weight report, and what it means.
fn weights(model: &Model, text: &mut String) {
    let report = model.record.get("weights").unwrap_or(&Value::Null);
    let at = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64);
    let (Some(events), Some(mean)) = (at("/events"), at("/mean")) else {
        return;
    };
    let here = is_reweighter(model);
    let _ = writeln!(
        text,
        "\n  weights of {events} {}, and what they mean",
        if here {
            match model.record.contains_key("unfolding") {
                true => "simulated events",
                false => "events of `from`",
            }
        } else {
            "generated events"
        }
    );
    let mut line = |name: &str, value: String, meaning: &str| {
        let _ = writeln!(text, "  {name:<22}{value:>9}   {meaning}");
    };
    // Weights that are not the density ratio may look well in all else: nothing is praised then.
    let chi_square = at("/calibration/chi_square");
    let calibrated = chi_square.is_none_or(|c| c <= Calibration::BAD);
    let far = Mean::of(mean, events, at("/effective_sample_size").unwrap_or(events));
    let errors = format!(
        "should be 1, and is {} standard errors off: the classifier is not exact, or misses a region",
        number(far.off / far.error)
    );
    let meaning = match far {
        _ if far.is_off() => "should be 1: the classifier is not calibrated; train it longer",
        _ if !calibrated => "should be 1, but proves nothing beside such a chi2",
        _ if far.is_one() => "as it should be: 1",
        _ => &errors,
    };
    line("mean", number(mean), meaning);
    // Of weights of both signs it is that of their means, which says nothing of what they are worth.
    let fraction = at("/effective_fraction");
    if let Some(fraction) = fraction.filter(|_| !model.record.contains_key("resample")) {
        let meaning = match fraction {
            f if f > 0.1 && !calibrated => "share of a sample that weights leave",
            f if f > 0.9 => {
                "share of a sample that weights leave: the classifier found little to repair"
            }
            f if f > 0.1 && here => "share of a sample that weights leave",
            f if f > 0.1 => "share of a sample that weights leave: refinement pays",
            _ if here => {
                "share of a sample that weights leave: broad; start from events that are more alike"
            }
            _ => "share of a sample that weights leave: broad; train the generator longer first",
        };
        line("effective fraction", percent(fraction), meaning);
    }
    if let Some(acceptance) = at("/acceptance").filter(|_| !here) {
        let meaning = format!(
            "rejection makes {} proposals an event",
            number(1.0 / acceptance)
        );
        line("acceptance", percent(acceptance), &meaning);
    }
    let rejection = (at("/w_max"), at("/overweight_fraction"));
    if let (Some(w_max), Some(share), false) = (rejection.0, rejection.1, here) {
        let meaning = format!(
            "largest weight of rejection; {} of the weight lies above",
            percent(share)
        );
        line("w_max", number(w_max), &meaning);
    }
    let mixture = model.refinement.as_ref().and_then(|r| r.mixture);
    if let Some(mixture) = mixture.filter(|_| !here) {
        let meaning = format!(
            "that of the mixture: {} proposals an event",
            number(1.0 / mixture.acceptance)
        );
        line("acceptance, mixture", percent(mixture.acceptance), &meaning);
    }
    if let Some(surrogate) = model.surrogate() {
        let meaning = format!(
            "that of both stages, of which {} calls of the generator make an event",
            number(surrogate.calls)
        );
        line(
            "acceptance, surrogate",
            percent(surrogate.acceptance),
            &meaning,
        );
        if let Some(distilled) = surrogate.distilled {
            let meaning = "that of the surrogate alone";
            line("acceptance, distilled", percent(distilled), meaning);
        }
    }
    let budgets = report.pointer("/budgets").and_then(Value::as_array);
    if budgets.is_some() && !here {
        line(
            "rejection.overweight",
            "accepts".into(),
            "what other values would give; the events above are also at most ten times as many",
        );
    }
    for budget in budgets.into_iter().flatten().filter(|_| !here) {
        let of = |key: &str| budget[key].as_f64().unwrap_or(f64::NAN);
        let meaning = format!(
            "with w_max {}, {} ± {} of the weight above",
            number(of("w_max")),
            percent(of("overweight_fraction")),
            percent(of("overweight_error"))
        );
        line(
            &format!("  {}", of("overweight")),
            percent(of("acceptance")),
            &meaning,
        );
    }
    if let Some(auc) = at("/calibration/auc") {
        let meaning = match auc {
            a if a < 0.51 && calibrated && here => "the classifier hardly finds a difference: the samples are alike, or the training too short",
            _ if here => "how well the classifier tells the samples apart (0.5: not at all)",
            a if a < 0.51 && calibrated => "the classifier hardly finds a difference: a good generator, or too short a training",
            _ => "how well the classifier tells truth from generated (0.5: not at all)",
        };
        line("classifier's AUC", number(auc), meaning);
    }
    if let Some(chi_square) = chi_square {
        let meaning = match calibrated {
            true => "near 1: the weights are right wherever the classifier sees a difference",
            false => {
                "far above 1: the weights are not the density ratio; train the classifier longer"
            }
        };
        line("chi2 per bin", number(chi_square), meaning);
    }
    if let Some(r_hat) = model
        .record
        .get("chains")
        .and_then(|c| c["r_hat"].as_array())
    {
        let worst = r_hat
            .iter()
            .filter_map(Value::as_f64)
            .fold(f64::NAN, f64::max);
        let meaning = match worst {
            r if r < 1.05 => "near 1: the chains have mixed",
            _ => "above 1: the chains have not mixed; prefer the method `rejection`",
        };
        line("R-hat of the chains", number(worst), meaning);
    }
}

/// What became of weights of both signs.
fn resampled(model: &Model, text: &mut String) {
    let found = model.record.get("resample").unwrap_or(&Value::Null);
    let at = |pointer: &str| found.pointer(pointer).and_then(Value::as_f64);
    let (Some(events), Some(total)) = (at("/events"), at("/total")) else {
        return;
    };
    let _ = writeln!(
        text,
        "\n  weights of both signs of {events} events, whose sum is {}",
        number(total)
    );
    let mut line = |name: &str, value: String, meaning: &str| {
        let _ = writeln!(text, "  {name:<22}{value:>9}   {meaning}");
    };
    let lines = [
        ("negative events", "/negative_events", "share of the events"),
        (
            "negative region",
            "/region/weight",
            "share of the sum where the weights of a region sum to less than 0",
        ),
    ];
    for (name, key, meaning) in lines {
        if let Some(share) = at(key) {
            line(name, percent(share), meaning);
        }
    }
    if let Some(effective) = at("/effective") {
        line(
            "effective before",
            number(effective),
            "events of weight 1 that they are worth",
        );
    }
    if let Some(factor) = at("/factor") {
        line(
            "factor",
            number(factor),
            "times the weights of this reweighter is W(x)",
        );
    }
    if let Some(correction) = at("/correction") {
        let meaning = match (correction - 1.0).abs() {
            off if off < 0.05 => "by which all are multiplied to keep the sum: near 1, as it should be",
            _ => "by which all are multiplied to keep the sum: should be near 1, but for a negative region",
        };
        line("correction", number(correction), meaning);
    }
    if let (Some(chi_square), Some(of)) = (
        at("/closure/chi_square"),
        found.pointer("/closure/quantity").and_then(Value::as_str),
    ) {
        let meaning = format!("of sums of old and new weights in bins of {of}, the worst of all");
        line("chi2 of closure", number(chi_square), &meaning);
    }
    if let (Some(kept), Some(after)) = (at("/kept"), at("/effective_after")) {
        line(
            "kept",
            percent(kept / events),
            &format!("of the events, worth {}", number(after)),
        );
    }
}

/// What the trainings warned of, and last the verdict in one line.
fn judgement(model: &Model, text: &mut String) {
    let Some(judgement) = model.record.get("judgement") else {
        return;
    };
    let warnings = judgement["warnings"].as_array().into_iter().flatten();
    let messages = warnings.filter_map(|w| Some((w["about"].as_str()?, w["message"].as_str()?)));
    for (i, (about, message)) in messages.enumerate() {
        let _ = writeln!(
            text,
            "{}  {about}: {message}",
            if i == 0 { "\n" } else { "" }
        );
    }
    if let Some(verdict) = judgement["verdict"].as_str() {
        let opinion = model.record.get("weights").map(|w| &w["second_opinion"]);
        let of = |key: &str| opinion.and_then(|o| o[key].as_f64());
        let seen = match (of("refined"), of("error")) {
            (Some(auc), Some(error)) => format!(
                " (boosted trees on held-out events: AUC {auc:.3} ± {error:.3}; smaller differences are not seen)"
            ),
            _ => String::new(),
        };
        let _ = writeln!(text, "\n  judgement    {verdict}{seen}");
        let learned = model.record.get("refiner").map(|r| &r["second_opinion"]);
        let number = |key: &str| learned.and_then(|l| l[key].as_f64());
        if let (Some(auc), Some(error)) = (number("refined"), number("error")) {
            let _ = writeln!(
                text,
                "               (what the refiner makes, beside the events with the weights that it learned: AUC {auc:.3} ± {error:.3})"
            );
        }
    }
}
