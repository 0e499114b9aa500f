//! Policies: which rules must hold of which file, what is waived, and until when. Pure.
//!
//! A policy is a TOML file (`policies/` holds the shipped ones). It sets a demand for each rule, a higher one for
//! privileged files, others by path, and waivers. The date of judgement is a value that the shell passes in.

mod builtin;
mod codes;
mod read;
mod waiver;

pub use builtin::POLICIES;
pub(super) use codes::CODES;
pub use read::load;
pub use waiver::{Date, Waiver, account, date_of_epoch};

use std::collections::BTreeMap;

use super::rules::RULES;
use super::{ObjectVerdict, RuleVerdict};

/// Finds a policy by the name another one `extends`: its file and text.
pub type Parents<'a> = dyn Fn(&str) -> Option<(String, String)> + 'a;

/// What a policy wants of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// Shown, never objected to.
    Report,
    /// A warning.
    Warn,
    /// An error: the gate closes.
    Require,
}

impl Demand {
    pub fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Warn => "warn",
            Self::Require => "require",
        }
    }
}

/// What the policy says of one rule, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub demand: Demand,
    /// Percent that a partial verdict must reach.
    pub at_least: u8,
    /// What "cannot tell" counts as; `Require` lets it fail.
    pub cannot_tell: Demand,
    /// Why, in the policy's words.
    pub because: Option<String>,
}

impl Default for Setting {
    fn default() -> Self {
        Self { demand: Demand::Report, at_least: 100, cannot_tell: Demand::Require, because: None }
    }
}

/// What a file of a policy says of one rule; what it leaves out stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Change {
    demand: Option<Demand>,
    at_least: Option<u8>,
    cannot_tell: Option<Demand>,
    because: Option<String>,
}

impl Change {
    fn apply(&self, setting: &mut Setting) {
        if let Some(demand) = self.demand {
            setting.demand = demand;
        }
        if let Some(at_least) = self.at_least {
            setting.at_least = at_least;
        }
        if let Some(cannot_tell) = self.cannot_tell {
            setting.cannot_tell = cannot_tell;
        }
        if self.because.is_some() {
            setting.because.clone_from(&self.because);
        }
    }
}

impl Change {
    /// Takes over what asks for less, and why.
    fn lower(&self, setting: &mut Setting) {
        let before = setting.clone();
        self.apply(setting);
        setting.demand = setting.demand.min(before.demand);
        setting.at_least =
            self.at_least.map_or(before.at_least, |percent| percent.min(before.at_least));
        setting.cannot_tell =
            self.cannot_tell.map_or(before.cannot_tell, |it| it.min(before.cannot_tell));
        let same = (setting.demand, setting.at_least, setting.cannot_tell)
            == (before.demand, before.at_least, before.cannot_tell);
        if same {
            *setting = before;
        }
    }
}

type Changes = BTreeMap<String, Change>;

/// Rules for the paths that match.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PathRules {
    globs: Vec<String>,
    changes: Changes,
    /// No rule about ELF files demands more, and why.
    at_most: Option<(Demand, String)>,
}

/// What files of some machines or languages cannot be asked; it only lowers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileRules {
    machines: Vec<String>,
    languages: Vec<String>,
    changes: Changes,
}

impl FileRules {
    fn matches(&self, subject: Subject<'_>) -> bool {
        let machine =
            self.machines.is_empty() || self.machines.iter().any(|name| name == subject.machine);
        let one_of = |name: &String| subject.languages.contains(&name.as_str());
        machine && (self.languages.is_empty() || self.languages.iter().any(one_of))
    }
}

/// What a policy takes for right where a rule of its own would object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Allowed {
    /// Directories of RPATH and RUNPATH.
    rpath: Vec<String>,
    /// Globs of loaders.
    interpreter: Vec<String>,
}

/// What a policy asks about a file to know what to demand of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The name of the input it stands in.
    pub input: &'a str,
    /// As shown.
    pub path: &'a str,
    /// Set-user-id, set-group-id or capabilities.
    pub privileged: bool,
    /// As policies name it; empty when it is not known.
    pub machine: &'a str,
    pub languages: &'a [&'static str],
}

