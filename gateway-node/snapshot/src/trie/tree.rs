//! A map in memory. Loading a new version of it shares what did not change.

use std::sync::Arc;

use super::{
    DEPTH_MAX, Entry, Interior, LEAF_ENTRIES_MAX, Leaf, Node, Path, nibble, parse, path_of,
};
use crate::DecodeError;
use crate::chunk::{Address, ChunkRef, Kind};

/// A map in memory, its leaves compiled to `L`. Loading a new version shares what did not change.
#[derive(Debug)]
pub struct Tree<L> {
    root: Option<Arc<TreeNode<L>>>,
    count: u64,
}

#[derive(Debug)]
struct TreeNode<L> {
    address: Address,
    count: u64,
    content: Content<L>,
}

#[derive(Debug)]
enum Content<L> {
    Interior(Box<[Option<Arc<TreeNode<L>>>; 16]>),
    Leaf(L),
}

impl<L> Default for Tree<L> {
    fn default() -> Self {
        Self {
            root: None,
            count: 0,
        }
    }
}

impl<L> Clone for Tree<L> {
    fn clone(&self) -> Self {
        Self {
            root: self.root.clone(),
            count: self.count,
        }
    }
}

impl<L> Tree<L> {
    /// Loads the map at `root`, compiling only the leaves that `previous` does not hold.
    ///
    /// `fetch` gives the verified bytes of a chunk. Everything that makes the shape canonical is
    /// checked: order, counts, that each entry stands where its path says, leaf size.
    pub fn load<E: From<DecodeError>>(
        kind: Kind,
        root: Option<&ChunkRef>,
        previous: &Tree<L>,
        fetch: &mut dyn FnMut(&ChunkRef) -> Result<Vec<u8>, E>,
        compile: &mut dyn FnMut(Vec<Entry>) -> Result<L, E>,
    ) -> Result<Tree<L>, E> {
        let Some(root) = root else {
            return Ok(Tree::default());
        };
        let mut loader = Loader {
            kind,
            fetch,
            compile,
        };
        let root = loader.node(root, &mut Vec::new(), previous.root.as_ref())?;
        Ok(Tree {
            count: root.count,
            root: Some(root),
        })
    }

    /// The leaf where an entry of this path would stand.
    pub fn leaf(&self, path: &[u8; 32]) -> Option<&L> {
        let mut node = self.root.as_ref()?;
        for level in 0..DEPTH_MAX {
            match &node.content {
                Content::Leaf(leaf) => return Some(leaf),
                Content::Interior(children) => node = children[nibble(path, level)].as_ref()?,
            }
        }
        None
    }

    /// Calls `each` with every leaf.
    pub fn for_each_leaf(&self, each: &mut dyn FnMut(&L)) {
        let mut open: Vec<&Arc<TreeNode<L>>> = self.root.iter().collect();
        while let Some(node) = open.pop() {
            match &node.content {
                Content::Leaf(leaf) => each(leaf),
                Content::Interior(children) => open.extend(children.iter().flatten()),
            }
        }
    }

    /// Entries in the map.
    pub fn len(&self) -> u64 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

struct Loader<'a, L, E> {
    kind: Kind,
    fetch: &'a mut dyn FnMut(&ChunkRef) -> Result<Vec<u8>, E>,
    compile: &'a mut dyn FnMut(Vec<Entry>) -> Result<L, E>,
}

impl<L, E: From<DecodeError>> Loader<'_, L, E> {
    fn node(
        &mut self,
        reference: &ChunkRef,
        prefix: &mut Vec<usize>,
        previous: Option<&Arc<TreeNode<L>>>,
    ) -> Result<Arc<TreeNode<L>>, E> {
        let address = reference.address()?;
        if let Some(previous) = previous.filter(|node| node.address == address) {
            return Ok(previous.clone());
        }
        let bytes = (self.fetch)(reference)?;
        let (count, content) = match parse(self.kind, &bytes)? {
            Node::Leaf(leaf) => {
                check_leaf(self.kind, &leaf, prefix)?;
                (
                    leaf.entries.len() as u64,
                    Content::Leaf((self.compile)(leaf.entries)?),
                )
            }
            Node::Interior(interior) => self.interior(&interior, prefix, previous)?,
        };
        Ok(Arc::new(TreeNode {
            address,
            count,
            content,
        }))
    }

    fn interior(
        &mut self,
        interior: &Interior,
        prefix: &mut Vec<usize>,
        previous: Option<&Arc<TreeNode<L>>>,
    ) -> Result<(u64, Content<L>), E> {
        let in_order = interior.children.is_sorted_by(|a, b| a.nibble < b.nibble);
        if !in_order
            || prefix.len() >= DEPTH_MAX
            || interior.children.iter().any(|child| child.nibble > 15)
        {
            return Err(DecodeError::NotCanonical {
                what: "interior node",
            }
            .into());
        }
        let old = previous.and_then(|node| match &node.content {
            Content::Interior(children) => Some(children),
            Content::Leaf(_) => None,
        });
        let mut children: Box<[Option<Arc<TreeNode<L>>>; 16]> = Box::default();
        let mut total = 0u64;
        for child in &interior.children {
            let place = child.nibble as usize;
            let reference = child.chunk.as_ref().ok_or(DecodeError::NotCanonical {
                what: "interior node",
            })?;
            prefix.push(place);
            let node = self.node(reference, prefix, old.and_then(|old| old[place].as_ref()))?;
            prefix.pop();
            if node.count != child.count {
                return Err(DecodeError::NotCanonical {
                    what: "count of a trie",
                }
                .into());
            }
            total = total.saturating_add(node.count);
            children[place] = Some(node);
        }
        if total <= LEAF_ENTRIES_MAX as u64 {
            return Err(DecodeError::NotCanonical {
                what: "interior node",
            }
            .into());
        }
        Ok((total, Content::Interior(children)))
    }
}

fn check_leaf(kind: Kind, leaf: &Leaf, prefix: &[usize]) -> Result<(), DecodeError> {
    let paths: Vec<Path> = leaf
        .entries
        .iter()
        .map(|entry| path_of(kind, &entry.key))
        .collect();
    let in_place = paths.iter().all(|path| {
        prefix
            .iter()
            .enumerate()
            .all(|(level, part)| nibble(path, level) == *part)
    });
    let fits = !paths.is_empty() && paths.len() <= LEAF_ENTRIES_MAX;
    if fits && in_place && paths.is_sorted_by(|a, b| a < b) {
        return Ok(());
    }
    Err(DecodeError::NotCanonical { what: "leaf" })
}
