// Raw, gzip and brotli bytes of the package's parts and of the demo page's readers, held to tools/size-budget.json, and of those that one
// visit of a page downloads.
// Leaves target/bench/sizes.json; a file whose sha256 is in there already is not compressed again.
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'pkg/dist');
// The demo page's readers of rows, which it loads when a list is opened.
const dataset = 'pie_dataset_bg.wasm';
const report = join(root, 'target/bench/sizes.json');
const json = async (path) => JSON.parse(await readFile(path, 'utf8'));

const kinds = { '.wasm': 'wasm', '.js': 'js', '.gguf': 'model', '.taxonomy': 'taxonomy' };
// What adapts the package to a framework is far smaller than the engine's scripts, and has a budget of its own.
const isAdapter = (file) => /^(langchain|ai-sdk|openai)\.js$/.test(file);
const kindOf = (file) => (isAdapter(file) ? 'adapter' : kinds[file.slice(file.lastIndexOf('.'))]);
const known = (await json(report).catch(() => ({ files: [] }))).files;

async function measure(file, kind = kindOf(file), folder = dist) {
  const bytes = await readFile(join(folder, file));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const before = known.find((entry) => entry.sha256 === sha256);
  if (before) return { ...before, file };
  if (bytes.length > 5e6) console.error(`==> compressing ${file} to know its sizes (about a minute, once)`);
  const [zipped, brotli] = await Promise.all([
    promisify(gzip)(bytes, { level: 9 }),
    promisify(brotliCompress)(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  ]);
  return { file, kind, sha256, raw: bytes.length, gzip: zipped.length, brotli: brotli.length };
}

// The wasm's glue is part of the modules.
const isPublished = (name) => kindOf(name) && !/^wasm[^/]*\/.*\.js$/.test(name);
const names = (await readdir(dist, { recursive: true })).filter(isPublished).sort();
const files = [];
for (const name of names) files.push(await measure(name));
files.push(await measure(dataset, 'dataset', join(root, 'target/page-dataset')));

const isVisited = ({ file }) => /^(index|worker)\.js$|^(wasm-relaxed|models)\//.test(file);
const totals = {};
for (const kind of Object.values(kinds)) {
  const own = files.filter((entry) => entry.kind === kind && isVisited(entry));
  totals[kind] = Object.fromEntries(['raw', 'gzip', 'brotli'].map((how) => [how, own.reduce((sum, entry) => sum + entry[how], 0)]));
}
await mkdir(join(root, 'target/bench'), { recursive: true });
await writeFile(`${report}.part`, `${JSON.stringify({ totals, files }, null, 1)}\n`);
await rename(`${report}.part`, report);

const row = (name, ...cells) => console.log(name.padEnd(34) + cells.map((cell) => cell.toLocaleString('en').padStart(14)).join(''));
row('bytes', 'raw', 'gzip -9', 'brotli -q 11');
for (const { file, raw, gzip, brotli } of files) row(file, raw, gzip, brotli);
row('one visit', ...['raw', 'gzip', 'brotli'].map((how) => Object.values(totals).reduce((sum, part) => sum + part[how], 0)));

const budget = await json(join(root, 'tools/size-budget.json'));
for (const entry of files) {
  for (const [how, limit] of Object.entries(budget[entry.kind] ?? {})) {
    if (entry[how] <= limit) continue;
    console.error(`build.sh: ${entry.file} has ${entry[how]} bytes (${how}), over its budget of ${limit}: shrink it, or raise tools/size-budget.json and say why.`);
    process.exitCode = 1;
  }
}
