//! Reads a profile and its parents into one complete profile. Pure.

mod keys;
mod package;
mod web;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::codes::{
    BAD_VALUE, CONTRADICTION, DUPLICATE, EXTENDS, MISSING, PASSTHROUGH, SCHEMA, SYNTAX, TCG,
    UNKNOWN_KEY, WRONG_TYPE,
};
use super::types::{
    Arch, Backends, Budget, Compiler, Denied, Level, Origin, Profile, ProfileText, Source, Sourced,
};
use crate::finding::{Finding, Place, closest};

pub use keys::KEYS;

/// How many parents a profile may have, all generations together.
const PARENTS: usize = 32;

/// Finds a parent by name: its file and text.
pub(super) type Parents<'a> = dyn Fn(&str) -> Parent + 'a;

/// What was found under the name of a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parent {
    Found {
        file: String,
        text: String,
    },
    /// None; names that are there.
    Unknown {
        known: Vec<String>,
    },
}

impl From<Option<(String, String)>> for Parent {
    fn from(found: Option<(String, String)>) -> Self {
        match found {
            Some((file, text)) => Self::Found { file, text },
            None => Self::Unknown { known: Vec::new() },
        }
    }
}

/// Loads a profile. With error findings the profile is what could be read, for further checks only; `None` when too much
/// is missing.
pub fn load(file: &str, text: &str, parents: &Parents<'_>) -> (Option<Profile>, Vec<Finding>) {
    let mut loader = Loader {
        parents,
        findings: Vec::new(),
        texts: Vec::new(),
        stack: Vec::new(),
        other_schema: false,
        faulty: BTreeSet::new(),
        incomplete: false,
    };
    let mut layer = Layer::default();
    loader.add(file, text, &mut layer);
    // What is missing in a profile of another schema is not for us to say.
    let profile = if loader.other_schema { None } else { loader.complete(layer, file) };
    (profile, loader.findings)
}

/// What the files read so far say; later files overwrite values and add to lists.
#[derive(Default)]
struct Layer {
    name: Option<Sourced<String>>,
    summary: Option<Sourced<String>>,
    series: Option<Sourced<String>>,
    source: Option<Sourced<Source>>,
    arch: Option<Sourced<Arch>>,
    machines: Vec<Sourced<String>>,
    accelerators: Vec<Sourced<String>>,
    devices: Vec<Sourced<String>>,
    backends: Backends,
    block_read_write: Vec<Sourced<String>>,
    block_read_only: Vec<Sourced<String>>,
    features: Vec<Sourced<String>>,
    denied: Denied,
    symbols: Vec<Sourced<String>>,
    level: Option<Sourced<Level>>,
    compiler: Option<Sourced<Compiler>>,
    budget: Budget,
    package: package::PackageLayer,
    passthrough: Option<Sourced<String>>,
}

struct Loader<'a> {
    parents: &'a Parents<'a>,
    findings: Vec<Finding>,
    texts: Vec<ProfileText>,
    /// Files being read, for cycles.
    stack: Vec<String>,
    /// A file was written for another schema and not read.
    other_schema: bool,
    /// Keys whose values were refused: they are not missing.
    faulty: BTreeSet<String>,
    /// A file has faults of syntax, or a parent is not there: what is missing may stand behind them.
    incomplete: bool,
}

/// The faults and places of one file.
struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    /// Where lines begin, in bytes.
    lines: Vec<usize>,
    findings: Vec<Finding>,
    faulty: BTreeSet<String>,
    /// What the parser could not read and put something in the place of.
    broken: Vec<Range<usize>>,
}

