//! Shuts build steps in, and varies what must not matter.
//!
//! Shell: asks once whether bubblewrap works here. [`Isolation::wrap`] turns a command into the same command behind
//! `bwrap` (no network, the host read-only or a closed root in its place, private `/tmp`, `/run`, `/home`), with a
//! compiler cache in front of the compiler, or in a deliberately different environment. Writes nothing but the links of
//! the compiler cache's directory.

mod closed;
mod disorder;

pub use closed::{Closed, Place};
pub use disorder::Disorder;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Hinted};
use crate::plan::Invocation;
use crate::process;
use crate::record::{CompilerCache, Isolated, RootKind};
use crate::tool;

/// Directories a step must not see: what is private to people, and sockets of services. Empty inside.
const HIDDEN: [&str; 5] = ["/tmp", "/var/tmp", "/run", "/home", "/root"];

/// Something of the environment that no byte of the result may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vary {
    /// Another work directory, at another depth.
    Path,
    /// A variable nobody knows, another `USER`, another `PATH`.
    Environment,
    Home,
    Locale,
    TimeZone,
    Umask,
    /// Number of jobs.
    Jobs,
    /// `uname -r` and address-space layout.
    Kernel,
    /// More than a year later.
    Clock,
    Hostname,
    /// Another user id.
    User,
    /// The order in which a directory lists its files.
    FileOrder,
}

impl Vary {
    pub const ALL: [Self; 12] = [
        Self::Path,
        Self::Environment,
        Self::Home,
        Self::Locale,
        Self::TimeZone,
        Self::Umask,
        Self::Jobs,
        Self::Kernel,
        Self::Clock,
        Self::Hostname,
        Self::User,
        Self::FileOrder,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Environment => "environment",
            Self::Home => "home",
            Self::Locale => "locale",
            Self::TimeZone => "time-zone",
            Self::Umask => "umask",
            Self::Jobs => "jobs",
            Self::Kernel => "kernel",
            Self::Clock => "clock",
            Self::Hostname => "hostname",
            Self::User => "user",
            Self::FileOrder => "file-order",
        }
    }

    /// What a build sees instead.
    pub fn value(self) -> &'static str {
        match self {
            Self::Path => "another directory at another depth",
            Self::Environment => "USER, LOGNAME, QUENCH_VARIED and a longer PATH",
            Self::Home => "HOME=/nonexistent/varied",
            Self::Locale => "LC_ALL=C, LANG=et_EE.UTF-8, LANGUAGE=et",
            Self::TimeZone => "TZ=GMT-14",
            Self::Umask => "umask 077",
            Self::Jobs => "one job more",
            Self::Kernel => "uname 2.6.*, fixed address-space layout",
            Self::Clock => "400 days later",
            Self::Hostname => "host name varied.invalid",
            Self::User => "uid and gid 4321",
            Self::FileOrder => "directories list their files backwards (disorderfs)",
        }
    }
}

/// What bubblewrap lets a step see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// First line of `bwrap --version`.
    pub version: String,
    /// Directories a step may write.
    writable: Vec<PathBuf>,
    /// Directories that must stay visible although one of [`HIDDEN`] is above them.
    readable: Vec<PathBuf>,
    /// The root in place of the host.
    closed: Option<Closed>,
    /// A step can be given another user: not in a chroot, nor where user namespaces are forbidden.
    users: bool,
}

/// How steps run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Isolation {
    pub sandbox: Option<Sandbox>,
    /// Why there is no sandbox.
    pub without: String,
    pub vary: BTreeSet<Vary>,
    /// Directory with links named like the compilers, and the cache's own directory.
    pub cache: Option<Cache>,
}

/// A compiler cache in front of the compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    pub version: String,
    links: PathBuf,
    directory: PathBuf,
}

/// Whether to use the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Want {
    /// Where the host allows it.
    Auto,
    /// Or fail.
    Always,
    Never,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the sandbox does not work here: {0}")]
    Sandbox(String),
    #[error("disorderfs did not mount {0}")]
    Disorder(String),
    #[error(transparent)]
    Process(process::Error),
    #[error(transparent)]
    Tool(#[from] tool::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Hinted for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Process(error) => error.exit(),
            Self::Tool(error) => error.exit(),
            Self::Sandbox(_) | Self::Disorder(_) | Self::Io(_) => Exit::Machine,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Sandbox(_) => Some(
                "apt-get install bubblewrap, allow user namespaces, or use --sandbox never (the record says so)"
                    .to_owned(),
            ),
            Self::Disorder(_) => Some("leave `file-order` out of --vary".to_owned()),
            Self::Process(error) => error.hint(),
            Self::Tool(error) => error.hint(),
            Self::Io(_) => None,
        }
    }
}

