//! Manual pages of quench itself: one of the program and one of each verb, with every option.

use std::process::Command;

use crate::sandbox::Sandbox;

#[test]
fn every_verb_has_a_manual_page_with_all_its_options() {
    let sandbox = Sandbox::new();
    let ran = sandbox.quench(&["man", "pages"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let pages = sandbox.path().join("pages");
    let mut expected = vec!["quench.1".to_owned()];
    let mut command = quench::cli::command();
    command.build();
    let mut left: Vec<(String, clap::Command)> = vec![("quench".to_owned(), command)];
    while let Some((name, command)) = left.pop() {
        let page = std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        let page = page.replace('\\', "");
        for option in command.get_arguments().filter(|it| !it.is_hide_set()) {
            if let Some(long) = option.get_long() {
                assert!(page.contains(&format!("--{long}")), "{name}.1 lacks --{long}");
            }
        }
        for verb in command.get_subcommands() {
            if verb.is_hide_set() || verb.get_name() == "help" {
                continue;
            }
            let name = format!("{name}-{}", verb.get_name());
            expected.push(format!("{name}.1"));
            left.push((name, verb.clone()));
        }
    }
    expected.sort();
    let mut found: Vec<String> = std::fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, expected);
    assert!(found.len() > 12, "{found:?}");
    // What man itself says of them, where there is one.
    let linted = Command::new("man")
        .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
        .arg(pages.join("quench-verify.1"))
        .env("MANROFFSEQ", "")
        .env("MANWIDTH", "80")
        .output();
    if let Ok(linted) = linted {
        assert!(linted.status.success() && linted.stderr.is_empty(), "{linted:?}");
    }
}
