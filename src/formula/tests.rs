use super::*;

fn names() -> Vec<String> {
    ["px", "py", "m_ll [GeV]", "x1", "notes"]
        .map(String::from)
        .to_vec()
}

/// The value for one event.
fn value(text: &str, event: &[f64; 5]) -> f64 {
    let formula = Formula::parse(text, 5, &names()).unwrap();
    let mut out = [f64::NAN];
    formula
        .evaluate(Rows::packed(event, 5).unwrap(), &mut out)
        .unwrap();
    out[0]
}

#[test]
fn formulas_mean_what_python_has_them_mean() {
    let event = [3.0, -4.0, 91.0, 0.5, 2.0];
    for (text, expected) in [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("8 / 4 / 2 - 1 - 1", -1.0),
        ("-2 ** 2", -4.0),
        ("2 ^ 3 ** 2", 512.0),
        ("2 ** -1", 0.5),
        ("- -3", 3.0),
        ("1.5e1 + .5 + 2.", 17.5),
        ("1e-3", 1e-3),
        ("px", 3.0),
        ("x[1] + x0", -1.0),
        ("{x1}", 0.5),
        ("{m_ll [GeV]} - 91", 0.0),
        ("hypot(px, py)", 5.0),
        ("max(min(px, py), 1 - 6)", -4.0),
        ("atan2(0, -1) - pi", 0.0),
        ("sqrt(abs(py)) + exp(0) + log(1)", 3.0),
        ("notes", 2.0),
        ("px > py", 1.0),
        ("px < py or not px == 3 or py <= -4", 1.0),
        ("not px > 0 and 1 == 1", 0.0),
        ("px > 0 && py > 0 || {x1} != 0.5", 0.0),
        ("!(px > 0)", 0.0),
        ("px/0 > 1e300", 1.0),
    ] {
        assert_eq!(value(text, &event), expected, "{text}");
    }
}

#[test]
fn what_is_not_a_number_is_neither_within_nor_beyond() {
    let event = [-1.0, -4.0, 91.0, 0.5, 2.0];
    for text in [
        "sqrt(px) > 2",
        "not sqrt(px) > 2",
        "0/0 != 0/0",
        "0/0 == 0/0",
        "sqrt(px) > 2 and py < 0",
        "not (sqrt(px) > 2 or py > 0)",
        "max(sqrt(px), 1) > 0",
        "min(1, sqrt(px)) > 0",
    ] {
        assert!(value(text, &event).is_nan(), "{text}");
    }
    for (text, expected) in [
        ("px < 0 or sqrt(px) > 2", 1.0),
        ("sqrt(px) > 2 or px < 0", 1.0),
        ("sqrt(px) > 2 and px > 0", 0.0),
        ("px > 0 and sqrt(px) > 2", 0.0),
    ] {
        assert_eq!(value(text, &event), expected, "{text}");
    }
}

#[test]
fn kinds_are_known_before_any_event() {
    let kind = |text| Formula::parse(text, 2, &[]).unwrap().kind();
    assert_eq!(kind("x0 + x1"), Kind::Number);
    assert_eq!(kind("x0 > x1 or x1 > 3"), Kind::Condition);
}

#[test]
fn what_is_wrong_is_shown_where_it_is() {
    for (text, parts) in [
        ("", &["is missing here"][..]),
        ("px +", &["`px +` >>> ``", "is missing here"]),
        ("px + * 2", &["`px + ` >>> `* 2`", "is missing here"]),
        ("px py", &["`px ` >>> `py`", "an operator"]),
        ("hypot(px", &["it ends too early"]),
        ("px > 1)", &["`px > 1` >>> `)`"]),
        ("px = 3", &["equality is written `==`"]),
        ("1e999", &["too large"]),
        ("2px", &[">>>"]),
        ("pz", &["no feature `pz`", "did you mean `px`?"]),
        ("energy", &["no feature `energy`", "x[0] to x[4]"]),
        ("x[5]", &["no feature 5", "x[0] to x[4]"]),
        ("x9", &["no feature 9"]),
        ("x[99999999999999999999]", &["no feature"]),
        ("hypott(px, py)", &["no function `hypott`", "`hypot`"]),
        ("hypot(px)", &["takes 2 numbers, not 1"]),
        ("sqrt(px, py)", &["takes 1 numbers, not 2"]),
        ("max(1, 2, 3)", &["takes 2 numbers, not 3"]),
        ("0 < px < 1", &["`a < b and b < c`", ">>> `0 < px < 1`"]),
        ("px and py", &["`and` takes a condition", "as `x > 0` is"]),
        ("sqrt(px > 0)", &["`sqrt` takes a number"]),
        ("not px", &["`not` takes a condition"]),
        ("----px", &[">>>"]),
        ("{no such}", &["no feature `no such`"]),
        ("äöü", &[">>> `äöü`"]),
    ] {
        let error = Formula::parse(text, 5, &names()).unwrap_err().to_string();
        assert!(parts.iter().all(|p| error.contains(p)), "{text}: {error}");
    }
    let twice = ["a", "a"].map(String::from);
    let error = Formula::parse("a", 2, &twice).unwrap_err().to_string();
    assert!(error.contains("several features `a`"), "{error}");
}

