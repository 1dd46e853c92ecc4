// A tagged list on the screen: counts, map, table, filters, and what one does with them.
import { append, button, byId, pressed } from './dom.js';
import { showCounts } from './counts.js';
import { download } from './download.js';
import { count, percent, whole } from './format.js';
import { showMap, startMap } from './map.js';
import { familyName } from './model.js';
import { revealRow, showTable, startTable } from './table.js';
import { nameOf, UNKNOWN } from './tasks.js';
import { whenTypingPauses } from './typing.js';
import { showUsage, startUsage } from './usage-view.js';

const COLOURS = 10;
const GOLDEN_ANGLE = 137.5;
const LEAST_FOR_A_MAP = 8;
const NEIGHBOURS = 5;
const LEVELS = { kind: 'Kind', family: 'Family', task: 'Verb and noun', own: 'Yours' };

let list;
let level = 'kind';
let chosen;
let rows = [];
/** The list's vectors, to find neighbours in; made when first asked for. */
let index;

export function showList(next) {
  list?.embedder.dispose();
  index = undefined;
  list = next;
  level = 'kind';
  choose(undefined);
  byId('query').value = '';
  byId('count').max = list.texts.length;
  byId('count').value = Math.min(20, list.texts.length);
  render();
  drawMap();
  showUsage(next, (row) => {
    choose(row);
    render();
    revealRow(row);
    byId('detail').scrollIntoView({ block: 'nearest' });
  });
}

/** Shows the labels of one's own that the list was given. */
export function showOwn(tags) {
  list.tags.own = tags;
  if (list.filter.label?.level === 'own') list.filter.label = undefined;
  level = 'own';
  render();
}

async function drawMap() {
  const asked = list;
  const note = byId('map-note');
  showMap(undefined);
  if (asked.texts.length < LEAST_FOR_A_MAP) {
    note.textContent = `A map takes ${LEAST_FOR_A_MAP} prompts or more.`;
    return;
  }
  note.textContent = 'Drawing the map…';
  try {
    asked.points = await asked.embedder.map(asked.vectors, {
      onStep({ done, total }) {
        if (asked === list) note.textContent = `Drawing the map… ${Math.round((100 * done) / total)} %`;
      },
    });
    if (asked !== list) return;
    note.textContent = '';
    render();
  } catch (error) {
    if (asked === list) note.textContent = `There is no map: ${error.message}.`;
  }
}

function render() {
  rows = list.shown();
  const counts = list.counts(level);
  const colour = colours(counts);
  showLevels();
  const { label } = list.filter;
  showCounts(counts, list.texts.length, {
    colour,
    chosen: label?.level === level ? label.label : undefined,
    choose: (chosen) => filterBy(level, chosen, label?.level === level && label.label === chosen),
  });
  const colourOf = (row) => colour(list.tags[level][row].label);
  if (list.points) {
    byId('map-canvas').setAttribute('aria-label', `Map of ${count(list.texts.length, 'prompt')}, ${whole(rows.length)} of them shown. ` +
      'Arrow keys move it, plus and minus zoom. The table has the same prompts.');
    showMap({
      points: list.points,
      colours: list.texts.map((_, row) => colourOf(row)),
      shown: new Set(rows),
      chosen,
      title: (row) => `${shorten(list.texts[row])}\n${nameOf(list.tags[level][row])}`,
      pick: (row) => {
        choose(row);
        filterBy(level, list.tags[level][row].label);
        revealRow(row);
      },
    });
  }
  showTable({
    list,
    rows,
    chosen,
    level,
    colour: colourOf,
    sort: (by) => {
      list.sort = { by, down: list.sort.by === by && !list.sort.down };
      render();
    },
    choose: (row) => {
      choose(row);
      render();
    },
  });
  showFilters();
}

/** The most frequent labels have colours that one can tell apart, all others a pale one, and what is unknown is grey. */
function colours(counts) {
  const style = getComputedStyle(document.documentElement);
  const of = new Map(counts.map(({ label }, place) => [
    label,
    label === UNKNOWN ? style.getPropertyValue('--unknown')
      : place < COLOURS ? style.getPropertyValue(`--c${place}`)
      : `oklch(${style.getPropertyValue('--pale')} ${(place * GOLDEN_ANGLE) % 360})`,
  ]));
  return (label) => of.get(label);
}

const shorten = (text) => (text.length > 160 ? `${text.slice(0, 160)}…` : text);

function showLevels() {
  const switches = byId('levels');
  const levels = Object.keys(LEVELS).filter((level) => list.tags[level]);
  if (switches.childElementCount !== levels.length) {
    switches.replaceChildren();
    for (const name of levels) {
      button(switches, LEVELS[name], () => {
        level = name;
        render();
      });
    }
  }
  pressed(switches.children, switches.children[levels.indexOf(level)]);
}

