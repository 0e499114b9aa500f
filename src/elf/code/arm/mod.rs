//! AArch64 code, word by word: return addresses signed and authenticated, canaries, landing pads. Pure.

mod flow;
mod guard;
mod start;
mod steps;
mod word;

use goblin::container::Ctx;

use super::frame::Answer;
use super::imports::{Callee, Imports};
use super::{Code, Function, Marks, UnprobedStep};
use crate::elf::Facts;
use crate::elf::memory::Memory;
use guard::Guard;
pub(super) use guard::contents;
pub(super) use start::{reached, start_call};
use word::Op;
pub(super) use word::adrp;

const PACIASP: u32 = 0xd503_233f;
const PACIBSP: u32 = 0xd503_237f;
const RET: u32 = 0xd65f_03c0;
const RETAA: u32 = 0xd65f_0bff;
const RETAB: u32 = 0xd65f_0fff;

/// Tells whether an indirect call may land at an instruction. Source: Arm ARM, BTI; PACIASP and
/// PACIBSP act as `bti c`.
pub(super) fn lands(word: u32) -> bool {
    const BTI_C: u32 = 0xd503_245f;
    const BTI_J: u32 = 0xd503_249f;
    const BTI_JC: u32 = 0xd503_24df;
    matches!(word, BTI_C | BTI_J | BTI_JC | PACIASP | PACIBSP)
}

/// A function's instructions: as words, because a hostile file is one function, and what they mean is larger.
#[derive(Debug, Default)]
struct Words {
    start: u64,
    raw: Vec<u32>,
}

impl Words {
    fn op(&self, index: usize) -> Option<Op> {
        let address = self.start.wrapping_add(index as u64 * 4);
        self.raw.get(index).map(|word| word::read(address, *word))
    }

    fn ops(&self) -> impl Iterator<Item = Op> + '_ {
        (0..self.raw.len()).filter_map(|index| self.op(index))
    }
}

/// Reads the instructions of a function into a buffer that is used again.
fn words(memory: &Memory<'_>, function: &Function, out: &mut Words) {
    out.start = function.start;
    out.raw.clear();
    memory.look(function.start, function.end - function.start, |bytes| {
        out.raw.extend(bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)));
    });
}

pub(super) fn scan(
    memory: &Memory<'_>,
    facts: &Facts<'_>,
    ctx: Ctx,
    imports: &Imports<'_>,
    code: &mut Code<'_>,
) -> Vec<u64> {
    let mut taken = Vec::new();
    let mut functions = std::mem::take(&mut code.functions);
    let guard = Guard::of(memory, facts, ctx, &functions);
    let mut read = Words::default();
    for function in &mut functions {
        words(memory, function, &mut read);
        for (word, op) in read.raw.iter().zip(read.ops()) {
            let marks = alone(*word, op, imports);
            code.returns += usize::from(marks.contains(Marks::RETURNS));
            function.marks |= marks;
        }
        function.marks |= flow::follow(&read, &guard, &mut taken);
        match steps::unprobed(&read) {
            Answer::Small => {}
            Answer::Probed => function.marks |= Marks::PROBES,
            Answer::Unprobed { address, bytes } => {
                code.unprobed.push(UnprobedStep { function: function.start, address, bytes });
            }
        }
    }
    code.functions = functions;
    taken
}

/// Marks that one instruction gives without regard to the others.
fn alone(word: u32, op: Op, imports: &Imports<'_>) -> Marks {
    if matches!(word, RET | RETAA | RETAB) {
        return Marks::RETURNS;
    }
    // A call or a jump to a stub.
    if let Op::Call { target } | Op::Jump { target } = op
        && let Some(name) = imports.at_stub(target)
        && imports.call(name) == Callee::Fails
    {
        return Marks::CALLS_FAIL | Marks::CHECKS_CANARY;
    }
    Marks::default()
}
