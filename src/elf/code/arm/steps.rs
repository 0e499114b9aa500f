//! Frames of AArch64 functions that grow past the guard of a stack without touching it.
//!
//! The guard has 64 KiB: GCC's default for this machine (`--param stack-clash-protection-guard-size=16`) and the least glibc
//! gives a thread (sysdeps/aarch64/nptl/pthreaddef.h, `ARCH_MIN_GUARD_SIZE`). Smaller steps are none. The walk is linear and
//! starts anew behind jumps. A frame whose size is known at run time only is probed where the function has a loop that
//! moves the stack pointer by no more than the guard and touches it. Pure.

use super::Words;
use super::word::{Op, SP};
use crate::elf::code::frame::Answer;

const GUARD: i64 = 1 << 16;
/// The largest number of instructions between a loop's step and its touch: a comparison and a
/// branch.
const NEAR: usize = 4;

#[derive(Default)]
struct Walk {
    /// From the lowest address that was touched to the stack pointer.
    untouched: i64,
    /// The size of the frame, and its largest.
    depth: i64,
    deepest: i64,
    values: [Option<u64>; 32],
    /// Registers that hold the stack pointer, and those that hold it less an amount only known at run time.
    copies: u32,
    lowered: u32,
    /// The last step, and the first one too far with its bytes.
    grown: u64,
    skipped: Option<(u64, i64)>,
    /// The first step of an amount only known at run time.
    dynamic: Option<u64>,
    /// The last step by a known amount that was touched at once.
    probe: Option<u64>,
    loops: bool,
}

pub(super) fn unprobed(code: &Words) -> Answer {
    let mut walk = Walk::default();
    for (index, op) in code.ops().enumerate() {
        let address = code.start.wrapping_add(index as u64 * 4);
        if let Op::Add { to: SP, from: SP, number: ..0 } = op
            && (index + 1..=index + NEAR).any(|next| code.op(next).is_some_and(touches))
        {
            walk.probe = Some(address);
        }
        walk.step(address, op);
    }
    match (walk.skipped, walk.dynamic) {
        (Some((address, bytes)), _) => {
            Answer::Unprobed { address, bytes: Some(bytes.unsigned_abs()) }
        }
        (None, Some(address)) if !walk.loops => Answer::Unprobed { address, bytes: None },
        (None, Some(_)) => Answer::Probed,
        (None, None) if walk.loops || walk.deepest > GUARD => Answer::Probed,
        (None, None) => Answer::Small,
    }
}

/// Tells whether an instruction touches the stack at the stack pointer, or a little above, for
/// nothing else: `str xzr, [sp, 1024]`.
fn touches(op: Op) -> bool {
    match op {
        Op::Store { of, base: SP, offset: 0..4096, moves: false, .. } => of == [SP, SP],
        Op::Load { to: SP, base: SP, offset: 0..4096, moves: false } => true,
        _ => false,
    }
}

fn bit(register: usize) -> u32 {
    if register < SP { 1 << register } else { 0 }
}

