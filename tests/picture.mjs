// node tests/picture.mjs: the README's picture of the demo page, docs/demo.png.
import { fileURLToPath } from 'node:url';
import { serve } from '../www/serve.mjs';
import { launch } from './e2e/browser.mjs';

const { server, address } = await serve();
const browser = await launch();
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1130 }, colorScheme: 'light' });
  await page.goto(address);
  await page.getByRole('button', { name: /sample prompts/ }).click();
  await page.locator('#list:not([hidden])').waitFor();
  await page.locator('#map-note:empty').waitFor({ state: 'attached' });
  await page.locator('#explore').evaluate((section) => section.scrollIntoView({ behavior: 'instant' }));
  await page.screenshot({ path: fileURLToPath(new URL('../docs/demo.png', import.meta.url)) });
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}
