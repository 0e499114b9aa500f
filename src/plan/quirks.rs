//! Link-closure trouble that Kconfig does not know, as data (`patches/quirks.toml`): symptom, cause, remedies with cost.
//!
//! Pure. A quirk is judged by the tree itself, so a tree that was fixed upstream or patched by hand is not "remedied".

use serde::Deserialize;

use super::Because;
use crate::builtin;
use crate::tree::Tree;

#[derive(Debug, Clone, Deserialize)]
struct Quirks {
    quirk: Vec<Quirk>,
}

/// A known selection that resolves and does not link, with its remedies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quirk {
    pub id: String,
    /// First and last series it can apply to.
    first: String,
    #[serde(default)]
    last: Option<String>,
    with: Vec<String>,
    without: Vec<String>,
    calls: Evidence,
    lacks: Evidence,
    pub symptom: String,
    pub cause: String,
    remedy: Vec<Remedy>,
}

/// A text whose presence in a file of the tree proves a quirk.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Evidence {
    file: String,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remedy {
    #[serde(default)]
    patch: Option<String>,
    #[serde(default)]
    symbols: Vec<String>,
    cost: String,
}

/// What is done about a quirk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The tree has the patch: nothing to do, but a reason to show.
    Patched(Because),
    /// Symbols must be turned on.
    Symbols(Vec<String>, Because),
}

/// All quirks that Quench knows. The data is part of the program; a test reads it.
pub(super) fn known() -> Vec<Quirk> {
    toml::from_str::<Quirks>(builtin::QUIRKS).map(|quirks| quirks.quirk).unwrap_or_default()
}

impl Quirk {
    /// Tells whether a selection has this trouble, as far as versions and symbols go.
    pub(super) fn concerns(&self, version: &str, on: &dyn Fn(&str) -> bool) -> bool {
        let after = series(version) >= series(&self.first);
        let before = self.last.as_ref().is_none_or(|last| series(version) <= series(last));
        after
            && before
            && self.with.iter().all(|symbol| on(symbol))
            && !self.without.iter().any(|symbol| on(symbol))
    }

    /// Tells whether a file of the tree is evidence for this quirk.
    pub(super) fn reads(&self, path: &str) -> bool {
        self.calls.file == path || self.lacks.file == path
    }

    /// Decides what to do about the quirk; `None` when the tree does not have the trouble.
    /// `patches` are the names of those applied to it.
    pub(super) fn answer(&self, tree: &Tree, patches: &[String]) -> Option<Answer> {
        if !has(tree, &self.calls) {
            return None;
        }
        let because = |remedy: &Remedy, done: String| Because::Quirk {
            id: self.id.clone(),
            why: format!("{}; {done} ({})", self.cause, remedy.cost),
        };
        let solved = has(tree, &self.lacks);
        for remedy in &self.remedy {
            match &remedy.patch {
                Some(patch) if solved && patches.contains(patch) => {
                    let done = format!("the tree is patched with {patch}");
                    return Some(Answer::Patched(because(remedy, done)));
                }
                None if !solved => {
                    let done = format!("{} turned on", remedy.symbols.join(" and "));
                    return Some(Answer::Symbols(remedy.symbols.clone(), because(remedy, done)));
                }
                _ => {}
            }
        }
        None
    }

    /// The patch that would be cheaper than a symbol, where there is one.
    pub(super) fn patch(&self) -> Option<(&str, &str)> {
        self.remedy.iter().find_map(|r| Some((r.patch.as_deref()?, r.cost.as_str())))
    }
}

fn has(tree: &Tree, evidence: &Evidence) -> bool {
    tree.text(&evidence.file).is_some_and(|text| text.contains(&evidence.text))
}

/// The series of a version: `10.2.50` gives (10, 2).
fn series(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(stub: &str) -> Tree {
        [
            ("hw/acpi/cxl.c", "list = cxl_fmws_get_all_sorted();\n"),
            ("hw/cxl/cxl-host-stubs.c", stub),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn the_tree_decides_whether_a_quirk_needs_an_answer() {
        let quirks = known();
        let quirk = quirks.iter().find(|quirk| quirk.id == "cxl-fmws-stub").unwrap();
        let q35 = |symbol: &str| symbol == "ACPI_CXL";
        assert!(quirk.concerns("10.2.2", &q35));
        assert!(!quirk.concerns("10.0.13", &q35));
        assert!(!quirk.concerns("10.2.2", &|symbol| symbol == "ACPI_CXL" || symbol == "CXL"));
        let patch = quirk.patch().unwrap().0.to_owned();
        assert!(
            matches!(quirk.answer(&tree(""), &[]), Some(Answer::Symbols(symbols, _)) if symbols.contains(&"CXL".to_owned()))
        );
        let fixed = tree("GSList *cxl_fmws_get_all_sorted(void)");
        assert!(matches!(quirk.answer(&fixed, &[patch]), Some(Answer::Patched(_))));
        // Fixed by someone else: nothing to say.
        assert_eq!(quirk.answer(&fixed, &[]), None);
    }
}
