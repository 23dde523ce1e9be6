//! What would be wrong without a word: columns taken for others, weights for features, and numbers that are not what the file says.

use super::{array, events, words, Folder, OPTIONS, ROWS};
use laser::model::Model;
use npyz::Order;
use std::fs;

const QUICK: &str = "--repeats 2 --directions 1";

impl Folder {
    /// Writes rows of numbers with a header.
    fn table(&self, name: &str, header: &str, rows: &[Vec<f64>]) {
        let line = |row: &Vec<f64>| {
            let row: Vec<String> = row.iter().map(f64::to_string).collect();
            row.join(",") + "\n"
        };
        let rows: String = rows.iter().map(line).collect();
        self.write(name, &format!("{header}\n{rows}"));
    }

    /// What a command that must succeed said on stderr.
    fn said(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments}: {errors}");
        errors
    }
}

/// Rows with more columns, made of the two features and the number of the event.
fn rows(seed: u64, row: impl Fn(usize, &[f64]) -> Vec<f64>) -> Vec<Vec<f64>> {
    let x = events(2, seed);
    let rows = x.chunks_exact(2).enumerate();
    rows.map(|(i, x)| row(i, x)).collect()
}

#[test]
fn what_stands_beside_the_events_of_an_archive_is_not_lost() {
    let folder = Folder::new();
    let x = events(2, 1);
    let n = ROWS as u64;
    let column = |c: usize| x.iter().skip(c).step_by(2).copied().collect::<Vec<f64>>();
    let vector = |c: usize| array(&column(c), &[n]);
    let weights = || array(&vec![1.0; ROWS], &[n]);
    // `numpy.savez(x=x, y=y)` of vectors: columns, as of any other names.
    folder.npz("xy.npz", &[("x", vector(0)), ("y", vector(1))], true);
    let score = folder.json(&format!("score truth.npy xy.npz {QUICK} --json"));
    for (feature, name) in [(0, "x"), (1, "y")] {
        assert_eq!(score["features"][feature]["name"], name);
        assert_eq!(score["features"][feature]["emd"]["distance"], 0.0);
    }
    for name in ["x", "events"] {
        let table = (name, array(&x, &[n, 2]));
        folder.npz("weighted.npz", &[table, ("w", weights())], true);
        let message = format!(
            "weighted.npz: beside its array `{name}` it also holds w, of as many rows: say `weighted.npz:{name}` if that is not wanted"
        );
        for weighted in ["", "--weights"] {
            folder.bad(
                &format!("score weighted.npz weighted.npz {weighted} {QUICK}"),
                &message,
            );
        }
        folder.good(&format!("score truth.npy weighted.npz:{name} {QUICK}"));
    }
    // A vector beside others of as many rows, which are no columns.
    let uneven = [
        ("x", vector(0)),
        ("y", vector(1)),
        ("jets", array(&x, &[n, 2])),
    ];
    folder.npz("uneven.npz", &uneven, true);
    folder.bad("score uneven.npz truth.npy", "it also holds y, jets, of as");
    // What belongs to the columns or to the whole is no loss.
    let about = [
        ("x", array(&x, &[n, 2])),
        ("names", words(&["pt", "eta"])),
        ("means", array(&[0.5, 0.5], &[2])),
        ("luminosity", array(&[139.0], &[])),
    ];
    folder.npz("about.npz", &about, true);
    folder.good(&format!("score truth.npy about.npz {QUICK}"));
}

