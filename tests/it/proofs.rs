//! Every flag and switch that a plan promises is proved by what was built, or the plan is contradicted.

use std::collections::BTreeMap;

use quench::acceptance::{
    Commands, Expected, Linked, absent, contradictions, policy_for, unproved,
};
use quench::finding::{Finding, Severity};
use quench::hardening::{Flag, Proof, SWITCHES, candidates};
use quench::plan::{Item, Plan, show};
use quench::profile::{Compiler, Level};
use quench::verify::policy::{Demand, Subject};
use quench::verify::{Examination, Policy, RULES, Report};

use crate::elf_cases::fixture;
use crate::sandbox::Sandbox;
use crate::small;

/// (rule, a fixture of which it does not hold, one of which it does)
const FIXTURES: &[(&str, &str, &str)] = &[
    ("pie", "no_pie", "hardened"),
    ("relro", "now_norelro", "hardened"),
    ("bind-now", "spoof_runpath", "hardened"),
    ("stack", "no_gnu_stack", "hardened"),
    ("separate-code", "noseparate", "hardened"),
    ("nodlopen", "libplain.so", "hardened"),
    ("stack-protector", "fake_ssp", "stripped"),
    ("stack-clash", "gsc_none.so", "gsc.so"),
    ("branch-targets", "hardened", "libcet.so"),
    ("zeroed-registers", "hardened", "zero_regs"),
    ("fortify", "fortify_none", "rare_chk"),
    ("cfi", "clang_nocfi", "clang_cfi"),
    ("safe-stack", "clang_nocfi", "safe_stack"),
];
/// Its one unit was compiled with no flag of any level.
const PLAIN_UNITS: &str = "fortify_O0";

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Openstack => "openstack",
        Level::Baseline => "baseline",
        Level::Strict => "strict",
        Level::Cfi => "cfi",
    }
}

fn expected(plan: &Plan) -> Expected {
    Expected::of_plan(&show::wire(plan)).unwrap()
}

fn report(name: &str) -> Report {
    // The policy that demands nothing: what is objected to is objected to by the plan.
    Examination::of(name, &fixture(name), &|_| None).settle(&Policy::default())
}

/// Errors of one fixture against a plan.
fn errors(plan: &Plan, name: &str, linked: Option<&Linked>) -> Vec<String> {
    let findings = contradictions(&expected(plan), &report(name), linked);
    let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.message).collect()
}

/// The plan with one of its flags or switches, and -O2, without which FORTIFY promises nothing.
fn only(plan: &Plan, flag: &str) -> Plan {
    let mut plan = plan.clone();
    let keep = |item: &Item| item.text == flag || item.text == "-O2";
    for items in [&mut plan.cflags, &mut plan.ldflags, &mut plan.configure] {
        items.retain(keep);
    }
    let count = plan.cflags.len() + plan.ldflags.len() + plan.configure.len();
    assert_eq!(count, 1 + usize::from(flag != "-O2"), "the plan has no `{flag}`");
    plan
}

/// Objects of a build whose compile command has no flag at all.
fn plain_build() -> Linked {
    let commands = r#"[{ "command": "cc -c -o a.o a.c", "file": "a.c", "output": "a.o" }]"#;
    let object = quench::acceptance::LinkedObject::read("a.o", true, &fixture("no_note.o"));
    Linked { objects: object.into_iter().collect(), commands: Commands::read(commands).unwrap() }
}

/// A proof of a flag is demanded of a file: one that lacks it contradicts the plan, one that has it does not.
fn demanded(plan: &Plan, flag: &str, proof: Proof) {
    let plan = only(plan, flag);
    match proof {
        Proof::Rule(rule) | Proof::RuleWhereAny(rule) => {
            assert!(RULES.iter().any(|known| known.name == rule), "{flag}: no rule `{rule}`");
            let row = FIXTURES.iter().find(|(name, ..)| *name == rule);
            let (_, without, with) = row.unwrap_or_else(|| panic!("no fixtures for {rule}"));
            let names = |message: &String| {
                message.contains(&format!("the plan asks for {flag}, rule {rule} "))
            };
            let found = errors(&plan, without, None);
            assert!(found.iter().any(names), "{flag}, {without}: {found:#?}");
            let found = errors(&plan, with, None);
            assert!(!found.iter().any(names), "{flag}, {with}: {found:#?}");
        }
        Proof::Units => {
            let last = flag.rsplit(' ').next().unwrap();
            let names = |message: &String| {
                message.contains(&format!("units were compiled without {last}, which the plan"))
            };
            let found = errors(&plan, PLAIN_UNITS, None);
            assert!(found.iter().any(names), "{flag}: {found:#?}");
        }
        Proof::Command => {
            let found = errors(&plan, PLAIN_UNITS, Some(&plain_build()));
            for word in flag.split(' ').filter(|word| !word.starts_with("-U")) {
                let lacks = format!("compile commands lack {word}, which the plan asks for");
                assert!(found.iter().any(|message| message.contains(&lacks)), "{word}: {found:#?}");
            }
        }
        Proof::None(why) => assert!(!why.is_empty(), "{flag}"),
    }
}

#[test]
fn every_flag_of_every_level_is_proved_by_the_file_or_contradicted() {
    for level in [Level::Openstack, Level::Baseline, Level::Strict, Level::Cfi] {
        let compiler = if level == Level::Cfi { Compiler::Clang } else { Compiler::Gcc };
        let plan = small::plan(level_name(level), "", &[]);
        let left_out: Vec<&str> = plan.left_out.iter().map(|item| item.text.as_str()).collect();
        let flags: Vec<Flag> = candidates(level, compiler)
            .into_iter()
            .filter(|flag| !left_out.contains(&flag.text))
            .collect();
        assert!(flags.len() > 6, "{level:?}");
        for flag in &flags {
            for proof in flag.proof {
                demanded(&plan, flag.text, *proof);
            }
        }
    }
}

