//! When a file or type is in the binary: a boolean expression over symbols, build options and the target. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The condition under which code is compiled; `Unknown` holds the text of what could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    Always,
    Never,
    /// A Kconfig symbol without `CONFIG_`.
    Symbol(String),
    /// A build option by its configure name (`vhost-user`).
    Option(String),
    /// The base architecture of the target (`i386`, `arm`).
    Arch(String),
    /// A C macro that is no `CONFIG_` name; replaced by what defines it, else not decided.
    Macro(String),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Unknown(String),
}

/// What conditions are evaluated against.
pub trait Configuration {
    fn symbol(&self, name: &str) -> bool;
    fn option(&self, name: &str) -> bool;
    fn arch(&self, name: &str) -> bool;
}

impl Condition {
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Always, c) | (c, Self::Always) => c,
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            (Self::All(mut a), Self::All(b)) => {
                a.extend(b);
                Self::All(a)
            }
            (Self::All(mut a), c) | (c, Self::All(mut a)) => {
                a.push(c);
                Self::All(a)
            }
            (a, b) => Self::All(vec![a, b]),
        }
    }

    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Never, c) | (c, Self::Never) => c,
            (Self::Always, _) | (_, Self::Always) => Self::Always,
            (Self::Any(mut a), Self::Any(b)) => {
                a.extend(b);
                Self::Any(a)
            }
            (Self::Any(mut a), c) | (c, Self::Any(mut a)) => {
                a.push(c);
                Self::Any(a)
            }
            (a, b) => Self::Any(vec![a, b]),
        }
    }

    #[must_use]
    pub fn negate(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Replaces every symbol by what `meaning` says of it; `None` keeps the symbol.
    #[must_use]
    pub(super) fn with_symbols(self, meaning: &dyn Fn(&str) -> Option<Self>) -> Self {
        self.replaced(&|leaf| match leaf {
            Self::Symbol(name) => meaning(name),
            _ => None,
        })
    }

    /// Replaces every macro by what `meaning` says of it; `None` keeps the macro.
    #[must_use]
    pub(super) fn with_macros(self, meaning: &dyn Fn(&str) -> Option<Self>) -> Self {
        self.replaced(&|leaf| match leaf {
            Self::Macro(name) => meaning(name),
            _ => None,
        })
    }

    fn replaced(self, by: &dyn Fn(&Self) -> Option<Self>) -> Self {
        match self {
            Self::Not(inner) => inner.replaced(by).negate(),
            Self::All(parts) => {
                parts.into_iter().fold(Self::Always, |all, part| all.and(part.replaced(by)))
            }
            Self::Any(parts) => {
                parts.into_iter().fold(Self::Never, |any, part| any.or(part.replaced(by)))
            }
            leaf => by(&leaf).unwrap_or(leaf),
        }
    }

    /// The macros that appear anywhere in the condition.
    pub(super) fn macros(&self) -> Vec<&str> {
        match self {
            Self::Macro(name) => vec![name],
            Self::Not(inner) => inner.macros(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::macros).collect(),
            _ => Vec::new(),
        }
    }

    /// Evaluates the condition; `None` when the answer depends on something that could not be read.
    pub fn holds(&self, with: &dyn Configuration) -> Option<bool> {
        match self {
            Self::Always => Some(true),
            Self::Never => Some(false),
            Self::Symbol(name) => Some(with.symbol(name)),
            Self::Option(name) => Some(with.option(name)),
            Self::Arch(name) => Some(with.arch(name)),
            Self::Not(inner) => inner.holds(with).map(|value| !value),
            Self::All(parts) => {
                let values: Vec<_> = parts.iter().map(|part| part.holds(with)).collect();
                if values.contains(&Some(false)) {
                    return Some(false);
                }
                if values.contains(&None) { None } else { Some(true) }
            }
            Self::Any(parts) => {
                let values: Vec<_> = parts.iter().map(|part| part.holds(with)).collect();
                if values.contains(&Some(true)) {
                    return Some(true);
                }
                if values.contains(&None) { None } else { Some(false) }
            }
            Self::Unknown(_) | Self::Macro(_) => None,
        }
    }

    /// The symbols that appear in the condition without a negation.
    pub fn symbols(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.walk(&mut |condition| {
            if let Self::Symbol(name) = condition {
                found.push(name.as_str());
            }
        });
        found
    }

    /// The build options that appear in the condition without a negation.
    pub fn options(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.walk(&mut |condition| {
            if let Self::Option(name) = condition {
                found.push(name.as_str());
            }
        });
        found
    }

    /// Ways to fulfil the condition, each a list of leaves that all must hold; negations and
    /// unknowns are left out. Bounded.
    pub fn alternatives(&self) -> Vec<Vec<&Condition>> {
        match self {
            Self::Never => Vec::new(),
            Self::Always | Self::Not(_) | Self::Unknown(_) | Self::Macro(_) => vec![Vec::new()],
            Self::Symbol(_) | Self::Option(_) | Self::Arch(_) => vec![vec![self]],
            Self::Any(parts) => parts.iter().flat_map(Self::alternatives).take(64).collect(),
            Self::All(parts) => parts.iter().fold(vec![Vec::new()], |so_far, part| {
                let next = part.alternatives();
                so_far
                    .iter()
                    .flat_map(|left| {
                        next.iter().map(move |right| [left.as_slice(), right.as_slice()].concat())
                    })
                    .take(64)
                    .collect()
            }),
        }
    }

    fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.walk(visit)),
            _ => {}
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |parts: &[Self], with: &str| {
            parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(with)
        };
        match self {
            Self::Always => f.write_str("always"),
            Self::Never => f.write_str("never"),
            Self::Symbol(name) => write!(f, "{name}"),
            Self::Option(name) => write!(f, "option {name}"),
            Self::Arch(name) => write!(f, "arch {name}"),
            Self::Not(inner) => write!(f, "!({inner})"),
            Self::All(parts) => write!(f, "{}", join(parts, " && ")),
            Self::Any(parts) => write!(f, "({})", join(parts, " || ")),
            Self::Macro(name) => write!(f, "defined({name})"),
            Self::Unknown(text) => write!(f, "unknown({text})"),
        }
    }
}
