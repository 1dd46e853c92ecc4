import { readFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { RunnerEmbedder } from './embedder.js';
import { PieError } from './error.js';
import type { Platform } from './platform.js';
import { loadHere } from './runner.js';
import type { LoadOptions } from './types.js';

export { type ErrorCode, PieError } from './error.js';
export type * from './types.js';

const node: Platform = {
  resolve(reference) {
    // An absolute Windows path would pass for a URL whose scheme is the drive.
    return isAbsolute(reference) || !URL.canParse(reference) ? pathToFileURL(reference) : new URL(reference);
  },

  async open(url, init) {
    if (url.protocol !== 'file:') return fetch(url, init);
    try {
      const bytes = await readFile(url, { signal: init.signal ?? undefined });
      const type = url.pathname.endsWith('.wasm') ? 'application/wasm' : 'application/octet-stream';
      return new Response(bytes, { headers: { 'content-type': type, 'content-length': String(bytes.length) } });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new PieError('not_found', `${url.href}: no such file`, { cause: error });
    }
  },
};

/** The embedder for Node, which reads files as well as URLs. */
export class PieEmbedder extends RunnerEmbedder {
  static async load(options?: LoadOptions): Promise<PieEmbedder> {
    return new PieEmbedder(await loadHere(options, node));
  }
}
