//! What is fuzzed: each target takes any bytes and must not panic, hang or break what it asserts.
//!
//! Two programs call these same functions: libFuzzer's (`fuzz_targets/`, `cargo xtask fuzz`) and the tests' own bounded run
//! (`tests/it/fuzz.rs`), which needs no nightly compiler and is part of `cargo test`. What one finds, the other repeats:
//! the tests read `fuzz/artifacts` and `fuzz/seeds`, too.
#![allow(unreachable_pub, reason = "a module of the tests, a library of its own for libFuzzer")]

#[path = "debug_sections.rs"]
mod debug_sections;

use self::debug_sections::DEBUG_SECTIONS;
use quench::archive::{self, Allowance, Limits};
use quench::elf::{self, Depth, Image, Parts};
use quench::kconfig::{Assignment, Mode, Request, parse, resolve};
use quench::tree::Tree;
use quench::verify::{Examination, Policy, judge, payload};

/// A target, its name, and the longest input it is given.
pub type Target = (&'static str, fn(&[u8]), usize);

pub const TARGETS: &[Target] = &[
    ("elf", elf, 65536),
    ("dwarf", dwarf, 16384),
    ("notes", notes, 16384),
    ("verify", verify, 65536),
    ("packages", packages, 65536),
    ("profile", profile, 16384),
    ("kconfig", kconfig, 16384),
    ("meson", meson, 16384),
    ("sources", sources, 16384),
];

/// Facts, code, notes and debug information of an ELF file, read whole and in ranges: the same facts both ways.
pub fn elf(bytes: &[u8]) {
    let whole = elf::facts(bytes);
    let read_at = |offset: u64, buffer: &mut [u8]| {
        let from = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let length = from.len().min(buffer.len());
        buffer[..length].copy_from_slice(&from[..length]);
        length
    };
    let parts = Parts::new(bytes.len() as u64, Vec::new(), &read_at);
    let ranges = elf::facts_of(Image::Parts(&parts), Depth::Symbols);
    assert_eq!(whole.is_ok(), ranges.is_ok());
    let (Ok(whole), Ok(ranges)) = (whole, ranges) else { return };
    assert_eq!(
        (whole.kind, &whole.segments, &whole.dynamic, &whole.symbols, &whole.unreadable),
        (ranges.kind, &ranges.segments, &ranges.dynamic, &ranges.symbols, &ranges.unreadable)
    );
    assert_eq!(elf::code(&whole, None), elf::code(&ranges, None));
    let _ = elf::units(&whole, Some(&ranges.sections), Some(&ranges.sections));
    let _ = elf::origins(bytes);
    let _ = elf::layout::layout(bytes);
    let _ = elf::layout::package_note(bytes);
}

/// Debug information that is whole but for what the input puts into it: pieces of a byte for the section, two for the
/// length, and the content.
pub fn dwarf(bytes: &[u8]) {
    let file = debug_file(bytes);
    if let Ok(facts) = elf::facts(&file) {
        let _ = elf::units(&facts, None, None);
    }
    let _ = elf::origins(&file);
}

/// The file `dwarf` reads.
pub fn debug_file(bytes: &[u8]) -> Vec<u8> {
    let mut sections: Vec<(&str, Vec<u8>)> =
        DEBUG_SECTIONS.iter().map(|name| (*name, Vec::new())).collect();
    let mut rest = bytes;
    while let [which, low, high, content @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(content.len());
        let (piece, after) = content.split_at(length);
        sections[usize::from(*which) % DEBUG_SECTIONS.len()].1.extend_from_slice(piece);
        rest = after;
    }
    with_sections(&sections)
}

/// Notes: the input stands in every section and segment notes are read from.
pub fn notes(bytes: &[u8]) {
    let names = [
        ".note.gnu.property",
        ".note.gnu.build-id",
        ".note.package",
        ".gnu.build.attributes",
        ".annobin.notes",
        ".note.GNU-stack",
    ];
    let sections: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (*name, bytes.to_vec())).collect();
    let file = with_sections(&sections);
    if let Ok(facts) = elf::facts(&file) {
        let _ = elf::units(&facts, None, None);
    }
    let _ = elf::layout::package_note(&file);
    let _ = judge("fuzz", &file, &Policy::default());
}