impl Walk {
    fn step(&mut self, address: u64, op: Op) {
        match op {
            Op::Add { to: SP, from: SP, number } => self.moved(address, number),
            Op::Add { to: SP, from, .. } => {
                if self.lowered & bit(from) == 0 {
                    // Put back to where it was.
                    self.untouched = 0;
                } else {
                    self.dynamic.get_or_insert(address);
                }
            }
            Op::Add { to, from, number } => {
                let value = self.values[from].filter(|_| from != SP);
                let lowered = self.lowered & bit(from) != 0;
                self.set(to, value.map(|value| value.wrapping_add_signed(number)));
                self.lowered |= if lowered { bit(to) } else { 0 };
                self.copies |= if from == SP { bit(to) } else { 0 };
            }
            Op::Move { to, from } => {
                let (lowered, copy) = (self.lowered & bit(from) != 0, self.copies & bit(from) != 0);
                self.set(to, self.values[from]);
                self.lowered |= if lowered { bit(to) } else { 0 };
                self.copies |= if copy { bit(to) } else { 0 };
            }
            Op::Number { to, value, kept } => {
                let old = if kept == 0 { Some(0) } else { self.values[to] };
                self.set(to, old.map(|old| old & kept | value));
            }
            Op::FramePlus { to, from, index, adds } => {
                self.by_register(address, [to, from, index], adds);
            }
            Op::Store { base: SP, offset, moves, .. }
            | Op::Vector { base: SP, offset, moves, stores: true, .. } => {
                self.touched(address, offset, moves);
            }
            Op::Load { to, base, offset, moves } => {
                self.set(to, None);
                if base == SP {
                    self.touched(address, offset, moves);
                }
            }
            Op::LoadPair { to, base, offset, moves } => {
                self.set(to[0], None);
                self.set(to[1], None);
                if base == SP {
                    self.touched(address, offset, moves);
                }
            }
            Op::Vector { base: SP, offset, moves, .. } => self.touched(address, offset, moves),
            Op::Two { to, from, .. } => {
                let lowered = self.copies & bit(from[0]) != 0 && self.values[from[1]].is_none();
                self.set(to, None);
                self.lowered |= if lowered { bit(to) } else { 0 };
            }
            // Rounded down.
            Op::Writes { to } if self.lowered & bit(to) != 0 => {}
            Op::Writes { to }
            | Op::Page { to, .. }
            | Op::Access { to: Some(to), .. }
            | Op::Indexed { to: Some(to), .. } => self.set(to, None),
            Op::Call { .. } | Op::CallRegister => {
                self.skip(self.untouched);
                for register in 0..=18 {
                    self.set(register, None);
                }
            }

            Op::Perhaps { target } => self.back(address, target),
            Op::Jump { target } => {
                self.back(address, target);
                self.untouched = 0;
            }
            Op::JumpRegister | Op::Leave | Op::LeaveAuthenticated => self.untouched = 0,
            _ => {}
        }
    }

    fn set(&mut self, register: usize, value: Option<u64>) {
        self.values[register] = value.filter(|_| register != SP);
        self.lowered &= !bit(register);
        self.copies &= !bit(register);
    }

    fn moved(&mut self, address: u64, by: i64) {
        self.untouched = self.untouched.saturating_sub(by).max(0);
        self.depth = self.depth.saturating_sub(by);
        self.deepest = self.deepest.max(self.depth);
        if by < 0 {
            self.grown = address;
        }
    }

    /// Notes what lies between two touched addresses, or is left to the function that is called.
    fn skip(&mut self, bytes: i64) {
        if bytes > GUARD {
            self.skipped.get_or_insert((self.grown, bytes));
        }
    }

    /// Notes an access at the stack pointer; one that moves it down does so before, one that moves
    /// it up afterwards.
    fn touched(&mut self, address: u64, offset: i64, moves: bool) {
        if moves && offset < 0 {
            self.moved(address, offset);
        }
        let at = if moves { 0 } else { offset };
        if at >= 0 {
            self.skip(self.untouched.saturating_sub(at));
            self.untouched = self.untouched.min(at);
        }
        if moves && offset > 0 {
            self.moved(address, offset);
        }
    }

    fn by_register(&mut self, address: u64, [to, from, index]: [usize; 3], adds: bool) {
        let amount = self.values[index].and_then(|value| i64::try_from(value).ok());
        match (to, from, amount) {
            (SP, SP, Some(amount)) => self.moved(address, if adds { amount } else { -amount }),
            (SP, SP, None) if adds => self.untouched = 0,
            (SP, ..) => {
                self.dynamic.get_or_insert(address);
            }
            _ => {
                self.set(to, None);
                // Known amounts are compared with, or moved step by step to.
                if !adds && amount.is_none_or(|amount| amount > GUARD) {
                    self.lowered |= bit(to);
                }
            }
        }
    }

    fn back(&mut self, address: u64, target: u64) {
        let range = target..address;
        self.loops |= self.probe.is_some_and(|probe| range.contains(&probe));
    }
}
