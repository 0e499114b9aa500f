//! Builds a record again from the exact source, in a deliberately different environment, compares the packages, and
//! explains what differs.
//!
//! Shell. Works in `WORK/reproduce/NAME/`; nothing of an earlier rebuild is used. Knows no command line.

mod bisect;
mod host;
mod rebuild;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use self::rebuild::Rebuilt;
use crate::compare::{self, Context, Difference, Hint, Named};
use crate::evidence::{self, SigningKey};
use crate::failure::{Exit, Failure};
use crate::files::{self, Scratch};
use crate::inspect::read_record;
use crate::isolate::{self, Vary};
use crate::pipeline::SourceOptions;
use crate::plan::Invocation;
use crate::record::{NamedDigest, Record};
use crate::terminal::Terminal;
use crate::verify::SeparateFiles;
use crate::{elf, package, process, tool};

/// What is to be built again, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// A record, or a package that holds one.
    pub record: PathBuf,
    /// Packages to compare with byte for byte; without them the record's digests are compared.
    pub packages: Vec<PathBuf>,
    /// Packages that were rebuilt elsewhere are compared, and nothing is built.
    pub rebuilt: Option<PathBuf>,
    /// What is made different.
    pub vary: BTreeSet<Vary>,
    /// The variation that makes a difference is looked for.
    pub bisect: bool,
    /// Where the rebuilt packages and the statement go.
    pub output: PathBuf,
    /// Compile jobs; without a number as many as there are processors.
    pub jobs: Option<usize>,
    pub sandbox: isolate::Want,
    /// Signs the statement that it was reproduced.
    pub provenance_key: Option<PathBuf>,
    /// URI of who rebuilds, for the statement.
    pub builder: String,
    pub source: SourceOptions,
}

/// A package of the record with what is known of it.
struct Original {
    digest: NamedDigest,
    bytes: Option<Vec<u8>>,
}

impl Original {
    fn given(&self) -> Option<(&str, Vec<u8>)> {
        Some((self.digest.name.as_str(), self.bytes.clone()?))
    }
}

/// Builds or takes what was rebuilt, compares it, and says what differs: [`Exit::Done`] identical, [`Exit::No`] not.
pub fn run(request: &Request, terminal: &Terminal) -> Result<Exit, Failure> {
    let record = read_record(&request.record)?;
    let vary = &request.vary;
    let originals = originals(request, &record)?;
    if originals.is_empty() {
        return Err(Failure::usage("the record names no packages")
            .with_hint(Some("give the packages, or the record beside them".to_owned())));
    }
    let matches = host::report(&record, terminal);
    let rebuilt = match &request.rebuilt {
        Some(directory) => Rebuilt { output: directory.clone(), varied: BTreeSet::new() },
        None => rebuild::build(request, &record, vary, &request.output, terminal)?,
    };
    let output = rebuilt.output;
    let hints = hints(request)?;
    let (mut first, mut second) = (Named::new(), Named::new());
    if differs(&originals, &output) {
        first = named(originals.iter().filter_map(Original::given));
        second = named(originals.iter().filter_map(|original| {
            let name = original.digest.name.as_str();
            Some((name, fs_err::read(output.join(name)).ok()?))
        }));
    }
    let context = Context { first: &first, second: &second, hints: &hints };
    let (mut same, mut suspects) = (true, BTreeSet::new());
    for original in &originals {
        same &= compare_one(original, &output, context, &mut suspects, terminal)?;
    }
    if same {
        terminal.data(&format!("reproduced: {} packages are identical\n", originals.len()));
        if request.rebuilt.is_none() {
            state(request, &record, &rebuilt.varied, &output, terminal)?;
        }
        return Ok(Exit::Done);
    }
    if !matches {
        terminal.warn(
            "this host is not the recorded one (see above): that alone can make the difference",
        );
    }
    if request.rebuilt.is_none() {
        record_lines(&record, &output, terminal)?;
        if request.bisect {
            let answer = bisect::search(vary, &suspects, &mut |set| {
                let place = request.output.join("bisect");
                let built = rebuild::build(request, &record, set, &place, terminal)?;
                Ok(differs(&originals, &built.output))
            })?;
            terminal.data(&format!("{}\n", answer.text()));
        }
    }
    Ok(Exit::No)
}

