//! What an AArch64 function does with the address of its locals, with its canary and with its return address.
//!
//! Registers are followed in the order of the code; where branches meet, what holds on one way is taken to hold. So an
//! address of a local is lost only where every way overwrites it. Parameters the function keeps in its frame are no
//! locals: GCC and clang protect no function for them. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Words;
use super::guard::Guard;
use super::word::{Op, SP};
use crate::elf::code::Marks;
use crate::elf::relocate::Use;

/// Sets of registers (AAPCS64): those that a call does not keep, and those that hold arguments,
/// with the one for the place of a large result.
const LOST: u32 = 0x4007_ffff;
const ARGUMENTS: u32 = 0x1ff;
/// Number of the link register, which holds the return address.
const LINK: usize = 30;
/// The largest numbers of branches ahead, and of places of the frame, that are remembered.
const MAX_AHEAD: usize = 1 << 14;
const MAX_PLACES: usize = 256;

/// What is known of registers at an instruction, as sets of registers, bit by bit.
#[derive(Debug, Clone, Copy, Default)]
struct Registers {
    /// The address of a local.
    local: u32,
    /// The address of the guard, and its value.
    pointer: u32,
    value: u32,
    /// A number the compiler knew.
    number: u32,
    /// What the caller left there.
    argument: u32,
    /// The stack pointer, from where it was at the start; `None` when it depends on a register.
    stack: Option<i64>,
    /// The return address came from the stack, and whether it was authenticated since.
    link: Link,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Link {
    #[default]
    Register,
    Authenticated,
    FromStack,
}

impl Registers {
    fn without(self, lost: u32) -> Self {
        let kept = !lost;
        Self {
            local: self.local & kept,
            pointer: self.pointer & kept,
            value: self.value & kept,
            number: self.number & kept,
            argument: self.argument & kept,
            stack: self.stack,
            link: self.link,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            local: self.local | other.local,
            pointer: self.pointer | other.pointer,
            value: self.value | other.value,
            // These are what they are only where they are so on every way.
            number: self.number & other.number,
            argument: self.argument & other.argument,
            // A way that has given the frame back does not lead to where it is used.
            stack: self.stack.zip(other.stack).map(|(a, b)| a.min(b)),
            link: self.link.max(other.link),
        }
    }

    /// Notes that a register gets the contents of another one.
    fn copy(&mut self, to: usize, from: usize) {
        let old = *self;
        *self = self.without(bit(to));
        for (set, was) in [
            (&mut self.local, old.local),
            (&mut self.pointer, old.pointer),
            (&mut self.value, old.value),
            (&mut self.number, old.number),
        ] {
            if was & bit(from) != 0 {
                *set |= bit(to);
            }
        }
    }
}

/// The bit of a general register; 0 for the zero register and the stack pointer.
fn bit(register: usize) -> u32 {
    if register < SP { 1 << register } else { 0 }
}

/// The largest argument in bytes that is passed in registers; a larger one is passed as the address
/// of a copy.
const IN_REGISTERS: i64 = 16;

/// What was copied into the frame since the last call or branch.
///
/// Arguments of more than 16 bytes, `va_list` among them, are passed as the address of a copy (AAPCS64, 6.8.2, B.4): the
/// source has no local there, and compilers protect no function for it. The code for `f(&local)` after `local = *from` is
/// the same.
#[derive(Debug, Default)]
struct Copy {
    /// General and vector registers that were loaded from elsewhere.
    general: u32,
    vector: u32,
    /// Where in the frame they were stored: start and end.
    stored: BTreeSet<(i64, i64)>,
}

impl Copy {
    fn is_argument(&self, place: i64) -> bool {
        let mut end = place;
        for (from, to) in &self.stored {
            if *from <= end && *to > end {
                end = *to;
            }
        }
        end.saturating_sub(place) > IN_REGISTERS
    }
}

/// Where the base register of a memory access points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Elsewhere,
    /// Somewhere in the frame.
    Frame,
    /// In the frame, so far from where the stack pointer was at the start.
    Place(i64),
}

impl Base {
    fn of_stack(place: Option<i64>) -> Self {
        place.map_or(Self::Frame, Self::Place)
    }

    fn in_frame(self) -> bool {
        self != Self::Elsewhere
    }

