//! Resolves a request: the same answer as minikconf, with the clause that decided each symbol.
//!
//! Pure. Clauses are processed in topological order of their symbols; assignments, `depends on` and `select` before
//! defaults. A symbol that two clauses set differently is a contradiction; one that is read before it has a value is
//! on a cycle.

use std::collections::BTreeMap;

use super::diagnose;
use super::{CYCLE, Clause, Expr, Kconfig, Mode, Request, Rule, SymbolId, UNDEFINED};
use crate::finding::{Finding, Place};
use crate::profile::Origin;

/// Why a symbol is `y`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// The device file asks for it.
    Asked(Option<Origin>),
    /// meson passes it: a build option or the target.
    Host,
    Selected {
        by: String,
        file: String,
        line: u32,
    },
    Implied {
        by: String,
        file: String,
        line: u32,
    },
    Default {
        file: String,
        line: u32,
    },
}

/// The resolver's answer: every symbol has a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The `y` symbols without `CONFIG_`, with the clause that set each first.
    pub symbols: BTreeMap<String, Because>,
}

impl Resolution {
    pub fn is_on(&self, symbol: &str) -> bool {
        self.symbols.contains_key(symbol)
    }

    /// The chain from `symbol` back to what was asked, each step with its reason. Ends at an
    /// assignment or default.
    pub fn chain(&self, symbol: &str) -> Vec<(String, Because)> {
        let mut chain: Vec<(String, Because)> = Vec::new();
        let mut next = Some(symbol.to_owned());
        while let Some(name) = next.take() {
            if chain.iter().any(|(seen, _)| *seen == name) {
                break;
            }
            let Some(because) = self.symbols.get(&name) else { break };
            if let Because::Selected { by, .. } | Because::Implied { by, .. } = because {
                next = Some(by.clone());
            }
            chain.push((name, because.clone()));
        }
        chain
    }
}

/// Resolves `request` against the tree's Kconfig.
pub fn resolve(kconfig: &Kconfig, request: &Request) -> (Option<Resolution>, Vec<Finding>) {
    let mut solver = Solver::new(kconfig, request);
    let undefined = solver.undefined();
    if !undefined.is_empty() {
        return (None, undefined);
    }
    match solver.run() {
        Ok(()) => (Some(solver.resolution()), Vec::new()),
        Err(finding) => (None, vec![*finding]),
    }
}

/// Where a clause of the solver comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Devices,
    Tree,
    Host,
}

pub(super) struct Solver<'a> {
    pub(super) kconfig: Kconfig,
    request: &'a Request,
    clauses: Vec<(Part, Clause)>,
    pub(super) values: Vec<Option<bool>>,
    /// Per symbol: indices of the clauses that set it so far.
    set_by: Vec<Vec<usize>>,
}

impl<'a> Solver<'a> {
    fn new(kconfig: &Kconfig, request: &'a Request) -> Self {
        let mut kconfig = kconfig.clone();
        let mut clauses = Vec::new();
        add_assignments(&mut kconfig, &mut clauses, Part::Devices, request);
        clauses.extend(
            std::mem::take(&mut kconfig.clauses).into_iter().map(|clause| (Part::Tree, clause)),
        );
        add_assignments(&mut kconfig, &mut clauses, Part::Host, request);
        let count = kconfig.names.len();
        Self {
            kconfig,
            request,
            clauses,
            values: vec![None; count],
            set_by: vec![Vec::new(); count],
        }
    }

    /// Reports symbols that are mentioned and not declared, as minikconf's `check_undefined` does.
    fn undefined(&self) -> Vec<Finding> {
        let names = self.kconfig.names.iter().zip(&self.kconfig.declared).enumerate();
        names
            .filter(|(_, (_, place))| place.is_none())
            .map(|(id, (name, _))| {
                let finding =
                    Finding::error(&UNDEFINED, format!("no `config {name}` in this tree"));
                let user = self.clauses.iter().find(|(_, clause)| mentions(clause, id));
                let finding = match user {
                    Some((Part::Host, _)) => finding
                        .with_note("meson passes it for a build option or the target".to_owned()),
                    Some((_, clause)) => finding.at(clause_place(clause), "used here"),
                    None => finding,
                };
                match diagnose::similar(&self.kconfig, name) {
                    Some(other) => finding.with_help(format!("did you mean `{other}`?")),
                    None => finding,
                }
            })
            .collect()
    }

    fn run(&mut self) -> Result<(), Box<Finding>> {
        let order = self.order();
        let mut sorted: Vec<usize> = (0..self.clauses.len()).collect();
        let late = |clause: &Clause| matches!(clause.rule, Rule::Default { .. });
        sorted.sort_by_key(|&i| {
            let clause = &self.clauses[i].1;
            (std::cmp::Reverse(order[clause.symbol]), late(clause), i)
        });
        // minikconf ends every symbol's clauses with `default n`; walking the symbols in order does the same.
        let mut by_order: Vec<SymbolId> = (0..self.values.len()).collect();
        by_order.sort_by_key(|&id| std::cmp::Reverse(order[id]));
        let mut clauses = sorted.into_iter().peekable();
        for symbol in by_order {
            while let Some(index) = clauses.next_if(|&index| self.clauses[index].1.symbol == symbol)
            {
                self.process(index)?;
            }
            self.values[symbol].get_or_insert(false);
        }
        Ok(())
    }

