//! Readers that stop: decompressors behind a budget, and digests on the way. Pure.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Error, Read, Result};
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::Format;
use super::entry::{Facts, words};

/// A dictionary larger than this is a bomb: `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 512 << 20;

/// The bytes one input may still unpack to; shared by all its readers.
#[derive(Debug, Clone)]
pub(super) struct Budget(Rc<Cell<u64>>);

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Self(Rc::new(Cell::new(bytes)))
    }

    pub(super) fn spent(&self) -> bool {
        self.0.get() == 0
    }
}

/// Gives what another reader gives, until the budget is spent.
struct Bounded<R> {
    inner: R,
    budget: Budget,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = self.budget.0.get();
        if left == 0 {
            return Err(Error::other("unpacks to more than is opened"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.budget.0.set(left.saturating_sub(read as u64));
        Ok(read)
    }
}

/// The same reader behind the budget.
pub(super) fn bounded<'a>(inner: impl Read + 'a, budget: &Budget) -> Box<dyn Read + 'a> {
    Box::new(Bounded { inner, budget: budget.clone() })
}

/// Unpacks a stream, within the budget. `None` when the format is not a compression.
pub(super) fn unpack<'a>(
    format: Format,
    packed: impl Read + 'a,
    budget: &Budget,
) -> Option<Result<Box<dyn Read + 'a>>> {
    let budget = budget.clone();
    let unpacked: Box<dyn Read + 'a> = match format {
        Format::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Format::Xz => match liblzma::stream::Stream::new_stream_decoder(
            XZ_MEMORY,
            liblzma::stream::CONCATENATED,
        ) {
            Ok(stream) => Box::new(liblzma::read::XzDecoder::new_stream(packed, stream)),
            Err(error) => return Some(Err(error.into())),
        },
        Format::Lzma => match liblzma::stream::Stream::new_lzma_decoder(XZ_MEMORY) {
            Ok(stream) => Box::new(Alone(liblzma::bufread::XzDecoder::new_stream(
                BufReader::new(packed),
                stream,
            ))),
            Err(error) => return Some(Err(error.into())),
        },
        Format::Lzip => match liblzma::stream::Stream::new_lzip_decoder(
            XZ_MEMORY,
            liblzma::stream::CONCATENATED,
        ) {
            Ok(stream) => Box::new(liblzma::read::XzDecoder::new_stream(packed, stream)),
            Err(error) => return Some(Err(error.into())),
        },
        Format::Lz4 => Box::new(super::lz4::Lz4::new(packed)),
        Format::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(packed)),
        Format::Zstd => match zstd::stream::read::Decoder::new(packed) {
            Ok(decoder) => Box::new(decoder),
            Err(error) => return Some(Err(error)),
        },
        _ => return None,
    };
    Some(Ok(Box::new(Bounded { inner: unpacked, budget })))
}

/// The old lzma format, of which one stream is one file: what follows is an error, as it is to `xz`.
struct Alone<R>(liblzma::bufread::XzDecoder<R>);

impl<R: BufRead> Read for Alone<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.0.read(buffer)?;
        if read == 0 && !buffer.is_empty() && !self.0.get_mut().fill_buf()?.is_empty() {
            return Err(Error::other("more after the end of an lzma stream"));
        }
        Ok(read)
    }
}

/// What the header of a compressed stream says beside how it is packed: the first member's, of gzip (RFC 1952).
pub(super) fn stream_facts(format: Format, packed: &[u8]) -> Facts {
    let mut facts = Facts::new();
    let reader = flate2::bufread::GzDecoder::new(packed);
    if let (Format::Gzip, Some(header)) = (format, reader.header()) {
        facts.insert("gzip time".into(), header.mtime().to_string());
        facts.insert("gzip system".into(), header.operating_system().to_string());
        for (name, value) in [
            ("gzip name", header.filename()),
            ("gzip comment", header.comment()),
            ("gzip extra field", header.extra()),
        ] {
            facts.extend(value.map(|value| (name.into(), words(value))));
        }
    }
    facts
}

/// Less is there than was announced.
pub(super) fn short() -> Error {
    Error::other("the archive is cut short")
}

/// Digests what is read through it.
pub(crate) struct Digesting<R> {
    inner: R,
    digest: Option<Sha256>,
}

impl<R: Read> Digesting<R> {
    pub(crate) fn new(inner: R, wanted: bool) -> Self {
        Self { inner, digest: wanted.then(Sha256::new) }
    }

    /// Reads what is left, when its digest is wanted, and gives the digest.
    pub(crate) fn finish(mut self) -> Result<Option<String>> {
        if self.digest.is_some() {
            let mut buffer = vec![0; 64 << 10];
            while self.read(&mut buffer)? > 0 {}
        }
        Ok(self.digest.map(|digest| hex::encode(digest.finalize())))
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.inner.read(buffer)?;
        if let Some(digest) = &mut self.digest {
            digest.update(&buffer[..read]);
        }
        Ok(read)
    }
}

/// Up to `most` bytes from the beginning.
pub(crate) fn head(reader: &mut dyn Read, most: usize) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(most as u64).read_to_end(&mut head)?;
    Ok(head)
}
