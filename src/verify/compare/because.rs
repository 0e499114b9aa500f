//! Why another checker says something else: how it decides, and when that goes wrong. Pure.
//!
//! Each line was found by running the tool on files whose truth is known, or by reading its source. The first line that
//! fits is the explanation.

use super::{Answer, Says};
use crate::verify::Verdict;
use crate::verify::report::ObjectVerdict;
use Says::{No, NotApplicable, Partial, Unknown, Yes};

/// One known way to differ.
struct Reason {
    /// Empty: any peer.
    peers: &'static [&'static str],
    rule: &'static str,
    they: &'static [Says],
    we: &'static [Says],
    when: fn(&ObjectVerdict) -> bool,
    because: &'static str,
}

fn always(_: &ObjectVerdict) -> bool {
    true
}

fn fails(object: &ObjectVerdict, name: &str) -> bool {
    object.rules.iter().any(|rule| rule.rule == name && matches!(rule.verdict, Verdict::Fails(_)))
}

fn lazy(object: &ObjectVerdict) -> bool {
    fails(object, "bind-now")
}

/// What our own rule says of such a file.
fn musl(object: &ObjectVerdict) -> bool {
    let bind_now = object.rules.iter().find(|rule| rule.rule == "bind-now");
    bind_now.is_some_and(|rule| rule.evidence.contains("musl"))
}

/// What our own rule says of such a file.
fn go(object: &ObjectVerdict) -> bool {
    let rule = object.rules.iter().find(|rule| rule.rule == "stack-protector");
    rule.is_some_and(|rule| rule.verdict.detail().contains("compiled by Go"))
}

fn is_static(object: &ObjectVerdict) -> bool {
    object.kind.starts_with("Static")
}

fn library(object: &ObjectVerdict) -> bool {
    object.kind == "SharedLibrary"
}

/// Reasons that hold for every rule of a kind of file.
const KINDS: &[(&str, &str)] = &[
    (
        "DebugFile",
        "a separate debug file: nothing of it is loaded; the others judge headers copied from the program",
    ),
    (
        "Relocatable",
        "an object file: the linker decides this later; the others judge it as if it were linked",
    ),
    ("Core", "a memory dump: nothing of it is loaded"),
];