impl Loader<'_> {
    fn add(&mut self, file: &str, text: &str, layer: &mut Layer) {
        self.texts.push(ProfileText { file: file.to_owned(), text: text.to_owned() });
        self.stack.push(file.to_owned());
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader::new(file, text);
        for error in errors {
            self.incomplete = true;
            reader.broken.push(error.span().unwrap_or(0..0));
            let span = error.span().unwrap_or(0..0);
            reader.report(Finding::error(&SYNTAX, error.message().to_owned()), span, "");
        }
        let root = table.into_inner();
        let supported = reader.schema(&root);
        if supported {
            let parents = reader.strings(&root, "extends", "extends");
            self.findings.append(&mut reader.findings);
            for parent in parents {
                self.parent(&parent, layer);
            }
            reader.profile(&root, layer);
            self.findings.append(&mut reader.findings);
            self.faulty.append(&mut reader.faulty);
        } else {
            self.other_schema = true;
            self.findings.append(&mut reader.findings);
        }
        self.stack.pop();
    }

    fn parent(&mut self, parent: &Sourced<String>, layer: &mut Layer) {
        let fault =
            |message: String| Finding::error(&EXTENDS, message).at(parent.origin.place(), "");
        let name = &parent.value;
        match (self.parents)(name) {
            Parent::Unknown { known } => {
                self.incomplete = true;
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let help = match closest(name, &known) {
                    Some(other) => format!("did you mean `{other}`?"),
                    None if known.is_empty() => "a path that ends in .toml, or a name".to_owned(),
                    None => format!("a path that ends in .toml, or one of {}", known.join(", ")),
                };
                self.findings.push(fault(format!("no profile named `{name}`")).with_help(help));
            }
            Parent::Found { file, .. } if self.stack.contains(&file) => {
                self.findings.push(fault(format!("`{name}` extends itself")));
            }
            Parent::Found { .. } if self.texts.len() > PARENTS => {
                let message = format!("`{name}` is one parent too many: there may be {PARENTS}");
                self.findings.push(fault(message));
            }
            Parent::Found { file, text } => self.add(&file, &text, layer),
        }
    }

    /// Fills in defaults and checks what only the whole profile shows.
    fn complete(&mut self, layer: Layer, file: &str) -> Option<Profile> {
        let missing = |findings: &mut Vec<Finding>, key: &str| {
            findings.push(
                Finding::error(&MISSING, format!("no `{key}` in the profile or its parents"))
                    .at(Place::Span { file: file.to_owned(), span: 0..0 }, ""),
            );
        };
        let findings = &mut self.findings;
        for (key, absent) in [
            ("name", layer.name.is_none()),
            ("qemu.series", layer.series.is_none()),
            ("qemu.source", layer.source.is_none()),
            ("target.arch", layer.arch.is_none()),
            ("target.machines", layer.machines.is_empty()),
            ("target.accelerators", layer.accelerators.is_empty()),
        ] {
            if absent && !self.incomplete && !self.faulty.contains(key) {
                missing(findings, key);
            }
        }
        check_whole(&layer, findings);
        let name = layer.name?;
        let default =
            |value: String, rule: &str| Sourced { value, origin: Origin::default_of(rule) };
        let package = layer.package.complete(&name.value);
        Some(Profile {
            summary: layer.summary.unwrap_or_else(|| default(String::new(), "summary")),
            series: layer.series?,
            source: layer.source?,
            arch: layer.arch?,
            machines: layer.machines,
            accelerators: layer.accelerators,
            devices: layer.devices,
            backends: layer.backends,
            block_read_write: layer.block_read_write,
            block_read_only: layer.block_read_only,
            features: layer.features,
            denied: layer.denied,
            symbols: layer.symbols,
            level: layer.level.unwrap_or_else(|| Sourced {
                value: Level::Strict,
                origin: Origin::default_of("hardening.level: strict"),
            }),
            compiler: layer.compiler.unwrap_or_else(|| Sourced {
                value: Compiler::Gcc,
                origin: Origin::default_of("hardening.compiler: gcc"),
            }),
            budget: layer.budget,
            package,
            passthrough: layer.passthrough,
            texts: std::mem::take(&mut self.texts),
            name,
        })
    }
}

