use super::*;
use crate::particle::{mass, square, sum, Event};

fn columns() -> Vec<String> {
    (0..6).map(|i| format!("x{i}")).collect()
}

fn names() -> Vec<String> {
    ["m_ll", "pt_ll", "y_ll", "cos", "phi_s", "code"]
        .map(String::from)
        .to_vec()
}

/// The particles of row `row` as event 5.
fn made(json: &str, row: &[f64]) -> Result<Event, String> {
    let mut maker = Maker::new(&Declaration::from_json(json)?, &columns(), &names())?;
    maker.begin(1, 2, 5);
    let mut event = Event::default();
    maker.make(row, &mut event)?;
    Ok(event)
}

const Z: &str = r#"{
    "beams": {"pdg": [2212, 2212], "energy": [6500, 6500]},
    "incoming": [{"pdg": "code", "color": [501, 0]}, {"pdg": "-code", "color": [0, 501]}],
    "cross_section": [1000, 10],
    "particles": [
        {"pdg": 23, "m": "m_ll", "pt": "pt_ll", "y": "y_ll", "phi": "uniform",
         "decay": {"frame": "collins_soper", "cos_theta": "cos", "phi": "phi_s",
                   "to": [{"pdg": 13, "m": 0.10566}, {"pdg": -13, "m": 0.10566}]}},
        {"pdg": 21, "recoil": true, "y": "-x2", "m": 0}
    ]}"#;

const ROW: [f64; 6] = [91.0, 20.0, 1.5, -0.3, 2.0, 2.0];

#[test]
fn a_resonance_decays_and_all_is_conserved() {
    let event = made(Z, &ROW).unwrap();
    let pdg: Vec<i32> = event.out.iter().map(|p| p.pdg).collect();
    assert_eq!(pdg, [23, 13, -13, 21]);
    let [z, muon, other, gluon] = [0, 1, 2, 3].map(|i| event.out[i].p);
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{a} {b}");
    let both = sum([&muon, &other]);
    both.iter().zip(&z).for_each(|(a, b)| near(*a, *b));
    near(mass(&z), 91.0);
    near(z[0].hypot(z[1]), 20.0);
    near(0.5 * ((z[3] + z[2]) / (z[3] - z[2])).ln(), 1.5);
    assert!((square(&muon) - 0.10566 * 0.10566).abs() < 1e-8);
    let rest = Frame::CollinsSoper.to_rest(&z, muon);
    near(
        rest[2] / (rest[0] * rest[0] + rest[1] * rest[1] + rest[2] * rest[2]).sqrt(),
        -0.3,
    );
    near(rest[1].atan2(rest[0]), 2.0);
    near(gluon[0], -z[0]);
    near(
        0.5 * ((gluon[3] + gluon[2]) / (gluon[3] - gluon[2])).ln(),
        -1.5,
    );
    let [a, b] = event.incoming.unwrap();
    assert_eq!([a.pdg, b.pdg], [2, -2]);
    let (before, behind) = (sum([&a.p, &b.p]), sum([&z, &gluon]));
    before.iter().zip(&behind).for_each(|(a, b)| near(*a, *b));
    near(event.scale, mass(&behind));
    // The azimuth is that of the event, whatever was made before.
    let again = made(Z, &ROW).unwrap();
    assert_eq!(again.out[0].p, z);
    let declaration = Declaration::from_json(Z).unwrap();
    let mut maker = Maker::new(&declaration, &columns(), &names()).unwrap();
    maker.begin(1, 2, 4);
    let mut other = Event::default();
    maker.make(&ROW, &mut other).unwrap();
    assert!(other.out[0].p != z);
    maker.make(&ROW, &mut other).unwrap();
    assert_eq!(other.out[0].p, z);
}

