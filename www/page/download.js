// The list with its tags, as a file.
import { Papa } from './vendor.js';

/** The source's own columns, then what was found out, under names that no column of the source has. */
function rowsOf(list, rows) {
  const { columns } = list.source;
  const found = [
    ['kind', (row) => list.tags.kind[row].label],
    ['kind_score', (row) => round(list.tags.kind[row].score)],
    ...(list.tags.family ? [['family', (row) => list.tags.kind[row].family ?? '']] : []),
    ['task', (row) => list.tags.task[row].label],
    ['task_score', (row) => round(list.tags.task[row].score)],
  ];
  if (list.tags.own) found.push(['label', (row) => list.tags.own[row].label], ['label_score', (row) => round(list.tags.own[row].score)]);
  if (list.firstOf) found.push(['duplicate_of', (row) => (list.firstOf[row] === row ? '' : list.firstOf[row] + 1)]);
  if (list.ranks) found.push(['pick', (row) => (list.ranks.has(row) ? list.ranks.get(row) + 1 : '')]);
  const names = [...columns, ...found.map(([name]) => `pie_${name}`)];
  return { names, values: rows.map((row) => [...columns.map((_, index) => list.records[row][index]), ...found.map(([, of]) => of(row))]) };
}

const round = (score) => Number(score.toFixed(4));

// A spreadsheet evaluates a cell that begins with one of these characters, and a formula can send the table to another host.
const FORMULA = /^[\s\p{Cf}]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/u;
// Separators of other locales: unquoted text behind one of them would begin a cell of its own.
const QUOTED = /[;\t|]/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Puts an apostrophe before text that a spreadsheet would evaluate; numbers stay numbers. */
const plain = (text) => (FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text);

const FORMATS = {
  // The mark at the start tells spreadsheets that it is UTF-8.
  csv: ['text/csv', ({ names, values }, { guard = true }) => {
    const cell = (value) => (guard && typeof value === 'string' ? plain(value) : value);
    const table = { fields: names.map(cell), data: values.map((row) => row.map((value) => cell(toCell(value)))) };
    return `\ufeff${Papa.unparse(table, { quotes: (value) => guard && QUOTED.test(value) })}\r\n`;
  }],
  // Not guarded: spreadsheets do not open JSON lines.
  jsonl: ['application/jsonl', ({ names, values }) =>
    values.map((row) => `${JSON.stringify(Object.fromEntries(names.map((name, index) => [name, row[index]])))}\n`).join('')],
};

const toCell = (value) => (typeof value === 'object' && value !== null ? JSON.stringify(value) : value);

/** Saves these rows; CSV with formulas guarded, unless `guard` is false. */
export function download(list, rows, format, options = {}) {
  const [type, write] = FORMATS[format];
  const url = URL.createObjectURL(new Blob([write(rowsOf(list, rows), options)], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `${list.source.name.replace(/\.[^.]*$/, '').replaceAll(' ', '-')}-tagged.${format}`;
  link.click();
  // The browser reads the address after this call.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
