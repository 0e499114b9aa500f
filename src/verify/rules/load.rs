//! Rules about what is mapped and how. Pure.

use super::Object;
use super::link::{is_loaded, not_loaded};
use crate::elf::relro::{PAGE, is_looked_for, range, segment};
use crate::elf::{Facts, Kind, Machine, Segment, SegmentKind};
use crate::verify::Verdict;

type Answer = (Verdict, String);

/// Sizes of pages kernels of the machine are built with; a protection must hold with each.
fn pages(machine: Machine) -> &'static [u64] {
    match machine {
        Machine::Aarch64 | Machine::PowerPc64 => &[PAGE, 0x1_0000],
        _ => &[PAGE],
    }
}

pub(super) fn relro(object: Object<'_>) -> Answer {
    if !is_loaded(object) {
        return not_loaded();
    }
    let facts = object.facts;
    let is_static = matches!(facts.kind, Kind::StaticExecutable | Kind::StaticPie);
    let Some(header) = segment(facts) else {
        return (without_relro(object), String::new());
    };
    // glibc's start code protects static programs, too (csu/libc-start.c, _dl_protect_relro); musl's does not.
    // A text is no proof that the code is there, and the code that asks for the header no proof of what it does with it.
    let text =
        || facts.image.contains(b"cannot apply additional memory protection after relocation");
    if is_static && !(is_looked_for(facts) == Some(true) && text()) {
        let why = "static without glibc's start code: only its own could tell whether it protects what PT_GNU_RELRO names";
        return (Verdict::CannotTell(why.to_owned()), String::new());
    }
    let mut answer = (Verdict::Holds, String::new());
    for page in pages(facts.machine) {
        answer = covered(object, header, *page);
        if answer.0 != Verdict::Holds {
            break;
        }
    }
    answer
}

/// No pages are named: right only where there is no GOT, as in Go's static programs. A section's name makes it likely, the
/// code decides, and headers alone do not tell.
fn without_relro(object: Object<'_>) -> Verdict {
    let named = || {
        object.facts.sections.list.iter().any(|section| crate::elf::names_go_section(section.name))
    };
    match object.code {
        Some(_) if object.facts.dynamic.is_none() && super::coverage::is_go(object) => {
            Verdict::NotApplicable("compiled by Go, static: there is no GOT".to_owned())
        }
        None if object.facts.dynamic.is_none() && named() => Verdict::CannotTell(
            "no PT_GNU_RELRO; Go's static programs have no GOT, and whether this is one its code tells, which was not read"
                .to_owned(),
        ),
        _ => Verdict::Fails("no PT_GNU_RELRO".to_owned()),
    }
}

/// What the loader makes read-only with pages of a size, and what stays writable.
fn covered(object: Object<'_>, segment: &Segment, page: u64) -> Answer {
    let facts = object.facts;
    let (start, end) = range(facts, page).unwrap_or_default();
    if start >= end {
        let why = format!(
            "PT_GNU_RELRO of {} bytes at {:#x} covers no whole page",
            segment.memory_size, segment.address
        );
        return (Verdict::Fails(why), String::new());
    }
    let outside = |address: &u64| *address < start || *address >= end;
    let Some(dynamic) = &facts.dynamic else {
        return (Verdict::Holds, format!("read-only after start: {start:#x}-{end:#x}"));
    };
    let mut fixed: Vec<u64> = dynamic.slots.iter().map(|slot| slot.address).collect();
    for (address, size) in dynamic.arrays.iter().filter(|(_, size)| *size > 0) {
        fixed.extend([*address, address.saturating_add(size - 1)]);
    }
    let table = facts.segments.iter().rfind(|segment| segment.kind == SegmentKind::Dynamic);
    fixed.extend(table.map(|segment| segment.address));
    let plt: Vec<u64> = dynamic.plt_slots.iter().map(|slot| slot.address).collect();
    let left: Vec<u64> = fixed.iter().copied().filter(outside).collect();
    let plt_left: Vec<u64> = plt.iter().copied().filter(outside).collect();
    let all = fixed.len() + plt.len();
    let mut evidence = format!(
        "read-only after start: {start:#x}-{end:#x}; {all} slots, {} outside",
        left.len() + plt_left.len()
    );
    if let Some(code) = object.code {
        let pointers = code.targets.writable_pointers;
        evidence.push_str(&format!("; {pointers} other pointers to functions stay writable"));
    }
    let first = left.iter().chain(&plt_left).min().copied().unwrap_or(0);
    let verdict = match (left.len(), plt_left.len(), dynamic.bind_now) {
        (0, 0, true) => Verdict::Holds,
        // The loader writes lazily bound slots after it has protected the rest.
        (0, outside, false) => Verdict::Partial {
            n: all - outside,
            m: all,
            what: if super::link::is_musl(facts) {
                "slots become read-only; those of the PLT lie outside and stay writable".to_owned()
            } else {
                "slots become read-only; those of the PLT are bound lazily and stay writable"
                    .to_owned()
            },
        },
        (a, b, _) => Verdict::Fails(format!(
            "{} of {all} slots stay writable, the first at {first:#x}",
            a + b
        )),
    };
    (verdict, evidence)
}

