//! Hostile and ordinary archives, built in memory.

use std::io::{Read, Write};

use super::*;

mod kinds;

/// The smallest thing that begins like an ELF file.
const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0not really";

fn tar(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (path, bytes, mode) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_size(bytes.len() as u64);
        // Written by hand: the crate refuses the paths an attacker would use.
        let name = path.as_bytes();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn special(kind: ::tar::EntryType, path: &str, target: &str) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o777);
    header.set_size(0);
    header.set_path(path).unwrap();
    let bytes = header.as_mut_bytes();
    bytes[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    builder.append(&header, std::io::empty()).unwrap();
    builder.into_inner().unwrap()
}

/// Members of several tars, one after the other, as one tar.
fn joined(tars: &[Vec<u8>]) -> Vec<u8> {
    let mut out: Vec<u8> = tars.iter().flat_map(|tar| tar[..tar.len() - 1024].to_vec()).collect();
    out.extend([0; 1024]);
    out
}

fn ar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in files {
        writeln!(out, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, 100_644, bytes.len())
            .unwrap();
        out.extend_from_slice(bytes);
        if bytes.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deb(data: &[u8], name: &str) -> Vec<u8> {
    ar(&[("debian-binary", b"2.0\n"), (name, data)])
}

/// Paths of ELF members, other paths, and codes.
fn opened(mut bytes: &[u8], limits: Limits) -> (Vec<String>, Vec<String>, Vec<&'static str>) {
    let (mut elves, mut others) = (Vec::new(), Vec::new());
    let opened = open("input", &mut bytes, limits, true, &mut |member: Member| {
        if member.bytes.starts_with(b"\x7fELF") {
            elves.push(member.path);
        } else {
            others.push(member.path);
        }
    });
    (elves, others, opened.findings.iter().map(|finding| finding.code.name).collect())
}

#[test]
fn every_compression_and_nesting_leads_to_the_elf_files_within() {
    let inner = tar(&[("./usr/bin/x", ELF, 0o755), ("./usr/share/doc", b"text", 0o644)]);
    let zstd = zstd::encode_all(&inner[..], 1).unwrap();
    for packed in [inner.clone(), gzip(&inner), xz(&inner), bzip2(&inner), zstd] {
        let (elves, others, codes) = opened(&packed, Limits::default());
        assert_eq!(elves, ["/usr/bin/x"]);
        assert_eq!(others, ["/usr/share/doc"]);
        assert!(codes.is_empty(), "{codes:?}");
        let name = if packed == inner { "data.tar" } else { "data.tar.any" };
        let (elves, _, codes) = opened(&deb(&packed, name), Limits::default());
        assert_eq!((elves, codes), (vec!["/usr/bin/x".to_owned()], vec![]));
    }
    let library = ar(&[("first.o/", ELF), ("/", b"index"), ("second.o/", ELF)]);
    let outer = tar(&[
        ("usr/lib/libx.a", &library, 0o644),
        ("usr/src/y.tar.gz", &gzip(&inner), 0o644),
        ("lib/modules/m.ko.xz", &xz(ELF), 0o644),
        ("usr/share/man/man1/x.1.gz", &gzip(b".TH x 1"), 0o644),
    ]);
    let (elves, others, codes) = opened(&xz(&outer), Limits::default());
    assert_eq!(
        elves,
        [
            "/usr/lib/libx.a!first.o",
            "/usr/lib/libx.a!second.o",
            "/usr/src/y.tar.gz!/usr/bin/x",
            "/lib/modules/m.ko.xz!m.ko",
        ]
    );
    assert!(others.contains(&"/usr/share/man/man1/x.1.gz".to_owned()));
    assert!(codes.is_empty(), "{codes:?}");
}

#[test]
fn long_names_of_both_kinds_are_read() {
    let gnu =
        ar(&[("//", b"a_name_longer_than_sixteen.o/\nsecond_long_name_of_all.o/\n"), ("/30", ELF)]);
    assert_eq!(opened(&gnu, Limits::default()).0, ["input!second_long_name_of_all.o"]);
    let mut content = b"a_name_longer_than_sixteen.o".to_vec();
    content.extend_from_slice(ELF);
    let bsd = ar(&[("#1/28", &content)]);
    assert_eq!(opened(&bsd, Limits::default()).0, ["input!a_name_longer_than_sixteen.o"]);
    let path = format!("usr/{}/x", "d".repeat(200));
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(ELF.len() as u64);
    header.set_mode(0o755);
    header.set_cksum();
    builder.append_data(&mut header, &path, ELF).unwrap();
    assert_eq!(opened(&builder.into_inner().unwrap(), Limits::default()).0, [format!("/{path}")]);
}

#[test]
fn what_leads_out_of_the_package_is_said() {
    let codes = |bytes: Vec<u8>| opened(&bytes, Limits::default()).2;
    assert_eq!(codes(tar(&[("../../etc/cron.d/x", ELF, 0o644)])), ["verify::unsafe-path"]);
    assert_eq!(codes(tar(&[("usr/../../x", ELF, 0o644)])), ["verify::unsafe-path"]);
    let through = joined(&[
        special(::tar::EntryType::Symlink, "usr/lib", "/etc"),
        tar(&[("usr/lib/passwd", ELF, 0o644)]),
    ]);
    assert_eq!(codes(through), ["verify::unsafe-path"]);
    assert_eq!(
        codes(special(::tar::EntryType::Link, "usr/bin/x", "/etc/shadow")),
        ["verify::unsafe-path"]
    );
    let twice = tar(&[("usr/x", ELF, 0o755), ("./usr/x", b"other", 0o755)]);
    assert_eq!(codes(twice), ["verify::path-twice"]);
}

#[test]
fn links_and_devices_reach_the_rules() {
    let mut seen = Vec::new();
    let bytes = joined(&[
        special(::tar::EntryType::Symlink, "usr/bin/l", "../../../etc/passwd"),
        special(::tar::EntryType::Char, "dev/kmem", ""),
        special(::tar::EntryType::Fifo, "run/f", ""),
    ]);
    let mut see = |member: Member| seen.push(member.kind);
    open("input", &mut bytes.as_slice(), Limits::default(), false, &mut see);
    let link = Kind::Link("../../../etc/passwd".to_owned());
    assert_eq!(seen, [link, Kind::Device("character device"), Kind::Device("fifo")]);
}

#[test]
fn bombs_stop_at_the_limits_and_are_named() {
    let limits = Limits { bytes: 1 << 20, file: 1 << 20, held: 1 << 20, members: 100, depth: 3 };
    let zeros = tar(&[("zeros", &vec![0; 4 << 20], 0o644)]);
    for packed in
        [gzip(&zeros), xz(&zeros), bzip2(&zeros), zstd::encode_all(&zeros[..], 1).unwrap()]
    {
        let (_, _, codes) = opened(&packed, limits);
        assert!(codes.contains(&"verify::limit"), "{codes:?}");
    }
    let mut elf = ELF.to_vec();
    elf.resize(2 << 20, 0);
    assert!(opened(&tar(&[("x", &elf, 0o755)]), limits).2.contains(&"verify::limit"));
    let many: Vec<Vec<u8>> = (0..200).map(|n| tar(&[(&format!("f{n}"), b"", 0o644)])).collect();
    let (_, others, codes) = opened(&joined(&many), limits);
    assert_eq!((others.len(), codes), (100, vec!["verify::limit"]));
    let mut nested = tar(&[("x", ELF, 0o755)]);
    for level in 0..6 {
        nested = gzip(&tar(&[(&format!("level{level}.tar.gz"), &nested, 0o644)]));
    }
    let (elves, _, codes) = opened(&nested, limits);
    assert_eq!((elves.len(), codes), (0, vec!["verify::limit"]));
    let mut debs = deb(&tar(&[("x", ELF, 0o755)]), "data.tar");
    for _ in 0..6 {
        debs = deb(&tar(&[("x.deb", &debs, 0o644)]), "data.tar");
    }
    assert_eq!(opened(&debs, limits).2, ["verify::limit"]);
}

#[test]
fn an_endless_extended_header_is_not_held_in_memory() {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::XHeader);
    header.set_path("pax").unwrap();
    header.set_size(8 << 20);
    header.set_cksum();
    builder.append(&header, std::io::repeat(b'9').take(8 << 20)).unwrap();
    let (_, _, codes) = opened(&gzip(&builder.into_inner().unwrap()), Limits::default());
    assert_eq!(codes, ["verify::unreadable"]);
}

