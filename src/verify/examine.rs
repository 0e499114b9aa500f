//! Examines files and packages: what the rules find, before any policy. Pure.
//!
//! No policy is known here, so what is in a package may name the policy after its files were read once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use rayon::prelude::*;

use super::file::{self, FileKind};
use super::rules::{Object, RULES};
use super::separate::DebugFile;
use super::traits;
use super::units::summaries;
use super::{Libc, ObjectVerdict, RuleVerdict, Selection, Verdict};
use crate::archive::{self, Digesting, Limits, Member, Visit};
use crate::elf::{self, Depth, Image, Parts};
use crate::finding::{Code, Finding, Place};

pub(super) static NOT_OPENED: Code = Code {
    name: "verify::not-opened",
    summary: "archives were not opened, as asked",
    explain: "With `--no-archives` only files are judged, not what is in archives and compressed files. What is in them \
              is not known.",
};

/// Members are judged in parallel, no more bytes at a time; one that is larger is judged alone.
const BATCH: u64 = 32 << 20;

/// What was found in one input, before any policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examination {
    pub name: String,
    pub sha256: String,
    pub objects: Vec<ObjectVerdict>,
    /// Other entries with something to say.
    pub files: Vec<ObjectVerdict>,
    /// Entries that are no ELF.
    pub others: usize,
    pub findings: Vec<Finding>,
    /// sha256 of every file, by path, when digests were asked for.
    pub digests: BTreeMap<String, String>,
    /// The contents of the file that was asked for by name ([`Options::keep`]), when it is in the input.
    pub kept: Option<Vec<u8>>,
    /// The rules that were asked for, when not all.
    pub only: Vec<&'static str>,
}

/// Finds the separate debug file of a build-id.
pub type DebugFiles<'a> = dyn Fn(&str) -> Option<DebugFile> + Sync + 'a;

/// Opens a layer by its number and hands its bytes on.
pub type ReadLayer<'a> =
    dyn FnMut(usize, &mut dyn FnMut(&mut dyn Read)) -> std::io::Result<()> + 'a;

/// What is examined, and what is asked beside the file.
pub struct Options<'a> {
    pub debug: &'a DebugFiles<'a>,
    pub selection: Selection,
    /// Archives and compressed files are opened.
    pub archives: bool,
    /// Verdicts that hold are kept of many files, too: somebody reads them.
    pub all: bool,
    /// Summaries of compilation units are kept: a plan may be held against them.
    pub units: bool,
    /// C libraries; the first that a file can be loaded with is its own.
    pub libc: &'a [Libc],
    /// Name of a file whose contents are kept for the caller, who knows what it is.
    pub keep: Option<&'a str>,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?}, archives {}, all {}", self.selection, self.archives, self.all)
    }
}

impl<'a> Options<'a> {
    /// All rules, all archives.
    pub fn new(debug: &'a DebugFiles<'a>) -> Self {
        Self {
            debug,
            selection: Selection::default(),
            archives: true,
            all: true,
            units: true,
            libc: &[],
            keep: None,
        }
    }

    /// True when the contents of the file at this path are kept, though it is no ELF file.
    pub fn keeps(&self, path: &str) -> bool {
        self.keep
            .and_then(|name| path.strip_suffix(name))
            .is_some_and(|before| before.ends_with('/'))
    }
}

/// A file under the right name may be another build's.
fn own_debug_file<'a>(
    parts: Option<&'a Parts<'a>>,
    build_id: Option<&str>,
) -> Option<elf::Facts<'a>> {
    let facts = elf::facts_of(Image::Parts(parts?), Depth::Symbols).ok()?;
    (facts.build_id.as_deref() == build_id).then_some(facts)
}

