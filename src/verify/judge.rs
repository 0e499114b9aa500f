//! Judges what was examined by a policy. Pure.

use std::collections::BTreeMap;

use super::compare::Comparison;
use super::examine::{at, examine_elf};
use super::policy::{Demand, Policy, Subject};
use super::{Examination, FileKind, ObjectVerdict, Options, Outcome, RuleVerdict, Verdict};
use crate::archive::Member;
use crate::elf::{self, Image};
use crate::finding::{Code, Finding};

/// That a rule the policy requires does not hold.
pub static RULE_FAILED: Code = Code {
    name: "verify::rule-failed",
    summary: "a rule the policy requires does not hold",
    explain: "`quench verify` prints the evidence; the policy lists what it requires. What cannot be told fails, too. A \
              waiver in a policy of your own lets a file pass until a date, with a reason.",
};

pub(super) static NOTHING: Code = Code {
    name: "verify::nothing-judged",
    summary: "nothing was judged: there is no ELF file in the input",
    explain: "An empty directory, a wrong path, a package of data: a verdict on no file says nothing, so it is no pass. \
              `--allow-empty` lets inputs without an ELF file pass, for sets of packages of which some have none.",
};
pub(super) static UNOPENED: Code = Code {
    name: "verify::unopened",
    summary: "archives were not opened, and --allow-unopened lets them pass",
    explain: "What is in an archive of a kind that is not opened is not known. The verdict is about the rest.",
};

/// The verdicts on one input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub name: String,
    pub sha256: String,
    pub policy: String,
    /// The rules that were asked for, when not all.
    pub only: Vec<&'static str>,
    pub objects: Vec<ObjectVerdict>,
    /// Other entries with something to say.
    pub files: Vec<ObjectVerdict>,
    /// Entries that are no ELF.
    pub others: usize,
    pub findings: Vec<Finding>,
    /// sha256 of every file, by path, when digests were asked for.
    pub digests: BTreeMap<String, String>,
}

impl Report {
    /// True when nothing stands against it.
    pub fn passes(&self) -> bool {
        !crate::finding::any_error(&self.findings)
    }

    /// Says that nothing was judged, where rules about ELF files were asked for.
    pub fn nothing_judged(&self) -> Option<Finding> {
        let asks = |name: &&str| super::RULES.iter().any(|rule| rule.name == *name);
        let unreadable = self.files.iter().any(|file| file.kind == FileKind::Unreadable);
        if !self.objects.is_empty()
            || unreadable
            || !self.only.is_empty() && !self.only.iter().any(asks)
        {
            return None;
        }
        let message = format!("nothing was judged: no ELF file in {}", self.name);
        let help = "is it the right path? `--allow-empty` lets inputs without an ELF file pass";
        let finding = Finding::error(&NOTHING, message).at(at(&self.name, &self.name), "");
        Some(finding.with_help(help))
    }

    /// Names what was not opened, when that is allowed.
    pub fn unopened_allowed(&self) -> Option<Finding> {
        let closed = self.unopened();
        let (first, more) = (closed.first()?, closed.len() - 1);
        let more = if more == 0 { String::new() } else { format!(" and {more} others") };
        let message = format!("not opened, as --allow-unopened lets it be: {first}{more}");
        Some(Finding::warning(&UNOPENED, message).at(at(&self.name, first), ""))
    }

    /// Paths of archives that were not opened.
    pub fn unopened(&self) -> Vec<&str> {
        let closed =
            |object: &&ObjectVerdict| object.rules.iter().any(|rule| rule.rule == "opened");
        self.judged().filter(closed).map(|object| object.path.as_str()).collect()
    }

    /// In a word or a few; what was not opened is never silent.
    pub fn word(&self) -> String {
        match (self.passes(), self.unopened().len()) {
            (false, _) => "FAILS".to_owned(),
            (true, 0) => "passes".to_owned(),
            (true, count) => format!("passes, {count} archives not opened"),
        }
    }

