// From a file, pasted text or the sample to a tagged list.
import { append, byId } from './dom.js';
import { count, whole } from './format.js';
import { List } from './list.js';
import { loadPool, model } from './model.js';
import { guessColumn, readFile, readPasted, SourceError } from './source.js';
import { showList } from './view.js';

const PANELS = ['drop', 'working', 'list'];

let stop;
let listeners = [];

/** `listener` hears of every list that was tagged. */
export const onList = (listener) => listeners.push(listener);

async function open(read) {
  stop?.abort();
  byId('list-error').hidden = true;
  try {
    const source = await read();
    await tag(source, guessColumn(source));
  } catch (error) {
    fail(error);
  }
}

function fail(error) {
  if (error.code === 'aborted') return;
  byId('list-error').hidden = false;
  byId('list-error').textContent = error instanceof SourceError ? error.message : `This list could not be tagged: ${error.message}.`;
}

async function tag(source, column) {
  const list = new List(source, column);
  if (list.texts.length === 0) throw new SourceError(`The column “${source.columns[column]}” of ${source.name} has no text in any row.`);
  stop?.abort();
  const { signal } = (stop = new AbortController());
  const before = PANELS.find((id) => !byId(id).hidden && id !== 'working') ?? 'drop';
  show('working');
  byId('cancel').focus();
  try {
    await work(list, signal);
    show('list');
    describe(list);
    showList(list);
    byId('list-name').focus({ preventScroll: true });
    for (const listener of listeners) listener(list);
  } catch (error) {
    list.embedder?.dispose();
    if (stop.signal === signal) show(before);
    throw error;
  }
}

async function work(list, signal) {
  say('Waiting for the model', 0, '');
  await model;
  list.embedder = await loadPool(signal);
  const start = performance.now();
  const onProgress = ({ done, total }) => {
    const perSecond = (1000 * done) / (performance.now() - start);
    const left = (total - done) / perSecond;
    const rate = `${whole(Math.round(perSecond))} a second`;
    say(`${whole(done)} of ${count(total, 'prompt')}`, done / total, left > 3 ? `${rate}, ${Math.ceil(left)} s left` : rate);
  };
  say(`0 of ${count(list.texts.length, 'prompt')}`, 0, '');
  list.vectors = await list.embedder.embed(list.texts, { signal, onProgress });
  list.elapsedMs = performance.now() - start;
  say('Naming the tasks', 1, '');
  const best = async (level) => (await list.embedder.classify(list.vectors, { level, topK: 1, signal })).map(([tag]) => tag);
  // In the order in which they are offered.
  const levels = list.embedder.info().taxonomy.families > 0 ? ['kind', 'family', 'task'] : ['kind', 'task'];
  const tags = await Promise.all(levels.map(best));
  levels.forEach((level, at) => (list.tags[level] = tags[at]));
}

function say(text, fraction, figure) {
  byId('working-text').textContent = text;
  byId('working-figure').textContent = figure;
  byId('working-bar').value = fraction;
}

function describe({ source, column, texts, tags, blank, elapsedMs }) {
  byId('list-name').textContent = source.name;
  const seconds = elapsedMs / 1000;
  byId('list-figure').textContent = `${count(texts.length, 'prompt')} in ${seconds.toFixed(1)} s, ${whole(Math.round(texts.length / seconds))} a second`;
  byId('column-label').hidden = source.columns.length < 2;
  byId('column').replaceChildren(...source.columns.map((name, index) => new Option(name, index, index === column, index === column)));
  const notes = [...source.notes];
  if (blank > 0) notes.push(`${count(blank, 'row has', 'rows have')} no text in this column and ${blank === 1 ? 'is' : 'are'} left out.`);
  const unread = tags.kind.filter(({ reason }) => reason === 'unread').length;
  if (unread > 0) {
    notes.push(`${count(unread, 'prompt is', 'prompts are')} unknown because the vocabulary of this model lacks most of ${unread === 1 ? 'it' : 'each'}.`);
  }
  byId('list-notes').replaceChildren();
  for (const note of notes) append(byId('list-notes'), 'li', '', note);
  byId('column').onchange = ({ target }) => tag(source, Number(target.value)).catch((error) => {
    target.value = column;
    fail(error);
  });
}

function show(panel) {
  // The way to another list stays at hand, smaller, beside a list.
  byId('drop').hidden = panel === 'working';
  byId('drop').classList.toggle('slim', panel === 'list');
  byId('drop-title').textContent = panel === 'list' ? 'Another list: drop it here, or' : 'Drop a CSV, JSONL or text file here';
  byId('working').hidden = panel !== 'working';
  byId('list').hidden = panel !== 'list';
}

function openDropped(event) {
  event.preventDefault();
  byId('explore').classList.remove('over');
  const [file] = event.dataTransfer.files;
  const text = event.dataTransfer.getData('text/plain');
  if (file) open(() => readFile(file));
  else if (text.trim()) open(() => readPasted(text));
}

export function startExplore() {
  byId('sample').addEventListener('click', () => open(async () => {
    const response = await fetch('sample.txt');
    return readFile(new File([await response.blob()], 'sample.txt'));
  }));
  const file = byId('file');
  byId('pick').addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    const [chosen] = file.files;
    if (chosen) open(() => readFile(chosen));
    // The same file again, once it was mended, is a change, too.
    file.value = '';
  });
  byId('paste-open').addEventListener('click', () => {
    byId('paste').hidden = !byId('paste').hidden;
    byId('paste-open').setAttribute('aria-expanded', String(!byId('paste').hidden));
    if (!byId('paste').hidden) byId('pasted').focus();
  });
  byId('paste-go').addEventListener('click', () => open(async () => readPasted(byId('pasted').value)));
  byId('cancel').addEventListener('click', () => stop.abort());
  for (const type of ['dragenter', 'dragover']) {
    addEventListener(type, (event) => {
      event.preventDefault();
      byId('explore').classList.add('over');
    });
  }
  addEventListener('dragleave', (event) => event.relatedTarget === null && byId('explore').classList.remove('over'));
  addEventListener('drop', openDropped);
}
