import { discard, find, keep } from './cache.js';
import { PieError } from './error.js';
import type { Platform } from './platform.js';
import { type Report, Shared } from './shared.js';

/** A file to be had: `bytes` and `sha256` are what it must turn out to be, where that is known. */
export interface RemoteFile {
  url: URL;
  file: string;
  bytes?: number | undefined;
  sha256?: string | undefined;
}

export interface Downloaded {
  bytes: Uint8Array<ArrayBuffer>;
  /** Absent where the platform cannot hash (a page that is not a secure context). */
  sha256: string | undefined;
}

const running = new Shared<Downloaded>();
// Held weakly: a second load finds the bytes again while they are about, and they cost no memory once they are not.
const held = new Map<string, WeakRef<Downloaded>>();
// What came wrong once is asked for past the HTTP cache the next time.
const distrusted = new Set<string>();

/** The file's bytes, verified: held, kept from an earlier visit, or fetched. Loads of one file at the same time share the work. */
export async function download(
  file: RemoteFile,
  platform: Platform,
  signal: AbortSignal,
  report: Report,
): Promise<Downloaded> {
  const key = file.url.href;
  const again = held.get(key)?.deref();
  if (again) {
    report(again.bytes.length, again.bytes.length);
    return again;
  }
  const work = async (signal: AbortSignal, report: Report) => {
    const downloaded = (await fromCache(file, report)) ?? (await fromNetwork(file, platform, signal, report));
    held.set(key, new WeakRef(downloaded));
    return downloaded;
  };
  return running.join(key, work, signal, report);
}

// A file beside an extension's page or a Node program is no faster to read from elsewhere.
const isKept = (file: RemoteFile) => file.sha256 !== undefined && /^https?:$/.test(file.url.protocol);

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
  // Not waited for: a load takes no longer for it.
  if (isKept(file) && downloaded.sha256 !== undefined) void keep(downloaded.sha256, bytes);
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
  let bytes = new Uint8Array();
  let loaded = 0;
  report(0, total);
  try {
    bytes = new Uint8Array(total ?? 1 << 20);
    const reader = response.body?.getReader();
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      if (loaded + value.length > bytes.length) {
        if (total !== undefined) {
          await reader.cancel();
          throw wrong(file, `is longer than the ${total} bytes it should have`);
        }
        const grown = new Uint8Array(Math.max(2 * bytes.length, loaded + value.length));
        grown.set(bytes.subarray(0, loaded));
        bytes = grown;
      }
      bytes.set(value, loaded);
      loaded += value.length;
      report(loaded, total);
    }
  } catch (error) {
    throw failed(file, error);
  }
  if (total !== undefined && loaded !== total) {
    throw wrong(file, `ended after ${loaded} of ${total} bytes`);
  }
  report(loaded, loaded);
  return bytes.subarray(0, loaded);
}

export function checkHash(file: RemoteFile, sha256: string | undefined): void {
  if (file.sha256 !== undefined && sha256 !== undefined && file.sha256 !== sha256) {
    throw wrong(file, `has sha256 ${sha256}, not ${file.sha256}`);
  }
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  if (!globalThis.crypto?.subtle) return undefined;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
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
