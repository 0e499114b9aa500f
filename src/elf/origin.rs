//! Where in the sources a place of a linked file comes from: its function or variable, its compilation unit, and who uses
//! it. Pure.
//!
//! The names may be of a separate debug file: addresses are the same in both.

use std::collections::BTreeSet;

use goblin::container::{Container, Ctx, Endian};

use super::dynamic::data_relocations;
use super::layout::{self, Function};
use super::memory::Memory;
use super::{Facts, Machine, facts, units};

/// The largest number of bytes of functions that are decoded to answer one question.
const MAX_DECODED: usize = 64 << 20;

/// Names for the places of a file: its functions, variables and compilation units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    pub functions: Vec<Function>,
    pub variables: Vec<Function>,
    /// Sources of compilation units.
    names: Vec<String>,
    /// Start and end of their code, and the index of the name; by start.
    ranges: Vec<(u64, u64, usize)>,
}

/// Reads symbols and units, of the file itself or of its separate debug file.
pub fn origins(bytes: &[u8]) -> Origins {
    let Ok(layout) = layout::layout(bytes) else { return Origins::default() };
    let mut out =
        Origins { functions: layout.functions, variables: layout.variables, ..Origins::default() };
    let Ok(facts) = facts(bytes) else { return out };
    for unit in units(&facts, None, None) {
        let index = out.names.len();
        out.ranges.extend(unit.ranges.iter().map(|(start, end)| (*start, *end, index)));
        out.names.push(unit.name);
    }
    out.ranges.sort_unstable();
    out
}

fn at(list: &[Function], address: u64) -> Option<&Function> {
    let index = list.partition_point(|symbol| symbol.address <= address);
    let symbol = list.get(index.checked_sub(1)?)?;
    (address < symbol.address.saturating_add(symbol.size)).then_some(symbol)
}

impl Origins {
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.variables.is_empty()
    }

    /// The source of the unit whose code is at an address.
    pub fn unit_at(&self, address: u64) -> Option<&str> {
        let index = self.ranges.partition_point(|(start, ..)| *start <= address);
        let (_, end, name) = self.ranges.get(index.checked_sub(1)?)?;
        if *end <= address {
            return None;
        }
        self.names.get(*name).map(String::as_str)
    }

    /// A function for people, with its unit: `work (hw/core/qdev.c)`.
    fn function_text(&self, function: &Function) -> String {
        match self.unit_at(function.address) {
            Some(unit) => format!("{} ({unit})", function.name),
            None => function.name.clone(),
        }
    }

    /// Finds the variables that lie in one of the ranges, and the functions and variables that
    /// point there.
    pub fn users(&self, bytes: &[u8], ranges: &[(u64, u64)]) -> Vec<String> {
        let mut out = Vec::new();
        let Ok(facts) = facts(bytes) else { return out };
        for (start, _) in ranges {
            out.extend(at(&self.variables, *start).map(|variable| variable.name.clone()));
        }
        let within =
            |address: u64| ranges.iter().any(|(start, end)| (*start..*end).contains(&address));
        if facts.machine == Machine::X86_64 {
            self.code_users(&facts, ranges, &within, &mut out);
        }
        let ctx = Ctx::new(
            if facts.is_64 { Container::Big } else { Container::Little },
            if facts.little_endian { Endian::Little } else { Endian::Big },
        );
        data_relocations(&facts, ctx, &mut |relocation| {
            if relocation.points_to.is_some_and(within)
                && let Some(variable) = at(&self.variables, relocation.address)
            {
                out.push(variable.name.clone());
            }
        });
        out.sort();
        out.dedup();
        out
    }

    /// Finds functions with an instruction that addresses a range relative to itself. Bytes that
    /// could be such a distance are looked for first; only functions with some are decoded.
    fn code_users(
        &self,
        facts: &Facts<'_>,
        ranges: &[(u64, u64)],
        within: &dyn Fn(u64) -> bool,
        out: &mut Vec<String>,
    ) {
        let low = ranges.iter().map(|range| range.0).min().unwrap_or(0);
        let high = ranges.iter().map(|range| range.1).max().unwrap_or(0);
        let mut decoded = BTreeSet::new();
        let mut budget = MAX_DECODED;
        let memory = Memory::of(facts);
        for region in memory.code() {
            let bytes = memory.copy(region.address, u64::MAX).unwrap_or_default();
            for (at_byte, four) in bytes.windows(4).enumerate() {
                let distance = i32::from_le_bytes([four[0], four[1], four[2], four[3]]);
                let next = region.address.wrapping_add(at_byte as u64 + 4);
                let target = next.wrapping_add_signed(distance.into());
                if !(low..high).contains(&target) || !within(target) {
                    continue;
                }
                let Some(function) = at(&self.functions, next) else { continue };
                if !decoded.insert(function.address) {
                    continue;
                }
                let start = usize::try_from(function.address.wrapping_sub(region.address));
                let size = usize::try_from(function.size).unwrap_or(usize::MAX);
                let body = start.ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
                let body = body.get(..size).unwrap_or(body);
                let Some(rest) = budget.checked_sub(body.len()) else { return };
                budget = rest;
                let mut decoder = iced_x86::Decoder::with_ip(64, body, function.address, 0);
                let uses = decoder.iter().any(|instruction| {
                    instruction.is_ip_rel_memory_operand()
                        && within(instruction.ip_rel_memory_address())
                });
                if uses {
                    out.push(self.function_text(function));
                }
            }
        }
    }

    /// A text for the function of a name: with its unit, where that is known.
    pub fn named(&self, name: &str) -> String {
        let found = self.functions.iter().find(|function| function.name == name);
        found.map_or_else(|| name.to_owned(), |function| self.function_text(function))
    }
}
