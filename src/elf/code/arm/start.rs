//! What the start code of a static AArch64 program calls, and what a function reaches. Pure.

use super::word::Op;
use super::{Words, words};
use crate::elf::code::{Function, Marks};
use crate::elf::memory::Memory;

/// Bytes of start code that are read; start code is short.
const LENGTH: u64 = 128;

fn code_at(memory: &Memory<'_>, start: u64, length: u64) -> Words {
    let mut out = Words::default();
    let end = start.saturating_add(length);
    words(memory, &Function { start, end, marks: Marks::default() }, &mut out);
    out
}

/// Finds what start code calls: `main`, which x0 holds, and the function `_start` calls with it
/// (glibc sysdeps/aarch64/start.S), or, in musl, what it goes on to (crt/aarch64, crt/crt1.c).
/// `content` says what a word holds when the program runs.
pub(in crate::elf::code) fn start_call(
    memory: &Memory<'_>,
    entry: u64,
    content: &dyn Fn(u64) -> Option<u64>,
    depth: usize,
) -> Option<(u64, u64)> {
    let mut known = [None::<u64>; 32];
    for op in code_at(memory, entry, LENGTH).ops() {
        match op {
            Op::Page { to, page } => known[to] = Some(page),
            Op::Add { to, from, number } => {
                known[to] = known[from].map(|from| from.wrapping_add_signed(number));
            }
            Op::Load { to, base, offset, .. } => {
                let from = known[base].map(|base| base.wrapping_add_signed(offset));
                known[to] = from.and_then(content);
            }
            Op::Move { to, from } => known[to] = known[from],
            Op::Number { to, .. } | Op::Writes { to } => known[to] = None,
            Op::Call { target } | Op::Jump { target } => {
                return match known[0].filter(|main| memory.executable(*main)) {
                    Some(main) => Some((behind(memory, main), target)),
                    None if depth > 0 => start_call(memory, target, content, depth - 1),
                    None => None,
                };
            }
            _ => {}
        }
    }
    None
}

/// Follows a function that only jumps on; glibc's static start code reaches `main` through one.
fn behind(memory: &Memory<'_>, main: u64) -> u64 {
    let code = code_at(memory, main, 8);
    let pad = code.raw.first().is_some_and(|word| super::lands(*word));
    match code.op(usize::from(pad)) {
        Some(Op::Jump { target }) => target,
        _ => main,
    }
}

/// Finds the functions that a function calls, jumps to, or takes the address of.
pub(in crate::elf::code) fn reached(memory: &Memory<'_>, start: u64, length: u64) -> Vec<u64> {
    let mut pages = [None::<u64>; 32];
    let mut out = Vec::new();
    for op in code_at(memory, start, length).ops() {
        match op {
            Op::Page { to, page } => pages[to] = Some(page),
            Op::Add { from, number, .. } => {
                out.extend(pages[from].map(|page| page.wrapping_add_signed(number)));
            }
            Op::Call { target } | Op::Jump { target } => out.push(target),
            _ => {}
        }
    }
    out
}
