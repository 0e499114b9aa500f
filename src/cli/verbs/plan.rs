//! `quench plan`: prints the plan, the same value `build` executes.

use crate::cli::source::SourceArgs;
use crate::failure::{Exit, Failure};
use crate::pipeline;
use crate::plan::show;
use crate::terminal::Terminal;

/// Print the plan.
///
/// Example: quench plan cloud-virtio --format sh > build.sh
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Profile: a path, or the name of a shipped one.
    profile: String,
    /// For people, for programs (`quench.plan/1`), or a script that builds without quench.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
    Sh,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let planned = pipeline::plan(&args.profile, &args.source.options(), false, terminal)?;
    let text = match args.format {
        Format::Human => show::human(&planned.plan),
        Format::Json => super::json_text(&show::wire(&planned.plan))?,
        Format::Sh => {
            let python = crate::build_deps::python(&planned.work, &planned.prepared.directory);
            let source = planned.prepared.directory.display().to_string();
            show::sh(
                &planned.plan,
                &planned.profile.source.value,
                &source,
                &python.display().to_string(),
            )
        }
    };
    terminal.data(&text);
    Ok(Exit::Done)
}
