//! The plan as a shell script that a person can read, edit and run without Quench.
//!
//! Pure. The script does what `build` does up to the stripped emulator, with the same commands in the same
//! environment, so that it produces the same bytes: the only thing it cannot know is where the source tree is.

use crate::plan::{Invocation, Plan, StepId};
use crate::profile::Source;

/// Renders the script. `python` is the interpreter `build` would use on this machine; the script lets `$PYTHON`
/// replace it.
pub fn sh(plan: &Plan, origin: &Source, source: &str, python: &str) -> String {
    let mut out = String::new();
    head(&mut out, plan, source, python);
    fetch(&mut out, plan, origin);
    device_file(&mut out, plan);
    for id in [StepId::Configure, StepId::Compile, StepId::Stage] {
        let Some(step) = plan.step(id) else { continue };
        out.push_str(&format!("\n# {}: {}\n", step.title, step.because));
        for (path, text) in &step.writes {
            out.push_str(&format!("mkdir -p \"$(dirname \"{path}\")\"\ncat > \"{path}\" <<EOF_QUENCH\n{text}EOF_QUENCH\n"));
        }
        for command in &step.commands {
            invocation(&mut out, command);
        }
    }
    out.push_str(&format!("\nsha256sum \"$BUILD/{0}\" \"$BUILD/stripped/{0}\"\n", plan.emulator()));
    out
}

fn head(out: &mut String, plan: &Plan, source: &str, python: &str) {
    out.push_str(&format!(
        "#!/bin/sh\n\
         # The plan of `{name}` as a script: QEMU {version} for {target}.\n\
         # Usage: [SOURCE=patched-tree] [BUILD=empty-directory] [PYTHON=python-with-meson] sh this-file\n\
         # Every line below is also in `quench plan --format json`, with its reason.\n\
         set -eu\n\
         umask 022\n\
         SOURCE=$(realpath -m \"${{SOURCE:-{source}}}\")\n\
         BUILD=$(realpath -m \"${{BUILD:-$PWD/{name}-build}}\")\n\
         PYTHON=${{PYTHON:-{python}}}\n\
         MESON=${{PYTHON%/*}}/meson\n\
         HOME_DIR=$BUILD/home\n\
         RELATIVE=$(realpath -m --relative-to=\"$BUILD\" \"$SOURCE\")\n\
         mkdir -p \"$BUILD\" \"$HOME_DIR\"\n",
        name = plan.name,
        version = plan.source.version,
        target = plan.target(),
    ));
}

fn fetch(out: &mut String, plan: &Plan, origin: &Source) {
    out.push_str(&format!(
        "\n# The source: {}; tree key {}\n",
        plan.source.origin, plan.source.digest
    ));
    for (name, sha256) in &plan.source.files {
        out.push_str(&format!("#   {sha256}  {name}\n"));
    }
    for (name, sha256) in &plan.source.patches {
        out.push_str(&format!("#   {sha256}  patches/{name} (patch -p1 --fuzz=0)\n"));
    }
    let how = match origin {
        Source::Apt { package, suite } => {
            format!(
                "apt-get source {package}={} with a deb-src line for {suite}",
                plan.source.version
            )
        }
        Source::Path { path } => format!("the tree at {path}"),
        Source::Url { url, .. } => format!("download {url}, check the digest above, unpack"),
    };
    out.push_str(&format!(
        "if ! [ -f \"$SOURCE/configure\" ]; then\n  echo 'no QEMU tree at '\"$SOURCE\"': set SOURCE to {how}' >&2\n  \
         exit 4\nfi\n",
        how = how.replace('\'', "")
    ));
}

fn device_file(out: &mut String, plan: &Plan) {
    let file = &plan.device_file;
    out.push_str(&format!(
        "\n# What Kconfig is asked for\ncat > \"$SOURCE/{}\" <<'EOF_QUENCH'\n",
        file.path
    ));
    out.push_str(&file.text);
    out.push_str("EOF_QUENCH\n");
}

fn invocation(out: &mut String, command: &Invocation) {
    out.push_str(&format!("# {}\ncd {}\nenv -i", command.purpose, word(&command.directory)));
    for (name, value) in &command.environment {
        out.push_str(&format!(" \\\n  {name}={}", word(value)));
    }
    out.push_str(&format!(" \\\n  {}", word(&command.program)));
    for argument in &command.arguments {
        out.push_str(&format!(" \\\n  {}", word(argument)));
    }
    out.push('\n');
}

/// A word in double quotes, so that the plan's variables are expanded and nothing else is.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '`' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}