#[test]
fn options_give_other_names_but_no_other_order() {
    let folder = Folder::new();
    folder.table("turned.csv", "eta,pt", &rows(1, |_, x| vec![x[1], x[0]]));
    let turned = rows(1, |i, x| {
        vec![x[1], x[0], if i % 5 == 0 { -1.0 } else { 1.0 }]
    });
    folder.table("signed.csv", "eta,pt,w", &turned);
    let named =
        |names: &str| OPTIONS.replacen('{', &format!("{{\"features.names\": \"{names}\","), 1);
    folder.write("options.json", &named("pt, eta"));
    folder.write(
        "refine.json",
        &format!(
            r#"{{"events": "turned.csv", "model": "m.laser", "options": {}}}"#,
            named("pt,eta")
        ),
    );
    folder.write(
        "unfold.json",
        &format!(
            r#"{{"generated": "turned.csv", "reconstructed": "truth.npy", "data": "truth.npy", "weights": "w.npy", "model": "m.laser", "options": {}}}"#,
            named("pt,eta")
        ),
    );
    for command in [
        "refine refine.json",
        "unfold unfold.json",
        "reweight train truth.npy turned.csv -o m.laser --options options.json",
        "resample signed.csv -o x.npy --options options.json",
    ] {
        folder.bad(
            command,
            "its columns are called eta, pt, and the option `features.names` says pt, eta: it gives columns other names, and no other order",
        );
    }
    // The library itself, of a file that it reads.
    let names = "('eta', '<f8'), ('pt', '<f8')";
    let bytes: Vec<u8> = events(2, 1).iter().flat_map(|x| x.to_le_bytes()).collect();
    folder.structured("turned.npy", names, &format!("({ROWS},)"), &bytes);
    let options = laser::options::Options::from_json(&named("pt,eta")).unwrap();
    let source = laser::protocol::Source::from_file(&folder.at("turned.npy"), &options);
    let refused = laser::protocol::train_generator(&mut source.unwrap(), &options, &());
    let refused = refused.map(drop).unwrap_err().to_string();
    assert!(
        refused
            .contains("but the target's columns are called eta, pt: it gives columns other names"),
        "{refused}"
    );
    // Others rename them.
    folder.write("options.json", &named("a,b"));
    folder.good("reweight train truth.npy turned.csv -o m.laser --options options.json");
    let model = Model::load(&folder.at("m.laser")).unwrap();
    assert_eq!(model.names, ["a", "b"]);
}

#[test]
fn names_that_no_feature_can_have_are_refused_with_their_file() {
    let folder = Folder::new();
    folder.write("options.json", OPTIONS);
    let table = rows(1, |_, x| x.to_vec());
    for header in ["\"a,b\",c", "\"a \"\"b\"\"\",c", "a=b,c"] {
        folder.table("odd.csv", header, &table);
        let refused = folder.bad(
            "reweight train truth.npy odd.csv -o m.laser --options options.json",
            "odd.csv: the name of value 0 (from 0), \"a",
        );
        assert!(refused.contains(": rename the column"), "{refused}");
    }
}

#[test]
fn of_several_weights_one_is_to_be_named() {
    let folder = Folder::new();
    let table = rows(1, |i, x| vec![x[0], (i % 3) as f64, x[1], 2.0]);
    folder.table("two.csv", "pt,weight,eta,w", &table);
    folder.usage(
        &format!("score two.csv two.csv --weights {QUICK}"),
        "two.csv: several columns are called as weights are, `weight`, `w`: say which one by its name (`--weight-column`",
    );
    folder.good(&format!(
        "score two.csv two.csv --weights --weight-column w {QUICK}"
    ));
}

