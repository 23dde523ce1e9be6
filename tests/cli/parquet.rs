//! Files of Apache Parquet, written and read by that crate itself. python/tests/test_program.py compares with pyarrow.

use super::{bits, events, sampled, Folder, ROWS};
use npyz::Order;
use parquet::basic::{
    Compression, ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical,
};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type,
};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::record::Field;
use parquet::schema::types::{Type, TypePtr};
use std::fs;
use std::sync::Arc;

/// A column of a file.
enum Column {
    Double(Vec<f64>),
    /// Where there may be none.
    Optional(Vec<Option<f64>>),
    Float(Vec<f32>),
    Int(Vec<i32>),
    Unsigned(Vec<u32>),
    Long(Vec<i64>),
    UnsignedLong(Vec<u64>),
    Bool(Vec<bool>),
    Text(Vec<&'static str>),
    Time(Vec<i64>),
    Lists(Vec<f64>),
}

impl Column {
    fn kind(&self, name: &str) -> TypePtr {
        let physical = match self {
            Column::Double(_) | Column::Optional(_) | Column::Lists(_) => Physical::DOUBLE,
            Column::Float(_) => Physical::FLOAT,
            Column::Int(_) | Column::Unsigned(_) => Physical::INT32,
            Column::Long(_) | Column::UnsignedLong(_) | Column::Time(_) => Physical::INT64,
            Column::Bool(_) => Physical::BOOLEAN,
            Column::Text(_) => Physical::BYTE_ARRAY,
        };
        let repetition = match self {
            Column::Optional(_) => Repetition::OPTIONAL,
            Column::Lists(_) => Repetition::REPEATED,
            _ => Repetition::REQUIRED,
        };
        let kind = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        let kind = match self {
            Column::Unsigned(_) => kind.with_converted_type(ConvertedType::UINT_32),
            Column::UnsignedLong(_) => {
                kind.with_logical_type(Some(LogicalType::integer(64, false)))
            }
            Column::Time(_) => {
                kind.with_logical_type(Some(LogicalType::timestamp(false, TimeUnit::NANOS)))
            }
            _ => kind,
        };
        Arc::new(kind.build().unwrap())
    }

    fn write(
        &self,
        column: &mut SerializedColumnWriter<'_>,
        rows: std::ops::Range<usize>,
    ) -> Result<usize> {
        let len = rows.len();
        match self {
            Column::Double(v) => column
                .typed::<DoubleType>()
                .write_batch(&v[rows], None, None),
            Column::Optional(v) => {
                let levels: Vec<i16> = v[rows.clone()]
                    .iter()
                    .map(|v| i16::from(v.is_some()))
                    .collect();
                let there: Vec<f64> = v[rows].iter().copied().flatten().collect();
                column
                    .typed::<DoubleType>()
                    .write_batch(&there, Some(&levels), None)
            }
            Column::Lists(v) => column.typed::<DoubleType>().write_batch(
                &v[rows],
                Some(&vec![1; len]),
                Some(&vec![0; len]),
            ),
            Column::Float(v) => column
                .typed::<FloatType>()
                .write_batch(&v[rows], None, None),
            Column::Int(v) => column
                .typed::<Int32Type>()
                .write_batch(&v[rows], None, None),
            Column::Unsigned(v) => {
                let v: Vec<i32> = v[rows].iter().map(|v| *v as i32).collect();
                column.typed::<Int32Type>().write_batch(&v, None, None)
            }
            Column::Long(v) | Column::Time(v) => column
                .typed::<Int64Type>()
                .write_batch(&v[rows], None, None),
            Column::UnsignedLong(v) => {
                let v: Vec<i64> = v[rows].iter().map(|v| *v as i64).collect();
                column.typed::<Int64Type>().write_batch(&v, None, None)
            }
            Column::Bool(v) => column.typed::<BoolType>().write_batch(&v[rows], None, None),
            Column::Text(v) => {
                let v: Vec<ByteArray> = v[rows].iter().map(|v| (*v).into()).collect();
                column.typed::<ByteArrayType>().write_batch(&v, None, None)
            }
        }
    }
}

impl Folder {
    /// Writes columns in groups that end at these rows.
    fn parquet(&self, name: &str, columns: &[(&str, Column)], ends: &[usize], packed: Compression) {
        let properties = WriterProperties::builder().set_compression(packed);
        self.parquet_with(name, columns, ends, properties);
    }

