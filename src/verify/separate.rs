//! Separate debug files, found by build-id. Pure.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use crate::archive::{self, Limits, Member, compress};
use crate::elf::{self, Depth, Image, Parts};

/// What is compressed at a time, and what is unpacked for one look into it.
const BLOCK: usize = 256 << 10;
/// Blocks that stay unpacked while one file is judged.
const KEPT: usize = 4;

/// A debug file of which ranges are read when they are asked for.
pub struct DebugFile {
    length: u64,
    read_at: Box<elf::ReadAt<'static>>,
}

impl std::fmt::Debug for DebugFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "a debug file of {} bytes", self.length)
    }
}

impl DebugFile {
    /// One that somebody else reads.
    pub fn new(length: u64, read_at: Box<elf::ReadAt<'static>>) -> Self {
        Self { length, read_at }
    }

    /// The file as rules see it; what is held of it counts as what is held of `of`.
    pub(super) fn parts<'a>(&'a self, of: Image<'a>) -> Parts<'a> {
        Parts::new(self.length, Vec::new(), &*self.read_at).like(of)
    }
}

impl From<Vec<u8>> for DebugFile {
    fn from(bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        let read_at = move |offset: u64, buffer: &mut [u8]| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let from = bytes.get(start..).unwrap_or_default();
            let size = from.len().min(buffer.len());
            buffer[..size].copy_from_slice(&from[..size]);
            size
        };
        Self { length, read_at: Box::new(read_at) }
    }
}

/// A file kept compressed: all debug files of a package are held until the last file was judged.
#[derive(Debug)]
struct Packed {
    length: usize,
    blocks: Vec<Vec<u8>>,
}

impl Packed {
    fn of(bytes: &[u8]) -> std::io::Result<Self> {
        let blocks = bytes.chunks(BLOCK).map(compress::shrink);
        Ok(Self { length: bytes.len(), blocks: blocks.collect::<Result<_, _>>()? })
    }

    fn block(&self, index: usize) -> Vec<u8> {
        let block = self.blocks.get(index);
        block.and_then(|block| compress::restore(block, BLOCK).ok()).unwrap_or_default()
    }

    fn bytes(&self) -> Vec<u8> {
        (0..self.blocks.len()).flat_map(|index| self.block(index)).collect()
    }
}

/// Reads ranges out of blocks; those that were used last stay.
fn unpacking(packed: Arc<Packed>) -> DebugFile {
    let kept: RefCell<Vec<(usize, Vec<u8>)>> = RefCell::default();
    let length = packed.length as u64;
    let read_at = move |offset: u64, buffer: &mut [u8]| {
        let Ok(offset) = usize::try_from(offset) else { return 0 };
        let index = offset / BLOCK;
        let mut kept = kept.borrow_mut();
        let found = kept.iter().position(|(known, _)| *known == index);
        let block = match found {
            Some(place) => kept.remove(place),
            None => (index, packed.block(index)),
        };
        kept.truncate(KEPT - 1);
        let from = block.1.get(offset % BLOCK..).unwrap_or_default();
        let size = from.len().min(buffer.len());
        buffer[..size].copy_from_slice(&from[..size]);
        kept.insert(0, block);
        size
    };
    DebugFile::new(length, Box::new(read_at))
}

/// Debug files of packages.
#[derive(Debug, Default)]
pub struct SeparateFiles {
    by_build_id: BTreeMap<String, Arc<Packed>>,
}

impl SeparateFiles {
    /// Keeps every debug file of an input: a package, an archive, or a debug file.
    pub fn read(&mut self, name: &str, reader: &mut dyn Read) {
        let mut keep = |member: Member| {
            if let Some(build_id) = build_id(Image::Whole(&member.bytes))
                && let Ok(packed) = Packed::of(&member.bytes)
            {
                self.by_build_id.insert(build_id, Arc::new(packed));
            }
        };
        archive::open(name, reader, Limits::default(), false, &mut keep);
    }

    /// All of them with their build-ids.
    pub fn all(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        self.by_build_id.iter().map(|(build_id, packed)| (build_id.as_str(), packed.bytes()))
    }

    /// The debug file of a build-id.
    pub fn find(&self, build_id: &str) -> Option<DebugFile> {
        self.by_build_id.get(build_id).map(|packed| unpacking(Arc::clone(packed)))
    }
}

/// The build-id of a file with debug information.
pub fn build_id(image: Image<'_>) -> Option<String> {
    let facts = elf::facts_of(image, Depth::Headers).ok()?;
    facts.sections.named(".debug_info").and(facts.build_id)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, DebugFile, Packed, unpacking};

    #[test]
    fn what_is_kept_compressed_is_read_back_range_by_range() {
        let bytes: Vec<u8> =
            (0..3 * BLOCK + 77).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();
        let packed = Packed::of(&bytes).unwrap();
        let held: usize = packed.blocks.iter().map(Vec::len).sum();
        assert!(held < bytes.len() / 10, "{held}");
        assert_eq!(packed.bytes(), bytes);
        let whole = DebugFile::from(bytes.clone());
        let packed = unpacking(packed.into());
        let read = |file: &DebugFile, offset: usize, size: usize| {
            let (mut out, mut done) = (vec![0; size], 0);
            loop {
                match (file.read_at)((offset + done) as u64, &mut out[done..]) {
                    0 => break,
                    read => done += read,
                }
            }
            out.truncate(done);
            out
        };
        for (offset, size) in [
            (0, 10),
            (BLOCK - 3, 7),
            (5, 3 * BLOCK),
            (3 * BLOCK, 999),
            (bytes.len(), 1),
            (1 << 40, 1),
        ] {
            let end = bytes.len().min(offset + size);
            let wanted = &bytes[offset.min(end)..end];
            assert_eq!(read(&packed, offset, size), wanted, "{offset} {size}");
            assert_eq!(read(&whole, offset, size), wanted);
        }
    }
}
