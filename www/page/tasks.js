import { append } from './dom.js';
import { percent } from './format.js';

export const UNKNOWN = 'unknown';

/** A label as people read it. */
export const nameOf = ({ label, name }) => (label === UNKNOWN ? UNKNOWN : name);

/** Labels with their scores, best first, as rows with bars. */
export function showTasks(list, tasks, { unknown, code = false }) {
  list.classList.toggle('doubtful', tasks[0]?.label === UNKNOWN);
  list.replaceChildren(...tasks.map((tag) => {
    const { label, score } = tag;
    const row = document.createElement('li');
    const title = append(row, 'span', 'task-name', nameOf(tag));
    if (label === UNKNOWN) {
      row.className = 'unknown';
    } else if (code) {
      append(title, 'span', 'task-label', label);
    }
    append(row, 'span', 'task-score', percent(score));
    if (label === UNKNOWN) append(row, 'span', 'note', unknown);
    else append(append(row, 'div', 'bar'), 'span').style.width = `${100 * score}%`;
    return row;
  }));
}
