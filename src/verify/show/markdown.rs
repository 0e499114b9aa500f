//! GitHub-flavoured Markdown: what a pull request or a job summary shows.

use std::collections::BTreeSet;

use crate::finding::{self, Finding, Severity, escape_controls};
use crate::verify::judge::RULE_FAILED;
use crate::verify::pages::remedy;
use crate::verify::{
    ObjectVerdict, Outcome, Report, RuleInfo, RuleVerdict, Verdict, Verification, rule_infos,
};

/// Rows of one table; job summaries are bounded.
const MAX_ROWS: usize = 400;

/// A job summary may have 1 MiB; with a byte more nothing of it is shown.
const MAX_BYTES: usize = 1_000_000;

/// What has room on the page.
struct Page {
    text: String,
    /// Rows and findings that had none.
    missing: usize,
}

impl Page {
    /// Rows of one table or list with what stands around them; those without room are counted, and no table is empty.
    fn rows(&mut self, head: &str, rows: impl ExactSizeIterator<Item = String>, end: &str) {
        let (mut shown, mut left, mut open) = (0, rows.len(), false);
        for row in rows {
            let around = if open { 0 } else { head.len() + end.len() + NOTE };
            if shown == MAX_ROWS || !self.has_room(around + row.len() + NOTE) {
                break;
            }
            if !open {
                self.text.push_str(head);
                open = true;
            }
            self.text.push_str(&row);
            shown += 1;
            left -= 1;
        }
        if open {
            if left > 0 {
                self.text.push_str(&format!("\nand {left} more\n"));
            }
            self.text.push_str(end);
        } else {
            self.missing += left;
        }
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.text.len() + bytes + NOTE <= MAX_BYTES
    }
}

/// Room for a word about what is missing, and for the end of a table that has begun.
const NOTE: usize = 200;

/// The page. `texts` are the texts findings point into.
pub fn markdown(verification: &Verification, texts: &[(String, String)]) -> String {
    let unopened: usize = verification.reports.iter().map(|report| report.unopened().len()).sum();
    let word = match (verification.passes(), unopened) {
        (false, _) => "❌ fails".to_owned(),
        (true, 0) => "✅ passes".to_owned(),
        (true, count) => format!("⚠️ passes, {count} archives not opened"),
    };
    let mut page = Page { text: format!("## quench verify: {word}\n\n"), missing: 0 };
    page.rows(
        "| input | policy | ELF files | objections | warnings | waived | |\n|---|---|---:|---:|---:|---:|---|\n",
        verification.reports.iter().map(summary),
        "",
    );
    for report in &verification.reports {
        table(&mut page, report);
        list(&mut page, &report.findings, texts);
    }
    list(&mut page, &verification.findings, texts);
    remedies(&mut page, verification);
    for report in verification.reports.iter().filter(|report| !report.objects.is_empty()) {
        matrix(&mut page, report);
    }
    let Page { mut text, missing } = page;
    if missing > 0 {
        text.push_str(&format!("\n{missing} rows more have no room on this page.\n"));
    }
    text
}

fn count(report: &Report, wanted: &dyn Fn(&Outcome) -> bool) -> usize {
    report.judged().flat_map(|object| &object.rules).filter(|rule| wanted(&rule.outcome)).count()
}

fn summary(report: &Report) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |\n",
        code(&report.name),
        report.policy,
        report.objects.len(),
        count(report, &|outcome| *outcome == Outcome::Objects),
        count(report, &|outcome| *outcome == Outcome::Warns),
        count(report, &|outcome| matches!(outcome, Outcome::Waived { .. })),
        if report.passes() { "✅" } else { "❌" },
    )
}

/// What a policy has something to say about.
fn table(page: &mut Page, report: &Report) {
    let rows: Vec<(&ObjectVerdict, &RuleVerdict)> = report
        .judged()
        .flat_map(|object| object.rules.iter().map(move |rule| (object, rule)))
        .filter(|(_, rule)| rule.outcome != Outcome::Fine)
        .collect();
    let head = format!(
        "\n### {}\n\n| | file | rule | verdict | |\n|---|---|---|---|---|\n",
        code(&report.name)
    );
    let row = |(object, rule): &(&ObjectVerdict, &RuleVerdict)| {
        let (mark, more) = match &rule.outcome {
            Outcome::Waived { reason, expires } => {
                ("🕓", format!(" (waived until {expires}: {reason})"))
            }
            Outcome::Warns => ("⚠️", String::new()),
            _ => ("❌", String::new()),
        };
        format!(
            "| {mark} | {} | {} | {} | {} |\n",
            code(&object.path),
            rule.rule,
            rule.verdict.name(),
            plain(&(rule.verdict.detail() + &more)),
        )
    };
    page.rows(&head, rows.iter().map(row), "");
}

