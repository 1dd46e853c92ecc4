// The API suite in Node, through the package's own name, and in pages of headless Chromium: in a worker, and on the page's own thread.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { PieEmbedder, PieError } from '../../pkg/dist/node.js';
import { code, foreignModel, suite as api } from './api.suite.mjs';
import { withBrowser } from './browser.mjs';
import { readModel, readTaxonomy, shipped } from './files.mjs';
import { suite as views } from './views.suite.mjs';

const suite = { ...api, ...views };
const twoViews = await readFile(new URL('../fixtures/tiny/model-views.gguf', import.meta.url));

describe('in Node', () => {
  const context = { PieEmbedder, PieError, code };
  before(async () => {
    context.pie = await PieEmbedder.load();
    context.model = await readModel();
    context.taxonomy = await readTaxonomy();
    context.twoViews = twoViews;
  });
  after(() => context.pie?.dispose());
  for (const [name, run] of Object.entries(suite)) test(name, () => run(context));

  test('files are read by path, and a missing one is not_found', async () => {
    const path = new URL(`../../pkg/dist/models/${shipped.file}`, import.meta.url);
    const byPath = await PieEmbedder.load({ model: path.pathname });
    assert.equal(byPath.info().taxonomy, null);
    byPath.dispose();
    assert.equal(await code(PieEmbedder.load({ model: './no/such.gguf' })), 'not_found');
    assert.equal(await code(PieEmbedder.load({ model: new URL('./', path) })), 'network');
  });

  test('files and vectors beyond what the engine can hold are too_large', async () => {
    const { pie } = context;
    const model = new Uint8Array(2 ** 31);
    model.set(foreignModel({}));
    for (const options of [{ model }, { taxonomy: model }, { wasm: model.buffer }]) assert.equal(await code(PieEmbedder.load(options)), 'too_large');
    const vectors = { data: new Float32Array(model.buffer), dims: [2 ** 20, 2 ** 9] };
    assert.equal(await code(pie.cluster(vectors, { k: 2 })), 'too_large');
    const width = pie.info().viewSize;
    const rows = Math.floor(2 ** 30 / 4 / width) + 1;
    const index = pie.index();
    const half = { data: new Float32Array(model.buffer, 0, Math.ceil(rows / 2) * width), dims: [Math.ceil(rows / 2), width] };
    await index.add(Array.from({ length: half.dims[0] }, (_, row) => row), half);
    assert.equal(await code(index.add(Array.from({ length: half.dims[0] }, (_, row) => `more ${row}`), half)), 'too_large');
    assert.equal(index.size, half.dims[0]);
    index.dispose();
  });

  test('an address is read no further than it takes to refuse it', async () => {
    const models = {
      '/llama': foreignModel({ architecture: 'llama' }), '/type': foreignModel({ type: 12, tokens: 20_000 }), '/version': foreignModel({ version: 1 }),
      '/page': new TextEncoder().encode('<!doctype html><title>Not found</title>'),
    };
    let sent = 0;
    const server = createServer(({ url }, response) => {
      response.writeHead(200, { 'content-length': 1e9 }).write(models[url]);
      const zeros = Buffer.alloc(1 << 20);
      const send = () => {
        while (!response.destroyed && response.write(zeros)) sent += zeros.length;
        if (!response.destroyed) response.once('drain', send);
      };
      send();
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    for (const [path, expected] of [['/llama', 'model_unsupported'], ['/type', 'model_unsupported'], ['/version', 'model_unsupported'], ['/page', 'model_format']]) {
      sent = 0;
      assert.equal(await code(PieEmbedder.load({ model: `http://127.0.0.1:${server.address().port}${path}` })), expected, path);
      assert.ok(sent < 100e6, `${path}: ${sent} bytes were sent`);
    }
    server.closeAllConnections();
    server.close();
    const huge = createServer((_, response) => response.writeHead(200, { 'content-length': 2 ** 31 }).write(foreignModel({})));
    await new Promise((resolve) => huge.listen(0, '127.0.0.1', resolve));
    assert.equal(await code(PieEmbedder.load({ model: `http://127.0.0.1:${huge.address().port}/bert.gguf` })), 'too_large');
    huge.closeAllConnections();
    huge.close();
  });

  test('a load that fails rejects once, also where there are no workers', () => {
    const script = `import { PieEmbedder, PieError } from ${JSON.stringify(new URL('../../pkg/dist/remote.js', import.meta.url).href)};
      const error = await PieEmbedder.load().catch((error) => error);
      await new Promise((resolve) => setTimeout(resolve, 200));
      console.log(error instanceof PieError && error.code);`;
    const run = spawnSync(process.execPath, ['--unhandled-rejections=strict', '--input-type=module', '--eval', script], { encoding: 'utf8' });
    assert.deepEqual([run.status, run.stdout.trim()], [0, 'worker_failed'], run.stderr);
  });
});

for (const [where, entry] of [['in a worker', 'index.js'], ["on a page's thread", 'local.js']]) {
  describe(where, () => {
    const here = withBrowser();
    let page;
    before(async () => {
      page = await here.blank({ entry });
      for (const name of ['api.suite.mjs', 'views.suite.mjs']) {
        const body = await readFile(new URL(`./${name}`, import.meta.url));
        await page.route(`**/${name}`, (route) => route.fulfill({ contentType: 'text/javascript', body }));
      }
      await page.route('**/two-views.gguf', (route) => route.fulfill({ body: twoViews }));
      await page.evaluate(async ({ model, taxonomy }) => {
        const bytes = async (address) => new Uint8Array(await (await fetch(address)).arrayBuffer());
        const { code, suite } = await import('/api.suite.mjs');
        globalThis.suite = { ...suite, ...(await import('/views.suite.mjs')).suite };
        globalThis.context = {
          PieEmbedder, PieError, code,
          pie: await PieEmbedder.load(), model: await bytes(`/pkg/models/${model}`), taxonomy: await bytes(`/pkg/models/${taxonomy}`),
          twoViews: await bytes('/two-views.gguf'),
        };
      }, { model: shipped.file, taxonomy: shipped.taxonomy.file });
    });
    for (const name of Object.keys(suite)) {
      test(name, () => page.evaluate((name) => suite[name](context), name));
    }

    test(`the engine runs ${where}`, async () => {
      const workers = entry === 'index.js' ? 1 : 0;
      // Those of embedders that were disposed take a moment to end.
      for (let tries = 0; page.workers().length > workers && tries < 100; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(page.workers().length, workers);
    });
  });
}
