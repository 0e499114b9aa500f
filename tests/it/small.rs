//! A QEMU-like tree of a few files and real plans on it: what `plan::make` makes of a profile's `[hardening]` and
//! `[features]`.

use quench::hardening::Probes;
use quench::plan::{self, Inputs, Plan, SourceFacts};
use quench::tree::Tree;
use quench::{catalog, kconfig, profile};

/// Words of `configure` that a plan on this tree states.
const SWITCHES: [&str; 6] = ["cfi", "kvm", "lto", "pie", "safe-stack", "stack-protector"];

fn tree() -> Tree {
    let mut script = "_meson_option_parse() {\n  case $1 in\n".to_owned();
    for name in SWITCHES {
        script.push_str(&format!("    --enable-{name}) x ;;\n    --disable-{name}) x ;;\n"));
    }
    let files = [
        ("VERSION", "10.0.2\n"),
        ("scripts/meson-buildoptions.sh", script.as_str()),
        (
            "meson.build",
            "qemu_common_flags = ['-fno-strict-aliasing', '-fwrapv']\naccelerators = []\n\
             if get_option('kvm').allowed()\n  accelerators += 'CONFIG_KVM'\nendif\nhw_arch = {}\nsubdir('hw')\n",
        ),
        (
            "Kconfig",
            "config KVM\n    bool\n\nconfig BOARD\n    bool\n    default y\n    depends on I386\n\nconfig X86_64\n    bool\n    select I386\n\nconfig I386\n    bool\n",
        ),
        ("configs/targets/x86_64-softmmu.mak", "TARGET_ARCH=x86_64\nTARGET_BASE_ARCH=i386\n"),
        (
            "hw/meson.build",
            "i386_ss = ss.source_set()\ni386_ss.add(when: 'CONFIG_BOARD', if_true: files('board.c'))\n\
             hw_arch += {'i386': i386_ss}\n",
        ),
        (
            "hw/board.c",
            "static void board_machine_init(MachineClass *mc)\n{\n}\n\nDEFINE_MACHINE(\"board\", board_machine_init)\n",
        ),
    ];
    files.into_iter().collect()
}

/// The plan of a profile that says no more than its level, its compiler and its features. A compiler that lacks flags
/// has them left out.
pub(crate) fn plan(level: &str, features: &str, lacks: &[&str]) -> Plan {
    let compiler = if level == "cfi" { "clang" } else { "gcc" };
    let text = format!(
        "schema = 1\nname = \"small\"\nsummary = \"a small tree\"\n\
         [qemu]\nseries = \"10.0\"\nsource = {{ path = \"qemu\" }}\n\
         [target]\narch = \"x86_64\"\nmachines = [\"board\"]\naccelerators = [\"kvm\"]\n\
         [features]\nenable = [{features}]\n\
         [hardening]\nlevel = \"{level}\"\ncompiler = \"{compiler}\"\n"
    );
    let (profile, findings) = profile::load("small.toml", &text, &|_| None.into());
    assert_eq!(findings, []);
    let tree = tree();
    let (kconfig, findings) = kconfig::parse(&tree, "Kconfig");
    assert_eq!(findings, []);
    let accepted = lacks.iter().map(|flag| ((*flag).to_owned(), false)).collect();
    let inputs = Inputs {
        profile: &profile.unwrap(),
        tree: &tree,
        catalog: &catalog::scan(&tree),
        kconfig: &kconfig,
        source: SourceFacts::of_tree("10.0.2"),
        probes: &Probes { compiler: compiler.to_owned(), accepted },
    };
    let (plan, findings) = plan::make(inputs);
    plan.unwrap_or_else(|| panic!("{findings:#?}"))
}
