//! What differs between instruction sets: numbers of relocations, page sizes, defaults of kernel, loader and linker. Data
//! only, from the psABIs and the sources that are named. Pure.

use goblin::elf::header;

/// The instruction set of a file, as far as some rule treats it specially.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    X86,
    X86_64,
    Arm,
    Aarch64,
    Riscv,
    LoongArch,
    Mips,
    PowerPc,
    PowerPc64,
    S390,
    Sparc,
    /// None a process has: code for the kernel's own machine (BPF), for graphics processors, or no code at all (`EM_NONE`,
    /// as Guile's compiled modules are).
    NoProcess(u16),
    Other(u16),
}

/// Numbers of the relocations that fill in addresses at run time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relocations {
    /// Symbol plus addend. Where there is no `glob_dat`, they fill the GOT, too.
    pub(super) absolute: &'static [u32],
    pub(super) glob_dat: Option<u32>,
    /// Load address plus addend.
    pub(super) relative: &'static [u32],
    /// What a resolver of this file returns.
    pub(super) irelative: Option<u32>,
}

const EM_AMDGPU: u16 = 224;
const EM_CUDA: u16 = 190;
const EM_BPF: u16 = 247;
const EM_LOONGARCH: u16 = 258;

impl Machine {
    pub(super) fn of(e_machine: u16) -> Self {
        match e_machine {
            header::EM_386 => Self::X86,
            header::EM_X86_64 => Self::X86_64,
            header::EM_ARM => Self::Arm,
            header::EM_AARCH64 => Self::Aarch64,
            header::EM_RISCV => Self::Riscv,
            EM_LOONGARCH => Self::LoongArch,
            header::EM_MIPS => Self::Mips,
            header::EM_PPC => Self::PowerPc,
            header::EM_PPC64 => Self::PowerPc64,
            header::EM_S390 => Self::S390,
            header::EM_SPARC | header::EM_SPARC32PLUS | header::EM_SPARCV9 => Self::Sparc,
            header::EM_NONE | EM_BPF | EM_AMDGPU | EM_CUDA => Self::NoProcess(e_machine),
            other => Self::Other(other),
        }
    }

    /// `None` where they are not known, and on MIPS, whose GOT has none.
    pub(super) fn relocations(self) -> Option<&'static Relocations> {
        match self {
            // x32 has pointers of 32 bits (R_X86_64_32) and R_X86_64_RELATIVE64.
            Self::X86_64 => Some(&Relocations {
                absolute: &[1, 10],
                glob_dat: Some(6),
                relative: &[8, 38],
                irelative: Some(37),
            }),
            Self::X86 => Some(&Relocations {
                absolute: &[1],
                glob_dat: Some(6),
                relative: &[8],
                irelative: Some(42),
            }),
            Self::Arm => Some(&Relocations {
                absolute: &[2],
                glob_dat: Some(21),
                relative: &[23],
                irelative: Some(160),
            }),
            Self::Aarch64 => Some(&Relocations {
                absolute: &[257],
                glob_dat: Some(1025),
                relative: &[1027],
                irelative: Some(1032),
            }),
            Self::Riscv => Some(&Relocations {
                absolute: &[1, 2],
                glob_dat: None,
                relative: &[3],
                irelative: Some(58),
            }),
            Self::LoongArch => Some(&Relocations {
                absolute: &[1, 2],
                glob_dat: None,
                relative: &[3],
                irelative: Some(12),
            }),
            Self::S390 => Some(&Relocations {
                absolute: &[4, 22],
                glob_dat: Some(10),
                relative: &[12],
                irelative: Some(61),
            }),
            // The ABI has R_PPC64_GLOB_DAT (20); the linkers fill GOT and TOC with R_PPC64_ADDR64.
            Self::PowerPc64 => Some(&Relocations {
                absolute: &[20, 38],
                glob_dat: None,
                relative: &[22],
                irelative: Some(248),
            }),
            Self::PowerPc => Some(&Relocations {
                absolute: &[1],
                glob_dat: Some(20),
                relative: &[22],
                irelative: Some(248),
            }),
            Self::Sparc => Some(&Relocations {
                absolute: &[3, 32],
                glob_dat: Some(20),
                relative: &[22],
                irelative: Some(249),
            }),
            Self::Mips | Self::NoProcess(_) | Self::Other(_) => None,
        }
    }

    /// Sizes of pages its kernels are built with, the smallest first (`PAGE_SIZE` choices of arch/*/Kconfig).
    pub(super) fn pages(self) -> &'static [u64] {
        match self {
            Self::Aarch64 | Self::LoongArch | Self::Mips => &[0x1000, 0x4000, 0x1_0000],
            Self::PowerPc64 => &[0x1000, 0x1_0000],
            Self::Sparc => &[0x2000],
            _ => &[0x1000],
        }
    }

    /// GNU ld leaves the stack alone where an object has no `.note.GNU-stack`, however it was configured
    /// (`elf_backend_default_execstack` 0 in bfd/).
    pub fn objects_need_no_stack_note(self) -> bool {
        matches!(self, Self::Aarch64 | Self::Riscv | Self::LoongArch | Self::PowerPc64)
    }
}
