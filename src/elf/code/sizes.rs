//! What checked functions are told about the size of their object: a constant, -1, or something computed. Pure.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::imports::Imports;
use super::{ObjectSizes, immediate};

/// The register in which a checked function is told the object's size; `None` for those that are
/// told none. Source: glibc debug/*_chk.c.
pub(super) fn size_register(name: &str) -> Option<Register> {
    Some(match name {
        "__fgets_chk"
        | "__fgets_unlocked_chk"
        | "__fread_chk"
        | "__fread_unlocked_chk"
        | "__gets_chk" => Register::RSI,
        "__strcpy_chk"
        | "__stpcpy_chk"
        | "__strcat_chk"
        | "__sprintf_chk"
        | "__vsprintf_chk"
        | "__getcwd_chk"
        | "__realpath_chk"
        | "__explicit_bzero_chk"
        | "__gethostname_chk"
        | "__wcscpy_chk"
        | "__wcscat_chk" => Register::RDX,
        "__memcpy_chk" | "__memmove_chk" | "__memset_chk" | "__mempcpy_chk" | "__strncpy_chk"
        | "__stpncpy_chk" | "__strncat_chk" | "__snprintf_chk" | "__vsnprintf_chk"
        | "__read_chk" | "__recv_chk" | "__recvfrom_chk" | "__readlink_chk" | "__poll_chk"
        | "__strlcpy_chk" | "__strlcat_chk" => Register::RCX,
        "__pread_chk" | "__pread64_chk" | "__readlinkat_chk" => Register::R8,
        _ => return None,
    })
}

enum Size {
    Constant,
    Unknown,
    Computed,
    Unseen,
}

/// Adds the sizes that all calls of checked functions in a function tell.
pub(super) fn sizes(code: &[Instruction], imports: &Imports<'_>, out: &mut ObjectSizes) {
    for (index, instruction) in code.iter().enumerate() {
        let name = match instruction.mnemonic() {
            Mnemonic::Call | Mnemonic::Jmp if instruction.is_ip_rel_memory_operand() => {
                imports.at_slot(instruction.ip_rel_memory_address())
            }
            Mnemonic::Call | Mnemonic::Jmp => imports.at_stub(instruction.near_branch64()),
            _ => None,
        };
        let Some(register) = name.and_then(|name| size_register(imports.name(name))) else {
            continue;
        };
        match size(&code[..index], register, 3) {
            Size::Constant => out.constant += 1,
            Size::Unknown => out.unknown += 1,
            Size::Computed => out.computed += 1,
            Size::Unseen => out.unseen += 1,
        }
    }
}

/// Follows a register backwards to where it was set, and tells what kind of size it holds.
fn size(code: &[Instruction], register: Register, copies: usize) -> Size {
    for (index, instruction) in code.iter().enumerate().rev().take(200) {
        let scratch = !matches!(
            register,
            Register::RBX
                | Register::RBP
                | Register::R12
                | Register::R13
                | Register::R14
                | Register::R15
        );
        match instruction.mnemonic() {
            // What a call leaves in a scratch register is nobody's size; after a jump we came from elsewhere.
            Mnemonic::Call if scratch => return Size::Unseen,
            Mnemonic::Ret | Mnemonic::Jmp => return Size::Unseen,
            Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Push | Mnemonic::Nop => continue,
            _ => {}
        }
        if instruction.op0_kind() != OpKind::Register
            || instruction.op0_register().full_register() != register
        {
            continue;
        }
        let second = instruction.op1_kind();
        return match instruction.mnemonic() {
            Mnemonic::Mov if second == OpKind::Register && copies > 0 => {
                size(&code[..index], instruction.op1_register().full_register(), copies - 1)
            }
            Mnemonic::Mov if second == OpKind::Memory => Size::Computed,
            Mnemonic::Mov if second != OpKind::Register => constant(instruction),
            Mnemonic::Or if second == OpKind::Immediate8to64 => constant(instruction),
            Mnemonic::Xor if instruction.op0_register() == instruction.op1_register() => {
                Size::Constant
            }
            Mnemonic::Mov | Mnemonic::Pop => Size::Unseen,
            _ => Size::Computed,
        };
    }
    Size::Unseen
}

fn constant(instruction: &Instruction) -> Size {
    if immediate(instruction) == Some(u64::MAX) { Size::Unknown } else { Size::Constant }
}
