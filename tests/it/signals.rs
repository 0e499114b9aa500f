//! A signal ends quench with 128+n wherever it is, with all its programs, and leaves nothing half-made; the next run works.
//!
//! No test asserts how long that takes: [`PATIENCE`] only bounds a hang.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{Sandbox, tree};
use crate::source::{Mood, profile, serve, tarball};

/// Longer than this is a hang, also on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(600);

/// A quench that runs in a sandbox.
struct Running<'a> {
    sandbox: &'a Sandbox,
    child: Child,
}

impl<'a> Running<'a> {
    fn start(sandbox: &'a Sandbox, arguments: &[&str]) -> Self {
        // Whoever runs the tests in the background of a script ignores SIGINT; what is tested must not.
        Self::with(sandbox, "--default-signal=INT,HUP", arguments)
    }

    fn with(sandbox: &'a Sandbox, signals: &str, arguments: &[&str]) -> Self {
        let words = [&[env!("CARGO_BIN_EXE_quench")], arguments].concat();
        Self::program(sandbox, signals, &words)
    }

    fn program(sandbox: &'a Sandbox, signals: &str, words: &[&str]) -> Self {
        let temporary = sandbox.path().join("tmp");
        std::fs::create_dir_all(&temporary).unwrap();
        let mut command = Command::new("env");
        command.arg(signals).args(words);
        command.current_dir(sandbox.path()).stdin(Stdio::piped()).process_group(0);
        command.env("QUENCH_WORK", sandbox.path().join("work")).env("TMPDIR", &temporary);
        command.stdout(File::create(sandbox.path().join("stdout")).unwrap());
        command.stderr(File::create(sandbox.path().join("stderr")).unwrap());
        Self { sandbox, child: command.spawn().unwrap() }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.sandbox.path().join("stderr")).unwrap()
    }

    /// Waits until something can be seen of where it is.
    fn until(&mut self, what: &str, mut seen: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !seen(self) {
            assert!(start.elapsed() < PATIENCE, "never {what}: {}", self.said());
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended before {what}: {ended:?} {}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn send(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// The exit code; everything that every end owes is checked.
    fn ended(mut self) -> i32 {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                panic!("it goes on: {}", self.said());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let programs = programs_of(self.sandbox.path());
        assert!(programs.is_empty(), "still there: {programs:?}");
        let left = half_made(self.sandbox.path());
        assert!(left.is_empty(), "half-made: {left:?}");
        status.code().unwrap_or_else(|| panic!("{status}: {}", self.said()))
    }

    fn interrupted(self, signal: Signal) {
        self.send(signal);
        let sandbox = self.sandbox;
        let code = self.ended();
        let said = std::fs::read_to_string(sandbox.path().join("stderr")).unwrap();
        assert_eq!(code, 128 + signal.as_raw(), "{said}");
        assert!(said.contains("ended by SIG"), "{said}");
    }
}

/// A test that fails leaves nothing behind.
impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Programs whose command line speaks of a directory.
fn programs_of(directory: &Path) -> Vec<String> {
    let directory = directory.display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(&directory)).collect()
}

/// Files and directories of a sandbox that are there only while something is made. What curl fetched stays: a later run
/// goes on from there.
fn half_made(directory: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let kept = path.parent().is_some_and(|parent| parent.ends_with("downloads"));
        if name.starts_with(".qs-") || (path.extension().is_some_and(|end| end == "part") && !kept)
        {
            out.push(path);
        } else if entry.file_type().unwrap().is_dir() {
            out.extend(half_made(&path));
        }
    }
    out
}

/// Interrupts the same command at many moments. A moment after its end shows nothing; the first ones must not be such.
fn at_many_moments(arguments: &[&str], moments: &[u64]) {
    let mut ended = 0;
    for (milliseconds, signal) in
        moments.iter().zip([Signal::INT, Signal::TERM, Signal::HUP].into_iter().cycle())
    {
        let sandbox = Sandbox::new();
        let mut running = Running::start(&sandbox, arguments);
        std::thread::sleep(Duration::from_millis(*milliseconds));
        if running.child.try_wait().unwrap().is_none() {
            running.interrupted(signal);
            ended += 1;
        }
    }
    assert!(ended > 0, "{arguments:?} ends before it can be interrupted");
}