/// Checks across tables and files.
fn check_whole(layer: &Layer, findings: &mut Vec<Finding>) {
    let place = |sourced: &Sourced<String>| sourced.origin.place();
    for device in layer.devices.iter().filter(|device| device.value.starts_with("vfio-")) {
        if layer.passthrough.is_none() {
            findings.push(
                Finding::error(
                    &PASSTHROUGH,
                    format!("`{}` passes a host device through", device.value),
                )
                .at(place(device), "needs an acknowledgement")
                .with_help("add [passthrough] acknowledge = \"why this profile needs it\""),
            );
        }
    }
    let tcg = layer.accelerators.iter().find(|accelerator| accelerator.value == "tcg");
    if let Some(tcg) = tcg {
        findings.push(
            Finding::warning(&TCG, "TCG has no security support upstream")
                .at(place(tcg), "for tests only"),
        );
    }
    let cfi = layer.level.as_ref().filter(|level| level.value == Level::Cfi);
    if let (Some(tcg), Some(_)) = (tcg, cfi) {
        findings.push(
            Finding::error(&CONTRADICTION, "hardening level `cfi` excludes TCG")
                .at(place(tcg), "generated code breaks CFI"),
        );
    }
    if cfi.is_some()
        && layer.compiler.as_ref().is_none_or(|compiler| compiler.value == Compiler::Gcc)
    {
        findings.push(
            Finding::error(&CONTRADICTION, "hardening level `cfi` needs clang")
                .with_help("set hardening.compiler = \"clang\""),
        );
    }
}

type Table<'a> = DeTable<'a>;

impl<'a> Reader<'a> {
    fn new(file: &'a str, text: &'a str) -> Self {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        let (findings, faulty, broken) = (Vec::new(), BTreeSet::new(), Vec::new());
        Self { file, text, lines, findings, faulty, broken }
    }

    /// A fault of syntax in the value was told already.
    fn is_broken(&self, origin: &Origin) -> bool {
        self.broken.iter().any(|span| span.start <= origin.end && origin.start <= span.end)
    }

    /// Notes that the value of a key was refused.
    fn refuse(&mut self, key: &str) {
        self.faulty.insert(key.to_owned());
    }

    fn report(&mut self, finding: Finding, span: Range<usize>, label: &str) {
        self.findings.push(finding.at(Place::Span { file: self.file.to_owned(), span }, label));
    }

