// What runs in the worker: takes the files of an engine, then answers calls; or does one analysis without an engine.
import { type Analysis, analyse } from './analysis.js';
import { Host, type SentCall } from './call.js';
import { type EngineFiles, instantiate, makeEngine } from './engine.js';
import { serve } from './serve.js';

/** What the page asks. */
export type Request = { start: EngineFiles } | { call: SentCall } | { module: WebAssembly.Module; analysis: Analysis };

let host: Host | undefined;

serve(
  async (request: Request) =>
    'start' in request ? start(request.start)
    : 'call' in request ? host!.answer(request.call)
    : (await instantiate(request.module), analyse(request.analysis)),
  (id) => host?.forget(id),
);

async function start(files: EngineFiles): Promise<unknown> {
  const engine = await makeEngine(files);
  host = new Host(engine);
  return engine.info();
}
