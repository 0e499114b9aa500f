//! The way out of a failure, in words. Pure.

/// An error that may know what to do about it.
pub trait Hinted: std::error::Error {
    fn hint(&self) -> Option<String>;
}
