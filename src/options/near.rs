//! Keys that a mistyped one may have meant.

use super::key::clip;
use super::keys;
use crate::order::falling;

/// How many are named.
const MOST: usize = 3;

/// The similarity, from 0 to 1, below which a key is not worth naming.
const THRESHOLD: f64 = 0.6;

/// How much less similar than the best one a key may be.
const MARGIN: f64 = 0.2;

/// Existing keys that look like `given`, best first.
pub(super) fn misses(given: &str) -> Vec<String> {
    // A long text is no near miss, and comparing it would take long.
    let given = clip(given).to_lowercase().replace(['-', ' '], "_");
    let near: Vec<_> = keys::table()
        .map(|key| (similarity(&given, key.name()), key.name()))
        .filter(|(similarity, _)| *similarity >= THRESHOLD)
        .collect();
    let near = falling(near, &|(similarity, _)| *similarity);
    let best = near.first().map_or(0.0, |(similarity, _)| *similarity);
    near.iter()
        .take_while(|(similarity, _)| *similarity >= best - MARGIN)
        .take(MOST)
        .map(|(_, name)| (*name).to_owned())
        .collect()
}

/// A slip anywhere in the name counts least; the right last part in the wrong group, or without one, nearly as little;
/// then a group given as if it were a key.
fn similarity(given: &str, name: &str) -> f64 {
    let alike = strsim::normalized_damerau_levenshtein;
    let group = name.split('.').next().unwrap_or_default();
    alike(given, name)
        .max(0.9 * alike(last_part(given), last_part(name)))
        .max(0.8 * alike(given, group))
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
