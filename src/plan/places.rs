//! Where the variables of a plan stand on this machine.
//!
//! Pure: paths are values here, nothing is looked up.

use std::collections::BTreeMap;

use super::Invocation;

/// A path that differs between machines, written `$NAME` in a plan's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// The patched source tree.
    Source,
    /// The build directory.
    Build,
    /// The path from the build directory to the source tree, as meson writes it into compiler calls.
    Relative,
    /// Python that has a meson new enough for this tree.
    Python,
    /// The meson beside that Python.
    Meson,
    /// Home directory of the build: empty, private.
    Home,
}

impl Variable {
    pub const ALL: [Self; 6] =
        [Self::Source, Self::Build, Self::Relative, Self::Python, Self::Meson, Self::Home];

    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "$SOURCE",
            Self::Build => "$BUILD",
            Self::Relative => "$RELATIVE",
            Self::Python => "$PYTHON",
            Self::Meson => "$MESON",
            Self::Home => "$HOME_DIR",
        }
    }
}

/// Absolute paths of this machine for the variables of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    values: BTreeMap<Variable, String>,
}

impl Places {
    pub fn new(source: &str, build: &str, python: &str, home: &str) -> Self {
        let meson = format!("{}/meson", python.rsplit_once('/').map_or(".", |(beside, _)| beside));
        let values = [
            (Variable::Source, source.to_owned()),
            (Variable::Build, build.to_owned()),
            (Variable::Relative, relative(build, source)),
            (Variable::Python, python.to_owned()),
            (Variable::Meson, meson),
            (Variable::Home, home.to_owned()),
        ];
        Self { values: values.into_iter().collect() }
    }

    pub fn get(&self, variable: Variable) -> &str {
        self.values.get(&variable).map_or("", String::as_str)
    }

    /// Replaces every variable in a text.
    pub fn fill(&self, text: &str) -> String {
        self.values
            .iter()
            .fold(text.to_owned(), |text, (variable, value)| text.replace(variable.name(), value))
    }

    /// A command with its variables replaced by paths of this machine.
    pub fn apply(&self, invocation: &Invocation) -> Invocation {
        Invocation {
            wrapper: invocation.wrapper.clone(),
            elsewhere: invocation.elsewhere,
            purpose: invocation.purpose.clone(),
            program: self.fill(&invocation.program),
            arguments: invocation.arguments.iter().map(|argument| self.fill(argument)).collect(),
            directory: self.fill(&invocation.directory),
            environment: invocation
                .environment
                .iter()
                .map(|(name, value)| (name.clone(), self.fill(value)))
                .collect(),
        }
    }
}

/// The relative path from one absolute directory to another.
fn relative(from: &str, to: &str) -> String {
    let from: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = to.split('/').filter(|part| !part.is_empty()).collect();
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - shared);
    up.chain(to[shared..].iter().copied()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_and_the_relative_path_leads_from_build_to_source() {
        let places = Places::new("/w/trees/ab", "/w/builds/n/build", "/v/bin/python3", "/w/home");
        assert_eq!(places.get(Variable::Relative), "../../../trees/ab");
        assert_eq!(places.get(Variable::Meson), "/v/bin/meson");
        assert_eq!(
            places.fill("-ffile-prefix-map=$SOURCE=/usr/src/qemu"),
            "-ffile-prefix-map=/w/trees/ab=/usr/src/qemu"
        );
    }
}
