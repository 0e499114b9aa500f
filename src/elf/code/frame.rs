//! Stack clash: searches a decoded function for places where the stack grows by a page or more and the pages between are
//! not touched.
//!
//! Not the compilers' idioms are looked for but the violation, so one rule covers GCC, clang and Rust. The function is
//! followed in the order of its bytes; at every touched stack address the distance to the last touched one counts. What
//! follows an unconditional jump starts anew. Source of the limit: the kernel keeps one guard page below a thread's
//! stack; GCC and LLVM let at most 4096 bytes be untouched (`--param stack-clash-protection-probe-interval`,
//! `"stack-probe-size"`). Pure.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::immediate;

/// Size of the guard page below a stack, in bytes.
const PAGE: i64 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Never grows by a page.
    Small,
    /// Grows by a page or more, and touches every page.
    Probed,
    Unprobed {
        address: u64,
        bytes: Option<u64>,
    },
}

/// Where the stack pointer and the last touched address are, in bytes below the stack pointer at the start.
struct Walk {
    pointer: i64,
    touched: i64,
    /// Value of rbp when it is the frame pointer.
    frame: Option<i64>,
    /// Last instruction that lowered the pointer.
    lowered_at: u64,
    stepped: bool,
    fault: Option<(u64, Option<u64>)>,
}

pub(super) fn unprobed(code: &[Instruction]) -> Answer {
    let mut walk =
        Walk { pointer: 0, touched: 0, frame: None, lowered_at: 0, stepped: false, fault: None };
    for (index, instruction) in code.iter().enumerate() {
        if instruction.is_invalid() {
            break;
        }
        walk.step(code, index, instruction);
        if let Some((address, bytes)) = walk.fault {
            return Answer::Unprobed { address, bytes };
        }
    }
    if walk.stepped { Answer::Probed } else { Answer::Small }
}

impl Walk {
    fn step(&mut self, code: &[Instruction], index: usize, instruction: &Instruction) {
        // x32 has the stack in registers of 32 bits.
        let first = instruction.op0_register().full_register();
        let second = instruction.op1_register().full_register();
        let on_stack = instruction.op0_kind() == OpKind::Register && first == Register::RSP;
        match instruction.mnemonic() {
            Mnemonic::Push | Mnemonic::Pushfq => {
                self.pointer += 8;
                self.touch(self.pointer);
            }
            Mnemonic::Call => self.touch(self.pointer + 8),
            Mnemonic::Pop | Mnemonic::Popfq if !on_stack => self.raise(8),
            Mnemonic::Ret | Mnemonic::Jmp | Mnemonic::Ud2 | Mnemonic::Hlt => {
                self.settle();
                self.frame = None;
                self.restart();
            }
            Mnemonic::Enter => {
                self.pointer += 8;
                self.touch(self.pointer);
                self.frame = Some(self.pointer);
                self.lower(i64::from(instruction.immediate16()), instruction.ip());
            }
            Mnemonic::Leave => {
                self.settle();
                self.restart();
            }
            Mnemonic::Sub | Mnemonic::Add if on_stack => self.arithmetic(code, index, instruction),
            Mnemonic::Lea if on_stack => self.load_address(code, index, instruction),
            Mnemonic::Mov if on_stack => self.replaced(code, index, instruction),
            Mnemonic::And if on_stack => {}
            Mnemonic::Pop | Mnemonic::Xchg if on_stack => {
                self.settle();
                self.restart();
            }
            Mnemonic::Mov if first == Register::RBP && second == Register::RSP => {
                self.frame = Some(self.pointer);
            }
            Mnemonic::Lea | Mnemonic::Nop | Mnemonic::Prefetcht0 | Mnemonic::Prefetchw => {}
            _ => self.memory(instruction),
        }
    }

    fn lower(&mut self, bytes: i64, at: u64) {
        // A second step while the first is still untouched has passed its pages over for good.
        if self.gap() > PAGE {
            self.settle();
        }
        self.pointer += bytes;
        self.lowered_at = at;
        self.stepped |= bytes >= PAGE;
    }

    fn raise(&mut self, bytes: i64) {
        self.settle();
        self.pointer -= bytes;
        self.touched = self.touched.min(self.pointer);
    }

    fn gap(&self) -> i64 {
        self.pointer - self.touched
    }

    /// Ends a frame: it is used, or given back, as it is.
    fn settle(&mut self) {
        if self.gap() > PAGE {
            self.report(self.gap());
        }
    }

    fn report(&mut self, gap: i64) {
        if self.fault.is_none() {
            self.fault = Some((self.lowered_at, u64::try_from(gap).ok()));
        }
    }

    fn restart(&mut self) {
        self.touched = self.pointer;
    }

    fn touch(&mut self, depth: i64) {
        if depth <= self.touched {
            return;
        }
        if depth - self.touched > PAGE {
            self.report(depth - self.touched);
        }
        self.touched = depth;
    }

