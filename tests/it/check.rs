//! Profiles with faults, inheritance, help and exit codes.

use crate::sandbox::{Sandbox, tree};

const FAULTY: &str = r#"schema = 1
name = "faulty"

[qemu]
series = "10.0"
source = { apt = "qemu", suite = "trixie" }
colour = "red"

[target]
arch = "x86_64"
machines = ["q35"]
accelerators = ["kvm"]

[devices]
allow = ["virtio-blk-pci", "virtio-net", "virtio-blk-pci", "virtio-rng-pci"]
deny = ["virtio-rng-pci"]

[features]
enable = "vhost-net"
"#;

#[test]
fn five_faults_are_reported_in_one_run_with_place_and_suggestion() {
    let sandbox = Sandbox::new();
    sandbox.write("faulty.toml", FAULTY);
    let Some(tree) = tree("10.0") else {
        // Without a tree the four faults that the text shows.
        let ran = sandbox.quench(&["check", "--text-only", "faulty.toml"]);
        assert_eq!(ran.code, 2);
        for place in
            ["faulty.toml:7:1", "faulty.toml:15:42", "faulty.toml:16:9", "faulty.toml:19:10"]
        {
            assert!(ran.stderr.contains(place), "no {place} in:\n{}", ran.stderr);
        }
        return;
    };
    let ran = sandbox.quench(&["check", "faulty.toml", "--source", tree.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for (code, place) in [
        ("profile::unknown-key", "faulty.toml:7:1"),
        ("profile::duplicate", "faulty.toml:15:42"),
        ("profile::contradiction", "faulty.toml:16:9"),
        ("profile::wrong-type", "faulty.toml:19:10"),
        ("profile::unknown-device", "faulty.toml:15:28"),
    ] {
        assert!(ran.stderr.contains(code), "no {code} in:\n{}", ran.stderr);
        assert!(ran.stderr.contains(place), "no {place} for {code} in:\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("did you mean `virtio-net-pci`?"), "{}", ran.stderr);
}

#[test]
fn findings_as_json_lines_have_schema_line_and_column() {
    let sandbox = Sandbox::new();
    sandbox.write("faulty.toml", FAULTY);
    let ran = sandbox.quench(&["check", "--text-only", "--format", "json", "faulty.toml"]);
    let first: serde_json::Value =
        serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["schema"], "quench.finding/1");
    assert!(first["labels"][0]["line"].as_u64().unwrap() > 0);
}

/// Python's reader knows TOML 1.0 and shares no line with ours.
#[test]
fn what_expanded_prints_is_toml_for_others_whatever_the_texts_and_names_are() {
    let sandbox = Sandbox::new();
    let summary = "e\u{301} \u{1f469}\u{200d}\u{1f52c} \u{7f}\u{1b}\u{0}\u{85} \"\"\" ''' \\u{301} # = [x]\n[qemu]\n\t\u{202e}";
    let escaped: String = summary.chars().fold(String::new(), |mut text, c| {
        text.push_str(&format!("\\U{:08X}", u32::from(c)));
        text
    });
    let text = format!(
        "schema = 1\nname = \"hard\"\nsummary = \"{escaped}\"\nextends = [\"cloud-virtio\"]\n"
    );
    // The name of the file stands in comments.
    let name = "a\n\"b\u{7f}.toml";
    sandbox.write(name, text);
    let ran = sandbox.quench(&["check", "--text-only", "--expanded", name]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    sandbox.write("expanded.toml", &ran.stdout);
    let again = sandbox.quench(&["check", "--text-only", "--expanded", "expanded.toml"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    let program =
        "import json, tomllib; print(json.dumps(tomllib.load(open('expanded.toml', 'rb'))))";
    let python = std::process::Command::new("python3")
        .args(["-c", program])
        .current_dir(sandbox.path())
        .output();
    let Ok(python) = python else { return println!("skipped: no python3") };
    let complaint = String::from_utf8_lossy(&python.stderr).into_owned();
    if complaint.contains("No module named 'tomllib'") {
        return println!("skipped: a python3 before 3.11");
    }
    let read: serde_json::Value = serde_json::from_slice(&python.stdout).expect(&complaint);
    assert_eq!(read["summary"], summary);
    assert_eq!(read["qemu"]["source"]["apt"], "qemu");
}

#[test]
fn a_child_inherits_adds_and_denies_and_expanded_names_each_origin() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "child.toml",
        "schema = 1\nname = \"child\"\nextends = [\"cloud-virtio\"]\n[devices]\nallow = [\"virtio-mem-pci\"]\n\
         deny = [\"virtio-rng-pci\"]\n",
    );
    let ran = sandbox.quench(&["check", "--text-only", "--expanded", "child.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("\"virtio-mem-pci\",  # child.toml:5:10"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\"virtio-blk-pci\",  # cloud-virtio.toml:"), "{}", ran.stdout);
    // It stays denied, for who extends this one, and is allowed nowhere.
    assert!(
        ran.stdout.contains("deny = [\n  \"virtio-rng-pci\",  # child.toml:6:9"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stdout.matches("virtio-rng-pci").count(), 1, "{}", ran.stdout);
    assert!(
        ran.stdout.contains("prefix = \"/usr/lib/qemu-child\"  # default of package.prefix"),
        "{}",
        ran.stdout
    );
    // What is printed is a profile again.
    sandbox.write("expanded.toml", &ran.stdout);
    assert_eq!(sandbox.quench(&["check", "--text-only", "expanded.toml"]).code, 0);
}

#[test]
fn a_profile_that_extends_itself_and_one_with_a_missing_parent_are_findings() {
    let sandbox = Sandbox::new();
    sandbox.write("a.toml", "schema = 1\nname = \"a\"\nextends = [\"b\"]\n");
    sandbox.write("b.toml", "schema = 1\nname = \"b\"\nextends = [\"a\"]\n");
    sandbox.write("c.toml", "schema = 1\nname = \"c\"\nextends = [\"nobody\"]\n");
    let ran = sandbox.quench(&["check", "--text-only", "a.toml", "c.toml"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("extends itself") && ran.stderr.contains("no profile named `nobody`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_profile_s_name_leads_out_of_no_directory() {
    let sandbox = Sandbox::new();
    for name in ["../x", "a/b", "My profile", "", "-x"] {
        let text = format!("schema = 1\nname = {name:?}\nextends = [\"cloud-virtio\"]\n");
        sandbox.write("p.toml", text);
        let ran = sandbox.quench(&["check", "--text-only", "p.toml"]);
        assert!(
            ran.code == 2 && ran.stderr.contains("profile::bad-value"),
            "{name}: {}",
            ran.stderr
        );
    }
}

#[test]
fn passthrough_needs_an_acknowledgement() {
    let sandbox = Sandbox::new();
    let text = "schema = 1\nname = \"p\"\nextends = [\"cloud-virtio\"]\n[devices]\nallow = [\"vfio-pci\"]\n";
    sandbox.write("p.toml", text);
    assert_eq!(sandbox.quench(&["check", "--text-only", "p.toml"]).code, 2);
    sandbox.write("p.toml", format!("{text}[passthrough]\nacknowledge = \"a GPU node\"\n"));
    assert_eq!(sandbox.quench(&["check", "--text-only", "p.toml"]).code, 0);
}

#[test]
fn bad_usage_is_exit_2_and_help_is_exit_0() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.quench(&["no-such-verb"]).code, 2);
    assert_eq!(sandbox.quench(&["check", "no-such-profile"]).code, 2);
    for verb in quench::cli::command().get_subcommands() {
        let ran = sandbox.quench(&[verb.get_name(), "--help"]);
        assert!(ran.code == 0 && !ran.stdout.is_empty(), "{}: {}", verb.get_name(), ran.stderr);
    }
}

#[test]
fn codes_of_findings_are_unique_and_explained() {
    let codes = quench::codes::codes();
    let mut names: Vec<&str> = codes.iter().map(|code| code.name).collect();
    names.dedup();
    assert_eq!(names.len(), codes.len());
    for code in codes {
        assert!(
            code.name.contains("::") && !code.summary.is_empty() && code.explain.len() > 20,
            "{}",
            code.name
        );
        let ran = Sandbox::new().quench(&["explain", code.name]);
        assert!(ran.code == 0 && ran.stdout.contains(code.summary));
    }
}

#[test]
fn rules_are_explained_without_a_profile_or_a_tree() {
    let sandbox = Sandbox::new();
    for rule in quench::verify::rule_infos() {
        let ran = sandbox.quench(&["explain", rule.name]);
        assert!(
            ran.code == 0 && ran.stdout.starts_with(&format!("{}: ", rule.name)),
            "{}",
            rule.name
        );
        assert_eq!(sandbox.quench(&["explain", &format!("rule/{}", rule.name)]).stdout, ran.stdout);
    }
    let both = sandbox.quench(&["explain", "relro", "verify::limit"]);
    assert!(both.code == 0 && both.stdout.contains("\nverify::limit: "), "{}", both.stdout);
    let ran = sandbox.quench(&["explain", "reelro"]);
    assert!(ran.code == 2 && ran.stderr.contains("no rule and no finding code"), "{}", ran.stderr);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_profile_reader_panic(text in "(?s).{0,200}") {
        let _ = quench::profile::load("x.toml", &text, &|_| None.into());
    }

    #[test]
    fn no_change_to_a_profile_makes_the_reader_panic(at in 0_usize..500, with in "(?s).{0,12}") {
        let mut text = FAULTY.to_owned();
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, &with);
        let _ = quench::profile::load("x.toml", &text, &|_| None.into());
    }
}

/// A whole profile of which a test changes lines.
fn profile(changes: &[(&str, &str)]) -> String {
    let whole = "schema = 1\nname = \"whole\"\n[qemu]\nseries = \"10.0\"\nsource = { path = \"nowhere\" }\n[target]\n\
                 arch = \"x86_64\"\nmachines = [\"q35\"]\naccelerators = [\"kvm\"]\n[devices]\nallow = [\"virtio-net-pci\"]\n";
    changes.iter().fold(whole.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

#[test]
fn faults_of_the_text_come_before_one_of_the_source() {
    let sandbox = Sandbox::new();
    sandbox.write("good.toml", profile(&[]));
    let ran = sandbox.quench(&["check", "good.toml"]);
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
    assert!(ran.stderr.contains("good.toml:5:10 (qemu.source)"), "{}", ran.stderr);
    sandbox.write("bad.toml", profile(&[("[\"q35\"]", "[q35]"), ("[\"kvm\"]", "[\"kvn\"]")]));
    let ran = sandbox.quench(&["check", "bad.toml"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for place in ["bad.toml:8:13", "bad.toml:9:17"] {
        assert!(ran.stderr.contains(place), "no {place} in:\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("names were not checked"), "{}", ran.stderr);
}

#[test]
fn one_fault_gets_one_message() {
    let sandbox = Sandbox::new();
    for change in [
        ("\"x86_64\"", "\"amd64\""),
        ("\"x86_64\"", "64"),
        ("\"10.0\"", "10.0"),
        ("[\"kvm\"]", "[\"hax\"]"),
        ("[\"q35\"]", "\"q35\""),
        ("{ path = \"nowhere\" }", "{ suite = \"sid\" }"),
        ("\"whole\"", "\"a/b\""),
        ("arch =", "arch"),
    ] {
        sandbox.write("one.toml", profile(&[change]));
        let ran = sandbox.quench(&["check", "--text-only", "one.toml"]);
        assert_eq!(ran.code, 2, "{change:?}");
        assert_eq!(ran.stderr.matches("error[").count(), 1, "{change:?}\n{}", ran.stderr);
    }
}

#[test]
fn parents_have_names_and_paths_and_a_wrong_one_a_suggestion() {
    let sandbox = Sandbox::new();
    let with = |parent: &str| {
        let extends = format!("name = \"whole\"\nextends = [\"{parent}\"]");
        sandbox.write("child.toml", profile(&[("name = \"whole\"", &extends)]));
        sandbox.quench(&["check", "--text-only", "child.toml"])
    };
    sandbox.write("parent.toml", "schema = 1\n");
    sandbox.write("below/parent.toml", "schema = 1\n");
    let absolute = sandbox.path().join("below/parent.toml");
    let good = ["parent", "parent.toml", "./parent.toml", "below/parent", "below/parent.toml"];
    for parent in good.into_iter().chain([absolute.to_str().unwrap()]) {
        let ran = with(parent);
        assert_eq!(ran.code, 0, "{parent}: {}", ran.stderr);
    }
    for (parent, says) in [
        ("cloud-virtoi", "did you mean `cloud-virtio`?"),
        ("parnt", "did you mean `parent`?"),
        ("nothing-like-it-at-all", "cloud-virtio"),
        ("./child.toml", "extends itself"),
    ] {
        let ran = with(parent);
        assert_eq!(ran.code, 2, "{parent}");
        assert!(ran.stderr.contains(says), "{parent}: {}", ran.stderr);
    }
    for number in 0..40 {
        let text = format!("schema = 1\nextends = [\"p{}\"]\n", number + 1);
        sandbox.write(&format!("p{number}.toml"), &text);
    }
    sandbox.write("p40.toml", "schema = 1\n");
    let ran = with("p0");
    assert!(ran.stderr.contains("one parent too many"), "{}", ran.stderr);
    assert!(
        sandbox.quench(&["check", "clould-virtio"]).stderr.contains("did you mean `cloud-virtio`?")
    );
}

#[test]
fn ten_thousand_faults_are_counted_and_a_hundred_are_shown() {
    let sandbox = Sandbox::new();
    let mini = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tree/mini");
    let names = |separator: &str, same: bool| {
        let names = (0..10_000).map(|index| format!("\"dev-{}\"", if same { 0 } else { index }));
        format!("[{separator}{}]", names.collect::<Vec<_>>().join(&format!(",{separator}")))
    };
    for (list, faults) in
        [(names("\n", false), 10_000), (names(" ", false), 10_000), (names("\n", true), 9_999 + 1)]
    {
        sandbox.write("many.toml", profile(&[("[\"virtio-net-pci\"]", &list)]));
        let arguments = ["check", "many.toml", "--source", mini];
        let ran = sandbox.quench(&arguments);
        assert_eq!(ran.code, 2);
        assert_eq!(ran.stderr.matches("error[").count(), 100);
        assert!(ran.stderr.contains("and 9,900 more"), "{}", ran.stderr);
        let json = sandbox.quench(&[&arguments[..], &["--format", "json"]].concat());
        assert_eq!(json.stdout.lines().count(), faults);
        assert!(json.stdout.lines().all(|line| line.contains("\"line\":")));
    }
}

#[test]
fn standard_input_is_a_profile() {
    let sandbox = Sandbox::new();
    let ran = sandbox.quench_with_input(&["check", "--text-only", "-"], &profile(&[]));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let wrong = profile(&[("\"x86_64\"", "\"amd64\"")]);
    let ran = sandbox.quench_with_input(&["check", "--text-only", "-"], &wrong);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("<stdin>:7:8"), "{}", ran.stderr);
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    let mini = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tree/mini");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/elf/hardened");
    sandbox.write("bad.toml", profile(&[("\"x86_64\"", "\"amd64\"")]));
    for arguments in [
        &["devices", "--source", mini][..],
        &["machines", "--source", mini, "--format", "json"],
        &["explain", "relro"],
        &["completions", "bash"],
        &["check", "--text-only", "--format", "json", "bad.toml"],
        &["verify", file],
    ] {
        let ran = sandbox.quench_to("/dev/full", arguments);
        assert_eq!(ran.code, 4, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("No space left"), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn messages_show_no_password_and_obey_nothing() {
    let sandbox = Sandbox::new();
    let ran = sandbox.quench(&["check", "https://me:S3cret@host/a\u{1b}[31m"]);
    assert!(!ran.stderr.contains("S3cret") && ran.stderr.contains("me:***@host"), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\u{1b}') && ran.stderr.contains("\\u{1b}[31m"), "{}", ran.stderr);
}
