//! The closed root on a real distribution: locked once, made of checked packages, then good without network.

use std::path::{Path, PathBuf};

use crate::sandbox::{Ran, Sandbox, quench, slow};

/// Compiles nothing: up to and including configure, which is where headers and libraries decide.
#[test]
fn a_root_is_locked_online_and_builds_offline_of_exactly_these_packages() {
    if !slow("a_root_is_locked_online_and_builds_offline_of_exactly_these_packages") {
        return;
    }
    let sandbox = Sandbox::new();
    let shared = PathBuf::from(std::env::var_os("QUENCH_WORK").expect("QUENCH_WORK"));
    // Where it can stay: roots are large, and /tmp may be small.
    let work = shared.join("closed-root");
    let _ = std::fs::remove_dir_all(&work);
    for part in ["downloads", "trees"] {
        if shared.join(part).is_dir() {
            let from = format!("{}/.", shared.join(part).display());
            let to = work.join(part);
            std::fs::create_dir_all(&to).unwrap();
            crate::real::as_plain(&["cp", "-a", "--link", &from, to.to_str().unwrap()]);
        }
    }
    let run = |more: &[&str]| -> Ran {
        let common = ["build", "microvm", "--root", "--stale-index", "--until", "configure"];
        quench(sandbox.path(), &work, &[&common, more].concat())
    };
    let source = ["build", "microvm", "--until", "source", "--stale-index"];
    assert_eq!(quench(sandbox.path(), &work, &source).code, 0);
    let ran = run(&["--offline"]);
    assert!(ran.code == 4 && ran.stderr.contains("root lock"), "{} {}", ran.code, ran.stderr);
    let ran = run(&["--install-deps", "--yes"]);
    println!("{}", ran.stderr);
    // bubblewrap cannot work in a chroot that is no mount point, and in some containers.
    if ran.stderr.contains("error: the sandbox does not work here") {
        assert_eq!(ran.code, 4);
        return println!("skipped: the closed root needs the sandbox");
    }
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let lock = sandbox.path().join("microvm.root.lock");
    let text = std::fs::read_to_string(&lock).unwrap();
    assert!(text.matches("[[package]]").count() > 100, "{text}");
    assert!(text.contains("name = \"gcc-") && !text.contains("://"), "{text}");
    // Not the host's headers: what only the host has is not seen.
    let log = std::fs::read_to_string(work.join("builds/microvm/logs/configure.log")).unwrap();
    assert!(log.contains("/quench/source/configure"), "{log:.2000}");
    assert!(!log.contains(&format!("Source dir: {}", work.display())), "fixed paths");

    let aside = work.join("aside");
    std::fs::rename(work.join("roots"), &aside).unwrap();
    std::fs::remove_dir_all(work.join("builds")).unwrap();
    let deb = a_deb(&work);
    let whole = std::fs::read(&deb).unwrap();
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&deb, bytes).unwrap();
    let ran = run(&["--offline"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    for part in [deb.to_str().unwrap(), "microvm.root.lock", "sha256", "hint: remove"] {
        assert!(ran.stderr.contains(part), "no {part}: {}", ran.stderr);
    }
    assert!(!work.join("roots").exists(), "nothing is made of it");
    std::fs::remove_file(&deb).unwrap();
    let ran = run(&["--offline"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("--offline") && ran.stderr.contains("make "), "{}", ran.stderr);
    // The archive has it still; what it delivers must be the locked bytes.
    std::fs::write(&lock, text.replacen("sha256 = \"", "sha256 = \"0", 1)).unwrap();
    let ran = run(&[]);
    assert!(ran.code == 2 && ran.stderr.contains("no such package"), "{}", ran.stderr);
    std::fs::write(&lock, &text).unwrap();
    std::fs::write(&deb, whole).unwrap();
    std::fs::rename(&aside, work.join("roots")).unwrap();
    let ran = run(&["--offline", "--locked"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("Step Configure"), "{}", ran.stderr);
    // A plan that needs more than the lock has.
    let profile = "schema = 1\nname = \"more\"\nsummary = \"more\"\nextends = [\"microvm\"]\n\
                   [backends]\nnetdevs = [\"user\"]\n";
    let profile = sandbox.write("more.toml", profile);
    std::fs::copy(sandbox.path().join("microvm.lock"), sandbox.path().join("more.lock")).unwrap();
    let lock = format!("--root={}", lock.display());
    let words = ["build", profile.to_str().unwrap(), &lock, "--offline", "--until", "configure"];
    let ran = quench(sandbox.path(), &work, &words);
    assert!(ran.code == 2 && ran.stderr.contains("libslirp-dev"), "{} {}", ran.code, ran.stderr);
    std::fs::remove_dir_all(&work).unwrap();
}

/// The package of `make`: small, and no other name begins so.
fn a_deb(work: &Path) -> PathBuf {
    let mut debs = std::fs::read_dir(work.join("debs")).unwrap().map(|entry| entry.unwrap().path());
    let wanted = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("make_");
    debs.find(wanted).expect("make_*.deb")
}

#[test]
fn the_root_needs_the_sandbox_and_a_suite_needs_a_root() {
    let sandbox = Sandbox::new();
    let ran = sandbox.quench(&["build", "microvm", "--root", "--sandbox", "never"]);
    assert!(ran.code == 2 && ran.stderr.contains("--sandbox never"), "{}", ran.stderr);
    let ran = sandbox.quench(&["build", "microvm", "--root-suite", "sid"]);
    assert!(ran.code == 2 && ran.stderr.contains("--root"), "{}", ran.stderr);
}
