//! Makes packages out of the staging tree with the standard tools: debhelper and dpkg for `.deb`, rpmbuild for `.rpm`.
//!
//! Shell. Templates are in `packaging/deb` and `packaging/rpm`. Neither tool strips or changes a file: the ELF in every
//! package is the staged one. Library dependencies are computed by `dpkg-shlibdeps` and by rpm's dependency generators
//! from what is packaged; firmware packages come from the plan. Results appear in the output directory by rename.

use std::path::{Path, PathBuf};

use crate::plan::{Invocation, Plan, Provider};
use crate::process;
use crate::profile::Format;
use crate::tool;

const CONTROL: &str = include_str!("../packaging/deb/control");
const RULES: &str = include_str!("../packaging/deb/rules");
const CHANGELOG: &str = include_str!("../packaging/deb/changelog");
const COPYRIGHT: &str = include_str!("../packaging/deb/copyright");
const SPEC: &str = include_str!("../packaging/rpm/package.spec");

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Tool(#[from] tool::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{0} made no package")]
    Nothing(&'static str),
}

impl Error {
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Process(error) => error.hint(),
            Self::Tool(error) => error.hint(),
            _ => None,
        }
    }
}

/// What packaging needs beside the plan.
#[derive(Debug)]
pub struct Job<'a> {
    pub plan: &'a Plan,
    /// The staging tree.
    pub stage: &'a Path,
    /// Private directory that packaging may fill.
    pub scratch: &'a Path,
    pub log: &'a Path,
    /// Where finished packages go.
    pub output: &'a Path,
}

/// Version of the packages: QEMU's without epoch and distribution suffix, then Quench's revision.
pub fn version(plan: &Plan) -> String {
    let upstream =
        plan.source.version.split_once(':').map_or(plan.source.version.as_str(), |(_, rest)| rest);
    let end = upstream.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(upstream.len());
    upstream[..end].to_owned()
}

/// The copyright file of a plan, machine-readable (DEP-5).
pub fn copyright(plan: &Plan) -> String {
    fill(COPYRIGHT, plan)
}

fn fill(template: &str, plan: &Plan) -> String {
    let firmware = |pick: fn(&'static str, &'static str) -> &'static str| {
        let mut packages: Vec<&str> = plan
            .firmware
            .iter()
            .filter_map(|firmware| match firmware.provider {
                Provider::Package { debian, fedora } => Some(pick(debian, fedora)),
                Provider::Built => None,
            })
            .collect();
        packages.sort_unstable();
        packages.dedup();
        packages
    };
    let debian: String = [&[""], firmware(|debian, _| debian).as_slice()].concat().join(", ");
    let fedora: String =
        [&[""], firmware(|_, fedora| fedora).as_slice()].concat().join("\nRequires: ");
    let summary = if plan.summary.is_empty() { "minimal QEMU" } else { &plan.summary };
    [
        ("@NAME@", plan.package.name.as_str()),
        ("@VERSION@", &version(plan)),
        ("@MAINTAINER@", &plan.package.maintainer),
        ("@SUMMARY@", summary),
        ("@PREFIX@", &plan.package.prefix),
        ("@PROFILE@", &plan.name),
        ("@ORIGIN@", &plan.source.origin),
        ("@FIRMWARE_DEB@", &debian),
        ("@FIRMWARE_RPM@", fedora.trim_start()),
        ("@DATE@", &rfc2822(plan.source.date)),
        ("@DEB_ARCH@", deb_arch(plan)),
    ]
    .into_iter()
    .fold(template.to_owned(), |text, (key, value)| text.replace(key, value))
}

fn deb_arch(plan: &Plan) -> &'static str {
    match plan.arch {
        crate::profile::Arch::X86_64 | crate::profile::Arch::Aarch64 => "any",
    }
}

/// Seconds since 1970 as a changelog writes them, in UTC. Civil-from-days after Howard Hinnant's public description.
fn rfc2822(date: i64) -> String {
    let days = date.div_euclid(86_400);
    let seconds = date.rem_euclid(86_400);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let name = |list: &'static str, index: i64| {
        list.split(' ').nth(usize::try_from(index).unwrap_or(0)).unwrap_or("")
    };
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} +0000",
        name("Thu Fri Sat Sun Mon Tue Wed", days.rem_euclid(7)),
        name("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", month - 1),
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Makes the package of one format and returns its path in the output directory.
pub fn make(format: Format, job: &Job<'_>) -> Result<PathBuf, Error> {
    match format {
        Format::Deb => deb(job),
        Format::Rpm => rpm(job),
    }
}

