//! One pass over x86-64 code that looks at each byte once.
//!
//! [`super::classes`] says of many bytes at a time where an instruction of interest can begin; few do. Bytes around then
//! tell. What stands inside another instruction can look the same by chance: counts may be off by such chances, and what
//! decides about a violation is decoded afterwards. Pure.

use std::ops::Range;

use super::classes::{BRANCH, BY_FRAME, BY_STACK, CHUNK, CODE_ADDRESS, Chunk, Near, Places, SEEN};
use super::elsewhere::Elsewhere;
use super::imports::{Callee, Imports};
use super::{Code, Marks};
use crate::elf::Facts;
use crate::elf::functions::no_padding;
use crate::elf::memory::{Memory, Piece, Region};

/// How far into a function something was seen, in bytes from its start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    /// The last byte at which an instruction can stand that takes the address of a local.
    pub(super) taken: u64,
    /// The last call of a function that is told a size.
    pub(super) sized: u64,
}

/// What the scan leaves for those who decode: offsets in marked functions and addresses.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// As many as there are functions.
    pub(super) extents: Vec<Extent>,
    /// Code addresses that the code itself takes.
    pub(super) taken: Vec<u64>,
    /// Bytes outside of functions that are no padding.
    pub(super) between: u64,
    /// What instructions outside of functions would do.
    pub(super) elsewhere: Elsewhere,
}

struct Scan<'s, 'a> {
    bytes: &'s [u8],
    /// Of the first byte.
    address: u64,
    imports: &'s Imports<'a>,
    code: &'s mut Code<'a>,
    seen: &'s mut Seen,
    /// The first function that does not end before where we are, and the one for returns.
    current: usize,
    returning: usize,
    /// Code whose address is taken has to lie here.
    bounds: (u64, u64),
    /// In a file at a fixed address.
    numbers: Option<Numbers>,
    /// Nothing is linked yet.
    object: bool,
    /// A stub that was not known is there.
    unknown_stub: bool,
}

/// Bytes before and after a place of interest that are looked at.
const BEFORE: u64 = 16;
const AFTER: u64 = 24;

/// Marks functions, counts calls, and collects code addresses the code itself takes. `None` when there is a stub that the
/// imports do not know: all was for nothing.
pub(super) fn scan<'a>(
    memory: &Memory<'_>,
    facts: &Facts<'a>,
    imports: &Imports<'a>,
    code: &mut Code<'a>,
) -> Option<Seen> {
    let low = memory.code().map(|region| region.address).min().unwrap_or(0);
    let high = memory.code().map(Region::end).max().unwrap_or(0);
    let fixed =
        matches!(facts.kind, crate::elf::Kind::Executable | crate::elf::Kind::StaticExecutable);
    let numbers = if fixed { Numbers::of(code) } else { None };
    let mut seen =
        Seen { extents: vec![Extent::default(); code.functions.len()], ..Seen::default() };
    let object = facts.kind == crate::elf::Kind::Relocatable;
    let mut unknown_stub = false;
    let mut chunk = Chunk::new();
    for region in memory.code() {
        let mut current = code.functions.partition_point(|function| function.end <= region.address);
        let mut returning = current;
        memory.pieces(region, BEFORE, AFTER, &mut |piece| {
            let Piece { bytes, address, core } = piece;
            let (bounds, seen) = ((low, high), &mut seen);
            let mut scan = Scan {
                bytes,
                address,
                imports,
                code,
                seen,
                current,
                returning,
                bounds,
                numbers,
                object,
                unknown_stub,
            };
            scan.between_functions(core.clone());
            scan.all(core, &mut chunk);
            (current, returning) = (scan.current, scan.returning);
            unknown_stub = scan.unknown_stub;
            !unknown_stub
        });
    }
    // `lea` below rbp is a local only where rbp is the frame pointer.
    for function in &mut code.functions {
        if function.marks.contains(Marks::BELOW_FRAME | Marks::FRAME_POINTER) {
            function.marks |= Marks::FRAME_ADDRESS;
        }
    }
    (!unknown_stub).then_some(seen)
}

