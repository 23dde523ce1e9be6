//! What a kind of generator has to say.

use crate::compute::Session;
use crate::model::Map;
use crate::objective::Goal;
use crate::options::Options;
use crate::train::Settings;
use crate::Result;

/// How a kind of generator is trained. The networks of its goal take rows of scaled features, then scaled conditions.
pub(in crate::protocol) trait Recipe {
    /// The generator alone. Of the goal's parameters, its own are the last.
    fn map(&self) -> Map;

    fn goal(&self) -> Goal<'_>;

    /// The goal's parameters to start from.
    ///
    /// # Errors
    /// Those of the hooks.
    fn initial(&self, session: Session) -> Result<Vec<f64>>;

    fn settings(&self, options: &Options) -> Settings;
}
