//! One decision tree.

/// Its nodes, the root first.
#[derive(Debug)]
pub(super) struct Tree(pub Vec<Node>);

#[derive(Debug)]
pub(super) enum Node {
    /// Leads values up to the threshold, itself included, to node `next`, and others to the one behind that.
    Split {
        feature: usize,
        threshold: f64,
        next: usize,
    },
    /// What the tree adds to the score.
    Leaf(f64),
}

impl Tree {
    pub fn value(&self, x: &[f64]) -> f64 {
        let mut node = 0;
        loop {
            match self.0[node] {
                Node::Leaf(value) => return value,
                Node::Split {
                    feature,
                    threshold,
                    next,
                } => node = next + usize::from(x[feature] > threshold),
            }
        }
    }
}
