// The Cache API's store of files, by their content. It is a help and no need: where it is missing, full or broken, files come from
// the network each time, and whoever reads from it verifies what comes.
const NAME = 'pie-embed-wasm';
// Those of a few versions of this package; the oldest go first.
const MAX_FILES = 12;

/** What is kept under a sha256, whatever it is by now. */
export async function find(sha256: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const found = await (await caches.open(NAME)).match(address(sha256));
    return found && new Uint8Array(await found.arrayBuffer());
  } catch {
    return undefined;
  }
}

export async function keep(sha256: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    const cache = await caches.open(NAME);
    await cache.put(address(sha256), new Response(bytes));
    const files = await cache.keys();
    for (const file of files.slice(0, -MAX_FILES)) await cache.delete(file);
  } catch {
    // No room, or none allowed.
  }
}

export async function discard(sha256: string): Promise<void> {
  try {
    await (await caches.open(NAME)).delete(address(sha256));
  } catch {
    // What cannot be thrown away is found out again the next time.
  }
}

// Never asked for: a key must have the form of an address, and this one is nobody's.
function address(sha256: string): string {
  return `https://sha256.invalid/${sha256}`;
}
