// Charts as shapes, which are drawn as SVG in the page and on a canvas for a picture. A shape is a rectangle `{ x, y, width, height, fill }`
// with a `title` for the pointer, or a text `{ x, y, text, size, fill }`.
import { count, whole } from './format.js';

const SMALL = 12;
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const SVG = 'http://www.w3.org/2000/svg';
const FONT = 'system-ui, sans-serif';

/** Periods as columns, in each the labels one on the other; `labels` are `{ label, name, colour }`, and the last is for all others. */
export function columns(periods, labels, { width, height, ink, line }) {
  const [left, bottom] = [40, 22];
  const named = new Set(labels.slice(0, -1).map(({ label }) => label));
  const stacks = periods.map(({ name, counts }) => {
    const others = [...counts].reduce((sum, [label, count]) => (named.has(label) ? sum : sum + count), 0);
    return { name, parts: labels.map((part, at) => ({ ...part, count: at === labels.length - 1 ? others : counts.get(part.label) ?? 0 })) };
  });
  const highest = Math.max(...stacks.map(({ parts }) => parts.reduce((sum, { count }) => sum + count, 0)));
  // Even, so that the line at the middle has a whole number.
  const most = highest + (highest % 2);
  const step = (width - left) / periods.length;
  const scale = (height - bottom - 10) / most;
  const base = height - bottom;
  const shapes = [0, most / 2, most].flatMap((value) => [
    { x: left, y: base - value * scale, width: width - left, height: 1, fill: line },
    { x: left - 8, y: base - value * scale + 4, text: whole(value), anchor: 'end', size: SMALL, fill: ink },
  ]);
  const every = Math.ceil(64 / step);
  stacks.forEach(({ name, parts }, at) => {
    let top = base;
    for (const { name: part, colour, count: number } of parts) {
      if (number === 0) continue;
      top -= number * scale;
      shapes.push({ x: left + at * step + step * 0.1, y: top, width: step * 0.8, height: number * scale, fill: colour, title: `${name}: ${part}, ${whole(number)}` });
    }
    if (at % every === 0) shapes.push({ x: left + (at + 0.5) * step, y: height - 5, text: name, anchor: 'middle', size: SMALL, fill: ink });
  });
  // A name at the end may reach over the edge.
  return { width, height, shapes: shapes.filter(({ text, x }) => text === undefined || x < width - 24) };
}

/** Weekdays by hours, the darker the more. */
export function week(hours, { width, ink, line, fill }) {
  const left = 40;
  const [step, row] = [(width - left) / 24, 22];
  const most = Math.max(...hours.flat());
  const shapes = hours.flatMap((day, at) => [
    { x: left - 8, y: at * row + 15, text: DAYS[at], anchor: 'end', size: SMALL, fill: ink },
    ...day.map((number, hour) => ({
      x: left + hour * step + 1,
      y: at * row + 1,
      width: step - 2,
      height: row - 2,
      fill: number === 0 ? line : fill,
      opacity: number === 0 ? 0.5 : 0.2 + (0.8 * number) / most,
      title: `${DAYS[at]} ${hour}:00, ${count(number, 'prompt')}`,
    })),
  ]);
  for (let hour = 0; hour < 24; hour += 6) shapes.push({ x: left + hour * step, y: 7 * row + 16, text: `${hour}:00`, size: SMALL, fill: ink });
  return { width, height: 7 * row + 20, shapes };
}

/** Names with bars: `{ name, count, colour }`. */
export function bars(entries, { width, ink, line, fill }) {
  const row = 34;
  const most = Math.max(...entries.map(({ count }) => count));
  const shapes = entries.flatMap(({ name, count: number, colour = fill }, at) => [
    { x: 0, y: at * row + 14, text: shorten(name, (width - 60) / 7.5), size: 13, fill: ink },
    { x: width, y: at * row + 14, text: whole(number), anchor: 'end', size: 13, fill: ink },
    { x: 0, y: at * row + 20, width, height: 5, fill: line },
    { x: 0, y: at * row + 20, width: (width * number) / most, height: 5, fill: colour },
  ]);
  return { width, height: entries.length * row, shapes };
}

const shorten = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** The chart as an image element that says what it shows. */
export function toSvg({ width, height, shapes }, says) {
  const svg = element('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': says });
  for (const { text, title, opacity = 1, ...shape } of shapes) {
    if (text !== undefined) {
      const { anchor = 'start', size, fill, x, y, weight = 400 } = shape;
      const made = element('text', { x, y, fill, 'text-anchor': anchor, 'font-size': size, 'font-weight': weight, 'font-family': FONT });
      made.textContent = text;
      svg.append(made);
      continue;
    }
    const made = element('rect', { ...shape, 'fill-opacity': opacity });
    if (title) made.append(Object.assign(element('title', {}), { textContent: title }));
    svg.append(made);
  }
  return svg;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Draws the chart on a canvas at a place. */
export function draw(context, { shapes }, left, top) {
  for (const { x, y, width, height, fill, opacity = 1, text, anchor = 'start', size, weight = 400 } of shapes) {
    context.fillStyle = fill;
    context.globalAlpha = opacity;
    if (text === undefined) {
      context.fillRect(left + x, top + y, width, height);
      continue;
    }
    context.font = `${weight} ${size}px ${FONT}`;
    context.textAlign = { start: 'left', middle: 'center', end: 'right' }[anchor];
    context.fillText(text, left + x, top + y);
  }
  context.globalAlpha = 1;
}