#[test]
fn two_sizes_for_one_member_are_refused() {
    let mut builder = ::tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("size", b"5".as_slice())]).unwrap();
    let mut header = ::tar::Header::new_gnu();
    header.set_path("x").unwrap();
    header.set_mode(0o755);
    header.set_size(ELF.len() as u64);
    header.set_cksum();
    builder.append(&header, ELF).unwrap();
    assert_eq!(opened(&builder.into_inner().unwrap(), Limits::default()).2, ["verify::unreadable"]);
}

#[test]
fn a_package_cut_anywhere_never_reads_as_whole() {
    let data = xz(&tar(&[("usr/bin/x", ELF, 0o755), ("usr/bin/y", &[7; 3000], 0o755)]));
    let whole = deb(&data, "data.tar.xz");
    let end = whole.len() - data.len() % 2;
    for cut in (0..end).step_by(7) {
        let (elves, _, codes) = opened(&whole[..cut], Limits::default());
        // Before the magic is complete it is a file of another kind.
        let told = !codes.is_empty() || cut < 22;
        assert!(told, "cut at {cut}: {elves:?}");
    }
}

#[test]
fn archives_that_are_not_opened_are_named() {
    for magic in [&b"Rar!\x1a\x07rest"[..], b"7z\xbc\xaf\x27\x1crest", b"!<thin>\n", b"hsqs...."] {
        let mut kinds = Vec::new();
        let bytes = tar(&[("usr/share/x", magic, 0o644)]);
        let mut see = |member: Member| kinds.push(member.kind);
        open("input", &mut bytes.as_slice(), Limits::default(), false, &mut see);
        assert!(matches!(kinds[0], Kind::Closed(_)), "{kinds:?}");
    }
}

