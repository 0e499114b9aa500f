//! What meson passes to the resolver beside the device file: host symbols (from enabled build options) and target
//! symbols (accelerators, architecture, byte order).
//!
//! Pure. Read out of the tree's own `meson.build` (`host_kconfig`) and `configs/targets/TARGET.mak`, so a symbol that
//! a series adds is seen without a new version of Quench.

use std::collections::BTreeMap;

use super::Assignment;
use crate::tree::Tree;

/// The facts of a target that `configs/targets/TARGET.mak` states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub name: String,
    pub values: BTreeMap<String, String>,
}

impl Target {
    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Tells whether the target needs libfdt (`TARGET_NEED_FDT=y`): `configure` refuses it without.
    pub fn needs_fdt(&self) -> bool {
        self.get("TARGET_NEED_FDT") == Some("y")
    }

    /// The base architecture, `i386` for x86_64 and `arm` for aarch64: the key of `hw_arch` and
    /// `target_arch` in meson.build.
    pub fn base_arch(&self) -> &str {
        self.get("TARGET_BASE_ARCH").or_else(|| self.get("TARGET_ARCH")).unwrap_or("")
    }
}

/// Reads the target file of `name` (`x86_64-softmmu`).
pub fn target(tree: &Tree, name: &str) -> Option<Target> {
    let text = tree.text(&format!("configs/targets/{name}.mak"))?;
    let values = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect();
    Some(Target { name: name.to_owned(), values })
}

/// Makes the assignments of host and target symbols that meson passes. `enabled` says whether a
/// build option (its configure name) is on.
pub fn host_symbols(
    tree: &Tree,
    target: &Target,
    enabled: &dyn Fn(&str) -> bool,
) -> Vec<Assignment> {
    let mut symbols: Vec<Assignment> = conditions(tree)
        .into_iter()
        .filter(|(condition, _)| holds(condition, enabled))
        .map(|(_, symbol)| yes(&symbol))
        .collect();
    for accelerator in accelerators(tree) {
        if enabled(&accelerator.to_lowercase()) {
            symbols.push(yes(&accelerator));
        }
    }
    if let Some(arch) = target.get("TARGET_ARCH") {
        symbols.push(yes(&arch.to_uppercase()));
    }
    // Only since 8.0 does meson pass the byte order.
    if tree.text("meson.build").is_some_and(|text| text.contains("'CONFIG_TARGET_BIG_ENDIAN=")) {
        let big = target.get("TARGET_BIG_ENDIAN") == Some("y");
        symbols.push(Assignment {
            symbol: "TARGET_BIG_ENDIAN".to_owned(),
            value: big,
            origin: None,
        });
    }
    symbols
}

/// The symbols of accelerators, which meson passes where `--enable-` with the same name found what
/// it needs. A device file must not ask for one itself: Kconfig would take it, and half of the code
/// it selects would not be compiled.
fn accelerators(tree: &Tree) -> Vec<String> {
    let text = tree.text("meson.build").unwrap_or_default();
    let added = text.split("accelerators += 'CONFIG_").skip(1);
    added.filter_map(|rest| rest.split('\'').next().map(str::to_owned)).collect()
}

/// The build option that makes meson pass a symbol: `VIRTFS` → `virtfs`. `None` for symbols meson never passes.
pub fn host_option(tree: &Tree, symbol: &str) -> Option<String> {
    if accelerators(tree).iter().any(|accelerator| accelerator == symbol) {
        return Some(symbol.to_lowercase());
    }
    let (condition, _) = conditions(tree).into_iter().find(|(_, passed)| passed == symbol)?;
    let asked = std::cell::RefCell::new(None);
    holds(&condition, &|option| {
        *asked.borrow_mut() = Some(option.to_owned());
        true
    });
    asked.into_inner()
}

fn yes(symbol: &str) -> Assignment {
    Assignment { symbol: symbol.to_owned(), value: true, origin: None }
}

/// Reads the `(CONDITION ? ['CONFIG_X=y'] : [])` entries of `host_kconfig`, as (condition, X).
fn conditions(tree: &Tree) -> Vec<(String, String)> {
    let text = tree.text("meson.build").unwrap_or_default();
    let Some((_, block)) = text.split_once("host_kconfig =") else { return Vec::new() };
    block
        .lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with('(') || *line == "\\")
        .filter_map(|line| {
            let (condition, rest) = line.strip_prefix('(')?.split_once(" ? ['CONFIG_")?;
            let (symbol, _) = rest.split_once("=y'")?;
            Some((condition.to_owned(), symbol.to_owned()))
        })
        .collect()
}

/// Evaluates a condition of `host_kconfig` on a Linux host. Dependencies and `have_…` variables follow the build
/// option of the same name, because Quench states every option explicitly.
fn holds(condition: &str, enabled: &dyn Fn(&str) -> bool) -> bool {
    if let Some((_, system)) = condition.split_once(" == ") {
        return system.trim_matches('\'') == "linux";
    }
    if condition.contains(" in ") {
        // `'CONFIG_LINUX' in config_host` and its like in old trees.
        return condition.contains("CONFIG_LINUX");
    }
    let name = condition
        .trim_end_matches(".found()")
        .trim_start_matches("get_option('")
        .trim_end_matches("')")
        .trim_start_matches("have_")
        .trim_end_matches("_allowed")
        .replace('_', "-");
    match name.as_str() {
        // eventfd(2) exists on every Linux we build for.
        "ivshmem" => true,
        // meson looks for X11 only for GTK.
        "x11" => enabled("gtk"),
        name => enabled(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_symbols_follow_the_build_options() {
        let meson = "host_kconfig = \\\n  (have_tpm ? ['CONFIG_TPM=y'] : []) + \\\n  (fdt.found() ? ['CONFIG_FDT=y'] : \
                     []) + \\\n  (host_os == 'linux' ? ['CONFIG_LINUX=y'] : []) + \\\n  (multiprocess_allowed ? \
                     ['CONFIG_MULTIPROCESS_ALLOWED=y'] : [])\n\nignored = []\naccelerators += 'CONFIG_KVM'\n\
                     \x20 accelerators += 'CONFIG_XEN'\n";
        let tree: Tree = [
            ("meson.build", meson),
            ("configs/targets/x86_64-softmmu.mak", "TARGET_ARCH=x86_64\n"),
        ]
        .into_iter()
        .collect();
        let target = target(&tree, "x86_64-softmmu").unwrap();
        let on = host_symbols(&tree, &target, &|option| matches!(option, "fdt" | "kvm"));
        let names: Vec<_> = on.iter().filter(|a| a.value).map(|a| a.symbol.as_str()).collect();
        assert_eq!(names, ["FDT", "LINUX", "KVM", "X86_64"]);
        assert_eq!(host_option(&tree, "TPM").as_deref(), Some("tpm"));
        assert_eq!(host_option(&tree, "XEN").as_deref(), Some("xen"));
        assert_eq!(host_option(&tree, "XEN_BUS"), None);
    }
}
