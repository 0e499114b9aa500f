//! Other checkers beside ours: what each says of the same files, where it differs, and why. Pure.
//!
//! `peers` reads their output, `because` knows how each of them decides. A difference nobody can explain is reported as
//! one: either the table lacks a line, or one of the two is wrong.

mod because;
mod peers;

pub use peers::{PEERS, Peer};

use std::collections::BTreeMap;

use super::Verdict;
use super::{ObjectVerdict, RuleVerdict};
use crate::finding::{Code, Finding};

pub(super) static UNEXPLAINED: Code = Code {
    name: "verify::unexplained-difference",
    summary: "another checker says something else, and nothing explains why",
    explain: "`verify --compare` explains differences by how the other tool decides. One without an explanation is worth a \
              look: with a small file that shows it, please report it.",
};

/// Files a difference names; the count tells of the rest.
const EXAMPLES: usize = 3;

/// An answer, whoever gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Says {
    Yes,
    Partial,
    No,
    NotApplicable,
    Unknown,
}

impl Says {
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partial => "partial",
            Self::No => "no",
            Self::NotApplicable => "not applicable",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Holds => Self::Yes,
            Verdict::Partial { .. } => Self::Partial,
            Verdict::Fails(_) => Self::No,
            Verdict::NotApplicable(_) => Self::NotApplicable,
            Verdict::CannotTell(_) => Self::Unknown,
        }
    }

    /// "Nothing to say" has two names.
    fn agrees(self, other: Self) -> bool {
        let silent = |says| matches!(says, Self::NotApplicable | Self::Unknown);
        self == other || silent(self) && silent(other)
    }
}

/// What a peer says of one rule of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As given on its command line.
    pub file: String,
    /// The rule of ours that asks the same.
    pub rule: &'static str,
    pub says: Says,
    /// Its own words.
    pub text: String,
}

/// Answers that differ in the same way for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub rule: &'static str,
    pub they: Says,
    pub we: Says,
    pub because: Option<&'static str>,
    pub count: usize,
    /// (file, their words, our detail) of the first few.
    pub examples: Vec<(String, String, String)>,
}

/// One peer's answers held against ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub peer: &'static str,
    pub version: String,
    pub files: usize,
    pub answers: usize,
    pub differences: Vec<Difference>,
}

impl Comparison {
    pub fn different(&self) -> usize {
        self.differences.iter().map(|difference| difference.count).sum()
    }

    /// Differences nobody can explain.
    pub fn findings(&self) -> Vec<Finding> {
        let unexplained = self.differences.iter().filter(|difference| difference.because.is_none());
        let finding = |difference: &Difference| {
            let (they, we) = (difference.they.name(), difference.we.name());
            let mut message = format!(
                "{}: {} files: {} says {they}, we say {we}",
                difference.rule, difference.count, self.peer
            );
            if let Some((file, text, detail)) = difference.examples.first() {
                message.push_str(&format!("; {file}: `{text}`, ours: {detail}"));
            }
            Finding::warning(&UNEXPLAINED, message)
        };
        unexplained.map(finding).collect()
    }
}

/// Holds a peer's answers against our verdicts, by file.
pub fn compare(
    peer: &'static Peer,
    version: &str,
    answers: &[Answer],
    objects: &BTreeMap<String, &ObjectVerdict>,
) -> Comparison {
    let mut files = std::collections::BTreeSet::new();
    let mut groups: BTreeMap<(&str, Says, Says, Option<&str>), Difference> = BTreeMap::new();
    let mut compared = 0;
    for answer in answers {
        let Some((object, rule)) = ours(answer, objects) else { continue };
        files.insert(&answer.file);
        compared += 1;
        let we = Says::of(&rule.verdict);
        if answer.says.agrees(we) {
            continue;
        }
        let because = because::explain(peer.name, answer, we, object);
        let group = groups.entry((answer.rule, answer.says, we, because)).or_insert(Difference {
            rule: answer.rule,
            they: answer.says,
            we,
            because,
            count: 0,
            examples: Vec::new(),
        });
        group.count += 1;
        if group.examples.len() < EXAMPLES {
            let detail = rule.verdict.detail();
            let detail = if detail.is_empty() { rule.evidence.clone() } else { detail };
            group.examples.push((object.path.clone(), answer.text.clone(), detail));
        }
    }
    Comparison {
        peer: peer.name,
        version: version.to_owned(),
        files: files.len(),
        answers: compared,
        differences: groups.into_values().collect(),
    }
}

fn ours<'a>(
    answer: &Answer,
    objects: &BTreeMap<String, &'a ObjectVerdict>,
) -> Option<(&'a ObjectVerdict, &'a RuleVerdict)> {
    let object = *objects.get(&answer.file)?;
    let rule = object.rules.iter().find(|rule| rule.rule == answer.rule)?;
    Some((object, rule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf;
    use crate::verify::FileKind;

    fn object(kind: elf::Kind, rules: &[(&'static str, Verdict)]) -> ObjectVerdict {
        let rules = rules
            .iter()
            .map(|(rule, verdict)| RuleVerdict::new(rule, verdict.clone(), String::new()))
            .collect();
        ObjectVerdict {
            path: "/x".to_owned(),
            kind: FileKind::Elf(kind),
            rules,
            ..Default::default()
        }
    }

    fn peer(name: &str) -> &'static Peer {
        PEERS.iter().find(|peer| peer.name == name).unwrap()
    }

    #[test]
    fn each_answer_is_compared_and_what_cannot_be_explained_is_said() {
        let fails = |why: &str| Verdict::Fails(why.to_owned());
        let ours = object(
            elf::Kind::Pie,
            &[("relro", fails("too short")), ("bind-now", Verdict::Holds), ("pie", fails("odd"))],
        );
        let objects = BTreeMap::from([("/x".to_owned(), &ours)]);
        let text = "/x:\n Position Independent Executable: yes\n Read-only relocations: yes\n Immediate binding: yes\n";
        let answers = (peer("hardening-check").parse)(text);
        let result = compare(peer("hardening-check"), "", &answers, &objects);
        assert_eq!((result.files, result.answers, result.different()), (1, 3, 2));
        let relro = result.differences.iter().find(|one| one.rule == "relro").unwrap();
        assert!(relro.because.unwrap().contains("PT_GNU_RELRO"), "{relro:?}");
        let findings = result.findings();
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0].message.starts_with("pie: 1 files: hardening-check says yes, we say no")
        );
    }
}
