// What reading an export costs the demo page: `node benches/page/reading.mjs [--bytes 200e6] [--turns 50000]`. Prints the time, the longest
// task of the main thread, and the peak memory of the tab's process beside what it held before.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from '../../www/serve.mjs';

const { chromium } = createRequire(new URL('../../tests/package.json', import.meta.url))('playwright-core');
const EXPORT = fileURLToPath(new URL('export.mjs', import.meta.url));
const SAMPLED_MS = 50;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

/** Resident bytes of a process; Linux has them in /proc. */
async function resident(pid) {
  return 1024 * Number(/VmRSS:\s*(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
}

/** Reads the file as the page does, and goes without the tagging. */
async function read(page) {
  return page.evaluate(async () => {
    const file = await globalThis.given;
    const { readFile } = await import('./source.js');
    const times = { longestTaskMs: 0, longestGapMs: 0 };
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) times.longestTaskMs = Math.max(times.longestTaskMs, duration);
    }).observe({ type: 'longtask' });
    let beat = performance.now();
    const timer = setInterval(() => {
      times.longestGapMs = Math.max(times.longestGapMs, performance.now() - beat);
      beat = performance.now();
    }, 10);
    const start = performance.now();
    const { rows, recognised } = await readFile(file);
    const ms = performance.now() - start;
    clearInterval(timer);
    return { ...times, ms, rows: rows.length, recognised };
  });
}

async function measure(file) {
  const { server, address } = await serve();
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
  try {
    const page = await browser.newPage();
    await page.goto(address);
    await page.locator('#tags:not([hidden])').waitFor();
    await page.evaluate(() => {
      globalThis.given = new Promise((resolve) => document.getElementById('file').addEventListener('change', (event) => {
        event.stopImmediatePropagation();
        resolve(event.target.files[0]);
      }, { capture: true, once: true }));
    });
    await page.setInputFiles('#file', file);
    const devtools = await browser.newBrowserCDPSession();
    const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
    const tabs = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
    const all = async () => Math.max(...await Promise.all(tabs.map(resident)));
    const before = await all();
    let peak = before;
    const timer = setInterval(async () => (peak = Math.max(peak, await all())), SAMPLED_MS);
    const found = await read(page);
    clearInterval(timer);
    return { ...found, before, peak };
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'pie-reading-'));
try {
  const file = join(folder, 'conversations.json');
  execFileSync(process.execPath, [EXPORT, file, ...process.argv.slice(2)], { stdio: 'inherit' });
  const { size } = await stat(file);
  const { ms, rows, recognised, longestTaskMs, longestGapMs, before, peak } = await measure(file);
  console.log(`${megabytes(size)}; ${recognised.join('; ')}; ${rows} prompts taken`);
  console.log(`read in ${(ms / 1000).toFixed(1)} s, ${megabytes(size / (ms / 1000))} a second`);
  // The browser reports tasks from 50 ms on.
  const longest = longestTaskMs === 0 ? 'no task of 50 ms' : `longest task ${longestTaskMs.toFixed(0)} ms`;
  console.log(`main thread: ${longest}, longest gap between timers ${longestGapMs.toFixed(0)} ms`);
  console.log(`memory of the tab: ${megabytes(before)} before, at most ${megabytes(peak)}: ${(peak / size).toFixed(2)} times the file`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
