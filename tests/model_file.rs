//! The model file: what is written comes back bit for bit, a file is never half-written, and no input makes reading panic or
//! take memory by a number that the input chose.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "model_file/disk.rs"]
mod disk;
#[path = "model_file/hostile.rs"]
mod hostile;
#[path = "attack/longer.rs"]
mod longer;

use laser::model::{
    Activation, Classifier, Coupling, Dtype, Flow, Generator, GeneratorKind, HmcSettings, Limits,
    Map, Matching, Method, Mixture, Mlp, Model, Pilot, Refinement, Refiner, Scaling, Start,
    Support, Surrogate, Transform, FORMAT_VERSION,
};
use laser::options::Options;
use laser::protocol::{Instance, Sampler};
use laser::Error;
use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// SplitMix64: numbers for the tests.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Any finite number, every exponent alike.
    fn finite(&mut self, dtype: Dtype) -> f64 {
        loop {
            let value = match dtype {
                Dtype::Float32 => f64::from(f32::from_bits(self.next() as u32)),
                Dtype::Float64 => f64::from_bits(self.next()),
            };
            if value.is_finite() {
                return value;
            }
        }
    }
}

/// A small model with every part. Its second block has no passive coordinates: without conditions, its first weight is empty.
fn model(dtype: Dtype, conditions: usize) -> Model {
    let mut numbers = Numbers(7);
    let block = |active: Vec<usize>, passive: Vec<usize>| Coupling {
        transform: Transform::affine(1.0 / 3.0),
        inverse: false,
        subnet: Mlp::new(passive.len() + conditions, 1, 3, 2 * active.len(), 0.1),
        active,
        passive,
    };
    let kind = GeneratorKind::flow(Flow {
        dim: 2,
        conditions,
        blocks: vec![block(vec![1], vec![0]), block(vec![0, 1], vec![])],
    });
    let scalings = vec![
        Scaling::None,
        Scaling::Standardise {
            mean: 0.1 + 0.2,
            std: f64::MIN_POSITIVE,
        },
    ];
    let mut generator = Generator {
        conditions: vec![Scaling::None; conditions],
        module: Arc::default(),
        kind,
        scalings: scalings.clone(),
        parameters: Arc::default(),
    };
    let mut fill = |tensors: Vec<laser::model::Parameter>| {
        let n = tensors.iter().map(|t| t.len()).sum();
        let mut values: Vec<f64> = (0..n).map(|_| numbers.finite(dtype)).collect();
        values[0] = -0.0;
        values[1] = f64::from(f32::from_bits(1));
        values
    };
    generator.parameters = fill(generator.tensors("")).into();
    let network = Mlp {
        activation: Activation::Tanh,
        ..Mlp::new(2 + conditions, 2, 3, 1, 0.0)
    };
    let classifier = Classifier {
        parameters: fill(network.parameters("")).into(),
        network,
        scalings: [scalings, vec![Scaling::None; conditions]].concat(),
        log_ratio_offset: -1e-300 / 7.0,
        limits: None,
        members: 1,
        latents: 0,
    };
    let network = Mlp::new(4 + conditions, 1, 2, 2, 0.01);
    let refiner = Refiner {
        parameters: fill(network.parameters("")).into(),
        map: Map::Network(network),
    };
    let refinement = Refinement {
        method: Method::Gan,
        log_w_max: 2.0f64.ln(),
        log_mean_weight: -1.0 / 3.0,
        max_tries: 987_654_321,
        pool: 16,
        hmc: HmcSettings {
            chains: 100,
            start: Start::Resampled,
            step_size: 0.004,
            jitter: 0.1,
            scales: Vec::new(),
            leapfrog: 50,
            burn_in: 3000,
            thin: 1,
        },
        refiner: Some(refiner),
        log_inside: 0.0,
        mixture: None,
        surrogate: None,
        pilot: Some(Pilot {
            acceptance: 1.0 / 3.0,
            overweight: 0.001,
            log_largest: 3.0f64.ln(),
        }),
    };
    let record = json!({"loss": [0.7, 0.1 + 0.7, 5e-324, 1e308], "events": u64::MAX, "data": {"name": "donut\u{0} µ \"", "weighted": false, "note": null}});
    Model {
        dtype,
        generator,
        classifier: Some(classifier),
        latent_classifier: None,
        refinement: Some(refinement),
        names: Vec::new(),
        support: Some(Support::Formula {
            text: "x0 > -50 or x1 < 3".into(),
        }),
        record: record.as_object().unwrap().clone(),
    }
}

