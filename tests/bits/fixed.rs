//! Models with given parameters, written as files.

use crate::cases::{draw, options, Hashes, Numbers};
use laser::model::Model;
use laser::options::Options;
use laser::protocol::{generate, latent, log_prob, log_weight, Instance, Sampler};
use laser::{Rows, RowsMut};
use serde_json::{json, Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;

const DTYPES: [&str; 2] = ["float32", "float64"];

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn mlp(inputs: usize, hidden: &[usize], outputs: usize, activation: usize) -> Value {
    let activation = match activation % 2 {
        0 => json!({"type": "leaky_relu", "slope": 0.1}),
        _ => json!({"type": "tanh"}),
    };
    json!({"inputs": inputs, "hidden": hidden, "outputs": outputs, "activation": activation})
}

/// Couplings of one transform, every second of them inverse.
fn flow(dim: usize, conditions: usize, transform: &Value) -> Value {
    let outputs = match transform["bins"].as_u64() {
        Some(bins) => 3 * bins as usize - 1,
        None => 2,
    };
    let blocks: Vec<Value> = (0..4)
        .map(|i| {
            let coordinates: Vec<usize> = (0..dim).map(|k| (k + i) % dim).collect();
            let (active, passive) = coordinates.split_at(1 + i % (dim - 1));
            let subnet = mlp(passive.len() + conditions, &[7, 16], outputs * active.len(), i);
            json!({"active": active, "passive": passive, "transform": transform, "inverse": i % 2 == 1, "subnet": subnet})
        })
        .collect();
    json!({"type": "flow", "network": {"dim": dim, "conditions": conditions, "blocks": blocks}})
}

fn standardise(mean: f64, std: f64) -> Value {
    json!({"type": "standardise", "mean": mean, "std": std})
}

/// A model of the maps and scalings, with a classifier and, perhaps, a refiner.
fn model(
    dtype: &str,
    maps: &[Value],
    scalings: &[Value],
    conditions: usize,
    refiner: Option<Value>,
) -> Value {
    let inputs = scalings.len() + conditions;
    let learned = refiner
        .as_ref()
        .map(|map| match map["type"].as_str().unwrap() {
            "network" => "gan",
            name => name,
        });
    json!({
        "dtype": dtype,
        "generator": {
            "kind": {"type": "networks", "maps": maps},
            "scalings": scalings,
            "conditions": vec![standardise(0.1, 0.7); conditions]
        },
        "classifier": {
            "network": mlp(inputs, &[9, 16], 1, 0),
            "scalings": vec![standardise(0.3, 1.7); inputs],
            "log_ratio_offset": 0.25
        },
        "refinement": {
            "method": learned.unwrap_or("rejection"),
            "log_w_max": 1.5, "log_mean_weight": 0.125, "max_tries": 10_000, "pool": 8,
            "hmc": {"chains": 12, "start": "resampled", "step_size": 0.4, "jitter": 0.5, "scales": [],
                    "leapfrog": 3, "burn_in": 4, "thin": 2},
            "refiner": refiner.map(|map| json!({"map": map}))
        },
        "record": {}
    })
}

/// The layers of a network, by their tensors' names and shapes.
fn layers(prefix: &str, network: &Value, tensors: &mut Vec<(String, Vec<usize>)>) {
    let hidden = network["hidden"].as_array().unwrap();
    let widths = std::iter::once(&network["inputs"])
        .chain(hidden)
        .chain([&network["outputs"]]);
    let widths: Vec<usize> = widths.map(size).collect();
    for (i, layer) in widths.windows(2).enumerate() {
        tensors.push((format!("{prefix}{i}.weight"), vec![layer[1], layer[0]]));
        tensors.push((format!("{prefix}{i}.bias"), vec![layer[1]]));
    }
}

fn map_layers(prefix: &str, map: &Value, tensors: &mut Vec<(String, Vec<usize>)>) {
    let network = &map["network"];
    match map["type"].as_str().unwrap() {
        "flow" => {
            for (i, block) in network["blocks"].as_array().unwrap().iter().enumerate() {
                layers(
                    &format!("{prefix}blocks.{i}.subnet."),
                    &block["subnet"],
                    tensors,
                );
            }
        }
        "matching" => layers(prefix, &network["network"], tensors),
        _ => layers(prefix, network, tensors),
    }
}

/// The bytes of the model's file, with parameters of about the size that training starts from.
fn file(model: &Value, dims: (usize, usize, usize)) -> Vec<u8> {
    let mut tensors = Vec::new();
    for (i, map) in model["generator"]["kind"]["maps"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        map_layers(&format!("generator.{i}."), map, &mut tensors);
    }
    for name in ["classifier", "latent_classifier"] {
        let classifier = &model[name];
        match classifier["members"].as_u64() {
            Some(members) => (0..members).for_each(|k| {
                layers(
                    &format!("{name}.{k}."),
                    &classifier["network"],
                    &mut tensors,
                )
            }),
            None if classifier.is_object() => {
                layers(&format!("{name}."), &classifier["network"], &mut tensors)
            }
            None => (),
        }
    }
    if let Some(map) = model["refinement"]["refiner"].get("map") {
        map_layers("refiner.", map, &mut tensors);
    }
    if let Some(surrogate) = model["refinement"].get("surrogate") {
        let network = &surrogate["classifier"]["network"];
        layers("surrogate.", network, &mut tensors);
    }
    let (word, single) = match model["dtype"] == "float32" {
        true => ("F32", true),
        false => ("F64", false),
    };
    let (mut numbers, mut data, mut header) = (Numbers(1), Vec::new(), Map::new());
    for (name, shape) in tensors {
        let from = data.len();
        // The inputs of a bias's layer are not in its shape: a tenth will do.
        let scale = shape
            .get(1)
            .map_or(0.1, |inputs| 1.0 / (*inputs as f64 + 1.0).sqrt());
        for _ in 0..shape.iter().product() {
            let value = scale * numbers.normal();
            match single {
                true => data.extend_from_slice(&(value as f32).to_le_bytes()),
                false => data.extend_from_slice(&value.to_le_bytes()),
            }
        }
        let tensor = json!({"dtype": word, "shape": shape, "data_offsets": [from, data.len()]});
        header.insert(name, tensor);
    }
    let (latent, event, condition) = dims;
    let mut description = json!({
        "format_version": 1, "library": "0", "sha256": "0".repeat(64),
        "latent_dim": latent, "event_dim": event, "condition_dim": condition, "model": model
    });
    let mut digest = Sha256::new();
    digest.update(description.to_string());
    digest.update(&data);
    let digest = digest.finalize();
    let digits: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    description["sha256"] = digits.into();
    header.insert(
        "__metadata__".into(),
        json!({"laser": description.to_string()}),
    );
    let mut header = Value::from(header).to_string();
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &data].concat()
}

