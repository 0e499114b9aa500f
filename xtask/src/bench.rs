//! Times `quench verify` and whichever other checkers are installed, on the same files in the same run.
//!
//! All are given one directory with nothing in it but hard links to the ELF files below the one asked for: what is
//! compared is judging, not walking. hardening-check, which disassembles with objdump, takes half an hour and is left out.
//! Processor time is steadier than wall time on a machine that does other things; contestants take turns, and the best of
//! several runs counts. Peers that are missing are installed: from the distribution, or by cargo below `target`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::workspace::{self, Workspace};
use crate::{needs, sh, tools};

/// How often each command is run.
const ROUNDS: usize = 3;
/// No further round of a command after so many seconds.
const LONG: f64 = 120.0;

/// What is timed: a name, the program, its arguments with `%` for the directory and `%*` for all files.
const CONTESTANTS: &[(&str, &str, &[&str])] = &[
    ("quench verify --only headers", "quench", &["verify", "--only", "headers", "%"]),
    ("scanelf -a", "scanelf", &["-R", "-a", "%"]),
    ("checksec.rs", "checksec", &["-d", "%"]),
    ("quench verify --only functions", "quench", &["verify", "--only", FUNCTIONS, "%"]),
    ("quench verify", "quench", &["verify", "%"]),
    ("binary-security-check", "binary-security-check", &["%*"]),
];
/// The directory of links, before the number of the process.
const PLACE: &str = ".quench-bench-";
/// Rules that need code function by function: all but the search for paths in every byte of the file.
const FUNCTIONS: &str = "stack-protector,stack-clash,branch-targets,return-addresses,zeroed-registers,cfi,safe-stack,\
                         evidence,fortify,fortify-level";

/// Seconds and megabytes.
struct Cost {
    wall: f64,
    processor: f64,
    memory: f64,
}

/// `bench [DIRECTORY|FILE]`; `/usr` otherwise.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let what = arguments.first().map_or(PathBuf::from("/usr"), |path| workspace::given(path));
    let what = what.to_str().ok_or("the path is no UTF-8")?;
    sh("cargo", &["build", "--release", "--locked"], &[])?;
    needs::install(&["pax-utils", "time"])?;
    let files = elf_files(what)?;
    // Hard links need the same file system.
    let beside = if Path::new(what).is_dir() {
        Path::new(what)
    } else {
        Path::new(what).parent().unwrap_or(Path::new("."))
    };
    remove_leftovers(beside);
    let place = beside.join(format!("{PLACE}{}", std::process::id()));
    let result = linked(&files, &place).and_then(|links| compare(what, &place, &links));
    std::fs::remove_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    result
}

fn compare(what: &str, place: &Path, files: &[String]) -> Result<(), String> {
    let own = Workspace::find()?.built("release", "quench");
    let mut contestants = Vec::new();
    for (name, program, arguments) in CONTESTANTS {
        // The checksec of slimm609 (a shell script) is another program, and takes minutes for what takes seconds.
        let program = match *name {
            "checksec.rs" => tools::tool("checksec", "checksec", &["etke"])?,
            "binary-security-check" => tools::tool(program, program, &[program])?,
            _ if *program == "quench" => PathBuf::from(&own),
            _ => PathBuf::from(program),
        };
        let mut words: Vec<String> = Vec::new();
        for word in *arguments {
            match *word {
                "%" => words.push(place.display().to_string()),
                "%*" => words.extend(files.iter().cloned()),
                word => words.push(word.to_owned()),
            }
        }
        contestants.push((*name, program, words, Vec::<Cost>::new()));
    }
    for _ in 0..ROUNDS {
        for (_, program, words, costs) in &mut contestants {
            if costs.iter().map(|cost| cost.wall).sum::<f64>() < LONG {
                costs.push(once(program, words)?);
            }
        }
    }
    let bytes: u64 =
        files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|it| it.len()).sum();
    println!("{} ELF files, {what}, {} MB, best of {ROUNDS} in turn", files.len(), bytes >> 20);
    println!("{:<31} {:>8} {:>8} {:>7}   processor time / headers", "", "wall s", "cpu s", "MB");
    let mut first = None;
    for (name, _, _, costs) in &contestants {
        let least = |of: fn(&Cost) -> f64| costs.iter().map(of).fold(f64::INFINITY, f64::min);
        let (wall, processor) = (least(|cost| cost.wall), least(|cost| cost.processor));
        let memory = costs.iter().map(|cost| cost.memory).fold(0.0, f64::max);
        let ratio = processor / *first.get_or_insert(processor);
        println!("{name:<31} {wall:>8.2} {processor:>8.2} {memory:>7.0}   {ratio:.1}");
    }
    Ok(())
}

/// Directories of links whose process was killed before it could remove its own.
fn remove_leftovers(beside: &Path) {
    for entry in std::fs::read_dir(beside).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PLACE)).map(str::to_owned);
        let number = process.filter(|text| text.parse::<u32>().is_ok());
        if number.is_some_and(|number| !Path::new("/proc").join(number).exists())
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            eprintln!("{}: {error}", entry.path().display());
        }
    }
}

/// Regular files below a directory that begin like an ELF file.
fn elf_files(directory: &str) -> Result<Vec<String>, String> {
    let output = Command::new("find")
        .args([directory, "-xdev", "-name", ".quench-bench-*", "-prune"])
        .args(["-o", "-type", "f", "-size", "+0", "-print"])
        .output()
        .map_err(|error| format!("find: {error}"))?;
    let is_elf = |path: &&str| {
        let mut magic = [0; 4];
        std::fs::File::open(path)
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic))
            .is_ok_and(|()| magic == *b"\x7fELF")
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter(is_elf).map(str::to_owned).collect())
}

/// Hard links to the files, in a directory of the same file system.
fn linked(files: &[String], place: &Path) -> Result<Vec<String>, String> {
    std::fs::create_dir(place).map_err(|error| format!("{}: {error}", place.display()))?;
    let mut out = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let link = place.join(index.to_string());
        std::fs::hard_link(file, &link).map_err(|error| format!("{file}: {error}"))?;
        out.push(link.display().to_string());
    }
    Ok(out)
}

/// GNU time writes its line last. What a checker says of the files, and its exit code, do not matter here.
fn once(program: &Path, arguments: &[String]) -> Result<Cost, String> {
    let start = Instant::now();
    let output = Command::new("/usr/bin/time")
        .args(["-f", "%U %S %M"])
        .arg(program)
        .args(arguments)
        .stdout(Stdio::null())
        .output()
        .map_err(|error| format!("/usr/bin/time (package time): {error}"))?;
    let wall = start.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let words: Vec<f64> = text
        .lines()
        .last()
        .unwrap_or_default()
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    match words[..] {
        [user, system, memory] => {
            Ok(Cost { wall, processor: user + system, memory: memory / 1024.0 })
        }
        _ => Err(format!("{}: no times: {text}", program.display())),
    }
}
