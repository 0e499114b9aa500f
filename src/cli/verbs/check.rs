//! `quench check`: parses, inherits and resolves profiles, and reports every finding.

use super::Format;
use crate::cli::source::SourceArgs;
use crate::failure::{Exit, Failure};
use crate::finding::{self, any_error};
use crate::pipeline;
use crate::profile;
use crate::terminal::Terminal;
use crate::wire;

/// Parse, inherit and resolve profiles against a tree, report all findings.
///
/// Example: quench check my-profile.toml --source ../qemu
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Profiles: paths, names of shipped ones, or `-` for standard input.
    #[arg(required = true)]
    profiles: Vec<String>,
    /// Print the complete profile, each value with its origin.
    #[arg(long)]
    expanded: bool,
    /// Only what the text shows: no source tree is fetched, names and symbols are not checked.
    #[arg(long)]
    text_only: bool,
    /// For people, or one `quench.finding/1` a line.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut failed = false;
    for name in &args.profiles {
        let loaded = pipeline::load(name)?;
        let mut findings = loaded.findings.clone();
        let texts = loaded.texts.clone();
        let mut unresolved = None;
        // Names are checked even when the text has faults elsewhere, so that one run reports all.
        if !args.text_only {
            match pipeline::resolve_findings(&loaded, &args.source.options(), terminal) {
                Ok(found) => findings.extend(found),
                // The text's faults come first: they are there whatever becomes of the source.
                Err(failure) if any_error(&findings) => unresolved = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        failed |= any_error(&findings);
        match args.format {
            Format::Human => terminal.findings(&findings, &texts),
            Format::Json => {
                let lines = finding::Lines::of(&texts);
                for finding in &findings {
                    let line = wire::line(&finding::wire(finding, &lines));
                    terminal.data(&line.map_err(|error| Failure::new(Exit::Machine, error))?);
                }
            }
        }
        if let Some(failure) = unresolved {
            terminal.warn(&format!("names were not checked: {}", failure.text()));
        }
        if let (true, Some(profile)) = (args.expanded, &loaded.profile) {
            terminal.data(&profile::expanded(profile));
        }
    }
    Ok(if failed { Exit::Usage } else { Exit::Done })
}
