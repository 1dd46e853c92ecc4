// Memory stays flat: over many calls, over calls that fail, and over loading and disposing.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withBrowser } from './browser.mjs';

const EMBEDDINGS = Number(process.env.PIE_SOAK ?? 2000);

describe('soak', () => {
  const here = withBrowser();

  async function measured(page) {
    const wasmBytes = await here.wasmBytes(page);
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    return async () => {
      await session.send('HeapProfiler.collectGarbage');
      const { metrics } = await session.send('Performance.getMetrics');
      return {
        heap: metrics.find(({ name }) => name === 'JSHeapUsedSize').value,
        wasm: await wasmBytes(),
      };
    };
  }

  function flat(before, after, what) {
    assert.ok(after.wasm <= before.wasm * 1.05, `${what}: wasm memory from ${before.wasm} to ${after.wasm} bytes`);
    assert.ok(after.heap <= before.heap * 1.05 + 500_000, `${what}: heap from ${before.heap} to ${after.heap} bytes`);
  }

  for (const entry of ['index.js', 'local.js']) {
    test(`${EMBEDDINGS} embeddings leave memory as it was (${entry})`, { timeout: 600_000 }, async () => {
      const page = await here.blank({ entry });
      const memory = await measured(page);
      await page.evaluate(async () => (globalThis.pie = await PieEmbedder.load()));
      const embed = (count) => page.evaluate(async (count) => {
        const words = 'Write a list of ideas for the garden of my aunt in spring and explain each of them'.split(' ');
        // The longest text the model takes comes once a round, so that its buffers are in the first figure too.
        for (let index = 0; index < count; index++) {
          const text = index === 0 ? words.join(' ').repeat(60) : `${index} ${words.slice(0, 1 + (index % words.length)).join(' ')}`;
          await pie.embed(text);
          if (index % 10 === 0) await pie.classify([text, text]);
          if (index % 10 === 1) await pie.embed(' ').catch(() => {});
          if (index % 10 === 2) await pie.embed(text, { prompt: 'no slot' }).catch(() => {});
          if (index % 50 === 3) (await pie.tagger({ a: [text], b: ['x'] })).dispose();
          if (index % 50 === 4) {
            const own = pie.index();
            await own.add(['a', 'b'], [text, 'x']);
            await own.search(text);
            own.dispose();
          }
          if (index % 100 === 5) await pie.cluster([text, 'Write', 'Sort'], { k: 2 });
        }
      }, count);
      await embed(110);
      const before = await memory();
      await embed(EMBEDDINGS);
      flat(before, await memory(), 'embedding');
    });

    test(`dispose gives the memory back to the next load (${entry})`, { timeout: 120_000 }, async () => {
      const page = await here.blank({ entry });
      const memory = await measured(page);
      const cycle = (count) => page.evaluate(async (count) => {
        for (let index = 0; index < count; index++) {
          const pie = await PieEmbedder.load();
          await pie.classify('Write a haiku about snow');
          pie.dispose();
        }
      }, count);
      await cycle(2);
      const before = await memory();
      await cycle(8);
      flat(before, await memory(), 'loading');
    });
  }
});
