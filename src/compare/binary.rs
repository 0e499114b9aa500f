//! Compares ELF files section by section and function by function, and other bytes by offset. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::cause::{of_texts, shorten};
use super::{Context, Difference, Named};
use crate::elf::layout::{self, Function, Layout, Section};
use crate::elf::{self, Origins};

/// The most names in one line.
const MAX_NAMES: usize = 8;
/// The shortest printable run that counts as a string.
const SHORTEST: usize = 4;
/// The most bytes of one section in which strings are looked for.
const MAX_BYTES: u64 = 256 << 20;

/// Bytes nobody knows the format of.
pub(super) fn bytes(place: &str, a: &[u8], b: &[u8], context: Context<'_>) -> Difference {
    let first = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    let mut what = if a.len() == b.len() {
        let count = a.iter().zip(b).filter(|(a, b)| a != b).count();
        format!("{count} of {} bytes differ, the first at {first:#x}", a.len())
    } else {
        format!("{} -> {} bytes, the first difference at {first:#x}", a.len(), b.len())
    };
    let (gone, new) = strings_of(a, b);
    what.push_str(&listed(&gone, &new));
    Difference { place: place.to_owned(), what, causes: of_texts(&gone, &new, context.hints) }
}

pub(super) fn elf_files(
    place: &str,
    a: &[u8],
    b: &[u8],
    context: Context<'_>,
    out: &mut Vec<Difference>,
) {
    let (Ok(left), Ok(right)) = (layout::layout(a), layout::layout(b)) else {
        out.push(bytes(place, a, b, context));
        return;
    };
    let (first, second) =
        (origins_of(a, &left, context.first), origins_of(b, &right, context.second));
    let sides = Sides { first: &first, second: &second, bytes: b };
    let before = out.len();
    let mut shifted = Vec::new();
    let has_units = right.sections.iter().any(|section| section.name == ".debug_info");
    units(place, a, b, out);
    for section in &left.sections {
        let place = format!("{place} > {}", section.name);
        let Some(other) = right.sections.iter().find(|other| other.name == section.name) else {
            let what = "section only in the first".to_owned();
            out.push(Difference { place, what, causes: Vec::new() });
            continue;
        };
        if section.size == other.size && section.bytes == other.bytes {
            continue;
        }
        // A debug file has the headers of code and data, and nothing in them.
        if section.bytes.is_empty() && other.bytes.is_empty() && has_units {
            continue;
        }
        out.push(match section.name.as_str() {
            ".note.gnu.build-id" => Difference {
                place,
                what: "another build-id: it follows from the other differences".to_owned(),
                causes: Vec::new(),
            },
            _ if section.executable => code(&place, section, other, &sides),
            name if name.starts_with(".debug_") => {
                let (old, new) = (section.unpacked(MAX_BYTES), other.unpacked(MAX_BYTES));
                let (gone, added) = strings_of(&old, &new);
                if gone.is_empty() && added.is_empty() {
                    shifted.push(name.to_owned());
                    continue;
                }
                bytes(&place, &old, &new, context)
            }
            _ => data(&place, section, other, &sides, context),
        });
    }
    for section in &right.sections {
        if left.sections.iter().any(|other| other.name == section.name) {
            continue;
        }
        out.push(Difference {
            place: format!("{place} > {}", section.name),
            what: "section only in the second".to_owned(),
            causes: Vec::new(),
        });
    }
    if !shifted.is_empty() {
        let what = format!("no other strings, other bytes in {}", shifted.join(", "));
        out.push(Difference { place: place.to_owned(), what, causes: Vec::new() });
    }
    if out.len() == before {
        out.push(bytes(place, a, b, context));
    }
}

/// The file's own names, else those of its debug file.
fn origins_of<'a>(bytes: &[u8], layout: &Layout<'_>, known: &'a Named) -> Cow<'a, Origins> {
    if !layout.functions.is_empty() {
        return Cow::Owned(elf::origins(bytes));
    }
    let build_id = elf::facts(bytes).ok().and_then(|facts| facts.build_id);
    match build_id.and_then(|build_id| known.get(&build_id)) {
        Some(origins) => Cow::Borrowed(origins),
        None => Cow::Owned(Origins::default()),
    }
}

/// Compilation units whose debug information says something else.
fn units(place: &str, a: &[u8], b: &[u8], out: &mut Vec<Difference>) {
    let differences = elf::entries::differences(a, b).unwrap_or_default();
    if differences.is_empty() {
        return;
    }
    let mut what = format!("{} compilation units differ", differences.len());
    for difference in differences.iter().take(MAX_NAMES) {
        let words = difference.what.as_deref().unwrap_or("differs");
        what.push_str(&format!("\n    {}: {}", difference.unit, shorten(words)));
    }
    if MAX_NAMES < differences.len() {
        what.push_str("\n    …");
    }
    out.push(Difference { place: format!("{place} > DWARF"), what, causes: Vec::new() });
}

/// Where places of both files come from, and the second file.
struct Sides<'a> {
    first: &'a Origins,
    second: &'a Origins,
    bytes: &'a [u8],
}

/// Data, with who uses the part that is new.
fn data(
    place: &str,
    a: &Section<'_>,
    b: &Section<'_>,
    sides: &Sides<'_>,
    context: Context<'_>,
) -> Difference {
    let (left, right) = (a.unpacked(MAX_BYTES), b.unpacked(MAX_BYTES));
    let mut difference = bytes(place, &left, &right, context);
    // A section that is not in memory has no users.
    if b.address == 0 || b.compressed.is_some() || sides.second.is_empty() {
        return difference;
    }
    let users = sides.second.users(sides.bytes, &new_ranges(&left, b));
    if !users.is_empty() {
        let shown: Vec<&str> = users.iter().take(MAX_NAMES).map(String::as_str).collect();
        let more = if MAX_NAMES < users.len() { ", …" } else { "" };
        difference.what.push_str(&format!("\n    used by {}{more}", shown.join(", ")));
    }
    difference
}

