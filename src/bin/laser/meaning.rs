//! What the weights of a reweighter are to those that events have.

use laser::model::Model;

/// How w makes the weight that an event counts with of the one that it has.
#[derive(Clone, Copy)]
pub enum Meaning {
    /// Multiplied with it.
    Product,
    /// Multiplied with it; times this factor they are numbers of events: of `laser unfold`.
    Numbers(f64),
    /// In its place, times this factor: of `laser resample`.
    Instead(f64),
}

impl Meaning {
    /// By the record of a reweighter.
    pub fn of(model: &Model) -> Self {
        let factor = |of: &str| {
            model
                .record
                .get(of)
                .and_then(|found| found["factor"].as_f64())
        };
        match (factor("resample"), factor("unfolding")) {
            (Some(factor), _) => Meaning::Instead(factor),
            (None, Some(factor)) => Meaning::Numbers(factor),
            (None, None) => Meaning::Product,
        }
    }

    /// Whether the weight that an event has no longer counts.
    pub fn replaces(self) -> bool {
        matches!(self, Meaning::Instead(_))
    }

    /// What an event of weight `own` counts with.
    pub fn weight(self, w: f64, own: f64) -> f64 {
        match self {
            Meaning::Instead(factor) => factor * w,
            Meaning::Product | Meaning::Numbers(_) => w * own,
        }
    }

    /// What is to be done with the column `name`, which holds that weight if `whole`, or else w; `own` is the column of the events' weights.
    pub fn of_column(self, name: &str, whole: bool, own: Option<&str>) -> Option<String> {
        let done = match (own, whole) {
            (Some(own), true) => Some(format!("`{name}` is w times the events' own weights of `{own}`")),
            (Some(own), false) => Some(format!("w is without the events' own weights of `{own}`: the weight of an event is the product of the two, which --weight-name writes")),
            (None, _) => None,
        };
        match self {
            Meaning::Product => done,
            Meaning::Numbers(factor) => {
                let done = done.unwrap_or_else(|| "an event of weight 1 has the weight w".into());
                Some(format!("{done}; {}", numbers(factor)))
            }
            Meaning::Instead(factor) => Some(match whole {
                true => format!("`{name}` is w times {factor} (`resample.factor`): the weight of an event, in the place of the one that it has"),
                false => format!("the weight of an event is w times {factor} (`resample.factor`), in the place of the one that it has; --weight-name writes it"),
            }),
        }
    }

    /// What was done with the weights of events of particles; `name` is that of a further one.
    pub fn of_particles(self, name: Option<&str>) -> Option<String> {
        match self {
            Meaning::Product => None,
            Meaning::Numbers(factor) => Some(numbers(factor)),
            Meaning::Instead(factor) => {
                let is = format!("w times {factor} (`resample.factor`)");
                Some(match name {
                    Some(name) => format!("`{name}` is {is}, in the place of the weight that an event has"),
                    None => format!("the nominal weight of an event is now {is}, and all others are in proportion"),
                })
            }
        }
    }
}

fn numbers(factor: f64) -> String {
    format!("times {factor} (`unfolding.factor`) these weights are numbers of events")
}
