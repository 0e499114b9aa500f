//! Which functions of a static program are the program's own, and not the C library's.
//!
//! The linker places start files, then the program's objects, then those it takes out of archives, and the first it
//! takes is the one with `__libc_start_main`. `_start` loads the address of `main` and calls that function. So what lies
//! between the two, and is not reached from `__libc_start_main`, is the program's, and so is `main`, which GCC moves to
//! a section of its own. Pure.

use std::collections::BTreeSet;

use goblin::container::Ctx;
use iced_x86::{Decoder, Instruction, Mnemonic, OpKind, Register};

use super::{Function, arm, immediate};
use crate::elf::Facts;
use crate::elf::memory::Memory;

/// Finds the starts of a static x86-64 program's own functions; `None` when `main` cannot be found.
pub(super) fn of_x86(
    memory: &Memory<'_>,
    functions: &[Function],
    entry: u64,
) -> Option<BTreeSet<u64>> {
    let called = main_and_library(memory, entry, 2)?;
    Some(own(functions, entry, called, &|start, length| reached(memory, start, length)))
}

pub(super) fn of_aarch64(
    memory: &Memory<'_>,
    functions: &[Function],
    facts: &Facts<'_>,
    ctx: Ctx,
) -> Option<BTreeSet<u64>> {
    let content = arm::contents(memory, facts, ctx);
    let called = arm::start_call(memory, facts.entry, &content, 2)?;
    let reached = |start, length| arm::reached(memory, start, length);
    Some(own(functions, facts.entry, called, &reached))
}

/// Picks the program's own functions. `reached` gives the functions that the one at an address, of
/// a length in bytes, calls or takes the address of.
fn own(
    functions: &[Function],
    entry: u64,
    (main, library): (u64, u64),
    reached: &dyn Fn(u64, u64) -> Vec<u64>,
) -> BTreeSet<u64> {
    let start = functions.partition_point(|function| function.start < entry);
    let end = functions.partition_point(|function| function.start < library);
    let between = functions.get(start..end).unwrap_or_default();
    let mut foreign = BTreeSet::from([library]);
    let mut open = vec![library];
    while let Some(next) = open.pop() {
        let Ok(index) = functions.binary_search_by_key(&next, |function| function.start) else {
            continue;
        };
        for target in reached(next, functions[index].end - next) {
            let inside = target > entry && target < library && target != main;
            if inside && foreign.insert(target) {
                open.push(target);
            }
        }
    }
    let mut own: BTreeSet<u64> = between
        .iter()
        .map(|function| function.start)
        .filter(|start| *start != entry && !foreign.contains(start))
        .collect();
    own.insert(main);
    own
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
