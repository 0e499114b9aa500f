//! Layers of a container image as the one file system they are: what an upper layer replaces or removes is not in the
//! image. Pure.
//!
//! Source: OCI image-spec, layer.md ("Applying Changesets", "Whiteouts").

use std::collections::BTreeSet;

use super::{Kind, Member, Visit};

/// Begins the name of a file that says another one is removed.
const WHITEOUT: &str = ".wh.";
/// Removes everything that lower layers have in its directory.
const OPAQUE: &str = ".wh..wh..opq";

/// What the layers so far, from the top on, say of lower ones.
#[derive(Debug, Default)]
pub struct Layers {
    /// Paths that are decided.
    decided: BTreeSet<String>,
    /// Directories of which nothing more comes from below; files in the place of directories, and what was removed.
    ends: BTreeSet<String>,
}

/// One layer; what it says counts for those below it.
pub struct Layer<'l> {
    layers: &'l mut Layers,
    visit: &'l mut dyn Visit,
    new: Layers,
    hidden: BTreeSet<String>,
}

impl std::fmt::Debug for Layer<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?}", self.layers)
    }
}

impl Layers {
    /// The next layer below.
    pub fn next<'l>(&'l mut self, visit: &'l mut dyn Visit) -> Layer<'l> {
        Layer { layers: self, visit, new: Self::default(), hidden: BTreeSet::new() }
    }

    /// True when an upper layer has the last word on a path.
    fn hides(&self, path: &str) -> bool {
        let mut above = path.match_indices('/').map(|(at, _)| &path[..at]);
        self.decided.contains(path) || above.any(|directory| self.ends.contains(directory))
    }
}

impl Layer<'_> {
    /// All of it was seen.
    pub fn end(mut self) {
        self.layers.decided.append(&mut self.new.decided);
        self.layers.ends.append(&mut self.new.ends);
    }

    /// Takes note of a member; true when it is in the image.
    fn shows(&mut self, member: &Member) -> bool {
        let (outer, inner) = member
            .path
            .split_once('!')
            .map_or((member.path.as_str(), None), |(outer, inner)| (outer, Some(inner)));
        let (directory, name) = outer.rsplit_once('/').unwrap_or(("", outer));
        if name == OPAQUE {
            self.new.ends.insert(directory.to_owned());
            return false;
        }
        if let Some(removed) = name.strip_prefix(WHITEOUT) {
            let path = format!("{directory}/{removed}");
            self.new.decided.insert(path.clone());
            self.new.ends.insert(path);
            return false;
        }
        let hidden = self.layers.hides(outer);
        // Of an archive only what it is itself counts, not its members.
        let own = inner.is_none() && !matches!(member.kind, Kind::Closed(_));
        if own && !hidden {
            self.new.decided.insert(outer.to_owned());
            if member.kind != Kind::Directory {
                self.new.ends.insert(outer.to_owned());
            }
        }
        if own && hidden {
            self.hidden.insert(outer.to_owned());
        }
        !hidden
    }
}

impl Visit for Layer<'_> {
    fn keeps(&self, path: &str) -> bool {
        self.visit.keeps(path)
    }

    fn holds(&mut self, bytes: u64) {
        self.visit.holds(bytes);
    }

    fn archives(&mut self, bytes: u64) {
        self.visit.archives(bytes);
    }

    fn member(&mut self, member: Member) {
        if self.shows(&member) {
            self.visit.member(member);
        }
    }

    fn again(&mut self, path: String, first: &str) {
        let member = Member::file(path, 0, Vec::new());
        if !self.shows(&member) {
            return;
        }
        if self.hidden.contains(first) {
            // The contents were seen under a name that is not in the image.
            let kind = Kind::Closed(format!("a hard link to {first}, which an upper layer hides"));
            self.visit.member(Member { kind, ..member });
        } else {
            self.visit.again(member.path, first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(layers: &[&[(&str, Kind)]]) -> Vec<String> {
        let (mut union, mut out) = (Layers::default(), Vec::new());
        for members in layers {
            let mut see = |member: Member| out.push(member.path);
            let mut layer = union.next(&mut see);
            for (path, kind) in *members {
                layer.member(Member {
                    kind: kind.clone(),
                    ..Member::file(*path, 0o755, Vec::new())
                });
            }
            layer.end();
        }
        out
    }

    #[test]
    fn what_upper_layers_replace_or_remove_is_not_in_the_image() {
        use Kind::{Directory, File};
        let lower: &[(&str, Kind)] = &[
            ("/bin", Directory),
            ("/bin/a", File),
            ("/bin/ab", File),
            ("/bin/z.tar!/x", File),
            ("/bin/z.tar", File),
            ("/opt/old/x", File),
            ("/opt/old/deep/y", File),
            ("/srv/x/y", File),
        ];
        assert_eq!(shown(&[lower]).len(), 8);
        for (upper, gone) in [
            (vec![("/bin/.wh.a", File)], vec!["/bin/a"]),
            (vec![("/bin/a", File)], vec![]),
            (vec![("/bin/z.tar", File)], vec!["/bin/z.tar!/x"]),
            (vec![("/opt/.wh.old", File)], vec!["/opt/old/x", "/opt/old/deep/y"]),
            (
                vec![("/opt/old/.wh..wh..opq", File), ("/opt/old/new", File)],
                vec!["/opt/old/x", "/opt/old/deep/y"],
            ),
            (vec![("/opt/old/deep", Directory)], vec![]),
            (vec![("/srv/x", Kind::Link("/bin".to_owned()))], vec!["/srv/x/y"]),
        ] {
            let seen = shown(&[&upper, lower]);
            for (path, _) in lower {
                let count = seen.iter().filter(|seen| seen == path).count();
                assert_eq!(count, usize::from(!gone.contains(path)), "{upper:?} {path}");
            }
        }
        // What was removed and comes again above is there once; a file of the same layer is not removed by its word.
        let again = shown(&[&[("/bin/a", File)], &[("/bin/.wh.a", File)], lower]);
        assert_eq!(again.iter().filter(|path| *path == "/bin/a").count(), 1);
        assert_eq!(shown(&[&[("/x/.wh..wh..opq", File), ("/x/y", File)]]), ["/x/y"]);
    }

    #[test]
    fn a_hard_link_whose_first_name_is_hidden_is_not_silent() {
        let (mut union, mut out) = (Layers::default(), Vec::new());
        let mut see = |member: Member| out.push(member.kind);
        let mut top = union.next(&mut see);
        top.member(Member::file("/bin/.wh.a", 0, Vec::new()));
        top.end();
        let mut lower = union.next(&mut see);
        lower.member(Member::file("/bin/a", 0o755, Vec::new()));
        lower.again("/bin/b".to_owned(), "/bin/a");
        lower.end();
        assert!(matches!(&out[..], [Kind::Closed(_)]), "{out:?}");
    }
}
