//! Generated documentation is in sync with the code. `LASER_WRITE_DOCS=1 cargo test --release --test docs` writes it.

use laser::model::{Method, Needs};
use std::{env, fs, path::Path};

#[test]
fn the_refiners_page_has_a_row_for_every_method() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/refiners.md");
    let page = fs::read_to_string(&path).unwrap();
    for method in Method::ALL {
        let name = format!("`{}`", method.name());
        let rows = page.lines().map(|l| l.split(" | ").collect::<Vec<_>>());
        let mut rows = rows.filter(|cells| cells[0] == format!("| {name}"));
        let row = rows.next();
        let row = row.unwrap_or_else(|| panic!("docs/refiners.md has no row of {name}"));
        let needs = match method.facts().needs {
            Needs::Generator => "the generator",
            Needs::Classifier => "+ classifier",
            Needs::Gradient => "+ gradient",
            Needs::Training(_) | Needs::Surrogate => "training",
        };
        assert!(row[1].ends_with(needs), "{name} needs {needs}: {row:?}");
        let independent = row[3].contains("independent");
        assert_eq!(independent, !method.in_common(), "{name}: {row:?}");
    }
}

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
