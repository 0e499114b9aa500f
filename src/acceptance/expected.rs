//! What a plan makes one expect of the program it builds. Pure.

use std::collections::BTreeMap;

use crate::hardening::{Proof, proof_of};
use crate::profile::{Level, level_name};
use crate::verify::units::CompileOptions;
use crate::verify::{ObjectVerdict, Report};
use crate::wire::Plan;
use crate::wire::plan::{Argument, Because};

/// What a plan makes one expect of its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// File name of the program.
    pub program: String,
    /// The hardening level: its policy says how much of a rule is enough.
    pub(super) level: Level,
    /// Compiler flags of the hardening level, word by word.
    compile: Vec<String>,
    pub(super) claims: Vec<Claim>,
}

/// A flag or switch of a plan, and what must show it in the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) flag: String,
    /// Empty for a flag of a hardening level that this Quench does not know.
    pub(super) proof: &'static [Proof],
}

impl Claim {
    /// Of a flag or switch that has a proof, or of any other that the hardening level asks for.
    fn of(argument: &Argument) -> Option<Self> {
        let proof = proof_of(&argument.argument);
        let proof = proof.or_else(|| is_of_level(argument).then_some(&[]))?;
        Some(Self { flag: argument.argument.clone(), proof })
    }
}

fn is_of_level(argument: &Argument) -> bool {
    matches!(argument.because, Because::Hardening { .. })
}

/// A rule that must hold of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpectedRule<'e> {
    pub(super) name: &'static str,
    /// The flags that promise it.
    pub(super) flags: Vec<&'e str>,
    /// That the program has nothing the rule could be seen in is enough.
    pub(super) where_any: bool,
}

impl Expected {
    /// Of a plan, as `plan --format json` prints it and the record keeps it.
    pub fn of_plan(plan: &Plan) -> Result<Self, String> {
        let arch = plan.target.split('-').next().filter(|arch| !arch.is_empty());
        let arch = arch.ok_or("the plan names no target")?;
        let known = Level::ALL.into_iter().find(|level| level_name(*level) == plan.hardening);
        let level =
            known.ok_or_else(|| format!("no hardening level is called `{}`", plan.hardening))?;
        let of_level = plan.cflags.iter().filter(|flag| is_of_level(flag));
        let words = of_level.flat_map(|flag| flag.argument.split_ascii_whitespace());
        let all = plan.cflags.iter().chain(&plan.ldflags).chain(&plan.configure);
        Ok(Self {
            program: format!("qemu-system-{arch}"),
            level,
            compile: words.map(str::to_owned).collect(),
            claims: all.filter_map(Claim::of).collect(),
        })
    }

    /// The options that each unit is expected to be compiled with.
    pub(super) fn options(&self) -> CompileOptions {
        CompileOptions::of_words(self.compile.iter().map(String::as_str))
    }

    /// Those of them that each unit must record.
    pub(super) fn recorded_options(&self) -> CompileOptions {
        let claims = self.claims.iter().filter(|claim| claim.proof.contains(&Proof::Units));
        CompileOptions::of_words(claims.flat_map(|claim| claim.flag.split_ascii_whitespace()))
    }

    /// The rules that must hold.
    pub(super) fn rules(&self) -> Vec<ExpectedRule<'_>> {
        let mut rules: BTreeMap<&'static str, ExpectedRule<'_>> = BTreeMap::new();
        for claim in &self.claims {
            for proof in claim.proof {
                let (name, where_any) = match proof {
                    Proof::Rule(name) => (*name, false),
                    Proof::RuleWhereAny(name) => (*name, true),
                    Proof::Units | Proof::Command | Proof::None(_) => continue,
                };
                let new = ExpectedRule { name, flags: Vec::new(), where_any };
                let rule = rules.entry(name).or_insert(new);
                rule.flags.push(&claim.flag);
                rule.where_any &= where_any;
            }
        }
        rules.into_values().collect()
    }

    /// The compiler's word that begins like this.
    pub(super) fn flag<'p>(&'p self, begin: &'p str) -> &'p str {
        self.compile.iter().find(|flag| flag.starts_with(begin)).map_or(begin, String::as_str)
    }

    /// The objects of a report that the plan speaks of: the program by its name, or the one file that was given.
    pub(super) fn objects<'r>(
        &self,
        report: &'r Report,
    ) -> impl Iterator<Item = &'r ObjectVerdict> {
        report.objects.iter().filter(|object| {
            object.path == report.name || object.path.rsplit('/').next() == Some(&*self.program)
        })
    }
}
