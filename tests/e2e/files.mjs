// The built package's files, as the manifest names them.
import { readFile } from 'node:fs/promises';

export const dist = new URL('../../pkg/dist/', import.meta.url);

const manifest = JSON.parse(await readFile(new URL('models/manifest.json', dist), 'utf8'));

export const shipped = manifest.models.find(({ name }) => name === manifest.default);

export const readModel = () => readFile(new URL(`models/${shipped.file}`, dist));

export const readTaxonomy = () => readFile(new URL(`models/${shipped.taxonomy.file}`, dist));

/**
 * The fixtures' short instructions that llama.cpp parts into the same words as BERT's own tokenizer: no control, format
 * or combining characters, and no Hangul, which BERT takes apart into letters and llama.cpp does not.
 */
export async function plainInstructions(count) {
  const lines = (await readFile(new URL('../fixtures/instructions.jsonl', import.meta.url), 'utf8')).trim().split('\n');
  const texts = lines.map((line) => JSON.parse(line).text);
  return texts.filter((text) => text.length <= 300 && !/[^\P{C}\n]|\p{M}|\p{Script=Hangul}/u.test(text)).slice(0, count);
}
