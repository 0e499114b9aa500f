//! Which reason fits which difference.

use super::*;
use crate::verify::Verdict;

#[test]
fn that_musl_binds_at_start_is_told_from_flags_that_were_not_seen() {
    use crate::verify::RuleVerdict;
    let of = |evidence: &str| ObjectVerdict {
        kind: FileKind::Elf(elf::Kind::Pie),
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
    use crate::verify::RuleVerdict;
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
        kind: FileKind::Elf(elf::Kind::StaticExecutable),
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
fn a_reason_is_the_one_of_this_file_and_not_of_another() {
    use crate::verify::RuleVerdict;
    let unknown = |why: &str| Verdict::CannotTell(why.to_owned());
    let not = |why: &str| Verdict::NotApplicable(why.to_owned());
    let cases: &[(&str, elf::Kind, &str, Says, Verdict, bool, &str)] = &[
        (
            "checksec",
            elf::Kind::Pie,
            "relro",
            Partial,
            unknown("static without glibc's start code"),
            true,
            "PT_GNU_RELRO exists",
        ),
        (
            "checksec",
            elf::Kind::StaticExecutable,
            "relro",
            Partial,
            unknown("static"),
            true,
            "own start code",
        ),
        (
            "scanelf",
            elf::Kind::StaticPie,
            "bind-now",
            Yes,
            not("static: nothing is bound"),
            true,
            "changes nothing",
        ),
        (
            "checksec",
            elf::Kind::Pie,
            "stack-protector",
            Yes,
            unknown("the code of this machine is not read"),
            false,
            "of this machine",
        ),
        (
            "checksec",
            elf::Kind::Pie,
            "stack-protector",
            No,
            unknown("functions are known for 1 of 9 bytes"),
            true,
            "no known function",
        ),
        (
            "checksec",
            elf::Kind::Pie,
            "stack-protector",
            Yes,
            unknown("something else"),
            true,
            "no function was seen",
        ),
        (
            "hardening-check",
            elf::Kind::StaticExecutable,
            "stack-protector",
            Unknown,
            Verdict::Holds,
            true,
            "the file has none",
        ),
        (
            "hardening-check",
            elf::Kind::Pie,
            "fortify",
            No,
            not("imports memcpy: the compiler proves the size"),
            true,
            "plain memcpy",
        ),
        (
            "hardening-check",
            elf::Kind::Pie,
            "fortify",
            No,
            not("imports no function"),
            true,
            "nothing to miss",
        ),
        ("hardening-check", elf::Kind::Pie, "branch-targets", No, Verdict::Holds, false, "BTI"),
        ("hardening-check", elf::Kind::Pie, "branch-targets", No, Verdict::Holds, true, "crti.o"),
    ];
    for (peer, kind, rule, says, ours, x86, wanted) in cases {
        let rules = vec![RuleVerdict::new(rule, ours.clone(), String::new())];
        let (kind, x86) = (FileKind::Elf(*kind), *x86);
        let object = ObjectVerdict { kind, rules, x86, ..ObjectVerdict::default() };
        let answer = Answer { file: "/x".to_owned(), rule, says: *says, text: String::new() };
        let because = explain(peer, &answer, Says::of(ours), &object).unwrap_or_default();
        assert!(because.contains(wanted), "{peer} {rule} {says:?} {ours:?}: {because}");
    }
}

#[test]
fn paths_that_say_bind_now_and_files_without_sections_are_known() {
    let rule = |name: &'static str, verdict: Verdict, evidence: &str| {
        crate::verify::RuleVerdict::new(name, verdict, evidence.to_owned())
    };
    let fails = |why: &str| Verdict::Fails(why.to_owned());
    let partial = || Verdict::Partial { n: 1, m: 2, what: String::new() };
    let because = |peer: &str, asked: &'static str, they: Says, rules: Vec<_>| {
        let answer = Answer { file: "/x".to_owned(), rule: asked, says: they, text: String::new() };
        let object =
            ObjectVerdict { kind: FileKind::Elf(elf::Kind::Pie), rules, ..Default::default() };
        let of = object.rules.iter().find(|rule| rule.rule == asked).unwrap();
        explain(peer, &answer, Says::of(&of.verdict), &object).unwrap_or_default()
    };
    let spoofed = vec![rule("relro", partial(), ""), rule("bind-now", fails("lazy"), "")];
    assert!(because("checksec", "relro", Yes, spoofed).contains("a path says so"));
    let short = vec![rule("relro", partial(), ""), rule("bind-now", Verdict::Holds, "")];
    assert!(because("checksec", "relro", Yes, short).contains("which pages"));
    let now = || vec![rule("relro", Verdict::Holds, ""), rule("bind-now", Verdict::Holds, "")];
    assert!(because("checksec", "relro", Partial, now()).contains("DF_1_NOW"));
    assert!(because("scanelf", "bind-now", No, now()).contains("DF_1_NOW"));
    let slotless = vec![rule("relro", Verdict::Holds, "")];
    assert!(because("checksec", "relro", Partial, slotless).contains("no slot"));
    for asked in ["stack-protector", "fortify"] {
        let none = rule("headers", Verdict::Holds, "no section headers to compare with");
        let rules = vec![rule(asked, Verdict::Holds, ""), none];
        assert!(because("hardening-check", asked, Unknown, rules).contains("section headers"));
    }
    let uncalled = vec![rule("fortify", fails("x; imported and not called: memcpy"), "")];
    assert!(because("checksec", "fortify", Yes, uncalled).contains("never called"));
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