    fn memory(&mut self, instruction: &Instruction) {
        let operands = 0..instruction.op_count();
        if !operands.into_iter().any(|index| instruction.op_kind(index) == OpKind::Memory)
            || instruction.memory_index() != Register::None
        {
            return;
        }
        let offset = displacement(instruction);
        if !(-0x1000_0000..=0x1000_0000).contains(&offset) {
            return;
        }
        match (instruction.memory_base().full_register(), self.frame) {
            (Register::RSP, _) => self.touch(self.pointer - offset),
            (Register::RBP, Some(frame)) => self.touch((frame - offset).min(self.pointer)),
            _ => {}
        }
    }

    fn arithmetic(&mut self, code: &[Instruction], index: usize, instruction: &Instruction) {
        let immediate = match instruction.op1_kind() {
            OpKind::Immediate8to64 => Some(instruction.immediate8to64()),
            OpKind::Immediate32to64 => Some(instruction.immediate32to64()),
            OpKind::Immediate8to32 => Some(instruction.immediate8to32().into()),
            OpKind::Immediate32 => Some(instruction.immediate32().cast_signed().into()),
            _ => None,
        };
        let sub = instruction.mnemonic() == Mnemonic::Sub;
        match immediate.map(|value| if sub { value } else { value.wrapping_neg() }) {
            Some(down) if down > 0 => self.lower(down, instruction.ip()),
            Some(down) => self.raise(down.saturating_neg()),
            None if sub => {
                self.settle();
                self.stepped = true;
                let register = instruction.op1_register();
                if !bounded(code, index, register) && !probed_after(code, index) {
                    self.fault = Some((instruction.ip(), None));
                }
                self.restart();
            }
            None => {
                self.settle();
                self.restart();
            }
        }
    }

    fn load_address(&mut self, code: &[Instruction], index: usize, instruction: &Instruction) {
        let offset = displacement(instruction);
        let plain = instruction.memory_index() == Register::None;
        match (instruction.memory_base().full_register(), plain) {
            (Register::RSP, true) if (-0x4000_0000..0).contains(&offset) => {
                self.lower(-offset, instruction.ip());
            }
            (Register::RSP, true) => self.raise(offset.clamp(0, 0x4000_0000)),
            (Register::RBP, true) => {
                self.settle();
                if let Some(frame) = self.frame {
                    self.pointer = frame.saturating_sub(offset.clamp(-0x4000_0000, 0x4000_0000));
                    self.touched = self.touched.min(self.pointer).max(self.pointer - PAGE);
                } else {
                    self.restart();
                }
            }
            (Register::RSP, false) => {
                self.settle();
                self.stepped = true;
                if !probed_after(code, index) {
                    self.fault = Some((instruction.ip(), None));
                }
                self.restart();
            }
            _ => {
                self.settle();
                self.restart();
            }
        }
    }

    /// Follows `mov rsp, reg`: a frame given back, or one taken with a size computed in the
    /// register.
    fn replaced(&mut self, code: &[Instruction], index: usize, instruction: &Instruction) {
        self.settle();
        let register = instruction.op1_register();
        if instruction.op1_kind() == OpKind::Register && grows(code, index, register) {
            self.stepped = true;
            if !compared_with_stack(code, index, register) && !probed_after(code, index) {
                self.fault = Some((instruction.ip(), None));
            }
        }
        if let Some(frame) = self.frame.filter(|_| register == Register::RBP) {
            self.pointer = frame;
        }
        self.restart();
    }
}

/// The displacement of a memory operand; one of 32-bit registers (x32) is not extended.
pub(super) fn displacement(instruction: &Instruction) -> i64 {
    if instruction.memory_base().size() == 4 {
        instruction.memory_displacement32().cast_signed().into()
    } else {
        instruction.memory_displacement64().cast_signed()
    }
}

fn earlier(code: &[Instruction], index: usize, count: usize) -> impl Iterator<Item = &Instruction> {
    code[index.saturating_sub(count)..index].iter().rev()
}

/// Tells whether an amount is less than a page: `and reg, 0xfff` before. Or a probing function was
/// called with it.
fn bounded(code: &[Instruction], index: usize, register: Register) -> bool {
    let whole = register.full_register();
    let masked = earlier(code, index, 12).any(|instruction| {
        instruction.mnemonic() == Mnemonic::And
            && instruction.op0_register().full_register() == whole
            && matches!(instruction.op1_kind(), OpKind::Immediate32 | OpKind::Immediate32to64)
            && immediate(instruction).is_some_and(|value| value < 0x1000)
    });
    // __rust_probestack, __chkstk: `mov eax, size; call probe; sub rsp, rax`.
    let called = whole == Register::RAX
        && earlier(code, index, 1).any(|instruction| instruction.mnemonic() == Mnemonic::Call)
        && earlier(code, index, 2).any(|instruction| {
            instruction.mnemonic() == Mnemonic::Mov
                && instruction.op0_register().full_register() == Register::RAX
                && instruction.op1_kind() != OpKind::Memory
        });
    masked || called
}

