import { invalid } from './argument.js';
import type { Embedder, EmbedOptions } from './types.js';

/** What an adapter uses of a loaded embedder. */
export type Pie = Pick<Embedder, 'embed' | 'info'>;

/** What all vectors of an adapter have in common: `view`, `mix`, `dimensions`, `prompt` and `maxTokens`, as `embed` takes them. */
export type AdapterOptions = Omit<EmbedOptions, 'signal' | 'onProgress'>;

/** The options of one call; those that are undefined count as absent. */
type Asked = { [Option in keyof EmbedOptions]: EmbedOptions[Option] | undefined };

/** Refuses early what is no loaded embedder, most often the promise of one. */
export function checkPie(pie: Pie): Pie {
  if (typeof Object(pie).embed === 'function') return pie;
  throw invalid('pie', 'a loaded embedder, as await PieEmbedder.load() gives it', pie);
}

/** One vector a text, and which texts were truncated. Of an empty list there are none, which the frameworks expect to be no error. */
export async function embedList(pie: Pie, texts: readonly string[], options: Asked): Promise<{ vectors: Float32Array[]; truncated: boolean[] }> {
  if (!Array.isArray(texts as unknown)) throw invalid('texts', 'an array of strings', texts);
  const wrong = texts.findIndex((text) => typeof text !== 'string');
  if (wrong >= 0) throw invalid(`texts[${wrong}]`, 'a string', texts[wrong]);
  if (texts.length === 0) return { vectors: [], truncated: [] };
  const { data, dims: [rows, dimensions], truncated } = await pie.embed(texts, options as EmbedOptions);
  const vectors = Array.from({ length: rows }, (_, row) => data.subarray(row * dimensions, (row + 1) * dimensions));
  return { vectors, truncated };
}

/** A plain array, which the frameworks expect in place of a `Float32Array`. */
export const toNumbers = (vector: Float32Array): number[] => Array.from(vector);
