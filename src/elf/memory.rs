//! The file as the kernel maps it: addresses instead of offsets. Pure.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

use super::Machine;
use super::facts::{Facts, Kind};
use super::image::Image;
use super::mapping;

/// Bytes of code that are held at a time, so few that they stay in a core's own cache while they
/// are looked at.
const WINDOW: u64 = 256 << 10;

/// Bytes that are read around an address that is looked at alone.
const AROUND: u64 = 16 << 10;

/// A mapped part of the file. It holds no bytes: whoever wants some asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) address: u64,
    offset: u64,
    size: u64,
    pub(super) execute: bool,
    pub(super) write: bool,
}

impl Region {
    pub(super) fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }

    fn contains(&self, address: u64) -> bool {
        address >= self.address && address < self.end()
    }

    /// The part of a region between two addresses; the whole region when it is one piece anyway.
    pub(super) fn part(&self, start: u64, end: u64) -> Option<Self> {
        if self.size <= WINDOW {
            return Some(*self);
        }
        let (start, end) = (start.max(self.address), end.min(self.end()));
        let size = end.checked_sub(start).filter(|size| *size > 0)?;
        let offset = self.offset.checked_add(start - self.address)?;
        Some(Self { address: start, offset, size, ..*self })
    }
}

/// All mapped regions of a file by address. In objects, where nothing is placed yet, addresses are
/// file offsets.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    pub(super) regions: Vec<Region>,
    /// No two regions overlap; sections of objects may.
    apart: bool,
    little_endian: bool,
    image: Image<'a>,
    /// The piece of the file that was read last.
    window: RefCell<(u64, Cow<'a, [u8]>)>,
    /// The piece that was lent last, and where in the file it begins.
    piece: RefCell<(u64, Cow<'a, [u8]>)>,
}

/// A piece of a region: `bytes[core]` are its own, what is before and after belongs to its neighbours.
#[derive(Debug)]
pub(super) struct Piece<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) core: Range<usize>,
    /// Of the first byte of `bytes`.
    pub(super) address: u64,
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
                regions.push(Region { address: offset, offset, size, execute, write });
            }
        } else {
            for part in mapping::parts(&facts.segments) {
                // What the file is too short for is not there; the rest is.
                let left = image.length().saturating_sub(part.offset);
                let (address, offset) = (part.address, part.offset);
                let size = (part.end - part.address).min(left);
                let (execute, write) = (part.execute, part.write);
                regions.push(Region { address, offset, size, execute, write });
            }
        }
        regions.sort_by_key(|region| region.address);
        // A file may map itself a thousand times.
        let mut budget = image.length().saturating_mul(2);
        regions.retain(|region| {
            let fits = region.size <= budget && region.size > 0;
            if fits {
                budget -= region.size;
            }
            fits
        });
        let apart = regions.windows(2).all(|pair| pair[0].end() <= pair[1].address);
        let nothing = || RefCell::new((0, Cow::Borrowed(&[][..])));
        let (window, piece) = (nothing(), nothing());
        Self { apart, regions, little_endian: facts.little_endian, image, window, piece }
    }

    pub(super) fn region(&self, address: u64) -> Option<&Region> {
        if self.apart {
            let after = self.regions.partition_point(|region| region.address <= address);
            return self.regions[..after].last().filter(|region| region.contains(address));
        }
        self.regions.iter().find(|region| region.contains(address))
    }

    /// Copies up to `length` bytes from an address, as far as its region goes, without keeping
    /// them.
    pub(super) fn copy(&self, address: u64, size: u64) -> Option<Cow<'a, [u8]>> {
        let region = self.region(address)?;
        let skipped = address - region.address;
        let offset = region.offset.checked_add(skipped)?;
        Some(self.image.copy(offset, size.min(region.size - skipped)))
    }

    /// Lends up to so many bytes from an address; neighbours of what was lent last cost nothing.
    pub(super) fn look<T>(
        &self,
        address: u64,
        size: u64,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Option<T> {
        let region = self.region(address)?;
        let skipped = address - region.address;
        let offset = region.offset.checked_add(skipped)?;
        let size = size.min(region.size - skipped);
        let inside = |window: &(u64, Cow<'_, [u8]>)| {
            let start = usize::try_from(offset.checked_sub(window.0)?).ok()?;
            let end = start.checked_add(usize::try_from(size).ok()?)?;
            (end <= window.1.len()).then_some(start..end)
        };
        // Code that fits is still there from when it was gone through.
        if let Ok(piece) = self.piece.try_borrow()
            && let Some(place) = inside(&piece)
        {
            return piece.1.get(place).map(look);
        }
        let mut window = self.window.borrow_mut();
        if inside(&window).is_none() {
            let left = region.size - skipped;
            self.image.refill(offset, size.max(AROUND).min(left), &mut window.1);
            window.0 = offset;
        }
        let place = inside(&window)?;
        window.1.get(place).map(look)
    }

    /// Lends a region piece by piece, in order, each with so many bytes of its neighbours, as long as `look` wants more.
    pub(super) fn pieces(
        &self,
        region: &Region,
        before: u64,
        after: u64,
        look: &mut dyn FnMut(Piece<'_>) -> bool,
    ) {
        let Ok(mut held) = self.piece.try_borrow_mut() else { return };
        let (place, buffer) = &mut *held;
        let step = if self.image.is_whole() { region.size } else { WINDOW };
        let mut at = 0;
        while at < region.size {
            let core = step.min(region.size - at);
            let begin = at.saturating_sub(before);
            let end = (at + core).saturating_add(after).min(region.size);
            let offset = region.offset.saturating_add(begin);
            if *place != offset || buffer.len() as u64 != end - begin {
                self.image.refill(offset, end - begin, buffer);
                *place = offset;
            }
            let first = usize::try_from(at - begin).unwrap_or(usize::MAX);
            let last = first.saturating_add(usize::try_from(core).unwrap_or(usize::MAX));
            let core = first.min(buffer.len())..last.min(buffer.len());
            let address = region.address.wrapping_add(begin);
            if !look(Piece { bytes: buffer, core, address }) {
                return;
            }
            at += step;
        }
    }

    /// The bytes from an address on, up to `length`.
    pub(super) fn at(&self, address: u64, size: u64) -> Option<&'a [u8]> {
        let region = self.region(address)?;
        let skipped = address - region.address;
        self.image.slice(region.offset.checked_add(skipped)?, size.min(region.size - skipped))
    }

    /// Calls `look` for every aligned word of eight bytes of what is mapped and is no code, with its address.
    pub(super) fn words_of_data(&self, look: &mut dyn FnMut(u64, u64)) {
        let mut piece = Cow::Borrowed(&[][..]);
        for region in self.regions.iter().filter(|region| !region.execute) {
            let mut at = 0;
            while at < region.size {
                let size = WINDOW.min(region.size - at);
                self.image.refill(region.offset.saturating_add(at), size, &mut piece);
                let mut address = region.address.wrapping_add(at);
                for word in piece.as_chunks().0 {
                    look(address, u64::from_le_bytes(*word));
                    address = address.wrapping_add(8);
                }
                at += WINDOW;
            }
        }
    }

    pub(super) fn executable(&self, address: u64) -> bool {
        self.region(address).is_some_and(|region| region.execute)
    }

    pub(super) fn code(&self) -> impl Iterator<Item = &Region> {
        self.regions.iter().filter(|region| region.execute)
    }

    /// A little-endian instruction word; AArch64 code is little-endian whatever the data is.
    pub(super) fn instruction(&self, address: u64) -> Option<u32> {
        let bytes: Option<[u8; 4]> = self.look(address, 4, |bytes| bytes.try_into().ok())?;
        Some(u32::from_le_bytes(bytes?))
    }

    pub(super) fn little_endian(&self) -> bool {
        self.little_endian
    }
}

/// Tells whether the code of a machine is read: x86-64's and AArch64's is.
pub(super) fn readable(machine: Machine) -> bool {
    matches!(machine, Machine::X86_64 | Machine::Aarch64)
}
