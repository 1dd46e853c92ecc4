import { append } from './dom.js';
import { percent } from './format.js';

export const UNKNOWN = 'unknown';

/** What is said of a text that the model has not read. */
export const UNREAD = 'The vocabulary of this model lacks most of this text.';

/** A label as people read it. */
export const nameOf = ({ label, name }) => (label === UNKNOWN ? UNKNOWN : name);

/** Labels with their scores, best first, as rows with bars; `second` gives what stands behind a name, as code or as words. */
export function showTasks(list, tasks, { unknown, second, code = false }) {
  list.classList.toggle('doubtful', tasks[0]?.label === UNKNOWN);
  list.replaceChildren(...tasks.map((tag) => {
    const { label, score, reason } = tag;
    const row = document.createElement('li');
    const title = append(row, 'span', 'task-name', nameOf(tag));
    const behind = label === UNKNOWN ? undefined : second?.(tag);
    if (label === UNKNOWN) row.className = 'unknown';
    if (behind) append(title, 'span', code ? 'task-label code' : 'task-label', behind);
    append(row, 'span', 'task-score', percent(score));
    if (label === UNKNOWN) append(row, 'span', 'note', reason === 'unread' ? UNREAD : unknown);
    else append(append(row, 'div', 'bar'), 'span').style.width = `${100 * score}%`;
    return row;
  }));
}
