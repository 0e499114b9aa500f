//! Colour and quiet: what a person asked of the messages, on a pipe.

use std::process::Command;

use crate::sandbox::{Ran, Sandbox, ran};

const ESCAPE: char = '\u{1b}';

/// A profile with an unknown key.
const FAULTY: &str = "schema = 1\nname = \"f\"\n[qemu]\nseries = \"10.0\"\nsource = { apt = \"qemu\", suite = \"trixie\" }\n\
                      colour = 1\n[target]\narch = \"x86_64\"\nmachines = [\"q35\"]\naccelerators = [\"kvm\"]\n";

/// `check` of a faulty profile; stderr is a pipe.
fn check(arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let sandbox = Sandbox::new();
    sandbox.write("f.toml", FAULTY);
    let mut command = Command::new(env!("CARGO_BIN_EXE_quench"));
    command.args(["check", "--text-only", "f.toml"]).args(arguments).current_dir(sandbox.path());
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM", "CI"] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    let ran = ran(&command.output().unwrap());
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    ran
}

#[test]
fn colour_comes_where_it_is_asked_for_and_nowhere_else() {
    let term = ("TERM", "xterm-256color");
    assert!(!check(&[], &[term]).stderr.contains(ESCAPE));
    // Findings and the failure at the end alike.
    let coloured = check(&["--color", "always"], &[term]).stderr;
    let (findings, failure) = coloured.split_at(coloured.rfind("error").unwrap());
    assert!(findings.contains(ESCAPE) && failure.contains(ESCAPE), "{coloured:?}");
    assert!(check(&["--color", "always"], &[term, ("NO_COLOR", "1")]).stderr.contains(ESCAPE));
    assert!(check(&[], &[term, ("CLICOLOR_FORCE", "1")]).stderr.contains(ESCAPE));
    let forced = ("CLICOLOR_FORCE", "1");
    assert!(!check(&[], &[term, forced, ("NO_COLOR", "1")]).stderr.contains(ESCAPE));
    assert!(!check(&["--color", "never"], &[term, forced]).stderr.contains(ESCAPE));
}

#[test]
fn a_terminal_has_colour_unless_the_environment_objects() {
    let sandbox = Sandbox::new();
    sandbox.write("f.toml", FAULTY);
    let on_terminal = |environment: &[&str]| {
        // script(1) runs it on a pseudo-terminal and prints what was shown there.
        let quench = format!("{} check --text-only f.toml", env!("CARGO_BIN_EXE_quench"));
        let mut command = Command::new("env");
        command.args(["-u", "NO_COLOR", "-u", "CI"]).args(environment);
        command.args(["script", "-qec", &quench, "/dev/null"]).current_dir(sandbox.path());
        let shown = ran(&command.output().unwrap()).stdout;
        assert!(shown.contains("f.toml"), "{shown}");
        shown.contains(ESCAPE)
    };
    assert!(on_terminal(&["TERM=xterm-256color"]));
    assert!(!on_terminal(&["TERM=xterm-256color", "NO_COLOR=1"]));
    assert!(!on_terminal(&["TERM=dumb"]));
}
