// The API suite in Debian's Firefox, in a worker and on a page's own thread: another engine for wasm, workers, locks and caches.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { serve } from '../../www/serve.mjs';
import { suite } from './api.suite.mjs';
import { shipped } from './files.mjs';

const executablePath = process.env.FIREFOX_PATH ?? '/usr/bin/firefox-esr';
const skip = existsSync(executablePath) ? false : `${executablePath} is not there: 'apt-get install firefox-esr' brings it`;

describe('in Firefox', { skip }, () => {
  let browser, server, address;
  before(async () => {
    browser = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true });
    ({ server, address } = await serve());
  });
  after(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });

  for (const [where, entry] of [['in a worker', 'index.js'], ["on a page's thread", 'local.js']]) {
    describe(where, () => {
      let page;
      before(async () => {
        page = await browser.newPage();
        await page.goto(`${address}style.css`);
        // The suite is no file of the server's.
        const source = await readFile(new URL('./api.suite.mjs', import.meta.url), 'utf8');
        await page.evaluate(`${source.replaceAll(/^export /gm, '')}\nObject.assign(globalThis, { suite, code });`);
        await page.evaluate(async (entry, model, taxonomy) => {
          const { PieEmbedder, PieError } = await import(`/pkg/${entry}`);
          const bytes = async (file) => new Uint8Array(await (await fetch(`/pkg/models/${file}`)).arrayBuffer());
          globalThis.context = {
            PieEmbedder, PieError, code, pie: await PieEmbedder.load(), model: await bytes(model), taxonomy: await bytes(taxonomy),
          };
        }, entry, shipped.file, shipped.taxonomy.file);
      });
      for (const name of Object.keys(suite)) {
        test(name, () => page.evaluate((name) => suite[name](context), name));
      }
    });
  }

  test('a second visit finds the files in the cache', async () => {
    const visit = async () => {
      const page = await browser.newPage();
      await page.goto(`${address}style.css`);
      const loaded = await page.evaluate(async () => {
        const { PieEmbedder } = await import('/pkg/index.js');
        const pie = await PieEmbedder.load();
        const [{ label }] = await pie.classify('Write a haiku about snow');
        pie.dispose();
        for (let tries = 0; (await (await caches.open('pie-embed-wasm')).keys()).length < 3 && tries < 100; tries++) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        return { label, fetched: performance.getEntriesByType('resource').filter(({ name }) => /\.(gguf|taxonomy|wasm)$/.test(name)).length };
      });
      await page.close();
      return loaded;
    };
    await visit();
    const { label, fetched } = await visit();
    assert.match(label, /haiku|poem/);
    assert.equal(fetched, 0);
  });
});
