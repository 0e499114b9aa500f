#![no_main]
//! Profiles: any text gives a profile or findings.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // A profile that extends itself is among the inputs.
    let (_, _) = quench::profile::load("fuzz.toml", text, &|name| {
        Some((format!("{name}.toml"), text.to_owned()))
    });
});
