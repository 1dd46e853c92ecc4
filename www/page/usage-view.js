// "What do you use AI for?": the charts of a list whose prompts have times, and their picture.
import { bars, columns, draw, toSvg, week } from './chart.js';
import { append, button, byId, pressed } from './dom.js';
import { baseName, save } from './download.js';
import { count, whole } from './format.js';
import { nameOf } from './tasks.js';
import { hoursOf, modelsOf, newKindsOf, periodsOf, repeatedOf, threadsOf, timesOf } from './usage.js';

const LEVELS = { family: 'Family', kind: 'Kind' };
const LABELS = 8;
const MODELS = 6;
const DAY = new Intl.DateTimeFormat('en', { dateStyle: 'long' });
// The picture: its size, the margin, and how much finer it is than the layout.
const [PICTURE, MARGIN, FINE] = [1000, 40, 2];

const section = byId('usage');
/** What is shown: `{ list, times, lists, choose }`; nothing of it where no prompt has a time. */
let shown;
let level;

/** Lets the page answer between two counts of a long list. */
const pause = () => new Promise((resolve) => setTimeout(resolve));

/** Shows a list's usage; `choose` is called with a row that was clicked. */
export async function showUsage(list, choose) {
  const next = (shown = { list, choose, times: [] });
  section.hidden = true;
  await pause();
  next.times = timesOf(list);
  if (next.times.length === 0) return;
  await pause();
  next.lists = { newKinds: newKindsOf(next.times, list.tags.kind), threads: threadsOf(list) };
  await pause();
  next.lists.repeated = repeatedOf(list);
  await pause();
  if (shown !== next) return;
  section.hidden = false;
  level = list.tags.family ? 'family' : 'kind';
  const levels = Object.keys(LEVELS).filter((name) => list.tags[name]);
  byId('usage-levels').replaceChildren();
  for (const name of levels) {
    button(byId('usage-levels'), LEVELS[name], () => {
      level = name;
      render();
    });
  }
  showLists();
  render();
}

/** Colours of the page as they are now; a canvas knows no custom properties. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ink: of('--soft'), strong: of('--ink'), line: of('--line'), fill: of('--fill'), card: of('--card'), other: of('--unknown'),
    colours: Array.from({ length: LABELS }, (_, at) => of(`--c${at}`)) };
}

/** The labels most often given, with their colours, and one for all others. */
function labelsOf({ list }, { colours, other }) {
  const most = list.counts(level).filter(({ label }) => label !== 'unknown').slice(0, LABELS);
  const named = most.map((tag, at) => ({ label: tag.label, name: nameOf(tag), count: tag.count, colour: colours[at] }));
  const rest = list.texts.length - named.reduce((sum, { count }) => sum + count, 0);
  return [...named, { name: 'all others', count: rest, colour: other }];
}

function render() {
  const { list, times } = shown;
  const style = theme();
  const width = section.clientWidth;
  const half = byId('usage-week').clientWidth;
  const labels = labelsOf(shown, style);
  const span = spanOf(times);
  pressed(byId('usage-levels').children, [...byId('usage-levels').children].find(({ textContent }) => textContent === LEVELS[level]));
  byId('usage-span').textContent = span;
  byId('usage-months').replaceChildren(toSvg(columns(periodsOf(times, list.tags[level]), labels, { ...style, width, height: 260 }),
    `Prompts over time by ${LEVELS[level].toLowerCase()}, ${span}. Most often: ${labels.slice(0, 3).map(({ name }) => name).join(', ')}.`));
  byId('usage-legend').replaceChildren(...labels.map(({ name, colour, count }) => {
    const item = document.createElement('li');
    append(item, 'span', 'dot').style.background = colour;
    append(item, 'span', '', `${name} `);
    append(item, 'span', 'figure', whole(count));
    return item;
  }));
  const hours = hoursOf(times);
  byId('usage-week').replaceChildren(toSvg(week(hours, { ...style, width: half }), `Prompts by weekday and hour. ${busiest(hours)}`));
  const models = modelsOf(list).slice(0, MODELS);
  byId('usage-models-part').hidden = models.length === 0;
  if (models.length > 0) {
    byId('usage-models').replaceChildren(toSvg(bars(models, { ...style, width: half }), `Prompts by model: ${models.map(({ name, count }) => `${name} ${count}`).join(', ')}.`));
  }
}

