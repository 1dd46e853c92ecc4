// The demo page, as a person meets it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import axe from 'axe-core';
import { withBrowser } from './browser.mjs';
import { shipped } from './files.mjs';

const MODEL = `**/pkg/models/${shipped.file}`;

describe('the demo page', () => {
  const here = withBrowser();

  async function open(options) {
    const page = await here.page(options);
    await page.addInitScript(() => {
      globalThis.violations = [];
      addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => violations.push(`${violatedDirective} ${blockedURI}`));
    });
    return page;
  }

  const ready = (page) => page.locator('#tags:not([hidden])').waitFor();
  const firstTask = (page) => page.locator('#tags-list li').first();

  test('it loads with a progress bar and then tags the example', async () => {
    const page = await open();
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await page.route(MODEL, async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(here.address);
    await page.locator('#loading:not([hidden])').waitFor();
    await page.waitForFunction(() => / of [\d.]+ MB/.test(document.getElementById('loading-figure').textContent));
    const before = await page.locator('#loading-bar').evaluate((bar) => bar.value);
    assert.ok(before < 0.5, `already at ${before}`);
    await page.evaluate(() => {
      globalThis.steps = [];
      const bar = document.getElementById('loading-bar');
      new MutationObserver(() => steps.push(bar.value)).observe(bar, { attributes: true });
    });
    release();
    await ready(page);
    const steps = await page.evaluate(() => steps);
    assert.ok(steps.length > 0 && steps.every((value, index) => index === 0 || value >= steps[index - 1]), steps.join());
    assert.equal(steps.at(-1), 1);
    await firstTask(page).waitFor();
    assert.match(await firstTask(page).innerText(), /haiku|poem/);
    assert.deepEqual([page.complaints, await page.evaluate(() => violations)], [[], []]);
  });

  test('typing gives tags, a latency and an announcement; a blank field asks for text', async () => {
    const page = await open();
    await page.goto(here.address);
    await ready(page);
    await page.fill('#instruction', '');
    await page.getByText('Type an instruction, or take one').first().waitFor();
    await page.locator('#instruction').pressSequentially('Translate this sentence into French');
    await firstTask(page).filter({ hasText: 'translate' }).waitFor();
    assert.equal(await page.locator('#tags-list li').count(), 3);
    assert.match(await page.locator('#tags-latency').innerText(), /^\d+\.\d ms/);
    assert.match(await page.locator('#announcement').innerText(), /translate/);
  });

  test('examples and pairs are buttons', async () => {
    const page = await open();
    await page.goto(here.address);
    await ready(page);
    await page.getByRole('button', { name: /^Summarize/ }).click();
    await firstTask(page).filter({ hasText: /summar/ }).waitFor();
    assert.match(await page.inputValue('#instruction'), /^Summarize/);
    const similarity = page.locator('#similarity');
    await page.getByRole('button', { name: 'Nothing in common' }).click();
    await page.waitForFunction(() => /^-?\d\.\d\d$/.test(document.getElementById('similarity').textContent));
    const unrelated = Number(await similarity.innerText());
    await page.fill('#first', 'Write a poem about rain');
    await page.fill('#second', 'Write a poem about rain');
    await similarity.filter({ hasText: '1.00' }).waitFor();
    assert.ok(unrelated < 0.9, `unrelated texts are ${unrelated} alike`);
    await page.fill('#second', ' ');
    await page.getByText('Fill in both').waitFor();
  });

  test('what fits no task is called unknown', async () => {
    const page = await open();
    await page.goto(here.address);
    await ready(page);
    await page.fill('#instruction', 'zxqj 0x8f3a 77 -- ;;; vrrrp kkkk 0b1011 @@@@');
    await firstTask(page).filter({ hasText: 'unknown' }).waitFor();
    await page.getByText('Unlike any task this model knows. The nearest').waitFor();
  });

  test('odd and long texts are tagged like any other', async () => {
    const page = await open();
    await page.goto(here.address);
    await ready(page);
    for (const text of ['Write a poem 📝 \0 \ud800', 'Write a poem about rain. '.repeat(40_000)]) {
      await page.evaluate((text) => {
        document.getElementById('tags-list').replaceChildren();
        const field = document.getElementById('instruction');
        field.value = text;
        field.dispatchEvent(new Event('input'));
      }, text);
      await firstTask(page).waitFor();
    }
    assert.deepEqual(page.complaints, []);
  });

  test('nothing is asked of another origin, and nothing at all once loaded', async () => {
    const page = await open();
    await page.goto(here.address);
    await ready(page);
    const count = page.requests.length;
    await page.context().setOffline(true);
    await page.fill('#instruction', 'Translate this sentence into French');
    await firstTask(page).filter({ hasText: 'translate' }).waitFor();
    assert.equal(page.requests.length, count);
    assert.deepEqual(page.requests.filter((url) => !url.startsWith(here.address)), []);
    assert.deepEqual([page.complaints, await page.evaluate(() => violations)], [[], []]);
  });

  test('a failure is said in words, and trying again mends it', async () => {
    const page = await open();
    await page.route(MODEL, (route) => route.fulfill({ status: 404 }));
    await page.goto(here.address);
    const alert = page.getByRole('alert');
    await alert.filter({ hasText: 'missing on this server' }).waitFor();
    assert.match(await alert.innerText(), /not_found/);
    await page.unroute(MODEL);
    await page.getByRole('button', { name: 'Try again' }).click();
    await ready(page);
    await firstTask(page).waitFor();
  });

  for (const [colorScheme, width] of [['light', 1280], ['dark', 390]]) {
    test(`axe finds nothing serious (${colorScheme}, ${width} wide), and nothing overflows`, async () => {
      const page = await open({ colorScheme, viewport: { width, height: 844 } });
      const check = async (state) => {
        // Through the debugger: the page's own policy would refuse the script.
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => axe.run());
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        assert.deepEqual(serious.map(({ id, nodes }) => `${state}: ${id} ${nodes.map(({ html }) => html)}`), []);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${state}: wider than the screen`);
      };
      await page.route(MODEL, (route) => route.abort());
      await page.goto(here.address);
      await page.getByRole('alert').waitFor();
      await check('failure');
      await page.unroute(MODEL);
      await page.getByRole('button', { name: 'Try again' }).click();
      await firstTask(page).waitFor();
      await check('tags');
      await page.fill('#instruction', 'zxqj 0x8f3a 77 -- ;;; vrrrp kkkk 0b1011 @@@@');
      await firstTask(page).filter({ hasText: 'unknown' }).waitFor();
      await check('unknown');
    });
  }

  test('it can be used with the keyboard alone', async () => {
    const page = await open();
    await page.goto(here.address);
    await firstTask(page).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.type('Translate this sentence into French');
    await firstTask(page).filter({ hasText: 'translate' }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await firstTask(page).filter({ hasText: /summar/ }).waitFor();
  });
});
