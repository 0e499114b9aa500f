//! Where an AArch64 file keeps the value of its canaries: glibc's and musl's variable `__stack_chk_guard`.
//!
//! Code reads it through a word of the GOT that holds its address, or directly where the linker knows the place: in
//! programs at a fixed address, which have a copy, and in static ones. Objects say so in their relocations. A stripped
//! static program has no names: there the variable is the one that functions store a copy of in their frame, compare it
//! with, and call the same function when they differ. Pure.

use std::collections::{BTreeMap, BTreeSet};

use goblin::container::Ctx;

use super::word::{Op, SP};
use super::{Words, words};
use crate::elf::code::Function;
use crate::elf::dynamic::data_relocations;
use crate::elf::memory::Memory;
use crate::elf::relocate::{self, Use};
use crate::elf::{Facts, Kind};

const NAME: &str = "__stack_chk_guard";
/// The smallest number of functions that must treat a variable as the guard.
const MIN_VOTES: usize = 2;
/// The largest numbers of variables that are remembered of a function, and of votes of a file.
const MAX_COPIED: usize = 256;
const MAX_VOTES: usize = 1 << 16;
/// The largest number of instructions between a comparison and its branch, and between there and
/// the call.
const NEAR: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Guard {
    places: BTreeSet<u64>,
    /// Words that hold the address of a place.
    slots: BTreeSet<u64>,
    /// In objects: what an instruction gets.
    uses: BTreeMap<u64, Use>,
}

impl Guard {
    pub(super) fn of(
        memory: &Memory<'_>,
        facts: &Facts<'_>,
        ctx: Ctx,
        functions: &[Function],
    ) -> Self {
        let mut out = Self::default();
        if facts.kind == Kind::Relocatable {
            out.uses = relocate::uses_of(facts, NAME);
            return out;
        }
        let named = |index: usize| facts.symbols.get(index).is_some_and(|it| it.name == NAME);
        let defined = facts.symbols.iter().filter(|it| it.name == NAME && it.defined);
        out.places.extend(defined.map(|symbol| symbol.address));
        let slots = facts.dynamic.iter().flat_map(|dynamic| &dynamic.slots);
        out.slots.extend(slots.filter(|slot| named(slot.symbol)).map(|slot| slot.address));
        let is_static = matches!(facts.kind, Kind::StaticExecutable | Kind::StaticPie);
        if is_static && out.places.is_empty() {
            out.places.extend(by_votes(memory, facts, ctx, functions));
        }
        out.add_slots(memory, facts, ctx);
        out
    }

    /// Adds words of data that hold the address of the guard.
    fn add_slots(&mut self, memory: &Memory<'_>, facts: &Facts<'_>, ctx: Ctx) {
        if self.places.is_empty() {
            return;
        }
        let (places, slots) = (&self.places, &mut self.slots);
        data_relocations(facts, ctx, &mut |relocation| {
            if relocation.points_to.is_some_and(|place| places.contains(&place)) {
                slots.insert(relocation.address);
            }
        });
        if matches!(facts.kind, Kind::Executable | Kind::StaticExecutable) {
            memory.words_of_data(&mut |address, value| {
                if places.contains(&value) {
                    slots.insert(address);
                }
            });
        }
    }

    pub(super) fn is_place(&self, address: u64) -> bool {
        self.places.contains(&address)
    }

    pub(super) fn is_slot(&self, address: u64) -> bool {
        self.slots.contains(&address)
    }

    pub(super) fn use_at(&self, address: u64) -> Option<Use> {
        self.uses.get(&address).copied()
    }
}

/// What a word of data holds when the program runs, were it loaded where it is linked.
pub(in crate::elf::code) fn contents<'m>(
    memory: &'m Memory<'_>,
    facts: &Facts<'_>,
    ctx: Ctx,
) -> impl Fn(u64) -> Option<u64> + 'm {
    let mut pointers = BTreeMap::new();
    data_relocations(facts, ctx, &mut |relocation| {
        pointers.extend(relocation.points_to.map(|to| (relocation.address, to)));
    });
    move |address| {
        pointers.get(&address).copied().or_else(|| {
            let bytes = memory.copy(address, 8)?;
            Some(u64::from_le_bytes(bytes.as_ref().try_into().ok()?))
        })
    }
}

/// What a register holds of a variable that may be the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Variable {
    /// At this address.
    At(u64),
    /// Where the word at this address points.
    Through(u64),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum RegisterValue {
    #[default]
    Nothing,
    Address(u64),
    Content(Variable),
    /// Something of the frame.
    Local,
}

