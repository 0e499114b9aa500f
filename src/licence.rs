//! What a source file says of its licence and its copyright holders, and the licences of a set of files as a whole.
//!
//! Pure: texts in, values out. Only the first comment of a file is read as a notice; a file without one has the licence
//! that QEMU's `LICENSE` gives to such files.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Licence of a QEMU source file that states none (`LICENSE`, point 2 and the sentence after it).
pub const UNSTATED: &str = "GPL-2.0-or-later";

/// How much of a file may be its notice.
const MOST_LINES: usize = 120;

/// What one file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notice {
    /// SPDX expression.
    pub licence: String,
    /// The file itself says so.
    pub stated: bool,
    /// Copyright lines, as written, without comment marks.
    pub holders: BTreeSet<String>,
    /// The notice without comment marks, for licences whose text is nowhere else.
    pub text: Vec<String>,
}

/// Files with one licence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub files: Vec<String>,
    /// How many of them state no licence.
    pub unstated: usize,
    pub holders: BTreeSet<String>,
    /// The notice of the first file that states the licence.
    pub text: Vec<String>,
}

/// Reads a file's notice.
pub fn notice(text: &str) -> Notice {
    let lines = first_comment(text);
    let joined = lines.join(" ").to_lowercase();
    let words: String = joined.split_whitespace().collect::<Vec<_>>().join(" ");
    let licences = match tag(&lines) {
        Some(expression) => vec![expression],
        None => worded(&words),
    };
    let stated = !licences.is_empty();
    let licence = match licences.as_slice() {
        [] => UNSTATED.to_owned(),
        [one] => one.clone(),
        several => several.iter().map(|one| bracketed(one)).collect::<Vec<_>>().join(" AND "),
    };
    Notice { licence, stated, holders: holders(&lines), text: lines }
}

/// Sorts files by licence.
pub fn groups<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, Group> {
    let mut out: BTreeMap<String, Group> = BTreeMap::new();
    for (file, text) in files {
        let notice = notice(text);
        let group = out.entry(notice.licence).or_default();
        group.files.push(file.to_owned());
        group.holders.extend(notice.holders);
        if !notice.stated {
            group.unstated += 1;
        } else if group.text.is_empty() {
            group.text = notice.text;
        }
    }
    for group in out.values_mut() {
        group.files.sort();
        group.files.dedup();
    }
    out
}

/// One SPDX expression that holds for all of them together.
pub fn together<'a>(licences: impl IntoIterator<Item = &'a str>) -> String {
    let parts: BTreeSet<&str> =
        licences.into_iter().flat_map(|licence| licence.split(" AND ")).collect();
    parts.into_iter().map(bracketed).collect::<Vec<_>>().join(" AND ")
}

fn bracketed(licence: &str) -> String {
    if licence.contains(" OR ") && unbracketed(licence).is_none() {
        format!("({licence})")
    } else {
        licence.to_owned()
    }
}

/// What stands between a first bracket and its partner at the very end.
fn unbracketed(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0_i64;
    for c in inner.chars() {
        depth += i64::from(c == '(') - i64::from(c == ')');
        if depth < 0 {
            return None;
        }
    }
    (depth == 0).then_some(inner)
}

/// Lines of the first comment block (or of several that follow each other), without comment marks.
fn first_comment(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines().take(MOST_LINES) {
        let trimmed = line.trim();
        let starts = trimmed.starts_with("/*");
        let single = trimmed.starts_with("//")
            || (trimmed.starts_with('#')
                && !trimmed.starts_with("#i")
                && !trimmed.starts_with("#d"));
        if !(inside || starts || single || trimmed.is_empty()) {
            break;
        }
        if trimmed.is_empty() && !inside {
            continue;
        }
        inside = (inside || starts) && !trimmed.contains("*/");
        let bare = trimmed
            .trim_start_matches(['/', '*', '#', '!'])
            .trim_end_matches("*/")
            .trim()
            .to_owned();
        if !(bare.is_empty() && out.last().is_none_or(String::is_empty)) {
            out.push(bare);
        }
    }
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out
}