fn isolated(job: &Job<'_>, purpose: &str, program: &str, directory: &Path) -> Invocation {
    Invocation::new(purpose, program, directory.display().to_string())
        .env("PATH", tool::PATH)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("HOME", job.scratch.display().to_string())
        .env("SOURCE_DATE_EPOCH", job.plan.source.date.to_string())
        // Threads change what xz writes.
        .env("DPKG_DEB_THREADS_MAX", "1")
}

fn fresh(directory: &Path) -> Result<(), Error> {
    match fs_err::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    fs_err::create_dir_all(directory)?;
    Ok(())
}

fn deb(job: &Job<'_>) -> Result<PathBuf, Error> {
    let root = job.scratch.join("deb");
    let source = root.join(&job.plan.package.name);
    fresh(&root)?;
    let debian = source.join("debian");
    fs_err::create_dir_all(debian.join("source"))?;
    for (name, template) in
        [("control", CONTROL), ("rules", RULES), ("changelog", CHANGELOG), ("copyright", COPYRIGHT)]
    {
        let path = debian.join(name);
        fs_err::write(&path, fill(template, job.plan))?;
        if name == "rules" {
            use std::os::unix::fs::PermissionsExt;
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        }
    }
    fs_err::write(debian.join("source/format"), "3.0 (native)\n")?;
    let command = isolated(job, "build the .deb", "dpkg-buildpackage", &source)
        .args(["--build=binary", "--no-sign", "--no-check-builddeps", "--jobs=1"])
        .env("QUENCH_STAGE", job.stage.display().to_string())
        .env("DEB_BUILD_OPTIONS", "nostrip noautodbgsym nocheck");
    process::run(&command, Some(job.log), &mut |_| {})?;
    let mut package = None;
    for entry in fs_err::read_dir(&root)? {
        let path = entry?.path();
        let extension =
            path.extension().and_then(|extension| extension.to_str()).unwrap_or("").to_owned();
        if matches!(extension.as_str(), "deb" | "buildinfo" | "changes") {
            let placed = place(&path, job.output)?;
            if extension == "deb" {
                package = Some(placed);
            }
        }
    }
    package.ok_or(Error::Nothing("dpkg-buildpackage"))
}

fn rpm(job: &Job<'_>) -> Result<PathBuf, Error> {
    let root = job.scratch.join("rpm");
    fresh(&root)?;
    let spec = root.join("package.spec");
    fs_err::write(&spec, fill(SPEC, job.plan))?;
    let at = root.display();
    let mut command = isolated(job, "build the .rpm", "rpmbuild", &root).args(["-bb", "--nodeps"]);
    for define in [
        format!("_topdir {at}"),
        format!("_dbpath {at}/db"),
        format!("_tmppath {at}/tmp"),
        format!("_rpmdir {at}/out"),
        format!("quench_stage {}", job.stage.display()),
        "_buildhost reproducible".to_owned(),
        "use_source_date_epoch_as_buildtime 1".to_owned(),
        "clamp_mtime_to_source_date_epoch 1".to_owned(),
        "build_mtime_policy clamp_to_source_date_epoch".to_owned(),
        "_build_id_links none".to_owned(),
        "_binary_payload w19.zstdio".to_owned(),
        "__os_install_post %{nil}".to_owned(),
        "debug_package %{nil}".to_owned(),
    ] {
        command = command.arg("--define").arg(define);
    }
    fs_err::create_dir_all(root.join("tmp"))?;
    process::run(&command.arg(spec.display().to_string()), Some(job.log), &mut |_| {})?;
    let mut found = Vec::new();
    collect(&root.join("out"), &mut found)?;
    match found.first() {
        Some(path) => place(path, job.output),
        None => Err(Error::Nothing("rpmbuild")),
    }
}

fn collect(directory: &Path, out: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in fs_err::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, out)?;
        } else if path.extension().is_some_and(|extension| extension == "rpm") {
            out.push(path);
        }
    }
    Ok(())
}

/// Puts a whole file into the output directory: written beside its name, then renamed.
pub fn place(from: &Path, output: &Path) -> Result<PathBuf, Error> {
    let name = from.file_name().unwrap_or_default();
    let target = output.join(name);
    let part = output.join(format!(".{}.part", name.to_string_lossy()));
    let copied = fs_err::copy(from, &part).and_then(|_| fs_err::rename(&part, &target));
    if copied.is_err() {
        let _ = fs_err::remove_file(&part);
    }
    copied?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::rfc2822;

    #[test]
    fn dates_are_written_as_changelogs_do() {
        assert_eq!(rfc2822(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(rfc2822(1_709_164_800), "Thu, 29 Feb 2024 00:00:00 +0000");
        assert_eq!(rfc2822(1_785_590_625), "Sat, 01 Aug 2026 13:23:45 +0000");
    }
}
