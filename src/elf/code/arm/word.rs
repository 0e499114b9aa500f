//! What an AArch64 instruction does to general registers, as far as canaries and addresses of locals need it. Pure.
//!
//! Source of the encodings: Arm Architecture Reference Manual, C4.1 (A64 instruction set encoding).

/// Number of register 31: `sp` where an instruction means the stack pointer, and the zero register
/// elsewhere.
pub(super) const SP: usize = 31;

/// What one AArch64 instruction does, as far as it matters. Registers are numbers, offsets bytes.
/// What moves the base moves it by the offset, before or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// `adrp`
    Page {
        to: usize,
        page: u64,
    },
    /// `add` or `sub` with a number; `mov` from or to `sp` is one.
    Add {
        to: usize,
        from: usize,
        number: i64,
    },
    /// `mov` between registers.
    Move {
        to: usize,
        from: usize,
    },
    /// A number in a register, of which these bits are kept.
    Number {
        to: usize,
        value: u64,
        kept: u64,
    },
    /// Eight bytes from memory; `moves` when the base is changed, too.
    Load {
        to: usize,
        base: usize,
        offset: i64,
        moves: bool,
    },
    /// Stores of general registers; the second one is `SP` when there is only one.
    Store {
        of: [usize; 2],
        base: usize,
        offset: i64,
        moves: bool,
        wide: bool,
    },
    /// Two registers from memory.
    LoadPair {
        to: [usize; 2],
        base: usize,
        offset: i64,
        moves: bool,
    },
    /// Vector registers to or from memory, each of so many bytes; both are the same when there is only one.
    Vector {
        of: [usize; 2],
        base: usize,
        offset: i64,
        moves: bool,
        size: i64,
        stores: bool,
    },
    /// Other accesses to memory; `to` is the general register that is loaded.
    Access {
        to: Option<usize>,
        base: usize,
        moves: bool,
    },
    /// Base plus register.
    Indexed {
        to: Option<usize>,
        of: Option<usize>,
        base: usize,
        index: usize,
    },
    /// Arithmetic of two registers; `compares` when it tells whether they are equal.
    Two {
        to: usize,
        from: [usize; 2],
        compares: bool,
    },
    /// The stack pointer plus or minus a register.
    FramePlus {
        to: usize,
        from: usize,
        index: usize,
        adds: bool,
    },
    /// A branch to an address: a call, one that may not be taken, or neither.
    Call {
        target: u64,
    },
    Perhaps {
        target: u64,
    },
    Jump {
        target: u64,
    },
    /// `blr` and its kin.
    CallRegister,
    /// `br` and its kin: through a table, or to another function.
    JumpRegister,
    /// `ret`, and what ends here.
    Leave,
    /// `autiasp` and `autibsp`: the return address is what was signed, or the function ends.
    Authenticate,
    /// `retaa` and `retab`, which authenticate it, too.
    LeaveAuthenticated,
    /// Anything else that writes this register.
    Writes {
        to: usize,
    },
    Other,
}

/// The address of the page that an `adrp` at an address means.
pub(in crate::elf::code) fn adrp(address: u64, word: u32) -> u64 {
    let low = u64::from(word >> 29 & 3);
    let high = u64::from(word >> 5 & 0x7_ffff);
    let pages = (high << 2 | low) << 43;
    let distance = (pages.cast_signed() >> 43) << 12;
    (address & !0xfff).wrapping_add_signed(distance)
}

/// Reads a signed number of `bits` bits, the lowest being `from`.
fn signed(word: u32, from: u32, bits: u32) -> i64 {
    (i64::from(word >> from) << (64 - bits)) >> (64 - bits)
}

fn register(word: u32, from: u32) -> usize {
    (word >> from & 31) as usize
}

pub(super) fn read(address: u64, word: u32) -> Op {
    // The main groups are told by bits 28 to 25.
    match word >> 25 & 15 {
        8 | 9 => with_number(address, word),
        5 | 13 => of_registers(word),
        4 | 6 | 12 | 14 => of_memory(word),
        10 | 11 => branch(address, word),
        _ => Op::Other,
    }
}