/// The set that names of variations give: all without a list; `none` is the empty one.
pub fn variations(names: Option<&[String]>) -> Result<BTreeSet<Vary>, Failure> {
    let Some(names) = names else { return Ok(Vary::ALL.into_iter().collect()) };
    let names = names.iter().filter(|name| *name != "none");
    names
        .map(|name| {
            Vary::ALL.into_iter().find(|vary| vary.name() == name).ok_or_else(|| {
                let known: Vec<&str> = Vary::ALL.iter().map(|vary| vary.name()).collect();
                Failure::usage(format!("no variation `{name}`"))
                    .with_hint(Some(format!("one of {}", known.join(", "))))
            })
        })
        .collect()
}

/// The packages given, or those the record names.
fn originals(request: &Request, record: &Record) -> Result<Vec<Original>, Failure> {
    if request.packages.is_empty() {
        let known = record.packages.iter().cloned();
        return Ok(known.map(|digest| Original { digest, bytes: None }).collect());
    }
    request
        .packages
        .iter()
        .map(|path| {
            let bytes = fs_err::read(path).map_err(Failure::usage)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let sha256 = hex::encode(Sha256::digest(&bytes));
            Ok(Original { digest: NamedDigest { name, sha256 }, bytes: Some(bytes) })
        })
        .collect()
}

/// Whether any rebuilt package has other bytes, or is not there.
fn differs(originals: &[Original], output: &Path) -> bool {
    for original in originals {
        let bytes = fs_err::read(output.join(&original.digest.name));
        if !bytes.is_ok_and(|bytes| hex::encode(Sha256::digest(&bytes)) == original.digest.sha256) {
            return true;
        }
    }
    false
}

/// Compares one package and says so.
fn compare_one(
    original: &Original,
    output: &Path,
    context: Context<'_>,
    suspects: &mut BTreeSet<Vary>,
    terminal: &Terminal,
) -> Result<bool, Failure> {
    let name = &original.digest.name;
    let path = output.join(name);
    let Ok(bytes) = fs_err::read(&path) else {
        terminal.data(&format!("DIFFERENT {name}: the rebuild made no such package\n"));
        return Ok(false);
    };
    let is = hex::encode(Sha256::digest(&bytes));
    if is == original.digest.sha256 {
        terminal.data(&format!("identical {is}  {name}\n"));
        return Ok(true);
    }
    let Some(first) = &original.bytes else {
        let was = &original.digest.sha256;
        terminal.data(&format!("DIFFERENT {name}: sha256 {was} -> {is}\n"));
        terminal.warn(&format!("give {name} on the command line to see what differs"));
        return Ok(false);
    };
    let differences = compare::compare(name, first, &bytes, context);
    if only_signatures(name, &differences) {
        terminal.data(&format!("identical {is}  {name} (but for the signature of one of them)\n"));
        return Ok(true);
    }
    terminal.data(&format!("DIFFERENT {name}: sha256 {} -> {is}\n", original.digest.sha256));
    terminal.data(&compare::human(&differences));
    suspects.extend(suspected(&differences));
    diffoscope(first, &path, output, terminal)?;
    Ok(false)
}

/// Variations that the named causes point at.
fn suspected(differences: &[Difference]) -> BTreeSet<Vary> {
    let causes = differences.iter().flat_map(|difference| &difference.causes);
    let names = causes.filter_map(|cause| cause.split_once(':')).map(|(name, _)| name);
    names
        .filter_map(|name| match name {
            "date" => Some(Vary::Clock),
            name => Vary::ALL.into_iter().find(|vary| vary.name() == name),
        })
        .collect()
}

/// Signing comes after the hash: a signed copy has the same header and payload.
fn only_signatures(name: &str, differences: &[Difference]) -> bool {
    let signature = |difference: &Difference| {
        let place = difference.place.strip_prefix(name).and_then(|rest| rest.strip_prefix(" > "));
        place.is_some_and(|place| place.starts_with("signature: ") || place.starts_with("_gpg"))
    };
    differences.iter().all(signature)
}

