//! Answers "why is this in, or not?" from a plan: a chain back to a line of the profile. Pure.

use super::{Because, Item, Plan, Provider};
use crate::catalog::{Catalog, Class, Kind, Predicted};
use crate::profile::Distribution;

/// Explains a device, type, machine, symbol, option, argument, flag or firmware file. `None` when the plan and the
/// catalog know nothing of the name.
pub fn explain(plan: &Plan, catalog: &Catalog, what: &str) -> Option<String> {
    type_in(plan, what).or_else(|| symbol(plan, what)).or_else(|| {
        // `dbus-display` is a build option and a type.
        let both = [listed(plan, what), absent(catalog, what)];
        let text: String = both.into_iter().flatten().collect();
        (!text.is_empty()).then_some(text)
    })
}

/// Explains a type or backend of the predicted surface. A name that is several things (`socket`) is
/// explained as each of them.
fn type_in(plan: &Plan, what: &str) -> Option<String> {
    let surface = &plan.surface;
    let machine = what.trim_end_matches("-machine");
    let maps = [(&surface.devices, what), (&surface.objects, what), (&surface.machines, machine)];
    let others = [(&surface.types, what), (&surface.at_start, what)];
    let backends = surface.backends.values().map(|map| (map, what));
    let found: String = maps
        .into_iter()
        .chain(others)
        .chain(backends)
        .filter_map(|(map, name)| map.get_key_value(name))
        .map(|(name, predicted)| described(plan, name, predicted))
        .collect();
    (!found.is_empty()).then_some(found)
}

fn described(plan: &Plan, name: &str, predicted: &Predicted) -> String {
    let surface = &plan.surface;
    let at_start = surface.at_start.get(name) == Some(predicted);
    let kind = predicted.kind.name();
    let mut out = format!(
        "{name} is in{}: {kind}, {} ({}:{})\n",
        if at_start { " if the machine it starts on has what it needs" } else { "" },
        class(predicted),
        predicted.file,
        predicted.line
    );
    if predicted.through.is_empty() {
        out.push_str(&format!(
            "  core: {} is compiled into every {} of QEMU {}; no configuration removes it\n",
            predicted.file,
            plan.emulator(),
            plan.source.version
        ));
    }
    for through in &predicted.through {
        match through.strip_prefix("--enable-") {
            Some(option) => out.push_str(&option_line(plan, option)),
            None => out.push_str(&chain(plan, through)),
        }
    }
    if let Some(alternative) = plan.alternatives.iter().find(|alternative| alternative.name == name)
    {
        out.push_str(&format!(
            "  decided against {} ({})\n",
            alternative.rejected.join(" or "),
            alternative.why
        ));
    }
    out
}

fn class(predicted: &Predicted) -> String {
    let hidden = if predicted.kind == Kind::Device && !predicted.user_creatable {
        ", hidden from -device help"
    } else {
        ""
    };
    let class = match predicted.class {
        Class::Requested => "requested",
        Class::Forced => "forced",
        Class::Core => "core",
    };
    format!("{class}{hidden}")
}

fn option_line(plan: &Plan, option: &str) -> String {
    let because = plan
        .features
        .iter()
        .find(|item| item.text == option)
        .map_or_else(String::new, |item| item.because.to_string());
    format!("  build option {option}: {because}\n")
}

/// The chain of a symbol, one line per step.
fn chain(plan: &Plan, symbol: &str) -> String {
    let mut out = String::new();
    let mut seen: Vec<String> = Vec::new();
    let mut next = Some(symbol.to_owned());
    while let Some(name) = next.take() {
        if seen.contains(&name) {
            break;
        }
        let Some(item) = plan.symbols.iter().find(|item| item.text == name) else { break };
        out.push_str(&format!("{}CONFIG_{name}: {}\n", "  ".repeat(seen.len() + 1), item.because));
        if let Because::Kconfig { by: Some(by), .. } = &item.because {
            next = Some(by.clone());
        }
        seen.push(name);
    }
    out
}

fn symbol(plan: &Plan, what: &str) -> Option<String> {
    let name = what.strip_prefix("CONFIG_").unwrap_or(what);
    plan.symbols.iter().find(|item| item.text == name)?;
    let types: Vec<&str> = plan
        .surface
        .devices
        .iter()
        .filter(|(_, device)| device.through.iter().any(|through| through == name))
        .map(|(device, _)| device.as_str())
        .collect();
    let brings =
        if types.is_empty() { String::new() } else { format!("  brings: {}\n", types.join(", ")) };
    Some(format!("CONFIG_{name} is on\n{}{brings}", chain(plan, name)))
}

/// Explains an option, argument, flag or firmware file of the plan.
fn listed(plan: &Plan, what: &str) -> Option<String> {
    let option = what.trim_start_matches("--enable-").trim_start_matches("--disable-");
    let find = |items: &[Item], what: &str| items.iter().find(|item| item.text == what).cloned();
    if let Some(item) = find(&plan.features, option) {
        return Some(format!("build option {option} is on: {}\n", item.because));
    }
    let disabled = format!("--disable-{option}");
    for (list, name) in [
        (&plan.configure, what),
        (&plan.configure, &disabled),
        (&plan.cflags, what),
        (&plan.ldflags, what),
    ] {
        if let Some(item) = find(list, name) {
            return Some(format!("{}: {}\n", item.text, item.because));
        }
    }
    let in_flags = |items: &[Item]| {
        items.iter().find(|item| item.text.split(' ').any(|word| word == what)).cloned()
    };
    if let Some(item) = in_flags(&plan.cflags).or_else(|| in_flags(&plan.ldflags)) {
        return Some(format!("{} is used: {}\n", item.text, item.because));
    }
    if let Some(item) = in_flags(&plan.left_out) {
        return Some(format!("{} is left out: {}\n", item.text, item.because));
    }
    let firmware = plan.firmware.iter().find(|firmware| firmware.item.text == what)?;
    let provider = provider(firmware.provider);
    Some(format!("firmware {what}: {}; {provider}\n", firmware.item.because))
}

/// Who a firmware file comes from.
fn provider(provider: Provider) -> String {
    let Provider::Package(names) = provider else {
        return "built from QEMU's own sources".to_owned();
    };
    let named = Distribution::ALL
        .into_iter()
        .filter_map(|distribution| Some((names.on(distribution)?, distribution.name())));
    let packages: Vec<String> = named.map(|(name, on)| format!("{name} ({on})")).collect();
    format!("from the package {}", packages.join(", "))
}

/// Explains a name that the tree knows and the plan does not have.
fn absent(catalog: &Catalog, what: &str) -> Option<String> {
    let entries: Vec<_> = catalog.named(what).collect();
    let entry = entries.first()?;
    if entry.is_abstract {
        return Some(format!(
            "{what} is an abstract type ({}:{}), there when {}; it is never created itself\n",
            entry.file, entry.line, entry.condition
        ));
    }
    let conditions: Vec<String> = entries
        .iter()
        .map(|entry| format!("  {} when {}\n", entry.file, entry.condition))
        .collect();
    Some(format!("{what} is not in:\n{}", conditions.concat()))
}
