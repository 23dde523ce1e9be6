//! The two samples of a score: which columns they have in common, and what formulas may be about.

use crate::events::{Events, Wanted};
use crate::failure::{Failure, Result};
use crate::names::matched;
use crate::particle::features::Features;
use crate::terminal;
use laser::formula::{self, Formula};
use laser::metrics::{effective_size, Edge, Edges, Sample};
use laser::table::is_weight;
use laser::Rows;
use serde_json::{json, Value};
use std::collections::HashSet;
use std::path::Path;

/// Which of the reference's columns are compared, counted as its file does.
pub(super) struct Choice {
    pub(super) compared: Vec<usize>,
    /// Those that formulas may be about: of columns chosen by name these alone, as the sample need not have others.
    seen: Vec<usize>,
    /// Whether some were chosen at all, and by name.
    asked: bool,
    named: bool,
}

impl Choice {
    /// Of the columns `asked` for, by default all.
    pub(super) fn new(asked: Option<&[String]>, reference: &Side) -> Result<Self> {
        let file = &reference.events;
        let mut once = HashSet::new();
        let place = |name: &String| {
            let column = file.place(name.trim()).map_err(Failure::asked)?;
            if !once.insert(column) {
                let what = format!("--columns: column {name} is asked for twice");
                return Err(Failure::Usage(what));
            }
            match reference.features.contains(&column) {
                true => Ok(column),
                false => Err(Failure::usage(
                    &file.path,
                    format!("column {name} holds the weights"),
                )),
            }
        };
        let all = || reference.features.clone();
        let Some(asked) = asked else {
            return Ok(Choice {
                compared: all(),
                seen: all(),
                asked: false,
                named: false,
            });
        };
        let compared = asked.iter().map(place).collect::<Result<Vec<_>>>()?;
        let is_name = |name: &String| file.names().iter().any(|own| own == name.trim());
        let named = asked.iter().any(is_name);
        Ok(Choice {
            seen: if named { compared.clone() } else { all() },
            compared,
            asked: true,
            named,
        })
    }
}

/// What formulas are written about: the columns as the file of the reference counts them, in both samples.
pub(super) struct Scope<'a> {
    pub(super) path: &'a Path,
    pub(super) columns: usize,
    /// Of all columns, those of either file; empty if none has some.
    pub(super) names: Vec<String>,
    pub(super) choice: &'a Choice,
}

impl Scope<'_> {
    /// What a column is called, or else its number.
    pub(super) fn name(&self, column: usize) -> String {
        match self.names.get(column) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("column {column}"),
        }
    }

    /// Parses a further feature.
    pub(super) fn feature(&self, text: &String) -> Result<Formula> {
        let asked = |e: String| Failure::usage(self.path, e);
        let formula = Formula::parse(text, self.columns, &self.names);
        let formula = formula.map_err(|e| asked(e.to_string()))?;
        if formula.kind() != formula::Kind::Number {
            let what = format!("`{text}` is a condition; a feature is a number");
            return Err(asked(what));
        }
        self.check(&formula).map_err(asked)?;
        Ok(formula)
    }

    /// Refuses what is about other columns than the features of both samples.
    pub(super) fn check(&self, formula: &Formula) -> std::result::Result<(), String> {
        let other = |column: &usize| formula.uses(*column) && !self.choice.seen.contains(column);
        match (0..self.columns).find(other) {
            None => Ok(()),
            Some(column) => Err(format!(
                "`{}`: column {column} (from 0) holds weights, or is not among the `--columns` chosen by name, or not in both files",
                formula.text()
            )),
        }
    }

    /// What the samples do at the edges of a region, and the conditions that have none.
    pub(super) fn edges(
        &self,
        support: &str,
        sides: [&Side; 2],
    ) -> Result<(Vec<Edge>, Vec<String>)> {
        let wrong = |e: String| Failure::Usage(format!("--support: {e}"));
        let of = |e: laser::Error| wrong(e.to_string());
        let formula = Formula::condition(support, self.columns, &self.names).map_err(of)?;
        self.check(&formula).map_err(wrong)?;
        let edges = Edges::new(support, self.columns, &self.names).map_err(of)?;
        let laid_out = |side: &Side| -> Result<Vec<f64>> {
            side.events.require_finite(|c| formula.uses(c))?;
            // What it does not use need not be finite.
            let used: Vec<bool> = (0..self.columns).map(|c| formula.uses(c)).collect();
            let values = side.events.values.iter().zip(used.iter().cycle());
            let values = values.map(|(v, used)| if *used { *v } else { 0.0 });
            Ok(values.collect())
        };
        let [reference, sample] = sides;
        let (x, y) = (laid_out(reference)?, laid_out(sample)?);
        let (p, q) = (
            reference.of(&x, self.columns)?,
            sample.of(&y, self.columns)?,
        );
        let found = (0..edges.count()).map(|edge| edges.measure(edge, &p, &q).map_err(of));
        Ok((found.collect::<Result<_>>()?, edges.equalities().to_vec()))
    }
}

