//! Plans of every shipped profile against a real tree.

use std::path::Path;

use quench::hardening::Probes;
use quench::plan::{self, Because, Inputs, Plan, SourceFacts};
use quench::source::read_tree;
use quench::tree::Tree;
use quench::{catalog, kconfig, profile};

use crate::sandbox::{Sandbox, quench, tree};

#[test]
fn every_shipped_profile_is_planned_and_every_requested_device_is_in() {
    let Some(tree) = tree("10.0") else { return println!("skipped: no QUENCH_TREES") };
    let sandbox = Sandbox::new();
    for (name, _) in quench::builtin::PROFILES {
        let ran =
            sandbox.quench(&["plan", name, "--format", "json", "--source", tree.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
        let plan: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(plan["schema"], "quench.plan/1");
        assert_eq!(plan["undecided"].as_array().unwrap().len(), 0, "{name}: {}", plan["undecided"]);
        for list in ["configure", "symbols", "cflags", "ldflags", "features"] {
            for item in plan[list].as_array().unwrap() {
                assert!(!item["because"]["text"].as_str().unwrap().is_empty(), "{name}: {item}");
            }
        }
        // Every switch of the tree is stated.
        let arguments: Vec<&str> = plan["configure"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|item| item["argument"].as_str())
            .collect();
        for switch in ["stack-protector", "seccomp", "tcg", "slirp", "rust"] {
            let stated = arguments
                .iter()
                .any(|a| *a == format!("--enable-{switch}") || *a == format!("--disable-{switch}"));
            assert!(stated, "{name}: {switch}");
        }
    }
}

#[test]
fn explain_leads_from_a_forced_device_to_a_profile_line() {
    let Some(tree) = tree("10.0") else { return println!("skipped: no QUENCH_TREES") };
    let sandbox = Sandbox::new();
    let ran =
        sandbox.quench(&["explain", "cloud-virtio", "i8042", "--source", tree.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let chain =
        ["CONFIG_PCKBD", "CONFIG_PC:", "CONFIG_PC_PCI", "CONFIG_Q35: asked at base-x86.toml:"];
    let mut rest = ran.stdout.as_str();
    for link in chain {
        let at = rest.find(link).unwrap_or_else(|| panic!("no {link} in:\n{}", ran.stdout));
        rest = &rest[at..];
    }
    let absent =
        sandbox.quench(&["explain", "cloud-virtio", "rtl8139", "--source", tree.to_str().unwrap()]);
    assert!(absent.code == 0 && absent.stdout.contains("is not in"), "{}", absent.stdout);
}

#[test]
fn virtio_mem_on_microvm_is_answered_with_the_boards_that_would_do() {
    let Some(tree) = tree("10.0") else { return println!("skipped: no QUENCH_TREES") };
    let sandbox = Sandbox::new();
    sandbox.write(
        "m.toml",
        "schema = 1\nname = \"m\"\nextends = [\"microvm\"]\n[devices]\nallow = [\"virtio-mem-pci\"]\n",
    );
    let ran = sandbox.quench(&["check", "m.toml", "--source", tree.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("VIRTIO_MEM needs a board that selects VIRTIO_MEM_SUPPORTED:")
            && ran.stderr.contains("Q35")
            && ran.stderr.contains("the profile has MICROVM"),
        "{}",
        ran.stderr
    );
}

#[test]
fn trees_of_other_series_are_scanned_too() {
    for series in ["7.2", "10.2"] {
        let Some(tree) = tree(series) else { return println!("skipped: no QUENCH_TREES") };
        let sandbox = Sandbox::new();
        let ran =
            sandbox.quench(&["devices", "--source", tree.to_str().unwrap(), "--format", "json"]);
        let devices: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let names: Vec<&str> = devices["entries"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|d| d["name"].as_str())
            .collect();
        for name in [
            "virtio-net-pci",
            "e1000",
            "ide-hd",
            "pcie-root-port",
            "usb-ehci",
            "virtio-blk-pci-transitional",
        ] {
            assert!(names.contains(&name), "{series}: no {name}");
        }
        assert!(names.len() > 350, "{series}: {}", names.len());
    }
}

/// Machines of series that name them in three ways; and every word of a plan is one that this tree's configure takes:
/// 7.2 has no `--disable-download` and wants `--meson` where later series want `--python`.
#[test]
fn plans_of_every_series_speak_its_configures_language() {
    for series in ["7.2", "10.0", "10.2"] {
        let Some(tree) = tree(series) else { return println!("skipped: no QUENCH_TREES") };
        let source = tree.to_str().unwrap();
        let sandbox = Sandbox::new();
        let machines = sandbox.quench(&["machines", "--source", source]).stdout;
        let named = |name: &str| machines.lines().any(|line| line.starts_with(&format!("{name} ")));
        for name in ["pc-q35-7.2", "pc-i440fx-7.2", "microvm", "isapc", "virt-7.2", "pseries-7.2"] {
            assert!(named(name), "{series}: no machine {name}");
        }
        let plan =
            sandbox.quench(&["plan", "cloud-virtio", "--format", "json", "--source", source]);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
        let words = plan["configure"].as_array().unwrap();
        let words: Vec<&str> =
            words.iter().map(|word| word["argument"].as_str().unwrap()).collect();
        assert!(words.len() > 100, "{words:?}");
        let read = |file: &str| std::fs::read_to_string(tree.join(file)).unwrap();
        let known = read("configure") + &read("scripts/meson-buildoptions.sh");
        for word in words {
            let name =
                word.split_once('=').map_or(word.to_owned(), |(name, _)| format!("{name}=*"));
            let taken =
                known.lines().any(|line| line.trim_start().starts_with(&format!("{name})")))
                    || name.starts_with("--with-devices-");
            assert!(taken, "{series}: configure does not take {word}");
        }
    }
}

/// Trees below one work directory, pointed at with `--source`, are kept apart: once all had the same, empty key.
#[test]
fn a_kept_scan_is_never_taken_for_another_tree() {
    let Some(work) = std::env::var_os("QUENCH_WORK") else { return println!("skipped") };
    let here = tempfile::tempdir().unwrap();
    for series in ["7.2", "10.2", "7.2"] {
        let Some(tree) = tree(series) else { return println!("skipped: no QUENCH_TREES") };
        let words =
            ["plan", "cloud-virtio", "--format", "json", "--source", tree.to_str().unwrap()];
        let plan = quench(here.path(), Path::new(&work), &words);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
        let version = plan["source"]["version"].as_str().unwrap();
        assert!(version.starts_with(series), "{version} for {series}");
    }
}

/// Every name of a full build's `qom-list-types` has an answer: in, abstract, or not in and when it would be.
#[test]
fn explain_answers_for_every_type_of_a_full_build() {
    let Some(tree) = tree("10.0") else { return println!("skipped: no QUENCH_TREES") };
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/truth/10.0-x86_64-softmmu.json");
    let truth: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let types: Vec<&str> =
        truth["types"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(types.len() > 600, "{}", types.len());
    let sandbox = Sandbox::new();
    let mut arguments = vec!["explain", "cloud-virtio", "--source", tree.to_str().unwrap()];
    arguments.extend(&types);
    let ran = sandbox.quench(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for name in types {
        let machine = name.trim_end_matches("-machine");
        let answered = ran.stdout.lines().any(|line| {
            [name, machine]
                .iter()
                .any(|name| line.strip_prefix(name).is_some_and(|r| r.starts_with(" is ")))
        });
        assert!(answered, "{name}");
    }
}

/// The plan of a machine and perhaps one device, on a tree that has these patches.
fn plan_on(tree: &Tree, machine: &str, device: &str, patches: &[&str]) -> Plan {
    let catalog = catalog::scan(tree);
    let devices = if device.is_empty() { String::new() } else { format!("\"{device}\"") };
    let series: Vec<&str> = catalog.version.split('.').take(2).collect();
    let text = format!(
        "schema = 1\nname = \"q\"\n[qemu]\nseries = \"{}\"\nsource = {{ path = \"/tree\" }}\n[target]\n\
         arch = \"x86_64\"\nmachines = [\"{machine}\"]\naccelerators = [\"kvm\"]\n[devices]\nallow = [{devices}]\n",
        series.join(".")
    );
    let (profile, findings) = profile::load("q.toml", &text, &|_| None.into());
    let profile = profile.unwrap_or_else(|| panic!("{findings:?}"));
    let (kconfig, _) = kconfig::parse(tree, "Kconfig");
    let mut source = SourceFacts::of_tree(&catalog.version);
    source.patches = patches.iter().map(|name| ((*name).to_owned(), String::new())).collect();
    let (plan, findings) = plan::make(Inputs {
        profile: &profile,
        tree,
        catalog: &catalog,
        kconfig: &kconfig,
        source,
        probes: &Probes::default(),
    });
    plan.unwrap_or_else(|| panic!("{machine} {device}: {findings:?}"))
}

/// Symbols that a plan asks for because of a quirk, and the quirks that a patch has answered.
fn remedies(plan: &Plan) -> (Vec<&str>, Vec<&str>) {
    let asked = plan.asked.iter().filter(|item| matches!(item.because, Because::Quirk { .. }));
    (
        asked.map(|item| item.text.as_str()).collect(),
        plan.quirks.iter().map(|item| item.text.as_str()).collect(),
    )
}

#[test]
fn explain_answers_the_names_it_knows_and_lists_the_others() {
    let Some(tree) = tree("10.0") else { return println!("skipped: no QUENCH_TREES") };
    let source = tree.to_str().unwrap();
    let ran = Sandbox::new().quench(&[
        "explain",
        "cloud-virtio",
        "virtio-net",
        "i8042",
        "nonsense",
        "--source",
        source,
    ]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stdout.contains("i8042 is in"), "{}", ran.stdout);
    assert!(ran.stderr.contains("nothing named `virtio-net`, `nonsense` in"), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean `virtio-net-pci`?"), "{}", ran.stderr);
}

/// A machine with perhaps one device, and what its link needs.
struct Link {
    series: &'static str,
    machine: &'static str,
    device: &'static str,
    /// Symbols asked because of a quirk.
    symbols: &'static [&'static str],
    /// Quirks that a patch of ours has answered.
    patched: &'static [&'static str],
}

const fn link(
    selection: [&'static str; 3],
    symbols: &'static [&str],
    patched: &'static [&str],
) -> Link {
    let [series, machine, device] = selection;
    Link { series, machine, device, symbols, patched }
}

/// Every quirk on the trees it is about. Each failed on a real link without its remedy; that of igb on 10.2.
#[test]
fn a_selection_that_does_not_link_gets_the_cheapest_remedy_before_the_build() {
    let cxl = ["CXL", "CXL_MEM_DEVICE"].as_slice();
    let on_pc = ["CXL", "CXL_MEM_DEVICE", "PCI_EXPRESS"].as_slice();
    let cases = [
        link(["7.2", "microvm", ""], &[], &["microvm-without-pc"]),
        link(["7.2", "q35", "nvme"], &[], &[]),
        link(["10.0", "q35", "igb"], &[], &["igb-without-e1000"]),
        link(["10.0", "q35", "nvme"], &[], &[]),
        link(["10.2", "q35", ""], &[], &["cxl-fmws-stub"]),
        link(["10.2", "q35", "nvme"], &["SPDM_SOCKET"], &["cxl-fmws-stub"]),
        link(["10.2", "q35", "ufs-lu"], &["SCSI"], &["cxl-fmws-stub"]),
        link(["10.2", "q35", "pxb-pcie"], cxl, &[]),
        link(["10.2", "pc", "pxb"], on_pc, &[]),
        link(["10.2", "q35", "cxl-type3"], &["CXL", "PXB"], &[]),
    ];
    for Link { series, machine, device, symbols, patched } in cases {
        let Some(tree) = tree(series) else { return println!("skipped: no QUENCH_TREES") };
        let tree = read_tree(&tree).unwrap();
        let ours = quench::builtin::patches(series);
        let names: Vec<&str> = ours.iter().map(|(name, _)| name.as_str()).collect();
        let plan = plan_on(&tree, machine, device, &names);
        assert_eq!(remedies(&plan), (symbols.to_vec(), patched.to_vec()), "{series} {device}");
    }
}

/// The same on trees as upstream has them, without our patches.
#[test]
fn without_the_patch_a_quirk_costs_symbols() {
    let stub = ("hw/cxl/cxl-host-stubs.c", "cxl_fmws_get_all_sorted");
    let shared = ("hw/net/meson.build", ", 'e1000x_common.c'");
    let weak = ("hw/acpi/acpi-x86-stub.c", "__attribute__((weak))");
    let cases = [
        (link(["10.2", "q35", ""], &["CXL", "CXL_MEM_DEVICE", "PXB"], &[]), stub),
        (link(["10.0", "q35", "igb"], &["E1000E_PCI_EXPRESS"], &[]), shared),
        (link(["7.2", "microvm", ""], &["I440FX"], &[]), weak),
    ];
    for (Link { series, machine, device, symbols, patched }, (file, text)) in cases {
        let Some(tree) = tree(series) else { return println!("skipped: no QUENCH_TREES") };
        let mut tree = read_tree(&tree).unwrap();
        let upstream = tree.text(file).unwrap().replace(text, "");
        tree.insert(file, upstream);
        let plan = plan_on(&tree, machine, device, &[]);
        assert_eq!(remedies(&plan), (symbols.to_vec(), patched.to_vec()), "{series} {device}");
    }
}

/// An accelerator's symbol comes with its option: asked in the device file, half of its code would be missing.
#[test]
fn a_device_of_an_accelerator_asks_for_the_option() {
    let Some(tree) = tree("10.0") else { return println!("skipped: no QUENCH_TREES") };
    let plan = plan_on(&read_tree(&tree).unwrap(), "q35", "xen-pvdevice", &[]);
    assert!(plan.features.iter().any(|item| item.text == "xen"), "{:?}", plan.features);
    assert!(!plan.asked.iter().any(|item| item.text == "XEN"), "{:?}", plan.asked);
}

const Q35: &str = "schema = 1\nname = \"q\"\n[qemu]\nseries = \"10.2\"\nsource = { path = \"/tree\" }\n[target]\n\
    arch = \"x86_64\"\nmachines = [\"q35\"]\naccelerators = [\"kvm\"]\n";

/// The flash chips' Kconfig does not select the bus they sit on; such a binary links and aborts when it starts.
#[test]
fn a_type_never_comes_without_its_parent() {
    let Some(tree) = tree("10.2") else { return println!("skipped: no QUENCH_TREES") };
    let sandbox = Sandbox::new();
    sandbox.write("q.toml", format!("{Q35}[symbols]\nenable = [\"SSI_M25P80\"]\n"));
    let ran = sandbox.quench(&[
        "explain",
        "q.toml",
        "ssi-peripheral",
        "SSI",
        "--source",
        tree.to_str().unwrap(),
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("CONFIG_SSI: m25p80-generic derives from ssi-peripheral"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_function_that_the_linker_misses_leads_to_the_symbol_that_compiles_it() {
    let Some(tree) = tree("10.2") else { return println!("skipped: no QUENCH_TREES") };
    let sandbox = Sandbox::new();
    sandbox.write("q.toml", Q35);
    let arguments = [
        "explain",
        "q.toml",
        "cxl_component_register_block_init",
        "--source",
        tree.to_str().unwrap(),
    ];
    let ran = sandbox.quench(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("hw/cxl/cxl-component-utils.c:"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("CXL, PXB: compiles hw/cxl/cxl-component-utils.c"),
        "{}",
        ran.stdout
    );
}

#[test]
fn diff_tree_says_what_changed_and_what_that_does_to_a_profile() {
    let (Some(old), Some(new)) = (tree("10.0"), tree("10.2")) else {
        return println!("skipped: no QUENCH_TREES");
    };
    let sandbox = Sandbox::new();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let ran =
        sandbox.quench(&["diff-tree", old, new, "--profile", "cloud-virtio", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let diff: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let has = |kind: &str, list: &str, name: &str| {
        diff["changes"][kind][list].as_array().unwrap().iter().any(|n| n == name)
    };
    assert!(has("option", "gone", "avx2") && has("option", "appeared", "passt"), "{}", ran.stdout);
    assert!(has("netdev", "appeared", "passt"));
    assert!(has("machine", "appeared", "pc-q35-10.2") && has("machine", "gone", "pc-q35-2.8"));
    assert_eq!(diff["profile"]["planned"]["new"], true);
    let changes = diff["profile"]["changes"].as_array().unwrap();
    assert!(changes.iter().any(|change| change["kind"] == "machine"), "{changes:?}");
}
