// Which of the engine's files is taken where, and that it makes no difference to the numbers.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { PieEmbedder } from '../../pkg/dist/node.js';
import { withBrowser } from './browser.mjs';

const PLAIN = 'pkg/wasm/pie_embed_wasm_bg.wasm';
const RELAXED = 'pkg/wasm-relaxed/pie_embed_wasm_bg.wasm';
const TEXTS = (await readFile(new URL('../fixtures/mixed-instructions.txt', import.meta.url), 'utf8')).split('\n').filter(Boolean);

describe('relaxed SIMD', () => {
  const here = withBrowser();

  async function load(page, options = {}) {
    const { simd, data } = await page.evaluate(async ([options, texts]) => {
      const pie = await PieEmbedder.load(options);
      const { data } = await pie.embed(texts);
      const { simd } = pie.info();
      pie.dispose();
      return { simd, data: [...data] };
    }, [options, TEXTS]);
    return { simd, data: Float32Array.from(data), fetched: page.requests.filter((url) => url.endsWith('.wasm')).map((url) => url.replace(here.address, '')) };
  }

  test('a browser that has it right gets the file that uses it, alone', async () => {
    const { simd, fetched } = await load(await here.blank());
    assert.deepEqual([simd, fetched], ['relaxed-simd', [RELAXED]]);
  });

  for (const [what, lack] of [
    ['lacks it', () => {
      const construct = () => { throw new WebAssembly.CompileError('simd opcode not available'); };
      WebAssembly.Module = new Proxy(WebAssembly.Module, { construct });
    }],
    ['has it wrong', () => (WebAssembly.Instance = class { exports = { right: () => 0 }; })],
  ]) {
    test(`a browser that ${what} gets the other one, alone`, async () => {
      const page = await here.blank();
      await page.evaluate(lack);
      const { simd, fetched } = await load(page);
      assert.deepEqual([simd, fetched], ['simd128', [PLAIN]]);
    });
  }

  test('both give the same numbers as Node, to the bit', async () => {
    const pie = await PieEmbedder.load();
    assert.equal(pie.info().simd, 'simd128');
    const { data } = await pie.embed(TEXTS);
    pie.dispose();
    for (const [wasm, name] of [[PLAIN, 'simd128'], [RELAXED, 'relaxed-simd']]) {
      const page = await here.blank();
      const there = await load(page, { wasm: `/${wasm}` });
      assert.equal(there.simd, name);
      assert.deepEqual(Buffer.from(there.data.buffer), Buffer.from(data.buffer), name);
    }
  });

  test('an engine whose product is wrong is found out by running it: Node 20 behind its flag', async () => {
    const script = `import { PieEmbedder } from ${JSON.stringify(new URL('../../pkg/dist/node.js', import.meta.url).href)};
      console.log((await PieEmbedder.load()).info().simd);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--experimental-wasm-relaxed-simd', '--input-type=module', '-e', script]);
    // Later versions of Node have it right.
    assert.equal(stdout.trim(), process.version.startsWith('v20.') ? 'simd128' : 'relaxed-simd');
  });
});
