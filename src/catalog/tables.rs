//! Static tables that types are made from: their rows, the names in them, and what a row says beside. Pure.

use super::creatable;
use super::macros::{matching, split_commas};
use super::qom::{Fields, Scan, find, up_to};

impl<'a> Scan<'a> {
    /// The fields that are true in the row that a type's `class_data` names.
    pub(super) fn class_data(&self, name: &str, fields: &Fields<'_>) -> Vec<String> {
        let Some(data) = fields.get("class_data") else { return Vec::new() };
        let data = data.rsplit(['&', ')']).next().unwrap_or(data);
        let array = data.split('[').next().unwrap_or(data).trim();
        let rows = self.array_groups(array);
        let is_name = |expression: &str| self.string(expression).is_some_and(|it| it == name);
        creatable::row_of(&rows, &is_name).map(creatable::flags).unwrap_or_default()
    }

    /// Names in the table that `info->name` or `table[i].name` walks over, each with the fields of its row that are true.
    pub(super) fn table(&self, offset: usize, expression: &str) -> Vec<(String, Vec<String>)> {
        let Some((object, field)) =
            expression.split_once("->").or_else(|| expression.rsplit_once('.'))
        else {
            return Vec::new();
        };
        let array = if let Some((array, _)) = object.split_once('[') {
            array.to_owned()
        } else {
            let assignment = format!("{} = &", object.trim());
            let around = up_to(self.text, offset + 2000);
            match around.rfind(&assignment) {
                Some(at) => around[at + assignment.len()..]
                    .split('[')
                    .next()
                    .unwrap_or("")
                    .trim()
                    .to_owned(),
                None => return Vec::new(),
            }
        };
        self.array_groups(&array)
            .into_iter()
            .filter_map(|group| {
                let name = self.name_of_row(group.trim(), field.trim())?;
                Some((name, creatable::flags(group)))
            })
            .collect()
    }

    /// The name in a row of a table.
    fn name_of_row(&self, group: &str, field: &str) -> Option<String> {
        if let Some(inner) = group.strip_prefix('{').and_then(|g| g.strip_suffix('}')) {
            if let Some(expression) = (Fields { body: inner }).get(field) {
                return self.string(expression);
            }
            return split_commas(inner).into_iter().find_map(|part| self.leading(part));
        }
        self.leading(group)
    }

    /// The leading name of a table's row: a string, or the first argument of a macro around the
    /// fields: `INFO("name", …)`.
    pub(super) fn leading(&self, part: &str) -> Option<String> {
        self.string(part).or_else(|| {
            let open = part.find('(')?;
            split_commas(&part[open + 1..]).first().and_then(|first| self.string(first))
        })
    }

    /// The elements of a static array.
    pub(super) fn array_groups(&self, array: &str) -> Vec<&'a str> {
        let mut from = 0;
        let needle = format!("{array}[");
        while let Some(at) = find(&self.text[from..], needle.as_bytes()) {
            let rest = &self.text[from + at..];
            let head = rest.find(['=', ';', ')']).unwrap_or(rest.len());
            if rest[head..].starts_with('=') {
                let body = rest[head + 1..].trim_start();
                if body.starts_with('{')
                    && let Some(end) = matching(body)
                {
                    return split_commas(&body[1..end]);
                }
            }
            from += at + array.len();
        }
        Vec::new()
    }
}