/// The deep report, where the tool is installed.
fn diffoscope(
    first: &[u8],
    second: &Path,
    output: &Path,
    terminal: &Terminal,
) -> Result<(), Failure> {
    if tool::path("diffoscope").is_err() {
        terminal.detail("diffoscope is not installed: this summary is all there is");
        return Ok(());
    }
    let machine = Failure::machine;
    let output = fs_err::canonicalize(output).map_err(machine)?;
    let name = second.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let scratch = Scratch::beside(&output).map_err(machine)?;
    let original = scratch.path().join(format!("original-{name}"));
    fs_err::write(&original, first).map_err(machine)?;
    let report = scratch.path().join(format!("{name}.diffoscope.txt"));
    let command = Invocation::plain("compare in depth", "diffoscope", output.display().to_string())
        .args(["--max-report-size", "10000000", "--text"])
        .args([report.display().to_string(), original.display().to_string(), name])
        .env("HOME", scratch.path().display().to_string());
    // It ends with 1 when files differ, which is why it was called.
    let _ = process::output(&command);
    if report.is_file() {
        let report = files::place(&report, &output).map_err(machine)?;
        terminal.status("Report", &report.display().to_string());
    }
    Ok(())
}

/// Names for places of the stripped files, out of the debug packages of one side.
fn named<'a>(packages: impl Iterator<Item = (&'a str, Vec<u8>)>) -> Named {
    let mut files = SeparateFiles::default();
    let mut debug: Vec<_> =
        packages.filter(|(name, _)| package::is_debug(Path::new(name))).collect();
    // Both have the same file; its paths are shorter in the `.deb`.
    debug.sort_by_key(|(name, _)| name.contains("-dbgsym_"));
    for (name, bytes) in debug {
        files.read(name, &mut bytes.as_slice());
    }
    files.all().map(|(build_id, bytes)| (build_id.to_owned(), elf::origins(&bytes))).collect()
}

/// What only the rebuild can have put into a file.
fn hints(request: &Request) -> Result<Vec<Hint>, Failure> {
    let hint = |text: &str, cause: &str| Hint { text: text.to_owned(), cause: cause.to_owned() };
    let work = request.source.work()?.display().to_string();
    Ok(vec![
        hint(&work, "path: the work directory is in it; map it with -ffile-prefix-map"),
        hint("varied.invalid", "hostname: the host name is in it"),
        hint("/nonexistent/varied", "home: HOME is in it"),
        hint("a value that must not be", "environment: an unknown variable is in it"),
        hint("GMT-14", "time-zone: TZ is in it"),
        hint("+1400", "time-zone: local time is in it"),
        hint("et_EE", "locale: LANG is in it"),
        hint("4321", "user: the user id is in it"),
    ])
}

/// What the two records say of the difference: tools, host settings, files.
fn record_lines(record: &Record, output: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let Some(path) = rebuild::record_in(output) else { return Ok(()) };
    let rebuilt = read_record(&path)?;
    for line in crate::record::diff(record, &rebuilt) {
        terminal.data(&format!("record: {line}\n"));
    }
    Ok(())
}

/// The SCAI statement that this rebuild gave the same bytes.
fn state(
    request: &Request,
    record: &Record,
    vary: &BTreeSet<Vary>,
    output: &Path,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let machine = Failure::machine;
    let Some(path) = rebuild::record_in(output) else { return Ok(()) };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sha256 = hex::encode(Sha256::digest(fs_err::read(&path).map_err(machine)?));
    let key = match &request.provenance_key {
        Some(path) => {
            let pem = fs_err::read_to_string(path).map_err(machine)?;
            Some(SigningKey::from_pem(&pem).map_err(Failure::usage)?)
        }
        None => None,
    };
    let varied: Vec<String> =
        vary.iter().map(|vary| format!("{}: {}", vary.name(), vary.value())).collect();
    let evidence = NamedDigest { name: name.clone(), sha256 };
    let statement = evidence::reproducible(record, &request.builder, &evidence, &varied);
    let text = evidence::bundle(&[statement], key.as_ref()).map_err(Failure::machine)?;
    let target = output.join(name.replace(".record.json", ".rebuild.intoto.jsonl"));
    files::write(&target, text).map_err(machine)?;
    terminal.status("Statement", &target.display().to_string());
    Ok(())
}
