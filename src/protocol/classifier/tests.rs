use super::*;
use crate::compute::evaluator;
use crate::model::{Coupling, Dtype, Flow, GeneratorKind, Mlp, Model, Transform};
use crate::noise::{domain, Noise};
use crate::protocol::ensemble::record;
use crate::protocol::Instance;
use crate::Rows;
use std::sync::Arc;

/// A generator of two independent unit normals, exactly: a flow that is the identity.
fn unit_normal() -> Model {
    let block = Coupling {
        active: vec![0],
        passive: vec![1],
        transform: Transform::affine(1.0),
        inverse: false,
        subnet: Mlp::new(1, 0, 1, 2, 0.0),
    };
    let flow = Flow {
        dim: 2,
        conditions: 0,
        blocks: vec![block],
    };
    Model {
        dtype: Dtype::Float32,
        generator: Generator {
            parameters: vec![0.0; 4].into(),
            kind: GeneratorKind::flow(flow),
            scalings: vec![const { Scaling::None }; 2],
            conditions: Vec::new(),
            module: Arc::default(),
        },
        classifier: None,
        latent_classifier: None,
        names: Vec::new(),
        support: None,
        refinement: None,
        record: serde_json::Map::new(),
    }
}

fn options(settings: &str) -> Options {
    let text = r#""preset": "fast", "weights.events": 20000, "classifier": {"layers": 2, "units": 24, "epochs": 3, "steps": 100,
        "batch": 1000, "lr": 0.01"#;
    Options::from_json(&format!("{{{text}{settings}}}}}")).unwrap()
}

fn normals(rows: usize, stream: u64) -> Vec<f64> {
    let mut x = vec![0.0; 2 * rows];
    Noise::new(5, stream, domain::LATENT).fill_normals(0, rows, 2, &mut x);
    x
}

/// The model with a classifier of `target` against its own events, and the trainings' records.
fn train(target: &mut Source, options: &Options) -> (Model, Vec<Record>) {
    try_to_train(target, options).unwrap()
}

fn try_to_train(target: &mut Source, options: &Options) -> Result<(Model, Vec<Record>)> {
    let mut model = unit_normal();
    let mut engine = evaluator(&model, options).unwrap();
    let session = Session::new(options, &());
    let scalings = [const { Scaling::None }; 2];
    let generator = &model.generator;
    let trained = train_classifier(session, generator, &scalings, engine.as_mut(), target);
    let (classifier, records) = trained?;
    model.classifier = Some(classifier);
    Ok((model, records))
}

/// log w on a grid of 7 × 7 points from −1 to 1 around `centre`, with the points.
fn grid(model: &Model, centre: f64) -> Vec<(f64, [f64; 2])> {
    let at = |i: usize| centre + i as f64 / 3.0 - 1.0;
    let points: Vec<[f64; 2]> = (0..49).map(|i| [at(i / 7), at(i % 7)]).collect();
    let mut log_w = vec![0.0; 49];
    let mut engine = evaluator(model, &Options::new()).unwrap();
    engine.log_weight(&points.concat(), 49, &mut log_w).unwrap();
    log_w.into_iter().zip(points).collect()
}

/// Events of N(½, 1) in both features with weights 10 e^{x₀/2 − ⅜}: together 10 times as many as N((1, ½), 1) has of density 1.
#[test]
fn every_loss_finds_the_ratio_of_two_normals_of_unequal_totals() {
    let rows = 60_000;
    let x: Vec<f64> = normals(rows, 0).iter().map(|z| z + 0.5).collect();
    let w: Vec<f64> = x
        .chunks(2)
        .map(|x| 10.0 * (0.5 * x[0] - 0.375).exp())
        .collect();
    for loss in ["bce", "mse", "mlc"] {
        let options = options(&format!(r#", "loss": "{loss}""#));
        let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), Some(&w)).unwrap();
        let (model, _) = train(&mut target, &options);
        let error = |(got, x): (f64, [f64; 2])| (got - (x[0] - 0.5 + 0.5 * x[1] - 0.125)).abs();
        let worst = grid(&model, 0.5).into_iter().map(error).fold(0.0, f64::max);
        assert!(worst < 0.25, "{loss}: off by {worst}");
    }
}

#[test]
fn negative_weights_cancel_a_component() {
    // Unit normals, and as many events in a clump at (1, 1) half of which weigh −1: none is left of it.
    let rows = 40_000;
    let mut x = normals(rows, 0);
    let mut w = vec![1.0; rows];
    for (i, z) in normals(rows / 2, 1).chunks(2).enumerate() {
        let event = [1.0 + 0.3 * z[0], 1.0 + 0.3 * z[1]];
        x.extend([event, event].concat());
        w.extend([1.0, -1.0]);
        assert_eq!(w.len(), rows + 2 * i + 2);
    }
    for loss in ["bce", "mse", "mlc"] {
        let options = options(&format!(r#", "loss": "{loss}""#));
        let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), Some(&w)).unwrap();
        let (model, _) = train(&mut target, &options);
        let worst = grid(&model, 0.5).into_iter().map(|(log_w, _)| log_w.abs());
        let worst = worst.fold(0.0, f64::max);
        assert!(worst < 0.1, "{loss}: {worst}");
    }
}

