//! Paragraphs for a terminal. Pure.

/// A paragraph for a terminal: lines of at most 100 characters, indented.
pub fn wrapped(text: &str, indent: usize) -> String {
    const WIDTH: usize = 100;
    let mut out = String::new();
    let mut used = WIDTH;
    for word in text.split_ascii_whitespace() {
        let length = word.chars().count();
        if used + 1 + length > WIDTH {
            let start = if out.is_empty() { "" } else { "\n" };
            out.push_str(&format!("{start}{}{word}", " ".repeat(indent)));
            used = indent + length;
        } else {
            out.push_str(&format!(" {word}"));
            used += 1 + length;
        }
    }
    out.push('\n');
    out
}
