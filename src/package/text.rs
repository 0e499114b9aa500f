//! Words of the packages: versions, dates, changelogs, wrapped paragraphs, templates filled in.
//!
//! No I/O.

use crate::date::{Civil, civil};
use crate::plan::{Plan, Provider};
use crate::profile::Distribution;

/// Licence of QEMU as a whole.
pub(super) const WHOLE: &str = "GPL-2.0-only";

/// Version of the packages: QEMU's, without epoch and distribution suffix.
pub(super) fn version(plan: &Plan) -> String {
    let upstream = without_epoch(&plan.source.version);
    let end = upstream.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(upstream.len());
    upstream[..end].trim_end_matches('.').to_owned()
}

/// Revision of the packages: the distribution's own (its security updates have the same upstream version), then the
/// profile's. Letters that both `dpkg` and `rpm` compare.
pub(super) fn release(plan: &Plan) -> String {
    let distribution = without_epoch(&plan.source.version)
        .rsplit_once('-')
        .map(|(_, revision)| revision)
        .filter(|revision| revision.chars().all(|c| c.is_ascii_alphanumeric() || "+.~".contains(c)))
        .unwrap_or("0");
    format!("{distribution}+q{}", plan.package.revision)
}

fn without_epoch(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, rest)| rest)
}

/// Firmware packages of a distribution, each once.
pub(super) fn firmware(plan: &Plan, distribution: Distribution) -> Vec<&'static str> {
    let mut packages: Vec<&str> = plan
        .firmware
        .iter()
        .filter_map(|firmware| match firmware.provider {
            Provider::Package(packages) => packages.on(distribution),
            Provider::Built => None,
        })
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Words in lines of at most `width` characters; a longer word has a line of its own.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The paragraphs of both descriptions.
pub(super) fn description(plan: &Plan) -> Vec<String> {
    vec![
        format!(
            "A QEMU system emulator built by quench from the profile {}: it holds the devices the profile allows, what \
             its boards force, and nothing else. It installs below {} and leaves the QEMU of the distribution alone.",
            plan.name, plan.package.prefix
        ),
        format!("Built from {}.", plan.source.origin),
    ]
}

/// What the changelog says of this build.
pub(super) fn changes(plan: &Plan) -> Vec<String> {
    let mut out = vec![
        format!("Built by quench from the profile {}.", plan.name),
        format!("Source: {}.", plan.source.origin),
        format!("Hardening level: {}.", plan.selection.level),
    ];
    if !plan.source.patches.is_empty() {
        let names: Vec<&str> = plan.source.patches.iter().map(|(name, _)| name.as_str()).collect();
        out.push(format!("Patches: {}.", names.join(", ")));
    }
    out
}

/// Fills `@NAME@` places. What is filled in is not looked at again: it may be anybody's text.
pub(super) fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('@') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let key = after[1..].split('@').next().unwrap_or_default();
        match values.iter().find(|(name, _)| *name == key) {
            Some((_, value)) if after[1 + key.len()..].starts_with('@') => {
                out.push_str(value);
                rest = &after[key.len() + 2..];
            }
            _ => {
                out.push('@');
                rest = &after[1..];
            }
        }
    }
    out + rest
}

/// A text for a spec file, in which rpm expands macros everywhere, in `%description` and `%changelog`, too.
pub(super) fn without_macros(text: &str) -> String {
    text.replace('%', "%%")
}

/// A text for a control file, in which `${…}` is a variable and `${}` a dollar sign (deb-substvars(5)).
pub(super) fn without_variables(text: &str) -> String {
    text.replace("${", "${}{")
}

fn name(list: &'static str, index: i64) -> &'static str {
    list.split(' ').nth(usize::try_from(index).unwrap_or(0)).unwrap_or("")
}

const WEEKDAYS: &str = "Sun Mon Tue Wed Thu Fri Sat";
const MONTHS: &str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";

/// As a Debian changelog and a `Release` file write it.
pub(super) fn rfc2822(date: i64) -> String {
    let c = civil(date);
    format!(
        "{}, {:02} {} {} {:02}:{:02}:{:02} +0000",
        weekday(&c),
        c.day,
        name(MONTHS, c.month - 1),
        c.year,
        c.hour,
        c.minute,
        c.second
    )
}

/// As an RPM changelog writes it.
pub(super) fn rpm_date(date: i64) -> String {
    let c = civil(date);
    format!("{} {} {:02} {}", weekday(&c), name(MONTHS, c.month - 1), c.day, c.year)
}

/// As a manual page writes it.
pub(super) fn iso_date(date: i64) -> String {
    let c = civil(date);
    format!("{}-{:02}-{:02}", c.year, c.month, c.day)
}

fn weekday(date: &Civil) -> &'static str {
    // Day 0 was a Thursday.
    name(WEEKDAYS, (date.days + 4).rem_euclid(7))
}

#[cfg(test)]
mod tests {
    use super::{fill, iso_date, rfc2822, rpm_date, without_macros, without_variables, wrap};

    #[test]
    fn what_is_filled_in_is_nobody_s_template() {
        let values = [("A", "@B@".to_owned()), ("B", "b".to_owned())];
        assert_eq!(fill("@A@ @B@ a@b.c @C@ @", &values), "@B@ b a@b.c @C@ @");
        assert_eq!(without_macros("50% %(id) %%"), "50%% %%(id) %%%%");
        assert_eq!(without_variables("$5 ${shlibs:Depends} ${}"), "$5 ${}{shlibs:Depends} ${}{}");
    }

    #[test]
    fn dates_are_written_as_changelogs_do() {
        assert_eq!(rfc2822(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(rfc2822(1_709_164_800), "Thu, 29 Feb 2024 00:00:00 +0000");
        assert_eq!(rfc2822(1_785_590_625), "Sat, 01 Aug 2026 13:23:45 +0000");
        assert_eq!(rpm_date(1_709_164_800), "Thu Feb 29 2024");
        assert_eq!(iso_date(1_709_164_800), "2024-02-29");
    }

    #[test]
    fn words_are_wrapped_and_long_ones_stand_alone() {
        assert_eq!(wrap("a bb ccc dddddddd e", 6), ["a bb", "ccc", "dddddddd", "e"]);
        assert!(wrap(" ", 6).is_empty());
    }
}
