//! Differences on small archives, their causes, and hostile ones.

use super::*;

/// A tar with one file.
fn tar_of(name: &str, mode: u32, time: u64, bytes: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_mtime(time);
    header.set_uid(0);
    header.set_gid(0);
    builder.append_data(&mut header, name, bytes).unwrap();
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8], time: u32) -> Vec<u8> {
    let mut encoder =
        flate2::GzBuilder::new().mtime(time).write(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// A `.deb` around one data archive.
fn deb(data: &[u8]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in [("debian-binary", b"2.0\n".as_slice()), ("data.tar.gz", data)] {
        out.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", bytes.len())
                .bytes(),
        );
        out.extend(bytes);
        if bytes.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

fn shown(a: &[u8], b: &[u8]) -> String {
    let hints =
        [Hint { text: "varied.invalid".to_owned(), cause: "hostname: it is in it".to_owned() }];
    human(&compare("p", a, b, Context { hints: &hints, ..Context::default() }))
}

#[test]
fn equal_files_have_no_differences() {
    assert_eq!(compare("p", b"a", b"a", Context::default()), []);
}

#[test]
fn a_difference_is_named_down_to_the_member_with_its_cause() {
    let package = |mode, time, text: &str, gz| {
        deb(&gzip(&tar_of("usr/share/x", mode, time, text.as_bytes()), gz))
    };
    let a = package(0o644, 5, "made on Nov 21 2026 here\nsame\n", 0);
    for (b, wanted) in [
        (
            package(0o644, 5, "made on Nov 22 2026 here\nsame\n", 0),
            ["p > data.tar.gz > (gzip) > usr/share/x: text differs", "likely cause: date"],
        ),
        (
            package(0o600, 5, "made on Nov 21 2026 here\nsame\n", 0),
            ["mode 644 -> 600", "likely cause: umask"],
        ),
        (
            package(0o644, 6, "made on Nov 21 2026 here\nsame\n", 0),
            ["time 5 -> 6", "likely cause: clock"],
        ),
        (
            package(0o644, 5, "made on Nov 21 2026 here\nsame\n", 7),
            ["p > data.tar.gz: gzip time 0 -> 7", "likely cause: gzip-time"],
        ),
        (
            package(0o644, 5, "made on varied.invalid\nsame\n", 0),
            ["    + made on varied.invalid", "likely cause: hostname: it is in it"],
        ),
    ] {
        let text = shown(&a, &b);
        for wanted in wanted {
            assert!(text.contains(wanted), "no `{wanted}` in\n{text}");
        }
    }
}

/// Packs with every compression there is.
fn packed(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    use std::io::Write;
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    bzip2.write_all(bytes).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    xz.write_all(bytes).unwrap();
    let options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
    let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
    let mut lzma = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    lzma.write_all(bytes).unwrap();
    vec![
        ("gzip", gzip(bytes, 0)),
        ("bzip2", bzip2.finish().unwrap()),
        ("xz", xz.finish().unwrap()),
        ("lzma", lzma.finish().unwrap()),
        ("zstd", zstd::encode_all(bytes, 3).unwrap()),
    ]
}

#[test]
fn every_compression_is_opened() {
    let (one, two) = (packed(b"the first text\nsame\n"), packed(b"another text\nsame\n"));
    for ((name, a), (_, b)) in one.iter().zip(&two) {
        let text = shown(a, b);
        assert!(text.contains(&format!("p > ({name}): text differs")), "{text}");
        assert!(text.contains("- the first text") && text.contains("+ another text"), "{text}");
    }
    // The same contents in another format.
    let text = shown(&one[0].1, &one[2].1);
    assert_eq!(text, "p: format gzip -> xz\n");
}

#[test]
fn streams_of_several_members_are_read_to_their_ends() {
    let (first, second) = (packed(b"begin\n"), packed(b"one end\n"));
    let third = packed(b"other end\n");
    for (at, (name, begin)) in first.iter().enumerate() {
        let join = |end: &[u8]| [begin, end].concat();
        let text = shown(&join(&second[at].1), &join(&third[at].1));
        if *name == "lzma" {
            // One stream is one file.
            assert!(text.contains("more after the end of an lzma stream"), "{text}");
        } else {
            assert!(text.contains("- one end") && text.contains("+ other end"), "{name} {text}");
        }
        // What belongs to no stream is not passed over.
        for (a, b) in [("x", "y"), ("x", "")] {
            let text = shown(&join(a.as_bytes()), &join(b.as_bytes()));
            assert!(text.contains("the first cannot be read whole"), "{name} {text}");
            assert!(!text.contains("the same contents"), "{name} {text}");
        }
        // Cut anywhere.
        for end in 0..begin.len() {
            let text = shown(begin, &begin[..end]);
            assert!(!text.is_empty() && !text.contains("the same contents"), "{name} {end} {text}");
        }
    }
}

/// A tar of one file that a pax header says more of.
fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions(records.iter().copied()).unwrap();
    let mut out = builder.into_inner().unwrap();
    out.truncate(out.len() - 1024);
    out.extend(tar_of("usr/bin/x", 0o755, 5, b"text"));
    out
}

/// As `setcap cap_net_raw+ep` stores it.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn what_pax_headers_say_is_compared_and_named() {
    let plain = tar_of("usr/bin/x", 0o755, 5, b"text");
    let base64 = b"AQAAAgAgAAAAAAAAAAAAAAAAAAA".as_slice();
    let rows: [(&str, &[u8], &str); 13] = [
        ("SCHILY.xattr.security.capability", &CAPABILITY, "capabilities none -> cap_net_raw=ep"),
        ("LIBARCHIVE.xattr.security.capability", base64, "capabilities none -> cap_net_raw=ep"),
        ("SCHILY.xattr.security.capability", b"short", "capabilities none -> unreadable short"),
        (
            "SCHILY.xattr.security.selinux",
            b"system_u:object_r:bin_t:s0\0",
            "attribute security.selinux none -> system_u:object_r:bin_t:s0\\0",
        ),
        ("RHT.security.selinux", b"label", "attribute security.selinux none -> label"),
        ("SCHILY.xattr.user.note", b"\x01\xff", "attribute user.note none -> 0x01ff"),
        ("LIBARCHIVE.xattr.user.a%3Db", b"dGV4dA==", "attribute user.a=b none -> text"),
        ("SCHILY.acl.access", b"user::rwx", "access list none -> user::rwx"),
        ("mtime", b"5.25", "time 5 -> 5.25"),
        ("uname", b"builder", "owner (0)/(0) -> builder(0)/(0)"),
        ("gid", b"77", "owner (0)/(0) -> (0)/(77)"),
        ("comment", b"made by me", "pax comment none -> made by me"),
        ("GNU.sparse.major", b"1", "kind file -> a sparse member"),
    ];
    for (key, value, wanted) in rows {
        let text = shown(&plain, &pax(&[(key, value)]));
        assert!(text.contains(&format!("p > usr/bin/x: {wanted}\n")), "{key}: {text}");
        assert!(!text.contains("the same contents"), "{text}");
        assert_eq!(shown(&pax(&[(key, value)]), &pax(&[(key, value)])), "");
    }
    let text = shown(&plain, &pax(&[("SCHILY.xattr.security.capability", &CAPABILITY)]));
    assert!(text.contains("likely cause: capabilities: "), "{text}");
    let text = shown(&plain, &pax(&[("SCHILY.xattr.user.x", b"1")]));
    assert!(text.contains("likely cause: attributes: "), "{text}");
    // Two ways of saying one thing, and two things.
    let schily = ("SCHILY.xattr.user.x", b"text".as_slice());
    let same = pax(&[schily, ("LIBARCHIVE.xattr.user.x", b"dGV4dA")]);
    let text = shown(&pax(&[schily]), &same);
    assert_eq!(text.lines().next(), Some("p: the same contents, packed differently"));
    let other = pax(&[schily, ("LIBARCHIVE.xattr.user.x", b"b3RoZXI")]);
    let text = shown(&pax(&[schily]), &other);
    assert!(text.contains("attribute user.x text -> text; other"), "{text}");
}

/// An entry that is no file, and what its header says.
fn special(kind: tar::EntryType, change: impl FnOnce(&mut tar::Header)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_path("x").unwrap();
    header.set_mode(0o644);
    header.set_size(0);
    change(&mut header);
    header.set_cksum();
    builder.append(&header, std::io::empty()).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn links_devices_and_holes_are_compared() {
    use tar::EntryType;
    let link =
        |kind, target: &'static str| special(kind, |header| header.set_link_name(target).unwrap());
    let device = |minor| {
        special(EntryType::Char, |header| {
            header.set_device_major(1).unwrap();
            header.set_device_minor(minor).unwrap();
        })
    };
    let holes = |offset: u8| {
        special(EntryType::GNUSparse, |header| {
            let gnu = header.as_gnu_mut().unwrap();
            gnu.sparse[0].offset[11] = b'0' + offset;
            gnu.realsize.copy_from_slice(b"00000001000\0");
        })
    };
    for (a, b, wanted) in [
        (link(EntryType::Symlink, "a"), link(EntryType::Symlink, "b"), "link a -> b"),
        (link(EntryType::Link, "a"), link(EntryType::Link, "b"), "link a -> b"),
        (
            link(EntryType::Link, "a"),
            link(EntryType::Symlink, "a"),
            "kind hard link -> symbolic link",
        ),
        (device(3), device(4), "device 1,3 -> 1,4"),
        (
            special(EntryType::Fifo, |_| ()),
            special(EntryType::Regular, |_| ()),
            "kind fifo -> file",
        ),
        (holes(1), holes(2), "holes 512 bytes with holes, map "),
    ] {
        let text = shown(&a, &b);
        assert!(text.contains(&format!("p > x: {wanted}")), "{text}");
    }
}

/// An extended block of GNU's sparse map stands between header and contents.
#[test]
fn members_behind_a_long_sparse_map_are_found() {
    let archive = |text: &[u8]| {
        let mut out = special(tar::EntryType::GNUSparse, |header| {
            header.as_gnu_mut().unwrap().isextended[0] = 1;
        });
        out.truncate(512);
        out.extend([0; 512]);
        out.extend(tar_of("y", 0o644, 0, text));
        out
    };
    let text = shown(&archive(b"one"), &archive(b"two"));
    assert!(text.starts_with("p > y: text differs"), "{text}");
}

#[test]
fn what_stands_behind_the_end_of_an_archive_is_compared() {
    let whole = tar_of("x", 0o644, 0, b"text");
    let with = |more: &[u8]| [&whole, more].concat();
    let text = shown(&whole, &with(b"hidden"));
    assert!(text.contains("p > (after the end): only in the second"), "{text}");
    let text = shown(&whole, &with(&[0; 512]));
    assert!(text.contains("the same contents, packed differently"), "{text}");
    let inner = gzip(b"a text\n", 0);
    let text = shown(&with(&inner), &with(&gzip(b"b text\n", 0)));
    assert!(text.contains("p > (after the end) > (gzip): text differs"), "{text}");
    let global = |text: &str| {
        let mut out = special(tar::EntryType::XGlobalHeader, |header| {
            header.set_size(text.len() as u64);
        });
        out.truncate(512);
        out.extend(text.as_bytes());
        out.resize(1024, 0);
        [out, whole.clone()].concat()
    };
    let text = shown(&global("13 comment=a\n"), &global("13 comment=b\n"));
    assert_eq!(text, "p: global comment a -> b\n");
}

/// An ar of members with names as they stand in their headers.
fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        out.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", bytes.len())
                .bytes(),
        );
        out.extend(*bytes);
        out.extend(&b"\n"[..bytes.len() % 2]);
    }
    out
}

