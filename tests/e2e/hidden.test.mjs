// A page that is out of sight: behind another tab, and then frozen as browsers do with those to save power. Not through Playwright, which
// keeps every page in view.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { serve } from '../../www/serve.mjs';
import { executablePath, FLAGS } from './browser.mjs';

describe('a page out of sight', () => {
  const here = {};
  before(async () => {
    here.browser = await puppeteer.launch({ executablePath, args: [...FLAGS, '--enable-unsafe-webgpu'], headless: true });
    Object.assign(here, await serve());
  });
  after(async () => {
    await here.browser?.close();
    here.server?.closeAllConnections();
    here.server?.close();
  });

  // SwiftShader takes its time: the first calls take one piece of three, and two.
  for (const [device, count] of [['wasm', 1200], ['webgpu', 24]]) {
    test(`it goes on with a list, stands still where it is frozen in mid-batch, and loses nothing (${device})`, async () => {
      const page = await here.browser.newPage();
      await page.goto(`${here.address}style.css`);
      await page.evaluate(async (device, count) => {
        const { PieEmbedder } = await import('/pkg/index.js');
        const pie = await PieEmbedder.load({ device, onFallback: ({ code }) => events.push(code) });
        globalThis.events = [];
        for (const event of ['visibilitychange', 'freeze', 'resume']) document.addEventListener(event, () => events.push(event));
        const texts = Array.from({ length: count }, (_, n) => `Write a list of ${n} ideas for the garden in spring`);
        globalThis.start = () => new Promise((begun) => {
          globalThis.outcome = pie.embed(texts, { onProgress: ({ done }) => begun(events.push(done)) })
            .then(({ dims }) => ({ dims, device: pie.info().device, events }));
        });
      }, device, count);
      const other = await here.browser.newPage();
      await other.bringToFront();
      await page.evaluate(() => start());
      const session = await page.createCDPSession();
      await session.send('Page.setWebLifecycleState', { state: 'frozen' });
      await new Promise((resolve) => setTimeout(resolve, 3000));
      await session.send('Page.setWebLifecycleState', { state: 'active' });
      const { events, ...rest } = await page.evaluate(() => outcome);
      assert.deepEqual(rest, { dims: [count, 192], device });
      assert.deepEqual([events[0], typeof events[1], events.at(-1)], ['visibilitychange', 'number', count]);
      assert.deepEqual(events.slice(1, -1).filter((event) => typeof event === 'string'), ['freeze', 'resume']);
      assert.equal(await page.evaluate(() => document.visibilityState), 'hidden');
      await Promise.all([page.close(), other.close()]);
    });
  }
});
