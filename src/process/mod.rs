//! Runs other programs: the only place that starts them.
//!
//! A child runs in its own process group with exactly the environment of its [`Invocation`]. Its output goes whole,
//! byte for byte, into a log before anything looks at it. When it has ended, whatever is left of its group is swept.
//! `setpriv --pdeathsig` (util-linux) ends the child when Quench itself is killed; what ends both in order is in
//! [`signals`]. Nothing polls: a thread waits for the child, another reads (`docs/decisions/010-std-process-not-duct.md`).
//!
//! Reads nothing; writes the log it is given.

mod conversation;
mod group;
pub mod signals;

pub use conversation::Conversation;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use self::group::Group;
use crate::failure::{Exit, FULL, Hinted};
use crate::plan::{Invocation, PATH};

/// Lines of output that a failure shows.
const TAIL: usize = 20;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {purpose}: no program `{program}` on PATH")]
    Missing { purpose: String, program: String },
    #[error("cannot {purpose}: no directory `{directory}`")]
    Directory { purpose: String, directory: String },
    #[error("cannot {purpose}: `{program}` ended with {status}{}", tail_text(tail))]
    Failed {
        purpose: String,
        program: String,
        status: String,
        command: String,
        tail: Vec<String>,
        log: Option<PathBuf>,
    },
    #[error("interrupted by signal {signal} while trying to {purpose}")]
    Interrupted { purpose: String, signal: u8 },
    #[error("cannot {purpose}: `{program}` did not end within {seconds} s")]
    Timeout { purpose: String, program: String, seconds: u64 },
    #[error("cannot {purpose}")]
    Io { purpose: String, source: std::io::Error },
}

fn tail_text(tail: &[String]) -> String {
    if tail.is_empty() {
        String::new()
    } else {
        format!("; its last lines:\n    {}", tail.join("\n    "))
    }
}

/// What programs print when the disk is full (`ENOSPC` in words).
const DISK_FULL: &str = "No space left on device";

/// Output that tells a known cause: text to find, what to do.
const SIGNATURES: [(&str, &str); 8] = [
    (DISK_FULL, FULL),
    (
        "Killed signal terminated program cc1",
        "the compiler was killed, most likely for lack of memory: use fewer --jobs",
    ),
    ("virtual memory exhausted", "the compiler ran out of memory: use fewer --jobs"),
    ("Python.h: No such file", "a Python development package is missing"),
    (
        "undefined reference to",
        "Kconfig allowed a selection that does not link: see `quench explain` on the symbol",
    ),
    ("Dependency \"", "a library is missing: `quench deps PROFILE` lists what this plan needs"),
    (
        "meson version is",
        "QEMU needs a newer meson: `quench deps PROFILE --install` makes a private one",
    ),
    ("not found: please install", "`quench deps PROFILE --install` installs what this plan needs"),
];

impl Hinted for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted { signal, .. } => Exit::Signal(*signal),
            Self::Failed { tail, .. } if tail.iter().any(|line| line.contains(DISK_FULL)) => {
                Exit::Machine
            }
            Self::Failed { .. } => Exit::Program,
            Self::Missing { .. }
            | Self::Directory { .. }
            | Self::Timeout { .. }
            | Self::Io { .. } => Exit::Machine,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { program, .. } => Some(format!(
                "install the package that has `{program}`; `quench deps PROFILE` lists them"
            )),
            Self::Failed { tail, log, command, .. } => {
                let known =
                    SIGNATURES.iter().find(|(text, _)| tail.iter().any(|line| line.contains(text)));
                let mut hint = known.map(|(_, hint)| format!("{hint}\n")).unwrap_or_default();
                if let Some(log) = log {
                    hint.push_str(&format!("the whole output is in {}\n", log.display()));
                }
                hint.push_str(&format!("run it again by hand: {command}"));
                Some(hint)
            }
            _ => None,
        }
    }
}

/// Runs a command to its end. Every line of output goes to `log`, then to `on_line`.
pub fn run(
    invocation: &Invocation,
    log: Option<&Path>,
    on_line: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    let io = |source| Error::Io { purpose: invocation.purpose.clone(), source };
    let mut sink = Sink::open(invocation, log, on_line).map_err(io)?;
    let (reader, writer) = std::io::pipe().map_err(io)?;
    let mut command = command(invocation)?;
    command.stdout(writer.try_clone().map_err(io)?).stderr(writer).stdin(Stdio::null());
    let mut group = Group::start(&mut command).map_err(io)?;
    // The parent's ends of the pipe go with `command`: without this the reader would never see the end.
    drop(command);
    let status = thread::scope(|scope| {
        // Sweeps the group when the child is done: what the child left behind would hold the pipe open.
        let name = group.name();
        let waiting = scope.spawn(move || group.wait());
        let taken = sink.take_all(BufReader::new(reader));
        if taken.is_err() {
            name.kill();
        }
        taken.and(waiting.join().unwrap_or_else(|_| Err(lost())))
    });
    finish(invocation, status.map_err(io)?, sink.tail.into(), log)
}

