//! Kconfig texts and what is made of them: parse errors, values with their reasons, contradictions.

use snapbox::{IntoData, str};

use super::{Assignment, Because, Mode, Request, parse, parse_device_file, resolve};
use crate::mini;
use crate::tree::Tree;

fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().copied().collect()
}

/// What reading the text says.
fn check_parse(text: &str, expected: impl IntoData) {
    let (_, findings) = parse(&tree(&[("Kconfig", text)]), "Kconfig");
    snapbox::assert_data_eq!(mini::told(&findings), expected.into_data().raw());
}

/// Values of all symbols that are on, with the reason, or the findings. `asked` are `X` or `X=n`; what begins with `@`
/// meson passes.
fn check(mode: Mode, text: &str, asked: &[&str], expected: impl IntoData) {
    let (kconfig, findings) = parse(&tree(&[("Kconfig", text)]), "Kconfig");
    assert_eq!(findings, []);
    let assignment = |word: &&str| {
        let (symbol, value) = word.split_once('=').unwrap_or((*word, "y"));
        let symbol = symbol.trim_start_matches('@').to_owned();
        Assignment { symbol, value: value == "y", origin: None }
    };
    let (host, devices): (Vec<&str>, Vec<&str>) =
        asked.iter().copied().partition(|word| word.starts_with('@'));
    let request = Request {
        mode,
        devices: devices.iter().map(assignment).collect(),
        host: host.iter().map(assignment).collect(),
    };
    let shown = match resolve(&kconfig, &request) {
        (Some(resolution), findings) => {
            assert_eq!(findings, []);
            let line = |(name, because): (&String, &Because)| format!("{name}: {}\n", why(because));
            resolution.symbols.iter().map(line).collect()
        }
        (None, findings) => mini::told(&findings),
    };
    snapbox::assert_data_eq!(shown, expected.into_data().raw());
}

fn why(because: &Because) -> String {
    match because {
        Because::Asked(_) => "asked".to_owned(),
        Because::Host => "host".to_owned(),
        Because::Selected { by, line, .. } => format!("selected by {by} in line {line}"),
        Because::Implied { by, line, .. } => format!("implied by {by} in line {line}"),
        Because::Default { line, .. } => format!("default in line {line}"),
    }
}

const BUSES: &str = "config A\n    bool\n    select B if C\n    imply D if C\nconfig B\n    bool\nconfig C\n    bool\n\
                     config D\n    bool\nconfig E\n    bool\n    default y if B\nconfig F\n    bool\n    default n\n";

