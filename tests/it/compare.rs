//! Differences between ELF files, named down to section, string and function, on programs compiled here; and between
//! archives that other programs made.

use std::path::Path;
use std::process::Command;

use quench::compare::{Context, Named, compare, human};

fn shown(a: &[u8], b: &[u8]) -> String {
    human(&compare("p", a, b, Context::default()))
}

/// Compiles with the host's gcc; `None` where there is none.
fn compile(directory: &Path, source: &str, flags: &[&str]) -> Option<Vec<u8>> {
    let file = directory.join("seeded.c");
    std::fs::write(&file, source).unwrap();
    let out = directory.join("program");
    let mut command = Command::new("gcc");
    command.args(["-O1", "-g", "-o"]).args([&out, &file]).args(flags);
    let Ok(output) = command.output() else {
        println!("skipped: no gcc");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(std::fs::read(out).unwrap())
}

#[test]
fn an_elf_difference_is_named_down_to_section_string_and_function() {
    let directory = tempfile::tempdir().unwrap();
    let source = |body: &str| {
        format!(
            "#include <stdio.h>\nconst char *built(void) {{ return __DATE__; }}\n\
             __attribute__((noinline)) int work(int n) {{ return n {body}; }}\n\
             int main(int c, char **v) {{ (void)v; puts(built()); return work(c); }}\n"
        )
    };
    let dated = |date: &str| format!("-D__DATE__=\"{date}\"");
    let (one, two) = (dated("Nov 21 2026"), dated("Nov 22 2026"));
    let build = |body: &str, date: &str| {
        compile(directory.path(), &source(body), &["-Wno-builtin-macro-redefined", date])
    };
    let Some(a) = build("* 3", &one) else { return };
    let b = build("* 3", &two).unwrap();
    let text = shown(&a, &b);
    for wanted in [
        "p > .rodata",
        "- Nov 21 2026",
        "+ Nov 22 2026",
        "likely cause: date",
        ".note.gnu.build-id",
    ] {
        assert!(text.contains(wanted), "no `{wanted}` in\n{text}");
    }
    let c = build("* 3 + 7", &one).unwrap();
    let text = shown(&a, &c);
    assert!(
        text.contains("p > .text") && text.contains("functions of another size: work"),
        "{text}"
    );
}

/// A program and its debug file as packages hold them, the debug file named by the build-id.
fn packaged(directory: &Path, sources: &[(&str, &str)], flags: &[&str]) -> Vec<(String, Vec<u8>)> {
    let run = |words: &[&str]| {
        let output = Command::new(words[0]).args(&words[1..]).current_dir(directory).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{words:?} {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for (name, text) in sources {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let names: Vec<&str> = sources.iter().map(|(name, _)| *name).collect();
    let compile = ["gcc", "-O1", "-g", "-Wl,--build-id", "-Wno-builtin-macro-redefined", "-o", "p"];
    run(&[&compile, flags, &names].concat());
    run(&["objcopy", "--only-keep-debug", "--compress-debug-sections", "p", "p.debug"]);
    run(&["strip", "p"]);
    let notes = run(&["readelf", "-n", "p"]);
    let id = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).unwrap();
    let debug = format!("./usr/lib/debug/.build-id/{}/{}.debug", &id[..2], &id[2..]);
    let read = |name: &str| std::fs::read(directory.join(name)).unwrap();
    vec![("./usr/bin/p".to_owned(), read("p")), (debug, read("p.debug"))]
}

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn named(files: &[(String, Vec<u8>)]) -> Named {
    let mut separate = quench::verify::SeparateFiles::default();
    separate.read("debug", &mut files[1].1.as_slice());
    separate.all().map(|(id, bytes)| (id.to_owned(), quench::elf::origins(&bytes))).collect()
}

#[test]
fn a_stripped_difference_is_named_down_to_function_and_unit_by_the_debug_files() {
    if Command::new("gcc").arg("--version").output().is_err() {
        return println!("skipped: no gcc");
    }
    let directory = tempfile::tempdir().unwrap();
    let seeded = "const char *built(void) { return \"built on \" __DATE__; }\n\
                  static const char file[] = __FILE__ __TIME__; const char *const where[] = { file };\n";
    let main = |body: &str| {
        format!(
            "#include <stdio.h>\nconst char *built(void); extern const char *const where[];\n\
             __attribute__((noinline)) int work(int n) {{ return n {body}; }}\n\
             int main(int c, char **v) {{ (void)v; puts(built()); puts(where[0]); return work(c); }}\n"
        )
    };
    let build = |body: &str, date: &str, time: &str| {
        let sources = [("seeded.c", seeded), ("main.c", &*main(body))];
        let (date, time) = (format!("-D__DATE__=\"{date}\""), format!("-D__TIME__=\"{time}\""));
        packaged(directory.path(), &sources, &[&date, &time])
    };
    let said = |a: &[(String, Vec<u8>)], b: &[(String, Vec<u8>)]| {
        let (first, second) = (named(a), named(b));
        let context = Context { first: &first, second: &second, hints: &[] };
        human(&compare("p.tar", &tar(a), &tar(b), context))
    };
    let a = build("* 3", "Nov 21 2026", "12:00:00");
    let text = said(&a, &build("* 3", "Nov 22 2026", "12:00:00"));
    for wanted in [
        "p.tar > usr/bin/p > .rodata",
        "+ built on Nov 22 2026",
        "likely cause: date",
        "used by built (seeded.c)",
        "it is named by the build-id",
    ] {
        assert!(text.contains(wanted), "no `{wanted}` in\n{text}");
    }
    assert!(!text.contains("only in the"), "{text}");
    let text = said(&a, &build("* 3", "Nov 21 2026", "12:34:56"));
    assert!(text.contains("+ seeded.c12:34:56"), "{text}");
    assert!(
        text.contains("used by file, where"),
        "the variable, and the one that points at it: {text}"
    );
    let text = said(&a, &build("* 3 + 7", "Nov 21 2026", "12:00:00"));
    for wanted in [
        "functions of another size: work (main.c)",
        "> DWARF: 1 compilation units differ",
        "main.c: DW_TAG_subprogram work: DW_AT_high_pc",
    ] {
        assert!(text.contains(wanted), "no `{wanted}` in\n{text}");
    }
}

/// Runs a program that makes an archive; `None` where it is not installed.
fn made(directory: &Path, words: &[&str]) -> Option<()> {
    let Ok(output) = Command::new(words[0]).args(&words[1..]).current_dir(directory).output()
    else {
        println!("skipped: no {}", words[0]);
        return None;
    };
    assert!(output.status.success(), "{words:?} {}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

/// What is said of an archive that one command makes of two texts in `FILE`.
fn of_two_texts(file: &str, words: &[&str], archive: &str) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let archives = ["first text\n", "second text\n"].map(|text| {
        std::fs::write(directory.path().join(file), text).unwrap();
        let _ = std::fs::remove_file(directory.path().join(archive));
        made(directory.path(), words)?;
        Some(std::fs::read(directory.path().join(archive)).unwrap())
    });
    let [Some(a), Some(b)] = archives else { return None };
    Some(shown(&a, &b))
}

#[test]
fn archives_of_other_programs_are_opened_to_the_text_that_differs() {
    let long = "a_name_that_is_longer_than_sixteen_bytes.txt";
    let deep = format!("{}.txt", "n".repeat(200));
    let cpio = |format: &str| format!("echo x | cpio -o -H {format} -O a --quiet");
    let (newc, crc, odc) = (cpio("newc"), cpio("crc"), cpio("odc"));
    let rows: &[(&str, &[&str], &str)] = &[
        ("x", &["sh", "-c", "gzip -kc x > a"], "p > (gzip)"),
        ("x", &["sh", "-c", "bzip2 -kc x > a"], "p > (bzip2)"),
        ("x", &["sh", "-c", "xz -kc x > a"], "p > (xz)"),
        ("x", &["sh", "-c", "xz --format=lzma -kc x > a"], "p > (lzma)"),
        ("x", &["sh", "-c", "zstd -qc x > a"], "p > (zstd)"),
        ("x", &["sh", "-c", "(zstd -qc x; zstd -qc x) > a"], "p > (zstd)"),
        (long, &["ar", "rcD", "a", long], "p > a_name_that_is_longer_than_sixteen_bytes.txt"),
        (long, &["llvm-ar", "rcD", "--format=bsd", "a", long], "p > a_name_that_is_longer_than_"),
        (&deep, &["tar", "--format=gnu", "-cf", "a", &deep], "p > nnn"),
        (&deep, &["tar", "--format=posix", "-cf", "a", &deep], "p > nnn"),
        ("x", &["sh", "-c", "tar -cf - x | xz --format=lzma > a"], "p > (lzma) > x"),
        ("x", &["sh", "-c", &newc], "p > x"),
        ("x", &["sh", "-c", &crc], "p > x"),
        ("x", &["sh", "-c", &odc], "p > x"),
        ("x", &["bsdtar", "-cf", "a", "x"], "p > x"),
        ("x", &["bsdtar", "--format=newc", "-cf", "a", "x"], "p > x"),
    ];
    for (file, words, place) in rows {
        let Some(text) = of_two_texts(file, words, "a") else { continue };
        let line = text
            .lines()
            .position(|line| line.starts_with(place) && line.ends_with(": text differs"));
        assert!(line.is_some(), "{words:?}: {text}");
        for wanted in ["    - first text", "    + second text"] {
            assert!(text.contains(wanted), "{words:?}: {text}");
        }
    }
}

#[test]
fn holes_and_hard_links_of_gnu_tar_are_compared() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let archive = |piece: u64, link: &str, format: &str| {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::create(at("holes")).unwrap();
        // More pieces than a header has room for.
        for number in 0..40 {
            file.write_at(b"data", number * (1 << 20) + piece).unwrap();
        }
        let _ = std::fs::remove_file(at("link"));
        std::fs::hard_link(at(link), at("link")).unwrap();
        let names = ["holes", "other", "link", "text"];
        let flags = ["tar", "--sparse", "--mtime=@0", format, "-cf", "a"];
        made(directory.path(), &[&flags[..], &names].concat()).unwrap();
        std::fs::read(at("a")).unwrap()
    };
    for name in ["other", "text"] {
        std::fs::write(at(name), name).unwrap();
    }
    for format in ["--format=gnu", "--format=posix"] {
        let a = archive(0, "other", format);
        let text = shown(&a, &archive(8192, "other", format));
        assert!(text.contains("p > holes: "), "{format} {text}");
        assert!(!text.contains("cannot be read"), "{format} {text}");
        let text = shown(&a, &archive(0, "holes", format));
        assert!(text.contains("p > link: link other -> holes"), "{format} {text}");
    }
}

#[test]
fn extended_attributes_that_gnu_tar_kept_are_compared() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x");
    std::fs::write(&file, "text").unwrap();
    let archive = || {
        made(directory.path(), &["tar", "--xattrs", "--xattrs-include=*", "-cf", "a", "x"])
            .unwrap();
        std::fs::read(directory.path().join("a")).unwrap()
    };
    let a = archive();
    if rustix::fs::setxattr(&file, "user.note", b"kept", rustix::fs::XattrFlags::empty()).is_err() {
        return println!("skipped: the file system keeps no extended attributes");
    }
    let text = shown(&a, &archive());
    assert!(text.contains("p > x: attribute user.note none -> kept"), "{text}");
}

/// A package of one file, with and without capabilities, with another mode, with other contents.
#[test]
fn differences_of_packages_that_rpmbuild_made_are_named() {
    let package = |attributes: &str, text: &str, compressor: &str| {
        let directory = tempfile::tempdir().unwrap();
        let spec = format!(
            "Name: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n%install\n\
             mkdir -p %{{buildroot}}/usr/bin\nprintf '{text}\\n' > %{{buildroot}}/usr/bin/x\n\
             touch -d @0 %{{buildroot}}/usr/bin/x\n%files\n{attributes} /usr/bin/x\n"
        );
        std::fs::write(directory.path().join("x.spec"), spec).unwrap();
        let top = format!("_topdir {}", directory.path().display());
        let payload = format!("_binary_payload {compressor}");
        made(
            directory.path(),
            &[
                &["rpmbuild", "-bb", "--nodeps", "--define", &top, "--define", &payload][..],
                &["--define", "__os_install_post %{nil}", "--define", "_buildhost host"],
                &["--define", "use_source_date_epoch_as_buildtime 1", "x.spec"],
            ]
            .concat(),
        )?;
        Some(std::fs::read(directory.path().join("RPMS/noarch/x-1-1.noarch.rpm")).unwrap())
    };
    let plain = "%attr(755,root,root)";
    let Some(a) = package(plain, "text", "w9.gzdio") else { return };
    let caps = format!("%caps(cap_net_raw=ep) {plain}");
    for (attributes, text, compressor, wanted) in [
        (
            caps.as_str(),
            "text",
            "w9.gzdio",
            "payload > /usr/bin/x: capabilities none -> cap_net_raw=ep",
        ),
        ("%attr(700,root,root)", "text", "w9.gzdio", "payload > /usr/bin/x: mode 755 -> 700"),
        (
            "%attr(755,bin,root)",
            "text",
            "w9.gzdio",
            "payload > /usr/bin/x: owner root/root -> bin/root",
        ),
        (
            "%config %attr(755,root,root)",
            "text",
            "w9.gzdio",
            "payload > /usr/bin/x: flags none -> config",
        ),
        (plain, "other", "w9.gzdio", "payload > /usr/bin/x: text differs"),
        (plain, "text", "w9.xzdio", "header: payload compressor: text differs"),
        (plain, "text", "w9.bzdio", "header: payload compressor: text differs"),
        (plain, "text", "w9.lzdio", "header: payload compressor: text differs"),
        (plain, "text", "w9.zstdio", "header: payload compressor: text differs"),
    ] {
        let b = package(attributes, text, compressor).unwrap();
        let text = shown(&a, &b);
        assert!(text.contains(&format!("p > {wanted}")), "no `{wanted}` in {text}");
        assert!(!text.contains("cannot be read"), "{text}");
    }
}
