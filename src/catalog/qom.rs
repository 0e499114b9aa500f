//! QOM types of C files: every `TypeInfo` with its name, parent and the preprocessor condition around it.
//!
//! Pure. Registration in loops over tables (`e1000_devices[]`), the virtio-pci helper with its transitional twins and
//! the machine macros are known by their shape; a name that is none of these constants is reported as unseen.

use std::sync::LazyLock;

use aho_corasick::packed;
use serde::{Deserialize, Serialize};

use super::backends::{self, Backend};
use super::condition::Condition;
use super::creatable::{self, Says};
use super::macros::{Macros, matching, split_commas};
use super::preprocess::{condition_at, preprocess};

/// A QOM type as a source file registers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDef {
    pub name: String,
    pub parent: Option<String>,
    pub is_abstract: bool,
    /// Of the registration inside its file; the file has its own.
    pub condition: Condition,
    pub file: String,
    pub line: u32,
    /// What its class says of `user_creatable`; `None` inherits.
    pub creatable: Option<bool>,
    /// Its class initialiser, where that is a function of another file.
    pub initialiser: Option<String>,
    /// Fields that are true in the row of a table its class is made from.
    pub flags: Vec<String>,
    /// Interfaces by name.
    pub interfaces: Vec<String>,
    /// Its class says `internal = true`: a character device the command line cannot name.
    pub internal: bool,
    /// Registered only when a test at program start succeeds: `memory-backend-epc` where /dev/sgx_vepc can be opened.
    pub at_start: bool,
    /// Version of a machine made by a versioned macro; see `Deletion` in `catalog`.
    pub versioned: Option<(u32, u32)>,
}

/// A `TypeInfo` whose name we could not evaluate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    pub file: String,
    pub line: u32,
    pub expression: String,
}

/// Words of which a file must have one to be read for types.
const MARKS: [&[u8]; 6] = [
    b"TypeInfo",
    b"OBJECT_DEFINE_",
    b"_MACHINE",
    b"DEFINE_TYPES",
    b"builtin_x86_defs",
    b"ARMCPUInfo ",
];

/// The types and backends that one source file registers.
#[derive(Debug, Default)]
pub(super) struct Registered {
    pub types: Vec<TypeDef>,
    pub unseen: Vec<Unseen>,
    pub backends: Vec<Backend>,
    /// Functions whose word on `user_creatable` depends on a row.
    pub initialisers: Vec<(String, Says)>,
}

/// A search for all marks in one pass, at the speed of memory where the processor has vectors;
/// `None` where it has not.
static WORDS: LazyLock<Option<packed::Searcher>> =
    LazyLock::new(|| packed::Searcher::new(MARKS.iter().chain(&backends::MARKS)));

/// Tells whether a file has a word that registering a type or a backend takes.
pub(super) fn may_register(bytes: &[u8]) -> bool {
    WORDS.as_ref().is_none_or(|words| words.find(bytes).is_some())
}

/// Reads the types and backends of one source file. `global` holds the macros of all headers.
pub(super) fn read(path: &str, text: &str, global: &Macros<'_>) -> Registered {
    let has = |mark: &&[u8]| find(text, mark).is_some();
    let (types, others) = (MARKS.iter().any(has), backends::MARKS.iter().any(has));
    let preprocessed = preprocess(text);
    let text = preprocessed.text;
    let mut own = Macros::default();
    own.add(&text);
    let mut scan = Scan {
        path,
        text: &text,
        global,
        own: &own,
        regions: preprocessed.regions,
        types: Vec::new(),
        unseen: Vec::new(),
    };
    if types {
        scan.type_infos();
        scan.object_macros();
        scan.machines();
        scan.x86_models();
        scan.arm_models();
    }
    let backends = if others { backends::backends(&scan) } else { Vec::new() };
    let initialisers = creatable::initialisers(scan.text);
    Registered { types: scan.types, unseen: scan.unseen, backends, initialisers }
}

pub(super) struct Scan<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    global: &'a Macros<'a>,
    own: &'a Macros<'a>,
    /// Offset where a condition begins, in order.
    regions: Vec<(usize, Condition)>,
    types: Vec<TypeDef>,
    unseen: Vec<Unseen>,
}

/// The fields of a `TypeInfo` we read, as source text.
pub(super) struct Fields<'a> {
    pub(super) body: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, field: &str) -> Option<&'a str> {
        split_commas(self.body).into_iter().find_map(|part| {
            let (name, value) = part.trim().strip_prefix('.')?.split_once('=')?;
            (name.trim() == field).then(|| value.trim())
        })
    }
}

