//! What the documents say of the program is true of it: keys, codes, paths, links and examples.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap()
}

/// Every Markdown page of the tree, by its path from the top.
fn pages() -> Vec<String> {
    let mut out = Vec::new();
    for directory in ["", "docs", "docs/decisions", "policies", "profiles"] {
        for entry in std::fs::read_dir(top().join(directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.strip_suffix(".md").is_some() {
                out.push(if directory.is_empty() { name } else { format!("{directory}/{name}") });
            }
        }
    }
    assert!(out.len() > 10, "{out:?}");
    out
}

/// Texts between backticks, outside of blocks of code.
fn code_words(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for (index, part) in text.split("```").enumerate() {
        if index % 2 == 0 {
            out.extend(part.split('`').skip(1).step_by(2));
        }
    }
    out
}

/// The TOML blocks of a page.
fn toml_blocks(text: &str) -> Vec<&str> {
    let blocks = text.split("```toml\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_key_of_a_profile_is_in_the_reference_and_no_other() {
    let known = quench::profile::KEYS.iter().flat_map(|(table, keys)| {
        let tables: Vec<&str> = quench::profile::KEYS.iter().map(|(name, _)| *name).collect();
        keys.iter().filter_map(move |key| {
            let path = if table.is_empty() { (*key).to_owned() } else { format!("{table}.{key}") };
            // A table is there with its keys; a source is a value as well.
            let is_table = tables.contains(&path.as_str()) && path != "qemu.source";
            (!is_table).then_some(path)
        })
    });
    let known: BTreeSet<String> = known.collect();
    let text = read("profiles/README.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let documented: Vec<String> =
        rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect();
    let unique: BTreeSet<String> = documented.iter().cloned().collect();
    assert_eq!(unique.len(), documented.len(), "a key has two rows");
    assert_eq!(unique, known, "profiles/README.md and src/profile/read/keys.rs");
}

#[test]
fn examples_of_profiles_are_read_without_a_fault_and_use_every_list() {
    let text = read("profiles/README.md");
    let blocks = toml_blocks(&text);
    assert!(blocks.len() >= 2);
    let parents = |name: &str| {
        let found = quench::builtin::PROFILES.iter().find(|(shipped, _)| *shipped == name);
        found.map(|(name, text)| (format!("{name}.toml"), (*text).to_owned())).into()
    };
    for block in &blocks {
        let (profile, findings) = quench::profile::load("example.toml", block, &parents);
        assert!(findings.is_empty() && profile.is_some(), "{findings:?}\n{block}");
    }
    let all = blocks.concat();
    for (table, keys) in quench::profile::KEYS.iter().filter(|(table, _)| *table != "qemu.source") {
        for key in *keys {
            let is_table = quench::profile::KEYS.iter().any(|(name, _)| name == key);
            let wanted = if is_table { format!("[{key}]") } else { (*key).to_owned() };
            let shown = all.lines().any(|line| {
                line.strip_prefix(&wanted)
                    .is_some_and(|rest| is_table || rest.trim_start().starts_with('='))
            });
            assert!(shown, "no example of `{key}` of [{table}]");
        }
    }
}

#[test]
fn codes_that_documents_name_exist() {
    let codes: BTreeSet<&str> = quench::codes::codes().iter().map(|code| code.name).collect();
    let areas: BTreeSet<&str> = codes.iter().map(|code| code.split("::").next().unwrap()).collect();
    for page in pages() {
        for word in code_words(&read(&page)) {
            let Some((area, rest)) = word.split_once("::") else { continue };
            let is_code = rest.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            // `area::function` of Rust has an underscore or is no area of findings.
            if areas.contains(area) && is_code && rest.contains('-') {
                assert!(codes.contains(word), "{page} names `{word}`");
            }
        }
    }
}

#[test]
fn files_that_documents_name_and_link_to_exist() {
    let roots = ["benches/", "docs/", "examples/", "fuzz/", "packaging/", "patches/", "policies/"];
    let more = ["profiles/", "schemas/", "src/", "tests/", "xtask/"];
    // What a run leaves.
    let made = ["fuzz/artifacts"];
    let mut seen = 0;
    for page in pages() {
        let text = read(&page);
        let beside = Path::new(&page).parent().unwrap();
        let mut missing = Vec::new();
        for word in code_words(&text) {
            let is_path = roots.iter().chain(&more).any(|root| word.starts_with(root));
            // Names with variables and globs stand for many files.
            let is_one = !word.contains(|c: char| c.is_ascii_uppercase() || "*{} ".contains(c));
            if is_path && is_one && !made.contains(&word) {
                seen += 1;
                if !top().join(word).exists() {
                    missing.push(word.to_owned());
                }
            }
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                seen += 1;
                if !top().join(beside).join(file).exists() {
                    missing.push(link.to_owned());
                }
            }
        }
        assert!(missing.is_empty(), "{page}: {missing:?}");
    }
    assert!(seen > 50, "{seen}");
}
