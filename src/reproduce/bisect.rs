//! Finds the variation that makes the difference: nothing varied first, then halves, down to one.

use std::collections::BTreeSet;

use crate::failure::Failure;
use crate::isolate::Vary;

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// It differs with nothing varied: toolchain, host, or something random.
    Always,
    One(Vary),
    /// Neither half alone makes it.
    Together(Vec<Vary>),
}

impl Cause {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Always => "cause: none of the variations; a plain rebuild differs, too (toolchain, host headers, or \
                             something random)"
                .to_owned(),
            Self::One(vary) => format!("cause: {} ({})", vary.name(), vary.value()),
            Self::Together(list) => {
                let names: Vec<&str> = list.iter().map(|vary| vary.name()).collect();
                format!("cause: only together: {}", names.join(", "))
            }
        }
    }
}

/// Asks `differs` with smaller and smaller sets, first with those that the differences themselves point at.
pub(super) fn search(
    vary: &BTreeSet<Vary>,
    suspects: &BTreeSet<Vary>,
    differs: &mut dyn FnMut(&BTreeSet<Vary>) -> Result<bool, Failure>,
) -> Result<Cause, Failure> {
    if vary.is_empty() || differs(&BTreeSet::new())? {
        return Ok(Cause::Always);
    }
    let mut rest: Vec<Vary> = vary.iter().copied().collect();
    let suspects: BTreeSet<Vary> = vary.intersection(suspects).copied().collect();
    // A wrong suspicion costs one build; two that only act together may be on both sides of it.
    if !suspects.is_empty() && suspects.len() < rest.len() && differs(&suspects)? {
        rest.retain(|vary| suspects.contains(vary));
    }
    while 1 < rest.len() {
        let (left, right) = rest.split_at(rest.len() / 2);
        let (left, right) = (left.to_vec(), right.to_vec());
        rest = if differs(&left.iter().copied().collect())? {
            left
        } else if differs(&right.iter().copied().collect())? {
            right
        } else {
            return Ok(Cause::Together(rest));
        };
    }
    Ok(rest.first().map_or(Cause::Always, |vary| Cause::One(*vary)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(culprits: &[Vary], all: bool) -> (Cause, usize) {
        answer_with(&[], culprits, all)
    }

    fn answer_with(suspects: &[Vary], culprits: &[Vary], all: bool) -> (Cause, usize) {
        let mut builds = 0;
        let every: BTreeSet<Vary> = Vary::ALL.into_iter().collect();
        let suspects = suspects.iter().copied().collect();
        let answer = search(&every, &suspects, &mut |set| {
            builds += 1;
            let hit = |vary: &Vary| set.contains(vary);
            Ok(if all { culprits.iter().all(hit) } else { culprits.iter().any(hit) })
        });
        (answer.unwrap(), builds)
    }

    #[test]
    fn every_variation_is_found_in_a_few_builds() {
        for vary in Vary::ALL {
            let (found, builds) = answer(&[vary], false);
            assert_eq!(found, Cause::One(vary));
            assert!(builds <= 9, "{builds} builds for {}", vary.name());
        }
    }

    #[test]
    fn a_suspect_is_asked_first_and_a_wrong_one_does_not_mislead() {
        assert_eq!(
            answer_with(&[Vary::Clock], &[Vary::Clock], false),
            (Cause::One(Vary::Clock), 2)
        );
        for vary in Vary::ALL {
            let (found, builds) = answer_with(&[Vary::Clock, Vary::Path], &[vary], false);
            assert_eq!(found, Cause::One(vary));
            assert!(builds <= 10, "{builds} builds for {}", vary.name());
        }
        let both = [Vary::Path, Vary::User];
        assert!(matches!(answer_with(&both, &both, true).0, Cause::Together(_)));
    }

    #[test]
    fn what_differs_anyway_and_what_needs_two_is_said_so() {
        assert_eq!(answer(&[], true).0, Cause::Always);
        assert!(matches!(answer(&[Vary::Path, Vary::User], true).0, Cause::Together(_)));
    }
}
