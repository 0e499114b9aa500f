//! JUnit XML: one suite an input, one case a rule and file. What CI servers agree on: the `testsuites` dialect.

use crate::finding::{Finding, Severity, visible};
use crate::verify::judge::RULE_FAILED;
use crate::verify::{ObjectVerdict, Outcome, Report, RuleVerdict, Verdict, Verification};

/// One test case: its class, its name, what stands in it.
struct Case {
    class: String,
    name: String,
    outcome: Element,
}

enum Element {
    Passes,
    /// Passes, with a word about it.
    Says(String),
    Skipped(String),
    Failure(String),
    /// We could not look.
    Error(String),
}

/// The whole file.
pub fn junit(verification: &Verification) -> String {
    let mut suites: Vec<(String, Vec<Case>)> =
        verification.reports.iter().map(|report| (report.name.clone(), cases(report))).collect();
    if !verification.findings.is_empty() {
        let cases = verification.findings.iter().map(of_finding).collect();
        suites.push(("quench verify".to_owned(), cases));
    }
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let all = || suites.iter().flat_map(|(_, cases)| cases);
    out.push_str(&format!("<testsuites name=\"quench verify\"{}>\n", counts(all())));
    for (name, cases) in &suites {
        out.push_str(&format!(
            "  <testsuite name=\"{}\"{}>\n",
            escaped(name),
            counts(cases.iter())
        ));
        for case in cases {
            out.push_str(&element(case));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn counts<'a>(cases: impl Iterator<Item = &'a Case>) -> String {
    let (mut tests, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    for case in cases {
        tests += 1;
        match case.outcome {
            Element::Failure(_) => failures += 1,
            Element::Error(_) => errors += 1,
            Element::Skipped(_) => skipped += 1,
            Element::Passes | Element::Says(_) => {}
        }
    }
    format!(
        " tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"0\""
    )
}

fn cases(report: &Report) -> Vec<Case> {
    let of_rules =
        report.judged().flat_map(|object| object.rules.iter().map(|rule| of_rule(object, rule)));
    let others = report.findings.iter().filter(|finding| *finding.code != RULE_FAILED);
    of_rules.chain(others.map(of_finding)).collect()
}

fn of_rule(object: &ObjectVerdict, rule: &RuleVerdict) -> Case {
    let text = format!("{}: {}", rule.verdict.name(), rule.verdict.detail());
    let outcome = match (&rule.outcome, &rule.verdict) {
        (Outcome::Objects, _) => Element::Failure(text),
        (Outcome::Waived { reason, expires }, _) => {
            Element::Skipped(format!("waived until {expires}: {reason} ({text})"))
        }
        (_, Verdict::NotApplicable(_)) => Element::Skipped(text),
        (Outcome::Fine, Verdict::Holds) => Element::Passes,
        (Outcome::Warns | Outcome::Fine, _) => Element::Says(text),
    };
    Case { class: object.path.clone(), name: rule.rule.to_owned(), outcome }
}

fn of_finding(finding: &Finding) -> Case {
    let outcome = match finding.severity {
        Severity::Error => Element::Error(finding.message.clone()),
        Severity::Warning | Severity::Note => Element::Says(finding.message.clone()),
    };
    let class = finding.labels.first().map(|label| crate::finding::place(&label.place, &[]));
    Case { class: class.unwrap_or_default(), name: finding.code.name.to_owned(), outcome }
}

fn element(case: &Case) -> String {
    let head = format!(
        "    <testcase classname=\"{}\" name=\"{}\"",
        escaped(&case.class),
        escaped(&case.name)
    );
    let with = |tag: &str, text: &str| {
        let text = escaped(text);
        format!("{head}>\n      <{tag} message=\"{text}\">{text}</{tag}>\n    </testcase>\n")
    };
    match &case.outcome {
        Element::Passes => format!("{head}/>\n"),
        Element::Says(text) => {
            let text = escaped(text);
            format!("{head}>\n      <system-out>{text}</system-out>\n    </testcase>\n")
        }
        // There are thousands, and nobody looks for more than the reason.
        Element::Skipped(text) => {
            format!("{head}>\n      <skipped message=\"{}\"/>\n    </testcase>\n", escaped(text))
        }
        Element::Failure(text) => with("failure", text),
        Element::Error(text) => with("error", text),
    }
}

/// Text for content and attributes. XML 1.0 knows few control characters, and no reference to the others: what cannot be
/// seen stands as it does for people.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut buffer = [0; 4];
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push_str(&format!("&#{};", u32::from(c))),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push_str(&visible(c.encode_utf8(&mut buffer))),
        }
    }
    out
}
