// The README's recipe for browser extensions: an extension of Manifest V3 with the package in it, in its page and in its service worker.
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { executablePath, FLAGS } from './browser.mjs';
import { dist } from './files.mjs';

const FILES = {
  'manifest.json': JSON.stringify({
    manifest_version: 3, name: 'Tags', version: '1.0', background: { service_worker: 'background.js', type: 'module' },
    content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'" },
  }),
  'background.js': `import { PieEmbedder } from './pie/local.js';
globalThis.tagged = () => PieEmbedder.load().then((pie) => pie.classify('Write a haiku about snow')).then(([{ label }]) => label);`,
  'page.html': '<!doctype html><title>Tags</title><output></output><script type="module" src="page.js"></script>',
  'page.js': `import { PieEmbedder } from './pie/index.js';
const said = PieEmbedder.load().then((pie) => pie.classify('Write a haiku about snow')).then(([{ label }]) => label);
document.querySelector('output').value = await said.catch(({ code, message }) => code + ': ' + message);`,
};

describe('an extension', () => {
  let folder, context, background;
  const requests = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pie-extension-'));
    const extension = join(folder, 'extension');
    await mkdir(extension);
    await cp(fileURLToPath(dist), join(extension, 'pie'), { recursive: true });
    for (const [name, text] of Object.entries(FILES)) await writeFile(join(extension, name), text);
    context = await chromium.launchPersistentContext(join(folder, 'profile'), {
      executablePath, ignoreDefaultArgs: ['--disable-extensions'],
      args: [...FLAGS, `--disable-extensions-except=${extension}`, `--load-extension=${extension}`],
    });
    context.on('request', (request) => requests.push(request.url()));
    background = context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker', { timeout: 20_000 }));
  });
  after(async () => {
    await context?.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  });

  test('its page tags in a worker', async () => {
    const page = await context.newPage();
    await page.goto(new URL('page.html', background.url()).href);
    await page.waitForFunction(() => document.querySelector('output').value, undefined, { timeout: 30_000 });
    assert.match(await page.locator('output').innerText(), /haiku|poem/);
    assert.equal(page.workers().length, 1);
  });

  test('its service worker tags, by ./local', async () => {
    assert.match(await background.evaluate(() => tagged()), /haiku|poem/);
  });

  test('it asks for nothing outside itself', () => {
    assert.deepEqual(requests.filter((url) => !url.startsWith('chrome-extension:')), []);
  });
});
