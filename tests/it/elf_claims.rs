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
    let go = fixture("go_hello");
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

    let c = fixture("static_nossp");
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

/// Since Go 1.24 the table names two marks of nothing but padding beside C's functions, which have no stack map either.
#[test]
fn padding_with_a_name_is_no_function_of_c() {
    let go = fixture("go_hello");
    let facts = quench::elf::facts(&go).unwrap();
    let section = |name: &str| facts.sections.named(name).unwrap();
    let number = |at: usize| u32::from_le_bytes(go[at..at + 4].try_into().unwrap()) as usize;
    let table = usize::try_from(section(".gopclntab").offset).unwrap();
    let list = table + usize::try_from(u64_at(&go, table + 64)).unwrap();
    let entry = list + 100 * 8;
    let (start, described, end) = (number(entry), number(entry + 4), number(entry + 8));
    let code = usize::try_from(section(".text").offset).unwrap();
    assert_eq!(u64_at(&go, table + 24), section(".text").address, "entries count from .text");

    let mut other = go.clone();
    other[list + described + 16..list + described + 20].fill(0);
    let (_, said) = of("stack-protector", &other);
    assert!(!said.contains("begin with a check"), "a function of C: {said}");
    other[code + start..code + end].fill(0xcc);
    let (verdict, said) = of("stack-protector", &other);
    assert!(verdict == "not-applicable" && said.contains("begin with a check"), "{said}");
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
    assert_eq!(of("relro", &fixture("static_ssp")).0, "holds");
}

/// Code that no table of functions tells of is not looked at: what holds elsewhere does not hold there.
#[test]
fn code_in_no_known_function_is_not_vouched_for() {
    let mut file = fixture("static_ssp_stripped");
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
    assert!(verdict == "partial" && detail.contains("places elsewhere may"), "{verdict}: {detail}");
}

/// Offsets of the program headers.
fn headers(bytes: &[u8]) -> Vec<usize> {
    let start = usize::try_from(u64_at(bytes, 32)).unwrap();
    (0..usize::from(bytes[56])).map(|index| start + index * 56).collect()
}

fn kind_at(bytes: &[u8], header: usize) -> u32 {
    u32::from_le_bytes(bytes[header..header + 4].try_into().unwrap())
}

const PT_DYNAMIC: u32 = 2;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PT_GNU_RELRO: u32 = 0x6474_e552;

/// The last header of a kind, and the dynamic table's place.
fn header(bytes: &[u8], kind: u32) -> usize {
    headers(bytes).into_iter().rfind(|at| kind_at(bytes, *at) == kind).unwrap()
}

/// Offsets of the entries of the dynamic table, those behind its end included.
fn entries(bytes: &[u8]) -> Vec<usize> {
    let at = header(bytes, PT_DYNAMIC);
    let start = usize::try_from(u64_at(bytes, at + 8)).unwrap();
    let size = usize::try_from(u64_at(bytes, at + 32)).unwrap();
    (start..start + size).step_by(16).collect()
}

fn put(bytes: &mut [u8], at: usize, values: &[u64]) {
    for (index, value) in values.iter().enumerate() {
        bytes[at + index * 8..at + index * 8 + 8].copy_from_slice(&value.to_le_bytes());
    }
}

/// Of two headers of a kind, and of two entries with a tag, the loaders keep the last.
#[test]
fn the_last_header_and_the_last_entry_count() {
    let hardened = fixture("hardened");
    assert_eq!((of("relro", &hardened).0, of("bind-now", &hardened).0), ("holds", "holds"));

    let mut relro = hardened.clone();
    let (stack, last) = (header(&relro, PT_GNU_STACK), header(&relro, PT_GNU_RELRO));
    assert!(stack < last);
    relro.copy_within(last..last + 56, stack);
    put(&mut relro, last + 32, &[16, 16]);
    assert_eq!(of("relro", &relro).0, "fails");

    let mut flags = hardened.clone();
    let free: Vec<usize> =
        entries(&flags).into_iter().filter(|at| u64_at(&hardened, *at) == 0).collect();
    // DT_FLAGS without DF_BIND_NOW, DT_FLAGS_1 with DF_1_PIE alone; one DT_NULL is left.
    put(&mut flags, free[0], &[30, 0, 0x6fff_fffb, 0x0800_0000]);
    assert!(free.len() > 2);
    assert_eq!(of("bind-now", &flags).0, "fails");
}

