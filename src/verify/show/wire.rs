//! The verdict as a document, `quench.verdict/1`. Pure.

use crate::elf;
use crate::finding::Finding;
use crate::verify::compare::{self, Says};
use crate::verify::{
    Demand, FileKind, ObjectVerdict, Outcome, Report, RuleVerdict, Verdict, Verification,
};
use crate::wire::{self, Tag, verdict};

/// Everything a run found, as a document.
pub fn wire(verification: &Verification) -> wire::Verdict {
    wire::Verdict {
        comparisons: verification.comparisons.iter().map(comparison).collect(),
        findings: verification.findings.iter().map(finding).collect(),
        inputs: verification.reports.iter().map(input).collect(),
        passes: verification.passes(),
        schema: Tag::default(),
    }
}

fn input(report: &Report) -> verdict::Input {
    verdict::Input {
        files: report.files.iter().map(object).collect(),
        findings: report.findings.iter().map(finding).collect(),
        name: report.name.clone(),
        objects: report.objects.iter().map(object).collect(),
        only: report.only.iter().map(|rule| (*rule).to_owned()).collect(),
        others: report.others,
        passes: report.passes(),
        policy: report.policy.clone(),
        sha256: report.sha256.clone(),
    }
}

fn finding(finding: &Finding) -> verdict::Finding {
    verdict::Finding {
        code: finding.code.name.to_owned(),
        message: finding.message.clone(),
        severity: finding.severity.wire(),
    }
}

fn object(object: &ObjectVerdict) -> verdict::Object {
    verdict::Object {
        build_id: object.build_id.clone(),
        ibt: object.cet.0,
        kind: kind(object.kind),
        needed: object.needed.clone(),
        path: object.path.clone(),
        privileged: object.privileged,
        rules: object.rules.iter().map(rule).collect(),
        sha256: object.sha256.clone(),
        shstk: object.cet.1,
    }
}

fn kind(kind: FileKind) -> verdict::Kind {
    match kind {
        FileKind::Elf(elf::Kind::Executable) => verdict::Kind::Executable,
        FileKind::Elf(elf::Kind::StaticExecutable) => verdict::Kind::StaticExecutable,
        FileKind::Elf(elf::Kind::Pie) => verdict::Kind::Pie,
        FileKind::Elf(elf::Kind::StaticPie) => verdict::Kind::StaticPie,
        FileKind::Elf(elf::Kind::SharedLibrary) => verdict::Kind::SharedLibrary,
        FileKind::Elf(elf::Kind::Relocatable) => verdict::Kind::Relocatable,
        FileKind::Elf(elf::Kind::DebugFile) => verdict::Kind::DebugFile,
        FileKind::Elf(elf::Kind::Core) => verdict::Kind::Core,
        FileKind::Unreadable => verdict::Kind::Unreadable,
        FileKind::File => verdict::Kind::File,
        FileKind::Directory => verdict::Kind::Directory,
        FileKind::Link => verdict::Kind::Link,
        FileKind::Device => verdict::Kind::Device,
        FileKind::Archive => verdict::Kind::Archive,
    }
}

fn rule(rule: &RuleVerdict) -> verdict::Rule {
    let (n, m) = match rule.verdict {
        Verdict::Partial { n, m, .. } => (Some(n), Some(m)),
        _ => (None, None),
    };
    let (outcome, waiver) = match &rule.outcome {
        Outcome::Fine => (verdict::Outcome::Fine, None),
        Outcome::Warns => (verdict::Outcome::Warns, None),
        Outcome::Objects => (verdict::Outcome::Objects, None),
        Outcome::Waived { reason, expires } => {
            let (reason, expires) = (reason.clone(), expires.to_string());
            (verdict::Outcome::Waived, Some(verdict::Waiver { expires, reason }))
        }
    };
    verdict::Rule {
        demand: match rule.setting.demand {
            Demand::Report => verdict::Demand::Report,
            Demand::Warn => verdict::Demand::Warn,
            Demand::Require => verdict::Demand::Require,
        },
        detail: rule.verdict.detail(),
        evidence: rule.evidence.clone(),
        m,
        n,
        outcome,
        rule: rule.rule.to_owned(),
        verdict: answer(&rule.verdict),
        waiver,
    }
}

