// From training to the page: a model is trained, stopped, resumed and exported by the command line; then Chromium downloads the file
// and gives the command line's vectors.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withBrowser } from './browser.mjs';

const pie = fileURLToPath(new URL('../../target/release/pie', import.meta.url));
const fixture = (name) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const skip = existsSync(pie) ? false : 'target/release/pie is not built: ./build.sh cli makes it';

/** Runs the command line to its end; `onStderr` gets what it says and may send it a signal. */
async function run(args, onStderr = () => {}) {
  const child = spawn(pie, args);
  let stdout = '', stderr = '';
  child.stdout.setEncoding('utf8').on('data', (data) => (stdout += data));
  child.stderr.setEncoding('utf8').on('data', (data) => onStderr((stderr += data), child));
  const [status] = await once(child, 'close');
  return { status, stdout, stderr };
}

async function succeed(...args) {
  const { status, stdout, stderr } = await run(args);
  assert.equal(status, 0, stderr);
  return { stdout, stderr };
}

function labelled() {
  const lines = [];
  for (const verb of ['write', 'find', 'explain', 'list']) {
    for (const noun of ['poem', 'answer', 'story']) {
      for (const topic of ['the sea', 'a cat', 'rain', 'the old town', 'a train', 'bread']) {
        lines.push(JSON.stringify({ instruction: `${verb} the ${noun} of ${topic}`, category: `${verb}|${noun}` }));
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

describe('from training to the page', { skip }, () => {
  const here = withBrowser();

  test('a model trained, stopped, resumed and exported gives the same vectors in Chromium', { timeout: 120_000 }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'pie-train-'));
    t.after(() => rm(folder, { recursive: true }));
    const [data, out, file] = ['data.jsonl', 'run', 'trained.gguf'].map((name) => join(folder, name));
    await writeFile(data, labelled());
    const train = [
      'train', '--data', data, '--base', fixture('tiny'), '--out', out, '--steps', '200', '--tasks', '4', '--samples', '2',
      '--lr', '1e-3', '--eval-every', '0', '--checkpoint-every', '1000', '--dtype', 'q8_0', '--embedding-dtype', 'q4_0',
    ];
    const stopped = await run(train, (said, child) => said.includes('step 10/') && child.kill('SIGINT'));
    assert.equal(stopped.status, 130, stopped.stderr);
    assert.match(stopped.stderr, /stopped after step \d+ of 200; resume to go on from there \[interrupted\]/);
    assert.match((await succeed(...train, '--resume')).stderr, /resumed after step \d+\n/);

    const corpus = fixture('instructions.jsonl');
    const exported = await succeed(
      'export', '--checkpoint', join(out, 'model'), '--output', file, '--vocab', '460', '--vocab-corpus', corpus, '--json',
    );
    const { entry } = JSON.parse(exported.stdout);
    assert.deepEqual([entry.dtype.attention, entry.dtype.embeddings], ['q8_0', 'q4_0']);

    const page = await here.blank();
    const address = `${here.address}trained.gguf`;
    await page.route(address, (route) => route.fulfill({ path: file }));
    const texts = (await readFile(corpus, 'utf8')).trim().split('\n').map((line) => JSON.parse(line).text);
    const theirs = await page.evaluate(async ([address, texts]) => {
      const pie = await PieEmbedder.load({ model: address });
      const { data, dims } = await pie.embed(texts);
      return { info: pie.info(), dims, data: [...data] };
    }, [address, texts]);
    assert.deepEqual([theirs.info.sha256, theirs.info.vocabSize], [entry.sha256, 460]);

    const embedded = await succeed('embed', '--model', file, '--input', corpus, '--no-cache');
    const ours = embedded.stdout.trim().split('\n').map((line) => JSON.parse(line).embedding);
    assert.deepEqual(theirs.dims, [texts.length, ours[0].length]);
    const width = theirs.dims[1];
    for (const [row, vector] of ours.entries()) {
      // The command line prints as many digits as bring each number back.
      assert.deepEqual(theirs.data.slice(row * width, (row + 1) * width), vector.map(Math.fround), texts[row].slice(0, 60));
    }
    const base = await succeed('embed', '--model', fixture('tiny/model-q8.gguf'), '--input', corpus, '--no-cache');
    const before = JSON.parse(base.stdout.slice(0, base.stdout.indexOf('\n'))).embedding;
    const cosine = before.reduce((sum, value, column) => sum + value * ours[0][column], 0);
    assert.ok(cosine < 0.99, `training moved the first vector to a cosine of only ${cosine}`);
  });
});
