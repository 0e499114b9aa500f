//! Finds allowlists that Kconfig accepts and the linker would not, without linking: every device alone on every machine.
//!
//! ```text
//! cargo run --release --example links -- TREE BUILD
//! ```
//!
//! `BUILD` is a finished build of all of the tree's devices for x86_64. Its object files say which functions each source
//! needs and defines; the plan says which sources a selection compiles. A name that some compiled object needs and none
//! defines is a link that would fail, and belongs into `patches/quirks.toml`. What already fails with the machine alone
//! is not shown again: objects of a full build need more than those of a small one, and small ones are known to link.
#![expect(clippy::print_stdout, reason = "the report goes to standard output")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::process::Command;

use quench::catalog::{Condition, Configuration, Kind};
use quench::hardening::Probes;
use quench::plan::{self, Inputs, Plan, SourceFacts, link};
use quench::scan_cache::Scanned;
use quench::source::read_tree;
use quench::tree::Tree;
use quench::{profile, scan_cache};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Names = BTreeSet<String>;

/// Machine and accelerator of the cases.
const MACHINES: &[(&str, &str)] =
    &[("q35", "kvm"), ("pc", "kvm"), ("microvm", "kvm"), ("isapc", "tcg")];

/// Options that change what common code needs. The full build has them, so the plans get them, too.
const FEATURES: &[&str] =
    &["tpm", "vhost-crypto", "vhost-kernel", "vhost-net", "vhost-user", "vhost-vdpa"];

/// The functions and variables of one object file.
#[derive(Default)]
struct Object {
    /// Source in the tree, where it has one that the catalog knows.
    source: String,
    condition: Option<Condition>,
    defines: Names,
    needs: Names,
}

struct Judge<'a> {
    scanned: &'a Scanned,
    tree: Tree,
    objects: Vec<Object>,
    /// Names that any object of the build defines.
    known: Names,
    /// Conditions under which the tree's text defines a name that was asked before.
    defined: BTreeMap<String, Vec<Condition>>,
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let (Some(tree), Some(build)) = (words.next(), words.next()) else {
        return Err("usage: links TREE BUILD".into());
    };
    let scanned = scan_cache::scan(Path::new(&tree), None)?;
    let objects = objects(&scanned, Path::new(&tree), Path::new(&build))?;
    let known = objects.iter().flat_map(|object| object.defines.iter().cloned()).collect();
    println!("QEMU {}: {} objects", scanned.catalog.version, objects.len());
    let tree = read_tree(Path::new(&tree))?;
    let mut judge = Judge { scanned: &scanned, tree, objects, known, defined: BTreeMap::new() };
    let devices: Names = scanned
        .catalog
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Device && entry.user_creatable && !entry.is_abstract)
        .map(|entry| entry.name.clone())
        .collect();
    let mut failing = 0;
    for (machine, accelerator) in MACHINES {
        let Some(alone) = planned(&scanned, machine, accelerator, None)? else { continue };
        let base = judge.missing(&alone);
        println!("{machine} alone: {base:?}");
        let mut cases = 0;
        for device in &devices {
            let Some(plan) = planned(&scanned, machine, accelerator, Some(device))? else {
                continue;
            };
            cases += 1;
            let missing: Vec<String> = judge.missing(&plan).difference(&base).cloned().collect();
            if !missing.is_empty() {
                failing += 1;
                println!("{machine} {device}: {}", missing.join(", "));
            }
        }
        println!("{machine}: {cases} devices");
    }
    println!("{failing} selections would not link");
    Ok(())
}

