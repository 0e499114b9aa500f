//! The apt source: a Debian source package from the host's mirror, another suite if need be.
//!
//! Shell. Works with a private apt state below the work directory and needs no root; nothing under `/etc` changes.
//! Mirror and keyring are the host's own (`/etc/apt/sources.list`, `sources.list.d`), only the suite is replaced. The
//! authentication is apt's chain: a signed InRelease names the index by digest, the index names the files.

use std::path::{Path, PathBuf};

use super::{Error, Fetched, Lock, Options, base};
use crate::files::{self, Scratch};
use crate::plan::Invocation;
use crate::process;
use crate::record::AuthenticatedBy;
use crate::terminal::Terminal;

/// Suites that have no `-security` archive.
const ROLLING: [&str; 5] = ["sid", "unstable", "testing", "experimental", "rc-buggy"];

/// Fetches the newest version of the suite that matches the series, or the pinned one.
pub(super) fn fetch(
    package: &str,
    suite: &str,
    series: &str,
    pinned: Option<&Lock>,
    options: &Options,
    terminal: &Terminal,
) -> Result<Fetched, Error> {
    let downloads = options.work.join("downloads");
    fs_err::create_dir_all(&downloads)?;
    if let Some(lock) = pinned
        && let Some(files) = cached(&downloads, lock)?
    {
        return Ok(fetched(package, suite, &lock.version, files));
    }
    if options.offline {
        let what = pinned.map_or_else(
            || format!("{package} {series}"),
            |lock| format!("{package} {}", lock.version),
        );
        return Err(Error::unavailable(
            format!("--offline, and the source of {what} is not in {}", downloads.display()),
            "run once without --offline",
        ));
    }
    let archives = archives(options.apt_sources.as_deref())?;
    let list = sources("deb-src", suite, &archives)?;
    let state = State::new(&options.work.join("apt").join(suite), &list, options.stale_index)?;
    terminal.status("Updating", &format!("the package index of {suite}"));
    state.update(suite)?;
    let versions = state.versions(package, series)?;
    let version = match pinned {
        Some(lock) => lock.version.clone(),
        None => versions.first().cloned().ok_or_else(|| no_version(package, suite, series))?,
    };
    if !versions.contains(&version) {
        let next =
            versions.first().map_or_else(String::new, |next| format!("; the suite has {next} now"));
        return Err(Error::unavailable(
            format!(
                "{package} {version}, pinned by {}, left the archive{next}",
                options.lock.display()
            ),
            "run with --update to take the newest matching version and pin it",
        ));
    }
    terminal.status("Fetching", &format!("{package} {version} from {suite}"));
    let files = state.download(package, &version, &versions, &downloads)?;
    Ok(fetched(package, suite, &version, files))
}

fn fetched(package: &str, suite: &str, version: &str, files: Vec<PathBuf>) -> Fetched {
    Fetched {
        origin: format!("apt: {package} {version} of {suite}"),
        version: version.to_owned(),
        files,
        authentication: format!("apt: index of {suite} signed by the archive's key"),
        authenticated_by: AuthenticatedBy::ArchiveSignature,
    }
}

fn no_version(package: &str, suite: &str, series: &str) -> Error {
    Error::unavailable(
        format!("{suite} has no {package} of series {series}"),
        "take another suite in qemu.source, or another series",
    )
}

/// The pinned files, if all are there with the pinned digests.
fn cached(downloads: &Path, lock: &Lock) -> Result<Option<Vec<PathBuf>>, Error> {
    let mut files = Vec::new();
    for pinned in &lock.files {
        let file = downloads.join(&pinned.name);
        if !file.is_file() {
            return Ok(None);
        }
        let is = super::sha256_of(&file)?;
        if is != pinned.sha256 {
            return Err(Error::Refused(format!(
                "{} has sha256 {is}, the lock file pins {}: remove it to fetch it again",
                file.display(),
                pinned.sha256
            )));
        }
        files.push(file);
    }
    Ok(Some(files))
}

/// A private apt state.
struct State {
    root: PathBuf,
    stale_index: bool,
}

impl State {
    fn new(root: &Path, list: &str, stale_index: bool) -> Result<Self, Error> {
        for directory in ["lists/partial", "cache/archives/partial", "log"] {
            fs_err::create_dir_all(root.join(directory))?;
        }
        fs_err::write(root.join("sources.list"), list)?;
        Ok(Self { root: root.to_owned(), stale_index })
    }

