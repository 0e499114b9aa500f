//! Which condition puts a source file into a target: read from the `meson.build` files of a tree.
//!
//! Pure. We do not run meson's language; we read the part of it QEMU uses to build source sets: `SET.add`,
//! `SET.add_all`, `files`, `when`/`if_true`/`if_false`, `if … endif` around them, `foreach` over literal lists, and the
//! dictionaries of sets per architecture (`hw_arch += {'i386': i386_ss}`). A variable means the build option its value
//! asks for (`required: get_option('spice')`). Anything else is skipped, not guessed.

mod syntax;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::condition::Condition;
use crate::tree::{Tree, join};
use syntax::{DEPTH, Token, Value, end_of_loop, parse, statement_end, tokens};

/// How many statements loops may unroll to before the rest of a file is skipped.
const UNROLLED: usize = 20_000;

/// What the `meson.build` files of a tree say: a condition for each source file, and what defines
/// macros.
#[derive(Debug, Default)]
pub(super) struct Build {
    /// Condition of every C or Rust file that a source set names.
    pub files: BTreeMap<String, Condition>,
    /// `config_host_data.set('CONFIG_X', …)`: when `CONFIG_X` is defined in C, by X; other macros by their name.
    pub defines: BTreeMap<String, Condition>,
}

/// Reads all `meson.build` files of a tree.
pub(super) fn read(tree: &Tree) -> Build {
    let mut reader = Reader { options: options(tree), ..Reader::default() };
    let mut builds: Vec<&str> = tree
        .iter()
        .map(|(path, _)| path)
        .filter(|path| *path == "meson.build" || path.ends_with("/meson.build"))
        .collect();
    builds.sort_by_key(|path| (path.matches('/').count(), *path));
    let read: Vec<Vec<Token>> =
        builds.par_iter().map(|path| tokens(&tree.text(path).unwrap_or_default())).collect();
    let files: Vec<(&str, &Vec<Token>)> = builds
        .iter()
        .map(|path| path.trim_end_matches("meson.build").trim_end_matches('/'))
        .zip(&read)
        .collect();
    for (directory, tokens) in &files {
        reader.made(directory, tokens);
    }
    for (directory, tokens) in files {
        reader.file(directory, tokens);
    }
    Build { files: reader.conditions(), defines: reader.defines }
}

/// Reads the names of options (`option('NAME', …)`) from `meson_options.txt`.
fn options(tree: &Tree) -> BTreeSet<String> {
    let text = tree.text("meson_options.txt").unwrap_or_default();
    let names = text.lines().filter_map(|line| line.strip_prefix("option('")?.split('\'').next());
    names.map(str::to_owned).collect()
}

/// One `add` of a source set: files or other sets under a condition.
#[derive(Debug)]
struct Rule {
    condition: Condition,
    files: Vec<String>,
    sets: Vec<String>,
}

#[derive(Debug, Default)]
struct Reader {
    /// By [`Reader::set`].
    sets: BTreeMap<String, Vec<Rule>>,
    /// Directories whose file makes a set of this name: 7.2 has a `virtio_ss` in `hw/virtio` and another in `hw/s390x`.
    makers: BTreeMap<String, BTreeSet<String>>,
    /// Sets that meson applies per architecture: set → (architecture).
    arch_sets: BTreeMap<String, String>,
    /// Condition of a directory whose `subdir()` stands in an `if`.
    directories: BTreeMap<String, Condition>,
    /// Variables of the whole build (meson has one scope).
    variables: BTreeMap<String, Value>,
    /// Names in `meson_options.txt`.
    options: BTreeSet<String>,
    /// What a variable means as a condition, where its value asks for a build option.
    meanings: BTreeMap<String, Condition>,
    defines: BTreeMap<String, Condition>,
    /// Loop variables with their current value.
    bound: BTreeMap<String, Value>,
    statements: usize,
}

/// An open `if`: the condition of the branch we are in, and "no branch before held".
type Branch = (Condition, Condition);

impl Reader {
    /// Notes every `NAME = ss.source_set()` of a file.
    fn made(&mut self, directory: &str, tokens: &[Token]) {
        for window in tokens.windows(5) {
            if let [Token::Word(name), Token::Punct(is), _, _, Token::Word(method)] = window
                && is == "="
                && method == "source_set"
            {
                self.makers.entry(name.clone()).or_default().insert(directory.to_owned());
            }
        }
    }

