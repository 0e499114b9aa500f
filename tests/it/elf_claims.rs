//! What a file says of itself by names and texts excuses nothing: what the code does and the loader reads decides.

use crate::elf_cases::{fixture, verdicts};

fn of(rule: &str, bytes: &[u8]) -> (&'static str, String) {
    let found = verdicts(rule, bytes).into_iter().find(|found| found.rule == rule).unwrap();
    (found.verdict.name(), found.verdict.detail())
}

/// Puts a text in place of another one that is not shorter.
fn renamed(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut text = new.as_bytes().to_vec();
    text.resize(old.len(), 0);
    let at = out.windows(old.len()).position(|window| window == old.as_bytes()).unwrap();
    out[at..at + old.len()].copy_from_slice(&text);
    out
}

/// Go's program is believed without section headers, and when its table does not say where the code begins; it is not
/// with another's code in place of its own.
#[test]
fn go_is_told_by_its_code_and_not_by_its_names() {
    let go = fixture("go_hello.xz");
    let of = |bytes: &[u8]| of("stack-protector", bytes);
    let mut sectionless = go.clone();
    sectionless[40..48].fill(0);
    sectionless[58..64].fill(0);
    assert_eq!(of(&sectionless).0, "not-applicable", "{:?}", of(&sectionless));

    let facts = quench::elf::facts(&go).unwrap();
    let place = |name: &str| {
        let section = facts.sections.named(name).unwrap();
        let start = usize::try_from(section.offset).unwrap();
        start..start + usize::try_from(section.size).unwrap()
    };
    let table = place(".gopclntab").start;
    let mut unsaid = go.clone();
    unsaid[table + 24..table + 32].fill(0);
    assert_eq!(of(&unsaid).0, "not-applicable", "{:?}", of(&unsaid));

    let c = fixture("static_nossp.xz");
    let other = quench::elf::facts(&c).unwrap();
    let text = other.sections.raw(".text").unwrap();
    let mut replaced = go.clone();
    for (byte, other) in replaced[place(".text")].iter_mut().zip(text.iter().cycle()) {
        *byte = *other;
    }
    assert_eq!(of(&replaced).0, "cannot-tell", "{:?}", of(&replaced));
    // An entry that describes another function.
    let mut confused = go.clone();
    let list = table + usize::try_from(u64_at(&go, table + 64)).unwrap();
    confused[list + 4..list + 8].copy_from_slice(&8_u32.to_le_bytes());
    assert_eq!(of(&confused).0, "cannot-tell", "{:?}", of(&confused));
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// glibc's program under musl's names: its lazy binding is judged, and its calls are.
#[test]
fn glibc_s_program_is_not_musl_s() {
    let lazy = fixture("spoof_runpath");
    let needs = renamed(&lazy, "libc.so.6", "libc.so");
    let loader = renamed(&needs, "/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1");
    for file in [&lazy, &needs, &loader] {
        assert_eq!(of("bind-now", file).0, "fails");
        assert_ne!(of("fortify", file).0, "not-applicable");
    }
    let library = renamed(&fixture("libspoof.so"), "libc.so.6", "libc.so");
    assert_eq!(of("bind-now", &library).0, "fails");
    assert_eq!(of("bind-now", &fixture("musl_lazy")).0, "holds");
}

/// glibc's texts in a program without its start code.
#[test]
fn a_text_protects_no_static_program() {
    let mut musl = fixture("musl_static");
    assert_eq!(of("relro", &musl).0, "cannot-tell");
    musl.extend_from_slice(b"\0glibc.malloc.check\0");
    musl.extend_from_slice(b"\0cannot apply additional memory protection after relocation\0");
    assert_eq!(of("relro", &musl).0, "cannot-tell");
    assert_eq!(of("relro", &fixture("static_ssp.xz")).0, "holds");
}

/// Code that no table of functions tells of is not looked at: what holds elsewhere does not hold there.
#[test]
fn code_in_no_known_function_is_not_vouched_for() {
    let mut file = fixture("static_ssp_stripped.xz");
    assert_eq!(of("stack-protector", &file).0, "holds");
    let facts = quench::elf::facts(&file).unwrap();
    let frames = *facts.sections.named(".eh_frame").unwrap();
    let start = usize::try_from(frames.offset).unwrap();
    let end = start + usize::try_from(frames.size).unwrap();
    // A terminator after two thirds of the entries.
    let mut at = start;
    while at < start + (end - start) * 2 / 3 {
        at += 4 + u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    }
    file[at..at + 4].fill(0);
    let (verdict, detail) = of("stack-protector", &file);
    assert!(verdict == "partial" && detail.contains("bytes of code"), "{verdict}: {detail}");
}