fn open(model: &Value, dims: (usize, usize, usize)) -> Instance {
    Instance::new(Model::from_bytes(&file(model, dims)).unwrap())
}

/// Of everything that can be computed of given latents and events.
fn values(hashes: &mut Hashes, name: &str, model: &Instance) {
    const ROWS: usize = 150;
    let g = &model.generator;
    let (n, m, c) = (g.latent_dim(), g.event_dim(), g.condition_dim());
    let z = Numbers(2).normals(ROWS * (n + c));
    let of = |threads: i64| {
        let options = options(json!({"threads": threads}));
        let mut parts = vec![("events", vec![0.0; ROWS * m])];
        generate(
            model,
            &options,
            Rows::packed(&z, n + c).unwrap(),
            RowsMut::packed(&mut parts[0].1, m).unwrap(),
        )
        .unwrap();
        // Events with their conditions.
        let rows = parts[0].1.chunks(m).zip(z.chunks(n + c));
        let x: Vec<f64> = rows.flat_map(|(x, z)| [x, &z[n..]].concat()).collect();
        let mut add = |name, values| parts.push((name, values));
        let mut log_w = vec![0.0; ROWS];
        log_weight(
            model,
            &options,
            Rows::packed(&x, m + c).unwrap(),
            RowsMut::column(&mut log_w),
        )
        .unwrap();
        add("log w", log_w);
        if g.invertible() {
            let (mut log_p, mut back) = (vec![0.0; ROWS], vec![0.0; ROWS * n]);
            log_prob(
                model,
                &options,
                Rows::packed(&x, m + c).unwrap(),
                RowsMut::column(&mut log_p),
            )
            .unwrap();
            latent(
                model,
                &options,
                Rows::packed(&x, m + c).unwrap(),
                RowsMut::packed(&mut back, n).unwrap(),
            )
            .unwrap();
            add("log p", log_p);
            add("latents", back);
        }
        add("gradients", gradients(model, &options, &z, &x, ROWS));
        parts
    };
    let parts = of(1);
    assert_eq!(parts, of(2), "{name}: threads");
    for (part, values) in parts {
        hashes.numbers(format!("{name}: {part}"), &values);
    }
}