pub(super) fn examine_elf(
    member: &Member,
    image: Image<'_>,
    options: &Options<'_>,
) -> Result<ObjectVerdict, elf::Malformed> {
    let with_code = options.selection.needs_code();
    let depth = if with_code { Depth::Symbols } else { Depth::Headers };
    let facts = elf::facts_of(image, depth)?;
    let wanted = with_code && facts.sections.named(".debug_info").is_none();
    let build_id = facts.build_id.as_deref().filter(|_| wanted);
    let found = build_id.and_then(options.debug);
    let parts = found.as_ref().map(|file| file.parts(image));
    let separate = own_debug_file(parts.as_ref(), build_id);
    let separate = separate.as_ref().map(|separate| &separate.sections);
    let build_id = elf::supplement(separate.unwrap_or(&facts.sections)).filter(|_| with_code);
    let found = build_id.as_deref().and_then(options.debug);
    let parts = found.as_ref().map(|file| file.parts(image));
    let supplement = own_debug_file(parts.as_ref(), build_id.as_deref());
    let supplement = supplement.as_ref().map(|supplement| &supplement.sections);
    let code = if with_code { elf::code(&facts, separate) } else { None };
    let units = if with_code { elf::units(&facts, separate, supplement) } else { Vec::new() };
    let libc = options.libc.iter().find(|libc| libc.serves(&facts));
    let (code_read, path) = (code.as_ref(), member.path.as_str());
    let object = Object { facts: &facts, path, code: code_read, units: &units, libc };
    let selected = RULES.iter().filter(|rule| options.selection.has(rule.name));
    let of_elf = selected.map(|rule| {
        let (verdict, evidence) = (rule.check)(object);
        RuleVerdict::new(rule.name, verdict, evidence)
    });
    let rights = file::rights(member).into_iter();
    let rights = rights.filter(|rule| options.selection.has(rule.rule));
    let start_files = code.iter().flat_map(|code| &code.targets.start_files);
    let start_files = start_files.filter(|(.., marked)| !marked).map(|(name, ..)| *name).collect();
    let languages = if with_code { traits::languages(&facts, &units) } else { Vec::new() };
    let units = if options.units { units.as_slice() } else { &[] };
    Ok(ObjectVerdict {
        machine: traits::machine(facts.machine),
        languages,
        interpreter: facts.interpreter.clone(),
        path: member.path.clone(),
        x86: facts.machine == elf::Machine::X86_64,
        start_files,
        units: summaries(units, code.as_ref()),
        sha256: member.sha256.clone().unwrap_or_default(),
        kind: FileKind::Elf(facts.kind),
        rules: of_elf.chain(rights).collect(),
        build_id: facts.build_id,
        needed: facts.dynamic.map(|dynamic| dynamic.needed).unwrap_or_default(),
        cet: facts.cet,
        privileged: file::privileged(member),
    })
}

impl Examination {
    /// Of an input without members so far.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Examines a file or package with all rules.
    pub fn of(name: &str, mut bytes: &[u8], debug: &DebugFiles<'_>) -> Self {
        Self::with(name, &mut bytes, &Options::new(debug))
    }

    /// Examines a file or package while it is read.
    pub fn with(name: &str, reader: &mut dyn Read, options: &Options<'_>) -> Self {
        let mut examination = Self::new(name);
        let mut reader = Digesting::new(reader, true);
        let mut batch = Batch::new(&mut examination, options);
        let opened = archive::open(name, &mut reader, Limits::default(), true, &mut batch);
        batch.finish();
        examination.findings.extend(opened.findings);
        match reader.finish() {
            Ok(sha256) => examination.sha256 = sha256.unwrap_or_default(),
            Err(error) => {
                let message = format!("cannot read {name}: {error}");
                let error = Finding::error(&archive::UNREADABLE, message).at(at(name, name), "");
                examination.findings.push(error);
            }
        }
        examination.privilege("", &opened.scripts);
        examination
    }

    /// Examines layers of an image, the uppermost first: `read` opens the one of a number.
    pub fn of_layers(
        name: &str,
        count: usize,
        read: &mut ReadLayer<'_>,
        options: &Options<'_>,
    ) -> std::io::Result<Self> {
        let mut examination = Self::new(name);
        let mut layers = archive::Layers::default();
        for index in 0..count {
            let mut batch = Batch::new(&mut examination, options);
            let mut layer = layers.next(&mut batch);
            let mut opened = archive::Opened::default();
            read(index, &mut |reader| {
                opened = archive::open(name, reader, Limits::default(), true, &mut layer);
            })?;
            layer.end();
            batch.finish();
            examination.findings.extend(opened.findings);
            examination.privilege("", &opened.scripts);
        }
        Ok(examination)
    }

