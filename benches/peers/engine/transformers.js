// transformers.js as its script-tag build, on its wasm back end; its models and the wasm come from here, not from its hosts.
import { env, pipeline } from '/npm/@huggingface/transformers/dist/transformers.min.js';

export async function load({ dtype }) {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/peers/';
  env.backends.onnx.wasm.numThreads = 1;
  env.backends.onnx.wasm.wasmPaths = '/npm/@huggingface/transformers/node_modules/onnxruntime-web/dist/';
  const extract = await pipeline('feature-extraction', 'all-MiniLM-L6-v2', { dtype, device: 'wasm' });
  return async (texts) => (await extract(texts, { pooling: 'mean', normalize: true })).data;
}
