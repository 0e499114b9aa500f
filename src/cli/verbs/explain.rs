//! `quench explain`: why something is in, or is not, as a chain back to a line of the profile.

use crate::catalog::Kind;
use crate::cli::session::{self, SourceOptions};
use crate::cli::{Exit, Failure};
use crate::terminal::Terminal;
use crate::{finding, plan};

/// Say why a device, symbol, flag or file is in, or is not.
///
/// Example: quench explain cloud-virtio i8042
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Profile, or the code of a finding (`profile::unknown-key`).
    profile: String,
    /// Devices or other types, backends, symbols, options, flags, firmware files.
    what: Vec<String>,
    #[command(flatten)]
    source: SourceOptions,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    if args.what.is_empty() {
        return code(&args.profile, terminal);
    }
    let planned = session::plan(&args.profile, &args.source, false, terminal)?;
    let catalog = &planned.scanned.catalog;
    for what in &args.what {
        let Some(text) = plan::explain(&planned.plan, catalog, what) else {
            let near = catalog.suggest(Kind::Device, what);
            let message = format!("nothing named `{what}` in this plan or tree");
            return Err(Failure::new(Exit::Usage, message)
                .with_hint(near.map(|name| format!("did you mean `{name}`?"))));
        };
        terminal.data(&text);
    }
    Ok(Exit::Done)
}

fn code(name: &str, terminal: &Terminal) -> Result<Exit, Failure> {
    let Some(code) = finding::codes().into_iter().find(|code| code.name == name) else {
        return Err(Failure::new(Exit::Usage, format!("no finding code `{name}`")).with_hint(
            Some("usage: quench explain PROFILE WHAT, or quench explain CODE".to_owned()),
        ));
    };
    terminal.data(&format!("{}: {}\n\n{}\n", code.name, code.summary, code.explain));
    Ok(Exit::Done)
}
