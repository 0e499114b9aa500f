//! Names of files and other people's texts, made fit to be shown: nothing in them moves the cursor, changes colours, breaks a
//! line or turns the direction of reading. Pure.

use std::borrow::Cow;

/// The same text with what cannot be seen as escapes.
pub fn escape_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(unseen) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if unseen(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Control characters, ends of lines and paragraphs, and what turns the direction of reading (Unicode's Bidi_Control).
fn unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A name that may be no text: what is not stands as `\xNN`, so that two names do not become one.
pub fn of_bytes(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escape_controls, of_bytes};

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(escape_controls("/usr/bin/é [x]"), "/usr/bin/é [x]");
        assert_eq!(
            escape_controls("\u{1b}[31m\n\r\t\u{9b}\u{7f}"),
            "\\u{1b}[31m\\n\\r\\t\\u{9b}\\u{7f}"
        );
        assert_eq!(escape_controls("a\u{202e}b\u{2028}"), "a\\u{202e}b\\u{2028}");
    }

    #[test]
    fn names_that_are_no_text_stay_apart() {
        assert_eq!(of_bytes(b"a\xffb"), "a\\xffb");
        assert_ne!(of_bytes(b"a\xff"), of_bytes(b"a\xfe"));
        assert_eq!(of_bytes("é".as_bytes()), "é");
    }
}
