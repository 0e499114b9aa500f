//! From names to symbols: which Kconfig symbols and build options the profile's devices, machines and objects need.
//!
//! Pure. Where several selections put a device in, the one with the smallest predicted surface is taken; ties go to the
//! first in symbol order, so the answer never depends on anything but the profile and the tree.

use std::collections::{BTreeMap, BTreeSet};

use super::features::{self, Features};
use super::{Alternative, Because, Item};
use crate::catalog::{Catalog, Condition, Configuration, Entry, Kind, Requested, Surface, predict};
use crate::finding::Finding;
use crate::kconfig::{
    Assignment, Kconfig, Mode, Request, Resolution, Target, host_option, host_symbols, resolve,
};
use crate::profile::{Origin, Profile, Sourced};
use crate::tree::Tree;

/// The outcome of a selection: options, symbols, predicted surface, and what was not chosen.
pub(super) struct Selected {
    pub features: Features,
    pub asked: Vec<Item>,
    pub resolution: Resolution,
    pub surface: Surface,
    pub alternatives: Vec<Alternative>,
}

pub(super) struct Selector<'a> {
    pub profile: &'a Profile,
    pub tree: &'a Tree,
    pub catalog: &'a Catalog,
    pub kconfig: &'a Kconfig,
    pub target: &'a Target,
    /// Symbols beyond what the profile asks, each with its reason.
    pub extra: Vec<(String, Because)>,
}

/// A resolved configuration, for conditions.
pub(super) struct Config<'a> {
    pub symbols: &'a BTreeMap<String, crate::kconfig::Because>,
    pub features: &'a Features,
    pub kconfig: &'a Kconfig,
    pub arch: &'a str,
}

impl Configuration for Config<'_> {
    /// A `CONFIG_` name in meson.build or an `#ifdef` is a symbol where Kconfig declares one, a build option otherwise.
    fn symbol(&self, name: &str) -> bool {
        if self.symbols.contains_key(name) {
            return true;
        }
        self.kconfig.declaration(name).is_none()
            && self.option(&name.to_lowercase().replace('_', "-"))
    }

    fn option(&self, name: &str) -> bool {
        self.features.contains_key(name)
    }

    fn arch(&self, name: &str) -> bool {
        self.arch == name
    }
}

/// What one profile entry asks of Kconfig: alternatives of symbols and options.
struct Demand<'a> {
    name: &'a Sourced<String>,
    alternatives: Vec<(Vec<String>, Vec<String>)>,
}

type Asked = BTreeMap<String, Because>;

