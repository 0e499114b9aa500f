//! Notes: the build-id and the properties that the kernel and the loader act upon. Pure.

use goblin::container::{Container, Ctx, Endian};

use super::facts::{Segment, SegmentKind};
use super::image::Image;
use super::machine::Machine;
use super::sections::Sections;

/// What a property note promises for all code of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Properties {
    /// The file has a `NT_GNU_PROPERTY_TYPE_0` note.
    pub present: bool,
    pub ibt: bool,
    pub shstk: bool,
    pub bti: bool,
    pub pac: bool,
    pub gcs: bool,
    /// Landing pads and shadow stacks of RISC-V: Zicfilp, Zicfiss.
    pub zicfilp: bool,
    pub zicfiss: bool,
    /// The note is only where neither kernel nor loader of the machine looks: in `PT_NOTE`, not in `PT_GNU_PROPERTY`.
    pub overlooked: bool,
}

const NT_GNU_BUILD_ID: u32 = 3;
const NT_GNU_PROPERTY_TYPE_0: u32 = 5;

pub(super) fn word(bytes: &[u8], ctx: Ctx) -> u32 {
    let array: [u8; 4] = bytes.get(..4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
    match ctx.le {
        Endian::Little => u32::from_le_bytes(array),
        Endian::Big => u32::from_be_bytes(array),
    }
}

/// Reads build-id and properties from segments, or from sections in objects, which have no
/// segments.
pub(super) fn notes(
    image: Image<'_>,
    machine: Machine,
    segments: &[Segment],
    sections: &Sections<'_>,
    ctx: Ctx,
) -> (Option<String>, Properties) {
    let mut found = (None, Properties::default());
    // glibc reads the properties in PT_NOTE on x86 (sysdeps/x86/dl-prop.h `_dl_process_pt_note`), elsewhere nobody does.
    let of_notes = matches!(machine, Machine::X86 | Machine::X86_64);
    let wanted =
        |segment: &&Segment| matches!(segment.kind, SegmentKind::Note | SegmentKind::GnuProperty);
    for segment in segments.iter().filter(wanted) {
        let Some(data) = image.slice(segment.offset, segment.file_size) else { continue };
        if segment.kind == SegmentKind::Note && !of_notes {
            let mut alone = (found.0.take(), Properties::default());
            read(data, 4, machine, ctx, &mut alone);
            found.0 = alone.0;
            found.1.overlooked |= alone.1.present;
            continue;
        }
        // Property notes are 8-aligned in ELF64, all others 4-aligned.
        let wide = segment.kind == SegmentKind::GnuProperty && ctx.container == Container::Big;
        read(data, if wide { 8 } else { 4 }, machine, ctx, &mut found);
    }
    found.1.overlooked &= !found.1.present;
    // eu-strip leaves the program headers of the file it was made of in a debug file; only sections say what is there.
    if found.0.is_none()
        && let Some(data) = sections.raw(".note.gnu.build-id")
    {
        let mut alone = (None, Properties::default());
        read(data, 4, machine, ctx, &mut alone);
        found.0 = alone.0;
    }
    if segments.is_empty() {
        let wide = if ctx.container == Container::Big { 8 } else { 4 };
        for (name, align) in [(".note.gnu.property", wide), (".note.gnu.build-id", 4)] {
            if let Some(data) = sections.raw(name) {
                read(data, align, machine, ctx, &mut found);
            }
        }
    }
    found
}

fn read(
    data: &[u8],
    align: usize,
    machine: Machine,
    ctx: Ctx,
    found: &mut (Option<String>, Properties),
) {
    let mut at = 0_usize;
    while let Some(head) = data.get(at..at.saturating_add(12)) {
        let (name, size, kind) =
            (word(head, ctx) as usize, word(&head[4..], ctx) as usize, word(&head[8..], ctx));
        let start = at.saturating_add(12).saturating_add(name.next_multiple_of(4));
        let Some(body) = data.get(start..start.saturating_add(size)) else { break };
        let gnu = data.get(at + 12..at + 16) == Some(b"GNU\0") && name == 4;
        match kind {
            NT_GNU_BUILD_ID if gnu && found.0.is_none() => {
                found.0 = Some(hex::encode(body.get(..64).unwrap_or(body)));
            }
            NT_GNU_PROPERTY_TYPE_0 if gnu => properties(body, machine, ctx, &mut found.1),
            _ => {}
        }
        at = start.saturating_add(size.next_multiple_of(align));
    }
}

/// Reads the feature bits of a property note; a type means another thing on each machine.
/// `GNU_PROPERTY_X86_FEATURE_1_AND` (x86-64 psABI): IBT is bit 0, SHSTK bit 1. `GNU_PROPERTY_AARCH64_FEATURE_1_AND` (ELF for
/// the Arm 64-bit architecture): BTI 0, PAC 1, GCS 2. `GNU_PROPERTY_RISCV_FEATURE_1_AND` (RISC-V psABI): unlabeled landing
/// pads 0, shadow stacks 1, labels that name function types 2.
fn properties(body: &[u8], machine: Machine, ctx: Ctx, out: &mut Properties) {
    const X86_FEATURE_1_AND: u32 = 0xc000_0002;
    const FEATURE_1_AND: u32 = 0xc000_0000;
    let align = if ctx.container == Container::Big { 8 } else { 4 };
    out.present = true;
    let mut at = 0_usize;
    while let Some(head) = body.get(at..at.saturating_add(8)) {
        let size = word(&head[4..], ctx) as usize;
        let bits = body.get(at + 8..at + 12).map_or(0, |bits| word(bits, ctx));
        let bit = |number: u32| bits >> number & 1 == 1;
        match (machine, word(head, ctx)) {
            (Machine::X86 | Machine::X86_64, X86_FEATURE_1_AND) => {
                (out.ibt, out.shstk) = (bit(0), bit(1));
            }
            (Machine::Aarch64, FEATURE_1_AND) => {
                (out.bti, out.pac, out.gcs) = (bit(0), bit(1), bit(2));
            }
            (Machine::Riscv, FEATURE_1_AND) => {
                (out.zicfilp, out.zicfiss) = (bit(0) || bit(2), bit(1));
            }
            _ => {}
        }
        at = at.saturating_add(8).saturating_add(size.next_multiple_of(align));
    }
}
