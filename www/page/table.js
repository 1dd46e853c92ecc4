// The table: as many rows as fit are in the document, out of however many there are.
import { append, button, byId } from './dom.js';
import { percent, whole } from './format.js';
import { familyName } from './model.js';
import { nameOf, UNKNOWN } from './tasks.js';

const SPARE = 6;
const COLUMNS = {
  row: 'No.',
  prompt: 'Prompt',
  kind: 'Kind',
  score: 'Score',
  task: 'Verb and noun',
  own: 'Your label',
};

const table = byId('table');
const body = byId('table-body');
const head = byId('table-head');

/** What is shown: `{ list, rows, chosen, level, colour, sort, choose }`. */
let view;
let columns = [];

export function showTable(next) {
  const other = next.list !== view?.list || next.rows.length !== view.rows.length;
  view = next;
  columns = Object.keys(COLUMNS).filter((column) => column !== 'own' || view.list.tags.own);
  table.classList.toggle('with-own', columns.includes('own'));
  table.setAttribute('aria-rowcount', String(view.rows.length + 1));
  table.setAttribute('aria-colcount', String(columns.length));
  showHead();
  if (other) table.scrollTop = 0;
  paint();
}

function showHead() {
  const { by, down } = view.list.sort;
  if (head.childElementCount !== columns.length) {
    head.replaceChildren();
    for (const column of columns) {
      const cell = append(head, 'div', `cell ${column}`);
      cell.setAttribute('role', 'columnheader');
      button(cell, COLUMNS[column], () => view.sort(column));
    }
  }
  columns.forEach((column, index) => {
    head.children[index].setAttribute('aria-sort', column !== by ? 'none' : down ? 'descending' : 'ascending');
  });
}

const rowHeight = () => parseFloat(getComputedStyle(table).getPropertyValue('--row'));

function paint() {
  const height = rowHeight();
  const first = Math.max(0, Math.floor(table.scrollTop / height) - SPARE);
  const last = Math.min(view.rows.length, Math.ceil((table.scrollTop + table.clientHeight) / height) + SPARE);
  body.style.height = `${view.rows.length * height}px`;
  body.replaceChildren();
  for (let place = first; place < last; place++) addRow(place, height);
  const active = view.rows.indexOf(view.chosen);
  if (active >= first && active < last) table.setAttribute('aria-activedescendant', `row-${view.chosen}`);
  else table.removeAttribute('aria-activedescendant');
}

function addRow(place, height) {
  const { list, rows, chosen, choose } = view;
  const row = rows[place];
  const line = append(body, 'div', 'line');
  line.id = `row-${row}`;
  line.setAttribute('role', 'row');
  line.setAttribute('aria-rowindex', String(place + 2));
  line.setAttribute('aria-selected', String(row === chosen));
  line.style.top = `${place * height}px`;
  line.addEventListener('click', () => choose(row));
  for (const column of columns) {
    const cell = append(line, 'div', `cell ${column}`);
    cell.setAttribute('role', 'gridcell');
    fill(cell, column, row);
  }
}

function fill(cell, column, row) {
  const { list, level, colour } = view;
  if (column === 'row') {
    cell.textContent = whole(row + 1);
  } else if (column === 'prompt') {
    append(cell, 'span', 'text', list.texts[row]);
    for (const badge of badges(row, list)) append(cell, 'span', 'badge', badge);
  } else if (column === 'score') {
    cell.textContent = percent(list.tags.kind[row].score);
  } else {
    const tag = list.tags[column][row];
    if (column === level) append(cell, 'span', 'dot').style.background = colour(row);
    append(cell, 'span', tag.label === UNKNOWN ? 'text unknown' : 'text', nameOf(tag));
    const family = familyName(tag.family);
    if (family) cell.title = family;
  }
}

function badges(row, list) {
  const rank = list.ranks?.get(row);
  const badges = rank === undefined ? [] : [`pick ${rank + 1}`];
  if (list.filter.only === 'duplicates') badges.push(list.firstOf[row] === row ? 'first' : `like ${whole(list.firstOf[row] + 1)}`);
  return badges;
}

/** Chooses the row `by` places further and brings it into sight. */
function move(by) {
  const { rows, chosen, choose } = view;
  if (rows.length === 0) return;
  const at = rows.indexOf(chosen);
  const place = at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + by));
  reveal(place);
  choose(rows[place]);
}

function reveal(place) {
  const height = rowHeight();
  const [top, room] = [place * height, table.clientHeight - head.offsetHeight];
  if (top < table.scrollTop) table.scrollTop = top;
  else if (top + height > table.scrollTop + room) table.scrollTop = top + height - room;
}

/** Brings a row into sight where it is shown. */
export function revealRow(row) {
  const place = view.rows.indexOf(row);
  if (place >= 0) reveal(place);
}

export function startTable() {
  table.addEventListener('scroll', () => requestAnimationFrame(paint));
  table.addEventListener('keydown', (event) => {
    const page = Math.max(1, Math.floor(table.clientHeight / rowHeight()) - 2);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined || !view || event.target.closest('button')) return;
    event.preventDefault();
    move(by);
  });
  new ResizeObserver(() => view && paint()).observe(table);
}