    /// Files that a maintainer script gives rights to are privileged, whatever their mode is. `within` is what the scripts
    /// came in.
    pub fn privilege(&mut self, within: &str, scripts: &[String]) {
        let mine =
            |object: &&mut ObjectVerdict| !scripts.is_empty() && object.path.starts_with(within);
        for object in self.objects.iter_mut().filter(mine) {
            object.privileged |= scripts.iter().any(|text| names(text, &object.path));
        }
    }

    /// Examines members, in parallel; their contents are not kept.
    pub fn add(&mut self, members: Vec<Member>, options: &Options<'_>) {
        let name = self.name.clone();
        let examined: Vec<Self> = members
            .into_par_iter()
            .map(|member| {
                let mut one = Self::new(&name);
                one.member(member, options);
                one
            })
            .collect();
        for one in examined {
            self.merge(one);
        }
    }

    /// Adds what was found elsewhere in the same input.
    pub fn merge(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.files.extend(other.files);
        self.others += other.others;
        self.findings.extend(other.findings);
        self.digests.extend(other.digests);
        if other.kept.is_some() {
            self.kept = other.kept;
        }
    }

    /// Examines one member.
    pub fn member(&mut self, mut member: Member, options: &Options<'_>) {
        let bytes = std::mem::take(&mut member.bytes);
        if let Some(sha256) = &member.sha256 {
            self.digests.insert(member.path.clone(), sha256.clone());
        }
        if elf::is_elf(&bytes) {
            self.elf(&member, Image::Whole(&bytes), options);
            return;
        }
        self.others += 1;
        let mut object = entry(&member, FileKind::of(&member.kind));
        object.rules.retain(|rule| options.selection.has(rule.rule));
        if !object.rules.is_empty() {
            self.files.push(object);
        }
        if options.keeps(&member.path) {
            self.kept = Some(bytes);
        }
    }

    /// Examines one ELF file; `member` says all but its contents.
    pub fn elf(&mut self, member: &Member, image: Image<'_>, options: &Options<'_>) {
        match examine_elf(member, image, options) {
            Ok(object) => self.objects.push(object),
            Err(error) => {
                let verdict = Verdict::CannotTell(error.to_string());
                let mut object = entry(member, FileKind::Unreadable);
                object.rules.retain(|rule| options.selection.has(rule.rule));
                object.rules.insert(0, RuleVerdict::new("readable", verdict, String::new()));
                self.files.push(object);
            }
        }
    }

    /// A file that is judged under another name: [`Self::repeat`] says what.
    pub fn placeholder(&mut self, path: &str) {
        self.objects.push(ObjectVerdict { path: path.to_owned(), ..ObjectVerdict::default() });
    }

    /// Repeats for further names of files what is said under the first. Gives the names of which nothing is known.
    pub fn repeat(&mut self, other_names: &BTreeMap<String, String>) -> Vec<String> {
        if other_names.is_empty() {
            return Vec::new();
        }
        let firsts: BTreeSet<&String> = other_names.values().collect();
        let first = |object: &&ObjectVerdict| firsts.contains(&object.path);
        let keyed = |object: &ObjectVerdict| (object.path.clone(), object.clone());
        let objects: BTreeMap<String, ObjectVerdict> =
            self.objects.iter().filter(first).map(keyed).collect();
        let files: BTreeMap<String, ObjectVerdict> =
            self.files.iter().filter(first).map(keyed).collect();
        let mut unknown = Vec::new();
        self.objects.retain_mut(|object| {
            let Some(first) = other_names.get(&object.path) else { return true };
            let path = std::mem::take(&mut object.path);
            if let Some(known) = objects.get(first) {
                *object = ObjectVerdict { path, ..known.clone() };
                return true;
            }
            match files.get(first) {
                Some(known) => self.files.push(ObjectVerdict { path, ..known.clone() }),
                None => unknown.push(path),
            }
            false
        });
        unknown
    }

    /// Repeats for further names of members what is said under the first; those of others count as others.
    pub fn name_again(&mut self, other_names: &BTreeMap<String, String>) {
        for path in other_names.keys() {
            self.placeholder(path);
        }
        self.others += self.repeat(other_names).len();
    }

