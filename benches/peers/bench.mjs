// Ours against its peers, in turns in one run: ./build.sh bench --peers, which sets up what the environment names here.
// Prints tables, leaves target/bench/peers.json and target/bench/peers.svg.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { emptyPage, measure } from './browser.mjs';
import { chart } from './chart.mjs';
import { cosine, median, summarize } from '../figures.mjs';
import { bulk, oneByOne } from './native.mjs';
import { serve } from './server.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const REFERENCE = 'onnxruntime-web q8';
const { PIE_BASE_DIR: base, PIE_PEER_MODELS: models, PIE_PEER_PYTHON: python } = process.env;

const { values } = parseArgs({ options: { passes: { type: 'string', default: '5' } } });
const passes = Number(values.passes);
if (!Number.isInteger(passes) || passes < 1) throw new Error(`--passes must be a number from 1, not ${JSON.stringify(values.passes)}`);

const json = async (path) => JSON.parse(await readFile(join(root, path), 'utf8'));
const lines = async (path) => (await readFile(join(root, path), 'utf8')).split('\n').filter(Boolean);

const manifest = await json('models/manifest.json');
const packages = (await json('benches/peers/package.json')).devDependencies;
const checkpoint = 'all-MiniLM-L6-v2';
const ours = manifest.models.map(({ name, file, taxonomy }) => ({
  name,
  library: 'pie-embed-wasm',
  engine: 'pie',
  ours: true,
  // The shipped model as every user has it; the others by their addresses.
  options: name === manifest.default ? {} : { model: `/models/${file}`, taxonomy: `/models/${taxonomy.file}` },
  checked: name === 'minilm',
}));
const peer = (name, library, engine, options) => ({
  name, library: `${library} ${packages[library]}`, engine, ours: false, options, checked: true,
});
const engines = [
  ...ours,
  peer(REFERENCE, 'onnxruntime-web', 'onnxruntime', { file: 'model_quantized.onnx' }),
  peer('onnxruntime-web f32', 'onnxruntime-web', 'onnxruntime', { file: 'model.onnx' }),
  peer('transformers.js q8', '@huggingface/transformers', 'transformers', { dtype: 'q8' }),
];

const texts = await lines('tests/fixtures/bench-instructions.txt');
const mixed = await lines('tests/fixtures/mixed-instructions.txt');
const reference = JSON.parse(await readFile(join(models, 'reference.json'), 'utf8')).vectors;

async function inBrowser() {
  const served = await serve({
    bench: join(root, 'benches'),
    npm: join(root, 'benches/peers/node_modules'),
    pkg: join(root, 'pkg/dist'),
    models: join(root, 'models'),
    peers: models,
  });
  try {
    const empty = await emptyPage(served);
    const runs = engines.map(() => []);
    for (let pass = 0; pass < passes; pass++) {
      for (const [index, engine] of engines.entries()) {
        console.error(`==> pass ${pass + 1} of ${passes}: ${engine.name}`);
        runs[index].push(await measure(served, engine, texts, mixed));
      }
    }
    const rows = [];
    for (const [index, engine] of engines.entries()) rows.push(await summary(engine, runs[index], empty.peakBytes));
    return { browser: `Chromium ${empty.version}`, empty_page_bytes: empty.peakBytes, engines: rows };
  } finally {
    served.server.closeAllConnections();
    served.server.close();
  }
}

async function summary({ name, library, ours, checked }, runs, emptyBytes) {
  const over = (pick) => median(runs.map(pick));
  const timesMs = texts.map((_, text) => runs.flatMap(({ timesMs }) => timesMs[text]));
  const cosines = runs[0].vectors.map((vector, text) => cosine(vector, reference[text]));
  const files = [];
  for (const { file, bytes } of runs[0].files) files.push({ file: basename(file), bytes, gzip: await gzipped(file) });
  const total = (how) => files.reduce((sum, entry) => sum + entry[how], 0);
  return {
    name,
    library,
    ours,
    threads: 1,
    download_bytes: total('bytes'),
    download_gzip_bytes: total('gzip'),
    cold_start_ms: over(({ coldStartMs }) => coldStartMs),
    ...summarize(timesMs),
    cpu_ms: over(({ cpuMs }) => cpuMs),
    batch_cpu_ms: over(({ batchCpuMs }) => batchCpuMs),
    batch_sorted_cpu_ms: over(({ sortedCpuMs }) => sortedCpuMs),
    peak_bytes: over(({ peakBytes }) => peakBytes) - emptyBytes,
    batch_peak_bytes: over(({ batchPeakBytes }) => batchPeakBytes) - emptyBytes,
    // Another model's vectors are not to be compared.
    cosine: checked ? { mean: cosines.reduce((sum, value) => sum + value, 0) / cosines.length, worst: Math.min(...cosines) } : null,
    files,
  };
}

