//! What a QEMU tree offers, read from its sources without building: QOM types with the condition that puts each into a
//! binary, and from them devices, machines, objects and CPU models.
//!
//! Pure over a [`Tree`]. Conditions come from `meson.build` (which file) and the preprocessor (which part of it); names
//! and parents from the C sources. What cannot be read statically is listed, never guessed.

mod backends;
mod condition;
mod creatable;
mod deletion;
mod diff;
mod includes;
mod macros;
mod meson;
mod predict;
mod preprocess;
mod qom;
mod rust;
#[cfg(test)]
mod surface_tests;
mod tables;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use condition::{Condition, Configuration};
pub use diff::{Changes, diff};
pub use predict::{Class, Predicted, Requested, Surface, predict};
pub use qom::{TypeDef, Unseen};

use crate::tree::Tree;
use crate::wire;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    Device,
    Cpu,
    Machine,
    Object,
    Netdev,
    Chardev,
    Display,
    Audio,
    /// A block format or protocol driver.
    Block,
    Other,
}

impl Kind {
    pub const ALL: [Self; 10] = [
        Self::Device,
        Self::Cpu,
        Self::Machine,
        Self::Object,
        Self::Netdev,
        Self::Chardev,
        Self::Display,
        Self::Audio,
        Self::Block,
        Self::Other,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Cpu => "cpu",
            Self::Machine => "machine",
            Self::Object => "object",
            Self::Netdev => "netdev",
            Self::Chardev => "chardev",
            Self::Display => "display",
            Self::Audio => "audio",
            Self::Block => "block",
            Self::Other => "type",
        }
    }
}

/// One QOM type with everything known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    pub kind: Kind,
    /// File condition and in-file condition together.
    pub condition: Condition,
    pub file: String,
    pub line: u32,
    pub is_abstract: bool,
    /// From the direct parent to the root.
    pub parents: Vec<String>,
    /// `-device NAME` or `-object NAME` works.
    pub user_creatable: bool,
    /// The bus it plugs into, as `-device help` prints it.
    pub bus: Option<String>,
    /// Other names the command line accepts.
    pub aliases: Vec<String>,
    /// Whether the type exists is decided when the emulator starts, by what the machine has; may be in or not.
    pub at_start: bool,
}

impl Entry {
    /// The entry in a document.
    pub fn wire(&self) -> wire::catalog::Entry {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        wire::catalog::Entry {
            aliases: self.aliases.clone(),
            bus: self.bus.clone(),
            condition: self.condition.to_string(),
            file: self.file.clone(),
            kind: self.kind.name().to_owned(),
            line: self.line,
            name: self.name.trim_end_matches("-machine").to_owned(),
            options: owned(self.condition.options()),
            parents: self.parents.clone(),
            symbols: owned(self.condition.symbols()),
            user_creatable: self.user_creatable,
        }
    }
}

/// The catalog of one tree. Several entries may share a name: the same type in different architectures' files.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Catalog {
    /// Content of `VERSION`.
    pub version: String,
    pub entries: Vec<Entry>,
    by_name: BTreeMap<String, Vec<usize>>,
    files: BTreeMap<String, Condition>,
    defines: BTreeMap<String, Condition>,
    /// Types whose name is no constant we can read, with the place.
    pub unseen: Vec<Unseen>,
}

/// Directories whose sources can register types of a system emulator.
const DIRECTORIES: [&str; 22] = [
    "accel",
    "audio",
    "authz",
    "backends",
    "block",
    "chardev",
    "crypto",
    "gdbstub",
    "hw",
    "io",
    "migration",
    "net",
    "qom",
    "replay",
    "scsi",
    "semihosting",
    "softmmu",
    "system",
    "target/arm",
    "target/i386",
    "ui",
    "util",
];

/// Tells whether [`scan`] reads a file of a tree.
pub fn reads(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "c" | "h" => is_c(path),
        "rs" => path.starts_with("rust/"),
        _ => {
            name == "meson.build"
                || matches!(path, "VERSION" | "meson_options.txt")
                || is_kconfig(path)
        }
    }
}

