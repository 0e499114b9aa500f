//! Debug files have the build-id for a name: another build's has another name. They are paired by what they describe. Pure.

use std::collections::BTreeSet;

use crate::archive::Part;
use crate::elf::layout;

/// Debug files of one package that are paired.
const MAX_LISTED: usize = 64;

/// `…/.build-id/ab/cdef.debug`
fn is_debug(part: &Part) -> bool {
    let name = part.name.as_str();
    name.contains("/.build-id/") && name.strip_suffix(".debug").is_some() && !part.bytes.is_empty()
}

/// Debug files that only one side has, each with the one of the other side that has the most functions in common.
pub(super) fn pairs<'a>(a: &'a [Part], b: &'a [Part]) -> Vec<(&'a Part, &'a Part)> {
    let only = |of: &'a [Part], other: &[Part]| -> Vec<&'a Part> {
        let known: BTreeSet<&str> = other.iter().map(|part| part.name.as_str()).collect();
        let alone = of.iter().filter(|part| is_debug(part) && !known.contains(part.name.as_str()));
        alone.take(MAX_LISTED).collect()
    };
    let (left, mut right) = (only(a, b), only(b, a));
    // One each: they are of the same package and describe the same program.
    if let ([one], [two]) = (left.as_slice(), right.as_slice()) {
        return vec![(*one, *two)];
    }
    let mut functions: Vec<BTreeSet<String>> = right.iter().map(|part| names(part)).collect();
    let mut out = Vec::new();
    for part in left {
        let own = names(part);
        let common = functions.iter().map(|other| own.intersection(other).count());
        let best = common.enumerate().max_by_key(|(_, count)| *count);
        if let Some((index, count)) = best
            && 0 < count
        {
            out.push((part, right.remove(index)));
            functions.remove(index);
        }
    }
    out
}

fn names(part: &Part) -> BTreeSet<String> {
    let functions = layout::layout(&part.bytes).map(|layout| layout.functions).unwrap_or_default();
    functions.into_iter().map(|function| function.name).collect()
}

/// The paired files themselves, and the directories that are named by the first byte of a build-id.
pub(super) fn leads_to(name: &str, old: &Part, new: &Part) -> bool {
    let name = name.trim_end_matches('/');
    [old, new].iter().any(|part| {
        let parent = part.name.rsplit_once('/').map_or("", |(parent, _)| parent);
        name == part.name || name == parent
    })
}
