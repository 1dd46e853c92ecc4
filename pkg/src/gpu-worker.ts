// What runs in the worker that has the GPU: takes the files of both engines, then answers calls.
import type { EngineFiles } from './engine.js';
import { makeEngine } from './engine.js';
import { fasterFrom, GpuHost, makeGpu } from './gpu.js';
import { serve } from './serve.js';

/** Which GPU engine, and whether to measure if it is worth while. */
export interface GpuStart extends EngineFiles {
  gpu: WebAssembly.Module;
  measure: boolean;
}

serve(async ({ gpu: module, measure, ...files }: GpuStart) => {
  const engine = await makeEngine(files);
  const gpu = await makeGpu(module, files.model.bytes);
  const from = measure ? await fasterFrom(engine, gpu) : 1;
  return { host: new GpuHost(engine, gpu), answer: { info: engine.info(), from } };
});
