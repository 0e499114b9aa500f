//! The command line: one file per verb, typed arguments, exit codes.

pub(crate) mod source;
#[cfg(test)]
mod tests;
pub(crate) mod verbs;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::failure::Failure;
use crate::process::signals;
use crate::terminal::{self, Terminal, Verbosity};

/// Turns a device-allowlist profile into a minimal, hardened, reproducible QEMU, packages it, and proves what is in it.
#[derive(Debug, Parser)]
#[command(name = "quench", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: verbs::Verb,
}

/// The command line as a value: every verb and option, for those who list or check them.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Options that every verb takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// Say errors only.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more: why steps are skipped, output of programs.
    #[arg(short, long, global = true)]
    verbose: bool,
    /// When to use colour (`NO_COLOR` is heard).
    #[arg(long, global = true, value_enum, default_value = "auto")]
    color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    fn write_global(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Parses the command line, runs the verb, reports its failure.
pub fn main() -> ExitCode {
    let watched = signals::watch(terminal::farewell);
    let arguments = Arguments::parse();
    std::panic::set_hook(Box::new(|info| {
        Terminal::new(Verbosity::Normal).error(&format!(
            "this is a bug in quench {}: {info}\nplease report it with the command line and the profile",
            env!("CARGO_PKG_VERSION")
        ));
    }));
    arguments.global.color.write_global();
    let verbosity = match (arguments.global.quiet, arguments.global.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let terminal = Terminal::new(verbosity);
    if let Err(error) = watched {
        terminal.warn(&format!("signals end quench without order: {error}"));
    }
    let result = arguments.verb.run(&terminal);
    // A verb whose programs and files were taken away has nothing to say.
    signals::rest_if_seen();
    let written = terminal::finish().map_err(|error| {
        Failure::machine(error).with_hint(Some("not all of the output could be written".to_owned()))
    });
    match result.and_then(|exit| written.map(|()| exit)) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            terminal.failure(&failure);
            ExitCode::from(failure.exit.code())
        }
    }
}
