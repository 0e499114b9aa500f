//! Explains why two files that should be the same are not: down to the archive member, the ELF section and the function,
//! with known causes named.
//!
//! Pure: bytes in, differences out. Bounded: what is unpacked is limited, lists are cut and say so. What cannot be opened is
//! a difference that says so, and files of other bytes never come out as equal. It answers in
//! milliseconds what a general comparer needs minutes for; `diffoscope` is called beside it where it is installed.

mod binary;
mod cause;
mod debug;

pub use cause::Hint;

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::{self, Allowance, Contents, Facts, Format, HEAD, Limits, Part};
use crate::elf::{self, Origins};
use crate::finding::escape_controls;

/// The most differences that are listed of one file.
const MAX_DIFFERENCES: usize = 200;
/// Archives and compressed streams in each other: a `.deb` in a `.tar.xz` in a `.deb` needs nine.
const DEPTH: usize = 12;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `PACKAGE > data.tar > ./usr/bin/x > .rodata`
    pub place: String,
    pub what: String,
    /// Known causes that fit.
    pub causes: Vec<String>,
}

impl Difference {
    fn new(place: &str, what: String) -> Self {
        Self { place: place.to_owned(), what, causes: Vec::new() }
    }
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
    compare_within(name, a, b, context, Limits { depth: DEPTH, ..Limits::default() })
}

fn compare_within(
    name: &str,
    a: &[u8],
    b: &[u8],
    context: Context<'_>,
    limits: Limits,
) -> Vec<Difference> {
    let allowance = Allowance::new(limits);
    let sides = [allowance.fresh(), allowance];
    let mut comparison = Comparison { context, sides, out: Vec::new(), more: 0 };
    comparison.files(name, a, b, limits.depth);
    let Comparison { mut out, more, .. } = comparison;
    if 0 < more {
        out.push(Difference::new(name, format!("{more} more differences")));
    }
    out
}

/// Two files on their way.
struct Comparison<'a> {
    context: Context<'a>,
    /// What may still be opened of each.
    sides: [Allowance; 2],
    out: Vec<Difference>,
    /// Differences that are not listed.
    more: usize,
}