/// A 64-bit shared library of x86-64 with those sections, each mapped by a `PT_NOTE`, too.
fn with_sections(sections: &[(&str, Vec<u8>)]) -> Vec<u8> {
    const HEADER: usize = 64;
    const SEGMENT: usize = 56;
    let start = HEADER + SEGMENT * sections.len();
    let mut content = Vec::new();
    let mut names = vec![0];
    let mut places = Vec::new();
    for (name, bytes) in sections {
        content.resize(content.len().next_multiple_of(8), 0);
        places.push((names.len(), start + content.len(), bytes.len()));
        content.extend_from_slice(bytes);
        names.extend_from_slice(name.as_bytes());
        names.push(0);
    }
    places.push((0, start + content.len(), names.len()));
    content.extend_from_slice(&names);
    let word = |value: usize| (value as u64).to_le_bytes();
    let half = |value: u32| value.to_le_bytes();
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
    out.extend_from_slice(&[word(0), word(HEADER), word(start + content.len())].concat());
    let count = |value: usize| u16::try_from(value).unwrap_or(0).to_le_bytes();
    out.extend_from_slice(&half(0));
    out.extend_from_slice(
        &[
            count(HEADER),
            count(SEGMENT),
            count(sections.len()),
            count(64),
            count(sections.len() + 2),
            count(sections.len() + 1),
        ]
        .concat(),
    );
    for (_, at, size) in places.iter().take(sections.len()) {
        out.extend_from_slice(&[half(4), half(4)].concat());
        out.extend_from_slice(
            &[word(*at), word(*at), word(*at), word(*size), word(*size), word(8)].concat(),
        );
    }
    out.extend_from_slice(&content);
    out.extend_from_slice(&[0; 64]);
    for (index, (name, at, size)) in places.iter().enumerate() {
        // SHT_PROGBITS, SHT_NOTE or, of the names, SHT_STRTAB.
        let kind = match sections.get(index) {
            None => 3,
            Some((name, _)) => 1 + 6 * u32::from(name.starts_with(".note")),
        };
        out.extend_from_slice(&[half(u32::try_from(*name).unwrap_or(0)), half(kind)].concat());
        let words = [0, 0, *at, *size, 0, 1, 0];
        out.extend(words.iter().flat_map(|value| word(*value)));
    }
    out
}

/// Any bytes as a file to judge: every rule has an answer, in bounded time.
pub fn verify(bytes: &[u8]) {
    if elf::is_elf(bytes) {
        let _ = judge("fuzz", bytes, &Policy::default());
    } else {
        // The same file as program and as debug file.
        let _ = Examination::of("fuzz", bytes, &|_| Some(bytes.to_vec().into()));
    }
}

/// Packages and archives: opened within limits, or named.
pub fn packages(bytes: &[u8]) {
    let limits = Limits { bytes: 16 << 20, file: 4 << 20, held: 4 << 20, members: 1000, depth: 4 };
    let mut held = 0_u64;
    let mut count = |member: archive::Member| held += member.bytes.len() as u64;
    let _ = archive::open("fuzz", &mut &bytes[..], limits, true, &mut count);
    assert!(held <= limits.bytes, "{held}");
    let _ = payload::of(&mut &bytes[..]);
    keep_all(bytes, &mut Allowance::new(limits), limits.depth);
}

/// Every level as the comparison opens it.
fn keep_all(bytes: &[u8], allowance: &mut Allowance, depth: usize) {
    let Some(contents) = archive::contents(bytes, allowance).filter(|_| depth > 0) else { return };
    for part in contents.parts {
        assert!(part.bytes.len() <= 16 << 20, "{}", part.name);
        keep_all(&part.bytes, allowance, depth - 1);
    }
}

/// Profiles: any text gives a profile or findings.
pub fn profile(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // A profile that extends itself is among the inputs.
    let (_, _) = quench::profile::load("fuzz.toml", &text, &|name| {
        Some((format!("{name}.toml"), text.clone().into_owned())).into()
    });
}

/// Kconfig: any text parses or gives findings, and what parses resolves or contradicts.
pub fn kconfig(bytes: &[u8]) {
    let tree: Tree = [("Kconfig", bytes.to_vec())].into_iter().collect();
    let (kconfig, _) = parse(&tree, "Kconfig");
    let devices = kconfig
        .symbols()
        .take(3)
        .map(|symbol| Assignment { symbol: symbol.to_owned(), value: true, origin: None })
        .collect();
    let _ = resolve(&kconfig, &Request { mode: Mode::AllNo, devices, host: Vec::new() });
}

/// meson.build: any text gives conditions.
pub fn meson(bytes: &[u8]) {
    let source = "static const TypeInfo a = { .name = \"a\", .parent = \"device\" };\n";
    let tree: Tree = [
        ("meson.build", bytes.to_vec()),
        ("hw/x/meson.build", bytes.to_vec()),
        ("hw/x/a.c", source.as_bytes().to_vec()),
    ]
    .into_iter()
    .collect();
    let _ = quench::catalog::scan(&tree);
}

/// C, header and Rust files: any bytes give a catalog.
pub fn sources(bytes: &[u8]) {
    let build = "system_ss.add(files('a.c'))\n";
    let tree: Tree = [
        ("hw/x/meson.build", build.as_bytes().to_vec()),
        ("hw/x/a.c", bytes.to_vec()),
        ("include/hw/a.h", bytes.to_vec()),
        ("include/qemu/osdep.h", bytes.to_vec()),
        ("include/hw/boards.h", bytes.to_vec()),
        ("system/qdev-monitor.c", bytes.to_vec()),
        ("rust/hw/x/src/lib.rs", bytes.to_vec()),
    ]
    .into_iter()
    .collect();
    let _ = quench::catalog::scan(&tree);
}
