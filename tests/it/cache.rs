//! The compiler cache: a build of another selection, in another directory, compiles only what differs.

use std::path::Path;
use std::time::{Duration, SystemTime};

use quench::isolate::{self, Isolation};
use quench::plan::Invocation;
use quench::process;

use crate::sandbox::slow;

/// Nearly every file of QEMU includes `config-poison.h`, which lists the symbols of the selection, so that for ccache two
/// selections have no file in common (11 hits in 2,323 calls).
#[test]
fn files_are_known_again_in_another_directory_with_another_selection() {
    let here = tempfile::tempdir().unwrap();
    let cache = match isolate::ccache(here.path(), &["gcc"]) {
        Ok(cache) => cache,
        Err(error) => {
            assert!(!slow("files_are_known_again"), "{error}");
            return println!("skipped: {error}");
        }
    };
    let isolation = Isolation { cache: Some(cache), ..Isolation::default() };
    std::fs::create_dir(here.path().join("source")).unwrap();
    let source = "#include \"config-poison.h\"\nint answer(void) { return 42; }\n";
    write(&here.path().join("source/x.c"), source);
    let built: Vec<Vec<u8>> = [("a", "CONFIG_A"), ("b", "CONFIG_B CONFIG_C\n\n\n")]
        .into_iter()
        .map(|(name, symbols)| {
            let build = here.path().join(name);
            std::fs::create_dir(&build).unwrap();
            write(&build.join("config-poison.h"), &format!("#pragma GCC poison {symbols}\n"));
            let at = build.display().to_string();
            let map = format!("-ffile-prefix-map={at}=/usr/src/build");
            let compile = Invocation::new("compile", "gcc", &at)
                .env("PATH", "/usr/bin:/bin")
                .args(["-g", "-I.", map.as_str(), "-c", "../source/x.c", "-o", "x.o"]);
            process::output(&isolation.wrap(&compile)).unwrap();
            std::fs::read(build.join("x.o")).unwrap()
        })
        .collect();
    assert!(built[0] == built[1], "the objects differ");
    let ask = Invocation::new("ask the cache", "ccache", "/").env("PATH", "/usr/bin:/bin");
    let stats = process::output(&isolation.wrap(&ask.arg("--print-stats"))).unwrap().text();
    assert!(stats.lines().any(|line| line == "direct_cache_hit\t1"), "{stats}");
}

/// A file from before: ccache trusts no header as young as the compilation.
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
}
