// How often the last turn of a conversation is given one of its accepted kinds, with the conversation and by itself:
//   node benches/followups.mjs [MODEL TAXONOMY]
// on tests/fixtures/followups.jsonl, by default with models/pie-base. The rule was chosen on the even rows; the odd ones are the test.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PieEmbedder } from '../pkg/dist/node.js';

const file = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const [model = file('models/pie-base.gguf'), taxonomy = file('models/pie-base.taxonomy')] = process.argv.slice(2);
const rows = (await readFile(file('tests/fixtures/followups.jsonl'), 'utf8')).trim().split('\n').map((line) => JSON.parse(line));
const pie = await PieEmbedder.load({ model, taxonomy });

const right = async (chats) => (await pie.classify(chats, { topK: 1 })).map(([{ label }], row) => rows[row].kinds.includes(label));
const answers = {
  'with context': await right(rows.map(({ messages }) => messages)),
  without: await right(rows.map(({ messages }) => messages.filter(({ role }) => role === 'user').slice(-1))),
};
for (const [how, right] of Object.entries(answers)) {
  const half = (odd) => right.filter((isRight, row) => isRight && row % 2 === odd).length;
  console.log(`${how.padEnd(14)}${half(0)} of ${rows.length / 2} (chosen on), ${half(1)} of ${rows.length / 2} (test)`);
}
pie.dispose();