const REASONS: &[Reason] = &[
    Reason {
        peers: &[],
        rule: "bind-now",
        they: &[No],
        we: &[Yes],
        when: musl,
        because: "it looks for the tags; musl's loader knows no lazy binding and binds everything at start without them",
    },
    Reason {
        peers: &[],
        rule: "relro",
        they: &[Partial],
        we: &[Yes],
        when: musl,
        because: "it wants the text BIND_NOW; musl's loader binds everything at start, and what was bound is read-only then",
    },
    Reason {
        peers: &["hardening-check", "annocheck"],
        rule: "relro",
        they: &[Yes],
        we: &[No, Partial],
        when: lazy,
        because: "it asks only whether PT_GNU_RELRO exists; with lazy binding the slots of the PLT stay writable",
    },
    Reason {
        peers: &["checksec"],
        rule: "relro",
        they: &[Partial],
        we: &[No],
        when: lazy,
        because: "the same fact under two names: PT_GNU_RELRO exists, with lazy binding the slots of the PLT stay writable",
    },
    Reason {
        peers: &[],
        rule: "relro",
        they: &[Yes, Partial],
        we: &[No, Partial],
        when: always,
        because: "it asks whether PT_GNU_RELRO exists, not which pages the loader makes read-only after rounding",
    },
    Reason {
        peers: &[],
        rule: "relro",
        they: &[Yes, Partial, No],
        we: &[NotApplicable],
        when: is_static,
        because: "a static file without dynamic relocations has no slot that could be overwritten",
    },
    Reason {
        peers: &["checksec"],
        rule: "relro",
        they: &[Partial],
        we: &[Yes],
        when: always,
        because: "it wants the text BIND_NOW; the file has no slot that is bound later, so everything is covered",
    },
    Reason {
        peers: &[],
        rule: "relro",
        they: &[Yes, Partial],
        we: &[NotApplicable, Unknown],
        when: always,
        because: "it asks whether PT_GNU_RELRO exists; there is no slot it would protect, or the tables cannot be read",
    },
    Reason {
        peers: &[],
        rule: "bind-now",
        they: &[No],
        we: &[NotApplicable, Yes],
        when: is_static,
        because: "a static program binds nothing at run time: there is no lazy binding to turn off",
    },
    Reason {
        peers: &[],
        rule: "bind-now",
        they: &[No],
        we: &[NotApplicable],
        when: always,
        because: "the file has no symbol that would be bound later",
    },
    Reason {
        peers: &["annocheck"],
        rule: "bind-now",
        they: &[No],
        we: &[Yes],
        when: always,
        because: "it does not look at DF_1_NOW of DT_FLAGS_1",
    },
    Reason {
        peers: &[],
        rule: "stack",
        they: &[Yes],
        we: &[No],
        when: always,
        because: "it takes the first PT_GNU_STACK; the kernel takes the last, and none at all means an executable one",
    },
    Reason {
        peers: &[],
        rule: "stack",
        they: &[No],
        we: &[Yes],
        when: always,
        because: "it takes any PT_GNU_STACK with an X; the kernel takes the last",
    },
    Reason {
        peers: &["scanelf"],
        rule: "stack",
        they: &[Unknown],
        we: &[No],
        when: always,
        because: "there is no PT_GNU_STACK: it prints nothing, the loader makes stacks executable",
    },
    Reason {
        peers: &["checksec"],
        rule: "pie",
        they: &[Yes],
        we: &[NotApplicable],
        when: library,
        because: "it greps for the text DEBUG in the dynamic section; a library may have DT_DEBUG or a path that says so",
    },
    Reason {
        peers: &["hardening-check"],
        rule: "pie",
        they: &[Yes],
        we: &[NotApplicable],
        when: library,
        because: "it takes any DYN file with a PHDR segment for a program; some libraries have one",
    },
    Reason {
        peers: &["annocheck"],
        rule: "pie",
        they: &[Yes],
        we: &[NotApplicable],
        when: library,
        because: "it passes every DYN file",
    },
    Reason {
        peers: &[],
        rule: "pie",
        they: &[NotApplicable, No],
        we: &[Yes],
        when: is_static,
        because: "a static PIE has neither interpreter nor PHDR segment, so it is taken for a library",
    },
    Reason {
        peers: &["checksec"],
        rule: "pie",
        they: &[NotApplicable],
        we: &[Yes],
        when: always,
        because: "it wants DT_DEBUG; the linker need not write one",
    },
    Reason {
        peers: &[],
        rule: "stack-protector",
        they: &[Yes],
        we: &[No, Partial, Unknown],
        when: is_static,
        because: "the symbol comes with the C library and says nothing of the program's own functions",
    },
    Reason {
        peers: &[],
        rule: "stack-protector",
        they: &[Yes],
        we: &[No, Partial],
        when: always,
        because: "one symbol named __stack_chk_fail is a yes for the whole file; not every function that should does use it",
    },
    Reason {
        peers: &["hardening-check"],
        rule: "stack-protector",
        they: &[No],
        we: &[Yes, Partial],
        when: always,
        because: "it counts only undefined symbols; the C library and static programs define __stack_chk_fail themselves",
    },
    Reason {
        peers: &["checksec"],
        rule: "stack-protector",
        they: &[No],
        we: &[Yes, Partial],
        when: always,
        because: "it looks for the symbol's name; in a stripped file the name is gone and the checks are not",
    },
    Reason {
        peers: &[],
        rule: "stack-protector",
        they: &[No],
        we: &[NotApplicable],
        when: go,
        because: "compiled by Go, whose functions check bounds and grow their stacks by copying: it has no canaries to look for",
    },
    Reason {
        peers: &[],
        rule: "stack-protector",
        they: &[No],
        we: &[NotApplicable],
        when: always,
        because: "no function of the file has an array or a local whose address leaves it: there is nothing to protect",
    },
    Reason {
        peers: &[],
        rule: "stack-protector",
        they: &[Yes],
        we: &[NotApplicable, Unknown],
        when: always,
        because: "it finds the symbol's name; that no function was seen to use it is what we can say",
    },
    Reason {
        peers: &[],
        rule: "stack-protector",
        they: &[No],
        we: &[Unknown],
        when: always,
        because: "it takes a missing symbol for a missing protection; in a static or stripped file that does not follow",
    },
    Reason {
        peers: &[],
        rule: "fortify",
        they: &[No],
        we: &[NotApplicable],
        when: always,
        because: "the file calls no function that has a checked twin (static, musl, or none used), so there is nothing to miss",
    },
    Reason {
        peers: &["checksec"],
        rule: "fortify",
        they: &[Yes],
        we: &[No, NotApplicable],
        when: always,
        because: "it takes any name that ends in _chk for a checked function of the C library",
    },
    Reason {
        peers: &[],
        rule: "fortify",
        they: &[Yes],
        we: &[No, Partial],
        when: always,
        because: "one checked call is a yes for the whole file",
    },
    Reason {
        peers: &[],
        rule: "fortify",
        they: &[Yes],
        we: &[NotApplicable, Unknown],
        when: always,
        because: "it counts names; whether the file is one they mean anything for is not asked",
    },
    Reason {
        peers: &[],
        rule: "fortify",
        they: &[No, Unknown],
        we: &[Yes, Partial],
        when: always,
        because: "its list of functions that have a checked twin is shorter than the C library's",
    },
    Reason {
        peers: &["hardening-check"],
        rule: "fortify",
        they: &[Unknown],
        we: &[No],
        when: always,
        because: "its list of functions that have a checked twin is shorter than the C library's",
    },
    Reason {
        peers: &[],
        rule: "fortify",
        they: &[No],
        we: &[Unknown],
        when: always,
        because: "it takes no checked name for no protection; in a static file the names are not imported",
    },
    Reason {
        peers: &[],
        rule: "rpath",
        they: &[No],
        we: &[Yes],
        when: always,
        because: "it only says that a search path exists; this one leads nowhere that others can write",
    },
    Reason {
        peers: &[],
        rule: "rpath",
        they: &[Yes],
        we: &[NotApplicable],
        when: always,
        because: "the same fact under two names: what needs no library has no search path",
    },
    Reason {
        peers: &[],
        rule: "textrel",
        they: &[Yes],
        we: &[NotApplicable],
        when: always,
        because: "the same fact under two names: without a dynamic section no loader relocates anything",
    },
    Reason {
        peers: &["scanelf"],
        rule: "wx",
        they: &[Yes, No],
        we: &[Yes, No, NotApplicable],
        when: always,
        because: "it prints the flags of all PT_LOAD together or of one; each segment counts on its own",
    },
    Reason {
        peers: &["annocheck"],
        rule: "wx",
        they: &[Yes],
        we: &[No],
        when: always,
        because: "it wants R, W and X together; W and X without R are mapped writable and executable, too",
    },
    Reason {
        peers: &["hardening-check"],
        rule: "stack-clash",
        they: &[Unknown],
        we: &[Yes, Partial, No],
        when: always,
        because: "it knows one loop of GCC's for frames of variable size; we look for frames that skip a page without a probe",
    },
    Reason {
        peers: &["hardening-check"],
        rule: "stack-clash",
        they: &[Yes],
        we: &[No, Partial, NotApplicable, Unknown],
        when: always,
        because: "one probing loop anywhere is a yes for the whole file",
    },
    Reason {
        peers: &["hardening-check"],
        rule: "branch-targets",
        they: &[No],
        we: &[Yes, Partial],
        when: always,
        because: "it wants IBT and SHSTK in the property note; one object without (often crti.o) clears it, the landing pads \
                  are in the code all the same",
    },
    Reason {
        peers: &["hardening-check"],
        rule: "branch-targets",
        they: &[Yes],
        we: &[No, Partial],
        when: always,
        because: "it believes the property note, which the linker can be told to write; not every target has a landing pad",
    },
    Reason {
        peers: &["hardening-check"],
        rule: "branch-targets",
        they: &[No, Yes],
        we: &[NotApplicable, Unknown],
        when: always,
        because: "it reads the property note only; here no indirect target is known, or the processor has no such feature",
    },
    Reason {
        peers: &["annocheck"],
        rule: "",
        they: &[Unknown, NotApplicable],
        we: &[Yes, Partial, No, Unknown, NotApplicable],
        when: always,
        because: "it reads annobin's notes, which only files built with its plugin have",
    },
    Reason {
        peers: &["annocheck"],
        rule: "",
        they: &[Yes, No],
        we: &[Partial, Unknown, NotApplicable],
        when: always,
        because: "it takes one compilation unit's options for the whole file; we count functions",
    },
];

