//! Waivers: what may fail, why, and until when; and the account of what each one did. Pure.

use std::ops::Range;

pub use toml::value::Date;

use super::codes::{WAIVER_EXPIRED, WAIVER_STALE, WAIVER_UNUSED};
use super::{Policy, Subject};
use crate::finding::{Finding, Place};
use crate::verify::Outcome;
use crate::verify::Report;

/// A waiver of one rule for the files that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    pub rule: String,
    /// Glob over paths.
    pub path: String,
    /// Glob over the names of inputs; the waiver belongs to these only.
    pub input: Option<String>,
    pub reason: String,
    /// The last day it holds.
    pub expires: Date,
    /// Where it stands.
    pub file: String,
    pub span: Range<usize>,
}

impl Waiver {
    fn belongs(&self, input: &str) -> bool {
        let file = input.rsplit('/').next().unwrap_or(input);
        self.input.as_ref().is_none_or(|glob| {
            fast_glob::glob_match(glob, input) || fast_glob::glob_match(glob, file)
        })
    }

    fn covers(&self, rule: &str, subject: Subject<'_>) -> bool {
        self.rule == rule && self.belongs(subject.input) && subject.matches(&self.path)
    }

    fn place(&self) -> Place {
        Place::Span { file: self.file.clone(), span: self.span.clone() }
    }
}

impl Policy {
    /// The waiver in force for a rule of a file.
    pub fn waiver(&self, rule: &str, subject: Subject<'_>) -> Option<&Waiver> {
        let today = self.date?;
        self.waivers.iter().find(|waiver| today <= waiver.expires && waiver.covers(rule, subject))
    }
}

/// What became of each waiver over everything that was judged with this policy: expired, stale and unused ones are
/// errors.
pub fn account(policy: &Policy, reports: &[Report]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for waiver in &policy.waivers {
        // A rule that was not asked for says nothing of its waivers.
        let asked =
            |report: &Report| report.only.is_empty() || report.only.contains(&waiver.rule.as_str());
        let judged =
            || reports.iter().filter(|report| report.policy == policy.name && asked(report));
        if !judged().any(|report| waiver.belongs(&report.name)) {
            continue;
        }
        let what = format!("the waiver of `{}` for {}", waiver.rule, waiver.path);
        if policy.date.is_none_or(|today| today > waiver.expires) {
            let message = format!("{what} expired on {}", waiver.expires);
            findings.push(
                Finding::error(&WAIVER_EXPIRED, message)
                    .at(waiver.place(), "")
                    .with_note(format!("its reason was: {}", waiver.reason)),
            );
            continue;
        }
        let outcomes: Vec<&Outcome> = judged()
            .flat_map(|report| report.judged().map(move |object| (report, object)))
            .filter_map(|(report, object)| {
                let subject = Subject::of(&report.name, object);
                let rule = object.rules.iter().find(|rule| waiver.covers(rule.rule, subject))?;
                Some(&rule.outcome)
            })
            .collect();
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Waived { .. })) {
            continue;
        }
        let finding = if outcomes.is_empty() {
            Finding::error(&WAIVER_UNUSED, format!("{what} matches no file"))
        } else {
            Finding::error(&WAIVER_STALE, format!("{what} is not needed: nothing objects there"))
        };
        findings.push(finding.at(waiver.place(), "").with_help("remove it"));
    }
    findings
}

/// The day of a number of seconds since 1970-01-01, UTC; days before that are that day.
pub fn date_of_epoch(seconds: u64) -> Date {
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    Date {
        year: u16::try_from(year).unwrap_or(u16::MAX),
        month: u8::try_from(month).unwrap_or(1),
        day: u8::try_from(day_of_year - (153 * shifted + 2) / 5 + 1).unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::date_of_epoch;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_735_603_200, "2024-12-31"),
            (4_107_456_000, "2100-02-28"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date_of_epoch(seconds).to_string(), date);
        }
    }
}
