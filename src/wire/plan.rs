//! `quench.plan/1`: everything a build does, as data, each item with its reason. `plan --format json` prints it, the
//! record keeps it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{NamedDigest, Tag};

/// Format name and version. History: 1 = first.
pub(super) const SCHEMA: &str = "quench.plan/1";

/// The plan of one build. No directory of a machine is in it: commands speak of `$SOURCE`, `$BUILD`, `$RELATIVE`,
/// `$PYTHON` and `$HOME_DIR`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// What was not chosen where several selections would do.
    pub alternatives: Vec<Alternative>,
    /// Kconfig symbols that the device file asks for.
    pub asked: Vec<Named>,
    /// QOM types that exist only where the machine the emulator runs on has something.
    pub at_start: BTreeSet<String>,
    /// What the command line's `help` will list.
    pub backends: Backends,
    /// Compiler flags in their order; an argument may be several words.
    pub cflags: Vec<Argument>,
    /// Arguments of `configure`, without compiler flags.
    pub configure: Vec<Argument>,
    /// What Kconfig is asked for.
    pub device_file: DeviceFile,
    /// Concrete types below `device` that the binary will have.
    pub devices: Devices,
    /// Build options that are on.
    pub features: Vec<Named>,
    /// Firmware the machines and devices load.
    pub firmware: Vec<Firmware>,
    /// Hardening level: `openstack`, `baseline`, `strict` or `cfi`.
    pub hardening: String,
    /// Linker flags in their order.
    pub ldflags: Vec<Argument>,
    /// Flags the hardening level asks for that are not used.
    pub left_out: Vec<Argument>,
    /// Machine types without the `-machine` suffix.
    pub machines: BTreeSet<String>,
    /// Name of the profile.
    pub name: String,
    /// Concrete types that `-object` takes.
    pub objects: BTreeSet<String>,
    /// Known link-closure trouble of this selection, and what was done about it.
    pub quirks: Vec<Quirk>,
    pub schema: Tag<Self>,
    /// The source the plan was made for.
    pub source: Source,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// One line for people.
    pub summary: String,
    /// Kconfig symbols that are `y` in the end, in name order.
    pub symbols: Vec<Named>,
    /// QEMU's target name, for instance `x86_64-softmmu`.
    pub target: String,
    /// Types whose condition cannot be decided.
    pub undecided: Vec<Undecided>,
}

impl Plan {
    /// Keys whose values are not those of another plan.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let Self {
            alternatives,
            asked,
            at_start,
            backends,
            cflags,
            configure,
            device_file,
            devices,
            features,
            firmware,
            hardening,
            ldflags,
            left_out,
            machines,
            name,
            objects,
            quirks,
            // The same for every value of this type.
            schema: _,
            source,
            steps,
            summary,
            symbols,
            target,
            undecided,
        } = self;
        let pairs = [
            ("alternatives", *alternatives == other.alternatives),
            ("asked", *asked == other.asked),
            ("at-start", *at_start == other.at_start),
            ("backends", *backends == other.backends),
            ("cflags", *cflags == other.cflags),
            ("configure", *configure == other.configure),
            ("device-file", *device_file == other.device_file),
            ("devices", *devices == other.devices),
            ("features", *features == other.features),
            ("firmware", *firmware == other.firmware),
            ("hardening", *hardening == other.hardening),
            ("ldflags", *ldflags == other.ldflags),
            ("left-out", *left_out == other.left_out),
            ("machines", *machines == other.machines),
            ("name", *name == other.name),
            ("objects", *objects == other.objects),
            ("quirks", *quirks == other.quirks),
            ("source", *source == other.source),
            ("steps", *steps == other.steps),
            ("summary", *summary == other.summary),
            ("symbols", *symbols == other.symbols),
            ("target", *target == other.target),
            ("undecided", *undecided == other.undecided),
        ];
        pairs.into_iter().filter_map(|(key, same)| (!same).then_some(key)).collect()
    }
}