/// ∇_z log w(z) and ∇_x log w(x).
fn gradients(model: &Instance, options: &Options, z: &[f64], x: &[f64], rows: usize) -> Vec<f64> {
    let g = &model.generator;
    let threads = options.get_i64("threads").unwrap() as usize;
    let mut evaluator = model.evaluator(options, threads).unwrap();
    let (mut value, mut of_z) = (vec![0.0; rows], vec![0.0; rows * g.latent_dim()]);
    evaluator
        .log_weight_gradient(z, rows, &mut value, &mut of_z)
        .unwrap();
    let mut of_x = vec![0.0; rows * g.event_dim()];
    evaluator
        .event_weight_gradient(x, rows, &mut value, &mut of_x)
        .unwrap();
    [of_z, of_x].concat()
}

fn affine(soft_clamp: &str) -> Value {
    json!({"type": "affine", "clamp": 1.5, "soft_clamp": soft_clamp})
}

fn spline(knots: &str) -> Value {
    json!({"type": "spline", "bins": 5, "bound": 2.5, "knots": knots})
}

fn matching(dim: usize) -> Value {
    json!({"type": "matching", "network": {"network": mlp(dim + 1, &[11], dim, 0), "steps": 2}})
}

fn network(inputs: usize, outputs: usize) -> Value {
    json!({"type": "network", "network": mlp(inputs, &[11, 8], outputs, 0)})
}

pub fn all(hashes: &mut Hashes) {
    for dtype in DTYPES {
        couplings(hashes, dtype);
        generators(hashes, dtype);
        scalings(hashes, dtype);
        methods(hashes, dtype);
    }
}

fn couplings(hashes: &mut Hashes, dtype: &str) {
    let clamps = ["tanh", "atan", "softsign", "sigmoid", "softplus"];
    let knots = ["tanh", "softplus", "softsign"];
    let affine = clamps.map(|word| (format!("affine {word}"), affine(word)));
    let spline = knots.map(|word| (format!("spline {word}"), spline(word)));
    for (word, transform) in affine.into_iter().chain(spline) {
        let scalings = [
            json!({"type": "none"}),
            standardise(2.0, 0.5),
            standardise(-1.0, 3.0),
        ];
        let model = model(dtype, &[flow(3, 1, &transform)], &scalings, 1, None);
        values(
            hashes,
            &format!("{word}, {dtype}"),
            &open(&model, (3, 3, 1)),
        );
    }
}

/// Maps other than one flow; and an ensemble of classifiers.
fn generators(hashes: &mut Hashes, dtype: &str) {
    let scalings = [standardise(2.0, 0.5), standardise(-1.0, 3.0)];
    let two_flows = [flow(2, 0, &spline("tanh")), flow(2, 0, &affine("tanh"))];
    for (word, maps) in [
        ("network", &[network(4, 2)][..]),
        ("transport", &[matching(2)]),
        ("transport and network", &[matching(2), network(2, 2)]),
        (
            "flow and network",
            &[flow(2, 0, &affine("tanh")), network(2, 2)],
        ),
        ("two flows", &two_flows),
    ] {
        let mut model = model(dtype, maps, &scalings, 0, None);
        let latents = if word == "network" { 4 } else { 2 };
        model["classifier"]["members"] = 3.into();
        values(
            hashes,
            &format!("{word}, {dtype}"),
            &open(&model, (latents, 2, 0)),
        );
    }
}

