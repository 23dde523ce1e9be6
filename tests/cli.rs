//! The program `laser`: what it writes and prints against the Rust API, and what it says to mistakes.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

#[path = "cli/names.rs"]
mod names;
#[path = "cli/parquet.rs"]
mod parquet_files;

use laser::metrics::{emd_1d, floor, jsd, kolmogorov_smirnov, sliced_emd, Histogram2d, Sample};
use laser::model::Model;
use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::{
    host_generator, refine, resample, train_generator, train_reweighter, two_sample_auc, unfold,
    Instance, Outputs, Reweighter, Sampler, Source, Weights,
};
use laser::table::Table;
use laser::{Rows, RowsMut};
use npyz::{NpyFile, Order, WriterBuilder};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::ptr::null_mut;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Small networks, trained in a moment.
const OPTIONS: &str = r#"{
    "preset": "fast",
    "flow": {"blocks": 2, "layers": 1, "units": 16, "epochs": 2, "batch": 100},
    "classifier": {"layers": 1, "units": 16, "epochs": 2, "batch": 100},
    "weights.events": 5000
}"#;

const ROWS: usize = 3000;

/// Rows of `dim` features, the first of two clumps.
fn events(dim: usize, seed: u64) -> Vec<f64> {
    let mut x = vec![0.0; ROWS * dim];
    Noise::new(seed, 0, domain::LATENT).fill_normals(0, ROWS, dim, &mut x);
    let clump = |row: usize| if row.is_multiple_of(2) { 3.0 } else { -3.0 };
    x.iter_mut()
        .step_by(dim)
        .enumerate()
        .for_each(|(row, x)| *x += clump(row));
    x
}

/// Folders with a refined model, a conditional one and the truth; every test has its own, so that none sees the files of another.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        static MODELS: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
        let models = MODELS
            .get_or_init(|| ["0", "1"].map(|conditions| train(conditions).to_bytes().unwrap()));
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, bytes) in ["model.laser", "given.laser"].iter().zip(models) {
            fs::write(folder.at(name), bytes).unwrap();
        }
        folder.npy("truth.npy", &events(2, 1), 2, Order::C);
        folder
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes rows of `dim` numbers.
    fn npy(&self, name: &str, x: &[f64], dim: usize, order: Order) {
        let rows = x.len() / dim;
        let mut file = fs::File::create(self.at(name)).unwrap();
        let npy = npyz::WriteOptions::new().default_dtype().order(order);
        let npy = npy.shape(&[rows as u64, dim as u64]).writer(&mut file);
        let mut npy = npy.begin_nd().unwrap();
        match order {
            Order::C => npy.extend(x.iter().copied()).unwrap(),
            Order::Fortran => {
                (0..dim).for_each(|c| npy.extend(x.iter().skip(c).step_by(dim).copied()).unwrap())
            }
        }
        npy.finish().unwrap();
    }

    /// Writes an array with named fields.
    fn structured(&self, name: &str, fields: &str, shape: &str, data: &[u8]) {
        let header =
            format!("{{'descr': [{fields}], 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.bytes());
        file.extend(data);
        fs::write(self.at(name), file).unwrap();
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    fn model(&self, name: &str) -> Arc<Instance> {
        Arc::new(Instance::new(Model::load(&self.at(name)).unwrap()))
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_laser"));
        command.current_dir(self.0.path()).stdin(Stdio::null());
        // As a shell starts it: under nohup it would be deaf to a terminal that goes away.
        // SAFETY: signal is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_DFL);
                Ok(())
            });
        }
        // Blanks part words; one within a word is written ~.
        command.args(
            arguments
                .split_whitespace()
                .map(|word| word.replace('~', " ")),
        );
        command
    }

    fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; returns what it printed.
    fn good(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with this message in one line, and write nothing. Returns all that it said.
    fn bad(&self, arguments: &str, message: &str) -> String {
        let before = self.files();
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        let last = errors.lines().last().unwrap_or_default();
        assert_eq!(output.status.code(), Some(1), "{arguments}: {errors}");
        assert!(
            last.starts_with("laser: error: ") && last.contains(message),
            "{arguments}: {errors}"
        );
        assert_eq!(self.files(), before, "{arguments}");
        errors
    }

    /// A mistake in the arguments themselves.
    fn usage(&self, arguments: &str, message: &str) {
        let before = self.files();
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {errors}");
        assert!(errors.contains(message), "{arguments}: {errors}");
        assert_eq!(self.files(), before, "{arguments}");
    }

    /// Either.
    fn bad_or_usage(&self, arguments: &str, message: &str) {
        let before = self.files();
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(
            [Some(1), Some(2)].contains(&output.status.code()),
            "{arguments}: {errors}"
        );
        assert!(errors.contains(message), "{arguments}: {errors}");
        assert_eq!(self.files(), before, "{arguments}");
    }

    fn files(&self) -> BTreeSet<PathBuf> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Shape and rows of a file.
    fn read(&self, name: &str) -> (Vec<u64>, Vec<f64>) {
        let npy = NpyFile::new(fs::File::open(self.at(name)).unwrap()).unwrap();
        (npy.shape().to_vec(), npy.into_vec().unwrap())
    }

    /// Names of the fields of a file, and its rows.
    fn records(&self, name: &str) -> (Vec<String>, Vec<f64>) {
        let table = Table::open(&self.at(name)).unwrap();
        let layout = table.layout();
        let mut rows = vec![0.0; layout.rows() * layout.columns()];
        table.read(0..layout.rows(), &mut rows).unwrap();
        (layout.names().to_vec(), rows)
    }

    fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.good(arguments)).unwrap()
    }
}

fn options(conditions: &str) -> Options {
    let mut options = Options::from_json(OPTIONS).unwrap();
    options
        .set_i64("conditions", conditions.parse().unwrap())
        .unwrap();
    options.set_str("refiner.method", "rejection").unwrap();
    options
}

fn train(conditions: &str) -> Model {
    let options = options(conditions);
    let dim = 2 + options.get_i64("conditions").unwrap() as usize;
    let x = events(dim, 1);
    let mut target = Source::from_rows(Rows::packed(&x, dim).unwrap(), None).unwrap();
    let generator = Instance::new(train_generator(&mut target, &options, &()).unwrap());
    (*refine(&generator, &mut target, &options, &()).unwrap()).clone()
}

/// Events of the library: rows of x, z, log_p, w.
fn sampled(model: Arc<Instance>, method: &str, place: [u64; 3], rows: usize) -> Vec<f64> {
    let mut options = Options::new();
    options.set_str("sampler.method", method).unwrap();
    let [seed, stream, first] = place;
    let mut sampler = Sampler::new(model, seed, stream, &options).unwrap();
    sampler.seek(first).unwrap();
    let (mut x, mut z) = (vec![0.0; rows * 2], vec![0.0; rows * 2]);
    let (mut w, mut log_p) = (vec![0.0; rows], vec![0.0; rows]);
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut x, 2).unwrap()),
        z: Some(RowsMut::packed(&mut z, 2).unwrap()),
        w: Some(RowsMut::column(&mut w)),
        log_prob: Some(RowsMut::column(&mut log_p)),
    };
    sampler.generate(rows, outputs).unwrap();
    let row = |i: usize| {
        [
            x[2 * i],
            x[2 * i + 1],
            z[2 * i],
            z[2 * i + 1],
            log_p[i],
            w[i],
        ]
    };
    (0..rows).flat_map(row).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// What a command that must succeed says beside what it prints.
fn said(folder: &Folder, arguments: &str) -> String {
    let output = folder.run(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments}: {errors}");
    errors
}

// --- laser info ---

#[test]
fn info_tells_what_the_file_holds() {
    let folder = Folder::new();
    let json = folder.json("info model.laser --json");
    let bytes = fs::read(folder.at("model.laser")).unwrap();
    let sha256: String = Sha256::digest(&bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(json["sha256"], sha256);
    assert_eq!(json["bytes"], bytes.len());
    assert_eq!(
        (
            &json["event_dim"],
            &json["latent_dim"],
            &json["condition_dim"]
        ),
        (&2.into(), &2.into(), &0.into())
    );
    assert_eq!(json["method"], "rejection");
    let model = folder.model("model.laser");
    assert_eq!(json["model"], serde_json::to_value(&**model).unwrap());

    let text = folder.good("info model.laser");
    for part in [
        &sha256[..],
        "2 features from 2 latents",
        "flow of 2 affine couplings, subnets 1 x 16",
        "rejection",
        "classifier",
        "mean",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let acceptance = model.record["weights"]["acceptance"].as_f64().unwrap();
    assert!(
        text.contains(&format!("{:.1} %", 100.0 * acceptance)),
        "{acceptance}: {text}"
    );
    assert!(folder
        .good("info given.laser")
        .contains("given 1 conditions"));
}

#[test]
fn info_praises_nothing_beside_a_bad_calibration() {
    let folder = Folder::new();
    let mut model = (**folder.model("model.laser")).clone();
    let mut info = |chi_square: f64| {
        let weights = &mut model.record["weights"];
        weights["mean"] = 1.001.into();
        weights["effective_fraction"] = 0.95.into();
        weights["calibration"]["auc"] = 0.505.into();
        weights["calibration"]["chi_square"] = chi_square.into();
        model.save(&folder.at("judged.laser")).unwrap();
        folder.good("info judged.laser")
    };
    let praise = [
        "as it should be",
        "little to repair",
        "a good generator",
        "near 1:",
    ];
    let (good, bad) = (info(3.0), info(3.1));
    for words in praise {
        assert!(
            good.contains(words) && !bad.contains(words),
            "{words}: {bad}"
        );
    }
    assert!(bad.contains("far above 1"), "{bad}");
}

#[test]
fn info_says_what_is_no_model() {
    let folder = Folder::new();
    folder.bad("info nothing.laser", "nothing.laser: No such file");
    folder.bad(
        "info truth.npy",
        "not a valid liblaser file: truth.npy: it is an array of NumPy",
    );
    folder.write("train.json", "{\"events\": \"truth.npy\"}");
    folder.bad("info train.json", "train.json: it is JSON text");
    folder.bad("info .", "a directory");
}

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let folder = Folder::new();
    for arguments in [
        "info model.laser",
        "info model.laser --json",
        "score truth.npy truth.npy",
        "--help",
        "sample --help",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = folder
            .command(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments}");
    }
}

#[test]
fn help_has_examples_and_usage_errors_have_their_status() {
    let folder = Folder::new();
    for command in [
        "info",
        "sample",
        "score",
        "refine",
        "reweight train",
        "reweight apply",
        "resample",
    ] {
        let help = folder.good(&format!("{command} --help"));
        assert!(
            help.contains(&format!("Example:\n  laser {command} ")),
            "{help}"
        );
    }
    assert_eq!(
        folder.good("--version"),
        format!("laser {}\n", env!("CARGO_PKG_VERSION"))
    );
    folder.usage("", "Usage: laser");
    folder.usage("inform", "unrecognized subcommand");
}

// --- laser sample ---

#[test]
fn sampled_files_hold_the_librarys_bits() {
    let folder = Folder::new();
    let model = folder.model("model.laser");
    for method in ["rejection", "reweight", "baseline"] {
        folder.good(&format!(
            "sample model.laser -n 1_000 --seed 5 --stream 7 --first 1e2 --method {method} --weights --logp --latent -o all.npy"
        ));
        let expected = sampled(model.clone(), method, [5, 7, 100], 1000);
        let (shape, values) = folder.read("all.npy");
        assert_eq!(shape, [1000, 6]);
        assert_eq!(bits(&values), bits(&expected), "{method}");
    }
    // The model's own method, features alone, on other threads, in more than one block.
    let rows = 300_000;
    folder.good(&format!(
        "sample model.laser -n {rows} --threads 2 -o x.npy"
    ));
    let (shape, values) = folder.read("x.npy");
    assert_eq!(shape, [rows as u64, 2]);
    let expected = sampled(model, "rejection", [1, 0, 0], rows);
    let expected: Vec<f64> = expected
        .chunks(6)
        .flat_map(|row| [row[0], row[1]])
        .collect();
    assert!(bits(&values) == bits(&expected));
}

/// The tasks of packaging/slurm/events.sbatch, without Slurm.
#[test]
fn an_array_job_makes_the_events_of_one_job() {
    let folder = Folder::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/slurm/events.sbatch");
    let program = Path::new(env!("CARGO_BIN_EXE_laser")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let task = |number: usize, tasks: usize| {
        let mut command = Command::new("bash");
        command.arg(script).current_dir(folder.0.path());
        command.env("PATH", format!("{}:{path}", program.display()));
        command.env("SLURM_ARRAY_TASK_ID", number.to_string());
        command.env("TASKS", tasks.to_string());
        command.env("OUT", format!("in_{tasks}"));
        for (name, value) in [
            ("MODEL", "model.laser"),
            ("EVENTS", "10007"),
            ("SEED", "5"),
            ("STREAM", "3"),
        ] {
            command.env(name, value);
        }
        command.output().unwrap()
    };
    folder.good("sample model.laser -n 10007 --seed 5 --stream 3 -o whole.npy");
    let (_, whole) = folder.read("whole.npy");
    for tasks in [1, 3, 16] {
        let mut parts = Vec::new();
        // In any order.
        for number in (0..tasks).rev() {
            let output = task(number, tasks);
            assert!(output.status.success(), "{output:?}");
        }
        for number in 0..tasks {
            parts.extend(folder.read(&format!("in_{tasks}/part-{number:05}.npy")).1);
        }
        assert!(bits(&parts) == bits(&whole), "{tasks} tasks");
    }
    // What is there already is left as it is.
    folder.write("in_3/part-00001.npy", "there");
    assert!(task(1, 3).status.success());
    assert_eq!(
        fs::read(folder.at("in_3/part-00001.npy")).unwrap(),
        b"there"
    );
    let output = task(3, 3);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("task 3 of 3"), "{errors}");
}

#[test]
fn text_files_hold_the_same_numbers() {
    let folder = Folder::new();
    folder.good("sample model.laser -n 200 --weights --logp --latent --method reweight -o all.csv");
    let text = fs::read_to_string(folder.at("all.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("x0,x1,z0,z1,log_p,w"));
    let values: Vec<f64> = lines
        .flat_map(|line| line.split(',').map(|v| v.parse().unwrap()))
        .collect();
    assert_eq!(
        bits(&values),
        bits(&sampled(
            folder.model("model.laser"),
            "reweight",
            [1, 0, 0],
            200
        ))
    );
}

#[test]
fn what_goes_to_stdout_and_what_is_packed_is_the_same() {
    let folder = Folder::new();
    folder.good("sample model.laser -n 50 -o a.csv");
    let text = fs::read_to_string(folder.at("a.csv")).unwrap();
    assert_eq!(
        folder.good("sample model.laser -n 50 -o - --format csv"),
        text
    );
    folder.good("sample model.laser -n 50 -o a.csv.gz");
    let packed = fs::read(folder.at("a.csv.gz")).unwrap();
    assert!(packed.len() < text.len());
    let plain = folder
        .good("score truth.npy a.csv --repeats 2 --directions 1")
        .replace("a.csv", "a.csv.gz");
    assert_eq!(
        folder.good("score truth.npy a.csv.gz --repeats 2 --directions 1"),
        plain
    );
    fs::write(folder.at("cut.csv.gz"), &packed[..packed.len() / 2]).unwrap();
    folder.bad("score truth.npy cut.csv.gz", "cut.csv.gz: ");
    let command = folder
        .command("sample model.laser -n 50 -o - --format npy")
        .output()
        .unwrap();
    folder.good("sample model.laser -n 50 -o a.npy");
    assert_eq!(command.stdout, fs::read(folder.at("a.npy")).unwrap());
    // Whoever reads may have enough.
    for kind in ["csv", "npy"] {
        let mut child = folder
            .command(&format!(
                "sample model.laser -n 200000 -o - --format {kind}"
            ))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut some = [0; 100];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut some).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{kind}: {said}");
        assert!(!said.contains("error"), "{kind}: {said}");
    }
}

#[test]
fn hepmc_files_hold_particles() {
    let folder = Folder::new();
    let particles = "13:x0,x1,-0.5,m=0.1;~-13:x1,x0,0,e=70";
    folder.good(&format!(
        "sample model.laser -n 20 --seed 3 --first 4 --method reweight --logp -o a.hepmc --hepmc-columns {particles}"
    ));
    let text = fs::read_to_string(folder.at("a.hepmc")).unwrap();
    assert!(text.starts_with(
        "HepMC::Version 3.01.02\nHepMC::Asciiv3-START_EVENT_LISTING\nW weight\nT liblaser\\|"
    ));
    assert!(text.ends_with("HepMC::Asciiv3-END_EVENT_LISTING\n\n"));
    for attribute in [
        "A liblaser_seed 3\n",
        "A liblaser_stream 0\n",
        "A liblaser_method reweight\n",
    ] {
        assert!(text.contains(attribute), "{attribute}");
    }
    let sha256 = folder.json("info model.laser --json")["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(text.contains(&format!("A liblaser_model_sha256 {sha256}\n")));
    let expected = sampled(folder.model("model.laser"), "reweight", [3, 0, 4], 20);
    let events: Vec<&str> = text.split("\nE ").skip(1).collect();
    assert_eq!(events.len(), 20);
    for (i, (event, row)) in events.iter().zip(expected.chunks(6)).enumerate() {
        let lines: Vec<&str> = event.lines().collect();
        assert_eq!(lines[0], format!("{} 0 2", i + 4));
        assert_eq!(lines[1], "U GEV MM");
        let number = |text: &str| text.parse::<f64>().unwrap();
        assert_eq!(number(lines[2].strip_prefix("W ").unwrap()), row[5]);
        assert_eq!(number(lines[3].strip_prefix("A 0 log_p ").unwrap()), row[4]);
        let particle = |line: &str| -> Vec<f64> { line.split(' ').skip(1).map(number).collect() };
        let (x, y) = (row[0], row[1]);
        let energy = (x * x + y * y + 0.25 + 0.1 * 0.1).sqrt();
        let p = particle(lines[4]);
        assert_eq!(p[..6], [1.0, 0.0, 13.0, x, y, -0.5]);
        assert!(
            (p[6] - energy).abs() < 1e-12 * energy && p[7..] == [0.1, 1.0],
            "{p:?}"
        );
        let q = particle(lines[5]);
        let square = 4900.0 - x * x - y * y;
        assert_eq!(q[..7], [2.0, 0.0, -13.0, y, x, 0.0, 70.0]);
        assert!(
            (q[7] * q[7].abs() - square).abs() < 1e-9 && q[8] == 1.0,
            "{q:?}"
        );
    }
}

#[test]
fn hepmc_files_hold_no_impossible_particles() {
    let folder = Folder::new();
    let expected = sampled(folder.model("model.laser"), "rejection", [1, 0, 4], 100);
    let first = |wrong: &dyn Fn(&[f64]) -> bool| {
        let event = expected.chunks(6).position(wrong).unwrap();
        (event + 4, expected[6 * event], expected[6 * event + 1])
    };
    let refused = |particles: &str, message: &str| {
        folder.bad(
            &format!("sample model.laser -n 100 --first 4 -o a.hepmc --hepmc-columns {particles}"),
            message,
        );
    };
    let (event, _, y) = first(&|row| row[1] < 0.0);
    refused(
        "22:0,0,0,m=0;-13:x0,0,0,m=x1",
        &format!("a.hepmc: --hepmc-columns: in event {event}, of particle 2 (PDG -13), the mass (column x1) is {y}, below 0"),
    );
    let (event, x, _) = first(&|row| row[0].abs() > 4.0);
    refused(
        "-13:x0,0,0,e=4",
        &format!("in event {event}, of particle 1 (PDG -13), the energy (4) is 4, less than the momentum, {}", x.abs()),
    );
}

#[test]
fn conditional_models_take_conditions() {
    let folder = Folder::new();
    let c: Vec<f64> = (0..50).map(|i| -1.0 + 0.04 * f64::from(i)).collect();
    folder.npy("c.npy", &c, 1, Order::C);
    folder.good("sample given.laser --conditions c.npy --seed 2 --first 10 --weights -o all.npy");
    let mut sampler = Sampler::new(folder.model("given.laser"), 2, 0, &Options::new()).unwrap();
    sampler.seek(10).unwrap();
    let (mut x, mut w) = (vec![0.0; 100], vec![0.0; 50]);
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut x, 2).unwrap()),
        w: Some(RowsMut::column(&mut w)),
        ..Outputs::default()
    };
    sampler
        .generate_given(50, Rows::packed(&c, 1).unwrap(), outputs)
        .unwrap();
    let expected: Vec<f64> = (0..50)
        .flat_map(|i| [x[2 * i], x[2 * i + 1], c[i], w[i]])
        .collect();
    let (shape, values) = folder.read("all.npy");
    assert_eq!(shape, [50, 4]);
    assert_eq!(bits(&values), bits(&expected));
    folder.good("sample given.laser --conditions c.npy -n 20 -o few.csv");
    assert!(fs::read_to_string(folder.at("few.csv"))
        .unwrap()
        .starts_with("x0,x1,c0\n"));

    // Conditions in another unit are told of.
    let told = |name: &str| {
        let output = folder.run(&format!(
            "sample given.laser --conditions {name} -o told.npy"
        ));
        assert!(output.status.success());
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("50 of 50 conditions lie beyond those of the training, as condition 0 = ")
    };
    let scaled: Vec<f64> = c.iter().map(|c| 1000.0 + 1000.0 * c.abs()).collect();
    folder.npy("unit.npy", &scaled, 1, Order::C);
    assert!(told("unit.npy") && !told("c.npy"));

    folder.write("nan.csv", "1\nnan\n");
    folder.usage(
        "sample given.laser -n 10 -o a.npy",
        "give them with --conditions FILE",
    );
    folder.usage(
        "sample given.laser --conditions c.npy -n 51 -o a.npy",
        "conditions for 50 events",
    );
    folder.bad(
        "sample given.laser --conditions truth.npy -o a.npy",
        "2 columns, but the model's conditions are 1 values",
    );
    folder.bad(
        "sample given.laser --conditions nan.csv -o a.npy",
        "nan.csv: line 2, column 0 (from 0): NaN; all numbers must be finite",
    );
    folder.usage(
        "sample given.laser --conditions c.npy -o c.npy",
        "read by the same command",
    );
    folder.usage(
        "sample given.laser --conditions c.npy --method resampling -o a.npy",
        "resampling",
    );
    folder.usage(
        "sample model.laser --conditions c.npy -o a.npy",
        "its events have no conditions",
    );
}

