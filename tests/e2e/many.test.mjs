// A list as long as people have them, to the end through the demo page.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { withBrowser } from './browser.mjs';

const PROMPTS = Number(process.env.PIE_PROMPTS ?? 400);

describe('a long list in the demo page', () => {
  const here = withBrowser();

  test(`${PROMPTS} prompts: tagged, counted, mapped, filtered, thinned out and taken home`, { timeout: 1_200_000 }, async (t) => {
    const sample = (await readFile(new URL('../../www/page/sample.txt', import.meta.url), 'utf8')).split('\n').filter(Boolean);
    const texts = Array.from({ length: PROMPTS }, (_, n) => `${sample[n % sample.length]} (${n})`);
    const csv = ['id,prompt', ...texts.map((text, n) => `${n},"${text.replaceAll('"', '""')}"`)].join('\r\n');
    const page = await here.demo();
    page.setDefaultTimeout(1_200_000);
    await page.goto(here.address);
    const begun = performance.now();
    const said = (what) => t.diagnostic(`${what} after ${((performance.now() - begun) / 1000).toFixed(0)} s`);
    const all = PROMPTS.toLocaleString('en');
    const shown = (text) => page.locator('#shown').filter({ hasText: text }).waitFor();

    await page.locator('#file').setInputFiles({ name: 'many.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
    await page.locator('#list:not([hidden])').waitFor();
    await shown(`All ${all} prompts`);
    said('tagged');
    const counts = await page.locator('#counts .count-figure').allInnerTexts();
    assert.equal(counts.reduce((sum, count) => sum + Number(count.replaceAll(',', '')), 0), PROMPTS);
    assert.ok((await page.locator('#table-body .line').count()) < 60, 'more rows than are in sight');
    // The page answers while the map is made.
    await page.fill('#query', `(${PROMPTS - 1})`);
    await shown(`1 of ${all} prompts`);
    await page.fill('#query', '');
    await shown(`All ${all} prompts`);
    await page.locator('#map-note:empty').waitFor({ state: 'attached' });
    said('mapped');

    await page.getByRole('button', { name: 'Leave out near-duplicates' }).click();
    await shown(new RegExp(`^[\\d,]+ of ${all} prompts$`));
    await page.fill('#count', '50');
    await page.getByRole('button', { name: 'Pick', exact: true }).click();
    await shown(`50 of ${all} prompts`);
    said('thinned out');
    assert.deepEqual((await page.locator('#table-body .badge').allInnerTexts()).slice(0, 3), ['pick 1', 'pick 2', 'pick 3']);
    await page.getByRole('button', { name: /Remove the filter/ }).click();
    await shown(`All ${all} prompts`);

    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'JSONL', exact: true }).click()]);
    const rows = (await readFile(await download.path(), 'utf8')).trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(rows.map(({ prompt }) => prompt), texts);
    assert.ok(rows.every(({ pie_kind, pie_task_score }) => pie_kind && pie_task_score >= 0 && pie_task_score <= 1));
    assert.deepEqual([page.complaints, await page.evaluate(() => violations)], [[], []]);
    assert.deepEqual(page.requests.filter((url) => !url.startsWith(here.address) && !url.startsWith('blob:')), []);
    said('taken home');
  });
});
