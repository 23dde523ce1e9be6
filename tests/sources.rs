//! Sources that hold the same events make the same models, and cost the same memory however many there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::model::Model;
use laser::options::Options;
use laser::protocol::{self, EventSource, Instance, Source};
use laser::table::Table;
use laser::train::{Hooks, Level};
use laser::{Error, Result, Rows};
use std::env;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

fn options(more: &[(&str, i64)]) -> Options {
    let mut options = Options::from_json(
        r#"{"preset": "fast", "weights.events": 2000, "validation.events": 500,
            "flow": {"blocks": 2, "layers": 1, "units": 8, "epochs": 2, "steps": 10, "batch": 100},
            "classifier": {"layers": 1, "units": 8, "epochs": 2, "steps": 10, "batch": 100}}"#,
    )
    .unwrap();
    for (key, value) in more {
        options.set_i64(key, *value).unwrap();
    }
    options
}

/// Values that single precision has.
fn event(row: usize) -> [f64; 2] {
    let t = row as f64;
    let x = (1.3 * t).sin() + 0.1 * (7.7 * t).cos();
    [x, x * x + 0.3 * (2.9 * t).cos()].map(|x| f64::from(x as f32))
}

fn weight(row: usize) -> f64 {
    1.0 + (row % 4) as f64 / 4.0
}

/// Bytes of a `.npy` file, whose last column is the weight.
fn npy(rows: usize, single: bool, fortran: bool) -> Vec<u8> {
    let (kind, order) = (
        if single { "<f4" } else { "<f8" },
        if fortran { "True" } else { "False" },
    );
    let header =
        format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': ({rows}, 3), }}\n");
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    let value = |row: usize, column: usize| match column {
        2 => weight(row),
        column => event(row)[column],
    };
    let places: Vec<(usize, usize)> = match fortran {
        false => (0..rows)
            .flat_map(|r| (0..3).map(move |c| (r, c)))
            .collect(),
        true => (0..3)
            .flat_map(|c| (0..rows).map(move |r| (r, c)))
            .collect(),
    };
    for (row, column) in places {
        match single {
            true => bytes.extend((value(row, column) as f32).to_le_bytes()),
            false => bytes.extend(value(row, column).to_le_bytes()),
        }
    }
    bytes
}

fn made(source: &mut Source, options: &Options) -> Vec<u8> {
    let generator = protocol::train_generator(source, options, &()).unwrap();
    let model = protocol::refine(&Instance::new(generator), source, options, &()).unwrap();
    model.to_bytes().unwrap()
}

#[test]
fn an_array_and_every_kind_of_file_make_the_same_model() {
    let rows = 3000;
    let x: Vec<f64> = (0..rows).flat_map(event).collect();
    let w: Vec<f64> = (0..rows).map(weight).collect();
    let mut options = options(&[]);
    // What a model was made by is in its file.
    options.set_str("source.weight", "2").unwrap();
    let mut array = Source::from_rows(Rows::packed(&x, 2).unwrap(), Some(&w)).unwrap();
    let expected = made(&mut array, &options);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    for (single, fortran) in [(false, false), (false, true), (true, false), (true, true)] {
        std::fs::write(&path, npy(rows, single, fortran)).unwrap();
        let mut file = Source::from_file(&path, &options).unwrap();
        assert!(
            made(&mut file, &options) == expected,
            "single {single}, Fortran {fortran}"
        );
    }
}

