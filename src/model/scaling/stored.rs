//! A scaling as a file has it. All fields of all kinds in one place are read by an eighth of the code that each kind by itself would take.

use super::Scaling;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// The fields that there are.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Stored {
    #[serde(rename = "type")]
    kind: String,
    low: Option<f64>,
    high: Option<f64>,
    mean: Option<f64>,
    std: Option<f64>,
    centre: Option<f64>,
    width: Option<f64>,
    period: Option<f64>,
    cut: Option<f64>,
    first: Option<f64>,
    edge: Option<f64>,
    edges: Option<Arc<[f64]>>,
    /// Whether there are, or how many.
    classes: Option<Value>,
}

/// A field that its kind must have.
fn required<T>(field: &mut Option<T>, name: &str) -> Result<T, String> {
    field
        .take()
        .ok_or_else(|| format!("missing field `{name}`"))
}

impl TryFrom<Stored> for Scaling {
    type Error = String;

    fn try_from(mut stored: Stored) -> Result<Self, String> {
        let s = &mut stored;
        let scaling = match &*s.kind {
            "none" => Scaling::None,
            "standardise" => Scaling::Standardise {
                mean: required(&mut s.mean, "mean")?,
                std: required(&mut s.std, "std")?,
            },
            "asinh" => Scaling::Asinh {
                centre: required(&mut s.centre, "centre")?,
                width: required(&mut s.width, "width")?,
                mean: required(&mut s.mean, "mean")?,
                std: required(&mut s.std, "std")?,
            },
            "log" => Scaling::Log {
                low: required(&mut s.low, "low")?,
                mean: required(&mut s.mean, "mean")?,
                std: required(&mut s.std, "std")?,
            },
            "logit" => Scaling::Logit {
                low: required(&mut s.low, "low")?,
                high: required(&mut s.high, "high")?,
                mean: required(&mut s.mean, "mean")?,
                std: required(&mut s.std, "std")?,
            },
            "periodic" => Scaling::Periodic {
                low: required(&mut s.low, "low")?,
                period: required(&mut s.period, "period")?,
                cut: required(&mut s.cut, "cut")?,
                mean: required(&mut s.mean, "mean")?,
                std: required(&mut s.std, "std")?,
            },
            "integer" => Scaling::Integer {
                low: s.low.take(),
                mean: required(&mut s.mean, "mean")?,
                std: required(&mut s.std, "std")?,
            },
            "cells" => Scaling::Cells {
                first: required(&mut s.first, "first")?,
                edges: required(&mut s.edges, "edges")?,
                classes: required(&mut s.classes, "classes")?
                    .as_bool()
                    .ok_or("`classes` of `cells` is true or false")?,
            },
            "zeros" => Scaling::Zeros {
                low: required(&mut s.low, "low")?,
                width: s.width.take(),
                edge: required(&mut s.edge, "edge")?,
                mean: required(&mut s.mean, "mean")?,
                std: required(&mut s.std, "std")?,
            },
            "circle" => Scaling::Circle {
                low: required(&mut s.low, "low")?,
                period: required(&mut s.period, "period")?,
            },
            "one_hot" => Scaling::OneHot {
                classes: required(&mut s.classes, "classes")?
                    .as_u64()
                    .and_then(|n| usize::try_from(n).ok())
                    .ok_or("`classes` of `one_hot` is a number of them")?,
            },
            "spike" => Scaling::Spike {
                low: required(&mut s.low, "low")?,
                width: s.width.take(),
                mean: required(&mut s.mean, "mean")?,
                std: required(&mut s.std, "std")?,
            },
            other => return Err(format!("unknown scaling `{other}`")),
        };
        let numbers = [
            ("low", s.low),
            ("high", s.high),
            ("mean", s.mean),
            ("std", s.std),
            ("centre", s.centre),
            ("width", s.width),
            ("period", s.period),
            ("cut", s.cut),
            ("first", s.first),
            ("edge", s.edge),
        ];
        let others = [
            ("edges", s.edges.is_some()),
            ("classes", s.classes.is_some()),
        ];
        let given = numbers.map(|(name, value)| (name, value.is_some()));
        match given.iter().chain(&others).find(|(_, given)| *given) {
            None => Ok(scaling),
            Some((name, _)) => Err(format!("unknown field `{name}` of scaling `{}`", s.kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn every_kind_comes_back_with_all_its_fields_and_no_others() {
        let (low, mean, std, width) = (0.1, -0.3, 1.7, 2.0 / 3.0);
        let edges: Arc<[f64]> = Arc::from([-0.5, 0.5]);
        let all = [
            Scaling::None,
            Scaling::Standardise { mean, std },
            Scaling::Asinh {
                centre: 0.7,
                width,
                mean,
                std,
            },
            Scaling::Log { low, mean, std },
            Scaling::Logit {
                low,
                high: 3.0,
                mean,
                std,
            },
            Scaling::Periodic {
                low,
                period: 6.5,
                cut: 0.4,
                mean,
                std,
            },
            Scaling::Integer {
                low: None,
                mean,
                std,
            },
            Scaling::Integer {
                low: Some(low),
                mean,
                std,
            },
            Scaling::Cells {
                first: 1.0,
                edges,
                classes: true,
            },
            Scaling::Zeros {
                low,
                width: None,
                edge: 0.2,
                mean,
                std,
            },
            Scaling::Zeros {
                low,
                width: Some(width),
                edge: 0.2,
                mean,
                std,
            },
            Scaling::Circle { low, period: 6.5 },
            Scaling::OneHot { classes: 4 },
            Scaling::Spike {
                low,
                width: Some(width),
                mean,
                std,
            },
        ];
        for scaling in all {
            let value = to_value(&scaling).unwrap();
            assert_eq!(from_value::<Scaling>(value.clone()).unwrap(), scaling);
            let fields = value.as_object().unwrap();
            for field in fields.keys() {
                let mut less = fields.clone();
                less.remove(field);
                let optional = match &scaling {
                    Scaling::Integer { .. } => "low",
                    Scaling::Zeros { .. } | Scaling::Spike { .. } => "width",
                    _ => "",
                };
                let read = from_value::<Scaling>(less.into());
                assert_eq!(read.is_ok(), field == optional, "{value} without {field}");
            }
            for field in ["high", "cut", "edges", "classes", "speed"] {
                if !fields.contains_key(field) {
                    let mut more = fields.clone();
                    let what = if field == "edges" {
                        json!([1.0])
                    } else {
                        json!(1.0)
                    };
                    more.insert(field.into(), what);
                    let error = from_value::<Scaling>(more.into()).unwrap_err();
                    assert!(
                        error
                            .to_string()
                            .contains(&format!("unknown field `{field}`")),
                        "{error}"
                    );
                }
            }
        }
        assert!(from_value::<Scaling>(json!({"type": "squared"})).is_err());
    }
}
