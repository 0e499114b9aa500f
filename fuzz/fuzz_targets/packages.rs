#![no_main]
//! Packages and archives: opened within limits, or named.

use libfuzzer_sys::fuzz_target;
use quench::verify::input::{self, Limits};
use quench::verify::payload;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { bytes: 16 << 20, file: 4 << 20, members: 1000, depth: 4 };
    let mut held = 0_u64;
    let _ = input::open("fuzz", bytes, limits, true, &mut |member| {
        held += member.bytes.len() as u64;
    });
    assert!(held <= limits.bytes, "{held}");
    let _ = payload::of(bytes);
});