    fn process(&mut self, index: usize) -> Result<(), Box<Finding>> {
        let clause = self.clauses[index].1.clone();
        match &clause.rule {
            Rule::Assign { value, .. } => self.set(index, clause.symbol, *value),
            Rule::DependsOn(expr) => {
                if self.evaluate(expr)? {
                    Ok(())
                } else {
                    self.set(index, clause.symbol, false)
                }
            }
            Rule::Select { condition, .. } => {
                if self.evaluate(condition)? {
                    self.set(index, clause.symbol, true)
                } else {
                    Ok(())
                }
            }
            Rule::Default { value, condition, .. } => {
                if self.values[clause.symbol].is_some() {
                    return Ok(());
                }
                let holds = match condition {
                    Some(condition) => self.evaluate(condition)?,
                    None => true,
                };
                let value = *value && self.request.mode == Mode::Default;
                if holds { self.set(index, clause.symbol, value) } else { Ok(()) }
            }
        }
    }

    fn set(&mut self, index: usize, symbol: SymbolId, value: bool) -> Result<(), Box<Finding>> {
        self.set_by[symbol].push(index);
        match self.values[symbol] {
            Some(old) if old != value => Err(Box::new(self.contradiction(symbol))),
            _ => {
                self.values[symbol] = Some(value);
                Ok(())
            }
        }
    }

    fn contradiction(&self, symbol: SymbolId) -> Finding {
        let clauses: Vec<&Clause> =
            self.set_by[symbol].iter().map(|&i| &self.clauses[i].1).collect();
        diagnose::contradiction(self, symbol, &clauses)
    }

    pub(super) fn evaluate(&self, expr: &Expr) -> Result<bool, Box<Finding>> {
        Ok(match expr {
            Expr::Symbol(id) => {
                if let Some(value) = self.values.get(*id).copied().flatten() {
                    value
                } else {
                    let name = self.kconfig.name(*id);
                    return Err(Box::new(Finding::error(
                        &CYCLE,
                        format!("cycle found including {name}"),
                    )));
                }
            }
            Expr::Not(inner) => !self.evaluate(inner)?,
            Expr::And(a, b) => self.evaluate(a)? && self.evaluate(b)?,
            Expr::Or(a, b) => self.evaluate(a)? || self.evaluate(b)?,
        })
    }

    /// The symbol is `y`, or it is asked for and its turn has not come yet.
    pub(super) fn is_wanted(&self, symbol: SymbolId) -> bool {
        let asks = |(part, clause): &(Part, Clause)| {
            *part == Part::Devices
                && clause.symbol == symbol
                && matches!(clause.rule, Rule::Assign { value: true, .. })
        };
        self.values[symbol].unwrap_or_else(|| self.clauses.iter().any(asks))
    }

    /// The clauses of the tree itself, without what the request adds.
    pub(super) fn tree_clauses(&self) -> impl Iterator<Item = &Clause> {
        self.clauses.iter().filter(|(part, _)| *part == Part::Tree).map(|(_, clause)| clause)
    }

    /// The topological order of symbols: for each the number of a depth-first walk along "is read
    /// by".
    fn order(&self) -> Vec<usize> {
        let count = self.kconfig.names.len();
        let mut readers: Vec<Vec<SymbolId>> = vec![Vec::new(); count];
        for (_, clause) in &self.clauses {
            for id in symbols_of(&clause.rule) {
                readers[id].push(clause.symbol);
            }
        }
        let mut number = vec![usize::MAX; count];
        let mut next = 0;
        let mut visited = vec![false; count];
        for root in 0..count {
            if visited[root] {
                continue;
            }
            visited[root] = true;
            let mut stack = vec![(root, 0)];
            while let Some((node, edge)) = stack.pop() {
                if let Some(&reader) = readers[node].get(edge) {
                    stack.push((node, edge + 1));
                    if !visited[reader] {
                        visited[reader] = true;
                        stack.push((reader, 0));
                    }
                } else {
                    number[node] = next;
                    next += 1;
                }
            }
        }
        number
    }

    fn resolution(&self) -> Resolution {
        let mut symbols = BTreeMap::new();
        for (id, value) in self.values.iter().enumerate() {
            if *value != Some(true) {
                continue;
            }
            if let Some(&index) = self.set_by[id].first() {
                symbols.insert(self.kconfig.name(id).to_owned(), self.because(index));
            }
        }
        Resolution { symbols }
    }

