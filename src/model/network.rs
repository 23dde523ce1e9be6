//! Networks as plain data. This description is what libtorch builds, what the CPU engine runs and what model files store;
//! there is no second one.
//!
//! Parameters of a network live in one flat buffer, in the order in which [`Mlp::parameters`] and [`Flow::parameters`] list them:
//! layer by layer, each weight (row-major, outputs × inputs) before its bias.

use crate::{room, Error, Result};
use serde::{Deserialize, Serialize};

/// No layer of a stored network may be wider: bounds what a file can make us allocate.
pub const MAX_WIDTH: usize = 1 << 16;
/// No network may have more layers or blocks.
pub const MAX_DEPTH: usize = 1 << 12;
/// No network may have more parameters in total.
pub const MAX_PARAMETERS: usize = 1 << 28;

/// The element type a network is trained and evaluated in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE single precision.
    Float32,
    /// IEEE double precision.
    Float64,
}

impl Dtype {
    /// The option's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::Float32 => "float32",
            Dtype::Float64 => "float64",
        }
    }
}

/// The nonlinearity between the layers of an [`Mlp`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Activation {
    /// x for x > 0, slope · x otherwise.
    LeakyRelu {
        /// Slope on the negative side, within [0, 1).
        slope: f64,
    },
    /// Hyperbolic tangent.
    Tanh,
}

/// One tensor of a network: its name within the network and its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Dotted path, e.g. `blocks.3.subnet.0.weight`.
    pub name: String,
    /// `[outputs, inputs]` of a weight, `[outputs]` of a bias.
    pub shape: Vec<usize>,
}

impl Parameter {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True if it holds nothing, as the weight of a layer without inputs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A fully connected network: `inputs → hidden[0] → … → outputs`, the activation after every layer but the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mlp {
    /// Width of the input.
    pub inputs: usize,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Width of the output.
    pub outputs: usize,
    /// Nonlinearity of the hidden layers.
    pub activation: Activation,
}

impl Mlp {
    /// A network with `layers` hidden layers of `units` each and LeakyReLU activations.
    pub fn new(inputs: usize, layers: usize, units: usize, outputs: usize, slope: f64) -> Self {
        Mlp {
            inputs,
            hidden: vec![units; layers],
            outputs,
            activation: Activation::LeakyRelu { slope },
        }
    }

    /// `(inputs, outputs)` of every linear layer.
    pub fn layers(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let into = std::iter::once(self.inputs).chain(self.hidden.iter().copied());
        let out = self
            .hidden
            .iter()
            .copied()
            .chain(std::iter::once(self.outputs));
        into.zip(out)
    }

    /// The tensors, in flat order, with `prefix` before their names.
    pub fn parameters(&self, prefix: &str) -> Vec<Parameter> {
        self.layers()
            .enumerate()
            .flat_map(|(i, (inputs, outputs))| {
                [
                    Parameter {
                        name: format!("{prefix}{i}.weight"),
                        shape: vec![outputs, inputs],
                    },
                    Parameter {
                        name: format!("{prefix}{i}.bias"),
                        shape: vec![outputs],
                    },
                ]
            })
            .collect()
    }

    /// Number of parameters, or `None` beyond [`MAX_PARAMETERS`].
    pub fn parameter_count(&self) -> Option<usize> {
        self.layers()
            .try_fold(0usize, |n, (inputs, outputs)| {
                n.checked_add(outputs.checked_mul(inputs.checked_add(1)?)?)
            })
            .filter(|&n| n <= MAX_PARAMETERS)
    }

