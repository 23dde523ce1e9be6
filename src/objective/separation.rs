//! Telling two classes apart by one logit.

/// Losses whose minimum over ℓ is, for equal numbers of rows of both labels, the log of (W₁ p₁) / (W₀ p₀): W the mean weights, p the
/// normalised weighted densities of the labels.
///
/// Weights may be negative. The minimum is the same wherever the weights of a label still sum to a positive density. Where those of label 1
/// sum to 0 it lies at ℓ = −∞, and where they sum to less it does not exist: there the squared error alone is bounded, and the other two
/// fall as long as the network lets them. Single rows of negative weight are such places to a network that can tell them apart; it must not
/// be trained until it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separation {
    /// −y log f − (1 − y) log(1 − f); log 2 for an ignorant classifier of two classes of unit mean weight.
    CrossEntropy,
    /// (f − y)²; ¼ for an ignorant one.
    SquaredError,
    /// The maximum-likelihood classifier (Nachman and Thaler, arXiv:2101.07263; the paper's refs. 94, 95): −y ℓ + (1 − y)(e^ℓ − 1); 0 for
    /// an ignorant one. Above [`Separation::LINEAR`] e^ℓ continues along its tangent, so that loss and gradient stay finite in single
    /// precision.
    MaximumLikelihood,
}

impl Separation {
    /// Where [`Separation::MaximumLikelihood`] continues linearly. Ratios beyond e²⁰ = 5·10⁸ have no minimum: no sample shows them.
    pub const LINEAR: f64 = 20.0;

    /// The loss of an ignorant classifier, ℓ = 0, for two classes of unit mean weight.
    pub fn ignorant(self) -> f64 {
        self.pointwise(0.0, 1.0).0
    }

    /// The loss of a logit ℓ with label y, and its derivative with respect to ℓ.
    pub fn pointwise(self, logit: f64, y: f64) -> (f64, f64) {
        match self {
            Separation::CrossEntropy => (softplus(logit) - y * logit, sigmoid(logit) - y),
            Separation::SquaredError => {
                let f = sigmoid(logit);
                ((f - y).powi(2), 2.0 * (f - y) * f * (1.0 - f))
            }
            Separation::MaximumLikelihood => {
                let slope = libm::exp(logit.min(Self::LINEAR));
                let ratio = slope * (1.0 + (logit - Self::LINEAR).max(0.0));
                ((1.0 - y) * (ratio - 1.0) - y * logit, (1.0 - y) * slope - y)
            }
        }
    }
}

/// log(1 + e^ℓ), without overflow.
pub(crate) fn softplus(logit: f64) -> f64 {
    logit.max(0.0) + libm::log1p(libm::exp(-logit.abs()))
}

/// 1 / (1 + e^−ℓ), without overflow.
pub(crate) fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-logit))
}