/// A thread of ours that died; it has said why.
fn lost() -> std::io::Error {
    std::io::Error::other("a thread that waits for the program is gone")
}

/// Where output goes: whole into the log, then line by line to the caller, the last lines kept for a failure.
struct Sink<'a> {
    file: Option<fs_err::File>,
    on_line: &'a mut dyn FnMut(&str),
    tail: VecDeque<String>,
}

impl<'a> Sink<'a> {
    fn open(
        invocation: &Invocation,
        log: Option<&Path>,
        on_line: &'a mut dyn FnMut(&str),
    ) -> Result<Self, std::io::Error> {
        let mut file = match log {
            Some(path) => Some(fs_err::OpenOptions::new().create(true).append(true).open(path)?),
            None => None,
        };
        if let Some(file) = &mut file {
            writeln!(file, "$ {invocation}")?;
        }
        Ok(Self { file, on_line, tail: VecDeque::with_capacity(TAIL) })
    }

    fn take_all(&mut self, mut from: impl BufRead) -> Result<(), std::io::Error> {
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line)? > 0 {
            self.take(&line)?;
            line.clear();
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8]) -> Result<(), std::io::Error> {
        if let Some(file) = &mut self.file {
            file.write_all(line)?;
        }
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        (self.on_line)(&text);
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(text);
        Ok(())
    }
}

/// What a short command printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs a short command and returns what it printed; a failure shows its stderr.
pub fn output(invocation: &Invocation) -> Result<Output, Error> {
    let io = |source| Error::Io { purpose: invocation.purpose.clone(), source };
    let mut command = command(invocation)?;
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
    let mut group = Group::start(&mut command).map_err(io)?;
    let child = group.child();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (status, stdout, stderr) = thread::scope(|scope| {
        let waiting = scope.spawn(move || group.wait());
        let second = scope.spawn(move || whole(stderr));
        let first = whole(stdout);
        let status = waiting.join().unwrap_or_else(|_| Err(lost()));
        (status, first, second.join().unwrap_or_else(|_| Err(lost())))
    });
    let status = status.map_err(io)?;
    let output = Output { stdout: stdout.map_err(io)?, stderr: stderr.map_err(io)? };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let tail = lines[lines.len().saturating_sub(TAIL)..].to_vec();
    finish(invocation, status, tail, None)?;
    Ok(output)
}

fn whole(from: Option<impl Read>) -> Result<Vec<u8>, std::io::Error> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        from.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Variables of the caller that a program which fetches something must have.
const PROXIES: [&str; 3] = ["http_proxy", "https_proxy", "no_proxy"];

/// The command with the caller's proxies and with the variables `more` names; `PIP_` names all that begin so.
pub fn fetching(invocation: Invocation, more: &[&str]) -> Invocation {
    let wanted = |name: &str| {
        let is =
            |wanted: &&str| name == *wanted || (wanted.ends_with('_') && name.starts_with(wanted));
        PROXIES.contains(&name) || more.iter().any(is)
    };
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    variables
        .filter(|(name, _)| wanted(name))
        .fold(invocation, |invocation, (name, value)| invocation.env(name, value))
}

fn command(invocation: &Invocation) -> Result<Command, Error> {
    let directory = if invocation.elsewhere { "/" } else { invocation.directory.as_str() };
    if !Path::new(directory).is_dir() {
        return Err(Error::Directory {
            purpose: invocation.purpose.clone(),
            directory: invocation.directory.clone(),
        });
    }
    let path = invocation.environment.get("PATH").map_or(PATH, String::as_str);
    let find = |name: &str| {
        which::which_in(name, Some(path), directory).map_err(|_| Error::Missing {
            purpose: invocation.purpose.clone(),
            program: name.to_owned(),
        })
    };
    let program = if invocation.elsewhere {
        invocation.program.clone().into()
    } else {
        find(&invocation.program)?.into_os_string()
    };
    let mut words = Vec::new();
    if let Some((first, rest)) = invocation.wrapper.split_first() {
        words.push(find(first)?.into_os_string());
        words.extend(rest.iter().map(std::ffi::OsString::from));
    }
    words.push(program);
    // Killed with Quench: SIGKILL leaves no chance to clean up ourselves.
    if let Ok(setpriv) = which::which_in("setpriv", Some("/usr/bin:/bin"), "/") {
        let ours = [setpriv.into_os_string(), "--pdeathsig".into(), "TERM".into(), "--".into()];
        words.splice(0..0, ours);
    }
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command.args(&invocation.arguments).current_dir(directory);
    command.env_clear().envs(&invocation.environment).process_group(0);
    Ok(command)
}

