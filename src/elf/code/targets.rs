//! Where indirect branches can lead, and whether a landing pad is there. Pure.

use goblin::container::Ctx;

use super::{Code, Marks, arm};
use crate::elf::dynamic::data_relocations;
use crate::elf::memory::Memory;
use crate::elf::{Facts, Kind, Machine};

/// The largest number of targets without a landing pad whose addresses are kept.
const SHOWN: usize = 32;

/// Possible targets of indirect branches: starts of functions whose address is exported, in data,
/// taken by code, or called by the loader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    pub total: usize,
    /// Those that begin with `endbr64`, or `bti` and its like.
    pub marked: usize,
    /// The first of the others.
    pub missing: Vec<u64>,
    /// Words of data outside of RELRO that hold the address of code.
    pub writable_pointers: usize,
    /// What comes with the C library and the compiler: name, address, whether marked.
    pub start_files: Vec<(&'static str, u64, bool)>,
}

pub(super) fn targets(
    facts: &Facts<'_>,
    ctx: Ctx,
    memory: &Memory<'_>,
    code: &Code<'_>,
    mut taken: Vec<u64>,
) -> Targets {
    let mut out = Targets::default();
    let begins = |address: u64| {
        let found = code.functions.binary_search_by_key(&address, |function| function.start);
        found.ok().and_then(|index| code.functions.get(index))
    };
    let is_start = |address: u64| begins(address).is_some();
    taken.sort_unstable();
    taken.dedup();
    taken.retain(|address| is_start(*address));
    // crtbeginS.o puts frame_dummy and __do_global_dtors_aux first into the arrays.
    let firsts: Vec<u64> =
        facts.dynamic.iter().flat_map(|dynamic| &dynamic.arrays).map(|(start, _)| *start).collect();
    let mut of_start_files = Vec::new();
    let relro = super::super::relro::range(facts, super::super::relro::PAGE);
    data_relocations(facts, ctx, &mut |relocation| {
        let Some(address) = relocation.points_to.filter(|address| memory.executable(*address))
        else {
            return;
        };
        let fixed = relro
            .is_some_and(|(start, end)| relocation.address >= start && relocation.address < end);
        let writable = memory.region(relocation.address).is_some_and(|region| region.write);
        out.writable_pointers += usize::from(writable && !fixed && is_start(address));
        // Pointers into the middle of functions are labels: of jump tables, whose jumps need no pad (notrack), or of
        // computed gotos.
        if firsts.contains(&relocation.address) {
            of_start_files.push(address);
        }
        if is_start(address) || code.function_at(address).is_none() {
            taken.push(address);
        }
    });
    if matches!(facts.kind, Kind::Executable | Kind::StaticExecutable) {
        words_of_data(memory, code, &mut taken);
    }
    let exported = facts
        .symbols
        .iter()
        .filter(|symbol| facts.dynamic.is_some() && symbol.defined && symbol.function);
    taken.extend(
        exported.map(|symbol| symbol.address).filter(|address| memory.executable(*address)),
    );
    // The scan has looked where functions begin.
    let scanned = facts.machine == Machine::X86_64;
    let marked = |address: u64| match (facts.machine, begins(address).filter(|_| scanned)) {
        (_, Some(function)) => function.marks.contains(Marks::LANDS),
        (Machine::Aarch64, None) => memory.instruction(address).is_some_and(arm::lands),
        _ => memory.look(address, 4, |code| code == b"\xf3\x0f\x1e\xfa") == Some(true),
    };
    let dynamic = facts.dynamic.as_ref();
    let program = !matches!(facts.kind, Kind::SharedLibrary | Kind::Relocatable);
    for (name, address) in [
        ("_start", Some(facts.entry).filter(|_| program)),
        ("_init", dynamic.and_then(|dynamic| dynamic.init)),
        ("_fini", dynamic.and_then(|dynamic| dynamic.fini)),
    ] {
        if let Some(address) = address.filter(|address| memory.executable(*address)) {
            out.start_files.push((name, address, marked(address)));
            taken.push(address);
        }
    }
    for address in of_start_files {
        // In a file that was made without start files the first entry is the program's own.
        let bare = out.start_files.iter().any(|(.., marked)| !marked);
        if bare && !marked(address) {
            out.start_files.push(("the first function of an array", address, false));
        }
    }
    taken.sort_unstable();
    taken.dedup();
    for address in taken {
        out.total += 1;
        if marked(address) {
            out.marked += 1;
        } else if out.missing.len() < SHOWN {
            out.missing.push(address);
        }
    }
    out
}

/// Collects words of data that are addresses of functions; files at a fixed address have no
/// relocations for them.
fn words_of_data(memory: &Memory<'_>, code: &Code<'_>, taken: &mut Vec<u64>) {
    let (Some(first), Some(last)) = (code.functions.first(), code.functions.last()) else { return };
    let starts = first.start..=last.start;
    memory.words_of_data(&mut |_, value| {
        if starts.contains(&value)
            && code.functions.binary_search_by_key(&value, |function| function.start).is_ok()
        {
            taken.push(value);
        }
    });
}
