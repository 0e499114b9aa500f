//! What a Rust file names: modules of its own crate and of others, read from tokens, so that comments, strings and the
//! layout of imports make no difference. Code of tests is left out: it may read files and name anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path in code, as its segments, and the line it begins on.
pub(crate) type Named = (Vec<String>, usize);

/// What one file names outside of tests.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// All paths of two segments or more, those of grouped imports written out.
    pub(crate) paths: Vec<Named>,
    /// Macros that are called, by name.
    pub(crate) macros: Vec<Named>,
    /// Methods that are called, by name.
    pub(crate) methods: Vec<Named>,
    /// Modules declared for tests only: their files are tests.
    pub(crate) test_modules: Vec<String>,
}

/// Reads the text of a file whose module is `module` (`["verify", "rules"]`; the crate's root is empty).
pub(crate) fn read(text: &str, module: &[String]) -> Result<File, String> {
    let tokens: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
    let mut file = File::default();
    walk(tokens, &mut file);
    for (path, _) in &mut file.paths {
        absolute(path, module);
    }
    Ok(file)
}

/// `super::super::x` from a known module is `crate::…::x`.
fn absolute(path: &mut Vec<String>, module: &[String]) {
    let up = path.iter().take_while(|segment| *segment == "super").count();
    if up == 0 || module.len() < up {
        return;
    }
    let mut whole = vec!["crate".to_owned()];
    whole.extend(module[..module.len() - up].iter().cloned());
    whole.extend(path.drain(up..));
    *path = whole;
}

fn walk(tokens: TokenStream, file: &mut File) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if is_test(&tokens, at) {
            at = skip_item(&tokens, at + 2, file);
            continue;
        }
        match &tokens[at] {
            TokenTree::Group(group) => {
                walk(group.stream(), file);
                at += 1;
            }
            TokenTree::Ident(_) => at = path(&tokens, at, &[], file),
            _ => at += 1,
        }
    }
}

/// `#[cfg(test)]` or `#[test]`.
fn is_test(tokens: &[TokenTree], at: usize) -> bool {
    let (Some(TokenTree::Punct(hash)), Some(TokenTree::Group(group))) =
        (tokens.get(at), tokens.get(at + 1))
    else {
        return false;
    };
    let words = group.stream().to_string().replace(' ', "");
    hash.as_char() == '#' && matches!(words.as_str(), "cfg(test)" | "test")
}

/// Past the item that an attribute stands before: its body, or its semicolon.
fn skip_item(tokens: &[TokenTree], mut at: usize, file: &mut File) -> usize {
    let mut module = false;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Ident(word) if word == "mod" => module = true,
            TokenTree::Ident(word) if module => file.test_modules.push(word.to_string()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return at,
            TokenTree::Punct(mark) if mark.as_char() == ';' => return at,
            _ => {}
        }
    }
    at
}

/// Reads one path, with the tree of a grouped import below it; returns the index after it.
fn path(tokens: &[TokenTree], start: usize, before: &[String], file: &mut File) -> usize {
    let mut segments = before.to_vec();
    let mut at = start;
    let line = tokens[start].span().start().line;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => {
                segments.push(word.to_string());
                at += 1;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                branches(group.stream(), &segments, file);
                return at + 1;
            }
            _ => {
                at += usize::from(at == start);
                break;
            }
        }
        if !is_mark(tokens, at, ':') || !is_mark(tokens, at + 1, ':') {
            break;
        }
        at += 2;
    }
    if is_mark(tokens, at, '!') && matches!(tokens.get(at + 1), Some(TokenTree::Group(_))) {
        file.macros.push((segments.clone(), line));
    }
    let called = matches!(tokens.get(at), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
    if called && 0 < start && is_mark(tokens, start - 1, '.') {
        file.methods.push((segments.clone(), line));
    }
    if 1 < segments.len() {
        file.paths.push((segments, line));
    }
    at
}

/// The branches of `{a, b::{c, d}}`.
fn branches(stream: TokenStream, before: &[String], file: &mut File) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        at = path(&tokens, at, before, file);
        // ` as name` and the comma.
        while at < tokens.len() && !is_mark(&tokens, at, ',') {
            at += 1;
        }
        at += 1;
    }
}

