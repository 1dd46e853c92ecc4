// Labels of one's own, from a few examples of each.
import { append, button, byId } from './dom.js';
import { onList } from './explore.js';
import { count } from './format.js';
import { model } from './model.js';
import { showTasks } from './tasks.js';
import { whenTypingPauses } from './typing.js';
import { showOwn } from './view.js';

const SETS = {
  'Which model?': {
    text: 'Could you have a look at why this function returns null?',
    labels: {
      'code model': ['Write a Python function that parses dates', 'Why does my loop never end?', 'Write a SQL query for all late orders'],
      'writing model': ['Write a poem about rain', 'Draft an email to my landlord', 'Make this paragraph friendlier'],
      'small model': ['What is the capital of France?', 'hi there', 'Convert 5 miles to kilometres'],
    },
  },
  'A shop’s inbox': {
    text: 'I was billed two times',
    labels: {
      billing: ['Where is my invoice?', 'Why was I charged twice?'],
      shipping: ['Where is my parcel?', 'Can you deliver on Saturday?'],
      returns: ['I want to send this back', 'How do I exchange the size?'],
    },
  },
  'A teacher’s tools': {
    text: 'I need ten questions on the water cycle for Monday',
    labels: {
      'make a test': ['Make a quiz on fractions', 'Five multiple-choice questions about the Romans'],
      'give feedback': ['Comment on this essay', 'Where could this pupil’s answer be better?'],
      'explain it simply': ['Explain photosynthesis to a ten-year-old', 'How does a volcano work, in easy words?'],
    },
  },
};

const lists = byId('labels');
const field = byId('own-text');
const apply = byId('own-apply');
let loaded;
/** The tagger of the labels as they stand, and those labels as text. */
let made = { key: '', tagger: undefined };

const update = whenTypingPauses(async (isLatest) => {
  try {
    const pie = await model;
    const examples = read();
    const key = JSON.stringify(examples);
    if (key !== made.key) {
      const tagger = await pie.tagger(examples);
      if (!isLatest()) return tagger.dispose();
      made.tagger?.dispose();
      made = { key, tagger };
    }
    const tags = field.value.trim() ? await made.tagger.classify(field.value, { topK: Object.keys(examples).length }) : [];
    if (isLatest()) show(tags, tags.length > 0 ? '' : 'Type a prompt to see which label it gets.', true);
  } catch (error) {
    if (isLatest()) show([], error.code ? `These labels cannot be used: ${error.message}.` : error.message, false);
  }
});

function show(tags, note, usable) {
  showTasks(byId('own-tags'), tags, { unknown: 'Unlike any of the examples. The nearest labels:' });
  byId('own-note').textContent = note;
  apply.disabled = !(usable && loaded);
}

/** The labels with their examples; says what is missing. */
function read() {
  const examples = new Map();
  for (const item of lists.children) {
    const name = item.querySelector('input').value.trim();
    const texts = item.querySelector('textarea').value.split('\n').filter((line) => line.trim());
    if (!name && texts.length === 0) continue;
    if (!name) throw new Error('One of the labels has no name yet.');
    if (examples.has(name)) throw new Error(`There are two labels “${name}”: put their examples together.`);
    if (texts.length === 0) throw new Error(`“${name}” has no example yet.`);
    examples.set(name, texts);
  }
  if (examples.size < 2) throw new Error('It takes at least two labels.');
  // Not by assignment, which would lose a label named __proto__.
  return Object.fromEntries(examples);
}

let number = 0;

function add(name, examples) {
  const id = ++number;
  const item = append(lists, 'li', 'label');
  const head = append(item, 'div', 'label-head');
  const title = append(head, 'input');
  Object.assign(title, { type: 'text', value: name, placeholder: 'name of the label', autocomplete: 'off' });
  title.setAttribute('aria-label', `Name of label ${id}`);
  button(head, '×', () => {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    (next?.querySelector('input') ?? byId('label-add')).focus();
    update(0);
  }, 'remove').setAttribute('aria-label', `Remove label ${id}`);
  const texts = append(item, 'textarea');
  Object.assign(texts, { rows: Math.max(2, examples.length), value: examples.join('\n'), placeholder: 'examples, one a line', spellcheck: false });
  texts.setAttribute('aria-label', `Examples of label ${id}, one a line`);
  for (const part of [title, texts]) part.addEventListener('input', () => update());
  return title;
}

function take({ text, labels }) {
  lists.replaceChildren();
  for (const [name, examples] of Object.entries(labels)) add(name, examples);
  field.value = text;
  update(0);
}

async function applyToList() {
  const list = loaded;
  const { tagger } = made;
  apply.disabled = true;
  byId('own-applied').textContent = '';
  try {
    const tags = (await tagger.classify(list.requests, { topK: 1 })).map(([tag]) => tag);
    if (list !== loaded) return;
    showOwn(tags);
    byId('own-applied').replaceChildren(`${count(tags.length, 'prompt')} of ${list.source.name} tagged. `);
    const link = append(byId('own-applied'), 'a', '', 'See them in the list');
    link.href = '#list';
  } catch (error) {
    byId('own-applied').textContent = `The list could not be tagged: ${error.message}.`;
  } finally {
    apply.disabled = false;
  }
}

export function startOwn() {
  for (const [name, set] of Object.entries(SETS)) button(byId('label-sets'), name, () => take(set));
  byId('label-add').addEventListener('click', () => add('', []).focus());
  field.addEventListener('input', () => update());
  apply.addEventListener('click', applyToList);
  onList((list) => {
    loaded = list;
    byId('own-applied').textContent = '';
    update(0);
  });
  take(SETS['Which model?']);
}
