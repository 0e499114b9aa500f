//! Kinds of archives beside the usual ones, built in memory: old, compressed in other ways, behind programs and scripts.

use std::io::Write;

use super::super::*;
use super::{ELF, ar, bzip2, cpio, deb, gzip, joined, opened, special, tar, xz};

/// A header of tar from before POSIX: no magic, and no kind for a file.
fn old_tar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = ::tar::Header::new_old();
    header.set_path(name).unwrap();
    header.set_mode(0o755);
    header.set_size(bytes.len() as u64);
    header.as_mut_bytes()[156] = 0;
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(512) + 1024, 0);
    out
}

/// `odc`, in which every number is octal.
fn odc(name: &str, mode: u32, bytes: &[u8]) -> Vec<u8> {
    let length = name.len() + 1;
    let head = format!(
        "070707000001000001{mode:06o}000000000000000001000000{:011o}{length:06o}{:011o}",
        0,
        bytes.len()
    );
    [head.as_bytes(), name.as_bytes(), b"\0", bytes].concat()
}

/// The old binary kind, in one of the two orders.
fn binary_cpio(files: &[(&str, u32, &[u8])], little: bool) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for (name, mode, bytes) in files.iter().chain([&("TRAILER!!!", 0, &b""[..])]) {
        let size = bytes.len();
        let fields = [
            0o070_707,
            1,
            1,
            *mode as usize,
            0,
            0,
            1,
            0,
            0,
            0,
            name.len() + 1,
            size >> 16,
            size & 0xffff,
        ];
        for field in fields {
            let half = u16::try_from(field).unwrap();
            out.extend(if little { half.to_le_bytes() } else { half.to_be_bytes() });
        }
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(2), 0);
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(2), 0);
    }
    out
}

/// A zip as `zip` writes it: (name, Unix mode, contents), packed or stored, behind what stands in front.
fn zip(front: &[u8], files: &[(&str, u32, &[u8])], packed: bool) -> Vec<u8> {
    let (mut out, mut directory) = (front.to_vec(), Vec::new());
    for (name, mode, bytes) in files {
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        let data = if packed { encoder.finish().unwrap() } else { bytes.to_vec() };
        let mut common = vec![20, 0, 0, 0, if packed { 8 } else { 0 }, 0, 0, 0, 0x21, 0x58];
        for number in
            [sum.sum(), u32::try_from(data.len()).unwrap(), u32::try_from(bytes.len()).unwrap()]
        {
            common.extend(number.to_le_bytes());
        }
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);
        directory.extend([b"PK\x01\x02\x14\x03", common.as_slice(), &[0; 6]].concat());
        directory.extend((mode << 16).to_le_bytes());
        directory.extend(u32::try_from(out.len()).unwrap().to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
        out.extend([b"PK\x03\x04", common.as_slice(), name.as_bytes(), &data].concat());
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let at = u32::try_from(out.len()).unwrap().to_le_bytes();
    let length = u32::try_from(directory.len()).unwrap().to_le_bytes();
    out.extend(directory);
    out.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &length, &at, b"\0\0"].concat());
    out
}

#[test]
fn archives_from_before_their_magics_are_opened() {
    let old = old_tar("usr/bin/x", ELF);
    let named = [("usr/bin/x", 0o100_755, ELF)];
    for bytes in [
        old.clone(),
        gzip(&old),
        xz(&old),
        deb(&gzip(&old), "data.tar.gz"),
        [odc("usr/bin/x", 0o100_755, ELF), odc("TRAILER!!!", 0, b"")].concat(),
        binary_cpio(&named, true),
        binary_cpio(&named, false),
        gzip(&binary_cpio(&named, true)),
    ] {
        let (elves, _, codes) = opened(&bytes, Limits::default());
        assert_eq!((elves, codes), (vec!["/usr/bin/x".to_owned()], vec![]));
        for cut in (0..bytes.len()).step_by(3) {
            opened(&bytes[..cut], Limits::default());
        }
    }
}