/// The loader reads the dynamic table at its address; what stands at the offset is for tools only.
#[test]
fn the_dynamic_table_is_the_one_at_the_address() {
    let mut lazy = fixture("spoof_runpath");
    let place = entries(&lazy);
    let mut fake: Vec<u8> = lazy[place[0]..place[place.len() - 1] + 16].to_vec();
    let debug = fake.chunks(16).position(|entry| u64_at(entry, 0) == 21).unwrap();
    put(&mut fake, debug * 16, &[24, 0]);
    let (at, end) = (header(&lazy, PT_DYNAMIC), lazy.len() as u64);
    lazy.extend_from_slice(&fake);
    put(&mut lazy, at + 8, &[end]);
    assert_eq!(of("bind-now", &lazy).0, "fails");
    assert_eq!(of("headers", &lazy).0, "fails");
}

/// A count of relocations that bind nothing hides none that do.
#[test]
fn no_count_hides_a_slot() {
    let hardened = fixture("hardened");
    let mut hidden = hardened.clone();
    let count = entries(&hidden).into_iter().find(|at| u64_at(&hidden, *at) == 0x6fff_fff9);
    put(&mut hidden, count.unwrap() + 8, &[1000]);
    let slots = |bytes: &[u8]| {
        let facts = quench::elf::facts(bytes).unwrap();
        facts.dynamic.unwrap().slots.len()
    };
    assert!(slots(&hardened) > 0);
    assert_eq!(slots(&hidden), slots(&hardened));
    let all = entries(&hardened)
        .into_iter()
        .find(|at| u64_at(&hardened, *at) == 8)
        .map(|at| u64_at(&hardened, at + 8) / 24);
    put(&mut hidden, count.unwrap() + 8, &[all.unwrap()]);
    assert_eq!(slots(&hidden), slots(&hardened));
}

/// Notes that the kernel reads at an offset, and the loader at an address, must be the same ones.
#[test]
fn notes_are_where_their_addresses_are() {
    let cet = fixture("libcet.so");
    assert_eq!(of("headers", &cet).0, "holds");
    for kind in [4, 0x6474_e553] {
        let mut moved = cet.clone();
        let at = header(&moved, kind);
        let address = u64_at(&moved, at + 16) + 16;
        put(&mut moved, at + 16, &[address]);
        let (verdict, said) = of("headers", &moved);
        assert!(verdict == "fails" && said.contains("another offset"), "{kind:#x}: {said}");
    }
}

/// Of segments that share a page the last one's is there, though it asks for a few bytes of it only: as the kernel maps it.
#[test]
fn the_last_segment_of_a_page_counts() {
    let hardened = fixture("hardened");
    let loads: Vec<usize> =
        headers(&hardened).into_iter().filter(|at| kind_at(&hardened, *at) == 1).collect();
    let code = loads.iter().copied().find(|at| hardened[at + 4] & 1 == 1).unwrap();
    let start = usize::try_from(u64_at(&hardened, code + 8)).unwrap();
    let size = usize::try_from(u64_at(&hardened, code + 32)).unwrap();
    // The same code without canaries: those that are loaded and those that are compared are zero.
    let mut bare = hardened[start..start + size].to_vec();
    for at in 0..bare.len() - 9 {
        match bare[at..at + 9] {
            [0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0] => {
                bare[at..at + 9].copy_from_slice(b"\x48\x31\xc0\x0f\x1f\x44\0\0\x90");
            }
            [0x64, 0x48, 0x2b, _, 0x25, 0x28, 0, 0, 0] => {
                bare[at..at + 9].copy_from_slice(b"\x48\x31\xd2\x0f\x1f\x44\0\0\x90");
            }
            _ => {}
        }
    }
    let mut base = hardened.clone();
    base.resize(base.len().next_multiple_of(4096), 0);
    let other = base.len() as u64;
    base.extend(bare);
    base.resize(base.len().next_multiple_of(4096), 0);
    let address = u64_at(&hardened, code + 16);
    let note = headers(&base).into_iter().rfind(|at| kind_at(&base, *at) == 4).unwrap();
    assert!(note > code);
    let overlaid = |place: usize, inset: u64, size: u64| {
        let mut file = base.clone();
        file[place..place + 8].copy_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
        let address = address + inset;
        put(&mut file, place + 8, &[other + inset, address, address, size, size, 4096]);
        file
    };
    let (all, some) = (overlaid(note, 0, size as u64), overlaid(note, 0x200, 16));
    // The order of the headers decides: what comes first is covered.
    let mut covered = overlaid(note, 0, size as u64);
    let (own, whole) = (base[code..code + 56].to_vec(), covered[note..note + 56].to_vec());
    covered[code..code + 56].copy_from_slice(&whole);
    covered[note..note + 56].copy_from_slice(&own);
    assert_eq!(of("stack-protector", &hardened).0, "holds");
    for (name, file, protected) in
        [("all", all, false), ("some", some, false), ("covered", covered, true)]
    {
        let (verdict, said) = of("stack-protector", &file);
        assert_eq!(verdict, if protected { "holds" } else { "fails" }, "{name}: {said}");
        let (verdict, said) = of("headers", &file);
        assert!(verdict == "fails" && said.contains("share a page"), "{name}: {said}");
        // Which page of the file is really there.
        let path = std::env::temp_dir().join(format!("overlaid-{}-{name}", std::process::id()));
        std::fs::write(&path, &file).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let output = std::process::Command::new(&path).arg("maps").output().unwrap();
        std::fs::remove_file(&path).unwrap();
        let maps = String::from_utf8_lossy(&output.stdout).into_owned();
        if !maps.contains("[stack]") {
            println!("skipped: {name} does not run here: {}", output.status);
            continue;
        }
        let executable = maps.lines().find(|line| line.contains("r-xp") && line.contains(name));
        let offset = executable.unwrap().split(' ').nth(2).unwrap();
        let offset = u64::from_str_radix(offset, 16).unwrap();
        assert_eq!(offset, if protected { start as u64 } else { other }, "{name}\n{maps}");
    }
}

