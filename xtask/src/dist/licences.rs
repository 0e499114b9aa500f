//! Licences of quench and of the crates that are inside the program. Most of them ask that their notice goes along with
//! every copy, and a linked program is one.

use std::collections::BTreeMap;

use cargo_metadata::{Metadata, Package};

use super::{read, sbom};

/// How a file with a notice begins.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"];
/// The text of the Apache licence stands in every distribution; what begins like it is not repeated for each crate.
const APACHE: &str = "Apache License";

/// Debian's machine-readable copyright file; the .rpm has it, too.
pub(super) fn copyright(metadata: &Metadata) -> Result<String, String> {
    let mut out = read("packaging/quench/debian/copyright")?;
    for package in sbom::inside(metadata)? {
        let licence = sbom::licence(package).unwrap_or_else(|| "unknown".to_owned());
        out.push_str(&format!("\n {} {}: {licence}", package.name, package.version));
    }
    out.push('\n');
    Ok(out)
}

/// Every different notice of the crates inside, under the names of those that have it.
pub(super) fn notices(metadata: &Metadata) -> Result<String, String> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in sbom::inside(metadata)? {
        for text in notices_of(package)? {
            texts.entry(text).or_default().push(format!("{} {}", package.name, package.version));
        }
    }
    let mut parts: Vec<(Vec<String>, String)> =
        texts.into_iter().map(|(text, crates)| (crates, text)).collect();
    parts.sort();
    let rule = "-".repeat(80);
    let parts = parts.iter().map(|(crates, text)| {
        format!("{rule}\n{}\n{rule}\n\n{}\n", crates.join(", "), text.trim_end())
    });
    Ok(parts.collect::<Vec<_>>().join("\n"))
}

fn notices_of(package: &Package) -> Result<Vec<String>, String> {
    let directory = package.manifest_path.parent().ok_or("a manifest without a directory")?;
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .map_err(|error| format!("{directory}: {error}"))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
            path.is_file() && NAMES.iter().any(|start| name.starts_with(start))
        })
        .collect();
    paths.sort();
    let texts = paths.iter().map(read).collect::<Result<Vec<String>, String>>()?;
    Ok(texts.into_iter().filter(|text| !text.trim_start().starts_with(APACHE)).collect())
}
