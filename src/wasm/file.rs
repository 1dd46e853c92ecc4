//! A file in the page's memory.

use std::ops::Range;

use js_sys::Uint8Array;

use crate::gguf::Source;

/// It stays there, and what is read of it is all that is copied: memory that wasm once took it never gives back.
pub(super) struct PageFile(pub(super) Uint8Array);

impl Source for PageFile {
    fn size(&self) -> usize {
        self.0.length() as usize
    }

    fn read(&self, range: Range<usize>) -> Vec<u8> {
        self.0.subarray(range.start as u32, range.end as u32).to_vec()
    }
}
