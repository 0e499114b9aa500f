//! The SLSA build level a build can honestly claim, what is missing for the next one, and what taints it. Pure.
//!
//! Source: slsa.dev specification 1.2, build track. A program that a person starts is level 1 at best: level 2 wants a
//! hosted platform that signs, level 3 one whose key no build step can reach. A signature by a local key is worth having
//! and does not change the level.

use serde_json::Value;

use crate::record::Record;

/// The answer.
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
    let observed = |key: &str| {
        record.observed.as_ref().and_then(|value| value.get(key)).and_then(Value::as_str)
    };
    let mut taints = Vec::new();
    let mut add = |name: &'static str, text: String| taints.push((name, text));
    if !signed {
        add("unsigned", "nobody vouches for the provenance".to_owned());
    }
    match observed("root") {
        Some(root) if root.starts_with("closed") => {}
        root => add(
            "open-root",
            format!(
                "{}: headers and libraries of the host decide with; they are recorded",
                root.unwrap_or("unknown root")
            ),
        ),
    }
    let isolation = observed("isolation").unwrap_or("isolation unknown");
    if !isolation.starts_with("bubblewrap") {
        add("no-sandbox", isolation.to_owned());
    }
    if let Some(cache) = observed("compiler-cache") {
        add("compiler-cache", format!("{cache}: objects may come from an earlier build"));
    }
    match record.source.kind.as_str() {
        "apt" => {}
        "url" if record.source.authentication.contains("OpenPGP") => {}
        "url" => add("unsigned-source", "only the profile's digest vouches for it".to_owned()),
        _ => add("local-source", "a tree of this machine, taken as it is".to_owned()),
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

fn prebuilt(record: &Record) -> Vec<&str> {
    let firmware = record.plan.get("firmware").and_then(Value::as_array);
    let entries = firmware.into_iter().flatten();
    entries
        .filter(|entry| entry.get("provider").is_some_and(Value::is_object))
        .filter_map(|entry| entry.get("file").and_then(Value::as_str))
        .collect()
}

impl Level {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("SLSA Build L{}", self.level);
        out.push_str(&format!("; L{} wants {}", self.level + 1, self.missing.join(", and ")));
        for (name, text) in &self.taints {
            out.push_str(&format!("\n  {name}: {text}"));
        }
        out
    }
}
