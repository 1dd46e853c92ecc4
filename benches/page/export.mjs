// Writes an export of ChatGPT's shape, of a size that is asked for: `node benches/page/export.mjs FILE [--bytes 200e6] [--turns 50000]`.
// Prompts are those of the demo's sample; the same arguments make the same file.
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const SAMPLE = new URL('../../www/page/sample.txt', import.meta.url);
const MODELS = ['gpt-4o', 'gpt-4o-mini', 'o3', 'gpt-5'];
const START = Date.UTC(2023, 0, 9) / 1000;
const DAYS = 900;
const MOST_TURNS = 12;
const WORDS = 'the model answers with a long text that nobody reads here, so that the file has the size of a real one; ';

/** Numbers from 0 to 1, the same in every run (mulberry32). */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The file in pieces, one a conversation. */
export async function* chatgpt({ bytes, turns, seed = 1 }) {
  const prompts = (await readFile(SAMPLE, 'utf8')).trim().split('\n');
  const next = random(seed);
  const upTo = (most) => Math.floor(next() * most);
  const [each, frame] = [bytes / turns, 640];
  let written = 0;
  for (let number = 0; written < turns; number++) {
    const here = Math.min(turns - written, 1 + upTo(MOST_TURNS));
    let time = START + (DAYS * 86_400 * written) / turns + 3600 * (8 + upTo(14));
    const mapping = { root: { id: 'root', message: null, parent: null, children: ['q0'] } };
    const model = MODELS[upTo(MODELS.length)];
    for (let turn = 0; turn < here; turn++) {
      const say = (id, parent, child, role, text, metadata) => {
        mapping[id] = {
          id, parent, children: child ? [child] : [],
          message: { id, author: { role, name: null, metadata: {} }, create_time: time, content: { content_type: 'text', parts: [text] }, status: 'finished_successfully', metadata },
        };
      };
      const prompt = prompts[upTo(prompts.length)];
      const answer = WORDS.repeat(Math.max(1, Math.ceil((each - frame - prompt.length) / WORDS.length)));
      say(`q${turn}`, turn === 0 ? 'root' : `a${turn - 1}`, `a${turn}`, 'user', prompt, {});
      say(`a${turn}`, `q${turn}`, turn + 1 < here ? `q${turn + 1}` : undefined, 'assistant', answer, { model_slug: model });
      time += 60 + upTo(600);
    }
    const conversation = { title: `Conversation ${number}`, create_time: time, mapping, current_node: `a${here - 1}`, conversation_id: `c${number}` };
    yield `${number === 0 ? '[' : ',\n'}${JSON.stringify(conversation)}`;
    written += here;
  }
  yield ']\n';
}

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { bytes: { type: 'string', default: '200e6' }, turns: { type: 'string', default: '50000' } } });
  const [bytes, turns] = [Number(values.bytes), Number(values.turns)];
  if (positionals.length !== 1 || !(bytes > 0) || !(Number.isInteger(turns) && turns > 0)) {
    throw new Error('usage: node benches/page/export.mjs FILE [--bytes 200e6] [--turns 50000]');
  }
  const file = createWriteStream(positionals[0]);
  for await (const piece of chatgpt({ bytes, turns })) if (!file.write(piece)) await once(file, 'drain');
  file.end();
  await once(file, 'finish');
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    console.error(`export: ${error.message}`);
    process.exitCode = 1;
  });
}
