// node www/pairs.mjs: measures the pairs of page/pairs.json with the sentence model of models/ and writes its cosines there.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PieEmbedder } from '../pkg/dist/node.js';

const FILE = new URL('page/pairs.json', import.meta.url);
const MODEL = fileURLToPath(new URL('../models/all-minilm-l6-v2-q8.gguf', import.meta.url));

/** The pairs, each with the sentence model's cosine. */
export async function measured() {
  const pairs = JSON.parse(await readFile(FILE, 'utf8'));
  const model = await PieEmbedder.load({ model: MODEL, taxonomy: null });
  try {
    return await Promise.all(pairs.map(async (pair) =>
      ({ ...pair, sentenceModel: Number((await model.similarity(pair.first, pair.second)).toFixed(4)) })));
  } finally {
    model.dispose();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(FILE, `[\n${(await measured()).map((pair) => `  ${JSON.stringify(pair)}`).join(',\n')}\n]\n`);
}