/// Every kind of large file: the same order, the same bits.
#[test]
fn large_files_of_the_same_events_make_the_same_model() {
    let rows = 60_000;
    let mut options = options(&[("source.memory", 1)]);
    options.set_str("source.weight", "2").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let mut models = Vec::new();
    for (single, fortran) in [(false, false), (true, true)] {
        std::fs::write(&path, npy(rows, single, fortran)).unwrap();
        let mut file = Source::from_file(&path, &options).unwrap();
        assert!(file.sample().is_err());
        models.push(made(&mut file, &options));
    }
    assert!(models[0] == models[1]);
    // Without any event in it, the support is not looked for for ever.
    let mut file = Source::from_file(&path, &options).unwrap();
    let generator = laser::protocol::train_generator(&mut file, &options, &()).unwrap();
    let generator = laser::protocol::Instance::new(generator);
    options.set_str("support", "x0 > 1e9").unwrap();
    options.set_f64("target.outside", 0.99).unwrap();
    let mut file = Source::from_file(&path, &options).unwrap();
    let error = laser::protocol::refine(&generator, &mut file, &options, &()).unwrap_err();
    assert!(error.to_string().contains("within the support"), "{error}");
}

/// Events as they come in an order of their own, without end.
struct Listed(Vec<[f64; 2]>, usize);

impl EventSource for Listed {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        false
    }

    fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
        for x in x.chunks_exact_mut(2) {
            x.copy_from_slice(&self.0[self.1 % self.0.len()]);
            self.1 += 1;
        }
        Ok(w.len())
    }
}

/// Fails so many times in a row now and then.
struct Failing(Listed, usize, usize);

impl EventSource for Failing {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        false
    }

    fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
        self.2 += 1;
        if self.2 % 7 < self.1 {
            return Err(Error::Host("no events now".into()));
        }
        self.0.fill(x, w)
    }
}

/// Keeps what is told of the callback.
#[derive(Default)]
struct Told(std::cell::RefCell<Vec<String>>);

impl Hooks for Told {
    fn log(&self, _: Level, message: &str) -> Result<()> {
        if message.contains("callback") {
            self.0.borrow_mut().push(message.into());
        }
        Ok(())
    }
}

#[test]
fn failures_that_are_borne_change_no_bit() {
    let listed = || Listed((0..4000).map(event).collect(), 0);
    let options = options(&[("source.failures", 3)]);
    let mut plain = Source::from_events(Box::new(listed())).unwrap();
    let expected = made(&mut plain, &options);
    let mut failing = Source::from_events(Box::new(Failing(listed(), 3, 0))).unwrap();
    assert!(made(&mut failing, &options) == expected);
    // It is told at the end of the call, once.
    let told = Told::default();
    let mut failing = Source::from_events(Box::new(Failing(listed(), 3, 0))).unwrap();
    protocol::train_generator(&mut failing, &options, &told).unwrap();
    protocol::train_generator(&mut plain, &options, &told).unwrap();
    let told = told.0.into_inner();
    assert_eq!(told.len(), 1, "{told:?}");
    for words in [
        "failed ",
        " times",
        "`source.failures`",
        "the last time: no events now",
    ] {
        assert!(told[0].contains(words), "{told:?}");
    }
    // One more than is borne ends the call; the source stays usable.
    let mut failing = Source::from_events(Box::new(Failing(listed(), 4, 3))).unwrap();
    let error = loop {
        match protocol::train_generator(&mut failing, &options, &()) {
            Err(error) => break error,
            Ok(_) => continue,
        }
    };
    assert!(
        matches!(&error, Error::Host(e) if e.to_string() == "no events now"),
        "{error}"
    );
}

/// The names of a file's fields are those of the model.
#[test]
fn fields_name_the_features() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.npy");
    let header = "{'descr': [('pt', '<f8'), ('w', '<f4'), ('eta', '<f8')], 'fortran_order': False, 'shape': (3000,), }\n";
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    for row in 0..3000 {
        let [pt, eta] = event(row);
        bytes.extend(pt.to_le_bytes());
        bytes.extend((weight(row) as f32).to_le_bytes());
        bytes.extend(eta.to_le_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    let mut options = options(&[]);
    options.set_str("source.weight", "w").unwrap();
    options
        .set_str("features.scaling", "eta = standardise")
        .unwrap();
    let mut source = Source::from_file(&path, &options).unwrap();
    assert_eq!(source.names(), ["pt", "eta"]);
    let model = Model::from_bytes(&made(&mut source, &options)).unwrap();
    assert_eq!(model.names, ["pt", "eta"]);
    // Other names are refused.
    options.set_str("source.weight", "pt").unwrap();
    options.set_str("features.scaling", "auto").unwrap();
    let mut other = Source::from_file(&path, &options).unwrap();
    let error = protocol::refine(&Instance::new(model), &mut other, &options, &());
    let error = error.map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains("the target's columns are called w, eta, but"),
        "{error}"
    );
}