/// 0.1 + 0.2 − 0.3 is nothing, and not the rounding of it: no ratio to anything.
#[test]
fn weights_that_cancel_have_no_ratio() {
    let x = normals(3000, 0);
    let w = [0.1, 0.2, -0.3].repeat(1000);
    let mut options = options("");
    options.set_i64("validation.events", 0).unwrap();
    options.set_i64("classifier.epochs", 1).unwrap();
    for steps in [3, 6, 9] {
        options.set_i64("classifier.steps", steps).unwrap();
        let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), Some(&w)).unwrap();
        let trained = try_to_train(&mut target, &options);
        let error = trained.map(|_| ()).unwrap_err().to_string();
        assert!(
            error.contains("mean weight of the target's events is 0;"),
            "{error}"
        );
    }
}

#[test]
fn an_ensemble_is_the_mean_of_networks_trained_apart() {
    let x: Vec<f64> = normals(20_000, 0).iter().map(|z| z + 0.5).collect();
    let options = options(r#", "ensemble": 3"#);
    let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let (model, records) = train(&mut target, &options);
    let classifier = model.classifier.clone().unwrap();
    assert_eq!((classifier.members, records.len()), (3, 3));
    let logits: Vec<Vec<f64>> = (0..3)
        .map(|k| {
            let mut member = model.clone();
            member.classifier = Some(classifier.member(k).unwrap());
            grid(&member, 0.0).iter().map(|(l, _)| *l).collect()
        })
        .collect();
    for (i, (log_w, _)) in grid(&model, 0.0).into_iter().enumerate() {
        let members = [logits[0][i], logits[1][i], logits[2][i]];
        assert!((log_w - members.iter().sum::<f64>() / 3.0).abs() < 1e-12);
        assert!(members[0] != members[1] && members[1] != members[2] && members[0] != members[2]);
    }
    let held_out = HeldOut::new(&model, &mut target, &options)
        .unwrap()
        .unwrap();
    assert!(
        held_out.spread > 0.001 && held_out.spread < 0.3,
        "{}",
        held_out.spread
    );
    let together = together(&classifier, &held_out, &[0.0; 10], &options);
    let mut together = Some(together);
    let record = record(records, &mut || Ok(together.take())).unwrap();
    assert_eq!(record["members"].as_array().unwrap().len(), 3);
    assert_eq!(record["spread"].as_f64(), Some(held_out.spread));
    // A file gives the same networks back.
    assert_eq!(
        Model::from_bytes(&model.to_bytes().unwrap()).unwrap(),
        model
    );
}

#[test]
fn a_refinement_reports_on_its_calibration() {
    let x: Vec<f64> = normals(40_000, 0).iter().map(|z| z + 0.5).collect();
    let mut options = options(r#", "ensemble": 2"#);
    let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let model =
        crate::protocol::refine(&Instance::new(unit_normal()), &mut target, &options, &()).unwrap();
    let calibration = &model.record["weights"]["calibration"];
    assert_eq!(calibration["events"], 4000);
    let number = |key: &str| calibration[key].as_f64().unwrap();
    // Φ(d / √2) at a distance d = √½.
    assert!((number("auc") - 0.69146).abs() < 0.02, "{calibration}");
    assert!(number("chi_square") < 3.0, "{calibration}");
    // Held-out events reach as far as refined ones, but for what chance has.
    let features = model.record["weights"]["features"].as_array().unwrap();
    assert_eq!(features.len(), 2);
    for feature in features {
        let at = |key: &str| feature[key].as_f64().unwrap();
        assert!(at("low") < -2.0 && at("high") > 3.0, "{feature}");
        assert!(at("below") < 0.003 && at("above") < 0.003, "{feature}");
    }
    // The best cross-entropy there is, by quadrature.
    let loss = model.record["classifier"]["validation_loss"]
        .as_f64()
        .unwrap();
    assert!((loss - 0.6343).abs() < 0.01, "{loss}");
    // Nothing held out, nothing checked.
    options.set_i64("validation.events", 0).unwrap();
    options.set_i64("classifier.steps", 2).unwrap();
    let mut target = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    let model =
        crate::protocol::refine(&Instance::new(unit_normal()), &mut target, &options, &()).unwrap();
    assert!(model.record["weights"]["calibration"].is_null());
    assert_eq!(model.record["weights"]["features"], serde_json::json!([]));
    assert!(model.record["classifier"]["validation_loss"].is_null());
}
