//! Code that Go's compiler made, by its linker's own table of functions (`pclntab`), which no `strip` takes away because
//! the runtime unwinds with it.
//!
//! A section's name, a magic text or a table alone prove nothing: anybody can put them into a C program. Believed is a
//! table whose every entry describes itself as the header says, whose functions lie in executable memory where
//! `.eh_frame` knows none (Go writes no `.eh_frame`), and of whose functions at least half begin with the check of the
//! stack bound that makes Go's stacks safe. C functions that Go's linker took in have no stack map in the table: they are
//! not Go's. Source: Go's `src/cmd/link/internal/ld/pcln.go`, `src/debug/gosym/pclntab.go`. Pure.

use super::facts::{Facts, Kind, Machine};
use super::functions::{self, Range};
use super::memory::Memory;
use super::symbols::NamedFunction;

/// The largest number of functions a Go table may have: the largest Go programs have some hundred
/// thousand.
const MAX_FUNCTIONS: u64 = 2_000_000;
/// The largest number of places that look like the beginning of a table and are tried.
const MAX_TRIED: usize = 16;
/// The smallest number of functions a Go program may have; the runtime alone has a thousand.
const MIN_FUNCTIONS: usize = 64;
/// Bytes of a function in which the check of the stack's bound must begin; a large frame is
/// computed before it.
const PROLOGUE: u64 = 40;
/// The smallest share, in percent, of Go's functions that must check the stack's bound. 72 to 80 %
/// do; the others have small frames and call nothing, or are assembly.
const MIN_CHECKED_PERCENT: usize = 50;
/// Bytes of table entries that are read at once.
const CHUNK: u64 = 32 << 10;

/// Versions of Go's function table, told by the number they begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Go 1.2: absolute addresses, no header to speak of.
    First,
    /// Go 1.16: offsets of the parts of the table.
    Parts,
    /// Go 1.18 and later: distances from the beginning of the code.
    Relative,
}

/// What is known of Go's code in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoCode {
    pub functions: usize,
    /// Those that begin with a check of the stack bound.
    pub checked: usize,
    /// Functions that are not Go's.
    pub foreign: usize,
    /// Bytes of code in no function at all, without padding.
    pub others: u64,
}

/// The functions of a Go table that agrees with the code.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Go's own, by address.
    pub(super) own: Vec<Range>,
    /// C functions the linker placed among them.
    pub(super) foreign: Vec<Range>,
    pub(super) checked: usize,
}

impl Table {
    /// Counts Go's functions beside those of other compilers.
    pub(super) fn with(&self, memory: &Memory<'_>, others: &[Range]) -> GoCode {
        let mut all = [others, &self.own].concat();
        all.sort_by_key(|range| range.start);
        GoCode {
            functions: self.own.len(),
            checked: self.checked,
            foreign: others.len(),
            others: functions::uncovered(memory, &all),
        }
    }

    /// Tells whether a named function is Go's: one of its functions, or one of the marks of a byte of padding that its linker
    /// (1.26 and later) leaves in `.symtab` only.
    pub(super) fn names(&self, memory: &Memory<'_>, function: &NamedFunction<'_>) -> bool {
        let (start, end) = (function.address, function.address.saturating_add(function.size));
        self.owns(start) || !has_code(memory, Range { start, end })
    }

    /// Tells whether an address lies in one of Go's functions.
    pub(super) fn owns(&self, address: u64) -> bool {
        let after = self.own.partition_point(|range| range.start <= address);
        self.own[..after].last().is_some_and(|range| address < range.end)
    }
}

/// Finds the first table that agrees with the code. Names of sections only say where to look first.
pub(super) fn table(memory: &Memory<'_>, facts: &Facts<'_>, unwound: &[Range]) -> Option<Table> {
    let machine = matches!(facts.machine, Machine::X86_64 | Machine::Aarch64);
    if !machine || !facts.is_64 || !facts.little_endian || facts.kind == Kind::Relocatable {
        return None;
    }
    let named = [".gopclntab", ".data.rel.ro.gopclntab"]
        .iter()
        .filter_map(|name| facts.sections.named(name))
        .map(|section| section.address);
    let mut read = |address| read(memory, facts, address, unwound);
    named.into_iter().find_map(&mut read).or_else(|| places(memory).into_iter().find_map(read))
}

/// Tells a name that Go's linker gives a section: `.gopclntab`, `.go.buildinfo`, `.note.go.buildid`. `.got` is none.
pub fn names_section(name: &str) -> bool {
    [".go.", ".gopclntab", ".gosymtab"].iter().any(|part| name.contains(part))
}

