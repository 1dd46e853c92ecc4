// Lists of prompts: a file or pasted text to rows, with what was odd about them. A worker reads; see source-worker.js.
import { count, whole } from './format.js';

const MAX_ROWS = 50_000;
const MAX_FAULTS_NAMED = 4;
/** A first line of pasted text that can only be the header of a table. */
const HEADER = /^\W*(.*[,;\t|]\W*)?(instruction|text|prompt)\W*([,;\t|].*)?$/i;
/** What the command line says of its options. */
const OPTIONS = /; name the one with the texts by --column.*| \(--turns all reads all of them\)/;

/** What is wrong with a list as a whole, in a sentence for people. With `columns`, one of them may be chosen for the prompts. */
export class SourceError extends Error {
  constructor(message, columns = []) {
    super(message);
    this.columns = columns;
  }
}

/**
 * A row has `text`, its line of `json`, and of a conversation the `conversation`, the `turn`, the `time` and the `model`.
 * @typedef {{ file: File, name: string, column?: string, columns: string[], rows: object[], recognised: string[], notes: string[] }} Source
 */

/** @returns {Promise<Source>} */
export async function readFile(file, { column, headless, signal, onProgress = () => {} } = {}) {
  const source = { file, name: file.name, column, headless, columns: [], rows: [], recognised: [], notes: [] };
  const faults = [];
  let faulty = 0;
  let more = false;
  const take = ({ batch, columns, phase, ...rest }) => {
    if (phase) onProgress({ phase, ...rest });
    if (columns) [source.columns, more] = [columns, rest.more];
    if (!batch) return;
    for (const row of batch.rows) source.rows.push(row);
    source.notes.push(...batch.notes);
    source.recognised = batch.recognised;
    const broken = batch.faults.filter(({ error }) => error !== null);
    faulty += broken.length;
    faults.push(...broken.slice(0, MAX_FAULTS_NAMED - faults.length));
  };
  const failed = await work({ file, name: file.name, options: { column, headless }, most: MAX_ROWS }, take, signal);
  if (failed) throw new SourceError(said(failed.startsWith(file.name) ? failed : `${file.name}: ${failed}`), OPTIONS.test(failed) ? source.columns : []);
  const named = faults.map(({ place, error }) => `${place}: ${said(error)}`).join('; ');
  if (source.rows.length === 0) {
    if (faulty === 0) throw new SourceError(`There is no prompt in ${file.name}.`);
    throw new SourceError(`There is no prompt in ${file.name}: ${named}${faulty > faults.length ? '; …' : ''}.`, source.columns);
  }
  source.recognised = source.recognised.map(said);
  if (faulty > 0) source.notes.push(`${count(faulty, 'row is', 'rows are')} left out: ${named}${faulty > faults.length ? '; …' : ''}.`);
  if (more) source.notes.push(`There are more than ${whole(MAX_ROWS)} prompts: the first ${whole(MAX_ROWS)} are taken.`);
  if (source.rows[0].turn === null) source.column ??= await columnOf(source.rows[0]);
  return source;
}

/** Pasted text as a file, called by what it looks like. */
export function pasted(text) {
  const isTable = HEADER.test(text.trimStart().split('\n', 1)[0]) && !/^\s*[[{]/.test(text);
  return new File([text], isTable && /[,;\t|]/.test(text) ? 'pasted text.csv' : 'pasted text');
}

/** The cells of rows: `[name, text, name, text, …]` each. */
export async function cellsOf(rows) {
  let found;
  const failed = await work({ cells: rows.map(({ json }) => json) }, ({ cells }) => (found ??= cells));
  if (failed) throw new SourceError(failed);
  return found;
}

/** The column in which a row's text was found. */
async function columnOf(row) {
  const [cells] = await cellsOf([row]);
  const at = cells.findIndex((cell, index) => index % 2 === 1 && cell === row.text);
  return at < 0 ? undefined : cells[at - 1];
}

const said = (text) => text.replace(OPTIONS, '');

/** Has a worker do what is asked; `take` hears of every message. Resolves to the message of an error, or to nothing. */
function work(asked, take, signal) {
  const worker = new Worker(new URL('./source-worker.js', import.meta.url), { type: 'module' });
  return new Promise((resolve, reject) => {
    const stop = () => reject(Object.assign(new Error('the reading was cancelled'), { code: 'aborted' }));
    if (signal?.aborted) return stop();
    signal?.addEventListener('abort', stop, { once: true });
    worker.onerror = (event) => reject(new Error(event.message ?? 'the worker that reads files could not be started'));
    worker.onmessage = ({ data }) => {
      if (data.done) resolve();
      else if (data.error) resolve(data.error);
      else take(data);
    };
    worker.postMessage(asked);
  }).finally(() => worker.terminate());
}
