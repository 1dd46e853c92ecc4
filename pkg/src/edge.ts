import { RunnerEmbedder } from './embedder.js';
import { type Platform, web } from './platform.js';
import { loadHere } from './runner.js';
import type { LoadOptions } from './types.js';

export { type ErrorCode, PieError } from './error.js';
export type * from './types.js';

const edge: Platform = {
  ...web,
  // In workerd, what one request has begun ends with it, and no other request may wait for it.
  sharesWork: false,
  // There is no HTTP cache, and workerd refuses every mode of one.
  open: (url, { signal }) => fetch(url, { signal: signal ?? null }),
};

/** The embedder for workerd, Vercel's edge runtime and Deno Deploy, whose engine runs on the isolate's own thread. */
export class PieEmbedder extends RunnerEmbedder {
  static async load(options?: LoadOptions): Promise<PieEmbedder> {
    return new PieEmbedder(await loadHere(options, edge));
  }
}
