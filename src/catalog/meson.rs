//! Which condition puts a source file into a target: read from the `meson.build` files of a tree.
//!
//! Pure. We do not run meson's language; we read the part of it QEMU uses to build source sets: `SET.add`,
//! `SET.add_all`, `files`, `when`/`if_true`/`if_false`, `if … endif` around them, and the dictionaries of sets per
//! architecture (`hw_arch += {'i386': i386_ss}`). Anything else is skipped, not guessed.

use std::collections::BTreeMap;

use super::condition::Condition;
use crate::tree::{Tree, join};

/// How deep expressions may nest before the rest of the statement is skipped.
const DEPTH: usize = 40;

/// Condition of every C or Rust file that a source set names.
pub(super) fn file_conditions(tree: &Tree) -> BTreeMap<String, Condition> {
    let mut reader = Reader::default();
    let mut builds: Vec<&str> = tree
        .iter()
        .map(|(path, _)| path)
        .filter(|path| *path == "meson.build" || path.ends_with("/meson.build"))
        .collect();
    builds.sort_by_key(|path| (path.matches('/').count(), *path));
    for path in builds {
        let directory = path.trim_end_matches("meson.build").trim_end_matches('/');
        let text = tree.text(path).unwrap_or_default();
        reader.file(directory, &text);
    }
    reader.conditions()
}

/// One `add`: files or other sets under a condition.
#[derive(Debug)]
struct Rule {
    condition: Condition,
    files: Vec<String>,
    sets: Vec<String>,
}

#[derive(Debug, Default)]
struct Reader {
    sets: BTreeMap<String, Vec<Rule>>,
    /// Sets that meson applies per architecture: set → (architecture).
    arch_sets: BTreeMap<String, String>,
    /// Condition of a directory whose `subdir()` stands in an `if`.
    directories: BTreeMap<String, Condition>,
    /// Variables of the whole build (meson has one scope).
    variables: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    List(Vec<Value>),
    Files(Vec<String>),
    Name(String),
    Call(String, Vec<(Option<String>, Value)>),
    Method(Box<Value>, String, Vec<(Option<String>, Value)>),
    Dict(Vec<(Value, Value)>),
    Binary(String, Box<Value>, Box<Value>),
    Not(Box<Value>),
    Other,
}

