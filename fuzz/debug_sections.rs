//! What the target `dwarf` and the task that makes its seeds must agree on.

/// Sections `dwarf` fills; the first byte of a piece says which.
pub(crate) const DEBUG_SECTIONS: [&str; 10] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_str",
    ".debug_line",
    ".debug_line_str",
    ".debug_macro",
    ".debug_str_offsets",
    ".debug_addr",
    ".debug_rnglists",
    ".debug_ranges",
];
