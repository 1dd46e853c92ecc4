// From a file, pasted text or the sample to a tagged list.
import { append, byId } from './dom.js';
import { count, megabytes, whole } from './format.js';
import { List } from './list.js';
import { loadPool, model } from './model.js';
import { pasted, readFile, SourceError } from './source.js';
import { showList } from './view.js';

const KINDS_READ = 2;

let stop;
/** What is shown while nothing is worked on: `drop` or `list`. */
let settled = 'drop';
let listeners = [];

/** `listener` hears of every list that was tagged. */
export const onList = (listener) => listeners.push(listener);

/** Reads a file, tags its prompts and shows them; what was shown before stays where this fails or is cancelled. */
async function open(file, options = {}) {
  stop?.abort();
  const { signal } = (stop = new AbortController());
  byId('list-error').hidden = byId('ask-column').hidden = true;
  show('working');
  byId('cancel').focus();
  let list;
  try {
    say(`Reading ${file.name}`, 0, '');
    list = new List(await readFile(file, { ...options, signal, onProgress: sayRead }));
    await work(list, signal);
    show('list');
    describe(list);
    showList(list);
    byId('list-name').focus({ preventScroll: true });
    for (const listener of listeners) listener(list);
  } catch (error) {
    list?.embedder?.dispose();
    if (stop.signal === signal) show(settled);
    fail(error, file, options);
  }
}

function sayRead({ phase, bytes, total }) {
  if (phase === 'unpack') say('Unpacking', 0, `${megabytes(bytes)} MB`);
  else say('Reading', total ? bytes / total : 0, `${megabytes(bytes)} of ${megabytes(total)} MB`);
}

function fail(error, file, options) {
  if (error.code === 'aborted') return;
  byId('list-error').hidden = false;
  byId('list-error').textContent = error instanceof SourceError ? error.message : `This list could not be tagged: ${error.message}.`;
  if (error.columns?.length > 0) askColumn(file, options, error.columns);
}

/** Offers the columns where none is one that usually holds prompts. */
function askColumn(file, options, columns) {
  const choice = byId('asked-column');
  choice.replaceChildren(...columns.map((name) => new Option(name || '(no name)', name)));
  byId('ask-column').hidden = false;
  byId('column-go').onclick = () => open(file, { ...options, column: choice.value });
  byId('headless-go').hidden = !isTable(file.name) || options.headless === true;
  byId('headless-go').onclick = () => open(file, { headless: true });
}

const isTable = (name) => /\.(csv|tsv|tab)(\.gz)?$/i.test(name);

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
  list.vectors = await list.embedder.embed(list.requests, { signal, onProgress });
  list.elapsedMs = performance.now() - start;
  say('Naming the tasks', 1, '');
  const best = async (level) => {
    const found = await list.embedder.classify(list.vectors, { level, topK: level === 'kind' ? KINDS_READ : 1, signal });
    if (level === 'kind') list.second = found.map(([, second]) => second);
    return found.map(([first]) => first);
  };
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

function describe({ source, texts, tags, elapsedMs }) {
  byId('list-name').textContent = source.name;
  const seconds = elapsedMs / 1000;
  byId('list-figure').textContent = `${count(texts.length, 'prompt')} in ${seconds.toFixed(1)} s, ${whole(Math.round(texts.length / seconds))} a second`;
  const { file, column, columns, headless } = source;
  byId('column-label').hidden = column === undefined || columns.length < 2;
  byId('column').replaceChildren(...columns.map((name) => new Option(name, name, name === column, name === column)));
  byId('column').onchange = ({ target }) => {
    open(file, { headless, column: target.value });
    target.value = column;
  };
  const notes = [...source.recognised.map((found) => `${found}.`), ...source.notes];
  const unread = tags.kind.filter(({ reason }) => reason === 'unread').length;
  if (unread > 0) {
    notes.push(`${count(unread, 'prompt is', 'prompts are')} unknown because the vocabulary of this model lacks most of ${unread === 1 ? 'it' : 'each'}.`);
  }
  byId('list-notes').replaceChildren();
  for (const note of notes) append(byId('list-notes'), 'li', '', note);
}

function show(panel) {
  if (panel !== 'working') settled = panel;
  // The way to another list stays at hand, smaller, beside a list.
  byId('drop').hidden = panel === 'working';
  byId('drop').classList.toggle('slim', panel === 'list');
  byId('drop-title').textContent = panel === 'list' ? 'Another list: drop it here, or' : 'Drop a file of prompts or a chat export here';
  byId('working').hidden = panel !== 'working';
  byId('list').hidden = panel !== 'list';
}

function openDropped(event) {
  event.preventDefault();
  byId('explore').classList.remove('over');
  const [file] = event.dataTransfer.files;
  const text = event.dataTransfer.getData('text/plain');
  if (file) open(file);
  else if (text.trim()) open(pasted(text));
}

export function startExplore() {
  byId('sample').addEventListener('click', async () => {
    const response = await fetch('sample.txt');
    open(new File([await response.blob()], 'sample.txt'));
  });
  const file = byId('file');
  byId('pick').addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    const [chosen] = file.files;
    if (chosen) open(chosen);
    // The same file again, once it was mended, is a change, too.
    file.value = '';
  });
  byId('paste-open').addEventListener('click', () => {
    byId('paste').hidden = !byId('paste').hidden;
    byId('paste-open').setAttribute('aria-expanded', String(!byId('paste').hidden));
    if (!byId('paste').hidden) byId('pasted').focus();
  });
  byId('paste-go').addEventListener('click', () => open(pasted(byId('pasted').value)));
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
