// npm pack -> install -> run: what a stranger gets, in Node, in TypeScript and in a page that Vite or webpack builds.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as vite from 'vite';
import webpack from 'webpack';
import { launch } from '../e2e/browser.mjs';
import { shipped } from '../e2e/files.mjs';

const run = promisify(execFile);
const pkg = fileURLToPath(new URL('../../pkg/', import.meta.url));
// What the adapters are for, as installed for these tests.
const FRAMEWORKS = ['@langchain/classic', '@langchain/core', 'ai', 'openai'];
const INSTRUCTION = 'Write a haiku about snow';
const budget = JSON.parse(await readFile(new URL('../../tools/size-budget.json', import.meta.url), 'utf8'));

describe('the package', () => {
  let folder, packed, multi;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pie-packaging-'));
    packed = await pack(pkg);
    multi = await pack(join(pkg, 'multi'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function pack(cwd) {
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd, maxBuffer: 1 << 24 });
    const said = JSON.parse(stdout);
    return Array.isArray(said) ? said[0] : Object.values(said)[0];
  }

  /** A fresh project with the tarballs installed. */
  async function project(name, files, tarballs = [packed]) {
    const root = join(folder, name);
    await mkdir(root);
    await writeFile(join(root, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
    for (const [path, text] of Object.entries(files)) await writeFile(join(root, path), text);
    const paths = tarballs.map(({ filename }) => join(folder, filename));
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...paths], { cwd: root });
    return root;
  }

  /** Checks main.ts as a bundler and as Node resolve it. */
  async function checkTypes(root, ...flags) {
    const tsc = join(pkg, 'node_modules/.bin/tsc');
    for (const [module, resolution] of [['ESNext', 'bundler'], ['NodeNext', 'nodenext']]) {
      const how = ['--noEmit', '--strict', '--target', 'ES2022', '--lib', 'ES2022,DOM', '--types', '', '--module', module, '--moduleResolution', resolution];
      await run(tsc, [...how, ...flags, 'main.ts'], { cwd: root }).catch(({ stdout }) => assert.fail(`${resolution}: ${stdout}`));
    }
  }

  async function addFrameworks(root) {
    for (const name of FRAMEWORKS) {
      const place = join(root, 'node_modules', name);
      await mkdir(dirname(place), { recursive: true });
      await symlink(fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url)), place);
    }
  }

  test('it holds the built files, the model and the licences, and nothing else', (t) => {
    const sizes = packed.files.map(({ path, size }) => `${String(size).padStart(10)}  ${path}`);
    t.diagnostic(`${packed.filename}: ${packed.size} bytes packed, ${packed.unpackedSize} unpacked`);
    for (const line of sizes) t.diagnostic(line);
    const paths = packed.files.map(({ path }) => path);
    for (const path of [
      'package.json', 'README.md', 'RECIPES.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'dist/node.js', 'dist/node.d.ts',
      'dist/local.js', 'dist/local.d.ts', 'dist/edge.js', 'dist/edge.d.ts', 'dist/remote.js', 'dist/remote.d.ts', 'dist/worker.js', 'dist/gpu-worker.js', 'dist/models/manifest.json',
      'dist/langchain.js', 'dist/langchain.d.ts', 'dist/ai-sdk.js', 'dist/ai-sdk.d.ts', 'dist/openai.js', 'dist/openai.d.ts',
      'dist/wasm/pie_embed_wasm_bg.wasm', 'dist/wasm-relaxed/pie_embed_wasm_bg.wasm', 'dist/wasm-gpu/pie_embed_wasm_gpu_bg.wasm',
      'dist/NOTICES.txt', 'dist/models/LICENSE', `dist/models/${shipped.file}`, `dist/models/${shipped.taxonomy.file}`,
    ]) {
      assert.ok(paths.includes(path), `${path} is missing`);
    }
    const strays = paths.filter((path) => !/^(package\.json|(README|RECIPES)\.md|LICENSE[^/]*|dist\/((models\/)?[\w.-]+|wasm(-relaxed|-gpu)?\/\w+\.wasm))$/.test(path));
    assert.deepEqual(strays, []);
    assert.deepEqual(paths.filter((path) => /(^|\/)\.|\.ts$/.test(path) && !path.endsWith('.d.ts')), []);
    assert.equal(packed.files.find(({ path }) => path === `dist/models/${shipped.file}`).size, shipped.bytes);
    const had = { packed: packed.size, unpacked: packed.unpackedSize, files: packed.files.length };
    for (const [what, most] of Object.entries(budget.package)) assert.ok(had[what] <= most, `${what}: ${had[what]}, over its budget of ${most}`);
  });

  test('it names the licence of the code and that of the model, and has the notices of what is compiled in', async () => {
    const { license } = JSON.parse(await readFile(join(pkg, 'package.json'), 'utf8'));
    const terms = [...new Set(['Apache-2.0', shipped.license])];
    assert.equal(license, terms.join(' AND '), 'package.json has the licences of the code and of the shipped model');
    const lock = JSON.parse(await readFile(join(pkg, 'package-lock.json'), 'utf8'));
    assert.equal(lock.packages[''].license, license);
    const notices = await readFile(join(pkg, 'dist/NOTICES.txt'), 'utf8');
    // Of the engine, of the GPU's encoder, of both; and none of what runs while they compile, or of the command line.
    for (const crate of ['tokenizers', 'wgpu', 'wasm-bindgen', 'memchr']) assert.match(notices, new RegExp(`^${crate} \\d[^\n]*\nLicence: `, 'm'));
    for (const crate of ['serde_derive', 'syn', 'clap', 'proptest']) assert.doesNotMatch(notices, new RegExp(`^${crate} \\d`, 'm'));
    assert.match(notices, /Permission is hereby granted, free of charge/);
    assert.match(notices, /Apache License\s+Version 2\.0/);
    assert.match(notices, /The standard library of Rust/);
  });

  test('it depends on nothing; the package of the multilingual model is optional', async () => {
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(await readFile(join(pkg, 'package.json'), 'utf8'));
    assert.deepEqual([dependencies, optionalDependencies], [undefined, undefined]);
    assert.deepEqual(Object.keys(peerDependencies), ['pie-embed-wasm-multi']);
    assert.deepEqual(peerDependenciesMeta, { 'pie-embed-wasm-multi': { optional: true } });
  });

  test('the package of the multilingual model holds its files, and no code but their addresses', async () => {
    const paths = multi.files.map(({ path }) => path).sort();
    assert.deepEqual(paths, [
      'LICENSE', 'README.md', 'dist/LICENSE', 'dist/index.d.ts', 'dist/index.js', 'dist/manifest.json', 'dist/pie-multi.gguf', 'dist/pie-multi.taxonomy',
      'package.json',
    ]);
    const { models: [model] } = JSON.parse(await readFile(join(pkg, 'multi/dist/manifest.json'), 'utf8'));
    assert.equal(multi.files.find(({ path }) => path === 'dist/pie-multi.gguf').size, model.bytes);
    assert.equal(JSON.parse(await readFile(join(pkg, 'multi/package.json'), 'utf8')).license, model.license);
    assert.ok(multi.size <= budget.multi.packed, `${multi.size} bytes packed, over the budget of ${budget.multi.packed}`);
  });

  test('Node loads it by its name, and says what to do where it is missing or of another version', async () => {
    const tag = `import { PieEmbedder } from 'pie-embed-wasm';
try {
  const pie = await PieEmbedder.load({ model: 'multi' });
  console.log((await pie.classify('Escribe un poema sobre la nieve'))[0].label);
  pie.dispose();
} catch (error) {
  console.log(error.code, error.message);
}
`;
    const printed = async (root) => (await run(process.execPath, ['tag.js'], { cwd: root })).stdout;
    const without = await project('without-multi', {
      'tag.js': tag,
      // A second rejection without a handler would end the process.
      'wrong.js': tag.replace("'multi' }", "'multi', taxonomy: 5 }"),
    });
    assert.match(await printed(without), /^not_found .*npm install pie-embed-wasm-multi/);
    assert.match((await run(process.execPath, ['wrong.js'], { cwd: without })).stdout, /^invalid_argument /);
    const root = await project('with-multi', { 'tag.js': tag }, [packed, multi]);
    assert.equal(await printed(root), 'write-poem\n');
    const index = join(root, 'node_modules/pie-embed-wasm-multi/dist/index.js');
    await writeFile(index, (await readFile(index, 'utf8')).replace(/version = '[^']*'/, "version = '7.1.0'"));
    assert.match(await printed(root), /^model_unsupported .*"7\.1\.0", pie-embed-wasm has \d.*: install pie-embed-wasm-multi@\d/);
  });

  test('a Node script tags an instruction, from any folder', async () => {
    const root = await project('in-node', {
      'tag.js': `import { PieEmbedder, PieError } from 'pie-embed-wasm';
const pie = await PieEmbedder.load();
const [best] = await pie.classify(${JSON.stringify(INSTRUCTION)});
console.log(JSON.stringify({ best, url: import.meta.resolve('pie-embed-wasm/dist/wasm/pie_embed_wasm_bg.wasm'), error: await pie.embed('').catch((e) => e instanceof PieError && e.code) }));
pie.dispose();
`,
    });
    const { stdout, stderr } = await run(process.execPath, [join(root, 'tag.js')], { cwd: tmpdir() });
    const { best, url, error } = JSON.parse(stdout);
    assert.match(best.label, /haiku|poem/);
    assert.match(url, /pie_embed_wasm_bg\.wasm$/);
    assert.equal(error, 'blank_text');
    assert.equal(stderr, '');
  });

  for (const [name, command, args] of [
    ['deno', process.env.DENO_PATH, ['run', '--allow-read', '--allow-net=127.0.0.1']],
    ['bun', fileURLToPath(new URL('../node_modules/.bin/bun', import.meta.url)), ['run']],
  ]) {
    const skip = command && existsSync(command) ? false : `${name} is not installed: ./build.sh test has it where there is a build for the machine`;
    test(`${name} tags an instruction`, { skip }, async () => {
      const root = await project(`in-${name}`, {
        'tag.js': `import { PieEmbedder } from 'pie-embed-wasm';
const pie = await PieEmbedder.load();
const index = pie.index();
await index.add(['poem', 'sort'], ['Write a poem about rain', 'Sort these numbers']);
const [[best], [found]] = [await pie.classify(${JSON.stringify(INSTRUCTION)}), await index.search('Compose verses')];
console.log(JSON.stringify({ label: best.label, id: found.id, rows: await pie.select(['a', 'b', 'c'], { count: 3 }) }));
pie.dispose();
`,
      });
      const { stdout } = await run(command, [...args, 'tag.js'], { cwd: root });
      const { label, id, rows } = JSON.parse(stdout);
      assert.match(label, /haiku|poem/);
      assert.deepEqual([id, rows.sort().join()], ['poem', '0,1,2']);
    });
  }

  test('esbuild bundles it for Node; where the package is not beside the bundle, an error says what to do', async () => {
    const root = await project('in-esbuild', {
      'main.js': `import { PieEmbedder, PieError } from 'pie-embed-wasm';
async function main() {
  const pie = await PieEmbedder.load();
  console.log((await pie.classify(${JSON.stringify(INSTRUCTION)}))[0].label);
  pie.dispose();
}
main().catch((error) => console.log(error instanceof PieError, error.code, error.message));
`,
    });
    const away = join(folder, 'away');
    await mkdir(away);
    for (const [format, name] of [['cjs', 'out.cjs'], ['esm', 'out.mjs']]) {
      const flags = ['--bundle', '--platform=node', `--format=${format}`, '--log-level=error', `--outfile=${name}`];
      await run(join(pkg, 'node_modules/.bin/esbuild'), ['main.js', ...flags], { cwd: root });
      assert.match((await run(process.execPath, [name], { cwd: root })).stdout, /haiku|poem/);
      await copyFile(join(root, name), join(away, name));
      assert.match((await run(process.execPath, [join(away, name)], { cwd: away })).stdout, /^true not_found .*--external:pie-embed-wasm/);
    }
  });

  test('its types hold in a strict TypeScript project, as a bundler and as Node resolve it', async () => {
    const root = await project('in-typescript', {
      'main.ts': `import { PieEmbeddingModel } from 'pie-embed-wasm/ai-sdk';
import { PieEmbeddings } from 'pie-embed-wasm/langchain';
import { PieEmbedder as EdgeEmbedder } from 'pie-embed-wasm/edge';
import { PieEmbedder as LocalEmbedder } from 'pie-embed-wasm/local';
import { PieEmbedder as NodeEmbedder } from 'pie-embed-wasm/node';
import { PieOpenAI } from 'pie-embed-wasm/openai';
import { PieEmbedder as WorkerEmbedder } from 'pie-embed-wasm/worker';
import { PieEmbedder, PieError, type Classification, type Clusters, type Embedder, type Embeddings, type ErrorCode, type Index, type IndexHit } from 'pie-embed-wasm';
import * as multi from 'pie-embed-wasm-multi';
const reads: Embedder = await PieEmbedder.load({ model: multi });
const pie: Embedder = await PieEmbedder.load({ onProgress: ({ loaded, total }) => console.log(loaded / total), taxonomy: null });
const one: Float32Array = await pie.embed('a', { dimensions: 64 });
const many: Embeddings = await pie.embed(['a', 'b'] as const, { prompt: 'none' });
const tags: Classification[] = await pie.classify('a', { topK: 3, level: 'task' });
const lists: Classification[][] = await pie.classify(['a'], { level: 'family' });
const [reason, family]: ['unread' | undefined, string | undefined] = [tags[0]?.reason, tags[0]?.family];
const shares: Float32Array = many.unread;
const again: [Classification[], Classification[][]] = [await pie.classify(one), await pie.classify(many, { level: 'kind' })];
const index: Index = pie.index();
await index.add('a', 'text');
await index.add([1, 2], many, { signal: AbortSignal.timeout(1000) });
const hits: IndexHit[] = await index.search(one, 3);
const removed: boolean = await index.remove(1);
const { labels, clusters }: Clusters = await pie.cluster(many, { k: 2, seed: 7 });
const rows: number[] = await pie.select(['a', 'b'], { count: 1, method: 'k-center' });
const repeats: (number | null)[] = await pie.duplicates(many, { threshold: 0.99 });
const places: [number, number][] = await pie.map({ data: new Float32Array(8 * 384), dims: [8, 384] });
const tagger = await pie.tagger({ a: ['b'] });
const own: Classification[] = await tagger.classify('a');
await pie.tagger({ a: 'described', b: { examples: ['c'], not: ['d'] }, e: {} }, { multi: true, thresholds: true, unknownShare: 0.1 });
const saved: Uint8Array = (await pie.loadTagger(new Uint8Array())).save();
const accuracy: number = (await tagger.evaluate([{ text: 'a', label: 'b' }])).accuracy;
const log = [{ role: 'user', content: [{ type: 'text', text: 'a' }] }, { role: 'assistant', content: 'b' }];
const asked: Float32Array = await pie.embed(log);
const mixed: Classification[][] = await pie.classify([log, 'a']);
const names: string[] = (await pie.tools({ tools: [{ name: 'a', inputSchema: { type: 'object' as const } }] }).pick(log, { k: 1 })).tools.map(({ name }) => name);
console.log(saved, accuracy, asked, mixed, names);
const code: ErrorCode = new PieError('disposed', '').code;
const adapters = [PieEmbeddings, PieEmbeddingModel, PieOpenAI].map((Adapter) => new Adapter(pie, { view: 'both', mix: 0.5 }));
const twins: Embedder[] = [await LocalEmbedder.load(), await NodeEmbedder.load(), await EdgeEmbedder.load(), await WorkerEmbedder.load({ pool: 2 })];
await tagger.classify(['a'], { onProgress: ({ done, total }) => console.log(done / total), signal: AbortSignal.timeout(1000) });
// @ts-expect-error a level that does not exist
await pie.classify('a', { level: 'verb' });
// @ts-expect-error neither a number of clusters nor a threshold
await pie.cluster(['a']);
// @ts-expect-error a method that does not exist
await pie.select(['a'], { count: 1, method: 'best' });
// @ts-expect-error a number is no text
await pie.embed(7);
export { reads, one, many, tags, lists, reason, family, shares, again, hits, removed, labels, clusters, rows, repeats, places, own, code, adapters, twins };
`,
    }, [packed, multi]);
    await checkTypes(root);
  });

  test("the adapters' types fit the packages that they are for", async () => {
    const root = await project('in-frameworks', {
      'main.ts': `import { MemoryVectorStore } from '@langchain/classic/vectorstores/memory';
import type { EmbeddingsInterface } from '@langchain/core/embeddings';
import { embedMany, type EmbeddingModel } from 'ai';
import type OpenAI from 'openai';
import { PieEmbedder, type Embedder } from 'pie-embed-wasm';
import { PieEmbeddingModel, PieError } from 'pie-embed-wasm/ai-sdk';
import { PieEmbeddings, type AdapterOptions } from 'pie-embed-wasm/langchain';
import { PieOpenAI } from 'pie-embed-wasm/openai';
const pie: Embedder = await PieEmbedder.load();
const options: AdapterOptions = { view: 'both', mix: 0.5, dimensions: 64 };
const langchain: EmbeddingsInterface = new PieEmbeddings(pie, options);
const store: MemoryVectorStore = await MemoryVectorStore.fromTexts(['a'], [], new PieEmbeddings(pie));
const model: Exclude<EmbeddingModel, string> = new PieEmbeddingModel(pie, options);
const { embeddings } = await embedMany({ model: new PieEmbeddingModel(pie), values: ['a'], dimensions: 32 });
interface Client { embeddings: { create: (body: OpenAI.EmbeddingCreateParams, options?: OpenAI.RequestOptions) => Promise<OpenAI.CreateEmbeddingResponse> } }
const client: Client = new PieOpenAI(pie, options);
const numbers: number[] | undefined = (await client.embeddings.create({ input: 'a', model: 'any' })).data[0]?.embedding;
const { data } = await new PieOpenAI(pie).embeddings.create({ input: ['a', 'b'] as const, encoding_format: 'base64' });
const base64: string | undefined = data[0]?.embedding;
const code: string = new PieError('disposed', '').code;
// @ts-expect-error the promise of an embedder
new PieEmbeddings(PieEmbedder.load());
// @ts-expect-error a view that does not exist
new PieEmbeddingModel(pie, { view: 'none' });
// @ts-expect-error a format that does not exist
await new PieOpenAI(pie).embeddings.create({ input: 'a', encoding_format: 'hex' });
export { langchain, store, model, embeddings, numbers, base64, code };
`,
    });
    await addFrameworks(root);
    // The frameworks' own declarations are theirs to check.
    await checkTypes(root, '--skipLibCheck');
  });

  test('the recipes compile, and print what they say', async (t) => {
    const text = await readFile(join(pkg, 'RECIPES.md'), 'utf8');
    const recipes = [...text.matchAll(/```ts\n(.*?)```\n\n```text\n(.*?)```/gs)];
    assert.equal(recipes.length, text.match(/```ts/g).length, 'every recipe says what it prints');
    const root = await project('recipes', Object.fromEntries(recipes.map(([, code], n) => [`recipe-${n}.ts`, code])));
    const names = recipes.map((_, n) => `recipe-${n}`);
    await addFrameworks(root);
    await run(join(pkg, 'node_modules/.bin/tsc'), [
      '--strict', '--skipLibCheck', '--noUncheckedIndexedAccess', '--target', 'ES2022', '--module', 'NodeNext', '--moduleResolution', 'nodenext',
      '--typeRoots', join(pkg, 'node_modules/@types'), '--types', 'node', ...names.map((name) => `${name}.ts`),
    ], { cwd: root }).catch(({ stdout }) => assert.fail(stdout));
    for (const [n, [, , said]] of recipes.entries()) {
      await t.test(names[n], async () => assert.equal((await run(process.execPath, [`${names[n]}.js`], { cwd: root })).stdout, said));
    }
  });

  describe('in a page that a bundler builds', () => {
    const files = {
      'index.html': '<!doctype html><title>Built</title><output></output><script type="module" src="/main.js"></script>',
      'main.js': `import { PieEmbedder } from 'pie-embed-wasm';
const pie = await PieEmbedder.load();
const [best] = await pie.classify(${JSON.stringify(INSTRUCTION)});
document.querySelector('output').value = best.label;
`,
    };
    let browser;
    before(async () => (browser = await launch()));
    after(() => browser?.close());

    const multilingual = (model) => ({
      'index.html': files['index.html'],
      'main.js': files['main.js']
        .replace('\n', `\n${model === "'multi'" ? '' : "import * as multi from 'pie-embed-wasm-multi';\n"}`)
        .replace('load()', `load({ model: ${model} })`)
        .replace(JSON.stringify(INSTRUCTION), JSON.stringify('写一首关于雪的诗')),
    });

    async function tags(server) {
      const page = await browser.newPage();
      const complaints = [];
      page.on('pageerror', ({ message }) => complaints.push(message));
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
      await page.goto(server.resolvedUrls.local[0]);
      try {
        await page.waitForFunction(() => document.querySelector('output').value, undefined, { timeout: 60_000 });
      } catch (error) {
        assert.fail(`${error.message}\n${complaints.join('\n')}`);
      }
      assert.match(await page.locator('output').innerText(), /haiku|poem/);
      assert.equal(page.workers().length, 1, 'workers');
      await page.close();
      await server.close();
    }

    const preview = (root) => vite.preview({ root, configFile: false, logLevel: 'error', preview: { host: '127.0.0.1', port: 0 } });

    test('Vite builds it without a warning, and serves it in development', async () => {
      const root = await project('in-vite', files);
      const warnings = [];
      const customLogger = vite.createLogger('warn');
      // That the build took long is said of the machine.
      customLogger.warn = (message) => message.includes('PLUGIN_TIMINGS') || warnings.push(message);
      await vite.build({ root, configFile: false, customLogger, logLevel: 'warn' });
      assert.deepEqual(warnings, []);
      await tags(await preview(root));
      const server = await vite.createServer({ root, configFile: false, logLevel: 'error', server: { host: '127.0.0.1', port: 0 } });
      await tags(await server.listen());
    });

    test('Vite finds the multilingual model by its name', async () => {
      const root = await project('multi-in-vite', multilingual("'multi'"), [packed, multi]);
      await vite.build({ root, configFile: false, logLevel: 'error' });
      await tags(await preview(root));
    });

    for (const headers of [{}, { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }]) {
      test(`an import map is enough${headers['cross-origin-embedder-policy'] ? ', isolated too' : ''}`, async () => {
        const map = { imports: { 'pie-embed-wasm': '/node_modules/pie-embed-wasm/dist/index.js' } };
        const name = `in-modules${headers['cross-origin-embedder-policy'] ? '-isolated' : ''}`;
        const root = await project(name, { ...files, 'index.html': `<script type="importmap">${JSON.stringify(map)}</script>${files['index.html']}` });
        await tags(await vite.preview({
          root, configFile: false, logLevel: 'error', build: { outDir: '.' }, preview: { host: '127.0.0.1', port: 0, headers },
        }));
      });
    }

    async function webpackTags(root) {
      const stats = await promisify(webpack)({
        mode: 'production', context: root, entry: './main.js', performance: { hints: false }, output: { path: join(root, 'dist') },
      });
      assert.equal(stats.toString({ all: false, errors: true, warnings: true }), '');
      await writeFile(join(root, 'dist/index.html'), files['index.html']);
      await tags(await preview(root));
    }

    test('webpack builds it without a warning', async () => webpackTags(await project('in-webpack', files)));

    test('webpack builds a page that imports the multilingual model', async () => {
      await webpackTags(await project('multi-in-webpack', multilingual('multi'), [packed, multi]));
    });
  });
});