/// Slots that resolvers fill in a static program are found with and without section headers.
#[test]
fn the_slots_of_a_static_program_need_no_sections() {
    for (name, verdict, count) in [("static_nossp", "fails", "slots"), ("static_ssp", "holds", "")]
    {
        let mut bytes = fixture(name);
        let whole = of("relro", &bytes);
        bytes[40..48].fill(0);
        bytes[58..64].fill(0);
        assert_eq!(of("relro", &bytes), whole, "{name}");
        assert_eq!(whole.0, verdict, "{name}: {}", whole.1);
        assert!(whole.1.contains(count), "{name}: {}", whole.1);
        let facts = quench::elf::facts(&bytes).unwrap();
        assert!(quench::elf::irelative_slots(&facts).len() > 10, "{name}");
    }
}

/// A library that is needed by a path is opened there, and `$ORIGIN` is known in a package.
#[test]
fn libraries_are_opened_where_the_file_says() {
    let hardened = fixture("hardened");
    let needed = renamed(&hardened, "libc.so.6\0", "./libc.so");
    assert_eq!(of("rpath", &needed).1, "DT_NEEDED `./libc.so`: relative: the current directory");
    let tokens = fixture("rpath_braces");
    let climbs =
        renamed(&tokens, "${ORIGIN}/../lib:/usr/lib/gcc-15..16/lib", "$ORIGIN/../../tmp/x");
    let at = |path: &str| {
        let found = verdicts(path, &climbs).into_iter().find(|rule| rule.rule == "rpath").unwrap();
        (found.verdict.name(), found.verdict.detail())
    };
    assert_eq!(at("climb").0, "holds");
    let (verdict, why) = at("/usr/bin/climb");
    assert_eq!(verdict, "fails");
    assert!(why.contains("/tmp/x is where anybody may place a file"), "{why}");
}

/// A program that the kernel can start is no debug file, whatever its code segment looks like.
#[test]
fn what_can_be_started_is_no_debug_file() {
    let kind = |bytes: &[u8]| quench::elf::facts(bytes).unwrap().kind;
    let mut bytes = fixture("zeros_that_run");
    assert_eq!(kind(&bytes), quench::elf::Kind::Pie);
    // The interpreter alone, then the dynamic table alone.
    for header_kind in [2, 3] {
        let at = header(&bytes, header_kind);
        let kept = bytes[at..at + 4].to_vec();
        let without = u64_at(&bytes, at) & !0xffff_ffff;
        put(&mut bytes, at, &[without]);
        assert_ne!(kind(&bytes), quench::elf::Kind::DebugFile, "without {header_kind}");
        bytes[at..at + 4].copy_from_slice(&kept);
    }
    assert_eq!(kind(&fixture("debug_file")), quench::elf::Kind::DebugFile);
}

/// The kernel takes no more than 64 KiB of program headers; dlopen does, and obeys the last.
#[test]
fn the_last_of_many_headers_counts() {
    let hardened = fixture("hardened");
    for (kind, rule, verdict) in
        [(0x6474_e551_u32, "stack", "fails"), (1, "wx", "fails"), (0, "stack", "holds")]
    {
        let mut bytes = hardened.clone();
        let mut table = headers(&hardened)
            .into_iter()
            .flat_map(|at| hardened[at..at + 56].to_vec())
            .collect::<Vec<u8>>();
        table.resize(3000 * 56, 0);
        // Rights: all; far from all others.
        let words = [0_u64, 0x7000_0000, 0x7000_0000, 0, 4096, 4096];
        table.extend([kind, 7].iter().flat_map(|half| half.to_le_bytes()));
        table.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        let end = bytes.len() as u64;
        bytes.extend(table);
        put(&mut bytes, 32, &[end]);
        bytes[56..58].copy_from_slice(&3001_u16.to_le_bytes());
        assert_eq!(of(rule, &bytes).0, verdict, "{kind:#x}");
        assert!(of("headers", &bytes).1.contains("3001 program headers"));
    }
}
