//! What signing a package leaves as it is: the parts two builders compare.
//!
//! Pure. A `.deb` signature is one more archive member; an `.rpm` signature is another header before the
//! signed one.

use std::io::Read;

use sha2::{Digest, Sha256};

use crate::archive;

/// Digests of the unsigned parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// sha256 of `debian-binary`, `control.tar` and `data.tar` one after the other: what `debsigs` signs.
    Deb { members: String },
    /// `SHA256HEADER` and `PAYLOADDIGEST`, recomputed; `PAYLOADDIGESTALT` (of the uncompressed archive) as the header
    /// has it.
    Rpm { header: String, payload: String, unpacked: Option<String> },
}

/// Reads them.
pub fn of(reader: &mut dyn Read) -> Result<Payload, String> {
    let head = archive::head(reader, archive::HEAD).map_err(|error| error.to_string())?;
    let mut whole = head.as_slice().chain(reader);
    match archive::format(&head) {
        archive::Format::Deb => deb(&mut whole),
        archive::Format::Rpm => rpm(&mut whole),
        _ => Err("neither a .deb nor an .rpm".to_owned()),
    }
}

/// The parts in the order dpkg demands; whatever else stands between them is not signed.
fn deb(reader: &mut dyn Read) -> Result<Payload, String> {
    let fault = |error: std::io::Error| error.to_string();
    let mut members = archive::Ar::new(reader).map_err(fault)?;
    let mut hash = Sha256::new();
    for wanted in ["debian-binary", "control.tar", "data.tar"] {
        loop {
            let member = members.next().map_err(fault)?;
            let member =
                member.ok_or_else(|| format!("no {wanted} in its place in the package"))?;
            if member.path.starts_with(wanted) {
                break;
            }
        }
        digest(&mut members, &mut hash)?;
    }
    while members.next().map_err(fault)?.is_some() {}
    Ok(Payload::Deb { members: hex::encode(hash.finalize()) })
}

fn rpm(reader: &mut dyn Read) -> Result<Payload, String> {
    let header = archive::signed_header(reader)?;
    let mut payload = Sha256::new();
    digest(reader, &mut payload)?;
    Ok(Payload::Rpm {
        header: hex::encode(Sha256::digest(header.bytes())),
        payload: hex::encode(payload.finalize()),
        unpacked: header.unpacked(),
    })
}

fn digest(reader: &mut dyn Read, hash: &mut Sha256) -> Result<(), String> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer).map_err(|error| error.to_string())? {
            0 => return Ok(()),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    fn payload(bytes: Vec<u8>) -> Result<super::Payload, String> {
        of(&mut bytes.as_slice())
    }

    fn member(name: &str, data: &[u8]) -> Vec<u8> {
        let mut out =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, data.len())
                .into_bytes();
        out.extend_from_slice(data);
        if data.len() % 2 == 1 {
            out.push(b'\n');
        }
        out
    }

    fn package(data: &[u8], more: &[u8]) -> Vec<u8> {
        let mut out = b"!<arch>\n".to_vec();
        for (name, data) in [
            ("debian-binary", b"2.0\n".as_slice()),
            ("control.tar.xz", b"c"),
            ("data.tar.xz", data),
        ] {
            out.extend(member(name, data));
        }
        out.extend_from_slice(more);
        out
    }

    #[test]
    fn a_signature_member_changes_nothing_and_a_data_byte_does() {
        let plain = payload(package(b"data", b"")).unwrap();
        assert_eq!(plain, payload(package(b"data", &member("_gpgorigin", b"signature"))).unwrap());
        assert_ne!(plain, payload(package(b"datb", b"")).unwrap());
    }

    #[test]
    fn what_is_no_package_is_said_to_be_none() {
        for bytes in
            [b"".as_slice(), b"\x7fELF", b"!<arch>\ndebian-binary", b"\xed\xab\xee\xdb\x03\x00"]
        {
            assert!(payload(bytes.to_vec()).is_err());
        }
    }
}
