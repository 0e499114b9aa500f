//! Every finding code of the program, for `explain`, the reference and the test that names are unique.
//!
//! Pure. Each room lists its own codes; this module stands above all of them, so that `finding` names no room.

use crate::finding::Code;

/// All codes, sorted by name.
pub fn codes() -> Vec<&'static Code> {
    let mut all: Vec<&'static Code> = [
        crate::archive::CODES,
        crate::profile::CODES,
        crate::kconfig::CODES,
        crate::hardening::CODES,
        crate::plan::CODES,
        &crate::verify::codes(),
        crate::acceptance::CODES,
        crate::evidence::CODES,
    ]
    .concat();
    all.sort_by_key(|code| code.name);
    all
}
