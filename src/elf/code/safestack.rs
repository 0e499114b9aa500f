//! clang's SafeStack by what its prologue does; works where no symbol is left. Pure.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

/// Tells whether a function uses SafeStack: it loads a thread-local pointer, stores it back lowered
/// by a multiple of 16, and later stores the value it loaded: the unsafe stack is taken and given
/// back.
pub(super) fn moves_and_restores(code: &[Instruction]) -> bool {
    let thread_local = |instruction: &Instruction| {
        instruction.segment_prefix() == Register::FS
            && instruction.memory_base() != Register::None
            && instruction.memory_index() == Register::None
    };
    for (index, load) in code.iter().enumerate().take(64) {
        let loads = load.mnemonic() == Mnemonic::Mov
            && load.op1_kind() == OpKind::Memory
            && thread_local(load);
        if !loads {
            continue;
        }
        let (pointer, place) = (load.op0_register(), load.memory_base());
        let stores = |instruction: &&Instruction| {
            instruction.mnemonic() == Mnemonic::Mov
                && instruction.op0_kind() == OpKind::Memory
                && thread_local(instruction)
        };
        let rest = &code[index + 1..];
        let lowered = rest
            .iter()
            .take(24)
            .filter(stores)
            .any(|store| store.memory_base() == place && is_lowered(rest, store, pointer));
        let restored = rest.iter().filter(stores).any(|store| store.op1_register() == pointer);
        if lowered && restored {
            return true;
        }
    }
    false
}

/// Tells whether the stored register was lowered: `lea reg, [pointer - 16n]`, or `mov reg, pointer;
/// sub/add/and`.
fn is_lowered(code: &[Instruction], store: &Instruction, pointer: Register) -> bool {
    let value = store.op1_register();
    value != pointer
        && code.iter().take_while(|instruction| instruction.ip() != store.ip()).any(|instruction| {
            let lea = instruction.mnemonic() == Mnemonic::Lea
                && instruction.op0_register() == value
                && instruction.memory_base() == pointer
                && instruction.memory_index() == Register::None;
            let distance = instruction.memory_displacement64().cast_signed();
            lea && distance < 0 && distance % 16 == 0
        })
}
