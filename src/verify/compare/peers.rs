//! The other checkers: how each is called and what its output means in terms of our rules. Pure.

use super::{Answer, Says};

/// A checker that may be installed.
#[derive(Debug)]
pub struct Peer {
    pub name: &'static str,
    /// Asks its version; empty where it cannot be asked.
    pub version: &'static [&'static str],
    /// Words before the files.
    pub arguments: &'static [&'static str],
    /// It takes a file that lists the files, after these arguments.
    pub list: bool,
    pub parse: fn(&str) -> Vec<Answer>,
}

/// Every peer `--compare` knows.
pub static PEERS: &[Peer] = &[
    Peer {
        name: "checksec",
        version: &["--version"],
        arguments: &["--format=csv", "--listfile="],
        list: true,
        parse: checksec,
    },
    Peer {
        name: "hardening-check",
        version: &[],
        arguments: &[],
        list: false,
        parse: hardening_check,
    },
    Peer {
        name: "annocheck",
        version: &["--version"],
        arguments: &["--skip-all-future", "--verbose"],
        list: false,
        parse: annocheck,
    },
    Peer {
        name: "scanelf",
        version: &["--version"],
        arguments: &["-BCF", "%e|%t|%r|%b|%F"],
        list: false,
        parse: scanelf,
    },
];

fn answer(file: &str, rule: &'static str, says: Says, text: &str) -> Answer {
    Answer { file: file.to_owned(), rule, says, text: text.to_owned() }
}

/// The first pattern the text begins with.
fn begins(text: &str, patterns: &[(&str, Says)]) -> Option<Says> {
    patterns.iter().find(|(start, _)| text.starts_with(start)).map(|(_, says)| *says)
}

