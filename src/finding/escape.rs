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

/// A text of several lines in which nothing but the ends of lines is obeyed.
pub fn lines(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| unseen(c) && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let cells = |line: &str| line.split('\t').map(escape_controls).collect::<Vec<_>>().join("\t");
    Cow::Owned(text.split('\n').map(cells).collect::<Vec<_>>().join("\n"))
}

/// The same text with the passwords of addresses cut out, as curl and git do: `https://user:***@host/`.
pub fn without_passwords(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        // Who is asked ends with the first slash, blank or quote; a password may have an `@`.
        let end = after.find(|c: char| "/?#'\"<>`".contains(c) || c.is_whitespace());
        let authority = &after[..end.unwrap_or(after.len())];
        let user = authority.rsplit_once('@').and_then(|(user, host)| {
            let (name, _) = user.split_once(':')?;
            Some((name, host))
        });
        match user {
            Some((name, host)) => out.push_str(&format!("{name}:***@{host}")),
            None => out.push_str(authority),
        }
        rest = &after[authority.len()..];
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
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
    use super::{escape_controls, lines, of_bytes, without_passwords};

    #[test]
    fn lines_and_columns_stay_and_nothing_else_is_obeyed() {
        assert_eq!(lines("a\tb\nc"), "a\tb\nc");
        assert_eq!(lines("a\u{1b}[2J\tb\nc\r"), "a\\u{1b}[2J\tb\nc\\r");
    }

    #[test]
    fn passwords_of_addresses_are_cut_and_nothing_else() {
        for (text, shown) in [
            ("http_proxy=http://me:s3cret@proxy:3128/ x", "http_proxy=http://me:***@proxy:3128/ x"),
            ("'ftp://a:b@c' and https://d:e@f/g", "'ftp://a:***@c' and https://d:***@f/g"),
            ("https://a:p@ss:w@host", "https://a:***@host"),
            ("https://me@host/a:b@c", "https://me@host/a:b@c"),
            ("https://host:80/", "https://host:80/"),
            ("no address", "no address"),
        ] {
            assert_eq!(without_passwords(text), shown);
        }
    }

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
