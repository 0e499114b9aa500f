//! As much of the C preprocessor as the catalog needs: comments out, and the condition each part of a file is under.
//!
//! Pure. Nothing is expanded; an expression that is more than `defined()`s is unknown.

use std::collections::BTreeMap;

use super::condition::Condition;
use super::macros::matching;

/// Replaces comments by spaces, so that offsets and lines stay.
fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                let end = memchr::memmem::find(&bytes[at + 2..], b"*/")
                    .map_or(bytes.len(), |n| at + n + 4);
                blank(&mut out[at..end]);
                at = end;
            }
            (b'/', Some(b'/')) => {
                let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
                blank(&mut out[at..end]);
                at = end;
            }
            (b'"', _) => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' && bytes[at] != b'\n' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            (b'\'', Some(b'"')) => at += 3,
            _ => {
                let rest = bytes.get(at + 1..).unwrap_or_default();
                at = memchr::memchr3(b'/', b'"', b'\'', rest).map_or(bytes.len(), |n| at + 1 + n);
            }
        }
    }
    text_of(out)
}

/// Makes a text of bytes of which some were blanked: whole characters, but for a comment that a
/// stray quote cut.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// A text with its preprocessor conditions read out.
pub(super) struct Preprocessed {
    /// The text without comments, conditional directives and what is never compiled; offsets and lines stay.
    pub text: String,
    /// Offset where a condition begins, in order.
    pub regions: Vec<(usize, Condition)>,
}

/// Reads a text's comments and preprocessor conditions. A macro the text defines itself stands for
/// the condition of its definition.
pub(super) fn preprocess(text: &str) -> Preprocessed {
    let text = without_comments(text);
    let regions = regions(&text);
    Preprocessed { text: masked(text, &regions), regions }
}

/// The condition under which a text defines a macro; `None` when it never does.
pub(super) fn definition(
    text: &str,
    regions: &[(usize, Condition)],
    name: &str,
) -> Option<Condition> {
    let mut found = None;
    for at in memchr::memmem::find_iter(text.as_bytes(), name.as_bytes()) {
        let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
        if defined_by(&text[start..]) == Some(name) {
            let here = condition_at(regions, at);
            found = Some(found.map_or(here.clone(), |before: Condition| before.or(here)));
        }
    }
    found
}

/// The macro that a line defines, if it is a `#define`.
fn defined_by(line: &str) -> Option<&str> {
    let directive = line.trim_start_matches([' ', '\t']).strip_prefix('#')?;
    let rest = directive.trim_start_matches([' ', '\t']).strip_prefix("define")?;
    rest.starts_with([' ', '\t']).then(|| rest.split_whitespace().next()).flatten()
}

/// The preprocessor condition that holds at an offset of the text.
pub(super) fn condition_at(regions: &[(usize, Condition)], offset: usize) -> Condition {
    let index = regions.partition_point(|(start, _)| *start <= offset);
    index.checked_sub(1).map_or(Condition::Always, |i| regions[i].1.clone())
}

/// Blanks preprocessor directives of conditions, and regions that are never compiled.
fn masked(text: String, regions: &[(usize, Condition)]) -> String {
    let mut bytes = text.into_bytes();
    for (index, (start, condition)) in regions.iter().enumerate() {
        let end = regions.get(index + 1).map_or(bytes.len(), |(end, _)| *end);
        if *condition == Condition::Never {
            blank(&mut bytes[*start..end]);
        } else if index + 1 < regions.len() {
            // The last line of a region is the directive that ends it.
            let line = bytes[..end - 1].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
            blank(&mut bytes[line.max(*start)..end]);
        }
    }
    text_of(bytes)
}

/// A preprocessor branch that is open: the condition of the branch, and "no branch before".
type Branch = (Condition, Condition);

/// The largest number of `#if`s that may be open.
const NESTING: usize = 64;

/// Finds the offsets at which the preprocessor condition changes, each with the new one.
fn regions(text: &str) -> Vec<(usize, Condition)> {
    let mut out = vec![(0, Condition::Always)];
    let mut stack: Vec<Branch> = Vec::new();
    // Macros the text has defined so far.
    let mut own: BTreeMap<&str, Condition> = BTreeMap::new();
    for (line, end) in directives(text) {
        if let Some(name) = defined_by(line) {
            let here = out.last().map_or(Condition::Always, |(_, here)| here.clone());
            own.insert(name, here);
        } else if conditional(line, &text[end..], &own, &mut stack) && stack.len() < NESTING {
            let all = stack
                .iter()
                .fold(Condition::Always, |all, (condition, _)| all.and(condition.clone()));
            out.push((end, all));
        }
    }
    // A macro that the text defines only after it asked for it was not defined yet: `#ifndef NAND_IO` in a file that
    // includes itself.
    for (_, condition) in &mut out {
        if !condition.macros().is_empty() {
            let plain = std::mem::replace(condition, Condition::Never);
            *condition =
                plain.with_macros(&|name| own.contains_key(name).then_some(Condition::Never));
        }
    }
    out
}

