//! What was lost since: an older verdict or package against a new one, file by file and rule by rule. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Verdict;
use super::{ObjectVerdict, Outcome, Report};
use crate::finding::{Code, Finding, Place};

pub(super) static LOST: Code = Code {
    name: "verify::lost",
    summary: "a protection that the older file had is gone",
    explain: "With --against every rule that held for the older file, or held for a larger part of it, is an error when it \
              no longer does, whatever the policy demands: a loss is seldom meant. A waiver of the rule makes it a note.",
};
pub(super) static UNMATCHED: Code = Code {
    name: "verify::nothing-to-compare",
    summary: "a file has no counterpart in what it is compared with",
    explain: "Files are matched by their path in the package or below the directory, then by the same path without the \
              version of a library. When no file at all has a counterpart, nothing was compared, and that is an error.",
};

/// How a rule stood.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Was {
    verdict: String,
    detail: String,
    /// n of m, for partial ones.
    part: Option<(u64, u64)>,
}

/// How the files of an older version stood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// What it is called in findings.
    pub name: String,
    files: BTreeMap<String, BTreeMap<String, Was>>,
}

/// A percentage may waver by this much: code moves between functions.
const WAVER: u64 = 1;

impl Past {
    /// From reports of this program.
    pub fn of_reports(name: &str, reports: &[Report]) -> Self {
        let mut past = Self { name: name.to_owned(), ..Self::default() };
        for report in reports {
            for object in report.judged() {
                let rules = object.rules.iter().map(|rule| {
                    let part = match rule.verdict {
                        Verdict::Partial { n, m, .. } => Some((n as u64, m as u64)),
                        _ => None,
                    };
                    let (verdict, detail) = (rule.verdict.name().to_owned(), rule.verdict.detail());
                    (rule.rule.to_owned(), Was { verdict, detail, part })
                });
                let mut rules: BTreeMap<String, Was> = rules.collect();
                rules.extend(cet(object.cet.0, object.cet.1));
                past.files.insert(key(&report.name, &object.path), rules);
            }
        }
        past
    }