/// A rule's answer without its words.
pub(in crate::verify) fn answer(verdict: &Verdict) -> verdict::Answer {
    match verdict {
        Verdict::Holds => verdict::Answer::Holds,
        Verdict::Fails(_) => verdict::Answer::Fails,
        Verdict::Partial { .. } => verdict::Answer::Partial,
        Verdict::NotApplicable(_) => verdict::Answer::NotApplicable,
        Verdict::CannotTell(_) => verdict::Answer::CannotTell,
    }
}

fn comparison(comparison: &compare::Comparison) -> verdict::Comparison {
    verdict::Comparison {
        answers: comparison.answers,
        differences: comparison.differences.iter().map(difference).collect(),
        files: comparison.files,
        peer: comparison.peer.to_owned(),
        version: comparison.version.clone(),
    }
}

fn difference(difference: &compare::Difference) -> verdict::Difference {
    let example = |(file, text, detail): &(String, String, String)| verdict::Example {
        detail: detail.clone(),
        file: file.clone(),
        text: text.clone(),
    };
    verdict::Difference {
        because: difference.because.map(str::to_owned),
        count: difference.count,
        examples: difference.examples.iter().map(example).collect(),
        rule: difference.rule.to_owned(),
        they: says(difference.they),
        we: says(difference.we),
    }
}

fn says(says: Says) -> verdict::Says {
    match says {
        Says::Yes => verdict::Says::Yes,
        Says::Partial => verdict::Says::Partial,
        Says::No => verdict::Says::No,
        Says::NotApplicable => verdict::Says::NotApplicable,
        Says::Unknown => verdict::Says::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Date;

    /// One name for people and in documents.
    #[test]
    fn documents_say_the_words_that_people_read() {
        fn word(value: &impl serde::Serialize) -> String {
            serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
        }
        let text = String::new;
        let partial = Verdict::Partial { n: 1, m: 2, what: text() };
        for verdict in [
            Verdict::Holds,
            Verdict::Fails(text()),
            partial,
            Verdict::NotApplicable(text()),
            Verdict::CannotTell(text()),
        ] {
            assert_eq!(word(&answer(&verdict)), verdict.name());
            let says = Says::of(&verdict);
            assert_eq!(word(&super::says(says)), says.name());
        }
        let expires = Date { year: 2027, month: 12, day: 31 };
        for outcome in [
            Outcome::Fine,
            Outcome::Warns,
            Outcome::Objects,
            Outcome::Waived { reason: "r".to_owned(), expires },
        ] {
            for demand in [Demand::Report, Demand::Warn, Demand::Require] {
                let mut judged = RuleVerdict::new("pie", Verdict::Holds, text());
                (judged.outcome, judged.setting.demand) = (outcome.clone(), demand);
                let written = rule(&judged);
                assert_eq!(word(&written.outcome), outcome.name());
                assert_eq!(word(&written.demand), demand.name());
                let waived = matches!(outcome, Outcome::Waived { .. });
                assert_eq!(
                    written.waiver.map(|waiver| waiver.expires),
                    waived.then(|| "2027-12-31".to_owned())
                );
            }
        }
        for of in [
            FileKind::Elf(elf::Kind::Executable),
            FileKind::Elf(elf::Kind::StaticExecutable),
            FileKind::Elf(elf::Kind::Pie),
            FileKind::Elf(elf::Kind::StaticPie),
            FileKind::Elf(elf::Kind::SharedLibrary),
            FileKind::Elf(elf::Kind::Relocatable),
            FileKind::Elf(elf::Kind::DebugFile),
            FileKind::Elf(elf::Kind::Core),
            FileKind::Unreadable,
            FileKind::File,
            FileKind::Directory,
            FileKind::Link,
            FileKind::Device,
            FileKind::Archive,
        ] {
            assert_eq!(word(&kind(of)), of.name());
        }
    }
}
