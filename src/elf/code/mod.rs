//! What the code does, function by function. Works on stripped files: `.eh_frame` says where functions are.
//!
//! x86-64 code is read in two steps. A scan over all bytes ([`scan`]) looks at each pair of bytes once and finds every
//! place where an instruction of interest could stand; only functions with such places are decoded ([`frame`],
//! [`sizes`], [`safestack`]). What an instruction set cannot do without certain bytes, the scan cannot miss. AArch64
//! code is a row of words, each looked at once ([`arm`]). Pure.

mod arm;
mod classes;
mod elsewhere;
mod frame;
mod guards;
mod imports;
mod locals;
mod program;
mod safestack;
mod scan;
mod sizes;
mod targets;

use std::collections::{BTreeMap, BTreeSet};

use goblin::container::{Container, Ctx, Endian};

use super::functions::{self, Frames, Range};
use super::go::{self, GoCode};
use super::memory::{Memory, readable};
use super::symbols::{self, NamedFunction};
use super::{Facts, Kind, Machine, Sections};

pub use elsewhere::Elsewhere;
pub use targets::Targets;

bitflags::bitflags! {
    /// What was seen in a function, as a set of bits.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct Marks: u32 {
        /// The function reads the canary.
        const LOADS_CANARY = 1;
        /// The function compares a value with the canary, or reads the canary a second time.
        const CHECKS_CANARY = 1 << 1;
        /// The function calls `__stack_chk_fail`.
        const CALLS_FAIL = 1 << 2;
        /// The function takes the address of a local variable.
        const FRAME_ADDRESS = 1 << 3;
        /// It returns.
        const RETURNS = 1 << 4;
        /// The frame grows by a page or more, or by an amount only known at run time.
        const STEP = 1 << 5;
        /// The function calls a checked function (`__*_chk`) that is told a size.
        const SIZED_CALL = 1 << 6;
        /// The function writes thread-local data.
        const TLS_STORE = 1 << 7;
        /// The function sets up a frame pointer.
        const FRAME_POINTER = 1 << 8;
        /// The function returns to an address that was on the stack.
        const FROM_STACK = 1 << 9;
        /// It returns to an address that was on the stack without authenticating it (`AArch64`).
        const UNAUTHENTICATED = 1 << 10;
        /// The frame grows by a page or more, and every page is touched.
        const PROBES = 1 << 11;
        /// The function moves SafeStack's unsafe stack pointer and puts it back.
        const SAFE_STACK = 1 << 12;
        /// The function checks the type of an indirect call (clang CFI).
        const CFI_CHECK = 1 << 13;
        /// The function addresses local variables below the frame pointer.
        const BELOW_FRAME = 1 << 14;
        /// The function zeroes a call-used register right before it returns.
        const ZEROES = 1 << 15;
        /// It begins with a landing pad (x86-64).
        const LANDS = 1 << 16;
    }
}

/// A function: its addresses, and what was seen in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    pub start: u64,
    pub end: u64,
    pub marks: Marks,
}

/// A place where the stack can grow past its guard page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnprobedStep {
    pub function: u64,
    pub address: u64,
    /// Bytes between two touched addresses; `None` when only known at run time.
    pub bytes: Option<u64>,
}

/// How often checked functions (`__*_chk`) are told which kind of object size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectSizes {
    pub constant: usize,
    /// -1: the compiler did not know.
    pub unknown: usize,
    /// Computed at run time: only `_FORTIFY_SOURCE=3` does.
    pub computed: usize,
    /// We could not follow the register.
    pub unseen: usize,
}

/// All that was found in the code of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code<'a> {
    pub functions: Vec<Function>,
    /// Bytes of code without padding, and those of them inside a function we know.
    pub bytes: u64,
    pub covered: u64,
    /// Calls and tail calls per imported function.
    pub calls: BTreeMap<&'a str, usize>,
    pub sizes: ObjectSizes,
    pub targets: Targets,
    pub unprobed: Vec<UnprobedStep>,
    /// Return instructions, and those right after a call-used register was zeroed.
    pub returns: usize,
    pub zeroing_returns: usize,
    /// Entries of clang's jump tables.
    pub jump_table_entries: usize,
    /// Starts of a static program's own functions, when they can be told from the C library's.
    pub own: Option<BTreeSet<u64>>,
    /// Go's functions, which are none of the above; what they do is Go's own business.
    pub go: Option<GoCode>,
    /// What bytes in no known function could do; `None` where they were not looked at.
    pub elsewhere: Option<Elsewhere>,
    names: Vec<NamedFunction<'a>>,
}

