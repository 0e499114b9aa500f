//! Times `quench verify` and whichever other checkers are installed, on the same files in the same run.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::sh;

/// How often each command is run; the median counts.
const ROUNDS: usize = 3;

/// A command with `%` for the directory.
const PEERS: &[(&str, &[&str])] = &[
    ("scanelf", &["-R", "-a", "%"]),
    ("binary-security-check", &["%*"]),
    ("checksec-rs", &["-d", "%"]),
    ("checksec", &["--dir=%"]),
    ("hardening-check", &["%*"]),
];

/// `bench [DIRECTORY]`; `/usr/bin` otherwise.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let directory = arguments.first().map_or("/usr/bin", String::as_str);
    sh("cargo", &["build", "--release", "--locked"], &[])?;
    let files = elf_files(directory)?;
    println!("{} ELF files below {directory}, median of {ROUNDS} runs", files.len());
    let quench = "target/release/quench";
    let own = time(quench, &["verify", "--format", "json", directory])?;
    println!("{:<24} {:>9.3} s   1.0", "quench verify", own.as_secs_f64());
    for (program, arguments) in PEERS {
        let present = Command::new(program)
            .arg("--help")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if present.is_err() {
            println!("{program:<24} not installed");
            continue;
        }
        let mut words: Vec<&str> = Vec::new();
        let with_directory: Vec<String> =
            arguments.iter().map(|word| word.replace('%', directory)).collect();
        for (word, replaced) in arguments.iter().zip(&with_directory) {
            if *word == "%*" {
                words.extend(files.iter().map(String::as_str));
            } else {
                words.push(replaced);
            }
        }
        let taken = time(program, &words)?;
        let ratio = taken.as_secs_f64() / own.as_secs_f64();
        println!("{program:<24} {:>9.3} s   {ratio:.1}", taken.as_secs_f64());
    }
    Ok(())
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

/// Median wall time. What a checker says of the files, and its exit code, do not matter here.
fn time(program: &str, arguments: &[&str]) -> Result<Duration, String> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| format!("{program}: {error}"))?;
        times.push(start.elapsed());
        if times.iter().sum::<Duration>() > Duration::from_secs(120) {
            break;
        }
    }
    times.sort();
    times.get(times.len() / 2).copied().ok_or_else(|| "nothing was run".to_owned())
}
