//! How much of an input is opened. Pure.

/// How much is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Unpacked bytes of one input, all members and levels together.
    pub bytes: u64,
    /// A file that must be held in memory.
    pub file: u64,
    /// An archive that must be, because what is in it stands at its end.
    pub held: u64,
    pub members: usize,
    /// Archives in archives.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 8 << 30, file: 2 << 30, held: 256 << 20, members: 400_000, depth: 6 }
    }
}
