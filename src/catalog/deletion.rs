//! Which old versioned machines a tree compiles and does not register. Pure.

use super::{has_extension, qom};
use crate::tree::Tree;

/// The rule by which old versioned machines are compiled and not registered: `MACHINE_VER_DELETION`, which says itself
/// that it is without effect before 10.1. It stands in `include/hw/boards.h` up to 10.2, in `include/hw/core/boards.h`
/// later.
pub(super) struct Deletion {
    /// Age in major versions.
    cutoff: u32,
    /// The version that counts: the tree's, or that of the release a development version leads to.
    version: (u32, u32),
}

impl Deletion {
    pub(super) fn of(tree: &Tree, version: &str) -> Option<Self> {
        const DEFINITION: &[u8] = b"#define MACHINE_VER_DELETION(";
        let mut headers = tree.under("include").filter(|(path, _)| has_extension(path, "h"));
        let (path, _) =
            headers.find(|(_, bytes)| memchr::memmem::find(bytes, DEFINITION).is_some())?;
        let text = tree.text(path)?;
        let (_, body) = text.split_once("#define MACHINE_VER_DELETION(")?;
        let body = body.split("while").next().unwrap_or(body);
        let (_, cutoff) = text.split_once("#define MACHINE_VER_DELETION_MAJOR ")?;
        let cutoff = cutoff.split_whitespace().next()?.parse().ok()?;
        let version = counted(version)?;
        (body.contains("return;") && version >= (10, 1)).then_some(Self { cutoff, version })
    }

    /// Tells whether a version is past its age, as `_MACHINE_VER_IS_CURRENT_EXPIRED` does.
    pub(super) fn expired(&self, (major, minor): (u32, u32)) -> bool {
        let age = self.version.0.saturating_sub(major);
        age > self.cutoff || age == self.cutoff && self.version.1 >= minor
    }
}

/// The version by which machines age: of x.y.50 to x.y.99, on the way to a release, that release's. There is none after
/// x.2 but (x+1).0 (`_MACHINE_VER_IS_EXPIRED_IMPL`).
fn counted(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = qom::numbers(version)?;
    let micro = version.split('.').nth(2);
    let micro = micro.map(|text| text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(text));
    let development = micro.and_then(|text| text.parse::<u32>().ok()).is_some_and(|it| it >= 50);
    match (development, minor) {
        (false, _) => Some((major, minor)),
        (true, 0 | 1) => Some((major, minor + 1)),
        (true, 2) => Some((major + 1, 0)),
        (true, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Deletion, counted};
    use crate::tree::Tree;

    #[test]
    fn machines_age_by_the_release_a_version_leads_to_wherever_the_rule_stands() {
        for (version, counts) in [
            ("10.2.2", Some((10, 2))),
            ("10.2.50", Some((11, 0))),
            ("10.1.91", Some((10, 2))),
            ("10.0.50", Some((10, 1))),
            ("11.0.0", Some((11, 0))),
            ("10.3.50", None),
            ("11.1.0-rc1", Some((11, 1))),
        ] {
            assert_eq!(counted(version), counts, "{version}");
        }
        let rule = "#define MACHINE_VER_DELETION_MAJOR 6\n#define MACHINE_VER_DELETION(...) \\\n do { if (x) { return; } } \\\n \
                    while (0)\n";
        for header in
            ["include/hw/boards.h", "include/hw/core/boards.h", "include/hw/machine-age.h"]
        {
            let tree: Tree = [(header, rule)].into_iter().collect();
            let expired =
                |version: &str, machine| Deletion::of(&tree, version).map(|it| it.expired(machine));
            assert_eq!(expired("10.2.2", (4, 2)), Some(true), "{header}");
            assert_eq!(expired("10.2.2", (5, 0)), Some(false));
            assert_eq!(expired("10.2.50", (5, 0)), Some(true));
            assert_eq!(expired("10.0.2", (2, 6)), None);
        }
    }
}
