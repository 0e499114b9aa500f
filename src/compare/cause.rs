//! Names the known causes of differences. Pure.
//!
//! The list is that of reproducible-builds.org and of what was met with QEMU: paths through `__FILE__`, dates, host and
//! user names, locale, kernel, modes by umask, times without a clamp, compiler versions.

use crate::finding::escape_controls;

/// A text only one of the builds can have put in, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub text: String,
    pub cause: String,
}

/// Lines of a report stay readable.
pub(super) fn shorten(text: &str) -> String {
    let short: String = text.chars().take(160).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{}{more}", escape_controls(&short))
}

pub(super) fn of_fact(name: &str, old: &str, new: &str, hints: &[Hint]) -> Vec<String> {
    let mut out = of_texts(&[old.to_owned()], &[new.to_owned()], hints);
    let known = match name {
        "mode" => Some("umask: a mode was left to the umask"),
        "owner" => Some("user: the owner of the build is in the archive"),
        "time" => Some("clock: a time is newer than SOURCE_DATE_EPOCH and was not clamped"),
        "gzip time" => Some("gzip-time: the gzip header holds a time; gzip -n leaves it out"),
        "inode" | "file system" => Some(
            "inode: numbers of the build's file system are in the archive; cpio --reproducible leaves them out",
        ),
        "capabilities" => {
            Some("capabilities: one build set them, or one file system does not keep them")
        }
        name if name.starts_with("attribute ") => Some(
            "attributes: extended attributes of the build's files are in the archive; tar --no-xattrs leaves them out",
        ),
        _ => None,
    };
    out.extend(known.map(str::to_owned));
    out
}

/// Causes seen in texts that only one side has.
pub(super) fn of_texts(gone: &[String], new: &[String], hints: &[Hint]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let all = || gone.iter().chain(new);
    for hint in hints {
        if all().any(|text| text.contains(&hint.text)) {
            out.push(hint.cause.clone());
        }
    }
    if all().any(|text| has_date(text)) {
        out.push(
            "date: __TIMESTAMP__, date(1), or __DATE__ and __TIME__ where the compiler does not hear SOURCE_DATE_EPOCH"
                .to_owned(),
        );
    }
    if all().any(|text| is_unix_time(text)) {
        out.push("date: looks like seconds since 1970".to_owned());
    }
    if all().any(|text| {
        text.contains("GCC: (") || text.contains("clang version") || text.contains("GNU C")
    }) {
        out.push("compiler: another version or other flags".to_owned());
    }
    let path = |text: &String| {
        // What file(1) says of an ELF file names its interpreter, and differs in the build-id, as debug files' paths do.
        !text.contains("BuildID[")
            && !text.contains("/.build-id/")
            && (text.starts_with('/')
                || text.contains("/build/")
                || text.contains(" /")
                || text.contains("=/"))
    };
    if gone.iter().any(path) && new.iter().any(path) && out.is_empty() {
        out.push(
            "path: a directory of the build is in it; map it with -ffile-prefix-map".to_owned(),
        );
    }
    out.sort();
    out.dedup();
    out
}

/// `Nov 21 2026`, `12:34:56`, `2026-11-21`.
fn has_date(text: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let digits = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit() || byte == b' ',
                other => byte == other,
            })
    };
    let shaped = |shape: &str| {
        text.as_bytes().windows(shape.len()).any(|window| {
            std::str::from_utf8(window).is_ok_and(|window| {
                digits(window, shape) && window.bytes().any(|byte| byte.is_ascii_digit())
            })
        })
    };
    let month = MONTHS.iter().any(|month| {
        text.match_indices(month)
            .any(|(at, _)| text.get(at + 3..at + 11).is_some_and(|rest| digits(rest, " 00 0000")))
    });
    month || shaped("00:00:00") || shaped("0000-00-00")
}

fn is_unix_time(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit()).any(|digits| {
        digits.len() == 10
            && digits.parse::<u64>().is_ok_and(|n| (1_400_000_000..2_500_000_000).contains(&n))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_cause_and_the_interpreter_of_an_elf_file_is_none() {
        let causes = |old: &str, new: &str| of_texts(&[old.to_owned()], &[new.to_owned()], &[]);
        assert!(causes("at /a/build/x", "at /b/build/x")[0].starts_with("path"), "directories");
        let kind = "ELF 64-bit LSB pie executable, interpreter /lib64/ld-linux-x86-64.so.2, BuildID[sha1]=";
        assert!(causes(&format!("{kind}01"), &format!("{kind}02")).is_empty());
        let built = "built Aug 29 2026 17:55:40";
        assert!(causes(built, "built Sep  2 2027 17:55:40")[0].contains("__TIMESTAMP__"));
    }

    #[test]
    fn dates_are_recognised_and_other_numbers_are_not() {
        for text in ["Nov 21 2026", "Aug  1 2026", "built 12:34:56", "on 2026-11-21T"] {
            assert!(has_date(text), "{text}");
        }
        for text in ["Mar", "version 10.0.13", "1:2:3", "Nov x", "-  -", "aa:bb:cc"] {
            assert!(!has_date(text), "{text}");
        }
        assert!(is_unix_time("id-1788026140") && !is_unix_time("0000000001 12345678901"));
    }
}
