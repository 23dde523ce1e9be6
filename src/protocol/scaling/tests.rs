use super::*;

#[test]
fn one_word_serves_all_features_and_a_list_each() {
    let (mean, std) = (0.0, 1.0);
    assert_eq!(parse("none", 3).unwrap(), [Scaling::None; 3]);
    let got = parse(" standardise ,log( -2 ),logit(0:1e2), periodic(-pi:pi)", 4).unwrap();
    let (low, high) = (0.0, 100.0);
    let expected = [
        Scaling::Standardise { mean, std },
        Scaling::Log {
            low: -2.0,
            mean,
            std,
        },
        Scaling::Logit {
            low,
            high,
            mean,
            std,
        },
        Scaling::Periodic {
            low: -PI,
            period: 2.0 * PI,
            cut: -PI,
            mean,
            std,
        },
    ];
    assert_eq!(got, expected);
    assert_eq!(number("0.5pi").unwrap(), 0.5 * PI);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, parts) in [
        ("none, lgo(0)", &["item 1", "`log(low)`"][..]),
        ("", &["item 0", "there are `none`"]),
        ("none,", &["item 1"]),
        ("none, log", &["item 1", "`log(0)`"]),
        ("log(x), none", &["item 0", "\"x\" is not a finite number"]),
        ("log(inf), none", &["not a finite number"]),
        ("logit(1), none", &["two bounds", "`logit(0:1)`"]),
        ("periodic, none", &["`periodic(0:1)`"]),
        (
            "none, logit(2:1)",
            &["item 1", "bound 2 must lie below the upper one 1"],
        ),
        ("none(3), none", &["item 0"]),
        ("none, none, none", &["lists 3 scalings", "2 features"]),
    ] {
        let error = parse(text, 2).unwrap_err().to_string();
        assert!(error.contains("`features.scaling`"), "{error}");
        assert!(parts.iter().all(|p| error.contains(p)), "{text}: {error}");
    }
    assert!(
        parse(&"x".repeat(100_000), 2)
            .unwrap_err()
            .to_string()
            .len()
            < 300
    );
}

#[test]
fn moments_are_those_on_the_line() {
    let log = parse("log(1)", 1).unwrap()[0];
    // ln(x − 1) = 0, 2, 4.
    let values = [2.0, 1.0 + 2f64.exp(), 1.0 + 4f64.exp()];
    let Scaling::Log { low, mean, std } = measure(&log, &values, 0).unwrap() else {
        panic!()
    };
    assert!(low == 1.0 && (mean - 2.0).abs() < 1e-12 && (std - 2.0).abs() < 1e-12);
    let error = measure(&log, &[2.0; 5], 3).unwrap_err().to_string();
    assert!(
        error.contains("column 3 of the events is constant (2)"),
        "{error}"
    );
}

#[test]
fn a_circle_is_cut_where_it_is_emptiest() {
    let circle = parse("periodic(0:1)", 1).unwrap()[0];
    // Nothing from 0.4 to 0.7, in either convention for the rest.
    let values: Vec<f64> = (0..1000)
        .map(|i| 0.7 + 0.7 * f64::from(i) / 1000.0)
        .collect();
    let wrapped: Vec<f64> = values.iter().map(|x| x % 1.0).collect();
    for values in [values, wrapped] {
        let Scaling::Periodic { cut, .. } = measure(&circle, &values, 0).unwrap() else {
            panic!()
        };
        assert!(cut > 0.5 && cut < 0.6, "{cut}");
    }
}
