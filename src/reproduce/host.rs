//! Whether this host is the recorded one: programs by digest, packages by version.

use crate::build_deps;
use crate::host::Packages;
use crate::record::Record;
use crate::terminal::Terminal;
use crate::tool;

/// Lists this long say how many more there are.
const MAX_LISTED: usize = 20;

/// Says what does not match; true when everything does.
pub(super) fn report(record: &Record, terminal: &Terminal) -> bool {
    if let Some(root) = &record.root {
        let text = format!(
            "a closed root of {}: {} packages, each by sha256",
            root.suite,
            root.packages.len()
        );
        terminal.status("Matches", &text);
        return true;
    }
    let mut lines = Vec::new();
    // The private meson is pinned by Quench itself; it is on no PATH.
    let tools = record.tools.iter().filter(|tool| tool.name != build_deps::PRIVATE_MESON);
    for recorded in tools {
        match tool::find(&recorded.name) {
            Ok(found) if found.sha256 == recorded.sha256 => {}
            Ok(found) => lines.push(format!(
                "tool {}: recorded `{}`, here `{}`",
                recorded.name, recorded.version, found.version
            )),
            Err(_) => lines.push(format!("tool {}: recorded, not here", recorded.name)),
        }
    }
    let packages = Packages::read();
    let mut other = Vec::new();
    for recorded in &record.build_dependencies {
        match packages.get(&recorded.name) {
            Some(here) if here.version == recorded.version => {}
            Some(here) => {
                lines.push(format!(
                    "package {}: {} -> {}",
                    recorded.name, recorded.version, here.version
                ));
                other.push(recorded);
            }
            None => {
                lines.push(format!("package {} {}: not here", recorded.name, recorded.version));
                other.push(recorded);
            }
        }
    }
    let here = crate::host::host();
    if here != record.host {
        lines.push(format!(
            "host: recorded {} {} {}, here {} {} {}",
            record.host.distribution,
            record.host.version,
            record.host.architecture,
            here.distribution,
            here.version,
            here.architecture
        ));
    }
    if lines.is_empty() {
        terminal.status(
            "Matches",
            &format!(
                "{} programs by digest and {} packages by version are the recorded ones",
                record.tools.len(),
                record.build_dependencies.len()
            ),
        );
        return true;
    }
    for line in lines.iter().take(MAX_LISTED) {
        terminal.warn(line);
    }
    if MAX_LISTED < lines.len() {
        terminal.warn(&format!("{} more differences of the host", lines.len() - MAX_LISTED));
    }
    if !other.is_empty() {
        terminal.status("Root", &root_command(record));
    }
    false
}

/// A root with exactly the recorded versions, while the archive still has them.
fn root_command(record: &Record) -> String {
    let pins: Vec<String> = record
        .build_dependencies
        .iter()
        .map(|package| format!("{}={}", package.name, package.version))
        .collect();
    format!(
        "a root with the recorded versions, while the archive has them: mmdebstrap --variant=apt --include={} SUITE ROOT",
        pins.join(",")
    )
}
