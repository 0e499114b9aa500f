//! Trees made to break the scanners: mutated real files, loops, deep nesting, huge files, bytes that are no text. Each
//! gives findings or an answer in bounded time and memory, and never a panic. `fuzz/` searches further.

use std::process::Command;

use quench::catalog;
use quench::kconfig::{Assignment, Mode, Request, parse, resolve};
use quench::profile;
use quench::tree::Tree;

use crate::random::Random;
use crate::sandbox::{Sandbox, tree};

/// Deletes, repeats, swaps and overwrites pieces.
pub(crate) fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(6) {
        let (at, length) = (random.below(out.len()), random.below(64));
        let end = (at + length).min(out.len());
        match random.below(4) {
            0 => drop(out.drain(at..end)),
            1 => {
                let piece = out[at..end].repeat(3);
                out.splice(at..at, piece);
            }
            2 => out[at..end].fill(b"(){}[]\"'\\,\n#\xff\0"[random.below(14)]),
            _ => out.truncate(at),
        }
        if out.is_empty() {
            out.push(b'(');
        }
    }
    out
}

#[test]
fn mutated_files_of_a_real_tree_never_panic() {
    let Some(root) = tree("10.0") else { return println!("skipped: no QUENCH_TREES") };
    let files = [
        "Kconfig",
        "hw/i386/Kconfig",
        "hw/pci-bridge/Kconfig",
        "meson.build",
        "hw/display/meson.build",
        "audio/meson.build",
        "hw/block/m25p80.c",
        "hw/net/e1000.c",
        "hw/virtio/virtio-pci.c",
        "target/i386/cpu.c",
        "hw/i386/pc_q35.c",
        "net/net.c",
        "include/hw/boards.h",
        "include/qemu/osdep.h",
        "hw/core/null-machine.c",
        "block/qcow2.c",
    ];
    let read: Vec<(&str, Vec<u8>)> =
        files.iter().map(|file| (*file, std::fs::read(root.join(file)).unwrap())).collect();
    let mut random = Random::new(11);
    for _ in 0..300 {
        let tree: Tree =
            read.iter().map(|(file, bytes)| (*file, mutated(bytes, &mut random))).collect();
        let _ = catalog::scan(&tree);
        let (kconfig, _) = parse(&tree, "hw/i386/Kconfig");
        let devices = [Assignment { symbol: "Q35".to_owned(), value: true, origin: None }].to_vec();
        let _ = resolve(&kconfig, &Request { mode: Mode::AllNo, devices, host: Vec::new() });
    }
}

#[test]
fn mutated_profiles_give_findings() {
    let mut random = Random::new(5);
    for (name, text) in quench::builtin::PROFILES {
        for _ in 0..300 {
            let bytes = mutated(text.as_bytes(), &mut random);
            let text = String::from_utf8_lossy(&bytes);
            let _ = profile::load(name, &text, &|_| None.into());
        }
    }
}

/// Under a limit of 2 GiB of address space and a watchdog, so that a loop or a copy too many is a failure and no hang.
#[test]
fn a_hostile_tree_is_answered_within_limits() {
    let sandbox = Sandbox::new();
    let deep = "(".repeat(400_000);
    let chain: Vec<String> = (0..20_000)
        .map(|n| format!("config S{n}\n    bool\n    select S{}\n", (n + 1) % 20_000))
        .collect();
    let chain = chain.join("\n");
    sandbox.write("t/VERSION", "10.0.0\n");
    sandbox.write("t/Kconfig", format!("source Kconfig\nsource a/Kconfig\n{chain}"));
    sandbox.write("t/a/Kconfig", "config A\n    depends on ".to_owned() + &deep + "A\n");
    sandbox.write(
        "t/meson.build",
        format!("foreach a : [[1], [2]]\nforeach b : a\nx_ss.add({deep}\nendforeach\n"),
    );
    sandbox.write("t/hw/x/meson.build", "if a\n".repeat(50_000));
    sandbox.write("t/hw/x/a.c", "#if A\n".repeat(50_000) + "TypeInfo a = {" + &deep);
    sandbox.write(
        "t/hw/x/b.c",
        [b"TypeInfo \xff\xfe = { .name = \"\xc3".to_vec(), vec![0xff; 100_000]].concat(),
    );
    sandbox.write("t/include/a.h", "#define A B B\n#define B A A\n".repeat(1_000));
    let huge = std::fs::File::create(sandbox.path().join("t/hw/x/huge.c")).unwrap();
    huge.set_len(100 << 20).unwrap();
    std::os::unix::fs::symlink("..", sandbox.path().join("t/hw/loop")).unwrap();
    let output = Command::new("timeout")
        .args(["120", "prlimit", "--as=2147483648", env!("CARGO_BIN_EXE_quench")])
        .args(["devices", "--source", "t"])
        .current_dir(sandbox.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    assert!(code.is_some_and(|code| [0, 2, 3].contains(&code)), "{code:?}: {stderr}");
    assert!(!stderr.contains("this is a bug"), "{stderr}");
}
