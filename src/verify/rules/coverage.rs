//! Rules about what the code does, function by function. Pure.

use super::Object;
use crate::elf::{Code, Facts, Function, Kind, Machine, Marks};
use crate::verify::Verdict;

type Answer = (Verdict, String);

/// Share of functions that may lack a canary although they take the address of a local: hand-written assembly, and
/// variables GCC splits after it has decided. Of 2,154 ELF files of Debian 12 with a canary, 2,086 have none such and 86
/// less than this.
const TOLERATED_PERCENT: usize = 2;
/// Share of the code that must lie in known functions, unless less than this many bytes do not: the PLT, start files and
/// AArch64's read-only data in the code segment are in no function.
const MIN_COVERED_PERCENT: u64 = 50;
const MIN_BYTES: u64 = 4096;
/// Share of x86-64 code that may lie in no known function, and do what a rule is about, while what is said of the others is
/// said of the file. Of 3,028 files of a Debian 12 96 have more in no known function, and three of them could do it:
/// hand-written assembly, and musl, which has no `.eh_frame`.
const MAX_UNKNOWN_PERCENT: u64 = 10;
/// Names shown of the worst functions.
const SHOWN: usize = 8;

fn no_code(facts: &Facts<'_>) -> Option<Answer> {
    let reason = match facts.kind {
        Kind::DebugFile => "debug information only: nothing is loaded from this file",
        Kind::Core => "a core dump",
        _ if matches!(facts.machine, Machine::NoProcess(_)) => {
            "no process runs this: it is for another machine than the system's, or for none"
        }
        _ => return None,
    };
    Some((Verdict::NotApplicable(reason.to_owned()), String::new()))
}

/// Why the code cannot tell, or that there is none.
fn unseen(object: Object<'_>) -> Answer {
    let why = match object.code {
        None if !object.facts.segments.iter().any(|segment| segment.execute)
            && object.facts.kind != Kind::Relocatable =>
        {
            return (Verdict::NotApplicable("no executable segment".to_owned()), String::new());
        }
        None => "the code of this machine is not read; x86-64 and AArch64 are".to_owned(),
        Some(_) if is_go(object) => return of_go(object),
        Some(code) if code.bytes == 0 => {
            return (Verdict::NotApplicable("no code".to_owned()), String::new());
        }
        Some(code) => format!(
            "functions are known for {} of {} executable bytes; .eh_frame or .symtab would tell",
            code.covered, code.bytes
        ),
    };
    (Verdict::CannotTell(why), String::new())
}

fn of_go(object: Object<'_>) -> Answer {
    let go = object.code.and_then(|code| code.go);
    let (functions, checked) = go.map_or((0, 0), |go| (go.functions, go.checked));
    let why = format!(
        "compiled by Go: bounds are checked, stacks grow by copying ({checked} of {functions} functions begin with a \
         check of the stack's bound)"
    );
    (Verdict::NotApplicable(why), String::new())
}

/// All code is Go's by the table its runtime unwinds with, which must agree with the code. A section's name and a text
/// in the file are no proof.
pub(super) fn is_go(object: Object<'_>) -> bool {
    let go = object.code.and_then(|code| code.go);
    go.is_some_and(|go| go.foreign == 0 && go.others < MIN_BYTES)
}

/// The code, when enough of it lies in functions we know.
fn seen(object: Object<'_>) -> Option<&Code<'_>> {
    object.code.filter(|code| {
        !code.functions.is_empty()
            && (code.bytes - code.covered < MIN_BYTES
                || code.covered.saturating_mul(100)
                    >= code.bytes.saturating_mul(MIN_COVERED_PERCENT))
            && !is_go(object)
    })
}

/// What bytes in no known function could do that the rule is about.
struct OutsideFunctions<'c> {
    places: &'c [u64],
    /// So few do not matter beside what is known.
    tolerated: usize,
    /// What they could do.
    what: &'static str,
}

