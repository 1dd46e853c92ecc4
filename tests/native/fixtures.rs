//! The files that the wasm and JavaScript tests take from native code: three tiny models, and the vectors that the native engine gives.
//! `PIE_BLESS=1 cargo test --features cli fixtures` writes them anew.

use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::{EmbedOptions, Embedder};

use crate::common::{fixtures, instructions, tiny, two_views};

#[test]
fn wasm_fixtures_are_what_this_build_makes() {
    let (f32_model, q8_model) = (tiny(Dtype::F32, Pooling::Mean), tiny(Dtype::Q8_0, Pooling::Mean));
    let vectors = Embedder::from_bytes(&q8_model).unwrap().embed(&instructions(), &EmbedOptions::default()).unwrap();
    let vectors: Vec<u8> = vectors.data.iter().flat_map(|x| x.to_le_bytes()).collect();
    for (name, bytes) in [
        ("tiny/model-f32.gguf", f32_model),
        ("tiny/model-q8.gguf", q8_model),
        ("tiny/model-q8.native.f32", vectors),
        ("tiny/model-views.gguf", two_views(Dtype::Q8_0)),
    ] {
        let path = fixtures().join(name);
        if std::env::var_os("PIE_BLESS").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        assert!(std::fs::read(&path).is_ok_and(|committed| committed == bytes), "{name} is not what this build makes");
    }
}
