//! Reads Kconfig and device (`.mak`) files: one grammar, as in minikconf. Pure.

use std::collections::BTreeSet;

use super::{Assignment, Clause, Expr, Kconfig, MISSING_FILE, Rule, SYNTAX, SymbolId};
use crate::finding::{Finding, Place};
use crate::profile::Origin;
use crate::tree::{Tree, join};

/// The largest depth to which expressions and includes may nest; QEMU's own stay below ten.
const DEPTH: usize = 64;

/// Reads the Kconfig file `root` and everything it sources.
pub fn parse(tree: &Tree, root: &str) -> (Kconfig, Vec<Finding>) {
    let mut reader =
        Reader { tree, kconfig: Kconfig::default(), seen: BTreeSet::new(), stack: Vec::new() };
    match reader.file(root) {
        Ok(()) => (reader.kconfig, Vec::new()),
        Err(finding) => (reader.kconfig, vec![*finding]),
    }
}

/// Reads a device file with its includes as assignments.
pub fn parse_device_file(tree: &Tree, path: &str) -> (Vec<Assignment>, Vec<Finding>) {
    let (kconfig, findings) = parse(tree, path);
    let assignments = kconfig.clauses.iter().filter_map(|clause| match &clause.rule {
        Rule::Assign { value, .. } => Some(Assignment {
            symbol: kconfig.name(clause.symbol).to_owned(),
            value: *value,
            origin: Some(Origin {
                file: clause.file.clone(),
                line: clause.line,
                column: 1,
                ..Origin::default()
            }),
        }),
        _ => None,
    });
    (assignments.collect(), findings)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Equal,
    And,
    Or,
    Not,
    Depends,
    On,
    Select,
    Imply,
    Config,
    Default,
    Yes,
    No,
    Source(String),
    Bool,
    If,
    Word(String),
    End,
}

struct Reader<'a> {
    tree: &'a Tree,
    kconfig: Kconfig,
    seen: BTreeSet<String>,
    stack: Vec<String>,
}

type Parsed<T> = Result<T, Box<Finding>>;