fn scalings(hashes: &mut Hashes, dtype: &str) {
    for scaling in [
        json!({"type": "none"}),
        standardise(2.0, 0.5),
        json!({"type": "asinh", "centre": 0.5, "width": 0.7, "mean": 0.2, "std": 0.8}),
        json!({"type": "log", "low": -1.0, "mean": 0.2, "std": 0.8}),
        json!({"type": "logit", "low": -1.0, "high": 2.0, "mean": 0.2, "std": 0.8}),
        json!({"type": "periodic", "low": -3.0, "period": 6.0, "cut": 1.0, "mean": 0.2, "std": 0.8}),
    ] {
        let word = scaling["type"].as_str().unwrap();
        let scalings = [scaling.clone(), scaling.clone()];
        let model = model(dtype, &[flow(2, 0, &affine("tanh"))], &scalings, 0, None);
        let name = format!("scaling {word}, {dtype}");
        values(hashes, &name, &open(&model, (2, 2, 0)));
    }
}

/// Samplers by every method, from their own noise and from the host's.
fn methods(hashes: &mut Hashes, dtype: &str) {
    let scalings = [standardise(2.0, 0.5), standardise(-1.0, 3.0)];
    let with = |refiner| model(dtype, &[flow(2, 0, &affine("tanh"))], &scalings, 0, refiner);
    let mut sample = |name: &str, method: &str, model: &Value| {
        let model = Arc::new(open(model, (2, 2, 0)));
        let options = options(json!({"sampler.method": method}));
        let name = format!("sampler {name}, {dtype}");
        hashes.events(&name, &model, &options);
        let density = !["gan", "matching"].contains(&method);
        let mut sampler = Sampler::new(model, 3, 5, &options).unwrap();
        sampler.set_uniforms(Some(Box::new(Numbers(9)))).unwrap();
        let drawn = draw::<f32>(&mut sampler, 90, density);
        hashes.numbers(format!("{name}: host's noise"), &drawn.events);
    };
    let mut plain = with(None);
    plain["refinement"]["hmc"]["scales"] = json!([1.0, 0.75]);
    for method in [
        "baseline",
        "reweight",
        "rejection",
        "resampling",
        "langevin",
        "mala",
        "hmc",
    ] {
        sample(method, method, &plain);
    }
    let mut prior = plain.clone();
    prior["refinement"]["hmc"]["start"] = "prior".into();
    sample("hmc from the prior", "hmc", &prior);
    let mut in_latents = plain.clone();
    in_latents["latent_classifier"] = plain["classifier"].clone();
    sample("rejection by latents", "rejection", &in_latents);
    sample("hmc by latents", "hmc", &in_latents);
    sample("gan", "gan", &with(Some(network(4, 2))));
    sample("flow", "flow", &with(Some(flow(2, 0, &spline("tanh")))));
    sample("matching", "matching", &with(Some(matching(2))));
    let mut mixture = with(Some(flow(2, 0, &spline("tanh"))));
    mixture["refinement"]["method"] = "mixture".into();
    mixture["refinement"]["mixture"] = json!({"prior": 0.25, "log_w_max": 0.5, "acceptance": 0.5});
    sample("mixture", "mixture", &mixture);
    let mut surrogate = plain.clone();
    let mut network = in_latents["latent_classifier"].clone();
    network["limits"] = json!({"low": -1.0, "high": 0.5});
    surrogate["refinement"]["method"] = "surrogate".into();
    surrogate["refinement"]["surrogate"] = json!({"classifier": network, "log_w_max": 1.5, "acceptance": 0.5, "distilled": 0.6, "calls": 1.5});
    sample("surrogate", "surrogate", &surrogate);
    sample("distilled", "distilled", &surrogate);
}
