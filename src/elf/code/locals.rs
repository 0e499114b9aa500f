//! Tells functions that take the address of a local variable from those that only take that of a parameter.
//!
//! `-fstack-protector-strong` protects the former. A parameter whose address is taken is stored to the stack first.
//!
//! Code is followed in the order of its bytes. What comes after a return or a jump is reached from elsewhere, with the
//! stack of the jump that leads there; those that lead forwards are remembered. Pure.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::immediate;

/// What is known of the stack and the registers at an instruction.
#[derive(Debug, Clone, Copy)]
struct State {
    /// Bytes below the stack pointer at the start.
    pointer: i64,
    /// A bit for each argument register that still holds its argument.
    fresh: u16,
}

impl State {
    fn holds_argument(self, register: Register) -> bool {
        self.fresh != 0 && self.fresh & bit(register) != 0
    }

    fn move_pointer(&mut self, instruction: &Instruction, sign: i64) {
        let amount = immediate(instruction).unwrap_or(0).cast_signed().clamp(-1 << 32, 1 << 32);
        self.pointer = self.pointer.saturating_add(sign * amount);
    }
}

/// The bit of a register that holds an argument when a function begins; a vector register stands for all its widths.
fn bit(register: Register) -> u16 {
    let place = match register.full_register() {
        Register::RDI => 0,
        Register::RSI => 1,
        Register::RDX => 2,
        Register::RCX => 3,
        Register::R8 => 4,
        Register::R9 => 5,
        Register::ZMM0 => 6,
        Register::ZMM1 => 7,
        Register::ZMM2 => 8,
        Register::ZMM3 => 9,
        Register::ZMM4 => 10,
        Register::ZMM5 => 11,
        Register::ZMM6 => 12,
        Register::ZMM7 => 13,
        _ => return 0,
    };
    1 << place
}

/// What is known at places that jumps lead to.
#[derive(Debug, Default)]
struct JumpTargets {
    forwards: BTreeMap<u64, State>,
    /// At the last jump through a table, whose targets are not known.
    table: Option<State>,
    /// At the last branch: between prologue and epilogue the stack is mostly the same.
    branch: Option<State>,
    /// The last place to which a register still holds its argument.
    fresh_until: u64,
}

impl JumpTargets {
    /// Tells whether an argument may still be in its register somewhere from an address on.
    fn fresh_from(&self, address: u64) -> bool {
        let fresh = |state: Option<State>| state.is_some_and(|state| state.fresh != 0);
        address <= self.fresh_until || fresh(self.table) || fresh(self.branch)
    }

    /// Remembers where a branch leads, and says whether what follows is reached from elsewhere only.
    fn leave(&mut self, instruction: &Instruction, state: State) -> bool {
        match instruction.flow_control() {
            flow @ (FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch) => {
                let target = instruction.near_branch_target();
                if target > instruction.ip() {
                    self.forwards.entry(target).or_insert(state);
                    if state.fresh != 0 {
                        self.fresh_until = self.fresh_until.max(target);
                    }
                }
                let conditional = flow == FlowControl::ConditionalBranch;
                self.branch = Some(state).filter(|_| conditional).or(self.branch);
                !conditional
            }
            FlowControl::IndirectBranch => {
                self.table = Some(state);
                true
            }
            FlowControl::Return | FlowControl::Exception => true,
            _ => false,
        }
    }

    fn enter(&mut self, address: u64) -> Option<State> {
        // Labels before the place are behind us.
        self.forwards = self.forwards.split_off(&address);
        self.forwards.get(&address).copied().or(self.table).or(self.branch)
    }
}

/// Stack addresses that were taken, and places where parameters were stored.
#[derive(Debug, Default)]
struct StackSlots {
    stored: BTreeSet<i64>,
    /// Taken, and nothing is stored there yet.
    open: BTreeSet<i64>,
}

impl StackSlots {
    fn store(&mut self, place: Option<i64>) {
        if let Some(place) = place {
            self.stored.insert(place);
            self.open.remove(&place);
        }
    }

    fn take(&mut self, place: i64) {
        if place > 0 && !self.stored.contains(&place) {
            self.open.insert(place);
        }
    }
}

