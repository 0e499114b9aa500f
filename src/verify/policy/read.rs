//! Reads a policy and what it extends; all faults in one run, each with its place. Pure.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::codes::{BAD_VALUE, EXTENDS, MISSING, SCHEMA, SYNTAX, UNKNOWN_KEY, UNKNOWN_RULE};
use super::waiver::{Date, Waiver};
use super::{Change, Changes, Demand, FileRules, Parents, PathRules, Policy};
use crate::finding::{Code, Finding, Place, closest};
use crate::verify::traits::{LANGUAGES, MACHINES};

/// How many policies one may stand on, all generations together.
const ANCESTORS: usize = 16;

const DEMANDS: [(&str, Demand); 3] =
    [("require", Demand::Require), ("warn", Demand::Warn), ("report", Demand::Report)];
/// What "cannot tell" may count as.
const UNTOLD: [(&str, Demand); 3] =
    [("fail", Demand::Require), ("warn", Demand::Warn), ("pass", Demand::Report)];

/// Loads a policy. `None` when any finding is an error: half a policy demands half.
pub fn load(file: &str, text: &str, parents: &Parents<'_>) -> (Option<Policy>, Vec<Finding>) {
    let mut loader =
        Loader { parents, policy: Policy::default(), findings: Vec::new(), stack: Vec::new() };
    loader.add(file, text);
    let Loader { policy, findings, .. } = loader;
    let sound = !crate::finding::any_error(&findings);
    (sound.then_some(policy), findings)
}

struct Loader<'a> {
    parents: &'a Parents<'a>,
    policy: Policy,
    findings: Vec<Finding>,
    stack: Vec<String>,
}

impl Loader<'_> {
    fn add(&mut self, file: &str, text: &str) {
        self.policy.texts.push((file.to_owned(), text.to_owned()));
        self.stack.push(file.to_owned());
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader { file, findings: &mut self.findings };
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            reader.fault(&SYNTAX, error.message().to_owned(), span, None);
        }
        let root = root.into_inner();
        if reader.schema(&root) {
            let keys = ["schema", "name", "summary", "source", "extends", "rules", "privileged"];
            reader.known(&root, "", &[&keys[..], &["path", "file", "allow", "waiver"]].concat());
            for (parent, span) in reader.strings(&root, "extends") {
                self.extend(&parent, file, span);
            }
            self.own(file, &root);
        }
        self.stack.pop();
    }

    fn extend(&mut self, parent: &str, file: &str, span: Range<usize>) {
        let mut fault = |message: String| {
            Reader { file, findings: &mut self.findings }.fault(&EXTENDS, message, span.clone(), {
                closest(parent, &Policy::names()).map(|name| format!("did you mean `{name}`?"))
            });
        };
        match (self.parents)(parent) {
            None => fault(format!("no policy `{parent}`")),
            Some((file, _))
                if self.stack.contains(&file) || self.policy.texts.len() > ANCESTORS =>
            {
                fault(format!("`{parent}` extends itself, or stands on more than {ANCESTORS}"));
            }
            Some((file, text)) => self.add(&file, &text),
        }
    }

    /// What one file says, over what its parents said.
    fn own(&mut self, file: &str, root: &DeTable<'_>) {
        let mut reader = Reader { file, findings: &mut self.findings };
        let name = reader.string(root, "name");
        if name.is_none() && root.get("name").is_none() {
            reader.fault(&MISSING, "no `name` in the policy".to_owned(), 0..0, None);
        }
        self.policy.name = name.map(|(name, _)| name).unwrap_or_default();
        self.policy.summary =
            reader.string(root, "summary").map(|(text, _)| text).unwrap_or_default();
        let _ = reader.string(root, "source");
        if let Some(table) = reader.table(root, "rules") {
            merge(&mut self.policy.rules, reader.rules(table));
        }
        if let Some(table) = reader.table(root, "privileged") {
            reader.known(table, "privileged.", &["rules"]);
            if let Some(table) = reader.table(table, "rules") {
                merge(&mut self.policy.privileged, reader.rules(table));
            }
        }
        if let Some(table) = reader.table(root, "allow") {
            reader.known(table, "allow.", &["rpath", "interpreter"]);
            self.policy.allowed.rpath.extend(reader.absolute(table, "rpath"));
            self.policy.allowed.interpreter.extend(reader.absolute(table, "interpreter"));
        }
        for (table, span) in reader.tables(root, "file") {
            self.policy.files.extend(reader.file(table, span));
        }
        for (table, span) in reader.tables(root, "path") {
            self.policy.paths.extend(reader.path(table, span));
        }
        for (table, span) in reader.tables(root, "waiver") {
            self.policy.waivers.extend(reader.waiver(table, span));
        }
    }
}

