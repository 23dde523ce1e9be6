//! Writes the C header from `src/capi` and tells the linker soname, run path and which symbols stay inside.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The one libtorch that the `tch` version in Cargo.toml fits.
const LIBTORCH_VERSION: &str = "2.11.0";

const CAPI: &str = "src/capi";
const HEADER: &str = "include/laser.h";

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    write_header(&root)?;

    // The first number of the soname is the number of the C ABI: see `laser_abi_version`.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,liblaser.so.0");
    if env::var_os("CARGO_FEATURE_TORCH").is_some() {
        // Only laser_* is exported: rustc hides the Rust of other crates, but not their C functions. Without libtorch there are none, and
        // not every linker knows the option.
        println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
        link_libtorch()?;
    }
    Ok(())
}

/// Generates `include/laser.h`; leaves the file alone when nothing changed, so that its users are not rebuilt.
fn write_header(root: &Path) -> Result<()> {
    println!("cargo:rerun-if-changed={CAPI}");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    let bindings = match read_capi(root) {
        Ok(bindings) => bindings,
        Err(error) => {
            // Rust that does not parse: the compiler, which runs next, says it better.
            println!("cargo:warning={HEADER} was not written: {error}");
            return Ok(());
        }
    };
    let mut text = Vec::new();
    bindings.write(&mut text);
    let header = root.join(HEADER);
    if fs::read(&header).ok().as_deref() != Some(text.as_slice()) {
        fs::write(&header, text).map_err(|e| format!("{}: {e}", header.display()))?;
    }
    Ok(())
}

fn read_capi(root: &Path) -> Result<cbindgen::Bindings> {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    config.after_includes = Some(version_defines()?);
    // cbindgen follows the `mod` lines, so their order is the order of the header.
    let root = root.join(CAPI).join("mod.rs");
    let builder = cbindgen::Builder::new().with_config(config).with_src(root);
    Ok(builder.generate()?)
}

/// The version at compile time, for `#if` in the host's code.
fn version_defines() -> Result<String> {
    let mut text = String::new();
    for (part, name) in [("MAJOR", "First"), ("MINOR", "Second"), ("PATCH", "Third")] {
        let number = env::var(format!("CARGO_PKG_VERSION_{part}"))?;
        text += &format!(
            "\n/** {name} number of this header's version; `laser_version` gives that of the loaded library. */\n\
             #define LASER_VERSION_{part} {number}\n"
        );
    }
    Ok(text)
}

/// Libtorch's folder as run path, and libtorch only as far as it is used.
fn link_libtorch() -> Result<()> {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let libtorch = env::var("LIBTORCH").map(PathBuf::from).map_err(|_| {
        format!(
            "LIBTORCH is not set. `make build` sets it; with cargo alone: \
             export LIBTORCH=$(scripts/setup --libtorch), the folder of libtorch {LIBTORCH_VERSION}. \
             Without libtorch: cargo build --no-default-features"
        )
    })?;
    check_version(&libtorch)?;

    // A library's own run path is what finds its dependencies, so that hosts need no flags and no LD_LIBRARY_PATH.
    // $ORIGIN first: a libtorch placed beside an installed liblaser.so wins.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-rpath,$ORIGIN");
    // The same libtorch for the program, which is installed in bin/ beside lib/.
    if env::var_os("CARGO_FEATURE_CLI").is_some() {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
    }
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
    println!(
        "cargo:rustc-link-arg=-Wl,-rpath,{}",
        libtorch.join("lib").display()
    );
    // torch-sys asks for libtorch_cuda too: 240 MB that only GPU users shall load, and then by dlopen.
    println!("cargo:rustc-link-arg=-Wl,--as-needed");
    Ok(())
}

/// torch-sys checks `build-version` of a libtorch zip, but not `version.py` of a Python package.
fn check_version(libtorch: &Path) -> Result<()> {
    for file in ["build-version", "version.py"] {
        let Ok(text) = fs::read_to_string(libtorch.join(file)) else {
            continue;
        };
        if text.contains(LIBTORCH_VERSION) {
            return Ok(());
        }
        return Err(format!(
            "{} is not libtorch {LIBTORCH_VERSION}, see its {file}",
            libtorch.display()
        )
        .into());
    }
    Err(format!(
        "LIBTORCH={} holds no libtorch: neither build-version nor version.py",
        libtorch.display()
    )
    .into())
}
