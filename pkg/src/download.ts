import { allocate, MAX_FILE_BYTES, tooLarge, whole } from './argument.js';
import { discard, find, has, keep } from './cache.js';
import { Content, type Origin, own } from './content.js';
import { PieError } from './error.js';
import type { Platform } from './platform.js';
import { type Report, Shared } from './shared.js';

/** A file to be had: `bytes` and `sha256` are what it must turn out to be, where that is known. */
export interface RemoteFile {
  url: URL;
  file: string;
  bytes?: number | undefined;
  sha256?: string | undefined;
  /** Throws when the beginning shows that the file cannot be used; returns whether the beginning sufficed to decide. */
  check?: ((start: Uint8Array) => boolean) | undefined;
}

interface Downloaded {
  bytes: Uint8Array<ArrayBuffer>;
  /** Absent where the platform cannot hash (a page that is not a secure context). */
  sha256: string | undefined;
}

// Room for what is read of a file whose size nobody knows.
const PIECE = 1 << 20;
// Bytes after which a file is checked for the first time.
const START = 1 << 12;
// A first visit has its first text's vector by then.
const KEEP_AFTER_MS = 1_000;

const running = new Shared<Content>();
// Held weakly: a second load finds the file again while it is about, and it costs no memory once it is not.
const held = new Map<string, WeakRef<Content>>();
// What came wrong once is asked for past the HTTP cache the next time.
const distrusted = new Set<string>();

/** The file's bytes, verified: held, kept from an earlier visit, or fetched. Loads of one file at the same time share the work where the platform lets them. */
export async function download(
  file: RemoteFile,
  platform: Platform,
  signal: AbortSignal,
  report: Report,
): Promise<Content> {
  const key = file.url.href;
  const again = held.get(key)?.deref();
  if (again) {
    report(again.size, again.size);
    return again;
  }
  const work = async (signal: AbortSignal, report: Report) => {
    const { bytes, sha256 } = await fetchFile(file, platform, signal, report);
    const content = new Content(bytes, sha256, origin(file, platform, { bytes, sha256 }));
    held.set(key, new WeakRef(content));
    return content;
  };
  return platform.sharesWork ? running.join(key, work, signal, report) : work(signal, report);
}

// A file beside an extension's page or a Node program is no faster to read from elsewhere.
const isKept = (file: RemoteFile) => file.sha256 !== undefined && /^https?:$/.test(file.url.protocol);

async function fetchFile(file: RemoteFile, platform: Platform, signal: AbortSignal, report: Report): Promise<Downloaded> {
  return (await fromCache(file, report)) ?? (await fromNetwork(file, platform, signal, report));
}

function origin(file: RemoteFile, platform: Platform, { bytes, sha256 }: Downloaded): Origin {
  // What another download brings could not be told from something else.
  if (sha256 === undefined) return own(bytes);
  const same = { ...file, sha256 };
  return {
    again: async () => (await fetchFile(same, platform, new AbortController().signal, () => {})).bytes,
    keep: async (bytes) => isKept(file) && ((await has(sha256)) || keep(sha256, bytes)),
    keepAfterMs: isKept(file) ? KEEP_AFTER_MS : 0,
  };
}

async function fromCache(file: RemoteFile, report: Report): Promise<Downloaded | undefined> {
  if (!isKept(file)) return undefined;
  const bytes = await find(file.sha256!);
  if (!bytes) return undefined;
  if ((await sha256(bytes)) !== file.sha256) {
    await discard(file.sha256!);
    return undefined;
  }
  report(bytes.length, bytes.length);
  return { bytes, sha256: file.sha256 };
}

async function fromNetwork(file: RemoteFile, platform: Platform, signal: AbortSignal, report: Report): Promise<Downloaded> {
  const response = await open(file, platform, signal);
  const bytes = await readBody(response, file, report);
  const downloaded = { bytes, sha256: await sha256(bytes) };
  checkHash(file, downloaded.sha256);
  distrusted.delete(file.url.href);
  return downloaded;
}