#[test]
fn long_names_of_ar_are_read() {
    let gnu = |text: &[u8]| {
        let names = b"a_name_longer_than_sixteen.o/\n";
        ar(&[("/", b"index"), ("//", names), ("/0", text)])
    };
    let bsd = |text: &[u8]| ar(&[("#1/28", &[b"a_name_longer_than_sixteen.o", text].concat())]);
    for (a, b) in [(gnu(b"one"), gnu(b"two")), (bsd(b"one"), bsd(b"two"))] {
        let text = shown(&a, &b);
        assert!(text.starts_with("p > a_name_longer_than_sixteen.o: text differs"), "{text}");
    }
    // The index of symbols, and what no member is named by.
    let text = shown(&ar(&[("/", b"one")]), &ar(&[("/", b"two")]));
    assert!(text.starts_with("p > /: text differs"), "{text}");
    let text = shown(&ar(&[("//", b"one"), ("x/", b"")]), &ar(&[("//", b"two"), ("x/", b"")]));
    assert!(text.starts_with("p > (table of names): text differs"), "{text}");
}

#[test]
fn members_of_one_name_are_compared_in_their_order() {
    let text =
        shown(&ar(&[("x/", b"same"), ("x/", b"one")]), &ar(&[("x/", b"same"), ("x/", b"two")]));
    assert!(text.starts_with("p > x: text differs"), "{text}");
    let text = shown(&ar(&[("x/", b"a"), ("x/", b"b")]), &ar(&[("x/", b"a")]));
    assert_eq!(text, "p > x: only in the second\n".replace("second", "first"));
}