/// The expression of an `SPDX-License-Identifier` line, with today's names.
fn tag(lines: &[String]) -> Option<String> {
    let line = lines.iter().find_map(|line| line.split_once("SPDX-License-Identifier:"))?.1;
    let words: Vec<String> = line
        .split_whitespace()
        .map(|word| {
            let open = word.len() - word.trim_start_matches('(').len();
            let bare = word.trim_matches(['(', ')']);
            let close = word.len() - word.trim_end_matches(')').len();
            format!("{}{}{}", "(".repeat(open), today(bare), ")".repeat(close))
        })
        .collect();
    let text = flat(&words.join(" "));
    // One pair of brackets around everything says nothing.
    Some(unbracketed(&text).unwrap_or(&text).to_owned()).filter(|text| !text.is_empty())
}

/// `WITH` binds tightest: brackets around it alone say nothing.
fn flat(text: &str) -> String {
    let mut out = text.to_owned();
    let mut from = 0;
    while let Some(open) = out.get(from..).and_then(|rest| rest.find('(')).map(|at| at + from) {
        let inner = out[open + 1..].find(['(', ')']).map(|at| open + 1 + at);
        match inner {
            Some(close)
                if out[close..].starts_with(')')
                    && out[open + 1..close].contains(" WITH ")
                    && !out[open + 1..close].contains(" OR ")
                    && !out[open + 1..close].contains(" AND ") =>
            {
                out.replace_range(close..=close, "");
                out.replace_range(open..=open, "");
                from = open;
            }
            _ => from = open + 1,
        }
    }
    out
}

/// Old SPDX names of the GNU licences.
fn today(word: &str) -> String {
    // Seen in QEMU's own files, and meant by none of SPDX's names.
    if let Some(rest) = word.strip_prefix("GPL-v2") {
        return format!("GPL-2.0{rest}");
    }
    for family in ["LGPL-2.0", "LGPL-2.1", "LGPL-3.0", "GPL-2.0", "GPL-3.0"] {
        if word == family {
            return format!("{family}-only");
        }
        if word.strip_suffix('+') == Some(family) {
            return format!("{family}-or-later");
        }
    }
    if word.eq_ignore_ascii_case("or") || word.eq_ignore_ascii_case("and") {
        return word.to_uppercase();
    }
    word.to_owned()
}

/// Licences by the words of their usual notices; `words` is lower case with single spaces.
fn worded(words: &str) -> Vec<String> {
    let has = |part: &str| words.contains(part);
    let mut out = Vec::new();
    let gnu = has("general public license") || has("gnu gpl") || has("gplv2") || has("gpl v2");
    let lesser = has("lesser general public license") || has("lgpl");
    if gnu || lesser {
        out.push(gnu_licence(words, lesser));
    }
    if has("permission is hereby granted, free of charge") || has("mit license") {
        out.push("MIT".to_owned());
    }
    if has("redistribution and use in source and binary forms") || has("bsd license") {
        let kind = if has("advertising materials") {
            "BSD-4-Clause"
        } else if has("neither the name") || has("may not be used to endorse") {
            "BSD-3-Clause"
        } else {
            "BSD-2-Clause"
        };
        out.push(kind.to_owned());
    }
    if has("softfloat-2a license") {
        out.push("LicenseRef-SoftFloat-2a".to_owned());
    }
    if has("apache license") {
        out.push("Apache-2.0".to_owned());
    }
    if has("public domain") {
        out.push("LicenseRef-public-domain".to_owned());
    }
    out
}

fn gnu_licence(words: &str, lesser: bool) -> String {
    let later = ["any later version", "or later", "or newer", "version 2+", "v2+"]
        .iter()
        .any(|part| words.contains(part));
    let three = words.contains("version 3") && !words.contains("version 2");
    let version = match (lesser, three) {
        (_, true) => "3.0",
        (true, _) if words.contains("2.1") => "2.1",
        _ => "2.0",
    };
    let family = if lesser { "LGPL" } else { "GPL" };
    format!("{family}-{version}-{}", if later { "or-later" } else { "only" })
}