#[test]
fn momenta_are_given_in_any_of_the_usual_ways() {
    let known = [3.0, 4.0, 12.0, 13.0_f64.hypot(2.0)];
    let (eta, y) = (
        (12.0_f64 / 5.0).asinh(),
        (12.0_f64 / 29.0_f64.sqrt()).asinh(),
    );
    let (phi, energy) = (4.0_f64.atan2(3.0), known[3]);
    for momentum in [
        r#""px": 3, "py": 4, "pz": 12, "m": 2"#.to_owned(),
        format!(r#""pt": 5, "phi": {phi}, "eta": {eta}, "m": 2"#),
        format!(r#""pt": 5, "phi": {phi}, "y": {y}, "m": 2"#),
        format!(r#""pt": 5, "phi": {phi}, "y": {y}, "e": {energy}"#),
        format!(r#""px": 3, "py": "hypot(0, x0)", "pz": 12, "e": {energy}"#),
    ] {
        let json = format!(r#"{{"particles": [{{"pdg": 1, {momentum}}}]}}"#);
        let p = made(&json, &[4.0; 6]).unwrap().out[0].p;
        let off = p.iter().zip(&known).any(|(a, b)| (a - b).abs() > 1e-12 * b);
        assert!(!off, "{momentum}: {p:?}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let particle = |inner: &str| format!(r#"{{"particles": [{{"pdg": 1, {inner}}}]}}"#);
    for (json, message) in [
        ("{}".to_owned(), "missing field `particles`"),
        (r#"{"particles": []}"#.into(), "there are none"),
        (
            particle(r#""pt": 5, "m": 0"#),
            "give `px` and `py`, or `pt` and `phi`, or `recoil`",
        ),
        (
            particle(r#""pt": 5, "phi": 0, "m": 0"#),
            "give one of `pz`, `eta` and `y`",
        ),
        (
            particle(r#""pt": 5, "phi": 0, "pz": 0, "y": 0, "m": 0"#),
            "give one of `pz`",
        ),
        (
            particle(r#""pt": 5, "phi": 0, "pz": 0"#),
            "give one of `m` and `e`",
        ),
        (
            particle(r#""pt": "uniform", "phi": 0, "pz": 0, "m": 0"#),
            "only `phi` can be uniform",
        ),
        (
            particle(r#""pt": "pT", "phi": 0, "pz": 0, "m": 0"#),
            "there is no column pT; the model's events have m_ll",
        ),
        (
            particle(r#""pt": "x0 +", "phi": 0, "pz": 0, "m": 0"#),
            "x0 +",
        ),
        (
            particle(r#""pt": "x0 > 1", "phi": 0, "pz": 0, "m": 0"#),
            "is a condition and no number",
        ),
        (
            particle(r#""pt": -1, "phi": 0, "pz": 0, "m": 0"#),
            "the transverse momentum is -1, below 0",
        ),
        (
            particle(r#""pt": 1, "phi": 0, "eta": 1e3, "m": 0"#),
            "too large to be squared",
        ),
        (particle(r#""ptt": 1"#), "unknown field `ptt`"),
        (particle(r#""pt": [1]"#), "a quantity is a number"),
        (
            Z.replace("\"recoil\": true", "\"pt\": 3, \"phi\": 0"),
            "declare a particle that takes the `recoil`",
        ),
        (
            Z.replace("{\"pdg\": 13, \"m\": 0.10566}", "{\"pdg\": 13, \"m\": 100}"),
            "of particle 1 (PDG 23), it has mass 91 and decays to particles of masses 100",
        ),
        (
            Z.replace(
                "{\"pdg\": 13, \"m\": 0.10566}",
                "{\"pdg\": 13, \"m\": 0, \"pt\": 1}",
            ),
            "comes from a decay",
        ),
        (
            Z.replace("\"cos_theta\": \"cos\"", "\"cos_theta\": \"cos - 1\""),
            "cos_theta -1.3",
        ),
        (
            Z.replace("\"frame\": \"collins_soper\",", ""),
            "missing field `frame`",
        ),
        (
            Z.replace("\"pdg\": \"code\"", "\"pdg\": \"code + 0.5\""),
            "its PDG number is 2.5",
        ),
        (
            Z.replace("[6500, 6500]", "[6500, 10]"),
            "the beam has 10 GeV",
        ),
        (
            Z.replace("[6500, 6500]", "[6500, 0]"),
            "energies are above 0",
        ),
        (Z.replace("[1000, 10]", "[0, 10]"), "`cross_section`"),
        (
            Z.replace("\"pdg\": 21,", "\"pdg\": 21, \"scale\": 3,"),
            "unknown field `scale`",
        ),
    ] {
        let error = made(&json, &ROW).expect_err(&json);
        assert!(error.contains(message), "{error}");
    }
}

/// The particle of one row of the short form.
fn short(particles: &str, row: [f64; 4]) -> Result<([f64; 4], f64), String> {
    let declaration: Declaration = particles.parse()?;
    let mut event = Event::default();
    Maker::new(&declaration, &columns()[..4], &[])?.make(&row, &mut event)?;
    let last = event.out.last().unwrap();
    Ok((last.p, last.mass))
}

#[test]
fn momenta_that_no_particle_has_are_refused() {
    for (particles, row, message) in [
        (
            "22:1,0,0,m=0; 13:x0,x1,x2,m=x3",
            [1.0, 2.0, 2.0, -0.5],
            "of particle 2 (PDG 13), the mass (column x3) is -0.5, below 0",
        ),
        (
            "13:x0,x1,x2,e=x3",
            [1.0, 2.0, 2.0, -4.0],
            "the energy (column x3) is -4, below 0",
        ),
        (
            "13:x0,x1,x2,e=x3",
            [1.0, 2.0, 2.0, 2.9],
            "the energy (column x3) is 2.9, less than the momentum, 3;",
        ),
        (
            "13:x0,x1,x2,e=2",
            [1.0, 2.0, 2.0, 0.0],
            "the energy (2) is 2",
        ),
        ("13:1,0,0,m=-1", [0.0; 4], "the mass (-1) is -1"),
        (
            "13:x0,0,0,m=0",
            [-1e200, 0.0, 0.0, 0.0],
            "the momentum, -1e200, 0e0, 0e0, or the mass (0), 0e0, is too large",
        ),
    ] {
        let error = short(particles, row).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn rounding_makes_a_massless_particle() {
    let energy = 3.0 * (1.0 - 4e-6);
    let row = [1.0, 2.0, 2.0, energy];
    assert_eq!(short("22:x0,x1,x2,e=x3", row), Ok((row, 0.0)));
    assert!(short("22:x0,x1,x2,e=x3", [1.0, 2.0, 2.0, 3.0 * (1.0 - 6e-6)]).is_err());
    let row = [1.0, 2.0, 2.0, 5.0];
    assert_eq!(short("13:x0,x1,x2,e=x3", row), Ok((row, 4.0)));
}
