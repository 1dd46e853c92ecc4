// What runs in the worker that has the GPU: takes the files of both engines, proves what it computes, then answers calls.
import type { SentCall } from './call.js';
import { bytesOf, type EngineFiles, makeEngine } from './engine.js';
import { fasterFrom, GpuHost, makeGpu, prove } from './gpu.js';
import { serve } from './serve.js';
import type { Started } from './worker.js';

/** The files of both engines. */
export interface GpuFiles extends EngineFiles {
  gpu: WebAssembly.Module;
}

/** What the page asks: after the start, from how many texts on the GPU is to work, by measuring or from the first on. */
export type GpuRequest = { startGpu: GpuFiles } | { measure: boolean } | { call: SentCall };

let host: GpuHost | undefined;

serve(
  (request: GpuRequest) =>
    'startGpu' in request ? start(request.startGpu)
    : 'measure' in request ? worksFrom(host!, request.measure)
    : host!.answer(request.call),
  (id) => host?.forget(id),
);

async function start({ gpu: module, ...files }: GpuFiles): Promise<Started> {
  const gpu = await makeGpu(module, files.model.bytes);
  const engine = await makeEngine(files);
  host = new GpuHost(engine, gpu);
  return { info: engine.info(), bytes: bytesOf(files) };
}

async function worksFrom(host: GpuHost, measure: boolean): Promise<number> {
  await prove(host);
  return measure ? fasterFrom(host) : 1;
}
