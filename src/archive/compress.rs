//! Compression of whole values in memory, for the rooms that read or write one without an archive around it. Pure.

use std::io::{Read, Result, Write};

/// Compresses as `gzip -9n` does: no name and no time, so that the same bytes give the same file.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut writer = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes)?;
    writer.finish()
}

/// Unpacks a zlib stream (RFC 1950); what is beyond `most` bytes is left out.
pub fn zlib(packed: &[u8], most: u64) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::ZlibDecoder::new(packed).take(most).read_to_end(&mut out)?;
    Ok(out)
}

/// Unpacks zstd frames (RFC 8878); what is beyond `most` bytes is left out.
pub fn zstd(packed: &[u8], most: u64) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    zstd::stream::read::Decoder::new(packed)?.take(most).read_to_end(&mut out)?;
    Ok(out)
}

/// Compresses one block fast, to be held in memory.
pub fn shrink(block: &[u8]) -> Result<Vec<u8>> {
    zstd::bulk::compress(block, 1)
}

/// Unpacks what [`shrink`] made of a block of up to `most` bytes.
pub fn restore(shrunk: &[u8], most: usize) -> Result<Vec<u8>> {
    zstd::bulk::decompress(shrunk, most)
}
