//! Rules about texts in the file. Pure.

use super::Object;
use crate::verify::Verdict;

pub(super) fn build_path(object: Object<'_>) -> (Verdict, String) {
    for mark in ["/home/", "/build/", "/tmp/", "/root/", "/var/tmp/", "/work/"] {
        for at in memchr::memmem::find_iter(object.bytes, mark.as_bytes()) {
            let before =
                at.checked_sub(1).and_then(|at| object.bytes.get(at)).copied().unwrap_or(0);
            let text: String = object.bytes[at..]
                .iter()
                .take(80)
                .take_while(|byte| byte.is_ascii_graphic())
                .map(|byte| char::from(*byte))
                .collect();
            let source = [".c", ".h", ".rs", ".cc"].iter().any(|end| text.ends_with(end));
            if before == 0 && source {
                return (Verdict::Fails(format!("`{text}`")), String::new());
            }
        }
    }
    (Verdict::Holds, String::new())
}
