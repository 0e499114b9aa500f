//! What a source file says of its licence and its copyright holders, and the licences of a set of files as a whole.
//!
//! Pure: texts in, values out. Only the first comment of a file is read as a notice; a file without one has the licence
//! that QEMU's `LICENSE` gives to such files.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use spdx::expression::{ExprNode, Operator};
use spdx::{Expression, LicenseItem, LicenseReq, ParseMode};

/// Licence of a QEMU source file that states none (`LICENSE`, point 2 and the sentence after it).
pub const UNSTATED: &str = "GPL-2.0-or-later";

/// The largest number of lines at a file's beginning that may be its notice.
const MOST_LINES: usize = 120;

/// Bytes an expression of a source file may have; QEMU's longest has 60.
const MAX_EXPRESSION: usize = 1000;

/// What people write in source files: names of yesterday, and `+` after those of the GNU licences.
const IN_FILES: ParseMode = ParseMode {
    allow_slash_as_or_operator: false,
    allow_imprecise_license_names: false,
    allow_postfix_plus_on_gpl: true,
    allow_deprecated: true,
    allow_unknown: false,
};

/// What the notice of one source file says.
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

/// The files that have one licence, with their copyright holders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub files: Vec<String>,
    /// How many of them state no licence.
    pub unstated: usize,
    pub holders: BTreeSet<String>,
    /// The notice of the first file that states the licence.
    pub text: Vec<String>,
}

/// Reads the notice at the beginning of a source file.
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
        several => several.join(" AND "),
    };
    Notice { licence, stated, holders: holders(&lines), text: lines }
}

/// Sorts files, given as (path, text), by licence.
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
    let mut all: BTreeSet<Operand> = BTreeSet::new();
    for licence in licences {
        match operands(licence) {
            Some(operands) => all.extend(operands),
            // It holds as it stands, whatever it means.
            None => {
                all.insert(Operand { text: licence.to_owned(), alternatives: true });
            }
        }
    }
    joined(all)
}

/// What must hold beside others: a licence, or a choice between several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Operand {
    /// The expression without brackets around it.
    text: String,
    /// It has an `OR` that is in no bracket.
    alternatives: bool,
}

/// The operands of an expression's outermost `AND`s, with today's names of licences and no brackets that say nothing.
/// `None` when the text is no SPDX expression.
fn operands(text: &str) -> Option<Vec<Operand>> {
    let expression = Expression::parse_mode(text, IN_FILES).ok()?;
    // The nodes come in postfix order.
    let mut stack: Vec<Vec<Operand>> = Vec::new();
    for node in expression.iter() {
        match node {
            ExprNode::Req(required) => {
                let text = today(&required.req);
                stack.push(vec![Operand { text, alternatives: false }]);
            }
            ExprNode::Op(operator) => {
                let (right, mut left) = (stack.pop()?, stack.pop()?);
                match operator {
                    Operator::And => left.extend(right),
                    Operator::Or => {
                        let text = format!("{} OR {}", choice(left), choice(right));
                        left = vec![Operand { text, alternatives: true }];
                    }
                }
                stack.push(left);
            }
        }
    }
    stack.pop()
}

/// One side of an `OR`; `AND` binds tighter, and brackets tell those who do not know.
fn choice(operands: Vec<Operand>) -> String {
    match <[Operand; 1]>::try_from(operands) {
        Ok([one]) => one.text,
        Err(several) => format!("({})", joined(several)),
    }
}

/// All of them as one expression.
fn joined(operands: impl IntoIterator<Item = Operand>) -> String {
    let operands: Vec<Operand> = operands.into_iter().collect();
    match operands.as_slice() {
        [one] => one.text.clone(),
        several => {
            let text = |one: &Operand| {
                if one.alternatives { format!("({})", one.text) } else { one.text.clone() }
            };
            several.iter().map(text).collect::<Vec<_>>().join(" AND ")
        }
    }
}

