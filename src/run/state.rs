//! What is kept of the steps of a build: what each was done with, what it left, and how it ran. `state.json`.
//!
//! Values only; `run` reads and writes the file. A step whose run is not known is not fresh, whatever its inputs: what a
//! record says of it must come from the run that made the bytes, and never from the run that found them made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evidence::MAKING;
use crate::plan::StepId;
use crate::record::{StepRun, StepRuns};

/// What a finished step was done with, what it left, and how it ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) inputs: BTreeMap<String, String>,
    /// Path and sha256.
    pub(super) outputs: BTreeMap<String, String>,
    /// Empty in a file of before: nobody knows.
    #[serde(default)]
    pub(super) runs: Vec<StepRun>,
}

/// Everything that is known of the steps of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    steps: BTreeMap<StepId, Done>,
    /// Runs of steps that are not finished.
    #[serde(default)]
    begun: BTreeMap<StepId, Vec<StepRun>>,
}

/// Why a step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stale {
    Never,
    /// It was done, and nothing says how it ran.
    Unknown,
    Changed {
        input: String,
    },
    Missing {
        output: String,
    },
}

impl Stale {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Never => "never done here".to_owned(),
            Self::Unknown => "how it ran is not known".to_owned(),
            Self::Changed { input } => format!("{input} changed"),
            Self::Missing { output } => format!("{output} is missing or changed"),
        }
    }
}

impl State {
    pub(super) fn done(&self, step: StepId) -> Option<&Done> {
        self.steps.get(&step)
    }

    /// Whether a step must run, and why. `digest` tells the sha256 of a file, if there is one.
    pub(super) fn stale(
        &self,
        step: StepId,
        inputs: &BTreeMap<String, String>,
        digest: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Stale> {
        let Some(done) = self.steps.get(&step) else { return Some(Stale::Never) };
        if done.runs.is_empty() {
            return Some(Stale::Unknown);
        }
        let changed = inputs
            .iter()
            .find(|(name, value)| done.inputs.get(*name) != Some(value))
            .map(|(name, _)| name);
        let gone = done.inputs.keys().find(|name| !inputs.contains_key(*name));
        if let Some(input) = changed.or(gone) {
            return Some(Stale::Changed { input: input.clone() });
        }
        let missing =
            done.outputs.iter().find(|(path, sha256)| digest(path).as_ref() != Some(sha256));
        missing.map(|(output, _)| Stale::Missing { output: output.clone() })
    }

    /// A step begins to run: what it left is not trusted until it is done. The state must be kept before anything of the
    /// step is made.
    pub(super) fn begin(&mut self, step: StepId, run: StepRun) {
        let done = self.steps.remove(&step).unwrap_or_default().runs;
        let mut runs = match step {
            // Objects of a run that was stopped, or of other commands, are kept.
            StepId::Compile => self.begun.remove(&step).unwrap_or(done),
            _ => Vec::new(),
        };
        if step == StepId::Configure {
            // It begins with an empty build directory.
            self.steps.remove(&StepId::Compile);
            self.begun.remove(&StepId::Compile);
        }
        if !runs.contains(&run) {
            runs.push(run);
        }
        self.begun.insert(step, runs);
    }

    /// A step is done.
    pub(super) fn finish(
        &mut self,
        step: StepId,
        inputs: BTreeMap<String, String>,
        outputs: BTreeMap<String, String>,
    ) {
        let runs = self.begun.remove(&step).unwrap_or_default();
        self.steps.insert(step, Done { inputs, outputs, runs });
    }

    /// How the steps ran whose work is in the packages.
    pub(super) fn runs(&self) -> Vec<StepRuns> {
        let of = |step: &StepId| {
            let runs = self.steps.get(step)?.runs.clone();
            (!runs.is_empty()).then_some(StepRuns { runs, step: *step })
        };
        MAKING.iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{level, observed};
    use crate::record::{CompilerCache, Isolated, Record, RootKind};

    fn open() -> StepRun {
        let isolation = Isolated::None { why: "bubblewrap is not installed".to_owned() };
        StepRun { isolation, ..sandboxed() }
    }

    fn sandboxed() -> StepRun {
        crate::evidence::sample_run()
    }

    fn cached() -> StepRun {
        let version = "ccache version 4.7.4".to_owned();
        StepRun { compiler_cache: Some(CompilerCache::Ccache { version }), ..sandboxed() }
    }

    fn closed() -> StepRun {
        StepRun {
            root: RootKind::Closed {
                lock: "0".repeat(64),
                mmdebstrap: "mmdebstrap 1.3.5".to_owned(),
                mode: "root".to_owned(),
                packages: 300,
                suite: "bookworm".to_owned(),
                tree: "1".repeat(64),
            },
            ..sandboxed()
        }
    }

    fn inputs(text: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("all".to_owned(), text.to_owned())])
    }

