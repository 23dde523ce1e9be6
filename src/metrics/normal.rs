//! The normal distribution of a sample, and its principal axes.

use crate::error::{Error, Result};
use crate::order::sort_by_value;
use crate::room::{self, Gather};

/// A multivariate normal with a sample's mean and covariance.
#[derive(Clone, Debug)]
pub(crate) struct Normal {
    mean: Vec<f64>,
    /// Unit vectors, by falling variance.
    axes: Vec<Vec<f64>>,
    variances: Vec<f64>,
}

impl Normal {
    /// Of packed rows of `dim` values with weights, which may be negative where their total is positive.
    ///
    /// # Errors
    /// [`Error::Data`] if there are no rows or their weights have no positive total.
    pub fn new(x: &[f64], w: &[f64], dim: usize) -> Result<Self> {
        let total: f64 = w.iter().sum();
        if dim == 0 || !(total > 0.0 && total.is_finite()) {
            return Err(Error::Data(format!(
                "{} rows of total weight {total} have no covariance",
                w.len()
            )));
        }
        let rows = || x.chunks_exact(dim).zip(w);
        let mut mean = room::filled(dim, 0.0)?;
        for (row, w) in rows() {
            mean.iter_mut()
                .zip(row)
                .for_each(|(m, x)| *m += w / total * x);
        }
        let mut covariance = room::filled(dim * dim, 0.0)?;
        let mut away = room::filled(dim, 0.0)?;
        for (row, w) in rows() {
            let deviations = row.iter().zip(&mean).map(|(x, m)| x - m);
            away.iter_mut().zip(deviations).for_each(|(a, d)| *a = d);
            for (i, line) in covariance.chunks_exact_mut(dim).enumerate() {
                let scale = w / total * away[i];
                line[..=i]
                    .iter_mut()
                    .zip(&away)
                    .for_each(|(c, a)| *c += scale * a);
            }
        }
        for i in 0..dim {
            for j in 0..i {
                covariance[j * dim + i] = covariance[i * dim + j];
            }
        }
        let (variances, axes) = eigen(covariance, dim)?;
        Ok(Normal {
            mean,
            axes,
            variances,
        })
    }

    /// Variances along the axes; rounding may leave them slightly below 0.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// Where a row lies along axis `k`, from the mean.
    pub fn along(&self, k: usize, row: &[f64]) -> f64 {
        let components = self.axes[k].iter().zip(row).zip(&self.mean);
        components.map(|((a, x), m)| a * (x - m)).sum()
    }

    /// log of the density; −∞ or NaN where the sample spans no volume.
    pub fn log_density(&self, row: &[f64]) -> f64 {
        let axes = self.variances.iter().enumerate();
        axes.map(|(k, v)| {
            -0.5 * (self.along(k, row).powi(2) / v + libm::log(std::f64::consts::TAU * v))
        })
        .sum()
    }
}

/// Eigenvalues, falling, and unit eigenvectors of a symmetric matrix: cyclic Jacobi rotations (Golub, Van Loan, Matrix Computations, 8.5).
fn eigen(mut a: Vec<f64>, n: usize) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    const SWEEPS: usize = 50;
    let mut v = (0..n * n)
        .map(|i| f64::from(u8::from(i / n == i % n)))
        .gather()?;
    let scale: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n * n)
            .filter(|i| i / n < i % n)
            .map(|i| a[i] * a[i])
            .sum();
        if off <= f64::EPSILON.powi(2) * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + libm::hypot(theta, 1.0));
                let c = 1.0 / libm::hypot(t, 1.0);
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (v[p * n + k], v[q * n + k]);
                    (v[p * n + k], v[q * n + k]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    let mut order = (0..n).gather()?;
    sort_by_value(&mut order, &|i| -a[i * n + i]);
    let values = order.iter().map(|&i| a[i * n + i]).gather()?;
    let vectors = order.iter().map(|&i| room::copied(&v[i * n..(i + 1) * n]));
    Ok((values, vectors.gather_all()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};

    #[test]
    fn a_correlated_normal_is_found() {
        // x = (2 a, a + b / 2, c) of independent unit normals: covariance [[4, 2, 0], [2, 1.25, 0], [0, 0, 1]].
        const ROWS: usize = 100_000;
        let mut z = vec![0.0; 3 * ROWS];
        Noise::new(1, 0, domain::PILOT).fill_normals(0, ROWS, 3, &mut z);
        let x: Vec<f64> = z
            .chunks_exact(3)
            .flat_map(|z| [2.0 * z[0] + 7.0, z[0] + 0.5 * z[1], z[2]])
            .collect();
        let normal = Normal::new(&x, &vec![1.0; ROWS], 3).unwrap();
        // The first block has trace 5.25 and determinant 1.
        let root = (5.25f64.powi(2) - 4.0).sqrt();
        let expected = [0.5 * (5.25 + root), 1.0, 0.5 * (5.25 - root)];
        for (k, (v, e)) in normal.variances().iter().zip(expected).enumerate() {
            assert!((v / e - 1.0).abs() < 0.02, "axis {k}: {v}, not {e}");
            let length: f64 = normal.axes[k].iter().map(|a| a * a).sum();
            assert!((length - 1.0).abs() < 1e-12);
        }
        // Of the mean density −½ − ½ ln(2π) for each dimension, and ln |Σ| = 0.
        let mean = x
            .chunks_exact(3)
            .map(|row| normal.log_density(row))
            .sum::<f64>()
            / ROWS as f64;
        let expected = -1.5 - 1.5 * std::f64::consts::TAU.ln();
        assert!((mean - expected).abs() < 0.02, "{mean}, not {expected}");
        assert!(Normal::new(&[], &[], 3).is_err());
        assert!(Normal::new(&[1.0, 2.0], &[1.0, -1.0], 1).is_err());
    }

    #[test]
    fn weights_count_as_copies() {
        let (x, w) = ([0.0, 1.0, 2.0, 5.0, -1.0, 3.0], [1.0, 2.0, 3.0]);
        let copies = [
            0.0, 1.0, 2.0, 5.0, 2.0, 5.0, -1.0, 3.0, -1.0, 3.0, -1.0, 3.0,
        ];
        let (a, b) = (
            Normal::new(&x, &w, 2).unwrap(),
            Normal::new(&copies, &[1.0; 6], 2).unwrap(),
        );
        assert!((a.log_density(&[1.0, 1.0]) - b.log_density(&[1.0, 1.0])).abs() < 1e-12);
    }
}