/// Tells whether every stack address that is taken is that of a parameter; there may be none. After
/// `last` no address is taken: code is only followed until the answer is known.
pub(super) fn only_parameters(code: impl Iterator<Item = Instruction>, last: u64) -> bool {
    const ARGUMENTS: u16 = (1 << 14) - 1;
    let mut state = State { pointer: 0, fresh: ARGUMENTS };
    let (mut joins, mut apart, mut frame) = (JumpTargets::default(), false, None);
    let mut places = StackSlots::default();
    let mut last_pushed = Register::None;
    for instruction in code {
        let instruction = &instruction;
        let decided = if places.open.is_empty() {
            instruction.ip() > last
        } else {
            // Nothing is stored any more that was given.
            state.fresh == 0 && !joins.fresh_from(instruction.ip())
        };
        if decided {
            break;
        }
        if apart && let Some(known) = joins.enter(instruction.ip()) {
            state = known;
        }
        // x32 has the stack in registers of 32 bits.
        let first = instruction.op0_register().full_register();
        let second = instruction.op1_register().full_register();
        let memory_base = instruction.memory_base().full_register();
        let to_register = instruction.op0_kind() == OpKind::Register;
        let offset = super::frame::displacement(instruction);
        let place = match memory_base {
            _ if instruction.memory_index() != Register::None => None,
            Register::RSP => Some(state.pointer.saturating_sub(offset)),
            Register::RBP => frame.map(|frame: i64| frame.saturating_sub(offset)),
            _ => None,
        };
        // An element of a local array, of an index only known at run time.
        let base = match memory_base {
            _ if instruction.memory_index() == Register::None => None,
            Register::RSP => Some(state.pointer),
            Register::RBP => frame.filter(|_| offset < 0),
            _ => None,
        };
        let nothing = matches!(instruction.mnemonic(), Mnemonic::Nop);
        if let Some(base) = base.filter(|_| !nothing && first != Register::RSP)
            && base.saturating_sub(offset) > 0
        {
            places.take(i64::MAX);
        }
        match instruction.mnemonic() {
            Mnemonic::Push => {
                state.pointer = state.pointer.saturating_add(8);
                last_pushed = first;
            }
            Mnemonic::Pop => state.pointer = state.pointer.saturating_sub(8),
            Mnemonic::Leave => state.pointer = frame.unwrap_or(state.pointer).saturating_sub(8),
            Mnemonic::Sub if to_register && first == Register::RSP => {
                state.move_pointer(instruction, 1);
            }
            Mnemonic::Add if to_register && first == Register::RSP => {
                state.move_pointer(instruction, -1);
            }
            Mnemonic::Mov
                if first == Register::RBP
                    && second == Register::RSP
                    && last_pushed == Register::RBP =>
            {
                frame = Some(state.pointer);
            }
            Mnemonic::Mov
            | Mnemonic::Movsd
            | Mnemonic::Movss
            | Mnemonic::Movaps
            | Mnemonic::Movups
            | Mnemonic::Movq
            | Mnemonic::Movd
                if instruction.op0_kind() == OpKind::Memory
                    && state.holds_argument(instruction.op1_register()) =>
            {
                places.store(place);
            }
            Mnemonic::Mov if to_register && second == Register::RSP => {
                places.take(state.pointer);
            }
            Mnemonic::Lea if first != Register::RSP => {
                if let Some(place) = place {
                    places.take(place);
                }
            }
            // After a call the registers hold something else.
            Mnemonic::Call => state.fresh = 0,
            _ => {}
        }
        if state.fresh != 0
            && to_register
            && state.fresh & bit(first) != 0
            && !in_place(instruction)
        {
            state.fresh &= !bit(first);
        }
        // Padding before the label is not what is reached.
        let padding = matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3);
        apart = joins.leave(instruction, state) || apart && padding;
    }
    places.open.is_empty()
}

