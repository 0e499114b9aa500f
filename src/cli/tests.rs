//! What the command line says of itself. The verbs are those of the parser, so a new one cannot be forgotten.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use snapbox::Data;

use super::command;

/// The program and all its verbs, nested ones, too, under their full names: `quench`, `quench record show`.
fn verbs() -> Vec<(String, clap::Command)> {
    fn add(command: &clap::Command, name: &str, out: &mut Vec<(String, clap::Command)>) {
        out.push((name.to_owned(), command.clone()));
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            add(verb, &format!("{name} {}", verb.get_name()), out);
        }
    }
    let mut top = command().term_width(100);
    top.build();
    let mut out = Vec::new();
    add(&top, "quench", &mut out);
    out
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/help")
}

fn file(name: &str) -> String {
    format!("{}.txt", name.replace(' ', "-"))
}

#[test]
fn the_help_of_every_verb_is_what_it_was() {
    for (name, verb) in verbs() {
        let help = verb.term_width(100).render_long_help().to_string();
        let expected = Data::read_from(&directory().join(file(&name)), None);
        snapbox::assert_data_eq!(help, expected.raw());
    }
    let known: BTreeSet<String> = verbs().iter().map(|(name, _)| file(name)).collect();
    let kept = std::fs::read_dir(directory()).unwrap();
    let kept = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(kept.collect::<BTreeSet<_>>(), known, "help of verbs that are gone");
}

/// Each verb has an example, and the parser takes it.
#[test]
fn the_example_of_every_verb_is_a_command_line() {
    let mut count = 0;
    for (name, mut verb) in verbs() {
        let nested = verb.get_subcommands().next().is_some();
        let help = verb.render_long_help().to_string();
        let examples = help.lines().filter_map(|line| line.trim().strip_prefix("Example: "));
        let examples: Vec<&str> = examples.collect();
        // Verbs of `record` share its example.
        assert!(
            !examples.is_empty() || nested || name.matches(' ').count() > 1,
            "{name}: no example"
        );
        for example in examples {
            let words: Vec<&str> = example
                .split_whitespace()
                .take_while(|word| !matches!(*word, "|" | ">" | "&&"))
                .collect();
            if let Err(error) = command().try_get_matches_from(&words) {
                panic!("{example}: {error}");
            }
            count += 1;
        }
    }
    assert!(count > 10, "{count} examples");
}
