// The embedder of the page, loaded once for all its parts.
import { PieEmbedder } from './pkg/index.js';
import { byId } from './dom.js';
import { megabytes } from './format.js';

const MAX_POOL = 4;
const FAILURES = {
  network: 'The connection broke off before everything had arrived. Are you online?',
  not_found: 'A file of the model is missing on this server.',
  http_status: 'The server did not hand out a file of the model.',
  integrity: 'A file arrived damaged or is of another version.',
  wasm_unsupported: 'This browser cannot run the model.',
  worker_failed: 'The worker that runs the model could not be started.',
};

let arrived;
/** The embedder once it is there; one that failed to load may be tried again. */
export const model = new Promise((resolve) => (arrived = resolve));

/** The names of the families, by their label. */
let families = new Map();

/** A family as people read it; nothing where the taxonomy has none. */
export const familyName = (label) => families.get(label);

/** Any text has a score for every family. */
async function namesOfFamilies(pie) {
  const topK = pie.info().taxonomy?.families;
  if (!topK) return new Map();
  return new Map((await pie.classify('a', { level: 'family', topK: topK + 1 })).map(({ label, name }) => [label, name]));
}

export async function load() {
  show('loading');
  showProgress({ phase: 'download', loaded: 0, total: 0 });
  try {
    const pie = await PieEmbedder.load({ onProgress: showProgress });
    byId('about').textContent = about(pie.info());
    families = await namesOfFamilies(pie);
    show('tags');
    arrived(pie);
  } catch (error) {
    byId('failure-text').textContent = FAILURES[error.code] ?? 'Something in the engine went wrong.';
    byId('failure-detail').textContent = `${error.code ?? error.name}: ${error.message}`;
    show('failure');
  }
}

/** Workers for a list, apart from the one that answers while somebody types; the caller disposes of them. */
export function loadPool(signal) {
  const pool = Math.max(2, Math.min(MAX_POOL, (navigator.hardwareConcurrency ?? 1) - 1));
  return PieEmbedder.load({ pool, signal });
}

/** One embedder on a device by name; the caller disposes of it. */
export const loadOn = (device) => PieEmbedder.load(device ? { device } : {});

/** What does the arithmetic, in words. */
export function deviceName({ device, simd }) {
  return device === 'webgpu' ? 'WebGPU' : simd === 'scalar' ? 'WebAssembly' : `WebAssembly (${simd})`;
}

function about(info) {
  const { name, license, bytes, hiddenSize, taxonomy } = info;
  const families = taxonomy?.families ? ` in ${taxonomy.families} families` : '';
  return `${name}: ${megabytes(bytes)} MB, ${hiddenSize} dimensions, ${taxonomy?.kinds ?? 0} kinds of task${families}, ` +
    `${taxonomy?.tasks ?? 0} pairs of verb and noun, on ${deviceName(info)}. Weights: ${license}.`;
}

function showProgress({ phase, loaded, total }) {
  byId('loading-text').textContent = phase === 'download' ? 'Loading the model' : 'Starting the engine';
  byId('loading-figure').textContent = total ? `${megabytes(loaded)} of ${megabytes(total)} MB` : '';
  byId('loading-bar').value = total ? loaded / total : 0;
}

function show(panel) {
  for (const id of ['loading', 'failure', 'tags']) byId(id).hidden = id !== panel;
}
