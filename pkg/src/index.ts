import { loadInWorkers } from './crew.js';
import { RunnerEmbedder } from './embedder.js';
import { web } from './platform.js';
import { loadHere } from './runner.js';
import type { LoadOptions } from './types.js';

export { type ErrorCode, PieError } from './error.js';
export type * from './types.js';

/** The embedder for browsers: in a worker, and on the caller's thread where there are none to be had, as in a service worker. */
export class PieEmbedder extends RunnerEmbedder {
  static async load(options?: LoadOptions): Promise<PieEmbedder> {
    return new PieEmbedder(await (typeof Worker === 'function' ? loadInWorkers : loadHere)(options, web));
  }
}
