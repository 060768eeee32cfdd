//! Names and uids: random, and the same again from the same seed.

/// The characters of generated names, as Kubernetes has them: no vowels, nothing that looks like
/// another.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A generator of names and uids (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number, such as the seed of another generator.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A uid.
    pub(crate) fn uid(&mut self) -> String {
        let bits = (u128::from(self.number()) << 64) | u128::from(self.number());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
    }

    /// The five characters that a generated name ends with.
    pub(crate) fn suffix(&mut self) -> String {
        let count = ALPHABET.len() as u64;
        (0..5).map(|_| char::from(ALPHABET[(self.number() % count) as usize])).collect()
    }
}
