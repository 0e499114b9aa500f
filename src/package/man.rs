//! The manual page of one build: its machines, devices with their properties, backends and options, as the built
//! emulator itself reported them.
//!
//! No I/O: values in, compressed roff out, the same bytes every time.

use std::collections::BTreeSet;

use super::text::{iso_date, version, wrap};
use crate::archive::compress;
use crate::inventory::{Property, Usage};
use crate::plan::{Plan, Provider};
use crate::record::Measured;

/// The compressed page, as `gzip -9n` writes it.
pub fn compressed(text: &str) -> Result<Vec<u8>, std::io::Error> {
    compress::gzip(text.as_bytes())
}

/// The page in roff.
pub fn render(plan: &Plan, measured: &Measured, usage: &Usage) -> String {
    let name = &plan.package.name;
    let emulator = format!("{}/bin/{}", plan.package.prefix, plan.emulator());
    let mut out = format!(
        ".TH {} 1 {} \"QEMU {}\" \"{}\"\n",
        escape(&name.to_uppercase()),
        iso_date(plan.source.date),
        escape(&version(plan)),
        escape(name)
    );
    out.push_str(&format!(".SH NAME\n{} \\- {}\n", escape(name), escape(&summary(plan))));
    out.push_str(&format!(".SH SYNOPSIS\n.B {}\n[options] [disk_image]\n", escape(&emulator)));
    out.push_str(".SH DESCRIPTION\n");
    paragraph(
        &mut out,
        &format!(
            "A QEMU {} system emulator built by quench from the profile {}. It holds the devices the profile allows, \
             what its boards force, and nothing else. Everything below was read from the built program, not from \
             QEMU's documentation: an option or device that is not here is not in it.",
            plan.arch.qemu(),
            plan.name
        ),
    );
    list(&mut out, "MACHINES", &measured.machines);
    list(&mut out, "ACCELERATORS", &measured.accelerators);
    devices(&mut out, usage);
    list(&mut out, "OBJECTS", &measured.objects);
    list(&mut out, "NETWORK BACKENDS", &measured.netdevs);
    list(&mut out, "CHARACTER BACKENDS", &measured.chardevs);
    list(&mut out, "BLOCK FORMATS", &measured.block_formats);
    out.push_str(".SH OPTIONS\n");
    paragraph(&mut out, "As the program prints them with \\-help:");
    out.push_str(".PP\n.nf\n");
    for line in usage.help.lines() {
        out.push_str(&format!("{}\n", literal(line)));
    }
    out.push_str(".fi\n");
    files(&mut out, plan, &emulator);
    out.push_str(".SH SEE ALSO\nhttps://www.qemu.org/docs/master/\n");
    out
}

/// The profile's summary on one line.
pub(super) fn summary(plan: &Plan) -> String {
    let words: Vec<&str> = plan.summary.split_whitespace().collect();
    if words.is_empty() { "minimal QEMU".to_owned() } else { words.join(" ") }
}

fn devices(out: &mut String, usage: &Usage) {
    out.push_str(".SH DEVICES\n");
    paragraph(out, "For \\-device, with the properties each takes.");
    for (name, properties) in &usage.devices {
        out.push_str(&format!(".SS {}\n", escape(name)));
        for (property, what) in properties {
            out.push_str(&format!(
                ".TP\n.BR {} \" \" ({})\n",
                escape(property),
                escape(&what.kind)
            ));
            paragraph(out, &explain(what));
        }
    }
}

fn explain(property: &Property) -> String {
    // QEMU's default text is "no description" under different spellings.
    let text = escape(property.text.trim());
    match (&property.default, text.is_empty()) {
        (Some(default), true) => format!("Default: {}.", escape(default)),
        (Some(default), false) => format!("{text}. Default: {}.", escape(default)),
        (None, true) => "No default.".to_owned(),
        (None, false) => format!("{text}."),
    }
}

fn list(out: &mut String, title: &str, names: &BTreeSet<String>) {
    if names.is_empty() {
        return;
    }
    out.push_str(&format!(".SH {title}\n"));
    let names: Vec<String> = names.iter().map(|name| escape(name)).collect();
    paragraph(out, &names.join(", "));
}

fn files(out: &mut String, plan: &Plan, emulator: &str) {
    let documents = format!("/usr/share/doc/{}", plan.package.name);
    let mut entries = vec![
        (emulator.to_owned(), "the emulator".to_owned()),
        (format!("{documents}/profile.toml"), "the complete profile it was built from".to_owned()),
        (
            format!("{documents}/{}", crate::record::FILE_NAME),
            "how it was built, and the digest of every file".to_owned(),
        ),
    ];
    let built = plan.firmware.iter().filter(|firmware| firmware.provider == Provider::Built);
    entries.extend(built.map(|firmware| {
        let path = format!("{}/share/qemu/{}", plan.package.prefix, firmware.item.text);
        (path, "option ROM".to_owned())
    }));
    out.push_str(".SH FILES\n");
    for (path, what) in entries {
        out.push_str(&format!(".TP\n.I {}\n{}\n", escape(&path), escape(&what)));
    }
}

/// Text that is roff already, in short lines none of which is a request.
fn paragraph(out: &mut String, text: &str) {
    for line in wrap(text, 100) {
        out.push_str(&format!("{}\n", guarded(&line)));
    }
}

fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

/// Plain text as roff; hyphens of names are minus signs so that they can be copied.
fn escape(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .map(|c| match c {
            '\\' => "\\e".to_owned(),
            '-' => "\\-".to_owned(),
            '"' => "\\(dq".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

/// A line that keeps its blanks.
fn literal(line: &str) -> String {
    guarded(&escape(&line.replace('\t', "        ")))
}

#[cfg(test)]
mod tests {
    use super::{compressed, escape, guarded};

    #[test]
    fn no_text_becomes_a_request() {
        assert_eq!(guarded(".so /etc/passwd"), "\\&.so /etc/passwd");
        assert_eq!(escape("a-b\\f \"x\"\n"), "a\\-b\\ef \\(dqx\\(dq");
    }

    #[test]
    fn the_compressed_page_has_no_time_and_the_best_level() {
        let bytes = compressed("x").unwrap();
        assert_eq!(&bytes[..9], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2], "no name, no time, level 9");
        assert_eq!(bytes, compressed("x").unwrap());
    }
}