    fn because(&self, index: usize) -> Because {
        let (part, clause) = &self.clauses[index];
        let (file, line) = (clause.file.clone(), clause.line);
        match (&clause.rule, part) {
            (Rule::Assign { .. }, Part::Host) => Because::Host,
            (Rule::Assign { origin, .. }, _) => Because::Asked(origin.clone()),
            (Rule::Select { by, .. }, _) => {
                Because::Selected { by: self.kconfig.name(*by).to_owned(), file, line }
            }
            (Rule::Default { implied_by: Some(by), .. }, _) => {
                Because::Implied { by: self.kconfig.name(*by).to_owned(), file, line }
            }
            _ => Because::Default { file, line },
        }
    }
}

fn add_assignments(
    kconfig: &mut Kconfig,
    clauses: &mut Vec<(Part, Clause)>,
    part: Part,
    request: &Request,
) {
    let assignments = if part == Part::Devices { &request.devices } else { &request.host };
    for assignment in assignments {
        let symbol = kconfig.intern(&assignment.symbol);
        let rule = Rule::Assign { value: assignment.value, origin: assignment.origin.clone() };
        let (file, line) =
            assignment.origin.as_ref().map_or((String::new(), 0), |o| (o.file.clone(), o.line));
        clauses.push((part, Clause { symbol, rule, file, line }));
    }
}

pub(super) fn clause_place(clause: &Clause) -> Place {
    Place::Line { file: clause.file.clone(), line: clause.line }
}

fn mentions(clause: &Clause, id: SymbolId) -> bool {
    clause.symbol == id || symbols_of(&clause.rule).contains(&id)
}

pub(super) fn symbols_of(rule: &Rule) -> Vec<SymbolId> {
    let mut ids = Vec::new();
    match rule {
        Rule::Assign { .. } | Rule::Default { condition: None, .. } => {}
        Rule::Default { condition: Some(expr), .. }
        | Rule::DependsOn(expr)
        | Rule::Select { condition: expr, .. } => {
            collect(expr, &mut ids);
        }
    }
    ids
}

pub(super) fn collect(expr: &Expr, ids: &mut Vec<SymbolId>) {
    match expr {
        Expr::Symbol(id) => ids.push(*id),
        Expr::Not(inner) => collect(inner, ids),
        Expr::And(a, b) | Expr::Or(a, b) => {
            collect(a, ids);
            collect(b, ids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kconfig::{Assignment, parse};
    use crate::tree::Tree;

    fn check(text: &str, asked: &[&str], mode: Mode) -> Result<Vec<String>, Vec<Finding>> {
        let tree: Tree = [("Kconfig", text)].into_iter().collect();
        let (kconfig, findings) = parse(&tree, "Kconfig");
        assert!(findings.is_empty(), "{findings:?}");
        let yes =
            |name: &&str| Assignment { symbol: (*name).to_owned(), value: true, origin: None };
        let request = Request { mode, devices: asked.iter().map(yes).collect(), host: Vec::new() };
        match resolve(&kconfig, &request) {
            (Some(resolution), _) => Ok(resolution.symbols.into_keys().collect()),
            (None, findings) => Err(findings),
        }
    }

    #[test]
    fn or_binds_tighter_than_and() {
        let text = "config A\n bool\nconfig B\n bool\nconfig C\n bool\nconfig X\n bool\n default y\n depends on A && B || C\n";
        // A && (B || C): with A alone the dependency is not met, with A and C it is.
        assert_eq!(check(text, &["A"], Mode::Default).unwrap(), ["A"]);
        assert_eq!(check(text, &["A", "C"], Mode::Default).unwrap(), ["A", "C", "X"]);
        assert_eq!(check(text, &["C"], Mode::Default).unwrap(), ["C"]);
    }

    #[test]
    fn defaults_and_imply_count_only_outside_of_allnoconfig() {
        let text = "config A\n bool\n imply B\n select C\nconfig B\n bool\nconfig C\n bool\nconfig D\n bool\n default y\n";
        assert_eq!(check(text, &["A"], Mode::AllNo).unwrap(), ["A", "C"]);
        assert_eq!(check(text, &["A"], Mode::Default).unwrap(), ["A", "B", "C", "D"]);
    }

    #[test]
    fn an_unmet_dependency_is_a_contradiction_with_both_clauses() {
        let text = "config A\n bool\nconfig X\n bool\n depends on A\n";
        let findings = check(text, &["X"], Mode::AllNo).unwrap_err();
        assert_eq!(findings[0].code.name, "kconfig::contradiction");
        assert_eq!(findings[0].labels.len(), 2);
        assert!(findings[0].help.as_ref().unwrap().contains("X needs A"), "{findings:?}");
    }

    #[test]
    fn cycles_and_undeclared_symbols_are_findings() {
        let cycle = "config A\n bool\n depends on !B\nconfig B\n bool\n depends on !A\n";
        assert_eq!(check(cycle, &[], Mode::AllNo).unwrap_err()[0].code.name, "kconfig::cycle");
        let findings =
            check("config VIRTIO_BLK\n bool\n", &["VIRTIO_BLKK"], Mode::AllNo).unwrap_err();
        assert_eq!(findings[0].code.name, "kconfig::undefined");
        assert_eq!(findings[0].help.as_deref(), Some("did you mean `VIRTIO_BLK`?"));
    }
}
