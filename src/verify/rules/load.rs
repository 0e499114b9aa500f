//! Rules about what is mapped and how. Pure.

use super::Object;
use super::link::{is_for_processes, is_loaded, not_loaded};
use crate::elf::relro::{PAGE, is_looked_for, names_protection, page_sizes, range, segment};
use crate::elf::{Facts, Kind, Machine, Segment, SegmentKind, Writable, irelative_slots};
use crate::verify::Verdict;

type Answer = (Verdict, String);

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
    if is_static && !(is_looked_for(facts) == Some(true) && names_protection(facts)) {
        let why = "static without glibc's start code: only its own could tell whether it protects what PT_GNU_RELRO names";
        return (Verdict::CannotTell(why.to_owned()), String::new());
    }
    let slots = Slots::of(object);
    let mut answers: Vec<(u64, Answer)> = page_sizes(facts)
        .into_iter()
        .map(|page| (page, covered(object, header, page, &slots)))
        .collect();
    // It must hold with every page size; the smallest speaks first.
    let held = |answer: &(u64, Answer)| answer.1.0 == Verdict::Holds;
    let holds: Vec<u64> = answers.iter().filter(|it| held(it)).map(|(page, _)| *page).collect();
    let (several, worst) = (answers.len() > 1, answers.iter().position(|it| !held(it)));
    let (page, (verdict, evidence)) = answers.swap_remove(worst.unwrap_or(0));
    let verdict = if several { with_pages(verdict, page, &holds) } else { verdict };
    (verdict, evidence)
}

