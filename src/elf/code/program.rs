//! Which functions of a static program are the program's own, and not the C library's.
//!
//! The linker places start files, then the program's objects, then those it takes out of archives, and the first it
//! takes is mostly the one with `__libc_start_main`. `_start` loads the address of `main` and calls that function. So what
//! lies between the two, and is not reached from `__libc_start_main`, is the program's, and so is `main`. What compilers
//! give a section of its own is placed elsewhere: rare, frequent and start-up code before `_start` (GNU ld's
//! `.text.unlikely`, `.text.hot`, `.text.startup`), named sections behind the library. There it is the program's when the
//! program's functions or data lead to it. Pure.

use std::collections::BTreeSet;

use goblin::container::Ctx;
use iced_x86::{Decoder, Instruction, Mnemonic, OpKind, Register};

use super::{Function, arm, immediate};
use crate::elf::dynamic::data_relocations;
use crate::elf::memory::Memory;
use crate::elf::symbols::NamedFunction;
use crate::elf::{Facts, Kind};

/// Names of functions that no program may define: where the first of them lies, archives have begun, in whatever order
/// a linker takes their members.
const OF_LIBRARIES: [&str; 5] =
    ["_Unwind_", "__libc_", "_IO_", "__sfp_handle_exceptions", "uw_install_context"];

/// What tells a static program's own functions from others.
#[derive(Clone, Copy)]
pub(super) struct Program<'p, 'a> {
    pub(super) memory: &'p Memory<'a>,
    pub(super) facts: &'p Facts<'a>,
    pub(super) functions: &'p [Function],
    pub(super) names: &'p [NamedFunction<'a>],
    pub(super) ctx: Ctx,
}

/// Gives the functions that the one at an address, of a length in bytes, calls or takes the address of.
type Reached<'r> = &'r dyn Fn(u64, u64) -> Vec<u64>;

impl Program<'_, '_> {
    /// Finds the starts of a static x86-64 program's own functions; `None` when `main` cannot be found.
    pub(super) fn of_x86(self) -> Option<BTreeSet<u64>> {
        let called = main_and_library(self.memory, self.facts.entry, 2)?;
        Some(self.own(called, &|start, length| reached(self.memory, start, length)))
    }

    pub(super) fn of_aarch64(self) -> Option<BTreeSet<u64>> {
        let content = arm::contents(self.memory, self.facts, self.ctx);
        let called = arm::start_call(self.memory, self.facts.entry, &content, 2)?;
        Some(self.own(called, &|start, length| arm::reached(self.memory, start, length)))
    }

    fn own(self, (main, library): (u64, u64), reached: Reached<'_>) -> BTreeSet<u64> {
        let entry = self.facts.entry;
        let place = |address: u64| self.functions.partition_point(|it| it.start < address);
        let (start, end) = (place(entry), place(self.archives(entry).min(library)));
        let between = self.functions.get(start..end).unwrap_or_default();
        let inside = |target: u64| target > entry && target < library && target != main;
        let foreign = self.closure([library].into(), reached, &inside);
        let mut own: BTreeSet<u64> = between
            .iter()
            .map(|function| function.start)
            .filter(|start| *start != entry && !foreign.contains(start))
            .collect();
        own.insert(main);
        let sections = self.apart();
        let apart = |address: u64| {
            address < entry && sections.is_empty()
                || sections.iter().any(|(from, to)| (*from..*to).contains(&address))
        };
        own.extend(self.pointed_to(&apart));
        self.closure(own, reached, &apart)
    }

