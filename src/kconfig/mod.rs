//! QEMU's Kconfig dialect: read it from a tree, resolve a selection, say why each symbol is on.
//!
//! Pure. The dialect and its semantics are those of `scripts/minikconf.py` in QEMU's tree, which is also the reference
//! the conformance test runs: `||` binds tighter than `&&`, `imply` is a conditional default, defaults count only
//! where a symbol has no other value, and `--allnoconfig` turns every default into `n`. What we add: every clause
//! knows its file and line, every `y` knows the clause that set it, and an error says what would satisfy it.

mod diagnose;
mod host;
mod parse;
mod resolve;
#[cfg(test)]
mod tests;

pub use host::{Target, host_option, host_symbols, target};
pub use parse::{parse, parse_device_file};
pub use resolve::{Because, Resolution, resolve};

use crate::finding::Code;
use crate::profile::Origin;

/// Finding codes of this module.
pub const CODES: &[&Code] = &[&SYNTAX, &MISSING_FILE, &UNDEFINED, &CONTRADICTION, &CYCLE];

pub(crate) static SYNTAX: Code = Code {
    name: "kconfig::syntax",
    summary: "a Kconfig or device file cannot be parsed",
    explain: "QEMU's scripts/minikconf.py would stop at the same place. Compare the file with the release's.",
};
pub(crate) static MISSING_FILE: Code = Code {
    name: "kconfig::missing-file",
    summary: "a file that `source` or `include` names is not in the tree",
    explain: "The tree is incomplete, or a patch removed a file that is still sourced.",
};
pub(crate) static UNDEFINED: Code = Code {
    name: "kconfig::undefined",
    summary: "a symbol is used but no `config` declares it",
    explain: "Symbols come and go between QEMU versions; `quench diff-tree` shows renames.",
};
pub(crate) static CONTRADICTION: Code = Code {
    name: "kconfig::contradiction",
    summary: "clauses demand both y and n of one symbol",
    explain: "A symbol is asked for or selected while its `depends on` is not met, or assigned y and n. The notes \
              list the clauses with file and line.",
};
pub(crate) static CYCLE: Code = Code {
    name: "kconfig::cycle",
    summary: "a symbol depends on its own value",
    explain: "The clauses form a loop, so no order of evaluation exists (`cycle found` in minikconf).",
};

/// Index of a symbol in [`Kconfig`].
pub(crate) type SymbolId = usize;

/// A boolean expression over symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    Symbol(SymbolId),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
}

/// What a clause says about its symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    Assign {
        value: bool,
        origin: Option<Origin>,
    },
    /// `default` or `imply`; `implied_by` is set for the latter.
    Default {
        value: bool,
        condition: Option<Expr>,
        implied_by: Option<SymbolId>,
    },
    DependsOn(Expr),
    Select {
        condition: Expr,
        by: SymbolId,
    },
}

/// One clause of a symbol, with its place in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    pub symbol: SymbolId,
    pub rule: Rule,
    pub file: String,
    pub line: u32,
}

/// All Kconfig symbols and clauses of a tree.
#[derive(Debug, Clone, Default)]
pub struct Kconfig {
    names: Vec<String>,
    by_name: std::collections::BTreeMap<String, SymbolId>,
    declared: Vec<Option<(String, u32)>>,
    clauses: Vec<Clause>,
}

