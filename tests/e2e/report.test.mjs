// The page of `pie report` in a browser: from a file and under a server's policy, by mouse and keys, wide, narrow, light and dark.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { check } from './axe.mjs';
import { withBrowser } from './browser.mjs';
import { lines, pool, run, skip } from './pie.mjs';

const HOSTILE = [
  '</script><script>globalThis.hit = 1</script>', '<img src=x onerror="globalThis.hit = 1">', '<!--<script>', '\u202eright to left',
  '</style><style>*{display:none}</style>', '"><svg onload="globalThis.hit = 1">', '&lt;b&gt;', '&amp;lt;i&amp;gt; and &quot;',
  // Of one word that is too long for any vocabulary: it has no place on the map.
  'a'.repeat(5000),
];

describe('pie report', { skip }, () => {
  const here = withBrowser();
  let folder, uses, hostile;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pie-report-'));
    const make = (input, name) => {
      run('report', '--input', input, '-o', join(folder, name));
      return pathToFileURL(join(folder, name)).href;
    };
    uses = make(pool, 'uses.html');
    await writeFile(join(folder, 'hostile.jsonl'), HOSTILE.map((instruction) => `${JSON.stringify({ instruction })}\n`).join(''));
    hostile = make(join(folder, 'hostile.jsonl'), 'hostile.html');
  });
  after(() => rm(folder, { recursive: true }));

  async function open(address, options) {
    const page = await here.demo(options);
    await page.goto(address);
    return page;
  }

  async function clean(page) {
    assert.deepEqual([page.complaints, await page.evaluate(() => violations)], [[], []]);
    assert.deepEqual(page.requests, [page.url()]);
  }

  const told = (page) => page.locator('#told').innerText();
  const left = async (page) => [await page.locator('#map circle:not(#ring, .off)').count(), await page.locator('#shown').innerText()];

  test('it counts what pie tag says, and asks for nothing', async () => {
    const page = await open(uses);
    const tags = lines(run('tag', '--json', '--top-k', '1', '--input', pool));
    const kinds = new Map();
    for (const { kind: { label } } of tags) kinds.set(label, (kinds.get(label) ?? 0) + 1);
    const unknown = kinds.get('unknown') ?? [];
    kinds.delete('unknown');
    const counts = await page.locator('[data-level=kind] .count').allInnerTexts();
    const all = [...kinds.values()].sort((a, b) => b - a).concat(unknown);
    assert.deepEqual(counts.map(Number), all.slice(0, 100));
    const rest = all.slice(100).reduce((sum, count) => sum + count, 0);
    assert.ok(rest > 0 && (await page.innerText('body')).includes(`and ${all.length - 100} more with ${rest} rows`));
    const tasks = new Set(tags.map(({ tasks }) => tasks[0].label).filter((label) => label !== 'unknown'));
    assert.match(await page.locator('.figures').innerText(), new RegExp(`^${tasks.size}\n+tasks are asked for`, 'm'));
    await clean(page);
  });

  test('a bar and words filter the map; a dot tells its text', async () => {
    const page = await open(uses);
    const bar = page.locator('[data-level=kind]').first();
    const count = Number(await bar.locator('.count').innerText());
    await bar.click();
    assert.deepEqual(await left(page), [count, `${count} of 360 texts`]);
    await bar.click();
    assert.deepEqual(await left(page), [360, '360 texts']);
    await page.fill('#find', 'HAIKU snow');
    const [found] = await left(page);
    const rows = lines(await readFile(pool, 'utf8')).filter(({ instruction }) => /haiku/i.test(instruction) && /snow/i.test(instruction));
    assert.equal(found, rows.length);
    await page.fill('#find', '');
    await page.locator('#map circle').nth(17).hover({ force: true });
    assert.match(await told(page), /line 18 · nearest other text 0\.\d\d$/);
    await clean(page);
  });

  test('the map goes by keys', async () => {
    const page = await open(uses);
    await page.locator('#map').focus();
    const seen = new Set();
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowUp', 'ArrowLeft', 'ArrowDown', 'ArrowDown']) {
      await page.keyboard.press(key);
      seen.add(await told(page));
    }
    assert.ok(seen.size >= 4, [...seen].join('\n'));
    for (let step = 0; step < 80; step++) await page.keyboard.press('ArrowRight');
    const [at, most] = await page.evaluate(() => {
      const places = [...document.querySelectorAll('#map circle:not(#ring)')].map((dot) => dot.cx.baseVal.value);
      return [document.getElementById('ring').cx.baseVal.value, Math.max(...places)];
    });
    assert.ok(at > 0.7 * most, `the keys stop at ${at} of ${most}`);
  });

  test('it fits any screen, and axe has nothing to say', async () => {
    for (const width of [360, 1280]) {
      for (const colorScheme of ['light', 'dark']) {
        const page = await open(uses, { viewport: { width, height: 800 }, colorScheme });
        await page.locator('[data-level=task]').first().click();
        await page.locator('#map').focus();
        await page.keyboard.press('ArrowDown');
        await check(page, `${width} ${colorScheme}`);
        await page.close();
      }
    }
  });

  test('hostile texts are shown, and do nothing', async () => {
    const page = await open(hostile, { viewport: { width: 360, height: 800 } });
    const shown = await page.locator('.texts q').allInnerTexts();
    for (const text of HOSTILE.slice(0, -1)) assert.ok(shown.includes(text), text);
    await page.locator('#map').focus();
    await page.keyboard.press('ArrowUp');
    assert.equal(await page.evaluate(() => globalThis.hit), undefined);
    await check(page, 'hostile');
    await clean(page);
  });

  test('where a server allows no script and no style, it can be read', async () => {
    const page = await here.page();
    const [contentType, body] = ['text/html; charset=utf-8', await readFile(new URL(uses), 'utf8')];
    await page.route('**/report', (route) => route.fulfill({ contentType, headers: { 'content-security-policy': "default-src 'none'" }, body }));
    await page.goto(`${here.address}report`);
    assert.match(await page.locator('body').innerText(), /360\s+rows with a text[^]*Most typical[^]*Near-duplicates/);
    assert.deepEqual(page.requests, [`${here.address}report`]);
  });
});