    /// Checks widths, depth and activation.
    ///
    /// # Errors
    /// [`Error::Format`] naming the first thing out of bounds.
    pub fn validate(&self) -> Result<()> {
        let wide = |n: usize| n > MAX_WIDTH;
        if self.hidden.len() > MAX_DEPTH {
            return Err(Error::Format(format!(
                "a network of {} hidden layers exceeds the limit of {MAX_DEPTH}",
                self.hidden.len()
            )));
        }
        if wide(self.inputs) || wide(self.outputs) || self.hidden.iter().any(|&n| wide(n)) {
            return Err(Error::Format(format!("a layer is wider than {MAX_WIDTH}")));
        }
        if self.outputs == 0 || self.hidden.contains(&0) {
            return Err(Error::Format("a layer has no units".into()));
        }
        if self.parameter_count().is_none() {
            return Err(Error::Format(format!(
                "a network has more than {MAX_PARAMETERS} parameters"
            )));
        }
        match self.activation {
            Activation::LeakyRelu { slope } if !(0.0..1.0).contains(&slope) => Err(Error::Format(
                format!("LeakyReLU slope {slope} is outside [0, 1)"),
            )),
            _ => Ok(()),
        }
    }
}

/// How the outputs s̃ of a subnet become log scales s that no input drives too far. Frameworks differ; a training of this library takes
/// [`SoftClamp::Tanh`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoftClamp {
    /// s = clamp · tanh(s̃ / clamp).
    #[default]
    Tanh,
    /// s = clamp · (2/π) · atan(π s̃ / (2 clamp)), as FrEIA has it.
    Atan,
    /// s = s̃ / (1 + |s̃| / clamp), as zuko has it.
    Softsign,
    /// exp(s) = σ(s̃) + exp(−clamp) with the logistic σ, as the couplings of nflows: no block scales by more than 1 + exp(−clamp).
    Sigmoid,
    /// exp(s) = log(1 + exp(s̃)) + exp(−clamp), as the autoregressive flows of nflows: no bound above.
    Softplus,
}

impl SoftClamp {
    /// Whether exp(−clamp) is what it adds to a positive scale.
    fn adds(self) -> bool {
        matches!(self, SoftClamp::Sigmoid | SoftClamp::Softplus)
    }
}

/// How the outputs of a subnet become the knots of a spline. Frameworks differ; a training of this library takes [`Knots::Tanh`]. Here
/// smallest is [`Transform::SMALLEST`], and c = −log smallest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Knots {
    /// Shares smallest + (1 − bins · smallest) · softmax(w̃), slopes exp(c · tanh(d̃ / c)).
    #[default]
    Tanh,
    /// Shares likewise, slopes smallest + log(1 + exp(d̃)), as in the paper of the splines and in nflows.
    Softplus,
    /// Shares softmax(w̃ / (1 + 2 |w̃| / c)), slopes exp(d̃ / (1 + |d̃| / c)), as zuko has it.
    Softsign,
}

/// How a coupling block transforms its active coordinates, given the passive ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Transform {
    /// RealNVP (Dinh et al., ICLR 2017): x = z · exp(s) + t. The subnet's outputs are (s̃, t); the soft clamp makes s of s̃ and keeps one
    /// block from scaling by more than exp(clamp).
    Affine {
        /// Bound on |s|, positive; of [`SoftClamp::Sigmoid`] and [`SoftClamp::Softplus`] on −s, and not above [`Transform::MAX_LEAST`].
        clamp: f64,
        /// s̃ ↦ s.
        #[serde(default, skip_serializing_if = "is_default")]
        soft_clamp: SoftClamp,
    },
    /// Neural spline (Durkan et al., arXiv:1906.04032): z ↦ x is a monotonic rational-quadratic spline within [−bound, bound], and the
    /// identity with slope 1 outside. The subnet's outputs are, coordinate by coordinate, for every bin its width w̃, for every bin its
    /// height h̃, and for every inner knot its slope d̃. The knots make of these each bin's share of the width, its share of the height,
    /// and the slopes. But for [`Knots::Softplus`], all outputs 0 are the identity.
    Spline {
        /// Bins, from 2 to [`Transform::MAX_BINS`].
        bins: usize,
        /// Half the width of the interval, within [`Transform::BOUNDS`].
        bound: f64,
        /// (w̃, h̃, d̃) ↦ the knots.
        #[serde(default, skip_serializing_if = "is_default")]
        knots: Knots,
    },
}