/// The same with the other learned refiners: a flow, a transport.
fn learned(model: &Model) -> [Model; 2] {
    let conditions = model.generator.condition_dim();
    let network = Mlp::new(3 + conditions, 1, 3, 2, 0.01);
    let transport = Map::Matching(Matching { network, steps: 4 });
    let maps = [model.generator.maps()[0].clone(), transport];
    maps.map(|map| {
        let tensors = map.parameters("");
        let refiner = Refiner {
            parameters: vec![0.25; tensors.iter().map(|t| t.len()).sum()].into(),
            map,
        };
        let mut model = model.clone();
        let refinement = model.refinement.as_mut().unwrap();
        let learns = |method: &&Method| method.learns(&refiner.map);
        refinement.method = *Method::ALL.iter().find(learns).unwrap();
        refinement.refiner = Some(refiner);
        model
    })
}

fn bits(model: &Model) -> Vec<u64> {
    let classifier = model.classifier.iter().flat_map(|c| &*c.parameters);
    let refiner = model
        .refinement
        .iter()
        .flat_map(|r| &r.refiner)
        .flat_map(|g| &*g.parameters);
    let all = model
        .generator
        .parameters
        .iter()
        .chain(classifier)
        .chain(refiner);
    all.map(|v| v.to_bits()).collect()
}

/// The file's header as JSON, and its data.
fn open(bytes: &[u8]) -> (Value, Vec<u8>) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (
        serde_json::from_slice(&bytes[8..8 + length]).unwrap(),
        bytes[8 + length..].to_vec(),
    )
}

fn close(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn description(header: &Value) -> Value {
    serde_json::from_str(header["__metadata__"]["laser"].as_str().unwrap()).unwrap()
}

/// The file with another header.
fn with_header(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (mut header, data) = open(bytes);
    change(&mut header);
    close(&header.to_string(), &data)
}

/// The file with another description, and its checksum.
fn with_description(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    sealed(&with_unsealed(bytes, change))
}

/// The file with another description, and the checksum that this says.
fn with_unsealed(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    with_header(bytes, |header| {
        let mut d = description(header);
        change(&mut d);
        header["__metadata__"]["laser"] = d.to_string().into();
    })
}

/// The checksum that a description and the data should have. None without a place for it.
fn checksum(description: &str, data: &[u8]) -> Option<String> {
    const BEFORE: &str = r#""sha256":""#;
    let at = description.find(BEFORE)? + BEFORE.len();
    let (before, after) = (description.get(..at)?, description.get(at + 64..)?);
    let mut hash = Sha256::new();
    hash.update(format!("{before}{:064}{after}", 0));
    hash.update(data);
    Some(format!("{:x}", hash.finalize()))
}

/// The file with its checksum, and otherwise the same bytes. Without a header or a place for the checksum it stays as it is.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    const BEFORE: &[u8] = br#"\"sha256\":\""#;
    let mut sealed = bytes.to_vec();
    if let Some((length, rest)) = bytes.split_first_chunk() {
        let length = u64::from_le_bytes(*length) as usize;
        if let Some((header, data)) = rest.split_at_checked(length) {
            let at = header.windows(BEFORE.len()).position(|w| w == BEFORE);
            let parsed: Option<Value> = serde_json::from_slice(header).ok();
            let description = parsed
                .as_ref()
                .and_then(|h| h["__metadata__"]["laser"].as_str());
            let sum = description.and_then(|d| checksum(d, data));
            if let (Some(at), Some(sum)) = (at, sum) {
                sealed[8 + at + BEFORE.len()..][..64].copy_from_slice(sum.as_bytes());
            }
        }
    }
    sealed
}

