//! One pass over x86-64 code that looks at each pair of bytes once.
//!
//! A table says for every pair whether an instruction of interest can have it; few have. Bytes around the pair then
//! tell. A pair inside another instruction can look the same by chance: counts may be off by such chances, and what
//! decides about a violation is decoded afterwards. Pure.

use std::ops::Range;

use super::imports::Imports;
use super::sizes::size_register;
use super::{Code, Marks};
use crate::elf::Facts;
use crate::elf::memory::{Memory, Piece, Region};

const NOTHING: u8 = 0;
const CALL: u8 = 1;
const JUMP: u8 = 2;
const CANARY: u8 = 3;
const STEP_IMMEDIATE: u8 = 4;
const STEP_REGISTER: u8 = 5;
const LOCAL: u8 = 6;
const LOCAL_BELOW_FRAME: u8 = 7;
const COPY_OF_STACK: u8 = 8;
const CODE_ADDRESS: u8 = 9;
const TRAP: u8 = 10;
const RETURN: u8 = 11;
const TLS: u8 = 12;
const THROUGH_SLOT: u8 = 13;

static PAIRS: [u8; 65536] = pairs();

const fn set(table: &mut [u8; 65536], first: u8, seconds: &[u8], kind: u8) {
    let mut index = 0;
    while index < seconds.len() {
        table[first as usize | (seconds[index] as usize) << 8] = kind;
        index += 1;
    }
}

#[expect(clippy::large_stack_arrays, reason = "made at compile time")]
const fn pairs() -> [u8; 65536] {
    let mut table = [NOTHING; 65536];
    let mut byte = 0;
    while byte < 256 {
        table[byte | 0xc3 << 8] = RETURN;
        byte += 1;
    }
    byte = 0;
    while byte < 256 {
        table[0xe8 | byte << 8] = CALL;
        table[0xe9 | byte << 8] = JUMP;
        byte += 1;
    }
    set(&mut table, 0x25, &[0x28], CANARY);
    set(&mut table, 0x81, &[0xec, 0xc4], STEP_IMMEDIATE);
    // sub rsp, reg and mov rsp, reg; `mov rsp, rbp` is the end of a frame.
    set(&mut table, 0x29, &[0xc4, 0xcc, 0xd4, 0xdc, 0xec, 0xf4, 0xfc], STEP_REGISTER);
    set(&mut table, 0x2b, &[0xe0, 0xe1, 0xe2, 0xe3, 0xe5, 0xe6, 0xe7], STEP_REGISTER);
    set(&mut table, 0x2b, &[0x24, 0x25, 0x64, 0x65, 0xa4, 0xa5], STEP_REGISTER);
    set(&mut table, 0x89, &[0xc4, 0xcc, 0xd4, 0xdc, 0xec, 0xf4, 0xfc], STEP_REGISTER);
    set(&mut table, 0x8d, &[0xa4, 0x24, 0x64], STEP_REGISTER);
    // lea reg, [rsp+x] (x of 8, 32 and no bits), lea reg, [rbp-x], mov reg, rsp.
    set(&mut table, 0x8d, &[0x44, 0x4c, 0x54, 0x5c, 0x6c, 0x74, 0x7c], LOCAL);
    set(&mut table, 0x8d, &[0x84, 0x8c, 0x94, 0x9c, 0xac, 0xb4, 0xbc], LOCAL);
    set(&mut table, 0x8d, &[0x04, 0x0c, 0x14, 0x1c, 0x2c, 0x34, 0x3c], LOCAL);
    set(&mut table, 0x8d, &[0x45, 0x4d, 0x55, 0x5d, 0x75, 0x7d], LOCAL_BELOW_FRAME);
    set(&mut table, 0x8d, &[0x85, 0x8d, 0x95, 0x9d, 0xb5, 0xbd], LOCAL_BELOW_FRAME);
    set(&mut table, 0x89, &[0xe0, 0xe1, 0xe2, 0xe3, 0xe5, 0xe6, 0xe7], COPY_OF_STACK);
    set(&mut table, 0x89, &[0xe4], COPY_OF_STACK);
    set(&mut table, 0x8d, &[0x05, 0x0d, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d], CODE_ADDRESS);
    set(&mut table, 0x0f, &[0xb9], TRAP);
    set(&mut table, 0x64, &[0x48, 0x49, 0x4c, 0x4d], TLS);
    set(&mut table, 0xff, &[0x15, 0x25], THROUGH_SLOT);
    table
}

