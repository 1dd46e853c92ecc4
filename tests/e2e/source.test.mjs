// Lists of prompts as the demo page reads them: the table of cases that the command line is held to, and packed files.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { build, DEMO } from '../../www/build.mjs';

const cases = JSON.parse(await readFile(new URL('../fixtures/dataset/cases.json', import.meta.url), 'utf8'));

const WINDOWS = { '–': 0x96 };
const ENCODE = {
  'utf-16le': (text) => Buffer.from(`\ufeff${text}`, 'utf16le'),
  'utf-16be': (text) => Buffer.from(text, 'utf16le').swap16(),
  'windows-1252': (text) => Uint8Array.from([...text].map((letter) => WINDOWS[letter] ?? letter.codePointAt(0))),
  gzip: (text) => gzipSync(text),
};

/** A zip archive of `[name, content, flags]`. */
function zip(files, pack = deflateRawSync) {
  const method = pack === deflateRawSync ? 8 : 0;
  const local = [];
  const directory = [];
  let at = 0;
  for (const [name, content, flags = 0] of files) {
    const [bytes, packed] = [Buffer.from(name), pack(Buffer.from(content))];
    const head = Buffer.alloc(30);
    [[0, 0x04034b50, 4], [6, flags, 2], [8, method, 2], [18, packed.length, 4], [22, content.length, 4], [26, bytes.length, 2]]
      .forEach(([place, value, width]) => head.writeUIntLE(value, place, width));
    const entry = Buffer.alloc(46);
    [[0, 0x02014b50, 4], [8, flags, 2], [10, method, 2], [20, packed.length, 4], [24, content.length, 4], [28, bytes.length, 2], [42, at, 4]]
      .forEach(([place, value, width]) => entry.writeUIntLE(value, place, width));
    local.push(head, bytes, packed);
    directory.push(entry, bytes);
    at += 30 + bytes.length + packed.length;
  }
  const end = Buffer.alloc(22);
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  [[0, 0x06054b50, 4], [8, files.length, 2], [10, files.length, 2], [12, size, 4], [16, at, 4]]
    .forEach(([place, value, width]) => end.writeUIntLE(value, place, width));
  return Buffer.concat([...local, ...directory, end]);
}