#[test]
fn large_whole_numbers_are_not_written_back_rounded() {
    let folder = Folder::new();
    folder.write("options.json", OPTIONS);
    folder.good(
        "reweight train truth.npy truth.npy -o r.laser --options options.json --checkpoint c",
    );
    let n = 12;
    let x = events(1, 1);
    let line = |i: usize, number: &str| format!("{},{number},{},1\n", x[i], x[i + n]);
    let message = "row 3, column 1 (both from 0): a whole number of 2^53 or more";
    let csv = |third: &str| {
        let lines = (0..n).map(|i| line(i, if i == 3 { third } else { "7" }));
        folder.write(
            "x.csv",
            &("a,event,b,v\n".to_owned() + &lines.collect::<String>()),
        );
    };
    let small = r#"{"preset": "fast", "classifier": {"layers": 1, "units": 8, "epochs": 1}, "weights.events": 1000}"#;
    folder.write("small.json", small);
    for number in ["9007199254740993", "-9007199254740993"] {
        csv(number);
        folder.bad(
            "resample x.csv -o y.csv --columns a,b --options small.json",
            message,
        );
    }
    folder.table("named.csv", "a,b", &rows(1, |_, x| x.to_vec()));
    folder.good("reweight train truth.npy named.csv -o named.laser --options options.json");
    folder.bad(
        "reweight apply named.laser x.csv -o y.csv --events-too",
        message,
    );
    folder.good("reweight apply named.laser x.csv -o y.csv");
    // A number that is none of events.
    for number in [
        "9007199254740991",
        "9.007199254740993e15",
        "9007199254740993.0",
    ] {
        csv(number);
        folder.good("reweight apply named.laser x.csv -o y.csv --events-too");
    }
    let vector = |c: usize| array(&x[c * n..][..n], &[n as u64]);
    let numbers: Vec<u64> = (0..n as u64)
        .map(|i| if i == 3 { (1 << 53) + 1 } else { i * i })
        .collect();
    let arrays = [
        ("a", vector(0)),
        ("event", array(&numbers, &[n as u64])),
        ("b", vector(1)),
    ];
    folder.npz("x.npz", &arrays, true);
    folder.bad(
        "reweight apply named.laser x.npz -o y.npy --events-too",
        message,
    );
}

#[test]
fn weights_are_not_compared_as_features_unasked() {
    let folder = Folder::new();
    let table = |seed, w: f64| rows(seed, |i, x| vec![x[0], x[1], w + (i % 3) as f64]);
    folder.table("a.csv", "pt,eta,w", &table(1, 1.0));
    folder.table("b.csv", "pt,eta,w", &table(2, 2.0));
    let message =
        "column `w` is called as weights are: if it is one, say --weights or --weight-column w";
    folder.usage(
        &format!("score a.csv b.csv {QUICK}"),
        &format!("a.csv: {message}"),
    );
    folder.usage(
        &format!("score truth.npy b.csv {QUICK}"),
        &format!("b.csv: {message}"),
    );
    // Left aside it may be what the user wants.
    let said = folder.said(&format!("score a.csv b.csv --columns pt,eta {QUICK}"));
    assert!(
        said.contains(&format!("warning: a.csv: {message}")),
        "{said}"
    );
    assert!(
        said.contains(&format!("warning: b.csv: {message}")),
        "{said}"
    );
    for columns in ["pt,w", "0,2"] {
        let said = folder.said(&format!("score a.csv b.csv --columns {columns} {QUICK}"));
        assert_eq!(said, "");
    }
    // A name alone says that both have weights.
    let score = |weights: &str| folder.json(&format!("score a.csv b.csv {weights} {QUICK} --json"));
    assert_eq!(score("--weight-column w"), score("--weights"));
    assert_eq!(score("--weight-column 2"), score("--weights"));
}

