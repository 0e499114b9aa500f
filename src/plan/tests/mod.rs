//! What the planner decides on the small tree: one short case for each reason and finding that a user can meet.
//!
//! `SNAPSHOTS=overwrite cargo test --lib` writes what is true now into the expectations; the difference is then read by
//! a person.

mod configure;
mod explain;
mod features;
mod findings;
mod firmware;
mod link;
mod quirks;
mod select;
mod show;
mod steps;

use snapbox::IntoData;

use super::{Item, Plan};
use crate::mini::{self, Scanned};

/// Makes the plan of a profile on the small tree and compares what `view` shows of it, after the findings.
fn check(view: impl Fn(&Plan) -> String, profile: &str, expected: impl IntoData) {
    check_on(&Scanned::of(mini::tree()), view, profile, expected);
}

/// The same on a tree that was changed.
fn check_on(
    scanned: &Scanned,
    view: impl Fn(&Plan) -> String,
    profile: &str,
    expected: impl IntoData,
) {
    let (plan, findings) = scanned.plan(profile);
    let shown = plan.as_ref().map_or("no plan\n".to_owned(), view);
    snapbox::assert_data_eq!(mini::told(&findings) + &shown, expected.into_data().raw());
}

/// Items with their reasons, one a line.
fn items<'a>(items: impl IntoIterator<Item = &'a Item>) -> String {
    let line = |item: &Item| format!("{}: {}\n", item.text, item.because);
    items.into_iter().map(line).collect()
}

/// The symbols asked for, and what was chosen among alternatives.
fn asked(plan: &Plan) -> String {
    let chosen = plan.alternatives.iter().map(|choice| {
        let (chosen, rejected) = (choice.chosen.join("+"), choice.rejected.join(" or "));
        format!("{}: {chosen} over {rejected} ({})\n", choice.name, choice.why)
    });
    items(&plan.asked) + &chosen.collect::<String>()
}

/// Build options that are on, without those of every build.
fn features(plan: &Plan) -> String {
    let everywhere = ["coroutine-pool", "debug-info", "pie", "seccomp", "stack-protector"];
    items(plan.features.iter().filter(|item| !everywhere.contains(&item.text.as_str())))
}

/// Devices of the surface with class and what brings them.
fn devices(plan: &Plan) -> String {
    let line = |(name, device): (&String, &crate::catalog::Predicted)| {
        let hidden = if device.user_creatable { "" } else { ", hidden" };
        format!("{name}: {}{hidden} {}\n", device.class.name(), device.through.join(" "))
            .replace(" \n", "\n")
    };
    plan.surface.devices.iter().map(line).collect()
}