    fn command(&self, purpose: &str, program: &str, directory: &Path) -> Invocation {
        let root = self.root.display();
        let mut command = base(purpose, program, &directory.display().to_string());
        for option in [
            format!("Dir::State={root}"),
            format!("Dir::State::lists={root}/lists"),
            format!("Dir::Cache={root}/cache"),
            format!("Dir::Log={root}/log"),
            format!("Dir::Etc::sourcelist={root}/sources.list"),
            "Dir::Etc::sourceparts=-".to_owned(),
            "Dir::State::status=/dev/null".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "APT::Update::Error-Mode=any".to_owned(),
            // `_apt` cannot write into a private directory: apt runs as whoever runs Quench.
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::AllowInsecureRepositories=false".to_owned(),
        ] {
            command = command.arg("-o").arg(option);
        }
        if self.stale_index {
            command = command.args(["-o", "Acquire::Check-Valid-Until=false"]);
        }
        process::fetching(command, &["APT_CONFIG"])
    }

    fn update(&self, suite: &str) -> Result<(), Error> {
        let command =
            self.command("update the package index", "apt-get", &self.root).args(["-q", "update"]);
        process::output(&command).map(drop).map_err(|error| refused(error, suite))
    }

    /// Versions of the series, newest first.
    fn versions(&self, package: &str, series: &str) -> Result<Vec<String>, Error> {
        let command = self
            .command("list source versions", "apt-cache", &self.root)
            .args(["showsrc", package]);
        let text = process::output(&command).map(|output| output.text()).unwrap_or_default();
        let mut versions: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("Version: "))
            .filter(|version| in_series(version, series))
            .map(str::to_owned)
            .collect();
        versions.sort();
        versions.dedup();
        self.newest_first(&mut versions)?;
        Ok(versions)
    }

    /// Sorts by dpkg's own comparison.
    fn newest_first(&self, versions: &mut [String]) -> Result<(), Error> {
        for i in 1..versions.len() {
            for j in (1..=i).rev() {
                let newer = base("compare versions", "dpkg", &self.root.display().to_string())
                    .args(["--compare-versions", &versions[j], "gt", &versions[j - 1]]);
                match process::output(&newer) {
                    Ok(_) => versions.swap(j, j - 1),
                    Err(process::Error::Failed { .. }) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn download(
        &self,
        package: &str,
        version: &str,
        versions: &[String],
        downloads: &Path,
    ) -> Result<Vec<PathBuf>, Error> {
        let scratch = Scratch::beside(&self.root)?;
        let command = self
            .command("download the source package", "apt-get", scratch.path())
            .args(["-q", "source", "--download-only"])
            .arg(format!("{package}={version}"));
        process::output(&command).map_err(|error| gone(error, package, version, versions))?;
        let mut fetched = Vec::new();
        for entry in fs_err::read_dir(scratch.path())? {
            let entry = entry?;
            let target = downloads.join(entry.file_name());
            // On another file system it is copied.
            fs_err::rename(entry.path(), &target)
                .or_else(|_| files::place(&entry.path(), downloads).map(drop))?;
            fetched.push(target);
        }
        fetched.sort();
        Ok(fetched)
    }
}

/// Binary packages of a suite, for closed roots: the same mirror, keyring and private state as sources have.
pub(crate) struct Binaries {
    state: State,
}

impl Binaries {
    /// Fetches the signed index of a suite.
    pub(crate) fn open(
        work: &Path,
        suite: &str,
        apt_sources: Option<&Path>,
        stale_index: bool,
    ) -> Result<Self, Error> {
        let list = sources("deb", suite, &archives(apt_sources)?)?;
        let root = work.join("apt").join(format!("{suite}-binary"));
        let state = State::new(&root, &list, stale_index)?;
        state.update(suite)?;
        Ok(Self { state })
    }

    /// Downloads the packages of a minimal system with `wanted` into `archives`, everything they depend on included.
    pub(crate) fn system(&self, wanted: &[String], archives: &Path) -> Result<(), Error> {
        fs_err::create_dir_all(archives.join("partial"))?;
        let command = self
            .state
            .command("download the packages of the closed root", "apt-get", archives)
            .arg("-o")
            .arg(format!("Dir::Cache::archives={}", archives.display()))
            // Nothing is installed here: dpkg's lock is not ours to take.
            .args(["-o", "Debug::NoLocking=1"])
            .args(["-q", "-y", "install", "--download-only", "--no-install-recommends"])
            .arg("?essential")
            .args(wanted.iter().cloned());
        process::output(&command)?;
        Ok(())
    }

    /// Downloads exact versions, `NAME=VERSION`, into `archives`; those that left the archive are an error of apt's.
    pub(crate) fn exact(&self, packages: &[String], archives: &Path) -> Result<(), Error> {
        let command = self
            .state
            .command("download packages of the closed root", "apt-get", archives)
            .args(["-q", "download"])
            .args(packages.iter().cloned());
        process::output(&command)?;
        Ok(())
    }
}

/// The archives of the host, or those of a file.
fn archives(file: Option<&Path>) -> Result<Vec<Archive>, Error> {
    match file {
        Some(file) => read_sources(file),
        None => host_sources(),
    }
}

/// `1:10.0.13+ds-0+deb13u1` is of series `10.0`; `1:7.2+dfsg-7` of `7.2`.
fn in_series(version: &str, series: &str) -> bool {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    upstream
        .strip_prefix(series)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '+', '-', '~']))
}

