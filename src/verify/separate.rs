//! Separate debug files, found by build-id. Pure.

use std::collections::BTreeMap;

use super::input;
use crate::elf;

/// Debug files of packages, and single ones.
#[derive(Debug, Default)]
pub struct SeparateFiles {
    by_build_id: BTreeMap<String, Vec<u8>>,
}

impl SeparateFiles {
    /// Keeps every debug file of an input: a package, an archive, or a debug file.
    pub fn read(&mut self, name: &str, bytes: &[u8]) {
        for member in input::members(name, bytes).0 {
            let build_id = elf::facts(&member.bytes)
                .ok()
                .and_then(|facts| facts.sections.named(".debug_info").and(facts.build_id));
            if let Some(build_id) = build_id {
                self.by_build_id.insert(build_id, member.bytes);
            }
        }
    }

    /// All of them with their build-ids.
    pub fn all(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.by_build_id.iter().map(|(build_id, bytes)| (build_id.as_str(), bytes.as_slice()))
    }

    /// The debug file of a build-id.
    pub fn find(&self, build_id: &str) -> Option<Vec<u8>> {
        self.by_build_id.get(build_id).cloned()
    }
}