impl<'a> Code<'a> {
    pub fn count(&self, marks: Marks) -> usize {
        self.functions.iter().filter(|function| function.marks.contains(marks)).count()
    }

    /// The name of the function at an address, if the file or its debug file has one.
    pub fn symbol(&self, address: u64) -> Option<&NamedFunction<'a>> {
        let after = self.names.partition_point(|function| function.address <= address);
        self.names[..after]
            .iter()
            .rev()
            .take(8)
            .find(|function| {
                let size = function.size.max(1);
                address - function.address < size
            })
            .filter(|function| !function.name.is_empty())
    }

    /// The name of the function at an address, or the address in hexadecimal.
    pub fn name(&self, address: u64) -> String {
        match self.symbol(address) {
            Some(function) if function.address == address => function.name.to_owned(),
            Some(function) => format!("{}+{:#x}", function.name, address - function.address),
            None => format!("{address:#x}"),
        }
    }

    /// The functions whose start lies in one of the ranges.
    pub fn functions_in(&self, ranges: &[(u64, u64)]) -> impl Iterator<Item = &Function> {
        ranges.iter().flat_map(|(start, end)| {
            let first = self.functions.partition_point(|function| function.start < *start);
            let rest = self.functions.get(first..).unwrap_or_default();
            rest.iter().take_while(|function| function.start < *end)
        })
    }

    pub fn function_at(&self, address: u64) -> Option<&Function> {
        let after = self.functions.partition_point(|function| function.start <= address);
        self.functions[..after].last().filter(|function| address < function.end)
    }

    fn count_calls(&mut self, imports: &imports::Imports<'a>) {
        for (name, count) in imports.counts() {
            *self.calls.entry(name).or_default() += count;
        }
    }

    /// Tells whether names of functions are known.
    pub fn has_names(&self) -> bool {
        !self.names.is_empty()
    }
}

/// Reads the code of a file. `debug` are the sections of the separate debug file. `None` when the
/// instruction set is not one we read, or the file has no code.
pub fn code<'a>(facts: &Facts<'a>, debug: Option<&Sections<'a>>) -> Option<Code<'a>> {
    if !readable(facts.machine) || matches!(facts.kind, Kind::DebugFile | Kind::Core) {
        return None;
    }
    let ctx = Ctx::new(
        if facts.is_64 { Container::Big } else { Container::Little },
        if facts.little_endian { Endian::Little } else { Endian::Big },
    );
    let memory = Memory::of(facts);
    let relocatable = facts.kind == Kind::Relocatable;
    let mut names = symbols::functions(&facts.sections, relocatable, ctx);
    if let Some(debug) = debug.filter(|_| names.is_empty()) {
        names = symbols::functions(debug, false, ctx);
    }
    if names.is_empty() && !relocatable {
        names = exported(facts);
    }
    let FunctionMap { ranges, covered, others, go, table, frames } = known(&memory, facts, &names);
    let mut out = Code {
        functions: ranges.iter().map(function).collect(),
        bytes: covered + others.unwrap_or(0),
        covered,
        calls: BTreeMap::new(),
        sizes: ObjectSizes::default(),
        targets: Targets::default(),
        unprobed: Vec::new(),
        returns: 0,
        zeroing_returns: 0,
        jump_table_entries: 0,
        own: None,
        go,
        elsewhere: None,
        names,
    };
    // Go's programs: nothing to ascribe what is found to, and no function of others is called.
    if out.functions.is_empty() && facts.dynamic.is_none() {
        return Some(out);
    }
    let is_static = matches!(facts.kind, Kind::StaticExecutable | Kind::StaticPie);
    let taken = if facts.machine == Machine::X86_64 {
        let seen = x86(&memory, facts, ctx, &mut out);
        if others.is_none() {
            out.bytes += seen.between;
        }
        let mut elsewhere = seen.elsewhere;
        let unwinding =
            |address: u64| frames.is_some_and(|place| (place.start..place.end).contains(&address));
        elsewhere.sift(&memory, facts, &|address| table.owns(address) || unwinding(address));
        out.elsewhere = Some(elsewhere);
        seen.taken
    } else {
        let imports = imports::Imports::of(&memory, facts, true);
        let taken = arm::scan(&memory, facts, ctx, &imports, &mut out);
        guards::of_aarch64(&memory, facts, &mut out);
        if is_static {
            out.own = own(&memory, facts, ctx, &out).of_aarch64();
        }
        out.count_calls(&imports);
        taken
    };
    out.targets = targets::targets(facts, ctx, &memory, &out, taken);
    Some(out)
}

