//! What annobin, a compiler plugin, recorded of how code was compiled; evidence where there is no debug information. Pure.
//!
//! Notes of `.gnu.build.attributes` (Watermark specification, version 3) name a range of code each, strings of
//! `.annobin.notes` none: they speak of all code. Both are turned into units whose producer has the options in words,
//! so that whoever judges units needs to know of one form only.

use std::collections::BTreeMap;

use goblin::container::{Container, Ctx, Endian};

use super::dwarf::Unit;
use super::notes::word;
use super::{Facts, Kind, SegmentKind};

/// Note types of annobin: `NT_GNU_BUILD_ATTRIBUTE_OPEN` and `NT_GNU_BUILD_ATTRIBUTE_FUNC`.
const OPEN: u32 = 0x100;
const FUNC: u32 = 0x101;
/// Number of the attribute that holds the kind of stack protector
/// (`GNU_BUILD_ATTRIBUTE_STACK_PROT`).
const STACK_PROTECTOR: u8 = 2;
/// The largest number of annotated ranges that is kept of one file.
const MAX_NOTES: usize = 200_000;

/// The options that annobin recorded for one range of code; `None` where it recorded nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Recorded {
    stack_protector: Option<u64>,
    fortify: Option<u64>,
    stack_clash: Option<bool>,
    control_flow: Option<u64>,
    /// annobin's `-g -O -W` word.
    optimisation: Option<u64>,
}

impl Recorded {
    fn set(&mut self, name: &[u8], value: u64) {
        match name {
            [STACK_PROTECTOR] | b"SP" => self.stack_protector = Some(value),
            b"FORTIFY" | b"FL" => self.fortify = Some(value),
            b"stack_clash" | b"SC" => self.stack_clash = Some(value != 0),
            b"cf_protection" | b"CF" => self.control_flow = Some(value),
            b"GOW" | b"GW" => self.optimisation = Some(value),
            _ => {}
        }
    }

    /// Makes a compilation unit of what was recorded; `None` when none of it is an option that
    /// rules ask for.
    fn unit(self, name: String, ranges: Vec<(u64, u64)>) -> Option<Unit> {
        let mut producer = "GNU options recorded by annobin:".to_owned();
        // Bits 9 and 10 of the word are the level, bit 13 is -Og.
        let level =
            self.optimisation.map(|word| if word & 1 << 13 != 0 { 1 } else { word >> 9 & 3 });
        let words = [
            level.map(|level| format!("-O{level}")),
            self.stack_protector.and_then(|value| {
                let word = match value {
                    0 => "-fno-stack-protector",
                    1 => "-fstack-protector",
                    2 => "-fstack-protector-all",
                    3 => "-fstack-protector-strong",
                    4 => "-fstack-protector-explicit",
                    _ => return None,
                };
                Some(word.to_owned())
            }),
            self.stack_clash
                .map(|on| format!("-f{}stack-clash-protection", if on { "" } else { "no-" })),
            // GCC's flag plus one: none 1, branch 2, return 3, full 4; 4 more when it was given.
            self.control_flow.and_then(|value| {
                let word = ["none", "branch", "return", "full"];
                let index = usize::try_from((value.checked_sub(1)?) & 3).ok()?;
                Some(format!("-fcf-protection={}", word.get(index)?))
            }),
        ];
        for word in words.into_iter().flatten() {
            producer.push(' ');
            producer.push_str(&word);
        }
        // 0xfe and 0xff: the plugin could not tell (link-time optimisation).
        let fortify = self.fortify.and_then(|level| u8::try_from(level).ok()).filter(|it| *it < 10);
        let unoptimised = level == Some(0);
        self.stack_protector.or(self.fortify)?;
        Some(Unit {
            name,
            producer,
            ranges,
            fortify: fortify.map(|it| if unoptimised { 0 } else { it }),
            split: false,
        })
    }
}

/// Compilation units made of annobin's notes, or of its strings where a file has no notes.
pub(super) fn units(facts: &Facts<'_>) -> Vec<Unit> {
    let ctx = Ctx::new(
        if facts.is_64 { Container::Big } else { Container::Little },
        if facts.little_endian { Endian::Little } else { Endian::Big },
    );
    let mut out = Vec::new();
    for section in &facts.sections.list {
        if section.name.starts_with(".gnu.build.attributes")
            && let Some(data) = facts.sections.bytes_of(section)
        {
            out.extend(notes(data, ctx, facts.kind == Kind::Relocatable));
        }
    }
    if out.is_empty() {
        out = facts
            .sections
            .raw(".annobin.notes")
            .map(|data| strings(data, facts))
            .unwrap_or_default();
    }
    out
}