#[test]
fn every_switch_is_proved_whoever_asks_for_it() {
    for (switch, proof) in SWITCHES {
        let name = switch.trim_start_matches("--enable-");
        let plan = small::plan("baseline", &format!("\"{name}\""), &[]);
        for proof in *proof {
            demanded(&plan, switch, *proof);
        }
    }
}

/// What no compiler can lack is required by the level's own policy, so that `verify` of a package without a plan asks
/// for it, too.
#[test]
fn the_policy_of_a_level_requires_the_rules_of_its_link_flags_and_switches() {
    for level in [Level::Openstack, Level::Baseline, Level::Strict, Level::Cfi] {
        let plan = small::plan(level_name(level), "", &[]);
        let policy = policy_for(level);
        let subject = Subject { input: "x", path: "x", privileged: false, ..Subject::default() };
        for item in plan.ldflags.iter().chain(&plan.configure) {
            for proof in quench::hardening::proof_of(&item.text).unwrap_or_default() {
                let (Proof::Rule(rule) | Proof::RuleWhereAny(rule)) = proof else { continue };
                let setting = policy.setting(rule, subject);
                assert_eq!(setting.demand, Demand::Require, "{} {rule}", policy.name);
                assert_eq!(setting.cannot_tell, Demand::Require, "{} {rule}", policy.name);
            }
        }
    }
}

#[test]
fn a_plan_without_a_switch_asks_for_no_proof_of_it() {
    let plan = small::plan("strict", "", &[]);
    let found = errors(&plan, "clang_nocfi", None);
    assert!(!found.iter().any(|message| message.contains("rule cfi")), "{found:#?}");
    assert!(!found.iter().any(|message| message.contains("rule safe-stack")), "{found:#?}");
}

#[test]
fn a_rule_that_cannot_tell_is_no_proof() {
    let plan = only(&small::plan("cfi", "", &[]), "--enable-cfi");
    // The code of AArch64 is not searched for CFI; what is no program has none.
    for name in ["a64_plain", "debug_file", "go_hello"] {
        let found = errors(&plan, name, None);
        assert!(found.iter().any(|message| message.contains("rule cfi ")), "{name}: {found:#?}");
    }
}

#[test]
fn what_was_not_examined_and_what_nobody_knows_is_said() {
    let plan = small::plan("cfi", "", &[]);
    let expected = expected(&plan);
    let mut report = report("clang_cfi");
    report.objects[0].rules.retain(|rule| rule.rule != "cfi");
    let messages = |findings: Vec<Finding>| -> Vec<String> {
        findings.into_iter().map(|finding| finding.message).collect()
    };
    let said = messages(unproved(&expected, &report, None));
    assert!(said[0].contains("not examined") && said[0].ends_with(": cfi"), "{said:#?}");
    assert!(said[1].contains("no unit says how it was compiled"), "{said:#?}");
    assert!(said[1].contains("-ftrivial-auto-var-init=zero"), "{said:#?}");
    let mut unknown = show::wire(&plan);
    unknown.ldflags[0].argument = "-Wl,-z,new".to_owned();
    let said = messages(unproved(&Expected::of_plan(&unknown).unwrap(), &report, None));
    assert!(
        said.iter().any(|text| text.contains("what proves -Wl,-z,new is not known")),
        "{said:#?}"
    );
    report.objects.clear();
    assert_eq!(absent(&expected, &report).unwrap().severity, Severity::Error);
}

#[test]
fn verify_ends_with_1_when_a_plan_promises_cfi_and_the_file_has_none() {
    let sandbox = Sandbox::new();
    let without = sandbox.write("qemu-system-x86_64", fixture("clang_nocfi"));
    let with = sandbox.write("with/qemu-system-x86_64", fixture("clang_cfi"));
    let (without, with) = (without.to_str().unwrap(), with.to_str().unwrap());
    let cfi = only(&small::plan("cfi", "", &[]), "--enable-cfi");
    let none = only(&small::plan("strict", "", &[]), "-O2");
    let plans: BTreeMap<&str, String> = [("cfi", &cfi), ("none", &none)]
        .into_iter()
        .map(|(name, plan)| {
            let text = quench::wire::text(&show::wire(plan)).unwrap();
            let path = sandbox.write(&format!("{name}.json"), text);
            (name, path.to_str().unwrap().to_owned())
        })
        .collect();
    let run = |plan: &str, file: &str, policy: &str| {
        sandbox.quench(&[
            "verify",
            "--plan",
            &plans[plan],
            "--policy",
            policy,
            "--only",
            "cfi",
            file,
        ])
    };
    for policy in ["distribution", "quench-openstack", "quench-strict", "quench-cfi"] {
        let ran = run("cfi", without, policy);
        let wanted = "the plan asks for --enable-cfi, rule cfi fails: no check of clang's CFI";
        assert!(ran.stderr.contains(wanted), "{policy}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, 1, "{policy}");
        assert_eq!(run("cfi", with, policy).code, 0, "{policy}");
    }
    assert_eq!(run("none", without, "quench-strict").code, 0);
    // Without a plan the level's policy asks for it.
    let ran = sandbox.quench(&["verify", "--policy", "quench-cfi", "--only", "cfi", without]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
}

#[test]
fn a_plan_of_a_level_that_is_not_known_is_refused() {
    let mut plan = show::wire(&small::plan("strict", "", &[]));
    plan.hardening = "stricter".to_owned();
    let why = Expected::of_plan(&plan).unwrap_err();
    assert!(why.contains("no hardening level is called `stricter`"), "{why}");
}
