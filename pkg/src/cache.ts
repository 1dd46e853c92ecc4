// The Cache API's store of files, by their content, and of what was measured once. It is a help and no need: where it is missing, full or
// broken, files come from the network and figures are measured each time, and whoever reads from it verifies what comes.
const NAME = 'pie-embed-wasm';
// Those of a few versions of this package; the oldest go first.
const MAX_FILES = 12;
const PIECE = 1 << 18;

/** What is kept under a sha256 or a name, whatever it is by now. */
export async function find(key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const found = await match(key);
    return found && new Uint8Array(await found.arrayBuffer());
  } catch {
    return undefined;
  }
}

/** Whether something is kept there. */
export async function has(key: string): Promise<boolean> {
  try {
    return (await match(key)) !== undefined;
  } catch {
    return false;
  }
}

/** Whether they are kept: there may be no room, or none allowed. */
export async function keep(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
  try {
    const cache = await caches.open(NAME);
    await cache.put(address(key), new Response(inPieces(bytes)));
    const files = await cache.keys();
    for (const file of files.slice(0, -MAX_FILES)) await cache.delete(file);
    return true;
  } catch {
    return false;
  }
}

export async function discard(key: string): Promise<void> {
  try {
    await (await caches.open(NAME)).delete(address(key));
  } catch {
    // What cannot be thrown away is found out again the next time.
  }
}

// One question to the browser's own process, and not two: it is what each download waits for first.
function match(key: string): Promise<Response | undefined> {
  return caches.match(address(key), { cacheName: NAME });
}

// Of bytes in one piece a response would make a copy.
function inPieces(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(stream) {
      if (at < bytes.length) stream.enqueue(bytes.subarray(at, (at += PIECE)));
      else stream.close();
    },
  });
}

// Never asked for: a key must have the form of an address, and this one is nobody's.
function address(key: string): string {
  return `https://sha256.invalid/${key}`;
}