fn notes(data: &[u8], ctx: Ctx, relocatable: bool) -> Vec<Unit> {
    let mut found: BTreeMap<(u64, u64), Recorded> = BTreeMap::new();
    let mut range = (0, 0);
    let mut at = 0_usize;
    while let Some(head) = data.get(at..at.saturating_add(12)) {
        let (length, size) = (word(head, ctx) as usize, word(&head[4..], ctx) as usize);
        let kind = word(&head[8..], ctx);
        let names = at + 12;
        let start = names.saturating_add(length.next_multiple_of(4));
        let Some(name) = data.get(names..names.saturating_add(length)) else { break };
        let Some(body) = data.get(start..start.saturating_add(size)) else { break };
        at = start.saturating_add(size.next_multiple_of(4));
        if !matches!(kind, OPEN | FUNC) || found.len() >= MAX_NOTES {
            continue;
        }
        // In an object the addresses are relocations still.
        if !relocatable {
            range = addresses(body, ctx).unwrap_or(range);
        }
        if let Some((name, value)) = attribute(name) {
            found.entry(range).or_default().set(name, value);
        }
    }
    found
        .into_iter()
        .filter(|((start, end), _)| start < end || relocatable)
        .filter_map(|((start, end), recorded)| {
            recorded.unit(format!("code at {start:#x}-{end:#x}"), vec![(start, end)])
        })
        .collect()
}

/// Start and end address of a note's range; an empty description means the range of the note
/// before.
fn addresses(body: &[u8], ctx: Ctx) -> Option<(u64, u64)> {
    let number = |at: usize| {
        if ctx.container == Container::Little {
            return Some(u64::from(word(body.get(at / 2..)?.get(..4)?, ctx)));
        }
        let bytes: [u8; 8] = body.get(at..at + 8)?.try_into().ok()?;
        Some(if ctx.le == Endian::Little {
            u64::from_le_bytes(bytes)
        } else {
            u64::from_be_bytes(bytes)
        })
    };
    Some((number(0)?, number(8)?))
}

/// Reads an attribute from a note's name: `GA`, a sign for the type, the attribute's number or
/// name, its value: `*` a number of little-endian bytes, `+` true, `!` false.
fn attribute(name: &[u8]) -> Option<(&[u8], u64)> {
    let (sign, rest) = name.strip_prefix(b"GA")?.split_first()?;
    let (name, value) = match rest.first()? {
        id if *id < 32 => rest.split_at(1),
        _ => {
            let end = memchr::memchr(0, rest)?;
            (&rest[..end], rest.get(end + 1..)?)
        }
    };
    match sign {
        b'*' => {
            let digits = value.iter().take(8).rev();
            Some((name, digits.fold(0, |number, digit| number << 8 | u64::from(*digit))))
        }
        b'+' => Some((name, 1)),
        b'!' => Some((name, 0)),
        _ => None,
    }
}

/// Reads the strings of `.annobin.notes`: `XX:VALUE`, with a file name after a space where a file
/// differs from the rest.
fn strings(data: &[u8], facts: &Facts<'_>) -> Vec<Unit> {
    let mut found: BTreeMap<&str, Recorded> = BTreeMap::new();
    for text in data.split(|byte| *byte == 0) {
        let Ok(text) = std::str::from_utf8(text) else { continue };
        let Some((name, value)) = text.split_once(':').filter(|(name, _)| name.len() == 2) else {
            continue;
        };
        let (value, file) = value.split_once(' ').unwrap_or((value, ""));
        let digits = value.trim_start_matches('-');
        let number = match digits.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None if name == "GW" => u64::from_str_radix(digits, 16),
            None => digits.parse(),
        };
        if let Ok(number) = number.map(|number| if value.starts_with('-') { 0xff } else { number })
            && found.len() < MAX_NOTES
        {
            found.entry(file).or_default().set(name.as_bytes(), number);
        }
    }
    // Equal strings of all objects are merged, so what is said of no file is said of all code.
    let code: Vec<(u64, u64)> = facts
        .segments
        .iter()
        .filter(|segment| segment.kind == SegmentKind::Load && segment.execute)
        .map(|segment| (segment.address, segment.address.saturating_add(segment.memory_size)))
        .collect();
    found
        .into_iter()
        .filter_map(|(file, recorded)| {
            let name = if file.is_empty() { "all other code" } else { file };
            recorded.unit(name.to_owned(), code.clone())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::attribute;

    #[test]
    fn attributes_are_numbers_and_words_with_values_of_any_length() {
        assert_eq!(attribute(b"GA*\x02\x03\0"), Some((&b"\x02"[..], 3)));
        assert_eq!(attribute(b"GA*\x02\0"), Some((&b"\x02"[..], 0)));
        assert_eq!(attribute(b"GA*FORTIFY\0\xff\0"), Some((&b"FORTIFY"[..], 0xff)));
        assert_eq!(attribute(b"GA*GOW\0\0\x9a\x02\0"), Some((&b"GOW"[..], 0x0002_9a00)));
        assert_eq!(attribute(b"GA+stack_clash\0"), Some((&b"stack_clash"[..], 1)));
        assert_eq!(attribute(b"GA!stack_clash\0"), Some((&b"stack_clash"[..], 0)));
        for bad in [&b"GA"[..], b"GA*", b"GB*\x02\x03", b"GA*FORTIFY", b"GA$\x013p"] {
            assert_eq!(attribute(bad), None, "{bad:?}");
        }
    }
}
