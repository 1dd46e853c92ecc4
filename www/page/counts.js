// How often each label was given, as bars that filter.
import { append, byId } from './dom.js';
import { percent, whole } from './format.js';
import { nameOf } from './tasks.js';

/** Shows `counts` of `total` rows; `colour` gives a label's, `chosen` is the label that is filtered by. */
export function showCounts(counts, total, { colour, chosen, choose }) {
  const list = byId('counts');
  const most = Math.max(...counts.map(({ count }) => count));
  const top = list.scrollTop;
  const focused = document.activeElement?.dataset?.label;
  list.replaceChildren(...counts.map((tag) => {
    const { label, name, count } = tag;
    const item = document.createElement('li');
    const row = append(item, 'button', 'count');
    row.type = 'button';
    row.dataset.label = label;
    row.setAttribute('aria-pressed', String(label === chosen));
    row.title = label === name ? name : `${name} (${label})`;
    append(row, 'span', 'count-name', nameOf(tag));
    append(row, 'span', 'count-figure', whole(count));
    append(row, 'span', 'visually-hidden', `, ${percent(count / total)}`);
    const bar = append(append(row, 'span', 'bar'), 'span');
    bar.style.width = `${(100 * count) / most}%`;
    bar.style.background = colour(label);
    row.addEventListener('click', () => choose(label));
    return item;
  }));
  list.scrollTop = top;
  if (focused !== undefined) [...list.querySelectorAll('button')].find(({ dataset }) => dataset.label === focused)?.focus();
}