#[test]
fn formulas_count_columns_as_the_file_does() {
    let folder = Folder::new();
    // The weight first; three features; the sample in another order.
    let numbers = |seed| {
        rows(seed, |i, x| {
            vec![1.0, x[0], x[1], x[0] * x[1] + (i % 7) as f64]
        })
    };
    folder.table("a.csv", "w,p,q,r", &numbers(1));
    folder.table("b.csv", "w,p,q,r", &numbers(2));
    let turned = numbers(2).into_iter().map(|x| vec![x[3], x[1], x[0], x[2]]);
    folder.table("turned.csv", "r,p,w,q", &turned.collect::<Vec<_>>());
    let weights = "--weight-column w";
    let score = |sample: &str, more: &str| {
        folder.json(&format!(
            "score a.csv {sample} {weights} {QUICK} {more} --json"
        ))
    };
    let by_name = score("b.csv", "--with p-q --support p>q");
    for sample in ["b.csv", "turned.csv"] {
        for more in ["", "--columns 2", "--columns p,q", "--columns r,q,p"] {
            let score = score(sample, &format!("{more} --with x1-x[2] --support x1>x2"));
            let last = |score: &serde_json::Value| {
                let features = score["features"].as_array().unwrap();
                features.last().unwrap()["ks"].clone()
            };
            assert_eq!(last(&score), last(&by_name), "{sample} {more}");
            for what in ["beyond", "ratio"] {
                assert_eq!(
                    score["edges"][0][what], by_name["edges"][0][what],
                    "{sample} {more}"
                );
            }
        }
    }
    let refused =
        "holds weights, or is not among the `--columns` chosen by name, or not in both files";
    for more in [
        "--with x0-x1",
        "--support x0>x1",
        "--with w",
        "--columns p --with x2",
        "--columns p --support p>r",
    ] {
        folder.usage(
            &format!("score a.csv b.csv {weights} {QUICK} {more}"),
            refused,
        );
    }
    // Columns without names in one of the files, and NaN where nothing counts.
    let plain: Vec<f64> = numbers(2).concat();
    folder.npy("plain.npy", &plain, 4, Order::C);
    let unnamed = folder.json(&format!(
        "score plain.npy a.csv --weight-column 0 {QUICK} --with p-x2 --support p>x2 --json"
    ));
    assert_eq!(unnamed["features"][3]["ks"], by_name["features"][3]["ks"]);
    let mut nan = numbers(2);
    nan[5][3] = f64::NAN;
    folder.table("nan.csv", "w,p,q,r", &nan);
    folder.good(&format!(
        "score a.csv nan.csv {weights} {QUICK} --columns 1 --support x1>x2"
    ));
    folder.bad(
        &format!("score a.csv nan.csv {weights} {QUICK} --columns 1 --support x1>x3"),
        "nan.csv: line 7, column 3 (from 0): NaN",
    );
}

#[test]
fn a_side_without_names_is_told_of() {
    let folder = Folder::new();
    folder.write("options.json", OPTIONS);
    folder.table("named.csv", "pt,eta", &rows(1, |_, x| x.to_vec()));
    let told =
        |whose: &str| format!("laser: {whose} has no names: its columns are taken as pt, eta\n");
    let said = folder.said(&format!("score named.csv truth.npy {QUICK}"));
    assert_eq!(said, told("truth.npy"));
    let said = folder.said(&format!("score truth.npy named.csv {QUICK}"));
    assert_eq!(said, told("the reference"));
    let said = folder.said(&format!("score named.csv named.csv {QUICK}"));
    assert_eq!(said, "");

    // The names of either are those of the model.
    for (from, to, unnamed) in [
        ("named.csv", "truth.npy", "truth.npy"),
        ("truth.npy", "named.csv", "truth.npy"),
    ] {
        let said = folder.said(&format!(
            "reweight train {from} {to} -o named.laser --options options.json"
        ));
        assert!(said.contains(&told(unnamed)), "{said}");
        let model = Model::load(&folder.at("named.laser")).unwrap();
        assert_eq!(model.names, ["pt", "eta"], "{from} {to}");
    }
    let said = folder.said("reweight apply named.laser truth.npy -o w.npy");
    assert!(said.contains(&told("truth.npy")), "{said}");
    folder.good("reweight train truth.npy truth.npy -o plain.laser --options options.json");
    let said = folder.said("reweight apply plain.laser named.csv -o w.npy");
    assert!(said.contains(&told("the reweighter")), "{said}");

    // Which of four columns two without names are, nobody knows.
    folder.table(
        "four.csv",
        "a,pt,eta,b",
        &rows(1, |_, x| vec![1.5, x[0], x[1], 2.5]),
    );
    for files in ["truth.npy four.csv", "four.csv truth.npy"] {
        folder.usage(
            &format!("score {files} --columns 0,1 {QUICK}"),
            "one of them has no names: which are which is not known",
        );
    }
}

