//! The encoder on the GPU, whole, against f32 over the dequantised weights; and what happens when the GPU fails. Where there is no
//! adapter the tests say so and pass, unless `PIE_WEBGPU_REQUIRED` is set.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use pie_embed_wasm::backend::{Backend, Cpu, Gpu, Routed};
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::encoder::{Arithmetic, Output, TokenBatch};
use pie_embed_wasm::gguf::Gguf;
use pie_embed_wasm::train::Candle;
use pie_embed_wasm::webgpu::{Context, GpuEncoder, Limits, Products};
use pie_embed_wasm::{EmbedOptions, Embedder, ErrorCode, Result, View};

use crate::common::{compare, instructions, root, tiny, two_views};

const OUTPUT: Output = Output { dimensions: 64, normalize: true };

fn context(limits: Limits) -> Option<Arc<Context>> {
    match pollster::block_on(Context::new(limits)) {
        Ok(context) => Some(context),
        Err(e) => {
            assert!(std::env::var_os("PIE_WEBGPU_REQUIRED").is_none(), "{e}");
            eprintln!("skipped: {e}");
            None
        }
    }
}

/// The token ids of the golden instructions.
static IDS: LazyLock<Vec<Vec<u32>>> = LazyLock::new(|| {
    let embedder = Embedder::from_bytes(&tiny(Dtype::F32, Pooling::Mean)).unwrap();
    instructions().iter().map(|text| embedder.tokenize(text, &EmbedOptions::default()).unwrap().input_ids).collect()
});

fn batch() -> TokenBatch {
    let mut batch = TokenBatch::default();
    IDS.iter().for_each(|ids| batch.push(ids));
    batch
}

fn encode(gpu: &mut GpuEncoder) -> Result<Vec<f32>> {
    pollster::block_on(gpu.encode(&batch(), OUTPUT))
}

fn on(backend: &dyn Backend, output: Output) -> Vec<f32> {
    backend.encode(&IDS.iter().map(Vec::as_slice).collect::<Vec<_>>(), output).unwrap()
}

#[test]
fn every_dtype_is_as_on_the_cpu() {
    let Some(context) = context(Limits::Adapter) else { return };
    for (dtype, pooling) in
        [(Dtype::F32, Pooling::Cls), (Dtype::F16, Pooling::Mean), (Dtype::Q8_0, Pooling::Mean), (Dtype::Q4_0, Pooling::Mean)]
    {
        let bytes = tiny(dtype, pooling);
        let gguf = Gguf::parse(&bytes).unwrap();
        let gpu = Gpu::new(GpuEncoder::from_gguf_with(context.clone(), &gguf, Products::F32).unwrap());
        let cpu = Cpu::from_gguf(&gguf, Arithmetic::F32).unwrap();
        for output in [OUTPUT, Output { dimensions: 24, normalize: false }] {
            let (a, b) = (on(&gpu, output), on(&cpu, output));
            let (mean, worst) = compare(&a, &b, output.dimensions);
            println!("{dtype}, {pooling}: mean {mean:.7}, worst {worst:.7}");
            assert!(worst >= 0.999, "{dtype}: {worst}");
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 0.01), "{dtype}: lengths");
        }
    }
}

/// The GPU pools the states, and the embedder applies the head and reads the views.
#[test]
fn views_are_as_on_the_cpu() {
    let Some(context) = context(Limits::Smallest) else { return };
    let bytes = two_views(Dtype::F32);
    let gpu = |gguf: &Gguf<'_>| GpuEncoder::from_gguf_with(context.clone(), gguf, Products::F32);
    let gpu = Embedder::from_bytes_on(&bytes, |gguf| Ok(Box::new(Gpu::new(gpu(gguf)?)))).unwrap();
    let cpu = Embedder::from_bytes(&bytes).unwrap();
    for view in [View::Task, View::Meaning, View::Both] {
        let options = EmbedOptions { view: Some(view), ..EmbedOptions::default() };
        let (a, b) = (gpu.embed(&instructions(), &options).unwrap(), cpu.embed(&instructions(), &options).unwrap());
        let (_, worst) = compare(&a.data, &b.data, b.dimensions);
        assert!(worst >= 0.9999, "{view}: {worst}");
    }
}

