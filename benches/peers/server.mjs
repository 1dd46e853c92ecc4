// The pages and what they load, on loopback; remembers what was asked for.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { pipeline } from 'node:stream';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

// Isolated, for the finer clock that this brings.
const HEADERS = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

/** `folders` maps a path's first part to a folder. `sent` lists the files of the answers, until the caller empties it. */
export async function serve(folders) {
  const sent = [];
  const server = createServer(async (request, response) => {
    const [, top, ...rest] = normalize(decodeURIComponent(request.url.split('?', 1)[0])).split('/');
    // An empty page at the top, to compare memory with.
    if (!top) return response.writeHead(200, { ...HEADERS, 'content-type': TYPES['.html'] }).end('<!doctype html><title>empty</title>');
    const file = folders[top] ? join(folders[top], ...rest) : undefined;
    const found = file ? await stat(file).catch(() => undefined) : undefined;
    if (!found?.isFile()) return response.writeHead(404, HEADERS).end();
    response.writeHead(200, {
      ...HEADERS,
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'content-length': found.size,
    });
    if (request.method === 'HEAD') return response.end();
    sent.push({ file, bytes: found.size });
    pipeline(createReadStream(file), response, () => {});
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return { server, sent, address: `http://127.0.0.1:${server.address().port}/` };
}