    /// Where functions begin that are surely those of an archive.
    fn archives(self, entry: u64) -> u64 {
        let of_library = |it: &&NamedFunction<'_>| {
            it.address > entry && OF_LIBRARIES.iter().any(|name| it.name.starts_with(name))
        };
        let start_file = |it: &&NamedFunction<'_>| it.name.starts_with("__libc_csu_");
        let named = self.names.iter().filter(of_library).find(|it| !start_file(it));
        named.map_or(u64::MAX, |function| function.address)
    }

    /// Ranges of code that are not those of ordinary functions: what lies before `_start` in its section, and sections that
    /// are neither the linker's nor the C library's.
    fn apart(self) -> Vec<(u64, u64)> {
        let entry = self.facts.entry;
        let linkers = [".init", ".fini", ".plt", ".iplt", "__libc"];
        let code = self.facts.sections.list.iter().filter(|section| section.executable());
        code.filter(|section| !linkers.iter().any(|name| section.name.starts_with(name)))
            .map(|section| (section.address, section.address.saturating_add(section.size)))
            .map(|(from, to)| if (from..to).contains(&entry) { (from, entry) } else { (from, to) })
            .collect()
    }

    /// Functions that words of data point to: constructors, tables of functions.
    fn pointed_to(self, wanted: &dyn Fn(u64) -> bool) -> Vec<u64> {
        let mut out = Vec::new();
        let mut note = |target: u64| {
            let known = self.functions.binary_search_by_key(&target, |function| function.start);
            if wanted(target) && known.is_ok() {
                out.push(target);
            }
        };
        data_relocations(self.facts, self.ctx, &mut |relocation| {
            relocation.points_to.into_iter().for_each(&mut note);
        });
        if self.facts.kind == Kind::StaticExecutable {
            self.memory.words_of_data(&mut |_, value| note(value));
        }
        out
    }

    /// Adds the functions that some lead to, as far as they are wanted.
    fn closure(
        self,
        mut found: BTreeSet<u64>,
        reached: Reached<'_>,
        wanted: &dyn Fn(u64) -> bool,
    ) -> BTreeSet<u64> {
        let mut open: Vec<u64> = found.iter().copied().collect();
        let at = |start: u64| self.functions.binary_search_by_key(&start, |it| it.start).ok();
        while let Some(next) = open.pop() {
            let Some(function) = at(next).and_then(|index| self.functions.get(index)) else {
                continue;
            };
            for target in reached(next, function.end - next) {
                if wanted(target) && at(target).is_some() && found.insert(target) {
                    open.push(target);
                }
            }
        }
        found
    }
}

fn decode(memory: &Memory<'_>, start: u64, length: u64) -> Vec<Instruction> {
    let decoded = memory.look(start, length, |bytes| {
        let mut decoder = Decoder::with_ip(64, bytes, start, 0);
        decoder.iter().collect()
    });
    decoded.unwrap_or_default()
}

/// Finds what `_start` (or, in musl, what it goes on to) loads into rdi, and what it calls with it.
fn main_and_library(memory: &Memory<'_>, entry: u64, depth: usize) -> Option<(u64, u64)> {
    let mut main = None;
    for instruction in decode(memory, entry, 128) {
        match instruction.mnemonic() {
            Mnemonic::Lea | Mnemonic::Mov
                if instruction.op0_register().full_register() == Register::RDI =>
            {
                main = if instruction.is_ip_rel_memory_operand() {
                    Some(instruction.ip_rel_memory_address())
                } else if instruction.op1_kind() == OpKind::Register {
                    None
                } else {
                    immediate(&instruction).map(|value| value & 0xffff_ffff)
                };
                main = main.filter(|address| memory.executable(*address));
            }
            Mnemonic::Call | Mnemonic::Jmp
                if instruction.is_call_near() || instruction.is_jmp_short_or_near() =>
            {
                let target = instruction.near_branch_target();
                return match main {
                    Some(main) => Some((main, target)),
                    None if depth > 0 => main_and_library(memory, target, depth - 1),
                    None => None,
                };
            }
            _ => {}
        }
    }
    None
}

/// Finds the functions that a function calls, jumps to, or takes the address of.
fn reached(memory: &Memory<'_>, start: u64, length: u64) -> Vec<u64> {
    decode(memory, start, length)
        .iter()
        .filter_map(|instruction| match instruction.mnemonic() {
            Mnemonic::Lea if instruction.is_ip_rel_memory_operand() => {
                Some(instruction.ip_rel_memory_address())
            }
            Mnemonic::Call | Mnemonic::Jmp => Some(instruction.near_branch_target()),
            Mnemonic::Mov if instruction.op1_kind() == OpKind::Immediate32 => {
                Some(u64::from(instruction.immediate32()))
            }
            _ => None,
        })
        .collect()
}
