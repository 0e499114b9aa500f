//! The bytes of a file: all of them, or the ranges that were asked for. Pure: who opens the file lends a function.
//!
//! A loader reads a few hundred bytes of a program; so do the rules about headers. Ranges are read once, in whole pages,
//! and stay until the file is done with. A hostile file that has itself read in a thousand places is read whole instead,
//! so that no more than twice the file is ever held.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

/// The unit of reading in bytes: reads begin at a multiple of it and have at least this size.
const PAGE: u64 = 4096;
/// The largest number of ranges that are kept of a file; no linker's file needs as many.
const MAX_PARTS: usize = 64;
/// Bytes that are searched at once.
const CHUNK: u64 = 256 << 10;

/// A function that reads at an offset into a buffer and gives the number of bytes read.
pub type ReadAt<'s> = dyn Fn(u64, &mut [u8]) -> usize + 's;

/// A file as rules see it: whole in memory, or read range by range.
#[derive(Debug, Clone, Copy)]
pub enum Image<'a> {
    Whole(&'a [u8]),
    Parts(&'a Parts<'a>),
}

/// A file of which ranges are read when they are asked for.
pub struct Parts<'s> {
    length: u64,
    read_at: &'s ReadAt<'s>,
    /// Told before so many bytes more are kept.
    announce: Option<&'s dyn Fn(u64)>,
    first: OnceCell<Box<Part>>,
    count: Cell<usize>,
    held: Cell<u64>,
    whole: OnceCell<Vec<u8>>,
}

struct Part {
    offset: u64,
    bytes: Vec<u8>,
    next: OnceCell<Box<Part>>,
}

impl std::fmt::Debug for Parts<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} bytes, {} held", self.length, self.held.get())
    }
}

impl<'s> Parts<'s> {
    /// Makes a file of a known length, of which the first bytes were read already.
    pub fn new(length: u64, head: Vec<u8>, read_at: &'s ReadAt<'s>) -> Self {
        let held = Cell::new(head.len() as u64);
        let first = OnceCell::new();
        let part = Part { offset: 0, bytes: head, next: OnceCell::new() };
        first.get_or_init(|| Box::new(part));
        Self {
            length,
            read_at,
            announce: None,
            first,
            count: Cell::new(1),
            held,
            whole: OnceCell::new(),
        }
    }

    /// Sets a function that is told the number of bytes each time before more are kept.
    #[must_use]
    pub fn announcing(mut self, announce: &'s dyn Fn(u64)) -> Self {
        self.announce = Some(announce);
        self
    }

    /// Announces what is kept to the function that another file announces to.
    #[must_use]
    pub fn like(mut self, other: Image<'s>) -> Self {
        if let Image::Parts(other) = other {
            self.announce = other.announce;
        }
        self
    }

    fn keep(&self, offset: u64, length: u64) -> Vec<u8> {
        if let Some(announce) = self.announce {
            announce(length);
        }
        self.read(offset, length)
    }

    fn slice(&self, offset: u64, size: u64) -> Option<&[u8]> {
        let end = offset.checked_add(size).filter(|end| *end <= self.length)?;
        if let Some(whole) = self.whole.get() {
            return cut(whole, offset, size);
        }
        let mut place = &self.first;
        while let Some(part) = place.get() {
            if offset >= part.offset
                && let Some(found) = cut(&part.bytes, offset - part.offset, size)
            {
                return Some(found);
            }
            place = &part.next;
        }
        let start = offset & !(PAGE - 1);
        let length = end.checked_next_multiple_of(PAGE)?.min(self.length) - start;
        if self.count.get() >= MAX_PARTS || self.held.get().saturating_add(length) > self.length {
            let whole = self.whole.get_or_init(|| self.keep(0, self.length));
            return cut(whole, offset, size);
        }
        self.count.set(self.count.get() + 1);
        self.held.set(self.held.get().saturating_add(length));
        let part = place.get_or_init(|| {
            let bytes = self.keep(start, length);
            Box::new(Part { offset: start, bytes, next: OnceCell::new() })
        });
        cut(&part.bytes, offset - part.offset, size)
    }

