//! The identity of a model file.

use sha2::{Digest, Sha256};

/// The sha256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The sha256 of `bytes`, in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    sha256_hex_of([bytes])
}

/// The same of bytes that come in pieces.
pub(crate) fn sha256_hex_of<B: AsRef<[u8]>>(pieces: impl IntoIterator<Item = B>) -> String {
    let hash = pieces.into_iter().fold(Sha256::new(), Sha256::chain_update);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn equals_the_standard_vector() {
        // FIPS 180-4, "abc".
        assert_eq!(super::sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
