//! What the fuzz targets do with their bytes: the one thing that fails is a panic, or what is asserted here.

use crate::config::Config;
use crate::events::Events;
use crate::particle::declaration::Declaration;
use crate::particle::features::Features;
use crate::particle::files::{Format, Reader, Rewriter, Writer};
use crate::particle::lines::Lines;
use crate::particle::maker::Maker;
use laser::formula::Formula;
use laser::model::{Method, Model};
use laser::options::Options;
use laser::protocol::{Instance, Outputs, Reweighter, Sampler, Weights};
use laser::train::Hooks;
use laser::{Error, Result, Rows, RowsMut};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

/// A model file: as it is, and with header length and checksum made right.
pub fn model(data: &[u8]) {
    let sealed = sealed(data);
    let other = (sealed != data).then_some(&sealed[..]);
    for bytes in [Some(data), other].into_iter().flatten() {
        let Ok(model) = Model::from_bytes(bytes) else {
            continue;
        };
        let written = model.to_bytes().expect("what was read can be written");
        let again = Model::from_bytes(&written).expect("what was written can be read");
        assert_eq!(again.to_bytes().ok(), Some(written));
        match Reweighter::new(model.clone()) {
            Ok(reweighter) => weigh(&reweighter),
            Err(_) => sample(model, data.len()),
        }
    }
}

/// The bytes with the length of the header, where that is JSON, and with the checksum of what they hold.
pub fn sealed(data: &[u8]) -> Vec<u8> {
    let mut sealed = data.to_vec();
    let Some(text) = data.get(8..) else {
        return sealed;
    };
    let mut json = serde_json::Deserializer::from_slice(text).into_iter::<serde_json::Value>();
    let Some(Ok(header)) = json.next() else {
        return sealed;
    };
    let (text, rest) = text.split_at(json.byte_offset());
    let description = header["__metadata__"]["laser"].as_str();
    let Some(description) = description else {
        return sealed;
    };
    let Some(at) = description.find("\"sha256\":\"") else {
        return sealed;
    };
    let Some(stated) = description.get(at + 10..at + 74) else {
        return sealed;
    };
    let mut hash = Sha256::new();
    hash.update(description.replacen(stated, &"0".repeat(64), 1));
    hash.update(rest);
    let sum = format!("{:x}", hash.finalize());
    let text = String::from_utf8_lossy(text).replacen(stated, &sum, 1);
    sealed.clear();
    sealed.extend((text.len() as u64).to_le_bytes());
    sealed.extend(text.bytes());
    sealed.extend(rest);
    sealed
}

/// Stops after so many steps.
struct Few(AtomicU32);

impl Hooks for Few {
    fn check(&self, stage: &'static str) -> Result<()> {
        match self.0.fetch_sub(1, Ordering::Relaxed) {
            1 => Err(Error::Cancelled(stage)),
            _ => Ok(()),
        }
    }
}

/// Weights of some events: finite, or an error.
fn weigh(reweighter: &Reweighter) {
    let dim = reweighter.generator.dims().event_row();
    if dim > 64 || reweighter.to_bytes().map_or(0, |bytes| bytes.len()) > 1 << 16 {
        return;
    }
    let x: Vec<f64> = (0..4 * dim).map(|i| 0.7 * i as f64 - dim as f64).collect();
    let Ok(rows) = Rows::packed(&x, dim) else {
        return;
    };
    let (mut w, mut spread) = ([0.0; 4], [0.0; 4]);
    let out = Weights {
        w: Some(RowsMut::column(&mut w)),
        log_w: None,
        spread: Some(RowsMut::column(&mut spread)),
    };
    if reweighter.weights(&Options::new(), rows, out).is_ok() {
        assert!(w.iter().all(|w: &f64| w.is_finite()), "{w:?}");
    }
}

/// Some events by one of the methods: finite, or an error.
fn sample(model: Model, number: usize) {
    let (dim, latent) = (model.generator.event_dim(), model.generator.latent_dim());
    let large = |r: &laser::model::Refinement| r.hmc.chains * latent * r.pool > 1 << 16;
    let steps = model.to_bytes().map_or(0, |bytes| bytes.len());
    // Slow, and nothing else.
    if dim > 64 || latent > 64 || steps > 1 << 16 || model.refinement.as_ref().is_some_and(large) {
        return;
    }
    if model.generator.condition_dim() > 0 {
        return;
    }
    let instance = Arc::new(Instance::new(model));
    for method in [Method::ALL[number % Method::ALL.len()]] {
        let mut options = Options::new();
        let set = options.set_str("sampler.method", method.name());
        set.expect("every method has a name");
        let Ok(mut sampler) = Sampler::new(instance.clone(), 1, 2, &options) else {
            continue;
        };
        sampler.set_hooks(Some(Arc::new(Few(AtomicU32::new(20)))));
        let (mut x, mut z, mut w) = (vec![0.0; 4 * dim], vec![0.0; 4 * latent], [0.0; 4]);
        let outputs = Outputs {
            x: RowsMut::packed(&mut x, dim).ok(),
            z: RowsMut::packed(&mut z, latent).ok(),
            w: Some(RowsMut::column(&mut w)),
            log_prob: None,
        };
        if sampler.generate(4, outputs).is_ok() {
            let mut values = x.iter().chain(&z).chain(&w);
            assert!(values.all(|v: &f64| v.is_finite()), "{method:?}: {x:?}");
        }
    }
}

