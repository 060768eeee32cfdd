//! Texts as gzip, then encoded as base64, as far as they are not too large.

use std::{
    cell::RefCell,
    io::{Read, Write},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, Crc, read::GzDecoder, write::DeflateEncoder};

/// What one document can have, in bytes of JSON: a small compressed one must not fill the memory.
pub(super) const DOCUMENT: usize = 8 * 1024 * 1024;

/// What gzip begins with (RFC 1952): deflate, without a time, a name, or a system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

thread_local! {
    /// A compressor takes 300 KB, and to set one up takes longer than to compress what a shard's
    /// Job keeps. The encoder for gzip of flate2 1.1 cannot be used twice.
    static DEFLATE: RefCell<DeflateEncoder<Vec<u8>>> =
        RefCell::new(DeflateEncoder::new(Vec::new(), Compression::default()));
}

/// A text as gzip: no time and no name in it, so that the same text gives the same bytes.
pub(super) fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = HEADER.to_vec();
    let deflated = DEFLATE.with_borrow_mut(|deflate| {
        deflate.write_all(text.as_bytes())?;
        deflate.reset(Vec::new())
    });
    gzip.extend(deflated.expect("a vector takes everything that is written to it"));
    end(&mut gzip, text);
    gzip
}

/// Appends what gzip ends with: the checksum and the length of the text.
fn end(gzip: &mut Vec<u8>, text: &str) {
    let mut crc = Crc::new();
    crc.update(text.as_bytes());
    gzip.extend(crc.sum().to_le_bytes());
    gzip.extend(crc.amount().to_le_bytes());
}

/// A text as gzip that is not compressed, then encoded as base64: it is longer, and costs next to
/// nothing. Such a block of deflate (RFC 1951, section 3.2.4) can have 65,535 bytes.
///
/// # Panics
/// If the text is longer than that.
pub(super) fn store(text: &str) -> String {
    let length = u16::try_from(text.len()).expect("a text of one block");
    let mut gzip = HEADER.to_vec();
    gzip.push(1);
    gzip.extend(length.to_le_bytes());
    gzip.extend((!length).to_le_bytes());
    gzip.extend(text.as_bytes());
    end(&mut gzip, text);
    STANDARD.encode(gzip)
}

/// A text as gzip, then encoded as base64.
pub(super) fn compress(text: &str) -> String {
    STANDARD.encode(gzip(text))
}

/// The text that was compressed and then encoded as base64.
pub(super) fn decompress(data: &str) -> Result<String, String> {
    let gzip = STANDARD.decode(data).map_err(|error| error.to_string())?;
    let most = u64::try_from(DOCUMENT).unwrap_or(u64::MAX);
    let mut text = String::new();
    let mut reader = GzDecoder::new(gzip.as_slice()).take(most + 1);
    reader.read_to_string(&mut text).map_err(|error| format!("it is not gzip: {error}"))?;
    if text.len() > DOCUMENT {
        return Err(format!("it has more than {DOCUMENT} bytes once decompressed"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn it_is_what_an_encoder_for_gzip_writes() {
        for text in ["", "a", &"completions ".repeat(10_000), &"x".repeat(65_535), "", "ä"] {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(text.as_bytes()).expect("a vector");
            assert_eq!(super::gzip(text), gzip.finish().expect("a vector"));
            assert_eq!(decompress(&compress(text)).as_deref(), Ok(text));
            if u16::try_from(text.len()).is_ok() {
                assert_eq!(decompress(&store(text)).as_deref(), Ok(text));
            }
        }
    }

    #[test]
    fn a_small_text_that_becomes_a_huge_one_is_damaged() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&vec![b' '; DOCUMENT + 1]).expect("a vector");
        let data = STANDARD.encode(gzip.finish().expect("a vector"));
        let error = decompress(&data).expect_err("too much");
        assert!(error.contains("more than 8388608 bytes"), "{error}");
    }
}