/// What need not be written: files without these choices stay as they were.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Transform {
    /// No bin of a spline is narrower or lower than this share of the whole, and no slope of a knot is below this (nor, but for
    /// [`Knots::Softplus`], above its inverse): single precision still tells the knots apart. With [`Knots::Softsign`] it is this share of
    /// the widest bin.
    pub const SMALLEST: f64 = 1e-3;
    /// No spline has more bins.
    pub const MAX_BINS: usize = 128;
    /// Bounds of the bound of a spline: all powers of it that occur are normal numbers of single precision.
    pub const BOUNDS: (f64, f64) = (1e-3, 1e3);
    /// exp of minus this, the smallest scale of the soft clamps that add it, is a normal number of single precision.
    pub const MAX_LEAST: f64 = 80.0;

    /// The transform of couplings with the default soft clamp.
    pub const fn affine(clamp: f64) -> Self {
        Transform::Affine {
            clamp,
            soft_clamp: SoftClamp::Tanh,
        }
    }

    /// The transform of splines with the default knots.
    pub const fn spline(bins: usize, bound: f64) -> Self {
        Transform::Spline {
            bins,
            bound,
            knots: Knots::Tanh,
        }
    }

    /// Subnet outputs needed per active coordinate.
    pub fn outputs_per_coordinate(&self) -> usize {
        match *self {
            Transform::Affine { .. } => 2,
            // What is no description yet must not overflow.
            Transform::Spline { bins, .. } => bins.saturating_mul(3).saturating_sub(1),
        }
    }

    /// Checks the constants; the error says what is wrong.
    fn validate(&self) -> std::result::Result<(), String> {
        match *self {
            Transform::Affine { clamp, .. } if !(clamp > 0.0 && clamp.is_finite()) => {
                Err(format!("clamp {clamp} is not positive"))
            }
            Transform::Affine { clamp, soft_clamp }
                if soft_clamp.adds() && clamp > Self::MAX_LEAST =>
            {
                Err(format!(
                    "clamp {clamp} of a {soft_clamp:?} is above {}",
                    Self::MAX_LEAST
                ))
            }
            Transform::Spline { bins, .. } if !(2..=Self::MAX_BINS).contains(&bins) => {
                Err(format!(
                    "a spline of {bins} bins; between 2 and {} are possible",
                    Self::MAX_BINS
                ))
            }
            Transform::Spline { bound, .. }
                if !(Self::BOUNDS.0..=Self::BOUNDS.1).contains(&bound) =>
            {
                let (least, most) = Self::BOUNDS;
                Err(format!(
                    "a spline's bound {bound} is outside {least} to {most}"
                ))
            }
            Transform::Affine { .. } | Transform::Spline { .. } => Ok(()),
        }
    }
}

/// One coupling block: the passive coordinates (and the condition) go through the subnet, whose outputs transform the active ones.
/// The index lists are the permutation: no data is moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coupling {
    /// Coordinates that are transformed.
    pub active: Vec<usize>,
    /// Coordinates that pass and feed the subnet; together with `active` each coordinate exactly once.
    pub passive: Vec<usize>,
    /// What is done to the active coordinates.
    pub transform: Transform,
    /// Whether the transform's formula takes the event's side to the latent's, x ↦ z, and not z ↦ x.
    #[serde(default, skip_serializing_if = "is_default")]
    pub inverse: bool,
    /// `passive + conditions → outputs_per_coordinate · active`.
    pub subnet: Mlp,
}