    fn place(self) -> Option<i64> {
        match self {
            Self::Place(place) => Some(place),
            _ => None,
        }
    }

    fn plus(self, number: i64) -> Self {
        match self {
            Self::Place(place) => Self::Place(place.wrapping_add(number)),
            other => other,
        }
    }
}

struct Flow<'g> {
    guard: &'g Guard,
    /// The function.
    inside: Range<u64>,
    now: Registers,
    /// All that was known where a branch left.
    ever: Registers,
    /// What is known at an address ahead.
    ahead: BTreeMap<u64, Registers>,
    /// What `adrp` left in each register.
    pages: [Option<u64>; 32],
    frame_pointer: Base,
    /// Where in the frame arguments were stored.
    parameters: BTreeSet<i64>,
    /// Where in the frame the address of a local points that a register holds.
    places: [Option<i64>; 32],
    copy: Copy,
    /// The stack pointer is moved down: a part of a function that was placed elsewhere has no frame of its own.
    owns_frame: bool,
    taken: bool,
    marks: Marks,
}

/// Follows a function and gives its marks; code addresses that it takes go to `addresses`.
pub(super) fn follow(code: &Words, guard: &Guard, addresses: &mut Vec<u64>) -> Marks {
    let mut flow = Flow {
        guard,
        inside: code.start..code.start.saturating_add(code.raw.len() as u64 * 4),
        now: Registers { argument: ARGUMENTS, stack: Some(0), ..Registers::default() },
        ever: Registers { stack: Some(0), ..Registers::default() },
        ahead: BTreeMap::new(),
        pages: [None; 32],
        frame_pointer: Base::Elsewhere,
        parameters: BTreeSet::new(),
        places: [None; 32],
        copy: Copy::default(),
        owns_frame: false,
        taken: false,
        marks: Marks::default(),
    };
    let mut leaves = false;
    for (index, op) in code.ops().enumerate() {
        let address = code.start.wrapping_add(index as u64 * 4);
        let met = flow.ahead.remove(&address);
        flow.now = match (leaves, met) {
            (false, Some(met)) => flow.now.or(met),
            (true, Some(met)) => met,
            // Nobody knows who comes here: through a table, or from further down.
            (true, None) => Registers { link: Link::Register, ..flow.ever.without(LOST) },
            (false, None) => flow.now,
        };
        if met.is_some() || leaves {
            flow.copy = Copy::default();
        }
        leaves = flow.step(address, op, addresses);
    }
    if flow.taken && flow.owns_frame {
        flow.marks |= Marks::FRAME_ADDRESS;
    }
    flow.marks
}