/// Once for each rule that is objected to or warned about.
fn remedies(page: &mut Page, verification: &Verification) {
    let objects = verification.reports.iter().flat_map(Report::judged);
    let told = objects.flat_map(|object| &object.rules);
    let told = told.filter(|rule| matches!(rule.outcome, Outcome::Objects | Outcome::Warns));
    let names: BTreeSet<&str> = told.map(|rule| rule.rule).collect();
    let rules: Vec<RuleInfo> = rule_infos().filter(|rule| names.contains(rule.name)).collect();
    let row = |rule: &RuleInfo| {
        format!("- **{}**: {} *Why:* {}\n", rule.name, remedy(rule.name), rule.page.why)
    };
    page.rows("\n### What to do\n\n", rules.iter().map(row), "");
}

fn list(page: &mut Page, findings: &[Finding], texts: &[(String, String)]) {
    let findings: Vec<&Finding> =
        findings.iter().filter(|finding| *finding.code != RULE_FAILED).collect();
    let row = |finding: &&Finding| {
        let mark = match finding.severity {
            Severity::Error => "❌",
            Severity::Warning => "⚠️",
            Severity::Note => "ℹ️",
        };
        let place = finding.labels.first().map(|label| finding::place(&label.place, texts));
        let place = place.map(|place| format!("{}: ", code(&place))).unwrap_or_default();
        format!("- {mark} {place}{} (`{}`)\n", plain(&finding.message), finding.code.name)
    };
    page.rows("\n", findings.iter().map(row), "");
}

/// Every file and rule, folded away.
fn matrix(page: &mut Page, report: &Report) {
    let mut rules: Vec<&str> = Vec::new();
    for rule in report.objects.iter().flat_map(|object| &object.rules) {
        if !rules.contains(&rule.rule) {
            rules.push(rule.rule);
        }
    }
    let head = format!(
        "\n<details><summary>All verdicts of {}</summary>\n\n| file | {} |\n|---|{}\n",
        html(&report.name),
        rules.join(" | "),
        "---|".repeat(rules.len())
    );
    let row = |object: &ObjectVerdict| {
        let cell = |name: &&str| {
            let rule = object.rules.iter().find(|rule| rule.rule == *name);
            rule.map_or(String::new(), |rule| short(&rule.verdict))
        };
        let cells: Vec<String> = rules.iter().map(cell).collect();
        format!("| {} | {} |\n", code(&object.path), cells.join(" | "))
    };
    page.rows(&head, report.objects.iter().map(row), "\n</details>\n");
}

fn short(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Holds => "yes".to_owned(),
        Verdict::Fails(_) => "**no**".to_owned(),
        Verdict::Partial { n, m, .. } => format!("{n}/{m}"),
        Verdict::NotApplicable(_) => "–".to_owned(),
        Verdict::CannotTell(_) => "?".to_owned(),
    }
}

/// Text in a table cell: nothing in it is markup.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in escape_controls(&text.replace('\n', " ")).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '@' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// A path as code. A bar would end the cell and a backtick the code, so both go into an HTML element instead.
fn code(text: &str) -> String {
    let text = escape_controls(text);
    if text.contains(['`', '|', '\\']) || text.trim() != text {
        format!("<code>{}</code>", html(&text))
    } else {
        format!("`{text}`")
    }
}

fn html(text: &str) -> String {
    let mut out = String::new();
    for c in escape_controls(text).chars() {
        match c {
            '<' | '>' | '&' | '@' | '|' | '`' | '*' | '_' | '[' | '\\' => {
                out.push_str(&format!("&#{};", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{MAX_ROWS, code, markdown, plain};
    use crate::verify::{ObjectVerdict, Outcome, Report, RuleVerdict, Verdict, Verification};

    #[test]
    fn a_page_never_has_more_than_a_job_summary_may() {
        let mut rule = RuleVerdict::new("pie", Verdict::Fails("x".repeat(200)), String::new());
        rule.outcome = Outcome::Objects;
        let object = |index: usize, length: usize| ObjectVerdict {
            path: format!("/usr/{}/{index}", "p".repeat(length)),
            rules: vec![rule.clone()],
            ..ObjectVerdict::default()
        };
        let report = |length: usize| Report {
            name: "d".to_owned(),
            objects: (0..=MAX_ROWS).map(|index| object(index, length)).collect(),
            ..Report::default()
        };
        let page = |reports: Vec<Report>| {
            markdown(&Verification { reports, ..Verification::default() }, &[])
        };
        let large = page(vec![report(3000), report(9), report(1500)]);
        assert!(large.len() <= 1 << 20 && large.len() > 900_000, "{}", large.len());
        assert!(large.contains("\nand ") && large.contains(" rows more have no room"));
        let opened = large.matches("<details>").count();
        assert_eq!(opened, large.matches("</details>").count());
        let small = page(vec![report(9)]);
        assert_eq!(small.matches("\nand 1 more\n").count(), 2, "{}", small.len());
    }

    #[test]
    fn names_of_files_cannot_write_markup() {
        assert_eq!(code("/usr/bin/x"), "`/usr/bin/x`");
        assert_eq!(code("a`|b"), "<code>a&#96;&#124;b</code>");
        assert_eq!(plain("a|b\n<img> @all"), "a\\|b &lt;img&gt; \\@all");
        assert_eq!(code("a\u{1b}[1m"), "<code>a&#92;u{1b}&#91;1m</code>");
    }
}
