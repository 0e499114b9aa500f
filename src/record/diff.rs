//! Compares two records in words a release manager reads. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Record;
use crate::wire::Plan;
use crate::wire::plan::Argument;

/// One line per difference, grouped by subject; empty when nothing but `observed` differs.
pub fn diff(a: &Record, b: &Record) -> Vec<String> {
    let mut out = Vec::new();
    value(&mut out, "QEMU", &a.plan.source.version, &b.plan.source.version);
    value(&mut out, "source tree", &a.plan.source.tree, &b.plan.source.tree);
    value(&mut out, "quench", &a.quench, &b.quench);
    set(&mut out, "device", &a.surface.devices, &b.surface.devices);
    set(&mut out, "machine", &a.surface.machines, &b.surface.machines);
    set(&mut out, "object", &a.surface.objects, &b.surface.objects);
    set(&mut out, "netdev", &a.surface.netdevs, &b.surface.netdevs);
    set(&mut out, "chardev", &a.surface.chardevs, &b.surface.chardevs);
    set(&mut out, "display", &a.surface.displays, &b.surface.displays);
    set(&mut out, "audio driver", &a.surface.audio, &b.surface.audio);
    set(&mut out, "block format", &a.surface.block_formats, &b.surface.block_formats);
    let arguments = |list: &[Argument]| list.iter().map(|item| item.argument.clone()).collect();
    for (subject, a, b) in [
        ("argument", &a.plan.configure, &b.plan.configure),
        ("compiler flag", &a.plan.cflags, &b.plan.cflags),
        ("linker flag", &a.plan.ldflags, &b.plan.ldflags),
    ] {
        set(&mut out, subject, &arguments(a), &arguments(b));
    }
    let symbols = |plan: &Plan| plan.symbols.iter().map(|symbol| symbol.name.clone()).collect();
    set(&mut out, "symbol", &symbols(&a.plan), &symbols(&b.plan));
    set(
        &mut out,
        "host setting",
        &a.config_host.iter().cloned().collect(),
        &b.config_host.iter().cloned().collect(),
    );
    let tools = |record: &Record| -> BTreeMap<String, String> {
        record
            .tools
            .iter()
            .map(|tool| (tool.name.clone(), format!("{} {}", tool.version, &tool.sha256)))
            .collect()
    };
    map(&mut out, "tool", &tools(a), &tools(b));
    let root = |record: &Record| -> BTreeMap<String, String> {
        let packages = record.root.iter().flat_map(|root| &root.packages);
        packages
            .map(|package| {
                (package.name.clone(), format!("{} {}", package.version, package.sha256))
            })
            .collect()
    };
    let kind = |record: &Record| {
        record
            .root
            .as_ref()
            .map_or("open host".to_owned(), |root| format!("closed, {}", root.suite))
    };
    value(&mut out, "root", &kind(a), &kind(b));
    if a.root.is_some() && b.root.is_some() {
        map(&mut out, "root package", &root(a), &root(b));
    }
    let files = |record: &Record| -> BTreeMap<String, String> {
        let entry = |file: &super::StagedFile| {
            (file.path.clone(), format!("{} bytes, {}", file.size, file.sha256))
        };
        record.files.iter().map(entry).collect()
    };
    map(&mut out, "file", &files(a), &files(b));
    hardening(&mut out, a, b);
    let packages = |record: &Record| -> BTreeMap<String, String> {
        record
            .packages
            .iter()
            .map(|package| (package.name.clone(), package.sha256.clone()))
            .collect()
    };
    map(&mut out, "package", &packages(a), &packages(b));
    out
}

fn hardening(out: &mut Vec<String>, a: &Record, b: &Record) {
    let verdicts = |record: &Record| -> BTreeMap<String, String> {
        let inputs = record.verdict.iter().flat_map(|verdict| &verdict.inputs);
        let objects = inputs.flat_map(|input| &input.objects);
        objects
            .flat_map(|object| object.rules.iter().map(move |rule| (&object.path, rule)))
            .map(|(path, rule)| {
                (format!("{} of {path}", rule.rule), rule.verdict.name().to_owned())
            })
            .collect()
    };
    map(out, "hardening", &verdicts(a), &verdicts(b));
}

fn value(out: &mut Vec<String>, subject: &str, a: &str, b: &str) {
    if a != b {
        out.push(format!("{subject}: {a} -> {b}"));
    }
}

fn set(out: &mut Vec<String>, subject: &str, a: &BTreeSet<String>, b: &BTreeSet<String>) {
    out.extend(a.difference(b).map(|name| format!("{subject} gone: {name}")));
    out.extend(b.difference(a).map(|name| format!("{subject} new: {name}")));
}

fn map(
    out: &mut Vec<String>,
    subject: &str,
    a: &BTreeMap<String, String>,
    b: &BTreeMap<String, String>,
) {
    for (name, old) in a {
        match b.get(name) {
            None => out.push(format!("{subject} gone: {name}")),
            Some(new) if new != old => out.push(format!("{subject} {name}: {old} -> {new}")),
            Some(_) => {}
        }
    }
    out.extend(
        b.keys().filter(|name| !a.contains_key(*name)).map(|name| format!("{subject} new: {name}")),
    );
}

#[cfg(test)]
mod tests {
    use super::diff;
    use crate::record::{Record, RootLock, RootPackage};
    use crate::wire::Tag;

    fn record(header: &str, gcc: Option<&str>) -> Record {
        let root = gcc.map(|version| RootLock {
            schema: Tag::default(),
            suite: "bookworm".to_owned(),
            architecture: "amd64".to_owned(),
            wanted: Vec::new(),
            packages: vec![RootPackage {
                name: "gcc-12".to_owned(),
                version: version.to_owned(),
                architecture: "amd64".to_owned(),
                sha256: "0".repeat(64),
            }],
        });
        let config_host = ["#define CONFIG_LINUX 1", header].map(str::to_owned).into();
        Record { root, config_host, ..crate::evidence::sample() }
    }

    /// A header of the host that changes QEMU although no option speaks of it.
    #[test]
    fn what_a_header_of_the_host_decided_is_a_line() {
        let with = record("#define CONFIG_VALGRIND_H 1", None);
        let without = record("#undef CONFIG_VALGRIND_H", None);
        assert_eq!(
            diff(&with, &without),
            [
                "host setting gone: #define CONFIG_VALGRIND_H 1",
                "host setting new: #undef CONFIG_VALGRIND_H",
            ]
        );
        assert!(diff(&with, &with.clone()).is_empty());
    }

    #[test]
    fn roots_are_compared_package_by_package() {
        let (a, b) = (record("", Some("12.2.0-14")), record("", Some("12.2.0-15")));
        let zero = "0".repeat(64);
        let line = format!("root package gcc-12: 12.2.0-14 {zero} -> 12.2.0-15 {zero}");
        assert_eq!(diff(&a, &b), [line]);
        assert_eq!(diff(&record("", None), &b), ["root: open host -> closed, bookworm"]);
    }
}