impl Flow<'_> {
    /// Follows one instruction; true when nothing goes on after it.
    fn step(&mut self, address: u64, op: Op, addresses: &mut Vec<u64>) -> bool {
        match op {
            Op::Page { to, page } => {
                self.write(to);
                self.pages[to] = Some(page);
            }
            Op::Add { to, from, number } => self.add(address, (to, from, number), addresses),
            Op::Move { to, from } => {
                self.now.copy(to, from);
                self.pages[to] = self.pages[from];
                self.places[to] = self.places[from];
            }
            Op::Number { to, .. } => {
                self.write(to);
                self.now.number |= bit(to);
            }
            Op::Load { to, base, offset, moves } => {
                self.access(base, moves, offset);
                self.load(address, to, base, offset);
                self.fetch(bit(to), 0, base);
                self.restore(to == LINK, base);
            }
            Op::Store { of, base, offset, moves, wide } => {
                self.access(base, moves, offset);
                self.keep(of, base, if moves { 0 } else { offset }, wide);
                if wide && !moves {
                    let fetched = of.map(|register| self.copy.general & bit(register) != 0);
                    self.copied(base, offset, 8, fetched);
                }
                self.taken |= self.now.local & (bit(of[0]) | bit(of[1])) != 0;
            }
            Op::LoadPair { to, base, offset, moves } => {
                self.access(base, moves, offset);
                self.write(to[0]);
                self.write(to[1]);
                self.fetch(bit(to[0]) | bit(to[1]), 0, base);
                self.restore(to.contains(&LINK), base);
            }
            Op::Vector { of, base, offset, moves, size, stores } => {
                self.access(base, moves, offset);
                let [first, second] = of.map(|register| 1_u32 << register);
                if !stores {
                    self.fetch(0, first | second, base);
                } else if !moves && size >= 8 {
                    let fetched = [first, second].map(|bit| self.copy.vector & bit != 0);
                    self.copied(base, offset, size, [fetched[0], fetched[1] && first != second]);
                }
            }
            Op::Access { to, base, moves } => {
                self.access(base, moves, 0);
                self.write_to(to);
            }
            Op::Indexed { to, of, base, index } => {
                let used = bit(base) | bit(index) | of.map_or(0, bit);
                let of_frame = self.base(base).in_frame();
                self.taken |= self.now.local & used != 0 || of_frame;
                self.write_to(to);
            }
            Op::Two { to, from, compares } => self.two(to, from, compares),
            Op::FramePlus { to: SP, .. } => {
                self.owns_frame = true;
                self.now.stack = None;
            }
            Op::FramePlus { to, index, .. } => {
                // A distance the compiler knew is no index.
                self.taken |= self.now.number & bit(index) == 0;
                self.write(to);
                self.now.local |= bit(to);
                self.places[to] = None;
            }
            Op::Writes { to } => self.write(to),
            Op::Call { .. } | Op::CallRegister => {
                self.taken |= (0..=8).any(|register| self.passed(register));
                self.now = self.now.without(LOST);
                self.copy = Copy::default();
            }
            Op::Perhaps { target } => self.branch(address, target),
            Op::Jump { target } => {
                self.branch(address, target);
                if !self.inside.contains(&target) {
                    self.leave(self.now.link);
                }
                return true;
            }
            Op::JumpRegister => {
                self.ever = self.ever.or(self.now);
                // Through a table while there is a frame. The PLT leaves something below the start of its resolver's.
                if self.now.stack.is_some_and(|stack| stack >= 0) {
                    self.leave(self.now.link);
                }
                return true;
            }
            Op::Leave | Op::LeaveAuthenticated => {
                self.ever = self.ever.or(self.now);
                let checked = op == Op::LeaveAuthenticated;
                self.leave(if checked { Link::Authenticated } else { self.now.link });
                return true;
            }
            Op::Authenticate => {
                if self.now.link == Link::FromStack {
                    self.now.link = Link::Authenticated;
                }
            }
            Op::Other => {}
        }
        false
    }

    fn write_to(&mut self, to: Option<usize>) {
        if let Some(to) = to {
            self.write(to);
        }
    }

    fn write(&mut self, to: usize) {
        self.now = self.now.without(bit(to));
        self.copy.general &= !bit(to);
    }

    /// Notes that registers were loaded; what comes from the frame is no copy of something else.
    fn fetch(&mut self, general: u32, vector: u32, base: usize) {
        if self.base(base).in_frame() || self.now.local & bit(base) != 0 {
            self.copy.vector &= !vector;
        } else {
            self.copy.general |= general;
            self.copy.vector |= vector;
        }
    }

    /// Notes a store of one or two registers of so many bytes, as far as they were fetched.
    fn copied(&mut self, base: usize, offset: i64, size: i64, fetched: [bool; 2]) {
        let through = self.places.get(base).copied().flatten();
        let local = through.filter(|_| self.now.local & bit(base) != 0);
        let Some(start) = self.base(base).place().or(local) else { return };
        for (index, _) in (0_i64..).zip(fetched).filter(|(_, fetched)| *fetched) {
            let at = start.wrapping_add(offset).wrapping_add(index * size);
            if self.copy.stored.len() < MAX_PLACES {
                self.copy.stored.insert((at, at.wrapping_add(size)));
            }
        }
    }

    /// Tells whether a register passes the address of a local as an argument.
    fn passed(&self, register: usize) -> bool {
        self.now.local & bit(register) != 0
            && !self.places[register].is_some_and(|place| self.copy.is_argument(place))
    }

    /// Notes that the link register was loaded.
    fn restore(&mut self, link: bool, base: usize) {
        if link && self.base(base).in_frame() {
            self.now.link = Link::FromStack;
        }
    }

    /// Notes that the function returns, or jumps to one that returns to its caller.
    fn leave(&mut self, link: Link) {
        self.marks |= match link {
            Link::Register => Marks::default(),
            Link::Authenticated => Marks::FROM_STACK,
            Link::FromStack => Marks::FROM_STACK | Marks::UNAUTHENTICATED,
        };
    }

    fn branch(&mut self, address: u64, target: u64) {
        self.ever = self.ever.or(self.now);
        if target > address && self.ahead.len() < MAX_AHEAD {
            let now = self.now;
            self.ahead.entry(target).and_modify(|met| *met = met.or(now)).or_insert(now);
        }
    }

    /// Notes a memory access through a base register; one that changes the base goes through memory
    /// piece by piece.
    fn access(&mut self, base: usize, moves: bool, offset: i64) {
        if base == SP && moves {
            self.owns_frame |= offset < 0;
            self.now.stack = self.now.stack.map(|stack| stack.wrapping_add(offset));
        }
        self.taken |= moves && self.now.local & bit(base) != 0;
    }

    fn base(&self, register: usize) -> Base {
        match register {
            SP => Base::of_stack(self.now.stack),
            29 => self.frame_pointer,
            _ => Base::Elsewhere,
        }
    }

    /// Notes arguments that are stored in the frame.
    fn keep(&mut self, of: [usize; 2], base: usize, offset: i64, wide: bool) {
        let Base::Place(base) = self.base(base) else { return };
        let size = if wide { 8 } else { 4 };
        for (register, place) in of.iter().zip([offset, offset.wrapping_add(size)]) {
            if self.now.argument & bit(*register) != 0 && self.parameters.len() < MAX_PLACES {
                let place = base.wrapping_add(place);
                self.parameters.insert(place);
                // The address was made before.
                for (holder, _) in self.places.iter().enumerate().filter(|it| *it.1 == Some(place))
                {
                    self.now.local &= !bit(holder);
                }
            }
        }
    }

    /// Tells whether a base points to a parameter; the caller's part of the stack holds parameters,
    /// too.
    fn is_parameter(&self, base: Base) -> bool {
        base.place().is_some_and(|place| place >= 0 || self.parameters.contains(&place))
    }

    fn add(
        &mut self,
        address: u64,
        (to, from, number): (usize, usize, i64),
        addresses: &mut Vec<u64>,
    ) {
        let base = self.base(from).plus(number);
        if to == SP {
            self.owns_frame |= from == SP && number < 0;
            self.now.stack = base.place();
            return;
        }
        let of_frame = base.in_frame();
        let local = self.now.local & bit(from) != 0 || of_frame && !self.is_parameter(base);
        let page = self.pages[from];
        self.write(to);
        if to == 29 && of_frame {
            self.frame_pointer = base;
        } else if local {
            let further = self.places[from].map(|place| place.wrapping_add(number));
            self.now.local |= bit(to);
            self.places[to] = if of_frame { base.place() } else { further };
        }
        let known = page.filter(|_| !of_frame).map(|page| page.wrapping_add_signed(number));
        addresses.extend(known);
        if known.is_some_and(|known| self.guard.is_place(known))
            || self.guard.use_at(address) == Some(Use::Pointer)
        {
            self.now.pointer |= bit(to);
        }
    }

    fn load(&mut self, address: u64, to: usize, base: usize, offset: i64) {
        let from = self.pages[base].map(|page| page.wrapping_add_signed(offset));
        let through = self.now.pointer & bit(base) != 0 && offset == 0;
        let known = self.guard.use_at(address);
        self.write(to);
        if from.is_some_and(|from| self.guard.is_slot(from)) || known == Some(Use::Pointer) {
            self.now.pointer |= bit(to);
        }
        let value = from.is_some_and(|from| self.guard.is_place(from)) || known == Some(Use::Value);
        if through || value {
            self.now.value |= bit(to);
            self.marks |= Marks::LOADS_CANARY;
        }
    }

    fn two(&mut self, to: usize, from: [usize; 2], compares: bool) {
        let used = bit(from[0]) | bit(from[1]);
        if compares && self.now.value & used != 0 {
            self.marks |= Marks::CHECKS_CANARY;
        }
        self.taken |= self.now.local & used != 0;
        self.write(to);
    }
}
