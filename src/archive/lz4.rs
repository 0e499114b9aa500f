//! lz4, frame after frame, of which none may be cut short: the crate takes the end of the file for the end of a frame. Pure.

use std::io::{Chain, Cursor, Error, Read, Result};

use lz4_flex::frame::FrameDecoder;

use super::stream::{head, short};

/// What begins a frame to be skipped, but for the last four bits.
const SKIPPED: u32 = 0x184d_2a50;
/// What begins the only frame of a file of the old format, which ends with the file.
const OLD: u32 = 0x184c_2102;

/// The magic of a frame, and what follows it.
type Frame<R> = Chain<Cursor<Vec<u8>>, Whole<R>>;

/// Gives the contents of all frames.
pub(super) enum Lz4<R: Read> {
    Between(Whole<R>),
    Within(Box<FrameDecoder<Frame<R>>>),
    /// In the middle of a change; for good when it failed.
    Done,
}

/// A reader of which the end is an error, unless it may come.
pub(super) struct Whole<R> {
    inner: R,
    may_end: bool,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.inner.read(buffer)?;
        if read == 0 && !buffer.is_empty() && !self.may_end {
            return Err(short());
        }
        Ok(read)
    }
}

impl<R: Read> Lz4<R> {
    pub(super) fn new(inner: R) -> Self {
        Self::Between(Whole { inner, may_end: true })
    }

    /// At a magic.
    fn begin(mut source: Whole<R>) -> Result<Self> {
        source.may_end = true;
        let magic = head(&mut source, 4)?;
        let Ok(bytes) = <[u8; 4]>::try_from(magic.as_slice()) else {
            return if magic.is_empty() { Ok(Self::Done) } else { Err(short()) };
        };
        let number = u32::from_le_bytes(bytes);
        source.may_end = number == OLD;
        if number & !0xf == SKIPPED {
            let mut length = [0; 4];
            source.read_exact(&mut length)?;
            let length = u64::from(u32::from_le_bytes(length));
            std::io::copy(&mut (&mut source).take(length), &mut std::io::sink())?;
            return Ok(Self::Between(source));
        }
        let frame = FrameDecoder::new(Cursor::new(magic).chain(source));
        Ok(Self::Within(Box::new(frame)))
    }
}

impl<R: Read> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            *self = match std::mem::replace(self, Self::Done) {
                Self::Done => return Ok(0),
                Self::Between(source) => Self::begin(source)?,
                Self::Within(mut frame) => match frame.read(buffer) {
                    Ok(0) => Self::Between(frame.into_inner().into_inner().1),
                    Ok(read) => {
                        *self = Self::Within(frame);
                        return Ok(read);
                    }
                    // What is wrong stays wrong.
                    Err(error) => return Err(Error::other(error)),
                },
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::Lz4;

    fn frame(bytes: &[u8], old: bool) -> Vec<u8> {
        let info = lz4_flex::frame::FrameInfo::new().legacy_frame(old).content_checksum(!old);
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(packed: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Lz4::new(packed).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn frames_follow_each_other_and_none_may_be_cut() {
        let skipped = b"\x5e\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        let packed =
            [skipped.clone(), frame(b"one", false), skipped, frame(b"two", false)].concat();
        assert_eq!(read(&packed).unwrap(), b"onetwo");
        let ends = [11, 11 + frame(b"one", false).len(), packed.len() - frame(b"two", false).len()];
        for cut in 1..packed.len() {
            assert_eq!(read(&packed[..cut]).is_ok(), ends.contains(&cut), "cut at {cut}");
        }
        let long: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(read(&frame(&long, true)).unwrap(), long);
        assert!(read(b"\x04\x22\x4d\x18no frame follows this magic").is_err());
    }
}
