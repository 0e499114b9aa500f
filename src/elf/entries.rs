//! Compares the debug information of two files, compilation unit by compilation unit: what the entries say, not where they
//! or the code stand. Pure and bounded.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use gimli::{
    AttributeValue, DebuggingInformationEntry, Dwarf, DwarfSections, EndianSlice, RunTimeEndian,
};
use goblin::container::{Container, Ctx, Endian};

use super::dwarf::{Slice, load};
use super::{Facts, Kind, facts};

/// The largest numbers of units, and of entries of all units, that are read of one file.
const MAX_UNITS: usize = 200_000;
const MAX_ENTRIES: usize = 50_000_000;
/// The largest number of units whose first difference is searched for.
const MAX_SHOWN: usize = 8;
/// The largest number of entries of a unit in which its first difference is searched for.
const MAX_SEARCHED: usize = 1_000_000;

/// A compilation unit whose debug information differs between two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitDifference {
    /// The source file.
    pub unit: String,
    /// `None` when there are too many to say more of each.
    pub what: Option<String>,
}

type Loaded<'a> = (DwarfSections<Cow<'a, [u8]>>, RunTimeEndian);

/// Compares the debug information of two files unit by unit; `None` where one file has no debug
/// information.
pub fn differences(a: &[u8], b: &[u8]) -> Option<Vec<UnitDifference>> {
    let (a, b) = (facts(a).ok()?, facts(b).ok()?);
    let (left, right) = (loaded(&a)?, loaded(&b)?);
    let (left, right) = (dwarf(&left), dwarf(&right));
    let (one, two) = (digests(&left), digests(&right));
    let mut out = Vec::new();
    for (key, first) in &one {
        let what = match two.get(key) {
            None => Some("only in the first".to_owned()),
            Some(second) if second.digest == first.digest => continue,
            Some(second) if out.len() < MAX_SHOWN => {
                Some(first_difference(&left, first.index, &right, second.index))
            }
            Some(_) => None,
        };
        out.push(UnitDifference { unit: key.0.clone(), what });
    }
    for key in two.keys().filter(|key| !one.contains_key(*key)) {
        let what = Some("only in the second".to_owned());
        out.push(UnitDifference { unit: key.0.clone(), what });
    }
    Some(out)
}

fn loaded<'a>(facts: &Facts<'a>) -> Option<Loaded<'a>> {
    facts.sections.named(".debug_info").filter(|section| section.has_bytes())?;
    let ctx = Ctx::new(
        if facts.is_64 { Container::Big } else { Container::Little },
        if facts.little_endian { Endian::Little } else { Endian::Big },
    );
    let endian = if facts.little_endian { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let sections = load(facts, &facts.sections, facts.kind == Kind::Relocatable, ctx).ok()?;
    Some((sections, endian))
}

fn dwarf<'a>((sections, endian): &'a Loaded<'_>) -> Dwarf<Slice<'a>> {
    sections.borrow(|section| EndianSlice::new(section, *endian))
}

/// A digest of what the entries of a unit say.
struct Digest {
    /// Of its header among all.
    index: usize,
    digest: u64,
}

/// Digests of all units, by source file and, for several units of one file, a number.
fn digests(dwarf: &Dwarf<Slice<'_>>) -> BTreeMap<(String, usize), Digest> {
    let mut out = BTreeMap::new();
    let mut left = MAX_ENTRIES;
    let mut headers = dwarf.units();
    let mut index = 0;
    while let Ok(Some(header)) = headers.next()
        && index < MAX_UNITS
    {
        index += 1;
        let Ok(unit) = dwarf.unit(header) else { continue };
        let mut hasher = DefaultHasher::new();
        let mut name = String::new();
        let mut entries = unit.entries();
        let mut first = true;
        while let Ok(Some(entry)) = entries.next_dfs() {
            if first {
                first = false;
                name = text(dwarf, &unit, entry, gimli::DW_AT_name);
            }
            if left == 0 {
                break;
            }
            left -= 1;
            entry.tag().0.hash(&mut hasher);
            entry.depth().hash(&mut hasher);
            for (attribute, value) in said(dwarf, &unit, entry) {
                (attribute.0, value).hash(&mut hasher);
            }
        }
        let mut key = (name, 0);
        while out.contains_key(&key) {
            key.1 += 1;
        }
        out.insert(key, Digest { index: index - 1, digest: hasher.finish() });
    }
    out
}