#[test]
fn privileges_of_pax_and_scripts_are_seen() {
    let value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut builder = ::tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("SCHILY.xattr.security.capability", &value[..])]).unwrap();
    let data = joined(&[{
        let mut bytes = builder.into_inner().unwrap();
        bytes.truncate(bytes.len() - 1024);
        bytes.extend(tar(&[("usr/bin/ping", ELF, 0o755)]));
        bytes
    }]);
    let control = tar(&[(
        "./postinst",
        b"#!/bin/sh\n# setcap\nsetcap cap_net_raw+ep /usr/bin/ping\n",
        0o755,
    )]);
    let package =
        ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)]);
    let mut members = Vec::new();
    let mut keep = |member: Member| members.push(member);
    let opened = open("input", &mut package.as_slice(), Limits::default(), false, &mut keep);
    assert_eq!(members[0].capabilities.as_deref(), Some("cap_net_raw=ep"));
    assert_eq!(opened.findings.len(), 1, "{opened:?}");
    assert!(opened.findings[0].message.contains("DEBIAN/postinst"), "{opened:?}");
    assert!(opened.scripts[0].contains("/usr/bin/ping"), "{opened:?}");
}

/// Members of a `newc` archive: (path, mode, contents).
fn cpio(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, mode, bytes) in files.iter().chain([&("TRAILER!!!", 0, &b""[..])]) {
        let fields = [0, *mode as usize, 0, 0, 1, 0, bytes.len(), 0, 0, 0, 0, path.len() + 1, 0]
            .map(|field: usize| format!("{field:08x}"));
        write!(out, "070701{}{path}\0", fields.concat()).unwrap();
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

#[test]
fn cpio_is_opened_and_what_follows_it_is_named() {
    let mut bytes = cpio(&[
        ("bin", 0o040_755, b""),
        ("bin/x", 0o104_755, ELF),
        ("bin/y", 0o120_777, b"x"),
        ("../up", 0o100_644, b"text"),
    ]);
    let (members, findings) = members("i.cpio", &bytes);
    let shown: Vec<(&str, &Kind, u32)> =
        members.iter().map(|member| (member.path.as_str(), &member.kind, member.mode)).collect();
    assert_eq!(
        shown,
        [
            ("/bin", &Kind::Directory, 0o755),
            ("/bin/x", &Kind::File, 0o4755),
            ("/bin/y", &Kind::Link("x".to_owned()), 0o777),
        ]
    );
    assert_eq!(members[1].bytes, ELF);
    assert_eq!(findings.len(), 1, "{findings:?}");
    bytes.extend_from_slice(&[0; 512]);
    bytes.extend_from_slice(&gzip(b"more"));
    let (more, _) = super::members("i.cpio", &bytes);
    assert!(matches!(&more[3].kind, Kind::Closed(what) if what.contains("after the end")));
    for length in (0..bytes.len()).step_by(7) {
        let _ = super::members("i.cpio", &bytes[..length]);
    }
}

#[test]
fn lzma_is_opened() {
    let tar = tar(&[("usr/bin/x", ELF, 0o755)]);
    let options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
    let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(&tar).unwrap();
    let packed = encoder.finish().unwrap();
    assert_eq!(format(&packed), Format::Lzma);
    let (members, findings) = members("x.tar.lzma", &packed);
    assert!(findings.is_empty(), "{findings:?}");
    assert!(members.iter().any(|member| member.bytes == ELF), "{members:?}");
    assert_eq!(format(b"]\0 is how this text begins, and it goes on"), Format::Other);
}

/// Counts what was read of it.
struct Counted<'a> {
    bytes: &'a [u8],
    read: std::rc::Rc<std::cell::Cell<usize>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.read.set(self.read.get() + read);
        Ok(read)
    }
}

