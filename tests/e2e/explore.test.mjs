// Lists of prompts in the demo page: from the file to the table, the counts, the map, and the file to take home.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { check } from './axe.mjs';
import { chatgpt } from '../../benches/page/export.mjs';
import { withBrowser } from './browser.mjs';

const SAMPLE = 300;

async function exported(options) {
  let text = '';
  for await (const piece of chatgpt(options)) text += piece;
  return text;
}

describe('lists in the demo page', () => {
  const here = withBrowser();

  async function open(options) {
    const page = await here.demo(options);
    await page.goto(here.address);
    return page;
  }

  const loaded = (page) => page.locator('#list:not([hidden])').waitFor();
  const mapped = (page) => page.locator('#map-note:empty').waitFor({ state: 'attached' });
  const lines = (page) => page.locator('#table-body .line');
  const shown = (page, text) => page.locator('#shown').filter({ hasText: text }).waitFor();
  const clean = async (page) => assert.deepEqual([page.complaints, await page.evaluate(() => violations)], [[], []]);

  async function sample(options) {
    const page = await open(options);
    await page.getByRole('button', { name: /sample prompts/ }).click();
    await loaded(page);
    return page;
  }

  async function give(page, name, text) {
    await page.locator('#file').setInputFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });
  }

  async function saved(page, name) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name, exact: true }).click()]);
    return { name: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') };
  }

  test('the sample is one click: counts, table and map', async () => {
    const page = await sample();
    await shown(page, `All ${SAMPLE} prompts`);
    assert.match(await page.locator('#list-figure').innerText(), new RegExp(`${SAMPLE} prompts in [\\d.]+ s, \\d+ a second`));
    const counts = await page.locator('#counts .count-figure').allInnerTexts();
    assert.equal(counts.reduce((sum, count) => sum + Number(count), 0), SAMPLE);
    assert.equal(await page.locator('#table').getAttribute('aria-rowcount'), String(SAMPLE + 1));
    assert.ok((await lines(page).count()) < 40, 'more rows than are in sight');
    assert.match(await lines(page).first().innerText(), /^1\s+Write a polite email to my landlord.*\s+write an email\s+\d+%/);
    await mapped(page);
    await clean(page);
  });

  test('the table filters, sorts and scrolls', async () => {
    const page = await sample();
    await page.fill('#query', 'haiku');
    await shown(page, /^\d of 300 prompts$/);
    for (const line of await lines(page).allInnerTexts()) assert.match(line, /haiku/i);
    await page.getByRole('button', { name: /Remove the filter: “haiku”/ }).click();
    await shown(page, 'All 300');
    const score = page.getByRole('button', { name: 'Score' });
    await score.click();
    await score.click();
    assert.equal(await page.getByRole('columnheader', { name: 'Score' }).getAttribute('aria-sort'), 'descending');
    const scores = (await page.locator('#table-body .score').allInnerTexts()).map((text) => parseInt(text, 10));
    assert.deepEqual(scores, scores.toSorted((a, b) => b - a));
    await page.locator('#table').evaluate((table) => (table.scrollTop = table.scrollHeight));
    await page.locator(`#table-body .line[aria-rowindex="${SAMPLE + 1}"]`).waitFor();
    await clean(page);
  });

  test('a bar filters by its kind, and again by none; the other level has its own', async () => {
    const page = await sample();
    const bar = page.locator('#counts button').first();
    const [name, count] = await Promise.all([bar.locator('.count-name').innerText(), bar.locator('.count-figure').innerText()]);
    await bar.click();
    await shown(page, `${count} of 300 prompts`);
    for (const kind of await page.locator('#table-body .kind').allInnerTexts()) assert.equal(kind, name);
    await page.locator('#counts button[aria-pressed="true"]').click();
    await shown(page, 'All 300');
    await page.getByRole('button', { name: 'Verb and noun', exact: true }).first().click();
    await page.locator('#counts button[data-label*="|"]').first().click();
    await shown(page, /of 300/);
  });

  test('the map shows a prompt under the pointer and filters by a click; it zooms by wheel, buttons and keys', async () => {
    const page = await sample();
    await mapped(page);
    const canvas = page.locator('#map-canvas');
    await canvas.scrollIntoViewIfNeeded();
    const tip = page.locator('#map-tip');
    const { width, height } = await canvas.boundingBox();
    await assert.doesNotReject(async () => {
      for (let step = 0; step < 400 && !(await tip.isVisible()); step++) {
        await canvas.hover({ position: { x: 20 + ((step * 37) % (width - 40)), y: 20 + ((step * 53) % (height - 40)) } });
      }
      await tip.waitFor({ timeout: 1000 });
    });
    const [text, kind] = (await tip.innerText()).split('\n');
    const picture = () => canvas.evaluate((canvas) => canvas.toDataURL());
    const before = await picture();
    await page.mouse.down();
    await page.mouse.up();
    await shown(page, /^\d+ of 300 prompts$/);
    assert.equal(await page.locator('#table-body .kind').first().innerText(), kind);
    await page.locator('#detail').getByText(text, { exact: true }).waitFor();
    await page.waitForFunction((before) => document.getElementById('map-canvas').toDataURL() !== before, before);
    for (const zoom of [
      () => page.mouse.wheel(0, -300),
      () => page.getByRole('button', { name: 'Zoom in' }).click(),
      () => page.getByRole('button', { name: 'Zoom out' }).click(),
      () => page.getByRole('button', { name: 'All', exact: true }).click(),
      () => canvas.press('+'),
      () => canvas.press('ArrowLeft'),
      () => canvas.press('0'),
    ]) {
      const before = await picture();
      await zoom();
      await page.waitForFunction((before) => document.getElementById('map-canvas').toDataURL() !== before, before);
    }
    await clean(page);
  });

  test('a chosen prompt is shown whole, with its neighbours', async () => {
    const page = await open();
    const long = `Write a poem about ${'the sea and '.repeat(40)}the sky`;
    await give(page, 'three.txt', `${long}\nCompose verses on autumn\nWhat is 17 times 23?\n`);
    await loaded(page);
    await lines(page).first().click();
    await page.locator('.detail-text').filter({ hasText: long }).waitFor();
    const near = page.locator('.near button');
    await near.first().filter({ hasText: 'Compose verses' }).waitFor();
    await near.first().click();
    await page.locator('.detail-text').filter({ hasText: 'Compose verses' }).waitFor();
    assert.equal(await page.locator('.line[aria-selected="true"]').getAttribute('aria-rowindex'), '3');
  });

  test('near-duplicates stand together, and a diverse choice has its ranks', async () => {
    const page = await open();
    const texts = ['Translate this into French', 'Write a poem about rain', 'What is 17 times 23?', 'Write a poem about rain!', 'Translate this into French.'];
    await give(page, 'five.txt', texts.join('\n'));
    await loaded(page);
    const prompts = () => page.locator('#table-body .prompt .text').allInnerTexts();
    await page.getByRole('button', { name: 'Leave out near-duplicates' }).click();
    await shown(page, '3 of 5 prompts');
    assert.deepEqual(await prompts(), texts.slice(0, 3));
    await page.getByRole('button', { name: 'Show near-duplicates' }).click();
    await shown(page, '4 of 5 prompts');
    assert.deepEqual(await prompts(), [texts[0], texts[4], texts[1], texts[3]]);
    assert.deepEqual(await page.locator('#table-body .badge').allInnerTexts(), ['first', 'like 1', 'first', 'like 2']);
    await page.fill('#count', '3');
    await page.getByRole('button', { name: 'Pick', exact: true }).click();
    await shown(page, '3 of 5 prompts');
    assert.deepEqual(await page.locator('#table-body .badge').allInnerTexts(), ['pick 1', 'pick 2', 'pick 3']);
    const first = new Set((await prompts()).map((text) => text.replace(/[.!]$/, '')));
    assert.equal(first.size, 3, 'of the repeated ones, one each');
    await page.fill('#count', '6');
    await page.getByRole('button', { name: 'Pick', exact: true }).click();
    assert.equal(await page.locator('#count').evaluate((field) => field.validity.rangeOverflow), true);
    await clean(page);
  });

  test('labels of one\'s own are put on the list', async () => {
    const page = await sample();
    await page.getByRole('button', { name: 'Tag the loaded list with these' }).click();
    await page.getByText(`${SAMPLE} prompts of sample.txt tagged.`).waitFor();
    assert.ok((await page.locator('#counts button').count()) <= 4);
    await page.getByRole('columnheader', { name: 'Your label' }).waitFor();
    await page.locator('#counts button').first().click();
    await shown(page, /of 300/);
    await clean(page);
  });

  test('the download has the columns of the source and the tags, of what is shown', async () => {
    const page = await open();
    await give(page, 'my list.csv', 'id,prompt,note\n7,"Write a poem, please","says ""please"""\n8,What is 17 times 23?,\n9,,none\n');
    await loaded(page);
    await page.getByText(/^1 row is left out: line 4: /).waitFor();
    const csv = await saved(page, 'CSV');
    assert.equal(csv.name, 'my-list-tagged.csv');
    const [head, first, second] = csv.text.split('\r\n');
    assert.equal(head, '\ufeffid,prompt,note,pie_family,pie_kind,pie_kind_score,pie_second_kind,pie_task,pie_task_score,pie_length,pie_unread');
    assert.match(first, /^7,"Write a poem, please","says ""please""",creative-writing,write-poem,0\.\d+,[a-z-]+,[^,]+,0\.\d+,20,0$/);
    assert.match(second, /^8,What is 17 times 23\?,,[a-z-]+,calculate,/);
    await page.fill('#query', 'poem');
    await shown(page, '1 of 2');
    const jsonl = await saved(page, 'JSONL');
    const rows = jsonl.text.trim().split('\n').map((line) => JSON.parse(line));
    assert.equal(rows.length, 1);
    assert.deepEqual([rows[0].id, rows[0].note, rows[0].pie_kind], ['7', 'says "please"', 'write-poem']);
  });

  test('cells that a spreadsheet would compute are text in the CSV, unless one wants them as they are', async () => {
    const page = await open();
    const cells = ['=HYPERLINK("http://example.com","open")', '+cmd|x', '-2+3', '@SUM(A1)', ' =1+1', '\t=1', '\uff1d1', '-5', '+1.5e3', 'a;=1+1', 'plain - text'];
    await give(page, 'cells.jsonl', cells.map((cell) => `${JSON.stringify({ prompt: 'Write a poem', '=note': cell })}\n`).join(''));
    await loaded(page);
    const column = (text) => [...text.matchAll(/^Write a poem,("(?:[^"]|"")*"|[^,]*),/gm)].map(([, cell]) => cell.replace(/^"|"$/g, '').replaceAll('""', '"'));
    const { text } = await saved(page, 'CSV');
    assert.match(text, /^\ufeffprompt,'=note,/);
    assert.deepEqual(column(text), cells.map((cell, n) => (n < 7 ? `'${cell}` : cell)));
    assert.match(text, /,"a;=1\+1",/);
    await page.selectOption('#formulas', 'keep');
    const kept = await saved(page, 'CSV');
    assert.deepEqual(column(kept.text), cells);
    const jsonl = await saved(page, 'JSONL');
    assert.deepEqual(jsonl.text.trim().split('\n').map((line) => JSON.parse(line)['=note']), cells);
  });

  test('another column is a choice', async () => {
    const page = await open();
    await give(page, 'two.jsonl', '{"prompt":"Write a poem about rain","reply":"Translate this into French"}\n'.repeat(3));
    await loaded(page);
    await lines(page).first().filter({ hasText: 'write a poem' }).waitFor();
    await page.selectOption('#column', { label: 'reply' });
    await lines(page).first().filter({ hasText: 'translate' }).waitFor();
  });

  test('where no column is a usual one, the page asks which', async () => {
    const page = await open();
    await give(page, 'asked.csv', 'Nr,Anfrage\n1,Write a poem about rain\n2,Translate this into French\n');
    await page.locator('#list-error').filter({ hasText: /there is no column "instruction".*"Nr", "Anfrage"$/ }).waitFor();
    await page.selectOption('#asked-column', 'Anfrage');
    await page.getByRole('button', { name: 'Tag this column' }).click();
    await loaded(page);
    await lines(page).first().filter({ hasText: 'write a poem' }).waitFor();
    await give(page, 'headless.csv', 'Write a poem about rain,7\nTranslate this into French,8\n');
    await page.getByRole('button', { name: 'The first line is a row, too' }).click();
    await page.locator('#list-name').filter({ hasText: 'headless.csv' }).waitFor();
    await shown(page, 'All 2 prompts');
    await give(page, 'ids.jsonl', '{"n":1,"q":"Write a poem"}\n');
    await page.selectOption('#asked-column', 'q');
    await page.getByRole('button', { name: 'Tag this column' }).click();
    await shown(page, 'All 1 prompt');
    await clean(page);
  });

  test('rows go out as they came: JSON lines byte for byte', async () => {
    const page = await open();
    const rows = ['{"id":98765432109876543210, "text":"Write a caf\\u00e9 poem","b":1.10,"a":1e2}', '{"text":"Translate this into French" }'];
    await give(page, 'rows.jsonl', `${rows.join('\n')}\n`);
    await loaded(page);
    const { text } = await saved(page, 'JSONL');
    text.trim().split('\n').forEach((line, at) => assert.ok(line.startsWith(`${rows[at].slice(0, -1)},"pie_family":`), line));
    const csv = await saved(page, 'CSV');
    assert.match(csv.text, /^98765432109876543210,Write a café poem,1\.10,1e2,/m);
  });

  test('an export of chats: what was recognised, usage over time, and a picture of it', async () => {
    const page = await open({ timezoneId: 'Europe/Berlin' });
    const turns = 60;
    const readers = () => page.requests.filter((address) => address.endsWith('pie_dataset_bg.wasm')).length;
    assert.equal(readers(), 0, 'the readers are loaded when a list is opened');
    await give(page, 'conversations.json', await exported({ bytes: 3e5, turns }));
    await loaded(page);
    await page.locator('#list-notes').getByText(/^ChatGPT export: \d+ conversations, 60 user turns\.$/).waitFor();
    assert.ok(readers() > 0);
    const usage = page.locator('#usage');
    assert.match(await page.locator('#usage-span').innerText(), /^60 prompts, January \d+, 2023 to [A-Z][a-z]+ \d+, 2025$/);
    const legend = () => page.locator('#usage-legend .figure').allInnerTexts();
    assert.equal((await legend()).reduce((sum, count) => sum + Number(count), 0), turns);
    await usage.getByRole('button', { name: 'Kind' }).click();
    assert.equal((await legend()).reduce((sum, count) => sum + Number(count), 0), turns);
    assert.match(await page.locator('#usage-months svg').getAttribute('aria-label'), /^Prompts over time by kind, 60 prompts/);
    assert.equal(await page.locator('#usage-week rect').count(), 7 * 24);
    assert.ok((await page.locator('#usage-models text').count()) > 0);
    await page.locator('#usage-threads button').first().click();
    await page.locator('.detail-text').waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as picture' }).click()]);
    assert.equal(download.suggestedFilename(), 'conversations-usage.png');
    const png = await readFile(await download.path());
    assert.equal(png.subarray(1, 4).toString(), 'PNG');
    const jsonl = await saved(page, 'JSONL');
    const row = JSON.parse(jsonl.text.split('\n', 1)[0]);
    assert.deepEqual(Object.keys(row).slice(0, 6), ['text', 'turn', 'conversation', 'time', 'model', 'pie_family']);
    await check(page, 'usage');
    await page.getByRole('button', { name: /sample prompts/ }).click();
    await shown(page, 'All 300');
    assert.ok(await usage.isHidden());
    await clean(page);
  });

  test('packed exports are unpacked by the page', async () => {
    const page = await open();
    const rows = '{"text":"Write a poem about rain"}\n';
    await page.locator('#file').setInputFiles({ name: 'a.jsonl.gz', mimeType: 'application/gzip', buffer: gzipSync(rows) });
    await loaded(page);
    await lines(page).first().filter({ hasText: 'write a poem' }).waitFor();
    await page.locator('#file').setInputFiles({ name: 'half.jsonl.gz', mimeType: 'application/gzip', buffer: gzipSync(rows).subarray(0, 30) });
    await page.locator('#list-error').filter({ hasText: 'half.jsonl.gz: the gzip data is damaged or cut off' }).waitFor();
    await clean(page);
  });

  test('pasted and dropped lists are read like files', async () => {
    const page = await open();
    await page.getByRole('button', { name: 'Paste' }).click();
    await page.keyboard.type('Write a poem about rain\nTranslate this into French');
    await page.getByRole('button', { name: 'Tag these' }).click();
    await shown(page, 'All 2 prompts');
    await page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['Tell me a joke'], 'dropped.txt'));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    });
    await page.locator('#list-name').filter({ hasText: 'dropped.txt' }).waitFor();
    await shown(page, 'All 1 prompt');
  });

  test('what cannot be read is said, and the list before stays', async () => {
    const page = await open();
    await give(page, 'one.txt', 'Write a poem about rain');
    await loaded(page);
    const error = page.locator('#list-error');
    await give(page, 'broken.csv', 'prompt,n\n"never closed,1\nmore,2\n');
    await error.filter({ hasText: 'broken.csv: the quote that opens in line 2 is never closed' }).waitFor();
    await give(page, 'empty.txt', '\n');
    await error.filter({ hasText: 'There is no prompt in empty.txt' }).waitFor();
    await give(page, 'book.xlsx', 'PK\x03\x04 and so on');
    await error.filter({ hasText: 'no zip archive' }).waitFor();
    assert.ok(await page.locator('#ask-column').isHidden());
    await page.locator('#list-name').filter({ hasText: 'one.txt' }).waitFor();
    await clean(page);
  });

  test('10,000 prompts: a prompt is tagged meanwhile, cancel ends it, and what came is shown', async () => {
    const page = await open();
    const words = (await readFile(new URL('../../www/page/sample.txt', import.meta.url), 'utf8')).trim().split('\n');
    await give(page, 'ten thousand.txt', Array.from({ length: 10_000 }, (_, row) => `${words[row % SAMPLE]} ${row}`).join('\n'));
    await page.locator('#working-text').filter({ hasText: /^\d[\d,]* of 10,000 prompts$/ }).waitFor();
    await page.waitForFunction(() => document.getElementById('working-bar').value > 0.01);
    assert.match(await page.locator('#working-figure').innerText(), /a second, \d+ s left/);
    await page.fill('#instruction', 'Translate this sentence into French');
    await page.locator('#tags-list li').first().filter({ hasText: 'translate' }).waitFor();
    assert.ok(await page.locator('#working').isVisible());
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: /sample prompts/ }).click();
    await loaded(page);
    await shown(page, 'All 300 prompts');
    assert.ok(await page.locator('#list-error').isHidden());
    await clean(page);
  });

  test('it can be used with the keyboard alone', async () => {
    const page = await open();
    await page.locator('#sample').focus();
    await page.keyboard.press('Enter');
    await loaded(page);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'list-name');
    const table = page.locator('#table');
    await table.focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowUp']) await page.keyboard.press(key);
    const active = () => table.getAttribute('aria-activedescendant');
    assert.equal(await active(), 'row-1');
    await page.keyboard.press('End');
    await page.locator(`#row-${SAMPLE - 1}[aria-selected="true"]`).waitFor();
    assert.equal(await active(), `row-${SAMPLE - 1}`);
    await page.keyboard.press('Home');
    await page.locator('#row-0[aria-selected="true"]').waitFor();
    await page.locator('#counts button').first().focus();
    await page.keyboard.press('Enter');
    await shown(page, /of 300/);
    assert.equal(await page.evaluate(() => document.activeElement.className), 'count');
    await page.keyboard.press('Enter');
    await shown(page, 'All 300');
  });

  for (const [colorScheme, width] of [['light', 1280], ['dark', 375]]) {
    test(`axe finds nothing serious in a list (${colorScheme}, ${width} wide), and nothing overflows`, async () => {
      const page = await open({ colorScheme, viewport: { width, height: 844 } });
      await page.getByRole('button', { name: 'Paste' }).click();
      await check(page, 'paste');
      await give(page, 'empty.txt', '\n');
      await page.locator('#list-error:not([hidden])').waitFor();
      await check(page, 'error');
      await page.getByRole('button', { name: /sample prompts/ }).click();
      await loaded(page);
      await mapped(page);
      await check(page, 'list');
      await page.getByRole('button', { name: 'Tag the loaded list with these' }).click();
      await page.getByRole('columnheader', { name: 'Your label' }).waitFor();
      await page.locator('#counts button').first().click();
      await lines(page).first().click();
      await page.locator('.near button').first().waitFor();
      await page.getByRole('button', { name: 'Show near-duplicates' }).click();
      await page.getByRole('button', { name: /Remove the filter: near-duplicates/ }).waitFor();
      await check(page, 'filtered');
    });
  }
});