#[test]
fn headers_of_arrays_cost_no_more_than_they_are() {
    let folder = Folder::new();
    let score = |name: &str, bytes: &[u8], length: Option<u64>, words: &str| {
        fs::write(folder.at(name), bytes).unwrap();
        if let Some(length) = length {
            let file = fs::OpenOptions::new().write(true).open(folder.at(name));
            file.unwrap().set_len(length).unwrap();
        }
        folder.bad(&format!("score {name} truth.npy"), words);
    };
    // Brackets within brackets take neither time nor stack, and the length stated is no memory that is taken.
    let nested = format!(
        "{{'descr': {}{}}}",
        "[(".repeat(15_000),
        ")]".repeat(15_000)
    );
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((nested.len() as u16).to_le_bytes());
    bytes.extend(nested.bytes());
    let words = "nested.npy: no .npy file that can be read: its header has no text";
    score("nested.npy", &bytes, None, words);
    let long = b"\x93NUMPY\x02\0\xff\xff\xff\xff{}";
    let words = "a header of 4294967295 bytes, longer than 1048576";
    score("long.npy", long, None, words);
    score("long.npy", long, Some(1 << 33), words);
    for short in [
        &b""[..],
        b"\x93NUMPY",
        b"\x93NUMPY\x02\0\x01\0",
        b"\x93NUMPY\x01\0\x76\0{'descr'",
    ] {
        score("short.npy", short, None, "no .npy file that can be read");
    }
    fs::write(folder.at("sparse.json"), "{").unwrap();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(folder.at("sparse.json"));
    file.unwrap().set_len(1 << 33).unwrap();
    folder.bad("refine sparse.json", "this is no text");
}

#[test]
fn sample_says_what_is_wrong_and_writes_nothing() {
    let folder = Folder::new();
    let n = |n: &str| format!("sample model.laser -n {n} -o a.npy");
    for number in [
        "0",
        "1e30",
        "-1",
        "2.5",
        "9007199254740993",
        "18446744073709551615",
    ] {
        folder.usage(&n(number), "a whole number from 1 to 2^53 is needed");
    }
    folder.usage("sample model.laser -o a.npy", "--events <N>");
    folder.usage("sample model.laser -n 1", "--output <FILE>");
    folder.bad(
        "sample none.laser -n 1 -o a.npy",
        "none.laser: No such file",
    );
    folder.usage(
        "sample model.laser -n 1 -o a.root",
        "a.root: unknown kind of file; events are read from .npy, .npz, .csv, .parquet, .lhe or .hepmc",
    );
    for (end, file) in [("root", "events.root:tree"), ("hdf5", "events.h5")] {
        folder.usage(
            &format!("sample model.laser -n 1 -o a.{end}"),
            &format!("in Python, `liblaser.write(\"events.npy\", liblaser.iterate(\"{file}\", [\"pt\", \"eta\"]))` converts such a file, and `liblaser.write(\"{file}\", numpy.load"),
        );
    }
    folder.bad(
        "sample model.laser -n 1 -o no/a.npy",
        "no/a.npy: cannot be written: No such file",
    );
    fs::create_dir(folder.at("folder.npy")).unwrap();
    folder.bad("sample model.laser -n 1 -o folder.npy", "a directory");
    fs::copy(folder.at("model.laser"), folder.at("model.npy")).unwrap();
    folder.usage(
        "sample model.npy -n 1 -o ./model.npy",
        "read by the same command",
    );
    assert!(Model::load(&folder.at("model.npy")).is_ok());
    folder.usage(
        "sample model.laser -n 1 -o a.npy --method reweight",
        "add --weights",
    );
    folder.usage(
        "sample model.laser -n 1 -o a.npy --method best",
        "option `sampler.method` takes one of",
    );
    folder.usage(
        "sample model.laser -n 1 -o a.npy --method gan",
        "a refiner trained for it",
    );
    folder.usage(
        "sample model.laser -n 1 -o a.npy --threads 0",
        "a whole number from 1 to 1024 is needed",
    );
    for (argument, needed) in [
        (
            "--seed -1",
            "a whole number from 0 to 18446744073709551615 is needed",
        ),
        (
            "--stream -1",
            "a whole number from 0 to 18446744073709551615 is needed",
        ),
        ("--seed 1.5", "a whole number from 0 to"),
        ("--seed 1e16", "a whole number from 0 to"),
        ("--first -1", "a whole number from 0 to 2^53 is needed"),
        (
            "--first 18446744073709551600",
            "a whole number from 0 to 2^53 is needed",
        ),
        ("--threads -1", "a whole number from 1 to 1024 is needed"),
    ] {
        folder.usage(
            &format!("sample model.laser -n 1 -o a.npy {argument}"),
            needed,
        );
    }
    folder.good("sample model.laser -n 1 -o last.csv --seed 18446744073709551615");
    let place = |place: &str| {
        folder.good(&format!("sample model.laser -n 1e1 {place} -o place.csv"));
        fs::read(folder.at("place.csv")).unwrap()
    };
    assert_eq!(
        place("--seed 1e3 --stream 2e0"),
        place("--seed 1000 --stream 2")
    );
    place("--first 9007199254740992");
    folder.usage(
        "sample model.laser -n 1 -o a.npy --hepmc-columns 13:x0,x1,0,m=0",
        "--hepmc-columns is for .lhe and .hepmc files",
    );
    folder.usage(
        "sample model.laser -n 1 -o a.hepmc",
        "say with --particles FILE, or --hepmc-columns",
    );
    folder.usage(
        "sample model.laser -n 1 -o a.hepmc --latent --hepmc-columns 13:x0,x1,0,m=0",
        "no place for latents",
    );
    folder.usage(
        "sample model.laser -n 1 -o a.hepmc --hepmc-columns 13:x0,x2,0,m=0",
        "there is no column x2; the model's events have x0, x1",
    );
    for particles in [
        "13:x0,x1,0",
        "13:x0,x1,0,0",
        "mu:x0,x1,0,m=0",
        "13:x0,x1,pz,m=0",
        "13:x0,x1,nan,m=0",
        ";",
    ] {
        folder.usage(
            &format!("sample model.laser -n 1 -o a.hepmc --hepmc-columns {particles}"),
            "'--hepmc-columns <PARTICLES>'",
        );
    }
    for (more, message) in [
        (
            "-o a.lhe --hepmc-columns 13:x0,x1,0,m=0",
            "--hepmc-columns: an .lhe file has beams",
        ),
        (
            "-o a.lhe --logp --hepmc-columns 13:x0,x1,0,m=0",
            "LHE has no place for log p",
        ),
        (
            "-o a.hepmc --particles none.json",
            "none.json: No such file",
        ),
    ] {
        folder.bad_or_usage(&format!("sample model.laser -n 1 {more}"), message);
    }
    for (more, message) in [
        (
            "-o a.hepmc --first 2147483647 --hepmc-columns 13:x0,x1,0,m=0",
            "HepMC numbers events up to 2147483647",
        ),
        ("-o a.npy.gz", "arrays of NumPy and .parquet packed by gzip"),
        ("-o -", "say with --format"),
        (
            "-o - --format npz",
            "there are npy, csv, parquet, lhe and hepmc",
        ),
        ("-o a.npy --format csv", "--format is for stdout"),
    ] {
        folder.usage(&format!("sample model.laser -n 1 {more}"), message);
    }
    assert!(!folder.at("a.hepmc").exists());
    // A generator that only its own program can call.
    let host = host_generator((2, 0, 2), false, &Options::new()).unwrap();
    host.save(&folder.at("host.laser")).unwrap();
    folder.bad("sample host.laser -n 1 -o a.npy", "a callback");
}

#[test]
fn an_interrupted_sampling_leaves_nothing() {
    let folder = Folder::new();
    let before = folder.files();
    // Far more than is made before the signal comes.
    let mut child = folder
        .command("sample model.laser -n 1e12 -o a.npy")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(|| writes_in(&child, &folder));
    interrupt(&child, libc::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(folder.files(), before);
    // What nobody can catch, and what the program does not.
    for signal in [libc::SIGKILL, libc::SIGHUP, libc::SIGTERM] {
        let mut child = folder
            .command("sample model.laser -n 1e12 -o a.npy")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(|| writes_in(&child, &folder));
        interrupt(&child, signal);
        child.wait().unwrap();
        assert_eq!(folder.files(), before, "{signal}");
    }
}

/// Whether a child has a file of the folder open for what it writes, which has no name yet.
fn writes_in(child: &std::process::Child, folder: &Folder) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{}/fd", child.id())) else {
        return false;
    };
    let mut files = open.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
    files.any(|file| file.starts_with(folder.0.path()) && !file.ends_with("model.laser"))
}

#[test]
fn walking_chains_are_told_of_and_can_be_stopped() {
    let folder = Folder::new();
    let mut slow = (**folder.model("model.laser")).clone();
    slow.refinement.as_mut().unwrap().hmc.burn_in = 1_000_000;
    slow.save(&folder.at("slow.laser")).unwrap();
    let before = folder.files();
    for (model, first, stage) in [
        (
            "model",
            "1e15",
            "the chains are walking to event 1000000000000000",
        ),
        ("slow", "0", "the chains are burning in"),
    ] {
        let (mut terminal, stderr) = terminal();
        let mut child = folder
            .command(&format!(
                "sample {model}.laser --method hmc -n 10 --first {first} -o a.csv"
            ))
            .env("TERM", "xterm")
            .stderr(stderr)
            .spawn()
            .unwrap();
        let (mut said, mut part) = (String::new(), [0; 4096]);
        while !said.contains(stage) {
            let count = terminal.read(&mut part).unwrap();
            said += &String::from_utf8_lossy(&part[..count]);
        }
        let start = Instant::now();
        interrupt(&child, libc::SIGINT);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(folder.files(), before);
    }
}

