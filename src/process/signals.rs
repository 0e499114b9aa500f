//! The end of Quench by SIGINT, SIGTERM or SIGHUP: one thread does the work of it, whatever the others are at.
//!
//! Nothing asks "shall I stop?": not the loops of pure modules, not a prompt, not a wait for a lock. That is safe because
//! every result appears by rename or link when it is whole, and what is not whole is named here beforehand
//! ([`Unfinished`]). The first signal closes the [gate](undisturbed), so that no program starts and no name appears any
//! more; ends the process groups of all children; takes the progress bar away; and replaces the process by a shell that
//! removes what is unfinished and exits with 128+n. Replacing it (`execve`) is what stops all other threads: none of them
//! can put back what is being removed. A second signal ends everything at once and removes nothing.
//!
//! A signal that was ignored when Quench started stays ignored (`nohup`, jobs in the background of a script).
//!
//! Must not print: the caller's farewell does.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::group;
use crate::plan::PATH;

/// Signals that end Quench in order.
pub const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// How long the end waits for threads that are at something undisturbed.
const GATE: Duration = Duration::from_millis(200);
/// How long it waits for the farewell: the terminal may be stopped.
const FAREWELL: Duration = Duration::from_millis(100);

/// Unmounts, removes, exits: `sh CODE [MOUNT…] -- [PATH…]`.
const CLEANER: &str = "code=$1; shift
while [ \"$1\" != -- ]; do
    fusermount3 -u -z \"$1\" || fusermount -u -z \"$1\"
    shift
done
shift
[ $# = 0 ] || rm -rf -- \"$@\"
exit \"$code\"";

/// What the end must know of the rest of the program.
struct State {
    /// The end has begun.
    closed: bool,
    /// Threads that are at something undisturbed.
    busy: usize,
    /// Process groups of running children.
    groups: Vec<Pid>,
    unfinished: BTreeMap<u64, Kind>,
    /// Key of the next unfinished thing.
    next: u64,
}

#[derive(Debug, Clone)]
enum Kind {
    Path(PathBuf),
    Mount(PathBuf),
}

static STATE: Mutex<State> = Mutex::new(State {
    closed: false,
    busy: 0,
    groups: Vec::new(),
    unfinished: BTreeMap::new(),
    next: 0,
});
/// Told when a thread is no longer busy.
static IDLE: Condvar = Condvar::new();
/// Set by the signal handler itself, before any thread has heard of the signal.
static SEEN: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the signals of [`ENDING`] end Quench from now on.
///
/// `farewell` is called with the signal's name when all children are gone; it may print, and is not waited for when
/// that takes long.
pub fn watch(farewell: fn(&str)) -> Result<(), std::io::Error> {
    let ignored = ignored();
    let watched = ENDING.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let watched: Vec<i32> = watched.collect();
    for signal in &watched {
        signal_hook::flag::register(*signal, Arc::clone(&SEEN))?;
    }
    let mut signals = Signals::new(&watched)?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut ending = false;
        for signal in signals.forever() {
            let name = "end".to_owned();
            // In a thread of its own, so that a second signal is heard whatever it hangs in.
            let begun = !ending
                && thread::Builder::new().name(name).spawn(move || end(signal, farewell)).is_ok();
            if !begun {
                group::kill(&state().groups);
                signal_hook::low_level::exit(code(signal));
            }
            ending = true;
        }
    })?;
    Ok(())
}

/// The signals this process was started with as ignored, as bits from signal 1 on (proc(5), `SigIgn`).
pub(super) fn ignored() -> u64 {
    let text = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn code(signal: i32) -> i32 {
    128 + signal
}

/// Whether a signal has come: Quench exits in a moment.
pub fn seen() -> bool {
    SEEN.load(Ordering::SeqCst)
}

/// Does not come back when a signal has come: what follows would be said of programs that were ended, of files that are gone.
pub fn rest_if_seen() {
    while seen() {
        thread::park();
    }
}

/// Does something short that the end must not fall into: a link and a rename, a start of a program.
///
/// Does not come back when the end has begun. Must not be nested, and must not wait for anything.
pub fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let mut guard = state();
    while guard.closed {
        drop(guard);
        thread::park();
        guard = state();
    }
    guard.busy += 1;
    drop(guard);
    let busy = Busy;
    let result = work();
    drop(busy);
    result
}

struct Busy;

impl Drop for Busy {
    fn drop(&mut self) {
        state().busy -= 1;
        IDLE.notify_all();
    }
}

/// Something that is removed when a signal ends Quench while this value lives.
///
/// Dropping the value removes nothing.
#[derive(Debug)]
pub struct Unfinished {
    key: u64,
}

impl Unfinished {
    /// A file or directory, with all that is below it. Name it before it is there, or in the same [`undisturbed`] piece.
    pub fn path(path: &Path) -> Self {
        Self::new(Kind::Path(path.to_owned()))
    }

    /// A FUSE mount.
    pub fn mount(place: &Path) -> Self {
        Self::new(Kind::Mount(place.to_owned()))
    }

    fn new(kind: Kind) -> Self {
        let mut state = state();
        let key = state.next;
        state.next += 1;
        state.unfinished.insert(key, kind);
        Self { key }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        state().unfinished.remove(&self.key);
    }
}

/// Names the process group of a child that was just started.
pub(super) fn add_group(group: Pid) {
    state().groups.push(group);
}

/// To be called while the child is not yet collected: afterwards its id may be another's.
pub(super) fn remove_group(group: Pid) {
    state().groups.retain(|other| *other != group);
}

/// Ends a group that was not yet removed. The lock is held meanwhile, so that the id is not another's.
pub(super) fn kill_group(group: Pid) {
    let state = state();
    if state.groups.contains(&group) {
        group::kill(&[group]);
    }
}

fn end(signal: i32, farewell: fn(&str)) {
    let mut guard = state();
    guard.closed = true;
    let (guard, _) = IDLE
        .wait_timeout_while(guard, GATE, |state| state.busy > 0)
        .unwrap_or_else(PoisonError::into_inner);
    let groups = guard.groups.clone();
    drop(guard);
    group::end(&groups);
    let (sender, said) = mpsc::channel::<()>();
    thread::spawn(move || {
        farewell(signal_hook::low_level::signal_name(signal).unwrap_or("a signal"));
        drop(sender);
    });
    let _ = said.recv_timeout(FAREWELL);
    leave(code(signal));
}

/// Becomes the shell that removes what is unfinished, or exits where there is nothing.
fn leave(code: i32) {
    let unfinished: Vec<Kind> = state().unfinished.values().cloned().collect();
    if !unfinished.is_empty() {
        let mount = |kind: &Kind| matches!(kind, Kind::Mount(_));
        let (mounts, paths): (Vec<Kind>, Vec<Kind>) = unfinished.iter().cloned().partition(mount);
        let mut cleaner = Command::new("/bin/sh");
        cleaner.args(["-c", CLEANER, "sh", &code.to_string()]);
        cleaner.args(mounts.iter().map(Kind::place)).arg("--").args(paths.iter().map(Kind::place));
        cleaner.env_clear().env("PATH", PATH).current_dir("/");
        // Comes back only when there is no shell.
        let _ = cleaner.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).exec();
        for path in &paths {
            let _ = fs_err::remove_dir_all(path.place());
            let _ = fs_err::remove_file(path.place());
        }
    }
    signal_hook::low_level::exit(code);
}

impl Kind {
    fn place(&self) -> &Path {
        match self {
            Self::Path(path) | Self::Mount(path) => path,
        }
    }
}
