//! As much of the C preprocessor as the catalog needs: comments out, and the condition each part of a file is under.
//!
//! Pure. Nothing is expanded; an expression that is more than `defined()`s is unknown.

use super::condition::Condition;
use super::macros::matching;

/// Comments replaced by spaces; offsets and lines stay.
pub(super) fn without_comments(text: &str) -> String {
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
            _ => at += 1,
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// Preprocessor conditions by offset.
pub(super) fn regions(text: &str) -> Vec<(usize, Condition)> {
    let mut out = vec![(0, Condition::Always)];
    // (condition of the branch, "no branch before")
    let mut stack: Vec<(Condition, Condition)> = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let end = offset + line.len();
        if let Some(directive) = line.trim_start().strip_prefix('#') {
            let directive = directive.trim_start();
            let changed = if let Some(rest) = directive.strip_prefix("ifdef") {
                let condition = defined(rest.trim());
                stack.push((condition.clone(), condition.negate()));
                true
            } else if let Some(rest) = directive.strip_prefix("ifndef") {
                let condition = defined(rest.trim()).negate();
                stack.push((condition.clone(), condition.negate()));
                true
            } else if let Some(rest) = directive.strip_prefix("if") {
                let condition = expression(rest.trim());
                stack.push((condition.clone(), condition.negate()));
                true
            } else if let Some(rest) = directive.strip_prefix("elif") {
                if let Some(last) = stack.last_mut() {
                    let condition = expression(rest.trim());
                    *last = (
                        last.1.clone().and(condition.clone()),
                        last.1.clone().and(condition.negate()),
                    );
                }
                true
            } else if directive.starts_with("else") {
                if let Some(last) = stack.last_mut() {
                    last.0 = last.1.clone();
                }
                true
            } else if directive.starts_with("endif") {
                stack.pop();
                true
            } else {
                false
            };
            if changed && stack.len() < 64 {
                let all = stack
                    .iter()
                    .fold(Condition::Always, |all, (condition, _)| all.and(condition.clone()));
                out.push((end, all));
            }
        }
        offset = end;
    }
    out
}

/// `defined(NAME)`.
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
        "_WIN32" | "__APPLE__" | "WIN32" | "__FreeBSD__" => Condition::Never,
        _ => Condition::Unknown(format!("defined({name})")),
    }
}

/// An `#if` expression of `defined()`s; anything else is unknown.
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
