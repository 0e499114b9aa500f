//! The build options a tree's `configure` understands, read from `scripts/meson-buildoptions.sh` and from itself.
//!
//! Pure. QEMU generates that file from `meson_options.txt`; its `_meson_option_parse` is the exact list of accepted
//! `--enable-…`, `--disable-…` and `--name=` words that `configure` hands to meson. The older a series, the more words
//! `configure` answers itself (7.2: the stack protector, debug information). So an option that vanished or was renamed
//! is known before `configure` runs.

use std::collections::BTreeMap;

use crate::tree::Tree;

/// The file of a tree that lists its build options.
pub(super) const OPTIONS_FILE: &str = "scripts/meson-buildoptions.sh";

/// Words of `configure` that choose what is built; `--target-list` has chosen.
const CHOICES: [&str; 4] = ["system", "user", "linux-user", "bsd-user"];

/// What `configure` accepts for one option name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accepts {
    /// `--enable-NAME`
    pub enable: bool,
    /// `--disable-NAME`
    pub disable: bool,
    /// `--enable-NAME=VALUE` or `--NAME=VALUE`
    pub value: bool,
}

/// Options by name, as written after `--enable-` (`linux-io-uring`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    names: BTreeMap<String, Accepts>,
}

impl Options {
    /// Reads the options of a tree; a tree without the file has none.
    pub fn of(tree: &Tree) -> Self {
        let mut options = Self::default();
        let text = tree.text(OPTIONS_FILE).unwrap_or_default();
        let parse = text.split_once("_meson_option_parse()").map_or("", |(_, rest)| rest);
        let configure = tree.text("configure").unwrap_or_default();
        for line in parse.lines().chain(configure.lines()) {
            let Some((pattern, _)) = line.trim_start().split_once(')') else { continue };
            options.add(pattern);
        }
        for choice in CHOICES {
            options.names.remove(choice);
        }
        options
    }

    fn add(&mut self, pattern: &str) {
        let Some(word) = pattern.strip_prefix("--") else { return };
        // Alternatives (`--enable-uuid|--disable-uuid`) are words that are accepted and ignored.
        if word.contains(|c: char| !(c.is_ascii_alphanumeric() || "-_=*".contains(c))) {
            return;
        }
        let (word, value) = word.split_once('=').map_or((word, false), |(word, _)| (word, true));
        let (name, enable, disable) =
            match (word.strip_prefix("enable-"), word.strip_prefix("disable-")) {
                (Some(name), _) => (name, !value, false),
                (_, Some(name)) => (name, false, true),
                _ => (word, false, false),
            };
        let entry = self.names.entry(name.to_owned()).or_default();
        entry.enable |= enable;
        entry.disable |= disable;
        entry.value |= value;
    }

    pub fn get(&self, name: &str) -> Option<Accepts> {
        self.names.get(name).copied()
    }

    /// The names of options that can be turned on and off.
    pub fn switches(&self) -> impl Iterator<Item = &str> {
        self.names
            .iter()
            .filter(|(_, accepts)| accepts.enable && accepts.disable)
            .map(|(name, _)| name.as_str())
    }

    pub fn names(&self) -> impl Iterator<Item = (&str, Accepts)> {
        self.names.iter().map(|(name, accepts)| (name.as_str(), *accepts))
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_and_values_are_told_apart() {
        let script = "meson_options_help() {\n}\n_meson_option_parse() {\n  case $1 in\n    --enable-af-xdp) x ;;\n    \
                      --disable-af-xdp) x ;;\n    --firmwarepath=*) quote_sh \"-D$2\" ;;\n    --enable-malloc=*) y ;;\n";
        let configure = "  --enable-pie) pie=yes\n  --disable-pie) pie=no\n  --enable-uuid|--disable-uuid)\n  \
                         --enable-user) ;;\n  --disable-user)\n  --with-devices-*[!a-z]*=*) error\n";
        let tree: Tree = [(OPTIONS_FILE, script), ("configure", configure)].into_iter().collect();
        let options = Options::of(&tree);
        assert_eq!(options.switches().collect::<Vec<_>>(), ["af-xdp", "pie"]);
        assert!(options.get("firmwarepath").unwrap().value);
        assert!(options.get("malloc").unwrap().value);
        assert_eq!(options.get("nonesuch"), None);
    }
}