impl<'a> Subject<'a> {
    /// A file that was judged.
    pub fn of(input: &'a str, object: &'a ObjectVerdict) -> Self {
        let ObjectVerdict { path, privileged, machine, languages, .. } = object;
        Self { input, path, privileged: *privileged, machine, languages }
    }

    /// Paths that globs are held against: as shown, and as seen from the input's root, so that a policy written for
    /// an installed system works on a staging tree.
    fn matches(&self, glob: &str) -> bool {
        let rooted = self.path.strip_prefix(self.input.trim_end_matches('/'));
        fast_glob::glob_match(glob, self.path)
            || rooted.is_some_and(|path| fast_glob::glob_match(glob, path))
    }
}

/// A policy, read and checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub summary: String,
    rules: Changes,
    privileged: Changes,
    paths: Vec<PathRules>,
    files: Vec<FileRules>,
    allowed: Allowed,
    /// What the caller says of a rule, whatever the policy does.
    overrides: Changes,
    pub waivers: Vec<Waiver>,
    /// (file, text) of the policy and its parents, for findings that point into them.
    pub texts: Vec<(String, String)>,
    /// The day of judgement; without one, no waiver holds.
    pub date: Option<Date>,
}

impl Policy {
    /// A shipped policy.
    pub fn named(name: &str) -> Option<Self> {
        let (file, text) = shipped(name)?;
        load(&file, &text, &shipped).0
    }

    /// Names of the shipped policies.
    pub fn names() -> Vec<&'static str> {
        POLICIES.iter().map(|(name, _)| *name).collect()
    }

    /// The same, judging on a day.
    #[must_use]
    pub fn on(mut self, date: Date) -> Self {
        self.date = Some(date);
        self
    }

    /// The same, with archives that are not opened as warnings.
    #[must_use]
    pub fn allowing_unopened(mut self) -> Self {
        let change = Change {
            demand: Some(Demand::Warn),
            because: Some("--allow-unopened was given".to_owned()),
            ..Change::default()
        };
        self.overrides.insert("opened".to_owned(), change);
        self
    }

    /// What is demanded of a rule on a file. Later words win: the rules, the paths that match, then what privilege adds;
    /// privilege never lowers a demand. What files of a machine or language cannot be asked lowers it whoever runs them.
    /// The caller has the last word.
    pub fn setting(&self, rule: &str, subject: Subject<'_>) -> Setting {
        let mut setting = Setting::default();
        if let Some(change) = self.rules.get(rule) {
            change.apply(&mut setting);
        }
        let of_elf = RULES.iter().any(|known| known.name == rule);
        for paths in self.paths.iter().filter(|paths| paths.match_any(subject)) {
            if let Some(change) = paths.changes.get(rule) {
                change.apply(&mut setting);
            }
            if let Some((most, because)) = paths.at_most.as_ref().filter(|_| of_elf) {
                let change = Change {
                    demand: Some(*most),
                    because: Some(because.clone()),
                    ..Change::default()
                };
                change.lower(&mut setting);
            }
        }
        if subject.privileged
            && let Some(change) = self.privileged.get(rule)
        {
            let before = setting.clone();
            change.apply(&mut setting);
            setting.demand = setting.demand.max(before.demand);
            setting.at_least = setting.at_least.max(before.at_least);
            setting.cannot_tell = setting.cannot_tell.max(before.cannot_tell);
        }
        for files in self.files.iter().filter(|files| files.matches(subject)) {
            if let Some(change) = files.changes.get(rule) {
                change.lower(&mut setting);
            }
        }
        if let Some(change) = self.overrides.get(rule) {
            change.apply(&mut setting);
        }
        setting
    }

    /// True when the policy takes for right what a rule objects to: each directory or file `rpath` faults, or the loader.
    /// That rule says of each fault ``TAG `PATH`: WHY``; what is not said like this is not allowed.
    pub(super) fn allows(&self, object: &ObjectVerdict, rule: &RuleVerdict) -> bool {
        let climbs = |path: &str| path.split('/').any(|part| part == "..");
        let below = |path: &str, directory: &String| {
            let rest = path.strip_prefix(directory.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let allowed = |fault: &str| {
            let rest = fault.split_once('`').and_then(|(_, rest)| rest.rsplit_once("`: "));
            rest.is_some_and(|(path, _)| {
                !climbs(path) && self.allowed.rpath.iter().any(|prefix| below(path, prefix))
            })
        };
        match rule.rule {
            "rpath" => rule.verdict.detail().split("; ").all(allowed),
            "interpreter" => object.interpreter.as_ref().is_some_and(|path| {
                let known = |glob: &String| fast_glob::glob_match(glob, path);
                !climbs(path) && self.allowed.interpreter.iter().any(known)
            }),
            _ => false,
        }
    }
}

impl PathRules {
    fn match_any(&self, subject: Subject<'_>) -> bool {
        self.globs.iter().any(|glob| subject.matches(glob))
    }
}

/// A shipped policy's file and text.
pub fn shipped(name: &str) -> Option<(String, String)> {
    POLICIES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(name, text)| (format!("policies/{name}.toml"), (*text).to_owned()))
}

