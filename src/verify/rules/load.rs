//! Rules about what is mapped and how. Pure.

use super::Object;
use crate::elf::{Kind, Segment, SegmentKind};
use crate::verify::Verdict;

/// The page size of x86-64, and the largest that AArch64 kernels use is a multiple of it.
const PAGE: u64 = 4096;

/// What the loader will make read-only, as glibc rounds it: both ends down to a page.
fn protected(segment: &Segment) -> (u64, u64) {
    let start = segment.address & !(PAGE - 1);
    let end = segment.address.saturating_add(segment.memory_size) & !(PAGE - 1);
    (start, end)
}

pub(super) fn relro(object: Object<'_>) -> (Verdict, String) {
    let facts = object.facts;
    if matches!(facts.kind, Kind::Relocatable | Kind::DebugFile | Kind::Core) {
        return (
            Verdict::NotApplicable("nothing is loaded from this file".to_owned()),
            String::new(),
        );
    }
    let Some(dynamic) = &facts.dynamic else {
        return (
            Verdict::NotApplicable(
                "no dynamic section: a static program relocates itself".to_owned(),
            ),
            String::new(),
        );
    };
    let Some(segment) = facts.segments.iter().find(|segment| segment.kind == SegmentKind::GnuRelro)
    else {
        return (Verdict::Fails("no PT_GNU_RELRO".to_owned()), String::new());
    };
    let (start, end) = protected(segment);
    if start >= end {
        let why = format!(
            "PT_GNU_RELRO of {} bytes at {:#x} covers no whole page",
            segment.memory_size, segment.address
        );
        return (Verdict::Fails(why), String::new());
    }
    let inside = |address: u64| address >= start && address < end;
    let mut wanted: Vec<u64> =
        dynamic.plt_slots.iter().chain(&dynamic.slots).map(|slot| slot.address).collect();
    wanted.extend(dynamic.arrays.iter().filter(|(_, size)| *size > 0).map(|(address, _)| *address));
    let table = facts.segments.iter().find(|segment| segment.kind == SegmentKind::Dynamic);
    wanted.extend(table.map(|segment| segment.address));
    let outside: Vec<u64> = wanted.iter().copied().filter(|address| !inside(*address)).collect();
    let evidence = format!(
        "read-only after start: {start:#x}-{end:#x}; {} slots, {} outside",
        wanted.len(),
        outside.len()
    );
    let verdict = match (outside.len(), dynamic.bind_now) {
        (0, true) => Verdict::Holds,
        (0, false) => Verdict::Partial {
            n: 0,
            m: 1,
            what: "bound at start: the PLT's GOT stays writable".to_owned(),
        },
        (n, _) => Verdict::Fails(format!(
            "{n} of {} slots stay writable, the first at {:#x}",
            wanted.len(),
            outside[0]
        )),
    };
    (verdict, evidence)
}

pub(super) fn stack(object: Object<'_>) -> (Verdict, String) {
    let facts = object.facts;
    if matches!(facts.kind, Kind::Relocatable | Kind::DebugFile | Kind::Core) {
        return (
            Verdict::NotApplicable("nothing is loaded from this file".to_owned()),
            String::new(),
        );
    }
    let stacks: Vec<&Segment> =
        facts.segments.iter().filter(|segment| segment.kind == SegmentKind::GnuStack).collect();
    match stacks.last() {
        None => (
            Verdict::Fails("no PT_GNU_STACK: glibc makes thread stacks executable".to_owned()),
            String::new(),
        ),
        Some(last) if last.execute => (
            Verdict::Fails(format!("the last of {} PT_GNU_STACK is executable", stacks.len())),
            String::new(),
        ),
        Some(_) => {
            (Verdict::Holds, format!("{} PT_GNU_STACK, the last one not executable", stacks.len()))
        }
    }
}

pub(super) fn write_execute(object: Object<'_>) -> (Verdict, String) {
    let facts = object.facts;
    if facts.segments.is_empty() {
        return (Verdict::NotApplicable("no program headers".to_owned()), String::new());
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

pub(super) fn separate_code(object: Object<'_>) -> (Verdict, String) {
    let facts = object.facts;
    let loads = || {
        facts
            .segments
            .iter()
            .filter(|segment| segment.kind == SegmentKind::Load && segment.memory_size > 0)
    };
    if loads().next().is_none() || facts.kind == Kind::DebugFile {
        return (
            Verdict::NotApplicable("nothing is loaded from this file".to_owned()),
            String::new(),
        );
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