    /// Finds the source set that a name means in a directory's file: that of the nearest directory
    /// above, or the only one there is.
    fn set(&self, directory: &str, name: &str) -> String {
        let Some(makers) = self.makers.get(name) else { return name.to_owned() };
        let mut at = Some(directory);
        while let Some(here) = at {
            if makers.contains(here) {
                return format!("{name}@{here}");
            }
            at = match here.rsplit_once('/') {
                Some((above, _)) => Some(above),
                None => (!here.is_empty()).then_some(""),
            };
        }
        let only = makers.first().filter(|_| makers.len() == 1);
        only.map_or(name.to_owned(), |maker| format!("{name}@{maker}"))
    }

    fn file(&mut self, directory: &str, tokens: &[Token]) {
        let base = self.directories.get(directory).cloned().unwrap_or(Condition::Always);
        self.statements = 0;
        self.block(directory, tokens, &base);
    }

    fn block(&mut self, directory: &str, tokens: &[Token], base: &Condition) {
        let mut ifs: Vec<Branch> = Vec::new();
        let mut at = 0;
        while at < tokens.len() && self.statements < UNROLLED {
            self.statements += 1;
            let end = statement_end(tokens, at);
            let statement = &tokens[at..end];
            at = end + 1;
            let Some(first) = statement.first() else { continue };
            if *first == Token::Word("foreach".to_owned()) {
                let close = end_of_loop(tokens, at);
                let context = within(base, &ifs);
                self.unroll(directory, statement, &tokens[at.min(close)..close], &context);
                at = statement_end(tokens, close) + 1;
            } else if !self.branch(directory, statement, &mut ifs) {
                self.statement(directory, statement, &within(base, &ifs));
            }
        }
    }

    /// Follows `if`, `elif`, `else` and `endif`; false for any other statement.
    fn branch(&mut self, directory: &str, statement: &[Token], ifs: &mut Vec<Branch>) -> bool {
        let Some(Token::Word(word)) = statement.first() else { return false };
        let condition = || {
            let value = self.fold(parse(&statement[1..], directory));
            self.meaning(&value)
        };
        match word.as_str() {
            "if" => {
                let condition = condition();
                ifs.push((condition.clone(), condition.negate()));
            }
            "elif" => {
                let condition = condition();
                if let Some(last) = ifs.last_mut() {
                    *last = (
                        last.1.clone().and(condition.clone()),
                        last.1.clone().and(condition.negate()),
                    );
                }
            }
            "else" => {
                if let Some(last) = ifs.last_mut() {
                    last.0 = last.1.clone();
                }
            }
            "endif" => {
                ifs.pop();
            }
            _ => return false,
        }
        true
    }

    /// Unrolls a loop `foreach m : [[…], […]]`: the body once per element of a literal list; other
    /// loops are skipped.
    fn unroll(&mut self, directory: &str, head: &[Token], body: &[Token], context: &Condition) {
        let [Token::Word(_), Token::Word(name), Token::Punct(colon), list @ ..] = head else {
            return;
        };
        if colon != ":" {
            return;
        }
        let list = match self.fold(parse(list, directory)) {
            Value::Name(list) => self.variables.get(&list).cloned(),
            list => Some(list),
        };
        let Some(Value::List(items)) = list else { return };
        for item in items {
            let before = self.bound.insert(name.clone(), item);
            self.block(directory, body, context);
            match before {
                Some(value) => self.bound.insert(name.clone(), value),
                None => self.bound.remove(name),
            };
        }
    }

    /// Replaces loop variables in an expression by their values.
    fn fold(&self, value: Value) -> Value {
        if self.bound.is_empty() {
            return value;
        }
        let all = |arguments: Vec<(Option<String>, Value)>| {
            arguments.into_iter().map(|(key, value)| (key, self.fold(value))).collect()
        };
        match value {
            Value::Name(name) => self.bound.get(&name).cloned().unwrap_or(Value::Name(name)),
            Value::Index(list, index) => match self.fold(*list) {
                Value::List(items) => items.get(index).cloned().unwrap_or(Value::Other),
                _ => Value::Other,
            },
            Value::List(items) => {
                Value::List(items.into_iter().map(|item| self.fold(item)).collect())
            }
            Value::Call(name, arguments) => Value::Call(name, all(arguments)),
            Value::Method(object, name, arguments) => {
                // The object of `module_ss.add` is a variable, never a loop's.
                Value::Method(Box::new(self.fold(*object)), name, all(arguments))
            }
            Value::Not(inner) => Value::Not(Box::new(self.fold(*inner))),
            Value::Binary(op, a, b) => {
                Value::Binary(op, Box::new(self.fold(*a)), Box::new(self.fold(*b)))
            }
            other => other,
        }
    }

