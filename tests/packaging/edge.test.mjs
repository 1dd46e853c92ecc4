// The package on the edge: bundled as Wrangler does it, and run by workerd.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PieEmbedder } from '../../pkg/dist/node.js';
import { readModel, readTaxonomy, shipped } from '../e2e/files.mjs';

const run = promisify(execFile);
const pkg = fileURLToPath(new URL('../../pkg/', import.meta.url));
const miniflare = await import('miniflare').catch(() => undefined);
const skip = miniflare ? false : 'miniflare is not installed: there is no workerd for this machine';
const TEXTS = ['Write a haiku about snow', 'Sort these numbers: 3, 1, 2'];

const IMPORTS = `import wasm from 'pie-embed-wasm/dist/wasm/pie_embed_wasm_bg.wasm';
import model from 'pie-embed-wasm/dist/models/${shipped.file}';
import taxonomy from 'pie-embed-wasm/dist/models/${shipped.taxonomy.file}';
`;
const OF_BYTES = 'PieEmbedder.load({ wasm, model, taxonomy })';
// A list of more texts than the engine does in one go is part of it.
const ANSWER = `const embedded = await pie.embed(texts);
const many = await pie.embed(Array.from({ length: 20 }, (_, index) => texts[index % texts.length] + ' ' + index));
return Response.json({ vectors: [...embedded.data], many: [...many.data], labels: (await pie.classify(texts, { topK: 1 })).map(([{ label }]) => label) });
`;
// `load` is an expression that may use the request's body, `texts`.
const worker = (entry, before, load) => `import { PieEmbedder, PieError } from '${entry}';
${before}
export default {
  async fetch(request) {
    const texts = await request.json();
    try {
      const pie = await ${load};
      ${ANSWER}
    } catch (error) {
      return Response.json({ typed: error instanceof PieError, code: error.code, message: error.message });
    }
  },
};
`;

