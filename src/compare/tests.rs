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
            ["p > data.tar.gz: the same contents, packed differently", "likely cause: gzip-time"],
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

#[test]
fn hostile_archives_do_not_panic() {
    let whole = deb(&gzip(&tar_of("x", 0o644, 0, b"text"), 0));
    let mut rpm = b"\xed\xab\xee\xdb".to_vec();
    rpm.resize(96, 0);
    rpm.extend(b"\x8e\xad\xe8\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
    for bytes in [whole, rpm] {
        for end in 0..bytes.len() {
            let _ = compare("p", &bytes[..end], &bytes, Context::default());
        }
    }
}
