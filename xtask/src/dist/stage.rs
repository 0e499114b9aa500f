//! The tree both packages are made of: every file at its place, once.

use std::path::Path;

use cargo_metadata::Metadata;

use super::{licences, names, output, read, write};
use crate::sh;

const DOCUMENTS: &str = "usr/share/doc/quench";
/// Shell, where its completions are looked for.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "usr/share/bash-completion/completions/quench"),
    ("fish", "usr/share/fish/vendor_completions.d/quench.fish"),
    // Debian's place; the .rpm has them at zsh's own.
    ("zsh", "usr/share/zsh/vendor-completions/_quench"),
];

/// Fills an empty directory; pages and completions come from the program itself.
pub(super) fn fill(
    stage: &Path,
    program: &Path,
    metadata: &Metadata,
    sbom: &str,
) -> Result<(), String> {
    let at = |path: &str| stage.join(path);
    std::fs::create_dir_all(at("usr/bin")).map_err(|error| error.to_string())?;
    std::fs::copy(program, at("usr/bin/quench")).map_err(|error| error.to_string())?;
    let pages = at("usr/share/man/man1");
    output(program, &["man", &pages.display().to_string()])?;
    for name in names(&pages)? {
        sh("gzip", &["-9n", &pages.join(name).display().to_string()], &[])?;
    }
    for (shell, path) in COMPLETIONS {
        write(&at(path), &output(program, &["completions", shell])?)?;
    }
    write(&at(&format!("{DOCUMENTS}/README.md")), &read("README.md")?)?;
    write(&at(&format!("{DOCUMENTS}/quench.cdx.json")), sbom)?;
    write(&at(&format!("{DOCUMENTS}/copyright")), &licences::copyright(metadata)?)?;
    write(&at(&format!("{DOCUMENTS}/third-party-notices")), &licences::notices(metadata)?)?;
    sh("chmod", &["-R", "u=rwX,go=rX", &stage.display().to_string()], &[])
}
