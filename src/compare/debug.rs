//! Debug files have the build-id for a name: another build's has another name. They are paired by what they describe. Pure.

use std::collections::BTreeSet;

use super::archive::Node;
use crate::elf::layout;

/// Debug files of one package that are paired.
const MOST: usize = 64;

/// `…/.build-id/ab/cdef.debug`
fn is_debug(node: &Node) -> bool {
    let name = node.name.as_str();
    name.contains("/.build-id/") && name.strip_suffix(".debug").is_some() && !node.bytes.is_empty()
}

/// Debug files that only one side has, each with the one of the other side that has the most functions in common.
pub(super) fn pairs<'a>(a: &'a [Node], b: &'a [Node]) -> Vec<(&'a Node, &'a Node)> {
    let only = |of: &'a [Node], other: &[Node]| -> Vec<&'a Node> {
        let known: BTreeSet<&str> = other.iter().map(|node| node.name.as_str()).collect();
        let alone = of.iter().filter(|node| is_debug(node) && !known.contains(node.name.as_str()));
        alone.take(MOST).collect()
    };
    let (left, mut right) = (only(a, b), only(b, a));
    // One each: they are of the same package and describe the same program.
    if let ([one], [two]) = (left.as_slice(), right.as_slice()) {
        return vec![(*one, *two)];
    }
    let mut functions: Vec<BTreeSet<String>> = right.iter().map(|node| names(node)).collect();
    let mut out = Vec::new();
    for node in left {
        let own = names(node);
        let common = functions.iter().map(|other| own.intersection(other).count());
        let best = common.enumerate().max_by_key(|(_, count)| *count);
        if let Some((index, count)) = best
            && 0 < count
        {
            out.push((node, right.remove(index)));
            functions.remove(index);
        }
    }
    out
}

fn names(node: &Node) -> BTreeSet<String> {
    let functions = layout::layout(&node.bytes).map(|layout| layout.functions).unwrap_or_default();
    functions.into_iter().map(|function| function.name).collect()
}

/// The paired files themselves, and the directories that are named by the first byte of a build-id.
pub(super) fn leads_to(name: &str, old: &Node, new: &Node) -> bool {
    let name = name.trim_end_matches('/');
    [old, new].iter().any(|node| {
        let parent = node.name.rsplit_once('/').map_or("", |(parent, _)| parent);
        name == node.name || name == parent
    })
}
