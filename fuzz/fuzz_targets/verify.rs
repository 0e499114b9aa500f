#![no_main]
//! ELF, DWARF, notes and packages: any bytes are judged or named.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = quench::elf::facts(bytes);
    let _ = quench::verify::input::members("fuzz", bytes);
});
