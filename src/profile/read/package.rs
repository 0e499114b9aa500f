//! The `[package]` table: what the packages are called, where they install, what they stand for. Pure.

use toml::de::DeValue;

use super::super::codes::BAD_VALUE;
use super::super::types::{Distribution, Format, Origin, PackageRequest, Sourced};
use super::{Layer, Reader, Table, set};
use crate::finding::Finding;

/// What the files read so far say.
#[derive(Default)]
pub(super) struct PackageLayer {
    pub(super) formats: Option<Vec<Sourced<Format>>>,
    pub(super) name: Option<Sourced<String>>,
    prefix: Option<Sourced<String>>,
    maintainer: Option<Sourced<String>>,
    revision: Option<Sourced<u64>>,
    rpm_target: Option<Sourced<Distribution>>,
    provides: Vec<Sourced<String>>,
    alternatives: Option<Sourced<bool>>,
}

impl PackageLayer {
    /// The request with defaults for what nobody wrote; `profile` is the profile's name.
    pub(super) fn complete(self, profile: &str) -> PackageRequest {
        let default =
            |value: String, rule: &str| Sourced { value, origin: Origin::default_of(rule) };
        let name = self
            .name
            .unwrap_or_else(|| default(format!("qemu-{profile}"), "package.name: qemu-NAME"));
        let prefix = self.prefix.unwrap_or_else(|| {
            default(format!("/usr/lib/{}", name.value), "package.prefix: /usr/lib/PACKAGE")
        });
        let formats = self.formats.unwrap_or_else(|| {
            [Format::Deb, Format::Rpm]
                .map(|value| Sourced { value, origin: Origin::default_of("package.formats: both") })
                .to_vec()
        });
        PackageRequest {
            formats,
            name,
            prefix,
            // A host that can never exist (RFC 2606): nobody is to be written to by accident.
            maintainer: self.maintainer.unwrap_or_else(|| {
                default("Quench <nobody@quench.invalid>".to_owned(), "package.maintainer")
            }),
            revision: self.revision.unwrap_or_else(|| Sourced {
                value: 1,
                origin: Origin::default_of("package.revision: 1"),
            }),
            rpm_target: self.rpm_target.unwrap_or_else(|| Sourced {
                value: Distribution::Fedora,
                origin: Origin::default_of("package.rpm-target: fedora"),
            }),
            provides: self.provides,
            alternatives: self.alternatives.unwrap_or_else(|| Sourced {
                value: false,
                origin: Origin::default_of("package.alternatives: off"),
            }),
        }
    }
}

fn is_package_name(name: &str) -> bool {
    name.len() > 1 && is_profile_name(name)
}

/// A profile's name is a part of its package's.
pub(super) fn is_profile_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_prefix(prefix: &str) -> bool {
    (prefix.starts_with("/usr/") || prefix.starts_with("/opt/"))
        && prefix.chars().all(|c| c.is_ascii_alphanumeric() || "/._+-".contains(c))
        && !prefix.split('/').skip(1).any(|part| part.is_empty() || part == "." || part == "..")
}

/// `Name <user@host>`, on one line: it becomes a field of control files.
fn is_maintainer(text: &str) -> bool {
    let Some((name, address)) = text.strip_suffix('>').and_then(|text| text.split_once(" <"))
    else {
        return false;
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_+".contains(c);
    !name.trim().is_empty()
        && !name.contains(|c: char| c.is_control() || "<>,".contains(c))
        && address.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && user.chars().chain(host.chars()).all(plain)
        })
}

impl Reader<'_> {
    pub(super) fn package(&mut self, table: &Table<'_>, layer: &mut Layer) {
        let layer = &mut layer.package;
        if table.get("formats").is_some() {
            let mut formats = Vec::new();
            for format in self.strings(table, "formats", "package.formats") {
                let known = [("deb", Format::Deb), ("rpm", Format::Rpm)];
                if let Some(value) = self.one_of(&format, "package.formats", &known) {
                    formats.push(Sourced { value, origin: format.origin });
                }
            }
            layer.formats = Some(formats);
        }
        let name_help = "lower case letters, digits, `+`, `-` and `.` (Debian Policy 5.6.1)";
        let name = self.string(table, "name", "package.name");
        self.require(name.as_ref(), is_package_name, "no package name", name_help);
        set(&mut layer.name, name);
        let prefix = self.string(table, "prefix", "package.prefix");
        let help = "a directory below /usr or /opt";
        self.require(prefix.as_ref(), is_prefix, "no prefix for a package", help);
        set(&mut layer.prefix, prefix);
        let maintainer = self.string(table, "maintainer", "package.maintainer");
        let help = "Name <user@example.org>";
        self.require(maintainer.as_ref(), is_maintainer, "no maintainer", help);
        set(&mut layer.maintainer, maintainer);
        set(&mut layer.revision, self.number(table, "revision", "package.revision"));
        let target = self.choice(table, "rpm-target", "package.rpm-target", &Distribution::RPM);
        set(&mut layer.rpm_target, target);
        for provided in self.strings(table, "provides", "package.provides") {
            self.require(Some(&provided), is_package_name, "no package name", name_help);
            super::add(&mut layer.provides, vec![provided]);
        }
        set(&mut layer.alternatives, self.boolean(table, "alternatives", "package.alternatives"));
    }

    pub(super) fn require(
        &mut self,
        value: Option<&Sourced<String>>,
        holds: fn(&str) -> bool,
        wrong: &str,
        help: &str,
    ) {
        let Some(value) = value.filter(|value| !holds(&value.value)) else { return };
        let span = value.origin.start..value.origin.end;
        self.refuse(&value.origin.key);
        if self.is_broken(&value.origin) {
            return;
        }
        let message = format!("`{}` is {wrong}", value.value.escape_debug());
        self.report(Finding::error(&BAD_VALUE, message).with_help(help), span, "");
    }

    fn boolean(&mut self, table: &Table<'_>, key: &str, path: &str) -> Option<Sourced<bool>> {
        let value = table.get(key)?;
        if let DeValue::Boolean(answer) = value.get_ref() {
            return Some(self.sourced(*answer, &value.span(), path));
        }
        self.wrong_type(value.span(), path, "true or false");
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{is_maintainer, is_prefix};

    #[test]
    fn what_becomes_a_field_cannot_break_out_of_it() {
        for good in ["Quench <nobody@quench.invalid>", "Jane R. Doe <jane+x@example.org>"] {
            assert!(is_maintainer(good), "{good}");
        }
        for bad in [
            "",
            "Jane",
            "Jane <>",
            "<a@b.c>",
            "A\nDepends: x <a@b.c>",
            "A <a@b.c>\nX: y",
            "A <a b@c.d>",
        ] {
            assert!(!is_maintainer(bad), "{bad}");
        }
        for bad in ["/etc/x", "/usr/../etc", "/usr/lib/a b", "/usr//x", "/usr/lib/x/", "/usr/$(id)"]
        {
            assert!(!is_prefix(bad), "{bad}");
        }
        assert!(is_prefix("/opt/qemu-1.0"));
    }
}