/// Asks whether bubblewrap works here with these directories.
pub fn sandbox(want: Want, writable: &[PathBuf], readable: &[PathBuf]) -> Result<Isolation, Error> {
    let without = |why: String| match want {
        Want::Always => Err(Error::Sandbox(why)),
        Want::Auto | Want::Never => Ok(Isolation { without: why, ..Isolation::default() }),
    };
    if want == Want::Never {
        return without("not asked for".to_owned());
    }
    let Ok(found) = tool::find("bwrap") else {
        return without("bubblewrap is not installed".to_owned());
    };
    for directory in writable {
        fs_err::create_dir_all(directory)?;
    }
    let sandbox = Sandbox {
        version: found.version,
        writable: writable.to_vec(),
        readable: readable.to_vec(),
        closed: None,
        users: true,
    };
    let isolation = Isolation { sandbox: Some(sandbox), ..Isolation::default() };
    isolation.tried().or_else(without)
}

/// The sandbox with a closed root in place of the host; there is no doing without it.
pub fn closed(root: Closed) -> Result<Isolation, Error> {
    let found = tool::find("bwrap")?;
    for place in &root.places {
        fs_err::create_dir_all(&place.outside)?;
    }
    let sandbox = Sandbox {
        version: found.version,
        writable: Vec::new(),
        readable: Vec::new(),
        closed: Some(root),
        users: true,
    };
    let isolation = Isolation { sandbox: Some(sandbox), ..Isolation::default() };
    isolation.tried().map_err(Error::Sandbox)
}

/// Puts ccache in front of `compilers`; `work` keeps links and cache.
pub fn ccache(work: &Path, compilers: &[&str]) -> Result<Cache, Error> {
    let found = tool::find("ccache")?;
    let links = work.join("ccache-bin");
    let directory = work.join("ccache");
    fs_err::create_dir_all(&links)?;
    fs_err::create_dir_all(&directory)?;
    for compiler in compilers {
        let link = links.join(compiler);
        if fs_err::read_link(&link).ok().as_ref() != Some(&found.path) {
            let _ = fs_err::remove_file(&link);
            fs_err::os::unix::fs::symlink(&found.path, &link)?;
        }
    }
    Ok(Cache { version: found.version, links, directory })
}

/// The ccache of a closed root, with its cache in `work`, which must be one of its places.
pub fn ccache_inside(isolation: &Isolation, work: &Path) -> Result<Cache, Error> {
    let found = isolation.find("ccache")?;
    // Debian's package keeps links named like the compilers.
    Ok(Cache {
        version: found.version,
        links: "/usr/lib/ccache".into(),
        directory: work.join("ccache"),
    })
}

impl Isolation {
    /// Itself where it works here, else why not.
    fn tried(mut self) -> Result<Self, String> {
        self.attempt()?;
        self.vary = [Vary::User].into();
        let users = self.attempt().is_ok();
        self.vary.clear();
        if let Some(sandbox) = &mut self.sandbox {
            sandbox.users = users;
        }
        Ok(self)
    }

