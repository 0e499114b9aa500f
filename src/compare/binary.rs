//! Compares ELF files section by section and function by function, and other bytes by offset. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::cause::{of_texts, shorten};
use super::{Context, Difference};
use crate::elf::layout::{self, Function, Section};

/// The most names in one line.
const MOST_NAMES: usize = 8;
/// The shortest printable run that counts as a string.
const SHORTEST: usize = 4;
/// The most bytes of one section in which strings are looked for.
const MOST_BYTES: usize = 256 << 20;

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
    let (Ok((left, left_functions)), Ok((right, right_functions))) =
        (layout::sections(a), layout::sections(b))
    else {
        out.push(bytes(place, a, b, context));
        return;
    };
    let before = out.len();
    for section in &left {
        let place = format!("{place} > {}", section.name);
        let Some(other) = right.iter().find(|other| other.name == section.name) else {
            let what = "section only in the first".to_owned();
            out.push(Difference { place, what, causes: Vec::new() });
            continue;
        };
        if section.size == other.size && section.bytes == other.bytes {
            continue;
        }
        out.push(match section.name.as_str() {
            ".note.gnu.build-id" => Difference {
                place,
                what: "another build-id: it follows from the other differences".to_owned(),
                causes: Vec::new(),
            },
            _ if section.executable => {
                let functions = Functions {
                    a: &left_functions,
                    b: if right_functions.is_empty() {
                        context.functions
                    } else {
                        &right_functions
                    },
                };
                code(&place, section, other, &functions)
            }
            _ => data(&place, section, other, context),
        });
    }
    for section in right.iter().filter(|section| !left.iter().any(|l| l.name == section.name)) {
        out.push(Difference {
            place: format!("{place} > {}", section.name),
            what: "section only in the second".to_owned(),
            causes: Vec::new(),
        });
    }
    if out.len() == before {
        out.push(bytes(place, a, b, context));
    }
}

fn data(place: &str, a: &Section<'_>, b: &Section<'_>, context: Context<'_>) -> Difference {
    let (left, right) = (plain(a), plain(b));
    bytes(place, &left, &right, context)
}

/// The contents, uncompressed where debug sections are.
fn plain(section: &Section<'_>) -> Vec<u8> {
    if section.compressed
        && let Some(stream) = section.bytes.get(24..)
    {
        let mut out = Vec::new();
        let limit = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
        if flate2::read::ZlibDecoder::new(stream).take(limit).read_to_end(&mut out).is_ok() {
            return out;
        }
    }
    section.bytes.to_vec()
}

struct Functions<'a> {
    a: &'a [Function],
    b: &'a [Function],
}

/// Which functions changed: those of another size first, they moved all the others.
fn code(place: &str, a: &Section<'_>, b: &Section<'_>, functions: &Functions<'_>) -> Difference {
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
    let same_layout = functions.a.is_empty() && a.size == b.size && a.address == b.address;
    let left = if same_layout { functions.b } else { functions.a };
    if left.is_empty() || functions.b.is_empty() {
        what.push_str(&format!(
            ", the first at {:#x}; no symbols to name functions with",
            a.bytes.iter().zip(b.bytes).position(|(a, b)| a != b).unwrap_or(0) as u64 + a.address
        ));
        return Difference { place: place.to_owned(), what, causes: Vec::new() };
    }
    let (left, right) = (bodies(left, a), bodies(functions.b, b));
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
            let shown: Vec<&str> = names.iter().take(MOST_NAMES).copied().collect();
            let more = if MOST_NAMES < names.len() { ", …" } else { "" };
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
        of.difference(other).take(MOST_NAMES).map(|text| shorten(text)).collect()
    };
    (only(&left, &right), only(&right, &left))
}

fn strings(bytes: &[u8]) -> BTreeSet<&str> {
    let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
    bytes
        .split(|byte| !(0x20..0x7f).contains(byte) && *byte != b'\t')
        .filter(|run| SHORTEST <= run.len())
        .filter_map(|run| std::str::from_utf8(run).ok())
        .collect()
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
