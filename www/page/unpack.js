// Packed files: gzip, and the data set of a zip archive. What they hold is unpacked by the browser into a Blob, piece by piece, so
// that the browser may keep it outside of the tab's memory.
const ZIP = [0x50, 0x4b, 0x03, 0x04];
const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
// Data that packs better than this is refused, beyond so many bytes: the bounds of the command line.
const MOST_RATIO = 200;
const ALWAYS_BYTES = 2 ** 30;
const PIECE = 1 << 23;

const END_BYTES = 22;
const MOST_COMMENT = 0xffff;
const [END_MAGIC, ENTRY_MAGIC] = [0x06054b50, 0x02014b50];
const [STORED, DEFLATED] = [0, 8];

/**
 * The data of a file: itself, or what is packed in it, with the name it has. `choose(names)` gives the indices of an archive's files
 * that are its data set, and `onProgress` hears how many bytes were unpacked. Errors say what is wrong, or what to do with such a file.
 */
export async function unpack(file, name, choose, { onProgress = () => {}, always = ALWAYS_BYTES } = {}) {
  const start = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const begins = (magic) => magic.every((byte, at) => start[at] === byte);
  if (begins(ZIP)) {
    const parts = await locate(file, choose);
    const unpacked = [];
    for (const { packed, method } of parts) {
      unpacked.push(method === DEFLATED ? await inflate(packed, 'deflate-raw', 'zip', onProgress, always) : packed);
    }
    // An archive within an archive is no data set; what is packed once more is unpacked once more.
    return unpack(new Blob(unpacked), `${name}: ${parts[0].entry}`, () => {
      throw new Error('the archive holds another archive: unpack it and open what is in it');
    }, { onProgress, always });
  }
  if (begins(ZSTD)) throw new Error('this is packed by zstd, which only the command line reads: open it with pie report, or unpack it');
  if (begins(GZIP)) return { data: await inflate(file, 'gzip', 'gzip', onProgress, always), name };
  return { data: file, name };
}

async function inflate(packed, format, kind, onProgress, always) {
  const reader = packed.stream().pipeThrough(new DecompressionStream(format)).getReader();
  const [blobs, pieces] = [[], []];
  let [held, size] = [0, 0];
  const keep = () => {
    blobs.push(new Blob(pieces));
    pieces.length = held = 0;
  };
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      throw new Error(`the ${kind} data is damaged or cut off: ${error.message}`);
    });
    if (done) break;
    pieces.push(value);
    held += value.length;
    size += value.length;
    if (size > always && size / MOST_RATIO > packed.size) {
      await reader.cancel();
      throw new Error(`${packed.size} bytes of ${kind} unpack to more than ${size} bytes, as no data set does`);
    }
    if (held > PIECE) {
      keep();
      onProgress(size);
    }
  }
  keep();
  return new Blob(blobs);
}

/** Where in an archive the files of its data set lie. */
async function locate(file, choose) {
  const entries = await directory(file);
  return Promise.all([...choose(entries.map(({ name }) => name))].map((at) => packedIn(file, entries[at])));
}

async function packedIn(file, { name, method, encrypted, size, at }) {
  if (encrypted) throw new Error(`${name} is encrypted: unpack the archive with its password`);
  if (method !== STORED && method !== DEFLATED) throw new Error(`${name} is packed by method ${method}, which is not read: unpack the archive`);
  const local = await view(file, at, 30);
  if (local.byteLength < 30) throw new Error(`no zip archive: ${name} is nowhere`);
  const start = at + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  return { packed: file.slice(start, start + size), method, entry: name };
}

/** The files of an archive, by the directory at its end. */
async function directory(file) {
  const tail = await view(file, Math.max(0, file.size - END_BYTES - MOST_COMMENT), file.size);
  let end = tail.byteLength - END_BYTES;
  while (end >= 0 && tail.getUint32(end, true) !== END_MAGIC) end--;
  if (end < 0) throw new Error('no zip archive: its directory is missing, as of a download that was cut off');
  const [count, bytes, start] = [tail.getUint16(end + 10, true), tail.getUint32(end + 12, true), tail.getUint32(end + 16, true)];
  if (count === 0xffff || start === 0xffffffff) throw new Error('the archive is too large for this page: unpack it and open the file in it');
  const list = await view(file, start, bytes);
  const entries = [];
  for (let at = 0; entries.length < count; ) {
    if (at + 46 > list.byteLength || list.getUint32(at, true) !== ENTRY_MAGIC) throw new Error('no zip archive: its directory is damaged');
    const [flags, method, size] = [list.getUint16(at + 8, true), list.getUint16(at + 10, true), list.getUint32(at + 20, true)];
    const [nameBytes, extra, comment] = [list.getUint16(at + 28, true), list.getUint16(at + 30, true), list.getUint16(at + 32, true)];
    const name = new TextDecoder().decode(new Uint8Array(list.buffer, at + 46, Math.min(nameBytes, list.byteLength - at - 46)));
    if (size === 0xffffffff) throw new Error(`${name} is too large for this page: unpack the archive and open it`);
    entries.push({ name, method, encrypted: (flags & 1) === 1, size, at: list.getUint32(at + 42, true) });
    at += 46 + nameBytes + extra + comment;
  }
  return entries.filter(({ name }) => !name.endsWith('/'));
}

const view = async (file, start, bytes) => new DataView(await file.slice(start, start + bytes).arrayBuffer());
