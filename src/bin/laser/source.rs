//! Events of a file to train on: in memory, or read as they are needed.

use crate::config::WeightsColumn;
use crate::events::{Events, Wanted};
use crate::failure::{Failure, Result};
use crate::particle::features::Features;
use crate::watch::Watch;
use laser::options::{keys, Options};
use laser::protocol::Source;
use laser::table::Table;
use laser::Rows;
use std::path::Path;

/// A file of events, and which of its columns is their weight.
pub struct Given {
    /// The events without their weights; of a large file, the first.
    pub events: Events,
    weights: Option<Vec<f64>>,
    /// Where the weight is in the file, and what that column is called.
    place: Option<usize>,
    weight: Option<String>,
    large: Option<Table>,
}

impl Given {
    /// Reads a file, or the beginning of a large one.
    pub fn read(
        path: &Path,
        column: &WeightsColumn,
        features: Option<&Features>,
        options: &Options,
    ) -> Result<Self> {
        let large = large(path, options)?;
        let wanted = Wanted {
            features,
            weights: !matches!(column, WeightsColumn::Last(false)),
            name: match column {
                WeightsColumn::Named(name) => Some(name),
                _ => None,
            },
        };
        let mut events = match &large {
            Some(table) => Events::head(table)?,
            None => Events::read_wanted(path, wanted)?,
        };
        events.require_finite(|_| true)?;
        events.refuse_index(|_| true)?;
        let weights = match column {
            WeightsColumn::Last(false) => None,
            WeightsColumn::Last(true) => Some(events.weights_column(None)?),
            WeightsColumn::Named(name) => Some(events.weights_column(Some(name))?),
            WeightsColumn::Numbered(number) => {
                Some(events.weights_column(Some(&number.to_string()))?)
            }
        };
        let place = weights.map(|column| events.places()[column]);
        let weight = weights.map(|column| match events.names().get(column) {
            Some(name) => format!("column `{name}`"),
            None => format!("column {column}"),
        });
        let weights = weights.map(|c| events.split_weights(c)).transpose()?;
        Ok(Given {
            events,
            weights,
            place,
            weight,
            large,
        })
    }

    /// Tells what was read, and what is strange about it.
    pub fn note(&self, watch: &Watch) {
        let large = self.large.as_ref().map(|table| table.layout().rows());
        let path = self.events.path.display();
        watch.note(&format!(
            "liblaser {}: {} events of {} columns from {path}{}",
            env!("CARGO_PKG_VERSION"),
            large.unwrap_or(self.events.rows),
            self.events.columns,
            match &self.weight {
                Some(weight) => format!(", with the weights of {weight}"),
                None => String::new(),
            }
        ));
        if let Some(warning) = &self.events.warning {
            watch.note(&format!("warning: {warning}"));
        }
    }

    /// The events as a source.
    pub fn source(&mut self, options: &Options) -> Result<Source<'_>> {
        let columns = self.events.columns;
        if let Some(mut table) = self.large.take() {
            let mut places = self.events.places().to_vec();
            places.extend(self.place);
            table.select(&places);
            let weight = self.place.map(|_| columns);
            return Ok(Source::from_table(table, weight, options)?);
        }
        Rows::packed(&self.events.values, columns)
            .and_then(|x| Source::from_rows(x, self.weights.as_deref()))
            .map_err(|e| Failure::of(&self.events.path, e))
    }
}

/// The table of a `.npy` file that takes more than the memory which the options give to events.
fn large(path: &Path, options: &Options) -> Result<Option<Table>> {
    if !path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("npy"))
    {
        return Ok(None);
    }
    let table = Table::open(path)?;
    let layout = table.layout();
    let bytes = layout
        .rows()
        .saturating_mul(layout.columns() * size_of::<f64>());
    let memory = (options.get(keys::SOURCE_MEMORY) as usize) << 20;
    Ok((bytes > memory).then_some(table))
}
