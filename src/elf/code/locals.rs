//! Tells functions that take the address of a local variable from those that only take that of a parameter.
//!
//! `-fstack-protector-strong` protects the former. A parameter whose address is taken is stored to the stack first.
//! Pure.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::immediate;

/// Whole registers; of vector registers that is the widest.
const ARGUMENTS: [Register; 14] = [
    Register::RDI,
    Register::RSI,
    Register::RDX,
    Register::RCX,
    Register::R8,
    Register::R9,
    Register::ZMM0,
    Register::ZMM1,
    Register::ZMM2,
    Register::ZMM3,
    Register::ZMM4,
    Register::ZMM5,
    Register::ZMM6,
    Register::ZMM7,
];

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
            Mnemonic::Mov
            | Mnemonic::Movsd
            | Mnemonic::Movss
            | Mnemonic::Movaps
            | Mnemonic::Movups
            | Mnemonic::Movq
            | Mnemonic::Movd
                if instruction.op0_kind() == OpKind::Memory =>
            {
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
        if to_register && !in_place(instruction) {
            fresh.retain(|register| *register != first.full_register());
        }
    }
    taken.iter().all(|place| *place <= 0 || stored.contains(place))
}

/// What was in the register is only written another way: bytes turned round, a constant added, a part taken.
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
    use super::only_parameters;

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