impl Scan<'_, '_> {
    fn all(&mut self, core: Range<usize>, chunk: &mut Chunk) {
        let address = |at: usize| self.address.wrapping_add(at as u64);
        // Branches have five bytes from here, addresses in `lea` six.
        let from = |more| (address(core.start + more), address(core.end + more));
        let places = Places {
            stubs: self.imports.stubs().and_then(|stubs| Near::new(from(5), stubs)),
            code: Near::new(from(6), self.bounds),
            numbers: self.numbers.as_ref().map(|numbers| numbers.top),
        };
        let mut at = core.start;
        while at < core.end && !self.unknown_stub {
            let whole = at.checked_sub(1).and_then(|from| self.bytes.get(from..from + SEEN));
            match whole.and_then(|bytes| bytes.try_into().ok()) {
                Some(bytes) => chunk.read(bytes, &places),
                None => chunk.read(&self.at_the_edge(at), &places),
            }
            self.hits(at, core.end - at, chunk);
            self.returns(at, core.end - at, chunk);
            if self.numbers.is_some() {
                self.absolute_addresses(at, core.end - at, chunk);
            }
            at += CHUNK;
        }
    }

    /// A chunk with its neighbours, as far as there are any.
    fn at_the_edge(&self, at: usize) -> [u8; SEEN] {
        let mut out = [0; SEEN];
        let (from, skipped) = if at == 0 { (0, 1) } else { (at - 1, 0) };
        let bytes = self.bytes.get(from..).unwrap_or_default();
        for (out, byte) in out[skipped..].iter_mut().zip(bytes) {
            *out = *byte;
        }
        out
    }

    fn hits(&mut self, at: usize, length: usize, chunk: &Chunk) {
        for here in places(&chunk.hits).take_while(|here| *here < length) {
            match chunk.classes[here] {
                CODE_ADDRESS => self.code_address(at + here),
                BRANCH => self.branch(at + here),
                BY_STACK => self.by_stack(at + here),
                BY_FRAME => self.by_frame(at + here),
                _ => self.look(at + here),
            }
        }
    }

    fn returns(&mut self, at: usize, length: usize, chunk: &Chunk) {
        for here in places(&chunk.returns).take_while(|here| *here < length) {
            self.return_at(at + here);
        }
    }

    /// Counts what is no padding between functions, and looks for a landing pad where they begin.
    fn between_functions(&mut self, core: Range<usize>) {
        let here = self.address.wrapping_add(core.start as u64);
        let (address, mut at) = (self.address, core.start);
        let place = |of: u64| usize::try_from(of.saturating_sub(address)).unwrap_or(usize::MAX);
        let functions = &mut self.code.functions;
        if functions.is_empty() {
            return;
        }
        for function in functions.get_mut(self.current..).unwrap_or_default() {
            let start = place(function.start).clamp(core.start, core.end);
            self.seen.between += no_padding(&self.bytes[at.min(start)..start]);
            at = place(function.end).clamp(core.start, core.end).max(at);
            if start == core.end {
                break;
            }
            let begins = function.start >= here;
            if begins && self.bytes[start..].starts_with(b"\xf3\x0f\x1e\xfa") {
                function.marks |= Marks::LANDS;
            }
        }
        self.seen.between += no_padding(&self.bytes[at..core.end]);
    }

    fn look(&mut self, at: usize) {
        match (self.byte(at), self.byte(at + 1)) {
            (0x25, 0x28) => self.canary(at),
            (0x81, 0xec | 0xc4) => self.step_immediate(at),
            // sub rsp, reg and mov rsp, reg.
            (0x29 | 0x89, 0xc4 | 0xcc | 0xd4 | 0xdc | 0xec | 0xf4 | 0xfc)
            | (0x2b, 0xe0..=0xe3 | 0xe5..=0xe7 | 0x24 | 0x25 | 0x64 | 0x65 | 0xa4 | 0xa5) => {
                self.step_register(at);
            }
            (0x89, 0xe0..=0xe7) => self.copy_of_stack(at),
            // The other way to write mov reg, rsp.
            (0x8b, second) if second & 0xc7 == 0xc4 => self.stack_address(at, Marks::default()),
            // ud1 eax, [eax+2]: ubsantrap(2), which is clang's CFICheckFail.
            (0x0f, 0xb9)
                if self.before(at, 1) == 0x67
                    && self.byte(at + 2) == 0x40
                    && self.byte(at + 3) == 2 =>
            {
                self.mark(at, Marks::CFI_CHECK);
            }
            // `mov fs:[x], reg`: what has no register in its address is none of SafeStack's.
            (0x64, 0x48 | 0x49 | 0x4c | 0x4d)
                if self.byte(at + 2) == 0x89 && self.through_register(at + 3) =>
            {
                self.mark(at, Marks::TLS_STORE);
            }
            (0xff, 0x15 | 0x25) => self.through_slot(at),
            _ => self.element(at),
        }
    }

