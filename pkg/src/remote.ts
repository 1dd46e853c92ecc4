import { loadInWorkers } from './crew.js';
import { RunnerEmbedder } from './embedder.js';
import { web } from './platform.js';
import type { LoadOptions } from './types.js';

export { type ErrorCode, PieError } from './error.js';
export type * from './types.js';

/** The embedder whose engine runs in a worker, or in several. */
export class PieEmbedder extends RunnerEmbedder {
  static async load(options?: LoadOptions): Promise<PieEmbedder> {
    return new PieEmbedder(await loadInWorkers(options, web));
  }
}
