// Files of prompts as the demo page reads them: formats, columns, and what it says of those it cannot read.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { build, DEMO } from '../../www/build.mjs';

describe('a list of prompts', () => {
  let source;
  before(async () => {
    await build();
    source = await import(`${DEMO}source.js`);
  });

  const open = (name, ...parts) => source.readFile(new File(parts, name));
  const texts = ({ records }, column = 0) => records.map((record) => record[column]);
  const refused = async (promise) => {
    const error = await Promise.resolve().then(promise).then(() => assert.fail('it was read'), (error) => error);
    assert.ok(error instanceof source.SourceError, String(error));
    return error.message;
  };

  test('text: a prompt a line, blank ones left out, whatever ends the lines', async () => {
    const list = await open('a.txt', 'one\r\n\r\n  \ntwo, with a "mark"\rthree');
    assert.deepEqual(texts(list), ['one', 'two, with a "mark"', 'three']);
    assert.deepEqual([list.columns, list.notes], [['prompt'], []]);
  });

  test('CSV: quotes, line breaks in cells, semicolons, a mark of UTF-8', async () => {
    const list = await open('a.csv', '\ufeffid;Prompt;note\r\n1;"say ""hi"";\nplease";x\r\n2;thanks;\r\n');
    assert.deepEqual([list.columns, list.notes], [['id', 'Prompt', 'note'], []]);
    assert.equal(source.guessColumn(list), 1);
    assert.deepEqual(texts(list, 1), ['say "hi";\nplease', 'thanks']);
  });

  test('CSV: without a header the first row is a prompt, and the longest column is taken', async () => {
    const list = await open('a.csv', '7,"Write a poem, please"\n8,Translate this into French\n');
    assert.deepEqual(list.columns, ['column 1', 'column 2']);
    assert.match(list.notes.join(), /No header was found/);
    assert.equal(source.guessColumn(list), 1);
    assert.equal(list.records.length, 2);
  });

  test('CSV: a header with names of its own, twice the same', async () => {
    const list = await open('a.csv', 'Nr,Anfrage,Nr\n1,Write a poem about rain,x\n2,Explain why it rains,y\n');
    assert.deepEqual(list.columns, ['Nr', 'Anfrage', 'Nr 2']);
    assert.equal(source.guessColumn(list), 1);
  });

  test('CSV: broken quotes and uneven rows are named', async () => {
    assert.match(await refused(() => open('a.csv', 'prompt,n\n"never closed,1\nmore,2\n')), /a\.csv: a quotation mark opens in row 2 and never closes/);
    const odd = await open('a.csv', 'prompt,n\n"a"b",1\nc,2,3\nd\n');
    assert.match(odd.notes.join('|'), /quotation marks? out of place.*row/);
    const uneven = await open('a.csv', 'prompt,n\na,1\nb,2,3\nc\n');
    assert.match(uneven.notes.join(), /2 rows have more or fewer cells than the first one: rows 3, 4/);
  });

  test('JSON lines: strings and objects; lines that are neither are counted and named', async () => {
    const list = await open('a.jsonl', '{"id":1,"instruction":"one"}\n\nnot json\n"two"\n[3]\n{"instruction":"four","id":4}\n17\n');
    assert.deepEqual(list.columns, ['id', 'instruction', 'prompt']);
    assert.deepEqual(list.notes, ['3 lines left out as no JSON text or object: lines 3, 5, 7.']);
    assert.equal(source.guessColumn(list), 1);
    assert.deepEqual(texts(list, 1), ['one', undefined, 'four']);
  });

  test('JSON: a list, a list within an object, a single object, lines under the wrong name', async () => {
    for (const text of ['["one","two"]', '[{"prompt":"one"},{"prompt":"two"}]', '{"version":1,"data":["one","two"]}', '{"prompt":"one"}\n{"prompt":"two"}']) {
      assert.deepEqual(texts(await open('a.json', text)), ['one', 'two'], text);
    }
    assert.match(await refused(() => open('a.json', '[1,')), /a\.json is not JSON/);
  });

  test('what is pasted is told by its looks', () => {
    assert.deepEqual(texts(source.readPasted('Hi, there\nwrite, please')), ['Hi, there', 'write, please']);
    assert.deepEqual(texts(source.readPasted('id\tprompt\n1\thi'), 1), ['hi']);
    assert.deepEqual(texts(source.readPasted(' {"text":"hi"}\n{"text":"ho"}')), ['hi', 'ho']);
    assert.deepEqual(texts(source.readPasted('["hi"]')), ['hi']);
  });

  test('encodings: UTF-16 by its mark; what is no UTF-8 is read as Windows-1252, and that is said', async () => {
    const utf16 = new Uint8Array(Buffer.from('\ufeffécrire un poème', 'utf16le'));
    assert.deepEqual(texts(await open('a.txt', utf16)), ['écrire un poème']);
    const latin = await open('a.txt', Uint8Array.from(Buffer.from('écrire un poème', 'latin1')));
    assert.deepEqual(texts(latin), ['écrire un poème']);
    assert.match(latin.notes[0], /not in UTF-8 and was read as Windows-1252/);
  });

  test('what holds no prompts is refused in words', async () => {
    const big = { name: 'big.csv', size: 200e6, arrayBuffer: () => assert.fail('it was read before its size was looked at') };
    assert.match(await refused(() => source.readFile(big)), /big\.csv has 200\.0 MB; this page opens files of up to 64\.0 MB/);
    assert.match(await refused(() => open('a.xlsx', Uint8Array.of(0x50, 0x4b, 3, 4, 9))), /spreadsheet or an archive: save the table as CSV/);
    assert.match(await refused(() => open('a.pdf', '%PDF-1.7')), /It is a PDF/);
    assert.match(await refused(() => open('a.gz', Uint8Array.of(0x1f, 0x8b, 8))), /compressed/);
    assert.match(await refused(() => open('a.bin', Uint8Array.of(65, 0, 66))), /zero bytes/);
    for (const name of ['a.txt', 'a.csv', 'a.jsonl']) assert.match(await refused(() => open(name, ' \n\n')), /There is no prompt in/);
    assert.match(await refused(() => open('a.json', '[]')), /There is no prompt in/);
    assert.match(await refused(() => source.readFile({ name: 'gone.txt', size: 3, arrayBuffer: () => Promise.reject(new Error('not found')) })), /gone\.txt could not be read/);
  });

  test('a longer list is cut, and that is said', async () => {
    const list = await open('a.txt', 'hi\n'.repeat(50_001));
    assert.equal(list.records.length, 50_000);
    assert.match(list.notes.join(), /Of 50,001 rows the first 50,000 are taken/);
  });
});
