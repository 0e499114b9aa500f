//! `.deb` and `.ipk`: debian-binary, control.tar and data.tar in an ar or a tar; and what scripts of packages do to rights.
//! Pure.

use std::io::Read;

use super::ar::Ar;
use super::opener::Opener;
use super::stream::{head, unpack};
use super::{Attributes, Format, HEAD, SCRIPT, UNREADABLE, format};
use crate::finding::{Finding, Place};

/// A maintainer script; larger ones are looked at that far.
pub(super) const MAX_SCRIPT: usize = 1 << 20;

impl Opener<'_> {
    pub(super) fn deb(&mut self, reader: &mut dyn Read, prefix: &str, depth: usize) {
        let mut of_scripts = Vec::new();
        match self.parts(reader, prefix, depth, &mut of_scripts) {
            Ok(0) => self.unreadable(prefix, &"no data.tar in the package"),
            Ok(1) => {}
            // dpkg takes the first, other unpackers the last.
            Ok(_) => self.unreadable(prefix, &"more than one data.tar in the package"),
            Err(error) => self.unreadable(prefix, &error),
        }
        self.findings.append(&mut of_scripts);
    }

    /// Goes through the parts as they come and counts those with data; findings about scripts are told apart, so that they
    /// stand behind the others.
    fn parts(
        &mut self,
        reader: &mut dyn Read,
        prefix: &str,
        depth: usize,
        of_scripts: &mut Vec<Finding>,
    ) -> std::io::Result<usize> {
        let mut members = Ar::new(reader)?;
        let (mut data, mut control) = (0, 0);
        while let Some(entry) = members.next()? {
            if !self.next(prefix) {
                break;
            }
            let name = &entry.path;
            if name.starts_with("data.tar") {
                data += 1;
                if data == 1 {
                    self.data(&mut members, prefix, depth);
                }
            } else if name.starts_with("control.tar") {
                control += 1;
                if control == 1 {
                    let before = std::mem::take(&mut self.findings);
                    self.control(&mut members, prefix, depth);
                    *of_scripts = std::mem::replace(&mut self.findings, before);
                }
            }
        }
        Ok(data)
    }

    pub(super) fn data(&mut self, data: &mut dyn Read, prefix: &str, depth: usize) {
        let start = match head(data, HEAD) {
            Ok(start) => start,
            Err(error) => return self.unreadable(prefix, &error),
        };
        let found = format(&start);
        let mut data = start.as_slice().chain(data);
        if found == Format::Tar {
            return self.tar(&mut data, prefix, depth);
        }
        match unpack(found, data, &self.budget()) {
            Some(Ok(mut unpacked)) => {
                // An empty tar is two blocks of zeros and has no magic.
                match head(&mut unpacked, HEAD) {
                    Ok(start) if format(&start) == Format::Tar || start.iter().all(|b| *b == 0) => {
                        self.tar(&mut start.as_slice().chain(unpacked), prefix, depth);
                    }
                    Ok(_) => self.unreadable(prefix, &"data.tar is no tar"),
                    Err(error) => self.unreadable(prefix, &error),
                }
            }
            Some(Err(error)) => self.unreadable(prefix, &error),
            None => self.unreadable(prefix, &"data.tar has an unknown compression"),
        }
    }

    /// Scripts that give rights, and programs in the place of scripts. One that cannot be read is a finding; control data
    /// of another kind is not looked at.
    pub(super) fn control(&mut self, control: &mut dyn Read, prefix: &str, depth: usize) {
        let start = match head(control, HEAD) {
            Ok(start) => start,
            Err(error) => return self.unreadable(prefix, &error),
        };
        let found = format(&start);
        let packed = start.as_slice().chain(control);
        let unpacked: Box<dyn Read + '_> = if found.is_stream() {
            match unpack(found, packed, &self.budget()) {
                Some(Ok(unpacked)) => unpacked,
                Some(Err(error)) => return self.unreadable(prefix, &error),
                None => return,
            }
        } else {
            Box::new(packed)
        };
        let mut archive = tar::Archive::new(unpacked);
        let Ok(entries) = archive.entries() else { return };
        for entry in entries.raw(true) {
            if !self.next(prefix) {
                return;
            }
            let Ok(mut entry) = entry else {
                return self.fault(&UNREADABLE, prefix, "cannot read control.tar".to_owned());
            };
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let name = name.trim_start_matches("./").to_owned();
            let shown = format!("DEBIAN/{name}");
            let text = match head(&mut entry, MAX_SCRIPT) {
                Ok(text) => text,
                Err(error) => return self.unreadable(&shown, &error),
            };
            let path = format!("{prefix}/{shown}");
            let mut whole = text.as_slice().chain(&mut entry);
            match format(text.get(..HEAD).unwrap_or(&text)) {
                Format::Elf => {
                    let attributes = Attributes { mode: 0o755, capabilities: None };
                    self.stream(path, attributes, &mut whole, depth);
                }
                Format::Script => self.script_file(&path, &mut whole, depth + 1),
                _ => {}
            }
            if matches!(name.as_str(), "preinst" | "postinst" | "prerm" | "postrm") {
                self.script(&shown, &String::from_utf8_lossy(&text));
            }
        }
    }

    /// Lines of a shell script that give a file rights.
    pub(super) fn script(&mut self, name: &str, text: &str) {
        let found = self.findings.len();
        let mut whole = String::new();
        for (index, line) in text.lines().enumerate() {
            // A command may go on in the next line.
            if let Some(part) = line.strip_suffix('\\') {
                whole.push_str(part);
                continue;
            }
            whole.push_str(line);
            let line = std::mem::take(&mut whole);
            let code = line.trim_start();
            if code.starts_with('#') || !grants(code) {
                continue;
            }
            let shown: String = code.chars().take(120).collect();
            let place = Place::Object {
                path: self.name().to_owned(),
                part: Some(format!("{name} line {}", index + 1)),
            };
            let message = format!("{name} gives a file rights: `{shown}`");
            self.findings.push(Finding::warning(&SCRIPT, message).at(place, ""));
        }
        if self.findings.len() > found {
            self.scripts.push(text.to_owned());
        }
    }
}