fn refusal(bytes: &[u8]) -> String {
    match Model::from_bytes(bytes) {
        Err(error @ Error::Format(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused_with(bytes: &[u8], words: &str) {
    let message = refusal(bytes);
    assert!(
        message.contains(words),
        "`{message}` does not say `{words}`"
    );
}

#[test]
fn models_come_back_bit_for_bit() {
    for dtype in [Dtype::Float32, Dtype::Float64] {
        for conditions in [0, 1] {
            let full = model(dtype, conditions);
            let mut unlearned = full.clone();
            let refinement = unlearned.refinement.as_mut().unwrap();
            refinement.refiner = None;
            refinement.method = Method::Rejection;
            refinement.pilot = None;
            let others = learned(&full);
            let mut bare = full.clone();
            bare.classifier = None;
            bare.refinement = None;
            for model in [full, unlearned, bare].into_iter().chain(others) {
                let bytes = model.to_bytes().unwrap();
                let read = Model::from_bytes(&bytes).unwrap();
                assert_eq!(read, model);
                assert_eq!(bits(&read), bits(&model));
                assert_eq!(read.to_bytes().unwrap(), bytes);
            }
        }
    }
}

#[test]
fn reweighters_are_models_without_a_generator() {
    let reweighter = |conditions| {
        let mut m = model(Dtype::Float32, conditions);
        m.generator.kind = GeneratorKind::Events;
        m.generator.parameters = Arc::default();
        m.refinement = None;
        m
    };
    for conditions in [0, 1] {
        let model = reweighter(conditions);
        let bytes = model.to_bytes().unwrap();
        let read = Model::from_bytes(&bytes).unwrap();
        assert_eq!(read, model);
        assert_eq!(read.generator.latent_dim(), 0);
        assert_eq!(read.to_bytes().unwrap(), bytes);
    }
    let whole = model(Dtype::Float32, 0);
    let refused = |change: &dyn Fn(&mut Model), words: &str| {
        let mut model = reweighter(0);
        change(&mut model);
        let message = model.to_bytes().unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    let parts = "a reweighter has a classifier of events, and neither one of latents nor a refiner";
    refused(&|m| m.classifier = None, parts);
    refused(&|m| m.refinement = whole.refinement.clone(), parts);
    refused(
        &|m| {
            m.generator.scalings.clear();
            m.names.clear();
        },
        "a reweighter of events of dimension 0",
    );
    let bytes = reweighter(0).to_bytes().unwrap();
    let other = with_description(&bytes, |d| d["latent_dim"] = json!(2));
    refused_with(&other, "latent_dim is 2, but the generator has 0");
}

/// Models were written before there was a pilot in them.
#[test]
fn a_file_without_a_pilot_is_read() {
    let with = model(Dtype::Float64, 0);
    let mut without = with.clone();
    without.refinement.as_mut().unwrap().pilot = None;
    let older = with_description(&with.to_bytes().unwrap(), |d| {
        let refinement = d["model"]["refinement"].as_object_mut().unwrap();
        refinement.remove("pilot").unwrap();
    });
    assert_eq!(Model::from_bytes(&older).unwrap(), without);
}

#[test]
fn every_double_of_the_description_comes_back_bit_for_bit() {
    let mut numbers = Numbers(3);
    let mut written = model(Dtype::Float64, 0);
    let values: Vec<f64> = (0..20_000)
        .map(|_| numbers.finite(Dtype::Float64))
        .collect();
    written.record.insert("values".into(), json!(values));
    let read = Model::from_bytes(&written.to_bytes().unwrap()).unwrap();
    let back = read.record["values"].as_array().unwrap();
    let changed = values
        .iter()
        .zip(back)
        .filter(|(v, b)| b.as_f64().unwrap().to_bits() != v.to_bits());
    assert_eq!(changed.count(), 0);
}

#[test]
fn single_precision_models_store_rounded_parameters() {
    let mut written = model(Dtype::Float32, 0);
    Arc::make_mut(&mut written.generator.parameters)[2] = 0.1;
    let read = Model::from_bytes(&written.to_bytes().unwrap()).unwrap();
    assert_eq!(read.generator.parameters[2], f64::from(0.1f32));
}

#[test]
fn any_safetensors_reader_opens_the_file() {
    for (dtype, element) in [
        (Dtype::Float32, safetensors::Dtype::F32),
        (Dtype::Float64, safetensors::Dtype::F64),
    ] {
        let model = model(dtype, 1);
        let bytes = model.to_bytes().unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let expected = [
            ("generator.0.blocks.0.subnet.0.weight", vec![3, 2]),
            ("generator.0.blocks.0.subnet.0.bias", vec![3]),
            ("generator.0.blocks.0.subnet.1.weight", vec![2, 3]),
            ("generator.0.blocks.0.subnet.1.bias", vec![2]),
            ("generator.0.blocks.1.subnet.0.weight", vec![3, 1]),
            ("generator.0.blocks.1.subnet.0.bias", vec![3]),
            ("generator.0.blocks.1.subnet.1.weight", vec![4, 3]),
            ("generator.0.blocks.1.subnet.1.bias", vec![4]),
            ("classifier.0.weight", vec![3, 3]),
            ("classifier.0.bias", vec![3]),
            ("classifier.1.weight", vec![3, 3]),
            ("classifier.1.bias", vec![3]),
            ("classifier.2.weight", vec![1, 3]),
            ("classifier.2.bias", vec![1]),
            ("refiner.0.weight", vec![2, 5]),
            ("refiner.0.bias", vec![2]),
            ("refiner.1.weight", vec![2, 2]),
            ("refiner.1.bias", vec![2]),
        ];
        assert_eq!(file.len(), expected.len());
        // In this order the values are those of the three flat buffers.
        let mut values = vec![];
        for (name, shape) in expected {
            let tensor = file.tensor(name).unwrap();
            assert_eq!(
                (tensor.dtype(), tensor.shape()),
                (element, &shape[..]),
                "{name}"
            );
            match dtype {
                Dtype::Float32 => values.extend(
                    tensor
                        .data()
                        .chunks(4)
                        .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))),
                ),
                Dtype::Float64 => values.extend(
                    tensor
                        .data()
                        .chunks(8)
                        .map(|b| f64::from_le_bytes(b.try_into().unwrap())),
                ),
            }
        }
        assert_eq!(
            values.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            bits(&model)
        );

        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().as_ref().unwrap();
        let d: Value = serde_json::from_str(&metadata["laser"]).unwrap();
        assert_eq!(d["format_version"], FORMAT_VERSION);
        assert_eq!(d["library"], env!("CARGO_PKG_VERSION"));
        let sum = checksum(&metadata["laser"], &open(&bytes).1).unwrap();
        assert_eq!(d["sha256"], sum);
        assert_eq!(
            (&d["latent_dim"], &d["event_dim"], &d["condition_dim"]),
            (&json!(2), &json!(2), &json!(1))
        );
        assert_eq!(d["model"], serde_json::to_value(&model).unwrap());
    }
}

#[test]
fn models_that_could_not_be_read_are_not_written() {
    let refused = |change: &dyn Fn(&mut Model), words: &str| {
        let mut model = model(Dtype::Float32, 0);
        change(&mut model);
        let message = model.to_bytes().unwrap_err().to_string();
        assert!(
            message.contains(words),
            "`{message}` does not say `{words}`"
        );
    };
    refused(
        &|m| m.refinement.as_mut().unwrap().log_w_max = f64::NEG_INFINITY,
        "log_w_max",
    );
    refused(
        &|m| m.refinement.as_mut().unwrap().log_w_max = f64::NAN,
        "log_w_max",
    );
    // Latents that events do not have, or that nothing makes room for.
    for latents in [1, 3, usize::MAX] {
        refused(
            &|m| m.classifier.as_mut().unwrap().latents = latents,
            "scalings make",
        );
        refused(
            &|m| {
                let classifier = m.classifier.as_mut().unwrap();
                classifier.latents = 1;
                classifier.scalings.push(Scaling::None);
                classifier.network.inputs += 1;
                let n = classifier.network.parameter_count().unwrap();
                classifier.parameters = vec![0.1; n].into();
            },
            "sees 1 latents of events that have 2",
        );
    }
    let mixture = |m: &mut Model, prior, log_w_max, acceptance| {
        m.refinement.as_mut().unwrap().mixture = Some(Mixture {
            prior,
            log_w_max,
            acceptance,
        });
    };
    for (prior, log_w_max, acceptance) in [
        (0.0, 0.0, 0.5),
        (1.0, 0.0, 0.5),
        (f64::NAN, 0.0, 0.5),
        (0.5, f64::INFINITY, 0.5),
        (0.5, 0.0, 0.0),
    ] {
        refused(&|m| mixture(m, prior, log_w_max, acceptance), "mixture");
    }
    // A method without what it needs.
    refused(
        &|m| m.refinement.as_mut().unwrap().method = Method::Mixture,
        "`mixture`",
    );
    refused(
        &|m| {
            mixture(m, 0.5, 0.0, 0.5);
            m.refinement.as_mut().unwrap().method = Method::Mixture;
        },
        "`mixture`",
    );
    let surrogate = |m: &mut Model, change: &dyn Fn(&mut Surrogate)| {
        let network = Mlp::new(m.generator.latent_dim(), 1, 4, 1, 0.01);
        let mut surrogate = Surrogate {
            classifier: Classifier {
                parameters: vec![0.1; network.parameter_count().unwrap()].into(),
                scalings: vec![Scaling::None; network.inputs],
                network,
                members: 1,
                latents: 0,
                log_ratio_offset: 0.0,
                limits: Some(Limits {
                    low: -1.0,
                    high: 1.0,
                }),
            },
            first: Some(Limits {
                low: -0.5,
                high: 0.5,
            }),
            log_w_max: 0.0,
            acceptance: 0.5,
            distilled: Some(0.6),
            calls: 2.0,
        };
        change(&mut surrogate);
        m.refinement.as_mut().unwrap().surrogate = Some(surrogate);
    };
    let mut whole = model(Dtype::Float32, 0);
    surrogate(&mut whole, &|_| ());
    whole.refinement.as_mut().unwrap().method = Method::Surrogate;
    let bytes = whole.to_bytes().unwrap();
    assert_eq!(
        Model::from_bytes(&bytes).unwrap().to_bytes().unwrap(),
        bytes
    );
    let unsound: [&dyn Fn(&mut Surrogate); 9] = [
        &|s| s.classifier.limits = None,
        &|s| s.classifier.latents = 1,
        &|s| s.classifier.scalings.push(Scaling::None),
        &|s| s.log_w_max = f64::NAN,
        &|s| s.acceptance = 0.0,
        &|s| s.calls = f64::INFINITY,
        &|s| s.distilled = Some(0.0),
        &|s| s.first.as_mut().unwrap().low = 0.7,
        &|s| s.first.as_mut().unwrap().high = f64::NAN,
    ];
    for change in unsound {
        refused(&|m| surrogate(m, change), "");
    }
    // A file from before two stages had limits of their own.
    let mut earlier = whole.clone();
    let of = earlier.refinement.as_mut().unwrap().surrogate.as_mut();
    let of = of.unwrap();
    (of.first, of.distilled) = (None, None);
    let bytes = earlier.to_bytes().unwrap();
    let read = Model::from_bytes(&bytes).unwrap();
    let read = read.surrogate().unwrap();
    assert_eq!(
        (read.first, read.distilled, read.limits().unwrap().high),
        (None, None, 1.0)
    );
    let mut options = Options::new();
    options.set_str("sampler.method", "distilled").unwrap();
    let earlier = Arc::new(Instance::new(earlier));
    let error = Sampler::new(earlier, 1, 0, &options).err().unwrap();
    assert!(error.to_string().contains("earlier version"), "{error}");
    for method in [Method::Surrogate, Method::Distilled] {
        refused(
            &|m| m.refinement.as_mut().unwrap().method = method,
            &format!("`{}`", method.name()),
        );
    }
    let unsound = Pilot {
        acceptance: 0.5,
        overweight: 0.0,
        log_largest: 0.0,
    };
    for pilot in [
        Pilot {
            acceptance: 0.0,
            ..unsound
        },
        Pilot {
            overweight: 1.0,
            ..unsound
        },
        Pilot {
            log_largest: f64::INFINITY,
            ..unsound
        },
    ] {
        refused(
            &|m| m.refinement.as_mut().unwrap().pilot = Some(pilot),
            "the refinement's pilot",
        );
    }
    refused(
        &|m| Arc::make_mut(&mut m.generator.parameters)[8] = f64::NAN,
        "element 2 of tensor `generator.0.blocks.0.subnet.1.weight` is NaN",
    );
    refused(
        &|m| Arc::make_mut(&mut m.classifier.as_mut().unwrap().parameters)[6] = 1e39,
        "element 0 of tensor `classifier.0.bias` is inf",
    );
    for members in [0, usize::MAX] {
        refused(
            &|m| m.classifier.as_mut().unwrap().members = members,
            "it needs at least one",
        );
    }
    refused(
        &|m| m.classifier.as_mut().unwrap().members = 2,
        "the network of `classifier.0.0.weight` has",
    );
    refused(
        &|m| {
            let refiner = &mut m.refinement.as_mut().unwrap().refiner;
            Arc::make_mut(&mut refiner.as_mut().unwrap().parameters).truncate(3)
        },
        "`refiner.0.weight` has 16 parameters, but 3 are given",
    );
    refused(
        &|m| Arc::make_mut(&mut m.generator.parameters).push(0.0),
        "but 34 are given",
    );
    refused(
        &|m| m.generator.scalings.truncate(1),
        "networks that make points of 2 dimensions where 1 are needed",
    );
    let nested = (0..200).fold(json!(0), |inner, _| json!([inner]));
    refused(
        &|m| {
            m.record.insert("deep".into(), nested.clone());
        },
        "nested deeper than 32",
    );
}

#[test]
fn what_is_wrong_with_a_file_is_named() {
    let good = model(Dtype::Float32, 0).to_bytes().unwrap();
    refused_with(b"", "it is empty");
    refused_with(b"laser", "less than the 8 bytes");
    refused_with(
        b"#include <stdio.h>",
        "does not begin like a safetensors file",
    );
    refused_with(&good[..100], "truncated");
    refused_with(&good[..good.len() - 1], "truncated");
    refused_with(&[&good[..], &[0]].concat(), "holds");

    let name = "refiner.0.bias";
    let remove = |h: &mut Value| {
        let tensors = h.as_object_mut().unwrap();
        let info = tensors.remove(name).unwrap();
        tensors.insert("refiner.0.bios".into(), info);
    };
    refused_with(
        &with_header(&good, remove),
        "tensor `refiner.0.bias` is missing",
    );
    let extra = json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]});
    refused_with(
        &with_header(&good, |h| h["malicious"] = extra),
        "tensor `malicious` belongs to no network",
    );
    refused_with(
        &with_header(&good, |h| h[name]["dtype"] = "F16".into()),
        "`refiner.0.bias` is F16",
    );
    refused_with(
        &with_header(&good, |h| h[name]["shape"] = json!([2, 1])),
        "shape [2, 1], but its description says F32 of shape [2]",
    );
    refused_with(
        &with_header(&good, |h| h["__metadata__"] = json!({})),
        "not written by liblaser",
    );
    refused_with(
        &with_header(&good, |h| h["__metadata__"]["laser"] = "{".into()),
        "its description: EOF",
    );
    let deep = r#"{"format_version":1,"x":"#.to_owned() + &"[".repeat(100_000);
    refused_with(
        &with_header(&good, |h| h["__metadata__"]["laser"] = deep.into()),
        "its description",
    );

    let swapped = with_header(&good, |h| {
        let (a, b) = (
            h["classifier.0.weight"]["data_offsets"].clone(),
            h["classifier.1.weight"]["data_offsets"].clone(),
        );
        h["classifier.0.weight"]["data_offsets"] = b;
        h["classifier.1.weight"]["data_offsets"] = a;
    });
    refused_with(&swapped, "`classifier.0.weight` lies at bytes");

    let (mut header, mut data) = open(&good);
    let at = header["generator.0.blocks.1.subnet.1.weight"]["data_offsets"][0]
        .as_u64()
        .unwrap() as usize;
    data[at + 20..at + 24].copy_from_slice(&f32::NEG_INFINITY.to_le_bytes());
    refused_with(
        &sealed(&close(&header.to_string(), &data)),
        "element 5 of tensor `generator.0.blocks.1.subnet.1.weight` is -inf",
    );
    header["__metadata__"]["laser"] = json!(7);
    refused_with(
        &close(&header.to_string(), &data),
        "invalid type: integer `7`, expected a string",
    );

    let newer = |d: &mut Value| {
        d["format_version"] = 2.into();
        d["library"] = "3.2.1".into();
        d["model"] = "anything".into();
    };
    refused_with(
        &with_description(&good, newer),
        "written by liblaser 3.2.1 in format version 2",
    );
    refused_with(
        &with_description(&good, |d| d["format_version"] = 0.into()),
        "no format version 0",
    );
    refused_with(
        &with_description(&good, |d| d["event_dim"] = 3.into()),
        "event_dim is 3, but the generator has 2",
    );
    refused_with(
        &with_description(&good, |d| d["model"]["speed"] = 3.into()),
        "unknown field `speed`",
    );
    refused_with(
        &with_description(&good, |d| d["model"]["dtype"] = "float64".into()),
        "is F32 of shape",
    );
    refused_with(
        &with_description(&good, |d| d["model"]["classifier"] = Value::Null),
        "a refiner without a classifier",
    );
    let wide =
        |d: &mut Value| d["model"]["classifier"]["network"]["hidden"] = json!([60_000, 60_000]);
    refused_with(
        &with_description(&good, wide),
        "more than 268435456 parameters",
    );
    let wider =
        |d: &mut Value| d["model"]["classifier"]["network"]["hidden"] = json!([16_000, 16_000]);
    refused_with(&with_description(&good, wider), "`classifier.0.weight` is F32 of shape [3, 2], but its description says F32 of shape [16000, 2]");
    let change = |of: &Model, path: &str, value: Value| {
        with_description(&of.to_bytes().unwrap(), |d| {
            *d["model"]["refinement"].pointer_mut(path).unwrap() = value;
        })
    };
    let [flow, matching] = learned(&model(Dtype::Float32, 0));
    let steps = "/refiner/map/network/steps";
    refused_with(&change(&matching, steps, 0.into()), "transport in 0 steps");
    refused_with(
        &change(&matching, steps, 1001.into()),
        "transport in 1001 steps",
    );
    refused_with(
        &change(&matching, "/refiner/map/network/network/inputs", 4.into()),
        "gives no velocities",
    );
    refused_with(
        &change(&matching, "/method", "flow".into()),
        "the method is `flow`, but there is no such refiner",
    );
    refused_with(
        &change(&flow, "/refiner", Value::Null),
        "the method is `flow`, but there is no such refiner",
    );
    refused_with(
        &change(&flow, "/refiner/map/network/conditions", 1.into()),
        "but 2 to 2 is needed",
    );
    // Short to write, long to list.
    let many = |d: &mut Value| {
        let flow = &mut d["model"]["generator"]["kind"]["maps"][0]["network"]["blocks"];
        flow[0]["subnet"]["hidden"] = json!(vec![1; 4096]);
        *flow = vec![flow[0].clone(); 400].into();
    };
    refused_with(&with_description(&good, many), "layers together");
}

