//! What was lost since: an older verdict or package against a new one, file by file and rule by rule. Pure.

use std::collections::BTreeMap;

use super::{ObjectVerdict, Outcome, Report, Verdict, show};
use crate::finding::{Code, Finding, Place};
use crate::wire::{self, verdict::Answer};

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
    answer: Answer,
    detail: String,
    /// n of m, for partial ones.
    part: Option<(usize, usize)>,
}

impl Was {
    fn of(verdict: &Verdict) -> Self {
        let part = match verdict {
            Verdict::Partial { n, m, .. } => Some((*n, *m)),
            _ => None,
        };
        Self { answer: show::answer(verdict), detail: verdict.detail(), part }
    }
}

/// How the files of an older version stood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// What it is called in findings.
    pub name: String,
    files: BTreeMap<String, BTreeMap<String, Was>>,
}

/// A percentage may waver by this much: code moves between functions.
const WAVER: u128 = 1;

impl Past {
    /// From reports of this program.
    pub fn of_reports(name: &str, reports: &[Report]) -> Self {
        let mut past = Self { name: name.to_owned(), ..Self::default() };
        for report in reports {
            for object in report.judged() {
                let rules = object.rules.iter();
                let rules = rules.map(|rule| (rule.rule.to_owned(), Was::of(&rule.verdict)));
                let rules = rules.chain(cet(object.cet.0, object.cet.1)).collect();
                past.files.insert(key(&report.name, &object.path), rules);
            }
        }
        past
    }

    /// From a verdict, as it stands in a record or a file of its own.
    pub fn of_verdict(name: &str, verdict: &wire::Verdict) -> Self {
        let mut past = Self { name: name.to_owned(), ..Self::default() };
        for input in &verdict.inputs {
            for object in input.objects.iter().chain(&input.files) {
                let rules = object.rules.iter().map(|rule| {
                    let (answer, detail) = (rule.verdict, rule.detail.clone());
                    (rule.rule.clone(), Was { answer, detail, part: rule.n.zip(rule.m) })
                });
                let rules = rules.chain(cet(object.ibt, object.shstk)).collect();
                past.files.insert(key(&input.name, &object.path), rules);
            }
        }
        past
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
        let answer = if set { Answer::Holds } else { Answer::Fails };
        (name.to_owned(), Was { answer, detail: "the bit is not set".to_owned(), part: None })
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
        let had = old.get(&name).is_some_and(|was| was.answer == Answer::Holds);
        if had && now.answer != Answer::Holds {
            let message = format!("{}: {name} lost, {}, since {past}", object.path, now.detail);
            out.push(Finding::error(&LOST, message).at(place.clone(), ""));
        }
    }
    out
}

/// What is worse now, in words.
fn worse(was: &Was, now: &Verdict) -> Option<String> {
    let detail = now.detail();
    match (was.answer, now) {
        (Answer::Holds | Answer::Partial, Verdict::Fails(_)) => Some(format!("lost: {detail}")),
        (Answer::Holds | Answer::Partial, Verdict::CannotTell(_)) => {
            Some(format!("no longer to be told: {detail}"))
        }
        (Answer::Holds, Verdict::Partial { .. }) => Some(format!("held, now {detail}")),
        (Answer::Partial, Verdict::Partial { n, m, .. }) => {
            let (old_n, old_m) = was.part?;
            let wide = |number: usize| number as u128;
            let (n, m, old_n, old_m) = (wide(*n), wide(*m), wide(old_n), wide(old_m));
            // n/m + waver < old: in whole numbers, so that nothing is rounded away.
            let fell = n * 100 * old_m + WAVER * m * old_m < old_n * 100 * m;
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
        let written = wire::text(&crate::verify::wire(&verification)).unwrap();
        let read: wire::Verdict = wire::read(&written).unwrap();
        assert_eq!(Past::of_verdict("p", &read), Past::of_reports("p", &reports));
    }
}
