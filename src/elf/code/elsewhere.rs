//! x86-64 code that no table of functions tells of.
//!
//! Bytes outside of functions are stubs, hand-written assembly, or what is no code at all: a linker that makes one segment
//! of code and read-only data leaves strings, tables and `.eh_frame` among them. Headers that say what is data may lie. So
//! nobody is asked what the bytes are, but what they could do: the scan sees each place where an instruction could take the
//! address of a local or grow the frame by a page, and what cannot do either needs no protection. Chance makes such places
//! in data, too, some in ten megabytes; they are left out when what follows cannot be run. Pure.

use iced_x86::{Decoder, FlowControl, Instruction, Mnemonic, Register};

use super::Marks;
use crate::elf::facts::{Facts, SegmentKind};
use crate::elf::memory::Memory;

/// The largest number of places that are remembered of a file; that there were more is kept as a
/// fact.
const MAX_PLACES: usize = 1 << 16;
/// The number of instructions that must be possible from a place on; in data the chance of that is
/// one in some hundred.
const FOLLOWED: usize = 16;
const LONGEST_INSTRUCTION: u64 = 15;

/// What the bytes in no known function could do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Where the address of a local may be taken.
    pub takes: Vec<u64>,
    /// Where the frame may grow by a page or more.
    pub steps: Vec<u64>,
    /// There were more places than are looked at.
    pub many: bool,
}

impl Elsewhere {
    /// Remembers what an instruction at an address, outside of all functions, would do.
    pub(super) fn note(&mut self, address: u64, marks: Marks) {
        let takes = marks.intersects(Marks::FRAME_ADDRESS | Marks::BELOW_FRAME);
        let list = match (takes, marks.contains(Marks::STEP)) {
            (true, _) => &mut self.takes,
            (_, true) => &mut self.steps,
            _ => return,
        };
        if list.len() < MAX_PLACES {
            list.push(address);
        } else {
            self.many = true;
        }
    }

    /// Drops places that could not be run, or that lie in code which is known otherwise.
    pub(super) fn sift(
        &mut self,
        memory: &Memory<'_>,
        facts: &Facts<'_>,
        known: &dyn Fn(u64) -> bool,
    ) {
        let mapped: Vec<(u64, u64)> = facts
            .segments
            .iter()
            .filter(|segment| segment.kind == SegmentKind::Load)
            .map(|segment| (segment.address, segment.address.saturating_add(segment.memory_size)))
            .collect();
        // In an object nothing is placed: what a branch reaches is not known yet.
        let placed = !mapped.is_empty();
        let place = Place { memory, mapped, placed };
        for list in [&mut self.takes, &mut self.steps] {
            list.retain(|address| !known(*address) && place.could_run(*address));
        }
    }
}

struct Place<'m, 'a> {
    memory: &'m Memory<'a>,
    /// By program headers; code speaks of variables that have no bytes in the file, too.
    mapped: Vec<(u64, u64)>,
    placed: bool,
}

impl Place<'_, '_> {
    fn could_run(&self, start: u64) -> bool {
        let length = LONGEST_INSTRUCTION * FOLLOWED as u64;
        let could = self.memory.look(start, length, |bytes| {
            let mut decoder = Decoder::with_ip(64, bytes, start, 0);
            let mut instruction = Instruction::default();
            for _ in 0..FOLLOWED {
                if !decoder.can_decode() {
                    break;
                }
                decoder.decode_out(&mut instruction);
                // The C library's way to stop a program that does not stop.
                if instruction.mnemonic() == Mnemonic::Hlt {
                    break;
                }
                if !self.possible(&instruction) {
                    return false;
                }
                let left = matches!(
                    instruction.flow_control(),
                    FlowControl::Return
                        | FlowControl::UnconditionalBranch
                        | FlowControl::IndirectBranch
                        | FlowControl::Interrupt
                        | FlowControl::Exception
                );
                if left {
                    break;
                }
            }
            true
        });
        could != Some(false)
    }

    /// Tells whether a program may hold an instruction: it exists, needs no privilege, and what it
    /// names is mapped.
    fn possible(&self, instruction: &Instruction) -> bool {
        if instruction.is_invalid() || instruction.is_privileged() {
            return false;
        }
        let nothing = matches!(instruction.mnemonic(), Mnemonic::Nop);
        let segments = matches!(
            instruction.segment_prefix(),
            Register::None | Register::FS | Register::GS | Register::DS
        );
        let branches = instruction.is_call_near()
            || instruction.is_jmp_short_or_near()
            || instruction.is_jcc_short_or_near();
        if self.placed && branches && !self.memory.executable(instruction.near_branch_target()) {
            return false;
        }
        let names = instruction.is_ip_rel_memory_operand() && !nothing;
        if self.placed && names && !self.mapped(instruction.ip_rel_memory_address()) {
            return false;
        }
        nothing || segments
    }

    fn mapped(&self, address: u64) -> bool {
        self.mapped.iter().any(|(start, end)| (*start..=*end).contains(&address))
    }
}