    /// From `quench.verdict/1`, as it stands in a record or a file of its own.
    pub fn of_verdict(name: &str, verdict: &Value) -> Result<Self, String> {
        if verdict.get("schema").and_then(Value::as_str) != Some("quench.verdict/1") {
            return Err("no `quench.verdict/1` in it".to_owned());
        }
        let list = |value: &Value, key: &str| {
            value.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let text = |value: &Value, key: &str| {
            value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut past = Self { name: name.to_owned(), ..Self::default() };
        for input in list(verdict, "inputs") {
            let files = [list(&input, "objects"), list(&input, "files")].concat();
            for object in files {
                let mut rules = BTreeMap::new();
                for rule in list(&object, "rules") {
                    let number = |key: &str| rule.get(key).and_then(Value::as_u64);
                    let part = number("n").zip(number("m"));
                    let was = Was {
                        verdict: text(&rule, "verdict"),
                        detail: text(&rule, "detail"),
                        part,
                    };
                    rules.insert(text(&rule, "rule"), was);
                }
                let bit = |key: &str| object.get(key).and_then(Value::as_bool).unwrap_or(false);
                rules.extend(cet(bit("ibt"), bit("shstk")));
                past.files.insert(key(&text(&input, "name"), &text(&object, "path")), rules);
            }
        }
        Ok(past)
    }

    fn find(&self, path: &str, alone: bool) -> Option<&BTreeMap<String, Was>> {
        if let Some(found) = self.files.get(path) {
            return Some(found);
        }
        let plain = unversioned(path);
        let mut like = self.files.iter().filter(|(old, _)| unversioned(old) == plain);
        match (like.next(), like.next()) {
            (Some((_, found)), None) => Some(found),
            // A single file compared with a single file needs no name.
            _ if alone && self.files.len() == 1 => self.files.values().next(),
            _ => None,
        }
    }
}

/// The CET bits of the property note, as rules of their own.
fn cet(ibt: bool, shstk: bool) -> impl Iterator<Item = (String, Was)> {
    [("ibt-note", ibt), ("shstk-note", shstk)].into_iter().map(|(name, set)| {
        let verdict = if set { "holds" } else { "fails" }.to_owned();
        (name.to_owned(), Was { verdict, detail: "the bit is not set".to_owned(), part: None })
    })
}

/// The path of a file as seen from the root of its input.
fn key(input: &str, path: &str) -> String {
    if input == path {
        return path.rsplit('/').next().unwrap_or(path).to_owned();
    }
    let below = path.strip_prefix(input.trim_end_matches('/'));
    below.filter(|rest| rest.starts_with('/')).unwrap_or(path).to_owned()
}

/// A library's path without its version: `/usr/lib/libx.so.1.2` and `/usr/lib/libx-1.3.so` are `libx.so`.
fn unversioned(path: &str) -> String {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let Some((stem, _)) = name.split_once(".so") else { return path.to_owned() };
    let stem = stem.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    format!("{directory}/{stem}.so")
}

/// Findings for everything that was lost, and for files that could not be compared.
pub fn lost(past: &Past, reports: &[Report]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut compared = 0;
    let alone = reports.iter().map(|report| report.objects.len()).sum::<usize>() == 1;
    for report in reports {
        for object in &report.objects {
            let place = Place::Object {
                path: report.name.clone(),
                part: (report.name != object.path).then(|| object.path.clone()),
            };
            if let Some(old) = past.find(&key(&report.name, &object.path), alone) {
                compared += 1;
                findings.extend(compare(old, object, &past.name, &place));
            } else {
                let message = format!("{} is not in {}", object.path, past.name);
                findings.push(Finding::note(&UNMATCHED, message).at(place, ""));
            }
        }
    }
    if compared == 0 {
        let message = format!("no file has a counterpart in {}", past.name);
        findings.push(Finding::error(&UNMATCHED, message));
    }
    findings
}

fn compare(
    old: &BTreeMap<String, Was>,
    object: &ObjectVerdict,
    past: &str,
    place: &Place,
) -> Vec<Finding> {
    let mut out = Vec::new();
    for rule in &object.rules {
        let Some(was) = old.get(rule.rule) else { continue };
        let Some(words) = worse(was, &rule.verdict) else { continue };
        let message = format!("{}: {} {words} since {past}", object.path, rule.rule);
        let finding = match &rule.outcome {
            Outcome::Waived { reason, .. } => {
                Finding::note(&LOST, message).with_note(format!("waived: {reason}"))
            }
            _ => Finding::error(&LOST, message),
        };
        out.push(finding.at(place.clone(), ""));
    }
    for (name, now) in cet(object.cet.0, object.cet.1) {
        let had = old.get(&name).is_some_and(|was| was.verdict == "holds");
        if had && now.verdict != "holds" {
            let message = format!("{}: {name} lost, {}, since {past}", object.path, now.detail);
            out.push(Finding::error(&LOST, message).at(place.clone(), ""));
        }
    }
    out
}

/// What is worse now, in words.
fn worse(was: &Was, now: &Verdict) -> Option<String> {
    let detail = now.detail();
    match (was.verdict.as_str(), now) {
        ("holds" | "partial", Verdict::Fails(_)) => Some(format!("lost: {detail}")),
        ("holds" | "partial", Verdict::CannotTell(_)) => {
            Some(format!("no longer to be told: {detail}"))
        }
        ("holds", Verdict::Partial { .. }) => Some(format!("held, now {detail}")),
        ("partial", Verdict::Partial { n, m, .. }) => {
            let (old_n, old_m) = was.part?;
            let (n, m) = (*n as u64, *m as u64);
            // n/m + waver < old: in whole numbers, so that nothing is rounded away.
            let fell = u128::from(n) * 100 * u128::from(old_m)
                + u128::from(WAVER) * u128::from(m) * u128::from(old_m)
                < u128::from(old_n) * 100 * u128::from(m);
            fell.then(|| format!("fell: {} before, now {detail}", was.detail))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::RuleVerdict;

    fn partial(n: usize, m: usize) -> Verdict {
        Verdict::Partial { n, m, what: "functions".to_owned() }
    }

    fn report(name: &str, path: &str, verdict: Verdict, ibt: bool) -> Report {
        let rules = vec![RuleVerdict::new("pie", verdict, String::new())];
        let object = ObjectVerdict {
            path: path.to_owned(),
            rules,
            cet: (ibt, false),
            ..ObjectVerdict::default()
        };
        Report { name: name.to_owned(), objects: vec![object], ..Report::default() }
    }

    #[track_caller]
    fn messages(old: Verdict, new: Verdict) -> Vec<String> {
        let past = Past::of_reports("old.deb", &[report("old.deb", "/usr/bin/x", old, false)]);
        let found = lost(&past, &[report("new.deb", "/usr/bin/x", new, false)]);
        found.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn only_what_became_worse_is_lost() {
        let fails = || Verdict::Fails("f".to_owned());
        assert_eq!(messages(Verdict::Holds, fails()), ["/usr/bin/x: pie lost: f since old.deb"]);
        assert_eq!(
            messages(Verdict::Holds, partial(1, 2)),
            ["/usr/bin/x: pie held, now 1 of 2 functions since old.deb"]
        );
        assert_eq!(
            messages(partial(99, 100), partial(90, 100)),
            [
                "/usr/bin/x: pie fell: 99 of 100 functions before, now 90 of 100 functions since old.deb"
            ]
        );
        for (old, new) in [
            (fails(), fails()),
            (fails(), Verdict::Holds),
            (Verdict::Holds, Verdict::Holds),
            (partial(990, 1000), partial(981, 1000)),
            (Verdict::CannotTell(String::new()), fails()),
            (Verdict::NotApplicable(String::new()), fails()),
        ] {
            assert_eq!(messages(old, new), Vec::<String>::new());
        }
    }

    #[test]
    fn files_are_matched_without_versions_and_nothing_matched_is_an_error() {
        let old = |name: &str, path: &str| {
            Past::of_reports(name, &[report(name, path, Verdict::Holds, true)])
        };
        let new = |name: &str, path: &str| {
            let reports = [report(name, path, Verdict::Fails("f".to_owned()), false)];
            move |past: &Past| -> Vec<(String, &'static str)> {
                lost(past, &reports)
                    .into_iter()
                    .map(|finding| (finding.message, finding.severity.name()))
                    .collect()
            }
        };
        let both = 2;
        assert_eq!(new("n.deb", "/l/libx.so.2.1")(&old("o.deb", "/l/libx.so.1")).len(), both);
        assert_eq!(new("new", "new/bin/x")(&old("old", "old/bin/x")).len(), both);
        assert_eq!(new("b/x", "b/x")(&old("a/y", "a/y")).len(), both);
        let past = Past { files: BTreeMap::new(), name: "old".to_owned() };
        let found = new("n.deb", "/x")(&past);
        assert_eq!(found.last().map(|(_, severity)| *severity), Some("error"));
    }

    #[test]
    fn a_verdict_read_back_says_the_same() {
        let reports = [report("a.deb", "/usr/bin/x", partial(3, 4), true)];
        let verification =
            crate::verify::Verification { reports: reports.to_vec(), ..Default::default() };
        let value = crate::verify::json(&verification);
        assert_eq!(Past::of_verdict("p", &value).unwrap(), Past::of_reports("p", &reports));
        assert!(Past::of_verdict("p", &serde_json::json!({})).is_err());
    }
}
