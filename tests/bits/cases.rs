//! Hashes by name, and what cases are made of.

use laser::model::{Method, Model, Real};
use laser::options::{keys, Options};
use laser::protocol::{Instance, Outputs, Sampler, Uniforms};
use laser::{Result, Rows, RowsMut};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// SplitMix64: numbers of the tests' own.
pub struct Numbers(pub u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 * 0.5f64.powi(53)
    }

    /// About normal, by sums alone: no function of the host's has a part in it.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    pub fn normals(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.normal()).collect()
    }
}

impl Uniforms for Numbers {
    fn fill(&mut self, u: &mut [f64]) -> Result<()> {
        u.iter_mut().for_each(|u| *u = self.uniform());
        Ok(())
    }
}

/// The hashes made so far.
#[derive(Default)]
pub struct Hashes(BTreeMap<String, String>);

impl Hashes {
    pub fn finish(self) -> BTreeMap<String, String> {
        self.0
    }

    fn add(&mut self, name: String, bytes: impl Iterator<Item = u8>) {
        let digest = Sha256::digest(bytes.collect::<Vec<u8>>());
        let hash = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
        let before = self.0.insert(name.clone(), hash);
        assert!(before.is_none(), "two of the name `{name}`");
    }

    /// Of numbers, as little-endian doubles.
    pub fn numbers(&mut self, name: String, values: &[f64]) {
        assert!(!values.is_empty(), "{name}: nothing");
        assert!(values.iter().all(|v| !v.is_nan()), "{name}: no numbers");
        self.add(name, values.iter().flat_map(|v| v.to_le_bytes()));
    }

    /// Of a model file, but for what names the library's version, its options and the reach of the conditions, which no event depends on.
    pub fn file(&mut self, name: String, model: &Model) {
        let mut model = model.clone();
        // The others stay in their order.
        model.record.shift_remove("conditions");
        for key in ["library", "options"] {
            model.record.remove(key);
        }
        let bytes = model.to_bytes().unwrap();
        assert_eq!(Model::from_bytes(&bytes).unwrap(), model, "{name}");
        let (length, rest) = bytes.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        let (header, data) = rest.split_at(length);
        let mut header: Value = serde_json::from_slice(header).unwrap();
        let text = &mut header["__metadata__"]["laser"];
        let mut description: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        for key in ["library", "sha256"] {
            assert!(description[key].is_string());
            description[key] = Value::Null;
        }
        *text = description.to_string().into();
        let header = header.to_string().into_bytes();
        self.add(name, header.into_iter().chain(data.iter().copied()));
    }

    /// Of the events of a sampler, and of their log p where they have one: the same ones on two threads and in other portions.
    pub fn events(&mut self, name: &str, model: &Arc<Instance>, options: &Options) {
        const ROWS: usize = 150;
        let method = method(model, options);
        let density =
            model.generator.invertible() && !matches!(method, Method::Gan | Method::Matching);
        let mut sampler = Sampler::new(model.clone(), 3, 5, options).unwrap();
        let all = draw::<f64>(&mut sampler, ROWS, density);
        self.numbers(format!("{name}: events"), &all.events);
        if density {
            self.numbers(format!("{name}: log p"), &all.log_prob);
        }
        let mut two = options.clone();
        two.set_i64("sampler.threads", 2).unwrap();
        let mut sampler = Sampler::new(model.clone(), 3, 5, &two).unwrap();
        assert_eq!(
            all,
            draw::<f64>(&mut sampler, ROWS, density),
            "{name}: threads"
        );
        if model.generator.stochastic() {
            // An event again would be another one.
            return;
        }
        sampler.seek(ROWS as u64 - 7).unwrap();
        let last = draw::<f64>(&mut sampler, 7, density);
        assert!(all.events.ends_with(&last.events), "{name}: seek");
    }
}

/// What a sampler of the model uses.
fn method(model: &Instance, options: &Options) -> Method {
    let own = model.refinement.as_ref().map(|r| r.method);
    let method = options.get(keys::SAMPLER_METHOD).or(own);
    method.unwrap_or(Method::Baseline)
}

#[derive(Debug, PartialEq)]
pub struct Drawn {
    /// Event by event: x, z, w.
    pub events: Vec<f64>,
    pub log_prob: Vec<f64>,
}

/// Events of a sampler whose model has conditions or not: one condition then, which rises from event to event.
pub fn draw<T: Real>(sampler: &mut Sampler, rows: usize, density: bool) -> Drawn {
    let (m, n, c) = (
        sampler.event_dim(),
        sampler.latent_dim(),
        sampler.condition_dim(),
    );
    let zeros = |n: usize| vec![T::default(); n];
    let (mut x, mut z, mut w, mut log_prob) =
        (zeros(rows * m), zeros(rows * n), zeros(rows), zeros(rows));
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut x, m).unwrap()),
        z: Some(RowsMut::packed(&mut z, n).unwrap()),
        w: Some(RowsMut::column(&mut w)),
        log_prob: density.then(|| RowsMut::column(&mut log_prob)),
    };
    if c == 0 {
        sampler.generate(rows, outputs).unwrap();
    } else {
        let first = sampler.tell() as usize;
        let given = (0..rows * c).map(|i| T::from_f64((first * c + i) as f64 / 128.0 - 0.5));
        let given: Vec<T> = given.collect();
        sampler
            .generate_given(rows, Rows::packed(&given, c).unwrap(), outputs)
            .unwrap();
    }
    let rows = x.chunks(m).zip(z.chunks(n)).zip(&w);
    let events = rows.flat_map(|((x, z), w)| x.iter().chain(z).chain([w]));
    Drawn {
        events: events.map(|v| v.to_f64()).collect(),
        log_prob: log_prob.iter().map(|v| v.to_f64()).collect(),
    }
}

/// Small options, with others above them.
pub fn options(more: Value) -> Options {
    let mut all = serde_json::json!({
        "preset": "fast", "backend": "engine", "validation.events": 200, "weights.events": 1000,
        "pullback.events": 1000, "pullback.epochs": 1, "pullback.iterations": 2,
        "flow.blocks": 3, "flow.layers": 1, "flow.units": 9, "flow.bins": 4,
        "gan_generator.layers": 1, "gan_generator.units": 9,
        "vae.layers": 1, "vae.units": 9,
        "classifier.layers": 2, "classifier.units": 9,
        "gan.layers": 1, "gan.units": 9, "gan.pool": 1000,
        "refiner_flow.blocks": 2, "refiner_flow.layers": 1, "refiner_flow.units": 9, "refiner_flow.pool": 1000,
        "matching.layers": 1, "matching.units": 9, "matching.pool": 1000, "matching.group": 128,
        "hmc.chains": 20, "hmc.burn_in": 5, "hmc.pilot": 20, "hmc.thin": 1, "resampling.pool": 8
    });
    let options = all.as_object_mut().unwrap();
    for stage in [
        "flow",
        "gan_generator",
        "vae",
        "classifier",
        "gan",
        "refiner_flow",
        "matching",
    ] {
        for (key, value) in [("epochs", 2), ("steps", 6), ("batch", 100), ("warmup", 3)] {
            options.insert(format!("{stage}.{key}"), value.into());
        }
    }
    options.extend(more.as_object().unwrap().clone());
    Options::from_json(&all.to_string()).unwrap()
}
