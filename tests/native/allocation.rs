//! A warm encoder takes no memory from the system, and a warm backend none but for its answer.

use pie_embed_wasm::backend::{Backend, Cpu};
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::encoder::{Arithmetic, Encoder, Output, Scratch, TokenBatch};
use pie_embed_wasm::gguf::Gguf;

use crate::common::tiny;

#[test]
fn a_warm_encoder_allocates_nothing() {
    let batch = |lengths: &[usize]| {
        let mut batch = TokenBatch::default();
        for &len in lengths {
            batch.push(&(0..len as u32).collect::<Vec<_>>());
        }
        batch
    };
    let largest = batch(&[40, 16, 3]);
    let others = [batch(&[16]), batch(&[3, 17, 9]), batch(&[40, 16, 3])];
    for (dtype, arithmetic) in [(Dtype::Q8_0, Arithmetic::Integer), (Dtype::Q4_0, Arithmetic::Integer), (Dtype::F16, Arithmetic::F32)] {
        for pooling in [Pooling::Mean, Pooling::Cls] {
            let bytes = tiny(dtype, pooling);
            let encoder = Encoder::from_gguf(&Gguf::parse(&bytes).unwrap(), arithmetic).unwrap();
            let (mut scratch, mut out) = (Scratch::default(), Vec::new());
            let first = allocation_counter::measure(|| encoder.forward(&largest, &mut scratch, &mut out).unwrap());
            assert!(first.count_total > 0, "the counter counts nothing");
            for batch in &others {
                let warm = allocation_counter::measure(|| encoder.forward(batch, &mut scratch, &mut out).unwrap());
                assert_eq!(warm.count_total, 0, "{dtype} {arithmetic:?} {pooling:?}, {} tokens", batch.token_count());
            }
        }
    }
}

#[test]
fn a_warm_backend_allocates_its_answer_alone() {
    let ids: Vec<u32> = (0..40).collect();
    let bytes = tiny(Dtype::Q4_0, Pooling::Mean);
    let cpu = Cpu::from_gguf(&Gguf::parse(&bytes).unwrap(), Arithmetic::Integer).unwrap();
    let output = Output { dimensions: 16, normalize: true };
    let encode = |texts: &[&[u32]]| allocation_counter::measure(|| drop(cpu.encode(texts, output).unwrap()));
    assert!(encode(&[&ids, &ids[..3], &ids[..3]]).count_total > 1, "the counter counts nothing");
    for texts in [&[&ids[..16]][..], &[&ids[..3], &ids[..17], &ids[..9]], &[&ids]] {
        assert_eq!(encode(texts).count_total, 1, "{} texts", texts.len());
    }
}
