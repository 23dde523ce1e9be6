//! Options that were set and have no effect, of which the host is told.

use crate::model::{GeneratorKind, Method, Model, Needs};
use crate::options::{choices::Generator, keys, Options};
use crate::train::{Hooks, Level};
use crate::Result;

/// What the networks of generators are made and trained by.
const NETWORKS: [(&str, Generator); 3] = [
    ("flow", Generator::Flow),
    ("gan_generator", Generator::Gan),
    ("vae", Generator::Vae),
];

/// Tells of options of other generators than `generator.type` names.
pub(super) fn in_training(options: &Options, hooks: &dyn Hooks) -> Result<()> {
    let kind = options.get(keys::GENERATOR_TYPE);
    // Of a refiner that is a flow too.
    let refiner = options.get(keys::REFINER_METHOD);
    let refiner = refiner.is_some_and(has_flow);
    let unused = NETWORKS
        .iter()
        .filter(|(name, of)| *of != kind && !(refiner && *name == "flow"));
    let unused: Vec<&str> = unused.map(|(name, _)| *name).collect();
    let why = "`generator.type` takes another generator";
    tell(&among(&options.changed(), &unused), why, hooks)
}

/// Tells of options that the refinement which came to this model had no use for.
pub(super) fn in_refinement(model: &Model, options: &Options, hooks: &dyn Hooks) -> Result<()> {
    let Some(method) = model.refinement.as_ref().map(|r| r.method) else {
        return Ok(());
    };
    let changed = options.changed();
    let learned = [
        ("gan", method == Method::Gan),
        ("refiner_flow", has_flow(method)),
        ("matching", method == Method::Matching),
        (
            "surrogate",
            matches!(method.facts().needs, Needs::Surrogate),
        ),
    ];
    let learned = learned.iter().filter(|(_, used)| !used);
    let mut unused: Vec<&str> = learned.map(|(name, _)| *name).collect();
    if !method.is_chain() {
        unused.extend(["hmc.pilot", "hmc.target_acceptance", "hmc.mass"]);
    }
    let why = format!("the refiner is `{}`", method.name());
    tell(&among(&changed, &unused), &why, hooks)?;

    if model.latent_classifier.is_none() {
        let unused = ["pullback.events", "pullback.epochs", "pullback.iterations"];
        let why = "the weights are pulled back directly, as `pullback.method` has it";
        tell(&among(&changed, &unused), why, hooks)?;
    }

    // A further round trains the generator.
    if options.get(keys::ITERATION_ROUNDS) > 1 {
        return Ok(());
    }
    let mut unused: Vec<&str> = NETWORKS.iter().map(|(name, _)| *name).collect();
    unused.retain(|name| !(has_flow(method) && *name == "flow"));
    unused.push("generator");
    let mut set = changed;
    if let GeneratorKind::Networks { .. } = model.generator.kind {
        unused.push("features.scaling");
        // What it was trained by may be said again.
        let own = model.record.get("options");
        let own = own.and_then(|own| Options::from_json(&own.to_string()).ok());
        if let Some(own) = own {
            let others = options.different(&own);
            set.retain(|name| others.contains(name));
        }
    }
    let why = "the generator is there already, and not trained";
    tell(&among(&set, &unused), why, hooks)
}

/// Tells of what is not looked at where a classifier stays as it is.
pub(super) fn in_refining_again(options: &Options, hooks: &dyn Hooks) -> Result<()> {
    let why = "the classifier stays, and what it makes of them was compared when it was trained";
    tell(&among(&options.changed(), &["observables"]), why, hooks)
}

/// Whether a method trains a flow.
fn has_flow(method: Method) -> bool {
    matches!(method, Method::Flow | Method::Mixture)
}

/// Tells of options of what a reweighter has not: a generator, a refiner, a pilot run.
pub(super) fn in_reweighting(options: &Options, hooks: &dyn Hooks) -> Result<()> {
    let why = "a reweighter has neither generator nor refiner";
    let mut unused = without_generator();
    unused.push("unfold");
    tell(&among(&options.changed(), &unused), why, hooks)
}

/// Tells of options of what unfolding has not.
pub(super) fn in_unfolding(options: &Options, hooks: &dyn Hooks) -> Result<()> {
    let why = "unfolding has neither generator nor refiner";
    tell(&among(&options.changed(), &without_generator()), why, hooks)
}

/// Options of generators, refiners and pilot runs.
fn without_generator() -> Vec<&'static str> {
    let mut unused: Vec<&str> = NETWORKS.iter().map(|(name, _)| *name).collect();
    unused.extend([
        "generator",
        "pullback",
        "refiner",
        "iteration",
        "gan",
        "refiner_flow",
        "matching",
        "surrogate",
        "hmc",
        "resampling",
        "rejection.max_tries",
        "weights.events",
        "classifier.inputs",
    ]);
    unused
}

/// Those of the options that are one of `unused`, or in a group of that name.
fn among(set: &[&'static str], unused: &[&str]) -> Vec<&'static str> {
    let is = |name: &str, unused: &str| {
        let rest = name.strip_prefix(unused);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let set = set.iter().copied();
    set.filter(|name| unused.iter().any(|unused| is(name, unused)))
        .collect()
}

fn tell(names: &[&str], why: &str, hooks: &dyn Hooks) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let message = format!("without effect: `{}`: {why}", names.join("`, `"));
    hooks.log(Level::Warning, &message)
}