impl Comparison<'_> {
    fn say(&mut self, difference: Difference) {
        if self.out.len() < MAX_DIFFERENCES {
            self.out.push(difference);
        } else {
            self.more += 1;
        }
    }

    /// How many differences there are so far, those that are not listed too.
    fn count(&self) -> usize {
        self.out.len() + self.more
    }

    fn files(&mut self, place: &str, a: &[u8], b: &[u8], depth: usize) {
        if a == b {
            return;
        }
        if depth == 0 {
            let format = |bytes: &[u8]| archive::format(bytes.get(..HEAD).unwrap_or(bytes));
            let deep = [a, b].iter().any(|bytes| {
                !matches!(format(bytes), Format::Elf | Format::Script | Format::Other)
            });
            return self.plain(
                place,
                a,
                b,
                deep.then_some("too deep in other archives to be opened"),
            );
        }
        let [first, second] = &mut self.sides;
        match (archive::contents(a, first), archive::contents(b, second)) {
            (Some(left), Some(right)) => self.opened(place, (a, &left), (b, &right), depth - 1),
            (None, None) => self.plain(place, a, b, None),
            (left, right) => {
                let name =
                    |side: Option<Contents>| side.map_or("no archive", |side| side.format.name());
                let what = format!("{} -> {}", name(left), name(right));
                self.plain(place, a, b, Some(&what));
            }
        }
    }

    /// Two files of which nothing more is opened.
    fn plain(&mut self, place: &str, a: &[u8], b: &[u8], why: Option<&str>) {
        if elf::is_elf(a) && elf::is_elf(b) {
            let mut out = Vec::new();
            binary::elf_files(place, a, b, self.context, &mut out);
            for difference in out {
                self.say(difference);
            }
            return;
        }
        let mut difference = match (text(a), text(b)) {
            (Some(left), Some(right)) => lines(place, left, right, self.context),
            _ => binary::bytes(place, a, b, self.context),
        };
        if let Some(why) = why {
            difference.what = format!("{}: {}", cause::shorten(why), difference.what);
        }
        self.say(difference);
    }

    /// Two archives, or two compressed streams.
    fn opened(
        &mut self,
        place: &str,
        (a, left): (&[u8], &Contents),
        (b, right): (&[u8], &Contents),
        depth: usize,
    ) {
        let before = self.count();
        if left.fault.is_some() || right.fault.is_some() {
            let faults = [("first", left), ("second", right)].map(|(which, side)| {
                side.fault
                    .as_ref()
                    .map(|fault| format!("the {which} cannot be read whole ({fault})"))
            });
            let why = faults.into_iter().flatten().collect::<Vec<String>>().join(", ");
            self.plain(place, a, b, Some(&why));
        }
        if left.format == right.format {
            self.facts(place, &left.facts, &right.facts);
        } else {
            let what = format!("format {} -> {}", left.format.name(), right.format.name());
            self.say(Difference::new(place, what));
        }
        if let (true, [old], [new]) = (left.format.is_stream(), &*left.parts, &*right.parts)
            && right.format.is_stream()
        {
            self.files(&format!("{place} > {}", old.name), &old.bytes, &new.bytes, depth);
        } else {
            self.parts(place, &left.parts, &right.parts, depth);
        }
        if self.count() == before {
            let causes = vec!["compressor: another version, level or number of threads".to_owned()];
            let what = "the same contents, packed differently".to_owned();
            self.say(Difference { place: place.to_owned(), what, causes });
        }
    }

    /// What is said beside contents, on both sides.
    fn facts(&mut self, place: &str, a: &Facts, b: &Facts) {
        let names: BTreeSet<_> = a.keys().chain(b.keys()).collect();
        for name in names {
            let words = |facts: &Facts| facts.get(name).cloned();
            let (old, new) = (words(a), words(b));
            if old == new {
                continue;
            }
            let shown = |words: &Option<String>| match words.as_deref() {
                None | Some("") => "none".to_owned(),
                Some(words) => escape_controls(words).into_owned(),
            };
            let what = format!("{} {} -> {}", escape_controls(name), shown(&old), shown(&new));
            let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
            let causes = cause::of_fact(name, &old, &new, self.context.hints);
            self.say(Difference { place: place.to_owned(), what, causes });
        }
    }

    fn parts(&mut self, place: &str, a: &[Part], b: &[Part], depth: usize) {
        let at = |part: &Part| format!("{place} > {}", escape_controls(&part.name));
        let (left, right) = (numbered(a), numbered(b));
        let others: BTreeMap<Numbered<'_>, &Part> = right.iter().copied().zip(b).collect();
        let known: BTreeSet<Numbered<'_>> = left.iter().copied().collect();
        let pairs = debug::pairs(a, b);
        let moved =
            |part: &Part| pairs.iter().any(|(old, new)| debug::leads_to(&part.name, old, new));
        for (number, part) in left.iter().zip(a) {
            match others.get(number) {
                Some(other) => {
                    self.facts(&at(part), &part.facts, &other.facts);
                    self.files(&at(part), &part.bytes, &other.bytes, depth);
                }
                None if moved(part) => {}
                None => self.say(Difference::new(&at(part), "only in the first".to_owned())),
            }
        }
        for (old, new) in &pairs {
            let name = escape_controls(&new.name);
            let what = format!("{name} in the second: it is named by the build-id");
            self.say(Difference::new(&at(old), what));
            self.facts(&at(old), &old.facts, &new.facts);
            self.files(&at(old), &old.bytes, &new.bytes, depth);
        }
        for (number, part) in right.iter().zip(b) {
            if !known.contains(number) && !moved(part) {
                self.say(Difference::new(&at(part), "only in the second".to_owned()));
            }
        }
        let in_both = known.len() == others.len() && others.keys().all(|name| known.contains(name));
        if left != right && in_both {
            self.say(Difference {
                place: place.to_owned(),
                what: "the same members in another order".to_owned(),
                causes: vec!["file-order: a directory was listed without sorting".to_owned()],
            });
        }
    }
}

/// The name of a part, and how many before it have the same.
type Numbered<'a> = (&'a str, usize);

/// An archive may hold one name twice: the first is compared with the first, the second with the second.
fn numbered(parts: &[Part]) -> Vec<Numbered<'_>> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    parts
        .iter()
        .map(|part| {
            let count = seen.entry(part.name.as_str()).or_default();
            *count += 1;
            (part.name.as_str(), *count)
        })
        .collect()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// The first lines that differ.
fn lines(place: &str, a: &str, b: &str, context: Context<'_>) -> Difference {
    let only = |from: &str, other: &str| -> Vec<String> {
        let other: BTreeSet<&str> = other.lines().collect();
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
