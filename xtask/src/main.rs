//! Tasks of the project: `cargo xtask NAME`. Its dependencies are few, and most of them quench has, too: it compiles in
//! seconds on a bare machine.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task runner talks to its terminal"
)]

mod bench;
mod cost;
mod dist;
mod fixtures;
mod fuzz;
mod generate;
mod graph;
mod needs;
mod reproducible;
mod schemas;
mod seeds;
mod surface;
mod survey;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

/// Name, what it does, the function.
type Task = (&'static str, &'static str, fn(&[String]) -> Result<(), String>);

const TASKS: &[Task] = &[
    (
        "test",
        "install what the tests need, then run all of them (the README's test command)",
        test::run,
    ),
    ("bench", "time verify and its peers on the same files: [DIRECTORY|FILE]", bench::run),
    (
        "cost",
        "what building with quench costs over the sh plan by hand, and what packaging adds: [PROFILE]",
        cost::run,
    ),
    (
        "dist",
        "make quench's own packages, judged by quench, in the target directory: [--again] [--check PROGRAM]",
        dist::run,
    ),
    ("fuzz", "run the fuzz targets, each for a while: [SECONDS] [TARGET...]", fuzz::run),
    (
        "fixtures",
        "build the ELF fixtures of the tests and the seeds of the fuzz targets from source",
        fixtures::run,
    ),
    (
        "generate",
        "write the files that are made from the program's tables: [--check] only compares",
        generate::run,
    ),
    (
        "surface",
        "build random allowlists and compare prediction and binary: --series S --random N --seed K",
        surface::run,
    ),
    (
        "survey",
        "judge a distribution's packages: LIST [--suite SUITE] [--arch ARCH,…] [--policy NAME] [--stale-index] [--program QUENCH]",
        survey::run,
    ),
    (
        "reproducible",
        "build a profile twice, everything varied, and compare: [PROFILE]",
        reproducible::run,
    ),
    ("needs", "install what the tests need", needs::run),
    ("schemas", "write schemas/ from the types of src/wire; --check only compares", schemas::run),
    ("tidy", "check module edges and texts", tidy::run),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let Some((_, _, task)) = TASKS.iter().find(|(task, _, _)| *task == name) else {
        println!("usage: cargo xtask TASK");
        for (name, help, _) in TASKS {
            println!("  {name:<8} {help}");
        }
        return ExitCode::from(2);
    };
    match workspace::Workspace::find().and_then(|it| it.enter()).and_then(|()| task(&rest)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {name}: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a program with inherited output; shows the command first.
fn sh(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    println!("$ {program} {}", arguments.join(" "));
    let mut command = std::process::Command::new(program);
    command.args(arguments).envs(environment.iter().copied());
    let status = command.status().map_err(|error| format!("{program}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} {} ended with {status}", arguments.join(" ")))
    }
}