/// Tells whether an instruction only writes the register's contents another way: bytes turned
/// round, a constant added, a part taken.
fn in_place(instruction: &Instruction) -> bool {
    match instruction.mnemonic() {
        Mnemonic::Bswap | Mnemonic::Not | Mnemonic::Neg => true,
        Mnemonic::Rol | Mnemonic::Ror | Mnemonic::Shl | Mnemonic::Shr | Mnemonic::Sar => {
            instruction.op1_kind() == OpKind::Immediate8
        }
        Mnemonic::Add | Mnemonic::Sub | Mnemonic::And | Mnemonic::Or | Mnemonic::Xor => {
            immediate(instruction).is_some()
        }
        Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd => {
            instruction.op1_kind() == OpKind::Register
                && instruction.op1_register().full_register()
                    == instruction.op0_register().full_register()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    /// However early it is known, the answer is that of the whole function.
    fn only_parameters(code: &[iced_x86::Instruction]) -> bool {
        let all = super::only_parameters(code.iter().copied(), u64::MAX);
        let takes = |it: &&iced_x86::Instruction| {
            it.mnemonic() == iced_x86::Mnemonic::Lea || it.op1_register() == iced_x86::Register::RSP
        };
        let last = code.iter().rev().find(takes).map_or(0, iced_x86::Instruction::ip);
        assert_eq!(super::only_parameters(code.iter().copied(), last), all);
        all
    }

    /// What GCC 12 and clang 19 make at -O2, without canaries, of a function that returns early in the usual case and
    /// hands out the address of a variable in the rare one; and of the same with a parameter:
    /// `if (__builtin_expect(n >= 0, 1)) return busy(n) + 1; long v; fill(&v); return (int)v + *p;`
    const AFTER_RETURN: [(&str, &[u8], bool); 4] = [
        (
            "gcc: a local",
            b"\x53\x48\x83\xec\x10\x85\xf6\x78\x17\x89\xf7\xe8\x00\x00\x00\x00\x48\x83\xc4\x10\x83\xc0\x01\x5b\xc3\
              \x0f\x1f\x80\x00\x00\x00\x00\x48\x89\xfb\x48\x8d\x7c\x24\x08\xe8\x00\x00\x00\x00\x8b\x03\x03\x44\x24\x08\
              \x48\x83\xc4\x10\x5b\xc3",
            false,
        ),
        (
            "gcc: a parameter",
            b"\x48\x83\xec\x18\x89\x7c\x24\x0c\x85\xf6\x78\x14\x89\xf7\xe8\x00\x00\x00\x00\x48\x83\xc4\x18\x83\xc0\x01\
              \xc3\x0f\x1f\x44\x00\x00\x48\x8d\x7c\x24\x0c\xe8\x00\x00\x00\x00\x8b\x44\x24\x0c\x48\x83\xc4\x18\xc3",
            true,
        ),
        (
            "clang: a local",
            b"\x53\x48\x83\xec\x10\x85\xf6\x78\x0f\x89\xf7\xe8\x00\x00\x00\x00\xff\xc0\x48\x83\xc4\x10\x5b\xc3\
              \x48\x8d\x44\x24\x08\x48\x89\xfb\x48\x89\xc7\xe8\x00\x00\x00\x00\x8b\x03\x03\x44\x24\x08\xeb\xe2",
            false,
        ),
        (
            "clang: a parameter",
            b"\x50\x89\x7c\x24\x04\x85\xf6\x78\x0b\x89\xf7\xe8\x00\x00\x00\x00\xff\xc0\x59\xc3\
              \x48\x8d\x7c\x24\x04\xe8\x00\x00\x00\x00\x8b\x44\x24\x04\x59\xc3",
            true,
        ),
    ];

    #[test]
    fn what_follows_a_return_has_the_stack_of_the_jump_that_leads_there() {
        for (what, code, parameter) in AFTER_RETURN {
            assert_eq!(only_parameters(&decoded(code)), parameter, "{what}");
        }
        // XtRemoveEventHandler of Debian's libXt, shortened: the first way pushes arguments for a call.
        // sub rsp,16; mov [rsp+8],rsi; test rdi,rdi; je L; push 0; push r13; call; pop rcx; pop rsi; add rsp,16; ret;
        // nop; L: lea rsi,[rsp+8]; call; add rsp,16; ret
        let pushed = b"\x48\x83\xec\x10\x48\x89\x74\x24\x08\x48\x85\xff\x74\x13\x6a\x00\x41\x55\xe8\x00\x00\x00\x00\x59\x5e\
            \x48\x83\xc4\x10\xc3\x0f\x1f\x00\x48\x8d\x74\x24\x08\xe8\x00\x00\x00\x00\x48\x83\xc4\x10\xc3";
        assert!(only_parameters(&decoded(pushed)));
    }

    fn decoded(code: &[u8]) -> Vec<iced_x86::Instruction> {
        iced_x86::Decoder::with_ip(64, code, 0, 0).iter().collect()
    }

    #[test]
    fn a_parameter_is_told_from_a_local() {
        // sub rsp, 24; mov [rsp+12], esi; lea rdx, [rsp+12]; call
        let parameter = b"\x48\x83\xec\x18\x89\x74\x24\x0c\x48\x8d\x54\x24\x0c\xe8\x00\x00\x00\x00";
        assert!(only_parameters(&decoded(parameter)));
        // qemu_fdt_setprop_u64 of Debian's QEMU: bswap rcx; push rbx; sub rsp, 16; mov [rsp+8], rcx; call; lea rcx, [rsp+8]
        let turned = b"\x48\x0f\xc9\x53\x48\x83\xec\x10\x48\x89\x4c\x24\x08\xe8\x00\x00\x00\x00\x48\x8d\x4c\x24\x08\xc3";
        assert!(only_parameters(&decoded(turned)));
        // The same with mov rcx, [rdi] in place of bswap: a variable of the function's own.
        let loaded = [b"\x48\x8b\x0f", &turned[3..]].concat();
        assert!(!only_parameters(&decoded(&loaded)));
        // g_variant_new_double: lea rdi, [rsp+8]; movsd [rsp+8], xmm0; call
        let double =
            b"\x48\x83\xec\x18\x48\x8d\x7c\x24\x08\xf2\x0f\x11\x44\x24\x08\xe8\x00\x00\x00\x00";
        assert!(only_parameters(&decoded(double)));
        // The same with xmm9.
        let other =
            b"\x48\x83\xec\x18\x48\x8d\x7c\x24\x08\xf2\x44\x0f\x11\x4c\x24\x08\xe8\x00\x00\x00\x00";
        assert!(!only_parameters(&decoded(other)));
        // The same with mov dword [rsp+12], 5.
        let local =
            b"\x48\x83\xec\x18\xc7\x44\x24\x0c\x05\x00\x00\x00\x48\x8d\x54\x24\x0c\xe8\x00\x00\x00\x00";
        assert!(!only_parameters(&decoded(local)));
    }
}
