//! Builds random allowlists and compares what the plan predicted with what the built emulator reports over QMP:
//!
//! ```text
//! cargo run --example surface -- --series 10.2 --tree TREE --work WORK --random 20 --seed 1
//! ```
//!
//! The first case is always q35 alone, the most obvious minimal x86 selection. All cases of a run share one build
//! directory and one set of build options, and ccache's where the machine has it, so that only what the allowlists
//! change is compiled again: this proves surfaces, not reproducibility. Exit code 1 when any name differs.
#![expect(clippy::print_stdout, reason = "the report goes to standard output")]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use quench::measure;
use quench::wire::{self, Catalog, catalog::Entry};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Options of every case, where the series has them. They need no library beyond what `quench deps` installs for any
/// profile.
const FEATURES: &[&str] = &[
    "attr",
    "fdt",
    "hv-balloon",
    "multiprocess",
    "pixman",
    "tpm",
    "vhost-crypto",
    "vhost-kernel",
    "vhost-net",
    "vhost-user",
    "vhost-vdpa",
    "virtfs",
];
const MACHINES: &[&str] = &["q35", "pc", "microvm", "isapc"];

struct Arguments {
    series: String,
    tree: PathBuf,
    work: PathBuf,
    random: usize,
    seed: u64,
}

/// A small generator of our own: a seed gives the same allowlists on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % (limit.max(1) as u64)).unwrap_or(0)
    }
}

fn main() -> Result<()> {
    let arguments = arguments()?;
    fs_err::create_dir_all(&arguments.work)?;
    let devices = devices(&arguments)?;
    println!("QEMU {}: {} devices to choose from", arguments.series, devices.len());
    let mut random = Random(arguments.seed);
    let mut wrong = 0;
    let (mut built, mut refused) = (0, 0);
    while built <= arguments.random {
        let allow = if built == 0 { Vec::new() } else { choose(&devices, &mut random) };
        let machine = if built == 0 { "q35" } else { MACHINES[random.below(MACHINES.len())] };
        let Some(plan) = plan(&arguments, machine, &allow)? else {
            refused += 1;
            if built == 0 || refused > 100 * (arguments.random + 1) {
                return Err(refusal(&arguments)?.into());
            }
            continue;
        };
        if built == 0 {
            installed(&arguments)?;
        }
        let start = Instant::now();
        let differences = match build(&arguments)? {
            Some(emulator) => compare(&plan, &emulator)?,
            None => vec![failure(&arguments)?],
        };
        println!(
            "{built:>3} {machine:<8} {:<60} {:>4} devices, {} differences ({} s)",
            allow.join(" "),
            names(&plan["devices"]["requested"]).len()
                + names(&plan["devices"]["forced"]).len()
                + names(&plan["devices"]["core"]).len(),
            differences.len(),
            start.elapsed().as_secs()
        );
        let undecided = names(&plan["undecided"]);
        if !undecided.is_empty() {
            println!("      not compared, the host decides: {undecided:?}");
        }
        for difference in &differences {
            println!("      {difference}");
        }
        wrong += differences.len();
        built += 1;
    }
    println!("{built} allowlists built, {wrong} differences");
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} differences").into()) }
}

fn arguments() -> Result<Arguments> {
    let mut out = Arguments {
        series: "10.0".to_owned(),
        tree: PathBuf::new(),
        work: PathBuf::from("target/surface"),
        random: 2,
        seed: 1,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--series" => out.series = value,
            "--tree" => out.tree = PathBuf::from(value),
            "--work" => out.work = PathBuf::from(value),
            "--random" => out.random = value.parse()?,
            "--seed" => out.seed = value.parse()?,
            _ => return Err(format!("unknown option {word}").into()),
        }
    }
    out.tree = fs_err::canonicalize(&out.tree)?;
    fs_err::create_dir_all(&out.work)?;
    out.work = fs_err::canonicalize(&out.work)?;
    Ok(out)
}

/// The `quench` built beside this program.
fn quench() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let directory = own.parent().and_then(Path::parent).ok_or("no target directory")?;
    Ok(directory.join("quench"))
}

fn run(arguments: &Arguments, words: &[&str]) -> Result<std::process::Output> {
    let tree = arguments.tree.display().to_string();
    let mut command = Command::new(quench()?);
    command.args(words).args(["--source", &tree]).current_dir(&arguments.work);
    Ok(command.env("NO_COLOR", "1").stderr(Stdio::piped()).output()?)
}

/// Devices a user can create; which of them an x86 target can have is the plan's to say.
fn devices(arguments: &Arguments) -> Result<Vec<String>> {
    let output = run(arguments, &["devices", "--format", "json"])?;
    let catalog: Catalog = wire::read(&String::from_utf8(output.stdout)?)?;
    let of_this_arch = |device: &Entry| !device.condition.contains("arch arm");
    let entries = catalog.entries.into_iter();
    let names: BTreeSet<String> = entries.filter(of_this_arch).map(|device| device.name).collect();
    Ok(names.into_iter().collect())
}