/// A terminal: the side that reads what is on it, and the side that a program writes to.
fn terminal() -> (fs::File, fs::File) {
    let [mut reader, mut writer] = [-1; 2];
    // SAFETY: two places for descriptors, which are then owned by the files alone.
    unsafe {
        let opened = libc::openpty(&mut reader, &mut writer, null_mut(), null_mut(), null_mut());
        assert_eq!(opened, 0);
        (fs::File::from_raw_fd(reader), fs::File::from_raw_fd(writer))
    }
}

#[test]
fn a_file_beyond_its_limit_is_an_error_and_leaves_nothing() {
    let folder = Folder::new();
    let before = folder.files();
    let sample = folder.command("sample model.laser -n 1e6 -o a.npy");
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 64 && exec \"$@\"", "sh"]);
    limited.arg(sample.get_program()).args(sample.get_args());
    let output = limited.current_dir(folder.0.path()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("a.npy: cannot be written: File too large"),
        "{errors}"
    );
    assert_eq!(folder.files(), before);
}

/// A classifier that explodes where the pilot run saw nothing: its logits thirty times as large, without limits.
#[test]
fn a_sample_of_a_few_events_is_warned_of_and_has_its_status() {
    let folder = Folder::new();
    let mut model = Model::load(&folder.at("model.laser")).unwrap();
    let classifier = model.classifier.as_mut().unwrap();
    let parameters = Arc::make_mut(&mut classifier.parameters);
    parameters.iter_mut().for_each(|p| *p *= 30.0);
    classifier.log_ratio_offset *= 30.0;
    classifier.limits = None;
    model.save(&folder.at("steep.laser")).unwrap();
    for method in ["rejection", "reweight"] {
        let sample = format!("-n 20000 --weights -o a.npy --method {method}");
        let output = folder.run(&format!("sample steep.laser {sample}"));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{errors}");
        for warning in ["an event has the weight", "the 10 heaviest of"] {
            let said = errors
                .matches(&format!("laser: warning: {warning}"))
                .count();
            assert_eq!(said, 1, "{warning}: {errors}");
        }
        assert!(errors.contains("a.npy is written, but"), "{errors}");
        assert_eq!(folder.read("a.npy").0, [20_000, 3]);
        let errors = folder.run(&format!("sample model.laser {sample}")).stderr;
        let errors = String::from_utf8(errors).unwrap();
        assert!(!errors.contains("warning"), "{errors}");
    }
}