    /// Looks at what may be a ModRM and a SIB byte, or an opcode before them: an element of an array that lies on the stack. It
    /// is decoded before it counts, and in no function nothing would be.
    fn element(&mut self, at: usize) {
        let modrm = |byte: u8| byte & 7 == 4 && byte < 0xc0;
        let (byte, next) = (self.byte(at), self.byte(at + 1));
        let plain = modrm(byte)
            && access(self.before(at, 1), self.before(at, 2))
            && (next & 7 == 4 && next & 0x38 != 0x20 || next & 7 == 5 && byte >= 0x40);
        let widened = self.before(at, 1) & 0xf2 == 0x42
            && self.before(at, 1) & 1 == 0
            && access(byte, 0)
            && modrm(next)
            && self.byte(at + 2) & 0x3f == 0x24;
        if (plain || widened) && self.function_at(at).is_some() {
            self.stack_address(at, Marks::FRAME_ADDRESS);
        }
    }

    fn through_slot(&mut self, at: usize) {
        let target = self.target(at + 2, at + 6);
        if let Some(name) = target.and_then(|target| self.imports.at_slot(target)) {
            // The stub itself is no call.
            let stub = self.address.wrapping_add(at as u64);
            if self.byte(at + 1) == 0x15 {
                self.called(at, name);
            } else if self.imports.at_stub(stub).is_none() {
                self.unknown_stub = true;
            }
        }
    }

    /// Looks at a `lea` with a SIB byte. A ModRM byte with register 4 means rsp, with REX.R r12.
    fn by_stack(&mut self, at: usize) {
        let (before, modrm, sib) = (self.before(at, 1), self.byte(at + 1), self.byte(at + 2));
        let to_stack = modrm & 0x38 == 0x20;
        let indexed =
            sib & 7 == 4 && sib & 0x38 != 0x20 && matches!(before, 0x48 | 0x4a | 0x4c | 0x4e)
                || sib & 0x3f == 0x24 && matches!(before, 0x4a | 0x4e);
        let local = sib == 0x24 && (before == 0x4c || before == 0x48 && !to_stack)
            || indexed && !(to_stack && before & 4 == 0);
        let marks = if local { Marks::FRAME_ADDRESS } else { Marks::default() };
        self.stack_address(at, marks);
        if to_stack && !local {
            self.step_register(at);
        }
    }

    /// Looks at a `lea` with rbp; a local is below it.
    fn by_frame(&mut self, at: usize) {
        let modrm = self.byte(at + 1);
        let sign = if modrm & 0x80 == 0 { self.byte(at + 2) } else { self.byte(at + 5) };
        let local = matches!(self.before(at, 1), 0x48 | 0x4c)
            && sign & 0x80 != 0
            && !matches!(modrm & 0x38, 0x20 | 0x28);
        self.stack_address(at, if local { Marks::BELOW_FRAME } else { Marks::default() });
    }

    /// Notes that an address made of rsp or rbp may be taken here.
    fn stack_address(&mut self, at: usize, marks: Marks) {
        let address = self.address.wrapping_add(at as u64);
        if let Some(index) = self.function_at(at)
            && let Some(function) = self.code.functions.get_mut(index)
            && let Some(extent) = self.seen.extents.get_mut(index)
        {
            function.marks |= marks;
            extent.taken = address.saturating_sub(function.start);
        } else {
            self.seen.elsewhere.note(address.wrapping_sub(1), marks);
        }
    }

