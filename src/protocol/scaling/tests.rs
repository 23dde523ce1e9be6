use super::*;

#[test]
fn one_word_serves_all_features_and_a_list_each() {
    let (mean, std) = (0.0, 1.0);
    assert_eq!(
        parse("none", 3, &[]).unwrap(),
        [const { Some(Scaling::None) }; 3]
    );
    assert_eq!(parse("auto, asinh", 2, &[]).unwrap(), [None, Some(ASINH)]);
    let got = parse(
        " standardise ,log( -2 ),logit(0:1e2), periodic(-pi:pi)",
        4,
        &[],
    )
    .unwrap();
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
    assert_eq!(got, expected.map(Some));
    assert_eq!(number("0.5pi").unwrap(), 0.5 * PI);
    let got = parse(
        "integer, integer(0:), integer( -1 :1),category(3), zeros(0), zeros( 20, log )",
        6,
        &[],
    )
    .unwrap();
    let integer = |low| Scaling::Integer { low, mean, std };
    let cells = |first, edges: &[f64], classes| Scaling::Cells {
        first,
        edges: edges.into(),
        classes,
    };
    let zeros = |low, width| Scaling::Zeros {
        low,
        width,
        edge: 0.0,
        mean,
        std,
    };
    let expected = [
        integer(None),
        integer(Some(0.0)),
        cells(-1.0, &[1.0 / 3.0, 2.0 / 3.0], false),
        cells(0.0, &[1.0 / 3.0, 2.0 / 3.0], true),
        zeros(0.0, Some(1.0)),
        zeros(20.0, None),
    ];
    assert_eq!(got, expected.map(Some));
    let names = ["flavour".to_owned(), "e".to_owned()];
    let named = parse("e = zeros(0, log), flavour = category(3)", 2, &names).unwrap();
    assert_eq!(
        named,
        [cells(0.0, &[1.0 / 3.0, 2.0 / 3.0], true), zeros(0.0, None)].map(Some)
    );
}

#[test]
fn cells_and_edges_are_measured() {
    // Of 1000 events a class has 500, 300 and 200.
    let values: Vec<f64> = (0..1000)
        .map(|i| f64::from(u8::from(i >= 500) + u8::from(i >= 800)))
        .collect();
    let asked = parse("category(4)", 1, &[]).unwrap().remove(0);
    let Scaling::Cells { edges, .. } = measure(&asked, &values, 0).unwrap() else {
        panic!()
    };
    // Half an event in the class that none has; 1002 in all.
    for (edge, below) in edges.iter().zip([500.5, 801.0, 1001.5]) {
        let found = 0.5 * libm::erfc(-edge / 2f64.sqrt());
        assert!((found - below / 1002.0).abs() < 1e-14, "{found}");
    }
    // Of all events there are, a class without one is never made, nor taken.
    let all = measure_all(&asked, values.iter().copied(), 0)
        .unwrap()
        .unwrap();
    assert!(all
        .objection(3.0)
        .is_some_and(|what| what.contains("no event had")));
    for u in (-500..500).map(|i| 0.1 * f64::from(i)) {
        assert!((0.0..=2.0).contains(&all.inverse(u)), "{u}");
    }
    let inner: Vec<f64> = values.iter().map(|x| 3.0 - x).collect();
    let inner = measure_all(&asked, inner.iter().copied(), 0)
        .unwrap()
        .unwrap();
    assert!(inner.objection(0.0).is_some() && inner.objection(1.0).is_none());
    assert_eq!(inner.inverse(-60.0), 1.0);
    assert_eq!(measure_all(&None, values.iter().copied(), 0).unwrap(), None);
    // Zeros in 400, the others 1 and 3.
    let values: Vec<f64> = (0..1000)
        .map(|i| match i % 10 {
            0..4 => 0.0,
            i => f64::from(1 + 2 * (i % 2)),
        })
        .collect();
    let asked = parse("zeros(0)", 1, &[]).unwrap().remove(0);
    let found = measure(&asked, &values, 0).unwrap();
    let Scaling::Zeros { width, edge, .. } = found else {
        panic!()
    };
    assert_eq!(width, Some(2.0));
    let below = 0.5 * libm::erfc(-edge / 2f64.sqrt());
    assert!((below - 400.5 / 1001.0).abs() < 1e-14);
    let v = |x: f64| normal_quantile(-(-x / 2.0).exp_m1());
    assert!((found.moments().0 - 0.5 * (v(1.0) + v(3.0))).abs() < 1e-12);
    let asked = parse("integer", 1, &[]).unwrap().remove(0);
    let (mean, std) = measure(&asked, &values, 0).unwrap().moments();
    let variance = 0.3 * (1.0 - 1.2f64).powi(2) + 0.3 * (3.0 - 1.2f64).powi(2) + 0.4 * 1.44;
    assert!((mean - 1.7).abs() < 1e-12);
    assert!((std * std - variance * 1000.0 / 999.0 - 1.0 / 12.0).abs() < 1e-12);
    let asked = parse("zeros(0)", 1, &[]).unwrap().remove(0);
    let error = measure(&asked, &[0.0, 1.0, 0.0, 1.0], 3)
        .unwrap_err()
        .to_string();
    assert!(error.contains("is 1 in all events above 0"), "{error}");
    for text in ["category(2)", "integer(0:5)", "zeros(0)", "integer"] {
        let asked = parse(text, 1, &[]).unwrap().remove(0);
        let error = measure(&asked, &[0.0; 50], 3).unwrap_err().to_string();
        assert!(
            error.contains("column 3 of the events is constant (0)"),
            "{text}: {error}"
        );
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, parts) in [
        ("none, lgo(0)", &["item 1", "`log(low)`"][..]),
        ("", &["item 0", "there are `auto`"]),
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
        ("category, none", &["number of classes", "`category(3)`"]),
        ("category(1), none", &["at least 2"]),
        ("category(2.5), none", &["at least 2"]),
        (
            "none, integer(0:1e6)",
            &["item 1", "1000001 values", "1000 are"],
        ),
        ("none, integer(0:2.5)", &["item 1", "whole numbers"]),
        ("none, integer(0.5:)", &["item 1", "whole number"]),
        ("zeros, none", &["`zeros(0)`"]),
        ("zeros(0, lgo), none", &["`zeros(0, log)`"]),
        (
            "none, zeros(0, log",
            &["item 1", "parenthesis is not closed"],
        ),
        (
            "log(20); standardise",
            &[
                "item 0",
                "\"; standardise\" stands behind the parenthesis",
                "a comma",
            ],
        ),
        ("integer(:5), none", &["item 0", "without a lower bound"]),
        ("none, none, none", &["lists 3 scalings", "2 features"]),
    ] {
        let error = parse(text, 2, &[]).unwrap_err().to_string();
        assert!(error.contains("`features.scaling`"), "{error}");
        assert!(parts.iter().all(|p| error.contains(p)), "{text}: {error}");
    }
    assert!(
        parse(&"x".repeat(100_000), 2, &[])
            .unwrap_err()
            .to_string()
            .len()
            < 400
    );
}