fn cpio(magic: &str, fields: &[(usize, usize)], text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let trailer = ("TRAILER!!!", b"".as_slice(), 0);
    for (name, bytes, mode) in [("usr/x", text, 0o100_644), trailer] {
        let sizes = (bytes.len(), name.len() + 1);
        let head = if magic == "070707" {
            let mut list = [0, 7, mode, 1, 2, 1, 0, 5, sizes.1, sizes.0];
            for (at, value) in fields {
                list[*at] = *value;
            }
            let widths = [6, 6, 6, 6, 6, 6, 6, 11, 6, 11];
            let digits = list.iter().zip(widths).map(|(value, width)| format!("{value:0width$o}"));
            digits.collect::<String>()
        } else {
            let mut list = [7, mode, 1, 2, 1, 5, sizes.0, 0, 0, 0, 0, sizes.1, 0];
            for (at, value) in fields {
                list[*at] = *value;
            }
            list.map(|value| format!("{value:08x}")).concat()
        };
        out.extend(format!("{magic}{head}{name}\0").bytes());
        let align = if magic == "070707" { 1 } else { 4 };
        out.resize(out.len().next_multiple_of(align), 0);
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(align), 0);
    }
    out
}

#[test]
fn every_kind_of_cpio_is_compared() {
    for magic in ["070701", "070702", "070707"] {
        let text = shown(&cpio(magic, &[], b"one"), &cpio(magic, &[], b"two"));
        assert!(text.starts_with("p > usr/x: text differs"), "{magic} {text}");
    }
    for (magic, field, wanted) in [
        ("070701", (0, 8), "inode 7 -> 8\n    likely cause: inode: "),
        ("070701", (2, 9), "owner 1/2 -> 9/2"),
        ("070701", (5, 6), "time 5 -> 6"),
        ("070702", (12, 255), "sum 0 -> ff"),
        ("070707", (3, 9), "owner 1/2 -> 9/2"),
        ("070707", (7, 6), "time 5 -> 6"),
    ] {
        let text = shown(&cpio(magic, &[], b"one"), &cpio(magic, &[field], b"one"));
        assert!(text.contains(&format!("p > usr/x: {wanted}")), "{magic} {field:?} {text}");
    }
}

