// Makes of the compiled modules one file for each entry: a page waits for one request before it asks for its files, and a worker for one.
// The addresses of assets and workers stay as they are written.
import { readdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const dist = new URL('../dist/', import.meta.url);

const { metafile } = await build({
  absWorkingDir: fileURLToPath(dist),
  entryPoints: ['index', 'local', 'edge', 'node', 'remote', 'worker', 'gpu-worker', 'langchain', 'ai-sdk', 'openai'].map((name) => `${name}.js`),
  outdir: '.',
  allowOverwrite: true,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  // Identifiers are kept for readable stack traces. Comments and white space, most of them in the generated glue, were an eighth of the
  // compressed size.
  minifyWhitespace: true,
  minifySyntax: true,
  external: ['node:*'],
  metafile: true,
});

for (const name of await readdir(dist)) {
  if (name.endsWith('.js') && !(name in metafile.outputs)) await rm(new URL(name, dist));
}
