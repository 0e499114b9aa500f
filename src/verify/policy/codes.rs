//! Finding codes of policies and waivers.

use crate::finding::Code;

pub(super) static SYNTAX: Code = Code {
    name: "policy::syntax",
    summary: "the policy is not valid TOML",
    explain: "Policies are TOML 1.0; the message points at the place.",
};
pub(super) static SCHEMA: Code = Code {
    name: "policy::schema",
    summary: "the policy has another schema",
    explain: "This Quench reads `schema = 1`. A newer schema needs a newer Quench.",
};
pub(super) static UNKNOWN_KEY: Code = Code {
    name: "policy::unknown-key",
    summary: "a key of the policy is not known",
    explain: "A misspelt key would demand nothing, so it is an error.",
};
pub(super) static UNKNOWN_RULE: Code = Code {
    name: "policy::unknown-rule",
    summary: "the policy names a rule that does not exist",
    explain: "`quench verify --rules` lists the rules. A misspelt rule would demand nothing, so it is an error.",
};
pub(super) static BAD_VALUE: Code = Code {
    name: "policy::bad-value",
    summary: "a value of the policy is not one of those it can be",
    explain: "Demands are `require`, `warn` and `report`; percentages 0 to 100; dates 2027-12-31 without quotes.",
};
pub(super) static MISSING: Code = Code {
    name: "policy::missing",
    summary: "the policy lacks a key it needs",
    explain: "A policy has `schema` and `name`; a path its `match` and `because`; a waiver `rule`, `path`, `reason` and \
              `expires`. A waiver nobody can explain or that never ends is not one.",
};
pub(super) static EXTENDS: Code = Code {
    name: "policy::extends",
    summary: "a policy that is extended cannot be found, or extends itself",
    explain: "`extends` takes the names of shipped policies, or files relative to the policy that says so.",
};
pub(super) static WAIVER_EXPIRED: Code = Code {
    name: "policy::waiver-expired",
    summary: "a waiver is past its date",
    explain: "An expired waiver waives nothing. Fix the file, or look at the reason again and set a new date. The date of \
              judgement is --date, else SOURCE_DATE_EPOCH, else today.",
};
pub(super) static WAIVER_STALE: Code = Code {
    name: "policy::waiver-stale",
    summary: "a waiver is no longer needed: its rule holds",
    explain: "A waiver that waives nothing would hide the day the protection is lost again. Remove it.",
};
pub(super) static WAIVER_UNUSED: Code = Code {
    name: "policy::waiver-unused",
    summary: "a waiver matches no file of what was judged",
    explain: "The file is gone or has moved; the waiver would silently apply to whatever comes there next. Remove it, or \
              bind it with `input = \"GLOB\"` to the package it is about: then it counts only when that is judged.",
};

pub(in crate::verify) const CODES: &[&Code] = &[
    &SYNTAX,
    &SCHEMA,
    &UNKNOWN_KEY,
    &UNKNOWN_RULE,
    &BAD_VALUE,
    &MISSING,
    &EXTENDS,
    &WAIVER_EXPIRED,
    &WAIVER_STALE,
    &WAIVER_UNUSED,
];
