// The map: a point a prompt, coloured by its kind.
import { byId } from './dom.js';
import { select, zoom, zoomIdentity } from './vendor.js';

const MARGIN = 18;
const REACH = 14;
const PAN = 60;
const STRETCH = 1.6;

const canvas = byId('map-canvas');
const tip = byId('map-tip');

/** What is drawn: `{ points, colours, shown, chosen, title, pick }`; nothing before a list is there. */
let scene;
let box;
let transform = zoomIdentity;
let frame;
let hovered;

const behaviour = zoom().scaleExtent([1, 60]).on('zoom', (event) => {
  transform = event.transform;
  // From afar a finger scrolls the page; closer by, it moves the map.
  canvas.style.touchAction = transform.k > 1 ? 'none' : 'pan-x pan-y';
  hover(undefined);
  draw();
});
const selection = select(canvas);

/** Shows another list from afar, or the same one with other filters where it is looked at. */
export function showMap(next) {
  const other = scene?.points !== next?.points;
  scene = next;
  if (other && scene) box = boxOf(scene.points);
  if (other) selection.call(behaviour.transform, zoomIdentity);
  draw();
}

function size() {
  const { clientWidth: width, clientHeight: height } = canvas;
  return { width, height };
}

/** Where a row's point is on the canvas. The axes mean nothing by themselves, so a map is stretched, within limits, to fill its frame. */
function placer() {
  const { width, height } = size();
  const { points } = scene;
  const [wide, high] = [(width - 2 * MARGIN) / box.width, (height - 2 * MARGIN) / box.height];
  const [across, down] = [Math.min(wide, STRETCH * high), Math.min(high, STRETCH * wide)];
  const [left, top] = [(width - across * box.width) / 2, (height - down * box.height) / 2];
  return (row) => [
    transform.applyX(left + across * (points[row][0] - box.left)),
    transform.applyY(top + down * (points[row][1] - box.top)),
  ];
}

function boxOf(points) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  // Where all lie in one place there is no extent, and would be no scale.
  return { left, top, width: right - left || 1, height: bottom - top || 1 };
}

function draw() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(paint);
}

function paint() {
  const { width, height } = size();
  const density = devicePixelRatio;
  canvas.width = width * density;
  canvas.height = height * density;
  if (!scene) return;
  const context = canvas.getContext('2d');
  context.scale(density, density);
  const place = placer();
  const total = scene.colours.length;
  const radius = Math.max(1.6, Math.min(5, 90 / Math.sqrt(total))) * Math.min(2, Math.sqrt(transform.k));
  const dot = (row, radius) => {
    const [x, y] = place(row);
    if (x < -radius || y < -radius || x > width + radius || y > height + radius) return;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  };
  const style = getComputedStyle(canvas);
  if (scene.shown.size < total) {
    context.fillStyle = style.getPropertyValue('--line');
    for (let row = 0; row < total; row++) if (!scene.shown.has(row)) dot(row, radius * 0.8);
  }
  context.globalAlpha = 0.85;
  for (const row of scene.shown) {
    context.fillStyle = scene.colours[row];
    dot(row, radius);
  }
  context.globalAlpha = 1;
  for (const row of [scene.chosen, hovered]) {
    if (row === undefined) continue;
    const [x, y] = place(row);
    context.beginPath();
    context.arc(x, y, radius + 3, 0, 2 * Math.PI);
    context.lineWidth = 2;
    context.strokeStyle = style.color;
    context.stroke();
  }
}

function nearest({ offsetX, offsetY }) {
  if (!scene) return undefined;
  const place = placer();
  let best;
  let reach = REACH ** 2;
  for (const row of scene.shown) {
    const [x, y] = place(row);
    const distance = (x - offsetX) ** 2 + (y - offsetY) ** 2;
    if (distance < reach) [best, reach] = [row, distance];
  }
  return best;
}

function hover(row) {
  if (row === hovered) return;
  hovered = row;
  tip.hidden = row === undefined;
  canvas.style.cursor = row === undefined ? '' : 'pointer';
  if (row !== undefined) {
    const [x, y] = placer()(row);
    const { width } = size();
    tip.textContent = scene.title(row);
    tip.style.left = `${Math.max(8, Math.min(x + 12, width - tip.offsetWidth - 8))}px`;
    tip.style.top = `${y > tip.offsetHeight + 20 ? y - tip.offsetHeight - 12 : y + 14}px`;
  }
  draw();
}

export function startMap() {
  // The wheel scrolls the page until the map is meant: with Ctrl, or once it has the focus. So does a single finger from afar.
  behaviour.filter((event) => (event.type === 'wheel' && (event.ctrlKey || document.activeElement === canvas)) ||
    event.type === 'mousedown' || (event.type === 'touchstart' && (event.touches.length > 1 || transform.k > 1)));
  selection.call(behaviour).on('dblclick.zoom', null);
  canvas.addEventListener('pointermove', (event) => event.buttons === 0 && hover(nearest(event)));
  canvas.addEventListener('pointerleave', () => hover(undefined));
  canvas.addEventListener('click', (event) => {
    canvas.focus({ preventScroll: true });
    const row = nearest(event);
    if (row !== undefined) scene.pick(row);
  });
  canvas.addEventListener('keydown', (event) => {
    const moves = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };
    if (moves[event.key]) selection.call(behaviour.translateBy, ...moves[event.key].map((by) => by / transform.k));
    else if (event.key === '+' || event.key === '=') selection.call(behaviour.scaleBy, 1.5);
    else if (event.key === '-') selection.call(behaviour.scaleBy, 1 / 1.5);
    else if (event.key === '0') selection.call(behaviour.transform, zoomIdentity);
    else return;
    event.preventDefault();
  });
  byId('zoom-in').addEventListener('click', () => selection.call(behaviour.scaleBy, 1.6));
  byId('zoom-out').addEventListener('click', () => selection.call(behaviour.scaleBy, 1 / 1.6));
  byId('zoom-all').addEventListener('click', () => selection.call(behaviour.transform, zoomIdentity));
  new ResizeObserver(() => {
    const { width, height } = size();
    behaviour.translateExtent([[0, 0], [width, height]]);
    draw();
  }).observe(canvas);
}
