//! Installs what a plan lacks: asks before it uses sudo, and says how to do it by hand.

use std::io::IsTerminal;

use super::Planned;
use crate::build_deps;
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;

/// What fetching and planning need, before there is a plan; for a closed root, what makes it.
pub fn bootstrap(root: bool, yes: bool, terminal: &Terminal) -> Result<(), Failure> {
    let mut wanted = vec![("dpkg-source", "dpkg-dev"), ("patch", "patch"), ("xz", "xz-utils")];
    if root {
        wanted.extend([("mmdebstrap", "mmdebstrap"), ("bwrap", "bubblewrap")]);
        // For user namespaces of people who are not root.
        wanted.push(("newuidmap", "uidmap"));
    } else {
        wanted.extend([("gcc", "gcc"), ("ld", "binutils")]);
    }
    let mut packages: Vec<String> = wanted
        .iter()
        .filter(|(program, _)| crate::tool::path(program).is_err())
        .map(|(_, package)| (*package).to_owned())
        .collect();
    if root && !build_deps::has_ensurepip() {
        packages.push("python3-venv".to_owned());
    }
    if !root && !std::path::Path::new("/usr/include/stdio.h").exists() {
        packages.push("libc6-dev".to_owned());
    }
    if packages.is_empty() { Ok(()) } else { install_packages(&packages, yes, terminal) }
}

/// Installs what a plan lacks, and the private meson.
pub fn install(
    planned: &Planned,
    yes: bool,
    offline: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let missing = build_deps::missing(&planned.plan)?;
    let mut packages: Vec<String> =
        missing.into_iter().map(|dependency| dependency.debian).collect();
    packages.sort();
    packages.dedup();
    if !packages.is_empty() {
        install_packages(&packages, yes, terminal)?;
    }
    build_deps::ensure_meson(&planned.work, &planned.prepared.directory, offline)?;
    Ok(())
}

fn install_packages(packages: &[String], yes: bool, terminal: &Terminal) -> Result<(), Failure> {
    let list = packages.join(" ");
    if !yes && !rustix::process::geteuid().is_root() {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::new(
                Exit::Machine,
                format!("cannot ask before using sudo to install {list}"),
            )
            .with_hint(Some("add --yes, or install them yourself".to_owned())));
        }
        if !terminal.confirm(&format!("sudo apt-get install {list} — go on? [y/N]")) {
            return Err(Failure::new(Exit::Machine, "not installed"));
        }
    }
    terminal.status("Installing", &list);
    Ok(build_deps::install(packages)?)
}

/// Exit 4 with the command that helps.
pub fn lacking(missing: &[build_deps::Dependency]) -> Failure {
    let names = |pick: fn(&build_deps::Dependency) -> &str| {
        let mut names: Vec<&str> = missing.iter().map(pick).collect();
        names.sort_unstable();
        names.dedup();
        names.join(" ")
    };
    let debian = names(|dependency| &dependency.debian);
    let fedora = names(|dependency| &dependency.fedora);
    Failure::new(
        Exit::Machine,
        format!("this plan needs packages that are not installed: {debian}"),
    )
    .with_hint(Some(format!(
        "quench deps PROFILE --install\n  or: apt-get install {debian}\n  or: dnf install {fedora}"
    )))
}