/// Aligned words of data that look like the first eight bytes of a table.
fn places(memory: &Memory<'_>) -> Vec<u64> {
    const STEP: u64 = 1 << 20;
    let mut out = Vec::new();
    for region in memory.regions.iter().filter(|region| !region.execute) {
        let mut at = 0;
        while at < region.end() - region.address && out.len() < MAX_TRIED {
            let start = region.address.wrapping_add(at);
            memory.look(start, STEP, |bytes| {
                let words = bytes.chunks_exact(8).enumerate();
                let likely = words.filter(|(_, word)| layout(word).is_some()).take(MAX_TRIED);
                out.extend(likely.map(|(index, _)| start.wrapping_add(index as u64 * 8)));
            });
            at += STEP;
        }
    }
    out
}

/// The version of the table that begins with these bytes: magic number, two zeros, smallest
/// instruction, size of a pointer.
fn layout(head: &[u8]) -> Option<Layout> {
    let [magic, 0xff, 0xff, 0xff, 0, 0, 1 | 4, 8, ..] = head else { return None };
    match magic {
        0xfb => Some(Layout::First),
        0xfa => Some(Layout::Parts),
        0xf0 | 0xf1 => Some(Layout::Relative),
        _ => None,
    }
}

struct Header {
    layout: Layout,
    count: u64,
    /// Where the code begins that entries count from.
    text: u64,
    /// The list of functions; what it says of their descriptions counts from `base`.
    list: u64,
    base: u64,
}

fn header(memory: &Memory<'_>, address: u64) -> Option<Header> {
    let words = memory.look(address, 72, |bytes| {
        let layout = layout(bytes)?;
        let words: Vec<u64> = bytes[8..]
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()))
            .collect();
        Some((layout, words))
    });
    let (layout, words) = words??;
    let word = |index: usize| words.get(index).copied();
    let count = word(0)?;
    let (text, list, base) = match layout {
        Layout::First => (0, address.checked_add(16)?, address),
        Layout::Parts => {
            let list = address.checked_add(word(6)?)?;
            (0, list, list)
        }
        Layout::Relative => {
            let list = address.checked_add(word(7)?)?;
            (word(2)?, list, list)
        }
    };
    let plausible = (MIN_FUNCTIONS as u64..=MAX_FUNCTIONS).contains(&count);
    plausible.then_some(Header { layout, count, text, list, base })
}

/// Reads consecutive numbers of four or eight bytes, a chunk at a time.
fn numbers(memory: &Memory<'_>, address: u64, size: u64, count: u64) -> Option<Vec<u64>> {
    let mut out = Vec::new();
    let total = count.checked_mul(size)?;
    let mut at = 0;
    while at < total {
        let length = CHUNK.min(total - at);
        let before = out.len();
        memory.look(address.checked_add(at)?, length, |bytes| {
            let size = usize::try_from(size).unwrap_or(8);
            out.extend(bytes.chunks_exact(size).map(|number| {
                let mut word = [0; 8];
                word[..size].copy_from_slice(number);
                u64::from_le_bytes(word)
            }));
        })?;
        if (out.len() - before) as u64 != length / size {
            return None;
        }
        at += length;
    }
    Some(out)
}

fn read(memory: &Memory<'_>, facts: &Facts<'_>, address: u64, unwound: &[Range]) -> Option<Table> {
    let header = header(memory, address)?;
    let size = if header.layout == Layout::Relative { 4 } else { 8 };
    let pairs = numbers(memory, header.list, size, header.count * 2 + 1)?;
    let text = match (header.layout, header.text) {
        (Layout::Relative, 0) => beginning(memory, facts.machine, &pairs)?,
        (_, text) => text,
    };
    let mut table = Table::default();
    let mut last = None;
    for entry in pairs.windows(3).step_by(2) {
        let [start, described, end] = *entry else { return None };
        // In order, so that a hostile table cannot have the file read over and over.
        if last.replace(described).is_some_and(|last| last >= described) {
            return None;
        }
        let end = text.checked_add(end)?;
        let range = Range { start: text.checked_add(start)?, end };
        if range.start > range.end {
            return None;
        }
        let place = header.base.checked_add(described)?;
        let (says, stack_map) = description(memory, place, size)?;
        if says != start {
            return None;
        }
        let inside = |range: &Range| {
            memory.region(range.start).is_some_and(|it| it.execute && range.end <= it.end())
        };
        if range.start < range.end && !inside(&range) {
            return None;
        }
        match stack_map {
            0 => table.foreign.push(range),
            _ => table.own.push(range),
        }
    }
    // Where .eh_frame knows a function, that is what it is, whoever else claims it.
    table.own.retain(|range| !overlaps(unwound, *range));
    // Go's linker marks the beginning and end of its FIPS code (1.24) with functions of nothing but padding.
    table.foreign.retain(|range| has_code(memory, *range) && !overlaps(unwound, *range));
    table.own.retain(|range| range.start < range.end);
    let starts = table.own.iter();
    table.checked = starts.filter(|range| checks_stack(memory, facts.machine, **range)).count();
    let enough = table.own.len() >= MIN_FUNCTIONS
        && table.checked.saturating_mul(100) >= table.own.len() * MIN_CHECKED_PERCENT;
    enough.then_some(table)
}

