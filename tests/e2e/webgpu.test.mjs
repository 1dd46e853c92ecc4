// The GPU, which here is SwiftShader: that it gives the CPU's answers, and that whatever fails it, no text is lost. The encoder by itself is
// held to f32 in tests/web/gpu.rs.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { withBrowser } from './browser.mjs';
import { dist, shipped } from './files.mjs';

const SCRIPT = '**/pkg/gpu-worker.js';
// SwiftShader takes its time; these are three pieces of a list, and the first calls take one of them and two.
const texts = (await readFile(new URL('../fixtures/instructions.jsonl', import.meta.url), 'utf8'))
  .trim().split('\n').map((line) => JSON.parse(line).text).filter((text) => text.length <= 100).slice(0, 24);

describe('with a GPU', () => {
  const here = withBrowser(['--enable-unsafe-webgpu']);

  /** A page whose worker with the GPU runs `prelude` first. */
  async function open(prelude = '') {
    const page = await here.blank();
    page.setDefaultTimeout(0);
    const body = await readFile(new URL('gpu-worker.js', dist), 'utf8');
    await page.route(SCRIPT, (route) => route.fulfill({ contentType: 'text/javascript', body: `${body}\n${prelude}` }));
    await page.evaluate((texts) => {
      Object.assign(globalThis, { texts, told: [] });
      globalThis.loadOn = (device, files) => PieEmbedder.load({ device, onFallback: ({ code }) => told.push(code), ...files });
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
      // The worker with the GPU, for who would end it.
      globalThis.Worker = class extends Worker {
        constructor(...given) {
          super(...given);
          if (String(given[0]).includes('gpu-worker')) globalThis.gpuWorker = this;
        }
      };
    }, texts);
    return page;
  }

  /** Vectors by the GPU, whatever becomes of it, beside those by the CPU. */
  const both = (page) => page.evaluate(async () => {
    const [cpu, gpu] = [await loadOn('wasm'), await loadOn('webgpu')];
    const [a, b] = [await cpu.embed(texts), await gpu.embed(texts)];
    return {
      dims: b.dims, cosine: worstCosine(a, b), truncated: String(a.truncated) === String(b.truncated), device: gpu.info().device, told,
    };
  });

  // The bar of whole-number products, which the CPU's are.
  const isWhole = ({ cosine, ...rest }, device, told) => {
    assert.ok(cosine >= 0.985, `worst cosine ${cosine}`);
    assert.deepEqual(rest, { dims: [texts.length, 192], truncated: true, device, told });
  };

  test('vectors, tasks and all else are those of the CPU', async () => {
    const page = await open();
    const { same, ...rest } = await page.evaluate(async () => {
      const [cpu, gpu] = [await loadOn('wasm'), await loadOn('webgpu')];
      const top = async (pie) => (await pie.classify(texts)).map(([{ label }]) => label);
      const [c, d] = [await top(cpu), await top(gpu)];
      const labels = { poem: ['Write a poem'], list: ['Write a list of ideas'] };
      const [a, b] = [await cpu.tagger(labels), await gpu.tagger(labels)];
      const short = { dimensions: 64, prompt: 'pie', maxTokens: 40 };
      return {
        same: c.filter((label, at) => label === d[at]).length,
        tag: (await a.classify('A list of ten towns'))[0].label === (await b.classify('A list of ten towns'))[0].label,
        similarity: Math.abs((await cpu.similarity('a b', 'c d')) - (await gpu.similarity('a b', 'c d'))) < 2e-2,
        cosine: worstCosine(await cpu.embed(texts, short), await gpu.embed(texts, short)) >= 0.985,
        blank: await gpu.embed(['a', ' ']).catch(({ code }) => code),
        prompt: await gpu.embed('a', { prompt: 'no slot' }).catch(({ code }) => code),
        dimensions: await gpu.embed('a', { dimensions: 385 }).catch(({ code }) => code),
        device: gpu.info().device,
      };
    });
    // Where two tasks are level, a rounding decides.
    assert.ok(same >= texts.length - 1, `${same} of ${texts.length} have the same task`);
    assert.deepEqual(rest, {
      tag: true, similarity: true, cosine: true, blank: 'blank_text', prompt: 'invalid_prompt', dimensions: 'invalid_dimensions',
      device: 'webgpu',
    });
  });

  test('each view of a model that has two is that of the CPU', async () => {
    const page = await open();
    const body = await readFile(new URL('../fixtures/tiny/model-views.gguf', import.meta.url));
    await page.route('**/two-views.gguf', (route) => route.fulfill({ body }));
    const cosines = await page.evaluate(async () => {
      const files = { model: new URL('/two-views.gguf', location.href), taxonomy: null };
      const [cpu, gpu] = [await loadOn('wasm', files), await loadOn('webgpu', files)];
      const cosines = {};
      for (const options of [{}, { view: 'meaning' }, { view: 'both', mix: 0.3 }, { view: 'both', dimensions: 24 }]) {
        cosines[JSON.stringify(options)] = worstCosine(await cpu.embed(texts, options), await gpu.embed(texts, options));
      }
      const [a, b] = [cpu.index({ view: 'both' }), gpu.index({ view: 'both' })];
      await Promise.all([a, b].map((index) => index.add(texts, texts)));
      const [[{ score }], [other]] = [await a.search('a b', 1), await b.search('a b', 1)];
      return { ...cosines, search: 1 - Math.abs(score - other.score) };
    });
    for (const [what, cosine] of Object.entries(cosines)) assert.ok(cosine >= 0.98, `${what}: ${cosine}`);
  });

  // What happens to the device in `method` once so many submissions have been made: one is made while loading.
  const after = (submissions, prototype, method, event) => `{
    const { requestDevice } = GPUAdapter.prototype, { submit: counted } = GPUQueue.prototype;
    let device, submitted = 0, over = false;
    GPUAdapter.prototype.requestDevice = async function (wish) { return (device = await requestDevice.call(this, wish)); };
    GPUQueue.prototype.submit = function (...given) { submitted++; return counted.apply(this, given); };
    const { ${method} } = ${prototype}.prototype;
    ${prototype}.prototype.${method} = function (...given) {
      const done = ${method}.apply(this, given);
      if (!over && submitted === ${submissions}) { over = true; ${event}; }
      return done;
    };
  }`;
  const LOST = 'device.destroy()';
  const FULL = "device.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error: new GPUOutOfMemoryError('full') }))";

  for (const [what, prelude] of Object.entries({
    'a device lost at the upload of a batch': after(2, 'GPUQueue', 'writeBuffer', LOST),
    'a device lost at a submission': after(3, 'GPUQueue', 'submit', LOST),
    'a device lost at the wait for it': after(3, 'GPUQueue', 'onSubmittedWorkDone', LOST),
    'a device lost at the readback': after(3, 'GPUBuffer', 'mapAsync', LOST),
    'a device that runs out of memory': after(2, 'GPUQueue', 'writeBuffer', FULL),
  })) {
    test(`${what} loses no text`, async () => {
      const page = await open(prelude);
      isWhole(await both(page), 'wasm', ['gpu_failed']);
    });
  }

  const inShaders = (from, to) => `{ const { createShaderModule } = GPUDevice.prototype;
    GPUDevice.prototype.createShaderModule = function ({ code, ...rest }) {
      return createShaderModule.call(this, { code: code.replace(${JSON.stringify(from)}, ${JSON.stringify(to)}), ...rest }); }; }`;

  for (const [what, code, prelude] of [
    ['is lost while the model is uploaded', 'gpu_failed', after(0, 'GPUQueue', 'writeBuffer', LOST)],
    ['is lost while pipelines are made', 'gpu_failed', after(0, 'GPUDevice', 'createComputePipeline', LOST)],
    ['refuses the shaders', 'gpu_failed', inShaders('fn main', 'fn niam')],
    ['computes something else', 'gpu_failed', inShaders('total / f32(pooled)', 'f32(d)')],
    ['refuses the limits', 'no_webgpu',
      "GPUAdapter.prototype.requestDevice = async () => { throw new DOMException('no', 'OperationError'); };"],
    ['has room for no text', 'no_webgpu',
      "Object.defineProperty(GPUSupportedLimits.prototype, 'maxStorageBufferBindingSize', { get: () => 65_536 });"],
  ]) {
    test(`a device that ${what} is told of: by the error, or by the callback`, async () => {
      const page = await open(prelude);
      const outcome = await page.evaluate(async () => {
        const asked = await loadOn('webgpu').catch(({ code }) => code);
        const pie = await loadOn('auto');
        for (let tries = 0; told.length === 0 && tries < 1200; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
        return { asked, told, dims: (await pie.embed(texts)).dims };
      });
      assert.deepEqual(outcome, { asked: code, told: [code], dims: [texts.length, 192] });
    });
  }

  for (const [what, prelude] of [
    ['be found', 'GPU.prototype.requestAdapter = () => new Promise(() => {});'],
    ['prove itself', 'GPUQueue.prototype.onSubmittedWorkDone = () => new Promise(() => {});'],
  ]) {
    test(`a GPU that is slow to ${what} keeps nobody waiting for the files`, async () => {
      const page = await open(prelude);
      const outcome = await page.evaluate(async () => {
        const load = loadOn('webgpu').catch(({ code }) => code);
        while (!globalThis.gpuWorker) await new Promise((resolve) => setTimeout(resolve, 10));
        await new Promise((resolve) => gpuWorker.addEventListener('message', resolve));
        const { length } = await (await loadOn('wasm')).embed('a');
        gpuWorker.dispatchEvent(new ErrorEvent('error', { message: 'enough' }));
        return { length, code: await load };
      });
      assert.deepEqual(outcome, { length: 192, code: 'worker_failed' });
    });
  }

  test('a worker that is ended in mid-batch loses no text', async () => {
    const page = await open();
    const outcome = await page.evaluate(async () => {
      const pie = await loadOn('webgpu');
      const all = pie.embed(texts);
      setTimeout(() => gpuWorker.terminate(), 20);
      return { dims: (await all).dims, told, device: pie.info().device };
    });
    assert.deepEqual(outcome, { dims: [texts.length, 192], told: ['worker_failed'], device: 'wasm' });
  });

  test('the smallest limits that there are will do', async () => {
    const page = await open('{ const { requestDevice } = GPUAdapter.prototype; GPUAdapter.prototype.requestDevice = function () {'
      + ' return requestDevice.call(this); }; }');
    isWhole(await both(page), 'webgpu', []);
  });

  test('where the adapter is NVIDIA\'s, bytes are multiplied, as natively', async () => {
    const page = await open(`Object.defineProperty(GPUAdapter.prototype, 'info', { get: () => ({ vendor: 'nvidia', description: '' }) });
      globalThis.packed = 0;
      { const { createShaderModule } = GPUDevice.prototype; GPUDevice.prototype.createShaderModule = function (given) {
        if (given.code.includes('dot4I8Packed')) packed++;
        return createShaderModule.call(this, given); }; }`);
    const cosine = await page.evaluate(async () => {
      const [cpu, gpu] = [await loadOn('wasm'), await loadOn('webgpu')];
      const few = texts.slice(0, 2);
      return worstCosine(await cpu.embed(few), await gpu.embed(few));
    });
    assert.ok(cosine >= 0.985, `worst cosine ${cosine}`);
    const worker = page.workers().find((worker) => worker.url().endsWith('gpu-worker.js'));
    assert.ok((await worker.evaluate(() => packed)) > 0);
  });

  test('auto measures once, and loses nothing either way', async () => {
    const page = await open();
    const outcome = await page.evaluate(async () => {
      const pie = await loadOn('auto');
      const probed = async () => (await (await caches.open('pie-embed-wasm')).keys()).filter(({ url }) => /webgpu.*swiftshader/.test(url)).length;
      for (let tries = 0; (await probed()) === 0 && tries < 2400; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
      return { probed: await probed(), dims: (await pie.embed([...texts, ...texts])).dims, told };
    });
    assert.deepEqual(outcome, { probed: 1, dims: [2 * texts.length, 192], told: [] });
  });

  test('disposing in mid-batch ends the workers', async () => {
    const page = await open();
    const code = await page.evaluate(async () => {
      const pie = await loadOn('webgpu');
      const all = pie.embed(texts).catch(({ code }) => code);
      setTimeout(() => pie.dispose(), 20);
      return all;
    });
    assert.equal(code, 'disposed');
    for (let tries = 0; page.workers().length > 0 && tries < 1500; tries++) await page.waitForTimeout(20);
    assert.equal(page.workers().length, 0);
  });

  test('a worker of one\'s own has it by the main entry; by ./local it is refused with a code, or told of', async () => {
    const page = await here.blank();
    page.setDefaultTimeout(0);
    await page.route('**/own.js', (route) => route.fulfill({ contentType: 'text/javascript', body: `
      onmessage = async ({ data: { entry, device } }) => {
        const { PieEmbedder } = await import('/pkg/' + entry);
        const told = [];
        const load = PieEmbedder.load({ device, onFallback: ({ code }) => told.push(code) });
        postMessage(await load.then(async (pie) => [(await pie.embed('a')).length, pie.info().device, told], ({ code }) => code));
      };` }));
    const outcome = (entry, device) => page.evaluate(([entry, device]) => new Promise((resolve) => {
      const worker = new Worker('/own.js', { type: 'module' });
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage({ entry, device });
    }), [entry, device]);
    assert.deepEqual(await outcome('index.js', 'webgpu'), [192, 'webgpu', []]);
    assert.equal(await outcome('local.js', 'webgpu'), 'no_webgpu');
    assert.deepEqual(await outcome('local.js', 'auto'), [192, 'wasm', ['no_webgpu']]);
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

  test('the demo page measures it beside the CPU', async () => {
    const page = await here.demo();
    page.setDefaultTimeout(240_000);
    await page.goto(here.address);
    await page.locator('#measure-go:enabled').click();
    await page.getByText('instructions a second, as a list').nth(1).waitFor();
    assert.match((await page.locator('.measured-row h3').allInnerTexts())[1], /WebGPU/);
    const figures = await page.locator('.measured-figure strong').allInnerTexts();
    assert.equal(figures.length, 4);
    assert.ok(figures.every((figure) => Number(figure.replace(/\D/g, '')) > 0), String(figures));
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
    assert.deepEqual(outcome, { asked: 'no_webgpu', wrong: 'invalid_argument', told: ['no_webgpu'], length: 192, device: 'wasm' });
  });

  test('who asks for the CPU loads nothing of the GPU', async () => {
    const page = await here.blank();
    await page.evaluate(async () => (await PieEmbedder.load()).dispose());
    assert.deepEqual(page.requests.filter((url) => /gpu/.test(url)), []);
  });
});
