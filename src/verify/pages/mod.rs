//! The page of each rule: what it asks, why, how it decides, what it does not see, and what "cannot tell" means. For
//! `quench explain`, SARIF's help and `docs/rules.md`.
//!
//! Pure. A page speaks of what the rule's code does; who changes a rule changes its page.

mod code;
mod files;
mod headers;
mod remedy;

pub(super) use code::*;
pub(super) use files::*;
pub(super) use headers::*;
pub(super) use remedy::remedy;

use super::policy::{Demand, Policy, Subject};
use super::rules::{Needs, RULES};
use super::{RuleInfo, rule_infos};
use crate::finding::wrapped;

/// The text of a rule's page in Markdown: complete sentences, one paragraph each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// What an attacker or a user gains where the rule does not hold.
    pub why: &'static str,
    /// What is read, and what makes the rule hold, hold partially, or fail.
    pub how: &'static str,
    /// What the rule does not see, and where it is out of place.
    pub limits: &'static str,
    /// When the verdict is "cannot tell", and what to do then.
    pub cannot_tell: &'static str,
}

impl RuleInfo {
    /// The page for a terminal, lines wrapped.
    pub fn text(&self) -> String {
        let mut out = format!("{}: {}\n", self.name, self.summary);
        for (title, text) in self.sections() {
            out.push_str(&format!("\n{title}\n{}", wrapped(&text, 2)));
        }
        out
    }

    /// The page in Markdown, with headings of a level.
    pub fn markdown(&self, level: usize) -> String {
        let (top, below) = ("#".repeat(level), "#".repeat(level + 1));
        let mut out = format!("{top} `{}`\n\nWhat must hold: {}.\n", self.name, self.summary);
        for (title, text) in self.sections() {
            out.push_str(&format!("\n{below} {title}\n\n{text}\n"));
        }
        out
    }

    fn sections(&self) -> [(&'static str, String); 7] {
        let Page { why, how, limits, cannot_tell } = *self.page;
        [
            ("Why it matters", why.to_owned()),
            ("What to do", remedy(self.name).to_owned()),
            ("How it is decided", how.to_owned()),
            ("Limits", limits.to_owned()),
            ("\"Cannot tell\"", cannot_tell.to_owned()),
            ("Source", self.source.to_owned()),
            ("Use", self.usage()),
        ]
    }

    /// How to ask for the rule alone, and which shipped policies demand it.
    fn usage(&self) -> String {
        let group = match RULES.iter().find(|rule| rule.name == self.name).map(|rule| rule.needs) {
            Some(Needs::Headers) => "headers",
            Some(Needs::Bytes | Needs::Code) => "code",
            None => "files",
        };
        let demanded = |demand: Demand, privileged: bool| {
            let subject = Subject { privileged, ..Subject::default() };
            let policies = Policy::names().into_iter().filter_map(Policy::named);
            let policies =
                policies.filter(|policy| policy.setting(self.name, subject).demand == demand);
            policies.map(|policy| format!("`{}`", policy.name)).collect::<Vec<_>>()
        };
        let mut out = format!(
            "`quench verify --only {} FILE` judges this rule alone, `--only {group}` its group.",
            self.name
        );
        let required = demanded(Demand::Require, false);
        let mut privileged = demanded(Demand::Require, true);
        privileged.retain(|policy| !required.contains(policy));
        for (policies, how) in [
            (required, "Required by"),
            (privileged, "Required of privileged files by"),
            (demanded(Demand::Warn, false), "Warned about by"),
        ] {
            if !policies.is_empty() {
                out.push_str(&format!(" {how} {}.", policies.join(", ")));
            }
        }
        out
    }
}

/// The page of a rule by its name, or by `rule/NAME` where something else has that name, too.
pub fn rule_page(name: &str) -> Option<RuleInfo> {
    let name = name.strip_prefix("rule/").unwrap_or(name);
    rule_infos().find(|rule| rule.name == name)
}

/// All pages as one Markdown document.
pub fn rules_reference() -> String {
    let mut out = "# Rules of the verifier\n\n\
        Written by `cargo xtask generate` from the program's own pages; `quench explain RULE` says the same. A rule has one \
        of five verdicts: it holds, fails, is partial (n of m), is not applicable, or cannot be told. What follows from a \
        verdict is the policy's business (`policies/README.md`); by default a required rule that cannot be told fails.\n\n"
        .to_owned();
    for rule in rule_infos() {
        out.push_str(&format!("- [`{0}`](#{0}): {1}\n", rule.name, rule.summary));
    }
    for rule in rule_infos() {
        out.push_str(&format!("\n{}", rule.markdown(2)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{rule_infos, rule_page};

    #[test]
    fn every_rule_has_a_page_of_its_own_in_full_sentences() {
        let mut seen = std::collections::BTreeSet::new();
        for rule in rule_infos() {
            let page = rule.page;
            for text in [page.why, page.how, page.limits, page.cannot_tell] {
                assert!(text.ends_with('.') && text.len() > 15, "{}: {text}", rule.name);
            }
            assert!(seen.insert((page.why, page.how)), "{} has another rule's page", rule.name);
            let pages = [rule_page(rule.name), rule_page(&format!("rule/{}", rule.name))];
            assert_eq!(pages, [Some(rule), Some(rule)]);
        }
    }

    #[test]
    fn a_page_names_who_demands_the_rule() {
        let text = rule_page("bind-now").unwrap().text();
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("Required of privileged files by `debian-12`"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(
            text.contains("\n\"Cannot tell\"\n") && text.contains("\nSource\n  gABI"),
            "{text}"
        );
    }
}