/// Reads the catalog of a tree.
pub fn scan(tree: &Tree) -> Catalog {
    let texts = headers(tree);
    let (build, macros) = rayon::join(|| meson::read(tree), || macros::Macros::of(&texts));
    let meson::Build { files, defines } = build;
    let symbols = kconfig_symbols(tree);
    let meant = defines.clone();
    let meaning = |name: &str| {
        if symbols.contains(name) { None } else { meant.get(name).cloned() }
    };
    let sources: Vec<(&str, &[u8])> = tree
        .iter()
        .filter(|(path, _)| has_extension(path, "c") && is_source(path))
        .filter(|(_, bytes)| qom::may_register(bytes))
        .collect();
    let scanned: Vec<qom::Registered> = sources
        .par_iter()
        .map(|(path, _)| qom::read(path, &tree.text(path).unwrap_or_default(), &macros))
        .collect();
    let mut definitions = rust::types(tree, &files, &macros);
    let version = tree.text("VERSION").map(|text| text.trim().to_owned()).unwrap_or_default();
    let files = files.into_iter().map(|(file, when)| (file, when.with_symbols(&meaning))).collect();
    let mut catalog = Catalog { version, files, ..Catalog::default() };
    let mut backends = Vec::new();
    let mut initialisers = BTreeMap::new();
    for registered in scanned {
        definitions.extend(registered.types);
        catalog.unseen.extend(registered.unseen);
        backends.extend(registered.backends);
        initialisers.extend(registered.initialisers);
    }
    for definition in &mut definitions {
        let function = definition.initialiser.as_deref().filter(|_| definition.creatable.is_none());
        let says = function.and_then(|function| initialisers.get(function));
        definition.creatable =
            definition.creatable.or(says.and_then(|it| it.answer(&definition.flags)));
    }
    if let Some(deletion) = deletion::Deletion::of(tree, &catalog.version) {
        for definition in &mut definitions {
            if definition.versioned.is_some_and(|version| deletion.expired(version)) {
                definition.condition = Condition::Never;
            }
        }
    }
    let place = Places { osdep: osdep(tree), defines: &meant };
    let files: Vec<&str> = tree.iter().map(|(path, _)| path).filter(|path| is_c(path)).collect();
    let architectures = includes::Architectures::of(tree, &files);
    let meant_in_c = |condition: Condition| {
        condition.with_macros(&|name| place.definition(name)).with_symbols(&meaning)
    };
    for definition in &mut definitions {
        let condition = std::mem::replace(&mut definition.condition, Condition::Never);
        definition.condition = meant_in_c(condition).and(architectures.condition(&definition.file));
    }
    catalog.defines = defines;
    let aliases = aliases(tree);
    let parents: BTreeMap<&str, &TypeDef> =
        definitions.iter().map(|definition| (definition.name.as_str(), definition)).collect();
    for definition in &definitions {
        let internal = definition.internal;
        let entry = catalog.entry(definition, &parents, &aliases);
        if let Some(chardev) = chardev(&entry).filter(|_| !internal) {
            catalog.insert(chardev);
        }
        catalog.insert(entry);
    }
    for backend in backends {
        let entry = catalog.backend(backend, &meant_in_c);
        catalog.insert(entry);
    }
    catalog
}

/// All headers that sources of an emulator include.
fn headers(tree: &Tree) -> Vec<Cow<'_, str>> {
    let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
    let headers = paths.par_iter().filter(|path| has_extension(path, "h") && is_header(path));
    headers.filter_map(|path| tree.text(path)).collect()
}

/// C files whose types can be part of a system emulator.
fn is_source(path: &str) -> bool {
    !path.contains('/') || DIRECTORIES.iter().any(|directory| below(path, directory))
}

fn is_header(path: &str) -> bool {
    path.starts_with("include/") || is_source(path)
}

fn is_c(path: &str) -> bool {
    has_extension(path, "c") && is_source(path) || has_extension(path, "h") && is_header(path)
}

fn is_kconfig(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with("Kconfig"))
}

/// The files that define macros which are no `CONFIG_` names: `config-host.h` and the header every
/// file includes first.
struct Places<'a> {
    osdep: preprocess::Preprocessed,
    defines: &'a BTreeMap<String, Condition>,
}

impl Places<'_> {
    fn definition(&self, name: &str) -> Option<Condition> {
        self.defines
            .get(name)
            .cloned()
            .or_else(|| preprocess::definition(&self.osdep.text, &self.osdep.regions, name))
    }
}

fn osdep(tree: &Tree) -> preprocess::Preprocessed {
    preprocess::preprocess(&tree.text("include/qemu/osdep.h").unwrap_or_default())
}

/// Names that Kconfig declares: in C and meson they are `CONFIG_` macros like the build options, and take precedence.
fn kconfig_symbols(tree: &Tree) -> BTreeSet<String> {
    let mut symbols = BTreeSet::new();
    for (path, _) in tree.iter().filter(|(path, _)| is_kconfig(path)) {
        let text = tree.text(path).unwrap_or_default();
        let names = text.lines().filter_map(|line| line.trim_start().strip_prefix("config "));
        symbols.extend(names.map(|name| name.trim().to_owned()));
    }
    symbols
}

/// The character device backend a QOM type is: `chardev-socket` → `socket` (`qemu_chr_new` in chardev/char.c).
fn chardev(entry: &Entry) -> Option<Entry> {
    let name = entry.name.strip_prefix("chardev-")?;
    let derives = entry.parents.iter().any(|parent| parent == "chardev");
    (derives && !entry.is_abstract).then(|| Entry {
        name: name.to_owned(),
        kind: Kind::Chardev,
        user_creatable: true,
        ..entry.clone()
    })
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
}

