//! String macros of the tree (`TYPE_…`, `X86_CPU_TYPE_NAME(…)`) and the constant string expressions built from them.
//!
//! Pure. Not a preprocessor: it knows enough of C to join literals and expand macros whose body is a string.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;

/// How deep macros may expand into each other.
const DEPTH: usize = 16;

/// How many words one expression may expand to. Depth alone does not bound it: each level can multiply the words.
const WORDS: usize = 4096;

/// A macro, from the end of its name to the end of its line: `(a, b) body` or ` body`.
#[derive(Debug, Clone)]
struct Macro<'a>(Cow<'a, str>);

impl Macro<'_> {
    /// Splits a macro into its parameters, where it takes arguments, and its body.
    fn parts(&self) -> Option<(Option<Vec<&str>>, &str)> {
        match self.0.strip_prefix('(') {
            Some(rest) => {
                let (list, body) = rest.split_once(')')?;
                Some((Some(list.split(',').map(str::trim).collect()), body.trim()))
            }
            None => Some((None, self.0.trim())),
        }
    }

    /// Tells whether a macro can become a string: other macros and literals side by side, and
    /// nothing that calculates.
    fn may_be_string(&self) -> bool {
        let Some((_, body)) = self.parts() else { return false };
        let calculates = |c: u8| !(c.is_ascii_alphanumeric() || b"_ \t(),#".contains(&c));
        let first = body.bytes().next().is_some_and(|c| c.is_ascii_uppercase() || c == b'(');
        body.len() < 400 && (body.contains('"') || first && !body.bytes().any(calculates))
    }
}

/// Macros by name. The first definition wins: QEMU writes the 64-bit or enabled case first.
#[derive(Debug, Clone, Default)]
pub(super) struct Macros<'a> {
    macros: BTreeMap<&'a str, Macro<'a>>,
}

impl<'a> Macros<'a> {
    /// Joins the macros of many texts; of several with one name, that of the first text counts.
    pub(super) fn of(texts: &'a [Cow<'a, str>]) -> Self {
        let each: Vec<Vec<(&str, Macro<'_>)>> =
            texts.par_iter().map(|text| defined(text).collect()).collect();
        let mut out = Self::default();
        for (name, definition) in each.into_iter().flatten() {
            out.macros.entry(name).or_insert(definition);
        }
        out
    }

    /// Adds the macros of a text that could matter to a string.
    pub(super) fn add(&mut self, text: &'a str) {
        for (name, definition) in defined(text) {
            self.macros.entry(name).or_insert(definition);
        }
    }

    /// Evaluates a constant expression to the string it means; `None` when it is none.
    pub(super) fn evaluate(&self, expression: &str, own: Option<&Macros<'_>>) -> Option<String> {
        self.eval(expression, own, 0, &mut { WORDS })
    }

    fn eval(
        &self,
        expression: &str,
        own: Option<&Macros<'_>>,
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
                let definition = own.and_then(|own| own.macros.get(name));
                let definition = definition.or_else(|| self.macros.get(name));
                out.push_str(&self.expand(name, definition, &mut rest, own, depth, words)?);
            }
        }
        Some(out)
    }

    fn expand(
        &self,
        name: &str,
        definition: Option<&Macro<'_>>,
        rest: &mut &str,
        own: Option<&Macros<'_>>,
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
        match (definition?.parts()?, arguments) {
            ((None, body), None) => self.eval(body, own, depth + 1, words),
            ((Some(parameters), body), Some(arguments)) => {
                let mut body = body.to_owned();
                for (parameter, argument) in parameters.into_iter().zip(&arguments) {
                    body = replace_word(&body, parameter, argument.trim());
                }
                self.eval(&body, own, depth + 1, words)
            }
            _ => None,
        }
    }
}

/// Finds every `#define` of a text that could matter to a string.
fn defined(text: &str) -> impl Iterator<Item = (&str, Macro<'_>)> {
    memchr::memmem::find_iter(text.as_bytes(), b"define").filter_map(|start| {
        let directive = text.as_bytes()[..start].trim_ascii_end().ends_with(b"#");
        let rest = text[start + "define".len()..].trim_start_matches([' ', '\t']);
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let definition = (directive && !name.is_empty()).then(|| Macro(logical_line(rest)))?;
        definition.may_be_string().then_some((name, definition))
    })
}

/// The line `text` begins with, continued lines joined.
fn logical_line(text: &str) -> Cow<'_, str> {
    let first = text.lines().next().unwrap_or("");
    if !first.ends_with('\\') {
        return first.into();
    }
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
    out.into()
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
        let line = |level| format!("#define M{level} {}\n", format!("M{} ", level + 1).repeat(60));
        let text: String = (0..14).map(line).collect();
        macros.add(&text);
        macros.add("#define M14 \"\"\n");
        assert_eq!(macros.evaluate("M0", None), None);
        assert_eq!(macros.evaluate("M14", None).as_deref(), Some(""));
    }
}
