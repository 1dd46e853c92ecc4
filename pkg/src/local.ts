import { RunnerEmbedder } from './embedder.js';
import { web } from './platform.js';
import { loadHere } from './runner.js';
import type { LoadOptions } from './types.js';

export { type ErrorCode, PieError } from './error.js';
export type * from './types.js';

/** The embedder whose engine runs on the caller's own thread: for service workers, and for workers of your own. */
export class PieEmbedder extends RunnerEmbedder {
  static async load(options?: LoadOptions): Promise<PieEmbedder> {
    return new PieEmbedder(await loadHere(options, web));
  }
}
