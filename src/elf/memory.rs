//! The file as the kernel maps it: addresses instead of offsets. Pure.

use super::Machine;
use super::facts::{Facts, Kind, SegmentKind};
use super::image::Image;

/// A mapped part with bytes in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Region<'a> {
    pub(super) address: u64,
    offset: u64,
    size: u64,
    /// Of code only: what else is mapped is read where it is needed.
    pub(super) bytes: &'a [u8],
    pub(super) execute: bool,
    pub(super) write: bool,
}

impl Region<'_> {
    pub(super) fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
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
    image: Image<'a>,
}

impl<'a> Memory<'a> {
    pub(super) fn of(facts: &Facts<'a>) -> Self {
        let image = facts.image;
        let mut regions = Vec::new();
        if facts.kind == Kind::Relocatable {
            for section in facts.sections.list.iter().filter(|section| section.allocated()) {
                let (offset, size) = (section.offset, section.size);
                let inside = offset.checked_add(size).is_some_and(|end| end <= image.length());
                if !section.has_bytes() || !inside {
                    continue;
                }
                let (execute, write) = (section.executable(), section.writable());
                regions.push(Region { address: offset, offset, size, bytes: &[], execute, write });
            }
        } else {
            let loads = facts.segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
            for segment in loads {
                // What the file is too short for is not there; the rest is.
                let left = image.length().saturating_sub(segment.offset);
                let (address, offset) = (segment.address, segment.offset);
                let size = segment.file_size.min(left);
                let (execute, write) = (segment.execute, segment.write);
                regions.push(Region { address, offset, size, bytes: &[], execute, write });
            }
        }
        regions.sort_by_key(|region| region.address);
        // Overlapping parts would be read many times over: a file may map itself a thousand times.
        let mut budget = image.length().saturating_mul(2);
        regions.retain(|region| {
            let fits = region.size <= budget && region.size > 0;
            if fits {
                budget -= region.size;
            }
            fits
        });
        for region in regions.iter_mut().filter(|region| region.execute) {
            region.bytes = image.slice(region.offset, region.size).unwrap_or_default();
        }
        Self { regions, little_endian: facts.little_endian, image }
    }

    pub(super) fn region(&self, address: u64) -> Option<&Region<'a>> {
        self.regions.iter().find(|region| region.contains(address))
    }

    /// The bytes from an address to the end of its region.
    pub(super) fn from(&self, address: u64) -> Option<&'a [u8]> {
        let region = self.region(address)?;
        let skipped = address - region.address;
        if region.execute {
            return region.bytes.get(usize::try_from(skipped).ok()?..);
        }
        self.image.slice(region.offset.checked_add(skipped)?, region.size - skipped)
    }

    /// Up to so many bytes from an address.
    pub(super) fn at(&self, address: u64, size: u64) -> Option<&'a [u8]> {
        let region = self.region(address)?;
        let skipped = address - region.address;
        self.image.slice(region.offset.checked_add(skipped)?, size.min(region.size - skipped))
    }

    /// Calls `look` for every aligned word of eight bytes of what is mapped and is no code.
    pub(super) fn words_of_data(&self, look: &mut dyn FnMut(u64)) {
        const STEP: u64 = 1 << 20;
        for region in self.regions.iter().filter(|region| !region.execute) {
            let mut at = 0;
            while at < region.size {
                let piece =
                    self.image.peek(region.offset.saturating_add(at), STEP.min(region.size - at));
                for word in piece.chunks_exact(8) {
                    look(u64::from_le_bytes(word.try_into().unwrap_or_default()));
                }
                at += STEP;
            }
        }
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
