//! The language of `meson.build` as far as QEMU's build needs it: tokens, statements and expressions.
//!
//! Pure. What an expression means is the parent module's to say. Bounded: an expression nests at most [`DEPTH`] deep,
//! the rest of its statement is skipped.

use crate::tree::join;

/// How deep expressions may nest before the rest of the statement is skipped.
pub(super) const DEPTH: usize = 40;

/// An expression of the part of meson's language that is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    List(Vec<Value>),
    Files(Vec<String>),
    Name(String),
    Call(String, Vec<(Option<String>, Value)>),
    Method(Box<Value>, String, Vec<(Option<String>, Value)>),
    Dict(Vec<(Value, Value)>),
    Binary(String, Box<Value>, Box<Value>),
    Index(Box<Value>, usize),
    Not(Box<Value>),
    Other,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Punct(String),
    Newline,
}

pub(super) fn tokens(text: &str) -> Vec<Token> {
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

/// Finds the statement `endforeach` of the loop whose body begins at `start` begins.
pub(super) fn end_of_loop(tokens: &[Token], start: usize) -> usize {
    let mut depth = 1_usize;
    let mut at = start;
    while at < tokens.len() {
        match &tokens[at] {
            Token::Word(word) if word == "foreach" => depth += 1,
            Token::Word(word) if word == "endforeach" => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
        at = statement_end(tokens, at) + 1;
    }
    tokens.len()
}

pub(super) fn statement_end(tokens: &[Token], start: usize) -> usize {
    tokens
        .get(start..)
        .unwrap_or_default()
        .iter()
        .position(|token| *token == Token::Newline)
        .map_or(tokens.len(), |n| start + n)
}

pub(super) fn parse(tokens: &[Token], directory: &str) -> Value {
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
                let index = match self.tokens.get(self.at) {
                    Some(Token::Word(word)) => word.parse().ok(),
                    _ => None,
                };
                self.or(depth + 1);
                self.eat("]");
                value = match index {
                    Some(index) => Value::Index(Box::new(value), index),
                    None => Value::Other,
                };
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
        if name != "files" && name != "structured_sources" {
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