/// Lines that name a holder. `(c)` alone is not enough: lists in prose have one.
fn holders(lines: &[String]) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for line in lines {
        let lower = line.to_lowercase();
        let Some(at) = lower.find("copyright") else { continue };
        let Some(rest) = line.get(at + "copyright".len()..) else { continue };
        let rest = rest.trim_start_matches([':', ' ']);
        let marked = ["(c)", "(C)", "©"].iter().find_map(|mark| rest.strip_prefix(mark));
        let dated = rest.starts_with(|c: char| c.is_ascii_digit());
        if marked.is_none() && !dated {
            continue;
        }
        let holder = marked.unwrap_or(rest).trim().trim_end_matches(['.', ',']);
        let holder =
            holder.trim_end_matches("All rights reserved").trim_end_matches(['.', ',', ' ']);
        if !holder.is_empty() {
            out.insert(holder.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{groups, notice, together};

    #[test]
    fn notices_are_read_as_their_words_and_tags_say() {
        for (text, licence, stated) in [
            ("int a;\n/* GPL, version 2 */\n", "GPL-2.0-or-later", false),
            ("/* SPDX-License-Identifier: GPL-2.0-or-later */\n", "GPL-2.0-or-later", true),
            ("// SPDX-License-Identifier: GPL-v2-only\n", "GPL-2.0-only", true),
            ("// SPDX-License-Identifier: GPL-2.0+\n", "GPL-2.0-or-later", true),
            (
                "/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */",
                "GPL-2.0-only WITH Linux-syscall-note OR BSD-3-Clause",
                true,
            ),
            (
                "/*\n * This work is licensed under the terms of the GNU GPL, version 2.  See\n * the COPYING file.\n */",
                "GPL-2.0-only",
                true,
            ),
            (
                "/*\n * GNU GPL, version 2 or\n * later.  See the COPYING file in the top-level directory.\n */",
                "GPL-2.0-or-later",
                true,
            ),
            (
                "/*\n * modify it under the terms of the GNU Lesser General Public\n * License as published by the Free Software Foundation; either\n * version 2.1 of the License, or (at your option) any later version.\n */",
                "LGPL-2.1-or-later",
                true,
            ),
            ("/* Permission is hereby granted, free of charge, to any person */", "MIT", true),
            (
                "/* Redistribution and use in source and binary forms, with or without\n * 3. Neither the name of the University */",
                "BSD-3-Clause",
                true,
            ),
            ("# SPDX-License-Identifier: MIT\nx\n", "MIT", true),
            ("#include \"a.h\"\n/* MIT License */\n", "GPL-2.0-or-later", false),
        ] {
            let notice = notice(text);
            assert_eq!((notice.licence.as_str(), notice.stated), (licence, stated), "{text}");
        }
    }

    #[test]
    fn holders_are_lines_with_a_mark_or_a_year() {
        let text = "/*\n * Copyright (c) 2003-2008 Fabrice Bellard\n * Copyright: 2019 Red Hat, Inc. All rights reserved.\n\
                    * Copyright IBM\n * the above copyright notice and this permission notice\n */\n";
        let holders: Vec<String> = notice(text).holders.into_iter().collect();
        assert_eq!(holders, ["2003-2008 Fabrice Bellard", "2019 Red Hat, Inc"]);
    }

    #[test]
    fn files_are_grouped_and_the_whole_is_one_expression() {
        let files = [
            ("b.c", "/* SPDX-License-Identifier: MIT */"),
            ("a.c", "int a;"),
            ("c.h", "/* SPDX-License-Identifier: GPL-2.0-only OR MIT */"),
        ];
        let groups = groups(files);
        let names: Vec<&str> = groups.keys().map(String::as_str).collect();
        assert_eq!(names, ["GPL-2.0-only OR MIT", "GPL-2.0-or-later", "MIT"]);
        assert_eq!(groups["GPL-2.0-or-later"].unstated, 1);
        assert_eq!(together(names), "(GPL-2.0-only OR MIT) AND GPL-2.0-or-later AND MIT");
    }

    #[test]
    fn hostile_texts_do_no_harm() {
        let long = "/*".repeat(100_000);
        let unfinished = format!("/* SPDX-License-Identifier:\n{}", "\u{0}é (((".repeat(1000));
        for text in ["", "*/", "/*", "// SPDX-License-Identifier: )", &long, &unfinished] {
            notice(text);
        }
    }
}
