//! Differences between ELF files, named down to section, string and function, on programs compiled here.

use std::path::Path;
use std::process::Command;

use quench::compare::{Context, compare, human};

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
