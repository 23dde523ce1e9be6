use super::choices::Schedule;
use super::*;
use crate::model::{Dtype, Method};

fn message(e: Error) -> String {
    e.to_string()
}

fn rejected(json: &str) -> String {
    message(Options::from_json(json).unwrap_err())
}

#[test]
fn every_default_is_within_its_range_and_names_are_unique() {
    let mut names = std::collections::BTreeSet::new();
    for key in keys::table() {
        assert!(names.insert(key.name()), "{} twice", key.name());
        assert!(!key.doc().is_empty() && key.doc().ends_with('.'));
        for value in key.presets() {
            let given = match &value {
                Value::Int(v) => Given::Int((*v).into()),
                Value::Float(v) => Given::Float(*v),
                Value::Text(v) => Given::Text(v),
            };
            assert_eq!(key.check(given).unwrap(), value);
        }
    }
    assert_eq!(names.len(), 96 + 8 * 14);
    // A key that is also a group could not be written as nested JSON.
    assert!(names.iter().all(|name| !is_group(name)));
}

#[test]
fn the_paper_preset_is_the_papers_text() {
    let o = Options::new();
    assert_eq!(o, Options::preset("paper").unwrap());
    assert_eq!(o, Options::preset("default").unwrap());
    let ints = [
        keys::FLOW_BLOCKS,
        keys::FLOW_LAYERS,
        keys::FLOW_UNITS,
        keys::CLASSIFIER_LAYERS,
        keys::CLASSIFIER_UNITS,
        keys::GAN_LAYERS,
        keys::GAN_UNITS,
        keys::GAN_LATENT,
        keys::GAN_DISCRIMINATOR_STEPS,
        keys::GAN_POOL,
        keys::HMC_CHAINS,
        keys::HMC_LEAPFROG,
        keys::HMC_BURN_IN,
    ];
    assert_eq!(
        ints.map(|k| o.get(k)),
        [12, 3, 48, 8, 96, 7, 100, 4, 4, 480_000, 100, 50, 3000]
    );
    assert_eq!(o.get(keys::HMC_STEP_SIZE), 0.004);
    let stages = [
        (
            keys::FLOW_TRAINING,
            100,
            1e-3,
            1e-5,
            (0.9, 0.999),
            (10, 1.0),
        ),
        (
            keys::CLASSIFIER_TRAINING,
            50,
            1e-3,
            0.0,
            (0.9, 0.999),
            (10, 0.0),
        ),
        (keys::GAN_TRAINING, 200, 1e-4, 0.0, (0.5, 0.9), (0, 0.0)),
    ];
    // Early stopping and clipping the text does not mention.
    for (stage, epochs, lr, decay, betas, stops) in stages {
        assert_eq!(o.get(stage.epochs), epochs);
        assert_eq!((o.get(stage.steps), o.get(stage.batch)), (240, 2000));
        assert_eq!((o.get(stage.lr), o.get(stage.gamma)), (lr, 0.999));
        assert_eq!(o.get(stage.schedule), Schedule::Exponential);
        assert_eq!(o.get(stage.weight_decay), decay);
        assert_eq!((o.get(stage.beta1), o.get(stage.beta2)), betas);
        assert_eq!((o.get(stage.patience), o.get(stage.clip)), stops);
    }
}

#[test]
fn fast_changes_schedules_and_no_architecture() {
    let (paper, fast) = (Options::new(), Options::preset("fast").unwrap());
    for stage in [
        keys::FLOW_TRAINING,
        keys::GAN_GENERATOR_TRAINING,
        keys::VAE_TRAINING,
        keys::CLASSIFIER_TRAINING,
        keys::GAN_TRAINING,
        keys::REFINER_FLOW_TRAINING,
        keys::MATCHING_TRAINING,
        keys::SURROGATE_TRAINING,
    ] {
        assert!(fast.get(stage.epochs) < paper.get(stage.epochs));
        assert_eq!(fast.get(stage.schedule), Schedule::Cosine);
    }
    for key in keys::table() {
        let name = key.name();
        if [
            "blocks", "layers", "units", "slope", "clamp", "latent", "coupling", "bins", "bound",
        ]
        .iter()
        .any(|part| name.ends_with(part))
        {
            assert_eq!(paper.values[name], fast.values[name], "{name}");
        }
    }
    assert!(message(Options::preset("quick").unwrap_err()).contains("`fast`"));
}

