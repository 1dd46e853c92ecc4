// The smallest build of onnxruntime-web (no WebGPU), with the tokenizer that transformers.js uses.
import { Tokenizer } from '/npm/@huggingface/tokenizers/dist/tokenizers.min.mjs';
import { env, InferenceSession, Tensor } from '/npm/onnxruntime-web/dist/ort.wasm.min.mjs';
import { embedder } from './onnx.js';

const MODEL = '/peers/all-MiniLM-L6-v2/';
const json = async (name) => (await fetch(MODEL + name)).json();

export async function load({ file }) {
  env.wasm.numThreads = 1;
  env.wasm.wasmPaths = '/npm/onnxruntime-web/dist/';
  const [session, tokenizer, config] = await Promise.all([
    InferenceSession.create(`${MODEL}onnx/${file}`),
    json('tokenizer.json'),
    json('tokenizer_config.json'),
  ]);
  return embedder(Tensor, session, new Tokenizer(tokenizer, config));
}
