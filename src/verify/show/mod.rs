//! Reports as text: for people, as `quench.verdict/1`, SARIF, JUnit and Markdown. Pure.

mod human;
mod junit;
mod markdown;
mod sarif;
mod wire;

pub use human::{comparison, human, rules_text, shows_all};
pub use junit::junit;
pub use markdown::markdown;
pub use sarif::sarif;
pub(super) use wire::answer;
pub use wire::wire;