fn merge(all: &mut Changes, more: Changes) {
    for (rule, change) in more {
        let entry = all.entry(rule).or_default();
        *entry = Change {
            demand: change.demand.or(entry.demand),
            at_least: change.at_least.or(entry.at_least),
            cannot_tell: change.cannot_tell.or(entry.cannot_tell),
            because: change.because.or_else(|| entry.because.take()),
        };
    }
}

/// One file's tables, and where its faults go.
struct Reader<'a> {
    file: &'a str,
    findings: &'a mut Vec<Finding>,
}

type Placed<T> = (T, Range<usize>);

impl Reader<'_> {
    fn fault(
        &mut self,
        code: &'static Code,
        message: String,
        span: Range<usize>,
        help: Option<String>,
    ) {
        let place = Place::Span { file: self.file.to_owned(), span };
        let finding = Finding::error(code, message).at(place, "");
        self.findings.push(match help {
            Some(help) => finding.with_help(help),
            None => finding,
        });
    }

    fn schema(&mut self, root: &DeTable<'_>) -> bool {
        let Some(value) = root.get("schema") else {
            let help = Some("add schema = 1".to_owned());
            self.fault(&MISSING, "no `schema` in the policy".to_owned(), 0..0, help);
            return true;
        };
        let one = matches!(value.get_ref(), DeValue::Integer(number) if number.to_string() == "1");
        if !one {
            let message = "this Quench reads policies of schema 1".to_owned();
            self.fault(&SCHEMA, message, value.span(), Some("use a newer Quench".to_owned()));
        }
        one
    }

    fn known(&mut self, table: &DeTable<'_>, prefix: &str, known: &[&str]) {
        for (key, _) in table {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let message = format!("unknown key `{prefix}{name}`");
                self.fault(&UNKNOWN_KEY, message, key.span(), Some(suggest(name, known)));
            }
        }
    }

    fn wrong(&mut self, key: &str, wanted: &str, span: Range<usize>) {
        self.fault(&BAD_VALUE, format!("`{key}` takes {wanted}"), span, None);
    }

    fn string(&mut self, table: &DeTable<'_>, key: &str) -> Option<Placed<String>> {
        let value = table.get(key)?;
        if let DeValue::String(text) = value.get_ref() {
            return Some((text.clone().into_owned(), value.span()));
        }
        self.wrong(key, "a string", value.span());
        None
    }

    /// A string that must be there and say something.
    fn needed(&mut self, table: &DeTable<'_>, of: &str, key: &str, span: &Range<usize>) -> String {
        let text = self.string(table, key).map(|(text, _)| text);
        let wrong_type = text.is_none() && table.get(key).is_some();
        let text = text.unwrap_or_default();
        if text.trim().is_empty() && !wrong_type {
            self.fault(&MISSING, format!("a {of} needs a `{key}`"), span.clone(), None);
        }
        text
    }

    fn strings(&mut self, table: &DeTable<'_>, key: &str) -> Vec<Placed<String>> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let single = std::slice::from_ref(value);
        let items: &[Spanned<DeValue<'_>>] = match value.get_ref() {
            DeValue::Array(array) => array,
            _ => single,
        };
        let mut out = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(text) => out.push((text.clone().into_owned(), item.span())),
                _ => self.wrong(key, "a string or a list of strings", item.span()),
            }
        }
        out
    }

    fn table<'t, 'i>(&mut self, root: &'t DeTable<'i>, key: &str) -> Option<&'t DeTable<'i>> {
        let value = root.get(key)?;
        if let DeValue::Table(table) = value.get_ref() {
            return Some(table);
        }
        self.wrong(key, "a table", value.span());
        None
    }

    fn tables<'t, 'i>(&mut self, root: &'t DeTable<'i>, key: &str) -> Vec<Placed<&'t DeTable<'i>>> {
        let Some(value) = root.get(key) else { return Vec::new() };
        let mut out = Vec::new();
        if let DeValue::Array(array) = value.get_ref() {
            for item in array {
                match item.get_ref() {
                    DeValue::Table(table) => out.push((table, item.span())),
                    _ => self.wrong(key, "tables: [[path]], [[file]], [[waiver]]", item.span()),
                }
            }
        } else {
            self.wrong(key, &format!("tables: [[{key}]]"), value.span());
        }
        out
    }

    fn choice<T: Copy>(
        &mut self,
        key: &str,
        (text, span): &Placed<String>,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let found = choices.iter().find(|(name, _)| name == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let message = format!("`{text}` is no value of `{key}`");
            self.fault(&BAD_VALUE, message, span.clone(), Some(suggest(text, &names)));
        }
        found
    }

    fn rule(&mut self, name: &str, span: Range<usize>) {
        let known: Vec<&str> = crate::verify::rule_names().collect();
        if !known.contains(&name) {
            let message = format!("no rule `{name}`");
            self.fault(&UNKNOWN_RULE, message, span, Some(suggest(name, &known)));
        }
    }

    fn rules(&mut self, table: &DeTable<'_>) -> Changes {
        let mut out = Changes::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            self.rule(name, key.span());
            let change = match value.get_ref() {
                DeValue::String(text) => {
                    let text = (text.clone().into_owned(), value.span());
                    let demand = self.choice(name, &text, &DEMANDS);
                    Change { demand, ..Change::default() }
                }
                DeValue::Table(table) => self.change(table),
                _ => {
                    self.wrong(name, "`require`, `warn`, `report` or a table", value.span());
                    continue;
                }
            };
            out.insert(name.to_owned(), change);
        }
        out
    }

    fn change(&mut self, table: &DeTable<'_>) -> Change {
        self.known(table, "", &["demand", "at-least", "cannot-tell", "because"]);
        let demand = self.string(table, "demand");
        let untold = self.string(table, "cannot-tell");
        let at_least = table.get("at-least").and_then(|value| {
            let percent = match value.get_ref() {
                DeValue::Integer(number) => number.to_string().parse().ok(),
                _ => None,
            };
            let percent = percent.filter(|percent: &u8| *percent <= 100);
            if percent.is_none() {
                self.wrong("at-least", "a percentage from 0 to 100", value.span());
            }
            percent
        });
        Change {
            demand: demand.and_then(|text| self.choice("demand", &text, &DEMANDS)),
            cannot_tell: untold.and_then(|text| self.choice("cannot-tell", &text, &UNTOLD)),
            at_least,
            because: self.string(table, "because").map(|(text, _)| text),
        }
    }

    fn path(&mut self, table: &DeTable<'_>, span: Range<usize>) -> Option<PathRules> {
        self.known(table, "path.", &["match", "because", "rules", "at-most"]);
        let because = self.needed(table, "path", "because", &span);
        let globs: Vec<String> =
            self.strings(table, "match").into_iter().map(|(glob, _)| glob).collect();
        if globs.is_empty() {
            self.fault(&MISSING, "a path needs a `match`".to_owned(), span, None);
        }
        let most = self.string(table, "at-most");
        let most = most.and_then(|text| self.choice("at-most", &text, &DEMANDS));
        let rules = self.table(table, "rules").map(|rules| self.rules(rules));
        let mut changes = if most.is_some() { rules.unwrap_or_default() } else { rules? };
        for change in changes.values_mut() {
            change.because.get_or_insert_with(|| because.clone());
        }
        let at_most = most.map(|most| (most, because));
        Some(PathRules { globs, changes, at_most })
    }

    /// Words of a list, each one of those that are known.
    fn words(&mut self, table: &DeTable<'_>, key: &str, known: &[&str]) -> Vec<String> {
        let all: Vec<(&str, ())> = known.iter().map(|word| (*word, ())).collect();
        let mut words = self.strings(table, key);
        words.retain(|word| self.choice(key, word, &all).is_some());
        words.into_iter().map(|(word, _)| word).collect()
    }

    /// Absolute paths: a relative one would allow what depends on where a program is started.
    fn absolute(&mut self, table: &DeTable<'_>, key: &str) -> Vec<String> {
        let mut out = Vec::new();
        for (path, span) in self.strings(table, key) {
            let sound = path.starts_with('/') && !path.trim_matches('/').is_empty();
            if sound && !path.split('/').any(|part| part == "..") {
                out.push(path);
            } else {
                self.wrong(key, "absolute paths without `..`, and not the root", span);
            }
        }
        out
    }

    fn file(&mut self, table: &DeTable<'_>, span: Range<usize>) -> Option<FileRules> {
        self.known(table, "file.", &["machine", "language", "because", "rules"]);
        let because = self.needed(table, "file", "because", &span);
        let machines = self.words(table, "machine", MACHINES);
        let languages = self.words(table, "language", LANGUAGES);
        if machines.is_empty() && languages.is_empty() {
            self.fault(&MISSING, "a file needs a `machine` or `language`".to_owned(), span, None);
        }
        let mut changes = self.table(table, "rules").map(|rules| self.rules(rules))?;
        for change in changes.values_mut() {
            change.because.get_or_insert_with(|| because.clone());
        }
        Some(FileRules { machines, languages, changes })
    }

    fn waiver(&mut self, table: &DeTable<'_>, span: Range<usize>) -> Option<Waiver> {
        self.known(table, "waiver.", &["rule", "path", "input", "reason", "expires"]);
        let rule = self.needed(table, "waiver", "rule", &span);
        if let Some(value) = table.get("rule")
            && !rule.is_empty()
        {
            self.rule(&rule, value.span());
        }
        let path = self.needed(table, "waiver", "path", &span);
        let reason = self.needed(table, "waiver", "reason", &span);
        let expires = self.date(table, &span)?;
        let input = self.string(table, "input").map(|(glob, _)| glob);
        let file = self.file.to_owned();
        Some(Waiver { rule, path, input, reason, expires, file, span })
    }

    fn date(&mut self, table: &DeTable<'_>, span: &Range<usize>) -> Option<Date> {
        let Some(value) = table.get("expires") else {
            let message = "a waiver needs an `expires`, the last day it holds".to_owned();
            let help = Some("expires = 2027-12-31".to_owned());
            self.fault(&MISSING, message, span.clone(), help);
            return None;
        };
        let date = match value.get_ref() {
            DeValue::Datetime(moment) if moment.time.is_none() => moment.date,
            _ => None,
        };
        if date.is_none() {
            self.wrong("expires", "a date without quotes, 2027-12-31", value.span());
        }
        date
    }
}

