//! Applies our patches to a fresh tree: quilt order, `-p1`, no fuzz, all or nothing. Shell.

use std::path::Path;

use super::{Error, base};
use crate::files::Scratch;
use crate::process;

/// Applies the patches in order to a tree nobody uses yet; a failure names patch, file and hunk.
pub(super) fn apply(tree: &Path, patches: &[(String, Vec<u8>)]) -> Result<(), Error> {
    if patches.is_empty() {
        return Ok(());
    }
    let scratch = Scratch::new()?;
    for (name, text) in patches {
        let file = scratch.path().join("patch");
        fs_err::write(&file, text)?;
        let command = base(&format!("apply patch {name}"), "patch", &tree.display().to_string())
            .args([
                "-p1",
                "--fuzz=0",
                "--force",
                "--no-backup-if-mismatch",
                "--reject-file=-",
                "--input",
            ])
            .arg(file.display().to_string());
        let mut lines = Vec::new();
        if process::run(&command, None, &mut |line| lines.push(line.to_owned())).is_err() {
            return Err(Error::Refused(format!(
                "patch `{name}` does not apply: {}",
                rejection(&lines)
            )));
        }
    }
    Ok(())
}

/// The file and hunk of patch(1)'s complaint.
fn rejection(lines: &[String]) -> String {
    let hunk =
        lines.iter().find(|line| line.contains("FAILED") || line.contains("can't find file"));
    let file =
        lines.iter().rev().find_map(|line| line.strip_prefix("patching file ")).unwrap_or("?");
    match hunk {
        Some(hunk) => format!("{file}: {}", hunk.trim()),
        None => lines.last().cloned().unwrap_or_else(|| "patch(1) said nothing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_that_does_not_apply_names_file_and_hunk() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.c"), "one\ntwo\nthree\n").unwrap();
        let good = b"--- a/a.c\n+++ b/a.c\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n".to_vec();
        let bad = b"--- a/a.c\n+++ b/a.c\n@@ -1,3 +1,3 @@\n one\n-nothing\n+x\n three\n".to_vec();
        apply(directory.path(), &[("good.patch".to_owned(), good)]).unwrap();
        let error =
            apply(directory.path(), &[("bad.patch".to_owned(), bad)]).unwrap_err().to_string();
        assert!(
            error.contains("bad.patch") && error.contains("a.c") && error.contains("Hunk #1"),
            "{error}"
        );
    }
}