/// Addresses of the strings that only the second has, or of the first bytes that differ.
fn new_ranges(left: &[u8], b: &Section<'_>) -> Vec<(u64, u64)> {
    let (old, mut out) = (strings(left), Vec::new());
    let at = |start: usize, end: usize| {
        (b.address.saturating_add(start as u64), b.address.saturating_add(end as u64))
    };
    for (start, text) in runs(b.bytes) {
        if !old.contains(text) && out.len() < MAX_NAMES {
            out.push(at(start, start + text.len()));
        }
    }
    if out.is_empty() && left.len() == b.bytes.len() {
        let other = left.iter().zip(b.bytes).enumerate().filter(|(_, (old, new))| old != new);
        out.extend(other.take(MAX_NAMES).map(|(start, _)| at(start, start + 1)));
    }
    out
}

/// Which functions changed: those of another size first, they moved all the others.
fn code(place: &str, a: &Section<'_>, b: &Section<'_>, sides: &Sides<'_>) -> Difference {
    let mut what = if a.size == b.size {
        format!(
            "{} of {} bytes differ",
            a.bytes.iter().zip(b.bytes).filter(|(a, b)| a != b).count(),
            a.size
        )
    } else {
        format!("{} -> {} bytes", a.size, b.size)
    };
    // A stripped file of the same size has its functions where the other has them.
    let same_layout =
        sides.first.functions.is_empty() && a.size == b.size && a.address == b.address;
    let origins = if same_layout { sides.second } else { sides.first };
    let (left, right) = (&origins.functions, &sides.second.functions);
    if left.is_empty() || right.is_empty() {
        what.push_str(&format!(
            ", the first at {:#x}; no symbols to name functions with",
            a.bytes.iter().zip(b.bytes).position(|(a, b)| a != b).unwrap_or(0) as u64 + a.address
        ));
        return Difference { place: place.to_owned(), what, causes: Vec::new() };
    }
    let (left, right) = (bodies(left, a), bodies(right, b));
    let (mut resized, mut changed) = (BTreeSet::new(), BTreeSet::new());
    let mut gone = BTreeSet::new();
    for (name, body) in &left {
        match right.get(name) {
            None => {
                gone.insert(*name);
            }
            Some(other) if other.len() != body.len() => {
                resized.insert(*name);
            }
            Some(other) if other != body => {
                changed.insert(*name);
            }
            Some(_) => {}
        }
    }
    let new: BTreeSet<&str> =
        right.keys().filter(|name| !left.contains_key(*name)).copied().collect();
    for (label, names) in [
        ("functions gone", &gone),
        ("new functions", &new),
        ("functions of another size", &resized),
        ("functions of other bytes", &changed),
    ] {
        if !names.is_empty() {
            let from = if label == "functions gone" { origins } else { sides.second };
            let shown: Vec<String> =
                names.iter().take(MAX_NAMES).map(|name| from.named(name)).collect();
            let more = if MAX_NAMES < names.len() { ", …" } else { "" };
            what.push_str(&format!("\n    {} {label}: {}{more}", names.len(), shown.join(", ")));
        }
    }
    Difference { place: place.to_owned(), what, causes: Vec::new() }
}

fn bodies<'a>(functions: &'a [Function], section: &Section<'a>) -> BTreeMap<&'a str, &'a [u8]> {
    let body = |function: &Function| {
        let start = usize::try_from(function.address.checked_sub(section.address)?).ok()?;
        let end = start.checked_add(usize::try_from(function.size).ok()?)?;
        section.bytes.get(start..end)
    };
    functions
        .iter()
        .filter_map(|function| Some((function.name.as_str(), body(function)?)))
        .collect()
}

/// Strings of one side that the other has not.
fn strings_of(a: &[u8], b: &[u8]) -> (Vec<String>, Vec<String>) {
    let (left, right) = (strings(a), strings(b));
    let only = |of: &BTreeSet<&str>, other: &BTreeSet<&str>| -> Vec<String> {
        of.difference(other).take(MAX_NAMES).map(|text| shorten(text)).collect()
    };
    (only(&left, &right), only(&right, &left))
}

fn strings(bytes: &[u8]) -> BTreeSet<&str> {
    runs(bytes).map(|(_, text)| text).collect()
}

/// Printable runs with their offsets.
fn runs(bytes: &[u8]) -> impl Iterator<Item = (usize, &str)> {
    let bytes = &bytes[..bytes.len().min(usize::try_from(MAX_BYTES).unwrap_or(usize::MAX))];
    let mut at = 0;
    bytes
        .split(|byte| !(0x20..0x7f).contains(byte) && *byte != b'\t')
        .map(move |run| {
            let start = at;
            at += run.len() + 1;
            (start, run)
        })
        .filter(|(_, run)| SHORTEST <= run.len())
        .filter_map(|(start, run)| Some((start, std::str::from_utf8(run).ok()?)))
}

fn listed(gone: &[String], new: &[String]) -> String {
    let mut out = String::new();
    for (sign, list) in [('-', gone), ('+', new)] {
        for text in list.iter().take(5) {
            out.push_str(&format!("\n    {sign} {}", shorten(text)));
        }
    }
    out
}