/// Refuses to compare a column as a feature that is called as weights are, and warns of one that is left aside, unless it is asked for.
pub(super) fn look_for_weights(events: &Events, asked: Option<&[String]>) -> Result<()> {
    let names = events.names().iter().enumerate();
    let is_asked = |column: usize| {
        let mut asked = asked.unwrap_or_default().iter();
        asked.any(|name| events.place(name.trim()).is_ok_and(|c| c == column))
    };
    let Some((_, name)) = names
        .filter(|(_, name)| is_weight(name))
        .find(|(c, _)| !is_asked(*c))
    else {
        return Ok(());
    };
    let what = format!(
        "column `{name}` is called as weights are: if it is one, say --weights or --weight-column {name}, and whose with --weights=sample or =reference; if it is a feature to compare, name it among the --columns"
    );
    match asked {
        None => Err(Failure::usage(&events.path, what)),
        Some(_) => {
            terminal::warn(Some(&format!("{}: {what}", events.path.display())));
            Ok(())
        }
    }
}

/// Events with their weights.
pub(super) struct Side {
    /// As the file has them, the weights among them, until those compared are chosen.
    pub(super) events: Events,
    /// All columns but that of the weights.
    features: Vec<usize>,
    pub(super) weights: Option<Vec<f64>>,
}

/// What the command line says of the columns of both files.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) features: Option<&'a Features>,
    pub(super) weight: Option<&'a str>,
    pub(super) columns: Option<&'a [String]>,
}

impl Side {
    pub(super) fn read(path: &Path, weighted: bool, asked: Asked) -> Result<Self> {
        let weight = asked.weight;
        let wanted = Wanted {
            features: asked.features,
            weights: weighted,
            name: weight,
        };
        let events = Events::read_wanted(path, wanted)?;
        terminal::warn(events.warning.as_deref());
        let column = match weighted {
            true => Some(events.weights_column(weight).map_err(Failure::asked)?),
            false => None,
        };
        let features = events.without(column)?;
        let mut weights = None;
        if let Some(column) = column {
            events.require_finite(|c| c == column)?;
            let values = events.column(column);
            let wrong = |e| {
                format!(
                    "{e}; does its column {column} (from 0) hold the weights, as --weights says? --weights=reference and --weights=sample are of one file alone, --weight-column names the column"
                )
            };
            effective_size(&values).map_err(|e| Failure::of(path, wrong(e)))?;
            weights = Some(values);
        } else {
            look_for_weights(&events, asked.columns)?;
        }
        if asked.columns.is_none() {
            events.refuse_index(|c| Some(c) != column)?; // whatever the names are
        }
        Ok(Side {
            events,
            features,
            weights,
        })
    }

    /// What the features are called; empty without names.
    pub(super) fn names(&self) -> Vec<String> {
        let names = self.features.iter();
        names
            .filter_map(|&c| self.events.names().get(c).cloned())
            .collect()
    }

