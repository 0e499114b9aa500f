//! The SBOM of quench as CycloneDX 1.6: every crate that is inside the program and what depends on what, from cargo's own
//! resolution; digests from `Cargo.lock`.
//!
//! Source: cyclonedx.org, `bom-1.6.schema.json` (a test validates against it). Serial number and time stamp come from the
//! commit, so the same commit gives the same document.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};
use serde_json::{Value, json};

use super::{Release, read};
use crate::workspace;

/// Crates whose code is in the program: normal dependencies, without procedural macros and what only those need.
pub(super) fn inside(metadata: &Metadata) -> Result<Vec<&Package>, String> {
    let linked = linked()?;
    let own = workspace::quench(metadata)?;
    let is_linked = |package: &&Package| {
        let key = (package.name.to_string(), package.version.to_string());
        package.id != own.id && linked.contains(&key)
    };
    let mut packages: Vec<&Package> = metadata.packages.iter().filter(is_linked).collect();
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    if packages.is_empty() { Err("quench has no dependency".to_owned()) } else { Ok(packages) }
}

/// Name and version of each. `cargo metadata` joins the features of tests with those of the program and so lists crates
/// that only tests bring; `cargo tree` resolves as a build does.
fn linked() -> Result<BTreeSet<(String, String)>, String> {
    let words = ["tree", "--locked", "--package", "quench", "--edges", "normal,no-proc-macro"];
    let form = ["--prefix", "none", "--format", "{p}"];
    let text = super::output(Path::new("cargo"), &[&words[..], &form].concat())?;
    let pair = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        Some((name.to_owned(), rest.split(' ').next()?.to_owned()))
    };
    Ok(text.lines().filter_map(pair).collect())
}

/// A crate's licence as an SPDX expression; old manifests write `/` for `OR`.
pub(super) fn licence(package: &Package) -> Option<String> {
    package.license.as_ref().map(|text| {
        let parts: Vec<&str> = text.split('/').map(str::trim).collect();
        parts.join(" OR ")
    })
}