/** A response that is `ok`, or an error that says what came instead. */
async function open(file: RemoteFile, platform: Platform, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    const cache = distrusted.has(file.url.href) ? 'reload' : 'default';
    response = await platform.open(file.url, { signal, cache });
  } catch (error) {
    throw failed(file, error);
  }
  if (response.ok) return response;
  await response.body?.cancel();
  const said = `${file.url.href} answered ${response.status} ${response.statusText}`.trimEnd();
  throw response.status === 404 || response.status === 410
    ? new PieError('not_found', said)
    : new PieError('http_status', said);
}

/** The whole body; its length is checked while it comes, so that an endless one is not waited for. */
async function readBody(
  response: Response,
  file: RemoteFile,
  report: Report,
): Promise<Uint8Array<ArrayBuffer>> {
  // Content-Length counts what travels, which is not what arrives where the body is compressed.
  const declared = response.headers.get('content-encoding') ? null : response.headers.get('content-length');
  const total = file.bytes ?? (declared === null ? undefined : Number(declared));
  const room = (bytes: number) => allocate(file.url.href, bytes, () => new Uint8Array(bytes));
  let bytes = new Uint8Array();
  let loaded = 0;
  // The number of bytes at which the file is checked next. A header does not say its length, so the beginning doubles each time.
  let checkAt = file.check ? START : Infinity;
  report(0, total);
  const reader = response.body && readerOf(response.body);
  try {
    checkSize(file, total ?? 0);
    bytes = room(total || PIECE);
    while (reader) {
      const { done, value } = await reader.read(loaded < bytes.length ? bytes.subarray(loaded) : new Uint8Array(PIECE));
      // Memory that was read into came back as another object.
      if (value && bytes.length === 0) bytes = new Uint8Array(value.buffer);
      if (done) break;
      if (total !== undefined && loaded + value.length > total) {
        throw wrong(file, `is longer than the ${total} bytes it should have`);
      }
      checkSize(file, loaded + value.length);
      if (value.buffer !== bytes.buffer) {
        if (loaded + value.length > bytes.length) {
          const grown = room(Math.max(2 * bytes.length, loaded + value.length));
          grown.set(bytes.subarray(0, loaded));
          bytes = grown;
        }
        bytes.set(value, loaded);
      }
      loaded += value.length;
      if (loaded >= checkAt || (loaded === total && checkAt < Infinity)) checkAt = file.check!(bytes.subarray(0, loaded)) ? Infinity : 2 * loaded;
      report(loaded, total);
    }
  } catch (error) {
    // Ends the transfer of a file that was refused.
    void reader?.cancel().catch(() => {});
    throw failed(file, error);
  }
  if (total !== undefined && loaded !== total) {
    throw wrong(file, `ended after ${loaded} of ${total} bytes`);
  }
  report(loaded, loaded);
  return bytes.subarray(0, loaded);
}

function checkSize(file: RemoteFile, bytes: number): void {
  if (bytes > MAX_FILE_BYTES) throw tooLarge(`${file.url.href} has ${whole(bytes)} bytes or more; files of up to ${whole(MAX_FILE_BYTES)} are read`);
}

interface Reader {
  read(space: Uint8Array<ArrayBuffer>): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>>;
  cancel(): Promise<void>;
}

/** Reads into the memory that it is given, which leaves no pieces to be collected; in browsers that cannot, it gives the pieces. */
function readerOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): Reader {
  try {
    return body.getReader({ mode: 'byob' }) as Reader;
  } catch {
    return body.getReader();
  }
}

export function checkHash(file: RemoteFile, sha256: string | undefined): void {
  if (file.sha256 !== undefined && sha256 !== undefined && file.sha256 !== sha256) {
    throw wrong(file, `has sha256 ${sha256}, not ${file.sha256}`);
  }
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  if (!globalThis.crypto?.subtle) return undefined;
  const digest = await crypto.subtle.digest('SHA-256', bytes).then((digest) => new Uint8Array(digest), () => undefined);
  // Where the platform fails to hash, the engine computes the hash itself.
  return digest && Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function wrong(file: RemoteFile, how: string): PieError {
  distrusted.add(file.url.href);
  held.delete(file.url.href);
  return new PieError('integrity', `${file.url.href} ${how}`);
}

function failed(file: RemoteFile, error: unknown): PieError {
  if (error instanceof PieError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new PieError('network', `${file.url.href} could not be read: ${why}`, { cause: error });
}