#[test]
fn a_name_that_means_two_things_is_refused() {
    let names = ["pi", "exp", "x1", "x3", "and"].map(String::from);
    let event = [1.0, 2.0, 3.0, 4.0, 5.0];
    let parse = |text: &str| Formula::parse(text, 5, &names);
    for (text, what) in [
        ("2 * pi", "`2 * ` >>> `pi`: `pi` is the name of a feature and also the number: rename the feature, or write `{pi}` for it"),
        ("x1 > 0", "`x1` is the name of a feature and also feature 1, `x[1]`: rename the feature"),
        ("and > 0", "is missing here"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(what), "{text}: {error}");
    }
    // The column that it stands for, or one thing alone.
    for (text, value) in [
        ("{pi}", 1.0),
        ("exp + 0 * exp(1)", 2.0),
        ("{x1}", 3.0),
        ("x[1]", 2.0),
        ("x3", 4.0),
        ("x2", 3.0),
        ("{and}", 5.0),
    ] {
        let mut out = [0.0];
        let formula = parse(text).unwrap();
        formula
            .evaluate(Rows::packed(&event, 5).unwrap(), &mut out)
            .unwrap();
        assert_eq!(out[0], value, "{text}");
    }
}

#[test]
fn no_text_needs_much_of_the_stack() {
    let nested = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    let calls = |n: usize| format!("{}1{}", "abs(".repeat(n), ")".repeat(n));
    let powers = |n: usize| format!("1{}", "^1".repeat(n));
    let signs = |n: usize| format!("1{}", "+---1".repeat(n));
    let small = std::thread::Builder::new().stack_size(80 << 10);
    let parsed = small.spawn(move || {
        let parse = |text: &str| Formula::parse(text, 1, &[]).map(|_| ());
        for text in [nested(DEEPEST), calls(DEEPEST), powers(DEEPEST), signs(800)] {
            parse(&text).unwrap();
        }
        for text in [
            nested(DEEPEST + 1),
            calls(100_000),
            powers(1000),
            signs(1000),
            "(".repeat(4000),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains("a formula may have"), "{error}");
            assert!(error.len() < 300);
        }
    });
    parsed.unwrap().join().unwrap();
    for text in [nested(DEEPEST), calls(DEEPEST), powers(DEEPEST), signs(800)] {
        Formula::parse(&text, 1, &[]).unwrap();
    }
}

#[test]
fn events_are_taken_block_by_block_with_a_stride() {
    // 1000 rows of 2 in a table of 3, the third for the result.
    let table: Vec<f64> = (0..3000).map(f64::from).collect();
    let rows = Rows::new(&table, 1000, 2, 3).unwrap();
    let formula = Formula::parse("x[0] * 2 - (x[1] - x[0])", 2, &[]).unwrap();
    let mut out = vec![0.0; 1000];
    formula.evaluate(rows, &mut out).unwrap();
    for (i, &value) in out.iter().enumerate() {
        assert_eq!(value, 6.0 * i as f64 - 1.0);
    }
    assert!(formula.evaluate(rows, &mut out[1..]).is_err());
    assert!(formula
        .evaluate(Rows::packed(&table, 3).unwrap(), &mut out)
        .is_err());
}

#[test]
fn inequalities_tell_how_far_an_event_is_within() {
    let text = "px > 2 * py and (x[2] <= 90 or not hypot(px, py) < 1) and px != 3";
    let formula = Formula::parse(text, 5, &names()).unwrap();
    let margins: Vec<&str> = formula.margins().iter().map(Formula::text).collect();
    assert_eq!(
        margins,
        ["px > 2 * py", "x[2] <= 90", "not (hypot(px, py) < 1)"]
    );
    assert_eq!(formula.equalities(), ["px != 3"]);
    let event = [3.0, -4.0, 91.0, 0.5, 2.0];
    let values = formula.margins().iter().map(|margin| {
        let mut out = [0.0];
        margin
            .evaluate(Rows::packed(&event, 5).unwrap(), &mut out)
            .unwrap();
        out[0]
    });
    assert_eq!(values.collect::<Vec<_>>(), [11.0, -1.0, 4.0]);
}
