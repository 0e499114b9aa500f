//! Runs other programs: the only place that starts them.
//!
//! A child runs in its own process group with exactly the environment of its [`Invocation`]. Its output goes whole,
//! byte for byte, into a log before anything looks at it. Quench owns SIGINT and SIGTERM: the first is passed on as
//! SIGTERM to the group, a second one or five seconds end it with SIGKILL, and whatever is left of the group is swept
//! at the end. `setpriv --pdeathsig` (util-linux) ends the child when Quench itself is killed.
//!
//! Reads nothing; writes the log it is given.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::failure::{Exit, FULL, Hinted};
use crate::plan::Invocation;

/// Lines of output that a failure shows.
const TAIL: usize = 20;
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

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

/// Signal seen by Quench (0: none) and how often.
struct Signals {
    last: Arc<AtomicUsize>,
}

/// Makes Quench catch SIGINT and SIGTERM; called once by `cli`.
pub fn own_signals() {
    let _ = signals();
}

fn signals() -> &'static Signals {
    static SIGNALS: OnceLock<Signals> = OnceLock::new();
    SIGNALS.get_or_init(|| {
        let last = Arc::new(AtomicUsize::new(0));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            let value = usize::try_from(signal).unwrap_or(0);
            // A second signal while nothing is running ends Quench: the default action returns once the flag is set.
            let _ = signal_hook::flag::register_usize(signal, Arc::clone(&last), value);
        }
        Signals { last }
    })
}

/// The signal that asked Quench to stop, if any.
pub fn interrupted() -> Option<u8> {
    u8::try_from(signals().last.load(Ordering::SeqCst)).ok().filter(|signal| *signal != 0)
}

/// Runs a command to its end. Every line of output goes to `log`, then to `on_line`.
pub fn run(
    invocation: &Invocation,
    log: Option<&Path>,
    on_line: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    let io = |source| Error::Io { purpose: invocation.purpose.clone(), source };
    let (reader, writer) = std::io::pipe().map_err(io)?;
    let mut command = command(invocation)?;
    command.stdout(writer.try_clone().map_err(io)?).stderr(writer).stdin(Stdio::null());
    let child = spawn(&mut command, invocation)?;
    // The parent's ends of the pipe go with `command`: without this the reader would never see the end.
    drop(command);
    let mut sink = Sink::open(invocation, log, on_line).map_err(io)?;
    let (sender, lines) = mpsc::channel::<Vec<u8>>();
    let pump = thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                break;
            }
        }
    });
    let mut group = Group { child, invocation, asked: None, ended: false };
    let status = loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => sink.take(&line).map_err(io)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(5)),
        }
        if let Some(status) = group.poll()? {
            break status;
        }
    };
    // What the child left behind would hold the pipe open.
    group.sweep();
    for line in &lines {
        sink.take(&line).map_err(io)?;
    }
    let _ = pump.join();
    finish(invocation, status, &group, sink.tail.into(), log)
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
    let mut child = spawn(&mut command, invocation)?;
    let pumps = (child.stdout.take().map(pump), child.stderr.take().map(pump));
    let mut group = Group { child, invocation, asked: None, ended: false };
    let status = loop {
        if let Some(status) = group.poll()? {
            break status;
        }
        thread::sleep(Duration::from_millis(2));
    };
    group.sweep();
    let collect = |pump: Option<thread::JoinHandle<std::io::Result<Vec<u8>>>>| match pump {
        Some(pump) => pump.join().unwrap_or_else(|_| Ok(Vec::new())),
        None => Ok(Vec::new()),
    };
    let output =
        Output { stdout: collect(pumps.0).map_err(io)?, stderr: collect(pumps.1).map_err(io)? };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let tail = lines[lines.len().saturating_sub(TAIL)..].to_vec();
    finish(invocation, status, &group, tail, None)?;
    Ok(output)
}

/// A child whose stdin and stdout the caller talks to; ended with its group when dropped.
#[derive(Debug)]
pub struct Conversation {
    child: Child,
    pub input: std::process::ChildStdin,
    lines: mpsc::Receiver<String>,
    purpose: String,
    program: String,
}

