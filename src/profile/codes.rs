//! Finding codes of profiles. Pure.

use crate::finding::Code;

pub(super) static SYNTAX: Code = Code {
    name: "profile::syntax",
    summary: "the profile is not TOML",
    explain: "See the TOML specification (toml.io). The label points at the first thing the parser could not read.",
};
pub(super) static UNKNOWN_KEY: Code = Code {
    name: "profile::unknown-key",
    summary: "a key that profiles do not have",
    explain: "Unknown keys are errors so that a misspelt restriction never goes unnoticed.",
};
pub(super) static WRONG_TYPE: Code = Code {
    name: "profile::wrong-type",
    summary: "a value of the wrong type",
    explain: "The message says which type the key takes.",
};
pub(super) static BAD_VALUE: Code = Code {
    name: "profile::bad-value",
    summary: "a value that is not one of those allowed",
    explain: "The help lists the values.",
};
pub(super) static DUPLICATE: Code = Code {
    name: "profile::duplicate",
    summary: "a name stands twice in one list",
    explain: "Remove one; lists of parents may repeat a name, one list may not.",
};
pub(super) static CONTRADICTION: Code = Code {
    name: "profile::contradiction",
    summary: "two lines of the profile exclude each other",
    explain: "The labels point at both.",
};
pub(super) static MISSING: Code = Code {
    name: "profile::missing",
    summary: "a required key is missing",
    explain: "The key may stand in the profile or in one of the profiles it extends.",
};
pub(super) static EXTENDS: Code = Code {
    name: "profile::extends",
    summary: "a parent profile cannot be used",
    explain: "Parents are looked for beside the profile, then among the profiles that ship with Quench; no cycles.",
};
pub(super) static SCHEMA: Code = Code {
    name: "profile::schema",
    summary: "the profile is written for another schema",
    explain: "This Quench reads schema 1. A newer profile needs a newer Quench.",
};
pub(super) static PASSTHROUGH: Code = Code {
    name: "profile::passthrough",
    summary: "PCI passthrough without acknowledgement",
    explain: "A passed-through device can do DMA and its driver is in the guest's hands. Say why this profile needs it: \
              [passthrough] acknowledge = \"…reason…\".",
};
pub(super) static TCG: Code = Code {
    name: "profile::tcg",
    summary: "TCG has no security support upstream",
    explain: "docs/system/security.rst of QEMU: only the virtualization use case (KVM) is a security boundary. Bugs in \
              TCG are not handled as vulnerabilities. Use it for tests.",
};
pub(super) static UNKNOWN_DEVICE: Code = Code {
    name: "profile::unknown-device",
    summary: "the tree has no device of this name",
    explain: "Names are those `-device help` prints; `quench devices --source TREE` lists them.",
};
pub(super) static UNKNOWN_MACHINE: Code = Code {
    name: "profile::unknown-machine",
    summary: "the tree has no machine of this name for this target",
    explain: "Names as `-M help` prints them, without version; `quench machines --source TREE` lists them.",
};
pub(super) static UNKNOWN_OBJECT: Code = Code {
    name: "profile::unknown-object",
    summary: "the tree has no user-creatable object of this name",
    explain: "Names are those `-object help` prints.",
};

pub(super) static UNKNOWN_BACKEND: Code = Code {
    name: "profile::unknown-backend",
    summary: "the tree has no netdev, character device, display, audio driver or block driver of this name",
    explain: "Names are those `-netdev help`, `-chardev help`, `-display help`, `-audio driver=help` and `qemu-img --help` \
              print; `quench devices --kind netdev --source TREE` lists them, and `chardev`, `display`, `audio`, `block` likewise. A \
              name that nothing has would be a request without effect.",
};

pub(super) const ALL: &[&Code] = &[
    &SYNTAX,
    &UNKNOWN_KEY,
    &WRONG_TYPE,
    &BAD_VALUE,
    &DUPLICATE,
    &CONTRADICTION,
    &MISSING,
    &EXTENDS,
    &SCHEMA,
    &PASSTHROUGH,
    &TCG,
    &UNKNOWN_DEVICE,
    &UNKNOWN_MACHINE,
    &UNKNOWN_OBJECT,
    &UNKNOWN_BACKEND,
];