fn is_mark(tokens: &[TokenTree], at: usize, mark: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

/// Rust files below a directory with the module each one is, sorted by path.
pub(crate) fn files(directory: &Path) -> Vec<(PathBuf, Vec<String>)> {
    let mut out = Vec::new();
    collect(directory, &[], &mut out);
    out
}

fn collect(directory: &Path, module: &[String], out: &mut Vec<(PathBuf, Vec<String>)>) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Some(stem) = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()) else {
            continue;
        };
        let mut own = module.to_vec();
        if path.is_dir() {
            own.push(stem);
            collect(&path, &own, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            if !matches!(stem.as_str(), "mod" | "lib" | "main") {
                own.push(stem);
            }
            out.push((path, own));
        }
    }
}

/// Which rooms each room names.
pub(crate) type Edges = BTreeMap<String, BTreeSet<String>>;

/// The rooms floor by floor, the lowest first: each names only rooms below it. Else the rooms that stand in a circle, or
/// above one.
pub(crate) fn floors(edges: &Edges) -> Result<Vec<Vec<String>>, Vec<String>> {
    let mut left = edges.clone();
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut floors = Vec::new();
    while !left.is_empty() {
        let ready: Vec<String> = left
            .iter()
            .filter(|(room, below)| {
                below.iter().all(|other| other == *room || done.contains(other))
            })
            .map(|(room, _)| room.clone())
            .collect();
        if ready.is_empty() {
            return Err(left.into_keys().collect());
        }
        for room in &ready {
            left.remove(room);
            done.insert(room.clone());
        }
        floors.push(ready);
    }
    Ok(floors)
}

#[cfg(test)]
mod tests {
    use super::{Edges, floors, read};

    fn names(text: &str, module: &[&str]) -> Vec<String> {
        let module: Vec<String> = module.iter().map(|part| (*part).to_owned()).collect();
        let file = read(text, &module).expect("Rust");
        file.paths.iter().map(|(path, _)| path.join("::")).collect()
    }

    #[test]
    fn grouped_imports_are_written_out() {
        let text = "use crate::{process::{self, run as go}, tool};\nuse std::{env, fs::File};";
        assert_eq!(
            names(text, &[]),
            [
                "crate::process::self",
                "crate::process::run",
                "crate::tool",
                "std::env",
                "std::fs::File"
            ]
        );
    }

    #[test]
    fn paths_in_bodies_and_macros_count_and_texts_do_not() {
        let text = "// crate::a::b\nfn f() { format!(\"{} crate::c::d\", crate::e::f()); }";
        assert_eq!(names(text, &[]), ["crate::e::f"]);
    }

    #[test]
    fn super_is_resolved() {
        assert_eq!(
            names("use super::super::process::run;", &["verify", "rules"]),
            ["crate::process::run"]
        );
        assert_eq!(names("use super::item;", &["verify", "rules"]), ["crate::verify::item"]);
    }

    #[test]
    fn tests_may_name_anything() {
        let text =
            "#[cfg(test)]\nmod tests;\n#[cfg(test)] mod more { use std::fs::read; }\nuse a::b;";
        let file = read(text, &[]).expect("Rust");
        assert_eq!(file.test_modules, ["tests", "more"]);
        assert_eq!(file.paths.len(), 1);
    }

    #[test]
    fn methods_and_macros_are_told() {
        let file = read("fn f() { path.exists(); println!(\"x\"); exists; }", &[]).expect("Rust");
        assert_eq!(file.methods.len(), 1);
        assert_eq!(file.macros.len(), 1);
    }

    #[test]
    fn circles_have_no_floor() {
        let edges = |pairs: &[(&str, &[&str])]| -> Edges {
            pairs
                .iter()
                .map(|(room, below)| {
                    ((*room).to_owned(), below.iter().map(|name| (*name).to_owned()).collect())
                })
                .collect()
        };
        let good = edges(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b", "c"])]);
        assert_eq!(floors(&good), Ok(vec![vec!["a".into()], vec!["b".into()], vec!["c".into()]]));
        let bad = edges(&[("a", &[]), ("b", &["a", "c"]), ("c", &["b"])]);
        assert_eq!(floors(&bad), Err(vec!["b".into(), "c".into()]));
    }
}