    /// Says how many archives were left as they are.
    pub fn closed(&mut self, count: usize) {
        if count > 0 {
            let message = format!("{count} archives and compressed files were not opened");
            self.findings
                .push(Finding::warning(&NOT_OPENED, message).at(at(&self.name, &self.name), ""));
        }
    }

    /// Of many files only what a policy could object to is shown: forgets rules that hold or do not apply.
    pub fn forget_what_holds(&mut self, options: &Options<'_>) {
        if options.all || super::shows_all(self.objects.len()) {
            return;
        }
        for object in self.objects.iter_mut().chain(&mut self.files) {
            object
                .rules
                .retain(|rule| !matches!(rule.verdict, Verdict::Holds | Verdict::NotApplicable(_)));
            object.rules.shrink_to_fit();
            // What objects has a text of its own, and the table shows no other.
            for rule in &mut object.rules {
                rule.evidence = String::new();
            }
        }
    }
}

/// Members that are judged together, in parallel: as many as may be held.
struct Batch<'b> {
    found: &'b mut Examination,
    options: &'b Options<'b>,
    members: Vec<Member>,
    /// Bytes of the members.
    held: u64,
    /// Bytes of archives that are held beside them.
    archives: u64,
    /// Further names of files, and the first.
    other_names: BTreeMap<String, String>,
}

impl<'b> Batch<'b> {
    fn new(found: &'b mut Examination, options: &'b Options<'b>) -> Self {
        let (members, other_names) = (Vec::new(), BTreeMap::new());
        Self { found, options, members, held: 0, archives: 0, other_names }
    }

    fn judge(&mut self) {
        self.held = 0;
        self.found.add(std::mem::take(&mut self.members), self.options);
    }

    fn finish(mut self) {
        self.judge();
        self.found.name_again(&self.other_names);
    }
}

impl Visit for Batch<'_> {
    fn keeps(&self, path: &str) -> bool {
        self.options.keeps(path)
    }

    fn holds(&mut self, bytes: u64) {
        let held = self.held.saturating_add(self.archives);
        if held.saturating_add(bytes) > BATCH && self.held > 0 {
            self.judge();
        }
    }

    fn archives(&mut self, bytes: u64) {
        self.archives = bytes;
    }

    fn again(&mut self, path: String, first: &str) {
        self.other_names.insert(path, first.to_owned());
    }

    fn member(&mut self, member: Member) {
        self.held += member.bytes.len() as u64;
        self.members.push(member);
        if self.held > BATCH || self.members.len() > 10_000 {
            self.judge();
        }
    }
}

/// True when a script that gives rights names a file: then the file is as good as privileged. Scripts of some package
/// managers run in the root and name files without the slash, and others know `/usr/bin` as `/bin`.
fn names(script: &str, path: &str) -> bool {
    let path = path.rsplit('!').next().unwrap_or(path);
    let short = path.trim_start_matches('/');
    let merged = path.strip_prefix("/usr").filter(|rest| rest.starts_with('/'));
    [Some(short).filter(|short| short.contains('/')), merged].into_iter().flatten().any(|wanted| {
        script.match_indices(wanted).any(|(at, _)| {
            let part = |c: char| c.is_alphanumeric() || "/._-".contains(c);
            let before = script[..at].chars().next_back();
            let mut lead = script[..at].trim_end_matches('/').chars();
            let starts = wanted.starts_with('/') || before == Some('/');
            let begins = if starts { lead.next_back() } else { before };
            let after = script[at + wanted.len()..].chars().next();
            !begins.is_some_and(part) && !after.is_some_and(part)
        })
    })
}

fn entry(member: &Member, kind: FileKind) -> ObjectVerdict {
    ObjectVerdict {
        path: member.path.clone(),
        sha256: member.sha256.clone().unwrap_or_default(),
        kind,
        rules: file::entry(member),
        privileged: file::privileged(member),
        ..ObjectVerdict::default()
    }
}

pub(super) fn at(name: &str, path: &str) -> Place {
    Place::Object { path: name.to_owned(), part: (path != name).then(|| path.to_owned()) }
}