/// checksec 2: one CSV line a file, the path last. Version 3 prints none of these words, so nothing is read from it.
fn checksec(output: &str) -> Vec<Answer> {
    use Says::{No, NotApplicable, Partial, Yes};
    type Column = (&'static str, &'static [(&'static str, Says)]);
    const COLUMNS: [Column; 8] = [
        ("relro", &[("Full RELRO", Yes), ("Partial RELRO", Partial), ("No RELRO", No)]),
        ("stack-protector", &[("Canary found", Yes), ("No Canary", No)]),
        ("stack", &[("NX enabled", Yes), ("NX disabled", No)]),
        (
            "pie",
            &[("PIE enabled", Yes), ("No PIE", No), ("DSO", NotApplicable), ("REL", NotApplicable)],
        ),
        ("rpath", &[("No RPATH", Yes), ("RPATH", No), ("RW-RPATH", No)]),
        ("rpath", &[("No RUNPATH", Yes), ("RUNPATH", No), ("RW-RUNPATH", No)]),
        ("", &[]),
        ("fortify", &[("Yes", Yes), ("No", No), ("N/A", NotApplicable)]),
    ];
    let mut out = Vec::new();
    for line in output.lines() {
        let fields: Vec<&str> = line.splitn(11, ',').collect();
        let Some(file) = fields.get(10) else { continue };
        for ((rule, words), text) in COLUMNS.iter().zip(&fields) {
            if let Some(says) = begins(text, words) {
                out.push(answer(file, rule, says, text));
            }
        }
        // RPATH and RUNPATH are one rule of ours: a file with one of them has one.
        merge_paths(&mut out, file);
    }
    out
}

fn merge_paths(out: &mut Vec<Answer>, file: &str) {
    let is_path = |answer: &Answer| answer.rule == "rpath" && answer.file == file;
    if out.iter().any(|answer| is_path(answer) && answer.says == Says::No) {
        out.retain(|answer| !is_path(answer) || answer.says == Says::No);
    }
    let mut first = true;
    out.retain(|answer| !is_path(answer) || std::mem::take(&mut first));
}

/// devscripts: a paragraph a file.
fn hardening_check(output: &str) -> Vec<Answer> {
    use Says::{No, NotApplicable, Unknown, Yes};
    let mut out = Vec::new();
    let mut file = "";
    for line in output.lines() {
        let Some(line) = line.strip_prefix(' ') else {
            file = line.strip_suffix(':').unwrap_or(line);
            continue;
        };
        let Some((check, text)) = line.split_once(": ") else { continue };
        let rule = match check {
            "Position Independent Executable" => "pie",
            "Stack protected" => "stack-protector",
            "Fortify Source functions" => "fortify",
            "Read-only relocations" => "relro",
            "Immediate binding" => "bind-now",
            "Stack clash protection" => "stack-clash",
            "Control flow integrity" => "branch-targets",
            _ => continue,
        };
        let words = [
            ("no, regular shared library", NotApplicable),
            ("no, object archive", NotApplicable),
            ("no", No),
            ("yes", Yes),
            ("unknown", Unknown),
        ];
        if let Some(says) = begins(text, &words) {
            out.push(answer(file, rule, says, text));
        }
    }
    out
}

/// annobin: `Hardened: FILE: PASS: bind-now test`, with a reason after `because` otherwise.
fn annocheck(output: &str) -> Vec<Answer> {
    let mut out = Vec::new();
    for line in output.lines() {
        let Some(rest) = line.strip_prefix("Hardened: ") else { continue };
        let states = [
            (": PASS: ", Says::Yes),
            (": FAIL: ", Says::No),
            (": MAYB: ", Says::Unknown),
            (": skip: ", Says::NotApplicable),
        ];
        let found = states
            .iter()
            .find_map(|(mark, says)| rest.split_once(mark).map(|(file, text)| (file, *says, text)));
        let Some((file, says, text)) = found else { continue };
        let rule = match text.split_whitespace().next() {
            Some("bind-now") => "bind-now",
            Some("gnu-relro") => "relro",
            Some("gnu-stack") => "stack",
            Some("pie") => "pie",
            Some("textrel") => "textrel",
            Some("run-path") => "rpath",
            Some("rwx-seg") => "wx",
            Some("stack-prot") => "stack-protector",
            Some("fortify") => "fortify",
            Some("stack-clash") => "stack-clash",
            Some("cf-protection" | "branch-protection") => "branch-targets",
            _ => continue,
        };
        out.push(answer(file, rule, says, text.trim()));
    }
    out
}

/// pax-utils, called with a format of ours: `STK REL PTL|TEXTREL|RPATH|BIND|FILE`.
fn scanelf(output: &str) -> Vec<Answer> {
    let mut out = Vec::new();
    for line in output.lines() {
        let fields: Vec<&str> = line.splitn(5, '|').map(str::trim).collect();
        let [permissions, textrel, rpath, bind, file] = fields.as_slice() else { continue };
        let permissions: Vec<&str> = permissions.split_whitespace().collect();
        if let [stack, _, load] = permissions.as_slice() {
            let stack_says = match *stack {
                "---" | "!!!" => Says::Unknown,
                flags if flags.contains('X') => Says::No,
                _ => Says::Yes,
            };
            out.push(answer(file, "stack", stack_says, stack));
            let both = load.contains('W') && load.contains('X');
            let load_says = match *load {
                "---" => Says::NotApplicable,
                _ if both => Says::No,
                _ => Says::Yes,
            };
            out.push(answer(file, "wx", load_says, load));
        }
        let textrel_says = if *textrel == "-" { Says::Yes } else { Says::No };
        out.push(answer(file, "textrel", textrel_says, textrel));
        let rpath_says = if *rpath == "-" { Says::Yes } else { Says::No };
        out.push(answer(file, "rpath", rpath_says, rpath));
        match *bind {
            "NOW" => out.push(answer(file, "bind-now", Says::Yes, bind)),
            "LAZY" => out.push(answer(file, "bind-now", Says::No, bind)),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answers: &[Answer]) -> Vec<String> {
        answers
            .iter()
            .map(|answer| format!("{} {} {}", answer.file, answer.rule, answer.says.name()))
            .collect()
    }

    #[test]
    fn outputs_of_the_real_tools_are_read() {
        let line = "Partial RELRO,Canary found,NX enabled,DSO,No RPATH,RUNPATH,No Symbols,N/A,0,0,/lib/a,b.so\n\n";
        assert_eq!(
            said(&checksec(line)),
            [
                "/lib/a,b.so relro partial",
                "/lib/a,b.so stack-protector yes",
                "/lib/a,b.so stack yes",
                "/lib/a,b.so pie not applicable",
                "/lib/a,b.so rpath no",
                "/lib/a,b.so fortify not applicable",
            ]
        );
        let text = "/usr/sbin/x:\n Position Independent Executable: no, regular shared library (ignored)\n Stack clash \
                    protection: unknown, no -fstack-clash-protection instructions found\n Control flow integrity: no, \
                    not found!\n";
        assert_eq!(
            said(&hardening_check(text)),
            [
                "/usr/sbin/x pie not applicable",
                "/usr/sbin/x stack-clash unknown",
                "/usr/sbin/x branch-targets no",
            ]
        );
        let text = "annocheck: Version 12.70.\nHardened: x: PASS: bind-now test \nHardened: x: FAIL: pie test because not \
                    built with '-Wl,-pie'\nHardened: x: MAYB: stack-prot test because no notes found\nHardened: x: \
                    Overall: FAIL.\n";
        assert_eq!(
            said(&annocheck(text)),
            ["x bind-now yes", "x pie no", "x stack-protector unknown"]
        );
        let text = "RW- R-- RWX|   -   |  -  |LAZY|/usr/bin/x\n--- --- ---|   -   |  -  ||x.o\nRWX R-- RW-|TEXTREL|/tmp|NOW|y\n";
        assert_eq!(
            said(&scanelf(text)),
            [
                "/usr/bin/x stack yes",
                "/usr/bin/x wx no",
                "/usr/bin/x textrel yes",
                "/usr/bin/x rpath yes",
                "/usr/bin/x bind-now no",
                "x.o stack unknown",
                "x.o wx not applicable",
                "x.o textrel yes",
                "x.o rpath yes",
                "y stack no",
                "y wx yes",
                "y textrel no",
                "y rpath no",
                "y bind-now yes",
            ]
        );
    }
}
