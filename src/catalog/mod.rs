//! What a QEMU tree offers, read from its sources without building: QOM types with the condition that puts each into a
//! binary, and from them devices, machines, objects and CPU models.
//!
//! Pure over a [`Tree`]. Conditions come from `meson.build` (which file) and the preprocessor (which part of it); names
//! and parents from the C sources. What cannot be read statically is listed, never guessed.

mod condition;
mod macros;
mod meson;
mod predict;
mod preprocess;
mod qom;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

pub use condition::{Condition, Configuration};
pub use predict::{Class, Predicted, Surface, predict};
pub use qom::{TypeDef, Unseen};

use crate::finding::Code;
use crate::tree::Tree;

/// Finding codes of this module.
pub const CODES: &[&Code] = &[];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Device,
    Cpu,
    Machine,
    Object,
    Other,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Cpu => "cpu",
            Self::Machine => "machine",
            Self::Object => "object",
            Self::Other => "type",
        }
    }
}

/// One QOM type with everything known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub bus: Option<&'static str>,
    /// Other names the command line accepts.
    pub aliases: Vec<String>,
}

/// The catalog of one tree. Several entries may share a name: the same type in different architectures' files.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Content of `VERSION`.
    pub version: String,
    pub entries: Vec<Entry>,
    by_name: BTreeMap<String, Vec<usize>>,
    files: BTreeMap<String, Condition>,
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

/// Reads the catalog of a tree.
pub fn scan(tree: &Tree) -> Catalog {
    let files = meson::file_conditions(tree);
    let mut macros = macros::Macros::default();
    for (path, _) in tree.iter().filter(|(path, _)| has_extension(path, "h")) {
        if path.starts_with("include/")
            || DIRECTORIES.iter().any(|directory| below(path, directory))
        {
            macros.add(&tree.text(path).unwrap_or_default());
        }
    }
    let sources: Vec<&str> = tree
        .iter()
        .map(|(path, _)| path)
        .filter(|path| has_extension(path, "c"))
        .filter(|path| {
            !path.contains('/') || DIRECTORIES.iter().any(|directory| below(path, directory))
        })
        .collect();
    let scanned: Vec<(Vec<TypeDef>, Vec<Unseen>)> = sources
        .par_iter()
        .map(|path| qom::types(path, &tree.text(path).unwrap_or_default(), &macros))
        .collect();
    let version = tree.text("VERSION").map(|text| text.trim().to_owned()).unwrap_or_default();
    let aliases = aliases(tree);
    let mut catalog = Catalog { version, files, ..Catalog::default() };
    let mut definitions = Vec::new();
    for (types, unseen) in scanned {
        definitions.extend(types);
        catalog.unseen.extend(unseen);
    }
    let parents: BTreeMap<String, TypeDef> = definitions
        .iter()
        .map(|definition| (definition.name.clone(), definition.clone()))
        .collect();
    for definition in definitions {
        let entry = catalog.entry(definition, &parents, &aliases);
        catalog.by_name.entry(entry.name.clone()).or_default().push(catalog.entries.len());
        catalog.entries.push(entry);
    }
    catalog
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
}

fn below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

impl Catalog {
    fn entry(
        &self,
        definition: TypeDef,
        types: &BTreeMap<String, TypeDef>,
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
            user_creatable,
            bus: bus(&parents),
            aliases: names.map(|(alias, _)| alias.clone()).collect(),
            parents,
            file: definition.file,
            name: definition.name,
        }
    }

    /// All entries of a name.
    pub fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.by_name.get(name).into_iter().flatten().filter_map(|index| self.entries.get(*index))
    }

    /// Concrete entries of a kind, by their own name; aliases are not names.
    pub fn find<'a>(&'a self, kind: Kind, name: &str) -> Vec<&'a Entry> {
        self.named(name).filter(|entry| entry.kind == kind && !entry.is_abstract).collect()
    }

    /// Entries of a machine family as the profile names it: `q35`, `pc`, `microvm`, `virt`.
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

    /// When a source file is compiled into an emulator.
    pub fn file_condition(&self, path: &str) -> Option<&Condition> {
        self.files.get(path)
    }

    /// The name someone probably meant.
    pub fn suggest(&self, kind: Kind, wrong: &str) -> Option<&str> {
        if let Some(entry) = self
            .entries
            .iter()
            .find(|entry| entry.name == format!("{wrong}-pci") && entry.kind == kind)
        {
            return Some(&entry.name);
        }
        if let Some(entry) =
            self.entries.iter().find(|entry| entry.aliases.iter().any(|alias| alias == wrong))
        {
            return Some(&entry.name);
        }
        self.entries
            .iter()
            .filter(|entry| {
                entry.kind == kind
                    && !entry.is_abstract
                    && (kind != Kind::Device || entry.user_creatable)
            })
            .map(|entry| (strsim::jaro_winkler(&entry.name, wrong), entry.name.as_str()))
            .filter(|(score, _)| *score > 0.86)
            .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
            .map(|(_, name)| name)
    }
}

