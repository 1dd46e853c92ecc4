// Loading over networks that fail, and in browsers that lack something.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { otherModel } from './api.suite.mjs';
import { withBrowser } from './browser.mjs';
import { readModel, readTaxonomy, shipped } from './files.mjs';

const MODEL = `**/pkg/models/${shipped.file}`;
const TAXONOMY = `**/pkg/models/${shipped.taxonomy.file}`;
const WASM = '**/pkg/wasm*/pie_embed_wasm_bg.wasm';

/** Loads in the page; gives the first tag, or the error. */
function load(page, options = {}) {
  return page.evaluate(async (options) => {
    try {
      const pie = await PieEmbedder.load(options);
      const [{ label }] = options.taxonomy === null ? [{}] : await pie.classify('Write a haiku about snow');
      const { taxonomy, sha256 } = pie.info();
      pie.dispose();
      return { label, taxonomy, sha256 };
    } catch ({ name, code, message }) {
      return { name, code, message };
    }
  }, options);
}

async function works(page) {
  assert.match((await load(page)).label ?? 'nothing', /haiku|poem/);
}

describe('the network', () => {
  const here = withBrowser();

  const faults = [
    ['a missing model', MODEL, { status: 404 }, 'not_found', /404/],
    ['a server that fails', MODEL, { status: 503 }, 'http_status', /503/],
    ['a missing taxonomy', TAXONOMY, { status: 404 }, 'not_found', /404/],
    ['missing wasm', WASM, { status: 404 }, 'not_found', /404/],
    ['a page in place of the wasm', WASM, { contentType: 'text/html', body: '<!doctype html>' }, 'integrity', /wasm/],
    ['a page in place of the model', MODEL, { contentType: 'text/html', body: '<!doctype html>' }, 'integrity', /15 of/],
    ['wasm of something else', WASM, { contentType: 'application/wasm', body: '\0asm\x01\0\0\0' }, 'integrity', /8 of/],
  ];
  for (const [what, url, answer, code, message] of faults) {
    test(`${what} is ${code}, and a retry works`, async () => {
      const page = await here.blank();
      await page.route(url, (route) => route.fulfill(answer));
      const error = await load(page);
      assert.deepEqual([error.name, error.code], ['PieError', code], error.message);
      assert.match(error.message, message);
      await page.unroute(url);
      await works(page);
    });
  }

  test('a truncated model, one too long and one with a changed byte are integrity errors', async () => {
    const page = await here.blank();
    const model = await readModel();
    const changed = Buffer.from(model);
    changed[changed.length >> 1] ^= 1;
    for (const [body, message] of [
      [model.subarray(0, model.length >> 1), new RegExp(`${model.length >> 1} of ${model.length} bytes`)],
      [Buffer.concat([model, Buffer.alloc(10)]), new RegExp(`longer than the ${model.length} bytes`)],
      [changed, new RegExp(`sha256 [0-9a-f]{64}, not ${shipped.sha256}`)],
    ]) {
      await page.route(MODEL, (route) => route.fulfill({ body }));
      const error = await load(page);
      assert.equal(error.code, 'integrity');
      assert.match(error.message, message);
      await page.unroute(MODEL);
    }
    await works(page);
  });

  test('a taxonomy that is not the listed one is an integrity error', async () => {
    const page = await here.blank();
    const taxonomy = await readTaxonomy();
    taxonomy[taxonomy.length >> 1] ^= 1;
    await page.route(TAXONOMY, (route) => route.fulfill({ body: taxonomy }));
    assert.equal((await load(page)).code, 'integrity');
    await page.unroute(TAXONOMY);
    await works(page);
  });

  test('a connection that fails is a network error', async () => {
    const page = await here.blank();
    for (const url of [MODEL, TAXONOMY, WASM]) {
      await page.route(url, (route) => route.abort('connectionreset'));
      assert.equal((await load(page)).code, 'network');
      await page.unroute(url);
    }
    await works(page);
  });

  test('what came wrong is asked for past the cache', async () => {
    const page = await here.blank();
    await page.evaluate((file) => {
      const plain = fetch;
      globalThis.modes = [];
      globalThis.fetch = (url, init) => {
        if (String(url).endsWith(file)) modes.push(init.cache);
        return plain(url, init);
      };
    }, shipped.file);
    await page.route(MODEL, (route) => route.fulfill({ body: 'stale' }));
    assert.equal((await load(page)).code, 'integrity');
    await page.unroute(MODEL);
    await works(page);
    assert.deepEqual(await page.evaluate(() => modes), ['default', 'reload']);
  });

  test('wasm of your own is looked at before it is used', async () => {
    const page = await here.blank();
    for (const [body, message] of [['\0asm\x01\0\0\0\x0b', /not the engine's wasm/], ['\0asm\x01\0\0\0', /engine_new/], ['<!doctype html>', /not the engine's wasm/]]) {
      await page.route('**/own.wasm', (route) => route.fulfill({ contentType: 'application/wasm', body }));
      const error = await load(page, { wasm: '/own.wasm' });
      assert.equal(error.code, 'integrity');
      assert.match(error.message, message);
      await page.unroute('**/own.wasm');
    }
    await works(page);
  });

  test('wasm of any MIME type loads', async () => {
    const page = await here.blank();
    await page.route(WASM, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, headers: { ...response.headers(), 'content-type': 'text/plain' } });
    });
    await works(page);
  });

  test('loads at the same time share their downloads', async () => {
    const page = await here.blank();
    await page.evaluate(async () => {
      for (const pie of await Promise.all([PieEmbedder.load(), PieEmbedder.load(), PieEmbedder.load()])) pie.dispose();
    });
    const files = page.requests.filter((url) => /\.(gguf|taxonomy|wasm)$/.test(url));
    assert.equal(files.length, 3, files.join('\n'));
  });

  test('an abort in mid-download stops it, and only for the load that asked', async () => {
    const page = await here.blank();
    let cancelled = 0;
    page.on('requestfailed', (request) => { if (request.url().endsWith(shipped.file)) cancelled++; });
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await page.route(MODEL, async (route) => {
      await held;
      await route.continue().catch(() => {});
    });
    const code = await page.evaluate(async () => {
      globalThis.stop = new AbortController();
      globalThis.other = PieEmbedder.load();
      const aborted = PieEmbedder.load({ signal: stop.signal });
      setTimeout(() => stop.abort(), 100);
      return aborted.catch(({ code }) => code);
    });
    assert.equal(code, 'aborted');
    assert.equal(cancelled, 0, 'the other load lost its download');
    release();
    await page.evaluate(async () => (await other).dispose());

    // Alone, the download itself ends.
    const alone = await here.blank();
    await alone.route(MODEL, () => {});
    const failed = alone.waitForEvent('requestfailed', (request) => request.url().endsWith(shipped.file));
    const outcome = await alone.evaluate(async () => {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 100);
      return PieEmbedder.load({ signal: stop.signal }).catch(({ code }) => code);
    });
    assert.equal(outcome, 'aborted');
    await failed;
    await alone.unroute(MODEL);
    await works(alone);
  });

  test('a model by URL brings no taxonomy, unless one is named', async () => {
    const page = await here.blank();
    const model = `pkg/models/${shipped.file}`;
    const { code } = await load(page, { model });
    assert.equal(code, 'no_taxonomy');
    assert.equal(page.requests.filter((url) => url.endsWith('.taxonomy')).length, 0);
    assert.match((await load(page, { model, taxonomy: `/pkg/models/${shipped.taxonomy.file}` })).label, /haiku|poem/);
    assert.equal((await load(page, { model, taxonomy: model })).code, 'invalid_argument');
    assert.equal((await load(page, { model: '/no/such.gguf', taxonomy: null })).code, 'not_found');
    assert.equal((await load(page, { model: 'http://[bad', taxonomy: null })).code, 'invalid_argument');
  });
});

