//! Makes a plan out of a profile, a tree and what the host can do. Pure.

use sha2::{Digest, Sha256};

use super::link::LINK;
use super::quirks::{self, Answer};
use super::select::{Selected, Selector};
use super::{
    Because, Clause, DeviceFile, Item, Options, PackageFacts, Plan, SourceFacts, configure,
    features, firmware, note, steps,
};
use crate::catalog::{Catalog, Class};
use crate::finding::{Code, Finding, any_error};
use crate::hardening::{self, Probes};
use crate::kconfig::{self, Kconfig};
use crate::profile::{self, Profile, Sourced};
use crate::tree::Tree;

/// Finding codes of plans.
pub(super) const CODES: &[&Code] =
    &[&UNKNOWN_FEATURE, &NO_TARGET, &NOT_IN, &DENIED, &SERIES, &UNDECIDED, &BUDGET, &QUIRK, &LINK];

static UNKNOWN_FEATURE: Code = Code {
    name: "plan::unknown-feature",
    summary: "configure of this tree has no such option",
    explain: "Options are read from scripts/meson-buildoptions.sh of the tree; `configure --help` lists them.",
};
static NO_TARGET: Code = Code {
    name: "plan::no-target",
    summary: "the tree has no target for this architecture",
    explain: "configs/targets/ARCH-softmmu.mak is missing.",
};
static NOT_IN: Code = Code {
    name: "plan::not-in",
    summary: "a requested name would not be in the binary",
    explain: "The selection resolves, but the prediction does not contain what was asked. This is a fault of the catalog \
              or of the tree; please report it with the profile.",
};
static DENIED: Code = Code {
    name: "plan::denied",
    summary: "something the profile denies is in all the same",
    explain: "`deny` and `disable` take out what parents ask for. What a machine, another device, the target or a rule of \
              Quench brings stays in whatever is denied, so the restriction would have no effect: choose another machine, drop \
              what brings it, or drop the line.",
};
/// That the tree is of another series than the profile.
pub static SERIES: Code = Code {
    name: "plan::series",
    summary: "the tree is of another series than the profile was written for",
    explain: "Symbols, devices and options change between series: `quench diff-tree` shows what that does to a profile.",
};
static UNDECIDED: Code = Code {
    name: "plan::undecided",
    summary: "whether a type is in cannot be decided from the sources",
    explain: "Its condition uses something Quench does not read. The built binary decides; verify then says so.",
};
static QUIRK: Code = Code {
    name: "plan::quirk",
    summary: "the selection resolves but would not link; a symbol was turned on for it",
    explain: "Kconfig does not know every dependency of the code. Known cases are data (`patches/quirks.toml`): symptom, \
              cause, remedies with their cost. A tree that Quench fetches itself has the patches and needs no symbol.",
};
static BUDGET: Code = Code {
    name: "plan::budget",
    summary: "more devices than the profile's budget allows",
    explain: "budget.unrequested-devices counts creatable devices that nobody asked for, CPU models left out.",
};

/// What a plan is made from.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    pub profile: &'a Profile,
    pub tree: &'a Tree,
    pub catalog: &'a Catalog,
    pub kconfig: &'a Kconfig,
    pub source: SourceFacts,
    pub probes: &'a Probes,
}

/// Makes the plan; `None` when a finding is an error.
pub fn make(inputs: Inputs<'_>) -> (Option<Plan>, Vec<Finding>) {
    make_with(inputs, &[])
}

