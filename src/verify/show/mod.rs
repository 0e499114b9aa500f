//! Reports as text: for people, as `quench.verdict/1`, SARIF, JUnit and Markdown. Pure.

mod human;
mod json;
mod junit;
mod markdown;
mod sarif;

pub use human::{comparison, human, rules_text, shows_all};
pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use sarif::sarif;