impl Policy {
    /// A policy that requires every rule: what stands in for one that cannot be read.
    pub fn demand_everything(name: &str) -> Self {
        let change = Change { demand: Some(Demand::Require), ..Change::default() };
        Self {
            name: name.to_owned(),
            rules: super::rule_names().map(|rule| (rule.to_owned(), change.clone())).collect(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Verdict;

    fn subject(path: &str, privileged: bool) -> Subject<'_> {
        Subject { input: "staging/", path, privileged, ..Subject::default() }
    }

    fn policy(text: &str) -> Policy {
        let (policy, findings) = load("p.toml", text, &shipped);
        assert!(findings.is_empty(), "{findings:?}");
        policy.unwrap()
    }

    #[test]
    fn every_shipped_policy_reads_without_a_finding_and_requires_something() {
        for name in Policy::names() {
            let (file, text) = shipped(name).unwrap();
            let (policy, findings) = load(&file, &text, &shipped);
            assert!(findings.is_empty(), "{name}: {findings:?}");
            let policy = policy.unwrap();
            assert_eq!(policy.name, name);
            for rule in ["pie", "relro", "stack", "wx", "readable", "opened"] {
                let setting = policy.setting(rule, subject("/usr/bin/x", false));
                // What a toolchain of theirs does not do by default.
                let asked = match (name, rule) {
                    ("nixos" | "go", "pie") | ("go", "relro") => Demand::Warn,
                    _ => Demand::Require,
                };
                assert_eq!(setting.demand, asked, "{name} {rule}");
                assert_eq!(setting.cannot_tell, Demand::Require, "{name} {rule}");
            }
        }
    }

    /// What cannot be asked is a warning in policies of distributions, with its reason, and asked for by the strict ones.
    #[test]
    fn what_no_distribution_can_be_asked_is_a_warning_there_only() {
        let rust: &[&'static str] = &["rust"];
        for name in Policy::names() {
            let policy = Policy::named(name).unwrap();
            let demand = |rule: &str, subject: Subject<'_>| policy.setting(rule, subject).demand;
            let arm = Subject { machine: "aarch64", ..subject("/usr/bin/x", true) };
            let x86 = Subject { machine: "x86-64", ..arm };
            let of_rust = Subject { languages: rust, ..subject("/usr/bin/x", false) };
            let firmware = subject("/usr/share/qemu/opensbi.bin", false);
            let strict = name.starts_with("quench-")
                || ["common", "openssf", "kernel-modules"].contains(&name);
            let lowered = if strict { Demand::Require } else { Demand::Warn };
            assert_eq!(demand("separate-code", x86), Demand::Require, "{name}");
            assert_eq!(demand("separate-code", arm), lowered, "{name}");
            assert_eq!(demand("wx", firmware), lowered, "{name}");
            assert_eq!(demand("readable", firmware), Demand::Require, "{name}");
            assert_eq!(demand("opened", firmware), lowered, "{name}");
            assert_eq!(demand("opened", subject("/boot/initrd.img", false)), Demand::Require);
            // `report` stays what it is.
            assert!(demand("stack-protector", of_rust) <= lowered, "{name}");
            let because = policy.setting("stack-protector", of_rust).because.unwrap_or_default();
            let own = demand("stack-protector", subject("/usr/bin/x", false)) == Demand::Report;
            assert!(strict || own || because.contains("rustc"), "{name}: {because}");
            let told = policy.setting("fortify", subject("/usr/bin/x", false)).cannot_tell;
            assert_eq!(told, lowered, "{name}");
        }
    }

    #[test]
    fn directories_and_loaders_that_a_policy_allows_are_no_objection() {
        let nix = Policy::named("nixos").unwrap();
        let rule =
            |name, why: &str| RuleVerdict::new(name, Verdict::Fails(why.to_owned()), String::new());
        let object = |interpreter: &str| ObjectVerdict {
            interpreter: Some(interpreter.to_owned()),
            ..ObjectVerdict::default()
        };
        let one = |search: &[&str]| {
            let faults: Vec<String> =
                search.iter().map(|path| format!("DT_RUNPATH `{path}`: why")).collect();
            nix.allows(&object(""), &rule("rpath", &faults.join("; ")))
        };
        assert!(one(&["/nix/store/a-b/lib", "/gnu/store/c/lib", "/nix/store"]));
        for wrong in [
            &["/nix/store/a", "/tmp/x"][..],
            &["/nix/store/../../tmp"],
            &["/nix/storeroom/x"],
            &[""],
            &["nix/store/a"],
            &["/nix/store/a`: why; b/../../../tmp"],
            &["/nix/store/a`: /../../../tmp"],
            &[],
        ] {
            assert!(!one(wrong), "{wrong:?}");
        }
        let loads = |path: &str| nix.allows(&object(path), &rule("interpreter", "why"));
        assert!(loads("/nix/store/abc-glibc-2.40/lib/ld-linux-x86-64.so.2"));
        assert!(
            !loads("/nix/store/abc/../../tmp/lib/ld-linux.so.2") && !loads("/tmp/ld-linux.so.2")
        );
        assert!(!nix.allows(&object("/nix/store/a/lib/ld-linux.so.2"), &rule("pie", "why")));
    }

    /// The example people copy.
    #[test]
    fn the_policy_of_the_readme_reads_without_a_finding() {
        let readme = include_str!("../../../policies/README.md");
        let text = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let policy = policy(text);
        assert_eq!(policy.name, "cloud-image");
        assert_eq!(policy.waivers.len(), 1);
    }

    #[test]
    fn later_words_win_and_privilege_only_raises() {
        let policy = policy(
            "schema = 1\nname = \"x\"\n[rules]\npie = \"require\"\nfortify = { demand = \"warn\", at-least = 50 }\n\
             [[path]]\nmatch = [\"/usr/lib/x/**\"]\nbecause = \"data\"\nrules = { pie = \"report\" }\n\
             [privileged.rules]\npie = \"require\"\nfortify = { demand = \"report\", at-least = 80 }\n",
        );
        let demand = |rule: &str, path: &str, privileged: bool| {
            policy.setting(rule, subject(path, privileged)).demand
        };
        assert_eq!(demand("pie", "/usr/bin/a", false), Demand::Require);
        assert_eq!(demand("pie", "/usr/lib/x/a", false), Demand::Report);
        assert_eq!(demand("pie", "staging/usr/lib/x/a", false), Demand::Report);
        assert_eq!(demand("pie", "other/usr/lib/x/a", false), Demand::Require);
        assert_eq!(demand("pie", "/usr/lib/x/a", true), Demand::Require);
        assert_eq!(demand("fortify", "/a", true), Demand::Warn);
        assert_eq!(policy.setting("fortify", subject("/a", true)).at_least, 80);
        assert_eq!(demand("nodlopen", "/a", false), Demand::Report);
        let opened = Policy::named("distribution").unwrap().allowing_unopened();
        let opened = opened.setting("opened", subject("/a", true));
        assert_eq!((opened.demand, opened.cannot_tell), (Demand::Warn, Demand::Require));
    }
}