/// Options as JSON.
pub fn options(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Ok(options) = Options::from_json(text) {
        let json = options.to_json();
        let again = Options::from_json(&json).expect("what was printed can be read");
        assert_eq!(again.to_json(), json);
    }
}

/// An array of NumPy.
pub fn npy(data: &[u8]) {
    events("npy", data);
}

/// Numbers with commas between.
pub fn csv(data: &[u8]) {
    events("csv", data);
}

/// Columns of Apache.
pub fn parquet(data: &[u8]) {
    events("parquet", data);
}

fn events(kind: &str, data: &[u8]) {
    let path = scratch(kind);
    std::fs::write(&path, data).expect("a file for the events");
    if let Ok(mut events) = Events::read(&path) {
        let (rows, columns) = (events.rows, events.columns);
        assert!(rows > 0 && columns > 0 && events.values.len() == rows * columns);
        let _ = (events.name(columns), events.require_finite(|_| true));
        let last = events.values[events.values.len() - 1];
        if let Ok(weights) = events
            .weights_column(None)
            .and_then(|c| events.split_weights(c))
        {
            assert_eq!(weights.len(), rows);
            assert_eq!(weights[rows - 1].to_bits(), last.to_bits());
        }
    }
}

/// A file of this process.
fn scratch(kind: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => memory.into(),
        false => std::env::temp_dir(),
    };
    folder.join(format!("laser-fuzz-{}.{kind}", std::process::id()))
}

/// A configuration of `laser refine`.
pub fn config(data: &[u8]) {
    let path = Path::new("/no/such/configuration");
    if let Ok(config) = Config::parse(path, data) {
        let _ = config.options(path);
    }
}

/// The particles of `laser sample --particles` or, in short, `--hepmc-columns`, and events of them, which are read again.
pub fn hepmc(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let columns = ["x0", "x1", "x2", "c0"].map(String::from);
    let declaration = match text.trim_start().starts_with('{') {
        true => Declaration::from_json(text),
        false => text.parse(),
    };
    let Ok(declaration) = declaration else {
        return;
    };
    for format in [Format::Lhe, Format::Hepmc] {
        let Ok(maker) = Maker::new(&declaration, &columns, &[]) else {
            return;
        };
        let mut out = Vec::new();
        let attributes = [("a", "b\nc</header>".into())];
        let given = (&declaration, "--particles");
        let Ok(mut writer) = Writer::new(&mut out, format, given, maker, &attributes, 7) else {
            continue;
        };
        let mut good = 0;
        for row in [
            [0.5, -1.0, 2.0, 3.0],
            [1e200, 1.0, -1e-300, 1e160],
            [0.0; 4],
        ] {
            good += usize::from(writer.write(&row, 1.0, Some(-2.0)).is_ok());
        }
        writer.finish().expect("memory takes it");
        assert_eq!(read_particles(format, &out), Some(good), "{format:?}");
    }
}

/// A file of events of particles.
pub fn particles(data: &[u8]) {
    for format in [Format::Lhe, Format::Hepmc] {
        let Some(events) = read_particles(format, data) else {
            continue;
        };
        let path = Path::new("a");
        let mut reader = Reader::of(path, format, Lines::of(data)).expect("as before");
        let rewriter = Rewriter::new(path, format, Some("fuzzed")).expect("a name");
        let mut more = reader.read().expect("as before");
        let Ok(mut out) = rewriter.begin(&reader) else {
            continue;
        };
        while more {
            out += &rewriter.event(&reader.event, 0.5);
            more = reader.read().expect("as before");
        }
        out += &reader.event.text;
        assert_eq!(read_particles(format, out.as_bytes()), Some(events));
    }
}

/// How many events there are, if all can be read.
fn read_particles(format: Format, data: &[u8]) -> Option<usize> {
    let features: Features = "pt(13)?0, n(*), cos_cs(13, 22+*#2)?1"
        .parse()
        .expect("features");
    let mut reader = Reader::of(Path::new("a"), format, Lines::of(data)).ok()?;
    let mut events = 0;
    while reader.read().ok()? {
        let mut row = Vec::new();
        if reader.features(&features, &mut row).is_ok() {
            assert!(row.len() == 3 && row.iter().all(|v| v.is_finite()));
        }
        events += 1;
    }
    Some(events)
}

/// A formula in the features of events.
pub fn formula(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let names = ["px", "m_ll [GeV]", "x"].map(String::from);
    let Ok(formula) = Formula::parse(text, 3, &names) else {
        return;
    };
    let events = [0.5, -1.0, 2.0, 0.0, f64::MAX, -0.0];
    let rows = Rows::packed(&events, 3).expect("two events of three values");
    let mut out = [7.0; 2];
    let done = formula.evaluate(rows, &mut out);
    done.expect("what was parsed for three columns takes them");
}
