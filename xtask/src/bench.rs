//! Times `quench verify` and whichever other checkers are installed, on the same files in the same run.
//!
//! All are given one directory with nothing in it but hard links to the ELF files below the one asked for: what is
//! compared is judging, not walking. hardening-check, which disassembles with objdump, takes half an hour and is left out.
//! Processor time is steadier than wall time on a machine that does other things.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::sh;

/// How often each command is run; the median counts.
const ROUNDS: usize = 3;
/// No further round after so many seconds.
const LONG: f64 = 60.0;

/// What is timed: a name, the program, its arguments with `%` for the directory and `%*` for all files.
const CONTESTANTS: &[(&str, &str, &[&str])] = &[
    ("quench verify --only headers", OWN, &["verify", "--only", "headers", "%"]),
    ("scanelf -a", "scanelf", &["-R", "-a", "%"]),
    ("checksec.rs", "checksec", &["-d", "%"]),
    ("quench verify", OWN, &["verify", "%"]),
    ("binary-security-check", "binary-security-check", &["%*"]),
];
const OWN: &str = "target/release/quench";

/// Seconds and megabytes.
struct Cost {
    wall: f64,
    processor: f64,
    memory: f64,
}

/// `bench [DIRECTORY]`; `/usr` otherwise.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let directory = arguments.first().map_or("/usr", String::as_str);
    sh("cargo", &["build", "--release", "--locked"], &[])?;
    let files = elf_files(directory)?;
    let place = PathBuf::from(format!(
        "{}/.quench-bench-{}",
        directory.trim_end_matches('/'),
        std::process::id()
    ));
    let result = linked(&files, &place).and_then(|links| compare(directory, &place, &links));
    std::fs::remove_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    result
}

fn compare(directory: &str, place: &Path, files: &[String]) -> Result<(), String> {
    let bytes: u64 =
        files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|it| it.len()).sum();
    println!(
        "{} ELF files below {directory}, {} MB, median of {ROUNDS} runs",
        files.len(),
        bytes >> 20
    );
    println!("{:<30} {:>8} {:>8} {:>7}   processor time / headers", "", "wall s", "cpu s", "MB");
    let mut first = None;
    for (name, program, arguments) in CONTESTANTS {
        // The checksec of slimm609 (a shell script) is another program, and takes minutes for what takes seconds.
        if !present(program) || (*name == "checksec.rs" && !is_rust(program)) {
            println!("{name:<30} not installed");
            continue;
        }
        let place = place.display().to_string();
        let mut words: Vec<String> = Vec::new();
        for word in *arguments {
            match *word {
                "%" => words.push(place.clone()),
                "%*" => words.extend(files.iter().cloned()),
                word => words.push(word.to_owned()),
            }
        }
        let cost = time(program, &words)?;
        let base = *first.get_or_insert(cost.processor);
        let ratio = cost.processor / base;
        let Cost { wall, processor, memory } = cost;
        println!("{name:<30} {wall:>8.2} {processor:>8.2} {memory:>7.0}   {ratio:.1}");
    }
    Ok(())
}

fn present(program: &str) -> bool {
    let status =
        Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok()
}

fn is_rust(program: &str) -> bool {
    let output = Command::new(program).arg("--help").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("etke"))
}

/// Regular files below a directory that begin like an ELF file.
fn elf_files(directory: &str) -> Result<Vec<String>, String> {
    let output = Command::new("find")
        .args([directory, "-xdev", "-type", "f", "-size", "+0"])
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

/// The median by wall time. What a checker says of the files, and its exit code, do not matter here.
fn time(program: &str, arguments: &[String]) -> Result<Cost, String> {
    let mut costs: Vec<Cost> = Vec::new();
    while costs.len() < ROUNDS && costs.iter().map(|cost| cost.wall).sum::<f64>() < LONG {
        costs.push(once(program, arguments)?);
    }
    costs.sort_by(|one, other| one.wall.total_cmp(&other.wall));
    let middle = costs.len() / 2;
    costs.into_iter().nth(middle).ok_or_else(|| "nothing was run".to_owned())
}

/// GNU time writes its line last.
fn once(program: &str, arguments: &[String]) -> Result<Cost, String> {
    let start = Instant::now();
    let output = Command::new("/usr/bin/time")
        .args(["-f", "%U %S %M", program])
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
        _ => Err(format!("{program}: no times: {text}")),
    }
}