/// Reads x86-64 code: scans all of it, then decodes the functions the scan marked.
fn x86<'a>(memory: &Memory<'a>, facts: &Facts<'a>, ctx: Ctx, out: &mut Code<'a>) -> scan::Seen {
    let mut imports = imports::Imports::of(memory, facts, false);
    let mut seen = scan::scan(memory, facts, &imports, out);
    if seen.is_none() {
        // Stubs where no section says that there are some.
        for function in &mut out.functions {
            function.marks = Marks::default();
        }
        (out.returns, out.zeroing_returns, out.jump_table_entries) = (0, 0, 0);
        imports = imports::Imports::of(memory, facts, true);
        seen = scan::scan(memory, facts, &imports, out);
    }
    let mut seen = seen.unwrap_or_default();
    guards::of_x86(memory, facts, &mut seen.extents, out);
    decode(memory, facts.entry, &imports, &seen.extents, out);
    if matches!(facts.kind, Kind::StaticExecutable | Kind::StaticPie) {
        out.own = own(memory, facts, ctx, out).of_x86();
    }
    out.count_calls(&imports);
    seen
}

fn own<'p, 'a>(
    memory: &'p Memory<'a>,
    facts: &'p Facts<'a>,
    ctx: Ctx,
    code: &'p Code<'a>,
) -> program::Program<'p, 'a> {
    program::Program { memory, facts, functions: &code.functions, names: &code.names, ctx }
}

/// Where functions are, as far as tables of the file say.
struct FunctionMap {
    /// All but Go's.
    ranges: Vec<Range>,
    /// Bytes in them.
    covered: u64,
    /// Bytes of code that are in no function at all, without padding; `None` when they are few, and counted on the way.
    others: Option<u64>,
    go: Option<GoCode>,
    /// Go's own functions.
    table: go::Table,
    /// `.eh_frame`
    frames: Option<Range>,
}

fn known(memory: &Memory<'_>, facts: &Facts<'_>, names: &[NamedFunction<'_>]) -> FunctionMap {
    let Frames { functions: unwound, place: frames } = functions::from_eh_frame(memory, facts);
    let length = |ranges: &[Range]| ranges.iter().map(|range| range.end - range.start).sum();
    let ranges = functions::ranges(memory, unwound.clone(), names);
    let covered: u64 = length(&ranges);
    // Names are no proof, only a reason to look for one; so is code that nothing explains.
    let claimed = facts.sections.list.iter().any(|section| go::names_section(section.name));
    let all: u64 = memory.code().map(|region| region.end() - region.address).sum();
    let plain = FunctionMap {
        ranges,
        covered,
        others: None,
        go: None,
        table: go::Table::default(),
        frames,
    };
    // Padding or not, it is less than what is known.
    if !claimed && facts.machine == Machine::X86_64 && all.saturating_sub(covered) <= covered {
        return plain;
    }
    let others = functions::uncovered(memory, &plain.ranges);
    let table =
        if !claimed && others <= covered { None } else { go::table(memory, facts, &unwound) };
    let Some(table) = table else { return FunctionMap { others: Some(others), ..plain } };
    let names: Vec<NamedFunction<'_>> =
        names.iter().filter(|function| !table.names(memory, function)).copied().collect();
    let ranges = functions::ranges(memory, [unwound, table.foreign.clone()].concat(), &names);
    let go = table.with(memory, &ranges);
    FunctionMap {
        covered: length(&ranges),
        ranges,
        others: Some(go.others),
        go: Some(go),
        table,
        frames,
    }
}

fn function(range: &Range) -> Function {
    Function { start: range.start, end: range.end, marks: Marks::default() }
}

fn exported<'a>(facts: &Facts<'a>) -> Vec<NamedFunction<'a>> {
    let mut out: Vec<NamedFunction<'a>> = facts
        .symbols
        .iter()
        .filter(|symbol| symbol.defined && symbol.function)
        .map(|symbol| NamedFunction {
            address: symbol.address,
            size: symbol.size,
            name: symbol.name,
            file: "",
        })
        .collect();
    out.sort_by(|a, b| (a.address, a.name).cmp(&(b.address, b.name)));
    out
}

