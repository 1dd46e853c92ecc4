// What runs in the worker that has the GPU: takes the files of both engines, then answers calls.
import type { SentCall } from './call.js';
import { bytesOf, type EngineFiles, makeEngine } from './engine.js';
import { fasterFrom, GpuHost, makeGpu, prove } from './gpu.js';
import { serve } from './serve.js';
import type { Started } from './worker.js';

/** The files of both engines, and whether to measure if the GPU is worth while. */
export interface GpuFiles extends EngineFiles {
  gpu: WebAssembly.Module;
  measure: boolean;
}

/** What the page asks. */
export type GpuRequest = { startGpu: GpuFiles } | { call: SentCall };

/** The answer to a start: also from how many texts on the GPU is faster. */
export interface StartedGpu extends Started {
  from: number;
}

let host: GpuHost | undefined;

serve(
  (request: GpuRequest) => ('startGpu' in request ? start(request.startGpu) : host!.answer(request.call)),
  (id) => host?.forget(id),
);

async function start({ gpu: module, measure, ...files }: GpuFiles): Promise<StartedGpu> {
  const gpu = await makeGpu(module, files.model.bytes);
  const engine = await makeEngine(files);
  host = new GpuHost(engine, gpu);
  await prove(engine, host);
  return { info: engine.info(), bytes: bytesOf(files), from: measure ? await fasterFrom(engine, host) : 1 };
}
