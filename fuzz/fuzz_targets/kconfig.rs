#![no_main]
//! Kconfig: any text parses or gives findings, and what parses resolves or contradicts.

use libfuzzer_sys::fuzz_target;
use quench::kconfig::{Assignment, Mode, Request, parse, resolve};
use quench::tree::Tree;

fuzz_target!(|text: &[u8]| {
    let tree: Tree = [("Kconfig", text.to_vec())].into_iter().collect();
    let (kconfig, _) = parse(&tree, "Kconfig");
    let devices = kconfig
        .symbols()
        .take(3)
        .map(|symbol| Assignment { symbol: symbol.to_owned(), value: true, origin: None })
        .collect();
    let _ = resolve(&kconfig, &Request { mode: Mode::AllNo, devices, host: Vec::new() });
});
