//! Writes what a finished QEMU build has, as truth for the catalog's tests:
//!
//! ```text
//! cargo run --example truth -- BUILD_DIRECTORY TARGET > tests/data/truth/SERIES-TARGET.json
//! ```
//!
//! Options come from the summary in the build's meson log, symbols from its `TARGET-config-devices.mak`, macros from
//! its `config-host.h`, everything else from the emulator itself over QMP and its help options.
#![expect(clippy::print_stdout, reason = "the truth goes to standard output")]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};

use quench::inventory;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(build), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("usage: truth BUILD_DIRECTORY TARGET".into());
    };
    let build = PathBuf::from(build);
    let arch = target.trim_end_matches("-softmmu");
    let emulator = build.join(format!("qemu-system-{arch}"));
    let truth = json!({
        "command": "cargo run --example truth -- BUILD TARGET, after configure --target-list=TARGET --disable-docs \
                    --disable-tools --disable-install-blobs and ninja in BUILD",
        "target": target,
        "symbols": symbols(&fs_err::read_to_string(build.join(format!("{target}-config-devices.mak")))?),
        "target-defines": defines(&fs_err::read_to_string(build.join(format!("{target}-config-target.h")))?),
        "defines": defines(&fs_err::read_to_string(build.join("config-host.h"))?),
        "options": options(&build)?,
        "surface": inventory::surface(&emulator)?,
        "types": inventory::types(&emulator)?,
    });
    println!("{}", serde_json::to_string_pretty(&truth)?);
    Ok(())
}

/// `CONFIG_X=y`.
fn symbols(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.strip_prefix("CONFIG_")?.strip_suffix("=y")).collect()
}

/// `#define CONFIG_X …`.
fn defines(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("#define CONFIG_")?.split_whitespace().next())
        .collect()
}

/// Options that are on by default where their dependency is there and that the summary does not mention.
const UNSAID: &[&str] = &["colo-proxy", "iconv", "xen-pci-passthrough"];

/// Build options that the summary says are on. `summary_info += {'TITLE': variable}` of the tree's `meson.build` leads
/// from a title to a variable, the variable's assignment to an option.
fn options(build: &Path) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let log = fs_err::read_to_string(build.join("meson-logs/meson-log.txt"))?;
    let source = log.lines().find_map(|line| line.strip_prefix("Source dir: "));
    let meson = fs_err::read_to_string(
        Path::new(source.ok_or("no source in the log")?).join("meson.build"),
    )?;
    let mut on: BTreeSet<String> = UNSAID.iter().map(|name| (*name).to_owned()).collect();
    for line in meson.lines().filter_map(|line| line.trim().strip_prefix("summary_info += {'")) {
        let Some((title, value)) = line.split_once("':") else { continue };
        let said = log.lines().rev().find_map(|line| {
            let (found, said) = line.split_once(" : ")?;
            (found.trim() == title).then(|| said.trim())
        });
        if said.is_some_and(|said| said.starts_with("YES"))
            && let Some(option) = option(&meson, value.trim().trim_end_matches('}'))
        {
            on.insert(option.replace('_', "-"));
        }
    }
    Ok(on)
}

/// The option of `get_option('x').allowed()`, `x.found()` or `x`.
fn option<'a>(meson: &'a str, value: &'a str) -> Option<&'a str> {
    let quoted = |text: &'a str| text.split_once("get_option('")?.1.split('\'').next();
    if value.contains("get_option('") {
        return quoted(value);
    }
    let name = value.split('.').next()?;
    let assigned = format!("\n{name} = ");
    let places = meson.match_indices(&assigned).map(|(at, _)| &meson[at + assigned.len()..]);
    // The option stands in the assignment, or in the `if` right after `x = not_found`.
    places.map(|rest| rest.get(..400).unwrap_or(rest)).find_map(quoted)
}
