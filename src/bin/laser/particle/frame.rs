//! Rest frames of a system of particles, in which the angles of its decay are measured.

use super::{mass, Momentum};
use serde::Deserialize;

/// The axes of a rest frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// z where the system flies to in the laboratory, y perpendicular to it and to the beams (of a system at rest: the laboratory's axes).
    Helicity,
    /// z between the beam that flies to positive z and the other reversed, x along the system's transverse momentum (Collins and Soper,
    /// Phys. Rev. D 16 (1977) 2219). Its sign is that of the laboratory's z.
    CollinsSoper,
}

/// A boost along an axis by the hyperbolic functions of a rapidity.
fn boost(p: &mut Momentum, axis: usize, [cosh, sinh]: [f64; 2]) {
    let (along, energy) = (p[axis], p[3]);
    p[axis] = cosh * along + sinh * energy;
    p[3] = cosh * energy + sinh * along;
}

/// A rotation that turns axis `a` towards axis `b`.
fn rotate(p: &mut Momentum, [a, b]: [usize; 2], [cos, sin]: [f64; 2]) {
    let (x, y) = (p[a], p[b]);
    p[a] = cos * x - sin * y;
    p[b] = sin * x + cos * y;
}

/// One step from the rest frame to the laboratory.
enum Step {
    Boost(usize, [f64; 2]),
    Rotate([usize; 2], [f64; 2]),
}

impl Frame {
    /// From the rest frame of a system with this momentum to the laboratory.
    fn steps(self, q: &Momentum) -> [Step; 3] {
        let (transverse, mass) = (q[0].hypot(q[1]), mass(q));
        let azimuth = match transverse > 0.0 {
            true => [q[0] / transverse, q[1] / transverse],
            false => [1.0, 0.0],
        };
        match self {
            Frame::CollinsSoper => {
                let transverse_mass = mass.hypot(transverse);
                [
                    Step::Boost(0, [transverse_mass / mass, transverse / mass]),
                    Step::Rotate([0, 1], azimuth),
                    Step::Boost(2, [q[3] / transverse_mass, q[2] / transverse_mass]),
                ]
            }
            Frame::Helicity => {
                let momentum = transverse.hypot(q[2]);
                let polar = match momentum > 0.0 {
                    true => [q[2] / momentum, transverse / momentum],
                    false => [1.0, 0.0],
                };
                [
                    Step::Boost(2, [q[3] / mass, momentum / mass]),
                    // z towards x.
                    Step::Rotate([2, 0], polar),
                    Step::Rotate([0, 1], azimuth),
                ]
            }
        }
    }

    /// What has momentum `p` in the rest frame of a system, in the laboratory, where the system has momentum `q`.
    pub fn to_laboratory(self, q: &Momentum, mut p: Momentum) -> Momentum {
        for step in self.steps(q) {
            match step {
                Step::Boost(axis, by) => boost(&mut p, axis, by),
                Step::Rotate(axes, by) => rotate(&mut p, axes, by),
            }
        }
        p
    }

    /// What has momentum `p` in the laboratory, in the rest frame of a system of momentum `q` there.
    pub fn to_rest(self, q: &Momentum, mut p: Momentum) -> Momentum {
        for step in self.steps(q).iter().rev() {
            match *step {
                Step::Boost(axis, [cosh, sinh]) => boost(&mut p, axis, [cosh, -sinh]),
                Step::Rotate(axes, [cos, sin]) => rotate(&mut p, axes, [cos, -sin]),
            }
        }
        p
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::particle::{square, sum};

    const BOTH: [Frame; 2] = [Frame::Helicity, Frame::CollinsSoper];

    fn with_mass(mass: f64, [x, y, z]: [f64; 3]) -> Momentum {
        [x, y, z, (mass * mass + x * x + y * y + z * z).sqrt()]
    }

    #[track_caller]
    fn near(a: &Momentum, b: &Momentum) {
        let scale = a[3].abs() + b[3].abs();
        let off = a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-12 * scale);
        assert!(!off, "{a:?} {b:?}");
    }

    #[test]
    fn a_system_rests_in_its_frame_and_comes_back() {
        for q in [
            with_mass(91.0, [30.0, -40.0, 700.0]),
            with_mass(91.0, [0.0, 0.0, -70.0]),
            with_mass(5.0, [-1.0, 0.0, 0.0]),
            with_mass(5.0, [0.0; 3]),
        ] {
            for frame in BOTH {
                near(&frame.to_rest(&q, q), &[0.0, 0.0, 0.0, mass(&q)]);
                let p = with_mass(0.1, [1.0, 2.0, -3.0]);
                near(&frame.to_laboratory(&q, frame.to_rest(&q, p)), &p);
                assert!((square(&frame.to_rest(&q, p)) - 0.01).abs() < 1e-9 * p[3] * q[3]);
            }
        }
    }

    /// cos θ of Collins and Soper, by their formula in light-cone components.
    #[test]
    fn the_collins_soper_angle_is_that_of_the_formula() {
        let a = with_mass(0.0, [20.0, 7.0, 55.0]);
        let b = with_mass(0.0, [-31.0, 12.0, -8.0]);
        let q = sum([&a, &b]);
        let light = |p: &Momentum| [p[3] + p[2], p[3] - p[2]];
        let ([a_plus, a_minus], [b_plus, b_minus]) = (light(&a), light(&b));
        let (m, transverse) = (mass(&q), q[0].hypot(q[1]));
        let known = (a_plus * b_minus - a_minus * b_plus) / (m * m.hypot(transverse));
        let rest = Frame::CollinsSoper.to_rest(&q, a);
        assert!((rest[2] / (m / 2.0) - known).abs() < 1e-12, "{rest:?}");
        // tan φ = Q_T / Q … of the components along and across the system's transverse momentum.
        let along = (q[0] * (a[0] - b[0]) + q[1] * (a[1] - b[1])) / transverse;
        let across = (q[0] * (a[1] - b[1]) - q[1] * (a[0] - b[0])) / transverse;
        let tangent = m.hypot(transverse) / m * across / along;
        assert!((rest[1] / rest[0] - tangent).abs() < 1e-12 * tangent.abs());
    }

    /// cos θ of the helicity frame is the cosine between a daughter there and the direction of the system.
    #[test]
    fn the_helicity_angle_is_that_to_the_direction_of_flight() {
        let a = with_mass(1.0, [20.0, 7.0, 55.0]);
        let b = with_mass(2.0, [-31.0, 12.0, -8.0]);
        let q = sum([&a, &b]);
        let (m, flight) = (mass(&q), (q[0] * q[0] + q[1] * q[1] + q[2] * q[2]).sqrt());
        // Along the flight, boosted by hand.
        let along = (a[0] * q[0] + a[1] * q[1] + a[2] * q[2]) / flight;
        let known = (q[3] * along - flight * a[3]) / m;
        let rest = Frame::Helicity.to_rest(&q, a);
        assert!((rest[2] - known).abs() < 1e-12 * a[3], "{rest:?} {known}");
        // y is perpendicular to the beams and to the flight.
        let across = (q[0] * a[1] - q[1] * a[0]) / q[0].hypot(q[1]);
        assert!((rest[1] - across).abs() < 1e-12 * a[3]);
    }
}
