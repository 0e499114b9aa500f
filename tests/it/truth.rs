//! The catalog against the truth: full default builds, inventoried over QMP (`examples/truth.rs`). Every name the binary
//! has is found, none is invented.

use std::collections::BTreeSet;

use quench::catalog::{Catalog, Condition, Configuration, Kind, Requested, predict, scan};
use quench::kconfig::target;
use quench::record::Measured;
use quench::source::read_tree;
use serde::Deserialize;

use crate::sandbox::tree;

/// What the sources alone do not decide, with the reason.
const UNDECIDED: &[(&str, &str)] = &[("iser", "needs a version of libiscsi's header")];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Truth {
    target: String,
    symbols: BTreeSet<String>,
    options: BTreeSet<String>,
    defines: BTreeSet<String>,
    target_defines: BTreeSet<String>,
    surface: Measured,
    types: BTreeSet<String>,
}

/// The configuration the build had.
struct Built<'a> {
    truth: &'a Truth,
    options: BTreeSet<&'a str>,
    arch: String,
}

impl Configuration for Built<'_> {
    fn symbol(&self, name: &str) -> bool {
        let truth = self.truth;
        [&truth.symbols, &truth.defines, &truth.target_defines].iter().any(|set| set.contains(name))
    }
    fn option(&self, name: &str) -> bool {
        self.options.contains(name) || self.truth.options.contains(name)
    }
    fn arch(&self, name: &str) -> bool {
        self.arch == name
    }
}

/// Options that `config-host.h` proves on: those that alone define one of its macros.
fn options<'a>(catalog: &'a Catalog, truth: &Truth) -> BTreeSet<&'a str> {
    let defined = catalog.defines().iter().filter(|(name, _)| truth.defines.contains(*name));
    defined
        .filter_map(|(_, condition)| match condition {
            Condition::Option(option) => Some(option.as_str()),
            _ => None,
        })
        .collect()
}

fn differences(
    what: &str,
    ours: &BTreeSet<&String>,
    theirs: &BTreeSet<&String>,
    out: &mut Vec<String>,
) {
    let unlisted = |name: &&&String| !UNDECIDED.iter().any(|(listed, _)| listed == **name);
    let missing = theirs.difference(ours).filter(unlisted);
    out.extend(missing.map(|name| format!("{what} `{name}` was not found")));
    out.extend(ours.difference(theirs).map(|name| format!("{what} `{name}` was invented")));
}

fn compare(series: &str, name: &str) -> Option<Vec<String>> {
    let tree = read_tree(&tree(series)?).unwrap();
    let path = format!("{}/tests/data/truth/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let truth: Truth = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let catalog = scan(&tree);
    let target = target(&tree, &truth.target).unwrap();
    let built = Built {
        truth: &truth,
        options: options(&catalog, &truth),
        arch: target.base_arch().to_owned(),
    };
    let surface = predict(&catalog, &built, &Requested::new());
    let measured = &truth.surface;
    let none = "none".to_owned();
    let mut out = Vec::new();
    // What the machine decides at program start may be in or not.
    let either: BTreeSet<&String> = surface.at_start.keys().collect();
    for (what, ours, theirs) in [
        ("device", surface.devices.keys().collect::<BTreeSet<_>>(), &measured.devices),
        ("machine", surface.machines.keys().chain([&none]).collect(), &measured.machines),
        ("object", surface.objects.keys().collect(), &measured.objects),
        ("netdev", surface.backends(Kind::Netdev).collect(), &measured.netdevs),
        ("chardev", surface.backends(Kind::Chardev).collect(), &measured.chardevs),
        ("display", surface.backends(Kind::Display).collect(), &measured.displays),
        ("audio", surface.backends(Kind::Audio).collect(), &measured.audio),
        ("block", surface.backends(Kind::Block).collect(), &measured.block_formats),
    ] {
        println!("{name}: {} {what}s", theirs.len());
        let theirs = theirs.iter().filter(|name| !either.contains(name)).collect();
        let ours: BTreeSet<&String> =
            ours.into_iter().filter(|name| !either.contains(name)).collect();
        differences(what, &ours, &theirs, &mut out);
    }
    let unlisted = |name: &String| !UNDECIDED.iter().any(|(listed, _)| listed == name);
    println!("{name}: decided at start: {either:?}");
    for (undecided, condition) in surface.undecided.iter().filter(|(name, _)| unlisted(name)) {
        out.push(format!("`{undecided}` is undecided: {condition}"));
    }
    for kind in truth.types.iter().filter(|kind| catalog.named(kind).next().is_none()) {
        out.push(format!("type `{kind}` is unknown to the catalog"));
    }
    Some(out)
}

fn holds(series: &str, name: &str) {
    let Some(differences) = compare(series, name) else {
        return println!("skipped: no QUENCH_TREES");
    };
    assert!(differences.is_empty(), "{name}: {}\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn the_full_x86_64_build_of_10_0_is_predicted_name_by_name() {
    holds("10.0", "10.0-x86_64-softmmu");
}

#[test]
fn the_full_x86_64_build_of_10_2_is_predicted_name_by_name() {
    holds("10.2", "10.2-x86_64-softmmu");
}

#[test]
fn the_full_aarch64_build_of_10_0_is_predicted_name_by_name() {
    holds("10.0", "10.0-aarch64-softmmu");
}
