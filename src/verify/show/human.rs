//! The table for people.

use crate::finding::escape_controls;
use crate::verify::compare::{Comparison, Difference};
use crate::verify::policy::Policy;
use crate::verify::rule_infos;
use crate::verify::{ObjectVerdict, Outcome, Report, RuleVerdict};

/// Columns of the last cell.
const WIDTH: usize = 110;
/// Up to so many files, every verdict is shown.
const MAX_NAMED: usize = 5;

/// True when a table of so many files shows every verdict.
pub fn shows_all(files: usize) -> bool {
    files <= MAX_NAMED
}

/// A report for people: with `all`, every verdict; else those a policy has something to say about, and of few files all.
pub fn human(report: &Report, all: bool) -> String {
    let all = all || shows_all(report.objects.len());
    let mut out = format!(
        "{}: {} ELF files, {} others, policy {}{}: {}\n",
        escape_controls(&report.name),
        report.objects.len(),
        report.others,
        report.policy,
        if report.only.is_empty() {
            String::new()
        } else {
            format!(" (only {})", report.only.join(" "))
        },
        report.word()
    );
    for object in report.judged() {
        let shown: Vec<&RuleVerdict> =
            object.rules.iter().filter(|rule| all || rule.outcome != Outcome::Fine).collect();
        if !shown.is_empty() {
            out.push_str(&head(object));
            out.extend(shown.into_iter().map(line));
        }
    }
    out
}

/// What other checkers said, for people.
pub fn comparison(comparison: &Comparison) -> String {
    let Comparison { peer, version, files, answers, differences } = comparison;
    let version = if version.is_empty() { String::new() } else { format!(" ({version})") };
    let mut out = format!(
        "{peer}{version}: {files} files, {answers} answers, {} the same, {} differ\n",
        answers - comparison.different(),
        comparison.different()
    );
    for Difference { rule, they, we, because, count, examples } in differences {
        let because = because.unwrap_or("NOT EXPLAINED: one of the two may be wrong");
        out.push_str(&format!(
            "  {count:>5} {rule:<16} it says {}, we say {}: {because}\n",
            they.name(),
            we.name()
        ));
        for (file, text, detail) in examples {
            let detail: String = detail.chars().take(WIDTH).collect();
            let line = format!("{file}: `{text}`; ours: {detail}");
            out.push_str(&format!("        {}\n", escape_controls(&line)));
        }
    }
    out
}

/// The rules and the shipped policies.
pub fn rules_text() -> String {
    let mut out = "rules:\n".to_owned();
    for rule in rule_infos() {
        out.push_str(&format!(
            "  {:<18} {}\n{:21}source: {}\n",
            rule.name, rule.summary, "", rule.source
        ));
    }
    out.push_str("policies:\n");
    for policy in Policy::names().into_iter().filter_map(Policy::named) {
        out.push_str(&format!("  {:<18} {}\n", policy.name, policy.summary));
    }
    out
}

fn head(object: &ObjectVerdict) -> String {
    let privileged = if object.privileged { ", privileged" } else { "" };
    let languages = object.languages.iter().map(|language| format!(", {language}"));
    let languages: String = languages.collect();
    let kind = object.kind.name();
    format!("  {} ({kind}{languages}{privileged})\n", escape_controls(&object.path))
}

fn line(rule: &RuleVerdict) -> String {
    let detail = rule.verdict.detail();
    let text = if detail.is_empty() { &rule.evidence } else { &detail };
    let (mark, text) = match &rule.outcome {
        Outcome::Fine => (" ", text.clone()),
        Outcome::Warns => ("!", text.clone()),
        Outcome::Objects => ("✗", text.clone()),
        Outcome::Waived { reason, expires } => {
            ("w", format!("{text} [waived until {expires}: {reason}]"))
        }
    };
    let text: String = escape_controls(&text).chars().take(WIDTH).collect();
    let line = format!("  {mark} {:<16} {:<15} {text}", rule.rule, rule.verdict.name());
    format!("{}\n", line.trim_end())
}
