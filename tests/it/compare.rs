//! Differences between ELF files, named down to section, string and function, on programs compiled here.

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
