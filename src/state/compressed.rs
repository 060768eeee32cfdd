//! Texts as gzip, then encoded as base64, as far as they are not too large.

use std::io::{Read, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

/// What one document can have, in bytes of JSON: a small compressed one must not fill the memory.
pub(super) const DOCUMENT: usize = 8 * 1024 * 1024;

/// A text as gzip: no time and no name in it, so that the same text gives the same bytes.
pub(super) fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes())
        .and_then(|()| gzip.finish())
        .expect("a vector takes everything that is written to it")
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
    use super::*;

    #[test]
    fn a_small_text_that_becomes_a_huge_one_is_damaged() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&vec![b' '; DOCUMENT + 1]).expect("a vector");
        let data = STANDARD.encode(gzip.finish().expect("a vector"));
        let error = decompress(&data).expect_err("too much");
        assert!(error.contains("more than 8388608 bytes"), "{error}");
    }
}
