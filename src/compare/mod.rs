//! Explains why two files that should be the same are not: down to the archive member, the ELF section and the function,
//! with known causes named.
//!
//! Pure: bytes in, differences out. Bounded: what is unpacked is limited, lists are cut and say so. It answers in
//! milliseconds what a general comparer needs minutes for; `diffoscope` is called beside it where it is installed.

mod archive;
mod binary;
mod cause;
mod debug;

pub use cause::Hint;

use std::collections::BTreeMap;

use crate::elf::{self, Origins};
use archive::Node;

/// The most differences that are listed of one file.
const MOST: usize = 200;
/// Archives in archives.
const DEPTH: usize = 4;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `PACKAGE > data.tar > ./usr/bin/x > .rodata`
    pub place: String,
    pub what: String,
    /// Known causes that fit.
    pub causes: Vec<String>,
}

/// Names for places of stripped files, by build-id.
pub type Named = BTreeMap<String, Origins>;

/// What helps to name things.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Of the first build. Where they are not known, those of the second serve for code of the same size.
    pub first: &'a Named,
    pub second: &'a Named,
    /// Texts that only one of the two builds can have put in, and what that means.
    pub hints: &'a [Hint],
}

static NOTHING: Named = BTreeMap::new();

impl Default for Context<'_> {
    fn default() -> Self {
        Self { first: &NOTHING, second: &NOTHING, hints: &[] }
    }
}

/// Compares two files; empty when they are the same.
pub fn compare(name: &str, a: &[u8], b: &[u8], context: Context<'_>) -> Vec<Difference> {
    let mut out = Vec::new();
    files(name, a, b, context, DEPTH, &mut out);
    let more = out.len().saturating_sub(MOST);
    out.truncate(MOST);
    if 0 < more {
        out.push(Difference {
            place: name.to_owned(),
            what: format!("{more} more differences"),
            causes: Vec::new(),
        });
    }
    out
}

fn files(
    place: &str,
    a: &[u8],
    b: &[u8],
    context: Context<'_>,
    depth: usize,
    out: &mut Vec<Difference>,
) {
    if a == b {
        return;
    }
    let before = out.len();
    if 0 < depth
        && let (Some(left), Some(right)) = (archive::open(a), archive::open(b))
    {
        nodes(place, &left, &right, context, depth - 1, out);
        if out.len() == before {
            let causes = archive::framing(a, b);
            let what = "the same contents, packed differently".to_owned();
            out.push(Difference { place: place.to_owned(), what, causes });
        }
        return;
    }
    if elf::is_elf(a) && elf::is_elf(b) {
        binary::elf_files(place, a, b, context, out);
        return;
    }
    out.push(match (text(a), text(b)) {
        (Some(left), Some(right)) => lines(place, left, right, context),
        _ => binary::bytes(place, a, b, context),
    });
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn nodes(
    place: &str,
    a: &[Node],
    b: &[Node],
    context: Context<'_>,
    depth: usize,
    out: &mut Vec<Difference>,
) {
    let at = |node: &Node| format!("{place} > {}", node.name);
    let find = |list: &'_ [Node], name: &str| list.iter().position(|node| node.name == name);
    let pairs = debug::pairs(a, b);
    let moved = |name: &str| pairs.iter().any(|(old, new)| debug::leads_to(name, old, new));
    for node in a {
        let Some(other) = find(b, &node.name).and_then(|index| b.get(index)) else {
            if !moved(&node.name) {
                let what = "only in the first".to_owned();
                out.push(Difference { place: at(node), what, causes: Vec::new() });
            }
            continue;
        };
        for (key, value) in &node.metadata {
            let new = other.metadata.get(key).map_or("", String::as_str);
            if new != value {
                out.push(Difference {
                    place: at(node),
                    what: format!("{key} {value} -> {new}"),
                    causes: cause::of_metadata(key, value, new, context.hints),
                });
            }
        }
        files(&at(node), &node.bytes, &other.bytes, context, depth, out);
    }
    for (old, new) in &pairs {
        let what = format!("{} in the second: it is named by the build-id", new.name);
        out.push(Difference { place: at(old), what, causes: Vec::new() });
        files(&at(old), &old.bytes, &new.bytes, context, depth, out);
    }
    for node in b.iter().filter(|node| find(a, &node.name).is_none() && !moved(&node.name)) {
        let what = "only in the second".to_owned();
        out.push(Difference { place: at(node), what, causes: Vec::new() });
    }
    let order = |list: &[Node]| list.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
    let (left, right) = (order(a), order(b));
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    if left != right && sorted(left) == sorted(right) {
        out.push(Difference {
            place: place.to_owned(),
            what: "the same members in another order".to_owned(),
            causes: vec!["file-order: a directory was listed without sorting".to_owned()],
        });
    }
}

/// The first lines that differ.
fn lines(place: &str, a: &str, b: &str, context: Context<'_>) -> Difference {
    let only = |from: &str, other: &str| -> Vec<String> {
        let other: std::collections::BTreeSet<&str> = other.lines().collect();
        let lines = from.lines().filter(|line| !other.contains(line));
        lines.take(5).map(cause::shorten).collect()
    };
    let (gone, new) = (only(a, b), only(b, a));
    let mut what = String::from("text differs");
    if gone.is_empty() && new.is_empty() {
        what.push_str(": the same lines in another order or number");
    }
    for (sign, lines) in [('-', &gone), ('+', &new)] {
        for line in lines {
            what.push_str(&format!("\n    {sign} {line}"));
        }
    }
    Difference {
        place: place.to_owned(),
        what,
        causes: cause::of_texts(&gone, &new, context.hints),
    }
}

/// Differences for people.
pub fn human(differences: &[Difference]) -> String {
    let mut out = String::new();
    for difference in differences {
        out.push_str(&format!("{}: {}\n", difference.place, difference.what));
        for cause in &difference.causes {
            out.push_str(&format!("    likely cause: {cause}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
