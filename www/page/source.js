// Lists of prompts: a file's bytes or pasted text to records, with what was odd about them.
import { count, megabytes, whole } from './format.js';
import { Papa } from './vendor.js';

const MAX_BYTES = 64e6;
const MAX_RECORDS = 50_000;
const MAX_LINES_NAMED = 5;
const TEXT_COLUMNS = ['instruction', 'prompt', 'text', 'query', 'question', 'message', 'content', 'input', 'request', 'utterance'];
const NO_TEXT = [
  [[0x50, 0x4b, 0x03, 0x04], 'It is a spreadsheet or an archive: save the table as CSV, then open that.'],
  [[0x25, 0x50, 0x44, 0x46], 'It is a PDF: save its text, one prompt a line, then open that.'],
  [[0x1f, 0x8b], 'It is compressed: unpack it first.'],
];

/** What is wrong with a list as a whole, in a sentence for people. */
export class SourceError extends Error {}

/** @typedef {{ name: string, columns: string[], records: unknown[][], notes: string[] }} Source */

/** @returns {Promise<Source>} */
export async function readFile(file) {
  if (file.size > MAX_BYTES) {
    throw new SourceError(`${file.name} has ${megabytes(file.size)} MB; this page opens files of up to ${megabytes(MAX_BYTES)} MB. Open a part of it.`);
  }
  const bytes = new Uint8Array(await file.arrayBuffer().catch((error) => {
    throw new SourceError(`${file.name} could not be read: ${error.message}`);
  }));
  const { text, note } = decode(bytes, file.name);
  const source = parse(text, file.name, /\.(csv|tsv|jsonl|ndjson|json|txt)$/i.exec(file.name)?.[1].toLowerCase());
  if (note) source.notes.unshift(note);
  return source;
}

/** @returns {Source} */
export function readPasted(text) {
  return parse(text, 'pasted text');
}

function decode(bytes, name) {
  for (const [magic, advice] of NO_TEXT) {
    if (magic.every((byte, index) => bytes[index] === byte)) throw new SourceError(`${name} is no text file. ${advice}`);
  }
  const mark = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : undefined;
  if (mark) return { text: new TextDecoder(mark).decode(bytes) };
  if (bytes.subarray(0, 4096).includes(0)) throw new SourceError(`${name} is no text file: there are zero bytes in it.`);
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return {
      text: new TextDecoder('windows-1252').decode(bytes),
      note: 'The file is not in UTF-8 and was read as Windows-1252. If letters look wrong, save it as UTF-8 and open it again.',
    };
  }
}

function parse(text, name, format = sniff(text)) {
  const reader = { csv: fromCsv, tsv: fromCsv, json: fromJson, jsonl: fromJsonLines, ndjson: fromJsonLines, txt: fromLines }[format];
  const source = { name, notes: [], ...reader(text, name) };
  if (source.records.length === 0) throw new SourceError(`There is no prompt in ${name}.`);
  if (source.records.length > MAX_RECORDS) {
    source.notes.push(`Of ${count(source.records.length, 'row')} the first ${whole(MAX_RECORDS)} are taken.`);
    source.records.length = MAX_RECORDS;
  }
  return source;
}

function sniff(text) {
  const start = text.trimStart();
  if (start.startsWith('[')) return 'json';
  if (start.startsWith('{')) return 'jsonl';
  const cells = start.split('\n', 1)[0].split(/[,;\t]/);
  return cells.length > 1 && cells.some(isTextColumn) ? 'csv' : 'txt';
}

const isTextColumn = (cell) => TEXT_COLUMNS.includes(plainName(cell));
const plainName = (cell) => cell.trim().replaceAll('"', '').toLowerCase();

function fromLines(text) {
  const records = text.split(/\r\n|\n|\r/).filter((line) => line.trim()).map((line) => [line]);
  return { columns: ['prompt'], records };
}