/// A normalizing flow: z ↦ x = g(z) through the coupling blocks in order; the prior p(z) is the standard normal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Dimension of z and of x.
    pub dim: usize,
    /// Dimension of the condition c that is fed to every subnet.
    pub conditions: usize,
    /// Coupling blocks, first applied to z first.
    pub blocks: Vec<Coupling>,
}

impl Flow {
    /// The tensors, in flat order, with `prefix` before their names.
    pub fn parameters(&self, prefix: &str) -> Vec<Parameter> {
        self.blocks
            .iter()
            .enumerate()
            .flat_map(|(i, block)| {
                block
                    .subnet
                    .parameters(&format!("{prefix}blocks.{i}.subnet."))
            })
            .collect()
    }

    /// Number of parameters, or `None` beyond [`MAX_PARAMETERS`].
    pub fn parameter_count(&self) -> Option<usize> {
        self.blocks
            .iter()
            .try_fold(0usize, |n, b| n.checked_add(b.subnet.parameter_count()?))
            .filter(|&n| n <= MAX_PARAMETERS)
    }

    /// Checks that the blocks partition the coordinates and that the subnets fit.
    ///
    /// # Errors
    /// [`Error::Format`] naming the block.
    pub fn validate(&self) -> Result<()> {
        if self.dim < 2 || self.dim > MAX_WIDTH || self.conditions > MAX_WIDTH {
            return Err(Error::Format(format!(
                "a coupling flow has between 2 and {MAX_WIDTH} dimensions, not {} (conditions: {})",
                self.dim, self.conditions
            )));
        }
        if self.blocks.is_empty() || self.blocks.len() > MAX_DEPTH {
            return Err(Error::Format(format!(
                "a flow has between 1 and {MAX_DEPTH} coupling blocks, not {}",
                self.blocks.len()
            )));
        }
        for (i, block) in self.blocks.iter().enumerate() {
            let wrong = |what: String| Error::Format(format!("coupling block {i}: {what}"));
            let mut seen = room::filled(self.dim, false)?;
            for &k in block.active.iter().chain(&block.passive) {
                match seen.get_mut(k) {
                    Some(s) if !*s => *s = true,
                    Some(_) => return Err(wrong(format!("coordinate {k} appears twice"))),
                    None => {
                        return Err(wrong(format!("coordinate {k} is outside 0..{}", self.dim)))
                    }
                }
            }
            if seen.contains(&false) || block.active.is_empty() {
                return Err(wrong(
                    "active and passive are no partition of the coordinates".into(),
                ));
            }
            block.subnet.validate()?;
            block.transform.validate().map_err(wrong)?;
            let outputs = block.transform.outputs_per_coordinate() * block.active.len();
            if block.subnet.inputs != block.passive.len() + self.conditions
                || block.subnet.outputs != outputs
            {
                return Err(wrong(format!(
                    "the subnet maps {} to {}, but {} to {outputs} is needed",
                    block.subnet.inputs,
                    block.subnet.outputs,
                    block.passive.len() + self.conditions,
                )));
            }
        }
        if self.parameter_count().is_none() {
            return Err(Error::Format(format!(
                "the flow has more than {MAX_PARAMETERS} parameters"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        let block = |active: usize| Coupling {
            active: vec![active],
            passive: vec![1 - active],
            transform: Transform::affine(2.0),
            inverse: false,
            subnet: Mlp::new(1, 3, 48, 2, 0.01),
        };
        Flow {
            dim: 2,
            conditions: 0,
            blocks: vec![block(0), block(1)],
        }
    }

    #[test]
    fn the_papers_flow_has_the_papers_size() {
        let flow = flow();
        flow.validate().unwrap();
        // 1→48→48→48→2 with biases.
        assert_eq!(
            flow.parameter_count(),
            Some(2 * (96 + 2 * (48 * 48 + 48) + 98))
        );
        let listed: usize = flow.parameters("").iter().map(Parameter::len).sum();
        assert_eq!(Some(listed), flow.parameter_count());
        assert_eq!(flow.parameters("g.")[2].name, "g.blocks.0.subnet.1.weight");
        assert_eq!(flow.parameters("g.")[2].shape, [48, 48]);
    }

    #[test]
    fn descriptions_survive_json() {
        let mut flow = flow();
        flow.blocks[1].transform = Transform::spline(8, 5.0);
        let text = serde_json::to_string(&flow).unwrap();
        assert_eq!(serde_json::from_str::<Flow>(&text).unwrap(), flow);
        for choice in ["inverse", "soft_clamp", "knots"] {
            assert!(!text.contains(choice), "as before there was a choice");
        }
        flow.blocks[0].inverse = true;
        flow.blocks[0].transform = Transform::Affine {
            clamp: 6.9,
            soft_clamp: SoftClamp::Softsign,
        };
        flow.blocks[1].transform = Transform::Spline {
            bins: 8,
            bound: 5.0,
            knots: Knots::Softplus,
        };
        let text = serde_json::to_string(&flow).unwrap();
        assert_eq!(serde_json::from_str::<Flow>(&text).unwrap(), flow);
        for choice in [
            r#""soft_clamp":"softsign""#,
            r#""knots":"softplus""#,
            r#""inverse":true"#,
        ] {
            assert!(text.contains(choice), "{text}");
            let (name, value) = choice.split_once(':').unwrap();
            let other = text.replace(choice, &format!(r#"{name}:"what""#));
            let error = serde_json::from_str::<Flow>(&other).unwrap_err();
            assert!(error.to_string().contains("what"), "{value}: {error}");
        }
    }

    #[test]
    fn wrong_descriptions_are_named() {
        let mut twice = flow();
        twice.blocks[1].passive = vec![1];
        assert!(twice
            .validate()
            .unwrap_err()
            .to_string()
            .contains("block 1: coordinate 1 appears twice"));
        let mut outside = flow();
        outside.blocks[0].active = vec![7];
        assert!(outside
            .validate()
            .unwrap_err()
            .to_string()
            .contains("outside 0..2"));
        let mut narrow = flow();
        narrow.blocks[0].subnet.outputs = 1;
        assert!(narrow
            .validate()
            .unwrap_err()
            .to_string()
            .contains("1 to 2 is needed"));
        for (bins, bound, part) in [
            (1, 5.0, "block 1: a spline of 1 bins"),
            (usize::MAX, 5.0, "between 2 and 128"),
            (
                8,
                0.0,
                "block 1: a spline's bound 0 is outside 0.001 to 1000",
            ),
            (8, f64::NAN, "bound NaN"),
            (8, f64::INFINITY, "bound inf"),
            (8, 5.0, "1 to 23 is needed"),
        ] {
            let mut spline = flow();
            spline.blocks[1].transform = Transform::spline(bins, bound);
            let error = spline.validate().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        for (clamp, soft_clamp, part) in [
            (0.0, SoftClamp::Atan, "block 0: clamp 0 is not positive"),
            (
                80.5,
                SoftClamp::Sigmoid,
                "clamp 80.5 of a Sigmoid is above 80",
            ),
            (
                81.0,
                SoftClamp::Softplus,
                "clamp 81 of a Softplus is above 80",
            ),
        ] {
            let mut affine = flow();
            affine.blocks[0].transform = Transform::Affine { clamp, soft_clamp };
            let error = affine.validate().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let mut empty = flow();
        empty.blocks.clear();
        assert!(empty.validate().is_err());
        assert!(Mlp::new(1, 1, MAX_WIDTH + 1, 1, 0.0).validate().is_err());
        assert!(
            Mlp::new(1, 8, MAX_WIDTH, 1, 0.0).validate().is_err(),
            "too many parameters"
        );
        assert!(Mlp::new(1, 1, 0, 1, 0.0).validate().is_err());
        assert!(Mlp::new(1, 1, 1, 1, 1.5).validate().is_err());
    }
}