impl Reader<'_> {
    fn file(&mut self, path: &str) -> Parsed<()> {
        self.seen.insert(path.to_owned());
        let Some(bytes) = self.tree.get(path) else {
            return Err(Box::new(Finding::error(
                &MISSING_FILE,
                format!("no file `{path}` in the tree"),
            )));
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(Box::new(
                Finding::error(&SYNTAX, format!("`{path}` is not UTF-8"))
                    .at(Place::Line { file: path.to_owned(), line: 1 }, ""),
            ));
        };
        self.stack.push(path.to_owned());
        let mut lexer = Lexer::new(path, text);
        lexer.advance()?;
        while lexer.token != Token::End {
            self.clause(&mut lexer)?;
        }
        self.stack.pop();
        Ok(())
    }

    fn clause(&mut self, lexer: &mut Lexer) -> Parsed<()> {
        match lexer.token.clone() {
            Token::Source(path) => {
                let line = lexer.token_line;
                lexer.advance()?;
                self.include(lexer, &path, line)
            }
            Token::Config => self.declaration(lexer),
            Token::Word(word) => self.assignment(lexer, &word),
            _ => Err(lexer.error("expected \"source\", \"config\" or identifier")),
        }
    }

    fn include(&mut self, lexer: &Lexer, path: &str, line: u32) -> Parsed<()> {
        let directory = lexer.file.rsplit_once('/').map_or("", |(directory, _)| directory);
        let path = join(directory, path);
        if self.stack.contains(&path) || self.stack.len() > DEPTH {
            return Err(lexer.error_at(line, &format!("inclusion loop for `{path}`")));
        }
        if self.seen.contains(&path) {
            return Ok(());
        }
        self.file(&path).map_err(|finding| {
            if finding.code == &MISSING_FILE && finding.labels.is_empty() {
                Box::new(finding.at(Place::Line { file: lexer.file.clone(), line }, "sourced here"))
            } else {
                finding
            }
        })
    }

    fn assignment(&mut self, lexer: &mut Lexer, word: &str) -> Parsed<()> {
        let line = lexer.token_line;
        let Some(name) = word.strip_prefix("CONFIG_") else {
            return Err(lexer.error("expected an identifier that starts with \"CONFIG_\""));
        };
        lexer.advance()?;
        lexer.expect(&Token::Equal, "expected \"=\"")?;
        let value = lexer.yes_or_no()?;
        let symbol = self.kconfig.intern(name);
        self.push(lexer, line, symbol, Rule::Assign { value, origin: None });
        Ok(())
    }

    fn declaration(&mut self, lexer: &mut Lexer) -> Parsed<()> {
        let line = lexer.token_line;
        lexer.advance()?;
        let name = lexer.word()?;
        let symbol = self.kconfig.intern(&name);
        self.kconfig.declared[symbol] = Some((lexer.file.clone(), line));
        while matches!(
            lexer.token,
            Token::Default | Token::Depends | Token::Select | Token::Bool | Token::Imply
        ) {
            self.property(lexer, symbol)?;
        }
        match lexer.token {
            Token::Source(_) | Token::Config | Token::Word(_) | Token::End => Ok(()),
            _ => Err(lexer.error(
                "expected \"source\", \"config\", identifier, \"default\", \"depends on\", \"imply\" or \"select\"",
            )),
        }
    }

    fn property(&mut self, lexer: &mut Lexer, symbol: SymbolId) -> Parsed<()> {
        let line = lexer.token_line;
        let token = lexer.token.clone();
        lexer.advance()?;
        match token {
            Token::Default => {
                let value = lexer.yes_or_no()?;
                let condition = self.condition(lexer)?;
                self.push(
                    lexer,
                    line,
                    symbol,
                    Rule::Default { value, condition, implied_by: None },
                );
            }
            Token::Depends => {
                lexer.expect(&Token::On, "expected \"on\"")?;
                let expr = self.expr(lexer, 0)?;
                self.push(lexer, line, symbol, Rule::DependsOn(expr));
            }
            Token::Select => {
                let name = lexer.word()?;
                let target = self.kconfig.intern(&name);
                let condition = self.guarded(lexer, symbol)?;
                self.push(lexer, line, target, Rule::Select { condition, by: symbol });
            }
            Token::Imply => {
                let name = lexer.word()?;
                let target = self.kconfig.intern(&name);
                let condition = Some(self.guarded(lexer, symbol)?);
                self.push(
                    lexer,
                    line,
                    target,
                    Rule::Default { value: true, condition, implied_by: Some(symbol) },
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads `if EXPR` of a clause and joins it with the symbol whose clause it is.
    fn guarded(&mut self, lexer: &mut Lexer, by: SymbolId) -> Parsed<Expr> {
        Ok(match self.condition(lexer)? {
            Some(condition) => Expr::And(Box::new(condition), Box::new(Expr::Symbol(by))),
            None => Expr::Symbol(by),
        })
    }

    fn condition(&mut self, lexer: &mut Lexer) -> Parsed<Option<Expr>> {
        if lexer.token != Token::If {
            return Ok(None);
        }
        lexer.advance()?;
        self.expr(lexer, 0).map(Some)
    }

    fn expr(&mut self, lexer: &mut Lexer, depth: usize) -> Parsed<Expr> {
        let mut left = self.any(lexer, depth)?;
        while lexer.token == Token::And {
            lexer.advance()?;
            left = Expr::And(Box::new(left), Box::new(self.any(lexer, depth)?));
        }
        Ok(left)
    }

    fn any(&mut self, lexer: &mut Lexer, depth: usize) -> Parsed<Expr> {
        let mut left = self.primary(lexer, depth)?;
        while lexer.token == Token::Or {
            lexer.advance()?;
            left = Expr::Or(Box::new(left), Box::new(self.primary(lexer, depth)?));
        }
        Ok(left)
    }

    fn primary(&mut self, lexer: &mut Lexer, depth: usize) -> Parsed<Expr> {
        if depth > DEPTH {
            return Err(lexer.error("expression nested too deeply"));
        }
        match lexer.token.clone() {
            Token::Not => {
                lexer.advance()?;
                Ok(Expr::Not(Box::new(self.primary(lexer, depth + 1)?)))
            }
            Token::Open => {
                lexer.advance()?;
                let inner = self.expr(lexer, depth + 1)?;
                lexer.expect(&Token::Close, "expected \")\"")?;
                Ok(inner)
            }
            Token::Word(name) => {
                lexer.advance()?;
                Ok(Expr::Symbol(self.kconfig.intern(&name)))
            }
            _ => Err(lexer.error("expected \"!\" or \"(\" or identifier")),
        }
    }

    fn push(&mut self, lexer: &Lexer, line: u32, symbol: SymbolId, rule: Rule) {
        self.kconfig.clauses.push(Clause { symbol, rule, file: lexer.file.clone(), line });
    }
}

struct Lexer {
    file: String,
    chars: Vec<char>,
    at: usize,
    line: u32,
    token: Token,
    token_line: u32,
}

impl Lexer {
    fn new(file: &str, text: &str) -> Self {
        Self {
            file: file.to_owned(),
            chars: text.chars().collect(),
            at: 0,
            line: 1,
            token: Token::End,
            token_line: 1,
        }
    }

    fn error(&self, message: &str) -> Box<Finding> {
        self.error_at(self.token_line, message)
    }

    fn error_at(&self, line: u32, message: &str) -> Box<Finding> {
        Box::new(
            Finding::error(&SYNTAX, message).at(Place::Line { file: self.file.clone(), line }, ""),
        )
    }

    fn expect(&mut self, token: &Token, message: &str) -> Parsed<()> {
        if self.token == *token { self.advance() } else { Err(self.error(message)) }
    }

    fn word(&mut self) -> Parsed<String> {
        match self.token.clone() {
            Token::Word(word) => {
                self.advance()?;
                Ok(word)
            }
            _ => Err(self.error("expected identifier")),
        }
    }

    fn yes_or_no(&mut self) -> Parsed<bool> {
        let value = match self.token {
            Token::Yes => true,
            Token::No => false,
            _ => return Err(self.error("expected \"y\" or \"n\"")),
        };
        self.advance()?;
        Ok(value)
    }

    fn advance(&mut self) -> Parsed<()> {
        loop {
            let Some(&c) = self.chars.get(self.at) else {
                self.token = Token::End;
                self.token_line = self.line;
                return Ok(());
            };
            self.token_line = self.line;
            match c {
                '#' => self.skip_line(),
                '\n' => {
                    self.at += 1;
                    self.line += 1;
                }
                c if c.is_whitespace() => self.at += 1,
                _ => {
                    self.token = self.scan(c)?;
                    return Ok(());
                }
            }
        }
    }

    fn skip_line(&mut self) {
        while self.chars.get(self.at).is_some_and(|c| *c != '\n') {
            self.at += 1;
        }
    }

    fn scan(&mut self, c: char) -> Parsed<Token> {
        let pair = self.chars.get(self.at + 1) == Some(&c);
        let (token, length) = match c {
            '=' => (Token::Equal, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '!' => (Token::Not, 1),
            '&' if pair => (Token::And, 2),
            '|' if pair => (Token::Or, 2),
            c if c.is_alphanumeric() => return Ok(self.scan_word()),
            _ => return Err(self.error("invalid input")),
        };
        self.at += length;
        Ok(token)
    }

    fn scan_word(&mut self) -> Token {
        let start = self.at;
        while self.chars.get(self.at).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
            self.at += 1;
        }
        let word: String = self.chars[start..self.at].iter().collect();
        match word.as_str() {
            "depends" => Token::Depends,
            "on" => Token::On,
            "select" => Token::Select,
            "imply" => Token::Imply,
            "config" => Token::Config,
            "default" => Token::Default,
            "bool" => Token::Bool,
            "if" => Token::If,
            "y" => Token::Yes,
            "n" => Token::No,
            "source" | "include" => self.scan_path(),
            _ => Token::Word(word),
        }
    }

    fn scan_path(&mut self) -> Token {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.line += u32::from(self.chars[self.at] == '\n');
            self.at += 1;
        }
        let start = self.at;
        self.skip_line();
        Token::Source(self.chars[start..self.at].iter().collect())
    }
}