describe('on the edge', () => {
  let root, pie, expected;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'pie-edge-'));
    await mkdir(join(root, 'node_modules'));
    await symlink(pkg, join(root, 'node_modules/pie-embed-wasm'));
    pie = await PieEmbedder.load();
    const many = await pie.embed(Array.from({ length: 20 }, (_, index) => `${TEXTS[index % TEXTS.length]} ${index}`));
    expected = {
      vectors: [...(await pie.embed(TEXTS)).data],
      many: [...many.data],
      labels: (await pie.classify(TEXTS, { topK: 1 })).map(([{ label }]) => label),
    };
  });
  after(async () => {
    pie?.dispose();
    await rm(root, { recursive: true, force: true });
  });

  /** One file of the source and the package's scripts; the other files stay imports. */
  async function bundle(source, conditions) {
    await writeFile(join(root, 'main.js'), source);
    const external = ['wasm', 'gguf', 'taxonomy'].map((ending) => `--external:*.${ending}`);
    const flags = ['--bundle', '--format=esm', '--log-level=error', `--conditions=${conditions}`, ...external];
    return (await run(join(pkg, 'node_modules/.bin/esbuild'), ['main.js', ...flags], { cwd: root, maxBuffer: 1 << 24 })).stdout;
  }

  /** Has workerd run it; `use` gets what asks it. `sendFile` answers what it fetches. */
  async function inWorkerd(source, { compatibilityDate = '2026-04-01', sendFile = () => new Response(null, { status: 404 }) }, use) {
    const data = (path, contents) => ({ type: 'Data', path: `pie-embed-wasm/dist/models/${path}`, contents });
    const wasm = ['wasm', 'wasm-relaxed'].map((folder) => `dist/${folder}/pie_embed_wasm_bg.wasm`);
    const server = new miniflare.Miniflare({
      host: '127.0.0.1', cf: false, compatibilityDate,
      outboundService: async ({ url }) => {
        const { status, body } = await sendFile(new URL(url).pathname.slice(1));
        return new miniflare.Response(body, { status });
      },
      modules: [
        { type: 'ESModule', path: 'main.js', contents: await bundle(source, 'workerd,worker,browser') },
        ...(await Promise.all(wasm.map(async (path) => ({ type: 'CompiledWasm', path: `pie-embed-wasm/${path}`, contents: await readFile(join(pkg, path)) })))),
        data(shipped.file, await readModel()),
        data(shipped.taxonomy.file, await readTaxonomy()),
      ],
    });
    try {
      await use(async (body) => (await server.dispatchFetch('http://localhost/', { method: 'POST', body: JSON.stringify(body) })).json());
    } finally {
      await server.dispose();
    }
  }

  function same(answer) {
    assert.deepEqual(answer.labels, expected.labels, answer.message);
    for (const list of ['vectors', 'many']) {
      assert.equal(answer[list].length, expected[list].length);
      const worst = answer[list].reduce((worst, value, index) => Math.max(worst, Math.abs(value - expected[list][index])), 0);
      assert.ok(worst <= 1e-6, `${list} are off by ${worst}`);
    }
  }

  // The earliest date that the recipe allows has no MessageChannel.
  for (const [entry, compatibilityDate] of [['pie-embed-wasm', '2026-04-01'], ['pie-embed-wasm/edge', '2026-04-01'], ['pie-embed-wasm/edge', '2025-05-05']]) {
    test(`${entry} in workerd of ${compatibilityDate} gives what Node gives`, { skip }, async () => {
      await inWorkerd(worker(entry, IMPORTS, OF_BYTES), { compatibilityDate }, async (ask) => same(await ask(TEXTS)));
    });
  }

  test('the engine with relaxed SIMD gives the same', { skip }, async () => {
    const imports = IMPORTS.replace('dist/wasm/', 'dist/wasm-relaxed/');
    await inWorkerd(worker('pie-embed-wasm/edge', imports, OF_BYTES), {}, async (ask) => same(await ask(TEXTS)));
  });

  for (const compatibilityDate of ['2026-04-01', '2025-05-05']) {
    test(`model and taxonomy are fetched in workerd of ${compatibilityDate}, by requests at the same time too`, { skip }, async () => {
      const sendFile = async (path) => ({ status: 200, body: path === shipped.file ? await readModel() : await readTaxonomy() });
      const load = `PieEmbedder.load({ wasm, model: 'https://files.example/${shipped.file}', taxonomy: 'https://files.example/${shipped.taxonomy.file}' })`;
      await inWorkerd(worker('pie-embed-wasm/edge', IMPORTS.split('\n', 1)[0], load), { compatibilityDate, sendFile }, async (ask) => {
        for (const answer of await Promise.all([1, 2, 3].map(() => ask(TEXTS)))) same(answer);
        same(await ask(TEXTS));
      });
    });
  }

  test('workerd says what is wrong with what it is given', { skip }, async () => {
    const cases = [
      ['{ wasm: new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]), model, taxonomy }', 'wasm_unsupported', /import .*\.wasm as a module/],
      ['', 'not_found', /give load\(\) the files/],
      ["{ wasm, model: './model.gguf' }", 'invalid_argument', /must be a URL/],
      ["{ wasm, model: 'https://files.example/none.gguf' }", 'not_found', /none\.gguf answered 404/],
    ];
    const loads = cases.map(([load]) => `() => PieEmbedder.load(${load})`);
    await inWorkerd(worker('pie-embed-wasm/edge', `${IMPORTS}const loads = [${loads}];`, 'loads[texts]()'), {}, async (ask) => {
      for (const [index, [, code, message]] of cases.entries()) {
        const answer = await ask(index);
        assert.deepEqual([answer.typed, answer.code], [true, code], answer.message);
        assert.match(answer.message, message);
      }
    });
  });

  test('the recipe tags a prompt', { skip }, async () => {
    const [, recipe] = (await readFile(join(pkg, 'RECIPES.md'), 'utf8')).match(/## Tag prompts on the edge\n.*?```js\n(.*?)```/s);
    await inWorkerd(recipe, {}, async (ask) => {
      for (const [row, text] of TEXTS.entries()) assert.equal((await ask(text))[0].label, expected.labels[row]);
    });
  });

  test("Vercel's edge runtime gets the same script by the main import", async () => {
    const source = (entry) => `export { PieEmbedder } from '${entry}';\n`;
    assert.equal(await bundle(source('pie-embed-wasm'), 'edge-light'), await bundle(source('pie-embed-wasm/edge'), 'edge-light'));
  });

  const deno = process.env.DENO_PATH;
  test('Deno needs no files to be given', { skip: deno && existsSync(deno) ? false : 'deno is not installed: ./build.sh test has it' }, async () => {
    await writeFile(join(root, 'deno.js'), `import { PieEmbedder } from 'pie-embed-wasm/edge';
const texts = ${JSON.stringify(TEXTS)};
const pie = await PieEmbedder.load();
console.log(await (async () => { ${ANSWER} })().then((response) => response.text()));
`);
    await writeFile(join(root, 'package.json'), '{ "type": "module" }');
    same(JSON.parse((await run(deno, ['run', '--allow-read', 'deno.js'], { cwd: root, maxBuffer: 1 << 24 })).stdout));
  });
});