fn suggest(word: &str, known: &[&str]) -> String {
    match closest(word, known) {
        Some(other) => format!("did you mean `{other}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::shipped;
    use super::*;

    #[track_caller]
    fn faults(text: &str) -> Vec<String> {
        let (policy, findings) = load("p.toml", text, &|name| match name {
            "p" => Some(("p.toml".to_owned(), String::new())),
            other => shipped(other),
        });
        assert_eq!(policy.is_none(), !findings.is_empty());
        let texts = [("p.toml".to_owned(), text.to_owned())];
        let line = |finding: &Finding| {
            let place = crate::finding::place(&finding.labels[0].place, &texts);
            let help = finding.help.clone().unwrap_or_default();
            format!("{place} {}: {} ({help})", finding.code.name, finding.message)
        };
        findings.iter().map(line).collect()
    }

    #[track_caller]
    fn faulty(text: &str, wanted: &[&str]) {
        let head = "schema = 1\nname = \"x\"\n";
        assert_eq!(faults(&format!("{head}{text}")), wanted);
    }

    #[test]
    fn every_fault_has_its_line_and_a_way_out() {
        faulty(
            "rulez = 1\n",
            &["p.toml:3:1 policy::unknown-key: unknown key `rulez` (did you mean `rules`?)"],
        );
        faulty(
            "[rules]\nrelr = \"require\"\n",
            &["p.toml:4:1 policy::unknown-rule: no rule `relr` (did you mean `relro`?)"],
        );
        faulty(
            "[rules]\npie = \"requires\"\n",
            &[
                "p.toml:4:7 policy::bad-value: `requires` is no value of `pie` (did you mean `require`?)",
            ],
        );
        faulty(
            "[rules]\npie = { demand = \"warn\", atleast = 3 }\n",
            &["p.toml:4:26 policy::unknown-key: unknown key `atleast` (did you mean `at-least`?)"],
        );
        faulty(
            "[rules]\npie = { at-least = 101 }\n",
            &["p.toml:4:20 policy::bad-value: `at-least` takes a percentage from 0 to 100 ()"],
        );
        faulty(
            "extends = [\"debian-13x\"]\n",
            &["p.toml:3:12 policy::extends: no policy `debian-13x` (did you mean `debian-13`?)"],
        );
        faulty(
            "extends = \"p\"\n",
            &["p.toml:3:11 policy::extends: `p` extends itself, or stands on more than 16 ()"],
        );
        faulty("name = 3\n", &["p.toml:3:1 policy::syntax: duplicate key ()"]);
        faulty(
            "[[waiver]]\nrule = \"piee\"\npath = \"/x\"\nreason = \" \"\nexpires = \"2027-01-01\"\n",
            &[
                "p.toml:4:8 policy::unknown-rule: no rule `piee` (did you mean `pie`?)",
                "p.toml:3:1 policy::missing: a waiver needs a `reason` ()",
                "p.toml:7:11 policy::bad-value: `expires` takes a date without quotes, 2027-12-31 ()",
            ],
        );
        faulty(
            "[[path]]\nmatch = \"/x\"\n[path.rules]\npie = \"report\"\n",
            &["p.toml:3:1 policy::missing: a path needs a `because` ()"],
        );
        assert_eq!(
            faults("schema = 2\nfuture = true\n"),
            [
                "p.toml:1:10 policy::schema: this Quench reads policies of schema 1 (use a newer Quench)"
            ]
        );
        assert_eq!(
            faults("schema = 1\n"),
            ["p.toml:1:1 policy::missing: no `name` in the policy ()"]
        );
    }

    #[test]
    fn a_waiver_without_a_fault_is_read_whole() {
        let text = "schema = 1\nname = \"x\"\n[[waiver]]\nrule = \"pie\"\npath = \"/usr/**\"\nreason = \"r\"\nexpires = \
                    2027-12-31\ninput = \"*.deb\"\n";
        let (policy, findings) = load("p.toml", text, &shipped);
        assert!(findings.is_empty(), "{findings:?}");
        let waiver = policy.unwrap().waivers.remove(0);
        assert_eq!((waiver.rule.as_str(), waiver.path.as_str()), ("pie", "/usr/**"));
        assert_eq!((waiver.reason.as_str(), waiver.input.as_deref()), ("r", Some("*.deb")));
        assert_eq!(waiver.expires.to_string(), "2027-12-31");
        assert!(text[waiver.span].starts_with("[[waiver]]"));
    }
}