/// Fields of whole numbers, and of true and false, as a trigger's.
#[test]
fn fields_of_every_kind_of_number_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.npy");
    let header = "{'descr': [('hit', '|b1'), ('n', '<i2'), ('code', '>u4')], 'fortran_order': False, 'shape': (4,), }\n";
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    for row in 0..4_u8 {
        bytes.push(row % 2);
        bytes.extend((-i16::from(row)).to_le_bytes());
        bytes.extend((u32::MAX - u32::from(row)).to_be_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    let table = Table::open(&path).unwrap();
    let mut read = [0.0; 12];
    table.read(0..4, &mut read).unwrap();
    let rows: Vec<f64> = (0..4_u8)
        .flat_map(|i| {
            [
                f64::from(i % 2),
                -f64::from(i),
                f64::from(u32::MAX) - f64::from(i),
            ]
        })
        .collect();
    assert_eq!(read[..], rows);
}

const CHILD: &str = "LASER_SOURCE_OF";

/// Writes so many events, (x, y) in single precision.
fn write(path: &Path, rows: usize) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 2), }}\n");
    file.write_all(b"\x93NUMPY\x01\0").unwrap();
    file.write_all(&(header.len() as u16).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    let mut state = 1u32;
    for _ in 0..2 * rows {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        file.write_all(&((state >> 8) as f32 / (1 << 24) as f32).to_le_bytes())
            .unwrap();
    }
    file.flush().unwrap();
}

/// Trains on a file, or on so many events of a stream, in a process of its own; its largest resident memory in kB.
fn memory(what: &str) -> f64 {
    let child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "memory_does_not_grow_with_the_events",
            "--nocapture",
        ])
        .env(CHILD, what)
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );
    let said = String::from_utf8(child.stdout).unwrap();
    let peak = said.split("peak: ").nth(1).unwrap();
    peak.split_whitespace().next().unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_events() {
    let quick = |steps: i64| {
        let mut options = options(&[
            ("source.memory", 1),
            ("flow.batch", 2000),
            ("flow.steps", steps),
        ]);
        options.set_i64("flow.epochs", 1).unwrap();
        options.set_i64("source.shuffle", 10_000).unwrap();
        options
    };
    if let Ok(what) = env::var(CHILD) {
        match what.parse::<i64>() {
            Ok(events) => {
                let listed = Listed((0..4000).map(event).collect(), 0);
                let mut stream = Source::from_events(Box::new(listed)).unwrap();
                protocol::train_generator(&mut stream, &quick(events / 2000), &()).unwrap();
            }
            Err(_) => {
                let options = quick(50);
                let mut file = Source::from_file(Path::new(&what), &options).unwrap();
                protocol::train_generator(&mut file, &options, &()).unwrap();
            }
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        println!("peak: {}", peak.trim_start_matches("VmHWM:").trim());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let of_file = [100_000, 10_000_000].map(|rows| {
        let path = folder.path().join("events.npy");
        write(&path, rows);
        memory(path.to_str().unwrap())
    });
    let of_stream = ["100000", "10000000"].map(memory);
    for (what, [few, many]) in [("file", of_file), ("stream", of_stream)] {
        println!("{what}: {few} kB with 10⁵ events, {many} kB with 10⁷");
        assert!(many < 1.2 * few, "{what}: {few} kB, {many} kB");
    }
}
