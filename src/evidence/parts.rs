//! What a build is made of, read out of its record once for both SBOM formats and the provenance. Pure.

use packageurl::PackageUrl;
use sha2::{Digest, Sha256};

use crate::record::{Host, Installed, Record, SourceKind};
use crate::wire::plan::{Firmware, Provider};

/// A sha256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// QEMU's version without the distribution's epoch and suffix.
pub(super) fn upstream_version(record: &Record) -> String {
    let version = record.plan.source.version.as_str();
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    version[..end].to_owned()
}

/// A package URL; `None` for names the format refuses.
fn purl(
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    version: &str,
    qualifiers: &[(&str, &str)],
) -> Option<String> {
    let mut url = PackageUrl::new(kind.to_owned(), name.to_owned()).ok()?;
    if let Some(namespace) = namespace {
        url.with_namespace(namespace.to_owned()).ok()?;
    }
    if !version.is_empty() {
        url.with_version(version.to_owned()).ok()?;
    }
    for (key, value) in qualifiers.iter().filter(|(_, value)| !value.is_empty()) {
        url.add_qualifier((*key).to_owned(), (*value).to_owned()).ok()?;
    }
    Some(url.to_string())
}

/// An installed package of the build host.
pub(super) fn package_purl(host: &Host, package: &Installed) -> Option<String> {
    // Only dpkg's packages are recorded.
    let distro = format!("{}-{}", host.distribution, host.version);
    let arch = package.architecture.as_str();
    purl(
        "deb",
        Some(&host.distribution),
        &package.name,
        &package.version,
        &[("arch", arch), ("distro", distro.trim_matches('-'))],
    )
}

/// The source the build started from.
pub(super) fn source_purl(record: &Record) -> Option<String> {
    let version = record.plan.source.version.as_str();
    match (record.source.kind, &record.source.package, &record.source.url) {
        (SourceKind::Apt, Some(package), _) => {
            let suite = record.source.suite.as_deref().unwrap_or_default();
            purl("deb", Some("debian"), package, version, &[("arch", "source"), ("distro", suite)])
        }
        (SourceKind::Url, _, Some(url)) => {
            let sum = record.plan.source.files.first();
            let sum = sum.map(|file| format!("sha256:{}", file.sha256)).unwrap_or_default();
            let qualifiers = [("checksum", sum.as_str()), ("download_url", url.as_str())];
            purl("generic", None, "qemu", version, &qualifiers)
        }
        _ => purl("generic", None, "qemu", version, &[]),
    }
}

/// The package that is built.
pub(super) fn product_purl(record: &Record) -> Option<String> {
    purl("generic", Some("quench"), &product(record), &upstream_version(record), &[])
}

/// Name of the built package: what its files are called, without version and ending.
pub(super) fn product(record: &Record) -> String {
    let documents = record.files.iter().find_map(|file| {
        file.path.strip_prefix("/usr/share/doc/")?.split_once('/').map(|(name, _)| name)
    });
    documents.unwrap_or(&record.name).to_owned()
}

/// A part of the SBOMs: a package, source or patch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Unique in the document, stable between builds.
    pub(super) id: String,
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) purl: Option<String>,
    pub(super) sha256: Option<String>,
    /// SPDX expression; empty where we do not know.
    pub(super) licence: &'static str,
    pub(super) description: String,
}

/// The patches applied to the source, for documents that know patches as packages only.
pub(super) fn patches(record: &Record) -> impl Iterator<Item = Part> {
    record.patches.iter().map(|patch| Part {
        id: format!("patch:{}", patch.name),
        name: patch.name.clone(),
        sha256: Some(patch.sha256.clone()),
        licence: "GPL-2.0-or-later",
        description: "patch applied to the source".to_owned(),
        ..Part::default()
    })
}

/// The fetched source files, for documents that know files as packages only.
pub(super) fn source_archives(record: &Record) -> impl Iterator<Item = Part> {
    record.plan.source.files.iter().map(|file| Part {
        id: format!("source-file:{}", file.name),
        name: file.name.clone(),
        sha256: Some(file.sha256.clone()),
        description: "source archive as it was fetched".to_owned(),
        ..Part::default()
    })
}

/// The relation of a part to the product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// QEMU's source.
    #[default]
    Source,
    /// A library the emulator names.
    Library,
    /// Firmware that is in the package.
    FirmwareInside,
    /// Firmware the package needs from the distribution.
    FirmwareNeeded,
    /// A program of the toolchain.
    Tool,
    /// A file of the package.
    File,
}

/// Every part but the product itself, in a fixed order.
pub(super) fn parts(record: &Record) -> Vec<Part> {
    let mut out = vec![Part {
        id: "source:qemu".to_owned(),
        role: Role::Source,
        name: "qemu".to_owned(),
        version: record.plan.source.version.clone(),
        purl: source_purl(record),
        sha256: None,
        licence: "GPL-2.0-only",
        description: record.plan.source.origin.clone(),
    }];
    out.extend(record.libraries.iter().map(|library| {
        let package = library.package.as_ref();
        Part {
            id: format!("library:{}", library.soname),
            role: Role::Library,
            name: package.map_or(&library.soname, |package| &package.name).clone(),
            version: package.map(|package| package.version.clone()).unwrap_or_default(),
            purl: package.and_then(|package| package_purl(&record.host, package)),
            description: format!("shared library {}, linked dynamically", library.soname),
            ..Part::default()
        }
    }));
    out.extend(record.plan.firmware.iter().map(|firmware| firmware_part(record, firmware)));
    out.extend(record.tools.iter().map(|tool| Part {
        id: format!("tool:{}", tool.name),
        role: Role::Tool,
        name: tool.name.clone(),
        version: tool.version.clone(),
        purl: tool.package.as_ref().and_then(|package| package_purl(&record.host, package)),
        sha256: Some(tool.sha256.clone()).filter(|sha256| sha256.len() == 64),
        licence: "",
        description: "program of the build, not in the package".to_owned(),
    }));
    out.extend(record.files.iter().map(|file| Part {
        id: format!("file:{}", file.path),
        role: Role::File,
        name: file.path.clone(),
        sha256: Some(file.sha256.clone()),
        ..Part::default()
    }));
    out
}

fn firmware_part(record: &Record, firmware: &Firmware) -> Part {
    let file = firmware.file.as_str();
    let part = Part { id: format!("firmware:{file}"), name: file.to_owned(), ..Part::default() };
    match &firmware.provider {
        Provider::Built => {
            let mut staged = record.files.iter();
            let staged = staged.find(|staged| staged.path.rsplit('/').next() == Some(file));
            Part {
                role: Role::FirmwareInside,
                version: upstream_version(record),
                sha256: staged.map(|staged| staged.sha256.clone()),
                licence: "GPL-2.0-or-later",
                description: "option ROM, built from pc-bios/optionrom of the same source"
                    .to_owned(),
                ..part
            }
        }
        Provider::Package(names) => Part {
            role: Role::FirmwareNeeded,
            description: format!(
                "prebuilt firmware of the distribution: {} (Debian), {} (Fedora); not built here",
                names.debian.as_deref().unwrap_or("?"),
                names.fedora.as_deref().unwrap_or("?")
            ),
            ..part
        },
    }
}