const zipped = new Map();
async function gzipped(file) {
  if (!zipped.has(file)) zipped.set(file, (await promisify(gzip)(await readFile(file), { level: 9 })).length);
  return zipped.get(file);
}

/** To the peer that a page would have otherwise; a batch of ours as it comes to one that was sorted for it. */
function withRatios(rows) {
  const peer = rows.find(({ name }) => name === REFERENCE);
  return rows.map((row) => ({
    ...row,
    ratio: {
      best: row.best_ms / peer.best_ms,
      cold_start: row.cold_start_ms / peer.cold_start_ms,
      download: row.download_bytes / peer.download_bytes,
      batch: row.batch_cpu_ms / peer.batch_sorted_cpu_ms,
      peak: row.peak_bytes / peer.peak_bytes,
    },
  }));
}

async function save(name, text) {
  const path = join(root, 'target/bench', name);
  await mkdir(join(root, 'target/bench'), { recursive: true });
  await writeFile(`${path}.part`, text);
  await rename(`${path}.part`, path);
}

function table(title, heads, rows) {
  console.log(`\n${title}`);
  const print = (name, ...cells) => console.log(name.padEnd(28) + cells.map((cell) => cell.padStart(13)).join(''));
  print('', ...heads);
  for (const row of rows) print(...row);
}

const number = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : '');
const mb = (bytes) => number(bytes / 1e6, 1);

const names = manifest.models.map(({ name }) => name);
const peerModel = join(models, checkpoint);
const date = new Date().toISOString().slice(0, 10);
const cpu = cpus()[0].model.trim();
// Saved after each part: a later one that fails does not take the minutes of this one with it.
let report = { date, cpu, checkpoint, passes, texts: texts.length, batch: 32 };
const keep = (part) => save('peers.json', `${JSON.stringify((report = { ...report, ...part }), null, 1)}\n`);

const browser = await inBrowser();
browser.engines = withRatios(browser.engines);
await keep(browser);
await save('peers.svg', chart(browser.engines, `${date}, ${cpu}, ${browser.browser}, one thread, ${texts.length} instructions; peers run ${checkpoint}`));
console.error('==> natively, one by one');
const native = await oneByOne(names, peerModel, passes);
const nativePeer = native.at(-1).best_ms;
for (const row of native) row.ratio = row.best_ms / nativePeer;
await keep({ native });
console.error('==> natively, a whole file');
const file = await bulk(python, names, peerModel, base, passes);
await keep({ bulk: file });

console.log(`\n${date}, ${cpu}, ${browser.browser}, one thread, ${passes} passes; peers run ${checkpoint}`);
console.log("best: median over the texts of each one's fastest call; CPU: of the renderer; memory: the renderer's peak over an empty page's");
table(`${texts.length} instructions, one by one`, ['best ms', 'median ms', 'CPU ms', 'first ms', 'memory MB', 'worst cosine'],
  browser.engines.map((row) => [row.name, number(row.best_ms, 2), number(row.median_ms, 2), number(row.cpu_ms, 2),
    number(row.cold_start_ms, 0), mb(row.peak_bytes), row.cosine ? number(row.cosine.worst, 4) : '']));
table(`${mixed.length} instructions in batches of 32: CPU ms each, and MB`, ['as they come', 'sorted', 'memory MB', 'down MB', 'down gzip'],
  browser.engines.map((row) => [row.name, number(row.batch_cpu_ms, 2), number(row.batch_sorted_cpu_ms, 2), mb(row.batch_peak_bytes),
    mb(row.download_bytes), mb(row.download_gzip_bytes)]));
table(`ratios to ${REFERENCE} (batch: as they come to sorted)`, ['best', 'batch', 'first', 'download', 'memory'],
  browser.engines.map(({ name, ratio }) => [name, number(ratio.best, 2), number(ratio.batch, 2), number(ratio.cold_start, 2),
    number(ratio.download, 2), number(ratio.peak, 2)]));
table('natively, one thread, one by one', ['best ms', 'median ms', 'ratio'],
  native.map((row) => [row.name, number(row.best_ms, 2), number(row.median_ms, 2), number(row.ratio, 2)]));
table(`natively, ${file.threads} threads, a file of ${file.instructions}: ratio to sentence-transformers`, ['per second', 'ratio'],
  file.engines.map((row) => [row.name, number(row.per_second, 0), number(row.ratio, 2)]));
