//! What packaging must know of a built emulator: its build-id, the sources in it, their licences, its usage.
//!
//! Shell. Kept in `WORK/builds/NAME/facts-DIGEST.json`, where the digest is that of the emulator and its debug file:
//! the same bytes give the same answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Error, sources};
use crate::inventory::{self, Usage};
use crate::isolate::Isolation;
use crate::licence::Group;
use crate::plan::Plan;
use crate::record::Measured;
use crate::{elf, source};

/// Version of this file's format and of what is read; an older one is read again. History: 1 = first, 2 = flat `WITH`.
const VERSION: u32 = 2;

/// The facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    version: u32,
    pub build_id: String,
    /// Paths below the source tree; generated ones below `build/`.
    pub sources: BTreeSet<String>,
    /// Sources of the tree by licence.
    pub groups: BTreeMap<String, Group>,
    /// SPDX expression for all of them together.
    pub licence: String,
    pub usage: Usage,
}

/// Reads the facts of the emulator in `build/stripped`.
pub fn facts(
    plan: &Plan,
    tree: &Path,
    build: &Path,
    measured: &Measured,
    root: &Path,
    isolation: &Isolation,
) -> Result<Facts, Error> {
    let emulator = build.join("stripped").join(plan.emulator());
    let debug = build.join("stripped").join(format!("{}.debug", plan.emulator()));
    let key = format!("{}{}", source::sha256_of(&emulator)?, source::sha256_of(&debug)?);
    let key = hex::encode(Sha256::digest(key));
    let cache = root.join(format!("facts-{}.json", &key[..16]));
    let known = fs_err::read_to_string(&cache).ok();
    let known: Option<Facts> = known.and_then(|text| serde_json::from_str(&text).ok());
    if let Some(facts) = known.filter(|facts| facts.version == VERSION) {
        return Ok(facts);
    }
    let no_build_id = || Error::NoBuildId { emulator: emulator.display().to_string() };
    let bytes = fs_err::read(&emulator)?;
    let read = elf::facts(&bytes).map_err(|_| no_build_id())?;
    let build_id = read.build_id.filter(|id| id.len() > 4).ok_or_else(no_build_id)?;
    let devices: Vec<String> = plan
        .surface
        .devices
        .iter()
        .filter(|(name, device)| device.user_creatable && measured.devices.contains(*name))
        .map(|(name, _)| name.clone())
        .collect();
    let scratch = root.join("package/facts");
    let compiled =
        sources::compiled(plan, &debug, &scratch, &root.join("logs/facts.log"), isolation)?;
    let groups = sources::licences(&compiled, tree)?;
    let facts = Facts {
        version: VERSION,
        build_id,
        licence: sources::expression(&groups),
        sources: compiled,
        groups,
        usage: inventory::usage(isolation, &emulator, &devices)?,
    };
    let text = serde_json::to_string(&facts).map_err(std::io::Error::from)?;
    crate::files::write(&cache, &text)?;
    Ok(facts)
}
