// A loaded list: its prompts, what the model says of them, and which of them are shown.
import { UNKNOWN } from './tasks.js';

export class List {
  /** For each row its best label: `kind`, `family` where there are families, `task`, and `own` once labels of one's own were applied. */
  tags = {};
  /** For each row the kind that comes second, if there is one. */
  second = [];
  /** The embedder with workers of its own that tagged it. */
  embedder;
  /** The texts' vectors. */
  vectors;
  /** The places on the map, `[x, y]` a row. */
  points;
  /** Of each row the first row that it is a near-duplicate of, itself where it is none. */
  firstOf;
  /** Row to its rank in the diverse choice. */
  ranks;
  filter = { query: '', label: undefined, only: undefined };
  sort = { by: 'row', down: false };
  #lower;
  #twins;

  constructor(source) {
    this.source = source;
    this.rows = source.rows;
    this.texts = source.rows.map(({ text }) => text);
    // A short follow-up is read with the turn that it follows up.
    this.requests = source.rows.map(({ text, request }) => request ?? text);
    this.#lower = this.texts.map((text) => text.toLowerCase());
  }

  /** Whether the rows are turns of conversations. */
  get hasTurns() {
    return this.rows[0].turn !== null;
  }

  /** How often each label of a level was given, most often first; the unknown come last. */
  counts(level) {
    const counts = new Map();
    for (const tag of this.tags[level]) {
      const entry = counts.get(tag.label) ?? { ...tag, count: 0 };
      entry.count++;
      counts.set(tag.label, entry);
    }
    const last = ({ label }) => Number(label === UNKNOWN);
    return [...counts.values()].sort((a, b) => last(a) - last(b) || b.count - a.count || (a.name < b.name ? -1 : 1));
  }

  /** The rows that the filters leave, in the order of the sort. */
  shown() {
    const { query, label, only } = this.filter;
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const levels = Object.values(this.tags);
    const rows = [];
    for (let row = 0; row < this.texts.length; row++) {
      if (label && this.tags[label.level][row].label !== label.label) continue;
      if (only === 'duplicates' && !this.#hasTwin(row)) continue;
      if (only === 'distinct' && this.firstOf[row] !== row) continue;
      if (only === 'chosen' && !this.ranks.has(row)) continue;
      if (words.every((word) => this.#lower[row].includes(word) || levels.some((tags) => tags[row].name.toLowerCase().includes(word)))) rows.push(row);
    }
    return rows.sort(this.#order());
  }

  #order() {
    const { by, down } = this.sort;
    const sign = down ? -1 : 1;
    const text = (of) => (a, b) => sign * of(a).localeCompare(of(b), 'en') || a - b;
    if (by === 'row') return this.#natural(sign);
    if (by === 'prompt') return text((row) => this.#lower[row]);
    if (by === 'score') return (a, b) => sign * (this.tags.kind[a].score - this.tags.kind[b].score) || a - b;
    return text((row) => this.tags[by][row].name);
  }

  /** As in the file; the chosen by rank, and near-duplicates beside one another. */
  #natural(sign) {
    if (this.filter.only === 'chosen') return (a, b) => sign * (this.ranks.get(a) - this.ranks.get(b));
    if (this.filter.only === 'duplicates') return (a, b) => sign * (this.firstOf[a] - this.firstOf[b]) || a - b;
    return (a, b) => sign * (a - b);
  }

  /** Takes for each row the earlier one that it repeats, or null. */
  setDuplicates(repeated) {
    this.firstOf = repeated.map((first, row) => first ?? row);
    this.#twins = new Set(repeated.filter((first) => first !== null));
  }

  #hasTwin(row) {
    return this.firstOf[row] !== row || this.#twins.has(row);
  }
}