    fn statement(&mut self, directory: &str, statement: &[Token], context: &Condition) {
        if let [Token::Word(name), Token::Punct(op), rest @ ..] = statement
            && (op == "=" || op == "+=")
        {
            let value = self.fold(parse(rest, directory));
            self.assign(directory, name, op == "+=", value);
            return;
        }
        match self.fold(parse(statement, directory)) {
            Value::Method(object, method, arguments) => {
                // Anything but a name is `hw_arch['i386'].add(…)` and the like.
                let Value::Name(name) = *object else { return };
                if method == "add" || method == "add_all" {
                    self.add(directory, &name, &arguments, context);
                } else if method == "set" && name == "config_host_data" {
                    self.define(&arguments, context);
                }
            }
            Value::Call(function, arguments) if function == "subdir" => {
                if let Some((_, Value::Text(child))) = arguments.first() {
                    self.directories.insert(join(directory, child), context.clone());
                }
            }
            _ => {}
        }
    }

    fn assign(&mut self, directory: &str, name: &str, append: bool, value: Value) {
        if let Value::Dict(entries) = &value
            && (name == "hw_arch" || name.starts_with("target_"))
        {
            for (key, set) in entries {
                if let (Value::Text(arch), Value::Name(set)) = (key, set) {
                    self.arch_sets.insert(self.set(directory, set), arch.clone());
                }
            }
        }
        if append {
            return;
        }
        if !self.meanings.contains_key(name)
            && let Some(condition) = self.asks(&value, 0)
        {
            self.meanings.insert(name.to_owned(), condition);
        }
        self.variables.insert(name.to_owned(), value);
    }

    /// Notes what defines a macro: `config_host_data.set('CONFIG_X', value)`.
    fn define(&mut self, arguments: &[(Option<String>, Value)], context: &Condition) {
        let [(None, Value::Text(name)), (None, value), ..] = arguments else { return };
        let name = name.strip_prefix("CONFIG_").unwrap_or(name);
        let value = match value {
            Value::Other => Condition::Always,
            value => self.meaning(value),
        };
        self.defines.entry(name.to_owned()).or_insert_with(|| value.and(context.clone()));
    }

    /// The condition a value stands for, when it says which build option it asks for; `None` leaves it to the name.
    fn asks(&self, value: &Value, depth: usize) -> Option<Condition> {
        if depth > DEPTH {
            return None;
        }
        match value {
            Value::Call(function, arguments) if function == "get_option" => {
                let Some((_, Value::Text(option))) = arguments.first() else { return None };
                Some(Condition::Option(option.replace('_', "-")))
            }
            Value::Call(_, arguments) | Value::Method(_, _, arguments)
                if arguments.iter().any(|(key, _)| key.as_deref() == Some("required")) =>
            {
                let required =
                    arguments.iter().find(|(key, _)| key.as_deref() == Some("required"))?;
                self.host_decides(value, &required.1).or_else(|| self.asks(&required.1, depth + 1))
            }
            Value::Method(object, _, _) => match &**object {
                Value::Name(name) => self.meanings.get(name).cloned(),
                object => self.asks(object, depth + 1),
            },
            Value::Name(name) => self.meanings.get(name).cloned(),
            Value::Binary(op, a, b) if op == "or" => {
                match (self.asks(a, depth + 1), self.asks(b, depth + 1)) {
                    (Some(Condition::Always), _) | (_, Some(Condition::Always)) => {
                        Some(Condition::Always)
                    }
                    (a, b) => Some(a?.or(b?)),
                }
            }
            Value::Binary(op, a, b) if op == "and" => {
                // `get_option('x').allowed() and cc.has_header(…)`: what the host has comes on top.
                match (self.asks(a, depth + 1), self.asks(b, depth + 1)) {
                    (Some(a), Some(b)) => Some(a.and(b)),
                    (one, other) => one.or(other).filter(|known| *known != Condition::Always),
                }
            }
            Value::Binary(op, ..) if op == "==" || op == "!=" => {
                let condition = self.meaning(value);
                (!matches!(condition, Condition::Unknown(_) | Condition::Not(_)))
                    .then_some(condition)
            }
            _ => None,
        }
    }

    /// Tells whether the host decides: `dependency('libkeyutils', required: false)` without an
    /// option of that name links what the host has.
    fn host_decides(&self, value: &Value, required: &Value) -> Option<Condition> {
        let (Value::Call(function, arguments), Value::Name(no)) = (value, required) else {
            return None;
        };
        let Some((None, Value::Text(library))) = arguments.first() else { return None };
        let has_option = [library.as_str(), library.trim_start_matches("lib")]
            .iter()
            .any(|name| name.is_empty() || self.options.contains(*name));
        (function == "dependency" && no == "false" && !has_option)
            .then(|| Condition::Unknown(format!("the host has {library}")))
    }