/// Finds the variable that most functions treat as a guard.
fn by_votes(
    memory: &Memory<'_>,
    facts: &Facts<'_>,
    ctx: Ctx,
    functions: &[Function],
) -> Option<u64> {
    let mut votes: BTreeMap<(u64, Variable), usize> = BTreeMap::new();
    let mut code = Words::default();
    for function in functions {
        words(memory, function, &mut code);
        for vote in ballots(&code) {
            if votes.len() < MAX_VOTES || votes.contains_key(&vote) {
                *votes.entry(vote).or_default() += 1;
            }
        }
    }
    let content = contents(memory, facts, ctx);
    let mut places: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    for ((fails, variable), count) in votes {
        let place = match variable {
            Variable::At(address) => Some(address),
            Variable::Through(slot) => content(slot),
        };
        if let Some(place) = place {
            *places.entry((fails, place)).or_default() += count;
        }
    }
    let most = places.into_iter().max_by_key(|(_, count)| *count);
    most.filter(|(_, count)| *count >= MIN_VOTES).map(|((_, place), _)| place)
}

/// Finds the variables a function copies into its frame and compares with a local, and whom it
/// calls when they differ; once each.
fn ballots(code: &Words) -> BTreeSet<(u64, Variable)> {
    let mut out = BTreeSet::new();
    let mut held = [RegisterValue::Nothing; 32];
    let mut copied = BTreeSet::new();
    for (index, op) in code.ops().enumerate() {
        let before = held;
        // Register 31 is never one that holds something.
        let mut set = |register: usize, what: RegisterValue| {
            if register != SP {
                held[register] = what;
            }
        };
        match op {
            Op::Page { to, page } => set(to, RegisterValue::Address(page)),
            Op::Add { to, from, number } => match before[from] {
                RegisterValue::Address(at) => {
                    set(to, RegisterValue::Address(at.wrapping_add_signed(number)));
                }
                _ => set(to, RegisterValue::Nothing),
            },
            Op::Move { to, from } => set(to, before[from]),
            Op::Load { to, base, offset, .. } => set(to, loaded(&before, base, offset)),
            Op::Store { of, base, wide: true, .. }
                if (base == SP || base == 29) && copied.len() < MAX_COPIED =>
            {
                copied.extend(of.iter().filter_map(|register| match before[*register] {
                    RegisterValue::Content(variable) => Some(variable),
                    _ => None,
                }));
            }
            Op::LoadPair { to, .. } => to.iter().for_each(|to| set(*to, RegisterValue::Nothing)),
            Op::Two { to, from: [a, b], compares } => {
                let variable = match (before[a], before[b]) {
                    (RegisterValue::Content(it), RegisterValue::Local)
                    | (RegisterValue::Local, RegisterValue::Content(it)) => Some(it),
                    _ => None,
                };
                if let Some(variable) = variable.filter(|it| compares && copied.contains(it))
                    && let Some(fails) = called_if_different(code, index)
                {
                    out.insert((fails, variable));
                }
                set(to, RegisterValue::Nothing);
            }
            Op::Number { to, .. }
            | Op::Writes { to }
            | Op::FramePlus { to, .. }
            | Op::Access { to: Some(to), .. } => {
                set(to, RegisterValue::Nothing);
            }
            Op::Indexed { to: Some(to), .. } => set(to, RegisterValue::Nothing),
            Op::Call { .. } | Op::CallRegister => held[..=18].fill(RegisterValue::Nothing),
            _ => {}
        }
    }
    out
}

fn loaded(held: &[RegisterValue; 32], base: usize, offset: i64) -> RegisterValue {
    match held[base] {
        _ if base == SP || base == 29 => RegisterValue::Local,
        RegisterValue::Address(at) => {
            RegisterValue::Content(Variable::At(at.wrapping_add_signed(offset)))
        }
        RegisterValue::Content(Variable::At(slot)) if offset == 0 => {
            RegisterValue::Content(Variable::Through(slot))
        }
        _ => RegisterValue::Nothing,
    }
}

/// The function that is called on one of the two ways after a comparison.
fn called_if_different(code: &Words, compared: usize) -> Option<u64> {
    let near = |from: usize| (from..from + NEAR).filter_map(|index| code.op(index));
    let branch = near(compared + 1).find_map(|op| match op {
        Op::Perhaps { target } => Some(target),
        _ => None,
    })?;
    let there = usize::try_from(branch.checked_sub(code.start)? / 4).ok()?;
    near(there).find_map(|op| match op {
        Op::Call { target } => Some(target),
        _ => None,
    })
}
