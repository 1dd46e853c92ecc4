// The demo page as an application: under any path, installable, there without a network, renewed when a new version is out.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { DEMO } from '../../www/build.mjs';
import { withBrowser } from './browser.mjs';

const sha256 = (content) => createHash('sha256').update(content).digest('hex');

const TYPES = {
  '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.json': 'application/json', '.svg': 'image/svg+xml',
  '.txt': 'text/plain', '.wasm': 'application/wasm', '.webmanifest': 'application/manifest+json',
};

/** A static host as plain as can be, with the demo under /some/path/ and no header of its own; `change` may alter a file. */
function host() {
  const served = { change: (name, bytes) => bytes };
  const server = createServer(async (request, response) => {
    const name = request.url.split('?', 1)[0].replace(/^\/some\/path\//, '') || 'index.html';
    const bytes = await readFile(join(DEMO, name)).catch(() => undefined);
    if (!bytes || !request.url.startsWith('/some/path/')) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream' }).end(served.change(name, bytes));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () =>
    resolve(Object.assign(served, { server, address: `http://127.0.0.1:${server.address().port}/some/path/` }))));
}

describe('the demo page as an application', () => {
  const here = withBrowser();
  let plain;
  before(async () => (plain = await host()));
  after(() => close(plain));

  function close({ server }) {
    server.closeAllConnections();
    server.close();
  }

  const kept = (page) => page.evaluate(async () => {
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller) {
      await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }));
    }
    // The engine's files, a while after the first text.
    const cache = await caches.open('pie-embed-wasm');
    while ((await cache.keys()).length < 3) await new Promise((resolve) => setTimeout(resolve, 50));
  });
  const tagged = (page) => page.locator('#kinds-list li').first().filter({ hasText: 'write a poem' }).waitFor();

  test('a second visit needs no network: every part of the page works', async () => {
    const gone = await host();
    const page = await here.demo();
    await page.goto(gone.address);
    await tagged(page);
    await kept(page);
    // The browser's own look for a newer service worker passes by a page that is set offline: here the host itself goes.
    close(gone);
    await page.context().setOffline(true);
    await page.reload();
    await tagged(page);
    await page.locator('#pairs .placed').first().waitFor();
    await page.getByRole('button', { name: /sample prompts/ }).click();
    await page.locator('#list:not([hidden])').waitFor();
    await page.locator('#map-note:empty').waitFor({ state: 'attached' });
    await page.getByRole('button', { name: 'Measure' }).click();
    await page.getByText(/medians/).waitFor();
    assert.deepEqual([page.complaints, await page.evaluate(() => violations)], [[], []]);
    assert.deepEqual(page.requests.filter((url) => !url.startsWith(gone.address)), []);
  });

  test('browsers would install it', async () => {
    const page = await here.demo();
    await page.goto(plain.address);
    await kept(page);
    const debug = await page.context().newCDPSession(page);
    const { errors } = await debug.send('Page.getAppManifest');
    assert.deepEqual(errors, []);
    const { installabilityErrors } = await debug.send('Page.getInstallabilityErrors');
    // A fresh context counts as incognito, in which nothing can be installed.
    assert.deepEqual(installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito'), []);
  });

  test('a new version takes over, says so, and leaves nothing of the old one', async () => {
    const page = await here.demo();
    await page.goto(plain.address);
    await kept(page);
    const old = await page.evaluate(() => caches.keys());
    const index = await readFile(join(DEMO, 'index.html'), 'utf8');
    const renewed = index.replace('<h1>', '<h1>New. ');
    plain.change = (name, bytes) => (name === 'index.html' ? renewed :
      name === 'files.js' ? String(bytes).replace(/VERSION = '/, "VERSION = 'new-").replaceAll(sha256(index), sha256(renewed)) : bytes);
    await page.reload();
    await page.locator('#renewed:not([hidden])').waitFor();
    await page.getByRole('button', { name: 'Reload' }).click();
    await page.getByRole('heading', { name: /^New\./ }).waitFor();
    const own = (names) => names.filter((name) => name.startsWith('pie-demo '));
    const now = own(await page.evaluate(() => caches.keys()));
    assert.equal(now.length, 1);
    assert.ok(!own(old).includes(now[0]));
    plain.change = (name, bytes) => bytes;
  });

  test('a wrong file is not kept: the visit after that has the right one', async () => {
    for (const wrong of ['document.title = 1;', '<!doctype html><title>Sign in</title>']) {
      const page = await here.demo();
      plain.change = (name, bytes) => (name === 'prompt.js' ? wrong : bytes);
      await page.goto(plain.address);
      await page.evaluate(async () => {
        const { installing } = await navigator.serviceWorker.register('sw.js', { updateViaCache: 'none' });
        while (installing && installing.state !== 'redundant') await new Promise((resolve) => setTimeout(resolve, 20));
      });
      assert.deepEqual((await page.evaluate(() => caches.keys())).filter((name) => name.startsWith('pie-demo ')), []);
      plain.change = (name, bytes) => bytes;
      await page.reload();
      await tagged(page);
      await kept(page);
      await page.reload();
      await tagged(page);
    }
  });

  test('without headers of the host the policy holds: the page cannot reach another origin', async () => {
    const page = await here.demo();
    await page.goto(plain.address);
    await tagged(page);
    const refused = await page.evaluate(() => fetch('https://example.com/').then(() => false, () => true));
    assert.ok(refused);
    assert.match((await page.evaluate(() => violations)).join(), /connect-src https:\/\/example.com/);
  });
});
