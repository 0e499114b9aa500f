//! The surface a configuration will have: the types that the built binary reports, each with its class and reason.
//!
//! Pure. This is the list that `verify` compares with what the binary says over QMP; it is made before the build.

use std::collections::{BTreeMap, BTreeSet};

use super::{Catalog, Condition, Configuration, Entry, Kind};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Named in the profile.
    Requested,
    /// Comes with a symbol that is on; the reason names it.
    Forced,
    /// In every binary of this target and series; no configuration removes it.
    Core,
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Forced => "forced",
            Self::Core => "core",
        }
    }
}

/// A type that the binary is predicted to have, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicted {
    pub kind: Kind,
    pub class: Class,
    /// The symbols or options that put it in; empty for core.
    pub through: Vec<String>,
    pub user_creatable: bool,
    pub file: String,
    pub line: u32,
}

/// The predicted surface. CPU models are devices to QOM and are kept apart only by their kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surface {
    /// Concrete types that derive from `device`.
    pub devices: BTreeMap<String, Predicted>,
    /// Machine types without the `-machine` suffix.
    pub machines: BTreeMap<String, Predicted>,
    pub objects: BTreeMap<String, Predicted>,
    /// Netdevs, chardevs, displays, audio and block drivers, by kind: what the command line's `help` lists.
    pub backends: BTreeMap<Kind, BTreeMap<String, Predicted>>,
    /// Every other concrete QOM type: buses, accelerators, memory regions.
    pub types: BTreeMap<String, Predicted>,
    /// Types that exist only where the machine the emulator runs on has something: they may be in or not.
    pub at_start: BTreeMap<String, Predicted>,
    /// Types whose condition we cannot decide, with the condition.
    pub undecided: Vec<(String, String)>,
}

impl Surface {
    /// Devices a user can create that nobody asked for, CPU models left out.
    pub fn unrequested(&self) -> impl Iterator<Item = (&String, &Predicted)> {
        self.devices.iter().filter(|(_, device)| {
            device.kind == Kind::Device && device.user_creatable && device.class != Class::Requested
        })
    }

    /// The number of device types, CPU models left out: the measure the smallest selection
    /// minimises.
    pub fn size(&self) -> usize {
        self.devices.values().filter(|device| device.kind == Kind::Device).count()
    }

    /// The predicted backends of a kind; empty when there is none.
    pub fn backends(&self, kind: Kind) -> impl Iterator<Item = &String> {
        self.backends.get(&kind).into_iter().flat_map(BTreeMap::keys)
    }
}

/// Names of the profile's allowlists. A name can be of two kinds: `socket` is a netdev and a chardev.
pub type Requested = BTreeSet<(Kind, String)>;

/// Predicts the surface of a configuration.
pub fn predict(catalog: &Catalog, with: &dyn Configuration, requested: &Requested) -> Surface {
    let mut surface = Surface::default();
    for entry in catalog.entries.iter().filter(|entry| !entry.is_abstract) {
        let into = match entry.kind {
            _ if entry.at_start => &mut surface.at_start,
            Kind::Device | Kind::Cpu => &mut surface.devices,
            Kind::Machine => &mut surface.machines,
            Kind::Object => &mut surface.objects,
            Kind::Other => &mut surface.types,
            backend => surface.backends.entry(backend).or_default(),
        };
        match entry.condition.holds(with) {
            Some(false) => {}
            Some(true) => {
                let name = if entry.kind == Kind::Machine {
                    entry.name.trim_end_matches("-machine").to_owned()
                } else {
                    entry.name.clone()
                };
                into.insert(name, predicted(entry, with, requested));
            }
            // Only what `verify` compares must be decided.
            None if entry.kind == Kind::Other => {}
            None => surface.undecided.push((entry.name.clone(), entry.condition.to_string())),
        }
    }
    surface
}

fn predicted(entry: &Entry, with: &dyn Configuration, requested: &Requested) -> Predicted {
    let through = through(&entry.condition, with);
    let named = |name: &String| requested.contains(&(entry.kind, name.clone()));
    let asked = named(&entry.name) || entry.aliases.iter().any(named);
    let class = match (asked, through.is_empty()) {
        (true, _) => Class::Requested,
        (false, true) => Class::Core,
        (false, false) => Class::Forced,
    };
    Predicted {
        kind: entry.kind,
        class,
        through,
        user_creatable: entry.user_creatable,
        file: entry.file.clone(),
        line: entry.line,
    }
}

/// The symbols and options of the first alternative of a condition that holds.
fn through(condition: &Condition, with: &dyn Configuration) -> Vec<String> {
    let holds = |leaf: &&Condition| leaf.holds(with) == Some(true);
    let alternatives = condition.alternatives();
    let Some(alternative) = alternatives.iter().find(|leaves| leaves.iter().all(holds)) else {
        return Vec::new();
    };
    let mut names: Vec<String> = alternative
        .iter()
        .filter_map(|leaf| match leaf {
            Condition::Symbol(name) => Some(name.clone()),
            Condition::Option(name) => Some(format!("--enable-{name}")),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}
