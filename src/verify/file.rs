//! Rules about files as entries of a package: rights, links, devices, and whether they can be judged at all. Pure.

use super::RuleVerdict;
use super::Verdict;
use crate::archive::{Kind, Member, path_leaves};
use crate::elf;
use crate::verify::pages::{self, Page};

/// A rule's name and meaning, whatever it looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo {
    pub name: &'static str,
    /// What holds when it holds.
    pub summary: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// What `quench explain` says of it.
    pub page: &'static Page,
}

/// Rules about entries, in the order reports show them.
pub static FILE_RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "readable",
        summary: "a file that begins like an ELF file can be judged",
        source: "a loader might start what a checker cannot read",
        page: &pages::READABLE,
    },
    RuleInfo {
        name: "opened",
        summary: "every archive within is opened and judged",
        source: "what is not opened is not judged",
        page: &pages::OPENED,
    },
    RuleInfo {
        name: "set-id",
        summary: "the file is not set-user-id or set-group-id",
        source: "execve(2)",
        page: &pages::SET_ID,
    },
    RuleInfo {
        name: "capabilities",
        summary: "the file has no capabilities",
        source: "capabilities(7)",
        page: &pages::CAPABILITIES,
    },
    RuleInfo {
        name: "world-writable",
        summary: "not everybody may write the file; directories that all may write are sticky",
        source: "Debian Policy 10.9",
        page: &pages::WORLD_WRITABLE,
    },
    RuleInfo {
        name: "device",
        summary: "the package holds no device, fifo or socket",
        source: "Debian Policy 10.6",
        page: &pages::DEVICE,
    },
    RuleInfo {
        name: "link",
        summary: "no symbolic link leads out of the package's root or into a directory all may write",
        source: "Debian Policy 10.5",
        page: &pages::LINK,
    },
];

/// What kind of file was judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FileKind {
    Elf(elf::Kind),
    /// It begins like an ELF file and cannot be judged.
    #[default]
    Unreadable,
    /// No ELF file.
    File,
    Directory,
    /// A symbolic link.
    Link,
    /// A device, fifo or socket.
    Device,
    /// One that was not opened.
    Archive,
}

impl FileKind {
    pub(super) fn of(kind: &Kind) -> Self {
        match kind {
            Kind::File => Self::File,
            Kind::Directory => Self::Directory,
            Kind::Link(_) => Self::Link,
            Kind::Device(_) => Self::Device,
            Kind::Closed(_) => Self::Archive,
        }
    }

    /// One word, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elf(kind) => kind.name(),
            Self::Unreadable => "Unreadable",
            Self::File => "File",
            Self::Directory => "Directory",
            Self::Link => "Link",
            Self::Device => "Device",
            Self::Archive => "Archive",
        }
    }
}

/// Directories in which anybody may place a file.
const OPEN: &[&str] = &["/tmp/", "/var/tmp/", "/dev/shm/", "/run/lock/"];

/// A program that runs with more rights than its caller has.
pub(super) fn privileged(member: &Member) -> bool {
    member.kind == Kind::File && (member.mode & 0o6000 != 0 || member.capabilities.is_some())
}

fn verdict(rule: &'static str, verdict: Verdict) -> RuleVerdict {
    RuleVerdict::new(rule, verdict, String::new())
}

/// Verdicts about rights. Those of a file.
pub(super) fn rights(member: &Member) -> Vec<RuleVerdict> {
    let bits = member.mode;
    let set_id = match (bits & 0o4000 != 0, bits & 0o2000 != 0) {
        (false, false) => Verdict::Holds,
        (true, false) => Verdict::Fails(format!("set-user-id, mode {bits:04o}")),
        (false, true) => Verdict::Fails(format!("set-group-id, mode {bits:04o}")),
        (true, true) => Verdict::Fails(format!("set-user-id and set-group-id, mode {bits:04o}")),
    };
    let capabilities = member
        .capabilities
        .as_ref()
        .map_or(Verdict::Holds, |text| Verdict::Fails(format!("has {text}")));
    let writable = if bits & 0o002 == 0 {
        Verdict::Holds
    } else {
        Verdict::Fails(format!("everybody may write it, mode {bits:04o}"))
    };
    vec![
        verdict("set-id", set_id),
        verdict("capabilities", capabilities),
        verdict("world-writable", writable),
    ]
}

/// What is to say of an entry that is no ELF file: only what does not hold.
pub(super) fn entry(member: &Member) -> Vec<RuleVerdict> {
    let mut out = match &member.kind {
        Kind::File => rights(member),
        // A set-group-id directory hands its group to new files; that is no privilege.
        Kind::Directory if member.mode & 0o1000 == 0 => {
            rights(&Member { mode: member.mode & 0o777, ..member.clone() })
        }
        Kind::Directory => Vec::new(),
        Kind::Link(target) => vec![verdict("link", link(&member.path, target))],
        Kind::Device(what) => vec![verdict("device", Verdict::Fails(format!("a {what}")))],
        Kind::Closed(what) => {
            vec![verdict(
                "opened",
                Verdict::CannotTell(format!("{what}; unpack it and judge that")),
            )]
        }
    };
    out.retain(|rule| rule.verdict != Verdict::Holds);
    out
}

fn link(path: &str, target: &str) -> Verdict {
    let open = OPEN.iter().any(|open| target.starts_with(open) || format!("{target}/") == *open);
    if path_leaves(path, target) {
        Verdict::Fails(format!("leads to {target}, above the root"))
    } else if open {
        Verdict::Fails(format!("leads to {target}, where anybody may place a file"))
    } else {
        Verdict::Holds
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    fn failing(kind: Kind, mode: u32) -> Vec<String> {
        let member = Member { kind, ..Member::file("/usr/x/y", mode, Vec::new()) };
        entry(&member)
            .iter()
            .map(|rule| format!("{}: {}", rule.rule, rule.verdict.detail()))
            .collect()
    }

    #[test]
    fn only_what_does_not_hold_is_said_of_entries() {
        let cases: &[(Kind, u32, &[&str])] = &[
            (Kind::File, 0o755, &[]),
            (Kind::File, 0o4755, &["set-id: set-user-id, mode 4755"]),
            (Kind::File, 0o666, &["world-writable: everybody may write it, mode 0666"]),
            (Kind::Directory, 0o2775, &[]),
            (Kind::Directory, 0o1777, &[]),
            (Kind::Directory, 0o777, &["world-writable: everybody may write it, mode 0777"]),
            (Kind::Link("../bin/z".to_owned()), 0o777, &[]),
            (Kind::Link("/etc/z".to_owned()), 0o777, &[]),
            (
                Kind::Link("../../../etc".to_owned()),
                0o777,
                &["link: leads to ../../../etc, above the root"],
            ),
            (
                Kind::Link("/tmp/z".to_owned()),
                0o777,
                &["link: leads to /tmp/z, where anybody may place a file"],
            ),
            (Kind::Device("fifo"), 0o644, &["device: a fifo"]),
            (
                Kind::Closed("a zip archive".to_owned()),
                0o644,
                &["opened: a zip archive; unpack it and judge that"],
            ),
        ];
        for (kind, mode, wanted) in cases {
            assert_eq!(failing(kind.clone(), *mode), *wanted, "{kind:?} {mode:o}");
        }
    }
}