impl Selector<'_> {
    pub(super) fn run(&self, mut features: Features) -> (Option<Selected>, Vec<Finding>) {
        let demands = self.demands();
        let mut asked = Asked::new();
        for symbol in &self.profile.symbols {
            let name = symbol.value.trim_start_matches("CONFIG_").to_owned();
            asked.entry(name).or_insert_with(|| Because::Asked(symbol.origin.clone()));
        }
        for (symbol, because) in &self.extra {
            asked.entry(symbol.clone()).or_insert_with(|| because.clone());
        }
        let mut alternatives = Vec::new();
        for demand in demands.iter().filter(|demand| demand.alternatives.len() == 1) {
            add(&mut asked, &mut features, demand, 0);
        }
        for demand in demands.iter().filter(|demand| demand.alternatives.len() > 1) {
            let best = self.smallest(demand, &asked, &features);
            alternatives.push(described(demand, best));
            add(&mut asked, &mut features, demand, best);
        }
        self.options_of_symbols(&asked, &mut features);
        features::close(&mut features, self.tree);
        self.drop_selected(&mut asked, &features);
        let (resolution, findings) = self.resolve(&asked, &features);
        let Some(resolution) = resolution else { return (None, findings) };
        let surface = self.surface(&resolution, &features);
        let asked = asked.into_iter().map(|(name, because)| Item::new(name, because)).collect();
        (Some(Selected { features, asked, resolution, surface, alternatives }), findings)
    }

    /// Finds symbols that bring the parents of types that are in. QEMU checks parents when it
    /// starts, not when it links: a type without its parent ends it there ("Type 'm25p80-generic'
    /// is missing its parent 'ssi-peripheral'").
    pub(super) fn missing_parents(&self, found: &Selected) -> Vec<(String, Because)> {
        let config = self.config(&found.resolution, &found.features);
        let holds = |entry: &Entry| entry.condition.holds(&config);
        let mut out: BTreeMap<String, Because> = BTreeMap::new();
        for entry in self.catalog.entries.iter().filter(|entry| holds(entry) == Some(true)) {
            let Some(parent) = entry.parents.first() else { continue };
            let parents: Vec<&Entry> = self.catalog.named(parent).collect();
            if parents.is_empty() || parents.iter().any(|parent| holds(parent) != Some(false)) {
                continue;
            }
            let why = format!(
                "{} derives from {parent}, without which QEMU ends at its start",
                entry.name
            );
            for symbol in self.alternatives(&parents).into_iter().next().unwrap_or_default().0 {
                out.entry(symbol)
                    .or_insert_with(|| Because::needed(entry.name.clone(), why.clone()));
            }
        }
        out.into_iter().filter(|(symbol, _)| !found.resolution.is_on(symbol)).collect()
    }

    fn config<'c>(&'c self, resolution: &'c Resolution, features: &'c Features) -> Config<'c> {
        Config {
            symbols: &resolution.symbols,
            features,
            kconfig: self.kconfig,
            arch: self.target.base_arch(),
        }
    }

    fn demands(&self) -> Vec<Demand<'_>> {
        let machines =
            self.profile.machines.iter().map(|name| (name, self.catalog.machines(&name.value)));
        let devices = self
            .profile
            .devices
            .iter()
            .map(|name| (name, self.catalog.find(Kind::Device, &name.value)));
        let objects = self
            .profile
            .backends
            .objects
            .iter()
            .map(|name| (name, self.catalog.find(Kind::Object, &name.value)));
        machines
            .chain(devices)
            .chain(objects)
            .map(|(name, entries)| Demand { name, alternatives: self.alternatives(&entries) })
            .collect()
    }

    /// The alternatives of all entries of a name on this architecture, without repetitions.
    fn alternatives(&self, entries: &[&Entry]) -> Vec<(Vec<String>, Vec<String>)> {
        let base = self.target.base_arch();
        let mut out: Vec<(Vec<String>, Vec<String>)> = Vec::new();
        for leaves in entries.iter().flat_map(|entry| entry.condition.alternatives()) {
            let foreign =
                leaves.iter().any(|leaf| matches!(leaf, Condition::Arch(arch) if arch != base));
            if foreign {
                continue;
            }
            let (mut symbols, mut options) = (BTreeSet::new(), BTreeSet::new());
            for leaf in leaves {
                match leaf {
                    Condition::Symbol(name) if self.kconfig.declaration(name).is_some() => {
                        // What meson passes comes with a build option and is not for the device file to ask.
                        match host_option(self.tree, name) {
                            Some(option) => options.insert(option),
                            None => symbols.insert(name.clone()),
                        };
                    }
                    Condition::Symbol(name) => {
                        options.insert(name.to_lowercase().replace('_', "-"));
                    }
                    Condition::Option(name) => {
                        options.insert(name.clone());
                    }
                    _ => {}
                }
            }
            let alternative = (symbols.into_iter().collect(), options.into_iter().collect());
            if !out.contains(&alternative) {
                out.push(alternative);
            }
        }
        out
    }

    /// The index of the alternative with the smallest predicted surface on top of what is asked
    /// already.
    fn smallest(&self, demand: &Demand<'_>, asked: &Asked, features: &Features) -> usize {
        let sizes = (0..demand.alternatives.len()).map(|index| {
            let (mut asked, mut features) = (asked.clone(), features.clone());
            add(&mut asked, &mut features, demand, index);
            self.options_of_symbols(&asked, &mut features);
            features::close(&mut features, self.tree);
            match self.resolve(&asked, &features).0 {
                Some(resolution) => self.surface(&resolution, &features).size(),
                None => usize::MAX,
            }
        });
        sizes.enumerate().min_by_key(|(_, size)| *size).map_or(0, |(index, _)| index)
    }

    /// Turns on the build options that asked symbols depend on: `MICROVM depends on FDT` needs `--enable-fdt`.
    fn options_of_symbols(&self, asked: &Asked, features: &mut Features) {
        let names: Vec<String> = asked.keys().cloned().collect();
        for (needed, by) in self.kconfig.demands(&names) {
            if let Some(option) = host_option(self.tree, &needed) {
                let why = format!("CONFIG_{by} depends on {needed}");
                features::demand(features, &option, Because::needed(format!("CONFIG_{by}"), why));
            }
        }
    }

    /// Leaves out symbols that the others select anyway: the device file stays readable.
    fn drop_selected(&self, asked: &mut Asked, features: &Features) {
        for name in asked.keys().cloned().collect::<Vec<_>>() {
            let mut fewer = asked.clone();
            fewer.remove(&name);
            if self.resolve(&fewer, features).0.is_some_and(|resolution| resolution.is_on(&name)) {
                *asked = fewer;
            }
        }
    }

    fn resolve(&self, asked: &Asked, features: &Features) -> (Option<Resolution>, Vec<Finding>) {
        let devices = asked
            .iter()
            .map(|(symbol, because)| Assignment {
                symbol: symbol.clone(),
                value: true,
                origin: Some(match because {
                    Because::Asked(origin) => origin.clone(),
                    other => Origin::default_of(&other.to_string()),
                }),
            })
            .collect();
        let host = host_symbols(self.tree, self.target, &|option| features.contains_key(option));
        resolve(self.kconfig, &Request { mode: Mode::AllNo, devices, host })
    }

    fn surface(&self, resolution: &Resolution, features: &Features) -> Surface {
        let config = self.config(resolution, features);
        let profile = self.profile;
        let requested = requested(profile);
        let mut surface = predict(self.catalog, &config, &requested);
        for machine in &profile.machines {
            for entry in self.catalog.machines(&machine.value) {
                if let Some(found) =
                    surface.machines.get_mut(entry.name.trim_end_matches("-machine"))
                {
                    found.class = crate::catalog::Class::Requested;
                }
            }
        }
        allow_blocks(profile, &mut surface);
        surface
    }
}

