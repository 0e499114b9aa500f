#![no_main]
//! Facts, code, notes and debug information of an ELF file, read whole and in ranges: the same facts both ways.

use libfuzzer_sys::fuzz_target;
use quench::elf::{self, Depth, Image, Parts};

fuzz_target!(|bytes: &[u8]| {
    let whole = elf::facts(bytes);
    let read_at = |offset: u64, buffer: &mut [u8]| {
        let from = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let length = from.len().min(buffer.len());
        buffer[..length].copy_from_slice(&from[..length]);
        length
    };
    let parts = Parts::new(bytes.len() as u64, Vec::new(), &read_at);
    let ranges = elf::facts_of(Image::Parts(&parts), Depth::Symbols);
    assert_eq!(whole.is_ok(), ranges.is_ok());
    let (Ok(whole), Ok(ranges)) = (whole, ranges) else { return };
    assert_eq!(
        (whole.kind, &whole.segments, &whole.dynamic, &whole.symbols, &whole.unreadable),
        (ranges.kind, &ranges.segments, &ranges.dynamic, &ranges.symbols, &ranges.unreadable)
    );
    assert_eq!(elf::code(&whole, None), elf::code(&ranges, None));
    let _ = elf::units(&whole, Some(&ranges.sections));
    let _ = elf::layout::sections(bytes);
    let _ = elf::layout::package_note(bytes);
});
