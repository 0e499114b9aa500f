//! All output of the program. stdout is data, stderr is messages; nothing else prints.
//!
//! Colour and progress only on a terminal (`NO_COLOR` and `TERM=dumb` are heard), colour also where `--color always`
//! asks for it; without a terminal each step is one line. A closed pipe on stdout is not an error.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::Failure;
use crate::finding::{self, Finding, Severity};

/// Findings that are shown at once: who has more mends these first.
const MAX_FINDINGS: usize = 100;

/// A number with its thousands apart: `9,900`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What the user asked of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// `-q`: errors only.
    Quiet,
    Normal,
    /// `-v`: also why steps are skipped.
    Verbose,
}

/// The bar that is shown: what ends Quench must be able to take it away.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn show(bar: Option<&ProgressBar>) -> Option<ProgressBar> {
    std::mem::replace(&mut *BAR.lock().unwrap_or_else(PoisonError::into_inner), bar.cloned())
}

/// Takes the bar away and says which signal ends Quench.
pub fn farewell(signal: &str) {
    if let Some(bar) = show(None) {
        bar.finish_and_clear();
    }
    Terminal::new(Verbosity::Quiet).error(&format!("ended by {signal}"));
}

/// The first fault of writing to stdout. A pipe whose reader has gone is none.
static FAULT: Mutex<Option<std::io::Error>> = Mutex::new(None);

fn keep_fault(written: std::io::Result<()>) {
    let Err(error) = written else { return };
    if error.kind() != std::io::ErrorKind::BrokenPipe {
        FAULT.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Ends the output; an error tells that not all of it was written.
pub fn finish() -> std::io::Result<()> {
    keep_fault(std::io::stdout().flush());
    FAULT.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
}

/// The writer that is passed to whatever has something to say.
#[derive(Debug)]
pub struct Terminal {
    verbosity: Verbosity,
}

/// A progress bar, or nothing where stderr is no terminal.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn set(&self, at: u64, of: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(of);
            bar.set_position(at);
        }
    }

    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            show(None);
        }
    }
}

impl Terminal {
    pub fn new(verbosity: Verbosity) -> Self {
        Self { verbosity }
    }

    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Data on stdout: exactly as given to a file or a program; on a terminal nothing in it is obeyed.
    pub fn data(&self, text: &str) {
        let mut out = std::io::stdout();
        let shown = if out.is_terminal() { finding::lines(text) } else { text.into() };
        keep_fault(out.write_all(shown.as_bytes()));
    }

    /// Other people's words may be in a message: nothing in it is obeyed, and no password is shown.
    fn message(style: Style, head: &str, text: &str) {
        let mut out = anstream::stderr();
        let text = finding::without_passwords(text);
        let text = finding::lines(&text);
        let _ = writeln!(out, "{style}{head}{style:#}{text}");
    }

    /// `  Fetching qemu 10.0.13` on stderr.
    pub fn status(&self, verb: &str, message: &str) {
        if self.verbosity > Verbosity::Quiet {
            let style = AnsiColor::Green.on_default().bold();
            Self::message(style, &format!("{verb:>12}"), &format!(" {message}"));
        }
    }

    /// Shown with `-v` only.
    pub fn detail(&self, message: &str) {
        if self.verbosity >= Verbosity::Verbose {
            Self::message(Style::new(), "", message);
        }
    }

    /// Errors always, warnings but with `-q`, notes with `-v` only.
    fn shows(&self, severity: Severity) -> bool {
        let least = match severity {
            Severity::Error => Verbosity::Quiet,
            Severity::Warning => Verbosity::Normal,
            Severity::Note => Verbosity::Verbose,
        };
        self.verbosity >= least
    }

    pub fn warn(&self, message: &str) {
        if self.shows(Severity::Warning) {
            let style = AnsiColor::Yellow.on_default().bold();
            Self::message(style, "warning", &format!(": {message}"));
        }
    }

    /// Asks, and tells whether the answer on stdin was `y`. With `-q`, too: somebody has to know what is waited for.
    pub fn confirm(&self, question: &str) -> bool {
        Self::message(AnsiColor::Yellow.on_default().bold(), "warning", &format!(": {question}"));
        let mut answer = String::new();
        let _ = std::io::stdin().read_line(&mut answer);
        answer.trim().eq_ignore_ascii_case("y")
    }

    pub fn error(&self, message: &str) {
        Self::message(AnsiColor::Red.on_default().bold(), "error", &format!(": {message}"));
    }

    /// Why the program ends without an answer, with the way out.
    pub fn failure(&self, failure: &Failure) {
        self.error(&failure.text());
    }

    /// Findings for people on stderr; `texts` are the (file, text) pairs that spans point into.
    pub fn findings(&self, findings: &[Finding], texts: &[(String, String)]) {
        let colour = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
        let merged = finding::merge_equal(findings);
        let shown: Vec<&Finding> =
            merged.iter().filter(|finding| self.shows(finding.severity)).collect();
        let mut out = anstream::stderr();
        for finding in shown.iter().take(MAX_FINDINGS) {
            let text = finding::human(finding, texts, colour);
            let _ = writeln!(out, "{}", finding::without_passwords(&text));
        }
        if let Some(more @ 1..) = shown.len().checked_sub(MAX_FINDINGS) {
            let _ = writeln!(out, "and {} more", thousands(more));
        }
    }

    /// A bar for long work.
    pub fn progress(&self, name: &str) -> Progress {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if self.verbosity == Verbosity::Quiet || dumb || !std::io::stderr().is_terminal() {
            return Progress { bar: None };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
        if let Ok(style) =
            ProgressStyle::with_template("{prefix:>12} [{bar:40}] {pos}/{len} {elapsed}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name.to_owned());
        show(Some(&bar));
        Progress { bar: Some(bar) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_leaves_errors_and_verbose_adds_notes() {
        let shown = |verbosity| {
            let all = [Severity::Error, Severity::Warning, Severity::Note];
            all.map(|severity| Terminal::new(verbosity).shows(severity))
        };
        assert_eq!(shown(Verbosity::Quiet), [true, false, false]);
        assert_eq!(shown(Verbosity::Normal), [true, true, false]);
        assert_eq!(shown(Verbosity::Verbose), [true, true, true]);
    }
}
