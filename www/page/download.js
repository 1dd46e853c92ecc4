// The list with its tags, as a file: rows as they came, and behind them what was found out.
import { cellsOf } from './source.js';

const round = (score) => Number(score.toFixed(4));
const characters = (text) => [...text].length;

/** What is added to the rows, under names that they do not have: `own` are the columns of the first. */
function foundOf(list, own) {
  const { kind, family, task, own: labels } = list.tags;
  const columns = {
    ...(family && { family: (row) => kind[row].family ?? '' }),
    kind: (row) => kind[row].label,
    kind_score: (row) => round(kind[row].score),
    second_kind: (row) => list.second[row]?.label ?? '',
    task: (row) => task[row].label,
    task_score: (row) => round(task[row].score),
    length: (row) => characters(list.texts[row]),
    unread: (row) => round(list.vectors.unread[row]),
    // A row of an export has these by itself.
    ...(list.hasTurns && !own.has('turn') && {
      conversation: (row) => list.rows[row].conversation ?? '',
      turn: (row) => list.rows[row].turn ?? '',
      time: (row) => list.rows[row].time ?? '',
      model: (row) => list.rows[row].model ?? '',
    }),
    ...(labels && { label: (row) => labels[row].label, label_score: (row) => round(labels[row].score) }),
    ...(list.firstOf && { duplicate_of: (row) => (list.firstOf[row] === row ? '' : list.firstOf[row] + 1) }),
    ...(list.ranks && { pick: (row) => (list.ranks.has(row) ? list.ranks.get(row) + 1 : '') }),
  };
  return Object.entries(columns).map(([name, of]) => {
    let free = `pie_${name}`;
    while (own.has(free)) free = `pie_${free}`;
    return [free, of];
  });
}

// A spreadsheet evaluates a cell that begins with one of these characters, and a formula can send the table to another host.
const FORMULA = /^[\s\p{Cf}]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/u;
// Separators of other locales: unquoted text behind one of them would begin a cell of its own.
const QUOTED = /[;\t|]/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Puts an apostrophe before text that a spreadsheet would evaluate; numbers stay numbers. */
const plain = (text) => (FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text);

/** A cell of CSV; `guard` has a spreadsheet take it for text. */
function cell(value, guard) {
  const text = guard ? plain(String(value)) : String(value);
  return /[",\r\n]|^\s|\s$/.test(text) || (guard && QUOTED.test(text)) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The cells of the rows by their columns, in the order in which the columns are met. */
async function csv(list, rows, { guard = true }) {
  const tables = (await cellsOf(rows.map((row) => list.rows[row]))).map(table);
  const names = [...new Set(tables.flatMap((cells) => [...cells.keys()]))];
  const found = foundOf(list, new Set(names));
  const line = (values) => `${values.map((value) => cell(value, guard)).join(',')}\r\n`;
  // The mark at the start tells spreadsheets that it is UTF-8.
  return ['\ufeff', line([...names, ...found.map(([name]) => name)]),
    ...rows.map((row, at) => line([...names.map((name) => tables[at].get(name) ?? ''), ...found.map(([, of]) => of(row))]))];
}

/** Cells as they come from the reader, `[name, text, …]`, by their names. */
function table(cells) {
  const named = new Map();
  for (let at = 0; at < cells.length; at += 2) named.set(cells[at], cells[at + 1]);
  return named;
}

/** The rows byte for byte, with what was found before the closing brace. Not guarded: spreadsheets do not open JSON lines. */
async function jsonl(list, rows) {
  const [first = []] = await cellsOf(rows.slice(0, 1).map((row) => list.rows[row]));
  const found = foundOf(list, new Set([...list.source.columns, ...table(first).keys()]));
  return rows.map((row) => {
    const { json } = list.rows[row];
    const kept = json.slice(0, json.lastIndexOf('}'));
    const added = found.map(([name, of]) => `${JSON.stringify(name)}:${JSON.stringify(of(row))}`).join(',');
    return `${kept}${/^\s*\{\s*$/.test(kept) ? '' : ','}${added}}\n`;
  });
}

const FORMATS = { csv: ['text/csv', csv], jsonl: ['application/jsonl', jsonl] };

/** Saves these rows; CSV with formulas guarded, unless `guard` is false. */
export async function download(list, rows, format, options = {}) {
  const [type, write] = FORMATS[format];
  save(new Blob(await write(list, rows, options), { type }), `${baseName(list)}-tagged.${format}`);
}

export const baseName = ({ source }) => source.name.replace(/\.[^.]*$/, '').replaceAll(' ', '-');

/** Hands a file to the browser. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads the address after this call.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