/// What a file without PT_GNU_STACK gets: the kernel's word on the main stack (arch/*/include/asm/elf.h
/// elf_read_implies_exec, Linux 5.8 and later) and glibc's on those of threads (sysdeps/*/stackinfo.h
/// DEFAULT_STACK_PERMS).
fn without_header(facts: &Facts<'_>) -> Verdict {
    let why = match facts.machine {
        Machine::X86 => {
            "no PT_GNU_STACK: the kernel maps everything readable executable, the stack included"
        }
        Machine::Arm => "no PT_GNU_STACK: the kernel maps everything readable executable",
        Machine::X86_64 => {
            "no PT_GNU_STACK: glibc makes the stacks of threads executable, the kernel not the main one"
        }
        Machine::Aarch64 | Machine::Riscv => return Verdict::Holds,
        Machine::PowerPc64 | Machine::S390 | Machine::Other(_) => {
            "no PT_GNU_STACK, and what the machine then does is not known here; `-z noexecstack` would tell"
        }
    };
    match facts.machine {
        Machine::X86 | Machine::Arm | Machine::X86_64 => Verdict::Fails(why.to_owned()),
        _ => Verdict::CannotTell(why.to_owned()),
    }
}

pub(super) fn stack(object: Object<'_>) -> Answer {
    if object.facts.kind == Kind::Relocatable {
        return object_stack(object);
    }
    if !is_loaded(object) {
        return not_loaded();
    }
    let facts = object.facts;
    let stacks: Vec<&Segment> =
        facts.segments.iter().filter(|segment| segment.kind == SegmentKind::GnuStack).collect();
    match stacks.last() {
        None => (without_header(facts), "no PT_GNU_STACK".to_owned()),
        Some(last) if last.execute => (
            Verdict::Fails(format!("the last of {} PT_GNU_STACK is executable", stacks.len())),
            String::new(),
        ),
        Some(_) => {
            (Verdict::Holds, format!("{} PT_GNU_STACK, the last one not executable", stacks.len()))
        }
    }
}

/// In an object the section `.note.GNU-stack` speaks, and the linker takes the worst of all.
fn object_stack(object: Object<'_>) -> Answer {
    let sections = &object.facts.sections;
    let code = sections.list.iter().any(|section| section.executable() && section.has_bytes());
    match sections.named(".note.GNU-stack") {
        Some(section) if section.executable() => {
            (Verdict::Fails(".note.GNU-stack is executable".to_owned()), String::new())
        }
        Some(_) => (Verdict::Holds, ".note.GNU-stack".to_owned()),
        // GNU ld's default per machine: `elf_backend_default_execstack` (bfd/elfnn-aarch64.c, bfd/elfnn-riscv.c: 0).
        None if code && matches!(object.facts.machine, Machine::Aarch64 | Machine::Riscv) => (
            Verdict::Holds,
            "no .note.GNU-stack: on this machine the linker leaves the stack alone".to_owned(),
        ),
        None if code => (
            Verdict::Fails("no .note.GNU-stack: the linker makes the stack executable".to_owned()),
            String::new(),
        ),
        None => (Verdict::NotApplicable("no code in this object".to_owned()), String::new()),
    }
}

pub(super) fn write_execute(object: Object<'_>) -> Answer {
    let facts = object.facts;
    if facts.kind == Kind::Relocatable {
        let both = facts
            .sections
            .list
            .iter()
            .find(|section| section.allocated() && section.writable() && section.executable());
        return match both {
            Some(section) => (
                Verdict::Fails(format!("section {} is writable and executable", section.name)),
                String::new(),
            ),
            None => (Verdict::Holds, String::new()),
        };
    }
    if !is_loaded(object) || facts.segments.is_empty() {
        return not_loaded();
    }
    let both =
        |segment: &&Segment| segment.kind == SegmentKind::Load && segment.write && segment.execute;
    match facts.segments.iter().find(both) {
        Some(segment) => (
            Verdict::Fails(format!("PT_LOAD at {:#x} is writable and executable", segment.address)),
            String::new(),
        ),
        None => (Verdict::Holds, String::new()),
    }
}

pub(super) fn separate_code(object: Object<'_>) -> Answer {
    let facts = object.facts;
    let loads = || {
        facts
            .segments
            .iter()
            .filter(|segment| segment.kind == SegmentKind::Load && segment.memory_size > 0)
    };
    if loads().next().is_none() || !is_loaded(object) {
        return not_loaded();
    }
    let pages = |segment: &Segment| {
        let first = segment.offset & !(PAGE - 1);
        let last = segment.offset.saturating_add(segment.file_size.max(1) - 1) & !(PAGE - 1);
        (first, last)
    };
    for code in loads().filter(|segment| segment.execute) {
        let (first, last) = pages(code);
        for data in loads().filter(|segment| !segment.execute && segment.file_size > 0) {
            let (other_first, other_last) = pages(data);
            if first <= other_last && other_first <= last {
                let why = format!(
                    "code at {:#x} and data at {:#x} share a page of the file",
                    code.address, data.address
                );
                return (Verdict::Fails(why), String::new());
            }
        }
        if code.offset == 0 {
            return (
                Verdict::Fails("the file header is mapped executable".to_owned()),
                String::new(),
            );
        }
    }
    (Verdict::Holds, String::new())
}
