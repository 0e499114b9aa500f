#![no_main]
//! C, header and Rust files: any bytes give a catalog.

use libfuzzer_sys::fuzz_target;
use quench::tree::Tree;

fuzz_target!(|text: &[u8]| {
    let build = "system_ss.add(files('a.c'))\n";
    let tree: Tree = [
        ("hw/x/meson.build", build.as_bytes().to_vec()),
        ("hw/x/a.c", text.to_vec()),
        ("include/hw/a.h", text.to_vec()),
        ("include/qemu/osdep.h", text.to_vec()),
        ("include/hw/boards.h", text.to_vec()),
        ("system/qdev-monitor.c", text.to_vec()),
        ("rust/hw/x/src/lib.rs", text.to_vec()),
    ]
    .into_iter()
    .collect();
    let _ = quench::catalog::scan(&tree);
});
