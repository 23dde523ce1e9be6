//! No function of the header goes untested.

const HEADER: &str = include_str!("../../include/laser.h");
const TESTS: &str = concat!(
    include_str!("histograms.rs"),
    include_str!("hooks.rs"),
    include_str!("host.rs"),
    include_str!("main.rs"),
    include_str!("models.rs"),
    include_str!("options.rs"),
    include_str!("refusals.rs"),
    include_str!("score_refusals.rs"),
    include_str!("scores.rs"),
    include_str!("support.rs"),
    include_str!("text.rs"),
);

/// The functions that the header declares: lines of code in which `laser_name(` occurs.
fn functions() -> Vec<&'static str> {
    let code = HEADER
        .lines()
        .filter(|line| !line.trim_start().starts_with(['*', '/', '#']));
    code.filter_map(|line| {
        let (declaration, _) = line.split_once('(')?;
        let name = declaration.rsplit([' ', '*']).next()?;
        name.starts_with("laser_").then_some(name)
    })
    .collect()
}

#[test]
fn every_function_is_called() {
    let functions = functions();
    assert!(functions.len() > 50, "found only {functions:?}");
    for function in &functions {
        assert!(
            TESTS.contains(&format!("{function}(")),
            "no test calls {function}"
        );
    }
}

#[test]
fn every_function_that_takes_a_pointer_is_called_with_null() {
    let refusals = concat!(
        include_str!("refusals.rs"),
        include_str!("score_refusals.rs")
    );
    let without_pointers = [
        "laser_status_name",
        "laser_last_callback_code",
        "laser_abi_version",
        "laser_version",
    ];
    for function in functions().iter().filter(|f| !without_pointers.contains(f)) {
        assert!(
            refusals.contains(&format!("{function}(")),
            "{function} is not called with NULL"
        );
    }
}
