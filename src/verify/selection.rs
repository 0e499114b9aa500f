//! Which rules are judged, and how much of a file that needs. Pure.

use super::rules::{Needs, RULES};
use super::{FILE_RULES, rule_names};

/// Rules that are judged whatever was asked for: what is not read, or not opened, is named.
const ALWAYS: &[&str] = &["readable", "opened"];

/// All rules, or some.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection(Option<Vec<&'static str>>);

impl Selection {
    /// Of names of rules and of groups: `headers` (what needs no code and no search through the file), `files` (rights
    /// and kinds of entries), `code` (the rest). The error is the word that is neither.
    pub fn of<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, String> {
        let mut rules: Vec<&'static str> = ALWAYS.to_vec();
        for word in words {
            let before = rules.len();
            match word {
                "headers" => rules.extend(elf(&|needs| needs == Needs::Headers)),
                "code" => rules.extend(elf(&|needs| needs != Needs::Headers)),
                "files" => rules.extend(FILE_RULES.iter().map(|rule| rule.name)),
                name => rules.extend(rule_names().filter(|known| *known == name)),
            }
            if rules.len() == before {
                return Err(word.to_owned());
            }
        }
        rules.sort_unstable();
        rules.dedup();
        Ok(Self(Some(rules)))
    }

    pub fn has(&self, rule: &str) -> bool {
        self.0.as_ref().is_none_or(|rules| rules.binary_search(&rule).is_ok())
    }

    /// The names, when they are not all.
    pub fn names(&self) -> Option<&[&'static str]> {
        self.0.as_deref()
    }

    /// Code, symbols and compilation units must be read.
    pub fn needs_code(&self) -> bool {
        RULES.iter().any(|rule| rule.needs == Needs::Code && self.has(rule.name))
    }

    /// The rights of files must be known.
    pub fn needs_rights(&self) -> bool {
        FILE_RULES.iter().any(|rule| !ALWAYS.contains(&rule.name) && self.has(rule.name))
    }
}

fn elf(wanted: &dyn Fn(Needs) -> bool) -> impl Iterator<Item = &'static str> {
    RULES.iter().filter(move |rule| wanted(rule.needs)).map(|rule| rule.name)
}

#[cfg(test)]
mod tests {
    use super::Selection;

    #[test]
    fn headers_need_no_code_and_code_does() {
        let headers = Selection::of(["headers"]).unwrap();
        assert!(headers.has("relro") && headers.has("readable") && !headers.has("fortify"));
        assert!(!headers.needs_code() && !headers.needs_rights());
        assert!(Selection::of(["headers", "stack-clash"]).unwrap().needs_code());
        assert!(Selection::of(["set-id"]).unwrap().needs_rights());
        assert!(Selection::default().needs_code() && Selection::default().has("anything"));
        assert_eq!(Selection::of(["pie", "reelro"]), Err("reelro".to_owned()));
    }
}
