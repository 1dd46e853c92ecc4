#!/usr/bin/env node
// Serves the demo page, as build.mjs made it in target/demo, on loopback.
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build, DEMO } from './build.mjs';

const ROOT = pathToFileURL(DEMO);

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  // Asked again each time, and answered with 304 while the file is the same.
  'cache-control': 'no-cache',
};

/** The file for a request's path, or nothing where the path leads out of the folder. */
export function locate(path) {
  try {
    const name = decodeURIComponent(path.slice(1) || 'index.html');
    // A URL would read these as a way up, a host or a new start; no file of ours has them.
    if (/[\\\0:]|^\/|(^|\/)\./.test(name)) return undefined;
    return new URL(name.split('/').map(encodeURIComponent).join('/'), ROOT);
  } catch {
    return undefined;
  }
}

/** The file's real path; nothing when it is missing, or when a symbolic link leads out of the folder. */
async function find(file) {
  try {
    const [root, path] = await Promise.all([realpath(DEMO), realpath(fileURLToPath(file))]);
    return path.startsWith(join(root, sep)) ? path : undefined;
  } catch {
    return undefined;
  }
}

// The host names that are answered. Another origin could point its own name here (DNS rebinding) and read what is served.
const HOSTS = ['127.0.0.1', 'localhost', '[::1]'];

function isOwn(host, hosts) {
  // Only HTTP/1.0 requests have no Host header, and no browser sends them.
  return host === undefined || hosts.includes(host.replace(/:\d*$/, '').toLowerCase());
}

async function answer(request, response, hosts) {
  const send = (status, text) =>
    response.writeHead(status, { ...HEADERS, 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
  if (!isOwn(request.headers.host, hosts)) return send(421, `this server answers to ${hosts.join(', ')}`);
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(405, 'only GET and HEAD');
  const address = locate(request.url.split('?', 1)[0]);
  const file = address && (await find(address));
  const found = file && (await stat(file).catch(() => undefined));
  if (!found?.isFile()) return send(404, 'not found');

  const etag = `"${found.size.toString(16)}-${found.mtimeMs.toString(16)}"`;
  if (request.headers['if-none-match'] === etag) return response.writeHead(304, { ...HEADERS, etag }).end();
  response.writeHead(200, {
    ...HEADERS,
    etag,
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    'content-length': found.size,
  });
  if (request.method === 'HEAD') return response.end();
  // A reader that goes away in mid-file is no fault of ours.
  pipeline(createReadStream(file), response, () => {});
}

/** Builds the page; resolves to the server and its address once it listens. Port 0 takes any that is free; `hosts` may name more hosts. */
export async function serve(port = 0, { hosts = [] } = {}) {
  await build();
  return new Promise((resolve, reject) => {
    const server = createServer((request, response) => {
      answer(request, response, [...HOSTS, ...hosts]).catch((error) => response.destroy(error));
    });
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      resolve({ server, address: `http://127.0.0.1:${server.address().port}/` });
    });
  });
}

async function main() {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '8080' } } });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`--port must be a number from 0 to 65535, not ${JSON.stringify(values.port)}`);
  }
  const { address } = await serve(port).catch((error) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new Error(`port ${port} is taken: name another with --port, or --port 0 for any that is free`);
  });
  console.log(`The demo page: ${address}   (Ctrl-C ends it)`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    console.error(`serve: ${error.message}`);
    process.exitCode = 1;
  });
}
