//! Where functions begin and end: `.eh_frame`, which `strip` must leave, and `.symtab` where there is one. Pure.

use gimli::{
    BaseAddresses, CieOrFde, EhFrame, EhFrameHdr, EndianSlice, Pointer, RunTimeEndian,
    UnwindSection,
};

use super::facts::{Facts, Kind, SegmentKind};
use super::memory::Memory;
use super::symbols::{MAX_ENTRIES, NamedFunction};

/// The longest entry of `.eh_frame` that is read, in bytes; real ones have some hundred, and what
/// is longer may hold anything.
const LONGEST_ENTRY: usize = 4096;

/// A range of code addresses; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Joins the functions that `.eh_frame` describes with those that have names: by address, none
/// overlapping the next.
pub(super) fn ranges(
    memory: &Memory<'_>,
    mut out: Vec<Range>,
    named: &[NamedFunction<'_>],
) -> Vec<Range> {
    out.extend(named.iter().filter(|function| function.size > 0).map(|function| Range {
        start: function.address,
        end: function.address.saturating_add(function.size),
    }));
    out.retain(|range| range.start < range.end && memory.executable(range.start));
    // Stable: of two that begin together the one of .eh_frame stays.
    out.sort_by_key(|range| range.start);
    out.dedup_by_key(|range| range.start);
    for index in 1..out.len() {
        let next = out[index].start;
        let range = &mut out[index - 1];
        range.end = range.end.min(next);
    }
    for range in &mut out {
        let end = memory.region(range.start).map_or(range.start, super::memory::Region::end);
        range.end = range.end.min(end);
    }
    out
}

/// Counts the bytes between functions that are no padding (zeros, int3, nop).
pub(super) fn uncovered(memory: &Memory<'_>, ranges: &[Range]) -> u64 {
    let mut count = 0;
    for region in memory.code() {
        // Where no function is known, how much is padding does not matter, as long as something is none.
        let size = region.end() - region.address;
        if ranges.is_empty()
            && memory.look(region.address, size.min(4096), no_padding).unwrap_or(0) > 0
        {
            count += size;
            continue;
        }
        let mut at = region.address;
        let first = ranges.partition_point(|range| range.end <= region.address);
        for range in ranges[first..].iter().take_while(|range| range.start < region.end()) {
            count += padded(memory, at, range.start);
            at = range.end.max(at);
        }
        count += padded(memory, at, region.end());
    }
    count
}

fn padded(memory: &Memory<'_>, start: u64, end: u64) -> u64 {
    const STEP: u64 = 16 << 10;
    let (mut count, mut at) = (0, start);
    while at < end {
        let size = STEP.min(end - at);
        count += memory.look(at, size, no_padding).unwrap_or(0);
        at += size;
    }
    count
}

/// Counts the bytes that are none compilers and linkers fill gaps with.
pub(super) fn no_padding(bytes: &[u8]) -> u64 {
    // Sums of bytes over short runs: what a compiler makes vector code of.
    let run =
        |run: &[u8]| run.iter().map(|byte| u8::from(!matches!(byte, 0 | 0x90 | 0xcc))).sum::<u8>();
    bytes.chunks(192).map(|bytes| u64::from(run(bytes))).sum()
}

/// The functions that `.eh_frame` describes, and where the table itself lies.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Functions by address.
    pub(super) functions: Vec<Range>,
    /// Where its entries stand, as far as they can be read.
    pub(super) place: Option<Range>,
}

/// Reads `.eh_frame`, found through its header or its section.
pub(super) fn from_eh_frame(memory: &Memory<'_>, facts: &Facts<'_>) -> Frames {
    // In an object the addresses are still relocations.
    if facts.kind == Kind::Relocatable {
        return Frames::default();
    }
    let endian = if memory.little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let size = if facts.is_64 { 8 } else { 4 };
    let header = facts.segments.iter().find(|segment| segment.kind == SegmentKind::GnuEhFrame);
    let found = header
        .and_then(|header| {
            let bases = BaseAddresses::default().set_eh_frame_hdr(header.address);
            // What follows is the table for searching.
            let bytes = memory.at(header.address, 64)?;
            let parsed = EhFrameHdr::new(bytes, endian).parse(&bases, size).ok()?;
            match parsed.eh_frame_ptr() {
                Pointer::Direct(address) => Some(address),
                Pointer::Indirect(_) => None,
            }
        })
        .or_else(|| facts.sections.named(".eh_frame").map(|section| section.address));
    let Some(address) = found else { return Frames::default() };
    // How long it is a section header says, which may lie; the terminator does not. Without one, all that follows.
    let hint = facts.sections.named(".eh_frame").filter(|section| section.address == address);
    let bytes = hint
        .and_then(|section| memory.copy(address, section.size))
        .filter(|bytes| terminated(bytes, facts.little_endian))
        .or_else(|| memory.copy(address, u64::MAX));
    let Some(bytes) = bytes else { return Frames::default() };
    let bases = BaseAddresses::default().set_eh_frame(address);
    let mut section = EhFrame::new(&bytes, endian);
    section.set_address_size(size);
    let (mut functions, length) = read_entries(&section, &bases);
    functions.sort_by_key(|range| range.start);
    let place = Some(Range { start: address, end: address.saturating_add(length as u64) });
    Frames { functions, place }
}

/// The bytes of a table of entries, each with its length before it, up to the length of zero that
/// ends it.
fn terminated(bytes: &[u8], little_endian: bool) -> bool {
    let mut at = 0_usize;
    while let Some(length) = bytes.get(at..at.saturating_add(4)) {
        let length: [u8; 4] = length.try_into().unwrap_or_default();
        let length =
            if little_endian { u32::from_le_bytes(length) } else { u32::from_be_bytes(length) };
        match length {
            0 => return true,
            // A length of eight bytes follows; nobody writes that.
            u32::MAX => return false,
            length => at = at.saturating_add(4).saturating_add(length as usize),
        }
    }
    false
}

/// Reads functions from the entries; also gives the end of the last entry that describes one, as
/// far as all before it do.
fn read_entries(
    section: &EhFrame<EndianSlice<'_, RunTimeEndian>>,
    bases: &BaseAddresses,
) -> (Vec<Range>, usize) {
    let (mut out, mut length, mut all) = (Vec::new(), 0, true);
    let mut last: Option<(usize, gimli::CommonInformationEntry<_>)> = None;
    let mut entries = section.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let parsed = partial.parse(|section, bases, offset| {
            // Neighbours share their CIE.
            match &last {
                Some((at, cie)) if *at == offset.0 => Ok(cie.clone()),
                _ => section.cie_from_offset(bases, offset),
            }
        });
        let Ok(entry) = parsed else {
            all = false;
            continue;
        };
        if last.as_ref().is_none_or(|(at, _)| *at != partial.cie_offset().0) {
            last = Some((partial.cie_offset().0, entry.cie().clone()));
        }
        let start = entry.initial_address();
        out.push(Range { start, end: start.saturating_add(entry.len()) });
        all &= entry.entry_len() <= LONGEST_ENTRY;
        if all {
            length = entry.offset().saturating_add(entry.entry_len());
        }
        if out.len() >= MAX_ENTRIES {
            break;
        }
    }
    (out, length)
}
