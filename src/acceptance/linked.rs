//! What was linked: the objects by the linker's own account, with their notes, calls and compile commands. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{CONTRADICTION, Commands, Expected, listed};
use crate::elf::{self, Depth, Image};
use crate::finding::Finding;
use crate::verify::rules::fortify;

/// Objects of one link, and the commands of its build directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Linked {
    pub objects: Vec<LinkedObject>,
    pub commands: Commands,
}

/// An object, or a member of a static archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedObject {
    /// As the linker names it; `ARCHIVE(MEMBER)` in an archive.
    pub name: String,
    /// It was made in the build directory.
    pub own: bool,
    /// IBT and SHSTK of its property note.
    cet: (bool, bool),
    /// Calls of functions that FORTIFY would have replaced.
    plain: Vec<String>,
}

impl LinkedObject {
    /// Reads an object; `None` for anything that is none.
    pub fn read(name: &str, own: bool, bytes: &[u8]) -> Option<Self> {
        let facts = elf::facts_of(Image::Whole(bytes), Depth::Headers).ok()?;
        if facts.kind != elf::Kind::Relocatable {
            return None;
        }
        let called = elf::calls(&facts);
        let plain = called.into_iter().filter(|name| fortify::ALWAYS.contains(name));
        let plain = plain.map(str::to_owned).collect();
        Some(Self { name: name.to_owned(), own, cet: facts.cet, plain })
    }
}

impl Linked {
    pub(super) fn own(&self) -> impl Iterator<Item = &LinkedObject> {
        self.objects.iter().filter(|object| object.own)
    }

    /// Names of objects without a whole CET note: of the build, and of others.
    pub(super) fn without_note(&self) -> (Vec<&str>, Vec<&str>) {
        let without = self.objects.iter().filter(|object| object.cet != (true, true));
        let (own, foreign): (Vec<&LinkedObject>, Vec<_>) = without.partition(|object| object.own);
        (
            own.into_iter().map(|object| object.name.as_str()).collect(),
            foreign.into_iter().map(|object| object.name.as_str()).collect(),
        )
    }

    /// Objects whose command or calls contradict the plan.
    pub(super) fn faults(&self, expected: &Expected) -> Vec<Finding> {
        let options = expected.options();
        let mut lacks: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut plain = Vec::new();
        let mut commands = 0;
        for object in &self.objects {
            let Some(command) = self.commands.of_output(&object.name) else { continue };
            commands += 1;
            for (flag, says) in options.lacking(&command.options, &|_| true) {
                lacks.entry(flag).or_default().push(format!("{} ({says})", object.name));
            }
            // A command line says all there is: no word of a level is level 0.
            let (promised, level) =
                (options.known.fortify, command.options.known.fortify.unwrap_or(0));
            if promised.is_some_and(|promised| level < promised) {
                let flag = expected.flag("-D_FORTIFY_SOURCE");
                let text = format!("{} (level {level})", object.name);
                lacks.entry(flag).or_default().push(text);
            } else if level >= 2 && !object.plain.is_empty() {
                plain.push(format!("{} ({})", object.name, object.plain.join(", ")));
            }
        }
        let mut out: Vec<Finding> = lacks
            .into_iter()
            .map(|(flag, names)| {
                let message = format!(
                    "{} of {commands} compile commands lack {flag}, which the plan asks for: {}",
                    names.len(),
                    listed(names.iter().map(String::as_str))
                );
                Finding::error(&CONTRADICTION, message)
            })
            .collect();
        if !plain.is_empty() {
            let message = format!(
                "{} objects were compiled with FORTIFY and call what it replaces: {}",
                plain.len(),
                listed(plain.iter().map(String::as_str))
            );
            out.push(Finding::warning(&CONTRADICTION, message));
        }
        out
    }
}

/// What a linker read, from its trace (`-t -t`): objects as they are, members as (archive, member). Shared libraries,
/// scripts and archives as a whole are left out. GNU ld writes `(ARCHIVE)MEMBER`, lld `ARCHIVE(MEMBER)`.
pub fn linked_names(trace: &str) -> Vec<(String, Option<String>)> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for line in trace.lines().map(str::trim) {
        let member = match line.strip_prefix('(') {
            Some(rest) => rest.split_once(')'),
            None => line.strip_suffix(')').and_then(|line| line.rsplit_once('(')),
        };
        let named = match member {
            Some((archive, member)) => (archive.to_owned(), Some(member.to_owned())),
            None if line.rsplit_once('.').is_some_and(|(_, end)| matches!(end, "o" | "obj")) => {
                (line.to_owned(), None)
            }
            None => continue,
        };
        if seen.insert(named.clone()) {
            out.push(named);
        }
    }
    out
}