    fn parquet_with(
        &self,
        name: &str,
        columns: &[(&str, Column)],
        ends: &[usize],
        properties: WriterPropertiesBuilder,
    ) {
        let fields = columns
            .iter()
            .map(|(name, column)| column.kind(name))
            .collect();
        let schema = Type::group_type_builder("schema")
            .with_fields(fields)
            .build()
            .unwrap();
        let properties = properties.set_data_page_row_count_limit(100).build();
        let file = fs::File::create(self.at(name)).unwrap();
        let mut file =
            SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
        let mut start = 0;
        for &end in ends {
            let mut group = file.next_row_group().unwrap();
            for (_, column) in columns {
                let mut writer = group.next_column().unwrap().unwrap();
                column.write(&mut writer, start..end).unwrap();
                writer.close().unwrap();
            }
            group.close().unwrap();
            start = end;
        }
        file.close().unwrap();
    }

    /// Names of the columns of a file of doubles, and its rows.
    fn read_parquet(&self, name: &str) -> (Vec<String>, Vec<f64>) {
        let file = SerializedFileReader::new(fs::File::open(self.at(name)).unwrap()).unwrap();
        let schema = file.metadata().file_metadata().schema_descr();
        let names = schema
            .columns()
            .iter()
            .map(|c| c.name().to_owned())
            .collect();
        let mut rows = Vec::new();
        for row in file.get_row_iter(None).unwrap() {
            rows.extend(
                row.unwrap()
                    .get_column_iter()
                    .map(|(_, field)| match field {
                        Field::Double(value) => *value,
                        other => panic!("{other}"),
                    }),
            );
        }
        (names, rows)
    }
}

#[test]
fn sampled_events_are_written_as_columns() {
    let folder = Folder::new();
    let all = "sample model.laser -n 700 --seed 3 --method reweight --latent --logp --weights";
    folder.good(&format!("{all} -o x.parquet"));
    let (names, rows) = folder.read_parquet("x.parquet");
    assert_eq!(names.join(" "), "x0 x1 z0 z1 log_p w");
    let expected = sampled(folder.model("model.laser"), "reweight", [3, 0, 0], 700);
    assert_eq!(bits(&rows), bits(&expected));
    let file = SerializedFileReader::new(fs::File::open(folder.at("x.parquet")).unwrap()).unwrap();
    let about = file
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .unwrap();
    let told = |key: &str| {
        about
            .iter()
            .find(|kv| kv.key == key)
            .and_then(|kv| kv.value.clone())
    };
    assert_eq!(told("liblaser_seed").as_deref(), Some("3"));
    assert_eq!(told("liblaser_model_sha256").unwrap().len(), 64);
    let piped = folder.run(&format!("{all} -o - --format parquet"));
    assert!(piped.stdout == fs::read(folder.at("x.parquet")).unwrap());
    folder.usage(
        "sample model.laser -n 9 -o x.parquet.gz",
        "packed by gzip are not",
    );
    folder.usage(
        "sample model.laser -n 9 -o x.parquet --hepmc-columns 13:x0,x1,0,m=0.1",
        "is for .lhe and .hepmc",
    );
}

#[test]
fn columns_of_every_kind_are_read() {
    let folder = Folder::new();
    let x = events(2, 1);
    let column = |c: usize| x.iter().skip(c).step_by(2).copied().collect::<Vec<f64>>();
    let number = |i: usize| (i * 7919) % 101;
    let each = |f: &dyn Fn(usize) -> f64| (0..ROWS).map(f).collect::<Vec<f64>>();
    let expected = [
        ("a", column(0)),
        ("b", column(1)),
        (
            "f",
            column(1).iter().map(|v| f64::from(*v as f32)).collect(),
        ),
        ("i", each(&|i| number(i) as f64 - 50.0)),
        ("u", each(&|i| (number(i) + (1 << 31)) as f64)),
        ("l", each(&|i| number(i) as f64 - 2.0_f64.powi(40))),
        ("v", each(&|i| number(i) as f64 * 2.0_f64.powi(57))),
        ("t", each(&|i| f64::from(u8::from(number(i) < 30)))),
    ];
    let rows: Vec<f64> = (0..ROWS)
        .flat_map(|row| {
            expected
                .iter()
                .map(move |(_, c)| c[row])
                .collect::<Vec<_>>()
        })
        .collect();
    folder.npy("same.npy", &rows, expected.len(), Order::C);
    let given = || {
        [
            ("a", Column::Double(column(0))),
            (
                "b",
                Column::Optional(column(1).into_iter().map(Some).collect()),
            ),
            (
                "f",
                Column::Float(column(1).iter().map(|v| *v as f32).collect()),
            ),
            (
                "i",
                Column::Int((0..ROWS).map(|i| number(i) as i32 - 50).collect()),
            ),
            (
                "u",
                Column::Unsigned((0..ROWS).map(|i| (number(i) + (1 << 31)) as u32).collect()),
            ),
            (
                "l",
                Column::Long((0..ROWS).map(|i| number(i) as i64 - (1 << 40)).collect()),
            ),
            (
                "v",
                Column::UnsignedLong((0..ROWS).map(|i| (number(i) as u64) << 57).collect()),
            ),
            (
                "t",
                Column::Bool((0..ROWS).map(|i| number(i) < 30).collect()),
            ),
        ]
    };
    for (packed, ends) in [
        (Compression::UNCOMPRESSED, &[ROWS][..]),
        (Compression::SNAPPY, &[1, 1500, ROWS]),
        (Compression::GZIP(Default::default()), &[1500, 1500, ROWS]),
        (Compression::ZSTD(Default::default()), &[2999, ROWS]),
        (Compression::LZ4_RAW, &[ROWS]),
    ] {
        folder.parquet("x.parquet", &given(), ends, packed);
        // Every number, one column after the other.
        let score = folder.json("score same.npy x.parquet --repeats 2 --directions 1 --json");
        let features = score["features"].as_array().unwrap();
        for ((name, _), feature) in expected.iter().zip(features) {
            assert_eq!(feature["name"], *name);
            assert_eq!(feature["emd"]["distance"], 0.0, "{packed}: {feature}");
        }
        // And row by row.
        let score = folder.json(
            "score same.npy x.parquet --repeats 2 --directions 1 --with x0*x1 --with x5*x0+x4 --json",
        );
        for feature in score["features"].as_array().unwrap() {
            assert_eq!(feature["emd"]["distance"], 0.0, "{packed}: {feature}");
        }
    }
}

#[test]
fn files_of_columns_are_trained_on_and_weighted() {
    let folder = Folder::new();
    let (x, far) = (events(2, 1), events(2, 2));
    let column =
        |x: &[f64], c: usize| Column::Double(x.iter().skip(c).step_by(2).copied().collect());
    let pair = |x: &[f64]| [("pt", column(x, 0)), ("eta", column(x, 1))];
    // In another order, and among others.
    let more = |x: &[f64]| {
        [
            (
                "n",
                Column::Long((0..ROWS as i64).map(|i| i * 1_000_003 % 7919).collect()),
            ),
            ("eta", column(x, 1)),
            ("pt", column(x, 0)),
        ]
    };
    let ends = [700, 1400, 2100, ROWS];
    folder.parquet("from.parquet", &pair(&x), &ends, Compression::SNAPPY);
    folder.parquet("to.parquet", &pair(&far), &ends, Compression::SNAPPY);
    folder.parquet("more.parquet", &more(&x), &ends, Compression::SNAPPY);
    folder.npy("from.npy", &x, 2, Order::C);
    folder.npy("to.npy", &far, 2, Order::C);
    folder.write("options.json", super::OPTIONS);
    folder.good("reweight train from.parquet to.parquet -o named.laser --options options.json");
    folder.good("reweight train from.npy to.npy -o plain.laser --options options.json");
    folder.good("reweight apply plain.laser from.npy -o w.npy");
    let (_, w) = folder.read("w.npy");
    for events in ["from.parquet", "more.parquet"] {
        folder.good(&format!("reweight apply named.laser {events} -o w.parquet"));
        assert_eq!(
            folder.read_parquet("w.parquet"),
            (vec!["w".into()], w.clone()),
            "{events}"
        );
    }
    folder.good("reweight apply named.laser more.parquet -o all.npy --events-too");
    let (names, all) = folder.records("all.npy");
    assert_eq!(names.join(" "), "n eta pt w");
    let wanted: Vec<f64> = (0..ROWS)
        .flat_map(|i| {
            [
                (i as i64 * 1_000_003 % 7919) as f64,
                x[2 * i + 1],
                x[2 * i],
                w[i],
            ]
        })
        .collect();
    assert_eq!(all, wanted);

    // Weights of both signs, in a column of their own.
    let signed: Vec<f64> = (0..ROWS)
        .map(|i| if i % 5 == 0 { -1.0 } else { 1.0 })
        .collect();
    let signed = [
        ("pt", column(&x, 0)),
        ("w", Column::Double(signed)),
        ("eta", column(&x, 1)),
    ];
    folder.parquet("signed.parquet", &signed, &ends, Compression::SNAPPY);
    folder.good("resample signed.parquet -o new.parquet --weight-column w --options options.json");
    let (names, rows) = folder.read_parquet("new.parquet");
    assert_eq!(names.join(" "), "pt w eta");
    let sum: f64 = rows.chunks_exact(3).map(|row| row[1]).sum();
    assert!(
        (sum - 0.6 * ROWS as f64).abs() < 1e-6 * ROWS as f64,
        "{sum}"
    );
    assert!(rows.chunks_exact(3).all(|row| row[1] > 0.0));
}

#[test]
fn other_columns_are_refused() {
    let folder = Folder::new();
    let column = || Column::Double((0..9).map(|i| f64::from(i).sin()).collect());
    let refuse = |other: (&str, Column), message: &str| {
        folder.parquet(
            "x.parquet",
            &[("pt", column()), other],
            &[4, 9],
            Compression::SNAPPY,
        );
        folder.bad("score x.parquet truth.npy", message);
    };
    let none = |name: &str| {
        format!(
            "x.parquet: its column `{name}` is no column of numbers; in Python, `liblaser.write("
        )
    };
    refuse(("process", Column::Text(vec!["qq"; 9])), &none("process"));
    refuse(("when", Column::Time((0..9).collect())), &none("when"));
    refuse(("jets", Column::Lists(vec![1.0; 9])), &none("jets"));
    refuse(("pt", column()), "two columns are called `pt`");
    refuse(
        ("__index_level_0__", Column::Long((0..9).collect())),
        "is the index of a table",
    );
    // One with a name is known by what pandas writes about it.
    let event = || Column::Long((0..9).map(|i| 7 * i % 5).collect());
    for (index, refused) in [
        ("\"event\"", true),
        ("{\"kind\": \"range\", \"start\": 0}", false),
    ] {
        let about = KeyValue::new("pandas".into(), format!("{{\"index_columns\": [{index}]}}"));
        let about = WriterProperties::builder().set_key_value_metadata(Some(vec![about]));
        let columns = [("pt", column()), ("event", event())];
        folder.parquet_with("x.parquet", &columns, &[9], about);
        let score = "score x.parquet x.parquet --repeats 2 --directions 1";
        match refused {
            true => drop(folder.bad(
                score,
                "x.parquet: its column `event` is the index of a table and no feature",
            )),
            false => drop(folder.good(score)),
        }
    }
    let missing = (0..9)
        .map(|i| (i != 5).then_some(1.0 / f64::from(i + 1)))
        .collect();
    refuse(
        ("eta", Column::Optional(missing)),
        "row 5, column 1 (both from 0): NaN, or no value (null); all numbers must be finite",
    );
    folder.parquet(
        "none.parquet",
        &[("pt", column())],
        &[],
        Compression::SNAPPY,
    );
    folder.bad("score none.parquet truth.npy", "there are no events in it");
    folder.write("text.parquet", "pt,eta\n1,2\n");
    folder.bad(
        "score text.parquet truth.npy",
        "no .parquet file that can be read",
    );
    folder.bad(
        "score x.parquet.gz truth.npy",
        "packed by gzip are not read",
    );
}

#[test]
fn broken_files_of_columns_are_told() {
    let folder = Folder::new();
    let x = events(2, 1);
    let column =
        |c: usize| Column::Double(x.iter().skip(c).step_by(2).take(300).copied().collect());
    folder.parquet(
        "x.parquet",
        &[("a", column(0)), ("b", column(1))],
        &[200, 300],
        Compression::SNAPPY,
    );
    let whole = fs::read(folder.at("x.parquet")).unwrap();
    let mut wrong = 0;
    let mut tries = |bytes: &[u8], what: &str| {
        fs::write(folder.at("y.parquet"), bytes).unwrap();
        let output = folder.run("score x.parquet y.parquet --repeats 2 --directions 1");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(
            [Some(0), Some(1)].contains(&output.status.code()),
            "{what}: {errors}"
        );
        assert!(!errors.contains("a defect of liblaser"), "{what}: {errors}");
        wrong += usize::from(output.status.code() == Some(1));
    };
    for cut in (0..whole.len()).step_by(whole.len() / 20) {
        tries(&whole[..cut], &format!("cut at {cut}"));
    }
    // The end says what the file holds, and is most worth to be wrong.
    let places = (0..whole.len() - 600)
        .step_by(97)
        .chain(whole.len() - 600..whole.len());
    for place in places.step_by(3) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x55;
        tries(&bytes, &format!("byte {place}"));
    }
    assert!(wrong > 100, "{wrong}");
}
