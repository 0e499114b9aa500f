//! The small tree of `tests/data/tree/mini` as a value, and plans on it: what tests of pure modules are fed.
//!
//! Tests only; reads files, so it stands apart from the pure modules.

use std::path::Path;

use crate::catalog::{self, Catalog};
use crate::finding::{self, Finding};
use crate::hardening::Probes;
use crate::kconfig::{self, Kconfig};
use crate::plan::{self, Inputs, Plan, SourceFacts};
use crate::profile::{self, Profile};
use crate::tree::Tree;

/// Profiles that tests extend: one for each board of the tree.
const PARENTS: &[(&str, &str)] = &[
    (
        "q35",
        "schema = 1\nname = \"q35\"\nsummary = \"the small tree's q35\"\n\
         [qemu]\nseries = \"10.0\"\nsource = { path = \"qemu\" }\n\
         [target]\narch = \"x86_64\"\nmachines = [\"q35\"]\naccelerators = [\"kvm\"]\n",
    ),
    (
        "microvm",
        "schema = 1\nname = \"microvm\"\n\
         [qemu]\nseries = \"10.0\"\nsource = { path = \"qemu\" }\n\
         [target]\narch = \"x86_64\"\nmachines = [\"microvm\"]\naccelerators = [\"kvm\"]\n",
    ),
    (
        "virt",
        "schema = 1\nname = \"virt\"\n\
         [qemu]\nseries = \"10.0\"\nsource = { path = \"qemu\" }\n\
         [target]\narch = \"aarch64\"\nmachines = [\"virt\"]\naccelerators = [\"kvm\"]\n",
    ),
];

/// All files of the small tree, but the page that explains it.
pub(crate) fn tree() -> Tree {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tree/mini");
    let mut tree = Tree::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            if name != "README.md" {
                tree.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    tree
}

/// The small tree with changes: `(file, old, new)` replaces a text that must be there, an empty `old` adds `new` to the
/// end of a file, which need not exist.
pub(crate) fn tree_with(changes: &[(&str, &str, &str)]) -> Tree {
    let mut tree = tree();
    for (file, old, new) in changes {
        let text = tree.text(file).unwrap_or_default().into_owned();
        let changed = if old.is_empty() { format!("{text}{new}") } else { text.replace(old, new) };
        assert_ne!(text, changed, "{file}: `{old}` is not there");
        tree.insert(*file, changed);
    }
    tree
}

/// A tree with what scanning makes of it.
pub(crate) struct Scanned {
    pub(crate) tree: Tree,
    pub(crate) catalog: Catalog,
    pub(crate) kconfig: Kconfig,
}

impl Scanned {
    pub(crate) fn of(tree: Tree) -> Self {
        let (kconfig, findings) = kconfig::parse(&tree, "Kconfig");
        assert_eq!(findings, []);
        Self { catalog: catalog::scan(&tree), kconfig, tree }
    }

    /// What a plan is made of, from a source of which all facts are known.
    pub(crate) fn inputs<'a>(&'a self, profile: &'a Profile, probes: &'a Probes) -> Inputs<'a> {
        Inputs {
            profile,
            tree: &self.tree,
            catalog: &self.catalog,
            kconfig: &self.kconfig,
            source: source(),
            probes,
        }
    }

    /// The plan of a profile, and all findings on the way to it.
    pub(crate) fn plan(&self, text: &str) -> (Option<Plan>, Vec<Finding>) {
        self.plan_with(text, &Probes::default())
    }

    pub(crate) fn plan_with(&self, text: &str, probes: &Probes) -> (Option<Plan>, Vec<Finding>) {
        let (profile, mut findings) = profile(text);
        let Some(profile) = profile.filter(|_| !finding::any_error(&findings)) else {
            return (None, findings);
        };
        let (plan, more) = plan::make(self.inputs(&profile, probes));
        findings.extend(more);
        (plan, findings)
    }
}

/// Facts of a source that nobody fetched.
pub(crate) fn source() -> SourceFacts {
    SourceFacts {
        origin: "the small tree".to_owned(),
        version: "1:10.0.2+ds-1".to_owned(),
        digest: "1f".repeat(32),
        date: 1_750_000_000,
        files: vec![("mini.tar.xz".to_owned(), "2e".repeat(32))],
        patches: Vec::new(),
    }
}

/// A compiler that has everything but one flag of level `strict`.
pub(crate) fn probes() -> Probes {
    let accepted = [("-fzero-init-padding-bits=all", false), (plan::note::PROBE.text, true)];
    Probes {
        compiler: "gcc (Mini) 14.2.0".to_owned(),
        accepted: accepted.map(|(flag, has)| (flag.to_owned(), has)).into(),
    }
}

/// Reads a profile. A text without `schema` is the rest of one that extends `q35`, and one whose first word is the
/// name of another parent in a comment (`# virt`) extends that.
pub(crate) fn profile(text: &str) -> (Option<Profile>, Vec<Finding>) {
    let named = text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or("q35");
    let text = if text.contains("schema") {
        text.to_owned()
    } else {
        format!("schema = 1\nname = \"mini\"\nextends = [\"{named}\"]\n{text}")
    };
    let parents = |name: &str| {
        let found = PARENTS.iter().find(|(parent, _)| *parent == name);
        found.map(|(_, text)| (format!("{name}.toml"), (*text).to_owned())).into()
    };
    profile::load("mini.toml", &text, &parents)
}

/// Findings as short lines: severity, code, message; then places, notes and help.
pub(crate) fn told(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let severity = finding.severity.name();
        out.push_str(&format!("{severity} {}: {}\n", finding.code.name, finding.message));
        for label in &finding.labels {
            let place = match &label.place {
                finding::Place::Span { file, .. } => file.clone(),
                other => finding::place(other, &[]),
            };
            out.push_str(format!("  at {place} {}", label.text).trim_end());
            out.push('\n');
        }
        out.extend(finding.notes.iter().map(|note| format!("  note {note}\n")));
        out.extend(finding.help.iter().map(|help| format!("  help {help}\n")));
    }
    out
}