/// The second operand of an instruction, when it is a number; iced's own accessor wants to be asked
/// for nothing else.
fn immediate(instruction: &iced_x86::Instruction) -> Option<u64> {
    instruction.try_immediate(1).ok()
}

/// Decodes the functions that the scan marked, each as far as it takes to know.
fn decode(
    memory: &Memory<'_>,
    entry: u64,
    imports: &imports::Imports<'_>,
    extents: &[scan::Extent],
    out: &mut Code<'_>,
) {
    // Where nothing is protected, it is enough to know that of some functions for certain.
    let mut certain = if out.count(Marks::LOADS_CANARY) > 0 { usize::MAX } else { 4096 };
    let whole = Marks::STEP | Marks::TLS_STORE;
    let mut instructions = Vec::new();
    let options = iced_x86::DecoderOptions::NONE;
    for (index, extent) in extents.iter().enumerate() {
        let Some(function) = out.functions.get(index).copied() else { break };
        let unprotected = certain > 0
            && function.marks.contains(Marks::FRAME_ADDRESS)
            && !function.marks.contains(Marks::LOADS_CANARY);
        // Never checked: true of a function that never returns, and a byte like `ret` may be part of something else.
        let unchecked = function.marks.contains(Marks::LOADS_CANARY | Marks::RETURNS)
            && !function.marks.contains(Marks::CHECKS_CANARY);
        let sized = function.marks.contains(Marks::SIZED_CALL);
        let length = function.end - function.start;
        let mut marks = function.marks;
        if unprotected {
            let last = function.start.saturating_add(extent.taken);
            let only_parameters = function.start == entry
                || memory.look(function.start, length, |bytes| {
                    let mut decoder =
                        iced_x86::Decoder::with_ip(64, bytes, function.start, options);
                    locals::only_parameters(decoder.iter(), last)
                }) == Some(true);
            if only_parameters {
                marks -= Marks::FRAME_ADDRESS;
            } else {
                certain -= 1;
            }
        }
        if function.marks.intersects(whole) || unchecked || sized {
            let last = if function.marks.intersects(whole) || unchecked {
                u64::MAX
            } else {
                function.start.saturating_add(extent.sized)
            };
            instructions.clear();
            let decoded = memory.look(function.start, length, |bytes| {
                let mut decoder = iced_x86::Decoder::with_ip(64, bytes, function.start, options);
                while decoder.can_decode() && decoder.ip() <= last {
                    instructions.push(decoder.decode());
                }
            });
            if decoded.is_none() {
                continue;
            }
        }
        let is_return = |it: &iced_x86::Instruction| it.mnemonic() == iced_x86::Mnemonic::Ret;
        if unchecked && !instructions.iter().any(is_return) {
            marks -= Marks::RETURNS;
        }
        if function.marks.contains(Marks::STEP) {
            match frame::unprobed(&instructions) {
                frame::Answer::Small => {}
                frame::Answer::Probed => marks |= Marks::PROBES,
                frame::Answer::Unprobed { address, bytes } => {
                    out.unprobed.push(UnprobedStep { function: function.start, address, bytes });
                }
            }
        }
        if sized {
            sizes::sizes(&instructions, imports, &mut out.sizes);
        }
        if function.marks.contains(Marks::TLS_STORE) && safestack::moves_and_restores(&instructions)
        {
            marks |= Marks::SAFE_STACK;
        }
        if let Some(function) = out.functions.get_mut(index) {
            function.marks = marks;
        }
    }
}