#[test]
fn streams_of_every_kind_are_unpacked() {
    let inner = tar(&[("usr/bin/x", ELF, 0o755)]);
    let skipped =
        [b"\x50\x2a\x4d\x18\x04\0\0\0size".to_vec(), zstd::encode_all(&inner[..], 1).unwrap()];
    let lz4 = |old: bool| {
        let info = lz4_flex::frame::FrameInfo::new().legacy_frame(old);
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&inner).unwrap();
        encoder.finish().unwrap()
    };
    let mut lzma = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
    lzma.dict_size((1 << 20) + 4096);
    let odd = |options: &liblzma::stream::LzmaOptions| {
        let stream = liblzma::stream::Stream::new_lzma_encoder(options).unwrap();
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(&inner).unwrap();
        encoder.finish().unwrap()
    };
    let dictionary = odd(&lzma);
    lzma.literal_context_bits(0).position_bits(0);
    for bytes in [skipped.concat(), lz4(false), lz4(true), dictionary, odd(&lzma)] {
        let (elves, _, codes) = opened(&bytes, Limits::default());
        assert_eq!((elves, codes), (vec!["/usr/bin/x".to_owned()], vec![]), "{:?}", &bytes[..4]);
    }
}

#[test]
fn a_zip_is_opened_wherever_it_stands() {
    let files =
        [("bin/", 0o040_755, &b""[..]), ("bin/x", 0o104_755, ELF), ("bin/y", 0o120_777, b"x")];
    for (front, packed) in [
        (&b""[..], true),
        (b"", false),
        (b"#!/usr/bin/env python3\n", true),
        (b"Cr24 and a signature", true),
    ] {
        let bytes = zip(front, &files, packed);
        let (mut members, findings) = members("x.whl", &bytes);
        assert!(findings.is_empty(), "{findings:?}");
        members.retain(|member| member.path.contains("bin/"));
        let (elf, link) = (&members[0], &members[1]);
        assert_eq!((elf.bytes.as_slice(), elf.mode), (ELF, 0o4755), "{members:?}");
        assert_eq!(link.kind, Kind::Link("x".to_owned()));
        for cut in (30..bytes.len()).step_by(5) {
            let told = opened(&bytes[..cut], Limits::default());
            assert!(told.0.is_empty(), "cut at {cut}: {told:?}");
        }
    }
    let whole = zip(b"", &files, true);
    assert_eq!(opened(&whole, Limits { held: 100, ..Limits::default() }).1, ["input"]);
    assert_eq!(opened(&whole[..whole.len() - 3], Limits::default()).2, ["verify::unreadable"]);
    // What says two things, or less than is there.
    let twice = zip(b"", &[("x", 0o100_644, b"text"), ("x", 0o100_755, ELF)], true);
    assert_eq!(opened(&twice, Limits::default()).2, ["verify::unreadable"]);
    let mut wrong = zip(b"", &[("x", 0o100_755, ELF)], false);
    let at = wrong.iter().position(|byte| *byte == 0x7f).unwrap();
    wrong[at + 8] ^= 1;
    assert_eq!(opened(&wrong, Limits::default()).2, ["verify::unreadable"]);
    let few = Limits { members: 1, ..Limits::default() };
    assert!(opened(&whole, few).2.contains(&"verify::unreadable"));
    let zeros = zip(b"", &[("zeros", 0o100_644, &vec![0; 4 << 20])], true);
    let limits = Limits { bytes: 1 << 20, file: 1 << 20, held: 1 << 20, members: 10, depth: 3 };
    assert!(opened(&zeros, limits).2.iter().all(|code| *code == "verify::limit"));
    assert!(!opened(&zeros, limits).2.is_empty());
}