/// Tells whether a probe follows: a memory operand at rsp that nothing but a probe has (`or [rsp],
/// 0`, `mov [rsp], 0`, `test`).
fn probed_after(code: &[Instruction], index: usize) -> bool {
    code[index + 1..].iter().take(10).any(|instruction| {
        let memory = instruction.op0_kind() == OpKind::Memory
            && instruction.memory_base().full_register() == Register::RSP;
        let probe = match instruction.mnemonic() {
            Mnemonic::Or | Mnemonic::Xor | Mnemonic::Mov => immediate(instruction) == Some(0),
            Mnemonic::Test => true,
            _ => false,
        };
        memory && probe
    })
}

/// Tells whether a register was made from the stack pointer, or from a copy of it, by taking
/// something away.
fn grows(code: &[Instruction], index: usize, register: Register) -> bool {
    let (mut register, mut taken_away) = (register, false);
    for instruction in earlier(code, index, 32) {
        if instruction.op0_register() != register || instruction.op0_kind() != OpKind::Register {
            continue;
        }
        match instruction.mnemonic() {
            Mnemonic::Sub => taken_away = true,
            Mnemonic::And | Mnemonic::Cmp | Mnemonic::Test => {}
            Mnemonic::Mov if instruction.op1_kind() == OpKind::Register => {
                if instruction.op1_register() == Register::RSP {
                    return taken_away;
                }
                register = instruction.op1_register();
            }
            Mnemonic::Lea => {
                let lower = instruction.memory_displacement64().cast_signed() <= -0x1000
                    || instruction.memory_index() != Register::None;
                return instruction.memory_base() == Register::RSP && (lower || taken_away);
            }
            _ => return false,
        }
    }
    false
}

/// Finds clang's loop: the pointer is lowered page by page until it reaches the register.
fn compared_with_stack(code: &[Instruction], index: usize, register: Register) -> bool {
    earlier(code, index, 12).any(|instruction| {
        let pair = (instruction.op0_register(), instruction.op1_register());
        instruction.mnemonic() == Mnemonic::Cmp
            && (pair == (register, Register::RSP) || pair == (Register::RSP, register))
    })
}

#[cfg(test)]
mod tests {
    use super::{Answer, unprobed};

    fn answer(code: &[u8]) -> Answer {
        let mut decoder = iced_x86::Decoder::with_ip(64, code, 0x1000, 0);
        let instructions: Vec<_> = decoder.iter().collect();
        unprobed(&instructions)
    }

    const CALL: &[u8] = b"\xe8\x00\x00\x00\x00";
    const RET: u8 = 0xc3;

    #[test]
    fn a_frame_of_two_pages_that_is_only_used_is_a_violation() {
        // sub rsp, 0x2000; call; add rsp, 0x2000; ret
        let code = [b"\x48\x81\xec\x00\x20\x00\x00", CALL, b"\x48\x81\xc4\x00\x20\x00\x00", &[RET]];
        assert_eq!(
            answer(&code.concat()),
            Answer::Unprobed { address: 0x1000, bytes: Some(0x2008) }
        );
    }

    #[test]
    fn a_frame_that_is_touched_page_by_page_is_none() {
        // sub rsp, 0x1000; or qword [rsp], 0 (twice); call; ret
        let page = b"\x48\x81\xec\x00\x10\x00\x00\x48\x83\x0c\x24\x00";
        assert_eq!(answer(&[page, page.as_slice(), CALL, &[RET]].concat()), Answer::Probed);
    }

    #[test]
    fn a_probe_behind_the_guard_page_does_not_count() {
        // sub rsp, 0x3000; or qword [rsp], 0
        let code = b"\x48\x81\xec\x00\x30\x00\x00\x48\x83\x0c\x24\x00\xc3";
        assert_eq!(answer(code), Answer::Unprobed { address: 0x1000, bytes: Some(0x3000) });
    }

    #[test]
    fn a_leaf_that_never_calls_is_found_when_it_gives_the_frame_back() {
        // sub rsp, 0x2000; add rsp, 0x2000; ret
        let code = b"\x48\x81\xec\x00\x20\x00\x00\x48\x81\xc4\x00\x20\x00\x00\xc3";
        assert!(matches!(answer(code), Answer::Unprobed { .. }));
    }

    #[test]
    fn alloca_needs_a_probe() {
        // sub rsp, rax; lea rdi, [rsp+15]; ret
        assert!(matches!(
            answer(b"\x48\x29\xc4\x48\x8d\x7c\x24\x0f\xc3"),
            Answer::Unprobed { bytes: None, .. }
        ));
        // and edx, 0xfff; sub rsp, rdx; ret
        assert_eq!(answer(b"\x81\xe2\xff\x0f\x00\x00\x48\x29\xd4\xc3"), Answer::Probed);
        // mov rax, rsp; sub rax, rcx; mov rsp, rax; ret
        assert!(matches!(
            answer(b"\x48\x89\xe0\x48\x29\xc8\x48\x89\xc4\xc3"),
            Answer::Unprobed { bytes: None, .. }
        ));
    }

    #[test]
    fn a_saved_stack_pointer_that_is_put_back_is_no_allocation() {
        // mov rbx, rsp; mov rsp, rbx; ret
        assert_eq!(answer(b"\x48\x89\xe3\x48\x89\xdc\xc3"), Answer::Small);
    }
}