/// The plan with further symbols asked for, as if the profile had them.
pub(super) fn make_with(inputs: Inputs<'_>, symbols: &[String]) -> (Option<Plan>, Vec<Finding>) {
    let profile = inputs.profile;
    let mut findings = profile::check_names(profile, inputs.catalog);
    let options = Options::of(inputs.tree);
    check_features(profile, &options, &mut findings);
    check_series(profile, inputs.catalog, &mut findings);
    let target_name = format!("{}-softmmu", profile.arch.value.qemu());
    let Some(target) = kconfig::target(inputs.tree, &target_name) else {
        findings
            .push(Finding::error(&NO_TARGET, format!("no target `{target_name}` in this tree")));
        return (None, findings);
    };
    if any_error(&findings) {
        return (None, findings);
    }
    let (selection, mut more) =
        hardening::select(profile.level.value, profile.compiler.value, inputs.probes, inputs.tree);
    findings.append(&mut more);
    let wanted = features::wanted(profile, &options, target.needs_fdt());
    let asked = symbols.iter().map(|symbol| (symbol.clone(), Because::rule("asked for a link")));
    let mut selector = Selector {
        profile,
        tree: inputs.tree,
        catalog: inputs.catalog,
        kconfig: inputs.kconfig,
        target: &target,
        extra: asked.collect(),
    };
    let (Some(selected), quirks) = linking(&mut selector, wanted, &inputs, &mut findings) else {
        return (None, findings);
    };
    check_surface(profile, &selected, &mut findings);
    if any_error(&findings) {
        return (None, findings);
    }
    let catalog = inputs.catalog;
    let kept = kept_features(profile, &selected);
    let mut plan = assemble(inputs, selection, selected, &options);
    plan.quirks = quirks;
    let denied = kept.into_iter().chain(kept_devices(profile, &plan, catalog));
    findings.extend(denied);
    if any_error(&findings) {
        return (None, findings);
    }
    (Some(plan), findings)
}

/// Features that are disabled and stay on, with what asks for each.
fn kept_features(profile: &Profile, selected: &Selected) -> Vec<Finding> {
    let kept = profile.denied.features.iter().filter_map(|feature| {
        let because = selected.features.get(&feature.value)?;
        let message = format!("`{}` is disabled and stays on", feature.value);
        let finding = Finding::error(&DENIED, message).at(feature.origin.place(), "disabled here");
        Some(finding.with_note(format!("on: {because}")))
    });
    kept.collect()
}

/// Devices that are denied and in all the same, each with the chain that brings it.
fn kept_devices(profile: &Profile, plan: &Plan, catalog: &Catalog) -> Vec<Finding> {
    let kept = profile
        .denied
        .devices
        .iter()
        .filter(|device| plan.surface.devices.contains_key(&device.value));
    let finding = |device: &Sourced<String>| {
        let message = format!("device `{}` is denied and is in all the same", device.value);
        let finding = Finding::error(&DENIED, message).at(device.origin.place(), "denied here");
        match super::explain(plan, catalog, &device.value) {
            Some(chain) => finding.with_note(chain.trim_end().to_owned()),
            None => finding,
        }
    };
    kept.map(finding).collect()
}

/// The largest number of rounds of remedies a selection gets; each round adds symbols, so a real
/// tree needs two or three.
const ROUNDS: usize = 12;

/// Selects, and selects again with the remedies of known link trouble and with missing parents until there is none.
fn linking(
    selector: &mut Selector<'_>,
    wanted: features::Features,
    inputs: &Inputs<'_>,
    findings: &mut Vec<Finding>,
) -> (Option<Selected>, Vec<Item>) {
    let known = quirks::known();
    let patches: Vec<String> = inputs.source.patches.iter().map(|(name, _)| name.clone()).collect();
    let mut items = Vec::new();
    for _ in 0..ROUNDS {
        let (selected, mut more) = selector.run(wanted.clone());
        let Some(found) = selected else {
            findings.append(&mut more);
            return (None, items);
        };
        let on = |symbol: &str| found.resolution.is_on(symbol);
        let version = &inputs.catalog.version;
        let answered = selector.extra.len();
        items.clear();
        for quirk in known.iter().filter(|quirk| quirk.concerns(version, &on)) {
            match quirk.answer(inputs.tree, &patches) {
                Some(Answer::Patched(because)) => items.push(Item::new(&quirk.id, because)),
                Some(Answer::Symbols(symbols, because)) => {
                    findings.push(remedied(quirk, &symbols, &because));
                    selector.extra.extend(symbols.into_iter().map(|name| (name, because.clone())));
                }
                None => {}
            }
        }
        let parents = selector.missing_parents(&found);
        selector.extra.extend(parents);
        if selector.extra.len() == answered {
            findings.append(&mut more);
            return (Some(found), items);
        }
    }
    (None, items)
}

