//! SLSA provenance, predicate version 1: how the packages came about. Pure.
//!
//! Source: slsa-framework/slsa, `spec/build-provenance.md`. External parameters are kept to the one a user gives (the
//! profile's name); everything else that decides is an input artefact with its digest, as the specification advises.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::parts::{package_purl, sha256, source_purl};
use super::{Inputs, Resource, Statement, level};
use crate::record::{Installed, NamedDigest, Record};

/// `predicateType`.
pub(super) const PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// `buildType`: ARCHITECTURE.md says how its parameters are read.
pub(super) const BUILD_TYPE: &str = "urn:x-quench:build:1";

pub(super) fn statement(inputs: &Inputs<'_>, byproducts: &[NamedDigest]) -> Statement {
    let record = inputs.record;
    let level = level(record, inputs.key.is_some());
    let taints: BTreeMap<&str, &String> =
        level.taints.iter().map(|(name, text)| (*name, text)).collect();
    let predicate = json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": { "profile": record.name },
            "internalParameters": {
                "SOURCE_DATE_EPOCH": record.plan.source.date,
                "hardening": record.plan.hardening,
                "host": record.host,
                "observed": record.observed,
                "slsa-build-level": level.level,
                "missing-for-next-level": level.missing,
                "taints": taints,
            },
            "resolvedDependencies": dependencies(record),
        },
        "runDetails": {
            "builder": {
                "id": level::builder(record),
                "version": { "quench": record.quench },
            },
            "byproducts": byproducts.iter().map(Resource::from).collect::<Vec<_>>(),
        },
    });
    Statement::about(record, PREDICATE, predicate)
}

/// Everything that went in: profile, source, patches, programs, packages of the host.
fn dependencies(record: &Record) -> Vec<Resource> {
    let mut out = Vec::new();
    for file in &record.profile {
        let mut resource = Resource::named(file.file.clone()).sha256(&sha256(file.text.as_bytes()));
        "application/toml".clone_into(&mut resource.media_type);
        out.push(resource);
    }
    let source = source_purl(record).unwrap_or_default();
    for file in &record.plan.source.files {
        let mut resource = Resource::from(file);
        resource.uri.clone_from(&source);
        out.push(resource);
    }
    for patch in &record.patches {
        out.push(Resource::named(format!("patches/{}", patch.name)).sha256(&patch.sha256));
    }
    for tool in &record.tools {
        let mut resource = Resource::named(tool.name.clone()).sha256(&tool.sha256);
        resource.annotations = Some(json!({ "version": tool.version }));
        out.push(resource);
    }
    if let Some(root) = &record.root {
        // Whatever could have had a say is in the root, and nothing else is.
        out.extend(root.packages.iter().filter_map(|package| {
            let installed = Installed {
                name: package.name.clone(),
                version: package.version.clone(),
                architecture: package.architecture.clone(),
            };
            let uri = package_purl(&record.host, &installed)?;
            Some(Resource::uri(uri).sha256(&package.sha256))
        }));
    } else {
        let packages = record.build_dependencies.iter();
        let uris = packages.filter_map(|package| package_purl(&record.host, package));
        out.extend(uris.map(Resource::uri));
    }
    out
}

/// What is read of a predicate: everything may be missing, of provenance that others wrote.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Predicate {
    pub(super) build_definition: BuildDefinition,
    pub(super) run_details: RunDetails,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BuildDefinition {
    pub(super) internal_parameters: InternalParameters,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct InternalParameters {
    pub(super) slsa_build_level: u64,
    /// Name and meaning.
    pub(super) taints: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunDetails {
    pub(super) builder: Builder,
    pub(super) byproducts: Vec<Resource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Builder {
    pub(super) id: String,
}

impl RunDetails {
    /// sha256 of the byproduct whose name ends so.
    pub(super) fn byproduct(&self, ending: &str) -> Option<&str> {
        let named = self.byproducts.iter().find(|byproduct| byproduct.name.ends_with(ending))?;
        named.digest.get("sha256").map(String::as_str)
    }
}
