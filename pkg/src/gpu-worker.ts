// What runs in the worker that has the GPU: takes the files of both engines, then answers calls.
import type { SentCall } from './call.js';
import { type EngineFiles, makeEngine } from './engine.js';
import { fasterFrom, GpuHost, makeGpu, prove } from './gpu.js';
import { serve } from './serve.js';

/** The files of both engines, and whether to measure if the GPU is worth while. */
export interface GpuFiles extends EngineFiles {
  gpu: WebAssembly.Module;
  measure: boolean;
}

/** What the page asks. */
export type GpuRequest = { startGpu: GpuFiles } | { call: SentCall };

let host: GpuHost | undefined;

serve(
  (request: GpuRequest) => ('startGpu' in request ? start(request.startGpu) : host!.answer(request.call)),
  (id) => host?.forget(id),
);

async function start({ gpu: module, measure, ...files }: GpuFiles): Promise<unknown> {
  // The engine takes the model's bytes over.
  const gpu = await makeGpu(module, files.model.bytes);
  const engine = await makeEngine(files);
  host = new GpuHost(engine, gpu);
  await prove(engine, host);
  return { info: engine.info(), from: measure ? await fasterFrom(engine, host) : 1 };
}