#[test]
fn reading_an_input_that_never_comes_is_ended() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let sandbox = Sandbox::new();
        let pipe = sandbox.path().join("record.json");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let running = Running::start(&sandbox, &["reproduce", pipe.to_str().unwrap()]);
        std::thread::sleep(Duration::from_millis(300));
        running.interrupted(signal);
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let sandbox = Sandbox::new();
    let pipe = sandbox.path().join("record.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let arguments = ["reproduce", pipe.to_str().unwrap()];
    let running = Running::with(&sandbox, "--ignore-signal=HUP", &arguments);
    std::thread::sleep(Duration::from_millis(300));
    running.send(Signal::HUP);
    std::thread::sleep(Duration::from_millis(100));
    running.interrupted(Signal::TERM);
}

/// No program runs meanwhile: decoding of one large file, of many in parallel, of a compressed archive.
#[test]
fn verifying_is_ended() {
    let large = env!("CARGO_BIN_EXE_quench");
    at_many_moments(&["verify", large], &[100, 250, 500]);
    at_many_moments(&["verify", "/usr/bin", "/usr/lib"], &[100, 300, 600, 1200]);
    let sandbox = Sandbox::new();
    let archive = sandbox.path().join("large.tar.gz");
    let mut tar = Command::new("tar");
    tar.args(["--use-compress-program=gzip -1", "-cf"]).arg(&archive).arg("-C");
    let (directory, name) = large.rsplit_once('/').unwrap();
    assert!(tar.args([directory, name]).status().unwrap().success());
    at_many_moments(&["verify", archive.to_str().unwrap()], &[100, 300, 600]);
}

/// A source that is there already is hashed before it is used.
#[test]
fn hashing_a_large_file_is_ended() {
    let sandbox = Sandbox::new();
    let digest = "0".repeat(64);
    let source = format!("{{ url = \"http://127.0.0.1:1/huge.tar\", sha256 = \"{digest}\" }}");
    sandbox.write("u.toml", profile(&source));
    let huge = sandbox.write("work/downloads/huge.tar", "");
    // Sparse: it takes no space.
    File::options().write(true).open(huge).unwrap().set_len(1 << 40).unwrap();
    let arguments = ["build", "u.toml", "--until", "source", "--offline"];
    let running = Running::start(&sandbox, &arguments);
    std::thread::sleep(Duration::from_millis(500));
    running.interrupted(Signal::TERM);
}

/// Who reads the output has gone to sleep: what is written stays in the pipe.
#[test]
fn output_that_nobody_takes_holds_no_end_up() {
    let sandbox = Sandbox::new();
    let pipe = sandbox.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open for reading as well, so that it opens at once and is never closed; filled, so that a first byte waits.
    let mut full = File::options().read(true).write(true).open(&pipe).unwrap();
    let words =
        ["sh", "-c", "exec \"$0\" completions bash > pipe 2>&1", env!("CARGO_BIN_EXE_quench")];
    // pipe(7): this much is in it.
    full.write_all(&vec![b'x'; 1 << 16]).unwrap();
    let running = Running::program(&sandbox, "--default-signal=INT,HUP", &words);
    std::thread::sleep(Duration::from_millis(500));
    running.send(Signal::INT);
    assert_eq!(running.ended(), 130);
}

/// Scan, probes, plan and answer of a real tree, each time from nothing.
#[test]
fn planning_is_ended() {
    let Some(tree) = tree("10.0") else { return println!("skipped: no QUENCH_TREES") };
    let tree = tree.to_str().unwrap();
    let arguments = ["explain", "cloud-virtio", "no-such-type", "--source", tree];
    at_many_moments(&arguments, &[50, 150, 300, 500, 800, 1200, 1700, 2300, 3000]);
}

