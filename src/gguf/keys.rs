//! Metadata keys and tensor names.

/// `general.architecture` of a model file.
pub const ARCHITECTURE: &str = "bert";
/// `general.architecture` of a taxonomy file.
pub const TAXONOMY_ARCHITECTURE: &str = "pie-taxonomy";

pub const GENERAL_ARCHITECTURE: &str = "general.architecture";
pub const GENERAL_NAME: &str = "general.name";
pub const GENERAL_LICENSE: &str = "general.license";

pub const BLOCK_COUNT: &str = "bert.block_count";
pub const CONTEXT_LENGTH: &str = "bert.context_length";
pub const EMBEDDING_LENGTH: &str = "bert.embedding_length";
pub const FEED_FORWARD_LENGTH: &str = "bert.feed_forward_length";
pub const HEAD_COUNT: &str = "bert.attention.head_count";
pub const LAYER_NORM_EPS: &str = "bert.attention.layer_norm_epsilon";
pub const CAUSAL: &str = "bert.attention.causal";
/// llama.cpp's enumeration: 1 is mean, 2 is cls.
pub const POOLING_TYPE: &str = "bert.pooling_type";

pub const TOKENIZER_MODEL: &str = "tokenizer.ggml.model";
pub const TOKENS: &str = "tokenizer.ggml.tokens";
/// Log-probabilities of a Unigram vocabulary's tokens.
pub const SCORES: &str = "tokenizer.ggml.scores";
/// SentencePiece's `precompiled_charsmap`, as bytes.
pub const CHARSMAP: &str = "tokenizer.ggml.precompiled_charsmap";
pub const ADD_SPACE_PREFIX: &str = "tokenizer.ggml.add_space_prefix";
pub const REMOVE_EXTRA_WHITESPACES: &str = "tokenizer.ggml.remove_extra_whitespaces";
/// Whether llama.cpp frames a text with the tokens that begin and end it.
pub const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
pub const ADD_EOS: &str = "tokenizer.ggml.add_eos_token";
pub const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";
pub const TOKEN_TYPE_COUNT: &str = "tokenizer.ggml.token_type_count";
pub const BOS_ID: &str = "tokenizer.ggml.bos_token_id";
pub const CLS_ID: &str = "tokenizer.ggml.cls_token_id";
pub const EOS_ID: &str = "tokenizer.ggml.eos_token_id";
/// The misspelling is llama.cpp's.
pub const SEP_ID: &str = "tokenizer.ggml.seperator_token_id";
pub const UNK_ID: &str = "tokenizer.ggml.unknown_token_id";
pub const PAD_ID: &str = "tokenizer.ggml.padding_token_id";
pub const MASK_ID: &str = "tokenizer.ggml.mask_token_id";

/// What this project's own keys begin with; a file that has any has [`PIE_CHECKSUM`].
pub const PIE: &str = "pie.";
/// The prompt that the model was trained with, as `Prompt` reads it.
pub const PIE_PROMPT: &str = "pie.prompt";
/// Whether vectors are L2-normalised.
pub const PIE_NORMALIZE: &str = "pie.normalize";
/// The most tokens of one text, `[CLS]` and `[SEP]` included.
pub const PIE_MAX_TOKENS: &str = "pie.max_tokens";
/// The views that a vector holds, one after the other: [`VIEWS`]. A file without the key has one view.
pub const PIE_VIEWS: &str = "pie.views";
/// What [`PIE_VIEWS`] says of a model with two views.
pub const VIEWS: [&str; 2] = ["task", "meaning"];
/// Base model, data and command, in words.
pub const PIE_PROVENANCE: &str = "pie.provenance";
pub const PIE_LOWERCASE: &str = "pie.tokenizer.lowercase";
pub const PIE_STRIP_ACCENTS: &str = "pie.tokenizer.strip_accents";
pub const PIE_CHINESE_CHARS: &str = "pie.tokenizer.handle_chinese_chars";
/// XXH3-64 of the whole file, these eight bytes taken as zero.
pub const PIE_CHECKSUM: &str = "pie.checksum";

/// Names of the tensors of one encoder layer, behind `blk.N.`.
pub mod layer {
    pub const ATTN_Q: &str = "attn_q";
    pub const ATTN_K: &str = "attn_k";
    pub const ATTN_V: &str = "attn_v";
    pub const ATTN_OUTPUT: &str = "attn_output";
    pub const ATTN_OUTPUT_NORM: &str = "attn_output_norm";
    pub const FFN_UP: &str = "ffn_up";
    pub const FFN_DOWN: &str = "ffn_down";
    pub const LAYER_OUTPUT_NORM: &str = "layer_output_norm";
}

pub const TOKEN_EMBD: &str = "token_embd.weight";
pub const POSITION_EMBD: &str = "position_embd.weight";
pub const TOKEN_TYPES: &str = "token_types.weight";
pub const TOKEN_EMBD_NORM: &str = "token_embd_norm";
/// The dense layer behind the pooling, `.weight` `[hidden, hidden]` and `.bias` `[hidden]`. llama.cpp knows the names for BERT, loads the
/// tensors, and leaves them out under mean pooling.
pub const HEAD: &str = "cls";