#[test]
fn both_spellings_and_the_preset_wherever_it_stands() {
    let nested = r#"{"flow": {"blocks": 20, "lr": 1}, "device": "cuda:1", "preset": "fast"}"#;
    let dotted = r#"{"preset": "fast", "device": "cuda:1", "flow.blocks": 20, "flow.lr": 1.0}"#;
    let o = Options::from_json(nested).unwrap();
    assert_eq!(o, Options::from_json(dotted).unwrap());
    assert_eq!(o.get(keys::FLOW_BLOCKS), 20);
    assert_eq!(o.get(keys::FLOW_TRAINING.lr), 1.0);
    assert_eq!(o.get(keys::FLOW_TRAINING.epochs), 4);
    assert_eq!(o.get(keys::DEVICE), "cuda:1");
    assert_eq!(
        Options::from_json(" {\"flow\": {}}\n").unwrap(),
        Options::new()
    );
}

#[test]
fn json_round_trip_is_the_identity() {
    let mut o = Options::preset("fast").unwrap();
    o.set_i64("seed", i64::MAX).unwrap();
    o.set_str("device", "cuda:65535").unwrap();
    let mut state = 1u64;
    for _ in 0..2000 {
        // Doubles of every magnitude: their decimal form must read back to the same bits.
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        let lr = f64::from_bits(state >> 1);
        if lr.is_finite() && lr > 0.0 {
            o.set_f64("gan.lr", lr).unwrap();
            assert_eq!(Options::from_json(&o.to_json()).unwrap(), o);
        }
    }
    let json: serde_json::Value = serde_json::from_str(&o.to_json()).unwrap();
    assert_eq!(json["preset"], "fast");
    assert_eq!(json["flow"]["blocks"], 12);
    assert_eq!(json["classifier"]["beta2"], 0.999);
    let leaves = |v: &serde_json::Value| v.as_object().map_or(1, |o| o.len());
    let written: usize = json.as_object().unwrap().values().map(leaves).sum();
    assert_eq!(written, keys::table().count() + 1);
}

#[test]
fn by_name_and_by_key_are_the_same_value() {
    let mut o = Options::new();
    o.set_i64("hmc.chains", 7).unwrap();
    o.set_f64("hmc.step_size", 0.5).unwrap();
    o.set_str("dtype", "float64").unwrap();
    assert_eq!(o.get(keys::HMC_CHAINS), 7);
    assert_eq!(o.get_i64("hmc.chains").unwrap(), 7);
    assert_eq!(o.get(keys::HMC_STEP_SIZE), 0.5);
    assert_eq!(o.get_f64("hmc.step_size").unwrap(), 0.5);
    assert_eq!(o.get(keys::DTYPE), Dtype::Float64);
    assert_eq!(o.get_str("dtype").unwrap(), "float64");
    o.set_i64("flow.clamp", 3).unwrap();
    assert_eq!(o.get(keys::FLOW_CLAMP), 3.0);
}

#[test]
fn every_method_has_a_word_in_both_lists() {
    let mut o = Options::new();
    assert_eq!(o.get(keys::REFINER_METHOD), None);
    assert_eq!(o.get(keys::SAMPLER_METHOD), None);
    for method in Method::ALL {
        let name = method.name();
        o.set_str("sampler.method", name).unwrap();
        let refiner = if name == "baseline" { "none" } else { name };
        o.set_str("refiner.method", refiner).unwrap();
        assert_eq!(o.get(keys::REFINER_METHOD), Some(method));
        assert_eq!(o.get(keys::SAMPLER_METHOD), Some(method));
    }
    o.set_str("refiner.method", "baseline").unwrap_err();
    o.set_str("sampler.method", "none").unwrap_err();
}