fn remedied(quirk: &quirks::Quirk, symbols: &[String], because: &Because) -> Finding {
    let finding = Finding::warning(
        &QUIRK,
        format!(
            "{} turned on: without that the link fails with {}",
            symbols.join(" and "),
            quirk.symptom
        ),
    )
    .with_note(because.to_string());
    match quirk.patch() {
        Some((patch, cost)) => finding.with_help(format!(
            "cheaper: a tree with {patch} ({cost}), as Quench makes it from `source = {{ apt = … }}` or `{{ url = … }}`"
        )),
        None => finding,
    }
}

fn assemble(
    inputs: Inputs<'_>,
    selection: hardening::Selection,
    selected: Selected,
    options: &Options,
) -> Plan {
    let profile = inputs.profile;
    let device_file = device_file(profile, &selected.asked);
    let flag = |flag: &hardening::Flag| {
        Item::new(
            flag.text,
            Because::Hardening {
                level: selection.level.clone(),
                why: flag.why.to_owned(),
                source: flag.source.to_owned(),
            },
        )
    };
    let note = note::flag(profile, &inputs.source, inputs.probes);
    let mut plan = Plan {
        name: profile.name.value.clone(),
        summary: profile.summary.value.clone(),
        arch: profile.arch.value,
        compiler: profile.compiler.value,
        source: inputs.source,
        asked: selected.asked,
        symbols: selected
            .resolution
            .symbols
            .iter()
            .map(|(name, because)| Item::new(name.clone(), symbol_because(because)))
            .collect(),
        configure: configure::arguments(
            profile,
            options,
            &selected.features,
            &device_file,
            &selection,
        ),
        cflags: selection.cflags.iter().map(flag).chain(configure::own_cflags()).collect(),
        ldflags: selection
            .ldflags
            .iter()
            .map(flag)
            .chain(configure::own_ldflags())
            .chain(note)
            .collect(),
        left_out: selection
            .left_out
            .iter()
            .map(|(flag, why)| Item::new(flag.text, Because::rule(why.clone())))
            .collect(),
        features: selected
            .features
            .iter()
            .map(|(name, because)| Item::new(name.clone(), because.clone()))
            .collect(),
        firmware: firmware::needed(profile, &selected.surface),
        surface: selected.surface,
        alternatives: selected.alternatives,
        quirks: Vec::new(),
        package: PackageFacts {
            name: profile.package.name.value.clone(),
            prefix: profile.package.prefix.value.clone(),
            maintainer: profile.package.maintainer.value.clone(),
            formats: profile.package.formats.iter().map(|format| format.value).collect(),
            revision: profile.package.revision.value,
            rpm_target: profile.package.rpm_target.value,
            provides: profile.package.provides.iter().map(|name| name.value.clone()).collect(),
            alternatives: profile.package.alternatives.value,
        },
        selection,
        device_file,
        steps: Vec::new(),
    };
    plan.steps = steps::steps(&plan);
    plan
}

fn symbol_because(because: &kconfig::Because) -> Because {
    match because {
        kconfig::Because::Asked(Some(origin)) if origin.is_default() => {
            Because::rule(origin.key.clone())
        }
        kconfig::Because::Asked(Some(origin)) => Because::Asked(origin.clone()),
        kconfig::Because::Asked(None) => Because::rule("asked by the device file"),
        kconfig::Because::Host => Because::rule("meson sets it: build option or target"),
        kconfig::Because::Selected { by, file, line } => Because::Kconfig {
            clause: Clause::Selected,
            by: Some(by.clone()),
            file: file.clone(),
            line: *line,
        },
        kconfig::Because::Implied { by, file, line } => Because::Kconfig {
            clause: Clause::Implied,
            by: Some(by.clone()),
            file: file.clone(),
            line: *line,
        },
        kconfig::Because::Default { file, line } => {
            Because::Kconfig { clause: Clause::Default, by: None, file: file.clone(), line: *line }
        }
    }
}

