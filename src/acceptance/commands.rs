//! Compile commands: what ninja ran for each output (`ninja -t compdb -x`, `compile_commands.json`). Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::verify::units::CompileOptions;

/// A command that compiled something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The source as debug information names it: prefix maps of the command are applied.
    pub source: String,
    /// The whole command line.
    pub line: String,
    pub(super) options: CompileOptions,
}

#[derive(Debug, Deserialize)]
struct CompileCommand {
    command: String,
    file: String,
    #[serde(default)]
    output: String,
}

/// Commands by the object they make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commands {
    by_output: BTreeMap<String, Command>,
    by_source: BTreeMap<String, Vec<String>>,
}

impl Commands {
    /// Reads a compilation database.
    pub fn read(text: &str) -> Result<Self, String> {
        let entries: Vec<CompileCommand> =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut out = Self::default();
        for CompileCommand { command, file, output } in entries {
            let words = command.split_ascii_whitespace();
            let source = mapped(&file, words.clone());
            let options = CompileOptions::of_words(words);
            out.by_source.entry(source.clone()).or_default().push(output.clone());
            out.by_output.insert(output, Command { source, line: command, options });
        }
        Ok(out)
    }

    /// The command that makes an output.
    pub fn of_output(&self, output: &str) -> Option<&Command> {
        self.by_output.get(output)
    }

    /// Commands that compile a source, named as units name it.
    pub(super) fn of_source(&self, source: &str) -> Option<impl Iterator<Item = &Command>> {
        let outputs = self.by_source.get(source)?;
        Some(outputs.iter().filter_map(|output| self.by_output.get(output)))
    }
}

/// A path with the prefix maps of a command; the last one that fits counts.
fn mapped<'w>(path: &str, words: impl Iterator<Item = &'w str>) -> String {
    let mut out = path.to_owned();
    for word in words {
        let map = ["-ffile-prefix-map=", "-fdebug-prefix-map="]
            .iter()
            .find_map(|flag| word.strip_prefix(flag));
        if let Some((old, new)) = map.and_then(|map| map.split_once('='))
            && let Some(rest) = path.strip_prefix(old)
        {
            out = format!("{new}{rest}");
        }
    }
    out
}
