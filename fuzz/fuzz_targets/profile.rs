#![no_main]
//! See `targets.rs`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::profile(bytes));