    /// Tells whether the memory operand of a ModRM byte has a base or an index.
    fn through_register(&self, at: usize) -> bool {
        let (modrm, sib) = (self.byte(at), self.byte(at + 1));
        modrm & 0xc7 != 0x04 || sib & 0x3f != 0x25 || self.before(at, 2) & 0x02 != 0
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

    /// The address that `[rip+x]` or a relative branch means: `x` at `at`, the instruction ends at
    /// `end`.
    fn target(&self, at: usize, end: usize) -> Option<u64> {
        let distance = i64::from(self.number(at)?);
        Some(self.address.wrapping_add(end as u64).wrapping_add_signed(distance))
    }

    /// The function that a place lies in. Questions come in the order of the bytes.
    fn function_at(&mut self, at: usize) -> Option<usize> {
        let address = self.address.wrapping_add(at as u64);
        let functions = &self.code.functions;
        while functions.get(self.current).is_some_and(|function| function.end <= address) {
            self.current += 1;
        }
        functions.get(self.current).filter(|it| it.start <= address).map(|_| self.current)
    }

    fn mark(&mut self, at: usize, marks: Marks) {
        let function = self.function_at(at).and_then(|index| self.code.functions.get_mut(index));
        if let Some(function) = function {
            function.marks |= marks;
        } else {
            let address = self.address.wrapping_add(at as u64);
            self.seen.elsewhere.note(address.wrapping_sub(1), marks);
        }
    }

    fn branch(&mut self, at: usize) {
        let Some(target) = self.target(at + 1, at + 5) else { return };
        if let Some(name) = self.imports.at_stub(target) {
            self.called(at, name);
        }
        if self.byte(at) == 0xe9 && self.bytes.get(at + 5..at + 8) == Some(b"\xcc\xcc\xcc") {
            self.jump_table_entry(at, target);
        }
    }

    /// Counts entries of LLVM's jump tables for indirect calls: `jmp target; int3; int3; int3`,
    /// eight bytes each, one after the other.
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
        match self.imports.call(name) {
            Callee::Other => {}
            Callee::Fails => self.mark(at, Marks::CALLS_FAIL),
            Callee::ToldASize => {
                let address = self.address.wrapping_add(at as u64);
                if let Some(index) = self.function_at(at)
                    && let Some(function) = self.code.functions.get_mut(index)
                    && let Some(extent) = self.seen.extents.get_mut(index)
                {
                    function.marks |= Marks::SIZED_CALL;
                    extent.sized = extent.sized.max(address.saturating_sub(function.start));
                }
            }
        }
    }

    /// Looks at an operand `fs:[0x28]`, the canary, in a kernel's object `gs:[0x28]`: prefix 0x64 or 0x65, maybe REX, opcode, ModRM 00 reg
    /// 100, SIB 0x25, displacement.
    fn canary(&mut self, at: usize) {
        let modrm = self.before(at, 1) & 0xc7 == 0x04;
        let prefixes = [self.before(at, 3), self.before(at, 4)];
        let segment = prefixes.contains(&0x64) || self.object && prefixes.contains(&0x65);
        if !modrm || !segment || self.number(at + 1) != Some(0x28) {
            return;
        }
        let already = self.marks_at(at).contains(Marks::LOADS_CANARY);
        // 8b loads; 2b, 33, 3b and 39 compare; a second load is compared with what the first one stored.
        let marks = match self.before(at, 2) {
            0x8b if already => Marks::CHECKS_CANARY,
            0x8b => Marks::LOADS_CANARY,
            _ => Marks::CHECKS_CANARY,
        };
        self.mark(at, marks);
    }

    fn marks_at(&mut self, at: usize) -> Marks {
        let function = self.function_at(at).and_then(|index| self.code.functions.get(index));
        function.map_or(Marks::default(), |function| function.marks)
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
        // `push rbp; mov rbp, rsp` is the frame pointer; 49 has r8 to r15 as destination. Where functions begin is not known
        // elsewhere, and what is below rbp is seen there, too.
        let copied = match self.before(at, 1) {
            0x48 => match self.byte(at + 1) {
                0xe5 if self.function_at(at).is_none() => false,
                0xe5 if self.before(at, 2) == 0x55 => {
                    self.frame_pointer(at);
                    false
                }
                other => other != 0xe4,
            },
            0x49 => true,
            _ => false,
        };
        self.stack_address(at, if copied { Marks::FRAME_ADDRESS } else { Marks::default() });
    }

