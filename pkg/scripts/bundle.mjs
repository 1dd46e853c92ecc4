// Makes of the compiled modules one file for each entry: a page waits for one request before it asks for its files, and a worker for one.
// The addresses of assets and workers stay as they are written.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
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
  external: ['node:*', 'pie-embed-wasm-multi'],
  metafile: true,
});

for (const name of await readdir(dist)) {
  if (!name.endsWith('.js')) continue;
  const file = new URL(name, dist);
  if (name in metafile.outputs) await writeFile(file, keepIgnored(await readFile(file, 'utf8')));
  else await rm(file);
}

/** esbuild removes comments with the white space, so the one that src/companion.ts explains is put back. */
function keepIgnored(code) {
  return code.replaceAll('import("pie-embed-wasm-multi")', 'import(/* webpackIgnore: true */ "pie-embed-wasm-multi")');
}