describe('a list of prompts', () => {
  let dataset;
  let readRows;
  let unpack;
  before(async () => {
    await build();
    const wasm = await readFile(`${DEMO}dataset/pie_dataset_bg.wasm`);
    dataset = await import(`${DEMO}dataset/pie_dataset.js`);
    dataset.initSync({ module: wasm });
    ({ readRows } = await import(`${DEMO}rows.js`));
    ({ unpack } = await import(`${DEMO}unpack.js`));
  });

  /** Reads by pieces of a few bytes, at whose ends anything may be cut. */
  async function open(name, content, options, piece = 7) {
    const { data, name: inner } = await unpack(new Blob([content]), name, dataset.choose_files);
    const bytes = new Uint8Array(await data.arrayBuffer());
    let at = 0;
    const pull = () => bytes.subarray(at, (at += piece));
    const found = { rows: [], faults: [], notes: [], recognised: [] };
    for (const batch of readRows(dataset, pull, inner, options)) {
      for (const part of ['rows', 'faults', 'notes']) found[part].push(...batch[part]);
      found.recognised = batch.recognised;
    }
    return found;
  }

  const texts = async (...given) => (await open(...given)).rows.map(({ text }) => text);

  for (const { name, file, text, encoding, column, which, ...expected } of cases.filter(({ encoding }) => encoding !== 'zstd')) {
    test(`as the command line reads it: ${name}`, async () => {
      const read = () => open(file, encoding ? ENCODE[encoding](text) : text, { column, turns: which });
      if (expected.error) {
        await assert.rejects(read, ({ code, message }) => code === 'data' && message.includes(expected.error));
        return;
      }
      const { rows, faults, notes, recognised } = await read();
      assert.deepEqual(rows.map(({ text }) => text), expected.texts);
      assert.deepEqual([notes, recognised], [expected.notes ?? [], expected.recognised ?? []]);
      const said = faults.map(({ place, error }) => `${place}: ${error ?? 'blank'}`);
      assert.equal(said.length, expected.faults?.length ?? 0, said.join('\n'));
      said.forEach((fault, at) => assert.ok(fault.includes(expected.faults[at]), fault));
      if (expected.turns) {
        const turns = rows.filter(({ turn }) => turn !== null).map(({ conversation, turn, time, model }) => [conversation, turn, time, model]);
        assert.deepEqual(turns, expected.turns);
      }
      if (expected.rows) assert.deepEqual(rows.map(({ json }) => json), expected.rows);
    });
  }

  test('an archive is its one data set', async () => {
    const rows = '[{"text":"a"}]';
    for (const pack of [deflateRawSync, (bytes) => bytes]) {
      assert.deepEqual(await texts('e.zip', zip([['user.json', '{}'], ['conversations.json', rows], ['chat.html', '']], pack)), ['a']);
      assert.deepEqual(await texts('e.zip', zip([['__MACOSX/._a.csv', 'x'], ['a.csv', 'text,n\nb,1\n'], ['read.me', '']], pack)), ['b']);
    }
    assert.deepEqual(await texts('e.zip', zip([['a.jsonl.gz', gzipSync('{"text":"c"}\n')]])), ['c']);
    for (const [files, said] of [
      [[['a/conversations.json', rows], ['b/conversations.json', rows]], 'the archive holds 2 data sets: a/conversations.json, b/'],
      [[['a.csv', 'x'], ['b.jsonl', 'x']], 'the archive holds 2 data sets: a.csv, b.jsonl; unpack it and name one'],
      [[['picture.png', 'x']], 'none of the 1 files in the archive is of a format that is read'],
      [[['xl/workbook.xml', 'x']], 'this is an Excel workbook: save the sheet as CSV'],
      [[['a.csv', 'x', 1]], 'a.csv is encrypted'],
      [[['a.csv', zip([['b.csv', 'x']])]], 'the archive holds another archive'],
    ]) {
      await assert.rejects(open('e.zip', zip(files)), (error) => error.message.includes(said), said);
    }
    const whole = zip([['conversations.json', rows]]);
    await assert.rejects(open('e.zip', whole.subarray(0, whole.length - 30)), /its directory is missing/);
    const damaged = Buffer.from(whole);
    damaged.fill(0xff, 50, 56);
    await assert.rejects(open('e.zip', damaged), /the zip data is damaged or cut off/);
  });

  test('what unpacks to far more than any data set does is refused', async () => {
    const bomb = Buffer.alloc(1e6, 'a');
    for (const [name, packed] of [['a.txt.gz', gzipSync(bomb)], ['a.zip', zip([['a.txt', bomb]])]]) {
      const read = (always) => unpack(new Blob([packed]), name, dataset.choose_files, { always });
      assert.equal((await read(1e6)).data.size, 1e6);
      await assert.rejects(read(1e5), /bytes of (gzip|zip) unpack to more than \d+ bytes, as no data set does/);
    }
  });

  test('what is not read is refused with what to do', async () => {
    const gzip = gzipSync('Write a poem\n'.repeat(1000));
    for (const [name, content, said] of [
      ['a.txt.gz', gzip.subarray(0, gzip.length / 2), /the gzip data is damaged or cut off/],
      ['a.csv.zst', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 1), /packed by zstd, which only the command line reads: open it with pie report/],
      ['a.parquet', 'PAR1....', /this is Parquet, which only the command line reads: open it with pie report/],
      ['a.arrow', 'ARROW1..', /this is Arrow, which only the command line reads: open it with pie report/],
      ['a.xls', Uint8Array.of(0xd0, 0xcf, 0x11, 0xe0), /this is an old Excel workbook: save it as CSV/],
      ['a.pdf', '%PDF-1.7', /this is a PDF/],
    ]) {
      await assert.rejects(open(name, content), ({ message }) => said.test(message), name);
    }
  });

  test('what the reader of the stream throws is the error', () => {
    const pull = () => {
      throw new Error('the file has changed');
    };
    assert.throws(() => [...readRows(dataset, pull, 'a.txt')], /reading: the file has changed/);
  });

  test('a table without a header, and a row as cells', async () => {
    const { rows } = await open('a.csv', '"Write a poem, please",7\nTranslate this,8\n', { headless: true });
    assert.deepEqual(rows.map(({ text }) => text), ['Write a poem, please', 'Translate this']);
    assert.deepEqual(dataset.cells(rows[0].json), ['1', 'Write a poem, please', '2', '7']);
    assert.deepEqual(dataset.cells('{"n":98765432109876543210,"x":null,"y":[1.10],"n":1.10}'), ['n', '1.10', 'x', '', 'y', '[1.10]']);
    const bytes = Buffer.from('id,q\n1,x\n');
    let at = 0;
    assert.deepEqual(dataset.columns(() => bytes.subarray(at, (at += 3)), 'a.csv', false), ['id', 'q']);
  });
});