    /// Notes `push rbp; mov rbp, rsp` at the start of a function.
    fn frame_pointer(&mut self, at: usize) {
        let address = self.address.wrapping_add(at as u64);
        let function = self.function_at(at).and_then(|index| self.code.functions.get_mut(index));
        if let Some(function) =
            function.filter(|function| (2..23).contains(&(address - function.start)))
        {
            function.marks |= Marks::FRAME_POINTER;
        }
    }

    fn code_address(&mut self, at: usize) {
        if let Some(target) = self.target(at + 2, at + 6)
            && target >= self.bounds.0
            && target < self.bounds.1
        {
            self.seen.taken.push(target);
        }
    }

    fn return_at(&mut self, at: usize) {
        // xor reg, reg of a call-used register other than eax, the returned value: 31 c9/d2/f6/ff, 45 31 c0/c9/d2/db.
        let zeroed = match (self.before(at, 2), self.before(at, 1)) {
            (0x31, 0xc9 | 0xd2 | 0xf6 | 0xff) => true,
            (0x31, 0xc0 | 0xdb) => self.before(at, 3) == 0x45,
            _ => false,
        };
        let address = self.address.wrapping_add(at as u64);
        let functions = &mut self.code.functions;
        while functions.get(self.returning).is_some_and(|function| function.end <= address) {
            self.returning += 1;
        }
        let function = functions.get_mut(self.returning).filter(|it| it.start <= address);
        // What stands elsewhere may be data.
        if let Some(function) = function {
            self.code.returns += 1;
            self.code.zeroing_returns += usize::from(zeroed);
            let zeroes = if zeroed { Marks::ZEROES } else { Marks::default() };
            function.marks |= Marks::RETURNS | zeroes;
        }
    }

    /// Notes addresses of functions in numbers. Code at a fixed address takes addresses of
    /// functions as numbers: `mov reg, imm32`.
    fn absolute_addresses(&mut self, at: usize, length: usize, chunk: &Chunk) {
        let Some(numbers) = &self.numbers else { return };
        for here in places(&chunk.numbers).take_while(|here| *here < length) {
            for start in [at + here + 1, at + here + 2] {
                let Some(value) = self.number(start) else { continue };
                let value = u64::from(value.cast_unsigned());
                let functions = &self.code.functions;
                if value >= numbers.first
                    && value <= numbers.last
                    && functions.binary_search_by_key(&value, |function| function.start).is_ok()
                {
                    self.seen.taken.push(value);
                }
            }
        }
    }
}

/// Tells whether an opcode, maybe with 0f before it, is one that compilers reach elements of arrays with.
fn access(opcode: u8, before: u8) -> bool {
    if before == 0x0f {
        return matches!(opcode, 0x10..=0x17 | 0x28..=0x2f | 0x51..=0x6f | 0x7e | 0x7f | 0xb6 | 0xb7 | 0xbe | 0xbf | 0xd6 | 0xaf | 0xd4 | 0xef | 0xfe);
    }
    matches!(opcode, 0x00..=0x03 | 0x08..=0x0b | 0x20..=0x23 | 0x28..=0x2b | 0x30..=0x33 | 0x38..=0x3b | 0x63 | 0x80..=0x8b | 0xc6 | 0xc7 | 0xf6 | 0xf7 | 0xfe | 0xff)
}

/// Positions of the set bits of a row of bits.
fn places(bits: &[u64]) -> impl Iterator<Item = usize> + '_ {
    bits.iter().enumerate().flat_map(|(index, block)| {
        let mut block = *block;
        std::iter::from_fn(move || {
            let next = index * 64 + block.trailing_zeros() as usize;
            (block != 0).then(|| {
                block &= block - 1;
                next
            })
        })
    })
}

/// The range of numbers that can be the address of a function.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    first: u64,
    last: u64,
    /// Of their highest byte: the first value, and how many follow.
    top: (u8, u8),
}

impl Numbers {
    fn of(code: &Code<'_>) -> Option<Self> {
        let (first, last) = (code.functions.first()?.start, code.functions.last()?.start);
        let top = |address: u64| u8::try_from(address >> 24);
        let low = top(first).ok()?;
        let high = top(last).unwrap_or(u8::MAX);
        Some(Self { first, last, top: (low, high.saturating_sub(low)) })
    }
}
