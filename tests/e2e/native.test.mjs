// One engine, two machines: the vectors and tags of the wasm package are those of the native command line.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PieEmbedder } from '../../pkg/dist/node.js';
import { plainInstructions } from './files.mjs';

const pie = fileURLToPath(new URL('../../target/release/pie', import.meta.url));
const fixture = new URL('../fixtures/instructions.jsonl', import.meta.url);
const skip = existsSync(pie) ? false : 'target/release/pie is not built: ./build.sh cli makes it';

function run(...args) {
  const { status, stdout, stderr } = spawnSync(pie, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  assert.equal(status, 0, stderr);
  return stdout.trim().split('\n').map((line) => JSON.parse(line));
}

describe('wasm equals native', { skip }, () => {
  test('vectors and tags of the fixtures agree', async () => {
    const texts = (await readFile(fixture, 'utf8')).trim().split('\n').map((line) => JSON.parse(line).text);
    const folder = await mkdtemp(join(tmpdir(), 'pie-native-'));
    const embedder = await PieEmbedder.load();
    try {
      const input = join(folder, 'instructions.jsonl');
      await writeFile(input, texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
      const rows = run('embed', '--input', input, '--output', '-');
      assert.equal(rows.length, texts.length);
      const { data, dims: [, width] } = await embedder.embed(texts);
      for (const [index, { embedding }] of rows.entries()) {
        const own = data.subarray(index * width, (index + 1) * width);
        const cosine = embedding.reduce((sum, value, column) => sum + value * own[column], 0);
        assert.ok(cosine >= 0.9999, `row ${index}: cosine ${cosine}: ${texts[index].slice(0, 60)}`);
      }

      const plain = await plainInstructions(50);
      const tagged = run('tag', '--json', ...plain);
      const own = await embedder.classify(plain, { topK: 1 });
      const differing = tagged.filter(({ tasks }, index) => tasks[0].label !== own[index][0].label);
      // A text whose two best tasks are level may fall either way by rounding.
      assert.ok(differing.length <= 1, `${differing.length} of ${plain.length} tags differ: ${differing.map(({ text }) => text)}`);
    } finally {
      embedder.dispose();
      await rm(folder, { recursive: true });
    }
  });
});