impl Scan<'_> {
    pub(super) fn string(&self, expression: &str) -> Option<String> {
        self.global.evaluate(expression, Some(self.own))
    }

    pub(super) fn line(&self, offset: usize) -> u32 {
        let count = memchr::memchr_iter(b'\n', &self.text.as_bytes()[..offset]).count();
        u32::try_from(count).unwrap_or(u32::MAX - 1) + 1
    }

    pub(super) fn condition(&self, offset: usize) -> Condition {
        condition_at(&self.regions, offset)
    }

    /// Reads every `TypeInfo name = {…}` and `TypeInfo name[] = {{…}, …}` of the file.
    fn type_infos(&mut self) {
        let text = self.text;
        for at in memchr::memmem::find_iter(text.as_bytes(), b"TypeInfo ") {
            if self.in_macro(at) {
                continue;
            }
            let virtio = text[..at].ends_with("VirtioPCIDevice");
            let rest = &text[at + "TypeInfo ".len()..];
            let Some((head, _)) = rest.split_once('=') else { continue };
            let variable = head.trim().trim_end_matches("[]").trim();
            if variable.is_empty() || !variable.chars().all(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let body = rest[head.len() + 1..].trim_start();
            if !body.starts_with('{') {
                continue;
            }
            let Some(end) = matching(body) else { continue };
            let inner = &body[1..end];
            let condition = self.condition(at).and(self.registration(variable));
            if head.contains('[') {
                for group in split_commas(inner) {
                    let offset = group.trim_start().as_ptr() as usize - text.as_ptr() as usize;
                    if let Some(fields) =
                        group.trim().strip_prefix('{').and_then(|g| g.strip_suffix('}'))
                    {
                        let condition = condition.clone().and(self.condition(offset));
                        self.type_info(offset, variable, &Fields { body: fields }, condition);
                    }
                }
            } else if virtio {
                self.virtio_pci(at, &Fields { body: inner }, &condition);
            } else {
                self.type_info(at, variable, &Fields { body: inner }, condition);
            }
        }
    }

    /// Tells whether the line at `offset` belongs to a `#define`.
    fn in_macro(&self, offset: usize) -> bool {
        let mut start = offset;
        loop {
            start = self.text[..start].rfind('\n').map_or(0, |n| n);
            if start == 0 || !self.text[..start].ends_with('\\') {
                break;
            }
        }
        self.text[start..offset].trim_start().starts_with("#define")
            || self.text[start..offset].trim_start().starts_with("# define")
    }

    /// The offset of the call that registers `variable`.
    fn call(&self, variable: &str) -> Option<usize> {
        const CALLS: [&str; 4] = [
            "type_register_static(&",
            "type_register(&",
            "virtio_pci_types_register(&",
            "DEFINE_TYPES(",
        ];
        memchr::memmem::find_iter(self.text.as_bytes(), format!("{variable})").as_bytes())
            .find(|at| CALLS.iter().any(|call| self.text[..*at].ends_with(call)))
    }

    /// The preprocessor condition around the call that registers `variable`.
    fn registration(&self, variable: &str) -> Condition {
        self.call(variable).map_or(Condition::Always, |at| self.condition(at))
    }

    /// Tells whether the registering call stands in an `if` of its function, so that the type's
    /// existence is decided when the program starts.
    fn at_start(&self, variable: &str) -> bool {
        let Some(at) = self.call(variable) else { return false };
        let Some(start) = self.text[..at].rfind("\n{") else { return false };
        let mut open: Vec<&str> = Vec::new();
        for line in self.text[start + 1..at].split_inclusive('\n') {
            for c in line.chars() {
                match c {
                    '{' => open.push(line.trim_start()),
                    '}' => {
                        open.pop();
                    }
                    _ => {}
                }
            }
        }
        open.iter().any(|line| line.starts_with("if ") || line.starts_with("if("))
    }

    fn type_info(
        &mut self,
        offset: usize,
        variable: &str,
        fields: &Fields<'_>,
        condition: Condition,
    ) {
        let Some(expression) = fields.get("name") else {
            self.looped(offset, variable, fields, &condition);
            return;
        };
        match self.string(expression) {
            Some(name) => {
                let flags = self.class_data(&name, fields);
                self.push(offset, variable, (name, flags), fields, condition);
            }
            None => match self.table(offset, expression) {
                rows if rows.is_empty() => self.not_seen(offset, expression),
                rows => rows
                    .into_iter()
                    .for_each(|row| self.push(offset, variable, row, fields, condition.clone())),
            },
        }
    }

    /// Reads types that a loop over a table registers: `type_info.name = info->name;`. Other fields
    /// may be assigned there, too.
    fn looped(
        &mut self,
        offset: usize,
        variable: &str,
        fields: &Fields<'_>,
        condition: &Condition,
    ) {
        let text = self.text;
        let Some(rest) = up_to(text, offset + 3000).get(offset..) else { return };
        let assigned = |field: &str| {
            let mark = format!("{variable}.{field} = ");
            let at = rest.find(&mark)?;
            rest[at + mark.len()..].split(';').next().map(|value| (at, value.trim()))
        };
        let Some((at, expression)) = assigned("name") else { return };
        let more: String = ["parent", "class_init", "interfaces"]
            .iter()
            .filter_map(|field| assigned(field).map(|(_, value)| format!(", .{field} = {value}")))
            .collect();
        let body = format!("{}{more}", fields.body.trim_end().trim_end_matches(','));
        for row in self.table(offset + at, expression) {
            self.push(
                offset,
                variable,
                row,
                &Fields { body: body.trim_start_matches([',', ' ']) },
                condition.clone(),
            );
        }
    }

    fn push(
        &mut self,
        offset: usize,
        variable: &str,
        (name, flags): (String, Vec<String>),
        fields: &Fields<'_>,
        condition: Condition,
    ) {
        let parent = fields.get("parent").and_then(|parent| self.string(parent));
        let is_abstract =
            fields.get("abstract").is_some_and(|value| value == "true" || value == "1");
        let class_init = fields.get("class_init").map(|it| it.trim().trim_start_matches('&'));
        let body = class_init.and_then(|function| self.function_body(function));
        let creatable = body.and_then(Says::of).and_then(|says| says.answer(&flags));
        let initialiser = class_init.filter(|_| body.is_none()).map(str::to_owned);
        let interfaces =
            fields.get("interfaces").map(|list| self.interfaces(list)).unwrap_or_default();
        let internal = fields.get("class_init").is_some_and(|function| self.internal(function));
        let at_start = self.at_start(variable);
        let plain = self.plain(name, parent, condition);
        self.add(
            offset,
            TypeDef {
                is_abstract,
                creatable,
                initialiser,
                flags,
                interfaces,
                internal,
                at_start,
                ..plain
            },
        );
    }

    fn add(&mut self, offset: usize, mut definition: TypeDef) {
        definition.line = self.line(offset);
        self.types.push(definition);
    }

    fn interfaces(&self, list: &str) -> Vec<String> {
        let Some(open) = list.find('{') else { return Vec::new() };
        let Some(end) = matching(&list[open..]) else { return Vec::new() };
        split_commas(&list[open + 1..open + end])
            .into_iter()
            .filter_map(|group| {
                self.string(group.trim().trim_start_matches('{').trim_end_matches('}').trim())
            })
            .collect()
    }

    fn internal(&self, function: &str) -> bool {
        self.function_body(function.trim().trim_start_matches('&'))
            .is_some_and(|body| body.contains("->internal = true"))
    }

    fn function_body(&self, function: &str) -> Option<&str> {
        let needle = format!("{function}(");
        let mut from = 0;
        while let Some(at) = find(&self.text[from..], needle.as_bytes()) {
            let rest = &self.text[from + at + function.len()..];
            // `esp_class_init` is no part of `sysbus_esp_class_init`.
            let whole =
                !self.text[..from + at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let after = matching(rest).map(|end| rest[end + 1..].trim_start());
            if let Some(body) = after
                && whole
                && body.starts_with('{')
            {
                return matching(body).map(|end| &body[..end]);
            }
            from += at + needle.len();
        }
        None
    }

    fn not_seen(&mut self, offset: usize, expression: &str) {
        self.unseen.push(Unseen {
            file: self.path.to_owned(),
            line: self.line(offset),
            expression: expression.chars().take(60).collect(),
        });
    }

    /// Reads `virtio_pci_types_register`: a base type and up to three creatable ones
    /// (hw/virtio/virtio-pci.c).
    fn virtio_pci(&mut self, offset: usize, fields: &Fields<'_>, condition: &Condition) {
        let name = |field: &str| fields.get(field).and_then(|expression| self.string(expression));
        let generic = name("generic_name");
        let base = name("base_name")
            .or_else(|| generic.as_ref().map(|generic| format!("{generic}-base-type")));
        let parent = name("parent").unwrap_or_else(|| "virtio-pci".to_owned());
        let twins = [name("transitional_name"), name("non_transitional_name")];
        let Some(base) = base else { return };
        let body = fields.get("class_init").and_then(|function| self.function_body(function));
        let creatable = body.and_then(Says::of).and_then(|says| says.answer(&[]));
        let make = |name: String, parent: String, is_abstract: bool| TypeDef {
            is_abstract,
            ..self.plain(name, Some(parent), condition.clone())
        };
        let mut made = vec![TypeDef { creatable, ..make(base.clone(), parent, true) }];
        made.extend(
            generic
                .into_iter()
                .chain(twins.into_iter().flatten())
                .map(|name| make(name, base.clone(), false)),
        );
        for definition in made {
            self.add(offset, definition);
        }
    }

    /// Reads `OBJECT_DEFINE_*TYPE*(Name, name, UPPER, PARENT, …)`, which registers `TYPE_UPPER`.
    fn object_macros(&mut self) {
        let text = self.text;
        for at in memchr::memmem::find_iter(text.as_bytes(), b"OBJECT_DEFINE_") {
            if self.in_macro(at) || (at > 0 && !text[..at].ends_with('\n')) {
                continue;
            }
            let rest = &text[at..];
            let Some(open) = rest.find('(') else { continue };
            let Some(end) = matching(&rest[open..]) else { continue };
            // Some files continue the lines of the call as if it stood in a macro.
            let call = rest[open + 1..open + end].replace('\\', " ");
            let arguments = split_commas(&call);
            let [_, _, upper, parent, interfaces @ ..] = arguments.as_slice() else { continue };
            let Some(name) = self.string(&format!("TYPE_{}", upper.trim())) else {
                self.not_seen(at, upper);
                continue;
            };
            let parent = self.string(&format!("TYPE_{}", parent.trim()));
            let interfaces = interfaces
                .iter()
                .filter_map(|group| {
                    self.string(group.trim().trim_start_matches('{').trim_end_matches('}').trim())
                })
                .collect();
            self.add(
                at,
                TypeDef {
                    is_abstract: rest[..open].contains("ABSTRACT"),
                    interfaces,
                    ..self.plain(name, parent, self.condition(at))
                },
            );
        }
    }

    /// Reads machine macros; the type is `NAME-machine`.
    fn machines(&mut self) {
        let text = self.text;
        for at in memchr::memmem::find_iter(text.as_bytes(), b"DEFINE_") {
            let rest = &text[at..];
            let word_end =
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, after) = rest.split_at(word_end);
            if !word.contains("_MACHINE") || !after.starts_with('(') || self.in_macro(at) {
                continue;
            }
            let Some(end) = matching(after) else { continue };
            let arguments = split_commas(&after[1..end]);
            let Some(name) = self.machine_name(word, &arguments) else { continue };
            let machine = Some("machine".to_owned());
            let plain = self.plain(format!("{name}-machine"), machine, self.condition(at));
            let ages = !word.starts_with("DEFINE_MACHINE") && word != "DEFINE_PC_MACHINE";
            let versioned = name.rsplit('-').next().and_then(numbers).filter(|_| ages);
            self.add(at, TypeDef { versioned, ..plain });
        }
    }

    fn machine_name(&self, word: &str, arguments: &[&str]) -> Option<String> {
        let family = match word {
            word if word.starts_with("DEFINE_MACHINE") => return self.string(arguments.first()?),
            "DEFINE_PC_MACHINE" => return self.string(arguments.get(1)?),
            word if word.contains("Q35") => "pc-q35",
            word if word.contains("I440FX") => "pc-i440fx",
            word if word.contains("VIRT") => "virt",
            word if word.contains("SPAPR") => "pseries",
            word if word.contains("CCW") => "s390-ccw-virtio",
            _ => return None,
        };
        // Before 9.1 the i386 macros name the machine: `DEFINE_Q35_MACHINE(v7_2, "pc-q35-7.2", …)`.
        // Those of other architectures take the version alone: `DEFINE_SPAPR_MACHINE(7_2, "7.2", …)`.
        if let Some(name) = arguments.get(1).and_then(|argument| self.string(argument)) {
            let version = name.starts_with(|c: char| c.is_ascii_digit());
            return Some(if version { format!("{family}-{name}") } else { name });
        }
        let version: Vec<&str> = arguments.iter().map(|argument| argument.trim()).collect();
        version
            .iter()
            .all(|part| part.chars().all(|c| c.is_ascii_digit()))
            .then(|| format!("{family}-{}", version.join(".")))
    }

    /// Reads Arm's CPU models from `ARMCPUInfo cpus[]`: the loop over it registers each model as
    /// `NAME-arm-cpu` (target/arm/cpu.c, cpu64.c).
    fn arm_models(&mut self) {
        let text = self.text;
        for at in memchr::memmem::find_iter(text.as_bytes(), b"ARMCPUInfo ") {
            let rest = &text[at + "ARMCPUInfo ".len()..];
            let Some((array, _)) = rest.split_once('[') else { continue };
            if array.is_empty() || !array.chars().all(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let parent = if text.contains(&format!("aarch64_cpu_register(&{array}[")) {
                "TYPE_AARCH64_CPU"
            } else {
                "TYPE_ARM_CPU"
            };
            for group in self.array_groups(array) {
                let offset = group.trim_start().as_ptr() as usize - text.as_ptr() as usize;
                let Some(inner) = group.trim().strip_prefix('{').and_then(|g| g.strip_suffix('}'))
                else {
                    continue;
                };
                let Some(name) = (Fields { body: inner }).get("name").and_then(|n| self.string(n))
                else {
                    continue;
                };
                let Some(suffix) = self.string("TYPE_ARM_CPU") else { continue };
                let parent = self.string(parent);
                let condition = self.condition(offset);
                self.add(offset, self.plain(format!("{name}-{suffix}"), parent, condition));
            }
        }
    }

    /// Makes a concrete type without interfaces.
    fn plain(&self, name: String, parent: Option<String>, condition: Condition) -> TypeDef {
        TypeDef {
            name,
            parent,
            is_abstract: false,
            condition,
            file: self.path.to_owned(),
            line: 0,
            creatable: None,
            initialiser: None,
            flags: Vec::new(),
            interfaces: Vec::new(),
            internal: false,
            at_start: false,
            versioned: None,
        }
    }

    /// Reads x86's CPU models from `builtin_x86_defs`: each model has an unversioned alias type and
    /// one type per version (target/i386/cpu.c).
    fn x86_models(&mut self) {
        let Some(offset) = find(self.text, b"builtin_x86_defs[]") else { return };
        let mut names = Vec::new();
        for group in self.array_groups("builtin_x86_defs") {
            let Some(inner) = group.trim().strip_prefix('{').and_then(|g| g.strip_suffix('}'))
            else {
                continue;
            };
            let fields = Fields { body: inner };
            let Some(name) = fields.get("name").and_then(|expression| self.string(expression))
            else {
                continue;
            };
            let versions = fields.get("versions").unwrap_or("");
            let mut numbers: Vec<String> = field_values(versions, ".version");
            if numbers.is_empty() {
                numbers.push("1".to_owned());
            }
            names.extend(numbers.iter().map(|number| format!("{name}-v{number}")));
            names.extend(
                field_values(versions, ".alias").iter().filter_map(|alias| self.string(alias)),
            );
            names.push(name);
        }
        for name in names {
            let Some(name) = self.string(&format!("X86_CPU_TYPE_NAME(\"{name}\")")) else {
                continue;
            };
            let parent = self.string("TYPE_X86_CPU");
            self.add(offset, self.plain(name, parent, Condition::Always));
        }
    }
}

pub(super) fn find(text: &str, needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text.as_bytes(), needle)
}

/// The text before `end`, or before the character that `end` falls into: sources need not be ASCII.
pub(super) fn up_to(text: &str, end: usize) -> &str {
    let end = (0..=end.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

/// The first two numbers of a version (`4.2.1` gives 4 and 2).
pub(super) fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

/// The values of a field in every `.field = value,` of a text.
fn field_values(text: &str, field: &str) -> Vec<String> {
    text.match_indices(field)
        .filter_map(|(at, _)| {
            let rest = text[at + field.len()..].trim_start().strip_prefix('=')?;
            let end = rest.find([',', '}', '\n'])?;
            Some(rest[..end].trim().to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_end_inside_a_character() {
        for pad in 0..4 {
            let text = format!(
                "static const TypeInfo t = {{\n .name = x->name,\n}};\n{}char *s = \"{}\";\n",
                " ".repeat(pad),
                "é€".repeat(2000)
            );
            let found = read("hw/core/a.c", &text, &Macros::default());
            assert!(found.types.is_empty());
            assert_eq!(found.unseen.len(), 1);
        }
    }
}
