//! Opens packages and archives in memory: `.deb`, `.rpm`, tar, compressed or not.
//!
//! Pure over bytes; nothing is written to disk. Sizes are bounded, so a bomb is a finding and not a full machine; paths
//! that lead out of the package are findings.

use std::io::Read;

use crate::finding::{Code, Finding, Place};

pub(super) static UNREADABLE: Code = Code {
    name: "verify::unreadable",
    summary: "a file or archive member cannot be read",
    explain: "What cannot be read cannot be judged, and what cannot be judged does not pass.",
};
pub(super) static UNSAFE: Code = Code {
    name: "verify::unsafe-path",
    summary: "an archive member leads out of the package",
    explain: "A path with `..`, or a member of a kind no package of ours has (device, fifo).",
};

/// All unpacked bytes of one input together.
const MOST_BYTES: u64 = 2 << 30;
/// Members of one archive.
const MOST_MEMBERS: usize = 200_000;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Absolute path of the installed file.
    pub path: String,
    pub mode: u32,
    pub bytes: Vec<u8>,
}

/// What an input is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Elf,
    Deb,
    Rpm,
    Other,
}

/// Tells the format.
pub fn format(bytes: &[u8]) -> Format {
    if crate::elf::is_elf(bytes) {
        Format::Elf
    } else if bytes.starts_with(b"!<arch>\ndebian-binary") {
        Format::Deb
    } else if bytes.starts_with(b"\xed\xab\xee\xdb") {
        Format::Rpm
    } else {
        Format::Other
    }
}

/// Regular files of a package, in its order.
pub fn members(name: &str, bytes: &[u8]) -> (Vec<Member>, Vec<Finding>) {
    let result = match format(bytes) {
        Format::Deb => deb(bytes),
        Format::Rpm => rpm(bytes),
        Format::Elf | Format::Other => Ok((
            vec![Member { path: name.to_owned(), mode: 0o644, bytes: bytes.to_vec() }],
            Vec::new(),
        )),
    };
    result.unwrap_or_else(|error: String| {
        let place = Place::Object { path: name.to_owned(), part: None };
        (
            Vec::new(),
            vec![Finding::error(&UNREADABLE, format!("cannot read {name}: {error}")).at(place, "")],
        )
    })
}

type Opened = Result<(Vec<Member>, Vec<Finding>), String>;

/// ar(5) members: 60-byte headers, contents padded to even offsets.
fn ar(bytes: &[u8]) -> Result<Vec<(String, &[u8])>, String> {
    let mut out = Vec::new();
    let mut at = 8;
    while at + 60 <= bytes.len() {
        let header = &bytes[at..at + 60];
        let name = String::from_utf8_lossy(&header[..16]).trim().trim_end_matches('/').to_owned();
        let size: usize = String::from_utf8_lossy(&header[48..58])
            .trim()
            .parse()
            .map_err(|_| "bad size in an ar header".to_owned())?;
        let start = at + 60;
        let end = start.checked_add(size).ok_or("ar member too large")?;
        out.push((name, bytes.get(start..end).ok_or("the archive is cut short")?));
        at = end + size % 2;
    }
    Ok(out)
}

fn deb(bytes: &[u8]) -> Opened {
    let members = ar(bytes)?;
    let (name, data) = members
        .iter()
        .find(|(name, _)| name.starts_with("data.tar"))
        .ok_or("no data.tar in the package")?;
    tar(&decompress(name, data)?)
}

fn decompress(name: &str, data: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let extension = name.rsplit('.').next().unwrap_or("");
    let result = match extension {
        "xz" => liblzma::read::XzDecoder::new(data).take(MOST_BYTES).read_to_end(&mut out),
        "gz" => flate2::read::GzDecoder::new(data).take(MOST_BYTES).read_to_end(&mut out),
        "zst" => zstd::stream::read::Decoder::new(data)
            .and_then(|decoder| decoder.take(MOST_BYTES).read_to_end(&mut out)),
        "tar" => data.take(MOST_BYTES).read_to_end(&mut out),
        other => return Err(format!("unknown compression `{other}`")),
    };
    result.map_err(|error| error.to_string())?;
    if out.len() as u64 >= MOST_BYTES {
        Err("unpacks to more than 2 GiB".to_owned())
    } else {
        Ok(out)
    }
}

fn tar(bytes: &[u8]) -> Opened {
    let (mut members, mut findings) = (Vec::new(), Vec::new());
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().map_err(|error| error.to_string())?;
    for entry in entries.take(MOST_MEMBERS) {
        let mut entry = entry.map_err(|error| error.to_string())?;
        let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = format!("/{}", raw.trim_start_matches("./").trim_start_matches('/'));
        if path.split('/').any(|part| part == "..") {
            findings.push(outside(&path));
            continue;
        }
        let kind = entry.header().entry_type();
        if kind.is_file() {
            let mode = entry.header().mode().unwrap_or(0);
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            members.push(Member { path, mode, bytes });
        } else if kind.is_block_special() || kind.is_character_special() || kind.is_fifo() {
            findings.push(Finding::error(&UNSAFE, format!("{path} is a device or fifo")));
        }
    }
    Ok((members, findings))
}

fn outside(path: &str) -> Finding {
    Finding::error(&UNSAFE, format!("{path} leads out of the package"))
}

fn rpm(bytes: &[u8]) -> Opened {
    let package = rpm::Package::parse(&mut &bytes[..]).map_err(|error| error.to_string())?;
    let files = package.files().map_err(|error| error.to_string())?;
    let (mut members, mut findings) = (Vec::new(), Vec::new());
    let mut total = 0_u64;
    for file in files.take(MOST_MEMBERS) {
        let file = file.map_err(|error| error.to_string())?;
        let path = file.metadata.path().display().to_string();
        if path.split('/').any(|part| part == "..") {
            findings.push(outside(&path));
            continue;
        }
        let content = file.content().unwrap_or_default();
        total += content.len() as u64;
        if total > MOST_BYTES {
            return Err("unpacks to more than 2 GiB".to_owned());
        }
        let mode = u32::from(file.metadata.mode().raw_mode());
        if mode & 0o170_000 == 0o100_000 {
            members.push(Member { path, mode: mode & 0o7777, bytes: content.to_vec() });
        }
    }
    Ok((members, findings))
}