function spanOf(times) {
  const [first, last] = times.reduce(([first, last], { date }) => [date < first ? date : first, date > last ? date : last], [times[0].date, times[0].date]);
  return `${count(times.length, 'prompt')}, ${DAY.format(first)} to ${DAY.format(last)}`;
}

function busiest(hours) {
  const days = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
  const sums = hours.map((day) => day.reduce((sum, number) => sum + number, 0));
  return `Most on ${days[sums.indexOf(Math.max(...sums))]}.`;
}

function showLists() {
  const { list, lists, choose } = shown;
  const fill = (id, entries, text, click) => {
    byId(id).parentElement.hidden = entries.length === 0;
    byId(id).replaceChildren(...entries.map((entry) => {
      const item = document.createElement('li');
      const line = click ? button(item, '', () => click(entry)) : append(item, 'span', 'line-of');
      append(line, 'span', 'text', text(entry));
      append(line, 'span', 'figure', whole(entry.count));
      return item;
    }));
  };
  const { month, kinds } = lists.newKinds;
  byId('usage-new-title').textContent = `New in ${month}`;
  fill('usage-new', kinds.slice(0, LABELS), ({ name }) => name);
  fill('usage-threads', lists.threads, ({ row }) => list.texts[row].slice(0, 200), ({ row }) => choose(row));
  fill('usage-repeated', lists.repeated, ({ row }) => list.texts[row].slice(0, 200), ({ row }) => choose(row));
}

/** The charts as a PNG. Of the prompts it has numbers alone: names of kinds and models, and no text of theirs. */
function picture() {
  const { list, times } = shown;
  const style = theme();
  const width = PICTURE - 2 * MARGIN;
  const half = (width - MARGIN) / 2;
  const labels = labelsOf(shown, style);
  const heading = (text, size = 14) => ({ width: 0, height: size + 14, shapes: [{ x: 0, y: size, text, size, weight: 600, fill: style.strong }] });
  const models = modelsOf(list).slice(0, MODELS);
  const left = [heading('By weekday and hour'), week(hoursOf(times), { ...style, width: half }),
    ...(models.length > 0 ? [heading('By model'), bars(models, { ...style, width: half })] : [])];
  const right = [heading(`By ${LEVELS[level].toLowerCase()}`), bars(labels, { ...style, width: half })];
  const top = [heading('What I use AI for', 26), { height: 30, shapes: [{ x: 0, y: 12, text: spanOf(times), size: 14, fill: style.ink }] },
    columns(periodsOf(times, list.tags[level]), labels, { ...style, width, height: 280 })];
  const tall = (parts) => parts.reduce((sum, { height }) => sum + height + 10, 0);
  const canvas = document.createElement('canvas');
  const height = tall(top) + Math.max(tall(left), tall(right)) + 2 * MARGIN + 40;
  [canvas.width, canvas.height] = [PICTURE * FINE, height * FINE];
  const context = canvas.getContext('2d');
  context.scale(FINE, FINE);
  context.fillStyle = style.card;
  context.fillRect(0, 0, PICTURE, height);
  const below = (parts, x, y) => parts.reduce((y, part) => {
    draw(context, part, x, y);
    return y + part.height + 10;
  }, y);
  const middle = below(top, MARGIN, MARGIN) + 10;
  below(left, MARGIN, middle);
  below(right, MARGIN + half + MARGIN, middle);
  draw(context, { shapes: [{ x: 0, y: 0, text: 'Counted by pie in the browser, offline.', size: 12, fill: style.ink }] }, MARGIN, height - 20);
  return canvas;
}

export function startUsage() {
  byId('usage-picture').addEventListener('click', () => {
    const { list } = shown;
    picture().toBlob((blob) => save(blob, `${baseName(list)}-usage.png`));
  });
  let width;
  new ResizeObserver(() => {
    if (section.hidden || section.clientWidth === 0 || section.clientWidth === width) return;
    width = section.clientWidth;
    render();
  }).observe(section);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => section.hidden || render());
}
