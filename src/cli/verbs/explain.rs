//! `quench explain`: why something is in, or is not, as a chain back to a line of the profile.

use crate::catalog::Kind;
use crate::cli::source::SourceArgs;
use crate::failure::{Exit, Failure};
use crate::pipeline::{self, Planned};
use crate::terminal::Terminal;
use crate::{codes, finding, plan, verify};

/// Say why a device, symbol, flag or file is in, or is not; what a rule or a finding means.
///
/// Example: quench explain cloud-virtio i8042
///
/// Without a profile: quench explain relro profile::unknown-key
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Profile; or a rule of the verifier (`relro`), or the code of a finding (`profile::unknown-key`).
    profile: String,
    /// Devices or other types, backends, symbols, options, flags, firmware files, C functions; `rule/NAME` for a rule
    /// whose name is one of those, too.
    what: Vec<String>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    if let Some(pages) = pages(args) {
        for page in &pages {
            terminal.data(page);
        }
        return Ok(Exit::Done);
    }
    if args.what.is_empty() {
        let message = format!("no rule and no finding code `{}`", args.profile);
        let help =
            "usage: quench explain PROFILE WHAT, quench explain RULE, or quench explain CODE";
        return Err(Failure::usage(message).with_hint(Some(help.to_owned())));
    }
    let planned = pipeline::plan(&args.profile, &args.source.options(), false, terminal)?;
    let catalog = &planned.scanned.catalog;
    let mut unknown = Vec::new();
    for what in &args.what {
        let text = match plan::explain(&planned.plan, catalog, what).or_else(|| page(what)) {
            Some(text) => Some(text),
            None => defined(&planned, what)?,
        };
        match text {
            Some(text) => terminal.data(&text),
            None => unknown.push(format!("`{what}`")),
        }
    }
    let Some(first) = unknown.first() else { return Ok(Exit::Done) };
    let near = catalog.suggest(Kind::Device, first.trim_matches('`'));
    let message = format!("nothing named {} in this plan or tree", unknown.join(", "));
    Err(Failure::usage(message).with_hint(near.map(|name| format!("did you mean `{name}`?"))))
}

/// A function of the tree: where it is defined, and what would compile it.
fn defined(planned: &Planned, what: &str) -> Result<Option<String>, Failure> {
    let tree = planned.whole_tree()?;
    let inputs = planned.inputs(&tree);
    let definitions = plan::link::definitions(inputs.tree, inputs.catalog, what);
    let mut out = String::new();
    for definition in &definitions {
        let plan::link::Definition { file, line, condition } = definition;
        out.push_str(&format!("{what} is defined at {file}:{line}, compiled when {condition}\n"));
    }
    for remedy in plan::link::remedies(&inputs, what) {
        out.push_str(&format!("  {remedy}\n"));
    }
    Ok((!definitions.is_empty()).then_some(out))
}

/// The pages of rules and findings, where all that was asked for is one: that needs no profile.
fn pages(args: &Args) -> Option<Vec<String>> {
    std::iter::once(&args.profile).chain(&args.what).map(|name| page(name)).collect()
}

/// What a rule of the verifier or the code of a finding means.
fn page(name: &str) -> Option<String> {
    if let Some(rule) = verify::rule_page(name) {
        return Some(rule.text());
    }
    let code = codes::codes().into_iter().find(|code| code.name == name)?;
    Some(format!("{}: {}\n\n{}", code.name, code.summary, finding::wrapped(code.explain, 0)))
}
