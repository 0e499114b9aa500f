//! How each compilation unit was compiled, from debug information: producer, addresses, FORTIFY level. Pure.
//!
//! Only the first entry of each unit is read, and of macros only those that tell the level.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gimli::{
    AttributeValue, DebugMacroOffset, Dwarf, DwarfSections, EndianSlice, MacroEntry, RunTimeEndian,
    SectionId, UnitRef,
};
use goblin::container::{Container, Ctx, Endian};

use super::relocate::relocated;
use super::{Facts, Kind, Sections, annobin};

/// The largest numbers of units and of ranges that are read of one file.
const MAX_UNITS: usize = 200_000;
const MAX_RANGES: usize = 1_000_000;
/// The largest number of macro entries that are looked at: a table is read once, however often it
/// is imported.
const MAX_MACROS: usize = 20_000_000;

pub(super) type Slice<'s> = EndianSlice<'s, RunTimeEndian>;

/// A compilation unit: one source file, how it was compiled, and where its code is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// The source file.
    pub name: String,
    /// `DW_AT_producer`: compiler, version, and options in their order.
    pub producer: String,
    /// Code of the unit: start and end.
    pub ranges: Vec<(u64, u64)>,
    /// The FORTIFY level, where macros are recorded and a header of glibc is used.
    pub fortify: Option<u8>,
    /// Only a skeleton: how it was compiled stands in a `.dwo` or `.dwp` file.
    pub split: bool,
}

/// The build-id of the file that holds what dwz found in several debug files (`.gnu_debugaltlink`: name, zero, build-id).
pub fn supplement(sections: &Sections<'_>) -> Option<String> {
    let link = sections.raw(".gnu_debugaltlink")?;
    let end = memchr::memchr(0, link)?;
    let build_id = link.get(end + 1..).filter(|build_id| (1..=64).contains(&build_id.len()))?;
    Some(hex::encode(build_id))
}

/// Reads all compilation units of a linked file or an object. `debug` is the separate debug file,
/// `supplement` what dwz made of several. Where there is no debug information, what annobin
/// recorded.
pub fn units(
    facts: &Facts<'_>,
    debug: Option<&Sections<'_>>,
    supplement: Option<&Sections<'_>>,
) -> Vec<Unit> {
    // What the relocations of an object mean is known for those machines whose code is read.
    let object = facts.kind == Kind::Relocatable;
    if object && !super::memory::readable(facts.machine) {
        return Vec::new();
    }
    let ctx = Ctx::new(
        if facts.is_64 { Container::Big } else { Container::Little },
        if facts.little_endian { Endian::Little } else { Endian::Big },
    );
    let endian = if facts.little_endian { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let sections = match debug {
        Some(debug) if facts.sections.named(".debug_info").is_none() => debug,
        _ => &facts.sections,
    };
    if sections.named(".debug_info").is_none() {
        return annobin::units(facts);
    }
    let Ok(loaded) = load(facts, sections, object, ctx) else { return Vec::new() };
    let supplement = supplement.and_then(|sections| load(facts, sections, false, ctx).ok());
    let slice = |section| EndianSlice::new(section, endian);
    let dwarf: Dwarf<Slice<'_>> = loaded.borrow_with_sup(supplement.as_ref(), |bytes| slice(bytes));
    read(&dwarf)
}

/// The sections of debug information, unpacked, and relocated where they are an object's.
pub(super) fn load<'a>(
    facts: &Facts<'a>,
    sections: &Sections<'a>,
    object: bool,
    ctx: Ctx,
) -> Result<DwarfSections<Cow<'a, [u8]>>, gimli::Error> {
    DwarfSections::load(|id: SectionId| -> Result<Cow<'a, [u8]>, gimli::Error> {
        let wanted = matches!(
            id,
            SectionId::DebugInfo
                | SectionId::DebugAbbrev
                | SectionId::DebugStr
                | SectionId::DebugLine
                | SectionId::DebugLineStr
                | SectionId::DebugStrOffsets
                | SectionId::DebugAddr
                | SectionId::DebugRanges
                | SectionId::DebugRngLists
                | SectionId::DebugMacro
        );
        let bytes = match (wanted, object) {
            (false, _) => None,
            (true, true) => relocated(sections, facts.machine, id.name(), ctx),
            (true, false) => sections.unpacked(id.name(), ctx),
        };
        Ok(bytes.unwrap_or_default())
    })
}

