//! Which bytes of the file are at an address, when segments share pages. Pure.
//!
//! Kernel (fs/binfmt_elf.c) and loader (elf/dl-map-segments.h) map the `PT_LOAD`s in the order of the table, each in whole
//! pages over whatever is there: the last one counts, also where only its page reaches. No linker makes such files.

use super::facts::{Segment, SegmentKind};
use super::relro::PAGE;

/// A part of a segment that no later one covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) address: u64,
    pub(super) end: u64,
    pub(super) offset: u64,
    pub(super) execute: bool,
    pub(super) write: bool,
}

/// The pages a segment is mapped to: address of the first, and of the end.
fn pages(segment: &Segment) -> (u64, u64) {
    let end = segment.address.saturating_add(segment.memory_size.max(segment.file_size));
    (segment.address & !(PAGE - 1), end.saturating_add(PAGE - 1) & !(PAGE - 1))
}

/// The part of a segment's pages that comes out of the file: begin, end, and the file offset of the
/// begin.
fn filled(segment: &Segment) -> (u64, u64, u64) {
    let (first, _) = pages(segment);
    let end = segment.address.saturating_add(segment.file_size);
    // What follows is zeros where there is more memory than file, else more of the file.
    let end = if segment.memory_size > segment.file_size {
        end
    } else {
        end.saturating_add(PAGE - 1) & !(PAGE - 1)
    };
    match segment.offset.checked_sub(segment.address - first) {
        _ if segment.file_size == 0 => (first, first, segment.offset),
        Some(offset) => (first, end, offset),
        None => (segment.address, end, segment.offset),
    }
}

fn loads(segments: &[Segment]) -> impl DoubleEndedIterator<Item = &Segment> {
    segments
        .iter()
        .filter(|segment| segment.kind == SegmentKind::Load)
        .filter(|segment| segment.memory_size > 0 || segment.file_size > 0)
}

/// Finds the first pair of segments that share a page, as their addresses.
pub fn shared_page(segments: &[Segment]) -> Option<(u64, u64)> {
    let mut sorted: Vec<&Segment> = loads(segments).collect();
    sorted.sort_by_key(|segment| segment.address);
    let pairs = sorted.windows(2).map(|pair| (pair[0], pair[1]));
    let mut shared = pairs.filter(|(one, other)| pages(one).1 > pages(other).0);
    shared.next().map(|(one, other)| (one.address, other.address))
}

/// The file offset of an address, by the segment that is mapped there last.
pub fn offset_of(segments: &[Segment], address: u64) -> Option<u64> {
    let segment = loads(segments).rfind(|segment| {
        let (first, end) = pages(segment);
        (first..end).contains(&address)
    })?;
    let (first, end, offset) = filled(segment);
    (first..end).contains(&address).then(|| offset.checked_add(address - first))?
}

/// Memory that can be written once all is mapped and nothing more is protected.
#[derive(Debug)]
pub struct Writable {
    /// Begin and end, by address; none overlap.
    ranges: Vec<(u64, u64)>,
}

impl Writable {
    pub fn of(segments: &[Segment]) -> Self {
        let part = |segment: &Segment| {
            let ((address, end), offset) = (pages(segment), segment.offset);
            Part { address, end, offset, execute: segment.execute, write: segment.write }
        };
        let mut parts: Vec<Part> = Vec::new();
        let apart = shared_page(segments).is_none();
        for segment in loads(segments).map(part) {
            if !apart {
                let left = parts.iter().flat_map(|old| without(*old, segment.address, segment.end));
                parts = left.collect();
            }
            parts.push(segment);
        }
        let writable = parts.iter().filter(|part| part.write);
        let mut ranges: Vec<(u64, u64)> = writable.map(|part| (part.address, part.end)).collect();
        ranges.sort_unstable();
        Self { ranges }
    }

    pub fn contains(&self, address: u64) -> bool {
        let after = self.ranges.partition_point(|(begin, _)| *begin <= address);
        self.ranges[..after].last().is_some_and(|(_, end)| address < *end)
    }
}

/// File offsets for many addresses: an index by address, since a file may have a thousand segments
/// and millions of relocations.
#[derive(Debug)]
pub(super) struct AddressMap {
    /// Begin, end and offset, by address; none overlap.
    filled: Vec<(u64, u64, u64)>,
}

impl AddressMap {
    pub(super) fn of(segments: &[Segment]) -> Self {
        let mut out: Vec<(u64, u64, u64)> = if shared_page(segments).is_none() {
            loads(segments).map(filled).collect()
        } else {
            parts(segments).iter().map(|part| (part.address, part.end, part.offset)).collect()
        };
        out.sort_unstable();
        Self { filled: out }
    }

    pub(super) fn offset(&self, address: u64) -> Option<u64> {
        let after = self.filled.partition_point(|(begin, ..)| *begin <= address);
        let (begin, end, offset) = self.filled[..after].last()?;
        (address < *end).then(|| offset.checked_add(address - begin))?
    }
}

/// Segments as their headers say; where some share a page, what is left of each.
pub(super) fn parts(segments: &[Segment]) -> Vec<Part> {
    let part = |segment: &Segment, (address, end, offset)| {
        let (execute, write) = (segment.execute, segment.write);
        Part { address, end, offset, execute, write }
    };
    if shared_page(segments).is_none() {
        let exact = |segment: &Segment| {
            let end = segment.address.saturating_add(segment.file_size);
            part(segment, (segment.address, end, segment.offset))
        };
        return loads(segments).map(exact).collect();
    }
    let mut out: Vec<Part> = Vec::new();
    for segment in loads(segments) {
        let (first, end) = pages(segment);
        out = out.iter().flat_map(|old| without(*old, first, end)).collect();
        out.push(part(segment, filled(segment)));
    }
    out.retain(|part| part.address < part.end);
    out
}

/// Takes a range out of a part and gives what is left.
fn without(part: Part, first: u64, end: u64) -> impl Iterator<Item = Part> {
    let before = Part { end: part.end.min(first), ..part };
    let address = part.address.max(end);
    let offset = part.offset.saturating_add(address - part.address);
    let after = Part { address, offset, ..part };
    [before, after].into_iter().filter(|part| part.address < part.end)
}
