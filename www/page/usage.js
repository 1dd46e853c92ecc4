// What somebody uses AI for, by the times of their own prompts: counts over months, weekdays, hours, models and conversations.
import { UNKNOWN } from './tasks.js';

const LISTED = 5;
/** Months a bar, the fewest that leave no more bars than these. */
const STEPS = [1, 3, 12, 120, 1200];
const MOST_BARS = 60;
/** Three words at least: shorter ones are greetings and thanks. */
const WORDS = /^\s*\S+\s+\S+\s+\S/;
const MARKS = '.!?…';
const MONTH = new Intl.DateTimeFormat('en', { month: 'short', year: 'numeric' });

const monthOf = (date) => date.getFullYear() * 12 + date.getMonth();
const nameOfMonth = (month, step) => (step >= 12 ? String(Math.floor(month / 12)) : MONTH.format(new Date(Math.floor(month / 12), month % 12)));

/** The rows that have a time, with it in the zone of the browser. */
export function timesOf({ rows }) {
  return rows.flatMap(({ time }, row) => {
    const date = new Date(time ?? NaN);
    return Number.isNaN(date.getTime()) ? [] : [{ row, date }];
  });
}

/** Counts of each label in each period: `{ name, counts }`, label to count, oldest first and without gaps. */
export function periodsOf(times, tags) {
  const months = times.map(({ date }) => monthOf(date));
  const [first, last] = months.reduce(([low, high], month) => [Math.min(low, month), Math.max(high, month)], [Infinity, -Infinity]);
  const step = STEPS.find((step) => (last - first) / step < MOST_BARS) ?? STEPS.at(-1);
  const start = first - (first % step);
  const periods = Array.from({ length: Math.floor((last - start) / step) + 1 }, (_, at) => ({ name: nameOfMonth(start + at * step, step), counts: new Map() }));
  times.forEach(({ row }, at) => {
    const { counts } = periods[Math.floor((months[at] - start) / step)];
    const { label } = tags[row];
    counts.set(label, (counts.get(label) ?? 0) + 1);
  });
  return periods;
}

/** Prompts by weekday, Monday first, and hour. */
export function hoursOf(times) {
  const week = Array.from({ length: 7 }, () => new Array(24).fill(0));
  for (const { date } of times) week[(date.getDay() + 6) % 7][date.getHours()]++;
  return week;
}

/** Models with their counts, most used first. */
export function modelsOf({ rows }) {
  return ranked(rows.flatMap(({ model }) => model ?? [])).map(([name, count]) => ({ name, count }));
}

/** The conversations with the most turns, each with its first row. */
export function threadsOf({ rows }) {
  const first = new Map();
  rows.forEach(({ conversation }, row) => conversation !== null && !first.has(conversation) && first.set(conversation, row));
  return ranked(rows.flatMap(({ conversation }) => conversation ?? []))
    .filter(([, count]) => count > 1).slice(0, LISTED).map(([conversation, count]) => ({ row: first.get(conversation), count }));
}

/** A text without the marks at its end. */
function unmarked(text) {
  let end = text.length;
  while (end > 0 && MARKS.includes(text[end - 1])) end--;
  return text.slice(0, end);
}

/** What was asked more than once, but for case and for spaces and marks at the ends; each with its first row. */
export function repeatedOf({ texts }) {
  const keys = texts.map((text) => (WORDS.test(text) ? unmarked(text.trim().toLowerCase()) : undefined));
  const first = new Map();
  keys.forEach((key, row) => key !== undefined && !first.has(key) && first.set(key, row));
  return ranked(keys.filter((key) => key !== undefined))
    .filter(([, count]) => count > 1).slice(0, LISTED).map(([key, count]) => ({ row: first.get(key), count }));
}

/** The kinds of the last month that no earlier one has; nothing where there is one month alone. */
export function newKindsOf(times, kinds) {
  const last = times.reduce((last, { date }) => Math.max(last, monthOf(date)), -Infinity);
  const [before, now] = [new Set(), []];
  for (const { row, date } of times) {
    if (monthOf(date) < last) before.add(kinds[row].label);
    else now.push(kinds[row]);
  }
  const names = new Map(now.map(({ label, name }) => [label, name]));
  const found = ranked(now.map(({ label }) => label)).filter(([label]) => label !== UNKNOWN && !before.has(label));
  return { month: nameOfMonth(last, 1), kinds: before.size === 0 ? [] : found.map(([label, count]) => ({ name: names.get(label), count })) };
}

/** Values with how often each comes, most often first. */
function ranked(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}