fn wait_for(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing happens");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn interrupt(child: &std::process::Child, signal: i32) {
    // SAFETY: a signal to a child that has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

// --- laser score ---

#[test]
fn scores_are_the_librarys() {
    let folder = Folder::new();
    let (x, y) = (events(2, 1), events(2, 2));
    folder.npy("other.npy", &y, 2, Order::C);
    let json = folder.json("score truth.npy other.npy --repeats 5 --directions 3 --seed 4 --bins 20 --auc --auc-epochs 2 --json");
    let sample = |x: &'static [f64]| Sample::new(Rows::packed(x, 2).unwrap(), None).unwrap();
    let (p, q) = (sample(x.clone().leak()), sample(y.clone().leak()));
    for feature in 0..2 {
        let emd = emd_1d(&p, &q, feature, 5, 4).unwrap();
        let ks = kolmogorov_smirnov(&p, &q, feature).unwrap();
        let found = &json["features"][feature];
        assert_eq!(found["emd"]["distance"], emd.value);
        assert_eq!(found["emd"]["error"], emd.error);
        assert_eq!(found["emd"]["floor"], emd.floor.mean);
        assert_eq!(found["emd"]["floor_spread"], emd.floor.spread);
        assert_eq!(found["ks"]["p_value"], ks.p_value);
    }
    assert_eq!(
        json["sliced_emd"]["distance"],
        sliced_emd(&p, &q, 3, 5, 4).unwrap().value
    );

    let quantiles = |column: usize| {
        let mut values: Vec<f64> = x.iter().skip(column).step_by(2).copied().collect();
        values.sort_by(f64::total_cmp);
        [values[3], values[2996]]
    };
    let histogram = |x: &[f64]| {
        let mut histogram = Histogram2d::new(20, quantiles(0), 20, quantiles(1)).unwrap();
        histogram.fill(Rows::packed(x, 2).unwrap(), None).unwrap();
        histogram
    };
    let (a, b) = (histogram(&x), histogram(&y));
    assert_eq!(json["jsd"].as_array().unwrap().len(), 1);
    assert_eq!(json["jsd"][0]["nats"], jsd(&a, &b).unwrap().value);
    assert_eq!(
        json["jsd"][0]["floor"],
        floor(jsd, &a, &b, 50, 4).unwrap().mean.value
    );
    assert_eq!(json["jsd"][0]["outside"][1], b.outside() / ROWS as f64);

    let mut options = Options::preset("fast").unwrap();
    options.set_i64("seed", 4).unwrap();
    options.set_i64("classifier.epochs", 2).unwrap();
    let auc = two_sample_auc(&p, &q, &options, &()).unwrap();
    let [all, network, trees] = [&json["auc"], &json["auc"]["network"], &json["auc"]["trees"]];
    for (found, area) in [
        (all, auc.larger()),
        (network, auc.network),
        (trees, auc.trees),
    ] {
        assert_eq!(found["value"], area.value);
        assert_eq!(found["error"], area.error);
    }

    let text = folder.good(
        "score truth.npy other.npy --repeats 5 --directions 3 --bins 20 --auc --auc-epochs 1",
    );
    for part in [
        "reference  3000 of truth.npy",
        "EMD",
        "floor",
        "p value",
        "all, sliced",
        "\ncolumn 0 ",
        "\ncolumn 0, column 1 ",
        "\n\nAUC ",
        "(0.5: fresh classifiers find no difference)\n  network ",
        "\n  trees ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn further_features_are_computed_from_the_columns() {
    let folder = Folder::new();
    let (x, y) = (events(2, 1), events(2, 2));
    let csv = |name: &str, x: &[f64]| {
        let rows = x.chunks(2).map(|row| format!("{},{},1\n", row[0], row[1]));
        folder.write(name, &format!("px,py,w\n{}", rows.collect::<String>()));
    };
    csv("x.csv", &x);
    csv("y.csv", &y);
    let radii = |x: &[f64]| x.chunks(2).map(|r| r[0].hypot(r[1])).collect::<Vec<_>>();
    let (p, q) = (radii(&x), radii(&y));
    let sample = |x: &'static [f64]| Sample::new(Rows::packed(x, 1).unwrap(), None).unwrap();
    let emd = emd_1d(&sample(p.leak()), &sample(q.leak()), 0, 2, 1).unwrap();
    let asked =
        "score x.csv y.csv --weights --repeats 2 --directions 1 --with hypot(px,py) --with x[1]-2";
    let json = folder.json(&format!("{asked} --json"));
    let features = json["features"].as_array().unwrap();
    let names: Vec<&str> = features
        .iter()
        .map(|f| f["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["px", "py", "hypot(px,py)", "x[1]-2"]);
    let distance = features[2]["emd"]["distance"].as_f64().unwrap();
    assert!((distance / emd.value - 1.0).abs() < 1e-9, "{distance}");
    assert!(features[2]["column"].is_null() && features[1]["column"] == 1);
    assert_eq!(
        features[3]["ks"]["statistic"],
        features[1]["ks"]["statistic"]
    );
    assert_eq!(json["jsd"].as_array().unwrap().len(), 6);
    // The region where events can be.
    let text = folder.good(&format!("{asked} --support px>-100"));
    assert!(
        text.contains("edge ") && text.contains("px>-100 "),
        "{text}"
    );
    let text = folder.good(&format!("{asked} --support px==0"));
    assert!(
        text.ends_with("\n\n`px==0` has no edge: only inequalities have\n"),
        "{text}"
    );
    let json = folder.json(&format!("{asked} --support px>0~or~py!=1 --json"));
    assert_eq!(json["without_edge"], serde_json::json!(["py!=1"]));
    let above = |x: &[f64]| x.chunks(2).filter(|r| r[0] < 0.0).count() as f64 / ROWS as f64;
    let edge = &json["edges"][0];
    assert_eq!(edge["inequality"], "px>0");
    for (side, x) in [(0, &x), (1, &y)] {
        let share = edge["beyond"][side]["share"].as_f64().unwrap();
        assert!((share - above(x)).abs() < 1e-12);
    }
    assert!(edge["ratio"].as_f64().unwrap() > 0.3);
    folder.usage(
        &format!("{asked} --support px>pz"),
        "--support: the formula, at `px>` >>> `pz`",
    );
    // Beside columns that were chosen.
    let json = folder.json(&format!("{asked} --columns 1 --json"));
    assert_eq!(json["features"][0]["name"], "py");
    assert_eq!(json["features"][1]["name"], "hypot(px,py)");
    for (formula, message) in [
        ("hypot(px,pz)", "x.csv: the formula, at `hypot(px,` >>> `pz)`: there is no feature `pz`; did you mean `px`?"),
        ("px>0", "x.csv: `px>0` is a condition; a feature is a number"),
    ] {
        folder.usage(&format!("score x.csv y.csv --weights --with {formula}"), message);
    }
    folder.bad(
        "score x.csv y.csv --weights --with log(0*px)",
        "x.csv: row 0 (from 0): `log(0*px)` is -inf",
    );
}

#[test]
fn columns_go_by_their_names() {
    let folder = Folder::new();
    let x = events(2, 1);
    let csv = |name: &str, header: &str, row: &dyn Fn(usize, &[f64]) -> String| {
        let rows = x.chunks(2).enumerate().map(|(i, x)| row(i, x) + "\n");
        folder.write(name, &format!("{header}\n{}", rows.collect::<String>()));
    };
    csv("truth.csv", "pt,eta", &|_, x| format!("{},{}", x[0], x[1]));
    csv("turned.csv", "eta,pt", &|_, x| format!("{},{}", x[1], x[0]));
    csv("other.csv", "pt,phi", &|_, x| format!("{},{}", x[0], x[1]));
    csv("first.csv", "weight,pt,eta", &|_, x| {
        format!("1,{},{}", x[0], x[1])
    });
    csv("pandas.csv", ",pt,eta", &|i, x| {
        format!("{i},{},{}", x[0], x[1])
    });
    csv("index.csv", "i,pt", &|i, x| format!("{i},{}", x[0]));
    csv("numbers.csv", "0,1", &|_, x| format!("{},{}", x[0], x[1]));
    csv("from_one.csv", "\"1\",\"2\"", &|i, x| match i {
        0 => "3,4".into(),
        _ => format!("{},{}", x[0], x[1]),
    });
    csv("missing.csv", "NA,NA", &|_, x| format!("{},{}", x[0], x[1]));
    csv("twice.csv", "pt,pt", &|_, x| format!("{},{}", x[0], x[1]));
    // As numpy.savetxt writes a header.
    csv("numpy.csv", "# of a run\n# eta,pt", &|_, x| {
        format!("{},{}", x[1], x[0])
    });
    csv("remark.csv", "# eta=1,pt=2", &|_, x| {
        format!("{},{}", x[0], x[1])
    });
    csv("numpys.csv", "# pt,pt", &|_, x| {
        format!("{},{}", x[0], x[1])
    });
    let score = "--repeats 2 --directions 1";
    // The same events in another order of columns.
    for turned in ["turned.csv", "numpy.csv"] {
        let json = folder.json(&format!(
            "score truth.csv {turned} {score} --with x[0]-x[1] --json"
        ));
        for feature in 0..3 {
            assert_eq!(json["features"][feature]["emd"]["distance"], 0.0);
        }
        assert_eq!(json["features"][0]["name"], "pt");
    }
    let json = folder.json(&format!("score truth.csv remark.csv {score} --json"));
    assert_eq!(json["features"][0]["emd"]["distance"], 0.0);
    for (file, message) in [
        ("other.csv", "its columns are called pt, phi, those of the reference pt, eta: they must be the same, in any order"),
        ("pandas.csv", "the first line: its first column has no name: it is the index of a table"),
        ("index.csv", "column 0 (from 0) counts the rows"),
        ("numbers.csv", "the first line counts the columns, `0,1,…` or `1,2,…`: is it a header?"),
        ("from_one.csv", "the first line counts the columns"),
        ("missing.csv", "the first line: `NA` is neither a number nor a name"),
        ("twice.csv", "two columns are called `pt`"),
        ("numpys.csv", "the header: two columns are called `pt`"),
    ] {
        folder.bad(&format!("score truth.csv {file} {score}"), message);
    }
    folder.usage(
        &format!("score truth.csv first.csv --weights=sample {score}"),
        "the last column, `eta`, would be taken for the weight, but the header has a `weight`",
    );
    let by_name =
        format!("score truth.csv first.csv --weights=sample --weight-column weight {score} --json");
    assert_eq!(folder.json(&by_name)["features"][1]["emd"]["distance"], 0.0);

    // Chosen by name, they are found among others, and are what formulas count.
    csv("more.csv", "run,eta,w,pt", &|i, x| {
        format!("{i},{},1,{}", x[1], x[0])
    });
    let json = folder.json(&format!(
        "score truth.csv more.csv --columns eta,pt --jsd pt,eta --with x0-2*pt {score} --json"
    ));
    let names = ["eta", "pt", "x0-2*pt"];
    for (feature, name) in json["features"].as_array().unwrap().iter().zip(names) {
        assert_eq!(
            (&feature["name"], &feature["emd"]["distance"]),
            (&name.into(), &0.0.into())
        );
    }
    assert_eq!(json["features"][0]["column"], 1, "as the reference counts");
    assert_eq!(json["jsd"][0]["columns"], serde_json::json!([0, 1]));
    assert_eq!(json["jsd"][0]["nats"], 0.0);
    let weighted =
        format!("score first.csv more.csv --columns pt --weights --weight-column w {score}");
    folder.usage(
        &weighted,
        "first.csv: no column is called `w`; there are weight, pt, eta",
    );
    let weighted = "score more.csv more.csv --weights --weight-column w --columns";
    folder.usage(
        &format!("{weighted} pt,w {score}"),
        "column w holds the weights",
    );
    folder.good(&format!("{weighted} 3,1 {score}"));
    folder.bad(
        &format!("{weighted} run {score}"),
        "more.csv: column 0 (from 0) counts the rows",
    );
    folder.bad(
        &format!("score truth.csv other.csv --columns eta {score}"),
        "other.csv: no column is called `eta`; there are pt, phi",
    );
    folder.npy("unnamed.npy", &x, 2, Order::C);
    folder.usage(
        &format!("score truth.csv unnamed.npy --columns pt {score}"),
        "unnamed.npy: its columns have no names, and those of the reference are chosen by theirs",
    );
    folder.good(&format!("score truth.csv unnamed.npy --columns 1 {score}"));
    folder.usage(
        &format!("score truth.csv more.csv --columns pt,0 {score}"),
        "--columns: column 0 is asked for twice",
    );
    folder.usage(
        &format!("score truth.csv more.csv --columns pt,eta --jsd pt,w {score}"),
        "--jsd: column w is not among the compared ones, pt, eta",
    );

    let config = |events: &str, more: &str| {
        let model = if more.contains("generator") {
            "again"
        } else {
            "named"
        };
        let small = r#""preset": "fast", "flow": {"blocks": 2, "units": 8, "epochs": 1, "steps": 5}, "classifier": {"layers": 1, "units": 8, "epochs": 1, "steps": 5}, "weights.events": 1000"#;
        folder.write(
            "train.json",
            &format!(
                r#"{{"events": "{events}", "model": "{model}.laser", "options": {{{small}}}{more}}}"#
            ),
        );
    };
    config("first.csv", r#", "weights_column": "weight""#);
    folder.good("refine train.json");
    let json = folder.json("info named.laser --json");
    assert_eq!(json["model"]["names"], serde_json::json!(["pt", "eta"]));
    assert!(folder
        .good("info named.laser")
        .contains("names        pt, eta"));
    folder.good("sample named.laser -n 10 --method baseline -o named.csv");
    let text = fs::read_to_string(folder.at("named.csv")).unwrap();
    assert!(text.starts_with("pt,eta\n"), "{text}");
    // A generator's events are found by their names.
    config("turned.csv", r#", "generator": "named.laser""#);
    folder.good("refine train.json");
    config("other.csv", r#", "generator": "named.laser""#);
    folder.bad(
        "refine train.json",
        "its columns are called pt, phi, those of named.laser pt, eta",
    );
    config("first.csv", r#", "weights_column": true"#);
    folder.bad(
        "refine train.json",
        "would be taken for the weight, but the header has a `weight`",
    );
    config("first.csv", r#", "weights_column": "w""#);
    folder.bad(
        "refine train.json",
        "no column is called `w`; there are weight, pt, eta",
    );
    // By its number it is the same column, in a file with names and in one without.
    let by_name = fs::read(folder.at("named.laser")).unwrap();
    config("first.csv", r#", "weights_column": 0"#);
    folder.good("refine train.json");
    assert!(fs::read(folder.at("named.laser")).unwrap() == by_name);
    config("first.csv", r#", "weights_column": 3"#);
    folder.bad(
        "refine train.json",
        "no column is called `3`; there are weight, pt, eta",
    );
    folder.npy("plain.npy", &[0.5, 1.5, 2.5, 1.0, 1.0, 4.0], 3, Order::C);
    config("plain.npy", r#", "weights_column": 3"#);
    folder.bad(
        "refine train.json",
        "no column is called `3`; its 3 columns have no names and count from 0",
    );
    config("plain.npy", r#", "weights_column": -1"#);
    folder.bad(
        "refine train.json",
        "the name or the number, from 0, of a column",
    );
}

#[test]
fn events_are_read_in_any_order_and_precision() {
    let folder = Folder::new();
    let x = events(2, 1);
    let text: String = x
        .chunks(2)
        .map(|row| format!("{}, {:e}\n", row[0], row[1]))
        .collect();
    folder.write("named.csv", &format!("# a remark\nmass,angle\n{text}"));
    folder.npy("fortran.npy", &x, 2, Order::Fortran);
    for name in ["named.csv", "fortran.npy"] {
        let json = folder.json(&format!(
            "score truth.npy {name} --repeats 2 --directions 1 --json"
        ));
        for feature in 0..2 {
            assert_eq!(json["features"][feature]["emd"]["distance"], 0.0, "{name}");
        }
    }
    for files in ["named.csv truth.npy", "truth.npy named.csv"] {
        let text = folder.good(&format!("score {files} --repeats 2 --directions 1"));
        assert!(
            text.contains("\nmass ") && text.contains("\nmass, angle "),
            "{text}"
        );
    }
    let text = folder.good("score truth.npy truth.npy --columns 1 --repeats 2 --directions 1");
    assert!(
        text.contains("\ncolumn 1 ") && !text.contains("column 0"),
        "{text}"
    );

    let mut file = fs::File::create(folder.at("single.npy")).unwrap();
    let npy = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[ROWS as u64, 2]);
    let mut npy = npy.writer(&mut file).begin_nd().unwrap();
    npy.extend(x.iter().map(|&x| x as f32)).unwrap();
    npy.finish().unwrap();
    let json = folder.json("score truth.npy single.npy --repeats 2 --directions 1 --json");
    let distance = json["features"][0]["emd"]["distance"].as_f64().unwrap();
    assert!(0.0 < distance && distance < 1e-6, "{distance}");
}

#[test]
fn named_fields_of_an_array_are_columns() {
    let folder = Folder::new();
    // Of whole numbers, which all these types can hold; the third number counts up and down.
    let rows: Vec<[f64; 4]> = (0..300)
        .map(|i| {
            [
                f64::from(i * i),
                f64::from(-i),
                f64::from(i % 7),
                0.5 * f64::from(i),
            ]
        })
        .collect();
    let text = rows.iter().map(|[a, b, c, d]| format!("{a},{b},{c},{d}\n"));
    folder.write(
        "truth.csv",
        &format!("a,b,c,d\n{}", text.collect::<String>()),
    );
    let records = rows.iter().flat_map(|&[a, b, c, d]| {
        let mut record = (d as f32).to_le_bytes().to_vec();
        record.extend((c as u8).to_le_bytes());
        record.extend([0xff; 3]);
        record.extend((b as i32).to_be_bytes());
        record.extend(a.to_be_bytes());
        record
    });
    folder.structured(
        "fields.npy",
        "('d', '<f4'), ('c', '|u1'), ('', '|V3'), ('b', '>i4'), ('a', '>f8')",
        "(300,)",
        &records.collect::<Vec<u8>>(),
    );
    let json = folder.json("score truth.csv fields.npy --repeats 2 --directions 1 --json");
    for (feature, name) in ["a", "b", "c", "d"].iter().enumerate() {
        let feature = &json["features"][feature];
        assert_eq!(feature["name"], *name);
        assert_eq!(feature["emd"]["distance"], 0.0, "{name}");
    }
}

/// The bytes of a `.npy` file.
fn array<T: npyz::AutoSerialize + Copy>(values: &[T], shape: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let npy = npyz::WriteOptions::new().default_dtype().shape(shape);
    let mut npy = npy.writer(&mut bytes).begin_nd().unwrap();
    npy.extend(values.iter().copied()).unwrap();
    npy.finish().unwrap();
    bytes
}

/// Strings as NumPy keeps them in an array.
fn words(words: &[&str]) -> Vec<u8> {
    let letters = words.iter().flat_map(|word| {
        let word = word.chars().map(|c| (c as u32).to_le_bytes());
        word.chain(std::iter::repeat([0; 4])).take(8).flatten()
    });
    let header = format!(
        "{{'descr': '<U8', 'fortran_order': False, 'shape': ({},), }}\n",
        words.len()
    );
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes().chain(letters));
    bytes
}

impl Folder {
    /// Writes an archive, packed or not.
    fn npz(&self, name: &str, arrays: &[(&str, Vec<u8>)], packed: bool) {
        let file = fs::File::create(self.at(name)).unwrap();
        let mut zip = zip::ZipWriter::new(file);
        let method = match packed {
            true => zip::CompressionMethod::Deflated,
            false => zip::CompressionMethod::Stored,
        };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        for (name, bytes) in arrays {
            zip.start_file(format!("{name}.npy"), options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    }
}

#[test]
fn arrays_of_archives_are_events() {
    let folder = Folder::new();
    let x = events(2, 1);
    let (n, shape) = (ROWS as u64, [ROWS as u64, 2]);
    let column = |c: usize| x.iter().skip(c).step_by(2).copied().collect::<Vec<f64>>();
    let counts: Vec<i64> = (0..ROWS as i64).map(|i| i % 5).collect();
    let table = || array(&x, &shape);
    let other = || array(&[0.5; 6], &[3, 2]);
    let same = |events: &str| {
        let score = format!("score truth.npy {events} --repeats 2 --directions 1 --json");
        let json = folder.json(&score);
        for feature in json["features"].as_array().unwrap() {
            assert_eq!(feature["emd"]["distance"], 0.0, "{events}: {feature}");
        }
        json["features"][1]["name"].clone()
    };
    for packed in [false, true] {
        folder.npz("one.npz", &[("anything", table())], packed);
        assert_eq!(same("one.npz"), "column 1");
        let named = [
            ("names", words(&["pt", "η"])),
            ("events", table()),
            ("o", other()),
        ];
        folder.npz("several.npz", &named, packed);
        assert_eq!(same("several.npz"), "η");
        assert_eq!(same("several.npz:events"), "η");
        let pair = [
            ("a", array(&column(0), &[n])),
            ("b", array(&column(1), &[n])),
        ];
        folder.npz("columns.npz", &pair, packed);
        assert_eq!(same("columns.npz"), "b");
    }
    let counted = [("a", array(&column(0), &[n])), ("n", array(&counts, &[n]))];
    folder.npz("counted.npz", &counted, true);
    folder.good("score counted.npz counted.npz --repeats 2 --directions 1");
    folder.usage(
        "score several.npz:z truth.npy",
        "it has no array `z`; there are events, o",
    );
    folder.npz("two.npz", &[("a", table()), ("b", other())], true);
    folder.bad(
        "score two.npz truth.npy",
        "it holds a, b: say which, `two.npz:a`",
    );
    assert_eq!(same("two.npz:a"), "column 1");
    let uneven = [
        ("a", array(&column(0), &[n])),
        ("b", array(&[1.0, 2.0], &[2])),
    ];
    folder.npz("uneven.npz", &uneven, true);
    folder.bad("score uneven.npz truth.npy", "`a` has 3000 values, `b` 2");
    let few = [("names", words(&["pt"])), ("x", table())];
    folder.npz("few.npz", &few, true);
    folder.bad("score few.npz truth.npy", "few.npz: 1 names for 2 columns");
    let twice = [("names", words(&["pt", "pt"])), ("x", table())];
    folder.npz("twice.npz", &twice, true);
    folder.bad("score twice.npz truth.npy", "two columns are called `pt`");
    let numbers = [("names", other()), ("x", table())];
    folder.npz("numbers.npz", &numbers, true);
    folder.bad(
        "score numbers.npz truth.npy",
        "its array `names`: the names of columns are strings",
    );
    folder.npz("nothing.npz", &[], true);
    folder.bad("score nothing.npz truth.npy", "nothing.npz: it holds");
    folder.usage(
        "sample model.laser -n 1 -o a.npz",
        "archives are read, not written",
    );
}

/// Options of trainings that hold 1 MiB of events.
const STREAMED: &str = r#"{
    "preset": "fast", "source.memory": 1, "validation.events": 1000,
    "flow": {"blocks": 2, "layers": 1, "units": 16, "epochs": 1, "steps": 20, "batch": 100},
    "classifier": {"layers": 1, "units": 16, "epochs": 1, "steps": 20, "batch": 100},
    "weights.events": 5000
}"#;

#[test]
fn large_arrays_are_trained_on_in_parts() {
    let folder = Folder::new();
    let rows = 60_000;
    let x: Vec<f64> = (0..rows)
        .flat_map(|i| {
            let t = f64::from(i);
            let x = (1.3 * t).sin() + 0.1 * (7.7 * t).cos();
            [x, 1.0 + f64::from(i % 2), x * x + (2.9 * t).cos()]
        })
        .collect();
    let records = x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let fields = "('a', '<f8'), ('w', '<f8'), ('b', '<f8')";
    folder.structured("large.npy", fields, &format!("({rows},)"), &records);
    let config = |events: &str, generator: &str| {
        let generator = match generator {
            "" => String::new(),
            name => format!("\"generator\": \"{name}\", "),
        };
        format!("{{\"events\": \"{events}\", \"weights_column\": \"w\", {generator}\"model\": \"m.laser\", \"options\": {STREAMED}}}")
    };
    folder.write("large.json", &config("large.npy", ""));
    let said = folder.run("refine large.json");
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(
        said.contains("60000 events of 2 columns from large.npy"),
        "{said}"
    );
    let model = Model::load(&folder.at("m.laser")).unwrap();
    assert_eq!(model.names, ["a", "b"]);
    // The library makes the same of the same file.
    let mut options = Options::from_json(STREAMED).unwrap();
    let generator = {
        options.set_str("source.weight", "w").unwrap();
        let mut target = Source::from_file(&folder.at("large.npy"), &options).unwrap();
        train_generator(&mut target, &options, &()).unwrap()
    };
    assert_eq!(generator.generator.parameters, model.generator.parameters);
    // With a generator, its columns are found by their names.
    model.save(&folder.at("g.laser")).unwrap();
    let turned: Vec<u8> = x
        .chunks(3)
        .flat_map(|x| [x[1], x[2], x[0]])
        .flat_map(f64::to_le_bytes)
        .collect();
    let fields = "('w', '<f8'), ('b', '<f8'), ('a', '<f8')";
    folder.structured("turned.npy", fields, &format!("({rows},)"), &turned);
    folder.write("first.json", &config("large.npy", "g.laser"));
    folder.good("refine first.json");
    let expected = Model::load(&folder.at("m.laser")).unwrap();
    folder.write("second.json", &config("turned.npy", "g.laser"));
    folder.good("refine second.json");
    let made = Model::load(&folder.at("m.laser")).unwrap();
    let classifier = |model: &Model| model.classifier.clone().unwrap().parameters;
    assert_eq!(
        format!("{:?}", classifier(&made)),
        format!("{:?}", classifier(&expected))
    );
    let named =
        config("large.npy", "").replace("\"preset\"", "\"source.weight\": \"w\", \"preset\"");
    folder.write("named.json", &named);
    folder.bad("refine named.json", "are named by `weights_column`");
    // An index is seen, and what is not finite wherever it is.
    let index: Vec<f64> = (0..rows)
        .flat_map(|i| [f64::from(i), x[3 * i as usize], 1.0])
        .collect();
    folder.npy("index.npy", &index, 3, Order::C);
    folder.write(
        "index.json",
        &config("index.npy", "").replace("\"w\"", "true"),
    );
    folder.bad("refine index.json", "column 0 (from 0) counts the rows");
    let mut nan = x.clone();
    nan[3 * 50_000..3 * 50_001].fill(f64::NAN);
    let nan: Vec<u8> = nan.iter().flat_map(|x| x.to_le_bytes()).collect();
    folder.structured(
        "nan.npy",
        "('a', '<f8'), ('w', '<f8'), ('b', '<f8')",
        &format!("({rows},)"),
        &nan,
    );
    let longer = config("nan.npy", "").replace("\"steps\": 20", "\"steps\": 700");
    folder.write("nan.json", &longer);
    folder.bad("refine nan.json", "row 50000, column 0 of nan.npy");
}

#[test]
fn hostile_archives_are_refused_before_they_are_read() {
    let folder = Folder::new();
    let refused = |name: &str, bytes: &[u8], words: &str| {
        fs::write(folder.at(name), bytes).unwrap();
        folder.bad(&format!("score {name} truth.npy"), words);
    };
    // 80 MB of zeros in 80 kB.
    let bomb = array(&vec![0.0; 10_000_000], &[10_000_000, 1]);
    folder.npz("bomb.npz", &[("x", bomb)], true);
    assert!(fs::metadata(folder.at("bomb.npz")).unwrap().len() < 100_000);
    folder.bad("score bomb.npz truth.npy", "it would unpack to 80000");
    // One byte that is another, of the array or of what the archive says of it, and every length that is too short.
    let x = events(2, 1);
    folder.npz("good.npz", &[("x", array(&x[..64], &[32, 2]))], false);
    let good = fs::read(folder.at("good.npz")).unwrap();
    let data = good.windows(6).position(|w| w == b"\x93NUMPY").unwrap();
    let mut bytes = good.clone();
    bytes[data + 300] ^= 1;
    refused("damaged.npz", &bytes, "its array `x`: Invalid checksum");
    refused(
        "short.npz",
        &good[..good.len() - 30],
        "no archive of NumPy that can be read",
    );
    // The uncompressed size in the central directory.
    let directory = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    for (size, words) in [
        (u32::MAX - 1, "it would unpack to 4294967294 bytes"),
        (700, "its array `x`: "),
    ] {
        let mut bytes = good.clone();
        bytes[directory + 24..directory + 28].copy_from_slice(&size.to_le_bytes());
        refused("stated.npz", &bytes, words);
    }
}

#[test]
fn a_last_line_without_its_end_is_warned_of() {
    let folder = Folder::new();
    let text: String = (0..50).map(|i| format!("{i}.5,{}\n", 1000 - i)).collect();
    folder.write("whole.csv", &text);
    folder.write("cut.csv", text.trim_end());
    folder.write("short.csv", &text[..text.len() - 5]);
    let warned = |name: &str| {
        let score = format!("score whole.csv {name} --columns 0 --repeats 2 --directions 1");
        String::from_utf8(folder.run(&score).stderr).unwrap()
    };
    assert_eq!(warned("whole.csv"), "");
    assert_eq!(
        warned("cut.csv"),
        "laser: warning: the last line of cut.csv has no newline at its end: was the file cut?\n"
    );
    // Whole columns that are missing are an error.
    folder.bad(
        "score whole.csv short.csv",
        "short.csv: line 50 has 1 values",
    );
}

#[test]
fn weights_and_columns_are_chosen() {
    let folder = Folder::new();
    let x = events(2, 1);
    let weight = |row: usize| 0.5 + (row % 3) as f64;
    let rows = x.chunks(2).enumerate();
    let weighted: Vec<f64> = rows
        .flat_map(|(i, row)| [row[0], row[1], weight(i)])
        .collect();
    folder.npy("weighted.npy", &weighted, 3, Order::C);
    let w: Vec<f64> = (0..ROWS).map(weight).collect();
    let p = Sample::new(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let q = Sample::new(Rows::packed(&x, 2).unwrap(), Some(&w)).unwrap();
    let quick = "--repeats 2 --directions 1 --json";
    let json = folder.json(&format!(
        "score truth.npy weighted.npy --weights=sample {quick}"
    ));
    assert_eq!(
        json["features"][1]["emd"]["distance"],
        emd_1d(&p, &q, 1, 0, 1).unwrap().value
    );
    assert_eq!(
        json["sample"]["effective_events"],
        laser::metrics::effective_size(&w).unwrap()
    );
    assert_eq!(json["reference"]["effective_events"], Value::Null);
    let json = folder.json(&format!(
        "score weighted.npy weighted.npy --weights {quick}"
    ));
    assert_eq!(json["features"][1]["emd"]["distance"], 0.0);
    let by_number = folder.json(&format!(
        "score weighted.npy weighted.npy --weights --weight-column 2 {quick}"
    ));
    assert_eq!(by_number, json);
    let json = folder.json(&format!("score truth.npy weighted.npy --columns 1 {quick}"));
    assert_eq!(json["features"].as_array().unwrap().len(), 1);
    assert_eq!(json["features"][0]["column"], 1);
    assert_eq!(json["features"][0]["emd"]["distance"], 0.0);
    let json = folder.json(&format!(
        "score weighted.npy weighted.npy --jsd 2,0 {quick}"
    ));
    assert_eq!(json["jsd"][0]["columns"], serde_json::json!([2, 0]));

    // Events of negative weight, which leave bins below 0: no JSD, but all else.
    let rows = x.chunks(2).enumerate();
    let negative = |row: usize| if row.is_multiple_of(3) { -1.0 } else { 1.0 };
    let signed: Vec<f64> = rows
        .flat_map(|(i, row)| [row[0], row[1], negative(i)])
        .collect();
    folder.npy("signed.npy", &signed, 3, Order::C);
    let w: Vec<f64> = (0..ROWS).map(negative).collect();
    let q = Sample::new(Rows::packed(&x, 2).unwrap(), Some(&w)).unwrap();
    let json = folder.json(&format!(
        "score truth.npy signed.npy --weights=sample {quick}"
    ));
    let distance = emd_1d(&p, &q, 0, 0, 1).unwrap().value;
    assert_eq!(json["features"][0]["emd"]["distance"], distance);
    assert_eq!(json["jsd"], serde_json::json!([]));
    folder.bad(
        "score truth.npy signed.npy --weights=sample --jsd 0,1 --repeats 2",
        "the second histogram has content -",
    );

    folder.npy("turned.npy", &[1.0, 2.0, -1.0, 3.0, 4.0, -2.0], 3, Order::C);
    folder.bad(
        "score truth.npy turned.npy --weights=sample",
        "turned.npy: the weights of the sample sum to -3,",
    );
    folder.bad("score truth.npy weighted.npy", "--weights=sample");
    folder.usage(
        "score truth.npy weighted.npy --columns 0,2",
        "truth.npy: no column is called `2`; its 2 columns have no names",
    );
    folder.usage(
        "score truth.npy truth.npy --columns 0 --jsd 0,1",
        "column 1 is not among",
    );
    folder.usage("score truth.npy truth.npy --jsd 0", "two different columns");
    for (columns, unknown) in [("a", "a"), ("0,-1", "-1"), ("0,", "")] {
        folder.usage(
            &format!("score truth.npy truth.npy --columns={columns}"),
            &format!(
                "no column is called `{unknown}`; its 2 columns have no names and count from 0"
            ),
        );
    }
    for bins in ["0", "1e9", "some"] {
        folder.usage(
            &format!("score truth.npy truth.npy --bins {bins}"),
            "a whole number from 1 to 10000 is needed",
        );
    }
    folder.usage(
        "score truth.npy truth.npy --seed -1",
        "a whole number from 0 to 4294967295 is needed",
    );
    folder.usage(
        "score truth.npy truth.npy --auc --threads 0",
        "a whole number from 1 to 1024 is needed",
    );
    folder.usage(
        "score truth.npy truth.npy --directions 0",
        "a whole number from 1 to 4294967295 is needed",
    );
    folder.usage(
        "score truth.npy truth.npy --weights=all",
        "reference, sample, both",
    );
}

#[test]
fn score_says_which_file_is_wrong() {
    let folder = Folder::new();
    folder.write("nan.csv", "# a remark\na,b\n1,2\n3,nan\n");
    folder.npy("nan.npy", &[1.0, 2.0, 3.0, f64::INFINITY], 2, Order::C);
    folder.write("large.csv", "1,2\n3,-1e400\n");
    folder.write("word.csv", "1,2\n3,four\n");
    folder.write("ragged.csv", "1,2\n3\n");
    folder.write("empty.csv", "");
    folder.write("names.csv", "a,b\n");
    folder.write("noise.npy", "not NumPy's");
    folder.write("one.csv", "1\n2\n");
    folder.write("semicolons.csv", "1,5;2,5\n");
    folder.write("names;.csv", "a;b\n1;2\n");
    folder.write("blanks.csv", "the mass\n1 2\n");
    folder.write("tabs.csv", "1\t2\n");
    folder.write("archive.npz", "PK");
    let bytes = fs::read(folder.at("truth.npy")).unwrap();
    fs::write(folder.at("cut.npy"), &bytes[..bytes.len() - 1]).unwrap();
    for (name, message) in [
        (
            "nan.csv",
            "nan.csv: line 4, column 1 (from 0): NaN; all numbers must be finite",
        ),
        (
            "nan.npy",
            "nan.npy: row 1, column 1 (both from 0): inf; all numbers must be finite",
        ),
        (
            "large.csv",
            "large.csv: line 2, column 1 (from 0): `-1e400` is too large for a number",
        ),
        ("nan.csv --weights=sample", "nan.csv: line 4, column 1"),
        (
            "word.csv",
            "word.csv: line 2, column 1 (from 0): `four` is no number",
        ),
        ("ragged.csv", "ragged.csv: line 2 has 1 values"),
        ("empty.csv", "empty.csv: there are no events"),
        ("names.csv", "names.csv: there are no events"),
        ("noise.npy", "noise.npy: no .npy file"),
        ("cut.npy", "cut.npy: 3000 x 2 numbers of 8 bytes do not fit"),
        (
            "semicolons.csv",
            "semicolons.csv: line 1, `5;2`: columns with semicolons between; commas are needed",
        ),
        (
            "names;.csv",
            "names;.csv: the first line, `a;b`: columns with semicolons",
        ),
        (
            "tabs.csv",
            "tabs.csv: the first line, `1\t2`: columns with tabs between",
        ),
        (
            "blanks.csv",
            "blanks.csv: line 2, `1 2`: columns with blanks between",
        ),
        (
            "archive.npz",
            "archive.npz: no archive of NumPy that can be read",
        ),
        ("none.npy", "none.npy: No such file"),
        ("model.laser", "model.laser: unknown kind of file"),
    ] {
        folder.bad(&format!("score truth.npy {name}"), message);
    }
    folder.usage("score truth.npy a.hepmc", "say what of them counts");
    folder.usage("score one.csv one.csv --weights", "has only one");
    // What is not compared may be missing.
    folder.good("score truth.npy nan.csv --columns 0 --repeats 2 --directions 1");
    let array = |name: &str, shape: &[u64]| {
        let mut file = fs::File::create(folder.at(name)).unwrap();
        let npy = npyz::WriteOptions::new().default_dtype().shape(shape);
        let mut npy = npy.writer(&mut file).begin_nd().unwrap();
        npy.extend([1i64, 2, 3, 4]).unwrap();
        npy.finish().unwrap();
    };
    array("cube.npy", &[2, 2, 1]);
    array("integers.npy", &[2, 2]);
    folder.bad("score truth.npy cube.npy", "array.reshape(len(array), -1)");
    folder.bad("score truth.npy integers.npy", "array.astype(\"f8\")");
    for (field, shape, message) in [
        (
            "'y', '<U8'",
            "(1,)",
            "its field `y` is '<U8', and no number",
        ),
        ("'y', '<f8', (2,)", "(1,)", "its field `y` is"),
        (
            "'y', '<f8'",
            "(2,)",
            "2 records of 16 bytes do not fit its 16 bytes",
        ),
        (
            "'y', '<f8'",
            "(1, 1)",
            "one record for each event is needed: `array.ravel()`",
        ),
        ("'', '|V9223372036854775799'", "(0,)", "structured.npy: "),
    ] {
        let fields = format!("('x', '<f8'), ({field})");
        folder.structured("structured.npy", &fields, shape, &[0; 16]);
        folder.bad("score truth.npy structured.npy", message);
    }
    // A header that asks for more memory than there is.
    let mut huge = bytes.clone();
    let wide = b"(3000000000000000, 9), }";
    let from = bytes.iter().position(|&b| b == b'(').unwrap();
    huge[from..from + wide.len()].copy_from_slice(wide);
    fs::write(folder.at("huge.npy"), huge).unwrap();
    folder.bad("score truth.npy huge.npy", "do not fit");
}

// --- laser refine ---

#[test]
fn refine_trains_what_the_library_trains() {
    let folder = Folder::new();
    let mut settings: Value = serde_json::from_str(OPTIONS).unwrap();
    settings["refiner.method"] = "rejection".into();
    folder.write(
        "train.json",
        &format!(r#"{{"events": "truth.npy", "model": "out.laser", "options": {settings}}}"#),
    );
    let text = folder.good("refine train.json");
    assert!(
        text.contains("rejection") && text.contains("out.laser"),
        "{text}"
    );
    // The same again: the same file, byte by byte.
    folder.write(
        "twin.json",
        &format!(r#"{{"events": "truth.npy", "model": "twin.laser", "options": {settings}}}"#),
    );
    folder.good("refine twin.json");
    let bytes = |name: &str| fs::read(folder.at(name)).unwrap();
    assert!(bytes("twin.laser") == bytes("out.laser"));
    let rows = |name: &str| sampled(folder.model(name), "rejection", [1, 0, 0], 500);
    assert_eq!(bits(&rows("out.laser")), bits(&rows("model.laser")));
    let log = fs::read_to_string(folder.at("out.laser.log")).unwrap();
    for part in [
        "3000 events of 2 columns from truth.npy",
        "flow: epoch 1 of 2, loss",
        "flow: 480 updates in ",
        "every event ",
        "judgement: ",
        "classifier: epoch 2 of 2, loss",
        "weights: mean",
        "saved out.laser",
    ] {
        assert!(log.contains(part), "{part} is not in\n{log}");
    }

    // The generator of a file, and events with weights of 1.
    let x = events(2, 1);
    let weighted: Vec<f64> = x.chunks(2).flat_map(|row| [row[0], row[1], 1.0]).collect();
    folder.npy("weighted.npy", &weighted, 3, Order::C);
    folder.write("again.json", &format!(
        r#"{{"events": "weighted.npy", "weights_column": true, "generator": "model.laser", "model": "again.laser", "options": {settings}}}"#
    ));
    folder.good("refine again.json");
    let parameters = |name: &str| folder.model(name).generator.parameters.clone();
    assert_eq!(parameters("again.laser"), parameters("model.laser"));
    let log = fs::read_to_string(folder.at("again.laser.log")).unwrap();
    assert!(!log.contains("flow: epoch"), "{log}");
}

#[test]
fn a_training_killed_every_few_moments_ends_in_the_same_model() {
    let folder = Folder::new();
    let mut settings: Value = serde_json::from_str(OPTIONS).unwrap();
    settings["refiner.method"] = "rejection".into();
    settings["flow"]["epochs"] = 200.into();
    settings["classifier"]["epochs"] = 150.into();
    for model in ["whole", "killed"] {
        folder.write(
            &format!("{model}.json"),
            &format!(
                r#"{{"events": "truth.npy", "model": "{model}.laser", "options": {settings}}}"#
            ),
        );
    }
    folder.good("refine whole.json");
    let command = "refine killed.json --checkpoint kept --every 0.02";
    let mut killed = 0;
    // Two in three are killed some moments after they saved, however slow the disk is; one in
    // three after moments alone, so also before.
    let saved = || {
        let kept = fs::metadata(folder.at("kept")).ok();
        kept.map(|kept| (kept.ino(), kept.modified().unwrap()))
    };
    // Until each of its trainings has gone on some times.
    let gone_on = || {
        let log = fs::read_to_string(folder.at("kept.log")).unwrap_or_default();
        let times = |part: &str| log.matches(&format!("{part}: goes on after")).count();
        times("flow").min(times("classifier"))
    };
    for number in 0..1000_u64 {
        let is_killed = gone_on() < 4;
        let before = saved();
        let mut child = folder
            .command(command)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut is_due = number % 3 == 0;
        let mut patience = std::time::Duration::from_millis(7 * (number % 8));
        if is_due {
            patience += std::time::Duration::from_millis(number / 3);
        }
        let mut since = std::time::Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if is_killed && is_due && since.elapsed() > patience => {
                    child.kill().unwrap();
                    break child.wait().unwrap();
                }
                None => std::thread::sleep(std::time::Duration::from_millis(1)),
            }
            if !is_due && saved() != before {
                (is_due, since) = (true, std::time::Instant::now());
            }
        };
        if status.success() {
            break;
        }
        assert_eq!(status.code(), None, "killed, not failed");
        killed += 1;
    }
    println!("killed {killed} times");
    let bytes = |name: &str| fs::read(folder.at(name)).unwrap();
    assert!(killed > 4 && bytes("killed.laser") == bytes("whole.laser"));
    let log = String::from_utf8(bytes("killed.laser.log")).unwrap();
    for part in ["flow", "classifier"] {
        let lines = log
            .lines()
            .filter(|line| line.contains(&format!("{part}: goes on after")));
        println!(
            "{} processes went on with the {part}",
            lines.clone().count()
        );
        assert!(lines.count() > 0, "{log}");
    }
    let begun = log
        .lines()
        .filter(|line| line.contains("events of 2 columns from truth.npy"));
    assert!(begun.count() > 2, "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.contains("saved killed.laser"), "{log}");
    for kept in ["kept", "kept.log"] {
        assert!(!folder.at(kept).exists(), "it is of use no more");
    }
}

#[test]
fn an_interrupted_training_says_how_to_go_on_and_refuses_another() {
    let folder = Folder::new();
    let config = |lr: f64| {
        folder.write("train.json", &format!(r#"{{"events": "truth.npy", "model": "a.laser", "options": {{"flow": {{"epochs": 1000000, "batch": 1000, "lr": {lr}}}}}}}"#));
    };
    config(1e-3);
    let stderr = fs::File::create(folder.at("stderr")).unwrap();
    let mut child = folder
        .command("refine train.json --checkpoint kept")
        .stderr(stderr)
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(folder.at("stderr")).unwrap();
    wait_for(|| said().contains("flow: epoch 1 of"));
    interrupt(&child, libc::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let end = "laser: interrupted; go on with: laser refine train.json --checkpoint kept\n";
    assert!(said().ends_with(end), "{}", said());
    config(2e-3);
    folder.bad(
        "refine train.json --checkpoint kept",
        "the checkpoint kept is of something else: its `flow.lr` is 0.001, not 0.002",
    );
    folder.usage(
        "refine train.json --checkpoint a.laser",
        "needs a file of its own",
    );
    folder.bad("refine train.json --checkpoint truth.npy", "truth.npy");
    folder.usage(
        "refine train.json --checkpoint kept --every 0",
        "a positive number",
    );
    folder.write("kept", "{}");
    fs::remove_file(folder.at("kept.log")).unwrap();
    folder.bad("refine train.json --checkpoint kept", "kept: ");
    assert!(!folder.at("kept.log").exists());
}

#[test]
fn a_model_that_cannot_be_saved_is_not_lost() {
    let folder = Folder::new();
    fs::create_dir(folder.at("out")).unwrap();
    let mut settings: Value = serde_json::from_str(OPTIONS).unwrap();
    settings["refiner.method"] = "rejection".into();
    settings["classifier"]["epochs"] = 40.into();
    folder.write(
        "train.json",
        &format!(r#"{{"events": "truth.npy", "model": "out/a.laser", "options": {settings}}}"#),
    );
    let run = |arguments: &str| {
        let stderr = fs::File::create(folder.at("stderr")).unwrap();
        let mut child = folder
            .command(&format!("refine train.json{arguments}"))
            .env("TMPDIR", folder.at("."))
            .stderr(stderr)
            .spawn()
            .unwrap();
        let said = || fs::read_to_string(folder.at("stderr")).unwrap();
        // Its folder goes away while it trains.
        wait_for(|| said().contains("classifier: epoch 1 of"));
        fs::remove_dir_all(folder.at("out")).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{}", said());
        fs::create_dir(folder.at("out")).unwrap();
        said()
    };
    let said = run("");
    let (_, name) = said.trim_end().rsplit_once("; it is in ").unwrap();
    assert!(fs::read(name).unwrap().len() > 1000, "{said}");
    let said = run(" --checkpoint kept");
    assert!(said.contains("its trainings are in kept"), "{said}");
    folder.good("refine train.json --checkpoint kept");
    assert!(fs::read(name).unwrap() == fs::read(folder.at("out/a.laser")).unwrap());
}

#[test]
fn weights_that_cannot_be_written_are_not_lost() {
    let folder = Folder::new();
    fs::create_dir(folder.at("out")).unwrap();
    let signed: Vec<f64> = events(2, 1)
        .chunks(2)
        .enumerate()
        .flat_map(|(row, x)| [x[0], x[1], if row % 5 == 0 { -1.0 } else { 1.0 }])
        .collect();
    folder.npy("signed.npy", &signed, 3, Order::C);
    let mut settings: Value = serde_json::from_str(OPTIONS).unwrap();
    settings["classifier"]["epochs"] = 40.into();
    folder.write("options.json", &settings.to_string());
    let stderr = fs::File::create(folder.at("stderr")).unwrap();
    let mut child = folder
        .command("resample signed.npy -o out/new.npy --options options.json")
        .env("TMPDIR", folder.at("."))
        .stderr(stderr)
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(folder.at("stderr")).unwrap();
    // Its folder goes away while it trains.
    wait_for(|| said().contains("classifier: epoch 1 of"));
    fs::remove_dir_all(folder.at("out")).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{}", said());
    assert!(
        said().contains("out/new.npy: cannot be written"),
        "{}",
        said()
    );
    let said = said();
    let (_, name) = said.trim_end().rsplit_once("tells), is in ").unwrap();
    // It gives what could not be written.
    let model = Path::new(name).file_name().unwrap().to_str().unwrap();
    folder.good(&format!("reweight apply {model} truth.npy -o w.npy"));
    folder.good("resample signed.npy -o new.npy --options options.json");
    let record = Reweighter::load(&folder.at(model)).unwrap().record.clone();
    let factor = record["resample"]["factor"].as_f64().unwrap();
    let (_, w) = folder.read("w.npy");
    let (_, new) = folder.read("new.npy");
    let new = new.chunks(3).map(|row| row[2]);
    assert!(w
        .iter()
        .zip(new)
        .all(|(w, new)| (w * factor / new - 1.0).abs() < 1e-9));
}

#[test]
fn refine_says_what_is_wrong_before_it_trains() {
    let folder = Folder::new();
    let bad = |config: &str, message: &str| {
        folder.write("train.json", config);
        folder.bad("refine train.json", message);
    };
    bad(
        r#"{"event": "truth.npy", "model": "a.laser"}"#,
        "unknown key `event`; did you mean `events`?",
    );
    bad(
        r#"{"flow.epochs": 3}"#,
        "liblaser's options go under `options`",
    );
    bad(r#"{"events": "truth.npy"}"#, "missing field `model`");
    bad(
        r#"{"events": "truth.npy", "model": 3}"#,
        "no valid configuration",
    );
    bad(
        r#"{"events": "truth.npy", "events": "b.npy", "model": "a.laser"}"#,
        "duplicate field",
    );
    bad("train it", "no valid configuration");
    bad(
        r#"{"events": "truth.npy", "model": "a.laser", "options": {"flow.bloks": 3}}"#,
        "did you mean `flow.blocks`",
    );
    bad(
        r#"{"events": "truth.npy", "model": "a.laser", "options": {"seed": 1, "seed": 2}}"#,
        "given twice",
    );
    bad(
        r#"{"events": "truth.npy", "model": "a.laser", "options": {"preset": "slow"}}"#,
        "no preset",
    );
    bad(
        r#"{"events": "none.npy", "model": "a.laser"}"#,
        "none.npy: No such file",
    );
    bad(
        r#"{"events": "truth.npy", "model": "no/a.laser"}"#,
        "no/a.laser: cannot be written: No such file",
    );
    for name in ["", "new/"] {
        bad(
            &format!(r#"{{"events": "truth.npy", "model": "{name}"}}"#),
            &format!("train.json: `model` is \"{name}\"; it must name the file to write"),
        );
    }
    bad(
        r#"{"events": "truth.npy", "model": "truth.npy"}"#,
        "read by the same command",
    );
    bad(
        r#"{"events": "truth.npy", "model": "model.laser", "generator": "model.laser"}"#,
        "read by the same command",
    );
    bad(
        r#"{"events": "truth.npy", "model": "a.laser", "generator": "none.laser"}"#,
        "none.laser: No such file",
    );
    bad(
        r#"{"events": "truth.npy", "model": "a.laser", "generator": "given.laser"}"#,
        "truth.npy: the events have 2 columns, but those of the generator given.laser have 2 features and 1 conditions",
    );
    bad(
        r#"{"events": "truth.npy", "model": "a.laser", "options": {"sampler.method": "hmc"}}"#,
        "the method that the model is refined for is `refiner.method`",
    );
    bad(
        r#"{"events": "truth.npy", "model": "a.laser", "options": {"sampler": {"threads": 2}}}"#,
        "the trainings have `threads`",
    );
    folder.write("nan.csv", "1,2\ninf,4\n");
    bad(
        r#"{"events": "nan.csv", "model": "a.laser"}"#,
        "nan.csv: line 2, column 0 (from 0): inf; all numbers must be finite",
    );
    folder.bad("refine none.json", "none.json: No such file");
    folder.bad(
        "refine model.laser",
        "model.laser: this is a model; `laser info` and `laser sample` take it",
    );
    folder.bad(
        "refine truth.npy",
        "truth.npy: this is an array of NumPy; `laser score` takes it, or `events` in a configuration",
    );
    fs::write(folder.at("bytes.json"), [0xff, 0x00]).unwrap();
    folder.bad(
        "refine bytes.json",
        "bytes.json: this is no text; `laser refine --help` shows",
    );
}

#[test]
fn refine_warns_of_weights_that_are_trained_as_a_feature() {
    let folder = Folder::new();
    let refine = |name: &str, weights: bool| {
        let x = events(2, 1);
        let rows = x
            .chunks(2)
            .map(|row| format!("{},{},{}\n", row[0], row[1], row[0].abs()));
        folder.write(
            "named.csv",
            &format!("a,b,{name}\n{}", rows.collect::<String>()),
        );
        folder.write(
            "train.json",
            &format!(
                r#"{{"events": "named.csv", "weights_column": {weights}, "model": "a.laser", "options": {OPTIONS}}}"#
            ),
        );
        String::from_utf8(folder.run("refine train.json").stderr).unwrap()
    };
    let warning = "warning: `Weight` is trained as a feature, and is called as weights are";
    assert!(refine("Weight", false).contains(warning));
    for (name, weights) in [("Weight", true), ("height", false)] {
        let said = refine(name, weights);
        assert!(said.contains("saved a.laser"), "{said}");
        assert!(!said.contains("is trained as a feature"), "{said}");
    }
}

#[test]
fn the_whole_plan_is_checked_before_the_first_training() {
    let folder = Folder::new();
    let plan = |conditions: i64, settings: &str| {
        let mut options: Value = serde_json::from_str(OPTIONS).unwrap();
        let settings: Value = serde_json::from_str(settings).unwrap();
        options["conditions"] = conditions.into();
        let more = settings.as_object().unwrap().clone();
        options.as_object_mut().unwrap().extend(more);
        format!(r#"{{"events": "wide.npy", "model": "a.laser", "options": {options}}}"#)
    };
    folder.npy("wide.npy", &events(3, 1), 3, Order::C);
    for (conditions, settings, message) in [
        (0, r#"{"iteration.rounds": 2, "refiner.method": "rejection"}"#, "`iteration.rounds` above 1: it takes a learned refiner"),
        (0, r#"{"iteration.rounds": 2, "refiner.method": "gan"}"#, "no explicit density"),
        (1, r#"{"refiner.method": "hmc"}"#, "`hmc` makes its events in common"),
        (1, r#"{"refiner.method": "resampling"}"#, "`resampling` makes its events in common"),
        (0, r#"{"classifier": {"batch": 2701}}"#, "`classifier.batch` is 2701, but the event array has 2700 events to train on, besides 300"),
        (0, r#"{"flow": {"batch": 2701}}"#, "`flow.batch` is 2701"),
        (0, r#"{"refiner.method": "gan", "gan.latent": 2}"#, "`gan.latent` is 2"),
        (0, r#"{"refiner.method": "gan", "gan.pool": 1000, "gan.batch": 1001}"#, "`gan.batch` is 1001, but `gan.pool`"),
        (0, r#"{"refiner.method": "flow", "refiner_flow.pool": 1000, "refiner_flow.batch": 1001}"#, "`refiner_flow.batch` is 1001"),
        (0, r#"{"refiner.method": "matching", "matching.pool": 1000, "matching.batch": 1001}"#, "`matching.batch` is 1001"),
        (0, r#"{"features.scaling": "none, none"}"#, "`features.scaling` lists 2 scalings, but there are 3 features"),
        (0, r#"{"backend": "engine", "device": "cuda"}"#, "`backend` is `engine`"),
    ] {
        folder.write("train.json", &plan(conditions, settings));
        let errors = folder.bad("refine train.json", message);
        assert!(!errors.contains("epoch"), "{settings}: {errors}");
    }
}

#[test]
fn an_interrupted_training_leaves_nothing() {
    let folder = Folder::new();
    // Days of it.
    folder.write("train.json", r#"{"events": "truth.npy", "model": "a.laser", "options": {"flow": {"epochs": 1000000, "batch": 1000}}}"#);
    let before = folder.files();
    let stderr = fs::File::create(folder.at("stderr")).unwrap();
    let mut child = folder
        .command("refine train.json")
        .stderr(stderr)
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(folder.at("stderr")).unwrap();
    wait_for(|| said().contains("flow: epoch 1 of"));
    interrupt(&child, libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        said().ends_with("laser: interrupted; nothing was written\n"),
        "{}",
        said()
    );
    let mut after = folder.files();
    after.remove(Path::new(&folder.at("stderr")));
    assert_eq!(after, before);
}

/// Of events of two features with a third, which stands for a weight: 1, or −½ of every fifth.
fn weighted_events(seed: u64) -> Vec<f64> {
    let rows = events(2, seed);
    let rows = rows.chunks_exact(2).enumerate();
    rows.flat_map(|(row, x)| {
        let w = if row % 5 == 0 { -0.5 } else { 1.0 };
        [0.9 * x[0], x[1], w]
    })
    .collect()
}

/// Rows of the weight, a feature, a variation of the weight, another feature, and a number that is no feature.
fn rows_of_both_signs() -> Vec<f64> {
    let rows = weighted_events(2);
    let rows = rows.chunks_exact(3).enumerate();
    rows.flat_map(|(row, x)| [x[2], x[0], 2.0 * x[2], x[1], row as f64])
        .collect()
}

#[test]
fn resample_writes_what_the_library_says() {
    let folder = Folder::new();
    folder.write("options.json", OPTIONS);
    let rows = rows_of_both_signs();
    folder.npy("events.npy", &rows, 5, Order::C);
    let events = weighted_events(2);
    let x: Vec<f64> = events.chunks_exact(3).flat_map(|x| [x[0], x[1]]).collect();
    let w: Vec<f64> = events.chunks_exact(3).map(|x| x[2]).collect();
    let library = |method: &str| {
        let mut options = Options::from_json(OPTIONS).unwrap();
        options.set_str("resample.method", method).unwrap();
        let source = Source::from_rows(Rows::packed(&x, 2).unwrap(), Some(&w)).unwrap();
        let mut new = vec![0.0; ROWS];
        let column = RowsMut::column(&mut new);
        let made = resample(&source, &options, &(), Some(column)).unwrap();
        (new, made.to_bytes().unwrap())
    };
    let carried = |new: &[f64]| -> Vec<f64> {
        let rows = rows.chunks_exact(5).zip(new).filter(|(_, w)| **w != 0.0);
        rows.flat_map(|(x, w)| [*w, x[1], x[2] * (w / x[0]), x[3], x[4]])
            .collect()
    };
    let command =
        "resample events.npy --weight-column 0 --also 2 --columns 1,3 --options options.json";
    let told = folder.good(&format!("{command} -o new.npy --model r.laser"));
    for line in [
        "new.npy\n",
        "weights of both signs of 3000 events, whose sum is 2100",
        "negative events          20.0 %",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let (new, bytes) = library("mean");
    assert_eq!(
        folder.read("new.npy"),
        (vec![ROWS as u64, 5], carried(&new))
    );
    assert!(bytes == fs::read(folder.at("r.laser")).unwrap());
    let log = fs::read_to_string(folder.at("new.npy.log")).unwrap();
    for line in [
        "3000 events of 2 features from events.npy, with the weights of column x0",
        "column `x2` sums to 4200, and summed to 4200",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }

    // Fewer events; from and to a .csv, whose names say what is what.
    let table: String = rows
        .chunks_exact(5)
        .map(|x| format!("{},{},{},{},{}\n", x[0], x[1], x[2], x[3], x[4]))
        .collect();
    folder.write("events.csv", &format!("w,a,w2,b,c\n{table}"));
    let command =
        "resample events.csv --weight-column w --also w2 --columns a,b --options options.json";
    let told = folder.good(&format!("{command} -o few.csv --variance"));
    assert!(told.contains("kept"), "{told}");
    let text = fs::read_to_string(folder.at("few.csv")).unwrap();
    let (head, numbers) = text.split_once('\n').unwrap();
    assert_eq!(head, "w,a,w2,b,c");
    let numbers: Vec<f64> = numbers
        .lines()
        .flat_map(|line| line.split(',').map(|x| x.parse().unwrap()))
        .collect();
    // The names are in the options, and of no matter to the numbers.
    assert_eq!(numbers, carried(&library("variance").0));

    // Of an array with named fields comes another.
    let names = ["w", "a", "w2", "b", "it's c"];
    let fields = names.map(|name| format!("(\"{name}\", '<f8'), "));
    let bytes: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
    folder.structured("named.npy", &fields.concat(), &format!("({ROWS},)"), &bytes);
    folder.good(&format!(
        "{} -o few.npy --variance",
        command.replace("events.csv", "named.npy")
    ));
    let (read, named) = folder.records("few.npy");
    assert_eq!((&read[..], named), (&names.map(str::to_owned)[..], numbers));

    // Particles: all weights of an event by the same factor.
    folder.write("events.lhe", &muons(&x, &w));
    let command = "resample events.lhe --features px(13),py(13) --options options.json -o new.lhe";
    folder.good(command);
    let written = fs::read_to_string(folder.at("new.lhe")).unwrap();
    let numbers = |before: &str, column: usize| -> Vec<f64> {
        let lines = written.lines().collect::<Vec<_>>();
        let those = lines.windows(2).filter(|pair| pair[0] == before);
        let words = |line: &str| -> Vec<f64> {
            let words = line.split([' ', '<', '>']);
            words.filter_map(|word| word.parse().ok()).collect()
        };
        those.map(|pair| words(pair[1])[column]).collect()
    };
    let close = |found: &[f64], factor: f64| {
        let mut pairs = found.iter().zip(&new);
        found.len() == ROWS && pairs.all(|(a, b)| (a / (factor * b) - 1.0).abs() < 1e-5)
    };
    assert!(close(&numbers("<event>", 2), 1.0) && close(&numbers("<rwgt>", 0), 2.0));
    folder.usage("resample events.lhe -o x.lhe", "say with --features");
    folder.usage(
        "resample events.lhe -o x.npy --features px(13)",
        "a file of their own kind",
    );
    folder.usage(
        "resample events.lhe -o x.lhe --features px(13) --also up",
        "all weights of an event are multiplied alike",
    );
    folder.usage(
        "resample events.npy -o x.npy --features px(13)",
        "of a table take --columns",
    );

    // Mistakes.
    folder.bad(
        "resample events.npy -o x.npy --columns 1,3",
        "column 4 (from 0) counts the rows",
    );
    folder.usage(
        "resample events.csv -o x.npy --weight-column v",
        "no column is called `v`; there are w, a, w2, b, c",
    );
    folder.usage(
        "resample events.csv -o x.npy --weight-column w --also a --columns a,b",
        "column 1 (from 0) is asked for twice",
    );
    folder.bad(
        "resample events.csv -o x.npy --weight-column w",
        "counts the rows: it is an index",
    );
    folder.usage("resample events.npy -o x.hepmc", "a row of numbers");
    folder.usage("resample events.npy -o x.npz", "archives are read");
    folder.bad(
        "resample events.npy -o events.npy",
        "read by the same command",
    );
    let mut broken = rows.clone();
    broken[5 * 7 + 3] = f64::NAN;
    folder.npy("broken.npy", &broken, 5, Order::C);
    folder.bad(
        "resample broken.npy -o x.npy --weight-column 0 --columns 1,3",
        "row 7, column x3 (3, both from 0) is not finite",
    );
    assert!(!Path::new(&folder.at("x.npy")).exists());
}

#[test]
fn reweight_trains_and_weighs_as_the_library_does() {
    let folder = Folder::new();
    folder.write("options.json", OPTIONS);
    let x = events(2, 1);
    let to = weighted_events(2);
    folder.npy("to.npy", &to, 3, Order::C);
    let told = folder
        .good("reweight train truth.npy to.npy -o r.laser --options options.json --weights=to");
    assert!(told.starts_with("r.laser\n"), "{told}");
    for line in [
        "events       2 features, float32",
        "weights of 3000 events of `from`",
    ] {
        assert!(told.contains(line), "{told}");
    }
    assert!(
        !told.contains("method") && !told.contains("proposals"),
        "{told}"
    );
    let log = fs::read_to_string(folder.at("r.laser.log")).unwrap();
    assert!(
        log.contains("3000 events of 2 columns from to.npy"),
        "{log}"
    );
    let options = Options::from_json(OPTIONS).unwrap();
    let features: Vec<f64> = to.chunks_exact(3).flat_map(|x| [x[0], x[1]]).collect();
    let w: Vec<f64> = to.chunks_exact(3).map(|x| x[2]).collect();
    let source = |x, w| Source::from_rows(Rows::packed(x, 2).unwrap(), w).unwrap();
    let (mut from, mut target) = (source(&x, None), source(&features, Some(&w[..])));
    let made = train_reweighter(&mut from, &mut target, &options, &()).unwrap();
    assert!(made.to_bytes().unwrap() == fs::read(folder.at("r.laser")).unwrap());
    let info = folder.json("info r.laser --json");
    assert!(info["method"].is_null() && info["latent_dim"] == 0);
    assert!(folder
        .good("info r.laser")
        .contains("r.laser: a reweighter"));

    // The weights of the library, of every kind of file, in one piece or two.
    let loaded = Reweighter::load(&folder.at("r.laser")).unwrap();
    let [mut w, mut log_w] = [(); 2].map(|()| vec![0.0; ROWS]);
    let out = Weights {
        w: Some(RowsMut::column(&mut w)),
        log_w: Some(RowsMut::column(&mut log_w)),
        spread: None,
    };
    let rows = Rows::packed(&x, 2).unwrap();
    loaded.weights(&options, rows, out).unwrap();
    let said = folder.run("reweight apply r.laser truth.npy -o w.npy --threads 2");
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("weights of 3000 events in"), "{said}");
    assert_eq!(folder.read("w.npy"), (vec![ROWS as u64], w.clone()));
    folder.good("reweight apply r.laser truth.npy -o all.npy --events-too --log --spread");
    let (shape, all) = folder.read("all.npy");
    assert_eq!(shape, [ROWS as u64, 5]);
    let expected = x.chunks_exact(2).zip(w.iter().zip(&log_w));
    let expected: Vec<f64> = expected
        .flat_map(|(x, (w, log_w))| [x[0], x[1], *log_w, 0.0, *w])
        .collect();
    assert_eq!(all, expected);
    let bytes: Vec<u8> = x.iter().flat_map(|x| x.to_le_bytes()).collect();
    let fields = "('pt', '<f8'), ('eta', '<f8')";
    folder.structured("named.npy", fields, &format!("({ROWS},)"), &bytes);
    folder.good("reweight apply r.laser named.npy -o both.npy --events-too --log --spread");
    let (names, both) = folder.records("both.npy");
    assert_eq!(
        (names.join(" "), both),
        ("pt eta log_w spread w".into(), all)
    );
    folder.good("reweight apply r.laser truth.npy -o w.csv");
    let text = fs::read_to_string(folder.at("w.csv")).unwrap();
    let (head, numbers) = text.split_once('\n').unwrap();
    let numbers: Vec<f64> = numbers.lines().map(|line| line.parse().unwrap()).collect();
    assert!(head == "w" && numbers == w);
    let piped = folder.good("reweight apply r.laser truth.npy -o - --format csv");
    assert_eq!(piped, text);

    // Other events are told of, but by a few there is no telling.
    let far: Vec<f64> = x.iter().map(|x| 3.0 + 0.01 * x).collect();
    for (rows, told) in [(ROWS, true), (50, false)] {
        folder.npy("far.npy", &far[..2 * rows], 2, Order::C);
        let said = folder.run("reweight apply r.laser far.npy -o far.csv");
        let said = String::from_utf8(said.stderr).unwrap();
        assert_eq!(
            said.contains("the mean weight of these events"),
            told,
            "{said}"
        );
    }

    // By their own weights they may be those of FROM after all.
    for (counts, told) in [([1.0, 0.0], false), ([0.0, 1.0], true)] {
        let rows = |x: &[f64], v: f64| -> Vec<f64> {
            let rows = x.chunks_exact(2);
            rows.flat_map(|x| [x[0], v, x[1]]).collect()
        };
        let both = [rows(&x, counts[0]), rows(&far, counts[1]).repeat(9)].concat();
        folder.npy("own.npy", &both, 3, Order::C);
        let command = "reweight apply r.laser own.npy -o own.csv --weight-column 1";
        let said = String::from_utf8(folder.run(command).stderr).unwrap();
        assert!(said.contains(", with the events' own weights "), "{said}");
        let warned = said.contains("the mean weight of these events");
        assert_eq!(warned, told, "{said}");
        let text = fs::read_to_string(folder.at("own.csv")).unwrap();
        let first: Vec<f64> = text
            .lines()
            .skip(1)
            .take(ROWS)
            .map(|w| w.parse().unwrap())
            .collect();
        assert_eq!(first, w, "these are without them");
    }
    folder.npy("nan.npy", &[0.1, f64::NAN, 0.2, 1.0, 2.0, 3.0], 3, Order::C);
    folder.bad(
        "reweight apply r.laser nan.npy -o x.npy --weight-column 1",
        "nan.npy: row 0 (from 0): its weight is NaN",
    );
    folder.npy("none.npy", &[0.1, -1.0, 0.2, 1.0, 1.0, 3.0], 3, Order::C);
    let said = folder.run("reweight apply r.laser none.npy -o x.npy --weight-column 1");
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(
        said.contains(", the events' own weights sum to 0,"),
        "{said}"
    );
    // Numbers of events that would be others in a table of doubles.
    let data: Vec<u8> = (0..3_u64)
        .flat_map(|i| [1_f64.to_bits(), 2_f64.to_bits(), (1 << 53) - 1 + i])
        .flat_map(u64::to_le_bytes)
        .collect();
    let fields = "('pt', '<f8'), ('eta', '<f8'), ('event', '<u8')";
    folder.structured("long.npy", fields, "(3,)", &data);
    folder.structured("short.npy", fields, "(1,)", &data[..24]);
    let data_of_to: Vec<u8> = to.iter().flat_map(|x| x.to_le_bytes()).collect();
    let (fields_of_to, shape) = (
        "('pt', '<f8'), ('eta', '<f8'), ('w', '<f8')",
        format!("({},)", to.len() / 3),
    );
    folder.structured("to_named.npy", fields_of_to, &shape, &data_of_to);
    let named =
        "reweight train named.npy to_named.npy -o named.laser --weights=to --options options.json";
    folder.good(named);
    folder.good("reweight apply named.laser long.npy -o x.npy");
    folder.good("reweight apply named.laser short.npy -o x.npy --events-too");
    folder.bad(
        "reweight apply named.laser long.npy -o x.npy --events-too",
        "long.npy: row 1, column 2 (both from 0): a whole number of 2^53 or more",
    );
    folder.usage(
        "reweight apply r.laser own.npy -o x.npy --weight-column v",
        "own.npy: no column is called `v`; its 3 columns have no names",
    );
    folder.usage(
        "reweight apply r.laser a.lhe -o b.lhe --weight-column 1",
        "--weight-column is for tables",
    );

    // Mistakes.
    folder.usage(
        "reweight apply r.laser truth.npy -o -",
        "say with --format what to write to stdout",
    );
    folder.bad(
        "reweight apply r.laser to.npy -o x.npy",
        "it has 3 columns, and 2 are needed",
    );
    folder.usage(
        "reweight apply model.laser truth.npy -o x.npy",
        "this is a model with a generator, and no reweighter",
    );
    folder.usage(
        "sample r.laser -n 10 -o x.npy",
        "this is a reweighter, which has weights for events of the host",
    );
    folder.usage(
        "reweight apply r.laser truth.npy -o x.hepmc",
        "only their own can have the weights in it",
    );
    folder.usage(
        "reweight apply r.laser truth.npy -o truth.npy",
        "read by the same command",
    );
    folder.usage(
        "reweight apply r.laser truth.npy -o x.npy --conditions 1",
        "1 numbers, and the reweighter has 0 conditions",
    );
    folder.usage(
        "reweight train truth.npy to.npy -o x.laser --preset slow",
        "no preset",
    );
    folder.bad(
        "reweight train truth.npy to.npy -o x.laser --options options.json",
        "the events of `from` have 2 columns, those of `to` 3",
    );
    let mut broken = x.clone();
    broken[2 * 17 + 1] = f64::NAN;
    folder.npy("nan.npy", &broken, 2, Order::C);
    folder.bad(
        "reweight apply r.laser nan.npy -o x.npy",
        "row 17 (from 0): x1 is not finite",
    );
}

/// Les Houches events of one muon, whose transverse momentum are the features, with a further weight of twice the nominal one.
fn muons(x: &[f64], w: &[f64]) -> String {
    let mut text = String::from("<LesHouchesEvents version=\"3.0\">\n<init>\n2212 2212 6500 6500 0 0 0 0 -4 1\n1 0 1 1\n</init>\n");
    for (x, w) in x.chunks_exact(2).zip(w) {
        let particle = format!("13 1 0 0 0 0 {:e} {:e} 0 9 0 0 9", x[0], x[1]);
        let further = format!("<rwgt>\n<wgt id='up'> {} </wgt>\n</rwgt>", 2.0 * w);
        text += &format!("<event>\n1 1 {w} 91 0 0\n{particle}\n{further}\n</event>\n");
    }
    text + "</LesHouchesEvents>\n"
}

/// The numbers of a column of a text with a head.
fn column(text: &str, name: &str) -> Vec<f64> {
    let (head, rows) = text.split_once('\n').unwrap();
    let place = head.split(',').position(|own| own == name).unwrap();
    let value = |row: &str| row.split(',').nth(place).unwrap().parse().unwrap();
    rows.lines().map(value).collect()
}

#[test]
fn reweight_writes_what_an_event_counts_with() {
    let folder = Folder::new();
    folder.write("options.json", OPTIONS);
    let rows = weighted_events(2);
    let x: Vec<f64> = rows.chunks_exact(3).flat_map(|x| [x[0], x[1]]).collect();
    let v: Vec<f64> = rows.chunks_exact(3).map(|x| x[2]).collect();
    let table: String = rows
        .chunks_exact(3)
        .map(|x| format!("{},{},{}\n", x[0], x[1], x[2]))
        .collect();
    folder.write("own.csv", &format!("a,b,w\n{table}"));
    folder.npy("own.npy", &rows, 3, Order::C);
    folder.npy("x.npy", &x, 2, Order::C);
    folder.write("own.lhe", &muons(&x, &v));
    let said = |command: &str| {
        let done = folder.run(command);
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{command}: {said}");
        said
    };
    let written = |name: &str| fs::read_to_string(folder.at(name)).unwrap();
    let nominal = |name: &str| -> Vec<f64> {
        let text = written(name);
        let events = text.split("<event>\n").skip(1);
        let word = |event: &str| event.split_whitespace().nth(2).unwrap().parse().unwrap();
        events.map(word).collect()
    };
    let close = |found: &[f64], expected: &[f64]| {
        let mut pairs = found.iter().zip(expected);
        found.len() == ROWS && pairs.all(|(a, b)| (a / b - 1.0).abs() < 1e-5)
    };
    let factor = |model: &str, of: &str| {
        folder.json(&format!("info {model} --json"))["model"]["record"][of]["factor"].as_f64()
    };

    // Of two samples the product is what counts.
    folder.good("reweight train truth.npy x.npy -o r.laser --options options.json");
    let text = said("reweight apply r.laser own.csv -o w.csv --weight-column w");
    assert!(
        text.contains("the product of the two, which --weight-name writes"),
        "{text}"
    );
    let w = column(&written("w.csv"), "w");
    let products: Vec<f64> = w.iter().zip(&v).map(|(w, v)| w * v).collect();
    folder.bad(
        "reweight apply r.laser own.csv -o all.csv --weight-column w --events-too",
        "a column is called `w` already, as one of the new ones is; rename it, or give the new one another name (--weight-name)",
    );
    let text = said("reweight apply r.laser own.csv -o all.csv --weight-column w --events-too --log --weight-name whole");
    assert!(
        text.contains("`whole` is w times the events' own weights of `w`"),
        "{text}"
    );
    let all = written("all.csv");
    assert!(all.starts_with("a,b,w,log_w,whole\n"));
    assert!(column(&all, "w") == v && column(&all, "whole") == products);
    said("reweight apply r.laser own.npy -o p.npy --weight-column 2 --weight-name whole");
    assert_eq!(folder.read("p.npy"), (vec![ROWS as u64], products));
    said("reweight apply r.laser x.npy -o p.csv --weight-name whole");
    assert_eq!(column(&written("p.csv"), "whole"), w);
    folder.bad(
        "reweight apply r.laser own.csv -o x.csv --weight-column w --events-too --weight-name a",
        "a column is called `a` already",
    );
    folder.usage(
        "reweight apply r.laser own.csv -o x.csv --weight-column w --log --weight-name log_w",
        "`log_w` is no name for a further column",
    );
    folder.usage(
        "reweight apply r.laser own.lhe -o x.csv --features px(13),py(13) --weight-name whole",
        "a table has the features of particles' events, and not the weights that they have",
    );

    // What `laser resample` wrote stands in the place of the weight.
    let resampled = "resample own.npy -o new.npy --options options.json --model s.laser";
    folder.good(resampled);
    let (_, new) = folder.read("new.npy");
    let new: Vec<f64> = new.chunks_exact(3).map(|x| x[2]).collect();
    let factor_of_s = factor("s.laser", "resample").unwrap();
    let words = format!("w times {factor_of_s} (`resample.factor`)");
    let text = said("reweight apply s.laser own.csv -o w.csv --weight-column w");
    let advice = format!("the weight of an event is {words}, in the place of the one that it has");
    assert!(
        text.contains(&advice) && !text.contains("product"),
        "{text}"
    );
    assert!(!text.contains("with the events' own weights"), "{text}");
    let ratios = column(&written("w.csv"), "w");
    let times: Vec<f64> = ratios.iter().map(|w| factor_of_s * w).collect();
    assert!(close(&times, &new));
    said("reweight apply s.laser own.csv -o w.csv --weight-column w --weight-name W");
    assert!(close(&column(&written("w.csv"), "W"), &new));
    let apply = "reweight apply s.laser own.lhe --features px(13),py(13)";
    let text = said(&format!("{apply} -o new.lhe"));
    assert!(
        text.contains(&format!("nominal weight of an event is now {words}")),
        "{text}"
    );
    assert!(close(&nominal("new.lhe"), &new));
    let text = written("new.lhe");
    let up: f64 = text
        .split("id='up'>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!((up / new[0] - 2.0).abs() < 1e-5);
    said(&format!("{apply} -o more.lhe --weight-name W"));
    assert_eq!(nominal("more.lhe"), v);
    let zero = muons(&x[..4], &[1.0, 0.0]);
    folder.write("zero.lhe", &zero);
    folder.bad(
        "reweight apply s.laser zero.lhe --features px(13),py(13) -o x.lhe",
        "event 1 (from 0) has the weight 0, which no factor makes another",
    );

    // What `laser unfold` wrote has a factor to numbers of events.
    folder.write(
        "unfold.json",
        &format!(
            r#"{{"generated": "truth.npy", "reconstructed": "truth_again.npy", "data": "x.npy", "weights": "u.npy", "model": "u.laser",
            "options": {{"unfold.iterations": 1, {}}}"#,
            OPTIONS.replacen('{', "", 1)
        ),
    );
    fs::copy(folder.at("truth.npy"), folder.at("truth_again.npy")).unwrap();
    folder.good("unfold unfold.json");
    let factor_of_u = factor("u.laser", "unfolding").unwrap();
    let text = said("reweight apply u.laser own.csv -o w.csv --weight-column w");
    let words =
        format!("times {factor_of_u} (`unfolding.factor`) these weights are numbers of events");
    assert!(
        text.contains("the product of the two") && text.contains(&words),
        "{text}"
    );
    let text = said("reweight apply u.laser own.lhe -o u.lhe --features px(13),py(13)");
    assert!(text.contains(&words), "{text}");
}

#[test]
fn samples_that_share_events_are_told_of_in_every_form() {
    let folder = Folder::new();
    folder.npy("copy.npy", &events(2, 1), 2, Order::C);
    folder.npy("other.npy", &events(2, 2), 2, Order::C);
    for form in ["", " --json"] {
        let score = |sample: &str| {
            said(
                &folder,
                &format!("score truth.npy {sample} --repeats 5 --directions 3 --auc --auc-epochs 2{form}"),
            )
        };
        let told = score("copy.npy");
        assert_eq!(
            told.matches("the samples share events").count(),
            1,
            "{told}"
        );
        let told = score("other.npy");
        assert!(!told.contains("share events"), "{told}");
    }
}

#[test]
fn unfolding_tells_of_weights_among_the_columns_of_every_level() {
    let folder = Folder::new();
    let table = |name: &str, header: &str, x: &[f64]| {
        let rows = x.chunks(2).map(|row| format!("{},{}\n", row[0], row[1]));
        folder.write(name, &format!("{header}\n{}", rows.collect::<String>()));
    };
    let unfold = |[t, x, data]: [&str; 3], more: &str| {
        table("t.csv", t, &events(2, 1));
        table("x.csv", x, &events(2, 1));
        table("data.csv", data, &events(2, 2));
        let settings = OPTIONS.replacen('{', "", 1);
        let config = format!(
            r#"{{"generated": "t.csv", "reconstructed": "x.csv", "data": "data.csv", "weights": "w.npy", "model": "u.laser", {more}
            "options": {{"unfold.iterations": 1, {settings}}}"#
        );
        folder.write("unfold.json", &config);
        let told = said(&folder, "unfold unfold.json");
        let warnings = told.matches("is trained as a feature, and is called as weights are");
        (warnings.count(), told)
    };
    for (names, count) in [
        (["t,s", "r,q", "r,q"], 0),
        (["t,s", "r,weight", "r,weight"], 1),
        (["t,s", "r,weight", "weight,r"], 1),
        (["t,weight", "r,wgt", "r,wgt"], 2),
    ] {
        let (found, told) = unfold(names, "");
        assert_eq!(found, count, "{names:?}: {told}");
    }
    // What weighs nothing was not reconstructed, and may hold anything.
    let half: Vec<f64> = events(2, 1)
        .chunks(2)
        .enumerate()
        .flat_map(|(i, x)| match i % 2 {
            0 => [x[0], 1.0],
            _ => [f64::NAN, 0.0],
        })
        .collect();
    table("half.csv", "r,u", &half);
    let one: Vec<f64> = events(2, 2).chunks(2).flat_map(|x| [x[0], 1.0]).collect();
    table("one.csv", "r,u", &one);
    let settings = OPTIONS.replacen('{', "", 1);
    folder.write("half.json", &format!(
        r#"{{"generated": "t.csv", "reconstructed": "half.csv", "data": "one.csv", "weights": "w.npy", "model": "u.laser",
        "weights_column": {{"reconstructed": "u", "data": "u"}}, "options": {{"unfold.iterations": 1, {settings}}}"#
    ));
    let told = said(&folder, "unfold half.json");
    assert!(
        told.contains("of 3000 simulated events 3000 are generated and 1500 are reconstructed"),
        "{told}"
    );
}

#[test]
fn unfold_writes_what_the_library_does() {
    let folder = Folder::new();
    let t = events(2, 1);
    let noise = events(2, 3);
    let flags: Vec<i32> = (0..ROWS).map(|i| if i % 4 == 0 { 1 } else { 3 }).collect();
    let smeared =
        |t: &[f64]| -> Vec<f64> { t.iter().zip(&noise).map(|(t, z)| t + 0.2 * z).collect() };
    let mut x = smeared(&t);
    // What is not reconstructed may hold anything in a file.
    x.chunks_exact_mut(2)
        .zip(&flags)
        .filter(|(_, f)| **f == 1)
        .for_each(|(x, _)| x[1] = f64::NAN);
    let data: Vec<f64> = smeared(&events(2, 4)).iter().map(|x| x + 0.1).collect();
    let background: Vec<f64> = events(2, 5)[..600]
        .chunks_exact(2)
        .flat_map(|x| [x[0], x[1], 0.5])
        .collect();
    folder.npy("t.npy", &t, 2, Order::C);
    folder.npy("x.npy", &x, 2, Order::C);
    folder.npy("data.npy", &data, 2, Order::C);
    folder.npy("background.npy", &background, 3, Order::C);
    let numbers: Vec<f64> = flags.iter().map(|f| f64::from(*f)).collect();
    folder.npy("flags.npy", &numbers, 1, Order::C);
    let config = |more: &str| {
        format!(
            r#"{{"generated": "t.npy", "reconstructed": "x.npy", "data": "data.npy", "background": "background.npy", "flags": "flags.npy",
            "weights_column": {{"background": true}}, "weights": "w.npy", "model": "u.laser", {more}
            "options": {{"unfold.iterations": 2, {}}}"#,
            OPTIONS.replacen('{', "", 1)
        )
    };
    folder.write("unfold.json", &config(r#""replicas": 2,"#));
    let told = folder.good("unfold unfold.json");
    for line in [
        "u.laser\n",
        "unfolding by 2 iterations",
        "weights of 3000 simulated events",
        "events, backgrounds subtracted",
    ] {
        assert!(told.contains(line), "{told}");
    }
    assert!(folder
        .good("info u.laser")
        .contains("unfolding by 2 iterations"));
    let log = fs::read_to_string(folder.at("u.laser.log")).unwrap();
    for line in [
        "3000 events of 2 columns from t.npy\n",
        "3000 events of 2 columns from data.npy\n",
        "300 background events from background.npy, which count 150.0, are subtracted from 3000 events, which count 3000 (no weights: 1 each)\n",
        "replica 2 of 2",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }

    let mut options = Options::from_json(OPTIONS).unwrap();
    options.set_i64("unfold.iterations", 2).unwrap();
    x.iter_mut()
        .filter(|x| x.is_nan())
        .for_each(|x| *x = -999.0);
    let both: Vec<f64> = data
        .iter()
        .copied()
        .chain(background.chunks_exact(3).flat_map(|x| [x[0], x[1]]))
        .collect();
    let mut d = vec![1.0; ROWS];
    d.resize(ROWS + 300, -0.5);
    let unfolded = |replica: i64| {
        let mut options = options.clone();
        options.set_i64("unfold.replica", replica).unwrap();
        let source = |x, w| Source::from_rows(Rows::packed(x, 2).unwrap(), w).unwrap();
        let (t, x, data) = (
            source(&t, None),
            source(&x, None),
            source(&both, Some(&d[..])),
        );
        unfold(&t, &x, &data, Some(&flags), &options, &()).unwrap()
    };
    let (shape, columns) = folder.read("w.npy");
    assert_eq!(shape, [ROWS as u64, 3]);
    for replica in 0..3 {
        let expected = unfolded(replica);
        let written = columns.iter().skip(replica as usize).step_by(3);
        assert!(written.eq(&expected.w), "{replica}");
        if replica == 0 {
            assert!(
                expected.reweighter.to_bytes().unwrap() == fs::read(folder.at("u.laser")).unwrap()
            );
        }
    }
    // One replica alone, for a farm; nothing else is written.
    fs::remove_file(folder.at("u.laser")).unwrap();
    folder.good("unfold unfold.json --replica 2");
    let (shape, alone) = folder.read("w-2.npy");
    assert_eq!(shape, [ROWS as u64]);
    assert!(alone.iter().eq(columns.iter().skip(2).step_by(3)));
    assert!(!folder.at("u.laser").exists());
    folder.write("packed.json", &config("").replace("w.npy", "w.v2.csv.gz"));
    folder.good("unfold packed.json --replica 2");
    assert!(folder.at("w.v2-2.csv.gz").exists());

    // Mistakes.
    folder.usage(
        "unfold unfold.json --checkpoint c",
        "--checkpoint keeps one unfolding",
    );
    folder.bad("unfold t.npy", "an array of NumPy");
    folder.write("other.json", &config(r#""flag": 3,"#));
    folder.bad("unfold other.json", "unknown field `flag`");
    folder.write("other.json", &config("").replace("w.npy", "w.hepmc"));
    folder.bad(
        "unfold other.json",
        "`weights` must end in .npy, .csv or .parquet",
    );
    folder.write("other.json", &config("").replace("w.npy", "data.npy"));
    folder.bad("unfold other.json", "read by the same command");
    folder.write(
        "other.json",
        &config("").replace("unfold.iterations\": 2", "unfold.replica\": 2"),
    );
    folder.bad("unfold other.json", "replicas are asked for by `replicas`");
    folder.write("other.json", &config("").replace("flags.npy", "t.npy"));
    folder.bad(
        "unfold other.json",
        "one flag for each of 3000 simulated events",
    );
    folder.write(
        "other.json",
        &config("").replace("{\"background\": true}", "{}"),
    );
    folder.bad(
        "unfold other.json",
        "it has 3 columns, those of the data are 2",
    );
    let half: Vec<f64> = numbers.iter().map(|f| f - 0.5).collect();
    folder.npy("half.npy", &half, 1, Order::C);
    folder.write("other.json", &config("").replace("flags.npy", "half.npy"));
    folder.bad("unfold other.json", "row 0 (counted from 0) is 0.5");
}

#[test]
fn reweight_goes_by_names_and_takes_parameters() {
    let folder = Folder::new();
    let options = OPTIONS.replacen('{', "{\"conditions\": 1,", 1);
    folder.write("options.json", &options);
    let x = events(2, 1);
    let (mut from, mut to, mut other) = (
        String::from("pt,eta\n"),
        String::from("eta,pt,mass\n"),
        String::from("run,mass,pt,eta\n"),
    );
    for (i, x) in x.chunks_exact(2).enumerate() {
        let mass = 0.5 * (i % 3) as f64;
        from += &format!("{},{}\n", x[0], x[1]);
        to += &format!("{},{},{mass}\n", x[1], x[0] + mass);
        other += &format!("{},0.5,{},{}\n", i * i, x[0], x[1]);
    }
    folder.write("from.csv", &from);
    folder.write("to.csv", &to);
    folder.write("other.csv", &other);
    folder.good("reweight train from.csv to.csv -o r.laser --options options.json");
    let model = Model::load(&folder.at("r.laser")).unwrap();
    assert_eq!(model.names, ["eta", "pt", "mass"]);
    assert_eq!(model.generator.dims().conditions, 1);
    folder.good("reweight apply r.laser from.csv -o one.npy --conditions 0.5");
    folder.good("reweight apply r.laser other.csv -o two.npy");
    assert_eq!(folder.read("one.npy"), folder.read("two.npy"));
    folder.bad(
        "reweight apply r.laser from.csv -o x.npy",
        "no column is called `mass`",
    );
}

#[test]
fn a_large_array_is_weighed_in_parts() {
    let folder = Folder::new();
    folder.write("options.json", OPTIONS);
    folder.npy("to.npy", &weighted_events(2), 3, Order::C);
    folder.good("reweight train truth.npy to.npy -o r.laser --options options.json --weights=to");
    let x = events(2, 1).repeat(150);
    folder.npy("many.npy", &x, 2, Order::C);
    folder.npy("fortran.npy", &x, 2, Order::Fortran);
    folder.good("reweight apply r.laser many.npy -o w.npy");
    folder.good("reweight apply r.laser fortran.npy -o f.npy");
    let (shape, w) = folder.read("w.npy");
    assert_eq!(shape, [150 * ROWS as u64]);
    assert!(w.chunks_exact(ROWS).all(|part| part == &w[..ROWS]));
    assert!(folder.read("f.npy").1 == w);
}