/// The patched source tree of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Source {
    /// `SOURCE_DATE_EPOCH`: date of the changelog entry or release, seconds since 1970.
    pub date: i64,
    /// What was fetched.
    pub files: Vec<NamedDigest>,
    /// Where it comes from, for people.
    pub origin: String,
    /// Our patches, in the order they are applied.
    pub patches: Vec<NamedDigest>,
    /// Key of the patched tree: sha256 over source files and patches.
    #[cfg_attr(test, schemars(with = "super::tests::Sha256"))]
    pub tree: String,
    /// QEMU's version as the tree says it, distribution suffix included where there is one.
    pub version: String,
}

/// A Kconfig symbol or build option with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Named {
    #[serde(serialize_with = "super::in_order")]
    #[cfg_attr(test, schemars(with = "Because"))]
    pub because: Because,
    pub name: String,
}

/// An argument or flag with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Argument {
    pub argument: String,
    #[serde(serialize_with = "super::in_order")]
    #[cfg_attr(test, schemars(with = "Because"))]
    pub because: Because,
}

/// An entry of `patches/quirks.toml` that this selection meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Quirk {
    #[serde(serialize_with = "super::in_order")]
    #[cfg_attr(test, schemars(with = "Because"))]
    pub because: Because,
    pub id: String,
}

/// The reason for one item. `text` says it for people and is no interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Because {
    /// A line of the profile asks for it. A default has no file, line and column 0, and the rule as its key.
    Asked {
        /// Counted in characters from 1.
        column: u32,
        /// Profile file as it was given; in a record its name without directories.
        file: String,
        /// Dotted key, for instance `devices.allow`.
        key: String,
        /// Counted from 1.
        line: u32,
        text: String,
    },
    /// A Kconfig `default` clause sets the symbol; `by` is null.
    Default { by: Option<String>, file: String, line: u32, text: String },
    /// The hardening level asks for it.
    Hardening {
        level: String,
        /// The guide or document that asks for it.
        source: String,
        text: String,
    },
    /// A Kconfig `imply` clause of the symbol `by` sets it.
    Implied { by: Option<String>, file: String, line: u32, text: String },
    /// Another item, named the way `explain` accepts it, needs it.
    Needed { by: String, text: String },
    /// Known link-closure trouble of this version asks for it.
    Quirk { id: String, text: String },
    /// A rule of Quench itself.
    Rule { text: String },
    /// A Kconfig `select` clause of the symbol `by` sets it.
    Selected { by: Option<String>, file: String, line: u32, text: String },
}

/// What was not chosen where several selections would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Alternative {
    /// Symbols.
    pub chosen: Vec<String>,
    /// What they are for.
    pub name: String,
    /// Symbols that would have done, too.
    pub rejected: Vec<String>,
    pub why: String,
}

/// The Kconfig device file that QEMU's meson reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeviceFile {
    /// Path below the source tree.
    pub path: String,
    pub text: String,
}

/// Predicted device types by why they are there. CPU models are device types, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Devices {
    /// In every binary of this target and series.
    pub core: Vec<Predicted>,
    /// They come with a symbol that is on.
    pub forced: Vec<Predicted>,
    /// Those of all three that `-device help` does not list.
    pub hidden: BTreeSet<String>,
    /// Named in the profile.
    pub requested: Vec<Predicted>,
}

/// A type the binary will have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Predicted {
    /// File of the source tree that registers it.
    pub file: String,
    /// `device` or `cpu`.
    pub kind: String,
    /// Counted from 1.
    pub line: u32,
    pub name: String,
    /// The symbols or options that put it in; empty for core.
    pub through: Vec<String>,
}

/// Backends by the option whose `help` lists them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Backends {
    pub audio: BTreeSet<String>,
    pub block: BTreeSet<String>,
    pub chardev: BTreeSet<String>,
    pub display: BTreeSet<String>,
    pub netdev: BTreeSet<String>,
}

/// A type that may be in the binary or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Undecided {
    /// Its condition, as the tree writes it.
    pub condition: String,
    pub name: String,
}