    fn attempt(&self) -> Result<(), String> {
        let ask = Invocation::plain("try the sandbox", "true", "/");
        match process::output(&self.wrap(&ask)) {
            Ok(_) => Ok(()),
            Err(process::Error::Failed { tail, .. }) => {
                Err(tail.last().cloned().unwrap_or_else(|| "bwrap failed".to_owned()))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// What shuts steps in, as the record says it.
    pub fn isolated(&self) -> Isolated {
        match &self.sandbox {
            Some(sandbox) => Isolated::Bubblewrap { version: sandbox.version.clone() },
            None => Isolated::None { why: self.without.clone() },
        }
    }

    /// What steps see of file systems, as the record says it.
    pub fn root_kind(&self) -> RootKind {
        self.closed().map_or(RootKind::Host, |closed| closed.kind.clone())
    }

    /// What stands in front of the compiler, as the record says it.
    pub fn compiler_cache(&self) -> Option<CompilerCache> {
        let cache = self.cache.as_ref()?;
        Some(CompilerCache::Ccache { version: cache.version.clone() })
    }

    /// The variations that are in effect: some need the sandbox or a program. Who starts the steps sees to the order of
    /// files: it is not a matter of a command.
    pub fn effective(&self) -> BTreeSet<Vary> {
        let possible = |vary: &Vary| match vary {
            Vary::Hostname => self.sandbox.is_some(),
            Vary::User => self.sandbox.as_ref().is_some_and(|sandbox| sandbox.users),
            Vary::Clock => self.has("faketime"),
            Vary::Kernel => self.has("setarch"),
            Vary::FileOrder => disorder::possible(),
            _ => true,
        };
        self.vary.iter().copied().filter(possible).collect()
    }

    fn has(&self, program: &str) -> bool {
        match self.closed() {
            Some(closed) => closed.directory.join("usr/bin").join(program).exists(),
            None => tool::path(program).is_ok(),
        }
    }

    /// The command as it runs here.
    pub fn wrap(&self, invocation: &Invocation) -> Invocation {
        let mut out = invocation.clone();
        let vary = self.effective();
        environment(&mut out, &vary);
        if let Some(closed) = self.closed() {
            let varied = vary.contains(&Vary::Path);
            let fill = |text: &mut String| *text = closed.translate(text, varied);
            out.elsewhere = true;
            fill(&mut out.program);
            fill(&mut out.directory);
            out.arguments.iter_mut().for_each(fill);
            out.environment.values_mut().for_each(fill);
        }
        if let Some(cache) = &self.cache {
            let path = out.environment.get("PATH").cloned().unwrap_or_default();
            out = out
                .env("PATH", format!("{}:{path}", self.inside(&cache.links)))
                .env("CCACHE_DIR", self.inside(&cache.directory))
                // The prefix maps of the plan already take the directory out of the result.
                .env("CCACHE_NOHASHDIR", "1")
                // QEMU's list of the selection's symbols, for the compiler to refuse in common code. It changes no
                // code; with it no file would be known again in a build of another selection.
                .env("CCACHE_IGNOREHEADERS", "config-poison.h:./config-poison.h");
        }
        let mut words = match &self.sandbox {
            Some(sandbox) => self.bwrap(sandbox, &out.directory, &vary),
            None => Vec::new(),
        };
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        if vary.contains(&Vary::Kernel) {
            add(&["setarch", "--uname-2.6", "--addr-no-randomize"]);
        }
        if vary.contains(&Vary::Clock) {
            add(&["faketime", "-f", "+400d"]);
        }
        if vary.contains(&Vary::Umask) {
            add(&["sh", "-c", "umask 077; exec \"$0\" \"$@\""]);
        }
        out.wrapper = words;
        out
    }

    fn bwrap(&self, sandbox: &Sandbox, directory: &str, vary: &BTreeSet<Vary>) -> Vec<String> {
        let mut words = vec!["bwrap".to_owned(), "--die-with-parent".to_owned()];
        match &sandbox.closed {
            Some(closed) => words.extend(closed.words(vary.contains(&Vary::Path))),
            None => words.extend(self.open(sandbox)),
        }
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        add(&["--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]);
        add(&[
            "--hostname",
            if vary.contains(&Vary::Hostname) { "varied.invalid" } else { "quench" },
        ]);
        if vary.contains(&Vary::User) {
            add(&["--unshare-user", "--uid", "4321", "--gid", "4321"]);
        }
        add(&["--cap-drop", "ALL", "--chdir", directory, "--"]);
        words
    }

    /// Words that show the host, read-only, without what is private.
    fn open(&self, sandbox: &Sandbox) -> Vec<String> {
        let mut words: Vec<String> = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        for hidden in HIDDEN {
            let path = Path::new(hidden);
            if path.is_dir() && !path.is_symlink() {
                add(&["--tmpfs", hidden]);
            }
        }
        let cache = self.cache.as_ref();
        let readable = sandbox.readable.iter().chain(cache.map(|cache| &cache.links));
        for path in readable {
            let path = path.display().to_string();
            add(&["--ro-bind", &path, &path]);
        }
        for path in sandbox.writable.iter().chain(cache.map(|cache| &cache.directory)) {
            let path = path.display().to_string();
            add(&["--bind", &path, &path]);
        }
        words
    }
}

fn environment(invocation: &mut Invocation, vary: &BTreeSet<Vary>) {
    let mut set = |name: &str, value: &str| {
        invocation.environment.insert(name.to_owned(), value.to_owned());
    };
    if vary.contains(&Vary::Home) {
        set("HOME", "/nonexistent/varied");
    }
    if vary.contains(&Vary::Locale) {
        set("LC_ALL", "C");
        set("LANG", "et_EE.UTF-8");
        set("LANGUAGE", "et");
    }
    if vary.contains(&Vary::TimeZone) {
        set("TZ", "GMT-14");
    }
    if vary.contains(&Vary::Environment) {
        set("USER", "varied");
        set("LOGNAME", "varied");
        set("QUENCH_VARIED", "a value that must not be in any byte");
        if let Some(path) = invocation.environment.get_mut("PATH") {
            path.push_str(":/usr/games:/nonexistent/bin");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sandbox, or a word on why there is none here.
    fn here(writable: &Path) -> Option<Isolation> {
        let isolation = sandbox(Want::Auto, &[writable.to_owned()], &[]).unwrap();
        if isolation.sandbox.is_none() {
            println!("skipped: {}", isolation.without);
        }
        isolation.sandbox.is_some().then_some(isolation)
    }

    fn sh(script: &str, directory: &Path) -> Invocation {
        Invocation::plain("test", "sh", directory.display().to_string()).args(["-c", script])
    }

    #[test]
    fn a_step_that_writes_outside_or_wants_the_network_fails() {
        let directory = tempfile::tempdir().unwrap();
        let Some(isolation) = here(directory.path()) else { return };
        let run = |script: &str| process::output(&isolation.wrap(&sh(script, directory.path())));
        assert_eq!(run("echo in > here && cat here").unwrap().text(), "in\n");
        assert_eq!(std::fs::read_to_string(directory.path().join("here")).unwrap(), "in\n");
        run("echo out > /usr/quench-was-here").unwrap_err();
        assert!(!Path::new("/usr/quench-was-here").exists());
        // Not even a listener of this machine can be reached.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connect = format!(
            "exec python3 -c \"import socket; socket.create_connection(('127.0.0.1', {port}), 2)\""
        );
        process::output(&sh(&connect, directory.path())).unwrap();
        run(&connect).unwrap_err();
        assert_eq!(
            run("ls /home /run | grep -v :").map(|out| out.text()).unwrap_or_default().trim(),
            ""
        );
    }

    #[test]
    fn every_variation_is_seen_by_the_step() {
        let directory = tempfile::tempdir().unwrap();
        let Some(mut isolation) = here(directory.path()) else { return };
        let script = "hostname; id -u; uname -r; umask; echo $TZ $LC_ALL $HOME $USER; date +%s";
        let plain = process::output(&isolation.wrap(&sh(script, directory.path()))).unwrap().text();
        isolation.vary = Vary::ALL.into_iter().collect();
        let varied =
            process::output(&isolation.wrap(&sh(script, directory.path()))).unwrap().text();
        let effective = isolation.effective();
        let asked = [Vary::Hostname, Vary::User, Vary::Kernel, Vary::Umask, Vary::Environment];
        for (vary, (a, b)) in asked.iter().zip(plain.lines().zip(varied.lines())) {
            assert_eq!(a != b, effective.contains(vary), "{vary:?}: {plain}{varied}");
        }
        let seconds = |text: &str| text.lines().last().unwrap().parse::<i64>().unwrap();
        let later = seconds(&varied) - seconds(&plain) > 300 * 86_400;
        assert_eq!(later, effective.contains(&Vary::Clock), "{plain}{varied}");
    }

    #[test]
    fn a_closed_root_shows_its_places_under_fixed_names_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/of-the-root"), "").unwrap();
        std::os::unix::fs::symlink("usr/bin", root.join("bin")).unwrap();
        for (name, target) in [("lib", "usr/lib"), ("lib64", "usr/lib64")] {
            std::os::unix::fs::symlink(target, root.join(name)).unwrap();
        }
        let work = directory.path().join("work");
        let place = |outside: &Path, inside, writable| Place {
            outside: outside.to_owned(),
            inside,
            writable,
        };
        let closed = Closed {
            directory: root.clone(),
            kind: RootKind::Host,
            digest: "0".repeat(64),
            places: vec![place(&work, "work", true)],
        };
        std::fs::create_dir_all(root.join("usr")).unwrap();
        let words = closed.words(false).join(" ");
        assert!(words.contains("--symlink usr/bin /bin"), "{words}");
        assert!(words.contains(&format!("--ro-bind {}/etc /etc", root.display())), "{words}");
        assert!(words.contains(&format!("--bind {} /quench/work", work.display())), "{words}");
        assert!(!words.contains("--ro-bind / /"), "{words}");
        let text = format!("--extra={}/build", work.display());
        assert_eq!(closed.translate(&text, false), "--extra=/quench/work/build");
        assert_eq!(closed.translate(&text, true), "--extra=/varied/much/deeper/work/build");
    }
}