impl OutsideFunctions<'_> {
    fn harmless(&self, code: &Code<'_>) -> bool {
        let looked_at = code.elsewhere.as_ref().is_some_and(|elsewhere| !elsewhere.many);
        looked_at && self.places.len() <= self.tolerated
    }

    /// Enough of the code lies in known functions, or could do nothing that matters.
    fn seen(&self, object: Object<'_>, code: &Code<'_>) -> bool {
        seen(object).is_some() || self.harmless(code)
    }

    /// The places, in words.
    fn found(&self, code: &Code<'_>) -> String {
        let shown = self.places.iter().take(SHOWN).map(|place| code.name(*place));
        let shown: Vec<String> = shown.collect();
        let many = code.elsewhere.as_ref().is_some_and(|elsewhere| elsewhere.many);
        let least = if many { "at least " } else { "" };
        let (count, what) = (self.places.len(), self.what);
        format!("{least}{count} places elsewhere may {what}: {}", shown.join(" "))
    }

    /// Why the code cannot tell.
    fn unseen(&self, object: Object<'_>, code: &Code<'_>) -> Answer {
        match unseen(object) {
            (Verdict::CannotTell(why), evidence) if !self.places.is_empty() => {
                (Verdict::CannotTell(format!("{why}; {}", self.found(code))), evidence)
            }
            other => other,
        }
    }
}

/// What holds in the functions that are known does not hold in the file when there is much other code that could need it.
fn as_far_as_known(
    object: Object<'_>,
    code: &Code<'_>,
    others: &OutsideFunctions<'_>,
    verdict: Verdict,
) -> Verdict {
    let unknown = code.bytes - code.covered;
    let much = object.facts.machine == Machine::X86_64
        && unknown >= MIN_BYTES
        && unknown.saturating_mul(100) > code.bytes.saturating_mul(MAX_UNKNOWN_PERCENT);
    if !much || others.harmless(code) {
        return verdict;
    }
    let found = others.found(code);
    let count = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    match verdict {
        Verdict::Holds => Verdict::Partial {
            n: count(code.covered),
            m: count(code.bytes),
            what: format!(
                "executable bytes are in functions that .eh_frame or .symtab tells of, where it holds; {found}"
            ),
        },
        Verdict::NotApplicable(why) => Verdict::CannotTell(format!("{why}; {found}")),
        other => other,
    }
}

fn names<'f>(code: &Code<'_>, functions: impl Iterator<Item = &'f Function>) -> String {
    let mut worst: Vec<&Function> = functions.collect();
    worst
        .sort_by_key(|function| (std::cmp::Reverse(function.end - function.start), function.start));
    let names: Vec<String> =
        worst.iter().take(SHOWN).map(|function| code.name(function.start)).collect();
    match worst.len().saturating_sub(SHOWN) {
        0 => names.join(" "),
        more => format!("{} and {more} more", names.join(" ")),
    }
}

/// What names tell where the code is not read: whether anything is called when a canary has changed. It is GCC's and
/// clang's name for it on every machine (GCC: Target Hooks, `TARGET_STACK_PROTECT_FAIL`).
fn by_name(facts: &Facts<'_>, why: &str) -> Answer {
    const FAIL: [&str; 2] = ["__stack_chk_fail", "__stack_chk_fail_local"];
    let named = |defined: bool| {
        facts.symbols.iter().any(|it| FAIL.contains(&it.name) && it.defined == defined)
    };
    let linked =
        facts.dynamic.is_some() && !facts.unreadable.iter().any(|it| it.contains("symbol"));
    let verdict = if named(false) {
        Verdict::NotApplicable(format!(
            "{why}; __stack_chk_fail is called, so some functions check a canary, and which do not cannot be told"
        ))
    } else if linked && !named(true) {
        Verdict::Fails(format!(
            "__stack_chk_fail is not imported: no function checks a canary; {why}"
        ))
    } else {
        Verdict::CannotTell(why.to_owned())
    };
    (verdict, String::new())
}

