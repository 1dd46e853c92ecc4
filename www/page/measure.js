// How fast it is on this machine.
import { append, byId } from './dom.js';
import { count, whole } from './format.js';
import { deviceName, loadOn, model } from './model.js';

const TEXTS = 64;
const PASSES = 5;
// A device that has been at it for so long begins no other pass.
const ENOUGH_MS = 10_000;

async function measureAll() {
  const go = byId('measure-go');
  const bar = byId('measure-bar');
  const measured = byId('measured');
  go.disabled = true;
  bar.hidden = false;
  bar.value = 0;
  measured.replaceChildren();
  try {
    const texts = (await (await fetch('sample.txt')).text()).trim().split('\n').slice(0, TEXTS);
    const devices = await devicesHere();
    let done = 0;
    const step = () => (bar.value = ++done / (devices.length * (1 + 2 * PASSES)));
    for (const device of devices) await showMeasured(measured, texts, device, step);
    append(measured, 'p', 'note small', `${TEXTS} instructions of the sample, up to ${PASSES} passes after one to warm up, medians. ` +
      `This machine says it has ${count(navigator.hardwareConcurrency ?? 1, 'processor')}; one worker was at it.`);
  } catch (error) {
    fail(measured, error);
  } finally {
    go.disabled = false;
    bar.hidden = true;
  }
}

/** What the package can run on here: it names its device where there is a choice. */
async function devicesHere() {
  const { device } = (await model).info();
  if (device === undefined) return [undefined];
  return (await navigator.gpu?.requestAdapter().catch(() => null)) ? ['wasm', 'webgpu'] : ['wasm'];
}

/** One device's figures as a row; that one of them fails says nothing about the others. */
async function showMeasured(parent, texts, device, step) {
  const row = append(parent, 'div', 'measured-row');
  const title = append(row, 'h3', '', device === 'webgpu' ? 'WebGPU' : 'WebAssembly');
  const figure = (value, unit) => {
    const cell = append(row, 'p', 'measured-figure');
    append(cell, 'strong', '', value);
    cell.append(` ${unit}`);
  };
  try {
    const { name, singleMs, perSecond } = await measure(texts, device, step);
    title.textContent = name;
    figure(singleMs.toFixed(1), 'ms an instruction, alone');
    figure(whole(Math.round(perSecond)), 'instructions a second, as a list');
  } catch (error) {
    fail(row, error);
  }
}

const fail = (parent, error) => append(parent, 'p', 'note', `This could not be measured: ${error.message}.`);

async function measure(texts, device, step) {
  const pie = await loadOn(device);
  try {
    await pie.embed(texts);
    step();
    const single = [];
    const list = [];
    const start = performance.now();
    for (let pass = 0; pass < PASSES; pass++) {
      const enough = pass > 0 && performance.now() - start > ENOUGH_MS;
      if (!enough) for (const text of texts) single.push(await timed(() => pie.embed(text)));
      step();
      if (!enough) list.push(await timed(() => pie.embed(texts)));
      step();
    }
    return { name: deviceName(pie.info()), singleMs: median(single), perSecond: (1000 * texts.length) / median(list) };
  } finally {
    pie.dispose();
  }
}

async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

export async function startMeasure() {
  byId('measure-go').addEventListener('click', measureAll);
  await model;
  byId('measure-go').disabled = false;
}