/// Whether the table may have something for a pair: the same question without a table, so that the compiler can ask it
/// for many pairs at a time.
#[inline(always)]
#[expect(
    clippy::inline_always,
    clippy::needless_bitwise_bool,
    reason = "so it becomes vector code"
)]
fn interesting(first: u8, second: u8) -> bool {
    let both = |a: u8, b: u8| (first == a) & (second == b);
    let to_stack = (second & 0xc7 == 0xc4) | (second & 0xf8 == 0xe0);
    let from_stack = (second & 0xf8 == 0xe0) | (second & 0x3e == 0x24);
    (first & 0xfe == 0xe8)
        | (second == 0xc3)
        | both(0x25, 0x28)
        | (first == 0x81) & (second & 0xd7 == 0xc4)
        | (first & 0x5f == 0x09) & to_stack
        | (first == 0x2b) & from_stack
        | (first == 0x8d) & (second & 0x06 == 0x04) & (second < 0xc0)
        | both(0x0f, 0xb9)
        | (first == 0x64) & (second & 0xfa == 0x48)
        | (first == 0xff) & (second & 0xcf == 0x05)
}

/// Pairs looked at together.
const BLOCK: usize = 64;

/// A bit for each interesting pair of a block.
fn mask(bytes: &[u8; BLOCK + 1]) -> u64 {
    let mut flags = [0_u8; BLOCK];
    for (at, flag) in flags.iter_mut().enumerate() {
        *flag = u8::from(interesting(bytes[at], bytes[at + 1]));
    }
    let mut mask = 0;
    for (index, eight) in flags.chunks_exact(8).enumerate() {
        let eight = u64::from_le_bytes(eight.try_into().unwrap_or_default());
        // Gathers the lowest bit of each byte in the highest byte.
        let bits = eight.wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (index * 8);
    }
    mask
}

struct Scan<'s, 'a> {
    bytes: &'s [u8],
    /// Of the first byte.
    address: u64,
    imports: &'s Imports<'a>,
    code: &'s mut Code<'a>,
    taken: &'s mut Vec<u64>,
    /// The first function that does not end before where we are.
    current: usize,
    /// Code whose address is taken has to lie here.
    bounds: (u64, u64),
}

/// How far back and ahead of a pair is looked.
const BEFORE: u64 = 16;
const AFTER: u64 = 24;

/// Marks functions, counts calls, and collects code addresses the code itself takes.
pub(super) fn scan<'a>(
    memory: &Memory<'_>,
    facts: &Facts<'a>,
    imports: &Imports<'a>,
    code: &mut Code<'a>,
    taken: &mut Vec<u64>,
) {
    let low = memory.code().map(|region| region.address).min().unwrap_or(0);
    let high = memory.code().map(Region::end).max().unwrap_or(0);
    let fixed =
        matches!(facts.kind, crate::elf::Kind::Executable | crate::elf::Kind::StaticExecutable);
    for region in memory.code() {
        let mut current = code.functions.partition_point(|function| function.end <= region.address);
        memory.pieces(region, BEFORE, AFTER, &mut |piece| {
            let Piece { bytes, address, core } = piece;
            let bounds = (low, high);
            let mut scan = Scan { bytes, address, imports, code, taken, current, bounds };
            scan.all(core.clone());
            if fixed {
                scan.absolute_addresses(core);
            }
            current = scan.current;
        });
    }
    // `lea` below rbp is a local only where rbp is the frame pointer.
    for function in &mut code.functions {
        if function.marks.has(Marks::BELOW_FRAME.with(Marks::FRAME_POINTER)) {
            function.marks = function.marks.with(Marks::FRAME_ADDRESS);
        }
    }
}