    fn add(
        &mut self,
        directory: &str,
        set: &str,
        arguments: &[(Option<String>, Value)],
        context: &Condition,
    ) {
        let mut when = Condition::Always;
        for (_, value) in arguments.iter().filter(|(key, _)| key.as_deref() == Some("when")) {
            when = self.when_argument(value);
        }
        for (key, value) in arguments {
            let condition = match key.as_deref() {
                None | Some("if_true") => when.clone(),
                Some("if_false") => when.clone().negate(),
                _ => continue,
            };
            let mut rule = Rule {
                condition: condition.and(context.clone()),
                files: Vec::new(),
                sets: Vec::new(),
            };
            self.sources(directory, value, &mut rule, 0);
            self.sets.entry(self.set(directory, set)).or_default().push(rule);
        }
    }

    fn sources(&self, directory: &str, value: &Value, rule: &mut Rule, depth: usize) {
        match value {
            Value::Files(files) => rule.files.extend(files.iter().cloned()),
            Value::List(values) if depth < DEPTH => {
                for value in values {
                    self.sources(directory, value, rule, depth + 1);
                }
            }
            Value::Name(name) => match self.variables.get(name) {
                Some(value @ (Value::Files(_) | Value::List(_) | Value::Call(..)))
                    if depth < DEPTH && !is_source_set(value) =>
                {
                    self.sources(directory, value, rule, depth + 1);
                }
                _ => rule.sets.push(self.set(directory, name)),
            },
            // A Rust device is a crate that is linked whole.
            Value::Call(name, arguments)
                if (name == "declare_dependency" || name == "static_library") && depth < DEPTH =>
            {
                for (_, value) in arguments {
                    self.sources(directory, value, rule, depth + 1);
                }
            }
            _ => {}
        }
    }

    /// Joins rules and contexts into one condition per file.
    fn conditions(&self) -> BTreeMap<String, Condition> {
        let mut contexts = BTreeMap::new();
        for name in self.sets.keys() {
            let mut path = Vec::new();
            let context = self.context(name, &mut path);
            contexts.insert(name.as_str(), context);
        }
        let mut files: BTreeMap<String, Condition> = BTreeMap::new();
        for (name, rules) in &self.sets {
            let Some(context) = contexts.get(name.as_str()) else { continue };
            for rule in rules {
                for file in &rule.files {
                    let condition = context.clone().and(rule.condition.clone());
                    let entry = files.entry(file.clone()).or_insert(Condition::Never);
                    *entry = std::mem::replace(entry, Condition::Never).or(condition);
                }
            }
        }
        files
    }

    /// The condition under which the files of a set are part of a system emulator.
    fn context(&self, name: &str, path: &mut Vec<String>) -> Condition {
        if path.iter().any(|seen| seen == name) {
            return Condition::Never;
        }
        path.push(name.to_owned());
        let mut context = match self.arch_sets.get(name) {
            Some(arch) => Condition::Arch(arch.clone()),
            None => Condition::Never,
        };
        let mut parents = 0;
        for (parent, rules) in &self.sets {
            for rule in rules.iter().filter(|rule| rule.sets.iter().any(|set| set == name)) {
                parents += 1;
                let outer = self.context(parent, path);
                context = context.or(rule.condition.clone().and(outer));
            }
        }
        path.pop();
        if parents == 0 && !self.arch_sets.contains_key(name) {
            // A set nobody adds is one meson.build at the top applies: part of every emulator, but for user mode's.
            if name.contains("user_ss") || name.starts_with("qga") {
                return Condition::Never;
            }
            return Condition::Always;
        }
        context
    }
}

impl Reader {
    /// Reads a `when:` argument: symbols as strings, dependencies as names, or a list of both.
    fn when_argument(&self, value: &Value) -> Condition {
        match value {
            Value::Text(text) => symbol_or_option(text),
            Value::List(values) => values
                .iter()
                .fold(Condition::Always, |all, value| all.and(self.when_argument(value))),
            other => self.meaning(other),
        }
    }

