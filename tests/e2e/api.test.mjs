// The API suite in Node, through the package's own name, and in pages of headless Chromium: in a worker, and on the page's own thread.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { PieEmbedder, PieError } from '../../pkg/dist/node.js';
import { code, suite } from './api.suite.mjs';
import { withBrowser } from './browser.mjs';
import { readModel, readTaxonomy, shipped } from './files.mjs';

describe('in Node', () => {
  const context = { PieEmbedder, PieError, code };
  before(async () => {
    context.pie = await PieEmbedder.load();
    context.model = await readModel();
    context.taxonomy = await readTaxonomy();
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
});

for (const [where, entry] of [['in a worker', 'index.js'], ["on a page's thread", 'local.js']]) {
  describe(where, () => {
    const here = withBrowser();
    let page;
    before(async () => {
      page = await here.blank({ entry });
      const body = await readFile(new URL('./api.suite.mjs', import.meta.url));
      await page.route('**/api.suite.mjs', (route) => route.fulfill({ contentType: 'text/javascript', body }));
      await page.evaluate(async ({ model, taxonomy }) => {
        const bytes = async (file) => new Uint8Array(await (await fetch(`/pkg/models/${file}`)).arrayBuffer());
        const { code, suite } = await import('/api.suite.mjs');
        globalThis.suite = suite;
        globalThis.context = {
          PieEmbedder, PieError, code,
          pie: await PieEmbedder.load(), model: await bytes(model), taxonomy: await bytes(taxonomy),
        };
      }, { model: shipped.file, taxonomy: shipped.taxonomy.file });
    });
    for (const name of Object.keys(suite)) {
      test(name, () => page.evaluate((name) => suite[name](context), name));
    }

    test(`the engine runs ${where}`, () => assert.equal(page.workers().length, entry === 'index.js' ? 1 : 0));
  });
}
