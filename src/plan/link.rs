//! From a symbol the linker misses to what would define it: the file, its condition, and the smallest selection that
//! has it.
//!
//! Pure. Used when a link fails although Kconfig said yes, and by `explain` for the name of a C function.

use std::fmt;

use super::make::make_with;
use super::{Inputs, Plan};
use crate::catalog::{Catalog, Condition};
use crate::finding::{Code, Finding, Place};
use crate::tree::Tree;

pub(super) static LINK: Code = Code {
    name: "plan::link",
    summary: "the linker misses a function that the selection does not compile",
    explain: "Kconfig does not know every dependency of the code. Quench looks for the files that define the function and \
              for the smallest selection that compiles one of them; put its symbols into `symbols.enable`.",
};

/// A definition of a function or variable in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub file: String,
    pub line: u32,
    /// When the file is compiled.
    pub condition: Condition,
}

/// A selection of symbols that compiles a missing definition, with its cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    pub definition: Definition,
    /// Kconfig symbols to ask for.
    pub symbols: Vec<String>,
    /// Device types that come with them.
    pub added: Vec<String>,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Definition { file, line, .. } = &self.definition;
        let symbols = self.symbols.join(", ");
        write!(f, "{symbols}: compiles {file}:{line}")?;
        match self.added.len() {
            0 => write!(f, " and brings no device"),
            count => write!(f, " and brings {count} devices: {}", self.added.join(", ")),
        }
    }
}

/// Finds where the tree defines `name` at the start of a line, in files of an emulator.
pub fn definitions(tree: &Tree, catalog: &Catalog, name: &str) -> Vec<Definition> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Vec::new();
    }
    let mut out = Vec::new();
    for (path, bytes) in tree.iter().filter(|(path, _)| path.strip_suffix(".c").is_some()) {
        let Some(condition) = catalog.file_condition(path) else { continue };
        if let Some(line) = defined_at(bytes, name) {
            let condition = condition.clone();
            out.push(Definition { file: path.to_owned(), line, condition });
        }
    }
    out
}

/// Line of `type name(…) {` or `type name… = …` that begins in the first column.
fn defined_at(bytes: &[u8], name: &str) -> Option<u32> {
    memchr::memmem::find(bytes, name.as_bytes())?;
    let text = String::from_utf8_lossy(bytes);
    let mut number = 0;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        number += 1;
        let Some(at) = line.find(name) else { continue };
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let after = &line[at + name.len()..];
        let alone = !word(line[..at].chars().next_back()) && !word(after.chars().next());
        let top = line.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if !alone || !top || ["extern ", "static ", "typedef "].iter().any(|w| line.starts_with(w))
        {
            continue;
        }
        // The name itself may begin the line, with its type on the line before.
        let function = after.starts_with('(') && !statement_ends(line, &mut lines.clone());
        // `struct name;` declares a type, `bool name;` defines a variable.
        let typed = !matches!(line[..at].trim_end(), "" | "struct" | "union" | "enum");
        let variable = typed && after.trim_start().starts_with(['=', '[', ';']);
        if function || variable {
            return Some(number);
        }
    }
    None
}

/// Tells whether a text ends as a declaration does, with `;` before any `{`.
fn statement_ends<'a>(line: &'a str, rest: &mut dyn Iterator<Item = &'a str>) -> bool {
    std::iter::once(line)
        .chain(rest.take(20))
        .flat_map(str::chars)
        .find(|c| matches!(c, ';' | '{'))
        .is_none_or(|c| c == ';')
}