function fromCsv(text, name) {
  const { data, errors } = Papa.parse(text, { skipEmptyLines: 'greedy', delimitersToGuess: [',', ';', '\t', '|'] });
  const notes = [];
  const quotes = errors.filter(({ type }) => type === 'Quotes');
  if (errors.some(({ code }) => code === 'MissingQuotes')) {
    const row = quotes.find(({ code }) => code === 'MissingQuotes').row + 1;
    throw new SourceError(`${name}: a quotation mark opens in row ${row} and never closes, so that all after it would be one prompt. Close it, ` +
      'and double the marks within quoted text.');
  }
  if (quotes.length > 0) {
    notes.push(`${count(quotes.length, 'quotation mark')} out of place, read as ${quotes.length === 1 ? 'it stands' : 'they stand'}: ` +
      `${rows(quotes.map(({ row }) => row + 1))}. Marks within quoted text are to be doubled.`);
  }
  if (data.length === 0) return { columns: [], records: [], notes };

  const width = data.reduce((most, row) => Math.max(most, row.length), 0);
  const header = isHeader(data) ? data.shift() : undefined;
  if (!header) notes.push('No header was found: the first row counts as a prompt.');
  const columns = unique(Array.from({ length: width }, (_, index) => header?.[index]?.trim() || `column ${index + 1}`));
  const odd = data.flatMap((row, index) => (row.length === (header ?? data[0]).length ? [] : [index + (header ? 2 : 1)]));
  if (odd.length > 0) notes.push(`${count(odd.length, 'row has', 'rows have')} more or fewer cells than the first one: ${rows(odd)}.`);
  return { columns, records: data, notes };
}

/** A first row that names a column of prompts, or whose cells are short and no others like them. */
function isHeader([first, ...rest]) {
  if (first.some(isTextColumn)) return true;
  return first.length > 1 && rest.length > 0 && first.every((cell, index) =>
    /^[\p{L}_][\p{L}\p{N}_ .-]{0,30}$/u.test(cell.trim()) && rest.slice(0, 100).every((row) => row[index] !== cell));
}

function unique(names) {
  const seen = new Set();
  return names.map((name) => {
    let free = name;
    for (let number = 2; seen.has(free); number++) free = `${name} ${number}`;
    seen.add(free);
    return free;
  });
}

function fromJson(text, name) {
  let values;
  try {
    values = JSON.parse(text);
  } catch (error) {
    // A .json file of one object a line is common, too.
    if (/^\s*\{/.test(text)) return fromJsonLines(text, name);
    throw new SourceError(`${name} is not JSON: ${error.message}.`);
  }
  if (!Array.isArray(values)) {
    const lists = Object.values(Object(values)).filter(Array.isArray);
    values = lists.length > 0 ? lists.reduce((longest, list) => (list.length > longest.length ? list : longest)) : [values];
  }
  return fromValues(values.map((value, index) => ({ value, place: index + 1 })), 'entry', 'entries', []);
}

function fromJsonLines(text) {
  const values = [];
  const broken = [];
  text.split(/\r\n|\n|\r/).forEach((line, index) => {
    if (!line.trim()) return;
    try {
      values.push({ value: JSON.parse(line), place: index + 1 });
    } catch {
      broken.push(index + 1);
    }
  });
  return fromValues(values, 'line', 'lines', broken);
}

function fromValues(values, one, many, broken) {
  const columns = [];
  const places = new Map();
  const records = [];
  for (const { value, place } of values) {
    const entries = typeof value === 'string' ? [['prompt', value]] : value && !Array.isArray(value) ? Object.entries(value) : [];
    if (entries.length === 0) {
      broken.push(place);
      continue;
    }
    const record = [];
    for (const [key, cell] of entries) {
      if (!places.has(key)) places.set(key, columns.push(key) - 1);
      record[places.get(key)] = cell;
    }
    records.push(record);
  }
  const notes = broken.length > 0 ? [`${count(broken.length, one, many)} left out as no JSON text or object: ${rows(broken, one, many)}.`] : [];
  return { columns, records, notes };
}

function rows(numbers, one = 'row', many = 'rows') {
  const named = numbers.slice(0, MAX_LINES_NAMED).map(whole).join(', ');
  return `${numbers.length === 1 ? one : many} ${named}${numbers.length > MAX_LINES_NAMED ? ', …' : ''}`;
}

/** The column that most likely has the prompts: by its name, or else by its length. */
export function guessColumn({ columns, records }) {
  const named = TEXT_COLUMNS.map((name) => columns.findIndex((column) => plainName(column) === name)).find((index) => index >= 0);
  if (named !== undefined) return named;
  const some = records.slice(0, 200);
  const lengths = columns.map((_, index) => some.reduce((sum, record) => sum + (typeof record[index] === 'string' ? record[index].length : 0), 0));
  return lengths.indexOf(Math.max(...lengths));
}