/// Products of bytes: what they cost is held to the bar of the quantisation itself.
#[test]
fn packed_products_are_near_the_floats() {
    let Some(context) = context(Limits::Smallest) else { return };
    for dtype in [Dtype::F32, Dtype::Q8_0, Dtype::Q4_0] {
        let bytes = tiny(dtype, Pooling::Mean);
        let gguf = Gguf::parse(&bytes).unwrap();
        let got = encode(&mut GpuEncoder::from_gguf_with(context.clone(), &gguf, Products::Packed).unwrap()).unwrap();
        let (mean, worst) = compare(&got, &on(&Cpu::from_gguf(&gguf, Arithmetic::F32).unwrap(), OUTPUT), OUTPUT.dimensions);
        println!("{dtype}: mean {mean:.7}, worst {worst:.7}");
        assert!(mean >= 0.996 && worst >= 0.985, "{dtype}: mean {mean}, worst {worst}");
        // Floats stay floats.
        assert!(dtype != Dtype::F32 || worst >= 0.999999, "{worst}");
    }
}

/// The shipped models on the golden instructions, 1 to 512 tokens long, with all products that the adapter has; in batches that a
/// software adapter computes in good time, and the smaller model alone there.
#[test]
fn shipped_models_are_as_on_the_cpu() {
    let Some(context) = context(Limits::Adapter) else { return };
    let names = ["pie-small", "pie-base"];
    for name in &names[..if context.is_software() { 1 } else { 2 }] {
        let bytes = std::fs::read(root().join(format!("models/{name}.gguf"))).unwrap();
        let embedder = Embedder::from_bytes(&bytes).unwrap();
        let ids = |text: &String| embedder.tokenize(text, &EmbedOptions::default()).unwrap().input_ids;
        let ids: Vec<Vec<u32>> = instructions().iter().map(ids).collect();
        let texts: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
        let gguf = Gguf::parse(&bytes).unwrap();
        let output = Output { dimensions: 384, normalize: true };
        let cpu = Cpu::from_gguf(&gguf, Arithmetic::F32).unwrap().encode(&texts, output).unwrap();
        for products in Products::ALL.into_iter().filter(|products| products.are_available(&context)) {
            let gpu = Gpu::new(GpuEncoder::from_gguf_with(context.clone(), &gguf, products).unwrap());
            let vectors: Vec<f32> = texts.chunks(16).flat_map(|texts| gpu.encode(texts, output).unwrap()).collect();
            let (mean, worst) = compare(&vectors, &cpu, output.dimensions);
            println!("{name}, {products:?}, {} texts: mean {mean:.7}, worst {worst:.7}", texts.len());
            let (least, least_worst) = if products == Products::Packed { (0.996, 0.985) } else { (0.999, 0.999) };
            assert!(mean >= least && worst >= least_worst, "{name}, {products:?}: mean {mean}, worst {worst}");
        }
    }
}

/// The back end of `--device cuda`, on candle's CPU.
#[test]
fn candle_is_as_the_cpu() {
    let bytes = tiny(Dtype::Q8_0, Pooling::Mean);
    let gguf = Gguf::parse(&bytes).unwrap();
    let (_, worst) = compare(
        &on(&Candle::from_gguf(&gguf, "cpu").unwrap(), OUTPUT),
        &on(&Cpu::from_gguf(&gguf, Arithmetic::F32).unwrap(), OUTPUT),
        OUTPUT.dimensions,
    );
    assert!(worst >= 0.99999, "{worst}");
    assert_eq!(Candle::from_gguf(&gguf, "tpu").err().unwrap().code(), ErrorCode::InvalidArgument);
}

#[test]
fn small_limits_split_the_batch_and_the_table() {
    let Some(large) = context(Limits::Adapter) else { return };
    let bytes = tiny(Dtype::F32, Pooling::Mean);
    let gguf = Gguf::parse(&bytes).unwrap();
    let whole = encode(&mut GpuEncoder::from_gguf_with(large, &gguf, Products::F32).unwrap()).unwrap();
    // 482 rows of 256 bytes do not go into one such buffer, and no more than 128 tokens into one submission.
    let small = context(Limits::Buffers(100_000)).unwrap();
    let split = encode(&mut GpuEncoder::from_gguf_with(small, &gguf, Products::F32).unwrap()).unwrap();
    // Sums may be of another order, since tiles go by the number of tokens.
    let (_, worst) = compare(&split, &whole, OUTPUT.dimensions);
    assert!(worst >= 0.999_999, "{worst}");
    let smallest = context(Limits::Buffers(65_536)).unwrap();
    assert_eq!(GpuEncoder::from_gguf(smallest, &gguf).err().unwrap().code(), ErrorCode::NoWebgpu);
}