/// Says which page size a verdict is about, and with which it would be another.
fn with_pages(verdict: Verdict, page: u64, holds: &[u64]) -> Verdict {
    if holds.is_empty() {
        return verdict;
    }
    let sizes: Vec<String> = holds.iter().map(|page| (page >> 10).to_string()).collect();
    let (page, sizes) = (page >> 10, sizes.join(" and "));
    let pages = format!("with pages of {page} KiB; with {sizes} KiB it holds");
    match verdict {
        Verdict::Fails(why) => Verdict::Fails(format!("{why} {pages}")),
        Verdict::Partial { n, m, what } => {
            Verdict::Partial { n, m, what: format!("{what} {pages}") }
        }
        other => other,
    }
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

/// Words that must not be written after start, by who fills them in.
struct Slots {
    /// The GOT, the init arrays.
    fixed: Vec<u64>,
    /// `.dynamic`
    table: Option<u64>,
    /// Those of the PLT.
    plt: Vec<u64>,
    /// The GOT's, or data's.
    unclear: Vec<u64>,
    /// What no RELRO protects.
    writable: Writable,
}

impl Slots {
    fn of(object: Object<'_>) -> Self {
        let facts = object.facts;
        let writable = Writable::of(&facts.segments);
        let Some(dynamic) = &facts.dynamic else {
            let plt = irelative_slots(facts);
            return Self { fixed: Vec::new(), table: None, plt, unclear: Vec::new(), writable };
        };
        let mut fixed: Vec<u64> = dynamic.slots.iter().map(|slot| slot.address).collect();
        for (address, size) in dynamic.arrays.iter().filter(|(_, size)| *size > 0) {
            fixed.extend([*address, address.saturating_add(size - 1)]);
        }
        let table = facts.segments.iter().rfind(|segment| segment.kind == SegmentKind::Dynamic);
        let plt = dynamic.plt_slots.iter().map(|slot| slot.address).collect();
        let table = table.map(|segment| segment.address);
        Self { fixed, table, plt, unclear: dynamic.unclear_slots.clone(), writable }
    }

    fn count(&self) -> usize {
        self.fixed.len() + self.plt.len() + usize::from(self.table.is_some())
    }
}

/// What the loader makes read-only with pages of a size, and what stays writable.
fn covered(object: Object<'_>, segment: &Segment, page: u64, slots: &Slots) -> Answer {
    let facts = object.facts;
    let (start, end) = range(facts, page).unwrap_or_default();
    if start >= end {
        let why = format!(
            "PT_GNU_RELRO of {} bytes at {:#x} covers no whole page",
            segment.memory_size, segment.address
        );
        return (Verdict::Fails(why), String::new());
    }
    let writable =
        |address: &u64| (*address < start || *address >= end) && slots.writable.contains(*address);
    let left = |slots: &[u64]| slots.iter().copied().filter(writable).collect::<Vec<u64>>();
    let (fixed, plt, unclear) = (left(&slots.fixed), left(&slots.plt), left(&slots.unclear));
    let table = slots.table.filter(writable);
    let (all, lost) = (slots.count(), fixed.len() + plt.len() + usize::from(table.is_some()));
    let mut evidence =
        format!("read-only after start: {start:#x}-{end:#x}; {all} slots, {lost} outside");
    if let Some(code) = object.code {
        let pointers = code.targets.writable_pointers;
        evidence.push_str(&format!("; {pointers} other pointers to functions stay writable"));
    }
    let verdict = match (fixed.as_slice(), plt.as_slice(), table) {
        ([], [], None) if !unclear.is_empty() => Verdict::CannotTell(format!(
            "{} words that get addresses of other files stay writable, the first at {:#x}; section headers would tell \
             the GOT from data",
            unclear.len(),
            unclear[0]
        )),
        ([], [], None) => Verdict::Holds,
        ([], [], Some(table)) => Verdict::Partial {
            n: all - lost,
            m: all,
            what: format!(
                "slots become read-only; .dynamic at {table:#x} lies outside and stays writable: patchelf moves it there"
            ),
        },
        // The loader writes lazily bound slots after it has protected the rest.
        ([], [_, ..], None) if all > lost && filled_late(object) => Verdict::Partial {
            n: all - lost,
            m: all,
            what: format!("slots become read-only; {} stay writable", who_fills(object)),
        },
        _ => {
            let lost_ones = fixed.iter().chain(&plt).chain(&table);
            let first = lost_ones.min().copied().unwrap_or(0);
            Verdict::Fails(format!("{lost} of {all} slots stay writable, the first at {first:#x}"))
        }
    };
    (verdict, evidence)
}

/// Slots of the PLT lie outside by design, not by accident.
fn filled_late(object: Object<'_>) -> bool {
    object.facts.dynamic.as_ref().is_some_and(|dynamic| !dynamic.bind_now)
}

/// What the slots of the PLT are.
fn who_fills(object: Object<'_>) -> &'static str {
    if object.facts.kind == Kind::StaticPie {
        "those that resolvers fill at start (IRELATIVE) lie outside and"
    } else if super::link::binds_at_start(object.facts) {
        "those of the PLT lie outside and"
    } else {
        "those of the PLT are bound lazily and"
    }
}

/// What a file without PT_GNU_STACK gets: the kernel's word on the main stack (arch/*/include/asm/elf.h
/// elf_read_implies_exec, Linux 5.8 and later) and glibc's on those of threads (sysdeps/*/stackinfo.h
/// DEFAULT_STACK_PERMS).
fn without_header(facts: &Facts<'_>) -> Verdict {
    let why = match facts.machine {
        Machine::X86 | Machine::Mips | Machine::PowerPc => {
            "no PT_GNU_STACK: the kernel maps everything readable executable, the stack included"
        }
        Machine::Arm => "no PT_GNU_STACK: the kernel maps everything readable executable",
        Machine::X86_64 | Machine::S390 | Machine::Sparc => {
            "no PT_GNU_STACK: glibc makes the stacks of threads executable, the kernel not the main one"
        }
        Machine::Aarch64 | Machine::Riscv | Machine::LoongArch | Machine::PowerPc64 => {
            return Verdict::Holds;
        }
        Machine::NoProcess(_) | Machine::Other(_) => {
            return Verdict::CannotTell(
                "no PT_GNU_STACK, and what the machine then does is not known here; `-z noexecstack` would tell"
                    .to_owned(),
            );
        }
    };
    Verdict::Fails(why.to_owned())
}

pub(super) fn stack(object: Object<'_>) -> Answer {
    if object.facts.kind == Kind::Relocatable && is_for_processes(object) {
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
        None if code && object.facts.machine.objects_need_no_stack_note() => (
            Verdict::Holds,
            "no .note.GNU-stack: on this machine the linker leaves the stack alone".to_owned(),
        ),
        None if code => (
            Verdict::Fails(
                "no .note.GNU-stack: GNU ld makes the stack executable unless it was configured not to; lld and mold do \
                 not"
                    .to_owned(),
            ),
            String::new(),
        ),
        None => (Verdict::NotApplicable("no code in this object".to_owned()), String::new()),
    }
}

pub(super) fn write_execute(object: Object<'_>) -> Answer {
    let facts = object.facts;
    if facts.kind == Kind::Relocatable && is_for_processes(object) {
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
