// What runs in the worker that has the GPU: finds that, takes the files of both engines, proves what it computes, then answers calls.
import type { SentCall } from './call.js';
import { bytesOf, type EngineFiles, makeEngine } from './engine.js';
import { type AdapterInfo, fasterFrom, findGpu, GpuHost, makeGpu, prove } from './gpu.js';
import { serve } from './serve.js';
import type { Started } from './worker.js';

/** What the page asks, in this order; the third gives from how many texts on the GPU is to work, which is 1 without measuring. */
export type GpuRequest = { gpu: WebAssembly.Module } | { start: EngineFiles } | { measure: boolean } | { call: SentCall };

let adapter: AdapterInfo = {};
let host: GpuHost | undefined;

serve(
  (request: GpuRequest) =>
    'gpu' in request ? find(request.gpu)
    : 'start' in request ? start(request.start)
    : 'measure' in request ? worksFrom(host!, request.measure)
    : host!.answer(request.call),
  (id) => host?.forget(id),
);

async function find(module: WebAssembly.Module): Promise<void> {
  adapter = await findGpu(module);
}

async function start(files: EngineFiles): Promise<Started> {
  const gpu = await makeGpu(adapter, files.model.bytes);
  const engine = await makeEngine(files);
  host = new GpuHost(engine, gpu);
  return { info: engine.info(), bytes: bytesOf(files) };
}

async function worksFrom(host: GpuHost, measure: boolean): Promise<number> {
  await prove(host);
  return measure ? fasterFrom(host, adapter) : 1;
}
