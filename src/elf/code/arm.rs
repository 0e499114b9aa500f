//! AArch64 code, word by word: return addresses signed and authenticated, canaries, landing pads. Pure.

use super::imports::Imports;
use super::{Code, Marks};
use crate::elf::memory::Memory;

const PACIASP: u32 = 0xd503_233f;
const PACIBSP: u32 = 0xd503_237f;
const AUTIASP: u32 = 0xd503_23bf;
const AUTIBSP: u32 = 0xd503_23ff;
const RET: u32 = 0xd65f_03c0;
const RETAA: u32 = 0xd65f_0bff;
const RETAB: u32 = 0xd65f_0fff;

/// An instruction at which an indirect call may land. Source: Arm ARM, BTI; PACIASP and PACIBSP act as `bti c`.
pub(super) fn lands(word: u32) -> bool {
    const BTI_C: u32 = 0xd503_245f;
    const BTI_J: u32 = 0xd503_249f;
    const BTI_JC: u32 = 0xd503_24df;
    matches!(word, BTI_C | BTI_J | BTI_JC | PACIASP | PACIBSP)
}

/// The page an `adrp` at an address means.
pub(super) fn adrp(address: u64, word: u32) -> u64 {
    let low = u64::from(word >> 29 & 3);
    let high = u64::from(word >> 5 & 0x7_ffff);
    let pages = (high << 2 | low) << 43;
    let distance = (pages.cast_signed() >> 43) << 12;
    (address & !0xfff).wrapping_add_signed(distance)
}

pub(super) fn scan(
    memory: &Memory<'_>,
    imports: &Imports<'_>,
    code: &mut Code<'_>,
    taken: &mut Vec<u64>,
) {
    let mut functions = std::mem::take(&mut code.functions);
    for function in &mut functions {
        let mut pages = [None; 32];
        memory.look(function.start, function.end - function.start, |bytes| {
            for (index, word) in bytes.chunks_exact(4).enumerate() {
                let word = u32::from_le_bytes(word.try_into().unwrap_or_default());
                let address = function.start.wrapping_add(index as u64 * 4);
                let marks = look(word, address, imports, &mut pages, taken);
                code.returns += usize::from(marks.has(Marks::RETURNS));
                function.marks = function.marks.with(marks);
            }
        });
    }
    code.functions = functions;
}

fn look(
    word: u32,
    address: u64,
    imports: &Imports<'_>,
    pages: &mut [Option<u64>; 32],
    taken: &mut Vec<u64>,
) -> Marks {
    let (destination, source) = (word as usize & 31, word as usize >> 5 & 31);
    match word {
        PACIASP | PACIBSP => return Marks::SIGNS,
        AUTIASP | AUTIBSP => return Marks::AUTHENTICATES,
        RETAA | RETAB => return Marks::AUTHENTICATES.with(Marks::RETURNS),
        RET => return Marks::RETURNS,
        _ => {}
    }
    // adrp; add or ldr with the page: an address of this file, or the content of a slot.
    if word & 0x9f00_0000 == 0x9000_0000 {
        pages[destination] = Some(adrp(address, word));
        return Marks::default();
    }
    if word & 0xff80_0000 == 0x9100_0000 {
        let offset = u64::from(word >> 10 & 0xfff);
        if source == 31 && destination != 31 && destination != 29 {
            return Marks::FRAME_ADDRESS;
        }
        if let Some(page) = pages[source] {
            taken.push(page.wrapping_add(offset));
        }
    }
    if word & 0xffc0_0000 == 0xf940_0000
        && let Some(page) = pages[source]
    {
        let slot = page.wrapping_add(u64::from(word >> 10 & 0xfff) * 8);
        let name = imports.at_slot(slot).map_or("", |name| imports.name(name));
        if name == "__stack_chk_guard" {
            return Marks::LOADS_CANARY;
        }
    }
    // bl and b to a stub.
    if word & 0x7c00_0000 == 0x1400_0000 {
        let distance = (u64::from(word & 0x03ff_ffff) << 38).cast_signed() >> 36;
        if let Some(name) = imports.at_stub(address.wrapping_add_signed(distance)) {
            imports.call(name);
            if imports.name(name) == "__stack_chk_fail" {
                return Marks::CALLS_FAIL.with(Marks::CHECKS_CANARY);
            }
        }
    }
    // stp x29, x30, [sp, ...]!, the same without write-back, str x30, [sp, ...]!, str x30, [sp, ...].
    let saves = word & 0xffc0_7fff == 0xa980_7bfd
        || word & 0xffc0_7fff == 0xa900_7bfd
        || word & 0xffe0_0fff == 0xf800_0ffe
        || word & 0xffc0_03ff == 0xf900_03fe;
    if saves { Marks::SAVES_LINK } else { Marks::default() }
}

#[cfg(test)]
mod tests {
    use super::adrp;

    #[test]
    fn adrp_reaches_both_ways() {
        // adrp x16, +1 page; adrp x0, -1 page
        assert_eq!(adrp(0x1234, 0xb000_0010), 0x2000);
        assert_eq!(adrp(0x5678, 0xf0ff_ffe0), 0x4000);
    }
}
