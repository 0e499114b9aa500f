//! What a file must be for a reason to hold: read from our own verdicts on it. Pure.

use crate::elf::Kind;
use crate::verify::{FileKind, ObjectVerdict, Verdict};

pub(super) fn always(_: &ObjectVerdict) -> bool {
    true
}

fn fails(object: &ObjectVerdict, name: &str) -> bool {
    object.rules.iter().any(|rule| rule.rule == name && matches!(rule.verdict, Verdict::Fails(_)))
}

pub(super) fn lazy(object: &ObjectVerdict) -> bool {
    fails(object, "bind-now")
}

/// What our own rule says of such a file.
pub(super) fn musl(object: &ObjectVerdict) -> bool {
    let bind_now = object.rules.iter().find(|rule| rule.rule == "bind-now");
    bind_now.is_some_and(|rule| rule.evidence.contains("musl"))
}

/// What our own rule says of such a file.
pub(super) fn go(object: &ObjectVerdict) -> bool {
    let rule = object.rules.iter().find(|rule| rule.rule == "stack-protector");
    rule.is_some_and(|rule| rule.verdict.detail().contains("compiled by Go"))
}

/// Our own words on a rule.
fn we_say(object: &ObjectVerdict, name: &str, text: &str) -> bool {
    let rule = object.rules.iter().find(|rule| rule.rule == name);
    rule.is_some_and(|rule| rule.verdict.detail().contains(text))
}

/// Code of a machine we do not decode.
pub(super) fn unread(object: &ObjectVerdict) -> bool {
    we_say(object, "stack-protector", "of this machine is not read")
}

/// Too little code in known functions.
pub(super) fn scattered(object: &ObjectVerdict) -> bool {
    we_say(object, "stack-protector", "functions are known for")
}

/// Plain functions of which nothing follows.
pub(super) fn only_memory(object: &ObjectVerdict) -> bool {
    we_say(object, "fortify", "proves the size")
}

pub(super) fn uncalled(object: &ObjectVerdict) -> bool {
    we_say(object, "fortify", "imported and not called")
}

/// Everything is bound at start, by whatever tag.
pub(super) fn bound(object: &ObjectVerdict) -> bool {
    let rule = object.rules.iter().find(|rule| rule.rule == "bind-now");
    rule.is_some_and(|rule| rule.verdict == Verdict::Holds)
}

pub(super) fn sectionless(object: &ObjectVerdict) -> bool {
    let rule = object.rules.iter().find(|rule| rule.rule == "headers");
    rule.is_some_and(|rule| rule.evidence.starts_with("no section headers"))
}

pub(super) fn not_x86(object: &ObjectVerdict) -> bool {
    !object.x86
}

pub(super) fn is_static(object: &ObjectVerdict) -> bool {
    matches!(object.kind, FileKind::Elf(Kind::StaticExecutable | Kind::StaticPie))
}

pub(super) fn library(object: &ObjectVerdict) -> bool {
    object.kind == FileKind::Elf(Kind::SharedLibrary)
}