/// What apt refused, in our words: unsigned, tampered, or out of reach.
fn refused(error: process::Error, suite: &str) -> Error {
    let process::Error::Failed { tail, .. } = &error else { return error.into() };
    let text = tail.join("\n");
    let line =
        |mark: &str| tail.iter().find(|line| line.contains(mark)).cloned().unwrap_or_default();
    if text.contains("is expired") {
        return Error::Refused(format!(
            "the index of {suite} is out of date, so it may be an old one played back: {} (--stale-index accepts it, for \
             a frozen mirror)",
            line("is expired").trim()
        ));
    }
    for mark in [
        "is not signed",
        "NO_PUBKEY",
        "not verified",
        "Hash Sum mismatch",
        "BADSIG",
        "is not valid yet",
        "invalid signature",
    ] {
        if text.contains(mark) {
            return Error::Refused(format!(
                "the index of {suite} is not authenticated: {}",
                line(mark).trim()
            ));
        }
    }
    for mark in [
        "Temporary failure resolving",
        "Could not connect",
        "Connection failed",
        "Unable to connect",
        "does not have a Release file",
    ] {
        if text.contains(mark) {
            return Error::unavailable(
                format!("the mirror does not answer for {suite}: {}", line(mark).trim()),
                "check the network and the suite's name, or use --offline with what is in the work directory",
            );
        }
    }
    error.into()
}

fn gone(error: process::Error, package: &str, version: &str, versions: &[String]) -> Error {
    let process::Error::Failed { tail, .. } = &error else { return error.into() };
    let text = tail.join("\n");
    if text.contains("Hash Sum mismatch") || text.contains("unexpected size") {
        return Error::Refused(format!(
            "a file of {package} {version} does not have the digest of the signed index"
        ));
    }
    if text.contains("404  Not Found") {
        let others: Vec<&str> =
            versions.iter().map(String::as_str).filter(|other| *other != version).collect();
        let next = others
            .first()
            .map_or("no other version matches".to_owned(), |next| format!("{next} is listed, too"));
        return Error::unavailable(
            format!(
                "the index lists {package} {version}, but its files are gone from the archive; {next}"
            ),
            "run with --update, take another suite, or use a `url` source",
        );
    }
    error.into()
}

/// An archive of the host: where, signed by what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Archive {
    uri: String,
    suites: Vec<String>,
    signed_by: Option<String>,
}

/// The archives of one sources file, in either format.
fn read_sources(file: &Path) -> Result<Vec<Archive>, Error> {
    let text = fs_err::read_to_string(file)?;
    Ok(if file.extension().is_some_and(|e| e == "sources") { stanzas(&text) } else { lines(&text) })
}

fn host_sources() -> Result<Vec<Archive>, Error> {
    let mut paths = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs_err::read_dir("/etc/apt/sources.list.d") {
        let mut more: Vec<PathBuf> =
            entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        more.sort();
        paths.extend(more);
    }
    let mut archives = Vec::new();
    for path in paths {
        let known = path.extension().is_some_and(|e| e == "sources" || e == "list");
        if known && path.is_file() {
            archives.extend(read_sources(&path)?);
        }
    }
    Ok(archives)
}