function filterBy(level, label, off = false) {
  list.filter.label = off ? undefined : { level, label };
  render();
}

function showFilters() {
  const { query, label, only } = list.filter;
  byId('shown').textContent = rows.length === list.texts.length ? `All ${count(rows.length, 'prompt')}` : `${whole(rows.length)} of ${count(list.texts.length, 'prompt')}`;
  const filters = byId('filters');
  filters.replaceChildren();
  const chip = (text, clear) => {
    const made = button(filters, text, () => {
      clear();
      render();
      byId('table').focus({ preventScroll: true });
    });
    append(made, 'span', 'cross', '×').setAttribute('aria-hidden', 'true');
    made.setAttribute('aria-label', `Remove the filter: ${text}`);
  };
  if (label) chip(nameOf(list.tags[label.level].find((tag) => tag.label === label.label)), () => (list.filter.label = undefined));
  const parts = { duplicates: 'near-duplicates', distinct: 'without near-duplicates', chosen: `the ${list.ranks?.size} most diverse` };
  if (only) chip(parts[only], () => (list.filter.only = undefined));
  if (query) {
    chip(`“${query}”`, () => {
      list.filter.query = '';
      byId('query').value = '';
    });
  }
}

function choose(row) {
  chosen = row;
  const detail = byId('detail');
  detail.replaceChildren();
  if (row === undefined) {
    append(detail, 'p', 'note', 'Choose a prompt to see it whole, with the prompts that ask for the most similar thing.');
    return;
  }
  append(detail, 'p', 'detail-text', list.texts[row]);
  const tags = append(detail, 'dl', 'detail-tags');
  for (const [level, of] of Object.entries(list.tags)) {
    const pair = append(tags, 'div');
    append(pair, 'dt', '', LEVELS[level]);
    const family = familyName(of[row].family);
    append(pair, 'dd', '', `${nameOf(of[row])}${family ? ` (${family})` : ''}, ${percent(of[row].score)}`);
  }
  showNeighbours(row, detail).catch((error) => {
    if (row === chosen) append(detail, 'p', 'note', `Its neighbours could not be found: ${error.message}.`);
  });
}

async function showNeighbours(row, detail) {
  const { data, dims } = list.vectors;
  index ??= makeIndex(list);
  const hits = await (await index).search(data.slice(row * dims[1], (row + 1) * dims[1]), NEIGHBOURS + 1);
  if (row !== chosen) return;
  append(detail, 'h3', '', 'Most alike');
  const near = append(detail, 'ul', 'near');
  for (const { id, score } of hits.filter(({ id }) => id !== row).slice(0, NEIGHBOURS)) {
    const line = button(append(near, 'li'), list.texts[id], () => {
      choose(id);
      render();
      revealRow(id);
    });
    append(line, 'span', 'figure', score.toFixed(2));
  }
}

async function makeIndex({ embedder, vectors }) {
  const made = embedder.index();
  await made.add(Array.from({ length: vectors.dims[0] }, (_, row) => row), vectors);
  return made;
}

/** Runs what a tool's button does, with the button out of use meanwhile and what went wrong beside it. */
async function tool(pushed, work) {
  pushed.disabled = true;
  pushed.classList.add('busy');
  const asked = list;
  try {
    await work(asked);
    if (asked === list) render();
  } catch (error) {
    if (asked === list) byId('shown').textContent = `This could not be done: ${error.message}.`;
  } finally {
    pushed.disabled = false;
    pushed.classList.remove('busy');
  }
}

export function startView() {
  startMap();
  startTable();
  startUsage();
  const search = whenTypingPauses(() => {
    list.filter.query = byId('query').value;
    render();
  });
  byId('query').addEventListener('input', () => search());
  for (const [id, only] of [['find-duplicates', 'duplicates'], ['drop-duplicates', 'distinct']]) {
    byId(id).addEventListener('click', ({ target }) => tool(target, async (asked) => {
      asked.setDuplicates(await asked.embedder.duplicates(asked.vectors, { threshold: Number(byId('threshold').value) }));
      asked.filter = { ...asked.filter, only };
      asked.sort = { by: 'row', down: false };
    }));
  }
  byId('choose').addEventListener('click', ({ target }) => tool(target, async (asked) => {
    const count = byId('count');
    if (!count.reportValidity()) return;
    const picks = await asked.embedder.select(asked.vectors, { count: Number(count.value), method: 'k-center' });
    asked.ranks = new Map(picks.map((row, rank) => [row, rank]));
    asked.filter = { query: '', label: undefined, only: 'chosen' };
    asked.sort = { by: 'row', down: false };
    byId('query').value = '';
  }));
  for (const format of ['csv', 'jsonl']) {
    byId(`download-${format}`).addEventListener('click', ({ target }) =>
      tool(target, (asked) => download(asked, rows, format, { guard: byId('formulas').value === 'text' })));
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => list && render());
}
