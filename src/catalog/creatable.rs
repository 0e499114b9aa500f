//! What class initialisers say of `user_creatable`: always, or where a field of the type's row in a table says so.
//!
//! Pure. `if (info->notuser) { dc->user_creatable = false; }` (hw/usb/hcd-uhci.c) is a statement about those types whose
//! row has the field, and the function may be called for the types of another file.

use super::macros::{matching, split_commas};
use super::qom::Fields;

/// What a function assigns to `user_creatable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Says {
    value: bool,
    /// Only where the field of the row has this value.
    when: Option<(String, bool)>,
}

impl Says {
    /// Reads the body of a class initialiser; `None` when it does not say.
    pub(super) fn of(body: &str) -> Option<Self> {
        let at = body.find("user_creatable = ")?;
        let value = body[at..].trim_start_matches("user_creatable = ");
        let value = match value {
            _ if value.starts_with("false") => false,
            _ if value.starts_with("true") => true,
            _ => return None,
        };
        Some(Self { value, when: condition(&body[..at]) })
    }

    /// The answer for a type, by the fields of its row that are true.
    pub(super) fn answer(&self, flags: &[String]) -> Option<bool> {
        match &self.when {
            Some((field, wanted)) if flags.contains(field) != *wanted => None,
            _ => Some(self.value),
        }
    }

    pub(super) fn is_conditional(&self) -> bool {
        self.when.is_some()
    }
}

/// The field that the statement after a text depends on: `if (info->field) {`, with or without the brace.
fn condition(before: &str) -> Option<(String, bool)> {
    let statement = before.rfind([';', '}']).map_or(before, |end| &before[end + 1..]);
    let open = statement.rfind("if (")? + "if (".len();
    let inside = &statement[open..statement[open..].find(')')? + open];
    let (expression, wanted) = match inside.strip_prefix('!') {
        Some(rest) => (rest, false),
        None => (inside, true),
    };
    let (_, field) = expression.split_once("->")?;
    let is_name = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name(field).then(|| (field.to_owned(), wanted))
}

/// The fields of a table's row that are true.
pub(super) fn flags(row: &str) -> Vec<String> {
    let inner = row.trim().strip_prefix('{').and_then(|row| row.strip_suffix('}')).unwrap_or(row);
    let parts = split_commas(inner).into_iter().filter_map(|part| {
        let (name, value) = part.trim().strip_prefix('.')?.split_once('=')?;
        matches!(value.trim(), "true" | "1").then(|| name.trim().to_owned())
    });
    parts.collect()
}

/// The row that a type's `class_data` points to, of the rows of a table: the one with its name, else the first.
pub(super) fn row_of<'r>(rows: &[&'r str], is_name: &dyn Fn(&str) -> bool) -> Option<&'r str> {
    let named = |row: &&&str| {
        let inner = row.trim().trim_start_matches('{').trim_end_matches('}');
        Fields { body: inner }.get("name").is_some_and(is_name)
    };
    rows.iter().find(named).or(rows.first()).copied()
}

/// Functions of a file whose word on `user_creatable` depends on a row, with that word: types of other files may name them.
pub(super) fn initialisers(text: &str) -> Vec<(String, Says)> {
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find("\n{").map(|at| from + at + 1) {
        // What does not end is no function.
        let end = matching(&text[open..]).map_or(open, |end| open + end);
        let body = &text[open..end];
        if body.contains("user_creatable")
            && let Some(says) = Says::of(body).filter(Says::is_conditional)
            && let Some(name) = name_before(&text[..open])
        {
            out.push((name.to_owned(), says));
        }
        from = end.max(open + 1);
    }
    out
}

/// The function whose parameters end a text.
fn name_before(text: &str) -> Option<&str> {
    let line = text.trim_end().rfind('(').map(|at| &text[..at])?;
    let start = line.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
    Some(&line[start..]).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Says, flags, initialisers};

    #[test]
    fn a_condition_on_a_row_is_about_types_with_that_row() {
        let says = |body: &str| Says::of(body).unwrap();
        let braces = says("{ a(); if (info->notuser) {\n  dc->user_creatable = false;\n}");
        assert_eq!(braces.answer(&["notuser".to_owned()]), Some(false));
        assert_eq!(braces.answer(&[]), None);
        let bare = says("{ x = 1;\n if (!data->plain)\n dc->user_creatable = true;");
        assert_eq!((bare.answer(&[]), bare.answer(&["plain".to_owned()])), (Some(true), None));
        let always = says("{ if (info->x) { y(); }\n dc->user_creatable = false;");
        assert_eq!(always.answer(&[]), Some(false));
        assert_eq!(Says::of("{ dc->desc = 1; }"), None);
    }

    #[test]
    fn functions_that_other_files_name_are_found() {
        let text = "static void a(int b)\n{\n if (x) { y; }\n}\nvoid uhci_init(ObjectClass *k, void *d)\n{\n if (i->n) {\n \
                    dc->user_creatable = false;\n }\n}\n";
        let found: Vec<String> = initialisers(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, ["uhci_init"]);
        assert_eq!(
            flags("{ .name = \"x\", .notuser = true, .plug = false, .one = 1 }"),
            ["notuser", "one"]
        );
    }
}