/// The lines that begin with `#`, each with the offset behind it.
fn directives(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'#', bytes).filter_map(move |at| {
        let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n + 1);
        bytes[start..at].trim_ascii().is_empty().then(|| (&text[start..end], end))
    })
}

/// Follows a directive that opens, changes or closes a branch; false for other directives.
fn conditional(
    line: &str,
    rest: &str,
    own: &BTreeMap<&str, Condition>,
    stack: &mut Vec<Branch>,
) -> bool {
    let Some(directive) = line.trim_start().strip_prefix('#').map(str::trim) else { return false };
    let known = |condition: Condition| {
        condition
            .with_macros(&|name| own.get(name).cloned())
            .with_symbols(&|name| own.get(format!("CONFIG_{name}").as_str()).cloned())
    };
    let open = |condition: Condition| (condition.clone(), condition.negate());
    if let Some(name) = directive.strip_prefix("ifdef") {
        stack.push(open(known(defined(name.trim()))));
    } else if let Some(name) = directive.strip_prefix("ifndef") {
        // `#ifndef X`, `#define X`: an include guard or a default.
        let guards = defined_by(rest.trim_start()) == name.split_whitespace().next();
        let condition =
            if guards { Condition::Always } else { known(defined(name.trim())).negate() };
        stack.push(open(condition));
    } else if let Some(text) = directive.strip_prefix("if") {
        stack.push(open(known(expression(text.trim()))));
    } else if let Some(text) = directive.strip_prefix("elif") {
        if let Some(last) = stack.last_mut() {
            let (now, otherwise) = open(known(expression(text.trim())));
            *last = (last.1.clone().and(now), last.1.clone().and(otherwise));
        }
    } else if directive.starts_with("else") {
        if let Some(last) = stack.last_mut() {
            last.0 = last.1.clone();
        }
    } else if directive.starts_with("endif") {
        stack.pop();
    } else {
        return false;
    }
    true
}

/// Reads `defined(NAME)` as a condition.
fn defined(name: &str) -> Condition {
    let name = name.split_whitespace().next().unwrap_or("");
    if let Some(symbol) = name.strip_prefix("CONFIG_") {
        return match symbol {
            "USER_ONLY" | "WIN32" | "DARWIN" | "BSD" => Condition::Never,
            "LINUX" | "POSIX" => Condition::Always,
            _ => Condition::Symbol(symbol.to_owned()),
        };
    }
    match name {
        "TARGET_X86_64" | "TARGET_I386" => Condition::Arch("i386".to_owned()),
        "TARGET_AARCH64" | "TARGET_ARM" => Condition::Arch("arm".to_owned()),
        "__linux__" | "__x86_64__" => Condition::Always,
        "_WIN32" | "WIN32" | "__APPLE__" | "__FreeBSD__" | "__FreeBSD_kernel__"
        | "__DragonFly__" | "__NetBSD__" | "__OpenBSD__" | "__HAIKU__" | "__GNU__" | "__sun__" => {
            Condition::Never
        }
        _ => Condition::Macro(name.to_owned()),
    }
}

/// Reads an `#if` expression of `defined()`s as a condition; anything else is unknown.
fn expression(text: &str) -> Condition {
    if text == "0" {
        return Condition::Never;
    }
    if text == "1" {
        return Condition::Always;
    }
    if let Some((a, b)) = split_operator(text, "||") {
        return expression(a).or(expression(b));
    }
    if let Some((a, b)) = split_operator(text, "&&") {
        return expression(a).and(expression(b));
    }
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('!') {
        return expression(rest).negate();
    }
    if let Some(rest) = text.strip_prefix("defined") {
        return defined(rest.trim().trim_start_matches('(').trim_end_matches(')').trim());
    }
    if text.starts_with('(') && matching(text) == Some(text.len() - 1) {
        return expression(&text[1..text.len() - 1]);
    }
    Condition::Unknown(text.chars().take(60).collect())
}

fn split_operator<'a>(text: &'a str, operator: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && text[at..].starts_with(operator) => {
                return Some((text[..at].trim(), text[at + operator.len()..].trim()));
            }
            _ => {}
        }
    }
    None
}
