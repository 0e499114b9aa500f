//! Rules about texts in the file. Pure.

use super::Object;
use crate::verify::Verdict;

/// The longest path that is shown.
const SHOWN: usize = 80;

/// Directories of build machines.
const MARKS: [&[u8]; 6] = [b"/home/", b"/build/", b"/tmp/", b"/root/", b"/var/tmp/", b"/work/"];

pub(super) fn build_path(object: Object<'_>) -> (Verdict, String) {
    // An absolute path that is a text of its own; one search for all directories.
    let finder = memchr::memmem::Finder::new(b"\0/");
    // The byte before a path must be seen, too.
    let found = object.facts.image.search(SHOWN + 1, &mut |bytes| first(bytes, &finder));
    match found {
        Some(text) => (Verdict::Fails(format!("`{text}`")), String::new()),
        None => (Verdict::Holds, String::new()),
    }
}

/// The first source file below such a directory.
fn first(bytes: &[u8], finder: &memchr::memmem::Finder<'_>) -> Option<String> {
    finder.find_iter(bytes).map(|at| at + 1).find_map(|at| {
        if !MARKS.iter().any(|mark| bytes[at..].starts_with(mark)) {
            return None;
        }
        let text: String = bytes[at..]
            .iter()
            .take(SHOWN)
            .take_while(|byte| byte.is_ascii_graphic())
            .map(|byte| char::from(*byte))
            .collect();
        // Cut off by the end of this piece: the next one begins before it.
        if at + text.len() == bytes.len() {
            return None;
        }
        // A pattern for names of temporary files is none of a source.
        let source = [".c", ".h", ".rs", ".cc"].iter().any(|end| text.ends_with(end));
        (source && !text.contains('%')).then_some(text)
    })
}
