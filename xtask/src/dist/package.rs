//! `.deb` with debhelper, `.rpm` with rpmbuild, of one staged tree; what lintian and rpmlint say of them.

use std::path::{Path, PathBuf};

use super::{Release, fresh, names, read, write};
use crate::{needs, sh};

const TEMPLATES: &str = "packaging/quench";
/// As the packages quench makes of QEMU: a host that can never exist (RFC 2606).
const MAINTAINER: &str = "Quench <nobody@quench.invalid>";

/// Makes both and leaves them in `out`.
pub(super) fn make(
    release: &Release,
    stage: &Path,
    work: &Path,
    out: &Path,
) -> Result<Vec<PathBuf>, String> {
    let deb = deb(release, stage, &work.join("deb"))?;
    let rpm = rpm(release, stage, &work.join("rpm"))?;
    [deb, rpm].into_iter().map(|path| moved(&path, out)).collect()
}

fn moved(path: &Path, out: &Path) -> Result<PathBuf, String> {
    let to = out.join(path.file_name().unwrap_or_default());
    std::fs::rename(path, &to).map_err(|error| format!("{}: {error}", to.display()))?;
    Ok(to)
}

/// A template of `packaging/quench` with its `@NAME@`s filled in.
fn filled(name: &str, release: &Release, stage: &Path) -> Result<String, String> {
    let date = |format: &str| {
        let at = format!("@{}", release.date);
        let program = Path::new("env");
        let words = ["LC_ALL=C", "date", "-u", "-d", &at, format];
        super::output(program, &words).map(|text| text.trim().to_owned())
    };
    Ok(read(Path::new(TEMPLATES).join(name))?
        .replace("@VERSION@", &release.version)
        .replace("@MAINTAINER@", MAINTAINER)
        .replace("@STAGE@", &stage.display().to_string())
        .replace("@RFC_DATE@", &date("+%a, %d %b %Y %H:%M:%S +0000")?)
        .replace("@RPM_DATE@", &date("+%a %b %d %Y")?))
}

fn deb(release: &Release, stage: &Path, work: &Path) -> Result<PathBuf, String> {
    fresh(work)?;
    let source = work.join("quench");
    for name in ["changelog", "control", "rules"] {
        let text = filled(&format!("debian/{name}"), release, stage)?;
        write(&source.join("debian").join(name), &text)?;
    }
    let rules = source.join("debian/rules").display().to_string();
    sh("chmod", &["755", &rules], &[])?;
    let (directory, epoch) = (source.display().to_string(), release.date.to_string());
    let build = ["--build=binary", "--no-sign", "--no-check-builddeps", "--jobs=1"];
    let environment = [
        ("SOURCE_DATE_EPOCH", epoch.as_str()),
        ("DEB_BUILD_OPTIONS", "nostrip noautodbgsym nocheck"),
    ];
    sh("env", &[&["-C", &directory, "dpkg-buildpackage"][..], &build].concat(), &environment)?;
    one(work, ".deb")
}

fn rpm(release: &Release, stage: &Path, work: &Path) -> Result<PathBuf, String> {
    fresh(&work.join("tmp"))?;
    let spec = work.join("quench.spec");
    write(&spec, &filled("quench.spec", release, stage)?)?;
    let at = work.display();
    let defines = [
        format!("_topdir {at}"),
        format!("_dbpath {at}/db"),
        format!("_tmppath {at}/tmp"),
        format!("_rpmdir {at}"),
        "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm".to_owned(),
        "_buildhost reproducible".to_owned(),
        "use_source_date_epoch_as_buildtime 1".to_owned(),
        "clamp_mtime_to_source_date_epoch 1".to_owned(),
        "build_mtime_policy clamp_to_source_date_epoch".to_owned(),
        "_build_id_links none".to_owned(),
        "_binary_payload w19T0.zstdio".to_owned(),
        "__os_install_post %{nil}".to_owned(),
        "debug_package %{nil}".to_owned(),
    ];
    let mut words = vec!["-bb", "--nodeps"];
    for define in &defines {
        words.extend(["--define", define]);
    }
    let spec = spec.display().to_string();
    words.push(&spec);
    sh("rpmbuild", &words, &[("SOURCE_DATE_EPOCH", &release.date.to_string())])?;
    one(work, ".rpm")
}

/// The one file in a directory that ends so.
fn one(directory: &Path, end: &str) -> Result<PathBuf, String> {
    let found: Vec<String> =
        names(directory)?.into_iter().filter(|name| name.ends_with(end)).collect();
    match found.as_slice() {
        [name] => Ok(directory.join(name)),
        _ => Err(format!("{}: {} files {end}", directory.display(), found.len())),
    }
}

/// Lintian and rpmlint find nothing, but for what the overrides beside the templates give a reason for.
pub(super) fn judge(packages: &[PathBuf]) -> Result<(), String> {
    needs::install(&["lintian", "rpmlint"])?;
    let path = |end: &str| {
        let found = packages.iter().find(|path| path.display().to_string().ends_with(end));
        found.map(|path| path.display().to_string()).ok_or_else(|| format!("no {end}"))
    };
    sh("lintian", &["--allow-root", "--fail-on", "error,warning", &path(".deb")?], &[])?;
    let config = format!("{TEMPLATES}/rpmlint.toml");
    let words = ["--config", config.as_str(), &path(".rpm")?];
    println!("$ rpmlint {}", words.join(" "));
    let text = std::process::Command::new("rpmlint")
        .args(words)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .map_err(|error| format!("rpmlint: {error}"))?;
    if text.contains("0 errors, 0 warnings") { Ok(()) } else { Err(text) }
}
