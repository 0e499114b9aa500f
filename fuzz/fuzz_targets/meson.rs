#![no_main]
//! meson.build: any text gives conditions.

use libfuzzer_sys::fuzz_target;
use quench::tree::Tree;

fuzz_target!(|text: &[u8]| {
    let source = "static const TypeInfo a = { .name = \"a\", .parent = \"device\" };\n";
    let tree: Tree = [
        ("meson.build", text.to_vec()),
        ("hw/x/meson.build", text.to_vec()),
        ("hw/x/a.c", source.as_bytes().to_vec()),
    ]
    .into_iter()
    .collect();
    let _ = quench::catalog::scan(&tree);
});