/// The device file; its name carries a digest of its text, so trees can be shared between plans.
fn device_file(profile: &Profile, asked: &[Item]) -> DeviceFile {
    let mut text = format!("# {}: written by quench\n", profile.name.value);
    for item in asked {
        text.push_str(&format!("CONFIG_{}=y\n", item.text));
    }
    let name = format!("quench-{}", hex::encode(&Sha256::digest(&text)[..8]));
    let path = format!("configs/devices/{}-softmmu/{name}.mak", profile.arch.value.qemu());
    DeviceFile { name, path, text }
}

fn check_features(profile: &Profile, options: &Options, findings: &mut Vec<Finding>) {
    for feature in profile.features.iter().chain(&profile.denied.features) {
        if options.get(&feature.value).is_some_and(|accepts| accepts.enable) {
            continue;
        }
        let near = if findings.len() < MAX_SUGGESTIONS {
            similar_switch(options, &feature.value)
        } else {
            None
        };
        let finding = Finding::error(
            &UNKNOWN_FEATURE,
            format!("configure of this tree has no feature `{}`", feature.value),
        )
        .at(feature.origin.place(), "asked here");
        findings.push(match near {
            Some(name) => finding.with_help(format!("did you mean `{name}`?")),
            None => finding,
        });
    }
}

/// Features that get a suggestion; finding one means to compare with every switch.
const MAX_SUGGESTIONS: usize = 100;

/// The switch of configure that someone probably meant: `--enable-spice`, `enable-slirp`, `io-uring`.
fn similar_switch<'o>(options: &'o Options, wrong: &str) -> Option<&'o str> {
    let word = wrong.trim_start_matches('-');
    let word = ["enable-", "disable-", "with-"]
        .iter()
        .find_map(|prefix| word.strip_prefix(prefix))
        .unwrap_or(word)
        .to_ascii_lowercase()
        .replace('_', "-");
    let accepted =
        || options.switches().filter(|name| options.get(name).is_some_and(|it| it.enable));
    let ends =
        |name: &&str| name.strip_suffix(word.as_str()).is_some_and(|rest| rest.ends_with('-'));
    accepted().find(|name| *name == word).or_else(|| accepted().find(ends)).or_else(|| {
        accepted()
            .map(|name| (strsim::jaro_winkler(name, &word), name))
            .filter(|(score, _)| *score > 0.82)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name)
    })
}

fn check_series(profile: &Profile, catalog: &Catalog, findings: &mut Vec<Finding>) {
    let series = &profile.series.value;
    let same = catalog
        .version
        .strip_prefix(series.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if !same {
        findings.push(
            Finding::warning(
                &SERIES,
                format!(
                    "the profile was written for series {series}, the tree is QEMU {}",
                    catalog.version
                ),
            )
            .at(profile.series.origin.place(), "written for this")
            .with_help("`quench diff-tree` shows what changed between two trees"),
        );
    }
}

fn check_surface(profile: &Profile, selected: &Selected, findings: &mut Vec<Finding>) {
    let in_surface = |name: &str| {
        selected.surface.devices.iter().any(|(device, predicted)| {
            predicted.class == Class::Requested && (device == name || device.starts_with(name))
        }) || selected.surface.devices.contains_key(name)
    };
    for device in &profile.devices {
        if !in_surface(&device.value) {
            let message = format!("`{}` would not be in the binary", device.value);
            findings.push(Finding::error(&NOT_IN, message).at(device.origin.place(), "asked here"));
        }
    }
    for (name, condition) in &selected.surface.undecided {
        findings.push(Finding::note(&UNDECIDED, format!("`{name}`: cannot decide {condition}")));
    }
    if let Some(budget) = &profile.budget.unrequested_devices {
        let count = selected.surface.unrequested().count() as u64;
        if count > budget.value {
            let names: Vec<&str> =
                selected.surface.unrequested().map(|(name, _)| name.as_str()).collect();
            findings.push(
                Finding::error(
                    &BUDGET,
                    format!("{count} unrequested devices, the budget is {}", budget.value),
                )
                .at(budget.origin.place(), "the budget")
                .with_note(names.join(", "))
                .with_help(format!(
                    "raise the budget at {} or drop what brings them",
                    budget.origin
                )),
            );
        }
    }
}
