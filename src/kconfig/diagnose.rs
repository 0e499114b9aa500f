//! Turns a contradiction into a sentence: who demands what, where, and which change would satisfy it. Pure.

use super::resolve::{Solver, clause_place, collect};
use super::{CONTRADICTION, Clause, Expr, Kconfig, Rule, SymbolId};
use crate::finding::Finding;

/// Makes the finding for a symbol that clauses set both ways.
pub(super) fn contradiction(solver: &Solver<'_>, symbol: SymbolId, clauses: &[&Clause]) -> Finding {
    let kconfig = &solver.kconfig;
    let name = kconfig.name(symbol);
    let mut finding = Finding::error(
        &CONTRADICTION,
        format!("contradiction between clauses when setting {name}"),
    );
    for clause in clauses {
        finding = finding.at(clause_place(clause), kconfig.show_clause(clause));
    }
    let missing = clauses.iter().find_map(|clause| match &clause.rule {
        Rule::DependsOn(expr) => Some(expr),
        _ => None,
    });
    match missing.and_then(|expr| remedy(solver, name, expr)) {
        Some(help) => finding.with_help(help),
        None => finding,
    }
}

/// Words a way out: "X needs a board that selects Y: A, B, …; the profile has C".
fn remedy(solver: &Solver<'_>, name: &str, expr: &Expr) -> Option<String> {
    let missing = first_unmet(solver, expr)?;
    let kconfig = &solver.kconfig;
    let wanted = kconfig.name(missing);
    let boards = boards(solver);
    let selectors: Vec<&str> =
        selectors(solver, missing).into_iter().map(|id| kconfig.name(id)).collect();
    let providers = providing_boards(solver, missing, &boards);
    let have: Vec<&str> =
        boards.iter().filter(|id| solver.is_wanted(**id)).map(|id| kconfig.name(*id)).collect();
    let have = if have.is_empty() { "no board".to_owned() } else { have.join(", ") };
    if !providers.is_empty() {
        let names: Vec<&str> = providers.iter().map(|id| kconfig.name(*id)).collect();
        return Some(format!(
            "{name} needs a board that selects {wanted}: {}; the profile has {have}",
            names.join(", ")
        ));
    }
    if selectors.is_empty() {
        return Some(format!(
            "{name} needs {wanted}, which nothing selects: turn it on, or drop {name}"
        ));
    }
    Some(format!("{name} needs {wanted}, which is selected by {}", selectors.join(", ")))
}

/// Finds a symbol whose being `y` would help to make a false expression true.
fn first_unmet(solver: &Solver<'_>, expr: &Expr) -> Option<SymbolId> {
    match expr {
        Expr::Symbol(id) => (solver.values[*id] == Some(false)).then_some(*id),
        Expr::Not(_) => None,
        Expr::And(a, b) | Expr::Or(a, b) => {
            first_unmet(solver, a).or_else(|| first_unmet(solver, b))
        }
    }
}

/// The symbols that select `symbol` directly.
fn selectors(solver: &Solver<'_>, symbol: SymbolId) -> Vec<SymbolId> {
    let mut found: Vec<SymbolId> = solver
        .tree_clauses()
        .filter_map(|clause| match clause.rule {
            Rule::Select { by, .. } if clause.symbol == symbol => Some(by),
            _ => None,
        })
        .collect();
    found.sort_unstable_by_key(|id| solver.kconfig.name(*id).to_owned());
    found.dedup();
    found
}

/// The boards that reach `symbol` by `select`, and whose own dependencies hold on this target.
fn providing_boards(solver: &Solver<'_>, symbol: SymbolId, boards: &[SymbolId]) -> Vec<SymbolId> {
    let mut reached = vec![symbol];
    let mut at = 0;
    while let Some(&next) = reached.get(at) {
        for by in selectors(solver, next) {
            if !reached.contains(&by) {
                reached.push(by);
            }
        }
        at += 1;
    }
    boards
        .iter()
        .copied()
        .filter(|board| reached.contains(board) && fits_target(solver, *board))
        .collect()
}

/// Tells whether a board fits the target: none of its `depends on` is already false, as another
/// architecture's would be.
fn fits_target(solver: &Solver<'_>, board: SymbolId) -> bool {
    solver.tree_clauses().all(|clause| match &clause.rule {
        Rule::DependsOn(expr) if clause.symbol == board => {
            !matches!(solver.evaluate(expr), Ok(false))
        }
        _ => true,
    })
}

/// Boards: symbols with a plain `default y` that depend on an architecture (a symbol declared below `target/`).
fn boards(solver: &Solver<'_>) -> Vec<SymbolId> {
    let kconfig = &solver.kconfig;
    let is_arch = |id: &SymbolId| {
        kconfig.declared[*id].as_ref().is_some_and(|(file, _)| file.starts_with("target/"))
    };
    let mut defaults = Vec::new();
    let mut dependent = Vec::new();
    for clause in solver.tree_clauses() {
        match &clause.rule {
            Rule::Default { value: true, condition: None, implied_by: None } => {
                defaults.push(clause.symbol);
            }
            Rule::DependsOn(expr) => {
                let mut ids = Vec::new();
                collect(expr, &mut ids);
                if ids.iter().any(is_arch) {
                    dependent.push(clause.symbol);
                }
            }
            _ => {}
        }
    }
    defaults.retain(|id| dependent.contains(id));
    defaults.sort_unstable_by_key(|id| kconfig.name(*id).to_owned());
    defaults
}

/// Suggests a declared symbol with a similar name.
pub(super) fn similar<'a>(kconfig: &'a Kconfig, name: &str) -> Option<&'a str> {
    kconfig
        .symbols()
        .map(|candidate| (strsim::jaro_winkler(candidate, name), candidate))
        .filter(|(score, _)| *score > 0.88)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
