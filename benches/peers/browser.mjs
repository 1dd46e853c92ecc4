// One engine, measured once in a browser of its own: nothing else is loaded beside it, and its cold start is a cold one.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const { chromium } = createRequire(new URL('../../tests/package.json', import.meta.url))('playwright-core');

const FLAGS = ['--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const WARM_ROUNDS = 3;
const ROUNDS = 3;
const BATCH = 32;
const LOAD_TIMEOUT_MS = 300_000;
const SETTLE_MS = 1000;
const PROBE_MS = 200;

/** Opens the address in a fresh browser and hands `use` the page and what the operating system says of its renderer. */
async function withPage(address, use) {
  const chrome = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH,
    args: process.getuid?.() === 0 ? ['--no-sandbox', ...FLAGS] : FLAGS,
  });
  try {
    const cdp = await chrome.newBrowserCDPSession();
    const page = await chrome.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(error));
    // The browser's own start is not to be part of anybody's.
    await page.goto(new URL('/', address).href);
    await page.waitForTimeout(SETTLE_MS);
    await page.goto(address, { waitUntil: 'commit' });
    return await use({ page, errors, version: chrome.version(), renderer: () => rendererOf(page, cdp) });
  } finally {
    await chrome.close();
  }
}

/** The page's own process among the browser's renderers: the one that works when the page does. */
async function rendererOf(page, cdp) {
  const cpuTimes = async () => {
    const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
    return new Map(processInfo.filter(({ type }) => type === 'renderer').map(({ id, cpuTime }) => [id, cpuTime]));
  };
  const before = await cpuTimes();
  await page.evaluate((ms) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  }, PROBE_MS);
  const worked = [...(await cpuTimes())].map(([id, cpuTime]) => ({ id, cpuTime: cpuTime - (before.get(id) ?? 0) }));
  const { id } = worked.reduce((most, one) => (one.cpuTime > most.cpuTime ? one : most));

  let peak = 0;
  return {
    cpuMs: async () => 1e3 * (await cpuTimes()).get(id),
    /** The most memory that it had resident; NaN where the system does not say (it is Linux that does). */
    peakBytes: async () => {
      const status = await readFile(`/proc/${id}/status`, 'utf8').catch(() => '');
      // VmHWM was seen to fall between two readings.
      peak = Math.max(peak, 1024 * Number(status.match(/^VmHWM:\s*(\d+) kB$/m)?.[1] ?? NaN));
      return peak;
    },
  };
}

export async function emptyPage({ address }) {
  return withPage(address, async ({ version, renderer }) => ({ version, peakBytes: await (await renderer()).peakBytes() }));
}

/** Cold start, then one by one, then in batches; `texts` are the instructions, `mixed` those of all lengths. */
export async function measure({ address, sent }, { engine, options }, texts, mixed) {
  sent.length = 0;
  const query = encodeURIComponent(JSON.stringify({ engine, first: texts[0], options }));
  return withPage(`${address}bench/peers/page.html?${query}`, async ({ page, errors, renderer }) => {
    await page
      .waitForFunction(() => 'batches' in globalThis || undefined, null, { timeout: LOAD_TIMEOUT_MS, polling: 50 })
      .catch((error) => {
        throw new Error(`${engine} did not load: ${errors[0]?.message ?? error.message}`);
      });
    const coldStartMs = await page.evaluate(() => globalThis.coldStartMs);
    const files = [...sent];
    const { cpuMs, peakBytes } = await renderer();
    await peakBytes();

    const oneByOne = (rounds) => page.evaluate(([texts, rounds]) => globalThis.oneByOne(texts, rounds), [texts, rounds]);
    await oneByOne(WARM_ROUNDS);
    const before = await cpuMs();
    const timesMs = await oneByOne(ROUNDS);
    const cpu = (await cpuMs()) - before;
    const vectors = await page.evaluate((texts) => globalThis.vectors(texts), texts);
    const peak = await peakBytes();

    const batchCpuMs = async (texts) => {
      const run = () => page.evaluate(([texts, size]) => globalThis.batches(texts, size), [texts, BATCH]);
      await run();
      const before = await cpuMs();
      await run();
      return ((await cpuMs()) - before) / texts.length;
    };
    // Sorted as a caller can: by characters, before the list is cut into batches.
    const sorted = [...mixed].sort((a, b) => a.length - b.length);
    return {
      coldStartMs,
      files,
      timesMs,
      vectors,
      cpuMs: cpu / (ROUNDS * texts.length),
      batchCpuMs: await batchCpuMs(mixed),
      sortedCpuMs: await batchCpuMs(sorted),
      peakBytes: peak,
      batchPeakBytes: await peakBytes(),
    };
  });
}
