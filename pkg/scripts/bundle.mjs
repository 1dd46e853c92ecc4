// Joins the compiled modules into a file for each entry and files for what entries share: a page's way to the last of them is three
// requests long, not six. The addresses of assets and worker stay as they are written, and so does the wasm's glue.
import { readdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const dist = new URL('../dist/', import.meta.url);

const { metafile } = await build({
  absWorkingDir: fileURLToPath(dist),
  entryPoints: ['index', 'local', 'node', 'remote', 'worker'].map((name) => `${name}.js`),
  outdir: '.',
  allowOverwrite: true,
  bundle: true,
  splitting: true,
  chunkNames: 'shared-[hash]',
  format: 'esm',
  target: 'es2022',
  external: ['./wasm/*', 'node:*'],
  metafile: true,
});

for (const name of await readdir(dist)) {
  if (name.endsWith('.js') && !(name in metafile.outputs)) await rm(new URL(name, dist));
}
