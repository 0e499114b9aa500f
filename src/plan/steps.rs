//! The steps of a build with their commands. Pure.

use super::{Because, Invocation, Item, Plan, Provider, Step, StepId};
use crate::profile::Format;

/// All steps of a plan.
pub(super) fn steps(plan: &Plan) -> Vec<Step> {
    let step = |id, title: String, because: &str| Step {
        id,
        title,
        because: Because::rule(because),
        writes: Vec::new(),
        commands: Vec::new(),
    };
    let formats: Vec<&str> = plan
        .package
        .formats
        .iter()
        .map(|f| if *f == Format::Deb { "DEB" } else { "RPM" })
        .collect();
    let mut steps = vec![
        step(
            StepId::Source,
            format!("Source QEMU {}", plan.source.version),
            "the profile's source, authenticated",
        ),
        step(
            StepId::Configure,
            "Configure".to_owned(),
            "every option is stated, none is left to detection",
        ),
        step(
            StepId::Compile,
            format!("Compile {}", plan.emulator()),
            "only the emulator and the option ROMs it loads",
        ),
        step(
            StepId::Stage,
            "Strip and stage".to_owned(),
            "stripped once, so that every package holds the same bytes",
        ),
        step(
            StepId::Package,
            format!("Package {}", formats.join(" and ")),
            "the formats of the profile",
        ),
        step(
            StepId::Verify,
            "Verify the packages".to_owned(),
            "what is shipped is what is checked",
        ),
        step(StepId::Record, "Record".to_owned(), "another machine can rebuild and compare"),
    ];
    for step in &mut steps {
        match step.id {
            StepId::Configure => step.commands = vec![configure(plan)],
            StepId::Compile => compile(plan, step),
            StepId::Stage => step.commands = strip(plan),
            _ => {}
        }
    }
    steps
}

/// A command with the isolated environment of every build step.
fn isolated(plan: &Plan, purpose: &str, program: &str, directory: &str) -> Invocation {
    Invocation::plain(purpose, program, directory)
        .env("HOME", "$HOME_DIR")
        .env("SOURCE_DATE_EPOCH", plan.source.date.to_string())
        .env("PYTHONHASHSEED", "0")
        .env("PYTHONDONTWRITEBYTECODE", "1")
}

fn configure(plan: &Plan) -> Invocation {
    let words =
        |items: &[Item]| items.iter().map(|item| item.text.as_str()).collect::<Vec<_>>().join(" ");
    isolated(plan, "configure QEMU", "$SOURCE/configure", "$BUILD")
        .args(plan.configure.iter().map(|item| item.text.clone()))
        .arg(format!("--extra-cflags={}", words(&plan.cflags)))
        .arg(format!("--extra-ldflags={}", words(&plan.ldflags)))
}

fn compile(plan: &Plan, step: &mut Step) {
    let ninja = isolated(plan, "compile QEMU", "ninja", "$BUILD")
        .env("NINJA_STATUS", "[%f/%t] ")
        .arg(plan.emulator());
    step.commands.push(ninja);
    let roms: Vec<String> = plan
        .firmware
        .iter()
        .filter(|firmware| firmware.provider == Provider::Built)
        .map(|firmware| firmware.item.text.clone())
        .collect();
    if roms.is_empty() {
        return;
    }
    // configure offers these only where a 32-bit libgcc is installed, which the ROMs do not need.
    let config = "TOPSRC_DIR=$SOURCE\nCC=gcc\nCCAS=gcc\nOBJCOPY=objcopy\nPYTHON=python3 -B\nEXTRA_CFLAGS=-m32\n";
    step.writes.push(("$BUILD/roms/config.mak".to_owned(), config.to_owned()));
    let make = isolated(plan, "build the option ROMs", "make", "$BUILD/roms")
        .args(["-f", "$SOURCE/pc-bios/optionrom/Makefile"])
        .args(roms);
    step.commands.push(make);
}

fn strip(plan: &Plan) -> Vec<Invocation> {
    let emulator = plan.emulator();
    vec![
        isolated(plan, "make room for the stripped emulator", "mkdir", "$BUILD")
            .args(["-p", "stripped"]),
        isolated(plan, "set the debug information apart", "objcopy", "$BUILD")
            .args(["--only-keep-debug", "--compress-debug-sections=zlib"])
            .arg(emulator.clone())
            .arg(format!("stripped/{emulator}.debug")),
        isolated(plan, "strip the emulator", "strip", "$BUILD")
            .args(["--strip-all", "--remove-section=.comment", "-o"])
            .arg(format!("stripped/{emulator}"))
            .arg(emulator),
    ]
}
