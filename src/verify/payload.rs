//! What signing a package leaves as it is: the parts two builders compare.
//!
//! Pure over bytes. A `.deb` signature is one more archive member; an `.rpm` signature is another header before the
//! signed one.

use sha2::{Digest, Sha256};

use super::input;

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
pub fn of(bytes: &[u8]) -> Result<Payload, String> {
    match input::format(bytes) {
        input::Format::Deb => deb(bytes),
        input::Format::Rpm => rpm(bytes),
        _ => Err("neither a .deb nor an .rpm".to_owned()),
    }
}

fn deb(bytes: &[u8]) -> Result<Payload, String> {
    let mut hash = Sha256::new();
    for wanted in ["debian-binary", "control.tar", "data.tar"] {
        let members = input::ar(bytes)?;
        let (_, data) = members
            .iter()
            .find(|(name, _)| name.starts_with(wanted))
            .ok_or_else(|| format!("no {wanted} in the package"))?;
        hash.update(data);
    }
    Ok(Payload::Deb { members: hex::encode(hash.finalize()) })
}

fn rpm(bytes: &[u8]) -> Result<Payload, String> {
    let input::Signed { header, payload, unpacked } = input::signed(bytes)?;
    Ok(Payload::Rpm {
        header: hex::encode(Sha256::digest(header)),
        payload: hex::encode(Sha256::digest(payload)),
        unpacked,
    })
}

#[cfg(test)]
mod tests {
    use super::of;

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
        let plain = of(&package(b"data", b"")).unwrap();
        assert_eq!(plain, of(&package(b"data", &member("_gpgorigin", b"signature"))).unwrap());
        assert_ne!(plain, of(&package(b"datb", b"")).unwrap());
    }

    #[test]
    fn what_is_no_package_is_said_to_be_none() {
        for bytes in
            [b"".as_slice(), b"\x7fELF", b"!<arch>\ndebian-binary", b"\xed\xab\xee\xdb\x03\x00"]
        {
            assert!(of(bytes).is_err());
        }
    }
}