/// Words of a command that raises rights: setcap, a set-id chmod, dpkg-statoverride with a set-id mode.
fn grants(line: &str) -> bool {
    let words: Vec<&str> =
        line.split(|c: char| c.is_whitespace() || ";&|(){}\"'`".contains(c)).collect();
    // `command -v setcap` only asks whether there is one.
    let asks = |at: usize| at > 0 && matches!(words[at - 1], "-v" | "which" | "type" | "hash");
    let command = |name: &str| {
        let is = |word: &str| word == name || word.ends_with(&format!("/{name}"));
        words.iter().enumerate().find(|(at, word)| is(word) && !asks(*at)).map(|(at, _)| at)
    };
    if let Some(at) = command("setcap") {
        return !words[at..].contains(&"-r");
    }
    let set_id = |word: &&str| {
        let word = word.strip_prefix("--mode=").or_else(|| word.strip_prefix("-m")).unwrap_or(word);
        let octal = word.len() >= 4 && word.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let bits = if octal { u32::from_str_radix(word, 8).unwrap_or(0) } else { 0 };
        bits & 0o6000 != 0 || (word.contains('+') || word.contains('=')) && word.ends_with('s')
    };
    ["chmod", "install", "dpkg-statoverride"]
        .into_iter()
        .filter_map(command)
        .any(|at| words[at..].iter().any(set_id))
}

#[cfg(test)]
mod tests {
    use super::grants;

    #[test]
    fn commands_that_give_rights_are_told_from_those_that_do_not() {
        for line in [
            "setcap cap_net_raw+ep /usr/bin/x",
            "if setcap cap_net_raw+ep /usr/bin/ping; then",
            "chmod u+s /usr/bin/x",
            "chmod 4755 /usr/bin/x || true",
            "install -o root -m4755 x /usr/bin/x",
            "install --mode=u+s x /usr/bin/x",
            "/bin/chmod 02755 /x",
            "dpkg-statoverride --update --add root x 04754 /usr/bin/x",
        ] {
            assert!(grants(line), "{line}");
        }
        for line in [
            "chmod 0755 /usr/bin/x",
            "install -m 0755 x /usr/bin/x",
            "setcap -r /x",
            "echo done",
            "chown root:shadow /x",
            "chmod u-s /x",
            "if command -v setcap > /dev/null; then",
        ] {
            assert!(!grants(line), "{line}");
        }
    }
}
