//! The basis of the network simplex: a rooted spanning tree with flows and potentials.

use crate::{room, Result};

/// "No node" in a link.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct TreeNode {
    parent: u32,
    first_child: u32,
    next_sibling: u32,
    previous_sibling: u32,
    /// The number of nodes in the subtree, this one included.
    size: u32,
    /// On the arc to the parent.
    flow: i64,
    potential: i64,
}

/// Nodes are numbered from 0; the last is the root.
pub(super) struct Tree {
    nodes: Vec<TreeNode>,
    /// Work space of `shift`.
    stack: Vec<u32>,
}

impl Tree {
    /// A star: a root at potential 0 above leaves with the given flows to the root and potentials.
    pub fn star(leaves: impl ExactSizeIterator<Item = (i64, i64)>) -> Result<Self> {
        let root = leaves.len() as u32;
        let blank = TreeNode {
            parent: NONE,
            first_child: NONE,
            next_sibling: NONE,
            previous_sibling: NONE,
            size: 1,
            flow: 0,
            potential: 0,
        };
        let mut nodes = room::empty(leaves.len() + 1)?;
        nodes.extend(leaves.map(|(flow, potential)| TreeNode {
            flow,
            potential,
            ..blank
        }));
        nodes.push(TreeNode {
            size: root + 1,
            ..blank
        });
        let mut tree = Tree {
            nodes,
            // All nodes, at most: each is on it once.
            stack: room::empty(root as usize + 1)?,
        };
        for leaf in 0..root {
            tree.attach(leaf, root);
        }
        Ok(tree)
    }

    fn at(&mut self, node: u32) -> &mut TreeNode {
        &mut self.nodes[node as usize]
    }

    pub fn root(&self) -> u32 {
        (self.nodes.len() - 1) as u32
    }

    /// The parent; of no use for the root.
    pub fn parent(&self, node: u32) -> u32 {
        self.nodes[node as usize].parent
    }

    /// The flow on the arc to the parent.
    pub fn flow(&self, node: u32) -> i64 {
        self.nodes[node as usize].flow
    }

    pub fn potential(&self, node: u32) -> i64 {
        self.nodes[node as usize].potential
    }

    /// Add to the flow on the arc to the parent.
    pub fn add_flow(&mut self, node: u32, flow: i64) {
        self.at(node).flow += flow;
    }

    /// The lowest node that is above both, or one of them.
    pub fn join(&self, mut a: u32, mut b: u32) -> u32 {
        let size = |node: u32| self.nodes[node as usize].size;
        while a != b {
            // A node that is not below the join has a larger subtree than one that is.
            if size(a) < size(b) {
                a = self.parent(a);
            } else {
                b = self.parent(b);
            }
        }
        a
    }

    /// Cut the tree above `cut` and hang the part below by its node `child` under `parent`, on an arc that carries
    /// `flow`. The potentials of this part are shifted against the rest. `join` is the node above both parts where
    /// sizes no longer change.
    pub fn exchange(
        &mut self,
        cut: u32,
        child: u32,
        parent: u32,
        join: u32,
        flow: i64,
        shift: i64,
    ) {
        let size = self.at(cut).size;
        let mut node = self.parent(cut);
        while node != join {
            self.at(node).size -= size;
            node = self.parent(node);
        }
        node = parent;
        while node != join {
            self.at(node).size += size;
            node = self.parent(node);
        }
        self.reroot(child, cut);
        // Only differences of potentials matter: shift the smaller part.
        if (size as usize) < self.nodes.len() / 2 {
            self.shift(child, shift);
        } else {
            self.shift(self.root(), -shift);
        }
        self.attach(child, parent);
        self.at(child).flow = flow;
    }

    /// Cut off the subtree of `top` and turn it so that `node` is its top.
    fn reroot(&mut self, node: u32, top: u32) {
        let total = self.at(top).size;
        let mut flow = self.at(node).flow;
        let mut size = std::mem::replace(&mut self.at(node).size, total);
        let mut below = node;
        let mut above = self.detach(node);
        while below != top {
            let next = self.detach(above);
            flow = std::mem::replace(&mut self.at(above).flow, flow);
            size = std::mem::replace(&mut self.at(above).size, total - size);
            self.attach(above, below);
            below = above;
            above = next;
        }
    }

    /// Add to all potentials of a subtree.
    fn shift(&mut self, top: u32, shift: i64) {
        self.stack.push(top);
        while let Some(node) = self.stack.pop() {
            self.at(node).potential += shift;
            let mut child = self.at(node).first_child;
            while child != NONE {
                self.stack.push(child);
                child = self.at(child).next_sibling;
            }
        }
    }

    /// Take a node off its parent's list of children; returns the parent.
    fn detach(&mut self, node: u32) -> u32 {
        let TreeNode {
            parent,
            next_sibling,
            previous_sibling,
            ..
        } = *self.at(node);
        if previous_sibling == NONE {
            self.at(parent).first_child = next_sibling;
        } else {
            self.at(previous_sibling).next_sibling = next_sibling;
        }
        if next_sibling != NONE {
            self.at(next_sibling).previous_sibling = previous_sibling;
        }
        parent
    }

    fn attach(&mut self, node: u32, parent: u32) {
        let sibling = std::mem::replace(&mut self.at(parent).first_child, node);
        if sibling != NONE {
            self.at(sibling).previous_sibling = node;
        }
        let node = self.at(node);
        node.parent = parent;
        node.next_sibling = sibling;
        node.previous_sibling = NONE;
    }
}
