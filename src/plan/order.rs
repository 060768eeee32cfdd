//! The order of clusters that are otherwise equal: the order of Kubernetes Federation v1.

use std::cmp::Reverse;

/// The sort key of a cluster: the larger weight first, then the smaller hash, then the name.
///
/// Weight and hash are v1's rule, so that the same clusters are rounded up as under v1. The hash
/// depends on the Job too, so that the odd pods of many Jobs do not all go to one cluster. The name
/// decides between clusters of equal hash, which v1 left to chance.
pub(super) fn place<'a>(weight: i128, name: &'a str, key: &str) -> (Reverse<i128>, u32, &'a str) {
    (Reverse(weight), hash(name, key), name)
}

/// FNV-1 (multiply, then xor; FNV-1a is the other way round) in 32 bits over the cluster's name and
/// the Job's key.
fn hash(name: &str, key: &str) -> u32 {
    const OFFSET: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let bytes = name.bytes().chain(key.bytes());
    bytes.fold(OFFSET, |hash, byte| hash.wrapping_mul(PRIME) ^ u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1_of_name_and_key_without_a_separator() {
        assert_eq!(hash("", ""), 0x811c_9dc5);
        // Test vectors of the FNV authors.
        assert_eq!(hash("a", ""), 0x050c_5d7e);
        assert_eq!(hash("foo", "bar"), 0x31f0_b262);
        assert_eq!(hash("foob", "ar"), 0x31f0_b262);
    }

    #[test]
    fn a_larger_weight_goes_first_and_a_name_decides_last() {
        assert!(place(2, "z", "") < place(1, "a", ""));
        let by_hash = hash("a", "ns/job").cmp(&hash("b", "ns/job"));
        assert_eq!(place(1, "a", "ns/job").cmp(&place(1, "b", "ns/job")), by_hash);
        assert_eq!(hash("gpcphgo", ""), hash("lmypqkp", ""));
        assert!(place(1, "gpcphgo", "") < place(1, "lmypqkp", ""));
    }
}
