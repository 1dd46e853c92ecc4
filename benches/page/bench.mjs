// ms per instruction in headless Chromium beside the native figure (target/bench/native.log, made by ./build.sh bench)
// and the sizes (target/bench/sizes.json). Prints a table and leaves target/bench/bench.json.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { serve } from '../../www/serve.mjs';
import { summarize } from '../figures.mjs';

const root = new URL('../../', import.meta.url);
const { chromium } = createRequire(new URL('tests/package.json', root))('playwright-core');
const PASSES = 5;
const VECTORS = 10_000;

async function browser(texts) {
  const { server, address } = await serve();
  const chrome = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  try {
    const page = await chrome.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(error));
    // The package comes from the demo's server, the measuring page from here: isolated, for the finer clock that this brings.
    const headers = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
    await page.route(`${address}bench/**`, (route) => {
      const name = new URL(route.request().url()).pathname.slice('/bench/'.length);
      return route.fulfill({ path: fileURLToPath(new URL(`benches/${name}`, root)), headers });
    });
    await page.goto(`${address}bench/page/index.html`);
    await page.waitForFunction(() => 'measure' in globalThis, null, { timeout: 30_000 }).catch((error) => {
      throw errors[0] ?? error;
    });
    const { coldStartMs, timesMs, info } = await page.evaluate(
      ([texts, passes]) => globalThis.measure(texts, passes),
      [texts, PASSES],
    );
    const vectorsMs = await page.evaluate((rows) => globalThis.measureVectors(rows), VECTORS);
    return {
      engine: `Chromium ${chrome.version()}`,
      model: info.name,
      simd: info.simd,
      ...summarize(timesMs),
      cold_start_ms: coldStartMs,
      vectors_ms: vectorsMs,
      threads: 1,
    };
  } finally {
    await chrome.close();
    server.close();
  }
}

async function native() {
  const log = await readFile(new URL('target/bench/native.log', root), 'utf8');
  const line = log.split('\n').findLast((text) => text.startsWith('{'));
  if (!line) throw new Error('benches/encoder.rs printed no line of JSON: see target/bench/native.log');
  return { engine: 'native', ...JSON.parse(line) };
}

const texts = (await readFile(new URL('tests/fixtures/bench-instructions.txt', root), 'utf8')).split('\n').filter(Boolean);
const { totals } = JSON.parse(await readFile(new URL('target/bench/sizes.json', root), 'utf8'));
const runs = [await browser(texts), await native()];
const date = new Date().toISOString().slice(0, 10);
const cpu = cpus()[0].model.trim();

const report = fileURLToPath(new URL('target/bench/bench.json', root));
const measured = { date, cpu, texts: texts.length, passes: PASSES, sizes: totals, runs };
await writeFile(`${report}.part`, `${JSON.stringify(measured, null, 1)}\n`);
await rename(`${report}.part`, report);

const row = (name, ...cells) => console.log(name.padEnd(34) + cells.map((cell) => String(cell).padStart(12)).join(''));
const ms = (value) => (value === undefined ? '' : value.toFixed(2));
console.log(`\n${date}, ${cpu}, ${texts.length} instructions, one at a time, one thread`);
console.log('best: median over the texts of each text\'s fastest pass; median: of each text\'s median pass');
row('ms per instruction', 'best', 'median', 'cold start');
for (const run of runs) row(`${run.engine} ${run.simd}`, ms(run.best_ms), ms(run.median_ms), ms(run.cold_start_ms));
for (const { engine, vectors_ms } of runs.filter(({ vectors_ms }) => vectors_ms)) {
  console.log();
  row(`ms for ${VECTORS.toLocaleString('en')} vectors, ${engine}`);
  for (const [name, value] of Object.entries(vectors_ms)) row(name, value.toFixed(0));
}
console.log();
row('bytes', 'raw', 'gzip', 'brotli');
for (const [kind, { raw, gzip, brotli }] of Object.entries(totals)) row(kind, ...[raw, gzip, brotli].map((n) => n.toLocaleString('en')));
