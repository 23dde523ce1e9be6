//! Every bit that the library makes, held to what it made before: events, latents, weights, log p, gradients and model files of every
//! generator, refiner, coupling, scaling and precision, from tiny models, as hashes in tests/reference/bits.txt. They are the same with all
//! instructions that this processor has, and on every processor.
//!
//! A change that is to change no bit leaves the reference alone. One that means to change some says which, and why, with the new reference:
//! `LASER_WRITE_BITS=1 cargo test --release --test bits`, then the same without it.
//!
//! Fixed models are written here as files (docs/model-format.md), and trainings go through options and `laser::protocol`: the test knows
//! nothing of how the library is made inside. The version and the table of options, which model files name, are left out of what is hashed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

#[path = "bits/cases.rs"]
mod cases;
#[path = "bits/fixed.rs"]
mod fixed;
#[path = "bits/trained.rs"]
mod trained;

use cases::Hashes;
use laser::engine::instructions;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};
#[cfg(target_arch = "x86_64")]
use std::process::Command;

/// Name of the test that a process with other instructions runs.
#[cfg(target_arch = "x86_64")]
const TEST: &str = "every_bit_is_that_of_the_reference";
/// What such a process says of itself before the word for its instructions.
const SAYS: &str = "instructions: ";
const WRITE: &str = "LASER_WRITE_BITS";
#[cfg(target_arch = "x86_64")]
const INSTRUCTIONS: &str = "LASER_INSTRUCTIONS";

/// The hash of a name.
type Reference = BTreeMap<String, String>;

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/bits.txt")
}

/// Lines of a hash and a name.
fn read() -> Reference {
    let text = std::fs::read_to_string(path()).unwrap();
    let line = |line: &str| {
        let (hash, name) = line.split_once(' ').unwrap();
        (name.to_string(), hash.to_string())
    };
    text.lines().map(line).collect()
}

fn write(made: Reference) {
    let lines = made.iter().map(|(name, hash)| format!("{hash} {name}\n"));
    std::fs::write(path(), lines.collect::<String>()).unwrap();
}

/// Runs the test with other instructions; what it says.
#[cfg(target_arch = "x86_64")]
fn run(level: &str) -> String {
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(INSTRUCTIONS, level)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    let error = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}{error}");
    said
}

#[test]
fn every_bit_is_that_of_the_reference() {
    println!("{SAYS}{}", instructions());
    let mut hashes = Hashes::default();
    fixed::all(&mut hashes);
    trained::all(&mut hashes);
    let made = hashes.finish();
    if env::var_os(WRITE).is_some() {
        write(made);
        return;
    }
    let kept = read();
    let names: BTreeSet<&String> = made.keys().chain(kept.keys()).collect();
    let is_kept = |name: &str| made.get(name) == kept.get(name);
    let changed: Vec<&str> = names
        .iter()
        .map(|name| name.as_str())
        .filter(|name| !is_kept(name))
        .collect();
    assert!(
        changed.is_empty(),
        "with {} instructions, {} of {} are not those of the reference:\n{}",
        instructions(),
        changed.len(),
        names.len(),
        changed.join("\n")
    );
}

/// AArch64 has one kind.
#[cfg(target_arch = "x86_64")]
#[test]
fn other_instructions_give_the_same_bits() {
    if env::var_os(WRITE).is_some() || env::var_os(INSTRUCTIONS).is_some() {
        return;
    }
    for level in ["avx512", "avx2", "portable"] {
        if level == instructions() {
            continue;
        }
        let said = run(level);
        let used = said.split(SAYS).nth(1).unwrap().lines().next().unwrap();
        // Portable instructions are everywhere; others are not taken where this processor lacks them.
        let taken = used == level || level != "portable" && used == instructions();
        assert!(taken, "{INSTRUCTIONS}={level}: {used}");
    }
}
