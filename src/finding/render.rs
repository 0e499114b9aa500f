//! Findings as text for people and as JSON. Pure.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Code, Finding, Label, Place, Severity, escape_controls};
use crate::wire;

/// A finding with its source lines.
pub fn human(finding: &Finding, texts: &[(String, String)], colour: bool) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let message = lines_of(&finding.message);
    let title = level.primary_title(message.as_str()).id(finding.code.name);
    let mut group = Group::with_title(title);
    let mut lines = Vec::new();
    for (index, label) in finding.labels.iter().enumerate() {
        let Place::Span { file, span } = &label.place else {
            let place = escape_controls(&place(&label.place, texts)).into_owned();
            lines.push(if label.text.is_empty() {
                place
            } else {
                format!("{place}: {}", label.text)
            });
            continue;
        };
        let Some((_, text)) = texts.iter().find(|(name, _)| name == file) else { continue };
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let end = span.end.min(text.len());
        let mut annotation = kind.span(span.start.min(end)..end);
        if !label.text.is_empty() {
            annotation = annotation.label(label.text.as_str());
        }
        group = group
            .element(Snippet::source(text.as_str()).path(file.as_str()).annotation(annotation));
    }
    for line in &lines {
        group = group.element(Level::NOTE.message(line.as_str()));
    }
    for note in &finding.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// A message may have lines of its own; nothing else in it is obeyed.
fn lines_of(text: &str) -> String {
    text.split('\n').map(escape_controls).collect::<Vec<_>>().join("\n")
}

/// A place as `file:line:column`.
pub fn place(place: &Place, texts: &[(String, String)]) -> String {
    match place {
        Place::Line { file, line } => format!("{file}:{line}"),
        Place::Object { path, part: Some(part) } => format!("{path} {part}"),
        Place::Object { path, part: None } => path.clone(),
        Place::Span { file, span } => {
            let (line, column) = position(file, span.start, texts);
            format!("{file}:{line}:{column}")
        }
    }
}

/// Line and column of a place, counted from 1; 1 and 1 where there is none.
pub fn line_and_column(place: &Place, texts: &[(String, String)]) -> (usize, usize) {
    match place {
        Place::Span { file, span } => position(file, span.start, texts),
        Place::Line { line, .. } => (usize::try_from(*line).unwrap_or(1), 1),
        Place::Object { .. } => (1, 1),
    }
}

/// Where lines begin in texts, for many findings.
#[derive(Debug)]
pub struct Lines<'t> {
    texts: Vec<(&'t str, &'t str, Vec<usize>)>,
}

impl<'t> Lines<'t> {
    pub fn of(texts: &'t [(String, String)]) -> Self {
        let lines = texts.iter().map(|(file, text)| {
            let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1);
            (file.as_str(), text.as_str(), std::iter::once(0).chain(ends).collect())
        });
        Self { texts: lines.collect() }
    }

    /// Line and column (in characters) of a byte, counted from 1.
    fn position(&self, file: &str, offset: usize) -> (usize, usize) {
        let Some((_, text, lines)) = self.texts.iter().find(|(name, ..)| *name == file) else {
            return (1, 1);
        };
        let line = lines.partition_point(|start| *start <= offset).max(1);
        let start = lines.get(line - 1).copied().unwrap_or(0);
        let before = text.get(start..offset.min(text.len())).unwrap_or_default();
        let column = if before.is_ascii() { before.len() } else { before.chars().count() };
        (line, column + 1)
    }
}

fn position(file: &str, offset: usize, texts: &[(String, String)]) -> (usize, usize) {
    Lines::of(texts).position(file, offset)
}

