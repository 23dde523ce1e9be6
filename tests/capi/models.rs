//! Models and generators as files.

use crate::{made, ok, refused, text_of};
use laser::capi::evaluate::*;
use laser::capi::generator::*;
use laser::capi::model::*;
use laser::capi::status::*;
use laser::model::{
    Classifier, Coupling, Dtype, Flow, Generator, GeneratorKind, HmcSettings, Method, Mlp, Model,
    Pilot, Refinement, Scaling, Start, Transform,
};
use std::ffi::CString;
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::Arc;

/// A model file in a folder of its own, which goes with it.
pub struct ModelFile {
    folder: tempfile::TempDir,
}

impl ModelFile {
    pub fn path(&self) -> CString {
        c_path(&self.folder.path().join("model.safetensors"))
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.to_str().unwrap()).unwrap()
}

/// A flow of two dimensions, with a classifier, that nobody trained.
pub fn small_model() -> ModelFile {
    saved(None)
}

/// The same, refined, with a few chains.
pub fn refined_model() -> ModelFile {
    refined_after(None)
}

/// The same, of a pilot run that found weights much smaller than they are.
pub fn betrayed_model() -> ModelFile {
    refined_after(Some(Pilot {
        acceptance: 0.37,
        overweight: 0.001,
        log_largest: -5.0,
    }))
}

fn refined_after(pilot: Option<Pilot>) -> ModelFile {
    saved(Some(Refinement {
        method: Method::Rejection,
        log_w_max: 1.0,
        log_mean_weight: 0.0,
        max_tries: 1000,
        pool: 16,
        hmc: HmcSettings {
            chains: 4,
            start: Start::Resampled,
            step_size: 0.1,
            jitter: 0.1,
            scales: Vec::new(),
            leapfrog: 2,
            burn_in: 3,
            thin: 1,
        },
        refiner: None,
        log_inside: 0.0,
        mixture: None,
        surrogate: None,
        pilot,
    }))
}

fn saved(refinement: Option<Refinement>) -> ModelFile {
    let block = |active, passive| Coupling {
        active: vec![active],
        passive: vec![passive],
        transform: Transform::affine(2.0),
        inverse: false,
        subnet: Mlp::new(1, 1, 4, 2, 0.01),
    };
    let flow = Flow {
        dim: 2,
        conditions: 0,
        blocks: vec![block(0, 1), block(1, 0)],
    };
    let network = Mlp::new(2, 1, 4, 1, 0.01);
    let scalings = || {
        vec![
            Scaling::Standardise {
                mean: 0.5,
                std: 2.0
            };
            2
        ]
    };
    let numbers = |count: Option<usize>| {
        (0..count.unwrap())
            .map(|i| (i as f64).sin())
            .collect::<Vec<_>>()
            .into()
    };
    let record = serde_json::json!({"events": 1000, "weights": {"mean": 1.25}});
    let model = Model {
        dtype: Dtype::Float64,
        generator: Generator {
            parameters: numbers(flow.parameter_count()),
            kind: GeneratorKind::flow(flow),
            conditions: Vec::new(),
            module: Arc::default(),
            scalings: scalings(),
        },
        classifier: Some(Classifier {
            parameters: numbers(network.parameter_count()),
            network,
            scalings: scalings(),
            log_ratio_offset: 0.0,
            limits: None,
            members: 1,
            latents: 0,
        }),
        latent_classifier: None,
        names: Vec::new(),
        support: None,
        refinement,
        record: record.as_object().unwrap().clone(),
    };
    let file = ModelFile {
        folder: tempfile::tempdir().unwrap(),
    };
    model
        .save(Path::new(file.path().to_str().unwrap()))
        .unwrap();
    file
}

#[test]
fn a_model_tells_what_it_is() {
    let file = small_model();
    let (mut m, mut n, mut c, mut number) = (0, 0, 7, 0.0);
    // SAFETY: see main.rs.
    unsafe {
        let model = made(|out| laser_model_load(file.path().as_ptr(), null(), out));
        ok(laser_model_event_dim(model, &mut m));
        ok(laser_model_latent_dim(model, &mut n));
        ok(laser_model_condition_dim(model, &mut c));
        assert_eq!((m, n, c), (2, 2, 0));
        ok(laser_model_get_f64(model, c"events".as_ptr(), &mut number));
        assert_eq!(number, 1000.0);
        ok(laser_model_get_f64(
            model,
            c"weights.mean".as_ptr(),
            &mut number,
        ));
        assert_eq!(number, 1.25);
        let info = text_of(|b, c, n| laser_model_info(model, b, c, n));
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        assert_eq!(info["record"]["weights"]["mean"], 1.25);
        let method = text_of(|b, c, n| laser_model_method(model, b, c, n));
        // It has no refiner.
        assert!(info["refinement"].is_null() && method == "baseline");
        assert_eq!(info["generator"]["kind"]["maps"][0]["type"], "flow");
        laser_model_free(model);
    }
}

