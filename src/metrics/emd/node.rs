//! The nodes of the transport problem and the distance between them.

/// A bin with mass to give (a source) or to receive (a sink).
pub(super) struct Node {
    pub bin: usize,
    /// The centre of the bin.
    pub position: [f64; 2],
    /// Positive for sources and sinks alike.
    pub mass: i64,
}

pub(super) fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    let (dx, dy) = (a[0] - b[0], a[1] - b[1]);
    (dx * dx + dy * dy).sqrt()
}