impl Reader {
    fn file(&mut self, directory: &str, text: &str) {
        let tokens = tokens(text);
        let base = self.directories.get(directory).cloned().unwrap_or(Condition::Always);
        // Each `if` holds (condition of this branch, "no branch before held").
        let mut ifs: Vec<(Condition, Condition)> = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let end = statement_end(&tokens, at);
            let statement = &tokens[at..end];
            at = end + 1;
            match statement.first() {
                Some(Token::Word(word)) if word == "if" => {
                    let condition = meaning(&parse(&statement[1..], directory));
                    ifs.push((condition.clone(), condition.negate()));
                }
                Some(Token::Word(word)) if word == "elif" => {
                    let condition = meaning(&parse(&statement[1..], directory));
                    if let Some(last) = ifs.last_mut() {
                        *last = (
                            last.1.clone().and(condition.clone()),
                            last.1.clone().and(condition.negate()),
                        );
                    }
                }
                Some(Token::Word(word)) if word == "else" => {
                    if let Some(last) = ifs.last_mut() {
                        last.0 = last.1.clone();
                    }
                }
                Some(Token::Word(word)) if word == "endif" => {
                    ifs.pop();
                }
                Some(_) => {
                    let context = ifs
                        .iter()
                        .fold(base.clone(), |all, (condition, _)| all.and(condition.clone()));
                    self.statement(directory, statement, &context);
                }
                None => {}
            }
        }
    }

    fn statement(&mut self, directory: &str, statement: &[Token], context: &Condition) {
        if let [Token::Word(name), Token::Punct(op), rest @ ..] = statement
            && (op == "=" || op == "+=")
        {
            let value = parse(rest, directory);
            self.assign(name, op == "+=", value);
            return;
        }
        match parse(statement, directory) {
            Value::Method(object, method, arguments) if method == "add" || method == "add_all" => {
                // Anything but a name is `hw_arch['i386'].add(…)` and the like.
                let Value::Name(name) = *object else { return };
                self.add(&name, &arguments, context);
            }
            Value::Call(function, arguments) if function == "subdir" => {
                if let Some((_, Value::Text(child))) = arguments.first() {
                    self.directories.insert(join(directory, child), context.clone());
                }
            }
            _ => {}
        }
    }

    fn assign(&mut self, name: &str, append: bool, value: Value) {
        if let Value::Dict(entries) = &value
            && (name == "hw_arch" || name.starts_with("target_"))
        {
            for (key, set) in entries {
                if let (Value::Text(arch), Value::Name(set)) = (key, set) {
                    self.arch_sets.insert(set.clone(), arch.clone());
                }
            }
        }
        if append {
            return;
        }
        self.variables.insert(name.to_owned(), value);
    }

    fn add(&mut self, set: &str, arguments: &[(Option<String>, Value)], context: &Condition) {
        let mut when = Condition::Always;
        for (_, value) in arguments.iter().filter(|(key, _)| key.as_deref() == Some("when")) {
            when = when_argument(value);
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
            self.sources(value, &mut rule, 0);
            self.sets.entry(set.to_owned()).or_default().push(rule);
        }
    }

    fn sources(&self, value: &Value, rule: &mut Rule, depth: usize) {
        match value {
            Value::Files(files) => rule.files.extend(files.iter().cloned()),
            Value::List(values) if depth < DEPTH => {
                for value in values {
                    self.sources(value, rule, depth + 1);
                }
            }
            Value::Name(name) => match self.variables.get(name) {
                Some(value @ (Value::Files(_) | Value::List(_))) if depth < DEPTH => {
                    self.sources(value, rule, depth + 1);
                }
                _ => rule.sets.push(name.clone()),
            },
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

    /// When the files of a set are part of a system emulator.
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

/// The `when:` argument: symbols as strings, dependencies as names, or a list of both.
fn when_argument(value: &Value) -> Condition {
    match value {
        Value::Text(text) => symbol_or_option(text),
        Value::List(values) => {
            values.iter().fold(Condition::Always, |all, value| all.and(when_argument(value)))
        }
        other => meaning(other),
    }
}

/// An `if` expression.
fn meaning(value: &Value) -> Condition {
    match value {
        Value::Name(name) if name == "true" => Condition::Always,
        Value::Name(name) if name == "false" => Condition::Never,
        Value::Name(name) => named(name),
        Value::Not(inner) => meaning(inner).negate(),
        Value::Binary(op, a, b) if op == "and" => meaning(a).and(meaning(b)),
        Value::Binary(op, a, b) if op == "or" => meaning(a).or(meaning(b)),
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
        Value::Method(object, name, arguments) => method(object, name, arguments),
        other => Condition::Unknown(format!("{other:?}").chars().take(80).collect()),
    }
}

/// A method call in an `if`.
fn method(object: &Value, method: &str, arguments: &[(Option<String>, Value)]) -> Condition {
    match (object, method, arguments.first()) {
        (Value::Name(name), "found", _) => named(name),
        (Value::Name(_), "has_key" | "get", Some((_, Value::Text(text)))) => symbol_or_option(text),
        (Value::Call(function, call), "allowed" | "enabled", _) if function == "get_option" => {
            match call.first() {
                Some((_, Value::Text(option))) => Condition::Option(option.replace('_', "-")),
                _ => Condition::Unknown("get_option".to_owned()),
            }
        }
        _ => Condition::Unknown(format!(".{method}")),
    }
}

/// `CONFIG_X` is a symbol where Kconfig has one, an option otherwise; that is decided later: here it is a symbol.
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

/// A dependency or `have_…` variable: the build option it stands for.
fn named(name: &str) -> Condition {
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

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Punct(String),
    Newline,
}

fn tokens(text: &str) -> Vec<Token> {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    let mut nesting = 0_usize;
    while let Some(&c) = bytes.get(at) {
        match c {
            '#' => {
                while bytes.get(at).is_some_and(|c| *c != '\n') {
                    at += 1;
                }
            }
            '\\' if bytes.get(at + 1) == Some(&'\n') => at += 2,
            '\n' => {
                if nesting == 0 {
                    out.push(Token::Newline);
                }
                at += 1;
            }
            c if c.is_whitespace() => at += 1,
            '\'' => {
                let triple = bytes.get(at + 1) == Some(&'\'') && bytes.get(at + 2) == Some(&'\'');
                at += if triple { 3 } else { 1 };
                let start = at;
                while at < bytes.len() {
                    let closes = if triple {
                        bytes[at..].starts_with(&['\'', '\'', '\''])
                    } else {
                        bytes[at] == '\''
                    };
                    if closes {
                        break;
                    }
                    at += if bytes[at] == '\\' { 2 } else { 1 };
                }
                let end = at.min(bytes.len());
                out.push(Token::Text(bytes[start..end].iter().collect()));
                at = end + if triple { 3 } else { 1 };
            }
            c if c.is_alphanumeric() || c == '_' => {
                let start = at;
                while bytes.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
                    at += 1;
                }
                out.push(Token::Word(bytes[start..at].iter().collect()));
            }
            _ => {
                let two: String = bytes[at..(at + 2).min(bytes.len())].iter().collect();
                let punct = if ["+=", "==", "!=", "<=", ">="].contains(&two.as_str()) {
                    two
                } else {
                    c.to_string()
                };
                match c {
                    '(' | '[' | '{' => nesting += 1,
                    ')' | ']' | '}' => nesting = nesting.saturating_sub(1),
                    _ => {}
                }
                at += punct.len();
                out.push(Token::Punct(punct));
            }
        }
    }
    out
}

fn statement_end(tokens: &[Token], start: usize) -> usize {
    tokens[start..]
        .iter()
        .position(|token| *token == Token::Newline)
        .map_or(tokens.len(), |n| start + n)
}

fn parse(tokens: &[Token], directory: &str) -> Value {
    let mut parser = Parser { tokens, at: 0, directory };
    parser.or(0)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    directory: &'a str,
}

impl Parser<'_> {
    fn word(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn eat(&mut self, punct: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Punct(p)) if p == punct);
        self.at += usize::from(found);
        found
    }

    fn binary(op: &str, a: Value, b: Value) -> Value {
        Value::Binary(op.to_owned(), Box::new(a), Box::new(b))
    }

    fn or(&mut self, depth: usize) -> Value {
        if depth > DEPTH {
            self.at = self.tokens.len();
            return Value::Other;
        }
        let mut left = self.and(depth);
        while self.word() == Some("or") {
            self.at += 1;
            left = Self::binary("or", left, self.and(depth));
        }
        if self.eat("?") {
            // A ternary is not something we decide; both sides are skipped.
            self.or(depth + 1);
            self.eat(":");
            self.or(depth + 1);
            return Value::Other;
        }
        left
    }

    fn and(&mut self, depth: usize) -> Value {
        let mut left = self.not(depth);
        while self.word() == Some("and") {
            self.at += 1;
            left = Self::binary("and", left, self.not(depth));
        }
        left
    }

    fn not(&mut self, depth: usize) -> Value {
        if self.word() == Some("not") && depth < DEPTH {
            self.at += 1;
            // `x not in y` never starts an expression, so this is a negation.
            return Value::Not(Box::new(self.not(depth + 1)));
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Value {
        let mut left = self.postfix(depth);
        loop {
            if self.eat("==") {
                left = Self::binary("==", left, self.postfix(depth));
            } else if self.eat("!=") {
                left = Self::binary("!=", left, self.postfix(depth));
            } else if self.word() == Some("in") {
                self.at += 1;
                left = Self::binary("in", left, self.postfix(depth));
            } else if self.eat("+") {
                left = join_lists(left, self.postfix(depth));
            } else if ["/", "<", ">", "<=", ">=", "-", "*", "%"].iter().any(|op| self.eat(op)) {
                self.postfix(depth);
                left = Value::Other;
            } else {
                return left;
            }
        }
    }

    fn postfix(&mut self, depth: usize) -> Value {
        let mut value = self.primary(depth);
        loop {
            if self.eat(".") {
                let Some(name) = self.word().map(str::to_owned) else { return value };
                self.at += 1;
                let arguments = if self.eat("(") { self.arguments(depth, ")") } else { Vec::new() };
                value = Value::Method(Box::new(value), name, arguments);
            } else if self.eat("[") {
                self.or(depth + 1);
                self.eat("]");
                value = Value::Other;
            } else {
                return value;
            }
        }
    }

    fn primary(&mut self, depth: usize) -> Value {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        match token {
            Some(Token::Text(text)) => Value::Text(text),
            Some(Token::Word(name)) => {
                if self.eat("(") {
                    let arguments = self.arguments(depth, ")");
                    return self.call(name, arguments);
                }
                Value::Name(name)
            }
            Some(Token::Punct(p)) if p == "(" => {
                let value = self.or(depth + 1);
                self.eat(")");
                value
            }
            Some(Token::Punct(p)) if p == "[" => Value::List(
                self.arguments(depth, "]").into_iter().map(|(_, value)| value).collect(),
            ),
            Some(Token::Punct(p)) if p == "{" => self.dict(depth),
            _ => Value::Other,
        }
    }

    fn call(&self, name: String, arguments: Vec<(Option<String>, Value)>) -> Value {
        if name != "files" {
            return Value::Call(name, arguments);
        }
        let mut files = Vec::new();
        for (_, value) in arguments {
            texts(&value, &mut files);
        }
        Value::Files(files.into_iter().map(|file| join(self.directory, &file)).collect())
    }

    fn arguments(&mut self, depth: usize, close: &str) -> Vec<(Option<String>, Value)> {
        let mut out = Vec::new();
        while self.at < self.tokens.len() && !self.eat(close) {
            let key = match (self.tokens.get(self.at), self.tokens.get(self.at + 1)) {
                (Some(Token::Word(word)), Some(Token::Punct(p))) if p == ":" => Some(word.clone()),
                _ => None,
            };
            if key.is_some() {
                self.at += 2;
            }
            let before = self.at;
            let value = self.or(depth + 1);
            out.push((key, value));
            self.eat(",");
            if self.at == before {
                self.at += 1;
            }
        }
        out
    }

    fn dict(&mut self, depth: usize) -> Value {
        let mut entries = Vec::new();
        while self.at < self.tokens.len() && !self.eat("}") {
            let before = self.at;
            let key = self.or(depth + 1);
            self.eat(":");
            let value = self.or(depth + 1);
            entries.push((key, value));
            self.eat(",");
            if self.at == before {
                self.at += 1;
            }
        }
        Value::Dict(entries)
    }
}

fn join_lists(a: Value, b: Value) -> Value {
    Value::List(vec![a, b])
}

fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Text(text) => out.push(text.clone()),
        Value::List(values) => values.iter().for_each(|value| texts(value, out)),
        _ => {}
    }
}
