//! The complete profile as TOML, each value with its origin as a comment. Pure.

use super::{Compiler, Format, Level, Profile, Source, Sourced};

/// Renders the profile with nothing left to inherit or default.
pub fn expanded(profile: &Profile) -> String {
    let mut out = String::from("schema = 1\n");
    text(&mut out, "name", &profile.name);
    text(&mut out, "summary", &profile.summary);
    out.push_str("\n[qemu]\n");
    text(&mut out, "series", &profile.series);
    let source = match &profile.source.value {
        Source::Apt { package, suite } => format!("{{ apt = {package:?}, suite = {suite:?} }}"),
        Source::Path { path } => format!("{{ path = {path:?} }}"),
        Source::Url { url, sha256, signature, keys } => {
            let signature =
                signature.as_ref().map(|s| format!(", signature = {s:?}")).unwrap_or_default();
            format!("{{ url = {url:?}, sha256 = {sha256:?}{signature}, keys = {keys:?} }}")
        }
    };
    out.push_str(&format!("source = {source}  # {}\n", profile.source.origin));
    out.push_str(&format!(
        "\n[target]\narch = {:?}  # {}\n",
        profile.arch.value.qemu(),
        profile.arch.origin
    ));
    list(&mut out, "machines", &profile.machines);
    list(&mut out, "accelerators", &profile.accelerators);
    out.push_str("\n[devices]\n");
    list(&mut out, "allow", &profile.devices);
    out.push_str("\n[backends]\n");
    list(&mut out, "objects", &profile.backends.objects);
    list(&mut out, "netdevs", &profile.backends.netdevs);
    list(&mut out, "chardevs", &profile.backends.chardevs);
    list(&mut out, "displays", &profile.backends.displays);
    list(&mut out, "audio", &profile.backends.audio);
    out.push_str("\n[block]\n");
    list(&mut out, "read-write", &profile.block_read_write);
    list(&mut out, "read-only", &profile.block_read_only);
    out.push_str("\n[features]\n");
    list(&mut out, "enable", &profile.features);
    if !profile.symbols.is_empty() {
        out.push_str("\n[symbols]\n");
        list(&mut out, "enable", &profile.symbols);
    }
    let level = level_name(profile.level.value);
    let compiler = compiler_name(profile.compiler.value);
    out.push_str(&format!("\n[hardening]\nlevel = {level:?}  # {}\n", profile.level.origin));
    out.push_str(&format!("compiler = {compiler:?}  # {}\n", profile.compiler.origin));
    if profile.budget.unrequested_devices.is_some() || profile.budget.stripped_bytes.is_some() {
        out.push_str("\n[budget]\n");
        for (key, budget) in [
            ("unrequested-devices", &profile.budget.unrequested_devices),
            ("stripped-bytes", &profile.budget.stripped_bytes),
        ] {
            if let Some(budget) = budget {
                out.push_str(&format!("{key} = {}  # {}\n", budget.value, budget.origin));
            }
        }
    }
    package(&mut out, profile);
    if let Some(passthrough) = &profile.passthrough {
        out.push_str("\n[passthrough]\n");
        text(&mut out, "acknowledge", passthrough);
    }
    out
}

/// The level as the profile writes it.
pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Openstack => "openstack",
        Level::Baseline => "baseline",
        Level::Strict => "strict",
        Level::Cfi => "cfi",
    }
}

pub(crate) fn compiler_name(compiler: Compiler) -> &'static str {
    match compiler {
        Compiler::Gcc => "gcc",
        Compiler::Clang => "clang",
    }
}

fn package(out: &mut String, profile: &Profile) {
    out.push_str("\n[package]\n");
    let formats: Vec<Sourced<String>> = profile
        .package
        .formats
        .iter()
        .map(|format| Sourced {
            value: if format.value == Format::Deb { "deb" } else { "rpm" }.to_owned(),
            origin: format.origin.clone(),
        })
        .collect();
    list(out, "formats", &formats);
    text(out, "name", &profile.package.name);
    text(out, "prefix", &profile.package.prefix);
    text(out, "maintainer", &profile.package.maintainer);
    let request = &profile.package;
    out.push_str(&format!(
        "revision = {}  # {}\n",
        request.revision.value, request.revision.origin
    ));
    let target = &request.rpm_target;
    out.push_str(&format!("rpm-target = {:?}  # {}\n", target.value.name(), target.origin));
    list(out, "provides", &request.provides);
    let alternatives = &request.alternatives;
    out.push_str(&format!("alternatives = {}  # {}\n", alternatives.value, alternatives.origin));
}

fn text(out: &mut String, key: &str, value: &Sourced<String>) {
    out.push_str(&format!("{key} = {:?}  # {}\n", value.value, value.origin));
}

fn list(out: &mut String, key: &str, values: &[Sourced<String>]) {
    if values.is_empty() {
        out.push_str(&format!("{key} = []\n"));
        return;
    }
    out.push_str(&format!("{key} = [\n"));
    for value in values {
        out.push_str(&format!("  {:?},  # {}\n", value.value, value.origin));
    }
    out.push_str("]\n");
}
