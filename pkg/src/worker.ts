// What runs in the worker: takes the files of an engine, then answers calls.
import { Host } from './call.js';
import { type EngineFiles, makeEngine } from './engine.js';
import { serve } from './serve.js';

serve(async (files: EngineFiles) => {
  const engine = await makeEngine(files);
  return { host: new Host(engine), answer: engine.info() };
});