#[test]
fn moments_are_those_on_the_line() {
    let log = parse("log(1)", 1, &[]).unwrap()[0].clone();
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
    let circle = parse("periodic(0:1)", 1, &[]).unwrap()[0].clone();
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

/// Times of two microseconds' spread, in seconds since 1970: no constant, but nothing else either.
#[test]
fn values_that_differ_by_their_rounding_are_said_to() {
    let x: Vec<f64> = (0..1000).map(|i| 1.7e9 + 3e-7 * f64::from(i % 7)).collect();
    let error = measure(&Some(STANDARDISE), &x, 2).unwrap_err().to_string();
    assert!(
        error.contains("column 2 of the events has values like 1.7e9 that differ by no more than"),
        "{error}"
    );
}

/// Every value the same but for its last digit, under every scaling: the rounding of a mean, or of x before the scaling, is no width.
#[test]
fn the_rounding_of_a_constant_is_no_width() {
    for (text, value) in [
        ("none", 0.10566),
        ("standardise", 0.10566),
        ("standardise", 91.1876),
        ("standardise", -1e9 / 3.0),
        ("standardise", 3e200),
        ("log(0)", 91.1876),
        // 1e-7 above the bound: the last digit of x moves the seventh of the logarithm.
        ("log(91.1875999)", 91.1876),
        ("log(-1)", 0.1),
        ("logit(0:1)", 0.3),
        ("logit(1000:1001)", 1000.7),
        ("logit(0:1)", 1.0),
        ("periodic(-pi:pi)", 0.1),
        ("periodic(0:360)", 359.9),
    ] {
        let scaling = parse(text, 1, &[]).unwrap()[0].clone();
        for rows in [2, 7, 1000, 5000, 10_000] {
            let last_digit = |i: usize| match i % 3 {
                0 if value < 1000.0 && value != 1.0 => f64::next_up(value),
                1 => f64::next_down(value),
                _ => value,
            };
            let same = vec![value; rows];
            let wobbling: Vec<f64> = (0..rows).map(last_digit).collect();
            for values in [same, wobbling] {
                let error = measure(&scaling, &values, 3)
                    .map(|s| s.moments())
                    .unwrap_err();
                let text = error.to_string();
                assert!(
                    text.contains("column 3 of the events is constant"),
                    "{text}"
                );
            }
        }
    }
}

/// What is narrow, but wider than rounding, stays a feature with the moments it had: those of plain sums.
#[test]
fn narrow_features_keep_their_moments() {
    for (text, centre, width) in [
        ("standardise", 91.1876, 1e-9),
        ("standardise", 1.7e9, 1.0),
        ("log(0)", 5.0, 1e-8),
        ("log(1e6)", 1e6 + 1e-6, 4e-7),
        ("logit(1000:1001)", 1000.5, 0.5),
        ("periodic(0:1)", 0.3, 1e-7),
    ] {
        let scaling = parse(text, 1, &[]).unwrap()[0].clone();
        let values: Vec<f64> = (0..5001)
            .map(|i| centre + width * (f64::from(i * 37 % 5001) / 2500.0 - 1.0))
            .collect();
        let found = measure(&scaling, &values, 0).unwrap();
        let bare = found.clone().with_moments(0.0, 1.0);
        let n = values.len() as f64;
        let mean = values.iter().map(|&x| bare.forward(x)).sum::<f64>() / n;
        let squares: f64 = values
            .iter()
            .map(|&x| (bare.forward(x) - mean).powi(2))
            .sum();
        assert_eq!(found.moments(), (mean, (squares / (n - 1.0)).sqrt()));
    }
}

/// One event of 10³⁰⁰ makes a variance beyond the numbers there are: it is named, and no constant.
#[test]
fn a_far_event_is_named() {
    let scaling = parse("standardise", 1, &[]).unwrap()[0].clone();
    let mut values: Vec<f64> = (0..100).map(f64::from).collect();
    values[17] = 1e300;
    let text = measure(&scaling, &values, 2).unwrap_err().to_string();
    assert!(
        text.contains("column 2 of the events has values from 0e0 to 1e300"),
        "{text}"
    );
    // In logarithms it is but far.
    let scaling = parse("log(-1)", 1, &[]).unwrap()[0].clone();
    assert!(measure(&scaling, &values, 2).is_ok());
}

#[test]
fn long_tails_are_drawn_in_and_nothing_else() {
    let noise = crate::noise::Noise::new(3, 0, crate::noise::domain::LATENT);
    let mut normal = vec![0.0; 20_000];
    noise.fill_normals(0, 20_000, 1, &mut normal);
    let measured = |values: &[f64]| measure(&None, values, 0).unwrap();
    assert!(matches!(measured(&normal), Scaling::Standardise { .. }));
    // A tail as 1 / x²: the middle is the quartiles', and what networks see is within reach of a spline.
    let heavy: Vec<f64> = normal
        .iter()
        .map(|z| 90.0 + z / (1.0 - z.abs() / 6.0).powi(4))
        .collect();
    let scaling = measured(&heavy);
    let Scaling::Asinh {
        centre,
        width,
        mean,
        std,
    } = scaling
    else {
        panic!("{scaling:?}");
    };
    assert!(
        (centre - 90.0).abs() < 0.05 && (width - 0.6745).abs() < 0.5,
        "{scaling:?}"
    );
    assert!(mean.abs() < 0.1 && std > 0.5 && std < 1.5, "{scaling:?}");
    let most = heavy
        .iter()
        .map(|&x| scaling.forward(x).abs())
        .fold(0.0, f64::max);
    assert!(most < 6.0, "{most}");
    // One event far out.
    normal[7] = 1e6;
    assert!(matches!(measured(&normal), Scaling::Asinh { .. }));
    // Asked for, it is what it is.
    let plain = measure(&Some(STANDARDISE), &heavy, 0).unwrap();
    assert!(matches!(plain, Scaling::Standardise { .. }));
}

#[test]
fn the_middle_of_many_equal_values_has_a_width() {
    // Quartiles of one value: the next quantiles that differ.
    let mut values = vec![3.0; 100];
    values[..15].fill(1.0);
    values[85..].fill(5.0);
    assert_eq!(middle(&values).unwrap(), (3.0, 2.0));
    assert_eq!(middle(&[2.0; 9]).unwrap(), (2.0, 1.0));
    assert_eq!(
        middle(&[-1e308, -1e308, 0.0, 1e308, 1e308]).unwrap().1,
        1e308
    );
}

#[test]
fn scalings_go_by_name() {
    let names = ["m_ll", "pt", "phi"].map(String::from);
    let got = parse("phi = periodic(-pi:pi), m_ll=log(40)", 3, &names).unwrap();
    assert!(matches!(got[0], Some(Scaling::Log { low: 40.0, .. })));
    assert!(got[1].is_none() && matches!(got[2], Some(Scaling::Periodic { .. })));
    for (text, part) in [
        (
            "eta = none",
            "no feature `eta`; their names are m_ll, pt, phi",
        ),
        ("pt = none, pt = none", "`pt` is given twice"),
        ("pt = none, none", "either all items have a name or none"),
        ("pt = lgo(0)", "there are `auto`"),
    ] {
        let error = parse(text, 3, &names).unwrap_err().to_string();
        assert!(
            error.contains(part) && error.contains("`features.scaling`"),
            "{error}"
        );
    }
    let error = parse("pt = none", 3, &[]).unwrap_err().to_string();
    assert!(error.contains("`features.names` gives them"), "{error}");
}
