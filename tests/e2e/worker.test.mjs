// The worker: what it shares, what it survives, and who gets a turn.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withBrowser } from './browser.mjs';

const SCRIPT = '**/pkg/worker.js';

describe('the worker', () => {
  const here = withBrowser(['--host-resolver-rules=MAP insecure.test 127.0.0.1']);

  /** A page whose workers can be got at, with texts to embed. */
  async function watched(host) {
    const page = await here.blank({ host });
    await page.evaluate(() => {
      globalThis.workers = [];
      globalThis.Worker = class extends Worker {
        constructor(...given) {
          super(...given);
          workers.push(this);
          this.spoke = new Promise((resolve) => this.addEventListener('message', resolve, { once: true }));
          this.started = new Promise((resolve) => this.addEventListener('message', ({ data }) => data.answer && resolve()));
          this.asked = 0;
        }
        postMessage(message, ...rest) {
          if (message.call) this.asked++;
          super.postMessage(message, ...rest);
        }
      };
      globalThis.texts = Array.from({ length: 96 }, (_, index) => `Write a list of ${index} ideas for the garden in spring`);
    });
    return page;
  }

  /** Such a page with `pie` loaded in it. */
  async function open(options, host) {
    const page = await watched(host);
    await page.evaluate(async (options) => {
      globalThis.pie = await PieEmbedder.load(options);
    }, options);
    return page;
  }

  async function left(page, count) {
    for (let tries = 0; page.workers().length > count && tries < 100; tries++) await page.waitForTimeout(20);
    assert.equal(page.workers().length, count, 'workers');
  }

  test('a worker that dies in mid-job is replaced, and the job loses nothing', async () => {
    const page = await open();
    const outcome = await page.evaluate(async () => {
      const tagger = await pie.tagger({ poem: ['Write a poem'], list: ['Write a list of ideas'] });
      // The worker that learned has ended; the engine's is the first.
      workers.length = 1;
      const whole = await pie.embed(texts);
      const deaths = [
        (worker) => worker.terminate(),
        (worker) => worker.dispatchEvent(new ErrorEvent('error', { message: 'out of memory' })),
        (worker) => worker.dispatchEvent(new MessageEvent('messageerror')),
      ];
      const outcome = [];
      for (const die of deaths) {
        let killed = false;
        const onProgress = ({ done }) => {
          if (done < 24 || killed) return;
          killed = true;
          die(workers.at(-1));
        };
        const again = await pie.embed(texts, { onProgress });
        const [{ label }] = await tagger.classify('Write a list of ideas for the garden');
        outcome.push(`${label} ${whole.data.every((value, index) => value === again.data[index])} ${workers.length}`);
      }
      return outcome;
    });
    assert.deepEqual(outcome, ['list true 2', 'list true 3', 'list true 4']);
    await left(page, 1);
  });

  test('a worker that closes itself, in mid-job or idle, is replaced', async () => {
    const page = await open();
    const bulk = page.evaluate(async () => (await pie.embed(texts)).dims[0]);
    await page.workers()[0].evaluate(() => self.close());
    assert.equal(await bulk, 96);
    await page.workers()[0].evaluate(() => self.close());
    await left(page, 0);
    assert.equal(await page.evaluate(async () => (await pie.embed('a')).length), 192);
  });

  test('what kills its worker twice fails with a code, and the next call has a new one', async () => {
    const page = await open();
    const { got, length } = await page.evaluate(async () => {
      const { postMessage } = Worker.prototype;
      Worker.prototype.postMessage = function (message, ...rest) {
        postMessage.call(this, message, ...rest);
        if (message.call) this.terminate();
      };
      const got = await pie.embed('a').catch(({ code }) => code);
      Worker.prototype.postMessage = postMessage;
      return { got, length: (await pie.embed('a')).length };
    });
    assert.deepEqual([got, length], ['worker_failed', 192]);
  });

  test('a worker that never answers is given up, in a page without locks too', async () => {
    const page = await open(undefined, here.address.replace('127.0.0.1', 'insecure.test'));
    assert.equal(await page.evaluate(() => typeof navigator.locks), 'undefined');
    await page.clock.install();
    await page.evaluate(() => {
      globalThis.length = pie.embed('a').then((vector) => vector.length);
      workers[0].terminate();
    });
    await page.clock.fastForward(70_000);
    assert.equal(await page.evaluate(() => length), 192);
    assert.equal(await page.evaluate(() => workers.length), 2);
  });

  test('a worker that cannot be loaded is worker_failed, and a retry works', async () => {
    const page = await here.blank();
    const load = () => page.evaluate(() => PieEmbedder.load().then((pie) => pie.dispose(), ({ code, message }) => `${code}: ${message}`));
    for (const [answer, message] of [
      [{ status: 404 }, /^worker_failed: .*worker\.js of this package could not be loaded/],
      [{ contentType: 'text/html', body: '<!doctype html>' }, /^worker_failed: .*worker\.js of this package could not be loaded/],
      [{ contentType: 'text/javascript', body: 'throw 1' }, /^worker_failed: .*Uncaught 1/],
    ]) {
      await page.route(SCRIPT, (route) => route.fulfill(answer));
      assert.match(await load(), message);
      await page.unroute(SCRIPT);
      assert.equal(await load(), undefined);
    }
  });

  test('a policy without workers is said in words; ./local needs none', async () => {
    const page = await here.under("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'none'");
    const load = (entry) => page.evaluate(async (entry) => {
      const { PieEmbedder } = await import(`/pkg/${entry}`);
      return PieEmbedder.load().then((pie) => pie.dispose(), ({ code, message }) => `${code}: ${message}`);
    }, entry);
    assert.match(await load('index.js'), /^worker_failed: .*worker-src/);
    assert.equal(await load('local.js'), undefined);
  });

  test('loads share a worker, and it ends with the last of them', async () => {
    const page = await open();
    await page.evaluate(async () => {
      globalThis.others = await Promise.all([PieEmbedder.load(), PieEmbedder.load()]);
      for (const other of others) await other.embed('a');
    });
    assert.equal(page.workers().length, 1);
    await page.evaluate(async () => {
      pie.dispose();
      pie.dispose();
      others[0].dispose();
      await others[1].embed('a');
    });
    assert.equal(page.workers().length, 1);
    await page.evaluate(() => others[1].dispose());
    await left(page, 0);
    assert.equal(await page.evaluate(async () => (pie = await PieEmbedder.load(), (await pie.embed('a')).length)), 192);
  });

  test('disposing in mid-job, or in mid-load, ends the worker', async () => {
    const page = await open();
    const codes = await page.evaluate(async () => {
      const calls = [pie.embed(texts), pie.embed('a'), pie.classify(texts)].map((call) => call.catch(({ code }) => code));
      pie.dispose();
      const stop = new AbortController();
      const load = PieEmbedder.load({ signal: stop.signal, onProgress: ({ phase }) => phase === 'compile' && setTimeout(() => stop.abort()) });
      return [...await Promise.all(calls), await load.catch(({ code }) => code)];
    });
    assert.deepEqual(codes, ['disposed', 'disposed', 'disposed', 'aborted']);
    await left(page, 0);
  });

  test('pool: n workers, all of them at work', async () => {
    const page = await open({ pool: 3 });
    const asked = await page.evaluate(async () => {
      await Promise.all(workers.map(({ started }) => started));
      await pie.embed(texts);
      return workers.map(({ asked }) => asked);
    });
    assert.ok(asked.length === 3 && asked.every((count) => count > 1), asked.join());
    assert.equal(asked.reduce((sum, count) => sum + count), 12);
    await page.evaluate(() => pie.dispose());
    await left(page, 0);
  });

  test('pool: the first worker does the work while the others start, and they join it', async () => {
    const page = await watched();
    const { alone, together, same } = await page.evaluate(async () => {
      const { postMessage } = Worker.prototype;
      const held = [];
      Worker.prototype.postMessage = function (message, ...rest) {
        if (message.start && this !== workers[0]) held.push(() => postMessage.call(this, message, ...rest));
        else postMessage.call(this, message, ...rest);
      };
      const pie = await PieEmbedder.load({ pool: 2 });
      const first = await pie.embed(texts);
      const alone = workers.map(({ asked }) => asked);
      while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      held[0]();
      await workers[1].started;
      const { data } = await pie.embed(texts);
      return { alone, together: workers.map(({ asked }) => asked), same: data.every((value, at) => value === first.data[at]) };
    });
    assert.deepEqual(alone, [12, 0]);
    assert.ok(together[0] > 12 && together[1] > 1, together.join());
    assert.ok(same, 'other vectors');
  });

  test('pool: a worker that does not start costs nothing, and is tried again with the next list', async () => {
    const page = await watched();
    const { rows, asked } = await page.evaluate(async () => {
      const Watched = Worker;
      globalThis.Worker = class extends Watched {
        constructor(script, options) {
          super([1, 2].includes(workers.length) ? new URL('/none.js', script) : script, options);
        }
      };
      const pie = await PieEmbedder.load({ pool: 2 });
      const rows = [(await pie.embed(texts)).dims[0]];
      while (workers.length < 3) rows.push((await pie.embed(texts)).dims[0]);
      // The second time it may still be on its way to fail.
      while (workers.length < 4) rows.push((await pie.embed(texts)).dims[0]);
      await workers[3].started;
      rows.push((await pie.embed(texts)).dims[0]);
      return { rows, asked: workers.map(({ asked }) => asked) };
    });
    assert.ok(rows.every((count) => count === 96), rows.join());
    assert.ok(asked[0] > 12 && asked[3] > 1, asked.join());
    assert.deepEqual(asked.slice(1, 3), [0, 0]);
  });

  test('pool: workers that all die, in mid-list or idle, are replaced', async () => {
    const page = await open({ pool: 3 });
    const outcome = await page.evaluate(async () => {
      await Promise.all(workers.map(({ started }) => started));
      const { data } = await pie.embed(texts);
      let killed = false;
      const onProgress = () => {
        if (!killed) for (const worker of workers) worker.terminate();
        killed = true;
      };
      const again = await pie.embed(texts, { onProgress });
      const outcome = [data.every((value, at) => value === again.data[at]), workers.length];
      await Promise.all(workers.slice(3).map(({ started }) => started));
      for (const worker of workers) worker.terminate();
      // Until the page knows of it: a call that is given to a second dead worker fails.
      while ((await navigator.locks.query()).held.length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
      return [...outcome, (await pie.embed('a')).length];
    });
    assert.deepEqual(outcome, [true, 6, 192]);
  });

  test('prompts go before lists, and lists are not starved by them', async () => {
    const page = await open();
    const order = await page.evaluate(async () => {
      const order = [];
      const list = (name) => pie.embed(texts.slice(0, 32), { onProgress: () => order.push(name) });
      const calls = [list('a'), list('b')];
      for (let index = 0; index < 20; index++) calls.push(pie.embed('Translate').then(() => order.push('.')));
      await Promise.all(calls);
      return order.join('');
    });
    // The piece under way, eight prompts, the next piece of a list, and so on; without prompts the lists take turns.
    assert.equal(order, 'a........a........b....ababb');
  });

  test('an index outlives its worker', async () => {
    const page = await open();
    const found = await page.evaluate(async () => {
      const index = pie.index();
      await index.add(texts.map((_, n) => n), texts);
      await index.search(texts[0]);
      await index.remove(95);
      const found = [];
      for (const query of [17, 94]) {
        workers.at(-1).terminate();
        found.push((await index.search(texts[query], 1))[0].id);
        await index.add('last', texts[query]);
      }
      return `${found} ${index.size} ${workers.length}`;
    });
    assert.equal(found, '17,94 96 3');
    await left(page, 1);
  });

  test('an index that is disposed is forgotten by the worker', async () => {
    const page = await here.blank();
    const wasmBytes = await here.wasmBytes(page);
    await page.evaluate(async () => {
      const pie = await PieEmbedder.load();
      const vectors = { data: new Float32Array(40_000 * 192).fill(0.1), dims: [40_000, 192] };
      const ids = Array.from({ length: 40_000 }, (_, n) => n);
      for (let round = 0; round < 6; round++) {
        const index = pie.index();
        await index.add(ids, vectors);
        await index.search('Write a poem', 1);
        index.dispose();
      }
    });
    const bytes = await wasmBytes();
    // Of 31 MB each.
    assert.ok(bytes > 31e6 && bytes < 200e6, `${bytes} bytes`);
  });

  /** Random vectors, of which every one is another's farthest: work for some seconds. */
  const hard = (page, rows) => page.evaluate((rows) => {
    const data = Float32Array.from({ length: rows * 384 }, (_, n) => Math.sin(n * n));
    globalThis.vectors = { data, dims: [rows, 384] };
  }, rows);

  test('prompts do not wait for work on vectors, which has a worker of its own and leaves none', async () => {
    const page = await open();
    await hard(page, 2000);
    const { order, most } = await page.evaluate(async () => {
      const order = [];
      const work = pie.select(vectors, { count: 200, method: 'facility-location' }).then(() => order.push('work'));
      for (let n = 0; n < 3; n++) await pie.embed('Translate').then(() => order.push('prompt'));
      const most = workers.length;
      await work;
      return { order, most };
    });
    assert.deepEqual([order, most], [['prompt', 'prompt', 'prompt', 'work'], 2]);
    await left(page, 1);
  });

  test('work on vectors ends with its signal, with its worker and with the embedder, and takes turns', async () => {
    const page = await open();
    await hard(page, 6000);
    const outcome = await page.evaluate(async () => {
      const code = (promise) => promise.then(() => 'none', ({ code }) => code);
      const stop = new AbortController();
      const long = (options) => code(pie.select(vectors, { count: 3000, method: 'facility-location', ...options }));
      const aborted = long({ signal: stop.signal });
      const killed = long();
      const rest = [long(), long(), long(), long()];
      while (workers.length < 5) await new Promise((resolve) => setTimeout(resolve, 10));
      const started = workers.length;
      stop.abort();
      // One that ends before its first word would be waited for.
      await workers[2].spoke;
      workers[2].terminate();
      const outcome = [started, await aborted, await killed];
      pie.dispose();
      return [...outcome, ...await Promise.all(rest)];
    });
    assert.deepEqual(outcome, [5, 'aborted', 'worker_failed', ...Array(4).fill('disposed')]);
    await left(page, 0);
  });

  test('the page keeps its thread to itself, and buffers are handed over', async () => {
    const page = await open();
    const { longestMs, kept } = await page.evaluate(async () => {
      let longestMs = 0;
      let last = performance.now();
      const timer = setInterval(() => {
        longestMs = Math.max(longestMs, performance.now() - last);
        last = performance.now();
      }, 1);
      const sizes = [];
      workers[0].addEventListener('message', ({ data }) => sizes.push(data.answer.data.buffer.byteLength));
      await pie.embed(['Write a poem about rain. '.repeat(2000), ...texts]);
      clearInterval(timer);
      return { longestMs, kept: sizes };
    });
    assert.ok(longestMs < 1000, `${longestMs} ms without a turn`);
    assert.deepEqual([kept[0], kept[1]], [192 * 4, 8 * 192 * 4]);
  });
});
