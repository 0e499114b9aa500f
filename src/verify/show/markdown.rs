//! GitHub-flavoured Markdown: what a pull request or a job summary shows.

use crate::finding::{self, Finding, Severity};
use crate::verify::Verdict;
use crate::verify::report::{
    ObjectVerdict, Outcome, RULE_FAILED, Report, RuleVerdict, Verification,
};

/// Rows of one table; job summaries are bounded.
const MOST_ROWS: usize = 400;

/// The page. `texts` are the texts findings point into.
pub fn markdown(verification: &Verification, texts: &[(String, String)]) -> String {
    let word = if verification.passes() { "✅ passes" } else { "❌ fails" };
    let mut out = format!("## quench verify: {word}\n\n");
    out.push_str("| input | policy | ELF files | objections | warnings | waived | |\n");
    out.push_str("|---|---|---:|---:|---:|---:|---|\n");
    for report in &verification.reports {
        out.push_str(&summary(report));
    }
    for report in &verification.reports {
        table(&mut out, report);
        list(&mut out, &report.findings, texts);
    }
    list(&mut out, &verification.findings, texts);
    for report in verification.reports.iter().filter(|report| !report.objects.is_empty()) {
        matrix(&mut out, report);
    }
    out
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
fn table(out: &mut String, report: &Report) {
    let rows: Vec<(&ObjectVerdict, &RuleVerdict)> = report
        .judged()
        .flat_map(|object| object.rules.iter().map(move |rule| (object, rule)))
        .filter(|(_, rule)| rule.outcome != Outcome::Fine)
        .collect();
    if rows.is_empty() {
        return;
    }
    out.push_str(&format!(
        "\n### {}\n\n| | file | rule | verdict | |\n|---|---|---|---|---|\n",
        code(&report.name)
    ));
    for (object, rule) in rows.iter().take(MOST_ROWS) {
        let (mark, more) = match &rule.outcome {
            Outcome::Waived { reason, expires } => {
                ("🕓", format!(" (waived until {expires}: {reason})"))
            }
            Outcome::Warns => ("⚠️", String::new()),
            _ => ("❌", String::new()),
        };
        out.push_str(&format!(
            "| {mark} | {} | {} | {} | {} |\n",
            code(&object.path),
            rule.rule,
            rule.verdict.name(),
            plain(&(rule.verdict.detail() + &more)),
        ));
    }
    if rows.len() > MOST_ROWS {
        out.push_str(&format!("\nand {} more\n", rows.len() - MOST_ROWS));
    }
}

fn list(out: &mut String, findings: &[Finding], texts: &[(String, String)]) {
    let mut findings =
        findings.iter().filter(|finding| finding.code.name != RULE_FAILED.name).peekable();
    if findings.peek().is_some() {
        out.push('\n');
    }
    for finding in findings.take(MOST_ROWS) {
        let mark = match finding.severity {
            Severity::Error => "❌",
            Severity::Warning => "⚠️",
            Severity::Note => "ℹ️",
        };
        let place = finding.labels.first().map(|label| finding::place(&label.place, texts));
        let place = place.map(|place| format!("{}: ", code(&place))).unwrap_or_default();
        out.push_str(&format!(
            "- {mark} {place}{} (`{}`)\n",
            plain(&finding.message),
            finding.code.name
        ));
    }
}

/// Every file and rule, folded away.
fn matrix(out: &mut String, report: &Report) {
    let mut rules: Vec<&str> = Vec::new();
    for rule in report.objects.iter().flat_map(|object| &object.rules) {
        if !rules.contains(&rule.rule) {
            rules.push(rule.rule);
        }
    }
    out.push_str(&format!(
        "\n<details><summary>All verdicts of {}</summary>\n\n",
        html(&report.name)
    ));
    out.push_str(&format!(
        "| file | {} |\n|---|{}\n",
        rules.join(" | "),
        "---|".repeat(rules.len())
    ));
    for object in report.objects.iter().take(MOST_ROWS) {
        let cell = |name: &&str| {
            let rule = object.rules.iter().find(|rule| rule.rule == *name);
            rule.map_or(String::new(), |rule| short(&rule.verdict))
        };
        let cells: Vec<String> = rules.iter().map(cell).collect();
        out.push_str(&format!("| {} | {} |\n", code(&object.path), cells.join(" | ")));
    }
    if report.objects.len() > MOST_ROWS {
        out.push_str(&format!("\nand {} more\n", report.objects.len() - MOST_ROWS));
    }
    out.push_str("\n</details>\n");
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
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '@' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A path as code. A bar would end the cell and a backtick the code, so both go into an HTML element instead.
fn code(text: &str) -> String {
    if text.chars().any(|c| matches!(c, '`' | '|') || c.is_control()) {
        format!("<code>{}</code>", html(text))
    } else {
        format!("`{text}`")
    }
}

fn html(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '|' | '`' | '*' | '_' | '[' | '\\' => {
                out.push_str(&format!("&#{};", u32::from(c)));
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{code, plain};

    #[test]
    fn names_of_files_cannot_write_markup() {
        assert_eq!(code("/usr/bin/x"), "`/usr/bin/x`");
        assert_eq!(code("a`|b"), "<code>a&#96;&#124;b</code>");
        assert_eq!(plain("a|b\n<img> @all"), "a\\|b &lt;img&gt; \\@all");
    }
}