fn choose(devices: &[String], random: &mut Random) -> Vec<String> {
    let count = 1 + random.below(6);
    let chosen: BTreeSet<String> =
        (0..count).map(|_| devices[random.below(devices.len())].clone()).collect();
    chosen.into_iter().collect()
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// The plan of an allowlist; `None` when this target cannot have it.
fn plan(arguments: &Arguments, machine: &str, allow: &[String]) -> Result<Option<Value>> {
    let options = fs_err::read_to_string(arguments.tree.join("scripts/meson-buildoptions.sh"))?;
    let known = |name: &&&str| options.contains(&format!("--enable-{name})"));
    let features: Vec<String> =
        FEATURES.iter().filter(known).map(|name| (*name).to_owned()).collect();
    let accelerator = if machine == "isapc" { "tcg" } else { "kvm" };
    let text = format!(
        "schema = 1\nname = \"surface\"\n[qemu]\nseries = \"{}\"\nsource = {{ path = \"{}\" }}\n[target]\narch = \"x86_64\"\n\
         machines = [\"{machine}\"]\naccelerators = [\"{accelerator}\"]\n[devices]\nallow = [{}]\n[features]\nenable = [{}]\n\
         [hardening]\nlevel = \"baseline\"\n",
        arguments.series,
        arguments.tree.display(),
        list(allow),
        list(&features)
    );
    fs_err::write(arguments.work.join("surface.toml"), text)?;
    let output = run(arguments, &["plan", "surface.toml", "--format", "json"])?;
    if !output.status.success() {
        return Ok(None);
    }
    let plan: Value = serde_json::from_slice(&output.stdout)?;
    // One set of options for all cases: a device that needs another one is left to other tests.
    let own: BTreeSet<&str> = FEATURES.iter().copied().collect();
    let extra = names(&plan["features"])
        .into_iter()
        .any(|name| !own.contains(name.as_str()) && !ALWAYS.contains(&name.as_str()));
    Ok((!extra).then_some(plan))
}

/// Why the last allowlist has no plan, in Quench's words.
fn refusal(arguments: &Arguments) -> Result<String> {
    let output = run(arguments, &["plan", "surface.toml", "--format", "json"])?;
    Ok(String::from_utf8_lossy(&output.stderr).into())
}

/// What every plan turns on.
const ALWAYS: &[&str] =
    &["cap-ng", "coroutine-pool", "debug-info", "kvm", "pie", "seccomp", "stack-protector", "tcg"];

/// What the common options need of the machine.
fn installed(arguments: &Arguments) -> Result<()> {
    let output = run(arguments, &["deps", "surface.toml", "--install", "--yes"])?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into())
}

/// Runs the plan's own script in the shared build directory; `None` when it fails.
fn build(arguments: &Arguments) -> Result<Option<PathBuf>> {
    let script = run(arguments, &["plan", "surface.toml", "--format", "sh"])?;
    let script = String::from_utf8(script.stdout)?;
    fs_err::write(arguments.work.join("surface.sh"), cached(script, &arguments.work))?;
    let build = arguments.work.join("build");
    let log = fs_err::File::create(arguments.work.join("surface.log"))?;
    let status = Command::new("sh")
        .arg("surface.sh")
        .current_dir(&arguments.work)
        .env("SOURCE", &arguments.tree)
        .env("BUILD", &build)
        .stdout(log.file().try_clone()?)
        .stderr(log.file().try_clone()?)
        .status()?;
    Ok(status.success().then(|| build.join("stripped/qemu-system-x86_64")))
}

/// What the compiler, the linker or the script said last; the log is overwritten by the next case.
fn failure(arguments: &Arguments) -> Result<String> {
    let log = fs_err::read_to_string(arguments.work.join("surface.log"))?;
    let told = ["undefined reference", "multiple definition", "error:", "ERROR"];
    let line = log.lines().find(|line| told.iter().any(|word| line.contains(word)));
    let line = line.or_else(|| log.lines().last()).unwrap_or("no output");
    Ok(format!("the build failed: {line}"))
}

/// The script with compilers found through ccache, where the machine has it; as `build --ccache` asks it.
fn cached(script: String, work: &Path) -> String {
    if !Path::new(CCACHE).is_dir() {
        return script;
    }
    let ignore = "CCACHE_IGNOREHEADERS=config-poison.h:./config-poison.h";
    let set = format!(" CCACHE_DIR={}/ccache {ignore} PATH={CCACHE}:", work.display());
    script.replace(" PATH=", &set)
}

/// Where Debian's ccache keeps links named like the compilers it answers for.
const CCACHE: &str = "/usr/lib/ccache";

/// `name`, or the string itself, of every element.
fn names(list: &Value) -> BTreeSet<String> {
    let elements = list.as_array().into_iter().flatten();
    elements
        .filter_map(|element| element["name"].as_str().or_else(|| element.as_str()))
        .map(str::to_owned)
        .collect()
}

/// Differences between the plan's JSON and the emulator, both ways, in every kind.
fn compare(plan: &Value, emulator: &Path) -> Result<Vec<String>> {
    let measured = measure::surface(emulator)?;
    // What starting it or the machine that builds it decides is named by the plan, and may be in or not.
    let either: BTreeSet<String> =
        names(&plan["at-start"]).union(&names(&plan["undecided"])).cloned().collect();
    let classes = &plan["devices"];
    let devices =
        ["requested", "forced", "core"].iter().flat_map(|class| names(&classes[*class])).collect();
    let mut machines = names(&plan["machines"]);
    machines.insert("none".to_owned());
    let backends = &plan["backends"];
    let kinds = [
        ("device", devices, &measured.devices),
        ("machine", machines, &measured.machines),
        ("object", names(&plan["objects"]), &measured.objects),
        ("netdev", names(&backends["netdev"]), &measured.netdevs),
        ("chardev", names(&backends["chardev"]), &measured.chardevs),
        ("display", names(&backends["display"]), &measured.displays),
        ("audio driver", names(&backends["audio"]), &measured.audio),
        ("block driver", names(&backends["block"]), &measured.block_formats),
    ];
    let mut out = Vec::new();
    for (what, planned, measured) in kinds {
        let planned: BTreeSet<_> = planned.difference(&either).collect();
        let measured: BTreeSet<_> = measured.difference(&either).collect();
        out.extend(measured.difference(&planned).map(|n| format!("{what} {n} was not predicted")));
        out.extend(planned.difference(&measured).map(|n| format!("{what} {n} is not there")));
    }
    Ok(out)
}
