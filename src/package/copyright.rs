//! The copyright file of a package: machine-readable (DEP-5), from the notices of the sources that were compiled in.
//!
//! No I/O: groups in, text out.

use std::collections::{BTreeMap, BTreeSet};

use super::text::wrap;
use crate::licence::Group;
use crate::plan::Plan;

/// Licences whose text every Debian system has.
const COMMON: [(&str, &str); 9] = [
    ("GPL-2.0-only", "GPL-2"),
    ("GPL-2.0-or-later", "GPL-2"),
    ("LGPL-2.0-only", "LGPL-2"),
    ("LGPL-2.0-or-later", "LGPL-2"),
    ("LGPL-2.1-only", "LGPL-2.1"),
    ("LGPL-2.1-or-later", "LGPL-2.1"),
    ("GPL-3.0-only", "GPL-3"),
    ("GPL-3.0-or-later", "GPL-3"),
    ("Apache-2.0", "Apache-2.0"),
];

/// Renders the file.
pub fn render(plan: &Plan, groups: &BTreeMap<String, Group>) -> String {
    let files: usize = groups.values().map(|group| group.files.len()).sum();
    let mut out = String::from(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: QEMU\n\
         Upstream-Contact: qemu-devel@nongnu.org\n\
         Source: https://www.qemu.org\n",
    );
    field(
        &mut out,
        "Comment",
        &format!(
            "Built by quench from {}. Of that source, {files} files are compiled into this package (as its debug \
             information names them); they are listed below with what their own notices say. QEMU as a whole is \
             under the GNU General Public License, version 2.",
            plan.source.origin
        ),
    );
    out.push_str("\nFiles: *\nCopyright: 2003-2026 Fabrice Bellard and the QEMU team\nLicense: GPL-2.0-only\n");
    for (licence, group) in groups {
        out.push_str(&format!("\nFiles:\n {}\n", group.files.join("\n ")));
        let holders: Vec<&str> = group.holders.iter().map(String::as_str).collect();
        let holders = if holders.is_empty() { vec!["the QEMU team"] } else { holders };
        out.push_str(&format!("Copyright:\n {}\n", holders.join("\n ")));
        out.push_str(&format!("License: {}\n", short_name(licence)));
        if group.unstated > 0 {
            field(
                &mut out,
                "Comment",
                &format!(
                    "{} of these files state no licence; QEMU's LICENSE file gives them this one.",
                    group.unstated
                ),
            );
        }
    }
    for (name, text) in texts(groups) {
        out.push_str(&format!("\nLicense: {name}\n{text}"));
    }
    out
}

/// A folded field.
fn field(out: &mut String, name: &str, text: &str) {
    out.push_str(&format!("{name}:\n"));
    for line in wrap(text, 100) {
        out.push_str(&format!(" {line}\n"));
    }
}

/// DEP-5's way to write an SPDX expression.
fn short_name(licence: &str) -> String {
    let words = licence.replace(['(', ')'], "").replace(" OR ", " or ").replace(" AND ", " and ");
    let mut out = Vec::new();
    let mut exception = false;
    for word in words.split(' ') {
        match word {
            "WITH" => {
                out.push("with".to_owned());
                exception = true;
            }
            word if exception => {
                out.push(format!("{word} exception"));
                exception = false;
            }
            word => out.push(word.to_owned()),
        }
    }
    out.join(" ")
}

/// The single licences of all groups with their texts: a pointer where the system has the text, else the notice.
fn texts(groups: &BTreeMap<String, Group>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut names: BTreeSet<String> = BTreeSet::from(["GPL-2.0-only".to_owned()]);
    for licence in groups.keys() {
        let name = short_name(licence).replace(" and ", " or ");
        names.extend(name.split(" or ").map(str::to_owned));
    }
    for name in names {
        let plain = name.split(" with ").next().unwrap_or(&name);
        let known = COMMON.iter().find(|(spdx, _)| *spdx == plain);
        let text = if let Some((_, file)) = known {
            pointer(&name, file)
        } else {
            let exact = groups.get(plain).filter(|group| group.text.len() > 2);
            let among = |(licence, group): &(&String, &Group)| {
                group.text.len() > 2 && short_name(licence).split(' ').any(|word| word == plain)
            };
            let group = exact.or_else(|| groups.iter().find(among).map(|(_, group)| group));
            group.map_or_else(|| pointer_by_name(plain), |group| notice(&group.text))
        };
        out.insert(name, text);
    }
    out
}

fn pointer(name: &str, file: &str) -> String {
    let exception = match name.split_once(" with ") {
        Some((_, exception)) => {
            format!(", with the {exception} of the Linux kernel's user interface headers")
        }
        None => String::new(),
    };
    let text = format!(
        "SPDX: {}{exception}. On Debian systems the full text of the licence is in \
         /usr/share/common-licenses/{file}.",
        name.split(" with ").next().unwrap_or(name)
    );
    format!(" {}\n", wrap(&text, 100).join("\n "))
}

fn pointer_by_name(name: &str) -> String {
    format!(
        " SPDX: {name}. The text is at https://spdx.org/licenses/{name}.html and in the files themselves.\n"
    )
}

fn notice(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| if line.is_empty() { " .\n".to_owned() } else { format!(" {line}\n") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{short_name, texts};
    use crate::licence;

    #[test]
    fn every_licence_named_has_one_text() {
        let files = [
            ("a.c", "/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */"),
            (
                "b.c",
                "/*\n * Permission is hereby granted, free of charge, to any person\n *\n * to deal\n */",
            ),
        ];
        let groups = licence::groups(files);
        let texts = texts(&groups);
        let names: Vec<&str> = texts.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["GPL-2.0-only", "GPL-2.0-only with Linux-syscall-note exception", "MIT"]
        );
        assert_eq!(
            texts["MIT"],
            " Permission is hereby granted, free of charge, to any person\n .\n to deal\n"
        );
    }

    #[test]
    fn expressions_are_written_as_dep_5_writes_them() {
        assert_eq!(
            short_name("(GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause"),
            "GPL-2.0-only with Linux-syscall-note exception or BSD-3-Clause"
        );
    }
}
