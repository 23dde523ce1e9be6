//! Importance resampling of weights that are known.

use super::super::candidates::Candidates;
use super::super::resampling::Resampled;
use super::*;

pub(super) fn resampling(pool: usize) -> Resampled {
    Resampled(Candidates::new(pool, 2))
}

#[test]
fn resampled_latents_have_the_refined_density() {
    let mut exact = Exact::new(1.0, 1.0);
    let (z, w, s) = run(&mut resampling(16), &mut exact, 100);
    assert_moments(&z, &w, exact.moments(), 0.012);
    assert!(w.iter().all(|&w| w == 1.0));
    // E[w]² / E[w²]: √(1 + 2a) / (1 + a) · exp(b² (1/(1 + a) − 2/(1 + 2a))).
    let expected = 3f64.sqrt() / 2.0 * (0.5f64 - 2.0 / 3.0).exp();
    let effective = s.resampled.effective / s.resampled.pool as f64;
    assert!(
        (effective - expected).abs() < 0.005,
        "{effective}, not {expected}"
    );
    // The largest weight is exp(½) / (exp(¼) / √2) of the mean, less than 16: none is taken twice.
    assert_eq!(s.resampled.distinct, 100 * 1024);
    assert_eq!((s.events, s.proposals), (100 * 1024, 1600 * 1024));
}

#[test]
fn a_latent_is_taken_as_often_as_its_weight_says_and_separately() {
    // Two proposals an event, and most weight on few of them.
    let mut exact = Exact::modes(0.5, 2.0, 0.05);
    let (z, w, s) = run(&mut resampling(2), &mut exact, 40);
    let (mean, variance) = moments(&z, &w, 0);
    assert!(
        mean.abs() < 0.05 && (variance - 4.0).abs() < 0.1,
        "{mean}, {variance}"
    );
    let distinct = s.resampled.distinct as f64 / s.events as f64;
    assert!(distinct < 0.1, "{distinct}");
    let values = |z: &[f64]| {
        let mut bits: Vec<u64> = z.chunks_exact(2).map(|z| z[0].to_bits()).collect();
        bits.sort_unstable();
        bits.dedup();
        bits.len() as u64
    };
    let counted: u64 = z.chunks_exact(2 * 1024).map(values).sum();
    assert_eq!(counted, s.resampled.distinct);
    // Some 80 latents share a block: sorted, nearly every event would be its predecessor's twin.
    let rows: Vec<_> = z.chunks_exact(2).collect();
    let twins = rows.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!((twins as f64) < 0.1 * rows.len() as f64, "{twins}");
}

#[test]
fn separated_modes_get_their_shares() {
    let mut exact = Exact::modes(0.8, 2.0, 0.2);
    let (z, ..) = run(&mut resampling(16), &mut exact, 20);
    let right = z.chunks_exact(2).filter(|z| z[0] > 0.0).count() as f64;
    let share = right / (z.len() / 2) as f64;
    assert!((share - 0.8).abs() < 0.01, "{share}");
}

#[test]
fn broken_proposals_are_left_out_and_hopeless_pools_refused() {
    let mut exact = Exact::new(0.0, 0.0);
    exact.broken = 1.0;
    let (z, _, s) = run(&mut resampling(4), &mut exact, 20);
    assert!(z.chunks_exact(2).all(|z| z[1] <= 1.0));
    let fraction = s.non_finite as f64 / s.proposals as f64;
    assert!((fraction - 0.1587).abs() < 0.01, "P(z > 1), not {fraction}");
    for hopeless in [f64::NAN, f64::INFINITY] {
        let mut refiner = resampling(4);
        let mut block = block(&refiner, 3);
        let error = refiner
            .fill(
                &mut Exact::new(hopeless, 0.0),
                &mut draws(),
                &mut block,
                &mut Statistics::default(),
                &stage(),
            )
            .unwrap_err();
        assert!(error.to_string().contains("event 3072"), "{error}");
    }
}
