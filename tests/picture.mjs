// node tests/picture.mjs: the README's pictures of the demo page and of a report, docs/demo.png and docs/report.png.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { serve } from '../www/serve.mjs';
import { launch } from './e2e/browser.mjs';
import { pool, run } from './e2e/pie.mjs';

const { server, address } = await serve();
const browser = await launch();
const folder = await mkdtemp(join(tmpdir(), 'pie-picture-'));
const picture = (name) => fileURLToPath(new URL(`../docs/${name}.png`, import.meta.url));
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1130 }, colorScheme: 'light' });
  await page.goto(address);
  await page.getByRole('button', { name: /sample prompts/ }).click();
  await page.locator('#list:not([hidden])').waitFor();
  await page.locator('#map-note:empty').waitFor({ state: 'attached' });
  await page.locator('#explore').evaluate((section) => section.scrollIntoView({ behavior: 'instant' }));
  await page.screenshot({ path: picture('demo') });

  run('report', '--input', pool, '-o', join(folder, 'report.html'));
  await page.goto(pathToFileURL(join(folder, 'report.html')).href);
  await page.locator('#map .c4').first().hover({ force: true });
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: picture('report'), fullPage: true, clip: { x: 0, y: 0, width: 1280, height: 1722 } });
} finally {
  await rm(folder, { recursive: true });
  await browser.close();
  server.closeAllConnections();
  server.close();
}
