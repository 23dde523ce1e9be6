//! Methods that look at log w(z) before they make events, where no event is needed for it.

use super::*;

/// A method with blocks of its own.
fn makers() -> [(&'static str, Box<dyn Maker>); 4] {
    [
        ("rejection", Box::new(rejection(0.5, 1000))),
        ("reweight", Box::new(Independent::new(Reweight, 2))),
        ("resampling", Box::new(resampling::resampling(16))),
        ("hmc", Box::new(chains::chains(HMC, chains::settings()))),
    ]
}

fn known_by_latents(broken: f64) -> Exact {
    Exact {
        of_latents: true,
        broken,
        ..Exact::new(1.0, 1.0)
    }
}

#[test]
fn every_event_is_made_once() {
    for (name, mut maker) in makers() {
        let mut exact = known_by_latents(f64::INFINITY);
        let (z, w, s) = run(maker.as_mut(), &mut exact, 20);
        assert_eq!((exact.made, s.non_finite), (s.events, 0), "{name}");
        // The same events, where every proposal is made before it is judged.
        let mut before = Exact::new(1.0, 1.0);
        let (_, mut again) = makers().into_iter().find(|m| m.0 == name).unwrap();
        let (same_z, same_w, of_all) = run(again.as_mut(), &mut before, 20);
        assert_eq!((z, w), (same_z, same_w), "{name}");
        assert_eq!(
            (s.accepted, s.proposals, s.weight),
            (of_all.accepted, of_all.proposals, of_all.weight),
            "{name}"
        );
        assert!(before.made >= of_all.events, "{name}");
    }
}

#[test]
fn a_failed_event_is_proposed_again() {
    // Of z₁ beyond 1, 15.9 %.
    let mut exact = known_by_latents(1.0);
    let (z, w, s) = run(&mut rejection(0.5, 1000), &mut exact, 20);
    assert!(z.chunks_exact(2).all(|z| z[1] <= 1.0));
    assert_eq!(exact.made, s.events + s.non_finite);
    let fraction = s.non_finite as f64 / exact.made as f64;
    assert!((fraction - 0.1587).abs() < 0.01, "P(z > 1), not {fraction}");
    // An event is the first proposal that is finite and accepted, whichever is looked at first.
    let mut before = Exact::new(1.0, 1.0);
    before.broken = 1.0;
    let (same_z, same_w, of_all) = run(&mut rejection(0.5, 1000), &mut before, 20);
    assert_eq!((z, w), (same_z, same_w));
    assert_eq!(
        (s.accepted, s.proposals),
        (of_all.accepted, of_all.proposals)
    );
}

#[test]
fn an_overweight_event_that_fails_is_not_counted() {
    let mut exact = Exact {
        of_latents: true,
        broken: 0.0,
        ..Exact::new(0.0, 0.5)
    };
    let (_, w, s) = run(&mut rejection(1.5f64.ln(), 1000), &mut exact, 20);
    let above = w.iter().filter(|w| **w > 1.0).count() as u64;
    assert!(above > 0 && s.overweight_events == above);
}

#[test]
fn what_fails_of_a_pool_is_replaced_by_weight() {
    let mut exact = known_by_latents(0.5);
    let (z, w, s) = run(&mut resampling::resampling(16), &mut exact, 100);
    assert!(z.chunks_exact(2).all(|z| z[1] <= 0.5));
    assert_eq!(exact.made, s.events + s.non_finite);
    let (mean, variance) = moments(&z, &w, 0);
    let expected = exact.moments();
    assert!(
        (mean - expected.0).abs() < 0.012 && (variance - expected.1).abs() < 0.012,
        "{mean}, {variance}"
    );
    // A normal number up to ½: mean −φ(½) / Φ(½).
    let (mean, _) = moments(&z, &w, 1);
    assert!((mean + 0.352_07 / 0.691_46).abs() < 0.012, "{mean}");
    // Blocks stay functions of their number.
    let mut resampled = resampling::resampling(16);
    let mut block = block(&resampled, 3);
    let mut statistics = Statistics::default();
    let filled = resampled.fill(
        &mut exact,
        &mut draws(),
        &mut block,
        &mut statistics,
        &stage(),
    );
    filled.unwrap();
    assert_eq!(block.z, z[3 * 2048..4 * 2048]);
}

#[test]
fn a_generator_that_always_fails_is_an_error() {
    let hopeless: [Box<dyn Maker>; 2] = [
        Box::new(rejection(0.5, 100)),
        Box::new(resampling::resampling(4)) as Box<dyn Maker>,
    ];
    for mut maker in hopeless {
        let mut block = block(maker.as_ref(), 2);
        let error = maker
            .fill(
                &mut known_by_latents(f64::NEG_INFINITY),
                &mut draws(),
                &mut block,
                &mut Statistics::default(),
                &stage(),
            )
            .unwrap_err();
        assert!(error.to_string().contains("event 2048"), "{error}");
    }
}
