//! Reference values from the published vectors and from `tests/reference/noise.py`, and how numbers are addressed.

use super::philox::philox4x64;
use super::*;

#[test]
fn philox_gives_the_published_words() {
    // Random123, kat_vectors, philox4x64 with 10 rounds.
    let pi: [u64; 6] = [
        0x243f6a8885a308d3,
        0x13198a2e03707344,
        0xa4093822299f31d0,
        0x082efa98ec4e6c89,
        0x452821e638d01377,
        0xbe5466cf34e90c6c,
    ];
    for (counter, key, words) in [
        (
            [0; 4],
            [0; 2],
            [
                0x16554d9eca36314c,
                0xdb20fe9d672d0fdc,
                0xd7e772cee186176b,
                0x7e68b68aec7ba23b,
            ],
        ),
        (
            [u64::MAX; 4],
            [u64::MAX; 2],
            [
                0x87b092c3013fe90b,
                0x438c3c67be8d0224,
                0x9cc7d7c69cd777b6,
                0xa09caebf594f0ba0,
            ],
        ),
        (
            [pi[0], pi[1], pi[2], pi[3]],
            [pi[4], pi[5]],
            [
                0xa528f45403e61d95,
                0x38c72dbd566e9788,
                0xa5a1610e72fd18b5,
                0x57bd43b5e52b7fe6,
            ],
        ),
    ] {
        assert_eq!(philox4x64(counter, key), words);
    }
}

#[test]
fn words_are_those_of_numpy() {
    let words = |noise: Noise, event, skip: usize| {
        let mut rng = noise.rng(event);
        (0..skip).for_each(|_| {
            rng.next_u64();
        });
        [(); 8].map(|()| rng.next_u64())
    };
    assert_eq!(
        words(Noise::new(1, 0, domain::LATENT), 1, 0),
        [
            0xfe688987b1093e5a,
            0x36921c260b3b2129,
            0x615096c1d4895cbf,
            0xc82368da8fb5da23,
            0xf2aedb33893dc71c,
            0xaeaa4b98744fce2d,
            0x82ae2fae2b0757e0,
            0x94e8c63b78471b6a,
        ]
    );
    assert_eq!(
        words(
            Noise::new((1 << 63) - 1, 3, domain::ACCEPT),
            (1 << 40) + 5,
            7 * 4
        ),
        [
            0xdf3da1261b40c893,
            0xc26667565c55fb13,
            0x71343a7babe0cfd5,
            0xa7663ccb68546cb6,
            0x71e6929a53b30c0e,
            0xe24220434669e6c1,
            0xa31da3ca5d865a4d,
            0x21ff5dcb5d3b9b4a,
        ]
    );
}

#[test]
fn normal_quantiles_to_the_last_digits() {
    // (u, quantile)
    let reference = [
        (1.1102230246251565e-16, -8.209536151601387),
        (3.3306690738754696e-16, -8.076571004130125),
        (1e-15, -7.941345326170997),
        (1e-13, -7.348796102800677),
        (1.3887943e-11, -6.657904652657498),
        (1.38879439e-11, -6.657904643130218),
        (1e-09, -5.9978070150076865),
        (1e-06, -4.753424308822899),
        (0.0001, -3.7190164854556804),
        (0.001, -3.0902323061678136),
        (0.01, -2.326347874040841),
        (0.025, -1.9599639845400543),
        (0.0749999, -1.4395321773759007),
        (0.075, -1.439531470938456),
        (0.0750001, -1.4395307645017297),
        (0.1, -1.2815515655446004),
        (0.25, -0.6744897501960817),
        (0.4, -0.2533471031357997),
        (0.49, -0.025068908258711057),
        (0.4999999, -2.5066282747031063e-07),
        (0.4999999999999999, -2.782916424671767e-16),
        (0.5, 0.0),
        (0.5000000000000001, 2.782916424671767e-16),
        (0.50001, 2.506628274882086e-05),
        (0.6, 0.2533471031357997),
        (0.75, 0.6744897501960817),
        (0.925, 1.4395314709384561),
        (0.9250001, 1.4395321773759004),
        (0.975, 1.9599639845400538),
        (0.999, 3.090232306167813),
        (0.99999, 4.264890793923841),
        (0.9999999990686774, 6.009353565530744),
        (0.9999999999990905, 7.047700256664409),
        (0.9999999999999997, 8.076571004130125),
        (0.9999999999999999, 8.209536151601387),
    ];
    let mut x = reference.map(|(u, _)| u);
    normal::quantiles(&mut x);
    for (x, (u, expected)) in x.iter().zip(reference) {
        let error = (x - expected).abs();
        assert!(
            error <= 1e-15 * expected.abs(),
            "{u:e}: {x:?}, {expected:?}"
        );
    }
}

