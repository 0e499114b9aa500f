//! `quench devices`: the catalog of a tree.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::Format;
use crate::catalog::{Entry, Kind};
use crate::failure::{Exit, Failure};
use crate::pipeline;
use crate::terminal::Terminal;
use crate::wire;

/// List the devices, or other kinds of types and backends, a tree offers.
///
/// Example: quench devices --source ../qemu --format json | jq '.entries | length'
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An unpacked QEMU tree.
    #[arg(long, value_name = "DIR")]
    source: PathBuf,
    /// Also what a user cannot create, and CPU models.
    #[arg(long)]
    all: bool,
    /// Something else than devices; `type` is any other QOM type: buses, accelerators, memory regions.
    #[arg(long, value_parser = kinds(), default_value = "device")]
    kind: Kind,
    /// For people, or `quench.catalog/2`.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

/// Kinds by their names in the catalog; machines have a verb of their own.
fn kinds() -> impl TypedValueParser<Value = Kind> {
    let known = || Kind::ALL.iter().filter(|kind| **kind != Kind::Machine);
    PossibleValuesParser::new(known().map(|kind| kind.name())).try_map(move |name| {
        known().find(|kind| kind.name() == name).copied().ok_or("no such kind")
    })
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let kind = args.kind;
    let wanted = |entry: &Entry| {
        let shown = match kind {
            Kind::Device => entry.kind == kind && (args.all || entry.user_creatable),
            kind => entry.kind == kind,
        };
        !entry.is_abstract && (shown || args.all && kind == Kind::Device && entry.kind == Kind::Cpu)
    };
    list(&args.source, args.format == Format::Json, &wanted, terminal)
}

/// Prints the entries of a tree that `wanted` picks.
pub(super) fn list(
    source: &std::path::Path,
    as_json: bool,
    wanted: &dyn Fn(&Entry) -> bool,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let scanned = pipeline::scan(source, None)?;
    let mut entries: Vec<&Entry> =
        scanned.catalog.entries.iter().filter(|entry| wanted(entry)).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.file.cmp(&b.file)));
    entries.dedup_by(|a, b| a.name == b.name && a.file == b.file && a.condition == b.condition);
    if as_json {
        let document = wire::Catalog {
            entries: entries.into_iter().map(Entry::wire).collect(),
            schema: wire::Tag::default(),
            version: scanned.catalog.version.clone(),
        };
        terminal.data(&super::json_text(&document)?);
        return Ok(Exit::Done);
    }
    for entry in entries {
        terminal.data(&format!(
            "{:<36} {:<18} {:<40} {}:{}\n",
            entry.name.trim_end_matches("-machine"),
            entry.bus.as_deref().unwrap_or("-"),
            entry.condition.to_string(),
            entry.file,
            entry.line
        ));
    }
    Ok(Exit::Done)
}
