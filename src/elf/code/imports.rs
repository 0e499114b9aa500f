//! Which address is which imported function: stubs of the PLT, found by what they do, and slots of the GOT. Pure.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::sizes::size_register;
use crate::elf::memory::{Memory, Region};
use crate::elf::{Facts, Machine, Section};

/// What a call of an imported function says about its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callee {
    /// `__stack_chk_fail`
    Fails,
    /// A checked function that is told the size of an object.
    ToldASize,
    Other,
}

/// Imported functions by the addresses that lead to them: slots of the GOT and stubs of the PLT.
#[derive(Debug)]
pub(super) struct Imports<'a> {
    /// How often each is called.
    names: Vec<(&'a str, Callee, Cell<usize>)>,
    /// Slot or stub address, index of the name.
    slots: Vec<(u64, u32)>,
    stubs: Vec<(u64, u32)>,
}

/// Ranges in which sections say that stubs are; all addresses when that is not enough. A linker
/// makes four such sections at most.
fn stub_sections(facts: &Facts<'_>, thorough: bool) -> Vec<(u64, u64)> {
    if thorough {
        return vec![(0, u64::MAX)];
    }
    let sections = facts.sections.list.iter();
    let named = sections.filter(|section| section.executable() && section.name.starts_with(".plt"));
    let range =
        |section: &Section<'_>| (section.address, section.address.saturating_add(section.size));
    let mut out: Vec<(u64, u64)> = named.take(8).map(range).collect();
    // What is one piece is looked at whole.
    out.push((0, 0));
    out
}

impl<'a> Imports<'a> {
    /// Finds the imported functions of a file. `thorough` looks for stubs in all code, not only
    /// where sections say that there are some.
    pub(super) fn of(memory: &Memory<'_>, facts: &Facts<'a>, thorough: bool) -> Self {
        let mut out = Self { names: Vec::new(), slots: Vec::new(), stubs: Vec::new() };
        let Some(dynamic) = &facts.dynamic else { return out };
        let mut index: BTreeMap<usize, u32> = BTreeMap::new();
        for slot in dynamic.plt_slots.iter().chain(&dynamic.slots) {
            let Some(symbol) = facts.symbols.get(slot.symbol) else { continue };
            if symbol.name.is_empty() || symbol.defined {
                continue;
            }
            let number = *index.entry(slot.symbol).or_insert_with(|| {
                let callee = match symbol.name {
                    "__stack_chk_fail" => Callee::Fails,
                    name if size_register(name).is_some() => Callee::ToldASize,
                    _ => Callee::Other,
                };
                out.names.push((symbol.name, callee, Cell::new(0)));
                u32::try_from(out.names.len() - 1).unwrap_or(0)
            });
            out.slots.push((slot.address, number));
        }
        out.slots.sort_unstable();
        out.stubs = match facts.machine {
            Machine::X86_64 => out.x86_stubs(memory, &stub_sections(facts, thorough)),
            _ => out.arm_stubs(memory),
        };
        out.stubs.sort_unstable();
        out.stubs.dedup_by_key(|stub| stub.0);
        out
    }

    /// Finds x86-64 stubs: `jmp [rip+slot]`, maybe with `bnd` and `endbr64` before it.
    fn x86_stubs(&self, memory: &Memory<'_>, places: &[(u64, u64)]) -> Vec<(u64, u32)> {
        let mut out = Vec::new();
        if self.slots.is_empty() {
            return out;
        }
        let finder = memchr::memmem::Finder::new(b"\xff\x25");
        let parts = memory.code().flat_map(|region| {
            let parts = places.iter().filter_map(|(from, to)| region.part(*from, *to));
            let mut parts: Vec<Region> = parts.collect();
            parts.dedup();
            parts
        });
        for part in parts {
            memory.pieces(&part, 8, 8, &mut |piece| {
                let bytes = piece.bytes;
                for at in finder.find_iter(bytes).filter(|at| piece.core.contains(at)) {
                    let Some(distance) = bytes.get(at + 2..at + 6) else { continue };
                    let distance = i32::from_le_bytes(distance.try_into().unwrap_or_default());
                    let next = piece.address.wrapping_add(at as u64 + 6);
                    let Some(name) = self.at_slot(next.wrapping_add_signed(distance.into())) else {
                        continue;
                    };
                    let mut start = at;
                    for prefix in [&b"\xf2"[..], b"\xf3\x0f\x1e\xfa"] {
                        out.push((piece.address.wrapping_add(start as u64), name));
                        if bytes[..start].ends_with(prefix) {
                            start -= prefix.len();
                        }
                    }
                    out.push((piece.address.wrapping_add(start as u64), name));
                }
                true
            });
        }
        out
    }

    /// Finds AArch64 stubs: `adrp x16, page; ldr x17, [x16, slot]`, maybe with `bti c` before it.
    fn arm_stubs(&self, memory: &Memory<'_>) -> Vec<(u64, u32)> {
        let mut out = Vec::new();
        for region in memory.code() {
            let words = |at: u64| memory.instruction(at);
            let mut at = region.address.next_multiple_of(4);
            while let (Some(first), Some(second)) = (words(at), words(at + 4)) {
                let next = at.wrapping_add(4);
                if first & 0x9f00_001f == 0x9000_0010 && second & 0xffc0_03ff == 0xf940_0211 {
                    let page = super::arm::adrp(at, first);
                    let slot = page.wrapping_add(u64::from(second >> 10 & 0xfff) * 8);
                    if let Some(name) = self.at_slot(slot) {
                        out.push((at, name));
                        out.push((at.wrapping_sub(4), name));
                    }
                }
                at = next;
                if at >= region.end() {
                    break;
                }
            }
        }
        out
    }

    pub(super) fn at_slot(&self, address: u64) -> Option<u32> {
        let found = self.slots.binary_search_by_key(&address, |slot| slot.0).ok()?;
        self.slots.get(found).map(|slot| slot.1)
    }

    /// The lowest and the highest address of a stub.
    pub(super) fn stubs(&self) -> Option<(u64, u64)> {
        Some((self.stubs.first()?.0, self.stubs.last()?.0))
    }

    pub(super) fn at_stub(&self, address: u64) -> Option<u32> {
        let (first, last) = self.stubs()?;
        if address < first || address > last {
            return None;
        }
        let found = self.stubs.binary_search_by_key(&address, |stub| stub.0).ok()?;
        self.stubs.get(found).map(|stub| stub.1)
    }

    pub(super) fn name(&self, index: u32) -> &'a str {
        self.names.get(index as usize).map_or("", |entry| entry.0)
    }

    /// Counts a call of an imported function.
    pub(super) fn call(&self, index: u32) -> Callee {
        let Some((_, callee, count)) = self.names.get(index as usize) else {
            return Callee::Other;
        };
        count.set(count.get().saturating_add(1));
        *callee
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (&'a str, usize)> + '_ {
        self.names.iter().map(|(name, _, count)| (*name, count.get()))
    }
}
