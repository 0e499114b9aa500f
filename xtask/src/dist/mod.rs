//! Quench's own packages: `.deb` and `.rpm` with manual pages, completions, licences, SBOM, and what quench's own verifier
//! says of them. All of it stands in `dist/` of the target directory when it is whole and good, and nothing otherwise.
//!
//! The program is compiled apart from everyday's release build: no path of this machine in it, C code hardened.

mod licences;
mod package;
mod sbom;
mod stage;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{self, Workspace};
use crate::{needs, sh};

/// What makes and judges packages.
const NEEDS: &[&str] = &["binutils", "debhelper", "dpkg-dev", "gcc", "git", "libc6-dev", "rpm"];
const POLICY: &str = "packaging/quench/policy.toml";
/// For the C parts (zstd, liblzma), which `cc` compiles: what Debian's own flags are.
const CFLAGS: &str =
    "-fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2 -fcf-protection -g0";

/// What all parts of a release say of it.
struct Release {
    version: String,
    /// Full hash of the commit.
    commit: String,
    /// Seconds since 1970: the commit's, or `SOURCE_DATE_EPOCH`.
    date: u64,
}

/// `dist [--again]`, `dist --check PROGRAM`; with `--again` all is compiled and packed a second time, and the bytes must be
/// the same.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    if let [option, program] = arguments
        && option == "--check"
    {
        return check(&workspace::given(program));
    }
    needs::install(NEEDS)?;
    let workspace = Workspace::find()?;
    let release = release()?;
    let work = workspace.target.join("dist-work");
    let out = make(&workspace, &release, &work)?;
    if arguments.iter().any(|word| word == "--again") {
        let second = make(&workspace, &release, &workspace.target.join("dist-again"))?;
        same(&out, &second)?;
    }
    let place = workspace.target.join("dist");
    replace(&out, &place)?;
    sh("cat", &[&place.join("SHA256SUMS").display().to_string()], &[])?;
    println!("{}", place.display());
    Ok(())
}

/// Packages of a program that is there already: the suite checks what is around it without a release build.
pub(crate) fn check(program: &Path) -> Result<(), String> {
    needs::install(NEEDS)?;
    let workspace = Workspace::find()?;
    let release = release()?;
    let work = workspace.target.join("dist-check");
    fresh(&work)?;
    let stripped = work.join("quench");
    strip(program, &stripped)?;
    let packages = packages(&release, &stripped, &work, &work.join("out"))?;
    package::judge(&packages)
}

/// Compiles, packs and judges below `work`; the directory of what is to be given away.
fn make(workspace: &Workspace, release: &Release, work: &Path) -> Result<PathBuf, String> {
    let built = compile(workspace, &work.join("build"))?;
    let out = work.join("out");
    let program = work.join("quench");
    strip(&built, &program)?;
    let packages = packages(release, &program, work, &out)?;
    package::judge(&packages)?;
    verdict(&program, &packages, &out)?;
    sums(&out)?;
    Ok(out)
}

/// Stages what is around the program and packs it; the packages lie in `out`.
fn packages(
    release: &Release,
    program: &Path,
    work: &Path,
    out: &Path,
) -> Result<Vec<PathBuf>, String> {
    fresh(out)?;
    let metadata = workspace::resolved()?;
    let bom = sbom::document(&metadata, release)?;
    let bom = serde_json::to_string_pretty(&bom).map_err(|error| error.to_string())? + "\n";
    write(&out.join(format!("quench-{}.cdx.json", release.version)), &bom)?;
    let stage = work.join("stage");
    fresh(&stage)?;
    stage::fill(&stage, program, &metadata, &bom)?;
    package::make(release, &stage, work, out)
}

