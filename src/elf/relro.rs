//! Which pages the loader will make read-only. Pure.

use super::{Facts, Machine, Segment, SegmentKind};

/// The page size of x86-64, and the smallest of the others.
pub const PAGE: u64 = 4096;

/// The `PT_GNU_RELRO` that the loaders obey: of several the last.
pub fn segment<'f>(facts: &'f Facts<'_>) -> Option<&'f Segment> {
    facts.segments.iter().rfind(|segment| segment.kind == SegmentKind::GnuRelro)
}

/// Addresses that the loader makes read-only, rounded as glibc does (elf/dl-reloc.c
/// `_dl_protect_relro`): both ends down to a page.
pub fn range(facts: &Facts<'_>, page: u64) -> Option<(u64, u64)> {
    let segment = segment(facts)?;
    let start = segment.address & !(page - 1);
    let end = segment.address.saturating_add(segment.memory_size) & !(page - 1);
    Some((start, end))
}

/// The page sizes of kernels that can load the file, the smallest first. glibc refuses segments that are not aligned to
/// pages (elf/dl-load.c "ELF load command alignment not page-aligned"), the kernel those whose place in the file is not
/// that in memory.
pub fn page_sizes(facts: &Facts<'_>) -> Vec<u64> {
    let loads = || facts.segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
    let fits = |page: &u64| {
        loads().all(|segment| {
            let aligned = segment.align <= 1 || segment.align.is_multiple_of(*page);
            aligned && segment.address.abs_diff(segment.offset).is_multiple_of(*page)
        })
    };
    let all = facts.machine.pages();
    let fitting: Vec<u64> = all.iter().copied().filter(fits).collect();
    if fitting.is_empty() { all[..1].to_vec() } else { fitting }
}

/// Tells whether the file has the message of glibc's code that protects RELRO (elf/dl-protect.c): of all C libraries only
/// glibc has it, and no static program with glibc lacks it. A text is no proof that the code is there.
pub fn names_protection(facts: &Facts<'_>) -> bool {
    facts.image.contains(b"cannot apply additional memory protection after relocation")
}

/// A search that is given pieces of code until it answers `true`.
type Search = Box<dyn FnMut(&[u8]) -> bool>;

/// Numbers of program headers in AArch64 registers: `mov wN, 0xe551; movk wN, 0x6474, lsl 16`. GCC adds to one of a
/// neighbouring header where it needs both.
#[derive(Default)]
struct Numbers {
    low: [u32; 32],
    whole: [Option<u32>; 32],
}

impl Numbers {
    /// True when a register holds `PT_GNU_RELRO`.
    fn after(&mut self, word: u32) -> bool {
        const WANTED: u32 = 0x6474_e552;
        let to = word as usize & 31;
        let found = match word & 0xffe0_0000 {
            0x5280_0000 => {
                self.low[to] = word >> 5 & 0xffff;
                self.whole[to] = None;
                return false;
            }
            0x72a0_0000 => Some((word >> 5 & 0xffff) << 16 | self.low[to]),
            // add and sub of a small number, 32 bits
            0x1100_0000 | 0x5100_0000 => {
                let from = self.whole[word as usize >> 5 & 31];
                let number = word >> 10 & 0xfff;
                let add = word & 1 << 30 == 0;
                from.map(|it| if add { it.wrapping_add(number) } else { it.wrapping_sub(number) })
            }
            _ => return false,
        };
        self.whole[to] = found;
        found == Some(WANTED)
    }
}

/// Tells whether code of the file looks for `PT_GNU_RELRO` headers: a static program has to protect
/// itself. `None` for machines whose code is not read.
pub fn is_looked_for(facts: &Facts<'_>) -> Option<bool> {
    let mut numbers = Numbers::default();
    let mut found: Search = match facts.machine {
        // A number in an instruction: `cmp edx, 0x6474e552`.
        Machine::X86 | Machine::X86_64 => {
            let number = memchr::memmem::Finder::new(b"\x52\xe5\x74\x64");
            Box::new(move |code| number.find(code).is_some())
        }
        Machine::Aarch64 => Box::new(move |code| {
            let words = code.as_chunks().0.iter();
            words.map(|word| u32::from_le_bytes(*word)).any(|word| numbers.after(word))
        }),
        _ => return None,
    };
    let code = facts.segments.iter().filter(|it| it.kind == SegmentKind::Load && it.execute);
    let mut look = |code: &[u8]| found(code).then_some(());
    // Pieces overlap by a whole instruction of AArch64, so that those of the next are aligned, too.
    let mut code = code.map(|it| (it.offset, it.file_size));
    Some(code.any(|range| facts.image.search_in(range, 4, &mut look).is_some()))
}
