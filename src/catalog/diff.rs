//! What changed between two trees: names that appeared, went, or were renamed, by kind.
//!
//! Pure. A rename is a guess from evidence and says so by pairing the names: a thing that went and one that appeared in
//! the same file, or with a name that is almost the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{Catalog, Kind};
use crate::wire::tree_diff;

/// What appeared, went, or was renamed among names of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub appeared: Vec<String>,
    pub gone: Vec<String>,
    /// (old, new).
    pub renamed: Vec<(String, String)>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.appeared.is_empty() && self.gone.is_empty() && self.renamed.is_empty()
    }

    /// The changes in a document.
    pub fn wire(&self) -> tree_diff::Changes {
        let renamed = self.renamed.iter().cloned();
        tree_diff::Changes {
            appeared: self.appeared.clone(),
            gone: self.gone.clone(),
            renamed: renamed.map(|(old, new)| tree_diff::Renamed { new, old }).collect(),
        }
    }

    /// Compares two sets of names; `kin` is a hint that two names may be the same thing (their file).
    pub fn between(
        old: &BTreeMap<String, BTreeSet<String>>,
        new: &BTreeMap<String, BTreeSet<String>>,
    ) -> Self {
        let mut appeared: BTreeSet<&String> =
            new.keys().filter(|name| !old.contains_key(*name)).collect();
        let mut changes = Self::default();
        for gone in old.keys().filter(|name| !new.contains_key(*name)) {
            let best = appeared
                .iter()
                .map(|name| (likeness(gone, &old[gone], name, &new[*name]), *name))
                .filter(|(score, _)| *score >= ALIKE)
                .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
            match best {
                Some((_, name)) => {
                    appeared.remove(name);
                    changes.renamed.push((gone.clone(), name.clone()));
                }
                None => changes.gone.push(gone.clone()),
            }
        }
        changes.appeared = appeared.into_iter().cloned().collect();
        changes
    }
}

/// The likeness (0 to 1) from which on two names are taken for a rename.
const ALIKE: f64 = 0.93;

/// The Jaro-Winkler likeness of two names, better for names of the same file; names that differ
/// only in a number are siblings (`pc-q35-9.1`, `pc-q35-9.2`) and never a rename.
fn likeness(a: &str, a_kin: &BTreeSet<String>, b: &str, b_kin: &BTreeSet<String>) -> f64 {
    let letters = |name: &str| name.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    if letters(a) == letters(b) {
        return 0.0;
    }
    let kin = !a_kin.is_disjoint(b_kin);
    strsim::jaro_winkler(a, b) + if kin { 0.08 } else { 0.0 }
}

/// Compares two catalogs: the changes of every kind of entry, by the kind's name. Only what a user
/// can name: no abstract types.
pub fn diff(old: &Catalog, new: &Catalog) -> BTreeMap<&'static str, Changes> {
    let kinds = [
        Kind::Device,
        Kind::Cpu,
        Kind::Machine,
        Kind::Object,
        Kind::Netdev,
        Kind::Chardev,
        Kind::Display,
        Kind::Audio,
        Kind::Block,
    ];
    let changes = kinds
        .into_iter()
        .map(|kind| (kind.name(), Changes::between(&names(old, kind), &names(new, kind))));
    changes.filter(|(_, changes)| !changes.is_empty()).collect()
}

/// Names of a kind with the files that define them.
fn names(catalog: &Catalog, kind: Kind) -> BTreeMap<String, BTreeSet<String>> {
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in catalog.entries.iter().filter(|entry| entry.kind == kind && !entry.is_abstract) {
        if entry.condition == super::Condition::Never {
            continue;
        }
        let name = entry.name.trim_end_matches("-machine").to_owned();
        out.entry(name).or_default().insert(entry.file.clone());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[(&str, &str)]) -> BTreeMap<String, BTreeSet<String>> {
        names
            .iter()
            .map(|(name, file)| ((*name).to_owned(), [(*file).to_owned()].into_iter().collect()))
            .collect()
    }

    #[test]
    fn a_rename_is_one_change_and_a_new_version_is_none() {
        let old = set(&[("ccid-card-pass", "a.c"), ("pc-q35-9.1", "pc.c"), ("rocker", "r.c")]);
        let new = set(&[("ccid-card-passthru", "a.c"), ("pc-q35-9.2", "pc.c"), ("igb", "i.c")]);
        let changes = Changes::between(&old, &new);
        assert_eq!(
            changes.renamed,
            [("ccid-card-pass".to_owned(), "ccid-card-passthru".to_owned())]
        );
        assert_eq!(changes.gone, ["pc-q35-9.1", "rocker"]);
        assert_eq!(changes.appeared, ["igb", "pc-q35-9.2"]);
    }
}
