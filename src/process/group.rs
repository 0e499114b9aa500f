//! A child and its process group: started with a name for the end of Quench, swept when the child is done.
//!
//! Must not read a child's output; `run`, `output` and `Conversation` do.

use std::io::Error;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid,
};

use super::signals;

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_millis(500);
/// How often the end looks whether the children are gone.
const PAUSE: Duration = Duration::from_millis(5);

/// A running child. Its group is ended when this value goes and was not waited for.
#[derive(Debug)]
pub(super) struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    /// Starts a command, which must make its own process group.
    pub(super) fn start(command: &mut Command) -> Result<Self, Error> {
        signals::undisturbed(|| {
            let child = command.spawn()?;
            let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            id.inspect(|id| signals::add_group(*id));
            Ok(Self { child, id })
        })
    }

    pub(super) fn name(&self) -> Name {
        Name(self.id)
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the child to end and sweeps its group.
    ///
    /// The group is swept before the child is collected: so long nobody else can have its id.
    pub(super) fn wait(&mut self) -> Result<ExitStatus, Error> {
        if let Some(id) = self.id.take() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(id), options).is_err_and(|error| error == Errno::INTR) {}
            kill(&[id]);
            signals::remove_group(id);
        }
        self.child.wait()
    }
}

/// Also when we stop half-way, for instance because the log cannot be written.
impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            kill(&[id]);
            let _ = self.wait();
        }
    }
}

/// The name of a group, for a thread that does not wait for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name(Option<Pid>);

impl Name {
    /// Ends the group where it still is.
    pub(super) fn kill(self) {
        self.0.inspect(|id| signals::kill_group(*id));
    }
}

/// Ends groups with SIGKILL.
pub(super) fn kill(groups: &[Pid]) {
    for group in groups {
        // An error says that the group is gone, which is what we want.
        let _ = kill_process_group(*group, Signal::KILL);
    }
}

/// Asks groups to end and ends those that do not.
///
/// Asks with SIGTERM whatever the signal was: a shell's background jobs ignore SIGINT.
pub(super) fn end(groups: &[Pid]) {
    for group in groups {
        let _ = kill_process_group(*group, Signal::TERM);
        // What is stopped hears nothing.
        let _ = kill_process_group(*group, Signal::CONT);
    }
    let start = Instant::now();
    while start.elapsed() < GRACE && groups.iter().any(|group| lives(*group)) {
        thread::sleep(PAUSE);
    }
    kill(groups);
}

/// Whether a process of the group still runs; one that ended and was not collected does not count.
fn lives(group: Pid) -> bool {
    if test_kill_process_group(group).is_err() {
        return false;
    }
    let Ok(processes) = fs_err::read_dir("/proc") else { return true };
    let stats = processes.flatten().map(|entry| entry.path().join("stat"));
    let mut texts = stats.filter_map(|stat| fs_err::read_to_string(stat).ok());
    texts.any(|text| runs_in(&text, group))
}

/// proc(5), `/proc/PID/stat`: after the name in brackets come state, parent and process group.
fn runs_in(stat: &str, group: Pid) -> bool {
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = fields.split_whitespace();
    let state = fields.next().unwrap_or("X");
    let id = fields.nth(1).and_then(|id| id.parse().ok());
    !matches!(state, "Z" | "X") && id == Some(group.as_raw_nonzero().get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_counts_in_its_group_until_it_has_ended() {
        let group = Pid::from_raw(7).unwrap();
        assert!(runs_in("9 (a) b) S 1 7 7 0", group));
        assert!(!runs_in("9 (sh) Z 1 7 7 0", group));
        assert!(!runs_in("7 (sh) S 1 8 7 0", group));
        assert!(!runs_in("", group));
    }
}