fn with_number(address: u64, word: u32) -> Op {
    let (to, from) = (register(word, 0), register(word, 5));
    if word & 0x9f00_0000 == 0x9000_0000 {
        return Op::Page { to, page: adrp(address, word) };
    }
    // add and sub, 64 bits, no flags
    if word & 0xbf80_0000 == 0x9100_0000 {
        let shift = if word & 1 << 22 == 0 { 0 } else { 12 };
        let number = i64::from(word >> 10 & 0xfff) << shift;
        let number = if word & 1 << 30 == 0 { number } else { -number };
        return Op::Add { to, from, number };
    }
    // movn, movz, movk
    if word & 0x1f80_0000 == 0x1280_0000 {
        return number(to, word);
    }
    // `cmp` and `tst` write flags only; and, orr and eor write sp.
    if to == SP { Op::Other } else { Op::Writes { to } }
}

/// Reads `movn`, `movz` and `movk`: a number in a register.
fn number(to: usize, word: u32) -> Op {
    let shift = (word >> 21 & 3) * 16;
    let bits = u64::from(word >> 5 & 0xffff) << shift;
    let whole = if word >> 31 == 1 { u64::MAX } else { u64::from(u32::MAX) };
    match word >> 29 & 3 {
        0 => Op::Number { to, value: !bits & whole, kept: 0 },
        3 => Op::Number { to, value: bits, kept: !(0xffff << shift) & whole },
        _ => Op::Number { to, value: bits, kept: 0 },
    }
}

fn of_registers(word: u32) -> Op {
    let (to, left, right) = (register(word, 0), register(word, 5), register(word, 16));
    // Conditional compares have flags where others have a register.
    if word & 0x3fe0_0000 == 0x3a40_0000 {
        return Op::Other;
    }
    // mov: orr with the zero register
    if word & 0xffe0_ffe0 == 0xaa00_03e0 {
        return Op::Move { to, from: right };
    }
    // add and sub, extended, 64 bits, no flags: the form in which register 31 is the stack pointer
    if word & 0xbfe0_0000 == 0x8b20_0000 && (left == SP || to == SP) {
        return Op::FramePlus { to, from: left, index: right, adds: word & 1 << 30 == 0 };
    }
    // add and sub of two registers, shifted or extended, with or without flags
    if word & 0x1f00_0000 == 0x0b00_0000 {
        // `subs`, 64 bits, not shifted
        let compares = word & 0xffe0_fc00 == 0xeb00_0000;
        return Op::Two { to, from: [left, right], compares };
    }
    // eor, 64 bits, not shifted
    if word & 0xffe0_fc00 == 0xca00_0000 {
        return Op::Two { to, from: [left, right], compares: true };
    }
    // csel and its kin
    if word & 0x1fe0_0000 == 0x1a80_0000 {
        return Op::Two { to, from: [left, right], compares: false };
    }
    if to == SP { Op::Other } else { Op::Writes { to } }
}

fn of_memory(word: u32) -> Op {
    let (to, base) = (register(word, 0), register(word, 5));
    let vector = word & 1 << 26 != 0;
    // Pairs: after, before, or without a change of the base.
    if word & 0x3800_0000 == 0x2800_0000 {
        let moves = word >> 23 & 1 == 1;
        let second = register(word, 10);
        return match (vector, word & 1 << 22 != 0) {
            (true, loads) => {
                let size = 4 << (word >> 30);
                let offset = signed(word, 15, 7) * size;
                Op::Vector { of: [to, second], base, offset, moves, size, stores: !loads }
            }
            (false, true) => {
                let offset = signed(word, 15, 7) * if word >> 30 == 2 { 8 } else { 4 };
                Op::LoadPair { to: [to, second], base, offset, moves }
            }
            (false, false) => {
                let wide = word >> 30 == 2;
                let offset = signed(word, 15, 7) * if wide { 8 } else { 4 };
                Op::Store { of: [to, second], base, offset, moves, wide }
            }
        };
    }
    // A literal
    if word & 0x3b00_0000 == 0x1800_0000 {
        return if vector { Op::Other } else { Op::Writes { to } };
    }
    let (size, kind) = (word >> 30, word >> 22 & 3);
    let wide = size == 3;
    // One register with an offset in units of its size; a vector register's has a bit more.
    let size = if vector && kind & 2 != 0 { 4 } else { size };
    if word & 0x3b00_0000 == 0x3900_0000 {
        let offset = i64::from(word >> 10 & 0xfff) << size;
        return single([to, base], offset, false, vector.then_some(1 << size), wide, kind);
    }
    if word & 0x3b20_0000 == 0x3800_0000 {
        let moves = word & 1 << 10 != 0;
        let offset = signed(word, 12, 9);
        return single([to, base], offset, moves, vector.then_some(1 << size), wide, kind);
    }
    if word & 0x3b20_0c00 == 0x3820_0800 {
        let of = (!vector && kind == 0).then_some(to);
        let to = (!vector && kind != 0).then_some(to);
        return Op::Indexed { to, of, base, index: register(word, 16) };
    }
    // Exclusive and atomic ones: what they load is not an address.
    Op::Access { to: (!vector && to != SP).then_some(to), base, moves: false }
}