fn finish(
    invocation: &Invocation,
    status: ExitStatus,
    tail: Vec<String>,
    log: Option<&Path>,
) -> Result<(), Error> {
    // The end of Quench has ended the program: nobody is to hear that it failed.
    signals::rest_if_seen();
    if status.success() {
        return Ok(());
    }
    if let Some(signal) = asked_to_end(status) {
        return Err(Error::Interrupted { purpose: invocation.purpose.clone(), signal });
    }
    Err(Error::Failed {
        purpose: invocation.purpose.clone(),
        program: invocation.program.clone(),
        status: status_text(status),
        command: invocation.to_string(),
        tail,
        log: log.map(Path::to_owned),
    })
}

/// The signal by which somebody asked the program to end. Shells and bubblewrap say of their own child 128+n.
fn asked_to_end(status: ExitStatus) -> Option<u8> {
    let signal = status.signal().or(status.code().map(|code| code - 128))?;
    signals::ENDING.contains(&signal).then(|| u8::try_from(signal).ok()).flatten()
}

fn status_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Invocation {
        Invocation::new("test", "sh", "/tmp").args(["-c", script]).env("PATH", "/usr/bin:/bin")
    }

    #[test]
    fn a_failure_names_the_program_its_status_and_its_last_lines() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let error =
            run(&sh("echo one; echo two >&2; exit 7"), Some(&log), &mut |_| {}).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exit status 7") && text.contains("one") && text.contains("two"),
            "{text}"
        );
        assert!(error.hint().unwrap().contains(&log.display().to_string()));
        assert!(std::fs::read_to_string(&log).unwrap().contains("one\ntwo\n"));
    }

    #[test]
    fn the_environment_is_exactly_what_the_invocation_says() {
        let out = output(&sh("env | grep -v -e ^PWD= -e ^SHLVL= -e ^_=").env("A", "b")).unwrap();
        assert_eq!(out.text(), "A=b\nPATH=/usr/bin:/bin\n");
    }

    /// Whether the process ends soon. A zombie that its new parent has not collected yet is dead, too.
    fn ends(id: &str) -> bool {
        (0..200).any(|_| {
            thread::sleep(std::time::Duration::from_millis(10));
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        })
    }

    #[test]
    fn a_grandchild_outlives_no_command_and_holds_none_up() {
        let out = output(&sh("sleep 300 & echo $!")).unwrap();
        assert!(ends(out.text().trim()), "the sleep is still there");
        let mut lines = Vec::new();
        run(&sh("sleep 300 & echo $!"), None, &mut |line| lines.push(line.to_owned())).unwrap();
        assert!(ends(&lines[0]), "the sleep is still there");
    }

    #[test]
    fn a_command_whose_log_cannot_be_written_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        output(&sh("mkfifo \"$LOG\"").env("LOG", log.display().to_string())).unwrap();
        let reader = log.clone();
        let first_line = thread::spawn(move || {
            BufReader::new(std::fs::File::open(reader).unwrap()).lines().next().unwrap().unwrap()
        });
        // It would go on for ever.
        let script = sh("trap '' PIPE; while :; do echo line; done 2>&-");
        let error = run(&script, Some(&log), &mut |_| {}).unwrap_err();
        assert!(first_line.join().unwrap().starts_with("$ "));
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }

    #[test]
    fn whoever_asks_a_program_to_end_interrupts_us() {
        for (script, signal) in [
            ("kill -INT $$", 2),
            ("kill -HUP $$", 1),
            ("exit 143", 15),
            ("sh -c 'kill $$'; exit $?", 15),
        ] {
            // A job in the background of a script was started with signals ignored, and so are its programs.
            if script.starts_with("kill") && signals::ignored() >> (signal - 1) & 1 == 1 {
                continue;
            }
            let error = output(&sh(script)).unwrap_err();
            assert!(
                matches!(error, Error::Interrupted { signal: s, .. } if s == signal),
                "{error}"
            );
        }
        assert!(matches!(output(&sh("kill -SEGV $$")), Err(Error::Failed { .. })));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = output(&Invocation::new("test", "no-such-program", "/tmp")).unwrap_err();
        assert!(
            matches!(error, Error::Missing { .. }) && error.to_string().contains("no-such-program")
        );
    }
}
