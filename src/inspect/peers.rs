//! Runs other checkers that are installed on the files that were judged: the shell around `verify::compare`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::archive::{self, Format, Limits, Member};
use crate::failure::Failure;
use crate::files::Scratch;
use crate::plan::Invocation;
use crate::process;
use crate::terminal::Terminal;
use crate::tool;
use crate::verify::compare::{Comparison, PEERS, Peer, compare};
use crate::verify::{ObjectVerdict, Report};

/// Files of one call: no command line is too long.
const BATCH: usize = 200;

/// The comparisons with every peer that is installed. Members of packages are written to a directory that goes away.
pub fn run(
    reports: &[Report],
    paths: &[std::path::PathBuf],
    terminal: &Terminal,
) -> Result<Vec<Comparison>, Failure> {
    let machine = Failure::machine;
    let scratch = Scratch::new().map_err(machine)?;
    let mut objects: BTreeMap<String, &ObjectVerdict> = BTreeMap::new();
    for (index, (report, path)) in reports.iter().zip(paths).enumerate() {
        let directory = scratch.path().join(index.to_string());
        let places = places(report, path, &directory).map_err(machine)?;
        for object in &report.objects {
            if let Some(place) = places.get(&object.path) {
                objects.insert(place.clone(), object);
            }
        }
    }
    let mut out = Vec::new();
    for peer in PEERS {
        let Ok(program) = tool::path(peer.name) else {
            terminal.status("Absent", &format!("{} is not installed", peer.name));
            continue;
        };
        let files: Vec<&String> = objects.keys().collect();
        let program = program.display().to_string();
        terminal.status("Asking", &format!("{} about {} files", peer.name, files.len()));
        let mut answers = Vec::new();
        for batch in files.chunks(BATCH) {
            answers.extend((peer.parse)(&ask(peer, &program, batch, scratch.path())?));
        }
        out.push(compare(peer, &version(peer, &program), &answers, &objects));
    }
    Ok(out)
}

/// Where each object of a report stands on disk: itself, or a copy of a member.
fn places(
    report: &Report,
    path: &Path,
    directory: &Path,
) -> std::io::Result<BTreeMap<String, String>> {
    let absolute = |path: &str| {
        let path = std::path::absolute(path)?;
        std::io::Result::Ok(path.display().to_string())
    };
    let mut out = BTreeMap::new();
    let packed = path.is_file() && {
        let mut file = BufReader::with_capacity(64 << 10, fs_err::File::open(path)?);
        let packed = !matches!(archive::format(file.fill_buf()?), Format::Elf | Format::Other);
        if packed {
            copies(&report.name, &mut file, directory, &mut out)?;
        }
        packed
    };
    if !packed {
        // A line is a file for tools that read lists, and members of archives have no file of their own.
        for object in &report.objects {
            if !object.path.contains(['!', '\n']) {
                out.insert(object.path.clone(), absolute(&object.path)?);
            }
        }
    }
    Ok(out)
}

/// Writes each object of a package to a file of its own.
fn copies(
    name: &str,
    package: &mut dyn Read,
    directory: &Path,
    out: &mut BTreeMap<String, String>,
) -> std::io::Result<()> {
    fs_err::create_dir_all(directory)?;
    let mut written = Ok(());
    let mut index = 0_usize;
    let mut write = |member: Member| {
        index += 1;
        if written.is_ok() && crate::elf::is_elf(&member.bytes) {
            let copy = directory.join(index.to_string());
            written = fs_err::write(&copy, &member.bytes);
            out.insert(member.path, copy.display().to_string());
        }
    };
    archive::open(name, package, Limits::default(), false, &mut write);
    written
}

fn ask(peer: &Peer, program: &str, files: &[&String], scratch: &Path) -> Result<String, Failure> {
    let mut arguments: Vec<String> = peer.arguments.iter().map(|word| (*word).to_owned()).collect();
    if peer.list {
        let list = scratch.join("list");
        let lines: Vec<&str> = files.iter().map(|file| file.as_str()).collect();
        fs_err::write(&list, lines.join("\n") + "\n").map_err(Failure::machine)?;
        if let Some(last) = arguments.last_mut() {
            last.push_str(&list.display().to_string());
        }
    } else {
        arguments.extend(files.iter().map(|file| (*file).clone()));
    }
    call(peer.name, program, &arguments)
}

/// Runs it for its output: several say with their exit status what they think of the file.
fn call(name: &str, program: &str, arguments: &[String]) -> Result<String, Failure> {
    let mut invocation = Invocation::plain(format!("ask {name}"), "sh", "/")
        .arg("-c")
        .arg("\"$@\" || :")
        .arg("sh")
        .arg(program);
    invocation.arguments.extend(arguments.iter().cloned());
    let output = process::output(&invocation)?;
    Ok(output.text())
}

/// The first line it prints of itself.
fn version(peer: &Peer, program: &str) -> String {
    if peer.version.is_empty() {
        return String::new();
    }
    let arguments: Vec<String> = peer.version.iter().map(|word| (*word).to_owned()).collect();
    let text = call(peer.name, program, &arguments).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}