/// `qdev_alias_table` of `system/qdev-monitor.c`: (alias, type).
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

/// Bus names as `-device help` prints them, by the class every device on the bus derives from.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    struct With(BTreeSet<&'static str>);

    impl Configuration for With {
        fn symbol(&self, name: &str) -> bool {
            self.0.contains(name)
        }
        fn option(&self, name: &str) -> bool {
            self.0.contains(name)
        }
        fn arch(&self, name: &str) -> bool {
            name == "i386"
        }
    }

    const MESON: &str = "x_ss = ss.source_set()\n\
        x_ss.add(when: ['CONFIG_CARD', 'CONFIG_PCI'], if_true: files('card.c'))\n\
        if have_vhost_user\n  x_ss.add(files('user.c'))\nelse\n  x_ss.add(files('stub.c'))\nendif\n\
        i386_ss = ss.source_set()\ni386_ss.add_all(when: 'CONFIG_X', if_true: x_ss)\nhw_arch += {'i386': i386_ss}\n";
    const CARD: &str = "#define TYPE_CARD \"card\"\nstatic const Info cards[] = {\n  { .name = \"card-a\", .n = 1 },\n  \
        { .name = TYPE_CARD \"-b\" },\n};\n/* static const TypeInfo gone = { .name = \"gone\" }; */\n\
        static void init(ObjectClass *c, void *d)\n{\n    dc->user_creatable = false;\n}\n\
        static const TypeInfo base = {\n  .name = TYPE_CARD,\n  .parent = TYPE_DEVICE,\n  .abstract = true,\n  \
        .class_init = init,\n};\n#ifdef CONFIG_EXTRA\nstatic const TypeInfo extra = { .name = \"extra\", .parent = TYPE_DEVICE };\n\
        #endif\nstatic void reg(void)\n{\n  for (i = 0; i < 2; i++) {\n    const Info *info = &cards[i];\n    TypeInfo t = {};\n    \
        t.name = info->name;\n    t.parent = TYPE_CARD;\n    type_register_static(&t);\n  }\n}\n";

    fn tree() -> Tree {
        [
            ("hw/x/meson.build", MESON),
            ("hw/x/card.c", CARD),
            (
                "hw/x/user.c",
                "static const TypeInfo u = { .name = \"user\", .parent = TYPE_DEVICE };\n",
            ),
            ("include/hw/dev.h", "#define TYPE_DEVICE \"device\"\n"),
        ]
        .into_iter()
        .collect()
    }

    fn devices(on: &[&'static str]) -> Vec<String> {
        let surface =
            predict(&scan(&tree()), &With(on.iter().copied().collect()), &BTreeSet::new());
        assert_eq!(surface.undecided, []);
        surface.devices.into_keys().collect()
    }

    #[test]
    fn files_nested_sets_ifdefs_and_tables_decide_what_is_in() {
        assert_eq!(devices(&[]), [""; 0]);
        assert_eq!(devices(&["X", "CARD"]), [""; 0]);
        assert_eq!(devices(&["X", "CARD", "PCI"]), ["card-a", "card-b"]);
        assert_eq!(devices(&["X", "CARD", "PCI", "EXTRA"]), ["card-a", "card-b", "extra"]);
        assert_eq!(devices(&["X", "vhost-user"]), ["user"]);
    }

    #[test]
    fn user_creatable_is_inherited_and_comments_are_no_code() {
        let catalog = scan(&tree());
        assert!(!catalog.find(Kind::Device, "card-a")[0].user_creatable);
        assert!(catalog.find(Kind::Device, "user")[0].user_creatable);
        assert!(catalog.named("gone").next().is_none());
    }

    #[test]
    fn hostile_sources_give_an_answer() {
        let deep = "(".repeat(20_000) + &"[".repeat(20_000);
        for text in [
            "TypeInfo x = {{{{",
            "#define TYPE_A TYPE_A\nTypeInfo x = { .name = TYPE_A };",
            "'",
            "if\nendif\nendif",
            &deep,
        ] {
            let tree: Tree = [("hw/x/meson.build", text), ("hw/x/a.c", text), ("hw/a.h", text)]
                .into_iter()
                .collect();
            let _ = scan(&tree);
        }
    }
}
