//! The SLSA build level a build can honestly claim, what is missing for the next one, and what taints it. Pure.
//!
//! Source: slsa.dev specification 1.2, build track. A program that a person starts is level 1 at best: level 2 wants a
//! hosted platform that signs, level 3 one whose key no build step can reach. A signature by a local key is worth having
//! and does not change the level.

use std::collections::BTreeSet;

use super::observed::{by_step, runs, unknown};
use crate::record::{AuthenticatedBy, Isolated, Record, RootKind, SourceKind, StepRun, StepRuns};
use crate::wire::plan::Provider;

/// Who built where the steps were run by more than one: no policy that trusts a builder may trust this.
const SEVERAL: &str = "urn:x-quench:builder:several";

/// Who built where the record does not say so of every step.
const UNKNOWN: &str = "urn:x-quench:builder:unknown";

/// The SLSA level of a build, what is missing for the next one, and its taints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    pub level: u8,
    /// What the next level wants and this build has not.
    pub missing: Vec<&'static str>,
    /// (name, what it means here)
    pub taints: Vec<(&'static str, String)>,
}

/// Judges a build by its record.
pub fn level(record: &Record, signed: bool) -> Level {
    let steps = record.observed.as_ref().map(|observed| observed.steps.as_slice());
    let steps = steps.unwrap_or_default();
    let mut taints = Vec::new();
    let mut add = |name: &'static str, text: String| taints.push((name, text));
    if !signed {
        add("unsigned", "nobody vouches for the provenance".to_owned());
    }
    for (name, text) in of_steps(steps) {
        add(name, text);
    }
    match (record.source.kind, record.source.vouched_by()) {
        (SourceKind::Path, _) => {
            add("local-source", "a tree of this machine, taken as it is".to_owned());
        }
        (_, Some(AuthenticatedBy::ArchiveSignature | AuthenticatedBy::OpenpgpSignature)) => {}
        (_, Some(AuthenticatedBy::ProfileDigest)) => {
            add("unsigned-source", "only the profile's digest vouches for it".to_owned());
        }
        (_, Some(AuthenticatedBy::Nobody)) => {
            add("unsigned-source", "nobody vouches for it".to_owned());
        }
        (_, None) => add("unsigned-source", "it is not known who vouches for it".to_owned()),
    }
    let prebuilt = prebuilt(record);
    if !prebuilt.is_empty() {
        add(
            "prebuilt-firmware",
            format!("{} from the distribution, not built here", prebuilt.join(", ")),
        );
    }
    let missing = vec![
        "a hosted build platform instead of somebody's machine",
        "provenance signed by that platform, not by who runs the build",
    ];
    Level { level: 1, missing, taints }
}

/// What taints the steps that made the bytes. A step of which nothing is known is taken for the worst.
fn of_steps(steps: &[StepRuns]) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let unknown = unknown(steps);
    let unknown = (!unknown.is_empty()).then(|| format!("{}: unknown", unknown.join(", ")));
    let mut add = |name, found: Option<String>, unknown: Option<&String>, meaning: &str| {
        let parts: Vec<String> = found.into_iter().chain(unknown.cloned()).collect();
        if !parts.is_empty() {
            out.push((name, parts.join("; ") + meaning));
        }
    };
    let open = |run: &StepRun| match run.root {
        RootKind::Closed { .. } => None,
        RootKind::Host => Some(run.root.to_string()),
    };
    let meaning = ": headers and libraries of the host decide with; they are recorded";
    add("open-root", by_step(steps, &open), unknown.as_ref(), meaning);
    let unshielded = |run: &StepRun| match run.isolation {
        Isolated::Bubblewrap { .. } => None,
        Isolated::None { .. } => Some(run.isolation_text()),
    };
    add("no-sandbox", by_step(steps, &unshielded), unknown.as_ref(), "");
    let cached = |run: &StepRun| run.compiler_cache.as_ref().map(ToString::to_string);
    let meaning = ": objects may come from an earlier build";
    add("compiler-cache", by_step(steps, &cached), None, meaning);
    let builders: BTreeSet<&str> = runs(steps).map(|(_, run)| run.builder.as_str()).collect();
    if builders.len() > 1 {
        let text = by_step(steps, &|run| Some(run.builder.clone()));
        add("several-builders", text, None, "");
    }
    out
}

/// Who built, as the provenance names it: the one builder of every step, else nobody who could be trusted for all.
pub(super) fn builder(record: &Record) -> &str {
    let steps = record.observed.as_ref().map(|observed| observed.steps.as_slice());
    let steps = steps.unwrap_or_default();
    let mut builders = runs(steps).map(|(_, run)| run.builder.as_str());
    match builders.next() {
        Some(first) if unknown(steps).is_empty() => {
            if builders.all(|other| other == first) {
                first
            } else {
                SEVERAL
            }
        }
        _ => UNKNOWN,
    }
}

fn prebuilt(record: &Record) -> Vec<&str> {
    let firmware = record.plan.firmware.iter();
    firmware
        .filter(|firmware| matches!(firmware.provider, Provider::Package(_)))
        .map(|firmware| firmware.file.as_str())
        .collect()
}

impl Level {
    /// The level as text for people.
    pub fn text(&self) -> String {
        let mut out = format!("SLSA Build L{}", self.level);
        out.push_str(&format!("; L{} wants {}", self.level + 1, self.missing.join(", and ")));
        for (name, text) in &self.taints {
            out.push_str(&format!("\n  {name}: {text}"));
        }
        out
    }
}