    /// Reads the expression of an `if` as a condition.
    fn meaning(&self, value: &Value) -> Condition {
        match value {
            Value::Name(name) if name == "true" => Condition::Always,
            Value::Name(name) if name == "false" => Condition::Never,
            Value::Name(name) => self.named(name),
            Value::Not(inner) => self.meaning(inner).negate(),
            Value::Binary(op, a, b) if op == "and" => self.meaning(a).and(self.meaning(b)),
            Value::Binary(op, a, b) if op == "or" => self.meaning(a).or(self.meaning(b)),
            Value::Binary(op, a, b) if op == "==" || op == "!=" => {
                let equal = match (&**a, &**b) {
                    (Value::Name(name), Value::Text(text))
                        if name == "host_os" || name == "targetos" =>
                    {
                        if text == "linux" {
                            Condition::Always
                        } else {
                            Condition::Never
                        }
                    }
                    _ => return Condition::Unknown(format!("{a:?} {op} {b:?}")),
                };
                if op == "==" { equal } else { equal.negate() }
            }
            Value::Binary(op, a, _) if op == "in" => match &**a {
                Value::Text(text) => symbol_or_option(text),
                _ => Condition::Unknown("in".to_owned()),
            },
            Value::Method(object, name, arguments) => self.method(object, name, arguments),
            Value::Call(function, arguments) if function == "get_option" => match arguments.first()
            {
                Some((_, Value::Text(option))) => Condition::Option(option.replace('_', "-")),
                _ => Condition::Unknown("get_option".to_owned()),
            },
            other => Condition::Unknown(format!("{other:?}").chars().take(80).collect()),
        }
    }

    /// Reads a method call in the expression of an `if`.
    fn method(
        &self,
        object: &Value,
        method: &str,
        arguments: &[(Option<String>, Value)],
    ) -> Condition {
        match (object, method, arguments.first()) {
            (Value::Name(name), "found", _) => self.named(name),
            (Value::Name(_), "has_key" | "get", Some((_, Value::Text(text)))) => {
                symbol_or_option(text)
            }
            (Value::Call(function, call), "allowed" | "enabled", _) if function == "get_option" => {
                match call.first() {
                    Some((_, Value::Text(option))) => Condition::Option(option.replace('_', "-")),
                    _ => Condition::Unknown("get_option".to_owned()),
                }
            }
            _ => Condition::Unknown(format!(".{method}")),
        }
    }

    /// Reads a variable in a condition: what its value asks for, else the build option of its name.
    fn named(&self, name: &str) -> Condition {
        self.meanings.get(name).cloned().unwrap_or_else(|| by_name(name))
    }
}

/// Reads a `CONFIG_X` in a condition. It is a symbol where Kconfig has one, an option otherwise;
/// that is decided later: here it is a symbol.
fn symbol_or_option(text: &str) -> Condition {
    match text.strip_prefix("CONFIG_") {
        Some("LINUX" | "POSIX" | "SYSTEM_ONLY" | "SOFTMMU" | "EVENTFD" | "LINUX_USER_NOT") => {
            Condition::Always
        }
        Some(
            "USER_ONLY" | "WIN32" | "DARWIN" | "BSD" | "LINUX_USER" | "BSD_USER" | "HVF" | "WHPX"
            | "NVMM",
        ) => Condition::Never,
        Some(symbol) => Condition::Symbol(symbol.to_owned()),
        None => match text.strip_prefix("TARGET_") {
            Some("X86_64") => Condition::Arch("i386".to_owned()),
            Some("AARCH64") => Condition::Arch("arm".to_owned()),
            _ => Condition::Unknown(text.to_owned()),
        },
    }
}

/// The build option that a dependency or `have_…` variable stands for.
fn by_name(name: &str) -> Condition {
    let name = name.trim_start_matches("have_");
    let option = match name {
        "system" | "block" => return Condition::Always,
        "user" | "tools" | "ga" => return Condition::Never,
        "vhost" => {
            return Condition::Any(
                ["vhost-kernel", "vhost-user", "vhost-vdpa"]
                    .map(|o| Condition::Option(o.to_owned()))
                    .to_vec(),
            );
        }
        "virgl" => "virglrenderer",
        "cacard" => "smartcard",
        "usbredir" => "usb-redir",
        "rutabaga" => "rutabaga-gfx",
        "u2f" | "canokey" | "libusb" | "slirp" | "pixman" | "opengl" | "gbm" => name,
        other => other,
    };
    Condition::Option(option.replace('_', "-"))
}

fn is_source_set(value: &Value) -> bool {
    matches!(value, Value::Method(_, name, _) if name == "source_set")
}

fn within(base: &Condition, ifs: &[Branch]) -> Condition {
    ifs.iter().fold(base.clone(), |all, (condition, _)| all.and(condition.clone()))
}