#[test]
fn what_is_not_opened_is_a_difference_that_says_so() {
    let text = shown(b"Rar!\x1a\x07 one", b"Rar!\x1a\x07 two");
    assert!(text.contains("the first cannot be read whole (a rar archive, which is not opened)"));
    let whole = tar_of("x", 0o644, 0, &[b'x'; 2000]);
    let text = shown(&whole, &whole[..1500]);
    assert!(text.contains("the second cannot be read whole (the archive is cut short)"), "{text}");
    // Broken in the same way, with other bytes behind the break.
    let broken = |byte: u8| {
        let mut out = whole.clone();
        out.truncate(2560);
        out.extend([byte; 512]);
        out
    };
    let text = shown(&broken(1), &broken(2));
    assert!(text.contains("cannot be read whole"), "{text}");
    assert!(!text.contains("the same contents"), "{text}");
    let text = shown(&whole, b"a text\n");
    assert!(text.starts_with("p: tar -> no archive: "), "{text}");
}

#[test]
fn what_is_over_a_limit_is_a_difference_that_says_so() {
    let limited = |a: &[u8], b: &[u8], limits: Limits| {
        human(&compare_within("p", a, b, Context::default(), limits))
    };
    let limits = Limits { bytes: 1 << 20, file: 1 << 20, held: 1 << 20, members: 20, depth: 4 };
    let bomb = |end: &[u8]| gzip(&[&vec![0; 4 << 20], end].concat(), 0);
    for limits in [limits, Limits { file: 8 << 20, ..limits }, Limits { bytes: 8 << 20, ..limits }]
    {
        let text = limited(&bomb(b"a"), &bomb(b"b"), limits);
        assert!(text.contains("the first cannot be read whole ("), "{text}");
        assert!(!text.contains("the same contents"), "{text}");
    }
    let many = |last: &[u8]| {
        let mut members = vec![("x/", b"".as_slice()); 30];
        members.push(("y/", last));
        ar(&members)
    };
    let text = limited(&many(b"a"), &many(b"b"), limits);
    assert!(text.contains("more than 20 members"), "{text}");
    let nested = |text: &[u8]| (0..6).fold(text.to_vec(), |inner, _| gzip(&inner, 0));
    let text = limited(&nested(b"a"), &nested(b"b"), limits);
    assert!(text.contains("too deep in other archives to be opened: "), "{text}");
    assert!(!limited(&nested(b"a"), &nested(b"b"), Limits { depth: 7, ..limits }).contains("deep"));
}