#[test]
fn encoders_share_a_device_and_outlive_each_other() {
    let Some(context) = context(Limits::Smallest) else { return };
    let (mean, cls) = (tiny(Dtype::Q8_0, Pooling::Mean), tiny(Dtype::Q8_0, Pooling::Cls));
    let mut a = GpuEncoder::from_gguf(context.clone(), &Gguf::parse(&mean).unwrap()).unwrap();
    let mut b = GpuEncoder::from_gguf(context, &Gguf::parse(&cls).unwrap()).unwrap();
    let (first, other) = (encode(&mut a).unwrap(), encode(&mut b).unwrap());
    assert_ne!(first, other);
    assert_eq!(encode(&mut a).unwrap(), first);
    drop(a);
    assert_eq!(encode(&mut b).unwrap(), other);
}

#[test]
fn bad_input_is_refused_and_the_encoder_works_on() {
    let Some(context) = context(Limits::Smallest) else { return };
    let bytes = tiny(Dtype::Q8_0, Pooling::Mean);
    let mut gpu = GpuEncoder::from_gguf(context, &Gguf::parse(&bytes).unwrap()).unwrap();
    for ids in [&[][..], &[1; 129], &[2, 482, 3]] {
        let mut batch = TokenBatch::default();
        batch.push(ids);
        assert_eq!(pollster::block_on(gpu.encode(&batch, OUTPUT)).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
    let wide = Output { dimensions: 65, normalize: true };
    assert_eq!(pollster::block_on(gpu.encode(&batch(), wide)).unwrap_err().code(), ErrorCode::InvalidDimensions);
    assert!(pollster::block_on(gpu.encode(&TokenBatch::default(), OUTPUT)).unwrap().is_empty());
    assert_eq!(encode(&mut gpu).unwrap().len(), IDS.len() * 64);
}

/// At whatever moment the device goes, the call ends: with all vectors, or with an error that says so.
#[test]
fn a_lost_device_is_an_error_and_never_a_wait() {
    let Some(first) = context(Limits::Smallest) else { return };
    let bytes = tiny(Dtype::Q8_0, Pooling::Mean);
    let gguf = Gguf::parse(&bytes).unwrap();
    first.destroy();
    assert_eq!(GpuEncoder::from_gguf(first, &gguf).and_then(|mut gpu| encode(&mut gpu)).unwrap_err().code(), ErrorCode::GpuFailed);
    for delay_ms in [0, 1, 5, 20, 60] {
        let context = context(Limits::Smallest).unwrap();
        let mut gpu = GpuEncoder::from_gguf(context.clone(), &gguf).unwrap();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(delay_ms));
            context.destroy();
        });
        match encode(&mut gpu) {
            Ok(vectors) => assert_eq!(vectors.len(), IDS.len() * 64),
            Err(e) => assert_eq!(e.code(), ErrorCode::GpuFailed, "{e}"),
        }
        killer.join().unwrap();
        assert_eq!(encode(&mut gpu).unwrap_err().code(), ErrorCode::GpuFailed);
    }
}

#[test]
fn the_cpu_takes_over_and_says_so_once() {
    let Some(context) = context(Limits::Smallest) else { return };
    static TOLD: AtomicUsize = AtomicUsize::new(0);
    let bytes = tiny(Dtype::Q8_0, Pooling::Mean);
    let gguf = Gguf::parse(&bytes).unwrap();
    let cpu = || Cpu::from_gguf(&gguf, Arithmetic::Integer).unwrap();
    let gpu = Gpu::new(GpuEncoder::from_gguf_with(context.clone(), &gguf, Products::F32).unwrap());
    let routed = Routed::new(cpu(), gpu, 1_000, Box::new(|_| _ = TOLD.fetch_add(1, Ordering::Relaxed)));
    let want = on(&cpu(), OUTPUT);
    let short = routed.encode(&[&IDS[0]], OUTPUT).unwrap();
    assert_eq!(short, want[..64]);
    assert!(compare(&on(&routed, OUTPUT), &want, 64).1 >= 0.985);
    context.destroy();
    assert_eq!(on(&routed, OUTPUT), want);
    assert_eq!(on(&routed, OUTPUT), want);
    assert_eq!(TOLD.load(Ordering::Relaxed), 1);
}
