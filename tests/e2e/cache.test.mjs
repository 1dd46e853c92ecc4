// What a first visit leaves for the second, and what it does not.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withBrowser } from './browser.mjs';
import { readModel, shipped } from './files.mjs';

const FILES = '**/pkg/{models,wasm,wasm-relaxed}/*.{gguf,taxonomy,wasm}';
const MODEL = `**/pkg/models/${shipped.file}`;

describe('the cache', () => {
  const here = withBrowser(['--host-resolver-rules=MAP insecure.test 127.0.0.1']);

  const load = (page) => page.evaluate(async () => {
    try {
      const steps = [];
      const pie = await PieEmbedder.load({ onProgress: (step) => steps.push(step) });
      const [{ label }] = await pie.classify('Write a haiku about snow');
      pie.dispose();
      return { label, loaded: steps.at(-1).loaded, total: steps[0].total };
    } catch ({ code, message }) {
      return { code, message };
    }
  });

  async function works(page) {
    const { label, loaded, total, message } = await load(page);
    assert.match(label ?? message, /haiku|poem/);
    assert.equal(loaded, total);
  }

  const entries = (page) => page.evaluate(async () => {
    const cache = await caches.open('pie-embed-wasm');
    return (await cache.keys()).map(({ url }) => url.split('/').pop());
  });

  /** Writing goes on after a load. */
  async function kept(page, count) {
    for (let tries = 0; (await entries(page)).length < count && tries < 200; tries++) await page.waitForTimeout(50);
    assert.equal((await entries(page)).length, count, 'files in the cache');
  }

  /** The same browser's next visit: another page, with nothing in its memory. */
  async function again(page, blocked = true) {
    const next = await here.blank({ context: page.context() });
    if (blocked) await next.route(FILES, (route) => route.abort());
    return next;
  }

  const asked = (page) => page.requests.filter((url) => /\.(gguf|taxonomy|wasm)$/.test(url)).length;

  test('a second visit fetches nothing, and the network may be off', async () => {
    const first = await here.blank();
    await works(first);
    await kept(first, 3);
    assert.ok((await entries(first)).includes(shipped.sha256));
    const second = await again(first);
    await works(second);
    assert.equal(asked(second), 0);
  });

  test('a damaged entry is thrown away, never used, and fetched again', async () => {
    const page = await here.blank();
    await works(page);
    await kept(page, 3);
    for (const damage of ['changed', 'short', 'empty']) {
      await page.evaluate(async ({ sha256, damage }) => {
        const cache = await caches.open('pie-embed-wasm');
        const key = `https://sha256.invalid/${sha256}`;
        const bytes = new Uint8Array(await (await cache.match(key)).arrayBuffer());
        bytes[bytes.length >> 1] ^= 1;
        const length = { changed: bytes.length, short: bytes.length >> 1, empty: 0 }[damage];
        await cache.put(key, new Response(bytes.subarray(0, length)));
      }, { sha256: shipped.sha256, damage });
      const offline = await again(page);
      assert.equal((await load(offline)).code, 'network');
      assert.ok(!(await entries(offline)).includes(shipped.sha256), 'the damaged entry is still there');
      await offline.close();
      const online = await again(page, false);
      await works(online);
      assert.equal(asked(online), 1);
      await kept(online, 3);
      await online.close();
    }
  });

  test('what came wrong is not kept', async () => {
    const page = await here.blank();
    const model = await readModel();
    const changed = Buffer.from(model);
    changed[changed.length >> 1] ^= 1;
    for (const answer of [{ status: 404 }, { status: 503, body: model }, { body: model.subarray(0, 1000) }, { body: changed }]) {
      await page.route(MODEL, (route) => route.fulfill(answer));
      assert.match((await load(page)).code, /^(not_found|http_status|integrity)$/);
      await page.unroute(MODEL);
      assert.ok(!(await entries(page)).includes(shipped.sha256));
    }
    await works(page);
    await kept(page, 3);
  });

  test('no room is no error', async () => {
    const page = await here.blank();
    const session = await page.context().newCDPSession(page);
    await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(here.address).origin, quotaSize: 1000 });
    await page.evaluate(() => {
      globalThis.refused = [];
      const { put } = Cache.prototype;
      Cache.prototype.put = function (...given) {
        const putting = put.apply(this, given);
        putting.catch(({ name }) => refused.push(name));
        return putting;
      };
    });
    await works(page);
    await page.waitForFunction(() => refused.length === 3);
    assert.deepEqual(await page.evaluate(() => refused), Array(3).fill('QuotaExceededError'));
    assert.deepEqual([await entries(page), page.complaints], [[], []]);
  });

  test('no cache is no error: forbidden, missing, or in a page that is no secure context', async () => {
    const forbid = () => (caches.open = caches.match = () => Promise.reject(new DOMException('forbidden', 'SecurityError')));
    for (const lack of [forbid, () => delete globalThis.caches]) {
      const page = await here.blank();
      await page.evaluate(lack);
      await works(page);
    }
    const insecure = await here.blank({ host: here.address.replace('127.0.0.1', 'insecure.test') });
    assert.equal(await insecure.evaluate(() => typeof caches), 'undefined');
    await works(insecure);
  });

  test('a worker is replaced from the cache, or from what the page holds where there is none; or the call fails', async () => {
    const open = async (prepare) => {
      const page = await here.blank();
      if (prepare) await page.evaluate(prepare);
      await page.evaluate(async () => (globalThis.pie = await PieEmbedder.load()));
      return page;
    };
    const embedAnew = async (page) => {
      await page.workers()[0]?.evaluate(() => self.close());
      return page.evaluate(() => pie.embed('a').then(({ length }) => length, ({ code }) => code));
    };
    const withCache = await open();
    await kept(withCache, 3);
    await withCache.route(FILES, (route) => route.abort());
    assert.deepEqual([await embedAnew(withCache), await embedAnew(withCache)], [192, 192]);
    // The page lets go of what it read from there.
    await withCache.waitForTimeout(2000);
    await withCache.evaluate(() => caches.delete('pie-embed-wasm'));
    assert.equal(await embedAnew(withCache), 'network');
    await withCache.unroute(FILES);
    assert.equal(await embedAnew(withCache), 192);

    const without = await open(() => delete globalThis.caches);
    await without.route(FILES, (route) => route.abort());
    assert.deepEqual([await embedAnew(without), await embedAnew(without)], [192, 192]);
  });

  test('two tabs that load at once leave one set of files', async () => {
    const first = await here.blank();
    const second = await again(first, false);
    await Promise.all([works(first), works(second)]);
    await kept(first, 3);
  });

  test('old versions make room for new ones', async () => {
    const page = await here.blank();
    await page.evaluate(async () => {
      const cache = await caches.open('pie-embed-wasm');
      for (let old = 0; old < 20; old++) await cache.put(`https://sha256.invalid/${old}`, new Response('old'));
    });
    await works(page);
    // Each file is kept when it is there, the model as the last.
    const isDone = (left) => left.length === 12 && left.includes(shipped.sha256);
    let left = await entries(page);
    for (let tries = 0; !isDone(left) && tries < 200; tries++) {
      await page.waitForTimeout(50);
      left = await entries(page);
    }
    assert.ok(isDone(left), left.join());
  });
});
