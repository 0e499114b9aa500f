//! The table for people.

use std::collections::BTreeSet;

use crate::finding::escape_controls;
use crate::verify::compare::{Comparison, Difference};
use crate::verify::pages::remedy;
use crate::verify::policy::{Demand, Policy};
use crate::verify::rule_infos;
use crate::verify::{ObjectVerdict, Outcome, Report, RuleVerdict, Verdict};

/// Columns of the last cell, and where it begins.
const WIDTH: usize = 90;
const INDENT: usize = 37;
/// Of what nobody objects to no more is shown.
const ENOUGH: usize = 250;
/// Nor of what somebody does: a name may have kilobytes.
const MOST: usize = 4000;
/// Up to so many files, every verdict is shown.
const MAX_NAMED: usize = 5;

/// True when a table of so many files shows every verdict.
pub fn shows_all(files: usize) -> bool {
    files <= MAX_NAMED
}

/// A report for people: with `all`, every verdict; else those a policy has something to say about, and of few files those
/// that hold, too.
pub fn human(report: &Report, all: bool) -> String {
    let few = shows_all(report.objects.len());
    let shows = |rule: &&RuleVerdict| {
        // What nobody demands is not shown as if it counted.
        let demanded = rule.setting.demand != Demand::Report
            || matches!(rule.verdict, Verdict::Holds | Verdict::NotApplicable(_));
        all || rule.outcome != Outcome::Fine || few && demanded
    };
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
        let shown: Vec<&RuleVerdict> = object.rules.iter().filter(shows).collect();
        if !shown.is_empty() {
            out.push_str(&head(object));
            out.extend(shown.into_iter().map(line));
        }
    }
    out + &what_to_do(report)
}

/// Once for each rule that is objected to or warned about: the remedy, and what the lack means.
fn what_to_do(report: &Report) -> String {
    let told = report.judged().flat_map(|object| &object.rules);
    let told = told.filter(|rule| matches!(rule.outcome, Outcome::Objects | Outcome::Warns));
    let names: BTreeSet<&str> = told.map(|rule| rule.rule).collect();
    let mut out = String::new();
    for rule in rule_infos().filter(|rule| names.contains(rule.name)) {
        if out.is_empty() {
            out.push_str("  what to do:\n");
        }
        out.push_str(&format!("    {:<16} {}\n", rule.name, cell(remedy(rule.name), 21)));
        out.push_str(&format!("{:21}{}\n", "", cell(&format!("Why: {}", rule.page.why), 21)));
    }
    out
}

/// A text in lines, those after the first indented.
fn cell(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > WIDTH {
            out.push_str(&format!("\n{}", " ".repeat(indent)));
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
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
    let demanded = rule.setting.demand != Demand::Report;
    let told = rule.outcome != Outcome::Fine;
    let text = escape_controls(&text);
    let most = if told { MOST } else { ENOUGH };
    let mut shown: String = text.chars().take(most).collect();
    if shown.len() < text.len() {
        shown.push_str(if told { " … (--format json has all)" } else { " …" });
    }
    if let Some(because) = rule.setting.because.as_ref().filter(|_| told) {
        shown.push_str(&format!(" (the policy says: {})", escape_controls(because)));
    }
    if !demanded && matches!(rule.verdict, Verdict::Fails(_) | Verdict::Partial { .. }) {
        shown.push_str(" (the policy does not demand it)");
    }
    let text = cell(&shown, INDENT);
    let line = format!("  {mark} {:<16} {:<15} {text}", rule.rule, rule.verdict.name());
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rule: &'static str, verdict: Verdict, policy: &str, all: bool) -> String {
        let rules = vec![RuleVerdict::new(rule, verdict, String::new())];
        let object =
            ObjectVerdict { path: "/usr/bin/x".to_owned(), rules, ..ObjectVerdict::default() };
        let examined = crate::verify::Examination {
            objects: vec![object],
            ..crate::verify::Examination::new("x")
        };
        human(&examined.settle(&Policy::named(policy).unwrap()), all)
    }

    #[test]
    fn what_is_objected_to_is_shown_whole_with_a_remedy() {
        let names: Vec<String> = (0..80).map(|n| format!("function_{n}")).collect();
        let fails = |why: &str| Verdict::Fails(why.to_owned());
        let text = shown("stack-protector", fails(&names.join(" ")), "distribution", false);
        assert!(names.iter().all(|name| text.contains(name.as_str())), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= INDENT + WIDTH), "{text}");
        assert!(text.contains("-fstack-protector-strong") && text.contains("Why: "), "{text}");
        // What nobody demanded is shown when it is asked for, and told to be that.
        let quiet = shown("cfi", fails("no check"), "distribution", false);
        assert!(!quiet.contains("cfi"), "{quiet}");
        let asked = shown("cfi", fails("no check"), "distribution", true);
        assert!(asked.contains("no check (the policy does not demand it)"), "{asked}");
        assert!(!asked.contains("what to do"), "{asked}");
        assert!(shown("cfi", fails("no check"), "quench-cfi", false).contains("-fsanitize=cfi"));
        assert!(shown("cfi", Verdict::Holds, "distribution", false).contains("cfi"));
    }
}
