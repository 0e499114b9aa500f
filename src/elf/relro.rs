//! Which pages the loader will make read-only. Pure.

use super::{Facts, SegmentKind};

/// The page size of x86-64, and the smallest of the others.
pub const PAGE: u64 = 4096;

/// What the loader protects, as glibc rounds it (elf/dl-reloc.c `_dl_protect_relro`): both ends down to a page.
pub fn range(facts: &Facts<'_>, page: u64) -> Option<(u64, u64)> {
    let segment = facts.segments.iter().find(|segment| segment.kind == SegmentKind::GnuRelro)?;
    let start = segment.address & !(page - 1);
    let end = segment.address.saturating_add(segment.memory_size) & !(page - 1);
    Some((start, end))
}