#[test]
fn every_flipped_bit_of_the_tensor_data_is_found() {
    for dtype in [Dtype::Float32, Dtype::Float64] {
        let good = model(dtype, 1).to_bytes().unwrap();
        let data = good.len() - open(&good).1.len();
        let mut bytes = good.clone();
        let mut still_numbers = 0;
        for at in data..good.len() {
            for change in (0..8).map(|bit| 1 << bit).chain([0xff]) {
                bytes[at] ^= change;
                refused_with(
                    &bytes,
                    "it is damaged: the SHA-256 of its description and data is",
                );
                still_numbers += usize::from(Model::from_bytes(&sealed(&bytes)).is_ok());
                bytes[at] = good[at];
            }
        }
        // What nothing but the checksum finds: most flips.
        assert!(still_numbers > 8 * (good.len() - data));
        assert_eq!(sealed(&bytes), good);
    }
}

#[test]
fn a_file_without_a_right_checksum_is_refused() {
    let good = model(Dtype::Float32, 0).to_bytes().unwrap();
    let right = description(&open(&good).0)["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    let with = |sha256: Value| with_unsealed(&good, |d| d["sha256"] = sha256);
    assert!(Model::from_bytes(&with(right.clone().into())).is_ok());

    // Another value of the description is found as well, though it would do.
    let other = with_unsealed(&good, |d| d["library"] = "0.1.x".into());
    refused_with(&other, "it is damaged");
    assert!(Model::from_bytes(&sealed(&other)).is_ok());

    let without = |d: &mut Value| drop(d.as_object_mut().unwrap().remove("sha256"));
    refused_with(&with_unsealed(&good, without), "missing field `sha256`");
    refused_with(&with(Value::Null), "invalid type: null");
    let malformed = [
        "",
        &right[1..],
        &format!("{right}0"),
        &right.to_uppercase(),
        &right.replace(&right[..1], "g"),
        &"µ".repeat(32),
    ];
    for text in malformed {
        refused_with(&with(text.into()), "not 64 lowercase hexadecimal digits");
    }
    // The checksum of no data at all.
    let other = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    refused_with(
        &with(other.into()),
        &format!("data is {right}, but the description says {other}"),
    );
}

#[test]
fn chains_that_would_not_end_are_refused() {
    type Change = fn(&mut HmcSettings);
    let changes: [(Change, &str); 8] = [
        (|h| h.chains = 0, "hmc.chains"),
        (|h| h.step_size = f64::NAN, "hmc.step_size"),
        (|h| h.jitter = 1.0, "hmc.jitter"),
        (|h| h.scales = vec![1.0; 3], "hmc.scales"),
        (|h| h.scales = vec![1.0, 0.0], "hmc.scales"),
        (|h| h.thin = 0, "hmc.thin"),
        (|h| h.burn_in = u64::MAX, "hmc.burn_in"),
        (|h| h.burn_in = 1_000_000_000, "before the first event"),
    ];
    for (change, word) in changes {
        let mut model = model(Dtype::Float32, 1);
        let refinement = model.refinement.as_mut().unwrap();
        refinement.hmc.scales = vec![0.5, 2.0];
        refinement.validate(2).unwrap();
        change(&mut refinement.hmc);
        let error = model.validate().unwrap_err();
        assert!(matches!(error, Error::Format(_)), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    // Each within its own bounds; together more memory than there is.
    let mut wide = model(Dtype::Float32, 1);
    let refinement = wide.refinement.as_mut().unwrap();
    refinement.pool = 1000;
    refinement.hmc.chains = 1_000_000;
    refinement.hmc.burn_in = 0;
    refinement.hmc.leapfrog = 1;
    let error = wide.to_bytes().unwrap_err().to_string();
    assert!(error.contains("2000000000 numbers, beyond"), "{error}");
    let refinement = wide.refinement.as_mut().unwrap();
    refinement.pool = 16;
    for (tries, good) in [(1_000_000_000, true), (1_000_000_001, false)] {
        let refinement = wide.refinement.as_mut().unwrap();
        refinement.max_tries = tries;
        assert_eq!(wide.validate().is_ok(), good, "{tries}");
    }
    let mut model = model(Dtype::Float32, 1);
    for pool in [0, 1001] {
        model.refinement.as_mut().unwrap().pool = pool;
        let error = model.validate().unwrap_err();
        assert!(error.to_string().contains("pool"), "{error}");
    }
}