#[test]
fn a_refused_value_says_what_is_allowed_and_changes_nothing() {
    let mut o = Options::new();
    let before = o.clone();
    let says = |result: Result<()>, parts: &[&str]| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)));
        let text = message(error);
        assert!(parts.iter().all(|p| text.contains(p)), "{text}");
    };
    says(
        o.set_i64("flow.blocks", 0),
        &["`flow.blocks`", "from 1 to 1000", "not 0"],
    );
    says(o.set_i64("flow.blocks", 1001), &["not 1001"]);
    says(
        o.set_f64("flow.blocks", 12.0),
        &[
            "integer",
            "not 12.0; give it as an integer, a number without a fraction",
        ],
    );
    says(
        o.set_str("flow.blocks", "12"),
        &["not \"12\"; give it as an integer"],
    );
    says(
        o.set_f64("flow.lr", 0.0),
        &["finite number above 0", "not 0.0"],
    );
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        says(o.set_f64("flow.lr", bad), &["finite number"]);
        says(o.set_f64("flow.beta1", bad), &["from 0 and below 1"]);
    }
    says(o.set_f64("flow.beta1", 1.0), &["from 0 and below 1"]);
    says(o.set_f64("flow.gamma", 1.0 + 1e-15), &["above 0 to 1"]);
    says(o.set_i64("flow.clamp", 21), &["above 0 to 20", "not 21.0"]);
    says(o.set_i64("flow.bound", 0), &["from 0.001 to 1000"]);
    says(o.set_i64("flow.bins", 1), &["from 2 to 128"]);
    says(
        o.set_str("flow.coupling", "splines"),
        &["`affine`, `spline`"],
    );
    says(o.set_i64("dtype", 64), &["`float64`", "give it as text"]);
    says(o.set_str("dtype", "float16"), &["`float32`, `float64`"]);
    says(o.set_str("dtype", "Float32"), &["`float32`", "\"Float32\""]);
    for bad in [
        "",
        "gpu",
        "CPU",
        "cuda:",
        "cuda:N",
        "cuda:-1",
        "cuda:+1",
        "cuda:65536",
        "cpu\0",
        "a\nb",
    ] {
        says(o.set_str("device", bad), &["`cpu`, `cuda`, `cuda:N`"]);
    }
    says(o.set_str("preset", "fast"), &["when options are made"]);
    assert_eq!(o, before);
    o.set_f64("flow.gamma", 1.0).unwrap();
    o.set_f64("flow.beta1", 0.0).unwrap();
    o.set_f64("flow.clamp", 20.0).unwrap();
    o.set_i64("flow.blocks", 1000).unwrap();

    says(o.get_i64("flow.lr").map(|_| ()), &["read it as a number"]);
    says(
        o.get_f64("flow.blocks").map(|_| ()),
        &["read it as an integer"],
    );
    says(o.get_f64("dtype").map(|_| ()), &["read it as text"]);
    says(o.get_str("seed").map(|_| ()), &["read it as an integer"]);
}