    /// Everything with a verdict.
    pub fn judged(&self) -> impl Iterator<Item = &ObjectVerdict> {
        self.objects.iter().chain(&self.files)
    }
}

/// All reports of one run, and what concerns them together: waivers, what was lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    pub reports: Vec<Report>,
    pub findings: Vec<Finding>,
    /// What other checkers said, when they were asked.
    pub comparisons: Vec<Comparison>,
}

impl Verification {
    /// True when nothing stands against any input.
    pub fn passes(&self) -> bool {
        self.reports.iter().all(Report::passes) && !crate::finding::any_error(&self.findings)
    }
}

/// Examines and judges one ELF file.
pub fn judge(path: &str, bytes: &[u8], policy: &Policy) -> Result<ObjectVerdict, elf::Malformed> {
    let options = Options::new(&|_| None);
    let mut object =
        examine_elf(&Member::file(path, 0o644, Vec::new()), Image::Whole(bytes), &options)?;
    settle_object(&mut object, path, policy, &mut Vec::new());
    Ok(object)
}

impl RuleVerdict {
    fn settle(&mut self, policy: &Policy, subject: Subject<'_>) {
        self.setting = policy.setting(self.rule, subject);
        let setting = &self.setting;
        let counts_as = match &self.verdict {
            Verdict::Holds | Verdict::NotApplicable(_) => Demand::Report,
            Verdict::Partial { n, m, .. } if n * 100 >= m * usize::from(setting.at_least) => {
                Demand::Report
            }
            Verdict::CannotTell(_) => setting.cannot_tell.min(setting.demand),
            Verdict::Fails(_) | Verdict::Partial { .. } => setting.demand,
        };
        let waiver = policy.waiver(self.rule, subject);
        self.outcome = match (counts_as, waiver) {
            (Demand::Report, _) => Outcome::Fine,
            (_, Some(waiver)) => {
                Outcome::Waived { reason: waiver.reason.clone(), expires: waiver.expires }
            }
            (Demand::Warn, None) => Outcome::Warns,
            (Demand::Require, None) => Outcome::Objects,
        };
    }
}

impl Examination {
    /// What a policy makes of it.
    pub fn settle(self, policy: &Policy) -> Report {
        let mut report = Report {
            name: self.name,
            sha256: self.sha256,
            policy: policy.name.clone(),
            only: self.only,
            objects: self.objects,
            files: self.files,
            others: self.others,
            findings: self.findings,
            digests: self.digests,
        };
        let (name, findings) = (&report.name, &mut report.findings);
        for object in report.objects.iter_mut().chain(&mut report.files) {
            settle_object(object, name, policy, findings);
        }
        report
    }
}

fn settle_object(
    object: &mut ObjectVerdict,
    input: &str,
    policy: &Policy,
    findings: &mut Vec<Finding>,
) {
    let mut rules = std::mem::take(&mut object.rules);
    let path = &object.path;
    for rule in &mut rules {
        rule.settle(policy, Subject::of(input, object));
        if rule.outcome != Outcome::Fine && policy.allows(object, rule) {
            rule.outcome = Outcome::Fine;
            rule.setting.because = Some("the policy allows it".to_owned());
        }
        let (name, detail) = (rule.verdict.name(), rule.verdict.detail());
        let message = format!("{path}: {} {name}: {detail}", rule.rule);
        let finding = match rule.outcome {
            Outcome::Fine | Outcome::Waived { .. } => continue,
            Outcome::Warns => Finding::warning(&RULE_FAILED, message),
            Outcome::Objects => Finding::error(&RULE_FAILED, message),
        };
        let finding = finding.at(at(input, &format!("{path} {}", rule.rule)), "");
        findings.push(match &rule.setting.because {
            Some(because) => finding.with_note(format!("the policy says: {because}")),
            None => finding,
        });
    }
    object.rules = rules;
}
