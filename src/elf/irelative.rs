//! The slots that a static program's start code fills with what resolvers return: memcpy, strlen and others that are
//! chosen by the processor. Pure.
//!
//! A static program that is no PIE has no dynamic table. Its start code walks a row of `IRELATIVE` relocations
//! between two addresses that only code names. Sections would name them, too, but may be missing: they are found
//! by what they are.

use super::{Facts, Machine, Segment, SegmentKind};

/// The largest number of slots that are kept; glibc's own are some tens.
const MAX_SLOTS: usize = 65_536;

/// Addresses of the words that hold what a resolver returned, of a program without a dynamic table.
pub fn irelative_slots(facts: &Facts<'_>) -> Vec<u64> {
    let mut out = Vec::new();
    let kind = facts.machine.relocations().and_then(|numbers| numbers.irelative);
    let Some(kind) = kind.filter(|_| facts.dynamic.is_none()) else { return out };
    let word = if facts.is_64 { 8 } else { 4 };
    for segment in loads(facts).filter(|segment| !segment.write) {
        let range = (segment.offset, segment.file_size);
        // Pieces overlap by an entry, so that one at the border is seen.
        let entry = if with_addend(facts) { 3 * word } else { 2 * word };
        facts.image.search_in(range, entry, &mut |bytes| {
            for at in (0..bytes.len().saturating_sub(entry - 1)).step_by(4) {
                if let Some(slot) = slot(facts, &bytes[at..at + entry], word, kind) {
                    out.push(slot);
                }
            }
            (out.len() >= MAX_SLOTS).then_some(())
        });
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// i386 and Arm keep the addend in the slot.
fn with_addend(facts: &Facts<'_>) -> bool {
    !matches!(facts.machine, Machine::X86 | Machine::Arm)
}

fn loads<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = &'f Segment> {
    facts.segments.iter().filter(|segment| segment.kind == SegmentKind::Load)
}

/// The place of a relocation: a word that is written to, with the address of code as its addend.
fn slot(facts: &Facts<'_>, entry: &[u8], word: usize, kind: u32) -> Option<u64> {
    // An entry without a symbol: what is its type is all of r_info.
    if number(facts, entry.get(word..2 * word)?) != u64::from(kind) {
        return None;
    }
    let place = number(facts, &entry[..word]);
    let inside = |segment: &&Segment, address: u64| {
        (segment.address..segment.address.saturating_add(segment.memory_size)).contains(&address)
    };
    loads(facts).find(|segment| segment.write && inside(segment, place))?;
    let resolver = if with_addend(facts) {
        number(facts, entry.get(2 * word..)?)
    } else {
        let offset = super::offset_of(&facts.segments, place)?;
        number(facts, &facts.image.peek(offset, word as u64))
    };
    // Of the older ABI of 64-bit PowerPC a function's address is that of its descriptor.
    let callable = |segment: &&Segment| segment.execute || facts.machine == Machine::PowerPc64;
    loads(facts).find(|segment| callable(segment) && inside(segment, resolver))?;
    place.is_multiple_of(word as u64).then_some(place)
}

fn number(facts: &Facts<'_>, bytes: &[u8]) -> u64 {
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    if facts.little_endian { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
}
