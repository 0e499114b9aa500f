//! Rules about who loads the file, what it makes the loader load, and whether its headers tell one story. Pure.

use super::Object;
use super::link::{is_loaded, not_loaded};
use crate::elf::{Facts, Kind, SegmentKind, offset_of, shared_page};
use crate::verify::Verdict;

type Answer = (Verdict, String);

/// Contradictions shown.
const SHOWN: usize = 6;
/// `SHF_ALLOC` sections that no segment maps: the thread-local zeros.
const SHF_TLS: u64 = 0x400;

/// The program is started by the system's own loader.
pub(super) fn interpreter(object: Object<'_>) -> Answer {
    if !is_loaded(object) {
        return not_loaded();
    }
    let Some(path) = &object.facts.interpreter else {
        return (Verdict::NotApplicable("asks for no interpreter".to_owned()), String::new());
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    let known = name.starts_with("ld-linux")
        || name.starts_with("ld-musl-")
        || name.starts_with("ld64.so")
        || name.starts_with("ld.so");
    let directory = path.strip_suffix(name).unwrap_or_default().trim_end_matches('/');
    let places = ["/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64"];
    let of_system = places.iter().any(|place| {
        directory == *place
            || directory.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
    });
    let verdict = if path.split('/').any(|part| part == ".." || part == ".") {
        Verdict::Fails(format!("`{path}` leads through `..`"))
    } else if !path.starts_with('/') {
        Verdict::Fails(format!("`{path}` depends on the current directory"))
    } else if !of_system {
        Verdict::Fails(format!("`{path}` is not in the system's directories"))
    } else if !known {
        Verdict::CannotTell(format!("`{path}` is no loader known here; its package would tell"))
    } else {
        Verdict::Holds
    };
    (verdict, path.clone())
}

/// Nothing makes the loader load or ask other files than those that are needed.
pub(super) fn loader_tags(object: Object<'_>) -> Answer {
    if !is_loaded(object) {
        return not_loaded();
    }
    let Some(dynamic) = &object.facts.dynamic else {
        return (Verdict::NotApplicable("no dynamic section".to_owned()), String::new());
    };
    let mut found: Vec<String> =
        dynamic.redirections.iter().map(|(tag, text)| format!("{tag} `{text}`")).collect();
    if dynamic.preinit && object.facts.kind == Kind::SharedLibrary {
        found.push("DT_PREINIT_ARRAY in a library, which the loader ignores".to_owned());
    }
    if found.is_empty() {
        (Verdict::Holds, String::new())
    } else {
        (Verdict::Fails(found.join("; ")), String::new())
    }
}

/// Program headers, dynamic table and section headers do not contradict each other.
pub(super) fn headers(object: Object<'_>) -> Answer {
    if !is_loaded(object) {
        return not_loaded();
    }
    let facts = object.facts;
    let mut faults = facts.unreadable.clone();
    if is_packed(facts) {
        faults.push("packed by UPX: what runs is not to be seen; `upx -d` unpacks it".to_owned());
    }
    doubles(facts, &mut faults);
    segments(facts, facts.image.length(), &mut faults);
    sections(facts, &mut faults);
    let evidence = if facts.sections.list.is_empty() {
        "no section headers to compare with".to_owned()
    } else {
        format!("{} segments, {} sections", facts.segments.len(), facts.sections.list.len())
    };
    if faults.is_empty() {
        return (Verdict::Holds, evidence);
    }
    let more = faults.len().saturating_sub(SHOWN);
    faults.truncate(SHOWN);
    let mut text = faults.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    (Verdict::Fails(text), evidence)
}

/// UPX writes its mark behind the program headers, and leaves no section headers.
fn is_packed(facts: &Facts<'_>) -> bool {
    let head = facts.image.up_to(0, 1024).unwrap_or_default();
    facts.sections.list.is_empty() && memchr::memmem::find(head, b"UPX!").is_some()
}

/// Headers of which the kernel and the loader take the first or the last, and tools whichever they like.
fn doubles(facts: &Facts<'_>, faults: &mut Vec<String>) {
    for (kind, name) in [
        (SegmentKind::Dynamic, "PT_DYNAMIC"),
        (SegmentKind::Interpreter, "PT_INTERP"),
        (SegmentKind::GnuRelro, "PT_GNU_RELRO"),
        (SegmentKind::GnuStack, "PT_GNU_STACK"),
    ] {
        let count = facts.segments.iter().filter(|segment| segment.kind == kind).count();
        if count > 1 {
            faults.push(format!("{count} {name}"));
        }
    }
}

fn segments(facts: &Facts<'_>, length: u64, faults: &mut Vec<String>) {
    if let Some((one, other)) = shared_page(&facts.segments) {
        faults.push(format!(
            "PT_LOAD at {one:#x} and PT_LOAD at {other:#x} share a page: the later header's is there"
        ));
    }
    let mut last = 0;
    for segment in facts.segments.iter().filter(|segment| segment.kind == SegmentKind::Load) {
        if segment.offset.checked_add(segment.file_size).is_none_or(|end| end > length) {
            faults
                .push(format!("PT_LOAD at {:#x} ends behind the end of the file", segment.address));
        }
        if segment.memory_size < segment.file_size {
            faults.push(format!(
                "PT_LOAD at {:#x} is smaller in memory than in the file",
                segment.address
            ));
        }
        if segment.address < last {
            faults.push(format!("PT_LOAD at {:#x} is below the one before it", segment.address));
        }
        last = segment.address;
    }
    let program = !matches!(facts.kind, Kind::SharedLibrary);
    if program && !entry_runs(facts) {
        faults.push(format!("the entry point {:#x} is not in executable memory", facts.entry));
    }
    // Tools read at the offset, and so does the kernel; the loader reads at the address.
    for (kind, name) in [
        (SegmentKind::Dynamic, "PT_DYNAMIC"),
        (SegmentKind::Interpreter, "PT_INTERP"),
        (SegmentKind::GnuProperty, "PT_GNU_PROPERTY"),
        (SegmentKind::Note, "PT_NOTE"),
    ] {
        for segment in facts.segments.iter().filter(|segment| segment.kind == kind) {
            if offset_of(&facts.segments, segment.address) != Some(segment.offset) {
                faults.push(format!("{name} has another offset than its address is mapped from"));
            }
        }
    }
}

/// The entry point leads to code.
fn entry_runs(facts: &Facts<'_>) -> bool {
    let inside = |address: u64, executable: bool| {
        facts.segments.iter().any(|segment| {
            segment.kind == SegmentKind::Load
                && (segment.execute || !executable)
                && address >= segment.address
                && address - segment.address < segment.memory_size
        })
    };
    if !facts.descriptors {
        return inside(facts.entry, true);
    }
    // A function descriptor begins with the address of the code; a relocation may fill it in.
    let word = offset_of(&facts.segments, facts.entry).and_then(|at| facts.image.slice(at, 8));
    let word: Option<[u8; 8]> = word.and_then(|bytes| bytes.try_into().ok());
    let number = if facts.little_endian { u64::from_le_bytes } else { u64::from_be_bytes };
    match word.map(number) {
        Some(0) => inside(facts.entry, false),
        Some(code) => inside(code, true),
        None => false,
    }
}

fn sections(facts: &Facts<'_>, faults: &mut Vec<String>) {
    for (name, kind, header) in [
        (".dynamic", SegmentKind::Dynamic, "PT_DYNAMIC"),
        (".interp", SegmentKind::Interpreter, "PT_INTERP"),
    ] {
        let section = facts.sections.named(name).filter(|section| section.allocated());
        let segment = facts.segments.iter().find(|segment| segment.kind == kind);
        if let (Some(section), Some(segment)) = (section, segment)
            && section.address != segment.address
        {
            faults.push(format!("section {name} is not where {header} is"));
        }
    }
    for section in &facts.sections.list {
        if !section.allocated() || section.size == 0 || section.flags & SHF_TLS != 0 {
            continue;
        }
        let segment = facts.segments.iter().find(|segment| {
            segment.kind == SegmentKind::Load
                && section.address >= segment.address
                && section.address.saturating_add(section.size)
                    <= segment.address.saturating_add(segment.memory_size)
        });
        match segment {
            None => faults.push(format!("section {} is in no PT_LOAD", section.name)),
            Some(segment) if section.executable() && !segment.execute => {
                faults.push(format!(
                    "section {} has code, its segment is not executable",
                    section.name
                ));
            }
            Some(segment) if section.writable() && !segment.write => {
                faults.push(format!("section {} is writable, its segment is not", section.name));
            }
            Some(_) => {}
        }
    }
}