/// The canary of each function that takes the address of a local variable.
pub(super) fn stack_protector(object: Object<'_>) -> Answer {
    if let Some(answer) = no_code(object.facts) {
        return answer;
    }
    let Some(code) = object.code.filter(|code| 0 < code.bytes && !is_go(object)) else {
        return match (object.code, unseen(object)) {
            (None, (Verdict::CannotTell(why), _)) => by_name(object.facts, &why),
            (_, answer) => answer,
        };
    };
    let is_static = matches!(object.facts.kind, Kind::StaticExecutable | Kind::StaticPie);
    let own =
        |function: &&Function| code.own.as_ref().is_none_or(|own| own.contains(&function.start));
    if is_static && code.own.is_none() && object.facts.machine == Machine::X86_64 {
        let why = "static, and main cannot be found: the C library's functions cannot be told from the program's; \
                   debug information would tell";
        return (Verdict::CannotTell(why.to_owned()), String::new());
    }
    let functions = || code.functions.iter().filter(own);
    let checks = |function: &&Function| {
        let marks = function.marks;
        marks.contains(Marks::CHECKS_CANARY)
            && (marks.contains(Marks::LOADS_CANARY) || marks.contains(Marks::CALLS_FAIL))
    };
    // A function that loads the canary and never returns has nothing to check.
    let unchecked = |function: &&Function| {
        function.marks.contains(Marks::LOADS_CANARY | Marks::RETURNS)
            && !function.marks.contains(Marks::CHECKS_CANARY)
    };
    let bare = |function: &&Function| {
        function.start != object.facts.entry
            && function.marks.contains(Marks::FRAME_ADDRESS)
            && !function.marks.contains(Marks::LOADS_CANARY)
            && !checks(function)
    };
    let (n, lost) = (functions().filter(checks).count(), functions().filter(unchecked).count());
    let exposed = functions().filter(bare).count();
    let whose = match (&code.own, code.go) {
        (Some(_), _) => "the program's own ",
        // Go's own are not among them.
        (None, Some(_)) => "cgo's ",
        (None, None) => "",
    };
    let worst = names(code, functions().filter(|function| bare(function) || unchecked(function)));
    let mut evidence = format!(
        "{n} of {whose}{} functions check a canary; {exposed} others take the address of a local variable, {lost} load \
         a canary and do not check it",
        functions().count()
    );
    if !worst.is_empty() {
        evidence.push_str(&format!(": {worst}"));
    }
    let needy = n + exposed;
    let others = OutsideFunctions {
        places: code.elsewhere.as_ref().map_or(&[], |elsewhere| &elsewhere.takes),
        tolerated: needy * TOLERATED_PERCENT / 100,
        what: "take the address of a local",
    };
    if !others.seen(object, code) {
        return others.unseen(object, code);
    }
    let verdict = if code.functions.is_empty() {
        let why = "no function is known, and no instruction takes the address of a local variable";
        Verdict::NotApplicable(why.to_owned())
    } else if needy == 0 {
        let why =
            format!("none of {} functions has a local variable to protect", functions().count());
        Verdict::NotApplicable(why)
    } else if n == 0 {
        Verdict::Fails(format!(
            "none of {needy} {whose}functions that take the address of a local checks a canary: {worst}"
        ))
    } else if (exposed + lost) * 100 > needy * TOLERATED_PERCENT {
        Verdict::Partial {
            n,
            m: needy + lost,
            what: format!("functions check a canary; not: {worst}"),
        }
    } else {
        Verdict::Holds
    };
    (as_far_as_known(object, code, &others, verdict), evidence)
}

/// No frame grows past a guard page.
pub(super) fn stack_clash(object: Object<'_>) -> Answer {
    if let Some(answer) = no_code(object.facts) {
        return answer;
    }
    let Some(code) = object.code.filter(|code| 0 < code.bytes && !is_go(object)) else {
        return unseen(object);
    };
    let others = OutsideFunctions {
        places: code.elsewhere.as_ref().map_or(&[], |elsewhere| &elsewhere.steps),
        tolerated: 0,
        what: "grow the frame by a page or more",
    };
    if !others.seen(object, code) {
        return others.unseen(object, code);
    }
    let (probed, unprobed) = (code.count(Marks::PROBES), code.unprobed.len());
    let steps: Vec<String> = code
        .unprobed
        .iter()
        .take(SHOWN)
        .map(|step| match step.bytes {
            Some(bytes) => format!("{} ({bytes} bytes)", code.name(step.address)),
            None => format!("{} (size known at run time only)", code.name(step.address)),
        })
        .collect();
    // The guard of a stack: what GCC and glibc agree on for the machine.
    let (guard, step) = match object.facts.machine {
        Machine::Aarch64 => ("64 KiB", "64 KiB"),
        _ => ("a page", "page"),
    };
    let evidence = format!(
        "{probed} functions with frames of {guard} or more touch each {step}, {unprobed} do not"
    );
    let verdict = match (probed, unprobed) {
        (_, 0) => Verdict::Holds,
        (0, n) => Verdict::Fails(format!("{n} frames skip {guard}: {}", steps.join(", "))),
        (n, more) => Verdict::Partial {
            n,
            m: n + more,
            what: format!("large frames touch each {step}; not: {}", steps.join(", ")),
        },
    };
    (as_far_as_known(object, code, &others, verdict), evidence)
}

