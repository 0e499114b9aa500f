//! How the steps whose work is in the packages ran, put together from what each step's run left. Pure.

use crate::record::{Observed, StepRun, StepRuns};
use crate::wire::plan::StepId;

/// Steps whose work is in the packages; the others only look at it.
pub const MAKING: [StepId; 4] =
    [StepId::Configure, StepId::Compile, StepId::Stage, StepId::Package];

/// What a record says of how its steps ran.
pub fn observed(steps: Vec<StepRuns>) -> Observed {
    let said = |say: &dyn Fn(&StepRun) -> Option<String>| by_step(&steps, say);
    Observed {
        compiler_cache: said(&|run| run.compiler_cache.as_ref().map(ToString::to_string)),
        isolation: said(&|run| Some(run.isolation_text())).unwrap_or_default(),
        root: said(&|run| Some(run.root.to_string())).unwrap_or_default(),
        steps,
    }
}

/// What `say` says of the runs: one text where it is the same for every step, else each with the steps it is said of.
pub(super) fn by_step(
    steps: &[StepRuns],
    say: &dyn Fn(&StepRun) -> Option<String>,
) -> Option<String> {
    let mut said: Vec<(Option<String>, Vec<&str>)> = Vec::new();
    for (step, run) in runs(steps) {
        let text = say(run);
        let at = said.iter().position(|(known, _)| *known == text);
        let at = at.unwrap_or_else(|| {
            said.push((text, Vec::new()));
            said.len() - 1
        });
        let names = &mut said[at].1;
        if names.last() != Some(&step.name()) {
            names.push(step.name());
        }
    }
    match said.as_slice() {
        [(text, _)] => text.clone(),
        many => {
            let parts = many.iter().filter_map(|(text, names)| {
                Some(format!("{}: {}", names.join(", "), text.as_ref()?))
            });
            Some(parts.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
        }
    }
}

/// Every run of a record with its step.
pub(super) fn runs(steps: &[StepRuns]) -> impl Iterator<Item = (StepId, &StepRun)> {
    steps.iter().flat_map(|step| step.runs.iter().map(|run| (step.step, run)))
}

/// Steps of which a record does not say how they ran.
pub(super) fn unknown(steps: &[StepRuns]) -> Vec<&'static str> {
    let known =
        |step: &StepId| steps.iter().any(|known| known.step == *step && !known.runs.is_empty());
    MAKING.iter().filter(|step| !known(step)).map(|step| step.name()).collect()
}