/// A firmware file that a machine or device loads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Firmware {
    #[serde(serialize_with = "super::in_order")]
    #[cfg_attr(test, schemars(with = "Because"))]
    pub because: Because,
    /// File name.
    pub file: String,
    pub provider: Provider,
}

/// Where a firmware file comes from: the text `built`, or the names of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// From `pc-bios/optionrom` of the same source, in the compile step.
    Built,
    /// A package of the distribution.
    Package(PackageNames),
}

/// A package under its name on each distribution; null where the distribution has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PackageNames {
    pub debian: Option<String>,
    pub fedora: Option<String>,
    pub opensuse: Option<String>,
    pub rhel: Option<String>,
}

const BUILT: &str = "built";

impl Serialize for Provider {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Built => serializer.serialize_str(BUILT),
            Self::Package(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Provider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNames;

        impl<'de> Visitor<'de> for TextOrNames {
            type Value = Provider;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("`built` or the names of a package")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Provider, E> {
                match text {
                    BUILT => Ok(Provider::Built),
                    other => Err(E::invalid_value(Unexpected::Str(other), &self)),
                }
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Provider, M::Error> {
                let names = PackageNames::deserialize(MapAccessDeserializer::new(map));
                names.map(Provider::Package).map_err(M::Error::custom)
            }
        }

        deserializer.deserialize_any(TextOrNames)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Provider {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Provider".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names = generator.subschema_for::<PackageNames>();
        schemars::json_schema!({
            "description": "Where a firmware file comes from: built in the compile step, or a package of the distribution.",
            "anyOf": [{ "const": BUILT }, names],
        })
    }
}

/// One step of the flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Step {
    #[serde(serialize_with = "super::in_order")]
    #[cfg_attr(test, schemars(with = "Because"))]
    pub because: Because,
    /// Programs in their order; empty where Quench does the work itself.
    pub commands: Vec<Command>,
    pub id: StepId,
    /// For people.
    pub title: String,
    /// Files written before the programs run.
    pub writes: Vec<Written>,
}

/// Name of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StepId {
    Source,
    Configure,
    Compile,
    Stage,
    Package,
    Verify,
    Record,
}

impl StepId {
    /// Every step, in the order they run.
    pub const ALL: [Self; 7] = [
        Self::Source,
        Self::Configure,
        Self::Compile,
        Self::Stage,
        Self::Package,
        Self::Verify,
        Self::Record,
    ];

    /// Its name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Configure => "configure",
            Self::Compile => "compile",
            Self::Stage => "stage",
            Self::Package => "package",
            Self::Verify => "verify",
            Self::Record => "record",
        }
    }
}

/// A program call; nothing of the environment is inherited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Command {
    pub arguments: Vec<String>,
    /// Working directory.
    pub directory: String,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Name, looked up on `PATH` of the environment, or path.
    pub program: String,
    /// What it is for, fit for "failed to …".
    pub purpose: String,
}

