//! What shows in a finished build that a flag had its effect. Pure.
//!
//! Whatever is asked for is read back: each flag of a level, and each switch of `configure` that concerns the code of
//! the program, names its proof here, and `acceptance` demands it of what was built.

use super::levels;
use crate::profile::{Compiler, Level};

/// What shows in a build that a flag had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The verifier's rule of this name holds of the program.
    Rule(&'static str),
    /// The verifier's rule of this name holds, or the program has nothing that the flag could have changed: no function
    /// with an array, no call that FORTIFY replaces.
    RuleWhereAny(&'static str),
    /// Each compilation unit says that it was compiled with the flag (`DW_AT_producer`), or its compile command has it.
    Units,
    /// Each compile command has the flag. Neither code nor units tell.
    Command,
    /// Nothing in a build shows it, for this reason.
    None(&'static str),
}

pub(super) const PIE: &[Proof] = &[Proof::Rule("pie")];
pub(super) const CFI: &[Proof] = &[Proof::Rule("cfi")];
pub(super) const STACK_PROTECTOR: &[Proof] = &[Proof::RuleWhereAny("stack-protector")];

/// Switches of QEMU's `configure` that promise something of the program's code, whoever asks for them: a level, a
/// profile, a rule of Quench.
pub const SWITCHES: &[(&str, &[Proof])] = &[
    ("--enable-cfi", CFI),
    ("--enable-pie", PIE),
    ("--enable-safe-stack", &[Proof::Rule("safe-stack")]),
    ("--enable-stack-protector", STACK_PROTECTOR),
];

/// The proof of a flag of any level, or of a switch of `configure`, by its text as plans have it.
pub fn proof_of(text: &str) -> Option<&'static [Proof]> {
    let switch = SWITCHES.iter().find(|(name, _)| *name == text).map(|(_, proof)| *proof);
    let of_levels = || {
        let compilers = [Compiler::Gcc, Compiler::Clang];
        let all = Level::ALL.into_iter().flat_map(|level| {
            compilers.into_iter().flat_map(move |compiler| levels::candidates(level, compiler))
        });
        all.into_iter().find(|flag| flag.text == text).map(|flag| flag.proof)
    };
    switch.or_else(of_levels)
}

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::*;

    #[test]
    fn every_flag_of_every_level_has_one_proof_or_a_reason_for_none() {
        for level in Level::ALL {
            for compiler in [Compiler::Gcc, Compiler::Clang] {
                for flag in levels::candidates(level, compiler) {
                    assert_ne!(flag.proof, [], "{}", flag.text);
                    assert_eq!(proof_of(flag.text), Some(flag.proof), "two proofs: {}", flag.text);
                    let none = |proof: &Proof| matches!(proof, Proof::None(_));
                    assert!(flag.proof.len() == 1 || !flag.proof.iter().any(none), "{}", flag.text);
                    let is_switch = SWITCHES.iter().any(|(name, _)| *name == flag.text);
                    if flag.stage == Stage::Configure {
                        assert!(is_switch || flag.proof.iter().all(none), "{}", flag.text);
                    }
                    if flag.stage == Stage::Idle {
                        assert!(flag.proof.iter().all(none), "{}", flag.text);
                    }
                }
            }
        }
    }
}
