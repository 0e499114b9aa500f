//! Judges what was examined by a policy. Pure.

use std::collections::BTreeMap;

use super::compare::Comparison;
use super::examine::{at, examine_elf};
use super::policy::{Demand, Policy, Subject};
use super::{Examination, ObjectVerdict, Options, Outcome, RuleVerdict, Verdict};
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
    let ObjectVerdict { path, rules, privileged, .. } = object;
    let subject = Subject { input, path, privileged: *privileged };
    for rule in rules {
        rule.settle(policy, subject);
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
}