/// A file that a step writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Written {
    /// May begin with a variable.
    pub path: String,
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::proof;

    fn place(
        make: fn(Option<String>, String, u32, String) -> Because,
        by: Option<&str>,
    ) -> Because {
        make(by.map(str::to_owned), "hw/i386/Kconfig".to_owned(), 7, "so".to_owned())
    }

    /// A plan with every kind of reason and provider once.
    fn whole() -> Plan {
        let text = || "so".to_owned();
        let asked = Because::Asked {
            column: 1,
            file: "x.toml".to_owned(),
            key: "devices.allow".to_owned(),
            line: 3,
            text: text(),
        };
        let hardening = Because::Hardening {
            level: "strict".to_owned(),
            source: "a guide".to_owned(),
            text: text(),
        };
        let selected =
            place(|by, file, line, text| Because::Selected { by, file, line, text }, Some("Q35"));
        let implied =
            place(|by, file, line, text| Because::Implied { by, file, line, text }, Some("PCI"));
        let default = place(|by, file, line, text| Because::Default { by, file, line, text }, None);
        let named = |name: &str, because| Named { because, name: name.to_owned() };
        let argument =
            |argument: &str, because| Argument { argument: argument.to_owned(), because };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let predicted = Predicted {
            file: "hw/net/virtio-net.c".to_owned(),
            kind: "device".to_owned(),
            line: 9,
            name: "virtio-net-pci".to_owned(),
            through: vec!["VIRTIO_NET".to_owned()],
        };
        let firmware = |provider| Firmware {
            because: Because::Needed { by: "q35".to_owned(), text: text() },
            file: "x.bin".to_owned(),
            provider,
        };
        let digest = || NamedDigest { name: "x".to_owned(), sha256: "0".repeat(64) };
        Plan {
            alternatives: vec![Alternative {
                chosen: vec!["A".to_owned()],
                name: "x".to_owned(),
                rejected: vec!["B".to_owned()],
                why: text(),
            }],
            asked: vec![named("Q35", asked)],
            at_start: BTreeSet::from(["memory-backend-memfd".to_owned()]),
            backends: Backends { netdev: names(&["user"]), ..Backends::default() },
            cflags: vec![argument("-O2", hardening)],
            configure: vec![argument("--enable-kvm", Because::Rule { text: text() })],
            device_file: DeviceFile { path: "configs/x.mak".to_owned(), text: text() },
            devices: Devices { requested: vec![predicted], ..Devices::default() },
            firmware: vec![
                firmware(Provider::Built),
                firmware(Provider::Package(PackageNames {
                    debian: Some("seabios".to_owned()),
                    ..PackageNames::default()
                })),
            ],
            quirks: vec![Quirk {
                because: Because::Quirk { id: "q".to_owned(), text: text() },
                id: "q".to_owned(),
            }],
            source: Source {
                files: vec![digest()],
                patches: vec![digest()],
                tree: "1".repeat(64),
                ..Source::default()
            },
            steps: vec![Step {
                because: Because::Rule { text: text() },
                commands: vec![Command {
                    arguments: vec!["-C".to_owned()],
                    directory: "$BUILD".to_owned(),
                    environment: BTreeMap::from([("LC_ALL".to_owned(), "C.UTF-8".to_owned())]),
                    program: "ninja".to_owned(),
                    purpose: "compile".to_owned(),
                }],
                id: StepId::Compile,
                title: "Compile".to_owned(),
                writes: vec![Written { path: "$BUILD/x".to_owned(), text: text() }],
            }],
            symbols: vec![named("PCI", selected), named("A", implied), named("B", default)],
            undecided: vec![Undecided { condition: "X && Y".to_owned(), name: "x".to_owned() }],
            ..Plan::default()
        }
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        proof(&whole());
    }

    /// Written by the first Quench that had this format.
    #[test]
    fn a_plan_of_before_is_read_and_would_be_written_byte_for_byte() {
        let old = include_str!("../../tests/data/records/plan-1.json");
        let plan: Plan = crate::wire::read(old).unwrap();
        assert!(plan.steps.len() == 7 && plan.symbols.len() > 50 && plan.cflags.len() > 5);
        assert_eq!(crate::wire::text(&plan).unwrap(), old);
    }

    #[test]
    fn what_differs_between_plans_is_named_and_nothing_else() {
        let mut other = whole();
        assert_eq!(other.differences(&whole()), [""; 0]);
        other.left_out.push(Argument {
            argument: "-fPIE".to_owned(),
            because: Because::Rule { text: "so".to_owned() },
        });
        other.source.date = 7;
        assert_eq!(other.differences(&whole()), ["left-out", "source"]);
        // Every key of the document has a say.
        let text = crate::wire::text(&Plan::default()).unwrap();
        let keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(keys.len(), 24, "a new key belongs into `differences`, too");
    }

    #[test]
    fn a_provider_that_is_neither_says_what_it_should_be() {
        let fault = serde_json::from_str::<Provider>("\"bought\"").unwrap_err().to_string();
        assert!(fault.contains("\"bought\"") && fault.contains("`built`"), "{fault}");
        serde_json::from_str::<Provider>("7").unwrap_err();
        serde_json::from_str::<Provider>(r#"{ "debian": 7 }"#).unwrap_err();
    }
}
