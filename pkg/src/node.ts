import { existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { RunnerEmbedder } from './embedder.js';
import { PieError } from './error.js';
import type { Platform } from './platform.js';
import { loadHere } from './runner.js';
import type { LoadOptions } from './types.js';

export { type ErrorCode, PieError } from './error.js';
export type * from './types.js';

// The path of a bundle in CommonJS, where import.meta.url is not defined.
declare const __filename: string | undefined;

// Bytes of one read.
const PIECE = 1 << 20;

const node: Platform = {
  sharesWork: true,
  resolve(reference) {
    // An absolute Windows path would pass for a URL whose scheme is the drive.
    return isAbsolute(reference) || !URL.canParse(reference) ? pathToFileURL(reference) : new URL(reference);
  },

  locate(path, address) {
    if (address && existsSync(address)) return address;
    try {
      const here = typeof __filename === 'string' ? __filename : process.argv[1];
      return here === undefined ? undefined : pathToFileURL(createRequire(here).resolve(path));
    } catch {
      return undefined;
    }
  },

  async open(url, init) {
    if (url.protocol !== 'file:') return fetch(url, init);
    try {
      const file = await open(url);
      const { size } = await file.stat();
      return new Response(piecesOf(file, init.signal), { headers: { 'content-length': String(size) } });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new PieError('not_found', `${url.href}: no such file`, { cause: error });
    }
  },
};

/** Reads a file as its consumer asks for more, so that a refused file is not read to its end. */
function piecesOf(file: FileHandle, signal: AbortSignal | null | undefined): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(stream) {
      try {
        signal?.throwIfAborted();
        const { bytesRead, buffer } = await file.read(new Uint8Array(PIECE));
        if (bytesRead > 0) return stream.enqueue(buffer.subarray(0, bytesRead));
      } catch (error) {
        await file.close();
        throw error;
      }
      await file.close();
      stream.close();
    },
    cancel: () => file.close(),
  });
}

/** The embedder for Node, which reads files as well as URLs. */
export class PieEmbedder extends RunnerEmbedder {
  static async load(options?: LoadOptions): Promise<PieEmbedder> {
    return new PieEmbedder(await loadHere(options, node));
  }
}
