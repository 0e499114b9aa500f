//! Conformance: our resolver against QEMU's own `scripts/minikconf.py`, symbol by symbol, errors included.

use std::io::Write;
use std::process::{Command, Stdio};

use quench::kconfig::{
    Assignment, Kconfig, Mode, Request, host_symbols, parse, parse_device_file, resolve, target,
};
use quench::source::read_tree;
use quench::tree::Tree;
use serde_json::{Value, json};

use crate::random::Random;
use crate::sandbox::tree;

struct Case {
    request: Request,
    reference: Value,
}

fn assignment(symbol: &str) -> Assignment {
    Assignment { symbol: symbol.to_owned(), value: true, origin: None }
}

fn words(host: &[Assignment]) -> Vec<String> {
    host.iter()
        .map(|a| format!("CONFIG_{}={}", a.symbol, if a.value { "y" } else { "n" }))
        .collect()
}

fn cases(tree: &Tree, kconfig: &Kconfig, random: usize) -> Vec<Case> {
    let mut out = Vec::new();
    // Every target's default device file.
    for (path, _) in
        tree.under("configs/devices").filter(|(path, _)| path.ends_with("/default.mak"))
    {
        let name = path.split('/').nth(2).unwrap();
        let Some(target) = target(tree, name) else { continue };
        let host = host_symbols(tree, &target, &|option| {
            matches!(option, "tcg" | "fdt" | "pixman" | "vhost-user")
        });
        let (devices, findings) = parse_device_file(tree, path);
        assert!(findings.is_empty(), "{path}: {findings:?}");
        let reference =
            json!({ "mode": "defconfig", "devices": path, "symbols": [], "host": words(&host) });
        out.push(Case { request: Request { mode: Mode::Default, devices, host }, reference });
    }
    assert!(out.len() > 20, "only {} targets", out.len());
    let x86 = target(tree, "x86_64-softmmu").unwrap();
    let host = host_symbols(tree, &x86, &|option| {
        matches!(option, "kvm" | "fdt" | "vhost-user" | "vhost-kernel" | "pixman")
    });
    let all: Vec<&str> = kconfig.symbols().collect();
    let mut generator = Random::new(7);
    for _ in 0..random {
        let mut symbols: Vec<String> = vec!["Q35".to_owned()];
        for _ in 0..=generator.below(6) {
            symbols.push(all[generator.below(all.len())].to_owned());
        }
        if generator.below(20) == 0 {
            symbols.push("NO_SUCH_SYMBOL".to_owned());
        }
        symbols.sort();
        symbols.dedup();
        let devices = symbols.iter().map(|symbol| assignment(symbol)).collect();
        let reference = json!({ "mode": "allnoconfig", "devices": null, "symbols": symbols, "host": words(&host) });
        out.push(Case {
            request: Request { mode: Mode::AllNo, devices, host: host.clone() },
            reference,
        });
    }
    out
}

fn reference(directory: &std::path::Path, cases: &[Case]) -> Vec<Value> {
    let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/minikconf_driver.py");
    let mut child = Command::new("python3")
        .args(["-B", driver])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let requests: Vec<&Value> = cases.iter().map(|case| &case.reference).collect();
    let mut input = child.stdin.take().unwrap();
    let text = serde_json::to_string(&requests).unwrap();
    let feeder = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_resolver_gives_minikconfs_answer_symbol_by_symbol() {
    let threads =
        ["7.2", "10.0", "10.2"].map(|series| std::thread::spawn(move || conforms(series)));
    for thread in threads {
        thread.join().unwrap();
    }
}

fn conforms(series: &str) {
    {
        let Some(directory) = tree(series) else { return println!("skipped: no QUENCH_TREES") };
        let tree = read_tree(&directory).unwrap();
        let (kconfig, findings) = parse(&tree, "Kconfig");
        assert!(findings.is_empty(), "{series}: {findings:?}");
        let cases = cases(&tree, &kconfig, 1000);
        let wanted = reference(&directory, &cases);
        let (mut solved, mut refused) = (0, 0);
        for (case, wanted) in cases.iter().zip(&wanted) {
            let (resolution, findings) = resolve(&kconfig, &case.request);
            match (resolution, wanted.as_array()) {
                (Some(resolution), Some(symbols)) => {
                    let symbols: Vec<&str> = symbols.iter().filter_map(Value::as_str).collect();
                    let ours: Vec<&str> = resolution.symbols.keys().map(String::as_str).collect();
                    assert_eq!(ours, symbols, "{series}: {}", case.reference);
                    solved += 1;
                }
                (None, None) => {
                    assert!(!findings.is_empty());
                    refused += 1;
                }
                (ours, _) => panic!(
                    "{series}: ours {ours:?} {findings:?}, minikconf {wanted}: {}",
                    case.reference
                ),
            }
        }
        println!("{series}: {solved} selections equal, {refused} refused by both");
        assert!(solved > 100 && refused > 10, "{series}: {solved} {refused}");
    }
}