#[test]
fn the_extreme_words_give_finite_symmetric_numbers() {
    let mut u = [0.0; 4];
    fill(&mut u, &[0, u64::MAX, 1 << 63, (1 << 63) - 1]);
    assert!(u.iter().all(|u| 0.0 < *u && *u < 1.0));
    assert_eq!((u[0], 1.0 - u[1]), (2f64.powi(-53), 2f64.powi(-53)));
    assert_eq!(u[2] - 0.5, 0.5 - u[3]);
    normal::quantiles(&mut u);
    assert_eq!((u[0], u[2]), (-u[1], -u[3]));
    assert!(u[0] < -8.2 && u[0] > -8.21 && u[2] > 0.0);
}

#[test]
fn any_piece_addressed_alone_has_the_same_bits() {
    let noise = Noise::new(7, 11, domain::PROPOSAL);
    for first in [0, 1, 2, 3, 1_000_001, (1 << 62) + 3] {
        let mut whole = [0.0; 600];
        noise.normals(5, first, &mut whole);
        for start in 0..12 {
            for length in [0, 1, 2, 3, 4, 5, 9, 300] {
                let mut piece = vec![0.0; length];
                noise.normals(5, first + start as u64, &mut piece);
                assert_eq!(piece, whole[start..start + length]);
            }
        }
    }
    for dim in [1, 2, 3, 4, 7] {
        let mut whole = vec![0.0; 1000 * dim];
        noise.fill_normals(u64::MAX - 500, 1000, dim, &mut whole);
        for (r, row) in whole.chunks(dim).enumerate() {
            let mut alone = vec![0.0; dim];
            noise.normals((u64::MAX - 500).wrapping_add(r as u64), 0, &mut alone);
            assert_eq!(alone, row);
        }
    }
}

#[test]
fn a_matrix_is_filled_no_further_than_asked() {
    let noise = Noise::new(1, 0, domain::POOL);
    let mut out = [9.0; 7];
    noise.fill_normals(0, 2, 3, &mut out);
    assert!(out[..6].iter().all(|x| *x != 9.0) && out[6] == 9.0);
    for (rows, dim) in [(0, 3), (3, 0), (usize::MAX, 8), (usize::MAX, usize::MAX)] {
        let mut out = [9.0; 7];
        noise.fill_normals(0, rows, dim, &mut out);
        noise.fill_uniforms(0, rows, dim, &mut out);
        assert_eq!(out, [9.0; 7]);
    }
    noise.uniforms(0, u64::MAX - 1, &mut out);
    assert!(out.iter().all(|u| 0.0 < *u && *u < 1.0));
}

#[test]
fn every_coordinate_of_a_number_counts() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in [0, 1, 2, u64::MAX] {
        for stream in [0, 1, 2, u64::MAX] {
            for domain in [domain::LATENT, domain::ACCEPT, domain::PROPOSAL] {
                for event in [0, 1, 2, u64::MAX] {
                    let mut rng = Noise::new(seed, stream, domain).rng(event);
                    (0..8).for_each(|_| assert!(seen.insert(rng.next_u64())));
                }
            }
        }
    }
}

#[test]
fn bytes_are_those_of_the_words() {
    let noise = Noise::new(4, 5, domain::INITIAL);
    let mut bytes = [0; 21];
    noise.rng(6).fill_bytes(&mut bytes);
    let mut rng = noise.rng(6);
    let words = [(); 3].map(|()| rng.next_u64().to_le_bytes()).concat();
    assert_eq!(bytes, words[..21]);
    let mut rng = noise.rng(6);
    assert_eq!(
        rng.next_u32().to_be_bytes()[..],
        words[4..8].iter().rev().copied().collect::<Vec<u8>>()
    );
}
