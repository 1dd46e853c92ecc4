// Every model of models/manifest.json is real GGUF: llama.cpp (as wasm, npm's @wllama/wllama) loads it and gives
// the same vectors. Of a model with two views these are the pooled ones: llama.cpp does not apply the head behind them.
import assert from 'node:assert/strict';
import { createReadStream, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { PieEmbedder } from '../../pkg/dist/node.js';
import { launch } from './browser.mjs';
import { plainInstructions } from './files.mjs';

const TEXTS = 50;
const MIN_COSINE = 0.99;

const models = new URL('../../models/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('manifest.json', models), 'utf8'));
const wllama = new URL('../node_modules/@wllama/wllama/esm/', import.meta.url);
const FILES = {
  '/wllama.js': ['text/javascript', new URL('index.js', wllama)],
  '/wllama.wasm': ['application/wasm', new URL('wasm/wllama.wasm', wllama)],
  ...Object.fromEntries(manifest.models.map(({ file }) => [`/${file}`, ['application/octet-stream', new URL(file, models)]])),
};

/** A model file's bytes, with the names of its head and of our own metadata changed to ones that no reader knows. */
function withoutHead(file) {
  const bytes = readFileSync(file);
  const tokenizer = ['lowercase', 'strip_accents', 'handle_chinese_chars'].map((key) => `tokenizer.${key}`);
  const ours = ['prompt', 'provenance', 'normalize', 'max_tokens', 'views', 'checksum', ...tokenizer].map((key) => `pie.${key}`);
  for (const name of [...ours, 'cls.weight', 'cls.bias']) {
    const at = bytes.indexOf(name);
    if (at >= 0) bytes.write('?', at);
  }
  return new Uint8Array(bytes);
}

describe('llama.cpp', () => {
  let server, browser;

  // A server of its own: wllama's worker is a blob, which the demo's policy forbids.
  before(async () => {
    server = createServer((request, response) => {
      const [type, file] = FILES[request.url] ?? ['text/html'];
      response.setHeader('content-type', type);
      if (file) createReadStream(file).pipe(response);
      else response.end('<!doctype html><title>llama.cpp</title>');
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    server.closeAllConnections();
    server.close();
  });

  for (const model of manifest.models)
  test(`its vectors of ${TEXTS} instructions agree with ours at cosine ${MIN_COSINE}: ${model.file}`, { timeout: 300_000 }, async (t) => {
    const texts = await plainInstructions(TEXTS);
    assert.equal(texts.length, TEXTS);
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const theirs = await page.evaluate(async ([texts, name]) => {
      const { Wllama } = await import('/wllama.js');
      const llama = new Wllama({ default: '/wllama.wasm' }, { suppressNativeLog: true });
      const file = await (await fetch(name)).blob();
      // No pooling_type: the file names its own.
      await llama.loadModel([file], { embeddings: true, n_threads: 1, n_gpu_layers: 0, n_ctx: 512, n_batch: 512, n_ubatch: 512 });
      const vectors = [];
      for (const input of texts) vectors.push((await llama.createEmbedding({ input })).data[0].embedding);
      return vectors;
    }, [texts, `/${model.file}`]);

    const pie = await PieEmbedder.load({ model: withoutHead(new URL(model.file, models)), taxonomy: null });
    t.after(() => pie.dispose());
    const { data, dims: [, width] } = await pie.embed(texts, { prompt: 'none' });
    const cosines = theirs.map((vector, row) => {
      assert.equal(vector.length, width);
      const own = data.subarray(row * width, (row + 1) * width);
      return vector.reduce((sum, value, column) => sum + value * own[column], 0) / Math.hypot(...vector);
    });
    const worst = cosines.indexOf(Math.min(...cosines));
    const mean = cosines.reduce((sum, cosine) => sum + cosine) / TEXTS;
    t.diagnostic(`${model.file}: worst cosine ${cosines[worst].toFixed(5)}, mean ${mean.toFixed(5)}`);
    assert.ok(cosines[worst] >= MIN_COSINE, `cosine ${cosines[worst]} for ${JSON.stringify(texts[worst])}`);
  });
});