describe('the browser', () => {
  // A host name that is not loopback is no secure context, and there crypto.subtle is absent.
  const here = withBrowser(['--host-resolver-rules=MAP insecure.test 127.0.0.1']);

  test('without crypto.subtle the engine itself checks the model', async () => {
    const host = here.address.replace('127.0.0.1', 'insecure.test');
    const page = await here.blank({ host });
    assert.equal(await page.evaluate(() => typeof crypto.subtle), 'undefined');
    const loaded = await load(page);
    assert.match(loaded.label, /haiku|poem/);
    assert.equal(loaded.sha256, shipped.sha256);

    const model = otherModel(await readModel());
    const fresh = await here.blank({ host });
    await fresh.route(MODEL, (route) => route.fulfill({ body: Buffer.from(model) }));
    assert.equal((await load(fresh, { taxonomy: null })).code, 'integrity');
  });

  test('a policy without wasm-unsafe-eval is said in words', async () => {
    const page = await here.under("default-src 'self'; script-src 'self'");
    await page.evaluate(async () => Object.assign(globalThis, await import('/pkg/index.js')));
    const { code, message } = await load(page);
    assert.equal(code, 'wasm_unsupported');
    assert.match(message, /wasm-unsafe-eval/);
  });

  test('a browser without SIMD, or without WebAssembly, is told before anything is fetched', async () => {
    for (const [lack, message] of [['WebAssembly.validate = () => false', /SIMD/], ['delete globalThis.WebAssembly', /no WebAssembly/]]) {
      const page = await here.page();
      await page.addInitScript(lack);
      await page.route('**/blank', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
      await page.goto(`${here.address}blank`);
      await page.evaluate(async () => Object.assign(globalThis, await import('/pkg/index.js')));
      const error = await load(page);
      assert.equal(error.code, 'wasm_unsupported');
      assert.match(error.message, message);
      assert.deepEqual(page.requests.filter((url) => /\.(gguf|taxonomy|wasm)$/.test(url)), []);
    }
  });
});