impl Conversation {
    /// Starts a program for a line-by-line conversation.
    pub fn start(invocation: &Invocation) -> Result<Self, Error> {
        let io = |source| Error::Io { purpose: invocation.purpose.clone(), source };
        let mut command = command(invocation)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(&mut command, invocation)?;
        let missing = || io(std::io::Error::other("no pipe to the child"));
        let input = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let (sender, lines) = mpsc::channel();
        let errors = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if errors.send(format!("stderr: {line}")).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            input,
            lines,
            purpose: invocation.purpose.clone(),
            program: invocation.program.clone(),
        })
    }

    /// The next line, or an error when the program ended or said nothing for `limit`.
    pub fn line(&mut self, limit: Duration) -> Result<String, Error> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => Err(Error::Timeout {
                purpose: self.purpose.clone(),
                program: self.program.clone(),
                seconds: limit.as_secs(),
            }),
            Err(RecvTimeoutError::Disconnected) => Err(Error::Failed {
                purpose: self.purpose.clone(),
                program: self.program.clone(),
                status: self
                    .child
                    .wait()
                    .map_or_else(|e| e.to_string(), |status| status.to_string()),
                command: self.program.clone(),
                tail: Vec::new(),
                log: None,
            }),
        }
    }

    /// Waits for the program to end by itself.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        kill_group(&self.child, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn pump<R: std::io::Read + Send + 'static>(
    mut from: R,
) -> thread::JoinHandle<std::io::Result<Vec<u8>>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

fn command(invocation: &Invocation) -> Result<Command, Error> {
    let directory = if invocation.elsewhere { "/" } else { invocation.directory.as_str() };
    if !Path::new(directory).is_dir() {
        return Err(Error::Directory {
            purpose: invocation.purpose.clone(),
            directory: invocation.directory.clone(),
        });
    }
    let path =
        invocation.environment.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
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

fn spawn(command: &mut Command, invocation: &Invocation) -> Result<Child, Error> {
    let _ = signals();
    command.spawn().map_err(|source| Error::Io { purpose: invocation.purpose.clone(), source })
}

/// A running child with its process group.
struct Group<'a> {
    child: Child,
    invocation: &'a Invocation,
    /// When and for which signal we asked it to end.
    asked: Option<(Instant, u8)>,
    ended: bool,
}

impl Group<'_> {
    fn poll(&mut self) -> Result<Option<ExitStatus>, Error> {
        if let Some(signal) = interrupted() {
            match self.asked {
                None => {
                    kill_group(&self.child, Signal::SIGTERM);
                    self.asked = Some((Instant::now(), signal));
                }
                Some((since, _)) if since.elapsed() > GRACE => {
                    kill_group(&self.child, Signal::SIGKILL);
                }
                Some(_) => {}
            }
        }
        let status = self
            .child
            .try_wait()
            .map_err(|source| Error::Io { purpose: self.invocation.purpose.clone(), source })?;
        self.ended = status.is_some();
        Ok(status)
    }

    /// Ends what the child left behind.
    fn sweep(&self) {
        kill_group(&self.child, Signal::SIGKILL);
    }
}

/// Also when we stop half-way, for instance because the log cannot be written.
impl Drop for Group<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.sweep();
            let _ = self.child.wait();
        }
    }
}

fn kill_group(child: &Child, signal: Signal) {
    if let Ok(id) = i32::try_from(child.id()) {
        // ESRCH: the group is gone, which is what we want.
        let _ = killpg(Pid::from_raw(id), signal);
    }
}

fn finish(
    invocation: &Invocation,
    status: ExitStatus,
    group: &Group<'_>,
    tail: Vec<String>,
    log: Option<&Path>,
) -> Result<(), Error> {
    if let Some((_, signal)) = group.asked {
        return Err(Error::Interrupted { purpose: invocation.purpose.clone(), signal });
    }
    if status.success() {
        return Ok(());
    }
    let status = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => status.to_string(),
    };
    Err(Error::Failed {
        purpose: invocation.purpose.clone(),
        program: invocation.program.clone(),
        status,
        command: invocation.to_string(),
        tail,
        log: log.map(Path::to_owned),
    })
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

    #[test]
    fn a_grandchild_does_not_outlive_its_command() {
        let out = output(&sh("sleep 300 >/dev/null 2>&1 & echo $!")).unwrap();
        let id: i32 = out.text().trim().parse().unwrap();
        thread::sleep(Duration::from_millis(100));
        // A zombie that its new parent has not collected yet is dead, too.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "the sleep is still there: {stat}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = output(&Invocation::new("test", "no-such-program", "/tmp")).unwrap_err();
        assert!(
            matches!(error, Error::Missing { .. }) && error.to_string().contains("no-such-program")
        );
    }
}
