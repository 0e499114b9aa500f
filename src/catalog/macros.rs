//! String macros of the tree (`TYPE_…`, `X86_CPU_TYPE_NAME(…)`) and the constant string expressions built from them.
//!
//! Pure. Not a preprocessor: it knows enough of C to join literals and expand macros whose body is a string.

use std::collections::BTreeMap;

/// How deep macros may expand into each other.
const DEPTH: usize = 16;

/// How many words one expression may expand to. Depth alone does not bound it: each level can multiply the words.
const WORDS: usize = 4096;

#[derive(Debug, Clone)]
struct Macro {
    parameters: Option<Vec<String>>,
    body: String,
}

/// Macros by name. The first definition wins: QEMU writes the 64-bit or enabled case first.
#[derive(Debug, Clone, Default)]
pub(super) struct Macros {
    macros: BTreeMap<String, Macro>,
}

impl Macros {
    /// Adds the macros of a text that could matter to a string. Continued lines are joined by the caller.
    pub(super) fn add(&mut self, text: &str) {
        for start in memchr::memmem::find_iter(text.as_bytes(), b"define") {
            let before = text[..start].trim_end_matches([' ', '\t']);
            if before.ends_with('#') {
                self.define(logical_line(&text[start + "define".len()..]).trim());
            }
        }
    }

    fn define(&mut self, line: &str) {
        let end = line.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        if name.is_empty() || self.macros.contains_key(name) {
            return;
        }
        let (parameters, body) = match rest.strip_prefix('(') {
            Some(rest) => match rest.split_once(')') {
                Some((list, body)) => (
                    Some(list.split(',').map(|parameter| parameter.trim().to_owned()).collect()),
                    body,
                ),
                None => return,
            },
            None => (None, rest),
        };
        let body = body.trim();
        let interesting = body.contains('"')
            || body.chars().next().is_some_and(|c| c.is_ascii_uppercase() || c == '(');
        if interesting && body.len() < 400 {
            self.macros.insert(name.to_owned(), Macro { parameters, body: body.to_owned() });
        }
    }

    /// The string a constant expression means, if it is one.
    pub(super) fn evaluate(&self, expression: &str, own: Option<&Self>) -> Option<String> {
        self.eval(expression, own, 0, &mut { WORDS })
    }

    fn eval(
        &self,
        expression: &str,
        own: Option<&Self>,
        depth: usize,
        words: &mut usize,
    ) -> Option<String> {
        if depth > DEPTH {
            return None;
        }
        let mut out = String::new();
        let mut rest = expression.trim();
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            *words = words.checked_sub(1)?;
            if let Some(after) = rest.strip_prefix('"') {
                let end = closing_quote(after)?;
                out.push_str(&after[..end].replace("\\\"", "\""));
                rest = after[end + 1..].trim_start();
            } else if rest.starts_with('(') {
                let end = matching(rest)?;
                out.push_str(&self.eval(&rest[1..end], own, depth + 1, words)?);
                rest = rest[end + 1..].trim_start();
            } else {
                let end =
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                rest = after.trim_start();
                let definition =
                    own.and_then(|own| own.macros.get(name)).or_else(|| self.macros.get(name));
                out.push_str(&self.expand(name, definition, &mut rest, own, depth, words)?);
            }
        }
        Some(out)
    }

    fn expand(
        &self,
        name: &str,
        definition: Option<&Macro>,
        rest: &mut &str,
        own: Option<&Self>,
        depth: usize,
        words: &mut usize,
    ) -> Option<String> {
        let arguments = if rest.starts_with('(') {
            let end = matching(rest)?;
            let list = split_commas(&rest[1..end]);
            *rest = rest[end + 1..].trim_start();
            Some(list)
        } else {
            None
        };
        if name == "stringify" {
            return Some(arguments?.first()?.trim().to_owned());
        }
        let definition = definition?;
        match (&definition.parameters, arguments) {
            (None, None) => self.eval(&definition.body, own, depth + 1, words),
            (Some(parameters), Some(arguments)) => {
                let mut body = definition.body.clone();
                for (parameter, argument) in parameters.iter().zip(&arguments) {
                    body = replace_word(&body, parameter, argument.trim());
                }
                self.eval(&body, own, depth + 1, words)
            }
            _ => None,
        }
    }
}

fn logical_line(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match line.strip_suffix('\\') {
            Some(line) if out.len() < 1000 => {
                out.push_str(line);
                out.push(' ');
            }
            _ => {
                out.push_str(line);
                break;
            }
        }
    }
    out
}

fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// Offset of the parenthesis or brace that closes the one `text` starts with; strings are skipped.
pub(super) fn matching(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'{' | b'[' => depth += 1,
            b')' | b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            b'"' => at += 1 + closing_quote(text.get(at + 1..)?)?,
            b'\'' => {
                let skip = if bytes.get(at + 1) == Some(&b'\\') { 3 } else { 2 };
                if bytes.get(at + skip) == Some(&b'\'') {
                    at += skip;
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Splits at commas outside of parentheses, braces and strings.
pub(super) fn split_commas(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut out, mut start, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'{' | b'[' | b'"' => {
                let end = if bytes[at] == b'"' {
                    text.get(at + 1..).and_then(closing_quote).map(|n| n + 1)
                } else {
                    text.get(at..).and_then(matching)
                };
                at += end.unwrap_or(0);
            }
            b',' => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if let Some(last) = text.get(start..).filter(|last| !last.trim().is_empty()) {
        out.push(last);
    }
    out
}

fn replace_word(text: &str, word: &str, with: &str) -> String {
    if word.is_empty() {
        return text.to_owned();
    }
    // `#name` is the argument as a string.
    let text = text.replace(&format!("#{word}"), &format!("\"{with}\""));
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(word) {
        let before = rest[..at].chars().next_back();
        let after = rest[at + word.len()..].chars().next();
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        out.push_str(&rest[..at]);
        out.push_str(if part(before) || part(after) { word } else { with });
        rest = &rest[at + word.len()..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_joined_through_macros() {
        let mut macros = Macros::default();
        macros.add(
            "#define TYPE_X86_CPU \"x86_64-cpu\"\n#define X86_CPU_TYPE_SUFFIX \"-\" TYPE_X86_CPU\n",
        );
        macros.add("# define X86_CPU_TYPE_NAME(name) \\\n   (name X86_CPU_TYPE_SUFFIX)\n");
        assert_eq!(
            macros.evaluate("X86_CPU_TYPE_NAME(\"max\")", None).as_deref(),
            Some("max-x86_64-cpu")
        );
        assert_eq!(macros.evaluate("info->name", None), None);
    }

    /// 60^14 words: without the bound this test does not end.
    #[test]
    fn macros_that_multiply_are_given_up() {
        let mut macros = Macros::default();
        for level in 0..14 {
            let body = format!("M{} ", level + 1).repeat(60);
            macros.add(&format!("#define M{level} {body}\n"));
        }
        macros.add("#define M14 \"\"\n");
        assert_eq!(macros.evaluate("M0", None), None);
        assert_eq!(macros.evaluate("M14", None).as_deref(), Some(""));
    }
}