fn below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

impl Catalog {
    fn insert(&mut self, entry: Entry) {
        self.by_name.entry(entry.name.clone()).or_default().push(self.entries.len());
        self.entries.push(entry);
    }

    /// Makes a catalog entry of a backend that is no QOM type.
    fn backend(
        &self,
        backend: backends::Backend,
        meant_in_c: &dyn Fn(Condition) -> Condition,
    ) -> Entry {
        let file = self.files.get(&backend.file).cloned().unwrap_or(Condition::Never);
        Entry {
            name: backend.name,
            kind: backend.kind,
            condition: file.and(meant_in_c(backend.condition)),
            file: backend.file,
            line: backend.line,
            is_abstract: false,
            parents: Vec::new(),
            user_creatable: true,
            bus: None,
            aliases: Vec::new(),
            at_start: false,
        }
    }

    fn entry(
        &self,
        definition: &TypeDef,
        types: &BTreeMap<&str, &TypeDef>,
        aliases: &[(String, String)],
    ) -> Entry {
        let mut parents = Vec::new();
        let mut interfaces: BTreeSet<&str> =
            definition.interfaces.iter().map(String::as_str).collect();
        let mut creatable = definition.creatable;
        let mut next = definition.parent.as_deref();
        while let Some(name) = next.take() {
            if parents.iter().any(|seen| seen == name) || parents.len() > 32 {
                break;
            }
            parents.push(name.to_owned());
            if let Some(parent) = types.get(name) {
                interfaces.extend(parent.interfaces.iter().map(String::as_str));
                creatable = creatable.or(parent.creatable);
                next = parent.parent.as_deref();
            }
        }
        let is = |name: &str| parents.iter().any(|parent| parent == name);
        let kind = if is("cpu") {
            Kind::Cpu
        } else if is("device") {
            Kind::Device
        } else if is("machine") {
            Kind::Machine
        } else if interfaces.contains("user-creatable") {
            Kind::Object
        } else {
            Kind::Other
        };
        let user_creatable = match kind {
            Kind::Device => creatable.unwrap_or(!is("sys-bus-device")) && !definition.is_abstract,
            Kind::Object => !definition.is_abstract,
            _ => false,
        };
        let file = self.files.get(&definition.file).cloned().unwrap_or(Condition::Never);
        let names = aliases.iter().filter(|(_, target)| *target == definition.name);
        Entry {
            kind,
            condition: file.and(definition.condition.clone()),
            line: definition.line,
            is_abstract: definition.is_abstract,
            at_start: definition.at_start,
            user_creatable,
            bus: bus(&parents).map(str::to_owned),
            aliases: names.map(|(alias, _)| alias.clone()).collect(),
            parents,
            file: definition.file.clone(),
            name: definition.name.clone(),
        }
    }

    /// All entries of a name: a type may be in several architectures' files.
    pub fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.by_name.get(name).into_iter().flatten().filter_map(|index| self.entries.get(*index))
    }

    /// Finds concrete entries of a kind by their own name; aliases do not count.
    pub fn find<'a>(&'a self, kind: Kind, name: &str) -> Vec<&'a Entry> {
        self.named(name).filter(|entry| entry.kind == kind && !entry.is_abstract).collect()
    }

    /// Finds the entries of a machine family as the profile names it: `q35`, `pc`, `microvm`,
    /// `virt`.
    pub fn machines(&self, family: &str) -> Vec<&Entry> {
        let prefix = match family {
            "q35" => "pc-q35-",
            "pc" | "i440fx" => "pc-i440fx-",
            "virt" => "virt-",
            _ => "",
        };
        self.entries
            .iter()
            .filter(|entry| entry.kind == Kind::Machine && !entry.is_abstract)
            .filter(|entry| {
                let name = entry.name.trim_end_matches("-machine");
                name == family || (!prefix.is_empty() && name.starts_with(prefix))
            })
            .collect()
    }

    /// The condition under which a source file is compiled into an emulator.
    pub fn file_condition(&self, path: &str) -> Option<&Condition> {
        self.files.get(path)
    }

    /// The `CONFIG_` macros of `config-host.h`, without that prefix, with what defines each.
    pub fn defines(&self) -> &BTreeMap<String, Condition> {
        &self.defines
    }

    /// Names of a kind that a user may give and that begin with a word and a dash, those of PCI devices first.
    pub fn beginning(&self, kind: Kind, word: &str) -> Vec<&str> {
        let begins = |entry: &&Entry| {
            entry.kind == kind
                && !entry.is_abstract
                && (kind != Kind::Device || entry.user_creatable)
                && entry.name.strip_prefix(word).is_some_and(|rest| rest.starts_with('-'))
        };
        let names: BTreeSet<&str> =
            self.entries.iter().filter(begins).map(|entry| entry.name.as_str()).collect();
        let (pci, others): (Vec<&str>, Vec<&str>) =
            names.into_iter().partition(|name| name.ends_with("-pci"));
        [pci, others].concat()
    }

    /// Suggests the name of a kind that someone probably meant.
    pub fn suggest(&self, kind: Kind, wrong: &str) -> Option<&str> {
        // Only what the next run accepts.
        let accepted = || {
            self.entries.iter().filter(|entry| {
                entry.kind == kind
                    && !entry.is_abstract
                    && (kind != Kind::Device || entry.user_creatable)
            })
        };
        let exact = |name: &str| accepted().find(|entry| entry.name == name);
        let of_client = LIBVIRT.iter().find(|(theirs, _)| *theirs == wrong);
        let found = exact(wrong)
            .or_else(|| exact(&format!("{wrong}-pci")))
            .or_else(|| of_client.and_then(|(_, name)| exact(name)))
            .or_else(|| accepted().find(|entry| entry.aliases.iter().any(|alias| alias == wrong)));
        if let Some(entry) = found {
            return Some(&entry.name);
        }
        // The beginning of many names means none of them.
        if self.beginning(kind, wrong).len() > 2 {
            return None;
        }
        accepted()
            .map(|entry| (strsim::jaro_winkler(&entry.name, wrong), entry.name.as_str()))
            .filter(|(score, _)| *score > 0.86)
            .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
            .map(|(_, name)| name)
    }
}