    fn origin(&self, span: &Range<usize>, key: &str) -> Origin {
        let line = self.lines.partition_point(|start| *start <= span.start).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..span.start).unwrap_or_default();
        // Most lines are ASCII, and counting characters of a long one for each of its values would never end.
        let column = if before.is_ascii() { before.len() } else { before.chars().count() };
        Origin {
            file: self.file.to_owned(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX - 1) + 1,
            start: span.start,
            end: span.end,
            key: key.to_owned(),
        }
    }

    fn sourced<T>(&self, value: T, span: &Range<usize>, key: &str) -> Sourced<T> {
        Sourced { value, origin: self.origin(span, key) }
    }

    /// The schema comes first: a profile for another one gets that message and no other.
    fn schema(&mut self, root: &Table<'_>) -> bool {
        match root.get("schema").map(|value| (value.get_ref(), value.span())) {
            Some((DeValue::Integer(number), _)) if number.to_string() == "1" => true,
            Some((DeValue::Integer(number), span)) => {
                let message =
                    format!("the profile has schema {number}, this Quench reads schema 1");
                self.report(
                    Finding::error(&SCHEMA, message).with_help("use a newer Quench"),
                    span,
                    "",
                );
                false
            }
            Some((_, span)) => {
                self.wrong_type(span, "schema", "an integer");
                true
            }
            None => {
                let finding = Finding::error(&MISSING, "no `schema` in the profile")
                    .with_help("add schema = 1");
                self.report(finding, 0..0, "");
                true
            }
        }
    }

    fn wrong_type(&mut self, span: Range<usize>, key: &str, wanted: &str) {
        self.refuse(key);
        self.report(Finding::error(&WRONG_TYPE, format!("`{key}` takes {wanted}")), span, wanted);
    }

    /// Reports keys that the table of this name does not have.
    fn known(&mut self, table: &Table<'_>, prefix: &str) {
        let known = keys::of(prefix);
        for (key, _) in table {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let shown =
                if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            let finding = Finding::error(&UNKNOWN_KEY, format!("unknown key `{shown}`"));
            let finding = match closest(name, known) {
                Some(other) => finding.with_help(format!("did you mean `{other}`?")),
                None => finding.with_help(format!("known here: {}", known.join(", "))),
            };
            self.report(finding, key.span(), "no such key");
        }
    }

    fn table<'t, 'i>(&mut self, root: &'t Table<'i>, key: &str) -> Option<&'t Table<'i>> {
        let value = root.get(key)?;
        if let DeValue::Table(table) = value.get_ref() {
            self.known(table, key);
            Some(table)
        } else {
            self.wrong_type(value.span(), key, "a table");
            None
        }
    }

    fn string(&mut self, table: &Table<'_>, key: &str, path: &str) -> Option<Sourced<String>> {
        let value = table.get(key)?;
        if let DeValue::String(text) = value.get_ref() {
            return Some(self.sourced(text.clone().into_owned(), &value.span(), path));
        }
        self.wrong_type(value.span(), path, "a string");
        None
    }

    fn number(&mut self, table: &Table<'_>, key: &str, path: &str) -> Option<Sourced<u64>> {
        let value = table.get(key)?;
        if let DeValue::Integer(number) = value.get_ref()
            && let Ok(number) = number.to_string().parse()
        {
            return Some(self.sourced(number, &value.span(), path));
        }
        self.wrong_type(value.span(), path, "a number that is not negative");
        None
    }

    fn strings(&mut self, table: &Table<'_>, key: &str, path: &str) -> Vec<Sourced<String>> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(value.span(), path, "a list of strings");
            return Vec::new();
        };
        let mut out: Vec<Sourced<String>> = Vec::new();
        let mut seen: BTreeMap<&str, Range<usize>> = BTreeMap::new();
        for item in array {
            let item: &Spanned<DeValue<'_>> = item;
            let DeValue::String(text) = item.get_ref() else {
                self.wrong_type(item.span(), path, "a list of strings");
                continue;
            };
            let text: &Cow<'_, str> = text;
            if let Some(first) = seen.get(&**text) {
                let first = first.clone();
                let finding =
                    Finding::error(&DUPLICATE, format!("`{text}` stands twice in `{path}`"))
                        .at(Place::Span { file: self.file.to_owned(), span: item.span() }, "again")
                        .at(Place::Span { file: self.file.to_owned(), span: first }, "first");
                self.findings.push(finding.with_help("remove one"));
                continue;
            }
            seen.insert(text, item.span());
            out.push(self.sourced(text.clone().into_owned(), &item.span(), path));
        }
        out
    }

    fn choice<T: Copy>(
        &mut self,
        table: &Table<'_>,
        key: &str,
        path: &str,
        choices: &[(&str, T)],
    ) -> Option<Sourced<T>> {
        let text = self.string(table, key, path)?;
        let value = self.one_of(&text, path, choices)?;
        Some(Sourced { value, origin: text.origin })
    }

    fn one_of<T: Copy>(
        &mut self,
        text: &Sourced<String>,
        path: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text.value) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let help = match closest(&text.value, &names) {
            Some(other) => format!("did you mean `{other}`?"),
            None => format!("one of {}", names.join(", ")),
        };
        let span = text.origin.start..text.origin.end;
        self.refuse(path);
        if self.is_broken(&text.origin) {
            return None;
        }
        let finding =
            Finding::error(&BAD_VALUE, format!("`{}` is no value of `{path}`", text.value))
                .with_help(help);
        self.report(finding, span, "");
        None
    }

    fn profile(&mut self, root: &Table<'_>, layer: &mut Layer) {
        self.known(root, "");
        let name = self.string(root, "name", "name");
        let help =
            "lower case letters, digits, `+`, `-` and `.`: it names a directory and the package";
        self.require(name.as_ref(), package::is_profile_name, "no name of a profile", help);
        set(&mut layer.name, name);
        set(&mut layer.summary, self.string(root, "summary", "summary"));
        if let Some(table) = self.table(root, "qemu") {
            set(&mut layer.series, self.string(table, "series", "qemu.series"));
            set(&mut layer.source, self.source(table));
        }
        if let Some(table) = self.table(root, "target") {
            let arches = [("x86_64", Arch::X86_64), ("aarch64", Arch::Aarch64)];
            set(&mut layer.arch, self.choice(table, "arch", "target.arch", &arches));
            add(&mut layer.machines, self.strings(table, "machines", "target.machines"));
            for accelerator in self.strings(table, "accelerators", "target.accelerators") {
                let known = [("kvm", ()), ("tcg", ()), ("xen", ())];
                if self.one_of(&accelerator, "target.accelerators", &known).is_some() {
                    add(&mut layer.accelerators, vec![accelerator]);
                }
            }
        }
        if let Some(table) = self.table(root, "devices") {
            let lists = (&mut layer.devices, &mut layer.denied.devices);
            self.list(table, ("allow", "deny"), "devices", lists);
        }
        self.backends(root, layer);
        if let Some(table) = self.table(root, "block") {
            let writable = self.strings(table, "read-write", "block.read-write");
            let readable = self.strings(table, "read-only", "block.read-only");
            let denied = self.strings(table, "deny", "block.deny");
            deny_in(&mut layer.denied.block, &[&writable[..], &readable].concat(), &denied);
            add(&mut layer.block_read_write, writable);
            add(&mut layer.block_read_only, readable);
            let denied: BTreeSet<&str> = denied.iter().map(|entry| entry.value.as_str()).collect();
            layer.block_read_write.retain(|entry| !denied.contains(entry.value.as_str()));
            layer.block_read_only.retain(|entry| !denied.contains(entry.value.as_str()));
        }
        if let Some(table) = self.table(root, "features") {
            let lists = (&mut layer.features, &mut layer.denied.features);
            self.list(table, ("enable", "disable"), "features", lists);
        }
        if let Some(table) = self.table(root, "symbols") {
            add(&mut layer.symbols, self.strings(table, "enable", "symbols.enable"));
        }
        self.rest(root, layer);
    }

    fn rest(&mut self, root: &Table<'_>, layer: &mut Layer) {
        if let Some(table) = self.table(root, "hardening") {
            let levels = [
                ("openstack", Level::Openstack),
                ("baseline", Level::Baseline),
                ("strict", Level::Strict),
                ("cfi", Level::Cfi),
            ];
            set(&mut layer.level, self.choice(table, "level", "hardening.level", &levels));
            let compilers = [("gcc", Compiler::Gcc), ("clang", Compiler::Clang)];
            set(
                &mut layer.compiler,
                self.choice(table, "compiler", "hardening.compiler", &compilers),
            );
        }
        if let Some(table) = self.table(root, "budget") {
            let devices = self.number(table, "unrequested-devices", "budget.unrequested-devices");
            set(&mut layer.budget.unrequested_devices, devices);
            set(
                &mut layer.budget.stripped_bytes,
                self.number(table, "stripped-bytes", "budget.stripped-bytes"),
            );
        }
        if let Some(table) = self.table(root, "package") {
            self.package(table, layer);
        }
        if let Some(table) = self.table(root, "passthrough") {
            set(
                &mut layer.passthrough,
                self.string(table, "acknowledge", "passthrough.acknowledge"),
            );
        }
    }

    fn backends(&mut self, root: &Table<'_>, layer: &mut Layer) {
        let Some(table) = self.table(root, "backends") else { return };
        let denied = self.strings(table, "deny", "backends.deny");
        let names: BTreeSet<&str> = denied.iter().map(|entry| entry.value.as_str()).collect();
        let backends = &mut layer.backends;
        let lists = [
            ("objects", &mut backends.objects),
            ("netdevs", &mut backends.netdevs),
            ("chardevs", &mut backends.chardevs),
            ("displays", &mut backends.displays),
            ("audio", &mut backends.audio),
        ];
        for (key, list) in lists {
            let allowed = self.strings(table, key, &format!("backends.{key}"));
            deny_in(&mut layer.denied.backends, &allowed, &[]);
            add(list, allowed);
            list.retain(|entry| !names.contains(entry.value.as_str()));
        }
        deny_in(&mut layer.denied.backends, &[], &denied);
    }

    /// An allow list with its deny list: parents' entries may be denied, own ones may not.
    fn list(
        &mut self,
        table: &Table<'_>,
        (allow, deny): (&str, &str),
        prefix: &str,
        (list, all_denied): (&mut Vec<Sourced<String>>, &mut Vec<Sourced<String>>),
    ) {
        let allowed = self.strings(table, allow, &format!("{prefix}.{allow}"));
        let denied = self.strings(table, deny, &format!("{prefix}.{deny}"));
        let own: BTreeMap<&str, &Sourced<String>> =
            allowed.iter().map(|own| (own.value.as_str(), own)).collect();
        for entry in &denied {
            if let Some(own) = own.get(entry.value.as_str()) {
                let finding = Finding::error(
                    &CONTRADICTION,
                    format!("`{}` is both in `{allow}` and in `{deny}`", entry.value),
                )
                .at(entry.origin.place(), "denied here")
                .at(own.origin.place(), "allowed here");
                self.findings.push(finding.with_help("keep one of the two"));
            }
        }
        deny_in(all_denied, &allowed, &denied);
        add(list, allowed);
        let denied: BTreeSet<&str> = denied.iter().map(|entry| entry.value.as_str()).collect();
        list.retain(|entry| !denied.contains(entry.value.as_str()));
    }

    fn source(&mut self, table: &Table<'_>) -> Option<Sourced<Source>> {
        let value = table.get("source")?;
        let DeValue::Table(source) = value.get_ref() else {
            self.wrong_type(
                value.span(),
                "qemu.source",
                "a table: { apt, suite }, { path } or { url, sha256 }",
            );
            return None;
        };
        self.known(source, "qemu.source");
        let text = |reader: &mut Self, key: &str| {
            reader.string(source, key, &format!("qemu.source.{key}")).map(|sourced| sourced.value)
        };
        let made = match (text(self, "apt"), text(self, "path"), text(self, "url")) {
            (Some(package), None, None) => {
                text(self, "suite").map(|suite| Source::Apt { package, suite })
            }
            (None, Some(path), None) => Some(Source::Path { path }),
            (None, None, Some(url)) => {
                let keys = self.strings(source, "keys", "qemu.source.keys");
                self.web_source(source);
                text(self, "sha256").map(|sha256| Source::Url {
                    url,
                    sha256,
                    signature: text(self, "signature"),
                    keys: keys.into_iter().map(|key| key.value).collect(),
                })
            }
            _ => None,
        };
        let Some(made) = made else {
            self.refuse("qemu.source");
            let finding = Finding::error(&BAD_VALUE, "`qemu.source` names no source").with_help(
                "one of { apt = \"qemu\", suite = \"trixie\" }, { path = \"…\" }, { url = \"…\", sha256 = \"…\" }",
            );
            self.report(finding, value.span(), "");
            return None;
        };
        Some(self.sourced(made, &value.span(), "qemu.source"))
    }
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *slot = value;
    }
}

/// Takes what is allowed again out of what is denied, and adds what is denied now.
fn deny_in(
    all: &mut Vec<Sourced<String>>,
    allowed: &[Sourced<String>],
    denied: &[Sourced<String>],
) {
    let again: BTreeSet<&str> = allowed.iter().map(|entry| entry.value.as_str()).collect();
    all.retain(|entry| !again.contains(entry.value.as_str()));
    add(all, denied.to_vec());
}

fn add(list: &mut Vec<Sourced<String>>, entries: Vec<Sourced<String>>) {
    let mut seen: BTreeSet<String> = list.iter().map(|old| old.value.clone()).collect();
    list.extend(entries.into_iter().filter(|entry| seen.insert(entry.value.clone())));
}
