// A prompt, tagged as one types.
import { button, byId } from './dom.js';
import { percent } from './format.js';
import { deviceName, familyName, model } from './model.js';
import { showTasks, UNKNOWN, UNREAD } from './tasks.js';
import { whenTypingPauses } from './typing.js';

const EXAMPLES = [
  'Write a haiku about snow',
  'Summarize this article in three sentences',
  'Translate this sentence into French',
  'Suggest a few names for a bakery',
  'Sort these numbers: 3, 1, 2',
  'How do volcanoes form?',
];

const field = byId('instruction');

const update = whenTypingPauses(async (isLatest) => {
  const pie = await model;
  const text = field.value;
  if (!text.trim()) return show([], [], 'Type an instruction, or take one of the examples.');
  try {
    const start = performance.now();
    const kinds = await pie.classify(text, { level: 'kind' });
    const elapsedMs = performance.now() - start;
    const tasks = await pie.classify(text, { level: 'task' });
    if (isLatest()) show(kinds, tasks, '', `${elapsedMs.toFixed(1)} ms on this device, in ${deviceName(pie.info())}`);
  } catch (error) {
    if (isLatest()) show([], [], `This text could not be tagged: ${error.message}.`);
  }
});

function show(kinds, tasks, note, latency = '') {
  byId('tags-note').textContent = note;
  byId('tags-latency').textContent = latency;
  byId('tags-found').hidden = kinds.length === 0;
  showTasks(byId('kinds-list'), kinds, { unknown: 'Unlike any kind this model knows. The nearest:', second: ({ family }) => familyName(family) });
  showTasks(byId('tags-list'), tasks, { unknown: 'No known pair fits. The nearest:', second: ({ label }) => label, code: true });
  byId('announcement').textContent = note || (kinds[0].reason === 'unread' ? UNREAD
    : kinds[0].label === UNKNOWN ? 'Unlike any task the model knows.'
    : `Most likely: ${kinds[0].name}, ${percent(kinds[0].score)}.`);
}

export function startPrompt() {
  for (const text of EXAMPLES) {
    button(byId('examples'), text, () => {
      field.value = text;
      update(0);
    });
  }
  field.value = EXAMPLES[0];
  // Typing replaces an example, and never what someone wrote.
  field.addEventListener('focus', () => EXAMPLES.includes(field.value) && field.select());
  field.addEventListener('input', () => update());
  update(0);
}