    /// Brings the features into the places of the reference's; `choice` keeps those that both have. Returns what the columns are called.
    pub(super) fn arrange(&mut self, reference: &Side, choice: &mut Choice) -> Result<Vec<String>> {
        let path = self.events.path.clone();
        let (own, own_names) = (&self.features, self.names());
        let (others, names) = (&reference.features, reference.names());
        // Where in this file every column of the reference's is.
        let mut places = vec![None; reference.events.columns];
        if choice.named {
            if own_names.is_empty() {
                let what = "its columns have no names, and those of the reference are chosen by theirs: choose them by their numbers (`--columns 0,1`)";
                return Err(Failure::usage(&path, what));
            }
            for &column in &choice.seen {
                let name = &reference.events.names()[column];
                let place = own_names.iter().position(|own| own == name);
                places[column] = Some(
                    own[place.ok_or_else(|| {
                        let own = own_names.join(", ");
                        Failure::of(
                            &path,
                            format!("no column is called `{name}`; there are {own}"),
                        )
                    })?],
                );
            }
        } else {
            let one_has_names = own_names.is_empty() != names.is_empty();
            let both_have = !own_names.is_empty() && !names.is_empty();
            if own.len() != others.len() && !both_have {
                if !choice.asked {
                    return Err(Failure::Wrong(format!(
                        "{} has {} columns of features, {} has {}: choose those to compare with --columns, and say with --weights=sample (or reference, both) whose last column is a weight",
                        reference.events.path.display(),
                        others.len(),
                        path.display(),
                        own.len()
                    )));
                }
                if one_has_names {
                    let what = format!("it has {} columns of features, the reference {}, and one of them has no names: which are which is not known; give both names, and choose by them", own.len(), others.len());
                    return Err(Failure::usage(&path, what));
                }
            }
            let order = matched((&path, &own_names), ("the reference", &names))?;
            for (i, &column) in others.iter().enumerate() {
                let place = order
                    .as_ref()
                    .map_or(Some(i), |order| order.get(i).copied());
                places[column] = place.and_then(|place| own.get(place).copied());
            }
        }
        if let Some(column) = choice.compared.iter().find(|c| places[**c].is_none()) {
            let what = format!(
                "there is no column {column}; its {} columns count from 0",
                own.len()
            );
            return Err(Failure::usage(&path, what));
        }
        choice.seen.retain(|&column| places[column].is_some());
        let called = match reference.events.names() {
            [] if own_names.is_empty() => Vec::new(),
            [] => {
                let name = |place: &Option<usize>| {
                    let name = place.and_then(|place| self.events.name(place));
                    name.unwrap_or_default().to_owned()
                };
                places.iter().map(name).collect()
            }
            names => names.to_vec(),
        };
        // What it has not is asked for by nobody.
        let places: Vec<usize> = places.iter().map(|place| place.unwrap_or(0)).collect();
        self.events.select(&places)?;
        Ok(called)
    }

    /// Keeps the columns that are compared, with further features behind them.
    pub(super) fn keep(
        &mut self,
        compared: &[usize],
        with: &[String],
        derived: &[Vec<f64>],
    ) -> Result<()> {
        let events = &mut self.events;
        events.select(compared)?;
        events.append(with, derived);
        events.require_finite(|_| true)?;
        events.refuse_index(|_| true)?;
        self.sample()
            .map_err(|e| Failure::of(&self.events.path, e))
            .map(|_| ())
    }

    /// Rows of other columns, with the same weights.
    pub(super) fn of<'x>(&'x self, values: &'x [f64], columns: usize) -> laser::Result<Sample<'x>> {
        Sample::new(Rows::packed(values, columns)?, self.weights.as_deref())
    }

    pub(super) fn sample(&self) -> laser::Result<Sample<'_>> {
        self.of(&self.events.values, self.events.columns)
    }

    pub(super) fn describe(&self) -> laser::Result<Value> {
        Ok(json!({
            "file": self.events.path.display().to_string(),
            "events": self.events.rows,
            "effective_events": self.weights.as_deref().map(effective_size).transpose()?,
        }))
    }
}
