//! Plans of every shipped profile against a real tree.

use crate::sandbox::{Sandbox, tree};

#[test]
fn every_shipped_profile_is_planned_and_every_requested_device_is_in() {
    let Some(tree) = tree("10.0") else { return println!("skipped: no QUENCH_TREES") };
    let sandbox = Sandbox::new();
    for (name, _) in quench::shipped::PROFILES {
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
        let names: Vec<&str> =
            devices.as_array().unwrap().iter().filter_map(|d| d["name"].as_str()).collect();
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