    /// Runs what is stale, as `build` does; tells the steps that ran.
    fn build(state: &mut State, run: &StepRun, selection: &str) -> Vec<&'static str> {
        let mut ran = Vec::new();
        for step in MAKING {
            // What is after it depends on what it was done with.
            if state.stale(step, &inputs(selection), &|_| None).is_none() {
                continue;
            }
            state.begin(step, run.clone());
            state.finish(step, inputs(selection), BTreeMap::new());
            ran.push(step.name());
        }
        ran
    }

    /// The record of a build, and the names of its taints.
    fn recorded(state: &State) -> (Record, Vec<&'static str>) {
        let mut record = crate::evidence::sample();
        record.plan.firmware.clear();
        record.observed = Some(observed(state.runs()));
        let taints = level(&record, true).taints.into_iter().map(|(name, _)| name).collect();
        (record, taints)
    }

    fn text(record: &Record) -> &str {
        &record.observed.as_ref().unwrap().isolation
    }

    #[test]
    fn what_finds_everything_made_does_not_change_how_it_was_made() {
        let runs = [open(), sandboxed(), cached(), closed()];
        for first in &runs {
            let mut state = State::default();
            assert_eq!(build(&mut state, first, "a").len(), MAKING.len());
            let before = recorded(&state);
            for second in &runs {
                let other = StepRun { builder: "urn:other".to_owned(), ..second.clone() };
                for second in [second, &other] {
                    assert_eq!(build(&mut state, second, "a"), [""; 0]);
                    assert_eq!(recorded(&state), before);
                }
            }
        }
        let mut state = State::default();
        build(&mut state, &open(), "a");
        build(&mut state, &sandboxed(), "a");
        let (record, taints) = recorded(&state);
        assert_eq!(taints, ["open-root", "no-sandbox"]);
        assert!(text(&record).contains("no sandbox: bubblewrap is not installed"));
    }

    #[test]
    fn what_is_made_anew_says_how_it_was_made_now() {
        let mut state = State::default();
        build(&mut state, &open(), "a");
        assert_eq!(build(&mut state, &closed(), "b").len(), MAKING.len());
        let (record, taints) = recorded(&state);
        assert_eq!(taints, [""; 0]);
        assert!(text(&record).starts_with("bubblewrap 0.8.0: no network, nothing of the host"));
    }

    #[test]
    fn a_record_of_several_runs_says_so_step_by_step() {
        let mut state = State::default();
        build(&mut state, &open(), "a");
        let mut later = closed();
        later.builder = "urn:other".to_owned();
        state.begin(StepId::Package, later);
        state.finish(StepId::Package, inputs("a"), BTreeMap::new());
        let (record, taints) = recorded(&state);
        assert_eq!(taints, ["open-root", "no-sandbox", "several-builders"]);
        let said = text(&record);
        assert!(said.starts_with("configure, compile, stage: environment cleared"), "{said}");
        assert!(said.contains("; package: bubblewrap 0.8.0"), "{said}");
        let steps = &record.observed.as_ref().unwrap().steps;
        assert_eq!(steps.len(), 4);
        assert!(matches!(steps[0].runs[0].root, RootKind::Host));
        assert!(matches!(steps[3].runs[0].root, RootKind::Closed { .. }));
    }

    /// The second run compiles only what the first did not come to.
    #[test]
    fn a_compilation_that_was_stopped_and_resumed_has_both_runs() {
        let mut state = State::default();
        state.begin(StepId::Configure, open());
        state.finish(StepId::Configure, inputs("a"), BTreeMap::new());
        state.begin(StepId::Compile, open());
        // Killed here; the file is all that is left.
        let kept = serde_json::to_string(&state).unwrap();
        let mut state: State = serde_json::from_str(&kept).unwrap();
        assert_eq!(build(&mut state, &sandboxed(), "a"), ["compile", "stage", "package"]);
        let runs = &state.done(StepId::Compile).unwrap().runs;
        assert_eq!(*runs, [open(), sandboxed()]);
        let (_, taints) = recorded(&state);
        assert!(taints.contains(&"no-sandbox"));
        // Other commands in the same build directory: objects of before may stay.
        state.begin(StepId::Compile, cached());
        state.finish(StepId::Compile, inputs("b"), BTreeMap::new());
        assert_eq!(state.done(StepId::Compile).unwrap().runs.len(), 3);
        // Configure empties the directory.
        state.begin(StepId::Configure, sandboxed());
        state.finish(StepId::Configure, inputs("c"), BTreeMap::new());
        build(&mut state, &sandboxed(), "c");
        assert_eq!(state.done(StepId::Compile).unwrap().runs, [sandboxed()]);
    }

    /// A file of a Quench that kept nothing of how steps ran.
    #[test]
    fn what_ran_nobody_knows_how_is_done_again() {
        let step = r#"{ "inputs": { "all": "a" }, "outputs": {} }"#;
        let old = format!(
            r#"{{ "steps": {{ "configure": {step}, "compile": {step}, "stage": {step}, "package": {step} }} }}"#
        );
        let mut state: State = serde_json::from_str(&old).unwrap();
        let stale = state.stale(StepId::Configure, &inputs("a"), &|_| None);
        assert_eq!(stale, Some(Stale::Unknown));
        assert_eq!(state.runs(), []);
        let (_, taints) = recorded(&state);
        assert_eq!(taints, ["open-root", "no-sandbox"], "unknown is not better than nothing");
        assert_eq!(build(&mut state, &sandboxed(), "a").len(), MAKING.len());
        assert_eq!(state.done(StepId::Compile).unwrap().runs, [sandboxed()]);
    }
}