    fn read(&self, offset: u64, length: u64) -> Vec<u8> {
        let length = usize::try_from(length).unwrap_or(0);
        // An allocator keeps what it got for one size from the others: a few sizes are enough.
        let mut bytes = Vec::with_capacity(length.checked_next_power_of_two().unwrap_or(length));
        bytes.resize(length, 0);
        let read = self.fill(offset, &mut bytes);
        bytes.truncate(read);
        bytes
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            match (self.read_at)(offset.saturating_add(done as u64), &mut buffer[done..]) {
                0 => break,
                read => done += read.min(buffer.len() - done),
            }
        }
        done
    }
}

fn cut(bytes: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    bytes.get(start..end)
}

impl<'a> Image<'a> {
    pub fn length(self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Parts(parts) => parts.length,
        }
    }

    /// The bytes of a range; `None` when it does not lie in the file whole.
    pub fn slice(self, offset: u64, size: u64) -> Option<&'a [u8]> {
        match self {
            Self::Whole(bytes) => cut(bytes, offset, size),
            Self::Parts(parts) => parts.slice(offset, size),
        }
    }

    /// The bytes of a range, as far as the file has them.
    pub fn up_to(self, offset: u64, size: u64) -> Option<&'a [u8]> {
        let left = self.length().checked_sub(offset)?;
        self.slice(offset, size.min(left))
    }

    /// Copies the bytes of a range, as far as the file has them, without keeping them.
    pub(super) fn peek(self, offset: u64, size: u64) -> Cow<'a, [u8]> {
        let size = size.min(self.length().saturating_sub(offset));
        match self {
            Self::Whole(bytes) => Cow::Borrowed(cut(bytes, offset, size).unwrap_or_default()),
            Self::Parts(parts) => Cow::Owned(parts.read(offset, size)),
        }
    }

    /// Copies a range that may be large; its size is announced before.
    pub(super) fn copy(self, offset: u64, size: u64) -> Cow<'a, [u8]> {
        let size = size.min(self.length().saturating_sub(offset));
        match self {
            Self::Whole(_) => self.peek(offset, size),
            Self::Parts(parts) => Cow::Owned(parts.keep(offset, size)),
        }
    }

    /// Reads a range, as far as the file has it, into a buffer that is used again; nothing else is
    /// kept.
    pub(super) fn refill(self, offset: u64, size: u64, buffer: &mut Cow<'a, [u8]>) {
        let size = size.min(self.length().saturating_sub(offset));
        match self {
            Self::Whole(bytes) => {
                *buffer = Cow::Borrowed(cut(bytes, offset, size).unwrap_or_default());
            }
            Self::Parts(parts) => {
                let buffer = buffer.to_mut();
                buffer.resize(usize::try_from(size).unwrap_or(0), 0);
                let read = parts.fill(offset, buffer);
                buffer.truncate(read);
            }
        }
    }

    /// Tells whether the whole file is in memory.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Whole(_))
    }

    /// Calls `look` with the file piece by piece, each beginning with the last `overlap` bytes of the one before, until it
    /// answers. Nothing of it is kept.
    pub fn search<T>(self, overlap: usize, look: &mut dyn FnMut(&[u8]) -> Option<T>) -> Option<T> {
        self.search_in((0, self.length()), overlap, look)
    }

    /// Searches a range (offset and size, as far as the file has it) like [`Self::search`].
    pub(super) fn search_in<T>(
        self,
        (offset, size): (u64, u64),
        overlap: usize,
        look: &mut dyn FnMut(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let size = size.min(self.length().saturating_sub(offset));
        let parts = match self {
            Self::Whole(bytes) => return look(cut(bytes, offset, size)?),
            Self::Parts(parts) => match parts.whole.get() {
                Some(whole) => return look(cut(whole, offset, size)?),
                None => parts,
            },
        };
        let in_memory = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        let mut buffer = vec![0; in_memory(CHUNK.min(size)) + overlap];
        let (mut done, mut kept) = (0, 0);
        loop {
            let room = in_memory(size - done).min(buffer.len() - kept);
            let read = parts.fill(offset.saturating_add(done), &mut buffer[kept..kept + room]);
            let filled = kept + read;
            if read == 0 {
                return None;
            }
            if let Some(found) = look(&buffer[..filled]) {
                return Some(found);
            }
            done += read as u64;
            kept = overlap.min(filled);
            buffer.copy_within(filled - kept..filled, 0);
        }
    }

    /// Tells whether the bytes stand somewhere in the file.
    pub fn contains(self, needle: &[u8]) -> bool {
        let finder = memchr::memmem::Finder::new(needle);
        let found = self.search(needle.len(), &mut |bytes| finder.find(bytes));
        found.is_some()
    }

    /// The whole file: borrowed where it is in memory, else read.
    pub fn whole(self) -> Cow<'a, [u8]> {
        match self {
            Self::Whole(bytes) => Cow::Borrowed(bytes),
            Self::Parts(parts) => match parts.whole.get() {
                Some(whole) => Cow::Borrowed(whole),
                None => Cow::Owned(parts.read(0, parts.length)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Image, Parts};

    fn pattern() -> Vec<u8> {
        (0..600_000_u32).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
    }

    #[test]
    fn ranges_are_those_of_the_file_and_no_more_than_twice_it_is_held() {
        let bytes = pattern();
        let read = std::cell::Cell::new(0);
        let read_at = |offset: u64, buffer: &mut [u8]| {
            let from = &bytes[usize::try_from(offset).unwrap().min(bytes.len())..];
            // Reads may be short.
            let length = from.len().min(buffer.len()).min(5000);
            buffer[..length].copy_from_slice(&from[..length]);
            read.set(read.get() + length);
            length
        };
        let parts = Parts::new(bytes.len() as u64, bytes[..4096].to_vec(), &read_at);
        let image = Image::Parts(&parts);
        assert_eq!(image.slice(10, 100), bytes.get(10..110));
        assert_eq!(read.get(), 0, "the head is known");
        for (offset, size) in [(4090, 20), (599_000, 1000), (300_001, 9000), (300_500, 10)] {
            assert_eq!(image.slice(offset, size), Image::Whole(&bytes).slice(offset, size));
        }
        assert!(read.get() < 40_000, "{}", read.get());
        for (offset, size) in [(599_000, 1001), (u64::MAX, 1), (0, u64::MAX)] {
            assert_eq!(image.slice(offset, size), None);
        }
        for at in 0..580_u64 {
            assert_eq!(image.slice(at * 1000, 5000), Image::Whole(&bytes).slice(at * 1000, 5000));
        }
        assert!(read.get() <= 2 * bytes.len(), "{}", read.get());
    }

    #[test]
    fn a_text_is_found_where_two_pieces_meet() {
        let mut bytes = vec![0; 600_000];
        bytes[262_140..262_150].copy_from_slice(b"0123456789");
        let read_at = |offset: u64, buffer: &mut [u8]| {
            let from = &bytes[usize::try_from(offset).unwrap().min(bytes.len())..];
            let length = from.len().min(buffer.len());
            buffer[..length].copy_from_slice(&from[..length]);
            length
        };
        let parts = Parts::new(bytes.len() as u64, Vec::new(), &read_at);
        assert!(Image::Parts(&parts).contains(b"0123456789"));
        assert!(!Image::Parts(&parts).contains(b"0123456780"));
        let in_range = |offset: u64, size: u64| {
            let find = &mut |bytes: &[u8]| memchr::memmem::find(bytes, b"0123456789");
            [Image::Parts(&parts), Image::Whole(&bytes)]
                .map(|image| image.search_in((offset, size), 9, find).is_some())
        };
        assert_eq!(in_range(262_140, 10), [true; 2]);
        assert_eq!(in_range(0, 262_149), [false; 2], "ends in the middle");
        assert_eq!(in_range(262_141, u64::MAX), [false; 2]);
        assert_eq!(in_range(600_000, 1), [false; 2]);
    }
}
