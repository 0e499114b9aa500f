//! Tells functions that take the address of a local variable from those that only take that of a parameter.
//!
//! `-fstack-protector-strong` protects the former. A parameter whose address is taken is stored to the stack first.
//! Pure.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::immediate;

const ARGUMENTS: [Register; 6] =
    [Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9];

/// Every stack address that is taken is that of a parameter; there may be none.
pub(super) fn only_parameters(code: &[Instruction]) -> bool {
    let (mut pointer, mut frame) = (0_i64, None);
    let (mut stored, mut taken) = (Vec::new(), Vec::new());
    let mut fresh = ARGUMENTS.to_vec();
    let mut last_pushed = Register::None;
    for instruction in code {
        let first = instruction.op0_register();
        let to_register = instruction.op0_kind() == OpKind::Register;
        let offset = instruction.memory_displacement64().cast_signed();
        let place = match instruction.memory_base() {
            _ if instruction.memory_index() != Register::None => None,
            Register::RSP => Some(pointer - offset),
            Register::RBP => frame.map(|frame: i64| frame - offset),
            _ => None,
        };
        match instruction.mnemonic() {
            Mnemonic::Push => {
                pointer += 8;
                last_pushed = first;
            }
            Mnemonic::Pop => pointer -= 8,
            Mnemonic::Sub if to_register && first == Register::RSP => {
                pointer +=
                    immediate(instruction).unwrap_or(0).cast_signed().clamp(-1 << 32, 1 << 32);
            }
            Mnemonic::Add if to_register && first == Register::RSP => {
                pointer -=
                    immediate(instruction).unwrap_or(0).cast_signed().clamp(-1 << 32, 1 << 32);
            }
            Mnemonic::Mov
                if first == Register::RBP
                    && instruction.op1_register() == Register::RSP
                    && last_pushed == Register::RBP =>
            {
                frame = Some(pointer);
            }
            Mnemonic::Mov if instruction.op0_kind() == OpKind::Memory => {
                let source = instruction.op1_register().full_register();
                if fresh.contains(&source) {
                    stored.extend(place);
                }
            }
            Mnemonic::Mov if to_register && instruction.op1_register() == Register::RSP => {
                taken.push(pointer);
            }
            // An element of a local array, of an index only known at run time.
            Mnemonic::Lea
                if instruction.memory_base() == Register::RSP
                    && instruction.memory_index() != Register::None =>
            {
                taken.push(i64::MAX);
            }
            Mnemonic::Lea if first != Register::RSP => taken.extend(place),
            // After a call the registers hold something else.
            Mnemonic::Call => fresh.clear(),
            _ => {}
        }
        if to_register {
            fresh.retain(|register| *register != first.full_register());
        }
    }
    taken.iter().all(|place| *place <= 0 || stored.contains(place))
}

#[cfg(test)]
mod tests {
    use super::only_parameters;

    fn decoded(code: &[u8]) -> Vec<iced_x86::Instruction> {
        iced_x86::Decoder::with_ip(64, code, 0, 0).iter().collect()
    }

    #[test]
    fn a_parameter_is_told_from_a_local() {
        // sub rsp, 24; mov [rsp+12], esi; lea rdx, [rsp+12]; call
        let parameter = b"\x48\x83\xec\x18\x89\x74\x24\x0c\x48\x8d\x54\x24\x0c\xe8\x00\x00\x00\x00";
        assert!(only_parameters(&decoded(parameter)));
        // The same with mov dword [rsp+12], 5.
        let local =
            b"\x48\x83\xec\x18\xc7\x44\x24\x0c\x05\x00\x00\x00\x48\x8d\x54\x24\x0c\xe8\x00\x00\x00\x00";
        assert!(!only_parameters(&decoded(local)));
    }
}
