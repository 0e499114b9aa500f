//! What is kept of each unit of an examined file: the options it was compiled with, and what its functions do. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::CompileOptions;
use crate::elf::{Code, Marks, Unit};

/// Units kept of one file; more than any program has that we build.
const MAX_UNITS: usize = 50_000;
/// Names kept of a unit's functions.
const SHOWN: usize = 3;

/// A unit as its debug information and its code tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitSummary {
    /// The source file.
    pub name: String,
    pub(crate) options: Arc<CompileOptions>,
    /// The FORTIFY level its macros say.
    pub(crate) fortify: Option<u8>,
    pub(crate) functions: usize,
    /// Functions that read a canary.
    pub(crate) canaries: usize,
    /// Functions that take the address of a local and read none: how many, and the first.
    pub(crate) unprotected: (usize, Vec<String>),
    pub(crate) returning: usize,
    /// Functions that zero a register before they return.
    pub(crate) zeroing: usize,
    /// Places where a frame skips a page.
    pub(crate) unprobed: Vec<String>,
    /// Possible targets of indirect branches without a landing pad.
    pub(crate) padless: Vec<String>,
}

/// Summaries of all units that have code.
pub(in crate::verify) fn summaries(units: &[Unit], code: Option<&Code<'_>>) -> Vec<UnitSummary> {
    let mut known: BTreeMap<&str, Arc<CompileOptions>> = BTreeMap::new();
    let unprobed = code.map(|code| code.unprobed.as_slice()).unwrap_or_default();
    let unprobed: Vec<u64> = unprobed.iter().map(|step| step.address).collect();
    let missing = code.map(|code| code.targets.missing.as_slice()).unwrap_or_default();
    let with_code = units.iter().filter(|unit| !unit.ranges.is_empty());
    with_code
        .take(MAX_UNITS)
        .map(|unit| {
            let options = known
                .entry(&unit.producer)
                .or_insert_with(|| Arc::new(CompileOptions::of_producer(&unit.producer)))
                .clone();
            let named = |addresses: &[u64]| names(code, addresses, &unit.ranges);
            let mut summary = UnitSummary {
                name: unit.name.clone(),
                options,
                fortify: unit.fortify,
                functions: 0,
                canaries: 0,
                unprotected: (0, Vec::new()),
                returning: 0,
                zeroing: 0,
                unprobed: named(&unprobed),
                padless: named(missing),
            };
            if let Some(code) = code {
                summary.tell(code, &unit.ranges);
            }
            summary
        })
        .collect()
}

impl UnitSummary {
    fn tell(&mut self, code: &Code<'_>, ranges: &[(u64, u64)]) {
        for function in code.functions_in(ranges) {
            let marks = function.marks;
            self.functions += 1;
            self.returning += usize::from(marks.contains(Marks::RETURNS));
            self.zeroing += usize::from(marks.contains(Marks::ZEROES));
            if marks.intersects(Marks::LOADS_CANARY | Marks::CALLS_FAIL) {
                self.canaries += 1;
            } else if marks.contains(Marks::FRAME_ADDRESS) {
                self.unprotected.0 += 1;
                if self.unprotected.1.len() < SHOWN {
                    self.unprotected.1.push(code.name(function.start));
                }
            }
        }
    }
}

/// Names of the addresses that lie in some ranges. Addresses come in order.
fn names(code: Option<&Code<'_>>, addresses: &[u64], ranges: &[(u64, u64)]) -> Vec<String> {
    let Some(code) = code.filter(|_| !addresses.is_empty()) else { return Vec::new() };
    let mut out = Vec::new();
    for (start, end) in ranges {
        let first = addresses.partition_point(|address| address < start);
        let inside = addresses[first..].iter().take_while(|address| *address < end);
        out.extend(inside.take(SHOWN).map(|address| code.name(*address)));
        if out.len() >= SHOWN {
            break;
        }
    }
    out.truncate(SHOWN);
    out
}