#[test]
fn what_unpacks_itself_is_opened() {
    let inner = tar(&[("usr/bin/x", ELF, 0o755)]);
    let makeself =
        |archive: &[u8]| [b"#!/bin/sh\ntail -n +3 \"$0\" | tar x; exit\n", archive].concat();
    let noise: Vec<u8> =
        (0..5000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) | 0x80).to_le_bytes()).collect();
    for archive in [
        gzip(&inner),
        xz(&inner),
        bzip2(&inner),
        zstd::encode_all(&inner[..], 1).unwrap(),
        inner.clone(),
    ] {
        let (elves, _, codes) = opened(&makeself(&archive), Limits::default());
        assert_eq!((elves, codes), (vec!["input!/usr/bin/x".to_owned()], vec![]));
    }
    let mut kinds = Vec::new();
    let mut see = |member: Member| kinds.push(member.kind);
    open("i", &mut makeself(&noise).as_slice(), Limits::default(), false, &mut see);
    assert!(matches!(&kinds[0], Kind::Closed(what) if what.contains("behind")), "{kinds:?}");
    let latin = b"#!/bin/sh\n# Gr\xfc\xdfe\nexit\n";
    assert_eq!(opened(latin, Limits::default()), (vec![], vec!["input".to_owned()], vec![]));

    // An ELF file of which the headers speak of 64 + 56 bytes.
    let mut program = vec![0; 120];
    program[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    for (at, value) in [(32, 64), (54, 56), (56, 1), (64, 1), (64 + 32, 120)] {
        program[at] = value;
    }
    let behind = |more: &[u8]| opened(&[&program, more].concat(), Limits::default());
    assert_eq!(behind(b""), (vec!["input".to_owned()], vec![], vec![]));
    assert_eq!(behind(&[0; 4096]).1, Vec::<String>::new());
    assert_eq!(
        behind(&[&noise[..300], b"~Module signature appended~\n"].concat()).1,
        Vec::<String>::new()
    );
    assert_eq!(behind(&noise).1, ["input!appended"]);
    assert_eq!(
        behind(b"hsqs and the rest of an image, which is long enough to hold a program").1,
        ["input"]
    );
    assert_eq!(behind(&gzip(&inner)).0, ["input!/usr/bin/x", "input"]);
    assert_eq!(behind(&inner).0, ["input!/usr/bin/x", "input"]);
    assert_eq!(behind(&program).0, ["input!appended", "input"]);
    let zipped = zip(&program, &[("x", 0o100_755, ELF)], true);
    assert_eq!(opened(&zipped, Limits::default()).0, ["input!/x", "input"]);
    let apart = [program.clone(), zip(b"", &[("x", 0o100_755, ELF)], false)].concat();
    assert_eq!(opened(&apart, Limits::default()).0, ["input!/x", "input"]);
    // The same with a table of sections, in the other order of bytes and 32 bits.
    let mut big = vec![0; 52 + 40 * 2 + 10];
    big[..7].copy_from_slice(b"\x7fELF\x01\x02\x01");
    for (at, value) in [(35, 52), (47, 40), (49, 2), (52 + 40 + 19, 132), (52 + 40 + 23, 10)] {
        big[at] = value;
    }
    assert_eq!(opened(&big, Limits::default()).1, Vec::<String>::new());
    assert_eq!(opened(&[big, inner].concat(), Limits::default()).0, ["input!/usr/bin/x", "input"]);
}

#[test]
fn what_a_kernel_unpacks_behind_an_early_cpio_is_judged() {
    let early = cpio(&[("kernel/x86/microcode/x.bin", 0o100_644, b"code")]);
    let main = cpio(&[("usr/bin/x", 0o100_755, ELF)]);
    let padded = |bytes: &[u8]| [bytes, &[0; 300]].concat();
    let zstd = zstd::encode_all(&main[..], 1).unwrap();
    for rest in [main.clone(), gzip(&main), xz(&main), zstd, [padded(&early), gzip(&main)].concat()]
    {
        let (elves, _, codes) = opened(&[padded(&early), rest].concat(), Limits::default());
        assert_eq!((elves, codes), (vec!["/usr/bin/x".to_owned()], vec![]));
    }
    for rest in [&b"text"[..], &gzip(b"text"), &gzip(&tar(&[("x", ELF, 0o755)]))] {
        let (_, others, _) = opened(&[padded(&early), rest.to_vec()].concat(), Limits::default());
        assert_eq!(others, ["/kernel/x86/microcode/x.bin", "/"]);
    }
}

