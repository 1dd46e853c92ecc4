// Two instructions side by side, and what a sentence model makes of the examples.
import { append, byId, pressed } from './dom.js';
import { model } from './model.js';
import { whenTypingPauses } from './typing.js';

const VERDICTS = {
  task: 'Another topic, the same task: this is what a prompt is routed by.',
  topic: 'The same topic, another task: a sentence model takes them for neighbours.',
};

const [first, second] = [byId('first'), byId('second')];
let pairs = [];

const update = whenTypingPauses(async (isLatest) => {
  const pie = await model;
  const [a, b] = [first.value, second.value];
  const example = pairs.find((pair) => pair.first === a && pair.second === b);
  pressed(byId('pairs').querySelectorAll('button'), example?.row);
  showFigure('baseline', example?.sentenceModel);
  if (!a.trim() || !b.trim()) return show(undefined, 'Fill in both to compare them.');
  try {
    const cosine = await pie.similarity(a, b);
    if (isLatest()) show(cosine, example ? VERDICTS[example.same] : 'The sentence model was measured on the examples only.');
  } catch (error) {
    if (isLatest()) show(undefined, `These texts could not be compared: ${error.message}.`);
  }
});

function show(cosine, note) {
  showFigure('similarity', cosine);
  byId('similarity-note').textContent = note;
}

function showFigure(id, cosine) {
  byId(id).textContent = cosine === undefined ? '–' : cosine.toFixed(2);
  place(byId(`${id}-bar`), 'width', cosine ?? 0);
}

const place = (element, property, cosine) => (element.style[property] = `${100 * Math.max(0, cosine)}%`);

/** A pair as a row that takes it into the fields, with both models' figures on one scale. */
function addPair(pair) {
  const item = append(byId(`pairs-${pair.same}`).nextElementSibling, 'li');
  const row = append(item, 'button', 'pair');
  row.type = 'button';
  const texts = append(row, 'span', 'pair-texts');
  append(texts, 'span', '', pair.first);
  append(texts, 'span', '', pair.second);
  const scale = append(row, 'span', 'scale');
  scale.setAttribute('aria-hidden', 'true');
  const link = append(scale, 'span', 'scale-link');
  place(append(scale, 'span', 'dot theirs'), 'left', pair.sentenceModel);
  const ours = append(scale, 'span', 'dot ours');
  const figures = append(row, 'span', 'visually-hidden', `Sentence model: ${pair.sentenceModel.toFixed(2)}.`);
  row.addEventListener('click', () => {
    first.value = pair.first;
    second.value = pair.second;
    update(0);
  });
  return {
    ...pair,
    row,
    place(cosine) {
      place(ours, 'left', cosine);
      place(link, 'left', Math.min(cosine, pair.sentenceModel));
      place(link, 'width', Math.abs(cosine - pair.sentenceModel));
      row.classList.add('placed');
      figures.textContent += ` pie: ${cosine.toFixed(2)}.`;
    },
  };
}

export async function startCompare() {
  first.addEventListener('input', () => update());
  second.addEventListener('input', () => update());
  pairs = (await (await fetch('pairs.json')).json()).map(addPair);
  [first.value, second.value] = [pairs[0].first, pairs[0].second];
  update(0);
  const pie = await model;
  for (const pair of pairs) pair.place(await pie.similarity(pair.first, pair.second));
}