#[test]
fn a_saved_model_is_the_same_model() {
    let file = small_model();
    let copy = c_path(&file.folder.path().join("copy.safetensors"));
    // SAFETY: see main.rs.
    unsafe {
        let model = made(|out| laser_model_load(file.path().as_ptr(), null(), out));
        ok(laser_model_save(model, copy.as_ptr()));
        laser_model_free(model);
    }
    let read = |path: CString| std::fs::read(path.to_str().unwrap()).unwrap();
    assert!(read(file.path()) == read(copy));
}

#[test]
fn a_generator_is_the_model_without_its_refinement() {
    let file = small_model();
    let alone = c_path(&file.folder.path().join("generator.safetensors"));
    let (mut m, mut n) = (0, 0);
    // SAFETY: see main.rs.
    unsafe {
        let generator = made(|out| laser_generator_load(file.path().as_ptr(), null(), out));
        ok(laser_generator_event_dim(generator, &mut m));
        ok(laser_generator_latent_dim(generator, &mut n));
        assert_eq!((m, n), (2, 2));
        ok(laser_generator_save(generator, alone.as_ptr()));
        let model = made(|out| laser_model_from_generator(generator, out));
        laser_generator_free(generator);
        let info = text_of(|b, c, n| laser_model_info(model, b, c, n));
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        assert!(info["classifier"].is_null() && info["refinement"].is_null());
        let mut log_w = 7.0;
        let status = laser_model_log_weight(model, null(), 1, [0.0; 2].as_ptr(), 0, &mut log_w);
        refused(status, LASER_ERR_UNSUPPORTED, "");
        assert_eq!(log_w, 7.0);
        laser_model_free(model);
    }
    let load = |path: CString| Model::load(Path::new(path.to_str().unwrap())).unwrap();
    assert_eq!(load(alone).generator, load(file.path()).generator);
}

#[test]
fn files_that_are_no_models_are_refused() {
    let file = small_model();
    let garbage = c_path(&file.folder.path().join("garbage"));
    std::fs::write(garbage.to_str().unwrap(), [b'x'; 100]).unwrap();
    let missing = c_path(&file.folder.path().join("missing"));
    let nowhere = c_path(&file.folder.path().join("no/such/folder"));
    let (mut model, mut generator) = (null_mut(), null_mut());
    // SAFETY: see main.rs.
    unsafe {
        refused(
            laser_model_load(missing.as_ptr(), null(), &mut model),
            LASER_ERR_IO,
            "missing",
        );
        refused(
            laser_generator_load(missing.as_ptr(), null(), &mut generator),
            LASER_ERR_IO,
            "missing",
        );
        refused(
            laser_model_load(garbage.as_ptr(), null(), &mut model),
            LASER_ERR_FORMAT,
            "",
        );
        refused(
            laser_generator_load(garbage.as_ptr(), null(), &mut generator),
            LASER_ERR_FORMAT,
            "",
        );
        assert!(model.is_null() && generator.is_null());
        let model = made(|out| laser_model_load(file.path().as_ptr(), null(), out));
        refused(
            laser_model_save(model, nowhere.as_ptr()),
            LASER_ERR_IO,
            "no/such/folder",
        );
        laser_model_free(model);
    }
}

#[cfg(not(feature = "torch"))]
#[test]
fn what_needs_libtorch_says_so() {
    use laser::capi::options::*;
    use laser::capi::sampler::*;
    use laser::capi::source::*;
    let file = small_model();
    let x: Vec<f64> = (0..2000).map(|i| (i as f64).sin()).collect();
    // SAFETY: see main.rs.
    unsafe {
        let model = made(|out| laser_model_load(file.path().as_ptr(), null(), out));
        let options = made(|out| laser_options_new(null(), out));
        ok(laser_options_set_str(
            options,
            c"backend".as_ptr(),
            c"torch".as_ptr(),
        ));
        let mut sampler = null_mut();
        refused(
            laser_sampler_new(model, 1, 0, options, &mut sampler),
            LASER_ERR_UNSUPPORTED,
            "libtorch",
        );
        let source = made(|out| laser_source_from_array(x.as_ptr(), null(), 1000, 2, 0, out));
        let mut generator = null_mut();
        let status = laser_generator_train(source, options, null(), &mut generator);
        refused(status, LASER_ERR_UNSUPPORTED, "libtorch");
        laser_source_free(source);
        laser_options_free(options);
        laser_model_free(model);
    }
}

#[test]
fn sources_without_end_in_a_row_are_refused() {
    use laser::capi::source::*;
    unsafe extern "C" fn events(
        _: usize,
        _: usize,
        _: *mut f64,
        _: *mut f64,
        _: *mut usize,
        _: *mut std::ffi::c_void,
    ) -> i32 {
        0
    }
    for dim in [0, 65_537, 1 << 40, usize::MAX] {
        let mut out = null_mut();
        // SAFETY: see main.rs.
        let status =
            unsafe { laser_source_from_callback(dim, 0, Some(events), null_mut(), &mut out) };
        refused(status, LASER_ERR_INVALID_ARGUMENT, "`dim`");
        assert!(out.is_null());
    }
}
