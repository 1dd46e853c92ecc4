// Writes dist/assets.js: where the wasm and the shipped model lie, how large they are and what they hash to.
// The addresses are literal `new URL('./…', import.meta.url)`, the one form that bundlers and plain browsers both follow.
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';

const root = new URL('../', import.meta.url);
const wasmFile = 'pie_embed_wasm_bg.wasm';
const gpuWasmFile = 'pie_embed_wasm_gpu_bg.wasm';

const manifest = JSON.parse(await readFile(new URL('../models/manifest.json', root), 'utf8'));
const model = manifest.models.find(({ name }) => name === manifest.default);
if (!model) {
  throw new Error(`models/manifest.json: its default "${manifest.default}" is not among its models`);
}
const read = (path) =>
  readFile(new URL(`dist/${path}`, root)).catch(() => {
    throw new Error(`pkg/dist/${path} is missing: build it first with ./build.sh pkg`);
  });
const asset = (file, bytes) => ({ file, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
const wasm = asset(wasmFile, await read(`wasm/${wasmFile}`));
const relaxedWasm = asset(wasmFile, await read(`wasm-relaxed/${wasmFile}`));
const gpuWasm = asset(gpuWasmFile, await read(`wasm-gpu/${gpuWasmFile}`));

// What an earlier build compiled would be packed too, also where its source is gone.
for (const entry of await readdir(new URL('dist/', root), { withFileTypes: true })) {
  if (entry.isFile() && /\.(js|d\.ts)$/.test(entry.name)) await rm(new URL(`dist/${entry.name}`, root));
}

// What a page writes: the package's name says the rest.
const name = model.name.replace(/^pie-/, '');

const source = (folder, { file, bytes, sha256 }) =>
  `{ path: '${folder}/${file}', bytes: ${bytes}, sha256: '${sha256}', ` +
  `url: () => new URL('./${folder}/${file}', import.meta.url) }`;

await writeFile(
  new URL('dist/assets.js', root),
  `// Made by scripts/assets.mjs from models/manifest.json.
export const wasm = ${source('wasm', wasm)};
export const relaxedWasm = ${source('wasm-relaxed', relaxedWasm)};
export const gpuWasm = ${source('wasm-gpu', gpuWasm)};
export const defaultModel = '${name}';
export const models = {
  '${name}': {
    model: ${source('models', model)},
    taxonomy: ${model.taxonomy ? source('models', model.taxonomy) : 'null'},
  },
};
`,
);

await writeFile(
  new URL('dist/assets.d.ts', root),
  `export interface Asset { readonly path: string; readonly bytes: number; readonly sha256: string; readonly url: () => URL }
export declare const wasm: Asset;
export declare const relaxedWasm: Asset;
export declare const gpuWasm: Asset;
export declare const defaultModel: string;
export declare const models: Readonly<Record<string, { readonly model: Asset; readonly taxonomy: Asset | null }>>;
`,
);
