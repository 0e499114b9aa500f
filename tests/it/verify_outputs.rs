//! What the verifier writes: SARIF, JUnit and Markdown, and names of files that could break them.

use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::verify_package::{HARDENED, LAZY, WAIVER, compile, json, mode, policy, verdicts};

#[test]
fn sarif_is_valid_and_says_what_the_verdict_says() {
    let sandbox = Sandbox::new();
    compile(&sandbox, "d/lazy", LAZY);
    compile(&sandbox, "d/good", HARDENED);
    let writable = sandbox.write("d/a b<&>\"é.txt", "text");
    mode(&writable, 0o666);
    sandbox.write("d/cut", b"\x7fELF");
    let waiver = WAIVER.split_inclusive("2027-06-30\n").next().unwrap();
    let unused = waiver.replace("bind-now", "wx").replace("**/lazy", "/nowhere");
    let own = policy(&sandbox, &format!("{waiver}{unused}"));
    let ran = sandbox.quench(&[
        "verify",
        "d",
        "--policy",
        &own,
        "--date",
        "2027-01-01",
        "--format",
        "sarif",
        "--write",
        "json=v.json",
    ]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let log = json(&ran);
    let schema = include_str!("../data/schemas/sarif-2.1.0.json");
    // One of the standard's own patterns has a bracket too many, which strict readers of patterns refuse.
    let schema = schema.replace("{2}]?$", "{2}?$");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<String> = validator.iter_errors(&log).map(|error| error.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}");
    // A validator that accepts anything would prove nothing.
    let mut broken = log.clone();
    broken["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(!validator.is_valid(&broken));

    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    let mut prints = std::collections::BTreeSet::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(prints.insert(result["partialFingerprints"].to_string()), "twice: {result}");
        assert!(result["kind"] == "fail" || result["level"] == "none", "{result}");
    }
    let find = |rule: &str, file: &str| {
        let is = |result: &&Value| {
            let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
            result["ruleId"] == rule && uri.as_str().is_some_and(|uri| uri.contains(file))
        };
        results.iter().find(is).unwrap_or_else(|| panic!("no {rule} of {file}"))
    };
    assert_eq!(find("relro", "d/lazy")["level"], "error");
    assert_eq!(find("relro", "d/lazy")["suppressions"], serde_json::json!([]));
    let waived = &find("bind-now", "d/lazy")["suppressions"][0];
    assert_eq!(waived["justification"], "a plugin host (until 2027-06-30)");
    assert_eq!(find("world-writable", "d/a%20b%3C%26%3E%22%C3%A9.txt")["level"], "error");
    assert_eq!(find("readable", "d/cut")["level"], "error");
    let unused = find("policy::waiver-unused", "own.toml");
    let region = &unused["locations"][0]["physicalLocation"]["region"];
    assert_eq!(region["startLine"], 9, "{unused}");
    // One result for each verdict that objects, warns or is waived.
    let written = std::fs::read_to_string(sandbox.path().join("v.json")).unwrap();
    let value: Value = serde_json::from_str(&written).unwrap();
    let counted = verdicts(&value).iter().filter(|(.., outcome)| outcome != "fine").count();
    let of_rules = results.iter().filter(|result| {
        result["kind"] == "fail" && !result["ruleId"].as_str().unwrap().contains("::")
    });
    assert_eq!(of_rules.count(), counted);
}

#[test]
fn junit_is_well_formed_and_its_counts_are_those_of_its_cases() {
    let sandbox = Sandbox::new();
    compile(&sandbox, "d/la<z>&\"y", LAZY);
    compile(&sandbox, "d/lazy", LAZY);
    let own = policy(&sandbox, WAIVER);
    let ran = sandbox.quench(&[
        "verify",
        "d",
        "--policy",
        &own,
        "--date",
        "2027-01-01",
        "--format",
        "junit",
    ]);
    let document = roxmltree::Document::parse(&ran.stdout).unwrap();
    let root = document.root_element();
    let count = |name: &str| root.descendants().filter(|node| node.has_tag_name(name)).count();
    for (attribute, tag) in [
        ("tests", "testcase"),
        ("failures", "failure"),
        ("skipped", "skipped"),
        ("errors", "error"),
    ] {
        assert_eq!(root.attribute(attribute).unwrap(), count(tag).to_string(), "{attribute}");
    }
    let case = |class: &str, name: &str| {
        root.descendants()
            .find(|node| {
                node.attribute("classname") == Some(class) && node.attribute("name") == Some(name)
            })
            .unwrap_or_else(|| panic!("no {name} of {class}"))
    };
    let inside = |class: &str, name: &str| -> Vec<String> {
        let children = case(class, name).children().filter(roxmltree::Node::is_element);
        children.map(|node| node.tag_name().name().to_owned()).collect()
    };
    assert_eq!(inside("d/la<z>&\"y", "bind-now"), ["failure"]);
    assert_eq!(inside("d/lazy", "bind-now"), ["skipped"]);
    assert!(inside("d/lazy", "pie").is_empty());
}

#[test]
fn markdown_has_one_row_for_each_objection_and_no_markup_of_file_names() {
    let sandbox = Sandbox::new();
    compile(&sandbox, "d/a|b`c", LAZY);
    compile(&sandbox, "d/good", HARDENED);
    let own = policy(&sandbox, "");
    let ran = sandbox.quench(&["verify", "d", "--format", "markdown", "--policy", &own]);
    assert!(ran.stdout.starts_with("## quench verify: ❌ fails\n"), "{}", ran.stdout);
    let rows: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("| ❌")).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows.iter().all(|row| row.contains("<code>d/a&#124;b&#96;c</code>")), "{rows:?}");
    for row in ran.stdout.lines().filter(|line| line.starts_with('|')) {
        assert!(row.ends_with('|'), "{row}");
    }
}

