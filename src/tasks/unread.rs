//! Texts that the model cannot read: its vocabulary lacks most of their pieces.

/// Share of a text's pieces that the vocabulary may lack, 0..=1. Of a text with more, the vector says how long it is and little else.
pub const MAX_UNREAD: f32 = 0.5;

/// Whether so much of a text is unread (0..=1, see [`Embeddings::unread`](crate::Embeddings::unread)) that its vector says nothing of it.
pub fn is_unread(share: f32) -> bool {
    share > MAX_UNREAD
}
