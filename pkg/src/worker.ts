// What runs in the worker: takes the files of an engine, then answers calls; or does one analysis without an engine.
import { type Analysis, analyse } from './analysis.js';
import { Host, type SentCall } from './call.js';
import { bytesOf, type EngineFiles, instantiate, makeEngine } from './engine.js';
import { serve } from './serve.js';
import type { ModelInfo } from './types.js';

/** What the page asks. */
export type Request = { start: EngineFiles } | { call: SentCall } | { module: WebAssembly.Module; analysis: Analysis };

/** The answer to a start, with the bytes of the files given back. */
export interface Started {
  info: ModelInfo;
  bytes: Uint8Array<ArrayBuffer>[];
}

let host: Host | undefined;

serve(
  async (request: Request, step) =>
    'start' in request ? start(request.start)
    : 'call' in request ? host!.answer(request.call)
    : (await instantiate(request.module), analyse(request.analysis, step)),
  (id) => host?.forget(id),
);

async function start(files: EngineFiles): Promise<Started> {
  const engine = await makeEngine(files);
  host = new Host(engine);
  return { info: engine.info(), bytes: bytesOf(files) };
}