#[test]
fn lists_are_cut_and_say_so() {
    let archive = |text: &[u8]| ar(&vec![("x/", text); 300]);
    let differences = compare("p", &archive(b"a"), &archive(b"b"), Context::default());
    assert_eq!(differences.len(), 201);
    assert_eq!(differences[200].what, "100 more differences");
}

#[test]
fn archives_in_archives_are_opened_to_the_file_that_differs() {
    let nested = |text: &[u8]| {
        let library = ar(&[("x.o/", text)]);
        let inner = deb(&gzip(&tar_of("usr/lib/libx.a", 0o644, 0, &library), 0));
        let outer = tar_of("inner.deb", 0o644, 0, &inner);
        packed(&outer).swap_remove(2).1
    };
    let text = shown(&nested(b"one\n"), &nested(b"two\n"));
    let place = "p > (xz) > inner.deb > data.tar.gz > (gzip) > usr/lib/libx.a > x.o: text differs";
    assert!(text.contains(place), "{text}");
}

#[test]
fn names_of_members_do_not_move_the_cursor() {
    let text =
        shown(&tar_of("\u{1b}[2Jx", 0o644, 0, b"\x1ba"), &tar_of("\u{1b}[2Jx", 0o644, 0, b"b"));
    assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}[2Jx"), "{text}");
}

#[test]
fn hostile_archives_do_not_panic() {
    let whole = deb(&gzip(&tar_of("x", 0o644, 0, b"text"), 0));
    let mut rpm = b"\xed\xab\xee\xdb".to_vec();
    rpm.resize(96, 0);
    rpm.extend(b"\x8e\xad\xe8\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
    for bytes in [whole, rpm] {
        for end in 0..bytes.len() {
            assert!(!compare("p", &bytes[..end], &bytes, Context::default()).is_empty(), "{end}");
        }
    }
}