/// The objects that an x86_64 emulator of this build is linked from.
fn objects(scanned: &Scanned, tree: &Path, build: &Path) -> Result<Vec<Object>> {
    let tree = fs_err::canonicalize(tree)?;
    let commands = fs_err::read(build.join("compile_commands.json"))?;
    let commands: Value = serde_json::from_slice(&commands)?;
    let mut by_output = BTreeMap::new();
    for command in commands.as_array().into_iter().flatten() {
        let (Some(file), Some(output)) = (command["file"].as_str(), command["output"].as_str())
        else {
            continue;
        };
        let of_emulator = !output.contains("aarch64")
            && !["tests/", "tools/", "contrib/", "qga/", "subprojects/", "linux-user", "libuser"]
                .iter()
                .any(|directory| output.starts_with(directory));
        if !of_emulator || !build.join(output).is_file() {
            continue;
        }
        let file = fs_err::canonicalize(build.join(file)).unwrap_or_default();
        let source = within(&tree, &file);
        let condition = scanned.catalog.file_condition(&source).cloned();
        by_output.insert(output.to_owned(), Object { source, condition, ..Object::default() });
    }
    let outputs: Vec<String> = by_output.keys().cloned().collect();
    for chunk in outputs.chunks(200) {
        let nm =
            Command::new("nm").args(["-A", "-P", "-g"]).args(chunk).current_dir(build).output()?;
        for line in String::from_utf8_lossy(&nm.stdout).lines() {
            let mut words = line.split_whitespace();
            let (Some(file), Some(name), Some(class)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let Some(object) = by_output.get_mut(file.trim_end_matches(':')) else { continue };
            match class {
                "U" => object.needs.insert(name.to_owned()),
                "w" | "v" => false,
                _ => object.defines.insert(name.to_owned()),
            };
        }
    }
    Ok(by_output.into_values().collect())
}

/// The path below the tree. A tree and its patched copy are one here: the catalog knows the same files.
fn within(tree: &Path, file: &Path) -> String {
    if let Ok(path) = file.strip_prefix(tree) {
        return path.display().to_string();
    }
    // The build may be of another copy of the tree: the longest tail that exists here.
    let parts: Vec<_> = file.components().collect();
    (1..parts.len())
        .map(|from| parts[from..].iter().collect::<std::path::PathBuf>())
        .find(|tail| tree.join(tail).is_file())
        .map_or_else(String::new, |tail| tail.display().to_string())
}

/// The plan of one device on one machine; `None` where there is none.
fn planned(
    scanned: &Scanned,
    machine: &str,
    accelerator: &str,
    device: Option<&str>,
) -> Result<Option<Plan>> {
    let allow = device.map(|name| format!("\"{name}\"")).unwrap_or_default();
    let options = scanned.tree.text("scripts/meson-buildoptions.sh").unwrap_or_default();
    let known = |name: &&&str| options.contains(&format!("--enable-{name})"));
    let features: Vec<String> =
        FEATURES.iter().filter(known).map(|name| format!("\"{name}\"")).collect();
    let series: Vec<&str> = scanned.catalog.version.split('.').take(2).collect();
    let text = format!(
        "schema = 1\nname = \"links\"\n[qemu]\nseries = \"{}\"\nsource = {{ path = \"/tree\" }}\n[target]\n\
         arch = \"x86_64\"\nmachines = [\"{machine}\"]\naccelerators = [\"{accelerator}\"]\n[devices]\n\
         allow = [{allow}]\n[features]\nenable = [{}]\n[hardening]\nlevel = \"baseline\"\n",
        series.join("."),
        features.join(", ")
    );
    let (loaded, _) = profile::load("links.toml", &text, &|_| None.into());
    let Some(profile) = loaded else { return Err(format!("no profile: {text}").into()) };
    let inputs = Inputs {
        profile: &profile,
        tree: &scanned.tree,
        catalog: &scanned.catalog,
        kconfig: &scanned.kconfig,
        source: SourceFacts::of_tree(&scanned.catalog.version),
        probes: &Probes::default(),
    };
    Ok(plan::make(inputs).0)
}

/// A plan as conditions see it.
struct Selection<'a> {
    symbols: BTreeSet<&'a str>,
    features: BTreeSet<&'a str>,
    scanned: &'a Scanned,
}

impl<'a> Selection<'a> {
    fn of(plan: &'a Plan, scanned: &'a Scanned) -> Self {
        Self {
            symbols: plan.symbols.iter().map(|item| item.text.as_str()).collect(),
            features: plan.features.iter().map(|item| item.text.as_str()).collect(),
            scanned,
        }
    }
}

impl Configuration for Selection<'_> {
    fn symbol(&self, name: &str) -> bool {
        self.symbols.contains(name)
            || self.scanned.kconfig.declaration(name).is_none()
                && self.option(&name.to_lowercase().replace('_', "-"))
    }

    fn option(&self, name: &str) -> bool {
        self.features.contains(name)
    }

    fn arch(&self, name: &str) -> bool {
        name == "i386"
    }
}

impl Judge<'_> {
    /// `name (needed by FILE)` for all that no compiled object defines.
    fn missing(&mut self, plan: &Plan) -> Names {
        let selection = Selection::of(plan, self.scanned);
        let compiled = |object: &&Object| {
            object
                .condition
                .as_ref()
                .is_none_or(|condition| condition.holds(&selection) != Some(false))
        };
        let mut needed: BTreeMap<&str, &str> = BTreeMap::new();
        let mut defined: BTreeSet<&str> = BTreeSet::new();
        for object in self.objects.iter().filter(compiled) {
            defined.extend(object.defines.iter().map(String::as_str));
            // Objects of unknown condition are generated ones: they define, and need only what libraries have.
            if object.condition.is_some() {
                needed.extend(
                    object.needs.iter().map(|name| (name.as_str(), object.source.as_str())),
                );
            }
        }
        let mut out = Names::new();
        for (name, by) in needed {
            if defined.contains(name) || !self.known.contains(name) {
                continue;
            }
            let places = self.defined.entry(name.to_owned()).or_insert_with(|| {
                let found = link::definitions(&self.tree, &self.scanned.catalog, name);
                found.into_iter().map(|definition| definition.condition).collect()
            });
            if places.iter().all(|place| place.holds(&selection) == Some(false)) {
                out.insert(format!("{name} ({by})"));
            }
        }
        out
    }
}
