//! Canaries that are not at fs:0x28, nor in AArch64's `__stack_chk_guard`: those of kernels, of Android, of systems that keep
//! one in a variable on x86-64, and of x32.
//!
//! Where the value comes from a register of the system or from a variable proves little alone; that the function also calls
//! `__stack_chk_fail` tells what it is for. Source: GCC's `-mstack-protector-guard*`, Linux
//! `arch/{x86,arm64}/include/asm/stackprotector.h`, bionic `libc/platform/bionic/tls_defines.h`, the x32 psABI. Pure.

use std::collections::BTreeSet;

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use super::scan::Extent;
use super::{Code, Marks, immediate};
use crate::elf::memory::Memory;
use crate::elf::relocate;
use crate::elf::{Facts, Kind};

const FAIL: &str = "__stack_chk_fail";
/// Variables that hold the canary, or say where it is.
const GUARDS: [&str; 2] = ["__stack_chk_guard", "__ref_stack_chk_guard"];
/// Where x32 keeps the canary, from fs (glibc `sysdeps/x86_64/nptl/tls.h`: `header.stack_guard` behind five words of four bytes
/// and a pointer).
const X32_CANARY: u64 = 0x18;
const PAGE: u64 = 0x1000;

/// Marks x86-64 functions whose canary the scan cannot see.
pub(super) fn of_x86(
    memory: &Memory<'_>,
    facts: &Facts<'_>,
    extents: &mut [Extent],
    code: &mut Code<'_>,
) {
    if facts.kind == Kind::Relocatable {
        let guards = mentions(facts, code, &|name| GUARDS.contains(&name));
        let fails = mentions(facts, code, &|name| name == FAIL);
        protect(code, &guards.intersection(&fails).copied().collect());
    } else {
        of_variable(memory, facts, code);
    }
    if !facts.is_64 {
        for (function, extent) in code.functions.iter_mut().zip(extents) {
            let length = function.end - function.start;
            let marks = memory.look(function.start, length, |bytes| {
                x32(Decoder::with_ip(64, bytes, function.start, DecoderOptions::NONE).iter())
            });
            function.marks |= marks.unwrap_or_default();
            extent.taken = length;
        }
    }
}

/// Marks AArch64 functions of objects that read the canary through the thread's or the kernel's own register.
pub(super) fn of_aarch64(memory: &Memory<'_>, facts: &Facts<'_>, code: &mut Code<'_>) {
    // mrs x, sp_el0 and mrs x, tpidr_el0
    const OWN: [u32; 2] = [0xd538_4100, 0xd53b_d040];
    if facts.kind != Kind::Relocatable {
        return;
    }
    let mut found = mentions(facts, code, &|name| name == FAIL);
    found.retain(|index| {
        let Some(function) = code.functions.get(*index) else { return false };
        let reads = memory.look(function.start, function.end - function.start, |bytes| {
            let words = bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
            words.into_iter().any(|word| OWN.contains(&(word & !0x1f)))
        });
        reads == Some(true)
    });
    protect(code, &found);
}

fn protect(code: &mut Code<'_>, which: &BTreeSet<usize>) {
    for index in which {
        if let Some(function) = code.functions.get_mut(*index) {
            function.marks |= Marks::LOADS_CANARY | Marks::CHECKS_CANARY | Marks::CALLS_FAIL;
        }
    }
}

/// Functions of an object whose relocations name a symbol.
fn mentions(facts: &Facts<'_>, code: &Code<'_>, wanted: &dyn Fn(&str) -> bool) -> BTreeSet<usize> {
    let mut out = BTreeSet::new();
    relocate::places_of(facts, wanted, &mut |place| {
        let after = code.functions.partition_point(|function| function.start <= place);
        let index = after.checked_sub(1);
        out.extend(index.filter(|index| place < code.functions[*index].end));
    });
    out
}

/// Marks functions of a linked file that read a variable, or the word that holds its address, and call `__stack_chk_fail`.
fn of_variable(memory: &Memory<'_>, facts: &Facts<'_>, code: &mut Code<'_>) {
    let named =
        |index: usize| facts.symbols.get(index).is_some_and(|symbol| GUARDS.contains(&symbol.name));
    let slots = facts.dynamic.iter().flat_map(|dynamic| &dynamic.slots);
    let mut places: BTreeSet<u64> =
        slots.filter(|slot| named(slot.symbol)).map(|slot| slot.address).collect();
    let defined = facts.symbols.iter().filter(|it| it.defined && GUARDS.contains(&it.name));
    places.extend(defined.map(|symbol| symbol.address));
    if places.is_empty() {
        return;
    }
    let reads = |it: &Instruction| {
        let memory = (0..it.op_count()).any(|operand| it.op_kind(operand) == OpKind::Memory);
        memory && places.contains(&it.memory_displacement64())
    };
    let fails = code.functions.iter().enumerate();
    let found = fails.filter(|(_, function)| {
        function.marks.contains(Marks::CALLS_FAIL)
            && memory.look(function.start, function.end - function.start, |bytes| {
                let options = DecoderOptions::NONE;
                Decoder::with_ip(64, bytes, function.start, options).iter().any(|it| reads(&it))
            }) == Some(true)
    });
    let found = found.map(|(index, _)| index).collect();
    protect(code, &found);
}

/// What an x32 function does with its canary and its frame: registers of 32 bits address the stack.
fn x32(code: impl Iterator<Item = Instruction>) -> Marks {
    let mut marks = Marks::default();
    let mut frame = false;
    for it in code {
        let (first, second) =
            (it.op0_register().full_register(), it.op1_register().full_register());
        let to_register = it.op0_kind() == OpKind::Register;
        let (base, index) = (it.memory_base().full_register(), it.memory_index());
        if it.segment_prefix() == Register::FS
            && base == Register::None
            && index == Register::None
            && it.memory_displacement64() == X32_CANARY
        {
            let again = it.mnemonic() != Mnemonic::Mov || marks.contains(Marks::LOADS_CANARY);
            marks |= if again { Marks::CHECKS_CANARY } else { Marks::LOADS_CANARY };
            continue;
        }
        frame |=
            it.mnemonic() == Mnemonic::Mov && first == Register::RBP && second == Register::RSP;
        let of_frame = base == Register::RSP
            || base == Register::RBP && frame && super::frame::displacement(&it) < 0;
        match it.mnemonic() {
            Mnemonic::Nop => {}
            Mnemonic::Sub | Mnemonic::Lea if to_register && first == Register::RSP => {
                let amount = if it.mnemonic() == Mnemonic::Lea {
                    Some(it.memory_displacement32().wrapping_neg().into())
                        .filter(|_| index == Register::None)
                } else {
                    immediate(&it)
                };
                if amount.is_none_or(|amount| (PAGE..1 << 31).contains(&amount)) {
                    marks |= Marks::STEP;
                }
            }
            Mnemonic::Mov
                if to_register
                    && second == Register::RSP
                    && it.op1_kind() == OpKind::Register
                    && !matches!(first, Register::RSP | Register::RBP) =>
            {
                marks |= Marks::FRAME_ADDRESS;
            }
            Mnemonic::Lea if of_frame => marks |= Marks::FRAME_ADDRESS,
            _ if of_frame && index != Register::None => marks |= Marks::FRAME_ADDRESS,
            _ => {}
        }
    }
    marks
}