/// Finds selections that would define `name`, smallest predicted surface first. Definitions that no
/// selection of symbols reaches are left out.
pub fn remedies(inputs: &Inputs<'_>, name: &str) -> Vec<Remedy> {
    let (Some(base), _) = super::make(inputs.clone()) else { return Vec::new() };
    let mut out = Vec::new();
    for definition in definitions(inputs.tree, inputs.catalog, name) {
        for leaves in definition.condition.alternatives() {
            let symbols: Vec<String> = leaves
                .iter()
                .filter_map(|leaf| match leaf {
                    Condition::Symbol(symbol) => Some(symbol.clone()),
                    _ => None,
                })
                .filter(|symbol| {
                    inputs.kconfig.declaration(symbol).is_some() && !is_on(&base, symbol)
                })
                .collect();
            if symbols.is_empty() {
                continue;
            }
            let symbols = with_demands(inputs, &base, symbols);
            let (Some(with), _) = make_with(inputs.clone(), &symbols) else { continue };
            let known = |device: &&String| !base.surface.devices.contains_key(*device);
            let added = with.surface.devices.keys().filter(known).cloned().collect();
            let remedy = Remedy { definition: definition.clone(), symbols, added };
            if !out.contains(&remedy) {
                out.push(remedy);
            }
        }
    }
    out.sort_by(|a, b| (a.added.len(), &a.symbols).cmp(&(b.added.len(), &b.symbols)));
    out
}

/// Adds to symbols what they depend on, as far as that is a plain conjunction (`CXL depends on
/// PXB`).
fn with_demands(inputs: &Inputs<'_>, base: &Plan, mut symbols: Vec<String>) -> Vec<String> {
    let mut at = 0;
    while let Some(symbol) = symbols.get(at).cloned() {
        at += 1;
        for (needed, _) in inputs.kconfig.demands(&[symbol]) {
            if !is_on(base, &needed) && !symbols.contains(&needed) {
                symbols.push(needed);
            }
        }
    }
    symbols.sort();
    symbols
}

fn is_on(plan: &Plan, symbol: &str) -> bool {
    plan.symbols.iter().any(|item| item.text == symbol)
}

/// The largest number of missing functions that are explained of one failed link.
const EXPLAINED: usize = 10;

/// Makes findings of the output of a linker that failed.
pub fn explain_failure(inputs: &Inputs<'_>, log: &str) -> Vec<Finding> {
    let mut names: Vec<&str> = log
        .split("undefined reference to `")
        .skip(1)
        .filter_map(|rest| rest.split('\'').next())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().take(EXPLAINED).map(|name| missing(inputs, name)).collect()
}

fn missing(inputs: &Inputs<'_>, name: &str) -> Finding {
    let mut finding = Finding::error(&LINK, format!("nothing that is compiled defines `{name}`"));
    for definition in definitions(inputs.tree, inputs.catalog, name) {
        let place = Place::Line { file: definition.file.clone(), line: definition.line };
        finding = finding.at(place, format!("compiled when {}", definition.condition));
    }
    match remedies(inputs, name).first() {
        Some(remedy) => {
            let list = remedy.symbols.iter().map(|symbol| format!("\"{symbol}\""));
            let list = list.collect::<Vec<_>>().join(", ");
            finding.with_help(format!("smallest remedy: symbols.enable = [{list}]: {remedy}"))
        }
        None => {
            finding.with_help("no symbol compiles a definition: a library or a patch is missing")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_told_from_calls_and_declarations() {
        let line = |text: &str| defined_at(text.as_bytes(), "cxl_get");
        assert_eq!(line("GSList *cxl_get(void)\n{\n}\n"), Some(1));
        assert_eq!(line("\nGSList *\ncxl_get(int a,\n        int b)\n{\n}\n"), Some(3));
        assert_eq!(line("const Ops cxl_get = { 1 };\n"), Some(1));
        assert_eq!(line("GSList *cxl_get(void);\n"), None);
        assert_eq!(line("extern int cxl_get(void);\n    x = cxl_get();\n"), None);
        assert_eq!(line("static int cxl_get(void)\n{\n}\n"), None);
        assert_eq!(line("int cxl_get_all(void)\n{\n}\n"), None);
        assert_eq!(line("bool cxl_get;\n"), Some(1));
        assert_eq!(line("struct cxl_get;\ntypedef cxl_get;\n"), None);
    }
}