#[test]
fn packages_are_read_as_streams_and_no_member_waits_for_the_next() {
    // What cannot be compressed stands behind the program.
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let noise: Vec<u8> = (0..400_000).map(|_| random()).collect();
    let data = tar(&[("usr/bin/x", ELF, 0o755), ("usr/share/noise", &noise, 0o644)]);
    let library = ar(&[("x.o", ELF), ("noise", &noise)]);
    let mut names = 0;
    for package in [
        deb(&data, "data.tar"),
        deb(&gzip(&data), "data.tar.gz"),
        data.clone(),
        library.clone(),
        tar(&[("x.deb", &deb(&data, "data.tar"), 0o644)]),
        tar(&[("x.a", &library, 0o644)]),
        gzip(&library),
    ] {
        let read = std::rc::Rc::default();
        let mut reader = Counted { bytes: &package, read: std::rc::Rc::clone(&read) };
        let mut see = |member: Member| {
            if member.bytes == ELF {
                names += 1;
                let (read, all) = (read.get(), package.len());
                assert!(read < 150_000 && all > 200_000, "{}: {read} of {all}", member.path);
            }
        };
        open("input", &mut reader, Limits::default(), false, &mut see);
    }
    assert_eq!(names, 7);
}

#[test]
fn a_cut_package_is_judged_as_far_as_it_goes_and_said_to_be_cut() {
    let data = tar(&[("usr/bin/x", ELF, 0o755), ("usr/share/doc", &[b'x'; 5000], 0o644)]);
    for whole in [deb(&data, "data.tar"), ar(&[("x.o", ELF), ("doc", &[b'x'; 5000])])] {
        let (elves, _, codes) = opened(&whole, Limits::default());
        assert_eq!((elves.len(), codes.len()), (1, 0));
        for cut in [4000, 1] {
            let (elves, _, codes) = opened(&whole[..whole.len() - cut], Limits::default());
            assert_eq!(elves.len(), 1);
            assert!(codes.contains(&"verify::unreadable"), "{cut}: {codes:?}");
        }
    }
    let twice =
        ar(&[("debian-binary", b"2.0\n"), ("data.tar", &data), ("data.tar.gz", &gzip(&data))]);
    let (elves, _, codes) = opened(&twice, Limits::default());
    assert_eq!((elves.len(), codes), (1, vec!["verify::unreadable"]));
}

/// What a visitor was told of a member before it had it.
#[derive(Default)]
struct Told(Vec<u64>);

impl Visit for Told {
    fn holds(&mut self, bytes: u64) {
        self.0.push(bytes);
    }

    fn member(&mut self, member: Member) {
        self.0.push(member.bytes.len() as u64);
    }
}

#[test]
fn what_is_kept_of_a_large_member_is_told_while_it_is_read() {
    let large = [ELF, &vec![7; (3 << 20) - ELF.len()]].concat();
    let package = tar(&[("usr/bin/x", &large, 0o755), ("usr/share/x", &large[20..], 0o644)]);
    let mut told = Told::default();
    open("input", &mut package.as_slice(), Limits::default(), false, &mut told);
    // A text of that size is not kept.
    assert_eq!(told.0.len(), 4, "{:?}", told.0);
    assert!(told.0[0] > 1 << 20 && told.0[1] < 3 << 20 && told.0[2..] == [3 << 20, 0]);
}