/// Indirect branches land on pads, and the file says so to the kernel and the loader.
pub(super) fn branch_targets(object: Object<'_>) -> Answer {
    if let Some(answer) = no_code(object.facts) {
        return answer;
    }
    let facts = object.facts;
    let (note, feature, pad) = match facts.machine {
        Machine::X86_64 => (facts.properties.ibt, "IBT", "endbr64"),
        Machine::Aarch64 => (facts.properties.bti, "BTI", "bti"),
        Machine::Riscv if facts.properties.zicfilp => {
            return (
                Verdict::Holds,
                "Zicfilp note; the code of this machine is not read".to_owned(),
            );
        }
        Machine::Riscv => {
            let why = "no Zicfilp note: what it was built for has no landing pads";
            return (Verdict::NotApplicable(why.to_owned()), String::new());
        }
        _ => {
            let why = "the machine has no landing pads, or its code is not read";
            return (Verdict::NotApplicable(why.to_owned()), String::new());
        }
    };
    let Some(code) = object.code.filter(|_| !is_go(object)) else {
        return if note {
            unseen(object)
        } else {
            (Verdict::Fails(without_note(facts, feature)), String::new())
        };
    };
    let targets = &code.targets;
    let (total, marked) = (targets.total, targets.marked);
    let bare_start: Vec<&str> =
        targets.start_files.iter().filter(|(.., marked)| !marked).map(|(name, ..)| *name).collect();
    let own_missing = total - marked - bare_start.len().min(total - marked);
    let missing: Vec<String> =
        targets.missing.iter().take(SHOWN).map(|address| code.name(*address)).collect();
    let evidence = format!(
        "{feature} note: {}; {marked} of {total} possible targets begin with {pad}",
        if note { "yes" } else { "no" }
    );
    let start = format!(
        "{} of the C library's start files (crt1.o, crti.o) lack {pad}",
        bare_start.join(", ")
    );
    let verdict = match (note, total - marked, own_missing) {
        (true, 0, _) if total == 0 && facts.kind == Kind::Relocatable => Verdict::NotApplicable(
            "an object in whose code no target of an indirect branch is known before it is linked"
                .to_owned(),
        ),
        (true, 0, _) => Verdict::Holds,
        (true, _, 0) => Verdict::Partial {
            n: marked,
            m: total,
            what: format!("targets begin with {pad}; {start}: the note was forced"),
        },
        (true, ..) if facts.kind == Kind::Relocatable => Verdict::Holds,
        (true, n, _) => Verdict::Fails(format!(
            "the {feature} note promises what the code does not keep: {n} of {total} targets have no {pad}: {}",
            missing.join(" ")
        )),
        (false, _, 0) if marked > 0 => Verdict::Partial {
            n: marked,
            m: total,
            what: format!(
                "targets begin with {pad}, and no {feature} note says so: {}",
                if facts.properties.overlooked {
                    "it is in PT_NOTE, and kernel and loader read PT_GNU_PROPERTY".to_owned()
                } else if bare_start.is_empty() {
                    "an object without the note was linked in".to_owned()
                } else {
                    format!(
                        "{start}, and the linker drops the note with the first object that has none"
                    )
                }
            ),
        },
        (false, ..) if marked * 2 > total => Verdict::Partial {
            n: marked,
            m: total,
            what: format!(
                "targets begin with {pad}, no {feature} note; not: {}",
                missing.join(" ")
            ),
        },
        _ => Verdict::Fails(format!(
            "{}; {marked} of {total} targets begin with {pad}",
            without_note(facts, feature)
        )),
    };
    (verdict, evidence)
}

/// That no note says it, or that nobody reads the one that does.
fn without_note(facts: &Facts<'_>, feature: &str) -> String {
    if facts.properties.overlooked {
        format!(
            "no {feature} note where kernel and loader look: it is in PT_NOTE, not in PT_GNU_PROPERTY"
        )
    } else {
        format!("no {feature} note")
    }
}