/// The value of an attribute that does not depend on where things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Statement<'a> {
    Text(&'a [u8]),
    Number(u64),
    /// An address, an offset, a reference: it is there.
    Place,
}

fn said<'e, 'a: 'e>(
    dwarf: &'e Dwarf<Slice<'a>>,
    unit: &'e gimli::Unit<Slice<'a>>,
    entry: &'e DebuggingInformationEntry<Slice<'a>>,
) -> impl Iterator<Item = (gimli::DwAt, Statement<'a>)> + 'e {
    // The size of a unit's code follows from its functions.
    let unit_itself = entry.tag() == gimli::DW_TAG_compile_unit;
    entry.attrs().iter().map(move |attribute| {
        let raw = attribute.raw_value();
        let value = match raw {
            _ if unit_itself && attribute.name() == gimli::DW_AT_high_pc => Statement::Place,
            AttributeValue::Data1(n) => Statement::Number(n.into()),
            AttributeValue::Data2(n) => Statement::Number(n.into()),
            AttributeValue::Data4(n) => Statement::Number(n.into()),
            AttributeValue::Data8(n) | AttributeValue::Udata(n) => Statement::Number(n),
            AttributeValue::Sdata(n) => Statement::Number(n.cast_unsigned()),
            AttributeValue::Flag(on) => Statement::Number(on.into()),
            other => match dwarf.attr_string(unit, other) {
                Ok(text) => Statement::Text(text.slice()),
                Err(_) => Statement::Place,
            },
        };
        (attribute.name(), value)
    })
}

fn text(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &gimli::Unit<Slice<'_>>,
    entry: &DebuggingInformationEntry<Slice<'_>>,
    name: gimli::DwAt,
) -> String {
    let value = entry.attr_value(name).and_then(|value| dwarf.attr_string(unit, value).ok());
    value.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

fn shown(value: Statement<'_>) -> String {
    match value {
        Statement::Text(text) => format!("`{}`", String::from_utf8_lossy(text)),
        Statement::Number(number) => number.to_string(),
        Statement::Place => "(a place)".to_owned(),
    }
}

/// The first entry of two units that says something else, in words.
fn first_difference(
    a: &Dwarf<Slice<'_>>,
    index_a: usize,
    b: &Dwarf<Slice<'_>>,
    index_b: usize,
) -> String {
    let unit = |dwarf: &Dwarf<_>, index: usize| {
        let mut headers = dwarf.units();
        for _ in 0..index {
            headers.next().ok()??;
        }
        dwarf.unit(headers.next().ok()??).ok()
    };
    let fallback = || "it says something else".to_owned();
    let (Some(left), Some(right)) = (unit(a, index_a), unit(b, index_b)) else { return fallback() };
    let (mut one, mut two) = (left.entries(), right.entries());
    let mut function = String::new();
    for _ in 0..MAX_SEARCHED {
        let (x, y) = match (one.next_dfs(), two.next_dfs()) {
            (Ok(Some(x)), Ok(Some(y))) => (x, y),
            (Ok(Some(x)), _) => return format!("an entry more in the first: {}", x.tag()),
            (_, Ok(Some(y))) => return format!("an entry more in the second: {}", y.tag()),
            _ => return fallback(),
        };
        if x.tag() == gimli::DW_TAG_subprogram {
            function = text(a, &left, x, gimli::DW_AT_name);
        }
        let place = || {
            let name = text(a, &left, x, gimli::DW_AT_name);
            let mut place = x.tag().to_string();
            if !name.is_empty() {
                place.push_str(&format!(" {name}"));
            }
            if !function.is_empty() && function != name {
                place.push_str(&format!(" in {function}"));
            }
            place
        };
        if x.tag() != y.tag() || x.depth() != y.depth() {
            return format!("{} instead of {}", y.tag(), place());
        }
        let (old, new): (Vec<_>, Vec<_>) =
            (said(a, &left, x).collect(), said(b, &right, y).collect());
        let differs = old.iter().zip(&new).find(|(old, new)| old != new);
        if let Some(((name, old), (_, new))) = differs {
            return format!("{}: {name} {} -> {}", place(), shown(*old), shown(*new));
        }
        if old.len() != new.len() {
            return format!("{}: {} -> {} attributes", place(), old.len(), new.len());
        }
    }
    fallback()
}