/// Tells whether a range holds something else than padding.
fn has_code(memory: &Memory<'_>, range: Range) -> bool {
    let size = range.end.saturating_sub(range.start).min(CHUNK);
    memory.look(range.start, size, functions::no_padding).unwrap_or(0) > 0
}

/// Where code begins when the header does not say it (Go 1.26 and later): where the first functions check their stacks.
fn beginning(memory: &Memory<'_>, machine: Machine, pairs: &[u64]) -> Option<u64> {
    const FIRST: usize = 256;
    // Of 256 functions in a row half begin with the check itself, in most parts of a program; small methods that reflection
    // keeps, which need none, stand together at the beginning.
    const PARTS: usize = 8;
    let all: Vec<u64> = pairs.iter().step_by(2).copied().collect();
    (0..PARTS).find_map(|part| {
        let row = all.get(all.len() * part / PARTS..)?;
        let row = &row[..row.len().min(FIRST)];
        let first = *row.first()?;
        let starts: Vec<usize> = row
            .iter()
            .filter_map(|start| usize::try_from(start.checked_sub(first)?).ok())
            .collect();
        base_of(memory, machine, first, &starts)
    })
}

/// Where code begins when functions start at these distances from `first`, which counts from there.
fn base_of(memory: &Memory<'_>, machine: Machine, first: u64, starts: &[usize]) -> Option<u64> {
    const NEAR: u64 = 256 << 10;
    const SEARCHED: u64 = 1 << 20;
    const FEW: usize = 64;
    const MIN_PERCENT: usize = 33;
    let begins = |code: &[u8]| match machine {
        Machine::X86_64 => code.starts_with(b"\x49\x3b\x66\x10"),
        _ => check(machine, code.get(..4).unwrap_or_default()),
    };
    let checked = |bytes: &[u8], starts: &[usize]| {
        starts.iter().filter(|start| bytes.get(**start..).is_some_and(begins)).count()
    };
    memory.code().find_map(|region| {
        let from = region.address.checked_add(first)?;
        memory.look(from, SEARCHED + NEAR, |bytes| {
            let base = (0..bytes.len()).step_by(16).find(|base| {
                let bytes = &bytes[*base..];
                let few = &starts[..starts.len().min(FEW)];
                checked(bytes, few) > 0
                    && checked(bytes, starts) * 100 >= starts.len() * MIN_PERCENT
            });
            base.map(|base| region.address.wrapping_add(base as u64))
        })?
    })
}

/// The entry a function's description names, and where the depths of its stack are written; 0 for none.
fn description(memory: &Memory<'_>, address: u64, size: u64) -> Option<(u64, u32)> {
    memory.look(address, size + 16, |bytes| {
        let four = |at: usize| -> Option<u32> {
            bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
        };
        // Entry, name, arguments, deferreturn (in the first layout: frame), stack depths.
        if size == 4 {
            Some((four(0)?.into(), four(16)?))
        } else {
            let entry = u64::from(four(0)?) | u64::from(four(4)?) << 32;
            Some((entry, four(20)?))
        }
    })?
}

/// Tells whether one of the sorted ranges shares a byte with this one.
fn overlaps(ranges: &[Range], range: Range) -> bool {
    let after = ranges.partition_point(|other| other.start < range.end);
    ranges[..after].last().is_some_and(|other| other.end > range.start)
}

fn checks_stack(memory: &Memory<'_>, machine: Machine, range: Range) -> bool {
    let length = PROLOGUE.min(range.end - range.start);
    memory.look(range.start, length, |code| check(machine, code)) == Some(true)
}

/// Tells whether code compares the stack pointer with the bound in the goroutine's descriptor.
fn check(machine: Machine, code: &[u8]) -> bool {
    match machine {
        // cmp rsp, [r14+16]; cmp r12 or r13, [r14+16]; before Go 1.17 mov rcx, fs:[-8].
        Machine::X86_64 => {
            code.windows(4).any(|four| {
                matches!(four, [0x49, 0x3b, 0x66, 0x10] | [0x4d, 0x3b, 0x66 | 0x6e, 0x10])
            }) || code.windows(9).any(|nine| nine == b"\x64\x48\x8b\x0c\x25\xf8\xff\xff\xff")
        }
        // ldr xN, [x28, 16]
        _ => code.chunks_exact(4).any(|word| {
            let word = u32::from_le_bytes(word.try_into().unwrap_or_default());
            word & 0xffff_ffe0 == 0xf940_0b80
        }),
    }
}