/// The document.
pub(super) fn document(metadata: &Metadata, release: &Release) -> Result<Value, String> {
    let own = workspace::quench(metadata)?;
    let inside = inside(metadata)?;
    let digests = digests(&read("Cargo.lock")?);
    let reference = |package: &Package| format!("pkg:cargo/{}@{}", package.name, package.version);
    let components: Vec<Value> =
        inside.iter().map(|package| component(package, &digests)).collect();
    let edges = edges(metadata);
    let dependencies: Vec<Value> = std::iter::once(&own)
        .chain(&inside)
        .map(|package| {
            let on = edges.get(&package.id);
            let on: BTreeSet<String> = inside
                .iter()
                .filter(|other| on.is_some_and(|on| on.contains(&other.id)))
                .map(|other| reference(other))
                .collect();
            json!({ "ref": reference(package), "dependsOn": on })
        })
        .collect();
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial(&release.commit)?,
        "version": 1,
        "metadata": {
            "timestamp": timestamp(release.date)?,
            "lifecycles": [{ "phase": "build" }],
            "component": {
                "type": "application",
                "bom-ref": reference(own),
                "name": own.name,
                "version": release.version,
                "description": own.description,
                "licenses": [{ "expression": licence(own).ok_or("quench states no licence")? }],
                "properties": [{ "name": "quench:commit", "value": release.commit }],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn component(package: &Package, digests: &BTreeMap<(String, String), String>) -> Value {
    let purl = format!("pkg:cargo/{}@{}", package.name, package.version);
    let mut out = json!({
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version.to_string(),
        "scope": "required",
        "purl": purl,
    });
    if let Some(licence) = licence(package) {
        out["licenses"] = json!([{ "expression": licence }]);
    }
    let key = (package.name.to_string(), package.version.to_string());
    if let Some(digest) = digests.get(&key) {
        out["hashes"] = json!([{ "alg": "SHA-256", "content": digest }]);
    }
    if let Some(repository) = &package.repository {
        out["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    out
}

/// From each crate to those it links: build dependencies and procedural macros run while compiling and are not inside.
fn edges(metadata: &Metadata) -> BTreeMap<&PackageId, BTreeSet<&PackageId>> {
    let macros: BTreeSet<&PackageId> = metadata
        .packages
        .iter()
        .filter(|package| package.targets.iter().any(cargo_metadata::Target::is_proc_macro))
        .map(|package| &package.id)
        .collect();
    let nodes = metadata.resolve.as_ref().map_or(&[][..], |resolve| &resolve.nodes);
    nodes
        .iter()
        .map(|node| {
            let linked = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|info| info.kind == DependencyKind::Normal)
                    && !macros.contains(&dependency.pkg)
            });
            (&node.id, linked.map(|dependency| &dependency.pkg).collect())
        })
        .collect()
}

/// SHA-256 of each crate's archive by name and version, as the lock file has them.
fn digests(lock: &str) -> BTreeMap<(String, String), String> {
    let mut out = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")))?;
            Some(line.trim_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(sum)) =
            (field("name"), field("version"), field("checksum"))
        {
            out.insert((name, version), sum);
        }
    }
    out
}

/// A version 8 UUID (RFC 9562) of the commit's first bytes.
fn serial(commit: &str) -> Result<String, String> {
    let hex: Vec<char> = commit.chars().filter(char::is_ascii_hexdigit).take(32).collect();
    if hex.len() < 32 {
        return Err(format!("`{commit}` is no commit"));
    }
    let part = |from: usize, to: usize| hex[from..to].iter().collect::<String>();
    let text = [
        part(0, 8),
        part(8, 12),
        format!("8{}", part(13, 16)),
        format!("8{}", part(17, 20)),
        part(20, 32),
    ];
    Ok(format!("urn:uuid:{}", text.join("-")))
}

/// A time as RFC 3339 has it, in UTC; `date` knows calendars.
fn timestamp(seconds: u64) -> Result<String, String> {
    let at = format!("@{seconds}");
    let words = ["-u", "-d", &at, "+%Y-%m-%dT%H:%M:%SZ"];
    super::output(Path::new("date"), &words).map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Release, document};
    use crate::workspace::{self, Workspace};

    fn faults(document: &Value) -> Result<Vec<String>, String> {
        let root = Workspace::find()?.root;
        let schema = |name: &str| -> Result<Value, String> {
            let path = root.join("tests/data/schemas").join(name);
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
            serde_json::from_str(&text).map_err(|error| error.to_string())
        };
        let named = [
            ("http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json", "cyclonedx-spdx.schema.json"),
            (
                "http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json",
                "cyclonedx-jsf-0.82.schema.json",
            ),
        ];
        let mut registry = jsonschema::Registry::new();
        for (uri, name) in named {
            let resource = jsonschema::Resource::from_contents(schema(name)?);
            registry = registry.add(uri, resource).map_err(|error| error.to_string())?;
        }
        let registry = registry.prepare().map_err(|error| error.to_string())?;
        let validator = jsonschema::options()
            .with_registry(&registry)
            .build(&schema("cyclonedx-bom-1.6.schema.json")?)
            .map_err(|error| error.to_string())?;
        Ok(validator
            .iter_errors(document)
            .map(|it| format!("{}: {it}", it.instance_path()))
            .collect())
    }

    #[test]
    fn the_sbom_is_valid_and_has_what_is_inside_and_nothing_else() -> Result<(), String> {
        Workspace::find()?.enter()?;
        let release = Release {
            version: "1.2.3".to_owned(),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            date: 1_700_000_000,
        };
        let mut document = document(&workspace::resolved()?, &release)?;
        assert_eq!(faults(&document)?, [""; 0]);
        let empty = Vec::new();
        let components = document["components"].as_array().unwrap_or(&empty);
        let named = |name: &str| components.iter().find(|it| it["name"] == name);
        let goblin = named("goblin").ok_or("no goblin")?;
        assert_eq!(goblin["hashes"][0]["content"].as_str().map(str::len), Some(64), "{goblin}");
        // Tests, the task runner, procedural macros and build scripts are not inside.
        for other in
            ["proptest", "cargo_metadata", "serde_derive", "syn", "cc", "quench", "zlib-rs"]
        {
            assert!(named(other).is_none(), "{other}");
        }
        document["components"][0]["type"] = "nonsense".into();
        assert!(!faults(&document)?.is_empty());
        Ok(())
    }
}
