import { PieEmbedder } from './pkg/index.js';

const EXAMPLES = [
  'Write a haiku about snow',
  'Summarize this article in three sentences',
  'Translate this sentence into French',
  'Suggest a few names for a bakery',
  'Sort these numbers: 3, 1, 2',
  'How do volcanoes form?',
];
const PAIRS = [
  ['Same task, other topic', 'Write a poem about rain', 'Compose a few verses on autumn leaves'],
  ['Same topic, other task', 'Write a poem about rain', 'Explain why it rains'],
  ['Nothing in common', 'Translate this sentence into French', 'Suggest a healthy breakfast'],
];
const TYPING_PAUSE_MS = 120;
const FAILURES = {
  network: 'The connection broke off before everything had arrived. Are you online?',
  not_found: 'A file of the model is missing on this server.',
  http_status: 'The server did not hand out a file of the model.',
  integrity: 'A file arrived damaged or is of another version.',
  wasm_unsupported: 'This browser cannot run the model.',
  worker_failed: 'The worker that runs the model could not be started.',
};

const element = (id) => document.getElementById(id);
let pie;

/** Runs `work` once typing pauses; what an older run brings after a newer one began is dropped. */
function whenTypingPauses(work) {
  let timer;
  let latest = 0;
  return (delayMs = TYPING_PAUSE_MS) => {
    clearTimeout(timer);
    const run = ++latest;
    timer = setTimeout(() => work(() => run === latest), delayMs);
  };
}

const updateTags = whenTypingPauses(async (isLatest) => {
  const text = element('instruction').value;
  if (!pie) return;
  if (!text.trim()) return showTags([], 'Type an instruction, or take one of the examples.');
  try {
    const start = performance.now();
    const tasks = await pie.classify(text, { topK: 3 });
    const elapsedMs = performance.now() - start;
    if (isLatest()) showTags(tasks, '', `${elapsedMs.toFixed(1)} ms on this device`);
  } catch (error) {
    if (isLatest()) showTags([], `This text could not be tagged: ${error.message}.`);
  }
});

function showTags(tasks, note, latency = '') {
  const doubtful = tasks[0]?.label === 'unknown';
  element('tags-note').textContent = note;
  element('tags-latency').textContent = latency;
  element('tags-list').classList.toggle('doubtful', doubtful);
  element('tags-list').replaceChildren(...tasks.map(taskRow));
  element('announcement').textContent =
    note || (doubtful ? 'Unlike any task the model knows.' : `Most likely task: ${tasks[0].name}, ${percent(tasks[0].score)}.`);
}

function taskRow({ label, name, score }) {
  const row = document.createElement('li');
  const title = append(row, 'span', 'task-name', name);
  if (label === 'unknown') {
    row.className = 'unknown';
    title.textContent = 'unknown';
    append(row, 'span', 'task-score', percent(score));
    append(row, 'span', 'note', 'Unlike any task this model knows. The nearest ones:');
    return row;
  }
  if (label !== name) append(title, 'span', 'task-label', label);
  append(row, 'span', 'task-score', percent(score));
  append(append(row, 'div', 'bar'), 'span').style.width = `${100 * score}%`;
  return row;
}

const updateSimilarity = whenTypingPauses(async (isLatest) => {
  if (!pie) return;
  const [first, second] = [element('first').value, element('second').value];
  try {
    const cosine = first.trim() && second.trim() ? await pie.similarity(first, second) : undefined;
    if (isLatest()) showSimilarity(cosine, cosine === undefined ? 'Fill in both to compare them.' : '');
  } catch (error) {
    if (isLatest()) showSimilarity(undefined, `These texts could not be compared: ${error.message}.`);
  }
});

function showSimilarity(cosine, note) {
  element('similarity').textContent = cosine === undefined ? '–' : cosine.toFixed(2);
  element('similarity-bar').style.width = `${100 * Math.max(0, cosine ?? 0)}%`;
  element('similarity-note').textContent = note;
}

async function load() {
  show('loading');
  showProgress({ phase: 'download', loaded: 0, total: 0 });
  try {
    pie = await PieEmbedder.load({ onProgress: showProgress });
  } catch (error) {
    element('failure-text').textContent = FAILURES[error.code] ?? 'Something in the engine went wrong.';
    element('failure-detail').textContent = `${error.code ?? error.name}: ${error.message}`;
    return show('failure');
  }
  const { name, license, bytes, hiddenSize, taxonomy, simd } = pie.info();
  element('about').textContent =
    `${name}, ${megabytes(bytes)} MB, ${hiddenSize} dimensions, ${taxonomy?.tasks ?? 0} tasks, ` +
    `${simd}. Weights: ${license}.`;
  show('tags');
  updateTags(0);
  updateSimilarity(0);
}

function showProgress({ phase, loaded, total }) {
  element('loading-text').textContent = phase === 'download' ? 'Loading the model' : 'Starting the engine';
  element('loading-figure').textContent = total ? `${megabytes(loaded)} of ${megabytes(total)} MB` : '';
  element('loading-bar').value = total ? loaded / total : 0;
}

function show(panel) {
  for (const id of ['loading', 'failure', 'tags']) element(id).hidden = id !== panel;
}

function append(parent, tag, className, text) {
  const child = document.createElement(tag);
  if (className) child.className = className;
  if (text) child.textContent = text;
  parent.append(child);
  return child;
}

function chip(parent, text, click) {
  const button = append(element(parent), 'button', '', text);
  button.type = 'button';
  button.addEventListener('click', click);
}

const percent = (fraction) => (fraction > 0 && fraction < 0.005 ? '<1%' : `${Math.round(100 * fraction)}%`);
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

for (const text of EXAMPLES) {
  chip('examples', text, () => {
    element('instruction').value = text;
    updateTags(0);
  });
}
for (const [name, first, second] of PAIRS) {
  chip('pairs', name, () => {
    element('first').value = first;
    element('second').value = second;
    updateSimilarity(0);
  });
}
element('instruction').value = EXAMPLES[0];
// Typing replaces an example, and never what someone wrote.
element('instruction').addEventListener('focus', ({ target }) => EXAMPLES.includes(target.value) && target.select());
[, element('first').value, element('second').value] = PAIRS[0];
element('instruction').addEventListener('input', () => updateTags());
element('first').addEventListener('input', () => updateSimilarity());
element('second').addEventListener('input', () => updateSimilarity());
element('retry').addEventListener('click', load);
load();
