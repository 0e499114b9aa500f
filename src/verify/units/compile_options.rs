//! The options a compiler was given: those that rules know, and the last word of every family of others. Pure.

use std::collections::BTreeMap;

use super::options::{Compiler, KnownOptions, options};

/// The options a compiler was given for one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CompileOptions {
    pub(crate) known: KnownOptions,
    /// `-f`, `-O` and `-W` options by family: the last word.
    families: BTreeMap<String, String>,
    /// Nothing is left out: a command line, or clang's account of one. GCC's leaves out warnings, among others.
    complete: bool,
}

/// An expected option that a unit lacks, and what the unit says in its place.
pub(crate) type Lack<'p> = (&'p str, String);

impl CompileOptions {
    /// From `DW_AT_producer`.
    pub(crate) fn of_producer(producer: &str) -> Self {
        let words = producer.split_ascii_whitespace();
        let known = options(producer);
        let complete = known.compiler == Compiler::Clang;
        Self { known, families: families(words), complete }
    }

    /// From the words of a command line.
    pub(crate) fn of_words<'w>(words: impl Iterator<Item = &'w str> + Clone) -> Self {
        // Read as GCC's own account, for any compiler.
        let text: Vec<&str> = ["GNU C"].into_iter().chain(words.clone()).collect();
        Self { known: options(&text.join(" ")), families: families(words), complete: true }
    }

    /// True when no option is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.families.is_empty()
    }

    pub(crate) fn records(&self, family: &str) -> bool {
        self.families.contains_key(family)
    }

    /// The options of `self`, what was expected, that another lacks. Families that `recorded` denies are passed over where
    /// the other says nothing and is no complete account: not every compiler records every option.
    pub(crate) fn lacking(&self, other: &Self, recorded: &dyn Fn(&str) -> bool) -> Vec<Lack<'_>> {
        let mut out = Vec::new();
        for (family, word) in &self.families {
            let is = other.families.get(family);
            let kept = match self.understood(family, other) {
                Some(kept) => kept,
                None => is.map_or(!other.complete && !recorded(family), |is| same(is, word)),
            };
            if !kept {
                let says = is.map_or("says nothing of it".to_owned(), |is| format!("says {is}"));
                out.push((word.as_str(), says));
            }
        }
        out
    }

    /// Whether another keeps a family whose meaning is known: it may do more than was promised.
    fn understood(&self, family: &str, other: &Self) -> Option<bool> {
        let (promised, has) = (&self.known, &other.known);
        let on =
            |promised: Option<bool>, has: Option<bool>| promised != Some(true) || has == Some(true);
        Some(match family {
            "stack-protector" => has.stack_protector >= promised.stack_protector,
            "stack-clash-protection" => on(promised.stack_clash, has.stack_clash),
            "cf-protection" => {
                on(promised.landing_pads, has.landing_pads)
                    && on(promised.return_protection, has.return_protection)
            }
            "O" => has.optimised || !promised.optimised,
            "zero-call-used-regs" => on(promised.zeroed_registers, has.zeroed_registers),
            _ => return None,
        })
    }
}

/// Options of one family replace each other.
fn families<'w>(words: impl Iterator<Item = &'w str>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for word in words {
        if let Some(family) = family(word) {
            out.insert(family, word.to_owned());
        }
    }
    out
}

/// The name under which options replace each other: `Werror=x` for `-Werror=x` and `-Wno-error=x`.
fn family(word: &str) -> Option<String> {
    if word.starts_with("-O") {
        return Some("O".to_owned());
    }
    if let Some(name) = word.strip_prefix("-W").filter(|name| !name.contains(',')) {
        return Some(format!("W{}", name.strip_prefix("no-").unwrap_or(name)));
    }
    code_family(word).map(str::to_owned)
}

fn code_family(word: &str) -> Option<&str> {
    let name = word.strip_prefix("-f").filter(|name| !name.contains("prefix-map"))?;
    let name = name.strip_prefix("no-").unwrap_or(name);
    let name = name.split('=').next().unwrap_or(name);
    Some(match name {
        "PIE" | "pie" | "PIC" | "pic" => "PIE",
        _ if name.starts_with("stack-protector") => "stack-protector",
        _ => name,
    })
}

/// Code for a library can be moved like code for a program.
fn same(is: &str, promised: &str) -> bool {
    is == promised || promised == "-fPIE" && matches!(is, "-fPIC" | "-fpic" | "-fpie")
}

#[cfg(test)]
mod tests {
    use super::CompileOptions;

    #[track_caller]
    fn lacking(promised: &str, other: &str) -> Vec<String> {
        let (promised, other) = (
            CompileOptions::of_words(promised.split(' ')),
            CompileOptions::of_producer(&format!("GNU C17 12.2.0 -O2 {other}")),
        );
        let lacks = promised.lacking(&other, &|_| true);
        lacks.into_iter().map(|(flag, says)| format!("{flag} {says}")).collect()
    }

    #[test]
    fn the_last_word_of_a_family_counts_and_more_than_promised_is_no_lack() {
        let strong = "-O2 -fstack-protector-strong";
        assert_eq!(lacking(strong, "-fstack-protector-all"), [""; 0]);
        assert_eq!(
            lacking(strong, "-fstack-protector-strong -fno-stack-protector"),
            ["-fstack-protector-strong says -fno-stack-protector"]
        );
        assert_eq!(
            lacking("-fcf-protection=full", "-fcf-protection=branch"),
            ["-fcf-protection=full says -fcf-protection=branch"]
        );
        assert_eq!(lacking("-fcf-protection=full", "-fhardened"), [""; 0]);
        assert_eq!(lacking("-fPIE", "-fPIC"), [""; 0]);
        assert_eq!(
            lacking("-ftrivial-auto-var-init=zero", "-fwrapv"),
            ["-ftrivial-auto-var-init=zero says nothing of it"]
        );
    }

    #[test]
    fn what_a_compiler_never_records_is_not_missed() {
        let promised = CompileOptions::of_words("-fstrict-flex-arrays=3".split(' '));
        let silent = CompileOptions::of_producer("GNU C17 13.2.0 -O2");
        assert_eq!(promised.lacking(&silent, &|_| false), []);
        let other = CompileOptions::of_producer("GNU C17 13.2.0 -O2 -fstrict-flex-arrays=1");
        assert_eq!(promised.lacking(&other, &|_| false).len(), 1);
    }
}