/// The release build of a package: the same bytes whoever builds where.
fn compile(workspace: &Workspace, target: &Path) -> Result<PathBuf, String> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let home = home.ok_or("neither CARGO_HOME nor HOME is set")?;
    let maps =
        [(workspace.root.as_path(), "/quench"), (target, "/target"), (home.as_path(), "/cargo")];
    let rust: Vec<String> = maps
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
        .chain(["-Clink-arg=-Wl,--build-id=sha1,-z,separate-code".to_owned()])
        .collect();
    let c: Vec<String> = maps
        .iter()
        .map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()))
        .collect();
    let c = format!("{CFLAGS} {}", c.join(" "));
    let directory = target.display().to_string();
    sh(
        "cargo",
        &["build", "--release", "--locked", "--bin", "quench", "--target-dir", &directory],
        // A unit separator, so that paths may have blanks.
        &[("CARGO_ENCODED_RUSTFLAGS", &rust.join("\u{1f}")), ("CFLAGS", &c)],
    )?;
    Ok(target.join("release/quench"))
}

fn strip(program: &Path, to: &Path) -> Result<(), String> {
    let (program, to) = (program.display().to_string(), to.display().to_string());
    sh("strip", &["--strip-unneeded", "-R", ".comment", "-o", &to, &program], &[])
}

/// What the program says of its own packages, kept beside them; an error when the policy is not met.
fn verdict(program: &Path, packages: &[PathBuf], out: &Path) -> Result<(), String> {
    let json = format!("json={}", out.join("quench.verdict.json").display());
    let program = program.display().to_string();
    let mut words = vec!["verify", "--policy", POLICY, "--write", &json];
    let packages: Vec<String> = packages.iter().map(|it| it.display().to_string()).collect();
    words.extend(packages.iter().map(String::as_str));
    sh(&program, &words, &[])
}

fn sums(out: &Path) -> Result<(), String> {
    let mut names = names(out)?;
    names.sort();
    let output = Command::new("sha256sum")
        .args(&names)
        .current_dir(out)
        .output()
        .map_err(|error| format!("sha256sum: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    write(&out.join("SHA256SUMS"), &String::from_utf8_lossy(&output.stdout))
}

/// Two runs gave the same files; what differs is named.
fn same(one: &Path, other: &Path) -> Result<(), String> {
    let read = |directory: &Path| {
        let path = directory.join("SHA256SUMS");
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let (one, other) = (read(one)?, read(other)?);
    let differ: Vec<&str> =
        one.lines().filter(|line| !other.lines().any(|it| it == *line)).collect();
    if differ.is_empty() && one.lines().count() == other.lines().count() {
        println!("a second build gave the same bytes");
        return Ok(());
    }
    Err(format!("a second build gave other bytes:\n  {}", differ.join("\n  ")))
}

/// Puts a directory in the place of another one.
fn replace(from: &Path, to: &Path) -> Result<(), String> {
    let old = to.with_extension("old");
    let _ = std::fs::remove_dir_all(&old);
    if to.exists() {
        std::fs::rename(to, &old).map_err(|error| format!("{}: {error}", to.display()))?;
    }
    std::fs::rename(from, to).map_err(|error| format!("{}: {error}", to.display()))?;
    let _ = std::fs::remove_dir_all(&old);
    Ok(())
}

fn release() -> Result<Release, String> {
    let metadata = workspace::resolved()?;
    let version = workspace::quench(&metadata)?.version.to_string();
    let git = |words: &[&str]| {
        let output =
            Command::new("git").args(words).output().map_err(|error| format!("git: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(format!("git {} failed", words.join(" ")))
        }
    };
    let date = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(date) => date,
        Err(_) => git(&["log", "-1", "--format=%ct"])?,
    };
    let date = date.parse().map_err(|error| format!("SOURCE_DATE_EPOCH `{date}`: {error}"))?;
    Ok(Release { version, commit: git(&["rev-parse", "HEAD"])?, date })
}

/// An empty directory.
fn fresh(directory: &Path) -> Result<(), String> {
    let _ = std::fs::remove_dir_all(directory);
    std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|error| format!("{}: {error}", parent.display()))?;
    }
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn read(path: impl AsRef<Path>) -> Result<String, String> {
    let path = path.as_ref();
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Names of what lies in a directory.
fn names(directory: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// Standard output of a program that must succeed.
fn output(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{}: {}", program.display(), String::from_utf8_lossy(&output.stderr)))
}
