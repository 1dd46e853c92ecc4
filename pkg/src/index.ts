import { LocalEmbedder } from './embedder.js';
import { loadEngine } from './load.js';
import { web } from './platform.js';
import type { LoadOptions } from './types.js';

export { type ErrorCode, PieError } from './error.js';
export type * from './types.js';

/** The embedder for browsers. */
export class PieEmbedder extends LocalEmbedder {
  static async load(options?: LoadOptions): Promise<PieEmbedder> {
    return new PieEmbedder(await loadEngine(options, web));
  }
}