fn read(dwarf: &Dwarf<Slice<'_>>) -> Vec<Unit> {
    let mut out = Vec::new();
    let (mut ranges_left, mut macros) = (MAX_RANGES, Macros::default());
    let mut headers = dwarf.units();
    while let Ok(Some(header)) = headers.next() {
        if out.len() >= MAX_UNITS {
            break;
        }
        let Ok(unit) = dwarf.unit(header) else { continue };
        let mut entries = unit.entries();
        let Ok(Some(root)) = entries.next_dfs() else { continue };
        // Type units and what dwz splits off have no code.
        if !matches!(root.tag(), gimli::DW_TAG_compile_unit | gimli::DW_TAG_skeleton_unit) {
            continue;
        }
        let text = |name| {
            root.attr_value(name)
                .and_then(|value| dwarf.attr_string(&unit, value).ok())
                .map(|text| text.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let mut found = Unit {
            name: text(gimli::DW_AT_name),
            producer: text(gimli::DW_AT_producer),
            ..Unit::default()
        };
        let dwo = [gimli::DW_AT_dwo_name, gimli::DW_AT_GNU_dwo_name];
        found.split = dwo.into_iter().any(|name| root.attr_value(name).is_some());
        found.ranges = ranges(dwarf, &unit, root, &mut ranges_left);
        let offset = [gimli::DW_AT_macros, gimli::DW_AT_GNU_macros]
            .into_iter()
            .find_map(|name| root.attr_value(name))
            .and_then(|value| match value {
                AttributeValue::DebugMacroRef(offset) => Some(offset),
                AttributeValue::SecOffset(offset) => Some(DebugMacroOffset(offset)),
                _ => None,
            });
        found.fortify =
            offset.and_then(|offset| macros.level(UnitRef::new(dwarf, &unit), offset, 0));
        out.push(found);
    }
    out
}

/// Ranges of code that belong to a unit: a list, or start and length. (gimli's own `die_ranges`
/// adds the two unchecked.)
fn ranges(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &gimli::Unit<Slice<'_>>,
    root: &gimli::DebuggingInformationEntry<Slice<'_>>,
    left: &mut usize,
) -> Vec<(u64, u64)> {
    let address = |value| dwarf.attr_address(unit, value).ok().flatten();
    if let Some(value) = root.attr_value(gimli::DW_AT_ranges) {
        let mut out = Vec::new();
        let Ok(Some(mut list)) = dwarf.attr_ranges(unit, value) else { return out };
        while let Ok(Some(range)) = list.next() {
            if *left == 0 {
                break;
            }
            *left -= 1;
            if range.begin < range.end {
                out.push((range.begin, range.end));
            }
        }
        return out;
    }
    let low = root.attr_value(gimli::DW_AT_low_pc).and_then(address);
    let high = root.attr_value(gimli::DW_AT_high_pc);
    let end = low.zip(high).and_then(|(low, high)| match high.udata_value() {
        Some(length) => low.checked_add(length),
        None => address(high),
    });
    low.zip(end).filter(|(low, end)| low < end).into_iter().collect()
}

/// FORTIFY levels by macro table, so that a table imported by a thousand units is read once.
#[derive(Default)]
struct Macros {
    known: BTreeMap<usize, Option<u8>>,
    read: usize,
}

impl Macros {
    /// The FORTIFY level that a macro table and those it imports define last; `None` when they
    /// define none.
    fn level(
        &mut self,
        unit: UnitRef<'_, Slice<'_>>,
        offset: DebugMacroOffset,
        depth: usize,
    ) -> Option<u8> {
        if let Some(level) = self.known.get(&offset.0) {
            return *level;
        }
        self.known.insert(offset.0, None);
        let mut level = None;
        let mut entries = unit.dwarf.debug_macro.get_macros(offset).ok()?;
        while let Ok(Some(entry)) = entries.next() {
            self.read += 1;
            if self.read > MAX_MACROS {
                break;
            }
            match entry {
                MacroEntry::Define { text, .. } => {
                    let Ok(text) = text.string(unit) else { continue };
                    level = defined(text.slice()).or(level);
                }
                MacroEntry::Import { offset } if depth < 16 => {
                    level = self.level(unit, offset, depth + 1).or(level);
                }
                _ => {}
            }
        }
        self.known.insert(offset.0, level);
        level
    }
}

/// The FORTIFY level that a macro definition states: `__USE_FORTIFY_LEVEL` is what features.h made
/// of `_FORTIFY_SOURCE`, -O0 considered.
fn defined(text: &[u8]) -> Option<u8> {
    let value = text.strip_prefix(b"__USE_FORTIFY_LEVEL ")?;
    match value {
        [digit @ b'0'..=b'9'] => Some(digit - b'0'),
        _ => None,
    }
}