/// Models as libvirt names them (docs/formatdomain: controllers, interfaces, sound, video, watchdogs), and the devices its
/// driver starts for them (src/qemu/qemu_command.c, src/qemu/qemu_domain.c).
const LIBVIRT: &[(&str, &str)] = &[
    ("ac97", "AC97"),
    ("cirrus", "cirrus-vga"),
    ("es1370", "ES1370"),
    ("ich6", "intel-hda"),
    ("ich9", "ich9-intel-hda"),
    ("ich9-ehci1", "ich9-usb-ehci1"),
    ("ich9-uhci1", "ich9-usb-uhci1"),
    ("ich9-uhci2", "ich9-usb-uhci2"),
    ("ich9-uhci3", "ich9-usb-uhci3"),
    ("lsilogic", "lsi"),
    ("lsisas1068", "mptsas1068"),
    ("lsisas1078", "megasas"),
    ("nec-xhci", "nec-usb-xhci"),
    ("piix3-uhci", "piix3-usb-uhci"),
    ("piix4-uhci", "piix4-usb-uhci"),
    ("qxl", "qxl-vga"),
    ("sb16", "sb16"),
    ("vga", "VGA"),
    ("virtio-scsi", "virtio-scsi-pci"),
    ("virtio-serial", "virtio-serial-pci"),
    ("vmvga", "vmware-svga"),
    ("vt82c686b-uhci", "vt82c686b-usb-uhci"),
];

/// Reads aliases of devices from `qdev_alias_table` of `system/qdev-monitor.c`, as (alias, type).
fn aliases(tree: &Tree) -> Vec<(String, String)> {
    let text =
        ["system/qdev-monitor.c", "softmmu/qdev-monitor.c"].iter().find_map(|path| tree.text(path));
    let Some(text) = text else { return Vec::new() };
    let Some((_, table)) = text.split_once("qdev_alias_table[]") else { return Vec::new() };
    table
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("};"))
        .filter_map(|line| {
            let mut words = line.split('"').skip(1).step_by(2);
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .map(|(name, alias)| (alias, name))
        .collect()
}

/// The bus of a device as `-device help` prints it, by the class every device on the bus derives
/// from.
fn bus(parents: &[String]) -> Option<&'static str> {
    const BUSES: [(&str, &str); 14] = [
        ("pci-device", "PCI"),
        ("isa-device", "ISA"),
        ("usb-device", "usb-bus"),
        ("scsi-device", "SCSI"),
        ("ide-device", "IDE"),
        ("virtio-device", "virtio-bus"),
        ("virtio-serial-port", "virtio-serial-bus"),
        ("i2c-slave", "i2c-bus"),
        ("smbus-device", "i2c-bus"),
        ("hda-codec", "HDA"),
        ("ssi-peripheral", "SSI"),
        ("sd-card", "sd-bus"),
        ("nvme-ns", "nvme-bus"),
        ("sys-bus-device", "System"),
    ];
    BUSES
        .iter()
        .find(|(class, _)| parents.iter().any(|parent| parent == class))
        .map(|(_, bus)| *bus)
}
