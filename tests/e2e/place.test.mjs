// Where the package may lie and run: under any path, a strict policy, isolation, in a service worker, and with the server gone.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch } from './browser.mjs';
import { dist, readModel } from './files.mjs';

const TYPES = { '.js': 'text/javascript', '.html': 'text/html', '.wasm': 'application/wasm' };
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";
const ISOLATED = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
const PAGE = '<!doctype html><title>Elsewhere</title><link rel="icon" href="data:,"><output></output><script type="module" src="app.js"></script>';
const APP = `import { PieEmbedder } from './a%20folder/v1.0/index.js';
addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => console.error(violatedDirective, blockedURI));
const pie = await PieEmbedder.load().catch(({ code, message }) => (document.querySelector('output').value = code + ': ' + message));
document.querySelector('output').value = (await pie.classify('Write a haiku about snow'))[0].label;`;
// The README's recipe: the scripts are the page's to keep, wasm and model keep themselves.
const OFFLINE = `addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('fetch', (event) => event.respondWith((async () => {
  const cache = await caches.open('app');
  try {
    const response = await fetch(event.request);
    if (response.ok && /\\.(js|html)$|\\/$/.test(new URL(event.request.url).pathname)) await cache.put(event.request, response.clone());
    return response;
  } catch (error) {
    return (await cache.match(event.request)) ?? Response.error();
  }
})()));`;
const tagging = (entry) => `import { PieEmbedder } from './a%20folder/v1.0/${entry}';
addEventListener('message', (event) => event.waitUntil(PieEmbedder.load()
  .then((pie) => pie.classify('Write a haiku about snow'))
  .then(([{ label }]) => event.source.postMessage(label), ({ code, message }) => event.source.postMessage(code + ': ' + message))));`;

describe('elsewhere', () => {
  const texts = {
    '/deep/er/': PAGE,
    '/deep/er/none.html': '<!doctype html><title>Nothing yet</title>',
    '/deep/er/app.js': APP,
    '/deep/er/offline.js': OFFLINE,
    '/deep/er/tag-index.js': tagging('index.js'),
    '/deep/er/tag-local.js': tagging('local.js'),
  };
  let server, address, browser, headers, breaksOff;

  before(async () => {
    server = createServer(async (request, response) => {
      const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
      if (path === '/deep/er/slow.gguf') return slow(response);
      const below = path.startsWith('/deep/er/a folder/v1.0/') && path.slice('/deep/er/a folder/v1.0/'.length);
      const body = below ? await readFile(new URL(below, dist)).catch(() => undefined) : texts[path];
      response.writeHead(body ? 200 : 404, { ...headers, 'content-type': TYPES[extname(path) || '.html'] ?? 'application/octet-stream' });
      response.end(body);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${server.address().port}/deep/er/`;
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    server.close();
  });

  /** The model in ten pieces, one after another; where the network breaks off, five of them. */
  async function slow(response) {
    const model = await readModel();
    response.writeHead(200, { 'content-length': model.length, 'cache-control': 'no-store' });
    for (let piece = 0; piece < 10; piece++) {
      if (breaksOff && piece === 5) return response.destroy();
      response.write(model.subarray(Math.floor((piece * model.length) / 10), Math.floor(((piece + 1) * model.length) / 10)));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    response.end();
  }

  async function open(given) {
    headers = { 'content-security-policy': `${POLICY}; img-src data:`, ...given };
    const page = await (await browser.newContext()).newPage();
    page.complaints = [];
    page.on('console', (message) => message.type() === 'error' && page.complaints.push(message.text()));
    page.on('pageerror', ({ message }) => page.complaints.push(message));
    return page;
  }

  async function tags(page) {
    await page.waitForFunction(() => document.querySelector('output').value, undefined, { timeout: 30_000 });
    assert.match(await page.locator('output').innerText(), /haiku|poem/, page.complaints.join('\n'));
  }

  for (const [how, given] of [['a strict policy', {}], ['a strict policy and isolation', ISOLATED]]) {
    test(`it runs in a worker from any path, under ${how}`, async () => {
      const page = await open(given);
      await page.goto(address);
      await tags(page);
      assert.equal(page.workers().length, 1);
      assert.equal(await page.evaluate(() => crossOriginIsolated), given === ISOLATED);
      assert.deepEqual(page.complaints, []);
    });
  }

  for (const entry of ['index', 'local']) {
    test(`it runs in a service worker (${entry}.js)`, async () => {
      const page = await open();
      await page.goto(`${address}none.html`);
      const label = await page.evaluate(async (script) => {
        const registration = await navigator.serviceWorker.register(script, { type: 'module' });
        const worker = registration.installing ?? registration.active;
        const said = new Promise((resolve) => navigator.serviceWorker.addEventListener('message', ({ data }) => resolve(data)));
        navigator.serviceWorker.startMessages();
        worker.postMessage('tag');
        return said;
      }, `${address}tag-${entry}.js`);
      assert.match(label, /haiku|poem/);
    });
  }

  test('a slow network is followed piece by piece, and one that breaks off is a network error', async () => {
    const page = await open();
    await page.goto(`${address}none.html`);
    const load = () => page.evaluate(async (address) => {
      const { PieEmbedder } = await import(`${address}a%20folder/v1.0/index.js`);
      const steps = new Set();
      const onProgress = ({ file, loaded }) => file === 'slow.gguf' && steps.add(loaded);
      const load = PieEmbedder.load({ model: `${address}slow.gguf`, taxonomy: null, onProgress });
      return { said: await load.then((pie) => pie.dispose(), ({ code }) => code), steps: steps.size };
    }, address);
    breaksOff = true;
    assert.equal((await load()).said, 'network');
    breaksOff = false;
    const { said, steps } = await load();
    assert.equal(said, undefined);
    assert.ok(steps >= 10, `${steps} steps`);
  });

  test('after one visit the server may be gone: a service worker has the scripts, the package its files', async () => {
    const page = await open();
    await page.goto(`${address}none.html`);
    await page.evaluate(async (script) => {
      await navigator.serviceWorker.register(script);
      await navigator.serviceWorker.ready;
    }, `${address}offline.js`);
    await page.goto(address);
    await tags(page);
    for (let tries = 0; tries < 100; tries++) {
      if ((await page.evaluate(async () => (await (await caches.open('pie-embed-wasm')).keys()).length)) === 3) break;
      await page.waitForTimeout(20);
    }
    await page.context().setOffline(true);
    await page.reload();
    await tags(page);
    assert.equal(page.workers().length, 1);
  });
});