/// The reference of codes as a Markdown page: each with its sentence and its explanation.
pub fn reference(codes: &[&Code]) -> String {
    let mut out = "# Findings\n\n\
        Written by `cargo xtask generate` from the program's own list; `quench explain CODE` says the same. A finding is \
        something Quench looked for and has to tell: it has a code, a severity, places, and often a way out. Codes are \
        stable and never used again for something else.\n"
        .to_owned();
    for code in codes {
        out.push_str(&format!(
            "\n## `{}`\n\n{}.\n\n{}\n",
            code.name,
            capitalised(code.summary),
            code.explain
        ));
    }
    out
}

/// The text with a capital at its beginning, unless that is code or a name in lower case.
fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// The finding as a document.
pub fn wire(finding: &Finding, lines: &Lines<'_>) -> wire::Finding {
    wire::Finding {
        code: finding.code.name.to_owned(),
        help: finding.help.clone(),
        labels: finding.labels.iter().map(|label| wire_label(label, lines)).collect(),
        message: finding.message.clone(),
        notes: finding.notes.clone(),
        schema: wire::Tag::default(),
        severity: finding.severity.wire(),
    }
}

fn wire_label(label: &Label, lines: &Lines<'_>) -> wire::Label {
    let text = label.text.clone();
    match &label.place {
        Place::Span { file, span } => {
            let (line, column) = lines.position(file, span.start);
            let (line, column) = (Some(line), Some(column));
            wire::Label { file: Some(file.clone()), line, column, text, ..wire::Label::default() }
        }
        Place::Line { file, line } => {
            let line = usize::try_from(*line).ok();
            wire::Label { file: Some(file.clone()), line, text, ..wire::Label::default() }
        }
        Place::Object { path, part } => {
            let (object, part) = (Some(path.clone()), Some(part.clone()));
            wire::Label { object, part, text, ..wire::Label::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Finding, Place, human};
    use crate::finding::merge_equal;

    const CODE: Code = Code { name: "area::code", summary: "", explain: "" };

    #[test]
    fn a_place_of_which_nothing_more_is_said_stands_alone() {
        let text = |label: &str, place: Place| {
            let texts = [("a.toml".to_owned(), "one = 1\n".to_owned())];
            human(&Finding::error(&CODE, "wrong").at(place, label), &texts, false)
        };
        let object = |part: Option<&str>| Place::Object {
            path: "/usr/bin/x".to_owned(),
            part: part.map(str::to_owned),
        };
        let bare = text("", object(None));
        assert!(bare.lines().any(|line| line.ends_with("note: /usr/bin/x")), "{bare}");
        let part = text("", object(Some("main")));
        assert!(part.lines().any(|line| line.ends_with("note: /usr/bin/x main")), "{part}");
        let said = text("here", object(None));
        assert!(said.contains("note: /usr/bin/x: here"), "{said}");
        let span = text("", Place::Span { file: "a.toml".to_owned(), span: 0..3 });
        assert!(span.lines().any(|line| line.ends_with("^^^")), "{span}");
        for shown in [bare, part, said, span] {
            let dangling = shown.lines().any(|line| line.trim_end().ends_with(':'));
            assert!(!dangling && shown.lines().all(|line| line == line.trim_end()), "{shown:?}");
        }
    }

    #[test]
    fn what_is_true_of_two_packages_is_said_once() {
        let object = |path: &str| Place::Object { path: path.to_owned(), part: None };
        let lost = |path: &str| Finding::warning(&CODE, "lost").at(object(path), "");
        let other = Finding::warning(&CODE, "other").at(object("a.deb"), "");
        let line = || {
            let place = Place::Line { file: "p.toml".to_owned(), line: 1 };
            Finding::warning(&CODE, "line").at(place, "")
        };
        let all = [lost("a.rpm"), other.clone(), lost("a.deb"), line(), line()];
        let both = lost("a.rpm").at(object("a.deb"), "");
        assert_eq!(merge_equal(&all), [both, other, line(), line()]);
        let worse = Finding::error(&CODE, "lost").at(object("b"), "");
        assert_eq!(merge_equal(&[lost("a"), worse.clone()]), [lost("a"), worse]);
    }
}