/// The names the profile asks for, by kind.
fn requested(profile: &Profile) -> Requested {
    let backends = &profile.backends;
    let lists = [
        (Kind::Device, &profile.devices),
        (Kind::Machine, &profile.machines),
        (Kind::Object, &backends.objects),
        (Kind::Netdev, &backends.netdevs),
        (Kind::Chardev, &backends.chardevs),
        (Kind::Display, &backends.displays),
        (Kind::Audio, &backends.audio),
        (Kind::Block, &profile.block_read_write),
        (Kind::Block, &profile.block_read_only),
    ];
    let named = |(kind, names): (Kind, &Vec<Sourced<String>>)| {
        names.iter().map(|name| (kind, name.value.clone())).collect::<Vec<_>>()
    };
    lists.into_iter().flat_map(named).collect()
}

/// The block allowlist is compiled in: what it leaves out cannot be opened and is not listed (`bdrv_is_whitelisted`).
fn allow_blocks(profile: &Profile, surface: &mut Surface) {
    let mut allowed: BTreeSet<&str> = super::configure::writable(profile).into_iter().collect();
    allowed.extend(profile.block_read_only.iter().map(|name| name.value.as_str()));
    if let Some(blocks) = surface.backends.get_mut(&Kind::Block) {
        blocks.retain(|name, _| allowed.contains(name.as_str()));
    }
}

fn add(asked: &mut Asked, features: &mut Features, demand: &Demand<'_>, index: usize) {
    let Some((symbols, options)) = demand.alternatives.get(index) else { return };
    for symbol in symbols {
        asked.entry(symbol.clone()).or_insert_with(|| Because::Asked(demand.name.origin.clone()));
    }
    for option in options {
        let why = format!("{} is compiled only with it", demand.name.value);
        features::demand(features, option, Because::needed(demand.name.value.clone(), why));
    }
}

fn described(demand: &Demand<'_>, best: usize) -> Alternative {
    let join = |(symbols, options): &(Vec<String>, Vec<String>)| {
        symbols
            .iter()
            .cloned()
            .chain(options.iter().map(|option| format!("--enable-{option}")))
            .collect::<Vec<_>>()
    };
    Alternative {
        name: demand.name.value.clone(),
        chosen: demand.alternatives.get(best).map(join).unwrap_or_default(),
        rejected: demand
            .alternatives
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != best)
            .map(|(_, alternative)| join(alternative).join("+"))
            .collect(),
        why: "smallest predicted surface".to_owned(),
    }
}