#[test]
fn a_download_is_ended_and_the_next_run_goes_on_from_there() {
    let sandbox = Sandbox::new();
    let sha256 = tarball(&sandbox);
    let www = sandbox.path().join("www");
    let source = |port: u16| {
        format!("{{ url = \"http://127.0.0.1:{port}/qemu-9.9.9.tar\", sha256 = \"{sha256}\" }}")
    };
    sandbox.write("u.toml", profile(&source(serve(&www, Mood::Stalls).port)));
    let part = sandbox.path().join("work/downloads/qemu-9.9.9.tar.part");
    let arguments = ["build", "u.toml", "--until", "source"];
    let mut running = Running::start(&sandbox, &arguments);
    let arrived = || std::fs::metadata(&part).map_or(0, |metadata| metadata.len());
    running.until("half of it is here", |_| arrived() > 10_000);
    running.interrupted(Signal::INT);
    assert!(!sandbox.path().join("u.lock").exists());
    sandbox.write("u.toml", profile(&source(serve(&www, Mood::Whole).port)));
    let ran = sandbox.quench(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(Path::new(ran.stdout.trim()).join("VERSION").is_file());
}

/// Copying a tree, a step's program with descendants that do not listen, a lock that another holds; a second signal.
#[test]
fn a_build_is_ended_in_every_phase_before_it_compiles() {
    let Some(tree) = tree("10.0") else { return println!("skipped: no QUENCH_TREES") };
    let (sandbox, other) = (Sandbox::new(), Sandbox::new());
    let copy = other.path().join("tree");
    let mut copying = Command::new("cp");
    // What names the tree may be a link; a copy of that would be the tree itself.
    copying.args(["-a", "--no-target-directory"]).arg(tree.canonicalize().unwrap()).arg(&copy);
    assert!(copying.status().unwrap().success());
    assert!(Command::new("chmod").args(["-R", "u+w"]).arg(&copy).status().unwrap().success());
    let script = format!(
        "#!/bin/sh\nif [ -e {here}/fail ]; then exit 1; fi\n(trap '' INT TERM HUP; exec tail -f {here}/stdout) &\n\
         trap '' TERM\ntouch $PWD/mark\nsleep 600 & wait\nsleep 600 & wait\n",
        here = sandbox.path().display(),
    );
    std::fs::write(copy.join("configure"), script).unwrap();
    let source = copy.to_str().unwrap();
    let build = ["build", "cloud-virtio", "--sandbox", "never", "--source", source];
    let trees = sandbox.path().join("work/trees");
    let mut running = Running::start(&sandbox, &build);
    running.until("a tree is copied", |_| {
        std::fs::read_dir(&trees).is_ok_and(|mut d| d.next().is_some())
    });
    running.interrupted(Signal::TERM);
    let marked = sandbox.path().join("work/builds/cloud-virtio/build/mark");
    for signals in [&[Signal::INT][..], &[Signal::HUP], &[Signal::TERM, Signal::TERM]] {
        let _ = std::fs::remove_file(&marked);
        let mut running = Running::start(&sandbox, &build);
        running.until("it configures", |running| {
            assert!(!running.said().contains("are missing"), "{}", running.said());
            marked.is_file()
        });
        for signal in signals {
            running.send(*signal);
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(running.ended(), 128 + signals[0].as_raw());
    }
    let lock = File::create(sandbox.path().join("work/builds/cloud-virtio/lock")).unwrap();
    lock.lock().unwrap();
    let mut running = Running::start(&sandbox, &build);
    running.until("it waits", |running| running.said().contains("Waiting"));
    running.interrupted(Signal::INT);
    drop(lock);
    // Nothing of the ended runs is in the way of the next.
    sandbox.write("fail", "");
    let ran = sandbox.quench(&build);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("step `configure` failed"), "{}", ran.stderr);
}
