//! `quench diff-tree`: what changed between two QEMU trees, and what that does to a profile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Format;
use crate::catalog::{self, Changes};
use crate::failure::{Exit, Failure};
use crate::finding::{self, Finding};
use crate::pipeline;
use crate::plan::{self, Options, Plan};
use crate::scan_cache::Scanned;
use crate::terminal::Terminal;
use crate::wire::tree_diff::{self, Both, PlanChanges};
use crate::wire::{Tag, TreeDiff};

/// Compare two QEMU trees: devices, machines, backends, Kconfig symbols and configure options.
///
/// Example: quench diff-tree ../qemu-10.0 ../qemu-10.2 --profile cloud-virtio
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The older tree.
    old: PathBuf,
    /// The newer tree.
    new: PathBuf,
    /// Say what the change does to this profile.
    #[arg(long)]
    profile: Option<String>,
    /// For people, or `quench.tree-diff/1`.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

/// What a tree makes of the profile.
struct Effect {
    plan: Option<Plan>,
    findings: Vec<Finding>,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let (old, new) = (pipeline::scan(&args.old, None)?, pipeline::scan(&args.new, None)?);
    let mut changes: BTreeMap<&str, Changes> = catalog::diff(&old.catalog, &new.catalog);
    for (kind, of) in [
        ("symbol", symbols as fn(&Scanned) -> BTreeMap<String, BTreeSet<String>>),
        ("option", options),
    ] {
        let found = Changes::between(&of(&old), &of(&new));
        if !found.is_empty() {
            changes.insert(kind, found);
        }
    }
    let effects = match &args.profile {
        Some(name) => Some((effect(name, &old, terminal)?, effect(name, &new, terminal)?)),
        None => None,
    };
    match args.format {
        Format::Json => {
            let document = document(&old, &new, &changes, effects.as_ref());
            terminal.data(&super::json_text(&document)?);
        }
        Format::Human => human(&old, &new, &changes, effects.as_ref(), terminal),
    }
    Ok(Exit::Done)
}

fn effect(name: &str, scanned: &Scanned, terminal: &Terminal) -> Result<Effect, Failure> {
    let loaded = pipeline::load(name)?;
    let (profile, _) = loaded.checked(terminal)?;
    let (plan, findings) = pipeline::plan_of_tree(&profile, scanned);
    // That the series differs is what was asked about.
    let findings = findings.into_iter().filter(|f| *f.code != plan::SERIES).collect();
    Ok(Effect { plan, findings })
}

fn symbols(scanned: &Scanned) -> BTreeMap<String, BTreeSet<String>> {
    let of = |name: &str| {
        let file = scanned.kconfig.declaration(name).map(|(file, _)| file.to_owned());
        (name.to_owned(), file.into_iter().collect())
    };
    scanned.kconfig.symbols().map(of).collect()
}

fn options(scanned: &Scanned) -> BTreeMap<String, BTreeSet<String>> {
    Options::of(&scanned.tree).names().map(|(name, _)| (name.to_owned(), BTreeSet::new())).collect()
}

/// Sets of a plan that a person wants compared.
fn sets(plan: &Plan) -> [(&'static str, BTreeSet<String>); 5] {
    let texts = |items: &[plan::Item]| items.iter().map(|item| item.text.clone()).collect();
    [
        ("device", plan.surface.devices.keys().cloned().collect()),
        ("machine", plan.surface.machines.keys().cloned().collect()),
        ("object", plan.surface.objects.keys().cloned().collect()),
        ("symbol", texts(&plan.symbols)),
        ("argument", texts(&plan.configure)),
    ]
}

/// (kind, only in the old plan, only in the new plan).
fn plan_changes(old: &Plan, new: &Plan) -> Vec<(&'static str, Vec<String>, Vec<String>)> {
    let pairs = sets(old).into_iter().zip(sets(new));
    pairs
        .map(|((kind, old), (_, new))| {
            (kind, old.difference(&new).cloned().collect(), new.difference(&old).cloned().collect())
        })
        .filter(|(_, gone, come): &(_, Vec<String>, Vec<String>)| {
            !gone.is_empty() || !come.is_empty()
        })
        .collect()
}

fn human(
    old: &Scanned,
    new: &Scanned,
    changes: &BTreeMap<&str, Changes>,
    effects: Option<&(Effect, Effect)>,
    terminal: &Terminal,
) {
    let mut out = format!("QEMU {} → {}\n", old.catalog.version, new.catalog.version);
    for (kind, changes) in changes {
        let Changes { appeared, gone, renamed } = changes;
        out.push_str(&format!(
            "\n{kind}: {} appeared, {} gone, {} renamed\n",
            appeared.len(),
            gone.len(),
            renamed.len()
        ));
        out.extend(renamed.iter().map(|(old, new)| format!("  {old} → {new}\n")));
        out.extend(gone.iter().map(|name| format!("  - {name}\n")));
        out.extend(appeared.iter().map(|name| format!("  + {name}\n")));
    }
    terminal.data(&out);
    let Some((before, after)) = effects else { return };
    let mut out = String::from("\nthe profile\n");
    match (&before.plan, &after.plan) {
        (Some(before), Some(after)) => {
            let changes = plan_changes(before, after);
            if changes.is_empty() {
                out.push_str("  gives the same selection and surface\n");
            }
            for (kind, gone, come) in changes {
                out.extend(gone.iter().map(|name| format!("  - {kind} {name}\n")));
                out.extend(come.iter().map(|name| format!("  + {kind} {name}\n")));
            }
        }
        (_, None) => out.push_str("  cannot be planned on the newer tree:\n"),
        (None, Some(_)) => out.push_str("  can be planned only on the newer tree:\n"),
    }
    terminal.data(&out);
    let shown = if after.plan.is_none() { after } else { before };
    if before.plan.is_none() || after.plan.is_none() {
        for finding in &shown.findings {
            terminal.data(&format!("  {}: {}\n", finding.code.name, finding.message));
        }
    }
}

/// The whole answer as a document.
fn document(
    old: &Scanned,
    new: &Scanned,
    changes: &BTreeMap<&str, Changes>,
    effects: Option<&(Effect, Effect)>,
) -> TreeDiff {
    TreeDiff {
        changes: changes.iter().map(|(kind, of)| ((*kind).to_owned(), of.wire())).collect(),
        new: new.catalog.version.clone(),
        old: old.catalog.version.clone(),
        profile: effects.map(|(before, after)| effect_document(before, after)),
        schema: Tag::default(),
    }
}

fn effect_document(before: &Effect, after: &Effect) -> tree_diff::Effect {
    let lines = finding::Lines::of(&[]);
    let found =
        |effect: &Effect| effect.findings.iter().map(|f| finding::wire(f, &lines)).collect();
    let changes = match (&before.plan, &after.plan) {
        (Some(before), Some(after)) => plan_changes(before, after)
            .into_iter()
            .map(|(kind, gone, appeared)| PlanChanges { appeared, gone, kind: kind.to_owned() })
            .collect(),
        _ => Vec::new(),
    };
    tree_diff::Effect {
        changes,
        findings: Both { new: found(after), old: found(before) },
        planned: Both { new: after.plan.is_some(), old: before.plan.is_some() },
    }
}