impl Scan<'_, '_> {
    fn all(&mut self, core: Range<usize>) {
        let mut at = core.start;
        while at < core.end {
            let block = self.bytes.get(at..at + BLOCK + 1).and_then(|block| block.try_into().ok());
            let mut mask = match block {
                Some(block) => mask(block),
                None => u64::MAX,
            };
            if let Some(beyond) = (at + BLOCK).checked_sub(core.end) {
                mask &= u64::MAX.checked_shr(u32::try_from(beyond).unwrap_or(64)).unwrap_or(0);
            }
            while mask != 0 {
                let here = at + mask.trailing_zeros() as usize;
                mask &= mask - 1;
                // A pair needs two bytes.
                if here + 1 < self.bytes.len() {
                    let pair =
                        usize::from(self.bytes[here]) | usize::from(self.bytes[here + 1]) << 8;
                    self.look(here, PAIRS[pair]);
                }
            }
            at += BLOCK;
        }
    }

    fn look(&mut self, at: usize, kind: u8) {
        match kind {
            CALL => self.branch(at, false),
            JUMP => self.branch(at, true),
            CANARY => self.canary(at),
            STEP_IMMEDIATE => self.step_immediate(at),
            // With REX.R the register is r12.
            STEP_REGISTER
                if self.byte(at) == 0x8d
                    && self.before(at, 1) == 0x4c
                    && self.byte(at + 2) == 0x24 =>
            {
                self.mark(at, Marks::FRAME_ADDRESS);
            }
            STEP_REGISTER => self.step_register(at),
            LOCAL if self.byte(at + 2) == 0x24 && self.wide(at) => {
                self.mark(at, Marks::FRAME_ADDRESS);
            }
            LOCAL_BELOW_FRAME if self.wide(at) && self.negative(at) => {
                self.mark(at, Marks::BELOW_FRAME);
            }
            COPY_OF_STACK => self.copy_of_stack(at),
            CODE_ADDRESS if self.wide(at) => self.code_address(at),
            // ud1 eax, [eax+2]: ubsantrap(2), which is clang's CFICheckFail.
            TRAP if self.before(at, 1) == 0x67
                && self.byte(at + 2) == 0x40
                && self.byte(at + 3) == 2 =>
            {
                self.mark(at, Marks::CFI_CHECK);
            }
            RETURN => self.returns(at + 1),
            TLS if self.byte(at + 2) == 0x89 => self.mark(at, Marks::TLS_STORE),
            THROUGH_SLOT => {
                let target = self.target(at + 2, at + 6);
                if let Some(name) = target.and_then(|target| self.imports.at_slot(target)) {
                    // The stub itself is no call.
                    let stub = self.address.wrapping_add(at as u64);
                    if self.imports.at_stub(stub).is_none() {
                        self.called(at, name);
                    }
                }
            }
            _ => {}
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn before(&self, at: usize, distance: usize) -> u8 {
        at.checked_sub(distance).map_or(0, |at| self.byte(at))
    }

    fn number(&self, at: usize) -> Option<i32> {
        let bytes = self.bytes.get(at..at + 4)?;
        Some(i32::from_le_bytes(bytes.try_into().ok()?))
    }

    /// What `[rip+x]` or a relative branch means: `x` at `at`, the instruction ends at `end`.
    fn target(&self, at: usize, end: usize) -> Option<u64> {
        let distance = i64::from(self.number(at)?);
        Some(self.address.wrapping_add(end as u64).wrapping_add_signed(distance))
    }

    /// A 64-bit operand that is none of r8 to r15 in base: REX.W, maybe REX.R.
    fn wide(&self, at: usize) -> bool {
        matches!(self.before(at, 1), 0x48 | 0x4c)
    }

    fn negative(&self, at: usize) -> bool {
        if self.byte(at + 1) & 0x80 == 0 {
            self.byte(at + 2) & 0x80 != 0
        } else {
            self.byte(at + 5) & 0x80 != 0
        }
    }

    fn mark(&mut self, at: usize, marks: Marks) {
        let address = self.address.wrapping_add(at as u64);
        let functions = &mut self.code.functions;
        while functions.get(self.current).is_some_and(|function| function.end <= address) {
            self.current += 1;
        }
        if let Some(function) =
            functions.get_mut(self.current).filter(|function| function.start <= address)
        {
            function.marks = function.marks.with(marks);
        }
    }

    fn branch(&mut self, at: usize, jump: bool) {
        let Some(target) = self.target(at + 1, at + 5) else { return };
        if let Some(name) = self.imports.at_stub(target) {
            self.called(at, name);
        }
        if jump && self.bytes.get(at + 5..at + 8) == Some(b"\xcc\xcc\xcc") {
            self.jump_table_entry(at, target);
        }
    }

    /// LLVM's jump tables for indirect calls: `jmp target; int3; int3; int3`, eight bytes each, one after the other.
    fn jump_table_entry(&mut self, at: usize, target: u64) {
        let here = self.address.wrapping_add(at as u64);
        let neighbour = |at: Option<usize>| {
            at.and_then(|at| self.bytes.get(at..at + 8))
                .is_some_and(|entry| entry[0] == 0xe9 && entry[5..] == *b"\xcc\xcc\xcc")
        };
        let in_row = neighbour(at.checked_sub(8)) || neighbour(at.checked_add(8));
        let begins = |address: u64| {
            self.code.functions.binary_search_by_key(&address, |function| function.start).is_ok()
        };
        if here.is_multiple_of(8)
            && in_row
            && (begins(target) || self.imports.at_stub(target).is_some())
        {
            self.code.jump_table_entries += 1;
        }
    }

    fn called(&mut self, at: usize, name: u32) {
        self.imports.call(name);
        match self.imports.name(name) {
            "__stack_chk_fail" => self.mark(at, Marks::CALLS_FAIL),
            name if size_register(name).is_some() => self.mark(at, Marks::SIZED_CALL),
            _ => {}
        }
    }

    /// An operand `fs:[0x28]`: prefix 0x64, maybe REX, opcode, ModRM 00 reg 100, SIB 0x25, displacement.
    fn canary(&mut self, at: usize) {
        let modrm = self.before(at, 1) & 0xc7 == 0x04;
        let segment = self.before(at, 3) == 0x64 || self.before(at, 4) == 0x64;
        if !modrm || !segment || self.number(at + 1) != Some(0x28) {
            return;
        }
        let already = self.marks_at(at).has(Marks::LOADS_CANARY);
        // 8b loads; 2b, 33, 3b and 39 compare; a second load is compared with what the first one stored.
        let marks = match self.before(at, 2) {
            0x8b if already => Marks::CHECKS_CANARY,
            0x8b => Marks::LOADS_CANARY,
            _ => Marks::CHECKS_CANARY,
        };
        self.mark(at, marks);
    }

    fn marks_at(&mut self, at: usize) -> Marks {
        self.mark(at, Marks::default());
        let address = self.address.wrapping_add(at as u64);
        let function = self.code.functions.get(self.current);
        function.filter(|function| function.start <= address).map_or(Marks::default(), |f| f.marks)
    }

    fn step_immediate(&mut self, at: usize) {
        let Some(amount) = self.number(at + 2) else { return };
        let lowers = if self.byte(at + 1) == 0xec { i64::from(amount) } else { -i64::from(amount) };
        if matches!(self.before(at, 1), 0x48..=0x4f) && lowers >= 0x1000 {
            self.mark(at, Marks::STEP);
        }
    }

    fn step_register(&mut self, at: usize) {
        let (opcode, operand, rex) = (self.byte(at), self.byte(at + 1), self.before(at, 1));
        let relevant = match (opcode, operand, rex) {
            // mov rsp, rbp
            (0x89, 0xec, 0x48) => false,
            // lea rsp, [rsp+...]: 64 24 only moves by a byte's worth.
            (0x8d, 0xa4, 0x48) => self.number(at + 3).is_some_and(|distance| distance <= -0x1000),
            (0x8d, 0x24, 0x48 | 0x4a) => true,
            (0x8d, ..) => false,
            (_, _, 0x48 | 0x4c) => true,
            // sub rsp, reg with rsp in the register field: 48 2b, 49 2b.
            (0x2b, _, 0x49) => true,
            _ => false,
        };
        if relevant {
            self.mark(at, Marks::STEP);
        }
    }

    fn copy_of_stack(&mut self, at: usize) {
        // `push rbp; mov rbp, rsp` is the frame pointer; 49 has r8 to r15 as destination.
        let copied = match self.before(at, 1) {
            0x48 => match self.byte(at + 1) {
                0xe5 if self.before(at, 2) == 0x55 => {
                    self.frame_pointer(at);
                    false
                }
                other => other != 0xe4,
            },
            0x49 => true,
            _ => false,
        };
        if copied {
            self.mark(at, Marks::FRAME_ADDRESS);
        }
    }

    /// `push rbp; mov rbp, rsp` at the start of a function.
    fn frame_pointer(&mut self, at: usize) {
        self.mark(at, Marks::default());
        let address = self.address.wrapping_add(at as u64);
        let function = self.code.functions.get_mut(self.current);
        if let Some(function) = function
            .filter(|it| address.checked_sub(it.start).is_some_and(|at| (2..23).contains(&at)))
        {
            function.marks = function.marks.with(Marks::FRAME_POINTER);
        }
    }

    fn code_address(&mut self, at: usize) {
        if let Some(target) = self.target(at + 2, at + 6)
            && target >= self.bounds.0
            && target < self.bounds.1
        {
            self.taken.push(target);
        }
    }

    fn returns(&mut self, at: usize) {
        self.code.returns += 1;
        self.mark(at, Marks::RETURNS);
        // xor reg, reg of a call-used register other than eax, the returned value: 31 c9/d2/f6/ff, 45 31 c0/c9/d2/db.
        let zeroed = match (self.before(at, 2), self.before(at, 1)) {
            (0x31, 0xc9 | 0xd2 | 0xf6 | 0xff) => true,
            (0x31, 0xc0 | 0xdb) => self.before(at, 3) == 0x45,
            _ => false,
        };
        self.code.zeroing_returns += usize::from(zeroed);
        if zeroed {
            self.mark(at, Marks::ZEROES);
        }
    }

    /// Code at a fixed address takes addresses of functions as numbers: `mov reg, imm32`.
    fn absolute_addresses(&mut self, core: Range<usize>) {
        let functions = &self.code.functions;
        let (Some(first), Some(last)) = (functions.first(), functions.last()) else { return };
        let starts = first.start..=last.start;
        for at in core {
            if !matches!(self.bytes[at], 0xb8..=0xbf | 0xc7) {
                continue;
            }
            for start in [at + 1, at + 2] {
                let Some(value) = self.number(start) else { continue };
                let value = u64::from(value.cast_unsigned());
                if starts.contains(&value)
                    && functions.binary_search_by_key(&value, |function| function.start).is_ok()
                {
                    self.taken.push(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, NOTHING, PAIRS, interesting, mask};

    #[test]
    fn no_pair_of_the_table_is_passed_over() {
        let (mut listed, mut asked) = (0, 0);
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let kind = PAIRS[usize::from(first) | usize::from(second) << 8];
                let found = interesting(first, second);
                assert!(found || kind == NOTHING, "{first:02x} {second:02x}");
                listed += usize::from(kind != NOTHING);
                asked += usize::from(found);
            }
        }
        assert!(asked < listed * 2, "{asked} of {listed}: too much is looked at");
    }

    #[test]
    fn a_mask_has_the_bits_of_its_pairs() {
        for at in 0..BLOCK {
            let mut bytes = [0; BLOCK + 1];
            bytes[at] = 0xe8;
            assert_eq!(mask(&bytes), 1 << at);
        }
        let mut bytes = [0; BLOCK + 1];
        bytes[BLOCK] = 0xc3;
        assert_eq!(mask(&bytes), 1 << (BLOCK - 1));
    }
}
