//! Generated documentation is in sync with the code. `LASER_WRITE_DOCS=1 cargo test --release --test docs` writes it.

use std::{env, fs, path::Path};

#[test]
fn the_options_page_lists_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/options.md");
    let page = format!(
        "# Options\n\nMade by `LASER_WRITE_DOCS=1 cargo test --release --test docs`; do not edit.\n\n\
         Set one by one (`laser_options_set_i64`, `_f64`, `_str`) or from JSON, where dots may be nesting. The default is the preset \
         `paper`; `fast` is for minutes on two cores.\n\n{}",
        laser::options::documentation()
    );
    if env::var_os("LASER_WRITE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/options.md is not in sync with src/options/keys.rs"
    );
}