#[test]
fn an_unknown_key_lists_near_misses() {
    let near = |name: &str| match Options::new().get_i64(name) {
        Err(Error::UnknownOption { key, near }) => {
            assert_eq!(key, clip(name));
            near
        }
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(near("blocks"), ["flow.blocks", "refiner_flow.blocks"]);
    assert_eq!(near("flow.bloks"), ["flow.blocks", "refiner_flow.blocks"]);
    assert_eq!(near("generator.blocks")[0], "flow.blocks");
    assert_eq!(near("lr"), ["flow.lr", "gan_generator.lr", "vae.lr"]);
    assert_eq!(near("classifer.unit")[0], "classifier.units");
    assert_eq!(near("HMC.Burn-In")[0], "hmc.burn_in");
    assert_eq!(
        near("rejection"),
        ["rejection.overweight", "rejection.max_tries"]
    );
    assert_eq!(
        near("method"),
        ["pullback.method", "refiner.method", "resample.method"]
    );
    assert!(near("xyzzyxyzzy").is_empty() && near("").is_empty());
    assert!(near(&"flow.blocks".repeat(1_000_000)).is_empty());
}

#[test]
fn bad_json_is_an_error_that_names_the_key() {
    for (json, part) in [
        (
            r#"{"flow.blocks": 1, "flow": {"blocks": 1}}"#,
            "`flow.blocks` is given twice",
        ),
        (r#"{"seed": 1, "seed": 1}"#, "`seed` is given twice"),
        (
            r#"{"preset": "fast", "preset": "fast"}"#,
            "`preset` is given twice",
        ),
        (r#"{"preset": "slow"}"#, "\"slow\""),
        (r#"{"preset": 1}"#, "`preset` takes"),
        (r#"{"preset": {}}"#, "`preset` takes"),
        (
            r#"{"flow": {"preset": "fast"}}"#,
            "unknown option `flow.preset`",
        ),
        (
            r#"{"flow": 12}"#,
            "unknown option `flow`; did you mean `flow.blocks`",
        ),
        (
            r#"{"flow": {"blocks": {"x": 1}}}"#,
            "`flow.blocks` takes an integer from 1 to 1000, not an object",
        ),
        (r#"{"flow": {"blocks": [1]}}"#, "not a list"),
        (r#"{"flow": {"blocks": null}}"#, "not null"),
        (r#"{"flow": {"blocks": true}}"#, "not true"),
        (r#"{"flow": {"blocks": 12.0}}"#, "integer"),
        (
            r#"{"seed": 18446744073709551615}"#,
            "not 18446744073709551615",
        ),
        (r#"{"seed": -1}"#, "not -1"),
        (r#"{"dtype": "half"}"#, "`float32`, `float64`"),
        (r#"{"device": "cpu\u0000"}"#, "`cuda:N`"),
        (
            r#"{"flwo": {"blocks": 1}}"#,
            "unknown option `flwo`; did you mean `flow.",
        ),
        (r#"{"": {"": 1}}"#, "empty"),
        (r#"{"flow": {"": 1}}"#, "unknown option `flow.`"),
        (r#"{"gan.lr": 1e999}"#, "not valid JSON"),
        (r#"{"gan.lr": NaN}"#, "not valid JSON"),
        (r#"{"seed": 1} x"#, "not valid JSON"),
        (r#"{"seed": 1,}"#, "not valid JSON"),
        (r#"{"seed""#, "not valid JSON"),
        ("", "not valid JSON"),
        ("[]", "JSON object, not a list"),
        ("3", "JSON object, not 3"),
    ] {
        let text = rejected(json);
        assert!(text.contains(part), "{json}: {text}");
    }
}

#[test]
fn hostile_json_is_refused_quickly() {
    let start = std::time::Instant::now();
    let depth = 1_000_000;
    rejected(&"{\"flow\":".repeat(depth));
    rejected(&"[".repeat(depth));
    rejected(&format!("{{\"flow\": {{\"blocks\": {}", "[".repeat(depth)));
    let long = "k".repeat(5_000_000);
    let text = rejected(&format!(
        "{{\"{long}\": {{{}\"a\": 1}}}}",
        "\"a\": 1,".repeat(depth)
    ));
    assert!(text.len() < 200, "{}", text.len());
    let text = rejected(&format!("{{\"device\": \"{long}\"}}"));
    assert!(text.len() < 300);
    assert!(start.elapsed().as_secs_f64() < 5.0);
}

#[test]
fn the_documentation_has_a_row_for_every_key() {
    let table = documentation();
    assert_eq!(table.lines().count(), keys::table().count() + 2);
    assert!(table.lines().all(|line| line.matches('|').count() == 6));
    assert!(table.contains("| `flow.epochs` | an integer of at least 1 | `100` | `4` | Epochs. |"));
}
