//! What a plan makes one expect of the program it builds. Pure.

use crate::verify::units::CompileOptions;
use crate::verify::{ObjectVerdict, Report};
use crate::wire::Plan;
use crate::wire::plan::{Argument, Because};

/// What a plan makes one expect of its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// File name of the program.
    pub program: String,
    /// Compiler flags of the hardening level, word by word.
    compile: Vec<String>,
    link: Vec<String>,
}

impl Expected {
    /// Of a plan, as `plan --format json` prints it and the record keeps it.
    pub fn of_plan(plan: &Plan) -> Result<Self, String> {
        let arch = plan.target.split('-').next().filter(|arch| !arch.is_empty());
        let arch = arch.ok_or("the plan names no target")?;
        let words = |items: &[Argument]| -> Vec<String> {
            let hardening = |item: &&Argument| matches!(item.because, Because::Hardening { .. });
            let items = items.iter().filter(hardening);
            items
                .flat_map(|item| item.argument.split_ascii_whitespace())
                .map(str::to_owned)
                .collect()
        };
        let (compile, link) = (words(&plan.cflags), words(&plan.ldflags));
        Ok(Self { program: format!("qemu-system-{arch}"), compile, link })
    }

    pub(super) fn options(&self) -> CompileOptions {
        CompileOptions::of_words(self.compile.iter().map(String::as_str))
    }

    pub(super) fn flags(&self) -> impl Iterator<Item = &str> {
        self.compile.iter().chain(&self.link).map(String::as_str)
    }

    /// The flag whose word begins like this.
    pub(super) fn flag<'p>(&'p self, begin: &'p str) -> &'p str {
        self.flags().find(|flag| flag.starts_with(begin)).unwrap_or(begin)
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