/// The explanation of a difference, when one is known.
pub(super) fn explain(
    peer: &str,
    answer: &Answer,
    we: Says,
    object: &ObjectVerdict,
) -> Option<&'static str> {
    if let Some((_, because)) = KINDS.iter().find(|(kind, _)| *kind == object.kind) {
        return Some(because);
    }
    REASONS
        .iter()
        .filter(|reason| reason.peers.is_empty() || reason.peers.contains(&peer))
        .filter(|reason| reason.rule.is_empty() || reason.rule == answer.rule)
        .find(|reason| {
            reason.they.contains(&answer.says) && reason.we.contains(&we) && (reason.when)(object)
        })
        .map(|reason| reason.because)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_musl_binds_at_start_is_told_from_flags_that_were_not_seen() {
        use crate::verify::report::RuleVerdict;
        let of = |evidence: &str| ObjectVerdict {
            kind: "Pie".to_owned(),
            rules: vec![RuleVerdict::new("bind-now", Verdict::Holds, evidence.to_owned())],
            ..ObjectVerdict::default()
        };
        let answer = |peer: &'static str, object: &ObjectVerdict| {
            let text = "no".to_owned();
            let answer = Answer { file: "/x".to_owned(), rule: "bind-now", says: No, text };
            explain(peer, &answer, Yes, object).unwrap_or_default()
        };
        let musl = of("musl's loader binds everything at start, whatever the tags say");
        assert!(answer("hardening-check", &musl).contains("musl"));
        assert!(answer("annocheck", &musl).contains("musl"));
        assert!(answer("annocheck", &of("")).contains("DF_1_NOW"));
        assert_eq!(answer("hardening-check", &of("")), "");
    }

    #[test]
    fn static_programs_and_go_have_reasons_of_their_own() {
        use crate::verify::report::RuleVerdict;
        let not = |why: &str| Verdict::NotApplicable(why.to_owned());
        let rules = vec![
            RuleVerdict::new(
                "stack-protector",
                not("compiled by Go: bounds are checked"),
                String::new(),
            ),
            RuleVerdict::new("rpath", not("no dynamic section"), String::new()),
            RuleVerdict::new("textrel", not("no dynamic section"), String::new()),
        ];
        let object = ObjectVerdict {
            kind: "StaticExecutable".to_owned(),
            rules,
            ..ObjectVerdict::default()
        };
        for (rule, says, wanted) in [
            ("stack-protector", No, "compiled by Go"),
            ("rpath", Yes, "no search path"),
            ("textrel", Yes, "no loader relocates"),
        ] {
            let answer = Answer { file: "/x".to_owned(), rule, says, text: String::new() };
            let because = explain("scanelf", &answer, NotApplicable, &object).unwrap_or_default();
            assert!(because.contains(wanted), "{rule}: {because}");
        }
    }

    #[test]
    fn reasons_name_rules_and_peers_that_exist() {
        for reason in REASONS {
            // Rules the other half of the verifier adds are named before they exist.
            let known = crate::verify::rule_names().chain(["stack-clash", "branch-targets", ""]);
            assert!(known.into_iter().any(|rule| rule == reason.rule), "{}", reason.because);
            for peer in reason.peers {
                let peers = crate::verify::compare::PEERS;
                assert!(peers.iter().any(|known| known.name == *peer), "{peer}");
            }
        }
    }
}