#[test]
fn what_has_names_keeps_them() {
    let folder = Folder::new();
    folder.write("options.json", OPTIONS);
    let table = rows(1, |i, x| {
        vec![x[0], x[1], if i % 5 == 0 { -1.0 } else { 1.0 }]
    });
    folder.table("x.csv", "pt,eta,w", &table);
    folder.good("resample x.csv -o new.npy --options options.json --model r.laser");
    assert_eq!(folder.records("new.npy").0, ["pt", "eta", "w"]);
    let x = events(2, 1);
    let vector = |c: usize| {
        let values: Vec<f64> = x.iter().skip(c).step_by(2).copied().collect();
        array(&values, &[ROWS as u64])
    };
    folder.npz("x.npz", &[("pt", vector(0)), ("eta", vector(1))], true);
    folder.good("reweight apply r.laser x.npz -o all.npy --events-too --log");
    assert_eq!(folder.records("all.npy").0, ["pt", "eta", "log_w", "w"]);
    // A column is in the way of what is written alone.
    folder.table("log.csv", "pt,eta,log_w", &table);
    folder.good("reweight apply r.laser log.csv -o all.csv --events-too");
    folder.bad(
        "reweight apply r.laser log.csv -o no.csv --events-too --log",
        "--events-too: a column is called `log_w` already, as one of the new ones is; rename it",
    );
    folder.bad(
        "reweight apply r.laser x.csv -o no.csv --events-too",
        "a column is called `w` already",
    );
}

#[test]
fn an_index_is_not_unfolded() {
    let folder = Folder::new();
    let indexed = rows(1, |i, x| vec![i as f64, x[0]]);
    folder.npy("indexed.npy", &indexed.concat(), 2, Order::C);
    folder.npy("detector.npy", &events(2, 2), 2, Order::C);
    for key in ["generated", "reconstructed", "data"] {
        let mut files = serde_json::json!({
            "generated": "truth.npy", "reconstructed": "detector.npy", "data": "truth.npy",
            "weights": "w.npy", "model": "m.laser", "options": {"preset": "fast"}
        });
        files[key] = "indexed.npy".into();
        folder.write("unfold.json", &files.to_string());
        folder.bad(
            "unfold unfold.json",
            "indexed.npy: column 0 (from 0) counts the rows: it is an index and no feature",
        );
    }
}

#[test]
fn long_headers_and_titles_are_read() {
    let folder = Folder::new();
    let n = 12_000;
    let fields: String = (0..n).map(|i| format!("('a{i:05}', '<f4'), ")).collect();
    let header = format!("{{'descr': [{fields}], 'fortran_order': False, 'shape': (20,), }}\n");
    assert!(header.len() > 1 << 16);
    let mut file = b"\x93NUMPY\x02\x00".to_vec();
    file.extend((header.len() as u32).to_le_bytes());
    file.extend(header.bytes());
    let values = (0..20 * n).map(|i| (i as f32 * 0.7).sin());
    file.extend(values.flat_map(f32::to_le_bytes));
    fs::write(folder.at("wide.npy"), file).unwrap();
    folder.good(&format!(
        "score wide.npy wide.npy --columns a00007,a11999 {QUICK}"
    ));
    let fields = "(('transverse momentum [GeV]', 'pt'), '<f8'), ('eta', '<f8')";
    let bytes: Vec<u8> = events(2, 1).iter().flat_map(|x| x.to_le_bytes()).collect();
    folder.structured("titled.npy", fields, &format!("({ROWS},)"), &bytes);
    assert_eq!(folder.records("titled.npy").0, ["pt", "eta"]);
}
