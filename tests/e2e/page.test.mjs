// The demo page, as a person meets it: a prompt, a pair, labels of one's own, the speed, and what goes wrong while it loads.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { check } from './axe.mjs';
import { withBrowser } from './browser.mjs';
import { shipped } from './files.mjs';
import pairs from '../../www/page/pairs.json' with { type: 'json' };
import { measured } from '../../www/pairs.mjs';

const MODEL = `**/pkg/models/${shipped.file}`;

describe('the demo page', () => {
  const here = withBrowser();

  const ready = (page) => page.locator('#tags:not([hidden])').waitFor();
  const firstTask = (page) => page.locator('#tags-list li').first();

  test('it loads with a progress bar and then tags the example', async () => {
    const page = await here.demo();
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
    const page = await here.demo();
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

  test('examples are buttons', async () => {
    const page = await here.demo();
    await page.goto(here.address);
    await ready(page);
    await page.getByRole('button', { name: /^Summarize/ }).click();
    await firstTask(page).filter({ hasText: /summar/ }).waitFor();
    assert.match(await page.inputValue('#instruction'), /^Summarize/);
    assert.match(await page.locator('#kinds-list li').first().innerText(), /summarize a text/);
  });

  test('pairs are compared, and the examples beside a sentence model', async () => {
    const page = await here.demo();
    await page.goto(here.address);
    await ready(page);
    const figure = async (id) => {
      await page.waitForFunction((id) => /^-?\d\.\d\d$/.test(document.getElementById(id).textContent), id);
      return Number(await page.locator(`#${id}`).innerText());
    };
    for (const [group, closer] of [['The same task, another topic', 1], ['The same topic, another task', -1]]) {
      for (const pair of await page.getByRole('list', { name: group }).getByRole('button').all()) {
        await pair.and(page.locator('.placed')).waitFor();
        await page.evaluate(() => (document.getElementById('similarity').textContent = ''));
        await pair.click();
        await page.waitForFunction((pair) => pair.getAttribute('aria-pressed') === 'true', await pair.elementHandle());
        const [ours, theirs] = [await figure('similarity'), await figure('baseline')];
        assert.ok(closer * (ours - theirs) > 0, `${group}: ${ours} here, ${theirs} there`);
        assert.match(await pair.innerText(), new RegExp(`Sentence model: ${theirs.toFixed(2)}. pie: ${ours.toFixed(2)}`));
      }
    }
    await page.fill('#first', 'Write a poem about rain');
    await page.fill('#second', 'Write a poem about rain');
    await page.locator('#similarity').filter({ hasText: '1.00' }).waitFor();
    assert.equal(await page.locator('#baseline').innerText(), '–');
    await page.getByText('was measured on the examples only').waitFor();
    await page.fill('#second', ' ');
    await page.getByText('Fill in both').waitFor();
  });

  test("the sentence model's figures are what it gives", async () => {
    for (const { first, second, sentenceModel } of await measured()) {
      const listed = pairs.find((pair) => pair.first === first && pair.second === second);
      assert.equal(listed.sentenceModel, sentenceModel, `${first} / ${second}: run node www/pairs.mjs`);
    }
  });

  test('labels of one\'s own tag a prompt, and what is missing is said', async () => {
    const page = await here.demo();
    await page.goto(here.address);
    const own = page.locator('#own');
    const best = own.locator('#own-tags li').first();
    await best.filter({ hasText: 'code model' }).waitFor();
    await own.getByRole('button', { name: 'A shop’s inbox' }).click();
    await best.filter({ hasText: 'billing' }).waitFor();
    await page.fill('#own-text', 'My parcel has not arrived yet');
    await best.filter({ hasText: 'shipping' }).waitFor();
    await own.getByRole('button', { name: 'Add a label' }).click();
    await page.keyboard.type('praise');
    await own.getByText('“praise” has no example yet.').waitFor();
    await own.getByRole('textbox', { name: /^Examples of label \d+/ }).last().fill('Great shop, thank you!\nI love what you do');
    await page.fill('#own-text', 'You are wonderful, thanks');
    for (const name of ['__proto__', 'constructor', 'praise']) {
      await own.getByRole('textbox', { name: /^Name of label/ }).last().fill(name);
      await best.filter({ hasText: name }).waitFor();
    }
    await best.filter({ hasText: 'praise' }).waitFor();
    await own.getByRole('textbox', { name: /^Name of label/ }).last().fill('billing');
    await own.getByText('There are two labels “billing”').waitFor();
    assert.ok(await page.locator('#own-apply').isDisabled());
    for (let left = 3; left > 0; left--) await own.getByRole('button', { name: /^Remove label/ }).last().click();
    await own.getByText('It takes at least two labels.').waitFor();
    assert.deepEqual(page.complaints, []);
  });

  test('the speed is measured', async () => {
    const page = await here.demo();
    await page.goto(here.address);
    await page.getByRole('button', { name: 'Measure' }).click();
    await page.getByText(/medians/).waitFor();
    const figures = await page.locator('.measured-figure strong').allInnerTexts();
    assert.ok(figures.length >= 2 && figures.every((figure) => Number(figure.replace(',', '')) > 0), figures.join());
    assert.match(await page.locator('.measured-row h3').first().innerText(), /WebAssembly/);
  });

  test('what fits no task is called unknown', async () => {
    const page = await here.demo();
    await page.goto(here.address);
    await ready(page);
    await page.fill('#instruction', 'hello there');
    await firstTask(page).filter({ hasText: 'unknown' }).waitFor();
    await page.getByText('No known pair fits. The nearest').waitFor();
  });

  test('odd and long texts are tagged like any other', async () => {
    const page = await here.demo();
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
    const page = await here.demo();
    await page.goto(here.address);
    await ready(page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    // Learning the page's own labels takes a worker.
    await page.locator('#own-tags li').first().waitFor();
    const count = page.requests.length;
    await page.context().setOffline(true);
    await page.fill('#instruction', 'Translate this sentence into French');
    await firstTask(page).filter({ hasText: 'translate' }).waitFor();
    assert.equal(page.requests.length, count);
    assert.deepEqual(page.requests.filter((url) => !url.startsWith(here.address)), []);
    assert.deepEqual([page.complaints, await page.evaluate(() => violations)], [[], []]);
  });

  test('a failure is said in words, and trying again mends it', async () => {
    const page = await here.demo();
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

  for (const [colorScheme, width] of [['light', 1280], ['dark', 375]]) {
    test(`axe finds nothing serious (${colorScheme}, ${width} wide), and nothing overflows`, async () => {
      const page = await here.demo({ colorScheme, viewport: { width, height: 844 } });
      await page.route(MODEL, (route) => route.abort());
      await page.goto(here.address);
      await page.getByRole('alert').waitFor();
      await check(page, 'failure');
      await page.unroute(MODEL);
      await page.getByRole('button', { name: 'Try again' }).click();
      await firstTask(page).waitFor();
      await check(page, 'tags');
      await page.fill('#instruction', 'hello there');
      await firstTask(page).filter({ hasText: 'unknown' }).waitFor();
      await check(page, 'unknown');
    });
  }

  test('it can be used with the keyboard alone', async () => {
    const page = await here.demo();
    await page.goto(here.address);
    await firstTask(page).waitFor();
    const links = await page.locator('nav a').count();
    for (let press = 0; press <= links; press++) await page.keyboard.press('Tab');
    await page.keyboard.type('Translate this sentence into French');
    await firstTask(page).filter({ hasText: 'translate' }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await firstTask(page).filter({ hasText: /summar/ }).waitFor();
  });
});
