//! Rules about texts in the file. Pure.

use super::Object;
use crate::verify::Verdict;

/// The longest path that is shown.
const SHOWN: usize = 80;

pub(super) fn build_path(object: Object<'_>) -> (Verdict, String) {
    let marks = ["/home/", "/build/", "/tmp/", "/root/", "/var/tmp/", "/work/"];
    let finders = marks.map(|mark| memchr::memmem::Finder::new(mark.as_bytes()));
    // The byte before a path must be seen, too.
    let found = object
        .facts
        .image
        .search(SHOWN + 1, &mut |bytes| finders.iter().find_map(|finder| first(bytes, finder)));
    match found {
        Some(text) => (Verdict::Fails(format!("`{text}`")), String::new()),
        None => (Verdict::Holds, String::new()),
    }
}

/// The first source file below a directory.
fn first(bytes: &[u8], finder: &memchr::memmem::Finder<'_>) -> Option<String> {
    finder.find_iter(bytes).find_map(|at| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied()?;
        if before != 0 {
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
        [".c", ".h", ".rs", ".cc"].iter().any(|end| text.ends_with(end)).then_some(text)
    })
}
