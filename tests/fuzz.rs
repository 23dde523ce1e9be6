//! The bodies of the fuzz targets over their corpus, which holds good inputs and what once was a finding; and over mutations of it.
#![cfg(feature = "cli")]
#![allow(dead_code, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

#[path = "../fuzz/program.rs"]
mod program;
pub use program::*;

use std::path::Path;

/// Every file of a target's corpus, and each with some bytes changed, cut, or doubled.
fn corpus(name: &str, body: fn(&[u8]), mutations: u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut state = 1_u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % n.max(1) as u64) as usize
    };
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        body(&data);
        for _ in 0..mutations {
            let mut data = data.clone();
            for _ in 0..=below(3) {
                let at = below(data.len());
                let end = (at + below(20)).min(data.len());
                match below(4) {
                    0 if at < data.len() => data[at] ^= 1 << below(8),
                    1 if at < data.len() => data[at] = b"0123456789-+.eE[]{}(),:\";=x\n"[below(28)],
                    2 => drop(data.drain(at..end)),
                    _ => {
                        let piece = data[at..end].to_vec();
                        data.splice(at..at, piece);
                    }
                }
            }
            body(&data);
        }
    }
    assert!(files > 0, "no corpus for {name}");
}

#[test]
fn model_files() {
    corpus("model", bodies::model, 20);
}

#[test]
fn options_as_json() {
    corpus("options", bodies::options, 500);
}

#[test]
fn arrays_of_numpy() {
    corpus("npy", bodies::npy, 200);
}

#[test]
fn numbers_with_commas() {
    corpus("csv", bodies::csv, 200);
}

#[test]
fn columns_of_apache() {
    corpus("parquet", bodies::parquet, 500);
}

#[test]
fn configurations_of_refine() {
    corpus("config", bodies::config, 500);
}

#[test]
fn files_of_particles() {
    corpus("particles", bodies::particles, 1000);
}

#[test]
fn particles_of_hepmc() {
    corpus("hepmc", bodies::hepmc, 500);
}

#[test]
fn formulas() {
    corpus("formula", bodies::formula, 100);
}
