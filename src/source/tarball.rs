//! Unpacks a release tarball, which may write below its one top directory and nowhere else.
//!
//! Shell. Its headers are gone through first; then tar unpacks it, keeping the top directory, as what is taken off a path
//! would not be looked at by tar's own checks.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Error, base};
use crate::archive::{Header, Kind, tar_headers};
use crate::process;

/// Unpacks the contents of the top directory as `into`, which is not there yet.
pub(super) fn unpack(tarball: &Path, into: &Path, work: &str) -> Result<(), Error> {
    let top = top_of(tarball)?;
    let beside = into.with_extension("unpacked");
    // What a killed run left.
    if beside.exists() {
        fs_err::remove_dir_all(&beside)?;
    }
    fs_err::create_dir_all(&beside)?;
    let unpack = base("unpack the tarball", "tar", work)
        .args(["--extract", "--no-same-owner", "--no-same-permissions", "--file"])
        .arg(tarball.display().to_string())
        .arg("--directory")
        .arg(beside.display().to_string());
    process::output(&unpack)?;
    fs_err::rename(beside.join(top), into)?;
    fs_err::remove_dir(&beside)?;
    Ok(())
}

/// The one top directory; an error that names the member which may not be.
fn top_of(tarball: &Path) -> Result<String, Error> {
    let refused = |why: &str| Error::Refused(format!("{}: {why}", tarball.display()));
    let mut layout = Layout::default();
    let mut fault = None;
    let mut file = fs_err::File::open(tarball)?;
    let is_tar = tar_headers(&mut file, &mut |header| {
        if fault.is_none()
            && let Err(why) = layout.add(header)
        {
            fault = Some(format!("`{}` {why}", header.path.escape_debug()));
        }
    });
    match (is_tar, fault) {
        (_, Some(fault)) => Err(refused(&fault)),
        (Err(error), None) => Err(refused(&format!("no archive that can be read: {error}"))),
        (Ok(false), None) => Err(refused("no tar archive")),
        (Ok(true), None) => layout.top.ok_or_else(|| refused("nothing is in it")),
    }
}

/// What the members so far make.
#[derive(Default)]
struct Layout {
    top: Option<String>,
    links: BTreeSet<String>,
}

impl Layout {
    fn add(&mut self, header: &Header<'_>) -> Result<(), &'static str> {
        let directory = *header.kind == Kind::Directory;
        let path = header.path.strip_prefix("./").unwrap_or(header.path);
        let path = if directory { path.strip_suffix('/').unwrap_or(path) } else { path };
        if directory && matches!(path, "" | ".") {
            return Ok(());
        }
        self.place(path)?;
        if !directory && !path.contains('/') {
            return Err("is not below a top directory");
        }
        if let Some(target) = header.hard_link {
            let target = target.strip_prefix("./").unwrap_or(target);
            self.place(target).map_err(|_| "is a hard link that leads out")?;
            if self.links.contains(target) {
                return Err("is a hard link to a symbolic link");
            }
        }
        match header.kind {
            Kind::Device(_) | Kind::Closed(_) => Err("is neither file, directory nor link"),
            Kind::File if header.mode & 0o6000 != 0 => Err("is set-id"),
            Kind::Link(target) if leads_out(path, target) => Err("is a link that leads out"),
            Kind::Link(_) => {
                self.links.insert(path.to_owned());
                Ok(())
            }
            Kind::File | Kind::Directory => Ok(()),
        }
    }

    /// A plain path below the top directory, not through a link.
    fn place(&mut self, path: &str) -> Result<(), &'static str> {
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err("is no plain path below the top directory");
        }
        let first = path.split('/').next().unwrap_or(path);
        if self.top.get_or_insert_with(|| first.to_owned()) != first {
            return Err("is not below the one top directory");
        }
        let through = |(end, _)| self.links.contains(&path[..end]);
        if path.match_indices('/').any(through) {
            return Err("is below a symbolic link");
        }
        Ok(())
    }
}

/// Whether a link's target is outside of the top directory. `..` behind a name may be that of another link's target, so
/// only leading ones are counted.
fn leads_out(path: &str, target: &str) -> bool {
    let parts = || target.split('/').filter(|part| !matches!(*part, "" | "."));
    let up = parts().take_while(|part| *part == "..").count();
    let below_top = path.matches('/').count().saturating_sub(1);
    target.starts_with('/') || up > below_top || parts().skip(up).any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::{Header, Kind, Layout};

    fn judge(members: &[(&str, Kind, u32, Option<&str>)]) -> Result<(), &'static str> {
        let mut layout = Layout::default();
        members.iter().try_for_each(|(path, kind, mode, hard_link)| {
            layout.add(&Header { path, kind, mode: *mode, hard_link: *hard_link })
        })
    }

    #[test]
    fn what_stays_in_the_top_directory_is_taken() {
        let link = |target: &str| Kind::Link(target.to_owned());
        let good = [
            ("./q/", Kind::Directory, 0o2755, None),
            ("q/a/b", Kind::File, 0o755, None),
            ("q/a/c", link("../d"), 0o777, None),
            ("q/e", link("a/b"), 0o777, None),
            ("q/f", Kind::File, 0o644, Some("q/a/b")),
        ];
        assert_eq!(judge(&good), Ok(()));
    }

    #[test]
    fn what_leads_out_of_the_top_directory_is_refused() {
        let link = |target: &str| Kind::Link(target.to_owned());
        let bad = [
            ("/q/a", Kind::File, 0o644, None),
            ("q//etc/a", Kind::File, 0o644, None),
            ("q/../a", Kind::File, 0o644, None),
            ("other/a", Kind::File, 0o644, None),
            ("a", Kind::File, 0o644, None),
            ("q/s", Kind::File, 0o4755, None),
            ("q/n", Kind::Device("fifo"), 0o644, None),
            ("q/l", link("/etc"), 0o777, None),
            ("q/l", link("../x"), 0o777, None),
            ("q/d/l", link("in/../../.."), 0o777, None),
            ("q/in/a", Kind::File, 0o644, None),
            ("q/h", Kind::File, 0o644, Some("/etc/passwd")),
            ("q/h", Kind::File, 0o644, Some("q/in")),
        ];
        for member in bad {
            let members = [("q/in", link("d"), 0o777, None), member];
            assert!(judge(&members).is_err(), "{:?}", members[1]);
        }
    }
}