/// Names that would be markup, escapes, other lines, or no text.
const ODD: &[&[u8]] = &[
    b"line\n  good (Pie)",
    b"quo\"te'",
    b"b|ar`tick",
    b"cd]]>x<img src=x>&amp;",
    b"no\xfftext",
    b"no\xfetext",
    b"\x1b[31mred\x1b]0;title\x07",
    b"ctl\x01\x08\x0c\r\x7f",
    "c1\u{9b}31m\u{85}".as_bytes(),
    "turned\u{202e}\u{2028}".as_bytes(),
    "no character\u{fffe}".as_bytes(),
    b" blank ",
    b"%41#?:\\@who",
];

#[test]
fn no_name_of_a_file_can_break_an_output() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    sandbox.write("d/0", b"\x7fELF");
    for name in ODD {
        let path = sandbox.path().join("d").join(std::ffi::OsStr::from_bytes(name));
        std::fs::write(path, b"\x7fELF").unwrap();
    }
    let files = ODD.len() + 1;
    let of = |format: &str| {
        let ran = sandbox.quench(&["verify", "d", "--format", format]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let obeyed = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2028}');
        if format != "sarif" && format != "json" {
            assert!(!ran.stdout.contains(obeyed), "{format}: {:?}", ran.stdout);
        }
        assert!(!ran.stderr.contains(obeyed), "{:?}", ran.stderr);
        ran
    };
    // One line for the directory, two for each file: none of a name's own.
    let human = of("human").stdout;
    let (table, _) = human.split_once("  what to do:\n").unwrap();
    assert_eq!(table.lines().count(), 1 + 2 * files);
    let markdown = of("markdown").stdout;
    let rows: Vec<&str> = markdown.lines().filter(|line| line.starts_with("| ❌")).collect();
    assert_eq!(rows.len(), files, "{markdown}");
    let xml = of("junit").stdout;
    let document = roxmltree::Document::parse(&xml).unwrap();
    let classes: std::collections::BTreeSet<&str> =
        document.descendants().filter_map(|node| node.attribute("classname")).collect();
    assert_eq!(classes.len(), files, "{xml}");
    let log = json(&of("sarif"));
    let results = log["runs"][0]["results"].as_array().unwrap().clone();
    let unique = |pointer: &str| -> usize {
        let all: std::collections::BTreeSet<String> =
            results.iter().map(|result| result.pointer(pointer).unwrap().to_string()).collect();
        all.len()
    };
    assert_eq!(results.len(), files);
    assert_eq!(unique("/partialFingerprints/primaryLocationLineHash"), files);
    assert_eq!(unique("/locations/0/physicalLocation/artifactLocation/uri"), files);
    for result in &results {
        let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        let uri = uri.as_str().unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/%".contains(c);
        assert!(uri.chars().all(plain), "{uri}");
    }
    // The same directory elsewhere, by its absolute path.
    let prints = |log: &Value| -> Vec<String> {
        let results = log["runs"][0]["results"].as_array().unwrap();
        results.iter().map(|result| result["partialFingerprints"].to_string()).collect()
    };
    let there = sandbox.path().join("elsewhere");
    std::fs::create_dir(&there).unwrap();
    std::fs::rename(sandbox.path().join("d"), there.join("d")).unwrap();
    let moved = there.join("d").display().to_string();
    let moved = json(&sandbox.quench(&["verify", &moved, "--format", "sarif"]));
    assert_eq!(prints(&log), prints(&moved));
    let artifact = &moved["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(artifact["artifactLocation"]["uriBaseId"], "ROOT");
    assert_eq!(moved["runs"][0]["originalUriBaseIds"]["ROOT"]["uri"], "file:///");
}
