//! The file as the kernel maps it: addresses instead of offsets. Pure.

use super::Machine;
use super::facts::{Facts, Kind, SegmentKind, slice};

/// A mapped part with bytes in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Region<'a> {
    pub(super) address: u64,
    pub(super) bytes: &'a [u8],
    pub(super) execute: bool,
    pub(super) write: bool,
}

impl Region<'_> {
    pub(super) fn end(&self) -> u64 {
        self.address.saturating_add(self.bytes.len() as u64)
    }

    fn contains(&self, address: u64) -> bool {
        address >= self.address && address < self.end()
    }
}

/// All regions by address. In objects, where nothing is placed yet, addresses are file offsets.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    pub(super) regions: Vec<Region<'a>>,
    little_endian: bool,
}

impl<'a> Memory<'a> {
    pub(super) fn of(bytes: &'a [u8], facts: &Facts<'a>) -> Self {
        let mut regions = Vec::new();
        if facts.kind == Kind::Relocatable {
            for section in facts.sections.list.iter().filter(|section| section.allocated()) {
                let Some(bytes) = facts.sections.bytes_of(section) else { continue };
                let (execute, write) = (section.executable(), section.writable());
                regions.push(Region { address: section.offset, bytes, execute, write });
            }
        } else {
            let loads = facts.segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
            for segment in loads {
                // What the file is too short for is not there; the rest is.
                let left = (bytes.len() as u64).saturating_sub(segment.offset);
                let size = segment.file_size.min(left);
                let Some(bytes) = slice(bytes, segment.offset, size) else { continue };
                let (execute, write) = (segment.execute, segment.write);
                regions.push(Region { address: segment.address, bytes, execute, write });
            }
        }
        regions.sort_by_key(|region| region.address);
        // Overlapping parts would be read many times over: a file may map itself a thousand times.
        let mut budget = (bytes.len() as u64).saturating_mul(2);
        regions.retain(|region| {
            let size = region.bytes.len() as u64;
            let fits = size <= budget && size > 0;
            if fits {
                budget -= size;
            }
            fits
        });
        Self { regions, little_endian: facts.little_endian }
    }

    pub(super) fn region(&self, address: u64) -> Option<&Region<'a>> {
        self.regions.iter().find(|region| region.contains(address))
    }

    /// The bytes from an address to the end of its region.
    pub(super) fn from(&self, address: u64) -> Option<&'a [u8]> {
        let region = self.region(address)?;
        region.bytes.get(usize::try_from(address - region.address).ok()?..)
    }

    pub(super) fn executable(&self, address: u64) -> bool {
        self.region(address).is_some_and(|region| region.execute)
    }

    pub(super) fn code(&self) -> impl Iterator<Item = &Region<'a>> {
        self.regions.iter().filter(|region| region.execute)
    }

    /// A little-endian instruction word; AArch64 code is little-endian whatever the data is.
    pub(super) fn instruction(&self, address: u64) -> Option<u32> {
        let bytes: [u8; 4] = self.from(address)?.get(..4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    }

    pub(super) fn little_endian(&self) -> bool {
        self.little_endian
    }
}

/// True for machines whose code we read.
pub(super) fn readable(machine: Machine) -> bool {
    matches!(machine, Machine::X86_64 | Machine::Aarch64)
}
