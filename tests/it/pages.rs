//! The code blocks of pages for people are run: a profile or policy is read by the real reader, a command line by the
//! real parser. A block that nobody knows how to try is a fault.

use std::path::Path;

use crate::sandbox::Sandbox;

/// Pages whose blocks are tried, where they exist.
const PAGES: &[&str] =
    &["README.md", "CONTRIBUTING.md", "policies/README.md", "profiles/README.md"];

/// A fenced block: its first line counted from 1, its language, its text.
struct Block {
    line: usize,
    language: String,
    text: String,
}

fn page(name: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).ok()
}

fn blocks(page: &str) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::new();
    let mut open = false;
    for (index, line) in page.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            if !open {
                let language = language.trim().to_owned();
                out.push(Block { line: index + 1, language, text: String::new() });
            }
            open = !open;
        } else if let (true, Some(block)) = (open, out.last_mut()) {
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    assert!(!open, "a block without an end");
    out
}

#[test]
fn every_block_of_every_page_works() {
    let mut tried = 0;
    for name in PAGES {
        let Some(text) = page(name) else {
            println!("skipped: no {name}");
            continue;
        };
        for block in blocks(&text) {
            let place = format!("{name}:{}", block.line);
            match block.language.as_str() {
                "toml" if name.starts_with("policies/") => policy(&place, &block.text),
                "toml" => profile(&place, &block.text),
                "sh" => commands(&place, block.text.lines()),
                "text" => {
                    commands(&place, block.text.lines().filter_map(|line| line.strip_prefix("$ ")));
                }
                other => panic!("{place}: nobody knows how to try a block of `{other}`"),
            }
            tried += 1;
        }
    }
    assert!(tried >= 4, "{tried} blocks");
}

/// A whole profile is read without a fault; a part of one (no `name`) is added to a shipped one.
fn profile(place: &str, text: &str) {
    let sandbox = Sandbox::new();
    let whole = text.lines().any(|line| line.starts_with("name"));
    let head = "schema = 1\nname = \"part\"\nextends = [\"cloud-virtio\"]\n";
    sandbox.write("page.toml", if whole { text.to_owned() } else { format!("{head}{text}") });
    let ran = sandbox.quench(&["check", "--text-only", "page.toml"]);
    assert_eq!(ran.code, 0, "{place}: {}", ran.stderr);
}

/// A policy judges a file. The waivers of an example match nothing there, which is said and not what is tried.
fn policy(place: &str, text: &str) {
    let sandbox = Sandbox::new();
    let head = if text.contains("schema") { "" } else { "schema = 1\nname = \"part\"\n" };
    sandbox.write("page.toml", format!("{head}{text}"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/elf/hardened");
    let ran = sandbox.quench(&[
        "verify",
        file.to_str().unwrap(),
        "--policy",
        "page.toml",
        "--date",
        "2026-01-01",
    ]);
    assert!(ran.code < 2, "{place}: {}", ran.stderr);
    assert!(ran.stdout.contains("policy "), "{place}: {}", ran.stdout);
}

/// Lines of a shell. Lines that a backslash continues are one.
fn commands<'a>(place: &str, lines: impl Iterator<Item = &'a str>) {
    let text = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let mut any = false;
    for line in text.lines().map(|line| line.split(" #").next().unwrap_or("").trim()) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        any = true;
        for part in line.split(" && ").flat_map(|part| part.split(" | ")) {
            command(place, part);
        }
    }
    assert!(any, "{place}: no command in this block");
}

/// One command: quench's are parsed, tasks must be in the table of the task runner, others be known.
fn command(place: &str, line: &str) {
    let words: Vec<&str> = line.split_whitespace().take_while(|word| *word != ">").collect();
    let assigned = |word: &&&str| {
        word.split_once('=')
            .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    let variables = words.iter().take_while(assigned).count();
    match &words[variables..] {
        ["quench", rest @ ..] | ["cargo", "run", "--release", "--", rest @ ..] => {
            parsed(place, rest);
        }
        ["cargo", "xtask", task, ..] => {
            let tasks = page("xtask/src/main.rs").unwrap();
            assert!(tasks.contains(&format!("\"{task}\"")), "{place}: no task `{task}`");
        }
        ["cargo", "test" | "clippy" | "fmt" | "install" | "build", ..]
        | ["jq" | "sudo" | "apt", ..] => {}
        other => panic!("{place}: nobody knows how to try `{}`", other.join(" ")),
    }
}

fn parsed(place: &str, words: &[&str]) {
    // A name that stands for the reader's own is a word like any other.
    let words = words.iter().map(|word| word.trim_matches(['"', '\'']));
    let line = std::iter::once("quench").chain(words);
    if let Err(error) = quench::cli::command().try_get_matches_from(line) {
        assert!(!error.use_stderr(), "{place}: {error}");
    }
}

/// Options that the table of verbs names are options of those verbs.
#[test]
fn options_in_the_table_of_verbs_exist() {
    let readme = page("README.md").unwrap();
    let mut seen = 0;
    for row in readme.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.split(" | ");
        let (Some(names), rest) = (cells.next(), cells.collect::<String>()) else { continue };
        let verbs: Vec<clap::Command> = names
            .split('`')
            .skip(1)
            .step_by(2)
            .map(|name| {
                verb(
                    name.split_whitespace().take_while(|word| word.starts_with(char::is_lowercase)),
                )
            })
            .collect();
        let named = rest.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("--"));
        for option in named {
            let option = option.split(char::is_whitespace).next().unwrap();
            let has = |verb: &clap::Command| {
                verb.get_arguments().any(|known| known.get_long() == Some(option))
            };
            assert!(verbs.iter().any(has), "{names}: no option --{option}");
            seen += 1;
        }
        seen += verbs.len();
    }
    assert!(seen > 0, "no table of verbs in README.md");
}

/// The verb of a name like `record show`.
fn verb<'a>(words: impl Iterator<Item = &'a str>) -> clap::Command {
    let mut at = quench::cli::command();
    for word in words {
        at = at.find_subcommand(word).unwrap_or_else(|| panic!("no verb `{word}`")).clone();
    }
    at
}