/// Return addresses are kept where an overflow does not reach: shadow stack, or signed.
pub(super) fn return_addresses(object: Object<'_>) -> Answer {
    if let Some(answer) = no_code(object.facts) {
        return answer;
    }
    let facts = object.facts;
    match facts.machine {
        Machine::X86_64 if facts.properties.shstk => (Verdict::Holds, "SHSTK note".to_owned()),
        Machine::X86_64 => (Verdict::Fails("no SHSTK note".to_owned()), String::new()),
        Machine::Riscv if facts.properties.zicfiss => {
            (Verdict::Holds, "Zicfiss note; the code of this machine is not read".to_owned())
        }
        Machine::Aarch64 => {
            let Some(code) = seen(object) else { return unseen(object) };
            let start_file = |function: &Function| {
                code.targets.start_files.iter().any(|(_, address, _)| *address == function.start)
            };
            let from_stack = |function: &&Function| {
                !start_file(function) && function.marks.contains(Marks::FROM_STACK)
            };
            let bare = |function: &&Function| function.marks.contains(Marks::UNAUTHENTICATED);
            let functions = || code.functions.iter().filter(from_stack);
            let (all, lost) = (functions().count(), functions().filter(bare).count());
            let n = all - lost;
            let worst = names(code, functions().filter(bare));
            let evidence = format!(
                "{n} of {all} functions that return to an address from the stack authenticate it; PAC note: {}",
                if facts.properties.pac { "yes" } else { "no" }
            );
            let verdict = match (n, all) {
                (_, 0) => Verdict::NotApplicable(
                    "no function returns to an address from the stack".to_owned(),
                ),
                (0, _) => Verdict::Fails(format!(
                    "none of {all} functions authenticates its return address"
                )),
                (n, m) if n == m => Verdict::Holds,
                (n, m) => Verdict::Partial {
                    n,
                    m,
                    what: format!("functions authenticate their return address; not: {worst}"),
                },
            };
            (verdict, evidence)
        }
        _ => {
            let why = "the machine has neither shadow stacks nor signed return addresses, or no note asks for them";
            (Verdict::NotApplicable(why.to_owned()), String::new())
        }
    }
}

/// Registers are zeroed before functions return; a statistic, as returns of constants look alike.
pub(super) fn zeroed_registers(object: Object<'_>) -> Answer {
    if let Some(answer) = no_code(object.facts) {
        return answer;
    }
    if object.facts.machine != Machine::X86_64 && !is_go(object) {
        let why = "returns are looked at in x86-64 code only";
        return (Verdict::CannotTell(why.to_owned()), String::new());
    }
    let Some(code) = seen(object) else { return unseen(object) };
    let (n, m) = (code.zeroing_returns, code.returns);
    let evidence = format!("{n} of {m} returns follow the zeroing of a call-used register");
    // With -fzero-call-used-regs=used-gpr a function that used none of them zeroes none: QEMU has 63 %.
    let verdict = match (n * 100).checked_div(m) {
        None => Verdict::NotApplicable("no function returns".to_owned()),
        Some(0..=4) => Verdict::Fails(evidence.clone()),
        Some(5..=24) => Verdict::Partial { n, m, what: "returns zero registers".to_owned() },
        Some(_) => Verdict::Holds,
    };
    (verdict, evidence)
}

/// clang's control-flow integrity: indirect calls check the type of what they call.
pub(super) fn cfi(object: Object<'_>) -> Answer {
    if let Some(answer) = no_code(object.facts) {
        return answer;
    }
    if object.facts.machine != Machine::X86_64 && !is_go(object) {
        let why = "checks are looked for in x86-64 code only";
        return (Verdict::CannotTell(why.to_owned()), String::new());
    }
    let Some(code) = seen(object) else { return unseen(object) };
    let (checks, entries) = (code.count(Marks::CFI_CHECK), code.jump_table_entries);
    // A symbol's name says what a file could check, calls that it does.
    let calls = |name: &str| code.calls.get(name).copied().unwrap_or(0);
    let across = calls("__cfi_slowpath") + calls("__cfi_slowpath_diag");
    let evidence = format!(
        "{checks} functions trap when a type check fails, {entries} jump table entries, {across} checks across libraries"
    );
    let verdict = if checks + across > 0 {
        Verdict::Holds
    } else {
        Verdict::Fails("no check of clang's CFI in the code".to_owned())
    };
    (verdict, evidence)
}

/// clang's SafeStack: variables whose address is taken live on a second stack.
pub(super) fn safe_stack(object: Object<'_>) -> Answer {
    if let Some(answer) = no_code(object.facts) {
        return answer;
    }
    if object.facts.machine != Machine::X86_64 && !is_go(object) {
        let why = "looked for in x86-64 code only";
        return (Verdict::CannotTell(why.to_owned()), String::new());
    }
    let Some(code) = seen(object) else { return unseen(object) };
    let functions = code.count(Marks::SAFE_STACK);
    let evidence = format!("{functions} functions take and give back an unsafe stack");
    if functions > 0 {
        (Verdict::Holds, evidence)
    } else {
        (Verdict::Fails("no function uses an unsafe stack".to_owned()), evidence)
    }
}
