//! The plan as a person reads it. Not an interface: scripts use JSON. Pure.

use crate::catalog::{Class, Kind};
use crate::plan::{Item, Plan};

/// Renders the plan with one reason per item.
pub fn human(plan: &Plan) -> String {
    let mut out = format!("{}: {}\n", plan.name, plan.summary);
    out.push_str(&format!(
        "QEMU {} for {}, from {}\n",
        plan.source.version,
        plan.target(),
        plan.source.origin
    ));
    section(&mut out, "features", &plan.features);
    section(&mut out, "symbols asked", &plan.asked);
    section(&mut out, "symbols resolved", &plan.symbols);
    section(&mut out, "configure", &plan.configure);
    section(&mut out, "compiler flags", &plan.cflags);
    section(&mut out, "linker flags", &plan.ldflags);
    section(&mut out, "left out", &plan.left_out);
    for alternative in &plan.alternatives {
        out.push_str(&format!(
            "\nchosen for {}: {} over {} ({})\n",
            alternative.name,
            alternative.chosen.join(" "),
            alternative.rejected.join(" "),
            alternative.why
        ));
    }
    out.push_str(&surface(plan));
    out.push_str("\nsteps\n");
    for step in &plan.steps {
        out.push_str(&format!("  {:<10} {}: {}\n", step.id.name(), step.title, step.because));
    }
    out
}

fn section(out: &mut String, title: &str, items: &[Item]) {
    if items.is_empty() {
        return;
    }
    out.push_str(&format!("\n{title} ({})\n", items.len()));
    let width = items.iter().map(|item| item.text.len()).max().unwrap_or(0).min(44);
    for item in items {
        out.push_str(&format!("  {:<width$}  {}\n", item.text, item.because));
    }
}

/// The predicted surface: names per class, CPU models as a number.
fn surface(plan: &Plan) -> String {
    let mut out = String::from("\npredicted surface\n");
    for class in [Class::Requested, Class::Forced, Class::Core] {
        let of_class = plan
            .surface
            .devices
            .iter()
            .filter(|(_, device)| device.class == class && device.kind == Kind::Device);
        let names: Vec<String> = of_class
            .map(
                |(name, device)| {
                    if device.user_creatable { name.clone() } else { format!("({name})") }
                },
            )
            .collect();
        out.push_str(&format!("  {} ({}): {}\n", class.name(), names.len(), names.join(" ")));
    }
    let cpus = plan.surface.devices.values().filter(|device| device.kind == Kind::Cpu).count();
    out.push_str(&format!(
        "  CPU models: {cpus}; machines: {}; objects: {}; names in (brackets) are hidden from -device help\n",
        plan.surface.machines.len(),
        plan.surface.objects.len()
    ));
    out
}
