//! A child that the caller talks to line by line, as one talks QMP to an emulator.
//!
//! Must not know what is said.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::group::Group;
use super::{Error, command, signals, status_text};
use crate::plan::Invocation;

/// A child whose stdin and stdout the caller talks to; ended with its group when dropped.
#[derive(Debug)]
pub struct Conversation {
    group: Group,
    pub input: ChildStdin,
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
        let mut group = Group::start(&mut command).map_err(io)?;
        let child = group.child();
        let missing = || io(std::io::Error::other("no pipe to the child"));
        let input = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let (sender, lines) = mpsc::channel();
        pump(stdout, "", sender.clone());
        pump(stderr, "stderr: ", sender);
        let purpose = invocation.purpose.clone();
        Ok(Self { group, input, lines, purpose, program: invocation.program.clone() })
    }

    /// The next line, or an error when the program ended or said nothing for `limit`.
    pub fn line(&mut self, limit: Duration) -> Result<String, Error> {
        let line = self.lines.recv_timeout(limit);
        if line.is_err() {
            signals::rest_if_seen();
        }
        line.map_err(|error| match error {
            RecvTimeoutError::Timeout => Error::Timeout {
                purpose: self.purpose.clone(),
                program: self.program.clone(),
                seconds: limit.as_secs(),
            },
            RecvTimeoutError::Disconnected => Error::Failed {
                purpose: self.purpose.clone(),
                program: self.program.clone(),
                status: self.group.wait().map_or_else(|error| error.to_string(), status_text),
                command: self.program.clone(),
                tail: Vec::new(),
                log: None,
            },
        })
    }
}

/// Sends every line on, until the child closes its end or the conversation is over.
fn pump(from: impl Read + Send + 'static, mark: &'static str, to: mpsc::Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(format!("{mark}{line}")).is_err() {
                break;
            }
        }
    });
}
