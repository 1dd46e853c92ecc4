// The GPU, which here is SwiftShader: that it gives the CPU's answers, and that whatever fails it, no text is lost. Not among the tests that
// always run, since SwiftShader takes longer for a list than a worker is given: `cd tests && node --test --test-concurrency=1 e2e/webgpu.mjs`.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { withBrowser } from './browser.mjs';
import { dist, shipped } from './files.mjs';

const SCRIPT = '**/pkg/gpu-worker.js';
const texts = (await readFile(new URL('../fixtures/instructions.jsonl', import.meta.url), 'utf8'))
  .trim().split('\n').map((line) => JSON.parse(line).text);

describe('with a GPU', () => {
  const here = withBrowser(['--enable-unsafe-webgpu']);

  /** A page whose worker with the GPU runs `prelude` first. */
  async function open(prelude = '') {
    const page = await here.blank();
    const body = await readFile(new URL('gpu-worker.js', dist), 'utf8');
    await page.route(SCRIPT, (route) => route.fulfill({ contentType: 'text/javascript', body: `${body}\n${prelude}` }));
    await page.evaluate((texts) => {
      globalThis.texts = texts;
      globalThis.told = [];
      globalThis.loadOn = (device) => PieEmbedder.load({ device, onFallback: ({ code }) => told.push(code) });
      globalThis.worstCosine = (a, b) => {
        const [rows, width] = a.dims;
        let worst = 1;
        for (let row = 0; row < rows; row++) {
          let [ab, aa, bb] = [0, 0, 0];
          for (let at = row * width; at < (row + 1) * width; at++) {
            ab += a.data[at] * b.data[at];
            aa += a.data[at] ** 2;
            bb += b.data[at] ** 2;
          }
          worst = Math.min(worst, ab / Math.sqrt(aa * bb));
        }
        return worst;
      };
    }, texts);
    return page;
  }

  /** Vectors and tasks by the GPU, whatever becomes of it, beside those by the CPU. */
  const both = (page) => page.evaluate(async () => {
    const [cpu, gpu] = [await loadOn('wasm'), await loadOn('webgpu')];
    const [a, b] = [await cpu.embed(texts), await gpu.embed(texts)];
    const top = async (pie) => (await pie.classify(texts)).map(([{ label }]) => label);
    const [c, d] = [await top(cpu), await top(gpu)];
    return {
      dims: b.dims, cosine: worstCosine(a, b), same: c.filter((label, at) => label === d[at]).length,
      truncated: String(a.truncated) === String(b.truncated), device: gpu.info().device, told,
    };
  });

  test('vectors and tasks are those of the CPU', async () => {
    const page = await open();
    const { cosine, same, ...rest } = await both(page);
    assert.ok(cosine >= 0.999, `worst cosine ${cosine}`);
    assert.ok(same >= texts.length - 1, `${same} of ${texts.length} have the same task`);
    assert.deepEqual(rest, { dims: [texts.length, 384], truncated: true, device: 'webgpu', told: [] });
    const others = await page.evaluate(async () => {
      const [cpu, gpu] = [await loadOn('wasm'), await loadOn('webgpu')];
      const labels = { poem: ['Write a poem'], list: ['Write a list of ideas'] };
      const [a, b] = [await cpu.tagger(labels), await gpu.tagger(labels)];
      const short = { dimensions: 64, prompt: 'pie', maxTokens: 40 };
      return {
        tag: (await a.classify('A list of ten towns'))[0].label === (await b.classify('A list of ten towns'))[0].label,
        similarity: Math.abs((await cpu.similarity('a b', 'c d')) - (await gpu.similarity('a b', 'c d'))) < 1e-3,
        cosine: worstCosine(await cpu.embed(texts, short), await gpu.embed(texts, short)) >= 0.999,
        blank: await gpu.embed(['a', ' ']).catch(({ code }) => code),
        prompt: await gpu.embed('a', { prompt: 'no slot' }).catch(({ code }) => code),
        dimensions: await gpu.embed('a', { dimensions: 385 }).catch(({ code }) => code),
      };
    });
    assert.deepEqual(others, {
      tag: true, similarity: true, cosine: true, blank: 'blank_text', prompt: 'invalid_prompt', dimensions: 'invalid_dimensions',
    });
  });

  const LOST = 'const { requestDevice } = GPUAdapter.prototype; GPUAdapter.prototype.requestDevice = async function (wish) {'
    + ' return (globalThis.device = await requestDevice.call(this, wish)); };';
  const losing = (prototype, method, times) => `${LOST} { const { ${method} } = ${prototype}.prototype; let left = ${times};`
    + ` ${prototype}.prototype.${method} = function (...given) { const done = ${method}.apply(this, given);`
    + ' if (left-- === 0) device.destroy(); return done; }; }';

  for (const [stage, prelude] of Object.entries({
    'upload of a batch': losing('GPUQueue', 'writeBuffer', 400),
    'submission': losing('GPUQueue', 'submit', 1),
    'readback': losing('GPUBuffer', 'mapAsync', 1),
  })) {
    test(`a device lost at the ${stage} loses no text`, async () => {
      const page = await open(prelude);
      const { cosine, told, dims, device } = await both(page);
      assert.ok(cosine >= 0.999, `worst cosine ${cosine}`);
      assert.deepEqual({ told, dims, device }, { told: ['gpu_failed'], dims: [texts.length, 384], device: 'wasm' });
    });
  }

  test('a worker that ends in mid-batch loses no text', async () => {
    const page = await open();
    const outcome = await page.evaluate(async () => {
      globalThis.Worker = class extends Worker {
        constructor(...given) {
          super(...given);
          if (String(given[0]).includes('gpu-worker')) globalThis.worker = this;
        }
      };
      const pie = await loadOn('webgpu');
      const all = pie.embed(texts);
      setTimeout(() => worker.dispatchEvent(new ErrorEvent('error', { message: 'out of memory' })), 5);
      return { dims: (await all).dims, told, device: pie.info().device };
    });
    assert.deepEqual(outcome, { dims: [texts.length, 384], told: ['worker_failed'], device: 'wasm' });
  });

  test('a device that cannot be set up is told of: by the error, or by the callback', async () => {
    const page = await open(losing('GPUDevice', 'createComputePipeline', 2));
    const outcome = await page.evaluate(async () => {
      const asked = await loadOn('webgpu').catch(({ code }) => code);
      const pie = await loadOn('auto');
      for (let tries = 0; told.length === 0 && tries < 600; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
      return { asked, told, dims: (await pie.embed(texts)).dims };
    });
    assert.deepEqual(outcome, { asked: 'gpu_failed', told: ['gpu_failed'], dims: [texts.length, 384] });
  });

  test('the smallest limits that there are will do', async () => {
    const page = await open('const { requestDevice } = GPUAdapter.prototype; GPUAdapter.prototype.requestDevice = function () {'
      + ' return requestDevice.call(this); };');
    const { cosine, device } = await both(page);
    assert.ok(cosine >= 0.999 && device === 'webgpu', `${device}: worst cosine ${cosine}`);
  });

  test('auto measures once, and loses nothing either way', async () => {
    const page = await open();
    const outcome = await page.evaluate(async () => {
      const pie = await loadOn('auto');
      const probed = async () => (await (await caches.open('pie-embed-wasm')).keys()).filter(({ url }) => url.includes('webgpu')).length;
      for (let tries = 0; (await probed()) === 0 && tries < 1200; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
      return { probed: await probed(), dims: (await pie.embed([...texts, ...texts])).dims, told };
    });
    assert.deepEqual(outcome, { probed: 1, dims: [2 * texts.length, 384], told: [] });
  });

  test('disposing in mid-batch ends the workers', async () => {
    const page = await open();
    const code = await page.evaluate(async () => {
      const pie = await loadOn('webgpu');
      const all = pie.embed(texts).catch(({ code }) => code);
      pie.dispose();
      return all;
    });
    assert.equal(code, 'disposed');
    for (let tries = 0; page.workers().length > 0 && tries < 100; tries++) await page.waitForTimeout(20);
    assert.equal(page.workers().length, 0);
  });

  test('two embedders of two models have a GPU each', async () => {
    const page = await open();
    const cosine = await page.evaluate(async (file) => {
      const bytes = await (await fetch(`/pkg/models/${file}`)).arrayBuffer();
      const [a, b] = await Promise.all([loadOn('webgpu'), PieEmbedder.load({ device: 'webgpu', model: bytes })]);
      const [x, y] = await Promise.all([a.embed(texts), b.embed(texts)]);
      return worstCosine(x, y);
    }, shipped.file);
    assert.ok(cosine >= 0.99999, `worst cosine ${cosine}`);
  });
});

describe('without a GPU', () => {
  const here = withBrowser();

  test('webgpu is refused with a code, auto goes on with the CPU and says so once', async () => {
    const page = await here.blank();
    const outcome = await page.evaluate(async () => {
      const told = [];
      const asked = await PieEmbedder.load({ device: 'webgpu' }).catch(({ code }) => code);
      const pie = await PieEmbedder.load({ device: 'auto', onFallback: ({ code }) => told.push(code) });
      const wrong = await PieEmbedder.load({ device: 'gpu' }).catch(({ code }) => code);
      for (let tries = 0; told.length === 0 && tries < 200; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
      return { asked, wrong, told, length: (await pie.embed('a')).length, device: pie.info().device };
    });
    assert.deepEqual(outcome, { asked: 'no_webgpu', wrong: 'invalid_argument', told: ['no_webgpu'], length: 384, device: 'wasm' });
  });

  test('who asks for the CPU loads nothing of the GPU', async () => {
    const page = await here.blank();
    await page.evaluate(async () => (await PieEmbedder.load()).dispose());
    assert.deepEqual(page.requests.filter((url) => /gpu/.test(url)), []);
  });
});