#[test]
fn every_value_knows_the_clause_that_set_it() {
    check(
        Mode::Default,
        BUSES,
        &["A", "@C"],
        str![[r#"
A: asked
B: selected by A in line 3
C: host
D: implied by A in line 4
E: default in line 13

"#]],
    );
    check(
        Mode::AllNo,
        BUSES,
        &["A", "@C"],
        str![[r#"
A: asked
B: selected by A in line 3
C: host

"#]],
    );
    // Nothing is selected where the condition does not hold.
    check(
        Mode::Default,
        BUSES,
        &["A"],
        str![[r#"
A: asked

"#]],
    );
}

#[test]
fn what_is_asked_for_goes_before_defaults() {
    let text =
        "config A\n    bool\n    default y\nconfig B\n    bool\n    default n\n    default y\n";
    check(
        Mode::Default,
        text,
        &["A=n", "B"],
        str![[r#"
B: asked

"#]],
    );
    check(
        Mode::Default,
        text,
        &[],
        str![[r#"
A: default in line 3

"#]],
    );
}

#[test]
fn negation_and_brackets_are_understood() {
    let text = "config A\n    bool\nconfig B\n    bool\n    default y if !(A || C) && !D\nconfig C\n    bool\nconfig D\n    bool\n";
    check(
        Mode::Default,
        text,
        &[],
        str![[r#"
B: default in line 5

"#]],
    );
    check(
        Mode::Default,
        text,
        &["C"],
        str![[r#"
C: asked

"#]],
    );
    check(
        Mode::Default,
        text,
        &["D"],
        str![[r#"
D: asked

"#]],
    );
}

#[test]
fn a_contradiction_shows_its_clauses_in_their_own_words() {
    let text = "config A\n    bool\n    select B\nconfig B\n    bool\nconfig C\n    bool\n    depends on A && !B\n    default y\n";
    check(
        Mode::AllNo,
        text,
        &["A", "B=n"],
        str![[r#"
error kconfig::contradiction: contradiction between clauses when setting B
  at :0 CONFIG_B=n
  at Kconfig:3 config A select B

"#]],
    );
    check(
        Mode::AllNo,
        text,
        &["A", "C"],
        str![[r#"
error kconfig::contradiction: contradiction between clauses when setting C
  at :0 CONFIG_C=y
  at Kconfig:8 config C depends on (A && !B)

"#]],
    );
    check(
        Mode::AllNo,
        text,
        &["A=n", "C"],
        str![[r#"
error kconfig::contradiction: contradiction between clauses when setting C
  at :0 CONFIG_C=y
  at Kconfig:8 config C depends on (A && !B)
  help C needs A, which nothing selects: turn it on, or drop C

"#]],
    );
    let guarded = "config A\n    bool\n    select B if D\nconfig B\n    bool\n    depends on C\nconfig C\n    bool\nconfig D\n    bool\n";
    check(
        Mode::AllNo,
        guarded,
        &["A", "D"],
        str![[r#"
error kconfig::contradiction: contradiction between clauses when setting B
  at Kconfig:3 config A select B if (D && A)
  at Kconfig:6 config B depends on C
  help B needs C, which nothing selects: turn it on, or drop B

"#]],
    );
}

#[test]
fn a_cycle_names_a_symbol_of_it() {
    let text = "config A\n    bool\n    default y if B\nconfig B\n    bool\n    default y if A\n";
    check(
        Mode::Default,
        text,
        &[],
        str![[r#"
error kconfig::cycle: cycle found including B

"#]],
    );
}

#[test]
fn texts_that_are_no_kconfig_are_refused_in_their_line() {
    check_parse(
        "config\n",
        str![[r#"
error kconfig::syntax: expected identifier
  at Kconfig:2

"#]],
    );
    check_parse(
        "config A\n    bool\n    depends A\n",
        str![[r#"
error kconfig::syntax: expected "on"
  at Kconfig:3

"#]],
    );
    check_parse(
        "config A\n    depends on\n",
        str![[r#"
error kconfig::syntax: expected "!" or "(" or identifier
  at Kconfig:3

"#]],
    );
    check_parse(
        "config A\n    depends on (B\n",
        str![[r#"
error kconfig::syntax: expected ")"
  at Kconfig:3

"#]],
    );
    check_parse(
        "config A\n    depends on B & C\n",
        str![[r#"
error kconfig::syntax: invalid input
  at Kconfig:2

"#]],
    );
    check_parse(
        "config A\n    default maybe\n",
        str![[r#"
error kconfig::syntax: expected "y" or "n"
  at Kconfig:2

"#]],
    );
    check_parse(
        "config A\n    select y\n",
        str![[r#"
error kconfig::syntax: expected identifier
  at Kconfig:2

"#]],
    );
    check_parse(
        "config A\n    imply =\n",
        str![[r#"
error kconfig::syntax: expected identifier
  at Kconfig:2

"#]],
    );
    check_parse(
        "bool\n",
        str![[r#"
error kconfig::syntax: expected "source", "config" or identifier
  at Kconfig:1

"#]],
    );
    check_parse(
        "A=y\n",
        str![[r#"
error kconfig::syntax: expected an identifier that starts with "CONFIG_"
  at Kconfig:1

"#]],
    );
    check_parse(
        "CONFIG_A y\n",
        str![[r#"
error kconfig::syntax: expected "="
  at Kconfig:1

"#]],
    );
    check_parse(
        "CONFIG_A=2\n",
        str![[r#"
error kconfig::syntax: expected "y" or "n"
  at Kconfig:1

"#]],
    );
    check_parse(
        "config A\n    bool )\n",
        str![[r#"
error kconfig::syntax: expected "source", "config", identifier, "default", "depends on", "imply" or "select"
  at Kconfig:2

"#]],
    );
    check_parse(
        &format!("config A\n    depends on {}B\n", "!".repeat(100)),
        str![[r#"
error kconfig::syntax: expression nested too deeply
  at Kconfig:2

"#]],
    );
    check_parse("# a comment\n\nconfig A\n    bool\n", str![]);
}

#[test]
fn files_are_sourced_from_where_they_stand_and_once() {
    let told = |files: &[(&str, &str)]| mini::told(&parse(&tree(files), "Kconfig").1);
    let mut out = String::new();
    out += &told(&[
        ("Kconfig", "source a/Kconfig\nsource a/Kconfig\n"),
        ("a/Kconfig", "source ../b\n"),
        ("b", "config B\n"),
    ]);
    out += &told(&[("Kconfig", "\nsource a/Kconfig\n"), ("a/Kconfig", "source ../nothing\n")]);
    out += &told(&[("Kconfig", "source a\n"), ("a", "source b\n"), ("b", "\n\nsource a\n")]);
    out += &told(&[]);
    snapbox::assert_data_eq!(
        out,
        str![[r#"
error kconfig::missing-file: no file `nothing` in the tree
  at a/Kconfig:1 sourced here
error kconfig::syntax: inclusion loop for `a`
  at b:3
error kconfig::missing-file: no file `Kconfig` in the tree

"#]]
        .into_data()
        .raw()
    );
    let twice = tree(&[("Kconfig", "source a\nsource a\n"), ("a", "CONFIG_A=y\n")]);
    assert_eq!(parse(&twice, "Kconfig").0.clauses().len(), 1);
    let mut odd = tree(&[("Kconfig", "source odd\n")]);
    odd.insert("odd", b"config \xff".to_vec());
    snapbox::assert_data_eq!(
        mini::told(&parse(&odd, "Kconfig").1),
        str![[r#"
error kconfig::syntax: `odd` is not UTF-8
  at odd:1

"#]]
        .into_data()
        .raw()
    );
}

#[test]
fn device_files_are_assignments_with_their_place() {
    let files =
        [("d.mak", "# devices\ninclude more.mak\nCONFIG_A=y\n"), ("more.mak", "CONFIG_B=n\n")];
    let (assignments, findings) = parse_device_file(&tree(&files), "d.mak");
    assert_eq!(findings, []);
    let line = |assignment: &Assignment| {
        let origin = assignment.origin.as_ref().unwrap();
        format!("{}={} {}:{}\n", assignment.symbol, assignment.value, origin.file, origin.line)
    };
    let shown: String = assignments.iter().map(line).collect();
    snapbox::assert_data_eq!(
        shown,
        str![[r#"
B=false more.mak:1
A=true d.mak:3

"#]]
        .into_data()
        .raw()
    );
}

#[test]
fn chains_lead_from_a_symbol_to_what_was_asked() {
    let text =
        "config A\n    bool\n    select B\nconfig B\n    bool\n    select C\nconfig C\n    bool\n";
    let (kconfig, _) = parse(&tree(&[("Kconfig", text)]), "Kconfig");
    let asked = Assignment { symbol: "A".to_owned(), value: true, origin: None };
    let request = Request { mode: Mode::AllNo, devices: vec![asked], host: Vec::new() };
    let resolution = resolve(&kconfig, &request).0.unwrap();
    let chain: Vec<String> = resolution
        .chain("C")
        .iter()
        .map(|(name, because)| format!("{name} {}", why(because)))
        .collect();
    snapbox::assert_data_eq!(
        chain.join("; "),
        str!["C selected by B in line 6; B selected by A in line 3; A asked"].into_data().raw()
    );
    assert_eq!(resolution.chain("D"), []);
}