/// Reads a load or store of one register. `vector` is the size of a vector register's part; `kind`
/// tells loads from stores.
fn single(
    [to, base]: [usize; 2],
    offset: i64,
    moves: bool,
    vector: Option<i64>,
    wide: bool,
    kind: u32,
) -> Op {
    match (vector, kind) {
        (Some(size), _) => {
            Op::Vector { of: [to, to], base, offset, moves, size, stores: kind & 1 == 0 }
        }
        (None, 0) => Op::Store { of: [to, SP], base, offset, moves, wide },
        (None, 1) if wide => Op::Load { to, base, offset, moves },
        // prfm
        (None, 2) if wide => Op::Other,
        (None, _) => Op::Access { to: Some(to), base, moves },
    }
}

fn branch(address: u64, word: u32) -> Op {
    let to = |bits: u32, from: u32| address.wrapping_add_signed(signed(word, from, bits) * 4);
    match word {
        0xd503_23bf | 0xd503_23ff => Op::Authenticate,
        0xd65f_0bff | 0xd65f_0fff => Op::LeaveAuthenticated,
        _ if word & 0xfc00_0000 == 0x1400_0000 => Op::Jump { target: to(26, 0) },
        _ if word & 0xfc00_0000 == 0x9400_0000 => Op::Call { target: to(26, 0) },
        // b.cond, cbz and cbnz
        _ if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 => {
            Op::Perhaps { target: to(19, 5) }
        }
        // tbz and tbnz
        _ if word & 0x7e00_0000 == 0x3600_0000 => Op::Perhaps { target: to(14, 5) },
        // blr, blraa, ...
        _ if word & 0xfe60_0000 == 0xd620_0000 => Op::CallRegister,
        // br, braa
        _ if word & 0xfeff_f000 == 0xd61f_0000 => Op::JumpRegister,
        // ret, eret
        _ if word & 0xfe00_0000 == 0xd600_0000 => Op::Leave,
        // brk
        _ if word & 0xffe0_001f == 0xd420_0000 => Op::Leave,
        // mrs
        _ if word & 0xfff0_0000 == 0xd530_0000 => Op::Writes { to: register(word, 0) },
        _ => Op::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Op, SP, adrp, read};

    #[test]
    fn adrp_reaches_both_ways() {
        // adrp x16, +1 page; adrp x0, -1 page
        assert_eq!(adrp(0x1234, 0xb000_0010), 0x2000);
        assert_eq!(adrp(0x5678, 0xf0ff_ffe0), 0x4000);
    }

    fn vector(of: [usize; 2], base: usize, offset: i64, size: i64, stores: bool) -> Op {
        Op::Vector { of, base, offset, moves: false, size, stores }
    }

    /// Words and their meaning as `aarch64-linux-gnu-objdump -d` of binutils 2.40 prints them.
    #[test]
    fn instructions_are_read_as_objdump_reads_them() {
        let rows: &[(u32, Op)] = &[
            // sub sp, sp, #0x3c0; add x3, sp, #0x30; mov x29, sp; sub x20, x29, #0x288
            (0xd10f_03ff, Op::Add { to: SP, from: SP, number: -0x3c0 }),
            (0x9100_c3e3, Op::Add { to: 3, from: SP, number: 0x30 }),
            (0x9100_03fd, Op::Add { to: 29, from: SP, number: 0 }),
            (0xd10a_23b4, Op::Add { to: 20, from: 29, number: -0x288 }),
            // add x1, x4, #0x2c, lsl #12
            (0x9140_b081, Op::Add { to: 1, from: 4, number: 0x2c << 12 }),
            // ldr x8, [x8, #2576]; ldur x2, [x29, #-8]; ldr x30, [sp], #16
            (0xf945_0908, Op::Load { to: 8, base: 8, offset: 2576, moves: false }),
            (0xf85f_83a2, Op::Load { to: 2, base: 29, offset: -8, moves: false }),
            (0xf841_07fe, Op::Load { to: 30, base: SP, offset: 16, moves: true }),
            // stur x1, [x29, #-8]; stp x29, x30, [sp, #-112]!; stp x24, x25, [x29, #-16]
            (
                0xf81f_83a1,
                Op::Store { of: [1, SP], base: 29, offset: -8, moves: false, wide: true },
            ),
            (
                0xa9b9_7bfd,
                Op::Store { of: [29, 30], base: SP, offset: -112, moves: true, wide: true },
            ),
            // ldp x29, x30, [sp], #96; ldrb wzr, [x8, #2496]; ldp q30, q31, [x4]; str q31, [x3, #16]
            (0xa8c6_7bfd, Op::LoadPair { to: [29, 30], base: SP, offset: 96, moves: true }),
            (0x3967_011f, Op::Access { to: Some(31), base: 8, moves: false }),
            (0xad40_7c9e, vector([30, 31], 4, 0, 16, false)),
            (0x3d80_047f, vector([31, 31], 3, 16, 16, true)),
            // str d8, [sp, #96]; ldur q31, [x19, #12]; stp q30, q31, [sp, #80]
            (0xfd00_33e8, vector([8, 8], SP, 96, 8, true)),
            (0x3cc0_c27f, vector([31, 31], 19, 12, 16, false)),
            (0xad02_ffff, vector([31, 31], SP, 80, 16, true)),
            // mov x22, x5; subs x2, x2, x1; cmp x3, x0; mov x1, #0
            (0xaa05_03f6, Op::Move { to: 22, from: 5 }),
            (0xeb01_0042, Op::Two { to: 2, from: [2, 1], compares: true }),
            (0xeb00_007f, Op::Two { to: 31, from: [3, 0], compares: true }),
            (0xd280_0001, Op::Number { to: 1, value: 0, kept: 0 }),
            // mov w4, #0xe553; movk w4, #0x6474, lsl #16; mov x1, #-1
            (0x529c_aa64, Op::Number { to: 4, value: 0xe553, kept: 0 }),
            (0x72ac_8e84, Op::Number { to: 4, value: 0x6474_0000, kept: 0xffff }),
            (0x9280_0001, Op::Number { to: 1, value: u64::MAX, kept: 0 }),
            // sub sp, sp, x1; add x0, sp, x16; neg x16, x1
            (0xcb21_63ff, Op::FramePlus { to: SP, from: SP, index: 1, adds: false }),
            (0x8b30_63e0, Op::FramePlus { to: 0, from: SP, index: 16, adds: true }),
            (0xcb01_03f0, Op::Two { to: 16, from: [31, 1], compares: false }),
            // ccmp x2, #0xa, #0x2, ne; mrs x28, tpidr_el0; blr x0; ret; br x16; autiasp; retaa
            (0xfa4a_1842, Op::Other),
            (0xd53b_d05c, Op::Writes { to: 28 }),
            (0xd63f_0000, Op::CallRegister),
            (0xd65f_03c0, Op::Leave),
            (0xd61f_0200, Op::JumpRegister),
            (0xd503_23bf, Op::Authenticate),
            (0xd65f_0bff, Op::LeaveAuthenticated),
        ];
        for (word, op) in rows {
            assert_eq!(read(0x1000, *word), *op, "{word:08x}");
        }
        // 46f4: 54ffff61 b.ne 46e0; 46ac: 94001030 bl 876c; 46b8: 140313cd b c95ec; tbnz w0, #1 +0x984
        assert_eq!(read(0x46f4, 0x54ff_ff61), Op::Perhaps { target: 0x46e0 });
        assert_eq!(read(0x46ac, 0x9400_1030), Op::Call { target: 0x876c });
        assert_eq!(read(0x46b8, 0x1403_13cd), Op::Jump { target: 0xc95ec });
        assert_eq!(read(0x69b8, 0x3708_4c20), Op::Perhaps { target: 0x733c });
    }
}
