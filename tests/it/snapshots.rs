//! What the program prints, as files below `tests/snapshots`. `SNAPSHOTS=overwrite cargo test --test it snapshots::` writes
//! them; the difference is then read by a person. (Plans and help have snapshots of their own beside the sources.)

use std::path::{Path, PathBuf};

use snapbox::Data;

use crate::sandbox::{Ran, Sandbox, quench};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The small tree (`tests/data/tree/mini/README.md`).
fn mini() -> String {
    top().join("tests/data/tree/mini").display().to_string()
}

/// Compares a text with a kept one; the program's version is no part of it.
fn check(name: &str, text: &str) {
    let text = text.replace(env!("CARGO_PKG_VERSION"), "[VERSION]").replace(&mini(), "[MINI]");
    let expected = Data::read_from(&top().join("tests/snapshots").join(name), None);
    snapbox::assert_data_eq!(text, expected.raw());
}

/// Runs quench at the top of the tree, so that paths of fixtures are the same on every machine.
fn at_top(arguments: &[&str]) -> Ran {
    quench(&top(), Sandbox::new().path(), arguments)
}

#[test]
fn verdicts_in_every_format_are_what_they_were() {
    let files = ["tests/fixtures/elf/hardened", "tests/fixtures/elf/fake_ssp"];
    for (format, name) in [
        ("human", "verify.txt"),
        ("json", "verify.json.txt"),
        ("sarif", "verify.sarif.txt"),
        ("junit", "verify.junit.xml"),
        ("markdown", "verify.md"),
    ] {
        let ran = at_top(&[
            "verify",
            files[0],
            files[1],
            "--policy",
            "quench-strict",
            "--date",
            "2027-01-01",
            "--format",
            format,
        ]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        check(name, &ran.stdout);
    }
}

#[test]
fn the_list_of_rules_and_policies_is_what_it_was() {
    check("verify-rules.txt", &at_top(&["verify", "--rules"]).stdout);
}

#[test]
fn what_a_tree_offers_is_what_it_was() {
    for (arguments, name) in [
        (&["devices"][..], "devices.txt"),
        (&["devices", "--all", "--format", "json"], "devices.json.txt"),
        (&["devices", "--kind", "netdev"], "devices-netdev.txt"),
        (&["devices", "--kind", "object", "--format", "json"], "devices-object.json.txt"),
        (&["machines"], "machines.txt"),
        (&["machines", "--format", "json"], "machines.json.txt"),
    ] {
        let ran = at_top(&[arguments, &["--source", &mini()]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        check(name, &ran.stdout);
    }
}

const PROFILE: &str = "schema = 1\nname = \"mine\"\nextends = [\"cloud-virtio\"]\n\
    [devices]\nallow = [\"virtio-mem-pci\"]\ndeny = [\"virtio-scsi-pci\"]\n\
    [package]\nmaintainer = \"Jane \\\"J\\\" Doe <jane@example.org>\"\n";

#[test]
fn the_expanded_profile_and_the_findings_of_a_faulty_one_are_what_they_were() {
    let sandbox = Sandbox::new();
    sandbox.write("mine.toml", PROFILE);
    let ran = sandbox.quench(&["check", "--text-only", "--expanded", "mine.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    check("check-expanded.toml.txt", &ran.stdout);

    sandbox.write(
        "faulty.toml",
        format!("{PROFILE}[block]\ncolour = 1\n[target]\naccelerators = [\"tcg\"]\n"),
    );
    let ran = sandbox.quench(&["check", "--text-only", "faulty.toml"]);
    assert_eq!(ran.code, 2);
    check("check-faulty.txt", &ran.stderr);
    let ran = sandbox.quench(&["check", "--text-only", "--format", "json", "faulty.toml"]);
    check("check-faulty.jsonl.txt", &ran.stdout);
}

/// A profile of the small tree, which the program itself plans: with the compiler of this machine.
const ON_MINI: &str = "schema = 1\nname = \"mini\"\nsummary = \"on the small tree\"\n\
    [qemu]\nseries = \"10.0\"\nsource = { path = \"qemu\" }\n\
    [target]\narch = \"x86_64\"\nmachines = [\"q35\"]\naccelerators = [\"kvm\"]\n\
    [devices]\nallow = [\"virtio-blk-pci\", \"igb\"]\n";

#[test]
fn answers_of_explain_are_what_they_were() {
    let sandbox = Sandbox::new();
    sandbox.write("mini.toml", ON_MINI);
    let what = [
        "virtio-blk-pci",
        "CONFIG_PCKBD",
        "seccomp",
        "--disable-vnc",
        "-O2",
        "bios-256k.bin",
        "ufs",
        "scsi_req_new",
    ];
    let source = mini();
    let first = ["explain", "mini.toml", "--source", &source, "--"];
    let ran = sandbox.quench(&[&first[..], &what].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    check("explain.txt", &ran.stdout);
    check("explain-code.txt", &at_top(&["explain", "profile::tcg"]).stdout);
    let ran = sandbox.quench(&["explain", "mini.toml", "virtio-blk", "--source", &mini(), "-q"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let last: Vec<&str> =
        ran.stderr.lines().skip_while(|line| !line.contains("nothing named")).collect();
    check("explain-absent.txt", &last.join("\n"));
}

#[test]
fn a_tree_of_another_series_is_compared() {
    let sandbox = Sandbox::new();
    copy(Path::new(&mini()), &sandbox.path().join("new"));
    for (file, old, new) in [
        ("VERSION", "10.0.2", "10.2.0"),
        ("hw/ufs/lu.c", "\"ufs\"", "\"nvme\""),
        ("hw/display/bochs-display.c", "\"bochs-display\"", "\"bochs-drm-display\""),
        ("hw/core/Kconfig", "config SSI_M25P80", "config SSI_FLASH"),
        ("hw/meson.build", "CONFIG_SSI_M25P80", "CONFIG_SSI_FLASH"),
        ("scripts/meson-buildoptions.sh", "-spice-protocol)", "-spice-wire)"),
        (
            "hw/i386/Kconfig",
            "    select PCI_EXPRESS\n",
            "    select PCI_EXPRESS\n    select ISA_DEBUG\n",
        ),
    ] {
        let path = sandbox.path().join("new").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{file}: no {old}");
        std::fs::write(&path, text.replace(old, new)).unwrap();
    }
    sandbox.write("mini.toml", ON_MINI);
    let arguments = ["diff-tree", &mini(), "new", "--profile", "mini.toml"];
    let ran = sandbox.quench(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    check("diff-tree.txt", &ran.stdout);
    let ran = sandbox.quench(&[&arguments[..], &["--format", "json"]].concat());
    check("diff-tree.json.txt", &ran.stdout);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &place);
        } else {
            std::fs::copy(&path, &place).unwrap();
        }
    }
}

/// What `diff-tree` needs no compiler for is planned by the program, too, where there is one.
#[test]
fn the_program_plans_the_small_tree() {
    let sandbox = Sandbox::new();
    sandbox.write("mini.toml", ON_MINI);
    let plan = |format: &str| {
        let ran = sandbox.quench(&["plan", "mini.toml", "--source", &mini(), "--format", format]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    };
    let json: serde_json::Value = serde_json::from_str(&plan("json")).unwrap();
    assert_eq!(json["schema"], "quench.plan/1");
    let asked = json["asked"].as_array().unwrap().iter().filter_map(|item| item["name"].as_str());
    let wanted = ["E1000E_PCI_EXPRESS", "IGB_PCI_EXPRESS", "Q35", "VIRTIO_BLK", "VIRTIO_PCI"];
    assert_eq!(asked.collect::<Vec<_>>(), wanted);
    assert!(plan("human").contains("  requested (2): igb virtio-blk-pci\n"));
    // A shell reads the script.
    let script = sandbox.write("plan.sh", plan("sh"));
    assert!(std::process::Command::new("sh").arg("-n").arg(script).status().unwrap().success());
}