/// Names under which a file was visited again, and the first.
#[derive(Default)]
struct Names(Vec<(String, String)>, Vec<String>);

impl Visit for Names {
    fn member(&mut self, member: Member) {
        self.1.push(member.path);
    }

    fn again(&mut self, path: String, first: &str) {
        self.0.push((path, first.to_owned()));
    }
}

#[test]
fn hard_links_are_told_by_all_names() {
    let mut linked = cpio(&[
        ("a", 0o100_755, b""),
        ("b", 0o100_755, b""),
        ("c", 0o100_755, ELF),
        ("d", 0o100_644, b""),
    ]);
    // Inode 7 and three links for the first three.
    let starts: Vec<usize> = memchr::memmem::find_iter(&linked, b"070701").take(4).collect();
    for start in &starts[..3] {
        linked[start + 6..start + 14].copy_from_slice(b"00000007");
        linked[start + 38..start + 46].copy_from_slice(b"00000003");
    }
    let mut names = Names::default();
    open("i", &mut linked.as_slice(), Limits::default(), false, &mut names);
    let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    assert_eq!(names.0, [pair("/a", "/c"), pair("/b", "/c")]);
    assert_eq!(names.1, ["/c", "/d"]);
    // Without contents under any name they are empty files.
    linked[starts[2] + 6..starts[2] + 14].copy_from_slice(b"00000008");
    let mut names = Names::default();
    open("i", &mut linked.as_slice(), Limits::default(), false, &mut names);
    assert_eq!((names.0.len(), names.1.len()), (0, 4));
    let tarred = joined(&[
        tar(&[("a", ELF, 0o755)]),
        special(::tar::EntryType::Link, "b", "a"),
        special(::tar::EntryType::Link, "c", "b"),
    ]);
    let mut names = Names::default();
    open("i", &mut tarred.as_slice(), Limits::default(), false, &mut names);
    assert_eq!(names.0, [pair("/b", "/a"), pair("/c", "/a")]);
}

#[test]
fn scripts_of_every_package_manager_are_read() {
    let script = b"#!/bin/sh\nchmod \\\n  4755 usr/bin/x\n";
    let data = tar(&[("./usr/bin/x", ELF, 0o755)]);
    let plain = |name: &str| joined(&[tar(&[(name, script, 0o755)]), data.clone()]);
    let ipk = |wrap: &dyn Fn(&[u8]) -> Vec<u8>| {
        tar(&[
            ("./debian-binary", b"2.0\n", 0o644),
            ("./control.tar.gz", &wrap(&tar(&[("./postinst", script, 0o755)])), 0o644),
            ("./data.tar.gz", &wrap(&data), 0o644),
        ])
    };
    for package in [
        plain(".INSTALL"),
        gzip(&plain(".post-install")),
        zstd::encode_all(&plain(".pre-upgrade")[..], 1).unwrap(),
        gzip(&ipk(&gzip)),
        ipk(&|bytes| bytes.to_vec()),
    ] {
        let mut paths = Vec::new();
        let mut see = |member: Member| paths.push(member.path);
        let opened = open("p", &mut package.as_slice(), Limits::default(), false, &mut see);
        assert!(paths.contains(&"/usr/bin/x".to_owned()), "{paths:?}");
        assert_eq!(opened.scripts.len(), 1, "{opened:?}");
    }
    // A program in the place of a script is a program.
    let control =
        tar(&[("./preinst", ELF, 0o755), ("./config", ELF, 0o755), ("./md5sums", b"text", 0o644)]);
    let package =
        ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)]);
    assert_eq!(
        opened(&package, Limits::default()).0,
        ["/DEBIAN/preinst", "/DEBIAN/config", "/usr/bin/x"]
    );
}