fn lines(text: &str) -> Vec<Archive> {
    text.lines()
        .map(str::trim)
        .filter(|line| line.starts_with("deb ") || line.starts_with("deb-src "))
        .filter_map(|line| {
            let (_, rest) = line.split_once(' ')?;
            let rest = rest.trim_start();
            let (options, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
            {
                Some((options, rest)) => (options, rest),
                None => ("", rest),
            };
            let mut words = rest.split_whitespace();
            let uri = words.next()?.to_owned();
            let suites = vec![words.next()?.to_owned()];
            let signed_by = options
                .split_whitespace()
                .find_map(|option| option.strip_prefix("signed-by="))
                .map(str::to_owned);
            Some(Archive { uri, suites, signed_by })
        })
        .collect()
}

fn stanzas(text: &str) -> Vec<Archive> {
    text.split("\n\n")
        .filter_map(|stanza| {
            let field = |name: &str| {
                stanza
                    .lines()
                    .filter(|line| !line.starts_with('#'))
                    .find_map(|line| {
                        line.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'))
                    })
                    .map(|value| value.trim().to_owned())
            };
            let uri = field("URIs")?.split_whitespace().next()?.to_owned();
            let suites = field("Suites")?.split_whitespace().map(str::to_owned).collect();
            let signed_by = field("Signed-By").filter(|value| value.starts_with('/'));
            Some(Archive { uri, suites, signed_by })
        })
        .collect()
}

/// The private sources.list: the host's distribution archive with the suite replaced.
fn sources(kind: &str, suite: &str, host: &[Archive]) -> Result<String, Error> {
    let is_debian = |archive: &&Archive| {
        let path = archive.uri.trim_end_matches('/');
        (path.ends_with("/debian") || path.ends_with("/ubuntu"))
            || archive.signed_by.as_deref().is_some_and(|key| key.contains("debian-archive"))
    };
    let is_security = |archive: &&Archive| {
        archive.uri.contains("security")
            || archive.suites.iter().all(|suite| suite.ends_with("-security"))
    };
    let Some(main) = host.iter().filter(is_debian).find(|archive| !is_security(archive)) else {
        return Err(Error::unavailable(
            "no distribution archive in the host's apt sources",
            "an apt source needs a Debian or Ubuntu host; use a `url` or `path` source elsewhere",
        ));
    };
    let line = |archive: &Archive, suite: &str| {
        let signed =
            archive.signed_by.as_ref().map(|key| format!("[signed-by={key}] ")).unwrap_or_default();
        // Ubuntu keeps half of what a build needs there.
        let universe = archive.uri.trim_end_matches('/').ends_with("/ubuntu") && kind == "deb";
        let more = if universe { " universe" } else { "" };
        format!("{kind} {signed}{} {suite} main{more}\n", archive.uri)
    };
    let mut out = line(main, suite);
    if !ROLLING.contains(&suite)
        && let Some(security) = host.iter().find(is_security)
    {
        out.push_str(&line(security, &format!("{suite}-security")));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_apt_sources_are_read_and_the_suite_is_replaced() {
        let old = lines(
            "# x\ndeb [signed-by=/k.gpg arch=amd64] http://mirror.test/debian bookworm main\n",
        );
        let new = stanzas(
            "Types: deb\n# http://snapshot.test/x\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\n\
             Components: main\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: http://mirror.test/debian-security\n\
             Suites: bookworm-security\nSigned-By: /k.gpg\n",
        );
        assert_eq!(
            sources("deb-src", "trixie", &old).unwrap(),
            "deb-src [signed-by=/k.gpg] http://mirror.test/debian trixie main\n"
        );
        assert!(
            sources("deb-src", "trixie", &new)
                .unwrap()
                .ends_with("/debian-security trixie-security main\n")
        );
        assert_eq!(sources("deb", "sid", &new).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_series_matches_its_own_versions_only() {
        assert!(in_series("1:10.0.13+ds-0+deb13u1", "10.0"));
        assert!(in_series("1:7.2+dfsg-7+deb12u18", "7.2"));
        assert!(!in_series("1:10.02-1", "10.0"));
        assert!(!in_series("1:11.1.2+ds-3", "10.2"));
    }
}