/// A licence by the name it has today: SPDX 3.0 of the licence list made `GPL-2.0` and `GPL-2.0+` two words with endings.
fn today(required: &LicenseReq) -> String {
    let licence = match &required.license {
        LicenseItem::Spdx { id, or_later } if id.is_deprecated() => {
            let name = format!("{}-{}", id.name, if *or_later { "or-later" } else { "only" });
            match spdx::license_id(&name) {
                Some(id) => id.name.to_owned(),
                None => required.license.to_string(),
            }
        }
        other => other.to_string(),
    };
    match &required.addition {
        Some(exception) => format!("{licence} WITH {exception}"),
        None => licence,
    }
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

/// The expression of an `SPDX-License-Identifier` line. What stands there and is no expression becomes a reference to a
/// licence of that name, whose text is the notice.
fn tag(lines: &[String]) -> Option<String> {
    let line = lines.iter().find_map(|line| line.split_once("SPDX-License-Identifier:"))?.1.trim();
    if MAX_EXPRESSION < line.len() {
        return None;
    }
    // Seen in QEMU's own files, and meant by none of SPDX's names.
    let text = line.replace("GPL-v2", "GPL-2.0");
    if let Some(operands) = operands(&text) {
        return Some(joined(operands));
    }
    let named = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = text.chars().map(named).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { None } else { Some(format!("LicenseRef-{name}")) }
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

/// The lines of a notice that name a copyright holder. `(c)` alone is not enough: lists in prose
/// have one.
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
            ("// SPDX-License-Identifier: )\n", "GPL-2.0-or-later", false),
            ("#include \"a.h\"\n/* MIT License */\n", "GPL-2.0-or-later", false),
        ] {
            let notice = notice(text);
            assert_eq!((notice.licence.as_str(), notice.stated), (licence, stated), "{text}");
        }
    }

    /// Every form that stands in the trees of 7.2, 10.0 and 10.2, their firmware's sources included.
    #[test]
    fn expressions_have_the_names_of_today_and_no_brackets_that_say_nothing() {
        for (text, licence) in [
            ("GPL-2.0", "GPL-2.0-only"),
            ("LGPL-2.1+", "LGPL-2.1-or-later"),
            ("(GPL-2.0-only)", "GPL-2.0-only"),
            ("Apache-2.0 OR GPL-2.0-or-later", "Apache-2.0 OR GPL-2.0-or-later"),
            ("GPL-2.0 WITH Linux-syscall-note", "GPL-2.0-only WITH Linux-syscall-note"),
            ("GPL-2.0+ WITH Linux-syscall-note", "GPL-2.0-or-later WITH Linux-syscall-note"),
            (
                "(GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause",
                "GPL-2.0-only WITH Linux-syscall-note OR BSD-3-Clause",
            ),
            (
                "((GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause)",
                "GPL-2.0-only WITH Linux-syscall-note OR BSD-2-Clause",
            ),
            ("(GPL-2.0+ or MIT)", "GPL-2.0-or-later OR MIT"),
            ("(GPL-2.0 or BSD-3-Clause-Clear)", "GPL-2.0-only OR BSD-3-Clause-Clear"),
            ("GPL-2.0 OR IBM-pibs", "GPL-2.0-only OR IBM-pibs"),
            ("MIT or Apache-2.0 or GPL-2.0-or-later", "MIT OR Apache-2.0 OR GPL-2.0-or-later"),
            ("GPL-2.0+ and MIT", "GPL-2.0-or-later AND MIT"),
            ("eCos-2.0", "eCos-2.0"),
            ("Intel", "Intel"),
            ("Unicode-DFS-2016", "Unicode-DFS-2016"),
            ("MIT AND (GPL-2.0 OR X11)", "MIT AND (GPL-2.0-only OR X11)"),
            ("((MIT AND ISC) OR (X11))", "(MIT AND ISC) OR X11"),
            // These are no expressions.
            ("MIT License", "LicenseRef-MIT-License"),
            ("GPL 2.0+ OR BSD-3-Clause", "LicenseRef-GPL-2.0--OR-BSD-3-Clause"),
            ("MIT CC0-1.0", "LicenseRef-MIT-CC0-1.0"),
        ] {
            let notice = notice(&format!("// SPDX-License-Identifier: {text}\n"));
            assert_eq!((notice.licence.as_str(), notice.stated), (licence, true), "{text}");
            let strict = spdx::Expression::parse(licence);
            assert!(strict.is_ok() || licence.starts_with("eCos"), "{licence}: {strict:?}");
        }
    }

    #[test]
    fn the_whole_of_expressions_is_an_expression_with_the_same_meaning() {
        assert_eq!(together(["MIT OR X11"]), "MIT OR X11");
        assert_eq!(together(["ISC AND MIT", "MIT"]), "ISC AND MIT");
        assert_eq!(together(["(ISC AND MIT) OR X11", "ISC"]), "((ISC AND MIT) OR X11) AND ISC");
        assert_eq!(together(["(ISC AND MIT) OR X11"]), "(ISC AND MIT) OR X11");
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
