import { allocate, whole } from './argument.js';
import type { Embeddings, TextOrChat, Vectors } from './types.js';

// What an engine does in one go. A prompt that comes meanwhile waits for no more than this: some tens of milliseconds.
export const TEXTS_AT_ONCE = 8;
const CHARACTERS_AT_ONCE = 2_000;
const VECTORS_AT_ONCE = 256;
// Vectors times rows of an index in one call: some tens of milliseconds.
const PRODUCTS_AT_ONCE = 1 << 19;

/** Splits a list into pieces; vectors into smaller ones the more `rows` each is multiplied with. */
export function pieces<T extends TextOrChat>(input: T[] | Vectors, rows = 0): (T[] | Vectors)[] {
  if (Array.isArray(input)) return textPieces(input);
  return vectorPieces(input, Math.max(1, Math.min(VECTORS_AT_ONCE, Math.floor(PRODUCTS_AT_ONCE / rows))));
}

export function textPieces<T extends TextOrChat>(texts: T[]): T[][] {
  const pieces: T[][] = [];
  let characters = Infinity;
  for (const text of texts) {
    // The engine reads one or two turns of a chat, so its length tells nothing.
    const own = typeof text === 'string' ? text.length : 0;
    characters += own;
    if (characters > CHARACTERS_AT_ONCE || pieces.at(-1)!.length === TEXTS_AT_ONCE) {
      pieces.push([]);
      characters = own;
    }
    pieces.at(-1)!.push(text);
  }
  return pieces;
}

function vectorPieces({ data, dims: [rows, dimensions], unread = new Float32Array(rows) }: Vectors, most: number): Vectors[] {
  return Array.from({ length: Math.ceil(rows / most) }, (_, piece) => {
    const [first, last] = [piece * most, Math.min((piece + 1) * most, rows)];
    const part = data.subarray(first * dimensions, last * dimensions);
    return { data: part, dims: [last - first, dimensions], unread: unread.subarray(first, last) };
  });
}

export function join(parts: Embeddings[]): Embeddings {
  const dimensions = parts[0]!.dims[1];
  const texts = parts.reduce((sum, { dims }) => sum + dims[0], 0);
  const length = texts * dimensions;
  const data = allocate(`${whole(texts)} vectors`, length * Float32Array.BYTES_PER_ELEMENT, () => new Float32Array(length));
  let row = 0;
  for (const part of parts) {
    data.set(part.data, row * dimensions);
    row += part.dims[0];
  }
  const unread = Float32Array.from(parts.flatMap((part) => [...part.unread]));
  return { data, dims: [texts, dimensions], truncated: parts.flatMap(({ truncated }) => truncated), unread };
}