impl Kconfig {
    pub(crate) fn intern(&mut self, name: &str) -> SymbolId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = self.names.len();
        self.names.push(name.to_owned());
        self.declared.push(None);
        self.by_name.insert(name.to_owned(), id);
        id
    }

    pub(crate) fn name(&self, id: SymbolId) -> &str {
        self.names.get(id).map_or("?", String::as_str)
    }

    pub(crate) fn id(&self, name: &str) -> Option<SymbolId> {
        self.by_name.get(name).copied()
    }

    /// The file and line where a symbol is declared.
    pub fn declaration(&self, name: &str) -> Option<(&str, u32)> {
        let id = self.id(name)?;
        self.declared.get(id)?.as_ref().map(|(file, line)| (file.as_str(), *line))
    }

    /// Names of all declared symbols, in order of first mention.
    pub fn symbols(&self) -> impl Iterator<Item = &str> {
        self.names
            .iter()
            .zip(&self.declared)
            .filter(|(_, place)| place.is_some())
            .map(|(name, _)| name.as_str())
    }

    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// Finds symbols that must be `y` beside `asked`: what they and everything they select
    /// unconditionally depend on, as far as the dependency is a plain conjunction.
    pub fn demands(&self, asked: &[String]) -> Vec<(String, String)> {
        let mut queue: Vec<SymbolId> = asked.iter().filter_map(|name| self.id(name)).collect();
        let mut out = Vec::new();
        let mut at = 0;
        while let Some(&symbol) = queue.get(at) {
            at += 1;
            for clause in &self.clauses {
                match &clause.rule {
                    Rule::DependsOn(expr) if clause.symbol == symbol => {
                        conjuncts(expr, &mut |id| {
                            out.push((self.name(id).to_owned(), self.name(symbol).to_owned()));
                        });
                    }
                    Rule::Select { condition, by }
                        if *by == symbol
                            && *condition == Expr::Symbol(symbol)
                            && !queue.contains(&clause.symbol) =>
                    {
                        queue.push(clause.symbol);
                    }
                    _ => {}
                }
            }
        }
        out
    }

    /// An expression as Kconfig writes it.
    pub fn show(&self, expr: &Expr) -> String {
        match expr {
            Expr::Symbol(id) => self.name(*id).to_owned(),
            Expr::Not(inner) => format!("!{}", self.show(inner)),
            Expr::And(a, b) => format!("({} && {})", self.show(a), self.show(b)),
            Expr::Or(a, b) => format!("({} || {})", self.show(a), self.show(b)),
        }
    }

    /// A clause as one line of Kconfig's language, without its place.
    pub fn show_clause(&self, clause: &Clause) -> String {
        let name = self.name(clause.symbol);
        let yn = |value: &bool| if *value { "y" } else { "n" };
        match &clause.rule {
            Rule::Assign { value, .. } => format!("CONFIG_{name}={}", yn(value)),
            Rule::Default { implied_by: Some(by), .. } => {
                format!("config {} imply {name}", self.name(*by))
            }
            Rule::Default { value, condition: None, .. } => {
                format!("config {name} default {}", yn(value))
            }
            Rule::Default { value, condition: Some(condition), .. } => {
                format!("config {name} default {} if {}", yn(value), self.show(condition))
            }
            Rule::DependsOn(expr) => format!("config {name} depends on {}", self.show(expr)),
            Rule::Select { condition, by } if *condition == Expr::Symbol(*by) => {
                format!("config {} select {name}", self.name(*by))
            }
            Rule::Select { condition, by } => {
                format!("config {} select {name} if {}", self.name(*by), self.show(condition))
            }
        }
    }
}

/// How symbols without an assignment are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `--allnoconfig`, what `--without-default-devices` uses: `default` and `imply` give `n`.
    AllNo,
    /// `--defconfig`.
    Default,
}

/// `CONFIG_symbol=y|n` from a device file or from meson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Without `CONFIG_`.
    pub symbol: String,
    pub value: bool,
    /// Where it was asked; `None` for what meson passes.
    pub origin: Option<Origin>,
}

/// The question to the resolver: mode and assignments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub mode: Mode,
    /// The device file.
    pub devices: Vec<Assignment>,
    /// What meson passes on the command line: host and target symbols.
    pub host: Vec<Assignment>,
}

fn conjuncts(expr: &Expr, visit: &mut dyn FnMut(SymbolId)) {
    match expr {
        Expr::Symbol(id) => visit(*id),
        Expr::And(a, b) => {
            conjuncts(a, visit);
            conjuncts(b, visit);
        }
        Expr::Or(..) | Expr::Not(_) => {}
    }
}
