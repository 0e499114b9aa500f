#![no_main]
//! Any bytes as a file to judge: every rule has an answer, in bounded time.

use libfuzzer_sys::fuzz_target;
use quench::verify::{Examination, Policy, judge};

fuzz_target!(|bytes: &[u8]| {
    if quench::elf::is_elf(bytes) {
        let _ = judge("fuzz", bytes, &Policy::default());
    } else {
        // The same file as program and as debug file.
        let _ = Examination::of("fuzz", bytes, &|_| Some(bytes.to_vec()));
    }
});
