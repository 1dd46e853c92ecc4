// Writes dist/assets.js and multi/dist/index.js: where the wasm and the models lie, how large they are and what they hash to.
// The addresses are literal `new URL('./…', import.meta.url)`, the one form that bundlers and plain browsers both follow.
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';

const root = new URL('../', import.meta.url);
const wasmFile = 'pie_embed_wasm_bg.wasm';
const gpuWasmFile = 'pie_embed_wasm_gpu_bg.wasm';

const json = async (path) => JSON.parse(await readFile(new URL(path, root), 'utf8'));
const read = (path) =>
  readFile(new URL(`dist/${path}`, root)).catch(() => {
    throw new Error(`pkg/dist/${path} is missing: build it first with ./build.sh pkg`);
  });
const asset = (file, bytes) => ({ file, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
/** An asset of a package, in source: its file lies in `folder` of the package's dist/. */
const source = (packageName, folder, { file, bytes, sha256 }) =>
  `{ path: '${packageName}/dist/${folder}${file}', bytes: ${bytes}, sha256: '${sha256}', ` +
  `url: () => new URL('./${folder}${file}', import.meta.url) }`;
const taxonomySource = (packageName, folder, { taxonomy }) => (taxonomy ? source(packageName, folder, taxonomy) : 'null');

const { name: packageName, version } = await json('package.json');
const { default: defaultName, models } = await json('dist/models/manifest.json');
const model = models.find(({ name }) => name === defaultName);
const own = (folder, file) => source(packageName, `${folder}/`, file);
const wasm = asset(wasmFile, await read(`wasm/${wasmFile}`));
const relaxedWasm = asset(wasmFile, await read(`wasm-relaxed/${wasmFile}`));
const gpuWasm = asset(gpuWasmFile, await read(`wasm-gpu/${gpuWasmFile}`));

// What an earlier build compiled would be packed too, also where its source is gone.
for (const entry of await readdir(new URL('dist/', root), { withFileTypes: true })) {
  if (entry.isFile() && /\.(js|d\.ts)$/.test(entry.name)) await rm(new URL(`dist/${entry.name}`, root));
}

// What a page writes: the package's name says the rest.
const name = model.name.replace(/^pie-/, '');

const modelTypes = `export interface Asset { readonly path: string; readonly bytes: number; readonly sha256: string; readonly url: () => URL }
export interface ModelAssets { readonly model: Asset; readonly taxonomy: Asset | null }
`;

await writeFile(
  new URL('dist/assets.js', root),
  `// Made by scripts/assets.mjs from models/manifest.json.
export const version = '${version}';
export const wasm = ${own('wasm', wasm)};
export const relaxedWasm = ${own('wasm-relaxed', relaxedWasm)};
export const gpuWasm = ${own('wasm-gpu', gpuWasm)};
export const defaultModel = '${name}';
export const models = {
  '${name}': {
    model: ${own('models', model)},
    taxonomy: ${taxonomySource(packageName, 'models/', model)},
  },
};
`,
);

await writeFile(
  new URL('dist/assets.d.ts', root),
  `${modelTypes}export declare const version: string;
export declare const wasm: Asset;
export declare const relaxedWasm: Asset;
export declare const gpuWasm: Asset;
export declare const defaultModel: string;
export declare const models: Readonly<Record<string, ModelAssets>>;
`,
);

const companion = await json('multi/package.json');
const [multi] = (await json('multi/dist/manifest.json')).models;
await writeFile(
  new URL('multi/dist/index.js', root),
  `// Made by scripts/assets.mjs of pie-embed-wasm from models/manifest.json.
export const name = '${companion.name}';
export const version = '${companion.version}';
export const model = ${source(companion.name, '', multi)};
export const taxonomy = ${taxonomySource(companion.name, '', multi)};
`,
);
await writeFile(
  new URL('multi/dist/index.d.ts', root),
  `${modelTypes}export declare const name: string;
export declare const version: string;
export declare const model: Asset;
export declare const taxonomy: Asset | null;
`,
);
